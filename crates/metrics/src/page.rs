//! The text that scrapers read: Prometheus' format 0.0.4, or OpenMetrics 1.0.0.
//!
//! The two differ in how a counter's family is called, in what is escaped in help texts, and in the
//! end mark of OpenMetrics, by which a reader knows that nothing was cut off.

use std::fmt::Write as _;

use crate::{BOUNDS, Definition, Kind, Snapshot, bound_seconds};

/// Which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4, which everything reads.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The format that an `Accept` header prefers; Prometheus' if it names neither.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let quality = |item: &str| -> f64 {
            let q = item.split(';').find_map(|part| part.trim().strip_prefix("q="));
            q.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0))
        };
        let best = |name: &str| -> f64 {
            let named = accept.split(',').filter(|item| item.trim().starts_with(name));
            named.map(quality).fold(0.0, f64::max)
        };
        let open = best("application/openmetrics-text");
        if open > 0.0 && open >= best("text/plain") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The `Content-Type` of the text.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The value of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A whole number that is never negative.
    Uint(u64),
    /// Any number.
    Float(f64),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Uint(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Uint(value as u64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Uint(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

/// A text under way. Each metric is written once, all its series together.
#[derive(Debug)]
pub struct Page {
    format: Format,
    text: String,
}

impl Page {
    /// Nothing yet.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, text: String::new() }
    }

    /// Begins a metric. Without series it leaves no trace.
    pub fn family(&mut self, of: &'static Definition) -> Family<'_> {
        Family { page: self, of, is_begun: false }
    }

    /// A metric of one series, without labels.
    pub fn single(&mut self, of: &'static Definition, value: impl Into<Value>) {
        self.family(of).sample(&[], value);
    }

    /// The whole text.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn head(&mut self, of: &Definition) {
        let name = match self.format {
            Format::Prometheus => of.name,
            Format::OpenMetrics => of.name.strip_suffix("_total").unwrap_or(of.name),
        };
        self.text.push_str("# HELP ");
        self.text.push_str(name);
        self.text.push(' ');
        for c in of.help.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '"' if self.format == Format::OpenMetrics => self.text.push_str("\\\""),
                c => self.text.push(c),
            }
        }
        self.text.push_str("\n# TYPE ");
        self.text.push_str(name);
        self.text.push(' ');
        self.text.push_str(of.kind.name());
        self.text.push('\n');
    }

    fn labels<'a>(&mut self, labels: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut separator = '{';
        for (name, value) in labels {
            self.text.push(separator);
            separator = ',';
            self.text.push_str(name);
            self.text.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
        }
        if separator == ',' {
            self.text.push('}');
        }
    }

    fn value(&mut self, value: Value) {
        self.text.push(' ');
        // Writing to a string cannot fail.
        let _ = match value {
            Value::Int(n) => write!(self.text, "{n}"),
            Value::Uint(n) => write!(self.text, "{n}"),
            Value::Float(n) if n.is_infinite() && n > 0.0 => write!(self.text, "+Inf"),
            Value::Float(n) if n.is_infinite() => write!(self.text, "-Inf"),
            Value::Float(n) => write!(self.text, "{n}"),
        };
        self.text.push('\n');
    }
}

/// A metric under way.
#[derive(Debug)]
pub struct Family<'a> {
    page: &'a mut Page,
    of: &'static Definition,
    is_begun: bool,
}

