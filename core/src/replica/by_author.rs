//! What is held by author and number: a delta is made from what is new in it, whatever the size of the document.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use super::notes::is_reserved;
use super::{Assertion, Replica};
use crate::clock::{Stamp, VersionVector};
use crate::id::ReplicaId;
use crate::path::Path;

/// The assertions that a replica holds beside its base, by author, number and path.
#[derive(Clone, Debug, Default)]
pub(super) struct ByAuthor {
    writes: BTreeMap<ReplicaId, BTreeMap<u64, Write>>,
    /// How many they are.
    len: usize,
    /// Whether somebody used one dot twice for one path: then one of them is missing here.
    is_ambiguous: bool,
}

/// What is held of one write: mostly one assertion.
#[derive(Clone, Debug)]
enum Write {
    One(Arc<Assertion>),
    Many(BTreeMap<Path, Arc<Assertion>>),
}

impl ByAuthor {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn clear(&mut self) {
        *self = ByAuthor::default();
    }

    pub(super) fn add(&mut self, new: &Arc<Assertion>) {
        self.len += 1;
        let writes = self.writes.entry(new.dot.replica).or_default();
        match writes.entry(new.dot.seq) {
            Entry::Vacant(entry) => drop(entry.insert(Write::One(Arc::clone(new)))),
            Entry::Occupied(mut entry) => {
                if let Write::One(first) = entry.get() {
                    let first = (first.path.clone(), Arc::clone(first));
                    entry.insert(Write::Many([first].into()));
                }
                if let Write::Many(all) = entry.get_mut() {
                    self.is_ambiguous |= all.insert(new.path.clone(), Arc::clone(new)).is_some();
                }
            }
        }
    }

    pub(super) fn remove(&mut self, old: &Arc<Assertion>) {
        let Some(writes) = self.writes.get_mut(&old.dot.replica) else { return };
        let Entry::Occupied(mut entry) = writes.entry(old.dot.seq) else { return };
        let is_empty = match entry.get_mut() {
            Write::One(_) => true,
            Write::Many(all) => {
                all.remove(&old.path);
                all.is_empty()
            }
        };
        if is_empty {
            entry.remove();
        }
        self.len = self.len.saturating_sub(1);
    }

    /// Whether anything is held of an author.
    pub(super) fn holds(&self, author: ReplicaId) -> bool {
        self.writes.get(&author).is_some_and(|writes| !writes.is_empty())
    }

    /// The newest stamp of what is held of an author.
    fn newest(&self, author: ReplicaId) -> Stamp {
        let writes = self.writes.get(&author).into_iter().flat_map(BTreeMap::values);
        let stamps = writes.filter_map(|write| match write {
            Write::One(only) => Some(only.stamp),
            Write::Many(all) => all.values().map(|assertion| assertion.stamp).next(),
        });
        stamps.max().unwrap_or_default()
    }

    /// Those that `since` does not contain, in no order to rely on; none where they are so many that looking at all is
    /// cheaper, or would not be all.
    fn after<'a>(&'a self, since: &VersionVector) -> Option<Vec<&'a Arc<Assertion>>> {
        let few = self.len / 16 + 16;
        let mut found = Vec::new();
        for (author, writes) in self.writes.iter().filter(|_| !self.is_ambiguous) {
            for (_, write) in writes.range(since.seq(*author).saturating_add(1)..) {
                match write {
                    Write::One(only) => found.push(only),
                    Write::Many(all) => found.extend(all.values()),
                }
                if found.len() > few {
                    return None;
                }
            }
        }
        (!self.is_ambiguous).then_some(found)
    }
}

impl Replica {
    /// The newest stamp of the writes of its own that it holds: where its clock was ahead once, that is later than now.
    pub fn newest_own_stamp(&self) -> Stamp {
        self.by_author.newest(self.id)
    }

    /// The assertions that it holds and that `since` does not contain, in the order of [`Replica::live`].
    pub(super) fn held_after(&self, since: &VersionVector) -> Vec<Arc<Assertion>> {
        let is_new = |held: &&Arc<Assertion>| !since.contains(held.dot);
        let Some(mut new) = self.by_author.after(since) else {
            return self.live().filter(is_new).cloned().collect();
        };
        // As `live` has them: what stands alone, edits of sequences, notes.
        let kind = |held: &Assertion| (is_reserved(&held.path), !held.edits.is_empty());
        new.sort_by(|a, b| kind(a).cmp(&kind(b)).then_with(|| a.path.cmp(&b.path)).then(a.dot.cmp(&b.dot)));
        new.into_iter().filter(is_new).cloned().collect()
    }
}
