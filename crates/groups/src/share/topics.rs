//! The topics of which a share group has state in the store, and how far that is: being made,
//! there, or being deleted. Kafka's ShareGroupStatePartitionMetadata.

use std::collections::{BTreeMap, BTreeSet};

use klamm_metadata::Image;
use klamm_protocol::wire::Uuid;

use crate::modern::{Assignment, topics};
use crate::name::Name;

/// Partitions of a topic, with its name for those who read the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partitions {
    pub(crate) name: Name,
    pub(crate) indexes: BTreeSet<i32>,
}

/// Partitions by topic.
pub(crate) type ByTopic = BTreeMap<Uuid, Partitions>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StateTopics {
    pub(crate) initializing: ByTopic,
    pub(crate) initialized: ByTopic,
    pub(crate) deleting: BTreeMap<Uuid, Name>,
}

impl StateTopics {
    /// What of the topics named has no state yet.
    pub(crate) fn missing(&self, image: &Image, subscribed: &BTreeSet<Name>) -> ByTopic {
        let mut missing = ByTopic::new();
        for topic in subscribed.iter().filter_map(|name| image.topic(name)) {
            let known = self.initialized.get(&topic.id);
            let is_known = |index: &i32| known.is_some_and(|known| known.indexes.contains(index));
            let indexes: BTreeSet<i32> =
                topic.partitions().map(|(index, _)| index).filter(|i| !is_known(i)).collect();
            if !indexes.is_empty() {
                missing.insert(topic.id, Partitions { name: topic.name.clone(), indexes });
            }
        }
        missing
    }

    /// These are to get their state, anew if they have one.
    #[must_use]
    pub(crate) fn begun(&self, of: &ByTopic) -> Self {
        let mut next = self.clone();
        merge(&mut next.initializing, of);
        next.deleting.retain(|id, _| !of.contains_key(id));
        next
    }

    /// These have their state.
    #[must_use]
    pub(crate) fn done(&self, of: &ByTopic) -> Self {
        let mut next = self.given_up(of);
        merge(&mut next.initialized, of);
        next
    }

    /// These did not get their state.
    #[must_use]
    pub(crate) fn given_up(&self, of: &ByTopic) -> Self {
        let mut next = self.clone();
        for (id, partitions) in of {
            if let Some(begun) = next.initializing.get_mut(id) {
                begun.indexes.retain(|index| !partitions.indexes.contains(index));
            }
        }
        next.initializing.retain(|_, partitions| !partitions.indexes.is_empty());
        next
    }

    /// The state of these topics is to go.
    #[must_use]
    pub(crate) fn condemned(&self, topics: &BTreeSet<Uuid>) -> Self {
        let mut next = self.clone();
        for id in topics {
            let begun = next.initializing.remove(id).map(|of| of.name);
            let was = next.initialized.remove(id).map(|of| of.name);
            if let Some(name) = was.or(begun) {
                next.deleting.insert(*id, name);
            }
        }
        next
    }

    /// Nothing is known of these topics any more.
    #[must_use]
    pub(crate) fn forgotten(&self, topics: &BTreeSet<Uuid>) -> Self {
        let mut next = self.clone();
        next.initializing.retain(|id, _| !topics.contains(id));
        next.initialized.retain(|id, _| !topics.contains(id));
        next.deleting.retain(|id, _| !topics.contains(id));
        next
    }

    /// Everything that may have state in the store, but for topics that are gone: of those that
    /// are being deleted all partitions.
    pub(crate) fn all(&self, image: &Image) -> ByTopic {
        let mut all = self.initialized.clone();
        merge(&mut all, &self.initializing);
        for (id, name) in &self.deleting {
            let indexes = (0..topics::partition_count(image, *id)).collect();
            merge(&mut all, &ByTopic::from([(*id, Partitions { name: name.clone(), indexes })]));
        }
        all.retain(|id, _| image.topic_by_id(*id).is_some());
        all
    }

    /// Whether members may be given partitions that are not part of what they are to have.
    pub(crate) fn has_more_than<'a>(
        &self,
        subscribed: &BTreeSet<Name>,
        targets: impl Iterator<Item = &'a Assignment>,
    ) -> bool {
        let mut assigned: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
        for (topic, indexes) in targets.flat_map(|target| target.iter()) {
            assigned.entry(*topic).or_default().extend(indexes);
        }
        let mut offered = self.initialized.iter().filter(|(_, of)| subscribed.contains(&of.name));
        offered.any(|(topic, of)| assigned.get(topic) != Some(&of.indexes))
    }
}

fn merge(into: &mut ByTopic, of: &ByTopic) {
    for (id, partitions) in of {
        match into.get_mut(id) {
            Some(there) => there.indexes.extend(&partitions.indexes),
            None => drop(into.insert(*id, partitions.clone())),
        }
    }
}
