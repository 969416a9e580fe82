//! What differs between two values: change lists, RFC 6902 patches, RFC 7396 merge patches, three-way merges.

pub(crate) mod leaf;
pub(crate) mod lists;
pub mod merge_patch;
pub(crate) mod parts;
pub mod patch;
pub mod three_way;

pub use merge_patch::{apply_merge_patch, merge_patch_between};
pub use patch::{Operation, Patch};
pub use three_way::{Conflict, ThreeWay, three_way};

use std::fmt;

use crate::error::{Code, Error, Result};
use crate::path::Path;
use crate::value::{Str, Value};

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeOp {
    /// Nothing was there before.
    Added,
    /// Another value was there before.
    Changed,
    /// Nothing is there any more.
    Removed,
}

impl ChangeOp {
    /// The name as users read it.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeOp::Added => "added",
            ChangeOp::Changed => "changed",
            ChangeOp::Removed => "removed",
        }
    }
}

impl fmt::Display for ChangeOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One difference; at least one side is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub path: Path,
    /// What was there.
    pub old: Option<Value>,
    /// What is there now.
    pub new: Option<Value>,
}

impl Change {
    /// What happened.
    pub fn op(&self) -> ChangeOp {
        match (&self.old, &self.new) {
            (None, _) => ChangeOp::Added,
            (Some(_), None) => ChangeOp::Removed,
            (Some(_), Some(_)) => ChangeOp::Changed,
        }
    }

    /// Reads what [`Change::to_value`] makes; `op` is left out of account, the sides tell it.
    ///
    /// # Errors
    /// [`Code::Message`] where it is none.
    pub fn from_value(value: &Value) -> Result<Change> {
        let path = value.child("path").and_then(Value::as_str);
        let path = path.ok_or_else(|| Error::new(Code::Message, "malformed message: a change has a `path`"))?;
        let (old, new) = (value.child("old").cloned(), value.child("new").cloned());
        if old.is_none() && new.is_none() {
            return Err(Error::new(Code::Message, "malformed message: a change has `old` or `new`"));
        }
        Ok(Change { path: Path::parse(path)?, old, new })
    }

    /// `{"path", "op", "old"?, "new"?}`, the path in dotted form.
    pub fn to_value(&self) -> Value {
        let mut entries: Vec<(Str, Value)> =
            vec![("path".into(), self.path.to_string().into()), ("op".into(), self.op().as_str().into())];
        entries.extend(self.old.clone().map(|old| ("old".into(), old)));
        entries.extend(self.new.clone().map(|new| ("new".into(), new)));
        Value::Map(entries.into_iter().collect())
    }
}

/// What differs, in RFC 8785 key order. Maps are compared key by key; lists and scalars are leaves; a map that only one
/// side holds is one change. Subtrees that both sides share are skipped at once.
///
/// ```
/// use confmesh::{Path, Value, diff::diff};
/// let old = Value::empty_map().with(&Path::parse("app.rate_limit")?, 100.into());
/// let new = old.with(&Path::parse("app.rate_limit")?, 200.into());
/// assert_eq!(diff(&old, &new)[0].path.to_string(), "app.rate_limit");
/// # Ok::<(), confmesh::Error>(())
/// ```
pub fn diff(old: &Value, new: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(&mut Vec::new(), old, new, &mut changes);
    changes
}

/// Changes leaf by leaf, for whoever listens to patterns: a map that came, went or took the place of something else becomes
/// one change for each of its leaves. Lists and scalars are leaves, and so is an empty map.
pub fn leaves(changes: &[Change]) -> Vec<Change> {
    let mut all = Vec::new();
    for change in changes {
        let holds = |side: &Option<Value>| side.as_ref().and_then(Value::as_map).is_some_and(|map| !map.is_empty());
        if !holds(&change.old) && !holds(&change.new) {
            all.push(change.clone());
            continue;
        }
        let mut sides: std::collections::BTreeMap<Path, (Option<Value>, Option<Value>)> = Default::default();
        if let Some(old) = &change.old {
            old.for_each_leaf(&mut |path, value| {
                sides.entry(change.path.join(path)).or_default().0 = Some(value.clone())
            });
        }
        if let Some(new) = &change.new {
            new.for_each_leaf(&mut |path, value| {
                sides.entry(change.path.join(path)).or_default().1 = Some(value.clone())
            });
        }
        all.extend(sides.into_iter().map(|(path, (old, new))| Change { path, old, new }));
    }
    all
}

