//! The loop that owns the raft node: one closed list of what can wake it, and no decision of its
//! own about metadata.
//!
//! A command goes: decided on the pending image, proposed, written to the page cache together with
//! all that came with it, synced on the disk's threads (one sync for all that was written
//! meanwhile), committed, applied, answered.
//!
//! Invariants:
//! - At most one sync and one snapshot run at a time, so the state file has one writer.
//! - Whoever is answered finds the change in [`Quorum::image`](crate::Quorum::image).
//! - Nothing is drawn from raft's own random numbers: see [`Driver::redraw`].

mod apply;
mod guard;
mod lead;
mod ready;

use std::{collections::VecDeque, future::Future, io, pin::Pin, sync::Arc};

use arc_swap::ArcSwap;
use klamm_metadata::{Delta, Image, Settings, decide::Sessions};
use klamm_protocol::messages::metadata_record::MetadataRecord;
use parking_lot::Mutex;
use raft::{RawNode, StateRole, eraftpb::Message};
use tokio::{
    sync::{mpsc, watch},
    time::{Interval, MissedTickBehavior},
};

use crate::{
    Defaults, OpenError, QuorumConfig, QuorumError, QuorumStatus, Transport,
    command::Task,
    logger::raft_logger,
    open::Opened,
    state_file::Place,
    store::{Store, node_id, raft_id},
    updates::Subscribers,
};

/// Ticks of silence after which a follower may stand for election; up to twice as many, at random.
const ELECTION_TICKS: usize = 10;
/// Ticks between heartbeats of the leader.
const HEARTBEAT_TICKS: usize = 2;
/// Bytes of entries in one raft message, and of committed entries applied in one go.
const MESSAGE_BYTES: u64 = 1 << 20;
/// Raft messages on their way to one peer.
const INFLIGHT_MESSAGES: usize = 256;

type Job<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the handles see of the driver.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) published: ArcSwap<Published>,
    pub(crate) applied: watch::Sender<i64>,
    pub(crate) status: ArcSwap<QuorumStatus>,
    pub(crate) subscribers: Subscribers,
    /// What the disk said if it has no room for the log.
    pub(crate) no_room: watch::Sender<Option<String>>,
    /// Why the driver has stopped.
    pub(crate) stopped: Mutex<Option<String>>,
    pub(crate) finished: watch::Sender<bool>,
}

/// An image and where it stands.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) image: Arc<Image>,
    pub(crate) offset: i64,
}

/// Everything that can wake the driver.
enum Event {
    /// Raft's clock.
    Tick,
    /// A request to the controller.
    Command(Box<dyn Task>),
    /// Something from a peer.
    Message(Box<Message>),
    /// A sync is done.
    Synced(io::Result<()>),
    /// A snapshot is on disk.
    Snapshot(io::Result<Place>),
    /// Stop.
    Stop,
}

/// What only the active controller has.
struct Leading {
    /// The entry of this leadership that must be applied before anything is decided.
    from: u64,
    /// What is decided, committed or not; none until `from` is applied.
    pending: Option<Image>,
    sessions: Sessions,
}

/// A command whose records are on their way.
struct Waiting {
    index: u64,
    term: u64,
    task: Box<dyn Task>,
}

/// The ends of the channels that lead to the driver.
pub(crate) struct Inbox {
    pub(crate) commands: mpsc::Receiver<Box<dyn Task>>,
    pub(crate) messages: mpsc::Receiver<Message>,
    pub(crate) stop: watch::Receiver<bool>,
}

