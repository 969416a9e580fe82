//! A star whose document drops its history.

use super::*;
use crate::id::ReplicaId;

/// A hub and two others; instance ids are 1, 2 and 3.
pub(super) fn star() -> World {
    let mut world = World::soon_old();
    let options = |has_peers| DocumentOptions { shared: true, has_peers, settle: true, ..DocumentOptions::default() };
    world.add_with(1, None, options(false));
    for byte in 2..=3 {
        world.add_with(byte, None, options(true));
        world.connect(byte as usize - 1, 0);
        world.run();
    }
    world
}

/// How many writes a store holds, and whether it holds a base.
pub(super) fn stored(world: &World, at: usize) -> (usize, bool) {
    let keys = || world.hosts[at].store.keys().map(|key| String::from_utf8_lossy(key));
    (keys().filter(|key| key.contains("/write/")).count(), keys().any(|key| key.contains("/base/")))
}

pub(super) fn author(world: &World, at: usize) -> ReplicaId {
    let record = &world.hosts[at].store[b"doc/default/default/replica".as_slice()];
    let record = json(std::str::from_utf8(record).unwrap());
    ReplicaId::parse(record.child("replica").and_then(Value::as_str).unwrap()).unwrap()
}

pub(super) fn assert_settled(world: &World) {
    for at in 0..world.hosts.len() {
        assert_eq!(stored(world, at), (0, true), "store of host {at}: {:?}", world.notices(at));
    }
}

