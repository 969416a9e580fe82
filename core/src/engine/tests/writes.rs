//! Writes under conditions, and what people do about conflicts.

use super::*;
use crate::pattern::Pattern;
use crate::policy::{ConflictStrategy, Meanwhile, Policy, Rule, Stale};
use crate::replica::Edit;

fn on(pattern: &str) -> Rule {
    Rule::on(Pattern::parse(pattern).unwrap())
}

/// Instances without files that share a document under rules; the first one founds it.
fn sharing(count: u8, rules: impl IntoIterator<Item = Rule>) -> World {
    let policy = Policy::of(rules).unwrap();
    let mut world = World::new();
    for byte in 1..=count {
        let options =
            DocumentOptions { shared: true, has_peers: byte > 1, policy: policy.clone(), ..DocumentOptions::default() };
        let at = world.add_with(byte, None, options);
        if at > 0 {
            world.connect(at, 0);
        }
        world.run();
    }
    world
}

fn write(world: &mut World, at: usize, command: Command, terms: WriteTerms) -> Result<Receipt> {
    let request = world.hosts[at].engine.write(&name(), command, terms, world.now);
    world.now.wall_ms += 1;
    world.settle(at);
    world.answer(at, request).expect("it is answered")
}

fn version(world: &World, at: usize, place: &str) -> PathVersion {
    world.hosts[at].engine.version(&name(), &path(place)).unwrap()
}

fn on_version(version: &PathVersion) -> WriteTerms {
    WriteTerms { if_version: Some(version.clone()), ..WriteTerms::default() }
}

fn by(user: &str) -> WriteTerms {
    WriteTerms { user: Some(user.into()), ..WriteTerms::default() }
}

fn set(place: &str, value: impl Into<Value>) -> Command {
    Command::set(path(place), value.into())
}

fn conflicts(world: &World, at: usize) -> Vec<Conflict> {
    world.hosts[at].engine.conflicts(&name(), false)
}

/// Two hosts that wrote `x` apart, met again, and agree on what they disagree on.
fn disputed(rules: impl IntoIterator<Item = Rule>) -> World {
    let mut world = sharing(2, rules);
    world.set(0, "x", 0);
    world.run();
    world.disconnect_all();
    write(&mut world, 0, set("x", 1), by("ann")).unwrap();
    write(&mut world, 1, set("x", 2), by("ben")).unwrap();
    world.connect(1, 0);
    world.run();
    let all = |at: usize| world.hosts[at].engine.conflicts(&name(), true);
    let ids = |at: usize| all(at).iter().map(|found| found.id).collect::<Vec<_>>();
    assert_eq!((ids(0).len(), ids(0)), (1, ids(1)));
    world
}

fn manual() -> Rule {
    on("*").conflict(ConflictStrategy::ManualResolution).meanwhile(Meanwhile::Previous)
}

