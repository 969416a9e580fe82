use std::collections::BTreeMap;

use super::*;
use crate::clock::{Dot, VersionVector};
use crate::id::ReplicaId;
use crate::testing::{Random, cases};

impl Random {
    fn text(&mut self, most: usize) -> String {
        let len = self.below(most + 1);
        (0..len).map(|_| ['a', 'b', 'é', '😀', '\u{301}'][self.below(5)]).collect()
    }

    fn content(&mut self, kind: Kind, most: usize) -> Content {
        match kind {
            Kind::Text => Content::Text(self.text(most)),
            Kind::List => Content::List(
                (0..self.below(most + 1)).map(|_| Value::from(i64::try_from(self.below(4)).unwrap())).collect(),
            ),
        }
    }

    fn operation(&mut self, kind: Kind, len: usize) -> Operation {
        let (mut steps, mut left) = (Vec::new(), len);
        for _ in 0..self.below(6) {
            let n = self.below(left.min(4) + 1);
            steps.push(match self.below(4) {
                0 => Step::Retain(n),
                1 => Step::Delete(n),
                2 => Step::Replace(n, self.content(kind, 3)),
                _ => Step::Insert(self.content(kind, 3)),
            });
            if !matches!(steps.last(), Some(Step::Insert(_))) {
                left -= n;
            }
        }
        Operation::new(steps).unwrap()
    }
}

fn len(value: &Value) -> usize {
    Content::of(value).unwrap().len()
}

#[test]
fn transformed_operations_meet_in_both_orders() {
    for seed in 0..cases(200_000) {
        let mut random = Random::of(seed);
        let kind = if random.below(2) == 0 { Kind::List } else { Kind::Text };
        let base = random.content(kind, 9).to_value();
        let (a, b) = (random.operation(kind, len(&base)), random.operation(kind, len(&base)));
        let kept = base.clone();
        let ab = transform(&b, &a, Side::Right).apply(&a.apply(&base).unwrap()).unwrap();
        let ba = transform(&a, &b, Side::Left).apply(&b.apply(&base).unwrap()).unwrap();
        assert_eq!(ab, ba, "seed {seed}: {base:?} {a:?} {b:?}");
        assert_eq!(base, kept, "the input is not mutated");
        let inserted = |operation: &Operation| -> usize {
            operation.steps().iter().map(|s| if let Step::Insert(c) = s { c.len() } else { 0 }).sum()
        };
        assert!(len(&ab) >= inserted(&a) + inserted(&b), "seed {seed}: an insertion was lost");
    }
}

#[test]
fn composing_and_inverting_are_what_applying_says() {
    for seed in 0..cases(20_000) {
        let mut random = Random::of(seed);
        let kind = if random.below(2) == 0 { Kind::List } else { Kind::Text };
        let base = random.content(kind, 9).to_value();
        let a = random.operation(kind, len(&base));
        let middle = a.apply(&base).unwrap();
        let b = random.operation(kind, len(&middle));
        let end = b.apply(&middle).unwrap();
        assert_eq!(a.compose(&b).unwrap().apply(&base).unwrap(), end, "seed {seed}");
        assert_eq!(a.invert(&base).unwrap().apply(&middle).unwrap(), base, "seed {seed}");
        let found = Operation::between(&base, &end).unwrap();
        assert_eq!(found.apply(&base).unwrap(), end, "seed {seed}");
        assert_eq!(Operation::from_value(&b.to_value()).unwrap(), b, "seed {seed}");
    }
}

#[test]
fn every_pair_of_kinds_keeps_both_intentions() {
    let base = Value::from("abcdefgh");
    for (a, b, expected) in [
        (Operation::insert(1, "X"), Operation::insert(1, "Y"), "aXYbcdefgh"),
        (Operation::insert(1, "X"), Operation::insert(4, "Y"), "aXbcdYefgh"),
        (Operation::insert(3, "X"), Operation::delete(2, 3), "abXfgh"),
        (Operation::delete(2, 3), Operation::insert(3, "X"), "abXfgh"),
        (Operation::delete(2, 3), Operation::delete(3, 3), "abgh"),
        (Operation::delete(0, 2), Operation::delete(6, 2), "cdef"),
        (Operation::delete(1, 6), Operation::delete(2, 2), "ah"),
        (Operation::replace(0, 1, "X"), Operation::replace(7, 1, "Y"), "XbcdefgY"),
        (Operation::default(), Operation::delete(0, 8), ""),
    ] {
        let ab = transform(&b, &a, Side::Right).apply(&a.apply(&base).unwrap()).unwrap();
        let ba = transform(&a, &b, Side::Left).apply(&b.apply(&base).unwrap()).unwrap();
        assert_eq!((ab, ba), (expected.into(), expected.into()), "{a:?} {b:?}");
    }
}

