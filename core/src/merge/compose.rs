//! From layers to the document in force: rules, a schema, profiles, references.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Code, Error};
use crate::origin::Origin;
use crate::path::Path;
use crate::pattern::Pattern;
use crate::policy::{Policy, Rule};
use crate::schema::{CustomCheck, Schema};
use crate::value::Value;

use super::interpolate::{Around, Interpolated, interpolate_hiding};
use super::options::{Variables, overlaid, place, retyped};
use super::{Layer, Merged, merge};

/// What becomes of a variable, or a text in an untyped file, that is nothing of the type that the schema declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvalidVariables {
    /// The document is invalid.
    #[default]
    Refuse,
    /// It is left out, and a warning.
    Ignore,
}

impl std::str::FromStr for InvalidVariables {
    type Err = Error;

    /// Reads `refuse` or `ignore`.
    fn from_str(text: &str) -> Result<InvalidVariables, Error> {
        match text {
            "refuse" => Ok(InvalidVariables::Refuse),
            "ignore" => Ok(InvalidVariables::Ignore),
            _ => Err(Error::new(Code::Usage, format!("`{text}` says nothing about invalid variables"))
                .with_hint("they are refused (`refuse`), or left out with a warning (`ignore`)")),
        }
    }
}

/// How layers become a document: the rules of a policy, and where asked for a schema, profiles and references.
///
/// ```
/// use confmesh::merge::{Composition, Layer};
/// use confmesh::schema::{Field, Schema};
/// use confmesh::{Policy, Value};
///
/// let schema = Schema::new(Field::map().field("port", Field::integer().range(1, 65_535).default_to(8080)));
/// let composition = Composition::new(Policy::default()).with_schema(schema);
/// assert_eq!(composition.compose(&[]).value.child("port"), Some(&8080.into()));
/// let wrong = Layer::new("file:app.json", 30, [("port", 0)].into_iter().collect());
/// let errors = composition.compose(&[wrong]).errors;
/// assert_eq!(errors[0].to_string(), "file:app.json: 0 is below the minimum 1 (at `port`)");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Composition {
    policy: Policy,
    schema: Option<Schema>,
    /// None where `profiles` is a key like others.
    profiles: Option<Vec<String>>,
    variables: Option<Arc<BTreeMap<String, String>>>,
    invalid_variables: InvalidVariables,
}

/// What is borrowed for one composition.
#[derive(Clone, Copy, Default)]
pub(super) struct Borrowed<'a> {
    /// Checks of the program, beside those of the schema.
    pub(super) checks: &'a [CustomCheck<'a>],
    /// What references read, in the place of the composition's own variables.
    pub(super) variables: Option<Variables<'a>>,
    pub(super) without_defaults: bool,
}

/// What layers make together; O(1) to clone but for errors and warnings.
#[derive(Clone)]
pub struct Composed {
    /// The document: a map.
    pub value: Value,
    /// The merge that it comes from; its value has references as they were written.
    pub merged: Merged,
    /// The policy with what the schema calls secret, and with what took a secret by reference.
    pub policy: Policy,
    /// What makes the document invalid: it must not come into force.
    pub errors: Vec<Error>,
    /// What is odd, but valid.
    pub warnings: Vec<Error>,
    /// The merge without defaults, where there is a schema.
    plain: Option<Merged>,
    /// Texts whose references could not be replaced, and what they refer to.
    pub(crate) broken: BTreeMap<Path, Vec<Path>>,
}

impl Composition {
    /// Layers that merge by a policy, and nothing more.
    pub fn new(policy: Policy) -> Composition {
        Composition { policy, ..Composition::default() }
    }

    /// Holds the document to a schema: its defaults are the lowest layer, variables take its types, what it calls secret
    /// is secret, and what it refuses is an error.
    #[must_use]
    pub fn with_schema(mut self, schema: Schema) -> Composition {
        hide(&mut self.policy, schema.policy_rules());
        self.schema = Some(schema);
        self
    }

