//! Where requests and deadlines meet share groups: a draft of the group is made, decided on, and
//! if nothing speaks against it becomes the group.

use std::collections::BTreeSet;

use klamm_config::ShareGroupSettings;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use klamm_protocol::wire::Uuid;

use super::api::{ShareRequest, ShareResponse, StateTopic};
use super::draft::{Draft, Scene};
use super::group::ShareGroup;
use super::heartbeat::{self, Beat};
use super::topics::{ByTopic, Partitions};
use crate::api::{Context, Response, Token};
use crate::appends::{Changes, Then};
use crate::coordinator::Coordinator;
use crate::modern::Refusal;
use crate::name::Name;
use crate::registry::AnyGroup;

impl Coordinator {
    pub(crate) fn share(&mut self, token: Token, context: &Context, request: ShareRequest) {
        match request {
            ShareRequest::Heartbeat(r) => self.share_heartbeat(token, context, &r),
            ShareRequest::Describe(names) => self.share_describe(token, &names),
            ShareRequest::Initialized { group, topics, success } => {
                self.share_initialized(token, &group, &topics, success);
            }
            ShareRequest::Topics(group) => self.share_topics(token, &group),
            ShareRequest::StateEpoch(key) => self.share_state_epoch(token, &key),
            ShareRequest::AlterOffsets(r) => self.share_alter_offsets(token, &r),
            ShareRequest::DeleteOffsets(r) => self.share_delete_offsets(token, &r),
            ShareRequest::OffsetsDeleted { group, topics } => {
                self.share_offsets_deleted(token, &group, &topics.into_iter().collect());
            }
            ShareRequest::Delete(group) => self.share_delete(token, &group),
        }
    }

    fn share_heartbeat(
        &mut self,
        token: Token,
        context: &Context,
        request: &ShareGroupHeartbeatRequest<'_>,
    ) {
        let decided = self.decide_share_heartbeat(context, request);
        let (draft, response) = match decided {
            Ok((draft, (response, missing))) => {
                if !missing.is_empty() {
                    self.share_initializing.insert(draft.group.id.clone());
                }
                let (initialize, state_epoch) = (listed(&missing), draft.group.epoch);
                (draft, ShareResponse::Heartbeat { response, initialize, state_epoch })
            }
            Err(refusal) => return self.respond_share(token, heartbeat_error(refusal)),
        };
        self.adopt_share(draft, Some((token, response)));
    }

    fn decide_share_heartbeat(
        &self,
        context: &Context,
        request: &ShareGroupHeartbeatRequest<'_>,
    ) -> Result<(Draft, heartbeat::Beaten), Refusal> {
        heartbeat::check(request)?;
        let name = Name::from(request.group_id.as_ref());
        let settings = self.share_settings(&name);
        let mut draft = self.share_draft(&name, request.member_epoch == 0)?;
        let beat = Beat { context, request, id: Name::from(request.member_id.as_ref()) };
        let beaten = heartbeat::decide(&mut draft, self.share_scene(&name, &settings), &beat)?;
        Ok((draft, beaten))
    }

    fn share_settings(&self, group: &str) -> ShareGroupSettings {
        self.settings.share.with_own(self.own_settings(group))
    }

    fn share_scene<'a>(&'a self, group: &str, settings: &'a ShareGroupSettings) -> Scene<'a> {
        Scene {
            now_ms: self.now_ms,
            is_stale: self.stale.contains(group),
            is_initializing: self.share_initializing.contains(group),
            image: &self.image,
            settings,
        }
    }

    /// A draft of the share group of this name, which may have to be made.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND, with Kafka's text.
    pub(super) fn share_draft(&self, name: &Name, may_create: bool) -> Result<Draft, Refusal> {
        let missing = |text: String| Refusal::new(ErrorCode::GroupIdNotFound, text);
        match self.registry.live(name) {
            Some(AnyGroup::Share(group)) => Ok(Draft::new((**group).clone())),
            Some(_) => Err(missing(format!("Group {name} is not a share group."))),
            None if may_create => Ok(Draft::new(ShareGroup::new(name.clone()))),
            None => Err(missing(format!("Share group {name} not found."))),
        }
    }

