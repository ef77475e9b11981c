//! A value that tasks wait for, woken in an order that a simulated run repeats.
//!
//! `tokio::sync::watch` does the same, but wakes in a random order that no seed decides.
//!
//! Cost of a wait: one atomic addition, one shared lock, one place in a list. Those who wait are
//! spread over several lists, so that many threads do not meet at one.

use std::{
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
};

use parking_lot::RwLock;
use tokio::sync::Notify;

/// How many lists those who wait are spread over.
const LISTS: usize = 8;

/// A value that can be changed and waited for.
#[derive(Debug, Default)]
pub struct Watched<T> {
    value: RwLock<T>,
    lists: [Notify; LISTS],
    next: AtomicUsize,
}

impl<T: Copy> Watched<T> {
    /// Begins with a value.
    pub fn new(value: T) -> Self {
        Self { value: RwLock::new(value), lists: Default::default(), next: AtomicUsize::new(0) }
    }

    /// The value now.
    pub fn get(&self) -> T {
        *self.value.read()
    }

    /// Changes the value and wakes all who wait.
    pub fn set(&self, value: T) {
        *self.value.write() = value;
        for list in &self.lists {
            list.notify_waiters();
        }
    }

    /// Waits until the value is as wanted. A value that was replaced at once may go unseen. Cancel
    /// safe.
    pub async fn wait_for(&self, is_wanted: impl Fn(T) -> bool) {
        let list = &self.lists[self.next.fetch_add(1, Ordering::Relaxed) % LISTS];
        loop {
            // In the list before the look, so that no change comes between.
            let mut changed = pin!(list.notified());
            changed.as_mut().enable();
            if is_wanted(self.get()) {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn all_who_wait_are_woken_when_the_value_is_right() {
        let watched = Arc::new(Watched::new(0));
        let wait = |least: i32| {
            let watched = Arc::clone(&watched);
            tokio::spawn(async move { watched.wait_for(|value| value >= least).await })
        };
        let waiting: Vec<_> = (0..20).map(wait).collect();
        tokio::task::yield_now().await;
        watched.set(9);
        tokio::task::yield_now().await;
        let done = waiting.iter().filter(|task| task.is_finished()).count();
        assert_eq!(done, 10);
        watched.set(19);
        for task in waiting {
            task.await.expect("no task panics");
        }
        assert_eq!(watched.get(), 19);
    }
}
