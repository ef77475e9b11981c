//! The target assignment of a group: when it is due and how it is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::assignor::{self, MemberSpec, Spec};
use super::configure::{Configured, Problem};
use super::draft::{Draft, Scene};
use super::record::Record;
use super::topology::Topology;
use crate::modern::hash;
use crate::name::Name;

const NUM_STANDBY_REPLICAS: &str = "num.standby.replicas";

/// Brings group epoch and fingerprint up to date; `bump` says that a member changed.
pub(super) fn update_epoch(
    draft: &mut Draft,
    scene: Scene<'_>,
    topology: &Topology,
    configured: &Configured,
    bump: bool,
) {
    let before = draft.group.facts.clone();
    let mut after = before.clone();
    if scene.is_stale || before.metadata_hash == 0 {
        draft.looked_at_topics = true;
        after.metadata_hash = hash::of_topics(scene.image, &topology.required());
    }
    after.validated_topology_epoch = if configured.is_ready() { topology.epoch() } else { -1 };
    let configs = assignment_configs(scene);
    // A group that has none yet was not assigned to.
    let is_set = !before.last_configs.is_empty();
    let new_configs = is_set && *before.last_configs != configs;
    after.last_configs = Arc::new(configs);
    let has_changed = after.metadata_hash != before.metadata_hash
        || after.validated_topology_epoch != before.validated_topology_epoch;
    if bump || has_changed || new_configs {
        draft.bump(after);
    }
}

/// The settings that the assignment depends on.
fn assignment_configs(scene: Scene<'_>) -> BTreeMap<Name, Name> {
    let standbys = scene.settings.num_standby_replicas.to_string();
    BTreeMap::from([(Name::from(NUM_STANDBY_REPLICAS), Name::from(standbys))])
}

/// Makes a new target assignment if the group has a newer epoch, unless the group waits for more
/// members or the last one is younger than `group.streams.assignment.interval.ms`. Says if it is
/// put off.
pub(super) fn update_target(
    draft: &mut Draft,
    scene: Scene<'_>,
    configured: &Configured,
) -> Option<Problem> {
    let delayed = |by: &str| {
        let detail = format!("Assignment delayed due to the configured {by}.");
        Some(Problem { status: super::configure::ASSIGNMENT_DELAYED, detail })
    };
    let group = &draft.group;
    if scene.waits_for_members {
        return delayed("initial rebalance delay");
    }
    if group.facts.epoch <= group.target_epoch {
        return None;
    }
    let interval_ms = i64::from(scene.settings.times.assignment_interval_ms);
    if group.target_ms != 0 && scene.now_ms < group.target_ms + interval_ms {
        return delayed("assignment interval");
    }
    make_target(draft, scene, configured);
    None
}

/// Makes a new target assignment. Without its topics a group has nothing to assign.
pub(super) fn make_target(draft: &mut Draft, scene: Scene<'_>, configured: &Configured) {
    let group = &draft.group;
    let members = group.members.values().map(|member| MemberSpec {
        id: member.id.clone(),
        process_id: member.said.process_id.clone(),
        target: group.target(&member.id),
    });
    let spec = Spec {
        members: members.collect(),
        sizes: if configured.is_ready() { configured.sizes.clone() } else { BTreeMap::new() },
        standbys: scene.settings.num_standby_replicas,
    };
    for (member, target) in assignor::assign(&spec) {
        if !draft.group.has_target(&member) || draft.group.target(&member) != target {
            draft.target(&member, target);
        }
    }
    draft.push(Record::TargetEpoch(Some((draft.group.facts.epoch, scene.now_ms))));
}
