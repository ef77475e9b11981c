//! Driving the transaction coordinators: one per partition of `__transaction_state` that this
//! broker leads. The coordinators decide; here their changes are written, and the markers that end
//! a transaction.
//!
//! Cost of a change: one lock and one append, made where the request was parsed. The end of a
//! transaction whose partitions are all led here: two such appends and one per partition.

mod enlist;
mod markers;
mod timers;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use klamm_env::net::BoxFuture;
use klamm_log::{AppendOptions, Origin};
use klamm_metadata::features;
use klamm_planted::planted;
use klamm_protocol::{ErrorCode, records::builder::BatchOptions};
use klamm_transactions::{
    Coordinator,
    coordinator::{
        Answer, Change, Command, Decision, Filters, Record, Refusal, Settings, Transaction,
    },
};
use parking_lot::{Mutex, RwLock};

pub(crate) use enlist::{Enlisted, Operation, Refused, enlist, verify};
pub(crate) use markers::{EndMarker, Written, append_marker, write_marker};

use crate::{
    broker::Broker,
    groups::partition_of,
    partition::Partition,
    records::of_coordinator,
    replay::{Replayed, replay},
};

/// Kafka's topic of transactions.
pub(crate) const TRANSACTIONS_TOPIC: &str = "__transaction_state";

/// The coordinators of this broker.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    shards: RwLock<BTreeMap<i32, Arc<Shard>>>,
}

/// The coordinator of one partition.
#[derive(Debug)]
struct Shard {
    partition: Arc<Partition>,
    state: Mutex<State>,
    /// Whether the state is complete. Looked at before the lock, which loading holds.
    loaded: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    coordinator: Coordinator,
    /// Ids of which a change is on its way to the log: nothing is decided about them.
    in_flight: BTreeSet<String>,
}

/// What becomes of a command.
pub(crate) enum Called {
    /// It is answered.
    Now(Answer),
    /// It will be.
    Later(BoxFuture<'static, Answer>),
}

impl Called {
    fn refused(error: ErrorCode) -> Self {
        Self::Now(Answer::error(error))
    }

    /// The answer, waited for if need be.
    pub(crate) async fn settle(self) -> Answer {
        match self {
            Self::Now(answer) => answer,
            Self::Later(answer) => answer.await,
        }
    }
}

impl Transactions {
    /// The shard of a transactional id, if it is here and loaded.
    fn shard(&self, broker: &Broker, id: &str) -> Result<Arc<Shard>, ErrorCode> {
        let count = broker.topics.by_name(TRANSACTIONS_TOPIC).map(|t| t.partitions.load().len());
        let count = count.and_then(|count| i32::try_from(count).ok()).unwrap_or(0);
        let shard = self.shards.read().get(&partition_of(id, count)).cloned();
        let shard = shard.filter(|_| count > 0).ok_or(ErrorCode::NotCoordinator)?;
        if !shard.loaded.load(Ordering::Acquire) {
            return Err(ErrorCode::CoordinatorLoadInProgress);
        }
        Ok(shard)
    }

    /// Has a command decided and carried out.
    pub(crate) fn call(&self, broker: &Arc<Broker>, id: &str, command: Command) -> Called {
        if id.is_empty() {
            return Called::refused(ErrorCode::InvalidRequest);
        }
        match self.shard(broker, id) {
            Ok(shard) => shard.call(broker, id, command),
            Err(error) => Called::refused(error),
        }
    }

    /// What is known of a transactional id.
    pub(crate) fn describe(&self, broker: &Broker, id: &str) -> Result<Transaction, ErrorCode> {
        let shard = self.shard(broker, id)?;
        let state = shard.state.lock();
        state.coordinator.get(id).cloned().ok_or(ErrorCode::TransactionalIdNotFound)
    }

