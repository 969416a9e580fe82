//! Checks of the program, asked and answered by hand: late, never, with no.

use super::*;
use crate::error::Kind;
use crate::schema::{Field, Schema};

/// `port` must not be 0.
fn schema() -> Schema {
    Schema::new(Field::map()).check(|document| match document.child("port") {
        Some(port) if *port == 0.into() => {
            Err(vec![Error::new(Code::Invalid, "no port is 0").with_path(crate::Path::parse("port").unwrap())])
        }
        _ => Ok(()),
    })
}

fn options(file: Option<&str>, shared: bool) -> DocumentOptions {
    let file = file.map(|id| FileBinding { id: id.into(), format: Format::Json, is_named: false });
    DocumentOptions { shared, file, schema: Some(schema()), check_within_ms: 1_000, ..DocumentOptions::default() }
}

/// An instance that is founded, and whose checks are answered by hand from now on.
fn by_hand(options: DocumentOptions, file: Option<&str>) -> (World, usize) {
    let mut world = World::new();
    let a = world.add_with(1, file, options);
    world.hosts[a].checks = false;
    (world, a)
}

fn status(world: &World, at: usize) -> DocumentStatus {
    world.hosts[at].engine.status().remove(0)
}

/// Answers the oldest question.
fn answer_one(world: &mut World, at: usize) {
    let request = world.hosts[at].asked.remove(0);
    world.hosts[at].engine.handle_checked(request.ticket, request.run(), world.now);
    world.settle(at);
    if world.hosts[at].engine.takes_look(&name()) {
        world.look(at);
    }
}

fn code(result: Option<Result<Receipt>>) -> Option<Code> {
    Some(result?.unwrap_err().code())
}

