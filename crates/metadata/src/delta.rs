//! What changed between two images: what a broker has to act on.

use std::collections::BTreeSet;

use klamm_protocol::{messages::metadata_record::MetadataRecord, wire::Uuid};

use crate::{Image, Resource, ResourceKind};

/// Names what changed; the new state is in the image. Records that undo each other may still be
/// named, so a receiver compares with what it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// Topics that are new, by id.
    pub topics_created: BTreeSet<Uuid>,
    /// Topics that are gone, by id, with the names they had.
    pub topics_deleted: BTreeSet<(Uuid, String)>,
    /// Partitions that are new or changed: assignment, leader, ISR or directories.
    pub partitions_changed: BTreeSet<(Uuid, i32)>,
    /// Resources whose configuration changed, deleted topics not among them.
    pub configs_changed: BTreeSet<Resource>,
    /// Brokers that registered, changed or left.
    pub brokers_changed: BTreeSet<i32>,
    /// Whether finalized features changed.
    pub features_changed: bool,
    /// Whether client quotas changed.
    pub quotas_changed: bool,
    /// Whether access control entries changed.
    pub acls_changed: bool,
    /// Whether SCRAM credentials or delegation tokens changed.
    pub credentials_changed: bool,
}

impl Delta {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Notes what `record` is about to change in `image`; call it before applying the record.
    pub fn note(&mut self, image: &Image, record: &MetadataRecord<'_>) {
        match record {
            MetadataRecord::Topic(topic) => {
                self.topics_created.insert(topic.topic_id);
            }
            MetadataRecord::RemoveTopic(gone) => {
                if let Some(topic) = image.topic_by_id(gone.topic_id) {
                    self.forget(gone.topic_id, &topic.name);
                }
            }
            MetadataRecord::Partition(p) => {
                self.partitions_changed.insert((p.topic_id, p.partition_id));
            }
            MetadataRecord::PartitionChange(p) => {
                self.partitions_changed.insert((p.topic_id, p.partition_id));
            }
            MetadataRecord::Config(config) => {
                let kind = ResourceKind::from_number(config.resource_type);
                let name = config.resource_name.to_string();
                self.configs_changed.insert(Resource::new(kind, name));
            }
            record => self.note_rest(record),
        }
    }

    /// A topic that came and went within the delta is not worth a word.
    fn forget(&mut self, topic: Uuid, name: &str) {
        if !self.topics_created.remove(&topic) {
            self.topics_deleted.insert((topic, name.to_owned()));
        }
        self.partitions_changed.retain(|(id, _)| *id != topic);
        self.configs_changed.remove(&Resource::topic(name));
    }

    fn note_rest(&mut self, record: &MetadataRecord<'_>) {
        let broker = match record {
            MetadataRecord::RegisterBroker(record) => Some(record.broker_id),
            MetadataRecord::UnregisterBroker(record) => Some(record.broker_id),
            MetadataRecord::FenceBroker(record) => Some(record.id),
            MetadataRecord::UnfenceBroker(record) => Some(record.id),
            MetadataRecord::BrokerRegistrationChange(record) => Some(record.broker_id),
            _ => None,
        };
        self.brokers_changed.extend(broker);
        match record {
            MetadataRecord::FeatureLevel(_) => self.features_changed = true,
            MetadataRecord::ClientQuota(_) => self.quotas_changed = true,
            MetadataRecord::AccessControlEntry(_) | MetadataRecord::RemoveAccessControlEntry(_) => {
                self.acls_changed = true;
            }
            MetadataRecord::UserScramCredential(_)
            | MetadataRecord::RemoveUserScramCredential(_)
            | MetadataRecord::DelegationToken(_)
            | MetadataRecord::RemoveDelegationToken(_) => self.credentials_changed = true,
            _ => {}
        }
    }

    /// Compares two images whole: for one that was loaded from a snapshot.
    pub fn between(old: &Image, new: &Image) -> Self {
        let mut delta = Self {
            features_changed: old.features != new.features,
            quotas_changed: old.quotas != new.quotas,
            acls_changed: old.acls != new.acls,
            credentials_changed: old.scram != new.scram || old.tokens != new.tokens,
            ..Self::default()
        };
        for topic in old.topics().filter(|topic| new.topic_by_id(topic.id).is_none()) {
            delta.topics_deleted.insert((topic.id, topic.name.to_string()));
        }
        for topic in new.topics() {
            if old.topic_by_id(topic.id).is_none() {
                delta.topics_created.insert(topic.id);
            }
            let changed = topic
                .partitions()
                .filter(|(number, partition)| old.partition(topic.id, *number) != Some(*partition));
            delta.partitions_changed.extend(changed.map(|(number, _)| (topic.id, number)));
        }
        let configured = old.configured().chain(new.configured());
        let differs = |resource: &&Resource| old.configs.get(resource) != new.configs.get(resource);
        let gone = |resource: &&Resource| {
            resource.kind == ResourceKind::Topic && new.topic(&resource.name).is_none()
        };
        delta.configs_changed = configured.filter(differs).filter(|r| !gone(r)).cloned().collect();
        let ids = old.brokers.keys().chain(new.brokers.keys());
        let changed = ids.filter(|id| old.brokers.get(id) != new.brokers.get(id));
        delta.brokers_changed = changed.copied().collect();
        delta
    }

    /// Adds what changed after it.
    pub fn merge(&mut self, later: Self) {
        for (topic, name) in &later.topics_deleted {
            self.forget(*topic, name);
        }
        self.topics_created.extend(later.topics_created);
        self.partitions_changed.extend(later.partitions_changed);
        self.configs_changed.extend(later.configs_changed);
        self.brokers_changed.extend(later.brokers_changed);
        self.features_changed |= later.features_changed;
        self.quotas_changed |= later.quotas_changed;
        self.acls_changed |= later.acls_changed;
        self.credentials_changed |= later.credentials_changed;
    }
}
