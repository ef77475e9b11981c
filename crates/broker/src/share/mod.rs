//! Driving share groups: the store of their state, who has which records of the partitions that
//! this broker leads, and the sessions of members that fetch.
//!
//! A share partition is taken up with the first fetch of its group and given up when the last
//! session of the group ends, or when the store says that somebody else has changed its state.
//!
//! Lock order: a share partition, then the store. Changes reach the store in the order in which
//! they were made.

mod load;
mod read;
mod sessions;
pub(crate) mod store;
mod timers;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use klamm_config::ShareGroupSettings;
use klamm_groups::share::{
    partition::{Acknowledgement, Change, Limits, NEVER_MS, SharePartition},
    store::{Command, Key},
};
use klamm_metadata::{Resource, ResourceKind};
use klamm_planted::planted;
use klamm_protocol::{ErrorCode, wire::Uuid};
use parking_lot::Mutex;
use tokio::sync::{Notify, OnceCell, oneshot};

pub(crate) use read::{Fetch, Got, fetch};
pub(crate) use sessions::{MemberKey, Place, Sessions};

use crate::{
    broker::{Broker, Found},
    partition::{Partition, Waiters},
};
use store::{Called, Stores, Told};

/// The share groups of this broker.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    pub(crate) stores: Stores,
    pub(crate) sessions: Sessions,
    held: Mutex<BTreeMap<Key, Arc<Held>>>,
    /// Rings when a deadline has come nearer.
    bell: Notify,
}

/// A share partition.
#[derive(Debug)]
pub(crate) struct Held {
    key: Key,
    state: OnceCell<Mutex<SharePartition>>,
    /// When somebody's time is over, milliseconds since the epoch.
    deadline_ms: AtomicI64,
    /// Who waits for records that come back.
    waiters: Arc<Waiters>,
}

/// What becomes of a change.
pub(crate) enum Changed {
    /// It is done, or was refused.
    Now(ErrorCode),
    /// It will be.
    Later(oneshot::Receiver<ErrorCode>),
}

impl Changed {
    /// What became of it.
    pub(crate) async fn settle(self) -> ErrorCode {
        match self {
            Self::Now(error) => error,
            Self::Later(receiver) => receiver.await.unwrap_or(ErrorCode::CoordinatorNotAvailable),
        }
    }
}

/// The settings of a group, and the limits among them.
pub(crate) fn settings(broker: &Broker, group: &str) -> (ShareGroupSettings, Limits) {
    let (settings, image) = (broker.settings.load(), broker.quorum.image());
    let resource = Resource::new(ResourceKind::Group, group.to_owned());
    let of_group = settings.groups.share.with_own(|key| image.config_value(&resource, key));
    let limits = Limits {
        deliveries_max: i16::try_from(of_group.delivery_count_limit).unwrap_or(i16::MAX),
        lock_ms: match planted("share-lock-ends-early") {
            true => 50,
            false => of_group.record_lock_duration_ms.into(),
        },
        locks_max: of_group.partition_max_record_locks.into(),
        may_renew: of_group.renew_acknowledge_enable,
    };
    (of_group, limits)
}

impl Shares {
    /// The share partition of a group, taken up from the store if need be, and whether it was.
    ///
    /// # Errors
    /// What the client is told: there is no state of it, or the store does not answer.
    async fn open(
        &self,
        broker: &Arc<Broker>,
        group: &str,
        (topic, partition): &Found,
    ) -> Result<(Arc<Held>, bool), ErrorCode> {
        let key = Key { group: group.to_owned(), topic: topic.id, partition: partition.index };
        loop {
            let opened = self.open_once(broker, &key, partition).await?;
            // Somebody else may have given it up while it was taken up.
            if self.is_current(&opened.0) {
                return Ok(opened);
            }
        }
    }

