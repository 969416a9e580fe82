//! Notices that go out: to a webhook, or to a command. Each receiver has a line of its own, so that one that hangs holds up no
//! other.

mod command;
mod post;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

pub use command::Hook;
pub use post::Webhook;

use crate::backoff::Backoff;
use crate::clock::Now;
use crate::error::{Code, Error};
use crate::notice::{Attempt, Notice, Outbox, Outcome, Progress};

/// How long a receiver may take for one notice.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// The waits after failures.
const BACKOFF: Backoff = Backoff { initial_ms: 1_000, factor: 2.0, max_ms: 300_000 };

/// Where notices go.
#[derive(Debug)]
pub enum Receiver {
    /// A signed request.
    Webhook(Box<Webhook>),
    /// A program that reads it.
    Command(Hook),
}

impl Receiver {
    /// As it is shown: a URL may hold what nobody should see.
    pub fn name(&self) -> &str {
        match self {
            Receiver::Webhook(webhook) => webhook.name(),
            Receiver::Command(hook) => hook.name(),
        }
    }

    async fn deliver(&self, attempt: &Attempt, now: Now) -> Result<(), (Outcome, Error)> {
        match self {
            Receiver::Webhook(webhook) => webhook.post(&attempt.notice, now).await,
            Receiver::Command(hook) => hook.run(&attempt.notice).await,
        }
    }
}

/// Tells the time.
pub type Clock = Box<dyn Fn() -> Now + Send + Sync>;

/// A receiver, and what waits for it; dropping it ends it.
#[derive(Debug)]
pub struct Line {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    receiver: Receiver,
    clock: Clock,
    answer_within: Duration,
    state: Mutex<(Outbox, Option<Error>)>,
    wake: Notify,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.receiver.name())
    }
}

impl Shared {
    /// Nothing here can panic half-way, so what a poisoned lock holds is whole.
    fn lock(&self) -> MutexGuard<'_, (Outbox, Option<Error>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Begins, on the runtime that this is called in.
    pub fn open(receiver: Receiver, clock: Clock) -> Line {
        Line::patient(receiver, clock, BACKOFF, ANSWER_WITHIN)
    }

    fn patient(receiver: Receiver, clock: Clock, backoff: Backoff, answer_within: Duration) -> Line {
        let state = Mutex::new((Outbox::new(backoff), None));
        let shared = Arc::new(Shared { receiver, clock, answer_within, state, wake: Notify::new() });
        let task = tokio::spawn(carry(Arc::clone(&shared)));
        Line { shared, task }
    }

    /// Puts a notice behind the others.
    pub fn push(&self, notice: Notice) {
        let now = (self.shared.clock)();
        self.shared.lock().0.push(notice, now);
        self.shared.wake.notify_one();
    }

    /// How it goes, and what was wrong with the last attempt where it failed.
    pub fn progress(&self) -> (Progress, Option<Error>) {
        let state = self.shared.lock();
        (state.0.progress(), state.1.clone())
    }

    /// The receiver as it is shown.
    pub fn name(&self) -> &str {
        self.shared.receiver.name()
    }

    /// Waits until nothing waits any more, or an attempt fails.
    pub async fn flush(&self) {
        loop {
            let (progress, _) = self.progress();
            if progress.waiting == 0 || progress.failures > 0 {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends what waits, one after the other, for as long as the line is there.
async fn carry(shared: Arc<Shared>) {
    loop {
        let now = (shared.clock)();
        let (attempt, due_ms) = {
            let mut state = shared.lock();
            (state.0.attempt(now), state.0.due_ms())
        };
        let Some(attempt) = attempt else {
            let wait = due_ms.map(|due| Duration::from_millis(due.saturating_sub(now.mono_ms).max(1)));
            // What comes meanwhile wakes it; a wake too many only makes it look.
            match wait {
                Some(wait) => drop(timeout(wait, shared.wake.notified()).await),
                None => shared.wake.notified().await,
            }
            continue;
        };
        let sent = timeout(shared.answer_within, shared.receiver.deliver(&attempt, now)).await;
        let sent = sent.unwrap_or_else(|_| {
            let message =
                format!("{} did not answer within {} s", shared.receiver.name(), shared.answer_within.as_secs_f64());
            Err((Outcome::Failed { retry_after_ms: None }, Error::new(Code::Unreachable, message)))
        });
        let (outcome, error) = match sent {
            Ok(()) => (Outcome::Delivered, None),
            Err((outcome, error)) => (outcome, Some(error)),
        };
        let mut chance = [0; 8];
        let _ = getrandom::fill(&mut chance); // without chance it waits the least, and longer each time all the same
        let mut state = shared.lock();
        state.0.answered(outcome, (shared.clock)(), u64::from_le_bytes(chance));
        state.1 = error;
    }
}
