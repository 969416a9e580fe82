//! Live assertions by place.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Assertion;
use crate::path::Path;

/// Live assertions by path; those of one subtree stand together ([`Path`] orders parents before children).
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    by_path: BTreeMap<Path, Vec<Arc<Assertion>>>,
    /// How many paths there are of every length: most documents are written at few depths, and looking above a path is
    /// what every write does.
    lengths: Vec<usize>,
}

impl PartialEq for Places {
    fn eq(&self, other: &Places) -> bool {
        self.by_path == other.by_path
    }
}

impl Eq for Places {}

impl Places {
    /// How many paths hold assertions.
    pub(super) fn len(&self) -> usize {
        self.by_path.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_path.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Places::default();
    }

    /// All, by path and of one path by dot.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Assertion>> + Clone {
        self.by_path.values().flatten()
    }

    /// Those of this very path.
    pub(super) fn at(&self, path: &Path) -> &[Arc<Assertion>] {
        if self.lengths.get(path.len()).is_none_or(|count| *count == 0) {
            return &[];
        }
        self.by_path.get(path).map_or(&[], Vec::as_slice)
    }

    /// Those of the paths strictly above, from the root down.
    pub(super) fn above(&self, path: &Path) -> impl Iterator<Item = &Arc<Assertion>> {
        let lengths = self.lengths.iter().take(path.len()).enumerate().filter(|(_, count)| **count > 0);
        lengths.filter_map(|(length, _)| self.by_path.get(&path.prefix(length))).flatten()
    }

    /// Those of the path and of all below it.
    pub(super) fn from(&self, path: &Path) -> impl Iterator<Item = &Arc<Assertion>> + use<'_> {
        let top = path.clone();
        let from = self.by_path.range(top.clone()..);
        from.take_while(move |(below, _)| below.starts_with(&top)).flat_map(|(_, here)| here)
    }

    /// Adds an assertion beside those of its path.
    pub(super) fn insert(&mut self, new: Arc<Assertion>) {
        let length = new.path.len();
        let here = self.by_path.entry(new.path.clone()).or_default();
        if here.is_empty() {
            here.reserve_exact(1);
            if self.lengths.len() <= length {
                self.lengths.resize(length + 1, 0);
            }
            if let Some(count) = self.lengths.get_mut(length) {
                *count += 1;
            }
        }
        let at = here.partition_point(|old| old.dot < new.dot);
        here.insert(at, new);
    }

    /// Removes those at and below a path that `is_redundant`, and returns them.
    pub(super) fn remove_from(
        &mut self,
        path: &Path,
        is_redundant: impl Fn(&Assertion) -> bool,
    ) -> Vec<Arc<Assertion>> {
        let mut removed = Vec::new();
        let mut emptied = Vec::new();
        for (below, here) in self.by_path.range_mut(path.clone()..).take_while(|(below, _)| below.starts_with(path)) {
            removed.extend(here.extract_if(.., |old| is_redundant(old)));
            if here.is_empty() {
                emptied.push(below.clone());
            }
        }
        for path in emptied {
            self.by_path.remove(&path);
            if let Some(count) = self.lengths.get_mut(path.len()) {
                *count -= 1;
            }
        }
        removed
    }
}
