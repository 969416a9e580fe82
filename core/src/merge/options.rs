//! Merging with everything around it: profiles, a schema, references.

use crate::error::{Error, Result};
use crate::path::Path;
use crate::policy::Policy;
use crate::schema::{CustomCheck, Schema};
use crate::value::{List, Map, Value};

use super::compose::{Borrowed, Composed, Composition, InvalidVariables};
use super::{CandidateState, Layer, Merged, PROFILES, split_profiles};

/// Variables by name.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What a merge takes into account beside its layers.
#[derive(Default)]
pub struct MergeOptions<'a> {
    /// The rules. A schema adds those that make secret what it calls secret.
    pub policy: Policy,
    /// What the document has to look like. Default: anything.
    pub schema: Option<&'a Schema>,
    /// What becomes of variables that are nothing of the type that the schema declares.
    pub invalid_variables: InvalidVariables,
    /// Whether the schema's defaults are left out. Default: they are the layer `default`, below every other one.
    pub without_defaults: bool,
    /// Checks beside the schema; without one they are not asked.
    pub checks: &'a [CustomCheck<'a>],
    /// The active profiles, the later one wins; see [`split_profiles`]. They overlay the layer that holds them and yield
    /// to higher ones. Default: `profiles` is a key like any other.
    pub profiles: Option<Vec<String>>,
    /// The variables that `${env:…}` refers to. Default: references stay text.
    pub variables: Option<Variables<'a>>,
}

/// A merged document and what is wrong with it.
#[derive(Debug)]
pub struct Checked {
    /// The document. Its accounts show references as they are written.
    pub merged: Merged,
    /// Variables of the wrong type, references that lead nowhere, and what breaks the schema, with their places.
    pub errors: Vec<Error>,
    /// Deprecated keys in use.
    pub warnings: Vec<Error>,
}

impl Checked {
    /// The document, if nothing is wrong with it; its warnings are all there are.
    ///
    /// # Errors
    /// The first problem; the others are among its [`related`](Error::related) errors.
    pub fn valid(self) -> Result<Merged> {
        let Checked { mut merged, errors, warnings } = self;
        merged.warnings.extend(warnings);
        Error::all(errors).map_or(Ok(merged), Err)
    }
}

/// Merges layers with profiles, defaults, declared types and references, and validates the result.
///
/// Profiles are taken apart first. Variables take the types that the schema declares. References are replaced in the
/// merged document; text that holds one takes the declared type as a variable does. The schema has the last word.
///
/// # Errors
/// What [`split_profiles`] says, [`Code::NotFound`](crate::Code::NotFound) for a profile that no layer holds, and rules
/// that contradict those of the schema. What is wrong with the document is in [`Checked::errors`].
///
/// ```
/// use confmesh::format::{Format, parse};
/// use confmesh::merge::{Layer, MergeOptions, merge_with};
/// use confmesh::schema::Schema;
/// let json = |text| parse(text, Format::Json);
/// let schema = Schema::from_value(&json(r#"{"fields": {"port": {"type": "port", "default": 80}, "url": "string"}}"#)?)?;
/// let layer = Layer::new("app", 30, json(r#"{"url": "http://${env:HOST}:${port}", "profiles": {"dev": {"port": 8080}}}"#)?);
/// let options = MergeOptions {
///     schema: Some(&schema),
///     profiles: Some(vec!["dev".to_owned()]),
///     variables: Some(&|name| (name == "HOST").then(|| "h".to_owned())),
///     ..MergeOptions::default()
/// };
/// let merged = merge_with(&[layer], &options)?.valid()?;
/// assert_eq!(merged.value, json(r#"{"port": 8080, "url": "http://h:8080"}"#)?);
/// # Ok::<(), confmesh::Error>(())
/// ```
pub fn merge_with(layers: &[Layer], options: &MergeOptions<'_>) -> Result<Checked> {
    if let Some(active) = &options.profiles {
        overlaid(layers, active)?;
    }
    let mut composition = Composition::new(options.policy.clone())
        .with_exactly(options.profiles.clone())
        .with_invalid_variables(options.invalid_variables);
    if let Some(schema) = options.schema {
        let mut policy = options.policy.clone();
        schema.policy_rules().into_iter().try_for_each(|rule| policy.add(rule))?;
        composition = composition.with_schema(schema.clone());
    }
    let MergeOptions { checks, variables, without_defaults, .. } = *options;
    let composed = composition.compose_with(layers, Borrowed { checks, variables, without_defaults });
    let Composed { value, mut merged, policy, errors, mut warnings, .. } = composed;
    warnings.drain(..merged.warnings.len().min(warnings.len()));
    // What took a secret is as secret, in accounts and in what the schema says of it.
    (merged.value, merged.policy) = (value, policy);
    Ok(Checked { merged, errors, warnings })
}

