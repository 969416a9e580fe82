//! Calling Python when something is ready, on a thread of its own.
//!
//! What wakes us holds locks of the core, and calling Python may have to wait for another thread: so the waker only
//! sends, and this thread calls. It never ends, and calls nothing once the interpreter shuts down.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Wake, Waker};
use std::thread;

use pyo3::prelude::*;

/// A waker that calls a Python function, once.
struct Notify {
    callback: Mutex<Option<Py<PyAny>>>,
    to: Sender<Arc<Notify>>,
}

impl Wake for Notify {
    fn wake(self: Arc<Self>) {
        // It fails only if the thread is gone, and then there is nobody to call.
        let _ = self.to.clone().send(self);
    }
}

/// A waker that calls `callback` without arguments; what it raises goes to `sys.unraisablehook`.
pub fn waker(callback: Py<PyAny>) -> Waker {
    static QUEUE: OnceLock<Sender<Arc<Notify>>> = OnceLock::new();
    let to = QUEUE.get_or_init(|| {
        let (to, queue) = channel::<Arc<Notify>>();
        // Without a thread the queue is closed and nobody is called; Python has then run out of threads as well.
        let _ = thread::Builder::new().name("confmesh-notify".to_owned()).spawn(move || {
            for notify in queue {
                let callback = notify.callback.lock().unwrap_or_else(PoisonError::into_inner).take();
                let Some(callback) = callback else { continue };
                Python::try_attach(|py| {
                    if let Err(error) = callback.bind(py).call0() {
                        error.write_unraisable(py, Some(callback.bind(py)));
                    }
                });
            }
        });
        to
    });
    Waker::from(Arc::new(Notify { callback: Mutex::new(Some(callback)), to: to.clone() }))
}
