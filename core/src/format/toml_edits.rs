//! Edits of TOML texts in place: values and lines by their places, tables through `toml_edit`.

use std::ops::Range;

use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike};

use super::edit::{Edits, Forced, ListPlan, line_end, line_start, next_line, skip_hash_comments};
use super::flow_edit::{FlowEdit, Spelling, blank_to_line_end};
use super::json_print::write_string;
use super::toml::{document, inline, item, parse, print};
use super::tree::{Entry, Node};
use crate::path::Path;
use crate::value::{Map, Str, Value};

/// The text changed so that it parses to the target; none if only a new print would do.
pub(super) fn rewrite(text: &str, target: &Value, newline: &str) -> Option<String> {
    if parse(text).ok()? == Value::empty_map() && document(text).ok()?.as_table().is_empty() {
        let open = if text.is_empty() || text.ends_with('\n') { "" } else { newline };
        return Some(format!("{text}{open}{}", print(target).ok()?.replace('\n', newline)));
    }
    let lines = rewrite_lines(text, target, newline);
    let (text, old) = match lines.and_then(|lines| parse(&lines).ok().map(|value| (lines, value))) {
        Some((lines, value)) if value == *target => return Some(lines),
        Some(found) => found,
        None => (text.to_owned(), parse(text).ok()?),
    };
    rewrite_tables(&text, &old, target, newline)
}

/// Everything but new and converted tables.
fn rewrite_lines(text: &str, target: &Value, newline: &str) -> Option<String> {
    let document = document(text).ok()?;
    let root = parse(text).ok()?;
    let mut lines = Lines { text, newline, edits: Edits::default() };
    lines.table(document.as_table(), root.as_map()?, target.as_map()?, true);
    lines.edits.apply(text)
}

struct Lines<'a> {
    text: &'a str,
    newline: &'a str,
    edits: Edits,
}

