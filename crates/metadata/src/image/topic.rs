//! Topics and partitions.

use std::sync::Arc;

use klamm_protocol::{
    messages::{PartitionChangeRecord, PartitionRecord},
    wire::Uuid,
};

use super::Map;

/// Broker ids in the order that matters: the first replica is the preferred leader.
pub type Replicas = Vec<i32>;

/// In a PartitionChangeRecord: the leader stays, and so does its epoch.
pub(crate) const NO_LEADER_CHANGE: i32 = -2;

/// A partition's assignment and leadership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Brokers that hold it.
    pub replicas: Replicas,
    /// The directory of each replica, in the order of `replicas`; zero where the broker chooses.
    pub directories: Vec<Uuid>,
    /// Brokers whose copy is complete.
    pub isr: Replicas,
    /// Replicas that a reassignment takes away.
    pub removing: Replicas,
    /// Replicas that a reassignment adds.
    pub adding: Replicas,
    /// Replicas outside of the ISR that still have all committed records (KIP-966).
    pub elr: Replicas,
    /// Members of the ELR that lost it by an unclean stop, or the last leader.
    pub last_known_elr: Replicas,
    /// The leader; -1 if there is none.
    pub leader: i32,
    /// Whether the leader was elected outside of ISR and ELR and has not recovered yet.
    pub recovering: bool,
    /// Raised with every change of the leader.
    pub leader_epoch: i32,
    /// Raised with every change.
    pub partition_epoch: i32,
}

impl Partition {
    pub(super) fn from_record(record: &PartitionRecord<'_>) -> Self {
        let directories = if record.directories.is_empty() {
            vec![Uuid::ZERO; record.replicas.len()]
        } else {
            record.directories.clone()
        };
        Self {
            replicas: record.replicas.clone(),
            directories,
            isr: record.isr.clone(),
            removing: record.removing_replicas.clone(),
            adding: record.adding_replicas.clone(),
            elr: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            leader: record.leader,
            recovering: record.leader_recovery_state == 1,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        }
    }

    pub(crate) fn to_record(&self, topic: Uuid, partition: i32) -> PartitionRecord<'static> {
        let some = |list: &Replicas| (!list.is_empty()).then(|| list.clone());
        PartitionRecord {
            partition_id: partition,
            topic_id: topic,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing.clone(),
            adding_replicas: self.adding.clone(),
            leader: self.leader,
            leader_recovery_state: i8::from(self.recovering),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: self.directories.clone(),
            eligible_leader_replicas: some(&self.elr),
            last_known_elr: some(&self.last_known_elr),
            ..PartitionRecord::default()
        }
    }

    /// What Kafka's `PartitionRegistration.merge` does.
    pub(crate) fn merge(&self, record: &PartitionChangeRecord<'_>) -> Self {
        let or =
            |new: &Option<Vec<i32>>, old: &Replicas| new.clone().unwrap_or_else(|| old.clone());
        let replicas = or(&record.replicas, &self.replicas);
        let directories = match &record.directories {
            Some(directories) => directories.clone(),
            None => replicas.iter().map(|id| self.directory_of(*id)).collect(),
        };
        let (leader, leader_epoch) = match record.leader {
            NO_LEADER_CHANGE => (self.leader, self.leader_epoch),
            leader => (leader, self.leader_epoch.wrapping_add(1)),
        };
        Self {
            directories,
            isr: or(&record.isr, &self.isr),
            removing: or(&record.removing_replicas, &self.removing),
            adding: or(&record.adding_replicas, &self.adding),
            elr: or(&record.eligible_leader_replicas, &self.elr),
            last_known_elr: or(&record.last_known_elr, &self.last_known_elr),
            leader,
            recovering: match record.leader_recovery_state {
                -1 => self.recovering,
                state => state == 1,
            },
            leader_epoch,
            partition_epoch: self.partition_epoch.wrapping_add(1),
            replicas,
        }
    }

    /// The log directory of a replica; zero if it is not known.
    pub fn directory_of(&self, broker: i32) -> Uuid {
        let at = self.replicas.iter().position(|id| *id == broker);
        at.and_then(|at| self.directories.get(at)).copied().unwrap_or(Uuid::ZERO)
    }

    /// Whether replicas are being added or removed.
    pub fn is_reassigning(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }
}

/// A topic with its partitions.
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    /// Name.
    pub name: Arc<str>,
    /// Id, never used again after the topic's deletion.
    pub id: Uuid,
    pub(super) partitions: Map<i32, Arc<Partition>>,
}

impl Topic {
    /// Partitions by number.
    pub fn partitions(&self) -> impl Iterator<Item = (i32, &Arc<Partition>)> {
        self.partitions.iter().map(|(number, partition)| (*number, partition))
    }

    /// One partition.
    pub fn partition(&self, number: i32) -> Option<&Arc<Partition>> {
        self.partitions.get(&number)
    }

    /// How many partitions it has.
    pub fn partition_count(&self) -> usize {
        self.partitions.size()
    }
}

/// All topics, by id and by name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Topics {
    by_id: Map<Uuid, Arc<Topic>>,
    by_name: Map<Arc<str>, Uuid>,
    /// Names with a `.` or `_`, by what metrics make of them: both characters become one.
    colliding: Map<String, Map<Arc<str>, ()>>,
}

impl Default for Topics {
    fn default() -> Self {
        Self { by_id: Map::new_sync(), by_name: Map::new_sync(), colliding: Map::new_sync() }
    }
}

/// The name as Kafka's metrics show it, if it has characters that they confuse.
fn confusable(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

impl Topics {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values().filter_map(|id| self.by_id.get(id))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.size()
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_id.get(self.by_name.get(name)?)
    }

    /// A topic whose name cannot be told from `name` in metrics.
    pub(crate) fn collision(&self, name: &str) -> Option<&str> {
        let names = self.colliding.get(&confusable(name)?)?;
        names.keys().map(|name| &**name).next()
    }

    pub(super) fn insert(&mut self, name: &str, id: Uuid) {
        if self.by_id.contains_key(&id) {
            return;
        }
        if let Some(old) = self.by_name.get(name).copied() {
            self.remove(old);
        }
        let name: Arc<str> = name.into();
        if let Some(unified) = confusable(&name) {
            let mut names = self.colliding.get(&unified).cloned().unwrap_or_else(Map::new_sync);
            names.insert_mut(Arc::clone(&name), ());
            self.colliding.insert_mut(unified, names);
        }
        self.by_name.insert_mut(Arc::clone(&name), id);
        self.by_id.insert_mut(id, Arc::new(Topic { name, id, partitions: Map::new_sync() }));
    }

    pub(super) fn remove(&mut self, id: Uuid) -> Option<Arc<Topic>> {
        let topic = Arc::clone(self.by_id.get(&id)?);
        self.by_id.remove_mut(&id);
        self.by_name.remove_mut(&topic.name);
        if let Some(unified) = confusable(&topic.name)
            && let Some(names) = self.colliding.get_mut(&unified)
        {
            names.remove_mut(&topic.name);
            if names.is_empty() {
                self.colliding.remove_mut(&unified);
            }
        }
        Some(topic)
    }

    pub(super) fn set_partition(&mut self, topic: Uuid, number: i32, partition: Partition) {
        if let Some(topic) = self.by_id.get_mut(&topic) {
            Arc::make_mut(topic).partitions.insert_mut(number, Arc::new(partition));
        }
    }
}
