//! dotenv: `KEY=value` lines. Every value is a string; nothing is expanded.
//!
//! Of a key that stands more than once the last one counts; a key alone sets nothing. Quotes are `'…'` and `` `…` `` as they
//! are, and `"…"` with `\n`, `\r`, `\t`, `\"`, `\\` and `\$`; any other backslash is one.

use std::collections::BTreeMap;
use std::ops::Range;

use super::edit::{Comments, Edits, head_start, line_start, next_line};
use super::error_at;
use super::note::Note;
use super::tree::{Entry, Node};
use crate::error::{Code, Error, Result};
use crate::path::Path;
use crate::value::{Str, Value};

/// Reads a flat map of strings.
pub(super) fn parse(text: &str) -> Result<Value> {
    parse_tree(text).map(|node| node.value)
}

/// Reads a tree with places; a value's span is what stands after `=`, quotes included.
pub(super) fn parse_tree(text: &str) -> Result<Node> {
    let mut last: BTreeMap<Str, Entry> = BTreeMap::new();
    for entry in read(text)? {
        last.insert(entry.key.clone(), entry);
    }
    let mut entries: Vec<Entry> = last.into_values().collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    Node::map(entries, 0..text.len()).map_err(|duplicate| duplicate.error(text))
}

/// Keys that a later line sets again, and keys alone.
pub(super) fn notes(text: &str) -> Vec<Note> {
    let mut last = BTreeMap::new();
    let mut notes = Vec::new();
    let Ok(Lines { entries, alone }) = read_all(text) else { return notes };
    for (at, key) in alone {
        let message = format!("the key `{key}` has no `=`, and sets nothing");
        let hint = "write `KEY=value`, or `KEY=` for an empty text";
        notes.push(Note { at, path: Path::root().child(&key), code: Code::Ambiguous, message, hint });
    }
    for entry in entries {
        let path = Path::root().child(&entry.key);
        if let Some(before) = last.insert(entry.key, entry.key_span.start) {
            notes.push(Note::repeated(before, path));
        }
    }
    notes
}

/// Every entry, also those that a later one takes the place of.
fn read(text: &str) -> Result<Vec<Entry>> {
    Ok(read_all(text)?.entries)
}

struct Lines {
    entries: Vec<Entry>,
    /// Keys without a `=`, and where.
    alone: Vec<(usize, Str)>,
}

fn read_all(text: &str) -> Result<Lines> {
    let (mut entries, mut alone) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < text.len() {
        let line_end = text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| at + length);
        let line = text.get(at..line_end).unwrap_or("");
        let body = line.trim_start();
        let bare = body.split_once(" #").map_or(body, |(bare, _)| bare).trim_end();
        let bare = bare.strip_prefix("export ").map_or(bare, str::trim_start);
        let is_alone = is_key(bare);
        if body.trim_end().is_empty() || body.starts_with('#') || is_alone {
            if is_alone {
                alone.push((at + (line.len() - body.len()), Str::from(bare)));
            }
            at = line_end + 1;
            continue;
        }
        let (entry, end) = entry(text, at + (line.len() - body.len()), line_end)?;
        entries.push(entry);
        at = end;
    }
    Ok(Lines { entries, alone })
}

/// Reads the entry at `start`; returns where the next line starts.
fn entry(text: &str, start: usize, line_end: usize) -> Result<(Entry, usize)> {
    let line = text.get(start..line_end).unwrap_or("");
    let exported = line.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
    let key_start = exported.map_or(start, |rest| line_end - rest.trim_start().len());
    let line = text.get(key_start..line_end).unwrap_or("");
    let Some((key, rest)) = line.split_once('=') else {
        return Err(error_at(text, start, Code::Syntax, "expected `KEY=value`, found no `=`")
            .with_hint("comment the line with `#`, or add `=`"));
    };
    let key = key.trim_end();
    if !is_key(key) {
        return Err(error_at(text, key_start, Code::Syntax, format!("`{key}` is no key"))
            .with_hint("a key is made of letters, digits, `_`, `.` and `-`"));
    }
    let key_span = key_start..key_start + key.len();
    let value_start = line_end - rest.trim_start_matches([' ', '\t']).len();
    let (value, span) = match text.get(value_start..).and_then(|rest| rest.chars().next()) {
        Some(quote @ ('"' | '\'')) => quoted(text, value_start, quote)?,
        Some('`') if text.get(value_start + 1..).is_some_and(|rest| rest.contains('`')) => {
            quoted(text, value_start, '`')?
        }
        _ => match plain(text, value_start, line_end) {
            // What follows may be a comment: an empty value stands right after the `=`.
            (value, span) if span.is_empty() => (value, line_end - rest.len()..line_end - rest.len()),
            found => found,
        },
    };
    let line_end = text.get(span.end..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| span.end + at);
    let rest = text.get(span.end..line_end).unwrap_or("");
    let trailing = rest.trim_start();
    if !trailing.is_empty() && !trailing.starts_with('#') {
        let at = line_end - trailing.len();
        return Err(error_at(text, at, Code::Syntax, "expected the end of the line after the closing quote")
            .with_hint("write the whole value inside the quotes"));
    }
    let node = Node::leaf(Value::String(Str::from(value)), span);
    Ok((Entry { key: Str::from(key), key_span, node, is_merge: false }, line_end + 1))
}

