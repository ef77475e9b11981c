//! The requests that clients make, each told to the oracle and noted in the trace.

mod admin;
mod consumer_group;
mod fetch;
mod groups;
mod offsets;
mod produce;
mod quotas;
mod share;
mod streams_group;
mod transactions;

pub(crate) use admin::{
    WITH_IDS, add_partitions, alter_broker, alter_topic, create_topic, delete_group, delete_offset,
    delete_records, delete_topic, describe_topic, find_coordinator, list_topics, move_replica,
};
pub(crate) use consumer_group::{Heard, Heartbeat, Parts, consumer_heartbeat};
pub(crate) use fetch::{Session, Want, fetch};
pub(crate) use groups::{Joined, heartbeat, join, leave, sync};
pub(crate) use offsets::{Committer, commit, committed, list_offset};
pub(crate) use produce::{
    OnItsWay, Produced, begin_produce, end_produce, new_batch, produce, producer_id,
};
pub(crate) use quotas::{
    Got, METERED, QUOTA_KEYS, alter_quota, create_metered, delete_metered, describe_quotas,
    fetch_metered, produce_metered,
};

pub(crate) use share::{
    Said, Shared, SharedRecord, Sharer, alter_group, find_share_coordinator, first_offset,
    produce_values, share_acknowledge, share_fetch, share_heartbeat,
};
pub(crate) use streams_group::{Beat, streams_heartbeat};
pub(crate) use transactions::{
    Producer, TxnTopic, add_partition, end_transaction, find_transaction_coordinator,
    init_transactions, produce_in_transaction, read_committed,
};

/// The special timestamps of ListOffsets.
pub(crate) const EARLIEST: i64 = -2;
pub(crate) const LATEST: i64 = -1;
