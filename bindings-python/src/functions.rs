//! The pure functions. They hold no state and touch nothing outside.

use std::collections::BTreeMap;

use confmesh::diff::{
    Patch, apply_merge_patch, diff as differences, merge_patch_between as merge_patch_from, three_way as merge_three,
};
use confmesh::format::{self, Format};
use confmesh::merge::{Layer, MergeOptions, Merged as Core, Variables, merge_with, split_profiles};
use confmesh::schema::{CustomCheck, Schema as CoreSchema};
use confmesh::{Code, Error, Path, Pattern, Policy, Value};
use pyo3::prelude::*;

use crate::change::Change;
use crate::convert::{to_path, to_python, to_value};
use crate::error::{raise, run};
use crate::explanation::Explanation;
use crate::merged::Merged;
use crate::schema::{Schema, to_variables, with_errors};

/// The version of confmesh, for example `0.1.0`.
#[pyfunction]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Reads rules: a list of `{"pattern", "merge"?, "key"?, "conflict"?, "secret"?, "atomic"?}`, or nothing.
pub fn to_policy(py: Python<'_>, rules: Option<&Bound<'_, PyAny>>) -> PyResult<Policy> {
    let Some(rules) = rules else { return Ok(Policy::default()) };
    let rules = to_value(rules)?;
    run(py, || Policy::from_value(&rules))
}

/// One name or several.
#[derive(FromPyObject)]
pub enum Names {
    One(String),
    Many(Vec<String>),
}

impl From<Names> for Vec<String> {
    fn from(names: Names) -> Vec<String> {
        match names {
            Names::One(name) => vec![name],
            Names::Many(names) => names,
        }
    }
}

fn merge_layers(
    py: Python<'_>,
    layers: &Bound<'_, PyAny>,
    rules: Option<&Bound<'_, PyAny>>,
    schema: Option<&Bound<'_, Schema>>,
    profiles: Option<Names>,
    (interpolate, invalid_variables): (Option<&Bound<'_, PyAny>>, &str),
) -> PyResult<Core> {
    let policy = to_policy(py, rules)?;
    let specs = layers.try_iter()?.map(|layer| to_value(&layer?)).collect::<PyResult<Vec<Value>>>()?;
    let variables: Option<BTreeMap<String, String>> =
        interpolate.map(to_variables).transpose()?.map(|variables| variables.into_iter().collect());
    let profiles = profiles.map(Vec::from);
    let merge = |schema: Option<&CoreSchema>, checks: &[CustomCheck<'_>]| {
        let layers = specs.iter().map(Layer::from_value).collect::<confmesh::Result<Vec<_>>>()?;
        let named = |name: &str| variables.as_ref()?.get(name).cloned();
        let variables: Option<Variables<'_>> = if variables.is_some() { Some(&named) } else { None };
        let invalid_variables = invalid_variables.parse()?;
        let options =
            MergeOptions { policy, schema, checks, profiles, variables, invalid_variables, ..MergeOptions::default() };
        merge_with(&layers, &options)?.valid()
    };
    match schema {
        None => run(py, || merge(None, &[])),
        Some(schema) => schema.get().run(py, |core, checks| merge(Some(core), checks)),
    }
}

/// Merges layers by priority and strategy; with a schema, a document that breaks it is raised, not returned.
#[pyfunction]
#[pyo3(signature = (layers, *, rules=None, schema=None, profiles=None, interpolate=None, invalid_variables="refuse"))]
pub fn merge(
    py: Python<'_>,
    layers: &Bound<'_, PyAny>,
    rules: Option<&Bound<'_, PyAny>>,
    schema: Option<&Bound<'_, Schema>>,
    profiles: Option<Names>,
    interpolate: Option<&Bound<'_, PyAny>>,
    invalid_variables: &str,
) -> PyResult<Merged> {
    merge_layers(py, layers, rules, schema, profiles, (interpolate, invalid_variables)).map(Merged::new)
}

/// Merges layers and accounts for the value at one path.
#[pyfunction]
#[pyo3(signature = (layers, path, *, rules=None, schema=None, profiles=None, interpolate=None, invalid_variables="refuse"))]
#[allow(clippy::too_many_arguments, reason = "they are named on the Python side")]
pub fn explain(
    py: Python<'_>,
    layers: &Bound<'_, PyAny>,
    path: &str,
    rules: Option<&Bound<'_, PyAny>>,
    schema: Option<&Bound<'_, Schema>>,
    profiles: Option<Names>,
    interpolate: Option<&Bound<'_, PyAny>>,
    invalid_variables: &str,
) -> PyResult<Explanation> {
    let path = to_path(py, path)?;
    let merged = merge_layers(py, layers, rules, schema, profiles, (interpolate, invalid_variables))?;
    Explanation::found(py, &path, merged.explain(&path))
}

/// The document with its references replaced, and what could not be, as `{"value", "errors"}`.
#[pyfunction]
pub fn interpolate<'py>(
    py: Python<'py>,
    document: &Bound<'py, PyAny>,
    variables: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let document = to_value(document)?;
    let variables: BTreeMap<String, String> = to_variables(variables)?.into_iter().collect();
    let (value, errors) =
        run(py, || Ok(confmesh::merge::interpolate(&document, &|name| variables.get(name).cloned())))?;
    with_errors(py, "value", &value, "errors", &errors)
}

/// The base of a document with profiles and what is active, lowest first, as a list of `{"name", "value"}`.
#[pyfunction]
pub fn profiles<'py>(py: Python<'py>, document: &Bound<'py, PyAny>, active: Names) -> PyResult<Bound<'py, PyAny>> {
    let (document, active) = (to_value(document)?, Vec::from(active));
    let parts = run(py, || {
        let parts = split_profiles(&document, &active.iter().map(String::as_str).collect::<Vec<_>>())?;
        let part = |(name, value)| -> Value { [("name", Value::String(name)), ("value", value)].into_iter().collect() };
        Ok(parts.into_iter().map(part).collect::<Vec<Value>>().into())
    })?;
    to_python(py, &parts)
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
