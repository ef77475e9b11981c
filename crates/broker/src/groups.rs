//! Driving the group coordinators: one per partition of `__consumer_offsets` that this broker
//! leads. The coordinators decide; here their effects are carried out.
//!
//! Cost of a request: one lock, and one append if the coordinator asks for it, made where the
//! request was parsed.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use klamm_groups::{
    AppendId, Context, Coordinator, CoordinatorRecord, Effect, EndTransaction, GroupView,
    InTransaction, Request, Response, Settings, Token,
};
use klamm_log::{AppendError, AppendOptions, Origin};
use klamm_metadata::{Delta, Image};
use klamm_planted::planted;
use klamm_protocol::{
    ErrorCode,
    records::{Compression, CompressionType, builder::BatchOptions},
    wire::Uuid,
};
use klamm_transactions::{Guard, Refusal};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, oneshot};

use crate::{
    broker::Broker,
    partition::Partition,
    records::of_coordinator,
    replay::{Replayed, replay},
    transactions::{EndMarker, append_marker},
};

/// Kafka's topic of group state.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The coordinators of this broker.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    shards: RwLock<BTreeMap<i32, Arc<Shard>>>,
    /// Rings when a deadline has come nearer.
    bell: Notify,
}

/// The coordinator of one partition.
pub(crate) struct Shard {
    partition: Arc<Partition>,
    state: Mutex<State>,
    /// When the coordinator wants to be woken, milliseconds since the epoch.
    deadline: AtomicI64,
    /// Whether the state is complete. Looked at before the lock, which loading holds.
    loaded: AtomicBool,
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shard({})", self.partition.index)
    }
}

struct State {
    coordinator: Coordinator,
    waiting: HashMap<Token, oneshot::Sender<Response>>,
    next_token: u64,
}

/// What became of a request to a coordinator.
pub(crate) enum Called {
    /// The answer is there.
    Now(Response),
    /// The answer will come.
    Later(oneshot::Receiver<Response>),
    /// There is no coordinator here that could answer.
    Refused(ErrorCode),
}

/// What became of the end of a transaction.
pub(crate) async fn ended(called: Called) -> Result<(), ErrorCode> {
    let response = match called {
        Called::Now(response) => response,
        Called::Later(receiver) => receiver.await.map_err(|_| ErrorCode::NotCoordinator)?,
        Called::Refused(error) => return Err(error),
    };
    end_of(&response)
}

