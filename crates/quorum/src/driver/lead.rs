//! The active controller: commands are decided and proposed.

use klamm_metadata::{
    Refusal,
    decide::{self, Context, Sessions},
};
use klamm_protocol::{
    ErrorCode,
    messages::{AbortTransactionRecord, metadata_record::MetadataRecord},
};

use super::{Driver, Waiting};
use crate::{
    QuorumError, batch,
    command::{Desk, Task},
    entropy::EnvEntropy,
};

/// Commands that are decided before raft gets to work on them.
const COMMANDS_AT_ONCE: usize = 256;

impl Driver {
    /// Whether commands can be decided, or refused because another node decides them. Otherwise
    /// they wait for a leader.
    pub(super) fn takes_commands(&self) -> bool {
        match &self.leading {
            Some(leading) => leading.pending.is_some(),
            None => self.leader().is_some_and(|leader| leader != self.config.node_id),
        }
    }

    /// Decides a command, and those that came with it.
    pub(super) fn take_commands(&mut self, first: Box<dyn Task>) {
        self.decide(first);
        for _ in 1..COMMANDS_AT_ONCE {
            let Ok(task) = self.inbox.commands.try_recv() else { break };
            self.decide(task);
        }
    }

    fn decide(&mut self, mut task: Box<dyn Task>) {
        let next_offset = self.node.store().end_offset() + self.in_flight;
        let mut entropy = EnvEntropy(self.config.env.random.clone());
        let leader = self.leader();
        let Some((image, sessions)) = self
            .leading
            .as_mut()
            .and_then(|leading| Some((leading.pending.as_ref()?, &mut leading.sessions)))
        else {
            return task.done(Err(QuorumError::NotLeader { leader }));
        };
        let mut desk = Desk {
            image,
            context: Context {
                settings: &self.defaults.settings,
                rules: &*self.defaults.rules,
                entropy: &mut entropy,
            },
            sessions,
            now_ms: self.config.env.clock.now_ms(),
            next_offset,
            cluster_id: &self.config.cluster_id,
        };
        match task.decide(&mut desk).map_err(QuorumError::from) {
            Err(refusal) => task.done(Err(refusal)),
            Ok(records) => match self.propose(&records) {
                Err(error) => task.done(Err(error)),
                Ok(()) => self.wait(task),
            },
        }
    }

    /// Answers when everything proposed so far is committed: also what changes nothing was decided
    /// on it.
    fn wait(&mut self, task: Box<dyn Task>) {
        let index = self.node.raft.raft_log.last_index();
        if index <= self.applied.index {
            return task.done(Ok(()));
        }
        let term = self.node.raft.term;
        self.waiting.push_back(Waiting { index, term, task });
    }

    /// Proposes records as one entry, and applies them to what is pending.
    fn propose(&mut self, records: &[MetadataRecord<'static>]) -> Result<(), QuorumError> {
        let Some(pending) = self.leading.as_mut().and_then(|leading| leading.pending.as_mut())
        else {
            return Err(QuorumError::Unknown);
        };
        if records.is_empty() {
            return Ok(());
        }
        let now_ms = self.config.env.clock.now_ms();
        let mut next = pending.clone();
        records.iter().for_each(|record| next.apply(record));
        // The features of the result: a new level says how records are written from itself on.
        let data = batch::of_records(records, next.features(), now_ms)
            .map_err(|error| QuorumError::Stopped(error.to_string()))?;
        if data.len() > self.node.store().batch_bytes_max() {
            let text = "The change takes more bytes than metadata.log.segment.bytes allows.";
            return Err(Refusal::new(ErrorCode::PolicyViolation, text).into());
        }
        self.node.propose(Vec::new(), data).map_err(|error| {
            tracing::warn!("a change of the metadata was not taken: {error}");
            QuorumError::Busy
        })?;
        *pending = next;
        self.in_flight += i64::try_from(records.len()).unwrap_or(i64::MAX);
        Ok(())
    }

    /// Begins to decide once everything of earlier leaders is applied.
    pub(super) fn start_serving(&mut self) {
        let now_ms = self.config.env.clock.now_ms();
        let (image, applied) = (&self.image, self.applied.index);
        let Some(leading) = &mut self.leading else { return };
        if leading.pending.is_some() || applied < leading.from {
            return;
        }
        leading.pending = Some(image.clone());
        leading.sessions = Sessions::begin(image, now_ms);
        let first = if image.is_in_transaction() {
            let reason = Some("the active controller changed".into());
            let abort = AbortTransactionRecord { reason, ..AbortTransactionRecord::default() };
            vec![MetadataRecord::AbortTransaction(abort)]
        } else if image.features().metadata_version() == 0 {
            let bootstrap = self.bootstrap.take();
            bootstrap.unwrap_or_else(|| decide::initial_features(&self.defaults.settings))
        } else {
            Vec::new()
        };
        if let Err(error) = self.propose(&first) {
            tracing::error!("the first records of this controller were not taken: {error}");
        }
    }

    /// Fences brokers whose session has timed out.
    pub(super) fn fence_silent(&mut self) {
        let now_ms = self.config.env.clock.now_ms();
        loop {
            let mut entropy = EnvEntropy(self.config.env.random.clone());
            let context = Context {
                settings: &self.defaults.settings,
                rules: &*self.defaults.rules,
                entropy: &mut entropy,
            };
            let Some(leading) = &mut self.leading else { return };
            let Some(image) = &leading.pending else { return };
            let sessions = &leading.sessions;
            let records = decide::fence_silent_brokers(image, &context, sessions, now_ms).records;
            if records.is_empty() || self.propose(&records).is_err() {
                return;
            }
        }
    }
}
