//! Meshes of real processes that begin at once, in any topology, with files of their own.
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::process::{Instance, Running, wait_for};
use super::{dir, json};

/// How long a mesh may take to agree. Founding takes three seconds.
const AGREES_WITHIN: Duration = Duration::from_secs(40);

/// Ports that were free a moment ago.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

struct Start {
    name: &'static str,
    /// Whom each instance dials.
    dials: Vec<Vec<usize>>,
    /// Which of them have a file.
    has_file: Vec<bool>,
}

fn starts(number: usize) -> Start {
    let nodes = 3 + number / 5 % 3;
    let one = |at: usize| vec![at];
    let (name, dials): (_, Vec<Vec<usize>>) = match number % 5 {
        0 => ("chain", (0..nodes).map(|at| at.checked_sub(1).map(one).unwrap_or_default()).collect()),
        1 => ("reversed chain", (0..nodes).map(|at| if at + 1 < nodes { one(at + 1) } else { Vec::new() }).collect()),
        2 => ("ring", (0..nodes).map(|at| one((at + 1) % nodes)).collect()),
        3 => ("star", (0..nodes).map(|at| if at == 0 { Vec::new() } else { one(0) }).collect()),
        _ => (
            "middle that dials all",
            (0..nodes).map(|at| if at == 1 { (0..nodes).filter(|o| *o != 1).collect() } else { Vec::new() }).collect(),
        ),
    };
    let has_file = (0..nodes).map(|at| match number / 15 % 3 {
        0 => at == 0,
        1 => true,
        _ => at + 1 == nodes,
    });
    let has_file = has_file.collect();
    Start { name, dials, has_file }
}

