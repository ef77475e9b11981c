//! AssignReplicasToDirs: a broker says in which log directory it keeps its replicas (KIP-858).

use klamm_protocol::{
    ErrorCode,
    messages::{
        AssignReplicasToDirsRequest, AssignReplicasToDirsResponse,
        assign_replicas_to_dirs_response::{
            DirectoryData as Answer, PartitionData as PartitionAnswer, TopicData as TopicAnswer,
        },
        metadata_record::MetadataRecord,
    },
    wire::Uuid,
};

use super::{Decision, Refusal, brokers::current_broker, partition_change::Change};
use crate::{Broker, Image};

/// Decides about the directories of a broker's replicas, each partition by itself.
///
/// # Errors
/// `STALE_BROKER_EPOCH` for the whole request.
pub fn assign_replicas_to_dirs(
    image: &Image,
    request: &AssignReplicasToDirsRequest<'_>,
) -> Result<Decision<AssignReplicasToDirsResponse<'static>>, Refusal> {
    let broker = current_broker(image, request.broker_id, request.broker_epoch)?;
    let mut records = Vec::new();
    let directories = request.directories.iter().map(|dir| Answer {
        id: dir.id,
        topics: dir
            .topics
            .iter()
            .map(|topic| TopicAnswer {
                topic_id: topic.topic_id,
                partitions: topic
                    .partitions
                    .iter()
                    .map(|partition| {
                        let number = partition.partition_index;
                        let assigned = assign(image, broker, dir.id, topic.topic_id, number);
                        let code = assigned.as_ref().err().copied().unwrap_or(ErrorCode::None);
                        records.extend(assigned.ok().flatten());
                        PartitionAnswer {
                            partition_index: number,
                            error_code: code as i16,
                            ..PartitionAnswer::default()
                        }
                    })
                    .collect(),
                ..TopicAnswer::default()
            })
            .collect(),
        ..Answer::default()
    });
    let response = AssignReplicasToDirsResponse {
        directories: directories.collect(),
        ..AssignReplicasToDirsResponse::default()
    };
    Ok(Decision { records, response })
}

fn assign(
    image: &Image,
    broker: &Broker,
    dir: Uuid,
    topic: Uuid,
    number: i32,
) -> Result<Option<MetadataRecord<'static>>, ErrorCode> {
    let topic = image.topic_by_id(topic).ok_or(ErrorCode::UnknownTopicId)?;
    let partition = topic.partition(number).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let replica = partition.replicas.iter().position(|id| *id == broker.id);
    let replica = replica.ok_or(ErrorCode::NotLeaderOrFollower)?;
    let mut directories = partition.directories.clone();
    directories.resize(partition.replicas.len(), Uuid::ZERO);
    directories[replica] = dir;
    let active = |id: i32| image.broker(id).is_some_and(|broker| broker.is_active());
    let mut change = Change::new(partition, &active);
    change.elr_enabled = image.features().eligible_leader_replicas();
    change.directories = Some(directories);
    Ok(change.build(topic.id, number).map(MetadataRecord::PartitionChange))
}
