//! Schemas in the engine: what is refused, what is held back, and what comes into force again.

use super::*;
use crate::merge::InvalidVariables;
use crate::schema::Schema;

/// The last example of requirement S4-56 to 58.
fn schema() -> Schema {
    let text = r#"{"fields": {
        "api_url": {"type": "string", "required": true, "pattern": "^https?://"},
        "timeout_seconds": {"type": "integer", "min": 1, "max": 300, "default": 30},
        "token": {"type": "integer", "secret": true}}}"#;
    Schema::from_value(&json(text)).unwrap()
}

const GOOD: &str = r#"{"api_url":"https://a","timeout_seconds":5}"#;
const GOOD_PARTS: [(&str, &str); 2] = [("api_url", "https://a"), ("timeout_seconds", "5")];

fn options(file: Option<&str>, has_peers: bool) -> DocumentOptions {
    let file = file.map(|id| FileBinding { id: id.into(), format: Format::Json, is_named: false });
    DocumentOptions { shared: true, file, has_peers, schema: Some(schema()), ..DocumentOptions::default() }
}

fn status(world: &World, at: usize) -> DocumentStatus {
    world.hosts[at].engine.status().remove(0)
}

fn errors(error: &Error) -> Vec<String> {
    std::iter::once(error).chain(error.related()).map(ToString::to_string).collect()
}

fn layer(text: &str) -> Layer {
    Layer::from_text("file:a.json", priority::FILE, text, Format::Json).unwrap()
}

/// An instance of one process with a file.
fn with_source(world: &mut World) -> usize {
    let sources = vec![("file:a.json".into(), priority::FILE)];
    world.add_with(1, None, DocumentOptions { shared: false, sources, ..options(None, false) })
}

fn load(world: &mut World, at: usize, text: &str) {
    world.hosts[at].engine.handle_layer(&name(), "file:a.json", Ok(Some(layer(text))), world.now);
    world.settle(at);
}

