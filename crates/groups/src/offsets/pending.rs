//! Offsets that were committed in transactions which are still open: nobody sees them until the
//! marker comes, but who asks for stable offsets is told that there are some (KIP-447).

use std::collections::{BTreeMap, BTreeSet};

use super::store::{Committed, OffsetKey, Offsets};
use crate::api::AppendId;

#[derive(Debug)]
struct Waiting {
    key: OffsetKey,
    committed: Committed,
    order: u64,
    /// What brought it here; none for what was read from the log.
    by: Option<AppendId>,
}

/// The offsets of open transactions, in the order of their commits.
#[derive(Debug, Default)]
pub(super) struct Pending {
    by_producer: BTreeMap<i64, Vec<Waiting>>,
    /// Which producers have something pending for an offset.
    producers: BTreeMap<OffsetKey, BTreeSet<i64>>,
}

impl Pending {
    fn add(&mut self, producer_id: i64, waiting: Waiting) {
        self.producers.entry(waiting.key.clone()).or_default().insert(producer_id);
        self.by_producer.entry(producer_id).or_default().push(waiting);
    }

    /// Keeps of a producer what `keep` says.
    fn retain(&mut self, producer_id: i64, keep: impl Fn(&Waiting) -> bool) {
        let Some(list) = self.by_producer.get_mut(&producer_id) else { return };
        let gone: Vec<Waiting> = list.extract_if(.., |waiting| !keep(waiting)).collect();
        for waiting in gone {
            let is_left = list.iter().any(|other| other.key == waiting.key);
            if let Some(producers) = self.producers.get_mut(&waiting.key)
                && !is_left
            {
                producers.remove(&producer_id);
                if producers.is_empty() {
                    self.producers.remove(&waiting.key);
                }
            }
        }
        if list.is_empty() {
            self.by_producer.remove(&producer_id);
        }
    }

    /// An offset was deleted, and with it what is pending for it.
    pub(super) fn delete(&mut self, key: &OffsetKey) {
        for producer_id in self.producers.get(key).cloned().unwrap_or_default() {
            self.retain(producer_id, |waiting| waiting.key != *key);
        }
    }
}

impl Offsets {
    /// Offsets are on their way to the log, in a transaction.
    pub(crate) fn write_pending(
        &mut self,
        producer_id: i64,
        offsets: Vec<(OffsetKey, Committed)>,
        by: AppendId,
    ) {
        for (key, committed) in offsets {
            let order = self.next_order();
            self.pending.add(producer_id, Waiting { key, committed, order, by: Some(by) });
        }
    }

    /// The append has failed.
    pub(crate) fn revert_pending(&mut self, producer_id: i64, append: AppendId) {
        self.pending.retain(producer_id, |waiting| waiting.by != Some(append));
    }

    /// A record of a transaction, read from the log.
    pub(crate) fn replay_pending(
        &mut self,
        producer_id: i64,
        key: OffsetKey,
        committed: Committed,
    ) {
        let order = self.next_order();
        self.pending.add(producer_id, Waiting { key, committed, order, by: None });
    }

    /// What a producer's transaction commits if it is committed: of each offset the last, unless
    /// another commit came after it. With the order of the commit.
    pub(crate) fn committed_by(&self, producer_id: i64) -> Vec<(OffsetKey, Committed, u64)> {
        let mut last = BTreeMap::new();
        for waiting in self.pending.by_producer.get(&producer_id).into_iter().flatten() {
            if self.order_of(&waiting.key) <= waiting.order {
                last.insert(&waiting.key, (&waiting.committed, waiting.order));
            }
        }
        let owned = |(key, (committed, order)): (&OffsetKey, (&Committed, u64))| {
            (key.clone(), committed.clone(), order)
        };
        last.into_iter().map(owned).collect()
    }

    /// The end of a transaction, read from the log.
    pub(crate) fn replay_end(&mut self, producer_id: i64, committed: bool) {
        if committed {
            for (key, value, order) in self.committed_by(producer_id) {
                self.replay(&key, Some(value));
                self.set_order(&key, order);
            }
        }
        self.forget_pending(producer_id);
    }

    /// The transaction of a producer has ended.
    pub(crate) fn forget_pending(&mut self, producer_id: i64) {
        self.pending.retain(producer_id, |_| false);
    }

    /// Whether the offset may change with the end of an open transaction.
    pub(crate) fn is_pending(&self, group: &str, topic: &str, partition: i32) -> bool {
        !self.pending.producers.is_empty()
            && self.pending.producers.contains_key(&OffsetKey::new(group, topic, partition))
    }

    /// The offsets of a group that open transactions have committed.
    pub(crate) fn pending_of_group(&self, group: &str) -> impl Iterator<Item = &OffsetKey> {
        self.pending.producers.keys().filter(move |key| *key.group == *group)
    }

    /// The offsets of a topic that open transactions have committed, in all groups.
    pub(crate) fn pending_of_topic(&self, topic: &str) -> impl Iterator<Item = &OffsetKey> {
        self.pending.producers.keys().filter(move |key| *key.topic == *topic)
    }
}
