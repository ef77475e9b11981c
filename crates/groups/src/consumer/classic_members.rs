//! Members of the classic protocol in a consumer group: they join, sync and send heartbeats as
//! ever, and are told to join again whenever there is something to give up or to take.

use std::sync::Arc;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::leave_group_request::MemberIdentity;
use klamm_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, SyncGroupRequest,
    SyncGroupResponse,
};
use klamm_protocol::wire::Uuid;

use super::calls::Becomes;
use super::convert;
use super::draft::{Draft, Scene};
use super::group::ConsumerGroup;
use super::heartbeat::{self, Speaker, check_instance, unknown_member};
use super::member::{ClassicTerms, Member, Subscription};
use super::{leave, target};
use crate::api::{Context, Response, Token};
use crate::appends::Then;
use crate::classic::member::protocols_of;
use crate::classic::{CONSUMER_PROTOCOL, join_error, sync_error};
use crate::coordinator::Coordinator;
use crate::modern::{MemberState, Refusal};
use crate::name::{Name, opt_name};
use crate::timers::TimerKey;

/// From this version on a dynamic member gets its id before it joins.
const MEMBER_ID_REQUIRED_FROM: i16 = 4;

/// What a join comes to.
enum Joined {
    /// The member is to come back with this id.
    NeedsId,
    In(Box<(Draft, Becomes, JoinGroupResponse<'static>)>),
}

impl Coordinator {
    /// Whether a request of the classic protocol meets a consumer group with members.
    pub(crate) fn meets_consumer_group(&self, group: &str) -> bool {
        self.registry.live_consumer(group).is_some_and(|group| !group.is_empty())
    }

    pub(crate) fn join_consumer_group(
        &mut self,
        token: Token,
        context: &Context,
        request: &JoinGroupRequest<'_>,
        ids: &mut dyn FnMut() -> String,
    ) {
        let is_unknown = request.member_id.is_empty();
        let id = if is_unknown { Name::from(ids()) } else { Name::from(&*request.member_id) };
        match self.decide_join(context, request, &id) {
            Ok(Joined::In(decided)) => {
                let (draft, becomes, response) = *decided;
                let (version, response) = (context.version, Response::Join(response));
                self.adopt(draft, becomes, Some(Then::Answer { token, version, response }));
            }
            Ok(Joined::NeedsId) => {
                self.respond(token, join_error(&id, ErrorCode::MemberIdRequired));
            }
            Err(refusal) => self.respond(token, join_error(&request.member_id, refusal.error)),
        }
    }

    fn decide_join(
        &self,
        context: &Context,
        request: &JoinGroupRequest<'_>,
        id: &Name,
    ) -> Result<Joined, Refusal> {
        let name = request.group_id.as_ref();
        let settings = self.consumer_settings(name);
        let scene = self.scene(name, &settings);
        let Some(group) = self.registry.live_consumer(name) else {
            return Err(unknown_member(name, id));
        };
        check_join(group, scene, request, id)?;
        let is_unknown = request.member_id.is_empty();
        let is_dynamic = request.group_instance_id.is_none();
        if is_unknown && is_dynamic && context.version >= MEMBER_ID_REQUIRED_FROM {
            return Ok(Joined::NeedsId);
        }
        let mut draft = Draft::new(group.clone());
        let instance_id = request.group_instance_id.as_deref();
        let speaker = Speaker { id, instance_id, is_classic: true };
        let before = heartbeat::member_or_new(&mut draft, &speaker, is_dynamic || is_unknown)?;
        let (said, reported) = said(context, request, &before, scene)?;
        draft.say(id, said);
        let changed = heartbeat::subscribe(&mut draft, scene, &before)?;
        // The one that it replaced may have been the last of the consumer protocol.
        let replaced = !is_dynamic && is_unknown;
        let downgrades = replaced && convert::may_downgrade(&draft.group, scene);
        if !downgrades {
            target::update_target(&mut draft, scene);
        }
        if !downgrades || !changed {
            heartbeat::advance(&mut draft, scene, id, changed, Some(&reported))?;
        }
        let member = draft.member(id);
        let response = joined(&member);
        let becomes = if downgrades {
            convert::to_classic(&mut draft, scene, changed)?
        } else {
            await_sync(&mut draft, scene, &member);
            Becomes::Consumer
        };
        Ok(Joined::In(Box::new((draft, becomes, response))))
    }

    pub(crate) fn sync_consumer_group(
        &mut self,
        token: Token,
        version: i16,
        request: &SyncGroupRequest<'_>,
    ) {
        match self.decide_sync(request) {
            Ok((draft, Ok(response))) => {
                let response = Response::Sync(response);
                self.adopt(
                    draft,
                    Becomes::Consumer,
                    Some(Then::Answer { token, version, response }),
                );
            }
            Ok((draft, Err(error))) => {
                self.adopt(draft, Becomes::Consumer, None);
                self.respond(token, sync_error(error));
            }
            Err(refusal) => self.respond(token, sync_error(refusal.error)),
        }
    }

    fn decide_sync(
        &self,
        request: &SyncGroupRequest<'_>,
    ) -> Result<(Draft, Result<SyncGroupResponse<'static>, ErrorCode>), Refusal> {
        let (group, member) = self.classic_member(
            &request.group_id,
            &request.member_id,
            request.group_instance_id.as_deref(),
        )?;
        check_generation(&member, request.generation_id)?;
        check_protocol(&member, request)?;
        let mut draft = Draft::new(group.clone());
        if group.epoch > member.has.epoch && member.has.state != MemberState::Unrevoked {
            await_join(&mut draft, self.now_ms, &member);
            return Ok((draft, Err(ErrorCode::RebalanceInProgress)));
        }
        let key = TimerKey::Resync { group: group.id.clone(), member: member.id.clone() };
        draft.timers.insert(key, None);
        let timeout_ms = member.classic_session_timeout_ms().unwrap_or_default();
        draft.session_from(self.now_ms, &member.id, timeout_ms);
        let spoken = member.classic_protocol().map(|p| p.metadata.as_slice()).unwrap_or_default();
        let part = convert::assignment_for(spoken, &member.assigned(), &self.image);
        let text = |field: &Option<std::borrow::Cow<'_, str>>| {
            field.as_ref().map(|text| text.to_string().into())
        };
        let response = SyncGroupResponse {
            protocol_type: text(&request.protocol_type),
            protocol_name: text(&request.protocol_name),
            assignment: part.into(),
            ..SyncGroupResponse::default()
        };
        Ok((draft, Ok(response)))
    }

    pub(crate) fn beat_consumer_group(
        &mut self,
        token: Token,
        version: i16,
        request: &HeartbeatRequest<'_>,
    ) {
        let response = |error: ErrorCode| {
            let error_code = error.code();
            Response::Heartbeat(HeartbeatResponse { error_code, ..HeartbeatResponse::default() })
        };
        match self.decide_beat(request) {
            Ok((draft, told)) => {
                let response = response(told);
                self.adopt(
                    draft,
                    Becomes::Consumer,
                    Some(Then::Answer { token, version, response }),
                );
            }
            Err(refusal) => self.respond(token, response(refusal.error)),
        }
    }

    fn decide_beat(&self, request: &HeartbeatRequest<'_>) -> Result<(Draft, ErrorCode), Refusal> {
        let (group, member) = self.classic_member(
            &request.group_id,
            &request.member_id,
            request.group_instance_id.as_deref(),
        )?;
        check_generation(&member, request.generation_id)?;
        let mut draft = Draft::new(group.clone());
        let timeout_ms = member.classic_session_timeout_ms().unwrap_or_default();
        draft.session_from(self.now_ms, &member.id, timeout_ms);
        let is_behind = match member.has.state {
            _ if member.has.epoch < group.epoch => true,
            MemberState::Unrevoked => true,
            MemberState::Unreleased => !waits_for_others(group, &member),
            _ => false,
        };
        if !is_behind {
            return Ok((draft, ErrorCode::None));
        }
        await_join(&mut draft, self.now_ms, &member);
        Ok((draft, ErrorCode::RebalanceInProgress))
    }

    /// The member that a request of the classic protocol speaks for.
    fn classic_member(
        &self,
        group: &str,
        id: &str,
        instance_id: Option<&str>,
    ) -> Result<(&ConsumerGroup, Arc<Member>), Refusal> {
        let group = self.registry.live_consumer(group).ok_or_else(|| unknown_member(group, id))?;
        let found = match instance_id {
            None => group.member(id),
            Some(instance_id) => group.static_member(instance_id),
        };
        let member = found.cloned().ok_or_else(|| unknown_member(&group.id, id))?;
        if let Some(instance_id) = instance_id {
            check_instance(&member, id, instance_id)?;
        }
        if !member.is_classic() {
            let text = format!("Member {id} does not use the classic protocol.");
            return Err(Refusal::new(ErrorCode::UnknownMemberId, text));
        }
        Ok((group, member))
    }

    /// LeaveGroup may take out members of any protocol: administrators use it.
    pub(crate) fn leave_consumer_group(
        &mut self,
        group: &Name,
        leaving: &[MemberIdentity<'_>],
    ) -> Vec<Result<(), ErrorCode>> {
        let Some(found) = self.registry.live_consumer(group) else {
            return leaving.iter().map(|_| Err(ErrorCode::UnknownMemberId)).collect();
        };
        let results: Vec<_> = leaving.iter().map(|m| leaver(found, m)).collect();
        let mut members: Vec<Name> =
            results.iter().filter_map(|result| result.as_ref().ok()).cloned().collect();
        members.sort();
        members.dedup();
        if !members.is_empty() {
            let settings = self.consumer_settings(group);
            let scene = self.scene(group, &settings);
            let mut draft = Draft::new(found.clone());
            match leave::fence(&mut draft, scene, &members) {
                Ok(becomes) => self.adopt(draft, becomes, None),
                Err(refusal) => return leaving.iter().map(|_| Err(refusal.error)).collect(),
            }
        }
        results
            .into_iter()
            .map(|result| result.map(drop).map_err(|refusal| refusal.error))
            .collect()
    }
}

fn leaver(group: &ConsumerGroup, leaving: &MemberIdentity<'_>) -> Result<Name, Refusal> {
    let id = leaving.member_id.as_ref();
    let unknown = || unknown_member(&group.id, id);
    match leaving.group_instance_id.as_deref() {
        None => Ok(group.member(id).ok_or_else(unknown)?.id.clone()),
        Some(instance_id) => {
            let holder = group.static_member(instance_id).ok_or_else(unknown)?;
            if !id.is_empty() {
                check_instance(holder, id, instance_id)?;
            }
            Ok(holder.id.clone())
        }
    }
}

fn check_join(
    group: &ConsumerGroup,
    scene: Scene<'_>,
    request: &JoinGroupRequest<'_>,
    id: &Name,
) -> Result<(), Refusal> {
    let inconsistent = |text: String| Err(Refusal::new(ErrorCode::InconsistentGroupProtocol, text));
    let migration = scene.settings.migration;
    if !migration.upgrade && !migration.downgrade {
        return inconsistent(format!(
            "Cannot join the consumer group {} with the classic protocol because the group \
             migration is disabled.",
            group.id
        ));
    }
    heartbeat::check_room(group, scene, id)?;
    let mut names = request.protocols.iter().map(|protocol| &*protocol.name);
    let is_consumer = request.protocol_type == CONSUMER_PROTOCOL;
    if !is_consumer || !group.supports_classic(&mut names) {
        return inconsistent(format!("Member {id}'s protocols are not supported."));
    }
    Ok(())
}

type Said = (Subscription, Vec<(Uuid, Vec<i32>)>);

/// What a join says, and which partitions the member says that it has.
fn said(
    context: &Context,
    request: &JoinGroupRequest<'_>,
    before: &Member,
    scene: Scene<'_>,
) -> Result<Said, Refusal> {
    let first = request.protocols.first().map(|protocol| protocol.metadata.as_ref());
    let subscription = first.and_then(convert::subscription_in).ok_or_else(|| {
        let text = "Malformed embedded consumer protocol in subscription deserialization.";
        Refusal::new(ErrorCode::UnknownServerError, text)
    })?;
    let owned = subscription
        .owned_partitions
        .iter()
        .filter_map(|topic| Some((scene.image.topic(&topic.topic)?.id, topic.partitions.clone())));
    let said = Subscription {
        instance_id: opt_name(request.group_instance_id.as_ref())
            .or_else(|| before.said.instance_id.clone()),
        rack_id: opt_name(subscription.rack_id.as_ref()).or_else(|| before.said.rack_id.clone()),
        client_id: context.client_id.as_str().into(),
        client_host: context.client_host.as_str().into(),
        rebalance_timeout_ms: match (context.version, request.rebalance_timeout_ms) {
            (0, _) => request.session_timeout_ms,
            (_, -1) => before.said.rebalance_timeout_ms,
            (_, timeout_ms) => timeout_ms,
        },
        topics: Arc::new(subscription.topics.iter().map(|t| Name::from(t.as_ref())).collect()),
        pattern: Name::from(""),
        assignor: before.said.assignor.clone(),
        classic: Some(Arc::new(ClassicTerms {
            session_timeout_ms: request.session_timeout_ms,
            protocols: protocols_of(request.protocols.clone()),
        })),
    };
    Ok((said, owned.collect()))
}

fn joined(member: &Member) -> JoinGroupResponse<'static> {
    JoinGroupResponse {
        generation_id: member.has.epoch,
        protocol_type: Some(CONSUMER_PROTOCOL.into()),
        protocol_name: member.classic_protocol().map(|p| p.name.to_string().into()),
        member_id: member.id.to_string().into(),
        ..JoinGroupResponse::default()
    }
}

/// A member has joined and is to sync within its rebalance timeout.
fn await_sync(draft: &mut Draft, scene: Scene<'_>, member: &Member) {
    let (group, id) = (draft.group.id.clone(), member.id.clone());
    draft.timers.insert(TimerKey::Rejoin { group: group.clone(), member: id.clone() }, None);
    let timeout_ms = member.classic_session_timeout_ms().unwrap_or_default();
    draft.session_from(scene.now_ms, &id, timeout_ms);
    let patience_ms = i64::from(member.said.rebalance_timeout_ms.max(0));
    let key = TimerKey::Resync { group, member: id };
    draft.timers.insert(key, Some(scene.now_ms + patience_ms));
}

/// A member has been told to join again.
fn await_join(draft: &mut Draft, now_ms: i64, member: &Member) {
    let key = TimerKey::Rejoin { group: draft.group.id.clone(), member: member.id.clone() };
    let patience_ms = i64::from(member.said.rebalance_timeout_ms.max(0));
    draft.timers_if_absent.insert(key, now_ms + patience_ms);
}

fn check_generation(member: &Member, generation: i32) -> Result<(), Refusal> {
    if member.has.epoch == generation {
        return Ok(());
    }
    let (epoch, id) = (member.has.epoch, &member.id);
    let text = format!(
        "The request generation id {generation} is not equal to the member epoch {epoch} of \
         member {id}."
    );
    Err(Refusal::new(ErrorCode::IllegalGeneration, text))
}

fn check_protocol(member: &Member, request: &SyncGroupRequest<'_>) -> Result<(), Refusal> {
    let spoken = member.classic_protocol().map(|p| &*p.name).unwrap_or_default();
    let differs = |said: Option<&str>, is: &str| said.is_some_and(|said| said != is);
    let is_other = differs(request.protocol_type.as_deref(), CONSUMER_PROTOCOL)
        || differs(request.protocol_name.as_deref(), spoken);
    if is_other {
        let text = "The protocol of the request is not the one of the join response.";
        return Err(Refusal::new(ErrorCode::InconsistentGroupProtocol, text));
    }
    Ok(())
}

/// Whether some of a member's target is still with another.
fn waits_for_others(group: &ConsumerGroup, member: &Member) -> bool {
    let target = group.target(&member.id);
    let mut partitions = target.iter().flat_map(|(t, set)| set.iter().map(move |p| (*t, *p)));
    partitions.any(|(topic, partition)| {
        !crate::modern::assignment::owns(&member.has.assigned, topic, partition)
            && group.owner(topic, partition).is_some()
    })
}
