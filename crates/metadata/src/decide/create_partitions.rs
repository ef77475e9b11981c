//! CreatePartitions.

use std::collections::BTreeMap;

use klamm_protocol::{
    ErrorCode,
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse,
        create_partitions_request::CreatePartitionsTopic,
        create_partitions_response::CreatePartitionsTopicResult, metadata_record::MetadataRecord,
    },
};

use super::{
    Context, Decision, Refusal,
    create_topics::{check_assignment, new_partition},
    placement,
};
use crate::{Image, Topic};

/// Decides about more partitions for topics, each by itself.
pub fn create_partitions(
    image: &Image,
    context: &mut Context<'_>,
    request: &CreatePartitionsRequest<'_>,
) -> Decision<CreatePartitionsResponse<'static>> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for topic in &request.topics {
        *times.entry(&topic.name).or_default() += 1;
    }
    let mut records = Vec::new();
    let mut results = Vec::new();
    for topic in request.topics.iter().filter(|topic| times.get(&*topic.name) == Some(&1)) {
        let grown = grow(image, context, topic);
        results.push(result(&topic.name, grown.as_ref().err()));
        records.extend(grown.unwrap_or_default());
    }
    for (name, _) in times.iter().filter(|(_, times)| **times > 1) {
        let refusal = Refusal::invalid_request("Duplicate topic name.");
        results.push(result(name, Some(&refusal)));
    }
    if request.validate_only {
        records.clear();
    }
    let response = CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() };
    Decision { records, response }
}

fn result(name: &str, refusal: Option<&Refusal>) -> CreatePartitionsTopicResult<'static> {
    CreatePartitionsTopicResult {
        name: name.to_owned().into(),
        error_code: refusal.map_or(ErrorCode::None as i16, Refusal::number),
        error_message: refusal.map(|refusal| refusal.message.clone().into()),
        ..CreatePartitionsTopicResult::default()
    }
}

fn grow(
    image: &Image,
    context: &mut Context<'_>,
    wanted: &CreatePartitionsTopic<'_>,
) -> Result<Vec<MetadataRecord<'static>>, Refusal> {
    let topic = image.topic(&wanted.name).ok_or_else(Refusal::unknown_topic)?;
    let (first, additional) = additional(topic, wanted)?;
    let factor = topic.partition(0).map_or(1, |partition| partition.replicas.len());
    let replicas = match &wanted.assignments {
        Some(assignments) => {
            if assignments.len() != additional {
                return Err(Refusal::invalid_assignment(format!(
                    "Attempted to add {additional} additional partition(s), but only {} \
                     assignment(s) were specified.",
                    assignments.len()
                )));
            }
            for (number, assignment) in (first..).zip(assignments) {
                check_assignment(image, number, &assignment.broker_ids, Some(factor))?;
            }
            assignments.iter().map(|assignment| assignment.broker_ids.clone()).collect()
        }
        None => placement::place(image, context.entropy, additional, factor)?,
    };
    let new = (first..).zip(&replicas).map(|(number, replicas)| {
        let partition = new_partition(image, replicas);
        MetadataRecord::Partition(partition.to_record(topic.id, number))
    });
    Ok(new.collect())
}

/// The number of the first new partition, and how many there are to be.
fn additional(topic: &Topic, wanted: &CreatePartitionsTopic<'_>) -> Result<(i32, usize), Refusal> {
    let now = i32::try_from(topic.partition_count()).unwrap_or(i32::MAX);
    let refuse = |text: String| Err(Refusal::new(ErrorCode::InvalidPartitions, text));
    if wanted.count == now {
        return refuse(format!("Topic already has {now} partition(s)."));
    }
    if wanted.count < now {
        let (name, count) = (&wanted.name, wanted.count);
        return refuse(format!(
            "The topic {name} currently has {now} partition(s); {count} would not be an increase."
        ));
    }
    let additional = usize::try_from(wanted.count - now).unwrap_or_default();
    if additional > super::create_topics::PARTITIONS_MAX as usize {
        let text = "Excessively large number of partitions per request.";
        return Err(Refusal::new(ErrorCode::PolicyViolation, text));
    }
    Ok((now, additional))
}
