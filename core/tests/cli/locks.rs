//! `confmesh lock`: commands under a lock, whatever is stopped or killed.
#![cfg(unix)]
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;

use super::process::{Instance, Running, send, wait_for};
use super::{Run, dir, json, program, run_with};

/// Writes its token down all the time, each time as one line of a file that all holders append to.
const WORK: &str = "while :; do echo $CONFMESH_FENCE >> \"$LOG\"; sleep 0.01; done";

fn tokens(log: &Path) -> Vec<u64> {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().map(|line| line.parse().unwrap_or_else(|_| panic!("`{line}` is no token: {text}"))).collect()
}

/// Whether somebody worked after somebody later did.
fn overlap(tokens: &[u64]) -> bool {
    tokens.windows(2).any(|pair| pair[1] < pair[0])
}

/// Runs a command against an instance whose arguments end with those of another one.
fn under(instance: &Instance, arguments: &[&str]) -> Run {
    run_with(Path::new("."), arguments, &[("CONFMESH_URL", &instance.url)], "")
}

fn work(url: &str, key: &str, log: &Path, ttl: &str) -> Running {
    let mut command = program(log.parent().unwrap());
    command.args(["lock", key, "--ttl", ttl, "--wait", "60s", "--url", url, "--", "sh", "-c", WORK]).env("LOG", log);
    Running::of(command)
}

