//! What somebody wrote and what is not in force, because it would make the document invalid.

use std::fmt;

use crate::error::{Code, Error};
use crate::path::Path;
use crate::value::Value;

/// A path of the shared layer that shows what was in force before, and why.
#[derive(Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The path; the root where the whole layer is held back.
    pub path: Path,
    /// What was written there, secrets masked; nothing where it was removed, and for the whole layer.
    pub value: Option<Value>,
    /// What is wrong with it.
    pub error: Error,
}

impl Withheld {
    /// `{"path", "value"?, "error"}`.
    pub fn to_value(&self) -> Value {
        let value = self.value.clone().map(|value| ("value", value));
        let fields = [("path", self.path.to_string().into()), ("error", self.error.to_value())];
        fields.into_iter().chain(value).collect()
    }

    /// What was written at a path that is withheld with this one.
    pub(crate) fn value_at(&self, path: &Path) -> Option<&Value> {
        let below: Path = path.segments().iter().skip(self.path.len()).cloned().collect();
        self.value.as_ref()?.at(&below)
    }

    /// Reads what [`Withheld::to_value`] makes; none where it is something else.
    pub fn from_value(value: &Value) -> Option<Withheld> {
        let (path, error) = (Path::parse(value.child("path")?.as_str()?).ok()?, value.child("error")?);
        let text = |field: &str| error.child(field).and_then(Value::as_str);
        let code = Code::ALL.iter().find(|code| text("code") == Some(code.as_str())).copied().unwrap_or(Code::Invalid);
        let mut read = Error::new(code, text("message")?);
        if let Some(at) = text("path").and_then(|at| Path::parse(at).ok()) {
            read = read.with_path(at);
        }
        if let Some(hint) = text("hint") {
            read = read.with_hint(hint);
        }
        Some(Withheld { path, value: value.child("value").cloned(), error: read })
    }
}

impl fmt::Display for Withheld {
    /// One line: what is withheld, and why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_root() { "all that is shared".to_owned() } else { format!("`{}`", self.path) };
        match &self.value {
            Some(value) => write!(f, "{path} = {}", super::explain::shown(value))?,
            None if self.path.is_root() => f.write_str(&path)?,
            None => write!(f, "the removal of {path}")?,
        }
        write!(f, " is withheld: {}", self.error)
    }
}

impl fmt::Debug for Withheld {
    /// Leaves the value out, as a log should.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Withheld").field("path", &self.path).field("error", &self.error).finish_non_exhaustive()
    }
}
