//! One round of batches, at most one per partition, until each is delivered or has failed.

use std::{collections::BTreeMap, sync::Arc};

use klamm_protocol::{
    ErrorCode,
    messages::{
        ProduceRequest, ProduceResponse,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    wire::{Records, VersionRange},
};
use tokio::task::JoinSet;

use crate::{
    Acks, Client, ClientError, Delivery, TopicPartition,
    client::{Lane, Target},
};

/// Version 3 brought the present record format; version 13 wants topic ids.
const PRODUCE: VersionRange = VersionRange::new(3, 12);

/// A batch that is ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    pub(crate) at: TopicPartition,
    pub(crate) records: i32,
    pub(crate) bytes: Arc<[u8]>,
}

/// How a round is sent.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) client: Client,
    pub(crate) acks: Acks,
}

/// What became of a batch.
enum Outcome {
    Delivered(Delivery),
    Failed(Sealed, ClientError),
}

impl Round {
    /// Sends the batches, again where that may help.
    pub(crate) async fn run(self, mut left: Vec<Sealed>) -> Result<Vec<Delivery>, ClientError> {
        let client = self.client.clone();
        let mut retry = client.retry();
        let mut delivered = Vec::new();
        loop {
            let mut failed = None;
            for outcome in self.attempt(std::mem::take(&mut left)).await? {
                match outcome {
                    Outcome::Delivered(delivery) => delivered.push(delivery),
                    Outcome::Failed(batch, error) => {
                        // An error that ends the round is told before one that does not.
                        let is_final = !error.is_retriable();
                        if is_final || failed.is_none() {
                            failed = Some(error);
                        }
                        left.push(batch);
                    }
                }
            }
            match failed {
                Some(error) => retry.after(error).await?,
                None => return Ok(delivered),
            }
        }
    }

    /// Sends each batch to its leader, all leaders at the same time.
    async fn attempt(&self, batches: Vec<Sealed>) -> Result<Vec<Outcome>, ClientError> {
        let mut outcomes = Vec::new();
        let mut by_leader: BTreeMap<i32, Vec<Sealed>> = BTreeMap::new();
        for batch in batches {
            match self.client.leader(&batch.at.topic, batch.at.partition).await {
                Ok(leader) => by_leader.entry(leader).or_default().push(batch),
                Err(error) => outcomes.push(Outcome::Failed(batch, error)),
            }
        }
        let mut calls = JoinSet::new();
        for (leader, batches) in by_leader {
            calls.spawn(self.clone().send(leader, batches));
        }
        while let Some(sent) = calls.join_next().await {
            outcomes.extend(sent.map_err(|_| ClientError::Cancelled)?);
        }
        Ok(outcomes)
    }

    async fn send(self, leader: i32, batches: Vec<Sealed>) -> Vec<Outcome> {
        match self.try_send(leader, &batches).await {
            Ok(mut answers) => {
                batches.into_iter().map(|batch| outcome(batch, &mut answers)).collect()
            }
            Err(error) => {
                let error = Arc::new(error);
                let copy = |batch| Outcome::Failed(batch, ClientError::Shared(Arc::clone(&error)));
                batches.into_iter().map(copy).collect()
            }
        }
    }

    async fn try_send(&self, leader: i32, batches: &[Sealed]) -> Result<Answers, ClientError> {
        let request = ProduceRequest {
            transactional_id: None,
            acks: self.acks.wire(),
            timeout_ms: self.client.timeout_ms(),
            topic_data: topic_data(batches),
            ..ProduceRequest::default()
        };
        let target = Target::Broker(leader);
        if self.acks == Acks::None {
            let connection = self.client.connect(target, Lane::Main).await?;
            connection.send(PRODUCE, &request).await?;
            return Ok(None);
        }
        let reply = self.client.call(target, Lane::Main, PRODUCE, &request).await?;
        let answer = reply.decode::<ProduceResponse<'_>>()?;
        let mut answers = BTreeMap::new();
        for topic in &answer.responses {
            let name: Arc<str> = topic.name.as_ref().into();
            for p in &topic.partition_responses {
                let at = TopicPartition::new(name.clone(), p.index);
                let message = p.error_message.as_deref();
                let result =
                    ClientError::check(p.error_code, message, || format!("partition {at}"));
                answers.insert(at, result.map(|()| p.base_offset));
            }
        }
        Ok(Some(answers))
    }
}

/// Base offset or error by partition; none of them with `acks=0`.
type Answers = Option<BTreeMap<TopicPartition, Result<i64, ClientError>>>;

fn outcome(batch: Sealed, answers: &mut Answers) -> Outcome {
    let delivered = |batch: Sealed, base_offset: Option<i64>| {
        let base_offset = base_offset.filter(|&offset| offset >= 0);
        Outcome::Delivered(Delivery { partition: batch.at, base_offset, records: batch.records })
    };
    let Some(answers) = answers else { return delivered(batch, None) };
    match answers.remove(&batch.at) {
        Some(Ok(base_offset)) => delivered(batch, Some(base_offset)),
        // An earlier attempt had written it.
        Some(Err(error)) if error.code() == Some(ErrorCode::DuplicateSequenceNumber) => {
            delivered(batch, None)
        }
        Some(Err(error)) => Outcome::Failed(batch, error),
        None => {
            let reason = format!("the answer says nothing of {}", batch.at);
            let address = "the leader".to_owned();
            Outcome::Failed(batch, ClientError::Disconnected { address, reason })
        }
    }
}

fn topic_data(batches: &[Sealed]) -> Vec<TopicProduceData<'_>> {
    let mut topics: BTreeMap<&str, Vec<PartitionProduceData<'_>>> = BTreeMap::new();
    for batch in batches {
        topics.entry(&batch.at.topic).or_default().push(PartitionProduceData {
            index: batch.at.partition,
            records: Records::Slice((&*batch.bytes).into()),
            ..PartitionProduceData::default()
        });
    }
    let topic = |(name, partition_data)| TopicProduceData {
        name: std::borrow::Cow::Borrowed(name),
        partition_data,
        ..TopicProduceData::default()
    };
    topics.into_iter().map(topic).collect()
}
