//! A strict reader of what `/metrics` says: whatever it accepts, a scraper accepts.

#![expect(clippy::panic, reason = "a text that cannot be read fails the test")]

use std::collections::{BTreeMap, BTreeSet};

/// Labels by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// All samples of a text.
#[derive(Debug, Default)]
pub(crate) struct Samples(BTreeMap<(String, Labels), f64>);

/// The family under way.
#[derive(Default)]
struct Family {
    name: String,
    kind: String,
    has_help: bool,
}

impl Samples {
    /// Reads a text; panics with the line that is wrong.
    pub(crate) fn read(text: &str, is_open_metrics: bool) -> Self {
        let body = match is_open_metrics {
            true => text.strip_suffix("# EOF\n").expect("OpenMetrics ends with # EOF"),
            false => text,
        };
        assert!(body.ends_with('\n'), "every line ends");
        let (mut samples, mut seen) = (Self::default(), BTreeSet::new());
        let mut family = Family::default();
        for line in body.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                family.comment(comment, &mut seen);
                continue;
            }
            let (name, labels, value) = sample(line);
            assert!(family.allows(&name, &labels, is_open_metrics), "not of its family: {line}");
            let is_count = family.kind == "counter" || family.kind == "histogram";
            assert!(!is_count || value >= 0.0, "a count below zero: {line}");
            let former = samples.0.insert((name, labels), value);
            assert_eq!(former, None, "a series is there twice: {line}");
        }
        samples.check_histograms();
        samples
    }

    /// The one series with these labels, and perhaps others.
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found: Vec<f64> = self.all(name, labels).map(|(_, value)| value).collect();
        assert!(found.len() < 2, "{name}{labels:?} is more than one series");
        found.first().copied()
    }

    /// All series of a name that have these labels.
    pub(crate) fn all(
        &self,
        name: &str,
        labels: &[(&str, &str)],
    ) -> impl Iterator<Item = (&Labels, f64)> {
        let has = |of: &Labels| labels.iter().all(|(k, v)| of.get(*k).is_some_and(|x| x == v));
        let of_name = self.0.iter().filter(move |((other, _), _)| other == name);
        of_name.filter(move |((_, of), _)| has(of)).map(|((_, of), value)| (of, *value))
    }

    /// Number of series.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Buckets grow, and the last has what `_count` has.
    fn check_histograms(&self) {
        let mut last: BTreeMap<(String, Labels), Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.0 {
            if let (Some(family), Some(le)) = (name.strip_suffix("_bucket"), labels.get("le")) {
                let mut rest = labels.clone();
                rest.remove("le");
                last.entry((family.to_owned(), rest)).or_default().push((number(le), *value));
            }
        }
        for ((family, labels), mut buckets) in last {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{family}: {buckets:?}");
            let count = self.0.get(&(format!("{family}_count"), labels.clone()));
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count.expect("a count"))));
            assert!(self.0.contains_key(&(format!("{family}_sum"), labels)), "{family}");
        }
    }
}

impl Family {
    fn comment(&mut self, comment: &str, seen: &mut BTreeSet<String>) {
        let mut words = comment.splitn(3, ' ');
        let (what, name) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let rest = words.next().unwrap_or("");
        match what {
            "HELP" => {
                assert!(seen.insert(name.to_owned()), "{name} begins twice");
                assert!(!rest.is_empty(), "{name} has no help");
                *self = Self { name: name.to_owned(), has_help: true, ..Self::default() };
            }
            "TYPE" => {
                assert!(self.has_help && self.name == name, "TYPE of {name} without HELP");
                assert!(["counter", "gauge", "histogram"].contains(&rest), "{name}: {rest}");
                rest.clone_into(&mut self.kind);
            }
            _ => panic!("a comment of no use: {comment}"),
        }
    }

    fn allows(&self, name: &str, labels: &Labels, is_open_metrics: bool) -> bool {
        let suffix = name.strip_prefix(self.name.as_str());
        match (self.kind.as_str(), suffix) {
            ("counter", Some("_total")) => is_open_metrics,
            ("counter", Some("")) => !is_open_metrics && name.ends_with("_total"),
            ("gauge", Some("")) => true,
            ("histogram", Some("_bucket")) => labels.contains_key("le"),
            ("histogram", Some("_sum" | "_count")) => !labels.contains_key("le"),
            _ => false,
        }
    }
}

/// One line with a sample.
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
    let (name, rest) = line.split_at(end);
    assert!(is_name(name), "not a name: {line}");
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest, line),
        None => (Labels::new(), rest),
    };
    let value = value.strip_prefix(' ').unwrap_or_else(|| panic!("no blank: {line}"));
    (name.to_owned(), labels, number(value))
}

/// Labels up to the closing bracket, and what follows.
fn labels<'a>(mut rest: &'a str, line: &str) -> (Labels, &'a str) {
    let mut labels = Labels::new();
    loop {
        let (name, quoted) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
        assert!(is_name(name) && !name.contains(':'), "not a label: {line}");
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next() {
                Some((at, '"')) => break at + 1,
                Some((_, '\\')) => match chars.next() {
                    Some((_, '\\')) => value.push('\\'),
                    Some((_, '"')) => value.push('"'),
                    Some((_, 'n')) => value.push('\n'),
                    other => panic!("\\{other:?} is no escape: {line}"),
                },
                Some((_, c)) => value.push(c),
                None => panic!("a label does not end: {line}"),
            }
        };
        assert_eq!(labels.insert(name.to_owned(), value), None, "a label twice: {line}");
        rest = &quoted[end..];
        match rest.split_at_checked(1) {
            Some((",", next)) => rest = next,
            Some(("}", after)) => return (labels, after),
            _ => panic!("labels do not end: {line}"),
        }
    }
}

fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.chars().all(inner) && name.starts_with(|c: char| !c.is_ascii_digit())
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().unwrap_or_else(|_| panic!("not a number: {text}")),
    }
}

#[test]
fn the_reader_is_strict() {
    let head = "# HELP a_total A.\n# TYPE a_total counter\n";
    let refuses = |lines: &str| {
        let text = format!("{head}{lines}");
        std::panic::catch_unwind(|| Samples::read(&text, false)).is_err()
    };
    assert!(!refuses("a_total{x=\"\\\"\\n\"} 1\na_total{x=\"2\"} 2.5\n"));
    for wrong in [
        "a_total 1\na_total 2\n",
        "a_total{x=\"1\",} 1\n",
        "a_total{x=\"1\"}1\n",
        "a_total{x=\"\\t\"} 1\n",
        "a_total{x=\"1\",x=\"2\"} 1\n",
        "a_total -1\n",
        "a_total one\n",
        "b_total 1\n",
        "a_total 1",
        "# HELP a_total A.\n",
    ] {
        assert!(refuses(wrong), "{wrong}");
    }
}
