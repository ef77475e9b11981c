//! Committed offsets: kept, committed, fetched, deleted, expired.

mod commit;
mod delete;
mod expire;
mod fetch;
mod pending;
mod store;
mod transactional;

pub(crate) use commit::commit_error;
pub(crate) use delete::delete_error;
pub(crate) use fetch::fetch_error;
pub use fetch::{fetch_groups, fetch_response};
pub(crate) use store::{Committed, OffsetKey, Offsets, View};
pub(crate) use transactional::transactional_error;
