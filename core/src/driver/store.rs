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

    /// A batch failed.
    pub(super) fn failed(&mut self, reason: Error, now: Now) {
        let fresh = || Failing { reason: reason.clone(), attempts: 0, retry_at_ms: now.mono_ms + RETRY.bound(0) };
        // What others asked for is no attempt of ours.
        let before = self.failing.take().unwrap_or_else(fresh);
        self.failing = Some(Failing { reason, ..before });
    }

    /// When the store is given something to do that nobody asked for, on the monotonic clock.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.failing.as_ref().map(|failing| failing.retry_at_ms)
    }

    /// Whether it is time for that now; the next one comes later.
    pub(super) fn takes_attempt(&mut self, now: Now) -> bool {
        let Some(failing) = self.failing.as_mut().filter(|failing| now.mono_ms >= failing.retry_at_ms) else {
            return false;
        };
        failing.attempts = failing.attempts.saturating_add(1);
        failing.retry_at_ms = now.mono_ms + RETRY.bound(failing.attempts);
        true
    }

    pub(super) fn failure(&self) -> Option<&Error> {
        self.failing.as_ref().map(|failing| &failing.reason)
    }
}
