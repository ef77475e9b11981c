//! The reading half of a struct.

use anyhow::Result;

use super::context::{Context, When, indent, when};
use super::types::{default_expr, field_name, is_scalar, scalar_name};
use crate::schema::{Field, StructSpec, Type};

/// The body of `decode`.
pub(crate) fn body(context: &Context<'_>, item: &StructSpec) -> Result<String> {
    let mut literal = String::new();
    for field in &item.fields {
        let value = field_value(context, item, field)?;
        literal.push_str(&format!("            {}: {value},\n", field_name(field)));
    }
    if !context.has_tags(item) {
        return Ok(format!("        Ok(Self {{\n{literal}        }})\n"));
    }
    let tagged: Vec<&Field> = item.fields.iter().filter(|f| f.tag.is_some()).collect();
    if tagged.is_empty() {
        let tags = match context.flex(item) {
            "true" => "r.unknown_tags()?",
            _ => "if flex { r.unknown_tags()? } else { Vec::new() }",
        };
        literal.push_str(&format!("            unknown_tagged_fields: {tags},\n"));
        return Ok(format!("        Ok(Self {{\n{literal}        }})\n"));
    }
    literal.push_str("            unknown_tagged_fields: Vec::new(),\n");
    let tags = tags(context, item, &tagged);
    let tags = match context.flex(item) {
        "true" => tags,
        _ => format!("        if flex {{\n{}        }}\n", indent(&tags)),
    };
    Ok(format!("        let mut m = Self {{\n{literal}        }};\n{tags}        Ok(m)\n"))
}

fn tags(context: &Context<'_>, item: &StructSpec, tagged: &[&Field]) -> String {
    let mut arms = String::new();
    for field in tagged {
        let Some(tag) = field.tag else { continue };
        let guard = match when(field.versions, context.tag_versions(item)) {
            When::If(expr) => format!(" if {expr}"),
            _ => String::new(),
        };
        let value = read(context, item, field);
        let name = field_name(field);
        arms.push_str(&format!("                {}{guard} => m.{name} = {value},\n", tag.number));
    }
    format!(
        "        m.unknown_tagged_fields = r.tags(|r, tag| {{\n            match tag {{\n{arms}                _ => return Ok(false),\n            }}\n            Ok(true)\n        }})?;\n"
    )
}

/// The initial value of a field: read, or its default if the version lacks or tags it.
fn field_value(context: &Context<'_>, item: &StructSpec, field: &Field) -> Result<String> {
    let default = default_expr(field)?;
    if field.tag.is_some() {
        return Ok(default);
    }
    let value = read(context, item, field);
    Ok(match when(field.versions, item.versions) {
        When::Always => value,
        When::Never => default,
        When::If(expr) => format!("if {expr} {{ {value} }} else {{ {default} }}"),
    })
}

fn read(context: &Context<'_>, item: &StructSpec, field: &Field) -> String {
    let flex = context.field_flex(item, field);
    let nullable = when(field.nullable, field.versions.intersect(item.versions));
    let opt = !field.nullable.is_empty();
    let nullable = nullable.expr();
    match &field.ty {
        Type::Struct(name) if opt => {
            let tagged = if field.tag.is_some() { "tagged_" } else { "" };
            format!("r.opt_{tagged}struct({nullable}, |r| {name}::decode(r, version))?")
        }
        Type::Struct(name) => format!("{name}::decode(r, version)?"),
        Type::Array(element) => {
            let (min, one) = element_reader(context, item, element, flex);
            if opt {
                format!("r.opt_array({flex}, {nullable}, {min}, {one})?")
            } else {
                format!("r.array({flex}, {min}, {one})?")
            }
        }
        Type::Records => format!("r.records({flex}, {nullable})?"),
        ty if is_scalar(ty) => format!("r.{}()?", scalar_name(ty)),
        ty if opt => format!("r.opt_{}({flex}, {nullable})?", scalar_name(ty)),
        ty => format!("r.{}({flex})?", scalar_name(ty)),
    }
}

/// The least size of an element and the function that reads it.
fn element_reader(
    context: &Context<'_>,
    item: &StructSpec,
    element: &Type,
    flex: &str,
) -> (String, String) {
    match element {
        Type::Struct(name) => {
            let min = context.get(name).map_or(String::new(), |s| min_size_use(context, s, item));
            (min, format!("|r| {name}::decode(r, version)"))
        }
        ty if is_scalar(ty) => {
            let min = context.min_type_size(ty, 0, false);
            (min.to_string(), format!("Reader::{}", scalar_name(ty)))
        }
        ty => {
            let (flexible, plain) =
                (context.min_type_size(ty, 0, true), context.min_type_size(ty, 0, false));
            let min = match flex {
                "true" => flexible.to_string(),
                "false" => plain.to_string(),
                _ => format!("if flex {{ {flexible} }} else {{ {plain} }}"),
            };
            (min, format!("|r| r.{}({flex})", scalar_name(ty)))
        }
    }
}

/// The least size of `element` where `user` reads it: a number if it is the same in all versions.
fn min_size_use(context: &Context<'_>, element: &StructSpec, user: &StructSpec) -> String {
    let versions = user.versions.intersect(element.versions);
    let mut sizes: Vec<usize> = versions.iter().map(|v| context.min_size(element, v)).collect();
    sizes.dedup();
    match sizes.as_slice() {
        [one] => one.to_string(),
        _ => format!("{}::min_size(version)", element.name),
    }
}

/// `min_size`, if some array asks for it.
pub(crate) fn min_size_fn(context: &Context<'_>, item: &StructSpec) -> Option<String> {
    let call = format!("{}::min_size(version)", item.name);
    let asked = context.structs.iter().any(|user| {
        user.fields.iter().any(|f| {
            matches!(&f.ty, Type::Array(e) if **e == Type::Struct(item.name.clone()))
                && min_size_use(context, item, user) == call
        })
    });
    if !asked {
        return None;
    }
    let mut runs: Vec<(i16, i16, usize)> = Vec::new();
    for version in item.versions.iter() {
        let size = context.min_size(item, version);
        match runs.last_mut() {
            Some((_, end, last)) if *last == size => *end = version,
            _ => runs.push((version, version, size)),
        }
    }
    let mut arms = String::new();
    let last = runs.len() - 1;
    for (i, (start, end, size)) in runs.into_iter().enumerate() {
        let pattern = match start {
            _ if i == last => "_".to_owned(),
            _ if i == 0 => format!("..={end}"),
            _ if start == end => format!("{end}"),
            _ => format!("{start}..={end}"),
        };
        arms.push_str(&format!("            {pattern} => {size},\n"));
    }
    Some(format!(
        "\n    /// The fewest bytes it takes.\n    fn min_size(version: i16) -> usize {{\n        match version {{\n{arms}        }}\n    }}\n"
    ))
}
