//! Many layers, one document: merging by strategy, and the account of every value.
//!
//! A result shares every subtree that one layer alone decides. Nothing is kept per leaf: [`Merged`] holds the layers and
//! works out where a value comes from when somebody asks.

mod explain;
mod layer;
mod layer_value;
mod prepare;
mod strategy;

pub use explain::{Absence, Candidate, CandidateState, Explanation};
pub use layer::{Layer, SourceText, Variable};

use std::sync::Arc;

use crate::error::{Code, Error};
use crate::path::Path;
use crate::policy::{MergeStrategy, Policy, Rule};
use crate::value::{List, Map, MapBuilder, Str, Value, compare_keys};

use strategy::{Held, Shape, inherited_below, join, of_highest};

/// The default priorities of layers; lower numbers win.
pub mod priority {
    /// What the program sets while it runs.
    pub const RUNTIME: i32 = 0;
    /// Environment variables.
    pub const ENV: i32 = 10;
    /// Dotenv files.
    pub const DOTENV: i32 = 15;
    /// The replicated part of the document.
    pub const SHARED: i32 = 20;
    /// Files.
    pub const FILE: i32 = 30;
    /// HTTP sources.
    pub const HTTP: i32 = 40;
}

/// How many warnings a merge keeps: a document that clashes everywhere must not cost more than it tells.
const MAX_WARNINGS: usize = 100;

/// The merge of layers; O(1) to clone.
#[derive(Clone)]
pub struct Merged {
    /// The effective document: a map.
    pub value: Value,
    /// Types that clash and text that has no such type, each with its path and the places of both values.
    pub warnings: Vec<Error>,
    /// The layers by priority, and what of each took part.
    layers: Arc<Vec<Layer>>,
    effective: Arc<Vec<Value>>,
    policy: Policy,
}

/// Merges layers: the lower priority number wins, of equal ones the first in the slice.
///
/// For every key the strategy is what the most specific rule of the policy says, else the strategy of the highest layer
/// that holds the key; it holds below until a rule refines it (below `merge_dict` values override). It applies also
/// where one layer alone holds the key. A value that does not fit the strategy overrides if it is the highest one, and is
/// left out otherwise; both are reported in [`Merged::warnings`]. Rules do not look into list items.
///
/// ```
/// use confmesh::{Path, Policy, Value, merge::{Layer, merge}};
/// let base = Layer::new("base", 30, [("port", 80), ("workers", 4)].into_iter().collect());
/// let local = Layer::new("local", 10, [("port", 8080)].into_iter().collect());
/// let merged = merge(&[base, local], &Policy::default());
/// assert_eq!(merged.value, [("port", 8080), ("workers", 4)].into_iter().collect());
/// assert_eq!(merged.source_of(&Path::parse("port")?).as_deref(), Some("local"));
/// # Ok::<(), confmesh::Error>(())
/// ```
pub fn merge(layers: &[Layer], policy: &Policy) -> Merged {
    let mut layers = layers.to_vec();
    layers.sort_by_key(|layer| layer.priority);
    let mut warnings = Vec::new();
    let effective = prepare::prepare(&mut layers, policy, &mut warnings);
    let mut merger = Merger { layers: &layers, above: Vec::new(), clashes: Vec::new() };
    let roots: Vec<(usize, &Map)> =
        effective.iter().enumerate().filter_map(|(at, value)| value.as_map().map(|map| (at, map))).collect();
    let rules: Vec<&Rule> = policy.rules().iter().filter(|rule| rule.merge.is_some()).collect();
    let value = Value::Map(merger.maps(&roots, None, &rules));
    let clashes = merger.clashes;
    let total = warnings.len() + clashes.len();
    warnings.extend(clashes.iter().take(MAX_WARNINGS).map(|clash| clash.warning(&layers, &effective)));
    if total > MAX_WARNINGS {
        warnings.truncate(MAX_WARNINGS);
        warnings.push(Error::new(Code::Type, format!("{} more warnings are left out", total - MAX_WARNINGS)));
    }
    Merged { value, warnings, layers: Arc::new(layers), effective: Arc::new(effective), policy: policy.clone() }
}

impl Merged {
    /// The layers, highest priority first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The policy that the layers merged by.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl std::fmt::Debug for Merged {
    /// Names the layers without their values, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Merged").field("layers", &self.layers).field("warnings", &self.warnings).finish_non_exhaustive()
    }
}

/// A value that does not fit.
struct Clash {
    path: Path,
    /// The layer whose value stays.
    first: usize,
    /// The layer whose value is left out; none where a rule does not fit the only value.
    other: Option<usize>,
    strategy: MergeStrategy,
}

impl Clash {
    fn warning(&self, layers: &[Layer], effective: &[Value]) -> Error {
        let place = |at: usize| {
            let kind = effective.get(at).and_then(|value| value.at(&self.path)).map_or("value", Value::type_name);
            let origin = layers.get(at).map(|layer| layer.origin(&self.path));
            (kind, origin)
        };
        let (kind, origin) = place(self.first);
        let mut error = match self.other.map(place) {
            None => Error::new(Code::Type, format!("`{}` does not fit this {kind}, which overrides", self.strategy)),
            Some((other_kind, other_origin)) => {
                let message = format!("types clash: {kind} here, {other_kind} in a lower layer, which is left out");
                let related = Error::new(Code::Type, format!("the {other_kind} that is left out"));
                Error::new(Code::Type, message)
                    .with_related(match other_origin {
                        Some(origin) => related.with_origin(origin),
                        None => related,
                    })
                    .with_hint("give both the same type, or remove one of them")
            }
        };
        if let Some(origin) = origin {
            error = error.with_origin(origin);
        }
        error.with_path(self.path.clone())
    }
}

