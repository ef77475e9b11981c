//! Plays scenarios against both brokers and collects where the answers differ.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::catalog::{Call, Catalog};
use super::compare::{self, Difference, Same};
use super::listed::{Listed, Place};
use super::mutate::{self, Mutant};
use super::peer::{Outcome, Peer};
use super::scenario::{Mode, Scenario, Step};
use super::value::Value;
use super::{Options, batch, settle};

/// APIs that change nothing: an answer that differs may be one that came too early.
const READS: [&str; 17] = [
    "ApiVersions",
    "Metadata",
    "ListOffsets",
    "OffsetForLeaderEpoch",
    "OffsetFetch",
    "FindCoordinator",
    "DescribeGroups",
    "ListGroups",
    "DescribeConfigs",
    "DescribeLogDirs",
    "DescribeCluster",
    "DescribeProducers",
    "DescribeTopicPartitions",
    "ListConfigResources",
    "DescribeQuorum",
    "DescribeAcls",
    "Fetch",
];
/// How often, and how long after each other, such a request is repeated.
const REPEATS: u32 = 5;
const REPEAT_AFTER: Duration = Duration::from_millis(60);
/// Errors that mean "not yet": coordinator loading, not available, not here; not leader.
const NOT_YET: [i64; 5] = [14, 15, 16, 5, 6];
const NOT_YET_REPEATS: u32 = 50;

/// A difference that is not listed, as often as it was seen.
#[derive(Debug)]
pub(crate) struct Unlisted {
    pub(crate) count: u64,
    pub(crate) versions: BTreeSet<i16>,
    /// The first request with both answers.
    pub(crate) example: String,
}

/// What a run found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) comparisons: u64,
    pub(crate) listed: u64,
    pub(crate) unlisted: BTreeMap<(String, String, String, String), Unlisted>,
}

