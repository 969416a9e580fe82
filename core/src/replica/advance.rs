//! The next view from the last one, at the cost of what changed.
//!
//! Only the subtrees that a change names are decided anew, each below the same cover as before, and then whether the maps
//! above them still stand.

use std::sync::Arc;

use super::notes::is_reserved;
use super::view::{Covering, Reader, maximal};
use super::{Assertion, Disagreement, Effect, Replica, View};
use crate::path::Path;
use crate::value::{Map, Value};

/// Up to so many changed paths are always worth a partial computation.
const FEW: usize = 4;

impl Replica {
    /// The view after `effect`, which took place since `before` was this replica's view: equal to [`Replica::view`], and
    /// costs what the change touches.
    pub fn advance(&self, before: &View, effect: &Effect) -> View {
        let Some(changed) = self.changed(effect) else { return self.view() };
        let (value, found) = self.renew_all(&before.value, &changed);
        let is_changed = |d: &Disagreement| changed.iter().any(|p| p.starts_with(&d.path) || d.path.starts_with(p));
        let old = before.disagreements.iter().filter(|d| !is_changed(d));
        let mut disagreements: Vec<Disagreement> = old.cloned().chain(found).collect();
        disagreements.extend(self.still_open().filter(|d| is_changed(d)).cloned());
        disagreements.sort_by(|a, b| a.path.cmp(&b.path));
        View { value, disagreements }
    }

    /// [`Replica::advance`] for the document alone.
    pub fn advance_value(&self, before: &Value, effect: &Effect) -> Value {
        self.changed(effect).map_or_else(|| self.view().value, |changed| self.renew_all(before, &changed).0)
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

    fn renew_all(&self, before: &Value, changed: &[&Path]) -> (Value, Vec<Disagreement>) {
        if changed.is_empty() {
            return (before.clone(), Vec::new());
        }
        let above = changed.iter().flat_map(|path| (0..path.len()).map(|depth| prefix(path, depth)));
        let above = above.filter_map(|path| self.live.get(&path)).flatten();
        let sequences = self.claimed(above.chain(changed.iter().flat_map(|path| self.from(path))));
        let reader = self.reader(&sequences);
        let mut found = Vec::new();
        let value = self.renew(&reader, &Path::root(), Vec::new(), Some(before), changed, &mut found);
        (value.filter(|v| v.as_map().is_some()).unwrap_or_else(Value::empty_map), found)
    }

    /// The live assertions at and below a path; with the base where that is the root.
    fn from<'a>(&'a self, path: &Path) -> impl Iterator<Item = &'a Arc<Assertion>> + use<'a> {
        let top = path.clone();
        let ground = self.ground.as_ref().filter(|_| path.is_root());
        let all = self.live.range(path.clone()..);
        let live = all.take_while(move |(below, _)| below.starts_with(&top)).flat_map(|(_, here)| here);
        ground.into_iter().chain(live)
    }

    fn renew<'a>(
        &'a self,
        reader: &Reader<'a>,
        path: &Path,
        mut cover: Vec<Covering<'a>>,
        old: Option<&Value>,
        changed: &[&Path],
        found: &mut Vec<Disagreement>,
    ) -> Option<Value> {
        if changed.first().is_some_and(|first| *first == path) {
            let below: Vec<&Assertion> = self.from(path).map(Arc::as_ref).collect();
            return reader.node(path, cover, &below, found);
        }
        let ground = self.ground.iter().filter(|_| path.is_root());
        cover.extend(ground.chain(self.live.get(path).into_iter().flatten()).map(|a| reader.covering(a)));
        let cover = maximal(cover);
        // The entries of a map in force are its surviving children.
        let mut children: Map = old.and_then(Value::as_map).cloned().unwrap_or_default();
        let key_of = |path_below: &Path| path_below.segments().get(path.len()).cloned().unwrap_or_default();
        for group in changed.chunk_by(|a, b| key_of(a) == key_of(b)) {
            let Some(key) = group.first().map(|first| key_of(first)) else { continue };
            let above = cover.iter().map(|c| c.child(&key)).collect();
            let child = self.renew(reader, &path.child(&key), above, children.get(&key), group, found);
            children = match child {
                Some(child) => children.with(key, child),
                None => children.without(&key),
            };
        }
        let has_scalar = cover.iter().any(Covering::is_scalar);
        if !children.is_empty() && !has_scalar {
            return Some(Value::Map(children));
        }
        let strict: Vec<&Assertion> = self.from(path).map(Arc::as_ref).filter(|a| a.path.len() > path.len()).collect();
        reader.decide(path, &cover, children, &strict, found)
    }
}

fn prefix(path: &Path, depth: usize) -> Path {
    path.segments().iter().take(depth).cloned().collect()
}
