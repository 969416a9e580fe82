//! The items of a sequence that is replayed, deleted ones among them, in chunks: a place is found by skipping chunks.

use crate::clock::Dot;
use crate::value::Value;

/// An item's name: the write that inserted it, and its number there.
pub(super) type Id = (Dot, usize);

/// Where an item stands: the neighbours between which its author put it.
pub(super) struct Item {
    pub(super) id: Id,
    pub(super) value: Value,
    pub(super) left: Option<Id>,
    pub(super) right: Option<Id>,
    pub(super) deleted_by: Vec<Dot>,
}

impl Item {
    fn is_alive(&self) -> bool {
        self.deleted_by.is_empty()
    }
}

/// The longest chunk: moving its items costs about what skipping the chunks of a long text does.
const MAX_CHUNK: usize = 512;

#[derive(Default)]
struct Chunk {
    items: Vec<Item>,
    alive: usize,
}

/// All items in their order.
#[derive(Default)]
pub(super) struct Items {
    chunks: Vec<Chunk>,
    alive: usize,
}

impl Items {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Item> {
        self.chunks.iter().flat_map(|chunk| &chunk.items)
    }

    /// The values of what nobody deleted.
    pub(super) fn into_alive(self) -> impl Iterator<Item = Value> {
        let items = self.chunks.into_iter().flat_map(|chunk| chunk.items);
        items.filter(Item::is_alive).map(|item| item.value)
    }

    /// Puts an item at an index among all.
    pub(super) fn insert(&mut self, index: usize, item: Item) {
        let mut rest = index;
        let mut at = 0;
        for (number, chunk) in self.chunks.iter().enumerate() {
            at = number;
            if rest <= chunk.items.len() {
                break;
            }
            rest -= chunk.items.len();
        }
        self.put(at, rest, item);
    }

    /// Puts an item behind so many living ones, for an author who saw all items: nothing can stand between its neighbours.
    pub(super) fn insert_alive(&mut self, at: usize, id: Id, value: Value) {
        let (number, place) = self.behind(at.min(self.alive));
        let here = self.chunks.get(number).map(|chunk| chunk.items.as_slice()).unwrap_or_default();
        let left = place.checked_sub(1).and_then(|last| here.get(last)).map(|item| item.id);
        let after = self.chunks.iter().skip(number + 1).find_map(|chunk| chunk.items.first());
        let right = here.get(place).or(after).map(|item| item.id);
        self.put(number, place, Item { id, value, left, right, deleted_by: Vec::new() });
    }

    /// The chunk and the place in it right behind so many living items, of which there have to be as many.
    fn behind(&self, alive: usize) -> (usize, usize) {
        let mut rest = alive;
        for (number, chunk) in self.chunks.iter().enumerate() {
            if rest == 0 {
                break;
            }
            if chunk.alive < rest {
                rest -= chunk.alive;
                continue;
            }
            let mut living = chunk.items.iter().enumerate().filter(|(_, item)| item.is_alive());
            return (number, living.nth(rest - 1).map_or(0, |(place, _)| place + 1));
        }
        (0, 0)
    }

    fn put(&mut self, number: usize, place: usize, item: Item) {
        if self.chunks.is_empty() {
            self.chunks.push(Chunk::default());
        }
        let Some(chunk) = self.chunks.get_mut(number) else { return };
        self.alive += 1;
        chunk.alive += 1;
        chunk.items.insert(place.min(chunk.items.len()), item);
        if chunk.items.len() > MAX_CHUNK {
            let items = chunk.items.split_off(MAX_CHUNK / 2);
            let alive = items.iter().filter(|item| item.is_alive()).count();
            chunk.alive -= alive;
            self.chunks.insert(number + 1, Chunk { items, alive });
        }
    }

    /// Deletes so many of the living items from a position on.
    pub(super) fn delete_alive(&mut self, at: usize, len: usize, by: Dot) {
        let (mut skip, mut left) = (at, len);
        for chunk in &mut self.chunks {
            if left == 0 {
                break;
            }
            if chunk.alive <= skip {
                skip -= chunk.alive;
                continue;
            }
            for item in chunk.items.iter_mut().filter(|item| item.is_alive()).skip(skip).take(left) {
                item.deleted_by.push(by);
                left -= 1;
                chunk.alive -= 1;
                self.alive -= 1;
            }
            skip = 0;
        }
    }

    /// Deletes so many of the items that somebody sees from a position on.
    pub(super) fn delete(&mut self, by: Dot, at: usize, len: usize, sees: impl Fn(&Item) -> bool) {
        let (mut skip, mut left) = (at, len);
        for chunk in &mut self.chunks {
            for item in chunk.items.iter_mut().filter(|item| sees(item)) {
                if left == 0 {
                    return;
                }
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                if item.is_alive() {
                    chunk.alive -= 1;
                    self.alive -= 1;
                }
                item.deleted_by.push(by);
                left -= 1;
            }
        }
    }
}
