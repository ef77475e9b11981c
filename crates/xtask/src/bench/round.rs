//! One round: a scenario against one broker.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::load::{Load, Words};
use super::peer::{Broker, Installed, Peer};
use super::results::{MACHINE, Printed, Results, Run, THEIRS};
use super::scenario::{Fill, How, Scenario, Stop, Tool};

/// Loads that make a JVM compile what it will run; all brokers get them.
const WARM_UP: &[&[&str]] = &[
    &["raw-produce", "--connections", "4", "--in-flight", "32", "--record-bytes", "100"],
    &["produce"],
    &["raw-fetch", "--fill-bytes", "100000000"],
    &["follow", "--rate", "2000"],
    &["transact", "--producers", "10"],
];
/// Each of them takes so long.
const WARM_UP_SECONDS: f64 = 2.5;
/// See [`Rounds::fill_page_cache`]: read until so little memory is free.
const FREE_MB: u64 = 600;
/// Read between two looks at what is free.
const FILLED_AT_ONCE: usize = 64 << 20;
/// The file that is read has no blocks, so its length costs nothing.
const CLEAN_FILE_BYTES: u64 = 1 << 43;
/// A started broker is left alone so long before its memory is read.
const IDLE_SECONDS: f64 = 2.0;
/// Topics that the partitions of `How::Partitions` are spread over.
const MANY_TOPICS: u64 = 10;
/// Each of them gets one record of this size.
const MANY_RECORD_BYTES: u64 = 1024;

/// How long a load runs and how much it fills.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) warm_up_seconds: f64,
    pub(super) seconds: f64,
    pub(super) restart_gb: f64,
}

/// What rounds need.
#[derive(Debug)]
pub(super) struct Rounds<'a> {
    pub(super) load: &'a Load,
    pub(super) installed: &'a Installed,
    pub(super) sizes: Sizes,
    /// Where the next part of the file is that fills the page cache.
    pub(super) filled: Cell<u64>,
}

/// A line of /proc/meminfo, where there is one.
fn memory_mb(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kb: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kb >> 10)
}

fn microseconds_now() -> Result<u128> {
    #[expect(clippy::disallowed_methods, reason = "measures a real program")]
    let now = SystemTime::now();
    Ok(now.duration_since(UNIX_EPOCH)?.as_micros())
}

