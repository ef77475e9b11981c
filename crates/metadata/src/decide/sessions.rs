//! When each broker was last heard: soft state of the active controller, never in the log.

use std::collections::BTreeMap;

use crate::Image;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Session {
    epoch: i64,
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
        let session = |epoch| Session { epoch, last_contact_ms: now_ms, heard: false };
        Self(alive.map(|broker| (broker.id, session(broker.epoch))).collect())
    }

    /// A broker was heard. Only the registered epoch counts.
    pub fn touch(&mut self, image: &Image, broker: i32, epoch: i64, now_ms: i64) {
        if image.broker(broker).is_some_and(|known| known.epoch == epoch) {
            self.0.insert(broker, Session { epoch, last_contact_ms: now_ms, heard: true });
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
}
