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
    JsValue::from_str(&canonical(&error.to_value()))
}

/// A map of named fields.
pub fn object(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    fields.into_iter().collect()
}
