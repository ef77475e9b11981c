//! FindCoordinator (key 10), versions 0 to 6: which broker coordinates a group or a transactional id.
//!
//! The first request makes the topic `__consumer_offsets`, or `__transaction_state`.
//! From version 6 on also of the state of a share group, asked for as `group:topicId:partition`.

use std::borrow::Cow;

use klamm_protocol::{
    ApiKey, ErrorCode,
    messages::{
        FindCoordinatorRequest, FindCoordinatorResponse, find_coordinator_response::Coordinator,
    },
    wire::Uuid,
};

use super::{Api, Context, Permission, QuotaClass};
use crate::{
    auto_create,
    broker::Broker,
    groups::{OFFSETS_TOPIC, partition_of},
    request::{Answer, Envelope, Outcome, Request},
    share::store::SHARE_STATE_TOPIC,
    transactions::TRANSACTIONS_TOPIC,
};

pub(crate) const API: Api = Api {
    key: ApiKey::FindCoordinator,
    permissions: &[Permission::GroupDescribe, Permission::TransactionalIdDescribe],
    quota: QuotaClass::Request,
    audit: None,
    handle,
};

/// What is coordinated.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

fn handle(cx: &Context<'_>, request: Request) -> Outcome {
    let body: FindCoordinatorRequest<'_> = match request.body() {
        Ok(body) => body,
        Err(error) => return error.into(),
    };
    let keys = match request.version {
        4.. => body.coordinator_keys.iter().map(|key| key.clone().into_owned()).collect(),
        _ => vec![body.key.clone().into_owned()],
    };
    let (envelope, listener) = (request.envelope(), cx.peer.listener.clone());
    let kind = body.key_type;
    let is_asked = kind != SHARE || request.version >= 6;
    let topic = topic_of(kind).filter(|_| is_asked);
    let topic = topic.filter(|topic| cx.broker.topics.by_name(topic).is_none());
    let Some(topic) = topic else {
        return Outcome::Now(answer(cx.broker, &envelope, &listener, kind, keys));
    };
    let broker = cx.broker.clone();
    Outcome::Later(Box::pin(async move {
        auto_create::create(&broker, vec![topic.to_owned()]).await;
        answer(&broker, &envelope, &listener, kind, keys)
    }))
}

/// Whether a key is a group, the id of a topic and the index of a partition.
fn is_share_key(key: &str) -> bool {
    let mut parts = key.rsplitn(3, ':');
    let partition = parts.next().and_then(|text| text.parse::<i32>().ok());
    let topic = parts.next().and_then(|text| text.parse::<Uuid>().ok());
    partition.is_some() && topic.is_some() && parts.next().is_some_and(|group| !group.is_empty())
}

/// The topic that the coordinators' state is in.
fn topic_of(kind: i8) -> Option<&'static str> {
    match kind {
        GROUP => Some(OFFSETS_TOPIC),
        TRANSACTION => Some(TRANSACTIONS_TOPIC),
        SHARE => Some(SHARE_STATE_TOPIC),
        _ => None,
    }
}

fn answer(
    broker: &Broker,
    envelope: &Envelope,
    listener: &str,
    kind: i8,
    keys: Vec<String>,
) -> Answer {
    let found = |key: String| coordinator(broker, listener, envelope.version, kind, key);
    let coordinators: Vec<Coordinator<'_>> = keys.into_iter().map(found).collect();
    if envelope.version >= 4 {
        return envelope.answer(&FindCoordinatorResponse { coordinators, ..Default::default() });
    }
    let only = coordinators.into_iter().next().unwrap_or_default();
    envelope.answer(&FindCoordinatorResponse {
        error_code: only.error_code,
        error_message: only.error_message,
        node_id: only.node_id,
        host: only.host,
        port: only.port,
        ..Default::default()
    })
}

fn coordinator(
    broker: &Broker,
    listener: &str,
    version: i16,
    kind: i8,
    key: String,
) -> Coordinator<'static> {
    let failed = |key: String, error: ErrorCode| Coordinator {
        error_message: Some(Cow::Borrowed(error.message())),
        key: key.into(),
        node_id: -1,
        port: -1,
        error_code: error.code(),
        ..Coordinator::default()
    };
    if kind == SHARE && (version < 6 || !is_share_key(&key)) {
        // Without a text, as Kafka's.
        let answer = failed(key, ErrorCode::InvalidRequest);
        return Coordinator { error_message: Some(Cow::Borrowed("")), ..answer };
    }
    let Some(topic) = topic_of(kind) else {
        return failed(key, ErrorCode::InvalidRequest);
    };
    let image = broker.quorum.image();
    let leader = image.topic(topic).and_then(|topic| {
        let count = i32::try_from(topic.partition_count()).ok()?;
        topic.partition(partition_of(&key, count)).map(|partition| partition.leader)
    });
    let node = leader.and_then(|leader| image.broker(leader));
    match node.and_then(|node| Some((node.id, node.endpoint(listener)?))) {
        Some((node_id, endpoint)) => Coordinator {
            key: key.into(),
            node_id,
            host: endpoint.host.clone().into(),
            port: endpoint.port.into(),
            error_message: Some(Cow::Borrowed(if version < 4 { "NONE" } else { "" })),
            ..Coordinator::default()
        },
        None => failed(key, ErrorCode::CoordinatorNotAvailable),
    }
}