#[test]
fn a_star_that_agrees_drops_its_history_and_goes_on() {
    let mut world = star();
    for at in 0..3 {
        world.set(at, &format!("from.{at}"), at as u64);
        world.run();
    }
    assert!(stored(&world, 0).0 > 3, "nothing is dropped before the heartbeat");
    world.pass(20_000);
    assert_settled(&world);
    world.assert_agreement(r#"{"from":{"0":0,"1":1,"2":2}}"#);
    assert_eq!(world.hosts[0].engine.members(&name()).len(), 3);
    for at in 0..3 {
        world.restart(at);
    }
    world.connect(1, 0);
    world.connect(2, 0);
    world.run();
    world.set(1, "from.0", "changed");
    world.set(2, "list", vec![1.into()]);
    world.run();
    world.pass(20_000);
    assert_settled(&world);
    world.assert_agreement(r#"{"from":{"0":"changed","1":1,"2":2},"list":[1]}"#);
    for at in 0..3 {
        assert!(!world.notices(at).contains("differs"), "{}", world.notices(at));
    }
}

#[test]
fn a_member_that_is_away_holds_up_the_settling_and_nothing_else() {
    let mut world = star();
    world.pass(20_000);
    world.disconnect_all();
    world.connect(1, 0);
    world.set(0, "a", 1);
    world.set(2, "b", 2);
    world.run();
    world.pass(30_000);
    assert!(stored(&world, 0).0 > 0 && stored(&world, 1).0 > 0);
    world.connect(2, 0);
    world.run();
    world.pass(80_000);
    assert_settled(&world);
    world.assert_agreement(r#"{"a":1,"b":2}"#);
}

#[test]
fn an_instance_put_back_from_a_copy_takes_over_the_document_and_writes_its_own_again() {
    let mut world = star();
    world.set(2, "mine.old", 1);
    world.run();
    let copy = world.hosts[2].store.clone();
    for round in 0..3 {
        world.set(2, "mine.lost", round);
        world.set(0, "theirs", round);
        world.run();
    }
    world.pass(80_000);
    assert_settled(&world);
    let before = author(&world, 2);
    world.kill(2);
    world.hosts[2].store = copy;
    world.restart(2);
    // It does not know yet, and writes under numbers that it used before.
    world.set(2, "mine.new", "kept");
    world.set(2, "mine.old", 2);
    world.connect(2, 0);
    world.run();
    let all = r#"{"mine":{"lost":2,"new":"kept","old":2},"theirs":2}"#;
    world.assert_agreement(all);
    assert_ne!(author(&world, 2), before);
    assert!(world.notices(2).contains("2 of its own writes were made again"), "{}", world.notices(2));
    world.pass(80_000);
    assert_settled(&world);
    world.assert_agreement(all);
    assert_eq!(world.hosts[1].engine.members(&name()).len(), 3);
}

#[test]
fn an_expelled_instance_that_comes_back_below_the_floor_writes_its_own_again() {
    let mut world = star();
    world.set(0, "shared", 1);
    world.run();
    world.disconnect_all();
    world.connect(1, 0);
    let away = author(&world, 2);
    world.set(2, "apart.a", 1);
    world.hosts[0].engine.expel(&name(), away, world.now).unwrap();
    world.settle(0);
    world.set(0, "shared", 2);
    world.run();
    world.pass(80_000);
    assert_eq!((stored(&world, 0), stored(&world, 1)), ((0, true), (0, true)));
    world.set(2, "apart.b", 2);
    world.connect(2, 0);
    world.run();
    world.set(2, "after", true);
    world.run();
    let all = r#"{"after":true,"apart":{"a":1,"b":2},"shared":2}"#;
    world.assert_agreement(all);
    world.restart(2);
    world.connect(2, 0);
    world.run();
    world.pass(80_000);
    assert_settled(&world);
    world.assert_agreement(all);
    assert!(!world.hosts[0].engine.members(&name()).contains(&away));
    assert!(world.hosts[0].engine.expel(&name(), away, world.now).is_err());
}

#[test]
fn a_failing_store_changes_the_name_and_settling_goes_on() {
    let mut world = star();
    world.set(1, "a", 1);
    world.run();
    world.hosts[1].persists = false;
    world.set(1, "b", 1);
    let batch = world.hosts[1].batches.pop_front().unwrap();
    let reason = Error::new(Code::Store, "the disk is full");
    world.hosts[1].engine.handle_persist_failed(batch.ticket, &reason, world.now);
    world.hosts[1].persists = true;
    world.hosts[1].batches.clear();
    world.settle(1);
    world.run();
    world.set(1, "b", 2);
    world.run();
    world.pass(80_000);
    assert_settled(&world);
    world.assert_agreement(r#"{"a":1,"b":2}"#);
    assert_eq!(world.hosts[0].engine.members(&name()).len(), 3);
}

#[test]
fn two_that_began_alone_become_one_star() {
    let mut world = World::new();
    for byte in 1..=2 {
        let options = DocumentOptions { shared: true, settle: true, ..DocumentOptions::default() };
        world.add_with(byte, None, options);
        world.set(byte as usize - 1, &format!("of{byte}"), 1);
        world.pass(10_000);
        let (writes, is_based) = stored(&world, byte as usize - 1);
        assert!(writes > 0 && !is_based, "a young document drops nothing: it may have to give way");
    }
    world.connect(1, 0);
    world.run();
    world.assert_agreement(r#"{"of1":1,"of2":1}"#);
    world.pass(80_000);
    assert!(!stored(&world, 0).1 && !stored(&world, 1).1);
    world.pass(600_000);
    assert_settled(&world);
}

#[test]
fn a_document_that_keeps_its_history_has_no_members_and_no_base() {
    let mut world = World::soon_old();
    world.add(1, Some("{}"), false);
    world.add(2, None, true);
    world.connect(1, 0);
    world.run();
    world.set(1, "a", 1);
    world.run();
    world.pass(80_000);
    assert!(world.hosts[0].engine.members(&name()).is_empty());
    assert_eq!((stored(&world, 0).1, stored(&world, 1).1), (false, false));
}

#[test]
fn a_large_document_settles_in_parts_and_is_read_again() {
    let mut world = World::soon_old();
    let options = DocumentOptions { shared: true, settle: true, ..DocumentOptions::default() };
    world.add_with(1, None, options);
    let text = "x".repeat(100_000);
    for at in 0..8 {
        world.set(0, &format!("part.k{at}"), text.as_str());
    }
    world.pass(10_000);
    let parts = || world.hosts[0].store.keys().filter(|key| String::from_utf8_lossy(key).contains("/base/")).count();
    assert_eq!((parts(), stored(&world, 0).0), (4, 0));
    let before = world.value(0);
    world.restart(0);
    assert_eq!(world.value(0), before);
    world.set(0, "part", 1);
    world.pass(80_000);
    let keys = world.hosts[0].store.keys().filter(|key| String::from_utf8_lossy(key).contains("/base/"));
    assert_eq!(keys.count(), 1, "parts that are no longer needed are gone");
    world.restart(0);
    assert_eq!(world.value(0), json(r#"{"part":1}"#));
}

#[test]
fn an_instance_that_leaves_holds_up_nothing() {
    let mut world = star();
    world.set(2, "a", 1);
    world.hosts[2].engine.leave(&name(), world.now);
    world.settle(2);
    world.run();
    world.disconnect_all();
    world.connect(1, 0);
    world.run();
    assert_eq!(world.hosts[0].engine.members(&name()).len(), 2);
    world.set(1, "b", 2);
    world.run();
    world.pass(80_000);
    assert_eq!((stored(&world, 0), stored(&world, 1)), ((0, true), (0, true)));
    world.connect(2, 0);
    world.run();
    world.set(2, "back", true);
    world.run();
    world.assert_agreement(r#"{"a":1,"b":2,"back":true}"#);
}

#[test]
fn the_status_tells_who_holds_up_the_settling_and_when_it_was_done() {
    let mut world = star();
    world.set(1, "a", 1);
    world.run();
    let settling = |world: &World| world.hosts[0].engine.status()[0].settling.clone().unwrap();
    assert!(settling(&world).held > 0 && settling(&world).dropped_ms.is_none());
    world.pass(20_000);
    let done = settling(&world);
    assert_eq!((done.held, done.members.len()), (0, 3));
    assert!(done.dropped_ms.is_some() && done.members.iter().all(|member| !member.blocks), "{done:?}");
    world.disconnect_all();
    world.connect(1, 0);
    world.run();
    let away = author(&world, 2);
    let waiting = settling(&world);
    let blocking: Vec<_> = waiting.members.iter().filter(|member| member.blocks).collect();
    assert_eq!(blocking.iter().map(|member| member.replica).collect::<Vec<_>>(), [away]);
    assert_eq!(blocking[0].instance, Some(world.hosts[2].engine.instance()));
    assert!(blocking[0].acknowledged_ms.is_some_and(|at| at <= world.now.wall_ms) && !blocking[0].is_connected);

    let engine = &mut world.hosts[0].engine;
    assert_eq!(engine.find_member(&name(), "").unwrap_err().code(), Code::NotFound);
    assert_eq!(engine.find_member(&name(), "zz").unwrap_err().code(), Code::NotFound);
    let found = engine.find_member(&name(), away.to_string().to_uppercase().split_at(30).0).unwrap();
    assert_eq!((found, engine.is_expelled(&name(), away)), (away, Some(false)));
    let instance = blocking[0].instance.unwrap().to_string();
    assert_eq!(engine.find_member(&name(), instance.split_at(12).0).unwrap(), away, "also by its instance's id");
    let own = done.members.iter().find(|member| member.is_own).unwrap().replica;
    assert_eq!(engine.expel(&name(), own, world.now).unwrap_err().code(), Code::Usage);
    engine.expel(&name(), away, world.now).unwrap();
    assert_eq!(engine.is_expelled(&name(), away), None, "it is on its way to the disk");
    world.settle(0);
    assert_eq!(world.hosts[0].engine.is_expelled(&name(), away), Some(true));
    world.run();
    world.pass(80_000);
    let after = settling(&world);
    assert_eq!((after.held, after.members.len()), (0, 2));
    assert!(after.dropped_ms > done.dropped_ms);
}

#[test]
fn a_prefix_that_several_members_share_names_none_of_them() {
    let mut world = star();
    for byte in 4..=20 {
        let options = DocumentOptions { shared: true, has_peers: true, settle: true, ..DocumentOptions::default() };
        world.add_with(byte, None, options);
        world.connect(byte as usize - 1, 0);
        world.run();
    }
    let ids: Vec<String> = world.hosts[0].engine.members(&name()).iter().map(ToString::to_string).collect();
    assert!(ids.len() > 16, "of 16 digits one begins two of them");
    let shared =
        ids.iter().map(|id| id.split_at(1).0).find(|first| ids.iter().filter(|id| id.starts_with(first)).count() > 1);
    let shared = shared.unwrap();
    let error = world.hosts[0].engine.find_member(&name(), shared).unwrap_err();
    assert!(error.code() == Code::Usage && error.to_string().contains("several"), "{error}");
}
