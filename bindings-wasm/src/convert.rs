//! JSON texts to values, and errors to what JavaScript throws.

use confmesh::Error;
use confmesh::canonical::canonical;
use wasm_bindgen::JsValue;

/// What an exported function gives: an `Err` is thrown.
pub type Outcome<T> = Result<T, JsValue>;

/// Reads a JSON text.
#[cfg(any(feature = "algebra", feature = "client"))]
pub fn json(text: &str) -> Outcome<confmesh::Value> {
    confmesh::format::parse(text, confmesh::format::Format::Json).map_err(thrown)
}

/// What JavaScript catches: a JSON text that the code beside this crate makes an `Error` of.
#[allow(clippy::needless_pass_by_value, reason = "shaped for `map_err`")]
pub fn thrown(error: Error) -> JsValue {
    JsValue::from_str(&canonical(&error.to_value()))
}

/// A map of named fields.
#[cfg(any(feature = "algebra", feature = "client"))]
pub fn object(fields: impl IntoIterator<Item = (&'static str, confmesh::Value)>) -> confmesh::Value {
    fields.into_iter().collect()
}
