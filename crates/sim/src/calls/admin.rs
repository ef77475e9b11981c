//! Topics: creating, deleting, changing, listing; and finding a coordinator.

use std::{borrow::Cow, collections::BTreeMap};

use klamm_protocol::{
    ErrorCode,
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest,
        CreateTopicsResponse, DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest,
        DeleteTopicsResponse, FindCoordinatorRequest, FindCoordinatorResponse,
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, MetadataRequest,
        MetadataResponse,
        create_partitions_request::CreatePartitionsTopic,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
        delete_topics_request::DeleteTopicState,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
    wire::Uuid,
};

use crate::{
    client::{Client, Failure},
    oracle::{Place, TopicModel},
    world::World,
};

const TIMEOUT_MS: u64 = 6_000;
const TOPIC: i8 = 2;
const SET: i8 = 0;

/// Creates a topic; gives the error if there was an answer.
pub(crate) async fn create_topic(
    world: &World,
    client: &mut Client,
    name: &str,
    partitions: i32,
    configs: &[(&str, String)],
) -> Option<ErrorCode> {
    let is_set = |key: &str| configs.iter().any(|(name, _)| name.starts_with(key));
    let model = TopicModel {
        sync: is_set("flush.messages"),
        retention: is_set("retention."),
        ..TopicModel::default()
    };
    world.oracle().topics.insert(name.to_owned(), model);
    let config = |(name, value): &(&'static str, String)| CreatableTopicConfig {
        name: Cow::Borrowed(*name),
        value: Some(Cow::Owned(value.clone())),
        ..Default::default()
    };
    let configs: Vec<(&'static str, String)> =
        configs.iter().filter_map(|(name, value)| Some((known(name)?, value.clone()))).collect();
    let topic = CreatableTopic {
        name: Cow::Borrowed(name),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.iter().map(config).collect(),
        ..Default::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 5_000, ..Default::default() };
    let version = client.version(2, 7);
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: CreateTopicsResponse<'_> = reply.decode().ok()?;
    let error = ErrorCode::from_code(response.topics.first()?.error_code)?;
    if error == ErrorCode::None
        && let Some(model) = world.oracle().topics.get_mut(name)
    {
        model.partitions = usize::try_from(partitions).unwrap_or(0);
    }
    Some(error)
}

/// The keys that runs set.
fn known(name: &str) -> Option<&'static str> {
    const KEYS: [&str; 8] = [
        "flush.messages",
        "flush.ms",
        "internal.segment.bytes",
        "segment.ms",
        "retention.ms",
        "retention.bytes",
        "file.delete.delay.ms",
        "index.interval.bytes",
    ];
    KEYS.into_iter().find(|key| *key == name)
}

/// Deletes a topic.
pub(crate) async fn delete_topic(
    world: &World,
    client: &mut Client,
    name: &str,
) -> Option<ErrorCode> {
    if let Some(model) = world.oracle().topics.get_mut(name) {
        model.deletion_asked = true;
    }
    let version = client.version(1, 6);
    let mut request = DeleteTopicsRequest { timeout_ms: 5_000, ..Default::default() };
    match version {
        6.. => {
            let topic = DeleteTopicState {
                name: Some(Cow::Borrowed(name)),
                topic_id: Uuid::ZERO,
                ..Default::default()
            };
            request.topics = vec![topic];
        }
        _ => request.topic_names = vec![Cow::Borrowed(name)],
    }
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: DeleteTopicsResponse<'_> = reply.decode().ok()?;
    let error = ErrorCode::from_code(response.responses.first()?.error_code)?;
    if error == ErrorCode::None
        && let Some(model) = world.oracle().topics.get_mut(name)
    {
        model.deleted = true;
    }
    Some(error)
}

