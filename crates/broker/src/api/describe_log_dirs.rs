//! DescribeLogDirs (key 35), versions 0 to 5: the log directories of this broker, what is in them,
//! and how much room their volumes have (KIP-827).
//!
//! Without a list of topics all partitions are described. A directory that failed is named with
//! error KAFKA_STORAGE_ERROR and without contents. A replica that is on its way is described twice:
//! where it is, and, as a future replica with its lag, where it goes.
//!
//! Cost: one look at the size of each log asked for, on the disk's threads.
//!
//! Left out: authorization.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use klamm_env::disk;
use klamm_log::{LogDir, TopicPartition};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        DescribeLogDirsRequest, DescribeLogDirsResponse,
        describe_log_dirs_response::{
            DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
        },
    },
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
    let dirs = broker.logs.dirs().iter().map(|dir| describe_dir(broker, dir, wanted));
    let left_out = broker.logs.left_out().iter().map(|path| failed(path));
    DescribeLogDirsResponse {
        results: dirs.chain(left_out).collect(),
        ..DescribeLogDirsResponse::default()
    }
}

fn failed(path: &Path) -> DescribeLogDirsResult<'static> {
    DescribeLogDirsResult {
        error_code: ErrorCode::KafkaStorageError.code(),
        log_dir: Cow::Owned(path.display().to_string()),
        total_bytes: -1,
        usable_bytes: -1,
        ..DescribeLogDirsResult::default()
    }
}

fn describe_dir(broker: &Broker, dir: &LogDir, wanted: &Wanted) -> DescribeLogDirsResult<'static> {
    if dir.offline_reason().is_some() {
        return failed(&dir.path);
    }
    let space = match broker.env.disk.space(&dir.path) {
        Ok(space) => space,
        Err(error) => {
            tracing::warn!("cannot look at {}: {error}", dir.path.display());
            return failed(&dir.path);
        }
    };
    DescribeLogDirsResult {
        log_dir: Cow::Owned(dir.path.display().to_string()),
        topics: topics(replicas(broker, dir), wanted),
        total_bytes: signed(space.total),
        usable_bytes: signed(space.usable),
        is_cordoned: broker.logs.is_cordoned(dir),
        ..DescribeLogDirsResult::default()
    }
}

/// What is in a directory, and what is on its way there, in the order of the names.
fn replicas(
    broker: &Broker,
    dir: &LogDir,
) -> BTreeMap<TopicPartition, DescribeLogDirsPartition<'static>> {
    let here = broker.logs.logs_in(dir).into_iter().map(|log| {
        let partition = DescribeLogDirsPartition {
            partition_index: log.name().partition,
            partition_size: signed(log.size()),
            // Behind the high watermark, by no record: this broker leads all it has.
            offset_lag: 0,
            is_future_key: false,
            ..DescribeLogDirsPartition::default()
        };
        (log.name().clone(), partition)
    });
    let coming = broker.moves.to(dir).into_iter().map(|(name, moving)| {
        let partition = DescribeLogDirsPartition {
            partition_index: name.partition,
            partition_size: signed(moving.bytes.load(Ordering::Relaxed)),
            offset_lag: moving.lag.load(Ordering::Relaxed),
            is_future_key: true,
            ..DescribeLogDirsPartition::default()
        };
        (name, partition)
    });
    // One that has just arrived is no longer on its way.
    coming.chain(here).collect()
}

/// The replicas that are wanted.
fn topics(
    replicas: BTreeMap<TopicPartition, DescribeLogDirsPartition<'static>>,
    wanted: &Wanted,
) -> Vec<DescribeLogDirsTopic<'static>> {
    let mut topics: Vec<DescribeLogDirsTopic<'static>> = Vec::new();
    for (name, partition) in replicas {
        let is_wanted = wanted.as_ref().is_none_or(|wanted| {
            wanted.get(&name.topic).is_some_and(|indexes| indexes.contains(&name.partition))
        });
        if !is_wanted {
            continue;
        }
        match topics.last_mut() {
            Some(last) if last.name == name.topic => last.partitions.push(partition),
            _ => topics.push(DescribeLogDirsTopic {
                name: Cow::Owned(name.topic),
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
