//! Python objects to values and back, without loss: what a value cannot hold is refused with its path.

use confmesh::limits::MAX_DEPTH;
use confmesh::value::{MapBuilder, Number, Str};
use confmesh::{Code, Error, Path, Value};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};

use crate::error::{raise, run};

/// Reads `None`, `bool`, `int`, `float`, `str`, lists, tuples and dicts with `str` keys, subclasses included.
pub fn to_value(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    read(object, &mut Vec::new())
}

/// Reads a dotted path or JSON Pointer.
pub fn to_path(py: Python<'_>, text: &str) -> PyResult<Path> {
    run(py, || Path::parse(text))
}

fn read(object: &Bound<'_, PyAny>, above: &mut Vec<Str>) -> PyResult<Value> {
    if object.is_none() {
        Ok(Value::Null)
    } else if let Ok(text) = object.cast::<PyString>() {
        Ok(Value::String(Str::from(read_text(text, above)?)))
    } else if let Ok(bool) = object.cast::<PyBool>() {
        Ok(bool.is_true().into())
    } else if object.is_instance_of::<PyInt>() {
        let number = object.extract::<i64>().map(Number::from).or_else(|_| object.extract::<u64>().map(Number::from));
        let number = number.map_err(|_| {
            refuse(
                object,
                above,
                Code::NumberRange,
                "the integer does not fit into 64 bits".into(),
                "use a string or a float",
            )
        })?;
        Ok(number.into())
    } else if let Ok(float) = object.cast::<PyFloat>() {
        let number = Number::from_f64(float.value());
        let number = number.ok_or_else(|| {
            let message = format!("`{}` is no number that a document can hold", float.value());
            refuse(object, above, Code::NumberRange, message, "use None or a string")
        })?;
        Ok(number.into())
    } else if let Ok(dict) = object.cast::<PyDict>() {
        deeper(object, above)?;
        let mut map = MapBuilder::with_capacity(dict.len());
        for (key, child) in dict {
            let Ok(key) = key.cast::<PyString>() else {
                let message = format!("the key {} is a `{}`, not a `str`", shown(&key), type_name(&key));
                return Err(refuse(object, above, Code::Type, message, "keys of a document are strings"));
            };
            let key = Str::from(read_text(key, above)?);
            above.push(key.clone());
            map.push(key, read(&child, above)?);
            above.pop();
        }
        Ok(Value::Map(map.build()))
    } else if let Ok(list) = object.cast::<PyList>() {
        deeper(object, above)?;
        read_items(list.iter(), above)
    } else if let Ok(tuple) = object.cast::<PyTuple>() {
        deeper(object, above)?;
        read_items(tuple.iter(), above)
    } else {
        let message = format!("a document cannot hold a `{}`", type_name(object));
        Err(refuse(object, above, Code::Type, message, "use None, bool, int, float, str, list, tuple or dict"))
    }
}

fn read_items<'py>(items: impl Iterator<Item = Bound<'py, PyAny>>, above: &mut Vec<Str>) -> PyResult<Value> {
    let mut list = Vec::new();
    for (at, item) in items.enumerate() {
        above.push(Str::from(at.to_string()));
        list.push(read(&item, above)?);
        above.pop();
    }
    Ok(list.into())
}

fn read_text<'a>(text: &'a Bound<'_, PyString>, above: &[Str]) -> PyResult<&'a str> {
    text.to_str().map_err(|_| {
        refuse(text, above, Code::Invalid, "the text holds a lone surrogate".into(), "texts of a document are Unicode")
    })
}

/// Checks the depth before going down; a cycle ends here too.
fn deeper(object: &Bound<'_, PyAny>, above: &[Str]) -> PyResult<()> {
    if above.len() < MAX_DEPTH {
        return Ok(());
    }
    let message = format!("the document nests more than {MAX_DEPTH} levels deep");
    Err(refuse(object, above, Code::TooLarge, message, "look for a list or dict that holds itself"))
}

fn refuse(object: &Bound<'_, PyAny>, above: &[Str], code: Code, message: String, hint: &str) -> PyErr {
    raise(object.py(), &Error::new(code, message).with_path(above.iter().cloned().collect()).with_hint(hint))
}

fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string())
}

fn shown(object: &Bound<'_, PyAny>) -> String {
    object.repr().map_or_else(|_| "(without repr)".to_owned(), |text| format!("`{text}`"))
}

/// Makes a fresh Python object, for the caller to keep and change.
pub fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(bool) => PyBool::new(py, *bool).to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => int.into_pyobject(py)?.into_any(),
            (None, Some(int)) => int.into_pyobject(py)?.into_any(),
            (None, None) => PyFloat::new(py, number.as_f64()).into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::List(list) => {
            let items = list.iter().map(|item| to_python(py, item)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any()
        }
        Value::Map(map) => {
            let dict = PyDict::new(py);
            for (key, child) in map.iter() {
                dict.set_item(key.as_str(), to_python(py, child)?)?;
            }
            dict.into_any()
        }
    })
}
