//! Producer ids for idempotent producers, taken from the controller in blocks (KIP-730).

use klamm_protocol::ErrorCode;
use klamm_quorum::Quorum;
use tokio::sync::Mutex;

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
    pub(crate) async fn next(&self, quorum: &Quorum) -> Result<i64, ErrorCode> {
        let mut block = self.0.lock().await;
        if block.next >= block.end {
            let (start, len) = quorum.allocate_producer_ids().await?;
            *block = Block { next: start, end: start + i64::from(len) };
        }
        block.next += 1;
        Ok(block.next - 1)
    }
}
