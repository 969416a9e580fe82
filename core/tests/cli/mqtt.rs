//! What an MQTT broker shows of instances to anybody else: read and written with `mosquitto_sub` and `mosquitto_pub`.
use std::net::TcpListener;
use std::process::Command;

use super::buses::{Broker, Kind, bus, connected, gets, on};
use super::dir;
use super::process::{Running, wait_for};

/// Somebody who listens at the broker, and hears what is retained first.
fn listener(broker: &Broker, filter: &str) -> Running {
    let mut command = Command::new("mosquitto_sub");
    command.args(["-p", &broker.port.to_string(), "-v", "-t", filter]);
    Running::of(command)
}

/// What is retained there: asked by somebody who comes late.
fn retained(broker: &Broker, filter: &str) -> Vec<String> {
    let mut command = Command::new("mosquitto_sub");
    command.args(["-p", &broker.port.to_string(), "-v", "-t", filter, "--retained-only", "-W", "1"]);
    let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
    said.lines().map(str::to_owned).collect()
}

fn publish(broker: &Broker, topic: &str, message: &str, more: &[&str]) {
    let mut command = Command::new("mosquitto_pub");
    command.args(["-p", &broker.port.to_string(), "-q", "1", "-t", topic, "-m", message]).args(more);
    assert!(command.status().unwrap().success());
}

#[test]
fn the_broker_says_whether_an_instance_is_there_also_after_it_was_killed_or_stood_still() {
    let dir = dir(&[]);
    let broker = Broker::start(Kind::Mosquitto, dir.path(), None);
    let url = format!("{}?keepalive=1&qos=1", broker.url());
    let (mut a, b) = (on(dir.path(), "a", &url), on(dir.path(), "b", &url));
    let topic = |id: &str| format!("confmesh/default/status/{id}");
    let id = |instance: &super::process::Instance| instance.status()["instance_id"].as_str().unwrap().to_owned();
    let (of_a, of_b) = (topic(&id(&a)), topic(&id(&b)));
    let is = |topic: &str, word: &str| {
        wait_for(&format!("{topic} {word}"), || {
            (retained(&broker, topic) == [format!("{topic} {word}")]).then_some(())
        });
    };
    is(&of_a, "online");
    is(&of_b, "online");
    // Frames go at least once here, and arrive.
    a.data(&["set", "limit", "1"]);
    gets(&b, "limit", "1");
    // Nothing but that is retained.
    assert_eq!(retained(&broker, "#").len(), 2, "{:?}", retained(&broker, "#"));
    let watcher = listener(&broker, "confmesh/default/status/#");
    watcher.says(&format!("{of_b} online"));
    a.process.signal("KILL");
    a.process.ended();
    watcher.says(&format!("{of_a} offline"));
    is(&of_a, "offline");
    is(&of_b, "online");
    let a = on(dir.path(), "a", &url);
    is(&of_a, "online");
    // It stands still for longer than the broker waits, and goes on.
    a.process.signal("STOP");
    is(&of_a, "offline");
    a.process.signal("CONT");
    is(&of_a, "online");
    connected(&a);
    // A will that comes after its time: the instance says that it is there.
    publish(&broker, &of_a, "offline", &["-r"]);
    is(&of_a, "online");
    a.process.signal("TERM");
    is(&of_a, "offline");
    assert_eq!(bus(&b)["state"], "connected");
}

#[test]
fn a_broker_with_tls_takes_user_and_password_and_says_who_is_there() {
    let dir = dir(&[("password", "hunter2\n"), ("users", "ann:hunter2\n")]);
    super::guarded::certificates(dir.path());
    let at = |name: &str| dir.path().join(name).display().to_string();
    assert!(Command::new("mosquitto_passwd").args(["-U", &at("users")]).status().unwrap().success());
    let free = || TcpListener::bind("127.0.0.1:0").unwrap();
    let held = [free(), free()];
    let [port, operators] = held.map(|listener| listener.local_addr().unwrap().port());
    let tls = format!("cafile {}\ncertfile {}\nkeyfile {}\n", at("ca.pem"), at("server.pem"), at("server.key"));
    let users = format!("allow_anonymous false\npassword_file {}\nuser root\n", at("users"));
    let lines = format!("{users}listener {operators} 127.0.0.1\nlistener {port} 127.0.0.1\n{tls}");
    std::fs::write(dir.path().join("tls.conf"), lines).unwrap();
    let mut command = Command::new("mosquitto");
    command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap())).args(["-c", &at("tls.conf")]);
    let broker = Running::of(command);
    broker.tells("running");
    let url = |ca: &str| format!("mqtts://ann@localhost:{port}?password-file={}&ca={}&qos=2", at("password"), at(ca));
    let (a, b) = (on(dir.path(), "a", &url("ca.pem")), on(dir.path(), "b", &url("ca.pem")));
    a.data(&["set", "limit", "1"]);
    gets(&b, "limit", "1");
    let mut command = Command::new("mosquitto_sub");
    command.args(["-p", &operators.to_string(), "-u", "ann", "-P", "hunter2", "-v", "-t", "confmesh/default/status/#"]);
    let watcher = Running::of(command);
    watcher.says(&format!("{} online", a.status()["instance_id"].as_str().unwrap()));
    // Whom nobody trusts is not spoken to.
    let other = tempfile::tempdir().unwrap();
    super::guarded::certificates(other.path());
    std::fs::copy(other.path().join("ca.pem"), dir.path().join("other.pem")).unwrap();
    let c = on(dir.path(), "c", &url("other.pem"));
    let told = wait_for("a reason", || bus(&c)["last_error"]["message"].as_str().map(str::to_owned));
    assert!(told.to_lowercase().contains("certificate") && !told.contains("hunter2"), "{told}");
}
