//! Lists and texts whose concurrent edits are all kept, replayed by the book: the rule of FugueMax (Weidner and Kleppmann,
//! arXiv 2305.00583) over items that never go away, each edit seeing what its author saw.

use std::sync::Arc;

use confmesh::clock::{Dot, VersionVector};
use confmesh::replica::Assertion;
use confmesh::sequence::{Content, Kind, Operation, Step};
use confmesh::value::List;
use confmesh::{Path, Value};

#[derive(Clone)]
struct Item {
    dot: Dot,
    unit: Value,
    /// The positions in the order of creation of the neighbours it was put between.
    left: Option<usize>,
    right: Option<usize>,
    /// When it was created.
    birth: usize,
    deleted_by: Vec<Dot>,
}

/// One author's edit: its name, what the author had seen, and the change.
#[derive(Clone, Copy)]
pub(crate) struct Edit<'a> {
    pub(crate) dot: Dot,
    pub(crate) context: &'a VersionVector,
    pub(crate) operation: &'a Operation,
}

/// The value of the sequence of a path.
pub(crate) fn value(history: &[Arc<Assertion>], path: &Path, kind: Kind) -> Value {
    let here = history.iter().filter(|a| a.path == *path);
    replayed(
        kind,
        here.filter_map(|a| Some(Edit { dot: a.dot, context: &a.context, operation: a.edits.get(&kind)? })).collect(),
    )
}

/// What edits of one sequence come to.
pub(crate) fn replayed(kind: Kind, mut edits: Vec<Edit<'_>>) -> Value {
    // What an author saw is a set that is smaller than what any later author saw.
    edits.sort_by_key(|edit| (edit.context.iter().map(|(_, seq)| seq).sum::<u64>(), edit.dot));
    let mut items: Vec<Item> = Vec::new();
    let mut births = 0;
    for edit in &edits {
        let mut at = 0;
        for step in edit.operation.steps() {
            match step {
                Step::Retain(n) => at += n,
                Step::Delete(n) => delete(&mut items, edit, at, *n),
                Step::Insert(content) | Step::Replace(_, content) => {
                    for unit in units(content) {
                        insert(&mut items, edit, at, births, unit);
                        births += 1;
                        at += 1;
                    }
                    if let Step::Replace(n, _) = step {
                        delete(&mut items, edit, at, *n);
                    }
                }
            }
        }
    }
    let alive = items.into_iter().filter(|item| item.deleted_by.is_empty()).map(|item| item.unit);
    match kind {
        Kind::List => Value::List(List::from(alive.collect::<Vec<_>>())),
        Kind::Text => alive.filter_map(|unit| unit.as_str().map(str::to_owned)).collect::<String>().as_str().into(),
    }
}

fn units(content: &Content) -> Vec<Value> {
    match content {
        Content::List(items) => items.clone(),
        Content::Text(text) => text.chars().map(|c| c.to_string().as_str().into()).collect(),
    }
}

fn saw(edit: &Edit<'_>, dot: Dot) -> bool {
    dot == edit.dot || edit.context.contains(dot)
}

fn sees(edit: &Edit<'_>, item: &Item) -> bool {
    saw(edit, item.dot) && !item.deleted_by.iter().any(|by| saw(edit, *by))
}

fn delete(items: &mut [Item], edit: &Edit<'_>, at: usize, count: usize) {
    for item in items.iter_mut().filter(|item| sees(edit, item)).skip(at).take(count) {
        item.deleted_by.push(edit.dot);
    }
}

fn insert(items: &mut Vec<Item>, edit: &Edit<'_>, at: usize, birth: usize, unit: Value) {
    let visible: Vec<usize> = (0..items.len()).filter(|index| sees(edit, &items[*index])).collect();
    let left = at.min(visible.len()).checked_sub(1).map(|last| visible[last]);
    let from = left.map_or(0, |index| index + 1);
    let right = (from..items.len()).find(|index| saw(edit, items[*index].dot));
    // Where an item stands, or before all, or behind all.
    let stand = |birth: Option<usize>, none: i64| {
        birth.map_or(none, |birth| items.iter().position(|item| item.birth == birth).unwrap() as i64)
    };
    let my_left = left.map_or(-1, |index| index as i64);
    let my_right = right.map_or(i64::MAX, |index| index as i64);
    let mut target = from;
    let mut undecided = false;
    for (index, other) in items.iter().enumerate().take(right.unwrap_or(items.len())).skip(from) {
        let (their_left, their_right) = (stand(other.left, -1), stand(other.right, i64::MAX));
        if their_left < my_left {
            break;
        }
        if their_left == my_left {
            if their_right == my_right && edit.dot.replica < other.dot.replica {
                break;
            }
            undecided = their_right < my_right;
        }
        if !undecided {
            target = index + 1;
        }
    }
    let birth_of = |index: Option<usize>| index.map(|index| items[index].birth);
    let (left, right) = (birth_of(left), birth_of(right));
    items.insert(target, Item { dot: edit.dot, unit, left, right, birth, deleted_by: Vec::new() });
}
