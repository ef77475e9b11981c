//! The writing half of a struct.

use anyhow::Result;

use super::context::{Context, When, indent, when};
use super::types::{differs_from_default, field_name, is_option, is_scalar, scalar_name};
use crate::schema::{Field, StructSpec, Type};

/// The body of `encode`.
pub(crate) fn body(context: &Context<'_>, item: &StructSpec) -> Result<String> {
    let mut out = String::new();
    for field in item.fields.iter().filter(|f| f.tag.is_none()) {
        let call = write(context, item, field);
        match when(field.versions, item.versions) {
            When::Always => out.push_str(&format!("        {call};\n")),
            When::Never => {}
            When::If(expr) => {
                out.push_str(&format!("        if {expr} {{ {call}; }}\n"));
            }
        }
    }
    if context.has_tags(item) {
        let tags = tags(context, item)?;
        match context.flex(item) {
            "true" => out.push_str(&format!("        {tags};\n")),
            _ => {
                let tags = indent(&format!("        {tags};\n"));
                out.push_str(&format!("        if flex {{\n{tags}        }}\n"));
            }
        }
    }
    Ok(out)
}

fn tags(context: &Context<'_>, item: &StructSpec) -> Result<String> {
    let mut tagged: Vec<(u32, &Field)> =
        item.fields.iter().filter_map(|f| f.tag.map(|tag| (tag.number, f))).collect();
    tagged.sort_by_key(|(tag, _)| *tag);
    if tagged.is_empty() {
        return Ok("w.unknown_tags(&self.unknown_tagged_fields)".to_owned());
    }
    let (mut known, mut arms) = (String::new(), String::new());
    for (tag, field) in &tagged {
        let differs = differs_from_default(field)?;
        let set = match when(field.versions, context.tag_versions(item)) {
            When::If(expr) => format!("{expr} && {differs}"),
            _ => differs,
        };
        known.push_str(&format!("            ({tag}, {set}),\n"));
        arms.push_str(&format!("            {tag} => {},\n", write(context, item, field)));
    }
    if let [(tag, _)] = tagged.as_slice() {
        let only = arms.trim().trim_start_matches(&format!("{tag} => ")).trim_end_matches(',');
        return Ok(format!(
            "w.tags(&self.unknown_tagged_fields, &[\n{known}        ], |w, _| {only})"
        ));
    }
    Ok(format!(
        "w.tags(&self.unknown_tagged_fields, &[\n{known}        ], |w, tag| match tag {{\n{arms}            _ => {{}}\n        }})"
    ))
}

fn write(context: &Context<'_>, item: &StructSpec, field: &Field) -> String {
    let flex = context.field_flex(item, field);
    let nullable = when(field.nullable, field.versions.intersect(item.versions));
    let nullable = nullable.expr();
    let name = format!("self.{}", field_name(field));
    let opt = is_option(field);
    match &field.ty {
        Type::Struct(_) if opt => {
            let tagged = if field.tag.is_some() { "tagged_" } else { "" };
            let value = format!("{name}.as_ref()");
            format!("w.opt_{tagged}struct({nullable}, {value}, |w, v| v.encode(w, version))")
        }
        Type::Struct(_) => format!("{name}.encode(w, version)"),
        Type::Array(element) => {
            let one = element_writer(element, flex);
            if opt {
                format!("w.opt_array({flex}, {nullable}, {name}.as_deref(), {one})")
            } else {
                format!("w.array({flex}, &{name}, {one})")
            }
        }
        Type::Records => format!("w.records({flex}, {nullable}, &{name})"),
        ty if is_scalar(ty) => format!("w.{}({name})", scalar_name(ty)),
        ty if opt => format!("w.opt_{}({flex}, {nullable}, {name}.as_deref())", scalar_name(ty)),
        ty => format!("w.{}({flex}, &{name})", scalar_name(ty)),
    }
}

fn element_writer(element: &Type, flex: &str) -> String {
    match element {
        Type::Struct(_) => "|w, v| v.encode(w, version)".to_owned(),
        ty if is_scalar(ty) => format!("|w, v| w.{}(*v)", scalar_name(ty)),
        ty => format!("|w, v| w.{}({flex}, v)", scalar_name(ty)),
    }
}
