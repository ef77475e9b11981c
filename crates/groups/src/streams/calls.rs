//! Where requests and deadlines meet streams groups: a draft of the group is made, decided on,
//! and if nothing speaks against it becomes the group.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::streams_group_heartbeat_response::Status;
use klamm_protocol::messages::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};

use super::configure::{self, Problem, SHUTDOWN_APPLICATION};
use super::draft::{Draft, Scene};
use super::group::StreamsGroup;
use super::heartbeat::{self, Beat, Beaten};
use super::{check, endpoints, leave, target};
use crate::api::{Context, Response, StreamsBeaten, Token};
use crate::appends::{Changes, Then};
use crate::coordinator::Coordinator;
use crate::modern::{LEAVE_EPOCH, LEAVE_STATIC_EPOCH, Refusal};
use crate::name::Name;
use crate::records;
use crate::registry::AnyGroup;
use crate::timers::TimerKey;
use klamm_config::StreamsGroupSettings;

/// What of a group is not in the log: it begins anew with its coordinator.
#[derive(Debug, Clone, Default)]
pub(crate) struct Volatile {
    /// The member that asked the whole application to end.
    shutdown_by: Option<Name>,
    /// Rises when the tasks of a member with an endpoint change.
    endpoint_epoch: i32,
}

impl Coordinator {
    pub(crate) fn streams_heartbeat(
        &mut self,
        token: Token,
        context: &Context,
        request: &StreamsGroupHeartbeatRequest<'_>,
    ) {
        match self.decide_streams(context, request) {
            Ok((draft, beaten)) => {
                let response = Response::StreamsHeartbeat(Box::new(beaten));
                let version = context.version;
                self.adopt_streams(draft, Some(Then::Answer { token, version, response }));
            }
            Err(refusal) => self.respond(token, refused(refusal)),
        }
    }

    fn decide_streams(
        &mut self,
        context: &Context,
        request: &StreamsGroupHeartbeatRequest<'_>,
    ) -> Result<(Draft, StreamsBeaten), Refusal> {
        check::check(request)?;
        let name = Name::from(request.group_id.as_ref());
        let settings = self.streams_settings(&name);
        let mut draft = self.streams_draft(&name, request.member_epoch == 0)?;
        let beat = Beat { context, request, id: Name::from(request.member_id.as_ref()) };
        if matches!(request.member_epoch, LEAVE_EPOCH | LEAVE_STATIC_EPOCH) {
            let response = leave::heartbeat(&mut draft, &beat)?;
            self.note_shutdown(&name, &beat);
            return Ok((draft, StreamsBeaten { response, missing: Vec::new() }));
        }
        let delay = TimerKey::InitialDelay { group: name.clone() };
        let delay_ms = i64::from(settings.initial_rebalance_delay_ms);
        let is_first = draft.group.is_empty() && delay_ms > 0;
        let mut scene = self.streams_scene(&name, &settings);
        scene.waits_for_members |= is_first;
        let beaten = heartbeat::stay(&mut draft, scene, &beat)?;
        if is_first && !self.timers.is_set(&delay) {
            draft.timers.insert(delay, Some(self.now_ms + delay_ms));
        }
        self.note_shutdown(&name, &beat);
        Ok(self.complete(draft, &beat, beaten))
    }

    /// Adds what is not in the log.
    fn complete(
        &mut self,
        draft: Draft,
        beat: &Beat<'_>,
        beaten: Beaten,
    ) -> (Draft, StreamsBeaten) {
        let Beaten { mut response, mut statuses, has_changed, missing } = beaten;
        let volatile = self.streams.entry(draft.group.id.clone()).or_default();
        let member = draft.member(&beat.id);
        if has_changed && member.said.endpoint.is_some() {
            volatile.endpoint_epoch += 1;
        }
        if beat.request.endpoint_information_epoch != volatile.endpoint_epoch {
            let found = endpoints::of_group(&draft.group, &self.image);
            response.partitions_by_user_endpoint = Some(found);
        }
        response.endpoint_information_epoch = volatile.endpoint_epoch;
        if let Some(by) = &volatile.shutdown_by {
            let detail = format!(
                "Streams group member {by} encountered a fatal error and requested a shutdown for \
                 the entire application."
            );
            statuses.push(Problem { status: SHUTDOWN_APPLICATION, detail });
        }
        response.status = Some(statuses.into_iter().map(status).collect());
        (draft, StreamsBeaten { response, missing })
    }

    fn note_shutdown(&mut self, group: &Name, beat: &Beat<'_>) {
        if beat.request.shutdown_application {
            let volatile = self.streams.entry(group.clone()).or_default();
            volatile.shutdown_by.get_or_insert_with(|| beat.id.clone());
        }
    }

