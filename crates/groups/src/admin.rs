//! What an administrator sees and does: DescribeGroups (0 to 6), ListGroups (0 to 5),
//! DeleteGroups (0 to 3).

use std::collections::BTreeSet;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::delete_groups_response::DeletableGroupResult;
use klamm_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use klamm_protocol::messages::list_groups_response::ListedGroup;

use crate::api::{CoordinatorRecord, Response, Token};
use crate::appends::{Changes, Then};
use crate::classic::member::Member;
use crate::classic::{Group, State};
use crate::consumer::draft::Draft;
use crate::coordinator::Coordinator;
use crate::name::{Name, opt_text, text};
use crate::offsets::{OffsetKey, View};
use crate::records;
use crate::registry::AnyGroup;
use crate::{share, streams};

/// From this version on a group that is not there is an error and not only dead.
const NOT_FOUND_FROM: i16 = 6;
const DEAD: &str = "Dead";

impl Coordinator {
    pub(crate) fn describe(&mut self, token: Token, version: i16, names: &[String]) {
        let describe = |name: &String| match self.registry.visible(name) {
            Some(AnyGroup::Classic(group)) => described(group),
            Some(_) => not_found(name, version, format!("Group {name} is not a classic group.")),
            None => not_found(name, version, format!("Group {name} not found.")),
        };
        let groups = names.iter().map(describe).collect();
        self.respond(token, Response::Describe(groups));
    }

    pub(crate) fn list(&mut self, token: Token, states: &[String], types: &[String]) {
        let states: Vec<String> = states.iter().map(|s| s.trim().to_lowercase()).collect();
        let passes = |group: &&AnyGroup| {
            let is_state = |state: &String| state.eq_ignore_ascii_case(group.state_name());
            let is_type = |of: &String| of.eq_ignore_ascii_case(group.type_name());
            (types.is_empty() || types.iter().any(is_type))
                && (states.is_empty() || states.iter().any(is_state))
        };
        let groups = self.registry.all_visible().filter(passes).map(listed).collect();
        self.respond(token, Response::List(groups));
    }

    pub(crate) fn delete_groups(&mut self, token: Token, version: i16, names: Vec<String>) {
        let mut seen = BTreeSet::new();
        let mut changes = Changes::default();
        let mut tombstones = Vec::new();
        let mut results = Vec::new();
        for name in names {
            if !seen.insert(name.clone()) {
                continue;
            }
            let deletable = self.check_deletable(&name);
            if let Ok(group) = &deletable {
                let offsets = self.offsets.of_group(View::Newest, &name);
                let key = |topic: &Name, partition| {
                    let (group, topic) = (group.clone(), topic.clone());
                    OffsetKey { group, topic, partition }
                };
                let mut keys: Vec<_> = offsets.map(|(topic, p, _)| key(topic, p)).collect();
                keys.extend(self.offsets.pending_of_group(&name).cloned());
                keys.sort_unstable();
                keys.dedup();
                tombstones.extend(keys.iter().map(records::offset_tombstone));
                tombstones.extend(self.group_tombstones(group));
                changes.offsets.extend(keys.into_iter().map(|key| (key, None)));
                changes.deleted.push(group.clone());
            }
            results.push(result(name, deletable.err()));
        }
        let response = Response::DeleteGroups(results);
        if tombstones.is_empty() {
            self.answer_when_durable(token, version, response);
        } else {
            self.append(tombstones, changes, Some(Then::Answer { token, version, response }));
        }
    }

    fn check_deletable(&self, name: &str) -> Result<Name, ErrorCode> {
        let group = self.registry.live(name).ok_or(ErrorCode::GroupIdNotFound)?;
        if group.is_empty() { Ok(group.id().clone()) } else { Err(ErrorCode::NonEmptyGroup) }
    }

    /// What takes a group without members away.
    pub(crate) fn group_tombstones(&self, name: &Name) -> Vec<CoordinatorRecord> {
        match self.registry.live(name) {
            Some(AnyGroup::Consumer(group)) => {
                let mut draft = Draft::new((**group).clone());
                draft.remove_all();
                draft.records
            }
            Some(AnyGroup::Streams(group)) => streams::tombstones(group),
            Some(AnyGroup::Share(group)) => {
                let mut draft = share::draft::Draft::new((**group).clone());
                draft.remove_all();
                draft.records
            }
            Some(AnyGroup::Classic(_)) | None => vec![records::group_tombstone(name)],
        }
    }
}

/// What a member says, and under which protocol, is shown only while it is agreed upon.
fn described(group: &Group) -> DescribedGroup<'static> {
    let protocol = group.protocol.as_ref().filter(|_| group.state == State::Stable);
    let member = |m: &Member| DescribedGroupMember {
        member_id: text(&m.id),
        group_instance_id: opt_text(m.instance_id.as_ref()),
        client_id: text(&m.client_id),
        client_host: text(&m.client_host),
        member_metadata: protocol.and_then(|p| m.metadata(p)).unwrap_or_default().to_vec().into(),
        member_assignment: m.assignment.clone().into(),
        ..DescribedGroupMember::default()
    };
    DescribedGroup {
        group_id: text(&group.id),
        group_state: group.state.name().into(),
        protocol_type: opt_text(group.protocol_type.as_ref()).unwrap_or_default(),
        protocol_data: opt_text(protocol).unwrap_or_default(),
        members: group.members().map(member).collect(),
        ..DescribedGroup::default()
    }
}

fn not_found(name: &str, version: i16, message: String) -> DescribedGroup<'static> {
    let group_id = name.to_owned().into();
    let dead = DescribedGroup { group_id, group_state: DEAD.into(), ..DescribedGroup::default() };
    if version < NOT_FOUND_FROM {
        return dead;
    }
    DescribedGroup {
        error_code: ErrorCode::GroupIdNotFound.code(),
        error_message: Some(message.into()),
        ..dead
    }
}

fn listed(group: &AnyGroup) -> ListedGroup<'static> {
    ListedGroup {
        group_id: text(group.id()),
        protocol_type: group.protocol_type().unwrap_or_default().to_owned().into(),
        group_state: group.state_name().into(),
        group_type: group.type_name().into(),
        ..ListedGroup::default()
    }
}

fn result(name: String, error: Option<ErrorCode>) -> DeletableGroupResult<'static> {
    let error_code = error.unwrap_or(ErrorCode::None).code();
    DeletableGroupResult { group_id: name.into(), error_code, ..DeletableGroupResult::default() }
}

/// The same results with one error for all.
pub(crate) fn all_failed(
    mut results: Vec<DeletableGroupResult<'static>>,
    error_code: i16,
) -> Vec<DeletableGroupResult<'static>> {
    for result in &mut results {
        result.error_code = error_code;
    }
    results
}
