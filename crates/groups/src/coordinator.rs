//! The coordinator of one shard: dispatch, time, and the contract with its driver.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_metadata::{Image, Resource, ResourceKind};
use klamm_protocol::ErrorCode;
use klamm_protocol::wire::Uuid;

use crate::api::{AppendId, Context, Effect, Request, Response, Token};
use crate::appends::Appends;
use crate::name::Name;
use crate::offsets::Offsets;
use crate::registry::{AnyGroup, Registry};
use crate::settings::Settings;
use crate::streams;
use crate::timers::{TimerKey, Timers};

/// The groups of one partition of `__consumer_offsets`, and their committed offsets.
///
/// # The contract
/// - *Life*: [`apply`](Self::apply) for each record of the partition, [`loaded`](Self::loaded)
///   once, then requests, appends and deadlines, at the end [`unload`](Self::unload).
/// - *Answers*: each token is answered exactly once. An answer that tells of a change is given
///   only after the change is durable; Heartbeat, LeaveGroup, OffsetCommit, OffsetDelete,
///   DeleteGroups and a fetch of stable offsets also wait for what was decided before them.
///   JoinGroup and SyncGroup wait for other members instead, and for the appends of their group.
/// - *Appends*: the driver appends in the order of the effects, one batch each, and reports each
///   append once, in that order. Effects of a report come after those that are still to be carried
///   out. A failure means that the records are not in the log and never will be; appends that
///   are outstanding behind a failed one fail too. A report that does not come within
///   `offsets.commit.timeout.ms` fails the waiting answers but not the change.
/// - *A failed append* takes back the change: committed offsets, a group's creation or deletion,
///   a static member's new id. A stored assignment makes its group rebalance. A generation that
///   ended with the last member stays ended.
/// - *Reads* (fetching without `require_stable`, Describe, List) see committed offsets and the
///   existence of groups as far as they are durable.
/// - *Time* never goes back, is in milliseconds since 1970 and is handed in with each call. After
///   each call the driver asks for the [`next_deadline`](Self::next_deadline); one that has
///   passed already is served at once.
#[derive(Debug)]
pub struct Coordinator {
    pub(crate) settings: Settings,
    pub(crate) registry: Registry,
    pub(crate) offsets: Offsets,
    pub(crate) timers: Timers,
    pub(crate) appends: Appends,
    /// The cluster's metadata, as far as this shard has been told.
    pub(crate) image: Arc<Image>,
    /// When there were last new topics, milliseconds since 1970.
    pub(crate) topics_version: i64,
    /// Groups whose topics may have changed since their epoch was last looked at.
    pub(crate) stale: BTreeSet<Name>,
    /// What of streams groups is not in the log.
    pub(crate) streams: BTreeMap<Name, streams::Volatile>,
    /// Share groups whose state is being made in the store.
    pub(crate) share_initializing: BTreeSet<Name>,
    /// Of the call in progress.
    pub(crate) effects: Vec<Effect>,
    /// Of the call in progress.
    pub(crate) now_ms: i64,
}

