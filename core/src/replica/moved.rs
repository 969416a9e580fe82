//! A document that gives way to another one of its name, and the writes that go along.
//!
//! Writes keep their names, their stamps and their pasts, so they are concurrent to all that the other document holds, and
//! whoever else moves brings the very same ones: nothing is written twice, in whatever order instances move, and whether
//! their authors are still there. The first writes of a document, those of its [founder](Genesis::founder), stay behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::notes::is_reserved;
use super::{Assertion, Claim, Delta, Edit, Effect, Replica, WriteOptions, joins, leaves, settles};
use crate::clock::VersionVector;
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
    /// What writers that are not there wrote and nobody else makes again.
    pub left: Vec<Path>,
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

    /// Takes in the writes of another document that gives way to this one, under their own names. What edits a sequence
    /// comes as the value that the sequence had then.
    pub fn take_along(&mut self, other: &Replica) -> Effect {
        let founder = other.genesis.founder();
        let mut effect = Effect::default();
        for held in other.live() {
            if held.dot.replica == founder || self.seen.contains(held.dot) {
                continue;
            }
            if let Some(moved) = other.moved(held) {
                self.insert(moved, &mut effect);
            }
        }
        if !effect.added.is_empty() {
            // What follows from these writes and nothing else: a write that moved before never saw the founder here.
            for held in other.live().filter(|held| held.dot.replica != founder) {
                self.seen.add(held.dot);
                self.seen.join(&held.context);
            }
            if other.clock.last() > self.clock.last() {
                self.clock = other.clock;
            }
            self.read_notes();
        }
        effect
    }

    /// A write as it stands in another document; none where all that it says is how it edits a sequence.
    fn moved(&self, held: &Arc<Assertion>) -> Option<Arc<Assertion>> {
        let claim = match &held.claim {
            Claim::Nothing => return None,
            Claim::Sequence(kind) => Claim::Value(self.sequence_after(held, *kind)),
            Claim::Value(_) | Claim::Absent if held.edits.is_empty() => return Some(Arc::clone(held)),
            claim => claim.clone(),
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
        let is_plain = |item: &&Arc<Assertion>| item.edits.is_empty() && !matches!(item.claim, Claim::Sequence(_));
        if self.settles() || delta.base.is_some() || !delta.items.iter().all(|item| is_plain(&item)) {
            return None;
        }
        let since: VersionVector = delta.since.iter().filter(|(author, _)| *author != founder).collect();
        let items = delta.items.iter().filter(|item| item.dot.replica != founder).cloned().collect::<Vec<_>>();
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
        shared.add(crate::clock::Dot { replica: founder, seq: self.seen.seq(founder) });
        let rebased = mine.rebased(id, delta, &shared, &founding, options, wall_ms)?;
        let others = self.live().filter(|held| {
            let author = held.dot.replica;
            author != founder && !own.contains(&author) && !is_reserved(&held.path)
        });
        let left = others.map(|held| held.path.clone()).collect();
        let again = Again { written: rebased.rewritten.clone(), refused: rebased.refused, left };
        Ok((rebased, again))
    }
}
