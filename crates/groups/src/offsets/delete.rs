//! OffsetDelete, version 0, and the offsets of topics that no longer exist.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::offset_delete_request::OffsetDeleteRequestTopic;
use klamm_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use klamm_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use klamm_protocol::wire::Uuid;

use super::store::{OffsetKey, View};
use crate::api::{Response, Token};
use crate::appends::Then;
use crate::classic::Group;
use crate::coordinator::Coordinator;
use crate::registry::AnyGroup;

impl Coordinator {
    pub(crate) fn delete_offsets(
        &mut self,
        token: Token,
        version: i16,
        request: &OffsetDeleteRequest<'_>,
    ) {
        let group = match self.check_offset_delete(&request.group_id) {
            Ok(group) => group,
            Err(error) => {
                let refusal = Response::OffsetDelete(delete_error(error.code()));
                return self.respond(token, refusal);
            }
        };
        let mut keys = Vec::new();
        let mut topics = Vec::new();
        for topic in &request.topics {
            let is_subscribed = group.is_subscribed(&topic.name);
            topics.push(topic_response(topic, is_subscribed));
            if !is_subscribed {
                let key = |p: i32| OffsetKey::new(&request.group_id, &topic.name, p);
                keys.extend(topic.partitions.iter().map(|p| key(p.partition_index)));
            }
        }
        keys.retain(|key| self.is_committed(key));
        let response = OffsetDeleteResponse { topics, ..OffsetDeleteResponse::default() };
        let response = Response::OffsetDelete(response);
        if keys.is_empty() {
            self.answer_when_durable(token, version, response);
        } else {
            self.append_tombstones(keys, None, Some(Then::Answer { token, version, response }));
        }
    }

    /// Offsets may go if nobody can be working with them: the group has no members, or we know
    /// what its members subscribe to.
    fn check_offset_delete(&self, group: &str) -> Result<&AnyGroup, ErrorCode> {
        if group.is_empty() {
            return Err(ErrorCode::InvalidGroupId);
        }
        let group = self.registry.live(group).filter(|group| !group.is_share());
        let group = group.ok_or(ErrorCode::GroupIdNotFound)?;
        let is_known = group.as_classic().is_none_or(Group::uses_consumer_protocol);
        if group.is_empty() || is_known { Ok(group) } else { Err(ErrorCode::NonEmptyGroup) }
    }

    fn is_committed(&self, key: &OffsetKey) -> bool {
        self.offsets.get(View::Newest, &key.group, &key.topic, key.partition).is_some()
            || self.offsets.is_pending(&key.group, &key.topic, key.partition)
    }

    pub(crate) fn forget_topics(&mut self, topics: &[(&str, Uuid)]) {
        let mut keys = Vec::new();
        for (name, id) in topics {
            let found = self.offsets.in_all_groups(View::Newest, name);
            let of_it = found.filter(|(_, at)| at.topic_id.is_zero() || at.topic_id == *id);
            keys.extend(of_it.map(|(key, _)| key));
            keys.extend(self.offsets.pending_of_topic(name).cloned());
        }
        keys.sort_unstable();
        keys.dedup();
        self.append_in_pieces(keys, None);
    }
}

fn topic_response(
    topic: &OffsetDeleteRequestTopic<'_>,
    is_subscribed: bool,
) -> OffsetDeleteResponseTopic<'static> {
    let error = if is_subscribed { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
    let partitions = topic.partitions.iter().map(|p| p.partition_index);
    let partition = |partition_index| OffsetDeleteResponsePartition {
        partition_index,
        error_code: error.code(),
    };
    OffsetDeleteResponseTopic {
        name: topic.name.to_string().into(),
        partitions: partitions.map(partition).collect(),
    }
}

pub(crate) fn delete_error(error_code: i16) -> OffsetDeleteResponse<'static> {
    OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() }
}
