//! Messages on the wire, by the schema alone: an implementation apart from the codec's.

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::batch;
use super::value::Value;
use crate::schema::{Field, MessageSpec, Type};

/// A message in one of its versions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form<'s> {
    pub(crate) spec: &'s MessageSpec,
    pub(crate) version: i16,
}

impl<'s> Form<'s> {
    pub(crate) fn flexible(self) -> bool {
        self.spec.flexible.contains(self.version)
    }

    /// The fields of a struct of the message that exist in the version.
    pub(crate) fn fields(self, field: Option<&'s Field>) -> Vec<&'s Field> {
        let all = match field {
            None => &self.spec.fields,
            Some(field) if !field.fields.is_empty() => &field.fields,
            Some(field) => self.shared(field.ty.struct_name().unwrap_or_default()),
        };
        all.iter().filter(|f| f.versions.contains(self.version)).collect()
    }

    /// A struct that is defined elsewhere in the message.
    fn shared(self, name: &str) -> &'s [Field] {
        fn find<'s>(fields: &'s [Field], name: &str) -> Option<&'s [Field]> {
            fields.iter().find_map(|f| match f.ty.struct_name() == Some(name) {
                true if !f.fields.is_empty() => Some(f.fields.as_slice()),
                _ => find(&f.fields, name),
            })
        }
        let shared = self.spec.structs.iter().find(|s| s.name == name);
        match shared {
            Some(found) => &found.fields,
            None => find(&self.spec.fields, name).unwrap_or_default(),
        }
    }

    /// The value that a field has if nobody sets it.
    pub(crate) fn default(self, field: &'s Field) -> Value {
        if field.default.as_deref() == Some("null") {
            return Value::Null;
        }
        match &field.ty {
            Type::Bool => Value::Bool(field.default.as_deref() == Some("true")),
            Type::Float64 => Value::Float(0.0),
            Type::Uuid => Value::Uuid([0; 16]),
            Type::String => Value::Text(String::new()),
            Type::Bytes => Value::Bytes(Vec::new()),
            Type::Records => Value::Null,
            Type::Array(_) => Value::List(Vec::new()),
            Type::Struct(_) => self.complete(&Value::Struct(Vec::new()), Some(field)),
            _ => Value::Int(integer(field.default.as_deref().unwrap_or("0"))),
        }
    }

    /// The value with every field of the version, in the schema's order.
    pub(crate) fn complete(self, value: &Value, of: Option<&'s Field>) -> Value {
        let fields = self.fields(of).into_iter().map(|field| {
            let given = value.get(&field.name);
            let full = match given {
                None => self.default(field),
                Some(Value::List(items)) if field.ty.struct_name().is_some() => {
                    Value::List(items.iter().map(|v| self.complete(v, Some(field))).collect())
                }
                Some(Value::Struct(_)) => self.complete(given.unwrap_or(value), Some(field)),
                Some(other) => other.clone(),
            };
            (field.name.clone(), full)
        });
        Value::Struct(fields.collect())
    }

    /// The bytes of a message; a null where none is allowed is written all the same.
    pub(crate) fn encode(self, value: &Value) -> Result<Vec<u8>> {
        let mut writer = Writer { form: self, out: Vec::new() };
        writer.fields(&self.fields(None), value)?;
        Ok(writer.out)
    }

    /// Reads a message that takes all of `bytes`.
    pub(crate) fn decode(self, bytes: &[u8]) -> Result<Value> {
        let mut reader = Reader { form: self, rest: bytes };
        let value = reader.fields(None)?;
        ensure!(reader.rest.is_empty(), "{} bytes are left over", reader.rest.len());
        Ok(value)
    }
}

/// A default as the schema writes numbers.
fn integer(text: &str) -> i64 {
    match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).unwrap_or(0),
        None => text.parse().unwrap_or(0),
    }
}

struct Writer<'s> {
    form: Form<'s>,
    out: Vec<u8>,
}

