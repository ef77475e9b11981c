//! How a broker learns of new metadata: one slot that holds what it has not seen yet.
//!
//! A reader that is slow finds several steps merged into one: memory is bounded by the metadata
//! itself.

use std::sync::Arc;

use klamm_metadata::{Delta, Image};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// New metadata.
#[derive(Debug, Clone)]
pub struct Update {
    /// The image after all that is in `delta`.
    pub image: Arc<Image>,
    /// What changed since the last update.
    pub delta: Delta,
    /// Offset of the last record in the image.
    pub offset: i64,
}

#[derive(Debug, Default)]
struct Slot {
    update: Mutex<(Option<Update>, bool)>,
    news: Notify,
}

/// The updates since a moment. The first has the whole image as its delta.
#[derive(Debug)]
pub struct Updates(Arc<Slot>);

impl Updates {
    /// Waits for what is new; none when the quorum has stopped and all was seen.
    pub async fn next(&mut self) -> Option<Update> {
        loop {
            {
                let mut slot = self.0.update.lock();
                if let Some(update) = slot.0.take() {
                    return Some(update);
                }
                if slot.1 {
                    return None;
                }
            }
            self.0.news.notified().await;
        }
    }
}

/// Those who want to hear of updates.
#[derive(Debug, Default)]
pub(crate) struct Subscribers(Mutex<Vec<std::sync::Weak<Slot>>>);

impl Subscribers {
    /// A new subscriber, who finds `first` at once.
    pub(crate) fn subscribe(&self, first: impl FnOnce() -> Option<Update>) -> Updates {
        let mut all = self.0.lock();
        let slot = Arc::new(Slot::default());
        slot.update.lock().0 = first();
        all.retain(|slot| slot.strong_count() > 0);
        all.push(Arc::downgrade(&slot));
        Updates(slot)
    }

    /// Tells everybody; `store` makes the update visible elsewhere, with no subscriber coming in
    /// between.
    pub(crate) fn publish(&self, update: &Update, store: impl FnOnce()) {
        let all = self.0.lock();
        store();
        for slot in all.iter().filter_map(std::sync::Weak::upgrade) {
            let mut waiting = slot.update.lock();
            let delta = match waiting.0.take() {
                Some(mut unseen) => {
                    unseen.delta.merge(update.delta.clone());
                    unseen.delta
                }
                None => update.delta.clone(),
            };
            waiting.0 = Some(Update { delta, ..update.clone() });
            drop(waiting);
            slot.news.notify_one();
        }
    }

    /// No more updates come.
    pub(crate) fn close(&self) {
        for slot in self.0.lock().iter().filter_map(std::sync::Weak::upgrade) {
            slot.update.lock().1 = true;
            slot.news.notify_one();
        }
    }
}
