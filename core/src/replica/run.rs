//! Runs of conditional writes: which of them a write was built on, and which its author had seen lost.
//!
//! A conditional write ("only if this is still the version") is an update of what its author saw, and so were the writes
//! before it. Where one side of a conflict loses, all updates lose that the winner does not hold, whoever made them. So the
//! run goes on across authors: it is the run of the write in force that the author saw, and that write. It ends with an
//! unconditional write, which is built on nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::places::Place;
use super::view::maximal;
use super::{Assertion, Claim, Replica};
use crate::clock::{Dot, VersionVector};
use crate::conflict::Tag;
use crate::error::Result;
use crate::id::ReplicaId;
use crate::limits::MAX_RUN;
use crate::path::Path;
use crate::value::Value;

/// Of a conditional write: what became of the conditional writes of its path before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Those that it was built on, itself left out.
    pub links: Links,
    /// Those that its author had seen lost: neither it nor what it was built on holds them.
    pub lost: Links,
}

/// Names of writes: stretches of numbers of one author, in the order in which they were last added to. Of more than
/// [`MAX_RUN`] stretches the newest are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    stretches: Vec<Stretch>,
    /// Whether there were more.
    more: bool,
}

/// The writes of one author from one number to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// The author.
    pub replica: ReplicaId,
    /// The number of the first one.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
}

/// How many updates are lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// So many.
    pub updates: u64,
    /// Or more: their run was longer than what a write carries.
    pub or_more: bool,
}

impl Lost {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Lost) -> Lost {
        Lost { updates: self.updates.saturating_add(other.updates), or_more: self.or_more || other.or_more }
    }

    /// `lost_updates` where any are, and `or_more` where there may be more.
    pub fn fields(self) -> impl Iterator<Item = (&'static str, Value)> {
        let updates = (self != Lost::default()).then(|| ("lost_updates", self.updates.into()));
        updates.into_iter().chain(self.or_more.then(|| ("or_more", true.into())))
    }
}

impl Links {
    /// Of stretches, in their order; `None` where a replica would not write them so: too many, empty or overlapping ones.
    pub fn of(stretches: Vec<Stretch>, more: bool) -> Option<Links> {
        let mut sorted = stretches.clone();
        sorted.sort();
        let is_apart = |pair: &[Stretch]| match pair {
            [a, b] => a.replica != b.replica || a.last < b.first,
            _ => true,
        };
        let is_fine = stretches.len() <= MAX_RUN
            && stretches.iter().all(|stretch| stretch.first > 0 && stretch.first <= stretch.last)
            && sorted.windows(2).all(is_apart);
        is_fine.then_some(Links { stretches, more })
    }

    /// The stretches, that of the newest write last.
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// Whether there were more.
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// Whether it names no write.
    pub fn is_empty(&self) -> bool {
        self.stretches.is_empty() && !self.more
    }

    /// How many writes it names.
    pub fn count(&self) -> Lost {
        let updates =
            self.stretches.iter().fold(0, |sum: u64, s| sum.saturating_add(s.last - s.first).saturating_add(1));
        Lost { updates, or_more: self.more }
    }

    /// Whether all of them are in a past.
    fn lies_in(&self, past: &VersionVector) -> bool {
        self.stretches.iter().all(|stretch| stretch.last <= past.seq(stretch.replica))
    }

    /// Adds a write as the newest.
    pub(crate) fn add(&mut self, dot: Dot) {
        let here = |s: &Stretch| s.replica == dot.replica && s.first <= dot.seq && dot.seq <= s.last;
        if self.stretches.iter().any(here) {
            return;
        }
        let continued = |s: &Stretch| s.replica == dot.replica && s.last.checked_add(1) == Some(dot.seq);
        let at = self.stretches.iter().position(continued);
        let before = at.map(|at| self.stretches.remove(at));
        let first = before.map_or(dot.seq, |before| before.first);
        self.stretches.push(Stretch { replica: dot.replica, first, last: dot.seq });
        self.shorten();
    }

    /// Adds all of others.
    pub(crate) fn add_all(&mut self, others: &Links) {
        let new = others.without(self);
        self.more |= new.more;
        for stretch in new.stretches {
            let continued = |s: &Stretch| s.replica == stretch.replica && s.last.checked_add(1) == Some(stretch.first);
            match self.stretches.iter_mut().find(|s| continued(s)) {
                Some(before) => before.last = stretch.last,
                None => self.stretches.push(stretch),
            }
        }
        self.shorten();
    }

