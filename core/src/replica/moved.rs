//! A document that gives way to another one of its name, and the writes that go along.
//!
//! Writes keep their names, their stamps and their pasts, so they are concurrent to all that the other document holds, and
//! whoever else moves brings the very same ones: nothing is written twice, in whatever order instances move, and whether
//! their authors are still there. The first writes of a document, those of its [founder](Genesis::founder), stay behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::notes::{is_of_its_document, is_reserved};
use super::{Assertion, Claim, Delta, Edit, Effect, Heeds, Replica, WriteOptions, joins, leaves, settles};
use crate::clock::{Dot, VersionVector};
use crate::conflict::Tag;
use crate::error::Result;
use crate::id::{Genesis, ReplicaId};
use crate::path::Path;
use crate::sequence;
use crate::value::Value;

/// How many writes a founder makes at most.
const FOUNDING_WRITES: u64 = 2;

/// What a document that gives way cannot take along, because the other one settles: see [`Replica::again_in`].
#[derive(Clone, Debug, Default)]
pub struct Again {
    /// What was written again.
    pub written: Vec<Effect>,
    /// How many edits the other document refused.
    pub refused: usize,
    /// Where this instance and others had written something else.
    pub overruled: Vec<super::Overruled>,
    /// What writers that are not there wrote and nobody else makes again.
    pub left: Vec<Path>,
}

/// Whether this is how a write that edits a sequence stands in a document that it moved to.
fn lost_its_edits(tag: Tag, value: &Value) -> bool {
    tag == Tag::Sequence && sequence::Kind::of(value).is_some()
}

impl Replica {
    /// A document with its first writes: its content, and whether its history is dropped once all members have it.
    ///
    /// # Errors
    /// Those of [`Replica::write`].
    pub fn found(
        id: ReplicaId,
        genesis: Genesis,
        content: &Value,
        settle: bool,
        options: &WriteOptions<'_>,
    ) -> Result<(Replica, Delta)> {
        // Before everything: what somebody wrote in a document that gives way to this one is not beaten by what this one
        // began with, which speaks of every key there is.
        let wall_ms = 0;
        let founder = genesis.founder();
        let mut replica = Replica::new(founder, genesis);
        let mut items = Vec::new();
        if settle {
            let notes = [settles(), joins(id), leaves(founder, FOUNDING_WRITES)];
            items.extend(replica.note(&notes, wall_ms)?.map(|effect| effect.added));
        }
        let edit = Edit { path: Path::root(), value: Some(content.clone()) };
        items.extend(replica.write(&Value::empty_map(), &[edit], options, wall_ms)?.map(|effect| effect.added));
        let delta = Delta {
            since: VersionVector::default(),
            to: replica.seen.clone(),
            base: None,
            items: items.into_iter().flatten().collect(),
        };
        Ok((replica.reincarnated(id), delta))
    }

    /// Whether anybody but its founder wrote in the document.
    pub fn was_written(&self) -> bool {
        let founder = self.genesis.founder();
        self.base.is_some() || self.live().any(|held| held.dot.replica != founder && !is_reserved(&held.path))
    }

    /// Whether some writes of another document that gives way to this one cannot keep their names: they are made again,
    /// under the name of this replica, which has to be one that nobody wrote under.
    pub fn makes_again(&self, other: &Replica) -> bool {
        let founder = other.genesis.founder();
        other
            .live()
            .any(|held| held.dot.replica != founder && !self.seen.contains(held.dot) && other.is_made_again(held))
    }

    /// Takes in the writes of another document that gives way to this one, under their own names. What edits a sequence
    /// comes as the value that the sequence had then; where it comes back, it is made again: see
    /// [`Replica::makes_again`].
    pub fn take_along(&mut self, other: &Replica, wall_ms: u64) -> Effect {
        let founder = other.genesis.founder();
        let mut effect = Effect::default();
        let mut again = Vec::new();
        for held in other.live() {
            if held.dot.replica == founder || self.seen.contains(held.dot) || is_of_its_document(&held.path) {
                continue;
            }
            if other.is_made_again(held) {
                again.push(held);
            } else if let Some(moved) = other.moved(held) {
                self.insert(moved, &mut effect);
            }
        }
        if !effect.added.is_empty() || !again.is_empty() {
            // What follows from these writes and nothing else: a write that moved before never saw the founder here.
            for held in other.live().filter(|held| held.dot.replica != founder) {
                self.seen.add(held.dot);
                self.seen.join(&held.context);
            }
            if other.clock.last() > self.clock.last() {
                self.clock = other.clock;
            }
            self.make_again(again, wall_ms, &mut effect);
            self.read_notes();
        }
        effect
    }

    /// Whether a write has, or may have, another content under its name in another document: it lost its edits of a
    /// sequence on its way here, or would lose them on its way from here although it claims none. The other document may be
    /// the one that it was made in, where others hold it as it was, and one name has one content there.
    fn is_made_again(&self, held: &Assertion) -> bool {
        match &held.claim {
            Claim::Sequence(_) | Claim::Nothing => false,
            Claim::Value(_) | Claim::Absent if !held.edits.is_empty() => {
                self.live.at(&held.path).iter().any(|live| live.dot == held.dot)
            }
            Claim::Value(value) => lost_its_edits(held.tag, value),
            Claim::Absent => false,
        }
    }

