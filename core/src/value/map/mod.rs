//! Maps: immutable, sorted by RFC 8785 key order, O(1) to clone.
//!
//! A small map is one sorted slice. A large one is a tree of slices, so that a change copies a few of them and two versions
//! are compared by what they do not share.

mod builder;
mod iter;
mod tree;

pub use builder::MapBuilder;
pub(crate) use iter::Walk;

use super::{Digest, Str, Value};
use tree::Node;

/// An immutable map with unique keys in RFC 8785 order.
///
/// The representation is private: equal maps may or may not share storage.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Map(Node);

impl Map {
    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The value of a key, to change it in place; of the storage, what others share is copied first.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        self.0.get_mut(key)
    }

    /// Changes the value of a key, null where it is new, in place; of the storage, what others share is copied first.
    pub(crate) fn alter(&mut self, key: &Str, alter: impl FnOnce(&mut Value)) {
        self.0.alter(key, alter);
    }

    /// Makes of a key's value another one, or none, in place.
    pub(crate) fn update(&mut self, key: &Str, make: impl FnOnce(Option<Value>) -> Option<Value>) {
        let Some(old) = self.0.get_mut(key) else {
            return make(None).into_iter().for_each(|new| self.0.alter(key, |value| *value = new));
        };
        match make(Some(std::mem::take(old))) {
            Some(new) => *old = new,
            None => *self = self.without(key),
        }
    }

    /// Whether the key is there.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Keys and values in RFC 8785 order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Str, &Value)> + ExactSizeIterator {
        iter::Iter::new(&self.0)
    }

    /// The keys in RFC 8785 order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Str> + ExactSizeIterator {
        self.iter().map(|(key, _)| key)
    }

    /// The values in key order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator {
        self.iter().map(|(_, value)| value)
    }

    /// This map with `key` set; it shares every other value with this one, and of a large map most of the storage.
    #[must_use]
    pub fn with(&self, key: Str, value: Value) -> Map {
        Map(self.0.with(key, value))
    }

    /// This map without `key`; the same map if the key is not there.
    #[must_use]
    pub fn without(&self, key: &str) -> Map {
        if self.contains_key(key) { Map(self.0.without(key)) } else { self.clone() }
    }

    /// The digest of what it holds.
    pub(super) fn digest(&self) -> Digest {
        self.0.digest()
    }

    /// Whether both share the same storage.
    pub fn ptr_eq(&self, other: &Map) -> bool {
        self.0.ptr_eq(&other.0)
    }

    /// A map of entries whose keys ascend.
    pub(crate) fn from_ascending(entries: impl ExactSizeIterator<Item = (Str, Value)>) -> Map {
        let map = Map(Node::ascending(entries));
        debug_assert!(map.keys().is_sorted_by(|a, b| super::compare_keys(a, b).is_lt()));
        map
    }

    /// The keys that differ, in order, each with its value here and in `other`; values that are the same scalar or share
    /// their storage ([`Value::ptr_eq`]) do not differ. Costs by what the maps do not share.
    pub(crate) fn differences<'a>(
        &'a self,
        other: &'a Map,
    ) -> impl Iterator<Item = (&'a Str, Option<&'a Value>, Option<&'a Value>)> {
        iter::Differences::new(&self.0, &other.0)
    }

    /// This map with each of the keys, which come in order, set or removed.
    pub(crate) fn edited(&self, edits: Vec<(Str, Option<Value>)>) -> Map {
        if edits.len() <= 4 || edits.len() < self.len() / 16 {
            return edits.into_iter().fold(self.clone(), |map, (key, value)| match value {
                Some(value) => map.with(key, value),
                None => map.without(&key),
            });
        }
        let mut builder = MapBuilder::with_capacity(self.len() + edits.len());
        let mut edits = edits.into_iter().peekable();
        for (key, value) in self.iter() {
            while let Some((new, value)) = edits.next_if(|(new, _)| super::compare_keys(new, key).is_lt()) {
                value.into_iter().for_each(|value| builder.push_ascending(new.clone(), value));
            }
            match edits.next_if(|(new, _)| new == key) {
                Some((_, Some(value))) => builder.push_ascending(key.clone(), value),
                Some((_, None)) => {}
                None => builder.push_ascending(key.clone(), value.clone()),
            }
        }
        for (key, value) in edits {
            value.into_iter().for_each(|value| builder.push_ascending(key.clone(), value));
        }
        builder.build()
    }
}

impl FromIterator<(Str, Value)> for Map {
    /// Collects entries in any order; of equal keys the last one stays.
    fn from_iter<I: IntoIterator<Item = (Str, Value)>>(entries: I) -> Map {
        let mut builder = MapBuilder::default();
        for (key, value) in entries {
            builder.push(key, value);
        }
        builder.build()
    }
}

#[cfg(test)]
mod tests;