/// The same, of an answer that is there.
pub(crate) fn end_of(response: &Response) -> Result<(), ErrorCode> {
    match response {
        Response::EndTransaction(ErrorCode::None) => Ok(()),
        Response::EndTransaction(error) => Err(*error),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

/// The partition of `__consumer_offsets` that a group belongs to: Java's hash of its id.
pub(crate) fn partition_of(group: &str, partitions: i32) -> i32 {
    let add = |hash: i32, unit: u16| hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    let hash = group.encode_utf16().fold(0, add);
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive % partitions.max(1)
}

impl Groups {
    /// Sends a request to the coordinator of a group.
    pub(crate) fn call(
        &self,
        broker: &Arc<Broker>,
        group: &str,
        context: &Context,
        request: Request,
    ) -> Called {
        let count = broker.topics.by_name(OFFSETS_TOPIC).map(|t| t.partitions.load().len());
        let count = count.and_then(|count| i32::try_from(count).ok()).unwrap_or(0);
        if count == 0 {
            return Called::Refused(ErrorCode::NotCoordinator);
        }
        let shard = self.shards.read().get(&partition_of(group, count)).cloned();
        match shard {
            Some(shard) => self.call_shard(broker, &shard, context, request),
            None => Called::Refused(ErrorCode::NotCoordinator),
        }
    }

    /// Writes the end of a transaction to a partition of the offsets topic.
    pub(crate) fn end_transaction(
        &self,
        broker: &Arc<Broker>,
        index: i32,
        marker: &EndMarker,
    ) -> Called {
        let EndMarker { producer_id, epoch, committed, coordinator_epoch, version } = *marker;
        let end = EndTransaction { producer_id, epoch, committed, coordinator_epoch, version };
        let shard = self.shards.read().get(&index).cloned();
        match shard {
            Some(shard) => {
                let request = Request::EndTransaction(end);
                self.call_shard(broker, &shard, &Context::default(), request)
            }
            None => Called::Refused(ErrorCode::NotCoordinator),
        }
    }

    /// Sends a request to every coordinator here; those that load are named by their error.
    pub(crate) fn call_all(
        &self,
        broker: &Arc<Broker>,
        context: &Context,
        request: &Request,
    ) -> Vec<Called> {
        let shards: Vec<_> = self.shards.read().values().cloned().collect();
        shards
            .iter()
            .map(|shard| self.call_shard(broker, shard, context, request.clone()))
            .collect()
    }

    /// Shows every group that is coordinated here.
    pub(crate) fn observe(&self, mut see: impl FnMut(GroupView<'_>)) {
        let shards: Vec<_> = self.shards.read().values().cloned().collect();
        for shard in shards.iter().filter(|shard| shard.loaded.load(Ordering::Acquire)) {
            shard.state.lock().coordinator.observe().for_each(&mut see);
        }
    }

    fn call_shard(
        &self,
        broker: &Arc<Broker>,
        shard: &Arc<Shard>,
        context: &Context,
        request: Request,
    ) -> Called {
        if !shard.loaded.load(Ordering::Acquire) {
            return Called::Refused(ErrorCode::CoordinatorLoadInProgress);
        }
        let now_ms = broker.env.clock.now_ms();
        let mut state = shard.state.lock();
        let token = Token(state.next_token);
        state.next_token += 1;
        let (sender, mut receiver) = oneshot::channel();
        state.waiting.insert(token, sender);
        let mut ids = || uuid_text(broker.env.random.uuid_bytes());
        let effects = state.coordinator.handle(now_ms, token, context, request, &mut ids);
        self.carry_out(broker, shard, &mut state, now_ms, effects);
        drop(state);
        match receiver.try_recv() {
            Ok(response) => Called::Now(response),
            Err(_) => Called::Later(receiver),
        }
    }

    /// Does what the coordinator decided, in order.
    fn carry_out(
        &self,
        broker: &Arc<Broker>,
        shard: &Arc<Shard>,
        state: &mut State,
        now_ms: i64,
        effects: Vec<Effect>,
    ) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Respond { token, response } => {
                    if let Some(sender) = state.waiting.remove(&token) {
                        // The client may have gone: then nobody wants the answer.
                        drop(sender.send(response));
                    }
                }
                effect => {
                    let Some((id, result)) = write(broker, &shard.partition, now_ms, effect) else {
                        continue;
                    };
                    if let Ok(offset) = result
                        && shard.partition.must_wait(offset)
                    {
                        self.wait_for_append(broker, shard, id, offset);
                        continue;
                    }
                    let result = result.map(|_| ());
                    // In order: what follows from the append comes after what was decided before.
                    effects.extend(state.coordinator.on_appended(now_ms, id, result));
                }
            }
        }
        let deadline = state.coordinator.next_deadline().unwrap_or(i64::MAX);
        if deadline < shard.deadline.swap(deadline, Ordering::AcqRel) {
            self.bell.notify_one();
        }
    }

    fn wait_for_append(&self, broker: &Arc<Broker>, shard: &Arc<Shard>, id: AppendId, offset: i64) {
        let (broker, shard) = (Arc::clone(broker), Arc::clone(shard));
        tokio::spawn(async move {
            let result = shard.partition.committed(offset).await;
            let now_ms = broker.env.clock.now_ms();
            let mut state = shard.state.lock();
            let effects = match result {
                Ok(()) => state.coordinator.on_appended(now_ms, id, Ok(())),
                // The records are in the log but may not stay there: nothing that was decided on
                // them can be relied on, so the shard gives up until it is loaded again.
                Err(error) => {
                    tracing::error!("{OFFSETS_TOPIC}-{}: {error}", shard.partition.index);
                    shard.loaded.store(false, Ordering::Release);
                    state.coordinator.unload(now_ms)
                }
            };
            broker.groups.carry_out(&broker, &shard, &mut state, now_ms, effects);
        });
    }

    /// Takes up the coordinator of a partition and loads its state from the log.
    pub(crate) fn take_up(&self, broker: &Arc<Broker>, partition: Arc<Partition>) {
        let coordinator = Coordinator::new(settings(broker));
        let state = State { coordinator, waiting: HashMap::new(), next_token: 0 };
        let index = partition.index;
        let shard = Arc::new(Shard {
            partition,
            state: Mutex::new(state),
            deadline: AtomicI64::new(i64::MAX),
            loaded: AtomicBool::new(false),
        });
        self.shards.write().insert(index, Arc::clone(&shard));
        let broker = Arc::clone(broker);
        tokio::spawn(async move {
            if let Err(error) = load(&broker, &shard).await {
                tracing::error!("{OFFSETS_TOPIC}-{index}: groups cannot be loaded: {error}");
            }
        });
    }

    /// Gives up all coordinators; who waits is told to look elsewhere.
    pub(crate) fn give_up(&self, broker: &Arc<Broker>) {
        let now_ms = broker.env.clock.now_ms();
        for shard in std::mem::take(&mut *self.shards.write()).into_values() {
            shard.loaded.store(false, Ordering::Release);
            let mut state = shard.state.lock();
            let effects = state.coordinator.unload(now_ms);
            self.carry_out(broker, &shard, &mut state, now_ms, effects);
        }
    }

    /// Tells the coordinators that topics are gone, and with them the offsets in them.
    pub(crate) fn topics_deleted(&self, broker: &Arc<Broker>, topics: &[(&str, Uuid)]) {
        if planted("keep-offsets-of-deleted-topic") {
            return;
        }
        let now_ms = broker.env.clock.now_ms();
        let shards: Vec<_> = self.shards.read().values().cloned().collect();
        for shard in shards {
            if shard.loaded.load(Ordering::Acquire) {
                let mut state = shard.state.lock();
                let effects = state.coordinator.topics_deleted(now_ms, topics);
                self.carry_out(broker, &shard, &mut state, now_ms, effects);
            }
        }
    }

    /// Tells the coordinators of newer metadata, and the settings in it.
    pub(crate) fn metadata_changed(&self, broker: &Arc<Broker>, image: &Arc<Image>, delta: &Delta) {
        let created =
            delta.topics_created.iter().chain(delta.partitions_changed.iter().map(|(id, _)| id));
        let names = created.filter_map(|id| Some(&*image.topic_by_id(*id)?.name));
        let gone = delta.topics_deleted.iter().map(|(_, name)| name.as_str());
        let mut changed: Vec<&str> = names.chain(gone).collect();
        changed.sort_unstable();
        changed.dedup();
        let now_ms = broker.env.clock.now_ms();
        let shards: Vec<_> = self.shards.read().values().cloned().collect();
        for shard in shards {
            // One that loads is told when it is done.
            if shard.loaded.load(Ordering::Acquire) {
                let mut state = shard.state.lock();
                let (image, created) = (Arc::clone(image), !delta.topics_created.is_empty());
                state.coordinator.metadata_changed(now_ms, image, &changed, created);
                if !delta.configs_changed.is_empty() {
                    state.coordinator.configure(settings(broker));
                }
            }
        }
    }

    /// Wakes coordinators at their deadlines, until the broker stops.
    pub(crate) async fn run_timers(&self, broker: Arc<Broker>) {
        let stop = broker.stop.listen();
        loop {
            let now_ms = broker.env.clock.now_ms();
            let shards: Vec<_> = self.shards.read().values().cloned().collect();
            let mut next = i64::MAX;
            for shard in &shards {
                if shard.deadline.load(Ordering::Acquire) <= now_ms {
                    self.fire(&broker, shard, now_ms);
                }
                next = next.min(shard.deadline.load(Ordering::Acquire));
            }
            let pause = u64::try_from(next.saturating_sub(now_ms)).unwrap_or(0).clamp(1, 3_600_000);
            tokio::select! {
                biased;
                () = stop.wait() => return,
                () = self.bell.notified() => {}
                () = tokio::time::sleep(std::time::Duration::from_millis(pause)) => {}
            }
        }
    }

    fn fire(&self, broker: &Arc<Broker>, shard: &Arc<Shard>, now_ms: i64) {
        let mut state = shard.state.lock();
        shard.deadline.store(i64::MAX, Ordering::Release);
        let effects = state.coordinator.on_deadline(now_ms);
        self.carry_out(broker, shard, &mut state, now_ms, effects);
    }
}

