//! What browsers run: registration and conversion, no decisions of their own.
//!
//! Two modules are built of this crate. That of the `client` feature follows an instance and stays small; that of the
//! `algebra` feature merges, explains, validates and settles documents inside one page.
//!
//! Values cross as JSON texts, which is the quickest way in and out of a module, and keeps integers of 64 bits whole;
//! the JavaScript beside this crate turns them into objects. Errors cross as the JSON text of `error_text`, thrown.

#[cfg(feature = "algebra")]
mod algebra;
mod convert;
#[cfg(feature = "algebra")]
mod functions;
#[cfg(feature = "client")]
mod guest;
#[cfg(feature = "algebra")]
mod local;
#[cfg(any(feature = "algebra", feature = "client"))]
mod news;
#[cfg(feature = "algebra")]
mod registered;

use confmesh::canonical::canonical;
use confmesh::format::{Format, parse as parse_text, parse_from};
use confmesh::{Code, Error, Path, Pattern, Value};
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

/// A text of the named format as canonical JSON; errors name `source` where it is not empty.
#[wasm_bindgen(js_name = parseText)]
pub fn parse_text_as(text: &str, format: &str, source: &str) -> Outcome<String> {
    let format = Format::from_name(format).map_err(thrown)?;
    let value = if source.is_empty() { parse_text(text, format) } else { parse_from(text, format, source) };
    Ok(canonical(&value.map_err(thrown)?))
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
#[cfg(feature = "client")]
#[wasm_bindgen(js_name = backoffDelay)]
pub fn backoff_delay(attempt: u32, initial_ms: f64, max_ms: f64, entropy: u64) -> f64 {
    let bounds = confmesh::backoff::Backoff { initial_ms: initial_ms as u64, factor: 2.0, max_ms: max_ms as u64 };
    bounds.delay(attempt, entropy) as f64
}