struct Merger<'a> {
    layers: &'a [Layer],
    above: Vec<&'a Str>,
    clashes: Vec<Clash>,
}

impl<'a> Merger<'a> {
    fn path(&self) -> Path {
        self.above.iter().map(|segment| (*segment).clone()).collect()
    }

    /// The value of one key. `rules` are those that may speak about this path, most specific first.
    fn value(&mut self, held: &[Held<'a>], inherited: Option<MergeStrategy>, rules: &[&'a Rule]) -> Value {
        let Some((first_layer, first)) = held.first().copied() else { return Value::Null };
        let (mut rule, mut rules_below) = (None, Vec::new());
        if !rules.is_empty() {
            // Most keys end like no pattern, and their paths need not be built.
            let is_map = matches!(first, Value::Map(_));
            let ends = |key: &&Str| rules.iter().any(|rule| rule.pattern.may_end_with(key));
            if is_map || self.above.last().is_some_and(ends) {
                let path = self.path();
                rule = rules.iter().find(|rule| rule.pattern.matches(&path)).and_then(|rule| rule.merge);
                if is_map {
                    rules_below.extend(rules.iter().copied().filter(|rule| rule.pattern.may_match_below(&path)));
                }
            }
        }
        let strategy = rule.or(inherited).unwrap_or_else(|| of_highest(self.layers, held));
        let shape = Shape::of(strategy, first);
        if strategy != MergeStrategy::Override {
            self.check(held, strategy, shape, rule.is_some());
        }
        let below = Some(inherited_below(strategy));
        match (shape, first) {
            (Shape::Whole, Value::Map(map)) if !rules_below.is_empty() => {
                Value::Map(self.maps(&[(first_layer, map)], below, &rules_below))
            }
            (Shape::Whole, _) => first.clone(),
            (Shape::Maps, _) if held.len() == 1 && rules_below.is_empty() => first.clone(),
            (Shape::Maps, _) => {
                let maps: Vec<(usize, &Map)> =
                    held.iter().filter_map(|(at, value)| value.as_map().map(|map| (*at, map))).collect();
                Value::Map(self.maps(&maps, below, &rules_below))
            }
            (Shape::Lists, _) => {
                let lists: Vec<&List> = held.iter().filter_map(|(_, value)| value.as_list()).collect();
                Value::List(join(&lists, strategy == MergeStrategy::UnionSet))
            }
        }
    }

    /// The union of maps, key by key in one pass over all of them.
    fn maps(&mut self, held: &[(usize, &'a Map)], inherited: Option<MergeStrategy>, rules: &[&'a Rule]) -> Map {
        let Some((first_layer, first)) = held.first().copied() else { return Map::default() };
        let plain = rules.is_empty() && inherited.is_some();
        if plain && held.iter().all(|(_, map)| map.ptr_eq(first)) {
            return first.clone();
        }
        let mut cursors: Vec<_> = held.iter().map(|(at, map)| (*at, map.iter().peekable())).collect();
        let mut merged = MapBuilder::with_capacity(held.iter().map(|(_, map)| map.len()).max().unwrap_or(0));
        let mut here: Vec<Held<'a>> = Vec::with_capacity(held.len());
        let mut shared = true;
        loop {
            let mut least: Option<&'a Str> = None;
            for (_, cursor) in &mut cursors {
                if let Some((key, _)) = cursor.peek()
                    && least.is_none_or(|least| *key != least && compare_keys(key, least).is_lt())
                {
                    least = Some(key);
                }
            }
            let Some(key) = least else { break };
            here.clear();
            for (at, cursor) in &mut cursors {
                if let Some((_, value)) = cursor.next_if(|(next, _)| std::ptr::eq(*next, key) || *next == key) {
                    here.push((*at, value));
                }
            }
            self.above.push(key);
            let value = self.value(&here, inherited, rules);
            self.above.pop();
            shared = shared && here.first().is_some_and(|(at, top)| *at == first_layer && value.ptr_eq(top));
            merged.push_ascending(key.clone(), value);
        }
        if shared && merged.len() == first.len() { first.clone() } else { merged.build() }
    }

    /// Notes values that do not fit; null fits everywhere, because a layer may say null on purpose.
    fn check(&mut self, held: &[Held<'a>], strategy: MergeStrategy, shape: Shape, ruled: bool) {
        let Some((first_layer, first)) = held.first().copied() else { return };
        if *first == Value::Null {
            return;
        }
        let unfit = ruled && shape == Shape::Whole && strategy != MergeStrategy::DeepMerge;
        if unfit {
            self.clash(first_layer, None, strategy);
        }
        for (at, value) in held.iter().skip(1) {
            if !unfit && kind(value) != kind(first) && **value != Value::Null {
                self.clash(first_layer, Some(*at), strategy);
            }
        }
    }

    fn clash(&mut self, first: usize, other: Option<usize>, strategy: MergeStrategy) {
        let path = self.path();
        self.clashes.push(Clash { path, first, other, strategy });
    }
}

/// Maps, lists and scalars do not mix; scalars of different types do.
fn kind(value: &Value) -> u8 {
    match value {
        Value::Map(_) => 0,
        Value::List(_) => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests;