    async fn open_once(
        &self,
        broker: &Arc<Broker>,
        key: &Key,
        partition: &Arc<Partition>,
    ) -> Result<(Arc<Held>, bool), ErrorCode> {
        let held = Arc::clone(self.held.lock().entry(key.clone()).or_insert_with(|| {
            Arc::new(Held {
                key: key.clone(),
                state: OnceCell::new(),
                deadline_ms: AtomicI64::new(NEVER_MS),
                waiters: Arc::default(),
            })
        }));
        let is_new = !held.state.initialized();
        let loaded = held
            .state
            .get_or_try_init(|| async { load::load(broker, key, partition).await.map(Mutex::new) });
        match loaded.await {
            Ok(_) => Ok((held, is_new)),
            Err(error) => {
                self.drop_held(&held);
                Err(error)
            }
        }
    }

    fn get(&self, key: &Key) -> Option<Arc<Held>> {
        self.held.lock().get(key).filter(|held| held.state.initialized()).cloned()
    }

    /// Whether the share partition was not given up since it was taken up.
    fn is_current(&self, held: &Arc<Held>) -> bool {
        self.held.lock().get(&held.key).is_some_and(|now| Arc::ptr_eq(now, held))
    }

    fn drop_held(&self, held: &Arc<Held>) {
        let mut all = self.held.lock();
        if all.get(&held.key).is_some_and(|now| Arc::ptr_eq(now, held)) {
            tracing::info!("{}: given up, to be taken up from the store again", held.key);
            all.remove(&held.key);
        }
        drop(all);
        held.waiters.wake();
    }

    /// Takes acknowledgements of a member for a partition.
    pub(crate) fn acknowledge(
        &self,
        broker: &Arc<Broker>,
        member: &MemberKey,
        place: Place,
        acknowledgements: &[Acknowledgement],
    ) -> Changed {
        let key = Key { group: member.0.clone(), topic: place.0, partition: place.1 };
        let Some(held) = self.get(&key) else {
            return Changed::Now(ErrorCode::UnknownTopicOrPartition);
        };
        let now_ms = broker.env.clock.now_ms();
        self.change(broker, &held, |state, limits| {
            let taken = state.acknowledge(now_ms, &member.1, acknowledgements, limits);
            taken.map_err(|refused| refused.error)
        })
    }

    /// Ends a member's session: what it holds goes to others.
    pub(crate) fn end_session(&self, broker: &Arc<Broker>, member: &MemberKey) {
        if let Some(places) = self.sessions.end(member) {
            self.release(broker, member, &places);
        }
    }

    /// A connection has ended, and with it the sessions on it.
    pub(crate) fn disconnected(&self, broker: &Arc<Broker>, connection: SocketAddr) {
        for (member, places) in self.sessions.disconnected(connection) {
            self.release(broker, &member, &places);
        }
    }

    fn release(&self, broker: &Arc<Broker>, member: &MemberKey, places: &[Place]) {
        for (topic, partition) in places {
            let key = Key { group: member.0.clone(), topic: *topic, partition: *partition };
            if let Some(held) = self.get(&key) {
                let changed = self
                    .change(broker, &held, |state, limits| Ok(state.release(&member.1, limits)));
                drop(changed);
            }
        }
        if self.sessions.is_unused(&member.0) {
            self.forget_group(&member.0);
        }
    }

    /// Gives up the share partitions of a group: what is in the store is taken up again.
    pub(crate) fn forget_group(&self, group: &str) {
        self.forget(|key| key.group == group);
    }

    /// There are no share groups any more. When there are again, members begin anew with what is
    /// in the store: what they held is given out again.
    pub(crate) fn turned_off(&self) {
        self.sessions.clear();
        self.forget(|_| true);
    }

    /// Topics are gone, and with them what groups had of them.
    pub(crate) fn topics_deleted(&self, broker: &Broker, topics: &[(&str, Uuid)]) {
        let topics: BTreeSet<Uuid> = topics.iter().map(|(_, id)| *id).collect();
        self.forget(|key| topics.contains(&key.topic));
        self.stores.topics_deleted(broker, &topics);
    }

