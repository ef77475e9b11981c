//! Offsets of logs (ListOffsets) and of groups (OffsetFetch, OffsetCommit).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use klamm_protocol::{
    ErrorCode,
    messages::{
        ListOffsetsRequest, ListOffsetsResponse, OffsetCommitRequest, OffsetCommitResponse,
        OffsetFetchRequest, OffsetFetchResponse,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::OffsetFetchRequestGroup,
    },
    wire::VersionRange,
};

use crate::{
    Client, ClientError, Isolation, TopicPartition,
    client::{Lane, Target},
    membership::Membership,
};

/// From version 1 one offset is asked for, not a list.
const LIST_OFFSETS: VersionRange = VersionRange::new(1, 11);
/// From version 2 all partitions of a group can be asked for; version 10 wants topic ids.
const OFFSET_FETCH: VersionRange = VersionRange::new(2, 9);
const OFFSET_COMMIT: VersionRange = VersionRange::new(2, 9);

/// What ListOffsets is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The log start offset.
    Earliest,
    /// The high watermark, or the last stable offset where committed records are read.
    Latest,
    /// The offset of the record with the latest timestamp (KIP-734).
    MaxTimestamp,
    /// The first offset whose record is as late as this, in milliseconds since 1970.
    AtTime(i64),
}

impl OffsetSpec {
    fn wire(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::AtTime(ms) => ms.max(0),
        }
    }
}

/// An offset that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset; none where no record is that late.
    pub offset: Option<i64>,
    /// The record's timestamp in milliseconds, or -1.
    pub timestamp: i64,
}

/// A group's offset of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The offset of the next record to be read.
    pub offset: i64,
    /// What the member wrote with it.
    pub metadata: String,
}

impl Client {
    /// Offsets of partitions, each from its leader.
    ///
    /// # Errors
    /// [`ClientError`]; one partition that does not answer fails the whole.
    pub async fn list_offsets(
        &self,
        wanted: &BTreeMap<TopicPartition, OffsetSpec>,
        isolation: Isolation,
    ) -> Result<BTreeMap<TopicPartition, ListedOffset>, ClientError> {
        let mut found = BTreeMap::new();
        let mut retry = self.retry();
        while found.len() < wanted.len() {
            let missing = wanted.iter().filter(|(partition, _)| !found.contains_key(*partition));
            let missing: BTreeMap<_, _> = missing.map(|(p, spec)| (p.clone(), *spec)).collect();
            match self.list_some_offsets(&missing, isolation, &mut found).await {
                Err(error) if self.is_hopeless(&error) => return Err(error),
                Err(error) => retry.after(error).await?,
                Ok(()) => {}
            }
        }
        Ok(found)
    }

    async fn list_some_offsets(
        &self,
        wanted: &BTreeMap<TopicPartition, OffsetSpec>,
        isolation: Isolation,
        found: &mut BTreeMap<TopicPartition, ListedOffset>,
    ) -> Result<(), ClientError> {
        let mut by_leader: BTreeMap<i32, Vec<(&TopicPartition, OffsetSpec)>> = BTreeMap::new();
        for (partition, spec) in wanted {
            let leader = self.leader(&partition.topic, partition.partition).await?;
            by_leader.entry(leader).or_default().push((partition, *spec));
        }
        for (leader, partitions) in by_leader {
            let request = list_offsets_request(&partitions, isolation, self.timeout_ms());
            let target = Target::Broker(leader);
            let reply = self.call(target, Lane::Main, LIST_OFFSETS, &request).await?;
            let answer = reply.decode::<ListOffsetsResponse<'_>>()?;
            let asked: BTreeSet<_> = partitions.iter().map(|(partition, _)| *partition).collect();
            let before = found.len();
            for topic in &answer.topics {
                let name: Arc<str> = topic.name.as_ref().into();
                for one in &topic.partitions {
                    let at = TopicPartition::new(name.clone(), one.partition_index);
                    ClientError::check(one.error_code, None, || format!("partition {at}"))?;
                    let offset = Some(one.offset).filter(|&offset| offset >= 0);
                    let listed = ListedOffset { offset, timestamp: one.timestamp };
                    if asked.contains(&at) {
                        found.insert(at, listed);
                    }
                }
            }
            if found.len() < before + asked.len() {
                let code = ErrorCode::UnknownServerError.code();
                let subject = format!("offsets of broker {leader}");
                let message = Some("the answer lacks partitions that were asked for".to_owned());
                return Err(ClientError::Refused { subject, code, message });
            }
        }
        Ok(())
    }

