//! Edits of YAML texts in place.

use super::edit::{Edits, Forced, ListPlan, line_end, line_start, own_line_indent, settle, skip_hash_comments};
use super::flow_edit::{FlowEdit, Spelling, blank_to_line_end};
use super::tree::{Body, Node};
use super::yaml::{parse, parse_tree};
use super::yaml_print;
use super::yaml_shape::{Kind, Shape, Slot, shape};
use crate::path::Path;
use crate::value::{Map, Str, Value};

/// The text changed so that it parses to the target; none if only a new print would do.
pub(super) fn rewrite(text: &str, target: &Value, newline: &str) -> Option<String> {
    let tree = parse_tree(text).ok()?;
    let mut aliases = Vec::new();
    alias_paths(&tree, &Path::root(), &mut aliases);
    let from = document_start(text, &tree);
    let is_empty = tree.value == Value::empty_map() && matches!(tree.body, Body::Leaf);
    let root = shape(text, tree, from);
    let unit = " ".repeat(indent_unit(text, &root).unwrap_or(2));
    settle(&root.value, target, &aliases, parse, |forced: &Forced| {
        if is_empty {
            let open = !text.is_empty() && !text.ends_with('\n');
            let new = yaml_print::document(target).replace('\n', newline);
            return Some(format!("{text}{}{new}", if open { newline } else { "" }));
        }
        let mut edit = YamlEdit { text, newline, unit: &unit, forced, edits: Edits::default() };
        edit.root(&root, target);
        edit.edits.apply(text)
    })
}

fn alias_paths(node: &Node, path: &Path, out: &mut Vec<Path>) {
    match &node.body {
        Body::Leaf => {}
        Body::Alias(_) => out.push(path.clone()),
        Body::List(items) => {
            for (at, item) in items.iter().enumerate() {
                alias_paths(item, &path.child(&at.to_string()), out);
            }
        }
        Body::Map(entries) => entries.iter().for_each(|entry| alias_paths(&entry.node, &path.child(&entry.key), out)),
    }
}

/// Where the root may start: behind `---` and directives, if there are any.
fn document_start(text: &str, root: &Node) -> usize {
    let before = text.get(..root.span.start).unwrap_or("");
    match before.rfind("---") {
        Some(at) if at == line_start(text, at) => at + 3,
        _ => 0,
    }
}

/// How many columns the first nested block map is indented by.
fn indent_unit(text: &str, shape: &Shape) -> Option<usize> {
    let Kind::Block(slots) = &shape.kind else { return None };
    slots.iter().find_map(|slot| {
        let Kind::Block(inner) = &slot.shape.kind else { return None };
        let first = inner.first()?;
        if slot.key.is_some() && first.key.is_some() {
            column(text, first.start).checked_sub(column(text, slot.start)).filter(|unit| *unit > 0)
        } else {
            indent_unit(text, &slot.shape)
        }
    })
}

fn column(text: &str, at: usize) -> usize {
    text.get(line_start(text, at)..at).unwrap_or("").chars().count()
}

struct YamlEdit<'a> {
    text: &'a str,
    newline: &'a str,
    unit: &'a str,
    forced: &'a Forced,
    edits: Edits,
}

/// A new entry or item.
type Piece<'v> = (Option<&'v Str>, &'v Value);