    fn shorten(&mut self) {
        let excess = self.stretches.len().saturating_sub(MAX_RUN);
        self.stretches.drain(..excess);
        self.more |= excess > 0;
    }

    /// Those that are not among others.
    pub(crate) fn without(&self, others: &Links) -> Links {
        let mut left = Links { stretches: Vec::new(), more: self.more };
        for stretch in &self.stretches {
            let mut holes: Vec<&Stretch> = others.stretches.iter().filter(|o| o.replica == stretch.replica).collect();
            holes.sort();
            let mut from = Some(stretch.first);
            for hole in holes {
                let Some(first) = from.filter(|first| *first <= hole.last) else { continue };
                if first < hole.first && hole.first <= stretch.last {
                    left.stretches.push(Stretch { first, last: hole.first - 1, ..*stretch });
                }
                from = if hole.first <= stretch.last { hole.last.checked_add(1) } else { Some(first) };
            }
            if let Some(first) = from.filter(|first| *first <= stretch.last) {
                left.stretches.push(Stretch { first, ..*stretch });
            }
        }
        left
    }

    /// Those that are not in a past.
    fn beyond(&self, past: &VersionVector) -> Links {
        let beyond = |stretch: &Stretch| {
            let first = past.seq(stretch.replica).checked_add(1)?.max(stretch.first);
            (first <= stretch.last).then_some(Stretch { first, ..*stretch })
        };
        let stretches: Vec<Stretch> = self.stretches.iter().filter_map(beyond).collect();
        // Of what a run no longer names something may be beyond as long as the oldest that it names is.
        let more = self.more && self.stretches.first().is_none_or(|oldest| !past.contains(oldest.newest()));
        Links { stretches, more }
    }
}

impl Stretch {
    fn newest(&self) -> Dot {
        Dot { replica: self.replica, seq: self.last }
    }
}

impl Run {
    /// One that lost nothing.
    pub(super) fn over(links: Links) -> Run {
        Run { links, lost: Links::default() }
    }

    /// Whether a write with this past may carry it.
    pub(super) fn fits(&self, past: &VersionVector) -> bool {
        self.links.lies_in(past) && self.lost.lies_in(past)
    }
}

impl Assertion {
    /// The conditional writes that are lost with it: its run, itself included; nothing for an unconditional write.
    pub(super) fn updates(&self) -> Links {
        let Some(run) = &self.run else { return Links::default() };
        let mut updates = run.links.clone();
        updates.add(self.dot);
        updates
    }

    /// What is lost with it where another write is in force: what that one had not seen.
    pub(super) fn unseen_by(&self, winner: &Assertion) -> Links {
        if self.run.is_none() || winner.dot == self.dot || self.is_kept_with(winner) {
            return Links::default();
        }
        self.updates().beyond(&winner.past())
    }

    /// What is lost with it where children took its place: what their authors had not seen.
    pub(super) fn unseen_below(&self, place: &Place) -> Links {
        place.strictly_below().fold(self.updates(), |unseen, below| unseen.beyond(&below.context))
    }

    /// Whether both are in force: edits of sequences are all kept, and lists unite.
    fn is_kept_with(&self, other: &Assertion) -> bool {
        let unites = |write: &Assertion| {
            write.tag == Tag::Merge && write.claim.value().is_some_and(|value| value.as_list().is_some())
        };
        matches!((&self.claim, &other.claim), (Claim::Sequence(one), Claim::Sequence(another)) if one == another)
            || (unites(self) && unites(other))
    }

    fn known_lost(&self) -> Links {
        self.run.as_ref().map(|run| run.lost.clone()).unwrap_or_default()
    }

    /// What its author had seen, itself included.
    fn past(&self) -> VersionVector {
        let mut past = VersionVector::clone(&self.context);
        past.add(self.dot);
        past
    }
}

/// Conditional writes that were counted: none is twice.
#[derive(Debug, Default)]
pub(crate) struct Counted(BTreeMap<(ReplicaId, u64), u64>);

impl Counted {
    /// Counts them.
    pub(crate) fn add(&mut self, links: &Links) {
        self.take(links);
    }

    /// Those that are not counted.
    pub(crate) fn without(&self, links: &Links) -> Links {
        let overlapping = |stretch: &Stretch| {
            let (replica, first) = (stretch.replica, stretch.first);
            let known = self.0.range((replica, 0)..=(replica, stretch.last)).rev();
            let known = known.map(move |((_, first), last)| Stretch { replica, first: *first, last: *last });
            known.take_while(move |known| known.last >= first)
        };
        let stretches = links.stretches.iter().flat_map(overlapping).collect();
        links.without(&Links { stretches, more: false })
    }

