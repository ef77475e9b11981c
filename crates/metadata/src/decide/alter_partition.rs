//! AlterPartition: the leader of a partition says who is in sync.

use klamm_protocol::{
    ErrorCode,
    messages::{
        AlterPartitionRequest, AlterPartitionResponse,
        alter_partition_request::PartitionData,
        alter_partition_response::{PartitionData as Answer, TopicData as TopicAnswer},
        metadata_record::MetadataRecord,
    },
};

use super::{
    Context, Decision, Refusal,
    brokers::current_broker,
    partition_change::{Change, Election},
};
use crate::{Image, Partition, Topic};

/// Decides about changes of ISRs, each partition by itself.
///
/// # Errors
/// `STALE_BROKER_EPOCH` for the whole request.
pub fn alter_partition(
    image: &Image,
    context: &Context<'_>,
    request: &AlterPartitionRequest<'_>,
) -> Result<Decision<AlterPartitionResponse<'static>>, Refusal> {
    current_broker(image, request.broker_id, request.broker_epoch)?;
    let mut records = Vec::new();
    let mut topics = Vec::new();
    for wanted in &request.topics {
        let topic = if wanted.topic_id.is_zero() {
            image.topic(&wanted.topic_name).ok_or(ErrorCode::UnknownTopicOrPartition)
        } else {
            image.topic_by_id(wanted.topic_id).ok_or(ErrorCode::UnknownTopicId)
        };
        let partitions = wanted.partitions.iter().map(|data| {
            let altered = topic.and_then(|topic| {
                alter(image, context, request.broker_id, topic, data, &mut records)
            });
            altered.unwrap_or_else(|code| Answer {
                partition_index: data.partition_index,
                error_code: code as i16,
                ..Answer::default()
            })
        });
        topics.push(TopicAnswer {
            topic_name: wanted.topic_name.to_string().into(),
            topic_id: wanted.topic_id,
            partitions: partitions.collect(),
            ..TopicAnswer::default()
        });
    }
    let response = AlterPartitionResponse { topics, ..AlterPartitionResponse::default() };
    Ok(Decision { records, response })
}

/// The ISR that a request of any version asks for, with the epoch of each broker if it says so.
fn wanted_isr(data: &PartitionData<'_>) -> Vec<(i32, i64)> {
    if data.new_isr_with_epochs.is_empty() {
        data.new_isr.iter().map(|id| (*id, -1)).collect()
    } else {
        data.new_isr_with_epochs.iter().map(|state| (state.broker_id, state.broker_epoch)).collect()
    }
}

fn alter(
    image: &Image,
    context: &Context<'_>,
    sender: i32,
    topic: &Topic,
    data: &PartitionData<'_>,
    records: &mut Vec<MetadataRecord<'static>>,
) -> Result<Answer<'static>, ErrorCode> {
    let number = data.partition_index;
    let partition = topic.partition(number).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let isr = wanted_isr(data);
    check(image, sender, partition, data, &isr)?;
    let active = |id: i32| image.broker(id).is_some_and(|broker| broker.is_active());
    let mut change = Change::new(partition, &active);
    change.isr = isr.into_iter().map(|(id, _)| id).collect();
    change.min_isr = context.min_isr(image, &topic.name);
    change.elr_enabled = image.features().eligible_leader_replicas();
    change.recovered = data.leader_recovery_state == 0;
    if context.elects_unclean(image, &topic.name) {
        change.election = Election::Unclean;
    }
    let record = change.build(topic.id, number);
    let after = record.as_ref().map_or_else(|| (**partition).clone(), |r| partition.merge(r));
    records.extend(record.map(MetadataRecord::PartitionChange));
    if after.leader != partition.leader {
        // The end of a reassignment took the leadership from the sender.
        return Err(ErrorCode::NewLeaderElected);
    }
    Ok(Answer {
        partition_index: number,
        error_code: ErrorCode::None as i16,
        leader_id: after.leader,
        leader_epoch: after.leader_epoch,
        isr: after.isr,
        leader_recovery_state: i8::from(after.recovering),
        partition_epoch: after.partition_epoch,
        ..Answer::default()
    })
}

fn check(
    image: &Image,
    sender: i32,
    partition: &Partition,
    data: &PartitionData<'_>,
    isr: &[(i32, i64)],
) -> Result<(), ErrorCode> {
    let members: Vec<i32> = isr.iter().map(|(id, _)| *id).collect();
    let twice = (1..members.len()).any(|at| members[..at].contains(&members[at]));
    let strangers = members.iter().any(|id| !partition.replicas.contains(id));
    let malformed =
        members.is_empty() || twice || strangers || !members.contains(&partition.leader);
    let unclean = data.leader_recovery_state == 1 && (members.len() > 1 || !partition.recovering);
    // A sender that knows more than we do knows a newer controller.
    let newer = data.leader_epoch > partition.leader_epoch
        || data.partition_epoch > partition.partition_epoch;
    if newer {
        Err(ErrorCode::NotController)
    } else if data.leader_epoch < partition.leader_epoch {
        Err(ErrorCode::FencedLeaderEpoch)
    } else if sender != partition.leader {
        Err(ErrorCode::InvalidRequest)
    } else if data.partition_epoch < partition.partition_epoch {
        Err(ErrorCode::InvalidUpdateVersion)
    } else if malformed || unclean {
        Err(ErrorCode::InvalidRequest)
    } else if !isr.iter().all(|(id, epoch)| is_eligible(image, *id, *epoch)) {
        Err(ErrorCode::IneligibleReplica)
    } else {
        Ok(())
    }
}

/// Whether a broker may join an ISR: registered in that epoch (-1 is any) and active.
fn is_eligible(image: &Image, id: i32, epoch: i64) -> bool {
    image
        .broker(id)
        .is_some_and(|broker| broker.is_active() && (epoch == -1 || broker.epoch == epoch))
}
