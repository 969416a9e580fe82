//! Simultaneous edits: versions, conflicts, and what people do about them.
use super::process::{Instance, wait_for};
use super::{dir, json};

const POLICY: &str = r#"[{"pattern": "app.*", "conflict": "manual_resolution", "meanwhile": "previous"}]"#;

#[test]
fn a_value_is_set_only_if_nobody_changed_it_since_it_was_read() {
    let dir = dir(&[]);
    let served = Instance::start(dir.path(), &[], &[]);
    served.data(&["set", "a.b", "1", "--if-version", "none"]);
    let version = served.data(&["get", "a.b", "--version"]);
    let version = version.trim_end();
    let receipt = json(&served.data(&["set", "a.b", "2", "--if-version", version, "--json"]));
    assert_eq!(receipt["version"], served.data(&["get", "a.b", "--version"]).trim_end());
    for arguments in [&["set", "a.b", "3"][..], &["unset", "a.b"], &["set", "a.b", "3", "--force"]] {
        let complaint = served.run(&[arguments, &["--if-version", version]].concat()).complaint(1);
        assert!(complaint.starts_with("error: the version is ") && complaint.contains("hint: "), "{complaint}");
    }
    let complaint = served.run(&["set", "a.b", "3", "--if-version", "none"]).complaint(1);
    assert!(complaint.contains(", not none"), "{complaint}");
    assert_eq!(served.data(&["get", "a.b"]), "2\n");
    assert_eq!(served.data(&["get", "a.c", "--version"]), "none\n");
    served.data(&["set", "a.b", "3", "--user", "ann"]);
    let text = served.data(&["explain", "a.b"]);
    assert!(text.starts_with("a.b = 3\n") && text.contains(" by ann at instance "), "{text}");
    assert_eq!(json(&served.data(&["explain", "a.b", "--json"]))["written"][0]["user"], "ann");
}