impl YamlEdit<'_> {
    fn root(&mut self, root: &Shape, target: &Value) {
        if self.collection(root, target, &Path::root()) {
            return;
        }
        let new = yaml_print::document(target);
        self.edits.replace(root.span.clone(), new.trim_end_matches('\n').replace('\n', self.newline));
    }

    /// Changes what stands behind a colon or a dash.
    fn slot(&mut self, slot: &Slot, target: &Value, path: &Path) {
        let shape = &slot.shape;
        let forced = self.forced.contains(path);
        if shape.value == *target && !forced {
            return;
        }
        // What an alias stands for may have changed with its anchor; where it has not, the next attempt replaces it.
        if !forced && (matches!(shape.kind, Kind::Alias) || self.collection(shape, target, path)) {
            return;
        }
        let mut new = String::new();
        let indent = column(self.text, slot.start) + self.unit.len();
        yaml_print::write_after_indicator(&mut new, target, indent, self.unit, self.newline);
        let old_is_leaf = !matches!(shape.kind, Kind::Block(_)) && !shape.span.is_empty();
        match new.strip_prefix(' ').filter(|new| !new.contains('\n')) {
            // Blanks before the value stay, and so does an anchor (a tag would not fit any more).
            Some(scalar) if old_is_leaf => {
                let tagged = self.text.get(shape.span.start..shape.content).is_some_and(|before| before.contains('!'));
                let start = if tagged || forced { shape.span.start } else { shape.content };
                self.edits.replace(start..shape.span.end, scalar);
            }
            _ => {
                // A comment behind the old value stays on the line of the key; one inside an old block goes with it.
                let line_end = line_end(self.text, shape.span.end);
                let end = if matches!(shape.kind, Kind::Block(_)) { line_end } else { shape.span.end };
                let (head, below) =
                    new.split_at_checked(new.find(['\r', '\n']).unwrap_or(new.len())).unwrap_or((&new, ""));
                self.edits.replace(slot.after..end, head);
                self.edits.insert(line_end, below);
            }
        }
    }

    fn collection(&mut self, shape: &Shape, target: &Value, path: &Path) -> bool {
        match (&shape.kind, target) {
            (Kind::Flow(node), Value::Map(new))
                if !new.is_empty() && matches!(&node.body, Body::Map(old) if !old.is_empty()) =>
            {
                self.flow(node, target, path)
            }
            (Kind::Flow(node), Value::List(new))
                if !new.is_empty() && matches!(&node.body, Body::List(old) if !old.is_empty()) =>
            {
                self.flow(node, target, path)
            }
            (Kind::Block(slots), Value::Map(new)) => {
                shape.value.as_map().is_some_and(|old| self.map(slots, old, new, path))
            }
            (Kind::Block(slots), Value::List(_)) if shape.value.as_list().is_some() => self.list(slots, target, path),
            _ => false,
        }
    }

    fn flow(&mut self, node: &Node, target: &Value, path: &Path) -> bool {
        let (text, newline) = (self.text, self.newline);
        FlowEdit { text, newline, spelling: Yaml, forced: self.forced, edits: &mut self.edits }
            .node(node, target, path);
        true
    }

    fn map(&mut self, slots: &[Slot], old: &Map, new: &Map, path: &Path) -> bool {
        let value = |slot: &Slot| slot.key.as_ref().and_then(|key| new.get(key));
        let kept: Vec<bool> = slots.iter().map(|slot| value(slot).is_some()).collect();
        let pieces: Vec<Piece> =
            new.iter().filter(|(key, _)| !old.contains_key(key)).map(|(key, value)| (Some(key), value)).collect();
        if new.is_empty() && !path.is_root() {
            return false;
        }
        for slot in slots {
            if let (Some(key), Some(value)) = (&slot.key, value(slot)) {
                self.slot(slot, value, &path.child(key));
            }
        }
        self.restructure(slots, &kept, slots.len(), &pieces)
    }

    fn list(&mut self, slots: &[Slot], target: &Value, path: &Path) -> bool {
        let Value::List(new) = target else { return false };
        if new.is_empty() {
            return false;
        }
        let plan = ListPlan::new(&slots.iter().map(|slot| &slot.shape.value).collect::<Vec<_>>(), new.as_slice());
        let kept: Vec<bool> = (0..slots.len()).map(|at| !plan.removed.contains(&at)).collect();
        let front = slots.iter().zip(new.iter().enumerate()).take(plan.changed.end);
        let behind = new.len() - (slots.len() - plan.removed.end);
        let back = slots.iter().skip(plan.removed.end).zip(new.iter().enumerate().skip(behind));
        for (slot, (at, value)) in front.chain(back) {
            self.slot(slot, value, &path.child(&at.to_string()));
        }
        let inserted = new.as_slice().get(plan.inserted.clone()).unwrap_or(&[]);
        let pieces: Vec<Piece> = inserted.iter().map(|value| (None, value)).collect();
        self.restructure(slots, &kept, plan.removed.start, &pieces)
    }

    /// Removes the slots that are not kept and inserts the pieces before the slot `at`.
    fn restructure(&mut self, slots: &[Slot], kept: &[bool], at: usize, pieces: &[Piece]) -> bool {
        let text = self.text;
        let (Some(first), Some(last)) = (slots.first(), slots.last()) else { return false };
        let indent = column(text, first.start);
        let separator = format!("{}{}", self.newline, " ".repeat(indent));
        let spelled: Vec<String> = pieces.iter().map(|piece| self.piece(piece, indent)).collect();
        let Some(first_kept) = kept.iter().position(|kept| *kept) else {
            if pieces.is_empty() {
                slots.iter().for_each(|slot| self.edits.remove_lines(text, slot.start, slot.shape.span.end));
            } else {
                self.edits.replace(first.start..last.shape.span.end, spelled.join(&separator));
            }
            return true;
        };
        let inline = own_line_indent(text, first.start).is_none();
        let mut removed = slots.iter().zip(kept).filter(|(_, kept)| !**kept).map(|(slot, _)| slot);
        if inline && first_kept > 0 {
            // The first entry stands behind a dash: what follows moves up there.
            if let Some(next) = slots.get(first_kept) {
                self.edits.remove(first.start..next.start);
            }
            removed.nth(first_kept - 1);
        }
        for slot in removed {
            self.edits.remove_lines(text, slot.start, slot.shape.span.end);
        }
        if spelled.is_empty() {
            return true;
        }
        let before = slots.iter().zip(kept).take(at).rev().find(|(_, kept)| **kept).map(|(slot, _)| slot);
        match before {
            Some(slot) => {
                let new = spelled.iter().fold(String::new(), |out, piece| out + &separator + piece);
                self.edits.insert(line_end(text, slot.shape.span.end), new);
            }
            None => {
                let new = spelled.iter().fold(String::new(), |out, piece| out + piece + &separator);
                self.edits.insert(slots.get(at).unwrap_or(first).start, new);
            }
        }
        true
    }

    fn piece(&self, (key, value): &Piece, indent: usize) -> String {
        let mut out = String::new();
        match key {
            Some(key) => yaml_print::write_entry(&mut out, key, value, indent, self.unit, self.newline),
            None => yaml_print::write_item(&mut out, value, indent, self.unit, self.newline),
        }
        out
    }
}

/// YAML inside brackets.
struct Yaml;

impl Spelling for Yaml {
    fn key(&self, key: &str) -> String {
        yaml_print::key(key)
    }

    fn value(&self, value: &Value, _: Option<&str>) -> String {
        let mut out = String::new();
        yaml_print::inline(&mut out, value);
        out
    }

    fn skip(&self, text: &str, at: usize) -> usize {
        skip_hash_comments(text, at)
    }

    fn rest_of_line(&self, text: &str, at: usize) -> Option<usize> {
        let end = line_end(text, at);
        if text.get(at..end)?.trim_start().starts_with('#') { Some(end) } else { blank_to_line_end(text, at) }
    }

    fn colon(&self) -> &'static str {
        ": "
    }

    fn space(&self) -> &'static str {
        " "
    }
}
