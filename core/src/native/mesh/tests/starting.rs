//! What sources that are polled do to a start, and what is said of those that never were there.
use std::time::{Duration, Instant};

use super::polled::{good, limit, source_states, spec, until};
use super::server::{Server, answer, ok};
use crate::engine::SourceState;
use crate::native::mesh::{Mesh, MeshOptions};
use crate::open;
use crate::schema::{Field, Schema};

/// What is kept in a data directory.
fn kept_in(dir: &std::path::Path) -> usize {
    std::fs::read_dir(dir.join("sources")).map(|found| found.count()).unwrap_or(0)
}

#[test]
fn of_first_documents_the_one_that_is_refused_is_neither_fresh_nor_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (fine, bad) = (Server::start(), Server::start());
    fine.behave(good(7));
    bad.behave(|_| ok("application/json", "", "{\"other\": \"text\", \"more\": 1}"));
    let schema = Schema::new(Field::map().field("limit", Field::integer()).field("other", Field::integer()));
    let (fine_source, bad_source) = (spec(&fine.url("/")), spec(&format!("{};interval=100ms", bad.url("/"))));
    // There may be others who mend the document, so it starts whatever the sources say.
    let options =
        MeshOptions::default().data_dir(dir.path()).schema(schema).peer("ws://127.0.0.1:1").found_after_ms(50);
    let mesh = options.source(bad_source.clone()).source(fine_source.clone()).start().unwrap();
    let states = source_states(&mesh);
    assert_eq!(states[&fine_source.id()].0, SourceState::Fresh);
    assert!(matches!(&states[&bad_source.id()].0, SourceState::Stale(error) if error.to_string().contains("other")));
    assert_eq!((limit(&mesh), mesh.get("more").unwrap()), (Some(7.into()), None));
    until("the good one is kept", || kept_in(dir.path()) > 0);
    assert_eq!(kept_in(dir.path()), 1);
    bad.behave(|_| ok("application/json", "", "{\"other\": 1, \"more\": 2}"));
    until("it is mended", || mesh.get("more").unwrap() == Some(2.into()));
    until("both are kept", || kept_in(dir.path()) == 2);
}

#[test]
fn a_source_that_never_answered_has_no_age_and_what_is_missing_is_said_once() {
    let server = Server::start();
    server.behave(|_| answer("503 Service Unavailable", "", b""));
    let source = spec(&format!("{};interval=10s", server.url("/")));
    let mesh = MeshOptions::default().source(source.clone()).start().unwrap();
    let shown = mesh.status().wait().unwrap().to_value();
    let text = crate::canonical::canonical(&shown);
    assert!(!text.contains("\"age_ms\"") && !text.contains("served_from"), "{text}");
    let checks = mesh.health().wait().unwrap().checks;
    let reasons = &checks.iter().find(|check| check.name == "sources").unwrap().reasons;
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].to_string().contains("none is kept: ") && reasons[0].to_string().contains("answered 503"));
}

#[test]
fn a_directory_that_keeps_nothing_is_told_once_and_makes_the_instance_degraded() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("sources"), "a file where the directory should be").unwrap();
    let server = Server::start();
    server.behave(good(1));
    let config =
        open(Vec::<String>::new()).data_dir(dir.path()).source(spec(&format!("{};interval=100ms", server.url("/"))));
    let config = config.start().unwrap();
    let degraded = |config: &Mesh| {
        let checks = config.health().wait().unwrap().checks;
        let store = checks.into_iter().find(|check| check.name == "store").unwrap();
        store.reasons.iter().map(ToString::to_string).collect::<String>()
    };
    until("it is told", || degraded(&config).contains("keep a source's document in"));
    server.behave(good(2));
    until("another document", || limit(&config) == Some(2.into()));
    std::fs::remove_file(dir.path().join("sources")).unwrap();
    server.behave(good(3));
    until("it can be kept again", || degraded(&config).is_empty());
    let (mut reports, mut told) = (config.reports(), 0);
    while let Ok(Some(report)) = reports.wait(Duration::ZERO) {
        told += usize::from(report.message.contains("keep a source's document in"));
    }
    assert_eq!(told, 1);
}

#[test]
fn with_a_key_file_secrets_are_kept_sealed_and_a_start_without_anybody_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("confmesh.key");
    std::fs::write(&key, crate::secret::key_line(&[5; 32])).unwrap();
    let server = Server::start();
    server.behave(|_| ok("application/json", "", "{\"limit\": 7, \"password\": \"hunter2\"}"));
    let source = spec(&format!("{};interval=100ms;secret", server.url("/")));
    let options = || MeshOptions::default().data_dir(dir.path()).source(source.clone());
    let mesh = options().encrypt_key_file(&key).start().unwrap();
    until("it is kept", || kept_in(dir.path()) == 1);
    mesh.close();
    let file = std::fs::read_dir(dir.path().join("sources")).unwrap().next().unwrap().unwrap().path();
    assert!(!std::fs::read_to_string(&file).unwrap().contains("hunter2"));
    server.behave(|_| answer("503 Service Unavailable", "", b""));
    let mesh = options().encrypt_key_file(&key).start().unwrap();
    assert_eq!((limit(&mesh), mesh.get("password").unwrap()), (Some(7.into()), Some("hunter2".into())));
    assert!(!mesh.explain("password").unwrap().unwrap().to_string().contains("hunter2"), "it is secret still");
    mesh.close();
    // Another key opens nothing, says so, and the instance starts without it.
    std::fs::write(&key, crate::secret::key_line(&[6; 32])).unwrap();
    let mesh = options().encrypt_key_file(&key).start().unwrap();
    assert_eq!(limit(&mesh), None);
    let mut reports = mesh.reports();
    let said = std::iter::from_fn(|| reports.wait(Duration::ZERO).unwrap()).map(|report| report.message);
    assert!(said.collect::<String>().contains("which is not in the key file"));
    let error = options().encrypt_key_file(dir.path().join("none")).start().unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("confmesh key new")), "{error}");
}

#[test]
fn an_optional_source_that_hangs_does_not_hold_up_the_start() {
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/;timeout=1h", hangs.local_addr().unwrap());
    let server = Server::start();
    server.behave(good(1));
    let begun = Instant::now();
    let config =
        open(Vec::<String>::new()).source(spec(&server.url("/;optional"))).source(spec(&format!("{url};optional")));
    let config = config.start().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(limit(&config), Some(1.into()), "one that answers is there from the start");
    assert!(source_states(&config).values().any(|(state, _)| *state == SourceState::Missing));
}
