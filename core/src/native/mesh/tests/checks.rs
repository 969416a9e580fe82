//! Checks of a program that take long, write, panic, or never answer: nobody but the checked document waits for them.
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock};

use super::http::call;
use super::*;
use crate::schema::{Field, Schema};

/// A check that waits, for every document with `slow`, until it is let go; and what it was asked.
fn gated() -> (Schema, Sender<()>, Receiver<Value>) {
    let (let_go, gate) = channel::<()>();
    let (asked, asks) = channel();
    let (gate, asked) = (Mutex::new(gate), Mutex::new(asked));
    let schema = Schema::new(Field::map()).check(move |document| {
        asked.lock().unwrap().send(document.clone()).ok();
        if document.child("slow").is_some() {
            gate.lock().unwrap().recv().ok();
        }
        match document.child("port") {
            Some(port) if *port == 0.into() => Err(vec![Error::new(Code::Invalid, "no port is 0")]),
            _ => Ok(()),
        }
    });
    (schema, let_go, asks)
}

fn quickest(mut ask: impl FnMut()) -> Duration {
    let mut times = (0..20).map(|_| {
        let since = Instant::now();
        ask();
        since.elapsed()
    });
    times.by_ref().min().unwrap()
}

#[test]
fn a_check_that_hangs_stalls_nobody_and_stands_in_status() {
    let (schema, let_go, asks) = gated();
    let a = listening().schema(schema).check_within_ms(60_000).start().unwrap();
    let b = listening().peer(format!("ws://{}", a.addresses()[0])).start().unwrap();
    a.set("x", 1).wait().unwrap();
    until("they are in step", || shows(&b, "x", 1));
    let slow = a.set("slow", true);
    until("the check is asked", || asks.try_recv().ok().filter(|asked| asked.child("slow").is_some()));
    let behind = a.set("y", 1);
    // It runs, and for as long as it does everything else goes on.
    let to = a.addresses()[0];
    let health = quickest(|| assert_eq!(call(to, "GET /health", &[], "").status, 200));
    assert!(health <= Duration::from_millis(50), "{health:?}");
    b.set("z", 1).wait().unwrap();
    assert_eq!(a.get("x").unwrap(), Some(1.into()));
    let told = until("the writes wait", || {
        let status = a.status().wait().unwrap();
        status.documents[0].status.checking.clone().filter(|checking| checking.writes == 2)
    });
    assert_eq!((told.within_ms, told.late), (60_000, 0));
    let shown = call(to, "GET /status", &[], "").json();
    let document = &shown.child("documents").unwrap().as_list().and_then(|list| list.get(0)).unwrap();
    assert_eq!(document.child("checking").and_then(|checking| checking.child("writes")), Some(&2.into()));
    for _ in 0..20 {
        let_go.send(()).ok();
    }
    slow.wait().unwrap();
    behind.wait().unwrap();
    until("what b wrote is in force", || shows(&a, "z", 1));
    until("nothing waits", || a.status().wait().unwrap().documents[0].status.checking.is_none().then_some(()));
}

#[test]
fn a_write_is_refused_in_time_and_a_late_answer_is_told_and_counts() {
    let (schema, let_go, _asks) = gated();
    let a = listening().schema(schema).check_within_ms(100).start().unwrap();
    let b = listening().peer(format!("ws://{}", a.addresses()[0])).start().unwrap();
    let mut reports = a.reports();
    until("they are in step", || b.status().wait().unwrap().documents[0].status.genesis.clone());
    b.set("slow", true).wait().unwrap();
    let health = until("health says so", || {
        let reasons = call(a.addresses()[0], "GET /health", &[], "").body;
        reasons.contains("gave no answer within 100 ms").then_some(reasons)
    });
    assert!(health.contains("degraded"), "{health}");
    let refused = a.set("x", 1).wait().unwrap_err();
    assert_eq!(refused.code(), Code::Busy);
    assert!(refused.message().contains("gave no answer within 100 ms"), "{refused}");
    assert_eq!(a.get("slow").unwrap(), None, "what was not checked is not in force");
    for _ in 0..20 {
        let_go.send(()).ok();
    }
    until("the late answer counts", || shows(&a, "slow", true));
    a.set("x", 2).wait().unwrap();
    until("it is told", || {
        let told = reports.wait(Duration::from_millis(1)).unwrap()?;
        told.message.contains("answered after").then_some(())
    });
}

