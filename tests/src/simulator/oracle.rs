//! The document by brute force: computed from every write that was ever made, none of them pruned or settled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use confmesh::clock::{Dot, VersionVector};
use confmesh::conflict::Tag;
use confmesh::replica::{Assertion, Claim, Disagreement};
use confmesh::sequence::Kind;
use confmesh::value::Str;
use confmesh::{Path, Value};

use super::sequences;
use super::strategies::{Side, resolve};

/// Where writers disagree: the rule, and the sides with their values.
pub(crate) type Conflicts = BTreeMap<Path, (Tag, BTreeMap<Dot, Option<Value>>)>;

/// What the document has to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) value: Value,
    pub(crate) conflicts: Conflicts,
}

/// The engine's list in the oracle's form.
pub(crate) fn listed(disagreements: &[Disagreement]) -> Conflicts {
    let sides = |d: &Disagreement| d.sides.iter().map(|side| (side.dot, side.value.clone())).collect();
    disagreements.iter().map(|d| (d.path.clone(), (d.tag, sides(d)))).collect()
}

/// Who dropped the history up to `floor` lists no more what rules had decided in it; what people have to decide stays.
pub(crate) fn still_listed(conflicts: &Conflicts, floor: &VersionVector) -> Conflicts {
    let is_gone =
        |tag: Tag, sides: &BTreeMap<Dot, _>| tag != Tag::Manual && sides.keys().all(|dot| floor.contains(*dot));
    conflicts.iter().filter(|(_, (tag, sides))| !is_gone(*tag, sides)).map(|(p, c)| (p.clone(), c.clone())).collect()
}

/// What an assertion says of one place.
#[derive(Clone)]
struct Speaker<'a> {
    by: &'a Assertion,
    value: Option<Value>,
    previous: Option<Value>,
    is_here: bool,
}

struct Reader<'a> {
    history: &'a [Arc<Assertion>],
    conflicts: Conflicts,
}

/// Whether `newer` speaks wherever both do: it saw the other, or is the deeper part of the same write.
pub(crate) fn replaces(newer: &Assertion, older: &Assertion) -> bool {
    newer.context.contains(older.dot) || (newer.dot == older.dot && newer.path.len() > older.path.len())
}

/// Evaluates all of these writes.
pub(crate) fn evaluate(history: &[Arc<Assertion>]) -> Expected {
    let mut reader = Reader { history, conflicts: Conflicts::new() };
    let claims: Vec<&Assertion> = history.iter().map(Arc::as_ref).filter(|a| a.claim != Claim::Nothing).collect();
    let value = reader.node(&Path::root(), Vec::new(), &claims);
    let value = value.filter(is_map).unwrap_or_else(Value::empty_map);
    Expected { value, conflicts: reader.conflicts }
}

fn is_map(value: &Value) -> bool {
    value.as_map().is_some()
}

fn flat(value: &Option<Value>) -> Option<Value> {
    value.as_ref().map(|value| if is_map(value) { Value::empty_map() } else { value.clone() })
}

impl<'a> Reader<'a> {
    fn speaker(&self, by: &'a Assertion) -> Speaker<'a> {
        let sequence = |kind: Kind| sequences::value(self.history, &by.path, kind);
        let value = match &by.claim {
            Claim::Value(value) => Some(value.clone()),
            Claim::Sequence(kind) => Some(sequence(*kind)),
            Claim::Absent | Claim::Nothing => None,
        };
        Speaker { by, value, previous: by.previous.clone(), is_here: true }
    }

    fn node(&mut self, path: &Path, mut cover: Vec<Speaker<'a>>, below: &[&'a Assertion]) -> Option<Value> {
        let here: Vec<&'a Assertion> = below.iter().copied().filter(|a| a.path == *path).collect();
        cover.extend(here.into_iter().map(|a| self.speaker(a)));
        let all = cover.clone();
        cover.retain(|old| !all.iter().any(|new| replaces(new.by, old.by)));
        let strict: Vec<&'a Assertion> = below.iter().copied().filter(|a| a.path.len() > path.len()).collect();

        let mut keys: BTreeSet<Str> = strict.iter().map(|a| a.path.segments()[path.len()].clone()).collect();
        for speaker in &cover {
            keys.extend(speaker.value.as_ref().and_then(Value::as_map).into_iter().flat_map(|map| map.keys().cloned()));
        }
        let mut children = BTreeMap::new();
        for key in keys {
            let of =
                |value: &Option<Value>| value.as_ref().and_then(Value::as_map).and_then(|map| map.get(&key)).cloned();
            let above = cover
                .iter()
                .map(|s| Speaker { by: s.by, value: of(&s.value), previous: of(&s.previous), is_here: false })
                .collect();
            let under: Vec<&'a Assertion> =
                strict.iter().copied().filter(|a| a.path.segments()[path.len()] == key).collect();
            if let Some(child) = self.node(&path.child(&key), above, &under) {
                children.insert(key, child);
            }
        }

        let sides: Vec<Side> = cover.iter().map(side).collect();
        let outcome = resolve(&sides);
        if let Some((tag, _)) = &outcome {
            self.note(path, *tag, (&sides, &cover), &strict, !children.is_empty());
        }
        if !children.is_empty() {
            return Some(children.into_iter().collect());
        }
        let winner = outcome?.1?;
        let mut scalars = cover.iter().filter(|s| s.value.as_ref().is_some_and(|value| !is_map(value)));
        let is_outgrown =
            !is_map(&winner) && scalars.all(|old| strict.iter().any(|new| new.context.contains(old.by.dot)));
        (!is_outgrown).then_some(winner)
    }

