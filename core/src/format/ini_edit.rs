//! INI texts written: whole, and changed in place.

use super::align::Alignment;
use super::edit::{Comments, Edits, head_start, line_end, line_start, next_line, own_line_indent};
use super::ini::{Content, Item, Section, comment_start, own_line, read};
use crate::error::{Code, Error, Result};
use crate::limits::MAX_DEPTH;
use crate::path::Path;
use crate::value::{Map, Str, Value};

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
        // There the line below would go on with it.
        && !text.ends_with('\\')
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

/// The lines that stand behind the separator, for a text on several lines that was one before: each line keeps what stands
/// behind it and above it. None where that does not read as the new text.
fn lines_like(text: &str, item: &Item, old: &str, new: &str, newline: &str) -> Option<String> {
    let Content::Value(_, span) = &item.content else { return None };
    let raw: Vec<&str> =
        text.get(span.start..line_end(text, span.end))?.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    if raw.len() < 2 {
        return None;
    }
    let body = |line: &'_ str| {
        line.get(..comment_start(line)).map_or(0..0, |body| {
            let start = body.len() - body.trim_start().len();
            start..body.trim_end().len().max(start)
        })
    };
    // Each line of the old text with the comments above it.
    let (first, below) = raw.split_first()?;
    let is_below = body(first).is_empty();
    let mut lines: Vec<(Vec<&str>, &str)> = Vec::new();
    if !is_below {
        lines.push((Vec::new(), first));
    }
    let mut above = Vec::new();
    for line in below {
        if body(line).is_empty() && !line.trim().is_empty() {
            above.push(*line);
        } else {
            lines.push((std::mem::take(&mut above), line));
        }
    }
    let bodies: Vec<Value> = lines.iter().map(|(_, line)| line.get(body(line)).unwrap_or("").into()).collect();
    let wanted: Vec<&str> = new.split('\n').collect();
    let targets: Vec<Value> = wanted.iter().map(|line| (*line).into()).collect();
    let plan = Alignment::new(&bodies.iter().collect::<Vec<_>>(), &targets);
    // One line alone goes on standing below its key where it stood there before.
    let stays = |(to, from): (usize, &Option<usize>)| from.and_then(|from| bodies.get(from)) == targets.get(to);
    let is_one_of_them = is_below && plan.origin.iter().enumerate().any(stays);
    if !new.contains('\n') && !is_one_of_them {
        return None;
    }
    let indent = below
        .iter()
        .find(|line| !line.trim().is_empty())
        .map_or("", |line| line.get(..line.len() - line.trim_start().len()).unwrap_or(""));
    let mut out = if is_below { (*first).to_owned() } else { String::new() };
    for (at, (line, origin)) in wanted.iter().zip(&plan.origin).enumerate() {
        let beside_key = at == 0 && !is_below;
        let was = origin.and_then(|from| Some((from, lines.get(from)?)));
        match was {
            // A line moves to the key, or away from it: there is no place for its comments, or its indentation.
            Some((from, (above, raw))) if (from == 0 && !is_below) != beside_key => {
                if !above.is_empty() || !body(raw).end.eq(&raw.trim_end().len()) {
                    return None;
                }
                out.push_str(&if beside_key { (*line).to_owned() } else { format!("{newline}{indent}{line}") });
            }
            Some((_, (above, raw))) => {
                let kept = body(raw);
                out.extend(above.iter().flat_map(|comment| [newline, comment]));
                let lead = if line.is_empty() { "" } else { raw.get(..kept.start).unwrap_or("") };
                let start = if beside_key { "" } else { newline };
                out.extend([start, lead, line, raw.get(kept.end..).unwrap_or("")]);
            }
            None if beside_key => out.push_str(line),
            None if line.is_empty() => out.push_str(newline),
            None => out.extend([newline, indent, line]),
        }
    }
    let key = text.get(line_start(text, item.key_span.start)..span.start)?;
    let read = |lines: &str| read(&format!("[s]\n{key}{lines}\n")).ok()?.node("").ok().map(|node| node.value);
    let one = |text: &str| -> Value {
        [("s", [(item.key.as_str(), text)].into_iter().collect::<Value>())].into_iter().collect()
    };
    (read(&raw.join("\n")) == Some(one(old)) && read(&out) == Some(one(new))).then_some(out)
}

