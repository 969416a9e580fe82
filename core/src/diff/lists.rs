//! How one list becomes another: the longest common subsequence, within a bound on the work.

use std::collections::BTreeMap;

use crate::canonical::canonical;
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

/// How many cells the table of a longest common subsequence may have (4 MiB): beyond, items are compared by position.
const MAX_CELLS: usize = 1 << 20;

/// The steps from `old` to `new`: of what lies between items that stay, as much as possible is replaced in place.
pub(crate) fn steps(old: &[Value], new: &[Value]) -> Vec<Step> {
    let prefix = old.iter().zip(new).take_while(|(a, b)| same(a, b)).count();
    let (old_rest, new_rest) = (old.get(prefix..).unwrap_or(&[]), new.get(prefix..).unwrap_or(&[]));
    let suffix = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| same(a, b)).count();
    let middle_of = |all: usize| prefix..all - suffix;
    let (olds, news) = (middle_of(old.len()), middle_of(new.len()));

    let mut steps = vec![Step::Keep; prefix];
    let kept = if olds.is_empty() || news.is_empty() || (olds.len() + 1).saturating_mul(news.len() + 1) > MAX_CELLS {
        Vec::new()
    } else {
        let (a, b) = number(old.get(olds.clone()).unwrap_or(&[]), new.get(news.clone()).unwrap_or(&[]));
        longest_common(&a, &b)
    };
    let (mut old_at, mut new_at) = (olds.start, news.start);
    for (old_kept, new_kept) in kept.into_iter().map(|(a, b)| (a + prefix, b + prefix)) {
        gap(old_at..old_kept, new_at..new_kept, &mut steps);
        steps.push(Step::Keep);
        (old_at, new_at) = (old_kept + 1, new_kept + 1);
    }
    gap(old_at..olds.end, new_at..news.end, &mut steps);
    steps.extend(std::iter::repeat_n(Step::Keep, suffix));
    steps
}

fn same(a: &Value, b: &Value) -> bool {
    a.ptr_eq(b) || a == b
}

fn gap(old: std::ops::Range<usize>, new: std::ops::Range<usize>, steps: &mut Vec<Step>) {
    let replaced = old.len().min(new.len());
    steps.extend(old.clone().zip(new.clone()).map(|(old, new)| Step::Replace { old, new }));
    steps.extend(old.skip(replaced).map(|_| Step::Remove));
    steps.extend(new.skip(replaced).map(|new| Step::Insert { new }));
}

/// Equal items get equal numbers, so that the table compares numbers instead of trees.
fn number(old: &[Value], new: &[Value]) -> (Vec<u32>, Vec<u32>) {
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    let mut of = |item: &Value| {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        *numbers.entry(canonical(item)).or_insert(next)
    };
    (old.iter().map(&mut of).collect(), new.iter().map(&mut of).collect())
}

/// The index pairs of one longest common subsequence.
fn longest_common(a: &[u32], b: &[u32]) -> Vec<(usize, usize)> {
    // lengths[i * width + j] = how long the longest common subsequence of a[i..] and b[j..] is.
    let width = b.len() + 1;
    let mut lengths = vec![0u32; (a.len() + 1) * width];
    let read = |lengths: &[u32], i: usize, j: usize| lengths.get(i * width + j).copied().unwrap_or(0);
    for (i, x) in a.iter().enumerate().rev() {
        for (j, y) in b.iter().enumerate().rev() {
            let best = if x == y {
                read(&lengths, i + 1, j + 1) + 1
            } else {
                read(&lengths, i + 1, j).max(read(&lengths, i, j + 1))
            };
            if let Some(cell) = lengths.get_mut(i * width + j) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j, mut kept) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        if x == y {
            kept.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if read(&lengths, i + 1, j) >= read(&lengths, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    kept
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
