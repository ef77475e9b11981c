//! `cargo xtask diff`: Apache Kafka and Klamm get the same requests, and their answers are
//! compared field by field.
//!
//! `scenarios/*.txt` says what is sent, `run` sends it, `compare` knows what may differ,
//! `differences.toml` lists what differs and stays. The messages are written and read by the
//! schema alone (`wire`), so that the codec is judged as well.

mod batch;
mod catalog;
mod compare;
mod listed;
mod mutate;
mod peer;
mod run;
mod scenario;
mod settle;
mod value;
mod wire;

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::interop::broker::Broker;
use crate::interop::{Against, Places};
use catalog::{Call, Catalog};
use listed::Listed;
use peer::{Outcome, Peer};
use run::{Found, Run};
use scenario::{Mode, Scenario};
use value::Value;

use crate::schema::versions::Versions;

/// Options of `cargo xtask diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Everything: all versions, all wrong requests, all scenarios.
    #[arg(long)]
    full: bool,
    /// Plays the scenarios that use these APIs, or whose names begin so, only.
    #[arg(long, value_name = "API,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Decides which versions and wrong requests a part has.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Uses this running Apache Kafka instead of starting one.
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Uses this running Klamm instead of building and starting one.
    #[arg(long, value_name = "HOST:PORT")]
    klamm: Option<String>,
    /// Characters of a request or an answer to be shown.
    #[arg(long, default_value_t = 600)]
    width: usize,
    /// Only writes docs/differences.md.
    #[arg(long)]
    page: bool,
}

/// What the parts of a run ask for.
#[derive(Debug)]
pub(crate) struct Options {
    full: bool,
    seed: u64,
    width: usize,
}

/// Runs the comparison; an error means a difference that is not listed, or a stale entry.
pub(crate) fn run(args: &Args) -> Result<()> {
    let places = Places::new()?;
    let own = places.root().join("crates/xtask/src/diff");
    let listed = Listed::load(&own.join("differences.toml"))?;
    write_page(places.root(), &listed)?;
    if args.page {
        return Ok(());
    }
    let scenarios = scenario::load(&own.join("scenarios"))?;
    let mut catalog = Catalog::load(places.root())?;
    let (_kafka, kafka) = broker(args.kafka.as_deref(), Against::Kafka, &places)?;
    let (_klamm, klamm) = broker(args.klamm.as_deref(), Against::Klamm, &places)?;
    let (mut kafka, mut klamm) = (Peer::new(&kafka)?, Peer::new(&klamm)?);
    learn_versions(&mut catalog, &mut kafka, &mut klamm)?;
    let options = Options { full: args.full, seed: args.seed, width: args.width };
    let mut run = Run::new(&catalog, &options, (kafka, klamm), listed);
    for (number, scenario) in scenarios.iter().enumerate() {
        if args.full && args.only.is_empty() || is_asked_for(args, scenario) {
            run.play(number, scenario)?;
        }
    }
    report(args, &run.listed, &run.found)
}

fn is_asked_for(args: &Args, scenario: &Scenario) -> bool {
    let uses = |name: &String| {
        scenario.name.starts_with(name)
            || scenario.steps.iter().any(|s| s.api == *name && s.mode != Mode::Newest)
    };
    if args.only.is_empty() { !scenario.full } else { args.only.iter().any(uses) }
}

/// A broker that runs already or is started here, and its address.
fn broker(
    running: Option<&str>,
    against: Against,
    places: &Places,
) -> Result<(Option<Broker>, String)> {
    if let Some(address) = running {
        return Ok((None, address.to_owned()));
    }
    let broker = Broker::start(against, places)?;
    let address = broker.bootstrap().to_owned();
    Ok((Some(broker), address))
}

/// Asks both which versions they serve. Produce before 3 Kafka only says that it serves.
fn learn_versions(catalog: &mut Catalog, kafka: &mut Peer, klamm: &mut Peer) -> Result<()> {
    let (theirs, ours) = (versions(catalog, kafka)?, versions(catalog, klamm)?);
    for api in catalog.iter_mut() {
        let of = |all: &[(i64, Versions)]| {
            all.iter()
                .find(|(key, _)| *key == i64::from(api.key))
                .map_or(Versions::NONE, |(_, v)| *v)
        };
        api.both = of(&theirs).intersect(of(&ours));
        if api.name == "Produce" {
            api.both.min = api.both.min.max(3);
        }
    }
    ensure!(catalog.iter().any(|api| !api.both.is_empty()), "no API is served by both");
    Ok(())
}

fn versions(catalog: &Catalog, peer: &mut Peer) -> Result<Vec<(i64, Versions)>> {
    let call = Call { api: catalog.get("ApiVersions")?, version: 0 };
    let outcome = peer.ask("versions", call, &Value::Struct(Vec::new()))?;
    let Outcome::Answer(answer) = outcome else { bail!("ApiVersions: {outcome}") };
    let keys = answer.get("api_keys").context("an answer to ApiVersions has keys")?;
    let range = |key: &Value| {
        let number = |name: &str| key.get(name).and_then(Value::int).unwrap_or(-1);
        let (min, max) = (number("min_version") as i16, number("max_version") as i16);
        (number("api_key"), Versions { min, max })
    };
    Ok(keys.list().iter().map(range).collect())
}

fn write_page(root: &Path, listed: &Listed) -> Result<()> {
    let file = root.join("docs/differences.md");
    let page = listed.page();
    if std::fs::read_to_string(&file).ok().as_ref() != Some(&page) {
        std::fs::write(&file, page).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

fn report(args: &Args, listed: &Listed, found: &Found) -> Result<()> {
    let mut out = io::stdout().lock();
    for ((api, path, kafka, klamm), seen) in &found.unlisted {
        let versions: Vec<String> = seen.versions.iter().map(i16::to_string).collect();
        let cut = |text: &str| text.chars().take(args.width).collect::<String>();
        let (kafka, klamm) = (cut(kafka), cut(klamm));
        writeln!(
            out,
            "{api} v{}: {path}: Kafka {kafka}, Klamm {klamm} ({} times)\n  {}",
            versions.join(","),
            seen.count,
            seen.example
        )?;
    }
    let stale = if args.only.is_empty() { listed.not_met(args.full) } else { Vec::new() };
    for entry in &stale {
        writeln!(out, "listed, but does not occur: {entry}")?;
    }
    writeln!(
        out,
        "diff: {} comparisons, {} unlisted differences, {} times one of {} listed, {} stale",
        found.comparisons,
        found.unlisted.len(),
        found.listed,
        listed.len(),
        stale.len()
    )?;
    out.flush()?;
    let wrong = found.unlisted.len() + stale.len();
    ensure!(wrong == 0, "{wrong} differences are not as listed");
    Ok(())
}
