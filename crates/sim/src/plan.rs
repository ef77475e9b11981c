//! What a seed makes of a run: which kinds of events happen, how often, on what settings.
//!
//! Swarm testing: each run switches some kinds of events off and weighs the others at random. A
//! run in which everything happens rarely gets far enough into anything.

use klamm_env::Random;

/// What the operator of the simulated machine may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The machine loses power: what was not synced is lost or torn.
    PowerLoss,
    /// The process dies, the machine goes on.
    Kill,
    /// A clean stop and a start.
    Restart,
    /// The volume is full for a while.
    Full,
    /// Work on the disk's threads is slow for a while.
    Stall,
    /// One log directory fails until the next start.
    Broken,
    /// The directory of the metadata fails, or is full, alone or while something else is wrong.
    Metadata,
    /// Links change how badly they behave.
    Links,
    /// The volume of a log directory becomes small, so that it is nearly full for a while.
    Fill,
}

/// What an administrator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    CreateTopic,
    DeleteTopic,
    /// A topic is deleted and another of its name is made.
    RecreateTopic,
    AddPartitions,
    DeleteRecords,
    AlterConfig,
    DeleteGroup,
    DeleteOffset,
    /// A replica goes to another log directory.
    MoveReplica,
}

/// The shape of one run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// How long clients and faults go on, milliseconds of virtual time.
    pub(crate) duration_ms: u64,
    /// The longest pause between two events, milliseconds.
    pub(crate) event_pause_ms: u64,
    pub(crate) events: Vec<(Event, u64)>,
    pub(crate) changes: Vec<(Change, u64)>,
    pub(crate) topics: u64,
    pub(crate) plain_producers: u64,
    pub(crate) idempotent_producers: u64,
    /// Idempotent producers with several batches under way.
    pub(crate) pipelines: u64,
    pub(crate) consumers: u64,
    pub(crate) committers: u64,
    pub(crate) members: u64,
    pub(crate) static_members: u64,
    /// Transactional producers.
    pub(crate) transactors: u64,
    /// Members of a group in the consumer protocol.
    pub(crate) modern_members: u64,
    /// Static ones of them.
    pub(crate) modern_statics: u64,
    /// Members of a streams group.
    pub(crate) streams_members: u64,
    /// Members of a share group.
    pub(crate) sharers: u64,
    /// The longest pause of a client between two requests, milliseconds.
    pub(crate) think_ms: u64,
    /// The largest value of a record, bytes.
    pub(crate) value_bytes_max: u64,
    /// Whether links are as bad from the beginning as [`Event::Links`] makes them.
    pub(crate) bad_links: bool,
    /// Whether `__consumer_offsets` is synced on every append.
    pub(crate) offsets_sync: bool,
    /// How many of ten topics are synced on every append.
    pub(crate) sync_topics: u64,
    /// How many of ten topics delete old records by themselves.
    pub(crate) retention_topics: u64,
    /// How often the broker writes its checkpoints, milliseconds.
    pub(crate) checkpoint_ms: u64,
    pub(crate) retention_check_ms: u64,
    /// The largest size of a segment, bytes.
    pub(crate) segment_bytes: u64,
    /// Whether somebody keeps values in a compacted topic.
    pub(crate) keeps: bool,
    /// How long its tombstones stay, milliseconds.
    pub(crate) delete_retention_ms: i64,
    /// How long an idle cleaner waits, milliseconds.
    pub(crate) cleaner_backoff_ms: u64,
    /// How fast it may be, bytes per second.
    pub(crate) cleaner_bytes: u64,
    /// What is done when a volume fills (`klamm.disk.policy`).
    pub(crate) disk_policy: &'static str,
    /// How fast replicas move between directories, bytes per second.
    pub(crate) move_bytes: u64,
    /// Clients whose quotas change under them.
    pub(crate) metered: u64,
    /// The largest size of a segment of the internal topics, bytes.
    pub(crate) internal_segment_bytes: u64,
    /// Whether committed offsets are kept for a minute, and the run goes on for longer.
    pub(crate) expires: bool,
    /// Whether the topic of the transactions is compacted.
    pub(crate) compacts_transactions: bool,
}

