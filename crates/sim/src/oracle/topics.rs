//! Topics that were created.

use std::collections::BTreeMap;

use klamm_protocol::wire::Uuid;

use super::{Invariant, Oracle, Sync};

pub(super) const TOPICS_SURVIVE: Invariant = Invariant {
    id: "topics-survive",
    sentence: "A topic whose creation was acknowledged is there, with its id and its partitions, \
               until its deletion is asked for; one whose deletion was acknowledged is gone.",
};

/// A topic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TopicModel {
    pub(crate) sync: Sync,
    pub(crate) retention: bool,
    pub(crate) id: Option<Uuid>,
    /// How many partitions were acknowledged; 0 if not even the topic was.
    pub(crate) partitions: usize,
    pub(crate) deletion_asked: bool,
    pub(crate) deleted: bool,
    /// How many topics of the name there were before.
    pub(crate) era: u64,
}

impl TopicModel {
    pub(crate) fn new(sync: Sync, retention: bool) -> Self {
        let (id, partitions) = (None, 0);
        Self { sync, retention, id, partitions, deletion_asked: false, deleted: false, era: 0 }
    }
}

impl Oracle {
    /// A topic is about to be made, perhaps with the name of one that is known to be deleted.
    pub(crate) fn creating(&mut self, name: &str, model: TopicModel) {
        self.bury(name);
        self.configs.forget(name);
        let era = self.era(name);
        self.topics.insert(name.to_owned(), TopicModel { era, ..model });
    }

    /// Old records of a topic may go by themselves from now on.
    pub(crate) fn may_forget(&mut self, name: &str) {
        self.topics.get_mut(name).into_iter().for_each(|topic| topic.retention = true);
        self.each_partition(name, |partition| partition.retention = true);
    }

    /// Whether appends to a topic are synced changes.
    pub(crate) fn syncs(&mut self, name: &str, sync: Sync) {
        self.topics.get_mut(name).into_iter().for_each(|topic| topic.sync = sync);
        self.each_partition(name, |partition| partition.sync = sync);
    }

    fn each_partition(&mut self, name: &str, change: impl FnMut(&mut super::PartitionModel)) {
        let of_it = self.partitions.iter_mut().filter(|(place, _)| place.0 == name);
        of_it.map(|(_, model)| model).for_each(change);
    }

    /// All topics of the cluster were listed, with numbers of partitions, and ids if the version
    /// has them. `asked` is what was known of them when they were asked for.
    pub(crate) fn listed(
        &mut self,
        asked: &BTreeMap<String, TopicModel>,
        found: &BTreeMap<String, (Option<Uuid>, usize)>,
    ) {
        let mut wrong = Vec::new();
        let mut ids = Vec::new();
        for (name, before) in asked {
            let now = self.topics.get(name).filter(|now| now.era == before.era);
            let (Some(now), here) = (now, found.get(name)) else { continue };
            let is_kept = here.is_some_and(|(id, partitions)| {
                before.id.is_none_or(|known| id.is_none_or(|id| known == id))
                    && *partitions >= before.partitions
            });
            if before.deleted && here.is_some() {
                wrong.push(format!("{name} is there although it was deleted"));
            } else if before.partitions > 0 && !now.deletion_asked && !is_kept {
                wrong.push(format!("{name} is {here:?}, must be {before:?}"));
            }
            ids.extend(here.and_then(|(id, _)| Some((name, (*id)?))));
        }
        wrong.into_iter().for_each(|text| self.violate(TOPICS_SURVIVE, text));
        ids.into_iter().for_each(|(name, id)| self.listed_with_id(name, id));
    }
}
