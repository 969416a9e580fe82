//! Settings of `serve`: by a file, by variables, by options and by presets; what `confmesh config` says of them.
use std::net::TcpListener;

use crate::process::{Instance, Running};
use crate::{dir, json, run, run_with};

const SETTINGS: &str = "\
bind = 'app.yaml'
log_level = 'warn'

[sync]
found_after = '50ms'
heartbeat = 1500

[server]
listen = ['127.0.0.1:0']
allow_hosts = ['config.example']

[strategy]
'app.tags' = 'union_set'

[[source]]
type = 'file'
path = 'base.json'
optional = true
";

#[test]
fn an_option_beats_a_variable_that_beats_the_file_that_beats_the_preset() {
    let dir = dir(&[("confmesh.toml", SETTINGS)]);
    let arguments = ["config", "--config", "confmesh.toml", "--preset", "ha-addon", "--bind", "given.json", "--json"];
    let variables = [("CONFMESH_SYNC_FOUND_AFTER", "4s"), ("CONFMESH_ALLOW_HOSTS", "a.example,b.example")];
    let all = json(&run_with(dir.path(), &arguments, &variables, "").data());
    let of = |path: &str| (all[path]["value"].to_string(), all[path]["from"].as_str().unwrap().to_owned());
    let is = |path: &str, value: &str, from: &str| assert_eq!(of(path), (value.to_owned(), from.to_owned()), "{path}");
    is("bind", r#""given.json""#, "--bind");
    is("sync.found_after", r#""4s""#, "env (CONFMESH_SYNC_FOUND_AFTER)");
    is("server.allow_hosts", r#"["a.example","b.example"]"#, "env (CONFMESH_ALLOW_HOSTS)");
    is("sync.heartbeat", "1500", "confmesh.toml:6:1");
    is("server.enable", "false", "preset ha-addon");
    is("sync.old_after", "600000", "default");
    let told = run(dir.path(), &["config", "--bus", "redis://user:hunter2@127.0.0.1:1"]).data();
    assert!(told.contains("--bus") && !told.contains("hunter2"), "{told}");
    assert_eq!(all["server.tls.ca"]["variable"], "CONFMESH_TLS_CA");
    let text = run(dir.path(), &["config", "--config", "confmesh.toml"]).data();
    assert!(text.contains("log_level = \"warn\"") && text.contains("confmesh.toml:2:1"), "{text}");
}

#[test]
fn an_instance_runs_by_a_file_of_settings() {
    let dir = dir(&[("confmesh.toml", SETTINGS), ("base.json", r#"{"app": {"tags": ["a"]}, "port": 1}"#)]);
    let process = Running::start(dir.path(), &["serve", "--config", "confmesh.toml"], &[]);
    let instance = Instance::of(process);
    instance.data(&["set", "app.tags", r#"["b"]"#]);
    assert_eq!(json(&instance.data(&["get", "app.tags", "--json"])), json(r#"["b", "a"]"#));
    assert_eq!(instance.data(&["get", "port"]), "1\n");
    assert!(std::fs::read_to_string(dir.path().join("app.yaml")).unwrap().contains("tags"));
    assert!(!instance.process.errors().contains("info"), "{}", instance.process.errors());
}

#[test]
fn what_is_wrong_with_a_setting_is_told_with_its_place_and_the_name_that_was_meant() {
    let dir = dir(&[
        ("unknown.toml", "[server]\nlisten = ['127.0.0.1:0']\nalow_hosts = ['x']\n"),
        ("time.yaml", "sync:\n  found_after: soon\n"),
        ("type.json", "{\n  \"server\": {\"behind_proxy\": 7}\n}"),
        ("source.toml", "[[source]]\ntype = 'ftp'\nurl = 'x'\n"),
        ("preset.toml", "preset = 'prod'\n"),
    ]);
    let complaint = |file: &str| run(dir.path(), &["serve", "--config", file]).complaint(1);
    let said = complaint("unknown.toml");
    assert!(said.contains("unknown.toml:3") && said.contains("alow_hosts") && said.contains("allow_hosts"), "{said}");
    let said = complaint("time.yaml");
    assert!(said.contains("time.yaml:2") && said.contains("sync.found_after") && said.contains("soon"), "{said}");
    let said = complaint("type.json");
    assert!(said.contains("type.json:2") && said.contains("server.behind_proxy"), "{said}");
    let said = complaint("source.toml");
    assert!(said.contains("source.toml:") && said.contains("`ftp` is no type of source"), "{said}");
    let said = complaint("preset.toml");
    assert!(said.contains("preset.toml:1") && said.contains("production"), "{said}");
    let said = run(dir.path(), &["serve", "--config", "missing.toml"]).complaint(1);
    assert!(said.contains("missing.toml"), "{said}");
    let variables = [("CONFMESH_LISTENS", "127.0.0.1:0"), ("CONFMESH_PORT_8765_TCP", "tcp://10.0.0.1:8765")];
    let told = run_with(dir.path(), &["config"], &variables, "");
    assert_eq!(told.status, 0);
    assert!(
        told.stderr.contains("`CONFMESH_LISTENS` is no setting") && told.stderr.contains("`CONFMESH_LISTEN`"),
        "{told:?}"
    );
}

#[test]
fn production_starts_only_with_authentication_and_single_listens_nowhere() {
    let dir = dir(&[]);
    let said = run(dir.path(), &["serve", "--preset", "production"]).complaint(1);
    assert!(said.contains("only with authentication") && said.contains("confmesh token new"), "{said}");
    // A port that is taken: who listened would say so.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables = [("CONFMESH_PRESET", "single")];
    let process = Running::start(dir.path(), &["serve", "--found-after", "50ms", "--bind", "a.json"], &variables);
    process.tells("  data  ");
    assert!(!process.errors().contains("listening on"), "{}", process.errors());
    let variables = [("CONFMESH_PRESET", "single"), ("CONFMESH_LISTEN", address.as_str())];
    let mut refused = Running::start(dir.path(), &["serve", "--bind", "b.json"], &variables);
    assert_ne!(refused.ended().code(), Some(0), "who says where to listen wants to");
}
