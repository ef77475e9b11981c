//! Static members that come back.

use klamm_protocol::ErrorCode;

use super::{Invariant, Oracle};

pub(super) const FENCED: Invariant = Invariant {
    id: "fenced",
    sentence: "Once a static member has come back under a new id, nothing is done for its old one.",
};

/// What is known of a static member.
#[derive(Debug, Default)]
pub(super) struct Instance {
    /// Its id, if the broker must know it.
    current: Option<String>,
    /// Whether the group's record has it.
    is_written: bool,
}

impl Instance {
    pub(super) fn killed(&mut self) {
        self.current = self.current.take().filter(|_| self.is_written);
    }

    pub(super) fn crashed(&mut self, sync: bool) {
        self.current = self.current.take().filter(|_| self.is_written && sync);
    }
}

impl Oracle {
    /// A static member joined under an id.
    pub(crate) fn came_back(&mut self, group: &str, instance: &str, member: &str) {
        let known = self.group(group).instances.entry(instance.to_owned()).or_default();
        if known.current.as_deref() != Some(member) {
            known.current = Some(member.to_owned());
            known.is_written = false;
        }
    }

    /// A static member was given an assignment.
    pub(super) fn is_written(&mut self, group: &str, instance: &str, member: &str) {
        let known = self.group(group).instances.entry(instance.to_owned()).or_default();
        known.is_written |= known.current.as_deref() == Some(member);
    }

    /// Something was asked for under an id that the member no longer has.
    pub(crate) fn old_id_answered(
        &mut self,
        group: &str,
        instance: &str,
        old: &str,
        error: ErrorCode,
    ) {
        let known = self.group(group).instances.entry(instance.to_owned()).or_default();
        let is_old = known.current.as_deref().is_some_and(|current| current != old);
        let is_accepted = matches!(
            error,
            ErrorCode::None | ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration
        );
        if is_old && is_accepted {
            let text = format!("group {group}: {instance} as {old}: {error:?}, is {known:?}");
            self.violate(FENCED, text);
        }
    }
}
