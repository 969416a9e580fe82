//! What is written down: how conflicts ended, and what came from elsewhere.

use super::*;
use crate::pattern::Pattern;
use crate::policy::{ConflictStrategy, Policy, Rule};

fn under(strategy: ConflictStrategy) -> Rule {
    Rule::on(Pattern::parse("*").unwrap()).conflict(strategy)
}

/// Two instances without files that hold `x`, under rules.
fn pair(x: Value, rules: impl IntoIterator<Item = Rule>) -> World {
    let policy = Policy::of(rules).unwrap();
    let mut world = World::new();
    for byte in [1, 2] {
        let policy = policy.clone();
        world.add_with(byte, None, DocumentOptions { shared: true, has_peers: byte > 1, policy, ..Default::default() });
    }
    world.connect(1, 0);
    world.run();
    world.set(0, "x", x);
    world.run();
    world
}

fn meet(world: &mut World, place: &str, ours: Value, theirs: Value) {
    world.disconnect_all();
    world.set(0, place, ours);
    world.set(1, place, theirs);
    world.connect(1, 0);
    world.run();
}

fn entries(world: &World, at: usize, event: &str) -> Vec<Value> {
    let audits = world.hosts[at].events.iter().filter_map(|event| match event {
        Event::Audit(audit) => Some(audit.to_value()),
        _ => None,
    });
    audits.filter(|entry| entry.child("event") == Some(&event.into())).collect()
}

fn field<'v>(entry: &'v Value, name: &str) -> &'v Value {
    entry.child(name).unwrap_or_else(|| panic!("{name} in {entry:?}"))
}

