use super::digest::{Held, Marks, Seen};
use super::envelope::{Body, Envelope, Piece, decode};
use super::*;
use crate::clock::VersionVector;
use crate::id::{DocumentName, Genesis, ReplicaId};

fn key(byte: u8) -> Key {
    Key::from_seed(&[byte; 32])
}

fn vector(entries: &[(u8, u64)]) -> VersionVector {
    entries.iter().map(|(author, seq)| (ReplicaId::from_bytes([*author; 16]), *seq)).collect()
}

fn holding(entries: &[(u8, u64)]) -> Digest {
    let held = Held {
        genesis: Genesis::from_bytes([1; 16]),
        marks: Marks { old: true, ..Marks::default() },
        given_up: [0; 8],
        seen: Seen::of(&vector(entries)),
        view: Some([entries.len() as u8; 16]),
        is_anew: false,
    };
    Digest { document: DocumentName::default_name(), held: Some(held) }
}

fn nothing() -> Digest {
    Digest { document: DocumentName::default_name(), held: None }
}

fn frame(from: u8, body: Body<'_>) -> Vec<u8> {
    let key = key(from);
    Envelope { key: key.public(), start: [3; 8], number: 5, body }.encode(&key).unwrap()
}

fn bus(byte: u8) -> Bus {
    let mut bus = Bus::new(key(byte), [byte; 32], 5_000);
    bus.handle_up(0);
    bus
}

#[test]
fn frames_are_read_as_they_were_written_and_only_whole() {
    let many: Vec<(u8, u64)> = (1..40).map(|author| (author, u64::from(author) + 1)).collect();
    let to = key(2).public().instance();
    let piece = Piece { to, link: [7; 8], is_dialer: true, closes: false, message: 9, at: 1, count: 3, bytes: b"xyz" };
    let bodies =
        [Body::Digests(vec![nothing(), holding(&[(1, 2)]), holding(&many)]), Body::Writes(b"{}"), Body::Piece(piece)];
    for body in bodies {
        let said = format!("{body:?}");
        let bytes = frame(1, body);
        assert_eq!(format!("{:?}", decode(&bytes, to).unwrap().unwrap().body), said);
        for end in 0..bytes.len() {
            assert!(!matches!(decode(&bytes[..end], to), Ok(Some(_))), "cut at {end}");
        }
        for at in 0..bytes.len() {
            let mut spoiled = bytes.clone();
            spoiled[at] ^= 1;
            assert!(!matches!(decode(&spoiled, to), Ok(Some(_))), "changed at {at}");
        }
    }
    let digest = frame(1, Body::Digests(vec![holding(&[(1, 2), (2, 9)])]));
    assert!(digest.len() <= 260, "{}", digest.len());
}

#[test]
fn what_is_for_somebody_else_and_what_only_newer_versions_know_is_passed_over() {
    let piece = |to: u8| {
        let to = key(to).public().instance();
        frame(
            1,
            Body::Piece(Piece {
                to,
                link: [7; 8],
                is_dialer: true,
                closes: false,
                message: 1,
                at: 0,
                count: 1,
                bytes: b"{}",
            }),
        )
    };
    let mut bus = bus(2);
    bus.handle_frame(&piece(3), || vec![nothing()], 0).unwrap();
    assert_eq!(bus.poll(), None);
    bus.handle_frame(&piece(2), || vec![nothing()], 0).unwrap();
    assert_eq!(bus.poll(), Some(Output::Opened(1, false)));
    assert_eq!(bus.poll(), Some(Output::Frame(1, b"{}".to_vec())));
    let mut newer = piece(2);
    newer[4] = 200;
    bus.handle_frame(&newer, || vec![nothing()], 0).unwrap();
    assert_eq!((bus.poll(), bus.fleet(0).refused), (None, 0));
}

