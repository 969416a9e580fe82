//! Profiles: several settings of one program inside one document.

use crate::error::{Code, Error, Result};
use crate::path::Path;
use crate::schema::nearest;
use crate::value::{Map, Str, Value};

/// The top-level key that holds the profiles.
pub const PROFILES: &str = "profiles";
/// What the base of a document is called among its profiles.
pub const BASE: &str = "base";

/// Takes a document with profiles apart: the base, then the overlay of each active profile, **lowest first**.
///
/// Profiles are the maps below the top-level key `profiles`:
///
/// ```yaml
/// rate_limit: 100
/// profiles:
///   development: {debug: true}
///   production: {rate_limit: 1000}
/// ```
///
/// - The first entry is (`base`, the document without `profiles`).
/// - One entry follows per active name, in the order in which they are named. **A profile that is named later wins**; to
///   [`merge`](super::merge()) them, give the last entry the lowest priority number, or name the layers in reverse order.
/// - A name that is given twice counts where it stands last. A profile that is null is empty.
/// - Without `profiles`, and without active names, the document is its own base, shared with `value`.
/// - A profile holds no `profiles` of its own, and none is called `base`.
///
/// # Errors
/// [`Code::NotFound`] for a profile that the document does not hold, with those that it does; [`Code::NotAMap`] where the
/// document, `profiles` or any profile (active or not) is no map; [`Code::ReservedKey`] for a profile named `base` and for profiles in
/// profiles.
///
/// ```
/// use confmesh::format::{Format, parse};
/// use confmesh::merge::split_profiles;
/// let text = r#"{"rate": 100, "profiles": {"dev": {"debug": true}, "prod": {"rate": 1000}}}"#;
/// let parts = split_profiles(&parse(text, Format::Json)?, &["prod"])?;
/// assert_eq!(parts.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["base", "prod"]);
/// assert_eq!(parts[1].1.child("rate"), Some(&1000.into()));
/// # Ok::<(), confmesh::Error>(())
/// ```
pub fn split_profiles(value: &Value, active: &[&str]) -> Result<Vec<(Str, Value)>> {
    let top = Path::root().child(PROFILES);
    let not_a_map = |what: &str, value: &Value, path: &Path| {
        Error::new(Code::NotAMap, format!("{what} is a {}, not a map", value.type_name())).with_path(path.clone())
    };
    let Value::Map(document) = value else { return Err(not_a_map("the document", value, &Path::root())) };
    let empty = Map::default();
    let profiles = match document.get(PROFILES) {
        None | Some(Value::Null) => &empty,
        Some(Value::Map(profiles)) => profiles,
        Some(other) => {
            return Err(not_a_map("`profiles`", other, &top).with_hint("write a map of profiles by name"));
        }
    };
    for (name, profile) in profiles.iter() {
        let path = top.child(name);
        if name == BASE {
            return Err(Error::new(Code::ReservedKey, "no profile is called `base`")
                .with_path(path)
                .with_hint("what holds in every profile stands outside `profiles`"));
        }
        match profile {
            Value::Map(map) if map.contains_key(PROFILES) => {
                return Err(Error::new(Code::ReservedKey, format!("the profile `{name}` holds profiles"))
                    .with_path(path.child(PROFILES))
                    .with_hint("profiles do not nest; activate several of them"));
            }
            Value::Map(_) | Value::Null => {}
            other => return Err(not_a_map(&format!("the profile `{name}`"), other, &path)),
        }
    }
    let base = if document.contains_key(PROFILES) { Value::Map(document.without(PROFILES)) } else { value.clone() };
    let mut parts = vec![(Str::from(BASE), base)];
    for (at, name) in active.iter().enumerate() {
        let Some(profile) = profiles.get(name) else { return Err(unknown(name, profiles)) };
        if active.iter().skip(at + 1).any(|later| later == name) {
            continue;
        }
        let overlay = if *profile == Value::Null { Value::empty_map() } else { profile.clone() };
        parts.push((Str::from(*name), overlay));
    }
    Ok(parts)
}

