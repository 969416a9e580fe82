//! What is to be sent to one receiver, and when it is tried again.
use std::collections::VecDeque;

use super::Notice;
use crate::backoff::Backoff;
use crate::clock::Now;
use crate::value::{Str, Value};

/// How many notices wait for one receiver; the oldest give way, and that is told.
pub const MAX_WAITING: usize = 1_024;
/// For how long a notice is tried.
pub const MAX_AGE_MS: u64 = 24 * 60 * 60 * 1_000;
/// The longest `Retry-After` that is believed.
const MAX_RETRY_AFTER_MS: u64 = 60 * 60 * 1_000;
/// How often a notice is sent to a receiver that says that it will not have it.
const MOST_REFUSED: u32 = 3;
/// What is told once a receiver can be told that others were dropped.
const DROPPED: &str = "notices.dropped";

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered,
    /// The receiver says that it will not have it, whenever it is sent.
    Refused,
    /// No answer, or none of use.
    Failed {
        /// When the receiver wants to be asked again, in milliseconds.
        retry_after_ms: Option<u64>,
    },
}

/// A notice to be sent now.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// What.
    pub notice: Notice,
    /// How often it was sent before.
    pub number: u32,
}

/// How sending goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many wait, with the one that is being sent.
    pub waiting: usize,
    /// How many the receiver has.
    pub delivered: u64,
    /// How many it will never have.
    pub dropped: u64,
    /// How many attempts failed in a row.
    pub failures: u32,
}

/// The notices for one receiver, in their order and one at a time.
#[derive(Debug)]
pub struct Outbox {
    backoff: Backoff,
    waiting: VecDeque<Waiting>,
    /// Whether the first one is being sent.
    is_out: bool,
    due_ms: u64,
    refused: u32,
    progress: Progress,
    /// Those that were dropped and that the receiver does not know of.
    untold: u64,
    last_id: Str,
}

#[derive(Debug)]
struct Waiting {
    notice: Notice,
    since_ms: u64,
    tries: u32,
}

impl Outbox {
    /// Nothing waits.
    pub fn new(backoff: Backoff) -> Outbox {
        Outbox {
            backoff,
            waiting: VecDeque::new(),
            is_out: false,
            due_ms: 0,
            refused: 0,
            progress: Progress::default(),
            untold: 0,
            last_id: Str::default(),
        }
    }

    /// Puts a notice behind the others. Where too many wait the oldest is dropped.
    pub fn push(&mut self, notice: Notice, now: Now) {
        self.waiting.push_back(Waiting { notice, since_ms: now.mono_ms, tries: 0 });
        if self.waiting.len() > MAX_WAITING {
            // Not the one that is on its way.
            self.drop_at(usize::from(self.is_out));
        }
    }

    fn drop_at(&mut self, at: usize) {
        let Some(gone) = self.waiting.remove(at) else { return };
        self.progress.dropped += 1;
        if gone.notice.kind != DROPPED {
            self.untold += 1;
            self.last_id = gone.notice.id;
        }
    }

    /// What is to be sent now; its answer is [`Outbox::answered`], and until then there is nothing else.
    pub fn attempt(&mut self, now: Now) -> Option<Attempt> {
        if self.is_out || now.mono_ms < self.due_ms {
            return None;
        }
        while self.waiting.front().is_some_and(|first| now.mono_ms > first.since_ms.saturating_add(MAX_AGE_MS)) {
            self.drop_at(0);
        }
        if self.untold > 0 && self.waiting.front().is_none_or(|first| first.notice.kind != DROPPED) {
            let data: Value = [("count", Value::from(self.untold))].into_iter().collect();
            // Sent again it is another one, where more were dropped meanwhile.
            let id = format!("{}-dropped-{}", self.last_id, self.progress.dropped).into();
            let notice = Notice { id, kind: DROPPED, at_ms: now.wall_ms, data };
            self.untold = 0;
            self.waiting.push_front(Waiting { notice, since_ms: now.mono_ms, tries: 0 });
        }
        let first = self.waiting.front_mut()?;
        let attempt = Attempt { notice: first.notice.clone(), number: first.tries };
        first.tries = first.tries.saturating_add(1);
        self.is_out = true;
        Some(attempt)
    }

    /// What became of the attempt. `entropy` is chance, uniform over all numbers.
    pub fn answered(&mut self, outcome: Outcome, now: Now, entropy: u64) {
        if !std::mem::take(&mut self.is_out) {
            return;
        }
        match outcome {
            Outcome::Delivered => {
                self.waiting.pop_front();
                self.progress.delivered += 1;
                (self.progress.failures, self.refused, self.due_ms) = (0, 0, 0);
                return;
            }
            Outcome::Refused => {
                self.refused += 1;
                if self.refused >= MOST_REFUSED {
                    self.refused = 0;
                    self.drop_at(0);
                }
            }
            Outcome::Failed { .. } => {}
        }
        let wait_ms = match outcome {
            Outcome::Failed { retry_after_ms: Some(asked) } => asked.min(MAX_RETRY_AFTER_MS),
            _ => self.backoff.delay(self.progress.failures, entropy),
        };
        self.progress.failures = self.progress.failures.saturating_add(1);
        self.due_ms = now.mono_ms.saturating_add(wait_ms);
    }

    /// When there is something to send; never while one is being sent.
    pub fn due_ms(&self) -> Option<u64> {
        let is_something = !self.is_out && (!self.waiting.is_empty() || self.untold > 0);
        is_something.then_some(self.due_ms)
    }

    /// How it goes.
    pub fn progress(&self) -> Progress {
        Progress { waiting: self.waiting.len(), ..self.progress }
    }
}
