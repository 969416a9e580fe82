//! The algebra as JavaScript asks for it: JSON texts in, JSON texts out. The Node addon compiles this file as well.

use confmesh::canonical::canonical;
use confmesh::conflict::{Change, resolve_changes};
use confmesh::format::{Format, parse};
use confmesh::merge::{
    InvalidVariables, Layer, MergeOptions, Merged, Variables, interpolate, merge_with, split_profiles,
};
use confmesh::replica::{Delta, view_of};
use confmesh::schema::{CustomCheck, ReferenceOptions, Schema, answered};
use confmesh::sequence::{Operation, transform};
use confmesh::{Code, Error, Path, Policy, Result, Value};

/// Asks the check of a number about a value; it gives what is wrong with it.
pub type Ask<'a> = &'a dyn Fn(u32, &str) -> Option<String>;

fn json(text: &str) -> Result<Value> {
    parse(text, Format::Json)
}

fn object(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    fields.into_iter().collect()
}

fn errors(errors: &[Error]) -> Value {
    errors.iter().map(Error::to_value).collect::<Vec<_>>().into()
}

fn items(value: &Value, what: &str) -> Result<Vec<Value>> {
    let list = value.as_list().ok_or_else(|| Error::new(Code::Usage, format!("the {what} are a list")))?;
    Ok(list.as_slice().to_vec())
}

/// A list of texts.
pub fn texts(value: &Value, what: &str) -> Result<Vec<String>> {
    let text = |item: &Value| item.as_str().map(str::to_owned);
    let texts: Option<Vec<String>> = items(value, what)?.iter().map(text).collect();
    texts.ok_or_else(|| Error::new(Code::Usage, format!("the {what} are texts")))
}

/// Where a map of variables is given, what they are.
pub fn variables(map: &Value) -> Result<Vec<(String, String)>> {
    let wrong = || Error::new(Code::Usage, "variables are a map of texts by name");
    let map = map.as_map().ok_or_else(wrong)?;
    map.iter().map(|(name, text)| Ok((name.to_string(), text.as_str().ok_or_else(wrong)?.to_owned()))).collect()
}

/// What becomes of variables that are nothing of their type.
pub fn invalid_variables(given: Option<&Value>) -> Result<InvalidVariables> {
    given.map_or_else(|| Ok(InvalidVariables::default()), |what| what.as_str().unwrap_or_default().parse())
}

fn named<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a String> {
    variables.iter().find(|(other, _)| other == name).map(|(_, text)| text)
}

