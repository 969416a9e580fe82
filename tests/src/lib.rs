//! The Rust runner of the vectors: one function from an operation and its input to canonical text.
//!
//! A file in `vectors/` is `{"area", "note", "cases": [case…]}`. A case has a `name` (a sentence), an `op`, the op's
//! inputs, and one of `expect` (a value: the result's canonical text has to be that of the value), `expect_text` (the
//! result's exact text) and `error` (the stable code). Where `formats` stands, a build without one of these formats
//! leaves the case out. Documents are JSON values, or JSON texts in `text` where spelling matters.
//!
//! The runners of the other languages (`bindings-python/tests/vectors.py`, `vectors/runner.mjs`) read the same files. Each
//! fails on an operation that it does not know.
//!
//! | op | inputs | result |
//! |---|---|---|
//! | `canonical`, `hash` | `text` | RFC 8785 text; `sha256:…` |
//! | `parse` | `text`, `format` | the document |
//! | `print`, `rewrite` | `doc`, `format`; `text`, `format`, `doc` | the text |
//! | `merge` | `layers`, options, `provenance`?, `warnings`? | `{value, provenance?, warnings?}` |
//! | `explain` | `layers`, options, `path` | the explanation; `not_found` |
//! | `diff`, `changes`, `merge_patch_between` | `old`, `new` | RFC 6902 list; change list; RFC 7396 patch |
//! | `patch`, `merge_patch` | `doc`, `patch` | the document |
//! | `three_way` | `base`, `ours`, `theirs` | `{value, conflicts}` |
//! | `path` | `text` | `{segments, dotted, pointer}` |
//! | `pattern` | `pattern`, `path` | whether it matches |
//! | `validate` | `schema`, `doc`, check? | `[{path, code}]`, sorted by path and code |
//! | `validate_text` | `schema`, `text`, `format`, `source`, check? | `[{code, message, path?, origin?, hint?}]` |
//! | `load` | `schema`, `doc`, check? | the document with defaults |
//! | `defaults`, `known` | `schema`, `doc` | the document with defaults; without undeclared keys |
//! | `coerce` | `schema`, `env` | `{value, warnings}` |
//! | `to_env` | `schema`, `prefix`, `doc` | variables by name |
//! | `initial` | `schema`, `format` | the text |
//! | `reference` | `schema`, `style`, `options`? | the text |
//! | `interpolate` | `doc`, `env`? (variables) | `{value, errors: [{path, code}]}` |
//! | `profiles` | `doc`, `active` | `[{name, value}]`, lowest first |
//! | `resolve` | `key`, `changes`, `strategy` | the resolution |
//! | `view_deltas` | `deltas` | `{value, disagreements}` |
//! | `sequence_between` | `old`, `new` | the operation |
//! | `sequence_apply`, `sequence_invert` | `operation`, `doc` | the sequence; the operation |
//! | `sequence_compose` | `first`, `second` | the operation |
//! | `sequence_transform` | `operation`, `over`, `side` | the operation |
//! | `replica` | `steps`, `genesis`, `rules`? | `{replicas, sent}`, with bytes; see [`replicas`] |
//! | `delta` | `saved`, `deltas`, `ms` | `{value, conflicts, changes, saved}` of who loaded and applied them |
//!
//! A layer is `{id, priority, strategy?, unset?}` with `value`, or `text` and `format`? (JSON where none is given), or
//! `env: {prefix, variables}` in the place of `id`. Options are `rules`?, `schema`?, `active`? (profiles) and `env`?
//! (variables). A check is `check`, a pattern, and `word`, which texts there must not hold; each language gives it as a
//! function of its own, which says `` `word` is not wanted ``.

pub mod fuzz;
pub mod mutants;
pub mod random;
pub mod replicas;
mod running;

#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    reason = "the simulator is a test: what should not happen in it ends the run, and is reported with its seed"
)]
pub mod simulator;

use confmesh::canonical::{canonical, content_hash};
use confmesh::conflict::{Change, resolve_changes};
use confmesh::diff::{Patch, apply_merge_patch, diff, merge_patch_between, three_way};
use confmesh::format::{Format, parse, print, rewrite};
use confmesh::merge::{Layer, MergeOptions, Merged, Variables, interpolate, merge_with, split_profiles};
use confmesh::replica::{Delta, view_of};
use confmesh::schema::{CustomCheck, ReferenceOptions, Schema};
use confmesh::sequence::{Operation, transform};
use confmesh::{Code, Error, Path, Pattern, Policy, Result, Value};

