//! The schema's text form, read.

use anyhow::{Context, Result, anyhow, bail};

use super::versions::Versions;
use super::{Field, Kind, MessageSpec, StructSpec, Tag, Type};

/// Parses one schema file.
pub(crate) fn parse(text: &str) -> Result<Vec<MessageSpec>> {
    let mut lines = Lines { lines: text.lines().enumerate().collect(), next: 0 };
    let mut messages = Vec::new();
    while let Some((number, line)) = lines.next() {
        let message = parse_message(line, &mut lines);
        messages.push(message.with_context(|| format!("message at line {number}"))?);
    }
    Ok(messages)
}

/// The lines that say something, with their numbers from 1.
struct Lines<'a> {
    lines: Vec<(usize, &'a str)>,
    next: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<(usize, &'a str)> {
        loop {
            let (index, line) = self.lines.get(self.next)?;
            self.next += 1;
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                return Some((index + 1, line));
            }
        }
    }
}

/// `kind Name versions attributes {` and everything up to its `}`.
fn parse_message(line: &str, lines: &mut Lines<'_>) -> Result<MessageSpec> {
    let head = line.strip_suffix('{').ok_or_else(|| anyhow!("expected `{{`: {line}"))?;
    let mut words = head.split_whitespace();
    let kind = parse_kind(words.next().unwrap_or_default())?;
    let name = words.next().ok_or_else(|| anyhow!("no name"))?.to_owned();
    let versions = words.next().ok_or_else(|| anyhow!("no versions"))?.parse()?;
    let mut message = MessageSpec {
        kind,
        name,
        key: None,
        versions,
        flexible: Versions::NONE,
        unstable: Versions::NONE,
        listeners: Vec::new(),
        fields: Vec::new(),
        structs: Vec::new(),
    };
    while let Some(attribute) = words.next() {
        let value = words.next().ok_or_else(|| anyhow!("{attribute} has no value"))?;
        match attribute {
            "key" => message.key = Some(value.parse()?),
            "flexible" => message.flexible = value.parse()?,
            "unstable" => message.unstable = value.parse()?,
            "on" => message.listeners = value.split(',').map(str::to_owned).collect(),
            _ => bail!("unknown attribute {attribute}"),
        }
    }
    message.fields = parse_fields(lines, &mut message.structs)?;
    Ok(message)
}

fn parse_kind(word: &str) -> Result<Kind> {
    Ok(match word {
        "request" => Kind::Request,
        "response" => Kind::Response,
        "header" => Kind::Header,
        "data" => Kind::Data,
        "key" => Kind::RecordKey,
        "value" => Kind::RecordValue,
        "metadata" => Kind::Metadata,
        _ => bail!("unknown kind of message {word:?}"),
    })
}

fn parse_fields(lines: &mut Lines<'_>, structs: &mut Vec<StructSpec>) -> Result<Vec<Field>> {
    let mut fields = Vec::new();
    loop {
        let (number, line) = lines.next().ok_or_else(|| anyhow!("no closing brace"))?;
        if line == "}" {
            return Ok(fields);
        }
        let context = || format!("line {number}: {line}");
        if let Some(head) = line.strip_prefix("struct ") {
            let shared = parse_struct(head, lines).with_context(context)?;
            structs.push(shared);
            continue;
        }
        let (head, opens) = match line.strip_suffix('{') {
            Some(head) => (head, true),
            None => (line, false),
        };
        let mut field = parse_field(head).with_context(context)?;
        if opens {
            field.fields = parse_fields(lines, structs)?;
        }
        fields.push(field);
    }
}

fn parse_struct(head: &str, lines: &mut Lines<'_>) -> Result<StructSpec> {
    let mut words = head.trim_end_matches('{').split_whitespace();
    let name = words.next().ok_or_else(|| anyhow!("no name"))?.to_owned();
    let versions = words.next().ok_or_else(|| anyhow!("no versions"))?.parse()?;
    let mut nested = Vec::new();
    let fields = parse_fields(lines, &mut nested)?;
    if !nested.is_empty() {
        bail!("a shared struct cannot define another");
    }
    Ok(StructSpec { name, versions, fields })
}

/// `name: type[?[range]] range [@tag[:range]] [= default] [attributes]`.
fn parse_field(text: &str) -> Result<Field> {
    let (name, rest) = text.split_once(':').ok_or_else(|| anyhow!("expected `name: type`"))?;
    let mut words = rest.split_whitespace();
    let ty = words.next().ok_or_else(|| anyhow!("no type"))?;
    let versions: Versions = words.next().ok_or_else(|| anyhow!("no versions"))?.parse()?;
    let (ty, nullable) = match ty.split_once('?') {
        Some((ty, "")) => (ty, versions),
        Some((ty, range)) => (ty, range.parse()?),
        None => (ty, Versions::NONE),
    };
    let mut field = Field {
        name: name.trim().to_owned(),
        ty: parse_type(ty),
        versions,
        nullable,
        tag: None,
        default: None,
        entity: None,
        ignorable: false,
        map_key: false,
        inflexible: false,
        fields: Vec::new(),
    };
    while let Some(word) = words.next() {
        match word {
            "=" => field.default = Some(words.next().unwrap_or_default().to_owned()),
            "ignorable" => field.ignorable = true,
            "mapkey" => field.map_key = true,
            "inflexible" => field.inflexible = true,
            _ if word.starts_with('@') => field.tag = Some(parse_tag(&word[1..], versions)?),
            _ if word.starts_with('~') => field.entity = Some(word[1..].to_owned()),
            _ => bail!("unknown attribute {word:?}"),
        }
    }
    Ok(field)
}

fn parse_tag(text: &str, versions: Versions) -> Result<Tag> {
    let (number, versions) = match text.split_once(':') {
        Some((number, range)) => (number, range.parse()?),
        None => (text, versions),
    };
    Ok(Tag { number: number.parse()?, versions })
}

/// A type as both the schema and Kafka's definitions write it.
pub(crate) fn parse_type(text: &str) -> Type {
    if let Some(element) = text.strip_prefix("[]") {
        return Type::Array(Box::new(parse_type(element)));
    }
    match text {
        "bool" => Type::Bool,
        "int8" => Type::Int8,
        "int16" => Type::Int16,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "uint16" => Type::Uint16,
        "uint32" => Type::Uint32,
        "float64" => Type::Float64,
        "uuid" => Type::Uuid,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "records" => Type::Records,
        name => Type::Struct(name.to_owned()),
    }
}
