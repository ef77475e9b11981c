//! What can go wrong in a call, by what the caller can do about it.

use std::{io, sync::Arc, time::Duration};

use klamm_protocol::{
    ApiKey, ErrorCode,
    records::{BuildError, RecordError},
    wire::{DecodeError, VersionRange},
};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection could be made. Is the broker running, and is this its address?
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// `host:port` that was dialled.
        address: String,
        /// What the network said.
        source: io::Error,
    },
    /// The connection broke while an answer was awaited. A retry may help.
    #[error("the connection to {address} broke: {reason}")]
    Disconnected {
        /// `host:port` of the broker.
        address: String,
        /// What the network or the decoder said.
        reason: String,
    },
    /// No answer came in time. A retry may help.
    #[error("{address} did not answer {what} within {} ms", after.as_millis())]
    Timeout {
        /// `host:port` of the broker.
        address: String,
        /// The request.
        what: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// An answer could not be read: the other end is not a Kafka broker, or is broken.
    #[error("{address} sent an answer that cannot be read: {source}")]
    Decode {
        /// `host:port` of the broker.
        address: String,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The broker has no version of the request that this client can use.
    #[error("{address} serves {api} {}, but {wanted} is needed", offered(.served))]
    Unsupported {
        /// `host:port` of the broker.
        address: String,
        /// The request.
        api: ApiKey,
        /// The versions the broker serves, if any.
        served: Option<VersionRange>,
        /// The versions the client can use.
        wanted: VersionRange,
    },
    /// The broker answered with an error.
    #[error("{subject}: {}", refusal(*code, message.as_deref()))]
    Refused {
        /// What the error is about, such as `topic orders`.
        subject: String,
        /// Kafka's number of the error.
        code: i16,
        /// What the broker says beyond the code.
        message: Option<String>,
    },
    /// There is no such topic.
    #[error("topic {topic} does not exist")]
    UnknownTopic {
        /// The name.
        topic: String,
    },
    /// There is no such partition.
    #[error("topic {topic} has no partition {partition}")]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: i32,
    },
    /// A partition has no leader at the moment. A retry may help.
    #[error("partition {topic}-{partition} has no leader")]
    NoLeader {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// The cluster lists no broker of this id. A retry may help.
    #[error("the cluster lists no broker {0}")]
    UnknownBroker(i32),
    /// Neither the options nor the cluster name a broker.
    #[error("no broker is known")]
    NoBroker,
    /// Records could not be made into a batch.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A record is larger than a request may be.
    #[error("a record of {size} bytes is above the limit of {limit} bytes (max.request.size)")]
    RecordTooLarge {
        /// Bytes of the record.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Records that came back are damaged.
    #[error("{topic}-{partition}: damaged records at offset {offset}: {source}")]
    Records {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The position of the fetch.
        offset: i64,
        /// What is wrong with them.
        source: RecordError,
    },
    /// One error that several partitions share.
    #[error("{0}")]
    Shared(Arc<Self>),
    /// A task of the client was cancelled, which happens when the runtime shuts down.
    #[error("the client's task ended early")]
    Cancelled,
}

impl ClientError {
    /// The error of an answer, none for code 0.
    pub(crate) fn check(
        code: i16,
        message: Option<&str>,
        subject: impl FnOnce() -> String,
    ) -> Result<(), Self> {
        match code {
            0 => Ok(()),
            code => {
                Err(Self::Refused { subject: subject(), code, message: message.map(str::to_owned) })
            }
        }
    }

    /// Kafka's error code, where a broker answered with one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => ErrorCode::from_code(*code),
            Self::Shared(error) => error.code(),
            _ => None,
        }
    }

    /// Whether the same call may succeed a little later, with fresh metadata.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Disconnected { .. }
            | Self::Timeout { .. }
            | Self::Connect { .. }
            | Self::NoLeader { .. }
            | Self::UnknownBroker(_) => true,
            Self::Shared(error) => error.is_retriable(),
            Self::Refused { .. } => self.code().is_some_and(ErrorCode::is_retriable),
            _ => false,
        }
    }
}

fn offered(served: &Option<VersionRange>) -> String {
    served.map_or_else(|| "in no version".to_owned(), |range| format!("in versions {range}"))
}

/// The code's name and the broker's own words, or else those of the error table.
fn refusal(code: i16, message: Option<&str>) -> String {
    let known = ErrorCode::from_code(code);
    let name = known.map_or_else(|| format!("error {code}"), |known| known.name().to_owned());
    match message.filter(|text| !text.is_empty()).or(known.map(ErrorCode::message)) {
        Some(text) => format!("{text} ({name})"),
        None => name,
    }
}
