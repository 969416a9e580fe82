//! Notes on members that no instance would write.

use super::identity::{Stranger, audits, greeting, members, own, pair, seen};
use super::*;
use crate::clock::{Dot, VersionVector};
use crate::conflict::{Meanwhile, Tag};
use crate::id::Genesis;
use crate::identity::Key;
use crate::protocol::Message;
use crate::replica::{Assertion, Claim, Delta, Edit, joins, leaves, signed};

/// Who joined as it should, and may write what it likes.
fn joined(world: &mut World, number: u8) -> (Stranger, Genesis) {
    let stranger = Stranger::dial(world, number);
    let greeting = greeting(world, stranger.name(), None);
    stranger.greet(world, &greeting, stranger.key.public());
    assert!(members(world, 0).contains(&stranger.name()));
    (stranger, greeting.genesis.unwrap())
}

/// The first write of somebody, who has seen what host 0 has.
fn said(world: &World, author: ReplicaId, place: &[&str], claim: Claim) -> Delta {
    let context = seen(world, 0);
    let dot = Dot { replica: author, seq: context.seq(author) + 1 };
    let mut to = context.clone();
    to.add(dot);
    let items = vec![Arc::new(note(world, dot, &context, place, claim))];
    Delta { since: context, to, base: None, items }
}

fn note(world: &World, dot: Dot, context: &VersionVector, place: &[&str], claim: Claim) -> Assertion {
    Assertion {
        dot,
        context: Arc::new(context.clone()),
        stamp: Stamp::from_u64(world.now.wall_ms << 16),
        tag: Tag::LastWriteWins,
        path: std::iter::once("$confmesh").chain(place.iter().copied()).map(crate::value::Str::from).collect(),
        claim,
        edits: Default::default(),
        policy: 0,
        fence: 0,
        added: Vec::new(),
        removed: Vec::new(),
        previous: None,
        meanwhile: Meanwhile::Last,
        user: None,
        message: None,
        run: None,
    }
}

/// A write of somebody that makes these notes, signed with this key.
fn signed_by(world: &World, author: ReplicaId, notes: &[Edit], genesis: Genesis, key: &Key) -> Delta {
    let mut delta = said(world, author, &["x"], Claim::Absent);
    let item = Assertion::clone(&delta.items[0]);
    let signed = signed(notes, genesis, key).into_iter();
    let items = signed.map(|edit| {
        let segments: Vec<&str> = edit.path.segments().iter().map(|segment| &**segment).collect();
        note(world, item.dot, &item.context, &segments, Claim::Value(edit.value.unwrap()))
    });
    delta.items = items.map(Arc::new).collect();
    delta
}

fn say(world: &mut World, stranger: &Stranger, genesis: Genesis, delta: Delta) {
    stranger.say(world, &Message::Delta { document: name(), genesis, delta });
    world.settle(0);
    world.run();
}

#[test]
fn no_note_wipes_out_the_members_or_says_anew_whether_history_is_dropped() {
    let mut world = pair();
    let (stranger, genesis) = joined(&mut world, 1);
    let (before, mine) = (members(&world, 0), stranger.name());
    let a = own(&world, 0).to_string();
    let places: [&[&str]; 6] =
        [&["members"], &["members", &a, "x"], &["members", "x"], &["members", &a], &["settle"], &["settle", "x"]];
    for place in places {
        for claim in [Claim::Value(Value::empty_map()), Claim::Absent, Claim::Value(false.into())] {
            let delta = said(&world, mine, place, claim.clone());
            say(&mut world, &stranger, genesis, delta);
            assert_eq!(members(&world, 0), before, "{place:?} {claim:?}");
            assert!(world.hosts[0].engine.status()[0].settling.is_some());
        }
    }
    let delta = said(&world, mine, &["settle"], Claim::Value(true.into()));
    say(&mut world, &stranger, genesis, delta);
    assert_eq!(seen(&world, 0).seq(mine), 0, "nothing of it was taken");
}

