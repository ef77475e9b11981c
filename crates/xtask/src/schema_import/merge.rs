//! Joins the definitions of two releases: the newer release rules where both speak, the older one
//! supplies the versions that the newer one has dropped.

use anyhow::{Result, bail};

use crate::schema::print::tidy;
use crate::schema::versions::Versions;
use crate::schema::{Field, MessageSpec, StructSpec, Tag};

/// `newer` with the lower versions of `older`.
pub(crate) fn merge(older: &MessageSpec, newer: &MessageSpec) -> Result<MessageSpec> {
    let lost = Versions { min: older.versions.min, max: newer.versions.min - 1 };
    if lost.is_empty() || !older.unstable.intersect(lost).is_empty() {
        return Ok(newer.clone());
    }
    if older.versions.max < lost.max {
        bail!(
            "{}: versions between {} and {} are unknown",
            newer.name,
            older.versions,
            newer.versions
        );
    }
    let mut merged = newer.clone();
    merged.versions.min = older.versions.min;
    merge_fields(&older.fields, &mut merged.fields, lost, &newer.name)?;
    for shared in &mut merged.structs {
        if let Some(old) = older.structs.iter().find(|s| s.name == shared.name) {
            merge_fields(&old.fields, &mut shared.fields, lost, &newer.name)?;
        }
    }
    Ok(merged)
}

/// Puts the fields that only the lost versions have where the older release had them.
fn merge_fields(
    older: &[Field],
    newer: &mut Vec<Field>,
    lost: Versions,
    whose: &str,
) -> Result<()> {
    let mut place = 0;
    for old in older {
        if let Some(at) = newer.iter().position(|f| f.name == old.name) {
            let new = &mut newer[at];
            if old.versions.intersect(lost) != new.versions.intersect(lost) || old.ty != new.ty {
                bail!("{whose}.{}: the releases disagree about the lower versions", old.name);
            }
            merge_fields(&old.fields, &mut new.fields, lost, whose)?;
            place = at + 1;
        } else if !old.versions.intersect(lost).is_empty() {
            if old.versions.max == Versions::OPEN || old.versions.max > lost.max {
                bail!("{whose}.{}: gone, but not only from the lower versions", old.name);
            }
            newer.insert(place, old.clone());
            place += 1;
        }
    }
    Ok(())
}

/// Cuts every range to the message's versions and drops what none of them has.
pub(crate) fn prune(message: &mut MessageSpec) {
    let versions = message.versions;
    message.flexible = tidy(message.flexible, versions);
    prune_fields(&mut message.fields, versions);
    for shared in &mut message.structs {
        shared.versions = tidy(shared.versions, versions);
        prune_fields(&mut shared.fields, versions);
    }
    let used: Vec<String> = struct_uses(message);
    message.structs.retain(|s: &StructSpec| used.contains(&s.name));
}

fn prune_fields(fields: &mut Vec<Field>, within: Versions) {
    fields.retain(|f| !f.versions.intersect(within).is_empty());
    for field in fields {
        field.versions = tidy(field.versions, within);
        field.nullable = tidy(field.nullable, within);
        field.tag = field.tag.and_then(|tag| {
            let versions = tidy(tag.versions, within);
            (!versions.is_empty()).then_some(Tag { versions, ..tag })
        });
        prune_fields(&mut field.fields, within);
    }
}

fn struct_uses(message: &MessageSpec) -> Vec<String> {
    let structs = message.all_structs();
    let fields = structs.iter().flat_map(|s| &s.fields);
    fields.filter_map(|f| f.ty.struct_name()).map(str::to_owned).collect()
}
