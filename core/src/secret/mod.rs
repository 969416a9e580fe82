//! Secrets: what a policy hides, masked in everything that people or logs could read.
//!
//! A value is secret where a rule of the policy says so (or a schema, which adds such rules), and where its text took a
//! secret by reference. Programs read values as they are; accounts, statuses, listings, logs and errors show
//! [`MASK`](crate::policy::MASK).

#[cfg(all(feature = "native", not(target_family = "wasm")))]
mod seal;

#[cfg(all(feature = "native", not(target_family = "wasm")))]
pub use seal::{Keys, key_line};

use std::fmt;

use crate::diff::{Change, Operation, Patch};
use crate::path::Path;
use crate::policy::{MASK, Policy};
use crate::value::{Map, Value};

/// What seals secrets where something of them is kept: the keys of a key file.
pub trait Seal: fmt::Debug + Send + Sync {
    /// Seals bytes for one place; none where that cannot be done, and nothing is kept then.
    fn seal(&self, place: &str, plain: &[u8]) -> Option<String>;

    /// Opens what was sealed for this place; none where no key here opens it.
    fn open(&self, place: &str, sealed: &str) -> Option<Vec<u8>>;
}

/// Changes with every secret masked, so that they still tell that it changed.
pub fn masked_changes(policy: &Policy, changes: &[Change]) -> Vec<Change> {
    let side = |path: &Path, value: &Option<Value>| value.as_ref().map(|value| policy.masked(path, value));
    changes
        .iter()
        .map(|Change { path, old, new }| Change { path: path.clone(), old: side(path, old), new: side(path, new) })
        .collect()
}

/// A patch with every secret masked: to be read, not to be applied.
pub fn masked_patch(policy: &Policy, patch: &Patch) -> Patch {
    let operations = patch.operations().iter().map(|operation| match operation {
        Operation::Add { path, value } => Operation::Add { path: path.clone(), value: policy.masked(path, value) },
        Operation::Replace { path, value } => {
            Operation::Replace { path: path.clone(), value: policy.masked(path, value) }
        }
        Operation::Test { path, value } => Operation::Test { path: path.clone(), value: policy.masked(path, value) },
        other @ (Operation::Remove { .. } | Operation::Move { .. } | Operation::Copy { .. }) => other.clone(),
    });
    Patch::of(operations)
}

/// A value with every secret masked, but for a secret that is named by its own path.
pub fn masked_below(policy: &Policy, path: &Path, value: &Value) -> Value {
    if policy.is_secret(path) { value.clone() } else { policy.masked(path, value) }
}

/// The paths of the secrets that a document holds: of each the highest.
pub fn secret_paths(policy: &Policy, document: &Value) -> Vec<Path> {
    fn search(policy: &Policy, path: &Path, value: &Value, found: &mut Vec<Path>) {
        if policy.is_secret(path) && policy.masked(path, value) == hidden(value) {
            found.push(path.clone());
            return;
        }
        match value {
            Value::Map(map) => map.iter().for_each(|(key, child)| search(policy, &path.child(key), child, found)),
            Value::List(list) => {
                let items = list.iter().enumerate();
                items.for_each(|(at, item)| search(policy, &path.child(&at.to_string()), item, found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    if policy.has_secrets() {
        search(policy, &Path::root(), document, &mut found);
    }
    found
}

/// A value of which everything is hidden.
fn hidden(value: &Value) -> Value {
    match value {
        Value::Map(map) if !map.is_empty() => {
            Value::Map(map.iter().map(|(key, child)| (key.clone(), hidden(child))).collect::<Map>())
        }
        Value::Null => Value::Null,
        _ => MASK.into(),
    }
}

/// How many masks a value shows.
pub fn count_masks(value: &Value) -> usize {
    match value {
        Value::Map(map) => map.values().map(count_masks).sum(),
        Value::List(list) => list.iter().map(count_masks).sum(),
        Value::String(text) => usize::from(text.as_str() == MASK),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::canonical;
    use crate::diff::{Patch, diff};
    use crate::format::{Format, parse};
    use crate::pattern::Pattern;
    use crate::policy::Rule;

    fn json(text: &str) -> Value {
        parse(text, Format::Json).unwrap()
    }

    fn policy() -> Policy {
        let rule = |pattern: &str, secret| Rule::on(Pattern::parse(pattern).unwrap()).secret(secret);
        Policy::of([rule("db", true), rule("db.host", false), rule("users.*.token", true)]).unwrap()
    }

    const OLD: &str = r#"{"db":{"host":"h","password":"hunter2"},"users":[{"name":"a","token":"hunter2"}]}"#;
    const NEW: &str = r#"{"db":{"host":"h","password":"hunter3"},"users":[{"name":"a","token":"hunter4"}],"x":1}"#;

    #[test]
    fn changes_and_patches_tell_that_a_secret_changed_and_not_to_what() {
        let (old, new) = (json(OLD), json(NEW));
        let changes = masked_changes(&policy(), &diff(&old, &new));
        let patch = masked_patch(&policy(), &Patch::between(&old, &new));
        assert!(changes.iter().any(|change| change.path.to_string() == "db.password"), "{changes:?}");
        let shown = format!("{changes:?} {}", canonical(&patch.to_value()));
        assert!(!shown.contains("hunter") && shown.contains("/db/password"), "{shown}");
    }

    #[test]
    fn a_secret_is_shown_where_its_own_path_is_named() {
        let path = Path::parse("db.password").unwrap();
        assert_eq!(masked_below(&policy(), &path, &"hunter2".into()), "hunter2".into());
        let masked = masked_below(&policy(), &Path::root(), &json(OLD));
        assert_eq!(canonical(&masked), r#"{"db":{"host":"h","password":"***"},"users":[{"name":"a","token":"***"}]}"#);
        assert_eq!(count_masks(&masked), 2);
    }

    #[test]
    fn the_secrets_of_a_document_are_found() {
        let paths: Vec<String> = secret_paths(&policy(), &json(OLD)).iter().map(Path::to_string).collect();
        assert_eq!(paths, ["db.password", "users.0.token"]);
    }
}
