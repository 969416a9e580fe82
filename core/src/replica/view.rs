//! The document as a pure function of the live assertions.
//!
//! The tree rule: a path is a map if any child survives; otherwise the assertions that cover it decide. Children are
//! decided first, each by the assertions at or above it, so a subtree write and a concurrent write below it both take
//! part. A subtree that one assertion alone decides is returned as it was written, sharing its storage.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::places::Place;
use super::settle::{Standing, Stands, ground};
use super::{Assertion, Claim, Links, Lost, Replica};
use crate::canonical::{ContentHash, content_hash};
use crate::clock::{Dot, Stamp};
use crate::conflict::{Candidate, Outcome, Tag, resolve};
use crate::limits::RESERVED_KEY;
use crate::path::Path;
use crate::sequence::Kind;
use crate::value::{Map, MapBuilder, Str, Value};

/// The document with what its writers disagree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The document: always a map.
    pub value: Value,
    /// Paths with concurrent writes of different values, by path.
    pub disagreements: Vec<Disagreement>,
}

/// Concurrent writes of one path: nothing that loses is dropped silently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// Where.
    pub path: Path,
    /// The rule that decided.
    pub tag: Tag,
    /// The sides, the one in force first (none is where a value computed from all, or a map written below, took their
    /// place), the others newest first.
    pub sides: Vec<Side>,
}

impl Disagreement {
    /// Names the disagreement by its path and its writes: the same on every replica that holds the same sides.
    pub fn id(&self) -> ContentHash {
        let mut dots: Vec<Dot> = self.sides.iter().map(|side| side.dot).collect();
        dots.sort();
        let dots: Vec<Value> = dots.iter().map(|dot| format!("{dot:?}").into()).collect();
        content_hash(&vec![self.path.to_pointer().into(), dots.into()].into())
    }

    /// Whether somebody has to decide. A write by somebody who saw all sides settles it; one who saw only some leaves
    /// the others open.
    pub fn is_open(&self) -> bool {
        self.tag == Tag::Manual
    }
}

/// One side of a [`Disagreement`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The write.
    pub dot: Dot,
    /// Its stamp.
    pub stamp: Stamp,
    /// Its value; `None` where it removed the path.
    pub value: Option<Value>,
    /// Whether it is what the document shows.
    pub in_force: bool,
    /// The person that it was written for.
    pub user: Option<Str>,
    /// Of a conditional write: where it is in force its run, itself included; else what of that the one in force does not
    /// hold, and no side before.
    pub updates: Links,
}

impl Side {
    /// How many conditional writes are lost with it.
    pub fn lost(&self) -> Lost {
        if self.in_force { Lost::default() } else { self.updates.count() }
    }
}

/// An assertion above or at a place, with what it says of that place.
#[derive(Clone, Copy)]
pub(super) struct Covering<'a> {
    by: &'a Assertion,
    value: Option<&'a Value>,
    /// What its author saw there before.
    previous: Option<&'a Value>,
    /// Whether it names this very place, and not one above.
    is_here: bool,
    /// Whether it asserts the map that it has there: a base also has maps that exist only through what is in them.
    pub(super) stands: Stands<'a>,
}

impl<'a> Covering<'a> {
    /// What it says of a child.
    pub(super) fn child(&self, key: &str) -> Covering<'a> {
        let of = |value: Option<&'a Value>| value.and_then(Value::as_map).and_then(|map| map.get(key));
        let stands = self.stands.child(key);
        Covering { by: self.by, value: of(self.value), previous: of(self.previous), is_here: false, stands }
    }

    /// Whether it says anything of the place itself.
    fn speaks(&self) -> bool {
        self.stands.alone || self.value.is_none_or(|v| v.as_map().is_none())
    }

    pub(super) fn is_scalar(&self) -> bool {
        self.value.is_some_and(|v| v.as_map().is_none())
    }

    fn candidate(&self, empty: &'a Value) -> Candidate<'a> {
        // Maps agree as such: what differs inside them is decided at their children.
        let outline = |value: &'a Value| if value.as_map().is_some() { empty } else { value };
        let own = |items: &'a [Value]| if self.is_here { items } else { &[] };
        Candidate {
            policy: self.by.policy,
            fence: self.by.fence,
            is_removal: self.by.claim == Claim::Absent,
            added: own(&self.by.added),
            removed: own(&self.by.removed),
            previous: self.previous.map(outline),
            meanwhile: self.by.meanwhile,
            user: self.by.user.as_ref(),
            ..Candidate::new(self.by.dot, self.by.stamp, self.by.tag, self.value.map(outline))
        }
    }
}

