//! The browser client's engine: registration and conversion, no decisions of its own.
//!
//! Values cross as JSON texts, which is the quickest way in and out of a module, and keeps integers of 64 bits whole;
//! the JavaScript beside this crate turns them into objects. Errors cross as the JSON text of `error_text`, thrown.

mod convert;
mod guest;
mod local;
mod news;

use confmesh::canonical::{canonical, content_hash};
use confmesh::diff::{Patch, apply_merge_patch, merge_patch_between, three_way};
use confmesh::format::{Format, parse as parse_text, parse_from};
use confmesh::merge::{Layer, Merged, merge};
use confmesh::{Code, Error, Path, Pattern, Policy, Value};
use wasm_bindgen::prelude::wasm_bindgen;

use convert::{Outcome, json, object, thrown};

/// The version of confmesh, for example `0.1.0`.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// The canonical text (RFC 8785) of a JSON text.
#[wasm_bindgen(js_name = canonicalText)]
pub fn canonical_text(value: &str) -> Outcome<String> {
    Ok(canonical(&json(value)?))
}

/// The content hash of a JSON text, `sha256:…`.
#[wasm_bindgen(js_name = hashText)]
pub fn hash_text(value: &str) -> Outcome<String> {
    Ok(content_hash(&json(value)?).to_string())
}

/// A text of the named format as canonical JSON; errors name `source` where it is not empty.
#[wasm_bindgen(js_name = parseText)]
pub fn parse_text_as(text: &str, format: &str, source: &str) -> Outcome<String> {
    let format = Format::from_name(format).map_err(thrown)?;
    let value = if source.is_empty() { parse_text(text, format) } else { parse_from(text, format, source) };
    Ok(canonical(&value.map_err(thrown)?))
}

/// `{value, provenance, warnings}` of a list of layers, or with `brief` the value alone.
#[wasm_bindgen(js_name = mergeText)]
pub fn merge_text(layers: &str, rules: &str, brief: bool) -> Outcome<String> {
    let merged = merged(layers, rules)?;
    if brief {
        return Ok(canonical(&merged.value));
    }
    let provenance: Value = merged.provenance().map(|(path, source)| (path.to_string(), source)).collect();
    let warnings: Vec<Value> = merged.warnings.iter().map(Error::to_value).collect();
    Ok(canonical(&object([("value", merged.value), ("provenance", provenance), ("warnings", warnings.into())])))
}

/// The explanation of one path of a list of layers.
#[wasm_bindgen(js_name = explainText)]
pub fn explain_text(layers: &str, path: &str, rules: &str) -> Outcome<String> {
    let path = Path::parse(path).map_err(thrown)?;
    match merged(layers, rules)?.explain(&path) {
        Some(explanation) => Ok(canonical(&explanation.to_value())),
        None => Err(thrown(Error::new(Code::NotFound, format!("no layer holds `{path}`")).with_path(path))),
    }
}

/// The RFC 6902 patch from one JSON text to another.
#[wasm_bindgen(js_name = diffText)]
pub fn diff_text(old: &str, new: &str) -> Outcome<String> {
    Ok(canonical(&Patch::between(&json(old)?, &json(new)?).to_value()))
}

/// The list of changes from one JSON text to another: `{path, op, old?, new?}` each.
#[wasm_bindgen(js_name = changesText)]
pub fn changes_text(old: &str, new: &str) -> Outcome<String> {
    let changes = confmesh::diff::diff(&json(old)?, &json(new)?);
    Ok(canonical(&changes.iter().map(confmesh::diff::Change::to_value).collect::<Vec<_>>().into()))
}

/// A JSON text with an RFC 6902 patch applied.
#[wasm_bindgen(js_name = patchText)]
pub fn patch_text(document: &str, patch: &str) -> Outcome<String> {
    let patch = Patch::from_value(&json(patch)?).map_err(thrown)?;
    Ok(canonical(&patch.apply(&json(document)?).map_err(thrown)?))
}

/// A JSON text with an RFC 7396 merge patch applied.
#[wasm_bindgen(js_name = mergePatchText)]
pub fn merge_patch_text(document: &str, patch: &str) -> Outcome<String> {
    Ok(canonical(&apply_merge_patch(&json(document)?, &json(patch)?)))
}

/// The RFC 7396 merge patch from one JSON text to another.
#[wasm_bindgen(js_name = mergePatchBetweenText)]
pub fn merge_patch_between_text(old: &str, new: &str) -> Outcome<String> {
    Ok(canonical(&merge_patch_between(&json(old)?, &json(new)?).map_err(thrown)?))
}

/// `{value, conflicts}` of two texts that came from a common one.
#[wasm_bindgen(js_name = threeWayText)]
pub fn three_way_text(base: &str, ours: &str, theirs: &str) -> Outcome<String> {
    Ok(canonical(&three_way(&json(base)?, &json(ours)?, &json(theirs)?).to_value()))
}

/// `{segments, dotted, pointer}` of a path in either form.
#[wasm_bindgen(js_name = pathText)]
pub fn path_text(text: &str) -> Outcome<String> {
    let path = Path::parse(text).map_err(thrown)?;
    let segments: Vec<Value> = path.segments().iter().cloned().map(Value::from).collect();
    Ok(canonical(&object([
        ("segments", segments.into()),
        ("dotted", path.to_string().into()),
        ("pointer", path.to_pointer().into()),
    ])))
}

/// The dotted form of a path of these segments, given as a JSON list.
#[wasm_bindgen(js_name = joinPath)]
pub fn join_path(segments: &str) -> Outcome<String> {
    let segments = json(segments)?;
    let segments = segments.as_list().map(|list| list.as_slice()).unwrap_or_default();
    let texts = segments.iter().map(|segment| segment.as_str().map(Into::into));
    match texts.collect::<Option<Path>>() {
        Some(path) => Ok(path.to_string()),
        None => Err(thrown(Error::new(Code::Usage, "the segments of a path are strings"))),
    }
}

/// Whether a pattern matches a path.
#[wasm_bindgen]
pub fn matches(pattern: &str, path: &str) -> Outcome<bool> {
    let path = Path::parse(path).map_err(thrown)?;
    Ok(Pattern::parse(pattern).map_err(thrown)?.matches(&path))
}

/// How long to wait before a reconnection, in milliseconds; `entropy` is 64 random bits.
#[wasm_bindgen(js_name = backoffDelay)]
pub fn backoff_delay(attempt: u32, initial_ms: f64, max_ms: f64, entropy: u64) -> f64 {
    let bounds = confmesh::backoff::Backoff { initial_ms: initial_ms as u64, factor: 2.0, max_ms: max_ms as u64 };
    bounds.delay(attempt, entropy) as f64
}

/// Merges a list of layers under a list of rules (`null` for none).
fn merged(layers: &str, rules: &str) -> Outcome<Merged> {
    let (layers, rules) = (json(layers)?, json(rules)?);
    let policy = if rules == Value::Null { Ok(Policy::default()) } else { Policy::from_value(&rules) };
    let list = layers.as_list().ok_or_else(|| thrown(Error::new(Code::Usage, "the layers are a list")))?;
    let layers = list.iter().map(Layer::from_value).collect::<Result<Vec<_>, _>>().map_err(thrown)?;
    Ok(merge(&layers, &policy.map_err(thrown)?))
}
