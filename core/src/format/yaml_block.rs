//! Edits of YAML in block style: maps and lists by their lines, and what stands behind a colon or a dash.

use std::collections::{BTreeMap, BTreeSet};

use super::align::Alignment;
use super::edit::{Comments, Edits, Forced, head_start, line_end, line_start, next_line, own_line_indent};
use super::flow_edit::FlowEdit;
use super::tree::{Body, Node};
use super::yaml_edit::Yaml;
use super::yaml_shape::{Kind, Shape, Slot};
use super::yaml_tag::{content_path, contents};
use super::{yaml_print, yaml_style};
use crate::path::Path;
use crate::value::{Map, Str, Value};

pub(super) fn column(text: &str, at: usize) -> usize {
    text.get(line_start(text, at)..at).unwrap_or("").chars().count()
}

pub(super) struct BlockEdit<'a> {
    pub text: &'a str,
    pub newline: &'a str,
    /// One level of indentation.
    pub unit: &'a str,
    pub forced: &'a Forced,
    /// Where the aliases start that have to be written out.
    pub expanded: &'a BTreeSet<usize>,
    /// What the merge keys that stay will bring, by where they start.
    pub brought: &'a BTreeMap<usize, Map>,
    /// Whether new texts of several lines may stand as blocks.
    pub has_blocks: bool,
    pub edits: Edits,
}

/// Texts of new entries or items and the slot that they follow; none at the front.
type Group = (Option<usize>, Vec<String>);