    /// The settings of a group, which may have some of its own.
    fn streams_settings(&self, group: &str) -> StreamsGroupSettings {
        self.settings.streams.with_own(self.own_settings(group))
    }

    fn streams_scene<'a>(&'a self, group: &Name, settings: &'a StreamsGroupSettings) -> Scene<'a> {
        Scene {
            now_ms: self.now_ms,
            is_stale: self.stale.contains(group),
            waits_for_members: self.timers.is_set(&TimerKey::InitialDelay { group: group.clone() }),
            image: &self.image,
            settings,
        }
    }

    /// A draft of the group as a streams group. A first heartbeat makes one where there is none,
    /// or takes the place of an empty classic group.
    fn streams_draft(&self, name: &Name, may_create: bool) -> Result<Draft, Refusal> {
        let missing = |text: String| Refusal::new(ErrorCode::GroupIdNotFound, text);
        match self.registry.live(name) {
            Some(AnyGroup::Streams(group)) => Ok(Draft::new((**group).clone())),
            Some(AnyGroup::Classic(group))
                if may_create
                    && group.size() == 0
                    && group.state == crate::classic::State::Empty =>
            {
                let mut draft = Draft::new(StreamsGroup::new(name.clone()));
                draft.records.push(records::group_tombstone(name));
                Ok(draft)
            }
            Some(_) => Err(missing(format!("Group {name} is not a streams group."))),
            None if may_create => Ok(Draft::new(StreamsGroup::new(name.clone()))),
            None => Err(missing(format!("Streams group {name} not found."))),
        }
    }

    /// Makes a draft the group: sets its deadlines, has its records appended, and `then` is done
    /// when they are durable.
    fn adopt_streams(&mut self, draft: Draft, then: Option<Then>) {
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
        if group.is_empty() {
            // An application that begins anew is not to end because the one before did.
            self.streams.remove(&name);
        }
        if records.is_empty() {
            if let Some(Then::Answer { token, version, response }) = then {
                self.answer_when_durable(token, version, response);
            }
            return;
        }
        let group = AnyGroup::Streams(Box::new(group));
        let changes = Changes { replaced: vec![(name, group)], ..Changes::default() };
        self.append(records, changes, then);
    }

    /// A member was silent for too long, or did not do in time what it was told to.
    pub(crate) fn fence_streams(&mut self, name: &Name, member: &Name) {
        let Some(group) = self.registry.live_streams(name) else { return };
        if group.member(member).is_none() {
            return;
        }
        let mut draft = Draft::new(group.clone());
        leave::fence(&mut draft, member);
        self.adopt_streams(draft, None);
    }

    /// The group has waited long enough for more members: they get their first assignment.
    pub(crate) fn initial_delay_is_over(&mut self, name: &Name) {
        let Some(group) = self.registry.live_streams(name).filter(|group| !group.is_empty()) else {
            return;
        };
        let Some(topology) = group.topology.clone() else { return };
        let settings = self.streams_settings(name);
        let scene = self.streams_scene(name, &settings);
        let mut draft = Draft::new(group.clone());
        // A topology that cannot be is told to who brings it.
        if let Ok(configured) = configure::configure(&topology, scene.image) {
            target::make_target(&mut draft, scene, &configured);
            self.adopt_streams(draft, None);
        }
    }

    /// Takes up the deadlines of a group that was read from the log.
    pub(crate) fn resume_streams(&mut self, name: &Name) {
        let Some(group) = self.registry.live_streams(name) else { return };
        let settings = self.streams_settings(name);
        let mut draft = Draft::new(group.clone());
        for member in group.members.values() {
            draft.session_from(self.now_ms, &member.id, settings.times.session_timeout_ms);
            if let Some(deadline_ms) = heartbeat::revoke_deadline(self.now_ms, member) {
                let (group, member) = (name.clone(), member.id.clone());
                draft.timers.insert(TimerKey::Revoke { group, member }, Some(deadline_ms));
            }
        }
        self.stale.insert(name.clone());
        self.adopt_streams(draft, None);
    }
}

fn status(problem: Problem) -> Status<'static> {
    Status {
        status_code: problem.status,
        status_detail: problem.detail.into(),
        ..Status::default()
    }
}

fn refused(refusal: Refusal) -> Response {
    let response = StreamsGroupHeartbeatResponse {
        error_code: refusal.error.code(),
        error_message: Some(refusal.text.into()),
        ..StreamsGroupHeartbeatResponse::default()
    };
    Response::StreamsHeartbeat(Box::new(StreamsBeaten { response, missing: Vec::new() }))
}
