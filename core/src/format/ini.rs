//! INI: `[section]` and `key = value` lines. Every value is a string.
//!
//! Of the many dialects this one: `[a.b]` nests `b` in `a`; `=` or `:` separates, whichever comes first; `;` and `#` start
//! a comment at the start of a line or behind a blank. Values and keys may be quoted: `'…'` as it is, `"…"` with `\n`,
//! `\r`, `\t`, `\"` and `\\`; so may parts of a section's name that hold a dot, and `[a "b"]` is `[a."b"]`.
//!
//! A value goes on in lines that stand deeper than its key where it is empty on the line of the key, where they hold no
//! separator, or behind a `\` at the end of a line. Of a key that stands more than once the last one counts, a section may
//! stand in parts, and a word alone in a section is a key with an empty text.

use std::collections::BTreeMap;
use std::ops::Range;

use super::edit::{Comments, Edits, head_start, line_end, line_start};
use super::tree::{Duplicate, Entry, Node};
use super::{error_at, location};
use crate::error::{Code, Error, Result};
use crate::limits::MAX_DEPTH;
use crate::path::Path;
use crate::value::{Map, Str, Value};

/// Reads maps of strings.
pub(super) fn parse(text: &str) -> Result<Value> {
    parse_tree(text).map(|node| node.value)
}

/// Reads a tree with places; a value's span is what stands behind the separator, quotes included.
pub(super) fn parse_tree(text: &str) -> Result<Node> {
    read(text)?.node(text)
}

/// A section while its lines are read. The same section may be continued by the headers of those in it.
#[derive(Default)]
struct Section {
    /// Where its own header stands; none if only headers of sections in it do, and for the root.
    header: Option<usize>,
    entries: Vec<Item>,
    index: BTreeMap<Str, usize>,
    /// Entries that a later one takes the place of: where they start and end.
    shadowed: Vec<(Str, usize, usize)>,
}

struct Item {
    key: Str,
    key_span: Range<usize>,
    content: Content,
    /// Whether it has no separator.
    is_bare: bool,
}

enum Content {
    Value(String, Range<usize>),
    Section(Section),
}

impl Section {
    /// The section in this one, made where it is missing.
    fn section(&mut self, key: &Str, key_span: Range<usize>) -> Result<&mut Section, Duplicate> {
        let at = match self.index.get(key) {
            Some(at) => *at,
            None => self.push(Item {
                key: key.clone(),
                key_span: key_span.clone(),
                content: Content::Section(Section::default()),
                is_bare: false,
            }),
        };
        let second = key_span.start;
        match self.entries.get_mut(at) {
            Some(Item { content: Content::Section(section), .. }) => Ok(section),
            Some(Item { key_span, .. }) => Err(Duplicate { key: key.clone(), first: key_span.start, second }),
            None => Err(Duplicate { key: key.clone(), first: second, second }),
        }
    }

    /// Adds an entry; one with the same key is not in force any more.
    fn put(&mut self, item: Item) -> Result<(), Duplicate> {
        let Some(old) = self.index.get(&item.key).and_then(|at| self.entries.get_mut(*at)) else {
            self.push(item);
            return Ok(());
        };
        match &old.content {
            Content::Value(_, span) => {
                self.shadowed.push((old.key.clone(), old.key_span.start, span.end));
                *old = item;
                Ok(())
            }
            Content::Section(_) => {
                Err(Duplicate { key: item.key, first: old.key_span.start, second: item.key_span.start })
            }
        }
    }

    fn push(&mut self, item: Item) -> usize {
        self.index.insert(item.key.clone(), self.entries.len());
        self.entries.push(item);
        self.entries.len() - 1
    }

    fn node(self, text: &str) -> Result<Node> {
        let entries: Result<Vec<Entry>> = self
            .entries
            .into_iter()
            .map(|item| {
                let node = match item.content {
                    Content::Value(value, span) => Node::leaf(value.into(), span),
                    Content::Section(section) => section.node(text)?,
                };
                Ok(Entry { key: item.key, key_span: item.key_span, node, is_merge: false })
            })
            .collect();
        Node::map(entries?, 0..text.len()).map_err(|duplicate| duplicate.error(text))
    }
}

