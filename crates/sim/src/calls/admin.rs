//! Topics: creating, deleting, changing, listing; and finding a coordinator.

use std::{borrow::Cow, collections::BTreeMap};

use klamm_protocol::{
    ErrorCode,
    messages::{
        AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, CreatePartitionsRequest,
        CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteGroupsRequest,
        DeleteGroupsResponse, DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest,
        DeleteTopicsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
        FindCoordinatorRequest, FindCoordinatorResponse, IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsResponse, MetadataRequest, MetadataResponse, OffsetDeleteRequest,
        OffsetDeleteResponse,
        alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic},
        create_partitions_request::CreatePartitionsTopic,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
        delete_topics_request::DeleteTopicState,
        describe_configs_request::DescribeConfigsResource,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
        offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
    },
    wire::Uuid,
};

use crate::{
    client::{Client, Failure},
    oracle::{Asked, Deleting, Deletions, Place, Sync, TopicModel},
    world::World,
};

const TIMEOUT_MS: u64 = 6_000;
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
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
    let sync = if is_set("flush.messages") { Sync::Always } else { Sync::No };
    world
        .oracle()
        .creating(name, TopicModel::new(sync, is_set("retention.") || world.plan.may_delete()));
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
    let version = client.version::<CreateTopicsRequest<'_>>();
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
    const KEYS: [&str; 12] = [
        "flush.messages",
        "flush.ms",
        "internal.segment.bytes",
        "segment.ms",
        "retention.ms",
        "retention.bytes",
        "file.delete.delay.ms",
        "index.interval.bytes",
        "max.message.bytes",
        "cleanup.policy",
        "min.cleanable.dirty.ratio",
        "delete.retention.ms",
    ];
    KEYS.into_iter().find(|key| *key == name)
}

/// Deletes a topic.
pub(crate) async fn delete_topic(
    world: &World,
    client: &mut Client,
    name: &str,
) -> Option<ErrorCode> {
    let (deletions, was_disturbed) = {
        let mut oracle = world.oracle();
        if let Some(model) = oracle.topics.get_mut(name) {
            model.deletion_asked = true;
        }
        (oracle.deleting_commits(Deleting::Topic(name)), oracle.disturbed)
    };
    let version = client.version::<DeleteTopicsRequest<'_>>();
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
    if error == ErrorCode::None {
        let mut oracle = world.oracle();
        oracle.topic_deleted(deletions, was_disturbed);
        if let Some(model) = oracle.topics.get_mut(name) {
            model.deleted = true;
        }
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
    let version = client.version::<CreatePartitionsRequest<'_>>();
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
    let asked = {
        let mut oracle = world.oracle();
        oracle.deleting_up_to(place, offset);
        let asked = oracle.asked(place);
        Asked { start: asked.start.max(offset), ..asked }
    };
    let version = client.version::<DeleteRecordsRequest<'_>>();
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: DeleteRecordsResponse<'_> = reply.decode().ok()?;
    let part = response.topics.first()?.partitions.first()?;
    let error = ErrorCode::from_code(part.error_code)?;
    if error == ErrorCode::None {
        world.oracle().shown_start(place, &asked, part.low_watermark);
    }
    Some(error)
}

/// Begins to move a replica to another log directory.
pub(crate) async fn move_replica(
    client: &mut Client,
    place: &Place,
    dir: &'static str,
) -> Option<ErrorCode> {
    let topic = AlterReplicaLogDirTopic {
        name: Cow::Borrowed(&place.0),
        partitions: vec![place.1],
        ..Default::default()
    };
    let dir =
        AlterReplicaLogDir { path: Cow::Borrowed(dir), topics: vec![topic], ..Default::default() };
    let request = AlterReplicaLogDirsRequest { dirs: vec![dir], ..Default::default() };
    let version = client.version::<AlterReplicaLogDirsRequest<'_>>();
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: AlterReplicaLogDirsResponse<'_> = reply.decode().ok()?;
    ErrorCode::from_code(response.results.first()?.partitions.first()?.error_code)
}

/// Asks for one key of a resource to be set, given as its kind's number and its name.
pub(super) fn set_config<'a>(
    (resource_type, name): (i8, &'a str),
    key: &'a str,
    value: &'a str,
) -> IncrementalAlterConfigsRequest<'a> {
    let config = AlterableConfig {
        name: Cow::Borrowed(key),
        config_operation: SET,
        value: Some(Cow::Borrowed(value)),
        ..Default::default()
    };
    let resource = AlterConfigsResource {
        resource_type,
        resource_name: Cow::Borrowed(name),
        configs: vec![config],
        ..Default::default()
    };
    IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() }
}

/// Sets one key of a broker.
pub(crate) async fn alter_broker(
    client: &mut Client,
    key: &'static str,
    value: &str,
) -> Option<ErrorCode> {
    let request = set_config((BROKER, ""), key, value);
    let version = client.version::<IncrementalAlterConfigsRequest<'_>>();
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: IncrementalAlterConfigsResponse<'_> = reply.decode().ok()?;
    ErrorCode::from_code(response.responses.first()?.error_code)
}

