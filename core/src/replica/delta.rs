//! What one replica lacks of another: the one shape in which writes travel.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::notes::is_reserved;
use super::{Assertion, Base, Claim, Effect, Replica, View};
use crate::clock::{Observed, VersionVector};
use crate::error::{Code, Error, Result};
use crate::id::{Genesis, ReplicaId};
use crate::limits::{MAX_AUTHORS, MAX_DEPTH, MAX_NEW_AUTHORS, RESERVED_KEY};
use crate::sequence::{Content, Step};
use crate::value::Value;

/// The assertions between two states of knowledge.
///
/// A write that `to` contains and that `since` does not, and that is not among the items, was superseded by one that is.
/// A live broadcast is the delta of one write. Where the sender no longer has all that lies in between, the delta is a
/// *snapshot*: it starts from nothing and holds what the sender settled to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// What the receiver must have seen.
    pub since: VersionVector,
    /// What it has seen afterwards.
    pub to: VersionVector,
    /// Of a snapshot: what the items go on from.
    pub base: Option<Arc<Base>>,
    /// The assertions in between that are still held.
    pub items: Vec<Arc<Assertion>>,
}

/// What a delta did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The replica has seen more than before.
    Advanced {
        /// What became live, and what it made redundant.
        effect: Effect,
        /// The largest distance of a stamp that was ahead of this clock, in milliseconds; 0 where none was.
        skew_ms: u64,
    },
    /// Everything in it was here already.
    Duplicate,
    /// Something before it is missing here: ask for everything since [`Replica::seen`].
    Gap,
    /// It is a snapshot of a document that dropped history which is missing here. [`Replica::rebased`] takes it over.
    Behind,
    /// Its author may not write, or had not seen what this replica settled to: nothing was taken. Send it everything, so
    /// that it notices.
    Refused {
        /// The author.
        author: ReplicaId,
    },
}

impl Replica {
    /// What a replica that has seen `since` lacks: a snapshot where this one no longer has all of it.
    pub fn delta(&self, since: &VersionVector) -> Delta {
        let base = self.base.as_ref().filter(|base| !since.includes(&base.floor)).cloned();
        let since = if base.is_some() { VersionVector::default() } else { since.clone() };
        let items = self.held_after(&since);
        let to = followed(&self.seen, &since, base.as_deref(), &items);
        Delta { since, to, base, items }
    }

    /// Takes in a delta: idempotent, and the order of deltas does not matter. A delta that is malformed, or that skips
    /// something, changes nothing.
    ///
    /// # Errors
    /// [`Code::Message`] for a delta that no replica would make.
    pub fn apply(&mut self, delta: &Delta, wall_ms: u64) -> Result<Applied> {
        delta.check()?;
        self.take(delta, wall_ms)
    }

    /// As [`Replica::apply`], for a delta that passed [`Delta::check`].
    pub(crate) fn take(&mut self, delta: &Delta, wall_ms: u64) -> Result<Applied> {
        if !self.seen.includes(&delta.since) {
            return Ok(Applied::Gap);
        }
        if self.seen.includes(&delta.to) {
            return Ok(Applied::Duplicate);
        }
        match &delta.base {
            Some(base) if self.seen.is_empty() => {
                let mut fresh = self.clone();
                fresh.stand_on(Arc::clone(base));
                let applied = match fresh.take(delta, wall_ms)? {
                    Applied::Duplicate => Applied::Advanced { effect: Effect::default(), skew_ms: 0 },
                    applied => applied,
                };
                if matches!(applied, Applied::Advanced { .. }) {
                    *self = fresh;
                }
                return Ok(applied);
            }
            Some(base) if !self.seen.includes(&base.floor) => return Ok(Applied::Behind),
            _ => {}
        }
        if let Some(author) = self.stranger(delta).or_else(|| self.latecomer(delta)) {
            return Ok(Applied::Refused { author });
        }
        self.makes_room_for(delta)?;
        let mut effect = Effect::default();
        let mut skew_ms = 0;
        for item in &delta.items {
            if !self.seen.contains(item.dot) {
                self.insert(Arc::clone(item), &mut effect);
                if let Observed::TooFarAhead { by_ms } = self.clock.observe(item.stamp, wall_ms) {
                    skew_ms = by_ms.max(skew_ms);
                }
            }
        }
        if delta.items.iter().any(|item| is_reserved(&item.path)) {
            self.read_notes();
        }
        self.seen.join(&delta.to);
        Ok(Applied::Advanced { effect, skew_ms })
    }