fn unknown(name: &str, profiles: &Map) -> Error {
    let names: Vec<String> = profiles.keys().map(|name| format!("`{name}`")).collect();
    let existing = match names.as_slice() {
        [] => "the document has no profiles".to_owned(),
        names => format!("the profiles are {}", names.join(", ")),
    };
    let hint = match nearest(name, profiles.keys().map(Str::as_str)) {
        Some(close) => format!("did you mean `{close}`? {existing}"),
        None => existing,
    };
    Error::new(Code::NotFound, format!("no profile is called `{name}`"))
        .with_path(Path::root().child(PROFILES))
        .with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::canonical;
    use crate::format::{Format, parse};
    use crate::merge::{Layer, merge};
    use crate::policy::Policy;

    const DOCUMENT: &str =
        r#"{"a":1,"db":{"host":"h"},"profiles":{"dev":{"a":2},"prod":{"a":3,"db":{"host":"p"}},"none":null}}"#;

    fn split(text: &str, active: &[&str]) -> Result<Vec<(String, String)>> {
        let parts = split_profiles(&parse(text, Format::Json).unwrap(), active)?;
        Ok(parts.into_iter().map(|(name, value)| (name.to_string(), canonical(&value))).collect())
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn the_base_comes_first_then_the_active_profiles_as_named() {
        let base = ("base", r#"{"a":1,"db":{"host":"h"}}"#);
        let (dev, prod) = (("dev", r#"{"a":2}"#), ("prod", r#"{"a":3,"db":{"host":"p"}}"#));
        assert_eq!(split(DOCUMENT, &[]).unwrap(), pairs(&[base]));
        assert_eq!(split(DOCUMENT, &["prod", "dev"]).unwrap(), pairs(&[base, prod, dev]));
        assert_eq!(split(DOCUMENT, &["dev", "prod", "dev"]).unwrap(), pairs(&[base, prod, dev]));
        assert_eq!(split(DOCUMENT, &["none"]).unwrap(), pairs(&[base, ("none", "{}")]));
    }

    #[test]
    fn a_profile_that_is_named_later_wins_the_merge() {
        let parts = split_profiles(&parse(DOCUMENT, Format::Json).unwrap(), &["dev", "prod"]).unwrap();
        let layers: Vec<Layer> = parts.into_iter().rev().map(|(name, value)| Layer::new(name, 30, value)).collect();
        assert_eq!(canonical(&merge(&layers, &Policy::default()).value), r#"{"a":3,"db":{"host":"p"}}"#);
    }

    #[test]
    fn a_document_without_profiles_is_its_own_base() {
        let value = parse(r#"{"a":1}"#, Format::Json).unwrap();
        assert!(split_profiles(&value, &[]).unwrap()[0].1.ptr_eq(&value));
        assert!(split(r#"{"a":1}"#, &["x"]).unwrap_err().hint().unwrap().contains("no profiles"));
    }

    #[test]
    fn an_unknown_profile_is_refused_with_those_that_exist() {
        let error = split(DOCUMENT, &["prdo"]).unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
        assert_eq!(error.hint(), Some("did you mean `prod`? the profiles are `dev`, `none`, `prod`"));
    }

    #[test]
    fn profiles_that_are_no_maps_of_maps_are_refused_with_their_path() {
        for (text, code, path) in [
            ("[1]", Code::NotAMap, ""),
            (r#"{"profiles":["dev"]}"#, Code::NotAMap, "profiles"),
            (r#"{"profiles":{"dev":1}}"#, Code::NotAMap, "profiles.dev"),
            (r#"{"profiles":{"base":{}}}"#, Code::ReservedKey, "profiles.base"),
            (r#"{"profiles":{"dev":{"profiles":{}}}}"#, Code::ReservedKey, "profiles.dev.profiles"),
        ] {
            let error = split(text, &[]).unwrap_err();
            assert_eq!((error.code(), error.path().unwrap().to_string().as_str()), (code, path), "{text}");
        }
    }
}