/// Merges a list of layers under `{rules, profiles, variables}`, each of which may be null. Where there are texts, they are
/// those of the layers that have one, in their order.
fn merged(
    layers: &str,
    texts_of_layers: Vec<String>,
    options: &str,
    schema: Option<&Schema>,
    checks: &[CustomCheck<'_>],
) -> Result<Merged> {
    let (mut layers, options) = (items(&json(layers)?, "layers")?, json(options)?);
    let field = Path::root().child("text");
    let with_text = layers.iter_mut().filter(|layer| layer.child("text").is_some_and(|text| text.as_str().is_some()));
    for (layer, text) in with_text.zip(texts_of_layers) {
        *layer = layer.with(&field, text.into());
    }
    let given = |name: &str| options.child(name).filter(|value| **value != Value::Null);
    let layers = layers.iter().map(Layer::from_value).collect::<Result<Vec<_>>>()?;
    let found = given("variables").map(variables).transpose()?;
    let lookup = |name: &str| named(found.as_deref()?, name).cloned();
    let variables: Option<Variables<'_>> = if found.is_some() { Some(&lookup) } else { None };
    let policy = given("rules").map_or_else(|| Ok(Policy::default()), Policy::from_value)?;
    let profiles = given("profiles").map(|names| texts(names, "profiles")).transpose()?;
    let invalid_variables = invalid_variables(given("invalidVariables"))?;
    let options =
        MergeOptions { policy, schema, checks, profiles, variables, invalid_variables, ..MergeOptions::default() };
    merge_with(&layers, &options)?.valid()
}

fn merge_result(merged: Merged, brief: bool) -> String {
    if brief {
        return canonical(&merged.value);
    }
    let provenance: Value = merged.provenance().map(|(path, source)| (path.to_string(), source)).collect();
    let warnings = errors(&merged.warnings);
    canonical(&object([("value", merged.value), ("provenance", provenance), ("warnings", warnings)]))
}

fn explanation(merged: &Merged, path: &str) -> Result<String> {
    let path = Path::parse(path)?;
    let found = merged.explain(&path).ok_or_else(|| nothing_at(&path))?;
    Ok(canonical(&found.to_value()))
}

/// What is thrown where nothing is at a path.
pub fn nothing_at(path: &Path) -> Error {
    Error::new(Code::NotFound, format!("nothing is at `{path}`")).with_path(path.clone())
}

/// `{value, provenance, warnings}` of a list of layers, or with `brief` the value alone.
pub fn merge(layers: &str, texts: Vec<String>, options: &str, brief: bool) -> Result<String> {
    Ok(merge_result(merged(layers, texts, options, None, &[])?, brief))
}

/// The explanation of one path of a list of layers.
pub fn explain(layers: &str, texts: Vec<String>, path: &str, options: &str) -> Result<String> {
    explanation(&merged(layers, texts, options, None, &[])?, path)
}

/// What the JSON text says that a check answered with.
pub fn told(path: &Path, said: &str) -> Vec<Error> {
    match json(said) {
        Ok(said) => answered(path, &said),
        Err(_) => vec![Error::new(Code::Invalid, said).with_path(path.clone())],
    }
}

/// A schema with the patterns of the program's checks.
pub struct Checked {
    schema: Schema,
    patterns: Vec<String>,
}

impl Checked {
    /// Reads a definition and a list of patterns.
    pub fn new(definition: &str, patterns: &str) -> Result<Checked> {
        let patterns = texts(&json(patterns)?, "patterns")?;
        patterns.iter().try_for_each(|pattern| CustomCheck::new(pattern, &|_, _| Ok(())).map(drop))?;
        Ok(Checked { schema: Schema::from_value(&json(definition)?)?, patterns })
    }

    fn run<T>(&self, ask: Ask<'_>, work: impl FnOnce(&Schema, &[CustomCheck<'_>]) -> Result<T>) -> Result<T> {
        let numbers = (0u32..).zip(&self.patterns);
        let asks: Vec<_> = numbers
            .map(|(at, _)| {
                move |path: &Path, value: &Value| {
                    ask(at, &canonical(value)).map_or(Ok(()), |said| Err(told(path, &said)))
                }
            })
            .collect();
        let checks = self.patterns.iter().zip(&asks).map(|(pattern, ask)| CustomCheck::new(pattern, ask));
        work(&self.schema, &checks.collect::<Result<Vec<_>>>()?)
    }

    /// [`merge`] under the schema.
    pub fn merge(&self, layers: &str, texts: Vec<String>, options: &str, brief: bool, ask: Ask<'_>) -> Result<String> {
        let merged = self.run(ask, |schema, checks| merged(layers, texts, options, Some(schema), checks))?;
        Ok(merge_result(merged, brief))
    }

    /// [`explain`] under the schema.
    pub fn explain(&self, layers: &str, texts: Vec<String>, path: &str, options: &str, ask: Ask<'_>) -> Result<String> {
        explanation(&self.run(ask, |schema, checks| merged(layers, texts, options, Some(schema), checks))?, path)
    }

    /// Every problem of a document.
    pub fn validate(&self, document: &str, ask: Ask<'_>) -> Result<String> {
        let document = json(document)?;
        let report = |schema: &Schema, checks: &[CustomCheck<'_>]| {
            Ok(schema.report_with(&document, &Policy::default(), checks, |_| None))
        };
        Ok(canonical(&errors(&self.run(ask, report)?.errors)))
    }

    /// Every problem of the document in a text, with its place.
    pub fn validate_text(&self, text: &str, format: &str, source: &str, ask: Ask<'_>) -> Result<String> {
        let format = Format::from_name(format)?;
        let found = self.run(ask, |schema, checks| schema.validate_text(text, format, source, checks))?;
        Ok(canonical(&errors(&found)))
    }

    /// The document with its defaults, if it is valid then.
    pub fn load(&self, document: &str, ask: Ask<'_>) -> Result<String> {
        let document = json(document)?;
        Ok(canonical(&self.run(ask, |schema, checks| schema.load(&document, checks))?))
    }

    /// The document with its defaults.
    pub fn defaults(&self, document: &str) -> Result<String> {
        Ok(canonical(&self.schema.apply_defaults(&json(document)?)))
    }

    /// The document without undeclared keys.
    pub fn known(&self, document: &str) -> Result<String> {
        Ok(canonical(&self.schema.without_unknown(&json(document)?)))
    }

    /// `{value, warnings}` of variables with a prefix.
    pub fn coerce(&self, prefix: &str, pairs: &str) -> Result<String> {
        let layer = self.schema.coerce(&Layer::from_env(prefix, variables(&json(pairs)?)?)?);
        let warnings = errors(&layer.warnings);
        Ok(canonical(&object([("value", layer.value), ("warnings", warnings)])))
    }

    /// The document as variables by name.
    pub fn to_env(&self, prefix: &str, document: &str) -> Result<String> {
        Ok(canonical(&self.schema.to_env(prefix, &json(document)?)?.into_iter().collect()))
    }

    /// The text of a file to start from.
    pub fn initial(&self, format: &str) -> Result<String> {
        self.schema.initial(Format::from_name(format)?)
    }

    /// What the schema says and nobody checks.
    pub fn notes(&self) -> String {
        canonical(&errors(self.schema.notes()))
    }

    /// Every field, written in a style under `{category, envOnly, showSensitive, prefix}`.
    pub fn reference(&self, style: &str, options: &str) -> Result<String> {
        let options = json(options)?;
        let text = |name: &str| options.child(name).and_then(Value::as_str).map(str::to_owned);
        let flag = |name: &str| options.child(name).and_then(Value::as_bool).unwrap_or(false);
        self.schema.reference(&ReferenceOptions {
            style: style.parse()?,
            category: text("category"),
            env_only: flag("envOnly"),
            show_sensitive: flag("showSensitive"),
            prefix: text("prefix"),
        })
    }
}

