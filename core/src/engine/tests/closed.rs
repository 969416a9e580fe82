//! Conflicts that a later write closed, and what they cost.

use super::*;
use crate::engine::{Conflict, WriteTerms};
use crate::replica::Lost;
use crate::testing::Random;
use crate::value::Str;

fn sharing(count: u8) -> World {
    let mut world = World::new();
    for byte in 1..=count {
        let options = DocumentOptions { shared: true, has_peers: byte > 1, ..DocumentOptions::default() };
        world.add_with(byte, None, options);
    }
    connect_all(&mut world);
    world
}

fn connect_all(world: &mut World) {
    for at in 1..world.hosts.len() {
        world.connect(at, 0);
    }
    world.run();
}

/// Counts one up for the version that it reads; whether that was granted.
fn count(world: &mut World, at: usize) -> bool {
    let engine = &mut world.hosts[at].engine;
    let there = engine.snapshot(&name()).unwrap().value.at(&path("n")).and_then(Value::as_u64).unwrap_or(0);
    let terms = WriteTerms { if_version: engine.version(&name(), &path("n")), ..WriteTerms::default() };
    let command = crate::engine::Command::set(path("n"), (there + 1).into());
    let request = engine.write(&name(), command, terms, world.now);
    world.now.wall_ms += 1;
    world.settle(at);
    world.answer(at, request).unwrap().is_ok()
}

fn all(world: &World, at: usize) -> Vec<Conflict> {
    world.hosts[at].engine.conflicts(&name(), true)
}

/// The counter, and what is listed as lost.
fn told(world: &World, at: usize) -> (u64, u64) {
    let lost = all(world, at).iter().fold(Lost::default(), |sum, found| sum.and(found.lost));
    assert!(!lost.or_more);
    (world.value(at).at(&path("n")).and_then(Value::as_u64).unwrap_or(0), lost.updates)
}

#[test]
fn what_a_later_write_closed_stays_listed_with_its_sides_also_after_a_restart() {
    let mut world = sharing(2);
    assert!(count(&mut world, 0));
    world.run();
    world.disconnect_all();
    for at in [0, 0, 1, 1, 1] {
        assert!(count(&mut world, at));
    }
    world.connect(1, 0);
    world.run();
    assert_eq!([told(&world, 0), told(&world, 1)], [(4, 2); 2], "the first one's two are lost");
    let open = all(&world, 1);
    assert_eq!((open.len(), open[0].is_closed), (1, false));
    assert!(count(&mut world, 1));
    world.run();
    for at in [0, 1] {
        let found = all(&world, at);
        assert_eq!((found.len(), found[0].is_closed, found[0].id), (1, true, open[0].id));
        assert!(
            found[0]
                .sides
                .iter()
                .zip(&open[0].sides)
                .all(|(now, then)| (&now.value, now.lost) == (&then.value, then.lost))
        );
        assert_eq!(world.hosts[at].engine.conflicts(&name(), false), []);
        // It goes to the store with the next batch.
        world.set(at, "other", 1);
        world.run();
        world.restart(at);
        let values = |found: &[Conflict]| found[0].sides.iter().map(|side| side.value.clone()).collect::<Vec<_>>();
        let again = all(&world, at);
        assert_eq!((again[0].id, values(&again), told(&world, at)), (found[0].id, values(&found), (5, 2)));
    }
}

#[test]
fn who_never_saw_a_conflict_lists_what_it_cost() {
    let mut world = sharing(3);
    assert!(count(&mut world, 0));
    world.run();
    world.disconnect_all();
    for at in [0, 1, 1] {
        assert!(count(&mut world, at));
    }
    world.connect(1, 0);
    world.run();
    assert!(count(&mut world, 0));
    world.run();
    world.connect(2, 0);
    world.run();
    let found = all(&world, 2);
    assert_eq!((found.len(), found[0].is_closed, found[0].lost.updates), (1, true, 1));
    assert_eq!(found[0].sides.len(), 1, "only the one in force is known");
    assert_eq!([0, 1, 2].map(|at| told(&world, at)), [(4, 1); 3]);
    let text = crate::canonical::canonical(&found[0].to_value());
    assert!(text.contains(r#""lost_updates":1"#) && text.contains(r#""status":"closed""#), "{text}");
}

#[test]
fn an_unconditional_write_begins_anew_and_what_was_lost_before_stays_listed() {
    let mut world = sharing(2);
    world.disconnect_all();
    let granted = [0, 1].map(|at| count(&mut world, at));
    assert_eq!(granted, [true; 2]);
    world.connect(1, 0);
    world.run();
    world.set(0, "n", 0);
    world.run();
    assert!(count(&mut world, 1));
    world.run();
    assert_eq!([0, 1].map(|at| told(&world, at)), [(1, 1); 2]);
}

#[test]
fn the_newest_thousand_are_remembered() {
    let mut world = sharing(2);
    world.disconnect_all();
    for at in [0, 1] {
        let map: Value = (0..1_100_u64).map(|n| (Str::from(format!("k{n}")), Value::from(n + at as u64))).collect();
        world.set(at, "m", map);
    }
    world.connect(1, 0);
    world.run();
    assert_eq!(all(&world, 0).len(), 1_100);
    world.set(0, "m", 1);
    world.run();
    for at in [0, 1] {
        assert_eq!(all(&world, at).len(), 1_000);
        assert!(all(&world, at).iter().all(|found| found.is_closed && found.lost == Lost::default()));
        world.set(at, "other", 1);
        let records = world.hosts[at].store.keys().filter(|key| key.windows(8).any(|part| part == b"/closed/"));
        assert_eq!(records.count(), 1_000);
    }
}

#[test]
fn a_counter_and_what_is_listed_are_what_was_granted_on_every_instance() {
    for seed in 0..60 {
        let mut random = Random::of(seed);
        let mut world = sharing(2 + random.below(3) as u8);
        let mut granted = 0;
        for _ in 0..40 {
            let at = random.below(world.hosts.len());
            match random.below(12) {
                0 => world.disconnect_all(),
                1 if at > 0 => {
                    world.connect(at, 0);
                    world.run();
                }
                2 => world.restart(at),
                3 => connect_all(&mut world),
                _ => granted += u64::from(count(&mut world, at)),
            }
        }
        world.disconnect_all();
        connect_all(&mut world);
        world.pass(20_000);
        for at in 0..world.hosts.len() {
            let (shown, lost) = told(&world, at);
            assert_eq!(shown + lost, granted, "seed {seed}: {at} shows {shown} and lists {lost}");
        }
    }
}
