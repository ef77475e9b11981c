//! CreateTopics.

use std::collections::{BTreeMap, BTreeSet};

use klamm_protocol::{
    ErrorCode,
    messages::{
        ConfigRecord, CreateTopicsRequest, CreateTopicsResponse, TopicRecord,
        create_topics_request::{CreatableReplicaAssignment, CreatableTopic},
        create_topics_response::{CreatableTopicConfigs, CreatableTopicResult},
        metadata_record::MetadataRecord,
    },
    wire::Uuid,
};

use super::{ConfigChange, Context, Decision, Refusal, placement, topic_name::validate_topic_name};
use crate::{Image, Partition, Resource, ResourceKind};

/// The log of the quorum, which is no topic that anybody can make.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// The most partitions that one request may create (Kafka's `MAX_PARTITIONS_PER_BATCH`).
pub(super) const PARTITIONS_MAX: i64 = 10_000;

type Records = Vec<MetadataRecord<'static>>;

/// Decides about new topics, each by itself: some may be created and others refused.
///
/// Results come in the order of the request, those of names that appear twice at the end.
pub fn create_topics(
    image: &Image,
    context: &mut Context<'_>,
    request: &CreateTopicsRequest<'_>,
) -> Decision<CreateTopicsResponse<'static>> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for topic in &request.topics {
        *times.entry(&topic.name).or_default() += 1;
    }
    let too_many = total_partitions(context, request) > PARTITIONS_MAX;
    let mut records = Vec::new();
    let mut results = Vec::new();
    for topic in request.topics.iter().filter(|topic| times.get(&*topic.name) == Some(&1)) {
        let created = if too_many {
            let text = "Excessively large number of partitions per request.";
            Err(Refusal::new(ErrorCode::PolicyViolation, text))
        } else {
            create_topic(image, context, topic)
        };
        results.push(match created {
            Ok((result, new)) => {
                records.extend(new);
                result
            }
            Err(refusal) => refused(&topic.name, refusal),
        });
    }
    for (name, _) in times.iter().filter(|(_, times)| **times > 1) {
        results.push(refused(name, Refusal::invalid_request("Duplicate topic name.")));
    }
    if request.validate_only {
        records.clear();
    }
    let response = CreateTopicsResponse { topics: results, ..CreateTopicsResponse::default() };
    Decision { records, response }
}

fn total_partitions(context: &Context<'_>, request: &CreateTopicsRequest<'_>) -> i64 {
    let count = |topic: &CreatableTopic<'_>| match topic.num_partitions {
        _ if !topic.assignments.is_empty() => topic.assignments.len() as i64,
        -1 => i64::from(context.settings.num_partitions),
        count => i64::from(count.max(0)),
    };
    request.topics.iter().map(count).sum()
}

fn refused(name: &str, refusal: Refusal) -> CreatableTopicResult<'static> {
    CreatableTopicResult {
        name: name.to_owned().into(),
        error_code: refusal.number(),
        error_message: Some(refusal.message.into()),
        ..CreatableTopicResult::default()
    }
}

fn create_topic(
    image: &Image,
    context: &mut Context<'_>,
    topic: &CreatableTopic<'_>,
) -> Result<(CreatableTopicResult<'static>, Records), Refusal> {
    check_name(image, &topic.name)?;
    let configs = topic_configs(image, context, topic)?;
    let assignments = assign(image, context, topic)?;
    let replication_factor = assignments.first().map_or(0, Vec::len);
    let id = context.entropy.uuid();
    let mut records = vec![MetadataRecord::Topic(TopicRecord {
        name: topic.name.to_string().into(),
        topic_id: id,
        ..TopicRecord::default()
    })];
    records.extend(configs.iter().map(|(name, value)| config_record(&topic.name, name, value)));
    for (number, replicas) in (0..).zip(&assignments) {
        let partition = new_partition(image, replicas);
        records.push(MetadataRecord::Partition(partition.to_record(id, number)));
    }
    let described = context.rules.describe_topic(image, &configs).into_iter();
    let entries = described.map(|entry| CreatableTopicConfigs {
        name: entry.name.into(),
        value: entry.value.map(Into::into),
        read_only: entry.read_only,
        config_source: entry.source,
        is_sensitive: entry.is_sensitive,
        ..CreatableTopicConfigs::default()
    });
    let result = CreatableTopicResult {
        name: topic.name.to_string().into(),
        topic_id: id,
        error_code: ErrorCode::None as i16,
        error_message: None,
        num_partitions: i32::try_from(assignments.len()).unwrap_or(i32::MAX),
        replication_factor: i16::try_from(replication_factor).unwrap_or(i16::MAX),
        configs: Some(entries.collect()),
        ..CreatableTopicResult::default()
    };
    Ok((result, records))
}

fn check_name(image: &Image, name: &str) -> Result<(), Refusal> {
    let invalid = |text: String| Err(Refusal::new(ErrorCode::InvalidTopicException, text));
    if name == METADATA_TOPIC {
        let text = format!("Creation of internal topic {METADATA_TOPIC} is prohibited.");
        return Err(Refusal::invalid_request(text));
    }
    validate_topic_name(name)?;
    if image.topic(name).is_some() {
        let text = format!("Topic '{name}' already exists.");
        return Err(Refusal::new(ErrorCode::TopicAlreadyExists, text));
    }
    match image.topics.collision(name) {
        Some(other) => invalid(format!("Topic '{name}' collides with existing topic: {other}")),
        None => Ok(()),
    }
}

