//! The groups of a shard, as requests act on them and as readers may see them.
//!
//! Requests act on the newest state. Readers see a group from the moment its first record is
//! durable until the moment its tombstone is (the soft state inside a group they see as it is,
//! as in Kafka).

use std::collections::BTreeMap;

use crate::api::AppendId;
use crate::classic::Group;
use crate::name::Name;

/// A change of a group's existence that is on its way to the log.
#[derive(Debug)]
enum Change {
    Created,
    /// Holds what was deleted, for readers and in case the append fails.
    Deleted(Option<Box<Group>>),
}

#[derive(Debug, Default)]
struct Slot {
    live: Option<Box<Group>>,
    /// The oldest first.
    changes: Vec<(AppendId, Change)>,
}

#[derive(Debug, Default)]
pub(crate) struct Registry {
    slots: BTreeMap<Name, Slot>,
}

impl Registry {
    /// Takes a group out, to be worked on beside the rest of the coordinator and [`put`] back.
    ///
    /// [`put`]: Self::put
    pub(crate) fn take(&mut self, id: &str) -> Option<Box<Group>> {
        self.slots.get_mut(id)?.live.take()
    }

    pub(crate) fn put(&mut self, group: Box<Group>) {
        let slot = self.slots.entry(group.id.clone()).or_default();
        slot.live = Some(group);
    }

    /// The group as requests act on it.
    pub(crate) fn live(&self, id: &str) -> Option<&Group> {
        self.slots.get(id)?.live.as_deref()
    }

    pub(crate) fn all_live(&self) -> impl Iterator<Item = &Group> {
        self.slots.values().filter_map(|slot| slot.live.as_deref())
    }

    pub(crate) fn live_names(&self) -> Vec<Name> {
        self.all_live().map(|group| group.id.clone()).collect()
    }

    /// The group as readers see it.
    pub(crate) fn visible(&self, id: &str) -> Option<&Group> {
        self.slots.get(id)?.visible()
    }

    pub(crate) fn all_visible(&self) -> impl Iterator<Item = &Group> {
        self.slots.values().filter_map(Slot::visible)
    }

    /// Whether the group is there, or was until an append that has not ended.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.slots.contains_key(id)
    }

    /// The live group came to be with this append.
    pub(crate) fn created_by(&mut self, id: &Name, append: AppendId) {
        self.slots.entry(id.clone()).or_default().changes.push((append, Change::Created));
    }

    /// The live group goes with this append.
    pub(crate) fn deleted_by(&mut self, id: &Name, append: AppendId) {
        if let Some(slot) = self.slots.get_mut(id) {
            let deleted = slot.live.take();
            slot.changes.push((append, Change::Deleted(deleted)));
        }
    }

    /// A record read from the log deletes the group.
    pub(crate) fn remove(&mut self, id: &str) {
        self.slots.remove(id);
    }

    /// The append is durable.
    pub(crate) fn settle(&mut self, id: &Name, append: AppendId) {
        self.change_slot(id, |slot| slot.changes.retain(|(by, _)| *by != append));
    }

    /// The append failed. Returns a group that never was.
    pub(crate) fn revert(&mut self, id: &Name, append: AppendId) -> Option<Box<Group>> {
        let mut dropped = None;
        self.change_slot(id, |slot| {
            while let Some(at) = slot.changes.iter().position(|(by, _)| *by == append) {
                let (_, change) = slot.changes.remove(at);
                match (change, slot.changes.get_mut(at)) {
                    (Change::Created, None) => dropped = slot.live.take(),
                    (Change::Created, Some((_, Change::Deleted(deleted)))) => {
                        dropped = deleted.take();
                    }
                    (Change::Deleted(group), None) => slot.live = group,
                    // Another group of this name was made since: the old one stays away.
                    (_, Some(_)) => {}
                }
            }
        });
        dropped
    }

    fn change_slot(&mut self, id: &Name, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots.get_mut(id) {
            change(slot);
            if slot.live.is_none() && slot.changes.is_empty() {
                self.slots.remove(id);
            }
        }
    }

    pub(crate) fn clear(&mut self) -> Vec<Group> {
        std::mem::take(&mut self.slots)
            .into_values()
            .filter_map(|slot| slot.live)
            .map(|group| *group)
            .collect()
    }
}

impl Slot {
    fn visible(&self) -> Option<&Group> {
        match self.changes.first() {
            None => self.live.as_deref(),
            Some((_, Change::Created)) => None,
            Some((_, Change::Deleted(group))) => group.as_deref(),
        }
    }
}
