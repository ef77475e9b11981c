//! The script runner.

pub(crate) mod command;
pub(crate) mod consumer;
pub(crate) mod local;
pub(crate) mod names;
pub(crate) mod share;
pub(crate) mod show;
pub(crate) mod streams;

use klamm_config::{ConsumerGroupSettings, GroupTimes, StreamsGroupSettings};
use klamm_groups::Settings;

/// The settings of most scripts: short sessions are allowed.
pub(crate) fn settings() -> Settings {
    let times = GroupTimes { assignment_interval_ms: 0, ..GroupTimes::default() };
    let consumer = ConsumerGroupSettings { times, ..ConsumerGroupSettings::default() };
    Settings {
        session_timeout_min_ms: 100,
        initial_rebalance_delay_ms: 0,
        consumer,
        streams: StreamsGroupSettings {
            times,
            initial_rebalance_delay_ms: 0,
            ..StreamsGroupSettings::default()
        },
        ..Settings::default()
    }
}

/// Runs the commands of a script and compares everything that came of them, and if a Kafka is
/// given in the environment does the same there.
#[track_caller]
pub(crate) fn check(script: &str) {
    check_configured(settings(), &[], script);
}

/// The same with settings that Kafka's group `g` is given as configs.
#[track_caller]
pub(crate) fn check_configured(settings: Settings, configs: &[(&str, &str)], script: &str) {
    check_with(settings, script);
    crate::kafka::compare(configs, script);
}

/// The same here only, for what Kafka has no command for or takes too long over, and with other
/// settings.
#[track_caller]
pub(crate) fn check_with(settings: Settings, script: &str) {
    let script = dedent(script);
    let transcript = local::run(settings, &script);
    assert!(
        transcript == script,
        "the transcript is\n{transcript}\nand was expected to be\n{script}"
    );
}

/// Takes the indentation of the first line from all lines.
pub(crate) fn dedent(text: &str) -> String {
    let text = text.trim_matches('\n').trim_end();
    let indent = text.len() - text.trim_start().len();
    let line = |line: &str| format!("{}\n", line.get(indent..).unwrap_or_default());
    text.lines().map(line).collect()
}

/// The lines of a script that are commands.
pub(crate) fn commands(script: &str) -> impl Iterator<Item = command::Command<'_>> {
    script.lines().filter(|l| !l.starts_with(' ') && !l.is_empty()).map(command::Command::parse)
}
