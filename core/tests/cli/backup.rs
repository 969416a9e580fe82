//! Backups of instances that run and of directories that do not, and what comes back from them.
use std::fs;
use std::path::Path;

use super::guarded::{Guarded, token};
use super::process::{Instance, wait_for};
use super::{dir, json, run};

fn instance_id(instance: &Instance) -> String {
    instance.status()["instance_id"].as_str().unwrap().to_owned()
}

/// Waits until both show one document.
#[track_caller]
fn agreed(one: &Instance, other: &Instance) -> serde_json::Value {
    let shown = |instance: &Instance| json(&instance.data(&["get", "--json"]));
    wait_for("agreement", || Some(shown(one)).filter(|found| *found == shown(other)))
}

fn peer(instance: &Instance) -> String {
    instance.url.replace("http://", "ws://") + "/sync"
}

/// A member is backed up while it runs, goes on, dies, and comes back from the backup.
fn comes_back(settles: bool) {
    let dir = dir(&[("a.json", "{\n  \"limit\": 1\n}\n")]);
    let settle: &[&str] = if settles { &["--settle"] } else { &[] };
    let hub = Instance::start(dir.path(), &[&["--data-dir", "hub", "--bind", "a.json"], settle].concat(), &[]);
    let to = peer(&hub);
    let options = ["--data-dir", "spoke", "--bind", "b.json", "--peer", &to, "--found-after", "60000"];
    let mut spoke = Instance::start(dir.path(), &options, &[]);
    spoke.data(&["set", "of.spoke", "1"]);
    hub.data(&["set", "of.hub", "1"]);
    agreed(&hub, &spoke);
    wait_for("the file", || {
        fs::read_to_string(dir.path().join("b.json")).is_ok_and(|t| t.contains("hub")).then_some(())
    });
    let file = dir.path().join("b.backup").display().to_string();
    let told = spoke.run(&["backup", &file]);
    assert!(told.status == 0 && told.stderr.contains("of `default`"), "{told:?}");
    // Both go on, under the names that the backup knows.
    spoke.data(&["set", "of.spoke", "2"]);
    spoke.data(&["set", "later", "spoke"]);
    agreed(&hub, &spoke);
    hub.data(&["set", "of.hub", "2"]);
    hub.data(&["unset", "limit"]);
    let before = agreed(&hub, &spoke);
    wait_for("the file", || {
        fs::read_to_string(dir.path().join("b.json")).is_ok_and(|t| !t.contains("limit")).then_some(())
    });
    let was = instance_id(&spoke);
    spoke.process.signal("KILL");
    spoke.process.ended();
    // While it is away somebody changes what its file says.
    hub.data(&["set", "later", "hub"]);
    hub.data(&["set", "of.hub", "3"]);
    let kept = run(dir.path(), &["restore", "b.backup", "--data-dir", "spoke"]).complaint(1);
    assert!(kept.contains("holds a document") && kept.contains("--force"), "{kept}");
    let told = run(dir.path(), &["restore", "b.backup", "--data-dir", "spoke", "--force"]);
    assert!(told.status == 0 && told.stderr.contains("comes back as another one"), "{told:?}");
    let spoke = Instance::start(dir.path(), &options, &[]);
    let after =
        wait_for("what was written since", || Some(agreed(&hub, &spoke)).filter(|after| after["of"]["spoke"] == 2));
    let mut expected = before;
    (expected["later"], expected["of"]["hub"]) = ("hub".into(), 3.into());
    assert_eq!(after, expected, "nothing is taken back");
    assert_ne!(instance_id(&spoke), was);
    // What it writes now is new to everybody, and what they write reaches it.
    wait_for("a write of its own", || (spoke.run(&["set", "of.spoke", "3"]).status == 0).then_some(()));
    hub.data(&["set", "of.hub", "4"]);
    wait_for("both", || {
        let found = agreed(&hub, &spoke);
        (found["of"]["spoke"] == 3 && found["of"]["hub"] == 4).then_some(())
    });
    assert_eq!(json(&hub.data(&["conflicts", "--json"]))["conflicts"], serde_json::json!([]));
    wait_for("the bound file", || {
        let text = fs::read_to_string(dir.path().join("b.json")).unwrap();
        (json(&text) == agreed(&hub, &spoke)).then_some(())
    });
}

#[test]
fn an_instance_comes_back_from_a_backup_as_another_one_and_takes_nothing_back() {
    comes_back(false);
}

#[test]
fn an_instance_comes_back_from_a_backup_where_history_is_dropped() {
    comes_back(true);
}

#[test]
fn a_directory_is_backed_up_and_restored_elsewhere_with_its_history_and_nobody_else() {
    let dir = dir(&[("a.json", "{\n  \"limit\": 1\n}\n")]);
    let mut first = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
    first.data(&["set", "limit", "2", "--message", "twice as much"]);
    let told = run(dir.path(), &["backup", "x.backup", "--bind", "a.json"]).complaint(1);
    assert!(told.contains("is in use by") && told.contains("--url"), "{told}");
    first.process.signal("TERM");
    first.process.ended();
    assert_eq!(run(dir.path(), &["backup", "x.backup", "--bind", "a.json"]).status, 0);
    let told = run(dir.path(), &["backup", "x.backup", "--bind", "a.json"]).complaint(1);
    assert!(told.contains("`x.backup` is there already"), "{told}");
    let held = json(&run(dir.path(), &["restore", "x.backup", "--dry-run", "--json"]).data());
    assert_eq!(held["documents"], serde_json::json!(["default"]));
    fs::create_dir(dir.path().join("other")).unwrap();
    let done = json(&run(dir.path(), &["restore", "x.backup", "--data-dir", "other/d", "--json"]).data());
    assert_eq!((&done["kept"], &done["backup"]), (&serde_json::Value::Null, &held));
    let second = Instance::start(dir.path(), &["--data-dir", "other/d", "--bind", "other/c.json"], &[]);
    assert_eq!(second.data(&["get", "limit"]), "2\n");
    assert!(second.data(&["history"]).contains("twice as much"));
    second.data(&["set", "limit", "3"]);
    wait_for("the bound file", || {
        fs::read_to_string(dir.path().join("other/c.json")).is_ok_and(|t| t.contains('3')).then_some(())
    });
    assert_eq!(run(dir.path(), &["backup", "y", "--data-dir", "none"]).complaint(1).matches("no store").count(), 1);
    assert!(!Path::new(&dir.path().join("none")).exists(), "asking makes no directory");
}

