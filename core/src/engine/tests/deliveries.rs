//! Deliveries: done once, whatever is sent again and whenever it crashes.

use super::*;

const UNTIL: u64 = 600_000;

fn deliver(world: &mut World, at: usize, id: &str, patch: &str) -> RequestId {
    let until_ms = world.now.wall_ms + UNTIL;
    let terms = WriteTerms { once: Some(Once { id: id.into(), until_ms }), ..WriteTerms::default() };
    world.hosts[at].engine.write(&name(), Command::MergePatch(json(patch)), terms, world.now)
}

/// What a delivery came to: whether it was a repeat.
fn done(world: &mut World, at: usize, id: &str, patch: &str) -> bool {
    let request = deliver(world, at, id, patch);
    world.settle(at);
    world.answer(at, request).unwrap().unwrap().is_repeat
}

fn records(world: &World, at: usize) -> usize {
    world.hosts[at].store.keys().filter(|key| String::from_utf8_lossy(key).contains("/delivery/")).count()
}

#[test]
fn a_delivery_that_comes_again_changes_nothing_also_after_a_restart() {
    let mut world = World::new();
    let a = world.add(1, Some("{}"), false);
    assert!(!done(&mut world, a, "1", r#"{"x":1}"#));
    assert!(!done(&mut world, a, "2", r#"{"x":2}"#));
    assert!(done(&mut world, a, "1", r#"{"x":1}"#), "it is told");
    assert_eq!(world.value(a), json(r#"{"x":2}"#), "an old delivery takes back nothing");
    assert!(!done(&mut world, a, "3", r#"{"x":2}"#), "one that changes nothing is remembered too");
    world.restart(a);
    // Another life counts its requests anew.
    world.hosts[a].events.clear();
    world.settle(a);
    assert!(done(&mut world, a, "3", r#"{"x":3}"#) && done(&mut world, a, "1", r#"{"x":3}"#));
    assert_eq!((world.value(a), records(&world, a)), (json(r#"{"x":2}"#), 3));
    world.now.wall_ms += UNTIL;
    assert!(!done(&mut world, a, "1", r#"{"x":4}"#), "nobody would believe the first one any more");
    assert_eq!(records(&world, a), 1, "and the others are forgotten");
}

#[test]
fn a_repeat_is_answered_once_the_first_is_in_the_store_and_a_failed_one_was_not_done() {
    let mut world = World::new();
    let a = world.add(1, Some("{}"), false);
    world.hosts[a].persists = false;
    let first = deliver(&mut world, a, "1", r#"{"x":1}"#);
    let again = deliver(&mut world, a, "1", r#"{"x":1}"#);
    world.settle(a);
    assert!(world.answer(a, first).is_none() && world.answer(a, again).is_none());
    let batch = world.hosts[a].batches.pop_front().unwrap();
    world.hosts[a].batches.clear();
    let now = world.now;
    world.hosts[a].engine.handle_persist_failed(batch.ticket, &Error::new(Code::Store, "the disk is full"), now);
    world.settle(a);
    for request in [first, again] {
        assert!(world.answer(a, request).unwrap().is_err());
    }
    world.hosts[a].persists = true;
    assert!(!done(&mut world, a, "2", r#"{"y":1}"#));
    assert_eq!(records(&world, a), 1, "what the failed batch may have left is gone");
    assert!(!done(&mut world, a, "1", r#"{"x":1}"#));
    assert_eq!(world.value(a), json(r#"{"x":1,"y":1}"#));
}

#[test]
fn what_the_schema_refuses_may_be_sent_again() {
    let mut world = World::new();
    let schema = crate::schema::Schema::from_value(&json(r#"{"fields":{"x":{"type":"integer"}}}"#)).unwrap();
    let options = DocumentOptions { shared: true, schema: Some(schema), ..DocumentOptions::default() };
    let a = world.add_with(1, None, options);
    world.run();
    let request = deliver(&mut world, a, "1", r#"{"x":"text"}"#);
    world.settle(a);
    assert!(world.answer(a, request).unwrap().is_err());
    assert!(!done(&mut world, a, "1", r#"{"x":5}"#));
}