    /// All offsets that a group has committed.
    ///
    /// # Errors
    /// [`ClientError`]. A group that does not exist has no offsets.
    pub async fn committed(
        &self,
        group: &str,
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ClientError> {
        let mut retry = self.retry();
        loop {
            match self.ask_committed(group).await {
                Err(error) if self.is_hopeless(&error) => return Err(error),
                Err(error) => retry.after(error).await?,
                Ok(committed) => return Ok(committed),
            }
        }
    }

    async fn ask_committed(
        &self,
        group: &str,
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ClientError> {
        let all = OffsetFetchRequestGroup {
            group_id: group.into(),
            topics: None,
            ..OffsetFetchRequestGroup::default()
        };
        let request = OffsetFetchRequest {
            group_id: group.into(),
            topics: None,
            groups: vec![all],
            ..OffsetFetchRequest::default()
        };
        let target = Target::Coordinator(group);
        let reply = self.call(target, Lane::Group, OFFSET_FETCH, &request).await?;
        committed_in(&reply.decode()?, group)
    }

    /// Sets a group's offsets from outside, which is refused while it has members.
    ///
    /// # Errors
    /// [`ClientError`]; `Refused` with `UNKNOWN_MEMBER_ID` while the group has members.
    pub async fn commit_offsets(
        &self,
        group: &str,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), ClientError> {
        self.commit(group, &Membership::NONE, offsets).await
    }

    pub(crate) async fn commit(
        &self,
        group: &str,
        member: &Membership,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), ClientError> {
        let request = OffsetCommitRequest {
            group_id: group.into(),
            generation_id_or_member_epoch: member.generation,
            member_id: member.id.as_str().into(),
            group_instance_id: member.instance_id.as_deref().map(Into::into),
            topics: commit_topics(offsets),
            ..OffsetCommitRequest::default()
        };
        let mut retry = self.retry();
        loop {
            let target = Target::Coordinator(group);
            let sent = self.call(target, Lane::Group, OFFSET_COMMIT, &request).await;
            let result = sent.and_then(|reply| {
                let answer = reply.decode::<OffsetCommitResponse<'_>>()?;
                let mut all = answer.topics.iter().flat_map(|topic| &topic.partitions);
                all.try_for_each(|partition| {
                    ClientError::check(partition.error_code, None, || format!("group {group}"))
                })
            });
            match result {
                Err(error) if self.is_hopeless(&error) => return Err(error),
                Err(error) => retry.after(error).await?,
                Ok(()) => return Ok(()),
            }
        }
    }
}

/// The offsets in an answer of any version.
fn committed_in(
    answer: &OffsetFetchResponse<'_>,
    group: &str,
) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ClientError> {
    let check = |code| ClientError::check(code, None, || format!("group {group}"));
    check(answer.error_code)?;
    let mut committed = BTreeMap::new();
    let mut insert = |topic: &str, partition, offset, metadata: Option<&str>| {
        if offset >= 0 {
            let metadata = metadata.unwrap_or_default().to_owned();
            let at = TopicPartition::new(topic, partition);
            committed.insert(at, CommittedOffset { offset, metadata });
        }
    };
    for topic in &answer.topics {
        for p in &topic.partitions {
            check(p.error_code)?;
            insert(&topic.name, p.partition_index, p.committed_offset, p.metadata.as_deref());
        }
    }
    for group in &answer.groups {
        check(group.error_code)?;
        for topic in &group.topics {
            for p in &topic.partitions {
                check(p.error_code)?;
                insert(&topic.name, p.partition_index, p.committed_offset, p.metadata.as_deref());
            }
        }
    }
    Ok(committed)
}

fn list_offsets_request<'a>(
    wanted: &[(&'a TopicPartition, OffsetSpec)],
    isolation: Isolation,
    timeout_ms: i32,
) -> ListOffsetsRequest<'a> {
    let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition<'_>>> = BTreeMap::new();
    for (at, spec) in wanted {
        topics.entry(&at.topic).or_default().push(ListOffsetsPartition {
            partition_index: at.partition,
            timestamp: spec.wire(),
            ..ListOffsetsPartition::default()
        });
    }
    let topic = |(name, partitions): (&'a str, _)| ListOffsetsTopic {
        name: name.into(),
        partitions,
        ..ListOffsetsTopic::default()
    };
    ListOffsetsRequest {
        replica_id: -1,
        isolation_level: isolation.wire(),
        topics: topics.into_iter().map(topic).collect(),
        timeout_ms,
        ..ListOffsetsRequest::default()
    }
}

fn commit_topics(offsets: &BTreeMap<TopicPartition, i64>) -> Vec<OffsetCommitRequestTopic<'_>> {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition<'_>>> = BTreeMap::new();
    for (at, &offset) in offsets {
        topics.entry(&at.topic).or_default().push(OffsetCommitRequestPartition {
            partition_index: at.partition,
            committed_offset: offset,
            committed_metadata: Some("".into()),
            ..OffsetCommitRequestPartition::default()
        });
    }
    let topic = |(name, partitions): (&'_ str, _)| OffsetCommitRequestTopic {
        name: name.to_owned().into(),
        partitions,
        ..OffsetCommitRequestTopic::default()
    };
    topics.into_iter().map(topic).collect()
}
