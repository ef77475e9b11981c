//! The schema's text form, written.

use std::fmt::Write as _;

use super::versions::Versions;
use super::{Field, Kind, MessageSpec, Type};

/// The text of one schema file.
pub(crate) fn print(messages: &[MessageSpec]) -> String {
    let blocks: Vec<String> = messages.iter().map(print_message).collect();
    blocks.join("\n")
}

fn print_message(message: &MessageSpec) -> String {
    let kind = match message.kind {
        Kind::Request => "request",
        Kind::Response => "response",
        Kind::Header => "header",
        Kind::Data => "data",
        Kind::RecordKey => "key",
        Kind::RecordValue => "value",
        Kind::Metadata => "metadata",
    };
    let mut head = vec![kind.to_owned(), message.name.clone(), message.versions.to_string()];
    head.extend(message.key.map(|key| format!("key {key}")));
    if !message.flexible.is_empty() {
        head.push(format!("flexible {}", message.flexible));
    }
    if !message.unstable.is_empty() {
        head.push(format!("unstable {}", message.unstable));
    }
    if !message.listeners.is_empty() {
        head.push(format!("on {}", message.listeners.join(",")));
    }
    let mut out = format!("{} {{\n", head.join(" "));
    print_fields(&message.fields, 1, &mut out);
    for shared in &message.structs {
        let _ = writeln!(out, "  struct {} {} {{", shared.name, shared.versions);
        print_fields(&shared.fields, 2, &mut out);
        out.push_str("  }\n");
    }
    out.push_str("}\n");
    out
}

fn print_fields(fields: &[Field], depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    for field in fields {
        let _ = write!(out, "{indent}{}", print_field(field));
        if field.fields.is_empty() {
            out.push('\n');
        } else {
            out.push_str(" {\n");
            print_fields(&field.fields, depth + 1, out);
            let _ = writeln!(out, "{indent}}}");
        }
    }
}

/// The line of one field, without its nested fields.
pub(crate) fn print_field(field: &Field) -> String {
    let nullable = match field.nullable {
        range if range.is_empty() => String::new(),
        range if range == field.versions => "?".to_owned(),
        range => format!("?{range}"),
    };
    let ty = print_type(&field.ty);
    let mut words = vec![format!("{}: {ty}{nullable}", field.name), field.versions.to_string()];
    words.extend(field.tag.map(|tag| match tag.versions {
        range if range == field.versions => format!("@{}", tag.number),
        range => format!("@{}:{range}", tag.number),
    }));
    words.extend(field.default.as_ref().map(|value| format!("= {value}")));
    words.extend(field.entity.as_ref().map(|name| format!("~{name}")));
    for (set, word) in [
        (field.ignorable, "ignorable"),
        (field.map_key, "mapkey"),
        (field.inflexible, "inflexible"),
    ] {
        words.extend(set.then(|| word.to_owned()));
    }
    words.join(" ")
}

pub(crate) fn print_type(ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".to_owned(),
        Type::Int8 => "int8".to_owned(),
        Type::Int16 => "int16".to_owned(),
        Type::Int32 => "int32".to_owned(),
        Type::Int64 => "int64".to_owned(),
        Type::Uint16 => "uint16".to_owned(),
        Type::Uint32 => "uint32".to_owned(),
        Type::Float64 => "float64".to_owned(),
        Type::Uuid => "uuid".to_owned(),
        Type::String => "string".to_owned(),
        Type::Bytes => "bytes".to_owned(),
        Type::Records => "records".to_owned(),
        Type::Struct(name) => name.clone(),
        Type::Array(element) => format!("[]{}", print_type(element)),
    }
}

/// A range cut to what a message has, open again if it reaches the message's end.
pub(crate) fn tidy(range: Versions, within: Versions) -> Versions {
    let cut = range.intersect(within);
    if !cut.is_empty() && cut.max == within.max {
        Versions { max: Versions::OPEN, ..cut }
    } else {
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::print;

    #[test]
    fn text_survives_reading_and_writing() {
        let text = "request AddRequest 0-3 key 7 flexible 2+ unstable 3 on broker,controller {
  name: string?1+ 0+ = null ~topicName ignorable
  parts: []Part 1-2 @4:2 {
    index: int32 1-2 mapkey
  }
  struct Shared 0+ {
    id: uuid 0+ inflexible
  }
}
";
        assert_eq!(print(&parse(text).unwrap()), text);
    }
}
