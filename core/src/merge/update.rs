//! Merging again after a change: only along the paths where a layer differs from before.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::path::Path;
use crate::policy::{MergeStrategy, Policy, Rule};
use crate::value::{Map, Str, Value, compare_keys};

use super::prepare::{Before, Prepared, prepare};
use super::strategy::{Held, Shape, inherited_below};
use super::union::{Clash, Judgement, Merger, warnings};
use super::{Layer, Merged, by_priority, merge, merge_rules, roots};

impl Merged {
    /// What [`merge`] makes of these layers, found from this merge of the layers as they were before. The cost follows what
    /// differs, where values share structure with the old ones; without that, or with other layers, priorities or rules,
    /// it is that of a full merge.
    ///
    /// ```
    /// use confmesh::{Path, Policy, Value, diff::diff, merge::{Layer, merge}};
    /// let base = Layer::new("base", 30, [("port", 80), ("workers", 4)].into_iter().collect());
    /// let before = merge(&[base.clone()], &Policy::default());
    /// let changed = Layer::new("base", 30, base.value.with(&Path::parse("port")?, 8080.into()));
    /// let after = before.update(&[changed], &Policy::default());
    /// assert_eq!(diff(&before.value, &after.value).len(), 1);
    /// # Ok::<(), confmesh::Error>(())
    /// ```
    #[must_use]
    pub fn update(&self, layers: &[Layer], policy: &Policy) -> Merged {
        let mut layers = by_priority(layers, policy);
        let Value::Map(was) = &self.value else { return merge(&layers, policy) };
        if *policy != self.policy || layers.len() != self.layers.len() || !self.pairs(&layers).all(alike) {
            return merge(&layers, policy);
        }
        let mut same_origins = self.pairs(&layers).zip(self.prepared.iter()).all(same_origins);
        let before = Before { layers: &self.layers, prepared: &self.prepared, same_origins };
        let (effective, prepared) = prepare(&mut layers, policy, Some(&before));
        same_origins &= self.pairs(&layers).all(|(old, new)| old.variables == new.variables);

        let empty = Map::default();
        let mut update = Update {
            merger: Merger::new(&layers),
            empty: &empty,
            scopes: (!self.clashes.is_empty()).then(BTreeMap::new),
            pairs: Vec::with_capacity(4 * layers.len()),
            changed: Vec::new(),
            before: Vec::with_capacity(layers.len()),
            after: Vec::with_capacity(layers.len()),
        };
        update.pair(roots(&self.effective).into_iter(), roots(&effective).into_iter());
        let value = update.maps(0, was, None, &merge_rules(policy));
        let (scopes, found) = (update.scopes.unwrap_or_default(), update.merger.clashes);
        let clashes = if scopes.is_empty() && found.is_empty() {
            Arc::clone(&self.clashes)
        } else {
            let kept = self.clashes.iter().filter(|clash| !is_within(&clash.path, &scopes)).cloned();
            let mut clashes: Vec<Clash> = kept.chain(found).collect();
            clashes.sort_by(|a, b| a.path.cmp(&b.path));
            Arc::new(clashes)
        };
        let clash_warnings = if same_origins && Arc::ptr_eq(&clashes, &self.clashes) {
            Arc::clone(&self.clash_warnings)
        } else {
            Arc::new(warnings(&clashes, &layers, &effective))
        };
        Merged::of(Value::Map(value), layers, effective, policy, prepared, clashes, clash_warnings)
    }

    fn pairs<'a>(&'a self, layers: &'a [Layer]) -> impl Iterator<Item = (&'a Layer, &'a Layer)> {
        self.layers.iter().zip(layers)
    }
}

/// Whether two versions of a layer differ in what they hold only.
fn alike((old, new): (&Layer, &Layer)) -> bool {
    old.id == new.id
        && old.priority == new.priority
        && old.strategy == new.strategy
        && (old.raw, old.env_mode) == (new.raw, new.env_mode)
}

/// Whether places in two versions of a layer are told alike.
fn same_origins(((old, new), prepared): ((&Layer, &Layer), &Prepared)) -> bool {
    let same_text = match (&old.text, &new.text) {
        (Some(old), Some(new)) => old.format == new.format && Arc::ptr_eq(&old.text, &new.text),
        (old, new) => old.is_none() && new.is_none(),
    };
    same_text && prepared.given(old) == new.variables
}

/// The paths that were judged anew, and whether that goes for all that lies below.
type Scopes = BTreeMap<Path, bool>;

fn is_within(path: &Path, scopes: &Scopes) -> bool {
    scopes.contains_key(path)
        || std::iter::successors(path.parent(), Path::parent).any(|above| scopes.get(&above) == Some(&true))
}

struct Update<'a> {
    merger: Merger<'a>,
    empty: &'a Map,
    /// None where there were no clashes that could go.
    scopes: Option<Scopes>,
    // Stacks: each map on the way down stands on those of the maps above it.
    pairs: Vec<Pair<'a>>,
    changed: Vec<&'a Str>,
    // What the layers held for the key at hand, and what they hold now.
    before: Vec<Held<'a>>,
    after: Vec<Held<'a>>,
}

/// Two versions of one layer's map.
#[derive(Clone, Copy)]
struct Pair<'a> {
    layer: usize,
    old: &'a Map,
    new: &'a Map,
}

