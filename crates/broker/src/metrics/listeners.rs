//! What passes through each listener.

use std::{collections::BTreeMap, sync::Arc};

use klamm_metrics::{Counter, Sharded};
use parking_lot::Mutex;

/// The listeners that are or were open. There are as many as somebody configured.
#[derive(Debug)]
pub(crate) struct Listeners {
    threads: usize,
    by_name: Mutex<BTreeMap<Arc<str>, Arc<Traffic>>>,
}

/// What passed through one listener.
#[derive(Debug)]
pub(crate) struct Traffic {
    bytes: Sharded<Bytes>,
    pub(crate) accepted: Counter,
    /// Refused because their address has `max.connections.per.ip` open.
    pub(crate) too_many: Counter,
    /// Refused because their address connects too often.
    pub(crate) too_fast: Counter,
}

#[derive(Debug, Default)]
struct Bytes {
    incoming: Counter,
    outgoing: Counter,
}

impl Listeners {
    /// For so many threads that serve connections.
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads, by_name: Mutex::default() }
    }

    /// A listener by its name.
    pub(crate) fn get(&self, name: &Arc<str>) -> Arc<Traffic> {
        let mut by_name = self.by_name.lock();
        let new = || Arc::new(Traffic::new(self.threads));
        Arc::clone(by_name.entry(Arc::clone(name)).or_insert_with(new))
    }

    /// All, by name.
    pub(crate) fn all(&self) -> Vec<(Arc<str>, Arc<Traffic>)> {
        let by_name = self.by_name.lock();
        by_name.iter().map(|(name, traffic)| (Arc::clone(name), Arc::clone(traffic))).collect()
    }
}

impl Traffic {
    fn new(threads: usize) -> Self {
        Self {
            bytes: Sharded::new(threads),
            accepted: Counter::new(),
            too_many: Counter::new(),
            too_fast: Counter::new(),
        }
    }

    /// Bytes came in.
    pub(crate) fn received(&self, bytes: usize) {
        self.bytes.mine().incoming.add(bytes as u64);
    }

    /// Bytes went out.
    pub(crate) fn sent(&self, bytes: u64) {
        self.bytes.mine().outgoing.add(bytes);
    }

    /// Bytes in and out.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        self.bytes.iter().fold((0, 0), |(incoming, outgoing), bytes| {
            (incoming + bytes.incoming.get(), outgoing + bytes.outgoing.get())
        })
    }
}
