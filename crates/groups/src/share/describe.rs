//! ShareGroupDescribe, version 1.

use std::collections::BTreeSet;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::share_group_describe_response as response;
use klamm_protocol::wire::Uuid;

use super::api::ShareResponse;
use super::assignor::SIMPLE;
use super::group::ShareGroup;
use super::member::Member;
use crate::api::Token;
use crate::coordinator::Coordinator;
use crate::modern::{Assignment, topics};
use crate::name::{Name, opt_text, text};
use crate::registry::AnyGroup;

impl Coordinator {
    pub(crate) fn share_describe(&mut self, token: Token, names: &[String]) {
        let describe = |name: &String| match self.registry.visible(name) {
            Some(AnyGroup::Share(group)) => self.described_share(group),
            Some(_) => missing(name, format!("Group {name} is not a share group.")),
            None => missing(name, format!("Group {name} not found.")),
        };
        let groups = names.iter().map(describe).collect();
        self.respond_share(token, ShareResponse::Describe(groups));
    }

    fn described_share(&self, group: &ShareGroup) -> response::DescribedGroup<'static> {
        let members = group.members.values().map(|member| self.described_share_member(member));
        response::DescribedGroup {
            group_id: text(&group.id),
            group_state: group.state_name().into(),
            group_epoch: group.epoch,
            assignment_epoch: group.target_epoch,
            assignor_name: SIMPLE.into(),
            members: members.collect(),
            ..<_>::default()
        }
    }

    fn described_share_member(&self, member: &Member) -> response::Member<'static> {
        let said = &member.said;
        response::Member {
            member_id: text(&member.id),
            rack_id: opt_text(said.rack_id.as_ref()),
            member_epoch: member.has.epoch,
            client_id: text(&said.client_id),
            client_host: text(&said.client_host),
            subscribed_topic_names: said.topics.iter().map(text).collect(),
            assignment: self.named_share(&member.has.assigned),
            ..<_>::default()
        }
    }

    /// Partitions with the names of their topics; a topic that is gone has none.
    fn named_share(&self, assignment: &Assignment) -> response::Assignment<'static> {
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
