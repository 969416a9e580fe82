//! Instances that share nothing but a broker: a real Redis.
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::process::{Instance, Running, wait_for};
use super::{dir, run};

/// A server of its own on a free port.
struct Redis {
    process: Running,
    port: u16,
    more: Vec<String>,
}

impl Redis {
    fn start(dir: &Path, more: &[&str]) -> Redis {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let more: Vec<String> = more.iter().map(|option| (*option).to_owned()).collect();
        let process = Redis::process(dir, port, &more);
        Redis { process, port, more }
    }

    fn process(dir: &Path, port: u16, more: &[String]) -> Running {
        let mut command = Command::new("redis-server");
        command.current_dir(dir).args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]).args(more);
        let missing = "redis-server is there: scripts/install-brokers.sh installs it";
        assert!(Command::new("redis-server").arg("--version").output().is_ok(), "{missing}");
        let running = Running::of(command);
        running.says("Ready to accept connections");
        running
    }

    /// As after a crash: what it had is gone.
    fn restart(&mut self, dir: &Path) {
        self.process.signal("KILL");
        self.process.ended();
        self.process = Redis::process(dir, self.port, &self.more);
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn says(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

fn on(dir: &Path, name: &str, bus: &str) -> Instance {
    Instance::start(dir, &["--data-dir", name, "--bus", bus, "--found-after", "3000"], &[])
}

fn bus(instance: &Instance) -> Value {
    instance.status()["buses"][0].clone()
}

#[track_caller]
fn gets(instance: &Instance, path: &str, value: &str) {
    wait_for(&format!("{path} = {value}"), || (instance.run(&["get", path]).stdout.trim() == value).then_some(()));
}

#[track_caller]
fn connected(instance: &Instance) {
    wait_for("the bus", || (bus(instance)["state"] == "connected").then_some(()));
}

#[test]
fn instances_that_share_only_a_broker_agree_and_a_newcomer_gets_the_document() {
    let dir = dir(&[]);
    let redis = Redis::start(dir.path(), &[]);
    let (a, b) = (on(dir.path(), "a", &redis.url()), on(dir.path(), "b", &redis.url()));
    a.data(&["set", "limit", "1"]);
    gets(&b, "limit", "1");
    b.data(&["set", "name", "both"]);
    gets(&a, "name", "both");
    let c = on(dir.path(), "c", &redis.url());
    gets(&c, "limit", "1");
    c.data(&["set", "limit", "3"]);
    gets(&a, "limit", "3");
    gets(&b, "limit", "3");
    wait_for("all to be heard", || (bus(&a)["instances"] == 2).then_some(()));
    let text = a.words();
    assert!(text.contains(&format!("bus {} connected, 2 other instances heard lately", redis.url())), "{text}");
    assert_eq!(a.status()["peers"], serde_json::json!([]));
    assert_eq!(a.status()["health"]["status"], "healthy");
    // Who wrote is known by the signatures.
    let explained = super::json(&a.data(&["explain", "limit", "--json"])).to_string();
    let id = c.status()["instance_id"].as_str().unwrap().to_owned();
    assert!(explained.contains(&id), "{explained}");
}

#[test]
fn a_broker_that_dies_and_one_that_stands_still_are_named_within_two_seconds_and_nothing_is_lost() {
    let dir = dir(&[]);
    let mut redis = Redis::start(dir.path(), &[]);
    let (a, b) = (on(dir.path(), "a", &redis.url()), on(dir.path(), "b", &redis.url()));
    (connected(&a), connected(&b));
    a.data(&["set", "n.0", "0"]);
    gets(&b, "n.0", "0");
    for round in 1..4 {
        if round == 1 {
            // It stands still: no connection breaks, and nothing arrives.
            redis.process.signal("STOP");
        } else {
            redis.process.signal("KILL");
            redis.process.ended();
        }
        let begun = Instant::now();
        let down = wait_for("the bus to be missed", || Some(bus(&a)).filter(|bus| bus["state"] != "connected"));
        // Two seconds, and what the command itself takes.
        assert!(begun.elapsed() < Duration::from_millis(3_000), "{:?}", begun.elapsed());
        let told = wait_for("a reason", || bus(&a)["last_error"]["message"].as_str().map(str::to_owned));
        assert!(!told.is_empty(), "{down}");
        let health = a.status()["health"].clone();
        assert_eq!(health["status"], "degraded", "{health}");
        a.data(&["set", &format!("n.{round}"), "1"]);
        b.data(&["set", &format!("m.{round}"), "1"]);
        if round == 1 {
            redis.process.signal("CONT");
        } else {
            redis.restart_dead(dir.path());
        }
        gets(&b, &format!("n.{round}"), "1");
        gets(&a, &format!("m.{round}"), "1");
        (connected(&a), connected(&b));
    }
    let (one, other) = (a.data(&["get", "--json"]), b.data(&["get", "--json"]));
    assert_eq!(one, other);
    assert_eq!(a.status()["documents"][0]["view_hash"], b.status()["documents"][0]["view_hash"]);
}

impl Redis {
    fn restart_dead(&mut self, dir: &Path) {
        self.process = Redis::process(dir, self.port, &self.more);
    }
}

#[test]
fn an_instance_that_was_killed_catches_up_over_the_bus() {
    let dir = dir(&[]);
    let mut redis = Redis::start(dir.path(), &[]);
    let (a, mut b) = (on(dir.path(), "a", &redis.url()), on(dir.path(), "b", &redis.url()));
    a.data(&["set", "limit", "1"]);
    gets(&b, "limit", "1");
    b.process.signal("KILL");
    b.process.ended();
    redis.restart(dir.path());
    for n in 0..20 {
        a.data(&["set", &format!("many.k{n}"), &n.to_string()]);
    }
    let b = on(dir.path(), "b", &redis.url());
    gets(&b, "many.k19", "19");
    assert_eq!(a.data(&["get", "--json"]), b.data(&["get", "--json"]));
}

#[test]
fn two_instances_on_different_buses_agree_through_one_on_both() {
    let dir = dir(&[]);
    let (first, second) = (Redis::start(dir.path(), &[]), Redis::start(dir.path(), &[]));
    let a = on(dir.path(), "a", &first.url());
    let both = ["--data-dir", "b", "--bus", &first.url(), "--bus", &second.url(), "--found-after", "3000"];
    let b = Instance::start(dir.path(), &both, &[]);
    let c = on(dir.path(), "c", &second.url());
    a.data(&["set", "limit", "1"]);
    gets(&c, "limit", "1");
    c.data(&["set", "limit", "2"]);
    gets(&a, "limit", "2");
    // One bus does not wait for the other.
    first.process.signal("KILL");
    c.data(&["set", "limit", "3"]);
    gets(&b, "limit", "3");
}

#[test]
fn with_a_key_nobody_else_at_the_broker_reads_or_writes() {
    let dir = dir(&[]);
    std::fs::write(dir.path().join("bus.key"), run(dir.path(), &["key", "new"]).stdout).unwrap();
    let redis = Redis::start(dir.path(), &[]);
    let sealed = format!("{}?key-file={}", redis.url(), dir.path().join("bus.key").display());
    let (a, b) = (on(dir.path(), "a", &sealed), on(dir.path(), "b", &sealed));
    let mut command = Command::new("redis-cli");
    command.args(["-p", &redis.port.to_string(), "psubscribe", "*"]);
    let reader = Running::of(command);
    reader.says("psubscribe");
    let stranger = Instance::start(dir.path(), &["--data-dir", "s", "--bus", &redis.url()], &[]);
    stranger.data(&["set", "limit", "666"]);
    a.data(&["set", "plain", "findthisword"]);
    gets(&b, "plain", "findthisword");
    redis.says(&["publish", "confmesh:default", "nonsense"]);
    wait_for("the bus to be read", || (reader.stdout.lock().unwrap().len() > 10).then_some(()));
    let read = reader.stdout.lock().unwrap().join("\n");
    assert!(read.contains("v1.") && !read.contains("findthisword"), "{read}");
    assert_eq!(a.run(&["get", "limit"]).status, 1, "a stranger's write");
    assert_eq!(bus(&a)["state"], "connected");
    assert_ne!(a.status()["documents"][0]["genesis"], stranger.status()["documents"][0]["genesis"]);
}

#[test]
fn a_password_comes_from_a_file_and_a_wrong_one_is_named() {
    let dir = dir(&[("right", "hunter2\n"), ("wrong", "hunter3\n")]);
    let redis = Redis::start(dir.path(), &["--requirepass", "hunter2"]);
    let of = |file: &str| format!("{}?password-file={}", redis.url(), dir.path().join(file).display());
    let (a, b) = (on(dir.path(), "a", &of("right")), on(dir.path(), "b", &of("wrong")));
    connected(&a);
    let told = wait_for("a reason", || bus(&b)["last_error"]["message"].as_str().map(str::to_owned));
    assert!(told.to_lowercase().contains("password") && !told.contains("hunter"), "{told}");
    // The file is read at each attempt.
    std::fs::write(dir.path().join("wrong"), "hunter2\n").unwrap();
    connected(&b);
    a.data(&["set", "limit", "1"]);
    gets(&b, "limit", "1");
}

#[test]
fn what_is_no_bus_and_secrets_on_an_open_one_are_refused_with_the_way_out() {
    let dir = dir(&[]);
    for (url, words) in [
        ("127.0.0.1:6379", "this is no address of a bus"),
        ("amqp://x:hunter2@127.0.0.1", "`amqp://` is no kind of bus"),
        ("redis://127.0.0.1:x", "is no host and port"),
        ("redis://127.0.0.1/x", "the number of a database"),
        ("redis://127.0.0.1?colour=red", "a bus has no option `colour=red`"),
        ("redis://127.0.0.1?key-file=/nowhere", "cannot read the key file `/nowhere`"),
    ] {
        let failed = run(dir.path(), &["serve", "--listen", "127.0.0.1:0", "--data-dir", "d", "--bus", url]);
        assert!(failed.status != 0 && failed.stderr.contains(words), "{url}: {failed:?}");
        assert!(!failed.stderr.contains("hunter2"), "{failed:?}");
    }
    let rules = r#"[{"pattern": "db.password", "secret": true}]"#;
    std::fs::write(dir.path().join("rules.json"), rules).unwrap();
    let open = ["serve", "--data-dir", "d", "--policy", "rules.json", "--bus", "redis://127.0.0.1:1"];
    let complaint = run(dir.path(), &open);
    assert!(complaint.stderr.contains("would read secrets") && complaint.stderr.contains("key-file"), "{complaint:?}");
}
