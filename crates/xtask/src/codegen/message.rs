//! One message: its structs and the code that reads and writes them.

use anyhow::{Context as _, Result};

use super::context::Context;
use super::types::{default_expr, default_is_plain, field_name, field_type};
use super::{decode, encode, errors, own};
use crate::schema::print::print_type;
use crate::schema::versions::Versions;
use crate::schema::{Field, Kind, MessageSpec, StructSpec};

/// The file of one message.
pub(crate) fn render(message: &MessageSpec, all: &[&MessageSpec]) -> Result<String> {
    let context = Context::new(message)?;
    let mut code = String::new();
    for (i, item) in context.structs.iter().enumerate() {
        code.push('\n');
        code.push_str(&struct_def(&context, item, i == 0)?);
        code.push_str(&default_impl(&context, item)?);
        if i == 0 {
            code.push_str(&message_impl(&context, item)?);
        } else {
            code.push_str(&struct_impl(&context, item)?);
        }
    }
    if message.kind == Kind::Request {
        code.push_str(&request_impl(&context, all)?);
    }
    let head = format!("//! {}\n\n", summary(message));
    Ok(format!("{head}{}{code}", imports(&code, message)))
}

/// What the message is, for its documentation.
fn summary(message: &MessageSpec) -> String {
    let kind = match message.kind {
        Kind::Request => "request",
        Kind::Response => "response",
        Kind::Header => "header",
        Kind::Data => "structure",
        Kind::RecordKey => "record key",
        Kind::RecordValue => "record value",
        Kind::Metadata => "metadata record",
    };
    let key = message.key.map_or(String::new(), |key| format!(" {key}"));
    let mut text = format!("`{}`: {kind}{key}, versions {}", message.name, message.versions);
    if !message.flexible.is_empty() {
        text.push_str(&format!(", flexible {}", message.flexible));
    }
    if !message.unstable.is_empty() {
        text.push_str(&format!(", unstable {}", message.unstable));
    }
    text.push('.');
    text
}

fn imports(code: &str, message: &MessageSpec) -> String {
    let mut out = String::new();
    if code.contains("Cow<") || code.contains("Cow::") {
        out.push_str("use std::borrow::Cow;\n\n");
    }
    if message.kind == Kind::Request {
        out.push_str("use crate::ApiKey;\n");
    }
    let helpers: Vec<&str> = ["own_bytes", "own_str", "own_tags"]
        .into_iter()
        .filter(|name| code.contains(name))
        .collect();
    if !helpers.is_empty() {
        out.push_str(&format!("use crate::wire::own::{{{}}};\n", helpers.join(", ")));
    }
    let mut names = vec!["DecodeError", "Message", "Reader"];
    names.extend(code.contains("Records<").then_some("Records"));
    names.extend((message.kind == Kind::Request).then_some("Request"));
    names.extend(code.contains("TaggedField<").then_some("TaggedField"));
    names.extend(code.contains("Uuid").then_some("Uuid"));
    names.extend(["VersionRange", "Writer"]);
    out.push_str(&format!("use crate::wire::{{{}}};\n", names.join(", ")));
    out
}

fn struct_def(context: &Context<'_>, item: &StructSpec, main: bool) -> Result<String> {
    let doc = match main {
        true => summary(context.message),
        false => format!("A part of [`{}`].", context.message.name),
    };
    let derive_default = if has_plain_default(item)? { ", Default" } else { "" };
    let lifetime = context.lifetime(item);
    let mut out = format!(
        "/// {doc}\n#[derive(Debug, Clone, PartialEq{derive_default})]\npub struct {}{lifetime} {{\n",
        item.name
    );
    for field in &item.fields {
        let doc = field_doc(item, field);
        let (name, ty) = (field_name(field), field_type(context, field));
        out.push_str(&format!("    /// {doc}\n    pub {name}: {ty},\n"));
    }
    if context.has_tags(item) {
        out.push_str("    /// Tagged fields that the schema does not know.\n");
        out.push_str("    pub unknown_tagged_fields: Vec<TaggedField<'a>>,\n");
    }
    out.push_str("}\n");
    Ok(out)
}

fn field_doc(item: &StructSpec, field: &Field) -> String {
    let within = item.versions;
    let mut parts = vec![format!("`{}`", print_type(&field.ty))];
    if !field.versions.covers(within) {
        parts.push(format!("versions {}", field.versions));
    }
    if let Some(tag) = field.tag {
        parts.push(format!("tag {}", tag.number));
    }
    if !field.nullable.is_empty() {
        let all = field.nullable.covers(field.versions.intersect(within));
        parts.push(if all {
            "nullable".to_owned()
        } else {
            format!("nullable {}", field.nullable)
        });
    }
    if let Some(default) = &field.default {
        parts.push(format!("default {default}"));
    }
    if let Some(entity) = &field.entity {
        parts.push(crate::schema::names::snake_case(entity).replace('_', " "));
    }
    format!("{}.", parts.join(", "))
}

fn has_plain_default(item: &StructSpec) -> Result<bool> {
    item.fields.iter().map(default_is_plain).try_fold(true, |all, plain| Ok(all && plain?))
}

