//! What a strategy makes of the values that several layers hold for one key.

use std::collections::BTreeSet;

use crate::canonical::canonical;
use crate::path::Path;
use crate::policy::{MergeStrategy, Policy, Rule};
use crate::value::{List, Value};

use super::Layer;

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
}

impl Shape {
    /// The highest value decides: where it does not fit the strategy, it overrides.
    pub(super) fn of(strategy: MergeStrategy, first: &Value) -> Shape {
        match (strategy, first) {
            (MergeStrategy::MergeDict | MergeStrategy::DeepMerge, Value::Map(_)) => Shape::Maps,
            (MergeStrategy::AppendList | MergeStrategy::UnionSet, Value::List(_)) => Shape::Lists,
            _ => Shape::Whole,
        }
    }

    /// Whether a value, not the first, goes into the result.
    pub(super) fn takes(self, value: &Value) -> bool {
        matches!((self, value), (Shape::Maps, Value::Map(_)) | (Shape::Lists, Value::List(_)))
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
