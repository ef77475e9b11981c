//! Offsets that groups committed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Invariant, Oracle, Place};
use crate::machine::OFFSETS_RETENTION_MS;

pub(super) const COMMITS_SURVIVE: Invariant = Invariant {
    id: "commits-survive",
    sentence: "A group is given the offset that was acknowledged last, or one whose outcome is not \
               known; after a power loss an older one only if the commit was not synced. It expires \
               only when the group had no members.",
};

/// What may be committed for one partition by one group. Commits have numbers, 0 is none. What
/// takes commits away, a deletion of the group or the topic, has a number as well.
#[derive(Debug)]
pub(crate) struct CommitModel {
    /// What a fetch may find now.
    possible: BTreeSet<u64>,
    /// What a power loss may bring back.
    recoverable: BTreeSet<u64>,
    /// Not answered, or never to be: may be applied as long as this broker lives.
    in_flight: BTreeSet<u64>,
    /// What was under way at the same time.
    overlapping: BTreeMap<u64, BTreeSet<u64>>,
    /// What was possible at any time of a fetch that is under way, by the number of the fetch.
    windows: BTreeMap<u64, BTreeSet<u64>>,
    deletions: BTreeSet<u64>,
    /// Those of them that were the topic's.
    topic_deletions: BTreeSet<u64>,
    /// When each commit was asked for, milliseconds since the run began.
    asked_ms: BTreeMap<u64, i64>,
    next: u64,
}

impl Default for CommitModel {
    fn default() -> Self {
        let none = BTreeSet::from([0]);
        Self {
            possible: none.clone(),
            recoverable: none,
            in_flight: BTreeSet::new(),
            overlapping: BTreeMap::new(),
            windows: BTreeMap::new(),
            deletions: BTreeSet::new(),
            topic_deletions: BTreeSet::new(),
            asked_ms: BTreeMap::new(),
            next: 0,
        }
    }
}

impl CommitModel {
    fn begin(&mut self) -> u64 {
        self.next += 1;
        let number = self.next;
        for other in &self.in_flight {
            self.overlapping.entry(*other).or_default().insert(number);
        }
        self.overlapping.insert(number, self.in_flight.clone());
        self.in_flight.insert(number);
        self.add(number);
        number
    }

    fn begin_deletion(&mut self) -> u64 {
        let number = self.begin();
        self.deletions.insert(number);
        number
    }

    fn is_being_deleted(&self) -> bool {
        self.in_flight.intersection(&self.deletions).next().is_some()
    }

    /// What a fetch finds after this.
    fn value(&self, number: u64) -> u64 {
        if self.deletions.contains(&number) { 0 } else { number }
    }

    /// Whether what may be committed may be about a topic that was deleted since: who asks by the
    /// id of the present one is not given it.
    fn is_of_former(&self, possible: &BTreeSet<u64>) -> bool {
        self.topic_deletions.last().is_some_and(|last| possible.first() < Some(last))
    }

    /// Whether one of these was asked for so long ago that nobody may need it any more.
    fn is_old(&self, numbers: &BTreeSet<u64>, now_ms: i64) -> bool {
        let asked_ms = |number: &u64| self.asked_ms.get(number);
        numbers.iter().filter_map(asked_ms).any(|at| now_ms - at >= OFFSETS_RETENTION_MS)
    }

    fn add(&mut self, number: u64) {
        self.possible.insert(number);
        self.recoverable.insert(number);
        for window in self.windows.values_mut() {
            window.insert(number);
        }
    }

    /// The topic was deleted. As in Kafka what was committed for a former one of its name, and
    /// outlived that, is not touched.
    fn end_topic(&mut self, number: u64) {
        let former = self.topic_deletions.range(..number).next_back().copied().unwrap_or(0);
        let outlived: Vec<u64> = self.possible.range(..former).copied().collect();
        // Nobody waits for this to be synced.
        self.end(number, true, false);
        self.possible.extend(outlived);
    }

    fn end(&mut self, number: u64, is_done: bool, sync: bool) {
        if !self.in_flight.remove(&number) {
            // Answered by a broker that has stopped since: others may have followed.
            return;
        }
        let overlapping = self.overlapping.remove(&number).unwrap_or_default();
        if !is_done {
            self.possible.remove(&number);
            self.recoverable.remove(&number);
            return;
        }
        let may_follow =
            |other: &u64| overlapping.contains(other) || self.in_flight.contains(other);
        self.possible = self.possible.iter().copied().filter(may_follow).collect();
        self.possible.insert(number);
        if sync {
            self.recoverable = self.possible.clone();
        }
    }

    pub(super) fn stopped(&mut self) {
        self.killed();
        self.recoverable = self.possible.clone();
    }

    pub(super) fn killed(&mut self) {
        self.in_flight.clear();
        self.overlapping.clear();
    }

    pub(super) fn crashed(&mut self) {
        self.killed();
        self.possible.extend(&self.recoverable);
        self.recoverable.clone_from(&self.possible);
        let possible = &self.possible;
        self.windows.values_mut().for_each(|window| window.extend(possible));
    }
}

/// What a fetch found: the number of a commit, if it had an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) number: Option<u64>,
    pub(crate) by_id: bool,
    pub(crate) now_ms: i64,
}

/// When a group had members, milliseconds since the run began.
#[derive(Debug)]
pub(super) struct Members {
    seen_ms: i64,
    was_without: bool,
}

/// A group that was not seen to have members for so long may have been without them for as long as
/// offsets are kept: an answer may be late.
const WITHOUT_MS: i64 = OFFSETS_RETENTION_MS - 10_000;

