//! Producing: records are collected into one batch per partition, and the batches are sent in
//! rounds, of which one is under way while the next is collected.
//!
//! *Invariants:* a partition has at most one batch under way, so that retries keep the order; with
//! `acks=all` batches carry a producer id and sequence numbers, so that retries write nothing
//! twice (KIP-98).

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use klamm_protocol::{
    ErrorCode,
    messages::{InitProducerIdRequest, InitProducerIdResponse},
    records::{
        BatchBuilder, BatchOptions, Compression, Header, NO_PRODUCER_EPOCH, NO_PRODUCER_ID,
        NO_SEQUENCE, NewRecord, increment_sequence,
    },
    wire::VersionRange,
};
use tokio::task::JoinHandle;

use crate::{
    Client, ClientError, OutgoingRecord, RecordHeader, Topic, TopicPartition,
    client::{Lane, Target},
    partition_of_key,
    produce_round::{Round, Sealed},
    retry::Retry,
};

const INIT_PRODUCER_ID: VersionRange = VersionRange::new(0, 5);

/// How long an unknown topic may take to appear where the broker creates topics on demand.
const TOPIC_WAIT: Duration = Duration::from_secs(5);
/// Deliveries that are kept for [`Producer::deliveries`]; older ones are dropped.
const DELIVERIES_MAX: usize = 10_000;

/// When a produced record counts as delivered (Kafka's `acks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// When it was sent.
    None,
    /// When the leader has it.
    Leader,
    /// When all in-sync replicas have it.
    All,
}

impl Acks {
    pub(crate) fn wire(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// How a producer works.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// When a record counts as delivered.
    pub acks: Acks,
    /// How batches are compressed (`compression.type`).
    pub compression: Compression,
    /// Bytes of a batch before compression, beyond which a round is sent; a larger record has a
    /// batch of its own.
    pub batch_bytes: usize,
    /// Bytes of all batches that are collected before a round is sent.
    pub round_bytes: usize,
    /// The largest record in bytes (`max.request.size`).
    pub record_bytes_max: usize,
    /// Whether a missing topic is asked for, which creates it where the broker has
    /// `auto.create.topics.enable`.
    pub create_topics: bool,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            compression: Compression::NONE,
            batch_bytes: 512 << 10,
            round_bytes: 4 << 20,
            record_bytes_max: 1 << 20,
            create_topics: true,
        }
    }
}

/// A batch that was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where to.
    pub partition: TopicPartition,
    /// Offset of the first record; none with `acks=0`, and where an earlier attempt had already
    /// written it.
    pub base_offset: Option<i64>,
    /// How many records.
    pub records: i32,
}

/// A producer's id and epoch.
#[derive(Debug, Clone, Copy)]
struct Identity {
    id: i64,
    epoch: i16,
}

/// Sends records to topics.
#[derive(Debug)]
pub struct Producer {
    client: Client,
    options: ProducerOptions,
    identity: Option<Identity>,
    sequences: BTreeMap<TopicPartition, i32>,
    collected: BTreeMap<TopicPartition, BatchBuilder>,
    collected_bytes: usize,
    /// The partition that records without a key go to in this round, by topic.
    sticky: BTreeMap<Arc<str>, i32>,
    under_way: Option<JoinHandle<Result<Vec<Delivery>, ClientError>>>,
    delivered: VecDeque<Delivery>,
}

impl Producer {
    /// A producer.
    #[must_use]
    pub fn new(client: Client, options: ProducerOptions) -> Self {
        Self {
            client,
            options,
            identity: None,
            sequences: BTreeMap::new(),
            collected: BTreeMap::new(),
            collected_bytes: 0,
            sticky: BTreeMap::new(),
            under_way: None,
            delivered: VecDeque::new(),
        }
    }

    /// Adds a record. Waits only where a round must be sent first; a failure of an earlier round
    /// is reported here or by [`Self::flush`].
    ///
    /// # Errors
    /// [`ClientError`]. The records of a failed round may or may not have been written.
    pub async fn send(&mut self, topic: &str, record: OutgoingRecord) -> Result<(), ClientError> {
        let size = size_of(&record);
        if size > self.options.record_bytes_max {
            return Err(ClientError::RecordTooLarge { size, limit: self.options.record_bytes_max });
        }
        if self.identity.is_none() {
            self.identity = Some(self.identify().await?);
        }
        let known = self.topic(topic).await?;
        let at = TopicPartition::new(topic, self.choose(topic, &known, &record)?);
        let waiting = self.collected.get(&at).map_or(0, BatchBuilder::uncompressed_size);
        let is_full = waiting > 0 && waiting + size > self.options.batch_bytes;
        if is_full || self.collected_bytes + size > self.options.round_bytes {
            self.dispatch().await?;
        }
        self.collect(at, &record, size)
    }

    /// Sends what was collected and waits until all is delivered.
    ///
    /// # Errors
    /// [`ClientError`] of the first partition that failed.
    pub async fn flush(&mut self) -> Result<(), ClientError> {
        self.dispatch().await?;
        self.settle().await
    }

    /// The batches delivered since the last call, at most ten thousand.
    pub fn deliveries(&mut self) -> Vec<Delivery> {
        self.delivered.drain(..).collect()
    }

