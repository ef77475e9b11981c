//! Appends on their way to the log, and what waits for them.

use std::collections::BTreeMap;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{
    ConsumerGroupHeartbeatResponse, HeartbeatResponse, StreamsGroupHeartbeatResponse,
};

use crate::api::{
    AppendId, CoordinatorRecord, Effect, EndTransaction, InTransaction, Response, StreamsBeaten,
    Token, told_of_append,
};
use crate::classic::{Group, Replaced};
use crate::coordinator::Coordinator;
use crate::name::Name;
use crate::offsets::{Committed, OffsetKey};
use crate::registry::AnyGroup;
use crate::timers::TimerKey;

/// What an append changes for readers.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) created: Option<Name>,
    /// The group without members in whose place the created one is.
    pub(crate) former: Option<AnyGroup>,
    pub(crate) deleted: Vec<Name>,
    /// Groups that take the place of others, which may be their former selves.
    pub(crate) replaced: Vec<(Name, AnyGroup)>,
    pub(crate) offsets: Vec<(OffsetKey, Option<Committed>)>,
    /// Offsets that wait for the end of this producer's transaction.
    pub(crate) pending: Option<(i64, Vec<(OffsetKey, Committed)>)>,
    /// The producer whose transaction ends.
    pub(crate) ended: Option<i64>,
}

/// What is appended.
#[derive(Debug)]
pub(crate) enum What {
    Records(Vec<CoordinatorRecord>),
    InTransaction(Vec<CoordinatorRecord>, InTransaction),
    Marker(EndTransaction),
}

/// What happens when an append has ended.
#[derive(Debug)]
pub(crate) enum Then {
    /// Send the response, or if the append failed the same response with errors in it.
    Answer { token: Token, version: i16, response: Response },
    /// The first record of a group that a join created is written.
    GroupCreated { group: Name, token: Token },
    /// A leader's assignment is written.
    SyncStored { group: Name, generation: i32, assignments: BTreeMap<Name, Vec<u8>> },
    /// The new id of a static member is written.
    StaticReplaced(Box<Replaced>),
}

#[derive(Debug)]
struct Open {
    then: Vec<Then>,
    groups: Vec<Name>,
    offsets: Vec<OffsetKey>,
    pending: Option<i64>,
    ended: Option<i64>,
}

#[derive(Debug, Default)]
pub(crate) struct Appends {
    last: u64,
    open: BTreeMap<AppendId, Open>,
}

impl Coordinator {
    /// Has records appended. Requests act on the changes at once, readers see them when they are
    /// durable.
    pub(crate) fn append(
        &mut self,
        records: Vec<CoordinatorRecord>,
        changes: Changes,
        then: Option<Then>,
    ) {
        self.append_what(What::Records(records), changes, then);
    }

    /// The same for records of any kind.
    pub(crate) fn append_what(&mut self, what: What, changes: Changes, then: Option<Then>) {
        self.appends.last += 1;
        let id = AppendId(self.appends.last);
        let replaced = changes.replaced.iter().map(|(name, _)| name);
        let groups: Vec<Name> =
            changes.created.iter().chain(&changes.deleted).chain(replaced).cloned().collect();
        if let Some(created) = &changes.created {
            self.registry.created_by(created, changes.former, id);
        }
        for deleted in &changes.deleted {
            self.registry.replaced_by(deleted, None, id);
        }
        for (name, group) in changes.replaced {
            self.registry.replaced_by(&name, Some(group), id);
        }
        let mut offsets = Vec::with_capacity(changes.offsets.len());
        for (key, value) in changes.offsets {
            self.offsets.write(&key, value, id);
            offsets.push(key);
        }
        let pending = changes.pending.map(|(producer_id, offsets)| {
            self.offsets.write_pending(producer_id, offsets, id);
            producer_id
        });
        let (then, ended) = (then.into_iter().collect(), changes.ended);
        self.appends.open.insert(id, Open { then, groups, offsets, pending, ended });
        self.timers.set(TimerKey::Append(id), self.now_ms + self.settings.append_timeout_ms);
        self.effects.push(match what {
            What::Records(records) => Effect::Append { id, records },
            What::InTransaction(records, transaction) => {
                Effect::AppendInTransaction { id, records, transaction }
            }
            What::Marker(end) => Effect::AppendMarker { id, end },
        });
    }

    /// Answers once everything that was decided so far is durable; at once if it is.
    pub(crate) fn answer_when_durable(&mut self, token: Token, version: i16, response: Response) {
        match self.appends.open.last_entry() {
            Some(mut last) => last.get_mut().then.push(Then::Answer { token, version, response }),
            None => self.respond(token, response),
        }
    }

