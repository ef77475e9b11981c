//! A topic that takes the name of a deleted one.

use std::collections::{BTreeMap, BTreeSet};

use klamm_protocol::wire::Uuid;

use super::{Asked, Batch, Invariant, Oracle, PartitionModel, Place, Sync};

pub(super) const RECREATED_IS_NEW: Invariant = Invariant {
    id: "recreated-is-new",
    sentence: "A topic that takes the name of a deleted one has another id and none of its records.",
};

/// Topics that have gone, by name.
#[derive(Debug, Default)]
pub(crate) struct Buried {
    /// How many there were.
    count: u64,
    ids: BTreeSet<Uuid>,
    /// By partition, what may still come to a new topic because it was sent to the name.
    carried: BTreeMap<i32, BTreeMap<u64, Batch>>,
}

impl Oracle {
    /// How many topics of this name have gone.
    pub(crate) fn era(&self, topic: &str) -> u64 {
        self.buried.get(topic).map_or(0, |buried| buried.count)
    }

    /// What is known of a partition now, when something is about to be asked of it.
    pub(crate) fn asked(&mut self, place: &Place) -> Asked {
        let era = self.era(&place.0);
        let model = self.partition(place);
        let (high_watermark, start, sync) = (model.high_watermark, model.start, model.sync);
        Asked { era, high_watermark, start, sync }
    }

    /// Whether an answer is about the topic that has the name now.
    pub(crate) fn is_of_now(&self, place: &Place, asked: &Asked) -> bool {
        self.era(&place.0) == asked.era
    }

    /// A topic that is known to be deleted is about to be made again.
    pub(super) fn bury(&mut self, topic: &str) {
        let Some(gone) = self.topics.remove(topic) else { return };
        let buried = self.buried.entry(topic.to_owned()).or_default();
        buried.count += 1;
        buried.ids.extend(gone.id);
        let (of_it, others) =
            std::mem::take(&mut self.partitions).into_iter().partition(|(p, _)| p.0 == topic);
        self.partitions = others;
        let of_it: BTreeMap<Place, PartitionModel> = of_it;
        for ((_, index), model) in of_it {
            let open = model.sent.into_iter().filter(|(id, _)| model.open.contains_key(id));
            buried.carried.entry(index).or_default().extend(open);
        }
    }

    /// The model of a partition that was not heard of before.
    pub(super) fn new_partition(&self, place: &Place) -> PartitionModel {
        let settings = self.topics.get(&place.0).map(|topic| (topic.sync, topic.retention));
        let (sync, retention) = settings.unwrap_or((Sync::No, false));
        let mut model = PartitionModel::new(sync, retention);
        if let Some(carried) = self.buried.get(&place.0).and_then(|b| b.carried.get(&place.1)) {
            model.sent.clone_from(carried);
        }
        model
    }

    /// Records were given for a topic id.
    pub(crate) fn read_by_id(&mut self, topic: &str, id: Uuid) {
        if self.buried.get(topic).is_some_and(|buried| buried.ids.contains(&id)) {
            self.violate(
                RECREATED_IS_NEW,
                format!("{topic} is read by the id {id} of a former one"),
            );
        }
    }

    /// A topic is listed with this id.
    pub(super) fn listed_with_id(&mut self, topic: &str, id: Uuid) {
        if self.buried.get(topic).is_some_and(|buried| buried.ids.contains(&id)) {
            self.violate(RECREATED_IS_NEW, format!("{topic} has the id {id} of a former one"));
        }
    }
}
