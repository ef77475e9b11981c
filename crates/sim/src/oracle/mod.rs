//! What must hold whatever happens: one invariant per file, over a model of what is known.
//!
//! The oracle hears of every request before it is sent and of every answer that comes. An answer
//! that does not come leaves both outcomes open. It hears of every death of the broker and knows
//! what each kind may take: a power loss whatever was not synced, the death of the process nothing
//! that was appended.

mod acked_survive;
mod committed_offsets;
mod configs;
mod fenced;
mod gapless;
mod generations;
mod high_watermark;
mod last_value;
mod liveness;
mod log_start;
mod no_panic;
mod nothing_invented;
mod offsets_once;
mod one_consumer;
mod one_directory;
mod one_owner;
mod partition;
mod producer_order;
mod quotas;
mod recreated;
mod refused;
mod same_bytes;
mod shares;
mod topics;
mod transactions;
mod watermarks;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub(crate) use committed_offsets::{CommitModel, Deleting, Deletions, Seen};
pub(crate) use last_value::{Kept, Reading};
pub(crate) use no_panic::watch;
pub(crate) use one_owner::Assignments;
pub(crate) use partition::{Asked, Batch, Format, PartitionModel, RecordId, Sync};
pub(crate) use quotas::{ANONYMOUS, GENEROUS, Metered, QuotaEntity, REQUEST, WINDOWS};
pub(crate) use shares::DELIVERIES_MAX;
pub(crate) use topics::TopicModel;
pub(crate) use transactions::{Fate, value_of};

/// Something that must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invariant {
    /// Its name, which stays the same for ever.
    pub id: &'static str,
    /// What it says.
    pub sentence: &'static str,
}

/// All invariants.
pub const INVARIANTS: [Invariant; 40] = [
    acked_survive::ACKED_SURVIVE,
    same_bytes::SAME_BYTES,
    nothing_invented::NOTHING_INVENTED,
    gapless::GAPLESS,
    offsets_once::OFFSETS_ONCE,
    offsets_once::ABOVE_HIGH_WATERMARK,
    producer_order::NO_DUPLICATES,
    producer_order::IN_ORDER,
    refused::REFUSED_NOT_WRITTEN,
    one_directory::ONE_DIRECTORY,
    high_watermark::ONLY_ADVANCES,
    high_watermark::NOTHING_ABOVE,
    log_start::START_ONLY_ADVANCES,
    committed_offsets::COMMITS_SURVIVE,
    one_owner::ONE_OWNER,
    one_consumer::ONE_CONSUMER,
    generations::GENERATIONS_ADVANCE,
    fenced::FENCED,
    topics::TOPICS_SURVIVE,
    configs::CONFIGS_SURVIVE,
    recreated::RECREATED_IS_NEW,
    last_value::LAST_VALUE_SURVIVES,
    last_value::NO_EARLIER_VALUE,
    last_value::TOMBSTONES_STAY,
    transactions::COMMITTED_ONLY,
    transactions::COMMITTED_WHOLE,
    transactions::TXN_FENCED,
    shares::ACCEPTED_STAYS,
    shares::ONE_HOLDER,
    shares::NONE_LOST,
    watermarks::WATERMARKS_SPARE,
    quotas::QUOTA_BOUNDS,
    quotas::QUOTA_ONLY_DELAYS,
    quotas::THROTTLE_HAS_REASON,
    quotas::MUTE_HOLDS,
    quotas::QUOTAS_SURVIVE,
    liveness::SERVES_AGAIN,
    liveness::OTHERS_SERVE,
    liveness::START_SAYS_WHY,
    no_panic::NO_PANIC,
];

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// What was seen.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {} Seen: {}", self.invariant.id, self.invariant.sentence, self.text)
    }
}

/// How many violations are kept: what follows the first is seldom worth reading.
const VIOLATIONS_MAX: usize = 5;

/// Topic and partition.
pub(crate) type Place = (String, i32);

/// What the oracle knows.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) partitions: BTreeMap<Place, PartitionModel>,
    pub(crate) topics: BTreeMap<String, TopicModel>,
    /// By group and the partition that the commit is about.
    pub(crate) commits: BTreeMap<(String, Place), CommitModel>,
    groups: BTreeMap<String, generations::GroupModel>,
    /// When groups had members.
    members: BTreeMap<String, committed_offsets::Members>,
    consumers: BTreeMap<String, one_consumer::Consumers>,
    /// How often the broker died in a way that may have taken what was told.
    pub(crate) crashes: u64,
    buried: BTreeMap<String, recreated::Buried>,
    configs: configs::Configs,
    /// The compacted topic.
    pub(crate) kept: last_value::KeptModel,
    transactions: transactions::Transactions,
    pub(crate) shares: shares::Shares,
    quotas: quotas::Quotas,
    /// Groups that were heard to be loaded since the broker began.
    loaded: BTreeSet<String>,
    /// Whether a disk was at fault since the broker began.
    pub(crate) disturbed: bool,
    /// Whether `__consumer_offsets` is synced on every append.
    offsets_sync: bool,
    /// Whether committed offsets that nobody needs expire during a run.
    offsets_expire: bool,
    pub(crate) violations: Vec<Violation>,
}

impl Oracle {
    pub(crate) fn new(offsets_sync: bool, offsets_expire: bool) -> Self {
        Self { offsets_sync, offsets_expire, ..Self::default() }
    }

    pub(crate) fn violate(&mut self, invariant: Invariant, text: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation { invariant, text });
        }
    }

    /// The model of a partition of a topic that was created.
    pub(crate) fn partition(&mut self, place: &Place) -> &mut PartitionModel {
        if !self.partitions.contains_key(place) {
            let new = self.new_partition(place);
            self.partitions.insert(place.clone(), new);
        }
        self.partitions.get_mut(place).expect("it was put there")
    }

    fn ended(&mut self) {
        self.configs.ended();
        self.quotas.ended();
        self.loaded.clear();
        self.shares.ended();
        self.disturbed = false;
    }

    /// Everything was made durable and the process ended.
    pub(crate) fn stopped(&mut self) {
        self.ended();
        self.partitions.values_mut().for_each(PartitionModel::stopped);
        self.commits.values_mut().for_each(CommitModel::stopped);
        self.groups.values_mut().for_each(generations::GroupModel::stopped);
    }

    /// The process died.
    pub(crate) fn killed(&mut self) {
        self.ended();
        self.partitions.values_mut().for_each(PartitionModel::killed);
        self.commits.values_mut().for_each(CommitModel::killed);
        self.groups.values_mut().for_each(generations::GroupModel::killed);
    }

    /// The machine lost power.
    pub(crate) fn crashed(&mut self) {
        self.ended();
        let sync = self.offsets_sync;
        self.crashes += 1;
        if !sync {
            self.consumers_forgotten();
            self.members.values_mut().for_each(committed_offsets::Members::crashed);
        }
        self.partitions.values_mut().for_each(PartitionModel::crashed);
        self.commits.values_mut().for_each(CommitModel::crashed);
        self.groups.values_mut().for_each(|group| group.crashed(sync));
    }
}
