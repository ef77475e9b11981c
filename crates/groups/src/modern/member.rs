//! One member of a group, and what it has whose partitions or tasks have one owner at a time.

use crate::name::Name;

/// A member, with what it said of itself and what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member<S, T> {
    pub(crate) id: Name,
    pub(crate) said: S,
    pub(crate) has: T,
}

impl<S: Default, T: Default> Member<S, T> {
    /// One that has not said anything yet.
    pub(crate) fn new(id: Name) -> Self {
        Self { id, said: S::default(), has: T::default() }
    }
}

/// How far a member has come on its way to its target assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It has all that it was to have at its epoch.
    Stable,
    /// It is to give up partitions, and has not confirmed that it did.
    Unrevoked,
    /// It waits for partitions that others have not given up yet.
    Unreleased,
    /// Written by a later release: the member has to begin anew.
    Unknown,
}

impl MemberState {
    pub(crate) fn from_number(number: i8) -> Self {
        match number {
            0 => Self::Stable,
            1 => Self::Unrevoked,
            2 => Self::Unreleased,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn number(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::Unrevoked => 1,
            Self::Unreleased => 2,
            Self::Unknown => 127,
        }
    }
}

/// What a member has, and at which epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Current<T> {
    pub(crate) epoch: i32,
    pub(crate) previous_epoch: i32,
    pub(crate) state: MemberState,
    pub(crate) assigned: T,
    /// What it is to give up and may still be working on.
    pub(crate) revoking: T,
}

impl<T: Default> Default for Current<T> {
    fn default() -> Self {
        Self {
            epoch: 0,
            previous_epoch: 0,
            state: MemberState::Stable,
            assigned: T::default(),
            revoking: T::default(),
        }
    }
}

impl<T> Current<T> {
    /// Whether it is all of the target assignment of this epoch.
    pub(crate) fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }
}
