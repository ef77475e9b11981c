//! A broker's configuration as a whole (Kafka's `KafkaConfig.validateValues` and the
//! constructors of its parts).

use crate::effective::Effective;
use crate::error::ConfigError;
use crate::listener::{Listeners, parse_ip_overrides, parse_voters};
use crate::value::Value;

type Checked = Result<(), ConfigError>;

/// Checks what several keys say together. Single values were checked when they were read.
///
/// # Errors
/// [`ConfigError::Rule`]: the first rule that is broken, with Kafka's text.
pub fn broker(config: &Effective) -> Checked {
    check_ids(config)?;
    check_groups(config)?;
    check_roles(config)?;
    let listeners = Listeners::of(config)?;
    check_log(config)?;
    check_replication(config)?;
    check_quorum(config, &listeners)?;
    check_listeners(config, &listeners)?;
    check_cordoned(config)?;
    check_disk(config)?;
    check_limits(config)
}

fn require(holds: bool, text: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(ConfigError::Rule(text())) }
}

fn check_ids(config: &Effective) -> Checked {
    let same = config.int("broker.id") == config.int("node.id");
    require(!config.is_set("broker.id") || same, || {
        "You must set `node.id` to the same value as `broker.id`.".to_owned()
    })
}

fn check_roles(config: &Effective) -> Checked {
    require(has_role(config, "broker") || has_role(config, "controller"), || {
        "process.roles must name at least one of broker, controller".to_owned()
    })
}

fn has_role(config: &Effective, role: &str) -> bool {
    config.list("process.roles").is_some_and(|roles| roles.iter().any(|r| r == role))
}

/// Each bounded value of the newer group protocols lies between its bounds, and the session is
/// longer than the heartbeat interval.
fn check_groups(config: &Effective) -> Checked {
    const BOUNDED: [(&str, &str); 12] = [
        ("consumer", "heartbeat.interval.ms"),
        ("consumer", "session.timeout.ms"),
        ("consumer", "assignment.interval.ms"),
        ("share", "heartbeat.interval.ms"),
        ("share", "session.timeout.ms"),
        ("share", "assignment.interval.ms"),
        ("share", "record.lock.duration.ms"),
        ("share", "delivery.count.limit"),
        ("share", "partition.max.record.locks"),
        ("streams", "heartbeat.interval.ms"),
        ("streams", "session.timeout.ms"),
        ("streams", "assignment.interval.ms"),
    ];
    for (protocol, rest) in BOUNDED {
        let value = format!("group.{protocol}.{rest}");
        let min = format!("group.{protocol}.min.{rest}");
        let max = format!("group.{protocol}.max.{rest}");
        at_least(config, &max, &min)?;
        at_least(config, &value, &min)?;
        at_most(config, &value, &max)?;
    }
    at_most(config, "group.streams.num.standby.replicas", "group.streams.max.standby.replicas")?;
    for protocol in ["consumer", "share", "streams"] {
        let heartbeat = format!("group.{protocol}.heartbeat.interval.ms");
        let session = format!("group.{protocol}.session.timeout.ms");
        require(config.int(&heartbeat) < config.int(&session), || {
            format!("{heartbeat} must be less than {session}")
        })?;
    }
    Ok(())
}

fn at_least(config: &Effective, value: &str, min: &str) -> Checked {
    require(config.long(value) >= config.long(min), || {
        format!("{value} must be greater than or equal to {min}")
    })
}

fn at_most(config: &Effective, value: &str, max: &str) -> Checked {
    require(config.long(value) <= config.long(max), || {
        format!("{value} must be less than or equal to {max}")
    })
}

