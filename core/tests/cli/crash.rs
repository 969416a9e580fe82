//! Instances that are killed, kept apart and started anew, as processes with real files and stores.
use std::fs;
use std::path::Path;

use super::process::{Instance, send, wait_for};
use super::{dir, json};

fn value(instance: &Instance) -> serde_json::Value {
    json(&instance.data(&["get", "--json"]))
}

fn file(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Waits until both instances and both JSON files hold the same, and gives it.
fn agreement(a: &Instance, b: &Instance, files: [&Path; 2]) -> serde_json::Value {
    wait_for("agreement", || {
        let shown = value(a);
        let written = files.iter().all(|path| serde_json::from_str(&file(path)).ok().as_ref() == Some(&shown));
        (written && value(b) == shown).then_some(shown)
    })
}

fn peer(instance: &Instance) -> String {
    instance.url.replace("http://", "ws://") + "/sync"
}

fn stop(mut instance: Instance) {
    instance.process.signal("TERM");
    instance.process.ended();
}

#[test]
fn what_was_answered_before_a_kill_is_there_after_it_and_reaches_the_file() {
    let dir = dir(&[("a.json", "{\n  \"count\": 0\n}\n")]);
    let path = dir.path().join("a.json");
    for round in 1..=12 {
        let mut instance = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
        instance.data(&["set", "count", &round.to_string()]);
        // Right after the answer: the write is in the store, its mirroring may or may not have happened.
        send("KILL", instance.process.id());
        instance.process.ended();
        let mut instance = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
        assert_eq!(instance.data(&["get", "count"]).trim(), round.to_string());
        wait_for("the file", || file(&path).contains(&format!("\"count\": {round}\n")).then_some(()));
        instance.process.signal("KILL");
        instance.process.ended();
    }
}

#[test]
fn a_save_while_the_instance_was_dead_meets_the_writes_of_the_others() {
    let dir = dir(&[("a.json", "{\"one\": 1, \"two\": 2}"), ("b.json", "{}")]);
    let files = [&*dir.path().join("a.json"), &*dir.path().join("b.json")];
    let mut a = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
    let b = Instance::start(dir.path(), &["--bind", "b.json", "--peer", &peer(&a)], &[]);
    agreement(&a, &b, files);
    let address = a.url.trim_start_matches("http://").to_owned();
    send("KILL", a.process.id());
    a.process.ended();
    b.data(&["set", "two", "22"]);
    fs::write(files[0], "{\"one\": 11, \"two\": 2}").unwrap();
    let a = Instance::start_at(dir.path(), &address, &["--bind", "a.json"], &[]);
    let expected = serde_json::json!({"one": 11, "two": 22});
    wait_for("both edits", || (value(&a) == expected && value(&b) == expected).then_some(()));
    assert_eq!(agreement(&a, &b, files), expected);
}

#[test]
fn two_fresh_instances_with_different_files_agree_whoever_starts_first() {
    for first_is_a in [true, false] {
        let dir =
            dir(&[("a.json", "{\"from\": \"a\", \"only_a\": 1}"), ("b.json", "{\"from\": \"b\", \"only_b\": 1}")]);
        let files = [&*dir.path().join("a.json"), &*dir.path().join("b.json")];
        let (first, second) = if first_is_a { ("a.json", "b.json") } else { ("b.json", "a.json") };
        let one = Instance::start(dir.path(), &["--bind", first], &[]);
        let two =
            Instance::start(dir.path(), &["--bind", second, "--peer", &peer(&one), "--found-after", "20000"], &[]);
        let want = if first_is_a {
            serde_json::json!({"from": "a", "only_a": 1})
        } else {
            serde_json::json!({"from": "b", "only_b": 1})
        };
        wait_for("the first one's document", || (value(&two) == want).then_some(()));
        assert_eq!(agreement(&one, &two, files), want);
        let kept = dir.path().join(format!("{second}.before-join"));
        wait_for("the file that was set aside", || file(&kept).contains("only_").then_some(()));
        stop(two);
        stop(one);
    }
}

#[test]
fn files_edited_while_the_instances_are_apart_are_merged_by_key() {
    let dir = dir(&[("a.json", "{\"x\": 1, \"y\": 1}"), ("b.json", "{}")]);
    let files = [&*dir.path().join("a.json"), &*dir.path().join("b.json")];
    let a = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
    let address = a.url.trim_start_matches("http://").to_owned();
    let b = Instance::start(dir.path(), &["--bind", "b.json", "--peer", &peer(&a)], &[]);
    agreement(&a, &b, files);
    stop(a);
    fs::write(files[1], "{\"x\": 1, \"y\": 2, \"b\": true}").unwrap();
    wait_for("the edit", || (value(&b)["b"] == serde_json::json!(true)).then_some(()));
    // The first one comes back without a peer's address, edits, and only then the other one finds it.
    fs::write(files[0], "{\"x\": 2, \"y\": 1, \"a\": true}").unwrap();
    let a = Instance::start_at(dir.path(), &address, &["--bind", "a.json"], &[]);
    let want = serde_json::json!({"x": 2, "y": 2, "a": true, "b": true});
    wait_for("both edits", || (value(&a) == want && value(&b) == want).then_some(()));
    assert_eq!(agreement(&a, &b, files), want);
}
