//! ConsumerGroupDescribe, versions 0 and 1: from version 1 on with each member's protocol.

use std::collections::BTreeSet;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::consumer_group_describe_response as response;
use klamm_protocol::wire::Uuid;

use super::group::ConsumerGroup;
use super::member;
use crate::api::{Response, Token};
use crate::coordinator::Coordinator;
use crate::modern::{Assignment, assignor, topics};
use crate::name::{Name, opt_text, text};
use crate::registry::AnyGroup;

const MEMBER_CLASSIC: i8 = 0;
const MEMBER_CONSUMER: i8 = 1;

impl Coordinator {
    pub(crate) fn consumer_describe(&mut self, token: Token, names: &[String]) {
        let describe = |name: &String| match self.registry.visible(name) {
            Some(AnyGroup::Consumer(group)) => self.described(group),
            Some(_) => missing(name, format!("Group {name} is not a consumer group.")),
            None => missing(name, format!("Group {name} not found.")),
        };
        let groups = names.iter().map(describe).collect();
        self.respond(token, Response::ConsumerDescribe(groups));
    }

    fn described(&self, group: &ConsumerGroup) -> response::DescribedGroup<'static> {
        let default = self.settings.consumer.assignors.first();
        let default = default.map_or(assignor::UNIFORM, String::as_str);
        let assignor = group.preferred_assignor().map_or(default, |name| &**name);
        response::DescribedGroup {
            group_id: text(&group.id),
            group_state: group.state().name().into(),
            group_epoch: group.epoch,
            assignment_epoch: group.target_epoch,
            assignor_name: assignor.to_owned().into(),
            members: group.members.values().map(|m| self.described_member(group, m)).collect(),
            ..<_>::default()
        }
    }

    fn described_member(
        &self,
        group: &ConsumerGroup,
        member: &member::Member,
    ) -> response::Member<'static> {
        let said = &member.said;
        response::Member {
            member_id: text(&member.id),
            instance_id: opt_text(said.instance_id.as_ref()),
            rack_id: opt_text(said.rack_id.as_ref()),
            member_epoch: member.has.epoch,
            client_id: text(&said.client_id),
            client_host: text(&said.client_host),
            subscribed_topic_names: said.topics.iter().map(text).collect(),
            subscribed_topic_regex: Some(text(&said.pattern)),
            assignment: self.named(&member.owned()),
            target_assignment: self.named(&group.target(&member.id)),
            member_type: if member.is_classic() { MEMBER_CLASSIC } else { MEMBER_CONSUMER },
            ..<_>::default()
        }
    }

    /// Partitions with the names of their topics; a topic that is gone has none.
    fn named(&self, assignment: &Assignment) -> response::Assignment<'static> {
        let topic = |(topic_id, partitions): (&Uuid, &BTreeSet<i32>)| {
            let name: Name = topics::name_of(&self.image, *topic_id)?;
            Some(response::TopicPartitions {
                topic_id: *topic_id,
                topic_name: text(&name),
                partitions: partitions.iter().copied().collect(),
                ..<_>::default()
            })
        };
        let topic_partitions = assignment.iter().filter_map(topic).collect();
        response::Assignment { topic_partitions, ..<_>::default() }
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
