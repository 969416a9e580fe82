//! The value model: immutable JSON-like trees that share structure.
//!
//! A [`Value`] is null, a bool, a [`Number`], a string, a [`List`] or a [`Map`]. Cloning is O(1); changing one key of a
//! map makes a new map that shares every other subtree with the old one, so comparing versions can skip whole subtrees
//! ([`Value::ptr_eq`]). Maps iterate in RFC 8785 order (UTF-16 code units); files keep their author's order elsewhere.

mod digest;
mod list;
mod map;
mod number;
#[cfg(feature = "serde")]
mod serde;
mod shared;
mod tag;
mod text;

pub use digest::Digest;
pub use list::List;
pub(crate) use map::Walk;
pub use map::{Map, MapBuilder};
pub use number::Number;
#[cfg(feature = "yaml")]
pub(crate) use tag::{TAG, VALUE};
pub(crate) use tag::{check_behind_tags, tag_of};
pub(crate) use text::{PREFIX, Probe, is_plain, key_prefix, plain_start};
pub use text::{Str, compare_keys};

use std::fmt;

use crate::path::Path;

/// An immutable JSON-like tree.
#[derive(PartialEq, Eq, Default)]
pub enum Value {
    /// JSON `null`: a value, not the absence of one.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An exact 64-bit integer or a finite float.
    Number(Number),
    /// Unicode text.
    String(Str),
    /// An ordered list.
    List(List),
    /// A map with unique keys.
    Map(Map),
}

impl Value {
    /// The empty map: the document that holds nothing.
    pub fn empty_map() -> Value {
        Value::Map(Map::default())
    }

