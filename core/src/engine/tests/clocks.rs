//! Clocks that are wrong by years, stop or jump: nobody is dragged along, and nothing that was seen ever wins.

use super::*;

const DECADE: u64 = 10 * 365 * 86_400_000;

fn pair() -> World {
    let mut world = World::new();
    world.now.wall_ms = 5 * DECADE;
    world.add(1, Some(r#"{"a":1}"#), false);
    world.add(2, None, true);
    world.connect(1, 0);
    world.run();
    world
}

/// What host 1 does while its clock shows another time.
fn elsewhen(world: &mut World, wall_ms: u64, act: impl FnOnce(&mut World)) {
    let real = std::mem::replace(&mut world.now.wall_ms, wall_ms);
    act(world);
    world.now.wall_ms = real;
}

fn heartbeat(world: &mut World, wall_ms: u64) {
    world.now.mono_ms += 5_000;
    elsewhen(world, wall_ms, |world| {
        world.hosts[1].engine.handle_timeout(world.now);
        world.settle(1);
    });
    world.run();
}

fn last_stamp_ms(world: &World, at: usize) -> u64 {
    let shared = world.hosts[at].engine.documents[&name()].shared.as_ref().unwrap();
    shared.founded().unwrap().durable.last_stamp().wall_ms()
}

fn clock(world: &World) -> PeerClock {
    let engine = &world.hosts[0].engine;
    engine.sessions.keys().find_map(|peer| engine.peer_clock(*peer)).unwrap()
}

fn warnings(world: &World) -> usize {
    world.notices(0).lines().filter(|line| line.contains("clock")).count()
}

#[test]
fn a_write_from_ten_years_ahead_is_taken_and_told_once_and_drags_no_clock_along() {
    let mut world = pair();
    let real = world.now.wall_ms;
    for value in [2, 3] {
        elsewhen(&mut world, real + DECADE, |world| _ = world.set(1, "a", value));
        world.run();
    }
    world.assert_agreement(r#"{"a":3}"#);
    assert_eq!(warnings(&world), 1, "{}", world.notices(0));
    assert!(clock(&world).stamps_ahead_ms >= DECADE - 1_000);
    assert!(last_stamp_ms(&world, 0) <= world.now.wall_ms + crate::clock::MAX_AHEAD_MS);
    // Who has seen it writes over it, though its stamp is ten years lower.
    world.set(0, "a", 4);
    world.run();
    world.assert_agreement(r#"{"a":4}"#);
    assert!(world.hosts[1].engine.conflicts(&name(), true).is_empty());
}

#[test]
fn a_clock_ten_years_behind_loses_only_against_simultaneous_writes() {
    let mut world = pair();
    let real = world.now.wall_ms;
    elsewhen(&mut world, real - DECADE, |world| _ = world.set(1, "a", 2));
    world.run();
    world.assert_agreement(r#"{"a":2}"#);
    elsewhen(&mut world, 0, |world| _ = world.set(1, "a", 3));
    world.run();
    world.assert_agreement(r#"{"a":3}"#);
}

#[test]
fn the_distance_of_clocks_is_measured_and_told_once_an_episode() {
    let mut world = pair();
    assert_eq!(clock(&world), PeerClock::default());
    for (offset, told) in [(75_000, 1), (80_000, 1), (61_000, 1), (40_000, 1), (90_000, 1), (0, 1), (61_000, 2)] {
        let theirs = world.now.wall_ms + offset;
        heartbeat(&mut world, theirs);
        assert_eq!((clock(&world).offset_ms.unsigned_abs(), warnings(&world)), (offset, told), "{}", world.notices(0));
    }
    assert!(world.notices(0).contains("75 s ahead of the clock here"));
    let behind = world.now.wall_ms - DECADE;
    let real = world.now.wall_ms;
    heartbeat(&mut world, real);
    heartbeat(&mut world, behind);
    assert_eq!((clock(&world).offset_ms, warnings(&world)), (-(DECADE as i64), 3));
    // A new connection is the same episode.
    world.disconnect_all();
    elsewhen(&mut world, behind, |world| world.connect(1, 0));
    world.run();
    assert_eq!(warnings(&world), 3);
}

#[test]
fn of_two_writes_a_second_apart_the_later_wins_once_a_clock_that_was_ahead_is_right_again() {
    for restarts in [false, true] {
        let mut world = pair();
        let real = world.now.wall_ms;
        elsewhen(&mut world, real + DECADE, |world| _ = world.set(1, "b", 2));
        world.run();
        if restarts {
            world.kill(1);
            world.restart(1);
        }
        let ahead = |world: &World| world.hosts[1].engine.status()[0].stamped_ms.unwrap().saturating_sub(real);
        assert!(ahead(&world) >= DECADE, "its own status tells");
        world.disconnect_all();
        // The instance whose clock was wrong writes first.
        world.set(1, "a", "first");
        world.pass(1_000);
        world.set(0, "a", "second");
        world.connect(1, 0);
        world.run();
        world.assert_agreement(r#"{"a":"second","b":2}"#);
        assert!(world.notices(1).contains("from now on it stamps by that"), "{}", world.notices(1));
        // Its own writes follow each other, whatever their stamps say.
        assert!(ahead(&world) >= DECADE, "`b` still wins over what is written at the same time");
        world.set(1, "b", 3);
        world.run();
        world.assert_agreement(r#"{"a":"second","b":3}"#);
        assert!(ahead(&world) < 60_000);
        let written = world.hosts[0].engine.written(&name(), &path("b"));
        assert_eq!(written.len(), 1);
    }
}

#[test]
fn who_wrote_last_is_told_by_the_order_of_writes_where_the_author_had_a_wrong_clock() {
    let mut world = pair();
    let real = world.now.wall_ms;
    elsewhen(&mut world, real + DECADE, |world| _ = world.set(1, "m.a", 1));
    world.set(1, "m.b", 2);
    world.run();
    let written = world.hosts[0].engine.written(&name(), &path("m"));
    let own: Vec<_> = written.iter().filter(|write| !write.path.is_root()).collect();
    assert_eq!([0, 1].map(|at| own[at].path.to_string()), ["m.b", "m.a"], "{written:?}");
    assert!(own[0].stamp < own[1].stamp);
}
