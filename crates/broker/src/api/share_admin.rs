//! What APIs do with a group's coordinator and the store of its state together.

use std::sync::Arc;

use klamm_groups::{
    self as groups,
    share::{
        ShareRequest, ShareResponse, StateTopic,
        store::{Command, Key},
    },
};
use klamm_protocol::{
    ErrorCode,
    wire::{Message, Uuid},
};

use super::{Context, group_call, share_call};
use crate::{
    broker::Broker,
    request::{Outcome, Request},
};

/// Asks the coordinator of a group.
pub(super) async fn ask(
    broker: &Arc<Broker>,
    group: &str,
    caller: &groups::Context,
    request: ShareRequest,
) -> Result<ShareResponse, ErrorCode> {
    let called = broker.groups.call(broker, group, caller, groups::Request::Share(request));
    match group_call::settle(called).await? {
        groups::Response::Share(response) => Ok(response),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

/// Has the state of partitions made that a group does not know to have, and reports that. Where
/// there is state nevertheless the group was forgotten, with the power before it was synced or
/// with a log directory: it goes on where it was.
pub(super) fn initialize(
    broker: &Arc<Broker>,
    group: &str,
    caller: &groups::Context,
    topics: Vec<StateTopic>,
    state_epoch: i32,
) {
    // In a task of its own: the client does not wait, and the coordinator waits for the report.
    let (broker, group, caller) = (Arc::clone(broker), group.to_owned(), caller.clone());
    tokio::spawn(async move {
        let command = Command::Begin { state_epoch };
        let mut success = true;
        for key in keys(&group, &topics) {
            if let Err(refused) = broker.shares.stores.begin(&broker, &key, &command).await {
                let (error, text) = (refused.error, refused.text);
                tracing::warn!("state of share group {group} is not made yet: {error:?} {text}");
                success = false;
                break;
            }
        }
        let report = ShareRequest::Initialized { group: group.clone(), topics, success };
        // A coordinator that has gone elsewhere knows from its records what was begun.
        drop(ask(&broker, &group, &caller, report).await);
    });
}

/// Has the state of partitions deleted; gives the topics of which that did not succeed.
pub(super) async fn delete(
    broker: &Arc<Broker>,
    group: &str,
    topics: &[StateTopic],
) -> Vec<(Uuid, ErrorCode)> {
    let mut failed = Vec::new();
    for topic in topics {
        for key in keys(group, std::slice::from_ref(topic)) {
            let called = broker.shares.stores.call(broker, &key, &Command::Delete);
            match called.settle().await {
                // Without a topic of states there is nothing to delete.
                Ok(_) => {}
                Err(refused) => {
                    failed.push((topic.id, told(refused.error)));
                    break;
                }
            }
        }
    }
    broker.shares.forget_group(group);
    failed
}

fn keys(group: &str, topics: &[StateTopic]) -> Vec<Key> {
    let of = |topic: &StateTopic| {
        let (group, topic_id) = (group.to_owned(), topic.id);
        let key = move |partition: &i32| Key {
            group: group.clone(),
            topic: topic_id,
            partition: *partition,
        };
        topic.partitions.iter().map(key).collect::<Vec<_>>()
    };
    topics.iter().flat_map(of).collect()
}

/// What a client is told of an error of the store.
pub(super) fn told(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::NotCoordinator => ErrorCode::CoordinatorNotAvailable,
        error => error,
    }
}

/// Has the offsets of a group changed, and answers with the response or what `failed` makes of the
/// error that there is none.
pub(super) fn change_offsets<M, F>(
    cx: &Context<'_>,
    request: &Request,
    group: &str,
    failed: fn(ErrorCode) -> M,
    change: impl FnOnce(Arc<Broker>, groups::Context) -> F,
) -> Outcome
where
    M: Message<'static> + Send + 'static,
    F: Future<Output = Result<M, ErrorCode>> + Send + 'static,
{
    let refused = match (share_call::is_on(cx), group) {
        (false, _) => Some(ErrorCode::UnsupportedVersion),
        (_, "") => Some(ErrorCode::InvalidGroupId),
        _ => None,
    };
    if let Some(error) = refused {
        return Outcome::Now(request.answer(&failed(error)));
    }
    let envelope = request.envelope();
    let change = change(Arc::clone(cx.broker), group_call::caller(cx, request));
    Outcome::Later(Box::pin(async move {
        // In a task of its own: the client may stop waiting.
        let done = tokio::spawn(change).await.unwrap_or(Err(ErrorCode::UnknownServerError));
        envelope.answer(&done.unwrap_or_else(failed))
    }))
}
