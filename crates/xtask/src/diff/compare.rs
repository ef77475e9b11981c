//! Two answers field by field, after what may differ is put aside.
//!
//! Ids that a broker invents are the same if they stand for each other everywhere. Texts for
//! people and times only have to be there on both sides. Elements of a list are paired by what
//! they are about; that their order is another one is a difference of its own.

use std::collections::BTreeMap;

use super::peer::Outcome;
use super::value::Value;

/// Where two answers differ.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// Such as `topics[].error_code`; elements of lists of settings have their names.
    pub(crate) path: String,
    pub(crate) kafka: String,
    pub(crate) klamm: String,
}

/// Fields of which it only counts whether they say something.
const TEXTS: [&str; 5] =
    ["error_message", "batch_index_error_message", "documentation", "log_dir", "reason"];
/// Fields of which it only counts whether they are negative.
const TIMES: [&str; 6] = [
    "log_append_time_ms",
    "transaction_start_time_ms",
    "last_timestamp",
    "total_bytes",
    "usable_bytes",
    "finalized_features_epoch",
];
/// Fields with ids that a broker invents, and the kind of thing that they name.
const IDS: [(&str, &str); 9] = [
    ("member_id", "member"),
    ("leader", "member"),
    ("producer_id", "producer"),
    ("cluster_id", "cluster"),
    ("host", "host"),
    ("client_host", "host"),
    ("port", "port"),
    ("session_id", "session"),
    ("subscription_id", "subscription"),
];
/// Settings that say where a broker is.
const PLACES: [&str; 10] = [
    "advertised.listeners",
    "controller.listener.names",
    "controller.quorum.bootstrap.servers",
    "controller.quorum.voters",
    "listener.security.protocol.map",
    "listeners",
    "log.dir",
    "log.dirs",
    "metadata.log.dir",
    "port",
];
/// Fields that say what an element of a list is about.
const SUBJECTS: [&str; 25] = [
    "api_key",
    "name",
    "topic",
    "topic_name",
    "topic_id",
    "group_id",
    "group",
    "resource_type",
    "resource_name",
    "config_type",
    "config_name",
    "node_id",
    "broker_id",
    "partition_index",
    "partition",
    "partition_id",
    "index",
    "key",
    "client_id",
    "member_id",
    "group_instance_id",
    "member_metadata",
    "metadata",
    "producer_id",
    "base_offset",
];
/// Lists whose elements' names are part of a path.
const NAMED: [&str; 4] = ["configs", "api_keys", "supported_features", "finalized_features"];

/// Which invented id of Kafka's stands for which of ours.
#[derive(Debug, Default)]
pub(crate) struct Same {
    ours: BTreeMap<(&'static str, String), String>,
    kafkas: BTreeMap<(&'static str, String), String>,
}

impl Same {
    /// Whether two ids can stand for each other; from now on they do.
    fn bind(&mut self, kind: &'static str, kafka: &Value, klamm: &Value) -> bool {
        let (kafka, klamm) = ((kind, kafka.to_string()), (kind, klamm.to_string()));
        match (self.kafkas.get(&kafka), self.ours.get(&klamm)) {
            (None, None) => {
                self.ours.insert(klamm.clone(), kafka.1.clone());
                self.kafkas.insert(kafka, klamm.1);
                true
            }
            (ours, _) => ours == Some(&klamm.1),
        }
    }

    /// What either's id is called at Kafka's, once it was bound.
    fn known(&self, kind: &'static str, id: &Value, is_ours: bool) -> String {
        let text = id.to_string();
        if is_ours {
            return self.ours.get(&(kind, text)).cloned().unwrap_or_default();
        }
        if self.kafkas.contains_key(&(kind, text.clone())) { text } else { String::new() }
    }

    /// What an id of ours is called at Kafka's.
    fn as_kafka(&self, kind: &'static str, klamm: &Value) -> String {
        let text = klamm.to_string();
        self.ours.get(&(kind, text.clone())).cloned().unwrap_or(text)
    }
}

/// Compares what a request came to.
pub(crate) fn outcomes(same: &mut Same, kafka: &Outcome, klamm: &Outcome) -> Vec<Difference> {
    let mut walk = Walk { same, found: Vec::new() };
    match (kafka, klamm) {
        (Outcome::Answer(kafka), Outcome::Answer(klamm)) => walk.values("", "", kafka, klamm),
        (kafka, klamm) if kafka.kind() == klamm.kind() => {}
        (kafka, klamm) => walk.differ("outcome", &in_short(kafka), &in_short(klamm)),
    }
    walk.found
}

/// An outcome with the errors in it.
fn in_short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answer(value) => match first_error(value) {
            Some(code) => format!("answer {code}"),
            None => "answer".to_owned(),
        },
        other => other.to_string(),
    }
}

