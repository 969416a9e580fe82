//! A document that goes on without the authors and members that somebody made up.

use super::identity::Stranger;
use super::*;
use crate::clock::{Dot, VersionVector};
use crate::protocol::Message;
use crate::replica::{Delta, leaves};

fn options(has_peers: bool, settle: bool) -> DocumentOptions {
    DocumentOptions { shared: true, has_peers, settle, ..DocumentOptions::default() }
}

/// Instances in a row, the first one founding.
fn row(count: u8, settle: bool) -> World {
    let mut world = World::soon_old();
    world.now.wall_ms = 1_000_000_000;
    for at in 0..count {
        world.add_with(at + 1, None, options(at > 0, settle));
    }
    link(&mut world);
    world.run();
    for at in 0..usize::from(count) {
        world.set(at, &format!("by.h{at}"), at as u64);
        world.run();
    }
    world
}

fn link(world: &mut World) {
    for at in 1..world.hosts.len() {
        world.connect(at, at - 1);
    }
}

fn founded(world: &World, at: usize) -> &shared::Founded {
    world.hosts[at].engine.documents[&name()].shared.as_ref().unwrap().founded().unwrap()
}

fn plan(world: &World, at: usize) -> Repair {
    world.hosts[at].engine.repair_plan(&name()).unwrap()
}

fn repair(world: &mut World, at: usize) -> Result<crate::id::Genesis> {
    let genesis = world.hosts[at].engine.repair(&name(), world.now);
    world.settle(at);
    genesis
}

fn kept(world: &World, at: usize) -> Vec<String> {
    world.hosts[at].engine.kept(&name()).iter().map(|kept| kept.text.clone()).collect()
}

