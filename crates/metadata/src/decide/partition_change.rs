//! What becomes of a partition when its ISR, its replicas or the state of brokers change: who
//! leads, who stays eligible.
//!
//! Invariants (KIP-966):
//! - ISR and ELR have no member in common; with at least `min.insync.replicas` in the ISR there is
//!   no ELR.
//! - A leader is taken from the ISR, then from the ELR. The last leader, or with unclean election
//!   any replica, only if both are empty; then the partition is recovering.

use klamm_protocol::{messages::PartitionChangeRecord, wire::Uuid};

use crate::{Partition, Replicas, image::NO_LEADER_CHANGE};

/// Which replica is wanted as leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Election {
    /// The current one if it can be, else any that has all committed records.
    Online,
    /// As `Online`, and if there is none, any that is alive.
    Unclean,
}

/// A change in the making.
pub(super) struct Change<'a> {
    pub(super) partition: &'a Partition,
    /// `min.insync.replicas` of the topic.
    pub(super) min_isr: usize,
    /// Whether ELRs are kept.
    pub(super) elr_enabled: bool,
    pub(super) election: Election,
    /// Whether a replica may lead now.
    pub(super) acceptable: &'a dyn Fn(i32) -> bool,
    /// The ISR to be.
    pub(super) isr: Replicas,
    /// A replica that lost what it had not synced.
    pub(super) unclean: Option<i32>,
    /// Whether the leader has recovered from an unclean election.
    pub(super) recovered: bool,
    /// New directories, if they change.
    pub(super) directories: Option<Vec<Uuid>>,
}

struct Elected {
    leader: i32,
    unclean: bool,
}

impl<'a> Change<'a> {
    pub(super) fn new(partition: &'a Partition, acceptable: &'a dyn Fn(i32) -> bool) -> Self {
        Self {
            partition,
            min_isr: 1,
            elr_enabled: false,
            election: Election::Online,
            acceptable,
            isr: partition.isr.clone(),
            unclean: None,
            recovered: false,
            directories: None,
        }
    }

    /// The record that makes the change; none if nothing changes.
    pub(super) fn build(
        mut self,
        topic: Uuid,
        number: i32,
    ) -> Option<PartitionChangeRecord<'static>> {
        let old = self.partition;
        self.complete_reassignment();
        let replicas = self.replicas();
        if !self.elr_enabled && self.isr.is_empty() {
            // Without an ELR the last member of the ISR is what the partition can come back with.
            self.isr.clone_from(&old.isr);
        }
        let (mut elr, mut last_known) = self.eligible(&replicas);
        let elected = self.elect(&replicas, &elr);
        let mut recovering = old.recovering && !self.recovered;
        if elected.leader >= 0 && elected.leader != old.leader {
            if elected.unclean || !self.isr.contains(&elected.leader) {
                self.isr = vec![elected.leader];
            }
            recovering |= elected.unclean;
        }
        if self.isr.len() >= self.min_isr.min(replicas.len()) {
            elr.clear();
            last_known.clear();
        }
        elr.retain(|id| !self.isr.contains(id));
        last_known.retain(|id| !self.isr.contains(id) && !elr.contains(id));
        if self.elr_enabled && self.isr.is_empty() && elr.is_empty() && old.leader >= 0 {
            last_known = vec![old.leader];
        }
        let leader = if elected.leader == old.leader { None } else { Some(elected.leader) };
        let done = self.is_completed();
        let record = PartitionChangeRecord {
            partition_id: number,
            topic_id: topic,
            leader: leader.unwrap_or(if done { old.leader } else { NO_LEADER_CHANGE }),
            isr: changed(&self.isr, &old.isr),
            replicas: changed(&replicas, &old.replicas),
            removing_replicas: done.then(Vec::new).filter(|_| !old.removing.is_empty()),
            adding_replicas: done.then(Vec::new).filter(|_| !old.adding.is_empty()),
            leader_recovery_state: recovery_state(old.recovering, recovering),
            directories: self.directories.filter(|new| *new != old.directories),
            eligible_leader_replicas: changed(&elr, &old.elr),
            last_known_elr: changed(&last_known, &old.last_known_elr),
            ..PartitionChangeRecord::default()
        };
        let unchanged = PartitionChangeRecord {
            partition_id: number,
            topic_id: topic,
            ..PartitionChangeRecord::default()
        };
        (record != unchanged).then_some(record)
    }

    /// Whether the reassignment under way is over: all that is to stay is in sync.
    fn is_completed(&self) -> bool {
        let old = self.partition;
        let staying = old.replicas.iter().filter(|id| !old.removing.contains(id));
        let isr = &self.isr;
        old.is_reassigning()
            && old.adding.iter().all(|id| isr.contains(id))
            && staying.clone().any(|id| isr.contains(id))
            && isr.iter().any(|id| !old.removing.contains(id))
    }

    fn complete_reassignment(&mut self) {
        if self.is_completed() {
            let removing = &self.partition.removing;
            self.isr.retain(|id| !removing.contains(id));
        }
    }

    fn replicas(&self) -> Replicas {
        let old = self.partition;
        if self.is_completed() {
            old.replicas.iter().filter(|id| !old.removing.contains(id)).copied().collect()
        } else {
            old.replicas.clone()
        }
    }

    /// The ELR and the last known ELR to be.
    fn eligible(&self, replicas: &Replicas) -> (Replicas, Replicas) {
        let old = self.partition;
        if !self.elr_enabled || self.isr.len() >= self.min_isr.min(replicas.len()) {
            return (Vec::new(), Vec::new());
        }
        let known = [&*old.elr, &*old.isr].concat();
        let keeps = |id: &i32| !self.isr.contains(id) && self.unclean != Some(*id);
        let elr = distinct(known.iter().copied().filter(keeps));
        let candidates = [&*old.last_known_elr, &*known].concat();
        let lost = |id: &i32| !self.isr.contains(id) && !elr.contains(id);
        let last_known = distinct(candidates.into_iter().filter(lost));
        (elr, last_known)
    }

    fn elect(&self, replicas: &Replicas, elr: &[i32]) -> Elected {
        let clean =
            |id: &&i32| (self.isr.contains(id) || elr.contains(id)) && (self.acceptable)(**id);
        let old = self.partition.leader;
        if replicas.contains(&old) && clean(&&old) {
            return Elected { leader: old, unclean: false };
        }
        if let Some(leader) = replicas.iter().find(clean) {
            return Elected { leader: *leader, unclean: false };
        }
        let last = &self.partition.last_known_elr;
        if self.elr_enabled
            && self.isr.is_empty()
            && elr.is_empty()
            && let [last] = &**last
            && (self.acceptable)(*last)
        {
            return Elected { leader: *last, unclean: true };
        }
        let alive = replicas.iter().find(|id| (self.acceptable)(**id));
        match alive.filter(|_| self.election == Election::Unclean) {
            Some(leader) => Elected { leader: *leader, unclean: true },
            None => Elected { leader: -1, unclean: false },
        }
    }
}

fn changed(new: &Replicas, old: &Replicas) -> Option<Replicas> {
    (new != old).then(|| new.clone())
}

fn recovery_state(old: bool, new: bool) -> i8 {
    if old == new { -1 } else { i8::from(new) }
}

fn distinct(ids: impl Iterator<Item = i32>) -> Replicas {
    let mut list = Replicas::new();
    for id in ids {
        if !list.contains(&id) {
            list.push(id);
        }
    }
    list
}
