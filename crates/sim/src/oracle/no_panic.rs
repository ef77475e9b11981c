//! Nothing panics.

use std::{cell::RefCell, sync::Once};

use super::{Invariant, Oracle};

pub(super) const NO_PANIC: Invariant =
    Invariant { id: "no-panic", sentence: "Nothing in the broker panics, whatever the disk does." };

thread_local! {
    /// A run stays on its thread, so what panics here belongs to it.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

static HOOK: Once = Once::new();

/// Begins to note panics on this thread.
pub(crate) fn watch() {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // During the end of a thread there is nobody to tell.
            let _ = PANICS.try_with(|panics| panics.borrow_mut().push(info.to_string()));
            before(info);
        }));
    });
    PANICS.with(|panics| panics.borrow_mut().clear());
}

impl Oracle {
    /// Takes up what panicked since [`watch`].
    pub(crate) fn take_panics(&mut self) {
        for text in PANICS.with(RefCell::take) {
            self.violate(NO_PANIC, text);
        }
    }
}
