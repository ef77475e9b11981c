//! Group coordinators.
