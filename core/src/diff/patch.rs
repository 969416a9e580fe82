//! JSON Patch (RFC 6902).

use crate::error::{Code, Error, Result};
use crate::limits::MAX_DEPTH;
use crate::path::Path;
use crate::value::{List, Map, Str, Value, index};

use super::lists::{self, Step};

/// One operation of a patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Sets a key, or inserts before a list item (`-`: behind the last).
    Add {
        /// Where.
        path: Path,
        /// What.
        value: Value,
    },
    /// Removes what is there.
    Remove {
        /// Where.
        path: Path,
    },
    /// Sets what is there already.
    Replace {
        /// Where.
        path: Path,
        /// What.
        value: Value,
    },
    /// Removes at one place and adds at another.
    Move {
        /// From where.
        from: Path,
        /// To where.
        path: Path,
    },
    /// Adds what stands at another place.
    Copy {
        /// From where.
        from: Path,
        /// To where.
        path: Path,
    },
    /// Fails the patch unless the value is there.
    Test {
        /// Where.
        path: Path,
        /// What has to be there.
        value: Value,
    },
}

impl Operation {
    /// The operation's name in RFC 6902.
    pub fn name(&self) -> &'static str {
        match self {
            Operation::Add { .. } => "add",
            Operation::Remove { .. } => "remove",
            Operation::Replace { .. } => "replace",
            Operation::Move { .. } => "move",
            Operation::Copy { .. } => "copy",
            Operation::Test { .. } => "test",
        }
    }

    /// The path that the operation is about; of `move` and `copy` the target.
    pub fn path(&self) -> &Path {
        match self {
            Operation::Add { path, .. }
            | Operation::Remove { path }
            | Operation::Replace { path, .. }
            | Operation::Move { path, .. }
            | Operation::Copy { path, .. }
            | Operation::Test { path, .. } => path,
        }
    }

    fn from_value(value: &Value) -> Result<Operation> {
        let bad = |why: String| Error::new(Code::PatchSyntax, why);
        let map = value.as_map().ok_or_else(|| bad(format!("an operation is a map, not a {}", value.type_name())))?;
        let text = |name: &str| {
            let field = map.get(name).ok_or_else(|| bad(format!("the operation has no `{name}`")))?;
            field.as_str().ok_or_else(|| bad(format!("`{name}` is a string, not a {}", field.type_name())))
        };
        let pointer = |name: &str| Path::parse_pointer(text(name)?).map_err(|error| bad(error.message().to_owned()));
        let operand = |op: &str| map.get("value").cloned().ok_or_else(|| bad(format!("`{op}` needs a `value`")));
        Ok(match text("op")? {
            op @ "add" => Operation::Add { path: pointer("path")?, value: operand(op)? },
            "remove" => Operation::Remove { path: pointer("path")? },
            op @ "replace" => Operation::Replace { path: pointer("path")?, value: operand(op)? },
            "move" => Operation::Move { from: pointer("from")?, path: pointer("path")? },
            "copy" => Operation::Copy { from: pointer("from")?, path: pointer("path")? },
            op @ "test" => Operation::Test { path: pointer("path")?, value: operand(op)? },
            other => {
                return Err(bad(format!("unknown operation `{other}`"))
                    .with_hint("use `add`, `remove`, `replace`, `move`, `copy` or `test`"));
            }
        })
    }

    fn to_value(&self) -> Value {
        let mut entries: Vec<(Str, Value)> =
            vec![("op".into(), self.name().into()), ("path".into(), self.path().to_pointer().into())];
        match self {
            Operation::Add { value, .. } | Operation::Replace { value, .. } | Operation::Test { value, .. } => {
                entries.push(("value".into(), value.clone()));
            }
            Operation::Move { from, .. } | Operation::Copy { from, .. } => {
                entries.push(("from".into(), from.to_pointer().into()));
            }
            Operation::Remove { .. } => {}
        }
        Value::Map(entries.into_iter().collect())
    }

    /// What other values share with the document is copied along the path, once for all operations. `left` is how many nodes
    /// of the document the patch may still copy or move deeper.
    fn apply(&self, document: &mut Value, left: &mut usize) -> Result<()> {
        match self {
            Operation::Add { path, value } => {
                fit(value, path, &mut { usize::MAX })?;
                add(document, path, value.clone())
            }
            Operation::Remove { path } => remove(document, path).map(drop),
            Operation::Replace { path, value } => {
                let place = existing_mut(document, path)?;
                fit(value, path, &mut { usize::MAX })?;
                *place = value.clone();
                Ok(())
            }
            Operation::Move { from, path } if from == path => existing(document, from).map(drop),
            Operation::Move { from, path } if path.starts_with(from) => {
                Err(failed("a value cannot move into itself", path))
            }
            Operation::Move { from, path } => {
                let value = remove(document, from)?;
                if path.len() > from.len() {
                    fit(&value, path, left)?;
                }
                add(document, path, value)
            }
            Operation::Copy { from, path } => {
                let value = existing(document, from)?.clone();
                fit(&value, path, left)?;
                add(document, path, value)
            }
            Operation::Test { path, value } => {
                // The values stay out of the message: they may be secret.
                let same = existing(document, path)? == value;
                if same { Ok(()) } else { Err(failed("the value there is another one", path)) }
            }
        }
    }
}

