//! Concurrent edits of one sequence, replayed from what each author had seen.
//!
//! The idea is that of eg-walker (Gentle and Kleppmann, arXiv 2409.14252): edits are stored with the positions that their
//! authors saw, and the sequence is computed. Where its authors' views differ, an item is visible to an edit by the edit's
//! context. Concurrent insertions at one place are ordered by the rule of FugueMax (Weidner and Kleppmann, arXiv
//! 2305.00583), so that runs typed from front to back never interleave.

use std::cmp::Ordering;

use super::items::{Id, Item, Items};
use super::{Content, Kind, Operation, Step};
use crate::clock::{Dot, VersionVector};
use crate::value::Value;

/// One author's edit of a sequence.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// The write.
    pub dot: Dot,
    /// What its author had seen, itself left out.
    pub context: &'a VersionVector,
    /// The change, in positions of what its author saw.
    pub operation: &'a Operation,
}

/// The sequence that these edits come to; their order does not matter, and each write may be there once.
///
/// An inserted item is there exactly once unless an edit whose author saw it deleted it. Positions behind the end count
/// as the end. An edit whose author saw everything before it costs next to nothing, so a text that one person wrote, or
/// several took turns in, is replayed in the time of its length; any other edit walks over all items.
pub fn replay<'a>(kind: Kind, edits: impl IntoIterator<Item = Edit<'a>>) -> Content {
    let mut edits: Vec<Edit<'a>> = edits.into_iter().collect();
    // One linear extension of the causal order among many; the result is the same for all.
    edits.sort_by_cached_key(|edit| (edit.context.iter().map(|(_, seq)| u128::from(seq)).sum::<u128>(), edit.dot));
    in_order(kind, &edits)
}

/// The replay in the given order, which must be a linear extension of the causal one.
pub(super) fn in_order(kind: Kind, edits: &[Edit<'_>]) -> Content {
    let mut items = Items::default();
    let mut replayed = VersionVector::default();
    for edit in edits {
        let saw_all = edit.context.includes(&replayed);
        let mut at = 0;
        let mut number = 0;
        for step in edit.operation.steps() {
            if let Step::Insert(content) | Step::Replace(_, content) = step
                && content.kind() == kind
            {
                for value in content.units() {
                    let id = (edit.dot, number);
                    if saw_all {
                        items.insert_alive(at, id, value);
                    } else {
                        insert(&mut items, edit, at, id, value);
                    }
                    at = at.saturating_add(1);
                    number += 1;
                }
            }
            match step {
                Step::Retain(n) => at = at.saturating_add(*n),
                Step::Delete(n) | Step::Replace(n, _) if saw_all => items.delete_alive(at, *n, edit.dot),
                Step::Delete(n) | Step::Replace(n, _) => items.delete(edit.dot, at, *n, |item| edit.sees(item)),
                Step::Insert(_) => {}
            }
        }
        replayed.add(edit.dot);
    }
    Content::from_units(kind, items.into_alive())
}

impl Edit<'_> {
    fn saw(&self, dot: Dot) -> bool {
        dot == self.dot || self.context.contains(dot)
    }

    fn sees(&self, item: &Item) -> bool {
        self.saw(item.id.0) && !item.deleted_by.iter().any(|dot| self.saw(*dot))
    }
}

/// Finds the place among items that the author had not seen.
fn insert(items: &mut Items, edit: &Edit<'_>, at: usize, id: Id, value: Value) {
    // Places count from 0 for the start, so that the item with index i stands at place i + 1.
    let visible = items.iter().enumerate().filter(|(_, item)| edit.sees(item)).map(|(index, _)| index + 1);
    let left_place = visible.take(at).last().unwrap_or(0);
    let right_place = items.iter().enumerate().skip(left_place).find(|(_, item)| edit.saw(item.id.0));
    let right_place = right_place.map_or(usize::MAX, |(index, _)| index + 1);
    let id_at = |place: usize| place.checked_sub(1).and_then(|index| items.iter().nth(index)).map(|item| item.id);
    let place_of = |id: &Id| items.iter().position(|item| item.id == *id).map(|index| index + 1);
    let left_of = |item: &Item| item.left.as_ref().and_then(place_of).unwrap_or(0);
    let right_of = |item: &Item| item.right.as_ref().and_then(place_of).unwrap_or(usize::MAX);

    let mut target = left_place;
    let mut scanning = false;
    for (index, item) in items.iter().enumerate().skip(left_place) {
        if !scanning {
            target = index;
        }
        if index + 1 == right_place {
            break;
        }
        match left_of(item).cmp(&left_place) {
            Ordering::Less => break,
            Ordering::Equal => {
                let right = right_of(item);
                if right == right_place && edit.dot.replica < item.id.0.replica {
                    break;
                }
                scanning = right < right_place;
            }
            Ordering::Greater => {}
        }
        if !scanning {
            target = index + 1;
        }
    }
    let (left, right) = (id_at(left_place), if right_place == usize::MAX { None } else { id_at(right_place) });
    items.insert(target, Item { id, value, left, right, deleted_by: Vec::new() });
}