    /// Asks for a producer id, where idempotence is possible.
    async fn identify(&self) -> Result<Identity, ClientError> {
        let none = Identity { id: NO_PRODUCER_ID, epoch: NO_PRODUCER_EPOCH };
        if self.options.acks != Acks::All {
            return Ok(none);
        }
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: i32::MAX,
            ..InitProducerIdRequest::default()
        };
        let mut retry = self.client.retry();
        loop {
            let sent = self.client.call(Target::Any, Lane::Main, INIT_PRODUCER_ID, &request).await;
            let result = sent.and_then(|reply| {
                let answer = reply.decode::<InitProducerIdResponse<'_>>()?;
                ClientError::check(answer.error_code, None, || "producer id".to_owned())?;
                Ok(Identity { id: answer.producer_id, epoch: answer.producer_epoch })
            });
            match result {
                // Before Kafka 0.11 there are no producer ids.
                Err(ClientError::Unsupported { .. }) => return Ok(none),
                Err(error) if self.client.is_hopeless(&error) => return Err(error),
                Err(error) => retry.after(error).await?,
                Ok(identity) => return Ok(identity),
            }
        }
    }

    async fn topic(&self, name: &str) -> Result<Arc<Topic>, ClientError> {
        let mut retry = Retry::new(&self.client, TOPIC_WAIT);
        loop {
            let error = match self.client.topic(name, self.options.create_topics).await {
                Ok(topic) => return Ok(topic),
                Err(error) if self.client.is_hopeless(&error) => return Err(error),
                Err(error) => error,
            };
            retry.after(error).await.map_err(|error| match error.code() {
                Some(ErrorCode::UnknownTopicOrPartition) => {
                    ClientError::UnknownTopic { topic: name.to_owned() }
                }
                _ => error,
            })?;
        }
    }

    /// The record's own partition, the one of its key, or one that stays the same for a round.
    fn choose(
        &mut self,
        topic: &str,
        known: &Topic,
        record: &OutgoingRecord,
    ) -> Result<i32, ClientError> {
        if let Some(partition) = record.partition {
            let topic = topic.to_owned();
            let exists = known.partitions.contains_key(&partition);
            let unknown = ClientError::UnknownPartition { topic, partition };
            return exists.then_some(partition).ok_or(unknown);
        }
        if let Some(key) = &record.key {
            return Ok(partition_of_key(key, known.partitions.len()));
        }
        if let Some(&partition) = self.sticky.get(topic) {
            return Ok(partition);
        }
        let led = known.partitions.values().filter(|partition| partition.leader >= 0);
        let mut choice: Vec<i32> = led.map(|partition| partition.id).collect();
        if choice.is_empty() {
            choice.extend(known.partitions.keys());
        }
        let index = self.client.random().below(choice.len() as u64);
        let index = usize::try_from(index).unwrap_or_default();
        let partition = choice.get(index).copied().unwrap_or_default();
        self.sticky.insert(topic.into(), partition);
        Ok(partition)
    }

    fn collect<'h>(
        &mut self,
        at: TopicPartition,
        record: &'h OutgoingRecord,
        size: usize,
    ) -> Result<(), ClientError> {
        let identity = self.identity.filter(|identity| identity.id != NO_PRODUCER_ID);
        let sequence = self.sequences.get(&at).copied().unwrap_or(0);
        let compression = self.options.compression;
        let batch = self.collected.entry(at).or_insert_with(|| {
            BatchBuilder::new(BatchOptions {
                compression,
                producer_id: identity.map_or(NO_PRODUCER_ID, |identity| identity.id),
                producer_epoch: identity.map_or(NO_PRODUCER_EPOCH, |identity| identity.epoch),
                base_sequence: identity.map_or(NO_SEQUENCE, |_| sequence),
                ..BatchOptions::default()
            })
        });
        let header = |header: &'h RecordHeader| Header {
            key: header.key.as_bytes(),
            value: header.value.as_deref(),
        };
        let headers: Vec<Header<'_>> = record.headers.iter().map(header).collect();
        batch.append(&NewRecord {
            timestamp: record.timestamp.unwrap_or_else(|| self.client.clock().now_ms()),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        })?;
        self.collected_bytes += size;
        Ok(())
    }

    /// Starts a round with what was collected, once the one before is done.
    async fn dispatch(&mut self) -> Result<(), ClientError> {
        self.settle().await?;
        if self.collected.is_empty() {
            return Ok(());
        }
        let mut sealed = Vec::with_capacity(self.collected.len());
        for (at, batch) in std::mem::take(&mut self.collected) {
            let records = batch.records_count();
            let sequence = self.sequences.entry(at.clone()).or_insert(0);
            *sequence = increment_sequence(*sequence, records);
            sealed.push(Sealed { at, records, bytes: Arc::from(batch.build()?) });
        }
        self.collected_bytes = 0;
        self.sticky.clear();
        let round = Round { client: self.client.clone(), acks: self.options.acks };
        self.under_way = Some(tokio::spawn(round.run(sealed)));
        Ok(())
    }

    /// Waits for the round under way. After a failure a new producer id is taken, because the
    /// sequence numbers of the old one may have a gap.
    async fn settle(&mut self) -> Result<(), ClientError> {
        let Some(round) = &mut self.under_way else { return Ok(()) };
        let result = round.await.unwrap_or(Err(ClientError::Cancelled));
        self.under_way = None;
        match result {
            Ok(deliveries) => {
                self.delivered.extend(deliveries);
                let surplus = self.delivered.len().saturating_sub(DELIVERIES_MAX);
                self.delivered.drain(..surplus);
                Ok(())
            }
            Err(error) => {
                self.identity = None;
                self.sequences.clear();
                self.collected.clear();
                self.collected_bytes = 0;
                Err(error)
            }
        }
    }
}

/// Bytes of a record, about as many as it takes in a batch.
fn size_of(record: &OutgoingRecord) -> usize {
    /// Lengths and deltas of a record, at most.
    const OVERHEAD: usize = 32;
    let of = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
    let headers: usize = record.headers.iter().map(|h| 10 + h.key.len() + of(&h.value)).sum();
    OVERHEAD + of(&record.key) + of(&record.value) + headers
}
