use super::*;

/// A host and a guest of it, without a connection.
fn world() -> World {
    let mut world = World::new();
    world.add(1, Some(r#"{"a":1,"b":{"c":2}}"#), false);
    add_guest(&mut world, 9);
    world
}

fn add_guest(world: &mut World, byte: u8) -> usize {
    world.add_with(byte, None, DocumentOptions::default());
    world.hosts.last_mut().unwrap().engine.open_guest(name());
    world.hosts.len() - 1
}

fn connected() -> World {
    let mut world = world();
    world.connect_as(1, 0, Link::Host);
    world.run();
    world
}

/// What the guest of one program keeps.
fn kept(world: &mut World) -> Vec<String> {
    world.hosts[1].engine.open_edits(&name(), world.now)
}

/// It is taken up by the guest of another program.
fn taken_up(world: &mut World, kept: &[String]) -> (usize, Vec<RequestId>) {
    let to = add_guest(world, 10);
    let requests = world.hosts[to].engine.reopen_edits(&name(), kept, world.now).unwrap();
    (to, requests)
}

#[test]
fn edits_that_a_program_kept_show_at_once_and_are_sent_by_the_next_one() {
    let mut world = connected();
    world.disconnect_all();
    world.set(1, "offline", true);
    world.set(1, "b.c", 3);
    let kept = kept(&mut world);
    assert_eq!(kept.len(), 2);
    let (next, requests) = taken_up(&mut world, &kept);
    assert_eq!(world.value(next), json(r#"{"b":{"c":3},"offline":true}"#));
    world.connect_as(next, 0, Link::Host);
    world.run();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert!(world.answer(next, request).unwrap().is_ok());
    }
    assert_eq!(world.value(0), json(r#"{"a":1,"b":{"c":3},"offline":true}"#));
    assert!(world.hosts[next].engine.open_edits(&name(), world.now).is_empty());
}

#[test]
fn a_kept_edit_that_had_arrived_already_is_not_made_again() {
    let mut world = connected();
    world.set(1, "a", 5);
    while let Some((to, peer, frame)) = world.wires.pop_front().filter(|(to, ..)| *to == 0) {
        world.hosts[to].engine.handle_message(peer, &frame, world.now);
        world.settle(to);
    }
    world.disconnect_all();
    let kept = kept(&mut world);
    let (next, requests) = taken_up(&mut world, &kept);
    world.set(0, "a", 6);
    world.connect_as(next, 0, Link::Host);
    world.run();
    assert!(world.answer(next, requests[0]).unwrap().is_ok());
    assert_eq!(world.value(0).at(&path("a")), Some(&6.into()));
}

#[test]
fn what_others_wrote_after_a_kept_edit_was_made_is_concurrent_to_it_and_later() {
    let mut world = connected();
    world.disconnect_all();
    world.set(1, "a", "old");
    let kept = kept(&mut world);
    world.now.wall_ms += 60_000;
    world.set(0, "a", "new");
    world.now.wall_ms += 60_000;
    let (next, _) = taken_up(&mut world, &kept);
    world.connect_as(next, 0, Link::Host);
    world.run();
    assert_eq!(world.value(0).at(&path("a")), Some(&"new".into()));
    assert_eq!(world.value(next), world.value(0));
}

#[test]
fn a_receipt_says_what_changed_and_names_nothing_that_stood_there() {
    let mut world = connected();
    let same = world.set(1, "a", 1);
    let operations = json(
        r#"[{"op":"replace","path":"/a","value":7},{"op":"replace","path":"/b/c","value":2},{"op":"add","path":"/d","value":1}]"#,
    );
    let patch = crate::diff::Patch::from_value(&operations).unwrap();
    let patched = world.hosts[1].engine.patch(&name(), patch, None, world.now);
    world.settle(1);
    world.run();
    assert_eq!(world.answer(1, same).unwrap().unwrap().changed, []);
    assert_eq!(world.answer(1, patched).unwrap().unwrap().changed, [path("a"), path("d")]);
}

#[test]
fn what_is_no_kept_edit_is_refused_whole() {
    let mut world = world();
    world.set(1, "a", 2);
    let mut kept = kept(&mut world);
    let now = world.now;
    let engine = &mut world.hosts[1].engine;
    for bad in
        ["", "[]", r#"{"type":"ping"}"#, r#"{"type":"config_change","name":"other","config_key":"a","new_value":1}"#]
    {
        kept.push(bad.to_owned());
        assert!(engine.reopen_edits(&name(), &kept, now).is_err(), "{bad}");
        kept.pop();
    }
    assert_eq!(engine.open_edits(&name(), now).len(), 1);
    assert!(engine.reopen_edits(&name(), &vec![kept[0].clone(); 5_000], now).is_err());
    assert!(world.hosts[0].engine.reopen_edits(&name(), &kept, now).is_err(), "a host is nobody's guest");
}
