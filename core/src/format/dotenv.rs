//! dotenv: `KEY=value` lines. Every value is a string; nothing is expanded.
//!
//! Keys nest at `__`, as those of variables do: `DB__HOST` is `HOST` in `DB`, and `__X`, `X__` and `A____B` are keys as they
//! stand. Of a key that stands more than once the last one counts; a key alone sets nothing. Quotes are `'…'` and `` `…` ``
//! as they are, and `"…"` with `\n`, `\r`, `\t`, `\"`, `\\` and `\$`; any other backslash is one. In `'…'` a `\'` that more of
//! the text follows is a quote.

use std::collections::BTreeMap;
use std::ops::Range;

use super::edit::{Comments, Edits, head_start, line_end, line_start, next_line};
use super::error_at;
use super::note::Note;
use super::tree::{Entry, Node};
use crate::error::{Code, Error, Result};
use crate::limits::MAX_DEPTH;
use crate::path::Path;
use crate::value::{Str, Value};

/// What stands between the keys of a path.
const NEST: &str = "__";

/// Reads maps of strings.
pub(super) fn parse(text: &str) -> Result<Value> {
    parse_tree(text).map(|node| node.value)
}

/// Reads a tree with places; a value's span is what stands after `=`, quotes included.
pub(super) fn parse_tree(text: &str) -> Result<Node> {
    let mut entries: Vec<(Path, Entry)> =
        in_force(text)?.into_iter().map(|entry| (path_of(&entry.key), entry)).collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    // What stands below a path follows it in this order.
    for pair in entries.windows(2) {
        if let [(above, _), (path, entry)] = pair
            && path.starts_with(above)
        {
            let message = format!("`{}` is a text, and `{}` is a key in it", key_of(above), entry.key);
            return Err(error_at(text, entry.key_span.start, Code::DuplicateKey, message)
                .with_hint("rename one of the two: `__` nests"));
        }
    }
    tree(text, entries, 0)
}

fn tree(text: &str, entries: Vec<(Path, Entry)>, depth: usize) -> Result<Node> {
    let mut below: BTreeMap<Str, Vec<(Path, Entry)>> = BTreeMap::new();
    for (path, entry) in entries {
        let key = path.segments().get(depth).cloned().unwrap_or_default();
        below.entry(key).or_default().push((path, entry));
    }
    let mut found = Vec::new();
    for (key, entries) in below {
        let first = entries.iter().map(|(_, entry)| entry.key_span.clone()).min_by_key(|span| span.start);
        let (leaves, nested): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(path, _)| path.len() == depth + 1);
        let node = match leaves.into_iter().next() {
            Some((_, entry)) => entry.node,
            None => tree(text, nested, depth + 1)?,
        };
        found.push(Entry { key, key_span: first.unwrap_or_default(), node, is_merge: false });
    }
    found.sort_by_key(|entry| entry.key_span.start);
    Node::map(found, 0..text.len()).map_err(|duplicate| duplicate.error(text))
}

/// Reads a flat map of strings: each key as it stands.
pub(super) fn parse_flat(text: &str) -> Result<Value> {
    Ok(in_force(text)?.into_iter().map(|entry| (entry.key, entry.node.value)).collect())
}

/// The entries that count, each as its line has it.
fn in_force(text: &str) -> Result<Vec<Entry>> {
    let mut last: BTreeMap<Str, Entry> = BTreeMap::new();
    for entry in read(text)? {
        last.insert(entry.key.clone(), entry);
    }
    Ok(last.into_values().collect())
}

/// Where the keys stand that name these paths, or something below them; keys that parsing would refuse count as well.
pub(super) fn locate(text: &str, paths: &[Path]) -> Vec<Option<usize>> {
    let mut entries: Vec<(Path, usize)> =
        in_force(text).unwrap_or_default().iter().map(|entry| (path_of(&entry.key), entry.key_span.start)).collect();
    entries.sort_by_key(|(_, start)| *start);
    let place = |path: &Path| match path.is_root() {
        true => Some(0),
        false => {
            let own = entries.iter().find(|(own, _)| own == path);
            own.or_else(|| entries.iter().find(|(own, _)| own.starts_with(path))).map(|(_, start)| *start)
        }
    };
    paths.iter().map(place).collect()
}