fn check_log(config: &Effective) -> Checked {
    let from_topic = |name| {
        let key = crate::keys::find(crate::Scope::Topic, name)?;
        super::inherited(key, config)?.as_integer()
    };
    require(from_topic("segment.ms") >= Some(1), || {
        "log.roll.ms must be greater than or equal to 1".to_owned()
    })?;
    require(from_topic("segment.jitter.ms") >= Some(0), || {
        "log.roll.jitter.ms must be greater than or equal to 0".to_owned()
    })?;
    require(from_topic("retention.ms") != Some(0), || {
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1".to_owned()
    })?;
    let threads = config.long("log.cleaner.threads").max(1);
    require(config.long("log.cleaner.dedupe.buffer.size") / threads >= 1024 * 1024, || {
        "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.".to_owned()
    })?;
    let codec = config.int("offsets.topic.compression.codec");
    require((0..=4).contains(&codec), || format!("Unknown compression type id: {codec}"))
}

fn check_replication(config: &Effective) -> Checked {
    let wait = config.long("replica.fetch.wait.max.ms");
    require(config.long("replica.socket.timeout.ms") >= wait, || {
        "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to \
         prevent unnecessary socket timeouts"
            .to_owned()
    })?;
    require(wait <= config.long("replica.lag.time.max.ms"), || {
        "replica.fetch.wait.max.ms should always be less than or equal to \
         replica.lag.time.max.ms to prevent frequent changes in ISR"
            .to_owned()
    })
}

/// Whether the node is a quorum of its own: it needs no controller listener, and brokers do not
/// talk among themselves. Kafka has no such case, it always wants voters or bootstrap servers.
fn is_alone(config: &Effective) -> bool {
    let empty = |name| config.list(name).is_none_or(<[String]>::is_empty);
    empty("controller.quorum.voters") && empty("controller.quorum.bootstrap.servers")
}

fn check_quorum(config: &Effective, listeners: &Listeners) -> Checked {
    let controller = has_role(config, "controller");
    if is_alone(config) {
        return require(controller && has_role(config, "broker"), || {
            "If using process.roles, either controller.quorum.bootstrap.servers must contain the \
             set of bootstrap controllers or controller.quorum.voters must contain a parseable \
             set of controllers."
                .to_owned()
        });
    }
    let voters = parse_voters(config.list("controller.quorum.voters").unwrap_or_default())?;
    let ids: Vec<String> = voters.iter().map(|voter| voter.id.to_string()).collect();
    let id = config.int("node.id");
    let is_voter = voters.iter().any(|voter| voter.id == id);
    let ids = format!("controller.quorum.voters=Set({})", ids.join(", "));
    require(voters.is_empty() || !controller || is_voter, || {
        format!(
            "If process.roles contains the 'controller' role, the node id {id} must be included \
             in the set of voters {ids}"
        )
    })?;
    require(controller || !is_voter, || {
        format!(
            "If process.roles contains just the 'broker' role, the node id {id} must not be \
             included in the set of voters {ids}"
        )
    })?;
    let listens = listeners.listeners.iter().any(|endpoint| endpoint.controller);
    require(!controller || listens, || {
        "controller.listener.names must contain at least one value appearing in the 'listeners' \
         configuration when running the KRaft controller role"
            .to_owned()
    })?;
    require(controller || !listens, || {
        "controller.listener.names must not contain a value appearing in the 'listeners' \
         configuration when running KRaft with just the broker role"
            .to_owned()
    })?;
    require(controller || !config.boolean("controller.quorum.auto.join.enable"), || {
        "controller.quorum.auto.join.enable is only supported when process.roles contains the \
         'controller' role."
            .to_owned()
    })
}