impl Family<'_> {
    /// Adds a series: values of the labels in the order of the definition. The caller sees to it
    /// that no two series have the same.
    pub fn sample(&mut self, labels: &[&str], value: impl Into<Value>) {
        self.sample_with(labels, &[], value);
    }

    /// Adds a series that has further labels, which only it need have.
    pub fn sample_with(
        &mut self,
        labels: &[&str],
        more: &[(String, String)],
        value: impl Into<Value>,
    ) {
        self.begin();
        self.page.text.push_str(self.of.name);
        let more = more.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.page.labels(named(self.of, labels).chain(more));
        self.page.value(value.into());
    }

    /// Adds a histogram of seconds.
    pub fn histogram(&mut self, labels: &[&str], snapshot: &Snapshot) {
        debug_assert_eq!(self.of.kind, Kind::Histogram);
        self.begin();
        let mut below = 0;
        for (at, count) in snapshot.buckets.iter().enumerate() {
            below += count;
            let bound = match at {
                BOUNDS => "+Inf".to_owned(),
                at => bound_seconds(at).to_string(),
            };
            self.part("_bucket", named(self.of, labels).chain([("le", &*bound)]), below.into());
        }
        let sum = Value::Float(snapshot.sum_micros as f64 / 1e6);
        self.part("_sum", named(self.of, labels), sum);
        self.part("_count", named(self.of, labels), below.into());
    }

    fn part<'a>(
        &mut self,
        suffix: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        value: Value,
    ) {
        self.page.text.push_str(self.of.name);
        self.page.text.push_str(suffix);
        self.page.labels(labels);
        self.page.value(value);
    }

    fn begin(&mut self) {
        if !self.is_begun {
            self.is_begun = true;
            self.page.head(self.of);
        }
    }
}

fn named<'a>(of: &Definition, labels: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    debug_assert_eq!(of.labels.len(), labels.len(), "{}", of.name);
    of.labels.iter().copied().zip(labels.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::definitions! {
        SENT Counter "sent_bytes_total" ["to"] "Bytes \"sent\".";
        OPEN Gauge "open" [] "What is open.";
        TOOK Histogram "took_seconds" ["step"] "How long it took.";
        NEVER Gauge "never" [] "Nothing.";
    }

    fn page(format: Format) -> String {
        let mut page = Page::new(format);
        page.family(&SENT).sample(&["a\"b\\c\nd"], 7_u64);
        page.single(&OPEN, -1.5);
        page.family(&NEVER);
        page.finish()
    }

    #[test]
    fn both_formats_are_written_by_their_rules() {
        assert_eq!(ALL.len(), 4);
        let series = "sent_bytes_total{to=\"a\\\"b\\\\c\\nd\"} 7\n";
        let open = "# HELP open What is open.\n# TYPE open gauge\nopen -1.5\n";
        assert_eq!(
            page(Format::Prometheus),
            format!(
                "# HELP sent_bytes_total Bytes \"sent\".\n# TYPE sent_bytes_total counter\n\
                 {series}{open}"
            )
        );
        assert_eq!(
            page(Format::OpenMetrics),
            format!(
                "# HELP sent_bytes Bytes \\\"sent\\\".\n# TYPE sent_bytes counter\n\
                 {series}{open}# EOF\n"
            )
        );
    }

    #[test]
    fn histograms_are_cumulated() {
        let mut snapshot = Snapshot::default();
        snapshot.buckets[1] = 2;
        snapshot.buckets[BOUNDS] = 1;
        snapshot.sum_micros = 50_000_200;
        let mut page = Page::new(Format::Prometheus);
        page.family(&TOOK).histogram(&["x"], &snapshot);
        let text = page.finish();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "took_seconds_bucket{step=\"x\",le=\"0.000064\"} 0");
        assert_eq!(lines[3], "took_seconds_bucket{step=\"x\",le=\"0.000128\"} 2");
        assert_eq!(lines[22], "took_seconds_bucket{step=\"x\",le=\"+Inf\"} 3");
        assert_eq!(lines[23], "took_seconds_sum{step=\"x\"} 50.0002");
        assert_eq!(lines[24], "took_seconds_count{step=\"x\"} 3");
    }

    #[test]
    fn the_accept_header_chooses() {
        let check = |accept, format| assert_eq!(Format::accepted(accept), format, "{accept}");
        check("", Format::Prometheus);
        check("*/*", Format::Prometheus);
        check("text/html,application/xhtml+xml;q=0.9", Format::Prometheus);
        check("application/openmetrics-text", Format::OpenMetrics);
        // What Prometheus sends.
        let asked = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                     text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        check(asked, Format::OpenMetrics);
        check("application/openmetrics-text;q=0.1, text/plain;q=0.5", Format::Prometheus);
        check("application/openmetrics-text;q=0", Format::Prometheus);
    }
}
