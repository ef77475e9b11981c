//! Commands: what the driver does not know about a request, as a closure over its decision.

use klamm_metadata::{
    Image,
    decide::{Context, Decision, Refusal, Sessions},
};
use klamm_protocol::messages::metadata_record::MetadataRecord;
use tokio::sync::oneshot;

use crate::QuorumError;

/// What a command sees when it is decided.
#[derive(Debug)]
pub struct Desk<'a> {
    /// Everything decided so far, committed or not.
    pub image: &'a Image,
    /// Settings, rules and randomness.
    pub context: Context<'a>,
    /// Which brokers were heard when.
    pub sessions: &'a mut Sessions,
    /// Milliseconds since the epoch.
    pub now_ms: i64,
    /// The offset that the first record of the decision will get.
    pub next_offset: i64,
    /// The cluster's id.
    pub cluster_id: &'a str,
}

/// A command on its way through the driver: decided once, then done once.
pub(crate) trait Task: Send {
    /// Decides; keeps the response until the records are committed.
    fn decide(&mut self, desk: &mut Desk<'_>) -> Result<Vec<MetadataRecord<'static>>, Refusal>;

    /// Gives the answer.
    fn done(self: Box<Self>, outcome: Result<(), QuorumError>);
}

/// A command with the type of its response.
pub(crate) struct Command<R, F> {
    decide: Option<F>,
    response: Option<R>,
    reply: oneshot::Sender<Result<R, QuorumError>>,
}

impl<R, F> Command<R, F> {
    pub(crate) fn new(decide: F) -> (Self, oneshot::Receiver<Result<R, QuorumError>>) {
        let (reply, answer) = oneshot::channel();
        (Self { decide: Some(decide), response: None, reply }, answer)
    }
}

impl<R, F> Task for Command<R, F>
where
    R: Send,
    F: FnOnce(&mut Desk<'_>) -> Result<Decision<R>, Refusal> + Send,
{
    fn decide(&mut self, desk: &mut Desk<'_>) -> Result<Vec<MetadataRecord<'static>>, Refusal> {
        let Some(decide) = self.decide.take() else { return Ok(Vec::new()) };
        let decision = decide(desk)?;
        self.response = Some(decision.response);
        Ok(decision.records)
    }

    fn done(self: Box<Self>, outcome: Result<(), QuorumError>) {
        let Self { response, reply, .. } = *self;
        let answer = outcome.and_then(|()| response.ok_or(QuorumError::Unknown));
        // Nobody may be waiting any more; the change holds all the same.
        drop(reply.send(answer));
    }
}
