//! Functions over documents that only the larger module has.

use confmesh::Value;
use confmesh::canonical::{canonical, content_hash};
use confmesh::diff::{Change, Patch, apply_merge_patch, diff, merge_patch_between, three_way};
use confmesh::format::{Format, print, rewrite};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::convert::{Outcome, json, thrown};

/// The content hash of a JSON text, `sha256:…`.
#[wasm_bindgen(js_name = hashText)]
pub fn hash_text(value: &str) -> Outcome<String> {
    Ok(content_hash(&json(value)?).to_string())
}

/// The RFC 6902 patch from one JSON text to another.
#[wasm_bindgen(js_name = diffText)]
pub fn diff_text(old: &str, new: &str) -> Outcome<String> {
    Ok(canonical(&Patch::between(&json(old)?, &json(new)?).to_value()))
}

/// The list of changes from one JSON text to another: `{path, op, old?, new?}` each.
#[wasm_bindgen(js_name = changesText)]
pub fn changes_text(old: &str, new: &str) -> Outcome<String> {
    let changes: Vec<Value> = diff(&json(old)?, &json(new)?).iter().map(Change::to_value).collect();
    Ok(canonical(&changes.into()))
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

/// A document as text.
#[wasm_bindgen(js_name = dumpText)]
pub fn dump_text(value: &str, format: &str) -> Outcome<String> {
    print(&json(value)?, Format::from_name(format).map_err(thrown)?).map_err(thrown)
}

/// A text, changed so that it holds another document.
#[wasm_bindgen(js_name = rewriteText)]
pub fn rewrite_text(text: &str, format: &str, target: &str) -> Outcome<String> {
    rewrite(text, Format::from_name(format).map_err(thrown)?, &json(target)?).map_err(thrown)
}
