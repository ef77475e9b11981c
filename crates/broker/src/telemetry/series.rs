//! The series that clients push, until they are read, or their client is silent for too long.
//!
//! Invariants: no more series than `klamm.client.telemetry.series.max`, of one client no more than a
//! tenth of them; names and attributes are cut to bounds.

use std::collections::{BTreeMap, BTreeSet};

use klamm_metrics::Page;
use klamm_protocol::wire::Uuid;

use super::{
    otlp::{Meaning, Point},
    subscriptions::Facts,
};
use crate::observe::definitions::{CLIENT_METRIC, CLIENT_METRIC_TOTAL};

/// The most bytes of a metric's name, and of an attribute.
const TEXT_BYTES_MAX: usize = 200;

/// A client that has not pushed for so many of its intervals is forgotten.
const SILENT_INTERVALS: i64 = 3;

/// The least time after which a silent client is forgotten, milliseconds.
const SILENT_MS_MIN: i64 = 60_000;

/// All series, by client.
#[derive(Debug, Default)]
pub(super) struct Series {
    clients: BTreeMap<Uuid, Client>,
    count: usize,
}

#[derive(Debug)]
struct Client {
    /// Instance, client id, software name and version: the labels of all its series.
    labels: [String; 4],
    silent_after_ms: i64,
    points: BTreeMap<Key, f64>,
}

/// What tells the series of a client apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    is_total: bool,
    metric: String,
    /// Labels and their values, by label.
    attributes: Vec<(String, String)>,
}

impl Series {
    /// Number of clients.
    pub(super) fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Makes room for what a client pushes.
    pub(super) fn visit(&mut self, facts: &Facts, interval_ms: i32, now_ms: i64) {
        let pause_ms = (i64::from(interval_ms) * SILENT_INTERVALS).max(SILENT_MS_MIN);
        let client = self.clients.entry(facts.instance).or_insert_with(|| Client {
            labels: [
                facts.instance.to_string(),
                cut(&facts.client_id),
                facts.software_name.clone(),
                facts.software_version.clone(),
            ],
            silent_after_ms: 0,
            points: BTreeMap::new(),
        });
        client.silent_after_ms = now_ms.saturating_add(pause_ms);
    }

    /// Takes a number of a client that was visited; false if there is no room for it.
    pub(super) fn take(&mut self, client: Uuid, point: &Point<'_>, series_max: usize) -> bool {
        let Some(client) = self.clients.get_mut(&client) else { return false };
        let key = Key {
            is_total: matches!(point.meaning, Meaning::Delta | Meaning::Cumulative),
            metric: format!("{}{}", cut(point.metric), point.suffix),
            attributes: labels(&point.attributes),
        };
        match client.points.get_mut(&key) {
            Some(value) => *value = next(*value, point),
            None => {
                let own_max = series_max.div_ceil(10);
                if self.count >= series_max || client.points.len() >= own_max {
                    return false;
                }
                client.points.insert(key, next(0.0, point));
                self.count += 1;
            }
        }
        true
    }

    /// Forgets a client of which nothing is kept: those that remain are as many as series at most.
    pub(super) fn leave(&mut self, client: Uuid) {
        if self.clients.get(&client).is_some_and(|client| client.points.is_empty()) {
            self.clients.remove(&client);
        }
    }

    /// Forgets clients that are silent.
    pub(super) fn sweep(&mut self, now_ms: i64) {
        let count = &mut self.count;
        self.clients.retain(|_, client| {
            let stays = client.silent_after_ms >= now_ms;
            *count -= if stays { 0 } else { client.points.len() };
            stays
        });
    }

    /// Tells all of it.
    pub(super) fn write(&self, page: &mut Page) {
        for (is_total, definition) in [(false, &CLIENT_METRIC), (true, &CLIENT_METRIC_TOTAL)] {
            let mut family = page.family(definition);
            for client in self.clients.values() {
                let [instance, client_id, name, version] = &client.labels;
                for (key, value) in client.points.iter().filter(|(key, _)| key.is_total == is_total)
                {
                    let labels = [&*key.metric, instance, client_id, name, version];
                    family.sample_with(&labels, &key.attributes, *value);
                }
            }
        }
    }
}

fn next(before: f64, point: &Point<'_>) -> f64 {
    match point.meaning {
        Meaning::Gauge | Meaning::Cumulative => point.value,
        Meaning::Delta | Meaning::Change => before + point.value,
    }
}

/// Attributes as labels, each name once.
fn labels(attributes: &[(&str, String)]) -> Vec<(String, String)> {
    let mut seen = BTreeSet::new();
    let mut labels = Vec::with_capacity(attributes.len());
    for (name, value) in attributes {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name = format!("attr_{}", cut(name).chars().map(plain).collect::<String>());
        if seen.insert(name.clone()) {
            labels.push((name, cut(value)));
        }
    }
    labels.sort();
    labels
}

/// The start of a text, if all of it is too long.
fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use klamm_metrics::Format;

    use super::*;

    fn facts(number: u128) -> Facts {
        Facts {
            instance: Uuid::from_u128(number),
            client_id: "c".to_owned(),
            software_name: "java".to_owned(),
            software_version: "4".to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
        }
    }

    fn point(metric: &str, meaning: Meaning, value: f64) -> Point<'_> {
        let attributes = vec![("node.id", "1".to_owned()), ("node-id", "2".to_owned())];
        Point { metric, suffix: "", meaning, attributes, value }
    }

    #[test]
    fn deltas_add_up_and_gauges_do_not() {
        let mut series = Series::default();
        series.visit(&facts(7), 1000, 0);
        let id = Uuid::from_u128(7);
        for _ in 0..2 {
            assert!(series.take(id, &point("sent", Meaning::Delta, 3.0), 100));
            assert!(series.take(id, &point("depth", Meaning::Gauge, 4.0), 100));
            assert!(series.take(id, &point("all", Meaning::Cumulative, 5.0), 100));
        }
        let mut page = Page::new(Format::Prometheus);
        series.write(&mut page);
        let of = "client_instance_id=\"AAAAAAAAAAAAAAAAAAAABw\",client_id=\"c\",\
                  software_name=\"java\",software_version=\"4\",attr_node_id=\"1\"";
        let text = page.finish();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                format!("klamm_client_metric{{metric=\"depth\",{of}}} 4"),
                format!("klamm_client_metric_total{{metric=\"all\",{of}}} 5"),
                format!("klamm_client_metric_total{{metric=\"sent\",{of}}} 6"),
            ]
        );
    }

    #[test]
    fn series_are_bounded_and_forgotten() {
        let mut series = Series::default();
        let mut taken = 0;
        for client in 0..20 {
            series.visit(&facts(client), 1000, 0);
            for metric in 0..20 {
                let (id, name) = (Uuid::from_u128(client), format!("m{metric}"));
                taken += usize::from(series.take(id, &point(&name, Meaning::Gauge, 1.0), 100));
            }
        }
        assert_eq!((taken, series.count), (100, 100), "ten of each of the first ten");
        series.visit(&facts(3), 1000, 50_000);
        series.sweep(SILENT_MS_MIN + 1);
        assert_eq!((series.clients(), series.count), (1, 10));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut(&"ä".repeat(TEXT_BYTES_MAX)).len(), TEXT_BYTES_MAX);
        assert_eq!(cut("short"), "short");
    }
}
