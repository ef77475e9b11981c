//! What runs yielded: files below `target/bench`, the numbers derived from them, and ratios.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::scenario::Better;

/// The broker whose figures are judged.
pub(super) const OURS: &str = "klamm";
/// The broker that it is compared with.
pub(super) const THEIRS: &str = "kafka";
/// The "broker" of rows that need none.
pub(super) const MACHINE: &str = "machine";

/// One file of results.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Results {
    /// When the run began, in UTC, to the minute.
    pub(super) date: String,
    pub(super) machine: Machine,
    pub(super) runs: Vec<Run>,
}

/// Where it ran.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) memory_gb: u64,
    pub(super) kernel: String,
}

/// One round of one scenario against one broker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) scenario: String,
    pub(super) peer: String,
    pub(super) round: usize,
    pub(super) values: BTreeMap<String, f64>,
    pub(super) series: Vec<BTreeMap<String, f64>>,
}

impl Run {
    /// A run from what `load` printed.
    pub(super) fn new(scenario: &str, peer: &str, round: usize, printed: &[Printed]) -> Self {
        let mut values = BTreeMap::new();
        let mut series = Vec::new();
        for part in printed {
            values.extend(part.values.clone());
            series.extend(part.series.clone());
        }
        derive(&mut values);
        Run { scenario: scenario.to_owned(), peer: peer.to_owned(), round, values, series }
    }
}

/// The JSON object of one `load`.
#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Printed {
    #[serde(default)]
    series: Vec<BTreeMap<String, f64>>,
    #[serde(flatten)]
    pub(super) values: BTreeMap<String, f64>,
}

impl Printed {
    /// Numbers that no `load` printed.
    pub(super) fn of(values: &[(&str, f64)]) -> Self {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
        Printed { values, series: Vec::new() }
    }
}

/// Adds what follows from the counts.
fn derive(values: &mut BTreeMap<String, f64>) {
    let quotients = [
        ("mb_per_second", "bytes", "seconds", 1e6),
        ("records_per_second", "records", "seconds", 1.0),
        ("requests_per_second", "requests", "seconds", 1.0),
        ("mb_per_cpu_second", "bytes", "broker_cpu_seconds", 1e6),
        ("records_per_cpu_second", "records", "broker_cpu_seconds", 1.0),
        ("requests_per_cpu_second", "requests", "broker_cpu_seconds", 1.0),
        ("written_per_byte", "broker_written_bytes", "bytes", 1.0),
    ];
    for (key, above, below, unit) in quotients {
        let quotient = values.get(above).zip(values.get(below));
        if let Some((above, below)) = quotient.filter(|(_, below)| **below > 0.0) {
            values.insert(key.to_owned(), above / below / unit);
        }
    }
    if let Some(bytes) = values.get("broker_rss_bytes") {
        values.insert("rss_mb".to_owned(), bytes / 1e6);
    }
}

impl Results {
    /// The value of a figure in each round.
    pub(super) fn rounds(&self, scenario: &str, peer: &str, key: &str) -> Vec<f64> {
        let runs = self.runs.iter().filter(|r| r.scenario == scenario && r.peer == peer);
        runs.filter_map(|run| run.values.get(key).copied()).collect()
    }

    /// The middle value of the rounds.
    pub(super) fn median(&self, scenario: &str, peer: &str, key: &str) -> Option<f64> {
        median(&self.rounds(scenario, peer, key))
    }

    /// How many times as good as `than` ours is, round by round; the rounds of both alternate.
    pub(super) fn ratio(
        &self,
        scenario: &str,
        key: &str,
        than: &str,
        better: Better,
    ) -> Option<Ratio> {
        let (ours, theirs) = (self.rounds(scenario, OURS, key), self.rounds(scenario, than, key));
        let pairs = ours.iter().zip(&theirs);
        let ratios = pairs.map(|(ours, theirs)| match better {
            Better::Higher => ours / theirs,
            Better::Lower => theirs / ours,
        });
        Ratio::of(&ratios.filter(|r| r.is_finite()).collect::<Vec<_>>())
    }

