//! Kafka's verdicts and texts over parse tables, topics, groups, subscriptions and brokers.

use klamm_config::validate::{self, RemoteStorage};
use klamm_config::{BrokerConfig, Dynamic, Map, Refusal, Scope, Value, keys};

use crate::{broker, map};

/// Runs one case and gives what Kafka's line has after `=>`.
fn check(kind: &str, given: &str) -> String {
    match kind {
        "parse" => return parse(given),
        "broker" => {
            return verdict(broker(&overlaid(given)).map(drop).map_err(|e| e[0].to_string()));
        }
        _ => {}
    }
    let given = pairs(given);
    let config = base();
    let effective = config.effective(Dynamic::NONE);
    let offered = kind != "topic";
    let remote = RemoteStorage { offered, in_use: kind == "topic-was-remote" };
    verdict(match kind {
        "topic" | "topic-remote" | "topic-was-remote" => {
            validate::topic(&given, &effective, remote).map_err(text_of)
        }
        "group" => validate::group(&given, &effective).map_err(text_of),
        "metrics" => validate::client_metrics("m", &given).map_err(text_of),
        "dynamic-broker" => {
            validate::broker_changes(&given, &config, Dynamic::NONE).map_err(text_of)
        }
        _ => validate::cluster_changes(&given, &config, Dynamic::NONE).map_err(text_of),
    })
}

/// The refusal's text, after a mark if the answer is INVALID_REQUEST.
fn text_of(refusal: Refusal) -> String {
    match refusal {
        Refusal::InvalidConfig(error) => error.to_string(),
        Refusal::InvalidRequest(error) => format!("{REQUEST}{error}"),
    }
}

const REQUEST: &str = "INVALID_REQUEST: ";

fn verdict(result: Result<(), String>) -> String {
    result.map_or_else(|text| text, |()| "OK".to_owned())
}

fn pairs(given: &str) -> Map {
    map(given.split(" ; "))
}

const BASE: [&str; 5] = [
    "process.roles=broker,controller",
    "node.id=1",
    "controller.listener.names=CONTROLLER",
    "listeners=PLAINTEXT://:9092,CONTROLLER://:9093",
    "controller.quorum.voters=1@localhost:9093",
];

fn base() -> BrokerConfig {
    broker(&map(BASE)).expect("the case is well-formed")
}

fn overlaid(given: &str) -> Map {
    let mut all = map(BASE);
    all.extend(pairs(given));
    all.retain(|_, value| value != "<unset>");
    all
}

/// A key of each type without a rule stands for the type.
fn parse(given: &str) -> String {
    let (kind, text) = given.split_once(' ').expect("the case is well-formed");
    let text = text.trim_matches('\'').replace("\\t", "\t");
    let name = match kind {
        "BOOLEAN" => "log.preallocate",
        "STRING" => "broker.rack",
        "INT" => "log.retention.hours",
        "SHORT" => "sasl.login.refresh.buffer.seconds",
        "LONG" => "log.retention.bytes",
        "DOUBLE" => "log.cleaner.io.buffer.load.factor",
        "PASSWORD" => return password(&text),
        _ => return list(&text),
    };
    let key = keys::find(Scope::Broker, name).expect("the case is well-formed");
    match Value::parse(key, &text) {
        Ok(value) => value.to_string(),
        Err(error) => error.to_string().replace(name, "k"),
    }
}

fn password(text: &str) -> String {
    match Value::parse(
        keys::find(Scope::Broker, "ssl.key.password").expect("the case is well-formed"),
        text,
    ) {
        Ok(Value::Password(secret)) => secret,
        other => format!("{other:?}"),
    }
}

/// A list as it is before a rule looks at it.
fn list(text: &str) -> String {
    let mut key = *keys::find(Scope::Broker, "listeners").expect("the case is well-formed");
    key.rule = klamm_config::Rule::Any;
    match Value::parse(&key, text) {
        Ok(Value::List(items)) => format!("[{}]", items.join(", ")),
        other => format!("{other:?}"),
    }
}

/// Where Klamm's verdict is another one on purpose: the case, and what Klamm says.
const DIFFERENT: &[(&str, &str)] = &[
    // Texts that say what is wrong instead of what Java tripped over.
    (
        "broker max.connections.per.ip.overrides=127.0.0.1",
        "Error parsing configuration property 'max.connections.per.ip.overrides': 127.0.0.1 is \
         not host:count",
    ),
    (
        "broker max.connections.per.ip.overrides=127.0.0.1:x",
        "Error parsing configuration property 'max.connections.per.ip.overrides': 127.0.0.1:x is \
         not host:count",
    ),
    (
        "broker listeners=EXT://:9092,CONTROLLER://:9093 ; listener.security.protocol.map=EXT",
        "Error parsing configuration property 'listener.security.protocol.map': EXT is not \
         NAME:PROTOCOL",
    ),
    // Kafka starts and then cannot listen.
    (
        "broker listeners=PLAINTEXT://:99999,CONTROLLER://:9093",
        "Error creating broker listeners from '[PLAINTEXT://:99999, CONTROLLER://:9093]': Unable \
         to parse PLAINTEXT://:99999 to a broker endpoint",
    ),
    // A Klamm node has an identity and a quorum without being told.
    ("broker node.id=<unset>", "OK"),
    ("broker process.roles=<unset>", "OK"),
    ("broker controller.quorum.voters=", "OK"),
    // Java classes are not loaded.
    ("broker group.share.assignors=a,b", "OK"),
    ("broker principal.builder.class=", "OK"),
    // The function asked lets this pass; a running Kafka then refuses it with this text.
    (
        "dynamic-broker listeners=PLAINTEXT://:9092",
        "INVALID_REQUEST: controller.listener.names must contain at least one value appearing in \
         the 'listeners' configuration when running the KRaft controller role",
    ),
];

