//! Data directories that are put back from a copy, of documents that keep their history: what is written then by who does not
//! know yet is as good as what anybody writes who is away.

use super::*;
use crate::engine::WriteTerms;
use crate::policy::Policy;

/// A hub (0), an instance (1) and another one (2), which both dial the hub; all of them share `x` and `list`.
fn mesh() -> World {
    mesh_by(Policy::default())
}

fn mesh_by(policy: Policy) -> World {
    let mut world = World::new();
    for byte in 1..=3 {
        let options =
            DocumentOptions { shared: true, has_peers: byte > 1, policy: policy.clone(), ..DocumentOptions::default() };
        world.add_with(byte, None, options);
    }
    connect(&mut world);
    world.set(1, "x", 0);
    world.set(1, "list", json(r#"["a"]"#));
    world.run();
    world
}

fn connect(world: &mut World) {
    world.connect(1, 0);
    world.connect(2, 0);
    world.run();
    world.pass(12_000);
}

/// The instance (1) writes `count` keys, which all get; then its data is put back as it was before, and all are apart.
fn put_back(world: &mut World, count: usize) {
    let copy = world.hosts[1].store.clone();
    for n in 0..count {
        world.set(1, &format!("n{n}"), 1);
    }
    world.run();
    world.disconnect_all();
    world.put_back(1, copy);
    assert!(world.notices(1).contains("the store was put back from a copy"), "{}", world.notices(1));
    let status = world.hosts[1].engine.status().remove(0);
    assert!(status.put_back.is_some_and(|error| error.message().contains("put back from a copy")));
}

/// What is listed at a path, by any instance the same.
fn sides(world: &World, place: &str) -> Vec<Value> {
    let of = |at: usize| -> Vec<Value> {
        let all = world.hosts[at].engine.conflicts(&name(), true);
        let here = all.into_iter().filter(|found| found.path == path(place));
        let mut sides: Vec<Value> = here.flat_map(|found| found.sides).filter_map(|side| side.value).collect();
        sides.sort_by_key(crate::canonical::canonical);
        sides
    };
    for at in 1..world.hosts.len() {
        assert_eq!(of(at), of(0), "{at}");
    }
    of(0)
}

#[test]
fn what_is_written_after_a_copy_was_put_back_is_concurrent_to_what_others_wrote() {
    // As many writes as were lost, fewer and more.
    for (lost, written) in [(1, 1), (3, 1), (1, 3)] {
        for own_is_later in [false, true] {
            let mut world = mesh();
            put_back(&mut world, lost);
            let own = |world: &mut World| {
                for n in 0..written {
                    world.set(1, "x", format!("own {n}"));
                }
            };
            if !own_is_later {
                own(&mut world);
            }
            world.set(0, "x", "other");
            if own_is_later {
                own(&mut world);
            }
            connect(&mut world);
            let mine = format!("own {}", written - 1);
            let in_force = if own_is_later { mine.as_str() } else { "other" };
            for at in 0..3 {
                let what = format!("{lost} {written} {at}: {}", world.notices(at));
                assert_eq!(world.value(at).at(&path("x")), Some(&in_force.into()), "{what}");
                assert_eq!(world.value(at).at(&path("n0")), Some(&1.into()), "{what}");
            }
            assert_eq!(sides(&world, "x"), ["other".into(), Value::from(mine)], "{lost} {written}");
        }
    }
}

#[test]
fn a_list_that_both_edited_after_a_copy_was_put_back_has_what_both_added() {
    for strategy in ["merge_strategies", "operational_transform"] {
        let rules = format!(r#"[{{"pattern":"list","conflict":"{strategy}"}}]"#);
        let mut world = mesh_by(Policy::from_value(&json(&rules)).unwrap());
        put_back(&mut world, 2);
        world.set(0, "list", json(r#"["a","other"]"#));
        world.set(1, "list", json(r#"["a","own"]"#));
        world.set(1, "list", json(r#"["a","own","again"]"#));
        connect(&mut world);
        let list = world.value(1).at(&path("list")).cloned().unwrap();
        for item in ["a", "other", "own", "again"] {
            let count = list.as_list().unwrap().iter().filter(|held| **held == item.into()).count();
            assert_eq!(count, 1, "{strategy}: {item} in {list:?}");
        }
        assert!((0..3).all(|at| world.value(at) == world.value(0)));
    }
}

#[test]
fn a_decision_of_people_waits_after_a_copy_was_put_back_as_it_does_else() {
    let rules = json(r#"[{"pattern":"x","conflict":"manual_resolution"}]"#);
    let mut world = mesh_by(Policy::from_value(&rules).unwrap());
    put_back(&mut world, 1);
    world.set(0, "x", "other");
    world.set(1, "x", "own");
    connect(&mut world);
    for at in 0..3 {
        let open = world.hosts[at].engine.conflicts(&name(), false);
        assert_eq!(open.iter().map(|found| found.sides.len()).collect::<Vec<_>>(), [2], "{at}: {open:?}");
    }
}

#[test]
fn conditional_writes_after_a_copy_was_put_back_are_counted_as_lost_where_they_lose() {
    let mut world = mesh();
    put_back(&mut world, 4);
    for n in 1..=3_u64 {
        let engine = &mut world.hosts[1].engine;
        let terms = WriteTerms { if_version: engine.version(&name(), &path("x")), ..WriteTerms::default() };
        let request = engine.write(&name(), crate::engine::Command::set(path("x"), n.into()), terms, world.now);
        world.settle(1);
        assert!(world.answer(1, request).unwrap().is_ok());
    }
    world.now.wall_ms += 5;
    world.set(0, "x", "other");
    connect(&mut world);
    for at in 0..3 {
        let found = world.hosts[at].engine.conflicts(&name(), true);
        let lost: u64 = found.iter().filter(|found| found.path == path("x")).map(|found| found.lost.updates).sum();
        assert_eq!(lost, 3, "{at}: {found:?}");
    }
}

/// Whatever is acknowledged shows in the end, was seen by who wrote something else there, or is listed.
#[test]
fn nothing_acknowledged_is_lost_in_silence_however_often_copies_are_put_back() {
    let mut listed = 0;
    for seed in 0..crate::testing::cases(60) {
        let mut random = crate::testing::Random::of(seed);
        let mut below = |n: usize| random.below(n);
        let mut world = mesh();
        let mut copy = world.hosts[1].store.clone();
        let (mut written, mut replaced) = (Vec::new(), Vec::new());
        for step in 0..30 {
            match below(10) {
                0 => world.disconnect_all(),
                1 => world.restart(below(3)),
                2 => connect(&mut world),
                3 => copy = world.hosts[1].store.clone(),
                4 => {
                    // Nothing of it is on this disk alone.
                    connect(&mut world);
                    world.disconnect_all();
                    world.put_back(1, copy.clone());
                }
                _ => {
                    let at = below(3);
                    let place = ["x", "y", "m.z"][below(3)];
                    let here = world.hosts[at].engine.conflicts(&name(), true);
                    let here = here.into_iter().filter(|found| found.path == path(place) && !found.is_closed);
                    replaced.extend(here.flat_map(|found| found.sides).filter_map(|side| side.value));
                    replaced.extend(world.value(at).at(&path(place)).cloned());
                    let request = world.set(at, place, format!("{step} by {at}"));
                    if world.answer(at, request).is_some_and(|answer| answer.is_ok()) {
                        written.push((place, Value::from(format!("{step} by {at}"))));
                    }
                }
            }
            if below(2) == 0 {
                world.run();
            }
        }
        world.disconnect_all();
        connect(&mut world);
        world.pass(30_000);
        for at in 0..3 {
            let notices = (0..3).map(|at| world.notices(at)).collect::<Vec<_>>().join("\n");
            assert_eq!(world.value(at), world.value(0), "seed {seed}: {notices}");
            let all = world.hosts[at].engine.conflicts(&name(), true);
            for (place, value) in &written {
                let is_listed =
                    all.iter().flat_map(|found| &found.sides).any(|side| side.value.as_ref() == Some(value));
                let is_shown = world.value(at).at(&path(place)) == Some(value);
                listed += usize::from(is_listed);
                let is_told = is_listed || is_shown || replaced.contains(value);
                assert!(is_told, "seed {seed}, host {at}: {value:?} at {place} is gone\n{notices}");
            }
        }
    }
    assert!(listed > 20, "{listed}");
}
