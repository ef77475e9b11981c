//! Which quota counts for whom.
//!
//! Kafka's precedence for a client, the first that has the key: user and client id; user and
//! default client; user; default user and client id; default user and default client; default
//! user; client id; default client. A quota of a client id without a user is shared by all of its
//! connections, one of a user by all of the user's clients; a default gives each its own.

use std::cmp::Ordering;

use klamm_metadata::{Image, Map, QuotaEntity};

use super::Kind;

/// A name in a quota's entity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Absent,
    Default,
    Named(String),
}

/// A name that is asked for.
#[derive(Debug, Clone, Copy)]
enum Asked<'a> {
    Absent,
    Default,
    Named(&'a str),
}

impl Part {
    fn of(entity: &QuotaEntity, kind: &str) -> Self {
        match entity.0.iter().find(|(name, _)| name == kind) {
            None => Self::Absent,
            Some((_, None)) => Self::Default,
            Some((_, Some(name))) => Self::Named(name.clone()),
        }
    }

    fn compare(&self, asked: Asked<'_>) -> Ordering {
        match (self, asked) {
            (Self::Absent, Asked::Absent) | (Self::Default, Asked::Default) => Ordering::Equal,
            (Self::Absent, _) | (Self::Default, Asked::Named(_)) => Ordering::Less,
            (_, Asked::Absent) | (Self::Named(_), Asked::Default) => Ordering::Greater,
            (Self::Named(name), Asked::Named(asked)) => name.as_str().cmp(asked),
        }
    }
}

/// Values by [`Kind`].
type Values = [Option<f64>; Kind::ALL.len()];

fn values(map: &Map<String, f64>) -> Values {
    Kind::ALL.map(|kind| map.get(kind.key()).copied())
}

/// Who shares what is used: those for whom these names are the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sharer {
    /// A client, by user and client id; an absent one does not matter.
    Client(Option<Box<str>>, Option<Box<str>>),
    /// An address.
    Ip(Box<str>),
    /// A topic.
    Topic(Box<str>),
}

/// A quota that counts for somebody.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// The quota, per second.
    pub value: f64,
    /// Who shares it.
    pub sharer: Sharer,
}

/// All quotas, for looking up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// By user and client id, ascending.
    clients: Vec<((Part, Part), Values)>,
    ips: Vec<(Part, Values)>,
    topics: Vec<(Part, Values)>,
    /// The kinds for which there is any quota of a client.
    any: [bool; Kind::ALL.len()],
}

impl Table {
    /// The quotas of an image.
    pub fn of(image: &Image) -> Self {
        let mut table = Self::default();
        for (entity, map) in image.quotas() {
            let part = |kind| Part::of(entity, kind);
            let values = values(map);
            match (part("ip"), part("topic")) {
                (Part::Absent, Part::Absent) => {
                    for (any, value) in table.any.iter_mut().zip(values) {
                        *any |= value.is_some();
                    }
                    table.clients.push(((part("user"), part("client-id")), values));
                }
                (Part::Absent, topic) => table.topics.push((topic, values)),
                (ip, _) => table.ips.push((ip, values)),
            }
        }
        table.clients.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        table.ips.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        table.topics.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        table
    }

    /// Whether any client has a quota of this kind: if not, nothing need be measured.
    pub fn limits_clients(&self, kind: Kind) -> bool {
        self.any[kind as usize]
    }

    /// Whether any topic has a quota.
    pub fn limits_topics(&self) -> bool {
        !self.topics.is_empty()
    }

    /// Whether any address has a quota.
    pub fn limits_ips(&self) -> bool {
        !self.ips.is_empty()
    }

    /// The quota that counts for a client.
    pub fn of_client(&self, kind: Kind, user: &str, client: &str) -> Option<Limit> {
        use Asked::{Absent, Default, Named};
        let order = [
            (Named(user), Named(client)),
            (Named(user), Default),
            (Named(user), Absent),
            (Default, Named(client)),
            (Default, Default),
            (Default, Absent),
            (Absent, Named(client)),
            (Absent, Default),
        ];
        let (asked, value) = order.into_iter().find_map(|asked| {
            let compare = |(part, _): &((Part, Part), Values)| {
                part.0.compare(asked.0).then(part.1.compare(asked.1))
            };
            let at = self.clients.binary_search_by(compare).ok()?;
            Some((asked, self.clients[at].1[kind as usize]?))
        })?;
        let name = |asked, name: &str| match asked {
            Absent => None,
            Default | Named(_) => Some(name.into()),
        };
        let sharer = Sharer::Client(name(asked.0, user), name(asked.1, client));
        Some(Limit { value, sharer })
    }

    /// The quota that counts for an address.
    pub fn of_ip(&self, kind: Kind, ip: &str) -> Option<Limit> {
        let value = lookup(&self.ips, kind, ip)?;
        Some(Limit { value, sharer: Sharer::Ip(ip.into()) })
    }

    /// The quota that counts for a topic.
    pub fn of_topic(&self, kind: Kind, topic: &str) -> Option<Limit> {
        let value = lookup(&self.topics, kind, topic)?;
        Some(Limit { value, sharer: Sharer::Topic(topic.into()) })
    }
}

fn lookup(table: &[(Part, Values)], kind: Kind, name: &str) -> Option<f64> {
    [Asked::Named(name), Asked::Default].into_iter().find_map(|asked| {
        let at = table.binary_search_by(|(part, _)| part.compare(asked)).ok()?;
        table[at].1[kind as usize]
    })
}

#[cfg(test)]
mod tests;
