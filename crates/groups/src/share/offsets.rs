//! Start offsets of share groups, as an administrator sets and deletes them: AlterShareGroupOffsets
//! and DeleteShareGroupOffsets, version 0, and what deleting a group takes. The offsets themselves
//! are in the store, so that each takes two steps with the driver between them.

use std::collections::BTreeSet;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::alter_share_group_offsets_response as altered;
use klamm_protocol::messages::delete_share_group_offsets_response as deleted;
use klamm_protocol::messages::{
    AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse, alter_share_group_offsets_request as alter,
};
use klamm_protocol::wire::Uuid;

use super::api::ShareResponse;
use super::calls::listed;
use super::draft::Draft;
use super::store::Key;
use super::topics::{ByTopic, Partitions};
use crate::api::Token;
use crate::coordinator::Coordinator;
use crate::modern::{Refusal, topics};
use crate::name::Name;
use crate::registry::AnyGroup;

impl Coordinator {
    pub(super) fn share_topics(&mut self, token: Token, group: &str) {
        let topics = match self.registry.visible(group) {
            Some(AnyGroup::Share(group)) => {
                let mut known = group.topics.initialized.clone();
                known.retain(|id, _| self.image.topic_by_id(*id).is_some());
                Some(listed(&known))
            }
            _ => None,
        };
        self.respond_share(token, ShareResponse::Topics(topics));
    }

    pub(super) fn share_state_epoch(&mut self, token: Token, key: &Key) {
        let epoch = match self.registry.visible(&key.group) {
            Some(AnyGroup::Share(group)) => {
                let known = group.topics.initialized.get(&key.topic);
                known.filter(|of| of.indexes.contains(&key.partition)).map(|_| group.epoch)
            }
            _ => None,
        };
        self.respond_share(token, ShareResponse::StateEpoch(epoch));
    }

    /// A group may be made by setting its offsets.
    pub(super) fn share_alter_offsets(
        &mut self,
        token: Token,
        request: &AlterShareGroupOffsetsRequest<'_>,
    ) {
        let name = Name::from(request.group_id.as_ref());
        match self.unused_share_draft(&name, true) {
            Ok(mut draft) => {
                let (responses, begun) = self.altered_topics(&request.topics);
                draft.topics(draft.group.topics.begun(&begun));
                let state_epoch = draft.group.epoch;
                let response = AlterShareGroupOffsetsResponse { responses, ..<_>::default() };
                let response = ShareResponse::AlterOffsets { response, state_epoch };
                self.adopt_share(draft, Some((token, response)));
            }
            Err(refusal) => {
                let response = AlterShareGroupOffsetsResponse {
                    error_code: refusal.error.code(),
                    error_message: Some(refusal.text.into()),
                    ..AlterShareGroupOffsetsResponse::default()
                };
                let response = ShareResponse::AlterOffsets { response, state_epoch: 0 };
                self.respond_share(token, response);
            }
        }
    }

