//! The groups of a shard, as requests act on them and as readers may see them.
//!
//! Requests act on the newest state. Readers see a group from the moment its first record is
//! durable until the moment its tombstone is. What is inside a classic group they see as it is, as
//! in Kafka; a consumer group they see as its durable records tell it.

use std::collections::BTreeMap;

use crate::api::AppendId;
use crate::classic::{self, CONSUMER_PROTOCOL};
use crate::consumer::ConsumerGroup;
use crate::name::Name;
use crate::streams::StreamsGroup;

/// The protocol type of streams groups in ListGroups.
const STREAMS_PROTOCOL: &str = "streams";
use crate::share::ShareGroup;

/// A group of any protocol.
#[derive(Debug)]
pub(crate) enum AnyGroup {
    Classic(Box<classic::Group>),
    Consumer(Box<ConsumerGroup>),
    Streams(Box<StreamsGroup>),
    Share(Box<ShareGroup>),
}

impl AnyGroup {
    pub(crate) fn id(&self) -> &Name {
        match self {
            Self::Classic(group) => &group.id,
            Self::Consumer(group) => &group.id,
            Self::Streams(group) => &group.id,
            Self::Share(group) => &group.id,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Classic(group) => group.state == classic::State::Empty,
            Self::Consumer(group) => group.is_empty(),
            Self::Streams(group) => group.is_empty(),
            Self::Share(group) => group.is_empty(),
        }
    }

    /// The state's name in ListGroups.
    pub(crate) fn state_name(&self) -> &'static str {
        match self {
            Self::Classic(group) => group.state.name(),
            Self::Consumer(group) => group.state().name(),
            Self::Streams(group) => group.state().name(),
            Self::Share(group) => group.state_name(),
        }
    }

    /// The type's name in ListGroups.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Classic(_) => "classic",
            Self::Consumer(_) => "consumer",
            Self::Streams(_) => "streams",
            Self::Share(_) => "share",
        }
    }

    pub(crate) fn protocol_type(&self) -> Option<&str> {
        match self {
            Self::Classic(group) => group.protocol_type.as_deref(),
            Self::Consumer(_) => Some(CONSUMER_PROTOCOL),
            Self::Streams(_) => Some(STREAMS_PROTOCOL),
            Self::Share(_) => Some("share"),
        }
    }

    /// Whether offsets of the topic belong to what members consume now.
    pub(crate) fn is_subscribed(&self, topic: &str) -> bool {
        match self {
            Self::Classic(group) => group.is_subscribed(topic),
            Self::Consumer(group) => group.is_subscribed(topic),
            Self::Streams(group) => group.is_subscribed(topic),
            Self::Share(group) => group.is_subscribed(topic),
        }
    }

    /// Whether a change of the topic may be due for a new assignment by the coordinator.
    pub(crate) fn follows(&self, topic: &str) -> bool {
        match self {
            Self::Classic(_) => false,
            Self::Consumer(group) => group.is_subscribed(topic),
            Self::Streams(group) => group.needs(topic),
            Self::Share(group) => group.is_subscribed(topic),
        }
    }

    pub(crate) fn as_classic(&self) -> Option<&classic::Group> {
        match self {
            Self::Classic(group) => Some(group),
            _ => None,
        }
    }

    pub(crate) fn as_consumer(&self) -> Option<&ConsumerGroup> {
        match self {
            Self::Consumer(group) => Some(group),
            _ => None,
        }
    }

    pub(crate) fn as_streams(&self) -> Option<&StreamsGroup> {
        match self {
            Self::Streams(group) => Some(group),
            _ => None,
        }
    }

    /// Whether it keeps no committed offsets: what share groups have is in their own store.
    pub(crate) fn is_share(&self) -> bool {
        matches!(self, Self::Share(_))
    }
}

#[derive(Debug, Default)]
struct Slot {
    live: Option<AnyGroup>,
    /// What was there before each change that is on its way to the log, for readers and in case
    /// the append fails. The oldest first.
    changes: Vec<(AppendId, Option<AnyGroup>)>,
}

#[derive(Debug, Default)]
pub(crate) struct Registry {
    slots: BTreeMap<Name, Slot>,
}

impl Registry {
    /// Takes a classic group out, to be worked on beside the rest of the coordinator and [`put`]
    /// back.
    ///
    /// [`put`]: Self::put
    pub(crate) fn take(&mut self, id: &str) -> Option<Box<classic::Group>> {
        let slot = self.slots.get_mut(id)?;
        match slot.live.take()? {
            AnyGroup::Classic(group) => Some(group),
            other => {
                slot.live = Some(other);
                None
            }
        }
    }

    pub(crate) fn put(&mut self, group: Box<classic::Group>) {
        self.put_any(AnyGroup::Classic(group));
    }

    pub(crate) fn put_any(&mut self, group: AnyGroup) {
        let slot = self.slots.entry(group.id().clone()).or_default();
        slot.live = Some(group);
    }

