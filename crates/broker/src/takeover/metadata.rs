//! What the metadata says, and what of it cannot be carried over.

use std::collections::{BTreeMap, BTreeSet};

use klamm_config::{BrokerConfig, Dynamic, Effect, Map, Scope, TopicConfig, keys};
use klamm_metadata::{Image, Resource, ResourceKind, features};
use klamm_protocol::ApiKey;
use klamm_quorum::kafka::KafkaLog;

use super::{Found, MetadataFound, dirs::Dirs, settings};
use crate::rules::configured;

/// Partitions, brokers or the like that are named one by one.
const NAMED_MAX: usize = 10;

/// Whether access control lists are served, and so enforced.
pub(super) fn has_acls() -> bool {
    serves(ApiKey::DescribeAcls)
}

/// Whether this release serves an API.
pub(super) fn serves(api: ApiKey) -> bool {
    crate::APIS.iter().any(|served| served.key == api)
}

/// What a judgement goes by.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    pub(super) image: &'a Image,
    pub(super) node_id: i32,
    /// The same, unless the controller was a process of its own.
    pub(super) controller: i32,
    pub(super) config: &'a BrokerConfig,
}

impl Judge<'_> {
    pub(super) fn all(&self, log: &KafkaLog, dirs: &Dirs, found: &mut Found) {
        self.count(log, found);
        check_log(log, found);
        self.check_alone(log, found);
        self.check_features(found);
        self.check_directories(dirs, found);
        self.check_configs(found);
        self.note_security(found);
    }

    fn count(&self, log: &KafkaLog, found: &mut Found) {
        let image = self.image;
        let others =
            image.features().iter().filter(|(name, _)| *name != features::METADATA_VERSION);
        found.metadata = Some(MetadataFound {
            directory: log.dir.clone(),
            end_offset: log.end_offset,
            epoch: log.epoch,
            version: image.features().metadata_version(),
            features: others.map(|(name, level)| (name.to_owned(), level)).collect(),
        });
        found.quotas = image.quotas().count();
        found.acls = image.acls().count();
        found.delegation_tokens = image.delegation_tokens().count();
        let users: BTreeSet<String> = image.scram().map(|c| c.name.to_string()).collect();
        found.scram_users = users.into_iter().collect();
        let others = image.configured().filter(|resource| resource.kind != ResourceKind::Topic);
        found.configured = others.map(ToString::to_string).collect();
    }

    /// One broker and one controller have everything.
    fn check_alone(&self, log: &KafkaLog, found: &mut Found) {
        match &*log.voters {
            [] => found.notes.push("the metadata log does not say who its voters are".to_owned()),
            [voter] if *voter == self.controller => {}
            [voter] => found.refused.push(format!(
                "the controller is a process of its own, node {voter}: stop it as well, and name \
                 its metadata.log.dir with --controller-log-dir"
            )),
            voters => found.refused.push(format!(
                "the metadata quorum has {} voters, nodes {}: only a single one can be taken over \
                 so far",
                voters.len(),
                ids(voters)
            )),
        }
        let others = self.image.brokers().map(|broker| broker.id);
        let brokers: Vec<i32> = others.filter(|id| *id != self.node_id).collect();
        if !brokers.is_empty() {
            found.refused.push(format!(
                "other brokers are registered: nodes {}. Those that are gone for good are \
                 unregistered with `kafka-cluster.sh unregister --id N`",
                ids(&brokers)
            ));
        }
        self.check_replicas(found);
    }

    fn check_replicas(&self, found: &mut Found) {
        let mut elsewhere = Vec::new();
        for topic in self.image.topics() {
            for (index, partition) in topic.partitions() {
                if *partition.replicas != [self.node_id] {
                    let replicas = ids(&partition.replicas);
                    elsewhere.push(format!("{}-{index} on {replicas}", topic.name));
                }
            }
        }
        if !elsewhere.is_empty() {
            let count = elsewhere.len();
            found.refused.push(format!(
                "{count} partitions have replicas elsewhere: {}. Reassign them to node {} first",
                some_of(&elsewhere),
                self.node_id
            ));
        }
    }

    fn check_features(&self, found: &mut Found) {
        for (name, level) in self.image.features().iter() {
            let Some(known) = features::supported(name) else {
                found.refused.push(format!(
                    "the feature {name} is finalized at level {level}; this release does not know it"
                ));
                continue;
            };
            let (min, max) = (known.min, known.max);
            if level < min {
                found.refused.push(format!(
                    "{name} is at level {level}, this release needs {min} at least: upgrade it with \
                     `kafka-features.sh upgrade` first"
                ));
            } else if level > max {
                found.refused.push(format!(
                    "{name} is at level {level}, this release knows levels up to {max}"
                ));
            }
        }
        if self.image.features().metadata_version() == 0 {
            found.refused.push("the metadata log has no metadata.version".to_owned());
        }
    }

    /// The broker's directories as it registered them are all there.
    fn check_directories(&self, dirs: &Dirs, found: &mut Found) {
        let Some(broker) = self.image.broker(self.node_id) else { return };
        let given = dirs.ids();
        for id in &broker.directories {
            let text = id.to_string();
            if given.contains(text.as_str()) {
                continue;
            }
            let partitions = self.image.topics().flat_map(|topic| topic.partitions());
            let count = partitions.filter(|(_, p)| p.directory_of(self.node_id) == *id).count();
            found.refused.push(format!(
                "the log directory with the id {text}, which has {count} partitions, is not among \
                 those that are given"
            ));
        }
    }

    fn check_configs(&self, found: &mut Found) {
        let own = |resource: &Resource| configured(self.image, resource);
        let (default, broker) =
            (own(&Resource::all_brokers()), own(&Resource::broker(self.node_id)));
        let effective = self.config.effective(Dynamic { default: &default, broker: &broker });
        for resource in self.image.configured() {
            let values = own(resource);
            if resource.kind == ResourceKind::Topic {
                if let Err(error) = TopicConfig::resolve(&effective, &values) {
                    found.refused.push(format!("topic {}: {error}", resource.name));
                }
                if values.get("remote.storage.enable").is_some_and(|value| value == "true") {
                    found.refused.push(format!(
                        "topic {}: it has tiered storage, whose segments cannot be read: switch it \
                         off with Kafka first (remote.storage.enable=false, \
                         remote.log.delete.on.disable=true)",
                        resource.name
                    ));
                }
            }
            note_configs(resource, &values, found);
        }
    }

    fn note_security(&self, found: &mut Found) {
        let kept = &mut found.not_carried_over;
        if found.acls > 0 && !has_acls() {
            kept.push(format!(
                "{} access control entries are kept in the metadata, but nothing enforces them yet: \
                 every client may do everything",
                found.acls
            ));
        }
        if !found.scram_users.is_empty() && !serves(ApiKey::SaslAuthenticate) {
            kept.push(format!(
                "SCRAM credentials of {} users are kept in the metadata, but listeners do not \
                 authenticate yet",
                found.scram_users.len()
            ));
        }
        if found.delegation_tokens > 0 && !serves(ApiKey::CreateDelegationToken) {
            kept.push(format!(
                "{} delegation tokens are kept in the metadata, but listeners do not authenticate yet",
                found.delegation_tokens
            ));
        }
    }
}

