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
    let mut world = World::new();
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
    let mut world = World::new();
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

#[test]
fn a_name_that_a_peer_made_a_member_and_that_failed_again_holds_up_nothing() {
    let mut world = star();
    world.set(1, "a", 1);
    world.run();
    world.hosts[0].persists = false;
    fail_to_set(&mut world, 1, "b");
    // The hub hears the second name before the store fails under it, and notes it after that.
    world.run();
    world.hosts[1].persists = false;
    world.set(1, "b", "lost");
    fail(&mut world, 1);
    world.hosts[1].persists = true;
    world.hosts[0].persists = true;
    world.settle(0);
    assert_eq!(members(&world).len(), 4, "the second name is a member");
    world.settle(1);
    world.run();
    world.pass(20_000);
    world.set(1, "b", 2);
    world.run();
    world.pass(80_000);
    assert_eq!(members(&world).len(), 3);
    assert_settled(&world);
    world.assert_agreement(r#"{"a":1,"b":2}"#);
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
fn a_new_name_that_is_expelled_before_it_writes_is_no_member_by_its_own_word() {
    let mut world = star();
    world.set(1, "a", 1);
    world.run();
    let before = members(&world);
    fail_to_set(&mut world, 1, "b");
    // The hub makes the second name a member and takes it out again; the instance hears of neither.
    while members(&world).len() == before.len() {
        let (to, peer, frame) = world.wires.pop_front().expect("the hub was told of the second name");
        world.hosts[to].engine.handle_message(peer, &frame, world.now);
        world.settle(to);
    }
    let second = members(&world).into_iter().find(|member| !before.contains(member)).unwrap();
    world.disconnect_all();
    world.hosts[0].engine.expel(&name(), second, world.now).unwrap();
    world.settle(0);
    world.set(1, "b", 2);
    world.connect(1, 0);
    world.connect(2, 0);
    world.run();
    world.set(0, "c", 3);
    world.run();
    world.assert_agreement(r#"{"a":1,"b":2,"c":3}"#);
    assert!(!members(&world).contains(&second));
    world.pass(80_000);
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
    world.assert_agreement(r#"{"b":{"x":"mine"}}"#);
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
    // As one without a document, with one of its own, and one that was expelled before.
    for case in 0..3 {
        let mut world = star();
        world.set(0, "a", 1);
        world.run();
        let mut all = json(r#"{"a":1}"#);
        let before = members(&world);
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
