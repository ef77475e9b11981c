//! StreamsGroupDescribe, version 0: the topology, and what each member has and is to have.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::streams_group_describe_response as response;
use klamm_protocol::messages::streams_group_topology_value as value;

use super::configure;
use super::group::StreamsGroup;
use super::member::Member;
use super::tasks::{TaskSet, Tasks};
use super::topology::Topology;
use crate::api::{Response, Token};
use crate::coordinator::Coordinator;
use crate::name::{Name, opt_text, text};
use crate::registry::AnyGroup;

impl Coordinator {
    pub(crate) fn streams_describe(&mut self, token: Token, names: &[String]) {
        let describe = |name: &String| match self.registry.visible(name) {
            Some(AnyGroup::Streams(group)) => self.described_streams(group),
            Some(_) => missing(name, format!("Group {name} is not a streams group.")),
            None => missing(name, format!("Group {name} not found.")),
        };
        let groups = names.iter().map(describe).collect();
        self.respond(token, Response::StreamsDescribe(groups));
    }

    fn described_streams(&self, group: &StreamsGroup) -> response::DescribedGroup<'static> {
        let topology = group.topology.as_ref().map(|topology| self.described_topology(topology));
        response::DescribedGroup {
            group_id: text(&group.id),
            group_state: group.state().name().into(),
            group_epoch: group.facts.epoch,
            assignment_epoch: group.target_epoch,
            topology,
            members: group.members.values().map(|member| described_member(group, member)).collect(),
            ..<_>::default()
        }
    }

    /// With the sizes of internal topics once all topics are there and fit, and until then as the
    /// application gave it.
    fn described_topology(&self, topology: &Topology) -> response::Topology<'static> {
        let is_ready = configure::configure(topology, &self.image)
            .is_ok_and(|configured| configured.is_ready());
        let size_of = |name: &str| {
            let topic = self.image.topic(name).filter(|_| is_ready)?;
            i32::try_from(topic.partition_count()).ok()
        };
        let info = |info: &value::TopicInfo<'static>| response::TopicInfo {
            name: info.name.clone(),
            partitions: size_of(&info.name).unwrap_or(info.partitions),
            replication_factor: info.replication_factor,
            topic_configs: info.topic_configs.iter().map(config).collect(),
            ..<_>::default()
        };
        let sorted = |topics: &[std::borrow::Cow<'static, str>]| {
            let mut topics = topics.to_vec();
            topics.sort();
            topics
        };
        let sorted_infos = |infos: &[value::TopicInfo<'static>]| {
            let mut infos: Vec<_> = infos.iter().map(info).collect();
            infos.sort_by(|a, b| a.name.cmp(&b.name));
            infos
        };
        let sub = |sub: &value::Subtopology<'static>| response::Subtopology {
            subtopology_id: sub.subtopology_id.clone(),
            source_topics: sorted(&sub.source_topics),
            repartition_sink_topics: sorted(&sub.repartition_sink_topics),
            state_changelog_topics: sorted_infos(&sub.state_changelog_topics),
            repartition_source_topics: sorted_infos(&sub.repartition_source_topics),
            ..<_>::default()
        };
        response::Topology {
            epoch: topology.epoch(),
            subtopologies: Some(topology.subtopologies().iter().map(sub).collect()),
            ..<_>::default()
        }
    }
}

fn config(config: &value::TopicConfig<'static>) -> response::KeyValue<'static> {
    response::KeyValue { key: config.key.clone(), value: config.value.clone(), ..<_>::default() }
}

fn described_member(group: &StreamsGroup, member: &Member) -> response::Member<'static> {
    let said = &member.said;
    let tag = |(key, value): (&Name, &Name)| response::KeyValue {
        key: text(key),
        value: text(value),
        ..<_>::default()
    };
    let endpoint = |(host, port): &(Name, u16)| response::Endpoint {
        host: text(host),
        port: *port,
        ..<_>::default()
    };
    response::Member {
        member_id: text(&member.id),
        member_epoch: member.has.epoch,
        instance_id: opt_text(said.instance_id.as_ref()),
        rack_id: opt_text(said.rack_id.as_ref()),
        client_id: text(&said.client_id),
        client_host: text(&said.client_host),
        topology_epoch: said.topology_epoch,
        process_id: text(&said.process_id),
        user_endpoint: said.endpoint.as_ref().map(endpoint),
        client_tags: said.tags.iter().map(tag).collect(),
        assignment: assignment(&member.has.assigned.tasks()),
        target_assignment: assignment(&group.target(&member.id)),
        ..<_>::default()
    }
}

fn assignment(set: &TaskSet) -> response::Assignment<'static> {
    let told = |tasks: &Tasks| {
        let ids = tasks.iter().map(|(id, partitions)| response::TaskIds {
            subtopology_id: text(id),
            partitions: partitions.iter().copied().collect(),
            ..<_>::default()
        });
        ids.collect()
    };
    response::Assignment {
        active_tasks: told(&set.active),
        standby_tasks: told(&set.standby),
        warmup_tasks: told(&set.warmup),
        ..<_>::default()
    }
}

fn missing(name: &str, message: String) -> response::DescribedGroup<'static> {
    response::DescribedGroup {
        group_id: name.to_owned().into(),
        error_code: ErrorCode::GroupIdNotFound.code(),
        error_message: Some(message.into()),
        ..<_>::default()
    }
}