#[test]
fn every_conflict_that_a_rule_decided_is_written_down_once_by_every_instance() {
    use ConflictStrategy::{FirstWriteWins, LastWriteWins, MergeStrategies, NumericAverage};
    for (strategy, start, ours, theirs, method, value) in [
        (LastWriteWins, "0", "1", "2", "last_write_wins", "2"),
        (MergeStrategies, r#"["a"]"#, r#"["a","b"]"#, r#"["a","c"]"#, "list_merge", r#"["a","b","c"]"#),
        (MergeStrategies, "0", "1", "2", "last_write_wins", "2"),
        (NumericAverage, "0", "1", "3", "numeric_average", "2"),
        (FirstWriteWins, "", "1", "2", "first_write_wins", "1"),
    ] {
        let mut world = pair(0.into(), [under(strategy)]);
        if !start.is_empty() {
            world.set(0, "y", json(start));
        }
        world.run();
        meet(&mut world, "y", json(ours), json(theirs));
        let id = world.hosts[0].engine.conflicts(&name(), true)[0].id.to_string();
        // Nothing of it is told again.
        world.set(1, "other", 1);
        world.run();
        for at in [0, 1] {
            let told = entries(&world, at, "conflict_resolved");
            assert_eq!(told.len(), 1, "{strategy:?}: {told:?}");
            assert_eq!(field(&told[0], "config_key"), &"y".into());
            assert_eq!(field(&told[0], "conflict_id"), &id.clone().into());
            assert_eq!(field(&told[0], "resolution_strategy"), &strategy.as_str().into());
            assert_eq!(field(&told[0], "competing_changes_count"), &2.into());
            assert_eq!(field(&told[0], "resolution_method"), &method.into(), "{strategy:?}");
            assert_eq!(field(&told[0], "resolved_value"), &json(value));
            assert_eq!(field(&told[0], "timestamp"), &crate::clock::rfc3339(world.now.wall_ms - 1).into());
        }
        world.restart(0);
        world.set(0, "another", 1);
        assert_eq!(entries(&world, 0, "conflict_resolved").len(), 1, "a restart tells nothing again");
    }
}

#[test]
fn a_value_that_gave_way_to_a_map_is_written_down_with_both() {
    let mut world = pair(0.into(), []);
    meet(&mut world, "x", 1.into(), json(r#"{"k":2}"#));
    let told = entries(&world, 0, "conflict_resolved");
    let entry = told.iter().find(|entry| field(entry, "config_key") == &"x".into()).unwrap();
    assert_eq!(field(entry, "resolution_method"), &"dictionary_merge".into());
    assert_eq!(field(entry, "competing_changes_count"), &2.into());
    assert_eq!(field(entry, "resolved_value"), &json(r#"{"k":2}"#));
}

#[test]
fn a_manual_conflict_is_written_down_when_somebody_decides_and_says_who() {
    let mut world = pair(0.into(), [under(ConflictStrategy::ManualResolution)]);
    meet(&mut world, "x", 1.into(), 2.into());
    for at in [0, 1] {
        assert_eq!(entries(&world, at, "conflict_resolved"), [], "nobody has decided");
    }
    let id = world.hosts[1].engine.conflicts(&name(), false)[0].id;
    let terms = WriteTerms { user: Some("eve".into()), ..WriteTerms::default() };
    world.hosts[1].engine.write(&name(), Command::Resolve(id, Choice::Value(7.into())), terms, world.now);
    world.settle(1);
    world.run();
    let decider = world.hosts[1].engine.instance().to_string();
    for at in [0, 1] {
        let told = entries(&world, at, "conflict_resolved");
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(field(&told[0], "conflict_id"), &id.to_string().into());
        assert_eq!(field(&told[0], "resolution_strategy"), &"manual_resolution".into());
        assert_eq!(field(&told[0], "resolution_method"), &"manual_resolution".into());
        assert_eq!(field(&told[0], "resolved_value"), &7.into());
        let by = field(&told[0], "resolved_by");
        assert_eq!((field(by, "user"), field(by, "instance_id")), (&"eve".into(), &decider.as_str().into()));
    }
}

#[test]
fn secrets_are_masked_in_what_is_written_down() {
    let mut world = pair("s0".into(), [Rule::on(Pattern::parse("x").unwrap()).secret(true)]);
    meet(&mut world, "x", "s1".into(), "s2".into());
    let told = entries(&world, 0, "conflict_resolved");
    assert_eq!(field(&told[0], "resolved_value"), &crate::policy::MASK.into());
    let all: Vec<Value> =
        ["conflict_resolved", "remote_applied"].iter().flat_map(|event| entries(&world, 0, event)).collect();
    assert!(all.len() > 1);
    for text in all.iter().map(crate::canonical::canonical) {
        assert!(["s0", "s1", "s2"].iter().all(|secret| !text.contains(secret)), "{text}");
    }
}

#[test]
fn what_comes_from_elsewhere_is_written_down_with_its_sender() {
    let mut world = pair(0.into(), []);
    assert_eq!(entries(&world, 0, "remote_applied"), [], "what was written here is nobody else's");
    let taken = entries(&world, 1, "remote_applied").len();
    world.set(0, "a.b", 1);
    world.set(0, "a.c", 1);
    world.run();
    let told = entries(&world, 1, "remote_applied");
    assert_eq!(told.len(), taken + 2, "{told:?}");
    let last = told.last().unwrap();
    assert_eq!((field(last, "paths"), field(last, "writes")), (&json(r#"["a.c"]"#), &1.into()));
    assert_eq!(field(last, "instance_id"), &world.hosts[0].engine.instance().to_string().into());
    assert_eq!(field(last, "document"), &name().to_string().into());
    // The same writes again, over another link, are nothing new.
    world.connect(0, 1);
    world.run();
    assert_eq!(entries(&world, 1, "remote_applied").len(), taken + 2);
}

#[test]
fn what_a_guest_writes_is_written_down_with_its_connection_and_its_person() {
    let mut world = pair(0.into(), []);
    let guest = PeerId(900);
    let engine = &mut world.hosts[0].engine;
    engine.handle_connected(guest, Link::Accepted, world.now);
    for change in [
        r#"{"type":"config_change","config_key":"g","new_value":1,"user_id":"ann","request_id":"1"}"#,
        r#"{"type":"config_change","config_key":"$confmesh.x","new_value":1,"request_id":"2"}"#,
    ] {
        engine.handle_message(guest, change, world.now);
    }
    world.settle(0);
    let (applied, rejected) = (entries(&world, 0, "remote_applied"), entries(&world, 0, "remote_rejected"));
    assert_eq!((applied.len(), rejected.len()), (1, 1));
    assert_eq!(field(&applied[0], "user"), &"ann".into());
    assert_eq!(field(&applied[0], "paths"), &json(r#"["g"]"#));
    for entry in [&applied[0], &rejected[0]] {
        assert!(field(entry, "connection").as_str().unwrap().starts_with("ws_"));
        assert_eq!(entry.child("instance_id"), None, "a guest is no instance");
    }
    assert_eq!(field(field(&rejected[0], "error"), "code"), &Code::ReservedKey.as_str().into());
}

#[test]
fn what_cannot_be_read_is_written_down_without_filling_the_log() {
    let mut world = pair(0.into(), []);
    let (_, there) = world.links[0];
    for _ in 0..1_000 {
        world.hosts[0].engine.handle_message(there.1, "{\"type\":\"delta\"}", world.now);
    }
    world.settle(0);
    let told = entries(&world, 0, "remote_rejected");
    assert_eq!(told.len(), 10, "1, 2, 4, … 512");
    assert_eq!(field(&told[9], "count"), &512.into());
    assert_eq!(field(&told[9], "instance_id"), &world.hosts[1].engine.instance().to_string().into());
}

#[test]
fn what_is_invalid_here_is_written_down_as_rejected_with_the_reason() {
    let schema = crate::schema::Schema::from_value(&json(r#"{"properties":{"x":{"type":"integer","maximum":9}}}"#));
    let mut world = World::new();
    for byte in [1, 2] {
        let schema = (byte == 2).then(|| schema.clone().unwrap());
        world.add_with(byte, None, DocumentOptions { shared: true, has_peers: byte > 1, schema, ..Default::default() });
    }
    world.connect(1, 0);
    world.run();
    world.set(0, "x", 5);
    world.run();
    assert_eq!(entries(&world, 1, "remote_rejected"), []);
    world.set(0, "x", 50);
    world.run();
    let told = entries(&world, 1, "remote_rejected");
    assert_eq!(told.len(), 1, "{}", world.notices(1));
    assert_eq!(field(field(&told[0], "error"), "path"), &"x".into());
    assert_eq!(world.value(1), json(r#"{"x":5}"#));
    // What is valid meanwhile is taken, and written down as such.
    world.set(0, "y", 1);
    world.run();
    assert_eq!(entries(&world, 1, "remote_rejected").len(), 1);
    assert_eq!(world.value(1), json(r#"{"x":5,"y":1}"#));
}
