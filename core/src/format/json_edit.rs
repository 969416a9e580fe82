//! Edits of JSON, JSONC and JSON5 texts in place.

use std::collections::BTreeSet;

use super::edit::{Comments, Edits, Forced, line_end, own_line_indent, settle};
use super::flow_edit::{FlowEdit, Spelling, blank_to_line_end};
use super::json::{Dialect, parse, parse_tree};
use super::json_print::{write_inline, write_pretty, write_string};
use super::tree::{Body, Node};
use crate::path::Path;
use crate::value::Value;

/// The text changed so that it parses to the target; none if only a new print would do.
pub(super) fn rewrite(text: &str, dialect: Dialect, target: &Value, newline: &str) -> Option<String> {
    rewrite_in(text, dialect, target, (newline, None))
}

/// The same for a part of a longer text, where one level of indentation is as it is there.
pub(super) fn rewrite_in(
    text: &str,
    dialect: Dialect,
    target: &Value,
    (newline, unit): (&str, Option<&str>),
) -> Option<String> {
    let root = parse_tree(text, dialect).ok()?;
    let unit = unit.map_or_else(|| indent_unit(text, &root), str::to_owned);
    let minified =
        !text.trim().contains('\n') && !text.contains(": ") && !text.contains(", ") && text.contains([':', ',']);
    settle(
        &root.value,
        target,
        |text| parse(text, dialect),
        |forced: &Forced| {
            let spelling = &Json {
                unit: &unit,
                newline,
                minified,
                #[cfg(feature = "json5")]
                bare_keys: has_bare_keys(text, &root),
            };
            let mut edit =
                FlowEdit { text, newline, spelling, forced, expanded: &BTreeSet::new(), edits: Edits::default() };
            edit.node(&root, target, &Path::root());
            edit.edits.apply(text)
        },
    )
}

/// Whether the keys of a JSON5 text stand without quotes, as its first one shows.
#[cfg(feature = "json5")]
fn has_bare_keys(text: &str, root: &Node) -> bool {
    let Body::Map(entries) = &root.body else { return false };
    let first = entries.first().and_then(|entry| text.as_bytes().get(entry.key_span.start));
    first.is_some_and(|first| !matches!(first, b'"' | b'\''))
}

/// The indentation of one level, as the root's first child shows it.
pub(super) fn indent_unit(text: &str, root: &Node) -> String {
    let first = match &root.body {
        Body::Map(entries) => entries.first().map(|entry| entry.key_span.start),
        Body::List(items) => items.first().map(|item| item.span.start),
        Body::Leaf | Body::Alias(_) => None,
    };
    let indent = first.and_then(|at| own_line_indent(text, at)).unwrap_or("");
    if indent.is_empty() { "  ".into() } else { indent.into() }
}

struct Json<'a> {
    unit: &'a str,
    newline: &'a str,
    minified: bool,
    #[cfg(feature = "json5")]
    bare_keys: bool,
}

impl Spelling for Json<'_> {
    const COMMENTS: Comments = Comments::Slashes;

    fn key(&self, key: &str) -> String {
        #[cfg(feature = "json5")]
        if self.bare_keys && super::json5::is_bare_key(key) {
            return key.to_owned();
        }
        let mut out = String::new();
        write_string(&mut out, key);
        out
    }

    fn value(&self, value: &Value, indent: Option<&str>) -> String {
        let mut out = String::new();
        match indent {
            Some(indent) if !self.minified => write_pretty(&mut out, value, indent, self.unit, self.newline),
            _ => write_inline(&mut out, value, self.space()),
        }
        out
    }

    #[cfg(feature = "json5")]
    fn like(&self, model: &str, value: &Value) -> Option<String> {
        model.starts_with('\'').then(|| value.as_str().map(super::json5::single_quoted))?
    }

    fn skip(&self, text: &str, at: usize) -> usize {
        let mut rest = text.get(at..).unwrap_or("");
        loop {
            rest = rest.trim_start();
            let end = match rest.get(..2) {
                Some("//") => rest.find('\n'),
                Some("/*") => rest.find("*/").map(|end| end + 2),
                _ => return text.len() - rest.len(),
            };
            rest = end.and_then(|end| rest.get(end..)).unwrap_or("");
        }
    }

    fn rest_of_line(&self, text: &str, at: usize) -> Option<usize> {
        let end = line_end(text, at);
        let rest = text.get(at..end)?.trim();
        let block =
            rest.strip_prefix("/*").and_then(|body| body.strip_suffix("*/")).is_some_and(|body| !body.contains("*/"));
        if rest.starts_with("//") || block { Some(end) } else { blank_to_line_end(text, at) }
    }

    fn unit(&self) -> &str {
        self.unit
    }

    fn colon(&self) -> &'static str {
        if self.minified { ":" } else { ": " }
    }

    fn space(&self) -> &'static str {
        if self.minified { "" } else { " " }
    }
}
