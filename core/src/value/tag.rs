//! Values with the tag of another program: a map of `$tag` and `$value`, see `docs/decisions/files.md`.
use super::{Map, Str, Value};
use crate::error::{Code, Error, Result};
use crate::path::Path;

pub(crate) const TAG: &str = "$tag";
pub(crate) const VALUE: &str = "$value";

/// The tag that a map stands for.
pub(crate) fn tag_of(map: &Map) -> Option<&Str> {
    match map.get(TAG) {
        Some(Value::String(tag)) if map.len() == 2 && map.contains_key(VALUE) => Some(tag),
        _ => None,
    }
}

/// Refuses a path that goes past a tag: what stands behind one is below `$value`, and a third key would end the tag.
///
/// # Errors
/// [`Code::Usage`] with the path that is meant.
pub(crate) fn check_behind_tags(document: &Value, path: &Path) -> Result<()> {
    for length in 0..path.len() {
        let above = path.prefix(length);
        let Some(tag) = document.at(&above).and_then(Value::as_map).and_then(tag_of) else { continue };
        if path.segments().get(length).is_some_and(|next| ![TAG, VALUE].contains(&next.as_str())) {
            let rest = path.segments().iter().skip(length).fold(above.child(VALUE), |path, next| path.child(next));
            let error =
                Error::new(Code::Usage, format!("`{above}` has the tag `{tag}`, and `{path}` is not behind it"));
            return Err(error.with_hint(format!("write `{rest}`, or all of `{above}`")).with_path(path.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_a_tag_is_reached_by_its_key_alone() {
        let behind: Value = [("a", 1)].into_iter().collect();
        let tagged: Value = [("$tag", Value::from("!Foo")), ("$value", behind)].into_iter().collect();
        let document: Value = [("m", tagged)].into_iter().collect();
        let check = |path: &str| check_behind_tags(&document, &Path::parse(path).unwrap());
        for path in ["m", "m.$value", "m.$value.a", "m.$tag", "n.a"] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
        let error = check("m.a").unwrap_err();
        assert_eq!(error.hint(), Some("write `m.$value.a`, or all of `m`"));
    }
}
