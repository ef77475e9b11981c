//! The message schema: what `crates/protocol/schema/**/*.ksl` says, as a tree.
//!
//! The text form is described in `crates/protocol/schema/README.md`.

pub(crate) mod names;
pub(crate) mod parse;
pub(crate) mod print;
pub(crate) mod versions;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use versions::Versions;

/// All messages of one schema file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Family {
    /// The path below the schema folder without extension, such as `api/01_fetch`.
    pub(crate) name: String,
    pub(crate) messages: Vec<MessageSpec>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Response,
    Header,
    Data,
    RecordKey,
    RecordValue,
    Metadata,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MessageSpec {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// API key, or the record's type number.
    pub(crate) key: Option<i16>,
    pub(crate) versions: Versions,
    pub(crate) flexible: Versions,
    /// Versions that a released Kafka broker offers only on demand.
    pub(crate) unstable: Versions,
    pub(crate) listeners: Vec<String>,
    pub(crate) fields: Vec<Field>,
    /// Structs used by more than one field.
    pub(crate) structs: Vec<StructSpec>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StructSpec {
    pub(crate) name: String,
    pub(crate) versions: Versions,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) versions: Versions,
    pub(crate) nullable: Versions,
    pub(crate) tag: Option<Tag>,
    pub(crate) default: Option<String>,
    pub(crate) entity: Option<String>,
    /// A sender may drop a value that the version cannot carry.
    pub(crate) ignorable: bool,
    pub(crate) map_key: bool,
    /// Written in the old style even in flexible versions.
    pub(crate) inflexible: bool,
    /// Fields of the struct that this field defines where it stands.
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) number: u32,
    pub(crate) versions: Versions,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint16,
    Uint32,
    Float64,
    Uuid,
    String,
    Bytes,
    Records,
    Struct(String),
    Array(Box<Type>),
}

impl Type {
    /// The struct behind the type, through arrays.
    pub(crate) fn struct_name(&self) -> Option<&str> {
        match self {
            Self::Struct(name) => Some(name),
            Self::Array(element) => element.struct_name(),
            _ => None,
        }
    }
}

impl MessageSpec {
    /// All structs in the order of their definition, the message itself first.
    pub(crate) fn all_structs(&self) -> Vec<StructSpec> {
        let mut out = vec![StructSpec {
            name: self.name.clone(),
            versions: self.versions,
            fields: self.fields.clone(),
        }];
        collect_inline(&self.fields, self.versions, &mut out);
        for shared in &self.structs {
            let versions = shared.versions.intersect(self.versions);
            out.push(StructSpec { versions, ..shared.clone() });
            collect_inline(&shared.fields, versions, &mut out);
        }
        out
    }
}

fn collect_inline(fields: &[Field], within: Versions, out: &mut Vec<StructSpec>) {
    for field in fields.iter().filter(|f| !f.fields.is_empty()) {
        let Some(name) = field.ty.struct_name() else { continue };
        let versions = field.versions.intersect(within);
        out.push(StructSpec { name: name.to_owned(), versions, fields: field.fields.clone() });
        collect_inline(&field.fields, versions, out);
    }
}

/// Reads every schema file below `dir`, in the order of their paths.
pub(crate) fn load(dir: &Path) -> Result<Vec<Family>> {
    let mut files = Vec::new();
    find_files(dir, &mut files)?;
    files.sort();
    files.iter().map(|file| load_family(dir, file)).collect()
}

fn load_family(dir: &Path, file: &Path) -> Result<Family> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let messages = parse::parse(&text).with_context(|| format!("in {}", file.display()))?;
    let name = file.strip_prefix(dir)?.with_extension("").to_string_lossy().replace('\\', "/");
    Ok(Family { name, messages })
}

fn find_files(dir: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            find_files(&path, out)?;
        } else if path.extension().is_some_and(|e| e == "ksl") {
            out.push(path);
        }
    }
    Ok(())
}