/// The process that watches over the command of that one.
fn guard_of(wrapper: u32) -> u32 {
    wait_for("the guard", || {
        let children = fs::read_to_string(format!("/proc/{wrapper}/task/{wrapper}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    })
}

/// One holder comes to harm, and another one waits for its lock.
fn round(url: &str, number: usize, place: &Path) {
    let (key, log) = (format!("jobs.j{number}"), place.join(format!("{number}.log")));
    let mut first = work(url, &key, &log, "1s");
    wait_for("the first holder", || (!tokens(&log).is_empty()).then_some(()));
    let second = work(url, &key, &log, "1s");
    match number % 4 {
        0 => first.signal("STOP"),
        1 => first.signal("KILL"),
        2 => send("KILL", guard_of(first.id())),
        _ => first.signal("TERM"),
    }
    wait_for("the second holder", || (tokens(&log).last() > tokens(&log).first()).then_some(()));
    if number.is_multiple_of(4) {
        first.signal("CONT");
    }
    first.ended();
    let seen = tokens(&log).len();
    wait_for("more of the second holder", || (tokens(&log).len() > seen + 5).then_some(()));
    second.signal("TERM");
    let written = tokens(&log);
    assert!(!overlap(&written), "round {number}: {written:?}");
}

#[test]
fn commands_never_overlap_when_their_holders_are_stopped_or_killed() {
    let place = dir(&[]);
    let instance = Instance::start(place.path(), &["--bind", "c.json"], &[]);
    for first in (0..24).step_by(6) {
        thread::scope(|scope| {
            for number in first..first + 6 {
                let (url, place) = (&instance.url, place.path());
                scope.spawn(move || round(url, number, place));
            }
        });
    }
}

#[test]
fn a_lock_outlives_its_instance_and_is_lost_where_that_stays_away() {
    let place = dir(&[]);
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let start = || Instance::start_at(place.path(), &address, &["--bind", "c.json"], &[]);
    let log = place.path().join("log");
    let instance = start();
    let mut first = work(&instance.url, "jobs", &log, "4s");
    wait_for("the first holder", || (!tokens(&log).is_empty()).then_some(()));
    instance.process.signal("KILL");
    drop(instance);
    let instance = start();
    let held = json(&instance.data(&["lock", "list", "--json"]));
    assert_eq!(held["locks"][0]["key"], "jobs", "{held}");
    assert_eq!(under(&instance, &["lock", "jobs", "--", "true"]).status, 1);
    // It stays away.
    instance.process.signal("STOP");
    assert_eq!(first.ended().code(), Some(2));
    assert!(first.errors().contains("the lock on `jobs` was lost, and the command was stopped"), "{}", first.errors());
    let seen = tokens(&log).len();
    instance.process.signal("CONT");
    let second = work(&instance.url, "jobs", &log, "4s");
    wait_for("the second holder", || (tokens(&log).last() > tokens(&log).first()).then_some(()));
    second.signal("TERM");
    let written = tokens(&log);
    assert!(!overlap(&written) && written.len() > seen, "{written:?}");
}

#[test]
fn a_command_writes_under_its_lock_and_others_do_not() {
    let place = dir(&[]);
    let instance = Instance::start(place.path(), &["--bind", "c.json"], &[]);
    let program = PathBuf::from(env!("CARGO_BIN_EXE_confmesh")).display().to_string();
    let script = format!(
        "'{program}' set db.host mine; echo $CONFMESH_LOCK; \
         env -u CONFMESH_FENCE '{program}' set db.port 1; env -u CONFMESH_FENCE '{program}' set app 1 2>/dev/null; exit 7"
    );
    let arguments = ["lock", "db.*", "--holder", "ann", "--", "sh", "-c", &script];
    let done = run_with(place.path(), &arguments, &[("CONFMESH_URL", &instance.url)], "");
    assert_eq!(done.status, 7, "the status is the command's: {done:?}");
    assert!(done.stdout.contains("db.*\n"), "{done:?}");
    assert!(done.stderr.contains("error: `db.*` is locked by `ann`"), "{done:?}");
    assert_eq!(json(&instance.data(&["get"])), json(r#"{"db":{"host":"mine"},"app":1}"#));
    // It is free again, and what was granted before is refused.
    assert!(instance.run(&["lock", "list"]).stderr.contains("nobody holds a lock"));
    let stale = instance.run(&["set", "db.host", "late", "--fence", &((1_u64 << 40) + 1).to_string()]).complaint(1);
    assert!(stale.contains("has ended"), "{stale}");
    assert_eq!(under(&instance, &["lock", "db.*", "--", "./not-there"]).status, 127);
    assert_eq!(under(&instance, &["lock", "db.*", "--", "sh", "-c", "kill -9 $$"]).status, 137);
}

#[test]
fn a_lock_is_taken_from_its_holder_with_a_reason_that_is_kept() {
    let place = dir(&[]);
    let instance = Instance::start(place.path(), &["--bind", "c.json"], &[]);
    let log = place.path().join("log");
    let mut holder = work(&instance.url, "db.*", &log, "3s");
    wait_for("the holder", || (!tokens(&log).is_empty()).then_some(()));
    let listed = instance.data(&["lock", "list"]);
    assert!(listed.starts_with("db.*  ") && listed.contains("token 1099511627777"), "{listed}");
    let taken = instance.run(&["lock", "force-release", "db.*", "--reason", "it hangs"]);
    assert_eq!(taken.status, 0, "{taken:?}");
    assert_eq!(holder.ended().code(), Some(2), "its command is stopped when it next renews");
    let trail = json(&instance.data(&["audit", "--json"]));
    let entry = trail["entries"].as_array().unwrap().iter().find(|entry| entry["event"] == "lock_forced").unwrap();
    assert_eq!((&entry["reason"], &entry["config_key"]), (&"it hangs".into(), &"db.*".into()), "{entry}");
    let authority = json(&instance.data(&["lock", "authority", "--json"]));
    assert_eq!(authority["epoch"], 1);
}

#[test]
fn an_instance_asks_the_one_that_founded_and_says_which_that_is_where_it_is_gone() {
    let (one, other) = (dir(&[]), dir(&[]));
    let first = Instance::start(one.path(), &["--bind", "c.json"], &[]);
    let peer = format!("{}/sync", first.url.replace("http", "ws"));
    let second = Instance::start(other.path(), &["--bind", "c.json", "--peer", &peer, "--found-after", "20s"], &[]);
    first.data(&["set", "app", "1"]);
    let file = other.path().join("c.json");
    let saved = |words: &str| fs::read_to_string(&file).is_ok_and(|text| text.contains(words)).then_some(());
    wait_for("the file", || saved("app"));
    let log = other.path().join("log");
    let holder = work(&second.url, "db.*", &log, "5s");
    wait_for("the holder", || (!tokens(&log).is_empty()).then_some(()));
    for instance in [&first, &second] {
        let refused = wait_for("the refusal", || {
            let run = instance.run(&["set", "db.host", "x"]);
            (run.status != 0).then_some(run)
        });
        assert!(refused.stderr.contains("`db.*` is locked by"), "{refused:?}");
    }
    // A save of a bound file waits.
    fs::write(&file, "{\"app\": 1, \"db\": {\"host\": \"saved\"}}\n").unwrap();
    second.process.tells("the save waits");
    holder.signal("TERM");
    wait_for("the save", || (first.run(&["get", "db.host"]).stdout.trim() == "saved").then_some(()));
    let founder = json(&second.data(&["lock", "authority", "--json"]))["instance_id"].as_str().unwrap().to_owned();
    first.process.signal("KILL");
    let refused = wait_for("the first one to be missed", || {
        let run = under(&second, &["lock", "x", "--", "true"]);
        (run.status != 0).then_some(run)
    });
    assert!(refused.stderr.contains(&founder) && refused.stderr.contains("--take"), "{refused:?}");
    let taken = json(&second.data(&["lock", "authority", "--take", "--yes", "--json"]));
    assert_eq!(taken["epoch"], 2);
    let quiet = under(&second, &["lock", "x", "--", "true"]).complaint(1);
    assert!(quiet.contains("may still be held"), "{quiet}");
}

/// The guard is told in time even where a command prints nothing and ends at once.
#[test]
fn a_command_that_ends_at_once_frees_its_lock_at_once() {
    let place = dir(&[]);
    let instance = Instance::start(place.path(), &["--bind", "c.json"], &[]);
    for _ in 0..5 {
        assert_eq!(under(&instance, &["lock", "x", "--ttl", "10m", "--", "true"]).status, 0);
    }
    assert!(json(&instance.data(&["lock", "list", "--json"]))["locks"].as_array().unwrap().is_empty());
}
