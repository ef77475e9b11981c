//! The operations of IncrementalAlterConfigs, with the results that Kafka gave.

use klamm_config::alter::{Change, Operation, apply};
use klamm_config::{Refusal, Scope};

use crate::map;

/// Applies `OPERATION name value` to what is set; the answer is what is set afterwards, or the
/// refusal.
#[track_caller]
fn check(scope: Scope, set: &[&str], changes: &[&str], expected: &str) {
    let change = |text: &&'static str| {
        let mut parts = text.splitn(3, ' ');
        let operation = match parts.next() {
            Some("set") => Operation::Set,
            Some("delete") => Operation::Delete,
            Some("append") => Operation::Append,
            _ => Operation::Subtract,
        };
        Change { name: parts.next().expect("a change has a name"), operation, value: parts.next() }
    };
    let changes: Vec<&'static str> = changes.iter().map(|c| &*(*c).to_owned().leak()).collect();
    let changes: Vec<Change<'_>> = changes.iter().map(change).collect();
    let ours = match apply(scope, &map(set.iter().copied()), &changes) {
        Ok(result) => {
            let pairs: Vec<String> = result.iter().map(|(k, v)| format!("{k}={v}")).collect();
            pairs.join(" ; ")
        }
        Err(Refusal::InvalidConfig(error)) => format!("config: {error}"),
        Err(Refusal::InvalidRequest(error)) => format!("request: {error}"),
    };
    assert_eq!(ours, expected);
}

#[test]
fn values_are_set_and_deleted() {
    check(Scope::Topic, &[], &["set retention.ms 5"], "retention.ms=5");
    check(Scope::Topic, &["retention.ms=5"], &["delete retention.ms"], "");
    check(Scope::Topic, &[], &["delete retention.ms"], "");
    check(Scope::Topic, &["a=1"], &["set flush.ms  8 "], "a=1 ; flush.ms= 8 ");
}

#[test]
fn lists_are_appended_to_and_subtracted_from() {
    const LEADERS: &str = "leader.replication.throttled.replicas";
    let topic = Scope::Topic;
    let set = |value: &str| format!("{LEADERS}={value}");
    check(topic, &[], &[&format!("subtract {LEADERS} 1:2")], &set(""));
    check(topic, &[&set("")], &[&format!("append {LEADERS} 1:2, 3:4")], &set("1:2,3:4"));
    check(topic, &[&set("1:2,3:4")], &[&format!("append {LEADERS} 3:4,5:6")], &set("1:2,3:4,5:6"));
    // Blanks at the ends of an operand belong to its entries.
    check(topic, &[&set("1:2,3:4")], &[&format!("subtract {LEADERS}  1:2 ")], &set("1:2,3:4"));
    check(topic, &[&set("1:2,3:4")], &[&format!("subtract {LEADERS} 1:2")], &set("3:4"));
    // A list that was not set starts from the default.
    let compacted = "cleanup.policy=delete,compact";
    check(topic, &[], &["append cleanup.policy compact"], compacted);
    check(topic, &[], &["subtract cleanup.policy compact"], "cleanup.policy=delete");
    let brokers = "log.cleanup.policy=delete,compact";
    check(Scope::Broker, &[], &["append log.cleanup.policy compact"], brokers);
}

#[test]
fn wrong_changes_are_refused() {
    let topic = Scope::Topic;
    check(
        topic,
        &[],
        &["append retention.ms 5"],
        "config: Can't APPEND to key retention.ms because its type is not LIST.",
    );
    check(
        Scope::Broker,
        &[],
        &["append log.retention.ms 5"],
        "config: Config value append is not allowed for config key: log.retention.ms",
    );
    check(
        Scope::ClientMetrics,
        &[],
        &["append metrics org."],
        "config: Can't APPEND to key metrics because its type is not LIST.",
    );
    check(
        topic,
        &[],
        &["set flush.ms 1", "delete flush.ms"],
        "request: Error due to duplicate config keys",
    );
    check(topic, &[], &["set flush.ms"], "request: Null value not supported for : flush.ms");
    check(
        topic,
        &[],
        &[&format!("set flush.ms {}", "1".repeat(32_768))],
        "config: The configuration value cannot be added because it exceeds the maximum value \
         size of 32767 bytes.",
    );
}
