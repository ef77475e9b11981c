//! What the group APIs have in common: sending a request to the group's coordinator, and waiting.

use std::borrow::Cow;

use klamm_groups as groups;
use klamm_protocol::{ErrorCode, wire::Message};

use super::Context;
use crate::{
    groups::Called,
    request::{Answer, Envelope, Outcome, Request},
};

/// Read, Delete, Describe, DescribeConfigs and AlterConfigs, as bits of Kafka's operation codes:
/// what a group can be asked for.
pub(super) const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

/// Whether a group protocol is on: `group.coordinator.rebalance.protocols` names it, and for all
/// but the classic one its feature is finalized.
pub(super) fn is_on(cx: &Context<'_>, protocol: &str) -> bool {
    let settings = cx.broker.settings.load();
    let is_named = settings.groups.rebalance_protocols.iter().any(|name| name == protocol);
    let feature = if protocol == "streams" { "streams.version" } else { "group.version" };
    is_named && cx.broker.quorum.image().features().level(feature) >= 1
}

/// Who asks, as coordinators want to know it.
pub(super) fn caller(cx: &Context<'_>, request: &Request) -> groups::Context {
    groups::Context {
        client_id: request.client_id().to_owned(),
        client_host: format!("/{}", cx.peer.address.ip()),
        version: request.version,
    }
}

/// Sends `wanted` to the coordinator of `group` and answers with what `reply` makes of the
/// response, or of the error that there is none.
pub(super) fn call(
    cx: &Context<'_>,
    request: &Request,
    group: &str,
    wanted: groups::Request,
    reply: impl FnOnce(&Envelope, Result<groups::Response, ErrorCode>) -> Answer + Send + 'static,
) -> Outcome {
    let envelope = request.envelope();
    match cx.broker.groups.call(cx.broker, group, &caller(cx, request), wanted) {
        Called::Now(response) => Outcome::Now(reply(&envelope, Ok(response))),
        Called::Refused(error) => Outcome::Now(reply(&envelope, Err(error))),
        Called::Later(receiver) => Outcome::Later(Box::pin(async move {
            // The coordinator went away with its broker: the client is to look for it again.
            let response = receiver.await.map_err(|_| ErrorCode::NotCoordinator);
            reply(&envelope, response)
        })),
    }
}

/// The response of one coordinator, waited for if need be.
pub(super) async fn settle(called: Called) -> Result<groups::Response, ErrorCode> {
    match called {
        Called::Now(response) => Ok(response),
        Called::Refused(error) => Err(error),
        Called::Later(receiver) => receiver.await.map_err(|_| ErrorCode::NotCoordinator),
    }
}

/// A group as the API that describes groups of its protocol tells of it.
pub(super) trait Described: Sized + Send + 'static {
    /// The response that holds such groups.
    type Response: Message<'static> + Send;

    /// Asks the group's coordinator.
    fn wanted(name: String) -> groups::Request;
    /// What the coordinator says.
    fn found(response: groups::Response) -> Vec<Self>;
    /// A group of which nothing can be told.
    fn failed(name: String, error: ErrorCode) -> Self;
    /// The operations that the caller is told, if there is something to tell of the group.
    fn operations(&mut self) -> Option<&mut i32>;
    /// The response with these groups.
    fn response(groups: Vec<Self>) -> Self::Response;
}

/// What a request asks of groups of one protocol.
pub(super) struct Asked<'a> {
    /// Whether the protocol is on.
    pub(super) is_on: bool,
    pub(super) names: &'a [Cow<'a, str>],
    pub(super) operations: bool,
}

/// Describes groups, each of which may have a coordinator of its own.
pub(super) fn describe<G: Described>(
    cx: &Context<'_>,
    request: &Request,
    asked: &Asked<'_>,
) -> Outcome {
    let caller = caller(cx, request);
    let call = |name: &Cow<'_, str>| {
        let called = match (asked.is_on, &**name) {
            (false, _) => Called::Refused(ErrorCode::UnsupportedVersion),
            (_, "") => Called::Refused(ErrorCode::InvalidGroupId),
            (_, name) => cx.broker.groups.call(cx.broker, name, &caller, G::wanted(name.into())),
        };
        (name.to_string(), called)
    };
    let parts: Vec<(String, Called)> = asked.names.iter().map(call).collect();
    let (operations, envelope) = (asked.operations, request.envelope());
    Outcome::Later(Box::pin(async move {
        let mut groups: Vec<G> = Vec::new();
        for (name, called) in parts {
            match settle(called).await {
                Ok(response) => groups.extend(G::found(response)),
                Err(error) => groups.push(G::failed(name, error)),
            }
        }
        if operations {
            groups.iter_mut().filter_map(G::operations).for_each(|told| *told = GROUP_OPERATIONS);
        }
        envelope.answer(&G::response(groups))
    }))
}
