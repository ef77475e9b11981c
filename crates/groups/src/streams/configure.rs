//! What a topology comes to with the topics that there are: how many tasks each subtopology has,
//! and which internal topics are still to be made, with how many partitions.
//!
//! A repartition topic has as many partitions as the largest topic that feeds it, topics that are
//! joined have the same number, and a changelog has one for each task. As in Kafka, what exists
//! counts as it is.

use std::collections::{BTreeMap, BTreeSet};

use klamm_metadata::Image;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use klamm_protocol::messages::streams_group_topology_value::{
    CopartitionGroup, Subtopology, TopicInfo,
};

use super::topology::{Topology, read_by};
use crate::modern::Refusal;
use crate::name::Name;

/// Status codes of StreamsGroupHeartbeat.
pub(super) const STALE_TOPOLOGY: i8 = 0;
const MISSING_SOURCE_TOPICS: i8 = 1;
const INCORRECTLY_PARTITIONED_TOPICS: i8 = 2;
const MISSING_INTERNAL_TOPICS: i8 = 3;
pub(super) const SHUTDOWN_APPLICATION: i8 = 4;
pub(super) const ASSIGNMENT_DELAYED: i8 = 5;
/// So many topics are named in a status.
const NAMED_MAX: usize = 3;

/// Why there can be no tasks yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: i8,
    pub(super) detail: String,
}

/// The tasks of a subtopology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) tasks: i32,
    /// Whether it keeps state, so that standby tasks make sense.
    pub(super) is_stateful: bool,
}

/// A topology with its topics.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Configured {
    /// By subtopology; empty if the topics that are read do not fit.
    pub(super) sizes: BTreeMap<Name, Size>,
    pub(super) problem: Option<Problem>,
    /// Internal topics that are missing.
    pub(super) missing: Vec<CreatableTopic<'static>>,
}

impl Configured {
    /// Whether there can be tasks.
    pub(super) fn is_ready(&self) -> bool {
        self.problem.is_none()
    }
}

enum Failure {
    /// The topics do not fit.
    Topics(Problem),
    /// The topology cannot be.
    Topology(Refusal),
}

/// Fits a topology to the topics that there are.
///
/// # Errors
/// STREAMS_INVALID_TOPOLOGY: no topics could make it right.
pub(super) fn configure(topology: &Topology, image: &Image) -> Result<Configured, Refusal> {
    let mut counts = Counts { image, decided: BTreeMap::new() };
    match counts.fit(topology) {
        Ok(configured) => Ok(configured),
        Err(Failure::Topics(problem)) => {
            Ok(Configured { problem: Some(problem), ..Configured::default() })
        }
        Err(Failure::Topology(refusal)) => Err(refusal),
    }
}

struct Counts<'a> {
    image: &'a Image,
    /// Partitions of internal topics.
    decided: BTreeMap<Name, i32>,
}

