//! The kept past: listed, shown, compared and gone back to, of real instances that are killed in between.
use super::guarded::Guarded;
use super::process::{Instance, send, wait_for};
use super::{dir, json, run};

fn numbers(instance: &Instance) -> Vec<u64> {
    let found = json(&instance.data(&["history", "--json"]));
    found["versions"].as_array().unwrap().iter().map(|version| version["id"].as_u64().unwrap()).collect()
}

#[test]
fn versions_are_listed_shown_compared_and_gone_back_to() {
    let dir = dir(&[("a.json", "{\n  \"app\": {\n    \"limit\": 1, \"old\": true\n  }\n}\n")]);
    let instance = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
    instance.data(&["set", "app.limit", "2", "--message", "twice as much", "--user", "ann"]);
    instance.data(&["unset", "app.old"]);
    instance.data(&["set", "app.new", "x"]);
    let listed = instance.data(&["history"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 4, "{listed}");
    assert!(
        lines[2].contains("ann") && lines[2].contains("app.limit") && lines[2].contains("twice as much"),
        "{listed}"
    );
    assert_eq!(instance.data(&["history", "app.old"]).lines().count(), 2, "what removed it, and what it began with");
    assert_eq!(instance.data(&["history", "--limit", "1"]).lines().count(), 1);
    let all = numbers(&instance);
    let (newest, first) = (all[0].to_string(), all[3].to_string());
    let shown = instance.data(&["show", &all[2].to_string()]);
    assert!(shown.contains("twice as much") && shown.contains("app.limit: 1 -> 2"), "{shown}");
    let shown = json(&instance.data(&["show", &first, "--document"]));
    assert_eq!(shown, serde_json::json!({"app": {"limit": 1, "old": true}}));
    // By name, and as of a time.
    let found = json(&instance.data(&["history", "--json"]));
    let (name, time) =
        (found["versions"][0]["name"].as_str().unwrap(), found["versions"][0]["timestamp"].as_str().unwrap());
    for named in [name, time] {
        assert_eq!(json(&instance.data(&["show", named, "--json"]))["version"]["id"], all[0], "{named}");
    }
    let differs = instance.data(&["diff", "--version", &first]);
    assert!(
        differs.contains("app.limit: 1 -> 2") && differs.contains("removed") && differs.contains("app.new"),
        "{differs}"
    );
    assert_eq!(instance.data(&["diff", "--version", &newest, &newest]), "");
    assert_eq!(instance.run(&["diff", "--version", &first, "--exit-code"]).status, 1);
    let told = instance.data(&["rollback", &first, "--dry-run"]);
    for words in ["would return", "app.old: true", "would change", "app.limit: 2 -> 1", "would go", "app.new: \"x\""] {
        assert!(told.contains(words), "`{words}` in {told}");
    }
    assert_eq!(instance.data(&["get", "app.limit"]), "2\n", "a dry run writes nothing");
    let told = instance.data(&["rollback", &first, "--path", "app.limit", "--message", "it was too much"]);
    assert!(told.contains("changes") && !told.contains("app.old"), "{told}");
    assert_eq!(json(&instance.data(&["get", "app", "--json"])), serde_json::json!({"limit": 1, "new": "x"}));
    assert!(instance.data(&["history", "--limit", "1"]).contains("it was too much"));
    instance.data(&["rollback", &first]);
    assert!(instance.data(&["history", "--limit", "1"]).contains(&format!("rollback to version {first}")));
    assert_eq!(instance.data(&["rollback", &first]), format!("nothing differs from version {first}\n"));
    wait_for("the bound file", || {
        let text = std::fs::read_to_string(dir.path().join("a.json")).unwrap();
        (text.contains("\"old\": true") && !text.contains("new")).then_some(())
    });
}

#[test]
fn what_names_no_version_is_refused_and_nothing_else_can_be_named() {
    let dir = dir(&[("a.json", "{\"a\": 1}")]);
    let instance = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
    for (named, word) in [
        ("../../etc/passwd", "names no version"),
        ("config_../../x.json", "names no version"),
        ("999", "there is no version 999"),
        ("config_20200101000000.json", "there is no version of the second"),
    ] {
        let said = instance.run(&["show", named]).complaint(1);
        assert!(said.contains(word), "{named}: {said}");
        assert!(instance.run(&["rollback", named]).complaint(1).contains(word), "{named}");
    }
    let long = "x".repeat(513);
    let said = instance.run(&["set", "a", "2", "--message", &long]).complaint(1);
    assert!(said.contains("at most 512 bytes"), "{said}");
    assert_eq!(numbers(&instance).len(), 1);
}

#[test]
fn versions_are_as_durable_as_the_writes_that_make_them_and_are_kept_within_the_budget() {
    let dir = dir(&[("a.json", "{\"n\": 0}")]);
    let mut count = 0;
    for round in 0..4 {
        let mut instance = Instance::start(dir.path(), &["--bind", "a.json", "--history-versions", "6"], &[]);
        for _ in 0..3 {
            count += 1;
            instance.data(&["set", "n", &count.to_string()]);
        }
        send("KILL", instance.process.id());
        instance.process.ended();
        let mut instance = Instance::start(dir.path(), &["--bind", "a.json", "--history-versions", "6"], &[]);
        let all = numbers(&instance);
        assert_eq!(all.len(), (count + 1).min(6), "round {round}");
        for (back, number) in (0..).zip(&all) {
            let shown = json(&instance.data(&["show", &number.to_string(), "--document"]));
            assert_eq!(shown["n"], count - back, "round {round}, version {number}");
        }
        send("KILL", instance.process.id());
        instance.process.ended();
    }
    let instance = Instance::start(dir.path(), &["--bind", "a.json", "--history-versions", "0"], &[]);
    assert_eq!(instance.data(&["history"]), "");
    let said = instance.run(&["show", "1"]).complaint(1);
    assert!(said.contains("--history-versions"), "{said}");
    let said = run(dir.path(), &["serve", "--history-age", "90"]).complaint(1);
    assert!(said.contains("as in 90d"), "{said}");
}

#[test]
fn a_rollback_keeps_to_the_schema_and_secrets_come_back_only_where_a_key_seals_them() {
    let schema =
        r#"{"fields": {"port": {"type": "integer", "max": 100}, "token": {"type": "string", "secret": true}}}"#;
    let dir = dir(&[("s.json", schema), ("a.json", "{\"port\": 1, \"token\": \"hunter1\"}")]);
    let key = run(dir.path(), &["key", "new"]).data();
    std::fs::write(dir.path().join("keys"), key).unwrap();
    for (with_key, expected) in [(false, "hunter2\n"), (true, "hunter1\n")] {
        let data = format!("data-{with_key}");
        let mut arguments = vec!["--schema", "s.json", "--data-dir", &data, "--file", "a.json"];
        if with_key {
            arguments.extend(["--encrypt-key-file", "keys"]);
        }
        let instance = Instance::start(dir.path(), &arguments, &[]);
        instance.data(&["set", "port", "7"]);
        instance.data(&["set", "token", "hunter1"]);
        instance.data(&["set", "token", "hunter2"]);
        instance.data(&["set", "port", "8"]);
        let all = numbers(&instance);
        let shown = instance.data(&["show", &all[1].to_string(), "--json"]);
        assert!(!shown.contains("hunter") && shown.contains("***"), "{shown}");
        assert!(!instance.data(&["diff", "--version", &all[2].to_string()]).contains("hunter"));
        let done = instance.run(&["rollback", &all[2].to_string()]);
        assert_eq!(done.stderr.contains("nobody kept what it was"), !with_key, "{done:?}");
        assert!(!done.stdout.contains("hunter"), "{done:?}");
        assert_eq!(instance.data(&["get", "token"]), expected);
        assert_eq!(instance.data(&["get", "port"]), "7\n");
        let kept =
            std::process::Command::new("grep").args(["-rac", "old\":\"hunter"]).arg(dir.path().join(&data)).output();
        let kept = String::from_utf8(kept.unwrap().stdout).unwrap();
        assert!(kept.lines().all(|line| line.ends_with(":0")), "{kept}");
    }
}

#[test]
fn who_may_read_a_part_sees_the_versions_of_that_part_and_goes_back_in_it_alone() {
    let dir = dir(&[("a.json", "{\"app\": {\"x\": 1}, \"hidden\": {\"y\": 1}}")]);
    let token = |name: &str, more: &[&str]| {
        let all = [&["token", "new", name, "--auth", "auth.toml"], more].concat();
        run(dir.path(), &all).stdout.trim().to_owned()
    };
    let (root, part) = (token("root", &["--role", "admin"]), token("part", &["--role", "writer", "--paths", "app.*"]));
    let instance = Guarded::start(dir.path(), &["--bind", "a.json"]).founded(&root);
    for (path, value) in [("hidden.y", "2"), ("app.x", "2"), ("hidden.y", "3")] {
        let (status, body) =
            instance.ask("PUT", &format!("/config/default?path={path}&message=about-{path}"), &root, value);
        assert_eq!(status, 200, "{body}");
    }
    let (_, all) = instance.ask("GET", "/config/default/versions", &root, "");
    assert_eq!(json(&all)["versions"].as_array().unwrap().len(), 4, "{all}");
    let (status, seen) = instance.ask("GET", "/config/default/versions", &part, "");
    assert_eq!(status, 200, "{seen}");
    assert!(!seen.contains("hidden"), "{seen}");
    let seen = json(&seen);
    assert_eq!(seen["versions"].as_array().unwrap().len(), 2, "{seen}");
    assert_eq!(seen["versions"][0]["writes"][0]["user"], "root");
    let hidden = json(&all)["versions"][0]["id"].clone();
    assert_eq!(instance.ask("GET", &format!("/config/default/versions/{hidden}"), &part, "").0, 404);
    let first = json(&all)["versions"][3]["id"].clone();
    let (_, shown) = instance.ask("GET", &format!("/config/default/versions/{first}"), &part, "");
    assert_eq!(json(&shown)["document"], serde_json::json!({"app": {"x": 1}}), "{shown}");
    assert!(!shown.contains("hidden"), "{shown}");
    let (_, differs) = instance.ask("GET", &format!("/config/default/compare?before={first}"), &part, "");
    assert!(differs.contains("app.x") && !differs.contains("hidden"), "{differs}");
    let (status, done) =
        instance.ask("POST", "/config/default/rollback", &part, &format!("{{\"version\":\"{first}\"}}"));
    assert_eq!(status, 200, "{done}");
    assert!(!done.contains("hidden"), "{done}");
    let (_, now) = instance.ask("GET", "/config/default", &root, "");
    assert_eq!(json(&now), serde_json::json!({"app": {"x": 1}, "hidden": {"y": 3}}));
    let reader = token("reader", &["--role", "reader"]);
    let refused = wait_for("the new token", || {
        let (status, body) =
            instance.ask("POST", "/config/default/rollback", &reader, &format!("{{\"version\":\"{first}\"}}"));
        (status != 401).then_some((status, body))
    });
    assert_eq!(refused.0, 403, "{refused:?}");
}
