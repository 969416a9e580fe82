//! Instances that share nothing but Kafka, the real one.
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use super::buses::{Kind, agree_at, bus, connected, gets, log_in_at, on, survive};
use super::dir;
use super::process::{Instance, Running, wait_for};

/// Starts a broker and waits until it is one. What it has is in the folder, and so is where it found it.
pub fn process(dir: &Path, port: u16, secure: Option<u16>) -> Running {
    // Started anew it has to be found where it was.
    let kept = dir.join("controller-port");
    let controller = std::fs::read_to_string(&kept).unwrap_or_else(|_| free().to_string());
    std::fs::write(&kept, &controller).unwrap();
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/run-kafka.sh"));
    command.arg(dir).args([&port.to_string(), &controller]).args(secure.map(|port| port.to_string()));
    let running = Running::of(command);
    running.says("Kafka Server started");
    running
}

/// The broker itself; the script around it only sees to its end.
pub fn of(process: &Running) -> u32 {
    process.says("broker ").trim_start_matches("broker ").parse().unwrap()
}

fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The broker of all tests here that do not hurt it; it ends with them.
struct Shared {
    home: PathBuf,
    port: u16,
    secure: u16,
    _process: Running,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka");
    let _ = std::fs::remove_dir_all(&home); // it is not there the first time
    std::fs::create_dir_all(&home).unwrap();
    super::guarded::certificates(&home);
    let (port, secure) = (free(), free());
    let _process = process(&home, port, Some(secure));
    Shared { home, port, secure, _process }
});

impl Shared {
    /// Each test has topics of its own.
    fn plain(&self, prefix: &str) -> String {
        format!("kafka://127.0.0.1:{}?prefix={prefix}", self.port)
    }

    fn secure(&self, user: &str, options: &str) -> String {
        let ca = self.home.join("ca.pem");
        format!("kafka+tls://{user}@localhost:{}?ca={}&{options}&", self.secure, ca.display())
    }
}

#[test]
fn instances_that_share_only_a_broker_agree_and_a_newcomer_gets_the_document_over_kafka() {
    agree_at(&SHARED.plain("agree"));
}

#[test]
fn a_broker_that_dies_and_one_that_stands_still_are_named_within_two_seconds_and_nothing_is_lost_over_kafka() {
    survive(Kind::Kafka);
}

#[test]
fn over_tls_users_of_kafka_log_in_by_scram_or_by_password_and_a_wrong_one_is_named() {
    for (user, options) in [
        ("ann", "sasl=scram-256&prefix=scram-256"),
        ("ann", "sasl=scram-512&prefix=scram-512"),
        ("bob", "sasl=plain&prefix=plain"),
    ] {
        log_in_at(&dir(&[("right", "hunter2\n"), ("wrong", "hunter3\n")]), &SHARED.secure(user, options));
    }
}

#[test]
fn a_broker_of_kafka_that_nobody_trusts_is_not_spoken_to() {
    let dir = dir(&[("password", "hunter2\n")]);
    super::guarded::certificates(dir.path());
    let at = |name: &str| dir.path().join(name).display().to_string();
    let url =
        format!("kafka+tls://bob@localhost:{}?password-file={}&ca={}", SHARED.secure, at("password"), at("ca.pem"));
    let a = on(dir.path(), "a", &url);
    let told = wait_for("a reason", || bus(&a)["last_error"]["message"].as_str().map(str::to_owned));
    assert!(told.contains("certificate") && !told.contains("hunter2"), "{told}");
}

#[test]
fn documents_of_one_kafka_do_not_hear_each_other_and_one_that_is_on_two_brokers_joins_both() {
    let dir = dir(&[]);
    let (one, other) = (SHARED.plain("one"), SHARED.plain("other"));
    let (a, b) = (on(dir.path(), "a", &one), on(dir.path(), "b", &other));
    a.data(&["set", "name", "one"]);
    connected(&a);
    connected(&b);
    assert_eq!(b.run(&["get", "name"]).status, 1, "another prefix");
    let both = ["--data-dir", "c", "--bus", &one, "--bus", &SHARED.plain("third"), "--found-after", "3000"];
    let c = Instance::start(dir.path(), &both, &[]);
    let d = on(dir.path(), "d", &SHARED.plain("third"));
    gets(&d, "name", "one");
    d.data(&["set", "name", "three"]);
    gets(&a, "name", "three");
    assert_eq!(c.status()["buses"].as_array().unwrap().len(), 2);
}