/// A list of operations that apply in order, all or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch(Vec<Operation>);

impl Patch {
    /// A patch of these operations.
    pub fn of(operations: impl IntoIterator<Item = Operation>) -> Patch {
        Patch(operations.into_iter().collect())
    }

    /// A short patch that turns `old` into `new`: maps key by key, lists by their longest common subsequence (items by
    /// position where lists are very long).
    pub fn between(old: &Value, new: &Value) -> Patch {
        let mut operations = Vec::new();
        compare(&mut Vec::new(), old, new, &mut operations);
        Patch(operations)
    }

    /// The operations in order.
    pub fn operations(&self) -> &[Operation] {
        &self.0
    }

    /// Whether it changes nothing because it says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the list form of RFC 6902; unknown members of an operation are ignored, as section 4 says.
    ///
    /// # Errors
    /// [`Code::PatchSyntax`], naming the index of the operation.
    pub fn from_value(value: &Value) -> Result<Patch> {
        let list = value.as_list().ok_or_else(|| {
            Error::new(Code::PatchSyntax, format!("a patch is a list of operations, not a {}", value.type_name()))
        })?;
        list.iter()
            .enumerate()
            .map(|(at, item)| {
                Operation::from_value(item).map_err(|error| {
                    let named = Error::new(Code::PatchSyntax, format!("operation {at}: {}", error.message()));
                    match error.hint() {
                        Some(hint) => named.with_hint(hint),
                        None => named,
                    }
                })
            })
            .collect::<Result<_>>()
            .map(Patch)
    }

    /// The list form of RFC 6902.
    pub fn to_value(&self) -> Value {
        Value::List(self.0.iter().map(Operation::to_value).collect::<List>())
    }

    /// Applies every operation to a value.
    ///
    /// # Errors
    /// [`Code::PatchFailed`] at the first operation that cannot be applied, naming its index, what it is and its path;
    /// the given value is what it was. So fails what would nest deeper than [`MAX_DEPTH`] or copy more than ten million
    /// nodes.
    pub fn apply(&self, document: &Value) -> Result<Value> {
        let mut left = MAX_COPIED_NODES;
        let mut document = document.clone();
        for (at, operation) in self.0.iter().enumerate() {
            operation.apply(&mut document, &mut left).map_err(|error| {
                let pointer = operation.path().to_pointer();
                let message = format!("operation {at} (`{}` at `{pointer}`): {}", operation.name(), error.message());
                let named = Error::new(Code::PatchFailed, message);
                named.with_path(error.path().cloned().unwrap_or_else(|| operation.path().clone()))
            })?;
        }
        Ok(document)
    }
}

impl FromIterator<Operation> for Patch {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Patch {
        Patch(operations.into_iter().collect())
    }
}

/// How many nodes the operations of one patch may copy or move deeper: a few lines can otherwise describe billions.
const MAX_COPIED_NODES: usize = 10_000_000;

