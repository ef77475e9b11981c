//! Waits until a broker has carried out what it has promised: Kafka answers a creation before its
//! partitions can be used.

use std::time::Duration;

use anyhow::Result;

use super::catalog::{Call, Catalog};
use super::peer::{Outcome, Peer};
use super::value::Value;

const ATTEMPTS: u32 = 60;
const ATTEMPT: Duration = Duration::from_millis(25);
/// The connection that no scenario uses.
const LABEL: &str = "settle";
/// Topics with more partitions than this are not waited for.
const MOST: usize = 64;

/// Waits for the topics that an answer speaks of, where it says that they were changed.
pub(crate) fn settle(
    catalog: &Catalog,
    peer: &mut Peer,
    call: Call<'_>,
    answer: &Value,
) -> Result<()> {
    let (list, gone) = match call.api.name.as_str() {
        "CreateTopics" => ("topics", false),
        "CreatePartitions" => ("results", false),
        "DeleteTopics" => ("responses", true),
        "AlterConfigs" | "IncrementalAlterConfigs" => {
            // Nothing tells when a broker goes by a new setting.
            pause(ATTEMPT);
            return Ok(());
        }
        _ => return Ok(()),
    };
    for topic in answer.get(list).map_or(&[] as &[Value], Value::list) {
        let done = topic.get("error_code").and_then(Value::int) == Some(0);
        if let Some(name) = topic.get("name").and_then(Value::text).filter(|_| done) {
            wait(catalog, peer, name, gone)?;
        }
    }
    Ok(())
}

fn wait(catalog: &Catalog, peer: &mut Peer, name: &str, gone: bool) -> Result<()> {
    let metadata = catalog.newest("Metadata")?;
    let topic = Value::parse(&format!("{{name: {name:?}}}"))?;
    let request = Value::Struct(vec![
        ("topics".to_owned(), Value::List(vec![topic])),
        ("allow_auto_topic_creation".to_owned(), Value::Bool(false)),
    ]);
    for _ in 0..ATTEMPTS {
        if let Outcome::Answer(answer) = peer.ask(LABEL, metadata, &request)? {
            let error = answer.at("topics[0].error_code").and_then(Value::int);
            let count = answer.at("topics[0].partitions").map_or(0, |p| p.list().len());
            let ready = match error {
                Some(0) if !gone => count > MOST || is_led(catalog, peer, name, count)?,
                Some(3) => gone,
                _ => false,
            };
            if ready {
                return Ok(());
            }
        }
        pause(ATTEMPT);
    }
    Ok(())
}

/// Whether the leader of every partition answers for it.
fn is_led(catalog: &Catalog, peer: &mut Peer, name: &str, count: usize) -> Result<bool> {
    let partitions: Vec<String> =
        (0..count).map(|p| format!("{{partition_index: {p}, timestamp: -2}}")).collect();
    let partitions = partitions.join(", ");
    let request =
        format!("{{replica_id: -1, topics: [{{name: {name:?}, partitions: [{partitions}]}}]}}");
    let list_offsets = catalog.newest("ListOffsets")?;
    let outcome = peer.ask(LABEL, list_offsets, &Value::parse(&request)?)?;
    Ok(matches!(outcome, Outcome::Answer(answer) if super::compare::first_error(&answer).is_none()))
}

/// Waits for another process, of which nothing else tells when it is ready.
#[expect(clippy::disallowed_methods, reason = "no test: two real brokers in other processes")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
