//! `into_static`: a copy that outlives the frame.

use super::context::Context;
use super::types::{field_name, is_option};
use crate::schema::{Field, StructSpec, Type};

/// The method, for structs that borrow.
pub(crate) fn method(context: &Context<'_>, item: &StructSpec) -> Option<String> {
    if context.lifetime(item).is_empty() {
        return None;
    }
    let name = &item.name;
    let mut fields = String::new();
    for field in &item.fields {
        let value = own_field(context, field);
        fields.push_str(&format!("            {}: {value},\n", field_name(field)));
    }
    if context.has_tags(item) {
        fields
            .push_str("            unknown_tagged_fields: own_tags(self.unknown_tagged_fields),\n");
    }
    Some(format!(
        "    /// The same value, independent of the frame.\n    pub fn into_static(self) -> {name}<'static> {{\n        {name} {{\n{fields}        }}\n    }}\n"
    ))
}

fn own_field(context: &Context<'_>, field: &Field) -> String {
    let value = format!("self.{}", field_name(field));
    if !context.borrows(&field.ty) {
        return value;
    }
    let map = match &field.ty {
        Type::Array(element) => {
            let each = own_fn(element);
            if is_option(field) {
                return format!("{value}.map(|v| v.into_iter().map({each}).collect())");
            }
            return format!("{value}.into_iter().map({each}).collect()");
        }
        ty => own_fn(ty),
    };
    match &field.ty {
        _ if is_option(field) => format!("{value}.map({map})"),
        Type::Struct(_) | Type::Records => format!("{value}.into_static()"),
        _ => format!("{map}({value})"),
    }
}

fn own_fn(ty: &Type) -> String {
    match ty {
        Type::String => "own_str".to_owned(),
        Type::Bytes => "own_bytes".to_owned(),
        Type::Struct(name) => format!("{name}::into_static"),
        _ => "Records::into_static".to_owned(),
    }
}
