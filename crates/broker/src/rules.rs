//! The rules of configuration keys, as the controller asks for them.

use std::{collections::BTreeMap, sync::Arc};

use klamm_config::{
    BrokerConfig, Dynamic, Effective, Map, Refusal as ConfigRefusal, Scope,
    alter::{self, Change, Operation},
    describe::Describer,
    validate::{self, RemoteStorage},
};
use klamm_metadata::{
    Image, Resource, ResourceKind,
    decide::{ConfigChange, ConfigRules, Refusal, TopicConfigEntry},
};
use klamm_protocol::ErrorCode;
use parking_lot::Mutex;

/// Tiered storage does not exist yet.
const REMOTE_STORAGE: RemoteStorage = RemoteStorage { offered: false, in_use: false };

/// Judges changes by the key registry and this node's static configuration.
#[derive(Debug)]
pub(crate) struct Rules {
    config: BrokerConfig,
    node_id: i32,
    /// What held when it was asked for last: every topic that is made asks for it.
    last: Mutex<Option<Arc<Held>>>,
}

/// What holds on the broker, with the changes at run time that make it so.
#[derive(Debug)]
struct Held {
    default: Map,
    own: Map,
    effective: Effective,
}

impl Held {
    fn dynamic(&self) -> Dynamic<'_> {
        Dynamic { default: &self.default, broker: &self.own }
    }
}

/// What is configured on a resource.
pub(crate) fn configured(image: &Image, resource: &Resource) -> Map {
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    image.config(resource).map(own).collect()
}

fn refusal(refusal: ConfigRefusal) -> Refusal {
    match refusal {
        ConfigRefusal::InvalidConfig(error) => {
            Refusal::new(ErrorCode::InvalidConfig, error.to_string())
        }
        ConfigRefusal::InvalidRequest(error) => {
            Refusal::new(ErrorCode::InvalidRequest, error.to_string())
        }
    }
}

fn scope(kind: ResourceKind) -> Scope {
    match kind {
        ResourceKind::Topic => Scope::Topic,
        ResourceKind::Group => Scope::Group,
        ResourceKind::ClientMetrics => Scope::ClientMetrics,
        _ => Scope::Broker,
    }
}

impl Rules {
    /// For a node with this static configuration.
    pub(crate) fn new(config: BrokerConfig, node_id: i32) -> Self {
        Self { config, node_id, last: Mutex::default() }
    }

    fn held(&self, image: &Image) -> Arc<Held> {
        let default = configured(image, &Resource::all_brokers());
        let own = configured(image, &Resource::broker(self.node_id));
        let mut last = self.last.lock();
        if let Some(held) = &*last
            && (&held.default, &held.own) == (&default, &own)
        {
            return Arc::clone(held);
        }
        let dynamic = Dynamic { default: &default, broker: &own };
        let effective = self.config.effective(dynamic);
        Arc::clone(last.insert(Arc::new(Held { default, own, effective })))
    }

    fn check(&self, image: &Image, resource: &Resource, new: &Map) -> Result<(), ConfigRefusal> {
        let held = self.held(image);
        match resource.kind {
            ResourceKind::Topic => validate::topic(new, &held.effective, REMOTE_STORAGE),
            ResourceKind::Group => validate::group(new, &held.effective),
            ResourceKind::ClientMetrics => validate::client_metrics(&resource.name, new),
            _ if resource.name.is_empty() => {
                validate::cluster_changes(new, &self.config, held.dynamic())
            }
            _ => validate::broker_changes(new, &self.config, held.dynamic()),
        }
    }
}

impl ConfigRules for Rules {
    fn alter(
        &self,
        image: &Image,
        resource: &Resource,
        changes: &[ConfigChange<'_>],
    ) -> Result<BTreeMap<String, String>, Refusal> {
        let changes = changes
            .iter()
            .map(|change| {
                let operation = Operation::of_wire(change.operation).ok_or_else(|| {
                    let text = format!("Unsupported operation type {}", change.operation);
                    Refusal::new(ErrorCode::InvalidRequest, text)
                })?;
                Ok(Change { name: change.name, operation, value: change.value })
            })
            .collect::<Result<Vec<_>, Refusal>>()?;
        let current = configured(image, resource);
        let new = alter::apply(scope(resource.kind), &current, &changes).map_err(refusal)?;
        self.check(image, resource, &new).map_err(refusal)?;
        Ok(new)
    }

    fn describe_topic(
        &self,
        image: &Image,
        overrides: &BTreeMap<String, String>,
    ) -> Vec<TopicConfigEntry> {
        let held = self.held(image);
        let describer = Describer { config: &self.config, dynamic: held.dynamic() };
        let entries = describer.topic_under(&held.effective, overrides).unwrap_or_default();
        let entry = |entry: klamm_config::describe::ConfigEntry| TopicConfigEntry {
            name: entry.name,
            value: entry.value,
            read_only: entry.read_only,
            source: entry.source.wire(),
            is_sensitive: entry.is_sensitive,
        };
        entries.into_iter().map(entry).collect()
    }
}
