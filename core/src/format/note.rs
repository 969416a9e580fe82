//! What a text says that its readers may take for something else, and what of it does not count.

use super::{Format, dotenv, ini, location};
use crate::error::{Code, Error, Result};
use crate::origin::Origin;
use crate::path::Path;
use crate::value::Value;

/// A document, and what is odd about its text.
pub struct Noted {
    /// The document.
    pub value: Value,
    /// Warnings with path and place ([`Code::Ambiguous`], [`Code::DuplicateKey`]), in the order of the text. They never hold
    /// what stands there, which may be secret.
    pub notes: Vec<Error>,
}

/// Something odd at a byte offset.
pub(super) struct Note {
    pub at: usize,
    pub path: Path,
    pub code: Code,
    pub message: String,
    pub hint: &'static str,
}

impl Note {
    /// A key that a later line sets again.
    pub fn repeated(at: usize, path: Path) -> Note {
        let message = "the key stands again below, and the last one counts".to_owned();
        Note { at, path, code: Code::DuplicateKey, message, hint: "keep one of the two" }
    }
}

/// Most notes that a text gives: what is odd everywhere needs no list.
const MAX_NOTES: usize = 32;

/// Reads a text as [`parse`](super::parse) does, and tells what is odd about it: YAML scalars that other readers or
/// their authors take for something else (`0644`, `3.10`, `yes`), keys of INI, properties and dotenv that stand twice.
/// Errors and notes name `source`.
///
/// # Errors
/// The same as [`parse`](super::parse).
///
/// ```
/// use confmesh::format::{Format, parse_noting};
/// let noted = parse_noting("mode: 0644 # rw\n", Format::Yaml, "a.yaml")?;
/// assert_eq!(noted.notes[0].origin().unwrap().to_string(), "a.yaml:1:7");
/// assert_eq!(noted.notes[0].path().unwrap().to_string(), "mode");
/// # Ok::<(), confmesh::Error>(())
/// ```
pub fn parse_noting(text: &str, format: Format, source: &str) -> Result<Noted> {
    #[cfg(feature = "yaml")]
    if format == Format::Yaml {
        let (value, notes) = super::bounded(text)
            .and_then(super::yaml::parse_noting)
            .map_err(|error| super::in_source(error, source))?;
        return told(text, value, notes, source);
    }
    let value = super::parse_from(text, format, source)?;
    let body = super::bounded(text)?;
    let notes = match format {
        Format::Dotenv if super::INI => dotenv::notes(body),
        Format::Ini if super::INI => ini::notes(body),
        #[cfg(feature = "properties")]
        Format::Properties => super::properties::notes(body),
        _ => Vec::new(),
    };
    told(text, value, notes, source)
}

/// Reads a dotenv text as variables: each key as it stands, with its text.
pub(crate) fn parse_lines(text: &str, source: &str) -> Result<Noted> {
    let in_source = |error| super::in_source(error, source);
    if !super::INI {
        return Err(in_source(super::not_built(super::Format::Dotenv)));
    }
    let body = super::bounded(text).map_err(in_source)?;
    let value = dotenv::parse_flat(body).map_err(in_source)?;
    told(text, value, dotenv::notes(body), source)
}

fn told(text: &str, value: Value, mut notes: Vec<Note>, source: &str) -> Result<Noted> {
    notes.sort_by_key(|note| note.at);
    let body = super::bounded(text)?;
    let told = notes.iter().take(MAX_NOTES).map(|note| {
        let origin = Origin::source(source).at(Some(location(body, note.at)));
        let error = Error::new(note.code, note.message.clone()).with_path(note.path.clone());
        error.with_origin(origin).with_hint(note.hint)
    });
    Ok(Noted { value, notes: told.collect() })
}