/// The values of the sequences that something claims.
pub(super) type Sequences = BTreeMap<Path, BTreeMap<Kind, Value>>;

/// Where a reader is. It becomes a path only where one is needed.
#[derive(Clone, Copy)]
pub(super) enum Trail<'t> {
    Root,
    Below(&'t Trail<'t>, &'t Str),
}

impl Trail<'_> {
    fn to_path(self) -> Path {
        let mut segments = Vec::new();
        let mut trail = self;
        while let Trail::Below(above, key) = trail {
            segments.push(key.clone());
            trail = *above;
        }
        segments.into_iter().rev().collect()
    }
}

/// Decides places.
pub(super) struct Reader<'a> {
    sequences: &'a Sequences,
    /// Of the base.
    standing: Option<&'a Standing>,
    empty: Value,
}

impl Replica {
    /// Computes the document.
    pub fn view(&self) -> View {
        let sequences = self.claimed(self.live.iter());
        let reader = self.reader(&sequences);
        let mut disagreements: Vec<Disagreement> = self.still_open().cloned().collect();
        let cover = self.ground.iter().map(|ground| reader.covering(ground)).collect();
        let value = reader.node(&Trail::Root, cover, Some(self.live.root()), &mut disagreements);
        disagreements.sort_by(|a: &Disagreement, b| a.path.cmp(&b.path));
        let value = value.filter(|v| v.as_map().is_some()).unwrap_or_else(Value::empty_map);
        View { value, disagreements }
    }

    /// What the reserved tree comes to, on top of what it had settled to.
    pub(super) fn notes_of(&self, settled: Option<Value>) -> Value {
        let sequences = Sequences::new();
        // Notes are leaves: no map of them is asserted by itself.
        let standing = Standing::default();
        let reader = Reader { sequences: &sequences, standing: Some(&standing), empty: Value::empty_map() };
        let settled = settled.map(|notes| [(RESERVED_KEY, notes)].into_iter().collect());
        let ground = settled.map(|all| ground(Path::root(), Claim::Value(all), BTreeMap::new()));
        let cover = ground.iter().map(|ground| reader.covering(ground)).collect();
        let notes = reader.node(&Trail::Root, cover, Some(self.reserved.root()), &mut Vec::new());
        notes.and_then(|all| all.child(RESERVED_KEY).cloned()).unwrap_or_else(Value::empty_map)
    }

    /// Whether the live assertions at and above a path make it a map, whatever lies below.
    pub(super) fn holds_map(&self, path: &Path) -> bool {
        let above = self.live.above(path).chain(self.live.at(path));
        let above: Vec<&Arc<Assertion>> = self.ground.iter().chain(above).collect();
        let sequences = self.claimed(above.iter().copied());
        let reader = self.reader(&sequences);
        let cover = above.iter().map(|by| {
            let rest = path.segments().iter().skip(by.path.len());
            rest.fold(reader.covering(by), |covering, key| covering.child(key))
        });
        let outcome = reader.resolve(&maximal(cover.collect()));
        outcome.and_then(|o| o.value).is_some_and(|v| v.as_map().is_some())
    }

    pub(super) fn reader<'a>(&'a self, sequences: &'a Sequences) -> Reader<'a> {
        let standing = self.base.as_deref().map(|base| &base.standing);
        Reader { sequences, standing, empty: Value::empty_map() }
    }

    pub(super) fn claimed<'a>(&self, assertions: impl Iterator<Item = &'a Arc<Assertion>>) -> Sequences {
        let mut sequences = Sequences::new();
        for assertion in assertions {
            if let Claim::Sequence(kind) = assertion.claim {
                let here = sequences.entry(assertion.path.clone()).or_default();
                here.entry(kind).or_insert_with(|| self.sequence(&assertion.path, kind).to_value());
            }
        }
        sequences
    }
}