/// The first error code in an answer that is not 0.
pub(crate) fn first_error(value: &Value) -> Option<i64> {
    match value {
        Value::Struct(fields) => fields.iter().find_map(|(name, value)| match value {
            Value::Int(code) if name == "error_code" && *code != 0 => Some(*code),
            other => first_error(other),
        }),
        Value::List(items) => items.iter().find_map(first_error),
        _ => None,
    }
}

struct Walk<'a> {
    same: &'a mut Same,
    found: Vec<Difference>,
}

impl Walk<'_> {
    fn differ(&mut self, path: &str, kafka: &dyn ToString, klamm: &dyn ToString) {
        let (kafka, klamm) = (kafka.to_string(), klamm.to_string());
        self.found.push(Difference { path: path.to_owned(), kafka, klamm });
    }

    fn values(&mut self, path: &str, name: &str, kafka: &Value, klamm: &Value) {
        match (kafka, klamm) {
            (Value::Struct(fields), Value::Struct(_)) => self.structs(path, fields, kafka, klamm),
            (Value::List(a), Value::List(b)) => self.lists(path, name, a, b),
            (kafka, klamm) => self.leaves(path, name, kafka, klamm),
        }
    }

    fn structs(&mut self, path: &str, fields: &[(String, Value)], kafka: &Value, klamm: &Value) {
        let is_place =
            |v: &Value| v.get("name").and_then(Value::text).is_some_and(|n| PLACES.contains(&n));
        for (name, value) in fields {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match klamm.get(name) {
                None => self.differ(&path, value, &"absent"),
                Some(_) if name == "value" && is_place(kafka) => {}
                Some(other) => self.values(&path, name, value, other),
            }
        }
        let Value::Struct(ours) = klamm else { return };
        for (name, value) in ours.iter().filter(|(name, _)| kafka.get(name).is_none()) {
            self.differ(&format!("{path}.{name}"), &"absent", value);
        }
    }

    fn leaves(&mut self, path: &str, name: &str, kafka: &Value, klamm: &Value) {
        if name == "throttle_time_ms" || kafka == klamm && !is_invented(name, kafka) {
            return;
        }
        let kind = IDS.iter().find(|(n, _)| *n == name).map(|(_, kind)| *kind);
        let equal = match (kafka, klamm) {
            (Value::Text(a), Value::Text(b)) if TEXTS.contains(&name) => {
                a.is_empty() == b.is_empty()
            }
            (Value::Int(a), Value::Int(b)) if TIMES.contains(&name) => (*a < 0) == (*b < 0),
            (Value::Uuid(a), Value::Uuid(b)) if *a != [0; 16] && *b != [0; 16] => {
                self.same.bind("uuid", kafka, klamm)
            }
            _ => match kind {
                Some(kind) if is_invented(name, kafka) && is_invented(name, klamm) => {
                    self.same.bind(kind, kafka, klamm)
                }
                _ => false,
            },
        };
        if !equal {
            let (kafka, klamm) = (shown(name, kafka), shown(name, klamm));
            self.differ(path, &kafka, &klamm);
        }
    }

    fn lists(&mut self, path: &str, name: &str, kafka: &[Value], klamm: &[Value]) {
        let mut a: Vec<(String, &Value)> =
            kafka.iter().map(|v| (self.subject(v, false), v)).collect();
        let mut b: Vec<(String, &Value)> =
            klamm.iter().map(|v| (self.subject(v, true), v)).collect();
        let order =
            |list: &[(String, &Value)]| list.iter().map(|(s, _)| s.clone()).collect::<Vec<_>>();
        let (first, second) = (order(&a), order(&b));
        a.sort_by(|x, y| x.0.cmp(&y.0));
        b.sort_by(|x, y| x.0.cmp(&y.0));
        if first != second && order(&a) == order(&b) {
            self.differ(&format!("{path}[]#order"), &"one order", &"another");
        }
        let (mut i, mut j) = (0, 0);
        while i < a.len() || j < b.len() {
            let path = element_path(path, name, a.get(i).or(b.get(j)).map(|(_, v)| *v));
            match (a.get(i), b.get(j)) {
                (Some((s, x)), Some((t, y))) if s == t => {
                    self.values(&path, "", x, y);
                    (i, j) = (i + 1, j + 1);
                }
                // Without a subject in common they are compared as they stand.
                (Some((_, x)), Some((_, y))) if a.len() == b.len() && a.len() == 1 => {
                    self.values(&path, "", x, y);
                    (i, j) = (i + 1, j + 1);
                }
                (Some((s, x)), other) if other.is_none_or(|(t, _)| s < t) => {
                    self.differ(&path, &blurred(x), &"absent");
                    i += 1;
                }
                (_, Some((_, y))) => {
                    self.differ(
                        &element_path(path_base(&path), name, Some(y)),
                        &"absent",
                        &blurred(y),
                    );
                    j += 1;
                }
                _ => break,
            }
        }
    }

    /// What an element is about, as a text; ids of ours are called what Kafka calls them.
    fn subject(&self, value: &Value, is_ours: bool) -> String {
        let Value::Struct(fields) = value else { return value.to_string() };
        let mut subject = Vec::new();
        let is_named =
            ["name", "topic"].iter().any(|n| value.get(n).is_some_and(|v| *v != Value::Null));
        for (name, value) in fields.iter().filter(|(name, _)| SUBJECTS.contains(&name.as_str())) {
            // An id that was just invented cannot pair what a name pairs.
            if is_named && name == "topic_id" {
                continue;
            }
            subject.push(match value {
                Value::Uuid(_) if is_ours => self.same.as_kafka("uuid", value),
                Value::Int(_) if name == "producer_id" => {
                    self.same.known("producer", value, is_ours)
                }
                Value::Text(_) if name == "member_id" => self.same.known("member", value, is_ours),
                // Numbers sort as numbers.
                Value::Int(n) => format!("{n:020}"),
                other => other.to_string(),
            });
        }
        subject.join("|")
    }
}

