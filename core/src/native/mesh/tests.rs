//! Meshes as programs use them: real files, sockets and stores.
use std::fs;
use std::net::TcpListener;
use std::path::{Path as FilePath, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::format::{Format, parse};

mod buses;
mod checks;
mod disk;
mod health;
mod http;
mod locks;
mod mounts;
mod operations;
mod polled;
mod reports;
mod server;
mod starting;
#[cfg(unix)]
mod suite;
mod variables;
mod webhooks;
mod writes;

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

fn listening() -> MeshOptions {
    MeshOptions::default().listen("127.0.0.1:0")
}

/// Two instances that are peers of each other, with a JSON file bound to one and a YAML file to the other.
struct Pair {
    a: Mesh,
    b: Mesh,
    file_a: PathBuf,
    file_b: PathBuf,
    /// Last, so that it outlives them.
    _dir: tempfile::TempDir,
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
    Pair { a, b, file_a, file_b, _dir: dir }
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

#[test]
fn a_restart_keeps_document_and_identity() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("app.toml");
    let options = || MeshOptions::default().bind(&file).data_dir(dir.path().join("data"));
    let first = options().start().unwrap();
    first.set("db.host", "localhost").wait().unwrap();
    let (instance, hash) = (first.instance(), *first.snapshot().hash());
    first.close();
    assert!(fs::read_to_string(&file).unwrap().contains("localhost"), "closing waits for the file");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("localhost", "edited")).unwrap();
    let again = options().start().unwrap();
    assert_eq!(again.instance(), instance);
    assert_eq!(again.get("db.host").unwrap(), Some("edited".into()), "an edit made meanwhile counts");
    again.set("db.host", "localhost").wait().unwrap();
    assert_eq!(*again.snapshot().hash(), hash);
}

#[test]
fn a_busy_port_and_a_busy_data_directory_are_explained() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = MeshOptions::default().listen(&address).start().unwrap_err();
    assert_eq!(error.code(), Code::Listen);
    assert_eq!(error.message(), format!("cannot listen on {address}: address already in use"));
    assert!(error.hint().unwrap().contains("--listen"));
    let dir = tempfile::tempdir().unwrap();
    let _first = MeshOptions::default().data_dir(dir.path()).start().unwrap();
    let error = MeshOptions::default().data_dir(dir.path()).start().unwrap_err();
    assert_eq!(error.code(), Code::InUse);
}

#[test]
fn an_address_that_the_network_reaches_is_refused_unless_that_is_wanted() {
    let error = MeshOptions::default().listen("0.0.0.0:0").start().unwrap_err();
    assert_eq!(error.code(), Code::Listen);
    for way in ["--tls-cert", "--behind-proxy", "--auth", "confmesh token new"] {
        assert!(error.hint().unwrap().contains(way), "{error:?}");
    }
    let dir = tempfile::tempdir().unwrap();
    let auth = dir.path().join("auth.toml");
    std::fs::write(&auth, "").unwrap();
    let proxied = MeshOptions { behind_proxy: true, ..MeshOptions::default() }.listen("0.0.0.0:0");
    assert!(proxied.clone().start().unwrap_err().message().ends_with("there is no authentication"));
    let known = MeshOptions::default().auth(&auth).listen("0.0.0.0:0").start().unwrap_err();
    assert!(known.message().ends_with("there is no TLS"), "{known:?}");
    let open = proxied.auth(&auth).start().unwrap();
    assert!(open.addresses()[0].ip().is_unspecified());
    let plain = MeshOptions::default().peer("ws://10.0.0.7:8765").start().unwrap_err();
    assert!(plain.code() == Code::Usage && plain.hint().unwrap().contains("wss://"), "{plain:?}");
}

#[test]
fn its_own_address_as_a_peer_does_no_harm() {
    let port = free_port();
    let mesh = MeshOptions::default()
        .listen(format!("127.0.0.1:{port}"))
        .peer(format!("ws://127.0.0.1:{port}"))
        .found_after_ms(50)
        .start()
        .unwrap();
    mesh.set("a", 1).wait().unwrap();
    let status = mesh.status().wait().unwrap();
    assert_eq!(status.peers.len(), 1);
}

