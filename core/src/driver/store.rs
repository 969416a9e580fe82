//! What the store owes, and how it is doing.

use std::collections::VecDeque;

use crate::backoff::Backoff;
use crate::clock::Now;
use crate::engine::Ticket;
use crate::error::Error;

/// How long after a failure the store is given something to do that nobody asked for.
const RETRY: Backoff = Backoff { initial_ms: 1_000, factor: 2.0, max_ms: 8_000 };

#[derive(Default)]
pub(super) struct StoreWork {
    /// Batches that were handed over and not answered.
    unanswered: VecDeque<Ticket>,
    failing: Option<Failing>,
}

struct Failing {
    reason: Error,
    attempts: u32,
    retry_at_ms: u64,
}

impl StoreWork {
    pub(super) fn handed_over(&mut self, ticket: Ticket) {
        self.unanswered.push_back(ticket);
    }

    pub(super) fn answered(&mut self, ticket: Ticket) {
        debug_assert_eq!(self.unanswered.front(), Some(&ticket), "the store answers in order, each batch once");
        self.unanswered.retain(|waiting| *waiting > ticket);
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// Something got to the disk: whether that ends a time of failures.
    pub(super) fn recovered(&mut self) -> bool {
        self.failing.take().is_some()
    }

    /// A batch failed: when it is worth trying again, on the monotonic clock.
    pub(super) fn failed(&mut self, reason: Error, now: Now) -> u64 {
        let before = self.failing.take();
        let (attempts, retry_at_ms) = match before {
            // What failed together, or was asked for by somebody, is no attempt of ours.
            Some(before) if now.mono_ms < before.retry_at_ms => (before.attempts, before.retry_at_ms),
            Some(before) => (before.attempts.saturating_add(1), now.mono_ms + RETRY.bound(before.attempts + 1)),
            None => (0, now.mono_ms + RETRY.bound(0)),
        };
        self.failing = Some(Failing { reason, attempts, retry_at_ms });
        retry_at_ms
    }

    pub(super) fn failure(&self) -> Option<&Error> {
        self.failing.as_ref().map(|failing| &failing.reason)
    }
}