fn default_impl(context: &Context<'_>, item: &StructSpec) -> Result<String> {
    if has_plain_default(item)? {
        return Ok(String::new());
    }
    let lifetime = if context.lifetime(item).is_empty() { "" } else { "<'_>" };
    let mut fields = String::new();
    for field in &item.fields {
        fields.push_str(&format!("            {}: {},\n", field_name(field), default_expr(field)?));
    }
    if context.has_tags(item) {
        fields.push_str("            unknown_tagged_fields: Vec::new(),\n");
    }
    Ok(format!(
        "\nimpl Default for {}{lifetime} {{\n    fn default() -> Self {{\n        Self {{\n{fields}        }}\n    }}\n}}\n",
        item.name
    ))
}

/// `let flex = ...;` if `body` needs it.
fn with_flex(context: &Context<'_>, item: &StructSpec, body: String) -> String {
    let from = context.message.flexible.min;
    let uses = context.flex(item) == "flex" && body.contains("flex");
    if uses { format!("        let flex = version >= {from};\n{body}") } else { body }
}

/// The parameter's name: a version that nobody asks for is marked as such.
fn version_param(body: &str) -> &'static str {
    let mut text = body;
    while let Some(at) = text.find("version") {
        // Fields may be called `version`, and end or begin with it.
        let before = text[..at].chars().next_back();
        let after = text[at + "version".len()..].chars().next();
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':');
        if !before.is_some_and(part) && !after.is_some_and(part) {
            return "version";
        }
        text = &text[at + "version".len()..];
    }
    "_version"
}

fn struct_impl(context: &Context<'_>, item: &StructSpec) -> Result<String> {
    let lifetime = context.lifetime(item);
    let reader = if lifetime.is_empty() { "<'_>" } else { lifetime };
    let name = &item.name;
    let read = with_flex(context, item, decode::body(context, item)?);
    let write = with_flex(context, item, encode::body(context, item)?);
    let (rv, wv) = (version_param(&read), version_param(&write));
    let min_size = decode::min_size_fn(context, item).unwrap_or_default();
    let own = own::method(context, item).map_or(String::new(), |own| format!("\n{own}"));
    let errors = errors::method(context, item);
    Ok(format!(
        "\nimpl{lifetime} {name}{lifetime} {{\n    fn decode(r: &mut Reader{reader}, {rv}: i16) -> Result<Self, DecodeError> {{\n{read}    }}\n\n    fn encode(&self, w: &mut Writer, {wv}: i16) {{\n{write}    }}\n{errors}{min_size}{own}}}\n"
    ))
}

fn message_impl(context: &Context<'_>, item: &StructSpec) -> Result<String> {
    let lifetime = context.lifetime(item);
    let name = &item.name;
    let read = with_flex(context, item, decode::body(context, item)?);
    let write = with_flex(context, item, encode::body(context, item)?);
    let wv = version_param(&write);
    let writer = if write.is_empty() { "_w" } else { "w" };
    let reader = if read.contains("r.") || read.contains("(r,") { "r" } else { "_r" };
    let errors = errors::method(context, item);
    let mut out = format!("\nimpl<'a> Message<'a> for {name}{lifetime} {{\n");
    out.push_str(&constants(context.message));
    out.push_str(&format!(
        "\n    fn decode({reader}: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {{\n        Self::check_version(version)?;\n{read}    }}\n\n    fn encode(&self, {writer}: &mut Writer, {wv}: i16) {{\n{write}    }}\n{errors}}}\n"
    ));
    if let Some(own) = own::method(context, item) {
        out.push_str(&format!("\nimpl{lifetime} {name}{lifetime} {{\n{own}}}\n"));
    }
    Ok(out)
}

fn constants(message: &MessageSpec) -> String {
    let range = |v: Versions| format!("VersionRange::new({}, {})", v.min, v.max);
    let mut out = format!("    const NAME: &'static str = \"{}\";\n", message.name);
    out.push_str(&format!("    const VERSIONS: VersionRange = {};\n", range(message.versions)));
    if !message.unstable.is_empty() {
        let stable = Versions { max: message.unstable.min - 1, ..message.versions };
        out.push_str(&format!("    const STABLE_VERSIONS: VersionRange = {};\n", range(stable)));
    }
    let flexible = match message.flexible {
        range if range.is_empty() => "None".to_owned(),
        range => format!("Some({})", range.min),
    };
    out.push_str(&format!("    const FLEXIBLE_FROM: Option<i16> = {flexible};\n"));
    out
}

fn request_impl(context: &Context<'_>, all: &[&MessageSpec]) -> Result<String> {
    let name = &context.message.name;
    let lifetime = context.lifetime(&context.structs[0]);
    let api = name.trim_end_matches("Request");
    let response = format!("{api}Response");
    let spec = all.iter().find(|m| m.name == response);
    let spec = Context::new(spec.with_context(|| format!("{response} is missing"))?)?;
    let borrowed = spec.lifetime(&spec.structs[0]).replace("'a", "'b");
    Ok(format!(
        "\nimpl<'a> Request<'a> for {name}{lifetime} {{\n    const KEY: ApiKey = ApiKey::{api};\n    type Response<'b> = super::{response}{borrowed};\n}}\n",
    ))
}
