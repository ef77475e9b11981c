//! Between the classic protocol and the consumer protocol, while members are there: a group goes
//! over to the consumer protocol when the first member of it joins, and back when only members of
//! the classic protocol are left. Members keep what they have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use klamm_metadata::Image;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::consumer_protocol_assignment::TopicPartition;
use klamm_protocol::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use klamm_protocol::wire::{Message, Reader, Uuid};

use super::calls::Becomes;
use super::draft::{Draft, Scene};
use super::group::ConsumerGroup;
use super::member::{ClassicTerms, Current, Member, Subscription};
use super::record::Record;
use crate::classic::{self, CONSUMER_PROTOCOL};
use crate::modern::{Assignment, MemberState, Refusal, assignment, topics};
use crate::name::{Name, opt_name};
use crate::records;

/// The newest version of the embedded consumer protocol.
const EMBEDDED_VERSION_MAX: i16 = 3;

/// A draft in which a classic group with its members has become a consumer group.
///
/// # Errors
/// GROUP_ID_NOT_FOUND, with Kafka's text: the policy forbids it, or the group cannot be read.
pub(super) fn from_classic(classic: &classic::Group, scene: Scene<'_>) -> Result<Draft, Refusal> {
    check_upgrade(classic, scene)?;
    let mut draft = Draft::new(ConsumerGroup::new(classic.id.clone()));
    let mut taken = BTreeSet::new();
    let mut members = Vec::new();
    for member in classic.members() {
        members.push(upgraded(classic, member, scene.image, &mut taken)?);
    }
    for member in &members {
        draft.push(Record::Member(member.id.clone(), Some(member.said.clone())));
    }
    draft.push(Record::Group(Some((classic.generation, 0))));
    for member in &members {
        draft.target(&member.id, assignment::partitions_of(&member.has.assigned));
    }
    draft.push(Record::TargetEpoch(Some((classic.generation, 0))));
    for member in members {
        let timeout_ms = member.classic_session_timeout_ms().unwrap_or_default();
        draft.session_from(scene.now_ms, &member.id, timeout_ms);
        draft.push(Record::Current(member.id, Some(member.has)));
    }
    Ok(draft)
}

fn check_upgrade(classic: &classic::Group, scene: Scene<'_>) -> Result<(), Refusal> {
    let reason = if !scene.settings.migration.upgrade {
        "online upgrade is disabled"
    } else if !classic.uses_consumer_protocol() {
        "the group does not use the consumer embedded protocol"
    } else if classic.size() > scene.settings.size_max {
        "the group size exceeds the consumer group maximum size"
    } else {
        return Ok(());
    };
    let name = &classic.id;
    let text = format!("Cannot upgrade classic group {name} to consumer group because {reason}.");
    Err(Refusal::new(ErrorCode::GroupIdNotFound, text))
}

/// A member with what it had by the last assignment, at the last generation. If that is being
/// made anew it will be told to join again.
fn upgraded(
    group: &classic::Group,
    member: &classic::member::Member,
    image: &Image,
    taken: &mut BTreeSet<(Uuid, i32)>,
) -> Result<Member, Refusal> {
    let spoken = group.protocol.as_ref().and_then(|name| member.metadata(name));
    let first = || member.terms.protocols.first().map(|p| p.metadata.as_slice());
    let subscription = spoken.or_else(first).and_then(subscription_in);
    let subscription = subscription.ok_or_else(|| malformed(&group.id))?;
    let mut owned: BTreeMap<Uuid, BTreeMap<i32, i32>> = BTreeMap::new();
    for (topic, partition) in assignment_in(&member.assignment, image) {
        // A client could assign a partition twice; then the first keeps it.
        if taken.insert((topic, partition)) {
            owned.entry(topic).or_default().insert(partition, group.generation);
        }
    }
    let said = Subscription {
        instance_id: member.instance_id.clone(),
        rack_id: opt_name(subscription.rack_id.as_ref()),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        rebalance_timeout_ms: member.terms.rebalance_timeout_ms,
        topics: Arc::new(subscription.topics.iter().map(|t| Name::from(t.as_ref())).collect()),
        classic: Some(Arc::new(ClassicTerms {
            session_timeout_ms: member.terms.session_timeout_ms,
            protocols: member.terms.protocols.clone(),
        })),
        ..Subscription::default()
    };
    let has = Current {
        epoch: group.generation,
        previous_epoch: group.generation,
        state: MemberState::Stable,
        assigned: Arc::new(owned),
        ..Current::default()
    };
    Ok(Member { id: member.id.clone(), said, has })
}

