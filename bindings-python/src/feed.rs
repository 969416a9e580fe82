//! `Feed`: what one subscription or reader of reports gets, one by one.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use confmesh::{Mesh, Notification, Reports, Subscription};
use pyo3::prelude::*;

use crate::change::Change;
use crate::fork::Process;
use crate::notify::waker;
use crate::report::Report;

/// Changes or reports that wait to be taken; for one taker at a time.
#[pyclass(frozen, module = "confmesh._native")]
pub struct Feed {
    state: Mutex<State>,
    born: Process,
}

struct State {
    /// None once it is closed.
    source: Option<Source>,
    waiting: VecDeque<Told>,
    /// Whoever waits is woken by closing too.
    waker: Option<Waker>,
}

enum Source {
    /// A configuration lives as long as somebody follows its changes.
    Changes { changes: Subscription, _lives: Mesh },
    /// The log follows everything, and must keep nothing alive.
    Reports { reports: Reports, _lives: Option<Mesh> },
}

enum Told {
    Change(Change),
    Report(Report),
}

impl Feed {
    fn of(source: Source) -> Feed {
        let state = State { source: Some(source), waiting: VecDeque::new(), waker: None };
        Feed { state: Mutex::new(state), born: Process::this() }
    }

    pub fn changes(of: Subscription, mesh: &Mesh) -> Feed {
        Feed::of(Source::Changes { changes: of, _lives: mesh.clone() })
    }

    pub fn reports(mesh: &Mesh, keeps_alive: bool) -> Feed {
        Feed::of(Source::Reports { reports: mesh.reports(), _lives: keeps_alive.then(|| mesh.clone()) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !self.born.is_this() {
            // Its locks may be held for ever by threads that only the parent has.
            mem::forget(mem::take(&mut state.waiting));
            mem::forget(state.source.take());
            mem::forget(state.waker.take());
        }
    }
}

impl State {
    /// Ready when something can be taken or nothing will come.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.waiting.is_empty() {
            let waiting = &mut self.waiting;
            let polled = match &mut self.source {
                None => break,
                Some(Source::Changes { changes, .. }) => changes.poll_next(context).map(|next| take_in(waiting, next)),
                Some(Source::Reports { reports, .. }) => reports.poll_next(context).map(|next| {
                    waiting.extend(next.map(|report| Told::Report(Report::of(report))));
                    !waiting.is_empty()
                }),
            };
            match polled {
                Poll::Pending => {
                    self.waker = Some(context.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(true) => {}
                Poll::Ready(false) => self.source = None,
            }
        }
        Poll::Ready(())
    }
}

/// Queues a notification; false where there is none any more.
fn take_in(waiting: &mut VecDeque<Told>, next: Option<Notification>) -> bool {
    match next {
        None => return false,
        Some(Notification::Lagged(count)) => waiting.push_back(Told::Change(Change::lagged(count))),
        Some(Notification::Changed(set)) => {
            waiting.extend(set.changes.into_iter().map(|change| Told::Change(Change::caused(change, &set.cause))));
        }
    }
    true
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
    /// The next change or report, if one waits.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let told = {
            let mut state = self.lock();
            let _ = state.poll_ready(&mut Context::from_waker(Waker::noop()));
            state.waiting.pop_front()
        };
        match told {
            None => Ok(None),
            Some(Told::Change(change)) => Ok(Some(Bound::new(py, change)?.into_any())),
            Some(Told::Report(report)) => Ok(Some(Bound::new(py, report)?.into_any())),
        }
    }

    /// Whether nothing waits and nothing will come.
    #[getter]
    fn closed(&self) -> bool {
        let state = self.lock();
        state.source.is_none() && state.waiting.is_empty()
    }

    /// Blocks until something waits, nothing will come, or that many seconds are over.
    fn wait(&self, py: Python<'_>, seconds: f64) {
        py.detach(|| {
            let signal = Arc::new(Signal::default());
            let waker = Waker::from(Arc::clone(&signal));
            if self.lock().poll_ready(&mut Context::from_waker(&waker)).is_pending() {
                let patience = Duration::try_from_secs_f64(seconds).unwrap_or_default();
                let raised = signal.raised.lock().unwrap_or_else(PoisonError::into_inner);
                drop(signal.changed.wait_timeout_while(raised, patience, |raised| !*raised));
            }
            crate::ending::before_return();
        });
    }

    /// Calls `callback` once, on another thread, when something waits or nothing will come.
    fn notify(&self, callback: Py<PyAny>) {
        let waker = waker(callback);
        if self.lock().poll_ready(&mut Context::from_waker(&waker)).is_ready() {
            waker.wake();
        }
    }

    /// Ends it at once: what waits is dropped.
    fn close(&self, py: Python<'_>) {
        py.detach(|| {
            let (source, waker) = {
                let mut state = self.lock();
                state.waiting.clear();
                (state.source.take(), state.waker.take())
            };
            if let Some(waker) = waker {
                waker.wake();
            }
            // It may be the last that keeps the configuration alive, which then closes.
            drop(source);
        });
    }
}
