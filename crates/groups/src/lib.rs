//! The group coordinator: who is in which group, how a group shares its work, and how far it got.
//!
//! One [`Coordinator`] holds the groups of one partition of `__consumer_offsets`. It decides and
//! never waits: the driver hands it requests, ends of appends and the time, and carries out the
//! [`Effect`]s it returns, in order. See [`Coordinator`] for the contract between the two.
//!
//! *Architecture invariant:* no clock, no randomness, no I/O; what survives a restart is exactly
//! what the appended records say, read back with [`Coordinator::apply`].

mod admin;
mod api;
mod appends;
mod classic;
mod consumer;
mod coordinator;
mod modern;
mod name;
mod observe;
mod offsets;
mod records;
mod registry;
mod replay;
mod settings;
pub mod share;
mod streams;
mod summary;
mod timers;

pub use api::{
    AppendId, Context, CoordinatorRecord, Effect, EndTransaction, InTransaction, Request, Response,
    StreamsBeaten, Token,
};
pub use coordinator::Coordinator;
pub use observe::GroupView;
pub use offsets::{fetch_groups, fetch_response};
pub use replay::{ReplayError, Replayed};
pub use settings::Settings;
pub use summary::Summary;
