//! `Explanation`: the account of one path.

use confmesh::{Path, Value, merge};
use pyo3::prelude::*;

use crate::convert::to_python;
use crate::functions::nothing_at;

/// Why a path has its value: the winner, the rule, and what was overridden. Secrets are masked.
#[pyclass(frozen, module = "confmesh")]
pub struct Explanation {
    table: String,
    fields: Value,
}

impl Explanation {
    /// The account, or the error that there is none.
    pub fn found(py: Python<'_>, path: &Path, explanation: Option<merge::Explanation>) -> PyResult<Explanation> {
        let explanation = explanation.ok_or_else(|| nothing_at(py, path))?;
        Ok(Explanation { table: explanation.to_string(), fields: explanation.to_value() })
    }

    fn field<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.fields.child(name).map_or_else(|| Ok(py.None().into_bound(py)), |field| to_python(py, field))
    }
}

#[pymethods]
impl Explanation {
    /// The path, in dotted form.
    #[getter]
    fn path<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "path")
    }

    /// The value in force; `None` also where nothing is, which `absence` tells.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "value")
    }

    /// The strategy that governs the path.
    #[getter]
    fn rule<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "rule")
    }

    /// The pattern of the rule that says so; `None` where it is a layer's strategy.
    #[getter]
    fn pattern<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "pattern")
    }

    /// The source as one text, `base+local` for what several make up.
    #[getter]
    fn source<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "source")
    }

    /// The layers that the value is made of.
    #[getter]
    fn sources<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "sources")
    }

    /// The highest layer that the value is made of.
    #[getter]
    fn winner<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "winner")
    }

    /// Every other layer that holds the path, highest first.
    #[getter]
    fn others<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "others")
    }

    /// Why nothing is there, where nothing is.
    #[getter]
    fn absence<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "absence")
    }

    /// What was written there and is not in force.
    #[getter]
    fn withheld<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "withheld")
    }

    /// The account as a dict; what there is none of is missing.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.fields)
    }

    fn __str__(&self) -> &str {
        self.table.trim_end()
    }

    fn __repr__(&self) -> String {
        let text = |name: &str| self.fields.child(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        format!("<Explanation of {} from {}>", text("path"), text("source"))
    }
}
