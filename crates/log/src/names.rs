//! Names of directories and files, as Kafka forms them.

use std::fmt;

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: String,
    /// Partition index.
    pub partition: i32,
}

impl TopicPartition {
    /// Of a topic name and an index.
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Suffix of a partition directory whose deletion has begun.
pub(crate) const DELETE_DIR_SUFFIX: &str = "-delete";

/// Suffix of a partition directory that a running move between directories fills.
pub(crate) const FUTURE_DIR_SUFFIX: &str = "-future";

/// Suffix of a partition directory that the cluster no longer knows.
pub(crate) const STRAY_DIR_SUFFIX: &str = "-stray";

/// Suffix of a file that left the log and waits to be deleted.
pub(crate) const DELETED_SUFFIX: &str = ".deleted";

/// Suffix of a file that compaction makes and that does not count yet.
pub(crate) const CLEANED_SUFFIX: &str = ".cleaned";

/// Suffix of a file that takes the place of those it was made of.
pub(crate) const SWAP_SUFFIX: &str = ".swap";

pub(crate) const LOG_SUFFIX: &str = ".log";
pub(crate) const INDEX_SUFFIX: &str = ".index";
pub(crate) const TIME_INDEX_SUFFIX: &str = ".timeindex";
pub(crate) const SNAPSHOT_SUFFIX: &str = ".snapshot";
pub(crate) const TXN_INDEX_SUFFIX: &str = ".txnindex";
pub(crate) const EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";
pub(crate) const PARTITION_METADATA: &str = "partition.metadata";

/// The files of a segment.
pub(crate) const SEGMENT_SUFFIXES: [&str; 5] =
    [LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, SNAPSHOT_SUFFIX, TXN_INDEX_SUFFIX];

/// The name of a file that belongs to the segment (or snapshot) at `offset`.
pub(crate) fn file_name(offset: i64, suffix: &str) -> String {
    format!("{offset:020}{suffix}")
}

/// The offset in the name of a file with this suffix.
pub(crate) fn offset_of(name: &str, suffix: &str) -> Option<i64> {
    let digits = name.strip_suffix(suffix)?;
    if digits.len() < 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// Why a directory with a partition's name in it is not the partition's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetAside {
    /// The partition's deletion has begun.
    Deleted,
    /// A move of the partition between log directories was filling it.
    Future,
    /// The cluster does not know the partition.
    Stray,
}

impl SetAside {
    /// What a directory's name says.
    pub fn from_name(name: &str) -> Option<Self> {
        const SUFFIXES: [(&str, SetAside); 3] = [
            (DELETE_DIR_SUFFIX, SetAside::Deleted),
            (FUTURE_DIR_SUFFIX, SetAside::Future),
            (STRAY_DIR_SUFFIX, SetAside::Stray),
        ];
        SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix)).map(|(_, aside)| *aside)
    }
}

/// The partition that a directory name stands for; none for directories that are not (or no
/// longer, or not yet) a partition.
pub fn parse_partition_dir(name: &str) -> Option<TopicPartition> {
    if SetAside::from_name(name).is_some() {
        return None;
    }
    let (topic, partition) = name.rsplit_once('-')?;
    let digits = !partition.is_empty() && partition.bytes().all(|b| b.is_ascii_digit());
    if topic.is_empty() || !digits {
        return None;
    }
    Some(TopicPartition::new(topic, partition.parse().ok()?))
}

/// The partition that a directory name `<topic>-<partition>.<32 hex digits>-future` stands for.
pub(crate) fn parse_future_dir(name: &str) -> Option<TopicPartition> {
    let (name, _) = name.strip_suffix(FUTURE_DIR_SUFFIX)?.rsplit_once('.')?;
    parse_partition_dir(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_told_apart() {
        let parse = |name| parse_partition_dir(name).map(|tp| tp.to_string());
        assert_eq!(parse("a-b-3"), Some("a-b-3".to_owned()));
        assert_eq!(parse("__consumer_offsets-49"), Some("__consumer_offsets-49".to_owned()));
        for no in ["a", "-1", "a-", "a-x", "a-0.0f3b-delete", "a-0.0f3b-future", "a--", "a-+1"] {
            assert_eq!(parse(no), None, "{no}");
        }
        let future = |name| parse_future_dir(name).map(|tp| tp.to_string());
        assert_eq!(future("a.b-0.0f3b-future"), Some("a.b-0".to_owned()));
        assert_eq!(future("a-0.0f3b-delete"), None);
        assert_eq!(offset_of("00000000000000000012.log", LOG_SUFFIX), Some(12));
        assert_eq!(offset_of("12.log", LOG_SUFFIX), None);
    }
}