fn read(text: &str) -> Result<Section> {
    let mut root = Section::default();
    let mut open: Vec<(Str, Range<usize>)> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = line_end(text, at);
        let line = text.get(at..end).unwrap_or("");
        let start = end - line.trim_start().len();
        let mut last = at;
        match line.trim_start().chars().next() {
            None | Some(';' | '#') => {}
            Some('[') => {
                open = header(text, start, end)?;
                let section = reach(&mut root, &open).map_err(|duplicate| duplicate.error(text))?;
                section.header.get_or_insert(start);
            }
            Some(_) => {
                let mut item = match bare_word(text, start, end) {
                    Some(item) if !open.is_empty() => item,
                    _ => entry(text, start, end)?,
                };
                last = continued(text, at, &mut item);
                let section = reach(&mut root, &open).map_err(|duplicate| duplicate.error(text))?;
                section.put(item).map_err(|duplicate| duplicate.error(text))?;
            }
        }
        at = super::edit::next_line(text, last);
    }
    Ok(root)
}

fn reach<'s>(root: &'s mut Section, names: &[(Str, Range<usize>)]) -> Result<&'s mut Section, Duplicate> {
    names.iter().try_fold(root, |section, (name, span)| section.section(name, span.clone()))
}

/// The names of a section's header with their places.
fn header(text: &str, start: usize, end: usize) -> Result<Vec<(Str, Range<usize>)>> {
    let unclosed =
        || error_at(text, start, Code::Syntax, "the section's name has no closing `]`").with_hint("write `[name]`");
    let mut names = Vec::new();
    let mut at = start + 1;
    loop {
        let rest = text.get(at..end).unwrap_or("");
        at = end - rest.trim_start().len();
        let rest = rest.trim_start();
        let (name, span) = match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => quoted(text, at, end, quote)?,
            _ => {
                let length = rest.find(['.', ']']).ok_or_else(unclosed)?;
                let name = rest.get(..length).unwrap_or("");
                let name = name.split_once(" \"").map_or(name, |(name, _)| name).trim_end();
                if name.is_empty() || name.contains(['"', '\'', '[']) || name.contains(char::is_control) {
                    return Err(error_at(text, at, Code::Syntax, format!("`{name}` is no section's name"))
                        .with_hint("write `[name]`, `[outer.inner]` or, for a name with a dot, `[\"a.b\"]`"));
                }
                (name.to_owned(), at..at + name.len())
            }
        };
        at = span.end;
        names.push((Str::from(name), span));
        if names.len() >= MAX_DEPTH {
            let message = format!("the section nests more than {MAX_DEPTH} levels deep");
            return Err(error_at(text, start, Code::TooLarge, message).with_hint("shorten its name"));
        }
        let rest = text.get(at..end).unwrap_or("");
        at = end - rest.trim_start().len();
        match rest.trim_start().chars().next() {
            Some('.') => at += 1,
            // As git writes a section in a section.
            Some('"') if names.len() == 1 && rest.starts_with([' ', '\t']) => {}
            Some(']') => break,
            Some(_) => {
                return Err(error_at(text, at, Code::Syntax, "expected `.` or `]` in the section's name")
                    .with_hint("quote the whole part of the name"));
            }
            None => return Err(unclosed()),
        }
    }
    only_comment(text, at + 1, end)?;
    Ok(names)
}

/// A key without a value: one word.
fn bare_word(text: &str, start: usize, end: usize) -> Option<Item> {
    let line = text.get(start..end)?;
    let word = line.get(..comment_start(line))?.trim_end();
    let is_word = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let key_span = start..start + word.len();
    let content = Content::Value(String::new(), key_span.end..key_span.end);
    is_word.then(|| Item { key: Str::from(word), key_span, content, is_bare: true })
}

/// Adds the lines in which the value of the entry at `at` goes on; gives a place in the last line.
fn continued(text: &str, at: usize, item: &mut Item) -> usize {
    let depth = |at: usize| own_line(text, at).chars().take_while(|c| matches!(c, ' ' | '\t')).count();
    let base = depth(at);
    let Content::Value(value, span) = &mut item.content else { return at };
    let is_quoted = text.get(span.start..).is_some_and(|rest| rest.starts_with(['"', '\'']));
    if item.is_bare || is_quoted {
        return at;
    }
    let was_empty = value.is_empty();
    let (mut last, mut next) = (at, super::edit::next_line(text, at));
    while next < text.len() && next > last {
        let line = own_line(text, next);
        let body = line.get(..comment_start(line)).unwrap_or("").trim();
        let is_comment = body.is_empty() && !line.trim().is_empty();
        let joins = value.ends_with('\\');
        let goes_on = was_empty || joins || !body.contains(['=', ':']) && !body.starts_with('[');
        if line.trim().is_empty() || depth(next) <= base || !(is_comment || goes_on) {
            break;
        }
        if !is_comment {
            if joins {
                value.pop();
                value.truncate(value.trim_end().len());
                value.push(' ');
            } else if !value.is_empty() {
                value.push('\n');
            }
            value.push_str(body);
            let start = next + (line.len() - line.trim_start().len());
            span.end = start + body.len();
            last = next;
        }
        next = super::edit::next_line(text, next);
    }
    last
}