impl<'a> Rounds<'a> {
    /// Starts the brokers that run all the time, and warms them.
    pub(super) fn start_all(&self, peers: &[Peer]) -> Result<Vec<Broker<'a>>> {
        let started = peers.iter().map(|peer| Ok(self.start(*peer)?.0));
        let brokers = started.collect::<Result<Vec<_>>>()?;
        for broker in &brokers {
            for (number, words) in WARM_UP.iter().enumerate() {
                let words = Words::new(words).option("--seconds", WARM_UP_SECONDS);
                let words = words.against(broker, &format!("warm-up-{number}"))?;
                match self.load.run(&words).with_context(|| broker.said()) {
                    // Not everybody can do all of it: rounds of what it can are all the same.
                    Err(error) if broker.peer == Peer::Tansu => {
                        writeln!(io::stderr(), "warming tansu: {error:#}")?;
                    }
                    warmed => drop(warmed?),
                }
            }
        }
        Ok(brokers)
    }

    /// A round that needs no broker.
    pub(super) fn machine(&self, scenario: &Scenario, words: &[&str], round: usize) -> Result<Run> {
        let folder = self.installed.data().display();
        let words = Words::new(words).option("--folder", folder);
        self.fill_page_cache()?;
        let printed = self.load.run(&words.option("--seconds", self.sizes.seconds.min(2.0)))?;
        Ok(Run::new(scenario.name, MACHINE, round, &[printed]))
    }

    /// A round against a broker that runs all the time.
    pub(super) fn shared(
        &self,
        scenario: &Scenario,
        broker: &Broker<'_>,
        round: usize,
        so_far: &Results,
    ) -> Result<Run> {
        let topic = format!("{}-{round}", scenario.name);
        let words = match &scenario.how {
            How::Load(words) => Words::new(words),
            How::Cold(words) => Words::new(words).option("--cold-folder", broker.data().display()),
            How::HalfOf(peak, words) => {
                let peak =
                    so_far.median(peak, THEIRS, "requests_per_second").with_context(|| {
                        format!("{} needs a result of {peak} with Apache Kafka", scenario.name)
                    })?;
                Words::new(words).option("--rate", peak / 2.0)
            }
            How::Tool(tool) => return self.tool(scenario, tool, broker, round),
            _ => anyhow::bail!("{} has brokers of its own", scenario.name),
        };
        let words = self.timed(words).against(broker, &topic)?;
        if scenario.how.writes() {
            self.fill_page_cache()?;
        }
        let printed = self.load.run(&words).with_context(|| broker.said())?;
        Ok(Run::new(scenario.name, broker.peer.name(), round, &[printed]))
    }

    /// Fills the page cache with clean pages, as that of a machine is that has run a broker for an
    /// hour, so that a page for a record is one that is taken from another file. Memory that a
    /// virtual machine has not used lately must first be found by its host, which costs whoever
    /// writes to it several times as much as the copy: noise, larger than what is measured.
    fn fill_page_cache(&self) -> Result<()> {
        let Some(free) = memory_mb("MemFree:") else { return Ok(()) };
        let path = self.installed.data().join("clean-pages");
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(CLEAN_FILE_BYTES)?;
        file.seek(SeekFrom::Start(self.filled.get()))?;
        let mut bytes = vec![0; FILLED_AT_ONCE];
        let mut most = 2 * (free << 20) / FILLED_AT_ONCE as u64;
        while most > 0 && memory_mb("MemFree:").is_some_and(|free| free > FREE_MB) {
            file.read_exact(&mut bytes)?;
            most -= 1;
        }
        self.filled.set(file.stream_position()?);
        Ok(())
    }

    /// A round with a broker of its own.
    pub(super) fn own(&self, scenario: &Scenario, peer: Peer, round: usize) -> Result<Run> {
        let printed = match scenario.how {
            How::Start => vec![self.start(peer)?.1],
            How::Restart(stop, fill) => self.restart(peer, stop, fill)?,
            How::Partitions(each) => self.partitions(peer, each)?,
            How::Topics(count) => self.topics(peer, count)?,
            _ => anyhow::bail!("{} uses the brokers that run all the time", scenario.name),
        };
        Ok(Run::new(scenario.name, peer.name(), round, &printed))
    }

    fn timed(&self, words: Words) -> Words {
        words
            .option("--warm-up-seconds", self.sizes.warm_up_seconds)
            .option("--seconds", self.sizes.seconds)
    }

    /// A started broker, and how long that took.
    fn start(&self, peer: Peer) -> Result<(Broker<'a>, Printed)> {
        let mut broker = Broker::new(self.installed, peer)?;
        let since = microseconds_now()?;
        broker.start()?;
        let words = Words::new(&["ready"]).option("--since-us", since);
        let words = words.option("--idle-seconds", IDLE_SECONDS).against(&broker, "start")?;
        let printed = self.load.run(&words).with_context(|| broker.said())?;
        Ok((broker, printed))
    }

    /// Starts a stopped broker; how long it takes until all partitions of its topics take a
    /// record.
    fn start_again(&self, broker: &mut Broker<'_>, words: Words) -> Result<Printed> {
        let since = microseconds_now()?;
        broker.start()?;
        let words = words.option("--since-us", since).with("--existing").with("--keep");
        let mut printed =
            self.load.run(&words.against(broker, "kept")?).with_context(|| broker.said())?;
        let seconds = printed.values.remove("first_produce_seconds");
        let seconds = seconds.context("load ready says when a record was taken")?;
        Ok(Printed::of(&[("restart_seconds", seconds)]))
    }

    fn restart(&self, peer: Peer, stop: Stop, fill: Fill) -> Result<Vec<Printed>> {
        let gb = match fill {
            Fill::Asked => self.sizes.restart_gb,
            Fill::Gb(gb) => gb,
        };
        let mut broker = self.start(peer)?.0;
        let words = Words::new(&["raw-produce", "--batch-records", "100", "--connections", "2"]);
        let words = words.option("--total-bytes", (gb * 1e9).round()).with("--keep");
        self.fill_page_cache()?;
        self.load.run(&words.against(&broker, "kept")?).with_context(|| broker.said())?;
        broker.stop(stop)?;
        let again = self.start_again(&mut broker, Words::new(&["ready"]))?;
        Ok(vec![again, Printed::of(&[("filled_gb", gb)])])
    }

    fn partitions(&self, peer: Peer, each: u64) -> Result<Vec<Printed>> {
        let once = each * MANY_TOPICS * MANY_RECORD_BYTES;
        let mut broker = self.start(peer)?.0;
        let many = |words: &[&str]| {
            Words::new(words).option("--topics", MANY_TOPICS).option("--partitions", each)
        };
        let words = many(&["partitions"]).with("--keep").against(&broker, "kept")?;
        let made = self.load.run(&words).with_context(|| broker.said())?;
        let words = many(&["raw-produce", "--request-partitions", "100", "--connections", "2"]);
        let words = words.option("--total-bytes", once).with("--existing").with("--keep");
        let words = words.against(&broker, "kept")?;
        let produced = self.load.run(&words).with_context(|| broker.said())?;
        broker.stop(Stop::InOrder)?;
        let again = self.start_again(&mut broker, many(&["ready"]))?;
        Ok(vec![made, produced, again])
    }

    fn topics(&self, peer: Peer, count: u64) -> Result<Vec<Printed>> {
        let mut broker = self.start(peer)?.0;
        let many = |words: &[&str]| {
            Words::new(words).option("--topics", count).option("--partitions", 1).with("--keep")
        };
        let words = many(&["partitions"]).against(&broker, "kept")?;
        let made = self.load.run(&words).with_context(|| broker.said())?;
        let words = self.timed(many(&["metadata"]).with("--existing"));
        let asked = self.load.run(&words.against(&broker, "kept")?);
        let asked = asked.with_context(|| broker.said())?;
        broker.stop(Stop::InOrder)?;
        let words = Words::new(&["ready"]).option("--topics", count).option("--partitions", 1);
        let again = self.start_again(&mut broker, words)?;
        Ok(vec![made, asked, again])
    }

    fn tool(
        &self,
        scenario: &Scenario,
        tool: &Tool,
        broker: &Broker<'_>,
        round: usize,
    ) -> Result<Run> {
        let topic = format!("{}-{round}", scenario.name);
        if let Some(before) = tool.before {
            self.run_tool(before, broker, &topic, &["--keep"])?;
        }
        let existing: &[&str] = if tool.before.is_some() { &["--existing"] } else { &[] };
        let printed = self.run_tool(tool, broker, &topic, existing)?;
        Ok(Run::new(scenario.name, broker.peer.name(), round, &[printed]))
    }

    fn run_tool(
        &self,
        tool: &Tool,
        broker: &Broker<'_>,
        topic: &str,
        more: &[&str],
    ) -> Result<Printed> {
        let words = Words::new(&["program"]).option("--records", tool.records);
        let words = more.iter().fold(words, |words, word| words.with(word));
        let mut words = words.against(broker, topic)?.with("--");
        let java = self.installed.java(tool.class, &["-Xmx512M"]);
        words = words.with(&java.get_program().to_string_lossy());
        for argument in java.get_args() {
            words = words.with(&argument.to_string_lossy());
        }
        for argument in tool.arguments {
            let argument = argument.replace("{topic}", topic);
            words = words.with(&argument.replace("{bootstrap}", &broker.bootstrap()));
        }
        self.load.run(&words).with_context(|| broker.said())
    }
}
