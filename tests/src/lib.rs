//! The Rust runner of the vectors: one function from an operation and its input to canonical text.
//!
//! A file in `vectors/` is `{"area", "note", "cases": [case…]}`. A case has a `name` (a sentence), an `op`, the op's
//! inputs, and one of `expect` (a value: the result's canonical text has to be that of the value), `expect_text` (the
//! result's exact text) and `error` (the stable code). Where `formats` stands, a build without one of these formats
//! leaves the case out. Documents are JSON values, or JSON texts in `text` where spelling matters.
//!
//! The runners of the other languages read the same files. Files in `vectors/core/` use operations that the packages do not
//! offer yet: only the core answers them. A file moves up once every package does.
//!
//! | op | inputs | result |
//! |---|---|---|
//! | `canonical`, `hash` | `text` | RFC 8785 text; `sha256:…` |
//! | `parse` | `text`, `format` | the document |
//! | `merge` | `layers`, `rules`?, `provenance`?, `warnings`? | `{value, provenance?, warnings?}` |
//! | `explain` | `layers`, `rules`?, `path` | the explanation; `not_found` |
//! | `diff`, `changes`, `merge_patch_between` | `old`, `new` | RFC 6902 list; change list; RFC 7396 patch |
//! | `patch`, `merge_patch` | `doc`, `patch` | the document |
//! | `three_way` | `base`, `ours`, `theirs` | `{value, conflicts}` |
//! | `path` | `text` | `{segments, dotted, pointer}` |
//! | `pattern` | `pattern`, `path` | whether it matches |
//! | `print`, `rewrite` | `doc`, `format`; `text`, `format`, `doc` | the text |
//! | `validate` | `schema`, `doc` | `[{path, code}]` in the order of the paths |
//! | `defaults`, `known` | `schema`, `doc` | the document with defaults; without undeclared keys |
//! | `coerce` | `schema`, `env` | `{value, warnings}` |
//! | `to_env` | `schema`, `prefix`, `doc` | variables by name |
//! | `initial` | `schema`, `format` | the text |
//! | `interpolate` | `doc`, `env`? (variables) | `{value, errors: [{path, code}]}` |
//! | `profiles` | `doc`, `active` | `[{name, value}]`, lowest first |
//!
//! A layer is `{id, priority, strategy?, unset?}` with `value`, or `text` and `format`? (JSON where none is given), or
//! `env: {prefix, variables}` in the place of `id`.

#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    reason = "the simulator is a test: what should not happen in it ends the run, and is reported with its seed"
)]
pub mod simulator;

use confmesh::canonical::{canonical, content_hash};
use confmesh::diff::{Patch, apply_merge_patch, diff, merge_patch_between, three_way};
use confmesh::format::{Format, parse, print, rewrite};
use confmesh::merge::{Layer, Merged, interpolate, merge, split_profiles};
use confmesh::schema::Schema;
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
        "validate" => canonical(&problems(schema(input)?.validate(value("doc")?, |_| None))),
        "defaults" => canonical(&schema(input)?.apply_defaults(value("doc")?)),
        "known" => canonical(&schema(input)?.without_unknown(value("doc")?)),
        "coerce" => {
            let layer = schema(input)?.coerce(&environment(value("env")?)?);
            let warnings = layer.warnings.iter().map(path_of).collect::<Vec<_>>();
            canonical(&[("value", layer.value), ("warnings", warnings.into())].into_iter().collect())
        }
        "to_env" => canonical(&schema(input)?.to_env(text("prefix")?, value("doc")?)?.into_iter().collect()),
        "initial" => schema(input)?.initial(Format::from_name(text("format")?)?)?,
        "interpolate" => {
            let variables = input.child("env");
            let env = |name: &str| variables?.child(name)?.as_str().map(str::to_owned);
            let (value, errors) = interpolate(value("doc")?, &env);
            canonical(&[("value", value), ("errors", problems(errors))].into_iter().collect())
        }
        "profiles" => {
            let active = required(input, "active")?.as_list().ok_or_else(|| malformed("`active` is no list".into()))?;
            let active: Vec<&str> = active.iter().map(|name| string(name, "active")).collect::<Result<_>>()?;
            let parts = split_profiles(value("doc")?, &active)?;
            let part = |(name, value)| [("name", Value::String(name)), ("value", value)].into_iter().collect();
            canonical(&parts.into_iter().map(part).collect::<Vec<Value>>().into())
        }
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

fn merged(input: &Value) -> Result<Merged> {
    let layers = required(input, "layers")?.as_list().ok_or_else(|| malformed("`layers` is no list".into()))?;
    let policy = input.child("rules").map_or_else(|| Ok(Policy::default()), Policy::from_value)?;
    let layers: Vec<Layer> = layers.iter().map(Layer::from_value).collect::<Result<_>>()?;
    Ok(merge(&layers, &policy))
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

/// Paths and codes, sorted: which of several problems is told first is not promised.
fn problems(mut errors: Vec<Error>) -> Value {
    errors.sort_by(|a, b| (a.path(), a.code()).cmp(&(b.path(), b.code())));
    let problem =
        |error: &Error| [("path", path_of(error)), ("code", error.code().as_str().into())].into_iter().collect();
    errors.iter().map(problem).collect::<Vec<Value>>().into()
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
