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
        let mut layers = by_priority(layers);
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
        };
        let value = update.maps(&roots(&self.effective), &roots(&effective), was, None, &merge_rules(policy));
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
    old.id == new.id && old.priority == new.priority && old.strategy == new.strategy && old.raw == new.raw
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
}

/// Two versions of one layer's map.
struct Pair<'a> {
    layer: usize,
    old: &'a Map,
    new: &'a Map,
}

impl<'a> Update<'a> {
    /// The union of maps, which was `was` when they were `old`.
    fn maps(
        &mut self,
        old: &[(usize, &'a Map)],
        new: &[(usize, &'a Map)],
        was: &Map,
        inherited: Option<MergeStrategy>,
        rules: &[&'a Rule],
    ) -> Map {
        let pairs = self.paired(old, new);
        let mut changed: Vec<&'a Str> = Vec::new();
        let mut sides = 0;
        for Pair { old, new, .. } in pairs.iter().filter(|pair| !pair.old.ptr_eq(pair.new)) {
            changed.extend(old.differences(new).map(|(key, _, _)| key));
            sides += 1;
        }
        if sides > 1 {
            changed.sort_unstable_by(|a, b| compare_keys(a, b));
            changed.dedup();
        }
        let mut edits = Vec::new();
        let (mut before, mut after): (Vec<Held<'a>>, Vec<Held<'a>>) = (Vec::new(), Vec::new());
        for key in changed {
            before.clear();
            after.clear();
            for Pair { layer, old, new } in &pairs {
                let held = old.get(key);
                before.extend(held.map(|value| (*layer, value)));
                let held = if old.ptr_eq(new) { held } else { new.get(key) };
                after.extend(held.map(|value| (*layer, value)));
            }
            let shown = was.get(key);
            self.merger.above.push(key);
            let value = (!after.is_empty()).then(|| self.value(&before, &after, shown, inherited, rules));
            if value.is_none() {
                self.judged_anew(true);
            }
            self.merger.above.pop();
            match (&value, shown) {
                (Some(value), Some(shown)) if value.ptr_eq(shown) => {}
                _ => edits.push((key.clone(), value)),
            }
        }
        if edits.is_empty() { was.clone() } else { was.edited(edits) }
    }

    /// The maps of each layer before and now; a layer that holds none holds nothing below.
    fn paired(&self, old: &[(usize, &'a Map)], new: &[(usize, &'a Map)]) -> Vec<Pair<'a>> {
        let mut pairs = Vec::with_capacity(old.len().max(new.len()));
        let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let layer = match (old.peek(), new.peek()) {
                (Some((a, _)), Some((b, _))) => *a.min(b),
                (Some((layer, _)), None) | (None, Some((layer, _))) => *layer,
                (None, None) => return pairs,
            };
            let old = old.next_if(|(at, _)| *at == layer).map_or(self.empty, |(_, map)| *map);
            let new = new.next_if(|(at, _)| *at == layer).map_or(self.empty, |(_, map)| *map);
            pairs.push(Pair { layer, old, new });
        }
    }

    /// The value of one key, which was `was` when the layers held `old`.
    fn value(
        &mut self,
        old: &[Held<'a>],
        new: &[Held<'a>],
        was: Option<&Value>,
        inherited: Option<MergeStrategy>,
        rules: &[&'a Rule],
    ) -> Value {
        if let Some(Value::Map(was)) = was
            && let [(_, Value::Map(_)), ..] = old
            && let [(_, Value::Map(_)), ..] = new
        {
            let judgement = self.merger.judge(new, inherited, rules);
            let before = self.merger.judge(old, inherited, rules);
            if before.strategy == judgement.strategy
                && let Some((old_maps, new_maps)) = parts(&judgement, old, new)
            {
                let all_maps = || old.iter().chain(new).all(|(_, value)| value.as_map().is_some());
                if judgement.strategy != MergeStrategy::Override && !(judgement.shape == Shape::Maps && all_maps()) {
                    self.judged_anew(false);
                    self.merger.check(new, &judgement);
                }
                let below = Some(inherited_below(judgement.strategy));
                return Value::Map(self.maps(&old_maps, &new_maps, was, below, &judgement.rules_below));
            }
        }
        self.judged_anew(true);
        self.merger.value(new, inherited, rules)
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

type Maps<'a> = Vec<(usize, &'a Map)>;

/// The maps that the value of a key is made of, before and now, where it is made alike; none where one map is all there is.
fn parts<'a>(judgement: &Judgement<'_>, old: &[Held<'a>], new: &[Held<'a>]) -> Option<(Maps<'a>, Maps<'a>)> {
    let maps = |held: &[Held<'a>]| -> Maps<'a> {
        held.iter().filter_map(|(at, value)| value.as_map().map(|map| (*at, map))).collect()
    };
    if judgement.rules_below.is_empty() && (new.len() == 1 || judgement.shape != Shape::Maps) {
        return None;
    }
    match judgement.shape {
        Shape::Maps => Some((maps(old), maps(new))),
        Shape::Whole => {
            let first = |held: &[Held<'a>]| maps(held.get(..1).unwrap_or_default());
            let (old, new) = (first(old), first(new));
            (old.first().map(|(at, _)| at) == new.first().map(|(at, _)| at)).then_some((old, new))
        }
        Shape::Lists => None,
    }
}

#[cfg(test)]
mod tests;
