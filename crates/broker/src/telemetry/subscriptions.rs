//! Which metrics are wanted of which clients: the client-metrics resources of the cluster (KIP-714).

use std::{collections::BTreeSet, net::SocketAddr};

use klamm_metadata::{Image, Resource, ResourceKind};
use klamm_protocol::wire::Uuid;
use regex::Regex;

/// How often clients push unless a subscription says otherwise, milliseconds.
pub(crate) const INTERVAL_MS: i32 = 300_000;

/// Asks for all metrics.
const ALL: &str = "*";

/// What is known of a client that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) instance: Uuid,
    pub(crate) client_id: String,
    pub(crate) software_name: String,
    pub(crate) software_version: String,
    pub(crate) address: SocketAddr,
}

/// What one client should push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Prefixes of metrics; the one prefix `*` is all.
    pub(crate) metrics: Vec<String>,
    pub(crate) interval_ms: i32,
}

impl Wanted {
    /// The digest by which a client and a broker know that they mean the same, as Kafka makes it
    /// (its order of several prefixes is that of a hash table, here they are sorted).
    pub(crate) fn id(&self, client: Uuid) -> i32 {
        let text = format!("[{}]{}", self.metrics.join(", "), self.interval_ms);
        let digest = crc32c::crc32c(text.as_bytes());
        let number = client.as_u128();
        // Java's hash of the id.
        let halves = (number >> 64) ^ number;
        let words = (halves >> 32) ^ halves;
        let [.., a, b, c, d] = words.to_be_bytes();
        (u32::from_be_bytes([a, b, c, d]) ^ digest).cast_signed()
    }
}

/// All subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Vec<Subscription>);

#[derive(Debug)]
struct Subscription {
    metrics: BTreeSet<String>,
    interval_ms: i32,
    selectors: Vec<(String, Regex)>,
}

impl Subscriptions {
    /// Those of an image.
    pub(crate) fn of(image: &Image) -> Self {
        let of_clients = |resource: &&Resource| resource.kind == ResourceKind::ClientMetrics;
        let all = image.configured().filter(of_clients);
        Self(all.filter_map(|resource| subscription(image, resource)).collect())
    }

    /// What a client should push: everything that subscriptions which match it want, as often as
    /// the most impatient of them.
    pub(crate) fn wanted(&self, facts: &Facts) -> Wanted {
        let mut metrics: BTreeSet<&str> = BTreeSet::new();
        let mut interval_ms = None;
        for subscription in self.0.iter().filter(|of| of.is_for(facts)) {
            metrics.extend(subscription.metrics.iter().map(String::as_str));
            let shortest = interval_ms.get_or_insert(subscription.interval_ms);
            *shortest = subscription.interval_ms.min(*shortest);
        }
        let metrics = match metrics.contains(ALL) {
            true => vec![ALL.to_owned()],
            false => metrics.into_iter().map(str::to_owned).collect(),
        };
        Wanted { metrics, interval_ms: interval_ms.unwrap_or(INTERVAL_MS) }
    }
}

/// None if it wants no metrics.
fn subscription(image: &Image, resource: &Resource) -> Option<Subscription> {
    let value = |name| image.config_value(resource, name).unwrap_or_default();
    let list = |name| value(name).split(',').map(str::trim).filter(|item| !item.is_empty());
    let metrics: BTreeSet<String> = list("metrics").map(str::to_owned).collect();
    if metrics.is_empty() {
        return None;
    }
    let selectors = list("match").filter_map(|pattern| {
        let (selector, pattern) = pattern.split_once('=')?;
        // Checked when it was stored; another release may have had other rules.
        let regex = Regex::new(&format!("^(?:{})$", pattern.trim())).ok()?;
        Some((selector.trim().to_owned(), regex))
    });
    Some(Subscription {
        metrics,
        interval_ms: value("interval.ms").trim().parse().unwrap_or(INTERVAL_MS),
        selectors: selectors.collect(),
    })
}

impl Subscription {
    fn is_for(&self, facts: &Facts) -> bool {
        self.selectors.iter().all(|(selector, regex)| match selector.as_str() {
            "client_instance_id" => regex.is_match(&facts.instance.to_string()),
            "client_id" => regex.is_match(&facts.client_id),
            "client_software_name" => regex.is_match(&facts.software_name),
            "client_software_version" => regex.is_match(&facts.software_version),
            "client_source_address" => regex.is_match(&facts.address.ip().to_string()),
            "client_source_port" => regex.is_match(&facts.address.port().to_string()),
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Subscriptions as `metrics interval match`, a line each; what a client should push.
    fn check(subscriptions: &str, expected: &str) {
        let all = subscriptions.lines().map(|line| {
            let [metrics, interval, selectors] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let pair = |pattern: &str| {
                let (selector, regex) = pattern.split_once('=').unwrap();
                (selector.to_owned(), Regex::new(&format!("^(?:{regex})$")).unwrap())
            };
            Subscription {
                metrics: metrics.split(',').map(str::to_owned).collect(),
                interval_ms: interval.parse().unwrap(),
                selectors: selectors.split(',').filter(|s| !s.is_empty()).map(pair).collect(),
            }
        });
        let facts = Facts {
            instance: Uuid::from_u128(77),
            client_id: "orders-1".to_owned(),
            software_name: "apache-kafka-java".to_owned(),
            software_version: "4.3.1".to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 4000)),
        };
        let wanted = Subscriptions(all.collect()).wanted(&facts);
        assert_eq!(format!("{} {}", wanted.metrics.join(","), wanted.interval_ms), expected);
    }

    #[test]
    fn what_is_wanted_is_the_sum_of_what_matches() {
        check("", " 300000");
        check("a.b 1000 ", "a.b 1000");
        check("a.b 1000 \nc,a.b 500 client_id=orders-.*", "a.b,c 500");
        check("a.b 1000 \nc 500 client_id=orders", "a.b 1000");
        check("a 1000 \n* 9000 client_software_name=apache.*,client_source_port=4000", "* 1000");
        check("a 1 client_source_address=127.0.0.2", " 300000");
        check(
            "a 1 client_software_version=4\\..*,client_instance_id=AAAAAAAAAAAAAAAAAAAATQ",
            "a 1",
        );
    }

    #[test]
    fn ids_are_those_that_kafka_gives() {
        let id = |client: &str, metrics: &[&str]| {
            let metrics = metrics.iter().map(|&metric| metric.to_owned()).collect();
            Wanted { metrics, interval_ms: INTERVAL_MS }.id(client.parse().expect("an id"))
        };
        assert_eq!(id("orhuZbmXT3mWqsRJ-IAtHA", &[]), -1_581_083_753);
        assert_eq!(id("AAAAAAAAAAAAAAAAAAAAAQ", &[]), -725_132_321);
        assert_eq!(id("aaaaZbmXT3mWqsRJ-IAtHA", &[]), 1_792_829_335);
    }
}
