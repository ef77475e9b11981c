//! When each broker was last heard: soft state of the active controller, never in the log.

use std::collections::BTreeMap;

use klamm_protocol::wire::Uuid;

use crate::Image;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Session {
    epoch: i64,
    incarnation: Uuid,
    last_contact_ms: i64,
    heard: bool,
}

/// The sessions of brokers with the active controller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sessions(BTreeMap<i32, Session>);

impl Sessions {
    /// The sessions of a controller that has just become active: every broker that is not fenced
    /// has from now on one session timeout to be heard.
    pub fn begin(image: &Image, now_ms: i64) -> Self {
        let alive = image.brokers().filter(|broker| !broker.fenced);
        let session = |epoch, incarnation| Session {
            epoch,
            incarnation,
            last_contact_ms: now_ms,
            heard: false,
        };
        Self(alive.map(|b| (b.id, session(b.epoch, b.incarnation))).collect())
    }

    /// A broker was heard. Only the registered epoch counts.
    pub fn touch(&mut self, image: &Image, broker: i32, epoch: i64, now_ms: i64) {
        if let Some(known) = image.broker(broker).filter(|known| known.epoch == epoch) {
            let incarnation = known.incarnation;
            let session = Session { epoch, incarnation, last_contact_ms: now_ms, heard: true };
            self.0.insert(broker, session);
        }
    }

    /// Whether this controller heard that epoch of the broker within the timeout.
    pub(super) fn is_heard(&self, broker: i32, epoch: i64, now_ms: i64, timeout_ms: i64) -> bool {
        self.0.get(&broker).is_some_and(|session| {
            session.heard && session.epoch == epoch && now_ms - session.last_contact_ms < timeout_ms
        })
    }

    /// Brokers that were silent for longer than the timeout.
    pub(super) fn silent(&self, now_ms: i64, timeout_ms: i64) -> impl Iterator<Item = i32> {
        let silent = self.0.iter().filter(move |(_, s)| now_ms - s.last_contact_ms >= timeout_ms);
        silent.map(|(id, _)| *id)
    }

    /// When the next broker will have been silent for too long, milliseconds since the epoch.
    pub fn next_deadline_ms(&self, timeout_ms: i64) -> Option<i64> {
        self.0.values().map(|session| session.last_contact_ms.saturating_add(timeout_ms)).min()
    }

    /// Forgets brokers that are fenced or gone.
    pub fn retain_alive(&mut self, image: &Image) {
        self.0.retain(|id, session| {
            image.broker(*id).is_some_and(|broker| broker.epoch == session.epoch && !broker.fenced)
        });
    }
}
