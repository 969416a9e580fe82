//! Writing an edit that was made on an older document, as what it is: concurrent to everything that came since.
//!
//! The edit is encoded against the document that its author saw. Of the writes in there, those that were covered since are
//! no longer held; only the claims of one place depend on them (what a list gained and lost), and for that place the author
//! says what was there. Everything else that is encoded lies in the edit itself and in the edits of sequences, which are
//! kept. Receivers take such a write as any other, so all of them show the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::encode::Draft;
use super::{Edit, Effect, Replica, WriteOptions};
use crate::clock::{Dot, Hlc, VersionVector};
use crate::error::{Code, Error, Result};
use crate::id::ReplicaId;
use crate::path::Path;
use crate::value::Value;

/// What an edit was made on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MadeOn {
    /// What its author had seen.
    pub seen: VersionVector,
    /// What its author saw at the path.
    pub old: Option<Value>,
    /// How long ago, in milliseconds.
    pub age_ms: u64,
}

impl Replica {
    /// Whether all that it holds of the document is in `seen`.
    pub fn is_known_to(&self, seen: &VersionVector) -> bool {
        let edits = || self.sequences.values().flat_map(|edits| edits.keys());
        seen.includes(&self.seen)
            || (self.base.as_ref().is_none_or(|base| seen.includes(&base.floor))
                && self.live.iter().all(|held| seen.contains(held.dot))
                && edits().all(|dot| seen.contains(*dot)))
    }

    /// Whether a write with this past can be taken in: the document keeps its history, and has not dropped what the past
    /// lacks. Where history is dropped, only members write, and every write has seen what was dropped.
    pub fn takes_concurrent(&self, seen: &VersionVector) -> bool {
        !self.settles() && self.base.as_ref().is_none_or(|base| seen.includes(&base.floor))
    }

    /// Writes edits as one write of `author`, concurrent to all that their maker had not seen; returns its name. `author`
    /// is a name of this replica alone, and the maker has seen all that was written under it. `None` where the edits
    /// change nothing in what the maker saw, and where they are here already: the same edits of the same past, which
    /// `is_other` does not know for somebody else's. So an edit that is sent again to a host that restarted, or to another
    /// host, does not insert twice.
    ///
    /// # Errors
    /// As [`Replica::write`]; [`Code::Stale`] unless [`Replica::takes_concurrent`]; [`Code::Message`] for a past that no
    /// replica ever had.
    pub fn write_concurrent(
        &mut self,
        author: ReplicaId,
        made_on: &MadeOn,
        edits: &[Edit],
        options: &WriteOptions<'_>,
        wall_ms: u64,
        is_other: impl Fn(Dot) -> bool,
    ) -> Result<Option<(Dot, Effect)>> {
        if !self.takes_concurrent(&made_on.seen) {
            return Err(Error::new(Code::Stale, "what the edit was made on is no longer kept"));
        }
        // What this replica never saw means nothing here.
        let known = self.seen.iter().map(|(replica, seq)| (replica, seq.min(made_on.seen.seq(replica))));
        let context: VersionVector = known.collect();
        let is_torn = self.live().any(|held| context.contains(held.dot) && !context.includes(&held.context));
        if is_torn || context.seq(author) != self.seen.seq(author) {
            return Err(Error::new(Code::Message, "malformed message: nobody can have seen this and no more")
                .with_hint("send `seen` as the host told it"));
        }
        let mut before = self.as_of(&context, edits);
        let mut view = before.view().value;
        if let (Some(old), [edit]) = (&made_on.old, edits)
            && view.at(&edit.path) != Some(old)
        {
            view = view.with(&edit.path, old.clone());
        }
        let drafts = before.drafts(&view, edits, options)?;
        let is_here = |path: &Path, draft: &Draft| {
            let kept = self.sequences.get(path).into_iter().flat_map(|edits| edits.values());
            let mut candidates = self.live.at(path).iter().chain(kept);
            candidates.any(|held| {
                *held.context == context && draft.is_of(held) && held.user == options.user && !is_other(held.dot)
            })
        };
        if drafts.iter().all(|(path, draft)| is_here(path, draft)) {
            return Ok(None);
        }
        self.may_author(author)?;
        // Later than all that it goes on from, as far as this clock goes: what is stamped further ahead drags nothing along.
        let stamps = before.live().map(|held| held.stamp).filter(|stamp| *stamp <= self.clock.last());
        before.clock = Hlc::after(stamps.max().unwrap_or_default());
        let stamp = before.clock.tick(wall_ms.saturating_sub(made_on.age_ms));
        self.clock.observe(stamp, wall_ms);
        let dot = Dot { replica: author, seq: self.seen.seq(author).saturating_add(1) };
        Ok(Some((dot, self.assert(drafts, dot, &Arc::new(context), stamp, options))))
    }

    /// What it held of these edits' surroundings when it had seen this, less what was covered since.
    fn as_of(&self, seen: &VersionVector, edits: &[Edit]) -> Replica {
        let mut before = Replica {
            seen: seen.clone(),
            base: self.base.clone(),
            ground: self.ground.clone(),
            ..Replica::new(self.id, self.genesis)
        };
        let tops: BTreeSet<Path> = edits.iter().map(|edit| edit.path.prefix(edit.path.len().min(1))).collect();
        for top in &tops {
            let below = self.sequences.range(top.clone()..).take_while(|(path, _)| path.starts_with(top));
            let kept = below.flat_map(|(_, edits)| edits.values());
            for held in self.live.above(top).chain(self.live.from(top)).chain(kept) {
                if seen.contains(held.dot) {
                    before.insert(Arc::clone(held), &mut Effect::default());
                }
            }
        }
        before
    }
}