#[test]
fn defaults_are_the_lowest_layer_and_follow_the_document() {
    let mut world = World::new();
    let a = world.add_with(1, Some(r#"{"api_url":"https://a"}"#), options(Some("a.json"), false));
    assert_eq!(world.value(a), json(r#"{"api_url":"https://a","timeout_seconds":30}"#));
    let snapshot = world.hosts[a].engine.snapshot(&name()).unwrap();
    assert_eq!(snapshot.explain(&path("timeout_seconds")).unwrap().winner.unwrap().source, "default");
    assert_eq!(world.file_value(a), json(r#"{"api_url":"https://a"}"#), "defaults never get into the file");
}

#[test]
fn a_command_that_would_break_the_document_is_refused_with_every_problem_and_changes_nothing() {
    let mut world = World::new();
    let a = world.add_with(1, Some(GOOD), options(Some("a.json"), false));
    let (before, store) = (world.hosts[a].engine.snapshot(&name()).unwrap(), world.hosts[a].store.clone());
    let request = world.hosts[a].engine.merge_patch(
        &name(),
        json(r#"{"api_url":"ftp://a","timeout_seconds":301}"#),
        None,
        world.now,
    );
    world.settle(a);
    let refused = world.answer(a, request).unwrap().unwrap_err();
    let told = errors(&refused);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains(r#""ftp://a" does not match the pattern `^https?://` (at `api_url`)"#), "{told:?}");
    assert!(told[1].contains("301 is above the maximum 300 (at `timeout_seconds`)"), "{told:?}");
    assert!(Arc::ptr_eq(&before, &world.hosts[a].engine.snapshot(&name()).unwrap()));
    assert_eq!(store, world.hosts[a].store);
    assert_eq!(status(&world, a).rejected, None, "what was refused is not there to be rejected");
    for request in [
        world.set(a, "timeout_seconds", "soon"),
        world.hosts[a].engine.unset(&name(), path("api_url"), world.now),
        world.hosts[a].engine.replace(&name(), json("{}"), None, world.now),
    ] {
        world.settle(a);
        assert!(world.answer(a, request).unwrap().is_err());
    }
    let request = world.set(a, "timeout_seconds", 300);
    assert!(world.answer(a, request).unwrap().is_ok());
    assert_eq!(world.value(a).child("timeout_seconds"), Some(&300.into()));
}

#[test]
fn no_refusal_shows_a_secret() {
    let mut world = World::new();
    let a = world.add_with(1, Some(GOOD), options(Some("a.json"), false));
    let request = world.set(a, "token", "hunter2");
    let refused = world.answer(a, request).unwrap().unwrap_err();
    assert!(!format!("{refused:?}").contains("hunter2") && refused.path() == Some(&path("token")), "{refused:?}");
}

#[test]
fn an_edit_of_the_bound_file_is_refused_with_its_line_and_the_file_is_left_alone() {
    let mut world = World::new();
    let a = world.add_with(1, Some(GOOD), options(Some("a.json"), false));
    let wrong = "{\"api_url\": \"https://a\",\n \"timeout_seconds\": 0}";
    world.save(a, wrong);
    assert_eq!(world.value(a), json(GOOD));
    let shared = status(&world, a).sources.into_iter().find(|source| source.id == "shared:a.json").unwrap();
    let SourceState::Stale(error) = shared.state else { panic!("{shared:?}") };
    assert_eq!(error.to_string(), "shared:a.json:2:2: 0 is below the minimum 1 (at `timeout_seconds`)");
    let events = world.hosts[a].events.len();
    world.look(a);
    assert_eq!(world.hosts[a].events.len(), events, "a refused version is not told twice");
    world.set(a, "api_url", "https://b");
    assert_eq!(world.hosts[a].file.as_deref(), Some(wrong), "what a person wrote is not written over");
    world.save(a, r#"{"api_url":"https://a","timeout_seconds":7}"#);
    assert_eq!(world.value(a), json(r#"{"api_url":"https://b","timeout_seconds":7}"#));
    assert_eq!(world.file_value(a), world.value(a));
}

#[test]
fn what_others_write_is_taken_and_withheld_until_it_is_valid() {
    let mut world = World::new();
    let a = world.add_with(1, Some(GOOD), options(Some("a.json"), false));
    let b = world.add(2, None, true);
    world.connect(b, a);
    world.run();
    world.assert_agreement(GOOD);
    let before = world.hosts[a].engine.snapshot(&name()).unwrap();
    world.set(b, "timeout_seconds", 0);
    world.run();
    // The replicas agree, and what is in force does not move.
    assert_eq!(status(&world, a).shared_hash, status(&world, b).shared_hash);
    assert_eq!(*before, *world.hosts[a].engine.snapshot(&name()).unwrap());
    assert_eq!(world.file_value(a), json(GOOD));
    let rejected = status(&world, a).rejected.unwrap();
    assert_eq!((rejected.cause.as_str(), rejected.errors.len()), ("peer", 1));
    assert_eq!(rejected.errors[0].path(), Some(&path("timeout_seconds")));
    let notices = world.notices(a);
    assert!(notices.contains("rejecting invalid configuration update from `peer`"), "{notices}");
    // A second problem is told, the same one is not.
    world.pass(20_000);
    world.set(b, "other", 1);
    world.run();
    assert_eq!(world.notices(a).matches("rejecting").count(), 1);
    assert_eq!(world.value(a), json(GOOD).with(&path("other"), 1.into()));
    // Whoever mends it brings everything into force.
    let request = world.set(a, "timeout_seconds", 9);
    world.run();
    assert!(world.answer(a, request).unwrap().is_ok());
    world.assert_agreement(r#"{"api_url":"https://a","timeout_seconds":9,"other":1}"#);
    assert_eq!(status(&world, a).rejected, None);
    assert!(world.notices(a).contains("is valid again and in force"));
}

#[test]
fn what_others_broke_in_two_places_can_be_mended_one_by_one() {
    let mut world = World::new();
    let a = world.add_with(1, Some(GOOD), options(Some("a.json"), false));
    let b = world.add(2, None, true);
    world.connect(b, a);
    world.run();
    world.set(b, "timeout_seconds", 0);
    world.set(b, "api_url", 1);
    world.run();
    assert_eq!(status(&world, a).rejected.unwrap().errors.len(), 2);
    let request = world.set(a, "token", "text");
    assert!(world.answer(a, request).unwrap().is_err(), "nothing new may break");
    for (place, text) in GOOD_PARTS {
        let request =
            world.set(a, place, json(&if place == "api_url" { format!("{text:?}") } else { text.to_owned() }));
        assert!(world.answer(a, request).unwrap().is_ok(), "{place}");
        world.run();
    }
    world.assert_agreement(GOOD);
}

#[test]
fn a_source_that_breaks_the_document_keeps_its_last_valid_layer_and_holds_nobody_up() {
    let mut world = World::new();
    let a = with_source(&mut world);
    load(&mut world, a, GOOD);
    assert_eq!(world.value(a), json(GOOD));
    load(&mut world, a, "{\"api_url\": \"https://b\",\n\"timeout_seconds\": 900}");
    assert_eq!(world.value(a), json(GOOD));
    let source = status(&world, a).sources.remove(0);
    let SourceState::Stale(error) = source.state else { panic!("{source:?}") };
    assert_eq!(error.to_string(), "file:a.json:2:1: 900 is above the maximum 300 (at `timeout_seconds`)");
    assert_eq!(status(&world, a).rejected.unwrap().cause, "file:a.json");
    // Other layers go on changing.
    world.set(a, "other", true);
    assert_eq!(world.value(a), json(r#"{"api_url":"https://a","timeout_seconds":5,"other":true}"#));
    // Another layer makes the held one valid.
    world.set(a, "timeout_seconds", 6);
    assert_eq!(world.value(a), json(r#"{"api_url":"https://b","timeout_seconds":6,"other":true}"#));
    assert_eq!(status(&world, a).rejected, None);
    assert!(status(&world, a).sources.iter().all(|source| source.state == SourceState::Fresh));
}

#[test]
fn what_is_required_may_be_spread_over_sources_and_nothing_is_told_while_they_are_read() {
    let mut world = World::new();
    let sources = vec![("base".into(), 31), ("local".into(), 30)];
    let a = world.add_with(1, None, DocumentOptions { shared: false, sources, ..options(None, false) });
    for (id, at, text) in [("base", 31, r#"{"timeout_seconds":5}"#), ("local", 30, r#"{"api_url":"https://a"}"#)] {
        assert_eq!(world.hosts[a].engine.snapshot(&name()).unwrap().revision, 0);
        let layer = Layer::new(id, at, json(text));
        world.hosts[a].engine.handle_layer(&name(), id, Ok(Some(layer)), world.now);
        world.settle(a);
    }
    assert_eq!((world.value(a), world.notices(a).as_str()), (json(GOOD), ""));
}

/// Two sources that are read for the first time, in this order.
fn open_both(first: (&str, i32, &str), second: (&str, i32, &str)) -> (World, usize) {
    let mut world = World::new();
    let sources = [first, second].map(|(id, at, _)| (id.into(), at)).to_vec();
    let a = world.add_with(1, None, DocumentOptions { shared: false, sources, ..options(None, false) });
    for (id, at, text) in [first, second] {
        let layer = Layer::new(id, at, json(text));
        world.hosts[a].engine.handle_layer(&name(), id, Ok(Some(layer)), world.now);
        world.settle(a);
    }
    (world, a)
}

fn states(world: &World, at: usize) -> Vec<(String, bool)> {
    let fresh = |source: SourceStatus| (source.id.to_string(), source.state == SourceState::Fresh);
    status(world, at).sources.into_iter().map(fresh).collect()
}

#[test]
fn of_sources_that_open_together_the_one_that_breaks_the_document_is_held_back_and_blamed() {
    let (good, bad) = (("good", 31, GOOD), ("bad", 30, r#"{"timeout_seconds":0,"other":1}"#));
    for (first, second) in [(good, bad), (bad, good)] {
        let (mut world, a) = open_both(first, second);
        assert_eq!(world.value(a), json(GOOD), "{first:?} first");
        assert_eq!(states(&world, a), [("bad".to_owned(), false), ("good".to_owned(), true)]);
        let engine = &world.hosts[a].engine;
        assert_eq!(
            (engine.takes_source(&name(), "bad"), engine.takes_source(&name(), "good")),
            (Some(false), Some(true))
        );
        assert_eq!(status(&world, a).rejected.unwrap().cause, "bad");
        let told = |event: &Event| matches!(event, Event::Source { source, state: SourceState::Stale(_), .. } if *source == "bad");
        assert_eq!(world.hosts[a].events.iter().filter(|event| told(event)).count(), 1, "it is told once");
        let mended = Layer::new("bad", 30, json(r#"{"timeout_seconds":9}"#));
        world.hosts[a].engine.handle_layer(&name(), "bad", Ok(Some(mended)), world.now);
        assert_eq!(world.value(a), json(r#"{"api_url":"https://a","timeout_seconds":9}"#));
        assert!(states(&world, a).iter().all(|(_, fresh)| *fresh));
    }
}

#[test]
fn while_a_source_is_not_heard_it_is_not_decided_whether_another_is_taken() {
    let mut world = World::new();
    let sources = vec![("late".into(), 31), ("early".into(), 30)];
    let a = world.add_with(1, None, DocumentOptions { shared: false, sources, ..options(None, false) });
    let early = Layer::new("early", 30, json(r#"{"timeout_seconds":5}"#));
    let engine = &mut world.hosts[a].engine;
    engine.handle_layer(&name(), "early", Ok(Some(early)), world.now);
    assert_eq!(engine.takes_source(&name(), "early"), None, "`api_url` may come yet");
    let gone = Error::new(Code::Unreachable, "gone");
    engine.handle_layer(&name(), "early", Err(gone.clone()), world.now);
    let late = Layer::new("late", 31, json(r#"{"api_url":"https://a"}"#));
    engine.handle_layer(&name(), "late", Ok(Some(late)), world.now);
    assert_eq!(engine.takes_source(&name(), "early"), Some(true), "what it said before it broke counts");
    assert_eq!(engine.source_state(&name(), "early"), Some(SourceState::Stale(gone)));
    assert_eq!(world.value(a), json(GOOD));
}

#[test]
fn a_document_of_which_nothing_is_valid_blames_those_who_say_so() {
    let (mut world, a) = open_both(("wrong", 31, r#"{"api_url":5}"#), ("right", 30, r#"{"timeout_seconds":5}"#));
    assert_eq!(world.hosts[a].engine.snapshot(&name()).unwrap().revision, 0);
    assert_eq!(states(&world, a), [("right".to_owned(), true), ("wrong".to_owned(), false)]);
    assert_eq!(world.hosts[a].engine.takes_source(&name(), "right"), Some(false), "nothing is in force");
    let mended = Layer::new("right", 30, json(GOOD));
    world.hosts[a].engine.handle_layer(&name(), "right", Ok(Some(mended)), world.now);
    assert_eq!(world.value(a), json(GOOD));
    assert!(states(&world, a).iter().all(|(_, fresh)| *fresh), "it is covered by another one");
}

#[test]
fn variables_take_the_types_that_the_schema_declares_and_of_the_wrong_type_they_are_refused_or_left_out() {
    for invalid_variables in [InvalidVariables::Refuse, InvalidVariables::Ignore] {
        let mut world = World::new();
        let sources = vec![("env:APP".into(), priority::ENV)];
        let all = DocumentOptions { sources, invalid_variables, ..options(Some("a.json"), false) };
        let a = world.add_with(1, Some(GOOD), all);
        let variables = [("APP_TIMEOUT_SECONDS", "20"), ("APP_TOKEN", "7"), ("APP_API_URL", "http://5")];
        let variables = variables.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let layer = Layer::from_env("APP", variables).unwrap();
        world.hosts[a].engine.handle_layer(&name(), "env:APP", Ok(Some(layer)), world.now);
        let typed = json(r#"{"api_url":"http://5","timeout_seconds":20,"token":7}"#);
        assert_eq!(world.value(a), typed);
        let wrong = Layer::from_env("APP", [("APP_TOKEN".to_owned(), "hunter2".to_owned())]).unwrap();
        world.hosts[a].engine.handle_layer(&name(), "env:APP", Ok(Some(wrong)), world.now);
        let snapshot = world.hosts[a].engine.snapshot(&name()).unwrap();
        let told = if invalid_variables == InvalidVariables::Refuse {
            assert_eq!(snapshot.value, typed, "the last good variables stay");
            format!("{:?}", status(&world, a).rejected)
        } else {
            assert_eq!(snapshot.value, json(GOOD), "a text of another type falls to the layer below");
            format!("{:?}", snapshot.warnings())
        };
        assert!(told.contains("APP_TOKEN") && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_first_file_that_is_invalid_is_not_taken_for_the_document() {
    let mut world = World::new();
    let a = world.add_with(1, Some(r#"{"api_url":5}"#), options(Some("a.json"), false));
    assert_eq!(world.hosts[a].engine.snapshot(&name()).unwrap().revision, 0);
    assert_eq!(world.hosts[a].file.as_deref(), Some(r#"{"api_url":5}"#));
    assert!(status(&world, a).rejected.is_some());
}

/// Whatever is written, saved, loaded and restarted in whatever order: what is in force is valid, the bound file shows it,
/// the replicas agree, and after everything is mended nothing is held back.
#[test]
fn what_is_in_force_is_valid_whatever_happens() {
    for seed in 0..crate::testing::cases(30) {
        let mut random = crate::testing::Random::of(seed);
        let mut world = World::new();
        let sources = vec![("file:a.json".into(), priority::FILE)];
        let a = world.add_with(1, Some(GOOD), DocumentOptions { sources, ..options(Some("a.json"), false) });
        let b = world.add(2, None, true);
        world.connect(b, a);
        world.run();
        let values = ["\"https://b\"", "\"ftp://b\"", "7", "0", "400", "\"text\"", "null"];
        let places = ["api_url", "timeout_seconds", "token", "other"];
        for step in 0..30 {
            let place = places[random.below(places.len())];
            let value = json(values[random.below(values.len())]);
            match random.below(9) {
                0..=2 => drop(world.set(b, place, value)),
                3 | 4 => drop(world.set(a, place, value)),
                5 => {
                    let shown = json(world.hosts[a].file.as_deref().unwrap());
                    let text = crate::canonical::canonical(&shown.with(&path(place), value));
                    world.save(a, &text);
                }
                6 => {
                    let layer = layer(&format!("{{\"{place}\": {}}}", crate::canonical::canonical(&value)));
                    world.hosts[a].engine.handle_layer(&name(), "file:a.json", Ok(Some(layer)), world.now);
                    world.settle(a);
                }
                7 => drop(world.hosts[b].engine.unset(&name(), path(place), world.now)),
                _ => {
                    world.restart(a);
                    world.hosts[a].engine.handle_layer(&name(), "file:a.json", Ok(None), world.now);
                    world.connect(b, a);
                }
            }
            world.settle(b);
            world.run();
            let snapshot = world.hosts[a].engine.snapshot(&name()).unwrap();
            let wrong = schema().validate(&snapshot.value, |_| None);
            assert!(wrong.is_empty() || snapshot.revision == 0, "seed {seed}, step {step}: {wrong:?}");
        }
        world.restart(a);
        world.hosts[a].engine.handle_layer(&name(), "file:a.json", Ok(None), world.now);
        world.connect(b, a);
        for (place, value) in [("api_url", "\"https://z\""), ("timeout_seconds", "9"), ("token", "5")] {
            world.set(b, place, json(value));
        }
        // A person who saved what was refused takes what is there now.
        world.pass(10_000);
        let mended = world.value(b);
        world.save(a, &crate::canonical::canonical(&mended));
        world.run();
        assert_eq!(status(&world, a).rejected, None, "seed {seed}");
        assert_eq!((world.value(a), world.file_value(a)), (mended.clone(), mended), "seed {seed}");
        assert_eq!(status(&world, a).shared_hash, status(&world, b).shared_hash, "seed {seed}");
    }
}

#[test]
fn a_version_that_was_held_back_is_forgotten_once_its_source_says_something_else() {
    let mut world = World::new();
    let a = with_source(&mut world);
    load(&mut world, a, GOOD);
    load(&mut world, a, r#"{"api_url":"https://b","timeout_seconds":900}"#);
    let broken = Error::new(Code::Syntax, "expected `}`");
    world.hosts[a].engine.handle_layer(&name(), "file:a.json", Err(broken.clone()), world.now);
    assert_eq!(status(&world, a).rejected, None);
    assert_eq!(status(&world, a).sources[0].state, SourceState::Stale(broken));
    world.set(a, "timeout_seconds", 6);
    assert_eq!(world.value(a), json(r#"{"api_url":"https://a","timeout_seconds":6}"#));
}
