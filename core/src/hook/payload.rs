//! What a request says: a document's name, and what is to be written.
use crate::error::{Code, Error, Result};
use crate::format::{Format, parse_from};
use crate::path::Path;
use crate::pattern::Pattern;
use crate::value::Value;

/// How what is sent is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As a merge patch (RFC 7396): what is not named stays.
    Merge,
    /// In the place of everything that the sender may write.
    Replace,
}

/// `{"config_name", "config_data", "mode"?}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// Which document.
    pub name: String,
    /// What: a map.
    pub data: Value,
    /// How.
    pub mode: Mode,
}

impl Payload {
    /// Reads a body. No message shows what it holds.
    ///
    /// # Errors
    /// [`Code::Syntax`] and its like for what is no JSON, [`Code::Usage`] for what says nothing that is understood here.
    pub fn parse(body: &[u8]) -> Result<Payload> {
        let text = std::str::from_utf8(body).map_err(|_| Error::new(Code::Syntax, "the body is not UTF-8"))?;
        let body = parse_from(text, Format::Json, "body")?;
        let hint = "send `{\"config_name\": \"default\", \"config_data\": {…}}`, and `\"mode\": \"replace\"` to take out the rest";
        let wrong = |what: &str| Err(Error::new(Code::Usage, what).with_hint(hint));
        if body.as_map().is_none() {
            return wrong("the body is no map");
        }
        let (Some(name), Some(data)) = (body.child("config_name"), body.child("config_data")) else {
            return wrong("Missing required fields: `config_name` and `config_data`");
        };
        let Some(name) = name.as_str().filter(|name| !name.is_empty()) else {
            return wrong("`config_name` is no name");
        };
        if data.as_map().is_none() {
            return wrong("`config_data` is no map");
        }
        let mode = match body.child("mode").map(|mode| mode.as_str()) {
            None | Some(Some("patch" | "merge")) => Mode::Merge,
            Some(Some("replace")) => Mode::Replace,
            Some(_) => return wrong("`mode` is `patch` or `replace`"),
        };
        Ok(Payload { name: name.to_owned(), data: data.clone(), mode })
    }
}

/// Refuses what would change something that none of the patterns names: what is written, and what it would take out.
///
/// # Errors
/// [`Code::Usage`] with the first such path.
pub fn check_allowed(document: &Value, payload: &Payload, may: &[Pattern]) -> Result<()> {
    let is_allowed = |path: &Path| may.iter().any(|pattern| pattern.matches(path));
    let mut refused: Option<Path> = None;
    payload.data.for_each_leaf(&mut |path, new| {
        let old = document.at(path).filter(|_| payload.mode == Mode::Merge);
        let was_map = old.is_some_and(|old| old.as_map().is_some());
        // Removing what is not there, and adding nothing to a map, change nothing.
        let is_needless = payload.mode == Mode::Merge
            && match new {
                Value::Null => old.is_none(),
                Value::Map(_) => was_map,
                _ => false,
            };
        if path.is_root() || is_needless {
            return;
        }
        let mut below = true;
        if let Some(old) = old.filter(|_| was_map) {
            old.for_each_leaf(&mut |rest, _| below &= is_allowed(&path.join(rest)));
        }
        let is_removal_of_map = was_map && *new == Value::Null;
        if !below || !(is_removal_of_map || is_allowed(path)) {
            refused.get_or_insert_with(|| path.clone());
        }
    });
    match refused {
        None => Ok(()),
        Some(path) => Err(Error::new(Code::Usage, format!("this sender may not write `{path}`"))
            .with_path(path)
            .with_hint("`--webhook-paths` says what may be written")),
    }
}

/// The document with everything that the patterns name replaced by what was sent.
pub fn replacing(document: &Value, data: &Value, may: &[Pattern]) -> Value {
    let mut kept = Value::empty_map();
    document.for_each_leaf(&mut |path, value| {
        if !path.is_root() && !may.iter().any(|pattern| pattern.matches(path)) {
            kept = kept.with(path, value.clone());
        }
    });
    data.for_each_leaf(&mut |path, value| {
        if !path.is_root() {
            kept = kept.with(path, value.clone());
        }
    });
    kept
}
