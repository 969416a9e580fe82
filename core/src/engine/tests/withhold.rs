//! What fails here is withheld path by path, and everything else comes into force.

use super::*;
use crate::canonical::canonical;
use crate::schema::{Field, Schema};

const SCHEMA: &str = r#"{"fields": {
    "port": {"type": "integer", "min": 1, "max": 100},
    "token": {"type": "integer", "secret": true},
    "list": {"type": "list", "items": "integer"},
    "db": {"fields": {"host": {"type": "string", "required": true}, "port": "integer"}}}}"#;
const START: &str = r#"{"port":80,"list":[1,2],"db":{"host":"h","port":1},"free":0}"#;

fn options(file: Option<&str>, schema: Option<&str>, references: bool) -> DocumentOptions {
    let file = file.map(|id| FileBinding { id: id.into(), format: Format::Json, is_named: false });
    DocumentOptions {
        shared: true,
        file,
        has_peers: false,
        schema: schema.map(|text| Schema::from_value(&json(text)).unwrap()),
        variables: references.then(BTreeMap::new),
        ..DocumentOptions::default()
    }
}

/// An instance that checks, with a bound file, and one that checks nothing.
fn pair_of(schema: Option<&str>, references: bool, start: &str) -> (World, usize, usize) {
    let mut world = World::new();
    let a = world.add_with(1, Some(start), options(Some("a.json"), schema, references));
    let b = world.add(2, None, true);
    world.connect(b, a);
    world.run();
    world.assert_agreement(start);
    (world, a, b)
}

fn pair() -> (World, usize, usize) {
    pair_of(Some(SCHEMA), false, START)
}

fn put(world: &mut World, at: usize, place: &str, text: &str) -> Result<Receipt> {
    let request = world.set(at, place, json(text));
    world.run();
    world.answer(at, request).unwrap()
}

fn unset(world: &mut World, at: usize, place: &str) {
    world.hosts[at].engine.unset(&name(), path(place), world.now);
    world.now.wall_ms += 1;
    world.settle(at);
    world.run();
}

fn status(world: &World, at: usize) -> DocumentStatus {
    world.hosts[at].engine.status().remove(0)
}

fn withheld(world: &World, at: usize) -> Vec<String> {
    status(world, at).withheld.iter().map(|one| one.withheld.path.to_string()).collect()
}

/// Restarts an instance and connects the other one again.
fn restart(world: &mut World, at: usize, other: usize) {
    world.restart(at);
    world.connect(other, at);
    world.run();
}