    /// Whether a document that takes this in would have too many authors.
    fn makes_room_for(&self, delta: &Delta) -> Result<()> {
        if delta.to.len() <= MAX_AUTHORS && self.seen.len() + delta.to.len() <= MAX_AUTHORS {
            return Ok(());
        }
        let new = delta.to.iter().filter(|(author, _)| self.seen.seq(*author) == 0).count();
        if self.seen.len() + new > MAX_AUTHORS { Err(crowded(self.seen.len())) } else { Ok(()) }
    }

    /// Whether somebody may write here under a name, which counts for good once it was used.
    ///
    /// # Errors
    /// [`Code::TooLarge`] for a new name where there are too many already.
    pub(super) fn may_author(&self, author: ReplicaId) -> Result<()> {
        if self.seen.len() >= MAX_NEW_AUTHORS && self.seen.seq(author) == 0 {
            return Err(crowded(self.seen.len()));
        }
        if self.seen.seq(author) == u64::MAX {
            return Err(Error::new(Code::TooLarge, "somebody used up all numbers of writes under this name"));
        }
        Ok(())
    }

    /// The first author of a write that should have seen what this replica settled to and had not. Members never write
    /// so; a store that was put back from a copy may.
    fn latecomer(&self, delta: &Delta) -> Option<ReplicaId> {
        let floor = &self.base.as_ref()?.floor;
        let mut new = delta.items.iter().filter(|item| !self.seen.contains(item.dot));
        new.find(|item| !item.context.includes(floor)).map(|item| item.dot.replica)
    }
}

fn crowded(authors: usize) -> Error {
    let message = format!("the document has {authors} authors already, and at most {MAX_AUTHORS} may have written it");
    Error::new(Code::TooLarge, message).with_hint(
        "found it anew: stop all instances, start one with a fresh data directory and its bound file, then the others with fresh ones",
    )
}

/// What a receiver has seen after these items: of `seen` that which follows from them.
///
/// For what replicas write this is all of `seen`. Somebody may have written what no replica writes: that is no reason for
/// others to refuse what is said here of the rest.
fn followed(
    seen: &VersionVector,
    since: &VersionVector,
    base: Option<&Base>,
    items: &[Arc<Assertion>],
) -> VersionVector {
    let floor = |author| base.map_or(0, |base| base.floor.seq(author));
    let mut open: BTreeMap<ReplicaId, (u64, u64)> = BTreeMap::new();
    for (author, seq) in seen.iter() {
        let reached = since.seq(author).max(floor(author));
        if reached < seq {
            open.insert(author, (reached, seq));
        }
    }
    for item in items {
        if let Some((reached, _)) = open.get_mut(&item.dot.replica) {
            *reached = item.dot.seq.max(*reached);
        }
    }
    open.retain(|_, (reached, seq)| reached < seq);
    for item in items {
        if open.is_empty() {
            return seen.clone();
        }
        open.retain(|author, (reached, seq)| {
            *reached = item.context.seq(*author).max(*reached);
            reached < seq
        });
    }
    let lowered = |(author, seq)| (author, open.get(&author).map_or(seq, |(reached, _)| *reached));
    seen.iter().map(lowered).collect()
}

