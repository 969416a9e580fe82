//! TOML through `toml_edit`: values, places and the printer.

use toml_edit::{Array, Document, DocumentMut, Formatted, InlineTable, Item, Table, TomlError};

use super::error_at;
use super::json::number_range;
use crate::error::{Code, Error, Result};
use crate::limits::MAX_DEPTH;
use crate::path::Path;
use crate::value::{MapBuilder, Number, Str, Value, index};

/// Reads a value; dates and times become strings as spelled.
pub(super) fn parse(text: &str) -> Result<Value> {
    Reader { text }.table(document(text)?.as_table().iter(), 0)
}

pub(super) fn document(text: &str) -> Result<Document<&str>> {
    Document::parse(text).map_err(|error| syntax(text, &error))
}

fn syntax(text: &str, error: &TomlError) -> Error {
    let at = error.span().map_or(text.len(), |span| span.start);
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    if message.contains("duplicate key") {
        let key: String = text.get(error.span().unwrap_or_default()).unwrap_or("").chars().take(80).collect();
        let found = error_at(text, at, Code::DuplicateKey, format!("key `{key}` stands twice"));
        return found.with_hint("keep one of the two");
    }
    if message.contains("recursion limit") {
        return error_at(text, at, Code::TooLarge, "nested too deeply");
    }
    error_at(text, at, Code::Syntax, message).with_hint("text needs quotes, and every key its `=` and value")
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn item(&self, item: &Item, depth: usize) -> Result<Value> {
        match item {
            Item::None => Ok(Value::Null),
            Item::Value(value) => self.value(value, depth),
            Item::Table(table) => self.table(table.iter(), depth),
            Item::ArrayOfTables(tables) => {
                self.enter(depth, None)?;
                let items: Result<Vec<_>> = tables.iter().map(|table| self.table(table.iter(), depth + 1)).collect();
                Ok(Value::from(items?))
            }
        }
    }

    fn enter(&self, depth: usize, at: Option<usize>) -> Result<()> {
        if depth < MAX_DEPTH {
            return Ok(());
        }
        let at = at.unwrap_or(self.text.len());
        Err(error_at(self.text, at, Code::TooLarge, format!("nested deeper than {MAX_DEPTH} levels")))
    }

    fn table<'t>(&self, entries: impl Iterator<Item = (&'t str, &'t Item)>, depth: usize) -> Result<Value> {
        self.enter(depth, None)?;
        let mut map = MapBuilder::default();
        for (key, item) in entries {
            map.push(Str::from(key), self.item(item, depth + 1)?);
        }
        Ok(Value::Map(map.build()))
    }

    fn value(&self, value: &toml_edit::Value, depth: usize) -> Result<Value> {
        let at = value.span().map_or(0, |span| span.start);
        Ok(match value {
            toml_edit::Value::String(text) => Value::from(text.value().as_str()),
            toml_edit::Value::Integer(int) => Value::from(*int.value()),
            toml_edit::Value::Boolean(b) => Value::from(*b.value()),
            toml_edit::Value::Float(float) => match Number::from_f64(*float.value()) {
                Some(number) => Value::Number(number),
                None => {
                    let literal = self.text.get(value.span().unwrap_or_default()).unwrap_or("");
                    if literal.contains(['n', 'i']) {
                        let message = format!("`{literal}` has no counterpart in other formats");
                        return Err(error_at(self.text, at, Code::NumberRange, message)
                            .with_hint("use a large number, or a string in quotes"));
                    }
                    return Err(number_range(self.text, at, literal));
                }
            },
            toml_edit::Value::Datetime(date) => {
                let spelled = value.span().and_then(|span| self.text.get(span)).map(str::trim);
                spelled.map_or_else(|| Value::from(date.value().to_string()), Value::from)
            }
            toml_edit::Value::Array(array) => {
                self.enter(depth, Some(at))?;
                Value::from(array.iter().map(|item| self.value(item, depth + 1)).collect::<Result<Vec<_>>>()?)
            }
            toml_edit::Value::InlineTable(table) => {
                self.enter(depth, Some(at))?;
                let mut map = MapBuilder::default();
                for (key, child) in table.iter() {
                    map.push(Str::from(key), self.value(child, depth + 1)?);
                }
                Value::Map(map.build())
            }
        })
    }
}

/// The byte offset of the key (or the list item) at the path. A key that only headers of deeper tables imply stands
/// where the first of them names it.
pub(super) fn locate(text: &str, paths: &[Path]) -> Vec<Option<usize>> {
    let Ok(document) = document(text) else { return vec![None; paths.len()] };
    let offset = |path: &Path| {
        let mut at = 0;
        let mut place = Place::Item(document.as_item());
        for segment in path.segments() {
            (at, place) = place.child(segment, at)?;
        }
        Some(at)
    };
    paths.iter().map(offset).collect()
}

