//! What a reference that leads nowhere was meant to be: as other programs spell it, or from another place of the document.

use super::reference::is_variable;
use crate::path::Path;
use crate::schema::nearest;
use crate::value::Value;

/// How many nodes of the document are looked at.
const MAX_NODES: usize = 2_000;
/// How long a reference may be that is compared with them.
const MAX_LENGTH: usize = 200;

/// What to write between the braces instead, where that can be told.
///
/// `near` is the path with one key that is spelled much like that.
pub(super) fn meant(root: &Value, written: &str, near: Option<String>) -> Option<String> {
    let written = written.trim_start_matches('{').trim();
    if written.is_empty() || written.len() > MAX_LENGTH {
        return near;
    }
    let otherwise = as_variable(written).or_else(|| with_default(root, written));
    // A key may well hold a sign that could stand before a default.
    let near = near.filter(|near| otherwise.is_none() || near.contains(['-', ':', '=', '?']));
    near.or(otherwise).or_else(|| elsewhere(root, written))
}

/// `${env.PORT}`, `${ENV:PORT}`, `${process.env.PORT}`, `${oc.env:PORT}`.
fn as_variable(written: &str) -> Option<String> {
    let at = written.rfind(['.', ':', '/'])?;
    let (before, name) = (written.get(..at)?, written.get(at + 1..)?);
    let kind = before.rsplit(['.', ':', '/', '$']).next()?.to_ascii_lowercase();
    (matches!(&*kind, "env" | "environ" | "environment") && is_variable(name)).then(|| format!("env:{name}"))
}

/// `${PORT-80}`, `${port=80}`, `${port:80}`, `${port:+80}`: a default stands behind `:-` here.
fn with_default(root: &Value, written: &str) -> Option<String> {
    let at = written.find([':', '-', '=', '?'])?;
    let name = written.get(..at)?.trim_end();
    let default = written.get(at..)?.trim_start_matches([':', '-', '=', '?', '+']);
    let words = if written.get(at..)?.trim_start_matches(':').starts_with('?') { ":?" } else { ":-" };
    let held = Path::parse(name).ok().filter(|path| !path.is_root()).and_then(|path| root.at(&path));
    let is_there = held.is_some_and(|value| value.as_map().is_none());
    match is_there {
        true => Some(format!("{name}{words}{default}")),
        false => is_variable(name).then(|| format!("env:{name}{words}{default}")),
    }
}

/// The same words with other signs between them, or a key of that name somewhere else; none where there are several.
fn elsewhere(root: &Value, written: &str) -> Option<String> {
    let (wanted, bare) = (folded(written), folded(unrooted(written)));
    let mut whole: Vec<Path> = Vec::new();
    let mut by_key: Vec<(String, Path)> = Vec::new();
    let mut waiting = vec![(Path::root(), root)];
    let mut seen = 0;
    while let Some((path, value)) = waiting.pop() {
        seen += 1;
        if seen > MAX_NODES {
            return None;
        }
        if let (Some(key), Value::Map(_) | Value::String(_) | Value::Number(_) | Value::Bool(_)) = (path.last(), value)
        {
            let spelled = folded(&path.to_string());
            if spelled == wanted || spelled == bare {
                whole.push(path.clone());
            }
            by_key.push((key.to_string(), path.clone()));
        }
        for (key, child) in value.as_map().into_iter().flat_map(|map| map.iter()) {
            waiting.push((path.child(key), child));
        }
    }
    if let [only] = whole.as_slice() {
        return Some(only.to_string());
    }
    let close = nearest(written, by_key.iter().map(|(key, _)| key.as_str()))?.to_owned();
    let mut named = by_key.into_iter().filter(|(key, _)| *key == close).map(|(_, path)| path);
    match (named.next(), named.next()) {
        (Some(only), None) => Some(only.to_string()),
        _ => None,
    }
}

/// Without a word for the document itself, as in `${self.port}` or `${var.port}`.
fn unrooted(written: &str) -> &str {
    match written.split_once(['.', ':', '/']) {
        Some(("self" | "this" | "root" | "var" | "vars" | "config" | "values" | "$", rest)) => rest,
        _ => written,
    }
}

fn folded(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
