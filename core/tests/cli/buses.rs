//! Instances that share nothing but a broker: a real Redis, a real Mosquitto, a real Kafka.
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::process::{Instance, Running, send, wait_for};
use super::{dir, kafka, run};

/// The servers that buses are tested with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Redis,
    Mosquitto,
    Kafka,
}

use Kind::{Kafka, Mosquitto, Redis};

/// A server of its own on a free port.
pub struct Broker {
    kind: Kind,
    pub process: Running,
    pub port: u16,
    password: Option<&'static str>,
}

impl Broker {
    pub fn start(kind: Kind, dir: &Path, password: Option<&'static str>) -> Broker {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Broker { kind, process: Broker::process(kind, dir, port, password), port, password }
    }

    fn process(kind: Kind, dir: &Path, port: u16, password: Option<&str>) -> Running {
        let missing = "the brokers are there: scripts/install-brokers.sh installs them";
        match kind {
            Redis => {
                assert!(Command::new("redis-server").arg("--version").output().is_ok(), "{missing}");
                let mut command = Command::new("redis-server");
                command.current_dir(dir).args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
                command.args(password.into_iter().flat_map(|password| ["--requirepass", password]));
                let running = Running::of(command);
                running.says("Ready to accept connections");
                running
            }
            Mosquitto => {
                // Debian puts it where only root looks.
                let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
                let mut lines = format!("listener {port} 127.0.0.1\nallow_anonymous {}\n", password.is_none());
                if let Some(password) = password {
                    let file = dir.join("passwords");
                    std::fs::write(&file, format!("ann:{password}\n")).unwrap();
                    let made = Command::new("mosquitto_passwd").args(["-U"]).arg(&file).status();
                    assert!(made.is_ok_and(|status| status.success()), "{missing}");
                    lines.push_str(&format!("password_file {}\n", file.display()));
                }
                // Started by root it becomes somebody who may not read the files of this test.
                lines.push_str("user root\n");
                let file = dir.join(format!("mosquitto-{port}.conf"));
                std::fs::write(&file, lines).unwrap();
                let mut command = Command::new("mosquitto");
                command.env("PATH", path).current_dir(dir).arg("-c").arg(&file);
                let running = Running::of(command);
                running.tells("running");
                running
            }
            Kafka => kafka::process(dir, port, None),
        }
    }

    fn signal(&self, name: &str) {
        match self.kind {
            Kafka => send(name, kafka::of(&self.process)),
            _ => self.process.signal(name),
        }
    }

    /// As after a crash: what it had is gone.
    pub fn restart(&mut self, dir: &Path) {
        self.process.signal("KILL");
        self.process.ended();
        self.process = Broker::process(self.kind, dir, self.port, self.password);
    }

    pub fn url(&self) -> String {
        let scheme = match self.kind {
            Redis => "redis",
            Mosquitto => "mqtt",
            Kafka => "kafka",
        };
        let user = if self.kind == Mosquitto && self.password.is_some() { "ann@" } else { "" };
        format!("{scheme}://{user}127.0.0.1:{}", self.port)
    }

    /// A Redis that speaks TLS, with users of its own; and a port without TLS for its operator.
    fn secured(dir: &Path, users: &str) -> (Broker, String) {
        std::fs::write(dir.join("users"), users).unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (one, other) = (free(), free());
        let port = one.local_addr().unwrap().port();
        let operators = other.local_addr().unwrap().port().to_string();
        drop((one, other));
        let mut command = Command::new("redis-server");
        command.current_dir(dir).args(["--bind", "127.0.0.1", "--port", &operators, "--save", "", "--tls-port"]);
        command.args([&port.to_string(), "--tls-cert-file", "server.pem", "--tls-key-file", "server.key"]);
        command.args(["--tls-ca-cert-file", "ca.pem", "--tls-auth-clients", "no", "--aclfile", "users"]);
        let process = Running::of(command);
        process.says("Ready to accept connections");
        (Broker { kind: Redis, process, port, password: None }, operators)
    }

