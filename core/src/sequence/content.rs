//! What a sequence holds: the items of a list, or the characters of a text.

use crate::value::{List, Value};

/// Which of the two sequences a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A list of values.
    List,
    /// A string, counted in Unicode scalar values.
    Text,
}

impl Kind {
    /// The kind of a value; none where it is neither a list nor a string.
    pub fn of(value: &Value) -> Option<Kind> {
        match value {
            Value::List(_) => Some(Kind::List),
            Value::String(_) => Some(Kind::Text),
            _ => None,
        }
    }
}

/// A piece of a list or of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Items of a list.
    List(Vec<Value>),
    /// Part of a text.
    Text(String),
}

impl Content {
    /// The whole of a value; none where it is neither a list nor a string.
    pub fn of(value: &Value) -> Option<Content> {
        match value {
            Value::List(list) => Some(Content::List(list.as_slice().to_vec())),
            Value::String(text) => Some(Content::Text(text.as_str().to_owned())),
            _ => None,
        }
    }

    /// Nothing of a kind.
    pub fn empty(kind: Kind) -> Content {
        match kind {
            Kind::List => Content::List(Vec::new()),
            Kind::Text => Content::Text(String::new()),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Content::List(_) => Kind::List,
            Content::Text(_) => Kind::Text,
        }
    }

    /// How many items or Unicode scalar values it has.
    pub fn len(&self) -> usize {
        match self {
            Content::List(items) => items.len(),
            Content::Text(text) => text.chars().count(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        match self {
            Content::List(items) => items.is_empty(),
            Content::Text(text) => text.is_empty(),
        }
    }

    /// The value that it is.
    pub fn to_value(&self) -> Value {
        match self {
            Content::List(items) => Value::List(List::from(items.clone())),
            Content::Text(text) => text.as_str().into(),
        }
    }

    /// Its units as values: the items, or a string for every Unicode scalar value.
    pub(crate) fn units(&self) -> Vec<Value> {
        match self {
            Content::List(items) => items.clone(),
            Content::Text(text) => text.chars().map(|c| Value::from(&*c.encode_utf8(&mut [0; 4]))).collect(),
        }
    }

    /// Units put together again; of a text, units that are no strings count as nothing.
    pub(crate) fn from_units(kind: Kind, units: impl IntoIterator<Item = Value>) -> Content {
        match kind {
            Kind::List => Content::List(units.into_iter().collect()),
            Kind::Text => Content::Text(units.into_iter().filter_map(|u| u.as_str().map(str::to_owned)).collect()),
        }
    }

    /// The part from `at` on that is at most `len` long.
    pub(super) fn part(&self, at: usize, len: usize) -> Content {
        match self {
            Content::List(items) => Content::List(items.iter().skip(at).take(len).cloned().collect()),
            Content::Text(text) => Content::Text(text.chars().skip(at).take(len).collect()),
        }
    }

    /// Adds what follows; `false` where it is of the other kind.
    pub(super) fn push(&mut self, more: &Content) -> bool {
        match (self, more) {
            (Content::List(items), Content::List(more)) => items.extend_from_slice(more),
            (Content::Text(text), Content::Text(more)) => text.push_str(more),
            _ => return false,
        }
        true
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Content {
        Content::Text(text.to_owned())
    }
}

impl From<Vec<Value>> for Content {
    fn from(items: Vec<Value>) -> Content {
        Content::List(items)
    }
}