fn malformed(group: &str) -> Refusal {
    let text = format!(
        "Cannot upgrade the classic group {group} to consumer group because the embedded consumer \
         protocol is malformed."
    );
    Refusal::new(ErrorCode::GroupIdNotFound, text)
}

/// What a member of the classic protocol tells its leader. Later versions begin with the fields
/// of the newest that is known.
pub(super) fn subscription_in(bytes: &[u8]) -> Option<ConsumerProtocolSubscription<'static>> {
    let (version, fields) = bytes.split_first_chunk::<2>()?;
    let version = i16::from_be_bytes(*version).min(EMBEDDED_VERSION_MAX);
    let read = ConsumerProtocolSubscription::decode(&mut Reader::new(fields), version).ok()?;
    Some(read.into_static())
}

/// The partitions in a leader's assignment, as far as they exist.
fn assignment_in(bytes: &[u8], image: &Image) -> Vec<(Uuid, i32)> {
    let Some((version, fields)) = bytes.split_first_chunk::<2>() else { return Vec::new() };
    let version = i16::from_be_bytes(*version).min(EMBEDDED_VERSION_MAX);
    let read = ConsumerProtocolAssignment::decode(&mut Reader::new(fields), version);
    let topics = read.map(|read| read.assigned_partitions).unwrap_or_default();
    let exists = |t: &TopicPartition<'_>| {
        let id = image.topic(&t.topic)?.id;
        Some(t.partitions.iter().map(|p| (id, *p)).collect::<Vec<_>>())
    };
    topics.iter().filter_map(exists).flatten().collect()
}

/// Partitions as a member of the classic protocol is told them, in the version that it speaks.
pub(super) fn assignment_for(member: &[u8], assignment: &Assignment, image: &Image) -> Vec<u8> {
    let spoken = member.first_chunk::<2>().map_or(0, |bytes| i16::from_be_bytes(*bytes));
    let version = spoken.clamp(0, EMBEDDED_VERSION_MAX);
    let topic = |(topic, partitions): (&Uuid, &BTreeSet<i32>)| {
        Some(TopicPartition {
            topic: topics::name_of(image, *topic)?.to_string().into(),
            partitions: partitions.iter().copied().collect(),
        })
    };
    let told = ConsumerProtocolAssignment {
        assigned_partitions: assignment.iter().filter_map(topic).collect(),
        user_data: None,
    };
    [&version.to_be_bytes()[..], &told.to_bytes(version)].concat()
}

/// Whether the group can go back to the classic protocol as it is.
pub(super) fn may_downgrade(group: &ConsumerGroup, scene: Scene<'_>) -> bool {
    group.classic_count() == group.members.size()
        && scene.settings.migration.downgrade
        && group.members.size() <= scene.classic_size_max
}

/// Takes away the consumer group's records and makes a classic group of its members.
///
/// # Errors
/// GROUP_ID_NOT_FOUND: the members have no protocol in common.
pub(super) fn to_classic(
    draft: &mut Draft,
    scene: Scene<'_>,
    rebalance: bool,
) -> Result<Becomes, Refusal> {
    let group = downgraded(&draft.group, scene)?;
    draft.remove_all();
    draft.records.push(records::group_metadata(&group, |member| &member.assignment));
    Ok(Becomes::Classic { group, rebalance })
}

fn downgraded(group: &ConsumerGroup, scene: Scene<'_>) -> Result<Box<classic::Group>, Refusal> {
    let mut classic = Box::new(classic::Group::new(group.id.clone(), scene.now_ms));
    classic.generation = group.epoch;
    classic.state = classic::State::Stable;
    for member in group.members.values() {
        let Some(terms) = &member.said.classic else { continue };
        let terms = classic::member::Terms {
            session_timeout_ms: terms.session_timeout_ms,
            rebalance_timeout_ms: member.said.rebalance_timeout_ms,
            protocols: terms.protocols.clone(),
        };
        let said = &member.said;
        let (client_id, client_host) = (said.client_id.clone(), said.client_host.clone());
        let instance_id = said.instance_id.clone();
        let id = member.id.clone();
        let member = classic::member::Member::new(id, instance_id, client_id, client_host, terms);
        classic.add(member, CONSUMER_PROTOCOL);
    }
    classic.protocol = classic.select_protocol();
    classic.subscribed = classic.read_subscriptions();
    let Some(protocol) = classic.protocol.clone() else {
        let name = &group.id;
        let text = format!("Cannot downgrade the consumer group {name}: no common protocol.");
        return Err(Refusal::new(ErrorCode::GroupIdNotFound, text));
    };
    for member in classic.members_mut() {
        let spoken = member.metadata(&protocol).unwrap_or_default().to_vec();
        member.assignment = assignment_for(&spoken, &group.target(&member.id), scene.image);
    }
    Ok(classic)
}
