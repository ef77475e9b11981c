//! What all requests that change the metadata have in common: they are asked of the controller,
//! and answered when this broker knows of the change.

use std::{future::Future, sync::Arc};

use klamm_protocol::{ErrorCode, wire::Message};
use klamm_quorum::{Quorum, QuorumError};

use super::Context;
use crate::request::{Answer, Envelope, Outcome, Request};

/// A request that changes the metadata.
pub(super) struct Change<B, R> {
    /// The request's body.
    pub(super) body: B,
    /// How long the client waits, where it says so.
    pub(super) timeout_ms: Option<i32>,
    /// The answer that nothing was changed.
    pub(super) refused: fn(&B, ErrorCode) -> R,
    /// Puts the controller's answer into the words of the request's version.
    pub(super) answer: fn(&Envelope, R) -> Answer,
}

impl<B, R> Change<B, R>
where
    B: Clone + Send + 'static,
    R: Message<'static> + Send + 'static,
{
    /// A change whose answer goes out as it is.
    pub(super) fn new(body: B, timeout_ms: Option<i32>, refused: fn(&B, ErrorCode) -> R) -> Self {
        Self { body, timeout_ms, refused, answer: |envelope, response| envelope.answer(&response) }
    }

    /// Has the controller decide.
    pub(super) fn ask<F>(
        self,
        cx: &Context<'_>,
        request: &Request,
        decide: impl FnOnce(Quorum, B) -> F + Send + 'static,
    ) -> Outcome
    where
        F: Future<Output = Result<R, QuorumError>> + Send,
    {
        let Self { body, timeout_ms, refused, answer } = self;
        let envelope = request.envelope();
        // As in Kafka, whose controller finds that the time is up before it begins.
        if timeout_ms.is_some_and(|timeout_ms| timeout_ms <= 0) {
            return Outcome::Now(answer(&envelope, refused(&body, ErrorCode::RequestTimedOut)));
        }
        let broker = Arc::clone(cx.broker);
        Outcome::Later(Box::pin(async move {
            let asked = body.clone();
            let response = match decide(broker.quorum.clone(), body).await {
                Ok(response) => response,
                Err(error) => refused(&asked, error.code()),
            };
            broker.caught_up_with_quorum().await;
            answer(&envelope, response)
        }))
    }
}
