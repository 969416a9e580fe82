//! History kept only as far as needed: a *settled* replica holds its document as plain data.
//!
//! A replica may settle where it knows that every write that it has not seen will have seen all that it has. Then no
//! future write is concurrent to a past one, so what the past comes to is all that can matter: its value, whether its maps
//! were asserted or exist only through what is in them, and the content of its sequences. That is its [`Base`]: it counts
//! as an assertion that comes before every other. Settled and unsettled replicas show the same document now and ever after.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::view::{Covering, Reader, maximal};
use super::{Assertion, Claim, Disagreement, Replica, View};
use crate::clock::{Dot, Stamp, VersionVector};
use crate::conflict::{Meanwhile, Tag};
use crate::error::{Code, Error, Result};
use crate::id::ReplicaId;
use crate::path::Path;
use crate::sequence::{Content, Kind, Operation};
use crate::value::{Map, Str, Value, compare_keys};

/// What a document had come to when its history was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The writes that went into it.
    pub floor: VersionVector,
    /// The document: a map.
    pub document: Value,
    /// Which of its maps stand by themselves.
    pub standing: Standing,
    /// The content of its sequences, by path and kind, also where something else is in force there.
    pub sequences: BTreeMap<Path, BTreeMap<Kind, Value>>,
    /// What lies below the reserved key: a map.
    pub notes: Value,
    /// Conflicts that somebody has to decide. A write that covers the path, or goes below it, clears them.
    pub open: Vec<Disagreement>,
}

/// Which maps of a document were asserted themselves; the others exist only through what is in them, and go with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether this map was asserted.
    alone: bool,
    /// The children that differ somewhere from `alone`.
    below: BTreeMap<Str, Standing>,
}

impl Standing {
    /// The paths of the maps that differ in this from the map around them (the root: that were asserted), parents first.
    pub fn changes(&self) -> Vec<Path> {
        fn walk(at: &Standing, above: bool, path: &Path, found: &mut Vec<Path>) {
            if at.alone != above {
                found.push(path.clone());
            }
            for (key, child) in &at.below {
                walk(child, at.alone, &path.child(key), found);
            }
        }
        let mut found = Vec::new();
        walk(self, false, &Path::root(), &mut found);
        found.sort();
        found
    }

    /// Of what [`Standing::changes`] gave, in any order.
    pub fn from_changes(changes: impl IntoIterator<Item = Path>) -> Standing {
        let mut changes: Vec<Path> = changes.into_iter().collect();
        changes.sort();
        changes.dedup();
        let mut root = Standing::default();
        for path in &changes {
            let mut at = &mut root;
            for key in path.segments() {
                let alone = at.alone;
                at = at.below.entry(key.clone()).or_insert_with(|| Standing { alone, below: BTreeMap::new() });
            }
            at.alone = !at.alone;
        }
        root
    }
}

/// [`Standing`] as seen from one place of a covering assertion.
#[derive(Clone, Copy)]
pub(super) struct Stands<'a> {
    pub(super) alone: bool,
    below: Option<&'a BTreeMap<Str, Standing>>,
}

impl<'a> Stands<'a> {
    /// Every map of a write was asserted.
    pub(super) const ASSERTED: Stands<'static> = Stands { alone: true, below: None };

    pub(super) fn of(standing: &'a Standing) -> Stands<'a> {
        Stands { alone: standing.alone, below: Some(&standing.below).filter(|below| !below.is_empty()) }
    }

    pub(super) fn child(self, key: &str) -> Stands<'a> {
        match self.below.and_then(|below| below.get(key)) {
            Some(child) => Stands::of(child),
            None => Stands { alone: self.alone, below: None },
        }
    }

    fn to_standing(self) -> Standing {
        Standing { alone: self.alone, below: self.below.cloned().unwrap_or_default() }
    }
}

