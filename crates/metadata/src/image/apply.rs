//! What each record does to the image.

use std::sync::Arc;

use klamm_protocol::messages::{
    BrokerRegistrationChangeRecord, ClearElrRecord, ClientQuotaRecord, ConfigRecord,
    PartitionChangeRecord, metadata_record::MetadataRecord,
};

use super::{
    Broker, Controller, Image, Map, Partition, QuotaEntity, Resource, ResourceKind, ScramKey,
};

impl Image {
    /// Applies a record of the metadata log or of a snapshot.
    pub fn apply(&mut self, record: &MetadataRecord<'_>) {
        match record {
            MetadataRecord::BeginTransaction(_) => {
                let before = self.visible().clone();
                self.before_transaction = Some(Arc::new(before));
            }
            MetadataRecord::EndTransaction(_) => self.before_transaction = None,
            MetadataRecord::AbortTransaction(_) => {
                if let Some(before) = self.before_transaction.take() {
                    *self = Arc::unwrap_or_clone(before);
                }
            }
            MetadataRecord::NoOp(_) => {}
            MetadataRecord::ZkMigrationState(state) => {
                self.zk_migration_state = state.zk_migration_state;
            }
            MetadataRecord::FeatureLevel(level) => {
                self.features.set(&level.name, level.feature_level)
            }
            MetadataRecord::ProducerIds(block) => self.producer_id_next = block.next_producer_id,
            MetadataRecord::Config(config) => self.apply_config(config),
            record => {
                self.apply_cluster(record);
                self.apply_topics(record);
                self.apply_security(record);
            }
        }
    }

    fn apply_cluster(&mut self, record: &MetadataRecord<'_>) {
        match record {
            MetadataRecord::RegisterBroker(broker) => {
                self.brokers.insert_mut(broker.broker_id, Arc::new(Broker::from_record(broker)));
            }
            MetadataRecord::UnregisterBroker(gone) => {
                let epoch = self.brokers.get(&gone.broker_id).map(|broker| broker.epoch);
                if epoch == Some(gone.broker_epoch) {
                    self.brokers.remove_mut(&gone.broker_id);
                }
            }
            MetadataRecord::FenceBroker(fence) => {
                self.change_broker(fence.id, fence.epoch, |broker| broker.fenced = true);
            }
            MetadataRecord::UnfenceBroker(unfence) => {
                self.change_broker(unfence.id, unfence.epoch, |broker| broker.fenced = false);
            }
            MetadataRecord::BrokerRegistrationChange(change) => self.change_registration(change),
            MetadataRecord::RegisterController(record) => {
                let controller = Controller::from_record(record);
                self.controllers.insert_mut(record.controller_id, Arc::new(controller));
            }
            _ => {}
        }
    }

    fn change_registration(&mut self, change: &BrokerRegistrationChangeRecord<'_>) {
        self.change_broker(change.broker_id, change.broker_epoch, |broker| broker.change(change));
    }

    fn change_broker(&mut self, id: i32, epoch: i64, change: impl FnOnce(&mut Broker)) {
        if let Some(broker) = self.brokers.get_mut(&id)
            && broker.epoch == epoch
        {
            change(Arc::make_mut(broker));
        }
    }

    fn apply_topics(&mut self, record: &MetadataRecord<'_>) {
        match record {
            MetadataRecord::Topic(topic) => self.topics.insert(&topic.name, topic.topic_id),
            MetadataRecord::RemoveTopic(gone) => {
                if let Some(topic) = self.topics.remove(gone.topic_id) {
                    self.configs.remove_mut(&Resource::topic(&*topic.name));
                }
            }
            MetadataRecord::Partition(partition) => {
                let (topic, number) = (partition.topic_id, partition.partition_id);
                self.topics.set_partition(topic, number, Partition::from_record(partition));
            }
            MetadataRecord::PartitionChange(change) => self.change_partition(change),
            MetadataRecord::ClearElr(clear) => self.clear_elr(clear),
            _ => {}
        }
    }

    fn change_partition(&mut self, change: &PartitionChangeRecord<'_>) {
        if let Some(partition) = self.partition(change.topic_id, change.partition_id) {
            let merged = partition.merge(change);
            self.topics.set_partition(change.topic_id, change.partition_id, merged);
        }
    }

    /// An empty name clears the ELRs of all topics.
    fn clear_elr(&mut self, clear: &ClearElrRecord<'_>) {
        let named = |name: &str| clear.topic_name.is_empty() || clear.topic_name == name;
        let mut cleared = Vec::new();
        for topic in self.topics.iter().filter(|topic| named(&topic.name)) {
            for (number, partition) in topic.partitions() {
                if !partition.elr.is_empty() || !partition.last_known_elr.is_empty() {
                    cleared.push((topic.id, number, Arc::clone(partition)));
                }
            }
        }
        for (topic, number, partition) in cleared {
            let mut partition = Arc::unwrap_or_clone(partition);
            partition.elr.clear();
            partition.last_known_elr.clear();
            self.topics.set_partition(topic, number, partition);
        }
    }

    /// A config without a value is taken away.
    fn apply_config(&mut self, record: &ConfigRecord<'_>) {
        let kind = ResourceKind::from_number(record.resource_type);
        let resource = Resource::new(kind, record.resource_name.to_string());
        let mut map = self.configs.get(&resource).cloned().unwrap_or_else(Map::new_sync);
        match &record.value {
            Some(value) => map.insert_mut(record.name.to_string(), value.to_string()),
            None => {
                map.remove_mut(&*record.name);
            }
        }
        set_or_remove(&mut self.configs, resource, map);
    }

    fn apply_security(&mut self, record: &MetadataRecord<'_>) {
        match record {
            MetadataRecord::AccessControlEntry(entry) => {
                self.acls.insert_mut(entry.id, Arc::new(entry.clone().into_static()));
            }
            MetadataRecord::RemoveAccessControlEntry(gone) => {
                self.acls.remove_mut(&gone.id);
            }
            MetadataRecord::UserScramCredential(credential) => {
                let key =
                    ScramKey { mechanism: credential.mechanism, user: credential.name.to_string() };
                self.scram.insert_mut(key, Arc::new(credential.clone().into_static()));
            }
            MetadataRecord::RemoveUserScramCredential(gone) => {
                let key = ScramKey { mechanism: gone.mechanism, user: gone.name.to_string() };
                self.scram.remove_mut(&key);
            }
            MetadataRecord::DelegationToken(token) => {
                let id = token.token_id.to_string();
                self.tokens.insert_mut(id, Arc::new(token.clone().into_static()));
            }
            MetadataRecord::RemoveDelegationToken(gone) => {
                self.tokens.remove_mut(&*gone.token_id);
            }
            MetadataRecord::ClientQuota(quota) => self.apply_quota(quota),
            _ => {}
        }
    }

    fn apply_quota(&mut self, record: &ClientQuotaRecord<'_>) {
        let entity = QuotaEntity::from_record(&record.entity);
        let mut map = self.quotas.get(&entity).cloned().unwrap_or_else(Map::new_sync);
        if record.remove {
            map.remove_mut(&*record.key);
        } else {
            map.insert_mut(record.key.to_string(), record.value);
        }
        set_or_remove(&mut self.quotas, entity, map);
    }
}

/// A table has no empty entries, so that an image does not depend on how it came about.
fn set_or_remove<K: Ord, V>(table: &mut Map<K, Map<String, V>>, key: K, map: Map<String, V>) {
    if map.is_empty() {
        table.remove_mut(&key);
    } else {
        table.insert_mut(key, map);
    }
}
