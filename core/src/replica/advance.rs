//! The next view from the last one, at the cost of what changed.
//!
//! Only the subtrees that a change names are decided anew, each below the same cover as before, and then whether the maps
//! above them still stand. What nobody shares of the last document is changed in place.

use std::sync::Arc;

use super::notes::is_reserved;
use super::places::Place;
use super::view::{Covering, Reader, Trail, maximal};
use super::{Assertion, Claim, Disagreement, Effect, Replica, View};
use crate::path::Path;
use crate::value::{Map, Str, Value};

/// Up to so many changed paths are always worth a partial computation.
const FEW: usize = 4;

impl Replica {
    /// The view after `effect`, which took place since `before` was this replica's view: equal to [`Replica::view`], and
    /// costs what the change touches.
    pub fn advance(&self, before: &View, effect: &Effect) -> View {
        let mut view = before.clone();
        self.advance_view(&mut view, effect);
        view
    }

    /// [`Replica::advance`] of a view itself.
    pub fn advance_view(&self, view: &mut View, effect: &Effect) {
        let Some(changed) = self.changed(effect) else {
            *view = self.view();
            return;
        };
        let found = self.renew_all(&mut view.value, &changed);
        let is_changed = |d: &Disagreement| changed.iter().any(|p| p.starts_with(&d.path) || d.path.starts_with(p));
        view.disagreements.retain(|d| !is_changed(d));
        let open = self.base.iter().flat_map(|base| &base.open);
        let open = open.filter(|d| is_changed(d) && self.is_still_open(d)).cloned();
        view.disagreements.extend(found.into_iter().chain(open));
        view.disagreements.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// [`Replica::advance`] for the document alone.
    pub fn advance_value(&self, before: &Value, effect: &Effect) -> Value {
        let mut value = before.clone();
        self.advance_in_place(&mut value, effect);
        value
    }

    /// [`Replica::advance`] of the document itself: what others share of it stays as it is, the rest is not copied.
    pub fn advance_in_place(&self, value: &mut Value, effect: &Effect) {
        match self.changed(effect) {
            Some(changed) => drop(self.renew_all(value, &changed)),
            None => *value = self.view().value,
        }
    }

    /// The paths that an effect names, without those below others; none where they are so many that all is computed.
    fn changed<'a>(&self, effect: &'a Effect) -> Option<Vec<&'a Path>> {
        let both = effect.added.iter().chain(&effect.dropped);
        let mut changed: Vec<&Path> = both.map(|assertion| &assertion.path).filter(|path| !is_reserved(path)).collect();
        changed.sort();
        changed.dedup_by(|below, above| below.starts_with(above));
        let size = self.live.len().saturating_add(self.settled_entries);
        (changed.len() <= FEW || changed.len().saturating_mul(8) < size).then_some(changed)
    }

    fn renew_all(&self, value: &mut Value, changed: &[&Path]) -> Vec<Disagreement> {
        let mut found = Vec::new();
        match changed {
            [] => return found,
            [path] => {
                let grounded = self.ground.iter().all(|ground| leads_down(&ground.claim, path.segments()));
                if let Some(new) = plain(self.live.root(), path.segments()).filter(|_| grounded && !path.is_root()) {
                    if let Claim::Value(new) = &new.claim {
                        value.put(path.segments(), new.clone());
                    }
                    return found;
                }
            }
            _ => {}
        }
        let above = changed.iter().flat_map(|path| self.live.above(path));
        let sequences = self.claimed(above.chain(changed.iter().flat_map(|path| self.from(path))));
        let reader = self.reader(&sequences);
        let renewal = Renewal { replica: self, reader: &reader };
        let old = std::mem::take(value);
        let new = renewal.renew((&Trail::Root, 0), Some(self.live.root()), Vec::new(), Some(old), changed, &mut found);
        *value = new.filter(|v| v.as_map().is_some()).unwrap_or_else(Value::empty_map);
        found
    }

    /// The live assertions at and below a path; with the base where that is the root.
    fn from<'a>(&'a self, path: &Path) -> impl Iterator<Item = &'a Arc<Assertion>> + use<'a> {
        let ground = self.ground.as_ref().filter(|_| path.is_root());
        ground.into_iter().chain(self.live.from(path))
    }
}

/// The assertion that alone decides what a path holds, by a value of its own, where nothing but maps leads there.
fn plain<'a>(place: &'a Place, way: &[Str]) -> Option<&'a Assertion> {
    let Some((key, rest)) = way.split_first() else {
        let [only] = place.here() else { return None };
        return (place.is_leaf() && matches!(only.claim, Claim::Value(_))).then_some(only);
    };
    let only = plain(place.child(key)?, rest)?;
    let is_silent = |above: &Arc<Assertion>| above.yields_to(only) && leads_down(&above.claim, way);
    place.here().iter().all(is_silent).then_some(only)
}

/// Whether a claim holds nothing but maps on the way down, or nothing.
fn leads_down(claim: &Claim, way: &[Str]) -> bool {
    let mut here = match claim {
        Claim::Value(value) => value,
        Claim::Absent => return true,
        Claim::Sequence(_) | Claim::Nothing => return false,
    };
    for key in way {
        let Some(map) = here.as_map() else { return false };
        let Some(child) = map.get(key) else { return true };
        here = child;
    }
    true
}

struct Renewal<'a> {
    replica: &'a Replica,
    reader: &'a Reader<'a>,
}

impl<'a> Renewal<'a> {
    fn renew(
        &self,
        (trail, depth): (&Trail<'_>, usize),
        place: Option<&'a Place>,
        mut cover: Vec<Covering<'a>>,
        old: Option<Value>,
        changed: &[&Path],
        found: &mut Vec<Disagreement>,
    ) -> Option<Value> {
        cover.extend(self.replica.ground.iter().filter(|_| depth == 0).map(|a| self.reader.covering(a)));
        if changed.first().is_some_and(|first| first.len() == depth) {
            return self.reader.node(trail, cover, place, found);
        }
        cover.extend(place.map_or(&[][..], Place::here).iter().map(|a| self.reader.covering(a)));
        let cover = maximal(cover);
        // The entries of a map in force are its surviving children.
        let mut children = if let Some(Value::Map(map)) = old { map } else { Map::default() };
        for group in changed.chunk_by(|a, b| a.segments().get(depth) == b.segments().get(depth)) {
            let Some(key) = group.first().and_then(|first| first.segments().get(depth)) else { continue };
            let above = cover.iter().map(|c| c.child(key)).collect();
            let below = place.and_then(|place| place.child(key));
            let trail = Trail::Below(trail, key);
            children.update(key, |old| self.renew((&trail, depth + 1), below, above, old, group, found));
        }
        self.reader.decide(trail, &cover, children, place.filter(|place| !place.is_leaf()), found)
    }
}
