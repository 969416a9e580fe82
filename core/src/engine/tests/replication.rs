use super::*;

fn pair() -> World {
    let mut world = World::new();
    world.add(1, Some(r#"{"a":1}"#), false);
    world.add(2, None, true);
    world.connect(1, 0);
    world.run();
    world.assert_agreement(r#"{"a":1}"#);
    world
}

#[test]
fn a_write_on_either_side_reaches_the_other_side_and_both_files() {
    let mut world = pair();
    world.set(0, "b.c", 2);
    world.run();
    world.set(1, "a", "x");
    world.run();
    world.assert_agreement(r#"{"a":"x","b":{"c":2}}"#);
}

#[test]
fn a_save_of_either_file_reaches_the_other_file() {
    let mut world = pair();
    world.save(1, r#"{"a":1,"new":[1,2]}"#);
    world.run();
    world.save(0, r#"{"a":1,"new":[1,2,3]}"#);
    world.run();
    world.assert_agreement(r#"{"a":1,"new":[1,2,3]}"#);
}

#[test]
fn writes_travel_through_an_instance_in_between() {
    let mut world = pair();
    world.add(3, None, true);
    world.connect(2, 1);
    world.run();
    world.set(0, "from", "zero");
    world.run();
    world.set(2, "back", "two");
    world.run();
    world.assert_agreement(r#"{"a":1,"back":"two","from":"zero"}"#);
}

#[test]
fn rings_and_double_links_come_to_rest() {
    let mut world = pair();
    world.add(3, None, true);
    for (from, to) in [(2, 1), (2, 0), (0, 1), (0, 2)] {
        world.connect(from, to);
    }
    world.run();
    world.set(0, "x", 1);
    world.set(1, "y", 2);
    world.set(2, "z", 3);
    world.run();
    world.assert_agreement(r#"{"a":1,"x":1,"y":2,"z":3}"#);
}

#[test]
fn writes_made_apart_meet_when_the_link_is_back() {
    let mut world = pair();
    world.disconnect_all();
    world.set(0, "left", 1);
    world.set(1, "right", 2);
    world.set(0, "both", "zero");
    world.set(1, "both", "one");
    world.connect(0, 1);
    world.run();
    world.assert_agreement(r#"{"a":1,"both":"one","left":1,"right":2}"#);
    let status = world.hosts[0].engine.status();
    assert_eq!(status[0].disagreements[0].path, path("both"));
    assert_eq!(status[0].disagreements, world.hosts[1].engine.status()[0].disagreements);
    let lost = &status[0].disagreements[0].sides[1];
    assert_eq!((lost.in_force, lost.value.clone()), (false, Some("zero".into())));
}

#[test]
fn nothing_is_visible_answered_or_sent_before_the_store_has_it() {
    let mut world = pair();
    world.hosts[0].persists = false;
    let request = world.set(0, "a", 2);
    world.run();
    assert_eq!(world.value(0), json(r#"{"a":1}"#));
    assert_eq!(world.value(1), json(r#"{"a":1}"#));
    assert!(world.answer(0, request).is_none());
    world.hosts[0].persists = true;
    world.settle(0);
    world.run();
    assert!(world.answer(0, request).unwrap().is_ok());
    world.assert_agreement(r#"{"a":2}"#);
}

#[test]
fn a_failed_store_fails_the_write_and_the_next_one_works_under_a_new_name() {
    let mut world = pair();
    world.hosts[0].persists = false;
    let [first, second] = [world.set(0, "a", 2), world.set(0, "a", 3)];
    let batch = world.hosts[0].batches.pop_front().unwrap();
    world.hosts[0].batches.clear();
    let reason = Error::new(Code::Store, "disk full");
    world.hosts[0].engine.handle_persist_failed(batch.ticket, &reason, world.now);
    world.hosts[0].persists = true;
    world.settle(0);
    world.run();
    for request in [first, second] {
        assert_eq!(world.answer(0, request).unwrap().unwrap_err(), reason);
    }
    world.assert_agreement(r#"{"a":1}"#);
    world.set(0, "a", 4);
    world.run();
    world.assert_agreement(r#"{"a":4}"#);
}

#[test]
fn a_killed_instance_comes_back_with_every_acknowledged_write() {
    let mut world = pair();
    world.disconnect_all();
    let request = world.set(0, "kept", true);
    assert!(world.answer(0, request).unwrap().is_ok());
    world.restart(0);
    world.connect(0, 1);
    world.run();
    world.assert_agreement(r#"{"a":1,"kept":true}"#);
    world.set(0, "again", 1);
    world.run();
    world.assert_agreement(r#"{"a":1,"again":1,"kept":true}"#);
}

#[test]
fn a_heartbeat_closes_the_gap_that_lost_frames_left() {
    let mut world = pair();
    world.set(0, "lost", 1);
    world.wires.clear();
    assert_eq!(world.value(1), json(r#"{"a":1}"#));
    world.pass(6_000);
    world.assert_agreement(r#"{"a":1,"lost":1}"#);
}

#[test]
fn an_instance_that_dials_itself_is_told_so() {
    let mut world = World::new();
    world.add(1, Some("{}"), true);
    world.connect(0, 0);
    world.run();
    world.pass(4_000);
    assert!(world.notices(0).contains("this very instance"), "{}", world.notices(0));
    assert_eq!(world.value(0), json("{}"));
}

#[test]
fn overwritten_values_leave_the_store() {
    let mut world = pair();
    for round in 0..50 {
        world.set(0, "counter", round);
    }
    world.run();
    let writes = |at: usize| world.hosts[at].store.keys().filter(|k| k.windows(7).any(|w| w == b"/write/")).count();
    assert_eq!((writes(0), writes(1)), (2, 2));
}

#[test]
fn frames_of_any_kind_change_nothing_and_get_an_answer() {
    let mut world = pair();
    for frame in [
        "",
        "{",
        "[]",
        "{\"type\":\"nonsense\"}",
        "{\"type\":\"delta\"}",
        "{\"type\":\"hello\",\"versions\":[9],\"documents\":[]}",
    ] {
        world.hosts[0].engine.handle_connected(PeerId(999), Link::Accepted, world.now);
        world.hosts[0].engine.handle_message(PeerId(999), frame, world.now);
        let answered = std::iter::from_fn(|| world.hosts[0].engine.poll_transmit())
            .any(|t| t.frame.as_text().is_some_and(|text| text.contains("\"type\":\"error\"")));
        assert!(answered, "{frame}");
    }
    world.assert_agreement(r#"{"a":1}"#);
}

#[test]
fn many_writes_that_become_durable_together_go_out_as_one_message_with_the_last_state() {
    let mut world = pair();
    world.hosts[0].persists = false;
    let requests: Vec<RequestId> = (0..100).map(|n| world.set(0, "n", n)).collect();
    world.hosts[0].persists = true;
    world.settle(0);
    assert!(requests.iter().all(|request| world.answer(0, *request).unwrap().is_ok()));
    assert_eq!(world.wires.len(), 1, "a message for every write would be 100");
    world.run();
    world.assert_agreement(r#"{"a":1,"n":99}"#);
    // One by one they go out one by one, and at once.
    for n in 1..4 {
        world.set(0, "n", n);
        assert_eq!(world.wires.len() as i64, n);
    }
}

#[test]
fn who_asks_for_it_compares_with_every_peer_at_once_also_where_one_fails() {
    let mut world = pair();
    world.add(3, None, true);
    world.connect(2, 0);
    world.run();
    world.set(0, "lost", 1);
    world.wires.clear();
    world.set(1, "back", 1);
    world.wires.clear();
    let ask = |world: &mut World| {
        let peers = world.hosts[0].engine.force_sync(world.now).len();
        world.settle(0);
        peers
    };
    assert_eq!(ask(&mut world), 2);
    world.run();
    world.assert_agreement(r#"{"a":1,"back":1,"lost":1}"#);
    assert_eq!(ask(&mut world), 2, "also where nothing changed");
    assert_eq!(world.wires.len(), 2);
    // What was sent to one of them gets lost.
    world.wires.clear();
    world.set(0, "more", 1);
    world.wires.clear();
    ask(&mut world);
    world.wires.retain(|(to, _, _)| *to == 2);
    world.run();
    assert_eq!(world.value(2), json(r#"{"a":1,"back":1,"lost":1,"more":1}"#));
    world.disconnect_all();
    assert_eq!(ask(&mut world), 0);
}