    /// All brokers of a scenario, in the order in which they ran.
    pub(super) fn peers(&self, scenario: &str) -> Vec<&str> {
        let mut peers = Vec::new();
        for run in self.runs.iter().filter(|run| run.scenario == scenario) {
            if !peers.contains(&run.peer.as_str()) {
                peers.push(run.peer.as_str());
            }
        }
        peers
    }

    /// Reads all files of a folder; of each scenario the newest file that has it counts.
    pub(super) fn merged(folder: &Path) -> Result<Self> {
        let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        let mut paths = entries.map(|e| Ok(e?.path())).collect::<Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|e| e == "json"));
        paths.sort();
        let mut merged = Results::default();
        for path in paths {
            let text = std::fs::read_to_string(&path)?;
            let newer = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
            merged.replace(newer);
        }
        Ok(merged)
    }

    /// Takes the scenarios that `newer` has from there.
    fn replace(&mut self, newer: Results) {
        self.runs.retain(|run| !newer.runs.iter().any(|other| other.scenario == run.scenario));
        self.runs.extend(newer.runs);
        (self.date, self.machine) = (newer.date, newer.machine);
    }
}

/// The ratios of the rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ratio {
    pub(super) median: f64,
    pub(super) lowest: f64,
    pub(super) highest: f64,
}

impl Ratio {
    fn of(ratios: &[f64]) -> Option<Self> {
        Some(Ratio {
            median: median(ratios)?,
            lowest: ratios.iter().copied().reduce(f64::min)?,
            highest: ratios.iter().copied().reduce(f64::max)?,
        })
    }
}

/// The middle value, or the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    match sorted.len() % 2 {
        1 => Some(upper),
        _ => Some((sorted[half - 1] + upper) / 2.0),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A result with these values of `produce-1k`.
    pub(in crate::bench) fn sample(values: &[(&str, usize, f64)]) -> Results {
        let runs = values.iter().map(|(peer, round, value)| {
            let text = format!(
                r#"{{"bytes": {}, "seconds": 2, "broker_cpu_seconds": 1, "broker_rss_bytes": 2e7,
                "series": [{{"at_seconds": 0.5, "mb_per_second": 5}}]}}"#,
                value * 1e6
            );
            let printed: Printed = serde_json::from_str(&text).expect("an object of numbers");
            Run::new("produce-1k", peer, *round, &[printed])
        });
        Results { runs: runs.collect(), date: "2026-01-02 03:04".into(), ..Results::default() }
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn counts_become_figures() {
        let results = sample(&[("klamm", 1, 800.0)]);
        let get = |key| results.median("produce-1k", "klamm", key);
        assert_eq!(get("mb_per_second"), Some(400.0));
        assert_eq!(get("mb_per_cpu_second"), Some(800.0));
        assert_eq!(get("rss_mb"), Some(20.0));
        assert_eq!(get("records_per_second"), None);
        assert_eq!(results.runs[0].series.len(), 1);
    }

    #[test]
    fn ratios_say_how_many_times_as_good() {
        let results = sample(&[
            ("klamm", 1, 800.0),
            ("kafka", 1, 200.0),
            ("klamm", 2, 600.0),
            ("kafka", 2, 300.0),
        ]);
        let ratio = |better| results.ratio("produce-1k", "mb_per_cpu_second", "kafka", better);
        assert_eq!(ratio(Better::Higher), Some(Ratio { median: 3.0, lowest: 2.0, highest: 4.0 }));
        assert_eq!(ratio(Better::Lower).map(|r| r.median), Some(0.375));
        assert_eq!(results.ratio("produce-1k", "nothing", "kafka", Better::Higher), None);
    }

    #[test]
    fn newer_files_replace_whole_scenarios() {
        let mut results = sample(&[("klamm", 1, 800.0), ("kafka", 1, 200.0)]);
        results.replace(sample(&[("klamm", 1, 900.0)]));
        assert_eq!(results.peers("produce-1k"), ["klamm"]);
        assert_eq!(results.median("produce-1k", "klamm", "mb_per_cpu_second"), Some(900.0));
    }

    #[test]
    fn files_are_read_as_written() {
        let results = sample(&[("klamm", 1, 800.0)]);
        let text = serde_json::to_string(&results).expect("JSON");
        let read: Results = serde_json::from_str(&text).expect("the same");
        assert_eq!(read.median("produce-1k", "klamm", "bytes"), Some(8e8));
    }
}
