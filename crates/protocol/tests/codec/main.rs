//! The generated codec against Kafka's own classes, against an independent implementation, and
//! against itself.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests fail as tests do"
)]

mod borrow;
mod codecs;
mod damage;
mod golden;
mod oracle;
mod random;
#[expect(dead_code, reason = "the tests read the schema, the generator does more with it")]
#[path = "../../../xtask/src/schema/mod.rs"]
mod schema;
mod tables;
mod wire_gen;