pub(crate) struct Driver {
    config: QuorumConfig,
    defaults: Defaults,
    node: RawNode<Store>,
    transport: Box<dyn Transport>,
    inbox: Inbox,
    shared: Arc<Shared>,
    /// Everything that is committed and applied.
    image: Image,
    applied: Place,
    /// Changes that are applied but not published: those of an open metadata transaction.
    unpublished: Delta,
    /// Timestamp of the last applied record, milliseconds since the epoch.
    applied_timestamp: i64,
    bootstrap: Option<Vec<MetadataRecord<'static>>>,
    leading: Option<Leading>,
    waiting: VecDeque<Waiting>,
    /// Records proposed since the last time raft's entries were taken over.
    in_flight: i64,
    sync: Option<Job<io::Result<()>>>,
    /// Whether the disk had no room: it is asked again with the next tick.
    no_room: bool,
    /// Number of the last `Ready` that the running sync covers, and of the last there is.
    sync_covers: u64,
    ready_last: u64,
    ready_synced: u64,
    held: VecDeque<(u64, Vec<Message>)>,
    snapshot: Option<Job<io::Result<Place>>>,
    bytes_since_snapshot: u64,
    snapshot_due: Option<tokio::time::Instant>,
    ticks: Interval,
    /// Term and role for which the election timeout was drawn, and the timeout.
    drawn: (u64, StateRole, usize),
}

