//! Count and rate on standard error, where a person can see them.

use std::{io::IsTerminal, time::Duration};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// What has passed so far.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

impl Progress {
    /// Shown where standard error is a terminal and `is_wanted`: records that are themselves
    /// printed to the terminal, or typed there, would be disturbed.
    pub(crate) fn new(is_wanted: bool) -> Self {
        let is_shown = is_wanted && std::io::stderr().is_terminal();
        let bar = is_shown.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar, started: Instant::now(), records: 0, bytes: 0 }
    }

    /// Counts records.
    pub(crate) fn add(&mut self, records: u64, bytes: u64) {
        self.records += records;
        self.bytes += bytes;
        if let Some(bar) = &self.bar {
            bar.set_message(self.summary());
        }
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Count and rate in words.
    pub(crate) fn summary(&self) -> String {
        let seconds = self.seconds().max(0.001);
        let rate = |count: u64| (count as f64 / seconds) as u64;
        format!(
            "{} records, {} in {:.1} s ({} records/s, {}/s)",
            HumanCount(self.records),
            HumanBytes(self.bytes),
            seconds,
            HumanCount(rate(self.records)),
            HumanBytes(rate(self.bytes)),
        )
    }

    /// Takes the line away again; the summary stays if it was shown.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_with_message(self.summary());
        }
    }
}
