//! Bursts of writes on bound files that nobody edits, while the instances are kept from the processor again and again, so
//! that what happens comes to them in batches. In a calm run most faults of this kind do not show.
//!
//! `make soak` runs these same tests for longer: `CONFMESH_BURST_SECONDS` and `CONFMESH_COUNTER_ROUNDS`.
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::process::{Instance, send, wait_for};
use super::{dir, json};

/// What one request was answered.
struct Answer {
    status: u16,
    etag: Option<String>,
    body: String,
}

fn request(instance: &str, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let address = instance.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let etag = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("etag").then(|| value.to_owned())
    });
    Answer { status, etag, body: body.to_owned() }
}

fn place(key: &str) -> String {
    format!("/config/default?path={key}")
}

/// The number at a key; 0 where nothing is.
fn number(instance: &str, key: &str) -> (u64, Option<String>) {
    let answer = request(instance, "GET", &place(key), "", "");
    (answer.body.trim().parse().unwrap_or(0), answer.etag)
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Pauses the instances one after the other, as a quota of processor time does, until it is told to stop.
fn crowd(processes: &[u32], is_over: &AtomicBool) {
    let mut turn = 0_u64;
    while !is_over.load(Ordering::Relaxed) {
        for process in processes {
            turn += 1;
            send("STOP", *process);
            thread::sleep(Duration::from_millis(20 + turn * 37 % 180));
            send("CONT", *process);
            thread::sleep(Duration::from_millis(turn * 13 % 60));
        }
    }
}

fn assert_nobody_edited(instance: &Instance) {
    let log = instance.process.errors();
    for words in ["the file was edited", "the save of the file", "the same save", "an older text"] {
        assert!(!log.contains(words), "the log speaks of edits (`{words}`): {log}");
    }
    let status = instance.status();
    let document = &status["documents"][0];
    assert!(document.get("save_conflicts").is_none(), "{document}");
}

fn holds(path: &Path, want: &serde_json::Value) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str::<serde_json::Value>(&text).is_ok_and(|found| found == *want)
}

#[test]
fn bursts_on_bound_files_that_nobody_edits_lose_nothing_and_no_read_goes_backwards() {
    let seconds = from_environment("CONFMESH_BURST_SECONDS", 10);
    let dir = dir(&[("a.json", "{\"start\": 1}"), ("b.json", "{}")]);
    let a = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
    let peer = a.url.replace("http://", "ws://") + "/sync";
    let b = Instance::start(dir.path(), &["--bind", "b.json", "--peer", &peer], &[]);
    let (is_over, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let end = Instant::now() + Duration::from_secs(seconds);
    let last: Vec<(String, u64)> = thread::scope(|scope| {
        let crowding = scope.spawn(|| crowd(&[a.process.id(), b.process.id()], &is_over));
        let writers: Vec<_> = (0..12)
            .map(|writer| {
                let instance = if writer % 2 == 0 { &a.url } else { &b.url };
                let written = &written;
                scope.spawn(move || {
                    let mut last = Vec::new();
                    let begun = Instant::now();
                    let mut count: u64 = 0;
                    while Instant::now() < end {
                        // A few keys each, each written again and again: what is put back shows.
                        let key = format!("w{writer}.k{}", count / 8 % 40);
                        let value = count + 1;
                        let answer = request(instance, "PUT", &place(&key), "", &value.to_string());
                        assert_eq!(answer.status, 200, "{}", answer.body);
                        let (read, _) = number(instance, &key);
                        assert_eq!(read, value, "{key} went backwards after it was acknowledged");
                        last.retain(|(known, _): &(String, u64)| *known != key);
                        last.push((key, value));
                        count += 1;
                        written.fetch_add(1, Ordering::Relaxed);
                        // Ten a second each are 120 a second together.
                        let due = begun + Duration::from_millis(100 * count);
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                    last
                })
            })
            .collect();
        let last = writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
        is_over.store(true, Ordering::Relaxed);
        crowding.join().unwrap();
        last
    });
    let shown = wait_for("agreement of both instances and files", || {
        let shown = json(&a.data(&["get", "--json"]));
        let files = [dir.path().join("a.json"), dir.path().join("b.json")];
        let agree = json(&b.data(&["get", "--json"])) == shown && files.iter().all(|path| holds(path, &shown));
        agree.then_some(shown)
    });
    for (key, value) in &last {
        let pointer = format!("/{}", key.replace('.', "/"));
        assert_eq!(shown.pointer(&pointer), Some(&serde_json::json!(value)), "{key}");
    }
    assert_nobody_edited(&a);
    assert_nobody_edited(&b);
    println!(
        "bursts: {} writes in {seconds} s over two instances, {} keys, none lost",
        written.into_inner(),
        last.len()
    );
}

#[test]
fn counters_under_if_match_with_a_bound_file_count_every_increment() {
    let rounds = from_environment("CONFMESH_COUNTER_ROUNDS", 0);
    let (writers, increments) = if rounds > 0 { (50, 10) } else { (12, 4) };
    let mut conflicts = 0;
    for round in 1..=rounds.max(1) {
        let dir = dir(&[("a.json", "{\"counter\": 0}")]);
        let a = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let crowding = scope.spawn(|| crowd(&[a.process.id()], &is_over));
            let counting: Vec<_> = (0..writers)
                .map(|_| {
                    let url = &a.url;
                    scope.spawn(move || {
                        let mut refused = 0_u64;
                        for _ in 0..increments {
                            loop {
                                let (value, etag) = number(url, "counter");
                                let headers = format!("if-match: {}\r\n", etag.unwrap());
                                let body = (value + 1).to_string();
                                let answer = request(url, "PUT", &place("counter"), &headers, &body);
                                match answer.status {
                                    200 => break,
                                    412 => refused += 1,
                                    other => panic!("{other}: {}", answer.body),
                                }
                            }
                        }
                        refused
                    })
                })
                .collect();
            conflicts += counting.into_iter().map(|counter| counter.join().unwrap()).sum::<u64>();
            is_over.store(true, Ordering::Relaxed);
            crowding.join().unwrap();
        });
        let want = serde_json::json!({"counter": writers * increments});
        assert_eq!(json(&a.data(&["get", "--json"])), want, "round {round}");
        wait_for("the file", || holds(&dir.path().join("a.json"), &want).then_some(()));
        assert_nobody_edited(&a);
    }
    println!(
        "counters: {} rounds of {writers} x {increments}, all counted, {conflicts} refused meanwhile",
        rounds.max(1)
    );
}

