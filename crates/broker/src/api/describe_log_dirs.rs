//! DescribeLogDirs (key 35), versions 0 to 5: the log directories of this broker, what is in them,
//! and how much room their volumes have (KIP-827).
//!
//! Without a list of topics all partitions are described. A directory that failed is named with
//! error KAFKA_STORAGE_ERROR and without contents.
//!
//! Cost: one look at the size of each log asked for, on the disk's threads.
//!
//! Left out: authorization; moves between directories.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use klamm_env::disk;
use klamm_log::{Log, LogDir};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        DescribeLogDirsRequest, DescribeLogDirsResponse,
        describe_log_dirs_response::{
            DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
        },
    },
    wire::Uuid,
};

use super::{Api, Context, Permission, QuotaClass};
use crate::{
    broker::Broker,
    request::{Answer, Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::DescribeLogDirs,
    permissions: &[Permission::ClusterDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// Partitions by topic; none for all.
type Wanted = Option<BTreeMap<String, BTreeSet<i32>>>;

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: DescribeLogDirsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let wanted = wanted(&body);
    let (broker, envelope) = (Arc::clone(cx.broker), request.envelope());
    Outcome::Later(Box::pin(async move {
        let disk = Arc::clone(&broker.env.disk);
        let work = move || envelope.answer(&describe(&broker, &wanted));
        let stopped = |error| Answer::Close(format!("cannot look at the directories: {error}"));
        disk::run(&disk, work).await.unwrap_or_else(stopped)
    }))
}

fn wanted(body: &DescribeLogDirsRequest<'_>) -> Wanted {
    let mut wanted: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for topic in body.topics.as_ref()? {
        let partitions = topic.partitions.iter().copied();
        wanted.entry(topic.topic.clone().into_owned()).or_default().extend(partitions);
    }
    Some(wanted)
}

fn describe(broker: &Broker, wanted: &Wanted) -> DescribeLogDirsResponse<'static> {
    let image = broker.quorum.image();
    let node = image.broker(broker.node_id);
    let cordoned = node.and_then(|node| node.cordoned.as_deref()).unwrap_or_default();
    let dirs = broker.logs.dirs().iter().map(|dir| {
        let is_cordoned = cordoned.contains(&Uuid::from_bytes(dir.id));
        DescribeLogDirsResult { is_cordoned, ..describe_dir(broker, dir, wanted) }
    });
    DescribeLogDirsResponse { results: dirs.collect(), ..DescribeLogDirsResponse::default() }
}

fn describe_dir(broker: &Broker, dir: &LogDir, wanted: &Wanted) -> DescribeLogDirsResult<'static> {
    let log_dir = Cow::Owned(dir.path.display().to_string());
    let failed = DescribeLogDirsResult {
        error_code: ErrorCode::KafkaStorageError.code(),
        log_dir: Cow::clone(&log_dir),
        total_bytes: -1,
        usable_bytes: -1,
        ..DescribeLogDirsResult::default()
    };
    if dir.offline_reason().is_some() {
        return failed;
    }
    let space = match broker.env.disk.space(&dir.path) {
        Ok(space) => space,
        Err(error) => {
            tracing::warn!("cannot look at {}: {error}", dir.path.display());
            return failed;
        }
    };
    DescribeLogDirsResult {
        log_dir,
        topics: topics(broker.logs.logs_in(dir), wanted),
        total_bytes: signed(space.total),
        usable_bytes: signed(space.usable),
        ..DescribeLogDirsResult::default()
    }
}

/// The logs that are wanted, which come in the order of their names.
fn topics(logs: Vec<Arc<Log>>, wanted: &Wanted) -> Vec<DescribeLogDirsTopic<'static>> {
    let mut topics: Vec<DescribeLogDirsTopic<'static>> = Vec::new();
    for log in logs {
        let name = log.name();
        let is_wanted = wanted.as_ref().is_none_or(|wanted| {
            wanted.get(&name.topic).is_some_and(|indexes| indexes.contains(&name.partition))
        });
        if !is_wanted {
            continue;
        }
        let partition = DescribeLogDirsPartition {
            partition_index: name.partition,
            partition_size: signed(log.size()),
            // Behind the high watermark, by no record: this broker leads all it has.
            offset_lag: 0,
            is_future_key: false,
            ..DescribeLogDirsPartition::default()
        };
        match topics.last_mut() {
            Some(last) if last.name == name.topic => last.partitions.push(partition),
            _ => topics.push(DescribeLogDirsTopic {
                name: Cow::Owned(name.topic.clone()),
                partitions: vec![partition],
                ..DescribeLogDirsTopic::default()
            }),
        }
    }
    topics
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