impl<'s> Writer<'s> {
    fn fields(&mut self, fields: &[&'s Field], value: &Value) -> Result<()> {
        if let Value::Struct(given) = value {
            let all = &self.form.spec;
            for (name, _) in given {
                let known =
                    all.all_structs().iter().any(|s| s.fields.iter().any(|f| f.name == *name));
                ensure!(known, "{} has no field {name}", all.name);
            }
        }
        let mut tagged = Vec::new();
        for field in fields {
            let default = self.form.default(field);
            let given = value.get(&field.name).unwrap_or(&default);
            match field.tag {
                None => self.field(field, given).with_context(|| field.name.clone())?,
                Some(tag) if *given != default => tagged.push((tag.number, *field, given.clone())),
                Some(_) => {}
            }
        }
        if self.form.flexible() {
            self.tags(tagged)?;
        }
        Ok(())
    }

    fn tags(&mut self, mut tagged: Vec<(u32, &'s Field, Value)>) -> Result<()> {
        tagged.sort_by_key(|(number, ..)| *number);
        self.uvarint(tagged.len() as u64);
        for (number, field, value) in tagged {
            let mut inner = Writer { form: self.form, out: Vec::new() };
            inner.field(field, &value)?;
            self.uvarint(number.into());
            self.uvarint(inner.out.len() as u64);
            self.out.extend(inner.out);
        }
        Ok(())
    }

    fn field(&mut self, field: &'s Field, value: &Value) -> Result<()> {
        let flexible = self.form.flexible() && !field.inflexible;
        match (&field.ty, value) {
            (Type::Array(_), Value::Null) => self.length(flexible, None, 4),
            (Type::Array(element), Value::List(items)) => {
                self.length(flexible, Some(items.len()), 4);
                items.iter().try_for_each(|item| self.one(field, element, flexible, item))?;
            }
            (Type::Struct(_), value) if field.nullable.contains(self.form.version) => {
                self.out.push(if *value == Value::Null { 0xff } else { 1 });
                if *value != Value::Null {
                    self.one(field, &field.ty, flexible, value)?;
                }
            }
            (ty, value) => self.one(field, ty, flexible, value)?,
        }
        Ok(())
    }

    fn one(&mut self, field: &'s Field, ty: &Type, flexible: bool, value: &Value) -> Result<()> {
        match (ty, value) {
            (Type::Struct(_), value) => self.fields(&self.form.fields(Some(field)), value)?,
            (Type::Bool, Value::Bool(b)) => self.out.push(u8::from(*b)),
            (Type::Uuid, Value::Uuid(id)) => self.out.extend(id),
            (Type::Uuid, Value::Null) => self.out.extend([0; 16]),
            (Type::Float64, Value::Float(f)) => self.out.extend(f.to_be_bytes()),
            (Type::String, Value::Null) => self.length(flexible, None, 2),
            (Type::String, Value::Text(text)) => self.sized(flexible, text.as_bytes(), 2),
            (Type::Bytes | Type::Records, Value::Null) => self.length(flexible, None, 4),
            (Type::Bytes | Type::Records, Value::Bytes(bytes)) => self.sized(flexible, bytes, 4),
            (ty, Value::Int(n)) => {
                let width = width(ty).ok_or_else(|| anyhow!("{n} where {ty:?} is expected"))?;
                self.out.extend(&n.to_be_bytes()[8 - width..]);
            }
            (ty, value) => bail!("{value} where {ty:?} is expected"),
        }
        Ok(())
    }

    fn sized(&mut self, flexible: bool, bytes: &[u8], width: usize) {
        self.length(flexible, Some(bytes.len()), width);
        self.out.extend(bytes);
    }

    fn length(&mut self, flexible: bool, length: Option<usize>, width: usize) {
        match (flexible, length) {
            (true, length) => self.uvarint(length.map_or(0, |n| n as u64 + 1)),
            (false, None) => self.out.extend(std::iter::repeat_n(0xff, width)),
            (false, Some(n)) => self.out.extend(&(n as u64).to_be_bytes()[8 - width..]),
        }
    }

    fn uvarint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}

/// Bytes of a whole number.
pub(crate) fn width(ty: &Type) -> Option<usize> {
    Some(match ty {
        Type::Int8 => 1,
        Type::Int16 | Type::Uint16 => 2,
        Type::Int32 | Type::Uint32 => 4,
        Type::Int64 => 8,
        _ => return None,
    })
}

struct Reader<'s, 'b> {
    form: Form<'s>,
    rest: &'b [u8],
}

impl<'s, 'b> Reader<'s, 'b> {
    fn take(&mut self, length: usize) -> Result<&'b [u8]> {
        ensure!(length <= self.rest.len(), "{length} bytes of {}", self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(taken)
    }

    fn int(&mut self, width: usize) -> Result<i64> {
        let bytes = self.take(width)?;
        let first = if bytes.first().is_some_and(|b| b & 0x80 != 0) { -1 } else { 0 };
        Ok(bytes.iter().fold(first, |n, byte| (n << 8) | i64::from(*byte)))
    }

    fn uvarint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        bail!("a length of more than five bytes")
    }

    fn length(&mut self, flexible: bool, width: usize) -> Result<Option<usize>> {
        let length = match flexible {
            true => i64::try_from(self.uvarint()?)? - 1,
            false => self.int(width)?,
        };
        Ok(usize::try_from(length).ok())
    }

    fn fields(&mut self, of: Option<&'s Field>) -> Result<Value> {
        let fields = self.form.fields(of);
        let mut values = Vec::new();
        for field in &fields {
            let value = match field.tag {
                None => self.field(field).with_context(|| field.name.clone())?,
                Some(_) => self.form.default(field),
            };
            values.push((field.name.clone(), value));
        }
        if self.form.flexible() {
            self.tags(&fields, &mut values)?;
        }
        Ok(Value::Struct(values))
    }

    fn tags(&mut self, fields: &[&'s Field], values: &mut Vec<(String, Value)>) -> Result<()> {
        for _ in 0..self.uvarint()? {
            let number = self.uvarint()?;
            let length = usize::try_from(self.uvarint()?)?;
            let mut inner = Reader { form: self.form, rest: self.take(length)? };
            let named = |f: &&&Field| f.tag.is_some_and(|t| u64::from(t.number) == number);
            let (name, value) = match fields.iter().find(named) {
                Some(field) => (field.name.clone(), inner.field(field)?),
                None => (format!("tag_{number}"), Value::Bytes(inner.rest.to_vec())),
            };
            match values.iter_mut().find(|(n, _)| *n == name) {
                Some(slot) => slot.1 = value,
                None => values.push((name, value)),
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &'s Field) -> Result<Value> {
        let flexible = self.form.flexible() && !field.inflexible;
        match &field.ty {
            Type::Array(element) => match self.length(flexible, 4)? {
                None => Ok(Value::Null),
                Some(count) => {
                    let items = (0..count).map(|_| self.one(field, element, flexible));
                    Ok(Value::List(items.collect::<Result<_>>()?))
                }
            },
            Type::Struct(_) if field.nullable.contains(self.form.version) => match self.int(1)? {
                ..0 => Ok(Value::Null),
                _ => self.fields(Some(field)),
            },
            ty => self.one(field, ty, flexible),
        }
    }

    fn one(&mut self, field: &'s Field, ty: &Type, flexible: bool) -> Result<Value> {
        Ok(match ty {
            Type::Struct(_) => self.fields(Some(field))?,
            Type::Bool => Value::Bool(self.int(1)? != 0),
            Type::Float64 => Value::Float(f64::from_bits(self.int(8)? as u64)),
            Type::Uuid => Value::Uuid(self.take(16)?.try_into()?),
            Type::String => match self.length(flexible, 2)? {
                None => Value::Null,
                Some(n) => Value::Text(String::from_utf8(self.take(n)?.to_vec())?),
            },
            Type::Bytes => match self.length(flexible, 4)? {
                None => Value::Null,
                Some(n) => Value::Bytes(self.take(n)?.to_vec()),
            },
            Type::Records => match self.length(flexible, 4)? {
                None => Value::Null,
                Some(n) => batch::read(self.take(n)?),
            },
            ty => Value::Int(self.int(width(ty).unwrap_or(8))?),
        })
    }
}
