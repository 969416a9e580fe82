//! `Schema`: what a document has to look like, with checks of the program's own.

use std::sync::{Mutex, PoisonError};

use confmesh::format::Format;
use confmesh::merge::Layer;
use confmesh::schema::{CustomCheck, Field, ReferenceOptions, Schema as Core, answered};
use confmesh::{Code, Error, Path, Policy, Result, Value};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyMapping, PyString};

use crate::convert::{to_python, to_value};
use crate::ending::attached;
use crate::error::{exceptions, refuse_unknown, run};

/// What a document has to look like.
///
/// The definition is a JSON Schema document, or the compact form: a dict with `fields`. Checks are functions by pattern
/// (`""` is the whole document) that get a value and return None, or what is wrong with it, by a text or a list of
/// `{"path": […], "message": …}` about what is below it; a ValueError says so as well.
#[pyclass(frozen, module = "confmesh")]
pub struct Schema {
    core: Core,
    checks: Vec<(String, Py<PyAny>)>,
}

impl Schema {
    /// Runs core code with the checks. What a check raises, other than a ValueError, is raised here.
    pub fn run<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Core, &[CustomCheck<'_>]) -> Result<T> + Send,
    ) -> PyResult<T> {
        let raised = Mutex::new(None);
        let outcome = run(py, || {
            let asks: Vec<_> = self
                .checks
                .iter()
                .map(|(_, ask)| |path: &Path, value: &Value| asked(ask, path, value, &raised))
                .collect();
            let checks = self.checks.iter().zip(&asks).map(|((pattern, _), ask)| CustomCheck::new(pattern, ask));
            work(&self.core, &checks.collect::<Result<Vec<_>>>()?)
        });
        raised.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(outcome, Err)
    }
}

