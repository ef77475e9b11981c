//! What the APIs of share groups have in common: who may ask, and acknowledgements.

use std::{collections::BTreeMap, sync::Arc};

use klamm_groups::share::partition::Acknowledgement;
use klamm_metadata::features::SHARE_VERSION;
use klamm_protocol::{ErrorCode, wire::Uuid};

use super::Context;
use crate::{
    broker::Broker,
    share::{MemberKey, Place},
};

/// The longest id that a member may choose, UTF-16 units.
const MEMBER_ID_MAX: usize = 36;

/// Acknowledgements by what they may say: from 0 (there is no such record) to reject.
const REJECT: i8 = 3;
/// The member goes on with the record (KIP-1222).
const RENEW: i8 = 4;

/// Whether share groups are on: the feature `share.version` is finalized.
pub(super) fn is_on(cx: &Context<'_>) -> bool {
    cx.broker.quorum.image().features().level(SHARE_VERSION) >= 1
}

/// Who fetches or acknowledges.
///
/// # Errors
/// The text that goes with INVALID_REQUEST.
pub(super) fn member(group: Option<&str>, member: Option<&str>) -> Result<MemberKey, &'static str> {
    let group = group.ok_or("Invalid group id in the request.")?;
    let member = member.filter(|id| is_member_id(id)).ok_or("Invalid member id in the request.")?;
    Ok((group.to_owned(), member.to_owned()))
}

pub(super) fn is_member_id(id: &str) -> bool {
    !id.is_empty() && id.encode_utf16().count() <= MEMBER_ID_MAX
}

/// What a request acknowledges of partitions, or what is wrong with that.
pub(super) type Acknowledged = BTreeMap<Place, Result<Vec<Acknowledgement>, ErrorCode>>;

/// What a request may say of records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// The version knows renewals, and the request says that it has some.
    pub(super) may_renew: bool,
}

/// Checks the acknowledgements of a partition, given as first and last offset and what is said.
///
/// # Errors
/// INVALID_REQUEST.
pub(super) fn checked(
    ranges: impl Iterator<Item = (i64, i64, Vec<i8>)>,
    rules: Rules,
) -> Result<Vec<Acknowledgement>, ErrorCode> {
    let mut after = -1;
    let mut checked = Vec::new();
    let most = if rules.may_renew { RENEW } else { REJECT };
    for (first, last, types) in ranges {
        let length = i64::try_from(types.len()).unwrap_or(i64::MAX);
        let fits = length == 1 || last.checked_sub(first) == Some(length - 1);
        let is_known = types.iter().all(|kind| (0..=most).contains(kind));
        if first > last || first < after || types.is_empty() || !fits || !is_known {
            return Err(ErrorCode::InvalidRequest);
        }
        after = last;
        checked.push(Acknowledgement { first, last, types });
    }
    Ok(checked)
}

/// Takes acknowledgements; gives what became of them once that is durable.
pub(super) async fn acknowledge(
    broker: &Arc<Broker>,
    member: &MemberKey,
    acknowledged: Acknowledged,
) -> BTreeMap<Place, ErrorCode> {
    let mut begun = Vec::with_capacity(acknowledged.len());
    for (place, ranges) in acknowledged {
        let changed = match ranges.and_then(|ranges| exists(broker, place).map(|()| ranges)) {
            Ok(ranges) if ranges.is_empty() => Ok(None),
            Ok(ranges) => Ok(Some(broker.shares.acknowledge(broker, member, place, &ranges))),
            Err(error) => Err(error),
        };
        begun.push((place, changed));
    }
    let mut done = BTreeMap::new();
    for (place, changed) in begun {
        let error = match changed {
            Ok(Some(changed)) => changed.settle().await,
            Ok(None) => ErrorCode::None,
            Err(error) => error,
        };
        done.insert(place, error);
    }
    done
}

fn exists(broker: &Broker, (topic, index): Place) -> Result<(), ErrorCode> {
    let image = broker.quorum.image();
    let topic = image.topic_by_id(topic).ok_or(ErrorCode::UnknownTopicId)?;
    topic.partition(index).map(|_| ()).ok_or(ErrorCode::UnknownTopicOrPartition)
}

/// The text beside the error of a whole request. Kafka has none where share groups are off.
pub(super) fn text_of_request(error: ErrorCode) -> Option<std::borrow::Cow<'static, str>> {
    text(error).filter(|_| error != ErrorCode::UnsupportedVersion)
}

/// The text beside an error of a partition; none beside none.
pub(super) fn text(error: ErrorCode) -> Option<std::borrow::Cow<'static, str>> {
    (error != ErrorCode::None).then(|| error.message().into())
}

/// Whether a client that hears this error is to look for the leader.
pub(super) fn has_moved(error: ErrorCode) -> bool {
    matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch)
}

/// The leader of a partition and its epoch, as the metadata has them; -1 if there is none.
pub(super) fn leader(broker: &Broker, (topic, index): (Uuid, i32)) -> (i32, i32) {
    let image = broker.quorum.image();
    let partition = image.topic_by_id(topic).and_then(|topic| topic.partition(index).cloned());
    partition.map_or((-1, -1), |partition| (partition.leader, partition.leader_epoch))
}