#[test]
fn a_check_that_writes_or_panics_refuses_its_document_and_nothing_hangs() {
    let config: std::sync::Arc<OnceLock<Mesh>> = std::sync::Arc::default();
    let own = std::sync::Arc::clone(&config);
    let schema = Schema::new(Field::map()).check(move |document| {
        assert!(document.child("panics").is_none(), "it is there");
        match (document.child("writes"), own.get()) {
            (Some(_), Some(config)) => config.set("other", 1).wait().map(drop).map_err(|error| vec![error]),
            _ => Ok(()),
        }
    });
    let mesh = MeshOptions::default().schema(schema).start().unwrap();
    assert!(config.set(mesh.clone()).is_ok());
    let refused = mesh.set("writes", true).wait().unwrap_err();
    assert!(refused.message().contains("a check cannot write to the configuration that it checks"), "{refused}");
    let refused = mesh.set("panics", true).wait().unwrap_err();
    assert!(refused.message().contains("a check of the program panicked: it is there"), "{refused}");
    mesh.set("fine", true).wait().unwrap();
    assert_eq!(mesh.snapshot().value, json(r#"{"fine":true}"#));
}

#[test]
fn a_start_waits_for_the_checks_and_fails_where_they_refuse_or_say_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (file, data) = (dir.path().join("a.json"), dir.path().join("data"));
    fs::write(&file, r#"{"port": 0}"#).unwrap();
    let start = |schema| {
        MeshOptions::default().bind(&file).data_dir(&data).schema(schema).check_within_ms(200).start().map(drop)
    };
    let refused = start(gated().0).unwrap_err();
    assert_eq!(refused.message(), "no port is 0");
    fs::write(&file, r#"{"slow": true}"#).unwrap();
    let (schema, _let_go, _asks) = gated();
    assert_eq!(start(schema).unwrap_err().code(), Code::Busy);
    // Nothing was founded meanwhile that would take the place of the file.
    fs::write(&file, r#"{"port": 1}"#).unwrap();
    start(gated().0).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), r#"{"port": 1}"#);
    let open = |text: &str| {
        fs::write(&file, text).unwrap();
        crate::open([&file]).schema(gated().0).check_within_ms(200).start()
    };
    assert_eq!(open(r#"{"port": 0}"#).unwrap_err().message(), "no port is 0");
    let config = open(r#"{"port": 2}"#).unwrap();
    assert_eq!(config.get("port").unwrap(), Some(2.into()));
    // What is required is there once all sources are.
    let required = Schema::new(Field::map().field("name", Field::string().required())).check(|_| Ok(()));
    let named = dir.path().join("named.json");
    fs::write(&named, r#"{"name": "n"}"#).unwrap();
    let whole = crate::open([&named]).schema(required).start().unwrap();
    assert_eq!(whole.get("name").unwrap(), Some("n".into()));
    fs::write(&file, r#"{"port": 0}"#).unwrap();
    until("the file is stale", || {
        let sources = config.status().wait().unwrap().documents.remove(0).status.sources;
        let is_stale = |source: &crate::engine::SourceStatus| matches!(&source.state, crate::engine::SourceState::Stale(error) if error.message() == "no port is 0");
        sources.iter().any(is_stale).then_some(())
    });
    assert_eq!(config.get("port").unwrap(), Some(2.into()));
    fs::write(&file, r#"{"port": 3}"#).unwrap();
    until("it is mended", || shows(&config, "port", 3));
}
