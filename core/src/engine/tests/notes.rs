//! Notes on members that no instance would write.

use super::identity::{Stranger, greeting, members, own, pair, seen};
use super::*;
use crate::clock::{Dot, VersionVector};
use crate::conflict::{Meanwhile, Tag};
use crate::id::Genesis;
use crate::protocol::Message;
use crate::replica::{Assertion, Claim, Delta};

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
    let item = Assertion {
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
        run: None,
    };
    Delta { since: context, to, base: None, items: vec![Arc::new(item)] }
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
