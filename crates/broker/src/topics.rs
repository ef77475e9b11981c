//! The topics and partitions of this broker, for look-ups by name and by id.
//!
//! Cost of a look-up: one shared lock and one hash; no allocation. Clients do not choose what is in
//! these tables freely, so a hash that is quick and seeded will do.

use std::{collections::HashMap, sync::Arc};

use foldhash::quality::RandomState;
use klamm_protocol::wire::Uuid;
use parking_lot::RwLock;

use crate::partition::{Partition, Topic};

#[derive(Debug, Default)]
struct Table {
    by_name: HashMap<String, Arc<Topic>, RandomState>,
    by_id: HashMap<Uuid, Arc<Topic>, RandomState>,
}

/// The topics of which this broker has partitions.
#[derive(Debug, Default)]
pub(crate) struct Topics(RwLock<Table>);

impl Topics {
    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<Topic>> {
        self.0.read().by_name.get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.0.read().by_id.get(&id).cloned()
    }

    pub(crate) fn partition(&self, name: &str, index: i32) -> Option<Arc<Partition>> {
        self.0.read().by_name.get(name)?.partition(index)
    }

    pub(crate) fn insert(&self, topic: Arc<Topic>) {
        let mut table = self.0.write();
        table.by_id.insert(topic.id, Arc::clone(&topic));
        table.by_name.insert(topic.name.clone(), topic);
    }

    pub(crate) fn remove(&self, name: &str) -> Option<Arc<Topic>> {
        let mut table = self.0.write();
        let topic = table.by_name.remove(name)?;
        table.by_id.remove(&topic.id);
        Some(topic)
    }

    /// All topics, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        let mut topics: Vec<Arc<Topic>> = self.0.read().by_name.values().cloned().collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        topics
    }
}