    fn altered_topics(
        &self,
        topics: &[alter::AlterShareGroupOffsetsRequestTopic<'_>],
    ) -> (Vec<altered::AlterShareGroupOffsetsResponseTopic<'static>>, ByTopic) {
        let mut begun = ByTopic::new();
        let mut responses = Vec::new();
        for topic in topics {
            let found = self.image.topic(&topic.topic_name);
            let topic_id = found.map(|found| found.id).unwrap_or_default();
            let count = topics::partition_count(&self.image, topic_id);
            let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
            let exists = |index: &i32| (0..count).contains(index);
            let known: BTreeSet<i32> = indexes.clone().filter(exists).collect();
            if !known.is_empty() {
                let name = Name::from(topic.topic_name.as_ref());
                begun.insert(topic_id, Partitions { name, indexes: known });
            }
            responses.push(altered::AlterShareGroupOffsetsResponseTopic {
                topic_name: topic.topic_name.to_string().into(),
                topic_id,
                partitions: indexes.map(|index| altered_partition(index, exists(&index))).collect(),
                ..<_>::default()
            });
        }
        (responses, begun)
    }

    pub(super) fn share_delete_offsets(
        &mut self,
        token: Token,
        request: &DeleteShareGroupOffsetsRequest<'_>,
    ) {
        let name = Name::from(request.group_id.as_ref());
        let mut draft = match self.unused_share_draft(&name, false) {
            Ok(draft) => draft,
            Err(refusal) => {
                let response = DeleteShareGroupOffsetsResponse {
                    error_code: refusal.error.code(),
                    error_message: Some(refusal.text.into()),
                    ..DeleteShareGroupOffsetsResponse::default()
                };
                let response = ShareResponse::DeleteOffsets { response, delete: Vec::new() };
                return self.respond_share(token, response);
            }
        };
        let known = draft.group.topics.all(&self.image);
        let mut delete = ByTopic::new();
        let mut responses = Vec::new();
        for topic in &request.topics {
            let found = self.image.topic(&topic.topic_name);
            match found.and_then(|found| Some((found.id, known.get(&found.id)?))) {
                Some((id, of)) => drop(delete.insert(id, of.clone())),
                None => responses.push(not_deleted(&topic.topic_name, found.is_some())),
            }
        }
        draft.topics(draft.group.topics.condemned(&delete.keys().copied().collect()));
        let response = DeleteShareGroupOffsetsResponse { responses, ..<_>::default() };
        let response = ShareResponse::DeleteOffsets { response, delete: listed(&delete) };
        self.adopt_share(draft, Some((token, response)));
    }

    pub(super) fn share_offsets_deleted(
        &mut self,
        token: Token,
        group: &str,
        topics: &BTreeSet<Uuid>,
    ) {
        if let Ok(mut draft) = self.share_draft(&Name::from(group), false) {
            draft.topics(draft.group.topics.forgotten(topics));
            self.adopt_share(draft, Some((token, ShareResponse::Done(ErrorCode::None))));
        } else {
            self.respond_share(token, ShareResponse::Done(ErrorCode::GroupIdNotFound));
        }
    }

    /// The first step of deleting a group. A group of another kind has no state in the store.
    pub(super) fn share_delete(&mut self, token: Token, group: &str) {
        let name = Name::from(group);
        match self.registry.live(group) {
            Some(AnyGroup::Share(_)) => {}
            _ => return self.respond_share(token, ShareResponse::Delete(Ok(Vec::new()))),
        }
        match self.unused_share_draft(&name, false) {
            Ok(mut draft) => {
                let all = draft.group.topics.all(&self.image);
                draft.topics(draft.group.topics.condemned(&all.keys().copied().collect()));
                self.adopt_share(draft, Some((token, ShareResponse::Delete(Ok(listed(&all))))));
            }
            Err(refusal) => {
                self.respond_share(token, ShareResponse::Delete(Err(refusal.error)));
            }
        }
    }

    /// # Errors
    /// GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP.
    fn unused_share_draft(&self, name: &Name, may_create: bool) -> Result<Draft, Refusal> {
        let draft = self.share_draft(name, may_create)?;
        if draft.group.is_empty() {
            return Ok(draft);
        }
        let error = ErrorCode::NonEmptyGroup;
        Err(Refusal::new(error, error.message()))
    }
}

fn altered_partition(
    partition_index: i32,
    exists: bool,
) -> altered::AlterShareGroupOffsetsResponsePartition<'static> {
    let error = ErrorCode::UnknownTopicOrPartition;
    altered::AlterShareGroupOffsetsResponsePartition {
        partition_index,
        error_code: if exists { 0 } else { error.code() },
        error_message: (!exists).then(|| error.message().into()),
        ..<_>::default()
    }
}

fn not_deleted(
    topic: &str,
    exists: bool,
) -> deleted::DeleteShareGroupOffsetsResponseTopic<'static> {
    let error = ErrorCode::UnknownTopicOrPartition;
    let text = if exists { "There is no offset information to delete." } else { error.message() };
    deleted::DeleteShareGroupOffsetsResponseTopic {
        topic_name: topic.to_owned().into(),
        error_code: error.code(),
        error_message: Some(text.into()),
        ..<_>::default()
    }
}
