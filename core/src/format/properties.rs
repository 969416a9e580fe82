//! Java properties: `key = value` lines. Every value is a string, and dots in a key nest.
//!
//! `=`, `:` or a blank separates, whichever comes first; `#` and `!` start a comment at the start of a line; a line that ends
//! with `\` goes on in the next one, whose indentation does not count. `\t`, `\n`, `\r`, `\f` and `\uXXXX` are escapes, and a
//! backslash before anything else leaves that as it is: `a\.b` is one key with a dot. Of a key that stands more than once the
//! last one counts. A key in a section that is a text itself, as `a = 1` beside `a.b = 2`, keeps its dot: `{"a": …, "a.b": …}`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::edit::{Comments, Edits, head_start, line_end, line_start, next_line};
use super::error_at;
use super::note::Note;
use super::tree::{Entry, Node};
use crate::error::{Code, Error, Result};
use crate::limits::MAX_DEPTH;
use crate::path::Path;
use crate::value::{Str, Value};

/// An entry as it stands in the text.
pub(super) struct Line {
    /// The key, at its dots.
    pub path: Path,
    pub key_span: Range<usize>,
    pub value: String,
    pub value_span: Range<usize>,
    /// Whether its section is a text, so that its key keeps a dot.
    pub is_folded: bool,
}

/// Reads maps of strings.
pub(super) fn parse(text: &str) -> Result<Value> {
    let mut value = Value::empty_map();
    for line in in_force(&lines(text)?, text)? {
        value = value.with(&line.path, line.value.as_str().into());
    }
    Ok(value)
}

/// Reads a tree with places.
pub(super) fn parse_tree(text: &str) -> Result<Node> {
    let lines = lines(text)?;
    tree(text, &in_force(&lines, text)?, 0)
}

fn tree(text: &str, lines: &[&Line], depth: usize) -> Result<Node> {
    let mut below: BTreeMap<Str, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        let key = line.path.segments().get(depth).cloned().unwrap_or_default();
        below.entry(key).or_default().push(line);
    }
    let mut entries = Vec::new();
    for (key, lines) in below {
        let Some(first) = lines.first() else { continue };
        let node = match first.path.len() == depth + 1 {
            true => Node::leaf(first.value.as_str().into(), first.value_span.clone()),
            false => tree(text, &lines, depth + 1)?,
        };
        entries.push(Entry { key, key_span: first.key_span.clone(), node, is_merge: false });
    }
    entries.sort_by_key(|entry| entry.key_span.start);
    Node::map(entries, 0..text.len()).map_err(|duplicate| duplicate.error(text))
}

/// Keys that a later line sets again, and keys that keep a dot.
pub(super) fn notes(text: &str) -> Vec<Note> {
    let lines = lines(text).unwrap_or_default();
    let in_force = in_force(&lines, text).unwrap_or_default();
    let is_in_force = |line: &Line| in_force.iter().any(|other| std::ptr::eq(*other, line));
    let folded = lines.iter().filter(|line| line.is_folded).map(|line| Note {
        at: line.key_span.start,
        path: line.path.clone(),
        code: Code::Ambiguous,
        message: "the key stands below one that has a value itself, so that its dot does not nest".to_owned(),
        hint: "rename one of the two, or write the dot as `\\.`",
    });
    let repeated = lines.iter().filter(|line| !is_in_force(line));
    repeated.map(|line| Note::repeated(line.key_span.start, line.path.clone())).chain(folded).collect()
}

/// The entries that count, in the order of the text.
pub(super) fn in_force<'l>(lines: &'l [Line], text: &str) -> Result<Vec<&'l Line>> {
    let last: BTreeMap<&Path, &Line> = lines.iter().map(|line| (&line.path, line)).collect();
    let mut found: Vec<&Line> = Vec::with_capacity(last.len());
    let mut above: Option<&Path> = None;
    for (path, line) in last {
        // What stands below a path follows it in this order.
        if let Some(above) = above.filter(|above| path.starts_with(above)) {
            let message = format!("`{above}` is a text and a section too");
            return Err(error_at(text, line.key_span.start, Code::DuplicateKey, message)
                .with_hint("rename one of the two, or write the dot of a key as `\\.`"));
        }
        above = Some(path);
        found.push(line);
    }
    found.sort_by_key(|line| line.key_span.start);
    Ok(found)
}

/// Every entry, also those that a later one takes the place of.
pub(super) fn lines(text: &str) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = line_end(text, at);
        let own = text.get(at..end).unwrap_or("");
        let start = end - own.trim_start_matches(BLANKS).len();
        if start == end || text.get(start..end).is_some_and(|line| line.starts_with(['#', '!'])) {
            at = next_line(text, end);
            continue;
        }
        let (line, end) = entry(text, start)?;
        lines.push(line);
        at = next_line(text, end);
    }
    fold(&mut lines);
    Ok(lines)
}