#[test]
fn read_only_files_lie_below_the_shared_layer_and_later_ones_win() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name)
    };
    let (base, local) = (write("base.json", r#"{"a": 1, "b": 1, "c": 1}"#), write("local.yaml", "b: 2\nc: 2\n"));
    let mesh = MeshOptions::default().file(&base).file(&local).start().unwrap();
    mesh.set("c", 3).wait().unwrap();
    assert_eq!(mesh.snapshot().value, json(r#"{"a": 1, "b": 2, "c": 3}"#));
    let sources = mesh.status().wait().unwrap().documents.remove(0).status.sources;
    let sources: Vec<_> = sources.iter().map(|source| source.priority).collect();
    assert_eq!(sources, [20, 30, 31]);
}

#[test]
fn a_subscription_gets_the_leaves_that_it_asked_for() {
    let mesh = MeshOptions::default().start().unwrap();
    let mut limits = mesh.subscribe("limits.*").unwrap();
    mesh.set("name", "x").wait().unwrap();
    let receipt = mesh.set("limits", json(r#"{"rate": 1, "burst": 2}"#)).wait().unwrap();
    let Some(Notification::Changed(set)) = limits.wait(LONG).unwrap() else { panic!("no change") };
    let paths: Vec<_> = set.changes.iter().map(|change| change.path.to_string()).collect();
    assert_eq!(paths, ["limits.burst", "limits.rate"]);
    assert_eq!((set.snapshot.revision, set.cause.as_str()), (receipt.snapshot.revision, "shared"));
    assert!(limits.try_next().unwrap().is_none());
    assert!(limits.wait(Duration::ZERO).unwrap().is_none());
    mesh.close();
    assert_eq!(limits.wait(LONG).unwrap_err().code(), Code::Closed);
}

#[test]
fn a_slow_subscription_is_told_once_and_ends_with_the_newest() {
    let mesh = MeshOptions::default().start().unwrap();
    let mut slow = mesh.subscribe("*").unwrap();
    let writes = 1_030;
    let answers: Vec<_> = (1..=writes).map(|number| mesh.set("n", number)).collect();
    for answer in answers {
        answer.wait().unwrap();
    }
    let mut lagged = Vec::new();
    let mut last = None;
    while let Some(next) = slow.try_next().unwrap() {
        match next {
            Notification::Lagged(missed) => lagged.push(missed),
            Notification::Changed(set) => last = set.snapshot.value.child("n").cloned(),
        }
    }
    assert_eq!(lagged, [u64::try_from(writes).unwrap() - 1_024]);
    assert_eq!(last, Some(writes.into()));
}

#[test]
fn a_dropped_subscription_is_gone_at_once() {
    let mesh = MeshOptions::default().start().unwrap();
    let subscription = mesh.subscribe("*").unwrap();
    assert_eq!(mesh.owner.0.subscribers.count(), 1);
    drop(subscription);
    assert_eq!(mesh.owner.0.subscribers.count(), 0);
}

#[test]
fn a_closed_mesh_can_be_read_and_says_so_to_writers() {
    let mesh = listening().start().unwrap();
    mesh.set("a", 1).wait().unwrap();
    let address = mesh.addresses()[0];
    let other = mesh.clone();
    mesh.close();
    other.close();
    assert_eq!(other.get("a").unwrap(), Some(1.into()));
    for error in [other.set("a", 2).wait().unwrap_err(), other.subscribe("*").unwrap_err()] {
        assert_eq!(error.code(), Code::Closed);
    }
    assert!(TcpListener::bind(address).is_ok(), "nobody listens any more");
}

#[test]
fn dropping_the_last_handle_closes_it() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..3 {
        let mesh = MeshOptions::default().data_dir(dir.path()).start().unwrap();
        let _unheeded = mesh.set(&format!("run{number}"), number);
    }
    let mesh = MeshOptions::default().data_dir(dir.path()).start().unwrap();
    assert_eq!(mesh.snapshot().value, json(r#"{"run0": 0, "run1": 1, "run2": 2}"#));
}

#[test]
fn answers_can_be_awaited_on_any_runtime() {
    let mesh = MeshOptions::default().start().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let value = runtime.block_on(async {
        let mut changes = mesh.subscribe("*").unwrap();
        let (receipt, change) = futures_util::future::join(mesh.set("a", 5), changes.next()).await;
        assert!(matches!(change, Some(Notification::Changed(_))));
        receipt.unwrap().snapshot.value.clone()
    });
    assert_eq!(value, json(r#"{"a": 5}"#));
}

#[test]
fn writes_are_conditional_and_patches_are_whole_or_nothing() {
    let mesh = MeshOptions::default().start().unwrap();
    let old = *mesh.snapshot().hash();
    mesh.replace(json(r#"{"a": 1, "b": {"c": 2}}"#), Some(old.into())).wait().unwrap();
    let error = mesh.replace(json("{}"), Some(old.into())).wait().unwrap_err();
    assert_eq!(error.code(), Code::Stale);
    let patch = |text: &str| Patch::from_value(&json(text)).unwrap();
    let bad = patch(r#"[{"op":"remove","path":"/a"},{"op":"remove","path":"/nothing"}]"#);
    assert_eq!(mesh.patch(bad, None).wait().unwrap_err().code(), Code::PatchFailed);
    mesh.patch(patch(r#"[{"op":"replace","path":"/b/c","value":3}]"#), None).wait().unwrap();
    mesh.merge_patch(json(r#"{"a": null, "d": true}"#), None).wait().unwrap();
    mesh.unset("d").wait().unwrap();
    assert_eq!(mesh.snapshot().value, json(r#"{"b": {"c": 3}}"#));
}

#[test]
fn a_bound_file_that_is_broken_from_the_start_is_refused_and_later_keeps_its_last_good_content() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("app.json");
    let options = || MeshOptions::default().bind(&file).data_dir(dir.path().join("data"));
    fs::write(&file, "{\"a\": }").unwrap();
    let error = options().start().unwrap_err();
    assert_eq!(error.code(), Code::Syntax);
    assert!(error.to_string().contains("app.json:1:7"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"a\": }", "nobody wrote to it");
    fs::write(&file, "{\"a\": 1}").unwrap();
    let mesh = options().start().unwrap();
    fs::write(&file, "{\"a\": ").unwrap();
    until("the file is stale", || (!mesh.status().wait().unwrap().is_healthy()).then_some(()));
    assert_eq!(mesh.get("a").unwrap(), Some(1.into()));
    mesh.set("b", 2).wait().unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"a\": ", "a file that somebody is working on is left alone");
    mesh.close();
    let mesh = options().start().unwrap();
    assert_eq!(mesh.get("b").unwrap(), Some(2.into()), "what the store holds goes on without the file");
    fs::write(&file, "{\"a\": 3}").unwrap();
    until("the file is in force again", || shows(&mesh, "a", 3));
    until("what was set meanwhile is written", || holds(&file, "\"b\": 2"));
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_written_is_told_and_written_later() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("locked");
    fs::create_dir(&inner).unwrap();
    let file = inner.join("app.json");
    fs::write(&file, "{\"a\": 1}").unwrap();
    let mesh = MeshOptions::default().bind(&file).start().unwrap();
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(inner.join("probe"), "").is_ok() {
        // The administrator may write everywhere: a directory in place of the file stops even them.
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o700)).unwrap();
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
    }
    mesh.set("a", 2).wait().unwrap();
    until("the failure shows", || (!mesh.status().wait().unwrap().is_healthy()).then_some(()));
    fs::set_permissions(&inner, fs::Permissions::from_mode(0o700)).unwrap();
    let _ = fs::remove_dir(&file);
    until("it is written after all", || holds(&file, "\"a\": 2"));
    until("all is well", || mesh.status().wait().unwrap().is_healthy().then_some(()));
}

#[test]
fn an_opened_configuration_reads_files_and_environment_and_takes_runtime_writes() {
    let dir = tempfile::tempdir().unwrap();
    let (base, local) = (dir.path().join("base.json"), dir.path().join("local.toml"));
    fs::write(&base, r#"{"name": "file", "port": 1, "host": "h"}"#).unwrap();
    fs::write(&local, "port = 2\n").unwrap();
    let config = open([&base, &local]).env_prefix("CARGO_PKG").start().unwrap();
    assert_eq!(config.get("name").unwrap(), Some("confmesh".into()));
    assert_eq!(config.get("port").unwrap(), Some(2.into()));
    config.set("port", 3).wait().unwrap();
    assert_eq!(config.explain("port").unwrap().unwrap().winner.unwrap().source, "runtime");
    let mut changes = config.subscribe("host").unwrap();
    fs::write(&base, r#"{"name": "file", "port": 1, "host": "new"}"#).unwrap();
    assert!(matches!(changes.wait(LONG), Ok(Some(Notification::Changed(_)))));
    fs::write(&base, "{").unwrap();
    until("the file is stale", || (!config.status().wait().unwrap().is_healthy()).then_some(()));
    assert_eq!(config.get("host").unwrap(), Some("new".into()), "the last good content stays");
}

#[test]
fn opening_a_broken_or_missing_file_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("app.yaml");
    let error = open([&file]).start().unwrap_err();
    assert_eq!(error.code(), Code::File);
    fs::write(&file, "a: 1\nb: [\n").unwrap();
    let error = open([&file]).start().unwrap_err();
    assert!(error.to_string().contains("app.yaml:"), "{error}");
    let error = open([dir.path().join("app.xml")]).start().unwrap_err();
    assert_eq!(error.code(), Code::UnknownFormat);
}

#[test]
fn many_saves_in_a_row_arrive_in_the_end_and_none_is_reverted() {
    let pair = pair(|options, _| options);
    for number in 100..130 {
        fs::write(&pair.file_a, format!("{{\n  \"rate\": {number},\n  \"name\": \"first\"\n}}\n")).unwrap();
        pair.b.set("other", number).wait().unwrap();
    }
    until("the last edit and the last write are everywhere", || {
        let all = |mesh: &Mesh| shows(mesh, "rate", 129).and(shows(mesh, "other", 129));
        all(&pair.a).and(all(&pair.b)).and(holds(&pair.file_a, "129")).and(holds(&pair.file_b, "rate: 129"))
    });
}

#[test]
fn an_edit_is_on_the_other_instances_disk_soon() {
    let pair = pair(|options, _| options);
    let mut times: Vec<Duration> = (0..21)
        .map(|number| {
            let start = Instant::now();
            fs::write(&pair.file_a, format!("{{\n  \"rate\": {},\n  \"name\": \"first\"\n}}\n", 1_000 + number))
                .unwrap();
            until("the edit reaches b.yaml", || holds(&pair.file_b, &format!("rate: {}", 1_000 + number)));
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("from saving a.json to bytes in b.yaml: median {:?}, worst {:?}", times[10], times[20]);
    assert!(times[10] < Duration::from_secs(2), "{times:?}");
}