/// A text that is long enough to be made beside the loop, and to be changed in sections; a comment stands at each service.
fn long_yaml() -> String {
    let service = |group: usize, at: usize| {
        let text = "x".repeat(100);
        format!("  s{at}: # of {group}\n    name: 'none'\n    text: {text}\n    ports: [80,\n      443]\n")
    };
    let group = |group: usize| format!("g{group}:\n{}", (0..10).map(|at| service(group, at)).collect::<String>());
    format!("# the first line\nby_hand: 0\n{}", (0..60).map(group).collect::<String>())
}

fn parsed(path: &Path, format: confmesh::format::Format) -> Option<serde_json::Value> {
    let text = fs::read_to_string(path).ok()?;
    let value = confmesh::format::parse(&text, format).ok()?;
    serde_json::from_str(&confmesh::format::print(&value, confmesh::format::Format::Json).ok()?).ok()
}

#[test]
fn a_long_bound_file_that_is_edited_while_writes_arrive_loses_neither_side() {
    let yaml = long_yaml();
    assert!(yaml.len() > 64 << 10, "{}", yaml.len());
    let dir = dir(&[("a.yaml", &yaml), ("b.json", "{}")]);
    let a = Instance::start(dir.path(), &["--bind", "a.yaml"], &[]);
    let peer = a.url.replace("http://", "ws://") + "/sync";
    let b = Instance::start(dir.path(), &["--bind", "b.json", "--peer", &peer], &[]);
    let file = dir.path().join("a.yaml");
    let (edits, is_over) = (6, AtomicBool::new(false));
    let last: Vec<(String, u64)> = thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (url, is_over) = (if writer % 2 == 0 { &a.url } else { &b.url }, &is_over);
                scope.spawn(move || {
                    let mut last = Vec::new();
                    for count in 1.. {
                        let key = format!("g{}.s{writer}.name", count % 60);
                        let answer = request(url, "PUT", &place(&key), "", &count.to_string());
                        assert_eq!(answer.status, 200, "{}", answer.body);
                        last.retain(|(known, _): &(String, u64)| *known != key);
                        last.push((key, count));
                        if is_over.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    last
                })
            })
            .collect();
        for edit in 1..=edits {
            let text = fs::read_to_string(&file).unwrap();
            let (before, after) = (format!("by_hand: {}\n", edit - 1), format!("by_hand: {edit}\n"));
            assert!(text.contains(&before), "the edit before this one stands in the file");
            let new = dir.path().join("a.yaml.new");
            fs::write(&new, text.replace(&before, &after)).unwrap();
            fs::rename(&new, &file).unwrap();
            for url in [&a.url, &b.url] {
                wait_for("the edit", || (number(url, "by_hand").0 == edit).then_some(()));
            }
            wait_for("the edit to stay in the file", || fs::read_to_string(&file).ok()?.contains(&after).then_some(()));
        }
        is_over.store(true, Ordering::Relaxed);
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    let shown = wait_for("agreement of both instances and files", || {
        let shown = json(&a.data(&["get", "--json"]));
        let is_shown = parsed(&file, confmesh::format::Format::Yaml).as_ref() == Some(&shown)
            && holds(&dir.path().join("b.json"), &shown);
        (is_shown && json(&b.data(&["get", "--json"])) == shown).then_some(shown)
    });
    for (key, value) in &last {
        let pointer = format!("/{}", key.replace('.', "/"));
        assert_eq!(shown.pointer(&pointer), Some(&serde_json::json!(value)), "{key}");
    }
    assert_eq!(shown.pointer("/by_hand"), Some(&serde_json::json!(edits)));
    // Nothing around the values has moved.
    let without = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.contains("name: ") && !line.contains("by_hand: ")).map(str::to_owned).collect()
    };
    assert_eq!(without(&fs::read_to_string(&file).unwrap()), without(&yaml));
}
