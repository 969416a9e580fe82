//! Edits of TOML texts in place: values and tables by their places.

use std::collections::BTreeSet;
use std::ops::Range;

use toml_edit::{ArrayOfTables, InlineTable, Item, Table};

use super::align::Alignment;
use super::edit::{Comments, Edits, Forced, head_start, line_end, line_start, next_line, skip_hash_comments};
use super::flow_edit::FlowEdit;
use super::toml::{built, document, parse, print};
use super::toml_places::{Places, first_start};
use super::toml_spell::{Toml, items_on_one_line, spell, spell_key};
use super::toml_tables::rewrite_tables;
use super::tree::{Entry, Node};
use crate::path::Path;
use crate::value::{Map, Str, Value};

/// The text changed so that it parses to the target; none if only a new print would do.
pub(super) fn rewrite(text: &str, target: &Value, newline: &str) -> Option<String> {
    let document = document(text).ok()?;
    let old = parse(text).ok()?;
    if old == Value::empty_map() && document.as_table().is_empty() {
        let open = if text.is_empty() || text.ends_with('\n') { "" } else { newline };
        if newline == "\n" {
            return Some(format!("{text}{open}{}", print(target).ok()?));
        }
        let mut new = built(target).ok()?;
        items_on_one_line(new.as_item_mut());
        return Some(format!("{text}{open}{}", new.to_string().replace('\n', newline)));
    }
    let places = Places::new(text, document.as_table());
    let mut lines = Lines { text, newline, places: &places, edits: Edits::default() };
    let done = lines.table(document.as_table(), old.as_map()?, target.as_map()?, &[]);
    let edited = done.and_then(|()| lines.edits.apply(text));
    if let Some(edited) = edited
        && parse(&edited).is_ok_and(|value| value == *target)
    {
        return Some(edited);
    }
    rewrite_tables(text, &old, target, newline)
}

/// Edits of lines. Where they cannot reach the target, the methods give nothing.
struct Lines<'a> {
    text: &'a str,
    newline: &'a str,
    places: &'a Places,
    edits: Edits,
}

