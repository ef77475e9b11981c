//! The report of `klamm takeover` for people.

use std::io::Write;

use indicatif::{HumanBytes, HumanCount};
use klamm_broker::takeover::{DirectoryFound, Found, GroupFound, TopicFound, TransactionFound};

use super::{
    error::CliError,
    output::{Output, Row},
};

impl Row for DirectoryFound {
    const HEADINGS: &'static [&'static str] = &["directory", "id", "partitions", "size", "stopped"];

    fn cells(&self) -> Vec<String> {
        let stopped = if self.clean { "cleanly" } else { "not cleanly" };
        vec![
            self.path.display().to_string(),
            self.id.clone(),
            self.partitions.to_string(),
            HumanBytes(self.bytes).to_string(),
            stopped.to_owned(),
        ]
    }
}

impl Row for TopicFound {
    const HEADINGS: &'static [&'static str] =
        &["topic", "partitions", "offsets", "size", "producers", "configs"];

    fn cells(&self) -> Vec<String> {
        let configs = self.configs.iter().map(|(key, value)| format!("{key}={value}"));
        vec![
            self.name.clone(),
            self.partitions.to_string(),
            HumanCount(u64::try_from(self.offsets).unwrap_or(0)).to_string(),
            HumanBytes(self.bytes).to_string(),
            self.producers.to_string(),
            configs.collect::<Vec<_>>().join(" "),
        ]
    }
}

impl Row for GroupFound {
    const HEADINGS: &'static [&'static str] = &["group", "type", "state", "offsets", "pending"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.group.clone(),
            self.kind.clone(),
            self.state.clone(),
            self.offsets.to_string(),
            self.pending_offsets.to_string(),
        ]
    }
}

impl Row for TransactionFound {
    const HEADINGS: &'static [&'static str] =
        &["transactional id", "state", "producer", "epoch", "partitions"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.state.clone(),
            self.producer_id.to_string(),
            self.epoch.to_string(),
            self.partitions.to_string(),
        ]
    }
}

/// Shows all of it.
pub(super) fn show<W: Write>(found: &Found, out: &mut Output<W>) -> Result<(), CliError> {
    if let Some(node_id) = found.node_id {
        out.line(&format!("Apache Kafka, node {node_id} of cluster {}", found.cluster_id))?;
    }
    if let Some(metadata) = &found.metadata {
        let features: Vec<String> =
            metadata.features.iter().map(|(name, level)| format!("{name}={level}")).collect();
        out.line(&format!(
            "metadata up to offset {}, epoch {}; metadata.version={} {}",
            metadata.end_offset,
            metadata.epoch,
            metadata.version,
            features.join(" ")
        ))?;
    }
    section(&found.directories, out)?;
    section(&found.topics, out)?;
    section(&found.groups, out)?;
    section(&found.transactions, out)?;
    counts(found, out)?;
    settings(found, out)?;
    list("\nWhat cannot be carried over:", &found.not_carried_over, out)?;
    list("\nWhat will happen:", &found.notes, out)?;
    list("\nWhy it cannot be taken over:", &found.refused, out)
}

fn section<R: Row, W: Write>(rows: &[R], out: &mut Output<W>) -> Result<(), CliError> {
    if rows.is_empty() {
        return Ok(());
    }
    out.line("")?;
    out.rows(rows)
}

fn counts<W: Write>(found: &Found, out: &mut Output<W>) -> Result<(), CliError> {
    let all = [
        (found.transactional_ids, "transactional ids"),
        (found.quotas, "entities with quotas"),
        (found.acls, "access control entries"),
        (found.scram_users.len(), "users with SCRAM credentials"),
        (found.delegation_tokens, "delegation tokens"),
        (found.configured.len(), "other configurations"),
    ];
    let some = all.iter().filter(|(count, _)| *count > 0);
    let texts: Vec<String> = some.map(|(count, what)| format!("{count} {what}")).collect();
    if texts.is_empty() { Ok(()) } else { out.line(&format!("\n{}", texts.join(", "))) }
}

fn settings<W: Write>(found: &Found, out: &mut Output<W>) -> Result<(), CliError> {
    if found.settings.is_empty() {
        return Ok(());
    }
    let honoured = found.settings.iter().filter(|setting| setting.honoured).count();
    out.line(&format!(
        "\nconfiguration: {honoured} of {} keys are honoured",
        found.settings.len()
    ))?;
    for setting in &found.settings {
        if let Some(reason) = &setting.reason {
            out.line(&format!("  line {}: {} has no effect: {reason}", setting.line, setting.key))?;
        }
    }
    Ok(())
}

fn list<W: Write>(title: &str, lines: &[String], out: &mut Output<W>) -> Result<(), CliError> {
    if lines.is_empty() {
        return Ok(());
    }
    out.line(title)?;
    lines.iter().try_for_each(|line| out.line(&format!("  - {line}")))
}