    pub(crate) fn settle_append(&mut self, id: AppendId, result: Result<(), ErrorCode>) {
        let Some(open) = self.appends.open.remove(&id) else { return };
        self.timers.cancel(TimerKey::Append(id));
        for name in &open.groups {
            match result {
                Ok(()) => self.registry.settle(name, id),
                Err(error) => self.revert_group(name, id, told_of_append(error)),
            }
        }
        for key in &open.offsets {
            self.offsets.settle(key, id, result.is_ok());
            if result.is_ok() {
                self.ensure_group_of(key);
            }
        }
        if let Some(producer_id) = open.pending
            && result.is_err()
        {
            self.offsets.revert_pending(producer_id, id);
        }
        if let Some(producer_id) = open.ended
            && result.is_ok()
        {
            self.offsets.forget_pending(producer_id);
        }
        for then in open.then {
            self.carry_on(then, result);
        }
    }

    fn revert_group(&mut self, name: &Name, id: AppendId, error: ErrorCode) {
        let (dropped, is_back) = self.registry.revert(name, id);
        if let Some(AnyGroup::Classic(group)) = dropped {
            self.dissolve(*group, error);
        }
        if is_back {
            self.resume_any(name);
        }
    }

    /// The append that made the group may have failed and this one not; whoever reads the log
    /// will find a group.
    fn ensure_group_of(&mut self, key: &OffsetKey) {
        if !self.registry.knows(&key.group) && self.offsets.is_durable(key) {
            self.registry.put(Box::new(Group::new(key.group.clone(), self.now_ms)));
        }
    }

    /// An append takes too long. Who waits for it hears so, but the records may yet become
    /// durable, so what they change stays as it is.
    pub(crate) fn append_is_late(&mut self, id: AppendId) {
        let Some(open) = self.appends.open.get_mut(&id) else { return };
        for then in std::mem::take(&mut open.then) {
            self.carry_on(then, Err(ErrorCode::RequestTimedOut));
        }
    }

    fn carry_on(&mut self, then: Then, result: Result<(), ErrorCode>) {
        match then {
            Then::Answer { token, version, response } => {
                let response = match result {
                    Ok(()) => response,
                    Err(error) => response.refused(error, version),
                };
                self.respond(token, response);
            }
            Then::GroupCreated { group, token } => self.on_group_created(&group, token, result),
            Then::SyncStored { group, generation, assignments } => {
                self.on_sync_stored(&group, generation, assignments, result);
            }
            Then::StaticReplaced(replaced) => self.on_static_replaced(*replaced, result),
        }
    }

    /// Ends every append, as the shard moves away: nobody here will hear of them.
    pub(crate) fn abandon_appends(&mut self) {
        let open = std::mem::take(&mut self.appends.open);
        for then in open.into_values().flat_map(|open| open.then) {
            if let Then::Answer { token, version, response } = then {
                self.respond(token, response.refused(ErrorCode::NotCoordinator, version));
            }
        }
    }
}

impl Response {
    /// The response in place of this one, as its append ended in an error.
    fn refused(self, error: ErrorCode, version: i16) -> Self {
        let told = told_of_append(error);
        let code = told.code();
        match self {
            Self::ConsumerHeartbeat(r) => Self::ConsumerHeartbeat(ConsumerGroupHeartbeatResponse {
                error_code: code,
                throttle_time_ms: r.throttle_time_ms,
                ..<_>::default()
            }),
            Self::StreamsHeartbeat(_) => Self::StreamsHeartbeat(Box::new(StreamsBeaten {
                response: StreamsGroupHeartbeatResponse { error_code: code, ..<_>::default() },
                missing: Vec::new(),
            })),
            Self::Join(r) => crate::classic::join_error(&r.member_id, told),
            Self::Sync(_) => crate::classic::sync_error(told),
            Self::Heartbeat(r) => Self::Heartbeat(HeartbeatResponse { error_code: code, ..r }),
            Self::Leave(_) => Self::Leave(crate::classic::leave_error(code)),
            Self::Commit(r) => Self::Commit(crate::offsets::commit_error(r, code)),
            Self::TxnCommit(r) => {
                Self::TxnCommit(crate::offsets::transactional_error(r, error, version))
            }
            Self::EndTransaction(_) => Self::EndTransaction(error),
            Self::Fetch(r) => Self::Fetch(crate::offsets::fetch_error(r, error, version)),
            Self::OffsetDelete(_) => Self::OffsetDelete(crate::offsets::delete_error(code)),
            Self::DeleteGroups(results) => {
                Self::DeleteGroups(crate::admin::all_failed(results, code))
            }
            Self::Share(r) => Self::Share(r.refused(told)),
            other => other,
        }
    }
}
