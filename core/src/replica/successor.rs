//! A document that another one is founded anew as: with the same content, and without the authors, members and history.
//!
//! An author cannot be taken out of a version vector. Whoever still has it puts it back, pasts of writes name it, and a
//! vector without it says that its writes are unknown, so that what they were superseded by would not hold. What can go is
//! the document as a whole. So one instance says in the old document that it goes on as another one, by a note: what the author of
//! that note had seen is what the successor holds. Everybody who has the note knows which of its writes are not in it.

use super::notes::{Notes, is_reserved, reserved};
use super::{Again, Assertion, Claim, Delta, Edit, Replica, WriteOptions};
use crate::clock::{Dot, VersionVector};
use crate::conflict::Tag;
use crate::error::Result;
use crate::id::{Genesis, ReplicaId};
use crate::path::Path;
use crate::value::{Str, Value};

/// Below the reserved key: the document that goes on in the place of this one.
const SUCCESSOR: &str = "successor";

fn place() -> Path {
    std::iter::once(Str::from(SUCCESSOR)).collect()
}

/// The note that the document goes on as another one, which holds what the author of the note has seen.
pub fn goes_on_as(genesis: Genesis) -> Edit {
    Edit { path: place(), value: Some(genesis.to_string().into()) }
}

impl Replica {
    /// What of this document is in its successor; `None` where nobody said that it goes on as that one.
    pub fn is_in_successor(&self, genesis: Genesis) -> Option<VersionVector> {
        let said = Value::from(genesis.to_string());
        let notes = self.reserved.at(&reserved(&place()));
        let note = notes.iter().find(|note| note.claim.value() == Some(&said))?;
        let mut seen = VersionVector::clone(&note.context);
        // The note itself is no news there.
        seen.add(note.dot);
        Some(seen)
    }

    /// Makes in the successor of this document, which shows `theirs`, what the instance that writes under `own` names wrote
    /// in this one since: a three-way merge over `synced`, what it last had in common with others. What others wrote since
    /// they make there themselves.
    ///
    /// # Errors
    /// Those of [`Replica::rebased`].
    pub fn again_in_successor(
        &self,
        own: &[ReplicaId],
        successor: (ReplicaId, Genesis, &Delta),
        (taken, synced, theirs): (&VersionVector, &Value, &Value),
        options: &WriteOptions<'_>,
        wall_ms: u64,
    ) -> Result<(super::Rebased, Again)> {
        let (id, genesis, delta) = successor;
        let is_mine = |held: &Assertion| taken.contains(held.dot) || own.contains(&held.dot.replica);
        let held = self.live().filter(|held| is_mine(held)).map(|held| Assertion::clone(held));
        let base = self.base.as_deref().cloned();
        let mut mine = Replica::restore(self.id, genesis, self.seen.clone(), self.last_stamp(), base, held);
        // Who is a member there, and what waits for a decision, is said there.
        mine.reserved = Default::default();
        mine.notes = Notes::default();
        let common = mine.common_with_successor(own, taken, synced, theirs);
        let rebased = mine.rebased(id, delta, taken, (&common, super::Heeds::Own), options, wall_ms)?;
        let others = self.live().filter(|held| !is_mine(held) && !is_reserved(&held.path));
        let left = others.map(|held| held.path.clone()).collect();
        let overruled = rebased.overruled.clone();
        let again = Again { written: rebased.rewritten.clone(), refused: rebased.refused, overruled, left };
        Ok((rebased, again))
    }

    /// What this replica and the successor both hold, as far as that can be told: what own writes since took the place of is
    /// no longer known.
    fn common_with_successor(&self, own: &[ReplicaId], taken: &VersionVector, synced: &Value, theirs: &Value) -> Value {
        let first = |author: &ReplicaId| Dot { replica: *author, seq: taken.seq(*author).saturating_add(1) };
        let first: Vec<Dot> = own.iter().map(first).collect();
        let mut common = self.unshared_before(synced, &first);
        for held in self.live().filter(|held| !taken.contains(held.dot)) {
            let Some(there) = theirs.at(&held.path) else { continue };
            match &held.claim {
                // It was there, and is removed again.
                Claim::Absent => common = common.with(&held.path, there.clone()),
                Claim::Value(value) if held.tag == Tag::Merge => {
                    let Some((mine, there)) = value.as_list().zip(there.as_list()) else { continue };
                    let both = mine.iter().filter(|item| there.iter().any(|other| other == *item));
                    common = common.with(&held.path, both.cloned().collect::<Vec<_>>().into());
                }
                Claim::Value(_) | Claim::Sequence(_) | Claim::Nothing => {}
            }
        }
        common
    }

    /// The authors of whom nothing is held, with the number of their last write. Everything that they wrote was superseded
    /// or is in the base; or they never wrote, and somebody made them up.
    pub fn idle_authors(&self) -> impl Iterator<Item = (ReplicaId, u64)> {
        self.seen.iter().filter(|(author, _)| !self.by_author.holds(*author))
    }
}
