//! Bringing this broker in line with the metadata: which partitions it leads, with what settings.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use arc_swap::ArcSwap;
use klamm_env::disk;
use klamm_log::{Log, TopicPartition};
use klamm_metadata::{Delta, Image, ResourceKind, Topic as TopicImage, features::SHARE_VERSION};
use klamm_protocol::messages::{
    AlterPartitionRequest,
    alter_partition_request::{BrokerState, PartitionData, TopicData},
};
use klamm_replication::Leadership;

use crate::{
    broker::{Broker, log_config},
    directories,
    groups::OFFSETS_TOPIC,
    metrics::TopicTraffic,
    moves,
    open_logs::{Unopened, open_logs},
    partition::{Partition, Topic},
    share::store::SHARE_STATE_TOPIC,
    transactions::TRANSACTIONS_TOPIC,
};

/// Topics of the broker itself.
pub(crate) fn is_internal(topic: &str) -> bool {
    matches!(topic, OFFSETS_TOPIC | TRANSACTIONS_TOPIC | SHARE_STATE_TOPIC)
}

/// Opens all logs that the metadata knows and takes up all partitions.
pub(crate) async fn start(broker: &Arc<Broker>, image: &Arc<Image>) -> std::io::Result<()> {
    broker.reconfigure(image);
    let (source, known) = (Arc::clone(broker), Arc::clone(image));
    let config_of = move |name: &TopicPartition| directories::known(&source, &known, name);
    let threads = broker.settings.load().log.recovery_threads_per_data_dir;
    let threads = usize::try_from(threads).unwrap_or(1);
    let failed = broker.logs.open_all(threads, Arc::new(config_of)).await?;
    let mut failed: BTreeMap<TopicPartition, Unopened> =
        failed.iter().map(|(name, error)| (name.clone(), Unopened::from(error))).collect();
    let topics: Vec<_> = image.topics().cloned().collect();
    if !broker.logs.are_all_in_service() {
        failed.extend(topics.iter().flat_map(|topic| out_of_reach(broker, topic)));
    }
    for topic in topics {
        take_up(broker, image, &topic, &failed).await;
    }
    recovered(broker, image).await;
    for (name, dir) in broker.logs.take_unfinished() {
        if broker.logs.get(&name).is_some() {
            moves::start(broker, &name, &dir);
        }
    }
    Ok(())
}

/// The partitions whose logs were not found, while a directory that may hold them is out of
/// service: to begin them anew elsewhere would give out their offsets twice.
fn out_of_reach(broker: &Broker, topic: &TopicImage) -> Vec<(TopicPartition, Unopened)> {
    let led = topic.partitions().filter(|(_, state)| state.leader == broker.node_id);
    let names = led.map(|(index, _)| TopicPartition::new(topic.name.to_string(), index));
    let lost = names.filter(|name| broker.logs.get(name).is_none());
    let broken = |name: TopicPartition| {
        tracing::error!("{name} is offline: it may be in a log directory that is out of service");
        (name, Unopened::Broken)
    };
    lost.map(broken).collect()
}

/// Follows one step of the metadata.
pub(crate) async fn follow(broker: &Arc<Broker>, image: &Arc<Image>, delta: &Delta) {
    if delta.configs_changed.iter().any(|resource| resource.kind == ResourceKind::Broker) {
        broker.reconfigure(image);
        for topic in broker.topics.all() {
            reconfigure_topic(broker, image, &topic);
        }
    }
    if delta.configs_changed.iter().any(|resource| resource.kind == ResourceKind::ClientMetrics) {
        broker.telemetry.reload(image);
    }
    if delta.features_changed && image.features().level(SHARE_VERSION) == 0 {
        broker.shares.turned_off();
    }
    if delta.quotas_changed {
        broker.quotas.reload(image);
    }
    let gone: Vec<_> = delta.topics_deleted.iter().map(|(id, name)| (name.as_str(), *id)).collect();
    for (name, _) in &gone {
        give_up(broker, name).await;
    }
    if !gone.is_empty() {
        broker.groups.topics_deleted(broker, &gone);
        broker.shares.topics_deleted(broker, &gone);
    }
    let mut changed: Vec<_> = delta.topics_created.iter().copied().collect();
    changed.extend(delta.partitions_changed.iter().map(|(topic, _)| *topic));
    changed.dedup();
    for id in changed {
        if let Some(topic) = image.topic_by_id(id).cloned() {
            take_up(broker, image, &topic, &BTreeMap::new()).await;
        }
    }
    broker.groups.metadata_changed(broker, image, delta);
    for resource in delta.configs_changed.iter().filter(|r| r.kind == ResourceKind::Topic) {
        if let Some(topic) = broker.topics.by_name(&resource.name) {
            reconfigure_topic(broker, image, &topic);
        }
    }
}