/// A value without the digits and ids that every run has others of.
fn blurred(value: &Value) -> String {
    let mut out = String::new();
    let mut in_id = false;
    for c in value.to_string().chars() {
        in_id = c == '#' || in_id && c.is_ascii_hexdigit();
        match c {
            _ if in_id && c != '#' => {}
            '0'..='9' if out.ends_with('0') => {}
            '0'..='9' => out.push('0'),
            c => out.push(c),
        }
        if out.len() > 100 {
            break;
        }
    }
    out
}

/// Whether a broker made the value up: neither nothing nor a mark.
fn is_invented(name: &str, value: &Value) -> bool {
    match value {
        Value::Uuid(id) => *id != [0; 16],
        Value::Text(text) => !text.is_empty() && IDS.iter().any(|(n, _)| *n == name),
        Value::Int(n) if name == "session_id" => *n != 0,
        Value::Int(n) => *n >= 0 && IDS.iter().any(|(n, _)| *n == name),
        _ => false,
    }
}

/// A value as it stands in a report: texts and ids that vary are left out.
fn shown(name: &str, value: &Value) -> String {
    match value {
        Value::Text(text) if TEXTS.contains(&name) && !text.is_empty() => "a text".to_owned(),
        value if is_invented(name, value) => "an id".to_owned(),
        value => value.to_string(),
    }
}

fn element_path(path: &str, name: &str, element: Option<&Value>) -> String {
    let subject = ["name", "api_key"].iter().find_map(|field| element?.get(field));
    match subject {
        Some(Value::Text(subject)) if NAMED.contains(&name) => format!("{path}[{subject}]"),
        Some(Value::Int(subject)) if NAMED.contains(&name) => format!("{path}[{subject}]"),
        _ => format!("{path}[]"),
    }
}

/// A path without its last element.
fn path_base(path: &str) -> &str {
    path.rsplit_once('[').map_or(path, |(base, _)| base)
}
