//! The target assignment of a group: when it is due and how it is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::{Draft, Scene};
use super::group::ConsumerGroup;
use super::member::Member;
use super::record::Record;
use crate::modern::assignor::{self, MemberSpec, Spec};
use crate::modern::{hash, topics};

/// Brings group epoch and fingerprint up to date; `bump` says that the members changed. Returns
/// whether the group has a new epoch.
pub(crate) fn update_epoch(draft: &mut Draft, scene: Scene<'_>, bump: bool) -> bool {
    draft.looked_at_topics = true;
    let hash = hash::of_topics(scene.image, &draft.group.subscribed());
    let bump = bump || hash != draft.group.metadata_hash;
    if bump {
        draft.push(Record::Group(Some((draft.group.epoch + 1, hash))));
        // Kafka 4.0 kept more than a fingerprint, which nothing reads any more.
        if draft.group.has_partition_metadata {
            draft.push(Record::PartitionMetadata(false));
        }
    }
    bump
}

/// Makes a new target assignment if the group has a newer epoch, unless the last one is younger
/// than `group.consumer.assignment.interval.ms`.
pub(crate) fn update_target(draft: &mut Draft, scene: Scene<'_>) {
    let group = &draft.group;
    let interval_ms = i64::from(scene.settings.times.assignment_interval_ms);
    let is_due = group.target_ms == 0 || scene.now_ms >= group.target_ms + interval_ms;
    if group.epoch <= group.target_epoch || !is_due {
        return;
    }
    let default = scene.settings.assignors.first().map_or(assignor::UNIFORM, String::as_str);
    let name = group.preferred_assignor().map_or(default, |name| &**name);
    let assigned = assignor::assign(name, &spec(group, scene));
    for (member, assignment) in assigned {
        let is_new = !draft.group.has_target(&member);
        if is_new || draft.group.target(&member) != assignment {
            draft.target(&member, assignment);
        }
    }
    draft.push(Record::TargetEpoch(Some((draft.group.epoch, scene.now_ms))));
}

/// Members mostly share their subscription, so that it is looked up once for each.
fn spec(group: &ConsumerGroup, scene: Scene<'_>) -> Spec {
    let mut known = BTreeMap::new();
    let mut spec = Spec::default();
    for member in group.members.values() {
        let said = (&member.said.topics, &member.said.pattern);
        let ids = known.entry(said).or_insert_with(|| subscribed(group, scene, member));
        for topic in ids.iter() {
            let count = || topics::partition_count(scene.image, *topic);
            spec.partitions.entry(*topic).or_insert_with(count);
        }
        spec.members.push(MemberSpec {
            id: member.id.clone(),
            instance_id: member.said.instance_id.clone(),
            topics: Arc::clone(ids),
            assigned: group.target(&member.id),
        });
    }
    spec
}

fn subscribed(
    group: &ConsumerGroup,
    scene: Scene<'_>,
    member: &Member,
) -> Arc<std::collections::BTreeSet<klamm_protocol::wire::Uuid>> {
    Arc::new(member.topic_ids(group, scene.image))
}