impl Lines<'_> {
    fn table(&mut self, table: &Table, old: &Map, new: &Map, is_root: bool) {
        for (key, item) in table.iter() {
            match (old.get(key), new.get(key)) {
                (Some(old), Some(new)) if old == new => {}
                (Some(old), Some(new)) if fits(item, new) => self.item(item, old, new),
                // What becomes something else is added again, with the new tables.
                _ => self.remove(table, key, item),
            }
        }
        let added: String = new
            .iter()
            .filter(|(key, value)| !old.contains_key(key) && !matches!(value, Value::Map(_)))
            .filter_map(|(key, value)| {
                Some(format!("{}{} = {}", self.newline, spell_key(key), spell(value, self.newline)?))
            })
            .collect();
        if added.is_empty() || table.is_dotted() || (table.is_implicit() && !is_root) {
            return;
        }
        let last = table.iter().filter_map(|(_, item)| item.as_value()?.span()).map(|span| span.end).max();
        let header = if is_root { None } else { table.span() };
        if let Some(end) = last {
            // Siblings may be indented.
            let start = line_start(self.text, first_start(table).unwrap_or(end));
            let line = self.text.get(start..).unwrap_or("");
            let indent = line.get(..line.len() - line.trim_start_matches([' ', '\t']).len()).unwrap_or("");
            let added = added.replace(self.newline, &format!("{}{indent}", self.newline));
            self.edits.insert(line_end(self.text, end), added);
        } else if let Some(span) = header {
            self.edits.insert(line_end(self.text, span.start), added);
        } else {
            // Before the first table and its comment, behind the comment of the file.
            let first = skip_hash_comments(self.text, 0);
            let before = self.text.get(..first).unwrap_or("");
            let blank = format!("{0}{0}", self.newline);
            let at = before.rfind(&blank).map_or(0, |found| found + blank.len());
            let added = added.trim_start_matches(['\r', '\n']);
            self.edits.insert(at, format!("{added}{blank}"));
        }
    }

    fn item(&mut self, item: &Item, old: &Value, new: &Value) {
        match (item, old, new) {
            (Item::Table(table), Value::Map(old), Value::Map(new)) => self.table(table, old, new, false),
            (Item::ArrayOfTables(tables), Value::List(old), Value::List(new)) => {
                let plan = ListPlan::new(&old.iter().collect::<Vec<_>>(), new.as_slice());
                for (at, table) in tables.iter().enumerate() {
                    if plan.removed.contains(&at) {
                        self.remove_table(table);
                    } else if let (true, Some(Value::Map(old)), Some(Value::Map(new))) =
                        (plan.changed.contains(&at), old.get(at), new.get(at))
                    {
                        self.table(table, old, new, false);
                    }
                }
            }
            (Item::Value(value), old, new) => {
                let Some(node) = node(value, old) else { return };
                let (text, newline, forced) = (self.text, self.newline, Forced::new());
                if spell(new, newline).is_some() {
                    let (spelling, edits) = (Toml { newline }, &mut self.edits);
                    FlowEdit { text, newline, spelling, forced: &forced, edits }.node(&node, new, &Path::root());
                }
            }
            _ => {}
        }
    }

    fn remove(&mut self, parent: &Table, key: &str, item: &Item) {
        match item {
            Item::None => {}
            Item::Value(value) => {
                let start = parent.key(key).and_then(toml_edit::Key::span).map(|span| span.start);
                if let (Some(start), Some(span)) = (start, value.span()) {
                    self.edits.remove_lines(self.text, start, span.end);
                }
            }
            Item::Table(table) => self.remove_table(table),
            Item::ArrayOfTables(tables) => tables.iter().for_each(|table| self.remove_table(table)),
        }
    }

    /// Removes a table's header and lines, and the blank lines behind them; tables below it stand on their own.
    fn remove_table(&mut self, table: &Table) {
        let values = table.iter().filter_map(|(_, item)| item.as_value()?.span());
        let header = table.span().filter(|_| !table.is_dotted() && !table.is_implicit());
        if let Some(header) = header {
            let end = values.map(|span| span.end).max().unwrap_or(header.start).max(header.start);
            let (mut start, mut end) = (header.start, line_end(self.text, end));
            let above = self.text.get(..line_start(self.text, start)).unwrap_or("");
            let blank_above = above.trim_end_matches([' ', '\t', '\r', '\n']).len();
            if self.text.get(end..).is_some_and(|below| below.trim().is_empty()) && blank_above > 0 {
                // At the end of the file, the blank lines above it would be left over.
                start = next_line(self.text, blank_above).min(start);
            } else if blank_above == 0 || above.get(blank_above..).unwrap_or("").matches('\n').count() > 1 {
                while let Some(next) = Some(next_line(self.text, end)).filter(|next| *next < self.text.len())
                    && blank_to_line_end(self.text, next).is_some()
                {
                    end = next;
                }
            }
            self.edits.remove_lines(self.text, start, end);
            for (key, item) in table.iter().filter(|(_, item)| !item.is_value()) {
                self.remove(table, key, item);
            }
        } else {
            for (key, item) in table.iter() {
                self.remove(table, key, item);
            }
        }
    }
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

fn first_start(table: &Table) -> Option<usize> {
    table.iter().filter(|(_, item)| item.is_value()).find_map(|(key, _)| table.key(key)?.span()).map(|span| span.start)
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
            Some(Entry { key: Str::from(name), key_span, node: node(value, map.get(name)?)? })
        })
        .collect();
    Node::map(entries?, span).ok()
}

fn spell(value: &Value, newline: &str) -> Option<String> {
    let mut spelled = inline(value, &Path::root()).ok()?;
    if newline != "\n" {
        on_one_line(&mut spelled);
    }
    Some(spelled.to_string())
}

/// Texts over several lines know one line break only: among others, they are written with escapes.
fn on_one_line(value: &mut toml_edit::Value) {
    match value {
        // What has a spelling stood there before.
        toml_edit::Value::String(text) if text.as_repr().is_none() && text.value().contains('\n') => {
            let mut spelled = String::new();
            write_string(&mut spelled, text.value());
            if let Ok(mut escaped) = spelled.replace('\u{7f}', "\\u007f").parse::<toml_edit::Value>() {
                *escaped.decor_mut() = text.decor().clone();
                *value = escaped;
            }
        }
        toml_edit::Value::Array(array) => array.iter_mut().for_each(on_one_line),
        toml_edit::Value::InlineTable(table) => table.iter_mut().for_each(|(_, value)| on_one_line(value)),
        _ => {}
    }
}

