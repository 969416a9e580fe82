//! Variables of the program: `os.environ`, which knows what the program set.

use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use confmesh::{Environment, VariableChanges};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::ending::attached;
use crate::error::run;

/// The environment as Python has it.
pub fn environment() -> Environment {
    Environment::of(|| attached(|py| listed(py).ok()).flatten())
}

fn listed(py: Python<'_>) -> PyResult<Vec<(OsString, OsString)>> {
    let copy = py.import("os")?.getattr("environ")?.call_method0("copy")?;
    copy.cast_into::<PyDict>()?.iter().map(|(name, text)| Ok((name.extract()?, text.extract()?))).collect()
}

/// Changes of variables that a program follows by name.
#[pyclass(frozen, module = "confmesh._native")]
pub struct Variables(Mutex<VariableChanges>);

#[pymethods]
impl Variables {
    #[new]
    fn new(py: Python<'_>, names: Vec<String>, seconds: f64) -> PyResult<Variables> {
        let every = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1));
        run(py, || confmesh::watch_variables(names, every, environment())).map(|changes| Variables(Mutex::new(changes)))
    }

    /// What changed, by name: what it was, and what it is. `None` where nothing did within so many seconds.
    fn wait<'py>(&self, py: Python<'py>, seconds: f64) -> PyResult<Option<Bound<'py, PyDict>>> {
        let patience = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO);
        let wait = || self.0.lock().unwrap_or_else(PoisonError::into_inner).wait(patience);
        let Some(change) = run(py, wait)? else { return Ok(None) };
        let told = PyDict::new(py);
        for (name, both) in change {
            told.set_item(name, both)?;
        }
        Ok(Some(told))
    }
}