enum Place<'a> {
    Item(&'a Item),
    Table(&'a Table),
    Value(&'a toml_edit::Value),
}

impl<'a> Place<'a> {
    /// The child and its place; `above` stands in where the parser kept none.
    fn child(self, segment: &str, above: usize) -> Option<(usize, Place<'a>)> {
        let start = |span: Option<std::ops::Range<usize>>| span.map_or(above, |span| span.start);
        match self {
            Place::Item(Item::Value(value)) => Place::Value(value).child(segment, above),
            Place::Item(Item::Table(table)) | Place::Table(table) => {
                let (key, item) = table.get_key_value(segment)?;
                Some((start(key.span()), Place::Item(item)))
            }
            Place::Item(Item::ArrayOfTables(tables)) => {
                let table = tables.get(index(segment)?)?;
                Some((start(table.span()), Place::Table(table)))
            }
            Place::Item(Item::None) => None,
            Place::Value(toml_edit::Value::Array(array)) => {
                let item = array.get(index(segment)?)?;
                Some((start(item.span()), Place::Value(item)))
            }
            Place::Value(toml_edit::Value::InlineTable(table)) => {
                let (key, item) = table.get_key_value(segment)?;
                Some((start(key.span()), Place::Item(item)))
            }
            Place::Value(_) => None,
        }
    }
}

/// Writes a document: maps as tables with headers, lists inline.
pub(super) fn print(value: &Value) -> Result<String> {
    let text = built(value)?.to_string();
    // Readers bound the nesting of headers and brackets in ways of their own, all above this.
    if is_deeper(value, SURE_DEPTH) && parse(&text).is_err() {
        return Err(Error::new(Code::Unrepresentable, "nested too deeply for TOML")
            .with_hint("use another format, or nest less deeply"));
    }
    Ok(text)
}

/// A document of its own.
pub(super) fn built(value: &Value) -> Result<DocumentMut> {
    let Value::Map(map) = value else {
        let message = format!("TOML cannot hold a {} as the whole document", value.type_name());
        return Err(Error::new(Code::Unrepresentable, message).with_hint("a TOML document is a map"));
    };
    let mut document = DocumentMut::new();
    for (key, child) in map.iter() {
        document.as_table_mut().insert(key, item(child, &Path::root().child(key))?);
    }
    Ok(document)
}

/// How many levels every reader takes.
const SURE_DEPTH: usize = 60;

/// Why a TOML file has no place for something.
pub(super) fn refusal(path: &Path, value: &Value) -> Option<String> {
    let levels = match value {
        // Its entries are looked at one by one.
        Value::Map(_) => path.len() + 1,
        other => {
            if let Err(error) = inline(other, path) {
                return Some(error.message().to_owned());
            }
            path.len() + other.depth()
        }
    };
    (levels > SURE_DEPTH).then(|| "nested too deeply for TOML".to_owned())
}

fn is_deeper(value: &Value, than: usize) -> bool {
    match (value, than.checked_sub(1)) {
        (Value::Map(_) | Value::List(_), None) => true,
        (Value::Map(map), Some(than)) => map.values().any(|child| is_deeper(child, than)),
        (Value::List(list), Some(than)) => list.iter().any(|child| is_deeper(child, than)),
        _ => false,
    }
}

/// A value as it stands in a table: maps as tables of their own.
pub(super) fn item(value: &Value, path: &Path) -> Result<Item> {
    let Value::Map(map) = value else { return Ok(Item::Value(inline(value, path)?)) };
    let mut table = Table::new();
    for (key, child) in map.iter() {
        table.insert(key, item(child, &path.child(key))?);
    }
    // `[a]` is not needed where `[a.b]` says it all.
    table.set_implicit(!map.is_empty() && map.values().all(|child| matches!(child, Value::Map(_))));
    Ok(Item::Table(table))
}

/// A value as it stands after `=`.
pub(super) fn inline(value: &Value, path: &Path) -> Result<toml_edit::Value> {
    Ok(match value {
        Value::Null => {
            return Err(Error::new(Code::Unrepresentable, "TOML cannot hold null")
                .with_path(path.clone())
                .with_hint("remove the key, or use another format"));
        }
        Value::Bool(b) => (*b).into(),
        Value::String(text) => text.as_str().into(),
        Value::Number(number) => match number.as_i64() {
            Some(int) => int.into(),
            None if Number::from_f64(number.as_f64()) == Some(*number) => {
                toml_edit::Value::Float(Formatted::new(number.as_f64()))
            }
            None => {
                return Err(Error::new(Code::Unrepresentable, format!("TOML cannot hold the integer {number}"))
                    .with_path(path.clone())
                    .with_hint("TOML integers end at 9223372036854775807; write it as a string"));
            }
        },
        Value::List(list) => {
            let mut array = Array::new();
            for (at, item) in list.iter().enumerate() {
                array.push(inline(item, &path.child(&at.to_string()))?);
            }
            array.into()
        }
        Value::Map(map) => {
            let mut table = InlineTable::new();
            for (key, child) in map.iter() {
                table.insert(key.as_str(), inline(child, &path.child(key))?);
            }
            table.into()
        }
    })
}
