//! Copied data directories: two instances under one name.

use super::*;
use crate::engine::shared::Shared;
use crate::id::ReplicaId;

/// A hub (0), an instance (1) that shares its document, and a copy of that instance's data (2), all apart.
fn copied(settle: bool) -> World {
    let mut world = World::soon_old();
    let options = |has_peers| DocumentOptions { shared: true, has_peers, settle, ..DocumentOptions::default() };
    world.add_with(1, None, options(false));
    world.add_with(2, None, options(true));
    world.connect(1, 0);
    world.run();
    world.set(1, "from", "the beginning");
    world.set(1, "old", 1);
    world.run();
    world.disconnect_all();
    copy(&mut world, 1, options(true));
    assert_eq!((author(&world, 1), world.value(1)), (author(&world, 2), world.value(2)));
    world
}

/// Adds an instance with a copy of the data of another one.
fn copy(world: &mut World, of: usize, options: DocumentOptions) {
    let (byte, store) = (world.hosts[of].byte, world.hosts[of].store.clone());
    let at = world.add_with(byte, None, options);
    world.hosts[at].store = store;
    world.hosts[at].life = 100; // the data is the same, and chance is not
    world.restart(at);
}

fn author(world: &World, at: usize) -> ReplicaId {
    let record = &world.hosts[at].store[b"doc/default/default/replica".as_slice()];
    let record = json(std::str::from_utf8(record).unwrap());
    ReplicaId::parse(record.child("replica").and_then(Value::as_str).unwrap()).unwrap()
}

fn assert_one_gave_way(world: &World, want: &str) {
    world.assert_agreement(want);
    assert_ne!(author(world, 1), author(world, 2), "each writes under a name of its own");
    let all = (0..world.hosts.len()).map(|at| world.notices(at)).collect::<Vec<_>>().join("\n");
    assert!(all.contains("two different writes of `default` bear the name"), "{all}");
    assert!(all.contains("the data directory of this instance was copied"), "{all}");
    let whose = world.hosts[1].engine.instance().to_string();
    assert!(
        world.notices(0).is_empty() || world.notices(0).contains(&format!("of instance {whose} was copied")),
        "{all}"
    );
    assert!(!all.contains("has seen the same writes"), "{all}");
}