    /// The type's name as users read it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(n) if n.is_integer() => "integer",
            Value::Number(_) => "float",
            Value::String(_) => "string",
            Value::List(_) => "list",
            Value::Map(_) => "map",
        }
    }

    /// The bool, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(b) = self { Some(*b) } else { None }
    }

    /// The integer, if it is one and fits.
    pub fn as_i64(&self) -> Option<i64> {
        if let Value::Number(n) = self { n.as_i64() } else { None }
    }

    /// The integer, if it is one and fits.
    pub fn as_u64(&self) -> Option<u64> {
        if let Value::Number(n) = self { n.as_u64() } else { None }
    }

    /// The number as a float, if it is a number.
    pub fn as_f64(&self) -> Option<f64> {
        if let Value::Number(n) = self { Some(n.as_f64()) } else { None }
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(s) = self { Some(s) } else { None }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&List> {
        if let Value::List(l) = self { Some(l) } else { None }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        if let Value::Map(m) = self { Some(m) } else { None }
    }

    /// The value at a path. A segment is a key in a map and an index (`0`, `12`, no sign, no leading zero) in a list.
    pub fn at(&self, path: &Path) -> Option<&Value> {
        path.segments().iter().try_fold(self, |value, segment| value.child(segment))
    }

    /// The child of one segment.
    pub fn child(&self, segment: &str) -> Option<&Value> {
        match self {
            Value::Map(map) => map.get(segment),
            Value::List(list) => list.get(index(segment)?),
            _ => None,
        }
    }

    /// The child of one segment, to change it in place; what other values share is copied first, level by level.
    pub(crate) fn child_mut(&mut self, segment: &str) -> Option<&mut Value> {
        match self {
            Value::Map(map) => map.get_mut(segment),
            Value::List(list) => list.get_mut(index(segment)?),
            _ => None,
        }
    }

    /// Sets a path through maps in place; what is in the way and no map becomes one. What others share is copied first.
    pub(crate) fn put(&mut self, way: &[Str], value: Value) {
        let Some((first, rest)) = way.split_first() else {
            *self = value;
            return;
        };
        if self.as_map().is_none() {
            *self = Value::empty_map();
        }
        if let Value::Map(map) = self {
            map.alter(first, |child| child.put(rest, value));
        }
    }

    /// This value with another one at `path`; missing maps on the way are made, and a scalar or list in the way that
    /// cannot hold the next segment is replaced by a map. Setting a list's length appends.
    #[must_use]
    pub fn with(&self, path: &Path, value: Value) -> Value {
        set(self, path.segments(), value)
    }

    /// This value without what is at `path` (a list item closes the gap); the same value if nothing is there.
    #[must_use]
    pub fn without(&self, path: &Path) -> Value {
        unset(self, path.segments()).unwrap_or_else(|| self.clone())
    }

    /// Whether both are the same scalar or share the same storage: O(1), and never true for different values.
    pub fn ptr_eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Map(a), Value::Map(b)) => a.ptr_eq(b),
            (Value::List(a), Value::List(b)) => a.ptr_eq(b),
            (Value::Map(_) | Value::List(_), _) | (_, Value::Map(_) | Value::List(_)) => false,
            (a, b) => a == b,
        }
    }

    /// How many levels of maps and lists it nests: 0 for a scalar.
    pub fn depth(&self) -> usize {
        match self {
            Value::List(list) => 1 + list.iter().map(Value::depth).max().unwrap_or(0),
            Value::Map(map) => 1 + map.values().map(Value::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Calls `visit` for every leaf with its path: scalars, lists and empty maps.
    pub fn for_each_leaf(&self, visit: &mut impl FnMut(&Path, &Value)) {
        fn walk(path: &Path, value: &Value, visit: &mut impl FnMut(&Path, &Value)) {
            match value {
                Value::Map(map) if !map.is_empty() => {
                    for (key, child) in map.iter() {
                        walk(&path.child(key), child, visit);
                    }
                }
                leaf => visit(path, leaf),
            }
        }
        walk(&Path::root(), self, visit);
    }
}

/// The index that a path segment names inside a list: decimal digits without sign or leading zero.
pub fn index(segment: &str) -> Option<usize> {
    let canonical = segment == "0" || (!segment.starts_with('0') && !segment.is_empty());
    if canonical && segment.bytes().all(|b| b.is_ascii_digit()) { segment.parse().ok() } else { None }
}

fn set(value: &Value, segments: &[Str], new: Value) -> Value {
    let Some((first, rest)) = segments.split_first() else { return new };
    if let (Value::List(list), Some(at)) = (value, index(first))
        && at <= list.len()
    {
        let child = set(list.get(at).unwrap_or(&Value::Null), rest, new);
        return Value::List(list.with(at, child));
    }
    let empty = Map::default();
    let map = value.as_map().unwrap_or(&empty);
    let child = set(map.get(first).unwrap_or(&Value::Null), rest, new);
    Value::Map(map.with(first.clone(), child))
}

fn unset(value: &Value, segments: &[Str]) -> Option<Value> {
    let (first, rest) = segments.split_first()?;
    let child = value.child(first)?;
    if rest.is_empty() {
        return match value {
            Value::Map(map) => Some(Value::Map(map.without(first))),
            Value::List(list) => Some(Value::List(list.without(index(first)?))),
            _ => None,
        };
    }
    let child = unset(child, rest)?;
    match value {
        Value::Map(map) => Some(Value::Map(map.with(first.clone(), child))),
        Value::List(list) => Some(Value::List(list.with(index(first)?, child))),
        _ => None,
    }
}

impl Clone for Value {
    fn clone(&self) -> Value {
        let mut value = Value::Null;
        value.clone_from(self);
        value
    }

    /// Writes each kind where it belongs, instead of a value that is then moved.
    #[inline]
    fn clone_from(&mut self, source: &Value) {
        match source {
            Value::Null => *self = Value::Null,
            Value::Bool(bool) => *self = Value::Bool(*bool),
            Value::Number(number) => *self = Value::Number(*number),
            Value::String(text) => *self = Value::String(text.clone()),
            Value::List(list) => *self = Value::List(list.clone()),
            Value::Map(map) => *self = Value::Map(map.clone()),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Number(n) => write!(f, "{n}"),
            Value::String(s) => write!(f, "{:?}", s.as_str()),
            Value::List(list) => f.debug_list().entries(list.iter()).finish(),
            Value::Map(map) => f.debug_map().entries(map.iter().map(|(k, v)| (k.as_str(), v))).finish(),
        }
    }
}

macro_rules! from {
    ($($from:ty => |$v:ident| $into:expr;)*) => {
        $(impl From<$from> for Value { fn from($v: $from) -> Value { $into } })*
    };
}

from! {
    bool => |v| Value::Bool(v);
    i32 => |v| Value::Number(Number::from(i64::from(v)));
    i64 => |v| Value::Number(Number::from(v));
    u32 => |v| Value::Number(Number::from(u64::from(v)));
    u64 => |v| Value::Number(Number::from(v));
    Number => |v| Value::Number(v);
    &str => |v| Value::String(Str::from(v));
    String => |v| Value::String(Str::from(v.as_str()));
    Str => |v| Value::String(v);
    List => |v| Value::List(v);
    Map => |v| Value::Map(v);
    Vec<Value> => |v| Value::List(List::from(v));
}

impl<K: Into<Str>, V: Into<Value>> FromIterator<(K, V)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Value {
        Value::Map(items.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    #[test]
    fn setting_one_key_shares_every_other_subtree() {
        let old = Value::empty_map().with(&path("a.b"), 1.into()).with(&path("c.d"), 2.into());
        let new = old.with(&path("a.b"), 3.into());
        assert!(old.child("c").unwrap().ptr_eq(new.child("c").unwrap()));
        assert_eq!(new.at(&path("a.b")), Some(&3.into()));
        assert_eq!(old.at(&path("a.b")), Some(&1.into()));
    }

    #[test]
    fn list_segments_are_plain_decimal_indexes() {
        let list = Value::empty_map().with(&path("l"), vec![1.into(), 2.into()].into());
        assert_eq!(list.at(&path("l.1")), Some(&2.into()));
        for bad in ["l.01", "l.+1", "l.-1", "l.2", "l.x"] {
            assert_eq!(list.at(&path(bad)), None, "{bad}");
        }
        assert_eq!(list.with(&path("l.2"), 3.into()).at(&path("l.2")), Some(&3.into()));
    }

    #[test]
    fn removing_what_is_not_there_changes_nothing() {
        let value = Value::empty_map().with(&path("a.b"), 1.into());
        assert!(value.without(&path("a.c.d")).ptr_eq(&value));
        assert_eq!(value.without(&path("a.b")), Value::empty_map().with(&path("a"), Value::empty_map()));
    }
}