fn topic_configs(
    image: &Image,
    context: &Context<'_>,
    topic: &CreatableTopic<'_>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let nulls: Vec<&str> =
        topic.configs.iter().filter(|c| c.value.is_none()).map(|c| &*c.name).collect();
    if !nulls.is_empty() {
        let text = format!("Null value not supported for topic configs: {}", nulls.join(","));
        return Err(Refusal::new(ErrorCode::InvalidConfig, text));
    }
    // Of a key that appears twice the last value holds, as in Kafka.
    let last: BTreeMap<&str, Option<&str>> =
        topic.configs.iter().map(|c| (&*c.name, c.value.as_deref())).collect();
    let changes: Vec<_> =
        last.iter().map(|(name, value)| ConfigChange::set(name, *value)).collect();
    context.rules.alter(image, &Resource::topic(&*topic.name), &changes)
}

fn config_record(topic: &str, name: &str, value: &str) -> MetadataRecord<'static> {
    MetadataRecord::Config(ConfigRecord {
        resource_type: ResourceKind::Topic.number(),
        resource_name: topic.to_owned().into(),
        name: name.to_owned().into(),
        value: Some(value.to_owned().into()),
        ..ConfigRecord::default()
    })
}

/// The replicas of each partition.
fn assign(
    image: &Image,
    context: &mut Context<'_>,
    topic: &CreatableTopic<'_>,
) -> Result<Vec<Vec<i32>>, Refusal> {
    if !topic.assignments.is_empty() {
        return manual(image, topic);
    }
    let replicas = match topic.replication_factor {
        -1 => context.settings.default_replication_factor,
        factor => factor,
    };
    let replicas = usize::try_from(replicas).ok().filter(|count| *count > 0).ok_or_else(|| {
        Refusal::invalid_replication_factor(
            "Replication factor must be larger than 0, or -1 to use the default value.",
        )
    })?;
    let partitions = match topic.num_partitions {
        -1 => context.settings.num_partitions,
        count => count,
    };
    let partitions =
        usize::try_from(partitions).ok().filter(|count| *count > 0).ok_or_else(|| {
            let text = "Number of partitions was set to an invalid non-positive value.";
            Refusal::new(ErrorCode::InvalidPartitions, text)
        })?;
    placement::place(image, context.entropy, partitions, replicas)
}

fn manual(image: &Image, topic: &CreatableTopic<'_>) -> Result<Vec<Vec<i32>>, Refusal> {
    let not_unset = |field| {
        let text =
            format!("A manual partition assignment was specified, but {field} was not set to -1.");
        Err(Refusal::invalid_request(text))
    };
    if topic.replication_factor != -1 {
        return not_unset("replication factor");
    }
    if topic.num_partitions != -1 {
        return not_unset("numPartitions");
    }
    let mut by_number: BTreeMap<i32, &CreatableReplicaAssignment<'_>> = BTreeMap::new();
    let mut factor = None;
    for assignment in &topic.assignments {
        let number = assignment.partition_index;
        if by_number.insert(number, assignment).is_some() {
            let text =
                format!("Found multiple manual partition assignments for partition {number}");
            return Err(Refusal::invalid_assignment(text));
        }
        check_assignment(image, number, &assignment.broker_ids, factor)?;
        factor = Some(assignment.broker_ids.len());
    }
    if !(0..).zip(by_number.keys()).all(|(expected, number)| expected == *number) {
        let text = "partitions should be a consecutive 0-based integer sequence";
        return Err(Refusal::invalid_assignment(text));
    }
    Ok(by_number.into_values().map(|assignment| assignment.broker_ids.clone()).collect())
}

/// Checks the replicas that somebody chose for a partition.
pub(super) fn check_assignment(
    image: &Image,
    number: i32,
    replicas: &[i32],
    factor: Option<usize>,
) -> Result<(), Refusal> {
    let refuse = |text: String| Err(Refusal::invalid_assignment(text));
    if replicas.is_empty() {
        return refuse(
            "The manual partition assignment includes an empty replica list.".to_owned(),
        );
    }
    let sorted: Vec<i32> = replicas.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    for id in &sorted {
        if image.broker(*id).is_none() {
            return refuse(format!(
                "The manual partition assignment includes broker {id}, but no such broker is \
                 registered."
            ));
        }
        if replicas.iter().filter(|replica| *replica == id).count() > 1 {
            return refuse(format!(
                "The manual partition assignment includes the broker {id} more than once."
            ));
        }
    }
    if let Some(factor) = factor.filter(|factor| *factor != replicas.len()) {
        return refuse(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is \
             not consistent with previous partitions, which have {factor} replica(s).",
            replicas.len()
        ));
    }
    if !replicas.iter().any(|id| image.broker(*id).is_some_and(|broker| broker.is_active())) {
        return refuse(format!(
            "All brokers specified in the manual partition assignment for partition {number} are \
             fenced or in controlled shutdown."
        ));
    }
    Ok(())
}

/// A partition of brokers of which one at least is active: those are in sync from the start.
pub(super) fn new_partition(image: &Image, replicas: &[i32]) -> Partition {
    let active = |id: &&i32| image.broker(**id).is_some_and(|broker| broker.is_active());
    let directory = |id: &i32| image.broker(*id).map_or(Uuid::ZERO, |b| b.directory_for_new());
    let isr: Vec<i32> = replicas.iter().filter(active).copied().collect();
    Partition {
        replicas: replicas.to_vec(),
        directories: replicas.iter().map(directory).collect(),
        leader: isr.first().copied().unwrap_or(-1),
        isr,
        removing: Vec::new(),
        adding: Vec::new(),
        elr: Vec::new(),
        last_known_elr: Vec::new(),
        recovering: false,
        leader_epoch: 0,
        partition_epoch: 0,
    }
}