/// Where the value at a path comes from.
pub(super) fn place(merged: &Merged, path: &Path) -> Option<crate::origin::Origin> {
    let found = merged.explain(path)?;
    let used = |state: CandidateState| matches!(state, CandidateState::Wins | CandidateState::Contributes);
    found.winner.iter().chain(&found.others).find(|one| used(one.state)).map(|one| one.origin.clone())
}

/// Each layer with its active profiles above it, as layers of their own.
pub(super) fn overlaid(layers: &[Layer], active: &[String]) -> Result<Vec<Layer>> {
    let profiles = |layer: &Layer| layer.value.child(PROFILES).and_then(Value::as_map).cloned().unwrap_or_default();
    let all: Map = layers
        .iter()
        .flat_map(|layer| profiles(layer).keys().cloned().collect::<Vec<_>>())
        .map(|name| (name, Value::empty_map()))
        .collect();
    let all: Value = [(PROFILES, Value::Map(all))].into_iter().collect();
    let names: Vec<&str> = active.iter().map(String::as_str).collect();
    // Refuses what no layer holds, with the names that there are.
    split_profiles(&all, &names)?;
    let mut overlaid = Vec::new();
    for layer in layers {
        let held = profiles(layer);
        let names: Vec<&str> = names.iter().copied().filter(|name| held.contains_key(name)).collect();
        let mut parts = split_profiles(&layer.value, &names)?.into_iter();
        let base = parts.next().map(|(_, value)| Layer { value, ..layer.clone() });
        // Of equal priorities the first wins.
        overlaid.extend(parts.rev().map(|(name, value)| layer.profile(&name, value)));
        overlaid.extend(base);
    }
    Ok(overlaid)
}

