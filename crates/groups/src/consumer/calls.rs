//! Where requests and deadlines meet consumer groups: a draft of the group is made, decided on,
//! and if nothing speaks against it becomes the group.

use klamm_config::ConsumerGroupSettings;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};

use super::draft::{Draft, Scene};
use super::group::ConsumerGroup;
use super::heartbeat::{self, Beat};
use super::{convert, leave};
use crate::api::{Context, Response, Token};
use crate::appends::{Changes, Then};
use crate::classic;
use crate::coordinator::Coordinator;
use crate::modern::Refusal;
use crate::name::Name;
use crate::records;
use crate::registry::AnyGroup;

/// What becomes of a group by a decision.
#[derive(Debug)]
pub(crate) enum Becomes {
    /// What the draft says.
    Consumer,
    /// A classic group; its members may have to rebalance.
    Classic { group: Box<classic::Group>, rebalance: bool },
}

impl Coordinator {
    pub(crate) fn consumer_heartbeat(
        &mut self,
        token: Token,
        context: &Context,
        request: &ConsumerGroupHeartbeatRequest<'_>,
        ids: &mut dyn FnMut() -> String,
    ) {
        match self.decide_heartbeat(context, request, ids) {
            Ok((draft, becomes, response)) => {
                let response = Response::ConsumerHeartbeat(response);
                let version = context.version;
                self.adopt(draft, becomes, Some(Then::Answer { token, version, response }));
            }
            Err(refusal) => self.respond(token, heartbeat_error(refusal)),
        }
    }

    fn decide_heartbeat(
        &self,
        context: &Context,
        request: &ConsumerGroupHeartbeatRequest<'_>,
        ids: &mut dyn FnMut() -> String,
    ) -> Result<(Draft, Becomes, ConsumerGroupHeartbeatResponse<'static>), Refusal> {
        heartbeat::check(request, context.version, &self.settings.consumer.assignors)?;
        let name = Name::from(request.group_id.as_ref());
        let settings = self.consumer_settings(&name);
        let scene = self.scene(&name, &settings);
        let mut draft = self.consumer_draft(&name, request.member_epoch == 0, scene)?;
        let id = match request.member_id.as_ref() {
            "" => Name::from(ids()),
            id => Name::from(id),
        };
        let beat = Beat { context, request, id };
        let (becomes, response) = heartbeat::decide(&mut draft, scene, &beat)?;
        Ok((draft, becomes, response))
    }

    /// The settings of a group, which may have some of its own.
    pub(super) fn consumer_settings(&self, group: &str) -> ConsumerGroupSettings {
        self.settings.consumer.with_own(self.own_settings(group))
    }

    pub(super) fn scene<'a>(
        &'a self,
        group: &str,
        settings: &'a ConsumerGroupSettings,
    ) -> Scene<'a> {
        Scene {
            now_ms: self.now_ms,
            is_stale: self.stale.contains(group),
            topics_version: self.topics_version,
            image: &self.image,
            settings,
            classic_size_max: self.settings.group_size_max,
        }
    }

    /// A draft of the group as a consumer group. A first heartbeat makes one where there is none,
    /// takes the place of an empty classic group, and takes over one with members.
    fn consumer_draft(
        &self,
        name: &Name,
        may_create: bool,
        scene: Scene<'_>,
    ) -> Result<Draft, Refusal> {
        let missing = |text: String| Refusal::new(ErrorCode::GroupIdNotFound, text);
        match self.registry.live(name) {
            Some(AnyGroup::Consumer(group)) => Ok(Draft::new((**group).clone())),
            Some(AnyGroup::Classic(group)) if may_create => {
                let mut draft = if group.size() == 0 && group.state == classic::State::Empty {
                    Draft::new(ConsumerGroup::new(name.clone()))
                } else {
                    convert::from_classic(group, scene)?
                };
                draft.records.insert(0, records::group_tombstone(name));
                Ok(draft)
            }
            Some(_) => Err(missing(format!("Group {name} is not a consumer group."))),
            None if may_create => Ok(Draft::new(ConsumerGroup::new(name.clone()))),
            None => Err(missing(format!("Consumer group {name} not found."))),
        }
    }

    /// Makes a draft the group: sets its deadlines, has its records appended, and `then` is done
    /// when they are durable.
    pub(super) fn adopt(&mut self, draft: Draft, becomes: Becomes, then: Option<Then>) {
        let Draft { group, records, timers, timers_if_absent, looked_at_topics } = draft;
        let name = group.id.clone();
        self.let_go_of_classic(&name);
        for (key, deadline) in timers {
            match deadline {
                Some(deadline_ms) => self.timers.set(key, deadline_ms),
                None => self.timers.cancel(key),
            }
        }
        for (key, deadline_ms) in timers_if_absent {
            self.timers.set_if_absent(key, deadline_ms);
        }
        if looked_at_topics {
            self.stale.remove(&name);
        }
        let (group, rebalances) = match becomes {
            Becomes::Consumer => (AnyGroup::Consumer(Box::new(group)), false),
            Becomes::Classic { group, rebalance } => (AnyGroup::Classic(group), rebalance),
        };
        let is_classic = group.as_classic().is_some();
        if records.is_empty() {
            if let Some(Then::Answer { token, version, response }) = then {
                self.answer_when_durable(token, version, response);
            }
        } else {
            let changes = Changes { replaced: vec![(name.clone(), group)], ..Changes::default() };
            self.append(records, changes, then);
        }
        if is_classic {
            self.resume_any(&name);
        }
        if rebalances {
            self.with_group(&name, |shard, group| shard.prepare_rebalance(group));
        }
    }

    /// Members that wait in a classic group which is about to be a consumer group are to join
    /// that.
    fn let_go_of_classic(&mut self, name: &str) {
        self.with_group(name, |shard, group| shard.release(group));
    }

    /// A member was silent for too long, or did not do in time what it was told to.
    pub(crate) fn fence_consumer(&mut self, name: &Name, member: &Name) {
        let Some(group) = self.registry.live_consumer(name) else { return };
        if group.member(member).is_none() {
            return;
        }
        let settings = self.consumer_settings(name);
        let scene = self.scene(name, &settings);
        let mut draft = Draft::new(group.clone());
        // A group that cannot be converted keeps its member, as in Kafka.
        if let Ok(becomes) = leave::fence(&mut draft, scene, std::slice::from_ref(member)) {
            self.adopt(draft, becomes, None);
        }
    }

    /// Takes up the deadlines of a group that was read from the log.
    pub(crate) fn resume_consumer(&mut self, name: &Name) {
        let Some(group) = self.registry.live_consumer(name) else { return };
        let settings = self.consumer_settings(name);
        let mut draft = Draft::new(group.clone());
        for member in group.members.values() {
            let own_ms = member.classic_session_timeout_ms();
            let timeout_ms = own_ms.unwrap_or(settings.times.session_timeout_ms);
            draft.session_from(self.now_ms, &member.id, timeout_ms);
            if let Some((key, deadline)) = heartbeat::revoke_timer(name, self.now_ms, member) {
                draft.timers.insert(key, Some(deadline));
            }
        }
        self.stale.insert(name.clone());
        self.adopt(draft, Becomes::Consumer, None);
    }
}

fn heartbeat_error(refusal: Refusal) -> Response {
    Response::ConsumerHeartbeat(ConsumerGroupHeartbeatResponse {
        error_code: refusal.error.code(),
        error_message: Some(refusal.text.into()),
        ..ConsumerGroupHeartbeatResponse::default()
    })
}
