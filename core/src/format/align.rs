//! Which item of an old list each item of a new one is: what stays, what moved, what changed, what is new.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use super::json_print::write_inline;
use crate::value::Value;

/// How many cells the table of a longest common subsequence may have (4 MiB): beyond, only equal ends are found.
const MAX_CELLS: usize = 1 << 20;

/// How many items of each side are compared by likeness.
const MAX_LIKENESS: usize = 64;

/// Index pairs of equal items in both lists, in order: the equal ends and a longest common subsequence between them.
pub(crate) fn common<V: Borrow<Value>>(old: &[V], new: &[Value]) -> Vec<(usize, usize)> {
    let same = |(a, b): &(&V, &Value)| {
        let a: &Value = (*a).borrow();
        a.ptr_eq(b) || a == *b
    };
    let prefix = old.iter().zip(new).take_while(same).count();
    let (old_rest, new_rest) = (old.get(prefix..).unwrap_or(&[]), new.get(prefix..).unwrap_or(&[]));
    let suffix = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let (olds, news) = (old_rest.len() - suffix, new_rest.len() - suffix);
    let mut pairs: Vec<(usize, usize)> = (0..prefix).map(|at| (at, at)).collect();
    if olds > 0 && news > 0 && (olds + 1).saturating_mul(news + 1) <= MAX_CELLS {
        let mut numbers = Numbers::default();
        let a: Vec<u32> = old_rest.iter().take(olds).map(|item| numbers.of(item.borrow())).collect();
        let b: Vec<u32> = new_rest.iter().take(news).map(|item| numbers.of(item)).collect();
        pairs.extend(longest_common(&a, &b).into_iter().map(|(a, b)| (a + prefix, b + prefix)));
    }
    pairs.extend((0..suffix).rev().map(|at| (old.len() - 1 - at, new.len() - 1 - at)));
    pairs
}

/// Equal items get equal numbers, so that the table compares numbers instead of trees.
#[derive(Default)]
struct Numbers(BTreeMap<String, u32>);

impl Numbers {
    fn of(&mut self, item: &Value) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(spelled(item)).or_insert(next)
    }
}

fn spelled(item: &Value) -> String {
    let mut text = String::new();
    write_inline(&mut text, item, "");
    text
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

/// How one list becomes another.
pub(super) struct Alignment {
    /// For each new item the old one that it is; none if it is new.
    pub origin: Vec<Option<usize>>,
    /// For each old item whether it stays where it is among the others that stay.
    pub stays: Vec<bool>,
}

impl Alignment {
    pub fn new(old: &[&Value], new: &[Value]) -> Alignment {
        let mut origin: Vec<Option<usize>> = vec![None; new.len()];
        let mut taken = vec![false; old.len()];
        let kept = common(old, new);
        for (from, to) in &kept {
            pair(&mut origin, &mut taken, *from, *to);
        }
        if kept.len() < old.len() && kept.len() < new.len() {
            equal_elsewhere(old, new, &mut origin, &mut taken);
            alike(old, new, &mut origin, &mut taken);
            in_gaps(&kept, &mut origin, &mut taken);
        }
        let mut stays = vec![false; old.len()];
        for from in longest_rise(&origin) {
            if let Some(stays) = stays.get_mut(from) {
                *stays = true;
            }
        }
        Alignment { origin, stays }
    }

    /// The new index of each old item that is still there.
    #[cfg(feature = "yaml")]
    pub fn targets(&self) -> Vec<Option<usize>> {
        let mut targets = vec![None; self.stays.len()];
        for (to, from) in self.origin.iter().enumerate() {
            if let Some(target) = from.and_then(|from| targets.get_mut(from)) {
                *target = Some(to);
            }
        }
        targets
    }
}

fn pair(origin: &mut [Option<usize>], taken: &mut [bool], from: usize, to: usize) {
    if let (Some(origin), Some(taken)) = (origin.get_mut(to), taken.get_mut(from)) {
        (*origin, *taken) = (Some(from), true);
    }
}

fn free_old(taken: &[bool]) -> impl Iterator<Item = usize> {
    taken.iter().enumerate().filter(|(_, taken)| !**taken).map(|(at, _)| at)
}

fn free_new(origin: &[Option<usize>]) -> impl Iterator<Item = usize> {
    origin.iter().enumerate().filter(|(_, origin)| origin.is_none()).map(|(at, _)| at)
}

/// Items that moved without a change.
fn equal_elsewhere(old: &[&Value], new: &[Value], origin: &mut [Option<usize>], taken: &mut [bool]) {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, item) in free_old(taken).filter_map(|at| Some((at, old.get(at)?))) {
        places.entry(spelled(item)).or_default().push(at);
    }
    places.values_mut().for_each(|places| places.reverse());
    for to in free_new(origin).collect::<Vec<_>>() {
        let place = new.get(to).and_then(|item| places.get_mut(&spelled(item))?.pop());
        if let Some(from) = place {
            pair(origin, taken, from, to);
        }
    }
}

/// Items that changed a little, the most alike first.
fn alike(old: &[&Value], new: &[Value], origin: &mut [Option<usize>], taken: &mut [bool]) {
    let (olds, news): (Vec<usize>, Vec<usize>) = (free_old(taken).collect(), free_new(origin).collect());
    if olds.len() > MAX_LIKENESS || news.len() > MAX_LIKENESS {
        return;
    }
    let mut found = Vec::new();
    for from in &olds {
        for to in &news {
            if let (Some(a), Some(b)) = (old.get(*from), new.get(*to)) {
                let likeness = likeness(a, b);
                if likeness >= 500 {
                    found.push((1000 - likeness, from.abs_diff(*to), *from, *to));
                }
            }
        }
    }
    found.sort_unstable();
    for (_, _, from, to) in found {
        if taken.get(from) == Some(&false) && origin.get(to) == Some(&None) {
            pair(origin, taken, from, to);
        }
    }
}

