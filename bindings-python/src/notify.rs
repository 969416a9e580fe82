//! Calling Python when something is ready, on a thread of its own.
//!
//! What wakes us holds locks of the core, and calling Python may have to wait for another thread: so the waker only
//! sends, and this thread calls. It never ends, and calls nothing once the interpreter shuts down.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Wake, Waker};
use std::thread;

use pyo3::prelude::*;

use crate::ending::attached;
use crate::fork::Process;

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
    Waker::from(Arc::new(Notify { callback: Mutex::new(Some(callback)), to: queue().clone() }))
}

/// The queue of this process's thread: a fork takes no thread along, so each child starts its own.
struct Queues {
    own: OnceLock<Sender<Arc<Notify>>>,
    of_child: OnceLock<Box<Queues>>,
}

impl Queues {
    const fn new() -> Queues {
        Queues { own: OnceLock::new(), of_child: OnceLock::new() }
    }
}

fn queue() -> &'static Sender<Arc<Notify>> {
    static FIRST: Queues = Queues::new();
    let mut queues = &FIRST;
    for _ in 0..Process::this().generation() {
        queues = queues.of_child.get_or_init(|| Box::new(Queues::new()));
    }
    queues.own.get_or_init(start)
}

fn start() -> Sender<Arc<Notify>> {
    let (to, queue) = channel::<Arc<Notify>>();
    // Without a thread the queue is closed and nobody is called; Python has then run out of threads as well.
    let _ = thread::Builder::new().name("confmesh-notify".to_owned()).spawn(move || {
        for notify in queue {
            let callback = notify.callback.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(callback) = callback else { continue };
            attached(|py| {
                if let Err(error) = callback.bind(py).call0() {
                    error.write_unraisable(py, Some(callback.bind(py)));
                }
                // Dropped while attached: else it would wait until somebody else attaches.
                drop(callback);
            });
        }
    });
    to
}