impl<'a> Update<'a> {
    /// The union of the maps that were paired last, from `base` on, which was `was` when they were the old ones.
    fn maps(&mut self, base: usize, was: &Map, inherited: Option<MergeStrategy>, rules: &[&'a Rule]) -> Map {
        let end = self.pairs.len();
        let first = self.changed.len();
        let mut sides = 0;
        for Pair { old, new, .. } in self.pairs.iter().skip(base).filter(|pair| !pair.old.ptr_eq(pair.new)) {
            self.changed.extend(old.differences(new).map(|(key, _, _)| key));
            sides += 1;
        }
        if sides > 1 {
            let mut keys = self.changed.split_off(first);
            keys.sort_unstable_by(|a, b| compare_keys(a, b));
            keys.dedup();
            self.changed.append(&mut keys);
        }
        let mut edits = Vec::new();
        for at in first..self.changed.len() {
            let Some(key) = self.changed.get(at).copied() else { break };
            self.before.clear();
            self.after.clear();
            for Pair { layer, old, new } in self.pairs.iter().take(end).skip(base) {
                let held = old.get(key);
                self.before.extend(held.map(|value| (*layer, value)));
                let held = if old.ptr_eq(new) { held } else { new.get(key) };
                self.after.extend(held.map(|value| (*layer, value)));
            }
            let shown = was.get(key);
            self.merger.above.push(key);
            let value = if self.after.is_empty() {
                self.judged_anew(true);
                None
            } else {
                Some(self.value(shown, inherited, rules))
            };
            self.merger.above.pop();
            match (&value, shown) {
                (Some(value), Some(shown)) if value.ptr_eq(shown) => {}
                _ => edits.push((key.clone(), value)),
            }
        }
        self.changed.truncate(first);
        self.pairs.truncate(base);
        if edits.is_empty() { was.clone() } else { was.edited(edits) }
    }

    /// Pairs the maps of each layer before and now; a layer that holds none holds nothing below.
    fn pair(&mut self, old: impl Iterator<Item = (usize, &'a Map)>, new: impl Iterator<Item = (usize, &'a Map)>) {
        let (mut old, mut new) = (old.peekable(), new.peekable());
        loop {
            let layer = match (old.peek(), new.peek()) {
                (Some((a, _)), Some((b, _))) => *a.min(b),
                (Some((layer, _)), None) | (None, Some((layer, _))) => *layer,
                (None, None) => return,
            };
            let old = old.next_if(|(at, _)| *at == layer).map_or(self.empty, |(_, map)| map);
            let new = new.next_if(|(at, _)| *at == layer).map_or(self.empty, |(_, map)| map);
            self.pairs.push(Pair { layer, old, new });
        }
    }

    /// The value of the key at hand, which was `was` before.
    fn value(&mut self, was: Option<&Value>, inherited: Option<MergeStrategy>, rules: &[&'a Rule]) -> Value {
        let (old, new) = (std::mem::take(&mut self.before), std::mem::take(&mut self.after));
        let base = self.pairs.len();
        let judgement = was.and_then(Value::as_map).and_then(|was| {
            let judgement = self.judged_alike(&old, &new, inherited, rules)?;
            self.pair_parts(&judgement, &old, &new).then_some((was, judgement))
        });
        let value = match &judgement {
            Some((_, judgement)) => {
                let all_maps = || old.iter().chain(&new).all(|(_, value)| value.as_map().is_some());
                if judgement.strategy != MergeStrategy::Override && !(judgement.shape == Shape::Maps && all_maps()) {
                    self.judged_anew(false);
                    self.merger.check(&new, judgement);
                }
                None
            }
            None => {
                self.judged_anew(true);
                Some(self.merger.value(&new, inherited, rules))
            }
        };
        // What lies below uses the lists again.
        (self.before, self.after) = (old, new);
        match (judgement, value) {
            (Some((was, judgement)), _) => {
                let below = Some(inherited_below(judgement.strategy));
                Value::Map(self.maps(base, was, below, &judgement.rules_below))
            }
            (None, value) => value.unwrap_or_default(),
        }
    }

    /// What holds for a key whose value is made of maps by the same strategy as before.
    fn judged_alike(
        &self,
        old: &[Held<'a>],
        new: &[Held<'a>],
        inherited: Option<MergeStrategy>,
        rules: &[&'a Rule],
    ) -> Option<Judgement<'a>> {
        let ([(_, Value::Map(_)), ..], [(_, Value::Map(_)), ..]) = (old, new) else { return None };
        let judgement = self.merger.judge(new, inherited, rules);
        (self.merger.judge(old, inherited, rules).strategy == judgement.strategy).then_some(judgement)
    }

    /// Pairs the maps that the value of a key is made of; false where one map is all there is, or another one than before.
    fn pair_parts(&mut self, judgement: &Judgement<'_>, old: &[Held<'a>], new: &[Held<'a>]) -> bool {
        if judgement.rules_below.is_empty() && (new.len() == 1 || judgement.shape != Shape::Maps) {
            return false;
        }
        let maps = |held: &Held<'a>| held.1.as_map().map(|map| (held.0, map));
        match (judgement.shape, old, new) {
            (Shape::Maps, _, _) => self.pair(old.iter().filter_map(maps), new.iter().filter_map(maps)),
            (Shape::Whole, [old, ..], [new, ..]) if old.0 == new.0 => {
                self.pair(maps(old).into_iter(), maps(new).into_iter());
            }
            _ => return false,
        }
        true
    }

    /// Forgets what was said of clashes at this path, or of all that lies below too.
    fn judged_anew(&mut self, whole: bool) {
        if let Some(scopes) = &mut self.scopes {
            let path = self.merger.path();
            let known = scopes.entry(path).or_default();
            *known |= whole;
        }
    }
}

#[cfg(test)]
mod tests;
