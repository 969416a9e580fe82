//! One write, and what it costs as the document grows: of a replica in a program's own hands, and through an engine from
//! the command to the durable answer (the store is a list). The pure core is enough:
//! `cargo bench -p confmesh-benches --no-default-features --features confmesh/binary,confmesh/replication --bench write`.
#![expect(clippy::expect_used, reason = "a benchmark may stop at the first surprise")]

use std::cell::Cell;

use confmesh::clock::Now;
use confmesh::document::Document;
use confmesh::engine::{DocumentOptions, Engine, EngineConfig, Event};
use confmesh::id::{DocumentName, Genesis, InstanceId, ReplicaId};
use confmesh::{Path, Policy, Value};
use confmesh_benches::{Report, contender};

const NOW: Now = Now { wall_ms: 1_795_255_200_000, mono_ms: 1_000 };

fn main() {
    let mut report = Report::new();
    for keys in [100, 1_000, 10_000, 100_000] {
        report.group(format!("{keys} keys, each written once before"));
        case(&mut report, keys);
    }
}

fn path(at: usize) -> Path {
    Path::parse(&format!("group-{:02}.service-{}.key-{at:06}", at % 16, at / 16 % 8)).expect("a path")
}

/// Writes other values to keys far apart.
fn case(report: &mut Report, keys: usize) {
    let paths: Vec<Path> = (0..keys).map(path).collect();
    let turn = Cell::new(0_usize);
    let next = || {
        turn.set(turn.get() + 1);
        let path = paths.get(turn.get() * 7_919 % keys).expect("a key");
        (path, Value::from(format!("value-{}", turn.get()).as_str()))
    };
    let mut alone = Document::found(ReplicaId::from_bytes([1; 16]), Genesis::from_bytes([9; 16]), Policy::default());
    let mut peer = alone.fork(ReplicaId::from_bytes([2; 16]));
    let [mut served, mut noted, mut hashed] = [engine(), engine(), engine()];
    for path in &paths {
        alone.set(path, "value".into(), None, NOW.wall_ms).expect("a write");
        for engine in [&mut served, &mut noted, &mut hashed] {
            set(engine, path, "value".into());
        }
    }
    peer.apply(&alone.save().expect("bytes"), NOW.wall_ms).expect("all of it");
    let mut live = alone.clone();
    let mut shown = alone.clone();
    report.compare(
        "one write",
        vec![
            contender("document", || {
                let (path, value) = next();
                alone.set(path, value, None, NOW.wall_ms).expect("a write")
            }),
            contender("document, while a snapshot of it is held", || {
                let (path, value) = next();
                let held = shown.value().clone();
                (held, shown.set(path, value, None, NOW.wall_ms).expect("a write"))
            }),
            contender("document to another one: write, delta, apply", || {
                let since = peer.version().expect("a version");
                let (path, value) = next();
                live.set(path, value, None, NOW.wall_ms).expect("a write");
                peer.apply(&live.delta(Some(&since)).expect("bytes"), NOW.wall_ms).expect("one write")
            }),
        ],
    );
    report.compare(
        "one write through an engine",
        vec![
            contender("command to durable answer", || {
                let (path, value) = next();
                set(&mut served, path, value);
            }),
            contender("and the digest that an ETag says", || {
                let (path, value) = next();
                set(&mut noted, path, value);
                noted.snapshot(&DocumentName::default_name()).expect("a document").digest()
            }),
            contender("and the content hash", || {
                let (path, value) = next();
                set(&mut hashed, path, value);
                *hashed.snapshot(&DocumentName::default_name()).expect("a document").hash()
            }),
        ],
    );
}

fn engine() -> Engine {
    let none: [(&[u8], &[u8]); 0] = [];
    let config = EngineConfig::new(InstanceId::from_bytes([7; 16]), [3; 32]);
    let mut engine = Engine::new(config, none).expect("an empty store");
    let options = DocumentOptions { shared: true, ..DocumentOptions::default() };
    engine.open(DocumentName::default_name(), options, NOW);
    drive(&mut engine);
    engine
}

fn set(engine: &mut Engine, path: &Path, value: Value) {
    let request = engine.set(&DocumentName::default_name(), path.clone(), value, NOW);
    let answered = drive(engine);
    assert!(answered.contains(&request), "the write is answered");
}

/// Stores what is to be stored, and takes what is told: the requests that were answered.
fn drive(engine: &mut Engine) -> Vec<confmesh::engine::RequestId> {
    while let Some(batch) = engine.poll_persist() {
        engine.handle_persisted(batch.ticket, NOW);
    }
    let mut answered = Vec::new();
    while let Some(event) = engine.poll_event() {
        if let Event::Written { request, result } = event {
            result.expect("it is written");
            answered.push(request);
        }
    }
    answered
}
