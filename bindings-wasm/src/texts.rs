//! Texts and paths, which the client and the algebra have.

use confmesh::canonical::canonical;
use confmesh::format::{Format, parse as parse_text, parse_from};
use confmesh::{Code, Error, Path, Pattern, Value};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::convert::{Outcome, json, object, thrown};

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
