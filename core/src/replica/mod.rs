//! The replicated document: a set of immutable writes from which the document is computed.
//!
//! The state is a *causal assertion store*. An [`Assertion`] says: this path, and everything below it, is this value. A
//! write is dropped only when a later one **that had seen it** covers its path. The document is a pure function of the
//! set ([`Replica::view`]); no replica ever writes a merge result back. So replicas that hold the same writes show the
//! same bytes, whatever the order, duplication or loss on the way (a PO-Log with a causal redundancy relation, Baquero,
//! Almeida and Shoker, arXiv 1710.04469; deltas as in Almeida, Shoker and Baquero, arXiv 1410.2803).
//!
//! The conflict strategy travels in the write: where concurrent writes meet, [`crate::conflict::resolve`] asks nothing but
//! them. So replicas with different policies, versions and clocks agree as well.

mod advance;
mod base_wire;
mod by_author;
mod concurrent;
mod delta;
mod encode;
mod membership;
mod moved;
mod notes;
mod places;
mod rebase;
mod run;
mod settle;
mod successor;
#[cfg(test)]
mod tests;
mod twice;
mod version;
mod view;
mod wire;

use by_author::ByAuthor;
pub use concurrent::MadeOn;
pub use delta::{Applied, Delta, view_of};
pub use encode::{Edit, WriteOptions};
pub use membership::signed;
pub use moved::Again;
pub use notes::{joins, leaves, settles};
use places::Places;
pub use rebase::{Heeds, Overruled, Rebased};
pub(crate) use run::{Counted, read_links};
pub use run::{Links, Lost, Run, Standings, Stretch};
pub use settle::{Base, Settled, Standing};
pub use successor::goes_on_as;
pub use view::{Disagreement, Side, View};

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::{Dot, Hlc, Stamp, VersionVector};
use crate::conflict::{Meanwhile, Tag};
use crate::id::{Genesis, ReplicaId};
use crate::path::Path;
use crate::sequence::{self, Content, Kind, Operation};
use crate::value::{Str, Value};
use notes::{Notes, is_reserved};

/// Whether this build has documents that instances replicate. Without, the engine and the codec ask this where such
/// documents come in, and the optimiser leaves out all that lies behind.
pub(crate) const REPLICATES: bool = cfg!(any(feature = "replication", test));

/// One stored write: *this path, and everything below it, is this value*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// The write's name. Several assertions of one write share it; they have different paths.
    pub dot: Dot,
    /// What its author had seen, itself left out.
    pub context: Arc<VersionVector>,
    /// Orders it among concurrent writes.
    pub stamp: Stamp,
    /// The rule for concurrent writes.
    pub tag: Tag,
    /// Where.
    pub path: Path,
    /// What.
    pub claim: Claim,
    /// Edits of the sequences of this path, by kind. They are kept for ever: others may refer to what they inserted.
    pub edits: BTreeMap<Kind, Operation>,
    /// The version of the policy that `tag` comes from.
    pub policy: u32,
    /// The token of the lock under which it was written; 0 without.
    pub fence: u64,
    /// Of a list under [`Tag::Merge`]: the items that its author added to what was there.
    pub added: Vec<Value>,
    /// Of such a list: the items that its author removed.
    pub removed: Vec<Value>,
    /// Under [`Tag::Manual`] with [`Meanwhile::Previous`]: what it replaced.
    pub previous: Option<Value>,
    /// Under [`Tag::Manual`]: what shows while a conflict is open.
    pub meanwhile: Meanwhile,
    /// The person that it was written for, where the author's program said so.
    pub user: Option<Str>,
    /// Why it was written, in its author's words; on the first assertion of a write alone.
    pub message: Option<Str>,
    /// Of a conditional write: those before it at this path.
    pub run: Option<Arc<Run>>,
}

/// What an assertion says of its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This value is there, and below it nothing else.
    Value(Value),
    /// Nothing is there.
    Absent,
    /// The sequence of this path is there: what all its edits come to.
    Sequence(Kind),
    /// Says nothing of the path; only its edits count.
    Nothing,
}

impl Claim {
    /// The value; none where it claims no value of its own.
    pub fn value(&self) -> Option<&Value> {
        if let Claim::Value(value) = self { Some(value) } else { None }
    }
}

impl Assertion {
    /// Whether `other`'s author had seen this write.
    fn is_before(&self, other: &Assertion) -> bool {
        other.context.contains(self.dot)
    }

    /// Whether `other` speaks in the place of this one wherever both cover a path: it saw it, or it is a part of the same
    /// write that goes deeper.
    fn yields_to(&self, other: &Assertion) -> bool {
        self.is_before(other) || (self.dot == other.dot && other.path.len() > self.path.len())
    }

    /// Whether this write, of the path of `other` or one above it, makes it redundant: it saw it.
    fn outdates(&self, other: &Assertion) -> bool {
        other.is_before(self)
    }
}

/// What a change did to the set of live assertions: what the store has to add and remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Live now.
    pub added: Vec<Arc<Assertion>>,
    /// Made redundant.
    pub dropped: Vec<Arc<Assertion>>,
}