/// What instances show that have seen these deltas, in whatever order they came and however often.
///
/// # Errors
/// [`Code::Message`] for a delta that no replica would make, and where deltas in between are missing.
pub fn view_of(deltas: &[Delta]) -> Result<View> {
    let mut replica = Replica::new(ReplicaId::from_bytes([0; 16]), Genesis::from_bytes([0; 16]));
    let mut waiting: Vec<&Delta> = deltas.iter().collect();
    loop {
        let mut early = Vec::new();
        for delta in &waiting {
            // Nothing is written here, so the clock of the writers does not matter.
            if replica.apply(delta, u64::MAX >> 16)? == Applied::Gap {
                early.push(*delta);
            }
        }
        match early.len() {
            0 => return Ok(replica.view()),
            n if n == waiting.len() => {
                let message = format!("{n} of the deltas follow others that are missing");
                return Err(Error::new(Code::Message, message).with_hint("add what lies before their `since`"));
            }
            _ => waiting = early,
        }
    }
}

impl Delta {
    /// Whether any replica would make it, as far as that can be told without knowing what it follows.
    ///
    /// Its range ends with what follows from it: where it starts, its writes and what their authors had seen, and of a
    /// snapshot what was dropped. So nobody becomes an author without a write, and no number is made up.
    ///
    /// # Errors
    /// [`Code::Message`] where none would.
    pub(crate) fn check(&self) -> Result<()> {
        let bad = |why: &str| Err(Error::new(Code::Message, format!("malformed delta: {why}")));
        if let Some(base) = &self.base {
            let sequences =
                base.sequences.iter().flat_map(|(path, kinds)| kinds.values().map(|v| path.len() + v.depth()));
            if sequences.chain([base.document.depth(), base.notes.depth() + 1]).any(|depth| depth > MAX_DEPTH) {
                return bad("a value nests too deep");
            }
            let holds_reserved = base.document.as_map().is_none_or(|map| map.contains_key(RESERVED_KEY));
            if holds_reserved || base.notes.as_map().is_none() {
                return bad("a document must be a map without reserved keys");
            }
            let is_above = |item: &Arc<Assertion>| !base.floor.contains(item.dot) && item.context.includes(&base.floor);
            if !self.since.is_empty() || !self.to.includes(&base.floor) || !self.items.iter().all(is_above) {
                return bad("a snapshot does not start from its base");
            }
        }
        let mut reached = vec![0; self.to.len()];
        self.to.reach_all(&mut reached, &self.since);
        if let Some(base) = &self.base {
            self.to.reach_all(&mut reached, &base.floor);
        }
        for item in &self.items {
            if item.dot.seq == 0 || !self.to.reach(&mut reached, item.dot) {
                return bad("a write lies outside of its range");
            }
            if !self.to.reach_all(&mut reached, &item.context)
                || item.context.seq(item.dot.replica).checked_add(1) != Some(item.dot.seq)
            {
                return bad("a write names a past that it cannot have seen");
            }
            if item.run.as_ref().is_some_and(|run| !run.fits(&item.context)) {
                return bad("a write was built on what its author cannot have seen");
            }
            let inserted = item.edits.values().flat_map(|edit| edit.steps()).filter_map(|step| match step {
                Step::Insert(Content::List(items)) => items.iter().map(|item| 1 + item.depth()).max(),
                _ => None,
            });
            let noted = item.previous.iter().chain(&item.added).chain(&item.removed).map(Value::depth);
            let held = item.claim.value().map_or(0, Value::depth);
            if item.path.len() + inserted.chain(noted).fold(held, usize::max) > MAX_DEPTH {
                return bad("a value nests too deep");
            }
            let root = item.path.is_root();
            let map = item.claim.value().and_then(Value::as_map);
            if root && (!item.edits.is_empty() || map.is_none_or(|map| map.contains_key(RESERVED_KEY))) {
                return bad("a document must be a map without reserved keys");
            }
            let is_note = item.edits.is_empty() && matches!(item.claim, Claim::Value(_) | Claim::Absent);
            if is_reserved(&item.path) && (item.path.len() < 2 || !is_note) {
                return bad("a note is a value below the reserved key");
            }
        }
        if self.to.iter().zip(&reached).any(|((_, seq), reached)| seq > *reached) {
            return bad("its range holds more than follows from it");
        }
        Ok(())
    }
}
