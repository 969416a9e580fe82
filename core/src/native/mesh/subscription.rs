//! Subscriptions: every visible change, to whoever asked for its paths.
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::answer::{block_on, closed};
use crate::diff::{Change, leaves};
use crate::engine::{ChangeEvent, Snapshot};
use crate::error::Result;
use crate::limits::MAX_QUEUED_EVENTS;
use crate::pattern::Pattern;
use crate::value::Str;

/// What one event changed, as far as a subscription asked for it.
#[derive(Clone, Debug)]
pub struct ChangeSet {
    /// The document after it.
    pub snapshot: Arc<Snapshot>,
    /// The matching changes, leaf by leaf.
    pub changes: Vec<Change>,
    /// What caused it: a source's id, `shared`, `file`, …
    pub cause: Str,
}

/// What a subscription yields.
#[derive(Clone, Debug)]
pub enum Notification {
    /// Something changed.
    Changed(ChangeSet),
    /// That many change sets were left out, because this subscription was too slow: read the snapshot. The changes that
    /// follow are complete again.
    Lagged(u64),
}

/// Change sets of one document, at most [`MAX_QUEUED_EVENTS`] waiting; dropping it ends it at once.
#[derive(Debug)]
pub struct Subscription {
    id: u64,
    queue: Arc<Mutex<Queue>>,
    subscribers: Arc<Subscribers>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<ChangeSet>,
    lagged: u64,
    closed: bool,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Subscriber {
    patterns: Vec<Pattern>,
    queue: Arc<Mutex<Queue>>,
}

/// Everybody who listens.
#[derive(Debug, Default)]
pub(super) struct Subscribers(Mutex<Listening>);

#[derive(Debug, Default)]
struct Listening {
    last: u64,
    closed: bool,
    all: BTreeMap<u64, Subscriber>,
}

/// Nothing here can panic half-way, so what a poisoned lock holds is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Subscribers {
    /// Listens to the changes that match one of the patterns.
    pub(super) fn add(self: &Arc<Self>, patterns: Vec<Pattern>) -> Result<Subscription> {
        let mut listening = lock(&self.0);
        if listening.closed {
            return Err(closed());
        }
        listening.last += 1;
        let id = listening.last;
        let queue = Arc::default();
        listening.all.insert(id, Subscriber { patterns, queue: Arc::clone(&queue) });
        Ok(Subscription { id, queue, subscribers: Arc::clone(self) })
    }

    /// Tells everybody whom it concerns.
    pub(super) fn publish(&self, event: &ChangeEvent) {
        let listening = lock(&self.0);
        if listening.all.is_empty() {
            return;
        }
        let leaves = leaves(&event.changes);
        for subscriber in listening.all.values() {
            let wanted = |leaf: &&Change| subscriber.patterns.iter().any(|pattern| pattern.matches(&leaf.path));
            let changes: Vec<Change> = leaves.iter().filter(wanted).cloned().collect();
            if !changes.is_empty() {
                let set = ChangeSet { snapshot: Arc::clone(&event.snapshot), changes, cause: event.cause.clone() };
                lock(&subscriber.queue).push(set);
            }
        }
    }

    /// How many listen.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        lock(&self.0).all.len()
    }

    /// Ends every subscription, after what waits in it.
    pub(super) fn close(&self) {
        let mut listening = lock(&self.0);
        listening.closed = true;
        for subscriber in std::mem::take(&mut listening.all).into_values() {
            let mut queue = lock(&subscriber.queue);
            queue.closed = true;
            queue.wake();
        }
    }
}

impl Queue {
    fn push(&mut self, set: ChangeSet) {
        self.waiting.push_back(set);
        // The newest stay: whoever catches up ends with the document as it is.
        if self.waiting.len() > MAX_QUEUED_EVENTS {
            self.waiting.pop_front();
            self.lagged += 1;
        }
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn pop(&mut self) -> Option<Notification> {
        match std::mem::take(&mut self.lagged) {
            0 => self.waiting.pop_front().map(Notification::Changed),
            lagged => Some(Notification::Lagged(lagged)),
        }
    }
}

impl Subscription {
    /// The next notification; `None` once the configuration is closed.
    pub async fn next(&mut self) -> Option<Notification> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Blocks for the next notification; `None` when the time is up.
    ///
    /// # Errors
    /// [`Code::Closed`](crate::Code::Closed) once the configuration is closed.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<Notification>> {
        match block_on(Instant::now().checked_add(timeout), |context| self.poll_next(context)) {
            Some(Some(notification)) => Ok(Some(notification)),
            Some(None) => Err(closed()),
            None => Ok(None),
        }
    }

    /// The next notification if one waits.
    ///
    /// # Errors
    /// [`Code::Closed`](crate::Code::Closed) once the configuration is closed.
    pub fn try_next(&mut self) -> Result<Option<Notification>> {
        let mut queue = lock(&self.queue);
        match queue.pop() {
            None if queue.closed => Err(closed()),
            next => Ok(next),
        }
    }

    /// The next notification, as a step of a future or stream; `None` once the configuration is closed.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Notification>> {
        let mut queue = lock(&self.queue);
        match queue.pop() {
            None if !queue.closed => {
                let replaced = queue.waker.replace(context.waker().clone());
                drop(queue); // first: dropping a waker may run code of others
                drop(replaced);
                Poll::Pending
            }
            next => Poll::Ready(next),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        lock(&self.subscribers.0).all.remove(&self.id);
    }
}