/// What settling dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The assertions that were held.
    pub dropped: Vec<Arc<Assertion>>,
    /// The disagreements that a rule had decided: the last chance to write down what lost.
    pub decided: Vec<Disagreement>,
}

/// The assertion of a base, which comes before every other: every version vector contains its dot.
pub(super) fn ground(path: Path, claim: Claim, edits: BTreeMap<Kind, Operation>) -> Arc<Assertion> {
    Arc::new(Assertion {
        dot: Dot { replica: ReplicaId::from_bytes([0; 16]), seq: 0 },
        context: Arc::default(),
        stamp: Stamp::default(),
        tag: Tag::LastWriteWins,
        path,
        claim,
        edits,
        policy: 0,
        fence: 0,
        added: Vec::new(),
        removed: Vec::new(),
        previous: None,
        meanwhile: Meanwhile::Last,
        user: None,
        message: None,
        run: None,
    })
}

impl Assertion {
    /// Whether it stands for a base, and is no write of anybody.
    pub(super) fn is_ground(&self) -> bool {
        self.dot.seq == 0
    }
}

fn unsettling() -> Error {
    Error::new(Code::Internal, "dropping the history would change the document; it is kept")
        .with_hint("please report this with the log")
}

/// How many entries all maps in a value have.
fn entries(value: &Value) -> usize {
    value.as_map().map_or(0, |map| map.values().map(|child| 1 + entries(child)).sum())
}

impl Replica {
    /// What it settled to; none before it first did.
    pub fn base(&self) -> Option<&Base> {
        self.base.as_deref()
    }

    /// Whether every write that is still to come will have seen all that this replica has, given what the other members
    /// last said that they have on disk: then it may settle.
    ///
    /// That is so where every member has all of this, and has written nothing since that is not here.
    pub fn may_settle(&self, acknowledged: &BTreeMap<ReplicaId, VersionVector>) -> bool {
        let mut members = self.members().peekable();
        self.settles() && members.peek().is_some() && !members.any(|member| self.is_held_up_by(member, acknowledged))
    }

    /// Whether a member has yet to say that it has all of this, and nothing else.
    pub fn is_held_up_by(&self, member: ReplicaId, acknowledged: &BTreeMap<ReplicaId, VersionVector>) -> bool {
        let own = self.seen.seq(member);
        // A writer that is unknown here is a member under a name that it has just taken: it may not have seen all of this.
        let is_known = |(author, seq): (ReplicaId, u64)| self.is_member(author) || seq <= self.seen.seq(author);
        let agrees =
            |seen: &VersionVector| seen.includes(&self.seen) && seen.seq(member) == own && seen.iter().all(is_known);
        member != self.id && !acknowledged.get(&member).is_some_and(agrees)
    }

    /// Drops the history; `view` is the current document, which the base shares. The caller vouches that
    /// [`Replica::may_settle`], or that another replica which had seen exactly the same has settled.
    ///
    /// # Errors
    /// [`Code::Internal`] where the document is another one or would change, which no history may lead to; nothing is
    /// dropped then.
    pub fn settle(&mut self, view: &View) -> Result<Settled> {
        if self.view() != *view {
            return Err(unsettling());
        }
        let (open, decided) = view.disagreements.iter().cloned().partition(Disagreement::is_open);
        let mut sequences: BTreeMap<Path, BTreeMap<Kind, Value>> = BTreeMap::new();
        for path in self.sequences.keys() {
            for kind in [Kind::List, Kind::Text] {
                let content = self.sequence(path, kind);
                if !content.is_empty() {
                    sequences.entry(path.clone()).or_default().insert(kind, content.to_value());
                }
            }
        }
        let base = Base {
            floor: self.seen.clone(),
            standing: self.standing(&view.value),
            document: view.value.clone(),
            sequences,
            notes: self.notes().clone(),
            open,
        };
        let mut settled = self.clone();
        settled.stand_on(Arc::new(base));
        let after = settled.view();
        let before = settled.base.as_ref().map(|base| (&base.document, &base.open));
        if before != Some((&after.value, &after.disagreements)) || settled.notes() != self.notes() {
            return Err(unsettling());
        }
        let dropped = self.live().cloned().collect();
        *self = settled;
        Ok(Settled { dropped, decided })
    }