    fn forget(&self, is_gone: impl Fn(&Key) -> bool) {
        let mut all = self.held.lock();
        let gone: Vec<_> = all.extract_if(.., |key, _| is_gone(key)).collect();
        drop(all);
        gone.iter().for_each(|(_, held)| held.waiters.wake());
    }

    /// Changes a share partition and writes that to the store.
    fn change(
        &self,
        broker: &Arc<Broker>,
        held: &Arc<Held>,
        decide: impl FnOnce(&mut SharePartition, &Limits) -> Result<Option<Change>, ErrorCode>,
    ) -> Changed {
        let (_, limits) = settings(broker, &held.key.group);
        let Some(state) = held.state.get() else { return Changed::Now(ErrorCode::None) };
        let mut state = state.lock();
        let change = match decide(&mut state, &limits) {
            Ok(Some(change)) => change,
            Ok(None) => {
                self.deadline_of(held, &state);
                return Changed::Now(ErrorCode::None);
            }
            Err(error) => return Changed::Now(error),
        };
        let command = Command::Write(change.write.clone());
        match self.stores.call(broker, &held.key, &command) {
            Called::Now(told) => {
                let error = self.settle(broker, held, &mut state, &change, &told);
                drop(state);
                Changed::Now(error)
            }
            Called::Later(later) => {
                self.deadline_of(held, &state);
                drop(state);
                Changed::Later(self.settle_later(broker, held, change, later))
            }
        }
    }

    /// In a task of its own: whoever asked may stop waiting.
    fn settle_later(
        &self,
        broker: &Arc<Broker>,
        held: &Arc<Held>,
        change: Change,
        later: klamm_env::net::BoxFuture<'static, Told>,
    ) -> oneshot::Receiver<ErrorCode> {
        let (broker, held) = (Arc::clone(broker), Arc::clone(held));
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            let told = later.await;
            let Some(state) = held.state.get() else { return };
            let error = broker.shares.settle(&broker, &held, &mut state.lock(), &change, &told);
            // Nobody may be waiting any more.
            let _ = sender.send(error);
        });
        receiver
    }

    fn settle(
        &self,
        broker: &Broker,
        held: &Arc<Held>,
        state: &mut SharePartition,
        change: &Change,
        told: &Told,
    ) -> ErrorCode {
        let (_, limits) = settings(broker, &held.key.group);
        let now_ms = broker.env.clock.now_ms();
        state.settle(now_ms, change, told.is_ok(), &limits);
        self.deadline_of(held, state);
        held.waiters.wake();
        let Err(refused) = told else { return ErrorCode::None };
        if is_fenced(refused.error) {
            self.drop_held(held);
        }
        told_of_store(refused.error)
    }

    fn deadline_of(&self, held: &Held, state: &SharePartition) {
        let deadline_ms = state.next_deadline_ms();
        if deadline_ms < held.deadline_ms.swap(deadline_ms, Ordering::AcqRel) {
            self.bell.notify_one();
        }
    }
}

/// Whether somebody else has changed the state, so that what is known here is outdated.
fn is_fenced(error: ErrorCode) -> bool {
    use ErrorCode as E;
    matches!(
        error,
        E::FencedStateEpoch
            | E::FencedLeaderEpoch
            | E::UnknownTopicOrPartition
            | E::InvalidRequest
            | E::NotCoordinator
    )
}

/// What a member is told when the store does not do what was asked.
fn told_of_store(error: ErrorCode) -> ErrorCode {
    use ErrorCode as E;
    match error {
        E::NotCoordinator | E::CoordinatorNotAvailable | E::CoordinatorLoadInProgress => {
            E::CoordinatorNotAvailable
        }
        E::GroupIdNotFound | E::UnknownTopicOrPartition => error,
        E::FencedLeaderEpoch | E::FencedStateEpoch => E::NotLeaderOrFollower,
        _ => E::UnknownServerError,
    }
}
