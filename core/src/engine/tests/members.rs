//! Names that instances lose: their stores fail, or they are expelled before they have the document.

use super::settling::{assert_settled, author, star, stored};
use super::*;
use crate::id::ReplicaId;

fn options(has_peers: bool) -> DocumentOptions {
    DocumentOptions { shared: true, has_peers, settle: true, ..DocumentOptions::default() }
}

/// The first batch on its way to the store fails, and with it all behind it.
fn fail(world: &mut World, at: usize) {
    let host = &mut world.hosts[at];
    while let Some(batch) = host.engine.poll_persist() {
        host.batches.push_back(batch);
    }
    let batch = host.batches.pop_front().expect("nothing is on its way to the store");
    host.batches.clear();
    let reason = Error::new(Code::Store, "the disk is full");
    host.engine.handle_persist_failed(batch.ticket, &reason, world.now);
}

/// A write that fails.
fn fail_to_set(world: &mut World, at: usize, place: &str) {
    world.hosts[at].persists = false;
    world.set(at, place, "lost");
    fail(world, at);
    world.hosts[at].persists = true;
    world.settle(at);
}

fn members(world: &World) -> Vec<ReplicaId> {
    world.hosts[0].engine.members(&name())
}

#[test]
fn who_fails_to_store_twice_in_a_row_is_a_member_that_others_join_through() {
    let mut world = World::soon_old();
    world.add_with(1, None, options(false));
    world.set(0, "a", 1);
    fail_to_set(&mut world, 0, "b");
    world.hosts[0].persists = false;
    world.pass(10_000);
    fail(&mut world, 0);
    world.hosts[0].persists = true;
    world.pass(10_000);
    world.add_with(2, None, options(true));
    world.connect(1, 0);
    world.run();
    world.set(1, "c", 2);
    world.run();
    world.assert_agreement(r#"{"a":1,"c":2}"#);
    assert_eq!(members(&world).len(), 2);
    world.pass(80_000);
    assert_settled(&world);
}

#[test]
fn a_process_that_dies_after_its_first_batch_under_a_new_name_was_made_a_member_by_it() {
    let mut world = World::soon_old();
    world.add_with(1, None, options(false));
    world.set(0, "a", 1);
    let before = author(&world, 0);
    fail_to_set(&mut world, 0, "b");
    world.hosts[0].persists = false;
    world.add_with(2, None, options(true));
    world.connect(1, 0);
    world.run();
    let first = world.hosts[0].batches.pop_front().unwrap();
    world.hosts[0].apply(&first);
    world.hosts[0].persists = true;
    world.restart(0);
    assert_ne!(author(&world, 0), before);
    assert_eq!(members(&world), [author(&world, 0)]);
    world.connect(1, 0);
    world.run();
    world.assert_agreement(r#"{"a":1}"#);
}

/// A star, and who is about to join it: one without a document (0), with one of its own (1), one that was expelled (2).
/// Also what all will have then, and the members before.
fn newcomer(case: i64) -> (World, usize, Value, Vec<ReplicaId>) {
    let mut world = star();
    world.set(0, "a", 1);
    world.run();
    let mut all = json(r#"{"a":1}"#);
    let before = members(&world);
    // What the newcomer founds alone is young, and gives way.
    world.pass(6_000);
    world.old_after_ms = 600_000;
    let at = if case == 2 { 2 } else { world.add_with(4, None, options(case == 0)) };
    if case > 0 {
        world.disconnect_all();
        world.set(at, "own", 2);
        all = all.with(&path("own"), 2.into());
    }
    if case == 2 {
        let away = author(&world, 2);
        world.hosts[0].engine.expel(&name(), away, world.now).unwrap();
        world.settle(0);
    }
    world.connect(at, 0);
    (world, at, all, before)
}

#[test]
fn a_name_under_which_nothing_got_to_the_disk_holds_up_nothing() {
    for case in 0..3 {
        let (mut world, at, all, _) = newcomer(case);
        world.hosts[at].persists = false;
        world.run();
        fail(&mut world, at);
        world.hosts[at].persists = true;
        world.settle(at);
        for from in 1..world.hosts.len() {
            world.connect(from, 0);
        }
        world.run();
        world.pass(80_000);
        world.assert_agreement(&crate::canonical::canonical(&all));
        assert_eq!(members(&world).len(), world.hosts.len(), "{case}");
        assert_settled(&world);
    }
}

#[test]
fn peers_hear_a_new_name_when_it_is_a_member_on_disk() {
    let mut world = star();
    let before = members(&world);
    for _ in 0..3 {
        fail_to_set(&mut world, 1, "a");
        world.run();
        assert_eq!(members(&world), before);
    }
    world.pass(20_000);
    let after = members(&world);
    assert_eq!(after.iter().filter(|member| !before.contains(member)).collect::<Vec<_>>(), [&author(&world, 1)]);
    let members = world.hosts[0].engine.status()[0].settling.clone().unwrap().members;
    assert!(members.iter().all(|member| member.is_own || member.is_connected), "{members:?}");
}

#[test]
fn an_expelled_instance_whose_store_fails_starts_anew_all_the_same() {
    for settles_meanwhile in [false, true] {
        let mut world = star();
        world.set(0, "shared", 1);
        world.run();
        world.disconnect_all();
        world.connect(1, 0);
        let away = author(&world, 2);
        world.set(2, "apart.a", 1);
        world.hosts[0].engine.expel(&name(), away, world.now).unwrap();
        world.settle(0);
        world.run();
        world.pass(if settles_meanwhile { 80_000 } else { 10 });
        assert_eq!(stored(&world, 0).1, settles_meanwhile);
        fail_to_set(&mut world, 2, "apart.b");
        world.set(2, "apart.c", 3);
        world.connect(2, 0);
        world.run();
        world.set(2, "after", true);
        world.set(0, "shared", 2);
        world.run();
        let all = r#"{"after":true,"apart":{"a":1,"c":3},"shared":2}"#;
        world.assert_agreement(all);
        assert!(world.notices(2).contains("of its own writes were made again"), "{}", world.notices(2));
        world.pass(80_000);
        assert_settled(&world);
        world.assert_agreement(all);
        assert_eq!(members(&world).len(), 3);
    }
}

#[test]
fn who_takes_a_new_name_while_the_hub_expels_the_old_one_starts_anew() {
    let mut world = star();
    world.set(0, "held", 0);
    world.run();
    let away = author(&world, 1);
    fail_to_set(&mut world, 1, "a");
    world.set(1, "a", 1);
    world.hosts[0].engine.expel(&name(), away, world.now).unwrap();
    world.settle(0);
    // What the hub gets of it is lost while the hub drops its history, and what the hub sends arrives.
    while !stored(&world, 0).1 {
        world.now.wall_ms += 1_000;
        world.now.mono_ms += 1_000;
        for at in 0..3 {
            world.hosts[at].engine.handle_timeout(world.now);
            world.settle(at);
        }
        while let Some((to, peer, frame)) = world.wires.pop_front() {
            if (to, peer) != (0, PeerId(1)) {
                world.hosts[to].engine.handle_message(peer, &frame, world.now);
                world.settle(to);
            }
        }
    }
    world.disconnect_all();
    world.connect(1, 0);
    world.connect(2, 0);
    world.run();
    world.set(0, "b", 2);
    world.run();
    world.pass(80_000);
    world.assert_agreement(r#"{"a":1,"b":2,"held":0}"#);
    assert_eq!(members(&world).len(), 3);
    assert_settled(&world);
}

#[test]
fn who_is_expelled_twice_before_it_shares_what_it_wrote_again_loses_nothing() {
    let mut world = star();
    world.disconnect_all();
    world.set(2, "own", 2);
    for _ in 0..2 {
        let away = author(&world, 2);
        world.hosts[0].engine.expel(&name(), away, world.now).unwrap();
        world.settle(0);
        world.connect(2, 0);
        // The hub gets no more than the question.
        while author(&world, 2) == away {
            let (to, peer, frame) = world.wires.pop_front().expect("it takes over the document");
            world.hosts[to].engine.handle_message(peer, &frame, world.now);
            world.settle(to);
        }
        assert_eq!((world.value(2), world.value(0)), (json(r#"{"own":2}"#), json("{}")));
        world.disconnect_all();
    }
    world.connect(1, 0);
    world.connect(2, 0);
    world.run();
    world.assert_agreement(r#"{"own":2}"#);
}

#[test]
fn who_left_and_starts_anew_makes_nobody_else_start_anew() {
    let mut world = star();
    world.set(2, "a", 1);
    world.run();
    world.connect(2, 1);
    world.run();
    world.hosts[2].engine.leave(&name(), world.now);
    world.settle(2);
    // One has got its last write when it asks another one, who has not, for the document.
    while let Some((to, peer, frame)) = world.wires.pop_front() {
        if to == 1 {
            world.hosts[1].engine.handle_message(peer, &frame, world.now);
            world.settle(1);
        }
    }
    world.disconnect_all();
    world.connect(2, 0);
    world.run();
    world.connect(1, 0);
    world.run();
    world.pass(80_000);
    world.assert_agreement(r#"{"a":1}"#);
    assert_eq!(members(&world).len(), 3);
    for at in 0..2 {
        assert!(!world.notices(at).contains("made again"), "{at}: {}", world.notices(at));
    }
    assert_settled(&world);
}

#[test]
fn an_expelled_instance_writes_again_below_what_the_others_made_a_list() {
    let mut world = star();
    world.set(2, "b.x", 2);
    world.run();
    world.disconnect_all();
    world.connect(1, 0);
    let away = author(&world, 2);
    world.hosts[0].engine.expel(&name(), away, world.now).unwrap();
    world.settle(0);
    world.set(0, "b", vec![1.into()]);
    let request = world.set(2, "b.x", "mine");
    assert!(world.answer(2, request).unwrap().is_ok());
    world.connect(2, 0);
    world.run();
    // What was written later stays, and the other side is listed where it was not.
    world.assert_agreement(r#"{"b":{"x":"mine"}}"#);
    let listed = world.hosts[2].engine.conflicts(&name(), true);
    let lost = |found: &crate::engine::Conflict| found.sides.iter().any(|side| side.value == Some(json("[1]")));
    assert!(listed.iter().any(lost), "{listed:?}");
    assert!(world.notices(2).contains("others had written something else at `b"), "{}", world.notices(2));
}

#[test]
fn what_an_expelled_instance_wrote_before_the_others_did_is_listed_there_and_can_be_taken_back() {
    let mut world = star();
    world.set(2, "a", 0);
    world.run();
    world.disconnect_all();
    world.connect(1, 0);
    let away = author(&world, 2);
    world.hosts[0].engine.expel(&name(), away, world.now).unwrap();
    world.settle(0);
    let request = world.set(2, "a", "mine");
    assert!(world.answer(2, request).unwrap().is_ok());
    world.now.wall_ms += 1_000;
    world.set(0, "a", "theirs");
    world.connect(2, 0);
    world.run();
    world.assert_agreement(r#"{"a":"theirs"}"#);
    world.restart(2);
    world.connect(2, 0);
    world.run();
    let listed = world.hosts[2].engine.conflicts(&name(), true);
    let found = listed.iter().find(|found| found.path == path("a")).expect("it is listed, also after a start");
    let sides: Vec<_> = found.sides.iter().map(|side| (side.value.clone(), side.in_force)).collect();
    assert_eq!(sides, [(Some("theirs".into()), true), (Some("mine".into()), false)]);
    let resolve = crate::engine::Command::Resolve(found.id, crate::engine::Choice::Take(1));
    let now = world.now;
    world.hosts[2].engine.write(&name(), resolve, Default::default(), now);
    world.settle(2);
    world.run();
    world.assert_agreement(r#"{"a":"mine"}"#);
    assert!(world.hosts[2].engine.conflicts(&name(), true).iter().all(|found| found.path != path("a")));
}

/// Expels the name that somebody just asked to join under, before the document gets there.
fn expel_who_waits(world: &mut World, before: &[ReplicaId]) {
    world.hosts[0].persists = false;
    world.run();
    world.disconnect_all();
    world.hosts[0].persists = true;
    world.settle(0);
    let waits = members(world).into_iter().find(|member| !before.contains(member));
    let waits = waits.expect("nobody asked to join");
    world.hosts[0].engine.expel(&name(), waits, world.now).unwrap();
    world.settle(0);
}

#[test]
fn who_is_expelled_before_it_got_the_document_asks_for_it_under_another_name() {
    for case in 0..3 {
        let (mut world, at, all, before) = newcomer(case);
        expel_who_waits(&mut world, &before);
        for from in 1..world.hosts.len() {
            world.connect(from, 0);
        }
        world.run();
        world.set(at, "after", case);
        world.run();
        world.assert_agreement(&crate::canonical::canonical(&all.with(&path("after"), case.into())));
        world.pass(80_000);
        assert_settled(&world);
    }
}
