use super::*;

/// A host and a guest of it.
fn world() -> World {
    let mut world = World::new();
    world.add(1, Some(r#"{"a":1,"b":{"c":2}}"#), false);
    add_guest(&mut world, 9);
    world.connect_as(1, 0, Link::Host);
    world.run();
    world
}

fn add_guest(world: &mut World, byte: u8) {
    world.add_with(byte, None, DocumentOptions::default());
    world.hosts.last_mut().unwrap().engine.open_guest(name());
}

#[test]
fn a_guest_sees_the_effective_document_and_follows_it() {
    let mut world = world();
    assert!(world.hosts[1].engine.is_live(&name()));
    assert_eq!(world.value(1), json(r#"{"a":1,"b":{"c":2}}"#));
    world.set(0, "b.d", 3);
    world.save(0, r#"{"b":{"c":2,"d":3}}"#);
    world.run();
    assert_eq!(world.value(1), json(r#"{"b":{"c":2,"d":3}}"#));
}

#[test]
fn an_edit_of_a_guest_shows_at_once_and_is_answered_by_the_host() {
    let mut world = world();
    let request = world.set(1, "a", 5);
    assert_eq!(world.value(1), json(r#"{"a":5,"b":{"c":2}}"#));
    assert_eq!(world.value(0), json(r#"{"a":1,"b":{"c":2}}"#));
    world.run();
    assert_eq!(world.value(0), world.value(1));
    assert!(world.answer(1, request).unwrap().is_ok());
    assert_eq!(world.file_value(0), json(r#"{"a":5,"b":{"c":2}}"#));
}

#[test]
fn a_refused_edit_of_a_guest_is_taken_back_with_the_reason() {
    let mut world = world();
    let request = world.set(1, "$confmesh.x", 5);
    world.run();
    assert_eq!(world.answer(1, request).unwrap().unwrap_err().code(), Code::ReservedKey);
    assert_eq!(world.value(1), world.value(0));
}

#[test]
fn edits_made_offline_are_kept_and_sent_once() {
    let mut world = world();
    world.disconnect_all();
    let request = world.set(1, "offline", true);
    world.set(0, "meanwhile", 1);
    assert!(!world.hosts[1].engine.is_live(&name()));
    world.connect_as(1, 0, Link::Host);
    world.run();
    assert!(world.answer(1, request).unwrap().is_ok());
    assert_eq!(world.value(0), json(r#"{"a":1,"b":{"c":2},"meanwhile":1,"offline":true}"#));
    assert_eq!(world.value(1), world.value(0));
}

#[test]
fn what_an_older_connection_still_brings_takes_nothing_back() {
    let mut world = world();
    world.set(0, "a", 2);
    let late = world.wires.pop_front().unwrap();
    world.connect_as(1, 0, Link::Host);
    world.run();
    world.set(0, "b", 3);
    world.run();
    let shown = world.value(1);
    let (to, peer, frame) = late;
    world.hosts[to].engine.handle_message(peer, &frame, world.now);
    let old = frame.as_text().unwrap().replace("config_update", "config_response");
    let old = old.replace(r#""base_version""#, r#""config_data":{"a":"old"},"unknown""#);
    world.hosts[to].engine.handle_message(peer, old.as_str(), world.now);
    world.settle(1);
    assert_eq!((world.value(1), world.value(0)), (shown.clone(), shown));
    assert!(world.wires.is_empty(), "it asks nothing of the older connection");
}

#[test]
fn a_guest_that_only_subscribes_gets_one_message_per_matching_key() {
    let mut world = World::new();
    world.add(1, Some("{}"), false);
    let (guest, now) = (PeerId(77), world.now);
    let engine = &mut world.hosts[0].engine;
    engine.handle_connected(guest, Link::Accepted, now);
    engine.handle_message(guest, r#"{"type":"subscribe","patterns":["app.features.*"]}"#, now);
    let welcome = engine.poll_transmit().unwrap();
    assert!(welcome.frame.as_text().unwrap().contains("connection_established"));
    let request = engine.set(&name(), path("app"), json(r#"{"features":{"x":true,"y":1},"other":1}"#), now);
    let batch = engine.poll_persist().unwrap();
    engine.handle_persisted(batch.ticket, now);
    let frames: Vec<String> =
        std::iter::from_fn(|| engine.poll_transmit()).map(|t| t.frame.as_text().unwrap().to_owned()).collect();
    assert_eq!(frames.len(), 2, "{request:?} {frames:?}");
    assert!(frames[0].contains(r#""config_key":"app.features.x""#), "{}", frames[0]);
    assert!(frames[0].contains(r#""type":"config_sync""#) && frames[0].contains(r#""new_value":true"#));
}

#[test]
fn the_environment_shadows_a_guests_edit_and_the_guest_is_told() {
    let mut world = world();
    let now = world.now;
    let layer = Layer::new("env:DEMO", priority::ENV, json(r#"{"a":"env"}"#));
    world.hosts[0].engine.handle_layer(&name(), "env:DEMO", Ok(Some(layer)), now);
    world.settle(0);
    world.run();
    let request = world.set(1, "a", 5);
    world.run();
    let receipt = world.answer(1, request).unwrap().unwrap();
    assert_eq!(receipt.shadowed_by.as_deref(), Some("env:DEMO"));
    assert_eq!(world.value(1).at(&path("a")), Some(&"env".into()));
    assert_eq!(world.file_value(0).at(&path("a")), Some(&5.into()));
}

#[test]
fn an_edit_whose_answer_was_lost_is_answered_again_and_not_written_twice() {
    let mut world = world();
    let request = world.set(1, "a", 5);
    // The host writes it, the answer gets lost with the connection, and meanwhile somebody else writes the same key.
    while let Some((to, peer, frame)) = world.wires.pop_front().filter(|(to, ..)| *to == 0) {
        world.hosts[to].engine.handle_message(peer, &frame, world.now);
        world.settle(to);
    }
    world.disconnect_all();
    world.set(0, "a", 6);
    world.connect_as(1, 0, Link::Host);
    world.run();
    assert!(world.answer(1, request).unwrap().is_ok());
    assert_eq!(world.value(0).at(&path("a")), Some(&6.into()));
    assert_eq!(world.value(1), world.value(0));
}