/// Whether a value may stand at a path: it does not nest too deep there, and has no more nodes than are `left`.
fn fit(value: &Value, path: &Path, left: &mut usize) -> Result<()> {
    fn walk(value: &Value, levels: usize, left: &mut usize) -> Result<(), String> {
        let Some(rest) = left.checked_sub(1) else {
            return Err(format!("the patch copies more than {MAX_COPIED_NODES} nodes"));
        };
        *left = rest;
        let deeper = || levels.checked_sub(1).ok_or_else(|| format!("nested deeper than {MAX_DEPTH} levels"));
        match value {
            Value::Map(map) => deeper().and_then(|levels| map.values().try_for_each(|child| walk(child, levels, left))),
            Value::List(list) => deeper().and_then(|levels| list.iter().try_for_each(|item| walk(item, levels, left))),
            _ => Ok(()),
        }
    }
    walk(value, MAX_DEPTH.saturating_sub(path.len()), left).map_err(|why| failed(&why, path))
}

fn failed(why: &str, path: &Path) -> Error {
    Error::new(Code::PatchFailed, why).with_path(path.clone())
}

fn existing<'a>(document: &'a Value, path: &Path) -> Result<&'a Value> {
    document.at(path).ok_or_else(|| failed("nothing is there", path))
}

fn existing_mut<'a>(document: &'a mut Value, path: &Path) -> Result<&'a mut Value> {
    let found = path.segments().iter().try_fold(document, |value, segment| value.child_mut(segment));
    found.ok_or_else(|| failed("nothing is there", path))
}

fn add(document: &mut Value, path: &Path, value: Value) -> Result<()> {
    let Some((last, above)) = path.segments().split_last() else {
        *document = value;
        return Ok(());
    };
    match above.iter().try_fold(document, |value, segment| value.child_mut(segment)) {
        Some(Value::Map(map)) => *map = map.with(last.clone(), value),
        Some(Value::List(list)) => {
            let at = if last == "-" { Some(list.len()) } else { index(last) };
            match at {
                Some(at) if at <= list.len() => *list = list.with_inserted(at, value),
                Some(_) => return Err(failed(&format!("the list has {} items", list.len()), path)),
                None => return Err(failed("a list needs an index or `-`", path)),
            }
        }
        Some(other) => return Err(failed(&format!("a {} holds no keys", other.type_name()), path)),
        None => return Err(failed("the parent does not exist", path)),
    }
    Ok(())
}

/// Takes out what is there.
fn remove(document: &mut Value, path: &Path) -> Result<Value> {
    let nothing = || failed("nothing is there", path);
    let Some((last, above)) = path.segments().split_last() else {
        return Err(failed("the whole document cannot be removed", path));
    };
    let parent = above.iter().try_fold(document, |value, segment| value.child_mut(segment)).ok_or_else(nothing)?;
    let value = parent.child(last).ok_or_else(nothing)?.clone();
    match parent {
        Value::Map(map) => *map = map.without(last),
        Value::List(list) => *list = index(last).map_or_else(List::default, |at| list.without(at)),
        _ => {}
    }
    Ok(value)
}

fn compare(above: &mut Vec<Str>, old: &Value, new: &Value, operations: &mut Vec<Operation>) {
    if old.ptr_eq(new) {
        return;
    }
    match (old, new) {
        (Value::Map(old), Value::Map(new)) => compare_maps(above, old, new, operations),
        (Value::List(old), Value::List(new)) => compare_lists(above, old, new, operations),
        // Two scalars that are equal were caught above.
        _ => operations.push(Operation::Replace { path: above.iter().cloned().collect(), value: new.clone() }),
    }
}

fn compare_maps(above: &mut Vec<Str>, old: &Map, new: &Map, operations: &mut Vec<Operation>) {
    for (key, old, new) in old.differences(new) {
        above.push(key.clone());
        match (old, new) {
            (Some(old), Some(new)) => compare(above, old, new, operations),
            (None, Some(new)) => {
                operations.push(Operation::Add { path: above.iter().cloned().collect(), value: new.clone() });
            }
            (_, None) => operations.push(Operation::Remove { path: above.iter().cloned().collect() }),
        }
        above.pop();
    }
}