fn settings(broker: &Broker) -> Settings {
    let settings = broker.settings.load();
    let (groups, offsets) = (&settings.groups, &settings.offsets);
    let (minutes, check_ms) = match planted("offsets-expire-at-once") {
        true => (0, 1_000),
        false => (offsets.retention_minutes, offsets.retention_check_interval_ms),
    };
    Settings {
        session_timeout_min_ms: groups.min_session_timeout_ms,
        session_timeout_max_ms: groups.max_session_timeout_ms,
        initial_rebalance_delay_ms: groups.initial_rebalance_delay_ms,
        group_size_max: usize::try_from(groups.max_size).unwrap_or(usize::MAX),
        offset_metadata_max: usize::try_from(offsets.metadata_max_bytes).unwrap_or(0),
        offsets_retention_ms: i64::from(minutes) * 60_000,
        offsets_retention_check_interval_ms: check_ms,
        append_timeout_ms: i64::from(offsets.commit_timeout_ms),
        consumer: groups.consumer.clone(),
        streams: groups.streams.clone(),
        share: groups.share,
        ..Settings::default()
    }
}

/// Appends what an effect asks for; gives the offset after it.
fn write(
    broker: &Broker,
    partition: &Partition,
    now_ms: i64,
    effect: Effect,
) -> Option<(AppendId, Result<i64, ErrorCode>)> {
    Some(match effect {
        Effect::Respond { .. } => return None,
        Effect::Append { id, records } => (id, append(broker, partition, now_ms, &records, None)),
        Effect::AppendInTransaction { id, records, transaction } => {
            (id, append(broker, partition, now_ms, &records, Some(transaction)))
        }
        Effect::AppendMarker { id, end } => {
            let EndTransaction { producer_id, epoch, committed, coordinator_epoch, version } = end;
            let marker = EndMarker { producer_id, epoch, committed, coordinator_epoch, version };
            (id, append_marker(partition, now_ms, &marker))
        }
    })
}

