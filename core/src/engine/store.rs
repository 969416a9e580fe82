//! A store that fails: told once, and what peers have to hear of it.

use super::Engine;
use super::records::replica_record;
use super::shared::{Shared, Step};
use super::types::Level;
use crate::clock::Now;
use crate::error::Error;

/// What is known of a store while it fails.
pub(super) struct Failing {
    reason: Error,
    /// Whether peers have not heard yet what the last failure changed.
    is_untold: bool,
}

impl Engine {
    /// The store failed. The first failure is told at once, to people and to peers; those after it wait for the next
    /// heartbeat, or a peer that answers at once would have the store asked again at once.
    pub(super) fn store_failed(&mut self, reason: &Error, now: Now) {
        let is_news = self.failing.as_ref().is_none_or(|failing| failing.reason != *reason);
        let is_first = self.failing.is_none();
        self.failing = Some(Failing { reason: reason.clone(), is_untold: !is_first });
        if is_news {
            self.notice(Level::Error, reason.clone());
        }
        if is_first {
            self.greet_all(now);
        }
    }

    /// Gives a store that failed something to do, so that its recovery shows although nobody writes.
    pub fn try_store(&mut self) {
        let idle = self.documents.iter().find_map(|(name, document)| {
            let founded = document.shared.as_ref().and_then(Shared::founded)?;
            (founded.ready && founded.staged.is_empty()).then(|| name.clone())
        });
        let Some(name) = idle else { return };
        // The note of a new name goes before everything else, and what it wrote would be forgotten by a record from before.
        self.hand_over(&name);
        let founded = self.documents.get(&name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        if let Some(founded) = founded.filter(|founded| founded.staged.is_empty()) {
            let record = replica_record(&name, &founded.durable);
            self.stage_step(&name, vec![record], Step::Records, "store", None, None);
        }
    }

    /// Something got into the store.
    pub(super) fn store_recovered(&mut self, now: Now) {
        let Some(failing) = self.failing.take() else { return };
        let code = failing.reason.code();
        self.notice(Level::Info, Error::new(code, "the store takes writes again"));
        if failing.is_untold {
            self.greet_all(now);
        }
    }

    pub(super) fn greet_after_failures(&mut self, now: Now) {
        let failing = self.failing.as_mut();
        if failing.is_some_and(|failing| std::mem::take(&mut failing.is_untold)) {
            self.greet_all(now);
        }
    }
}