/// Gives a topic more partitions.
pub(crate) async fn add_partitions(
    world: &World,
    client: &mut Client,
    name: &str,
    count: i32,
) -> Option<ErrorCode> {
    let topic = CreatePartitionsTopic {
        name: Cow::Borrowed(name),
        count,
        assignments: None,
        ..Default::default()
    };
    let request =
        CreatePartitionsRequest { topics: vec![topic], timeout_ms: 5_000, ..Default::default() };
    let version = client.version(0, 3);
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: CreatePartitionsResponse<'_> = reply.decode().ok()?;
    let error = ErrorCode::from_code(response.results.first()?.error_code)?;
    if error == ErrorCode::None
        && let Some(model) = world.oracle().topics.get_mut(name)
    {
        model.partitions = model.partitions.max(usize::try_from(count).unwrap_or(0));
    }
    Some(error)
}

/// Deletes the records below an offset.
pub(crate) async fn delete_records(
    world: &World,
    client: &mut Client,
    place: &Place,
    offset: i64,
) -> Option<ErrorCode> {
    let partition =
        DeleteRecordsPartition { partition_index: place.1, offset, ..Default::default() };
    let topic = DeleteRecordsTopic {
        name: Cow::Borrowed(&place.0),
        partitions: vec![partition],
        ..Default::default()
    };
    let request =
        DeleteRecordsRequest { topics: vec![topic], timeout_ms: 5_000, ..Default::default() };
    let start = {
        let mut oracle = world.oracle();
        oracle.deleting_up_to(place, offset);
        oracle.log_start(place)
    };
    let version = client.version(0, 2);
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: DeleteRecordsResponse<'_> = reply.decode().ok()?;
    let part = response.topics.first()?.partitions.first()?;
    let error = ErrorCode::from_code(part.error_code)?;
    if error == ErrorCode::None {
        world.oracle().shown_start(place, start.max(offset), part.low_watermark);
    }
    Some(error)
}

/// Sets one key of a topic.
pub(crate) async fn alter_topic(
    client: &mut Client,
    name: &str,
    key: &str,
    value: &str,
) -> Option<ErrorCode> {
    let config = AlterableConfig {
        name: Cow::Borrowed(key),
        config_operation: SET,
        value: Some(Cow::Borrowed(value)),
        ..Default::default()
    };
    let resource = AlterConfigsResource {
        resource_type: TOPIC,
        resource_name: Cow::Borrowed(name),
        configs: vec![config],
        ..Default::default()
    };
    let request =
        IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    let version = client.version(0, 1);
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: IncrementalAlterConfigsResponse<'_> = reply.decode().ok()?;
    ErrorCode::from_code(response.responses.first()?.error_code)
}

/// Finds the coordinator of a group, which makes the topic of the groups if need be.
pub(crate) async fn find_coordinator(client: &mut Client, group: &str) -> Option<ErrorCode> {
    let version = client.version(0, 5);
    let mut request = FindCoordinatorRequest::default();
    match version {
        4.. => request.coordinator_keys = vec![Cow::Borrowed(group)],
        _ => request.key = Cow::Borrowed(group),
    }
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: FindCoordinatorResponse<'_> = reply.decode().ok()?;
    let code = match version {
        4.. => response.coordinators.first()?.error_code,
        _ => response.error_code,
    };
    ErrorCode::from_code(code)
}

/// All topics of clients, with ids and numbers of partitions.
pub(crate) async fn list_topics(
    client: &mut Client,
) -> Result<BTreeMap<String, (Uuid, usize)>, Failure> {
    let version = client.version(10, 13);
    let request = MetadataRequest { topics: None, ..Default::default() };
    let reply = client.call(version, &request, TIMEOUT_MS).await?;
    let response: MetadataResponse<'_> = reply.decode().map_err(|_| Failure::Unknown)?;
    let topics = response.topics.iter().filter(|topic| !topic.is_internal);
    let entry = |topic: &klamm_protocol::messages::metadata_response::MetadataResponseTopic<'_>| {
        let name = topic.name.clone().unwrap_or_default().into_owned();
        (name, (topic.topic_id, topic.partitions.len()))
    };
    Ok(topics.map(entry).collect())
}
