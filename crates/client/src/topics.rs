//! Creating, deleting and growing topics.

use std::{collections::BTreeMap, time::Duration};

use klamm_protocol::{
    ErrorCode,
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest,
        CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
        create_partitions_request::CreatePartitionsTopic,
        create_partitions_response::CreatePartitionsTopicResult,
        create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig},
        create_topics_response::CreatableTopicResult,
        delete_topics_request::DeleteTopicState,
        delete_topics_response::DeletableTopicResult,
    },
    wire::{Request, VersionRange},
};

use crate::{
    Client, ClientError,
    call::Reply,
    client::{Lane, Target},
};

const CREATE_TOPICS: VersionRange = VersionRange::new(0, 7);
const DELETE_TOPICS: VersionRange = VersionRange::new(0, 6);
const CREATE_PARTITIONS: VersionRange = VersionRange::new(0, 3);

/// A topic to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; the broker's `num.partitions` if none (KIP-464).
    pub partitions: Option<i32>,
    /// How many replicas; the broker's `default.replication.factor` if none (KIP-464).
    pub replication_factor: Option<i16>,
    /// The brokers of each partition, in order; then the two numbers above are left out.
    pub assignments: Vec<Vec<i32>>,
    /// Topic configurations that differ from the broker's.
    pub configs: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic with the broker's defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: None,
            replication_factor: None,
            assignments: Vec::new(),
            configs: BTreeMap::new(),
        }
    }
}

/// What became of one topic: its name and, if it was refused, why.
pub type TopicResult = (String, Result<(), ClientError>);

impl Client {
    /// Creates topics, or only checks whether they could be.
    ///
    /// # Errors
    /// [`ClientError`] of the call as a whole; that of a topic is in its result.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<Vec<TopicResult>, ClientError> {
        let request = CreateTopicsRequest {
            topics: topics.iter().map(creatable).collect(),
            timeout_ms: self.timeout_ms(),
            validate_only,
            ..CreateTopicsRequest::default()
        };
        let results = |reply: &Reply| {
            let answer = reply.decode::<CreateTopicsResponse<'_>>()?;
            let of = |t: &CreatableTopicResult<'_>| {
                result(&t.name, t.error_code, t.error_message.as_deref())
            };
            Ok(answer.topics.iter().map(of).collect())
        };
        self.change(CREATE_TOPICS, &request, results).await
    }

    /// Deletes topics.
    ///
    /// # Errors
    /// [`ClientError`] of the call as a whole; that of a topic is in its result.
    pub async fn delete_topics(&self, names: &[&str]) -> Result<Vec<TopicResult>, ClientError> {
        let state = |name: &&str| DeleteTopicState {
            name: Some((*name).to_owned().into()),
            ..DeleteTopicState::default()
        };
        let request = DeleteTopicsRequest {
            topics: names.iter().map(state).collect(),
            topic_names: names.iter().map(|name| (*name).into()).collect(),
            timeout_ms: self.timeout_ms(),
            ..DeleteTopicsRequest::default()
        };
        let results = |reply: &Reply| {
            let answer = reply.decode::<DeleteTopicsResponse<'_>>()?;
            let of = |t: &DeletableTopicResult<'_>| {
                let name = t.name.as_deref().unwrap_or_default();
                result(name, t.error_code, t.error_message.as_deref())
            };
            Ok(answer.responses.iter().map(of).collect())
        };
        self.change(DELETE_TOPICS, &request, results).await
    }

    /// Raises the number of a topic's partitions to `count`.
    ///
    /// # Errors
    /// [`ClientError`]; `Refused` where the count is not above the present one.
    pub async fn create_partitions(
        &self,
        topic: &str,
        count: i32,
        validate_only: bool,
    ) -> Result<(), ClientError> {
        let grown = CreatePartitionsTopic {
            name: topic.into(),
            count,
            assignments: None,
            ..<_>::default()
        };
        let request = CreatePartitionsRequest {
            topics: vec![grown],
            timeout_ms: self.timeout_ms(),
            validate_only,
            ..CreatePartitionsRequest::default()
        };
        let results = |reply: &Reply| {
            let answer = reply.decode::<CreatePartitionsResponse<'_>>()?;
            let of = |t: &CreatePartitionsTopicResult<'_>| {
                result(&t.name, t.error_code, t.error_message.as_deref())
            };
            Ok(answer.results.iter().map(of).collect())
        };
        let results = self.change(CREATE_PARTITIONS, &request, results).await?;
        results.into_iter().try_for_each(|(_, result)| result)
    }

    /// What the broker may wait with a change, in milliseconds: less than the caller waits.
    pub(crate) fn timeout_ms(&self) -> i32 {
        i32::try_from(self.options().request_timeout.as_millis()).unwrap_or(i32::MAX)
    }

    /// Sends a change to the controller, again if it has moved.
    async fn change<'a, R: Request<'a>>(
        &self,
        versions: VersionRange,
        request: &R,
        results: impl Fn(&Reply) -> Result<Vec<TopicResult>, ClientError>,
    ) -> Result<Vec<TopicResult>, ClientError> {
        let mut retry = self.retry();
        // The broker waits for the change as long as it was told to, and then still answers.
        let extra = Duration::from_secs(5);
        loop {
            let sent =
                self.call_patiently(Target::Controller, Lane::Main, versions, extra, request).await;
            let error = match sent {
                Ok(reply) => {
                    let mut results = results(&reply)?;
                    match refused_as_moved(&mut results) {
                        Some(error) => error,
                        None => {
                            self.forget();
                            return Ok(results);
                        }
                    }
                }
                // A change that may have been made is not asked for again.
                Err(error @ (ClientError::Timeout { .. } | ClientError::Disconnected { .. })) => {
                    return Err(error);
                }
                Err(error) if self.is_hopeless(&error) => return Err(error),
                Err(error) => error,
            };
            retry.after(error).await?;
        }
    }
}

/// The error, where the broker asked is not the controller.
fn refused_as_moved(results: &mut Vec<TopicResult>) -> Option<ClientError> {
    let moved = |result: &TopicResult| {
        let code = result.1.as_ref().err().and_then(ClientError::code);
        code == Some(ErrorCode::NotController)
    };
    let at = results.iter().position(moved)?;
    results.swap_remove(at).1.err()
}

fn result(name: &str, code: i16, message: Option<&str>) -> TopicResult {
    (name.to_owned(), ClientError::check(code, message, || format!("topic {name}")))
}

fn creatable(topic: &NewTopic) -> CreatableTopic<'_> {
    let assignment = |(index, brokers): (i32, &Vec<i32>)| CreatableReplicaAssignment {
        partition_index: index,
        broker_ids: brokers.clone(),
        ..CreatableReplicaAssignment::default()
    };
    let config = |(name, value): (&String, &String)| CreatableTopicConfig {
        name: name.clone().into(),
        value: Some(value.clone().into()),
        ..CreatableTopicConfig::default()
    };
    CreatableTopic {
        name: topic.name.as_str().into(),
        num_partitions: topic.partitions.unwrap_or(-1),
        replication_factor: topic.replication_factor.unwrap_or(-1),
        assignments: (0..).zip(&topic.assignments).map(assignment).collect(),
        configs: topic.configs.iter().map(config).collect(),
        ..CreatableTopic::default()
    }
}
