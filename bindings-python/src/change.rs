//! `Change`: one difference, as functions return it and subscribers get it.

use confmesh::{Path, diff};
use pyo3::prelude::*;

use crate::convert::to_python;

/// One difference between two documents.
#[pyclass(frozen, module = "confmesh")]
pub struct Change {
    change: diff::Change,
    cause: Option<String>,
    /// How many change sets were left out here; then there is no change.
    lagged: u64,
}

impl Change {
    pub fn of(change: diff::Change) -> Change {
        Change { change, cause: None, lagged: 0 }
    }

    pub fn caused(change: diff::Change, cause: &str) -> Change {
        Change { change, cause: Some(cause.to_owned()), lagged: 0 }
    }

    /// What a subscriber gets in the place of changes that it was too slow for.
    pub fn lagged(count: u64) -> Change {
        Change { change: diff::Change { path: Path::root(), old: None, new: None }, cause: None, lagged: count }
    }
}

#[pymethods]
impl Change {
    /// Where, in dotted form.
    #[getter]
    fn path(&self) -> String {
        self.change.path.to_string()
    }

    /// `added`, `changed` or `removed`; `lagged` where changes were left out because the subscriber was too slow.
    #[getter]
    fn op(&self) -> &'static str {
        if self.lagged > 0 { "lagged" } else { self.change.op().as_str() }
    }

    /// What was there; `None` also where nothing was, which `op` tells.
    #[getter]
    fn old<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.change.old.as_ref().map(|old| to_python(py, old)).transpose()
    }

    /// What is there now; `None` also where nothing is, which `op` tells.
    #[getter(new)]
    fn new_value<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.change.new.as_ref().map(|new| to_python(py, new)).transpose()
    }

    /// What brought it: a source's id, or `None` where it is only a difference.
    #[getter]
    fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The change as a dict; `old` or `new` is missing where nothing was or is.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.change.to_value())
    }

    fn __repr__(&self) -> String {
        if self.lagged > 0 {
            return format!("<Change: {} left out>", self.lagged);
        }
        let side = |value: &Option<confmesh::Value>| value.as_ref().map_or("nothing".to_owned(), |v| format!("{v:?}"));
        let diff::Change { path, old, new } = &self.change;
        format!("<Change {path}: {} -> {}>", side(old), side(new))
    }
}
