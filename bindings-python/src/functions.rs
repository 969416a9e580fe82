//! The pure functions. They hold no state and touch nothing outside.

use confmesh::diff::{
    Patch, apply_merge_patch, diff as differences, merge_patch_between as merge_patch_from, three_way as merge_three,
};
use confmesh::format::{self, Format};
use confmesh::merge::{Layer, Merged as Core, merge as merge_core};
use confmesh::{Code, Error, Path, Pattern, Policy, Value};
use pyo3::prelude::*;

use crate::change::Change;
use crate::convert::{to_path, to_python, to_value};
use crate::error::{raise, run};
use crate::explanation::Explanation;
use crate::merged::Merged;

/// The version of confmesh, for example `0.1.0`.
#[pyfunction]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Reads rules: a list of `{"pattern", "merge"?, "conflict"?, "secret"?}`, or nothing.
pub fn to_policy(py: Python<'_>, rules: Option<&Bound<'_, PyAny>>) -> PyResult<Policy> {
    let Some(rules) = rules else { return Ok(Policy::default()) };
    let rules = to_value(rules)?;
    run(py, || Policy::from_value(&rules))
}

fn merge_layers(py: Python<'_>, layers: &Bound<'_, PyAny>, rules: Option<&Bound<'_, PyAny>>) -> PyResult<Core> {
    let policy = to_policy(py, rules)?;
    let specs = layers.try_iter()?.map(|layer| to_value(&layer?)).collect::<PyResult<Vec<Value>>>()?;
    run(py, || {
        let layers = specs.iter().map(Layer::from_value).collect::<confmesh::Result<Vec<_>>>()?;
        Ok(merge_core(&layers, &policy))
    })
}

/// Merges layers by priority and strategy.
#[pyfunction]
#[pyo3(signature = (layers, *, rules=None))]
pub fn merge(py: Python<'_>, layers: &Bound<'_, PyAny>, rules: Option<&Bound<'_, PyAny>>) -> PyResult<Merged> {
    merge_layers(py, layers, rules).map(Merged::new)
}

/// Merges layers and accounts for the value at one path.
#[pyfunction]
#[pyo3(signature = (layers, path, *, rules=None))]
pub fn explain(
    py: Python<'_>,
    layers: &Bound<'_, PyAny>,
    path: &str,
    rules: Option<&Bound<'_, PyAny>>,
) -> PyResult<Explanation> {
    Explanation::found(py, &to_path(py, path)?, merge_layers(py, layers, rules)?.explain(&to_path(py, path)?))
}

/// What turns one value into another, as a JSON Patch (RFC 6902).
#[pyfunction]
pub fn diff<'py>(py: Python<'py>, old: &Bound<'py, PyAny>, new: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let (old, new) = (to_value(old)?, to_value(new)?);
    to_python(py, &run(py, || Ok(Patch::between(&old, &new).to_value()))?)
}

/// What differs between two values, key by key.
#[pyfunction]
pub fn changes(py: Python<'_>, old: &Bound<'_, PyAny>, new: &Bound<'_, PyAny>) -> PyResult<Vec<Change>> {
    let (old, new) = (to_value(old)?, to_value(new)?);
    Ok(run(py, || Ok(differences(&old, &new)))?.into_iter().map(Change::of).collect())
}

/// Applies a JSON Patch (RFC 6902), all of it or nothing.
#[pyfunction]
pub fn patch<'py>(py: Python<'py>, doc: &Bound<'py, PyAny>, patch: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let (doc, patch) = (to_value(doc)?, to_value(patch)?);
    to_python(py, &run(py, || Patch::from_value(&patch)?.apply(&doc))?)
}

/// Applies a JSON Merge Patch (RFC 7396).
#[pyfunction]
pub fn merge_patch<'py>(
    py: Python<'py>,
    doc: &Bound<'py, PyAny>,
    patch: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (doc, patch) = (to_value(doc)?, to_value(patch)?);
    to_python(py, &run(py, || Ok(apply_merge_patch(&doc, &patch)))?)
}

/// What turns one value into another, as a JSON Merge Patch (RFC 7396).
#[pyfunction]
pub fn merge_patch_between<'py>(
    py: Python<'py>,
    old: &Bound<'py, PyAny>,
    new: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (old, new) = (to_value(old)?, to_value(new)?);
    to_python(py, &run(py, || merge_patch_from(&old, &new))?)
}

/// Merges two values that came from one base; ours stays where both changed a path differently.
#[pyfunction]
pub fn three_way<'py>(
    py: Python<'py>,
    base: &Bound<'py, PyAny>,
    ours: &Bound<'py, PyAny>,
    theirs: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let (base, ours, theirs) = (to_value(base)?, to_value(ours)?, to_value(theirs)?);
    to_python(py, &run(py, || Ok(merge_three(&base, &ours, &theirs).to_value()))?)
}

/// The canonical text of a value (RFC 8785, integers of 64 bits in full).
#[pyfunction]
pub fn canonical(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let value = to_value(value)?;
    run(py, || Ok(confmesh::canonical::canonical(&value)))
}

/// The content hash of a value, `sha256:` and 64 hexadecimal digits.
#[pyfunction]
pub fn hash(py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let value = to_value(value)?;
    run(py, || Ok(confmesh::canonical::content_hash(&value).to_string()))
}

/// Reads a text.
#[pyfunction]
#[pyo3(signature = (text, format="json", *, source=""))]
pub fn parse<'py>(py: Python<'py>, text: &str, format: &str, source: &str) -> PyResult<Bound<'py, PyAny>> {
    to_python(py, &run(py, || format::parse_from(text, Format::from_name(format)?, source))?)
}

/// Writes a value as text.
#[pyfunction]
#[pyo3(signature = (value, format="json"))]
pub fn dump(py: Python<'_>, value: &Bound<'_, PyAny>, format: &str) -> PyResult<String> {
    let value = to_value(value)?;
    run(py, || format::print(&value, Format::from_name(format)?))
}

/// Changes a text so that it holds another value; what does not change stays as it is written.
#[pyfunction]
pub fn rewrite(py: Python<'_>, text: &str, format: &str, target: &Bound<'_, PyAny>) -> PyResult<String> {
    let target = to_value(target)?;
    run(py, || format::rewrite(text, Format::from_name(format)?, &target))
}

/// Reads a path into its segments and its two spellings.
#[pyfunction]
pub fn parse_path<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    let path = to_path(py, text)?;
    let segments: Vec<Value> = path.segments().iter().cloned().map(Value::from).collect();
    let fields: [(&str, Value); 3] =
        [("segments", segments.into()), ("dotted", path.to_string().into()), ("pointer", path.to_pointer().into())];
    to_python(py, &fields.into_iter().collect())
}

/// Whether a pattern matches a path.
#[pyfunction]
pub fn matches(py: Python<'_>, pattern: &str, path: &str) -> PyResult<bool> {
    run(py, || Ok(Pattern::parse(pattern)?.matches(&Path::parse(path)?)))
}

/// What is raised where nothing is at a path.
pub fn nothing_at(py: Python<'_>, path: &Path) -> PyErr {
    raise(py, &Error::new(Code::NotFound, format!("nothing is at `{path}`")).with_path(path.clone()))
}
