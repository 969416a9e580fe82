//! Names that were given twice: a data directory was copied, and both copies write under the name of the one.
//!
//! Everything rests on a name standing for one write. Where two replicas hold different writes of one name, each takes
//! the other's for its own; so they are compared wherever a delta brings what is known already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::notes::is_reserved;
use super::{Assertion, Base, Claim, Delta, Replica};
use crate::canonical::canonical;
use crate::clock::{Dot, Stamp, VersionVector};
use crate::value::Value;

/// What all assertions of one write have in common.
fn birth(assertion: &Assertion) -> (Stamp, &VersionVector) {
    (assertion.stamp, &assertion.context)
}

impl Replica {
    /// The names in a delta that stand for other writes here, of each author the first. Where the writes are no longer held
    /// only a delta shows it that starts from nothing and comes from a replica that has seen the same.
    pub fn given_twice(&self, delta: &Delta) -> Vec<Dot> {
        let known = || delta.items.iter().filter(|item| item.dot.seq > 0 && self.seen.contains(item.dot));
        let mut twice: BTreeSet<Dot> = BTreeSet::new();
        for item in known() {
            let edits = self.sequences.get(&item.path).and_then(|edits| edits.get(&item.dot));
            let held = self.live.at(&item.path).iter().chain(self.reserved.at(&item.path)).chain(edits);
            twice.extend(held.filter(|held| held.dot == item.dot && ***held != **item).map(|held| held.dot));
        }
        // Where a write touches other paths than its namesake, both tell by when and on what they were made.
        if delta.since.is_empty() && known().next().is_some() {
            let held: BTreeMap<Dot, _> = self.live().map(|held| (held.dot, birth(held))).collect();
            twice.extend(known().filter(|i| held.get(&i.dot).is_some_and(|b| *b != birth(i))).map(|i| i.dot));
        }
        let floor = |base: Option<&Arc<Base>>| base.map(|base| base.floor.clone());
        if delta.since.is_empty() && delta.to == self.seen && floor(delta.base.as_ref()) == floor(self.base.as_ref()) {
            // Who has seen the same holds the same.
            let key = |assertion: &Assertion| (assertion.dot, assertion.path.clone());
            let mine: BTreeSet<_> = self.live().map(|held| key(held)).collect();
            let theirs: BTreeSet<_> = delta.items.iter().map(|item| key(item)).collect();
            twice.extend(mine.symmetric_difference(&theirs).map(|(dot, _)| *dot));
        }
        let mut first: BTreeMap<_, Dot> = BTreeMap::new();
        for dot in twice {
            first.entry(dot.replica).or_insert(dot);
        }
        first.into_values().collect()
    }

    /// Whether this replica, and not the one that a delta came from, gives way where a name stands for two writes: the
    /// earlier write keeps the name, and who holds one stays before who holds none. Both sides decide the same.
    pub fn yields_name(&self, dot: Dot, delta: &Delta) -> bool {
        let of = |assertion: &Assertion| (assertion.stamp, canonical(&assertion.to_value()));
        let mine = self.live().filter(|held| held.dot == dot).map(|held| of(held)).min();
        let theirs = delta.items.iter().filter(|item| item.dot == dot).map(|item| of(item)).min();
        (mine.is_none(), mine) > (theirs.is_none(), theirs)
    }

    /// The document that this replica has in common with others, where these writes and all that their authors wrote since
    /// are not shared, though others said that they have writes of these names: what they set is taken out of `synced`.
    pub fn unshared_before(&self, synced: &Value, writes: &[Dot]) -> Value {
        let last = |replica| {
            writes.iter().find(|dot| dot.replica == replica).map_or(u64::MAX, |dot| dot.seq.saturating_sub(1))
        };
        let seen: VersionVector = self.seen.iter().map(|(replica, seq)| (replica, seq.min(last(replica)))).collect();
        let base = self.base.as_deref().cloned();
        let held = self.live().map(|held| Assertion::clone(held));
        let before = Replica::restore(self.id, self.genesis, seen.clone(), self.last_stamp(), base, held).view().value;
        let new = self.live().filter(|held| !seen.contains(held.dot) && !is_reserved(&held.path));
        // What they removed is no longer known, and `synced` is the best guess.
        let set = new.filter(|held| held.claim != Claim::Absent && !held.path.is_root());
        set.fold(synced.clone(), |synced, held| match before.at(&held.path) {
            Some(value) => synced.with(&held.path, value.clone()),
            None => synced.without(&held.path),
        })
    }
}
