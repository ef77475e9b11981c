//! Quotas: what a client, an address or a topic may use, and for how long it is held back when it
//! used more.
//!
//! [`Table`] says which quota counts for whom, by Kafka's precedence. [`Rate`] and [`Bucket`]
//! measure what was used. Time is an argument, in milliseconds.

mod bucket;
mod rate;
mod table;

pub use bucket::Bucket;
pub use rate::{Rate, Windows};
pub use table::{Limit, Sharer, Table};

/// What is limited, with the names that Kafka has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `producer_byte_rate`: bytes per second produced.
    Produce,
    /// `consumer_byte_rate`: bytes per second fetched.
    Fetch,
    /// `request_percentage`: percent of one thread's time spent on requests (KIP-124).
    Request,
    /// `controller_mutation_rate`: partitions per second created or deleted (KIP-599).
    Mutation,
    /// `connection_creation_rate`: connections per second of an address (KIP-612).
    Connection,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Produce, Self::Fetch, Self::Request, Self::Mutation, Self::Connection];

    /// Kafka's key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Produce => "producer_byte_rate",
            Self::Fetch => "consumer_byte_rate",
            Self::Request => "request_percentage",
            Self::Mutation => "controller_mutation_rate",
            Self::Connection => "connection_creation_rate",
        }
    }

    /// The kind with this key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.key() == key)
    }
}
