//! Random messages, written straight from the schema: a second implementation of the wire format,
//! which knows nothing of the generated code.

use super::schema::versions::Versions;
use super::schema::{Family, Field, MessageSpec, StructSpec, Type};

/// A generator of random numbers that is the same everywhere (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// The schema of the crate under test.
pub(crate) fn families() -> Vec<Family> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/schema");
    super::schema::load(dir.as_ref()).unwrap()
}

/// Writes random messages of one schema and version.
pub(crate) struct WireGen<'s> {
    structs: Vec<StructSpec>,
    message: &'s MessageSpec,
    version: i16,
    rng: Rng,
    out: Vec<u8>,
}

impl<'s> WireGen<'s> {
    pub(crate) fn new(message: &'s MessageSpec, version: i16, seed: u64) -> Self {
        let structs = message.all_structs();
        Self { structs, message, version, rng: Rng(seed), out: Vec::new() }
    }

    /// The bytes of one message, as Kafka would write it.
    pub(crate) fn message(mut self) -> Vec<u8> {
        let fields = self.message.fields.clone();
        self.fields(&fields, 0);
        self.out
    }

    fn flexible(&self) -> bool {
        self.message.flexible.contains(self.version)
    }

    fn has(&self, range: Versions) -> bool {
        range.contains(self.version)
    }

    fn fields(&mut self, fields: &[Field], depth: u64) {
        let present: Vec<&Field> = fields.iter().filter(|f| self.has(f.versions)).collect();
        for field in present.iter().filter(|f| f.tag.is_none()) {
            self.value(field, depth);
        }
        if self.flexible() {
            self.tags(&present, depth);
        }
    }

    /// Tagged fields with a value that is not the default, and some that the schema lacks.
    fn tags(&mut self, present: &[&Field], depth: u64) {
        let mut tags: Vec<(u32, Vec<u8>)> = Vec::new();
        for field in present {
            let Some(tag) = field.tag.filter(|_| !self.rng.one_in(2)) else { continue };
            let bytes = self.apart(|gen_| gen_.value(field, depth));
            if bytes != self.apart(|gen_| gen_.default_value(field)) {
                tags.push((tag.number, bytes));
            }
        }
        if self.rng.one_in(8) {
            let data: Vec<u8> = (0..self.rng.below(200)).map(|i| i as u8).collect();
            tags.push((100 + self.rng.below(100_000) as u32, data));
        }
        tags.sort();
        self.uvarint(tags.len() as u64);
        for (tag, bytes) in tags {
            self.uvarint(tag.into());
            self.uvarint(bytes.len() as u64);
            self.out.extend(bytes);
        }
    }

    /// What `write` writes, by itself.
    fn apart(&mut self, write: impl FnOnce(&mut Self)) -> Vec<u8> {
        let outer = std::mem::take(&mut self.out);
        write(self);
        std::mem::replace(&mut self.out, outer)
    }

    fn value(&mut self, field: &Field, depth: u64) {
        let flexible = self.flexible() && !field.inflexible;
        if self.has(field.nullable) && self.rng.one_in(4) {
            return match &field.ty {
                Type::Struct(_) if field.tag.is_some() => self.out.push(0),
                ty => self.null(ty, flexible),
            };
        }
        if matches!(field.ty, Type::Struct(_)) && self.has(field.nullable) {
            self.out.push(1);
        }
        self.some(&field.ty, flexible, depth);
    }

    fn null(&mut self, ty: &Type, flexible: bool) {
        match ty {
            Type::Struct(_) => self.out.push(0xff),
            _ if flexible => self.out.push(0),
            Type::String => self.out.extend([0xff; 2]),
            _ => self.out.extend([0xff; 4]),
        }
    }

    fn some(&mut self, ty: &Type, flexible: bool, depth: u64) {
        match ty {
            Type::Bool => self.out.push((self.rng.next() & 1) as u8),
            Type::Int8 => self.number(1),
            Type::Int16 | Type::Uint16 => self.number(2),
            Type::Int32 | Type::Uint32 => self.number(4),
            Type::Int64 => self.number(8),
            Type::Float64 => {
                let number = self.rng.next() as f64 / 1024.0;
                self.out.extend(number.to_be_bytes());
            }
            Type::Uuid => {
                self.number(8);
                self.number(8);
            }
            Type::String => self.string(flexible),
            Type::Bytes | Type::Records => {
                let len = if self.rng.one_in(16) { 300 } else { self.rng.below(12) };
                self.length(len, flexible, false);
                let bytes: Vec<u8> = (0..len).map(|_| self.rng.next() as u8).collect();
                self.out.extend(bytes);
            }
            Type::Struct(name) => {
                let found = self.structs.iter().find(|s| &s.name == name);
                let fields = found.unwrap().fields.clone();
                self.fields(&fields, depth + 1);
            }
            Type::Array(element) => {
                let most = if self.rng.one_in(64) && depth == 0 { 200 } else { 4 - depth.min(2) };
                let count = self.rng.below(most);
                self.length(count, flexible, false);
                (0..count).for_each(|_| self.some(element, flexible, depth));
            }
        }
    }

    /// The low bytes of a random number, often of a remarkable one.
    fn number(&mut self, size: usize) {
        let number = match self.rng.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << (size * 8 - 1),
            3 => (1 << (size * 8 - 1)) - 1,
            _ => self.rng.next(),
        };
        self.out.extend(&number.to_be_bytes()[8 - size..]);
    }

    fn string(&mut self, flexible: bool) {
        let units = if self.rng.one_in(16) { 150 } else { self.rng.below(10) };
        let letters = ['a', 'Z', '0', '-', '.', 'ä', '€', '𝄞'];
        let text: String = (0..units).map(|_| letters[self.rng.below(8) as usize]).collect();
        self.length(text.len() as u64, flexible, true);
        self.out.extend(text.as_bytes());
    }

    fn length(&mut self, len: u64, flexible: bool, short: bool) {
        match (flexible, short) {
            (true, _) => self.uvarint(len + 1),
            (false, true) => self.out.extend((len as i16).to_be_bytes()),
            (false, false) => self.out.extend((len as i32).to_be_bytes()),
        }
    }

    fn uvarint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// The default of a field that is present.
    fn default_value(&mut self, field: &Field) {
        let flexible = self.flexible() && !field.inflexible;
        let default = field.default.as_deref();
        if default == Some("null") {
            return self.null(&field.ty, flexible);
        }
        let number = match default {
            Some("true") => 1,
            Some(text) if text.starts_with("0x") => i64::from_str_radix(&text[2..], 16).unwrap(),
            Some(text) => text.parse().unwrap_or(0),
            None => 0,
        };
        let size = match &field.ty {
            Type::Bool | Type::Int8 => 1,
            Type::Int16 | Type::Uint16 => 2,
            Type::Int32 | Type::Uint32 => 4,
            Type::Int64 | Type::Float64 => 8,
            Type::Uuid => return self.out.extend([0; 16]),
            Type::Struct(name) => {
                if self.has(field.nullable) {
                    self.out.push(1);
                }
                return self.default_struct(name);
            }
            ty => return self.length(0, flexible, *ty == Type::String),
        };
        self.out.extend(&number.to_be_bytes()[8 - size..]);
    }

    fn default_struct(&mut self, name: &str) {
        let found = self.structs.iter().find(|s| s.name == name);
        let fields = found.unwrap().fields.clone();
        let version = self.version;
        let untagged = fields.iter().filter(|f| f.tag.is_none());
        for field in untagged.filter(|f| f.versions.contains(version)) {
            self.default_value(field);
        }
        if self.flexible() {
            self.out.push(0);
        }
    }
}