#[test]
fn a_document_that_keeps_its_history_never_begins_to_drop_it() {
    let mut world = World::new();
    world.now.wall_ms = 1_000_000_000;
    world.add_with(1, None, DocumentOptions { shared: true, ..DocumentOptions::default() });
    world.set(0, "a", 1);
    let stranger = Stranger::dial(&mut world, 1);
    let greeting = greeting(&world, stranger.name(), None);
    stranger.greet(&mut world, &greeting, stranger.key.public());
    let genesis = greeting.genesis.unwrap();
    for author in [stranger.name(), genesis.founder()] {
        let mut delta = said(&world, author, &["settle"], Claim::Value(true.into()));
        say(&mut world, &stranger, genesis, delta.clone());
        let mut first = Assertion::clone(&delta.items[0]);
        (first.dot.seq, first.context) = (1, Arc::default());
        delta = Delta {
            since: VersionVector::default(),
            to: [(author, 1)].into_iter().collect(),
            base: None,
            items: vec![Arc::new(first)],
        };
        say(&mut world, &stranger, genesis, delta);
        assert!(world.hosts[0].engine.status()[0].settling.is_none(), "{author}");
    }
    assert_eq!(world.value(0), json(r#"{"a":1}"#));
}

#[test]
fn nobody_is_made_to_leave_or_joins_by_a_note_without_the_key_of_its_writer() {
    let mut world = pair();
    let (stranger, genesis) = joined(&mut world, 1);
    let (a, b) = (own(&world, 0), own(&world, 1));
    let before = members(&world, 0);
    let fresh = stranger.key.public().name([9; 6]);
    let bs = Key::from_seed(&[2; 32]);
    assert!(bs.public().has_name(b));
    let other = Genesis::from_bytes([3; 16]);
    let last = seen(&world, 0).seq(b);
    let forged = [
        said(&world, b, &["members", &b.to_string()], Claim::Value(last.into())),
        said(&world, stranger.name(), &["members", &b.to_string()], Claim::Value(last.into())),
        signed_by(&world, b, &[leaves(b, last)], genesis, &stranger.key),
        signed_by(&world, b, &[leaves(b, last)], other, &bs),
        signed_by(&world, a, &[leaves(b, last)], genesis, &bs),
        signed_by(&world, b, &[joins(fresh)], genesis, &stranger.key),
        signed_by(&world, fresh, &[joins(fresh)], genesis, &stranger.key),
        signed_by(&world, fresh, &[joins(fresh), leaves(b, last)], genesis, &stranger.key),
    ];
    for (at, delta) in forged.into_iter().enumerate() {
        // Also as a whole document.
        for since in [delta.since.clone(), VersionVector::default()] {
            say(&mut world, &stranger, genesis, Delta { since, ..delta.clone() });
            assert_eq!(members(&world, 0), before, "{at}");
        }
    }
    assert_eq!(own(&world, 0), a, "nothing of it made it start anew");
    let told = audits(&world);
    for why in ["bears no signature", "not signed by the key of its writer", "takes the place of a name of its own"] {
        assert!(told.contains(why), "{why}: {told}");
    }
    // With its key it is believed.
    let delta = signed_by(&world, fresh, &[joins(fresh), leaves(stranger.name(), 0)], genesis, &stranger.key);
    say(&mut world, &stranger, genesis, delta);
    assert!(members(&world, 0).contains(&fresh) && !members(&world, 0).contains(&stranger.name()));
    world.run();
    assert_eq!(members(&world, 1), members(&world, 0));
}

#[test]
fn a_member_takes_out_another_one_and_all_believe_its_signature() {
    let mut world = pair();
    let (stranger, _) = joined(&mut world, 1);
    let gone = stranger.name();
    world.hosts[1].engine.expel(&name(), gone, world.now).unwrap();
    world.settle(1);
    world.run();
    for at in 0..2 {
        assert!(!members(&world, at).contains(&gone), "host {at}");
    }
    world.restart(0);
    assert!(!members(&world, 0).contains(&gone), "also after a restart");
    let notes = world.hosts[0].engine.documents[&name()].shared.as_ref().unwrap().founded().unwrap().durable.notes();
    assert_eq!(notes.at(&path(&format!("members.{gone}"))), Some(&0.into()), "in force is the number alone");
}