/// A problem's text without the line of the file it is on.
fn without_line(text: &str) -> &str {
    let rest = text.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    rest.map_or(text, |(_, text)| text)
}

#[test]
fn verdicts_are_kafkas() {
    let mut wrong = Vec::new();
    for line in include_str!("../data/validation.txt").lines() {
        let Some((case, kafka)) = line.split_once(" => ").filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let (class, text) = match kafka.split_once(": ") {
            Some((class, text)) if class.ends_with("Exception") => (class, text),
            _ => ("", kafka),
        };
        let text = text.strip_prefix("requirement failed: ").unwrap_or(text);
        // A running broker answers INVALID_REQUEST to every wrong change of its own keys.
        let request = class == "InvalidRequestException"
            || (case.starts_with("dynamic-") && !class.is_empty());
        let kafka = format!("{}{text}", if request { REQUEST } else { "" });
        let expected =
            DIFFERENT.iter().find(|(known, _)| *known == case).map_or(kafka.as_str(), |d| d.1);
        let (kind, given) = case.split_once(' ').expect("the case is well-formed");
        let ours = check(kind, given);
        if without_line(&ours) != expected {
            wrong.push(format!("{case}\n  expected {expected}\n  got      {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Changes one broker that has these changes, and all brokers those.
fn check_change(now: [&str; 2], new: &str) -> String {
    let [broker, default] = now.map(|text| if text.is_empty() { Map::new() } else { pairs(text) });
    let dynamic = Dynamic { default: &default, broker: &broker };
    verdict(validate::broker_changes(&pairs(new), &base(), dynamic).map_err(text_of))
}

#[test]
fn changes_are_checked_against_what_holds() {
    let threads = ["background.threads=11", "background.threads=400"];
    assert_eq!(
        check_change(threads, "background.threads=30"),
        "INVALID_REQUEST: Dynamic thread count update validation failed for background.threads=30, value should \
         not be greater than double the current value 11"
    );
    assert_eq!(check_change(threads, "background.threads=22"), "OK");
    assert_eq!(
        check_change(["", "log.retention.ms=777000"], "log.local.retention.ms=9000000"),
        "INVALID_REQUEST: Invalid value 9000000 for configuration log.local.retention.ms: Value must not be more \
         than log.retention.ms property value: 777000"
    );
    assert_eq!(
        check_change(["", ""], "max.connections.per.ip.overrides=not a host:1"),
        "INVALID_REQUEST: max.connections.per.ip.overrides contains invalid addresses : not a host"
    );
    assert_eq!(
        check_change(["", ""], "log.cleaner.dedupe.buffer.size=1"),
        "INVALID_REQUEST: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread."
    );
}

#[test]
fn the_nearest_name_is_offered() {
    let error = |scope, name: &str| {
        klamm_config::suggest::nearest(scope, name).unwrap_or("nothing").to_owned()
    };
    assert_eq!(error(Scope::Topic, "retention.msec"), "retention.ms");
    assert_eq!(error(Scope::Topic, "cleanup_policy"), "cleanup.policy");
    assert_eq!(error(Scope::Broker, "log.segmnet.bytes"), "log.segment.bytes");
    assert_eq!(error(Scope::Topic, "log.retention.ms"), "retention.ms");
    assert_eq!(error(Scope::Broker, "retention.ms"), "log.retention.ms");
    assert_eq!(error(Scope::Topic, "colour"), "nothing");
    assert_eq!(error(Scope::Broker, &"x".repeat(100_000)), "nothing");
}

#[test]
fn thresholds_of_a_volume_follow_each_other() {
    let check = |text: &str| check_change(["", ""], text);
    assert_eq!(check("klamm.disk.policy=restrict ; klamm.disk.restrict.percent=94"), "OK");
    assert_eq!(
        check("klamm.disk.policy=restrict ; klamm.disk.restrict.percent=80"),
        "INVALID_REQUEST: klamm.disk.resume.percent must be less than or equal to \
         klamm.disk.restrict.percent"
    );
    assert_eq!(check("klamm.disk.restrict.percent=80"), "OK");
    assert_eq!(
        check("klamm.disk.policy=staged ; klamm.disk.expire.percent=90"),
        "INVALID_REQUEST: klamm.disk.expire.percent must be less than or equal to \
         klamm.disk.delete.percent"
    );
    assert_eq!(check("klamm.disk.policy=delete-oldest ; klamm.disk.delete.percent=97"), "OK");
}