fn check_listeners(config: &Effective, listeners: &Listeners) -> Checked {
    if !has_role(config, "broker") {
        return require(listeners.listeners.iter().all(|endpoint| endpoint.controller), || {
            "The listeners config must only contain KRaft controller listeners from \
             controller.listener.names when process.roles=controller"
                .to_owned()
        });
    }
    let names: Vec<&str> = listeners.advertised.iter().map(|e| e.name.as_str()).collect();
    let names_text = names.join(",");
    require(!names.is_empty(), || {
        "There must be at least one broker advertised listener. Perhaps all listeners appear in \
         controller.listener.names?"
            .to_owned()
    })?;
    let listed = |name: &&str| listeners.listeners.iter().any(|endpoint| endpoint.name == *name);
    require(names.iter().all(listed), || {
        let all: Vec<&str> = listeners.listeners.iter().map(|e| e.name.as_str()).collect();
        format!(
            "advertised.listeners listener names must be equal to or a subset of the ones \
             defined in listeners. Found {names_text}. The valid options based on the current \
             configuration are {}",
            all.join(",")
        )
    })?;
    let inter_broker = listeners.inter_broker.as_str();
    require(names.contains(&inter_broker) || is_alone(config), || {
        format!(
            "inter.broker.listener.name must be a listener name defined in advertised.listeners. \
             The valid options based on currently configured listeners are {names_text}"
        )
    })?;
    require(listeners.advertised.iter().all(|endpoint| endpoint.host != "0.0.0.0"), || {
        "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP \
         address."
            .to_owned()
    })?;
    check_early_start(config, listeners)
}

fn check_early_start(config: &Effective, listeners: &Listeners) -> Checked {
    let controllers = config.list("controller.listener.names").unwrap_or_default();
    for name in config.list("early.start.listeners").unwrap_or_default() {
        let known = controllers.contains(name)
            || listeners.listeners.iter().any(|endpoint| endpoint.name == name.to_uppercase());
        require(known, || {
            format!(
                "early.start.listeners contains listener {name}, but this is not contained in \
                 listeners or controller.listener.names"
            )
        })?;
    }
    Ok(())
}

fn check_cordoned(config: &Effective) -> Checked {
    let cordoned = config.list("cordoned.log.dirs").unwrap_or_default();
    let all = cordoned.iter().any(|dir| dir == "*");
    if all {
        return require(cordoned.len() == 1, || {
            "When cordoned.log.dirs is set to *, it must not contain other values".to_owned()
        });
    }
    let dirs = config.list("log.dirs").or_else(|| config.list("log.dir")).unwrap_or_default();
    let missing: Vec<&str> =
        cordoned.iter().filter(|dir| !dirs.contains(dir)).map(String::as_str).collect();
    require(missing.is_empty(), || {
        format!(
            "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing \
             entries : {}",
            missing.join(", ")
        )
    })
}

/// The thresholds that a policy for filling volumes looks at follow each other.
fn check_disk(config: &Effective) -> Checked {
    let policy = config.text("klamm.disk.policy").unwrap_or_default();
    if policy == "staged" {
        at_most(config, "klamm.disk.expire.percent", "klamm.disk.delete.percent")?;
        at_most(config, "klamm.disk.delete.percent", "klamm.disk.restrict.percent")?;
    }
    if matches!(policy, "restrict" | "staged") {
        at_most(config, "klamm.disk.resume.percent", "klamm.disk.restrict.percent")?;
    }
    Ok(())
}

fn check_limits(config: &Effective) -> Checked {
    let queued = config.long("queued.max.request.bytes");
    require(queued <= 0 || queued >= config.long("socket.request.max.bytes"), || {
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes".to_owned()
    })?;
    let overrides = config.text("max.connections.per.ip.overrides").unwrap_or_default();
    require(config.int("max.connections.per.ip") != 0 || !overrides.is_empty(), || {
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides \
         property is set."
            .to_owned()
    })?;
    parse_ip_overrides(overrides)?;
    let delay = config.long("connection.failed.authentication.delay.ms");
    let idle = config.get("connections.max.idle.ms").and_then(Value::as_integer).unwrap_or(-1);
    require(idle <= 0 || delay < idle, || {
        format!(
            "connection.failed.authentication.delay.ms={delay} should always be less than \
             connections.max.idle.ms={idle} to prevent failed authentication responses from \
             timing out"
        )
    })
}