const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

/// Keys in a section that is a text itself stand beside that text.
fn fold(lines: &mut [Line]) {
    let texts: BTreeSet<Path> = lines.iter().map(|line| line.path.clone()).collect();
    for line in lines {
        let text = (1..line.path.len()).find(|length| texts.contains(&line.path.prefix(*length)));
        let Some(parent) = text.and_then(|length| length.checked_sub(1)) else { continue };
        let rest: Vec<&str> = line.path.segments().iter().skip(parent).map(Str::as_str).collect();
        line.path = line.path.prefix(parent).child(&rest.join("."));
        line.is_folded = true;
    }
}

/// Reads the entry at `start`; returns a place in its last line.
fn entry(text: &str, start: usize) -> Result<(Line, usize)> {
    let mut reader = Reader { text, at: start };
    let mut segments = vec![String::new()];
    let mut key_end = start;
    while let Some(c) = reader.peek() {
        match c {
            '=' | ':' | ' ' | '\t' | '\u{c}' => break,
            '.' => {
                reader.at += 1;
                segments.push(String::new());
            }
            _ => {
                if let (Some(c), Some(segment)) = (reader.take()?, segments.last_mut()) {
                    segment.push(c);
                }
            }
        }
        key_end = reader.at;
    }
    if segments.len() > MAX_DEPTH {
        return Err(error_at(text, start, Code::TooLarge, format!("nested deeper than {MAX_DEPTH} levels")));
    }
    reader.blanks();
    if matches!(reader.peek(), Some('=' | ':')) {
        reader.at += 1;
        reader.blanks();
    }
    let mut value = String::new();
    let value_start = reader.at;
    while reader.peek().is_some() {
        value.extend(reader.take()?);
    }
    let path = segments.into_iter().map(Str::from).collect();
    let end = reader.at;
    Ok((Line { path, key_span: start..key_end, value, value_span: value_start..end, is_folded: false }, end))
}

/// Reads one entry over all its lines.
struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// The next character of the entry; none at its end.
    fn peek(&self) -> Option<char> {
        self.rest().chars().next().filter(|c| *c != '\n' && !self.rest().starts_with("\r\n"))
    }

    /// Takes a character; none where a line goes on in the next one.
    fn take(&mut self) -> Result<Option<char>> {
        let Some(c) = self.peek() else { return Ok(None) };
        let start = self.at;
        self.at += c.len_utf8();
        if c != '\\' {
            return Ok(Some(c));
        }
        let rest = self.rest();
        if rest.starts_with('\n') || rest.starts_with("\r\n") {
            self.at = next_line(self.text, self.at);
            self.at += self.rest().len() - self.rest().trim_start_matches(BLANKS).len();
            return Ok(None);
        }
        let Some(escaped) = rest.chars().next() else { return Ok(None) };
        self.at += escaped.len_utf8();
        Ok(Some(match escaped {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\u{c}',
            'u' => self.unicode(start)?,
            other => other,
        }))
    }

    fn unicode(&mut self, start: usize) -> Result<char> {
        let first = self.hex4(start)?;
        let code = match first {
            0xD800..=0xDBFF if self.rest().starts_with("\\u") => {
                self.at += 2;
                match self.hex4(start)? {
                    low @ 0xDC00..=0xDFFF => 0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00),
                    _ => first,
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| {
            error_at(self.text, start, Code::Syntax, format!("`\\u{first:04x}` is half of a surrogate pair"))
                .with_hint("write the character itself")
        })
    }

    fn hex4(&mut self, start: usize) -> Result<u32> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| {
            error_at(self.text, start, Code::Syntax, "`\\u` needs four hexadecimal digits")
                .with_hint("write a backslash as `\\\\`")
        })?;
        self.at += 4;
        Ok(code)
    }

    /// Skips blanks, and line breaks behind a backslash.
    fn blanks(&mut self) {
        loop {
            self.at += self.rest().len() - self.rest().trim_start_matches(BLANKS).len();
            let rest = self.rest();
            if !(rest.starts_with("\\\n") || rest.starts_with("\\\r\n")) {
                return;
            }
            self.at = next_line(self.text, self.at);
        }
    }
}

/// Why a file of properties has no place for something.
pub(super) fn refusal(path: &Path, value: &Value) -> Option<String> {
    let what = match value {
        Value::List(_) | Value::Null => format!("a {}", value.type_name()),
        Value::Map(map) if map.is_empty() => "an empty map".to_owned(),
        _ if path.len() > MAX_DEPTH => "so many levels".to_owned(),
        _ => return None,
    };
    Some(format!("properties cannot hold {what}"))
}