/// A value in the quotes of the one that stood there, and on several lines where that did.
fn spell_like(old: &str, text: &str, newline: &str) -> String {
    let (first, below) = old.split_once('\n').unwrap_or((old, ""));
    // It begins in the line below its key.
    let is_below = !below.is_empty() && first.trim().is_empty();
    if !below.is_empty() && text.contains('\n') {
        let indent = below.get(..below.len() - below.trim_start().len()).unwrap_or("  ");
        let fits = |line: &str| spell(line) == line && !line.ends_with('\\') && !line.starts_with('[');
        let lines: Vec<&str> = text.split('\n').collect();
        let is_open = |at: usize| lines.get(at).is_none_or(|line| line.is_empty());
        let begins = !is_open(0) && !is_open(lines.len() - 1) && (is_below || !is_open(1));
        // The first line below a text decides by its separator whether it is one, and those of its depth follow it.
        let is_key = !is_below && lines.get(1).is_some_and(|line| line.contains(['=', ':']));
        if begins && lines.iter().all(|line| fits(line)) && !is_key {
            let rest = lines.iter().enumerate().map(|(at, line)| match (at, line.is_empty()) {
                (0, _) if !is_below => (*line).to_owned(),
                (_, true) => newline.to_owned(),
                _ => format!("{newline}{indent}{line}"),
            });
            return rest.collect();
        }
    }
    let new = match old.chars().next() {
        Some('"') => double_quoted(text),
        Some('\'') if !text.contains(['\'', '\n', '\r']) => format!("'{text}'"),
        _ => spell(text),
    };
    if is_below { format!(" {new}") } else { new }
}

/// Whether the line behind an entry stands deeper than its key, so that an empty text would go on there.
fn stands_deeper(text: &str, key: usize, end: usize) -> bool {
    let depth =
        |at: usize| own_line(text, line_start(text, at)).chars().take_while(|c| matches!(c, ' ' | '\t')).count();
    let next = next_line(text, end);
    let mut at = next;
    while at < text.len() && is_comment_or_blank(own_line(text, at)) {
        at = next_line(text, at);
    }
    at < text.len() && depth(at) > depth(key)
}

fn is_comment_or_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with([';', '#'])
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
        let mut indent = "";
        for item in &section.entries {
            let wanted = target.get(&item.key);
            match (&item.content, wanted) {
                (Content::Value(old, span), Some(new)) if new.as_map().is_none() => {
                    let new = scalar(new, path).ok()?;
                    let is_same = new == *old;
                    let lines = if is_same { None } else { lines_like(self.text, item, old, &new, self.newline) };
                    if let Some(lines) = lines {
                        self.edits.replace(span.start..line_end(self.text, span.end), lines);
                    } else if !is_same {
                        let pad = span.is_empty() && !item.is_bare && self.separator.ends_with(' ');
                        // A comment right behind an empty value would become part of the new one.
                        let glued = self.text.get(span.end..).is_some_and(|rest| rest.starts_with([';', '#']));
                        let around = |is_there: bool| if is_there { " " } else { "" };
                        let new = spell_like(self.text.get(span.clone()).unwrap_or(""), &new, self.newline);
                        let swallows = new.is_empty() && stands_deeper(self.text, item.key_span.start, span.end);
                        let new = if swallows { "\"\"".to_owned() } else { new };
                        let new = if item.is_bare { format!("{}{new}", self.separator) } else { new };
                        self.edits.replace(span.clone(), format!("{}{new}{}", around(pad), around(glued)));
                    }
                    anchor = Some(line_end(self.text, span.end));
                    indent = own_line_indent(self.text, item.key_span.start).unwrap_or("");
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
                    let lines = lines.split(self.newline).flat_map(|line| [self.newline, indent, line]);
                    self.edits.insert(at, lines.collect::<String>());
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
