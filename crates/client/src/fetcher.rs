//! Reading partitions from given positions: one fetch per leader is always under way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use klamm_protocol::{
    ErrorCode,
    messages::{
        FetchRequest, FetchResponse,
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::PartitionData,
    },
    wire::VersionRange,
};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    Client, ClientError, OffsetSpec, Record, TopicPartition,
    call::Reply,
    client::{Lane, Target},
    response_records::records_of,
};

/// Version 4 brought the present record format; version 13 wants topic ids.
const FETCH: VersionRange = VersionRange::new(4, 12);
/// Neither a session nor the wish for one (KIP-227).
const SESSIONLESS_EPOCH: i32 = -1;
/// The pause after a fetch that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// Which records of transactions are read (`isolation.level`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// All.
    #[default]
    ReadUncommitted,
    /// Only those of transactions that were committed.
    ReadCommitted,
}

impl Isolation {
    pub(crate) fn wire(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}

/// Where to go on when a position is not in the log (`auto.offset.reset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reset {
    /// At the first record.
    Earliest,
    /// After the last record.
    #[default]
    Latest,
    /// Nowhere: it is an error.
    Fail,
}

/// How records are fetched.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// How long a broker may wait for records (`fetch.max.wait.ms`).
    pub max_wait: Duration,
    /// How many bytes end that wait (`fetch.min.bytes`).
    pub min_bytes: i32,
    /// Bytes of one answer (`fetch.max.bytes`); a larger first batch comes whole (KIP-74).
    pub max_bytes: i32,
    /// Bytes of one partition in an answer (`max.partition.fetch.bytes`).
    pub partition_max_bytes: i32,
    /// Which records of transactions are read.
    pub isolation: Isolation,
    /// Where to go on when a position is not in the log.
    pub reset: Reset,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_millis(500),
            min_bytes: 1,
            max_bytes: 50 << 20,
            partition_max_bytes: 1 << 20,
            isolation: Isolation::default(),
            reset: Reset::default(),
        }
    }
}

type Fetched = (i32, Result<Reply, ClientError>);

/// Reads partitions from given positions.
#[derive(Debug)]
pub struct Fetcher {
    client: Client,
    options: FetchOptions,
    positions: BTreeMap<TopicPartition, i64>,
    /// Partitions whose position has to be asked for.
    unplaced: BTreeSet<TopicPartition>,
    /// The offset up to which there are records, as far as it is known.
    ends: BTreeMap<TopicPartition, i64>,
    under_way: JoinSet<Fetched>,
    busy: BTreeSet<i32>,
    /// Something failed: wait, and ask for the leaders again.
    is_troubled: bool,
}

impl Fetcher {
    /// A fetcher without partitions.
    #[must_use]
    pub fn new(client: Client, options: FetchOptions) -> Self {
        Self {
            client,
            options,
            positions: BTreeMap::new(),
            unplaced: BTreeSet::new(),
            ends: BTreeMap::new(),
            under_way: JoinSet::new(),
            busy: BTreeSet::new(),
            is_troubled: false,
        }
    }

    /// Reads these partitions from now on, each from its position, or from where
    /// [`FetchOptions::reset`] says.
    pub fn assign(&mut self, positions: BTreeMap<TopicPartition, Option<i64>>) {
        self.drop_answers();
        self.ends.clear();
        self.positions.clear();
        self.unplaced.clear();
        for (at, position) in positions {
            match position {
                Some(offset) => drop(self.positions.insert(at, offset)),
                None => drop(self.unplaced.insert(at)),
            }
        }
    }

    /// Reads a partition that is assigned from another offset on.
    pub fn seek(&mut self, at: &TopicPartition, offset: i64) {
        self.drop_answers();
        if let Some(position) = self.positions.get_mut(at) {
            *position = offset;
        }
    }

    /// Forgets the fetches under way: their records begin where nobody wants them any more.
    fn drop_answers(&mut self) {
        self.under_way = JoinSet::new();
        self.busy.clear();
    }

    /// No longer reads a partition.
    pub fn remove(&mut self, at: &TopicPartition) {
        self.positions.remove(at);
        self.unplaced.remove(at);
        self.ends.remove(at);
    }

    /// The offset of the next record of each partition that has a position.
    #[must_use]
    pub fn positions(&self) -> &BTreeMap<TopicPartition, i64> {
        &self.positions
    }

