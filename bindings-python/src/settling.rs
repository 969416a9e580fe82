//! Concurrent changes: of one key, of one list or text, of a replicated document.

use confmesh::conflict::{Change, resolve_changes};
use confmesh::replica::{Delta, view_of};
use confmesh::sequence::{Operation, transform};
use confmesh::{Code, Error, Result, Value};
use pyo3::prelude::*;

use crate::convert::{to_python, to_value};
use crate::error::run;

fn to_values(items: &Bound<'_, PyAny>) -> PyResult<Vec<Value>> {
    items.try_iter()?.map(|item| to_value(&item?)).collect()
}

/// Settles competing changes of one key; the order of the changes does not matter.
#[pyfunction]
#[pyo3(signature = (key, changes, strategy="last_write_wins"))]
pub fn resolve<'py>(
    py: Python<'py>,
    key: &str,
    changes: &Bound<'py, PyAny>,
    strategy: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let changes = to_values(changes)?;
    let resolution = run(py, || {
        let changes = changes.iter().map(Change::from_value).collect::<Result<Vec<_>>>()?;
        Ok(resolve_changes(key, &changes, strategy.parse()?)?.to_value())
    })?;
    to_python(py, &resolution)
}

/// What every instance shows that has seen these deltas, in any order, and what their writers disagree on.
#[pyfunction]
pub fn view_deltas<'py>(py: Python<'py>, deltas: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let deltas = to_values(deltas)?;
    let view = run(py, || {
        let deltas = deltas.iter().map(Delta::from_value).collect::<Result<Vec<_>>>()?;
        Ok(view_of(&deltas)?.to_value())
    })?;
    to_python(py, &view)
}

/// The operation that makes `new` of `old`, two lists or two texts: as small as it can be.
#[pyfunction]
pub fn sequence_between<'py>(
    py: Python<'py>,
    old: &Bound<'py, PyAny>,
    new: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (old, new) = (to_value(old)?, to_value(new)?);
    let no_sequences = || Error::new(Code::Type, "an operation leads from a list to a list, or from a text to a text");
    to_python(py, &run(py, || Operation::between(&old, &new).map(|o| o.to_value()).ok_or_else(no_sequences))?)
}

/// The list or text with an operation applied.
#[pyfunction]
pub fn sequence_apply<'py>(
    py: Python<'py>,
    operation: &Bound<'py, PyAny>,
    value: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (operation, value) = (to_value(operation)?, to_value(value)?);
    to_python(py, &run(py, || Operation::from_value(&operation)?.apply(&value))?)
}

/// One operation for `first` and then `second`.
#[pyfunction]
pub fn sequence_compose<'py>(
    py: Python<'py>,
    first: &Bound<'py, PyAny>,
    second: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (first, second) = (to_value(first)?, to_value(second)?);
    let composed =
        run(py, || Ok(Operation::from_value(&first)?.compose(&Operation::from_value(&second)?)?.to_value()))?;
    to_python(py, &composed)
}

/// The operation that takes one back; `before` is what that one was made for.
#[pyfunction]
pub fn sequence_invert<'py>(
    py: Python<'py>,
    operation: &Bound<'py, PyAny>,
    before: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (operation, before) = (to_value(operation)?, to_value(before)?);
    to_python(py, &run(py, || Ok(Operation::from_value(&operation)?.invert(&before)?.to_value()))?)
}

/// An operation for a sequence that `over`, made for the same one, has changed already. Of two insertions at one place
/// that of the `left` side comes first.
#[pyfunction]
pub fn sequence_transform<'py>(
    py: Python<'py>,
    operation: &Bound<'py, PyAny>,
    over: &Bound<'py, PyAny>,
    side: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let (operation, over) = (to_value(operation)?, to_value(over)?);
    let transformed = run(py, || {
        let (operation, over) = (Operation::from_value(&operation)?, Operation::from_value(&over)?);
        Ok(transform(&operation, &over, side.parse()?).to_value())
    })?;
    to_python(py, &transformed)
}
