//! What the controller and clients learn of this broker's log directories (KIP-858, KIP-1066): in
//! which one a replica is, which have failed, which take no new partitions.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use klamm_log::{DirId, Known, LogDir, TopicPartition};
use klamm_metadata::{Image, features};
use klamm_protocol::{
    messages::{
        AssignReplicasToDirsRequest, BrokerHeartbeatRequest,
        assign_replicas_to_dirs_request::{DirectoryData, PartitionData, TopicData},
    },
    wire::Uuid,
};
use klamm_replication::Leadership;

use crate::{
    broker::{Broker, log_config},
    partition::{Partition, Topic},
};

/// How long until the controller is told again.
const RETRY: Duration = Duration::from_millis(200);

/// What the metadata say of a partition that was found in a log directory.
pub(crate) fn known(broker: &Broker, image: &Image, name: &TopicPartition) -> Option<Known> {
    let topic = image.topic(&name.topic)?;
    let partition = topic.partition(name.partition)?;
    let config = log_config(&broker.topic_config(image, &name.topic), &broker.env);
    let dir: DirId = *partition.directory_of(broker.node_id).as_bytes();
    // The ids below 100 mean that it was lost, or never told.
    let dir = if Uuid::from_bytes(dir).as_u128() < 100 { DirId::default() } else { dir };
    Some(Known { topic_id: topic.id.to_string(), config, dir })
}

/// Adds to a heartbeat which directories are offline, and which are cordoned.
pub(crate) fn describe(broker: &Broker, request: &mut BrokerHeartbeatRequest<'static>) {
    let id = |dir: &Arc<LogDir>| Uuid::from_bytes(dir.id);
    let dirs = broker.logs.dirs().iter();
    let offline = dirs.clone().filter(|dir| dir.offline_reason().is_some());
    request.offline_log_dirs = offline.map(id).collect();
    let image = broker.quorum.image();
    let mut cordoned: Vec<Uuid> = dirs.filter(|dir| broker.logs.is_cordoned(dir)).map(id).collect();
    cordoned.sort_unstable();
    let was_told = image.broker(broker.node_id).is_some_and(|node| node.cordoned.is_some());
    // Before the settings were laid over the static ones it is not known.
    let is_started = broker.applied.get() >= 0;
    let knows = is_started && image.features().metadata_version() >= features::CORDONED_DIRECTORIES;
    if knows && (was_told || !cordoned.is_empty()) {
        request.cordoned_log_dirs = Some(cordoned);
    }
}

/// Tells the controller where these replicas are if it has something else in mind, in its own time.
/// One that moves is left to its move.
pub(crate) fn report(broker: &Arc<Broker>, names: Vec<TopicPartition>) {
    if misplaced(broker, &names).is_empty() {
        return;
    }
    let broker = Arc::clone(broker);
    tokio::spawn(async move {
        let stop = broker.stop.listen();
        let tell = async {
            loop {
                let request = request(&broker, misplaced(&broker, &names));
                if request.directories.is_empty() || tell(&broker, request).await {
                    return;
                }
                tokio::time::sleep(RETRY).await;
            }
        };
        tokio::select! {
            biased;
            () = stop.wait() => {}
            () = tell => {}
        }
    });
}