    fn says(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

pub fn on(dir: &Path, name: &str, bus: &str) -> Instance {
    Instance::start(dir, &["--data-dir", name, "--bus", bus, "--found-after", "3000"], &[])
}

pub fn bus(instance: &Instance) -> Value {
    instance.status()["buses"][0].clone()
}

#[track_caller]
pub fn gets(instance: &Instance, path: &str, value: &str) {
    wait_for(&format!("{path} = {value}"), || (instance.run(&["get", path]).stdout.trim() == value).then_some(()));
}

#[track_caller]
pub fn connected(instance: &Instance) {
    wait_for("the bus", || (bus(instance)["state"] == "connected").then_some(()));
}

#[test]
fn instances_that_share_only_a_broker_agree_and_a_newcomer_gets_the_document() {
    agree(Redis);
}

#[test]
fn instances_that_share_only_a_broker_agree_and_a_newcomer_gets_the_document_over_mqtt() {
    agree(Mosquitto);
}

fn agree(kind: Kind) {
    let home = dir(&[]);
    agree_at(&Broker::start(kind, home.path(), None).url());
}

pub fn agree_at(url: &str) {
    let dir = dir(&[]);
    let (a, b) = (on(dir.path(), "a", url), on(dir.path(), "b", url));
    a.data(&["set", "limit", "1"]);
    gets(&b, "limit", "1");
    b.data(&["set", "name", "both"]);
    gets(&a, "name", "both");
    let c = on(dir.path(), "c", url);
    gets(&c, "limit", "1");
    c.data(&["set", "limit", "3"]);
    gets(&a, "limit", "3");
    gets(&b, "limit", "3");
    wait_for("all to be heard", || (bus(&a)["instances"] == 2).then_some(()));
    let text = a.words();
    let shown = url.split_once('?').map_or(url, |(shown, _)| shown);
    assert!(text.contains(&format!("bus {shown} connected, 2 other instances heard lately")), "{text}");
    assert_eq!(a.status()["peers"], serde_json::json!([]));
    assert_eq!(a.status()["health"]["status"], "healthy");
    // Who wrote is known by the signatures.
    let explained = super::json(&a.data(&["explain", "limit", "--json"])).to_string();
    let id = c.status()["instance_id"].as_str().unwrap().to_owned();
    assert!(explained.contains(&id), "{explained}");
}

#[test]
fn a_broker_that_dies_and_one_that_stands_still_are_named_within_two_seconds_and_nothing_is_lost() {
    survive(Redis);
}

#[test]
fn a_broker_that_dies_and_one_that_stands_still_are_named_within_two_seconds_and_nothing_is_lost_over_mqtt() {
    survive(Mosquitto);
}

pub fn survive(kind: Kind) {
    let dir = dir(&[]);
    let mut redis = Broker::start(kind, dir.path(), None);
    let (a, b) = (on(dir.path(), "a", &redis.url()), on(dir.path(), "b", &redis.url()));
    connected(&a);
    connected(&b);
    a.data(&["set", "n.0", "0"]);
    gets(&b, "n.0", "0");
    for round in 1..4 {
        if round == 1 {
            // It stands still: no connection breaks, and nothing arrives.
            redis.signal("STOP");
        } else {
            redis.signal("KILL");
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
            redis.signal("CONT");
        } else {
            redis.restart_dead(dir.path());
        }
        gets(&b, &format!("n.{round}"), "1");
        gets(&a, &format!("m.{round}"), "1");
        connected(&a);
        connected(&b);
    }
    let (one, other) = (a.data(&["get", "--json"]), b.data(&["get", "--json"]));
    assert_eq!(one, other);
    assert_eq!(a.status()["documents"][0]["view_hash"], b.status()["documents"][0]["view_hash"]);
}

impl Broker {
    fn restart_dead(&mut self, dir: &Path) {
        self.process = Broker::process(self.kind, dir, self.port, self.password);
    }
}

#[test]
fn an_instance_that_was_killed_catches_up_over_the_bus() {
    let dir = dir(&[]);
    let mut redis = Broker::start(Redis, dir.path(), None);
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
    let (first, second) = (Broker::start(Redis, dir.path(), None), Broker::start(Mosquitto, dir.path(), None));
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
    let redis = Broker::start(Redis, dir.path(), None);
    let sealed = format!("{}?key-file={}", redis.url(), dir.path().join("bus.key").display());
    let (a, b) = (on(dir.path(), "a", &sealed), on(dir.path(), "b", &sealed));
    let mut command = Command::new("redis-cli");
    // Frames are no text: as its own terminal would show them.
    command.args(["--no-raw", "-p", &redis.port.to_string(), "psubscribe", "*"]);
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
    log_in(Redis);
}

#[test]
fn a_password_comes_from_a_file_and_a_wrong_one_is_named_over_mqtt() {
    log_in(Mosquitto);
}

fn log_in(kind: Kind) {
    let dir = dir(&[("right", "hunter2\n"), ("wrong", "hunter3\n")]);
    let redis = Broker::start(kind, dir.path(), Some("hunter2"));
    log_in_at(&dir, &format!("{}?", redis.url()));
}

/// A folder with a file `right` and one `wrong`.
pub fn log_in_at(dir: &tempfile::TempDir, url: &str) {
    let of = |file: &str| format!("{url}password-file={}", dir.path().join(file).display());
    let (a, b) = (on(dir.path(), "a", &of("right")), on(dir.path(), "b", &of("wrong")));
    connected(&a);
    let told = wait_for("a reason", || bus(&b)["last_error"]["message"].as_str().map(str::to_owned));
    assert!(
        (told.to_lowercase().contains("password")
            || told.contains("NotAuthorized")
            || told.contains("authentication error"))
            && !told.contains("hunter"),
        "{told}"
    );
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
        ("redis://127.0.0.1?qos=1", "a bus has no option `qos=1`"),
        ("mqtt://127.0.0.1?qos=3", "`qos=3` is none of 0"),
        ("mqtt://127.0.0.1?values=all", "`values=all` of a bus: it is `publish`, `take` or `both`"),
        ("mqtt://127.0.0.1?retain=no", "the option `retain` of a bus is about values for others"),
        ("redis://127.0.0.1?values=both&retain=yes", "Redis keeps nothing of what is published"),
        ("memory://x?values=both", "a bus has no option `values=both`"),
        ("mqtt://127.0.0.1?values=both&values-paths=a..b", "`values-paths` of a bus"),
        ("mqtt://127.0.0.1?keepalive=0", "`keepalive=0` is no number of seconds"),
        ("mqtt://127.0.0.1?prefix=a%2Fb%2F%23", "`a/b/#` is nothing that a topic may begin with"),
        ("redis://127.0.0.1?key-file=/nowhere", "cannot read the key file `/nowhere`"),
    ] {
        let failed = run(dir.path(), &["serve", "--listen", "127.0.0.1:0", "--data-dir", "d", "--bus", url]);
        assert!(failed.status != 0 && failed.stderr.contains(words), "{url}: {failed:?}");
        assert!(!failed.stderr.contains("hunter2"), "{failed:?}");
    }
    let settling = ["serve", "--data-dir", "d", "--settle", "--bus", "memory://here"];
    let complaint = run(dir.path(), &settling);
    assert!(complaint.status != 0 && complaint.stderr.contains("not on a bus"), "{complaint:?}");
    let rules = r#"[{"pattern": "db.password", "secret": true}]"#;
    std::fs::write(dir.path().join("rules.json"), rules).unwrap();
    let open = ["serve", "--data-dir", "d", "--policy", "rules.json", "--bus", "redis://127.0.0.1:1"];
    let complaint = run(dir.path(), &open);
    assert!(complaint.stderr.contains("would read secrets") && complaint.stderr.contains("key-file"), "{complaint:?}");
}

#[test]
fn over_tls_a_user_with_two_rights_is_enough_and_one_that_is_revoked_is_named() {
    let dir = dir(&[("password", "hunter2\n")]);
    super::guarded::certificates(dir.path());
    let root = "user root on >root ~* &* +@all";
    let ann = "user ann on >hunter2 +subscribe &confmesh:*";
    let (redis, operators) = Broker::secured(dir.path(), &format!("{root}\nuser default off\n{ann} +publish\n"));
    let at = |name: &str| dir.path().join(name).display().to_string();
    let url =
        |ca: &str| format!("rediss://ann@localhost:{}?password-file={}&ca={}", redis.port, at("password"), at(ca));
    let (a, b) = (on(dir.path(), "a", &url("ca.pem")), on(dir.path(), "b", &url("ca.pem")));
    a.data(&["set", "limit", "1"]);
    gets(&b, "limit", "1");
    // Whom nobody trusts is not spoken to.
    let other = tempfile::tempdir().unwrap();
    super::guarded::certificates(other.path());
    std::fs::copy(other.path().join("ca.pem"), dir.path().join("other.pem")).unwrap();
    let c = on(dir.path(), "c", &url("other.pem"));
    let told = wait_for("a reason", || bus(&c)["last_error"]["message"].as_str().map(str::to_owned));
    assert!(told.contains("certificate"), "{told}");
    // Broker and users stay, and one right goes.
    let cli = ["-p", &operators, "--user", "root", "--pass", "root"];
    let set = |right: &str| {
        let done = Command::new("redis-cli").args(cli).args(["acl", "setuser", "ann", right]).output().unwrap();
        assert!(String::from_utf8_lossy(&done.stdout).contains("OK"), "{done:?}");
    };
    set("-publish");
    let told = wait_for("a reason", || bus(&a)["last_error"]["message"].as_str().map(str::to_owned));
    assert!(told.contains("publish") && !told.contains("hunter2"), "{told}");
    a.data(&["set", "limit", "2"]);
    set("+publish");
    gets(&b, "limit", "2");
}

#[test]
fn programs_read_and_write_single_values_on_a_channel_of_redis() {
    let dir = dir(&[]);
    let redis = Broker::start(Redis, dir.path(), None);
    let url = format!("{}?values=both", redis.url());
    let (a, b) = (on(dir.path(), "a", &url), on(dir.path(), "b", &url));
    let mut command = Command::new("redis-cli");
    command.args(["-p", &redis.port.to_string(), "subscribe", "apg:config:sync:global"]);
    let reader = Running::of(command);
    reader.says("subscribe");
    wait_for("the connection for values", || (bus(&a)["values"]["connected"] == true).then_some(()));
    wait_for("the connection for values", || (bus(&b)["values"]["connected"] == true).then_some(()));
    a.data(&["set", "app.database.host", "one"]);
    reader.says(r#"{"config_key":"app.database.host","new_value":"one","publisher_id":"confmesh-"#);
    let message = r#"{"config_key": "app.limit", "new_value": 7, "publisher_id": "ops-tool"}"#;
    assert_eq!(redis.says(&["publish", "apg:config:sync:global", message]).trim(), "3", "two instances and the reader");
    gets(&a, "app.limit", "7");
    gets(&b, "app.limit", "7");
    let explained = a.data(&["explain", "app.limit"]);
    assert!(explained.contains(&format!("{} (ops-tool)", redis.url())), "{explained}");
    redis.says(&["publish", "apg:config:sync:global", "rubbish"]);
    wait_for("a refusal", || (bus(&a)["values"]["refused"] == 1).then_some(()));
    a.process.tells("this is no value for others");
    assert_eq!(bus(&a)["state"], "connected");
}
