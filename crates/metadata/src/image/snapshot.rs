//! The image as records, in Kafka's order.

use klamm_protocol::messages::{
    ClientQuotaRecord, ConfigRecord, FeatureLevelRecord, ProducerIdsRecord, TopicRecord,
    ZkMigrationStateRecord, metadata_record::MetadataRecord,
};

use super::Image;
use crate::features::METADATA_VERSION;

impl Image {
    /// Records that make this image out of an empty one: of the [visible](Image::visible) state,
    /// `metadata.version` first, because it says how the others are to be read.
    pub fn snapshot(&self) -> Vec<MetadataRecord<'static>> {
        let image = self.visible();
        let mut records = Vec::new();
        image.snapshot_features(&mut records);
        records.extend(image.brokers().map(|b| MetadataRecord::RegisterBroker(b.to_record())));
        let controllers = image.controllers();
        records.extend(controllers.map(|c| MetadataRecord::RegisterController(c.to_record())));
        image.snapshot_topics(&mut records);
        image.snapshot_configs(&mut records);
        image.snapshot_quotas(&mut records);
        if image.producer_id_next >= 0 {
            records.push(MetadataRecord::ProducerIds(ProducerIdsRecord {
                broker_id: -1,
                broker_epoch: -1,
                next_producer_id: image.producer_id_next,
                ..ProducerIdsRecord::default()
            }));
        }
        let acls = image.acls().map(|acl| MetadataRecord::AccessControlEntry((**acl).clone()));
        records.extend(acls);
        records.extend(image.scram().map(|c| MetadataRecord::UserScramCredential((**c).clone())));
        let tokens = image.delegation_tokens();
        records.extend(tokens.map(|token| MetadataRecord::DelegationToken((**token).clone())));
        records
    }

    fn snapshot_features(&self, records: &mut Vec<MetadataRecord<'static>>) {
        let level = |name: &str, level: i16| {
            MetadataRecord::FeatureLevel(FeatureLevelRecord {
                name: name.to_owned().into(),
                feature_level: level,
                ..FeatureLevelRecord::default()
            })
        };
        let (first, rest): (Vec<_>, Vec<_>) =
            self.features.iter().partition(|(name, _)| *name == METADATA_VERSION);
        records.extend(first.into_iter().chain(rest).map(|(name, number)| level(name, number)));
        if self.zk_migration_state != 0 {
            records.push(MetadataRecord::ZkMigrationState(ZkMigrationStateRecord {
                zk_migration_state: self.zk_migration_state,
                ..ZkMigrationStateRecord::default()
            }));
        }
    }

    fn snapshot_topics(&self, records: &mut Vec<MetadataRecord<'static>>) {
        for topic in self.topics() {
            records.push(MetadataRecord::Topic(TopicRecord {
                name: topic.name.to_string().into(),
                topic_id: topic.id,
                ..TopicRecord::default()
            }));
            for (number, partition) in topic.partitions() {
                records.push(MetadataRecord::Partition(partition.to_record(topic.id, number)));
            }
        }
    }

    fn snapshot_configs(&self, records: &mut Vec<MetadataRecord<'static>>) {
        for (resource, map) in self.configs.iter() {
            records.extend(map.iter().map(|(name, value)| {
                MetadataRecord::Config(ConfigRecord {
                    resource_type: resource.kind.number(),
                    resource_name: resource.name.clone().into(),
                    name: name.clone().into(),
                    value: Some(value.clone().into()),
                    ..ConfigRecord::default()
                })
            }));
        }
    }

    fn snapshot_quotas(&self, records: &mut Vec<MetadataRecord<'static>>) {
        for (entity, map) in self.quotas() {
            records.extend(map.iter().map(|(key, value)| {
                MetadataRecord::ClientQuota(ClientQuotaRecord {
                    entity: entity.to_record(),
                    key: key.clone().into(),
                    value: *value,
                    remove: false,
                    ..ClientQuotaRecord::default()
                })
            }));
        }
    }
}