/// The line that starts at a place.
fn own_line(text: &str, at: usize) -> &str {
    text.get(at..line_end(text, at)).unwrap_or("")
}

fn entry(text: &str, start: usize, end: usize) -> Result<Item> {
    let line = text.get(start..end).unwrap_or("");
    let (key, key_span) = match line.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(text, start, end, quote)?,
        _ => {
            let key = line.find(['=', ':']).and_then(|length| line.get(..length)).unwrap_or(line).trim_end();
            (key.to_owned(), start..start + key.len())
        }
    };
    let rest = text.get(key_span.end..end).unwrap_or("");
    let Some(rest) = rest.trim_start().strip_prefix(['=', ':']) else {
        return Err(error_at(text, start, Code::Syntax, "expected `key = value` or `[section]`, found no `=`")
            .with_hint("comment the line with `;`, or add `=`"));
    };
    if key_span.is_empty() || (key.contains(char::is_control) && !line.starts_with(['"', '\''])) {
        return Err(error_at(text, start, Code::Syntax, "the key is empty or holds a control character")
            .with_hint("write `key = value`, or quote the key"));
    }
    let after = end - rest.len();
    let value_start = end - rest.trim_start().len();
    let content = match text.get(value_start..end).and_then(|rest| rest.chars().next()) {
        Some(quote @ ('"' | '\'')) => {
            let (value, span) = quoted(text, value_start, end, quote)?;
            only_comment(text, span.end, end)?;
            Content::Value(value, span)
        }
        _ => {
            let raw = text.get(after..end).unwrap_or("");
            let value = raw.get(..comment_start(raw)).unwrap_or("").trim();
            // What follows may be a comment: an empty value stands right behind the separator.
            let start = if value.is_empty() { after } else { value_start };
            Content::Value(value.to_owned(), start..start + value.len())
        }
    };
    Ok(Item { key: Str::from(key), key_span, content, is_bare: false })
}

/// Where the comment starts, blank before it included in what precedes; the length if there is none.
fn comment_start(raw: &str) -> usize {
    let mut blank = true;
    for (at, c) in raw.char_indices() {
        if blank && matches!(c, ';' | '#') {
            return at;
        }
        blank = c.is_whitespace();
    }
    raw.len()
}

fn only_comment(text: &str, at: usize, end: usize) -> Result<()> {
    let rest = text.get(at..end).unwrap_or("").trim_start();
    if rest.is_empty() || rest.starts_with([';', '#']) {
        return Ok(());
    }
    Err(error_at(text, end - rest.len(), Code::Syntax, "expected the end of the line")
        .with_hint("write the whole value inside the quotes, or start a comment with `;`"))
}

fn quoted(text: &str, start: usize, end: usize, quote: char) -> Result<(String, Range<usize>)> {
    let mut out = String::new();
    let mut chars = text.get(start + 1..end).unwrap_or("").char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((out, start..start + 1 + at + 1)),
            '\\' if quote == '"' => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 'r')) => out.push('\r'),
                Some((_, 't')) => out.push('\t'),
                Some((_, c @ ('"' | '\\'))) => out.push(c),
                _ => {
                    return Err(error_at(text, start + 1 + at, Code::Syntax, "unknown escape after `\\`").with_hint(
                        "write a backslash as `\\\\`, or use single quotes, which take every character as it is",
                    ));
                }
            },
            c => out.push(c),
        }
    }
    Err(error_at(text, start, Code::Syntax, format!("the text has no closing `{quote}` in its line"))
        .with_hint("close the quote; a line break is written `\\n` in double quotes"))
}

/// Writes maps of scalars, each as text.
pub(super) fn print(value: &Value) -> Result<String> {
    let Value::Map(map) = value else {
        return Err(refused(&Path::root(), &format!("a {} as the whole document", value.type_name())));
    };
    let mut out = String::new();
    write_section(&mut out, map, &Path::root(), " = ", "\n")?;
    Ok(out)
}

/// Why an INI file has no place for something.
pub(super) fn refusal(path: &Path, value: &Value) -> Option<String> {
    let what = match value {
        Value::List(_) | Value::Null => format!("a {}", value.type_name()),
        Value::Map(_) if path.len() >= MAX_DEPTH => "so many levels".to_owned(),
        _ => return None,
    };
    Some(format!("INI cannot hold {what}"))
}