impl Lines<'_> {
    fn table(&mut self, table: &Table, old: &Map, new: &Map, names: &[Str]) -> Option<()> {
        if new.is_empty() && !old.is_empty() && !names.is_empty() {
            self.keep_empty(table, names)?;
        }
        let comes = |key: &Str, value: &Value| match (old.get(key), table.get(key)) {
            (Some(_), Some(item)) => !fits(item, value),
            _ => true,
        };
        let added: Vec<(&Str, &Value)> = new.iter().filter(|(key, value)| comes(key, value)).collect();
        let maps_inline = !names.is_empty() && prefers_inline(table);
        let (tables, values): (Vec<_>, Vec<_>) =
            added.into_iter().partition(|(_, value)| matches!(value, Value::Map(_)) && !maps_inline);
        // First, as what comes to one place comes in this order.
        if !values.is_empty() {
            self.add_values(table, &values, names)?;
        }
        for (key, item) in table.iter() {
            match (old.get(key), new.get(key)) {
                (Some(old), Some(new)) if old == new => {}
                (Some(old), Some(new)) if fits(item, new) => self.item(item, old, new, &below(names, key))?,
                // What becomes something else is added again below.
                _ => self.remove(table, key, item, new.is_empty()),
            }
        }
        if !tables.is_empty() {
            let mut new = String::new();
            for (key, value) in tables {
                self.write_table(&mut new, value.as_map()?, &below(names, key), false)?;
            }
            self.add_tables(table, &new, names);
        }
        Some(())
    }

    /// Writes a table that existed only through what was in it.
    fn keep_empty(&mut self, table: &Table, names: &[Str]) -> Option<()> {
        let text = self.text;
        if table.is_dotted() {
            let (key, item) = table.iter().next()?;
            let (key, end) = (table.key(key)?.span()?.start, first_value(item)?.span()?.end);
            let name = text.get(line_start(text, key)..key)?.trim_end().trim_end_matches('.');
            self.edits.insert(line_end(text, end), format!("{}{name} = {{}}", self.newline));
        } else if table.is_implicit() {
            let end = line_end(text, self.places.extent_end(table)?);
            if text.get(end..).is_some_and(|rest| rest.trim().is_empty()) {
                self.edits.insert(end, format!("{0}{0}{1}", self.newline, header(names, false)));
            } else {
                let start = line_start(text, self.head(self.places.first_header(table)?));
                self.insert_above(start, &header(names, false));
            }
        }
        Some(())
    }

    /// Adds `key = value` lines behind the values of a table.
    fn add_values(&mut self, table: &Table, values: &[(&Str, &Value)], names: &[Str]) -> Option<()> {
        let text = self.text;
        let is_root = names.is_empty();
        let mut lines = Vec::new();
        for (key, value) in values {
            lines.push(format!("{} = {}", spell_key(key), spell(value, self.newline)?));
        }
        let direct = || table.iter().filter_map(|(key, item)| Some((key, item.as_value()?.span()?)));
        let last = direct().max_by_key(|(_, span)| span.end);
        if table.is_dotted() {
            // The parts before the last one stand as the sibling spells them.
            let (key, span) = last?;
            let key = table.key(key)?.span()?.start;
            let start = line_start(text, key);
            let prefix = text.get(start..key)?;
            let new: String = lines.iter().flat_map(|line| [self.newline, prefix, line]).collect();
            self.edits.insert(line_end(text, span.end), new);
            return Some(());
        }
        if table.is_implicit() && !is_root {
            // Before the first table below it and its comment.
            let first = self.places.first_header(table)?;
            let start = line_start(text, self.head(first));
            let new = [vec![header(names, false)], lines].concat().join(self.newline);
            self.edits.insert(start, format!("{new}{0}{0}", self.newline));
            return Some(());
        }
        let header = if is_root { None } else { table.span() };
        // Dotted values of a table may stand behind all others.
        let end = last.map(|(_, span)| span.end).max(self.places.dotted_end(table));
        if let Some(end) = end {
            // Siblings may be indented.
            let start = line_start(text, first_start(table).unwrap_or(end));
            let line = text.get(start..).unwrap_or("");
            let indent = line.get(..line.len() - line.trim_start_matches([' ', '\t']).len()).unwrap_or("");
            let new: String = lines.iter().flat_map(|line| [self.newline, indent, line]).collect();
            self.edits.insert(line_end(text, end), new);
        } else if let Some(span) = header {
            let new: String = lines.iter().flat_map(|line| [self.newline, line]).collect();
            self.edits.insert(line_end(text, span.start), new);
        } else {
            // Before the first table and its comment, behind the comment of the file.
            let first = skip_hash_comments(text, 0);
            let before = text.get(..first).unwrap_or("");
            let blank = format!("{0}{0}", self.newline);
            let at = before.rfind(&blank).map_or(0, |found| found + blank.len());
            self.edits.insert(at, format!("{}{blank}", lines.join(self.newline)));
        }
        Some(())
    }

    /// Adds sections behind everything that belongs to a table.
    fn add_tables(&mut self, table: &Table, new: &str, names: &[Str]) {
        let text = self.text;
        let end =
            if names.is_empty() { text.trim_end().len() } else { self.places.extent_end(table).unwrap_or(text.len()) };
        let end = line_end(text, end);
        let blank = if text.get(..end).unwrap_or("").trim().is_empty() { "" } else { self.newline };
        let new = new.strip_suffix(self.newline).unwrap_or(new);
        self.edits.insert(end, format!("{blank}{}{new}", if blank.is_empty() { "" } else { self.newline }));
    }

    /// Writes a table and those in it, each followed by a line break, with blank lines between them.
    fn write_table(&self, out: &mut String, map: &Map, names: &[Str], is_item: bool) -> Option<()> {
        let is_section = |value: &Value| matches!(value, Value::Map(_));
        if is_item || map.is_empty() || !map.values().all(is_section) {
            if !out.is_empty() {
                out.push_str(self.newline);
            }
            out.extend([header(names, is_item).as_str(), self.newline]);
        }
        for (key, value) in map.iter().filter(|(_, value)| !is_section(value)) {
            out.extend([spell_key(key).as_str(), " = ", &spell(value, self.newline)?, self.newline]);
        }
        for (key, value) in map.iter() {
            if let Value::Map(map) = value {
                self.write_table(out, map, &below(names, key), false)?;
            }
        }
        Some(())
    }

    fn item(&mut self, item: &Item, old: &Value, new: &Value, names: &[Str]) -> Option<()> {
        match (item, old, new) {
            (Item::Table(table), Value::Map(old), Value::Map(new)) => self.table(table, old, new, names),
            (Item::ArrayOfTables(tables), Value::List(old), Value::List(new)) => {
                self.tables(tables, old.as_slice(), new.as_slice(), names)
            }
            (Item::Value(value), old, new) => {
                let node = node(value, old)?;
                spell(new, self.newline)?;
                let (text, newline, forced, expanded) = (self.text, self.newline, Forced::new(), BTreeSet::new());
                let spelling = &Toml { newline };
                let edits = std::mem::take(&mut self.edits);
                let mut flow = FlowEdit { text, newline, spelling, forced: &forced, expanded: &expanded, edits };
                flow.node(&node, new, &Path::root());
                self.edits = flow.edits;
                Some(())
            }
            _ => Some(()),
        }
    }

    /// Changes an array of tables: each takes its comment and its own tables with it.
    fn tables(&mut self, tables: &ArrayOfTables, old: &[Value], new: &[Value], names: &[Str]) -> Option<()> {
        let text = self.text;
        let plan = Alignment::new(&old.iter().collect::<Vec<_>>(), new);
        let mut before: Option<&Table> = None;
        let mut pending: Vec<String> = Vec::new();
        let mut groups: Vec<(Option<&Table>, Vec<String>)> = Vec::new();
        for (value, origin) in new.iter().zip(&plan.origin) {
            let Value::Map(map) = value else { return None };
            let table = origin.and_then(|from| tables.get(from));
            match (*origin, table) {
                (Some(from), Some(table)) if plan.stays.get(from) == Some(&true) => {
                    self.table(table, old.get(from)?.as_map()?, map, names)?;
                    if !pending.is_empty() {
                        groups.push((before, std::mem::take(&mut pending)));
                    }
                    before = Some(table);
                }
                (Some(from), Some(table)) => {
                    let Self { newline, places, .. } = *self;
                    let mut inner = Lines { text, newline, places, edits: Edits::default() };
                    inner.table(table, old.get(from)?.as_map()?, map, names)?;
                    let part = self.extent(table)?;
                    pending.push(inner.edits.apply_within(text, part)?);
                }
                _ => {
                    let mut piece = String::new();
                    self.write_table(&mut piece, map, names, true)?;
                    pending.push(piece.strip_suffix(self.newline).unwrap_or(&piece).to_owned());
                }
            }
        }
        if !pending.is_empty() {
            groups.push((before, pending));
        }
        let blank = format!("{0}{0}", self.newline);
        for (after, pieces) in groups {
            match after {
                Some(table) => {
                    let at = self.extent(table)?.end;
                    self.edits.insert(at, pieces.iter().flat_map(|piece| [blank.as_str(), piece]).collect::<String>());
                }
                None => {
                    let start = line_start(text, self.head(tables.get(0)?.span()?.start));
                    self.insert_above(start, &format!("{}{}", pieces.join(&blank), self.newline));
                }
            }
        }
        for (table, _) in tables.iter().zip(&plan.stays).filter(|(_, stays)| !**stays) {
            self.remove_table(table);
        }
        Some(())
    }

    /// Inserts lines above the one that starts at `start`, so that its removal does not take them.
    fn insert_above(&mut self, start: usize, lines: &str) {
        match self.text.get(..start).and_then(|above| above.strip_suffix('\n')) {
            None => self.edits.insert(0, format!("{lines}{}", self.newline)),
            Some(above) => {
                let at = above.strip_suffix('\r').unwrap_or(above).len();
                self.edits.insert(at, format!("{}{lines}", self.newline));
            }
        }
    }

    /// The lines of a table with its comment and all tables in it; none where others stand between them.
    fn extent(&self, table: &Table) -> Option<Range<usize>> {
        let start = table.span()?.start;
        let end = self.places.extent_end(table)?;
        self.places.is_contiguous(table, start..end).then(|| self.head(start)..line_end(self.text, end))
    }

    /// Where something starts together with the comment above it.
    fn head(&self, at: usize) -> usize {
        head_start(self.text, at, self.places.end_before(at).map_or(0, |end| next_line(self.text, end)), Comments::Hash)
    }

    fn remove(&mut self, parent: &Table, key: &str, item: &Item, keeps_comment: bool) {
        match item {
            Item::None => {}
            Item::Value(value) => {
                let start = parent.key(key).and_then(toml_edit::Key::span).map(|span| span.start);
                if let (Some(start), Some(span)) = (start, value.span()) {
                    // The parts of a dotted key stand before it.
                    let line = line_start(self.text, start);
                    let line = self.text.get(line..).map_or(line, |rest| self.text.len() - rest.trim_start().len());
                    let head = if keeps_comment { start } else { self.head(line) };
                    self.edits.remove_unit(self.text, head, span.end);
                }
            }
            Item::Table(table) => self.remove_table(table),
            Item::ArrayOfTables(tables) => tables.iter().for_each(|table| self.remove_table(table)),
        }
    }

    /// Removes a table's header and lines with the comment above it; tables below it stand on their own.
    fn remove_table(&mut self, table: &Table) {
        let values = table.iter().filter_map(|(_, item)| item.as_value()?.span());
        let header = table.span().filter(|_| !table.is_dotted() && !table.is_implicit());
        if let Some(header) = header {
            // What belongs to the table and stands right behind it goes in one piece.
            let whole = self.extent(table).map(|extent| extent.end);
            let end = values.map(|span| span.end).max().unwrap_or(header.start).max(header.start);
            let (mut start, end) = (self.head(header.start), whole.unwrap_or_else(|| line_end(self.text, end)));
            let above = self.text.get(..line_start(self.text, start)).unwrap_or("");
            let blank_above = above.trim_end_matches([' ', '\t', '\r', '\n']).len();
            if self.text.get(end..).is_some_and(|below| below.trim().is_empty()) && blank_above > 0 {
                // At the end of the file, the blank lines above it would be left over.
                start = next_line(self.text, blank_above).min(start);
            }
            self.edits.remove_unit(self.text, start, end);
            if whole.is_none() {
                for (key, item) in table.iter().filter(|(_, item)| !item.is_value()) {
                    self.remove(table, key, item, false);
                }
            }
        } else {
            for (key, item) in table.iter() {
                self.remove(table, key, item, false);
            }
        }
    }
}