/// The schema of a running configuration: a `Schema`, whose checks are asked on a thread of their own, or a definition.
pub fn to_schema(py: Python<'_>, given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Core>> {
    let Some(given) = given else { return Ok(None) };
    let Ok(schema) = given.cast::<Schema>() else {
        let definition = to_value(given)?;
        return run(py, || Core::from_value(&definition)).map(Some);
    };
    let schema = schema.get();
    if schema.checks.is_empty() {
        return Ok(Some(schema.core.clone()));
    }
    let checks: Vec<(String, Py<PyAny>)> =
        schema.checks.iter().map(|(pattern, ask)| (pattern.clone(), ask.clone_ref(py))).collect();
    let anything = Core::new(Field::any());
    let check = move |document: &Value| {
        let raised = Mutex::new(None);
        let asks: Vec<_> =
            checks.iter().map(|(_, ask)| |path: &Path, value: &Value| asked(ask, path, value, &raised)).collect();
        let checks = checks.iter().zip(&asks).map(|((pattern, _), ask)| CustomCheck::new(pattern, ask));
        let checks = checks.collect::<Result<Vec<_>>>().map_err(|error| vec![error])?;
        let mut errors = anything.report_with(document, &Policy::default(), &checks, |_| None).errors;
        if let Some(error) = raised.into_inner().unwrap_or_else(PoisonError::into_inner) {
            errors.push(Error::new(Code::Invalid, format!("a check of the program failed: {error}")));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    };
    Ok(Some(schema.core.check(check)))
}

fn asked(check: &Py<PyAny>, path: &Path, value: &Value, raised: &Mutex<Option<PyErr>>) -> Result<(), Vec<Error>> {
    let wrong = |message: &str| Err(answered(path, &message.into()));
    let ended = || wrong("the interpreter is ending");
    attached(|py| {
        let mut raised = raised.lock().unwrap_or_else(PoisonError::into_inner);
        if raised.is_some() {
            return Ok(());
        }
        let answer = to_python(py, value).and_then(|value| check.bind(py).call1((value,)));
        match answer
            .map(|answer| (answer.cast::<PyBool>().ok().map(|bool| bool.is_true()), answer.extract::<String>(), answer))
        {
            Ok((Some(true), ..)) => return Ok(()),
            Ok((Some(false), ..)) => return wrong("the program refuses the value"),
            Ok((_, Ok(message), _)) => return wrong(&message),
            Ok((.., answer)) if answer.is_none() => return Ok(()),
            Ok((.., answer)) if answer.is_instance_of::<PyList>() => match to_value(&answer) {
                Ok(issues) if issues.as_list().is_some_and(|issues| issues.is_empty()) => return Ok(()),
                Ok(issues) => return Err(answered(path, &issues)),
                Err(error) => *raised = Some(error),
            },
            Ok((.., answer)) => {
                let message = format!("a check returns None, a bool, a str or a list of issues, not {answer}");
                *raised = Some(PyTypeError::new_err(message));
            }
            Err(error) if error.is_instance_of::<PyValueError>(py) => return wrong(&error.value(py).to_string()),
            Err(error) => *raised = Some(error),
        }
        Ok(())
    })
    .unwrap_or_else(ended)
}

/// The texts of a mapping, `os.environ` for example.
pub fn to_variables(mapping: &Bound<'_, PyAny>) -> PyResult<Vec<(String, String)>> {
    mapping.cast::<PyMapping>()?.items()?.iter().map(|item| item.extract()).collect()
}

#[pymethods]
impl Schema {
    #[new]
    #[pyo3(signature = (definition, *, checks=None, **unknown), text_signature = "(definition, *, checks=None)")]
    fn new(
        py: Python<'_>,
        definition: &Bound<'_, PyAny>,
        checks: Option<&Bound<'_, PyAny>>,
        unknown: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Schema> {
        refuse_unknown("Schema", unknown, &["definition", "checks"])?;
        let definition = to_value(definition)?;
        let core = run(py, || Core::from_value(&definition))?;
        let mut named = Vec::new();
        if let Some(checks) = checks {
            for item in checks.cast::<PyMapping>()?.items()? {
                let (pattern, check): (String, Py<PyAny>) = item.extract()?;
                run(py, || CustomCheck::new(&pattern, &|_, _| Ok(())).map(drop))?;
                named.push((pattern, check));
            }
        }
        Ok(Schema { core, checks: named })
    }

    /// Every problem of a document, as exception objects that were not raised; none if it is valid.
    fn validate<'py>(&self, py: Python<'py>, document: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let document = to_value(document)?;
        let found =
            self.run(py, |core, checks| Ok(core.report_with(&document, &Policy::default(), checks, |_| None).errors))?;
        exceptions(py, &found)
    }

    /// Every problem of the document in a text, each with its line and column.
    #[pyo3(signature = (text, format="json", *, source=""))]
    fn validate_text<'py>(
        &self,
        py: Python<'py>,
        text: &str,
        format: &str,
        source: &str,
    ) -> PyResult<Bound<'py, PyList>> {
        let found =
            self.run(py, |core, checks| core.validate_text(text, Format::from_name(format)?, source, checks))?;
        exceptions(py, &found)
    }

    /// The document with its defaults, if it is valid then; else the first problem is raised, with the others in `related`.
    fn load<'py>(&self, py: Python<'py>, document: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let document = to_value(document)?;
        to_python(py, &self.run(py, |core, checks| core.load(&document, checks))?)
    }

    /// The document with every default filled in where it holds nothing.
    #[pyo3(signature = (document=None))]
    fn defaults<'py>(&self, py: Python<'py>, document: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
        let document = document.map_or_else(|| Ok(Value::empty_map()), to_value)?;
        to_python(py, &run(py, || Ok(self.core.apply_defaults(&document)))?)
    }

    /// The document without the keys that the schema does not declare.
    fn known<'py>(&self, py: Python<'py>, document: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let document = to_value(document)?;
        to_python(py, &run(py, || Ok(self.core.without_unknown(&document)))?)
    }

    /// Variables with a prefix as a typed document, and what is nothing of its type, as `{"value", "warnings"}`.
    fn coerce<'py>(&self, py: Python<'py>, prefix: &str, variables: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let variables = to_variables(variables)?;
        let layer = run(py, || Ok(self.core.coerce(&Layer::from_env(prefix, variables)?)))?;
        with_errors(py, "value", &layer.value, "warnings", &layer.warnings)
    }

    /// The document as variables, whose texts read back as the same values.
    fn to_env<'py>(&self, py: Python<'py>, prefix: &str, document: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let document = to_value(document)?;
        to_python(py, &run(py, || Ok(self.core.to_env(prefix, &document)?.into_iter().collect()))?)
    }

    /// The text of a file to start from: defaults, with every description as a comment where the format has comments.
    #[pyo3(signature = (format="json"))]
    fn initial(&self, py: Python<'_>, format: &str) -> PyResult<String> {
        run(py, || self.core.initial(Format::from_name(format)?))
    }

    /// Every field with its path, type, default, variable, rules and description, for people or programs to read.
    #[pyo3(signature = (style="human", *, category=None, env_only=false, show_sensitive=false, prefix=None))]
    fn reference(
        &self,
        py: Python<'_>,
        style: &str,
        category: Option<String>,
        env_only: bool,
        show_sensitive: bool,
        prefix: Option<String>,
    ) -> PyResult<String> {
        run(py, || {
            let style = style.parse()?;
            self.core.reference(&ReferenceOptions { style, category, env_only, show_sensitive, prefix })
        })
    }

    /// What the schema says and nobody checks, with its path in it: formats and keywords that are unknown.
    fn notes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        exceptions(py, self.core.notes())
    }

    fn __repr__(&self) -> String {
        format!("<{:?}>", self.core)
    }
}

/// A dict of a value and of errors that were not raised.
pub fn with_errors<'py>(
    py: Python<'py>,
    name: &str,
    value: &Value,
    errors_name: &str,
    errors: &[Error],
) -> PyResult<Bound<'py, PyAny>> {
    let fields = pyo3::types::PyDict::new(py);
    fields.set_item(PyString::new(py, name), to_python(py, value)?)?;
    fields.set_item(PyString::new(py, errors_name), exceptions(py, errors)?)?;
    Ok(fields.into_any())
}
