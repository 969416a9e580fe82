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
    let old = old.replace(r#""base_version""#, r#""config_hash":"","config_data":{"a":"old"},"unknown""#);
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
    while let Some(batch) = engine.poll_persist() {
        engine.handle_persisted(batch.ticket, now);
    }
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

/// A plain client of host 0 says something; the answers, without what it is told anyway.
fn say(world: &mut World, message: &str) -> Vec<Value> {
    let (client, now) = (PeerId(78), world.now);
    let engine = &mut world.hosts[0].engine;
    if engine.sessions.keys().all(|peer| *peer != client) {
        engine.handle_connected(client, Link::Accepted, now);
    }
    engine.handle_message(client, message, now);
    let mut answers = Vec::new();
    loop {
        while let Some(batch) = world.hosts[0].engine.poll_persist() {
            world.hosts[0].apply(&batch);
            world.hosts[0].engine.handle_persisted(batch.ticket, now);
        }
        match world.hosts[0].engine.poll_transmit() {
            Some(Transmit { peer, frame }) if peer == client => answers.push(json(frame.as_text().unwrap())),
            Some(_) => {}
            None => break,
        }
    }
    let is_news = |answer: &Value| {
        let kind = answer.child("type").and_then(Value::as_str).unwrap_or_default();
        kind == "connection_established" || kind == "config_sync"
    };
    answers.into_iter().filter(|answer| !is_news(answer)).collect()
}

#[test]
fn whoever_asks_for_the_document_is_answered_with_it_and_its_hash() {
    let mut world = world();
    let answers = say(&mut world, r#"{"type":"config_request","timestamp":1700000000.25,"instance_id":"node-b"}"#);
    let [answer] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(answer.child("type"), Some(&"config_response".into()));
    assert_eq!(answer.child("config_data"), Some(&world.value(0)));
    let hash = crate::canonical::content_hash(&world.value(0)).to_string();
    assert_eq!(answer.child("config_hash"), Some(&hash.into()));
    assert_eq!(answer.child("instance_id"), Some(&world.hosts[0].engine.instance().to_string().into()));
    assert!(answer.child("timestamp").and_then(Value::as_str).is_some());
}

#[test]
fn a_whole_document_is_taken_with_the_fields_that_programs_send_and_may_leave_out() {
    let mut world = world();
    let hash = |value: &str| crate::canonical::content_hash(&json(value)).to_string();
    let new = r#"{"a":2,"b":{"c":1}}"#;
    let full = format!(
        r#"{{"type":"config_update","timestamp":1700000000.25,"instance_id":"node-b","config_hash":"{}","config_data":{new},"conflict_resolution":"last_write_wins","user_id":"ann","colour":"red","request_id":"1"}}"#,
        hash(new)
    );
    let answers = say(&mut world, &full);
    let success = |answers: &[Value]| match answers {
        [answer] => answer.child("success").and_then(Value::as_bool).unwrap_or(false),
        _ => panic!("{answers:?}"),
    };
    assert!(success(&answers), "{answers:?}");
    assert_eq!(world.value(0), json(new));
    assert_eq!(world.hosts[0].engine.written(&name(), &path("a"))[0].user.as_deref(), Some("ann"));
    // The same document again is nothing new.
    let revision = world.hosts[0].engine.snapshot(&name()).unwrap().revision;
    let again = full.replace(r#""request_id":"1""#, r#""request_id":"2""#);
    let answers = say(&mut world, &again);
    assert!(success(&answers) && world.hosts[0].engine.poll_persist().is_none(), "{answers:?}");
    assert_eq!(answers[0].child("version"), Some(&revision.into()));
    // Only the data has to be there.
    let answers = say(&mut world, r#"{"type":"config_update","config_data":{"a":3}}"#);
    assert!(success(&answers), "{answers:?}");
    assert_eq!(world.value(0), json(r#"{"a":3}"#));
    // Made on another document than the one that is here now.
    let stale = format!(r#"{{"type":"config_update","config_data":{{"a":4}},"base_hash":"{}"}}"#, hash(new));
    let answers = say(&mut world, &stale);
    assert!(!success(&answers), "{answers:?}");
    assert_eq!(answers[0].child("code"), Some(&Code::Stale.as_str().into()));
    assert_eq!(world.value(0), json(r#"{"a":3}"#));
}

#[test]
fn a_document_that_is_not_what_its_hash_says_is_refused() {
    let mut world = world();
    let before = world.value(0);
    for bad in ["remote_hash", "", "sha256:00", &crate::canonical::content_hash(&json(r#"{"a":9}"#)).to_string()] {
        let message = format!(r#"{{"type":"config_update","config_hash":"{bad}","config_data":{{"a":10}}}}"#);
        let answers = say(&mut world, &message);
        assert_eq!(answers[0].child("success"), Some(&false.into()), "{bad}: {answers:?}");
        assert_eq!(answers[0].child("code"), Some(&Code::Message.as_str().into()), "{answers:?}");
    }
    for bad in [
        r#"{"type":"config_update","config_data":null}"#,
        r#"{"type":"config_update","config_data":{},"conflict_resolution":"coin_toss"}"#,
    ] {
        let answers = say(&mut world, bad);
        assert_eq!(answers[0].child("type"), Some(&"error".into()), "{answers:?}");
    }
    let answers = say(&mut world, r#"{"type":"config_update","config_data":[1]}"#);
    assert_eq!(answers[0].child("code"), Some(&Code::NotAMap.as_str().into()), "{answers:?}");
    assert_eq!(world.value(0), before);
    world.settle(0);
    let rejected = world.hosts[0].events.iter().filter(|event| match event {
        Event::Audit(audit) => matches!(audit.entry, AuditEntry::RemoteRejected { .. }),
        _ => false,
    });
    assert_eq!(rejected.count(), 5);
}

/// What a plain client is sent: everything, one by one.
fn told(world: &mut World, client: PeerId) -> Vec<Value> {
    let now = world.now;
    let mut told = Vec::new();
    loop {
        while let Some(batch) = world.hosts[0].engine.poll_persist() {
            world.hosts[0].apply(&batch);
            world.hosts[0].engine.handle_persisted(batch.ticket, now);
        }
        match world.hosts[0].engine.poll_transmit() {
            Some(Transmit { peer, frame }) if peer == client => told.push(json(frame.as_text().unwrap())),
            Some(_) => {}
            None => return told,
        }
    }
}

fn text<'v>(message: &'v Value, field: &str) -> &'v str {
    message.child(field).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn a_client_is_welcomed_first_and_gets_every_key_until_it_names_patterns() {
    let mut world = World::new();
    world.add(1, Some(r#"{"app":{"a":1}}"#), false);
    let clients = [PeerId(81), PeerId(82)];
    let mut ids = Vec::new();
    for client in clients {
        world.hosts[0].engine.handle_connected(client, Link::Accepted, world.now);
        let welcome = told(&mut world, client);
        assert_eq!((welcome.len(), text(&welcome[0], "type")), (1, "connection_established"));
        assert_eq!(text(&welcome[0], "timestamp"), crate::clock::rfc3339(world.now.wall_ms));
        ids.push(text(&welcome[0], "connection_id").to_owned());
    }
    assert!(ids.iter().all(|id| id.starts_with("ws_")) && ids[0] != ids[1], "{ids:?}");
    let client = clients[0];
    let change = |world: &mut World, place: &str, value: i64| -> Vec<String> {
        world.hosts[0].engine.set(&name(), path(place), value.into(), world.now);
        let told = told(world, client);
        assert!(told.iter().all(|message| text(message, "type") == "config_sync"), "{told:?}");
        told.iter().map(|message| text(message, "config_key").to_owned()).collect()
    };
    assert_eq!(change(&mut world, "app.a", 2), ["app.a"]);
    let subscribe = |world: &mut World, patterns: &str| {
        let message = format!(r#"{{"type":"subscribe","patterns":{patterns}}}"#);
        world.hosts[0].engine.handle_message(client, &message, world.now);
    };
    subscribe(&mut world, r#"["app.b","other.*"]"#);
    assert_eq!(change(&mut world, "app.a", 3), [""; 0]);
    assert_eq!(change(&mut world, "other.x", 3), ["other.x"]);
    subscribe(&mut world, r#"["app.a"]"#);
    assert_eq!(change(&mut world, "other.x", 4), [""; 0], "the new patterns replace the old ones");
    assert_eq!(change(&mut world, "app.a", 5), ["app.a"]);
    subscribe(&mut world, "[]");
    assert_eq!(change(&mut world, "app.a", 6), [""; 0], "no pattern means nothing");
}

#[test]
fn a_changed_key_is_told_with_both_values_and_its_answer_names_it() {
    let mut world = World::new();
    world.add(1, Some(r#"{"app":{"a":1}}"#), false);
    let client = PeerId(83);
    world.hosts[0].engine.handle_connected(client, Link::Accepted, world.now);
    let ask = |world: &mut World, message: &str| {
        world.hosts[0].engine.handle_message(client, message, world.now);
        told(world, client)
    };
    ask(&mut world, r#"{"type":"ping"}"#);
    let heard = ask(&mut world, r#"{"type":"config_change","config_key":"app.a","new_value":2,"user_id":"ann"}"#);
    let [sync, answer] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!((text(sync, "type"), text(sync, "config_key")), ("config_sync", "app.a"));
    assert_eq!((sync.child("old_value"), sync.child("new_value")), (Some(&1.into()), Some(&2.into())));
    assert_eq!(text(sync, "event_type"), "config_changed");
    assert_eq!((text(answer, "type"), text(answer, "config_key")), ("config_change_response", "app.a"));
    assert_eq!(answer.child("success"), Some(&true.into()));
    let refused = ask(&mut world, r#"{"type":"config_change","config_key":"$confmesh.a","new_value":2}"#);
    assert_eq!(refused[0].child("success"), Some(&false.into()));
    assert!(!text(&refused[0], "error").is_empty(), "{refused:?}");
    // What nobody understands is answered, and the connection goes on.
    for bad in ["{", r#"{"type":"no_such_thing"}"#, r#"{"type":"config_change"}"#, r#"{"patterns":[]}"#] {
        let answers = ask(&mut world, bad);
        assert_eq!((answers.len(), text(&answers[0], "type")), (1, "error"), "{bad}: {answers:?}");
        assert!(!text(&answers[0], "message").is_empty());
    }
    assert_eq!(text(&ask(&mut world, r#"{"type":"ping"}"#)[0], "type"), "pong");
}

#[test]
fn a_request_id_or_a_subscription_that_is_too_large_is_refused_and_not_repeated() {
    let mut world = world();
    let before = world.value(0);
    let id = "R".repeat(1_000);
    let message = format!(r#"{{"type":"config_change","config_key":"a","new_value":9,"request_id":"{id}"}}"#);
    let answers = say(&mut world, &message);
    assert_eq!(answers[0].child("code"), Some(&Code::TooLarge.as_str().into()), "{answers:?}");
    assert!(!crate::canonical::canonical(&answers[0]).contains(&id));
    assert_eq!(world.value(0), before);
    let patterns: Vec<String> = (0..100).map(|number| format!(r#""a{number}.*""#)).collect();
    let message = format!(r#"{{"type":"subscribe","patterns":[{}]}}"#, patterns.join(","));
    let answers = say(&mut world, &message);
    assert_eq!(answers[0].child("type"), Some(&"error".into()), "{answers:?}");
}
