//! The quorum as a broker uses it: on a virtual disk that loses power, on a real one, and on what
//! Apache Kafka wrote.

mod disk;
mod kafka_snapshot;
mod one_voter;
mod support;
mod takeover;
mod three_voters;
