//! JSON Merge Patch (RFC 7396): a map of what changes, where null removes.

use crate::error::{Code, Error, Result};
use crate::path::Path;
use crate::value::{Map, MapBuilder, Str, Value};

/// The target with a merge patch applied: maps unite, null removes, everything else replaces.
///
/// ```
/// use confmesh::{Value, diff::apply_merge_patch};
/// let target: Value = [("a", 1), ("b", 2)].into_iter().collect();
/// let patch: Value = [("a", Value::Null), ("c", 3.into())].into_iter().collect();
/// assert_eq!(apply_merge_patch(&target, &patch), [("b", 2), ("c", 3)].into_iter().collect());
/// ```
pub fn apply_merge_patch(target: &Value, patch: &Value) -> Value {
    let Value::Map(patch) = patch else { return patch.clone() };
    let empty = Map::default();
    let target = target.as_map().unwrap_or(&empty);
    let edits = patch.iter().map(|(key, change)| {
        // A map under a key that the target lacks may hold nulls itself: they remove nothing and stay out.
        let merged =
            (*change != Value::Null).then(|| apply_merge_patch(target.get(key).unwrap_or(&Value::Null), change));
        (key.clone(), merged)
    });
    Value::Map(target.edited(edits.collect()))
}

/// The merge patch that turns `old` into `new`.
///
/// # Errors
/// [`Code::Unrepresentable`] where `new` holds a null that `old` lacks: in a merge patch null means removal.
pub fn merge_patch_between(old: &Value, new: &Value) -> Result<Value> {
    between(&mut Vec::new(), Some(old), new)
}

fn between(above: &mut Vec<Str>, old: Option<&Value>, new: &Value) -> Result<Value> {
    let Value::Map(new) = new else {
        return match new {
            Value::Null if !above.is_empty() => {
                Err(Error::new(Code::Unrepresentable, "a merge patch cannot set null: there it means removal")
                    .with_path(above.iter().cloned().collect::<Path>())
                    .with_hint("use a JSON Patch (RFC 6902)"))
            }
            other => Ok(other.clone()),
        };
    };
    let empty = Map::default();
    let old = old.and_then(Value::as_map).unwrap_or(&empty);
    let mut patch = MapBuilder::default();
    for (key, was, is) in old.differences(new) {
        match (was, is) {
            (Some(was), Some(is)) if was == is => {}
            (was, Some(is)) => {
                above.push(key.clone());
                patch.push(key.clone(), between(above, was, is)?);
                above.pop();
            }
            (_, None) => patch.push(key.clone(), Value::Null),
        }
    }
    Ok(Value::Map(patch.build()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{json, trees};
    use super::*;
    use proptest::prelude::*;

    /// RFC 7396, appendix A.
    #[test]
    fn the_examples_of_rfc_7396_apply() {
        let cases = [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"a":"foo"}"#, r#""bar""#, r#""bar""#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"a":1,"e":null}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ];
        for (target, patch, want) in cases {
            assert_eq!(apply_merge_patch(&json(target), &json(patch)), json(want), "{target} {patch}");
        }
    }

    #[test]
    fn a_null_that_would_have_to_be_set_is_refused() {
        let error = merge_patch_between(&json(r#"{"a":{}}"#), &json(r#"{"a":{"b":null}}"#)).unwrap_err();
        assert_eq!((error.code(), error.path().unwrap().to_string().as_str()), (Code::Unrepresentable, "a.b"));
        assert!(merge_patch_between(&json("{}"), &json(r#"{"l":[null]}"#)).is_ok());
        assert!(merge_patch_between(&json(r#"{"n":null}"#), &json(r#"{"n":null,"a":1}"#)).is_ok());
    }

    proptest! {
        #[test]
        fn what_can_be_said_turns_the_old_value_into_the_new_one(old in trees(), new in trees()) {
            if let Ok(patch) = merge_patch_between(&old, &new) {
                prop_assert_eq!(apply_merge_patch(&old, &patch), new);
            } else {
                let mut nulls = false;
                new.for_each_leaf(&mut |_, leaf| nulls |= *leaf == Value::Null);
                prop_assert!(nulls);
            }
        }
    }
}
