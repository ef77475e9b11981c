//! Consumer groups of the new protocol (KIP-848): the coordinator makes the assignment, and each
//! member goes from what it has to what it is to have on its own, partition by partition.
//!
//! *Invariants*
//! - A partition has at most one owner: it is given to a member only when nobody has it, and who
//!   is to give it up has it until that is confirmed or the member is out.
//! - A member's epoch never is above the target's, nor the target's above the group's.
//! - [`ConsumerGroup`] is what its records say: a live group equals the one that is read back.
//! - What a client is told is durable before it is told.

mod calls;
mod classic_members;
pub(crate) mod convert;
mod describe;
pub(crate) mod draft;
pub(crate) mod group;
pub(crate) mod heartbeat;
pub(crate) mod leave;
pub(crate) mod member;
pub(crate) mod offsets;
mod patterns;
mod reconcile;
pub(crate) mod record;
mod target;

pub(crate) use group::ConsumerGroup;