#[test]
fn one_bad_value_holds_back_its_own_path_and_nothing_else() {
    let (mut world, a, b) = pair();
    put(&mut world, b, "port", "0").unwrap();
    put(&mut world, b, "free", "1").unwrap();
    assert_eq!(world.value(a), json(r#"{"port":80,"list":[1,2],"db":{"host":"h","port":1},"free":1}"#));
    assert_eq!(world.file_value(a), world.value(a), "the mirror goes on for everything else");
    assert_eq!(world.value(b).child("port"), Some(&0.into()), "who checks nothing shows it");
    assert_eq!(status(&world, a).shared_hash, status(&world, b).shared_hash);
    let status = status(&world, a);
    let [one] = status.withheld.as_slice() else { panic!("{status:?}") };
    assert_eq!((one.withheld.path.clone(), one.withheld.value.clone()), (path("port"), Some(0.into())));
    assert!(one.withheld.error.to_string().contains("0 is below the minimum 1"), "{one:?}");
    assert_eq!(one.written.as_ref().unwrap().instance, Some(world.hosts[b].engine.instance()));
    assert_eq!(status.rejected.unwrap().errors.len(), 1);
    let account = world.hosts[a].engine.snapshot(&name()).unwrap().explain(&path("port")).unwrap();
    assert_eq!(account.value, Some(80.into()));
    assert!(account.to_string().contains("`port` = 0 is withheld: "), "{account}");
    let notices = world.notices(a);
    assert_eq!(notices.matches("`port` withheld, everything else is in force").count(), 1, "{notices}");
    // A write here says at once that it comes into force, and mends what is withheld.
    let receipt = put(&mut world, a, "port", "7").unwrap();
    assert!(receipt.is_in_force());
    world.assert_agreement(r#"{"port":7,"list":[1,2],"db":{"host":"h","port":1},"free":1}"#);
    assert!(withheld(&world, a).is_empty() && world.notices(a).contains("is valid again and in force"));
}

#[test]
fn the_receipt_of_a_write_that_stays_withheld_says_so() {
    let (mut world, a, b) = pair();
    // Another instance made of `db` what is none: everything below it waits until that is mended.
    put(&mut world, b, "db", "5").unwrap();
    put(&mut world, b, "db", r#"{"port": 3}"#).unwrap();
    assert_eq!(withheld(&world, a), ["db.host"]);
    unset(&mut world, b, "db.port");
    put(&mut world, b, "port", "0").unwrap();
    let receipt = put(&mut world, a, "port", "0").unwrap();
    assert!(!receipt.is_in_force());
    assert_eq!((receipt.withheld.len(), receipt.withheld[0].path.clone()), (1, path("port")));
    assert_eq!(receipt.withheld[0].error.hint(), Some("use a number from 1 to 100"));
    let receipt = put(&mut world, a, "free", "3").unwrap();
    assert!(receipt.is_in_force(), "{receipt:?}");
}

#[test]
fn what_is_withheld_shows_what_was_in_force_before_also_after_a_restart() {
    let (mut world, a, b) = pair();
    for round in 0..3 {
        put(&mut world, b, "port", &format!("{}", 1_000 + round)).unwrap();
        put(&mut world, b, "list", r#"["x"]"#).unwrap();
        unset(&mut world, b, "db.host");
        put(&mut world, b, "free", &format!("{round}")).unwrap();
        let want = json(&format!(r#"{{"port":80,"list":[1,2],"db":{{"host":"h","port":1}},"free":{round}}}"#));
        assert_eq!(world.value(a), want);
        assert_eq!(withheld(&world, a), ["db.host", "list", "port"]);
        restart(&mut world, a, b);
        assert_eq!((world.value(a), world.file_value(a)), (want.clone(), want), "round {round}");
        assert_eq!(withheld(&world, a), ["db.host", "list", "port"]);
        assert_eq!(status(&world, a).shared_hash, status(&world, b).shared_hash);
    }
    for (place, text) in [("port", "5"), ("list", "[9]"), ("db.host", "\"i\"")] {
        put(&mut world, b, place, text).unwrap();
    }
    world.assert_agreement(r#"{"port":5,"list":[9],"db":{"host":"i","port":1},"free":2}"#);
    assert!(!world.hosts[a].store.keys().any(|key| key.ends_with(b"withheld")), "nothing of it is kept");
}

#[test]
fn a_crash_between_any_two_batches_forgets_nothing_that_was_in_force() {
    for batches in 0..4 {
        let (mut world, a, b) = pair();
        world.hosts[a].persists = false;
        for text in ["0", "-1", "\"text\""] {
            put(&mut world, b, "port", text).unwrap();
        }
        for _ in 0..batches {
            let Some(batch) = world.hosts[a].batches.pop_front() else { break };
            world.hosts[a].apply(&batch);
        }
        world.hosts[a].persists = true;
        world.restart(a);
        assert_eq!(world.value(a), json(START), "{batches} batches got to the disk");
        world.connect(b, a);
        world.run();
        assert_eq!((world.value(a), withheld(&world, a)), (json(START), vec!["port".to_owned()]), "{batches}");
    }
}

#[test]
fn many_batches_on_their_way_are_each_withheld_as_they_arrive() {
    let (mut world, a, b) = pair();
    world.hosts[a].persists = false;
    for (place, text) in [("free", "1"), ("port", "0"), ("free", "2"), ("port", "9"), ("port", "0"), ("free", "3")] {
        put(&mut world, b, place, text).unwrap();
    }
    let mut shown = Vec::new();
    while let Some(batch) = world.hosts[a].batches.pop_front() {
        world.hosts[a].apply(&batch);
        world.hosts[a].engine.handle_persisted(batch.ticket, world.now);
        world.settle(a);
        let value = world.value(a);
        let now = (value.child("free").cloned().unwrap(), value.child("port").cloned().unwrap());
        if shown.last() != Some(&now) {
            shown.push(now);
        }
    }
    let want = [(0, 80), (1, 80), (2, 80), (2, 9), (3, 9)].map(|(free, port)| (Value::from(free), Value::from(port)));
    assert!(want.ends_with(&shown), "{shown:?}");
    assert_eq!(withheld(&world, a), ["port"]);
}

#[test]
fn a_save_of_the_bound_file_never_takes_a_withheld_write_back() {
    let (mut world, a, b) = pair();
    put(&mut world, b, "port", "0").unwrap();
    put(&mut world, b, "db.port", "\"text\"").unwrap();
    let edited = world.file_value(a).with(&path("free"), 7.into());
    world.save(a, &canonical(&edited));
    world.run();
    assert_eq!(world.value(b).child("free"), Some(&7.into()));
    assert_eq!(world.value(b).child("port"), Some(&0.into()), "nobody touched it");
    assert_eq!(world.value(b).at(&path("db.port")), Some(&"text".into()));
    assert!(!world.notices(a).contains("was edited while"), "{}", world.notices(a));
    // Who writes the path in the file decides for it.
    let edited = world.file_value(a).with(&path("port"), 9.into());
    world.save(a, &canonical(&edited));
    world.run();
    assert_eq!((world.value(a).child("port"), world.value(b).child("port")), (Some(&9.into()), Some(&9.into())));
    assert_eq!(withheld(&world, a), ["db.port"]);
    assert_eq!(world.file_value(a), world.value(a));
}

#[test]
fn an_edit_of_the_file_that_would_stay_withheld_is_refused_and_the_file_left_alone() {
    let (mut world, a, b) = pair();
    unset(&mut world, b, "db");
    put(&mut world, b, "db.port", "3").unwrap();
    assert_eq!(withheld(&world, a), ["db"]);
    let edited = canonical(&world.file_value(a).with(&path("db.port"), 4.into()));
    world.save(a, &edited);
    world.run();
    assert_eq!(world.hosts[a].file.as_deref(), Some(edited.as_str()));
    let source = status(&world, a).sources.into_iter().find(|source| source.id == "shared:a.json").unwrap();
    let SourceState::Stale(error) = source.state else { panic!("{source:?}") };
    assert_eq!((error.message(), error.path()), ("required key is missing", Some(&path("db.host"))));
    let edited = canonical(&world.file_value(a).with(&path("db.host"), "i".into()));
    world.save(a, &edited);
    world.run();
    assert_eq!(world.value(a).child("db"), Some(&json(r#"{"host":"i","port":4}"#)));
    assert_eq!((world.value(b), withheld(&world, a)), (world.value(a), vec![]));
}

#[test]
fn a_missing_key_that_was_there_comes_back_alone_and_one_that_never_was_takes_its_map_along() {
    let (mut world, a, b) = pair();
    unset(&mut world, b, "db.host");
    put(&mut world, b, "db.port", "2").unwrap();
    assert_eq!(world.value(a).child("db"), Some(&json(r#"{"host":"h","port":2}"#)));
    // The whole map goes, which is allowed, and one comes without what it needs.
    unset(&mut world, b, "db");
    assert_eq!((world.value(a).child("db"), withheld(&world, a)), (None, vec![]));
    put(&mut world, b, "db.port", "3").unwrap();
    assert_eq!((world.value(a).child("db"), withheld(&world, a)), (None, vec!["db".to_owned()]));
    let account = world.hosts[a].engine.snapshot(&name()).unwrap().explain(&path("db.port")).unwrap();
    assert_eq!((account.value, account.withheld.unwrap().path), (None, path("db")));
    put(&mut world, b, "db.host", "\"i\"").unwrap();
    assert_eq!(world.value(a).child("db"), Some(&json(r#"{"host":"i","port":3}"#)));
}

#[test]
fn a_type_that_clashes_shows_the_old_map_or_the_old_scalar() {
    let (mut world, a, b) = pair();
    put(&mut world, b, "db", "5").unwrap();
    assert_eq!((world.value(a), withheld(&world, a)), (json(START), vec!["db".to_owned()]));
    put(&mut world, b, "port", r#"{"inner": {"deep": 1}, "other": 2}"#).unwrap();
    assert_eq!((world.value(a), withheld(&world, a)), (json(START), vec!["db".to_owned(), "port".to_owned()]));
    put(&mut world, b, "db", r#"{"host": "new"}"#).unwrap();
    put(&mut world, b, "port", "6").unwrap();
    world.assert_agreement(r#"{"port":6,"list":[1,2],"db":{"host":"new"},"free":0}"#);
}

#[test]
fn a_reference_that_broke_brings_back_what_it_refers_to() {
    let start = r#"{"a":1,"b":"${a}","c":"${b}","m":{"x":"${a}-${n.deep}"},"n":{"deep":"d","other":1}}"#;
    let (mut world, a, b) = (World::new(), 0, 1);
    world.add_with(1, Some(start), options(Some("a.json"), None, true));
    world.add(2, None, true);
    world.connect(b, a);
    world.run();
    let shown = json(r#"{"a":1,"b":1,"c":1,"m":{"x":"1-d"},"n":{"deep":"d","other":1}}"#);
    assert_eq!(world.value(a), shown);
    // What is referred to goes: it stays in force. Its map goes: what is needed of it stays.
    unset(&mut world, b, "a");
    assert_eq!((world.value(a), withheld(&world, a)), (shown.clone(), vec!["a".to_owned()]));
    unset(&mut world, b, "n");
    assert_eq!(withheld(&world, a), ["a", "n.deep"]);
    assert_eq!(world.value(a).child("n"), Some(&json(r#"{"deep":"d"}"#)));
    put(&mut world, b, "n", r#"{"deep":"e"}"#).unwrap();
    put(&mut world, b, "a", "2").unwrap();
    assert_eq!(world.value(a), json(r#"{"a":2,"b":2,"c":2,"m":{"x":"2-e"},"n":{"deep":"e"}}"#));
    // A circle is opened where it was closed.
    put(&mut world, b, "a", "\"${c}\"").unwrap();
    assert_eq!(withheld(&world, a), ["a"]);
    assert_eq!(world.value(a).child("c"), Some(&2.into()));
    // A map inside text.
    put(&mut world, b, "a", "5").unwrap();
    put(&mut world, b, "n.deep", r#"{"y": 1}"#).unwrap();
    assert_eq!(
        (world.value(a).at(&path("m.x")), withheld(&world, a)),
        (Some(&"5-e".into()), vec!["n.deep".to_owned()])
    );
    // Nothing was there: the text that refers is withheld.
    put(&mut world, b, "new", "\"${nowhere}\"").unwrap();
    assert_eq!((world.value(a).child("new"), withheld(&world, a)), (None, vec!["n.deep".to_owned(), "new".to_owned()]));
    put(&mut world, b, "nowhere", "1").unwrap();
    put(&mut world, b, "n.deep", "0").unwrap();
    assert_eq!((world.value(a).child("new"), withheld(&world, a)), (Some(&1.into()), vec![]));
}

#[test]
fn a_circle_of_three_is_opened_where_it_was_closed_whichever_of_them_that_was() {
    for closing in ["a", "b", "c"] {
        let next = |place: &str| match place {
            "a" => "${b}",
            "b" => "${c}",
            _ => "${a}",
        };
        let entry = |place: &str| format!("\"{place}\":{}", if place == closing { "1" } else { "2" });
        let start = format!("{{{},{},{}}}", entry("a"), entry("b"), entry("c"));
        let mut world = World::new();
        let a = world.add_with(1, Some(&start), options(Some("a.json"), None, true));
        let b = world.add(2, None, true);
        world.connect(b, a);
        world.run();
        for place in ["a", "b", "c"].into_iter().filter(|place| *place != closing) {
            world.set(b, place, next(place));
            world.run();
        }
        assert_eq!(world.value(a), json(r#"{"a":1,"b":1,"c":1}"#), "{closing}");
        world.set(b, closing, next(closing));
        world.set(b, "free", true);
        world.run();
        assert_eq!(world.value(a), json(r#"{"a":1,"b":1,"c":1,"free":true}"#), "{closing}");
        assert_eq!(withheld(&world, a), [closing]);
    }
}

/// Checks of the program: one names another path than the one that was written, one names a path far below.
fn checked() -> Schema {
    let fail = |path: &str| vec![Error::new(Code::Invalid, "they differ").with_path(crate::Path::parse(path).unwrap())];
    let pair = Field::map().check(move |pair| if pair.child("x") == pair.child("y") { Ok(()) } else { Err(fail("x")) });
    let root = Field::map().field("app", Field::map().field("pair", pair));
    Schema::new(root).check(move |document| {
        let is_wrong = document.child("wrong") == Some(&true.into());
        if is_wrong { Err(fail("l1.l2.l3.l4.l5.l6.l7.l8.l9.l10")) } else { Ok(()) }
    })
}

#[test]
fn what_errs_again_is_widened_until_it_is_valid() {
    let start = r#"{"app":{"pair":{"x":1,"y":1}},"free":0}"#;
    let mut world = World::new();
    let a = world.add_with(
        1,
        Some(start),
        DocumentOptions { schema: Some(checked()), ..options(Some("a.json"), None, false) },
    );
    let b = world.add(2, None, true);
    world.connect(b, a);
    world.run();
    // The check names `x`, which is as it was: the map around both.
    put(&mut world, b, "app.pair.y", "2").unwrap();
    assert_eq!(withheld(&world, a), ["app.pair"]);
    // It names what was written, and still does without it: one step wider.
    put(&mut world, b, "app.pair.x", "3").unwrap();
    assert_eq!(withheld(&world, a), ["app.pair"]);
    put(&mut world, b, "free", "1").unwrap();
    assert_eq!(world.value(a), json(r#"{"app":{"pair":{"x":1,"y":1}},"free":1}"#));
    put(&mut world, b, "app.pair.y", "3").unwrap();
    world.assert_agreement(r#"{"app":{"pair":{"x":3,"y":3}},"free":1}"#);
    put(&mut world, b, "app.pair.x", "4").unwrap();
    assert_eq!(withheld(&world, a), ["app.pair.x"]);
    put(&mut world, b, "app.pair.y", "4").unwrap();
    // After eight rounds the layer is held back whole: no path leads to what is wrong.
    put(&mut world, b, "l1.l2.l3.l4.l5.l6.l7.l8.l9.l10", "1").unwrap();
    world.set(b, "wrong", true);
    put(&mut world, b, "l1.l2.l3.l4.l5.l6.l7.l8.l9.l10", "2").unwrap();
    assert_eq!(withheld(&world, a), [""]);
    let receipt = put(&mut world, a, "free", "2").unwrap();
    assert!(!receipt.is_in_force() && receipt.withheld[0].path.is_root(), "{receipt:?}");
    put(&mut world, b, "wrong", "false").unwrap();
    assert_eq!((withheld(&world, a).len(), world.value(a)), (0, world.value(b)));
}

#[test]
fn more_than_can_be_withheld_path_by_path_holds_back_the_whole_layer_as_before() {
    let (mut world, a, b) = pair_of(Some(r#"{"fields": {"m": {"values": "integer"}}}"#), false, r#"{"m":{"k0":1}}"#);
    for at in 0..70 {
        world.set(b, &format!("m.k{at}"), "text");
    }
    world.set(b, "free", 1);
    world.run();
    assert_eq!((world.value(a), withheld(&world, a)), (json(r#"{"m":{"k0":1}}"#), vec![String::new()]));
    assert_eq!(world.file_value(a), json(r#"{"m":{"k0":1}}"#));
    restart(&mut world, a, b);
    assert_eq!((world.value(a), withheld(&world, a)), (json(r#"{"m":{"k0":1}}"#), vec![String::new()]));
    for at in 0..10 {
        world.set(b, &format!("m.k{at}"), 2);
    }
    world.run();
    assert_eq!((withheld(&world, a).len(), world.value(a).child("free")), (60, Some(&1.into())));
}

#[test]
fn another_layer_that_breaks_the_document_is_held_back_and_withholds_nothing() {
    let mut world = World::new();
    let sources = vec![("file:s.json".into(), priority::FILE)];
    let a = world.add_with(1, Some(START), DocumentOptions { sources, ..options(Some("a.json"), Some(SCHEMA), false) });
    let b = world.add(2, None, true);
    let load = |world: &mut World, text: &str| {
        let layer = Layer::from_text("file:s.json", priority::FILE, text, Format::Json).unwrap();
        world.hosts[a].engine.handle_layer(&name(), "file:s.json", Ok(Some(layer)), world.now);
        world.settle(a);
    };
    load(&mut world, r#"{"token": 1}"#);
    world.connect(b, a);
    world.run();
    load(&mut world, r#"{"token": "bad", "more": 1}"#);
    put(&mut world, b, "free", "1").unwrap();
    assert_eq!((world.value(a).child("free"), world.value(a).child("token")), (Some(&1.into()), Some(&1.into())));
    put(&mut world, b, "port", "0").unwrap();
    assert_eq!((withheld(&world, a), world.value(a).child("more")), (vec!["port".to_owned()], None));
    // Both are tried again with each change, whichever of them it is.
    load(&mut world, r#"{"token": 2, "more": 1}"#);
    assert_eq!((withheld(&world, a), world.value(a).child("more")), (vec!["port".to_owned()], Some(&1.into())));
    put(&mut world, b, "port", "3").unwrap();
    assert_eq!((withheld(&world, a).len(), status(&world, a).rejected), (0, None));
}

#[test]
fn a_secret_that_is_withheld_is_never_shown() {
    let (mut world, a, b) = pair();
    put(&mut world, b, "token", "\"hunter2\"").unwrap();
    assert_eq!(withheld(&world, a), ["token"]);
    let snapshot = world.hosts[a].engine.snapshot(&name()).unwrap();
    let told = format!("{:?} {:?} {}", status(&world, a), world.hosts[a].events, world.notices(a));
    let values = status(&world, a).withheld[0].to_value();
    let accounts = snapshot.explain_all().iter().map(|found| found.to_value()).collect::<Vec<_>>();
    let tables = snapshot.explain(&path("token")).unwrap().to_string();
    assert!(tables.contains("`token` = \"***\" is withheld"), "{tables}");
    for text in [told, canonical(&values), canonical(&accounts.into()), tables] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_guest_is_told_that_its_write_is_not_in_force() {
    let (mut world, a, b) = pair();
    put(&mut world, b, "port", "0").unwrap();
    let guest = world.add_with(3, None, DocumentOptions::default());
    world.hosts[guest].engine.open_guest(name());
    world.connect_as(guest, a, Link::Host);
    world.run();
    assert_eq!(world.value(guest).child("port"), Some(&80.into()));
    let receipt = put(&mut world, guest, "port", "0").unwrap();
    assert!(!receipt.is_in_force());
    assert_eq!(receipt.withheld[0].path, path("port"));
    assert_eq!(receipt.withheld[0].error.code(), Code::Invalid);
    assert!(put(&mut world, guest, "port", "4").unwrap().is_in_force());
    assert_eq!(world.value(guest).child("port"), Some(&4.into()));
}

#[test]
fn a_store_that_fails_forgets_nothing_of_what_was_in_force() {
    let (mut world, a, b) = pair();
    put(&mut world, b, "port", "0").unwrap();
    world.hosts[a].persists = false;
    put(&mut world, b, "port", "-1").unwrap();
    let batch = world.hosts[a].batches.pop_front().unwrap();
    world.hosts[a].batches.clear();
    world.hosts[a].engine.handle_persist_failed(batch.ticket, &Error::new(Code::Store, "the disk is full"), world.now);
    world.hosts[a].persists = true;
    world.settle(a);
    world.run();
    world.pass(20_000);
    put(&mut world, b, "free", "5").unwrap();
    restart(&mut world, a, b);
    assert_eq!(world.value(a), json(START).with(&path("free"), 5.into()));
    assert_eq!(withheld(&world, a), ["port"]);
}

#[test]
fn what_is_written_is_checked_once_and_what_the_store_took_together_together() {
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let schema = Schema::new(Field::map()).check(move |_| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    });
    let mut world = World::new();
    let a = world.add_with(1, None, DocumentOptions { schema: Some(schema), ..options(None, None, false) });
    let b = world.add(2, None, true);
    world.connect(b, a);
    world.run();
    let taken = || count.swap(0, std::sync::atomic::Ordering::Relaxed);
    taken();
    put(&mut world, b, "x", "1").unwrap();
    assert_eq!(taken(), 1);
    put(&mut world, a, "x", "2").unwrap();
    assert_eq!(taken(), 1);
    world.hosts[a].persists = false;
    for number in 0..5 {
        put(&mut world, b, "x", &format!("{number}")).unwrap();
    }
    world.hosts[a].persists = true;
    world.settle(a);
    assert_eq!((taken(), world.value(a)), (2, json(r#"{"x":4}"#)));
}

#[test]
fn a_text_that_is_withheld_holds_back_nothing_that_it_refers_to() {
    let (mut world, a, b) = pair_of(None, true, r#"{"free":0}"#);
    put(&mut world, b, "url", "\"http://${host}/\"").unwrap();
    assert_eq!(withheld(&world, a), ["url"]);
    // It cannot stand inside text, and is right where it is.
    put(&mut world, b, "host", "[1,2]").unwrap();
    assert_eq!(withheld(&world, a), ["url"]);
    assert_eq!(world.value(a), json(r#"{"free":0,"host":[1,2]}"#));
}
