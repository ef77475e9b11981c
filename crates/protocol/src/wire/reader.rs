//! A checked cursor over the bytes of a frame.

use std::borrow::Cow;

use super::{DecodeError, Records, TaggedField, Uuid};

type Result<T> = std::result::Result<T, DecodeError>;

/// What a message may take on the heap beside its frame, for every byte of the frame.
const HEAP_PER_BYTE: usize = 16;
/// What a message may take on the heap in any case, in bytes.
const HEAP_BASE: usize = 64 << 20;

/// A cursor over a frame. Strings and bytes are borrowed from it.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    buf: &'a [u8],
    pos: usize,
    end: usize,
    heap_budget: usize,
}

impl<'a> Reader<'a> {
    /// A reader whose arrays may take 64 MiB and 16 bytes for every byte of `buf`.
    pub fn new(buf: &'a [u8]) -> Self {
        let heap_budget = HEAP_BASE.saturating_add(buf.len().saturating_mul(HEAP_PER_BYTE));
        Self { buf, pos: 0, end: buf.len(), heap_budget }
    }

    /// The same reader with another limit for the memory of all arrays, in bytes.
    #[must_use]
    pub fn with_heap_budget(self, bytes: usize) -> Self {
        Self { heap_budget: bytes, ..self }
    }

    /// The offset of the next byte.
    pub fn position(&self) -> usize {
        self.pos
    }

    /// The bytes that are left.
    pub fn remaining(&self) -> usize {
        self.end - self.pos
    }

