//! Share groups (KIP-932): members share partitions, and each record is delivered to one of them
//! at a time until it is acknowledged.
//!
//! Three machines, each usable on its own: the group's membership, which is part of the
//! [`Coordinator`](crate::Coordinator) ([`ShareGroup`]); the state of every partition that a group
//! reads, as `__share_group_state` keeps it ([`store`]); and who has which records of a partition
//! right now ([`partition`]).
//!
//! *Invariants* of the membership
//! - A partition is given to members only after its state is initialized in the store.
//! - A member's epoch never is above the target's, nor the target's above the group's.
//! - [`ShareGroup`] is what its records say: a live group equals the one that is read back.
//! - What a client is told is durable before it is told.

mod api;
mod assignor;
mod calls;
mod describe;
pub(crate) mod draft;
mod group;
mod heartbeat;
mod member;
mod offsets;
pub mod partition;
pub(crate) mod record;
pub mod store;
pub(crate) mod topics;

pub use api::{ShareRequest, ShareResponse, StateTopic};
pub(crate) use group::ShareGroup;
