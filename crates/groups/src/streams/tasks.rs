//! Tasks: partitions of subtopologies, in three roles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::name::Name;

/// Partitions by subtopology.
pub(crate) type Tasks = Arc<BTreeMap<Name, BTreeSet<i32>>>;

/// Active tasks that a member has, each with the member epoch at which it was given to it.
pub(crate) type OwnedActive = Arc<BTreeMap<Name, BTreeMap<i32, i32>>>;

/// One task.
pub(crate) type Task = (Name, i32);

/// What a task is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Processes records.
    Active,
    /// Keeps a copy of the state.
    Standby,
    /// Catches up with the state, to become active.
    Warmup,
}

/// What a member is to have, or says that it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TaskSet {
    pub(crate) active: Tasks,
    pub(crate) standby: Tasks,
    pub(crate) warmup: Tasks,
}

/// What a member has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OwnedSet {
    pub(crate) active: OwnedActive,
    pub(crate) standby: Tasks,
    pub(crate) warmup: Tasks,
}

impl OwnedSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }

    /// The same tasks without epochs.
    pub(crate) fn tasks(&self) -> TaskSet {
        TaskSet {
            active: without_epochs(&self.active),
            standby: Arc::clone(&self.standby),
            warmup: Arc::clone(&self.warmup),
        }
    }

    /// Each task with its role.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Role, Task)> {
        let active = self.active.iter().flat_map(|(id, partitions)| {
            partitions.keys().map(move |p| (Role::Active, (id.clone(), *p)))
        });
        let standby = each(&self.standby).map(|task| (Role::Standby, task));
        let warmup = each(&self.warmup).map(|task| (Role::Warmup, task));
        active.chain(standby).chain(warmup)
    }

    /// Since which member epoch the member has the active task.
    pub(crate) fn active_since(&self, subtopology: &str, partition: i32) -> Option<i32> {
        self.active.get(subtopology)?.get(&partition).copied()
    }
}

impl TaskSet {
    /// Whether a task is in both, in the same role.
    pub(crate) fn has_any_of(&self, other: &OwnedSet) -> bool {
        let other = other.tasks();
        let share = |a: &Tasks, b: &Tasks| each(a).any(|task| has(b, &task));
        share(&self.active, &other.active)
            || share(&self.standby, &other.standby)
            || share(&self.warmup, &other.warmup)
    }

    /// Whether all tasks are in the other too, in the same role.
    pub(crate) fn is_within(&self, other: &OwnedSet) -> bool {
        let other = other.tasks();
        let within = |a: &Tasks, b: &Tasks| each(a).all(|task| has(b, &task));
        within(&self.active, &other.active)
            && within(&self.standby, &other.standby)
            && within(&self.warmup, &other.warmup)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }
}

/// Each task.
pub(crate) fn each(tasks: &Tasks) -> impl Iterator<Item = Task> {
    tasks.iter().flat_map(|(id, partitions)| partitions.iter().map(move |p| (id.clone(), *p)))
}

/// Whether the task is there.
pub(crate) fn has(tasks: &Tasks, (subtopology, partition): &Task) -> bool {
    tasks.get(subtopology).is_some_and(|partitions| partitions.contains(partition))
}

/// Tasks by subtopology.
pub(crate) fn collect(tasks: impl IntoIterator<Item = Task>) -> Tasks {
    let mut collected: BTreeMap<Name, BTreeSet<i32>> = BTreeMap::new();
    for (subtopology, partition) in tasks {
        collected.entry(subtopology).or_default().insert(partition);
    }
    Arc::new(collected)
}

fn without_epochs(active: &OwnedActive) -> Tasks {
    let plain = |(id, at): (&Name, &BTreeMap<i32, i32>)| (id.clone(), at.keys().copied().collect());
    Arc::new(active.iter().map(plain).collect())
}
