//! Opening the logs of partitions; again and again where the volume had no room for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use klamm_env::disk;
use klamm_log::{Log, OpenError, TopicPartition};
use klamm_protocol::wire::Uuid;
use parking_lot::Mutex;

use crate::{
    broker::{Broker, log_config},
    partition::Topic,
};

/// How long until logs are tried again for which there was no room.
const RETRY: Duration = Duration::from_secs(1);

/// Why a partition has no log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// The volume is full: it is tried again.
    NoRoom,
    /// Until the next start.
    Broken,
}

impl From<&OpenError> for Unopened {
    fn from(error: &OpenError) -> Self {
        match error {
            OpenError::Io(error) if disk::is_full(error) => Self::NoRoom,
            _ => Self::Broken,
        }
    }
}

/// The partitions that wait for room, by topic id.
#[derive(Debug, Default)]
pub(crate) struct WaitForRoom(Mutex<BTreeSet<(Uuid, i32)>>);

impl WaitForRoom {
    pub(crate) fn add(&self, topic: Uuid, index: i32) {
        self.0.lock().insert((topic, index));
    }

    /// Whether the partition waits; from now on it does not.
    pub(crate) fn take(&self, topic: Uuid, index: i32) -> bool {
        self.0.lock().remove(&(topic, index))
    }

    /// The topics that have partitions which wait.
    pub(crate) fn topics(&self) -> BTreeSet<Uuid> {
        self.0.lock().iter().map(|(topic, _)| *topic).collect()
    }

    /// Forgets the partitions of a topic.
    pub(crate) fn forget(&self, topic: Uuid) {
        self.0.lock().retain(|(other, _)| *other != topic);
    }

    /// Ends when it is time to try again; never if nobody waits.
    pub(crate) async fn retry(&self) {
        if self.0.lock().is_empty() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Opens logs, or makes them, unless they are known to have failed. In the order asked.
pub(crate) async fn open_logs(
    broker: &Arc<Broker>,
    topic: &Arc<Topic>,
    indexes: impl Iterator<Item = i32>,
    failed: &BTreeMap<TopicPartition, Unopened>,
) -> Vec<Result<Arc<Log>, Unopened>> {
    let named = indexes.map(|index| TopicPartition::new(topic.name.clone(), index));
    let wanted: Vec<(TopicPartition, Option<Unopened>)> =
        named.map(|name| (name.clone(), failed.get(&name).copied())).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let count = wanted.len();
    let (source, topic) = (Arc::clone(broker), Arc::clone(topic));
    let work = move || {
        let open = |(name, failed): &(TopicPartition, Option<Unopened>)| match failed {
            Some(failed) => Err(*failed),
            None => open_log(&source, &topic, name),
        };
        wanted.iter().map(open).collect()
    };
    disk::run(&broker.env.disk, work).await.unwrap_or_else(|_| vec![Err(Unopened::Broken); count])
}

fn open_log(broker: &Broker, topic: &Topic, name: &TopicPartition) -> Result<Arc<Log>, Unopened> {
    let open = || {
        let id = topic.id.to_string();
        broker.logs.set_former_aside(name, &id)?;
        let config = log_config(&topic.config.load(), &broker.env);
        let (log, _) = broker.logs.open_or_create(name, config)?;
        log.write_partition_metadata(&id)?;
        sync_what_was_found(&log)?;
        Ok(log)
    };
    open().map_err(|error: OpenError| {
        let unopened = Unopened::from(&error);
        match unopened {
            Unopened::NoRoom => tracing::debug!("{name} waits for room: {error}"),
            Unopened::Broken => tracing::error!("{name} is offline: {error}"),
        }
        unopened
    })
}

/// Where every append must be synced to count, so must be what recovery found.
fn sync_what_was_found(log: &Log) -> std::io::Result<()> {
    if log.config().sync_each_append() && log.recovery_point() < log.end_offset() {
        return log.flush_now();
    }
    Ok(())
}