/// One instance's copy of one document's shared layer.
#[derive(Clone, Debug)]
pub struct Replica {
    id: ReplicaId,
    genesis: Genesis,
    seen: VersionVector,
    clock: Hlc,
    live: Places,
    /// The same for what confmesh itself replicates: a tree of its own, which no write of the document covers.
    reserved: Places,
    /// What the reserved tree says.
    notes: Notes,
    /// What the history that was dropped had come to.
    base: Option<Arc<Base>>,
    /// The base as an assertion of the root that comes before every other.
    ground: Option<Arc<Assertion>>,
    /// How many entries its maps have.
    settled_entries: usize,
    /// Everything that edits a sequence, live or not, by path and then by dot.
    sequences: BTreeMap<Path, BTreeMap<Dot, Arc<Assertion>>>,
    /// All of these by what their authors wrote when.
    by_author: ByAuthor,
}

impl Replica {
    /// An empty replica of the document that was born with `genesis`.
    pub fn new(id: ReplicaId, genesis: Genesis) -> Replica {
        Replica {
            id,
            genesis,
            seen: VersionVector::default(),
            clock: Hlc::default(),
            live: Places::default(),
            reserved: Places::default(),
            notes: Notes::default(),
            base: None,
            ground: None,
            settled_entries: 0,
            sequences: BTreeMap::new(),
            by_author: ByAuthor::default(),
        }
    }

    /// The author name of this replica's own writes.
    pub fn id(&self) -> ReplicaId {
        self.id
    }

    /// The document's birth.
    pub fn genesis(&self) -> Genesis {
        self.genesis
    }

    /// What this replica has seen.
    pub fn seen(&self) -> &VersionVector {
        &self.seen
    }

    /// The newest stamp it knows.
    pub fn last_stamp(&self) -> Stamp {
        self.clock.last()
    }

    /// The same state under a new author name: for a replica that cannot be sure which of its dots others have seen.
    #[must_use]
    pub fn reincarnated(&self, id: ReplicaId) -> Replica {
        Replica { id, ..self.clone() }
    }

    /// The assertions that it holds beside its base: the live ones, and all that edit a sequence.
    pub fn live(&self) -> impl Iterator<Item = &Arc<Assertion>> {
        let plain = self.live.iter().filter(|assertion| assertion.edits.is_empty());
        let edits = self.sequences.values().flat_map(BTreeMap::values).filter(|edit| !edit.is_ground());
        plain.chain(edits).chain(self.reserved.iter())
    }

    /// How many assertions it holds.
    pub fn live_len(&self) -> usize {
        self.by_author.len()
    }

    /// Puts a stored replica together again. The caller vouches that the parts were written by one replica.
    pub fn restore(
        id: ReplicaId,
        genesis: Genesis,
        seen: VersionVector,
        last: Stamp,
        base: Option<Base>,
        assertions: impl IntoIterator<Item = Assertion>,
    ) -> Replica {
        let mut replica = Replica { seen, clock: Hlc::after(last), ..Replica::new(id, genesis) };
        if let Some(base) = base {
            replica.stand_on(Arc::new(base));
        }
        for assertion in assertions {
            // What it has not seen was left behind by a batch that failed.
            if replica.seen.contains(assertion.dot) {
                replica.insert(Arc::new(assertion), &mut Effect::default());
            }
        }
        replica.read_notes();
        replica
    }

    /// Adds an assertion unless a live one makes it redundant, and drops those that it makes redundant. Pruning is
    /// transitive, so any order of insertion leaves the same set. Edits of sequences stay whatever becomes of their claim.
    fn insert(&mut self, new: Arc<Assertion>, effect: &mut Effect) {
        self.insert_if_new(new, false, effect);
    }

    /// As [`Replica::insert`]; where it `is_unseen`, nothing here can make it redundant.
    fn insert_if_new(&mut self, new: Arc<Assertion>, is_unseen: bool, effect: &mut Effect) {
        if !new.edits.is_empty() {
            let edits = self.sequences.entry(new.path.clone()).or_default();
            if edits.insert(new.dot, Arc::clone(&new)).is_none() {
                self.by_author.add(&new);
                effect.added.push(Arc::clone(&new));
            }
        }
        if new.claim == Claim::Nothing {
            return;
        }
        let live = if is_reserved(&new.path) { &mut self.reserved } else { &mut self.live };
        let known = effect.dropped.len();
        if !live.add(&new, is_unseen, &mut effect.dropped) {
            return;
        }
        // What edits a sequence is still held there.
        if effect.dropped.iter().skip(known).any(|old| !old.edits.is_empty()) {
            let dropped = effect.dropped.split_off(known);
            effect.dropped.extend(dropped.into_iter().filter(|old| old.edits.is_empty()));
        }
        for old in effect.dropped.iter().skip(known) {
            self.by_author.remove(old);
        }
        if new.edits.is_empty() {
            self.by_author.add(&new);
            effect.added.push(new);
        }
    }

    /// What all edits of the sequence of a path come to.
    fn sequence(&self, path: &Path, kind: Kind) -> Content {
        let edits = self.sequences.get(path).into_iter().flat_map(BTreeMap::values).filter_map(|assertion| {
            let operation = assertion.edits.get(&kind)?;
            Some(sequence::Edit { dot: assertion.dot, context: &assertion.context, operation })
        });
        sequence::replay(kind, edits)
    }
}
