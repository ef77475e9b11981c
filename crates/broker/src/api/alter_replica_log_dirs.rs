//! AlterReplicaLogDirs (key 34), versions 0 to 2: replicas of this broker go to other log
//! directories (KIP-113).
//!
//! Answered when the moves have begun; how far they are is told by DescribeLogDirs. A move to the
//! directory that the replica is in ends one to another. A directory for a partition that is not
//! here yet is remembered for when it comes, and answered with REPLICA_NOT_AVAILABLE, as in Kafka.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use klamm_log::{LogDir, TopicPartition};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse,
        alter_replica_log_dirs_response::{
            AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
        },
    },
};

use super::{Api, Context, Permission, QuotaClass};
use crate::{
    broker::Broker,
    moves,
    request::{Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::AlterReplicaLogDirs,
    permissions: &[Permission::ClusterAlter],
    quota: QuotaClass::Request,
    audit: Some("replica.move"),
    handle,
};

/// What a partition's name may have so that a directory on its way can have a name: 255 without
/// `.<32 hex digits>-future`.
const NAME_MAX: usize = 255 - 40;

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: AlterReplicaLogDirsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    // A partition that is named twice goes to the last directory.
    let mut wanted: BTreeMap<&str, BTreeMap<i32, &str>> = BTreeMap::new();
    for dir in &body.dirs {
        for topic in &dir.topics {
            let partitions = topic.partitions.iter().map(|index| (*index, &*dir.path));
            wanted.entry(&topic.name).or_default().extend(partitions);
        }
    }
    let results = wanted.iter().map(|(topic, partitions)| AlterReplicaLogDirTopicResult {
        topic_name: (*topic).into(),
        partitions: partitions
            .iter()
            .map(|(index, path)| {
                let name = TopicPartition::new(*topic, *index);
                let error = alter(cx.broker, &name, path).err().unwrap_or(ErrorCode::None);
                AlterReplicaLogDirPartitionResult {
                    partition_index: *index,
                    error_code: error.code(),
                    ..AlterReplicaLogDirPartitionResult::default()
                }
            })
            .collect(),
        ..AlterReplicaLogDirTopicResult::default()
    });
    Outcome::Now(request.answer(&AlterReplicaLogDirsResponse {
        results: results.collect(),
        ..AlterReplicaLogDirsResponse::default()
    }))
}

/// Begins to move a replica.
fn alter(broker: &Arc<Broker>, name: &TopicPartition, path: &str) -> Result<(), ErrorCode> {
    if name.to_string().len() > NAME_MAX {
        return Err(ErrorCode::InvalidTopicException);
    }
    let dir = online(broker, Path::new(path))?;
    if broker.logs.is_cordoned(&dir) {
        return Err(ErrorCode::InvalidReplicaAssignment);
    }
    let partition = broker.topics.partition(&name.topic, name.partition);
    if partition.as_ref().is_some_and(|partition| partition.log().is_none()) {
        return Err(ErrorCode::KafkaStorageError);
    }
    let here = broker.logs.dir_of(name).filter(|_| partition.is_some());
    let Some(here) = here else {
        broker.logs.prefer(name, &dir);
        return Err(ErrorCode::ReplicaNotAvailable);
    };
    if here.id == dir.id {
        broker.moves.cancel(name);
    } else {
        moves::start(broker, name, &dir);
    }
    Ok(())
}

/// The directory with this path.
fn online(broker: &Broker, path: &Path) -> Result<Arc<LogDir>, ErrorCode> {
    if broker.logs.left_out().iter().any(|out| out == path) {
        return Err(ErrorCode::KafkaStorageError);
    }
    let dir = broker.logs.dir_at(path).ok_or(ErrorCode::LogDirNotFound)?;
    match dir.offline_reason() {
        Some(_) => Err(ErrorCode::KafkaStorageError),
        None => Ok(Arc::clone(dir)),
    }
}
