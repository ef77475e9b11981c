//! The committed offsets of a shard, durable and on their way.

use std::collections::BTreeMap;

use klamm_protocol::wire::Uuid;

use super::pending::Pending;
use crate::api::AppendId;
use crate::name::Name;

/// What an offset is committed for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OffsetKey {
    pub(crate) group: Name,
    pub(crate) topic: Name,
    pub(crate) partition: i32,
}

impl OffsetKey {
    pub(crate) fn new(group: &str, topic: &str, partition: i32) -> Self {
        Self { group: group.into(), topic: topic.into(), partition }
    }
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    /// -1 if not known.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: Box<str>,
    pub(crate) commit_ms: i64,
    /// Set by clients of 0.9 to 2.0 that ask for a retention of their own.
    pub(crate) expire_ms: Option<i64>,
    /// Zero if the client did not say.
    pub(crate) topic_id: Uuid,
}

/// Which state a lookup sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// All that was decided.
    Newest,
    /// What would be there after a crash.
    Durable,
}

/// One partition's offset, and the changes of it that are on their way, the oldest first.
#[derive(Debug, Default)]
struct Cell {
    durable: Option<Committed>,
    changes: Vec<(AppendId, Option<Committed>)>,
    /// The order of the last change.
    order: u64,
}

impl Cell {
    fn get(&self, view: View) -> Option<&Committed> {
        match self.changes.last() {
            Some((_, newest)) if view == View::Newest => newest.as_ref(),
            _ => self.durable.as_ref(),
        }
    }

    fn is_gone(&self) -> bool {
        self.durable.is_none() && self.changes.is_empty()
    }
}

type Partitions = BTreeMap<i32, Cell>;

#[derive(Debug, Default)]
pub(crate) struct Offsets {
    groups: BTreeMap<Name, BTreeMap<Name, Partitions>>,
    /// Offsets of open transactions.
    pub(super) pending: Pending,
    /// Counts what was committed, so that of two commits the later one counts, also if the earlier
    /// one becomes visible afterwards.
    last_order: u64,
}

impl Offsets {
    /// A change is on its way with an append; `None` deletes.
    pub(crate) fn write(&mut self, key: &OffsetKey, value: Option<Committed>, append: AppendId) {
        let order = self.next_order();
        self.with_cell(key, |cell| {
            cell.order = order;
            cell.changes.push((append, value));
        });
    }

    pub(super) fn next_order(&mut self) -> u64 {
        self.last_order += 1;
        self.last_order
    }

    /// What a transaction has made visible was committed earlier.
    pub(super) fn set_order(&mut self, key: &OffsetKey, order: u64) {
        self.with_cell(key, |cell| cell.order = order);
    }

    /// The order of what was last committed for a partition; 0 for nothing.
    pub(super) fn order_of(&self, key: &OffsetKey) -> u64 {
        let cell = self.groups.get(&key.group).and_then(|topics| topics.get(&key.topic));
        cell.and_then(|cells| cells.get(&key.partition)).map_or(0, |cell| cell.order)
    }

    /// The append has ended: its change is durable or never was.
    pub(crate) fn settle(&mut self, key: &OffsetKey, append: AppendId, durable: bool) {
        let mut is_deleted = false;
        self.with_cell(key, |cell| {
            let ended = cell.changes.extract_if(.., |(by, _)| *by == append);
            if let Some((_, value)) = ended.last()
                && durable
            {
                is_deleted = value.is_none();
                cell.durable = value;
            }
        });
        if is_deleted {
            self.pending.delete(key);
        }
    }

    /// A record read from the log.
    pub(crate) fn replay(&mut self, key: &OffsetKey, value: Option<Committed>) {
        if value.is_none() {
            self.pending.delete(key);
        }
        let order = self.next_order();
        self.with_cell(key, |cell| {
            cell.order = order;
            cell.durable = value;
        });
    }

    fn with_cell(&mut self, key: &OffsetKey, change: impl FnOnce(&mut Cell)) {
        let topics = entry(&mut self.groups, &key.group);
        let partitions = entry(topics, &key.topic);
        let cell = partitions.entry(key.partition).or_default();
        change(cell);
        if cell.is_gone() {
            partitions.remove(&key.partition);
            if partitions.is_empty() {
                topics.remove(&key.topic);
            }
            if topics.is_empty() {
                self.groups.remove(&key.group);
            }
        }
    }

    pub(crate) fn get(
        &self,
        view: View,
        group: &str,
        topic: &str,
        partition: i32,
    ) -> Option<&Committed> {
        self.groups.get(group)?.get(topic)?.get(&partition)?.get(view)
    }

    pub(crate) fn is_durable(&self, key: &OffsetKey) -> bool {
        self.get(View::Durable, &key.group, &key.topic, key.partition).is_some()
    }

    /// A group's offsets in the order of topics and partitions.
    pub(crate) fn of_group(
        &self,
        view: View,
        group: &str,
    ) -> impl Iterator<Item = (&Name, i32, &Committed)> {
        let topics = self.groups.get(group).into_iter().flatten();
        topics.flat_map(move |(topic, partitions)| of_topic(view, topic, partitions))
    }

    /// The offsets of a topic in all groups: group, topic, partition, offset.
    pub(crate) fn in_all_groups(
        &self,
        view: View,
        topic: &str,
    ) -> impl Iterator<Item = (OffsetKey, &Committed)> {
        self.groups.iter().flat_map(move |(group, topics)| {
            let found = topics.get_key_value(topic).into_iter();
            let offsets = found.flat_map(move |(name, cells)| of_topic(view, name, cells));
            offsets.map(move |(topic, partition, committed)| {
                let (group, topic) = (group.clone(), topic.clone());
                (OffsetKey { group, topic, partition }, committed)
            })
        })
    }
}

fn of_topic<'a>(
    view: View,
    topic: &'a Name,
    partitions: &'a Partitions,
) -> impl Iterator<Item = (&'a Name, i32, &'a Committed)> {
    partitions.iter().filter_map(move |(at, cell)| Some((topic, *at, cell.get(view)?)))
}

/// The entry of a name, without a copy of the name if it is there.
fn entry<'a, V: Default>(map: &'a mut BTreeMap<Name, V>, name: &Name) -> &'a mut V {
    map.entry(name.clone()).or_default()
}
