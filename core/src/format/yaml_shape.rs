//! The exact places of YAML nodes for edits: the parser's spans start behind a block scalar's header, end behind the
//! comment of a quoted scalar, and do not name dashes and colons.

use std::ops::Range;

use super::edit::{line_end, line_start, skip_hash_comments as skip};
use super::tree::{Body, Node};
use super::yaml_tag::content_of;
use crate::value::{Str, Value};

/// A node as it stands in the text: from its first property (`&anchor`, `!tag`) to its last visible character.
pub(super) struct Shape {
    pub span: Range<usize>,
    /// Where the content starts, behind anchor and tag.
    pub content: usize,
    pub value: Value,
    pub kind: Kind,
    /// Whether a tag without a meaning here stands before it; the value holds both.
    pub is_opaque: bool,
}

pub(super) enum Kind {
    /// A scalar, or something that can only be replaced as a whole.
    Leaf,
    Alias,
    /// A collection in brackets.
    Flow(Node),
    /// A block map or list.
    Block(Vec<Slot>),
}

/// An entry of a block map or an item of a block list.
pub(super) struct Slot {
    /// The key; none in lists.
    pub key: Option<Str>,
    /// Where the key or the dash starts.
    pub start: usize,
    /// Behind the colon or the dash.
    pub after: usize,
    pub shape: Shape,
    /// Whether it is a merge key.
    pub is_merge: bool,
}

/// The shape of a node that starts behind `from`.
pub(super) fn shape(text: &str, mut node: Node, from: usize) -> Shape {
    let start = skip(text, from);
    let content = skip_properties(text, start);
    // A block without lines ends with its header: what the parser counts to it are comments.
    let is_block = text.get(content..).is_some_and(|rest| rest.starts_with(['|', '>']));
    if node.span.is_empty() && matches!(node.body, Body::Leaf) && !is_block {
        return Shape { span: from..from, content: from, value: node.value, kind: Kind::Leaf, is_opaque: false };
    }
    let opens = |bracket: &str| text.get(content..).is_some_and(|rest| rest.starts_with(bracket));
    let value = node.value.clone();
    if matches!(node.body, Body::Leaf | Body::Alias(_)) {
        let is_empty = node.value.as_str().is_some_and(|value| value.trim_matches('\n').is_empty());
        let end = if is_block && is_empty { line_end(text, content) } else { node.span.end };
        let end = leaf_end(text, content, end);
        let kind = if matches!(node.body, Body::Alias(_)) { Kind::Alias } else { Kind::Leaf };
        return Shape { span: start..end.max(start), content, value, kind, is_opaque: node.is_opaque };
    }
    if opens("[") || opens("{") {
        node.span.start = content;
        tighten(text, &mut node);
        let span = start..node.span.end;
        let is_opaque = std::mem::take(&mut node.is_opaque);
        if let (true, Some(inner)) = (is_opaque, value.as_map().and_then(content_of)) {
            node.value = inner.clone();
        }
        return Shape { span, content, value, kind: Kind::Flow(node), is_opaque };
    }
    let is_opaque = node.is_opaque;
    let (slots, regular) = match node.body {
        Body::List(items) => list_slots(text, items, content),
        Body::Map(entries) => {
            let mut regular = true;
            let slots: Vec<Slot> = entries
                .into_iter()
                .map(|entry| {
                    let key_end = leaf_end(text, skip_properties(text, entry.key_span.start), entry.key_span.end);
                    let colon = skip(text, key_end);
                    regular &= colon_at(text, colon);
                    let after = if colon_at(text, colon) { colon + 1 } else { key_end };
                    let shape = shape(text, entry.node, after);
                    let start = entry_start(text, entry.key_span.start);
                    Slot { key: Some(entry.key), start, after, shape, is_merge: entry.is_merge }
                })
                .collect();
            (slots, regular)
        }
        Body::Leaf | Body::Alias(_) => (Vec::new(), false),
    };
    let end = slots.last().map_or(node.span.end, |slot| slot.shape.span.end);
    let kind = if regular && !slots.is_empty() { Kind::Block(slots) } else { Kind::Leaf };
    Shape { span: start..end.max(start), content, value, kind, is_opaque }
}