/// What is wrong with the log itself.
fn check_log(log: &KafkaLog, found: &mut Found) {
    for unread in &log.unread {
        let (offset, error) = (unread.offset, &unread.error);
        found
            .refused
            .push(format!("the metadata record at offset {offset} cannot be read: {error}"));
    }
    for damaged in &log.damaged_snapshots {
        found.notes.push(format!("a snapshot of the metadata was passed over: {damaged}"));
    }
    if let Some(damage) = &log.damage {
        let place = format!("{}, position {}", damage.file.display(), damage.position);
        let (error, following) = (&damage.error, damage.following);
        if damage.is_torn_end {
            found.notes.push(format!(
                "the end of the metadata log was being written when Kafka died; {following} bytes \
                 are left out ({place}: {error})"
            ));
        } else {
            found.refused.push(format!(
                "the metadata log is damaged: {place}: {error}; {following} bytes follow"
            ));
        }
    }
}

/// Keys that will not do what they did.
fn note_configs(resource: &Resource, values: &Map, found: &mut Found) {
    let scope = match resource.kind {
        ResourceKind::Topic => Some(Scope::Topic),
        ResourceKind::Group => Some(Scope::Group),
        ResourceKind::ClientMetrics => Some(Scope::ClientMetrics),
        _ => None,
    };
    let mut without_effect: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in values.keys() {
        let reason = match scope {
            None => settings::reason_against(name),
            Some(scope) => match keys::find(scope, name).map(|key| key.effect) {
                Some(Effect::Honoured) => None,
                Some(Effect::Accepted(reason)) => Some(reason.to_owned()),
                Some(Effect::JvmOnly) => Some("it configures a Java process".to_owned()),
                None => Some("neither Kafka nor Klamm knows it".to_owned()),
            },
        };
        if let Some(reason) = reason {
            without_effect.entry(reason).or_default().push(name);
        }
    }
    for (reason, names) in without_effect {
        let names = names.join(", ");
        found.not_carried_over.push(format!("{resource}: {names} has no effect: {reason}"));
    }
}

fn ids(ids: &[i32]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn some_of(all: &[String]) -> String {
    let named = all[..all.len().min(NAMED_MAX)].join("; ");
    if all.len() > NAMED_MAX { format!("{named}; ...") } else { named }
}