/// Tries logs again for which there was no room.
pub(crate) async fn retry(broker: &Arc<Broker>, image: &Arc<Image>) {
    for id in broker.wait_for_room.topics() {
        match image.topic_by_id(id).cloned() {
            Some(topic) => take_up(broker, image, &topic, &BTreeMap::new()).await,
            None => broker.wait_for_room.forget(id),
        }
    }
}

/// Tells the controller that partitions are whole again which an unclean stop had left in doubt:
/// their logs are open, so recovery is over.
async fn recovered(broker: &Arc<Broker>, image: &Image) {
    let broker_epoch = broker.broker_epoch.load(Ordering::Acquire);
    let mine = |topic: &str, index: i32, state: &klamm_metadata::Partition| {
        let is_open = || broker.topics.partition(topic, index).is_some_and(|p| p.log().is_some());
        state.recovering && state.leader == broker.node_id && is_open()
    };
    let topics: Vec<_> = image
        .topics()
        .map(|topic| TopicData {
            topic_id: topic.id,
            partitions: topic
                .partitions()
                .filter(|(index, state)| mine(&topic.name, *index, state))
                .map(|(index, state)| whole(index, state, broker.node_id, broker_epoch))
                .collect(),
            ..TopicData::default()
        })
        .filter(|topic| !topic.partitions.is_empty())
        .collect();
    if topics.is_empty() {
        return;
    }
    let broker_id = broker.node_id;
    let request = AlterPartitionRequest {
        broker_id,
        broker_epoch,
        topics,
        ..AlterPartitionRequest::default()
    };
    if let Err(error) = broker.quorum.alter_partition(request).await {
        tracing::warn!("partitions stay marked as recovering: {error}");
    }
}

fn whole(
    index: i32,
    state: &klamm_metadata::Partition,
    broker_id: i32,
    broker_epoch: i64,
) -> PartitionData<'static> {
    let member = BrokerState { broker_id, broker_epoch, ..BrokerState::default() };
    PartitionData {
        partition_index: index,
        leader_epoch: state.leader_epoch,
        new_isr_with_epochs: vec![member],
        leader_recovery_state: 0,
        partition_epoch: state.partition_epoch,
        ..PartitionData::default()
    }
}

/// Whether this broker leads a partition, or has a replica of one without a leader.
fn is_mine(broker: &Broker, partition: &klamm_metadata::Partition) -> bool {
    let is_lost = partition.leader < 0 && partition.replicas.contains(&broker.node_id);
    partition.leader == broker.node_id || is_lost
}

