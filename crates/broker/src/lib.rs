//! The broker: listeners, request handlers, partitions, waiting requests.
//!
//! Start reading at [`connection`](crate) for how a request comes in, at `api/produce.rs` and
//! `api/fetch.rs` for the data path, at `assignments.rs` for how partitions come to be.
//!
//! *Architecture invariant:* drivers here carry out what the core crates decide: groups, leaders,
//! metadata. All of the outside is reached through `klamm_env`.

mod api;
mod assignments;
mod auto_create;
mod broker;
mod cleaner;
mod connection;
mod directories;
pub mod docs;
mod fetch_read;
mod fetch_sessions;
mod frames;
mod groups;
mod listener;
mod listening;
mod loggers;
mod metrics;
mod moves;
mod observe;
mod open_logs;
mod partition;
mod producer_ids;
mod quotas;
mod records;
mod replay;
mod request;
mod rules;
mod server;
mod share;
pub mod takeover;
mod tasks;
mod telemetry;
mod topics;
mod transactions;
mod watermarks;

pub use api::{APIS, Api, Permission, QuotaClass};
pub use loggers::{LOGGERS, Level, Loggers};
pub use metrics::{SlowRequest, Stages};
pub use observe::Observe;
pub use server::{Server, StartError};
