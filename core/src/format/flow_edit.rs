//! Edits inside brackets: JSON, and YAML in flow style.

use std::ops::Range;

use super::edit::{Edits, Forced, ListPlan, line_end, line_start, own_line_indent};
use super::tree::{Body, Node};
use crate::path::Path;
use crate::value::{Str, Value};

/// How a format spells values and comments inside brackets.
pub(super) trait Spelling {
    /// A key.
    fn key(&self, key: &str) -> String;
    /// A value in one line, or over several where `indent` (that of its first line) is given.
    fn value(&self, value: &Value, indent: Option<&str>) -> String;
    /// Skips blanks, line breaks and comments.
    fn skip(&self, text: &str, at: usize) -> usize;
    /// The end of the line if nothing but blanks and a comment stands before it.
    fn rest_of_line(&self, text: &str, at: usize) -> Option<usize>;
    /// What stands after a comma and, by default, after a colon.
    fn space(&self) -> &'static str;
    /// What stands between a key and its value, where no sibling shows it.
    fn colon(&self) -> &'static str;
}

/// Changes a tree of brackets into a target.
pub(super) struct FlowEdit<'a, S> {
    pub text: &'a str,
    pub newline: &'a str,
    pub spelling: S,
    pub forced: &'a Forced,
    pub edits: &'a mut Edits,
}

/// An entry or item: where it starts and ends, commas not included.
struct Slot {
    start: usize,
    end: usize,
}

/// A new entry or item.
type Piece<'v> = (Option<&'v Str>, &'v Value);