impl BlockEdit<'_> {
    pub fn root(&mut self, root: &Shape, target: &Value, from: usize) {
        if self.collection(root, target, &Path::root(), from) {
            return;
        }
        if let (true, Some(styled)) = (self.forced.is_empty(), self.styled(root, target, 0)) {
            self.edits.replace(root.content..root.span.end, styled);
            return;
        }
        let new = yaml_print::document(target);
        self.edits.replace(root.span.clone(), new.trim_end_matches('\n').replace('\n', self.newline));
    }

    /// Changes what stands behind a colon or a dash.
    fn slot(&mut self, slot: &Slot, target: &Value, path: &Path) {
        let shape = &slot.shape;
        let forced = self.forced.contains(path);
        let has_expanded = self.expanded.range(shape.span.clone()).next().is_some();
        let has_forced = self.forced.iter().any(|forced| forced.starts_with(path));
        if shape.value == *target && !has_expanded && !has_forced {
            return;
        }
        if !forced {
            if matches!(shape.kind, Kind::Alias) && !has_expanded {
                return;
            }
            if self.collection(shape, target, path, slot.after) {
                return;
            }
            if let Some(styled) = self.styled(shape, target, column(self.text, slot.start)) {
                self.edits.replace(shape.content..shape.span.end, styled);
                return;
            }
        }
        self.replace(slot, target, forced);
    }

    /// A scalar in the style of the one that stands there.
    fn styled(&self, shape: &Shape, target: &Value, column: usize) -> Option<String> {
        if !matches!(shape.kind, Kind::Leaf) || shape.span.is_empty() {
            return None;
        }
        let tagged = self.text.get(shape.span.start..shape.content).is_some_and(|before| before.contains('!'));
        if tagged || !matches!(shape.value, Value::String(_)) {
            return None;
        }
        let old = self.text.get(shape.content..shape.span.end)?;
        yaml_style::block(old, target, column, self.unit.len(), self.newline)
    }

    /// Replaces what stands behind a colon or a dash; comments on the line of the key stay.
    fn replace(&mut self, slot: &Slot, target: &Value, forced: bool) {
        let (text, shape) = (self.text, &slot.shape);
        let mut new = String::new();
        let indent = column(text, slot.start) + self.unit.len();
        yaml_print::write_after_indicator(&mut new, target, indent, self.layout());
        let properties = text.get(shape.span.start..shape.content).unwrap_or("");
        let tagged = properties.contains('!');
        let is_block = matches!(shape.kind, Kind::Block(_));
        if let Some(scalar) = new.strip_prefix(' ').filter(|new| !new.contains('\n'))
            && !is_block
            && !shape.span.is_empty()
        {
            // Blanks before the value stay, and so does an anchor (a tag would not fit any more).
            let start = if tagged || forced { shape.span.start } else { shape.content };
            if !self.keeps_header_comment(shape, start, scalar, "") {
                self.edits.replace(start..shape.span.end, scalar);
            }
            return;
        }
        let anchors: String = properties
            .split_ascii_whitespace()
            .filter(|word| word.starts_with('&') && !forced && !matches!(shape.kind, Kind::Alias))
            .flat_map(|word| [" ", word])
            .collect();
        new.insert_str(0, &anchors);
        let (head, below) = new.split_at_checked(new.find(['\r', '\n']).unwrap_or(new.len())).unwrap_or((&new, ""));
        let first = text.get(shape.content..).unwrap_or("");
        let starts_below = line_start(text, shape.content) > line_start(text, slot.after);
        if is_block && starts_below {
            // Behind the key and its properties a comment stays; one inside the block goes with it.
            let key_line = line_end(text, slot.after);
            let on_line = text.get(slot.after..key_line).unwrap_or("");
            let comment = on_line.find(" #").map_or(key_line, |found| slot.after + found);
            self.edits.replace(slot.after..comment, head);
            self.edits.replace(key_line..line_end(text, shape.span.end), below);
        } else if first.starts_with(['|', '>'])
            && matches!(shape.kind, Kind::Leaf)
            && self.keeps_header_comment(shape, slot.after, head, below)
        {
        } else {
            let line_end = line_end(text, shape.span.end);
            let end = if is_block { line_end } else { shape.span.end };
            self.edits.replace(slot.after..end, head);
            self.edits.insert(line_end, below);
        }
    }

    /// Replaces a block scalar whose header has a comment, which stays; false where there is none.
    fn keeps_header_comment(&mut self, shape: &Shape, from: usize, head: &str, below: &str) -> bool {
        let text = self.text;
        let header_end = line_end(text, shape.content);
        let header = text.get(shape.content..header_end).unwrap_or("");
        let Some(comment) = header.find(" #").filter(|_| header.starts_with(['|', '>'])) else { return false };
        self.edits.replace(from..shape.content + comment, head);
        self.edits.replace(header_end..shape.span.end.max(header_end), below);
        true
    }

    fn collection(&mut self, shape: &Shape, target: &Value, path: &Path, from: usize) -> bool {
        if shape.is_opaque {
            let Some((old, new)) = contents(&shape.value, target) else { return false };
            return self.content(shape, old, new, &content_path(path), from);
        }
        self.content(shape, &shape.value, target, path, from)
    }

    fn content(&mut self, shape: &Shape, old: &Value, target: &Value, path: &Path, from: usize) -> bool {
        match (&shape.kind, target) {
            (Kind::Flow(node), Value::Map(_)) if matches!(node.body, Body::Map(_)) => self.flow(node, target, path),
            (Kind::Flow(node), Value::List(_)) if matches!(node.body, Body::List(_)) => self.flow(node, target, path),
            (Kind::Block(slots), Value::Map(new)) => {
                old.as_map().is_some_and(|old| self.map(slots, old, new, path, from))
            }
            (Kind::Block(slots), Value::List(_)) if old.as_list().is_some() => self.list(slots, target, path, from),
            _ => false,
        }
    }

    /// Changes what stands in brackets; false where a block would be better.
    fn flow(&mut self, node: &Node, target: &Value, path: &Path) -> bool {
        let inner = self.text.get(node.span.start + 1..node.span.end.saturating_sub(1)).unwrap_or("");
        if inner.trim().is_empty() && !is_empty(target) {
            return false;
        }
        let Self { text, newline, forced, expanded, .. } = *self;
        let edits = std::mem::take(&mut self.edits);
        let mut flow = FlowEdit { text, newline, spelling: &Yaml, forced, expanded, edits };
        flow.node(node, target, path);
        self.edits = flow.edits;
        true
    }

    fn map(&mut self, slots: &[Slot], old: &Map, new: &Map, path: &Path, from: usize) -> bool {
        if new.is_empty() && !path.is_root() {
            return self.empty(slots, "{}", from);
        }
        let value = |slot: &Slot| slot.key.as_ref().filter(|_| !slot.is_merge).and_then(|key| new.get(key));
        let brought = |slot: &Slot| self.brought.get(&slot.start).filter(|_| slot.is_merge);
        let kept: Vec<bool> = slots.iter().map(|slot| value(slot).is_some() || brought(slot).is_some()).collect();
        let has_merge = slots.iter().any(|slot| slot.is_merge);
        let is_there = |key: &Str, value: &Value| {
            if !has_merge {
                return old.contains_key(key);
            }
            let own = slots.iter().any(|slot| !slot.is_merge && slot.key.as_ref() == Some(key));
            own || slots.iter().filter_map(brought).find_map(|map| map.get(key)) == Some(value)
        };
        let indent = slots.first().map_or(0, |slot| column(self.text, slot.start));
        let pieces: Vec<String> = new
            .iter()
            .filter(|(key, value)| !is_there(key, value))
            .map(|(key, value)| self.piece(Some(key), value, indent))
            .collect();
        for slot in slots {
            if let (Some(key), Some(value)) = (&slot.key, value(slot)) {
                self.slot(slot, value, &path.child(key));
            }
        }
        let last = kept.iter().rposition(|kept| *kept);
        // Comments that an emptied block leaves behind stay at its end.
        let emptied = last.and_then(|at| slots.get(at)).filter(|slot| {
            matches!(slot.shape.kind, Kind::Block(_))
                && value(slot).is_some_and(is_empty)
                && !is_empty(&slot.shape.value)
        });
        match emptied.filter(|_| !pieces.is_empty()) {
            Some(slot) => {
                let separator = format!("{}{}", self.newline, " ".repeat(indent));
                let new: String = pieces.iter().flat_map(|piece| [separator.as_str(), piece.as_str()]).collect();
                self.edits.insert(line_end(self.text, slot.after), new);
                self.restructure(slots, &kept, &[], from)
            }
            None => self.restructure(slots, &kept, &[(last, pieces)], from),
        }
    }

    fn list(&mut self, slots: &[Slot], target: &Value, path: &Path, from: usize) -> bool {
        let Value::List(new) = target else { return false };
        if new.is_empty() {
            return self.empty(slots, "[]", from);
        }
        let plan = Alignment::new(&slots.iter().map(|slot| &slot.shape.value).collect::<Vec<_>>(), new.as_slice());
        let heads = self.heads(slots, from);
        let indent = slots.first().map_or(0, |slot| column(self.text, slot.start));
        let mut groups: Vec<Group> = Vec::new();
        let (mut before, mut pieces) = (None, Vec::new());
        for (at, (value, origin)) in new.iter().zip(&plan.origin).enumerate() {
            let path = path.child(&at.to_string());
            let old = origin.and_then(|from| Some((from, slots.get(from)?, *heads.get(from)?)));
            match old {
                Some((from, slot, _)) if plan.stays.get(from) == Some(&true) => {
                    self.slot(slot, value, &path);
                    if !pieces.is_empty() {
                        groups.push((before, std::mem::take(&mut pieces)));
                    }
                    before = Some(from);
                }
                Some((_, slot, head)) => pieces.push(self.moved(slot, head, value, &path, indent)),
                None => pieces.push(self.piece(None, value, indent)),
            }
        }
        groups.push((before, pieces));
        self.restructure(slots, &plan.stays, &groups, from)
    }

    /// The text of an item that moves, with the comment above it.
    fn moved(&self, slot: &Slot, head: usize, value: &Value, path: &Path, indent: usize) -> String {
        let Self { text, newline, unit, forced, expanded, brought, has_blocks, .. } = *self;
        let edits = Edits::default();
        let mut inner = BlockEdit { text, newline, unit, forced, expanded, brought, has_blocks, edits };
        inner.slot(slot, value, path);
        let end = line_end(text, slot.shape.span.end.max(slot.after));
        inner.edits.apply_within(text, head..end).unwrap_or_else(|| self.piece(None, value, indent))
    }

    /// Where each slot starts together with the comment above it.
    fn heads(&self, slots: &[Slot], from: usize) -> Vec<usize> {
        let mut from = if from == 0 { 0 } else { next_line(self.text, from) };
        let mut heads = Vec::with_capacity(slots.len());
        for slot in slots {
            heads.push(head_start(self.text, slot.start, from, Comments::Hash));
            from = next_line(self.text, slot.shape.span.end);
        }
        heads
    }

    /// Removes every slot and writes the empty collection behind the indicator; comments between the slots stay.
    fn empty(&mut self, slots: &[Slot], brackets: &str, from: usize) -> bool {
        let text = self.text;
        let Some(first) = slots.first() else { return false };
        if own_line_indent(text, first.start).is_none() || from == 0 {
            // Behind a dash, or at the root: the brackets stand where the first slot did.
            self.edits.replace(first.start..line_end(text, first.shape.span.end), brackets);
            slots.iter().skip(1).for_each(|slot| self.edits.remove_lines(text, slot.start, slot.shape.span.end));
            return true;
        }
        let key_line = text.get(from..line_end(text, from)).unwrap_or("");
        let comment = key_line.find(" #").or_else(|| key_line.starts_with('#').then_some(0)).unwrap_or(key_line.len());
        let at = from + key_line.get(..comment).unwrap_or("").trim_end().len();
        self.edits.insert(at, format!(" {brackets}"));
        slots.iter().for_each(|slot| self.edits.remove_lines(text, slot.start, slot.shape.span.end));
        true
    }

    /// Removes the slots that are not kept and inserts the groups behind those that are.
    fn restructure(&mut self, slots: &[Slot], kept: &[bool], groups: &[Group], from: usize) -> bool {
        let text = self.text;
        let Some(first) = slots.first() else { return false };
        if kept.iter().all(|kept| *kept) && groups.iter().all(|(_, pieces)| pieces.is_empty()) {
            return true;
        }
        let heads = self.heads(slots, from);
        let separator = format!("{}{}", self.newline, " ".repeat(column(text, first.start)));
        let inline = own_line_indent(text, first.start).is_none();
        let front: Vec<&String> = groups.iter().filter(|(after, _)| after.is_none()).flat_map(|(_, new)| new).collect();
        let first_kept = kept.iter().position(|kept| *kept);
        let mut replaced_first = false;
        if inline && !front.is_empty() {
            // What is new takes the place behind the dash.
            let new: Vec<&str> = front.iter().map(|piece| piece.as_str()).collect();
            let new = new.join(&separator);
            if kept.first() == Some(&true) {
                self.edits.insert(first.start, format!("{new}{separator}"));
            } else {
                self.edits.replace(first.start..line_end(text, first.shape.span.end), new);
                replaced_first = true;
            }
        } else if inline && kept.first() == Some(&false) {
            // The first entry stands behind a dash: what follows moves up there, unless a comment stands between.
            replaced_first = true;
            let next = first_kept.and_then(|at| Some((slots.get(at)?, *heads.get(at)?)));
            match next {
                Some((slot, head)) if head == slot.start && first_kept == Some(1) && self.is_blank(first, slot) => {
                    self.edits.remove(first.start..slot.start);
                }
                _ => {
                    let before = text.get(..first.start).unwrap_or("").trim_end_matches([' ', '\t']).len();
                    self.edits.remove(before..line_end(text, first.shape.span.end));
                }
            }
        } else if !front.is_empty() {
            let start = line_start(text, heads.first().copied().unwrap_or(first.start));
            let above = text.get(..start).unwrap_or("");
            let new: String = front.iter().flat_map(|piece| [separator.as_str(), piece.as_str()]).collect();
            match above.strip_suffix('\n') {
                Some(above) => self.edits.insert(above.strip_suffix('\r').unwrap_or(above).len(), new),
                None => {
                    let new = new.strip_prefix(self.newline).unwrap_or(&new);
                    self.edits.insert(start, format!("{new}{}", self.newline));
                }
            }
        }
        for (at, slot) in slots.iter().enumerate().skip(usize::from(replaced_first)) {
            if kept.get(at) == Some(&false) {
                self.edits.remove_unit(text, heads.get(at).copied().unwrap_or(slot.start), slot.shape.span.end);
            }
        }
        for (after, pieces) in groups {
            if let Some(slot) = after.and_then(|after| slots.get(after)).filter(|_| !pieces.is_empty()) {
                let new: String = pieces.iter().flat_map(|piece| [separator.as_str(), piece.as_str()]).collect();
                self.edits.insert(self.end_with_comments(slot), new);
            }
        }
        true
    }

    /// The end of the last line of a slot; comments below it that are indented deeper than its key belong to it.
    fn end_with_comments(&self, slot: &Slot) -> usize {
        let (text, own) = (self.text, column(self.text, slot.start));
        let mut end = line_end(text, slot.shape.span.end);
        let mut at = next_line(text, end);
        while at < text.len() {
            let line_end = line_end(text, at);
            let line = text.get(at..line_end).unwrap_or("");
            let comment = line.trim_start_matches([' ', '\t']);
            if comment.starts_with('#') && line.len() - comment.len() > own {
                end = line_end;
            } else if !comment.is_empty() {
                break;
            }
            at = next_line(text, line_end);
        }
        end
    }

    /// Whether no comment stands between the two lines that hold these slots.
    fn is_blank(&self, slot: &Slot, next: &Slot) -> bool {
        let end = line_end(self.text, slot.shape.span.end);
        self.text.get(end..next.start).is_some_and(|between| between.trim().is_empty())
    }

    fn layout(&self) -> yaml_print::Layout<'_> {
        yaml_print::Layout { unit: self.unit, newline: self.newline, has_blocks: self.has_blocks }
    }

    fn piece(&self, key: Option<&Str>, value: &Value, indent: usize) -> String {
        let mut out = String::new();
        match key {
            Some(key) => yaml_print::write_entry(&mut out, key, value, indent, self.layout()),
            None => yaml_print::write_item(&mut out, value, indent, self.layout()),
        }
        out
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Map(map) => map.is_empty(),
        Value::List(list) => list.is_empty(),
        _ => false,
    }
}