    /// The ids of all coordinators here that pass, with what is known of them.
    pub(crate) fn list(
        &self,
        now_ms: i64,
        filters: &Filters,
    ) -> Result<Vec<(String, Transaction)>, ErrorCode> {
        let shards: Vec<_> = self.shards.read().values().cloned().collect();
        let mut found = Vec::new();
        for shard in shards {
            if !shard.loaded.load(Ordering::Acquire) {
                return Err(ErrorCode::CoordinatorLoadInProgress);
            }
            let state = shard.state.lock();
            let passed = state.coordinator.list(now_ms, filters);
            found.extend(passed.map(|(id, of)| (id.to_owned(), of.clone())));
        }
        Ok(found)
    }

    /// Shows every transactional id that is coordinated here.
    pub(crate) fn observe(&self, mut see: impl FnMut(&Transaction)) {
        let shards: Vec<_> = self.shards.read().values().cloned().collect();
        for shard in shards.iter().filter(|shard| shard.loaded.load(Ordering::Acquire)) {
            let (state, all) = (shard.state.lock(), Filters::default());
            let all = state.coordinator.list(0, &all);
            all.for_each(|(_, transaction)| see(transaction));
        }
    }

    /// Takes up the coordinator of a partition and loads its state from the log.
    pub(crate) fn take_up(&self, broker: &Arc<Broker>, partition: Arc<Partition>) {
        let index = partition.index;
        let shard =
            Arc::new(Shard { partition, state: Mutex::default(), loaded: AtomicBool::new(false) });
        self.shards.write().insert(index, Arc::clone(&shard));
        let broker = Arc::clone(broker);
        tokio::spawn(async move {
            if let Err(error) = load(&broker, &shard).await {
                tracing::error!("{TRANSACTIONS_TOPIC}-{index}: cannot be loaded: {error}");
            }
        });
    }

    /// Gives up all coordinators; those who ask are told to look elsewhere.
    pub(crate) fn give_up(&self) {
        for shard in std::mem::take(&mut *self.shards.write()).into_values() {
            shard.loaded.store(false, Ordering::Release);
        }
    }
}

/// What the coordinators go by.
fn settings(broker: &Broker) -> Settings {
    let settings = broker.settings.load();
    let of = &settings.transactions;
    Settings {
        timeout_max_ms: of.max_timeout_ms,
        two_phase_commit: of.two_phase_commit_enable,
        version: broker.quorum.image().features().level(features::TRANSACTION_VERSION),
    }
}

impl Shard {
    fn call(self: &Arc<Self>, broker: &Arc<Broker>, id: &str, command: Command) -> Called {
        match self.decide(broker, id, &command, None) {
            Ok(called) => called,
            Err(Refusal::Error(error)) => Called::refused(error),
            Err(Refusal::NeedsProducerId) => {
                let (shard, broker, id) = (Arc::clone(self), Arc::clone(broker), id.to_owned());
                Called::Later(Box::pin(async move {
                    let fresh = match broker.producer_ids.next(&broker).await {
                        Ok(fresh) => fresh,
                        Err(error) => return Answer::error(error),
                    };
                    match shard.decide(&broker, &id, &command, Some(fresh)) {
                        Ok(called) => called.settle().await,
                        Err(Refusal::Error(error)) => Answer::error(error),
                        // It cannot be asked for twice.
                        Err(Refusal::NeedsProducerId) => {
                            Answer::error(ErrorCode::UnknownServerError)
                        }
                    }
                }))
            }
        }
    }

    fn decide(
        self: &Arc<Self>,
        broker: &Arc<Broker>,
        id: &str,
        command: &Command,
        fresh: Option<i64>,
    ) -> Result<Called, Refusal> {
        let (now_ms, settings) = (broker.env.clock.now_ms(), settings(broker));
        let mut state = self.state.lock();
        if state.in_flight.contains(id) {
            return Err(ErrorCode::ConcurrentTransactions.into());
        }
        let decision = state.coordinator.decide(now_ms, &settings, id, command, fresh)?;
        let Decision { change: Some(change), answer } = decision else {
            return Ok(Called::Now(decision.answer));
        };
        let change = Change { id: id.to_owned(), value: Some(change) };
        let is_lost = planted("lose-transaction-record");
        let records = [change.to_record(settings.version)];
        let offset = if is_lost { 0 } else { self.append(now_ms, &records)? };
        if !self.partition.must_wait(offset) || planted("marker-before-decision") {
            self.apply(broker, &mut state, change);
            return Ok(Called::Now(answer));
        }
        state.in_flight.insert(change.id.clone());
        let (shard, broker) = (Arc::clone(self), Arc::clone(broker));
        Ok(Called::Later(Box::pin(async move {
            match shard.wait(&broker, offset, change).await {
                Ok(()) => answer,
                Err(error) => Answer::error(error),
            }
        })))
    }