#[test]
fn a_conflict_waits_until_somebody_takes_a_side() {
    let dir = dir(&[("policy.json", POLICY)]);
    let mut a = Instance::start(dir.path(), &["--data-dir", "a", "--policy", "policy.json"], &[]);
    a.data(&["set", "app.limit", "100"]);
    let address = a.url.trim_start_matches("http://").to_owned();
    let peer = a.url.replace("http://", "ws://") + "/sync";
    // It never founds a document of its own: that two of them meet is another test's.
    let joins = ["--data-dir", "b", "--peer", &peer, "--policy", "policy.json", "--found-after", "60000"];
    let b = Instance::start(dir.path(), &joins, &[]);
    wait_for("the document", || (b.run(&["get", "app.limit"]).stdout == "100\n").then_some(()));
    a.process.signal("TERM");
    a.process.ended();
    b.data(&["set", "app.limit", "200", "--user", "ben"]);
    let mut apart = Instance::start(dir.path(), &["--data-dir", "a", "--policy", "policy.json"], &[]);
    apart.data(&["set", "app.limit", "300", "--user", "ann"]);
    apart.process.signal("TERM");
    apart.process.ended();
    let a = Instance::start_at(dir.path(), &address, &["--data-dir", "a", "--policy", "policy.json"], &[]);
    for instance in [&a, &b] {
        wait_for("both sides", || instance.data(&["conflicts"]).contains("waits for a decision").then_some(()));
        assert_eq!(instance.data(&["get", "app.limit"]), "100\n");
    }
    b.process.tells("was written in 2 ways at the same time and waits for a decision");
    let text = a.data(&["conflicts"]);
    assert_eq!(text, b.data(&["conflicts", "--all"]));
    assert!(text.contains("app.limit waits for a decision (manual_resolution); it shows 100\n"), "{text}");
    assert!(text.contains(": 200, written ") && text.contains(" by ben\n") && text.contains(" by ann\n"), "{text}");
    let id = text.split(' ').next().unwrap();
    let ben = text.lines().find(|line| line.ends_with(" by ben")).unwrap().trim_start().split(':').next().unwrap();
    b.data(&["assign", id, "ann"]);
    wait_for("the assignment", || a.data(&["conflicts"]).contains("waits for a decision by ann").then_some(()));
    a.data(&["assign", id]);
    wait_for("its end", || b.data(&["conflicts"]).contains("waits for a decision (").then_some(()));
    assert!(a.run(&["resolve", id]).complaint(1).contains("--take"), "one of the choices has to be made");
    assert!(a.run(&["resolve", id, "--take", "5"]).complaint(1).contains("the conflict has no side 5"));
    assert!(a.run(&["resolve", "0000000000000000", "--keep"]).complaint(1).contains("confmesh conflicts --all"));
    a.data(&["resolve", id, "--take", ben, "--user", "eve"]);
    for instance in [&a, &b] {
        wait_for("the decision", || (instance.data(&["get", "app.limit"]) == "200\n").then_some(()));
        assert_eq!(json(&instance.data(&["conflicts", "--json"])), json(r#"{"conflicts": []}"#));
        let closed = instance.data(&["conflicts", "--all"]);
        assert!(closed.starts_with(&format!("{id}  app.limit was closed by a later write (")), "{closed}");
        assert!(closed.contains(" by ben\n") && closed.contains(" by ann\n"), "{closed}");
        let logged = instance.process.tells("\"event\":\"conflict_resolved\"");
        let entry = json(logged.split_once(" info audit ").unwrap().1);
        assert!(entry["conflict_id"].as_str().unwrap().starts_with(&format!("sha256:{id}")), "{entry}");
        assert_eq!(
            (&entry["config_key"], &entry["resolution_method"]),
            (&"app.limit".into(), &"manual_resolution".into())
        );
        assert_eq!((&entry["resolved_value"], &entry["resolved_by"]["user"]), (&200.into(), &"eve".into()));
        let trail = instance.data(&["audit"]);
        assert!(trail.lines().any(|line| json(line) == entry), "{trail}");
        assert_eq!(json(&instance.data(&["force-sync", "--json"])), json(r#"{"peers": 1}"#));
        assert!(json(&instance.data(&["audit", "--json"]))["entries"].as_array().unwrap().contains(&entry));
    }
}

#[test]
fn rules_that_make_no_sense_are_refused_with_their_place() {
    let dir = dir(&[("policy.json", r#"[{"pattern": "a", "conflict": "last"}]"#)]);
    let complaint = super::run(dir.path(), &["serve", "--policy", "policy.json"]).complaint(1);
    assert!(complaint.starts_with("error: policy.json: rule 0: unknown conflict strategy `last`"), "{complaint}");
    assert!(complaint.contains("`manual_resolution`"), "{complaint}");
}

#[test]
fn an_instance_with_other_rules_is_told_beside_it_on_both_sides_until_it_has_the_same() {
    let dir = dir(&[("policy.json", r#"[{"pattern": "app.*", "conflict": "manual_resolution"}]"#)]);
    let a = Instance::start(dir.path(), &["--data-dir", "a", "--policy", "policy.json"], &[]);
    a.data(&["set", "app.limit", "1"]);
    let peer = a.url.replace("http://", "ws://") + "/sync";
    let mut b = Instance::start(dir.path(), &["--data-dir", "b", "--peer", &peer], &[]);
    for (instance, other) in [(&a, &b), (&b, &a)] {
        let told = wait_for("the other rules", || {
            let peer = instance.status()["peers"][0].clone();
            (peer["link"] == "in_step" && peer["problems"][0]["code"] == "other_rules").then_some(peer)
        });
        let whose = other.status()["instance_id"].as_str().unwrap().to_owned();
        let words = format!("other rules: instance {whose} settles conflicts in `default` differently");
        assert!(told["problems"][0]["message"].as_str().unwrap().starts_with(&words), "{told}");
        assert!(instance.words().contains(&words), "{}", instance.words());
        assert_eq!(instance.status()["health"]["status"], "degraded");
        instance.process.tells(&words);
    }
    b.process.signal("TERM");
    b.process.ended();
    let b = Instance::start(dir.path(), &["--data-dir", "b", "--peer", &peer, "--policy", "policy.json"], &[]);
    for instance in [&a, &b] {
        wait_for("the same rules", || (instance.status()["health"]["status"] == "healthy").then_some(()));
    }
}
