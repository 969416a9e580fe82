//! What people write: paths, values and rules, few enough that they meet.

use confmesh::policy::{ConflictStrategy, Rule};
use confmesh::value::Str;
use confmesh::{Path, Pattern, Policy, Value};

use super::random::Random;

const PATTERNS: &[&str] = &["*", "a", "a.*", "b.*", "a.x", "*.x", "c.d", "c.**", "a.l", "t", "**.p", "g.*"];
const PLACES: &[&str] = &[
    "a.x", "a.l", "t", "a", "b.x", "c.d.e", "a.y", "b", "c.d", "a.x.p", "c", "a.l.0", "b.x.p", "a.l.x", "m.n.o", "t.u",
];
/// Where guests write values that are found again.
const GUEST_PLACES: &[&str] = &["g.k", "g.l", "g.m"];

/// Numbers from here on are given out once only, so that they are found again.
pub(crate) const FIRST_MARKER: i64 = 1_000_000;

pub(crate) fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

pub(crate) fn place(random: &mut Random, count: usize) -> Path {
    path(PLACES[random.below(count.min(PLACES.len()))])
}

pub(crate) fn guest_place(random: &mut Random) -> Path {
    path(random.pick(GUEST_PLACES))
}

pub(crate) fn policy(random: &mut Random) -> Policy {
    let mut rules = Vec::new();
    for _ in 0..random.below(5) {
        let rule = Rule::on(Pattern::parse(random.pick(PATTERNS)).unwrap());
        let strategy = random.pick(ConflictStrategy::ALL);
        rules.push(if random.below(8) == 0 { rule.atomic(true) } else { rule.conflict(strategy) });
    }
    Policy::of(rules).unwrap()
}

/// A value; `marker` gives numbers that nobody else writes.
pub(crate) fn value(random: &mut Random, marker: &mut i64, depth: usize) -> Value {
    let mut next = || {
        *marker += 1;
        *marker
    };
    match random.below(if depth > 2 { 8 } else { 11 }) {
        0..=2 => next().into(),
        3 => i64::try_from(random.below(4)).unwrap().into(),
        4 => ["", "a", "ab", "éa", "bca", "a\u{1f600}b"][random.below(6)].into(),
        5 => [Value::Null, true.into(), float(0.5), float(2.25)][random.below(4)].clone(),
        6 | 7 => {
            let mut item = |random: &mut Random| match random.below(2) {
                0 => Value::from(next()),
                _ => i64::try_from(random.below(4)).unwrap().into(),
            };
            (0..random.below(4)).map(|_| item(random)).collect::<Vec<_>>().into()
        }
        8 => Value::empty_map(),
        _ => {
            let keys = ["x", "y", "p", "l", "d", "e"];
            (0..random.below(3) + 1)
                .map(|_| (Str::from(random.pick(&keys)), value(random, marker, depth + 1)))
                .collect()
        }
    }
}

/// The markers in a text of ours. What has a fraction is a mean.
pub(crate) fn markers(text: &str) -> Vec<i64> {
    let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.').filter(|digits| digits.len() == 7);
    numbers.filter_map(|digits| digits.parse().ok()).filter(|number| *number > FIRST_MARKER).collect()
}

/// A document that holds only markers that are given out for it, as somebody's file holds before there is a mesh.
pub(crate) fn document(random: &mut Random, marker: &mut i64) -> Value {
    let keys = ["a", "b", "c", "t"];
    let count = random.below(keys.len());
    keys.iter().take(count).map(|key| (Str::from(*key), value(random, marker, 1))).collect()
}

fn float(number: f64) -> Value {
    confmesh::value::Number::from_f64(number).unwrap().into()
}