fn list_slots(text: &str, items: Vec<Node>, content: usize) -> (Vec<Slot>, bool) {
    let mut at = content;
    let mut regular = true;
    let mut slots = Vec::with_capacity(items.len());
    for item in items {
        let dash = skip(text, at);
        regular &= text.as_bytes().get(dash) == Some(&b'-');
        let shape = shape(text, item, dash + 1);
        at = shape.span.end;
        slots.push(Slot { key: None, start: dash, after: dash + 1, shape, is_merge: false });
    }
    (slots, regular)
}

fn colon_at(text: &str, at: usize) -> bool {
    text.as_bytes().get(at) == Some(&b':')
}

/// Where the entry starts whose key starts at `key`: at the `?` before it, if there is one.
fn entry_start(text: &str, key: usize) -> usize {
    let before = text.get(..key).unwrap_or("").trim_end();
    let Some(mark) = before.strip_suffix('?').map(str::len) else { return key };
    // A question mark may also end the value above.
    let line = before.get(line_start(text, mark)..mark).unwrap_or("");
    if line.chars().all(|c| matches!(c, ' ' | '-' | '?')) { mark } else { key }
}

/// Gives the nodes inside brackets their exact spans.
fn tighten(text: &str, node: &mut Node) {
    let leaf = |node: &mut Node, from: usize| {
        if node.span.is_empty() && matches!(node.body, Body::Leaf) {
            node.span = from..from;
            return;
        }
        let start = skip(text, from);
        let content = skip_properties(text, start);
        match node.body {
            Body::Leaf | Body::Alias(_) => node.span = start..leaf_end(text, content, node.span.end).max(start),
            _ if text.get(content..).is_some_and(|rest| rest.starts_with(['[', '{'])) => {
                node.span.start = content;
                tighten(text, node);
                if node.is_opaque {
                    node.span.start = start;
                    node.body = Body::Leaf;
                }
            }
            // A single pair without braces.
            _ => node.body = Body::Leaf,
        }
    };
    let behind_comma = |at: usize| {
        let at = skip(text, at);
        at + usize::from(text.as_bytes().get(at) == Some(&b','))
    };
    let mut at = node.span.start + 1;
    match &mut node.body {
        Body::List(items) => {
            for item in items {
                leaf(item, at);
                at = behind_comma(item.span.end);
            }
        }
        Body::Map(entries) => {
            for entry in entries {
                let key_end = leaf_end(text, skip_properties(text, entry.key_span.start), entry.key_span.end);
                entry.key_span.end = key_end;
                let colon = skip(text, key_end);
                leaf(&mut entry.node, if colon_at(text, colon) { colon + 1 } else { key_end });
                at = behind_comma(entry.node.span.end);
            }
        }
        Body::Leaf | Body::Alias(_) => {}
    }
    // The parser's end may lie behind a comment.
    let close = skip(text, at);
    if matches!(text.as_bytes().get(close), Some(b']' | b'}')) && close < node.span.end {
        node.span.end = close + 1;
    }
}

/// Where a scalar that starts at `content` ends, given the parser's end, which may lie behind blanks and a comment.
fn leaf_end(text: &str, content: usize, end: usize) -> usize {
    let span = text.get(content..end).unwrap_or("");
    let quoted = match span.chars().next() {
        Some('"') => quote_end(span, '"'),
        Some('\'') => quote_end(span, '\''),
        _ => None,
    };
    content + quoted.unwrap_or_else(|| span.trim_end().len())
}

fn quote_end(span: &str, quote: char) -> Option<usize> {
    let mut chars = span.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote == '"' {
            chars.next();
        } else if c == quote {
            if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') {
                chars.next();
            } else {
                return Some(at + 1);
            }
        }
    }
    None
}

/// Skips `&anchor` and `!tag` and the blanks behind them.
pub(super) fn skip_properties(text: &str, mut at: usize) -> usize {
    while let Some(rest) = text.get(at..).filter(|rest| rest.starts_with(['&', '!'])) {
        let length = rest.find([' ', '\t', '\r', '\n']).unwrap_or(rest.len());
        at = skip(text, at + length);
    }
    at
}
