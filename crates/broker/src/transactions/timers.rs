//! What time does to transactions: those that take too long are aborted, ids that nobody uses are
//! forgotten.

use std::{sync::Arc, time::Duration};

use klamm_transactions::coordinator::{Change, Command, Record};

use super::{Shard, TRANSACTIONS_TOPIC, Transactions, settings};
use crate::broker::Broker;

/// The least time between two looks, whatever the configuration says.
const INTERVAL_MS_MIN: u64 = 10;

/// Ids forgotten with one append: a batch must stay below `max.message.bytes` for any names.
const FORGOTTEN_PER_APPEND_MAX: usize = 500;

impl Transactions {
    /// Aborts what takes too long and forgets what nobody uses, until the broker stops.
    pub(crate) async fn run_timers(&self, broker: Arc<Broker>) {
        let aborts = self.every(
            &broker,
            |broker| broker.settings.load().transactions.abort_timed_out_interval_ms,
            Shard::abort_late,
        );
        let forgets = self.every(
            &broker,
            |broker| broker.settings.load().transactions.remove_expired_interval_ms,
            Shard::forget_expired,
        );
        tokio::join!(aborts, forgets);
    }

    async fn every(
        &self,
        broker: &Arc<Broker>,
        interval_ms: fn(&Broker) -> i32,
        work: fn(&Arc<Shard>, &Arc<Broker>),
    ) {
        let stop = broker.stop.listen();
        loop {
            let millis = u64::try_from(interval_ms(broker)).unwrap_or(0).max(INTERVAL_MS_MIN);
            tokio::select! {
                biased;
                () = stop.wait() => return,
                () = tokio::time::sleep(Duration::from_millis(millis)) => {}
            }
            let shards: Vec<_> = self.shards.read().values().cloned().collect();
            for shard in shards {
                if shard.loaded.load(std::sync::atomic::Ordering::Acquire) {
                    work(&shard, broker);
                }
            }
        }
    }
}

impl Shard {
    fn abort_late(self: &Arc<Self>, broker: &Arc<Broker>) {
        let late = self.state.lock().coordinator.late(broker.env.clock.now_ms());
        for id in late {
            tracing::info!("the transaction of {id} has taken too long and is aborted");
            let called = self.call(broker, &id, Command::TimeOut);
            if let super::Called::Later(answer) = called {
                tokio::spawn(answer);
            }
        }
    }

    fn forget_expired(self: &Arc<Self>, broker: &Arc<Broker>) {
        let now_ms = broker.env.clock.now_ms();
        let expiration_ms = broker.settings.load().transactions.id_expiration_ms.into();
        let version = settings(broker).version;
        let mut state = self.state.lock();
        let mut expired = state.coordinator.expired(now_ms, expiration_ms);
        expired.retain(|change| !state.in_flight.contains(&change.id));
        for changes in expired.chunks(FORGOTTEN_PER_APPEND_MAX) {
            let records: Vec<Record> = changes.iter().map(|c| c.to_record(version)).collect();
            if let Err(error) = self.append(now_ms, &records) {
                let index = self.partition.index;
                tracing::warn!("{TRANSACTIONS_TOPIC}-{index}: cannot forget: {}", error.name());
                return;
            }
            // An id that is forgotten too early is only begun anew, so nothing waits for the disk.
            changes.iter().cloned().for_each(|change: Change| state.coordinator.apply(change));
        }
    }
}
