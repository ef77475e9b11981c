//! Kafka's JSON message definitions: JSON with `//` and `/* */` comments and trailing commas.

use anyhow::{Context, Result, anyhow};
use serde_json::Value;

use crate::schema::names::snake_case;
use crate::schema::parse::parse_type;
use crate::schema::versions::Versions;
use crate::schema::{Field, Kind, MessageSpec, StructSpec, Tag};

/// Reads one definition; `None` if the message is gone (`validVersions: none`).
pub(crate) fn read(text: &str) -> Result<Option<MessageSpec>> {
    let json: Value = serde_json::from_str(&strict(text))?;
    let versions: Versions = string(&json, "validVersions")?.parse()?;
    if versions.is_empty() {
        return Ok(None);
    }
    let kind = match string(&json, "type")? {
        "request" => Kind::Request,
        "response" => Kind::Response,
        "header" => Kind::Header,
        "data" => Kind::Data,
        "coordinator-key" => Kind::RecordKey,
        "coordinator-value" => Kind::RecordValue,
        "metadata" => Kind::Metadata,
        other => return Err(anyhow!("unknown message type {other:?}")),
    };
    let unstable = json["latestVersionUnstable"].as_bool().unwrap_or(false);
    let structs = list(&json, "commonStructs").iter().map(read_struct).collect::<Result<_>>()?;
    Ok(Some(MessageSpec {
        kind,
        name: string(&json, "name")?.to_owned(),
        key: json["apiKey"].as_i64().map(i16::try_from).transpose()?,
        versions,
        flexible: range(&json, "flexibleVersions")?.unwrap_or(Versions::NONE),
        unstable: if unstable {
            Versions { min: versions.max, max: versions.max }
        } else {
            Versions::NONE
        },
        listeners: list(&json, "listeners")
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        fields: read_fields(&json)?,
        structs,
    }))
}

fn read_struct(json: &Value) -> Result<StructSpec> {
    Ok(StructSpec {
        name: string(json, "name")?.to_owned(),
        versions: string(json, "versions")?.parse()?,
        fields: read_fields(json)?,
    })
}

fn read_fields(json: &Value) -> Result<Vec<Field>> {
    list(json, "fields").iter().map(read_field).collect()
}

fn read_field(json: &Value) -> Result<Field> {
    let name = string(json, "name")?;
    let tagged = range(json, "taggedVersions")?;
    // A field without versions of its own exists where it is tagged.
    let versions =
        range(json, "versions")?.or(tagged).ok_or_else(|| anyhow!("{name} has no versions"))?;
    let number = match &json["tag"] {
        Value::Null => None,
        tag => Some(scalar(tag).unwrap_or_default().parse().context("tag")?),
    };
    Ok(Field {
        name: snake_case(name),
        ty: parse_type(string(json, "type")?),
        versions,
        nullable: range(json, "nullableVersions")?.unwrap_or(Versions::NONE),
        tag: number.zip(tagged).map(|(number, versions)| Tag { number, versions }),
        default: scalar(&json["default"]).filter(|value| !value.is_empty()),
        entity: json["entityType"].as_str().map(str::to_owned),
        ignorable: json["ignorable"].as_bool().unwrap_or(false),
        map_key: json["mapKey"].as_bool().unwrap_or(false),
        inflexible: json["flexibleVersions"].as_str() == Some("none"),
        fields: read_fields(json)?,
    })
}

fn string<'a>(json: &'a Value, key: &str) -> Result<&'a str> {
    json[key].as_str().ok_or_else(|| anyhow!("{key} is missing"))
}

fn range(json: &Value, key: &str) -> Result<Option<Versions>> {
    json[key].as_str().map(str::parse).transpose()
}

fn list<'a>(json: &'a Value, key: &str) -> &'a [Value] {
    json[key].as_array().map_or(&[], Vec::as_slice)
}

/// Numbers and flags are written with and without quotes.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Removes comments and trailing commas.
fn strict(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            let end = string_end(rest);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with("/*") {
            rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
        } else {
            if matches!(c, '}' | ']') && out.trim_end().ends_with(',') {
                out.truncate(out.trim_end().len() - 1);
            }
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// The length of the string literal that `text` starts with.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return i + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}
