//! Errors as Python exceptions. The classes stand in `confmesh/_errors.py`; here they are found and filled.

use std::panic::{AssertUnwindSafe, catch_unwind};

use confmesh::{Code, Error, Kind, Result};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::convert::to_python;

/// The class for an error: by kind, and below it for what Python programs expect a builtin class for.
fn class_name(error: &Error) -> &'static str {
    match (error.code(), error.kind()) {
        (Code::Type, _) => "InputTypeError",
        (Code::NotFound | Code::UnknownDocument, _) => "NotFoundError",
        (_, Kind::Input) => "InputError",
        (_, Kind::Conflict) => "ConflictError",
        (_, Kind::Io) => "IoError",
        (_, Kind::Peer) => "PeerError",
        (_, Kind::Usage) => "UsageError",
        (_, Kind::Internal) => "InternalError",
    }
}

/// The exception object of an error, not raised.
pub fn exception<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let class = py.import("confmesh._errors")?.getattr(class_name(error))?;
    let fields = PyDict::new(py);
    fields.set_item("code", error.code().as_str())?;
    fields.set_item("message", error.message())?;
    fields.set_item("hint", error.hint())?;
    fields.set_item("path", error.path().map(ToString::to_string))?;
    fields.set_item("origin", error.origin().map(|origin| to_python(py, &origin.to_value())).transpose()?)?;
    fields.set_item("related", exceptions(py, error.related())?)?;
    class.call((error.to_string(),), Some(&fields))
}

/// The exception objects of several errors.
pub fn exceptions<'py>(py: Python<'py>, errors: &[Error]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, errors.iter().map(|error| exception(py, error)).collect::<PyResult<Vec<_>>>()?)
}

/// The error as what a function raises.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    exception(py, error).map_or_else(|failure| failure, PyErr::from_value)
}

/// Runs core code while other Python threads run; a panic in it is raised as an `InternalError`.
pub fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    let outcome = py.detach(|| {
        let outcome = catch_unwind(AssertUnwindSafe(work));
        crate::ending::before_return();
        outcome
    });
    let defect =
        || Error::new(Code::Internal, "confmesh panicked").with_hint("report this with what standard error says");
    outcome.unwrap_or_else(|_| Err(defect())).map_err(|error| raise(py, &error))
}

/// Refuses keywords that a class does not take, with the nearest one that it does.
pub fn refuse_unknown(called: &str, given: Option<&Bound<'_, PyDict>>, names: &[&str]) -> PyResult<()> {
    let Some((given, (name, _))) = given.and_then(|given| given.iter().next().map(|first| (given, first))) else {
        return Ok(());
    };
    let options = given.py().import("confmesh._options")?;
    let message: String = options.call_method1("misspelt", (called, name, names.to_vec()))?.extract()?;
    Err(PyTypeError::new_err(message))
}

/// Tells what a callback raised, as the interpreter tells of exceptions that nobody can catch: by `sys.unraisablehook`.
#[pyfunction]
pub fn unraisable(error: Bound<'_, PyAny>, object: &Bound<'_, PyAny>) {
    let py = object.py();
    PyErr::from_value(error).write_unraisable(py, Some(object));
}