    /// Waits until a change is durable, in a task of its own: whoever asked may stop waiting.
    async fn wait(
        self: &Arc<Self>,
        broker: &Arc<Broker>,
        offset: i64,
        change: Change,
    ) -> Result<(), ErrorCode> {
        let (shard, broker) = (Arc::clone(self), Arc::clone(broker));
        let done = tokio::spawn(async move {
            let result = shard.partition.committed(offset).await;
            let mut state = shard.state.lock();
            state.in_flight.remove(&change.id);
            if let Err(error) = result {
                // The record is in the log but may not stay there: nothing that was decided on it
                // can be relied on, so the shard gives up until it is loaded again.
                tracing::error!("{TRANSACTIONS_TOPIC}-{}: {error}", shard.partition.index);
                shard.loaded.store(false, Ordering::Release);
                return Err(ErrorCode::NotCoordinator);
            }
            shard.apply(&broker, &mut state, change);
            Ok(())
        });
        done.await.unwrap_or(Err(ErrorCode::NotCoordinator))
    }

    /// Takes over a change that is in the log, and begins what follows from it.
    fn apply(self: &Arc<Self>, broker: &Arc<Broker>, state: &mut State, change: Change) {
        let id = change.id.clone();
        state.coordinator.apply(change);
        if let Some(ending) = state.coordinator.ending(&id) {
            markers::end(self, broker, state, ending);
        }
    }

    /// Appends records as one batch; returns the offset after it.
    fn append(&self, now_ms: i64, records: &[Record]) -> Result<i64, ErrorCode> {
        let parts = records.iter().map(|record| (&*record.key, record.value.as_deref()));
        let mut batch = of_coordinator(BatchOptions::default(), now_ms, parts)
            .map_err(|_| ErrorCode::UnknownServerError)?;
        let epoch = self.partition.leader_epoch();
        let options = AppendOptions::new(Origin::Coordinator, epoch, now_ms);
        match self.partition.append(&mut batch, &options) {
            Ok(appended) => Ok(appended.last_offset + 1),
            Err(klamm_log::AppendError::TooLarge { .. }) => Err(ErrorCode::UnknownServerError),
            Err(_) => Err(ErrorCode::NotCoordinator),
        }
    }
}

/// A planted bug: a producer that was fenced is the one that may write.
fn perhaps_unfenced(mut change: Change) -> Change {
    let open = change.value.as_mut().filter(|of| of.epoch > 0 && !of.state.is_prepared());
    if let Some(of) = open
        && planted("unfenced-after-restart")
    {
        of.epoch -= 1;
    }
    change
}

/// Replays the partition's log into the coordinator, on the disk's threads; then goes on with what
/// was decided and not completed.
async fn load(broker: &Arc<Broker>, shard: &Arc<Shard>) -> std::io::Result<()> {
    let limit = broker.decompression_limit();
    let reader = Arc::clone(shard);
    let work = move || {
        let mut state = reader.state.lock();
        replay(&reader.partition, limit, |replayed| {
            let Replayed::Record { key, value, .. } = replayed else { return };
            match Change::from_record(key, value) {
                Ok(Some(change)) => state.coordinator.apply(perhaps_unfenced(change)),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!("{TRANSACTIONS_TOPIC}-{}: {error}", reader.partition.index);
                }
            }
        })
    };
    klamm_env::disk::run(&broker.env.disk, work).await??;
    let mut state = shard.state.lock();
    shard.loaded.store(true, Ordering::Release);
    for ending in state.coordinator.endings() {
        markers::end(shard, broker, &mut state, ending);
    }
    Ok(())
}