    /// The group as requests act on it.
    pub(crate) fn live(&self, id: &str) -> Option<&AnyGroup> {
        self.slots.get(id)?.live.as_ref()
    }

    pub(crate) fn live_consumer(&self, id: &str) -> Option<&ConsumerGroup> {
        self.live(id)?.as_consumer()
    }

    pub(crate) fn live_streams(&self, id: &str) -> Option<&StreamsGroup> {
        self.live(id)?.as_streams()
    }

    /// A consumer group that a record read from the log changes.
    pub(crate) fn consumer_mut(&mut self, id: &str) -> Option<&mut ConsumerGroup> {
        match self.slots.get_mut(id)?.live.as_mut()? {
            AnyGroup::Classic(_) | AnyGroup::Share(_) => None,
            AnyGroup::Consumer(group) => Some(group),
            _ => None,
        }
    }

    /// A streams group that a record read from the log changes.
    pub(crate) fn streams_mut(&mut self, id: &str) -> Option<&mut StreamsGroup> {
        match self.slots.get_mut(id)?.live.as_mut()? {
            AnyGroup::Streams(group) => Some(group),
            _ => None,
        }
    }

    /// A share group that a record read from the log changes.
    pub(crate) fn share_mut(&mut self, id: &str) -> Option<&mut ShareGroup> {
        match self.slots.get_mut(id)?.live.as_mut()? {
            AnyGroup::Share(group) => Some(group),
            _ => None,
        }
    }

    /// Whether requests act on a share group of this name.
    pub(crate) fn is_share(&self, id: &str) -> bool {
        self.live(id).is_some_and(AnyGroup::is_share)
    }

    pub(crate) fn all_live(&self) -> impl Iterator<Item = &AnyGroup> {
        self.slots.values().filter_map(|slot| slot.live.as_ref())
    }

    pub(crate) fn live_names(&self) -> Vec<Name> {
        self.all_live().map(|group| group.id().clone()).collect()
    }

    /// The group as readers see it.
    pub(crate) fn visible(&self, id: &str) -> Option<&AnyGroup> {
        self.slots.get(id)?.visible()
    }

    pub(crate) fn all_visible(&self) -> impl Iterator<Item = &AnyGroup> {
        self.slots.values().filter_map(Slot::visible)
    }

    /// Whether the group is there, or was until an append that has not ended.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.slots.contains_key(id)
    }

    /// Takes out a group of another protocol without members, to make room for a classic one.
    pub(crate) fn take_empty_modern(&mut self, id: &str) -> Option<AnyGroup> {
        let slot = self.slots.get_mut(id)?;
        let is_empty = |group: &mut AnyGroup| group.as_classic().is_none() && group.is_empty();
        slot.live.take_if(is_empty)
    }

    /// The live group came to be with this append, perhaps in the place of another.
    pub(crate) fn created_by(&mut self, id: &Name, former: Option<AnyGroup>, append: AppendId) {
        self.slots.entry(id.clone()).or_default().changes.push((append, former));
    }

    /// The live group goes with this append, or another takes its place.
    pub(crate) fn replaced_by(&mut self, id: &Name, group: Option<AnyGroup>, append: AppendId) {
        let slot = self.slots.entry(id.clone()).or_default();
        let before = std::mem::replace(&mut slot.live, group);
        slot.changes.push((append, before));
    }

    /// A record read from the log deletes the group.
    pub(crate) fn remove(&mut self, id: &str) {
        self.slots.remove(id);
    }

    /// The append is durable.
    pub(crate) fn settle(&mut self, id: &Name, append: AppendId) {
        self.change_slot(id, |slot| slot.changes.retain(|(by, _)| *by != append));
    }

    /// The append failed, and whatever is outstanding behind it will. Returns the group that
    /// never was, and whether a group is back.
    pub(crate) fn revert(&mut self, id: &Name, append: AppendId) -> (Option<AnyGroup>, bool) {
        let (mut dropped, mut is_back) = (None, false);
        self.change_slot(id, |slot| {
            while let Some(at) = slot.changes.iter().position(|(by, _)| *by == append) {
                let (_, before) = slot.changes.remove(at);
                let after = match slot.changes.get_mut(at) {
                    Some((_, after)) => after,
                    None => {
                        is_back = before.is_some();
                        &mut slot.live
                    }
                };
                dropped = std::mem::replace(after, before);
            }
        });
        (dropped, is_back)
    }

    fn change_slot(&mut self, id: &Name, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots.get_mut(id) {
            change(slot);
            if slot.live.is_none() && slot.changes.is_empty() {
                self.slots.remove(id);
            }
        }
    }

    pub(crate) fn clear(&mut self) -> Vec<AnyGroup> {
        std::mem::take(&mut self.slots).into_values().filter_map(|slot| slot.live).collect()
    }
}

impl Slot {
    fn visible(&self) -> Option<&AnyGroup> {
        match self.changes.first() {
            None => self.live.as_ref(),
            Some((_, before)) => before.as_ref(),
        }
    }
}
