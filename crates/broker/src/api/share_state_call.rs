//! What the APIs of the store of share-group state have in common. Brokers ask each other with
//! them; a cluster has one, which asks itself without them.

use std::sync::Arc;

use klamm_groups::share::store::{Command, Key};
use klamm_protocol::{
    ErrorCode,
    wire::{Message, Uuid},
};

use super::Context;
use crate::{
    broker::Broker,
    request::{Outcome, Request},
    share::store::Told,
};

/// What is asked of partitions, by topic.
pub(super) type Asked = Vec<(Uuid, Vec<(i32, Command)>)>;

/// What is answered, in the order asked.
pub(super) type Answered = Vec<(Uuid, Vec<(i32, Told)>)>;

/// Has commands carried out, one after the other, and answers with what `response` makes of what
/// became of them.
pub(super) fn serve<M: Message<'static> + Send>(
    cx: &Context<'_>,
    request: &Request,
    group: &str,
    asked: Asked,
    response: impl FnOnce(Answered) -> M + Send + 'static,
) -> Outcome {
    // Whether share groups are on is not asked: what a store has stays there while they are off.
    let group = group.to_owned();
    let (envelope, broker) = (request.envelope(), Arc::clone(cx.broker));
    Outcome::Later(Box::pin(async move {
        let answered = each(&broker, &group, asked).await;
        envelope.answer(&response(answered))
    }))
}

async fn each(broker: &Arc<Broker>, group: &str, asked: Asked) -> Answered {
    let mut answered = Vec::with_capacity(asked.len());
    for (topic, partitions) in asked {
        let mut told = Vec::with_capacity(partitions.len());
        for (partition, command) in partitions {
            let key = Key { group: group.to_owned(), topic, partition };
            let done = match group {
                "" => Err(ErrorCode::InvalidRequest.into()),
                _ => broker.shares.stores.call(broker, &key, &command).settle().await,
            };
            told.push((partition, done));
        }
        answered.push((topic, told));
    }
    answered
}

/// Code and text of a result.
pub(super) fn error(told: &Told) -> (i16, Option<std::borrow::Cow<'static, str>>) {
    match told {
        Ok(_) => (0, None),
        Err(refused) => (refused.error.code(), Some(refused.text.clone().into())),
    }
}
