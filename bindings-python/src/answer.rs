//! `Answer`: what becomes of a request to a running configuration.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use confmesh::{Code, Error, Result, Value};
use pyo3::prelude::*;

use crate::convert::to_python;
use crate::error::{raise, run};
use crate::fork::Process;
use crate::notify::waker;

type Pending = Pin<Box<dyn Future<Output = Result<Value>> + Send>>;

enum State {
    Pending(Pending),
    Ready(Result<Value>),
    Taken,
}

/// An answer that somebody waits for, in a thread or in an event loop.
#[pyclass(frozen, module = "confmesh._native")]
pub struct Answer {
    state: Mutex<State>,
    born: Process,
}

impl Answer {
    /// Arguments that mean nothing are raised at once; what the instance makes of them, where the answer is taken.
    pub fn of<T: Send + 'static>(
        py: Python<'_>,
        answer: confmesh::Answer<T>,
        shown: fn(T) -> Value,
    ) -> PyResult<Answer> {
        let answer = answer.asked().map_err(|error| raise(py, &error))?;
        let pending: Pending = Box::pin(async move { answer.await.map(shown) });
        Ok(Answer { state: Mutex::new(State::Pending(pending)), born: Process::this() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready once the answer can be taken.
    fn poll_ready(&self, waker: &Waker) -> Poll<()> {
        let mut state = self.lock();
        if let State::Pending(pending) = &mut *state {
            match pending.as_mut().poll(&mut Context::from_waker(waker)) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(outcome) => *state = State::Ready(outcome),
            }
        }
        Poll::Ready(())
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.born.is_this() {
            let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(std::mem::replace(state, State::Taken));
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[pymethods]
impl Answer {
    /// Blocks until the answer is there, at most about so many seconds, and says whether it is.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        run(py, || {
            self.born.check()?;
            let waker = Waker::from(Arc::new(Unpark(thread::current())));
            if self.poll_ready(&waker).is_pending() {
                thread::park_timeout(Duration::try_from_secs_f64(seconds).unwrap_or_default());
            }
            Ok(self.poll_ready(&waker).is_ready())
        })
    }

    /// The answer, once: `wait` or `notify` told that it is there.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let value = run(py, || {
            self.born.check()?;
            let _ = self.poll_ready(Waker::noop());
            match std::mem::replace(&mut *self.lock(), State::Taken) {
                State::Ready(outcome) => outcome,
                State::Pending(_) | State::Taken => Err(Error::new(Code::Usage, "this answer was taken already")
                    .with_hint("await it, or call `wait`, once")),
            }
        })?;
        to_python(py, &value)
    }

    /// Calls `callback` once, on another thread, when the answer can be taken.
    fn notify(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        self.born.check().map_err(|error| raise(py, &error))?;
        let waker = waker(callback);
        if self.poll_ready(&waker).is_ready() {
            waker.wake();
        }
        Ok(())
    }
}