/// The first value that dotted keys lead to.
fn first_value(item: &Item) -> Option<&toml_edit::Value> {
    match item {
        Item::Table(table) => first_value(table.iter().next()?.1),
        item => item.as_value(),
    }
}

fn below(names: &[Str], key: &str) -> Vec<Str> {
    names.iter().cloned().chain([Str::from(key)]).collect()
}

fn header(names: &[Str], is_item: bool) -> String {
    let names: Vec<String> = names.iter().map(|name| spell_key(name)).collect();
    let names = names.join(".");
    if is_item { format!("[[{names}]]") } else { format!("[{names}]") }
}

/// Whether the maps in a table stand in braces, as a new one should then.
fn prefers_inline(table: &Table) -> bool {
    let is_inline = |item: &Item| matches!(item, Item::Value(toml_edit::Value::InlineTable(_)));
    table.is_dotted()
        || (table.iter().any(|(_, item)| is_inline(item))
            && !table.iter().any(|(_, item)| matches!(item, Item::Table(_))))
}

/// Whether the item can be changed in place into the value.
fn fits(item: &Item, new: &Value) -> bool {
    match (item, new) {
        (Item::Value(_), _) | (Item::Table(_), Value::Map(_)) => true,
        (Item::ArrayOfTables(_), Value::List(list)) => {
            !list.is_empty() && list.iter().all(|item| matches!(item, Value::Map(_)))
        }
        _ => false,
    }
}

/// The tree of a value after `=`.
fn node(value: &toml_edit::Value, old: &Value) -> Option<Node> {
    let span: Range<usize> = value.span()?;
    Some(match (value, old) {
        (toml_edit::Value::Array(array), Value::List(list)) => {
            Node::list(array.iter().zip(list).map(|(item, old)| node(item, old)).collect::<Option<_>>()?, span)
        }
        (toml_edit::Value::InlineTable(table), Value::Map(map)) => {
            inline_node(table, map, span.clone()).unwrap_or_else(|| Node::leaf(old.clone(), span))
        }
        _ => Node::leaf(old.clone(), span),
    })
}

/// The tree of an inline table; none if it has dotted keys.
fn inline_node(table: &InlineTable, map: &Map, span: Range<usize>) -> Option<Node> {
    let entries: Option<Vec<Entry>> = table
        .iter()
        .map(|(name, value)| {
            let dotted = matches!(value, toml_edit::Value::InlineTable(inner) if inner.is_dotted());
            let key_span = table.key(name).filter(|_| !dotted)?.span()?;
            Some(Entry { key: Str::from(name), key_span, node: node(value, map.get(name)?)?, is_merge: false })
        })
        .collect();
    Node::map(entries?, span).ok()
}