#[test]
fn a_difference_is_a_difference_and_not_the_whole() {
    let found = Operation::between(&"the quick fox".into(), &"the slow fox".into()).unwrap();
    assert!(found.steps().iter().any(|step| matches!(step, Step::Retain(4))), "{found:?}");
    assert_eq!(Operation::between(&1.into(), &"a".into()), None);
    assert_eq!(Operation::between(&vec![].into(), &"a".into()), None);
}

#[test]
fn other_types_stay_as_they_are_and_bad_positions_are_errors() {
    let operation = Operation::insert(0, "x");
    for value in [Value::Null, true.into(), 1.into(), Value::empty_map()] {
        assert_eq!(operation.apply(&value).unwrap(), value);
    }
    assert_eq!(operation.apply(&vec![1.into()].into()).unwrap_err().code(), Code::Type);
    assert_eq!(Operation::delete(1, 9).apply(&"ab".into()).unwrap_err().code(), Code::PatchFailed);
    assert_eq!(Operation::new([Step::Retain(9)]).unwrap().apply(&"ab".into()).unwrap(), "ab".into());
    let mixed = Operation::new([Step::Insert("a".into()), Step::Insert(vec![Value::Null].into())]);
    assert_eq!(mixed.unwrap_err().code(), Code::Type);
}

#[test]
fn positions_count_unicode_scalar_values() {
    assert_eq!(Operation::insert(2, "x").apply(&"é😀z".into()).unwrap(), "é😀xz".into());
    assert_eq!(Operation::delete(1, 1).apply(&"é😀z".into()).unwrap(), "éz".into());
}

/// One edit with its context, as the simulation keeps it.
struct Made {
    dot: Dot,
    context: VersionVector,
    operation: Operation,
    inserted: Vec<i64>,
    deleted: Vec<i64>,
}

fn edits(made: &[Made]) -> Vec<Edit<'_>> {
    made.iter().map(|m| Edit { dot: m.dot, context: &m.context, operation: &m.operation }).collect()
}

fn numbers(content: &Content) -> Vec<i64> {
    content.units().iter().map(|v| v.as_i64().unwrap()).collect()
}

fn author(byte: usize) -> ReplicaId {
    ReplicaId::from_bytes([u8::try_from(byte).unwrap(); 16])
}

/// Replicas that edit one list of distinct numbers and now and then hear of each other.
fn simulate(random: &mut Random, replicas: usize) -> Vec<Made> {
    let mut seen = vec![VersionVector::default(); replicas];
    let mut made: Vec<Made> = Vec::new();
    let mut next = 0i64;
    for _ in 0..random.below(14) + 2 {
        let who = random.below(replicas);
        if random.below(3) == 0 {
            let from = random.below(replicas);
            let other = seen[from].clone();
            seen[who].join(&other);
            continue;
        }
        let known: Vec<Edit<'_>> = edits(&made).into_iter().filter(|e| seen[who].contains(e.dot)).collect();
        let now = numbers(&replay(Kind::List, known));
        let at = random.below(now.len() + 1);
        let gone = random.below((now.len() - at).min(2) + 1);
        let inserted: Vec<i64> = (0..random.below(4)).map(|n| next + i64::try_from(n).unwrap()).collect();
        next += 10;
        let content: Vec<Value> = inserted.iter().map(|n| Value::from(*n)).collect();
        let dot = Dot { replica: author(who), seq: seen[who].seq(author(who)) + 1 };
        let deleted = now[at..at + gone].to_vec();
        let operation = Operation::replace(at, gone, content);
        made.push(Made { dot, context: seen[who].clone(), operation, inserted, deleted });
        seen[who].add(dot);
    }
    made
}

