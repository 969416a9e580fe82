//! JSON texts to values, and errors to what JavaScript throws.

use confmesh::canonical::canonical;
use confmesh::format::{Format, parse};
use confmesh::{Error, Value};
use wasm_bindgen::JsValue;

/// What an exported function gives: an `Err` is thrown.
pub type Outcome<T> = Result<T, JsValue>;

/// Reads a JSON text.
pub fn json(text: &str) -> Outcome<Value> {
    parse(text, Format::Json).map_err(thrown)
}

/// What JavaScript catches: a JSON text that the code beside this crate makes an `Error` of.
#[allow(clippy::needless_pass_by_value, reason = "shaped for `map_err`")]
pub fn thrown(error: Error) -> JsValue {
    JsValue::from_str(&canonical(&error_value(&error)))
}

/// `{code, message, hint?, path?, origin?, related}`, the shape that errors have in every language.
pub fn error_value(error: &Error) -> Value {
    let related: Vec<Value> = error.related().iter().map(error_value).collect();
    let mut fields = vec![
        ("code", Value::from(error.code().as_str())),
        ("message", error.message().into()),
        ("related", related.into()),
    ];
    fields.extend(error.hint().map(|hint| ("hint", hint.into())));
    fields.extend(error.path().map(|path| ("path", path.to_string().into())));
    fields.extend(error.origin().map(|origin| {
        let mut entries = vec![("source", Value::from(origin.source.clone()))];
        if let Some(location) = origin.location {
            entries.extend([("line", location.line.into()), ("column", location.column.into())]);
        }
        entries.extend(origin.key.clone().map(|key| ("key", key.into())));
        ("origin", object(entries))
    }));
    object(fields)
}

/// A map of named fields.
pub fn object(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    fields.into_iter().collect()
}
