//! `cargo xtask schema-import OLDER NEWER`: reads the JSON message definitions that the official
//! jars carry and writes the schema. Facts only: names, types, ranges; no comment is taken over.

mod json;
mod merge;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::schema::names::snake_case;
use crate::schema::{Kind, MessageSpec, print};

/// Arguments of `schema-import`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folders with unpacked `*.json` definitions, the oldest release first; a later folder rules
    /// where two speak of the same version.
    #[arg(required = true)]
    releases: Vec<PathBuf>,
    /// Where to write the schema.
    #[arg(long, default_value = "crates/protocol/schema")]
    out: PathBuf,
}

/// Requests between brokers and ZooKeeper controllers, and Kafka Streams' private format.
const LEFT_OUT: [&str; 5] =
    ["LeaderAndIsr", "StopReplica", "UpdateMetadata", "ControlledShutdown", "SubscriptionInfoData"];

type Release = BTreeMap<String, MessageSpec>;

/// Runs the import.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut merged = Release::new();
    for (i, folder) in args.releases.iter().enumerate() {
        let mut release = Release::new();
        read_release(folder, &mut release)?;
        // A message only the older releases know is gone with its key, as in the newest broker.
        merged = if i == 0 { release } else { join(&merged, &release)? };
    }
    let mut files: BTreeMap<String, Vec<MessageSpec>> = BTreeMap::new();
    for message in merged.values() {
        let mut message = with_request_stability(message, &merged);
        merge::prune(&mut message);
        files.entry(file_of(&message)?).or_default().push(message);
    }
    for (name, mut messages) in files {
        messages.sort_by_key(|m| (m.key, m.kind as u8, m.name.clone()));
        let path = args.out.join(name).with_extension("ksl");
        fs::create_dir_all(path.parent().unwrap_or(&args.out))?;
        fs::write(&path, print::print(&messages))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn read_release(folder: &Path, out: &mut Release) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            read_release(&path, out)?;
        } else if path.extension().is_some_and(|e| e == "json")
            && !LEFT_OUT.iter().any(|name| stem.starts_with(name))
        {
            let message = json::read(&fs::read_to_string(&path)?);
            let message = message.with_context(|| format!("in {}", path.display()))?;
            out.extend(message.map(|m| (m.name.clone(), m)));
        }
    }
    Ok(())
}

fn join(older: &Release, newer: &Release) -> Result<Release> {
    let mut out = Release::new();
    for (name, new) in newer {
        let message = match older.get(name) {
            Some(old) => merge::merge(&with_request_stability(old, older), new)?,
            None => new.clone(),
        };
        out.insert(name.clone(), message);
    }
    Ok(out)
}

/// Only requests are marked unstable; the mark counts for their responses as well.
fn with_request_stability(message: &MessageSpec, release: &Release) -> MessageSpec {
    let request = message.name.strip_suffix("Response").map(|api| format!("{api}Request"));
    let unstable = request.and_then(|name| release.get(&name)).map(|r| r.unstable);
    MessageSpec { unstable: unstable.unwrap_or(message.unstable), ..message.clone() }
}

/// The schema file a message belongs to.
fn file_of(message: &MessageSpec) -> Result<String> {
    let name = message.name.as_str();
    let in_api = matches!(message.kind, Kind::Request | Kind::Response);
    Ok(match message.kind {
        _ if in_api => {
            let api = name.trim_end_matches("Request").trim_end_matches("Response");
            format!("api/{:02}_{}", message.key.unwrap_or_default(), snake_case(api))
        }
        Kind::Header => "headers".to_owned(),
        Kind::Metadata if name.starts_with("Remote") && name.contains("Metadata") => {
            "records/remote_log".to_owned()
        }
        Kind::Metadata => "records/metadata_log".to_owned(),
        Kind::RecordKey | Kind::RecordValue if name.starts_with("TransactionLog") => {
            "records/transaction_state".to_owned()
        }
        Kind::RecordKey | Kind::RecordValue
            if name.starts_with("ShareSnapshot") || name.starts_with("ShareUpdate") =>
        {
            "records/share_group_state".to_owned()
        }
        Kind::RecordKey | Kind::RecordValue => "records/consumer_offsets".to_owned(),
        Kind::Data if name.starts_with("ConsumerProtocol") => "consumer_protocol".to_owned(),
        Kind::Data => match name {
            "EndTxnMarker"
            | "LeaderChangeMessage"
            | "SnapshotHeaderRecord"
            | "SnapshotFooterRecord"
            | "KRaftVersionRecord"
            | "VotersRecord"
            | "ControlRecordTypeSchema" => "records/control".to_owned(),
            "ProducerSnapshot" | "QuorumStateData" | "DefaultPrincipalData" => snake_case(name),
            _ => bail!("{name}: say in import.rs which file it belongs to"),
        },
        Kind::Request | Kind::Response => bail!("{name}: unreachable kind"),
    })
}
