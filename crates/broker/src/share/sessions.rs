//! Share sessions (KIP-932): which partitions a member of a share group fetches, so that neither
//! side repeats them, and what to give back when the member goes.
//!
//! Invariants:
//! - At most one session for a member, and at most `group.share.max.share.sessions` in all.
//! - A session's epoch goes 1, 2, ... and wraps to 1; a request must name the epoch it expects.
//! - A session ends with the connection that began it.

use std::{collections::BTreeMap, net::SocketAddr};

use klamm_protocol::{ErrorCode, wire::Uuid};
use parking_lot::Mutex;

/// A partition as a share fetch names it.
pub(crate) type Place = (Uuid, i32);

/// A member of a group.
pub(crate) type MemberKey = (String, String);

#[derive(Debug)]
struct Session {
    epoch: i32,
    /// In the order in which they were named.
    places: Vec<Place>,
    connection: SocketAddr,
}

/// All sessions of a broker.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<BTreeMap<MemberKey, Session>>);

impl Sessions {
    /// Begins a session, in the place of one that the member has.
    ///
    /// # Errors
    /// SHARE_SESSION_LIMIT_REACHED.
    pub(crate) fn begin(
        &self,
        member: MemberKey,
        places: Vec<Place>,
        connection: SocketAddr,
        sessions_max: usize,
    ) -> Result<(), ErrorCode> {
        let mut sessions = self.0.lock();
        sessions.remove(&member);
        if sessions.len() >= sessions_max {
            return Err(ErrorCode::ShareSessionLimitReached);
        }
        sessions.insert(member, Session { epoch: 1, places, connection });
        Ok(())
    }

    /// Takes up a session with the changes of a fetch. Gives the epoch of the request and what is
    /// to be fetched.
    ///
    /// # Errors
    /// SHARE_SESSION_NOT_FOUND, INVALID_SHARE_SESSION_EPOCH.
    pub(crate) fn resume(
        &self,
        member: &MemberKey,
        epoch: i32,
        added: &[Place],
        removed: &[Place],
    ) -> Result<Vec<Place>, ErrorCode> {
        let mut sessions = self.0.lock();
        let session = checked(&mut sessions, member, epoch)?;
        for place in added {
            if !session.places.contains(place) {
                session.places.push(*place);
            }
        }
        session.places.retain(|place| !removed.contains(place));
        session.step();
        Ok(session.places.clone())
    }

    /// The same for a request that only acknowledges.
    ///
    /// # Errors
    /// As [`Self::resume`].
    pub(crate) fn touch(&self, member: &MemberKey, epoch: i32) -> Result<(), ErrorCode> {
        let mut sessions = self.0.lock();
        checked(&mut sessions, member, epoch)?.step();
        Ok(())
    }

    /// Whether the member has a session.
    ///
    /// # Errors
    /// SHARE_SESSION_NOT_FOUND.
    pub(crate) fn check(&self, member: &MemberKey) -> Result<(), ErrorCode> {
        let exists = self.0.lock().contains_key(member);
        exists.then_some(()).ok_or(ErrorCode::ShareSessionNotFound)
    }

    /// Ends a session; gives what it fetched.
    pub(crate) fn end(&self, member: &MemberKey) -> Option<Vec<Place>> {
        self.0.lock().remove(member).map(|session| session.places)
    }

    /// Ends the sessions of a connection; gives what they fetched.
    pub(crate) fn disconnected(&self, connection: SocketAddr) -> Vec<(MemberKey, Vec<Place>)> {
        let mut sessions = self.0.lock();
        if sessions.is_empty() {
            return Vec::new();
        }
        let gone = sessions.extract_if(.., |_, session| session.connection == connection);
        gone.map(|(member, session)| (member, session.places)).collect()
    }

    /// Ends all sessions.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }

    /// Whether no member of the group has a session.
    pub(crate) fn is_unused(&self, group: &str) -> bool {
        !self.0.lock().keys().any(|(of, _)| of == group)
    }
}

impl Session {
    fn step(&mut self) {
        self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
    }
}

fn checked<'a>(
    sessions: &'a mut BTreeMap<MemberKey, Session>,
    member: &MemberKey,
    epoch: i32,
) -> Result<&'a mut Session, ErrorCode> {
    let session = sessions.get_mut(member).ok_or(ErrorCode::ShareSessionNotFound)?;
    if session.epoch == epoch { Ok(session) } else { Err(ErrorCode::InvalidShareSessionEpoch) }
}
