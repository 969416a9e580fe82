//! `Replica`: a whole copy of a replicated document.

use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use confmesh::document::Document;
use confmesh::id::{Genesis, ReplicaId};
use confmesh::replica::Disagreement;
use confmesh::{Code, Error, Result, Value};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::change::Change;
use crate::convert::{to_path, to_python, to_value};
use crate::error::{raise, refuse_unknown, run};
use crate::functions::to_policy;

/// A replica of a document. Its methods exclude each other and may be called from any thread.
#[pyclass(frozen, module = "confmesh")]
pub struct Replica(Mutex<Document>);

#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the core is told the time by its bindings")]
fn time(given: Option<u64>) -> u64 {
    let clock = || std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    given.unwrap_or_else(|| u64::try_from(clock()).unwrap_or(u64::MAX))
}

/// The 16 bytes of an id, random where none is given.
fn id(py: Python<'_>, given: Option<&[u8]>) -> PyResult<[u8; 16]> {
    match given {
        Some(bytes) => bytes.try_into().map_err(|_| {
            let message = format!("an id has 16 bytes, not {}", bytes.len());
            raise(py, &Error::new(Code::Usage, message).with_hint("leave it out for a random one"))
        }),
        None => py.import("os")?.call_method1("urandom", (16,))?.extract(),
    }
}

impl Replica {
    fn of(document: Document) -> Replica {
        Replica(Mutex::new(document))
    }

    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut Document) -> Result<T> + Send) -> PyResult<T> {
        run(py, || work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[pymethods]
impl Replica {
    /// Founds a document.
    #[new]
    #[pyo3(
        signature = (rules=None, *, id=None, genesis=None, **unknown),
        text_signature = "(rules=None, *, id=None, genesis=None)"
    )]
    fn new(
        py: Python<'_>,
        rules: Option<&Bound<'_, PyAny>>,
        id: Option<&[u8]>,
        genesis: Option<&[u8]>,
        unknown: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Replica> {
        refuse_unknown("Replica", unknown, &["rules", "id", "genesis"])?;
        let (author, birth) = (self::id(py, id)?, self::id(py, genesis)?);
        let policy = to_policy(py, rules)?;
        Ok(Replica::of(Document::found(ReplicaId::from_bytes(author), Genesis::from_bytes(birth), policy)))
    }

    /// Another replica of the document that `save` wrote.
    #[staticmethod]
    #[pyo3(signature = (data, rules=None, *, id=None))]
    fn load(py: Python<'_>, data: &[u8], rules: Option<&Bound<'_, PyAny>>, id: Option<&[u8]>) -> PyResult<Replica> {
        let author = ReplicaId::from_bytes(self::id(py, id)?);
        let policy = to_policy(py, rules)?;
        run(py, || Document::load(author, data, policy)).map(Replica::of)
    }

    /// A second replica that starts from what this one holds, with the same rules.
    #[pyo3(signature = (*, id=None))]
    fn fork(&self, py: Python<'_>, id: Option<&[u8]>) -> PyResult<Replica> {
        let author = ReplicaId::from_bytes(self::id(py, id)?);
        self.with(py, |document| Ok(document.fork(author))).map(Replica::of)
    }

    /// The author name of its writes, 16 bytes.
    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.with(py, |document| Ok(document.id()))?.as_bytes()))
    }

    /// The document's birth, 16 bytes, which all its replicas share.
    #[getter]
    fn genesis<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.with(py, |document| Ok(document.genesis()))?.as_bytes()))
    }

    /// The document, a fresh dict.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.with(py, |document| Ok(document.value().clone()))?)
    }

    /// The value at a path, or `default`.
    #[pyo3(signature = (path, default=None))]
    fn get<'py>(&self, py: Python<'py>, path: &str, default: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let path = to_path(py, path)?;
        match self.with(py, |document| Ok(document.value().at(&path).cloned()))? {
            Some(value) => to_python(py, &value),
            None => Ok(default.unwrap_or_else(|| py.None().into_bound(py))),
        }
    }

    /// Writes a value; `False` where it was there already.
    #[pyo3(signature = (path, value, *, if_version=None, wall_ms=None))]
    fn set(
        &self,
        py: Python<'_>,
        path: &str,
        value: &Bound<'_, PyAny>,
        if_version: Option<&[u8]>,
        wall_ms: Option<u64>,
    ) -> PyResult<bool> {
        let value = to_value(value)?;
        let now = time(wall_ms);
        self.with(py, |document| document.set(&confmesh::Path::parse(path)?, value, if_version, now))
    }

    /// Removes a path; `False` where nothing was there.
    #[pyo3(signature = (path, *, if_version=None, wall_ms=None))]
    fn unset(&self, py: Python<'_>, path: &str, if_version: Option<&[u8]>, wall_ms: Option<u64>) -> PyResult<bool> {
        let now = time(wall_ms);
        self.with(py, |document| document.unset(&confmesh::Path::parse(path)?, if_version, now))
    }

    /// Decides what writers disagree on at a path.
    #[pyo3(signature = (path, value, *, wall_ms=None))]
    fn resolve(&self, py: Python<'_>, path: &str, value: &Bound<'_, PyAny>, wall_ms: Option<u64>) -> PyResult<bool> {
        let value = to_value(value)?;
        let now = time(wall_ms);
        self.with(py, |document| document.resolve(&confmesh::Path::parse(path)?, value, now))
    }

    /// What it has seen, for `delta` of another replica and for `if_version`.
    fn version<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.with(py, |document| document.version())?))
    }

    /// What a replica lacks that has seen `since`; everything where none is given.
    #[pyo3(signature = (since=None))]
    fn delta<'py>(&self, py: Python<'py>, since: Option<&[u8]>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.with(py, |document| document.delta(since))?))
    }

    /// Takes in a delta; gives what changed in the document.
    #[pyo3(signature = (delta, *, wall_ms=None))]
    fn apply(&self, py: Python<'_>, delta: &[u8], wall_ms: Option<u64>) -> PyResult<Vec<Change>> {
        let now = time(wall_ms);
        let changes = self.with(py, |document| document.apply(delta, now))?;
        Ok(changes.into_iter().map(Change::of).collect())
    }

    /// Everything, for `load`.
    fn save<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.delta(py, None)
    }

    /// What writers disagree on, by path.
    fn conflicts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let found = self.with(py, |document| Ok(document.conflicts()))?;
        to_python(py, &found.iter().map(Disagreement::to_value).collect::<Vec<Value>>().into())
    }

    /// Drops the history and keeps the value.
    fn settle(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, Document::settle)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |document| Ok(format!("<Replica {} of {}>", document.id(), document.genesis())))
    }
}
