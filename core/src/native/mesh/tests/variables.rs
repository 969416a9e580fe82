//! Variables that change while a program runs.
use std::ffi::OsString;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::polled::{spec, until};
use crate::engine::SourceState;
use crate::schema::{Field, Schema};
use crate::{Environment, MeshOptions, Notification, open, watch_variables};

/// The environment of a program, which it changes.
#[derive(Clone, Default)]
struct Own(Arc<Mutex<Vec<(OsString, OsString)>>>);

impl Own {
    fn set(&self, variables: &[(&str, &str)]) {
        let mut own = self.0.lock().unwrap();
        own.clear();
        own.extend(variables.iter().map(|(name, text)| (OsString::from(name), OsString::from(text))));
    }

    fn environment(&self) -> Environment {
        let own = self.clone();
        Environment::of(move || Some(own.0.lock().unwrap().clone()))
    }
}

#[test]
fn what_a_program_sets_comes_into_force_as_one_change_and_unset_is_not_empty() {
    let own = Own::default();
    own.set(&[("APP_LEVEL", "info"), ("APP_HOST", "a"), ("OTHER", "x")]);
    let config = open(Vec::<String>::new())
        .environment(own.environment())
        .source(spec("env:APP;interval=100ms"))
        .start()
        .unwrap();
    assert_eq!(config.get("level").unwrap(), Some("info".into()));
    let mut changes = config.subscribe("**").unwrap();
    own.set(&[("APP_LEVEL", "debug"), ("APP_PORT", ""), ("OTHER", "y")]);
    let Some(Notification::Changed(set)) = changes.wait(Duration::from_secs(30)).unwrap() else { panic!() };
    let told: Vec<String> =
        set.changes.iter().map(|change| format!("{} {:?} {:?}", change.path, change.old, change.new)).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(config.get("host").unwrap(), None);
    assert_eq!(config.get("port").unwrap(), Some("".into()));
    assert_eq!(config.explain("level").unwrap().unwrap().winner.unwrap().source, "env:APP");
}

#[test]
fn a_field_with_a_variable_of_its_own_follows_it_with_its_type_and_refuses_what_does_not_fit() {
    let own = Own::default();
    let schema = Schema::new(Field::map().field("workers", Field::integer().env("WORKERS").default_to(4)));
    let config = open(Vec::<String>::new()).environment(own.environment()).schema(schema).start().unwrap();
    let workers = || config.get("workers").unwrap();
    assert_eq!(workers(), Some(4.into()));
    own.set(&[("WORKERS", "8")]);
    until("it is set", || workers() == Some(8.into()));
    own.set(&[("WORKERS", "many")]);
    until("it is told", || !config.snapshot().warnings().is_empty());
    assert_eq!(workers(), Some(8.into()), "what was there before stays");
    own.set(&[]);
    until("it is unset", || workers() == Some(4.into()) && config.snapshot().warnings().is_empty());
}

#[test]
fn the_file_of_a_secret_is_followed_and_where_it_is_gone_the_last_secret_stays() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "one\n").unwrap();
    let own = Own::default();
    own.set(&[("APP_PASSWORD", &format!("file://{}", file.display()))]);
    let policy = crate::Policy::of([crate::policy::Rule::on(crate::Pattern::parse("password").unwrap()).secret(true)]);
    let config = MeshOptions::default().environment(own.environment()).policy(policy.unwrap());
    let config = config.source(spec("env:APP;interval=100ms")).start().unwrap();
    let password = || config.get("password").unwrap();
    assert_eq!(password(), Some("one".into()));
    std::fs::write(&file, "two\n").unwrap();
    until("the new secret", || password() == Some("two".into()));
    std::fs::remove_file(&file).unwrap();
    let state = |config: &crate::Mesh| super::polled::source_states(config)["env:APP"].0.clone();
    until(
        "it is told",
        || matches!(state(&config), SourceState::Stale(error) if error.message().contains("no such file")),
    );
    assert_eq!(password(), Some("two".into()));
    std::fs::write(&file, "three\n").unwrap();
    until("it is back", || password() == Some("three".into()) && state(&config) == SourceState::Fresh);
}

#[test]
fn variables_are_followed_by_name_one_change_a_look() {
    let own = Own::default();
    own.set(&[("A", "1"), ("B", ""), ("C", "x")]);
    let mut changes = watch_variables(["A", "B", "D"], Duration::from_millis(50), own.environment()).unwrap();
    assert_eq!(changes.wait(Duration::from_millis(120)).unwrap(), None, "what they are is no change");
    own.set(&[("A", "2"), ("C", "y"), ("D", "")]);
    let begun = Instant::now();
    let change = changes.wait(Duration::from_secs(30)).unwrap().unwrap();
    let text = |text: &str| Some(text.to_owned());
    let expected = [("A", (text("1"), text("2"))), ("B", (text(""), None)), ("D", (None, text("")))];
    assert_eq!(change, expected.map(|(name, both)| (name.to_owned(), both)).into_iter().collect());
    assert!(begun.elapsed() < Duration::from_secs(20));
    changes.close();
    assert!(changes.wait(Duration::from_secs(30)).is_err());
}
