//! Topics that were created.

use std::collections::BTreeMap;

use klamm_protocol::wire::Uuid;

use super::{Invariant, Oracle};

pub(super) const TOPICS_SURVIVE: Invariant = Invariant {
    id: "topics-survive",
    sentence: "A topic whose creation was acknowledged is there, with its id and its partitions, \
               until its deletion is asked for; one whose deletion was acknowledged is gone.",
};

/// A topic.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TopicModel {
    pub(crate) sync: bool,
    pub(crate) retention: bool,
    pub(crate) id: Option<Uuid>,
    /// How many partitions were acknowledged; 0 if not even the topic was.
    pub(crate) partitions: usize,
    pub(crate) deletion_asked: bool,
    pub(crate) deleted: bool,
}

impl Oracle {
    /// All topics of the cluster were listed, with ids and numbers of partitions.
    pub(crate) fn listed(&mut self, found: &BTreeMap<String, (Uuid, usize)>) {
        let mut wrong = Vec::new();
        for (name, topic) in &self.topics {
            let here = found.get(name);
            let is_kept = here.is_some_and(|(id, partitions)| {
                topic.id.is_none_or(|known| known == *id) && *partitions >= topic.partitions
            });
            if topic.deleted && here.is_some() {
                wrong.push(format!("{name} is there although it was deleted"));
            } else if topic.partitions > 0 && !topic.deletion_asked && !is_kept {
                wrong.push(format!("{name} is {here:?}, must be {topic:?}"));
            }
        }
        wrong.into_iter().for_each(|text| self.violate(TOPICS_SURVIVE, text));
    }
}
