//! Values as the set of their leaves: scalars, lists and empty maps, each at a path through maps.
//!
//! Two values differ in leaves, and a leaf changes on its own; so a change list of leaves can be counted, corrected by
//! another one, and applied to a third value without meaning more than it says.

use crate::path::Path;
use crate::value::{Str, Value};

/// One leaf that differs between two values; `None` where a side has no leaf there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) path: Path,
    pub(crate) old: Option<Value>,
    pub(crate) new: Option<Value>,
}

/// The leaf at a path: nothing where a map with entries stands there, or where the way leads through something else than
/// maps.
pub(crate) fn leaf_at<'v>(value: &'v Value, path: &Path) -> Option<&'v Value> {
    node_at(value, path).filter(|found| is_leaf(found))
}

/// What stands at a path through maps.
pub(crate) fn node_at<'v>(value: &'v Value, path: &Path) -> Option<&'v Value> {
    path.segments().iter().try_fold(value, |value, segment| value.as_map()?.get(segment))
}

fn is_leaf(value: &Value) -> bool {
    value.as_map().is_none_or(|map| map.is_empty())
}

/// How many leaves a value has.
pub(crate) fn leaf_count(value: &Value) -> usize {
    match value {
        Value::Map(map) if !map.is_empty() => map.values().map(leaf_count).sum(),
        _ => 1,
    }
}

/// The leaves that differ, by path. The root counts as a leaf on neither side. Subtrees that both share are skipped.
pub(crate) fn leaf_diff(old: &Value, new: &Value) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    compare(&mut Vec::new(), Some(old), Some(new), &mut leaves);
    leaves.sort_by(|one, other| one.path.cmp(&other.path));
    leaves
}

fn compare(above: &mut Vec<Str>, old: Option<&Value>, new: Option<&Value>, leaves: &mut Vec<Leaf>) {
    if let (Some(old), Some(new)) = (old, new)
        && old.ptr_eq(new)
    {
        return;
    }
    let map = |side: Option<&Value>| side.and_then(Value::as_map).cloned();
    let (old_map, new_map) = (map(old), map(new));
    if old_map.is_some() || new_map.is_some() {
        let (old_map, new_map) = (old_map.unwrap_or_default(), new_map.unwrap_or_default());
        for (key, old, new) in old_map.differences(&new_map) {
            above.push(key.clone());
            compare(above, old, new, leaves);
            above.pop();
        }
    }
    let (old, new) = (old.filter(|old| is_leaf(old)), new.filter(|new| is_leaf(new)));
    if old != new && !above.is_empty() {
        leaves.push(Leaf { path: above.iter().cloned().collect(), old: old.cloned(), new: new.cloned() });
    }
}

/// The value with leaves set and removed. A map that loses its last leaf goes as well; an empty map set where a map stands
/// changes nothing.
pub(crate) fn with_leaves<'c>(
    value: &Value,
    changes: impl IntoIterator<Item = (&'c Path, Option<&'c Value>)> + Clone,
) -> Value {
    let mut value = value.clone();
    for (path, new) in changes.clone() {
        if new.is_none() && leaf_at(&value, path).is_some() {
            value = without_leaf(&value, path);
        }
    }
    for (path, new) in changes {
        let Some(new) = new else { continue };
        let keeps_map = *new == Value::empty_map() && node_at(&value, path).is_some_and(|old| old.as_map().is_some());
        if !keeps_map && !path.is_root() {
            value.put(path.segments(), new.clone());
        }
    }
    value
}

/// The value without a leaf, and without the maps that held nothing else.
fn without_leaf(value: &Value, path: &Path) -> Value {
    let mut gone = path.clone();
    while let Some(above) = gone.parent().filter(|above| !above.is_root())
        && node_at(value, &above).and_then(Value::as_map).is_some_and(|map| map.len() == 1)
    {
        gone = above;
    }
    if gone.is_root() { value.clone() } else { value.without(&gone) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{json, trees};
    use super::*;
    use proptest::prelude::*;

    fn changed(old: &str, new: &str) -> Vec<String> {
        leaf_diff(&json(old), &json(new)).iter().map(|leaf| leaf.path.to_string()).collect()
    }

    #[test]
    fn an_empty_map_is_a_leaf_and_the_root_is_none() {
        assert_eq!(changed(r#"{"a":{}}"#, r#"{"a":{"b":1}}"#), ["a", "a.b"]);
        assert_eq!(changed(r#"{"a":{"b":1,"c":2}}"#, r#"{"a":3}"#), ["a", "a.b", "a.c"]);
        assert_eq!(changed("{}", r#"{"a":1}"#), ["a"]);
        assert_eq!(leaf_count(&json(r#"{"a":{},"b":{"c":[1,2],"d":null}}"#)), 3);
    }

    #[test]
    fn a_leaf_is_never_an_item_of_a_list() {
        let value = json(r#"{"a":[1]}"#);
        let path = Path::parse("a.0").unwrap();
        assert_eq!(leaf_at(&value, &path), None);
        assert_eq!(with_leaves(&value, [(&path, Some(&Value::from(2)))]), json(r#"{"a":{"0":2}}"#));
    }

    fn maps() -> impl Strategy<Value = Value> {
        trees().prop_map(|value| if value.as_map().is_some() { value } else { Value::empty_map() })
    }

    proptest! {
        #[test]
        fn a_change_list_leads_from_one_value_to_the_other_and_back(old in maps(), new in maps()) {
            let leaves = leaf_diff(&old, &new);
            prop_assert_eq!(leaves.is_empty(), old == new);
            for leaf in &leaves {
                prop_assert_eq!(leaf_at(&old, &leaf.path), leaf.old.as_ref());
                prop_assert_eq!(leaf_at(&new, &leaf.path), leaf.new.as_ref());
            }
            prop_assert_eq!(&with_leaves(&old, leaves.iter().map(|l| (&l.path, l.new.as_ref()))), &new);
            prop_assert_eq!(&with_leaves(&new, leaves.iter().map(|l| (&l.path, l.old.as_ref()))), &old);
        }
    }
}
