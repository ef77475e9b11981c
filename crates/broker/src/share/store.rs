//! Driving the store of share-group state: one per partition of `__share_group_state` that this
//! broker leads. The store decides; here its records are written.
//!
//! Cost of a change: one lock and one append, made where it was asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use klamm_env::{Watched, net::BoxFuture};
use klamm_groups::{
    CoordinatorRecord,
    share::store::{Answer, Command, Decision, Key, Refused, Store},
};
use klamm_log::{AppendOptions, Origin};
use klamm_planted::planted;
use klamm_protocol::{
    ErrorCode,
    records::{Compression, CompressionType, builder::BatchOptions},
    wire::Uuid,
};
use parking_lot::{Mutex, RwLock};

use crate::{
    auto_create,
    broker::Broker,
    groups::partition_of,
    partition::Partition,
    records::of_coordinator,
    replay::{Replayed, replay},
};

/// Kafka's topic of share-group state.
pub(crate) const SHARE_STATE_TOPIC: &str = "__share_group_state";

/// How long whoever begins a state waits for a store that is being loaded.
const LOAD_WAIT: Duration = Duration::from_secs(5);

/// The stores of this broker.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    shards: RwLock<BTreeMap<i32, Arc<Shard>>>,
}

/// The store of one partition.
pub(super) struct Shard {
    partition: Arc<Partition>,
    store: Mutex<Store>,
    /// Whether the store is complete. Looked at before the lock, which loading holds.
    loaded: Watched<bool>,
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shard({})", self.partition.index)
    }
}

/// What is told of a command.
pub(crate) type Told = Result<Answer, Refused>;

/// What becomes of a command.
pub(crate) enum Called {
    /// It is answered.
    Now(Told),
    /// It will be.
    Later(BoxFuture<'static, Told>),
}

impl Called {
    fn refused(error: ErrorCode) -> Self {
        Self::Now(Err(error.into()))
    }

    /// The answer, waited for if need be.
    pub(crate) async fn settle(self) -> Told {
        match self {
            Self::Now(told) => told,
            Self::Later(told) => told.await,
        }
    }
}

impl Stores {
    fn shard(&self, broker: &Broker, key: &Key) -> Option<Arc<Shard>> {
        let topic = broker.topics.by_name(SHARE_STATE_TOPIC)?;
        let count = i32::try_from(topic.partitions.load().len()).unwrap_or(0);
        self.shards.read().get(&partition_of(&key.to_string(), count)).cloned()
    }

    /// Has a command decided and carried out.
    pub(crate) fn call(&self, broker: &Arc<Broker>, key: &Key, command: &Command) -> Called {
        match self.shard(broker, key) {
            Some(shard) if shard.loaded.get() => shard.call(broker, key, command),
            Some(_) => Called::refused(ErrorCode::CoordinatorLoadInProgress),
            None => Called::refused(ErrorCode::NotCoordinator),
        }
    }

    /// The same for what begins states: the topic is made if there is none yet, and a store that
    /// is being loaded is waited for.
    pub(crate) async fn begin(&self, broker: &Arc<Broker>, key: &Key, command: &Command) -> Told {
        if broker.topics.by_name(SHARE_STATE_TOPIC).is_none() {
            auto_create::create(broker, vec![SHARE_STATE_TOPIC.to_owned()]).await;
        }
        if let Some(shard) = self.shard(broker, key) {
            let loaded = shard.loaded.wait_for(|loaded| loaded);
            drop(tokio::time::timeout(LOAD_WAIT, loaded).await);
        }
        self.call(broker, key, command).settle().await
    }

    /// Takes up the store of a partition and loads it from the log.
    pub(crate) fn take_up(&self, broker: &Arc<Broker>, partition: Arc<Partition>) {
        let index = partition.index;
        let (store, loaded) = (Mutex::default(), Watched::new(false));
        let shard = Arc::new(Shard { partition, store, loaded });
        self.shards.write().insert(index, Arc::clone(&shard));
        let broker = Arc::clone(broker);
        tokio::spawn(async move {
            if let Err(error) = load(&broker, &shard).await {
                tracing::error!("{SHARE_STATE_TOPIC}-{index}: cannot be loaded: {error}");
            }
        });
    }

    /// Gives up all stores; those who ask are told to look elsewhere.
    pub(crate) fn give_up(&self) {
        for shard in std::mem::take(&mut *self.shards.write()).into_values() {
            shard.loaded.set(false);
        }
    }

    /// Topics are gone, and with them what groups had of them.
    pub(crate) fn topics_deleted(&self, broker: &Broker, topics: &BTreeSet<Uuid>) {
        self.each(|shard| {
            let mut store = shard.store.lock();
            let records = store.forget_topics(topics);
            shard.write(broker, &mut store, &records)
        });
    }

    /// Writes snapshots of what has not changed for long, and deletes what of the logs is not
    /// needed any more.
    pub(super) fn tidy(&self, broker: &Broker, snapshots: bool, prune: bool) {
        let settings = broker.settings.load();
        let interval_ms = settings.share_state.cold_partition_snapshot_interval_ms.into();
        self.each(|shard| {
            let mut store = shard.store.lock();
            if snapshots {
                let records = store.cold_snapshots(broker.env.clock.now_ms(), interval_ms);
                shard.write(broker, &mut store, &records)?;
            }
            if prune {
                shard.prune(&store);
            }
            Ok(0)
        });
    }