impl Members {
    fn new(now_ms: i64) -> Self {
        Self { seen_ms: now_ms, was_without: false }
    }

    fn lack(&self, now_ms: i64) -> bool {
        self.was_without || now_ms - self.seen_ms >= WITHOUT_MS
    }

    fn see(&mut self, now_ms: i64) {
        *self = Self { seen_ms: now_ms, was_without: self.lack(now_ms) };
    }

    /// The group may be as it was long ago.
    pub(super) fn crashed(&mut self) {
        self.was_without = true;
    }
}

/// Whose commits are deleted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deleting<'a> {
    Group(&'a str),
    Topic(&'a str),
    One(&'a str, &'a Place),
}

impl Deleting<'_> {
    fn is_of(self, (group, place): (&str, &Place)) -> bool {
        match self {
            Self::Group(name) => name == group,
            Self::Topic(name) => name == place.0,
            Self::One(name, at) => (name, at) == (group, place),
        }
    }
}

/// Deletions under way: group, partition, number.
pub(crate) type Deletions = Vec<(String, Place, u64)>;

impl Oracle {
    fn commit_model(&mut self, group: &str, place: &Place) -> &mut CommitModel {
        self.commits.entry((group.to_owned(), place.clone())).or_default()
    }

    /// A commit is about to be sent; gives its number.
    pub(crate) fn committing(&mut self, group: &str, place: &Place, now_ms: i64) -> u64 {
        let known = self.commits.contains_key(&(group.to_owned(), place.clone()));
        let mut of_group = self.commits.iter().filter(|((name, _), _)| name == group);
        // A deletion of the group that is under way may take this commit as well.
        let may_go = !known && of_group.any(|(_, model)| model.is_being_deleted());
        let model = self.commit_model(group, place);
        if may_go {
            model.begin_deletion();
        }
        let number = model.begin();
        model.asked_ms.insert(number, now_ms);
        number
    }

    /// A group had a member a moment ago.
    pub(crate) fn member_seen(&mut self, group: &str, now_ms: i64) {
        let members = self.members.entry(group.to_owned()).or_insert_with(|| Members::new(now_ms));
        members.see(now_ms);
    }

    /// Whether commits of a group may have expired: it may have been without members for long.
    fn may_expire(&self, group: &str, now_ms: i64) -> bool {
        self.offsets_expire && self.members.get(group).is_none_or(|known| known.lack(now_ms))
    }

    /// Commits are about to be deleted.
    pub(crate) fn deleting_commits(&mut self, of: Deleting<'_>) -> Deletions {
        let mut deletions = Deletions::new();
        for ((group, place), model) in &mut self.commits {
            if of.is_of((group, place)) {
                let number = model.begin_deletion();
                if matches!(of, Deleting::Topic(_)) {
                    model.topic_deletions.insert(number);
                }
                deletions.push((group.clone(), place.clone(), number));
            }
        }
        deletions
    }

    /// It was answered whether commits are deleted.
    pub(crate) fn commits_deleted(&mut self, deletions: Deletions, done: bool) {
        for (group, place, number) in deletions {
            self.commit_answered(&group, &place, number, done);
        }
    }

    /// A topic is deleted. As in Kafka what was committed for it goes as well, unless a
    /// coordinator has not loaded its groups by then or cannot write: then it may stay.
    pub(crate) fn topic_deleted(&mut self, deletions: Deletions, was_disturbed: bool) {
        for (group, place, number) in deletions {
            if self.loaded.contains(&group) && !self.disturbed && !was_disturbed {
                self.commit_model(&group, &place).end_topic(number);
            }
        }
    }

    /// The coordinator of a group has answered from its state.
    pub(crate) fn group_loaded(&mut self, group: &str) {
        self.loaded.insert(group.to_owned());
    }

    /// A commit was answered.
    pub(crate) fn commit_answered(&mut self, group: &str, place: &Place, number: u64, done: bool) {
        let sync = self.offsets_sync;
        self.commit_model(group, place).end(number, done, sync);
    }

    /// The committed offset is about to be asked for.
    pub(crate) fn asking_commit(&mut self, group: &str, place: &Place, fetch: u64) {
        let model = self.commit_model(group, place);
        model.windows.insert(fetch, model.possible.clone());
    }

    /// The committed offset was given, or not.
    pub(crate) fn commit_found(&mut self, group: &str, place: &Place, fetch: u64, seen: Seen) {
        let (sync, may_expire) = (self.offsets_sync, self.may_expire(group, seen.now_ms));
        let is_deleted = self.topics.get(&place.0).is_some_and(|topic| topic.deletion_asked);
        let model = self.commit_model(group, place);
        let Some(window) = model.windows.remove(&fetch) else { return };
        let Seen { number: found, by_id, now_ms } = seen;
        let Some(found) = found.filter(|_| !is_deleted) else { return };
        let seen = |number: &u64| model.value(*number) == found;
        let seen: BTreeSet<u64> = window.iter().copied().filter(seen).collect();
        if found == 0 && may_expire && model.is_old(&window, now_ms) {
            return;
        }
        if by_id && found == 0 && model.is_of_former(&window) {
            return;
        }
        if seen.is_empty() {
            let gone = &model.deletions;
            let text = format!(
                "group {group} {place:?}: commit {found}, possible {window:?}, deletions {gone:?}"
            );
            self.violate(COMMITS_SURVIVE, text);
            return;
        }
        if model.in_flight.is_empty() && window == model.possible {
            model.possible = seen;
            if sync {
                model.recoverable.clone_from(&model.possible);
            }
        }
    }
}
