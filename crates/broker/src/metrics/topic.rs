//! What passes through one topic.

use klamm_metrics::Counter;

/// What passed through a topic since this broker has it.
#[derive(Debug, Default)]
pub(crate) struct TopicTraffic {
    pub(crate) record_bytes_in: Counter,
    pub(crate) records_in: Counter,
    pub(crate) record_bytes_out: Counter,
    /// Parts of produce requests that name a partition of it.
    pub(crate) produce_requests: Counter,
    pub(crate) produce_failures: Counter,
    /// Parts of fetches that read a partition of it.
    pub(crate) fetch_requests: Counter,
    pub(crate) fetch_failures: Counter,
}