    fn each(&self, work: impl Fn(&Arc<Shard>) -> Result<i64, ErrorCode>) {
        let shards: Vec<_> = self.shards.read().values().cloned().collect();
        for shard in shards.iter().filter(|shard| shard.loaded.get()) {
            if let Err(error) = work(shard) {
                let index = shard.partition.index;
                tracing::warn!("{SHARE_STATE_TOPIC}-{index}: cannot be written: {}", error.name());
            }
        }
    }
}

impl Shard {
    fn call(self: &Arc<Self>, broker: &Arc<Broker>, key: &Key, command: &Command) -> Called {
        let now_ms = broker.env.clock.now_ms();
        let updates = broker.settings.load().share_state.updates_per_snapshot;
        let image = broker.quorum.image();
        let mut store = self.store.lock();
        let decided = store.decide(now_ms, &image, key, command, updates);
        let Decision { records, answer } = match decided {
            Ok(decision) => decision,
            Err(refused) => return Called::Now(Err(refused)),
        };
        let offset = match self.write(broker, &mut store, &records) {
            Ok(offset) => offset,
            Err(error) => return Called::refused(error),
        };
        drop(store);
        if !self.partition.must_wait(offset) {
            return Called::Now(Ok(answer));
        }
        let shard = Arc::clone(self);
        Called::Later(Box::pin(async move {
            shard.durable(offset).await.map(|()| answer).map_err(Refused::from)
        }))
    }

    /// Waits until what was written is durable, in a task of its own: whoever asked may stop
    /// waiting.
    async fn durable(self: &Arc<Self>, offset: i64) -> Result<(), ErrorCode> {
        let shard = Arc::clone(self);
        let done = tokio::spawn(async move {
            shard.partition.committed(offset).await.map_err(|error| {
                // The record is in the log but may not stay there: nothing that was decided on it
                // can be relied on, so the store gives up until it is loaded again.
                tracing::error!("{SHARE_STATE_TOPIC}-{}: {error}", shard.partition.index);
                shard.loaded.set(false);
                shard.store.lock().clear();
                ErrorCode::NotCoordinator
            })
        });
        done.await.unwrap_or(Err(ErrorCode::NotCoordinator))
    }

    /// Appends records as one batch and applies them; returns the offset after it.
    fn write(
        &self,
        broker: &Broker,
        store: &mut Store,
        records: &[CoordinatorRecord],
    ) -> Result<i64, ErrorCode> {
        if records.is_empty() {
            return Ok(self.partition.high_watermark());
        }
        let settings = broker.settings.load();
        let codec = u8::try_from(settings.share_state.topic_compression_codec).ok();
        let codec = codec.and_then(CompressionType::from_id);
        let compression = codec.map_or(Compression::NONE, Compression::of);
        let options = BatchOptions { compression, ..BatchOptions::default() };
        let parts = records.iter().map(|record| (&*record.key, record.value.as_deref()));
        let now_ms = broker.env.clock.now_ms();
        let mut batch =
            of_coordinator(options, now_ms, parts).map_err(|_| ErrorCode::UnknownServerError)?;
        let epoch = self.partition.leader_epoch();
        let options = AppendOptions::new(Origin::Coordinator, epoch, now_ms);
        let end = if planted("lose-share-update") && is_update(records) {
            self.partition.high_watermark()
        } else {
            let appended = self.partition.append(&mut batch, &options);
            let appended = appended.map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
            appended.last_offset + 1
        };
        let count = i64::try_from(records.len()).unwrap_or(0);
        let updates = settings.share_state.updates_per_snapshot;
        for (offset, record) in (end - count..).zip(records) {
            let applied = store.apply(offset, &record.key, record.value.as_deref(), updates);
            applied.map_err(|_| ErrorCode::UnknownServerError)?;
        }
        Ok(end)
    }

    /// Deletes records that later ones have made superfluous, once those are durable.
    fn prune(self: &Arc<Self>, store: &Store) {
        let Some(log) = self.partition.log().cloned() else { return };
        let end = log.end_offset();
        let needed = store.needed_from().unwrap_or(end);
        if needed <= log.start_offset() {
            return;
        }
        let shard = Arc::clone(self);
        tokio::spawn(async move {
            if shard.durable(end).await.is_ok() {
                log.advance_start_offset(needed);
            }
        });
    }
}

/// Whether the first record is an update and not a snapshot.
fn is_update(records: &[CoordinatorRecord]) -> bool {
    records.first().is_some_and(|record| record.key.starts_with(&[0, 1]))
}

/// Replays the partition's log into the store, on the disk's threads.
async fn load(broker: &Arc<Broker>, shard: &Arc<Shard>) -> std::io::Result<()> {
    let limit = broker.decompression_limit();
    let updates = broker.settings.load().share_state.updates_per_snapshot;
    let reader = Arc::clone(shard);
    let work = move || {
        let mut store = reader.store.lock();
        replay(&reader.partition, limit, |replayed| {
            let Replayed::Record { offset, key, value, .. } = replayed else { return };
            if let Err(error) = store.apply(offset, key, value, updates) {
                tracing::warn!("{SHARE_STATE_TOPIC}-{}: {error}", reader.partition.index);
            }
        })
    };
    klamm_env::disk::run(&broker.env.disk, work).await??;
    shard.loaded.set(true);
    Ok(())
}