fn refused(path: &Path, what: &str) -> Error {
    Error::new(Code::Unrepresentable, format!("INI cannot hold {what}"))
        .with_path(path.clone())
        .with_hint("INI holds maps of scalars; use another format")
}

/// The text of a scalar.
fn scalar(value: &Value, path: &Path) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.to_string()),
        Value::Bool(b) => Ok(b.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(refused(path, &format!("a {}", other.type_name()))),
    }
}

fn write_section(out: &mut String, map: &Map, path: &Path, separator: &str, newline: &str) -> Result<()> {
    if path.len() >= MAX_DEPTH {
        return Err(refused(path, "so many levels"));
    }
    let holds_text = map.values().any(|child| child.as_map().is_none());
    if !path.is_root() && (holds_text || map.is_empty()) {
        if !out.is_empty() {
            out.push_str(newline);
        }
        out.extend([header_text(path).as_str(), newline]);
    }
    for (key, child) in map.iter().filter(|(_, child)| child.as_map().is_none()) {
        let text = scalar(child, &path.child(key))?;
        out.extend([name(key, true).as_str(), separator, &spell(&text)]);
        while out.ends_with(' ') {
            out.pop();
        }
        out.push_str(newline);
    }
    for (key, child) in map.iter() {
        if let Value::Map(child) = child {
            write_section(out, child, &path.child(key), separator, newline)?;
        }
    }
    Ok(())
}

fn header_text(path: &Path) -> String {
    let names: Vec<String> = path.segments().iter().map(|segment| name(segment, false)).collect();
    format!("[{}]", names.join("."))
}

/// A key or a part of a section's name: bare where it can only be that, else in quotes.
fn name(text: &str, may_hold_dots: bool) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/') || (may_hold_dots && c == '.');
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { double_quoted(text) }
}

/// A value as it stands behind the separator.
fn spell(text: &str) -> String {
    let bare = text.trim() == text
        && !text.starts_with(['"', '\''])
        && !text.contains(char::is_control)
        && comment_start(text) == text.len();
    if bare {
        text.to_owned()
    } else if text.contains(['\'', '\n', '\r']) {
        double_quoted(text)
    } else {
        format!("'{text}'")
    }
}

/// A value in the quotes of the one that stood there.
fn spell_like(old: &str, text: &str, newline: &str) -> String {
    if let Some((first, below)) = old.split_once('\n').filter(|_| text.contains('\n')) {
        let indent = below.get(..below.len() - below.trim_start().len()).unwrap_or("  ");
        let is_below = first.trim().is_empty();
        let fits = |line: &str| !line.is_empty() && spell(line) == line && !line.ends_with('\\') && !line.starts_with('[');
        if text.split('\n').all(|line| fits(line) && (is_below || !line.contains(['=', ':']))) {
            let lines = text.replace('\n', &format!("{newline}{indent}"));
            return if is_below { format!("{newline}{indent}{lines}") } else { lines };
        }
    }
    match old.chars().next() {
        Some('"') => double_quoted(text),
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
            '"' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Changes only the lines that must change.
pub(super) fn rewrite(text: &str, target: &Value, newline: &str) -> Option<String> {
    let root = read(text).ok()?;
    let separator = separator(text, &root).unwrap_or(" = ");
    let mut edit = Edit { text, newline, separator, edits: Edits::default(), appended: String::new() };
    edit.section(&root, target.as_map()?, &Path::root())?;
    let Edit { mut edits, appended, .. } = edit;
    if !appended.is_empty() {
        let open = !text.is_empty() && !text.ends_with('\n');
        let blank = if text.is_empty() { "" } else { newline };
        edits.insert(text.len(), format!("{}{blank}{appended}", if open { newline } else { "" }));
    }
    edits.apply(text)
}

/// What stands between the first key and its value.
fn separator<'t>(text: &'t str, section: &Section) -> Option<&'t str> {
    section.entries.iter().find_map(|item| match &item.content {
        Content::Value(_, span) if !span.is_empty() && !own_line(text, span.start).trim().is_empty() => {
            text.get(item.key_span.end..span.start)
        }
        Content::Value(..) => None,
        Content::Section(inner) => separator(text, inner),
    })
}

struct Edit<'t> {
    text: &'t str,
    newline: &'t str,
    separator: &'t str,
    edits: Edits,
    /// New sections, for the end of the text.
    appended: String,
}

