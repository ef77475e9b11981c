//! The classic group protocol: members join, a leader among them assigns, all sync.
//!
//! *Invariants of a group*
//! - The state moves only along [`State::follows`].
//! - `joins_waiting` is the number of members whose join is parked; only
//!   `PreparingRebalance` may park joins, and `Stable` for the time it takes to store the new id
//!   of a static member.
//! - Syncs are parked only in `CompletingRebalance`.
//! - Each static instance id belongs to exactly one member.
//! - A generation's assignment reaches members only after the record that holds it is durable.

pub(crate) mod group;
mod heartbeat;
mod join;
mod leave;
pub(crate) mod member;
mod protocols;
mod rebalance;
mod static_member;
mod sync;

pub(crate) use group::{CONSUMER_PROTOCOL, Group, State};
pub(crate) use leave::leave_error;
pub(crate) use rebalance::join_error;
pub(crate) use static_member::Replaced;
pub(crate) use sync::sync_error;
