//! The document as a pure function of the live assertions.
//!
//! The tree rule: a path is a map if any child survives; otherwise the assertions that cover it decide. Children are
//! decided first, each by the assertions at or above it, so a subtree write and a concurrent write below it both take
//! part. A subtree that one assertion alone decides is returned as it was written, sharing its storage.

use std::sync::Arc;

use super::{Assertion, Replica};
use crate::clock::{Dot, Stamp};
use crate::conflict::{Candidate, resolve};
use crate::path::Path;
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
    /// The sides, the one in force first (none is where a map written below took their place), the others newest first.
    pub sides: Vec<Side>,
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
}

/// An assertion above or at a place, with the value that it gives to that place.
type Cover<'a> = Vec<(&'a Assertion, Option<&'a Value>)>;

impl Replica {
    /// Computes the document.
    pub fn view(&self) -> View {
        let all: Vec<&Assertion> = self.live().map(Arc::as_ref).collect();
        let mut disagreements = Vec::new();
        let value = node(&Path::root(), Vec::new(), &all, &mut disagreements);
        disagreements.sort_by(|a: &Disagreement, b| a.path.cmp(&b.path));
        let value = value.filter(|v| v.as_map().is_some()).unwrap_or_else(Value::empty_map);
        View { value, disagreements }
    }
}

/// The value at `path`, given the assertions above it (`cover`) and those at or below it (`below`, by path).
fn node(path: &Path, cover: Cover<'_>, below: &[&Assertion], found: &mut Vec<Disagreement>) -> Option<Value> {
    let here = below.partition_point(|a| a.path.len() <= path.len());
    let (here, strict) = below.split_at_checked(here).unwrap_or((&[], below));
    let mut cover = cover;
    cover.extend(here.iter().map(|a| (*a, a.value.as_ref())));
    let all = cover.clone();
    cover.retain(|(old, _)| !all.iter().any(|(new, _)| old.is_before(new)));

    if strict.is_empty()
        && let [(_, only)] = cover.as_slice()
    {
        return only.cloned();
    }

    let empty = Value::empty_map();
    let candidates: Vec<Candidate<'_>> = cover
        .iter()
        .map(|(a, value)| {
            Candidate::new(a.dot, a.stamp, a.tag, value.map(|v| if v.as_map().is_some() { &empty } else { v }))
        })
        .collect();
    let outcome = resolve(&candidates);
    let winner = outcome.as_ref().and_then(|o| o.winner).and_then(|dot| candidates.iter().find(|c| c.dot == dot));

    let children = children(path, &cover, strict, found);
    note_disagreement(path, &candidates, winner, (!children.is_empty()).then_some(strict), found);
    if !children.is_empty() {
        return Some(Value::Map(children));
    }
    let winner = winner?.value?;
    let is_map = winner.as_map().is_some();
    // A scalar that someone turned into a map, which was emptied since, does not come back.
    let outgrown = !is_map
        && cover
            .iter()
            .filter(|(_, value)| value.is_some_and(|v| v.as_map().is_none()))
            .all(|(old, _)| strict.iter().any(|new| old.is_before(new)));
    (!outgrown).then(|| winner.clone())
}

/// The surviving children: of every key that a covering map holds or an assertion below names.
fn children(path: &Path, cover: &Cover<'_>, strict: &[&Assertion], found: &mut Vec<Disagreement>) -> Map {
    let maps: Vec<&Map> = cover.iter().filter_map(|(_, value)| value.and_then(Value::as_map)).collect();
    let depth = path.len();
    let segment = |a: &Assertion| a.path.segments().get(depth).cloned();
    let mut keys: Vec<Str> = maps.iter().flat_map(|map| map.keys().cloned()).collect();
    keys.extend(strict.iter().filter_map(|a| segment(a)));
    keys.sort_by(|a, b| crate::value::compare_keys(a, b));
    keys.dedup();

    let mut builder = MapBuilder::with_capacity(keys.len());
    let mut rest = strict;
    for key in keys {
        let mine = rest.partition_point(|a| segment(a).is_some_and(|s| s == key));
        let (below, after) = rest.split_at_checked(mine).unwrap_or((rest, &[]));
        rest = after;
        let above: Cover<'_> =
            cover.iter().map(|(a, v)| (*a, v.and_then(|v| v.as_map()).and_then(|map| map.get(&key)))).collect();
        // The common case, kept free of path building: one assertion decides, nothing lies below.
        let child = match above.as_slice() {
            [(_, only)] if below.is_empty() => only.cloned(),
            _ => node(&path.child(&key), above, below, found),
        };
        if let Some(child) = child {
            builder.push(key, child);
        }
    }
    builder.build()
}

/// Lists the sides where they differ. Maps agree as such: what differs inside them shows at their children. A scalar that
/// lost to children written beside it is listed too, unless their author had seen it.
fn note_disagreement(
    path: &Path,
    candidates: &[Candidate<'_>],
    winner: Option<&Candidate<'_>>,
    children: Option<&[&Assertion]>,
    found: &mut Vec<Disagreement>,
) {
    let is_map = |c: &Candidate<'_>| c.value.is_some_and(|v| v.as_map().is_some());
    let mut sides: Vec<&Candidate<'_>> = candidates.iter().collect();
    if let Some(strict) = children {
        sides.retain(|c| c.value.is_some() && !is_map(c) && !strict.iter().any(|new| new.context.contains(c.dot)));
    } else if !candidates.iter().any(|c| c.value != winner.and_then(|w| w.value)) {
        return;
    }
    if sides.is_empty() {
        return;
    }
    let in_force = |c: &Candidate<'_>| children.is_none() && winner.is_some_and(|w| w.dot == c.dot);
    sides.sort_by_key(|c| (std::cmp::Reverse(in_force(c)), std::cmp::Reverse((c.stamp, c.dot))));
    let side = |c: &Candidate<'_>| Side { dot: c.dot, stamp: c.stamp, value: c.value.cloned(), in_force: in_force(c) };
    found.push(Disagreement { path: path.clone(), sides: sides.into_iter().map(side).collect() });
}