/// `{value, errors}` of a document with references.
pub fn interpolate_text(document: &str, pairs: &str) -> Result<String> {
    let found = variables(&json(pairs)?)?;
    let (value, problems) = interpolate(&json(document)?, &|name| named(&found, name).cloned());
    Ok(canonical(&object([("value", value), ("errors", errors(&problems))])))
}

/// `[{name, value}]`: the base of a document with profiles, then what is active.
pub fn profiles(document: &str, active: &str) -> Result<String> {
    let active = texts(&json(active)?, "profiles")?;
    let parts = split_profiles(&json(document)?, &active.iter().map(String::as_str).collect::<Vec<_>>())?;
    let part = |(name, value)| object([("name", Value::String(name)), ("value", value)]);
    Ok(canonical(&parts.into_iter().map(part).collect::<Vec<_>>().into()))
}

/// Settles competing changes of one key.
pub fn resolve(key: &str, changes: &str, strategy: &str) -> Result<String> {
    let changes = items(&json(changes)?, "changes")?.iter().map(Change::from_value).collect::<Result<Vec<_>>>()?;
    Ok(canonical(&resolve_changes(key, &changes, strategy.parse()?)?.to_value()))
}

/// `{value, disagreements}` of those who have seen these deltas.
pub fn view_deltas(deltas: &str) -> Result<String> {
    let deltas = items(&json(deltas)?, "deltas")?.iter().map(Delta::from_value).collect::<Result<Vec<_>>>()?;
    Ok(canonical(&view_of(&deltas)?.to_value()))
}

fn operation(text: &str) -> Result<Operation> {
    Operation::from_value(&json(text)?)
}

/// The operation from one list or text to another.
pub fn sequence_between(old: &str, new: &str) -> Result<String> {
    let no_sequences = || Error::new(Code::Type, "an operation leads from a list to a list, or from a text to a text");
    Ok(canonical(&Operation::between(&json(old)?, &json(new)?).ok_or_else(no_sequences)?.to_value()))
}

/// A list or text with an operation applied.
pub fn sequence_apply(applied: &str, value: &str) -> Result<String> {
    Ok(canonical(&operation(applied)?.apply(&json(value)?)?))
}

/// One operation for two that follow one another.
pub fn sequence_compose(first: &str, second: &str) -> Result<String> {
    Ok(canonical(&operation(first)?.compose(&operation(second)?)?.to_value()))
}

/// The operation that takes one back.
pub fn sequence_invert(inverted: &str, before: &str) -> Result<String> {
    Ok(canonical(&operation(inverted)?.invert(&json(before)?)?.to_value()))
}

/// An operation carried over another one.
pub fn sequence_transform(carried: &str, over: &str, side: &str) -> Result<String> {
    Ok(canonical(&transform(&operation(carried)?, &operation(over)?, side.parse()?).to_value()))
}