impl Driver {
    pub(crate) fn new(
        config: QuorumConfig,
        defaults: Defaults,
        opened: Opened,
        transport: Box<dyn Transport>,
        inbox: Inbox,
        shared: Arc<Shared>,
    ) -> Result<Self, OpenError> {
        let Opened { store, image, bootstrap } = opened;
        let settings = Settings { node_id: config.node_id, ..defaults.settings };
        let defaults = Defaults { settings, ..defaults };
        let applied = store.state.snapshot;
        let raft = raft_config(&config, applied.index);
        let node = RawNode::new(&raft, store, &raft_logger())
            .map_err(|error| OpenError::Config(error.to_string()))?;
        let mut ticks = tokio::time::interval(config.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drawn = (u64::MAX, StateRole::Follower, ELECTION_TICKS);
        let snapshot_due = config.snapshot_interval.map(|i| config.env.clock.monotonic() + i);
        let mut driver = Self {
            config,
            defaults,
            node,
            transport,
            inbox,
            shared,
            image,
            applied,
            unpublished: Delta::default(),
            applied_timestamp: 0,
            bootstrap,
            leading: None,
            waiting: VecDeque::new(),
            in_flight: 0,
            sync: None,
            no_room: false,
            sync_covers: 0,
            ready_last: 0,
            ready_synced: 0,
            held: VecDeque::new(),
            snapshot: None,
            bytes_since_snapshot: 0,
            snapshot_due,
            ticks,
            drawn,
        };
        driver.redraw();
        Ok(driver)
    }

    /// Runs until it is told to stop, or the disk fails for good.
    pub(crate) async fn run(mut self) {
        let reason = match self.drive().await {
            Ok(()) => "it was asked to".to_owned(),
            Err(reason) => {
                tracing::error!("the metadata quorum stops: {reason}");
                reason
            }
        };
        *self.shared.stopped.lock() = Some(reason.clone());
        self.inbox.commands.close();
        let stopped = QuorumError::Stopped(reason);
        for waiting in std::mem::take(&mut self.waiting) {
            waiting.task.done(Err(stopped.clone()));
        }
        while let Ok(task) = self.inbox.commands.try_recv() {
            task.done(Err(stopped.clone()));
        }
        self.shared.subscribers.close();
        self.shared.finished.send_replace(true);
    }

    async fn drive(&mut self) -> Result<(), String> {
        if self.is_alone() {
            // Nobody else can be leader: no need to wait for the silence that an election needs.
            self.node.campaign().map_err(|error| error.to_string())?;
        }
        loop {
            self.redraw();
            self.pump()?;
            let event = self.next_event().await;
            if matches!(event, Event::Stop) {
                return self.finish().await;
            }
            self.handle(event)?;
        }
    }

    async fn next_event(&mut self) -> Event {
        let takes_commands = self.takes_commands();
        tokio::select! {
            biased;
            result = job(&mut self.sync) => Event::Synced(result),
            result = job(&mut self.snapshot) => Event::Snapshot(result),
            Some(message) = self.inbox.messages.recv() => Event::Message(Box::new(message)),
            Some(task) = self.inbox.commands.recv(), if takes_commands => Event::Command(task),
            _ = self.ticks.tick() => Event::Tick,
            _ = self.inbox.stop.wait_for(|stop| *stop) => Event::Stop,
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Tick => {
                self.no_room = false;
                self.node.tick();
                self.fence_silent();
                self.start_snapshot_if_due();
            }
            Event::Command(task) => self.take_commands(task),
            Event::Message(message) => self.step(*message),
            Event::Synced(result) => {
                self.sync = None;
                self.synced(result)?;
            }
            Event::Snapshot(result) => {
                self.snapshot = None;
                self.snapshot_done(result)?;
            }
            Event::Stop => {}
        }
        Ok(())
    }

    /// Makes what was decided durable and answers, then closes the log.
    async fn finish(&mut self) -> Result<(), String> {
        self.snapshot = None;
        for _ in 0..2 {
            if let Some(sync) = self.sync.take() {
                let result = sync.await;
                self.synced(result)?;
            }
            self.pump()?;
        }
        if let Some(sync) = self.sync.take() {
            sync.await.map_err(|error| error.to_string())?;
        }
        let store = self.node.mut_store();
        store.dirty = true;
        let (job, log) = (store.sync_job(), Arc::clone(&store.log));
        let disk = Arc::clone(&self.config.env.disk);
        let closed = klamm_env::disk::run(&disk, move || job.run().and_then(|()| log.close()));
        closed.await.and_then(|closed| closed).map_err(|error| error.to_string())
    }

    /// Whether this node is the only voter.
    fn is_alone(&self) -> bool {
        let conf = &self.node.store().state.conf;
        conf.voters == [raft_id(self.config.node_id)] && conf.voters_outgoing.is_empty()
    }

    fn is_leader(&self) -> bool {
        self.node.raft.state == StateRole::Leader
    }

    fn leader(&self) -> Option<i32> {
        let id = self.node.raft.leader_id;
        (id != raft::INVALID_ID).then(|| node_id(id))
    }

    /// Puts an election timeout of our own in the place of the one that raft drew.
    ///
    /// raft-rs 0.7 draws it from the thread's generator whenever it changes its role or term, which
    /// a run from one seed could not repeat. It looks at it only in `tick`; so it is replaced here,
    /// before anything else happens, by a number from the process's own source.
    fn redraw(&mut self) {
        let raft = &mut self.node.raft;
        if (self.drawn.0, self.drawn.1) != (raft.term, raft.state) {
            let spread = self.config.env.random.below(ELECTION_TICKS as u64);
            let ticks = ELECTION_TICKS + usize::try_from(spread).unwrap_or(0);
            self.drawn = (raft.term, raft.state, ticks);
        }
        raft.set_randomized_election_timeout(self.drawn.2);
    }
}

/// The end of a job, if one is running.
async fn job<T>(job: &mut Option<Job<T>>) -> T {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}

fn raft_config(config: &QuorumConfig, applied: u64) -> raft::Config {
    raft::Config {
        id: raft_id(config.node_id),
        election_tick: ELECTION_TICKS,
        heartbeat_tick: HEARTBEAT_TICKS,
        min_election_tick: ELECTION_TICKS,
        max_election_tick: 2 * ELECTION_TICKS,
        applied,
        max_size_per_msg: MESSAGE_BYTES,
        max_committed_size_per_ready: MESSAGE_BYTES,
        max_inflight_msgs: INFLIGHT_MESSAGES,
        max_uncommitted_size: config.uncommitted_bytes_max.max(MESSAGE_BYTES),
        check_quorum: true,
        pre_vote: true,
        ..raft::Config::default()
    }
}