fn plain(text: &str, start: usize, line_end: usize) -> (String, Range<usize>) {
    let raw = text.get(start..line_end).unwrap_or("");
    let comment = raw.char_indices().find(|(at, c)| {
        *c == '#' && raw.get(..*at).is_some_and(|before| before.is_empty() || before.ends_with(char::is_whitespace))
    });
    let value = raw.get(..comment.map_or(raw.len(), |(at, _)| at)).unwrap_or("").trim_end();
    (value.to_owned(), start..start + value.len())
}

fn quoted(text: &str, start: usize, quote: char) -> Result<(String, Range<usize>)> {
    let mut out = String::new();
    let mut chars = text.get(start + 1..).unwrap_or("").char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((out, start..start + 1 + at + 1)),
            '\\' if quote == '"' => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 'r')) => out.push('\r'),
                Some((_, 't')) => out.push('\t'),
                Some((_, c @ ('"' | '\\' | '$'))) => out.push(c),
                // As a path of Windows has them.
                Some((_, c)) => out.extend(['\\', c]),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    Err(error_at(text, start, Code::Syntax, format!("value has no closing `{quote}`"))
        .with_hint("close the quote; the file may be incomplete"))
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// Changes only the lines that must change.
pub(super) fn rewrite(text: &str, target: &Value, newline: &str) -> Option<String> {
    let (tree, entries) = (parse_tree(text).ok()?, read(text).ok()?);
    let last: BTreeMap<&Str, usize> = entries.iter().enumerate().map(|(at, entry)| (&entry.key, at)).collect();
    let is_last = |at: usize, entry: &Entry| last.get(&entry.key) == Some(&at);
    let mut edits = Edits::default();
    let mut from = 0;
    for (at, entry) in entries.iter().enumerate() {
        match target.child(&entry.key).and_then(Value::as_str) {
            Some(new) if entry.node.value.as_str() == Some(new) || !is_last(at, entry) => {}
            Some(new) => {
                // A comment right behind an empty value would become part of the new one.
                let glued = text.get(entry.node.span.end..).is_some_and(|rest| rest.starts_with('#'));
                let old = text.get(entry.node.span.clone()).unwrap_or("");
                let new = spell_like(old, new);
                edits.replace(entry.node.span.clone(), format!("{new}{}", if glued { " " } else { "" }));
            }
            None => {
                // `export` may stand before the key.
                let line = line_start(text, entry.key_span.start);
                let start = text.get(line..).map_or(line, |rest| text.len() - rest.trim_start().len());
                let head = head_start(text, start, from, Comments::Hash);
                edits.remove_unit(text, head, entry.node.span.end);
            }
        }
        from = next_line(text, entry.node.span.end);
    }
    let open = !text.is_empty() && !text.ends_with('\n');
    for (key, value) in target.as_map()?.iter().filter(|(key, _)| tree.value.child(key).is_none()) {
        let entry = format!("{key}={}", spell(value.as_str()?));
        edits.insert(text.len(), if open { format!("{newline}{entry}") } else { format!("{entry}{newline}") });
    }
    edits.apply(text)
}

/// Writes a flat map of scalars.
pub(super) fn print(value: &Value) -> Result<String> {
    let mut out = String::new();
    for (key, text) in flat(value)? {
        out.extend([key.as_str(), "=", &spell(&text), "\n"]);
    }
    Ok(out)
}

/// Why a dotenv file has no place for something.
pub(super) fn refusal(path: &Path, value: &Value) -> Option<String> {
    let what = match value {
        Value::Map(_) | Value::List(_) | Value::Null => format!("a {}", value.type_name()),
        _ if path.len() > 1 => "maps in the document".to_owned(),
        _ if !path.last().is_some_and(|key| is_key(key)) => "such a key".to_owned(),
        _ => return None,
    };
    Some(format!("dotenv cannot hold {what}"))
}

/// The keys and texts that a dotenv file would hold for the value.
pub(super) fn flat(value: &Value) -> Result<Vec<(Str, String)>> {
    let refuse = |path: Path, what: &str| {
        Error::new(Code::Unrepresentable, format!("dotenv cannot hold {what}"))
            .with_path(path)
            .with_hint("dotenv holds one flat map of scalars; use another format")
    };
    let Value::Map(map) = value else {
        return Err(refuse(Path::root(), &format!("a {} as the whole document", value.type_name())));
    };
    map.iter()
        .map(|(key, child)| {
            let path = Path::root().child(key);
            let text = match child {
                Value::String(text) => text.to_string(),
                Value::Bool(b) => b.to_string(),
                Value::Number(number) => number.to_string(),
                other => return Err(refuse(path, &format!("a {}", other.type_name()))),
            };
            if !is_key(key) {
                return Err(refuse(path, "such a key"));
            }
            Ok((key.clone(), text))
        })
        .collect()
}

/// A value as it stands after `=`: bare where every reader takes it so, else quoted.
pub(super) fn spell(text: &str) -> String {
    let bare = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c));
    if bare {
        return text.to_owned();
    }
    if text.contains(['\'', '\n', '\r']) { double_quoted(text) } else { format!("'{text}'") }
}

/// A value in the quotes of the one that stood there.
fn spell_like(old: &str, text: &str) -> String {
    match old.chars().next() {
        Some('"') => double_quoted(text),
        Some('`') if old.ends_with('`') && old.len() > 1 && !text.contains('`') => format!("`{text}`"),
        Some('\'') if !text.contains(['\'', '\n', '\r']) => format!("'{text}'"),
        _ => spell(text),
    }
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' | '\\' | '$' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
