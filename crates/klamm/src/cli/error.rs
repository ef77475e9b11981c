//! What is told to the user when a command fails: what is wrong, and what to do about it.

use std::{io, process::ExitCode};

use klamm_client::{ClientError, ErrorCode};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The cluster could not be reached, or refused.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The command line asks for something that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Files, pipes, terminals.
    #[error("{what}: {error}")]
    Io {
        /// What was worked on.
        what: String,
        /// What the system says.
        error: io::Error,
    },
    /// The configuration is wrong; the text has a line per problem.
    #[error("{0}")]
    Config(String),
    /// The broker did not start, or could not go on.
    #[error("{0}")]
    Broker(String),
    /// What another broker left cannot be taken over; the report said why.
    #[error("it cannot be taken over as it is; nothing was changed")]
    NotTakenOver,
    /// Something dangerous was not confirmed.
    #[error("{0}")]
    NotConfirmed(String),
    /// Some of several things failed; each was told of when it did.
    #[error("{failed} of {all} failed")]
    Partly {
        /// How many failed.
        failed: usize,
        /// How many there were.
        all: usize,
    },
}

impl CliError {
    pub(crate) fn io(what: &str) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_owned();
        |error| Self::Io { what, error }
    }

    /// A failed write to standard output.
    pub(crate) fn output(error: io::Error) -> Self {
        Self::Io { what: "standard output".to_owned(), error }
    }

    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io { error, .. } if error.kind() == io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) | Self::Config(_) => ExitCode::from(2),
            _ => ExitCode::from(1),
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Client(error) => client_hint(error),
            Self::Config(_) => Some("every key is in docs/config.md".to_owned()),
            Self::Broker(text) => broker_hint(text).map(str::to_owned),
            Self::NotConfirmed(_) => Some("give --yes to go ahead without a question".to_owned()),
            _ => None,
        }
    }
}

fn broker_hint(text: &str) -> Option<&'static str> {
    if text.contains("was written by Apache Kafka") {
        return Some("docs/takeover.md says how");
    }
    if text.starts_with("cannot listen") {
        return Some(
            "is another broker running? stop it, or choose another address with --listen HOST:PORT",
        );
    }
    text.contains("in use by another process").then_some(
        "another broker uses that directory: stop it, or choose another directory with --data DIR",
    )
}

fn client_hint(error: &ClientError) -> Option<String> {
    match error {
        ClientError::Connect { source, .. }
            if source.kind() == io::ErrorKind::ConnectionRefused =>
        {
            Some(
                "nothing listens there. `klamm serve` starts a broker on 127.0.0.1:9092; \
                 --bootstrap HOST:PORT or KLAMM_BOOTSTRAP chooses another address"
                    .to_owned(),
            )
        }
        ClientError::Connect { .. } | ClientError::Timeout { .. } => Some(
            "check the address (--bootstrap HOST:PORT or KLAMM_BOOTSTRAP) and the network"
                .to_owned(),
        ),
        ClientError::Disconnected { .. } | ClientError::Decode { .. } => Some(
            "is this the address of a Kafka listener without TLS and authentication?".to_owned(),
        ),
        ClientError::UnknownTopic { topic } => Some(format!(
            "`klamm topic list` shows what there is, `klamm topic create {topic}` creates it"
        )),
        ClientError::Refused { .. } => error.code().and_then(refusal_hint).map(str::to_owned),
        ClientError::Shared(error) => client_hint(error),
        _ => None,
    }
}

fn refusal_hint(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::UnknownTopicOrPartition => Some("`klamm topic list` shows what there is"),
        ErrorCode::TopicAlreadyExists => {
            Some("--if-not-exists accepts that; `klamm topic alter` changes it")
        }
        ErrorCode::InvalidReplicationFactor => {
            Some("a topic cannot have more replicas than there are brokers")
        }
        ErrorCode::NonEmptyGroup | ErrorCode::UnknownMemberId => {
            Some("stop the group's members first; `klamm group describe` shows them")
        }
        ErrorCode::GroupIdNotFound => Some("`klamm group list` shows what there is"),
        ErrorCode::InvalidConfig => Some("every key is in docs/config.md"),
        _ => None,
    }
}
