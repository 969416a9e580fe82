//! Edits inside brackets: JSON, YAML in flow style, and arrays of TOML.

use std::collections::BTreeSet;
use std::ops::Range;

use super::align::Alignment;
use super::edit::{Comments, Edits, Forced, head_start, line_end, line_start, next_line, own_line_indent};
use super::tree::{Body, Node};
use crate::path::Path;
use crate::value::{Str, Value};

/// How a format spells values and comments inside brackets.
pub(super) trait Spelling {
    /// How comments look.
    const COMMENTS: Comments;
    /// A key.
    fn key(&self, key: &str) -> String;
    /// A value in one line, or over several where `indent` (that of its first line) is given.
    fn value(&self, value: &Value, indent: Option<&str>) -> String;
    /// A scalar in the style of the text that stood there or stands beside it, where the style allows it.
    fn like(&self, _model: &str, _value: &Value) -> Option<String> {
        None
    }
    /// Where the content of a node starts, behind what stays when its value changes.
    fn content(&self, _text: &str, node: &Range<usize>) -> usize {
        node.start
    }
    /// Skips blanks, line breaks and comments.
    fn skip(&self, text: &str, at: usize) -> usize;
    /// The end of the line if nothing but blanks and a comment stands before it.
    fn rest_of_line(&self, text: &str, at: usize) -> Option<usize>;
    /// What stands after a comma and, by default, after a colon.
    fn space(&self) -> &'static str;
    /// What stands between a key and its value, where no sibling shows it.
    fn colon(&self) -> &'static str;
    /// One more level of indentation.
    fn unit(&self) -> &str;
}

/// Changes a tree of brackets into a target.
pub(super) struct FlowEdit<'a, S> {
    pub text: &'a str,
    pub newline: &'a str,
    pub spelling: &'a S,
    pub forced: &'a Forced,
    /// Where the aliases start that have to be written out.
    pub expanded: &'a BTreeSet<usize>,
    pub edits: Edits,
}

/// An entry or item: where it starts and ends, commas not included, and where the comment above it starts.
struct Slot {
    head: usize,
    start: usize,
    end: usize,
}

/// What comes into a container: the text and what stands above and behind it on its lines.
struct Piece {
    above: String,
    text: String,
    behind: String,
}

impl Piece {
    fn spelled(&self, comma: bool) -> String {
        format!("{}{}{}{}", self.above, self.text, if comma { "," } else { "" }, self.behind)
    }
}

/// Pieces and the slot that they follow; none at the front.
type Group = (Option<usize>, Vec<Piece>);

/// What a container becomes.
struct Change {
    kept: Vec<bool>,
    groups: Vec<Group>,
}

