//! The pure functions, text in and text out.

use confmesh::canonical::{canonical, content_hash};
use confmesh::diff::{Change, Patch, apply_merge_patch, diff, merge_patch_between, three_way};
use confmesh::format::{Format, parse_from, print, rewrite};
use confmesh::{Code, Error, Path, Pattern, Value};
use napi_derive::napi;

use crate::convert::{read, shown};
use crate::error::run;

/// The version of confmesh, for example `0.1.0`.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The RFC 6902 patch from one value to another.
#[napi]
pub fn diff_text(old: String, new: String) -> napi::Result<String> {
    run(|| Ok(shown(&Patch::between(&read(&old)?, &read(&new)?).to_value())))
}

/// The list of changes from one value to another.
#[napi]
pub fn changes_text(old: String, new: String) -> napi::Result<String> {
    run(|| {
        let changes: Vec<Value> = diff(&read(&old)?, &read(&new)?).iter().map(Change::to_value).collect();
        Ok(shown(&changes.into()))
    })
}

/// A document with an RFC 6902 patch applied.
#[napi]
pub fn patch_text(document: String, patch: String) -> napi::Result<String> {
    run(|| Ok(shown(&Patch::from_value(&read(&patch)?)?.apply(&read(&document)?)?)))
}

/// A document with an RFC 7396 merge patch applied.
#[napi]
pub fn merge_patch_text(document: String, patch: String) -> napi::Result<String> {
    run(|| Ok(shown(&apply_merge_patch(&read(&document)?, &read(&patch)?))))
}

/// The RFC 7396 merge patch from one value to another.
#[napi]
pub fn merge_patch_between_text(old: String, new: String) -> napi::Result<String> {
    run(|| Ok(shown(&merge_patch_between(&read(&old)?, &read(&new)?)?)))
}

/// `{value, conflicts}` of two values that came from one base.
#[napi]
pub fn three_way_text(base: String, ours: String, theirs: String) -> napi::Result<String> {
    run(|| Ok(shown(&three_way(&read(&base)?, &read(&ours)?, &read(&theirs)?).to_value())))
}

/// The canonical text of a value.
#[napi]
pub fn canonical_text(value: String) -> napi::Result<String> {
    run(|| Ok(canonical(&read(&value)?)))
}

/// The content hash of a value.
#[napi]
pub fn hash_text(value: String) -> napi::Result<String> {
    run(|| Ok(content_hash(&read(&value)?).to_string()))
}

/// The document of a text.
#[napi]
pub fn parse_text(text: String, format: String, source: String) -> napi::Result<String> {
    run(|| Ok(shown(&parse_from(&text, Format::from_name(&format)?, &source)?)))
}

/// The text of a document.
#[napi]
pub fn dump_text(value: String, format: String) -> napi::Result<String> {
    run(|| print(&read(&value)?, Format::from_name(&format)?))
}

/// A text, changed so that it holds another document.
#[napi]
pub fn rewrite_text(text: String, format: String, target: String) -> napi::Result<String> {
    run(|| rewrite(&text, Format::from_name(&format)?, &read(&target)?))
}

/// `{segments, dotted, pointer}` of a path in either form.
#[napi]
pub fn path_text(text: String) -> napi::Result<String> {
    run(|| {
        let path = Path::parse(&text)?;
        let segments: Vec<Value> = path.segments().iter().cloned().map(Value::from).collect();
        let (dotted, pointer) = (path.to_string(), path.to_pointer());
        let fields: [(&str, Value); 3] =
            [("segments", segments.into()), ("dotted", dotted.into()), ("pointer", pointer.into())];
        Ok(shown(&fields.into_iter().collect()))
    })
}

/// The dotted form of a path of these segments, a JSON list.
#[napi]
pub fn join_path(segments: String) -> napi::Result<String> {
    run(|| {
        let segments = read(&segments)?;
        let texts = segments.as_list().map(|list| list.iter().map(|text| text.as_str().map(Into::into)).collect());
        let path: Option<Path> = texts.unwrap_or(None);
        path.map(|path| path.to_string())
            .ok_or_else(|| Error::new(Code::Usage, "the segments of a path are a list of strings"))
    })
}

/// Whether a pattern matches a path.
#[napi]
pub fn matches(pattern: String, path: String) -> napi::Result<bool> {
    run(|| Ok(Pattern::parse(&pattern)?.matches(&Path::parse(&path)?)))
}
