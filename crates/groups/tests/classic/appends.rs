//! appends
