//! Sources as Python gives them: texts, maps, and functions of the program.

use confmesh::source::SourceSpec;
use confmesh::{Code, Error, GivenSource, Result, Source, Value};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::convert::to_value;
use crate::ending::attached;
use crate::error::run;

/// A function of the program that loads a document; it may raise, and return None.
struct Loading(Py<PyAny>, String);

impl Source for Loading {
    fn load(&self) -> Result<Option<Value>> {
        let ended = || Error::new(Code::Closed, "the interpreter is ending");
        attached(|py| {
            let answer = self.0.bind(py).call0().and_then(|found| match found.is_none() {
                true => Ok(None),
                false => to_value(&found).map(Some),
            });
            answer.map_err(|error| {
                let kind =
                    error.get_type(py).name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
                let message = format!("`load` of `custom:{}` raised {kind}: {}", self.1, error.value(py));
                Error::new(Code::Unreachable, message).with_hint("the last good document stays in force")
            })
        })
        .unwrap_or_else(|| Err(ended()))
    }
}

/// Reads what `_sources.given` makes of a program's sources: `(spec, None)`, or `(options, (name, load))`.
pub fn to_sources(py: Python<'_>, given: &Bound<'_, PyList>) -> PyResult<Vec<GivenSource>> {
    let mut sources = Vec::new();
    for item in given {
        let (spec, own): (Bound<'_, PyAny>, Option<Bound<'_, PyTuple>>) = item.extract()?;
        let spec = to_value(&spec)?;
        sources.push(match own {
            None => run(py, || SourceSpec::from_value(&spec))?.into(),
            Some(own) => {
                let (name, load): (String, Py<PyAny>) = own.extract()?;
                let spec = run(py, || SourceSpec::custom_with(&name, &spec))?;
                GivenSource::custom(spec, Loading(load, name))
            }
        });
    }
    Ok(sources)
}