    /// Makes a draft the group: sets its deadlines, has its records appended, and the answer is
    /// given when they are durable.
    pub(super) fn adopt_share(&mut self, draft: Draft, answer: Option<(Token, ShareResponse)>) {
        let Draft { group, records, timers, looked_at_topics } = draft;
        let name = group.id.clone();
        for (key, deadline) in timers {
            match deadline {
                Some(deadline_ms) => self.timers.set(key, deadline_ms),
                None => self.timers.cancel(key),
            }
        }
        if looked_at_topics {
            self.stale.remove(&name);
        }
        let answer = answer.map(|(token, response)| (token, Response::Share(response)));
        if records.is_empty() {
            if let Some((token, response)) = answer {
                self.answer_when_durable(token, 0, response);
            }
            return;
        }
        let group = AnyGroup::Share(Box::new(group));
        let changes = Changes { replaced: vec![(name, group)], ..Changes::default() };
        let then = answer.map(|(token, response)| Then::Answer { token, version: 0, response });
        self.append(records, changes, then);
    }

    pub(super) fn respond_share(&mut self, token: Token, response: ShareResponse) {
        self.respond(token, Response::Share(response));
    }

    fn share_initialized(
        &mut self,
        token: Token,
        group: &str,
        topics: &[StateTopic],
        success: bool,
    ) {
        self.share_initializing.remove(group);
        let Ok(mut draft) = self.share_draft(&Name::from(group), false) else {
            let gone = ShareResponse::Done(ErrorCode::GroupIdNotFound);
            return self.respond_share(token, gone);
        };
        let of = by_topic(topics);
        let now = &draft.group.topics;
        draft.topics(if success { now.done(&of) } else { now.given_up(&of) });
        self.adopt_share(draft, Some((token, ShareResponse::Done(ErrorCode::None))));
    }

    /// A member was silent for too long.
    pub(crate) fn fence_share(&mut self, name: &Name, member: &Name) {
        let Ok(mut draft) = self.share_draft(name, false) else { return };
        if draft.group.member(member).is_some() {
            heartbeat::fence(&mut draft, &self.image, member);
            self.adopt_share(draft, None);
        }
    }

    /// Takes up the deadlines of a group that was read from the log.
    pub(crate) fn resume_share(&mut self, name: &Name) {
        let Ok(mut draft) = self.share_draft(name, false) else { return };
        let settings = self.share_settings(name);
        let members: Vec<Name> = draft.group.members.keys().cloned().collect();
        for member in members {
            draft.session_from(self.now_ms, &member, settings.times.session_timeout_ms);
        }
        self.stale.insert(name.clone());
        self.adopt_share(draft, None);
    }

    /// Topics are gone, and with them what share groups had of them.
    pub(crate) fn forget_share_topics(&mut self, topics: &[(&str, Uuid)]) {
        let gone: BTreeSet<Uuid> = topics.iter().map(|(_, id)| *id).collect();
        for name in self.registry.live_names() {
            let Ok(mut draft) = self.share_draft(&name, false) else { continue };
            draft.topics(draft.group.topics.forgotten(&gone));
            self.adopt_share(draft, None);
        }
    }
}

fn heartbeat_error(refusal: Refusal) -> ShareResponse {
    ShareResponse::Heartbeat {
        response: ShareGroupHeartbeatResponse {
            error_code: refusal.error.code(),
            error_message: Some(refusal.text.into()),
            ..ShareGroupHeartbeatResponse::default()
        },
        initialize: Vec::new(),
        state_epoch: 0,
    }
}

/// Partitions as the driver is told of them.
pub(super) fn listed(topics: &ByTopic) -> Vec<StateTopic> {
    let topic = |(id, of): (&Uuid, &Partitions)| StateTopic {
        id: *id,
        name: of.name.to_string(),
        partitions: of.indexes.iter().copied().collect(),
    };
    topics.iter().map(topic).collect()
}

/// Partitions as the driver tells of them.
pub(super) fn by_topic(topics: &[StateTopic]) -> ByTopic {
    let topic = |of: &StateTopic| {
        let indexes = of.partitions.iter().copied().collect();
        (of.id, Partitions { name: of.name.as_str().into(), indexes })
    };
    topics.iter().map(topic).collect()
}
