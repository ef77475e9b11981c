//! Group protocols, told as scripts: what clients do and when, and all that comes of it.
//!
//! A script's lines are commands (`time client verb group options`), each followed by what it
//! brought about, indented. `check` runs the commands and compares the whole text. The same
//! scripts run against Apache Kafka, see `kafka.rs`.

#![expect(clippy::panic, reason = "a broken script or an answer of the wrong kind ends the test")]

mod admin;
mod appends;
mod commit;
mod consumer;
mod expire;
mod golden;
mod join;
mod kafka;
mod leave;
mod limits;
mod property;
mod restart;
mod share;
mod statics;
mod streams;
mod streams_changes;
mod support;
mod sync;
mod transactions;
