//! What the APIs of the store of share-group state have in common. Brokers ask each other with
//! them; a cluster has one, which asks itself without them.

use std::sync::Arc;

use klamm_groups::share::store::{Command, Key, Refused};
use klamm_protocol::{ErrorCode, wire::Uuid};

use super::{Context, share_call};
use crate::{broker::Broker, share::store::Told};

/// What is asked of partitions, by topic.
pub(super) type Asked = Vec<(Uuid, Vec<(i32, Command)>)>;

/// What is answered, in the order asked.
pub(super) type Answered = Vec<(Uuid, Vec<(i32, Told)>)>;

/// Has commands carried out, one after the other.
pub(super) async fn each(
    broker: &Arc<Broker>,
    refusal: Option<Refused>,
    group: &str,
    asked: Asked,
) -> Answered {
    let mut answered = Vec::with_capacity(asked.len());
    for (topic, partitions) in asked {
        let mut told = Vec::with_capacity(partitions.len());
        for (partition, command) in partitions {
            let key = Key { group: group.to_owned(), topic, partition };
            told.push((
                partition,
                match &refusal {
                    Some(refusal) => Err(refusal.clone()),
                    None => broker.shares.stores.call(broker, &key, &command).settle().await,
                },
            ));
        }
        answered.push((topic, told));
    }
    answered
}

/// Why nothing of a request is served, if that is so.
pub(super) fn refusal(cx: &Context<'_>, group: &str) -> Option<Refused> {
    let refused = |error: ErrorCode| Refused { error, text: error.message().to_owned() };
    match (share_call::is_on(cx), group) {
        (false, _) => Some(refused(ErrorCode::UnsupportedVersion)),
        (_, "") => Some(refused(ErrorCode::InvalidRequest)),
        _ => None,
    }
}

/// Code and text of a result.
pub(super) fn error(told: &Told) -> (i16, Option<std::borrow::Cow<'static, str>>) {
    match told {
        Ok(_) => (0, None),
        Err(refused) => (refused.error.code(), Some(refused.text.clone().into())),
    }
}
