//! Lists: immutable, O(1) to clone.

use super::Value;
use super::shared::Shared;

/// An immutable list of values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct List(Shared<Value>);

impl List {
    /// How many items it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The item at an index.
    pub fn get(&self, at: usize) -> Option<&Value> {
        self.0.get(at)
    }

    /// The item at an index, to change it in place; a list that others share is copied first.
    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut Value> {
        if at < self.len() { self.0.make_mut().get_mut(at) } else { None }
    }

    /// The items in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Value> {
        self.0.iter()
    }

    /// The items as a slice.
    pub fn as_slice(&self) -> &[Value] {
        &self.0
    }

    /// This list with another item at `at`; at its length, or beyond, the item is appended.
    #[must_use]
    pub fn with(&self, at: usize, value: Value) -> List {
        let mut items = self.0.to_vec();
        match items.get_mut(at) {
            Some(item) => *item = value,
            None => items.push(value),
        }
        List::from(items)
    }

    /// This list with a new item before `at`; at its length, or beyond, the item is appended.
    #[must_use]
    pub fn with_inserted(&self, at: usize, value: Value) -> List {
        let mut items = self.0.to_vec();
        items.insert(at.min(items.len()), value);
        List::from(items)
    }

    /// This list without the item at `at`.
    #[must_use]
    pub fn without(&self, at: usize) -> List {
        self.0.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, v)| v.clone()).collect()
    }

    /// Its storage.
    pub(super) fn shared(&self) -> &Shared<Value> {
        &self.0
    }

    /// Whether both share the same storage.
    pub fn ptr_eq(&self, other: &List) -> bool {
        self.0.ptr_eq(&other.0)
    }
}

impl From<Vec<Value>> for List {
    fn from(items: Vec<Value>) -> List {
        List(items.into())
    }
}

impl FromIterator<Value> for List {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> List {
        List(items.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a List {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
