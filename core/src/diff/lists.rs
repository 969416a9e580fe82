//! How one list becomes another: the longest common subsequence, within a bound on the work.

use crate::format::align::common;
use crate::value::Value;

/// One step through both lists, from front to back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The item stays.
    Keep,
    /// The old item becomes the new one.
    Replace { old: usize, new: usize },
    /// The old item goes.
    Remove,
    /// The new item comes.
    Insert { new: usize },
}

/// The steps from `old` to `new`: of what lies between items that stay, as much as possible is replaced in place.
pub(crate) fn steps(old: &[Value], new: &[Value]) -> Vec<Step> {
    let mut steps = Vec::new();
    let (mut old_at, mut new_at) = (0, 0);
    for (old_kept, new_kept) in common(old, new) {
        gap(old_at..old_kept, new_at..new_kept, &mut steps);
        steps.push(Step::Keep);
        (old_at, new_at) = (old_kept + 1, new_kept + 1);
    }
    gap(old_at..old.len(), new_at..new.len(), &mut steps);
    steps
}

fn gap(old: std::ops::Range<usize>, new: std::ops::Range<usize>, steps: &mut Vec<Step>) {
    let replaced = old.len().min(new.len());
    steps.extend(old.clone().zip(new.clone()).map(|(old, new)| Step::Replace { old, new }));
    steps.extend(old.skip(replaced).map(|_| Step::Remove));
    steps.extend(new.skip(replaced).map(|new| Step::Insert { new }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Value> {
        text.chars().map(|c| c.to_string().into()).collect()
    }

    fn changes(old: &str, new: &str) -> Vec<Step> {
        steps(&list(old), &list(new)).into_iter().filter(|step| *step != Step::Keep).collect()
    }

    #[test]
    fn one_insertion_is_one_step() {
        assert_eq!(changes("abcd", "abxcd"), [Step::Insert { new: 2 }]);
        assert_eq!(changes("aaa", "aaaa"), [Step::Insert { new: 3 }]);
        assert_eq!(changes("", "a"), [Step::Insert { new: 0 }]);
    }

    #[test]
    fn removals_and_insertions_apart_keep_what_lies_between() {
        assert_eq!(changes("xabcy", "abczy"), [Step::Remove, Step::Insert { new: 3 }]);
        assert_eq!(changes("abc", "axc"), [Step::Replace { old: 1, new: 1 }]);
    }

    #[test]
    fn lists_beyond_the_bound_are_compared_by_position() {
        let old: Vec<Value> = (0..1500).map(Value::from).collect();
        let new: Vec<Value> = (1..1501).rev().map(Value::from).collect();
        let found = steps(&old, &new);
        assert_eq!(found.len(), 1500);
        assert!(found.iter().all(|step| matches!(step, Step::Replace { .. })));
    }
}