/// The policies for a volume that fills. The later ones delete, which transactions are not told of:
/// unless nothing is taken of their topic because it is compacted.
const DISK_POLICIES: [&str; 5] =
    ["none", "restrict", "staged", "delete-oldest", "delete-proportional"];

impl Plan {
    pub(crate) fn draw(random: &Random) -> Self {
        let between = |low: u64, high: u64| low + random.below(high - low + 1);
        let events = [
            Event::PowerLoss,
            Event::Kill,
            Event::Restart,
            Event::Full,
            Event::Stall,
            Event::Broken,
            Event::Metadata,
            Event::Links,
            Event::Fill,
        ];
        let changes = [
            Change::CreateTopic,
            Change::DeleteTopic,
            Change::RecreateTopic,
            Change::AddPartitions,
            Change::DeleteRecords,
            Change::AlterConfig,
            Change::DeleteGroup,
            Change::DeleteOffset,
            Change::MoveReplica,
        ];
        let transactors = if random.chance(1, 2) { between(1, 3) } else { 0 };
        let policies = if transactors > 0 { 2 } else { DISK_POLICIES.len() };
        let policy = usize::try_from(random.below(policies as u64)).unwrap_or(0);
        let mut plan = Self {
            disk_policy: DISK_POLICIES[policy],
            move_bytes: between(20_000, 1_000_000),
            events: swarm(random, &events),
            changes: swarm(random, &changes),
            duration_ms: between(8_000, 20_000),
            event_pause_ms: between(800, 5_000),
            topics: between(1, 3),
            plain_producers: between(0, 2),
            idempotent_producers: between(0, 2),
            pipelines: between(0, 2),
            consumers: between(1, 3),
            committers: between(0, 2),
            members: if random.chance(1, 2) { between(1, 3) } else { 0 },
            static_members: if random.chance(1, 2) { between(1, 3) } else { 0 },
            transactors,
            think_ms: between(20, 400),
            value_bytes_max: between(10, 2_000),
            bad_links: random.chance(1, 4),
            offsets_sync: random.chance(1, 2),
            sync_topics: random.below(11),
            retention_topics: random.below(6),
            checkpoint_ms: between(200, 10_000),
            retention_check_ms: between(300, 5_000),
            segment_bytes: between(2_000, 60_000),
            keeps: random.chance(2, 3),
            delete_retention_ms: i64::try_from(between(500, 4_000)).unwrap_or(0),
            cleaner_backoff_ms: between(50, 2_000),
            cleaner_bytes: between(10_000, 1_000_000),
            modern_members: if random.chance(1, 2) { between(1, 4) } else { 0 },
            modern_statics: if random.chance(1, 3) { between(1, 2) } else { 0 },
            streams_members: if random.chance(1, 3) { between(1, 4) } else { 0 },
            sharers: if random.chance(1, 2) { between(1, 3) } else { 0 },
            metered: if random.chance(1, 3) { between(1, 3) } else { 0 },
            internal_segment_bytes: between(8_000, 40_000),
            expires: random.chance(1, 3),
            compacts_transactions: random.chance(1, 2),
        };
        plan.expires &= plan.members + plan.static_members > 0;
        if plan.compacts_transactions {
            let policy = usize::try_from(random.below(DISK_POLICIES.len() as u64)).unwrap_or(0);
            plan.disk_policy = DISK_POLICIES[policy];
        }
        plan
    }
}

impl Plan {
    /// Whether records may be deleted because a volume fills.
    pub(crate) fn may_delete(&self) -> bool {
        !matches!(self.disk_policy, "none" | "restrict")
    }
}

/// Leaves out about a third of the kinds and gives the others a weight.
fn swarm<T: Copy>(random: &Random, kinds: &[T]) -> Vec<(T, u64)> {
    let weigh = |kind: &T| (*kind, if random.chance(1, 3) { 0 } else { 1 + random.below(8) });
    kinds.iter().map(weigh).filter(|(_, weight)| *weight > 0).collect()
}

/// One of the kinds, by weight; none if there are none.
pub(crate) fn choose<T: Copy>(random: &Random, kinds: &[(T, u64)]) -> Option<T> {
    let total: u64 = kinds.iter().map(|(_, weight)| weight).sum();
    let mut left = random.below(total);
    for (kind, weight) in kinds {
        if left < *weight {
            return Some(*kind);
        }
        left -= weight;
    }
    None
}
