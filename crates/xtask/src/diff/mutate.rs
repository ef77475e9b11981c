//! Wrong requests made of right ones: each field in turn gets the values that break programs.

use super::value::Value;
use super::wire::{Form, width};
use crate::schema::{Field, Type};

/// A request with one change.
#[derive(Debug, Clone)]
pub(crate) struct Mutant {
    /// Which field has which value.
    pub(crate) what: String,
    pub(crate) request: Value,
}

/// Fields that make a broker wait: nothing is learnt from waiting long.
const WAITS: [&str; 4] =
    ["max_wait_ms", "timeout_ms", "rebalance_timeout_ms", "session_timeout_ms"];

/// Lists that Klamm appends every element of and Kafka one: all later offsets would differ.
const APPENDS: [&str; 2] = ["topic_data", "partition_data"];

/// All changes to `request`, which has every field of its version.
pub(crate) fn mutants(form: Form<'_>, request: &Value, number: u64) -> Vec<Mutant> {
    let mut all = Vec::new();
    let mut change = |path: &str, value: Value| {
        let mut changed = request.clone();
        if let Some(place) = place(&mut changed, path)
            && *place != value
        {
            let mut shown = value.to_string();
            shown.truncate(shown.floor_char_boundary(40));
            *place = value;
            all.push(Mutant { what: format!("{path} = {shown}"), request: changed });
        }
    };
    fields(form, None, request, "", number, &mut change);
    all
}

/// As [`Value::at`], to be changed.
fn place<'v>(value: &'v mut Value, path: &str) -> Option<&'v mut Value> {
    let mut value = value;
    for part in path.split(['.', '[']) {
        value = match (part.strip_suffix(']'), value) {
            (Some(index), Value::List(items)) => items.get_mut(index.parse::<usize>().ok()?)?,
            (None, value) => value.get_mut(part)?,
            _ => return None,
        };
    }
    Some(value)
}

fn fields<'s>(
    form: Form<'s>,
    of: Option<&'s Field>,
    value: &Value,
    path: &str,
    number: u64,
    change: &mut impl FnMut(&str, Value),
) {
    for field in form.fields(of) {
        let path =
            if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
        let Some(current) = value.get(&field.name) else { continue };
        for other in others(form, field, current, number) {
            change(&path, other);
        }
        match (&field.ty, current) {
            (Type::Struct(_), Value::Struct(_)) => {
                fields(form, Some(field), current, &path, number, change);
            }
            (Type::Array(element), Value::List(items)) => {
                let Some(first) = items.first() else { continue };
                let path = format!("{path}[0]");
                if field.ty.struct_name().is_some() {
                    fields(form, Some(field), first, &path, number, change);
                } else {
                    scalars(element, number).into_iter().for_each(|other| change(&path, other));
                }
            }
            _ => {}
        }
    }
}

/// What a field is set to.
fn others(form: Form<'_>, field: &Field, current: &Value, number: u64) -> Vec<Value> {
    let mut values = vec![form.default(field), Value::Null];
    match (&field.ty, current) {
        (Type::Array(_), Value::List(items)) => {
            values.push(Value::List(Vec::new()));
            if !APPENDS.contains(&field.name.as_str()) {
                let twice = |first| Value::List(items.iter().chain([first]).cloned().collect());
                values.extend(items.first().map(twice));
            }
        }
        (ty, _) => values.extend(scalars(ty, number)),
    }
    if WAITS.contains(&field.name.as_str()) {
        values.retain(|v| v.int().is_none_or(|n| n <= 0));
    }
    // A null where the type has none cannot be written.
    let has_null = matches!(
        field.ty,
        Type::String | Type::Bytes | Type::Records | Type::Array(_) | Type::Uuid
    );
    values.retain(|v| *v != Value::Null || has_null);
    values
}

fn scalars(ty: &Type, number: u64) -> Vec<Value> {
    match ty {
        Type::Bool => vec![Value::Bool(false), Value::Bool(true)],
        Type::Uuid => {
            let mut id = [7; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            vec![Value::Uuid([0; 16]), Value::Uuid(id), Value::Uuid(one())]
        }
        Type::String => ["", "no-such", "bad name!", ".", "__consumer_offsets"]
            .into_iter()
            .map(|text| Value::Text(text.to_owned()))
            .chain([Value::Text("a".repeat(250)), Value::Text("a".repeat(32_000))])
            .collect(),
        Type::Bytes | Type::Records => {
            vec![Value::Bytes(Vec::new()), Value::Bytes(b"xyz".to_vec()), Value::Bytes(vec![0; 80])]
        }
        ty => width(ty).map(whole).unwrap_or_default(),
    }
}

/// The id that Kafka keeps for its metadata log.
fn one() -> [u8; 16] {
    let mut id = [0; 16];
    id[15] = 1;
    id
}

fn whole(width: usize) -> Vec<Value> {
    let max = i64::MAX >> (64 - 8 * width);
    [0, 1, -1, -2, 7, max, -max - 1].into_iter().map(Value::Int).collect()
}
