//! The kept past of a document, through the engine.

use super::*;
use crate::history::{Budget, Named, Then, Version};
use crate::pattern::Pattern;

fn keeping(byte: u8, has_peers: bool) -> DocumentOptions {
    let binding = FileBinding { id: format!("{byte}.json").into(), format: Format::Json, is_named: false };
    let history = Some(KeepHistory::default());
    DocumentOptions { shared: true, file: Some(binding), has_peers, history, ..DocumentOptions::default() }
}

fn versions(world: &World, at: usize) -> Vec<Version> {
    world.hosts[at].engine.history(&name()).unwrap().versions(None).collect()
}

fn then(world: &World, at: usize, number: u64) -> Then {
    let history = world.hosts[at].engine.history(&name()).unwrap();
    history.at(&history.version(&Named::Number(number)).unwrap()).unwrap()
}

fn write(world: &mut World, at: usize, place: &str, value: i64, message: &str) {
    let terms = WriteTerms { user: Some("ann".into()), message: Some(message.into()), ..WriteTerms::default() };
    let command = Command::set(path(place), value.into());
    world.hosts[at].engine.write(&name(), command, terms, world.now);
    world.now.wall_ms += 1;
    world.settle(at);
    world.run();
}

#[test]
fn each_visible_change_is_a_version_on_every_instance_with_its_author_and_why() {
    let mut world = World::new();
    world.add_with(1, Some(r#"{"a":1}"#), keeping(1, false));
    world.add_with(2, None, keeping(2, true));
    world.connect(1, 0);
    world.run();
    write(&mut world, 1, "b.c", 2, "the second one");
    world.save(0, r#"{"a":7,"b":{"c":2}}"#);
    world.run();
    let causes = |at: usize| versions(&world, at).iter().map(|version| version.cause.to_string()).collect::<Vec<_>>();
    assert_eq!(causes(0), ["file", "peer", "shared"]);
    assert_eq!(causes(1), ["peer", "shared", "shared"]);
    let digests = |at: usize| versions(&world, at).iter().map(|version| version.digest).collect::<Vec<_>>();
    assert_eq!(digests(0), digests(1), "equal digests name the same state");
    let second = world.hosts[1].engine.instance();
    for at in [0, 1] {
        let version = &versions(&world, at)[1];
        let wrote = &version.wrote[0];
        let said = (wrote.user.as_deref(), wrote.message.as_deref(), wrote.instance);
        assert_eq!(said, (Some("ann"), Some("the second one"), Some(second)), "host {at}");
        assert_eq!(version.changes[0].path, path("b.c"));
        assert_eq!(then(&world, at, version.number).value, json(r#"{"a":1,"b":{"c":2}}"#));
    }
}

#[test]
fn versions_are_there_after_a_restart_and_what_the_store_lost_is_none() {
    let mut world = World::new();
    let a = world.add_with(1, Some("{}"), keeping(1, false));
    world.settle(a);
    for value in 1..=3 {
        write(&mut world, a, "n", value, "count");
    }
    let before = versions(&world, a);
    assert_eq!(before.len(), 3);
    world.restart(a);
    world.settle(a);
    assert_eq!(versions(&world, a), before);
    world.hosts[a].persists = false;
    write(&mut world, a, "n", 4, "lost");
    write(&mut world, a, "n", 5, "lost too");
    assert_eq!(versions(&world, a), before, "what is not in the store is none");
    let batch = world.hosts[a].batches.pop_front().unwrap();
    // It reached the disk nevertheless, as a failed batch may.
    world.hosts[a].apply(&batch);
    world.hosts[a].batches.clear();
    let now = world.now;
    world.hosts[a].engine.handle_persist_failed(batch.ticket, &Error::new(Code::Store, "the disk is full"), now);
    world.hosts[a].persists = true;
    world.settle(a);
    write(&mut world, a, "n", 6, "after it");
    let after = versions(&world, a);
    assert_eq!((after.len(), after[0].wrote[0].message.as_deref()), (4, Some("after it")));
    assert_eq!(then(&world, a, before[0].number).value, json(r#"{"n":3}"#));
    world.restart(a);
    world.settle(a);
    assert_eq!(versions(&world, a), after);
    assert!(!world.notices(a).contains("do not lead"), "{}", world.notices(a));
}

#[test]
fn a_rollback_is_told_by_its_effect_and_is_an_ordinary_write_and_version() {
    let mut world = World::new();
    let a = world.add_with(1, Some(r#"{"app":{"limit":1,"old":true},"other":1}"#), keeping(1, false));
    world.settle(a);
    let first = versions(&world, a)[0].number;
    world.save(a, r#"{"app":{"limit":2,"new":{"deep":1}},"other":2}"#);
    world.run();
    let plan = |world: &World, pattern: Option<&str>| {
        let pattern = pattern.map(|text| Pattern::parse(text).unwrap());
        world.hosts[a].engine.rollback(&name(), &Named::Number(first), pattern.as_ref(), &None).unwrap()
    };
    let told = |rollback: &Rollback| {
        let changes = rollback.changes.iter().map(|change| (change.path.to_string(), change.op().to_string()));
        changes.collect::<Vec<_>>()
    };
    let expected = [("app.limit", "changed"), ("app.new", "removed"), ("app.old", "added")];
    let expected = expected.map(|(path, op)| (path.to_owned(), op.to_owned()));
    assert_eq!(told(&plan(&world, Some("app"))), expected);
    assert_eq!(told(&plan(&world, Some("other"))), [("other".to_owned(), "changed".to_owned())]);
    let whole = plan(&world, None);
    let terms = WriteTerms { message: Some(whole.words().into()), ..WriteTerms::default() };
    let request = world.hosts[a].engine.write(&name(), Command::Edits(whole.edits), terms, world.now);
    world.settle(a);
    assert!(world.answer(a, request).unwrap().is_ok());
    assert_eq!(world.value(a), json(r#"{"app":{"limit":1,"old":true},"other":1}"#));
    let newest = &versions(&world, a)[0];
    assert_eq!(newest.wrote[0].message.as_deref(), Some(&*format!("rollback to version {first}")));
    assert!(plan(&world, None).edits.is_empty(), "nothing is left to do");
}

#[test]
fn a_store_from_before_there_were_versions_begins_with_what_was_there() {
    let mut world = World::new();
    let a = world.add(1, Some(r#"{"a":1}"#), false);
    world.settle(a);
    assert!(world.hosts[a].engine.history(&name()).is_err());
    let store = world.hosts[a].store.clone();
    let b = world.add_with(1, Some(r#"{"a":1}"#), keeping(1, false));
    world.hosts[b].store = store;
    world.restart(b);
    world.settle(b);
    assert!(versions(&world, b).is_empty());
    write(&mut world, b, "a", 2, "");
    let causes: Vec<String> = versions(&world, b).iter().map(|version| version.cause.to_string()).collect();
    assert_eq!(causes, ["shared", crate::history::START]);
    assert_eq!(then(&world, b, 1).value, json(r#"{"a":1}"#));
}

#[test]
fn who_wants_none_has_none_also_in_the_store() {
    let mut world = World::new();
    let a = world.add_with(1, Some(r#"{"a":1}"#), keeping(1, false));
    world.settle(a);
    let kept = |world: &World, at: usize| {
        world.hosts[at].store.keys().filter(|key| String::from_utf8_lossy(key).contains("/version/")).count()
    };
    assert_eq!(kept(&world, a), 1);
    let store = world.hosts[a].store.clone();
    let budget = Budget { versions: 0, ..Budget::default() };
    let none = DocumentOptions { history: Some(KeepHistory { budget, seal: None }), ..keeping(1, false) };
    let b = world.add_with(1, Some(r#"{"a":1}"#), none);
    world.hosts[b].store = store;
    world.restart(b);
    world.settle(b);
    assert_eq!((kept(&world, b), versions(&world, b).len()), (0, 0));
}
