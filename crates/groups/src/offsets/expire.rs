//! Offsets that nobody needs any more go (KIP-211), and with its last one a group.
//!
//! The time runs from the moment the group became empty; for a consumer that assigns itself, and
//! for topics that the members of a stable consumer group no longer subscribe to, from the commit.
//! Where members may still need an offset, it never expires.

use klamm_planted::planted;

use super::store::{Committed, OffsetKey, View};
use crate::appends::{Changes, Then};
use crate::classic::State;
use crate::coordinator::Coordinator;
use crate::name::Name;
use crate::records;
use crate::registry::AnyGroup;
use crate::timers::TimerKey;

/// Tombstones in one append. Nothing reads them together, so they need not be one batch, and a
/// batch must stay below `max.message.bytes` for any names.
const TOMBSTONES_PER_APPEND_MAX: usize = 500;

/// Since when a group's offsets are not in use.
#[derive(Debug, Clone, Copy)]
enum Unused {
    Since(i64),
    SinceCommit,
}

impl Coordinator {
    pub(crate) fn schedule_sweep(&mut self) {
        let at_ms = self.now_ms + self.settings.offsets_retention_check_interval_ms;
        self.timers.set(TimerKey::Sweep, at_ms);
    }

    pub(crate) fn sweep(&mut self) {
        for name in self.registry.live_names() {
            if let Some((expired, is_last)) = self.expired_of(&name) {
                self.append_in_pieces(expired, is_last.then_some(name));
            }
        }
        self.schedule_sweep();
    }

    /// A group's expired offsets, and whether the group goes with them.
    fn expired_of(&self, name: &str) -> Option<(Vec<OffsetKey>, bool)> {
        let group = self.registry.live(name)?;
        if matches!(group, AnyGroup::Share(_)) {
            // As in Kafka: what became of its records is known elsewhere, and it alone knows where.
            return None;
        }
        let unused = unused(group);
        let mut expired = Vec::new();
        let mut some_stay = false;
        for (topic, partition, committed) in self.offsets.of_group(View::Newest, name) {
            let is_expired = !group.is_subscribed(topic)
                && !self.offsets.is_pending(name, topic, partition)
                && unused.is_some_and(|unused| self.is_expired(unused, committed));
            if is_expired {
                let (group, topic) = (group.id().clone(), topic.clone());
                expired.push(OffsetKey { group, topic, partition });
            } else {
                some_stay = true;
            }
        }
        some_stay |= self.offsets.pending_of_group(name).next().is_some();
        Some((expired, !some_stay && group.is_empty()))
    }

    fn is_expired(&self, unused: Unused, committed: &Committed) -> bool {
        if let Some(expire_ms) = committed.expire_ms {
            return self.now_ms >= expire_ms;
        }
        let since_ms = match unused {
            Unused::Since(at_ms) => at_ms,
            Unused::SinceCommit => committed.commit_ms,
        };
        self.now_ms.saturating_sub(since_ms) >= self.settings.offsets_retention_ms
    }

    /// Deletes offsets and at the end perhaps their group, in as many appends as it takes.
    pub(crate) fn append_in_pieces(&mut self, keys: Vec<OffsetKey>, mut group: Option<Name>) {
        let mut rest = keys.into_iter().peekable();
        while rest.peek().is_some() || group.is_some() {
            let piece: Vec<_> = rest.by_ref().take(TOMBSTONES_PER_APPEND_MAX).collect();
            let group = if rest.peek().is_none() { group.take() } else { None };
            self.append_tombstones(piece, group, None);
        }
    }

    pub(crate) fn append_tombstones(
        &mut self,
        keys: Vec<OffsetKey>,
        group: Option<Name>,
        then: Option<Then>,
    ) {
        let mut records: Vec<_> = keys.iter().map(records::offset_tombstone).collect();
        records.extend(group.iter().flat_map(|group| self.group_tombstones(group)));
        let offsets = keys.into_iter().map(|key| (key, None)).collect();
        let deleted = group.into_iter().collect();
        self.append(records, Changes { offsets, deleted, ..Changes::default() }, then);
    }
}

fn unused(group: &AnyGroup) -> Option<Unused> {
    let group = match group {
        AnyGroup::Classic(group) => group,
        AnyGroup::Consumer(_) | AnyGroup::Streams(_) => return Some(Unused::SinceCommit),
        AnyGroup::Share(_) => return None,
    };
    let was_joined = group.protocol_type.is_some();
    match group.state {
        _ if !was_joined => Some(Unused::SinceCommit),
        State::Empty => Some(group.state_since_ms.map_or(Unused::SinceCommit, Unused::Since)),
        State::Stable if group.subscribed.is_some() => Some(Unused::SinceCommit),
        _ if planted("offsets-expire-with-members") => Some(Unused::SinceCommit),
        _ => None,
    }
}
