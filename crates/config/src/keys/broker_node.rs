//! What the node is: identity, roles, plug-ins, metrics, telemetry.

use super::reason::{METRICS, ONE_NODE};
use crate::key::keys;

keys! { Broker:
    "node.id" Int "1" [at_least(0), kafka_requires_it]
        "The node's number, unique in the cluster.";
    "broker.id" Int "-1" []
        "The node's number under its older name; must equal `node.id` when both are given.";
    "broker.rack" String null []
        "Where the node stands, for placement and for fetching from the nearest replica.";
    "process.roles" List "broker,controller"
        [non_empty_list_of(&["broker", "controller"]), kafka_requires_it]
        "What the node does: `broker`, `controller`, or both.";
    "controlled.shutdown.enable" Boolean "true" [accepted(ONE_NODE)]
        "Whether a stopping broker hands over its leaderships first.";
    "server.max.startup.time.ms" Long "9223372036854775807"
        [at_least(0), internal, accepted("Start-up is not bounded in time.")]
        "How long a start may take before it is given up. For tests.";
    "config.providers" List "" [list_of(&[]), cluster_wide, jvm]
        "Names of the plug-ins that resolve `${...}` references in values.";
    "metric.reporters" List "org.apache.kafka.common.metrics.JmxReporter"
        [list_of(&[]), cluster_wide, jvm]
        "Java classes that are told about metrics.";
    "metrics.num.samples" Int "2" [at_least(1), accepted(METRICS)]
        "How many samples a rate is computed from.";
    "metrics.recording.level" String "INFO" [accepted(METRICS)]
        "How detailed metrics are recorded.";
    "metrics.sample.window.ms" Long "30000" [at_least(1), accepted(METRICS)]
        "How long one sample of a rate lasts.";
    "kafka.metrics.reporters" List "" [list_of(&[]), jvm]
        "Java classes that are told about the older kind of metrics.";
    "kafka.metrics.polling.interval.secs" Int "10" [at_least(1), jvm]
        "How often the older kind of reporters are called.";
    "telemetry.max.bytes" Int "1048576" [at_least(1)]
        "Largest set of metrics, after compression, that a client may push.";
    "unstable.api.versions.enable" Boolean "false"
        [internal, accepted("Only finished versions are served.")]
        "Whether unfinished versions of requests are served. For tests.";
    "unstable.feature.versions.enable" Boolean "false"
        [internal, accepted("Only finished versions are served.")]
        "Whether unfinished feature levels may be set. For tests.";
}
