//! Meshes as programs use them: real files, sockets and stores.
use std::fs;
use std::net::TcpListener;
use std::path::{Path as FilePath, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::format::{Format, parse};

const LONG: Duration = Duration::from_secs(20);

/// Waits until a condition holds.
#[track_caller]
fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LONG;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < end, "not within {LONG:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn json(text: &str) -> Value {
    parse(text, Format::Json).unwrap()
}

fn holds(path: &FilePath, words: &str) -> Option<()> {
    fs::read_to_string(path).is_ok_and(|text| text.contains(words)).then_some(())
}

fn shows(mesh: &Mesh, path: &str, value: impl Into<Value>) -> Option<()> {
    (mesh.get(path).unwrap() == Some(value.into())).then_some(())
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn url(mesh: &Mesh) -> String {
    format!("ws://{}", mesh.addresses()[0])
}

fn listening() -> MeshOptions {
    MeshOptions::default().listen("127.0.0.1:0")
}

/// Two instances that are peers of each other, with a JSON file bound to one and a YAML file to the other.
struct Pair {
    _dir: tempfile::TempDir,
    a: Mesh,
    b: Mesh,
    file_a: PathBuf,
    file_b: PathBuf,
}

fn pair(change: impl Fn(MeshOptions, char) -> MeshOptions) -> Pair {
    let dir = tempfile::tempdir().unwrap();
    let (file_a, file_b) = (dir.path().join("a.json"), dir.path().join("b.yaml"));
    let (port_a, port_b) = (free_port(), free_port());
    fs::write(&file_a, "{\n  \"rate\": 10,\n  \"name\": \"first\"\n}\n").unwrap();
    let options = |name: char, file: &FilePath, own: u16, other: u16| {
        let options = MeshOptions::default()
            .bind(file)
            .listen(format!("127.0.0.1:{own}"))
            .peer(format!("ws://127.0.0.1:{other}"))
            .data_dir(dir.path().join(format!("data-{name}")))
            .found_after_ms(200);
        change(options, name)
    };
    let a = options('a', &file_a, port_a, port_b).start().unwrap();
    until("a founds its document from its file", || shows(&a, "rate", 10));
    until("a is founded", || a.status().wait().unwrap().documents[0].status.genesis.clone());
    let b = options('b', &file_b, port_b, port_a).start().unwrap();
    until("b takes the document over", || shows(&b, "rate", 10));
    until("b writes its file", || holds(&file_b, "rate: 10"));
    Pair { _dir: dir, a, b, file_a, file_b }
}

#[test]
fn an_edit_of_either_file_reaches_the_other_one() {
    let pair = pair(|options, _| options);
    fs::write(&pair.file_a, "{\n  \"rate\": 20,\n  \"name\": \"first\"\n}\n").unwrap();
    until("the edit of a.json reaches b.yaml", || holds(&pair.file_b, "rate: 20"));
    let text = fs::read_to_string(&pair.file_b).unwrap();
    fs::write(&pair.file_b, text.replace("first", "second")).unwrap();
    until("the edit of b.yaml reaches a.json", || holds(&pair.file_a, "second"));
    for mesh in [&pair.a, &pair.b] {
        until("both show both", || shows(mesh, "name", "second").and(shows(mesh, "rate", 20)));
    }
    assert_eq!(pair.a.snapshot().hash(), pair.b.snapshot().hash());
}

#[test]
fn a_set_reaches_both_files_and_is_explained() {
    let pair = pair(|options, name| if name == 'b' { options.env_prefix("CARGO_PKG") } else { options });
    let receipt = pair.b.set("limits.burst", 7).wait().unwrap();
    assert_eq!(receipt.changed, [Path::parse("limits.burst").unwrap()]);
    until("both files hold it", || holds(&pair.file_a, "\"burst\": 7").and(holds(&pair.file_b, "burst: 7")));
    // Cargo sets CARGO_PKG_NAME for every test: on b the environment wins over the shared layer.
    assert_eq!(pair.b.get("name").unwrap(), Some("confmesh".into()));
    assert_eq!(pair.a.get("name").unwrap(), Some("first".into()));
    let explanation = pair.b.explain("name").unwrap().unwrap();
    assert_eq!(explanation.winner.unwrap().origin.to_string(), "env:CARGO_PKG (CARGO_PKG_NAME)");
    let receipt = pair.b.set("name", "hidden").wait().unwrap();
    assert_eq!(receipt.shadowed_by.as_deref(), Some("env:CARGO_PKG"));
    until("the file has what the environment hides", || holds(&pair.file_a, "hidden"));
}
