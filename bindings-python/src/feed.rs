//! `Feed`: the changes that one subscription gets, one by one.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use confmesh::{Notification, Subscription};
use pyo3::prelude::*;

use crate::change::Change;
use crate::notify::waker;

/// Changes that wait to be taken; for one taker at a time.
#[pyclass(frozen, module = "confmesh._native")]
pub struct Feed(Mutex<State>);

struct State {
    /// None once it is closed.
    source: Option<Subscription>,
    waiting: VecDeque<Change>,
    /// Whoever waits is woken by closing too.
    waker: Option<Waker>,
}

impl Feed {
    pub fn of(source: Subscription) -> Feed {
        Feed(Mutex::new(State { source: Some(source), waiting: VecDeque::new(), waker: None }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Ready when a change can be taken or none will come.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.waiting.is_empty() {
            let Some(source) = &mut self.source else { break };
            match source.poll_next(context) {
                Poll::Pending => {
                    self.waker = Some(context.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(None) => self.source = None,
                Poll::Ready(Some(Notification::Lagged(count))) => self.waiting.push_back(Change::lagged(count)),
                Poll::Ready(Some(Notification::Changed(set))) => {
                    let changes = set.changes.into_iter().map(|change| Change::caused(change, &set.cause));
                    self.waiting.extend(changes);
                }
            }
        }
        Poll::Ready(())
    }
}

/// A flag that a thread can wait for.
#[derive(Default)]
struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }
}

#[pymethods]
impl Feed {
    /// The next change, if one waits.
    fn take(&self) -> Option<Change> {
        let mut state = self.lock();
        let _ = state.poll_ready(&mut Context::from_waker(Waker::noop()));
        state.waiting.pop_front()
    }

    /// Whether no change waits and none will come.
    #[getter]
    fn closed(&self) -> bool {
        let state = self.lock();
        state.source.is_none() && state.waiting.is_empty()
    }

    /// Blocks until a change waits, none will come, or that many seconds are over.
    fn wait(&self, py: Python<'_>, seconds: f64) {
        py.detach(|| {
            let signal = Arc::new(Signal::default());
            let waker = Waker::from(Arc::clone(&signal));
            if self.lock().poll_ready(&mut Context::from_waker(&waker)).is_pending() {
                let patience = Duration::try_from_secs_f64(seconds).unwrap_or_default();
                let raised = signal.raised.lock().unwrap_or_else(PoisonError::into_inner);
                drop(signal.changed.wait_timeout_while(raised, patience, |raised| !*raised));
            }
        });
    }

    /// Calls `callback` once, on another thread, when a change waits or none will come.
    fn notify(&self, callback: Py<PyAny>) {
        let waker = waker(callback);
        if self.lock().poll_ready(&mut Context::from_waker(&waker)).is_ready() {
            waker.wake();
        }
    }

    /// Ends it at once: what waits is dropped.
    fn close(&self) {
        let (source, waker) = {
            let mut state = self.lock();
            state.waiting.clear();
            (state.source.take(), state.waker.take())
        };
        drop(source);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