#[test]
fn a_sequence_does_not_depend_on_the_order_of_replay_and_loses_nothing() {
    for seed in 0..cases(3_000) {
        let mut random = Random::of(seed);
        let count = 2 + random.below(4);
        let made = simulate(&mut random, count);
        let end = numbers(&replay(Kind::List, edits(&made)));
        // Any other linear extension: repeatedly take a random edit whose whole past is there.
        let (mut left, mut order, mut past) = (edits(&made), Vec::new(), VersionVector::default());
        while !left.is_empty() {
            let ready: Vec<usize> = (0..left.len()).filter(|at| past.includes(left[*at].context)).collect();
            let edit = left.remove(ready[random.below(ready.len())]);
            past.add(edit.dot);
            order.push(edit);
        }
        assert_eq!(numbers(&replay::in_order(Kind::List, &order)), end, "seed {seed}");
        let mut count: BTreeMap<i64, usize> = BTreeMap::new();
        end.iter().for_each(|n| *count.entry(*n).or_default() += 1);
        for edit in &made {
            for n in &edit.inserted {
                let removed = made.iter().any(|other| other.deleted.contains(n));
                assert_eq!(count.get(n).copied().unwrap_or(0), usize::from(!removed), "seed {seed}: {n}");
            }
            let order: Vec<usize> = edit.inserted.iter().filter_map(|n| end.iter().position(|m| m == n)).collect();
            assert!(order.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: an author's order changed");
        }
    }
}

#[test]
fn two_runs_typed_forward_never_interleave() {
    for seed in 0..cases(2_000) {
        let mut random = Random::of(seed);
        let base_len = random.below(4);
        let base: Vec<Value> = (0..base_len).map(|n| Value::from(i64::try_from(n).unwrap())).collect();
        let mut made = Vec::new();
        let mut past = VersionVector::default();
        if base_len > 0 {
            let dot = Dot { replica: author(9), seq: 1 };
            let operation = Operation::insert(0, base);
            made.push(Made { dot, context: past.clone(), operation, inserted: vec![], deleted: vec![] });
            past.add(dot);
        }
        let at = random.below(base_len + 1);
        for who in 0..2 {
            let mut context = past.clone();
            for n in 0..random.below(5) + 1 {
                let dot = Dot { replica: author(who), seq: context.seq(author(who)) + 1 };
                let value = i64::try_from(100 * (who + 1) + n).unwrap();
                let operation = Operation::insert(at + n, vec![Value::from(value)]);
                made.push(Made { dot, context: context.clone(), operation, inserted: vec![], deleted: vec![] });
                context.add(dot);
            }
        }
        let end = numbers(&replay(Kind::List, edits(&made)));
        let owners: Vec<i64> = end.iter().map(|n| n / 100).collect();
        let mut runs = owners.clone();
        runs.dedup();
        for who in [1, 2] {
            assert_eq!(runs.iter().filter(|owner| **owner == who).count(), 1, "seed {seed}: {end:?}");
        }
    }
}

#[test]
fn positions_out_of_range_are_taken_as_the_end() {
    let context = VersionVector::default();
    let dot = Dot { replica: author(1), seq: 1 };
    let far = Operation::new([Step::Retain(usize::MAX), Step::Insert("x".into()), Step::Delete(usize::MAX)]).unwrap();
    let edit = Edit { dot, context: &context, operation: &far };
    assert_eq!(replay(Kind::Text, [edit]), "x".into());
    assert_eq!(replay(Kind::List, [edit]), Content::List(vec![]));
}

#[test]
fn operations_that_no_author_would_write_are_refused() {
    for text in [
        "1",
        "[-1]",
        "[4294967296]",
        "[{}]",
        r#"[{"insert":1}]"#,
        r#"[{"move":1}]"#,
        r#"[{"insert":"a"},{"insert":[1]}]"#,
    ] {
        let value = crate::format::parse(text, crate::format::Format::Json).unwrap();
        assert!(Operation::from_value(&value).is_err(), "{text}");
    }
}
