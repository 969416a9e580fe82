//! Profiles and references in the engine.

use super::*;
use crate::merge::priority;

fn document(profiles: &[&str], variables: Option<&[(&str, &str)]>) -> DocumentOptions {
    DocumentOptions {
        sources: vec![("file:a.yaml".into(), priority::FILE)],
        profiles: profiles.iter().map(|name| (*name).to_owned()).collect(),
        variables: variables
            .map(|list| list.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()),
        ..DocumentOptions::default()
    }
}

fn load(world: &mut World, at: usize, text: &str) {
    let layer = Layer::from_text("file:a.yaml", priority::FILE, text, Format::Yaml).unwrap();
    world.hosts[at].engine.handle_layer(&name(), "file:a.yaml", Ok(Some(layer)), world.now);
    world.settle(at);
}

const PROFILES: &str = "rate: 1\nprofiles:\n  dev:\n    rate: 2\n  prod: {rate: 3, url: p}\n";

#[test]
fn an_active_profile_lies_over_the_rest_of_its_file_and_is_explained_with_its_line() {
    let mut world = World::new();
    let a = world.add_with(1, None, document(&["dev", "prod"], None));
    load(&mut world, a, PROFILES);
    assert_eq!(world.value(a), json(r#"{"rate":3,"url":"p"}"#));
    let snapshot = world.hosts[a].engine.snapshot(&name()).unwrap();
    let found = snapshot.explain(&path("rate")).unwrap();
    let places: Vec<String> = found.winner.iter().chain(&found.others).map(|one| one.origin.to_string()).collect();
    assert_eq!(places, ["file:a.yaml#prod:5:10", "file:a.yaml#dev:4:5", "file:a.yaml:1:1"]);
    assert_eq!(snapshot.explain_all()[0], found);
    assert_eq!(found.winner.unwrap().source, "file:a.yaml#prod");
}

#[test]
fn without_active_profiles_the_key_is_one_like_others() {
    let mut world = World::new();
    let a = world.add_with(1, None, document(&[], None));
    load(&mut world, a, PROFILES);
    assert_eq!(world.value(a).at(&path("profiles.dev.rate")), Some(&2.into()));
}

#[test]
fn a_profile_that_no_source_has_keeps_the_document_back_and_names_those_there_are() {
    let mut world = World::new();
    let a = world.add_with(1, None, document(&["prd"], None));
    load(&mut world, a, PROFILES);
    assert_eq!(world.value(a), Value::empty_map());
    let rejected = world.hosts[a].engine.status()[0].rejected.clone().unwrap();
    assert_eq!(rejected.errors[0].hint(), Some("did you mean `prod`? the profiles are `dev`, `prod`"));
}

#[test]
fn references_are_replaced_in_what_is_in_force_and_explained_as_written() {
    let mut world = World::new();
    let a = world.add_with(1, None, document(&[], Some(&[("HOST", "h")])));
    load(&mut world, a, "port: 80\nurl: http://${env:HOST}:${port}\n");
    assert_eq!(world.value(a), json(r#"{"port":80,"url":"http://h:80"}"#));
    world.set(a, "port", 81);
    assert_eq!(world.value(a), json(r#"{"port":81,"url":"http://h:81"}"#));
    let found = world.hosts[a].engine.snapshot(&name()).unwrap().explain(&path("url")).unwrap();
    assert_eq!(
        (found.value, found.winner.unwrap().value),
        (Some(crate::policy::MASK.into()), "http://${env:HOST}:${port}".into()),
        "what a variable holds is masked"
    );
    // What was read, edited and put back does not copy what a reference became.
    let request =
        world.hosts[a].engine.replace(&name(), json(r#"{"port":81,"url":"http://h:81","new":1}"#), None, world.now);
    world.settle(a);
    let changed = world.answer(a, request).unwrap().unwrap().changed;
    assert_eq!(changed, [path("new")]);
}

#[test]
fn references_that_form_a_circle_are_told_with_their_place_and_the_old_document_stays() {
    let mut world = World::new();
    let a = world.add_with(1, None, document(&[], Some(&[])));
    load(&mut world, a, "a: 1\nb: ${a}\n");
    load(&mut world, a, "c: 2\na: ${b}\nb: ${a}\n");
    assert_eq!(world.value(a), json(r#"{"a":1,"b":1}"#));
    let rejected = world.hosts[a].engine.status()[0].rejected.clone().unwrap();
    let told = rejected.errors[0].to_string();
    assert_eq!(told, "file:a.yaml:3:1: the references form a circle: `a` -> `b` -> `a` (at `b`)");
    let request = world.set(a, "b", "${nowhere}");
    assert!(world.answer(a, request).unwrap().is_err(), "a command is refused too");
    load(&mut world, a, "c: 2\na: 3\nb: ${a}\n");
    assert_eq!(world.value(a), json(r#"{"a":3,"b":3,"c":2}"#));
    assert_eq!(world.hosts[a].engine.status()[0].rejected, None);
}

#[test]
fn what_takes_a_secret_by_reference_is_secret_too() {
    let mut world = World::new();
    let rule = crate::policy::Rule::on(crate::Pattern::parse("db.password").unwrap()).secret(true);
    let policy = crate::Policy::of([rule]).unwrap();
    let a = world.add_with(1, None, DocumentOptions { policy, ..document(&[], Some(&[])) });
    load(
        &mut world,
        a,
        "db: {password: hunter2, host: h}\nurl: 'pg://${db.password}@${db.host}'\ncopy: ${db}\nagain: ${url}\nplain: ${db.host}\n",
    );
    assert_eq!(world.value(a).child("again"), Some(&"pg://hunter2@h".into()), "programs read what it is");
    let snapshot = world.hosts[a].engine.snapshot(&name()).unwrap();
    assert!(!format!("{:?} {:?} {snapshot:?}", snapshot.explain_all(), snapshot.masked()).contains("hunter2"));
    assert_eq!(snapshot.masked().child("plain"), Some(&"h".into()));
    let below = snapshot.explain(&path("copy.host")).unwrap();
    assert_eq!(below.value, Some(crate::policy::MASK.into()));
}
