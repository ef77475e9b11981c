//! Producer ids for idempotent producers, taken from the controller in blocks (KIP-730).

use std::sync::atomic::Ordering;

use klamm_protocol::ErrorCode;
use tokio::sync::Mutex;

use crate::broker::Broker;

/// The block of ids that this broker gives out.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds(Mutex<Block>);

#[derive(Debug, Default)]
struct Block {
    next: i64,
    end: i64,
}

impl ProducerIds {
    /// The next id; asks the controller for a new block when the current one is used up.
    pub(crate) async fn next(&self, broker: &Broker) -> Result<i64, ErrorCode> {
        let mut block = self.0.lock().await;
        if block.next >= block.end {
            let epoch = broker.broker_epoch.load(Ordering::Acquire);
            let (start, len) = broker.quorum.next_producer_ids(broker.node_id, epoch).await?;
            *block = Block { next: start, end: start + i64::from(len) };
        }
        block.next += 1;
        Ok(block.next - 1)
    }
}