impl<S: Spelling> FlowEdit<'_, S> {
    /// Makes the edits that turn the node into the target.
    pub fn node(&mut self, node: &Node, target: &Value, path: &Path) {
        let forced = self.forced.contains(path);
        // What an alias stands for may have changed with its anchor; where it has not, the next attempt replaces it.
        if !forced && (node.value == *target || matches!(node.body, Body::Alias(_))) {
            return;
        }
        let done = !forced
            && match (&node.body, target) {
                (Body::Map(_), Value::Map(_)) => self.map(node, target, path),
                (Body::List(_), Value::List(_)) => self.list(node, target, path),
                _ => false,
            };
        if !done {
            self.reprint(node, target);
        }
    }

    fn reprint(&mut self, node: &Node, target: &Value) {
        let start = line_start(self.text, node.span.start);
        let line = self.text.get(start..node.span.start).unwrap_or("");
        let indent = line.get(..line.len() - line.trim_start_matches([' ', '\t']).len()).unwrap_or("");
        let old = self.text.get(node.span.clone()).unwrap_or("");
        // A scalar on a line of its own may become several lines; one inside a line stays there.
        let several = old.contains('\n') || !line.trim_start().starts_with(['{', '[']);
        let new = self.spelling.value(target, several.then_some(indent));
        self.edits.replace(node.span.clone(), new);
    }

    fn map(&mut self, node: &Node, target: &Value, path: &Path) -> bool {
        let (Body::Map(entries), Value::Map(old), Value::Map(new)) = (&node.body, &node.value, target) else {
            return false;
        };
        let slots: Vec<Slot> =
            entries.iter().map(|entry| Slot { start: entry.key_span.start, end: entry.node.span.end }).collect();
        let kept: Vec<bool> = entries.iter().map(|entry| new.contains_key(&entry.key)).collect();
        let pieces: Vec<Piece> =
            new.iter().filter(|(key, _)| !old.contains_key(key)).map(|(key, value)| (Some(key), value)).collect();
        let colon = entries
            .last()
            .and_then(|entry| self.text.get(entry.key_span.end..entry.node.span.start))
            .filter(|colon| colon.bytes().all(|b| b == b' ' || b == b':' || b == b'=') && !colon.trim().is_empty())
            .unwrap_or(self.spelling.colon());
        if !kept.contains(&true) {
            return false;
        }
        for entry in entries {
            if let Some(value) = new.get(&entry.key) {
                self.node(&entry.node, value, &path.child(&entry.key));
            }
        }
        self.restructure(&slots, &kept, slots.len(), &pieces, colon)
    }

    fn list(&mut self, node: &Node, target: &Value, path: &Path) -> bool {
        let (Body::List(items), Value::List(new)) = (&node.body, target) else { return false };
        let slots: Vec<Slot> = items.iter().map(|item| Slot { start: item.span.start, end: item.span.end }).collect();
        let plan = ListPlan::new(&items.iter().map(|item| &item.value).collect::<Vec<_>>(), new.as_slice());
        let kept: Vec<bool> = (0..items.len()).map(|at| !plan.removed.contains(&at)).collect();
        if !kept.contains(&true) {
            return false;
        }
        for (at, (item, value)) in items.iter().zip(new).enumerate() {
            let path = path.child(&at.to_string());
            // Items in front may be forced, so they are visited although they are equal.
            if at < plan.changed.end {
                self.node(item, value, &path);
            }
        }
        let behind = new.len() - (items.len() - plan.removed.end);
        for (item, (at, value)) in items.iter().skip(plan.removed.end).zip(new.iter().enumerate().skip(behind)) {
            self.node(item, value, &path.child(&at.to_string()));
        }
        let pieces: Vec<Piece> =
            new.as_slice().get(plan.inserted.clone()).unwrap_or(&[]).iter().map(|value| (None, value)).collect();
        self.restructure(&slots, &kept, plan.removed.start, &pieces, "")
    }

    /// Removes the slots that are not kept and inserts the pieces before the slot `at`; some slot is kept.
    fn restructure(&mut self, slots: &[Slot], kept: &[bool], at: usize, pieces: &[Piece], colon: &str) -> bool {
        let Some(last_kept) = kept.iter().rposition(|kept| *kept) else { return false };
        let Some(last) = slots.get(last_kept) else { return false };
        let trailing_comma = slots.last().and_then(|slot| self.comma(slot)).is_some();
        for (index, slot) in slots.iter().enumerate() {
            if kept.get(index) == Some(&false) {
                self.remove(slots, index, index > last_kept, slot);
            }
        }
        let at_tail = at > last_kept;
        let comma = self.comma(last);
        let wanted = trailing_comma
            || (at_tail && !pieces.is_empty())
            || (!at_tail && comma.is_some() && last_kept + 1 < slots.len() && kept.get(last_kept + 1) == Some(&true));
        match comma {
            Some(comma) if !wanted => self.edits.remove(comma..comma + 1),
            None if wanted => self.edits.insert(last.end, ","),
            _ => {}
        }
        if pieces.is_empty() {
            return true;
        }
        if at_tail {
            let after = comma.map_or(last.end, |comma| comma + 1);
            self.append(last, after, pieces, colon, trailing_comma);
        } else if let (Some(next), before) = (slots.get(at), at.checked_sub(1).and_then(|before| slots.get(before))) {
            self.insert(before, next, pieces, colon);
        }
        true
    }

    fn comma(&self, slot: &Slot) -> Option<usize> {
        let at = self.spelling.skip(self.text, slot.end);
        (self.text.as_bytes().get(at) == Some(&b',')).then_some(at)
    }

    fn remove(&mut self, slots: &[Slot], index: usize, at_tail: bool, slot: &Slot) {
        let text = self.text;
        let after = self.comma(slot).map_or(slot.end, |comma| comma + 1);
        let next = slots.get(index + 1);
        if own_line_indent(text, slot.start).is_some() {
            let alone = next.is_none_or(|next| own_line_indent(text, next.start).is_some());
            if let Some(end) = self.spelling.rest_of_line(text, after)
                && alone
            {
                self.edits.remove_lines(text, slot.start, end);
                return;
            }
        }
        let previous = index.checked_sub(1).and_then(|before| slots.get(before));
        let range: Range<usize> = match (next, previous) {
            (Some(next), _) if !at_tail => slot.start..next.start,
            (_, Some(previous)) => self.comma(previous).map_or(previous.end, |comma| comma + 1)..after,
            _ => slot.start..after,
        };
        self.edits.remove(range);
    }

    fn append(&mut self, last: &Slot, after: usize, pieces: &[Piece], colon: &str, trailing_comma: bool) {
        let text = self.text;
        let indent = own_line_indent(text, last.start);
        let at = indent.and_then(|_| self.spelling.rest_of_line(text, after)).unwrap_or(after);
        let mut new = String::new();
        for (index, piece) in pieces.iter().enumerate() {
            match indent {
                Some(indent) => new.extend([self.newline, indent]),
                None => new.push_str(self.spelling.space()),
            }
            new.push_str(&self.piece(piece, colon, indent.filter(|_| !self.compact(last))));
            if trailing_comma || index + 1 < pieces.len() {
                new.push(',');
            }
        }
        self.edits.insert(at, new);
    }

    fn insert(&mut self, before: Option<&Slot>, next: &Slot, pieces: &[Piece], colon: &str) {
        let text = self.text;
        let indent = own_line_indent(text, next.start);
        let separator =
            indent.map_or_else(|| self.spelling.space().to_owned(), |indent| format!("{}{indent}", self.newline));
        let spelled: Vec<String> =
            pieces.iter().map(|piece| self.piece(piece, colon, indent.filter(|_| !self.compact(next))) + ",").collect();
        // Behind the line of the item before, so that comments above the next item stay with it.
        let behind = indent.and(before).and_then(|before| self.comma(before));
        match behind.and_then(|comma| self.spelling.rest_of_line(text, comma + 1)) {
            Some(at) => {
                self.edits.insert(at, spelled.iter().fold(String::new(), |out, piece| out + &separator + piece))
            }
            None => {
                self.edits.insert(next.start, spelled.iter().fold(String::new(), |out, piece| out + piece + &separator))
            }
        }
    }

    /// Whether the author writes collections of this kind in one line.
    fn compact(&self, sibling: &Slot) -> bool {
        let text = self.text.get(sibling.start..sibling.end).unwrap_or("");
        text.ends_with(['}', ']']) && !text.ends_with("{}") && !text.ends_with("[]") && !text.contains('\n')
    }

    fn piece(&self, (key, value): &Piece, colon: &str, indent: Option<&str>) -> String {
        let value = self.spelling.value(value, indent);
        key.map_or_else(|| value.clone(), |key| format!("{}{colon}{value}", self.spelling.key(key)))
    }
}

/// The end of the line at `at` if only blanks stand before it.
pub(super) fn blank_to_line_end(text: &str, at: usize) -> Option<usize> {
    let end = line_end(text, at);
    text.get(at..end).filter(|rest| rest.trim().is_empty()).map(|_| end)
}