impl Coordinator {
    /// A shard without groups.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            registry: Registry::default(),
            offsets: Offsets::default(),
            timers: Timers::default(),
            appends: Appends::default(),
            image: Arc::default(),
            topics_version: 0,
            stale: BTreeSet::new(),
            streams: BTreeMap::new(),
            share_initializing: BTreeSet::new(),
            effects: Vec::new(),
            now_ms: 0,
        }
    }

    /// Everything is replayed: sessions begin, and groups that have grown too large for
    /// `group.max.size` rebalance.
    pub fn loaded(&mut self, now_ms: i64) -> Vec<Effect> {
        self.now_ms = now_ms;
        self.topics_version = now_ms;
        for name in self.registry.live_names() {
            self.resume_any(&name);
        }
        self.schedule_sweep();
        self.take_effects()
    }

    /// Handles a request. `ids` makes the random part of a new member id, a UUID in text.
    pub fn handle(
        &mut self,
        now_ms: i64,
        token: Token,
        context: &Context,
        request: Request,
        ids: &mut dyn FnMut() -> String,
    ) -> Vec<Effect> {
        self.now_ms = now_ms;
        let version = context.version;
        match request {
            Request::Join(r) => self.join(token, context, r, ids),
            Request::Sync(r) => self.sync(token, version, r),
            Request::Heartbeat(r) => self.heartbeat(token, version, &r),
            Request::Leave(r) => self.leave(token, version, r),
            Request::ConsumerHeartbeat(r) => self.consumer_heartbeat(token, context, &r, ids),
            Request::ConsumerDescribe(names) => self.consumer_describe(token, &names),
            Request::StreamsHeartbeat(r) => self.streams_heartbeat(token, context, &r),
            Request::StreamsDescribe(names) => self.streams_describe(token, &names),
            Request::Commit(r) => self.commit(token, version, r),
            Request::TxnCommit { request, guard } => {
                self.commit_in_transaction(token, version, request, guard);
            }
            Request::EndTransaction(end) => self.end_transaction(token, end),
            Request::Fetch { group, require_stable } => {
                self.fetch(token, version, &group, require_stable);
            }
            Request::OffsetDelete(r) => self.delete_offsets(token, version, &r),
            Request::Describe(names) => self.describe(token, version, &names),
            Request::List { states, types } => self.list(token, &states, &types),
            Request::DeleteGroups(names) => self.delete_groups(token, version, names),
            Request::Share(request) => self.share(token, context, request),
        }
        self.take_effects()
    }

    /// Looks up the settings that a group has of its own.
    pub(crate) fn own_settings<'a>(&'a self, group: &str) -> impl Fn(&str) -> Option<&'a str> {
        let resource = Resource::new(ResourceKind::Group, group.to_owned());
        move |key| self.image.config_value(&resource, key)
    }

    /// Takes other settings, for what is decided from now on.
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Takes newer metadata. `changed` names the topics that are new, gone, or have other
    /// partitions, and `created` says that some are new: groups that subscribe to them find out
    /// with their next heartbeat.
    pub fn metadata_changed(
        &mut self,
        now_ms: i64,
        image: Arc<Image>,
        changed: &[&str],
        created: bool,
    ) {
        self.image = image;
        if created {
            // Above the last one, even within a millisecond.
            self.topics_version = now_ms.max(self.topics_version + 1);
        }
        if changed.is_empty() {
            return;
        }
        for group in self.registry.all_live() {
            if changed.iter().any(|topic| group.follows(topic)) {
                self.stale.insert(group.id().clone());
            }
        }
    }

    /// An append has ended.
    pub fn on_appended(
        &mut self,
        now_ms: i64,
        id: AppendId,
        result: Result<(), ErrorCode>,
    ) -> Vec<Effect> {
        self.now_ms = now_ms;
        self.settle_append(id, result);
        self.take_effects()
    }

    /// Topics were deleted: what was committed for them goes. A topic that was committed without
    /// its id goes by its name alone.
    pub fn topics_deleted(&mut self, now_ms: i64, topics: &[(&str, Uuid)]) -> Vec<Effect> {
        self.now_ms = now_ms;
        self.forget_topics(topics);
        self.forget_share_topics(topics);
        self.take_effects()
    }

    /// When [`on_deadline`](Self::on_deadline) is due, in the time of the other calls.
    pub fn next_deadline(&self) -> Option<i64> {
        self.timers.next()
    }

    /// Serves the deadlines that have passed, the earliest first.
    pub fn on_deadline(&mut self, now_ms: i64) -> Vec<Effect> {
        self.now_ms = now_ms;
        for (deadline, key) in self.timers.due(now_ms) {
            if self.timers.claim(deadline, &key) {
                self.expire(key);
            }
        }
        self.take_effects()
    }

    /// The shard moves to another broker: whoever waits hears NOT_COORDINATOR, and nothing is
    /// left. The coordinator can then be loaded again.
    pub fn unload(&mut self, now_ms: i64) -> Vec<Effect> {
        self.now_ms = now_ms;
        self.abandon_appends();
        for group in self.registry.clear() {
            if let AnyGroup::Classic(group) = group {
                self.dissolve(*group, ErrorCode::NotCoordinator);
            }
        }
        self.stale.clear();
        self.streams.clear();
        self.share_initializing.clear();
        self.timers.clear();
        self.offsets = Offsets::default();
        self.take_effects()
    }

    fn expire(&mut self, key: TimerKey) {
        match key {
            TimerKey::Heartbeat { group, member } => {
                let missed = |shard: &mut Self, group: &mut crate::classic::Group| {
                    shard.heartbeat_missed(group, &member);
                };
                if self.with_group(&group, missed).is_none() {
                    self.fence_any(&group, &member);
                }
            }
            TimerKey::Revoke { group, member }
            | TimerKey::Rejoin { group, member }
            | TimerKey::Resync { group, member } => self.fence_any(&group, &member),
            TimerKey::InitialDelay { group } => self.initial_delay_is_over(&group),
            TimerKey::Join { group } => {
                self.with_group(&group, |shard, group| shard.join_time_is_up(group));
            }
            TimerKey::Sync { group } => {
                self.with_group(&group, |shard, group| shard.sync_time_is_up(group));
            }
            TimerKey::Append(id) => self.append_is_late(id),
            TimerKey::Sweep => self.sweep(),
        }
    }

    pub(crate) fn respond(&mut self, token: Token, response: Response) {
        self.effects.push(Effect::Respond { token, response });
    }

    fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// A group that was read from the log, or is back after a failed append, takes up its work.
    pub(crate) fn resume_any(&mut self, name: &Name) {
        if self.with_group(name, |shard, group| shard.resume(group)).is_none() {
            self.resume_consumer(name);
            self.resume_streams(name);
            self.resume_share(name);
        }
    }

    /// A member of a group whose assignment the coordinator makes was late.
    fn fence_any(&mut self, group: &Name, member: &Name) {
        self.fence_consumer(group, member);
        self.fence_streams(group, member);
        self.fence_share(group, member);
    }

    /// Works on a classic group, if it exists.
    pub(crate) fn with_group<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Self, &mut crate::classic::Group) -> T,
    ) -> Option<T> {
        let mut group = self.registry.take(name)?;
        let result = work(self, &mut group);
        self.registry.put(group);
        Some(result)
    }
}
