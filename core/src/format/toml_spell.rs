//! How TOML values are spelled when they change: in the style and the type of what stood there.

use super::edit::{Comments, line_end, skip_hash_comments};
use super::flow_edit::{Spelling, blank_to_line_end};
use super::json_print::write_string;
use super::toml::inline;
use crate::path::Path;
use crate::value::Value;
use toml_edit::{Datetime, Item};

pub(super) fn spell(value: &Value, newline: &str) -> Option<String> {
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

pub(super) fn items_on_one_line(item: &mut Item) {
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

pub(super) fn spell_key(key: &str) -> String {
    toml_edit::Key::new(key).display_repr().into_owned()
}

/// TOML inside brackets.
pub(super) struct Toml<'t> {
    pub newline: &'t str,
}

impl Spelling for Toml<'_> {
    const COMMENTS: Comments = Comments::Hash;

    fn key(&self, key: &str) -> String {
        spell_key(key)
    }

    fn value(&self, value: &Value, _: Option<&str>) -> String {
        spell(value, self.newline).unwrap_or_default()
    }

    fn like(&self, model: &str, value: &Value) -> Option<String> {
        like(model, value, self.newline)
    }

    fn skip(&self, text: &str, at: usize) -> usize {
        skip_hash_comments(text, at)
    }

    fn rest_of_line(&self, text: &str, at: usize) -> Option<usize> {
        let end = line_end(text, at);
        if text.get(at..end)?.trim_start().starts_with('#') { Some(end) } else { blank_to_line_end(text, at) }
    }

    fn unit(&self) -> &str {
        "  "
    }

    fn space(&self) -> &'static str {
        " "
    }

    fn colon(&self) -> &'static str {
        " = "
    }
}

/// A scalar in the type and the quotes of the literal that stood there or stands beside it.
fn like(model: &str, value: &Value, newline: &str) -> Option<String> {
    match value {
        Value::Number(number) if number.as_i64().is_some() => {
            let is_float =
                model.contains(['.', 'e', 'E']) && !model.starts_with("0x") && !model.starts_with(['"', '\'']);
            (is_float && model.replace('_', "").parse::<f64>().is_ok()).then(|| format!("{number}.0"))
        }
        Value::String(new) => {
            if model.parse::<Datetime>().is_ok() {
                return new.parse::<Datetime>().is_ok().then(|| new.to_string());
            }
            let has_controls = new.chars().any(|c| c.is_control() && c != '\t' && c != '\n');
            let is_long = new.contains('\n');
            if is_long && newline != "\n" {
                return None;
            }
            for quotes in ["\"\"\"", "'''"] {
                if let Some(body) = model.strip_prefix(quotes) {
                    let open = if body.starts_with('\n') || new.starts_with('\n') { "\n" } else { "" };
                    let literal = quotes.starts_with('\'');
                    if has_controls || new.contains(quotes) || (literal && new.ends_with('\'')) {
                        return None;
                    }
                    let body = if literal { new.to_string() } else { new.replace('\\', "\\\\") };
                    let body = match body.strip_suffix('"').filter(|_| !literal) {
                        Some(body) => format!("{body}\\\""),
                        None => body,
                    };
                    return Some(format!("{quotes}{open}{body}{quotes}"));
                }
            }
            if model.starts_with('\'') {
                return (!has_controls && !is_long && !new.contains('\'')).then(|| format!("'{new}'"));
            }
            (model.starts_with('"') && !is_long).then(|| {
                let mut out = String::new();
                write_string(&mut out, new);
                out.replace('\u{7f}', "\\u007f")
            })
        }
        _ => None,
    }
}
