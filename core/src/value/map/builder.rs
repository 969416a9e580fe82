//! Building maps from entries in any order.

use super::Map;
use super::tree::Node;
use crate::value::{Str, Value, compare_keys};

/// Collects entries into a [`Map`]: cheap when they come in order, sorts once when they do not.
#[derive(Default)]
pub struct MapBuilder {
    entries: Vec<(Str, Value)>,
    unsorted: bool,
}

impl MapBuilder {
    /// A builder with room for `capacity` entries.
    pub fn with_capacity(capacity: usize) -> MapBuilder {
        MapBuilder { entries: Vec::with_capacity(capacity), unsorted: false }
    }

    /// Adds an entry; of equal keys the last one stays.
    pub fn push(&mut self, key: Str, value: Value) {
        if let Some((last, _)) = self.entries.last()
            && compare_keys(last, &key).is_ge()
        {
            self.unsorted = true;
        }
        self.entries.push((key, value));
    }

    /// Adds an entry whose key comes after every key before it: saves the comparison that finds out.
    pub(crate) fn push_ascending(&mut self, key: Str, value: Value) {
        debug_assert!(self.entries.last().is_none_or(|(last, _)| compare_keys(last, &key).is_lt()));
        self.entries.push((key, value));
    }

    /// How many entries were pushed.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first key that was pushed twice, if any: parsers refuse those.
    pub fn duplicate(&mut self) -> Option<Str> {
        if !self.unsorted {
            return None;
        }
        self.sort();
        self.entries.windows(2).find_map(|pair| match pair {
            [(a, _), (b, _)] if a == b => Some(a.clone()),
            _ => None,
        })
    }

    /// The finished map.
    pub fn build(mut self) -> Map {
        if self.unsorted {
            self.sort();
            // Later pushes stand behind earlier ones of the same key (the sort is stable): keep the last of each run.
            self.entries.dedup_by(|later, earlier| {
                let same = later.0 == earlier.0;
                if same {
                    std::mem::swap(later, earlier);
                }
                same
            });
        }
        Map(Node::from_sorted(self.entries))
    }

    fn sort(&mut self) {
        if self.unsorted {
            self.entries.sort_by(|(a, _), (b, _)| compare_keys(a, b));
        }
    }
}
