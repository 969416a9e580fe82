//! The end of the interpreter: a thread of ours that is about to call Python then would be torn out of its own code.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;

/// How long a thread of the program stays behind at the end.
const STAYS_BEHIND: Duration = Duration::from_secs(5);

/// How many threads call Python, or are about to.
static INSIDE: AtomicUsize = AtomicUsize::new(0);
static ENDS: AtomicBool = AtomicBool::new(false);
/// Who ends it waits here for them. Taken only once it ends, so that no fork finds it taken.
static WAITS: Mutex<()> = Mutex::new(());
static LEFT: Condvar = Condvar::new();

thread_local! {
    /// Whether this is the thread that ends the interpreter: it may do what it likes.
    static ENDS_HERE: Cell<bool> = const { Cell::new(false) };
}

/// One of those inside.
struct Inside;

impl Inside {
    fn enter() -> Inside {
        INSIDE.fetch_add(1, Ordering::SeqCst);
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // A fork may have set it back meanwhile.
        let _ = INSIDE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |inside| inside.checked_sub(1));
        if ENDS.load(Ordering::SeqCst) {
            drop(WAITS.lock());
            LEFT.notify_all();
        }
    }
}

/// Calls Python; none where the interpreter ends, or has none to call.
pub fn attached<R>(call: impl for<'py> FnOnce(Python<'py>) -> R) -> Option<R> {
    // Counted before it looks: whoever ends it sees this thread, or this thread sees the end.
    let _inside = Inside::enter();
    if ENDS.load(Ordering::SeqCst) && !ENDS_HERE.get() {
        return None;
    }
    Python::try_attach(call)
}

/// From now on no other thread of ours calls Python. Waits for those that do, at most so many seconds.
#[pyfunction]
pub fn end(py: Python<'_>, seconds: f64) {
    ENDS_HERE.set(true);
    ENDS.store(true, Ordering::SeqCst);
    let patience = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    py.detach(|| {
        let waits = WAITS.lock().unwrap_or_else(PoisonError::into_inner);
        drop(LEFT.wait_timeout_while(waits, patience, |()| INSIDE.load(Ordering::SeqCst) > 0));
    });
}

/// Before a thread that Python started goes back to it. Where the interpreter ends it would be torn out of our code there, so it
/// stays behind while the process ends; not for ever, as somebody may wait for it.
pub fn before_return() {
    if ENDS.load(Ordering::SeqCst) && !ENDS_HERE.get() {
        let nobody = Mutex::new(());
        let waits = nobody.lock().unwrap_or_else(PoisonError::into_inner);
        drop(Condvar::new().wait_timeout_while(waits, STAYS_BEHIND, |()| true));
    }
}

/// In the child of a fork no thread but this one is there.
pub fn forked() {
    INSIDE.store(0, Ordering::SeqCst);
}