/// Every text of the document by its path.
fn texts(value: &Value) -> Result<Vec<(Path, String)>> {
    let mut found = Vec::new();
    if value.as_map().is_none() {
        return Err(refused(&Path::root(), &format!("properties cannot hold a {}", value.type_name())));
    }
    collect(&Path::root(), value, &mut found)?;
    Ok(found)
}

fn collect(path: &Path, value: &Value, found: &mut Vec<(Path, String)>) -> Result<()> {
    if let Some(reason) = refusal(path, value).filter(|_| !path.is_root()) {
        return Err(refused(path, &reason));
    }
    match value {
        Value::Map(map) => map.iter().try_for_each(|(key, child)| collect(&path.child(key), child, found))?,
        Value::String(text) => found.push((path.clone(), text.to_string())),
        Value::Bool(on) => found.push((path.clone(), on.to_string())),
        Value::Number(number) => found.push((path.clone(), number.to_string())),
        Value::Null | Value::List(_) => {}
    }
    Ok(())
}

fn refused(path: &Path, reason: &str) -> Error {
    let error = Error::new(Code::Unrepresentable, reason).with_path(path.clone());
    error.with_hint("properties hold maps of scalars; use another format")
}

/// Writes maps of scalars, each as text.
pub(super) fn print(value: &Value) -> Result<String> {
    Ok(texts(value)?.iter().map(|(path, text)| format!("{}={}\n", spell_key(path), spell(text))).collect())
}

fn spell_key(path: &Path) -> String {
    let names: Vec<String> = path.segments().iter().map(|name| escaped(name, true)).collect();
    let key = names.join(".");
    // A key that begins as a comment does.
    if key.starts_with(['#', '!']) { format!("\\{key}") } else { key }
}

fn spell(text: &str) -> String {
    escaped(text, false)
}

fn escaped(text: &str, is_key: bool) -> String {
    let mut out = String::new();
    for (at, c) in text.char_indices() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            ' ' if is_key || at == 0 => out.push_str("\\ "),
            '=' | ':' | '.' if is_key => out.extend(['\\', c]),
            // At the beginning of a file it would be the mark of its encoding.
            c if c.is_control() || c == '\u{feff}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// Changes only the lines that must change.
pub(super) fn rewrite(text: &str, target: &Value, newline: &str) -> Option<String> {
    let lines = lines(text).ok()?;
    let in_force = in_force(&lines, text).ok()?;
    let target: BTreeMap<Path, String> = texts(target).ok()?.into_iter().collect();
    let is_in_force = |line: &Line| in_force.iter().any(|other| std::ptr::eq(*other, line));
    let mut edits = Edits::default();
    let (mut from, mut is_removed) = (0, false);
    for line in &lines {
        match target.get(&line.path) {
            Some(new) => {
                if is_in_force(line) && *new != line.value {
                    edits.replace(line.value_span.clone(), with_separator(text, line, spell(new)));
                }
            }
            None => {
                is_removed = true;
                let head = head_start(text, line.key_span.start, from, Comments::HashOrMark);
                edits.remove_unit(text, head, line.value_span.end);
            }
        }
        from = next_line(text, line.value_span.end);
    }
    if is_removed {
        // What was a text may be a section from now on, where a key keeps its dot only if that is written.
        for line in lines.iter().filter(|line| line.is_folded && target.contains_key(&line.path)) {
            edits.replace(line.key_span.clone(), spell_key(&line.path));
        }
    }
    let separator = in_force.iter().find(|line| !line.value.is_empty());
    let separator = separator.and_then(|line| text.get(line.key_span.end..line.value_span.start));
    let separator = separator.filter(|separator| !separator.contains('\n')).unwrap_or("=");
    let open = !text.is_empty() && !text.ends_with('\n');
    let held: BTreeSet<&Path> = in_force.iter().map(|line| &line.path).collect();
    for (path, new) in target.iter().filter(|(path, _)| !held.contains(path)) {
        let entry = format!("{}{separator}{}", spell_key(path), spell(new));
        let beside = lines.iter().filter(|line| target.contains_key(&line.path));
        let beside = beside.max_by_key(|line| (shared(&line.path, path), line.key_span.start));
        match beside.filter(|line| path.len() > 1 && shared(&line.path, path) > 0) {
            Some(line) => edits.insert(line_end(text, line.value_span.end), format!("{newline}{entry}")),
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

/// A new value; a key that had neither value nor separator gets one.
fn with_separator(text: &str, line: &Line, new: String) -> String {
    let between = text.get(line.key_span.end..line.value_span.start).unwrap_or("");
    let is_bare = line_start(text, line.key_span.end) <= line.key_span.end && between.is_empty();
    if is_bare { format!("={new}") } else { new }
}