#[test]
fn writes_wait_for_the_answer_in_their_order_and_everything_else_goes_on() {
    let (mut world, a) = by_hand(options(None, true), None);
    let b = world.add(2, None, true);
    world.connect(b, a);
    world.run();
    let (first, second) = (world.set(a, "port", 0), world.set(a, "x", 1));
    assert!(world.answer(a, first).is_none() && world.answer(a, second).is_none());
    assert_eq!(world.hosts[a].asked.len(), 1, "one after the other");
    let waiting = status(&world, a).checking.unwrap();
    assert_eq!((waiting.writes, waiting.late, waiting.within_ms), (2, 0, 1_000));
    // What others write is stored, acknowledged and passed on meanwhile, and shows here once it is checked.
    let theirs = world.set(b, "y", 1);
    world.run();
    assert!(world.answer(b, theirs).unwrap().is_ok());
    assert_eq!(world.value(a), json("{}"));
    assert_eq!(status(&world, a).withheld[0].withheld.error.code(), Code::Busy);
    while !world.hosts[a].asked.is_empty() {
        answer_one(&mut world, a);
    }
    world.run();
    assert_eq!(code(world.answer(a, first)), Some(Code::Invalid));
    assert!(world.answer(a, second).unwrap().unwrap().is_in_force());
    world.assert_agreement(r#"{"x":1,"y":1}"#);
    assert_eq!(status(&world, a).checking, None);
    assert!(!world.hosts[a].engine.is_checking());
}

#[test]
fn an_answer_that_does_not_come_in_time_refuses_the_write_and_one_that_comes_late_is_told() {
    for shared in [true, false] {
        let (mut world, a) = by_hand(options(None, shared), None);
        let (first, second) = (world.set(a, "x", 1), world.set(a, "x", 2));
        world.pass(999);
        assert!(world.answer(a, first).is_none());
        world.pass(1);
        let refused = world.answer(a, first).unwrap().unwrap_err();
        assert_eq!((refused.code(), refused.kind()), (Code::Busy, Kind::Conflict));
        assert!(refused.message().contains("gave no answer within 1000 ms"), "{refused}");
        assert!(world.answer(a, second).is_none(), "it has its own time");
        let waiting = status(&world, a).checking.unwrap();
        assert_eq!((waiting.late, waiting.writes, waiting.since_ms), (1, 1, 0));
        answer_one(&mut world, a);
        assert!(world.notices(a).contains("answered after 1000 ms, and have 1000 ms"), "{}", world.notices(a));
        answer_one(&mut world, a);
        assert!(world.answer(a, second).unwrap().unwrap().is_in_force());
        assert_eq!((world.value(a), status(&world, a).checking), (json(r#"{"x":2}"#), None));
    }
}

#[test]
fn what_others_wrote_is_withheld_until_a_late_answer_and_then_in_force() {
    let (mut world, a) = by_hand(options(Some("a.json"), true), Some("{}"));
    let b = world.add(2, None, true);
    world.connect(b, a);
    world.run();
    world.set(b, "x", 1);
    world.run();
    world.pass(1_000);
    let told = status(&world, a);
    assert_eq!((told.rejected.unwrap().errors[0].code(), told.withheld.len()), (Code::Busy, 1));
    assert_eq!((world.value(a), world.file_value(a)), (json("{}"), json("{}")), "nobody mirrors what was not checked");
    // Others write on: from one checked state to the next.
    world.set(b, "port", 0);
    world.run();
    answer_one(&mut world, a);
    assert_eq!((world.value(a), status(&world, a).rejected), (json("{}"), status(&world, a).rejected));
    while !world.hosts[a].asked.is_empty() {
        answer_one(&mut world, a);
    }
    assert_eq!(world.value(a), json(r#"{"x":1}"#));
    assert_eq!(status(&world, a).withheld[0].withheld.path, path("port"));
    world.set(b, "port", 1);
    world.run();
    while !world.hosts[a].asked.is_empty() {
        answer_one(&mut world, a);
    }
    assert_eq!(world.value(a), json(r#"{"port":1,"x":1}"#));
    assert_eq!((world.file_value(a), status(&world, a).rejected), (json(r#"{"port":1,"x":1}"#), None));
}

#[test]
fn a_document_that_changes_faster_than_it_is_checked_moves_from_one_checked_state_to_the_next() {
    let (mut world, a) = by_hand(options(None, true), None);
    let b = world.add(2, None, true);
    world.connect(b, a);
    world.run();
    let mut shown = Vec::new();
    for number in 1..10 {
        world.set(b, "x", number);
        world.set(b, "y", number);
        world.run();
        answer_one(&mut world, a);
        shown.push(world.value(a));
    }
    shown.dedup();
    assert!(shown.len() > 7, "{shown:?}");
    while !world.hosts[a].asked.is_empty() {
        answer_one(&mut world, a);
    }
    world.assert_agreement(r#"{"x":9,"y":9}"#);
}

#[test]
fn what_was_not_checked_before_a_crash_shows_after_it_what_it_showed_before() {
    let (mut world, a) = by_hand(options(None, true), None);
    let b = world.add(2, None, true);
    world.connect(b, a);
    world.run();
    world.set(b, "port", 0);
    world.set(b, "x", 1);
    world.run();
    world.restart(a);
    assert_eq!(world.value(a), json("{}"), "nothing shows before an answer");
    while !world.hosts[a].asked.is_empty() {
        answer_one(&mut world, a);
    }
    assert_eq!(world.value(a), json(r#"{"x":1}"#));
    assert_eq!(status(&world, a).withheld[0].withheld.path, path("port"));
}

#[test]
fn an_edit_of_the_bound_file_waits_and_is_looked_at_again_once_there_is_an_answer() {
    let (mut world, a) = by_hand(options(Some("a.json"), true), Some(r#"{"port":1}"#));
    world.save(a, r#"{"port":2}"#);
    assert_eq!((world.value(a), world.hosts[a].asked.len()), (json(r#"{"port":1}"#), 1));
    answer_one(&mut world, a);
    while !world.hosts[a].asked.is_empty() {
        answer_one(&mut world, a);
    }
    world.assert_agreement(r#"{"port":2}"#);
    world.save(a, r#"{"port":0}"#);
    answer_one(&mut world, a);
    assert_eq!((world.value(a), world.file_value(a)), (json(r#"{"port":2}"#), json(r#"{"port":0}"#)));
    let stale = |world: &World| matches!(&status(world, a).sources[0].state, SourceState::Stale(error) if error.code() == Code::Invalid);
    assert!(stale(&world), "{:?}", status(&world, a).sources);
    // No answer: it is said that the file is not in force, and why.
    world.save(a, r#"{"port":3}"#);
    world.pass(1_000);
    let state = status(&world, a).sources[0].state.clone();
    assert!(matches!(&state, SourceState::Stale(error) if error.code() == Code::Busy), "{state:?}");
    while !world.hosts[a].asked.is_empty() {
        answer_one(&mut world, a);
    }
    world.assert_agreement(r#"{"port":3}"#);
}

#[test]
fn a_new_document_is_founded_with_what_was_checked() {
    let mut world = World::new();
    let a = world.add_with(1, Some(r#"{"port":0}"#), options(Some("a.json"), true));
    assert!(status(&world, a).is_unfounded, "{:?}", status(&world, a));
    let state = status(&world, a).sources[0].state.clone();
    assert!(matches!(&state, SourceState::Stale(error) if error.code() == Code::Invalid), "{state:?}");
    assert_eq!(world.file_value(a), json(r#"{"port":0}"#), "the text stays as it is");
    world.save(a, r#"{"port":1}"#);
    world.assert_agreement(r#"{"port":1}"#);
}

#[test]
fn a_source_waits_and_its_newest_word_counts() {
    let sources = vec![("file:s".into(), priority::FILE)];
    let (mut world, a) = by_hand(DocumentOptions { sources, ..options(None, false) }, None);
    let load = |world: &mut World, text: &str| {
        let layer = Layer::new("file:s", priority::FILE, json(text));
        world.hosts[a].engine.handle_layer(&name(), "file:s", Ok(Some(layer)), world.now);
        world.settle(a);
    };
    load(&mut world, r#"{"x":1}"#);
    load(&mut world, r#"{"x":2}"#);
    load(&mut world, r#"{"x":3}"#);
    assert_eq!(world.hosts[a].asked.len(), 1);
    let write = world.set(a, "y", 1);
    answer_one(&mut world, a);
    assert_eq!(world.value(a), json(r#"{"x":1}"#));
    while !world.hosts[a].asked.is_empty() {
        answer_one(&mut world, a);
    }
    assert_eq!(world.value(a), json(r#"{"x":3,"y":1}"#), "the one in the middle was never asked about");
    assert!(world.answer(a, write).unwrap().is_ok());
    load(&mut world, r#"{"x":4}"#);
    world.pass(1_000);
    assert_eq!(world.value(a), json(r#"{"x":3,"y":1}"#));
    assert!(matches!(world.hosts[a].engine.source_state(&name(), "file:s"), Some(SourceState::Stale(_))));
    answer_one(&mut world, a);
    assert_eq!(world.value(a), json(r#"{"x":4,"y":1}"#));
    assert_eq!(world.hosts[a].engine.source_state(&name(), "file:s"), Some(SourceState::Fresh));
}
