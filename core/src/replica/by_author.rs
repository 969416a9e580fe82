//! What is held by author and number: a delta is made from what is new in it, whatever the size of the document.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::notes::is_reserved;
use super::{Assertion, Replica};
use crate::clock::VersionVector;
use crate::id::ReplicaId;
use crate::path::Path;

/// The assertions that a replica holds beside its base, by author, number and path.
#[derive(Clone, Debug, Default)]
pub(super) struct ByAuthor {
    writes: BTreeMap<ReplicaId, BTreeMap<(u64, Path), Arc<Assertion>>>,
    /// How many they are.
    len: usize,
    /// Whether somebody used one dot twice for one path: then one of them is missing here.
    is_ambiguous: bool,
}

impl ByAuthor {
    pub(super) fn clear(&mut self) {
        *self = ByAuthor::default();
    }

    pub(super) fn add(&mut self, new: &Arc<Assertion>) {
        let writes = self.writes.entry(new.dot.replica).or_default();
        self.is_ambiguous |= writes.insert((new.dot.seq, new.path.clone()), Arc::clone(new)).is_some();
        self.len += 1;
    }

    pub(super) fn remove(&mut self, old: &Arc<Assertion>) {
        if let Some(writes) = self.writes.get_mut(&old.dot.replica) {
            writes.remove(&(old.dot.seq, old.path.clone()));
            self.len = self.len.saturating_sub(1);
        }
    }

    /// Those that `since` does not contain, in no order to rely on; none where they are so many that looking at all is
    /// cheaper, or would not be all.
    fn after<'a>(&'a self, since: &VersionVector) -> Option<Vec<&'a Arc<Assertion>>> {
        let few = self.len / 16 + 16;
        let mut found = Vec::new();
        for (author, writes) in self.writes.iter().filter(|_| !self.is_ambiguous) {
            let new = writes.range((since.seq(*author).saturating_add(1), Path::root())..);
            found.extend(new.map(|(_, write)| write).take(few + 1 - found.len()));
        }
        (!self.is_ambiguous && found.len() <= few).then_some(found)
    }
}

impl Replica {
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
