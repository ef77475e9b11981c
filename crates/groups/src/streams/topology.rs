//! The topology of a Streams application: subtopologies and the topics that they read, write and
//! keep their state in.

use std::borrow::Cow;
use std::collections::BTreeSet;

use klamm_protocol::messages::streams_group_heartbeat_request as request;
use klamm_protocol::messages::{StreamsGroupTopologyValue, streams_group_topology_value as value};

use crate::name::Name;

/// As it is written to the log. Subtopologies are in the order of their ids.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Topology(StreamsGroupTopologyValue<'static>);

impl Topology {
    /// As a member brings it.
    pub(crate) fn brought(topology: &request::Topology<'_>) -> Self {
        Self::read(StreamsGroupTopologyValue {
            epoch: topology.epoch,
            subtopologies: topology.subtopologies.iter().map(subtopology).collect(),
            ..<_>::default()
        })
    }

    /// As a record tells it.
    pub(crate) fn read(mut value: StreamsGroupTopologyValue<'static>) -> Self {
        value.subtopologies.sort_by(|a, b| a.subtopology_id.cmp(&b.subtopology_id));
        Self(value)
    }

    /// As it goes to the log.
    pub(crate) fn value(&self) -> &StreamsGroupTopologyValue<'static> {
        &self.0
    }

    pub(crate) fn epoch(&self) -> i32 {
        self.0.epoch
    }

    pub(crate) fn subtopologies(&self) -> &[value::Subtopology<'static>] {
        &self.0.subtopologies
    }

    /// All topics that must exist before there are tasks.
    pub(crate) fn required(&self) -> BTreeSet<Name> {
        self.0.subtopologies.iter().flat_map(used_by).map(Name::from).collect()
    }

    /// Whether the topic is one of those.
    pub(crate) fn needs(&self, topic: &str) -> bool {
        self.0.subtopologies.iter().flat_map(used_by).any(|used| used == topic)
    }

    /// The subtopology that reads the topic.
    pub(crate) fn subtopology_of(&self, topic: &str) -> Option<&str> {
        let reads = |sub: &&value::Subtopology<'static>| {
            sub.source_topics.iter().any(|source| source == topic)
                || sub.repartition_source_topics.iter().any(|info| info.name == topic)
        };
        self.0.subtopologies.iter().find(reads).map(|sub| sub.subtopology_id.as_ref())
    }
}

/// The topics that a subtopology reads.
pub(crate) fn read_by<'a>(sub: &'a value::Subtopology<'_>) -> impl Iterator<Item = &'a str> {
    let repartitioned = sub.repartition_source_topics.iter().map(|info| info.name.as_ref());
    sub.source_topics.iter().map(Cow::as_ref).chain(repartitioned)
}

/// The topics that a subtopology reads or keeps its state in.
fn used_by<'a>(sub: &'a value::Subtopology<'_>) -> impl Iterator<Item = &'a str> {
    read_by(sub).chain(sub.state_changelog_topics.iter().map(|info| info.name.as_ref()))
}

fn subtopology(sub: &request::Subtopology<'_>) -> value::Subtopology<'static> {
    let group = |group: &request::CopartitionGroup<'_>| value::CopartitionGroup {
        source_topics: group.source_topics.clone(),
        source_topic_regex: group.source_topic_regex.clone(),
        repartition_source_topics: group.repartition_source_topics.clone(),
        ..<_>::default()
    };
    value::Subtopology {
        subtopology_id: owned(&sub.subtopology_id),
        source_topics: sub.source_topics.iter().map(|text| owned(text)).collect(),
        source_topic_regex: sub.source_topic_regex.iter().map(|text| owned(text)).collect(),
        state_changelog_topics: sub.state_changelog_topics.iter().map(info).collect(),
        repartition_sink_topics: sub
            .repartition_sink_topics
            .iter()
            .map(|text| owned(text))
            .collect(),
        repartition_source_topics: sub.repartition_source_topics.iter().map(info).collect(),
        copartition_groups: sub.copartition_groups.iter().map(group).collect(),
        ..<_>::default()
    }
}

fn info(info: &request::TopicInfo<'_>) -> value::TopicInfo<'static> {
    let config = |config: &request::KeyValue<'_>| value::TopicConfig {
        key: owned(&config.key),
        value: owned(&config.value),
        ..<_>::default()
    };
    value::TopicInfo {
        name: owned(&info.name),
        partitions: info.partitions,
        replication_factor: info.replication_factor,
        topic_configs: info.topic_configs.iter().map(config).collect(),
        ..<_>::default()
    }
}

fn owned(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}
