//! The JSON printer.

use std::fmt::Write;

use crate::value::Value;

/// Pretty, two spaces, with a final newline.
pub(super) fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write_pretty(&mut out, value, "", "  ", "\n");
    out.push('\n');
    out
}

/// Writes a value over several lines; `indent` is that of the line on which it starts.
pub(super) fn write_pretty(out: &mut String, value: &Value, indent: &str, unit: &str, newline: &str) {
    let inner = format!("{indent}{unit}");
    match value {
        Value::List(list) if !list.is_empty() => {
            let mut separator = "[";
            for item in list {
                out.extend([separator, newline, &inner]);
                write_pretty(out, item, &inner, unit, newline);
                separator = ",";
            }
            out.extend([newline, indent, "]"]);
        }
        Value::Map(map) if !map.is_empty() => {
            let mut separator = "{";
            for (key, child) in map.iter() {
                out.extend([separator, newline, &inner]);
                write_string(out, key);
                out.push_str(": ");
                write_pretty(out, child, &inner, unit, newline);
                separator = ",";
            }
            out.extend([newline, indent, "}"]);
        }
        value => write_inline(out, value, " "),
    }
}

/// Writes a value in one line with `space` after commas and colons.
pub(super) fn write_inline(out: &mut String, value: &Value, space: &str) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => {
            // Writing to a string cannot fail.
            let _ = write!(out, "{number}");
        }
        Value::String(text) => write_string(out, text),
        Value::List(list) => {
            out.push('[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    out.extend([",", space]);
                }
                write_inline(out, item, space);
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            for (at, (key, child)) in map.iter().enumerate() {
                if at > 0 {
                    out.extend([",", space]);
                }
                write_string(out, key);
                out.extend([":", space]);
                write_inline(out, child, space);
            }
            out.push('}');
        }
    }
}

/// Writes a string in double quotes, escaping only what must be.
pub(super) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