    /// A place where sides differ; where children took the place, the scalars that their authors had not seen.
    fn note(
        &mut self,
        path: &Path,
        tag: Tag,
        (sides, cover): (&[Side], &[Speaker<'_>]),
        strict: &[&Assertion],
        has_children: bool,
    ) {
        let is_scalar = |side: &Side| side.value.as_ref().is_some_and(|value| !is_map(value));
        let updates = same_updates(sides, cover, has_children);
        if has_children && !sides.iter().any(is_scalar) {
            // Maps agree as such, but of two that were written for one version one is lost.
            let is_decided = strict.iter().any(|new| updates.keys().all(|dot| new.context.contains(*dot)));
            if !updates.is_empty() && !is_decided {
                self.conflicts.insert(path.clone(), (tag, updates));
            }
            return;
        }
        let lost: Vec<&Side> = sides
            .iter()
            .filter(|side| match &side.value {
                _ if !has_children => true,
                Some(value) => !is_map(value) && !strict.iter().any(|new| new.context.contains(side.dot)),
                None => false,
            })
            .collect();
        let differs = has_children || !updates.is_empty() || sides.iter().any(|side| side.value != sides[0].value);
        // Who saw all sides and wrote below has decided.
        let is_decided = strict.iter().any(|new| lost.iter().all(|side| new.context.contains(side.dot)));
        if differs && !is_decided && !lost.is_empty() {
            let sides = lost.into_iter().map(|side| (side.dot, side.value.clone())).collect();
            self.conflicts.insert(path.clone(), (tag, sides));
        }
    }
}

/// Equal values of which one at least is an update that the one in force does not hold; of maps the map itself.
fn same_updates(sides: &[Side], cover: &[Speaker<'_>], are_maps: bool) -> BTreeMap<Dot, Option<Value>> {
    let mut same = BTreeMap::new();
    let Some(last) = sides.iter().max_by_key(|side| side.rank()) else { return same };
    let Some(winner) = cover.iter().find(|speaker| speaker.by.dot == last.dot) else { return same };
    let is_list = |by: &Assertion| matches!(&by.claim, Claim::Value(value) if value.as_list().is_some());
    for other in cover.iter().filter(|other| other.by.dot != last.dot && other.by.run.is_some()) {
        let (one, two) = (other.by, winner.by);
        let both_stay = matches!(one.claim, Claim::Sequence(_)) && one.claim == two.claim
            || (is_list(one) && is_list(two) && one.tag == Tag::Merge && two.tag == Tag::Merge);
        let is_here = other.is_here && (winner.is_here || !are_maps);
        if !both_stay && is_here && other.value == winner.value && !sides.iter().any(|side| side.value != last.value) {
            same.insert(one.dot, other.value.clone());
        }
    }
    if !same.is_empty() {
        same.insert(last.dot, winner.value.clone());
    }
    same
}

fn side(speaker: &Speaker<'_>) -> Side {
    let own = |items: &[Value]| if speaker.is_here { items.to_vec() } else { Vec::new() };
    Side {
        dot: speaker.by.dot,
        stamp: speaker.by.stamp,
        fence: speaker.by.fence,
        policy: speaker.by.policy,
        tag: speaker.by.tag,
        value: flat(&speaker.value),
        is_removal: speaker.by.claim == Claim::Absent,
        added: own(&speaker.by.added),
        removed: own(&speaker.by.removed),
        previous: flat(&speaker.previous),
        meanwhile: speaker.by.meanwhile,
    }
}

/// What somebody accepted and nobody superseded, and that is neither shown nor listed.
pub(crate) fn silently_lost(history: &[Arc<Assertion>], value: &Value, conflicts: &Conflicts) -> Option<String> {
    for assertion in history {
        let Claim::Value(claimed) = &assertion.claim else { continue };
        let mut lost = None;
        claimed.for_each_leaf(&mut |below, leaf| {
            let place = assertion.path.join(below);
            let is_superseded = || {
                let mut others = history.iter().filter(|other| other.claim != Claim::Nothing);
                others.any(|other| {
                    replaces(other, assertion) && (place.starts_with(&other.path) || other.path.starts_with(&place))
                })
            };
            let is_listed = || conflicts.get(&place).is_some_and(|(_, sides)| sides.contains_key(&assertion.dot));
            let shown = value.at(&place);
            let is_shown = shown == Some(leaf) || (*leaf == Value::empty_map() && shown.is_some_and(is_map));
            if !is_shown && !is_superseded() && !is_listed() {
                lost = Some(format!("`{place}` = {leaf:?} of {:?}", assertion.dot));
            }
        });
        if lost.is_some() {
            return lost;
        }
    }
    None
}
