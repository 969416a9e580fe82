//! The last resort of TOML edits: tables through `toml_edit`, which keeps the text of what is untouched but not its order.

use toml_edit::{ArrayOfTables, DocumentMut, Item, TableLike};

use super::toml::{inline, item};
use super::toml_spell::items_on_one_line;
use crate::path::Path;
use crate::value::{Map, Value};

/// New, converted and shrunk tables; what is untouched keeps its text.
pub(super) fn rewrite_tables(text: &str, old: &Value, target: &Value, newline: &str) -> Option<String> {
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
