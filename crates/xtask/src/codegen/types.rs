//! Rust types, names and default values of fields.

use anyhow::{Context as _, Result};

use super::context::Context;
use crate::schema::names::{rust_field, snake_case};
use crate::schema::{Field, Type};

/// The module of a message.
pub(crate) fn module(message: &str) -> String {
    snake_case(message)
}

/// The field's name in Rust.
pub(crate) fn field_name(field: &Field) -> String {
    rust_field(&field.name)
}

/// Whether the field is an `Option` in Rust. Record sets have a null of their own.
pub(crate) fn is_option(field: &Field) -> bool {
    !field.nullable.is_empty() && field.ty != Type::Records
}

/// The field's type.
pub(crate) fn field_type(context: &Context<'_>, field: &Field) -> String {
    let ty = rust_type(context, &field.ty);
    if is_option(field) { format!("Option<{ty}>") } else { ty }
}

/// The Rust type of a schema type.
pub(crate) fn rust_type(context: &Context<'_>, ty: &Type) -> String {
    match ty {
        Type::String => "Cow<'a, str>".to_owned(),
        Type::Bytes => "Cow<'a, [u8]>".to_owned(),
        Type::Records => "Records<'a>".to_owned(),
        Type::Struct(name) if context.borrows(ty) => format!("{name}<'a>"),
        Type::Struct(name) => name.clone(),
        Type::Array(element) => format!("Vec<{}>", rust_type(context, element)),
        Type::Uuid => "Uuid".to_owned(),
        scalar => scalar_name(scalar).to_owned(),
    }
}

/// The name of a scalar's Rust type and of its reader and writer methods.
pub(crate) fn scalar_name(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::Int8 => "i8",
        Type::Int16 => "i16",
        Type::Int32 => "i32",
        Type::Int64 => "i64",
        Type::Uint16 => "u16",
        Type::Uint32 => "u32",
        Type::Float64 => "f64",
        Type::Uuid => "uuid",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Records => "records",
        Type::Array(_) => "array",
        Type::Struct(_) => "struct",
    }
}

/// Whether values of the type are copied.
pub(crate) fn is_scalar(ty: &Type) -> bool {
    !matches!(ty, Type::String | Type::Bytes | Type::Records | Type::Struct(_) | Type::Array(_))
}

/// The default, as an expression.
pub(crate) fn default_expr(field: &Field) -> Result<String> {
    if field.default.as_deref() == Some("null") {
        return Ok(if field.ty == Type::Records { "Records::Null" } else { "None" }.to_owned());
    }
    let value = match &field.ty {
        Type::Bool => field.default.clone().unwrap_or_else(|| "false".to_owned()),
        Type::Float64 => field.default.clone().unwrap_or_else(|| "0.0".to_owned()),
        Type::Uuid => "Uuid::ZERO".to_owned(),
        Type::String => "Cow::Borrowed(\"\")".to_owned(),
        Type::Bytes => "Cow::Borrowed(&[])".to_owned(),
        Type::Records => "Records::Null".to_owned(),
        Type::Struct(name) => format!("{name}::default()"),
        Type::Array(_) => "Vec::new()".to_owned(),
        _ => integer(field.default.as_deref().unwrap_or("0"))?.to_string(),
    };
    Ok(if is_option(field) { format!("Some({value})") } else { value })
}

/// Whether `Default` for the type is the field's default already.
pub(crate) fn default_is_plain(field: &Field) -> Result<bool> {
    Ok(matches!(
        default_expr(field)?.as_str(),
        "None" | "0" | "false" | "0.0" | "Uuid::ZERO" | "Records::Null" | "Vec::new()"
    ) || !is_option(field) && matches!(field.ty, Type::String | Type::Bytes | Type::Struct(_)))
}

fn integer(text: &str) -> Result<i64> {
    let value = match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    value.with_context(|| format!("default {text:?}"))
}

/// Whether a tagged field differs from its default and has to be written.
pub(crate) fn differs_from_default(field: &Field) -> Result<String> {
    let value = format!("self.{}", field_name(field));
    let default = default_expr(field)?;
    Ok(match (&field.ty, default.as_str()) {
        (_, "None") => format!("{value}.is_some()"),
        (Type::Records, _) => format!("{value} != Records::Null"),
        (Type::String | Type::Bytes | Type::Array(_), _) if is_option(field) => {
            format!("{value}.as_ref().is_none_or(|v| !v.is_empty())")
        }
        (Type::String | Type::Bytes | Type::Array(_), _) => format!("!{value}.is_empty()"),
        (Type::Bool, "false") => value,
        (Type::Bool, "true") => format!("!{value}"),
        _ => format!("{value} != {default}"),
    })
}
