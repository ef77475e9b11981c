//! What everybody in a run shares: the machine, the clock, the trace, the oracle.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use klamm_env::{
    Clock, Disk, Random,
    virt::{DiskFault, VirtualDisk, VirtualNet},
};
use klamm_protocol::wire::Uuid;
use parking_lot::{Mutex, MutexGuard};

use crate::{
    Stats,
    calls::TxnTopic,
    client::{Asked, Client},
    disk::FaultyDir,
    machine::METADATA_DIR,
    oracle::{Oracle, Place},
    plan::{Event, Plan},
    trace::Trace,
};

/// What the clock shows at the start: 2023-11-14T22:13:20Z, in milliseconds.
const EPOCH_MS: i64 = 1_700_000_000_000;

/// A topic that clients may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Topic {
    pub(crate) id: Uuid,
    pub(crate) partitions: i32,
    /// How many topics of the name there were before.
    pub(crate) era: u64,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) plan: Plan,
    pub(crate) net: VirtualNet,
    pub(crate) disk: VirtualDisk,
    pub(crate) clock: Clock,
    pub(crate) topics: Mutex<BTreeMap<String, Topic>>,
    /// The topic of the transactions, which nobody else uses.
    pub(crate) txn_topic: Mutex<Option<TxnTopic>>,
    /// The topic of the share group, which nobody else uses.
    pub(crate) share_topic: Mutex<Option<TxnTopic>>,
    /// The log directory that is broken now.
    pub(crate) broken: Mutex<Option<String>>,
    /// Partitions that were told to go to another directory: for a moment the metadata have them in
    /// the one while they are in the other.
    pub(crate) moved: Mutex<BTreeSet<Place>>,
    /// Where the metadata are, which may be at fault by itself.
    pub(crate) metadata: FaultyDir,
    /// Whether the broker serves, and no volume is small.
    serves: AtomicBool,
    is_filled: AtomicBool,
    /// How often a disk began or ceased to be at fault.
    faults: AtomicU64,
    trace: Mutex<Trace>,
    oracle: Mutex<Oracle>,
    stats: Mutex<Stats>,
    /// The requests and versions that clients used.
    pub(crate) asked: Asked,
    over: AtomicBool,
    /// Whether the compacted topic is there.
    keeping: AtomicBool,
    next: AtomicU64,
}

impl World {
    pub(crate) fn new(seed: u64, keep_lines: bool) -> Self {
        let plan = Plan::draw(&Random::from_seed(seed));
        let clock = Clock::following_runtime(EPOCH_MS);
        let disk = VirtualDisk::new(Random::from_seed(derive(seed, "disk")));
        let disk = disk.with_clock(clock.clone());
        // The mount point is older than the run: no power loss takes it.
        disk.create_dir_all("/data".as_ref()).expect("a new virtual disk makes directories");
        disk.sync_dir("/".as_ref()).expect("a new virtual disk syncs");
        Self {
            seed,
            net: VirtualNet::new(Random::from_seed(derive(seed, "net"))),
            disk,
            clock,
            topics: Mutex::default(),
            txn_topic: Mutex::default(),
            share_topic: Mutex::default(),
            broken: Mutex::default(),
            moved: Mutex::default(),
            metadata: FaultyDir::new(METADATA_DIR),
            serves: AtomicBool::new(false),
            is_filled: AtomicBool::new(false),
            faults: AtomicU64::new(0),
            trace: Mutex::new(Trace::new(keep_lines)),
            oracle: Mutex::new(Oracle::new(plan.offsets_sync, plan.expires)),
            stats: Mutex::default(),
            asked: Asked::default(),
            over: AtomicBool::new(false),
            keeping: AtomicBool::new(false),
            next: AtomicU64::new(0),
            plan,
        }
    }

    /// A source of random numbers of its own for somebody.
    pub(crate) fn random(&self, name: &str) -> Random {
        Random::from_seed(derive(self.seed, name))
    }

    pub(crate) fn client(&self, name: &str) -> Client {
        Client::new(&self.net, name, self.random(name), Arc::clone(&self.asked))
    }

    /// Milliseconds since the run began.
    pub(crate) fn elapsed_ms(&self) -> i64 {
        self.clock.now_ms() - EPOCH_MS
    }

    pub(crate) fn note(&self, who: &str, what: &str) {
        let line = format!("{:>6} {who}: {what}", self.elapsed_ms());
        self.trace.lock().push(line);
    }

    pub(crate) fn trace(&self) -> MutexGuard<'_, Trace> {
        self.trace.lock()
    }

    pub(crate) fn oracle(&self) -> MutexGuard<'_, Oracle> {
        self.oracle.lock()
    }

    pub(crate) fn stats(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock()
    }

    /// A number that was not given out before.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether a disk misbehaves now.
    pub(crate) fn is_disk_at_fault(&self) -> bool {
        self.disk.fault() != DiskFault::None || self.metadata.fault().is_some()
    }

    /// A disk begins or ceases to be at fault.
    pub(crate) fn fault_changes(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }

    /// Which time without a fault of a disk this is, if none is at fault. A volume may be full.
    pub(crate) fn well(&self) -> Option<u64> {
        let is_well = !self.is_disk_at_fault() && self.broken.lock().is_none();
        is_well.then(|| self.faults.load(Ordering::Relaxed))
    }

    /// A volume becomes small, or has its size again.
    pub(crate) fn fill(&self, is_filled: bool) {
        self.is_filled.store(is_filled, Ordering::Relaxed);
    }

    /// The broker begins or ceases to serve.
    pub(crate) fn set_serving(&self, serves: bool) {
        self.serves.store(serves, Ordering::Relaxed);
    }

    /// Which time this is in which everything is to be served, if it is one.
    pub(crate) fn must_serve(&self) -> Option<u64> {
        let has_room = !self.is_filled.load(Ordering::Relaxed);
        self.well().filter(|_| has_room && self.serves.load(Ordering::Relaxed))
    }

    /// Tells all clients to end.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether clients go on.
    pub(crate) fn is_running(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// Whether links break only if the machine does.
    pub(crate) fn has_good_links(&self) -> bool {
        let plan = &self.plan;
        !plan.bad_links && plan.events.iter().all(|(event, _)| *event != Event::Links)
    }

    /// The compacted topic is there.
    pub(crate) fn set_keeping(&self) {
        self.keeping.store(true, Ordering::Relaxed);
    }

    /// Whether the compacted topic is there.
    pub(crate) fn is_keeping(&self) -> bool {
        self.keeping.load(Ordering::Relaxed)
    }

    /// Waits up to so many milliseconds.
    pub(crate) async fn pause(&self, random: &Random, most_ms: u64) {
        tokio::time::sleep(Duration::from_millis(1 + random.below(most_ms))).await;
    }

    /// Any topic that clients may use.
    pub(crate) fn any_topic(&self, random: &Random) -> Option<(String, Topic)> {
        let topics = self.topics.lock();
        let at = usize::try_from(random.below(topics.len() as u64)).unwrap_or(0);
        topics.iter().nth(at).map(|(name, topic)| (name.clone(), *topic))
    }

    /// Any partition that clients may use.
    pub(crate) fn any_place(&self, random: &Random) -> Option<(Place, Topic)> {
        let (name, topic) = self.any_topic(random)?;
        let count = u64::try_from(topic.partitions).unwrap_or(1);
        let index = i32::try_from(random.below(count)).unwrap_or(0);
        Some(((name, index), topic))
    }
}

/// Another seed for somebody.
pub(crate) fn derive(seed: u64, name: &str) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix)
}