#[test]
fn a_copy_that_wrote_while_it_was_away_is_found_out_and_both_writes_stay() {
    let mut world = copied(false);
    world.set(1, "ours", 1);
    world.set(2, "theirs", 2);
    for at in [1, 2] {
        world.connect(at, 0);
        world.run();
    }
    world.pass(12_000);
    assert_one_gave_way(&world, r#"{"from":"the beginning","old":1,"ours":1,"theirs":2}"#);
    world.set(1, "ours", 10);
    world.set(2, "theirs", 20);
    world.run();
    world.assert_agreement(r#"{"from":"the beginning","old":1,"ours":10,"theirs":20}"#);
}

#[test]
fn copies_that_write_the_same_path_while_both_are_connected_do_not_diverge() {
    let mut world = copied(false);
    for at in [1, 2] {
        world.connect(at, 0);
        world.run();
    }
    for at in [1, 2] {
        world.set(at, "old", 10 + at as u64);
    }
    world.run();
    world.pass(12_000);
    let shown = world.value(0).at(&path("old")).cloned();
    assert!([Some(11.into()), Some(12.into())].contains(&shown), "{shown:?}");
    let want = crate::canonical::canonical(&world.value(0));
    assert_one_gave_way(&world, &want);
}

#[test]
fn a_copy_that_wrote_less_than_its_namesake_writes_its_own_again_also_after_a_restart() {
    for restarts in [false, true] {
        let mut world = copied(false);
        world.set(1, "ours.a", 1);
        world.set(1, "ours.b", 1);
        world.set(2, "theirs", 2);
        if restarts {
            world.restart(2);
        }
        for at in [1, 2] {
            world.connect(at, 0);
            world.run();
        }
        world.pass(12_000);
        world.assert_agreement(r#"{"from":"the beginning","old":1,"ours":{"a":1,"b":1},"theirs":2}"#);
        assert_ne!(author(&world, 1), author(&world, 2));
    }
}

#[test]
fn two_meshes_that_each_took_in_one_of_two_copies_agree_when_they_meet() {
    let mut world = copied(false);
    let options = DocumentOptions { shared: true, has_peers: true, ..DocumentOptions::default() };
    // A second hub (3) that has the beginning from the first one.
    world.add_with(3, None, options);
    world.connect(3, 0);
    world.run();
    world.disconnect_all();
    world.set(1, "ours", 1);
    world.set(2, "theirs", 2);
    world.connect(1, 0);
    world.connect(2, 3);
    world.run();
    world.disconnect_all();
    // The copies are gone for good, and nobody but the hubs can set it right.
    world.connect(3, 0);
    world.run();
    world.pass(30_000);
    let all = r#"{"from":"the beginning","old":1,"ours":1,"theirs":2}"#;
    for at in [0, 3] {
        assert_eq!(world.value(at), json(all), "{at}: {}", world.notices(at));
        assert!(world.notices(at).contains("was copied"), "{}", world.notices(at));
    }
    // They come back after all.
    world.connect(1, 0);
    world.connect(2, 0);
    world.run();
    world.pass(30_000);
    world.assert_agreement(all);
}

#[test]
fn copies_that_never_write_apart_are_no_problem() {
    let mut world = copied(false);
    world.set(0, "hub", 1);
    for at in [1, 2] {
        world.connect(at, 0);
        world.run();
    }
    world.pass(12_000);
    world.set(1, "one", 1);
    world.run();
    world.pass(12_000);
    world.set(2, "two", 2);
    world.run();
    world.pass(12_000);
    world.assert_agreement(r#"{"from":"the beginning","hub":1,"old":1,"one":1,"two":2}"#);
}

#[test]
fn whatever_copies_write_and_whenever_all_of_it_stays_and_all_agree() {
    let mut gave_way = 0;
    for seed in 0..crate::testing::cases(150) {
        let mut random = crate::testing::Random::of(seed);
        let mut below = |n: usize| random.below(n);
        let mut world = copied(false);
        let mut written = json(r#"{"from":"the beginning","old":1}"#);
        for step in 0..25 {
            let at = 1 + below(2);
            match below(8) {
                0 => world.disconnect_all(),
                1 => world.restart(at),
                2 => world.connect(at, 0),
                3 => world.pass(6_000),
                4 => {
                    let key = format!("hub{step}");
                    world.set(0, &key, step);
                    written = written.with(&path(&key), step.into());
                }
                _ => {
                    let key = format!("k{at}.{step}");
                    world.set(at, &key, step);
                    written = written.with(&path(&key), step.into());
                }
            }
            if below(2) == 0 {
                world.run();
            }
        }
        world.disconnect_all();
        for at in [1, 2] {
            world.connect(at, 0);
            world.run();
        }
        world.pass(30_000);
        for at in 0..3 {
            let notices = (0..3).map(|at| world.notices(at)).collect::<Vec<_>>().join("\n");
            assert_eq!(world.value(at), written, "seed {seed}, host {at}: {notices}");
        }
        gave_way += u32::from((0..3).any(|at| world.notices(at).contains("was copied")));
    }
    assert!(gave_way > 10, "{gave_way}");
}

#[test]
fn where_the_history_of_a_copy_was_dropped_both_sides_tell_that_they_differ_and_with_whom() {
    let mut world = copied(true);
    world.set(1, "ours", 1);
    world.connect(1, 0);
    world.run();
    world.pass(80_000);
    assert!(world.hosts[0].store.keys().any(|key| String::from_utf8_lossy(key).contains("/base/")), "it is dropped");
    let seq = |at: usize| {
        let founded = world.hosts[at].engine.documents[&name()].shared.as_ref().and_then(Shared::founded);
        founded.map(|founded| founded.seen().seq(author(&world, 1)))
    };
    let missing = seq(1).unwrap() - seq(2).unwrap();
    for n in 0..missing {
        world.set(2, "theirs", n);
    }
    world.connect(2, 0);
    world.run();
    world.pass(30_000);
    assert_ne!(world.value(0), world.value(2), "or nothing is shown here");
    for (at, other) in [(0, 2), (2, 0)] {
        let who = format!(
            "`default` differs from that of instance {}, which has seen the same writes",
            world.hosts[other].engine.instance()
        );
        assert!(world.notices(at).contains(&who), "{at}: {}", world.notices(at));
    }
    // What the notice says.
    world.kill(2);
    world.hosts[2].store.clear();
    world.restart(2);
    world.connect(2, 0);
    world.run();
    world.pass(30_000);
    world.assert_agreement(r#"{"from":"the beginning","old":1,"ours":1}"#);
}
