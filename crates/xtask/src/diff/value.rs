//! A message as a tree of values, and the literals in which scenarios and reports write it.
//!
//! `{name: "a", ids: [1, -2], missing: null, on: true, raw: x"00ff", id: #…, seen: $variable}`

use std::fmt;

use anyhow::{Result, anyhow, bail, ensure};

/// The value of a field, an element or a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Uuid([u8; 16]),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Struct(Vec<(String, Value)>),
    /// A variable of a scenario, replaced before the request is sent.
    Variable(String),
    /// A record batch described by its fields, replaced by its bytes.
    Batch(Vec<(String, Value)>),
}

impl Value {
    /// The field of a struct.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Struct(fields) | Value::Batch(fields) => {
                fields.iter().find(|(n, _)| n == name).map(|(_, v)| v)
            }
            _ => None,
        }
    }

    /// The field of a struct, to be changed.
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        match self {
            Value::Struct(fields) | Value::Batch(fields) => {
                fields.iter_mut().find(|(n, _)| n == name).map(|(_, v)| v)
            }
            _ => None,
        }
    }

    /// What `a.b[0].c` leads to; `a[x]` is the element that is named x.
    pub(crate) fn at(&self, path: &str) -> Option<&Value> {
        let mut value = self;
        for part in path.split(['.', '[']) {
            value = match part.strip_suffix(']') {
                Some(index) => match index.parse::<usize>() {
                    Ok(index) => value.list().get(index)?,
                    Err(_) => {
                        let is_it = |v: &&Value| v.get("name").and_then(Value::text) == Some(index);
                        value.list().iter().find(is_it)?
                    }
                },
                None => value.get(part)?,
            };
        }
        Some(value)
    }

    /// The elements; none if it is no list.
    pub(crate) fn list(&self) -> &[Value] {
        match self {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The number, if it is one.
    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value with every node replaced by what `change` makes of it, innermost first.
    pub(crate) fn map(self, change: &mut impl FnMut(Value) -> Result<Value>) -> Result<Value> {
        let fields = |fields: Vec<(String, Value)>, change: &mut _| -> Result<Vec<_>> {
            fields.into_iter().map(|(n, v)| Ok((n, v.map(change)?))).collect()
        };
        let inner = match self {
            Value::List(items) => {
                Value::List(items.into_iter().map(|v| v.map(change)).collect::<Result<_>>()?)
            }
            Value::Struct(inner) => Value::Struct(fields(inner, change)?),
            Value::Batch(inner) => Value::Batch(fields(inner, change)?),
            leaf => leaf,
        };
        change(inner)
    }

    /// Reads a literal that takes the whole text.
    pub(crate) fn parse(text: &str) -> Result<Value> {
        let mut parser = Parser { rest: text.trim() };
        let value = parser.value()?;
        ensure!(parser.peek().is_none(), "left over after the value: {}", parser.rest);
        Ok(value)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Float(n) => write!(f, "{n}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Uuid(id) => write!(f, "#{}", Hex(id)),
            Value::Bytes(bytes) => write!(f, "x\"{}\"", Hex(bytes)),
            Value::Variable(name) => write!(f, "${name}"),
            Value::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Value::Struct(fields) => write_fields(f, fields),
            Value::Batch(fields) => {
                f.write_str("batch")?;
                write_fields(f, fields)
            }
        }
    }
}

fn write_fields(f: &mut fmt::Formatter<'_>, fields: &[(String, Value)]) -> fmt::Result {
    f.write_str("{")?;
    for (i, (name, value)) in fields.iter().enumerate() {
        write!(f, "{}{name}: {value}", if i == 0 { "" } else { ", " })?;
    }
    f.write_str("}")
}

/// Bytes as hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Bytes from hexadecimal digits.
fn unhex(digits: &str) -> Result<Vec<u8>> {
    ensure!(digits.len().is_multiple_of(2) && digits.is_ascii(), "{digits:?} is not hexadecimal");
    let byte = |at: usize| Ok(u8::from_str_radix(&digits[at..at + 2], 16)?);
    (0..digits.len()).step_by(2).map(byte).collect()
}

/// The text still to be read.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    /// Takes `mark` if it is next.
    fn take(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(mark);
        if found {
            self.rest = &self.rest[mark.len_utf8()..];
        }
        found
    }

    fn expect(&mut self, mark: char) -> Result<()> {
        if self.take(mark) { Ok(()) } else { bail!("expected {mark:?} at {:.40}", self.rest) }
    }

    fn word(&mut self) -> Result<&'a str> {
        self.rest = self.rest.trim_start();
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || "_-+.".contains(c)))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        ensure!(!word.is_empty(), "expected a word at {:.40}", self.rest);
        self.rest = rest;
        Ok(word)
    }

    fn value(&mut self) -> Result<Value> {
        match self.peek() {
            None => bail!("the value is missing"),
            Some('{') => Ok(Value::Struct(self.fields()?)),
            Some('[') => self.list(),
            Some('"') => Ok(Value::Text(self.quoted()?)),
            Some('$') => {
                self.expect('$')?;
                Ok(Value::Variable(self.word()?.to_owned()))
            }
            Some('#') => {
                self.expect('#')?;
                let bytes = unhex(self.word()?)?;
                let id = <[u8; 16]>::try_from(bytes).map_err(|_| anyhow!("an id has 16 bytes"))?;
                Ok(Value::Uuid(id))
            }
            Some(_) => self.named(),
        }
    }

    /// A value that begins with a word.
    fn named(&mut self) -> Result<Value> {
        match self.word()? {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "x" => Ok(Value::Bytes(unhex(&self.quoted()?)?)),
            "text" => Ok(Value::Bytes(self.quoted()?.into_bytes())),
            "long" => Ok(Value::Text("a".repeat(usize::try_from(self.number()?)?))),
            "batch" => Ok(Value::Batch(self.fields()?)),
            word => Ok(Value::Int(word.parse().map_err(|_| anyhow!("what is {word:?}?"))?)),
        }
    }

    fn number(&mut self) -> Result<i64> {
        Ok(self.word()?.parse()?)
    }

    fn list(&mut self) -> Result<Value> {
        self.expect('[')?;
        let mut items = Vec::new();
        while !self.take(']') {
            items.push(self.value()?);
            if !self.take(',') {
                self.expect(']')?;
                break;
            }
        }
        Ok(Value::List(items))
    }

    fn fields(&mut self) -> Result<Vec<(String, Value)>> {
        self.expect('{')?;
        let mut fields = Vec::new();
        while !self.take('}') {
            let name = self.word()?.to_owned();
            self.expect(':')?;
            fields.push((name, self.value()?));
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
        }
        Ok(fields)
    }

    fn quoted(&mut self) -> Result<String> {
        self.expect('"')?;
        let (text, rest) =
            self.rest.split_once('"').ok_or_else(|| anyhow!("no closing quotation mark"))?;
        self.rest = rest;
        Ok(text.replace("\\n", "\n").replace("\\0", "\0"))
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    fn check(text: &str, shown: &str) {
        assert_eq!(Value::parse(text).expect(text).to_string(), shown);
    }

    #[test]
    fn literals_are_read_and_written() {
        check("{a: 1, b: [null, true, -2], }", "{a: 1, b: [null, true, -2]}");
        check("[x\"00ff\", text\"ab\", long 3, $v]", "[x\"00ff\", x\"6162\", \"aaa\", $v]");
        check("batch{values: [\"a\"]}", "batch{values: [\"a\"]}");
        let value = Value::parse("{l: [{name: \"n\", x: 7}]}").expect("a literal");
        assert_eq!(value.at("l[n].x").and_then(Value::int), Some(7));
        assert_eq!(value.at("l[1].x"), None);
        for wrong in ["", "{a 1}", "[1", "\"open", "{} {}", "word"] {
            assert!(Value::parse(wrong).is_err(), "{wrong}");
        }
    }
}