/// Both brokers and what is known of them.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    catalog: &'a Catalog,
    options: &'a Options,
    kafka: Peer,
    klamm: Peer,
    same: Same,
    pub(crate) listed: Listed,
    pub(crate) found: Found,
    /// Requests by connection whose answers were not read yet.
    pending: BTreeMap<String, (Call<'a>, String)>,
    /// Stands for `~` in names.
    tag: String,
    /// Numbers the requests that need a name of their own.
    unique: u64,
    random: u64,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        catalog: &'a Catalog,
        options: &'a Options,
        (kafka, klamm): (Peer, Peer),
        listed: Listed,
    ) -> Self {
        let (same, found) = (Same::default(), Found::default());
        let (pending, random, tag) = (BTreeMap::new(), options.seed, String::new());
        Run { catalog, options, kafka, klamm, same, listed, found, pending, tag, unique: 0, random }
    }

    /// Plays a scenario once for each version that its steps have.
    pub(crate) fn play(&mut self, number: usize, scenario: &Scenario) -> Result<()> {
        let rounds = self.rounds(scenario)?;
        for round in rounds {
            let tag = format!("{number}r{round}");
            self.tag.clone_from(&tag);
            // What goes through all versions by itself need not do so in every round.
            let in_all = |mode| matches!(mode, Mode::Mutate | Mode::Damaged | Mode::Unknown);
            for step in scenario.steps.iter().filter(|s| round == 0 || !in_all(s.mode)) {
                self.step(scenario, step, round, &tag)
                    .with_context(|| format!("{} line {}", scenario.name, step.line))?;
            }
            self.kafka.forget();
            self.klamm.forget();
            self.pending.clear();
        }
        Ok(())
    }

    /// The rounds to be played: in part only the first, the last and one between.
    fn rounds(&mut self, scenario: &Scenario) -> Result<Vec<i16>> {
        let mut most = 1;
        for step in &scenario.steps {
            if matches!(step.mode, Mode::Round | Mode::Later | Mode::Quiet) {
                let versions = self.catalog.get(&step.api)?.both;
                most = most.max(versions.max - versions.min + 1);
            }
        }
        Ok(self.sample(most))
    }

    /// All of 0 to `count`, or the first, the last and one between.
    fn sample(&mut self, count: i16) -> Vec<i16> {
        if self.options.full || count <= 2 {
            return (0..count).collect();
        }
        let middle = 1 + (self.random() % (count as u64 - 1)) as i16;
        BTreeSet::from([0, middle, count - 1]).into_iter().collect()
    }

    /// The next number of a sequence that the seed decides (SplitMix64).
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn step(&mut self, scenario: &Scenario, step: &Step, round: i16, tag: &str) -> Result<()> {
        match step.mode {
            Mode::Pause(ms) => settle::pause(Duration::from_millis(ms)),
            Mode::Disconnect => self.disconnect(&step.connection),
            Mode::Answer => self.answer(scenario, step)?,
            _ => self.request(scenario, step, round, tag)?,
        }
        Ok(())
    }

    fn disconnect(&mut self, label: &str) {
        self.kafka.disconnect(label);
        self.klamm.disconnect(label);
    }

    fn request(&mut self, scenario: &Scenario, step: &Step, round: i16, tag: &str) -> Result<()> {
        let catalog = self.catalog;
        let api = catalog.get(&step.api)?;
        if api.both.is_empty() {
            return Ok(());
        }
        let call = |version| Call { api, version };
        let body = |run: &mut Self, version| run.complete(call(version), &step.body, tag);
        let newest = api.both.max;
        let of_round = (newest - round).max(api.both.min);
        match step.mode {
            Mode::Later | Mode::Quiet => {
                let body = body(self, of_round)?;
                return self.unanswered(scenario, step, call(of_round), &body);
            }
            Mode::Each => {
                for version in api.both.iter() {
                    let body = body(self, version)?;
                    self.exchange(scenario, step, call(version), &body, "")?;
                }
            }
            Mode::Mutate => {
                let count = newest - api.both.min + 1;
                for index in self.sample(count) {
                    self.mutate(scenario, step, call(newest - index), tag)?;
                }
            }
            Mode::Damaged => {
                for version in BTreeSet::from([newest, api.both.min]) {
                    self.damage(scenario, step, call(version), tag)?;
                }
            }
            Mode::Unknown => {
                for version in [newest + 1, i16::MAX, -1] {
                    let body = body(self, newest)?;
                    let bytes = self.encode_both(call(newest), &body)?;
                    self.raw(scenario, step, call(version), bytes, &format!("version {version}"))?;
                }
            }
            mode => {
                let version = match mode {
                    Mode::Newest => newest,
                    Mode::Exactly(version) => version,
                    _ => of_round,
                };
                let body = body(self, version)?;
                self.exchange(scenario, step, call(version), &body, "")?;
            }
        }
        Ok(())
    }

    /// The request with names of its own and every field of the version.
    fn complete(&mut self, call: Call<'_>, body: &Value, tag: &str) -> Result<Value> {
        self.unique += 1;
        let unique = format!("{tag}n{}", self.unique);
        let named = body.clone().map(&mut |value| {
            Ok(match value {
                Value::Text(text) => Value::Text(text.replace('~', tag).replace('^', &unique)),
                other => other,
            })
        })?;
        call.request().encode(&without_variables(&named)?)?;
        Ok(call.request().complete(&named, None))
    }

    fn mutate(
        &mut self,
        scenario: &Scenario,
        step: &Step,
        call: Call<'a>,
        tag: &str,
    ) -> Result<()> {
        let number = self.random();
        let body = self.complete(call, &step.body, tag)?;
        let count = mutate::mutants(call.request(), &body, number).len();
        for index in 0..count {
            if !self.options.full && !self.random().is_multiple_of(3) {
                continue;
            }
            // Again, for names that no other mutant has.
            let body = self.complete(call, &step.body, tag)?;
            let mutants = mutate::mutants(call.request(), &body, number);
            let Some(Mutant { what, request }) = mutants.into_iter().nth(index) else { continue };
            self.exchange(scenario, step, call, &request, &what)?;
        }
        Ok(())
    }

    /// The request with its end missing, and with more than it should have.
    fn damage(
        &mut self,
        scenario: &Scenario,
        step: &Step,
        call: Call<'a>,
        tag: &str,
    ) -> Result<()> {
        let body = self.complete(call, &step.body, tag)?;
        let (for_kafka, for_klamm) = self.encode_both(call, &body)?;
        let whole = for_kafka.len();
        for length in (0..whole).step_by((whole / 12).max(1)) {
            let what = format!("{length} bytes of {whole}");
            let cut = |bytes: &[u8]| bytes[..length.min(bytes.len())].to_vec();
            self.raw(scenario, step, call, (cut(&for_kafka), cut(&for_klamm)), &what)?;
        }
        let more = |bytes: Vec<u8>| [bytes, vec![0, 1, 2]].concat();
        let bytes = (more(for_kafka), more(for_klamm));
        self.raw(scenario, step, call, bytes, "with three bytes more")
    }

    /// The request as each of the two gets it.
    fn encode_both(&self, call: Call<'_>, body: &Value) -> Result<(Vec<u8>, Vec<u8>)> {
        let encode = |peer| call.request().encode(&resolve(body, peer)?);
        Ok((encode(&self.kafka)?, encode(&self.klamm)?))
    }

    fn raw(
        &mut self,
        scenario: &Scenario,
        step: &Step,
        call: Call<'_>,
        (for_kafka, for_klamm): (Vec<u8>, Vec<u8>),
        what: &str,
    ) -> Result<()> {
        let label = &step.connection;
        self.kafka.send(label, call, &for_kafka)?;
        self.klamm.send(label, call, &for_klamm)?;
        let (kafka, klamm) = (self.kafka.receive(label, call), self.klamm.receive(label, call));
        let found = compare::outcomes(&mut self.same, &kafka, &klamm);
        self.record(scenario, step, call, what, (&kafka, &klamm), found);
        Ok(())
    }

    /// Sends a request to both, reads both answers, compares them and keeps what comes of it.
    fn exchange(
        &mut self,
        scenario: &Scenario,
        step: &Step,
        call: Call<'_>,
        body: &Value,
        what: &str,
    ) -> Result<()> {
        let shown = if what.is_empty() { body.to_string() } else { format!("{what} in {body}") };
        let place = place(scenario, call, &shown);
        let mut attempt = 0;
        let (kafka, klamm, found) = loop {
            let (kafka, klamm) = self.ask_both(&step.connection, call, body)?;
            let found = compare::outcomes(&mut self.same, &kafka, &klamm);
            attempt += 1;
            let fine = found.iter().all(|d| self.listed.covers(&place, d));
            if fine || attempt > self.repeats(call, body, &kafka, &klamm) {
                break (kafka, klamm, found);
            }
            settle::pause(REPEAT_AFTER);
        };
        self.record(scenario, step, call, &shown, (&kafka, &klamm), found);
        if let (Outcome::Answer(kafka), Outcome::Answer(klamm)) = (&kafka, &klamm) {
            self.capture(step, kafka, klamm);
            settle::settle(self.catalog, &mut self.kafka, call, kafka)?;
            settle::settle(self.catalog, &mut self.klamm, call, klamm)?;
        }
        Ok(())
    }

    /// How often a request may be repeated because its answer was too early.
    fn repeats(&self, call: Call<'_>, body: &Value, kafka: &Outcome, klamm: &Outcome) -> u32 {
        let not_yet = |o: &Outcome| match o {
            Outcome::Answer(v) => compare::first_error(v).is_some_and(|e| NOT_YET.contains(&e)),
            _ => false,
        };
        let in_session = body.get("session_epoch").and_then(Value::int).is_some_and(|e| e >= 0);
        if not_yet(kafka) || not_yet(klamm) {
            NOT_YET_REPEATS
        } else if READS.contains(&call.api.name.as_str())
            && !in_session
            && matches!((kafka, klamm), (Outcome::Answer(_), Outcome::Answer(_)))
        {
            REPEATS
        } else {
            0
        }
    }

    fn ask_both(
        &mut self,
        label: &str,
        call: Call<'_>,
        body: &Value,
    ) -> Result<(Outcome, Outcome)> {
        let (for_kafka, for_klamm) = self.encode_both(call, body)?;
        self.kafka.send(label, call, &for_kafka)?;
        self.klamm.send(label, call, &for_klamm)?;
        Ok((self.kafka.receive(label, call), self.klamm.receive(label, call)))
    }

    /// Sends a request whose answer is read later, or that has none.
    fn unanswered(
        &mut self,
        scenario: &Scenario,
        step: &Step,
        call: Call<'a>,
        body: &Value,
    ) -> Result<()> {
        let label = &step.connection;
        for peer in [&mut self.kafka, &mut self.klamm] {
            let bytes = call.request().encode(&resolve(body, peer)?)?;
            peer.send(label, call, &bytes)?;
        }
        if step.mode == Mode::Later {
            self.pending.insert(label.clone(), (call, body.to_string()));
            return Ok(());
        }
        // What comes next must be the answer to the next request.
        let next = Call { api: self.catalog.get("ApiVersions")?, version: 0 };
        let (kafka, klamm) = self.ask_both(label, next, &Value::Struct(Vec::new()))?;
        let found = match (kafka.kind(), klamm.kind()) {
            (a, b) if a == b => Vec::new(),
            (a, b) => vec![Difference { path: "outcome".into(), kafka: a.into(), klamm: b.into() }],
        };
        self.record(scenario, step, call, &body.to_string(), (&kafka, &klamm), found);
        Ok(())
    }

    /// Reads the answers to what was sent earlier.
    fn answer(&mut self, scenario: &Scenario, step: &Step) -> Result<()> {
        let Some((call, request)) = self.pending.remove(&step.connection) else {
            bail!("nothing was sent on connection {}", step.connection)
        };
        let kafka = self.kafka.receive(&step.connection, call);
        let klamm = self.klamm.receive(&step.connection, call);
        let found = compare::outcomes(&mut self.same, &kafka, &klamm);
        self.record(scenario, step, call, &request, (&kafka, &klamm), found);
        if let (Outcome::Answer(kafka), Outcome::Answer(klamm)) = (&kafka, &klamm) {
            self.capture(step, kafka, klamm);
        }
        Ok(())
    }

    fn capture(&mut self, step: &Step, kafka: &Value, klamm: &Value) {
        for (name, path) in &step.captures {
            let path = path.replace('~', &self.tag);
            for (peer, answer) in [(&mut self.kafka, kafka), (&mut self.klamm, klamm)] {
                let value = answer.at(&path).cloned().unwrap_or(Value::Null);
                peer.variables.insert(name.clone(), value);
            }
        }
    }

    fn record(
        &mut self,
        scenario: &Scenario,
        step: &Step,
        call: Call<'_>,
        request: &str,
        (kafka, klamm): (&Outcome, &Outcome),
        found: Vec<Difference>,
    ) {
        self.found.comparisons += 1;
        let (api, version) = (&call.api.name, call.version);
        if kafka.kind() != klamm.kind() {
            self.disconnect(&step.connection);
        }
        for difference in found {
            if self.listed.covers(&place(scenario, call, request), &difference) {
                self.found.listed += 1;
                continue;
            }
            let example = || {
                let at = format!("{} line {}", scenario.name, step.line);
                let cut = |text: String| text.chars().take(self.options.width).collect::<String>();
                let (kafka, klamm) = (cut(kafka.to_string()), cut(klamm.to_string()));
                let request = cut(request.to_owned());
                format!("{at}: {api} v{version} {request}\n    Kafka: {kafka}\n    Klamm: {klamm}")
            };
            let Difference { path, kafka, klamm } = &difference;
            let key = (api.clone(), path.clone(), kafka.clone(), klamm.clone());
            let entry = self.found.unlisted.entry(key).or_insert_with(|| Unlisted {
                count: 0,
                versions: BTreeSet::new(),
                example: example(),
            });
            entry.count += 1;
            entry.versions.insert(version);
        }
    }
}

