//! Live assertions by place: a tree of keys, shaped as the document is.
//!
//! One walk down a path meets all that speaks of it, and compares keys only with their neighbours.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;

use super::Assertion;
use crate::path::Path;
use crate::value::{PREFIX, Str, compare_keys, key_prefix};

/// Live assertions by path; those of one subtree stand together.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    root: Place,
    /// How many paths hold assertions.
    len: usize,
}

/// What is asserted of one path, and of the paths below it. Only the root may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    here: Here,
    below: BTreeMap<Key, Place>,
}

/// The assertions of one path by dot: mostly one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Here {
    #[default]
    Nothing,
    One(Arc<Assertion>),
    Many(Vec<Arc<Assertion>>),
}

/// A segment in the order of map keys, with its start as a number (in halves, which need no padding), which tells most of
/// them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    start: (u64, u64),
    segment: Str,
}

impl Key {
    fn of(segment: &Str) -> Key {
        let [high, low] = halves(key_prefix(segment));
        Key { start: (high, low), segment: segment.clone() }
    }
}

fn halves(number: u128) -> [u64; 2] {
    let (high, low) = (number >> 64, number & u128::from(u64::MAX));
    [high, low].map(|half| u64::try_from(half).unwrap_or_default())
}

impl Ord for Key {
    #[inline]
    fn cmp(&self, other: &Key) -> Ordering {
        match self.start.cmp(&other.start) {
            // What follows the shorter one are zeros.
            Ordering::Equal if self.segment.len().max(other.segment.len()) <= PREFIX => {
                self.segment.len().cmp(&other.segment.len())
            }
            Ordering::Equal => compare_keys(&self.segment, &other.segment),
            order => order,
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Places {
    fn eq(&self, other: &Places) -> bool {
        self.root == other.root
    }
}

impl Eq for Places {}

impl Places {
    /// How many paths hold assertions.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn clear(&mut self) {
        *self = Places::default();
    }

    /// The place of the root.
    pub(super) fn root(&self) -> &Place {
        &self.root
    }

    /// The place of a path; none where nothing is asserted at or below it.
    pub(super) fn place(&self, path: &Path) -> Option<&Place> {
        path.segments().iter().try_fold(&self.root, |place, segment| place.child(segment))
    }

    /// All, by path and of one path by dot.
    pub(super) fn iter(&self) -> Iter<'_> {
        self.root.iter()
    }

    /// Those of this very path.
    pub(super) fn at(&self, path: &Path) -> &[Arc<Assertion>] {
        self.place(path).map_or(&[], Place::here)
    }

    /// Those of the paths strictly above, from the root down.
    pub(super) fn above<'a>(&'a self, path: &Path) -> impl Iterator<Item = &'a Arc<Assertion>> {
        let mut place = Some(&self.root);
        let above = path.segments().iter().map_while(move |segment| {
            let here = place?;
            place = here.child(segment);
            Some(here.here())
        });
        above.flatten()
    }

    /// Those of the path and of all below it.
    pub(super) fn from(&self, path: &Path) -> impl Iterator<Item = &Arc<Assertion>> + use<'_> {
        self.place(path).into_iter().flat_map(Place::iter)
    }

    /// Adds an assertion unless one above it or of its path makes it redundant, which none does that `is_unseen`; `false`
    /// then. Else moves those at and below its path that it makes redundant to `dropped`.
    pub(super) fn add(&mut self, new: &Arc<Assertion>, is_unseen: bool, dropped: &mut Vec<Arc<Assertion>>) -> bool {
        let mut place = &mut self.root;
        for segment in new.path.segments() {
            if !is_unseen && place.here().iter().any(|old| old.outdates(new)) {
                return false;
            }
            place = place.below.entry(Key::of(segment)).or_default();
        }
        if !is_unseen && place.here().iter().any(|old| **old == **new || old.outdates(new)) {
            return false;
        }
        let emptied = place.remove(&|old| new.outdates(old), dropped);
        self.len = (self.len + usize::from(place.here().is_empty())).saturating_sub(emptied);
        place.here.insert(Arc::clone(new));
        true
    }

    /// Adds an assertion beside those of its path.
    #[cfg(test)]
    pub(super) fn insert(&mut self, new: Arc<Assertion>) {
        let segments = new.path.segments().iter();
        let place = segments.fold(&mut self.root, |place, segment| place.below.entry(Key::of(segment)).or_default());
        self.len += usize::from(place.here().is_empty());
        place.here.insert(new);
    }
}