/// Somebody writes once, and claims a past of authors that never were.
fn forge(world: &mut World, authors: usize) {
    let stranger = Stranger::dial(world, 1);
    let claim = super::identity::greeting(world, stranger.name(), None);
    stranger.greet(world, &claim, stranger.key.public());
    let founded = founded(world, 0);
    let (genesis, since) = (founded.durable.genesis(), founded.seen().clone());
    let mut item = crate::replica::Assertion::clone(founded.durable.live().next().unwrap());
    let mut past = since.clone();
    for at in 0..authors {
        let replica = ReplicaId::from_bytes([99, (at >> 8) as u8, at as u8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        past.add(Dot { replica, seq: 1 << 40 });
    }
    item.dot = Dot { replica: stranger.name(), seq: 1 };
    item.path = path("forged");
    item.context = Arc::new(past.clone());
    let mut to = past;
    to.add(item.dot);
    let delta = Delta { since, to, base: None, items: vec![Arc::new(item)] };
    stranger.say(world, &Message::Delta { document: name(), genesis, delta });
    world.settle(0);
    world.run();
    world.hosts[0].engine.handle_closed(stranger.peer, world.now);
}

fn assert_same(world: &World) {
    for at in 1..world.hosts.len() {
        assert_eq!(founded(world, at).durable.genesis(), founded(world, 0).durable.genesis(), "host {at}");
        assert_eq!(founded(world, at).seen(), founded(world, 0).seen(), "host {at}");
        assert_eq!(world.value(at), world.value(0), "host {at}");
    }
}

#[test]
fn authors_that_hold_nothing_are_gone_everywhere_after_a_repair_and_the_content_stays() {
    let mut world = row(3, false);
    forge(&mut world, 1_500);
    assert!(founded(&world, 2).seen().len() > 1_500, "they spread");
    let before = world.value(0);
    let shown = plan(&world, 0);
    assert_eq!((shown.idle, shown.idle_authors.len(), shown.authors), (1_500, 1_000, 1_504));
    assert_eq!(shown.to_value().at(&path("idle")).and_then(Value::as_u64), Some(1_500));
    assert!(shown.behind.is_empty() && shown.members.is_empty());
    assert_eq!(world.value(0), before, "looking changes nothing");
    let genesis = repair(&mut world, 0).unwrap();
    world.run();
    assert_same(&world);
    assert_eq!((founded(&world, 0).durable.genesis(), world.value(0)), (genesis, before));
    assert_eq!(world.hosts[0].engine.is_given_up_for(&name(), genesis), Some(true));
    assert!(founded(&world, 0).seen().len() <= 2, "{:?}", founded(&world, 0).seen());
    assert!((0..3).all(|at| kept(&world, at).is_empty()), "nothing was missed");
    // All write on, also after a restart.
    for at in 0..3 {
        world.set(at, "after.a", at as u64);
        world.run();
        world.restart(at);
    }
    world.disconnect_all();
    link(&mut world);
    world.run();
    assert_same(&world);
    assert!(founded(&world, 0).seen().len() <= 5, "{:?}", founded(&world, 0).seen());
    let refused = repair(&mut world, 1).unwrap_err();
    assert_eq!(refused.code(), Code::Usage, "{refused}");
}

#[test]
fn what_somebody_wrote_while_a_document_was_repaired_is_written_there_again() {
    for settle in [false, true] {
        let mut world = row(3, settle);
        if settle {
            let gone = crate::replica::joins(ReplicaId::from_bytes([9; 16]));
            let now = world.now;
            world.hosts[0].engine.note(&name(), &[gone], now);
            world.settle(0);
            world.run();
        } else {
            forge(&mut world, 3);
        }
        world.set(2, "by.h1", 7);
        world.run();
        // Both are acknowledged where they are made, and the other side of the row has neither.
        repair(&mut world, 0).unwrap();
        let request = world.set(2, "late", 5);
        assert!(world.answer(2, request).unwrap().is_ok());
        let request = world.hosts[2].engine.unset(&name(), path("by.h0"), world.now);
        world.settle(2);
        assert!(world.answer(2, request).unwrap().is_ok());
        world.run();
        assert_same(&world);
        let value = world.value(0);
        assert_eq!(value.at(&path("late")), Some(&5.into()), "settling {settle}: {value:?}");
        assert_eq!(value.at(&path("by")), Some(&json(r#"{"h1":7,"h2":2}"#)), "settling {settle}");
        assert!(kept(&world, 0).is_empty() && kept(&world, 2).is_empty(), "settling {settle}");
        // It cannot know that the author is still there.
        assert!(kept(&world, 1).iter().all(|text| text.contains("late")), "settling {settle}");
    }
}

#[test]
fn who_was_away_during_a_repair_follows_and_keeps_what_it_wrote_aside() {
    let mut world = row(2, false);
    world.disconnect_all();
    forge(&mut world, 3);
    world.set(0, "mine", 1);
    world.set(1, "late", 5);
    repair(&mut world, 0).unwrap();
    world.set(0, "by.h0", 8);
    world.restart(1);
    link(&mut world);
    world.run();
    assert_same(&world);
    let forged = world.value(0).at(&path("forged")).cloned().unwrap();
    assert_eq!(world.value(1), json(r#"{"by":{"h0":8,"h1":1},"mine":1}"#).with(&path("forged"), forged));
    assert_eq!(kept(&world, 1), [r#"{"by":{"h0":0,"h1":1},"late":5}"#]);
}

#[test]
fn a_document_that_no_member_is_left_of_is_told_and_mended_by_a_repair() {
    let mut world = row(2, true);
    let names: Vec<ReplicaId> = world.hosts[0].engine.members(&name());
    assert_eq!(names.len(), 2);
    let notes: Vec<_> = names.iter().map(|name| leaves(*name, founded(&world, 0).seen().seq(*name))).collect();
    let now = world.now;
    world.disconnect_all();
    for at in 0..2 {
        world.hosts[at].engine.note(&name(), &notes, now);
        world.settle(at);
    }
    link(&mut world);
    world.run();
    world.pass(20_000);
    for at in 0..2 {
        let request = world.set(at, &format!("lost{at}"), 1);
        assert!(world.answer(at, request).unwrap().is_ok());
        assert!(world.hosts[at].engine.status()[0].settling.as_ref().unwrap().is_orphaned, "host {at}");
    }
    world.pass(20_000);
    assert_ne!(world.value(0), world.value(1), "what is written reaches nobody");
    assert!(plan(&world, 0).is_orphaned);
    repair(&mut world, 0).unwrap();
    world.run();
    world.pass(20_000);
    assert_same(&world);
    assert_eq!(world.value(1), json(r#"{"by":{"h0":0,"h1":1},"lost0":1}"#));
    assert_eq!(kept(&world, 1), [r#"{"by":{"h0":0,"h1":1},"lost1":1}"#]);
    world.set(1, "b", 2);
    world.run();
    assert_same(&world);
    assert_eq!(world.hosts[0].engine.members(&name()).len(), 2);
    assert!((0..2).all(|at| !world.hosts[at].engine.status()[0].settling.as_ref().unwrap().is_orphaned));
    // Somebody new can join again.
    world.add_with(3, None, options(true, true));
    world.connect(2, 1);
    world.run();
    assert_same(&world);
}

#[test]
fn members_that_nobody_lives_as_are_gone_after_a_repair() {
    let mut world = row(2, true);
    let ghosts: Vec<_> = (0..300u16)
        .map(|at| {
            crate::replica::joins(ReplicaId::from_bytes([
                at.to_be_bytes()[0],
                at.to_be_bytes()[1],
                7,
                7,
                7,
                7,
                7,
                7,
                7,
                7,
                7,
                7,
                7,
                7,
                7,
                7,
            ]))
        })
        .collect();
    let now = world.now;
    world.hosts[1].engine.note(&name(), &ghosts, now);
    world.settle(1);
    world.run();
    assert_eq!(plan(&world, 0).members.len(), 300);
    repair(&mut world, 0).unwrap();
    world.run();
    world.pass(80_000);
    assert_same(&world);
    assert_eq!(world.hosts[1].engine.members(&name()).len(), 2);
    super::settling::assert_settled(&world);
}

#[test]
fn a_repair_that_the_store_refuses_changes_nothing_and_can_be_made_again() {
    let mut world = row(2, false);
    forge(&mut world, 3);
    let before = (world.value(0), founded(&world, 0).durable.genesis());
    for good in 0..2 {
        world.hosts[0].persists = false;
        let genesis = repair(&mut world, 0).unwrap();
        let mut failed = 0;
        for at in 0.. {
            while let Some(batch) = world.hosts[0].engine.poll_persist() {
                world.hosts[0].batches.push_back(batch);
            }
            let Some(batch) = world.hosts[0].batches.pop_front() else { break };
            if at < good {
                world.hosts[0].apply(&batch);
                world.hosts[0].engine.handle_persisted(batch.ticket, world.now);
            } else {
                failed += 1;
                world.hosts[0].batches.clear();
                world.hosts[0].engine.handle_persist_failed(batch.ticket, &Error::new(Code::Store, "full"), world.now);
            }
            if failed > 0 {
                break;
            }
        }
        assert_eq!(failed, 1, "batch {good}");
        world.hosts[0].persists = true;
        world.settle(0);
        world.run();
        assert_eq!(world.hosts[0].engine.is_given_up_for(&name(), genesis), Some(false), "batch {good}");
        assert_eq!((world.value(0), founded(&world, 0).durable.genesis()), before, "batch {good}");
        world.pass(20_000);
    }
    repair(&mut world, 0).unwrap();
    world.run();
    world.pass(20_000);
    assert_same(&world);
    assert_ne!(founded(&world, 1).durable.genesis(), before.1);
    assert_eq!(world.value(1), before.0);
}

#[test]
fn open_conflicts_are_settled_before_a_repair() {
    let mut world = World::soon_old();
    let rule = crate::policy::Rule {
        conflict: Some(crate::policy::ConflictStrategy::ManualResolution),
        ..crate::policy::Rule::on(crate::pattern::Pattern::parse("m").unwrap())
    };
    let manual = crate::policy::Policy::of([rule]).unwrap();
    for at in 0..2 {
        world.add_with(at + 1, None, DocumentOptions { policy: manual.clone(), ..options(at > 0, false) });
    }
    link(&mut world);
    world.run();
    world.disconnect_all();
    world.set(0, "m", 1);
    world.set(1, "m", 2);
    forge(&mut world, 2);
    link(&mut world);
    world.run();
    let refused = repair(&mut world, 0).unwrap_err();
    assert_eq!(refused.code(), Code::Disputed, "{refused}");
    assert_eq!(plan(&world, 0).undecided, [path("m")]);
    world.set(0, "m", 3);
    world.run();
    repair(&mut world, 0).unwrap();
    world.run();
    assert_same(&world);
    assert_eq!(world.value(1).at(&path("m")), Some(&3.into()));
}

#[test]
fn what_follows_from_a_note_that_somebody_forged_is_kept_aside() {
    let mut world = row(2, false);
    let other = crate::id::Genesis::from_bytes([77; 16]);
    let now = world.now;
    world.hosts[1].engine.note(&name(), &[crate::replica::goes_on_as(other)], now);
    world.settle(1);
    world.run();
    // Somebody has an empty document that takes the place of this one, as they say.
    let stranger = Stranger::dial(&mut world, 1);
    let mut claim = super::identity::greeting(&world, stranger.name(), None);
    claim.standing.given_up = [founded(&world, 0).durable.genesis()].into();
    claim.genesis = Some(other);
    stranger.greet(&mut world, &claim, stranger.key.public());
    let policy = crate::policy::Policy::default();
    let nothing = crate::replica::WriteOptions::under(&policy);
    let empty = crate::replica::Replica::found(stranger.name(), other, &Value::empty_map(), false, &nothing).unwrap().1;
    assert_eq!(empty.since, VersionVector::default());
    stranger.say(&mut world, &Message::Delta { document: name(), genesis: other, delta: empty });
    world.settle(0);
    world.run();
    for at in 0..2 {
        assert_eq!(kept(&world, at), [r#"{"by":{"h0":0,"h1":1}}"#], "host {at}");
    }
}
