//! `Answer`: what becomes of a request to a running configuration.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use confmesh::{Code, Error, Result, Value};
use pyo3::prelude::*;

use crate::convert::to_python;
use crate::error::{raise, run};
use crate::notify::waker;

type Pending = Pin<Box<dyn Future<Output = Result<Value>> + Send>>;

enum State {
    Pending(Pending),
    Ready(Result<Value>),
    Taken,
}

/// An answer that somebody waits for, in a thread or in an event loop.
#[pyclass(frozen, module = "confmesh._native")]
pub struct Answer(Mutex<State>);

impl Answer {
    pub fn of<T: Send + 'static>(answer: confmesh::Answer<T>, shown: fn(T) -> Value) -> Answer {
        Answer(Mutex::new(State::Pending(Box::pin(async move { answer.await.map(shown) }))))
    }

    fn take(&self) -> State {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), State::Taken)
    }
}

#[pymethods]
impl Answer {
    /// Blocks until the answer is there; a second call is refused.
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let value =
            run(py, || match self.take() {
                State::Pending(pending) => block_on(pending),
                State::Ready(outcome) => outcome,
                State::Taken => Err(Error::new(Code::Usage, "this answer was taken already")
                    .with_hint("await it, or call `wait`, once")),
            })?;
        to_python(py, &value)
    }

    /// Calls `callback` once, on another thread, when `wait` would not block.
    fn notify(&self, py: Python<'_>, callback: Py<PyAny>) -> PyResult<()> {
        let waker = waker(callback);
        let mut state = self.0.lock().map_err(|_| raise(py, &Error::new(Code::Internal, "confmesh panicked")))?;
        if let State::Pending(pending) = &mut *state {
            match pending.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => return Ok(()),
                Poll::Ready(outcome) => *state = State::Ready(outcome),
            }
        }
        waker.wake();
        Ok(())
    }
}

fn block_on(mut pending: Pending) -> Result<Value> {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    loop {
        match pending.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => std::thread::park(),
        }
    }
}