impl Place {
    /// The assertions of this very path.
    pub(super) fn here(&self) -> &[Arc<Assertion>] {
        match &self.here {
            Here::Nothing => &[],
            Here::One(only) => std::slice::from_ref(only),
            Here::Many(all) => all,
        }
    }

    /// Whether nothing is asserted below it.
    pub(super) fn is_leaf(&self) -> bool {
        self.below.is_empty()
    }

    pub(super) fn child(&self, key: &Str) -> Option<&Place> {
        if self.below.is_empty() { None } else { self.below.get(&Key::of(key)) }
    }

    /// The children with their keys, in order.
    pub(super) fn children(&self) -> impl ExactSizeIterator<Item = (&Str, &Place)> {
        self.below.iter().map(|(key, place)| (&key.segment, place))
    }

    /// The assertions here and below, by path and of one path by dot.
    pub(super) fn iter(&self) -> Iter<'_> {
        Iter { here: self.here().iter(), below: vec![self.below.values()] }
    }

    /// The assertions below.
    pub(super) fn strictly_below(&self) -> Iter<'_> {
        Iter { here: [].iter(), below: vec![self.below.values()] }
    }

    /// Takes out those here and below that `is_redundant`. Returns how many paths hold none any more.
    fn remove(&mut self, is_redundant: &impl Fn(&Assertion) -> bool, removed: &mut Vec<Arc<Assertion>>) -> usize {
        let mut emptied = usize::from(self.here.remove(is_redundant, removed));
        if !self.below.is_empty() {
            self.below.retain(|_, place| {
                emptied += place.remove(is_redundant, removed);
                !(place.here().is_empty() && place.below.is_empty())
            });
        }
        emptied
    }
}

impl Here {
    fn insert(&mut self, new: Arc<Assertion>) {
        *self = match std::mem::take(self) {
            Here::Nothing => Here::One(new),
            here => {
                let mut here = here.into_vec();
                let at = here.partition_point(|old| old.dot < new.dot);
                here.insert(at, new);
                Here::Many(here)
            }
        }
    }

    /// Returns whether this took the last one.
    fn remove(&mut self, is_redundant: &impl Fn(&Assertion) -> bool, removed: &mut Vec<Arc<Assertion>>) -> bool {
        match std::mem::take(self) {
            Here::Nothing => false,
            Here::One(only) if is_redundant(&only) => {
                removed.push(only);
                true
            }
            here @ Here::One(_) => {
                *self = here;
                false
            }
            Here::Many(mut here) => {
                removed.extend(here.extract_if(.., |old| is_redundant(old)));
                *self = match here.len() {
                    0 => Here::Nothing,
                    1 => here.pop().map_or(Here::Nothing, Here::One),
                    _ => Here::Many(here),
                };
                matches!(self, Here::Nothing)
            }
        }
    }

    fn into_vec(self) -> Vec<Arc<Assertion>> {
        match self {
            Here::Nothing => Vec::new(),
            Here::One(only) => vec![only],
            Here::Many(all) => all,
        }
    }
}

/// The assertions of a subtree.
#[derive(Clone)]
pub(super) struct Iter<'a> {
    here: std::slice::Iter<'a, Arc<Assertion>>,
    /// The places that are still to come, level by level.
    below: Vec<btree_map::Values<'a, Key, Place>>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Arc<Assertion>;

    fn next(&mut self) -> Option<&'a Arc<Assertion>> {
        loop {
            if let Some(next) = self.here.next() {
                return Some(next);
            }
            match self.below.last_mut()?.next() {
                Some(place) => {
                    self.here = place.here().iter();
                    if !place.below.is_empty() {
                        self.below.push(place.below.values());
                    }
                }
                None => {
                    self.below.pop();
                }
            }
        }
    }
}