fn compare(above: &mut Vec<Str>, old: &Value, new: &Value, changes: &mut Vec<Change>) {
    if old.ptr_eq(new) {
        return;
    }
    if let (Value::Map(old), Value::Map(new)) = (old, new) {
        for (key, old, new) in old.differences(new) {
            above.push(key.clone());
            match (old, new) {
                (Some(old), Some(new)) => compare(above, old, new, changes),
                (old, new) => changes.push(Change { path: path(above), old: old.cloned(), new: new.cloned() }),
            }
            above.pop();
        }
    } else if old != new {
        changes.push(Change { path: path(above), old: Some(old.clone()), new: Some(new.clone()) });
    }
}

fn path(segments: &[Str]) -> Path {
    segments.iter().cloned().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::value::Number;
    use proptest::prelude::*;

    /// Reads JSON through serde_json: the algebra is tested without our own parser.
    pub(crate) fn json(text: &str) -> Value {
        fn convert(value: serde_json::Value) -> Value {
            match value {
                serde_json::Value::Null => Value::Null,
                serde_json::Value::Bool(b) => b.into(),
                serde_json::Value::Number(n) => match (n.as_i64(), n.as_u64()) {
                    (Some(i), _) => i.into(),
                    (_, Some(u)) => u.into(),
                    _ => Number::from_f64(n.as_f64().unwrap()).unwrap().into(),
                },
                serde_json::Value::String(s) => s.into(),
                serde_json::Value::Array(items) => items.into_iter().map(convert).collect::<Vec<_>>().into(),
                serde_json::Value::Object(map) => map.into_iter().map(|(k, v)| (k, convert(v))).collect(),
            }
        }
        convert(serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    /// Small trees over few keys and few scalars, so that two of them have much in common.
    pub(crate) fn trees() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0i64..4).prop_map(Value::from),
            "[ab]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[a-d/~]{0,2}", inner, 0..5).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    #[test]
    fn each_kind_of_change_is_named() {
        let old = json(r#"{"a":1,"b":{"x":1,"y":[1]},"c":{"z":1}}"#);
        let new = json(r#"{"a":1,"b":{"x":2,"y":[1,2]},"d":{"e":{"f":1}}}"#);
        let found: Vec<String> = diff(&old, &new).iter().map(|c| format!("{} {}", c.op(), c.path)).collect();
        assert_eq!(found, ["changed b.x", "changed b.y", "removed c", "added d"]);
    }

    #[test]
    fn a_map_that_becomes_a_scalar_is_one_change() {
        let changes = diff(&json(r#"{"a":{"b":1,"c":2}}"#), &json(r#"{"a":null}"#));
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].new, Some(Value::Null));
        assert_eq!(changes[0].op(), ChangeOp::Changed);
    }

    #[test]
    fn roots_of_different_types_differ_at_the_root() {
        let changes = diff(&json("[1]"), &json("{}"));
        assert!(changes[0].path.is_root());
        assert_eq!(changes.len(), 1);
    }

    proptest! {
        #[test]
        fn setting_what_a_diff_names_gives_the_new_value(old in trees(), new in trees()) {
            let changes = diff(&old, &new);
            prop_assert_eq!(changes.is_empty(), old == new);
            prop_assert!(changes.windows(2).all(|pair| pair[0].path < pair[1].path));
            let mut value = old;
            for change in changes {
                value = match change.new {
                    Some(new) => value.with(&change.path, new),
                    None => value.without(&change.path),
                };
            }
            prop_assert_eq!(value, new);
        }

        #[test]
        fn nothing_differs_from_itself(value in trees()) {
            prop_assert_eq!(diff(&value, &value), vec![]);
            prop_assert_eq!(diff(&value, &json(&crate::canonical::canonical(&value))), vec![]);
        }
    }
}
