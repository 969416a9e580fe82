//! A document that gives way, and what goes along into the other one.

use super::strategies::everywhere;
use super::*;
use crate::policy::ConflictStrategy;

#[test]
fn what_edited_a_sequence_comes_back_to_its_document_under_another_name() {
    let rules = everywhere(ConflictStrategy::OperationalTransform);
    let in_document = |byte: u8, document: u8| {
        Replica::new(ReplicaId::from_bytes([byte + 10; 16]), Genesis::from_bytes([document; 16]))
    };
    // One instance shares the write in its document, takes it along to another one, and that one gives way in turn.
    let mut origin = in_document(1, 1);
    write_by(&mut origin, &rules, 5, "text", Some("typed".into())).unwrap();
    let mut stays = in_document(2, 1);
    sync(&origin, &mut stays);
    let mut elsewhere = in_document(1, 2);
    assert!(!elsewhere.makes_again(&origin), "it goes along under its own name");
    elsewhere.take_along(&origin, 6);
    let mut back = in_document(3, 1);
    assert!(back.makes_again(&elsewhere));
    let effect = back.take_along(&elsewhere, 7);
    assert!(effect.added.iter().all(|made| made.dot.replica == back.id()), "{:?}", effect.added);
    // Another one that comes back once it is there brings nothing more.
    assert!(!back.clone().makes_again(&elsewhere));
    assert!(stays.given_twice(&back.delta(&VersionVector::default())).is_empty());
    sync(&back, &mut stays);
    sync(&stays, &mut back);
    assert_eq!(back.view(), stays.view());
    assert_eq!(back.view().value, map(&[("text", "typed".into())]));
}

#[test]
fn whoever_takes_writes_of_a_document_that_gave_way_counts_nothing_of_its_founder_as_seen() {
    let found = |byte: u8| {
        let genesis = Genesis::from_bytes([byte; 16]);
        let content = map(&[("founder", u64::from(byte).into())]);
        let id = ReplicaId::from_bytes([byte; 16]);
        Replica::found(id, genesis, &content, false, &WriteOptions::under(&Policy::default())).unwrap().0
    };
    let (lesser, mut greater) = (found(2), found(1));
    let genesis = lesser.genesis();
    // Written in a third document, and moved from there: it never saw the founder of the second.
    let mut elsewhere = replica(3);
    write(&mut elsewhere, 5, "own", Some(1.into()));
    let mut moved = lesser;
    sync(&elsewhere, &mut moved);
    let all = moved.delta(&VersionVector::default());
    let along = greater.moved_delta(genesis, &all).unwrap();
    assert!(matches!(greater.apply(&along, 5).unwrap(), Applied::Advanced { .. }));
    assert_eq!(greater.view().value, map(&[("founder", 1.into()), ("own", 1.into())]));
    // What it counts as seen others get from it.
    let mut other = Replica::new(ReplicaId::from_bytes([4; 16]), greater.genesis());
    sync(&greater, &mut other);
    assert_eq!(other.seen(), greater.seen());
    assert_eq!(other.seen().seq(genesis.founder()), 0);
}
