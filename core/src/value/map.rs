//! Maps: immutable, sorted by RFC 8785 key order, O(1) to clone.

use std::sync::Arc;

use super::{Str, Value, compare_keys};

/// An immutable map with unique keys in RFC 8785 order.
///
/// The representation is private: equal maps may or may not share storage.
#[derive(Clone, PartialEq, Eq)]
pub struct Map(Arc<[(Str, Value)]>);

impl Map {
    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.position(key).ok().and_then(|at| self.0.get(at)).map(|(_, value)| value)
    }

    /// Whether the key is there.
    pub fn contains_key(&self, key: &str) -> bool {
        self.position(key).is_ok()
    }

    /// Keys and values in RFC 8785 order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Str, &Value)> + ExactSizeIterator {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The keys in RFC 8785 order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Str> + ExactSizeIterator {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values in key order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator {
        self.0.iter().map(|(_, value)| value)
    }

    /// This map with `key` set; it shares every other value with this one.
    #[must_use]
    pub fn with(&self, key: Str, value: Value) -> Map {
        let mut entries = self.0.to_vec();
        match self.position(&key) {
            Ok(at) => {
                if let Some(entry) = entries.get_mut(at) {
                    entry.1 = value;
                }
            }
            Err(at) => entries.insert(at, (key, value)),
        }
        Map(entries.into())
    }

    /// This map without `key`; the same map if the key is not there.
    #[must_use]
    pub fn without(&self, key: &str) -> Map {
        match self.position(key) {
            Ok(found) => {
                Map(self.0.iter().enumerate().filter(|(at, _)| *at != found).map(|(_, entry)| entry.clone()).collect())
            }
            Err(_) => self.clone(),
        }
    }

    /// Whether both share the same storage.
    pub fn ptr_eq(&self, other: &Map) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(probe, _)| compare_keys(probe, key))
    }
}

impl Default for Map {
    fn default() -> Map {
        Map(Arc::from([]))
    }
}

impl FromIterator<(Str, Value)> for Map {
    /// Collects entries in any order; of equal keys the last one stays.
    fn from_iter<I: IntoIterator<Item = (Str, Value)>>(entries: I) -> Map {
        let mut builder = MapBuilder::default();
        for (key, value) in entries {
            builder.push(key, value);
        }
        builder.build()
    }
}

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
        Map(self.entries.into())
    }

    fn sort(&mut self) {
        if self.unsorted {
            self.entries.sort_by(|(a, _), (b, _)| compare_keys(a, b));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_keys_the_last_one_stays() {
        let map: Map =
            [("b", 1), ("a", 2), ("b", 3), ("b", 4)].into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        assert_eq!(map.get("b"), Some(&4.into()));
        assert_eq!(map.len(), 2);
    }

    #[test]
    fn maps_iterate_in_rfc_8785_order() {
        let map: Map = ["\u{fb33}", "😀", "1", "é", ""].into_iter().map(|k| (k.into(), Value::Null)).collect();
        assert_eq!(map.keys().map(Str::as_str).collect::<Vec<_>>(), ["", "1", "é", "😀", "\u{fb33}"]);
    }
}