    /// Whether every partition is read to its end, as of the last answer.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        let at_end = |(at, position): (&TopicPartition, &i64)| {
            self.ends.get(at).is_some_and(|end| position >= end)
        };
        self.unplaced.is_empty() && self.positions.iter().all(at_end)
    }

    /// The next records; none where the broker's wait ended without any. Waits for ever where no
    /// partition is assigned. Cancel safe.
    ///
    /// # Errors
    /// [`ClientError`] that a retry does not mend: an unknown topic, damaged records, a position
    /// that is not in the log with [`Reset::Fail`].
    pub async fn poll(&mut self) -> Result<Vec<Record>, ClientError> {
        if self.is_troubled {
            sleep(PAUSE).await;
            self.client.forget();
            self.is_troubled = false;
        }
        self.place().await?;
        self.start().await?;
        match self.under_way.join_next().await {
            Some(Ok((leader, result))) => {
                self.busy.remove(&leader);
                self.take(result)
            }
            Some(Err(_)) => Err(ClientError::Cancelled),
            None if self.is_troubled => Ok(Vec::new()),
            None => std::future::pending().await,
        }
    }

    /// Finds positions for partitions that have none.
    async fn place(&mut self) -> Result<(), ClientError> {
        let spec = match self.options.reset {
            _ if self.unplaced.is_empty() => return Ok(()),
            Reset::Earliest => OffsetSpec::Earliest,
            Reset::Latest | Reset::Fail => OffsetSpec::Latest,
        };
        let wanted = self.unplaced.iter().map(|at| (at.clone(), spec)).collect();
        let found = self.client.list_offsets(&wanted, self.options.isolation).await?;
        for (at, listed) in found {
            self.unplaced.remove(&at);
            self.positions.insert(at, listed.offset.unwrap_or(0));
        }
        Ok(())
    }

    /// Sends a fetch to every leader that has none to answer.
    async fn start(&mut self) -> Result<(), ClientError> {
        let mut by_leader: BTreeMap<i32, Vec<(TopicPartition, i64)>> = BTreeMap::new();
        for (at, &position) in &self.positions {
            match self.client.leader(&at.topic, at.partition).await {
                Ok(leader) if self.busy.contains(&leader) => {}
                Ok(leader) => by_leader.entry(leader).or_default().push((at.clone(), position)),
                Err(error) if self.client.is_hopeless(&error) => return Err(error),
                Err(error) if error.is_retriable() => self.is_troubled = true,
                Err(error) => return Err(error),
            }
        }
        for (leader, partitions) in by_leader {
            self.busy.insert(leader);
            let (client, options) = (self.client.clone(), self.options.clone());
            self.under_way.spawn(async move {
                (leader, fetch(&client, &options, leader, &partitions).await)
            });
        }
        Ok(())
    }

    fn take(&mut self, result: Result<Reply, ClientError>) -> Result<Vec<Record>, ClientError> {
        let reply = match result {
            Err(error) if error.is_retriable() => {
                tracing::debug!(%error, "a fetch failed");
                self.is_troubled = true;
                return Ok(Vec::new());
            }
            result => result?,
        };
        let answer = reply.decode::<FetchResponse<'_>>()?;
        ClientError::check(answer.error_code, None, || "fetch".to_owned())?;
        let mut records = Vec::new();
        for topic in &answer.responses {
            let name: Arc<str> = topic.topic.as_ref().into();
            for data in &topic.partitions {
                let at = TopicPartition::new(name.clone(), data.partition_index);
                self.take_partition(&at, data, &mut records)?;
            }
        }
        Ok(records)
    }

    fn take_partition(
        &mut self,
        at: &TopicPartition,
        data: &PartitionData<'_>,
        records: &mut Vec<Record>,
    ) -> Result<(), ClientError> {
        // It may have been removed, or reset, since it was asked for.
        let Some(position) = self.positions.get_mut(at) else { return Ok(()) };
        match ErrorCode::from_code(data.error_code) {
            Some(ErrorCode::None) => {}
            Some(ErrorCode::OffsetOutOfRange) if self.options.reset != Reset::Fail => {
                tracing::warn!(partition = %at, offset = *position, "the offset is not in the log");
                self.positions.remove(at);
                self.unplaced.insert(at.clone());
                return Ok(());
            }
            Some(code) if code.is_retriable() => {
                self.is_troubled = true;
                return Ok(());
            }
            _ => return ClientError::check(data.error_code, None, || format!("partition {at}")),
        }
        *position = records_of(at, *position, data, self.options.isolation, records)?;
        let end = match self.options.isolation {
            Isolation::ReadUncommitted => data.high_watermark,
            Isolation::ReadCommitted => data.last_stable_offset,
        };
        self.ends.insert(at.clone(), end);
        Ok(())
    }
}

async fn fetch(
    client: &Client,
    options: &FetchOptions,
    leader: i32,
    partitions: &[(TopicPartition, i64)],
) -> Result<Reply, ClientError> {
    let mut topics: BTreeMap<&str, Vec<FetchPartition<'_>>> = BTreeMap::new();
    for (at, position) in partitions {
        topics.entry(&at.topic).or_default().push(FetchPartition {
            partition: at.partition,
            fetch_offset: *position,
            partition_max_bytes: options.partition_max_bytes,
            ..FetchPartition::default()
        });
    }
    let topic = |(topic, partitions)| FetchTopic {
        topic: std::borrow::Cow::Borrowed(topic),
        partitions,
        ..FetchTopic::default()
    };
    let request = FetchRequest {
        max_wait_ms: i32::try_from(options.max_wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: options.min_bytes,
        max_bytes: options.max_bytes,
        isolation_level: options.isolation.wire(),
        session_epoch: SESSIONLESS_EPOCH,
        topics: topics.into_iter().map(topic).collect(),
        ..FetchRequest::default()
    };
    let target = Target::Broker(leader);
    client.call_patiently(target, Lane::Fetch, FETCH, options.max_wait, &request).await
}
