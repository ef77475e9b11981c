//! One message with what its structs need to know of each other.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use crate::schema::versions::Versions;
use crate::schema::{Field, MessageSpec, StructSpec, Type};

/// A message whose structs are looked up by name.
#[derive(Debug)]
pub(crate) struct Context<'s> {
    pub(crate) message: &'s MessageSpec,
    pub(crate) structs: Vec<StructSpec>,
    borrowing: BTreeSet<String>,
    by_name: BTreeMap<String, usize>,
}

/// When something holds, as a Rust expression over `version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    Never,
    If(String),
}

impl When {
    /// The condition as an expression.
    pub(crate) fn expr(&self) -> &str {
        match self {
            Self::Always => "true",
            Self::Never => "false",
            Self::If(expr) => expr,
        }
    }
}

impl<'s> Context<'s> {
    /// Resolves the structs of `message`.
    pub(crate) fn new(message: &'s MessageSpec) -> Result<Self> {
        let mut structs = message.all_structs();
        let mut by_name = BTreeMap::new();
        for (i, item) in structs.iter().enumerate() {
            if by_name.insert(item.name.clone(), i).is_some() {
                bail!("struct {} is defined twice", item.name);
            }
        }
        for item in &mut structs {
            item.versions = item.versions.intersect(message.versions);
            let within = item.versions;
            item.fields.retain(|f| !f.versions.intersect(within).is_empty());
        }
        let mut context = Self { message, structs, borrowing: BTreeSet::new(), by_name };
        for item in &context.structs {
            context.check(item)?;
        }
        context.find_borrowing();
        Ok(context)
    }

    fn check(&self, item: &StructSpec) -> Result<()> {
        for field in &item.fields {
            let versions = field.versions.intersect(item.versions);
            if let Some(tag) = field.tag
                && !tag.versions.covers(versions)
            {
                bail!("{}.{}: tagged in some versions only", item.name, field.name);
            }
            if field.tag.is_some() && field.ty == Type::Records {
                bail!("{}.{}: a record set cannot be tagged", item.name, field.name);
            }
            if let Some(name) = field.ty.struct_name()
                && !self.by_name.contains_key(name)
            {
                bail!("{}.{}: no struct {name}", item.name, field.name);
            }
        }
        Ok(())
    }

    /// A struct borrows if it holds strings, bytes or unknown tagged fields, itself or below.
    fn find_borrowing(&mut self) {
        loop {
            let found: BTreeSet<String> = self
                .structs
                .iter()
                .filter(|s| self.has_tags(s) || s.fields.iter().any(|f| self.borrows(&f.ty)))
                .map(|s| s.name.clone())
                .collect();
            if found == self.borrowing {
                return;
            }
            self.borrowing = found;
        }
    }

    /// Whether a value of this type borrows from the frame.
    pub(crate) fn borrows(&self, ty: &Type) -> bool {
        match ty {
            Type::String | Type::Bytes | Type::Records => true,
            Type::Struct(name) => self.borrowing.contains(name),
            Type::Array(element) => self.borrows(element),
            _ => false,
        }
    }

    /// `<'a>` or nothing.
    pub(crate) fn lifetime(&self, item: &StructSpec) -> &'static str {
        if self.borrowing.contains(&item.name) { "<'a>" } else { "" }
    }

    /// Whether any version of the struct has a section of tagged fields.
    pub(crate) fn has_tags(&self, item: &StructSpec) -> bool {
        !self.tag_versions(item).is_empty()
    }

    /// The versions in which the struct has a section of tagged fields.
    pub(crate) fn tag_versions(&self, item: &StructSpec) -> Versions {
        self.message.flexible.intersect(item.versions)
    }

    /// Whether the struct is flexible: `true`, `false` or `flex`, a variable.
    pub(crate) fn flex(&self, item: &StructSpec) -> &'static str {
        match when(self.message.flexible, item.versions) {
            When::Always => "true",
            When::Never => "false",
            When::If(_) => "flex",
        }
    }

    /// The same for one field.
    pub(crate) fn field_flex(&self, item: &StructSpec, field: &Field) -> &'static str {
        if field.inflexible { "false" } else { self.flex(item) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&StructSpec> {
        self.by_name.get(name).map(|&i| &self.structs[i])
    }

    /// The fewest bytes a struct takes in `version`.
    pub(crate) fn min_size(&self, item: &StructSpec, version: i16) -> usize {
        let flexible = self.message.flexible.contains(version);
        let untagged = |f: &&Field| f.versions.contains(version) && f.tag.is_none();
        let fields = item.fields.iter().filter(untagged);
        fields.map(|f| self.min_field_size(f, version, flexible)).sum::<usize>()
            + usize::from(flexible)
    }

    fn min_field_size(&self, field: &Field, version: i16, flexible: bool) -> usize {
        let flexible = flexible && !field.inflexible;
        match &field.ty {
            Type::Struct(_) if field.nullable.contains(version) => 1,
            ty => self.min_type_size(ty, version, flexible),
        }
    }

    /// The fewest bytes a value takes that is not a nullable struct.
    pub(crate) fn min_type_size(&self, ty: &Type, version: i16, flexible: bool) -> usize {
        match ty {
            Type::Bool | Type::Int8 => 1,
            Type::Int16 | Type::Uint16 => 2,
            Type::Int32 | Type::Uint32 => 4,
            Type::Int64 | Type::Float64 => 8,
            Type::Uuid => 16,
            Type::String | Type::Bytes | Type::Records | Type::Array(_) if flexible => 1,
            Type::String => 2,
            Type::Bytes | Type::Records | Type::Array(_) => 4,
            Type::Struct(name) => self.get(name).map_or(0, |s| self.min_size(s, version)),
        }
    }
}

/// When `version`, known to be in `within`, is in `range`.
pub(crate) fn when(range: Versions, within: Versions) -> When {
    let cut = range.intersect(within);
    if cut.is_empty() {
        When::Never
    } else if cut == within {
        When::Always
    } else if cut.max == within.max {
        When::If(format!("version >= {}", cut.min))
    } else if cut.min == cut.max {
        When::If(format!("version == {}", cut.min))
    } else if cut.min == within.min {
        When::If(format!("version <= {}", cut.max))
    } else {
        When::If(format!("({}..={}).contains(&version)", cut.min, cut.max))
    }
}

/// Moves every line of `code` one step to the right.
pub(crate) fn indent(code: &str) -> String {
    code.lines().map(|line| format!("    {line}\n")).collect()
}
