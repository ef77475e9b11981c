//! Log directories of a broker, and moves of replicas between them (KIP-113).

use klamm_protocol::{
    messages::{
        AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, DescribeLogDirsRequest,
        DescribeLogDirsResponse,
        alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic},
        describe_log_dirs_response::DescribeLogDirsResult,
    },
    wire::VersionRange,
};

use crate::{
    Client, ClientError, TopicPartition,
    client::{Lane, Target},
};

const DESCRIBE_LOG_DIRS: VersionRange = VersionRange::new(0, 5);
const ALTER_REPLICA_LOG_DIRS: VersionRange = VersionRange::new(0, 2);

/// A log directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirDescription {
    /// Its path.
    pub path: String,
    /// Kafka's error code; 0 for a directory that is in service.
    pub error_code: i16,
    /// Size of its volume, bytes; -1 if the broker does not tell.
    pub total_bytes: i64,
    /// What may still be written there, bytes; -1 if the broker does not tell.
    pub usable_bytes: i64,
    /// Whether it takes no new partitions.
    pub is_cordoned: bool,
    /// What is in it, and what is on its way there.
    pub replicas: Vec<LogDirReplica>,
}

/// A replica in a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirReplica {
    /// Topic and partition.
    pub partition: TopicPartition,
    /// Bytes.
    pub size: i64,
    /// How many offsets are missing.
    pub offset_lag: i64,
    /// Whether it is on its way.
    pub is_future: bool,
}

impl Client {
    /// The log directories of a broker, with everything in them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn describe_log_dirs(
        &self,
        broker: i32,
    ) -> Result<Vec<LogDirDescription>, ClientError> {
        let request = DescribeLogDirsRequest { topics: None, ..DescribeLogDirsRequest::default() };
        let target = Target::Broker(broker);
        let reply = self.call(target, Lane::Main, DESCRIBE_LOG_DIRS, &request).await?;
        let answer = reply.decode::<DescribeLogDirsResponse<'_>>()?;
        ClientError::check(answer.error_code, None, || "log directories".to_owned())?;
        Ok(answer.results.iter().map(description).collect())
    }

    /// Begins to move a replica of a broker to another of its directories.
    ///
    /// # Errors
    /// [`ClientError`]; `Refused` where the directory or the replica is not there.
    pub async fn move_replica(
        &self,
        broker: i32,
        partition: &TopicPartition,
        path: &str,
    ) -> Result<(), ClientError> {
        let topic = AlterReplicaLogDirTopic {
            name: partition.topic.to_string().into(),
            partitions: vec![partition.partition],
            ..AlterReplicaLogDirTopic::default()
        };
        let dir = AlterReplicaLogDir {
            path: path.to_owned().into(),
            topics: vec![topic],
            ..AlterReplicaLogDir::default()
        };
        let request =
            AlterReplicaLogDirsRequest { dirs: vec![dir], ..AlterReplicaLogDirsRequest::default() };
        let target = Target::Broker(broker);
        let reply = self.call(target, Lane::Main, ALTER_REPLICA_LOG_DIRS, &request).await?;
        let answer = reply.decode::<AlterReplicaLogDirsResponse<'_>>()?;
        let mut results = answer.results.iter().flat_map(|topic| &topic.partitions);
        results.try_for_each(|result| {
            ClientError::check(result.error_code, None, || format!("{partition} in {path}"))
        })
    }
}

fn description(dir: &DescribeLogDirsResult<'_>) -> LogDirDescription {
    let replicas = dir.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| LogDirReplica {
            partition: TopicPartition::new(&*topic.name, partition.partition_index),
            size: partition.partition_size,
            offset_lag: partition.offset_lag,
            is_future: partition.is_future_key,
        })
    });
    LogDirDescription {
        path: dir.log_dir.to_string(),
        error_code: dir.error_code,
        total_bytes: dir.total_bytes,
        usable_bytes: dir.usable_bytes,
        is_cordoned: dir.is_cordoned,
        replicas: replicas.collect(),
    }
}
