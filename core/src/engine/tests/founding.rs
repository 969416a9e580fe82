use super::*;

#[test]
fn without_peers_a_document_is_founded_from_its_file() {
    let mut world = World::new();
    world.add(1, Some(r#"{"a":1}"#), false);
    world.assert_agreement(r#"{"a":1}"#);
    assert!(world.hosts[0].engine.status()[0].genesis.is_some());
}

#[test]
fn an_unfounded_document_serves_its_file_and_lets_writes_wait() {
    let mut world = World::new();
    world.add(1, Some(r#"{"a":1}"#), true);
    assert_eq!(world.value(0), json(r#"{"a":1}"#));
    let request = world.set(0, "b", 2);
    assert!(world.answer(0, request).is_none());
    world.pass(3_000);
    assert!(world.answer(0, request).unwrap().is_ok());
    world.assert_agreement(r#"{"a":1,"b":2}"#);
}

/// Two fresh instances with files of their own, the second one started while the first waits.
#[test]
fn two_fresh_instances_that_meet_early_take_the_file_of_the_smaller_id() {
    for (first, second) in [(1, 2), (2, 1)] {
        let mut world = World::new();
        world.add(first, Some(&format!(r#"{{"who":{first}}}"#)), true);
        world.add(second, Some(&format!(r#"{{"who":{second}}}"#)), true);
        world.connect(0, 1);
        world.connect(1, 0);
        world.run();
        world.assert_agreement(r#"{"who":1}"#);
        let kept: Vec<_> = world.hosts.iter().flat_map(|host| host.kept.clone()).collect();
        assert_eq!(kept, [r#"{"who":2}"#], "the other file is kept aside");
    }
}

#[test]
fn a_later_instance_takes_the_document_of_the_one_that_was_first() {
    for (first, second) in [(1, 2), (2, 1)] {
        let mut world = World::new();
        world.add(first, Some(r#"{"who":"first"}"#), true);
        world.pass(3_500);
        world.add(second, Some(r#"{"who":"second","own":1}"#), true);
        world.connect(1, 0);
        world.connect(0, 1);
        world.run();
        world.assert_agreement(r#"{"who":"first"}"#);
        assert_eq!(world.hosts[1].kept, [r#"{"who":"second","own":1}"#]);
    }
}

#[test]
fn two_documents_founded_alone_become_one_and_acknowledged_writes_survive() {
    let mut world = World::new();
    world.add(1, Some(r#"{"who":"a","x":0}"#), true);
    world.add(2, Some(r#"{"who":"b","y":0}"#), true);
    world.pass(4_000);
    let requests = [world.set(0, "from.a", 1), world.set(1, "from.b", 2)];
    for (at, request) in requests.into_iter().enumerate() {
        assert!(world.answer(at, request).unwrap().is_ok());
    }
    world.connect(0, 1);
    world.run();
    let value = world.value(0);
    assert_eq!(value, world.value(1));
    assert_eq!(value.at(&path("from")), Some(&json(r#"{"a":1,"b":2}"#)), "{value:?}");
    let stayed = value.at(&path("who")).unwrap().as_str().unwrap().to_owned();
    let [loser, founding] = if stayed == "a" { [1, 0] } else { [0, 1] };
    assert_eq!(world.hosts[loser].kept.len(), 1, "its file is kept");
    assert!(world.hosts[founding].kept.is_empty());
    assert!(world.notices(loser).contains("takes over"), "{}", world.notices(loser));
    // And so it is after both restart.
    for at in 0..2 {
        world.restart(at);
    }
    world.connect(1, 0);
    world.run();
    assert_eq!(world.value(0), value);
    assert_eq!(world.value(1), value);
    assert_eq!(world.file_value(loser), value);
}

#[test]
fn an_empty_document_can_be_joined() {
    let mut world = World::new();
    world.add(1, None, false);
    world.add(2, None, true);
    world.connect(1, 0);
    world.run();
    world.set(1, "a", 1);
    world.run();
    world.assert_agreement(r#"{"a":1}"#);
}

/// Two pairs, each with a document that was in use for a while.
fn two_old_pairs() -> World {
    let mut world = World::new();
    for byte in 1..=4 {
        world.add(byte, Some(&format!(r#"{{"who":{byte}}}"#)), byte % 2 == 0);
    }
    world.connect(1, 0);
    world.connect(3, 2);
    world.run();
    world.set(0, "in.a", 1);
    world.set(3, "in.b", 1);
    world.run();
    world.pass(600_001);
    world
}

#[test]
fn two_old_documents_stand_apart_and_are_told_on_both_sides() {
    let mut world = two_old_pairs();
    assert_ne!(world.value(0), world.value(2));
    let before: Vec<_> = (0..4).map(|at| world.value(at)).collect();
    world.connect(3, 0);
    world.run();
    world.pass(60_000);
    assert_eq!(before, (0..4).map(|at| world.value(at)).collect::<Vec<_>>());
    for at in [0, 3] {
        let notices = world.notices(at);
        assert_eq!(notices.matches("holds another document").count(), 1, "{notices}");
    }
}

/// Two pairs that stand apart; one instance gives its document up, and the other that shares it is away meanwhile.
#[test]
fn who_shares_a_document_that_is_given_up_follows_also_when_it_was_away() {
    let mut world = two_old_pairs();
    world.connect(3, 0);
    world.run();
    let genesis = |world: &World, at: usize| world.hosts[at].engine.status()[0].genesis.clone().unwrap();
    let (stays, goes) = (genesis(&world, 0), genesis(&world, 3));
    assert_ne!(stays, goes);
    let now = world.now;
    let engine = &mut world.hosts[3].engine;
    assert_eq!(engine.give_up_for(&name(), "nobody", now).unwrap_err().code(), Code::NotFound);
    assert_eq!(engine.apart(&name())[0].genesis.to_string(), stays);
    let instance = engine.apart(&name())[0].instance.unwrap().to_string();
    world.kill(2);
    let engine = &mut world.hosts[3].engine;
    let chosen = engine.give_up_for(&name(), &instance, now).unwrap();
    assert_eq!(engine.is_given_up_for(&name(), chosen), None);
    world.settle(3);
    world.run();
    assert_eq!(world.hosts[3].engine.is_given_up_for(&name(), chosen), Some(true));
    assert_eq!(world.value(3), world.value(0));
    assert_eq!(world.value(0).at(&path("in.b")), None, "nothing of what was given up goes along");
    let kept = world.hosts[3].engine.kept(&name()).to_vec();
    assert!(kept.iter().any(|kept| kept.why == "given-up" && kept.text.contains("in")), "{kept:?}");
    // It meets the others by one that never held the document that was given up.
    world.restart(2);
    world.set(2, "in.late", 1);
    world.connect(2, 1);
    world.run();
    world.pass(10_000);
    for at in 0..4 {
        assert_eq!(genesis(&world, at), stays, "{at}");
        assert_eq!(world.value(at), world.value(0));
        assert!(world.hosts[at].engine.apart(&name()).is_empty());
    }
    let kept = world.hosts[2].engine.kept(&name()).to_vec();
    assert!(kept.iter().any(|kept| kept.text.contains("late")), "what it wrote meanwhile is kept: {kept:?}");
    // And so it is after everybody restarts.
    for at in 0..4 {
        world.restart(at);
    }
    for at in 1..4 {
        world.connect(at, 0);
    }
    world.run();
    assert!((0..4).all(|at| genesis(&world, at) == stays));
}

#[test]
fn an_old_document_stays_wherever_it_meets_young_ones_also_when_it_comes_back_later() {
    for is_greater in [false, true] {
        let mut world = World::new();
        let hub = if is_greater { 9 } else { 1 };
        world.add(hub, Some(r#"{"real":true}"#), false);
        world.set(0, "api.one", 1);
        world.set(0, "api.two", 2);
        let store = world.hosts[0].store.clone();
        world.kill(0);
        // Two fresh ones that agree on an empty document, and write in it.
        world.add(4, None, true);
        world.add(5, None, true);
        world.connect(2, 1);
        world.run();
        world.pass(5_000);
        let request = world.set(2, "edge", 3);
        world.run();
        assert!(world.answer(2, request).unwrap().is_ok());
        world.hosts[0].store = store;
        world.restart(0);
        world.connect(1, 0);
        world.connect(2, 0);
        world.run();
        world.assert_agreement(r#"{"api":{"one":1,"two":2},"edge":3,"real":true}"#);
        assert!(world.hosts[0].kept.is_empty());
    }
}

#[test]
fn content_never_yields_to_nothing() {
    for (with, without) in [(1, 2), (2, 1)] {
        for seed in 0..8 {
            let mut world = World::new();
            world.add(with + 10 * seed, Some(r#"{"real":true}"#), true);
            world.add(without + 10 * seed, None, true);
            world.pass(4_000);
            world.set(1, "written", 1);
            world.connect(0, 1);
            world.run();
            world.assert_agreement(r#"{"real":true,"written":1}"#);
        }
    }
}

#[test]
fn an_empty_document_that_was_started_again_takes_nobodys_file() {
    let mut world = World::new();
    world.add(1, None, true);
    world.pass(4_000);
    world.kill(0);
    world.restart(0);
    world.run();
    world.add(2, Some(r#"{"real":true}"#), false);
    world.connect(0, 1);
    world.run();
    world.assert_agreement(r#"{"real":true}"#);
    assert!(world.hosts[1].kept.is_empty());
}

/// Three founded alone and wrote; they meet one after the other, and everybody's writes are there once.
#[test]
fn any_number_of_instances_move_in_any_order_and_nothing_is_written_twice() {
    for order in [[(0, 1), (1, 2)], [(1, 2), (0, 1)], [(0, 2), (2, 1)]] {
        let mut world = World::new();
        for byte in 1..=3 {
            world.add(byte, Some(&format!(r#"{{"who":{byte}}}"#)), true);
        }
        world.pass(4_000);
        for at in 0..3 {
            let request = world.set(at, &format!("from.k{at}"), at as u64);
            assert!(world.answer(at, request).unwrap().is_ok());
        }
        for (a, b) in order {
            world.connect(a, b);
            world.run();
        }
        world.pass(6_000);
        let value = world.value(0);
        for at in 0..3 {
            assert_eq!(world.value(at), value, "{order:?}");
            assert_eq!(world.file_value(at), value);
            let written = world.hosts[at].engine.written(&name(), &path("from"));
            let written: Vec<_> = written.into_iter().filter(|write| !write.path.is_root()).collect();
            assert_eq!(written.len(), 3, "{order:?}: {written:?}");
        }
        assert_eq!(value.at(&path("from")), Some(&json(r#"{"k0":0,"k1":1,"k2":2}"#)));
        let kept: usize = world.hosts.iter().map(|host| host.kept.len()).sum();
        assert!(kept >= 2, "two files are kept aside");
        let named: usize = world.hosts.iter().map(|host| host.engine.kept(&name()).len()).sum();
        assert!(named >= 2);
    }
}

/// One moved, took along what the other had written, and the other died before it could move.
#[test]
fn the_writes_of_an_author_who_is_gone_go_along() {
    let mut world = World::new();
    for byte in 1..=3 {
        world.add(byte, None, true);
    }
    world.add(4, Some(r#"{"content":true}"#), true);
    world.connect(1, 0);
    world.pass(4_000);
    world.set(0, "gone", 1);
    world.run();
    world.kill(0);
    world.set(1, "here", 2);
    world.connect(1, 3);
    world.run();
    assert_eq!(world.value(3), json(r#"{"content":true,"gone":1,"here":2}"#));
    world.restart(0);
    world.connect(0, 1);
    world.run();
    world.pass(10_000);
    // It was loaded with an acknowledged write: its document is old, and the others move back to it.
    for at in [0, 1, 3] {
        assert_eq!(world.value(at).at(&path("gone")), Some(&1.into()), "{at}");
        assert_eq!(world.value(at).at(&path("here")), Some(&2.into()), "{at}");
        assert_eq!(world.value(at), world.value(0));
    }
}

#[test]
fn what_was_held_before_a_join_is_named_until_it_is_confirmed() {
    let mut world = World::new();
    world.add(1, Some(r#"{"who":"first"}"#), false);
    world.add(2, Some(r#"{"who":"second","own":1}"#), true);
    world.connect(1, 0);
    world.run();
    world.restart(1);
    let kept = world.hosts[1].engine.kept(&name()).to_vec();
    let [only] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!((only.why.as_str(), only.text.as_str()), ("joined", r#"{"who":"second","own":1}"#));
    let now = world.now;
    world.hosts[1].engine.handle_copied(&name(), "2.json.before-join", now);
    world.settle(1);
    world.restart(1);
    assert_eq!(world.hosts[1].engine.kept(&name())[0].copy.as_deref(), Some("2.json.before-join"));
    let missing = world.hosts[1].engine.confirm_kept(&name(), 7).unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    world.hosts[1].engine.confirm_kept(&name(), only.id).unwrap();
    world.settle(1);
    world.restart(1);
    assert!(world.hosts[1].engine.kept(&name()).is_empty());
}

#[test]
fn a_crash_while_taking_over_a_document_loses_nothing() {
    for (dies, lost_batches) in [0, 1].into_iter().flat_map(|dies| (0..6).map(move |lost| (dies, lost))) {
        let mut world = World::new();
        world.add(1, Some(r#"{"who":"a"}"#), true);
        world.add(2, Some(r#"{"who":"b"}"#), true);
        world.pass(4_000);
        world.set(0, "from.a", 1);
        world.set(1, "from.b", 2);
        for host in &mut world.hosts {
            host.persists = false;
        }
        world.connect(0, 1);
        world.run();
        for at in 0..2 {
            for _ in 0..lost_batches {
                if let Some(batch) = world.hosts[at].batches.pop_front() {
                    world.hosts[at].apply(&batch);
                    let now = world.now;
                    world.hosts[at].engine.handle_persisted(batch.ticket, now);
                }
            }
        }
        for host in &mut world.hosts {
            host.persists = true;
        }
        // The one of the two that was about to give way; who did not die is young still.
        world.settle(1 - dies);
        world.restart(dies);
        world.connect(0, 1);
        world.run();
        assert_eq!(world.value(0), world.value(1));
        assert_eq!(world.value(0).at(&path("from")), Some(&json(r#"{"a":1,"b":2}"#)), "{dies} {lost_batches}");
        assert_eq!(world.file_value(0), world.value(0));
        assert_eq!(world.file_value(1), world.value(1));
    }
}

#[test]
fn a_file_that_is_to_be_set_aside_is_kept_even_after_a_crash_in_between() {
    let mut world = World::new();
    world.add(1, Some(r#"{"who":"first"}"#), false);
    world.add(2, Some(r#"{"who":"second"}"#), true);
    world.hosts[1].writes_files = false;
    world.connect(1, 0);
    world.run();
    assert_eq!(world.hosts[1].due.len(), 1, "the file write is due");
    world.hosts[1].writes_files = true;
    world.restart(1);
    world.assert_agreement(r#"{"who":"first"}"#);
    assert_eq!(world.hosts[1].kept, [r#"{"who":"second"}"#]);
}

/// Two new instances, started together, that dial each other and the mesh there is, which answers them last.
#[test]
fn new_instances_that_meet_before_they_reach_the_mesh_join_it_and_found_nothing() {
    for (first, second) in [(2, 3), (3, 2)] {
        let mut world = World::new();
        world.add(8, Some(r#"{"who":"mesh"}"#), false);
        world.add(9, None, true);
        world.connect(1, 0);
        world.run();
        for byte in [first, second] {
            let options =
                DocumentOptions { shared: true, has_peers: true, dialed_peers: 2, ..DocumentOptions::default() };
            world.add_with(byte, None, options);
        }
        world.connect(2, 3);
        world.connect(3, 2);
        world.run();
        for at in 2..4 {
            assert!(world.hosts[at].engine.status()[0].genesis.is_none(), "host {at} waits for the mesh");
        }
        world.pass(1_000);
        world.connect(2, 0);
        world.connect(3, 0);
        world.run();
        world.assert_agreement(r#"{"who":"mesh"}"#);
        let births: Vec<_> = world.hosts.iter().map(|host| host.engine.status()[0].genesis.clone()).collect();
        assert!(births.iter().all(|birth| birth.is_some() && *birth == births[0]), "{births:?}");
        for at in 0..4 {
            assert!(!world.notices(at).contains("another document"), "{}", world.notices(at));
        }
    }
}

#[test]
fn new_instances_that_reach_all_they_dial_found_at_once_and_the_others_after_the_wait() {
    for (dialed, waits) in [(1, false), (2, true)] {
        let mut world = World::new();
        for byte in 1..=2 {
            let options =
                DocumentOptions { shared: true, has_peers: true, dialed_peers: dialed, ..DocumentOptions::default() };
            world.add_with(byte, None, options);
        }
        world.connect(0, 1);
        world.connect(1, 0);
        world.run();
        assert_eq!(world.hosts[0].engine.status()[0].genesis.is_none(), waits);
        world.pass(3_500);
        world.assert_agreement("{}");
        assert!(world.hosts.iter().all(|host| host.engine.status()[0].genesis.is_some()));
    }
}

/// What the instances show and their files hold; and that nothing was put aside.
fn assert_kept(world: &World, want: &str) {
    world.assert_agreement(want);
    for (at, host) in world.hosts.iter().enumerate() {
        assert!(host.kept.is_empty() && host.engine.kept(&name()).is_empty(), "{at}");
    }
}

#[test]
fn who_joins_a_document_that_never_held_anything_writes_what_its_file_says_there() {
    for settle in [false, true] {
        for has_peers in [false, true] {
            let mut world = World::new();
            let options = DocumentOptions { shared: true, has_peers, settle, ..DocumentOptions::default() };
            world.add_with(1, None, options);
            world.pass(4_000);
            let text = "{\"months\": [1, 2],\n \"of\": {\"work\": true}}";
            world.add(2, Some(text), true);
            world.connect(1, 0);
            world.run();
            assert_kept(&world, r#"{"months":[1,2],"of":{"work":true}}"#);
            assert_eq!(world.hosts[1].file.as_deref(), Some(text), "not a byte of it changes");
            assert!(world.notices(1).contains("never held anything"), "{}", world.notices(1));
            for at in 0..2 {
                world.restart(at);
            }
            world.connect(1, 0);
            world.run();
            world.set(0, "of.work", false);
            world.run();
            assert_kept(&world, r#"{"months":[1,2],"of":{"work":false}}"#);
        }
    }
}

#[test]
fn of_two_that_join_an_empty_document_at_once_one_gives_the_content_and_the_other_file_is_kept() {
    let mut world = World::new();
    world.add(1, None, false);
    let texts = [r#"{"who":"second"}"#, r#"{"who":"third"}"#];
    world.add(2, Some(texts[0]), true);
    world.now.wall_ms += 10;
    world.add(3, Some(texts[1]), true);
    for at in [1, 2] {
        world.hosts[at].persists = false;
        world.connect(at, 0);
    }
    world.run();
    for at in [1, 2] {
        world.hosts[at].persists = true;
        world.settle(at);
    }
    world.run();
    let shown = crate::canonical::canonical(&world.value(0));
    world.assert_agreement(&shown);
    let other = texts.into_iter().find(|text| *text != shown).unwrap();
    assert!(texts.contains(&shown.as_str()), "{shown}");
    let kept: Vec<&String> = world.hosts.iter().flat_map(|host| &host.kept).collect();
    assert_eq!(kept, [other]);
}

#[test]
fn a_document_that_was_emptied_on_purpose_takes_the_place_of_a_file_as_any_other() {
    for founding in [None, Some(r#"{"a":1}"#)] {
        let mut world = World::new();
        world.add(1, founding, false);
        world.set(0, "a", 2);
        let now = world.now;
        world.hosts[0].engine.unset(&name(), path("a"), now);
        world.settle(0);
        world.assert_agreement("{}");
        world.add(2, Some(r#"{"own":1}"#), true);
        world.connect(1, 0);
        world.run();
        world.assert_agreement("{}");
        assert_eq!(world.hosts[1].kept, [r#"{"own":1}"#]);
    }
}

#[test]
fn a_file_that_is_bound_to_a_document_that_never_held_anything_is_its_first_content() {
    let mut world = World::new();
    world.add(1, None, false);
    world.save(0, r#"{"real":true}"#);
    assert_kept(&world, r#"{"real":true}"#);
    // A crash before the store has it takes the file for what it is.
    let mut world = World::new();
    world.add(1, None, false);
    world.hosts[0].persists = false;
    world.save(0, r#"{"real":true}"#);
    world.hosts[0].persists = true;
    world.restart(0);
    assert_kept(&world, r#"{"real":true}"#);
}

#[test]
fn who_dies_while_it_writes_the_first_content_keeps_its_file() {
    for stored in 0..3 {
        let mut world = World::new();
        world.add(1, None, false);
        world.add(2, Some(r#"{"real":true}"#), true);
        world.hosts[1].persists = false;
        world.connect(1, 0);
        world.run();
        for _ in 0..stored {
            if let Some(batch) = world.hosts[1].batches.pop_front() {
                world.hosts[1].apply(&batch);
            }
        }
        world.hosts[1].persists = true;
        world.restart(1);
        world.connect(1, 0);
        world.run();
        assert_kept(&world, r#"{"real":true}"#);
    }
}

#[test]
fn what_a_document_says_of_its_members_stays_behind_when_it_gives_way() {
    let mut world = World::new();
    for byte in [1, 2] {
        let settle = DocumentOptions { shared: true, has_peers: byte > 1, settle: true, ..DocumentOptions::default() };
        world.add_with(byte, None, settle);
    }
    world.connect(1, 0);
    world.run();
    world.set(1, "early", true);
    world.run();
    world.disconnect_all();
    world.add(3, Some(r#"{"content":1}"#), false);
    world.connect(2, 0);
    world.connect(2, 1);
    world.run();
    for at in 0..3 {
        world.set(at, &format!("by{at}"), true);
        world.run();
    }
    world.assert_agreement(r#"{"by0":true,"by1":true,"by2":true,"content":1,"early":true}"#);
    for at in 0..3 {
        assert!(!world.notices(at).contains("malformed"), "{}", world.notices(at));
    }
}