    /// All bytes that are left, without moving.
    pub fn rest(&self) -> &'a [u8] {
        &self.buf[self.pos..self.end]
    }

    /// Refuses bytes behind the end of a message.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`] if bytes are left.
    pub fn finish(&self) -> Result<()> {
        match self.remaining() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { at: self.pos, count }),
        }
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedEnd`]; so do all readers of fixed-size values below.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let Some(bytes) = self.rest().get(..len) else { return Err(self.too_short(len)) };
        self.pos += len;
        Ok(bytes)
    }

    fn too_short(&self, wanted: usize) -> DecodeError {
        DecodeError::UnexpectedEnd { at: self.pos, wanted, remaining: self.remaining() }
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some(bytes) = self.rest().first_chunk() else { return Err(self.too_short(N)) };
        self.pos += N;
        Ok(*bytes)
    }

    /// A Boolean: any byte but 0 is true.
    pub fn bool(&mut self) -> Result<bool> {
        Ok(self.i8()? != 0)
    }

    /// A signed byte.
    pub fn i8(&mut self) -> Result<i8> {
        self.fixed().map(i8::from_be_bytes)
    }

    /// A big-endian 16-bit number.
    pub fn i16(&mut self) -> Result<i16> {
        self.fixed().map(i16::from_be_bytes)
    }

    /// A big-endian 32-bit number.
    pub fn i32(&mut self) -> Result<i32> {
        self.fixed().map(i32::from_be_bytes)
    }

    /// A big-endian 64-bit number.
    pub fn i64(&mut self) -> Result<i64> {
        self.fixed().map(i64::from_be_bytes)
    }

    /// A big-endian unsigned 16-bit number.
    pub fn u16(&mut self) -> Result<u16> {
        self.fixed().map(u16::from_be_bytes)
    }

    /// A big-endian unsigned 32-bit number.
    pub fn u32(&mut self) -> Result<u32> {
        self.fixed().map(u32::from_be_bytes)
    }

    /// A big-endian IEEE 754 number of 64 bits.
    pub fn f64(&mut self) -> Result<f64> {
        self.fixed().map(f64::from_be_bytes)
    }

    /// A UUID, 16 bytes.
    pub fn uuid(&mut self) -> Result<Uuid> {
        self.fixed().map(Uuid::from_bytes)
    }

    /// An unsigned variable-length integer of at most 32 bits (5 bytes).
    ///
    /// # Errors
    /// [`DecodeError::OverlongVarint`] if it does not end within 32 bits.
    pub fn uvarint(&mut self) -> Result<u32> {
        let at = self.pos;
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed()?;
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::OverlongVarint { at })
    }

    /// A length: `-1` (compact: 0) is null, anything else has to fit into the remaining bytes if
    /// each unit takes `unit` of them.
    fn length(&self, length: i64, unit: usize) -> Result<Option<usize>> {
        let remaining = self.remaining();
        let invalid = DecodeError::InvalidLength { at: self.pos, length, remaining };
        if length == -1 {
            return Ok(None);
        }
        match usize::try_from(length) {
            Ok(units) if units.checked_mul(unit).is_some_and(|n| n <= remaining) => Ok(Some(units)),
            _ => Err(invalid),
        }
    }

    fn short_length(&mut self, flexible: bool) -> Result<Option<usize>> {
        let length = if flexible { i64::from(self.uvarint()?) - 1 } else { i64::from(self.i16()?) };
        if length > i64::from(i16::MAX) {
            let (at, remaining) = (self.pos, self.remaining());
            return Err(DecodeError::InvalidLength { at, length, remaining });
        }
        self.length(length, 1)
    }

    fn long_length(&mut self, flexible: bool, unit: usize) -> Result<Option<usize>> {
        let length = if flexible { i64::from(self.uvarint()?) - 1 } else { i64::from(self.i32()?) };
        self.length(length, unit)
    }

    /// Turns null into an error unless the version allows it.
    fn checked<T>(&self, value: Option<T>, nullable: bool) -> Result<Option<T>> {
        match value {
            None if !nullable => Err(DecodeError::NullNotAllowed { at: self.pos }),
            value => Ok(value),
        }
    }

    fn required<T>(&self, value: Option<T>) -> Result<T> {
        value.ok_or(DecodeError::NullNotAllowed { at: self.pos })
    }

    fn maybe_str(&mut self, flexible: bool) -> Result<Option<Cow<'a, str>>> {
        let Some(len) = self.short_length(flexible)? else { return Ok(None) };
        let at = self.pos;
        let text = std::str::from_utf8(self.take(len)?);
        text.map(|text| Some(Cow::Borrowed(text))).map_err(|_| DecodeError::InvalidUtf8 { at })
    }

    /// A string of at most 32767 bytes; its length is compact in flexible versions.
    pub fn string(&mut self, flexible: bool) -> Result<Cow<'a, str>> {
        let value = self.maybe_str(flexible)?;
        self.required(value)
    }

    /// A string that may be null, if `nullable`.
    pub fn opt_string(&mut self, flexible: bool, nullable: bool) -> Result<Option<Cow<'a, str>>> {
        let value = self.maybe_str(flexible)?;
        self.checked(value, nullable)
    }

    fn maybe_bytes(&mut self, flexible: bool) -> Result<Option<Cow<'a, [u8]>>> {
        let Some(len) = self.long_length(flexible, 1)? else { return Ok(None) };
        Ok(Some(Cow::Borrowed(self.take(len)?)))
    }

    /// Bytes with a 32-bit length, compact in flexible versions.
    pub fn bytes(&mut self, flexible: bool) -> Result<Cow<'a, [u8]>> {
        let value = self.maybe_bytes(flexible)?;
        self.required(value)
    }

    /// Bytes that may be null, if `nullable`.
    pub fn opt_bytes(&mut self, flexible: bool, nullable: bool) -> Result<Option<Cow<'a, [u8]>>> {
        let value = self.maybe_bytes(flexible)?;
        self.checked(value, nullable)
    }

    /// A record set.
    pub fn records(&mut self, flexible: bool, nullable: bool) -> Result<Records<'a>> {
        let value = self.opt_bytes(flexible, nullable)?;
        Ok(value.map_or(Records::Null, Records::Slice))
    }

    fn maybe_array<T>(
        &mut self,
        flexible: bool,
        min_size: usize,
        mut element: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Option<Vec<T>>> {
        // An element without a byte of its own does not exist; Kafka refuses it the same way.
        let count = self.long_length(flexible, min_size.max(1))?;
        let Some(count) = count else { return Ok(None) };
        self.charge(count.saturating_mul(size_of::<T>()))?;
        let mut out = Vec::with_capacity(count);
        for _ in 0..count {
            out.push(element(self)?);
        }
        Ok(Some(out))
    }

    /// Takes `wanted` bytes from the heap budget.
    fn charge(&mut self, wanted: usize) -> Result<()> {
        let (at, budget) = (self.pos, self.heap_budget);
        let left = budget.checked_sub(wanted);
        self.heap_budget = left.ok_or(DecodeError::HeapBudget { at, wanted, budget })?;
        Ok(())
    }

    /// An array whose elements take at least `min_size` bytes each.
    pub fn array<T>(
        &mut self,
        flexible: bool,
        min_size: usize,
        element: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let value = self.maybe_array(flexible, min_size, element)?;
        self.required(value)
    }

    /// An array that may be null, if `nullable`.
    pub fn opt_array<T>(
        &mut self,
        flexible: bool,
        nullable: bool,
        min_size: usize,
        element: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Option<Vec<T>>> {
        let value = self.maybe_array(flexible, min_size, element)?;
        self.checked(value, nullable)
    }

    /// A struct that may be null, if `nullable`: a byte tells, negative for null.
    pub fn opt_struct<T>(
        &mut self,
        nullable: bool,
        mut read: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Option<T>> {
        if nullable && self.i8()? < 0 {
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// A struct in a tagged field, where a compact 0 stands for null, and 1 before a value.
    pub fn opt_tagged_struct<T>(
        &mut self,
        nullable: bool,
        mut read: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Option<T>> {
        if nullable && self.uvarint()? == 0 {
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// The tagged fields at the end of a struct. `known` reads a field's value and returns true,
    /// or returns false for a tag it does not know; those fields are returned.
    pub fn tags(
        &mut self,
        mut known: impl FnMut(&mut Self, u32) -> Result<bool>,
    ) -> Result<Vec<TaggedField<'a>>> {
        let count = i64::from(self.uvarint()?);
        // A tag and a size take a byte each at least.
        let count = self.length(count, 2)?.unwrap_or_default();
        let mut unknown = Vec::new();
        for _ in 0..count {
            let tag = self.uvarint()?;
            let size = i64::from(self.uvarint()?);
            let size = self.length(size, 1)?.unwrap_or_default();
            let (outer, end) = (self.end, self.pos + size);
            self.end = end;
            if known(self, tag)? {
                if self.pos != end {
                    return Err(DecodeError::TagSize { tag, at: self.pos, left: end - self.pos });
                }
            } else {
                self.charge(size_of::<TaggedField<'_>>())?;
                unknown.push(TaggedField { tag, data: Cow::Borrowed(self.take(size)?) });
            }
            self.end = outer;
        }
        Ok(unknown)
    }

    /// The tagged fields of a struct that knows none.
    pub fn unknown_tags(&mut self) -> Result<Vec<TaggedField<'a>>> {
        self.tags(|_, _| Ok(false))
    }
}
