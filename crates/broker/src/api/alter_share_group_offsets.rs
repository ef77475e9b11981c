//! AlterShareGroupOffsets (key 91), version 0: where a share group without members goes on.

use std::{collections::BTreeMap, sync::Arc};

use klamm_groups::{
    self as groups,
    share::{
        ShareRequest, ShareResponse, StateTopic,
        store::{Command, Key, Refused},
    },
};
use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse},
};

use super::{Api, Context, Permission, QuotaClass, share_admin, share_call};
use crate::{
    broker::Broker,
    request::{Outcome, Request},
};

pub(crate) const API: Api = Api {
    key: ApiKey::AlterShareGroupOffsets,
    permissions: &[Permission::GroupRead, Permission::TopicRead],
    quota: QuotaClass::Request,
    audit: Some("group.offsets.alter"),
    handle,
};

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: AlterShareGroupOffsetsRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let (body, group) = (body.clone().into_static(), &body.group_id);
    share_admin::change_offsets(cx, &request, group, failed, |broker, caller| async move {
        alter(&broker, &caller, body).await
    })
}

async fn alter(
    broker: &Arc<Broker>,
    caller: &groups::Context,
    body: AlterShareGroupOffsetsRequest<'static>,
) -> Result<AlterShareGroupOffsetsResponse<'static>, ErrorCode> {
    let group = body.group_id.clone();
    let starts: BTreeMap<(String, i32), i64> = body
        .topics
        .iter()
        .flat_map(|topic| {
            let name = topic.topic_name.clone().into_owned();
            topic
                .partitions
                .iter()
                .map(move |p| ((name.clone(), p.partition_index), p.start_offset))
        })
        .collect();
    let asked = ShareRequest::AlterOffsets(body);
    let answer = share_admin::ask(broker, &group, caller, asked).await?;
    let ShareResponse::AlterOffsets { mut response, state_epoch } = answer else {
        return Err(ErrorCode::UnknownServerError);
    };
    if response.error_code != 0 {
        return Ok(response);
    }
    let (mut done, mut undone) = (Vec::new(), Vec::new());
    for topic in &mut response.responses {
        let (id, name) = (topic.topic_id, topic.topic_name.clone().into_owned());
        let of = |partitions| StateTopic { id, name: name.clone(), partitions };
        let (mut set, mut unset) = (Vec::new(), Vec::new());
        for partition in topic.partitions.iter_mut().filter(|p| p.error_code == 0) {
            let index = partition.partition_index;
            let start_offset = starts.get(&(name.clone(), index)).copied().unwrap_or(-1);
            let key = Key { group: group.to_string(), topic: id, partition: index };
            let command = Command::Initialize { state_epoch, start_offset };
            match begin_anew(broker, &key, &command).await {
                Ok(_) => set.push(index),
                Err(refused) => {
                    let error = share_admin::told(refused.error);
                    partition.error_code = error.code();
                    partition.error_message = share_call::text(error);
                    unset.push(index);
                }
            }
        }
        done.push(of(set));
        undone.push(of(unset));
    }
    broker.shares.forget_group(&group);
    for (topics, success) in [(done, true), (undone, false)] {
        let group = group.to_string();
        let topics: Vec<_> = topics.into_iter().filter(|of| !of.partitions.is_empty()).collect();
        if !topics.is_empty() {
            let report = ShareRequest::Initialized { group: group.clone(), topics, success };
            share_admin::ask(broker, &group, caller, report).await?;
        }
    }
    Ok(response)
}

/// State with a later epoch than the group's is that of a group that was forgotten and made again.
async fn begin_anew(broker: &Arc<Broker>, key: &Key, command: &Command) -> Result<(), Refused> {
    let stores = &broker.shares.stores;
    let mut begun = stores.begin(broker, key, command).await;
    if begun.as_ref().is_err_and(|refused| refused.error == ErrorCode::FencedStateEpoch) {
        stores.begin(broker, key, &Command::Delete).await?;
        begun = stores.begin(broker, key, command).await;
    }
    begun.map(|_| ())
}

fn failed(error: ErrorCode) -> AlterShareGroupOffsetsResponse<'static> {
    AlterShareGroupOffsetsResponse {
        error_code: error.code(),
        error_message: share_call::text(error),
        ..AlterShareGroupOffsetsResponse::default()
    }
}
