//! Where a value sits: source, place in its text, and the key as that source spells it.

use std::fmt;

use crate::value::{Str, Value};

/// A place in a text; both count from 1, columns in Unicode scalar values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The place that a value came from. Prints as `source:line:column` and, where it tells more, the key as spelled there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The source's id, for example `file:config.yaml`, `env:MYAPP`, `shared`.
    pub source: Str,
    /// The place in the source's text, where it has one.
    pub location: Option<Location>,
    /// The key as the source spells it (`MYAPP_RATE_LIMIT`), where that differs from the path.
    pub key: Option<Str>,
}

impl Origin {
    /// An origin that names a source and nothing more.
    pub fn source(source: impl AsRef<str>) -> Origin {
        Origin { source: Str::from(source.as_ref()), location: None, key: None }
    }

    /// Adds the place in the text.
    #[must_use]
    pub fn at(mut self, location: Option<Location>) -> Origin {
        self.location = location;
        self
    }

    /// Adds the key as the source spells it.
    #[must_use]
    pub fn spelled(mut self, key: impl AsRef<str>) -> Origin {
        self.key = Some(Str::from(key.as_ref()));
        self
    }

    /// `{"source", "line"?, "column"?, "key"?}`.
    pub fn to_value(&self) -> Value {
        let mut entries: Vec<(Str, Value)> = vec![("source".into(), self.source.clone().into())];
        if let Some(location) = self.location {
            entries.push(("line".into(), location.line.into()));
            entries.push(("column".into(), location.column.into()));
        }
        entries.extend(self.key.clone().map(|key| ("key".into(), key.into())));
        Value::Map(entries.into_iter().collect())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(location) = self.location {
            let colon = if self.source.is_empty() { "" } else { ":" };
            write!(f, "{colon}{location}")?;
        }
        if let Some(key) = &self.key {
            write!(f, " ({key})")?;
        }
        Ok(())
    }
}