/// Tells the controller that a replica is in a directory, until it knows or `is_over`.
pub(crate) async fn assign(
    broker: &Arc<Broker>,
    name: &TopicPartition,
    dir: &LogDir,
    is_over: impl Fn() -> bool,
) {
    while !is_over() {
        let request = request(broker, vec![(name.clone(), dir.id)]);
        if request.directories.is_empty() || tell(broker, request).await {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// The replicas that are elsewhere than the metadata have them, with where they are.
fn misplaced(broker: &Broker, names: &[TopicPartition]) -> Vec<(TopicPartition, DirId)> {
    let image = broker.quorum.image();
    if image.features().metadata_version() < features::DIRECTORY_ASSIGNMENT {
        return Vec::new();
    }
    let place = |name: &TopicPartition| {
        let partition = Arc::clone(image.topic(&name.topic)?.partition(name.partition)?);
        let dir = broker.logs.dir_of(name).filter(|dir| dir.offline_reason().is_none())?;
        let is_told = *partition.directory_of(broker.node_id).as_bytes() == dir.id;
        (!is_told && broker.moves.of(name).is_none()).then(|| (name.clone(), dir.id))
    };
    names.iter().filter_map(place).collect()
}

fn request(
    broker: &Broker,
    places: Vec<(TopicPartition, DirId)>,
) -> AssignReplicasToDirsRequest<'static> {
    let image = broker.quorum.image();
    let mut by_dir: BTreeMap<DirId, BTreeMap<Uuid, Vec<i32>>> = BTreeMap::new();
    for (name, dir) in places {
        if let Some(topic) = image.topic(&name.topic) {
            by_dir.entry(dir).or_default().entry(topic.id).or_default().push(name.partition);
        }
    }
    let partition =
        |index: i32| PartitionData { partition_index: index, ..PartitionData::default() };
    let topic = |(topic_id, indexes): (Uuid, Vec<i32>)| TopicData {
        topic_id,
        partitions: indexes.into_iter().map(partition).collect(),
        ..TopicData::default()
    };
    let directories = by_dir.into_iter().map(|(dir, topics)| DirectoryData {
        id: Uuid::from_bytes(dir),
        topics: topics.into_iter().map(topic).collect(),
        ..DirectoryData::default()
    });
    AssignReplicasToDirsRequest {
        broker_id: broker.node_id,
        broker_epoch: broker.broker_epoch.load(Ordering::Acquire),
        directories: directories.collect(),
        ..AssignReplicasToDirsRequest::default()
    }
}

/// Whether the controller has heard.
async fn tell(broker: &Broker, request: AssignReplicasToDirsRequest<'static>) -> bool {
    match broker.quorum.assign_replicas_to_dirs(request).await {
        Ok(response) => {
            if response.error_code != 0 {
                tracing::warn!("directories of replicas: error {}", response.error_code);
            }
            true
        }
        Err(error) => {
            tracing::warn!("directories of replicas: {error}");
            false
        }
    }
}

/// Takes the partitions of failed directories out of service: clients hear KAFKA_STORAGE_ERROR
/// until the controller has heard of it, and then that they have no leader.
pub(crate) fn take_out_failed(broker: &Arc<Broker>, image: &Image) {
    for topic in broker.topics.all() {
        let mut partitions = Vec::clone(&topic.partitions.load());
        let mut gone = Vec::new();
        for slot in &mut partitions {
            let Some(partition) = slot.as_ref().filter(|part| is_offline(broker, part)) else {
                continue;
            };
            let offline = offline(broker, image, &topic, partition.index);
            gone.extend(slot.replace(Arc::new(offline)));
        }
        if gone.is_empty() {
            continue;
        }
        tracing::warn!("{} partitions of {} are offline", gone.len(), topic.name);
        topic.partitions.store(Arc::new(partitions));
        for partition in gone {
            partition.wake();
        }
    }
}

fn is_offline(broker: &Broker, partition: &Partition) -> bool {
    let Some(log) = partition.log() else { return false };
    let dir = broker.logs.dir_of(log.name());
    dir.is_some_and(|dir| dir.offline_reason().is_some())
}

fn offline(broker: &Broker, image: &Image, topic: &Topic, index: i32) -> Partition {
    let state = image.topic_by_id(topic.id).and_then(|topic| topic.partition(index).cloned());
    let leadership = Leadership {
        epoch: state.as_ref().map_or(0, |state| state.leader_epoch),
        replicas: state.as_ref().map_or_else(Vec::new, |state| state.replicas.to_vec()),
        isr: state.as_ref().map_or_else(Vec::new, |state| state.isr.to_vec()),
    };
    Partition::lead(index, broker.node_id, None, &leadership, 0)
}
