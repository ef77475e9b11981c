//! Client-metrics subscriptions (KIP-714).

use crate::key::keys;

keys! { ClientMetrics:
    "interval.ms" Int "300000" []
        "How often a matching client pushes its metrics.";
    "match" List "" [list_of(&[])]
        "Which clients are meant, as `selector=regular expression` pairs: `client_instance_id`, \
         `client_id`, `client_software_name`, `client_software_version`, `client_source_address`, \
         `client_source_port`.";
    "metrics" List "" [list_of(&[])]
        "Prefixes of the metrics to push; `*` asks for all, none turns the subscription off.";
}
