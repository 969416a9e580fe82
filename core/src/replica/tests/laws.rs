//! Laws of deltas and of the last write, on random documents.

use super::mixed::{PLACES, policy, value};
use super::strategies::everywhere;
use super::*;
use crate::policy::ConflictStrategy;
use crate::testing::{Random, cases};

/// Three replicas that wrote under these rules and heard of some of it, with every write that was made. No two writes
/// have the same time.
fn apart(random: &mut Random, rules: &[Policy; 3]) -> ([Replica; 3], Vec<Arc<Assertion>>) {
    let mut replicas = [replica(1), replica(2), replica(3)];
    let mut history = Vec::new();
    for at in 1..20 + random.below(20) {
        let who = random.below(3);
        if random.below(3) == 0 {
            let source = replicas[random.below(3)].clone();
            sync(&source, &mut replicas[who]);
            continue;
        }
        // A place is one of a list or one of a map, depending on who looks: such are another test's.
        let place = PLACES[random.below(PLACES.len() - 1)];
        let place = if place.ends_with(".0") { "a.l" } else { place };
        let new = (random.below(4) > 0).then(|| value(random, 0));
        let at = 1_000 * u64::try_from(at).unwrap();
        if let Ok(Some(effect)) = write_by(&mut replicas[who], &rules[who], at, place, new) {
            history.extend(effect.added);
        }
    }
    (replicas, history)
}

/// All that makes a replica's document.
fn state(replica: &Replica) -> (VersionVector, Vec<Assertion>, View) {
    let mut live: Vec<Assertion> = replica.live().map(|held| Assertion::clone(held)).collect();
    live.sort_by(|a, b| (a.dot, &a.path).cmp(&(b.dot, &b.path)));
    (replica.seen().clone(), live, replica.view())
}

/// A replica that took in these, one after the other.
fn joined<'a>(parts: impl IntoIterator<Item = &'a Delta>) -> Replica {
    let mut all = replica(9);
    for part in parts {
        assert_ne!(all.apply(part, 0).unwrap(), Applied::Gap);
    }
    all
}

#[test]
fn joining_deltas_is_idempotent_commutative_and_associative_and_a_part_is_as_good_as_the_whole() {
    let nothing = VersionVector::default();
    let mut partial = 0;
    for seed in 0..cases(300) {
        let mut random = Random::of(seed);
        let rules = [policy(&mut random), policy(&mut random), policy(&mut random)];
        let (replicas, _) = apart(&mut random, &rules);
        let [a, b, c] = [0, 1, 2].map(|at| replicas[at].delta(&nothing));
        let of = |parts: &[&Delta]| state(&joined(parts.iter().copied()));
        assert_eq!(of(&[&a, &a]), of(&[&a]), "idempotent, seed {seed}");
        assert_eq!(of(&[&a, &b]), of(&[&b, &a]), "commutative, seed {seed}");
        // Of three, any two first.
        let whole = |replica: Replica| replica.delta(&nothing);
        let first = of(&[&whole(joined([&a, &b])), &c]);
        assert_eq!(first, of(&[&a, &whole(joined([&b, &c]))]), "associative, seed {seed}");
        assert_eq!(first, of(&[&c, &b, &a]), "seed {seed}");
        // What a replica lacks brings it as far as everything does, and nothing in it is known there.
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            let lacks = replicas[from].delta(replicas[to].seen());
            assert!(lacks.items.iter().all(|item| !replicas[to].seen().contains(item.dot)), "seed {seed}");
            let (mut one, mut other) = (replicas[to].clone(), replicas[to].clone());
            assert_ne!(one.apply(&lacks, 0).unwrap(), Applied::Gap);
            other.apply(&replicas[from].delta(&nothing), 0).unwrap();
            assert_eq!(state(&one), state(&other), "seed {seed}");
            partial += usize::from(!lacks.items.is_empty() && lacks.items.len() < replicas[from].live_len());
        }
    }
    assert!(partial > 20, "{partial}");
}

#[test]
fn the_leaves_of_last_write_wins_are_those_of_writing_everything_in_the_order_of_its_stamps() {
    let mut disputed = 0;
    for seed in 0..cases(400) {
        let mut random = Random::of(seed);
        let rules = [0, 1, 2].map(|_| everywhere(ConflictStrategy::LastWriteWins));
        let (mut replicas, mut history) = apart(&mut random, &rules);
        super::strategies::meet(&mut replicas);
        history.sort_by_key(|write| (write.stamp, write.dot, write.path.len()));
        let replayed = history.iter().fold(Value::empty_map(), |tree, write| match &write.claim {
            Claim::Value(value) => tree.with(&write.path, value.clone()),
            Claim::Absent => tree.without(&write.path),
            other => panic!("{other:?} is no last write"),
        });
        let leaves = |value: &Value| {
            let mut leaves = Vec::new();
            // Whether an empty map is left depends on whether somebody asserted it.
            value.for_each_leaf(&mut |path, leaf| {
                if *leaf != Value::empty_map() {
                    leaves.push((path.clone(), leaf.clone()));
                }
            });
            leaves
        };
        let view = replicas[0].view();
        assert_eq!(leaves(&view.value), leaves(&replayed), "seed {seed}: {history:#?}");
        disputed += view.disagreements.len();
    }
    assert!(disputed > 100, "{disputed}");
}
