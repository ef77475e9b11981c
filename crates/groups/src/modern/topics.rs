//! What groups need to know of the cluster's topics.

use std::collections::BTreeSet;
use std::sync::Arc;

use klamm_metadata::Image;
use klamm_protocol::wire::Uuid;

use crate::name::Name;

/// Number of partitions of a topic; 0 if there is no such topic.
pub(crate) fn partition_count(image: &Image, topic: Uuid) -> i32 {
    let count = image.topic_by_id(topic).map_or(0, |found| found.partition_count());
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// The ids of the topics that exist among those named.
pub(crate) fn ids_of<'a>(
    image: &Image,
    names: impl IntoIterator<Item = &'a Name>,
) -> BTreeSet<Uuid> {
    names.into_iter().filter_map(|name| Some(image.topic(name)?.id)).collect()
}

/// A topic's name, if it exists.
pub(crate) fn name_of(image: &Image, topic: Uuid) -> Option<Name> {
    Some(Arc::clone(&image.topic_by_id(topic)?.name))
}

/// The racks of the brokers that have a copy of a partition, in order, each as often as it occurs.
pub(crate) fn racks(image: &Image, replicas: &[i32]) -> Vec<String> {
    let rack = |id: &i32| image.broker(*id)?.rack.clone();
    let mut racks: Vec<String> = replicas.iter().filter_map(rack).collect();
    racks.sort();
    racks
}
