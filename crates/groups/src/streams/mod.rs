//! Groups of Kafka Streams applications (KIP-1071): the members bring the topology, the
//! coordinator sees to its internal topics, makes the assignment of tasks, and each member goes
//! from the tasks it has to those it is to have on its own.
//!
//! *Invariants*
//! - An active task has at most one owner: it is given to a member only when nobody has it, and
//!   who is to give it up has it until that is confirmed or the member is out.
//! - A process has a task in one role at most, over all its members.
//! - A member's epoch never is above the target's, nor the target's above the group's.
//! - [`StreamsGroup`] is what its records say: a live group equals the one that is read back.
//! - What a client is told is durable before it is told.

mod assignor;
mod calls;
mod check;
mod configure;
mod describe;
mod draft;
mod endpoints;
pub(crate) mod group;
mod heartbeat;
mod leave;
pub(crate) mod member;
pub(crate) mod offsets;
mod reconcile;
pub(crate) mod record;
mod target;
pub(crate) mod tasks;
pub(crate) mod topology;

pub(crate) use calls::Volatile;
pub(crate) use draft::tombstones;
pub(crate) use group::StreamsGroup;
