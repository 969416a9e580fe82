//! INI: `[section]` and `key = value` lines. Every value is a string.
//!
//! Of the many dialects this one: `[a.b]` nests `b` in `a`; `=` or `:` separates, whichever comes first; `;` and `#` start
//! a comment at the start of a line or behind a blank. Values and keys may be quoted: `'…'` as it is, `"…"` with `\n`,
//! `\r`, `\t`, `\"` and `\\`; so may parts of a section's name that hold a dot, and `[a "b"]` is `[a."b"]`.
//!
//! A value goes on in lines that stand deeper than its key where they hold no separator, or where nothing stands behind the
//! key's own or another such line stands above at the same depth (`install_requires =`, then `numpy>=1`), or behind a `\` at
//! the end of a line; comments may stand between them, and blank lines between those of one depth. Of a key that stands more than once
//! the last one counts, a section may stand in parts, and a word alone in a section is a key with an empty text. A line that
//! includes other files (`!includedir …`) is kept and not followed.

use std::collections::BTreeMap;
use std::ops::Range;

use super::edit::line_end;
use super::error_at;
use super::note::Note;
use super::tree::{Duplicate, Entry, Node};
use crate::error::{Code, Result};
use crate::limits::MAX_DEPTH;
use crate::path::Path;
use crate::value::{Str, Value};

/// Reads maps of strings.
pub(super) fn parse(text: &str) -> Result<Value> {
    parse_tree(text).map(|node| node.value)
}

/// Reads a tree with places; a value's span is what stands behind the separator, quotes included.
pub(super) fn parse_tree(text: &str) -> Result<Node> {
    read(text)?.node(text)
}

/// Keys that a later line sets again, and files that are not included.
pub(super) fn notes(text: &str) -> Vec<Note> {
    fn walk(section: &Section, path: &Path, notes: &mut Vec<Note>) {
        notes.extend(section.shadowed.iter().map(|(key, start, _)| Note::repeated(*start, path.child(key))));
        for item in &section.entries {
            if let Content::Section(inner) = &item.content {
                walk(inner, &path.child(&item.key), notes);
            }
        }
    }
    let mut notes = Vec::new();
    if let Ok(root) = read(text) {
        walk(&root, &Path::root(), &mut notes);
        let mut at = 0;
        while at < text.len() {
            if is_include(own_line(text, at)) {
                let message = "the files that are named here are not read".to_owned();
                let hint = "give them as files of their own, in the order in which they count";
                notes.push(Note { at, path: Path::root(), code: Code::Ambiguous, message, hint });
            }
            at = super::edit::next_line(text, at);
        }
    }
    notes
}

/// A section while its lines are read. The same section may be continued by the headers of those in it.
#[derive(Default)]
pub(super) struct Section {
    /// Where its own header stands; none if only headers of sections in it do, and for the root.
    pub header: Option<usize>,
    pub entries: Vec<Item>,
    pub index: BTreeMap<Str, usize>,
    /// Entries that a later one takes the place of: where they start and end.
    pub shadowed: Vec<(Str, usize, usize)>,
}

pub(super) struct Item {
    pub key: Str,
    pub key_span: Range<usize>,
    pub content: Content,
    /// Whether it has no separator.
    pub is_bare: bool,
}

pub(super) enum Content {
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

    pub(super) fn node(self, text: &str) -> Result<Node> {
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

pub(super) fn read(text: &str) -> Result<Section> {
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
            Some('!') if is_include(line) => {}
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
    let is_below = value.is_empty();
    if item.is_bare || is_quoted {
        return at;
    }
    let (mut last, mut next) = (at, super::edit::next_line(text, at));
    // How deep the lines of the value stand, and how many blank ones stand above this one.
    let (mut own_depth, mut blank) = (None, 0);
    while next < text.len() && next > last {
        let line = own_line(text, next);
        let body = line.get(..comment_start(line)).unwrap_or("").trim();
        let joins = value.ends_with('\\');
        let in_row = own_depth.map_or(is_below, |own| own == depth(next));
        let goes_on = joins || (in_row || !body.contains(['=', ':'])) && !body.starts_with('[');
        let is_there = depth(next) > base && (blank == 0 || own_depth == Some(depth(next)));
        match (body.is_empty(), line.trim().is_empty()) {
            // Behind a blank line only a value on several lines goes on.
            (true, true) if own_depth.is_some() && !joins => blank += 1,
            (true, false) => {}
            (false, _) if goes_on && is_there => {
                if joins {
                    value.pop();
                    value.truncate(value.trim_end().len());
                    value.push(' ');
                } else {
                    value.extend(std::iter::repeat_n('\n', blank + usize::from(!value.is_empty())));
                }
                value.push_str(body);
                let start = next + (line.len() - line.trim_start().len());
                span.end = start + body.len();
                last = next;
                (own_depth, blank) = (Some(depth(next)), 0);
            }
            _ => break,
        }
        next = super::edit::next_line(text, next);
    }
    last
}

/// Whether a line names files to include, as `!includedir /etc/mysql/conf.d/`.
fn is_include(line: &str) -> bool {
    matches!(line.split_whitespace().next(), Some("!include" | "!includedir"))
}

/// The line that starts at a place.
pub(super) fn own_line(text: &str, at: usize) -> &str {
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
pub(super) fn comment_start(raw: &str) -> usize {
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