/// The path that a key names.
pub(super) fn path_of(key: &str) -> Path {
    let path: Path = key.split(NEST).map(Str::from).collect();
    let is_flat = path.len() > MAX_DEPTH || path.segments().iter().any(|segment| segment.is_empty());
    if is_flat { Path::root().child(key) } else { path }
}

/// The key that names a path, if one does.
fn key_of(path: &Path) -> String {
    let names: Vec<&str> = path.segments().iter().map(Str::as_str).collect();
    names.join(NEST)
}

/// Keys that a later line sets again, and keys alone.
pub(super) fn notes(text: &str) -> Vec<Note> {
    let mut last = BTreeMap::new();
    let mut notes = Vec::new();
    let Ok(Lines { entries, alone }) = read_all(text) else { return notes };
    for Alone { key, at, .. } in alone {
        let message = format!("the key `{key}` has no `=`, and sets nothing");
        let hint = "write `KEY=value`, or `KEY=` for an empty text";
        notes.push(Note { at, path: path_of(&key), code: Code::Ambiguous, message, hint });
    }
    for entry in entries {
        let path = path_of(&entry.key);
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
    /// Keys without a `=`.
    alone: Vec<Alone>,
}

/// A key without a `=`: where its line begins, and where the key ends.
struct Alone {
    key: Str,
    at: usize,
    end: usize,
}

fn read_all(text: &str) -> Result<Lines> {
    let (mut entries, mut alone) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < text.len() {
        let line_end = text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| at + length);
        let line = text.get(at..line_end).unwrap_or("");
        let body = line.trim_start();
        let whole = body.split_once(" #").map_or(body, |(bare, _)| bare).trim_end();
        let bare = whole.strip_prefix("export ").map_or(whole, str::trim_start);
        let is_alone = is_key(bare);
        if body.trim_end().is_empty() || body.starts_with('#') || is_alone {
            if is_alone {
                let start = at + (line.len() - body.len());
                alone.push(Alone { key: Str::from(bare), at: start, end: start + whole.len() });
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
            '\\' if quote == '\'' && is_quote_inside(chars.as_str()) => {
                chars.next();
                out.push('\'');
            }
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

/// Whether what follows a backslash in `'…'` is a quote of the text: one that closes it ends the line, a comment aside.
fn is_quote_inside(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix('\'') else { return false };
    let line = rest.split('\n').next().unwrap_or("");
    let is_end = line.trim().is_empty() || line.starts_with([' ', '\t']) && line.trim_start().starts_with('#');
    !is_end && line.contains('\'')
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// Changes only the lines that must change.
pub(super) fn rewrite(text: &str, target: &Value, newline: &str) -> Option<String> {
    let Lines { entries, alone } = read_all(text).ok()?;
    let target: BTreeMap<Str, String> = flat(target).ok()?.into_iter().collect();
    let last: BTreeMap<&Str, usize> = entries.iter().enumerate().map(|(at, entry)| (&entry.key, at)).collect();
    let is_last = |at: usize, entry: &Entry| last.get(&entry.key) == Some(&at);
    let mut edits = Edits::default();
    let mut from = 0;
    for (at, entry) in entries.iter().enumerate() {
        match target.get(&entry.key) {
            Some(new) if entry.node.value.as_str() == Some(new) || !is_last(at, entry) => {}
            Some(new) => {
                // A comment right behind an empty value would become part of the new one.
                let glued = text.get(entry.node.span.end..).is_some_and(|rest| rest.starts_with('#'));
                let old = text.get(entry.node.span.clone()).unwrap_or("");
                let new = spell_like(old, new, newline);
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
    for (key, new) in target.iter().filter(|(key, _)| !last.contains_key(key)) {
        if let Some(bare) = alone.iter().rfind(|bare| bare.key == *key) {
            edits.insert(bare.end, format!("={}", spell(new)));
            continue;
        }
        let entry = format!("{key}={}", spell(new));
        let path = path_of(key);
        let stays = entries.iter().filter(|entry| target.contains_key(&entry.key));
        let beside = stays.map(|entry| (shared(&path_of(&entry.key), &path), entry.node.span.end));
        match beside.filter(|(shared, _)| *shared > 0).max() {
            Some((_, end)) => edits.insert(line_end(text, end), format!("{newline}{entry}")),
            None if open => edits.insert(text.len(), format!("{newline}{entry}")),
            None => edits.insert(text.len(), format!("{entry}{newline}")),
        }
    }
    edits.apply(text)
}

/// How many keys two paths have in common from the root on.
fn shared(a: &Path, b: &Path) -> usize {
    a.segments().iter().zip(b.segments()).take_while(|(a, b)| a == b).count()
}

/// Writes maps of scalars.
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
        Value::List(_) | Value::Null => format!("a {}", value.type_name()),
        Value::Map(map) if map.is_empty() => "an empty map".to_owned(),
        Value::Map(_) => return None,
        _ => {
            let key = key_of(path);
            if is_key(&key) && path_of(&key) == *path {
                return None;
            }
            "such a key".to_owned()
        }
    };
    Some(format!("dotenv cannot hold {what}"))
}

/// The keys and texts that a dotenv file would hold for the value.
fn flat(value: &Value) -> Result<Vec<(Str, String)>> {
    fn walk(path: &Path, value: &Value, found: &mut Vec<(Str, String)>) -> Result<()> {
        if let Some(reason) = refusal(path, value).filter(|_| !path.is_root()) {
            return Err(refused(path, reason));
        }
        let text = match value {
            Value::Map(map) => return map.iter().try_for_each(|(key, child)| walk(&path.child(key), child, found)),
            Value::String(text) => text.to_string(),
            Value::Bool(on) => on.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::List(_) => return Ok(()),
        };
        found.push((Str::from(key_of(path)), text));
        Ok(())
    }
    if value.as_map().is_none() {
        let reason = format!("dotenv cannot hold a {} as the whole document", value.type_name());
        return Err(refused(&Path::root(), reason));
    }
    let mut found = Vec::new();
    walk(&Path::root(), value, &mut found)?;
    Ok(found)
}

fn refused(path: &Path, reason: String) -> Error {
    let error = Error::new(Code::Unrepresentable, reason).with_path(path.clone());
    error.with_hint(
        "dotenv holds maps of scalars, whose keys are made of letters, digits, `_`, `.` and `-`; use another format",
    )
}

/// A value as it stands after `=`: bare where every reader takes it so, else quoted.
pub(super) fn spell(text: &str) -> String {
    let bare = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c));
    if bare {
        return text.to_owned();
    }
    if text.contains(['\'', '\n', '\r']) { double_quoted(text, false) } else { format!("'{text}'") }
}

/// A value in the quotes of the one that stood there.
fn spell_like(old: &str, text: &str, newline: &str) -> String {
    // One that stands on several lines stays on several.
    let is_long = old.contains('\n') && newline == "\n" && !text.contains('\r');
    match old.chars().next() {
        Some('"') => double_quoted(text, is_long),
        Some('`') if old.ends_with('`') && old.len() > 1 && !text.contains('`') => format!("`{text}`"),
        Some('\'') if !text.contains(['\'', '\r']) && (is_long || !text.contains('\n')) => format!("'{text}'"),
        _ => spell(text),
    }
}

fn double_quoted(text: &str, on_lines: bool) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '\n' if on_lines => out.push(c),
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
