//! The YAML printer: block style, and quotes around whatever a YAML 1.1 or 1.2 reader could take for something else.

use std::fmt::Write;

use super::yaml_tag::untagged;
use crate::value::{Number, Str, Value};

/// How what is printed looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout<'a> {
    /// One level of indentation.
    pub unit: &'a str,
    pub newline: &'a str,
    /// Whether texts of several lines may stand as blocks. A comment below one that is indented as deep would be part of it.
    pub has_blocks: bool,
}

impl Layout<'static> {
    const NEW: Layout<'static> = Layout { unit: "  ", newline: "\n", has_blocks: true };
}

/// A whole document, with a final newline.
pub(super) fn document(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Map(map) if untagged(map).is_some() => {
            write_after_indicator(&mut out, value, 2, Layout::NEW);
            out = out.trim_start_matches(' ').to_owned();
        }
        Value::Map(map) if !map.is_empty() => write_entries(&mut out, value, 0, Layout::NEW),
        Value::List(list) if !list.is_empty() => write_entries(&mut out, value, 0, Layout::NEW),
        leaf => inline(&mut out, leaf),
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Writes what stands after `key:` or `-`: ` scalar`, or a line break and a block that is indented by `indent` columns.
/// The last line has no line break.
pub(super) fn write_after_indicator(out: &mut String, value: &Value, indent: usize, layout: Layout<'_>) {
    match value {
        Value::Map(map) if !map.is_empty() => match untagged(map) {
            Some((tag, value)) => {
                out.extend([" ", tag]);
                write_after_indicator(out, value, indent, layout);
            }
            None => {
                out.push_str(layout.newline);
                write_entries(out, value, indent, layout);
            }
        },
        Value::List(list) if !list.is_empty() => {
            out.push_str(layout.newline);
            write_entries(out, value, indent, layout);
        }
        Value::String(text) if layout.has_blocks && is_literal(text) => {
            out.push_str(if text.ends_with('\n') { " |" } else { " |-" });
            for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
                out.push_str(layout.newline);
                if !line.is_empty() {
                    pad(out, indent);
                    out.push_str(line);
                }
            }
        }
        leaf => {
            out.push(' ');
            scalar(out, leaf, false);
        }
    }
}

/// Writes the entries of a map or the items of a list at `indent` columns, joined by line breaks.
pub(super) fn write_entries(out: &mut String, value: &Value, indent: usize, layout: Layout<'_>) {
    let mut first = true;
    let mut start = |out: &mut String| {
        if !std::mem::take(&mut first) {
            out.push_str(layout.newline);
        }
        pad(out, indent);
    };
    match value {
        Value::Map(map) => {
            for (key, child) in map.iter() {
                start(out);
                write_entry(out, key, child, indent, layout);
            }
        }
        Value::List(list) => {
            for item in list {
                start(out);
                write_item(out, item, indent, layout);
            }
        }
        _ => {}
    }
}

/// Writes `key: value`; the key stands at column `indent`.
pub(super) fn write_entry(out: &mut String, key: &Str, child: &Value, indent: usize, layout: Layout<'_>) {
    let spelled = self::key(key);
    // A key on one line may have 1024 characters; a longer one needs an indicator of its own.
    if spelled.len() > 1000 {
        out.extend(["? ", &spelled, layout.newline]);
        pad(out, indent);
    } else {
        out.push_str(&spelled);
    }
    out.push(':');
    write_after_indicator(out, child, indent + layout.unit.len(), layout);
}

/// Writes `- item`; the dash stands at column `indent`.
pub(super) fn write_item(out: &mut String, item: &Value, indent: usize, layout: Layout<'_>) {
    out.push('-');
    let nested = match item {
        Value::Map(map) => !map.is_empty() && untagged(map).is_none(),
        Value::List(list) => !list.is_empty(),
        _ => false,
    };
    if nested {
        // The first entry stands on the line of the dash.
        let mut block = String::new();
        write_entries(&mut block, item, indent + 2, layout);
        out.push(' ');
        out.push_str(block.trim_start_matches(' '));
    } else {
        write_after_indicator(out, item, indent + layout.unit.len(), layout);
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// A key as it stands before its colon.
pub(super) fn key(key: &str) -> String {
    let mut out = String::new();
    if is_plain(key, true) {
        out.push_str(key)
    } else {
        quoted(&mut out, key)
    }
    out
}

/// Writes any value in one line, in flow style.
pub(super) fn inline(out: &mut String, value: &Value) {
    match value {
        Value::List(list) => {
            out.push('[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                inline(out, item);
            }
            out.push(']');
        }
        Value::Map(map) if untagged(map).is_some() => {
            if let Some((tag, value)) = untagged(map) {
                out.extend([tag, " "]);
                inline(out, value);
            }
        }
        Value::Map(map) => {
            out.push('{');
            for (at, (key, child)) in map.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                let spelled = self::key(key);
                if spelled.len() > 1000 {
                    out.push_str("? ");
                }
                out.push_str(&spelled);
                out.push_str(": ");
                inline(out, child);
            }
            out.push('}');
        }
        leaf => scalar(out, leaf, true),
    }
}

fn scalar(out: &mut String, value: &Value, flow: bool) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => number(out, n),
        Value::String(text) if is_plain(text, flow) => out.push_str(text),
        Value::String(text) => quoted(out, text),
        Value::List(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
    }
}

fn number(out: &mut String, number: &Number) {
    let text = number.to_string();
    match text.split_once('e') {
        // YAML 1.1 takes `1e+21` for text.
        Some((mantissa, exponent)) if !mantissa.contains('.') => out.extend([mantissa, ".0e", exponent]),
        _ => out.push_str(&text),
    }
}

/// Words that some reader takes for null, a bool, a merge or a value indicator.
const RESERVED: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// Whether every reader takes the bare text for this string: it starts with a letter, `_` or `/` and holds nothing odd.
fn is_plain(text: &str, flow: bool) -> bool {
    let first = text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_' || c == '/');
    let inside = |c: char| c.is_alphanumeric() || " _-./@+=$%()".contains(c) || (!flow && ",:;!?'".contains(c));
    first
        && text.chars().all(inside)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && text.len() < 1000
        && !RESERVED.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether the text can stand as a literal block: several lines that start and end with something to see.
fn is_literal(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
        && !text.ends_with("\n\n")
        && !text.starts_with(['\n', ' ', '\t'])
        && !text.contains("\n\t")
        && text.chars().all(|c| c == '\n' || c == '\t' || !must_escape(c))
}

pub(super) fn must_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Writes a double-quoted scalar.
pub(super) fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if must_escape(c) => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
