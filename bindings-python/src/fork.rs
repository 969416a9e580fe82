//! What a fork leaves behind: objects whose threads run in the parent alone.
//!
//! A child must not touch them, as another thread may have held any of their locks at the fork. `confmesh/_forking.py`
//! puts others in their place; here is what makes sure that the old ones are left alone when they go.

use std::sync::atomic::{AtomicU64, Ordering};

use confmesh::{Code, Error, Result};
use pyo3::prelude::*;

static FORKS: AtomicU64 = AtomicU64::new(0);

/// Which process an object was made in, counted from the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(u64);

impl Process {
    /// This one.
    pub fn this() -> Process {
        Process(FORKS.load(Ordering::Relaxed))
    }

    /// How many forks lie between the first process and this one.
    pub fn generation(self) -> u64 {
        self.0
    }

    pub fn is_this(self) -> bool {
        self == Process::this()
    }

    /// # Errors
    /// [`Code::Usage`] in a child of that process.
    pub fn check(self) -> Result<()> {
        if self.is_this() {
            return Ok(());
        }
        Err(Error::new(Code::Usage, "this was asked before the process forked: the answer goes to the parent")
            .with_hint("ask again in the child"))
    }
}

/// Says that this is the child of a fork.
#[pyfunction]
pub fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    crate::ending::forked();
}