/// Begins all at once; says how long it took them to share one document, or what is wrong.
fn begin(dir: &Path, start: &Start) -> Result<Duration, String> {
    let ports = free_ports(start.dials.len());
    let began = Instant::now();
    let processes: Vec<Running> = (0..ports.len())
        .map(|at| {
            let file = format!("{at}.json");
            if start.has_file[at] {
                fs::write(dir.join(&file), format!(r#"{{"who":"of {at}","own":{{"of{at}":{at}}}}}"#)).unwrap();
            }
            let listen = format!("127.0.0.1:{}", ports[at]);
            let data = format!("data-{at}");
            let mut arguments = vec!["serve".to_owned(), "--listen".into(), listen, "--data-dir".into(), data];
            arguments.extend(["--bind".to_owned(), file]);
            for other in &start.dials[at] {
                arguments.extend(["--peer".to_owned(), format!("ws://127.0.0.1:{}/sync", ports[*other])]);
            }
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            Running::start(dir, &arguments, &[])
        })
        .collect();
    let instances: Vec<Instance> = processes
        .into_iter()
        .zip(&ports)
        .map(|(process, port)| {
            process.tells("  page  http://");
            Instance { process, url: format!("http://127.0.0.1:{port}") }
        })
        .collect();
    let births = |instances: &[Instance]| -> Vec<(Value, Value)> {
        let of = |instance: &Instance| {
            let document = instance.status()["documents"][0].clone();
            (document["genesis"].clone(), document["view_hash"].clone())
        };
        instances.iter().map(of).collect()
    };
    let mut seen = births(&instances);
    while seen.iter().any(|birth| birth.0.is_null() || *birth != seen[0]) {
        if began.elapsed() > AGREES_WITHIN {
            return Err(format!("{}: they hold {seen:?}", start.name));
        }
        seen = births(&instances);
    }
    let took = began.elapsed();
    for (at, instance) in instances.iter().enumerate() {
        instance.data(&["set", &format!("from.k{at}"), &at.to_string()]);
    }
    let all = |instance: &Instance| {
        let shown = json(&instance.run(&["get", "", "--json"]).stdout);
        (0..instances.len()).all(|at| shown["from"][format!("k{at}")] == at)
    };
    let until = Instant::now() + AGREES_WITHIN;
    while !instances.iter().all(all) {
        if Instant::now() > until {
            return Err(format!("{}: a write of one does not reach all", start.name));
        }
    }
    // What a file held shows, or is named.
    for (at, instance) in instances.iter().enumerate().filter(|(at, _)| start.has_file[*at]) {
        let shown = json(&instance.run(&["get", "", "--json"]).stdout);
        let kept = json(&instance.data(&["kept", "--json"]));
        let is_kept = kept["kept"].as_array().unwrap().iter().any(|kept| {
            kept["text"].as_str().unwrap().contains(&format!("of {at}"))
                && kept["file"].as_str().is_some_and(|file| fs::read_to_string(dir.join(file)).is_ok())
        });
        if shown["own"][format!("of{at}")] != at && !is_kept {
            return Err(format!("{}: what the file of {at} held is gone: {kept}", start.name));
        }
    }
    Ok(took)
}

/// `scripts/starts.sh` asks for more of them.
#[test]
fn whatever_begins_at_once_becomes_one_document() {
    let count = std::env::var("CONFMESH_STARTS").ok().map_or(3, |count| count.parse().unwrap());
    // The short form takes those that once stayed two.
    let numbers: Vec<usize> = if count <= 3 { vec![16, 0, 4] } else { (0..count).collect() };
    let mut failed = Vec::new();
    let mut slowest = Duration::ZERO;
    for number in &numbers {
        let dir = dir(&[]);
        let start = starts(*number);
        match begin(dir.path(), &start) {
            Ok(took) => {
                slowest = slowest.max(took);
                println!(
                    "start {number} ({}, {} instances): one document after {took:.1?}",
                    start.name,
                    start.dials.len()
                );
            }
            Err(error) => {
                println!("start {number}: {error}");
                failed.push(number);
            }
        }
    }
    println!("starts={} failed={} slowest={slowest:.1?}", numbers.len(), failed.len());
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn a_configuration_that_was_in_use_comes_back_to_empty_newcomers_and_stays() {
    let dir = dir(&[("hub.json", r#"{"real":true}"#)]);
    let address = format!("127.0.0.1:{}", free_ports(1)[0]);
    let arguments = ["--data-dir", "hub", "--bind", "hub.json"];
    let mut hub = Instance::start_at(dir.path(), &address, &arguments, &[]);
    hub.data(&["set", "api.one", "1"]);
    hub.data(&["set", "api.two", "2"]);
    hub.process.signal("TERM");
    hub.process.ended();
    let peer = format!("ws://{address}/sync");
    let edge = |name: &str, other: Option<&str>| {
        let mut arguments = vec!["--data-dir", name, "--peer", peer.as_str()];
        arguments.extend(other.into_iter().flat_map(|other| ["--peer", other]));
        Instance::start(dir.path(), &arguments, &[])
    };
    let first = edge("first", None);
    let second = edge("second", Some(&(first.url.replace("http://", "ws://") + "/sync")));
    second.data(&["set", "edge", "3"]);
    let hub = Instance::start_at(dir.path(), &address, &arguments, &[]);
    for instance in [&hub, &first, &second] {
        wait_for("the hub's configuration with the write of the edge", || {
            let shown = json(&instance.run(&["get", "", "--json"]).stdout);
            let want = serde_json::json!({"real": true, "api": {"one": 1, "two": 2}, "edge": 3});
            (shown == want).then_some(())
        });
    }
    assert!(!dir.path().join("hub.json.before-join").exists());
    assert!(fs::read_to_string(dir.path().join("hub.json")).unwrap().contains("real"));
}

#[test]
fn two_documents_that_were_in_use_stand_apart_until_one_is_given_up() {
    let dir = dir(&[("a.json", r#"{"who":"a"}"#), ("b.json", r#"{"who":"b","own":1}"#)]);
    let address = format!("127.0.0.1:{}", free_ports(1)[0]);
    let peer = format!("ws://{address}/sync");
    let b =
        Instance::start(dir.path(), &["--data-dir", "b", "--bind", "b.json", "--peer", &peer, "--old-after", "0"], &[]);
    wait_for("the age of b", || (b.status()["documents"][0]["age"] == "old").then_some(()));
    let arguments = ["--data-dir", "a", "--bind", "a.json", "--old-after", "0"];
    let a = Instance::start_at(dir.path(), &address, &arguments, &[]);
    for (instance, other) in [(&a, &b), (&b, &a)] {
        let apart = wait_for("the other document", || {
            let apart = instance.status()["documents"][0]["apart"][0].clone();
            (apart["state"] == "other document").then_some(apart)
        });
        assert_eq!(apart["instance_id"], other.status()["instance_id"]);
        assert!(instance.words().contains("holds another document"), "{}", instance.words());
        assert_eq!(instance.status()["health"]["status"], "degraded");
        instance.process.tells("holds another document named `default`");
    }
    assert_eq!(b.status()["peers"][0]["link"], "other_document");

    let shown = b.run(&["join", "--adopt", &a.url]);
    assert_eq!(shown.status, 0, "{shown:?}");
    assert!(
        shown.stdout.contains("own: 1 becomes nothing") && shown.stdout.contains(r#"who: "b" becomes "a""#),
        "{shown:?}"
    );
    assert_eq!(b.data(&["get", "who"]), "b\n", "nothing is done yet");
    let told = json(&b.data(&["join", "--adopt", &a.url, "--json"]));
    assert_eq!((&told["done"], told["lost"].as_array().unwrap().len()), (&Value::Bool(false), 2));
    let joined = json(&b.data(&["join", "--adopt", &a.url, "--yes", "--json"]));
    assert_eq!(joined["genesis"], a.status()["documents"][0]["genesis"]);
    assert_eq!((&joined["done"], &joined["lost"]), (&Value::Bool(true), &told["lost"]));
    assert_eq!(b.data(&["get", "who"]), "a\n");
    let complaint = b.run(&["join", "--adopt", &a.url, "--yes"]).complaint(1);
    assert!(complaint.contains("share one document"), "{complaint}");
    for instance in [&a, &b] {
        wait_for("health", || instance.status()["documents"][0]["apart"].is_null().then_some(()));
    }
    // What was given up is there until somebody says that it is not needed.
    let copy = wait_for("the copy", || {
        let kept = json(&b.data(&["kept", "--json"]))["kept"][0].clone();
        assert_eq!(kept["why"], "given-up");
        kept["file"].as_str().map(str::to_owned)
    });
    assert_eq!(fs::read_to_string(dir.path().join(&copy)).unwrap(), r#"{"who":"b","own":1}"#);
    assert!(b.words().contains("the document that was given up"));
    assert_eq!(b.data(&["kept", "1"]), r#"{"who":"b","own":1}"#);
    assert!(b.run(&["kept", "7", "--confirm"]).complaint(1).contains("nothing is kept under the number 7"));
    b.run(&["kept", "1", "--confirm"]);
    assert!(b.status()["documents"][0]["kept"].is_null());
    assert!(dir.path().join(&copy).exists(), "the copy is the owner's");
}