/// Leads every partition of a topic that the metadata gives to this broker.
async fn take_up(
    broker: &Arc<Broker>,
    image: &Image,
    found: &Arc<TopicImage>,
    failed: &BTreeMap<TopicPartition, Unopened>,
) {
    let topic = broker.topics.by_id(found.id).unwrap_or_else(|| {
        Arc::new(Topic {
            name: found.name.to_string(),
            id: found.id,
            internal: is_internal(&found.name),
            config: ArcSwap::from_pointee(broker.topic_config(image, &found.name)),
            partitions: ArcSwap::default(),
            traffic: TopicTraffic::default(),
        })
    });
    let mut partitions = Vec::clone(&topic.partitions.load());
    let mut wanted = Vec::new();
    let mut failed = failed.clone();
    for (index, state) in found.partitions().filter(|(_, p)| is_mine(broker, p)) {
        if state.leader < 0 {
            // Its directory is lost, as far as the controller knows: it is not begun anew.
            failed.insert(TopicPartition::new(&*topic.name, index), Unopened::Broken);
        }
        let leadership = Leadership {
            epoch: state.leader_epoch,
            replicas: state.replicas.to_vec(),
            isr: state.isr.to_vec(),
        };
        let at = usize::try_from(index).unwrap_or(0);
        let waited = broker.wait_for_room.take(topic.id, index);
        match partitions.get(at) {
            Some(Some(partition)) if !waited => partition.change(&leadership),
            _ => wanted.push((index, leadership, waited)),
        }
    }
    let indexes = wanted.iter().map(|(index, ..)| *index);
    let opened = open_logs(broker, &topic, indexes, &failed).await;
    let mut new = Vec::new();
    for ((index, leadership, waited), opened) in wanted.into_iter().zip(opened) {
        match opened {
            Err(Unopened::NoRoom) => {
                if !waited {
                    tracing::warn!("{}-{index} is offline until there is room", topic.name);
                }
                broker.wait_for_room.add(topic.id, index);
            }
            Ok(_) if waited => tracing::info!("{}-{index} has found room", topic.name),
            _ => {}
        }
        let log = opened.ok();
        let partition = Arc::new(lead(broker, &topic, index, &leadership, log));
        let at = usize::try_from(index).unwrap_or(0);
        if partitions.len() <= at {
            partitions.resize(at + 1, None);
        }
        partitions[at] = Some(Arc::clone(&partition));
        new.push(partition);
    }
    topic.partitions.store(Arc::new(partitions));
    broker.topics.insert(Arc::clone(&topic));
    let name = |partition: &Arc<Partition>| Some(partition.log()?.name().clone());
    directories::report(broker, new.iter().filter_map(name).collect());
    for partition in new {
        match &*topic.name {
            OFFSETS_TOPIC => broker.groups.take_up(broker, partition),
            TRANSACTIONS_TOPIC => broker.transactions.take_up(broker, partition),
            SHARE_STATE_TOPIC => broker.shares.stores.take_up(broker, partition),
            _ => {}
        }
    }
}

fn lead(
    broker: &Broker,
    topic: &Topic,
    index: i32,
    leadership: &Leadership,
    log: Option<Arc<Log>>,
) -> Partition {
    let name = TopicPartition::new(topic.name.clone(), index);
    let dir = broker.logs.dir_of(&name);
    let checkpointed = dir.and_then(|dir| dir.checkpointed_high_watermark(&name)).unwrap_or(0);
    Partition::lead(index, broker.node_id, log, leadership, checkpointed)
}

fn reconfigure_topic(broker: &Broker, image: &Image, topic: &Topic) {
    let config = broker.topic_config(image, &topic.name);
    for partition in topic.partitions.load().iter().flatten() {
        if let Some(log) = partition.log() {
            log.set_config(log_config(&config, &broker.env));
        }
    }
    topic.config.store(Arc::new(config));
}

