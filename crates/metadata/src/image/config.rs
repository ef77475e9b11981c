//! Keys of the smaller tables: config resources, quota entities, SCRAM credentials.

use std::fmt;

use klamm_protocol::messages::client_quota_record::EntityData;

/// What a configuration belongs to, with Kafka's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceKind {
    /// 2: a topic, by name.
    Topic,
    /// 4: a broker by id, or all brokers with the empty name.
    Broker,
    /// 8: the log levels of a broker; never stored.
    BrokerLogger,
    /// 16: a subscription to client metrics.
    ClientMetrics,
    /// 32: a group.
    Group,
    /// Another number, from a later release.
    Other(i8),
}

impl ResourceKind {
    /// The kind with this number.
    pub fn from_number(number: i8) -> Self {
        match number {
            2 => Self::Topic,
            4 => Self::Broker,
            8 => Self::BrokerLogger,
            16 => Self::ClientMetrics,
            32 => Self::Group,
            other => Self::Other(other),
        }
    }

    /// Kafka's number.
    pub fn number(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLogger => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
            Self::Other(other) => other,
        }
    }
}

/// What can be configured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its name; empty for all brokers.
    pub name: String,
}

impl Resource {
    /// A resource of any kind.
    pub fn new(kind: ResourceKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    /// A topic.
    pub fn topic(name: impl Into<String>) -> Self {
        Self::new(ResourceKind::Topic, name)
    }

    /// One broker.
    pub fn broker(id: i32) -> Self {
        Self::new(ResourceKind::Broker, id.to_string())
    }

    /// All brokers: what holds where a broker has nothing of its own.
    pub fn all_brokers() -> Self {
        Self::new(ResourceKind::Broker, "")
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} '{}'", self.kind, self.name)
    }
}

/// Whom a client quota is for: entity types with a name each, or none for the default; ascending.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuotaEntity(pub Vec<(String, Option<String>)>);

impl QuotaEntity {
    /// An entity of these types, each with its name.
    pub fn from_parts<'a>(parts: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Self {
        let own = |(kind, name): (&str, Option<&str>)| (kind.to_owned(), name.map(str::to_owned));
        let mut parts: Vec<_> = parts.into_iter().map(own).collect();
        parts.sort_unstable();
        Self(parts)
    }

    pub(super) fn from_record(entity: &[EntityData<'_>]) -> Self {
        Self::from_parts(entity.iter().map(|d| (&*d.entity_type, d.entity_name.as_deref())))
    }

    pub(crate) fn to_record(&self) -> Vec<EntityData<'static>> {
        let data = |(kind, name): &(String, Option<String>)| EntityData {
            entity_type: kind.clone().into(),
            entity_name: name.clone().map(Into::into),
            ..EntityData::default()
        };
        self.0.iter().map(data).collect()
    }
}

/// Whose SCRAM credential, for which mechanism (1 is SHA-256, 2 is SHA-512).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScramKey {
    /// Kafka's number of the mechanism.
    pub mechanism: i8,
    /// User name.
    pub user: String,
}