fn compare_lists(above: &mut Vec<Str>, old: &List, new: &List, operations: &mut Vec<Operation>) {
    // Where the next step happens in the list as it is after the operations so far.
    let mut at = 0usize;
    for step in lists::steps(old.as_slice(), new.as_slice()) {
        above.push(Str::from(at.to_string()));
        match step {
            Step::Keep => at += 1,
            Step::Replace { old: was, new: is } => {
                if let (Some(was), Some(is)) = (old.get(was), new.get(is)) {
                    compare(above, was, is, operations);
                }
                at += 1;
            }
            Step::Remove => operations.push(Operation::Remove { path: above.iter().cloned().collect() }),
            Step::Insert { new: is } => {
                let value = new.get(is).cloned().unwrap_or_default();
                operations.push(Operation::Add { path: above.iter().cloned().collect(), value });
                at += 1;
            }
        }
        above.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{json, trees};
    use super::*;
    use crate::canonical::canonical;
    use proptest::prelude::*;

    fn apply(document: &str, patch: &str) -> Result<String> {
        Patch::from_value(&json(patch))?.apply(&json(document)).map(|value| canonical(&value))
    }

    /// RFC 6902, appendix A.
    #[test]
    fn the_examples_of_rfc_6902_apply() {
        let cases = [
            (
                "A.1",
                r#"{"foo":"bar"}"#,
                r#"[{"op":"add","path":"/baz","value":"qux"}]"#,
                r#"{"baz":"qux","foo":"bar"}"#,
            ),
            (
                "A.2",
                r#"{"foo":["bar","baz"]}"#,
                r#"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
                r#"{"foo":["bar","qux","baz"]}"#,
            ),
            ("A.3", r#"{"baz":"qux","foo":"bar"}"#, r#"[{"op":"remove","path":"/baz"}]"#, r#"{"foo":"bar"}"#),
            (
                "A.4",
                r#"{"foo":["bar","qux","baz"]}"#,
                r#"[{"op":"remove","path":"/foo/1"}]"#,
                r#"{"foo":["bar","baz"]}"#,
            ),
            (
                "A.5",
                r#"{"baz":"qux","foo":"bar"}"#,
                r#"[{"op":"replace","path":"/baz","value":"boo"}]"#,
                r#"{"baz":"boo","foo":"bar"}"#,
            ),
            (
                "A.6",
                r#"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
                r#"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
                r#"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#,
            ),
            (
                "A.7",
                r#"{"foo":["all","grass","cows","eat"]}"#,
                r#"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
                r#"{"foo":["all","cows","eat","grass"]}"#,
            ),
            (
                "A.8",
                r#"{"baz":"qux","foo":["a",2,"c"]}"#,
                r#"[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]"#,
                r#"{"baz":"qux","foo":["a",2,"c"]}"#,
            ),
            (
                "A.10",
                r#"{"foo":"bar"}"#,
                r#"[{"op":"add","path":"/child","value":{"grandchild":{}}}]"#,
                r#"{"child":{"grandchild":{}},"foo":"bar"}"#,
            ),
            (
                "A.11",
                r#"{"foo":"bar"}"#,
                r#"[{"op":"add","path":"/baz","value":"qux","xyz":123}]"#,
                r#"{"baz":"qux","foo":"bar"}"#,
            ),
            ("A.14", r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":10}]"#, r#"{"/":9,"~1":10}"#),
            (
                "A.16",
                r#"{"foo":["bar"]}"#,
                r#"[{"op":"add","path":"/foo/-","value":["abc","def"]}]"#,
                r#"{"foo":["bar",["abc","def"]]}"#,
            ),
        ];
        for (name, document, patch, want) in cases {
            assert_eq!(apply(document, patch).unwrap(), want, "{name}");
        }
    }

    /// RFC 6902, appendix A.9, A.12, A.13 and A.15, and what else has to fail.
    #[test]
    fn what_rfc_6902_forbids_fails() {
        let cases = [
            (r#"{"baz":"qux"}"#, r#"[{"op":"test","path":"/baz","value":"bar"}]"#, Code::PatchFailed),
            (r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz/bat","value":"qux"}]"#, Code::PatchFailed),
            (r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":"10"}]"#, Code::PatchFailed),
            (r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/2","value":0}]"#, Code::PatchFailed),
            (r#"{"a":[1]}"#, r#"[{"op":"add","path":"/a/00","value":0}]"#, Code::PatchFailed),
            (r#"{"a":[1]}"#, r#"[{"op":"remove","path":"/a/-"}]"#, Code::PatchFailed),
            (r#"{"a":1}"#, r#"[{"op":"replace","path":"/b","value":0}]"#, Code::PatchFailed),
            (r#"{"a":1}"#, r#"[{"op":"add","path":"/a/b","value":0}]"#, Code::PatchFailed),
            (r#"{"a":{"b":1}}"#, r#"[{"op":"move","from":"/a","path":"/a/b"}]"#, Code::PatchFailed),
            (r#"{"a":1}"#, r#"[{"op":"remove","path":""}]"#, Code::PatchFailed),
            (r#"{"a":1}"#, r#"[{"op":"add","path":"a","value":0}]"#, Code::PatchSyntax),
            (r#"{"a":1}"#, r#"[{"op":"add","path":"/a"}]"#, Code::PatchSyntax),
            (r#"{"a":1}"#, r#"[{"op":"frob","path":"/a"}]"#, Code::PatchSyntax),
            (r#"{"a":1}"#, r#"{"op":"add"}"#, Code::PatchSyntax),
            (r#"{"a":1}"#, r#"[{"op":"copy","path":"/a"}]"#, Code::PatchSyntax),
        ];
        for (document, patch, code) in cases {
            assert_eq!(apply(document, patch).unwrap_err().code(), code, "{patch}");
        }
    }

    #[test]
    fn a_failing_patch_names_the_operation_and_the_path() {
        let patch = r#"[{"op":"add","path":"/a","value":1},{"op":"remove","path":"/b/c"}]"#;
        let error = apply("{}", patch).unwrap_err();
        assert_eq!(error.message(), "operation 1 (`remove` at `/b/c`): nothing is there");
        assert_eq!(error.path(), Some(&Path::parse("b.c").unwrap()));
    }

    #[test]
    fn a_patch_cannot_nest_or_multiply_a_document_without_bounds() {
        let code = |document: &str, patch: &str| apply(document, patch).unwrap_err().code();
        let copies = |count| vec![r#"{"op":"copy","from":"","path":"/a/-"}"#; count].join(",");
        assert_eq!(code(r#"{"a":[]}"#, &format!("[{}]", copies(40))), Code::PatchFailed, "2 to the 40th nodes");
        let into_itself = vec![r#"{"op":"copy","from":"","path":"/a"}"#; MAX_DEPTH].join(",");
        assert_eq!(code("{}", &format!("[{into_itself}]")), Code::PatchFailed, "one level more for each");
        let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
        let below = format!("{}1{}", r#"{"c":"#.repeat(9), "}".repeat(9));
        let target = "/c".repeat(9);
        let add = format!(r#"{{"op":"add","path":"/a","value":{deep}}}"#);
        let moves = format!(r#"[{add},{{"op":"move","from":"/a","path":"{target}"}}]"#);
        assert_eq!(code(&below, &moves), Code::PatchFailed);
        assert_eq!(code(&below, &format!("[{}]", add.replace("/a", &target))), Code::PatchFailed);
        assert!(apply(&below, &moves.replace(&target, "/c/c/b")).is_ok());
        let long = "/a".repeat(MAX_DEPTH + 1);
        assert_eq!(code("{}", &format!(r#"[{{"op":"remove","path":"{long}"}}]"#)), Code::PatchSyntax);
    }

    #[test]
    fn numbers_that_are_equal_pass_a_test() {
        assert!(apply(r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":1.0}]"#).is_ok());
    }

    #[test]
    fn an_item_inserted_into_a_list_is_one_operation() {
        let patch = Patch::between(&json(r#"{"l":[{"a":1},{"b":2}]}"#), &json(r#"{"l":[{"a":1},{"x":0},{"b":2}]}"#));
        assert_eq!(canonical(&patch.to_value()), r#"[{"op":"add","path":"/l/1","value":{"x":0}}]"#);
    }

    #[test]
    fn a_changed_item_is_patched_inside() {
        let patch = Patch::between(&json(r#"[{"a":1,"b":[1,2]},3]"#), &json(r#"[{"a":1,"b":[1]},3]"#));
        assert_eq!(canonical(&patch.to_value()), r#"[{"op":"remove","path":"/0/b/1"}]"#);
    }

    proptest! {
        #[test]
        fn applying_what_lies_between_gives_the_new_value(old in trees(), new in trees()) {
            let patch = Patch::between(&old, &new);
            prop_assert_eq!(patch.is_empty(), old == new);
            prop_assert_eq!(patch.apply(&old).unwrap(), new);
            prop_assert_eq!(Patch::from_value(&patch.to_value()).unwrap(), patch);
        }
    }
}
