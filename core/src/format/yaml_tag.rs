//! Values with a YAML tag that has no meaning here, as `!secret key`: they are known by a map of two keys, kept, and
//! written back as a tag.

use crate::path::Path;
use crate::value::{Map, Str, TAG, VALUE, Value, tag_of};

/// The value that stands for a tag and what it is written before.
pub(super) fn tagged(tag: &str, value: Value) -> Value {
    [(TAG, Value::from(tag)), (VALUE, value)].into_iter().collect()
}

/// What stands behind a tag.
pub(super) fn content_of(tagged: &Map) -> Option<&Value> {
    tagged.get(VALUE)
}

/// What stands behind the tag in two values with the same one.
pub(super) fn contents<'v>(old: &'v Value, new: &'v Value) -> Option<(&'v Value, &'v Value)> {
    let ((tag, old), (new_tag, new)) = (untagged(old.as_map()?)?, untagged(new.as_map()?)?);
    (tag == new_tag).then_some((old, new))
}

/// Where it stands, below the tag.
pub(super) fn content_path(path: &Path) -> Path {
    path.child(VALUE)
}

/// The tag and the value that a map stands for, where YAML can write it so.
pub(super) fn untagged(map: &Map) -> Option<(&Str, &Value)> {
    let (tag, value) = (tag_of(map)?, map.get(VALUE)?);
    let name = tag.strip_prefix("!<").and_then(|rest| rest.strip_suffix('>')).or(tag.strip_prefix('!'))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
    let own = name.strip_prefix('!').unwrap_or(name);
    let core = ["str", "null", "bool", "int", "float", "seq", "map", "merge"];
    // A scalar behind such a tag is read as a text.
    let holds = matches!(value, Value::String(_) | Value::List(_)) || value.as_map().is_some();
    let known = name.starts_with('!') && core.contains(&own);
    let is_ours = tag.starts_with("!<") && own.starts_with("tag:yaml.org,2002:");
    let is_nested = value.as_map().is_some_and(|map| untagged(map).is_some());
    (!own.is_empty() && own.chars().all(plain) && holds && !known && !is_ours && !is_nested).then_some((tag, value))
}
