//! `api_key.rs`: the enum of all APIs and what the schema says about each.

use std::fmt::Write as _;

use crate::schema::versions::Versions;
use crate::schema::{Kind, MessageSpec};

/// The file.
pub(crate) fn render(messages: &[&MessageSpec]) -> String {
    let mut apis: Vec<&MessageSpec> =
        messages.iter().copied().filter(|m| m.kind == Kind::Request).collect();
    apis.sort_by_key(|m| m.key);
    let (mut variants, mut all, mut rows) = (String::new(), String::new(), String::new());
    for key in 0..=apis.last().and_then(|m| m.key).unwrap_or_default() {
        let Some(api) = apis.iter().find(|m| m.key == Some(key)) else {
            // Keys that no message of the schema has.
            rows.push_str("    row(\"\", (0, -1), (0, -1), i16::MAX, NOWHERE),\n");
            continue;
        };
        let name = api.name.trim_end_matches("Request");
        let _ = writeln!(variants, "    /// Versions {}.\n    {name} = {key},", api.versions);
        let _ = writeln!(all, "        Self::{name},");
        let _ = writeln!(rows, "    {},", row(name, api));
    }
    HEAD.replace("VARIANTS\n", &variants)
        .replace("ROW_COUNT", &rows.lines().count().to_string())
        .replace("COUNT", &apis.len().to_string())
        .replace("ALL\n", &all)
        .replace("ROWS\n", &rows)
}

fn row(name: &str, api: &MessageSpec) -> String {
    let range = |v: Versions| format!("({}, {})", v.min, v.max);
    let stable = match api.unstable {
        range if range.is_empty() => api.versions,
        range => Versions { max: range.min - 1, ..api.versions },
    };
    let flexible = match api.flexible {
        range if range.is_empty() => i16::MAX,
        range => range.min,
    };
    let on = |listener: &str| api.listeners.iter().any(|l| l == listener);
    let listeners = match (on("broker"), on("controller")) {
        (true, true) => "BOTH",
        (true, false) => "BROKER",
        (false, true) => "CONTROLLER",
        (false, false) => "NOWHERE",
    };
    format!("row(\"{name}\", {}, {}, {flexible}, {listeners})", range(api.versions), range(stable))
}

const HEAD: &str = r#"//! The APIs of the protocol: keys, names, versions, header versions, listeners.

use std::fmt;

use crate::wire::{Listener, VersionRange};

/// An API of the protocol, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i16)]
pub enum ApiKey {
VARIANTS
}

/// What the schema says about an API.
struct Row {
    name: &'static str,
    versions: VersionRange,
    stable: VersionRange,
    /// The first flexible version; `i16::MAX` if there is none.
    flexible_from: i16,
    listeners: &'static [Listener],
}

const BROKER: &[Listener] = &[Listener::Broker];
const CONTROLLER: &[Listener] = &[Listener::Controller];
const BOTH: &[Listener] = &[Listener::Broker, Listener::Controller];

const NOWHERE: &[Listener] = &[];

/// By key.
static TABLE: [Row; ROW_COUNT] = [
ROWS
];

const fn row(
    name: &'static str,
    versions: (i16, i16),
    stable: (i16, i16),
    flexible_from: i16,
    listeners: &'static [Listener],
) -> Row {
    let versions = VersionRange::new(versions.0, versions.1);
    let stable = VersionRange::new(stable.0, stable.1);
    Row { name, versions, stable, flexible_from, listeners }
}

impl ApiKey {
    /// Every API, in the order of the keys.
    pub const ALL: [Self; COUNT] = [
ALL
    ];

    /// The API with this key, if Klamm knows one.
    pub fn from_i16(key: i16) -> Option<Self> {
        let found = Self::ALL.binary_search_by_key(&key, |api| *api as i16);
        found.ok().map(|at| Self::ALL[at])
    }

    /// Every API, in the order of the keys.
    pub fn iter() -> impl ExactSizeIterator<Item = Self> {
        Self::ALL.into_iter()
    }

    /// Kafka's name, such as `Produce`.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Every version that can be read and written.
    pub const fn versions(self) -> VersionRange {
        self.row().versions
    }

    /// The versions that a broker offers if `unstable.api.versions.enable` is off.
    pub const fn stable_versions(self) -> VersionRange {
        self.row().stable
    }

    /// The version of the request's header, also for versions that are not known.
    pub const fn request_header_version(self, version: i16) -> i16 {
        if version >= self.row().flexible_from { 2 } else { 1 }
    }

    /// The version of the response's header. That of ApiVersions stays 0: the client does not
    /// know yet which versions it may expect (KIP-511).
    pub const fn response_header_version(self, version: i16) -> i16 {
        match self {
            Self::ApiVersions => 0,
            _ if version >= self.row().flexible_from => 1,
            _ => 0,
        }
    }

    /// Where the API is offered.
    pub const fn listeners(self) -> &'static [Listener] {
        self.row().listeners
    }

    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
"#;