/// Appends a coordinator's records as one batch; returns the offset after it.
fn append(
    broker: &Broker,
    partition: &Partition,
    now_ms: i64,
    records: &[CoordinatorRecord],
    transaction: Option<InTransaction>,
) -> Result<i64, ErrorCode> {
    let is_of = |version: u8| records.iter().all(|record| record.key.starts_with(&[0, version]));
    if (planted("lose-group-record") && is_of(2)) || (planted("lose-commit-record") && is_of(1)) {
        return Ok(partition.high_watermark());
    }
    let codec = broker.settings.load().offsets.topic_compression_codec;
    let codec = u8::try_from(codec).ok().and_then(CompressionType::from_id);
    let compression = codec.map_or(Compression::NONE, Compression::of);
    let none = BatchOptions::default();
    let options = BatchOptions {
        compression,
        is_transactional: transaction.is_some(),
        producer_id: transaction.map_or(none.producer_id, |of| of.producer_id),
        producer_epoch: transaction.map_or(none.producer_epoch, |of| of.epoch),
        // As in Kafka: nobody counts the batches of a coordinator.
        base_sequence: transaction.map_or(none.base_sequence, |_| 0),
        ..none
    };
    let is_lost = |record: &CoordinatorRecord| {
        planted("lose-current-assignment") && record.key.starts_with(&[0, 8])
    };
    if records.iter().all(is_lost) {
        return Ok(partition.high_watermark());
    }
    let kept = records.iter().filter(|record| !is_lost(record));
    let parts = kept.map(|record| (&*record.key, record.value.as_deref()));
    let mut batch =
        of_coordinator(options, now_ms, parts).map_err(|_| ErrorCode::RecordListTooLarge)?;
    let options = AppendOptions {
        guard: transaction.map_or(Guard::NotAsked, |of| of.guard),
        ..AppendOptions::new(Origin::Coordinator, partition.leader_epoch(), now_ms)
    };
    match partition.append(&mut batch, &options) {
        Ok(appended) => Ok(appended.last_offset + 1),
        Err(AppendError::Producer(Refusal::Fenced { .. })) => Err(ErrorCode::InvalidProducerEpoch),
        Err(AppendError::Producer(_)) => Err(ErrorCode::InvalidTxnState),
        Err(AppendError::TooLarge { .. }) => Err(ErrorCode::RecordListTooLarge),
        Err(_) => Err(ErrorCode::KafkaStorageError),
    }
}

/// Replays the partition's log into the coordinator, on the disk's threads.
async fn load(broker: &Arc<Broker>, shard: &Arc<Shard>) -> std::io::Result<()> {
    let limit = broker.decompression_limit();
    let (reader, now_ms) = (Arc::clone(shard), broker.env.clock.now_ms());
    let work = move || {
        let mut state = reader.state.lock();
        replay(&reader.partition, limit, |replayed| match replayed {
            Replayed::Record { producer_id, key, value, .. } => {
                if let Err(error) = state.coordinator.apply_in(now_ms, producer_id, key, value) {
                    tracing::warn!("{OFFSETS_TOPIC}-{}: {error}", reader.partition.index);
                }
            }
            Replayed::End { producer_id, committed } => {
                state.coordinator.apply_end(producer_id, committed);
            }
        })
    };
    klamm_env::disk::run(&broker.env.disk, work).await??;
    let mut state = shard.state.lock();
    // From here on it is told of what changes; what did until now is in this image.
    shard.loaded.store(true, Ordering::Release);
    state.coordinator.metadata_changed(now_ms, broker.quorum.image(), &[], false);
    let effects = state.coordinator.loaded(now_ms);
    broker.groups.carry_out(broker, shard, &mut state, now_ms, effects);
    Ok(())
}

/// Java's textual form of a UUID.
fn uuid_text(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_placed_as_kafka_places_them() {
        assert_eq!(partition_of("", 50), 0);
        assert_eq!(partition_of("abc", 50), 96354 % 50);
        assert_eq!(partition_of("polygenelubricants", 50), 0, "the hash is the smallest integer");
    }
}