impl Counts<'_> {
    fn fit(&mut self, topology: &Topology) -> Result<Configured, Failure> {
        let sources = topology.subtopologies().iter().flat_map(|sub| &sub.source_topics);
        let missing: BTreeSet<&str> =
            sources.map(AsRef::as_ref).filter(|name| self.image.topic(name).is_none()).collect();
        if !missing.is_empty() {
            let detail = format!("Source topics {} are missing.", summary(missing.into_iter()));
            return Err(topics(MISSING_SOURCE_TOPICS, detail));
        }
        self.decide_repartition(topology)?;
        for sub in topology.subtopologies() {
            for group in &sub.copartition_groups {
                self.copartition(sub, group, &fixed(topology))?;
            }
        }
        let mut sizes = BTreeMap::new();
        for sub in topology.subtopologies() {
            let tasks = self.tasks(sub)?;
            for info in &sub.state_changelog_topics {
                self.decided.insert(name(&info.name), tasks);
            }
            let is_stateful = !sub.state_changelog_topics.is_empty();
            sizes.insert(name(&sub.subtopology_id), Size { tasks, is_stateful });
        }
        let missing = self.missing(topology)?;
        let problem = (!missing.is_empty()).then(|| {
            let names = missing.iter().map(|topic| topic.name.as_ref());
            let detail = format!("Internal topics are missing: {}", summary(names));
            Problem { status: MISSING_INTERNAL_TOPICS, detail }
        });
        Ok(Configured { sizes, problem, missing })
    }

    /// How many partitions a topic has, or is to have.
    fn of(&self, topic: &str) -> Option<i32> {
        let existing = self.image.topic(topic).map(|topic| topic.partition_count());
        let existing = existing.and_then(|count| i32::try_from(count).ok());
        existing.or_else(|| self.decided.get(topic).copied())
    }

    /// As many partitions as the largest topic has that the subtopology reads which writes it.
    fn decide_repartition(&mut self, topology: &Topology) -> Result<(), Failure> {
        let subtopologies = topology.subtopologies();
        let sources = subtopologies.iter().flat_map(|sub| &sub.repartition_source_topics);
        let (fixed, open): (Vec<_>, Vec<_>) = sources.partition(|info| info.partitions != 0);
        for info in fixed {
            self.decided.insert(name(&info.name), info.partitions);
        }
        let is_written = |topic: &str| {
            let mut sinks = subtopologies.iter().flat_map(|sub| &sub.repartition_sink_topics);
            sinks.any(|sink| sink == topic)
        };
        if open.iter().any(|info| !is_written(&info.name)) {
            return Err(invalid(
                "Failed to compute number of partitions for all repartition topics, because a \
                 repartition source topic is never used as a sink topic.",
            ));
        }
        loop {
            let (mut is_open, mut has_decided) = (false, false);
            for sub in subtopologies {
                for sink in &sub.repartition_sink_topics {
                    if self.decided.contains_key(sink.as_ref()) {
                        continue;
                    }
                    match self.known(sub) {
                        Some(count) => {
                            self.decided.insert(name(sink), count);
                            has_decided = true;
                        }
                        None => is_open = true,
                    }
                }
            }
            match (is_open, has_decided) {
                (false, _) => return Ok(()),
                (true, true) => {}
                (true, false) => {
                    return Err(invalid(
                        "Failed to compute number of partitions for all repartition topics. \
                         There may be loops in the topology that cannot be resolved.",
                    ));
                }
            }
        }
    }

    /// The most partitions of what a subtopology reads, as far as it is known.
    fn known(&self, sub: &Subtopology<'_>) -> Option<i32> {
        let decided = sub.repartition_source_topics.iter();
        let decided = decided.filter_map(|info| self.decided.get(info.name.as_ref()).copied());
        decided.chain(sub.source_topics.iter().filter_map(|topic| self.of(topic))).max()
    }

    /// Topics that are read together have the same number of partitions.
    fn copartition(
        &mut self,
        sub: &Subtopology<'_>,
        group: &CopartitionGroup<'_>,
        fixed: &BTreeSet<Name>,
    ) -> Result<(), Failure> {
        let out_of_range = || invalid("A copartition group names a topic that is not there.");
        let sources = group.source_topics.iter().map(|at| {
            usize::try_from(*at).ok().and_then(|at| sub.source_topics.get(at)).map(|t| name(t))
        });
        let internal = group.repartition_source_topics.iter().map(|at| {
            let at = usize::try_from(*at).ok();
            at.and_then(|at| sub.repartition_source_topics.get(at)).map(|info| name(&info.name))
        });
        let counted = |names: Vec<Option<Name>>| -> Result<BTreeMap<Name, i32>, Failure> {
            let one = |topic: Option<Name>| {
                let topic = topic.ok_or_else(out_of_range)?;
                let count = self.of(&topic).ok_or_else(|| unset(&topic))?;
                Ok((topic, count))
            };
            names.into_iter().map(one).collect()
        };
        let external = counted(sources.collect())?;
        let internal = counted(internal.collect())?;
        let fixed_counts = internal.iter().filter(|(topic, _)| fixed.contains(*topic));
        let fixed_counts: BTreeMap<Name, i32> =
            fixed_counts.map(|(topic, count)| (topic.clone(), *count)).collect();
        let count = if !external.is_empty() {
            same(&external)?
        } else if !fixed_counts.is_empty() {
            same(&fixed_counts)?
        } else {
            internal.values().copied().max()
        };
        let Some(count) = count else { return Ok(()) };
        if let Some((topic, own)) = fixed_counts.iter().find(|(_, own)| **own != count) {
            let detail = format!(
                "Number of partitions [{own}] of repartition topic [{topic}] doesn't match number \
                 of partitions [{count}] of the source topic."
            );
            return Err(topics(INCORRECTLY_PARTITIONED_TOPICS, detail));
        }
        self.decided.extend(internal.into_keys().map(|topic| (topic, count)));
        Ok(())
    }

    /// One task for each partition of the largest topic that is read.
    fn tasks(&self, sub: &Subtopology<'_>) -> Result<i32, Failure> {
        let counts = read_by(sub).map(|topic| self.of(topic).ok_or_else(|| unset(topic)));
        let counts = counts.collect::<Result<Vec<i32>, _>>()?;
        counts.into_iter().max().ok_or_else(|| {
            invalid(format!("No source topics found for subtopology {}", sub.subtopology_id))
        })
    }

    /// Internal topics that do not exist; those that do must have the right size.
    fn missing(&self, topology: &Topology) -> Result<Vec<CreatableTopic<'static>>, Failure> {
        let mut missing = BTreeMap::new();
        let infos = topology.subtopologies().iter();
        let infos = infos.flat_map(|sub| {
            sub.repartition_source_topics.iter().chain(&sub.state_changelog_topics)
        });
        for info in infos {
            let wanted = self.decided.get(info.name.as_ref()).copied();
            let wanted = wanted.ok_or_else(|| unset(&info.name))?;
            match self.image.topic(&info.name) {
                Some(found) if usize::try_from(wanted) != Ok(found.partition_count()) => {
                    let detail = format!(
                        "Existing topic {} has different number of partitions: expected {wanted}, \
                         found {}",
                        info.name,
                        found.partition_count()
                    );
                    return Err(topics(INCORRECTLY_PARTITIONED_TOPICS, detail));
                }
                Some(_) => {}
                None => drop(missing.insert(name(&info.name), creatable(info, wanted))),
            }
        }
        Ok(missing.into_values().collect())
    }
}