    /// Makes writes of another document under the name of this replica. Each has seen the one that it stands for and what
    /// that had seen, so it takes its place wherever both are.
    fn make_again(&mut self, mut writes: Vec<&Arc<Assertion>>, wall_ms: u64, effect: &mut Effect) {
        writes.sort_by_key(|held| (held.stamp, held.dot));
        let mut past = VersionVector::default();
        for same in writes.chunk_by(|a, b| a.dot == b.dot) {
            let Some(first) = same.first() else { continue };
            past.join(&first.context);
            past.add(first.dot);
            let dot = Dot { replica: self.id, seq: self.seen.seq(self.id).saturating_add(1) };
            let context = Arc::new(past.clone());
            // It is as old as the other one, unless the clock of that one's author was ahead of this one.
            let stamp = first.stamp.min(self.clock.tick(wall_ms));
            for held in same {
                let context = Arc::clone(&context);
                let made = Assertion { dot, context, stamp, edits: BTreeMap::new(), ..Assertion::clone(held) };
                self.insert(Arc::new(made), effect);
            }
            self.seen.add(dot);
            past.add(dot);
        }
    }

    /// A write as it stands in another document; none where all that it says is how it edits a sequence.
    fn moved(&self, held: &Arc<Assertion>) -> Option<Arc<Assertion>> {
        let claim = match &held.claim {
            Claim::Nothing => return None,
            Claim::Sequence(kind) => Claim::Value(self.sequence_after(held, *kind)),
            Claim::Value(_) | Claim::Absent => return held.edits.is_empty().then(|| Arc::clone(held)),
        };
        // Edits are held also where a later write took the place of what they claim.
        let is_live = self.live.at(&held.path).iter().any(|live| live.dot == held.dot);
        is_live.then(|| Arc::new(Assertion { claim, edits: BTreeMap::new(), ..Assertion::clone(held) }))
    }

    /// What a sequence was right after a write of it: the same wherever that write is known.
    fn sequence_after(&self, held: &Assertion, kind: sequence::Kind) -> Value {
        let edits = self.sequences.get(&held.path).into_iter().flat_map(BTreeMap::values);
        let edits = edits.filter(|edit| edit.dot == held.dot || held.context.contains(edit.dot)).filter_map(|edit| {
            let operation = edit.edits.get(&kind)?;
            Some(sequence::Edit { dot: edit.dot, context: &edit.context, operation })
        });
        sequence::replay(kind, edits).to_value()
    }

    /// A delta of a document that gave way to this one, as writes that go along; none where its writes cannot stand here
    /// as they are.
    pub fn moved_delta(&self, genesis: Genesis, delta: &Delta) -> Option<Delta> {
        let founder = genesis.founder();
        let is_plain = |item: &Arc<Assertion>| match &item.claim {
            Claim::Sequence(_) => false,
            Claim::Value(value) => item.edits.is_empty() && !lost_its_edits(item.tag, value),
            Claim::Absent | Claim::Nothing => item.edits.is_empty(),
        };
        if self.settles() || delta.base.is_some() || !delta.items.iter().all(is_plain) {
            return None;
        }
        let since: VersionVector = delta.since.iter().filter(|(author, _)| *author != founder).collect();
        let goes_along = |item: &&Arc<Assertion>| item.dot.replica != founder && !is_of_its_document(&item.path);
        let items = delta.items.iter().filter(goes_along).cloned().collect::<Vec<_>>();
        // What follows from these writes and no more: of the founder's nobody here may have anything to pass on.
        let mut to = since.clone();
        for item in &items {
            to.add(item.dot);
            to.join(&item.context);
        }
        (!items.is_empty()).then_some(Delta { since, to, base: None, items })
    }

    /// Makes in `greater`, which settles, what the instance that writes under `own` names wrote in this document: members
    /// alone write there, and a write has to have seen what was dropped.
    ///
    /// # Errors
    /// Those of [`Replica::rebased`].
    pub fn again_in(
        &self,
        own: &[ReplicaId],
        greater: (ReplicaId, Genesis, &Delta),
        options: &WriteOptions<'_>,
        wall_ms: u64,
    ) -> Result<(super::Rebased, Again)> {
        let (id, genesis, delta) = greater;
        let founder = self.genesis.founder();
        let only = |authors: &dyn Fn(ReplicaId) -> bool| {
            let held = self.live().filter(|held| held.dot.replica == founder || authors(held.dot.replica));
            let held = held.map(|held| Assertion::clone(held));
            let base = self.base.as_deref().cloned();
            Replica::restore(self.id, genesis, self.seen.clone(), self.last_stamp(), base, held)
        };
        let founding = only(&|_| false).view().value;
        let mine = only(&|author| own.contains(&author));
        let mut shared = self.base.as_ref().map(|base| base.floor.clone()).unwrap_or_default();
        shared.add(Dot { replica: founder, seq: self.seen.seq(founder) });
        let rebased = mine.rebased(id, delta, &shared, (&founding, Heeds::Later), options, wall_ms)?;
        let others = self.live().filter(|held| {
            let author = held.dot.replica;
            author != founder && !own.contains(&author) && !is_reserved(&held.path)
        });
        let left = others.map(|held| held.path.clone()).collect();
        let overruled = rebased.overruled.clone();
        let again = Again { written: rebased.rewritten.clone(), refused: rebased.refused, overruled, left };
        Ok((rebased, again))
    }
}