/// The new value, where text that held a reference takes the type that the schema declares.
pub(super) fn retyped(schema: &Schema, old: &Value, new: &Value, path: &Path) -> Value {
    match (old, new) {
        (old, new) if old.ptr_eq(new) => new.clone(),
        (Value::String(_), Value::String(text)) => schema.coerce_text(path, text).unwrap_or_else(|_| new.clone()),
        (Value::Map(old), Value::Map(new)) => {
            let child = |key: &str, child: &Value| match old.get(key) {
                Some(held) => retyped(schema, held, child, &path.child(key)),
                None => child.clone(),
            };
            Value::Map(new.iter().map(|(key, value)| (key.clone(), child(key, value))).collect::<Map>())
        }
        (Value::List(old), Value::List(new)) => {
            let items = old.iter().zip(new).enumerate();
            Value::List(
                items.map(|(at, (old, new))| retyped(schema, old, new, &path.child(&at.to_string()))).collect::<List>(),
            )
        }
        (_, new) => new.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;
    use crate::canonical::canonical;
    use crate::format::{Format, parse};

    fn json(text: &str) -> Value {
        parse(text, Format::Json).unwrap()
    }

    fn file(text: &str) -> Layer {
        Layer::from_text("file:app.json", 30, text, Format::Json).unwrap()
    }

    fn active(names: &[&str]) -> MergeOptions<'static> {
        MergeOptions {
            profiles: Some(names.iter().map(|name| (*name).to_owned()).collect()),
            ..MergeOptions::default()
        }
    }

    #[test]
    fn a_profile_overlays_its_layer_and_yields_to_higher_ones() {
        let text =
            "{\"a\": 1, \"b\": 1, \"c\": 1,\n \"profiles\": {\"dev\": {\"a\": 2, \"b\": 2},\n  \"fast\": {\"b\": 3}}}";
        let layers = [Layer::new("top", 10, json(r#"{"a": 9}"#)), file(text)];
        let merged = merge_with(&layers, &active(&["dev", "fast"])).unwrap().valid().unwrap();
        assert_eq!(canonical(&merged.value), r#"{"a":9,"b":3,"c":1}"#);
        let account = merged.explain(&Path::parse("b").unwrap()).unwrap();
        assert_eq!(account.winner.as_ref().unwrap().origin.to_string(), "file:app.json#fast:3:12");
        assert_eq!(merged.explain_all().iter().find(|one| one.path == account.path), Some(&account));
        assert_eq!(canonical(&merge_with(&layers, &active(&[])).unwrap().merged.value), r#"{"a":9,"b":1,"c":1}"#);
        let error = merge_with(&layers, &active(&["prod"])).unwrap_err();
        assert_eq!((error.code(), error.hint()), (Code::NotFound, Some("the profiles are `dev`, `fast`")));
    }

    #[test]
    fn text_with_references_takes_the_declared_type() {
        let schema =
            Schema::from_value(&json(r#"{"fields": {"port": "port", "n": "integer", "s": "string"}}"#)).unwrap();
        let variables = |name: &str| (name == "PORT").then(|| "8080".to_owned());
        let options = MergeOptions { schema: Some(&schema), variables: Some(&variables), ..MergeOptions::default() };
        let merge = |text: &str| merge_with(&[file(text)], &options).unwrap();
        let merged = merge(r#"{"port": "${env:PORT}", "n": "1${env:PORT:-2}", "s": "${env:PORT}"}"#).valid().unwrap();
        assert_eq!(canonical(&merged.value), r#"{"n":18080,"port":8080,"s":"8080"}"#);
        let errors = merge("{\n\"port\": \"${env:GONE}\", \"n\": \"${s}\", \"s\": \"x\"}").errors;
        let told: Vec<_> =
            errors.iter().map(|error| (error.path().unwrap().to_string(), error.origin().is_some())).collect();
        assert_eq!(told, [("port".to_owned(), true), ("n".to_owned(), true)], "{errors:?}");
    }

    #[test]
    fn what_takes_a_secret_by_reference_is_masked_in_accounts_and_in_what_the_schema_says() {
        let text = r#"{"fields": {"token": {"type": "string", "secret": true}, "url": {"type": "string", "max_length": 3}, "n": "integer"}}"#;
        let schema = Schema::from_value(&json(text)).unwrap();
        let options = MergeOptions { schema: Some(&schema), variables: Some(&|_| None), ..MergeOptions::default() };
        let layer = file(r#"{"token": "hunter2", "url": "u:${token}@h", "n": "${token}"}"#);
        let checked = merge_with(&[layer], &options).unwrap();
        let found = checked.merged.explain(&Path::parse("url").unwrap()).unwrap();
        assert_eq!(found.value, Some(crate::policy::MASK.into()));
        let told = format!("{:?} {:?} {found}", checked.errors, checked.merged.explain_all());
        assert!(checked.errors.len() == 2 && !told.contains("hunter2"), "{told}");
        assert_eq!(checked.merged.value.child("url"), Some(&"u:hunter2@h".into()), "programs read what it is");
    }

    #[test]
    fn every_problem_is_told_with_its_place() {
        let schema =
            Schema::from_value(&json(r#"{"fields": {"url": {"type": "url", "required": true}, "n": "integer"}}"#))
                .unwrap();
        let options = MergeOptions { schema: Some(&schema), ..MergeOptions::default() };
        let env = Layer::from_env("APP", [("APP_N".to_owned(), "x".to_owned())]).unwrap();
        let error = merge_with(&[file("{\n  \"n\": true}"), env], &options).unwrap().valid().unwrap_err();
        let all: Vec<_> = std::iter::once(&error).chain(error.related()).map(ToString::to_string).collect();
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(all[0].starts_with("env:APP (APP_N): `APP_N` is of the wrong type"), "{all:?}");
        assert!(all[1].contains("required key is missing (at `url`)"), "{all:?}");
        assert!(all[2].starts_with("file:app.json:2:3: "), "{all:?}");
    }
}