impl Edit<'_> {
    fn section(&mut self, section: &Section, target: &Map, path: &Path) -> Option<()> {
        // New keys stand behind the last one that stays, else behind the header.
        let mut anchor = section.header.map(|at| line_end(self.text, at));
        for item in &section.entries {
            let wanted = target.get(&item.key);
            match (&item.content, wanted) {
                (Content::Value(old, span), Some(new)) if new.as_map().is_none() => {
                    let new = scalar(new, path).ok()?;
                    if new != *old {
                        let pad = span.is_empty() && !item.is_bare && self.separator.ends_with(' ');
                        // A comment right behind an empty value would become part of the new one.
                        let glued = self.text.get(span.end..).is_some_and(|rest| rest.starts_with([';', '#']));
                        let around = |is_there: bool| if is_there { " " } else { "" };
                        let new = spell_like(self.text.get(span.clone()).unwrap_or(""), &new, self.newline);
                        let new = if item.is_bare { format!("{}{new}", self.separator) } else { new };
                        self.edits.replace(span.clone(), format!("{}{new}{}", around(pad), around(glued)));
                    }
                    anchor = Some(line_end(self.text, span.end));
                }
                (Content::Value(_, span), _) => {
                    self.remove_lines(item.key_span.start, span.end);
                    for (_, start, end) in section.shadowed.iter().filter(|(key, ..)| *key == item.key) {
                        self.remove_lines(*start, *end);
                    }
                }
                (Content::Section(inner), Some(Value::Map(new))) => {
                    self.section(inner, new, &path.child(&item.key))?;
                    let implied = inner.header.is_none() && new.is_empty();
                    if implied {
                        self.append(new, &path.child(&item.key))?;
                    }
                }
                (Content::Section(inner), _) => self.remove(inner),
            }
        }
        let is_kept =
            |item: &Item, value: &Value| matches!(item.content, Content::Section(_)) == value.as_map().is_some();
        let is_new = |key: &Str, value: &Value| {
            let old = section.index.get(key).and_then(|at| section.entries.get(*at));
            !old.is_some_and(|item| is_kept(item, value))
        };
        let added: Vec<(&Str, &Value)> = target.iter().filter(|(key, value)| is_new(key, value)).collect();
        let texts: Map = added
            .iter()
            .filter(|(_, value)| value.as_map().is_none())
            .map(|(key, value)| ((*key).clone(), (*value).clone()))
            .collect();
        if !texts.is_empty() {
            let mut lines = String::new();
            write_section(&mut lines, &texts, &Path::root(), self.separator, self.newline).ok()?;
            match anchor {
                Some(at) => {
                    let lines = lines.strip_suffix(self.newline).unwrap_or(&lines);
                    self.edits.insert(at, format!("{}{lines}", self.newline));
                }
                None if path.is_root() => self.insert_first(section, &lines),
                None => self.append(&texts, path)?,
            }
        }
        for (key, value) in added {
            if let Value::Map(new) = value {
                self.append(new, &path.child(key))?;
            }
        }
        Some(())
    }

    /// Keys of the root stand before every section.
    fn insert_first(&mut self, root: &Section, lines: &str) {
        fn first(section: &Section) -> Option<usize> {
            let inner = section.entries.iter().filter_map(|item| match &item.content {
                Content::Section(inner) => first(inner),
                Content::Value(..) => None,
            });
            inner.chain(section.header).min()
        }
        match first(root) {
            Some(header) => {
                let head = head_start(self.text, header, 0, Comments::HashOrSemicolon);
                self.edits.insert(line_start(self.text, head), format!("{lines}{}", self.newline));
            }
            None => {
                let open = !self.text.is_empty() && !self.text.ends_with('\n');
                self.edits.insert(self.text.len(), format!("{}{lines}", if open { self.newline } else { "" }));
            }
        }
    }

    fn append(&mut self, map: &Map, path: &Path) -> Option<()> {
        write_section(&mut self.appended, map, path, self.separator, self.newline).ok()
    }

    /// Removes an entry with the comment directly above it.
    fn remove_lines(&mut self, start: usize, end: usize) {
        let head = head_start(self.text, start, 0, Comments::HashOrSemicolon);
        self.edits.remove_unit(self.text, head, end);
    }

    /// Removes the lines of a section and of those in it, each with the comment directly above it; other comments stay.
    fn remove(&mut self, section: &Section) {
        if let Some(header) = section.header {
            self.remove_lines(header, header);
        }
        for item in &section.entries {
            match &item.content {
                Content::Value(_, span) => self.remove_lines(item.key_span.start, span.end),
                Content::Section(inner) => self.remove(inner),
            }
        }
    }
}