fn items_on_one_line(item: &mut Item) {
    match item {
        Item::None => {}
        Item::Value(value) => on_one_line(value),
        Item::Table(table) => table.iter_mut().for_each(|(_, item)| items_on_one_line(item)),
        Item::ArrayOfTables(tables) => {
            for table in tables.iter_mut() {
                table.iter_mut().for_each(|(_, item)| items_on_one_line(item));
            }
        }
    }
}

fn spell_key(key: &str) -> String {
    toml_edit::Key::new(key).display_repr().into_owned()
}

/// TOML inside brackets.
struct Toml<'t> {
    newline: &'t str,
}

impl Spelling for Toml<'_> {
    fn key(&self, key: &str) -> String {
        spell_key(key)
    }

    fn value(&self, value: &Value, _: Option<&str>) -> String {
        spell(value, self.newline).unwrap_or_default()
    }

    fn skip(&self, text: &str, at: usize) -> usize {
        skip_hash_comments(text, at)
    }

    fn rest_of_line(&self, text: &str, at: usize) -> Option<usize> {
        let end = line_end(text, at);
        if text.get(at..end)?.trim_start().starts_with('#') { Some(end) } else { blank_to_line_end(text, at) }
    }

    fn space(&self) -> &'static str {
        " "
    }

    fn colon(&self) -> &'static str {
        " = "
    }
}

/// New, converted and shrunk tables; what is untouched keeps its text.
fn rewrite_tables(text: &str, old: &Value, target: &Value, newline: &str) -> Option<String> {
    // The printer knows one line break only.
    let mut document: DocumentMut = text.replace("\r\n", "\n").parse().ok()?;
    change_table(document.as_table_mut(), old.as_map()?, target.as_map()?)?;
    if newline != "\n" {
        items_on_one_line(document.as_item_mut());
    }
    let mut out = document.to_string();
    if !text.is_empty() && !text.ends_with('\n') {
        out.truncate(out.trim_end_matches('\n').len());
    }
    Some(if newline == "\n" { out } else { out.replace('\n', newline) })
}

fn change_table(table: &mut dyn TableLike, old: &Map, new: &Map) -> Option<()> {
    for key in old.keys().filter(|key| !new.contains_key(key)) {
        table.remove(key);
    }
    for (key, value) in new.iter() {
        match (table.get_mut(key), old.get(key)) {
            (Some(_), Some(old)) if old == value => {}
            (Some(item), Some(old)) => change_item(item, old, value)?,
            _ => {
                table.insert(key, item(value, &Path::root()).ok()?);
            }
        }
    }
    Some(())
}

fn change_item(place: &mut Item, old: &Value, new: &Value) -> Option<()> {
    match (place, old, new) {
        (Item::Table(table), Value::Map(old), Value::Map(new)) => change_table(table, old, new),
        (Item::Value(toml_edit::Value::InlineTable(table)), Value::Map(old), Value::Map(new)) => {
            change_table(table, old, new)
        }
        (Item::ArrayOfTables(tables), Value::List(old), Value::List(new))
            if !new.is_empty() && new.iter().all(|item| matches!(item, Value::Map(_))) =>
        {
            change_tables(tables, old.as_slice(), new.as_slice())
        }
        (Item::Value(value), _, new) => {
            let decor = value.decor().clone();
            *value = inline(new, &Path::root()).ok()?;
            *value.decor_mut() = decor;
            Some(())
        }
        (place, _, new) => {
            *place = item(new, &Path::root()).ok()?;
            Some(())
        }
    }
}

fn change_tables(tables: &mut ArrayOfTables, old: &[Value], new: &[Value]) -> Option<()> {
    while tables.len() > new.len() {
        tables.remove(tables.len() - 1);
    }
    for (at, value) in new.iter().enumerate() {
        match (tables.get_mut(at), old.get(at).and_then(Value::as_map), value) {
            (Some(table), Some(old), Value::Map(new)) => change_table(table, old, new)?,
            (_, _, value) => {
                let Ok(Item::Table(mut table)) = item(value, &Path::root()) else { return None };
                table.set_implicit(false);
                tables.push(table);
            }
        }
    }
    Some(())
}
