//! What time does to share groups: records that are held for too long go to others, and the store
//! is kept small.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::Shares;
use crate::broker::Broker;

/// The longest time between two looks.
const PAUSE_MS_MAX: u64 = 3_600_000;

/// The least time between two looks, whatever the configuration says.
const INTERVAL_MS_MIN: u64 = 10;

impl Shares {
    /// Takes records back from members at their deadlines, until the broker stops.
    pub(crate) async fn run_timers(&self, broker: Arc<Broker>) {
        let tidies = self.run_tidy(&broker);
        let expires = self.run_expiry(&broker);
        tokio::join!(tidies, expires);
    }

    async fn run_expiry(&self, broker: &Arc<Broker>) {
        let stop = broker.stop.listen();
        loop {
            let now_ms = broker.env.clock.now_ms();
            let all: Vec<_> = self.held.lock().values().cloned().collect();
            let mut next_ms = i64::MAX;
            for held in all {
                if held.deadline_ms.load(Ordering::Acquire) <= now_ms {
                    drop(
                        self.change(
                            broker,
                            &held,
                            |state, limits| Ok(state.expire(now_ms, limits)),
                        ),
                    );
                    held.waiters.wake();
                }
                next_ms = next_ms.min(held.deadline_ms.load(Ordering::Acquire));
            }
            let pause = u64::try_from(next_ms.saturating_sub(now_ms)).unwrap_or(0);
            tokio::select! {
                biased;
                () = stop.wait() => return,
                () = self.bell.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(pause.clamp(1, PAUSE_MS_MAX))) => {}
            }
        }
    }

    async fn run_tidy(&self, broker: &Arc<Broker>) {
        let stop = broker.stop.listen();
        let (mut snapshots_ms, mut prune_ms) = (i64::MAX, i64::MAX);
        loop {
            let now_ms = broker.env.clock.now_ms();
            let settings = broker.settings.load();
            let snapshots_every =
                i64::from(settings.share_state.cold_partition_snapshot_interval_ms);
            let prune_every = i64::from(settings.share_state.topic_prune_interval_ms);
            drop(settings);
            let (snapshots, prune) = (now_ms >= snapshots_ms, now_ms >= prune_ms);
            if snapshots || prune {
                self.stores.tidy(broker, snapshots, prune);
            }
            if snapshots || snapshots_ms == i64::MAX {
                snapshots_ms = now_ms + snapshots_every;
            }
            if prune || prune_ms == i64::MAX {
                prune_ms = now_ms + prune_every;
            }
            let pause = u64::try_from(snapshots_ms.min(prune_ms) - now_ms).unwrap_or(0);
            tokio::select! {
                biased;
                () = stop.wait() => return,
                () = tokio::time::sleep(Duration::from_millis(pause.max(INTERVAL_MS_MIN))) => {}
            }
        }
    }
}
