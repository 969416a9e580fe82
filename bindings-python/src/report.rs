//! `Report`: what an operator should know.

use confmesh::Report as Core;
use confmesh::engine::Level;
use pyo3::prelude::*;

use crate::convert::to_python;
use crate::error::exception;

/// Something that an operator should know: a source that broke or is in order again, an edit that was refused.
#[pyclass(frozen, module = "confmesh")]
pub struct Report(Core);

impl Report {
    pub fn of(report: Core) -> Report {
        Report(report)
    }
}

#[pymethods]
impl Report {
    /// `info`, `warning` or `error`.
    #[getter]
    fn level(&self) -> &'static str {
        match self.0.level {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }

    /// What the log says, as one line.
    #[getter]
    fn message(&self) -> &str {
        &self.0.message
    }

    /// The id of the source that it is about; `None` where it is about none.
    #[getter]
    fn source(&self) -> Option<&str> {
        self.0.source.as_ref().map(|(source, _)| source.as_str())
    }

    /// How that source is now: `fresh`, `missing`, or `stale` where its last good content is in force.
    #[getter]
    fn state(&self) -> Option<&'static str> {
        self.0.source.as_ref().map(|(_, state)| state.as_str())
    }

    /// What went wrong, as an exception object that was not raised.
    #[getter]
    fn error<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.error.as_ref().map(|error| exception(py, error)).transpose()
    }

    /// The report as a dict; what there is none of is missing.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.0.to_value())
    }

    fn __repr__(&self) -> String {
        format!("<Report {}: {}>", self.level(), self.0.message)
    }
}
