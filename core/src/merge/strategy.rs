//! What a strategy makes of the values that several layers hold for one key.

use std::collections::{BTreeMap, BTreeSet};

use crate::canonical::canonical;
use crate::path::Path;
use crate::policy::{MergeStrategy, Policy, Rule};
use crate::value::{List, Str, Value};

use super::Layer;
use super::removal::removes;

/// One layer's value: the layer's index, highest priority first, and the value.
pub(super) type Held<'a> = (usize, &'a Value);

/// How the result is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The first value as it is.
    Whole,
    /// The union of all maps.
    Maps,
    /// All lists joined.
    Lists,
    /// All lists joined by a key field.
    Keyed,
}

impl Shape {
    /// The highest value decides: where it does not fit the strategy, it overrides.
    pub(super) fn of(strategy: MergeStrategy, held: &[Held<'_>], key: Option<&str>) -> Shape {
        let Some((_, first)) = held.first() else { return Shape::Whole };
        match (strategy, first) {
            (MergeStrategy::MergeDict | MergeStrategy::DeepMerge, Value::Map(_)) => Shape::Maps,
            (MergeStrategy::AppendList | MergeStrategy::UnionSet, Value::List(_)) => Shape::Lists,
            (MergeStrategy::KeyedList, Value::List(_)) if key.is_some_and(|key| unkeyed(held, key).is_none()) => {
                Shape::Keyed
            }
            _ => Shape::Whole,
        }
    }

    /// Whether a value, not the first, goes into the result.
    pub(super) fn takes(self, value: &Value) -> bool {
        matches!((self, value), (Shape::Maps, Value::Map(_)) | (Shape::Lists | Shape::Keyed, Value::List(_)))
    }
}

/// Which strategy governs a path, and the rule that says so.
pub(super) fn governing<'a>(
    policy: &'a Policy,
    layers: &[Layer],
    path: &Path,
    held: &[Held<'_>],
    inherited: Option<MergeStrategy>,
) -> (MergeStrategy, Option<&'a Rule>) {
    let rule = policy.merge_rule_at(path);
    (rule.and_then(|rule| rule.merge).or(inherited).unwrap_or_else(|| of_highest(layers, held)), rule)
}

/// The strategy of the highest layer that holds the key.
pub(super) fn of_highest(layers: &[Layer], held: &[Held<'_>]) -> MergeStrategy {
    held.first().and_then(|(at, _)| layers.get(*at)).map_or(MergeStrategy::DeepMerge, |layer| layer.strategy)
}

/// What the children of a path inherit: a union at every level goes on, everything else is over one level below.
pub(super) fn inherited_below(strategy: MergeStrategy) -> MergeStrategy {
    if strategy == MergeStrategy::DeepMerge { MergeStrategy::DeepMerge } else { MergeStrategy::Override }
}

/// Joins lists, highest priority first; `union` drops items that came before.
pub(super) fn join(lists: &[&List], union: bool) -> List {
    let items = || lists.iter().flat_map(|list| list.iter());
    let total: usize = lists.iter().map(|list| list.len()).sum();
    let joined: Vec<Value> = if !union {
        items().cloned().collect()
    } else if total <= 16 {
        let mut kept: Vec<Value> = Vec::with_capacity(total);
        for item in items() {
            if !kept.contains(item) {
                kept.push(item.clone());
            }
        }
        kept
    } else {
        let mut seen = BTreeSet::new();
        items().filter(|item| seen.insert(canonical(item))).cloned().collect()
    };
    match lists.first() {
        // Nothing came to the first list and nothing went: share it.
        Some(first) if first.as_slice() == joined => (*first).clone(),
        _ => List::from(joined),
    }
}

/// The highest layer with a list whose items are not all maps with a key of their own.
pub(super) fn unkeyed(held: &[Held<'_>], key: &str) -> Option<usize> {
    let is_keyed = |list: &List| {
        let mut seen = BTreeSet::new();
        list.iter().all(|item| item.child(key).is_some_and(|id| item.as_map().is_some() && seen.insert(canonical(id))))
    };
    held.iter().find(|(_, value)| value.as_list().is_some_and(|list| !is_keyed(list))).map(|(at, _)| *at)
}

/// Joins lists, highest priority first, by the key field of their items: the lowest list's order stays.
pub(super) fn join_keyed(lists: &[&List], key: &str) -> List {
    let mut order: Vec<String> = Vec::new();
    let mut parts: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for item in lists.iter().rev().flat_map(|list| list.iter()) {
        let id = item.child(key).map(canonical).unwrap_or_default();
        if removes(item) {
            order.retain(|known| *known != id);
            parts.remove(&id);
            continue;
        }
        let known = parts.entry(id.clone()).or_default();
        if known.is_empty() {
            order.push(id);
        }
        known.push(item);
    }
    let merged = |id: &String| {
        let mut highest_first = parts.get(id)?.iter().rev().copied();
        let first = highest_first.next()?.clone();
        Some(highest_first.fold(first, |high, low| over(&high, low)))
    };
    let joined: Vec<Value> = order.iter().filter_map(merged).collect();
    match lists.first() {
        Some(first) if first.as_slice() == joined => (*first).clone(),
        _ => List::from(joined),
    }
}

/// Maps united at every level; else the higher value.
fn over(high: &Value, low: &Value) -> Value {
    let (Value::Map(above), Value::Map(below)) = (high, low) else { return high.clone() };
    let mut entries: BTreeMap<Str, Value> = below.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    for (key, value) in above.iter() {
        let value = below.get(key).map_or_else(|| value.clone(), |low| over(value, low));
        entries.insert(key.clone(), value);
    }
    Value::Map(entries.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: impl IntoIterator<Item = i64>) -> List {
        items.into_iter().map(Value::from).collect()
    }

    #[test]
    fn a_union_keeps_the_first_of_equal_items_in_order() {
        assert!(join(&[&list([3, 1, 3]), &list([2, 1])], true) == list([3, 1, 2]));
        assert!(join(&[&list([3, 1]), &list([2, 1])], false) == list([3, 1, 2, 1]));
        let long = list((0..40).chain(0..40));
        assert!(join(&[&long], true) == list(0..40));
    }

    #[test]
    fn a_list_that_nothing_joins_is_shared() {
        let first = list([1, 2]);
        assert!(join(&[&first, &list([2])], true).ptr_eq(&first));
        assert!(join(&[&first], false).ptr_eq(&first));
    }
}