    /// Replaces everything that is held by a base.
    pub(super) fn stand_on(&mut self, base: Arc<Base>) {
        self.live.clear();
        self.reserved.clear();
        self.sequences.clear();
        self.by_author.clear();
        for (path, kinds) in &base.sequences {
            let content = |value: &Value| Content::of(value).map(|content| Operation::insert(0, content));
            let edits = kinds.iter().filter_map(|(kind, value)| Some((*kind, content(value)?))).collect();
            let edit = ground(path.clone(), Claim::Nothing, edits);
            self.sequences.entry(path.clone()).or_default().insert(edit.dot, edit);
        }
        self.ground = Some(ground(Path::root(), Claim::Value(base.document.clone()), BTreeMap::new()));
        self.seen.join(&base.floor);
        self.settled_entries = entries(&base.document);
        self.base = Some(base);
        self.read_notes();
    }

    /// Open conflicts of the base that no write has touched since.
    pub(super) fn still_open(&self) -> impl Iterator<Item = &Disagreement> {
        let open = self.base.iter().flat_map(|base| &base.open);
        open.filter(|disagreement| self.is_still_open(disagreement))
    }

    /// Whether no live assertion lies at, above or below a disagreement of the base.
    pub(super) fn is_still_open(&self, disagreement: &Disagreement) -> bool {
        !self.is_touched(&disagreement.path)
    }

    /// Whether a live assertion lies at, above or below a path.
    fn is_touched(&self, path: &Path) -> bool {
        self.live.above(path).chain(self.live.from(path)).next().is_some()
    }

    /// Which maps of its document were asserted.
    fn standing(&self, document: &Value) -> Standing {
        let all: Vec<&Assertion> = self.ground.iter().chain(self.live.iter()).map(Arc::as_ref).collect();
        let sequences = self.claimed(self.live.iter());
        let reader = self.reader(&sequences);
        document.as_map().map(|map| reader.standing(0, map, Vec::new(), &all)).unwrap_or_default()
    }
}

impl<'a> Reader<'a> {
    /// As [`Reader::node`], for a place at a depth that holds this map.
    fn standing(&self, depth: usize, map: &Map, mut cover: Vec<Covering<'a>>, below: &[&'a Assertion]) -> Standing {
        let here = below.partition_point(|a| a.path.len() <= depth);
        let (here, strict) = below.split_at_checked(here).unwrap_or((&[], below));
        cover.extend(here.iter().map(|a| self.covering(a)));
        let cover = maximal(cover);
        if strict.is_empty()
            && let [only] = cover.as_slice()
        {
            return only.stands.to_standing();
        }
        let outcome = self.resolve(&cover);
        let alone = outcome.and_then(|o| o.value).is_some_and(|value| value.as_map().is_some());
        let mut found = Standing { alone, below: BTreeMap::new() };
        for (key, value) in map.iter() {
            let Some(child) = value.as_map() else { continue };
            let is_before = |a: &&Assertion| a.path.segments().get(depth).is_some_and(|s| compare_keys(s, key).is_lt());
            let first = strict.partition_point(is_before);
            let rest = strict.get(first..).unwrap_or_default();
            let mine = rest.partition_point(|a| a.path.segments().get(depth) == Some(key));
            let mine = rest.get(..mine).unwrap_or_default();
            let above = cover.iter().map(|c| c.child(key)).collect();
            let standing = self.standing(depth + 1, child, above, mine);
            if standing.alone != alone || !standing.below.is_empty() {
                found.below.insert(key.clone(), standing);
            }
        }
        found
    }
}
