//! `Merged`: the result of merging layers.

use confmesh::{Value, merge};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::convert::{to_path, to_python};
use crate::error::exceptions;
use crate::explanation::Explanation;

/// What layers merge to, and where each value comes from.
#[pyclass(frozen, module = "confmesh")]
pub struct Merged(merge::Merged);

impl Merged {
    pub fn new(merged: merge::Merged) -> Merged {
        Merged(merged)
    }
}

#[pymethods]
impl Merged {
    /// The effective document, a fresh dict.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.0.value)
    }

    /// The source of every leaf, and of every key that `merge_dict` united: `{path: source}`.
    #[getter]
    fn provenance<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let sources: Value = self.0.provenance().map(|(path, source)| (path.to_string(), source)).collect();
        to_python(py, &sources)
    }

    /// Values that clash or have no fitting type, as exception objects that were not raised.
    #[getter]
    fn warnings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        exceptions(py, &self.0.warnings)
    }

    /// The account of the value at a path.
    fn explain(&self, py: Python<'_>, path: &str) -> PyResult<Explanation> {
        let path = to_path(py, path)?;
        Explanation::found(py, &path, self.0.explain(&path))
    }

    fn __repr__(&self) -> String {
        let ids: Vec<&str> = self.0.layers().iter().map(|layer| layer.id.as_str()).collect();
        format!("<Merged of {}>", ids.join(", "))
    }
}
