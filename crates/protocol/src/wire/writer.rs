//! A growing buffer that messages are written into, with holes where the sender puts bytes that
//! never pass through it.

use super::{Records, TaggedField, Uuid};

/// The longest string that any version of Kafka accepts, in bytes.
const STRING_MAX: usize = i16::MAX as usize;
/// The longest byte field or array that a length can express.
const LENGTH_MAX: usize = i32::MAX as usize - 1;

/// A place in the written bytes where `len` bytes from elsewhere belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// The offset in the written bytes before which the others go.
    pub at: usize,
    /// How many bytes go there.
    pub len: usize,
}

/// Collects the bytes of a message.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    buf: Vec<u8>,
    holes: Vec<Hole>,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// A writer that appends to `buf`, so that a buffer can be used again.
    pub fn from_buf(buf: Vec<u8>) -> Self {
        Self { buf, holes: Vec::new() }
    }

    /// The bytes written so far, without those of the holes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.buf
    }

    /// Where bytes from elsewhere belong, in order.
    pub fn holes(&self) -> &[Hole] {
        &self.holes
    }

    /// The bytes that go over the wire: those written and those of the holes.
    pub fn wire_len(&self) -> usize {
        self.buf.len() + self.holes.iter().map(|hole| hole.len).sum::<usize>()
    }

    /// The written bytes and the holes among them.
    pub fn into_parts(self) -> (Vec<u8>, Vec<Hole>) {
        (self.buf, self.holes)
    }

    /// Overwrites the four bytes at `at`, such as a frame's length that is known at its end.
    /// Nothing happens if they were not written yet.
    pub fn patch_i32(&mut self, at: usize, value: i32) {
        if let Some(place) = self.buf.get_mut(at..at.saturating_add(4)) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// A Boolean, one byte.
    pub fn bool(&mut self, value: bool) {
        self.buf.push(u8::from(value));
    }

    /// A signed byte.
    pub fn i8(&mut self, value: i8) {
        self.raw(&value.to_be_bytes());
    }

    /// A big-endian 16-bit number.
    pub fn i16(&mut self, value: i16) {
        self.raw(&value.to_be_bytes());
    }

    /// A big-endian 32-bit number.
    pub fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    /// A big-endian 64-bit number.
    pub fn i64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    /// A big-endian unsigned 16-bit number.
    pub fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    /// A big-endian unsigned 32-bit number.
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    /// A big-endian IEEE 754 number of 64 bits.
    pub fn f64(&mut self, value: f64) {
        self.raw(&value.to_be_bytes());
    }

    /// A UUID, 16 bytes.
    pub fn uuid(&mut self, value: Uuid) {
        self.raw(value.as_bytes());
    }

    /// An unsigned variable-length integer.
    pub fn uvarint(&mut self, value: u32) {
        let (bytes, len) = uvarint(value);
        self.raw(&bytes[..len]);
    }

    /// A 32-bit length, compact in flexible versions; `None` is null.
    fn long_length(&mut self, flexible: bool, len: Option<usize>) {
        // The lengths of writers are at most LENGTH_MAX.
        let len = len.map_or(-1, |len| i32::try_from(len).unwrap_or(i32::MAX - 1));
        if flexible { self.uvarint((len + 1).cast_unsigned()) } else { self.i32(len) }
    }

    fn maybe_str(&mut self, flexible: bool, value: Option<&str>) {
        let value = value.map(|text| &text[..text.floor_char_boundary(STRING_MAX)]);
        // At most STRING_MAX by the line above.
        let len = value.map_or(-1, |text| i16::try_from(text.len()).unwrap_or(i16::MAX));
        if flexible {
            self.uvarint((i32::from(len) + 1).cast_unsigned())
        } else {
            self.i16(len)
        }
        self.raw(value.unwrap_or_default().as_bytes());
    }

    /// A string, cut at 32767 bytes.
    pub fn string(&mut self, flexible: bool, value: &str) {
        self.maybe_str(flexible, Some(value));
    }

    /// A string that may be null, if `nullable`; otherwise null is written as the empty string.
    pub fn opt_string(&mut self, flexible: bool, nullable: bool, value: Option<&str>) {
        self.maybe_str(flexible, if nullable { value } else { value.or(Some("")) });
    }

    fn maybe_bytes(&mut self, flexible: bool, value: Option<&[u8]>) {
        let value = value.map(|bytes| &bytes[..bytes.len().min(LENGTH_MAX)]);
        self.long_length(flexible, value.map(<[u8]>::len));
        self.raw(value.unwrap_or_default());
    }

    /// Bytes with their length.
    pub fn bytes(&mut self, flexible: bool, value: &[u8]) {
        self.maybe_bytes(flexible, Some(value));
    }

    /// Bytes that may be null, if `nullable`; otherwise null is written as no bytes.
    pub fn opt_bytes(&mut self, flexible: bool, nullable: bool, value: Option<&[u8]>) {
        self.maybe_bytes(flexible, if nullable { value } else { value.or(Some(&[])) });
    }

    /// A record set: copied, or only its length and a hole if it is external.
    pub fn records(&mut self, flexible: bool, nullable: bool, value: &Records<'_>) {
        match value {
            Records::Null => self.opt_bytes(flexible, nullable, None),
            Records::Slice(bytes) => self.bytes(flexible, bytes),
            Records::External(len) => {
                let len = (*len).min(LENGTH_MAX);
                self.long_length(flexible, Some(len));
                self.holes.push(Hole { at: self.buf.len(), len });
            }
        }
    }

    /// An array.
    pub fn array<T>(&mut self, flexible: bool, items: &[T], item: impl FnMut(&mut Self, &T)) {
        self.opt_array(flexible, false, Some(items), item);
    }

    /// An array that may be null, if `nullable`; otherwise null is written as an empty array.
    pub fn opt_array<T>(
        &mut self,
        flexible: bool,
        nullable: bool,
        items: Option<&[T]>,
        mut item: impl FnMut(&mut Self, &T),
    ) {
        if items.is_none() && nullable {
            return self.long_length(flexible, None);
        }
        let items = items.unwrap_or_default();
        let items = &items[..items.len().min(LENGTH_MAX)];
        self.long_length(flexible, Some(items.len()));
        for one in items {
            item(self, one);
        }
    }

    /// A struct that may be null, if `nullable`; otherwise null is written as the default.
    pub fn opt_struct<T: Default>(
        &mut self,
        nullable: bool,
        value: Option<&T>,
        write: impl FnOnce(&mut Self, &T),
    ) {
        if nullable {
            self.i8(if value.is_some() { 1 } else { -1 });
        }
        self.struct_or_default(nullable, value, write);
    }

    /// A struct in a tagged field, where a compact 0 stands for null, and 1 before a value.
    pub fn opt_tagged_struct<T: Default>(
        &mut self,
        nullable: bool,
        value: Option<&T>,
        write: impl FnOnce(&mut Self, &T),
    ) {
        if nullable {
            self.uvarint(u32::from(value.is_some()));
        }
        self.struct_or_default(nullable, value, write);
    }

    fn struct_or_default<T: Default>(
        &mut self,
        nullable: bool,
        value: Option<&T>,
        write: impl FnOnce(&mut Self, &T),
    ) {
        match value {
            Some(value) => write(self, value),
            None if !nullable => write(self, &T::default()),
            None => {}
        }
    }

    /// The tagged fields at the end of a struct: those of `known` whose flag is set, in rising
    /// order of their tags, and the unknown ones between them. `write` writes a known value.
    pub fn tags(
        &mut self,
        unknown: &[TaggedField<'_>],
        known: &[(u32, bool)],
        mut write: impl FnMut(&mut Self, u32),
    ) {
        let present = || known.iter().filter(|(_, set)| *set).map(|(tag, _)| *tag);
        // A tag that was unknown in the version it was read in may be known in this one.
        let others = unknown.iter().filter(|field| present().all(|tag| tag != field.tag));
        let count = others.clone().count() + present().count();
        self.uvarint(u32::try_from(count).unwrap_or(u32::MAX));
        let mut from = 0;
        for tag in present() {
            let between = |field: &&TaggedField<'_>| (from..tag).contains(&field.tag);
            others.clone().filter(between).for_each(|field| self.unknown_tag(field));
            from = tag;
            self.uvarint(tag);
            let start = self.buf.len();
            write(self, tag);
            // The size goes before the value: fields in tags are short and hold no record set.
            let (size, len) = uvarint(u32::try_from(self.buf.len() - start).unwrap_or(u32::MAX));
            self.buf.splice(start..start, size[..len].iter().copied());
        }
        others.filter(|field| field.tag >= from).for_each(|field| self.unknown_tag(field));
    }

    /// The tagged fields of a struct that knows none.
    pub fn unknown_tags(&mut self, unknown: &[TaggedField<'_>]) {
        self.tags(unknown, &[], |_, _| {});
    }

    fn unknown_tag(&mut self, field: &TaggedField<'_>) {
        self.uvarint(field.tag);
        self.uvarint(u32::try_from(field.data.len()).unwrap_or(u32::MAX));
        self.raw(&field.data);
    }
}

/// The bytes of an unsigned variable-length integer and how many of them count.
fn uvarint(mut value: u32) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let mut len = 0;
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        bytes[len] = if value == 0 { low } else { low | 0x80 };
        len += 1;
        if value == 0 {
            return (bytes, len);
        }
    }
}
