//! What a delta may claim.

use super::mixed::{PLACES, policy, value};
use super::*;
use crate::limits::{MAX_AUTHORS, MAX_NEW_AUTHORS};
use crate::testing::{Random, cases};

fn author(number: usize) -> ReplicaId {
    ReplicaId::from_bytes((number as u128 + 1).to_be_bytes())
}

/// Replicas of one document: some settle where all have the same, and each hears of parts of what others wrote.
fn told(random: &mut Random) -> Vec<Replica> {
    let rules = policy(random);
    let mut replicas: Vec<Replica> = (1..5).map(replica).collect();
    for at in 1..60 {
        let who = random.below(replicas.len());
        let source = replicas[random.below(4)].clone();
        let to = &mut replicas[who];
        match random.below(8) {
            0..=2 => {
                // Who relays has also what others said in the meantime.
                let delta = source.delta(&to.seen().clone());
                assert_ne!(to.apply(&delta, 0).unwrap(), Applied::Gap);
            }
            3 if to.seen() == source.seen() => {
                let view = to.view();
                to.settle(&view).unwrap();
            }
            _ => {
                let place = PLACES[random.below(PLACES.len())];
                let new = (random.below(4) > 0).then(|| value(random, 0));
                let _ = write_by(to, &rules, 1_000 * at, place, new);
            }
        }
    }
    replicas
}

#[test]
fn what_a_replica_sends_ends_with_what_follows_from_it() {
    let mut voids = 0;
    for seed in 0..cases(200) {
        let mut random = Random::of(seed);
        let replicas = told(&mut random);
        for (from, to) in replicas.iter().flat_map(|a| replicas.iter().map(move |b| (a, b))) {
            let delta = from.delta(to.seen());
            assert_eq!(delta.check(), Ok(()), "seed {seed}");
            assert_eq!(delta.to, *from.seen(), "seed {seed}: a replica claims all that it has seen");
            let authors = delta.items.iter().map(|item| item.dot.replica).collect::<std::collections::BTreeSet<_>>();
            let since = &delta.since;
            voids += delta.to.iter().filter(|(r, seq)| *seq > since.seq(*r) && !authors.contains(r)).count();
        }
    }
    assert!(voids > 100, "{voids} authors without a write of their own in a delta");
}

#[test]
fn a_delta_that_claims_more_than_follows_from_it_is_refused() {
    let (mut one, mut two) = (replica(1), replica(2));
    write(&mut one, 1, "a", Some(1.into()));
    sync(&one, &mut two);
    write(&mut one, 2, "a", Some(2.into()));
    let honest = one.delta(two.seen());
    assert_eq!(honest.check(), Ok(()));
    let own = author(0);
    for claim in [(author(5), 1), (one.id(), 3), (two.id(), 1), (own, u64::MAX)] {
        let mut delta = honest.clone();
        delta.to.add(Dot { replica: claim.0, seq: claim.1 });
        let before = two.clone();
        let error = two.apply(&delta, 0).unwrap_err();
        assert!(error.message().contains("more than follows from it"), "{error}");
        assert_eq!((two.seen(), two.view()), (before.seen(), before.view()));
        let nothing = Delta { items: Vec::new(), ..delta };
        assert!(two.apply(&nothing, 0).is_err());
    }
    assert!(matches!(two.apply(&honest, 0), Ok(Applied::Advanced { .. })));
}

#[test]
fn a_snapshot_claims_its_floor_and_what_goes_on_from_it() {
    let mut one = replica(1);
    write(&mut one, 1, "a", Some(1.into()));
    let view = one.view();
    one.settle(&view).unwrap();
    write(&mut one, 2, "b", Some(2.into()));
    let honest = one.delta(&VersionVector::default());
    assert!(honest.base.is_some());
    let mut forged = honest.clone();
    forged.to.add(Dot { replica: author(7), seq: 1 });
    assert!(replica(2).apply(&forged, 0).is_err());
    let mut two = replica(2);
    assert!(matches!(two.apply(&honest, 0), Ok(Applied::Advanced { .. })));
    assert_eq!(two.seen(), one.seen());
}

#[test]
fn a_torn_past_that_somebody_made_up_does_not_make_others_refuse_the_rest() {
    let (mut liar, mut one, mut two) = (replica(1), replica(2), replica(3));
    write(&mut liar, 1, "a", Some(1.into()));
    sync(&liar, &mut one);
    write(&mut one, 2, "a", Some(2.into()));
    let cover = one.delta(&VersionVector::default());
    // Its author saw the write of `one` and not what that had seen.
    let mut torn = Assertion::clone(&cover.items[0]);
    let context: VersionVector = [(one.id(), 1)].into_iter().collect();
    torn.dot = Dot { replica: author(99), seq: 1 };
    torn.context = Arc::new(context);
    torn.stamp = crate::clock::Stamp::from_u64(3 << 16);
    let mut to = one.seen().clone();
    to.add(torn.dot);
    let delta = Delta { since: one.seen().clone(), to, base: None, items: vec![Arc::new(torn)] };
    assert!(matches!(one.apply(&delta, 0), Ok(Applied::Advanced { .. })));
    let whole = one.delta(&VersionVector::default());
    assert_eq!(whole.check(), Ok(()));
    assert!(matches!(two.apply(&whole, 0), Ok(Applied::Advanced { .. })));
    assert_eq!(two.view(), one.view());
    // The next write of anybody who saw it brings the rest of the vector.
    write(&mut one, 4, "b", Some(1.into()));
    sync(&one, &mut two);
    assert_eq!((two.seen(), two.view()), (one.seen(), one.view()));
}

#[test]
fn a_document_has_a_bounded_number_of_authors() {
    let mut crowd = replica(1);
    write(&mut crowd, 1, "a", Some(1.into()));
    let seen = |count: usize| (0..count).map(|number| (author(number << 8), 1)).collect::<VersionVector>();
    let from = |number: usize, context: VersionVector| {
        let mut item = Assertion::clone(crowd.live().next().unwrap());
        item.dot = Dot { replica: author(number), seq: 1 };
        item.context = Arc::new(context.clone());
        let mut to = context;
        to.add(item.dot);
        Delta { since: VersionVector::default(), to, base: None, items: vec![Arc::new(item)] }
    };
    let mut full = replica(2);
    let most = from(1, seen(MAX_AUTHORS - 1));
    assert!(matches!(full.apply(&most, 0), Ok(Applied::Advanced { .. })));
    let error = full.apply(&from(3, VersionVector::default()), 0).unwrap_err();
    assert_eq!(error.code(), crate::Code::TooLarge);
    assert!(error.message().contains("65536 authors") && error.hint().unwrap().contains("found it anew"), "{error}");
    assert_eq!(full.seen().len(), MAX_AUTHORS);

    // Nobody begins to write long before, so that those who began at the same time have room.
    let mut nearly = replica(3);
    nearly.apply(&from(1, seen(MAX_NEW_AUTHORS - 1)), 0).unwrap();
    let error = write_by(&mut nearly, &Policy::default(), 5, "b", Some(1.into())).unwrap_err();
    assert_eq!(error.code(), crate::Code::TooLarge);
    assert!(matches!(nearly.apply(&from(3, VersionVector::default()), 0), Ok(Applied::Advanced { .. })));
    let mut known = nearly.reincarnated(author(3));
    assert!(write(&mut known, 6, "b", Some(1.into())).is_some(), "who wrote before goes on");
}