/// Repartition topics whose size the application says.
fn fixed(topology: &Topology) -> BTreeSet<Name> {
    let infos = topology.subtopologies().iter().flat_map(|sub| &sub.repartition_source_topics);
    infos.filter(|info| info.partitions != 0).map(|info| name(&info.name)).collect()
}

/// The number that all have.
fn same(counts: &BTreeMap<Name, i32>) -> Result<Option<i32>, Failure> {
    let mut values = counts.values().copied();
    let first = values.next();
    if values.all(|count| Some(count) == first) {
        return Ok(first);
    }
    let each: Vec<String> =
        counts.iter().map(|(topic, count)| format!("{topic}={count}")).collect();
    let detail = format!(
        "Following topics do not have the same number of partitions: [{{{}}}]",
        each.join(", ")
    );
    Err(topics(INCORRECTLY_PARTITIONED_TOPICS, detail))
}

fn creatable(info: &TopicInfo<'_>, partitions: i32) -> CreatableTopic<'static> {
    let configs = info.topic_configs.iter().map(|config| CreatableTopicConfig {
        name: config.key.to_string().into(),
        value: Some(config.value.to_string().into()),
        ..CreatableTopicConfig::default()
    });
    CreatableTopic {
        name: info.name.to_string().into(),
        num_partitions: partitions,
        // 0 leaves it to the broker.
        replication_factor: if info.replication_factor == 0 { -1 } else { info.replication_factor },
        configs: configs.collect(),
        ..CreatableTopic::default()
    }
}

fn name(text: &str) -> Name {
    Name::from(text)
}

fn summary<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let named = names.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named} and {more} additional topics"),
    }
}

fn topics(status: i8, detail: String) -> Failure {
    Failure::Topics(Problem { status, detail })
}

fn unset(topic: &str) -> Failure {
    invalid(format!("Number of partitions is not set for topic: {topic}"))
}

fn invalid(text: impl Into<String>) -> Failure {
    Failure::Topology(Refusal::new(ErrorCode::StreamsInvalidTopology, text.into()))
}