    /// Activates profiles, see [`split_profiles`](super::split_profiles): in every layer the map below `profiles` with that name lies over the
    /// rest of the same layer, as a layer of its own named `<id>#<profile>`. A profile that is named later wins.
    #[must_use]
    pub fn with_profiles(mut self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Composition {
        let names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
        self.profiles = (!names.is_empty()).then_some(names);
        self
    }

    /// The same where none may be active: `profiles` is taken apart all the same.
    pub(super) fn with_exactly(mut self, profiles: Option<Vec<String>>) -> Composition {
        self.profiles = profiles;
        self
    }

    /// Says what becomes of variables that are nothing of their type; they are refused by default.
    #[must_use]
    pub fn with_invalid_variables(mut self, invalid: InvalidVariables) -> Composition {
        self.invalid_variables = invalid;
        self
    }

    /// Replaces references in texts; one that then is of the type that the schema declares takes it. See [`interpolate`](super::interpolate()), with these variables for `${env:NAME}`.
    #[must_use]
    pub fn with_references(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Composition {
        self.variables = Some(Arc::new(variables.into_iter().collect()));
        self
    }

    /// The rules, with what the schema calls secret.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The schema.
    pub fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    /// The active profiles, the one that wins last.
    pub(crate) fn profiles(&self) -> &[String] {
        self.profiles.as_deref().unwrap_or_default()
    }

    /// Whether any layers at all can make a document that is refused.
    pub fn can_refuse(&self) -> bool {
        self.schema.is_some() || self.profiles.is_some() || self.variables.is_some()
    }

    /// Puts layers together.
    pub fn compose(&self, layers: &[Layer]) -> Composed {
        self.put_together(layers, None, Borrowed::default())
    }

    /// [`Composition::compose`] with what is borrowed for it.
    pub(super) fn compose_with(&self, layers: &[Layer], borrowed: Borrowed<'_>) -> Composed {
        self.put_together(layers, None, borrowed)
    }

    /// What [`Composition::compose`] makes of these layers, found from what it made of the layers as they were before: the
    /// merge costs what differs, see [`Merged::update`]. Validation and references look at the whole document.
    #[must_use]
    pub fn update(&self, layers: &[Layer], last: &Composed) -> Composed {
        self.put_together(layers, Some(last), Borrowed::default())
    }

    fn put_together(&self, layers: &[Layer], last: Option<&Composed>, borrowed: Borrowed<'_>) -> Composed {
        let mut errors = Vec::new();
        let mut layers = Cow::Borrowed(layers);
        if let Some(profiles) = &self.profiles {
            match overlaid(&layers, profiles) {
                Ok(split) => layers = Cow::Owned(split),
                Err(error) => errors.push(error),
            }
        }
        if let Some(schema) = &self.schema
            && layers.iter().any(|layer| layer.raw || !layer.warnings.is_empty())
        {
            let typed = layers.iter().map(|layer| {
                let mut typed = schema.coerce(layer);
                if self.invalid_variables == InvalidVariables::Refuse {
                    errors.extend(typed.take_wrong_types(layer));
                }
                typed
            });
            layers = Cow::Owned(typed.collect());
        }
        let policy = self.hiding(&layers);
        let again = |last: Option<&Merged>, layers: &[Layer]| match last {
            Some(last) => last.update(layers, &policy),
            None => merge(layers, &policy),
        };
        let Some(schema) = &self.schema else {
            let merged = again(last.map(|last| &last.merged), &layers);
            return self.finished(merged, None, errors, (policy.into_owned(), borrowed));
        };
        let plain = again(last.and_then(|last| last.plain.as_ref()), &layers);
        if borrowed.without_defaults {
            return self.finished(plain, None, errors, (policy.into_owned(), borrowed));
        }
        let mut defaults = schema.defaults_for(&plain.value);
        if let Some(before) = last.and_then(|last| last.merged.layers().last()).filter(|layer| layer.id == defaults.id)
            && before.value == defaults.value
        {
            defaults.value = before.value.clone();
        }
        let layers: Vec<Layer> = layers.iter().cloned().chain([defaults]).collect();
        let merged = again(last.map(|last| &last.merged), &layers);
        self.finished(merged, Some(plain), errors, (policy.into_owned(), borrowed))
    }

    /// The policy, with all that layers hold that are secret as a whole.
    fn hiding(&self, layers: &[Layer]) -> Cow<'_, Policy> {
        let mut policy = Cow::Borrowed(&self.policy);
        for layer in layers.iter().filter(|layer| layer.fetched.is_some_and(|fetched| fetched.is_secret)) {
            let mut paths = Vec::new();
            layer.value.for_each_leaf(&mut |path, _| paths.push(path.clone()));
            let rules = paths.iter().filter(|path| !path.is_root());
            hide(policy.to_mut(), rules.map(|path| Rule::on(Pattern::exactly(path)).secret(true)));
        }
        policy
    }

    fn finished(
        &self,
        mut merged: Merged,
        plain: Option<Merged>,
        mut errors: Vec<Error>,
        (mut policy, borrowed): (Policy, Borrowed<'_>),
    ) -> Composed {
        errors.extend(merged.take_unknown_variables());
        let mut warnings = merged.warnings.clone();
        let mut unreplaced = BTreeMap::new();
        let locate = |path: &Path| place(&merged, path);
        let own = |name: &str| self.variables.as_ref()?.get(name).cloned();
        let given: Option<Variables<'_>> = if self.variables.is_some() { Some(&own) } else { None };
        let value = match borrowed.variables.or(given) {
            None => merged.value.clone(),
            Some(variables) => {
                let is_secret = |path: &Path| policy.is_secret(path);
                let around = Around {
                    env: variables,
                    is_secret: &is_secret,
                    is_literal: &|path| merged.is_literal(path),
                    may_read: &|path| merged.is_own(path),
                };
                let Interpolated { value, errors: found, secrets, broken } = interpolate_hiding(&merged.value, &around);
                errors.extend(found.into_iter().map(|error| match error.path().and_then(locate) {
                    Some(origin) => error.with_origin(origin),
                    None => error,
                }));
                let value = match &self.schema {
                    Some(schema) => retyped(schema, &merged.value, &value, &Path::root()),
                    None => value,
                };
                unreplaced = broken;
                hide(&mut policy, secrets.iter().map(|path| Rule::on(Pattern::exactly(path)).secret(true)));
                value
            }
        };
        if let Some(schema) = &self.schema {
            let report = schema.report_with(&value, &policy, borrowed.checks, locate);
            // A reference that could not be replaced is one problem, not two.
            let is_told = |error: &Error| error.path().is_some_and(|path| unreplaced.contains_key(path));
            errors.extend(report.errors.into_iter().filter(|error| !is_told(error)));
            warnings.extend(report.warnings);
        }
        Composed { value, merged, policy, errors, warnings, plain, broken: unreplaced }
    }
}

/// Adds rules that say nothing but that something is secret: a policy takes every such rule.
pub(super) fn hide(policy: &mut Policy, rules: impl IntoIterator<Item = Rule>) {
    for rule in rules {
        let added = policy.add(rule);
        debug_assert!(added.is_ok(), "{added:?}");
    }
}

impl Composed {
    /// What [`Composition::compose`] makes of one plain layer without rules, or of none, without merging.
    pub(crate) fn of_one(layer: Option<Layer>) -> Composed {
        let merged = Merged::of_one(layer);
        let (value, warnings) = (merged.value.clone(), merged.warnings.clone());
        Composed {
            value,
            merged,
            policy: Policy::default(),
            errors: Vec::new(),
            warnings,
            plain: None,
            broken: BTreeMap::new(),
        }
    }

    /// Why the value at a path is what it is, see [`Merged::explain`]; secrets are masked.
    pub fn explain(&self, path: &Path) -> Option<super::Explanation> {
        let found = self.merged.explain(path).or_else(|| {
            // Below a reference the account is that of the text that refers.
            self.value.at(path)?;
            let mut above = std::iter::successors(path.parent(), Path::parent);
            let found = above.find_map(|above| self.merged.explain(&above))?;
            Some(super::Explanation { path: path.clone(), ..found })
        });
        found.map(|found| self.shown(found))
    }

    /// Why every value is what it is, see [`Merged::explain_all`]; secrets are masked.
    pub fn explain_all(&self) -> Vec<super::Explanation> {
        self.merged.explain_all().into_iter().map(|found| self.shown(found)).collect()
    }

    /// An account tells the value that is in force; what layers hold is told as they hold it.
    fn shown(&self, mut found: super::Explanation) -> super::Explanation {
        if !self.value.ptr_eq(&self.merged.value) && found.value.is_some() {
            found.value = self.value.at(&found.path).map(|value| self.policy.masked(&found.path, value));
        }
        found
    }

    /// Where a value that is in force stands.
    pub fn origin(&self, path: &Path) -> Option<Origin> {
        let found = self.merged.explain(path)?;
        found.winner.map(|winner| winner.origin)
    }
}

impl std::fmt::Debug for Composed {
    /// Names the layers without their values, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Composed").field("merged", &self.merged).field("errors", &self.errors).finish_non_exhaustive()
    }
}
