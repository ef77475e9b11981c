//! The requests that clients make, each told to the oracle and noted in the trace.

mod admin;
mod fetch;
mod groups;
mod offsets;
mod produce;

pub(crate) use admin::{
    add_partitions, alter_topic, create_topic, delete_records, delete_topic, find_coordinator,
    list_topics,
};
pub(crate) use fetch::{Session, Want, fetch};
pub(crate) use groups::{Joined, heartbeat, join, leave, sync};
pub(crate) use offsets::{Committer, commit, committed, list_offset};
pub(crate) use produce::{Produced, produce, producer_id};

/// The special timestamps of ListOffsets.
pub(crate) const EARLIEST: i64 = -2;
pub(crate) const LATEST: i64 = -1;