#[test]
fn a_damaged_backup_is_refused_by_name_and_changes_nothing() {
    let dir = dir(&[("a.json", "{\"limit\": 1}")]);
    let instance = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
    let file = dir.path().join("a.backup");
    assert_eq!(instance.run(&["backup", &file.display().to_string()]).status, 0);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    for (what, bytes) in [("one bit", bad), ("cut off", good[..good.len() - 7].to_vec()), ("empty", Vec::new())] {
        fs::write(dir.path().join("bad.backup"), bytes).unwrap();
        let told = run(dir.path(), &["restore", "bad.backup", "--data-dir", "new"]);
        assert!(told.status == 2 && told.stderr.contains("`bad.backup`"), "{what}: {told:?}");
        assert!(!dir.path().join("new").exists(), "{what}");
    }
    let told = run(dir.path(), &["restore", "a.backup", "--bind", "a.json", "--force"]).complaint(1);
    assert!(told.contains("is in use by"), "{told}");
    assert_eq!(instance.data(&["get", "limit"]), "1\n");
}

#[test]
fn a_backup_is_given_only_to_who_may_run_the_instance_and_read_its_secrets() {
    let dir = dir(&[]);
    let of = |name, role| token(dir.path(), name, &["--role", role]);
    let (admin, writer) = (of("ann", "admin"), of("wim", "writer"));
    let guarded = Guarded::start(dir.path(), &[]).founded(&admin);
    assert_eq!(guarded.ask("GET", "/backup", &writer, "").0, 403);
    assert_eq!(guarded.ask("GET", "/backup", "", "").0, 401);
    let (status, body) = guarded.ask("GET", "/backup", &admin, "");
    assert_eq!((status, json(&body)["documents"][0].as_str()), (200, Some("default")));
}

/// What an earlier version left, in a directory of its own.
fn golden() -> tempfile::TempDir {
    let dir = dir(&[]);
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/stores/1");
    fs::create_dir(dir.path().join("data")).unwrap();
    for name in ["store.redb", "mark", "instance.key"] {
        fs::copy(from.join(name), dir.path().join("data").join(name)).unwrap();
    }
    for name in ["a.yaml", "policy.json", "one.backup"] {
        fs::copy(from.join(name), dir.path().join(name)).unwrap();
    }
    dir
}

/// The document that it holds, with its past and its locks.
fn goes_on(instance: &Instance) {
    let shown = json(&instance.data(&["get", "--json", "--show-secrets"]));
    let app = serde_json::json!({"limit": 20, "locked": true, "name": "store", "price": "12.50"});
    assert_eq!(shown, serde_json::json!({"app": app, "db": {"password": "s3cret-of-golden"}}));
    let past = instance.data(&["history"]);
    assert!(past.contains("ann") && past.contains("twice as much") && past.contains("app.tags"), "{past}");
    let first = instance.data(&["show", "1", "--document"]);
    assert_eq!(json(&first)["app"]["tags"], serde_json::json!(["a", "b"]));
    instance.data(&["set", "app.limit", "30"]);
    assert_eq!(instance.data(&["get", "app.limit"]), "30\n");
}

#[test]
fn a_data_directory_of_an_earlier_version_goes_on_as_the_same_instance() {
    let dir = golden();
    let options = ["--bind", "a.yaml", "--data-dir", "data", "--policy", "policy.json"];
    let instance = Instance::start(dir.path(), &options, &[]);
    assert_eq!(instance_id(&instance), "0587bd0dc37f9e489221386f4efeb15a");
    let before = fs::read_to_string(dir.path().join("a.yaml")).unwrap();
    goes_on(&instance);
    wait_for("the bound file, edited in place", || {
        (fs::read_to_string(dir.path().join("a.yaml")).unwrap() == before.replace("limit: 20", "limit: 30"))
            .then_some(())
    });
    let fence = run(dir.path(), &["lock", "app.*", "--url", &instance.url, "--", "sh", "-c", "echo $CONFMESH_FENCE"]);
    assert_eq!(fence.data().trim(), ((1_u64 << 40) + 2).to_string(), "tokens go on");
}

#[test]
fn a_backup_of_an_earlier_version_is_restored() {
    let dir = golden();
    fs::remove_dir_all(dir.path().join("data")).unwrap();
    assert_eq!(run(dir.path(), &["restore", "one.backup", "--data-dir", "data"]).status, 0);
    let options = ["--bind", "a.yaml", "--data-dir", "data", "--policy", "policy.json"];
    let instance = Instance::start(dir.path(), &options, &[]);
    assert_ne!(instance_id(&instance), "0587bd0dc37f9e489221386f4efeb15a");
    goes_on(&instance);
    let told = run(dir.path(), &["lock", "app.*", "--url", &instance.url, "--", "true"]);
    assert_ne!(told.status, 0, "it granted no lock under the name that it had: {told:?}");
    instance.data(&["lock", "authority", "--take", "--yes"]);
}
