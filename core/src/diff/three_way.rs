//! Three-way merge: what two sides changed since a common base.

use crate::path::Path;
use crate::value::{Map, Str, Value};

/// A path that both sides changed in different ways; a side that removed it holds nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Where.
    pub path: Path,
    /// What was there before.
    pub base: Option<Value>,
    /// What we made of it; this is what the result holds.
    pub ours: Option<Value>,
    /// What they made of it.
    pub theirs: Option<Value>,
}

/// The result of a three-way merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreeWay {
    /// Both sides' changes; ours where they collide.
    pub value: Value,
    /// Where they collide, in RFC 8785 key order.
    pub conflicts: Vec<Conflict>,
}

impl Conflict {
    /// `{"path", "base"?, "ours"?, "theirs"?}`, the path in dotted form; a side that holds nothing is missing.
    pub fn to_value(&self) -> Value {
        let sides = [("base", &self.base), ("ours", &self.ours), ("theirs", &self.theirs)];
        let held = sides.into_iter().filter_map(|(side, value)| Some((side, value.clone()?)));
        held.chain([("path", Value::from(self.path.to_string()))]).collect()
    }
}

impl ThreeWay {
    /// `{"value", "conflicts": [conflict…]}`.
    pub fn to_value(&self) -> Value {
        let conflicts: Vec<Value> = self.conflicts.iter().map(Conflict::to_value).collect();
        [("value", self.value.clone()), ("conflicts", conflicts.into())].into_iter().collect()
    }
}

/// Merges two values that came from the same base. Maps merge key by key; lists and scalars are leaves.
///
/// ```
/// use confmesh::{Value, diff::three_way};
/// let base: Value = [("a", 1), ("b", 1)].into_iter().collect();
/// let ours: Value = [("a", 2), ("b", 1)].into_iter().collect();
/// let theirs: Value = [("a", 1), ("b", 3)].into_iter().collect();
/// let merged = three_way(&base, &ours, &theirs);
/// assert_eq!(merged.value, [("a", 2), ("b", 3)].into_iter().collect());
/// assert!(merged.conflicts.is_empty());
/// ```
pub fn three_way(base: &Value, ours: &Value, theirs: &Value) -> ThreeWay {
    let mut conflicts = Vec::new();
    let merged = merge(&mut Vec::new(), Some(base), Some(ours), Some(theirs), &mut conflicts);
    ThreeWay { value: merged.unwrap_or_default(), conflicts }
}

type Side<'a> = Option<&'a Value>;

fn same(a: Side<'_>, b: Side<'_>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.ptr_eq(b) || a == b,
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn merge(
    above: &mut Vec<Str>,
    base: Side<'_>,
    ours: Side<'_>,
    theirs: Side<'_>,
    conflicts: &mut Vec<Conflict>,
) -> Option<Value> {
    if same(base, theirs) || same(ours, theirs) {
        return ours.cloned();
    }
    if same(base, ours) {
        return theirs.cloned();
    }
    if let (Some(Value::Map(ours)), Some(Value::Map(theirs))) = (ours, theirs) {
        let empty = Map::default();
        return Some(merge_maps(above, base.and_then(Value::as_map).unwrap_or(&empty), ours, theirs, conflicts));
    }
    conflicts.push(Conflict {
        path: above.iter().cloned().collect(),
        base: base.cloned(),
        ours: ours.cloned(),
        theirs: theirs.cloned(),
    });
    ours.cloned()
}

fn merge_maps(above: &mut Vec<Str>, base: &Map, ours: &Map, theirs: &Map, conflicts: &mut Vec<Conflict>) -> Value {
    let mut edits = Vec::new();
    // What they did not change is as we have it.
    for (key, base, theirs) in base.differences(theirs) {
        above.push(key.clone());
        let own = ours.get(key);
        let merged = merge(above, base, own, theirs, conflicts);
        let kept = match (&merged, own) {
            (Some(merged), Some(own)) => merged.ptr_eq(own),
            (merged, own) => merged.is_none() && own.is_none(),
        };
        if !kept {
            edits.push((key.clone(), merged));
        }
        above.pop();
    }
    Value::Map(ours.edited(edits))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{json, trees};
    use super::*;
    use proptest::prelude::*;

    fn check(base: &str, ours: &str, theirs: &str, want: &str, conflicts: &[&str]) {
        let merged = three_way(&json(base), &json(ours), &json(theirs));
        assert_eq!(merged.value, json(want));
        assert_eq!(merged.conflicts.iter().map(|c| c.path.to_string()).collect::<Vec<_>>(), conflicts);
    }

    #[test]
    fn changes_of_different_keys_both_stay() {
        check(
            r#"{"a":{"x":1,"y":1}}"#,
            r#"{"a":{"x":2,"y":1}}"#,
            r#"{"a":{"x":1,"z":3}}"#,
            r#"{"a":{"x":2,"z":3}}"#,
            &[],
        );
    }

    #[test]
    fn ours_stays_where_both_changed_differently() {
        check(r#"{"a":1,"b":1}"#, r#"{"a":2,"b":5}"#, r#"{"a":3,"b":5}"#, r#"{"a":2,"b":5}"#, &["a"]);
        check(r#"{"a":{"b":1}}"#, "{}", r#"{"a":{"b":2}}"#, "{}", &["a"]);
        check(r#"{"a":{"b":1}}"#, r#"{"a":{"b":2}}"#, "{}", r#"{"a":{"b":2}}"#, &["a"]);
        check(r#"{"l":[1]}"#, r#"{"l":[1,2]}"#, r#"{"l":[0,1]}"#, r#"{"l":[1,2]}"#, &["l"]);
    }

    #[test]
    fn maps_that_both_added_are_united() {
        check("{}", r#"{"a":{"x":1,"s":0}}"#, r#"{"a":{"y":2,"s":1}}"#, r#"{"a":{"s":0,"x":1,"y":2}}"#, &["a.s"]);
    }

    #[test]
    fn null_is_a_value_and_not_a_removal() {
        check(r#"{"a":1}"#, r#"{"a":null}"#, r#"{"a":1}"#, r#"{"a":null}"#, &[]);
        check(r#"{"a":1}"#, r#"{"a":null}"#, "{}", r#"{"a":null}"#, &["a"]);
    }

    proptest! {
        #[test]
        fn one_side_alone_wins_whole(base in trees(), other in trees()) {
            for merged in [three_way(&base, &other, &base), three_way(&base, &base, &other), three_way(&base, &other, &other)] {
                prop_assert_eq!(&merged.value, &other);
                prop_assert!(merged.conflicts.is_empty());
            }
        }

        #[test]
        fn both_sides_see_the_same_conflicts(base in trees(), ours in trees(), theirs in trees()) {
            let one = three_way(&base, &ours, &theirs);
            let other = three_way(&base, &theirs, &ours);
            let paths = |merged: &ThreeWay| merged.conflicts.iter().map(|c| c.path.clone()).collect::<Vec<_>>();
            prop_assert_eq!(paths(&one), paths(&other));
            if one.conflicts.is_empty() {
                prop_assert_eq!(one.value, other.value);
            }
        }
    }
}
