//! Who may do what, and how much of it. So far: quotas.

pub mod quota;