#[test]
fn a_write_on_the_current_version_is_made_and_one_on_an_old_version_is_refused() {
    let mut world = sharing(1, []);
    world.set(0, "a.b", 1);
    let old = version(&world, 0, "a.b");
    let receipt = write(&mut world, 0, set("a.b", 2), on_version(&old)).unwrap();
    assert_eq!(receipt.version, Some(version(&world, 0, "a.b")));
    assert_ne!(receipt.version, Some(old.clone()));
    let refused = write(&mut world, 0, set("a.b", 3), on_version(&old)).unwrap_err();
    assert_eq!((refused.code(), refused.path()), (Code::Stale, Some(&path("a.b"))));
    let refused = write(&mut world, 0, Command::unset(path("a.b")), on_version(&old)).unwrap_err();
    assert_eq!(refused.code(), Code::Stale);
    assert_eq!(world.value(0), json(r#"{"a":{"b":2}}"#));
    let printed = PathVersion::parse(&receipt.version.unwrap().to_string()).unwrap();
    write(&mut world, 0, Command::unset(path("a.b")), on_version(&printed)).unwrap();
    assert_eq!(world.value(0), json(r#"{"a":{}}"#));
}

#[test]
fn a_version_changes_with_what_touches_the_path_even_when_the_value_comes_back() {
    let mut world = sharing(2, []);
    world.set(0, "a", json(r#"{"b":1,"c":1}"#));
    world.set(0, "z", 1);
    world.run();
    let (a, b, z) = (version(&world, 0, "a"), version(&world, 0, "a.b"), version(&world, 0, "z"));
    assert_eq!((&a, &b), (&version(&world, 1, "a"), &version(&world, 1, "a.b")), "equal on every instance");
    world.set(1, "a.b", 2);
    world.set(1, "a.b", 1);
    world.run();
    assert_ne!(version(&world, 0, "a"), a);
    assert_ne!(version(&world, 0, "a.b"), b);
    assert_eq!(version(&world, 0, "z"), z);
    let b = version(&world, 0, "a.b");
    world.set(0, "a", json(r#"{"b":1,"c":2}"#));
    assert_ne!(version(&world, 0, "a.b"), b, "a write above it");
}

#[test]
fn of_two_writes_on_one_version_only_the_first_is_made() {
    let mut world = sharing(1, []);
    world.set(0, "n", 1);
    let seen = version(&world, 0, "n");
    world.hosts[0].persists = false;
    let first = world.hosts[0].engine.write(&name(), set("n", 2), on_version(&seen), world.now);
    let second = world.hosts[0].engine.write(&name(), set("n", 3), on_version(&seen), world.now);
    world.hosts[0].persists = true;
    world.settle(0);
    assert!(world.answer(0, first).unwrap().is_ok());
    assert_eq!(world.answer(0, second).unwrap().unwrap_err().code(), Code::Stale);
    assert_eq!(world.value(0), json(r#"{"n":2}"#));
}

#[test]
fn the_version_none_holds_only_where_nothing_is() {
    let mut world = sharing(1, []);
    let none = PathVersion::none();
    assert_eq!(version(&world, 0, "a"), none);
    world.hosts[0].persists = false;
    let first = world.hosts[0].engine.write(&name(), set("a", 1), on_version(&none), world.now);
    let second = world.hosts[0].engine.write(&name(), set("a", 2), on_version(&none), world.now);
    world.hosts[0].persists = true;
    world.settle(0);
    assert!(world.answer(0, first).unwrap().is_ok());
    assert_eq!(world.answer(0, second).unwrap().unwrap_err().code(), Code::Stale);
    assert_eq!(write(&mut world, 0, set("a", 2), on_version(&none)).unwrap_err().code(), Code::Stale);
    write(&mut world, 0, Command::unset(path("a")), WriteTerms::default()).unwrap();
    write(&mut world, 0, set("a", 3), on_version(&none)).unwrap();
}

#[test]
fn the_runtime_layer_has_versions_too() {
    let mut world = World::new();
    let a = world.add_with(1, None, DocumentOptions::default());
    world.set(a, "n", 1);
    let seen = version(&world, a, "n");
    write(&mut world, a, set("n", 2), on_version(&seen)).unwrap();
    assert_eq!(write(&mut world, a, set("n", 3), on_version(&seen)).unwrap_err().code(), Code::Stale);
}

#[test]
fn texts_that_are_no_versions_and_names_that_are_too_long_are_refused() {
    for text in ["", "7", "a b-c", "\"x-1\"", &"-".repeat(200)] {
        assert_eq!(PathVersion::parse(text).unwrap_err().code(), Code::Usage, "{text}");
    }
    let mut world = sharing(1, []);
    for user in ["", &"u".repeat(257)] {
        assert_eq!(write(&mut world, 0, set("a", 1), by(user)).unwrap_err().code(), Code::Usage);
    }
    assert_eq!(world.value(0), json("{}"));
}

#[test]
fn a_first_value_stays_unless_the_write_is_forced() {
    let mut world = sharing(1, [on("id").conflict(ConflictStrategy::FirstWriteWins)]);
    world.set(0, "id", 1);
    assert_eq!(write(&mut world, 0, set("id", 2), WriteTerms::default()).unwrap_err().code(), Code::AlreadySet);
    let force = WriteTerms { force: true, ..WriteTerms::default() };
    write(&mut world, 0, set("id", 2), force).unwrap();
    assert_eq!(world.value(0), json(r#"{"id":2}"#));
}

#[test]
fn stale_writes_are_merged_where_a_rule_says_so() {
    let merge = || on("*").stale(Stale::Merge);
    let lists = || on("tags").conflict(ConflictStrategy::MergeStrategies);
    let mut world = sharing(1, [merge(), lists(), on("strict").stale(Stale::Refuse)]);
    let start = json(r#"{"a":1,"b":1,"tags":["x","y"],"strict":1}"#);
    write(&mut world, 0, Command::Replace(start), WriteTerms::default()).unwrap();
    let base = *world.hosts[0].engine.snapshot(&name()).unwrap().hash();
    let a = version(&world, 0, "a");
    let tags = version(&world, 0, "tags");
    world.set(0, "b", 2);
    world.set(0, "a", 5);
    world.set(0, "tags", json(r#"["x","y","theirs"]"#));
    let if_hash = WriteTerms { if_hash: Some(base.into()), ..WriteTerms::default() };
    let edited = json(r#"{"a":1,"b":1,"tags":["y","ours"],"strict":1,"new":1}"#);
    write(&mut world, 0, Command::Replace(edited), if_hash.clone()).unwrap();
    assert_eq!(world.value(0), json(r#"{"a":5,"b":2,"tags":["y","theirs","ours"],"strict":1,"new":1}"#));
    // The same leaf on both sides: the later write wins, as among simultaneous ones.
    write(&mut world, 0, set("a", 6), on_version(&a)).unwrap();
    write(&mut world, 0, set("tags", json(r#"["x","y","late"]"#)), on_version(&tags)).unwrap();
    assert_eq!(world.value(0).at(&path("a")), Some(&6.into()));
    assert_eq!(world.value(0).at(&path("tags")), Some(&json(r#"["y","theirs","ours","late"]"#)));
    let strict = json(r#"{"strict":2}"#);
    let refused = write(&mut world, 0, Command::MergePatch(strict), if_hash.clone()).unwrap_err();
    assert_eq!(refused.code(), Code::Stale);
    for n in 0..40 {
        world.set(0, "b", n);
    }
    let forgotten = write(&mut world, 0, Command::MergePatch(json(r#"{"new":2}"#)), if_hash).unwrap_err();
    assert_eq!(forgotten.code(), Code::Stale);
}

#[test]
fn a_manual_conflict_lists_its_sides_and_leaves_the_document_as_it_was_until_somebody_decides() {
    let mut world = disputed([manual()]);
    for at in [0, 1] {
        assert_eq!(world.value(at), json(r#"{"x":0}"#), "meanwhile");
        let found = &conflicts(&world, at)[0];
        assert_eq!((found.path.clone(), found.is_open, found.shown.clone()), (path("x"), true, Some(0.into())));
        let sides: Vec<_> =
            found.sides.iter().map(|side| (side.value.clone().unwrap(), side.user.as_deref())).collect();
        assert_eq!(sides, [(2.into(), Some("ben")), (1.into(), Some("ann"))]);
        let instances: Vec<_> = found.sides.iter().filter_map(|side| side.instance).collect();
        assert_eq!(instances, [world.hosts[1].engine.instance(), world.hosts[0].engine.instance()]);
        assert_eq!(found.to_value().child("status"), Some(&"pending_manual_resolution".into()));
    }
    world.set(0, "other", 1);
    world.run();
    for at in [0, 1] {
        let told =
            world.notices(at).matches("`x` was written in 2 ways at the same time and waits for a decision").count();
        assert_eq!(told, 1, "{}", world.notices(at));
    }
    write(&mut world, 0, Command::unset(path("other")), WriteTerms::default()).unwrap();
    let id = conflicts(&world, 0)[0].id;
    let receipt = write(&mut world, 0, Command::Resolve(id, Choice::Take(1)), by("eve")).unwrap();
    assert_eq!(receipt.changed, [path("x")]);
    world.run();
    for at in [0, 1] {
        assert_eq!(world.value(at), json(r#"{"x":1}"#));
        assert!(world.hosts[at].engine.conflicts(&name(), true).iter().all(|conflict| conflict.is_closed));
    }
    let gone = write(&mut world, 1, Command::Resolve(id, Choice::Take(0)), WriteTerms::default()).unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}

#[test]
fn a_conflict_is_settled_by_a_side_by_what_shows_by_another_value_or_by_removal() {
    for (choice, want) in [
        (Choice::Take(0), r#"{"x":2}"#),
        (Choice::Keep, r#"{"x":0}"#),
        (Choice::Value(9.into()), r#"{"x":9}"#),
        (Choice::Remove, "{}"),
    ] {
        let mut world = disputed([manual()]);
        let id = conflicts(&world, 1)[0].id;
        write(&mut world, 1, Command::Resolve(id, choice), WriteTerms::default()).unwrap();
        world.run();
        for at in [0, 1] {
            assert_eq!(world.value(at), json(want));
            assert!(
                world.hosts[at].engine.conflicts(&name(), true).iter().all(|conflict| conflict.is_closed),
                "{want}"
            );
        }
    }
    let mut world = disputed([manual()]);
    let id = conflicts(&world, 0)[0].id;
    let refused = write(&mut world, 0, Command::Resolve(id, Choice::Take(2)), WriteTerms::default()).unwrap_err();
    assert_eq!(refused.code(), Code::Usage);
    assert_eq!(conflicts(&world, 0).len(), 1);
}

#[test]
fn a_late_third_side_opens_a_settled_conflict_again() {
    let mut world = sharing(3, [manual()]);
    world.set(0, "x", 0);
    world.run();
    world.disconnect_all();
    for (at, value) in [(0, 1), (1, 2), (2, 3)] {
        write(&mut world, at, set("x", value), WriteTerms::default()).unwrap();
    }
    world.connect(1, 0);
    world.run();
    let id = conflicts(&world, 0)[0].id;
    write(&mut world, 0, Command::Resolve(id, Choice::Take(0)), WriteTerms::default()).unwrap();
    world.run();
    assert_eq!((conflicts(&world, 0).len(), conflicts(&world, 1).len()), (0, 0));
    world.connect(2, 0);
    world.run();
    for at in 0..3 {
        let again = conflicts(&world, at);
        assert_eq!(again.len(), 1);
        assert_ne!(again[0].id, id);
        let values: Vec<_> = again[0].sides.iter().filter_map(|side| side.value.clone()).collect();
        assert_eq!(values.len(), 2);
        assert!(values.contains(&2.into()) && values.contains(&3.into()), "{values:?}");
    }
}

#[test]
fn what_a_rule_decided_is_listed_on_demand_and_confirmed_by_writing_it() {
    let mut world = disputed([]);
    assert!(conflicts(&world, 0).is_empty());
    let all = world.hosts[0].engine.conflicts(&name(), true);
    assert_eq!(
        (all[0].is_open, all[0].sides[0].in_force, all[0].sides[1].value.clone()),
        (false, true, Some(1.into()))
    );
    write(&mut world, 0, set("x", 2), WriteTerms::default()).unwrap();
    world.run();
    assert!(world.hosts[1].engine.conflicts(&name(), true).iter().all(|conflict| conflict.is_closed));
}

#[test]
fn of_simultaneous_writes_the_one_under_the_newer_lock_wins() {
    let mut world = sharing(2, []);
    world.disconnect_all();
    let fenced = WriteTerms { fence: 7, ..WriteTerms::default() };
    write(&mut world, 0, set("x", "locked"), fenced).unwrap();
    write(&mut world, 1, set("x", "later"), WriteTerms::default()).unwrap();
    world.connect(1, 0);
    world.run();
    for at in [0, 1] {
        assert_eq!(world.value(at), json(r#"{"x":"locked"}"#));
        let lost = &world.hosts[at].engine.conflicts(&name(), true)[0];
        assert_eq!((lost.sides[0].fence, lost.sides[1].fence), (7, 0));
    }
}

#[test]
fn the_author_of_a_side_survives_a_restart() {
    let mut world = disputed([manual()]);
    world.restart(0);
    let users: Vec<_> = conflicts(&world, 0)[0].sides.iter().map(|side| side.user.clone()).collect();
    assert_eq!(users, [Some("ben".into()), Some("ann".into())]);
}

#[test]
fn values_of_secret_paths_are_masked_in_conflicts() {
    let world = disputed([on("x").secret(true)]);
    let found = &world.hosts[0].engine.conflicts(&name(), true)[0];
    let shown = found.to_value();
    assert!(found.sides.iter().all(|side| side.value == Some(crate::policy::MASK.into())), "{shown:?}");
    assert_eq!(found.shown, Some(crate::policy::MASK.into()));
}

#[test]
fn conditions_wait_with_the_command_until_the_document_is_there() {
    let mut world = World::new();
    let options = DocumentOptions { shared: true, has_peers: true, ..DocumentOptions::default() };
    world.add_with(1, None, options);
    let engine = &mut world.hosts[0].engine;
    let edits = Command::Edits(vec![Edit { path: path("a"), value: Some(1.into()) }]);
    let made = engine.write(&name(), edits, on_version(&PathVersion::none()), world.now);
    let refused = engine.write(&name(), set("a", 2), on_version(&PathVersion::none()), world.now);
    world.settle(0);
    assert_eq!(world.answer(0, made), None);
    world.pass(4_000);
    assert!(world.answer(0, made).unwrap().is_ok());
    assert_eq!(world.answer(0, refused).unwrap().unwrap_err().code(), Code::Stale);
}

#[test]
fn who_decides_a_conflict_is_known_everywhere_and_never_shows_in_the_document() {
    let mut world = disputed([manual()]);
    let id = conflicts(&world, 0)[0].id;
    write(&mut world, 0, Command::Assign(id, Some("ann".into())), WriteTerms::default()).unwrap();
    world.run();
    for at in [0, 1] {
        world.restart(at);
        assert_eq!(conflicts(&world, at)[0].assigned_to.as_deref(), Some("ann"));
        assert_eq!(conflicts(&world, at)[0].id, id, "it is the same conflict");
        assert_eq!(world.value(at), json(r#"{"x":0}"#));
    }
    world.connect(1, 0);
    world.run();
    write(&mut world, 1, Command::Assign(id, None), WriteTerms::default()).unwrap();
    world.run();
    assert_eq!(conflicts(&world, 0)[0].assigned_to, None);
    let nobody = write(&mut world, 1, Command::Assign(id, Some("".into())), WriteTerms::default()).unwrap_err();
    assert_eq!(nobody.code(), Code::Usage);
    write(&mut world, 1, Command::Resolve(id, Choice::Keep), WriteTerms::default()).unwrap();
    let late = write(&mut world, 1, Command::Assign(id, Some("ben".into())), WriteTerms::default()).unwrap_err();
    assert_eq!(late.code(), Code::NotFound);
}

#[test]
fn versions_and_open_conflicts_outlive_the_history() {
    let mut world = World::soon_old();
    for byte in 1..=2 {
        let policy = Policy::of([manual()]).unwrap();
        let options = DocumentOptions { shared: true, has_peers: byte > 1, settle: true, policy, ..Default::default() };
        world.add_with(byte, None, options);
    }
    world.connect(1, 0);
    world.run();
    world.set(0, "x", 0);
    world.set(0, "n", 1);
    world.run();
    let seen = version(&world, 0, "n");
    world.disconnect_all();
    write(&mut world, 0, set("x", 1), by("ann")).unwrap();
    write(&mut world, 1, set("x", 2), by("ben")).unwrap();
    world.connect(1, 0);
    world.run();
    let id = conflicts(&world, 0)[0].id;
    world.pass(30_000);
    for at in [0, 1] {
        let left = world.hosts[at].store.keys().filter(|key| String::from_utf8_lossy(key).contains("/write/")).count();
        assert_eq!(left, 0, "host {at} dropped its history: {}", world.notices(at));
        let found = &conflicts(&world, at)[0];
        let users: Vec<_> = found.sides.iter().filter_map(|side| side.user.as_deref()).collect();
        assert_eq!((found.id, users), (id, vec!["ben", "ann"]));
    }
    write(&mut world, 0, set("n", 2), on_version(&seen)).unwrap();
    assert_eq!(write(&mut world, 0, set("n", 3), on_version(&seen)).unwrap_err().code(), Code::Stale);
    write(&mut world, 1, Command::Resolve(id, Choice::Take(1)), WriteTerms::default()).unwrap();
    world.run();
    assert_eq!(world.value(0), json(r#"{"n":2,"x":1}"#));
    assert!(conflicts(&world, 0).is_empty());
}

#[test]
fn the_author_of_a_value_is_named_wherever_it_arrives() {
    let mut world = sharing(2, []);
    write(&mut world, 1, set("a", json(r#"{"b":1}"#)), by("ann")).unwrap();
    write(&mut world, 0, set("a.c", 2), WriteTerms::default()).unwrap();
    world.run();
    for at in [0, 1] {
        let written = |place: &str| world.hosts[at].engine.written(&name(), &path(place));
        let [one] = written("a.b").try_into().unwrap();
        assert_eq!((one.path.clone(), one.user.as_deref()), (path("a"), Some("ann")));
        assert_eq!(one.instance, Some(world.hosts[1].engine.instance()));
        let users: Vec<_> = written("a").into_iter().map(|write| (write.path, write.user)).collect();
        assert_eq!(users, [(path("a.c"), None), (path("a"), Some("ann".into()))], "the newest first");
        assert!(written("z").is_empty() || written("z").iter().all(|write| write.path.is_root()));
    }
}