#[test]
fn who_lacks_something_is_told_by_digests_alone() {
    let relation = |mine: &Digest, theirs: &Digest, greater| {
        let found = Relation::of(std::slice::from_ref(mine), std::slice::from_ref(theirs), greater);
        (found.lacks, found.is_ahead)
    };
    let (few, more) = (holding(&[(1, 1)]), holding(&[(1, 2), (2, 1)]));
    assert_eq!(relation(&few, &few, true), (false, false));
    assert_eq!(relation(&few, &more, false), (true, false));
    assert_eq!(relation(&more, &few, false), (false, true));
    assert_eq!(relation(&holding(&[(1, 2)]), &holding(&[(2, 2)]), false), (true, true));
    assert_eq!(relation(&nothing(), &few, false), (true, false));
    assert_eq!(relation(&few, &nothing(), false), (false, true));
    assert_eq!(
        (relation(&nothing(), &nothing(), true), relation(&nothing(), &nothing(), false)),
        ((true, false), (false, false))
    );
    // Of many authors only a digest is said.
    let many =
        |seq: u64| holding(&(1..40).map(|author| (author, if author == 9 { seq } else { 4 })).collect::<Vec<_>>());
    assert_eq!(relation(&many(4), &many(4), false), (false, false));
    assert_eq!(relation(&many(4), &many(5), false), (true, false));
    assert_eq!(relation(&many(5), &many(4), false), (false, true));
    assert_eq!(relation(&few, &many(4), false), (true, false));
    let change = |digest: &Digest, with: fn(&mut Held)| {
        let mut digest = digest.clone();
        with(digest.held.as_mut().unwrap());
        digest
    };
    let other = change(&few, |held| held.genesis = Genesis::from_bytes([2; 16]));
    assert_eq!(relation(&few, &other, false), (true, true));
    let anew = change(&more, |held| held.is_anew = true);
    assert_eq!((relation(&anew, &few, false), relation(&few, &anew, false)), ((true, false), (false, true)));
    let shows_else = change(&few, |held| held.view = Some([9; 16]));
    assert_eq!(relation(&few, &shows_else, false), (true, true));
    let elsewhere = Digest { document: DocumentName::parse("other").unwrap(), ..more.clone() };
    assert_eq!(relation(&few, &elsewhere, false), (false, false));
}

#[test]
fn one_who_lacks_something_waits_a_moment_then_dials_and_closes_when_in_step() {
    let mut bus = bus(2);
    let (few, more) = (vec![holding(&[(1, 1)])], vec![holding(&[(1, 2)])]);
    let said = frame(1, Body::Digests(more.clone()));
    bus.handle_frame(&said, || few.clone(), 1_000).unwrap();
    assert_eq!(bus.poll(), None);
    // What it lacks comes meanwhile: nobody is asked.
    bus.handle_timeout(|| more.clone(), |_| LinkNow::Beginning, 2_000);
    while let Some(output) = bus.poll() {
        assert!(matches!(output, Output::Publish(To::All, _)), "{output:?}");
    }
    bus.handle_frame(&said, || few.clone(), 3_000).unwrap();
    bus.handle_timeout(|| few.clone(), |_| LinkNow::Beginning, 4_000);
    let outputs: Vec<Output> = std::iter::from_fn(|| bus.poll()).collect();
    assert!(outputs.contains(&Output::Opened(1, true)), "{outputs:?}");
    bus.send(1, b"hello");
    assert!(matches!(bus.poll(), Some(Output::Publish(To::One(to), _)) if to == key(1).public().instance()));
    bus.handle_timeout(|| more.clone(), |_| LinkNow::InStep, 5_000);
    let outputs: Vec<Output> = std::iter::from_fn(|| bus.poll()).collect();
    assert!(outputs.contains(&Output::Closed(1)), "{outputs:?}");
    assert_eq!(bus.fleet(5_000), Fleet { instances: 1, ..Fleet::default() });
}

#[test]
fn a_greeting_that_was_lost_is_tried_again_and_a_link_that_ended_is_not_opened_by_late_frames() {
    let mut bus = bus(2);
    let (few, more) = (vec![holding(&[(1, 1)])], vec![holding(&[(1, 2)])]);
    bus.handle_frame(&frame(1, Body::Digests(more)), || few.clone(), 0).unwrap();
    let mut ends = 0;
    for now in (0..20_000).step_by(500) {
        bus.handle_timeout(|| few.clone(), |_| LinkNow::Beginning, now);
        ends += std::iter::from_fn(|| bus.poll()).filter(|output| matches!(output, Output::Closed(_))).count();
    }
    assert_eq!(ends, 1);
    let to = key(2).public().instance();
    let piece = |closes| Piece { to, link: [7; 8], is_dialer: true, closes, message: 1, at: 0, count: 1, bytes: b"{}" };
    for (closes, expected) in [(false, 2), (true, 1), (false, 0)] {
        bus.handle_frame(&frame(1, Body::Piece(piece(closes))), Vec::new, 30_000).unwrap();
        let told = std::iter::from_fn(|| bus.poll()).filter(|output| !matches!(output, Output::Publish(..))).count();
        assert_eq!(told, expected);
    }
}

#[test]
fn an_echo_is_dropped_and_somebody_with_the_same_key_is_noticed() {
    let mut bus = bus(1);
    bus.share(b"{}");
    let Some(Output::Publish(To::All, echo)) = bus.poll() else { panic!("it says nothing") };
    bus.handle_frame(&echo, Vec::new, 0).unwrap();
    assert_eq!((bus.poll(), bus.fleet(0).copied), (None, 0));
    bus.handle_frame(&frame(1, Body::Writes(b"{}")), Vec::new, 0).unwrap();
    assert_eq!((bus.poll(), bus.fleet(0).copied), (None, 1));
}
