//! ShareAcknowledge (key 79), versions 1 and 2: what a member of a share group did with records
//! that it had acquired (KIP-932). Version 2 has renewals (KIP-1222).

use std::{collections::BTreeMap, sync::Arc};

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        ShareAcknowledgeRequest, ShareAcknowledgeResponse,
        share_acknowledge_response::{
            LeaderIdAndEpoch, PartitionData, ShareAcknowledgeTopicResponse,
        },
    },
};

use super::{Api, Context, Permission, QuotaClass, share_call};
use crate::{
    broker::Broker,
    request::{Outcome, Request},
    share::{MemberKey, Place, settings},
};

pub(crate) const API: Api = Api {
    key: ApiKey::ShareAcknowledge,
    permissions: &[Permission::GroupRead, Permission::TopicRead],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// With this epoch a session ends.
const FINAL_EPOCH: i32 = -1;

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: ShareAcknowledgeRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let begun = begin(cx, &body);
    let (member, acknowledged) = match begun {
        Ok(begun) => begun,
        Err(failed) => return Outcome::Now(request.answer(&failed)),
    };
    let is_final = body.share_session_epoch == FINAL_EPOCH;
    let (envelope, broker) = (request.envelope(), Arc::clone(cx.broker));
    Outcome::Later(Box::pin(async move {
        let done = share_call::acknowledge(&broker, &member, acknowledged).await;
        let response = response(&broker, &member, done);
        if is_final {
            broker.shares.end_session(&broker, &member);
        }
        envelope.answer(&response)
    }))
}

fn begin(
    cx: &Context<'_>,
    body: &ShareAcknowledgeRequest<'_>,
) -> Result<(MemberKey, share_call::Acknowledged), ShareAcknowledgeResponse<'static>> {
    if !share_call::is_on(cx) {
        return Err(failed(ErrorCode::UnsupportedVersion, None));
    }
    let member = share_call::member(body.group_id.as_deref(), body.member_id.as_deref())
        .map_err(|text| failed(ErrorCode::InvalidRequest, Some(text)))?;
    let sessions = &cx.broker.shares.sessions;
    let checked = match body.share_session_epoch {
        0 => Err(ErrorCode::InvalidShareSessionEpoch),
        FINAL_EPOCH => sessions.check(&member),
        epoch => sessions.touch(&member, epoch),
    };
    checked.map_err(|error| failed(error, None))?;
    let rules = share_call::Rules { may_renew: body.is_renew_ack };
    let mut acknowledged = BTreeMap::new();
    for topic in &body.topics {
        for partition in &topic.partitions {
            let ranges = partition.acknowledgement_batches.iter();
            let ranges =
                ranges.map(|of| (of.first_offset, of.last_offset, of.acknowledge_types.clone()));
            let place = (topic.topic_id, partition.partition_index);
            acknowledged.insert(place, share_call::checked(ranges, rules));
        }
    }
    Ok((member, acknowledged))
}

fn response(
    broker: &Broker,
    member: &MemberKey,
    done: BTreeMap<Place, ErrorCode>,
) -> ShareAcknowledgeResponse<'static> {
    let mut responses: Vec<ShareAcknowledgeTopicResponse<'static>> = Vec::new();
    for (place, error) in done {
        let mut data = PartitionData {
            partition_index: place.1,
            error_code: error.code(),
            error_message: share_call::text(error),
            ..PartitionData::default()
        };
        if share_call::has_moved(error) {
            let (leader_id, leader_epoch) = share_call::leader(broker, place);
            data.current_leader =
                LeaderIdAndEpoch { leader_id, leader_epoch, ..LeaderIdAndEpoch::default() };
        }
        match responses.last_mut() {
            Some(topic) if topic.topic_id == place.0 => topic.partitions.push(data),
            _ => responses.push(ShareAcknowledgeTopicResponse {
                topic_id: place.0,
                partitions: vec![data],
                ..ShareAcknowledgeTopicResponse::default()
            }),
        }
    }
    let (of_group, _) = settings(broker, &member.0);
    ShareAcknowledgeResponse {
        acquisition_lock_timeout_ms: of_group.record_lock_duration_ms,
        responses,
        ..ShareAcknowledgeResponse::default()
    }
}

fn failed(error: ErrorCode, text: Option<&'static str>) -> ShareAcknowledgeResponse<'static> {
    ShareAcknowledgeResponse {
        error_code: error.code(),
        error_message: text.map(Into::into).or_else(|| share_call::text_of_request(error)),
        ..ShareAcknowledgeResponse::default()
    }
}