fn place<'p>(scenario: &'p Scenario, call: Call<'p>, request: &'p str) -> Place<'p> {
    Place { scenario: &scenario.name, api: &call.api.name, version: call.version, request }
}

/// Puts the peer's variables and the bytes of batches in their places.
fn resolve(body: &Value, peer: &Peer) -> Result<Value> {
    body.clone().map(&mut |value| {
        Ok(match value {
            Value::Variable(name) => match peer.variables.get(&name) {
                Some(value) => value.clone(),
                None => bail!("no variable {name}"),
            },
            Value::Batch(_) => Value::Bytes(batch::build(&value)?),
            other => other,
        })
    })
}

/// The body with every field that needs an answer to be known left out: to check the others.
fn without_variables(body: &Value) -> Result<Value> {
    body.clone().map(&mut |value| {
        Ok(match value {
            Value::Struct(fields) => {
                let known = |(_, v): &(String, Value)| !matches!(v, Value::Variable(_));
                Value::Struct(fields.into_iter().filter(known).collect())
            }
            Value::List(items) => {
                let known = |v: &Value| !matches!(v, Value::Variable(_));
                Value::List(items.into_iter().filter(known).collect())
            }
            Value::Batch(_) => Value::Bytes(Vec::new()),
            other => other,
        })
    })
}