/// Stops leading a deleted topic; its files go after `file.delete.delay.ms`.
async fn give_up(broker: &Arc<Broker>, name: &str) {
    let Some(topic) = broker.topics.remove(name) else { return };
    match name {
        OFFSETS_TOPIC => broker.groups.give_up(broker),
        TRANSACTIONS_TOPIC => broker.transactions.give_up(),
        SHARE_STATE_TOPIC => broker.shares.stores.give_up(),
        _ => {}
    }
    let delay = topic.config.load().file_delete_delay_ms;
    let indexes: Vec<i32> =
        topic.partitions.load().iter().flatten().map(|partition| partition.index).collect();
    for index in &indexes {
        broker.moves.cancel(&TopicPartition::new(name, *index));
    }
    let (source, topic_name) = (Arc::clone(broker), name.to_owned());
    let work = move || {
        let mut dirs = Vec::new();
        for index in indexes {
            match source.logs.delete(&TopicPartition::new(topic_name.clone(), index)) {
                Ok(dir) => dirs.extend(dir),
                Err(error) => tracing::warn!("{topic_name}-{index} cannot be deleted: {error}"),
            }
        }
        if let Err(error) = source.logs.forget_deleted() {
            tracing::warn!("{topic_name} may be found once more: {error}");
        }
        dirs
    };
    let dirs = disk::run(&broker.env.disk, work).await.unwrap_or_default();
    for partition in topic.partitions.load().iter().flatten() {
        partition.wake();
    }
    delete_later(broker, dirs, delay);
}

/// Deletes files or directories after a delay, on the disk's threads.
pub(crate) fn delete_later(broker: &Arc<Broker>, paths: Vec<PathBuf>, delay_ms: i64) {
    if paths.is_empty() {
        return;
    }
    let broker = Arc::clone(broker);
    tokio::spawn(async move {
        let stop = broker.stop.listen();
        let delay = Duration::from_millis(u64::try_from(delay_ms).unwrap_or(0));
        tokio::select! {
            biased;
            () = stop.wait() => return,
            () = tokio::time::sleep(delay) => {}
        }
        let disk = Arc::clone(&broker.env.disk);
        let work = move || {
            for path in paths {
                let is_dir = disk.list(&path).is_ok();
                let gone =
                    if is_dir { disk.remove_dir_all(&path) } else { disk.remove_file(&path) };
                if let Err(error) = gone {
                    tracing::warn!("cannot delete: {error}");
                }
            }
        };
        drop(disk::run(&broker.env.disk, work).await);
    });
}

/// The overrides of a topic that the broker makes itself.
pub(crate) fn internal_topic_configs(broker: &Broker, topic: &str) -> Vec<(String, String)> {
    let settings = broker.settings.load();
    let own = |list: &[(&str, String)]| {
        list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    match topic {
        OFFSETS_TOPIC => own(&[
            ("cleanup.policy", "compact".to_owned()),
            ("compression.type", "producer".to_owned()),
            ("segment.bytes", settings.offsets.topic_segment_bytes.to_string()),
        ]),
        TRANSACTIONS_TOPIC => {
            let of = &settings.transactions;
            // One that asks for more replicas than there are could never be written.
            let replicas = of.topic_replication_factor.min(replicas_max(broker));
            own(&[
                ("cleanup.policy", "compact".to_owned()),
                ("compression.type", "uncompressed".to_owned()),
                ("min.insync.replicas", of.topic_min_isr.min(replicas.into()).to_string()),
                ("segment.bytes", of.topic_segment_bytes.to_string()),
                ("unclean.leader.election.enable", "false".to_owned()),
            ])
        }
        SHARE_STATE_TOPIC => {
            let of = &settings.share_state;
            let replicas = of.topic_replication_factor.min(replicas_max(broker));
            own(&[
                ("cleanup.policy", "delete".to_owned()),
                ("compression.type", "uncompressed".to_owned()),
                ("min.insync.replicas", of.topic_min_isr.min(replicas.into()).to_string()),
                // What is not needed any more is deleted by its coordinator.
                ("retention.ms", "-1".to_owned()),
                ("segment.bytes", of.topic_segment_bytes.to_string()),
            ])
        }
        _ => Vec::new(),
    }
}

/// The most replicas that a topic of the broker's own gets: no more than there are brokers, as one
/// node must serve groups and transactions as well.
pub(crate) fn replicas_max(broker: &Broker) -> i16 {
    let brokers = broker.quorum.image().brokers().filter(|broker| broker.is_active()).count();
    i16::try_from(brokers).unwrap_or(i16::MAX).max(1)
}
