//! Instances and the commands that talk to them.
use super::process::{Instance, Running, wait_for};
use super::{dir, json, run, run_with};
use std::fs;
use std::net::TcpListener;

const CONFIG: &str = "# the shop\napp:\n  name: shop\n  rate_limit: 100 # per second\n";

/// An address that nobody listens on (any more).
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn values_are_set_read_and_removed_and_the_bound_file_follows_with_its_comments() {
    let dir = dir(&[("config.yaml", CONFIG)]);
    let served = Instance::start(dir.path(), &["--bind", "config.yaml"], &[]);
    assert_eq!(served.data(&["get", "app.name"]), "shop\n");
    assert_eq!(served.data(&["get", "app.name", "--json"]), "\"shop\"\n");
    assert_eq!(served.data(&["get", "/app/rate_limit"]), "100\n");
    assert_eq!(json(&served.data(&["get"])), json(r#"{"app":{"name":"shop","rate_limit":100}}"#));
    for (arguments, expected) in [
        (&["set", "app.rate_limit", "250"][..], "250\n"),
        (&["set", "app.rate_limit", "250", "--string"], "250\n"),
        (&["set", "app.rate_limit", "-1"], "-1\n"),
        (&["set", "app.rate_limit", "a text"], "a text\n"),
        (&["set", "app.rate_limit", "300", "--as-json"], "300\n"),
    ] {
        assert_eq!(served.data(arguments), "");
        assert_eq!(served.data(&["get", "app.rate_limit"]), expected);
    }
    served.data(&["set", "map", "{\"a\": [1]}"]);
    assert_eq!(served.data(&["get", "map"]), "{\n  \"a\": [\n    1\n  ]\n}\n");
    served.data(&["unset", "map"]);
    let receipt = json(&served.data(&["set", "app.beta", "true", "--json"]));
    assert_eq!(receipt["changed"], json(r#"["app.beta"]"#));
    assert_eq!(served.data(&["unset", "app.name"]), "");
    let expected = "# the shop\napp:\n  rate_limit: 300 # per second\n  beta: true\n";
    wait_for("the bound file", || {
        (fs::read_to_string(dir.path().join("config.yaml")).unwrap() == expected).then_some(())
    });
    fs::write(dir.path().join("config.yaml"), expected.replace("300", "400")).unwrap();
    wait_for("the edit", || (served.data(&["get", "app.rate_limit"]) == "400\n").then_some(()));
}

#[test]
fn what_is_not_there_is_an_error_with_a_suggestion() {
    let dir = dir(&[("config.yaml", CONFIG)]);
    let served = Instance::start(dir.path(), &["--bind", "config.yaml"], &[]);
    for command in ["get", "unset", "explain"] {
        let complaint = served.run(&[command, "app.rate_limt"]).complaint(1);
        assert_eq!(
            complaint, "error: nothing is at `app.rate_limt`\n\nhint: did you mean `app.rate_limit`?\n",
            "{command}"
        );
    }
    let error = json(&served.run(&["get", "app.nonsense", "--json"]).complaint(1));
    assert_eq!(error["error"]["hint"], "`app` holds `name`, `rate_limit`");
}

#[test]
fn a_value_that_the_environment_decides_is_set_and_said_to_be_hidden() {
    let dir = dir(&[("config.yaml", CONFIG)]);
    let served = Instance::start(dir.path(), &["--bind", "config.yaml", "--env", "DEMO"], &[("DEMO_APP__NAME", "env")]);
    let ran = served.run(&["set", "app.name", "mine"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""));
    let expected =
        "warning: `app.name` is set, but `env:DEMO` counts more on this instance and still decides it here\n";
    assert!(ran.stderr.starts_with(expected), "{}", ran.stderr);
    assert_eq!(served.data(&["get", "app.name"]), "env\n");
    let table = served.data(&["explain", "app.name"]);
    assert!(table.starts_with("app.name = \"env\"\n") && table.contains("> env:DEMO (DEMO_APP__NAME)"), "{table}");
    assert!(table.contains("\"mine\""), "{table}");
    let all = served.data(&["explain", ""]);
    assert!(all.lines().any(|row| row.starts_with("app.name ") && row.ends_with("env:DEMO (DEMO_APP__NAME)")), "{all}");
    assert_eq!(json(&served.data(&["explain", "app.name", "--json"]))["winner"]["source"], "env:DEMO");
}

#[test]
fn text_that_was_meant_to_be_json_is_pointed_out() {
    let dir = dir(&[]);
    let served = Instance::start(dir.path(), &[], &[]);
    let ran = served.run(&["set", "a", "{\"b\": 1"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.starts_with("warning: the value is no JSON and was taken as a text: "), "{}", ran.stderr);
    assert_eq!(served.data(&["get", "a"]), "{\"b\": 1\n");
    assert!(served.run(&["set", "a", "99999999999999999999"]).complaint(1).starts_with("error: "));
    assert!(dir.path().join(".confmesh").is_dir(), "the data directory without a bound file");
}

#[test]
fn files_lie_below_what_is_shared() {
    let dir = dir(&[("config.yaml", CONFIG), ("low.json", r#"{"app": {"name": "low", "extra": 1}}"#)]);
    let served = Instance::start(dir.path(), &["--bind", "config.yaml", "--file", "low.json"], &[]);
    assert_eq!(json(&served.data(&["get", "app"])), json(r#"{"extra":1,"name":"shop","rate_limit":100}"#));
    let text = served.data(&["status"]);
    for expected in ["document  default (", "file:low.json (priority 30): fresh", "address   http://127.0.0.1:"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn watching_prints_changes_and_after_a_gap_what_was_missed() {
    let dir = dir(&[("config.yaml", CONFIG)]);
    let address = nobody();
    let mut served = Instance::start_at(dir.path(), &address, &["--bind", "config.yaml"], &[]);
    let lines = Running::start(dir.path(), &["watch", "app.*", "--url", &served.url], &[]);
    let objects = Running::start(dir.path(), &["watch", "--json", "--url", &served.url], &[]);
    // Whether it listens already shows only once it says something.
    let mut limit = 1_000;
    wait_for("the first changes", || {
        limit += 1;
        served.data(&["set", "app.rate_limit", &limit.to_string()]);
        let heard = |watch: &Running| !watch.stdout.lock().unwrap().is_empty();
        (heard(&lines) && heard(&objects)).then_some(())
    });
    served.data(&["set", "other", "true"]);
    served.data(&["set", "app.name", "store"]);
    assert_eq!(lines.says("app.name"), "app.name: \"shop\" -> \"store\"");
    assert!(!lines.stdout.lock().unwrap().iter().any(|line| line.starts_with("other")));
    let object = json(&objects.says("\"other\""));
    assert_eq!(
        (&object["path"], &object["op"], &object["new"]),
        (&json("\"other\""), &json("\"added\""), &json("true"))
    );
    served.process.signal("TERM");
    assert_eq!(served.process.ended().code(), Some(0));
    lines.tells(&format!("connection to {} lost, reconnecting", served.url));
    let text = fs::read_to_string(dir.path().join("config.yaml")).unwrap();
    fs::write(dir.path().join("config.yaml"), text.replace("name: store", "name: kiosk")).unwrap();
    let _again = Instance::start_at(dir.path(), &address, &["--bind", "config.yaml"], &[]);
    lines.says("app.name: \"store\" -> \"kiosk\"");
    lines.tells("reconnected to ");
}

#[test]
fn a_signal_ends_an_instance_cleanly_and_so_does_the_end_of_its_parent() {
    for signal in ["TERM", "INT"] {
        let dir = dir(&[]);
        let mut served = Instance::start(dir.path(), &[], &[]);
        served.data(&["set", "a", "1"]);
        served.process.signal(signal);
        assert_eq!(served.process.ended().code(), Some(0), "{}", served.process.errors());
        let again = Instance::start(dir.path(), &[], &[]);
        assert_eq!(again.data(&["get", "a"]), "1\n");
    }
    let dir = dir(&[]);
    let mut served = Instance::start(dir.path(), &["--until-stdin-ends"], &[]);
    served.process.close_stdin();
    assert_eq!(served.process.ended().code(), Some(0), "{}", served.process.errors());
}

#[test]
fn an_instance_that_cannot_start_says_why() {
    let dir = dir(&[("config.yaml", CONFIG), ("bad.yaml", "a: [1\n"), ("file", "")]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let complaint = run(dir.path(), &["serve", "--listen", &address]).complaint(1);
    assert!(complaint.contains(&format!("error: cannot listen on {address}: ")), "{complaint}");
    assert!(complaint.contains("--listen"), "{complaint}");
    let free = ["--listen", "127.0.0.1:0"];
    let refused =
        |more: &[&str], status: i32| run(dir.path(), &[&["serve"], &free[..], more].concat()).complaint(status);
    let complaint = refused(&["--data-dir", "file/data"], 2);
    assert!(complaint.contains("error: ") && complaint.contains("file/data"), "{complaint}");
    let complaint = refused(&["--bind", "missing/config.yaml"], 1);
    assert!(
        complaint.starts_with("error: cannot open the directory `missing`: no such file or directory"),
        "{complaint}"
    );
    let complaint = refused(&["--bind", "bad.yaml"], 1);
    assert!(complaint.contains("error: bad.yaml:"), "{complaint}");
    let complaint = refused(&["--bind", "config.yaml", "--peer", "nonsense"], 1);
    assert!(complaint.contains("nonsense"), "{complaint}");
    let complaint = run(dir.path(), &["serve", "--listen", "0.0.0.0:0"]).complaint(1);
    assert!(complaint.contains("--tls-cert") && complaint.contains("--auth"), "{complaint}");
}

#[test]
fn a_missing_bound_file_is_created_when_there_is_something_to_write() {
    let dir = dir(&[]);
    let served = Instance::start(dir.path(), &["--bind", "new.json"], &[]);
    served.process.tells("`new.json` does not exist: it is created when the document gets content");
    served.data(&["set", "a.b", "1"]);
    let text = wait_for("the file", || fs::read_to_string(dir.path().join("new.json")).ok());
    assert_eq!(json(&text), json(r#"{"a":{"b":1}}"#));
    assert!(dir.path().join(".new.json.confmesh").is_dir());
}

#[test]
fn a_bound_file_that_breaks_leaves_the_last_good_content_in_force() {
    let dir = dir(&[("config.yaml", CONFIG)]);
    let served = Instance::start(dir.path(), &["--bind", "config.yaml"], &[]);
    fs::write(dir.path().join("config.yaml"), "app: [\n").unwrap();
    served.process.tells("config.yaml:");
    wait_for("the stale source", || served.data(&["status"]).contains("stale").then_some(()));
    assert_eq!(served.data(&["get", "app.name"]), "shop\n");
    fs::write(dir.path().join("config.yaml"), CONFIG.replace("shop", "store")).unwrap();
    wait_for("the repair", || (served.data(&["get", "app.name"]) == "store\n").then_some(()));
}

#[test]
fn an_instance_without_its_peer_keeps_running_and_says_so() {
    let dir = dir(&[("config.yaml", CONFIG)]);
    let peer = format!("ws://{}/sync", nobody());
    let served = Instance::start(dir.path(), &["--bind", "config.yaml", "--peer", &peer], &[]);
    assert_eq!(served.data(&["get", "app.name"]), "shop\n");
    served.data(&["set", "app.name", "alone"]);
    wait_for("the reason", || {
        let text = served.data(&["status"]);
        (text.contains(&peer) && text.contains("connection refused")).then_some(())
    });
}

#[test]
fn an_instance_that_is_not_there_is_the_users_to_correct() {
    let dir = dir(&[]);
    let address = nobody();
    let url = format!("http://{address}");
    let expected = format!(
        "error: cannot reach {url}: connection refused\n\nhint: start one with `confmesh serve`, or name another with `--url`\n"
    );
    for arguments in [&["get"][..], &["set", "a", "1"], &["unset", "a"], &["status"], &["watch"], &["explain", "a"]] {
        assert_eq!(run(dir.path(), &[arguments, &["--url", &url]].concat()).complaint(1), expected, "{arguments:?}");
        assert_eq!(run_with(dir.path(), arguments, &[("CONFMESH_URL", &address)], "").complaint(1), expected);
    }
    let complaint = run(dir.path(), &["get", "--url", "ftp://example.com"]).complaint(1);
    assert_eq!(
        complaint,
        "error: cannot use the URL `ftp://example.com`: its scheme is not http or https\n\n\
         hint: name an instance like http://127.0.0.1:8765\n"
    );
}

#[test]
fn what_lost_against_a_simultaneous_edit_is_listed() {
    let dir = dir(&[("a.json", "{\"x\": 0}"), ("b.json", "{}")]);
    let a = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
    let address = a.url.trim_start_matches("http://").to_owned();
    let peer = a.url.replace("http://", "ws://") + "/sync";
    let b = Instance::start(dir.path(), &["--bind", "b.json", "--peer", &peer], &[]);
    wait_for("the document", || (b.data(&["get", "--json"]).contains("\"x\": 0")).then_some(()));
    let mut a = a;
    a.process.signal("TERM");
    a.process.ended();
    b.data(&["set", "x", "1"]);
    std::fs::write(dir.path().join("a.json"), "{\"x\": 2}").unwrap();
    let a = Instance::start_at(dir.path(), &address, &["--bind", "a.json"], &[]);
    let conflicts = wait_for("the conflict", || {
        let conflicts = a.status()["documents"][0]["conflicts"].clone();
        (conflicts == b.status()["documents"][0]["conflicts"] && conflicts[0]["path"] == "x").then_some(conflicts)
    });
    let mut values: Vec<_> =
        conflicts[0]["sides"].as_array().unwrap().iter().map(|side| side["value"].clone()).collect();
    values.sort_by_key(ToString::to_string);
    assert_eq!(values, [1, 2]);
    assert!(a.data(&["status"]).contains("conflict  x: "), "{}", a.data(&["status"]));
}

#[test]
fn an_empty_path_is_refused_before_it_replaces_everything() {
    for arguments in [&["set", "", "{}"][..], &["unset", ""]] {
        let complaint = run(std::path::Path::new("."), arguments).complaint(1);
        assert!(complaint.starts_with("error: the path is empty\n"), "{complaint}");
    }
}

#[test]
fn a_source_that_stays_broken_and_a_peer_that_never_answers_are_told_after_a_while() {
    let dir = dir(&[("below.json", r#"{"a":1}"#)]);
    let peer = "ws://127.0.0.1:1/sync";
    let arguments = ["--file", "below.json", "--peer", peer, "--found-after", "0", "--stale-after", "200"];
    let instance = Instance::start(dir.path(), &arguments, &[]);
    fs::write(dir.path().join("below.json"), "{").unwrap();
    for words in ["; so for ", "this instance has been in step with no other one"] {
        wait_for(words, || instance.words().contains(words).then_some(()));
    }
    assert!(instance.status()["out_of_step_ms"].as_u64().unwrap() > 200);
    assert_eq!(instance.status()["health"]["status"], "not_ready");
}

#[test]
fn the_log_of_an_instance_is_json_where_that_is_asked_for() {
    let dir = dir(&[("a.json", "{\"a\": 1}")]);
    for (arguments, variables) in [
        (&["--bind", "a.json", "--log-format", "json"][..], &[][..]),
        (&["--bind", "a.json"], &[("CONFMESH_LOG_FORMAT", "json")]),
    ] {
        let instance = Instance::start(dir.path(), arguments, variables);
        std::fs::write(dir.path().join("a.json"), "{\"a\": ").unwrap();
        let line = super::json(&instance.process.tells(r#""level":"warn""#));
        assert_eq!((&line["level"], &line["target"]), (&"warn".into(), &"confmesh".into()), "{line}");
        std::fs::write(dir.path().join("a.json"), "{\"a\": 1}").unwrap();
        instance.process.tells("in order again");
        for line in instance.process.errors().lines().filter(|line| line.starts_with('{')) {
            assert!(super::json(line)["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        }
    }
    let refused = run(dir.path(), &["serve", "--log-format", "xml"]).complaint(1);
    assert!(refused.contains("`xml` is no form of log lines"), "{refused}");
}
