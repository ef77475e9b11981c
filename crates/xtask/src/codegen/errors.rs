//! `errors`: the error codes in a response, its own and those of its parts.

use super::context::Context;
use super::types::{field_name, is_option};
use crate::schema::{Field, Kind, StructSpec, Type};

/// Fields that say what became of the request or of a part of it.
const NAMES: [&str; 3] = ["error_code", "acknowledge_error_code", "partition_error_code"];

/// The body of `errors`; none if there is no error code at any depth.
pub(crate) fn body(context: &Context<'_>, item: &StructSpec) -> Option<String> {
    if context.message.kind != Kind::Response {
        return None;
    }
    let lines: String = item.fields.iter().filter_map(|field| line(context, field)).collect();
    (!lines.is_empty()).then_some(lines)
}

fn line(context: &Context<'_>, field: &Field) -> Option<String> {
    let name = field_name(field);
    if field.ty == Type::Int16 {
        let is_error = NAMES.contains(&name.as_str());
        return is_error.then(|| format!("        if self.{name} != 0 {{ seen(self.{name}); }}\n"));
    }
    let below = context.get(field.ty.struct_name()?)?;
    body(context, below)?;
    let each = match (&field.ty, is_option(field)) {
        (Type::Array(_), false) => format!("for v in &self.{name} {{ v.errors(seen); }}"),
        (Type::Array(_), true) => {
            format!("for v in self.{name}.iter().flatten() {{ v.errors(seen); }}")
        }
        (_, false) => format!("self.{name}.errors(seen);"),
        (_, true) => format!("if let Some(v) = &self.{name} {{ v.errors(seen); }}"),
    };
    Some(format!("        {each}\n"))
}

/// The method of a struct, with the line before it.
pub(crate) fn method(context: &Context<'_>, item: &StructSpec) -> String {
    body(context, item).map_or(String::new(), |body| {
        format!("\n    fn errors(&self, seen: &mut dyn FnMut(i16)) {{\n{body}    }}\n")
    })
}