/// How much two items have in common, in thousandths.
fn likeness(a: &Value, b: &Value) -> usize {
    let share = |common: usize, all: usize| (common * 1000).checked_div(all).unwrap_or(0);
    match (a, b) {
        (Value::Map(x), Value::Map(y)) => {
            let common: usize =
                x.iter().filter_map(|(key, a)| y.get(key).map(|b| if a == b { 1000 } else { likeness(a, b) })).sum();
            // What names an item says the most.
            let named = |key: &&str| x.get(key).is_some_and(|a| Some(a) == y.get(key));
            let bonus = if ["name", "id", "key"].iter().any(named) { 500 } else { 0 };
            (common.checked_div(x.len().max(y.len())).unwrap_or(0) + bonus).min(999)
        }
        (Value::List(x), Value::List(y)) => {
            let common = x.iter().filter(|a| y.iter().any(|b| b == *a)).count();
            share(common, x.len().max(y.len())).min(999)
        }
        (Value::String(x), Value::String(y)) => {
            let prefix = x.chars().zip(y.chars()).take_while(|(a, b)| a == b).count();
            let (long, short) = (x.chars().count().max(y.chars().count()), x.chars().count().min(y.chars().count()));
            let suffix = x.chars().rev().zip(y.chars().rev()).take_while(|(a, b)| a == b).count().min(short - prefix);
            // Short words are alike by chance.
            if prefix + suffix < 4 { 0 } else { share(prefix + suffix, long).min(999) }
        }
        _ => 0,
    }
}

/// Between items that stay, as many old ones as new ones are the same ones with another value.
fn in_gaps(kept: &[(usize, usize)], origin: &mut [Option<usize>], taken: &mut [bool]) {
    let bounds: Vec<(usize, usize)> = kept.iter().copied().chain([(taken.len(), origin.len())]).collect();
    let (mut old_at, mut new_at) = (0, 0);
    for (old_end, new_end) in bounds {
        let olds: Vec<usize> = (old_at..old_end).filter(|at| taken.get(*at) == Some(&false)).collect();
        let news: Vec<usize> = (new_at..new_end).filter(|at| origin.get(*at) == Some(&None)).collect();
        if olds.len() == news.len() {
            olds.into_iter().zip(news).for_each(|(from, to)| pair(origin, taken, from, to));
        }
        (old_at, new_at) = (old_end + 1, new_end + 1);
    }
}

/// The old indexes of one longest run that rises: what lies outside of it moves.
fn longest_rise(origin: &[Option<usize>]) -> Vec<usize> {
    let items: Vec<usize> = origin.iter().copied().flatten().collect();
    // tails[n] = where the run of n + 1 items ends whose last item is smallest.
    let mut tails: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(items.len());
    let item = |at: &usize| items.get(*at).copied().unwrap_or(0);
    for (at, value) in items.iter().enumerate() {
        let length = tails.partition_point(|tail| item(tail) < *value);
        before.push(length.checked_sub(1).and_then(|shorter| tails.get(shorter)).copied());
        match tails.get_mut(length) {
            Some(tail) => *tail = at,
            None => tails.push(at),
        }
    }
    let mut run = Vec::with_capacity(tails.len());
    let mut next = tails.last().copied();
    while let Some(at) = next {
        run.push(item(&at));
        next = before.get(at).copied().flatten();
    }
    run.reverse();
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(old: &[&str], new: &[&str]) -> Vec<Option<usize>> {
        let old: Vec<Value> = old.iter().map(|text| Value::from(*text)).collect();
        let new: Vec<Value> = new.iter().map(|text| Value::from(*text)).collect();
        Alignment::new(&old.iter().collect::<Vec<_>>(), &new).origin
    }

    #[test]
    fn items_are_found_where_they_moved_to() {
        assert_eq!(origin(&["a", "b", "c", "d"], &["b", "d"]), [Some(1), Some(3)]);
        assert_eq!(origin(&["a", "b"], &["b", "a"]), [Some(1), Some(0)]);
        assert_eq!(origin(&["a", "b", "c"], &["b", "c", "d"]), [Some(1), Some(2), None]);
        assert_eq!(origin(&["a", "b", "c"], &["a", "x", "c"]), [Some(0), Some(1), Some(2)]);
        assert_eq!(origin(&["a"], &["x", "y"]), [None, None]);
        assert_eq!(origin(&["image:1.25", "b"], &["new", "image:1.27", "b"]), [None, Some(0), Some(1)]);
    }

    #[test]
    fn the_items_that_stay_are_as_many_as_possible() {
        let old: Vec<Value> = (0..6).map(Value::from).collect();
        let new: Vec<Value> = [5, 0, 1, 2, 3, 4].into_iter().map(Value::from).collect();
        let found = Alignment::new(&old.iter().collect::<Vec<_>>(), &new);
        assert_eq!(found.stays, [true, true, true, true, true, false]);
        assert_eq!(found.targets(), [1, 2, 3, 4, 5, 0].map(Some));
    }
}