impl<S: Spelling> FlowEdit<'_, S> {
    /// Makes the edits that turn the node into the target.
    pub fn node(&mut self, node: &Node, target: &Value, path: &Path) {
        let forced = self.forced.contains(path);
        let is_alias = matches!(node.body, Body::Alias(_));
        let is_expanded = self.expanded.range(node.span.clone()).next().is_some();
        let is_equal =
            node.value == *target && !is_expanded && !self.forced.iter().any(|forced| forced.starts_with(path));
        if !forced && (is_equal || (is_alias && !is_expanded)) {
            return;
        }
        let done = !forced
            && match (&node.body, target) {
                (Body::Map(_), Value::Map(_)) => self.map(node, target, path),
                (Body::List(_), Value::List(_)) => self.list(node, target, path),
                _ => false,
            };
        if !done {
            self.reprint(node, target, forced);
        }
    }

    fn reprint(&mut self, node: &Node, target: &Value, forced: bool) {
        let start = line_start(self.text, node.span.start);
        let line = self.text.get(start..node.span.start).unwrap_or("");
        let indent = line.get(..line.len() - line.trim_start_matches([' ', '\t']).len()).unwrap_or("");
        let content = if forced { node.span.start } else { self.spelling.content(self.text, &node.span) };
        let old = self.text.get(content..node.span.end).unwrap_or("");
        // A scalar on a line of its own may become several lines; one inside a line stays there.
        let several = old.contains('\n') || !line.trim_start().starts_with(['{', '[']);
        let alike = if forced || !matches!(node.body, Body::Leaf) { None } else { self.spelling.like(old, target) };
        let new = alike.unwrap_or_else(|| self.spelling.value(target, several.then_some(indent)));
        self.edits.replace(content..node.span.end, new);
    }

    fn map(&mut self, node: &Node, target: &Value, path: &Path) -> bool {
        let (Body::Map(entries), Value::Map(old), Value::Map(new)) = (&node.body, &node.value, target) else {
            return false;
        };
        if entries.iter().any(|entry| entry.is_merge) {
            return false;
        }
        let slots = self.slots(node, entries.iter().map(|entry| entry.key_span.start..entry.node.span.end));
        let kept: Vec<bool> = entries.iter().map(|entry| new.contains_key(&entry.key)).collect();
        let colon = entries
            .last()
            .and_then(|entry| self.text.get(entry.key_span.end..entry.node.span.start))
            .filter(|colon| colon.bytes().all(|b| b == b' ' || b == b':' || b == b'=') && !colon.trim().is_empty())
            .unwrap_or(self.spelling.colon());
        let last_kept = kept.iter().rposition(|kept| *kept);
        let beside = self.beside(node, last_kept.and_then(|last| slots.get(last)));
        let pieces: Vec<Piece> = new
            .iter()
            .filter(|(key, _)| !old.contains_key(key))
            .map(|(key, value)| self.piece(Some((key, colon)), value, None, beside))
            .collect();
        let change = Change { kept, groups: vec![(last_kept, pieces)] };
        if !self.restructure(node, &slots, &change) {
            return false;
        }
        for entry in entries {
            if let Some(value) = new.get(&entry.key) {
                self.node(&entry.node, value, &path.child(&entry.key));
            }
        }
        true
    }

    fn list(&mut self, node: &Node, target: &Value, path: &Path) -> bool {
        let (Body::List(items), Value::List(new)) = (&node.body, target) else { return false };
        let slots = self.slots(node, items.iter().map(|item| item.span.clone()));
        let plan = Alignment::new(&items.iter().map(|item| &item.value).collect::<Vec<_>>(), new.as_slice());
        let model = items.last().filter(|item| matches!(item.body, Body::Leaf)).map(|item| item.span.clone());
        let model = model.and_then(|span| self.text.get(span));
        let mut groups: Vec<Group> = Vec::new();
        let (mut before, mut pieces) = (None, Vec::new());
        for (at, (value, origin)) in new.iter().zip(&plan.origin).enumerate() {
            match origin.filter(|from| plan.stays.get(*from) == Some(&true)) {
                Some(from) => {
                    if !pieces.is_empty() {
                        groups.push((before, std::mem::take(&mut pieces)));
                    }
                    before = Some(from);
                }
                None => {
                    let moved = origin.and_then(|from| {
                        self.moved(slots.get(from)?, items.get(from)?, value, &path.child(&at.to_string()))
                    });
                    let beside = self.beside(node, before.and_then(|at| slots.get(at)).or(slots.first()));
                    pieces.push(moved.unwrap_or_else(|| self.piece(None, value, model, beside)));
                }
            }
        }
        groups.push((before, pieces));
        if !self.restructure(node, &slots, &Change { kept: plan.stays.clone(), groups }) {
            return false;
        }
        for (at, (value, origin)) in new.iter().zip(&plan.origin).enumerate() {
            let staying = origin.filter(|from| plan.stays.get(*from) == Some(&true)).and_then(|from| items.get(from));
            if let Some(item) = staying {
                self.node(item, value, &path.child(&at.to_string()));
            }
        }
        true
    }

    /// The slots at these places, with the comments above them.
    fn slots(&self, node: &Node, places: impl Iterator<Item = Range<usize>>) -> Vec<Slot> {
        let mut from = next_line(self.text, node.span.start);
        places
            .map(|place| {
                let head = head_start(self.text, place.start, from, S::COMMENTS);
                from = next_line(self.text, place.end);
                Slot { head, start: place.start, end: place.end }
            })
            .collect()
    }

    /// An item that moves, with what stands above and behind it.
    fn moved(&self, slot: &Slot, item: &Node, value: &Value, path: &Path) -> Option<Piece> {
        let text = self.text;
        let Self { newline, spelling, forced, expanded, .. } = *self;
        let mut inner = FlowEdit { text, newline, spelling, forced, expanded, edits: Edits::default() };
        inner.node(item, value, path);
        let new = inner.edits.apply_within(text, slot.start..slot.end)?;
        let comma = self.comma(slot);
        let behind = match comma {
            Some(comma) => {
                let before = text.get(slot.end..comma)?;
                let after = self.spelling.rest_of_line(text, comma + 1).and_then(|end| text.get(comma + 1..end));
                if before.contains('\n') {
                    return Some(Piece { above: String::new(), text: new, behind: String::new() });
                }
                format!("{}{}", before.trim_end(), after.unwrap_or("").trim_end())
            }
            None => {
                let rest = self.spelling.rest_of_line(text, slot.end).and_then(|end| text.get(slot.end..end));
                rest.unwrap_or("").trim_end().to_owned()
            }
        };
        Some(Piece { above: text.get(slot.head..slot.start)?.to_owned(), text: new, behind })
    }

    /// The text of a new entry or item; `beside` says how the others stand.
    fn piece(&self, key: Option<(&Str, &str)>, value: &Value, model: Option<&str>, beside: Beside<'_>) -> Piece {
        let value = match model.and_then(|model| self.spelling.like(model, value)) {
            Some(alike) => alike,
            None => self.spelling.value(value, beside.indent.filter(|_| !beside.compact)),
        };
        let text = match key {
            Some((key, colon)) => format!("{}{colon}{value}", self.spelling.key(key)),
            None => value,
        };
        Piece { above: String::new(), text, behind: String::new() }
    }

    fn beside<'s>(&'s self, node: &Node, sibling: Option<&Slot>) -> Beside<'s> {
        match sibling {
            Some(slot) => Beside { indent: own_line_indent(self.text, slot.start), compact: self.compact(slot) },
            None => Beside { indent: self.inner_indent(node), compact: false },
        }
    }

    /// The indentation of what stands in a container of several lines without entries.
    fn inner_indent(&self, node: &Node) -> Option<&str> {
        let inner = self.text.get(node.span.start + 1..node.span.end)?;
        let start = next_line(self.text, node.span.start);
        let line = self.text.get(start..line_end(self.text, start))?;
        inner.contains('\n').then(|| line.get(..line.len() - line.trim_start_matches([' ', '\t']).len()))?
    }

    /// Removes the slots that are not kept and inserts the groups; false if the container is better printed anew.
    fn restructure(&mut self, node: &Node, slots: &[Slot], change: &Change) -> bool {
        let is_empty = change.groups.iter().all(|(_, pieces)| pieces.is_empty());
        let Some(last_kept) = change.kept.iter().rposition(|kept| *kept) else {
            return self.refill(node, slots, change);
        };
        let Some(last) = slots.get(last_kept) else { return false };
        let trailing_comma = slots.last().and_then(|slot| self.comma(slot)).is_some();
        if is_empty && change.kept.iter().all(|kept| *kept) {
            return true;
        }
        for (index, slot) in slots.iter().enumerate() {
            if change.kept.get(index) == Some(&false) {
                self.remove(slots, index, index > last_kept, slot.head);
            }
        }
        let ends_in_piece = change.groups.iter().any(|(after, pieces)| *after == Some(last_kept) && !pieces.is_empty());
        match self.comma(last) {
            Some(comma) if !(trailing_comma || ends_in_piece) => self.edits.remove(comma..comma + 1),
            None if trailing_comma || ends_in_piece => self.edits.insert(last.end, ","),
            _ => {}
        }
        for (after, pieces) in change.groups.iter().filter(|(_, pieces)| !pieces.is_empty()) {
            match after.and_then(|after| slots.get(after)) {
                Some(slot) => self.append(slot, pieces, *after == Some(last_kept) && !trailing_comma),
                None => self.prepend(slots, pieces, false),
            }
        }
        true
    }

    /// Nothing stays; where comments stand between the brackets, they do.
    fn refill(&mut self, node: &Node, slots: &[Slot], change: &Change) -> bool {
        let text = self.text;
        let close = node.span.end - 1;
        let mut from = node.span.start + 1;
        let mut comments = false;
        for slot in slots {
            comments |= text.get(from..slot.start).is_some_and(|gap| !gap.trim().is_empty());
            let after = self.comma(slot).map_or(slot.end, |comma| comma + 1);
            from = self.spelling.rest_of_line(text, after).filter(|end| *end <= close).unwrap_or(after);
        }
        comments |= text.get(from..close).is_some_and(|gap| !gap.trim().is_empty());
        if !comments {
            return false;
        }
        for (index, slot) in slots.iter().enumerate() {
            self.remove(slots, index, true, slot.start);
        }
        let pieces: Vec<&Piece> = change.groups.iter().flat_map(|(_, pieces)| pieces).collect();
        let Some(indent) = self.inner_indent(node) else {
            let spelled = self.joined(&pieces, self.spelling.space(), false);
            let blank = text.get(..close).is_some_and(|before| before.ends_with(' '));
            if !spelled.is_empty() {
                self.edits.insert(
                    close,
                    format!("{}{spelled}{}", if blank { "" } else { " " }, if blank { " " } else { "" }),
                );
            }
            return true;
        };
        // At least as deep as the brackets' own line.
        let own = text.get(line_start(text, close)..close).filter(|own| own.trim().is_empty()).unwrap_or("");
        let indent =
            if indent.len() > own.len() { indent.to_owned() } else { format!("{own}{}", self.spelling.unit()) };
        let end = text.get(..close).unwrap_or("").trim_end_matches([' ', '\t']);
        let end = end.strip_suffix('\n').map_or(end.len(), |end| end.strip_suffix('\r').unwrap_or(end).len());
        let separator = format!("{}{indent}", self.newline);
        if !pieces.is_empty() {
            let spelled = self.joined(&pieces, &separator, false);
            self.edits.insert(end, format!("{separator}{spelled}"));
        }
        true
    }

    fn joined(&self, pieces: &[&Piece], separator: &str, comma_at_end: bool) -> String {
        let mut out = String::new();
        for (at, piece) in pieces.iter().enumerate() {
            if at > 0 {
                out.push_str(separator);
            }
            out.push_str(&piece.spelled(comma_at_end || at + 1 < pieces.len()));
        }
        out
    }

    fn comma(&self, slot: &Slot) -> Option<usize> {
        let at = self.spelling.skip(self.text, slot.end);
        (self.text.as_bytes().get(at) == Some(&b',')).then_some(at)
    }

    /// Removes a slot with what stands above it from `from` on.
    fn remove(&mut self, slots: &[Slot], index: usize, at_tail: bool, from: usize) {
        let text = self.text;
        let Some(slot) = slots.get(index) else { return };
        let after = self.comma(slot).map_or(slot.end, |comma| comma + 1);
        let next = slots.get(index + 1);
        if own_line_indent(text, slot.start).is_some() {
            let alone = next.is_none_or(|next| own_line_indent(text, next.start).is_some());
            if let Some(end) = self.spelling.rest_of_line(text, after)
                && alone
            {
                self.edits.remove_unit(text, from, end);
                return;
            }
        }
        let previous = index.checked_sub(1).and_then(|before| slots.get(before));
        let range: Range<usize> = match (next, previous) {
            (Some(next), _) if !at_tail => slot.start..next.head,
            (_, Some(previous)) => self.comma(previous).map_or(previous.end, |comma| comma + 1)..after,
            _ => slot.start..after,
        };
        self.edits.remove(range);
    }

    fn append(&mut self, last: &Slot, pieces: &[Piece], is_end: bool) {
        let text = self.text;
        let after = self.comma(last).map_or(last.end, |comma| comma + 1);
        let indent = own_line_indent(text, last.start);
        let at = indent.and_then(|_| self.spelling.rest_of_line(text, after)).unwrap_or(after);
        let separator =
            indent.map_or_else(|| self.spelling.space().to_owned(), |indent| format!("{}{indent}", self.newline));
        let mut new = String::new();
        for (index, piece) in pieces.iter().enumerate() {
            new.push_str(&separator);
            new.push_str(&piece.spelled(!is_end || index + 1 < pieces.len()));
        }
        self.edits.insert(at, new);
    }

    /// Inserts pieces before the first slot and the comment above it.
    fn prepend(&mut self, slots: &[Slot], pieces: &[Piece], is_end: bool) {
        let text = self.text;
        let Some(first) = slots.first() else { return };
        let pieces: Vec<&Piece> = pieces.iter().collect();
        match own_line_indent(text, first.start) {
            Some(indent) => {
                let start = line_start(text, first.head);
                let above = text.get(..start).unwrap_or("");
                let end =
                    above.strip_suffix('\n').map_or(start, |above| above.strip_suffix('\r').unwrap_or(above).len());
                let separator = format!("{}{indent}", self.newline);
                let new = format!("{separator}{}", self.joined(&pieces, &separator, !is_end));
                self.edits.insert(end, new);
            }
            None => {
                let space = self.spelling.space();
                let new = format!("{}{space}", self.joined(&pieces, space, !is_end));
                self.edits.insert(first.start, new);
            }
        }
    }

    /// Whether the author writes collections of this kind in one line.
    fn compact(&self, sibling: &Slot) -> bool {
        let text = self.text.get(sibling.start..sibling.end).unwrap_or("");
        text.ends_with(['}', ']']) && !text.ends_with("{}") && !text.ends_with("[]") && !text.contains('\n')
    }
}

/// How the siblings of something new stand: their indentation where they have lines of their own, and whether they take one.
#[derive(Clone, Copy)]
struct Beside<'t> {
    indent: Option<&'t str>,
    compact: bool,
}

/// The end of the line at `at` if only blanks stand before it.
pub(super) fn blank_to_line_end(text: &str, at: usize) -> Option<usize> {
    let end = line_end(text, at);
    text.get(at..end).filter(|rest| rest.trim().is_empty()).map(|_| end)
}
