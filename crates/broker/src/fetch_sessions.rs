//! Incremental fetch sessions (KIP-227): the broker remembers which partitions a consumer follows,
//! so that neither side repeats them.
//!
//! Invariants:
//! - At most `slots_max` sessions (`max.incremental.fetch.session.cache.slots`); a new one takes
//!   the place of one that was silent for [`EVICT_AFTER_MS`], or is not made.
//! - A session's epoch goes 1, 2, ... and wraps to 1; a request must name the epoch it expects.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use foldhash::quality::RandomState;
use klamm_env::Random;
use klamm_planted::planted;
use klamm_protocol::wire::Uuid;
use parking_lot::Mutex;

/// A session that was silent for so long may be dropped for a new one.
const EVICT_AFTER_MS: i64 = 120_000;

/// A partition as a fetch names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Target {
    /// Topic name; empty if the request names topics by id.
    pub(crate) topic: String,
    /// Topic id; zero if the request names topics by name.
    pub(crate) id: Uuid,
    /// Partition index.
    pub(crate) index: i32,
}

/// What a consumer wants of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) offset: i64,
    pub(crate) bytes_max: i32,
    /// The leader epoch the consumer knows, -1 if none.
    pub(crate) leader_epoch: i32,
    /// The epoch of the last record that a follower has, -1 for consumers.
    pub(crate) last_fetched_epoch: i32,
}

/// What the consumer was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    high_watermark: i64,
    log_start_offset: i64,
}

#[derive(Debug)]
struct Followed {
    want: Want,
    told: Told,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: i32,
    by_id: bool,
    epoch: i32,
    used_ms: i64,
    followed: HashMap<Target, Followed, RandomState>,
    /// In which order partitions are served; one that had data goes to the end.
    order: BTreeMap<u64, Target>,
    places: HashMap<Target, u64, RandomState>,
    next_place: u64,
}

/// Why a request's session cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionError {
    NotFound,
    InvalidEpoch,
    TopicIdsDiffer,
}

/// All sessions of a broker.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    slots_max: usize,
    random: Random,
    sessions: Mutex<BTreeMap<i32, Arc<Mutex<Session>>>>,
}

impl FetchSessions {
    pub(crate) fn new(slots_max: usize, random: Random) -> Self {
        Self { slots_max, random, sessions: Mutex::default() }
    }

    /// Number of sessions.
    pub(crate) fn len(&self) -> usize {
        self.sessions.lock().len()
    }

    pub(crate) fn remove(&self, id: i32) {
        self.sessions.lock().remove(&id);
    }

    /// Begins a session, unless there are too many.
    pub(crate) fn create(
        &self,
        now_ms: i64,
        by_id: bool,
        wants: Vec<(Target, Want)>,
    ) -> Option<Arc<Mutex<Session>>> {
        let mut sessions = self.sessions.lock();
        if sessions.len() >= self.slots_max {
            let age = |session: &Arc<Mutex<Session>>| now_ms - session.lock().used_ms;
            let oldest = sessions.iter().max_by_key(|(_, session)| age(session));
            let (id, _) = oldest.filter(|(_, session)| age(session) > EVICT_AFTER_MS)?;
            let id = *id;
            sessions.remove(&id);
        }
        let mut id = 0;
        while id == 0 || sessions.contains_key(&id) {
            id = i32::try_from(self.random.below(i32::MAX as u64)).unwrap_or(0);
        }
        let mut session = Session::new(id, by_id, now_ms);
        for (target, want) in wants {
            session.follow(target, want);
        }
        let session = Arc::new(Mutex::new(session));
        sessions.insert(id, Arc::clone(&session));
        Some(session)
    }

    /// Takes up a session with the changes of an incremental request. None if it has become empty
    /// and so was ended.
    pub(crate) fn resume(
        &self,
        now_ms: i64,
        (id, epoch): (i32, i32),
        by_id: bool,
        wants: Vec<(Target, Want)>,
        forgotten: &[Target],
    ) -> Result<Option<Arc<Mutex<Session>>>, SessionError> {
        let found = self.sessions.lock().get(&id).cloned();
        let found = found.ok_or(SessionError::NotFound)?;
        let mut session = found.lock();
        if session.epoch != epoch {
            return Err(SessionError::InvalidEpoch);
        }
        if session.by_id != by_id {
            return Err(SessionError::TopicIdsDiffer);
        }
        for (target, want) in wants {
            session.follow(target, want);
        }
        for target in forgotten {
            session.forget(target);
        }
        if session.followed.is_empty() {
            drop(session);
            self.remove(id);
            return Ok(None);
        }
        session.epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
        session.used_ms = now_ms;
        drop(session);
        Ok(Some(found))
    }
}

impl Session {
    fn new(id: i32, by_id: bool, now_ms: i64) -> Self {
        Self {
            id,
            by_id,
            epoch: 1,
            used_ms: now_ms,
            followed: HashMap::default(),
            order: BTreeMap::new(),
            places: HashMap::default(),
            next_place: 0,
        }
    }

    fn follow(&mut self, target: Target, want: Want) {
        if let Some(followed) = self.followed.get_mut(&target) {
            followed.want = want;
            return;
        }
        let told = Told { high_watermark: -1, log_start_offset: -1 };
        self.followed.insert(target.clone(), Followed { want, told });
        self.place_last(target);
    }

    fn place_last(&mut self, target: Target) {
        if let Some(place) = self.places.insert(target.clone(), self.next_place) {
            self.order.remove(&place);
        }
        self.order.insert(self.next_place, target);
        self.next_place += 1;
    }

    fn forget(&mut self, target: &Target) {
        self.followed.remove(target);
        if let Some(place) = self.places.remove(target) {
            self.order.remove(&place);
        }
    }

    /// What is to be fetched, in order.
    pub(crate) fn wants(&self) -> Vec<(Target, Want)> {
        let want = |target: &Target| Some((target.clone(), self.followed.get(target)?.want));
        let ignored = usize::from(planted("session-ignores-partition"));
        self.order.values().filter_map(want).skip(ignored).collect()
    }

    /// Notes what the consumer is told of a partition. Says whether it must be told: there are
    /// records, or an error, or something has changed.
    pub(crate) fn tell(
        &mut self,
        target: &Target,
        is_full: bool,
        has_records: bool,
        is_error: bool,
        (high_watermark, log_start_offset): (i64, i64),
    ) -> bool {
        let Some(followed) = self.followed.get_mut(target) else { return true };
        let now = Told { high_watermark, log_start_offset };
        let changed = followed.told != now;
        followed.told = now;
        if is_error {
            // The next answer repeats what is told after an error.
            followed.told.high_watermark = -1;
        }
        if has_records && !is_full {
            self.place_last(target.clone());
        }
        is_full || has_records || is_error || changed
    }
}
