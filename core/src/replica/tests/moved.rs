//! A document that gives way, and what goes along into the other one.

use super::*;

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