/// Runs one operation on its input and gives the result's canonical text.
///
/// # Errors
/// What the operation says, and [`Code::Usage`] for a case that is itself malformed.
pub fn run_case(op: &str, input: &Value) -> Result<String> {
    let text = |name: &str| required(input, name).and_then(|value| string(value, name));
    let value = |name: &str| required(input, name);
    Ok(match op {
        "canonical" => canonical(&parse(text("text")?, Format::Json)?),
        "hash" => content_hash(&parse(text("text")?, Format::Json)?).to_string(),
        "parse" => canonical(&parse(text("text")?, Format::from_name(text("format")?)?)?),
        "merge" => canonical(&merge_result(&merged(input)?, input)),
        "explain" => {
            let path = Path::parse(text("path")?)?;
            let explanation = merged(input)?.explain(&path);
            let nothing = || Error::new(Code::NotFound, "no layer holds it").with_path(path.clone());
            canonical(&explanation.ok_or_else(nothing)?.to_value())
        }
        "diff" => canonical(&Patch::between(value("old")?, value("new")?).to_value()),
        "changes" => {
            canonical(&diff(value("old")?, value("new")?).iter().map(|c| c.to_value()).collect::<Vec<_>>().into())
        }
        "patch" => canonical(&Patch::from_value(value("patch")?)?.apply(value("doc")?)?),
        "merge_patch" => canonical(&apply_merge_patch(value("doc")?, value("patch")?)),
        "merge_patch_between" => canonical(&merge_patch_between(value("old")?, value("new")?)?),
        "three_way" => canonical(&three_way(value("base")?, value("ours")?, value("theirs")?).to_value()),
        "path" => canonical(&path_result(&Path::parse(text("text")?)?)),
        "print" => print(value("doc")?, Format::from_name(text("format")?)?)?,
        "rewrite" => rewrite(text("text")?, Format::from_name(text("format")?)?, value("doc")?)?,
        "validate" => canonical(&problems(checked(input, |schema, checks| {
            Ok(schema.report_with(value("doc")?, &Policy::default(), checks, |_| None).errors)
        })?)),
        "validate_text" => {
            let (format, source) = (Format::from_name(text("format")?)?, text("source")?);
            let found = checked(input, |schema, checks| schema.validate_text(text("text")?, format, source, checks))?;
            canonical(&found.iter().map(without_related).collect::<Vec<_>>().into())
        }
        "load" => canonical(&checked(input, |schema, checks| schema.load(value("doc")?, checks))?),
        "defaults" => canonical(&schema(input)?.apply_defaults(value("doc")?)),
        "known" => canonical(&schema(input)?.without_unknown(value("doc")?)),
        "coerce" => {
            let layer = schema(input)?.coerce(&environment(value("env")?)?);
            let warnings = layer.warnings.iter().map(path_of).collect::<Vec<_>>();
            canonical(&[("value", layer.value), ("warnings", warnings.into())].into_iter().collect())
        }
        "to_env" => canonical(&schema(input)?.to_env(text("prefix")?, value("doc")?)?.into_iter().collect()),
        "initial" => schema(input)?.initial(Format::from_name(text("format")?)?)?,
        "reference" => {
            let empty = Value::empty_map();
            let options = input.child("options").unwrap_or(&empty);
            let option = |name: &str| options.child(name).and_then(Value::as_str).map(str::to_owned);
            schema(input)?.reference(&ReferenceOptions {
                style: text("style")?.parse()?,
                category: option("category"),
                env_only: flag(options, "env_only"),
                show_sensitive: flag(options, "show_sensitive"),
                prefix: option("prefix"),
            })?
        }
        "interpolate" => {
            let variables = input.child("env");
            let env = |name: &str| variables?.child(name)?.as_str().map(str::to_owned);
            let (value, errors) = interpolate(value("doc")?, &env);
            canonical(&[("value", value), ("errors", problems(errors))].into_iter().collect())
        }
        "profiles" => {
            let active: Vec<&str> =
                list(input, "active")?.iter().map(|name| string(name, "active")).collect::<Result<_>>()?;
            let parts = split_profiles(value("doc")?, &active)?;
            let part = |(name, value)| [("name", Value::String(name)), ("value", value)].into_iter().collect();
            canonical(&parts.into_iter().map(part).collect::<Vec<Value>>().into())
        }
        "resolve" => {
            let changes = list(input, "changes")?.iter().map(Change::from_value).collect::<Result<Vec<_>>>()?;
            canonical(&resolve_changes(text("key")?, &changes, text("strategy")?.parse()?)?.to_value())
        }
        "view_deltas" => {
            let deltas = list(input, "deltas")?.iter().map(Delta::from_value).collect::<Result<Vec<_>>>()?;
            canonical(&view_of(&deltas)?.to_value())
        }
        "sequence_between" => {
            let operation = Operation::between(value("old")?, value("new")?);
            let operation = operation.ok_or_else(|| Error::new(Code::Type, "no two lists or texts"))?;
            canonical(&operation.to_value())
        }
        "sequence_apply" => canonical(&operation(input, "operation")?.apply(value("doc")?)?),
        "sequence_invert" => canonical(&operation(input, "operation")?.invert(value("doc")?)?.to_value()),
        "sequence_compose" => canonical(&operation(input, "first")?.compose(&operation(input, "second")?)?.to_value()),
        "sequence_transform" => {
            let (operation, over) = (operation(input, "operation")?, operation(input, "over")?);
            canonical(&transform(&operation, &over, text("side")?.parse()?).to_value())
        }
        "run" => canonical(&running::played(input)?),
        "replica" => canonical(&replicas::played(input)?),
        "delta" => canonical(&replicas::read(input)?),
        "pattern" => Pattern::parse(text("pattern")?)?.matches(&Path::parse(text("path")?)?).to_string(),
        other => return Err(malformed(format!("unknown op `{other}`"))),
    })
}

