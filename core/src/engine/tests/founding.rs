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

#[test]
fn two_grown_documents_are_never_merged_silently() {
    let mut world = World::new();
    for byte in 1..=4 {
        world.add(byte, Some(&format!(r#"{{"who":{byte}}}"#)), byte % 2 == 0);
    }
    world.connect(1, 0);
    world.connect(3, 2);
    world.run();
    assert_ne!(world.value(0), world.value(2));
    let before: Vec<_> = (0..4).map(|at| world.value(at)).collect();
    world.connect(3, 0);
    world.run();
    assert_eq!(before, (0..4).map(|at| world.value(at)).collect::<Vec<_>>());
    assert!(world.notices(0).contains("another document"), "{}", world.notices(0));
    assert!(world.notices(3).contains("another document"), "{}", world.notices(3));
}

#[test]
fn a_crash_while_taking_over_a_document_loses_nothing() {
    for lost_batches in 0..6 {
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
        for at in 0..2 {
            world.hosts[at].persists = true;
            world.restart(at);
        }
        world.connect(0, 1);
        world.run();
        assert_eq!(world.value(0), world.value(1));
        assert_eq!(world.value(0).at(&path("from")), Some(&json(r#"{"a":1,"b":2}"#)), "{lost_batches}");
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