/// Those that no other one speaks in the place of.
pub(super) fn maximal(cover: Vec<Covering<'_>>) -> Vec<Covering<'_>> {
    if cover.len() < 2 {
        return cover;
    }
    let mut kept = cover.clone();
    kept.retain(|old| !cover.iter().any(|new| old.by.yields_to(new.by)));
    kept
}

impl<'a> Reader<'a> {
    /// What an assertion says of its own path.
    pub(super) fn covering(&self, by: &'a Assertion) -> Covering<'a> {
        let value = match &by.claim {
            Claim::Value(value) => Some(value),
            Claim::Sequence(kind) => self.sequences.get(&by.path).and_then(|here| here.get(kind)),
            Claim::Absent | Claim::Nothing => None,
        };
        let stands = self.standing.filter(|_| by.is_ground()).map_or(Stands::ASSERTED, Stands::of);
        Covering { by, value, previous: by.previous.as_ref(), is_here: true, stands }
    }

    /// What the assertions that cover a place come to there, whatever lies below.
    pub(super) fn resolve(&self, cover: &[Covering<'a>]) -> Option<Outcome> {
        resolve(&self.candidates(cover))
    }

    fn candidates<'s>(&'s self, cover: &[Covering<'s>]) -> Vec<Candidate<'s>> {
        cover.iter().filter(|c| c.speaks()).map(|c| c.candidate(&self.empty)).collect()
    }

    /// The value at a place, given the assertions above it (`cover`) and those at or below it.
    pub(super) fn node(
        &self,
        trail: &Trail<'_>,
        mut cover: Vec<Covering<'a>>,
        place: Option<&'a Place>,
        found: &mut Vec<Disagreement>,
    ) -> Option<Value> {
        cover.extend(place.map_or(&[][..], Place::here).iter().map(|a| self.covering(a)));
        let cover = maximal(cover);
        let strict = place.filter(|place| !place.is_leaf());

        if strict.is_none()
            && let [only] = cover.as_slice()
        {
            return only.value.cloned();
        }

        let children = self.children(trail, &cover, strict, found);
        self.decide(trail, &cover, children, strict, found)
    }

    /// The value at a place, given its surviving children, what covers it and the place where more lies strictly below.
    pub(super) fn decide(
        &self,
        trail: &Trail<'_>,
        cover: &[Covering<'a>],
        children: Map,
        strict: Option<&'a Place>,
        found: &mut Vec<Disagreement>,
    ) -> Option<Value> {
        if !children.is_empty() && !cover.iter().any(Covering::is_scalar) {
            if cover.len() > 1 && cover.iter().any(|c| c.is_here && c.by.run.is_some()) {
                self.note_equal_maps(trail, cover, strict, found);
            }
            return Some(Value::Map(children));
        }
        let candidates = self.candidates(cover);
        let outcome = resolve(&candidates);
        if let Some(outcome) = &outcome {
            note_disagreement(trail, (&candidates, cover), outcome, !children.is_empty(), strict, found);
        }
        if !children.is_empty() {
            return Some(Value::Map(children));
        }
        let winner = outcome?.value?;
        // A scalar that someone turned into a map, which was emptied since, does not come back.
        let mut scalars = cover.iter().filter(|c| c.is_scalar());
        let outgrown = winner.as_map().is_none() && scalars.all(|old| any_below(strict, |new| old.by.is_before(new)));
        (!outgrown).then_some(winner)
    }

    /// Lists conditional writes of one and the same map: what differs shows at the children, and here nothing does.
    fn note_equal_maps(
        &self,
        trail: &Trail<'_>,
        cover: &[Covering<'a>],
        strict: Option<&'a Place>,
        found: &mut Vec<Disagreement>,
    ) {
        let Some(outcome) = self.resolve(cover) else { return };
        let winner = cover.iter().find(|c| c.is_here && outcome.winner == Some(c.by.dot));
        let Some(winner) = winner else { return };
        let equal: Vec<Covering<'a>> = cover
            .iter()
            .filter(|c| c.by.dot == winner.by.dot || (c.is_here && c.by.run.is_some() && c.value == winner.value))
            .copied()
            .collect();
        let candidates: Vec<Candidate<'a>> =
            equal.iter().map(|c| Candidate::new(c.by.dot, c.by.stamp, c.by.tag, c.value)).collect();
        note_disagreement(trail, (&candidates, &equal), &outcome, false, strict, found);
    }

    /// The surviving children: of every key that a covering map holds or an assertion below names.
    fn children(
        &self,
        trail: &Trail<'_>,
        cover: &[Covering<'a>],
        strict: Option<&'a Place>,
        found: &mut Vec<Disagreement>,
    ) -> Map {
        let maps = cover.iter().filter_map(|c| c.value.and_then(Value::as_map));
        let mut keys: Vec<&Str> = maps.flat_map(Map::keys).collect();
        let is_sorted = keys.is_empty() || strict.is_none() && cover.len() == 1;
        keys.extend(strict.into_iter().flat_map(Place::children).map(|(key, _)| key));
        if !is_sorted {
            keys.sort_by(|a, b| crate::value::compare_keys(a, b));
            keys.dedup();
        }

        let mut builder = MapBuilder::with_capacity(keys.len());
        let mut places = strict.into_iter().flat_map(Place::children).peekable();
        for key in keys {
            let place = places.next_if(|(next, _)| *next == key).map(|(_, place)| place);
            // The common cases, kept free of allocations: one assertion decides, nothing lies further below.
            let child = match (cover, place) {
                ([only], None) => only.child(key).value.cloned(),
                (_, Some(place)) if place.is_leaf() && self.is_alone(place, cover) => {
                    place.here().first().and_then(|only| self.covering(only).value).cloned()
                }
                _ => {
                    let above = cover.iter().map(|c| c.child(key)).collect();
                    self.node(&Trail::Below(trail, key), above, place, found)
                }
            };
            if let Some(child) = child {
                builder.push_ascending(key.clone(), child);
            }
        }
        builder.build()
    }

    /// Whether one assertion speaks at a place in the stead of all others there and above.
    fn is_alone(&self, place: &Place, cover: &[Covering<'a>]) -> bool {
        let [only] = place.here() else { return false };
        cover.iter().all(|above| above.by.yields_to(only))
    }
}

/// Whether any assertion strictly below a place is so.
fn any_below(place: Option<&Place>, is_so: impl Fn(&Assertion) -> bool) -> bool {
    place.is_some_and(|place| place.strictly_below().any(|below| is_so(below)))
}

/// Lists the sides where they differ. Maps agree as such: what differs inside them shows at their children. A scalar that
/// lost to children written beside it is listed too, unless their author had seen it. Who saw all sides and wrote below the
/// place has decided.
///
/// Equal values are no disagreement, except of conditional writes: each is an update of what was there before, and one of
/// them is lost.
fn note_disagreement(
    trail: &Trail<'_>,
    (candidates, cover): (&[Candidate<'_>], &[Covering<'_>]),
    outcome: &Outcome,
    has_children: bool,
    strict: Option<&Place>,
    found: &mut Vec<Disagreement>,
) {
    let is_map = |c: &Candidate<'_>| c.value.is_some_and(|v| v.as_map().is_some());
    let mut sides: Vec<&Candidate<'_>> = candidates.iter().collect();
    if has_children {
        sides.retain(|c| c.value.is_some() && !is_map(c) && !any_below(strict, |new| new.context.contains(c.dot)));
    } else if candidates.windows(2).all(|pair| matches!(pair, [a, b] if a.value == b.value)) {
        let Some(winner) = cover.iter().find(|c| outcome.winner == Some(c.by.dot)) else { return };
        // What maps hold differently is told there.
        let is_same = |c: &Covering<'_>| c.is_here && c.value == winner.value;
        if !cover.iter().any(|c| is_same(c) && !c.by.unseen_by(winner.by).is_empty()) {
            return;
        }
    }
    if sides.is_empty() || any_below(strict, |new| sides.iter().all(|side| new.context.contains(side.dot))) {
        return;
    }
    let in_force = |c: &Candidate<'_>| !has_children && outcome.winner == Some(c.dot);
    sides.sort_by_key(|c| (std::cmp::Reverse(in_force(c)), std::cmp::Reverse((c.stamp, c.dot))));
    let mut counted = Links::default();
    let side = |c: &Candidate<'_>| {
        let updates = match in_force(c) {
            true => cover.iter().find(|by| by.by.dot == c.dot).map(|by| by.by.updates()).unwrap_or_default(),
            false => lost(c.dot, cover, outcome, strict.filter(|_| has_children)).without(&counted),
        };
        counted.add_all(&updates);
        Side {
            dot: c.dot,
            stamp: c.stamp,
            value: c.value.cloned(),
            in_force: in_force(c),
            user: c.user.cloned(),
            updates,
        }
    };
    let sides = sides.into_iter().map(side).collect();
    found.push(Disagreement { path: trail.to_path(), tag: outcome.tag, sides });
}

/// The conditional writes that are lost with a side: nothing where the value in force was computed of all. `took` is the
/// place where children took the place of the sides.
fn lost(side: Dot, cover: &[Covering<'_>], outcome: &Outcome, took: Option<&Place>) -> Links {
    let by = |dot: Dot| cover.iter().find(|c| c.by.dot == dot).map(|c| c.by);
    let Some(side) = by(side).filter(|side| side.run.is_some()) else { return Links::default() };
    match took {
        Some(place) => side.unseen_below(place),
        None => outcome.winner.and_then(by).map(|winner| side.unseen_by(winner)).unwrap_or_default(),
    }
}