    /// How many of them are new; they are counted from now on.
    pub(crate) fn take(&mut self, links: &Links) -> Lost {
        let mut found = Lost::default();
        for stretch in links.stretches() {
            let (mut first, mut last) = (stretch.first, stretch.last);
            let mut new = (last - first).saturating_add(1);
            let known = self.0.range((stretch.replica, 0)..=(stretch.replica, last)).rev();
            let known: Vec<(u64, u64)> = known
                .map(|((_, first), last)| (*first, *last))
                .take_while(|(_, known_last)| *known_last >= stretch.first)
                .collect();
            for (known_first, known_last) in known {
                let both = known_last.min(stretch.last) - known_first.max(stretch.first);
                new = new.saturating_sub(both.saturating_add(1));
                (first, last) = (first.min(known_first), last.max(known_last));
                self.0.remove(&(stretch.replica, known_first));
            }
            self.0.insert((stretch.replica, first), last);
            found.updates = found.updates.saturating_add(new);
        }
        // Where all that it names was counted, so was what it no longer names.
        Lost { or_more: links.has_more() && found.updates > 0, ..found }
    }
}

/// What became of the conditional writes of a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standings {
    /// What the value in force was built on, the write of it included.
    pub held: Links,
    /// What was lost in conflicts that a later write closed.
    pub closed: Links,
    /// What is lost with writes that are held still.
    pub open: Links,
    /// The write in force; the newest, where the value was computed of several.
    pub in_force: Option<Dot>,
}

impl Replica {
    /// The run of a conditional write that is made now.
    pub(super) fn next_run(&self, path: &Path) -> Arc<Run> {
        let found = self.standings(path);
        let mut lost = found.closed;
        lost.add_all(&found.open);
        Arc::new(Run { lost: lost.without(&found.held), links: found.held })
    }

    /// What became of the conditional writes of a path, as far as the writes that are held tell.
    pub fn standings(&self, path: &Path) -> Standings {
        let here = self.live.at(path);
        let mut found = Standings::default();
        if here.iter().all(|write| write.run.is_none()) {
            return found;
        }
        let above: Vec<&Arc<Assertion>> = self.ground.iter().chain(self.live.above(path)).chain(here).collect();
        let sequences = self.claimed(above.iter().copied());
        let reader = self.reader(&sequences);
        let cover = above.iter().map(|by| {
            let rest = path.segments().iter().skip(by.path.len());
            rest.fold(reader.covering(by), |covering, key| covering.child(key))
        });
        let outcome = reader.resolve(&maximal(cover.collect()));
        let winner = outcome.and_then(|outcome| outcome.winner);
        let winner = winner.and_then(|dot| above.iter().find(|by| by.dot == dot).copied());
        match winner {
            // It was computed of all.
            None => {
                here.iter().for_each(|write| found.held.add_all(&write.updates()));
                here.iter().for_each(|write| found.closed.add_all(&write.known_lost()));
            }
            Some(winner) => {
                found.in_force = Some(winner.dot);
                if winner.path == *path {
                    found.held = winner.updates();
                    found.closed = winner.known_lost();
                }
                let past = winner.past();
                for write in here.iter().filter(|write| write.dot != winner.dot) {
                    if write.is_kept_with(winner) {
                        found.held.add_all(&write.updates());
                    }
                    found.open.add_all(&write.unseen_by(winner));
                    found.closed.add_all(&write.known_lost().beyond(&past));
                }
            }
        }
        found.in_force = found.in_force.or_else(|| here.iter().max_by_key(|write| write.stamp).map(|write| write.dot));
        found.closed = found.closed.without(&found.held).without(&found.open);
        found
    }

    /// The paths where conditional writes were lost, listed or not.
    pub fn losses(&self) -> impl Iterator<Item = (Path, Standings)> + '_ {
        let mut paths: Vec<&Path> =
            self.live.iter().filter(|write| write.run.is_some()).map(|write| &write.path).collect();
        paths.dedup();
        let found = paths.into_iter().map(|path| (path.clone(), self.standings(path)));
        found.filter(|(_, found)| !found.closed.is_empty() || !found.open.is_empty())
    }
}

/// A run as it was read.
///
/// # Errors
/// [`crate::Code::Message`] where no replica writes it so.
pub(crate) fn read_links(stretches: Vec<Stretch>, more: bool) -> Result<Links> {
    Links::of(stretches, more).ok_or_else(|| super::wire::malformed("a run names too many writes, or one twice"))
}
