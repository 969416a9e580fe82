//! Values and the types of a program, by `serde`: both ways, with exact integers, and with the path of what does not fit.

mod de;
mod ser;
#[cfg(test)]
mod tests;

use std::fmt::Display;

use serde::de::{Expected, Unexpected};
use serde::{Deserialize, Serialize};

use super::Value;
use crate::error::{Code, Error, Result};
use crate::path::Path;

impl Value {
    /// Reads a type of the program; it may borrow its texts.
    ///
    /// # Errors
    /// [`Code::Type`] or [`Code::Invalid`] with the path of what does not fit. No message shows a value, unless the type's
    /// own code puts it there.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct Server {
    ///     host: String,
    ///     port: u16,
    /// }
    /// let value: confmesh::Value = [("host", "h".into()), ("port", confmesh::Value::from(80))].into_iter().collect();
    /// let server: Server = value.extract()?;
    /// assert_eq!((server.host.as_str(), server.port), ("h", 80));
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn extract<'de, T: Deserialize<'de>>(&'de self) -> Result<T> {
        T::deserialize(self)
    }

    /// Makes a value of a type of the program.
    ///
    /// # Errors
    /// [`Code::NumberRange`] for NaN, infinities and integers beyond 64 bits, [`Code::Type`] for map keys that are no texts,
    /// numbers or bools; each with its path.
    ///
    /// ```
    /// let value = confmesh::Value::from_serialize(&std::collections::BTreeMap::from([("port", 80)]))?;
    /// assert_eq!(value.child("port"), Some(&80.into()));
    /// assert!(confmesh::Value::from_serialize(&f64::NAN).is_err());
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Value> {
        value.serialize(ser::Serializer)
    }
}

/// Puts the path of an error below a segment.
fn within(error: Error, segment: &str) -> Error {
    let below = error.path().cloned().unwrap_or_else(Path::root);
    error.with_path(Path::root().child(segment).join(&below))
}

fn not_finite() -> Error {
    Error::new(Code::NumberRange, "NaN and infinities are no numbers that a document can hold")
        .with_hint("use null or a text")
}

fn too_long() -> Error {
    Error::new(Code::NumberRange, "the integer does not fit into 64 bits").with_hint("use a text or a float")
}

/// What was found, without the value: it may be secret.
fn kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "bool",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "integer",
        Unexpected::Float(_) => "float",
        Unexpected::Char(_) | Unexpected::Str(_) => "string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "list",
        Unexpected::Map => "map",
        _ => "something else",
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl serde::de::Error for Error {
    fn custom<T: Display>(message: T) -> Error {
        Error::new(Code::Type, message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Error {
        Error::new(Code::Type, format!("expected {expected}, found {}", kind(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Error {
        Error::new(Code::Invalid, format!("the {} is not {expected}", kind(&found)))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Error {
        Error::new(Code::Invalid, format!("expected {expected}, found {length} items"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Error {
        Error::new(Code::Invalid, "the value is none of those that are known")
            .with_hint(format!("use one of {}", listed(expected)))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Error {
        Error::new(Code::Invalid, format!("unknown key `{field}`"))
            .with_path(Path::root().child(field))
            .with_hint(format!("the known keys are {}", listed(expected)))
    }

    fn missing_field(field: &'static str) -> Error {
        Error::new(Code::Invalid, "required key is missing").with_path(Path::root().child(field))
    }

    fn duplicate_field(field: &'static str) -> Error {
        Error::new(Code::DuplicateKey, format!("the key `{field}` stands twice"))
    }
}

impl serde::ser::Error for Error {
    fn custom<T: Display>(message: T) -> Error {
        Error::new(Code::Type, message.to_string())
    }
}
