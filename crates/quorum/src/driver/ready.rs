//! What raft asks for: entries to write, messages to send, committed entries to apply.

use std::io;

use klamm_env::disk;
use klamm_log::AppendError;
use raft::{Ready, StateRole};

use super::{Driver, Leading};
use crate::QuorumError;

impl Driver {
    /// Carries out all that raft has ready, and starts a sync if something has to be durable.
    pub(super) fn pump(&mut self) -> Result<(), String> {
        while self.node.has_ready() {
            let ready = self.node.ready();
            self.carry_out(ready)?;
            self.redraw();
            self.start_sync()?;
        }
        self.start_sync()?;
        self.publish_status();
        Ok(())
    }

    fn carry_out(&mut self, mut ready: Ready) -> Result<(), String> {
        if !ready.snapshot().is_empty() {
            return Err("a snapshot came in, which this release cannot take".to_owned());
        }
        let role = ready.ss().map(|state| state.raft_state);
        let messages = ready.take_messages();
        if !messages.is_empty() {
            self.transport.send(messages);
        }
        let committed = ready.take_committed_entries();
        let entries = ready.take_entries();
        let hard = ready.hs().cloned();
        let store = self.node.mut_store();
        store.take(entries);
        self.in_flight = 0;
        if let Some(hard) = hard {
            store.set_hard_state(hard);
        }
        self.ready_last = ready.number();
        let held = ready.take_persisted_messages();
        if !held.is_empty() {
            self.held.push_back((ready.number(), held));
        }
        self.node.advance_append_async(ready);
        if let Some(role) = role {
            self.role_changed(role);
        }
        self.apply(committed)
    }

    fn role_changed(&mut self, role: StateRole) {
        match role {
            StateRole::Leader if self.leading.is_none() => {
                let from = self.node.raft.raft_log.last_index();
                let sessions = klamm_metadata::decide::Sessions::default();
                self.leading = Some(Leading { from, pending: None, sessions });
            }
            StateRole::Leader => {}
            _ => self.stop_leading(),
        }
    }

    /// What is on its way may still be committed by another leader: nobody can tell.
    fn stop_leading(&mut self) {
        if self.leading.take().is_some() {
            for waiting in std::mem::take(&mut self.waiting) {
                waiting.task.done(Err(QuorumError::Unknown));
            }
        }
    }

    /// Writes what raft handed over and starts to sync it, unless a sync is running: what comes
    /// meanwhile goes into the next one.
    fn start_sync(&mut self) -> Result<(), String> {
        let store = self.node.store();
        let wanted = self.ready_last > self.ready_synced || store.dirty;
        if self.sync.is_some() || self.no_room || !wanted {
            return Ok(());
        }
        let leader = self.leader().unwrap_or(self.config.node_id);
        let store = self.node.mut_store();
        let unsynced = store.written < store.last() || store.dirty;
        match store.write(leader) {
            Ok(()) => {}
            Err(AppendError::Full(error)) => {
                self.wait_for_room(&error);
                return Ok(());
            }
            Err(error) => return Err(format!("the metadata log cannot be written: {error}")),
        }
        self.sync_covers = self.ready_last;
        let needs_sync = self.config.sync || store.dirty;
        if !(unsynced && needs_sync) {
            return self.synced(Ok(()));
        }
        let job = store.sync_job();
        let disk = std::sync::Arc::clone(&self.config.env.disk);
        self.sync = Some(Box::pin(async move {
            disk::run(&disk, move || job.run()).await.and_then(|result| result)
        }));
        Ok(())
    }

    /// Tries again with the next tick, and tells who asks.
    fn wait_for_room(&mut self, error: &io::Error) {
        tracing::warn!("no room for the metadata log: {error}");
        self.no_room = true;
        self.shared.no_room.send_replace(Some(error.to_string()));
    }

    /// What was written is durable: raft may count on it, and peers may hear of it.
    pub(super) fn synced(&mut self, result: io::Result<()>) -> Result<(), String> {
        match result {
            Ok(()) => {}
            Err(error) if disk::is_full(&error) => {
                self.node.mut_store().dirty = true;
                self.wait_for_room(&error);
                return Ok(());
            }
            Err(error) => return Err(format!("the metadata log cannot be synced: {error}")),
        }
        self.shared.no_room.send_if_modified(|said| said.take().is_some());
        self.ready_synced = self.sync_covers;
        self.node.on_persist_ready(self.sync_covers);
        while self.held.front().is_some_and(|(number, _)| *number <= self.ready_synced) {
            if let Some((_, messages)) = self.held.pop_front() {
                self.transport.send(messages);
            }
        }
        Ok(())
    }
}