/// Sets one key of a topic.
pub(crate) async fn alter_topic(
    world: &World,
    client: &mut Client,
    name: &str,
    key: &'static str,
    value: &str,
) -> Option<ErrorCode> {
    world.oracle().setting(name, key, value);
    let request = set_config((TOPIC, name), key, value);
    let version = client.version::<IncrementalAlterConfigsRequest<'_>>();
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: IncrementalAlterConfigsResponse<'_> = reply.decode().ok()?;
    let error = ErrorCode::from_code(response.responses.first()?.error_code)?;
    if error == ErrorCode::None {
        world.oracle().set(name, key, value);
    }
    Some(error)
}

/// Finds the coordinator of a group, which makes the topic of the groups if need be.
pub(crate) async fn find_coordinator(client: &mut Client, group: &str) -> Option<ErrorCode> {
    let version = client.version::<FindCoordinatorRequest<'_>>();
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

/// Deletes a group that has no members, and what it committed.
pub(crate) async fn delete_group(
    world: &World,
    client: &mut Client,
    group: &str,
) -> Option<ErrorCode> {
    let deletions = world.oracle().deleting_commits(Deleting::Group(group));
    let request =
        DeleteGroupsRequest { groups_names: vec![Cow::Borrowed(group)], ..Default::default() };
    let version = client.version::<DeleteGroupsRequest<'_>>();
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: DeleteGroupsResponse<'_> = reply.decode().ok()?;
    let error = ErrorCode::from_code(response.results.first()?.error_code)?;
    judge_deletion(world, deletions, error);
    Some(error)
}

/// Deletes what a group committed for a partition.
pub(crate) async fn delete_offset(
    world: &World,
    client: &mut Client,
    group: &str,
    place: &Place,
) -> Option<ErrorCode> {
    let deletions = world.oracle().deleting_commits(Deleting::One(group, place));
    let partition = OffsetDeleteRequestPartition { partition_index: place.1 };
    let topic =
        OffsetDeleteRequestTopic { name: Cow::Borrowed(&place.0), partitions: vec![partition] };
    let request = OffsetDeleteRequest { group_id: Cow::Borrowed(group), topics: vec![topic] };
    let version = client.version::<OffsetDeleteRequest<'_>>();
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: OffsetDeleteResponse<'_> = reply.decode().ok()?;
    let part = response.topics.first().and_then(|topic| topic.partitions.first());
    let code = [response.error_code, part.map_or(0, |part| part.error_code)];
    let error = ErrorCode::from_code(code.into_iter().find(|code| *code != 0).unwrap_or(0))?;
    judge_deletion(world, deletions, error);
    Some(error)
}

fn judge_deletion(world: &World, deletions: Deletions, error: ErrorCode) {
    match error {
        ErrorCode::None => world.oracle().commits_deleted(deletions, true),
        ErrorCode::GroupIdNotFound
        | ErrorCode::NonEmptyGroup
        | ErrorCode::CoordinatorLoadInProgress
        | ErrorCode::UnknownTopicOrPartition => {
            world.oracle().commits_deleted(deletions, false);
        }
        _ => {}
    }
}

/// Asks how the keys of a topic are set that were set before.
pub(crate) async fn describe_topic(
    world: &World,
    client: &mut Client,
    name: &str,
) -> Option<ErrorCode> {
    let keys = world.oracle().keys_set(name);
    if keys.is_empty() {
        return Some(ErrorCode::None);
    }
    let resource = DescribeConfigsResource {
        resource_type: TOPIC,
        resource_name: Cow::Borrowed(name),
        configuration_keys: Some(keys.iter().map(|key| Cow::Borrowed(key.as_str())).collect()),
        ..Default::default()
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let version = client.version::<DescribeConfigsRequest<'_>>();
    let reply = client.call(version, &request, TIMEOUT_MS).await.ok()?;
    let response: DescribeConfigsResponse<'_> = reply.decode().ok()?;
    let result = response.results.first()?;
    let error = ErrorCode::from_code(result.error_code)?;
    if error == ErrorCode::None {
        for key in keys {
            let found = result.configs.iter().find(|config| config.name == key);
            let value = found.and_then(|config| config.value.as_deref());
            world.oracle().described(name, &key, value);
        }
    }
    Some(error)
}

/// What a cluster lists of its topics: ids if the version has them, and numbers of partitions.
pub(crate) type Listed = BTreeMap<String, (Option<Uuid>, usize)>;

/// From this version of Metadata on topics have ids.
pub(crate) const WITH_IDS: i16 = 10;

/// All topics of clients, in a version not older than `oldest`.
pub(crate) async fn list_topics(
    world: &World,
    client: &mut Client,
    oldest: i16,
) -> Result<Listed, Failure> {
    let version = client.version_within::<MetadataRequest<'_>>(oldest, i16::MAX);
    let asked = world.oracle().topics.clone();
    let topics = if version == 0 { Some(Vec::new()) } else { None };
    let request = MetadataRequest { topics, ..Default::default() };
    let reply = client.call(version, &request, TIMEOUT_MS).await?;
    let response: MetadataResponse<'_> = reply.decode().map_err(|_| Failure::Unknown)?;
    let mut found = Listed::new();
    for topic in &response.topics {
        let name = topic.name.clone().unwrap_or_default().into_owned();
        let id = (version >= WITH_IDS).then_some(topic.topic_id);
        if !name.starts_with("__") {
            found.insert(name, (id, topic.partitions.len()));
        }
    }
    world.oracle().listed(&asked, &found);
    Ok(found)
}