fn malformed(why: String) -> Error {
    Error::new(Code::Usage, why)
}

fn required<'a>(input: &'a Value, name: &str) -> Result<&'a Value> {
    input.child(name).ok_or_else(|| malformed(format!("the case has no `{name}`")))
}

fn string<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value.as_str().ok_or_else(|| malformed(format!("`{name}` is no string")))
}

fn flag(input: &Value, name: &str) -> bool {
    input.child(name).and_then(Value::as_bool).unwrap_or(false)
}

fn list<'a>(input: &'a Value, name: &str) -> Result<&'a [Value]> {
    let list = required(input, name)?.as_list().ok_or_else(|| malformed(format!("`{name}` is no list")))?;
    Ok(list.as_slice())
}

fn operation(input: &Value, name: &str) -> Result<Operation> {
    Operation::from_value(required(input, name)?)
}

fn merged(input: &Value) -> Result<Merged> {
    let policy = input.child("rules").map_or_else(|| Ok(Policy::default()), Policy::from_value)?;
    let layers: Vec<Layer> = list(input, "layers")?.iter().map(Layer::from_value).collect::<Result<_>>()?;
    let schema = input.child("schema").map(Schema::from_value).transpose()?;
    let active = |input: &Value| -> Result<Vec<String>> {
        list(input, "active")?.iter().map(|name| string(name, "active").map(str::to_owned)).collect()
    };
    let profiles = input.child("active").map(|_| active(input)).transpose()?;
    let env = |name: &str| input.child("env")?.child(name)?.as_str().map(str::to_owned);
    let variables: Option<Variables<'_>> = if input.child("env").is_some() { Some(&env) } else { None };
    let options = MergeOptions { policy, schema: schema.as_ref(), profiles, variables, ..MergeOptions::default() };
    merge_with(&layers, &options)?.valid()
}

/// Runs work with the schema and the check of a case.
fn checked<T>(input: &Value, work: impl FnOnce(&Schema, &[CustomCheck<'_>]) -> Result<T>) -> Result<T> {
    let Some(pattern) = input.child("check") else { return work(&schema(input)?, &[]) };
    let word = string(required(input, "word")?, "word")?;
    let free_of_word = |_: &Path, value: &Value| match value.as_str() {
        Some(text) if text.contains(word) => Err(vec![Error::new(Code::Invalid, format!("`{word}` is not wanted"))]),
        _ => Ok(()),
    };
    work(&schema(input)?, &[CustomCheck::new(string(pattern, "check")?, &free_of_word)?])
}

fn without_related(error: &Error) -> Value {
    Path::parse("related").map_or_else(|_| error.to_value(), |related| error.to_value().without(&related))
}

fn environment(env: &Value) -> Result<Layer> {
    let variables = required(env, "variables")?.as_map().ok_or_else(|| malformed("no map".into()))?;
    let pairs = variables.iter().map(|(name, value)| (name.to_string(), value.as_str().unwrap_or("").to_owned()));
    Layer::from_env(string(required(env, "prefix")?, "prefix")?, pairs)
}

fn schema(input: &Value) -> Result<Schema> {
    Schema::from_value(required(input, "schema")?)
}

fn path_of(error: &Error) -> Value {
    error.path().map_or(Value::Null, |path| path.to_string().into())
}

/// Paths and codes, sorted as texts: which of several problems is told first is not promised.
fn problems(errors: Vec<Error>) -> Value {
    let mut found: Vec<(String, &str)> = errors
        .iter()
        .map(|error| (error.path().map_or_else(String::new, ToString::to_string), error.code().as_str()))
        .collect();
    found.sort();
    let problem = |(path, code): (String, &str)| [("path", path.as_str()), ("code", code)].into_iter().collect();
    found.into_iter().map(problem).collect::<Vec<Value>>().into()
}

fn merge_result(merged: &Merged, input: &Value) -> Value {
    let mut entries = vec![("value", merged.value.clone())];
    if flag(input, "provenance") {
        entries.push(("provenance", merged.provenance().map(|(path, source)| (path.to_string(), source)).collect()));
    }
    if flag(input, "warnings") {
        let paths = merged.warnings.iter().map(|warning| warning.path().map_or(Value::Null, |p| p.to_string().into()));
        entries.push(("warnings", paths.collect::<Vec<_>>().into()));
    }
    entries.into_iter().collect()
}

fn path_result(path: &Path) -> Value {
    let segments: Vec<Value> = path.segments().iter().cloned().map(Value::from).collect();
    let fields: [(&str, Value); 3] =
        [("segments", segments.into()), ("dotted", path.to_string().into()), ("pointer", path.to_pointer().into())];
    fields.into_iter().collect()
}

/// The Rust of the README, run as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
