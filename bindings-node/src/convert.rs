//! JSON texts to values and back.

use confmesh::canonical::canonical;
use confmesh::format::{Format, parse};
use confmesh::{Policy, Result, Value};

/// Reads a JSON text.
pub fn read(text: &str) -> Result<Value> {
    parse(text, Format::Json)
}

/// The JSON text of a value.
pub fn shown(value: &Value) -> String {
    canonical(value)
}

/// Reads rules, a JSON list or `null`.
pub fn policy(rules: &str) -> Result<Policy> {
    match read(rules)? {
        Value::Null => Ok(Policy::default()),
        rules => Policy::from_value(&rules),
    }
}
