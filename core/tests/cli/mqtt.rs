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

/// Everything that a listener heard at a topic.
fn heard(listener: &Running, topic: &str) -> Vec<serde_json::Value> {
    let lines = listener.stdout.lock().unwrap();
    let of_it = lines.iter().filter_map(|line| line.strip_prefix(topic)?.strip_prefix(' '));
    of_it.map(|message| serde_json::from_str(message).unwrap_or_default()).collect()
}

#[track_caller]
fn hears(listener: &Running, topic: &str, value: &serde_json::Value) -> serde_json::Value {
    wait_for(&format!("{topic} = {value}"), || heard(listener, topic).pop().filter(|last| last["new_value"] == *value))
}

fn valued(dir: &std::path::Path, name: &str, bus: &str, more: &[&str]) -> super::process::Instance {
    let arguments = [&["--data-dir", name, "--bus", bus, "--found-after", "3000"], more].concat();
    super::process::Instance::start(dir, &arguments, &[])
}

#[test]
fn programs_read_and_write_single_values_with_mosquitto_sub_and_pub() {
    let schema = r#"{"properties": {"app": {"properties": {"limit": {"type": "integer", "maximum": 100}}}}}"#;
    let dir = dir(&[("schema.json", schema)]);
    let mut broker = Broker::start(Kind::Mosquitto, dir.path(), None);
    let url = format!("{}?values=both", broker.url());
    let schema = ["--schema", "schema.json"];
    let (a, b) = (valued(dir.path(), "a", &url, &schema), valued(dir.path(), "b", &url, &schema));
    let listener = listener(&broker, "apg/config/#");
    a.data(&["set", "app.database.host", "one"]);
    let topic = "apg/config/global/app/database/host";
    let message = hears(&listener, topic, &"one".into());
    assert_eq!(message["config_key"], "app.database.host");
    let own = format!("confmesh-{}", a.status()["instance_id"].as_str().unwrap());
    assert_eq!(message["publisher_id"], own.as_str());
    assert!(message["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{message}");
    // Who comes late gets it, and so does who looks for a subtree.
    wait_for("a retained value", || retained(&broker, "apg/config/+/app/database/#").pop());
    // What a program publishes is a write, which says where it came from.
    let limit = "apg/config/global/app/limit";
    publish(&broker, limit, r#"{"new_value": 7, "publisher_id": "ops-tool"}"#, &[]);
    gets(&a, "app.limit", "7");
    gets(&b, "app.limit", "7");
    let explained = b.data(&["explain", "app.limit"]);
    assert!(explained.contains(&format!("{} (ops-tool)", broker.url())), "{explained}");
    // What the schema refuses is answered by what is in force.
    publish(&broker, limit, r#"{"new_value": 700, "publisher_id": "ops-tool"}"#, &[]);
    let answered =
        wait_for("an answer", || heard(&listener, limit).pop().filter(|last| last["publisher_id"] != "ops-tool"));
    assert_eq!(answered["new_value"], 7);
    publish(&broker, limit, "rubbish", &[]);
    wait_for("a refusal", || {
        let refused = |instance| bus(instance)["values"]["refused"].as_u64().unwrap();
        (refused(&a) + refused(&b) >= 3).then_some(())
    });
    assert_eq!(a.run(&["get", "app.limit"]).stdout.trim(), "7");
    // Keys that mean something to the broker, and removals.
    a.data(&["set", "/odd/a+b~1c", "x"]);
    let odd = "apg/config/global/odd/a%2Bb%2Fc";
    hears(&listener, odd, &"x".into());
    a.data(&["unset", "/odd/a+b~1c"]);
    wait_for("the removal", || heard(&listener, odd).into_iter().find(|message| message["removed"] == true));
    wait_for("a clear topic", || retained(&broker, odd).is_empty().then_some(()));
    // A broker that lost everything gets it again.
    broker.restart(dir.path());
    wait_for("the values", || {
        let again = retained(&broker, "apg/config/global/#");
        [topic, limit].iter().all(|topic| again.iter().any(|line| line.starts_with(topic))).then_some(())
    });
    // What is kept there counts if it is newer than what is here.
    let stop = |instance: &super::process::Instance| instance.process.signal("TERM");
    stop(&a);
    let mut b = b;
    stop(&b);
    b.process.ended();
    let message = |limit: u8, time: &str| format!(r#"{{"new_value": {limit}, "timestamp": "{time}"}}"#);
    publish(&broker, limit, &message(8, "2020-01-01T00:00:00Z"), &["-r"]);
    let b = valued(dir.path(), "b", &url, &schema);
    wait_for("the value in force", || {
        retained(&broker, limit).pop().filter(|line| line.contains("confmesh-") && line.contains(r#""new_value":7"#))
    });
    stop(&b);
    let mut b = b;
    b.process.ended();
    let now = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%S.%6N"]).output().unwrap().stdout;
    publish(&broker, limit, &message(9, String::from_utf8(now).unwrap().trim()), &["-r"]);
    let b = valued(dir.path(), "b", &url, &schema);
    gets(&b, "app.limit", "9");
}

#[test]
fn values_have_tenants_and_secrets_are_none_of_them() {
    let rules = r#"[{"pattern": "db.password", "secret": true}]"#;
    let dir = dir(&[("rules.json", rules)]);
    std::fs::write(dir.path().join("bus.key"), super::run(dir.path(), &["key", "new"]).stdout).unwrap();
    let broker = Broker::start(Kind::Mosquitto, dir.path(), None);
    let key = format!("{}?key-file={}", broker.url(), dir.path().join("bus.key").display());
    let url = format!("{key}&values=publish&values-prefix=shop&tenant=company-tenant&values-paths=app.**,db.**");
    let a = valued(dir.path(), "a", &url, &["--policy", "rules.json"]);
    let listener = listener(&broker, "#");
    a.data(&["set", "db.password", "findthisword"]);
    a.data(&["set", "other", "findthatword"]);
    a.data(&["set", "app.name", "shop"]);
    hears(&listener, "shop/company-tenant/app/name", &"shop".into());
    let all = listener.stdout.lock().unwrap().join("\n");
    assert!(!all.contains("findthisword") && !all.contains("findthatword"), "{all}");
    // Nothing is taken here.
    publish(&broker, "shop/company-tenant/app/name", r#"{"new_value": "else"}"#, &[]);
    wait_for("what is in force", || {
        let last = heard(&listener, "shop/company-tenant/app/name").pop()?;
        (last["new_value"] == "shop").then_some(())
    });
    assert_eq!(a.run(&["get", "app.name"]).stdout.trim(), "shop");
}

#[test]
fn programs_write_as_a_principal_and_no_further_than_it_may() {
    let dir = dir(&[]);
    let new = ["token", "new", "broker", "--role", "writer", "--paths", "app.*", "--auth", "auth.toml"];
    assert_eq!(super::run(dir.path(), &new).status, 0);
    let reader = ["token", "new", "admin", "--role", "admin", "--auth", "auth.toml"];
    let token = super::run(dir.path(), &reader).stdout.trim().to_owned();
    let broker = Broker::start(Kind::Mosquitto, dir.path(), None);
    let serve = |bus: &str| {
        let all = ["serve", "--listen", "127.0.0.1:0", "--data-dir", "x", "--auth", "auth.toml", "--bus", bus];
        super::run(dir.path(), &all)
    };
    let refused = serve(&format!("{}?values=take", broker.url()));
    assert!(refused.stderr.contains("in nobody's name") && refused.stderr.contains("principal=NAME"), "{refused:?}");
    let refused = super::run(
        dir.path(),
        &["serve", "--listen", "127.0.0.1:0", "--data-dir", "x", "--bus", "mqtt://127.0.0.1?values=take&principal=x"],
    );
    assert!(refused.stderr.contains("of no use without"), "{refused:?}");
    let url = format!("{}?values=take&principal=broker", broker.url());
    let more = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        "a",
        "--auth",
        "auth.toml",
        "--bus",
        &url,
        "--found-after",
        "50",
    ];
    let process = Running::start(dir.path(), &more, &[]);
    let line = process.tells("  page  http://");
    let address = line.trim_start_matches("  page  ").trim_end_matches('/').to_owned();
    let ask = |arguments: &[&str]| {
        let all = [arguments, &["--url", &address]].concat();
        super::run_with(dir.path(), &all, &[("CONFMESH_TOKEN", &token)], "")
    };
    process.tells("connected to the bus");
    wait_for("the connection for values", || {
        let status: serde_json::Value = serde_json::from_str(&ask(&["status", "--json"]).stdout).unwrap_or_default();
        (status["buses"][0]["values"]["connected"] == true).then_some(())
    });
    publish(&broker, "apg/config/global/db/host", r#"{"new_value": "x", "publisher_id": "ops"}"#, &[]);
    publish(&broker, "apg/config/global/app/limit", r#"{"new_value": 1, "publisher_id": "ops"}"#, &[]);
    wait_for("the value", || (ask(&["get", "app.limit"]).stdout.trim() == "1").then_some(()));
    assert_eq!(ask(&["get", "db.host"]).status, 1);
    process.tells("`broker` may not write");
    let explained = ask(&["explain", "app.limit", "--json"]).stdout;
    assert!(explained.contains("\"broker\""), "{explained}");
}
