//! Secrets: what people and logs can read of them, which is nothing, and what programs read.
use super::process::{Instance, wait_for};
use super::{Run, dir, json, run, run_with};
use std::fs;

const SECRET: &str = "hunter2";
const SCHEMA: &str = r#"{"fields": {
  "url": {"type": "string", "required": true},
  "pin": {"type": "integer", "min": 1000, "max": 9999, "secret": true},
  "db": {"fields": {"host": {"type": "string"}, "password": {"type": "string", "secret": true, "min_length": 3}}}}}"#;
const CONFIG: &str = "url: 'pg://${db.password}@${db.host}'\ndb:\n  host: h\n  password: hunter2\n";

fn hides(ran: &Run, what: &[&str]) {
    assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET), "{what:?} {ran:?}");
}

#[test]
fn no_offline_command_shows_a_secret_unless_it_is_asked_to() {
    let other = CONFIG.replace("hunter2", "hunter22");
    let dir = dir(&[
        ("schema.json", SCHEMA),
        ("config.yaml", CONFIG),
        ("other.yaml", &other),
        ("bad.yaml", "db: {password: 'hunter2', host: [1]}\npin: hunter2\n"),
        ("patch.json", "[{\"op\":\"add\",\"path\":\"/x\",\"value\":1}]"),
    ]);
    let schema = ["--schema", "schema.json"];
    for command in [
        &["merge", "config.yaml", "--interpolate"][..],
        &["merge", "config.yaml", "--explain", "--interpolate"],
        &["merge", "config.yaml", "--explain", "--json", "--interpolate"],
        &["merge", "config.yaml", "bad.yaml", "--interpolate"],
        &["merge", "other.yaml", "config.yaml", "--explain", "--json"],
        &["explain", "db.password", "other.yaml", "config.yaml"],
        &["explain", "db.password", "config.yaml", "--json"],
        &["explain", "url", "config.yaml", "--interpolate"],
        &["explain", "", "config.yaml", "--interpolate"],
        &["validate", "bad.yaml"],
        &["validate", "bad.yaml", "--json"],
        &["diff", "config.yaml", "other.yaml"],
        &["diff", "config.yaml", "other.yaml", "--json"],
        &["diff", "config.yaml", "other.yaml", "--merge-patch"],
        &["patch", "config.yaml", "patch.json"],
        &["schema", "schema.json"],
    ] {
        let arguments = if command[0] == "schema" { command.to_vec() } else { [command, &schema[..]].concat() };
        let ran = run_with(dir.path(), &arguments, &[("APP_PIN", SECRET)], "");
        hides(&ran, &arguments);
        assert!(!ran.stdout.is_empty() || !ran.stderr.is_empty(), "{arguments:?}");
    }
    let wrong = run_with(
        dir.path(),
        &["merge", "config.yaml", "--env", "APP", "--schema", "schema.json"],
        &[("APP_PIN", SECRET)],
        "",
    );
    hides(&wrong, &["--env"]);
    assert!(wrong.status == 1 && wrong.stderr.contains("APP_PIN"), "{wrong:?}");
    let masked = run(dir.path(), &["merge", "config.yaml", "--schema", "schema.json", "--interpolate"]);
    assert_eq!(json(&masked.stdout), serde_json::json!({"db": {"host": "h", "password": "***"}, "url": "***"}));
    assert_eq!(masked.stderr, "warning: 2 secrets are masked\n  hint: add `--show-secrets` to print them\n");
    let by_pattern = run(dir.path(), &["merge", "config.yaml", "--secret", "db.pass*"]);
    hides(&by_pattern, &["--secret"]);
    let shown =
        run(dir.path(), &["merge", "config.yaml", "--schema", "schema.json", "--interpolate", "--show-secrets"]);
    assert_eq!(json(&shown.data())["url"], "pg://hunter2@h");
}

#[test]
fn a_variable_of_a_secret_may_name_the_file_that_holds_it() {
    let schema = SCHEMA.replacen("\"secret\": true}", "\"secret\": true, \"env\": \"DB_PIN\"}", 1);
    let dir = dir(&[
        ("schema.json", &schema),
        ("config.yaml", "url: x\n"),
        ("password", "hunter2\r\n"),
        ("pin", "1234\n"),
        ("empty", "\n"),
    ]);
    let file = |name: &str| format!("file://{}", dir.path().join(name).display());
    let [password, pin, empty, gone] = ["password", "pin", "empty", "gone"].map(file);
    let merge = ["merge", "config.yaml", "--env", "APP", "--schema", "schema.json"];
    let set = |password: &str| {
        [
            ("APP_DB__PASSWORD".to_owned(), password.to_owned()),
            ("APP_URL".to_owned(), pin.clone()),
            ("DB_PIN".to_owned(), pin.clone()),
        ]
    };
    let ran = |password: &str, more: &[&str]| {
        let variables = set(password);
        let variables = variables.each_ref().map(|(name, text)| (name.as_str(), text.as_str()));
        run_with(dir.path(), &[&merge[..], more].concat(), &variables, "")
    };
    let masked = ran(&password, &[]);
    hides(&masked, &["merge"]);
    let shown = json(&ran(&password, &["--show-secrets"]).data());
    assert_eq!(
        shown,
        serde_json::json!({"db": {"password": "hunter2"}, "pin": 1234, "url": pin}),
        "only secrets are read"
    );
    for (wrong, why) in [(&empty, "is empty"), (&gone, "no such file")] {
        let ran = ran(wrong, &[]);
        assert!(ran.status != 0 && ran.stdout.is_empty(), "{ran:?}");
        assert!(
            ran.stderr.contains(why) && ran.stderr.contains("APP_DB__PASSWORD") && ran.stderr.contains("hint: "),
            "{ran:?}"
        );
    }
    let by_rule = ["merge", "config.yaml", "--env", "APP", "--secret", "db.password", "--show-secrets"];
    let by_rule = run_with(dir.path(), &by_rule, &[("APP_DB__PASSWORD", &password)], "").data();
    assert_eq!(json(&by_rule)["db"]["password"], "hunter2");
    let options = ["--bind", "config.yaml", "--env", "APP", "--secret", "db.password"];
    let served = Instance::start(dir.path(), &options, &[("APP_DB__PASSWORD", &password)]);
    assert_eq!(served.data(&["get", "db.password"]), "hunter2\n");
}

#[test]
fn an_instance_shows_a_secret_to_programs_and_to_whoever_names_it() {
    let dir = dir(&[("schema.json", SCHEMA), ("config.yaml", CONFIG)]);
    let options = ["--bind", "config.yaml", "--schema", "schema.json", "--interpolate"];
    let served = Instance::start(dir.path(), &options, &[]);
    for command in [
        &["get"][..],
        &["get", "db"],
        &["get", "--json"],
        &["explain", "db.password"],
        &["explain", ""],
        &["explain", "url", "--json"],
        &["status"],
        &["status", "--json"],
        &["set", "pin", SECRET],
        &["get", "db.pasword"],
    ] {
        let ran = served.run(command);
        hides(&ran, command);
        assert!(!ran.stdout.is_empty() || !ran.stderr.is_empty(), "{command:?}");
    }
    assert_eq!(served.data(&["get", "db.password"]), "hunter2\n");
    assert_eq!(served.data(&["get", "url"]), "pg://hunter2@h\n");
    assert_eq!(json(&served.data(&["get", "--show-secrets"]))["db"]["password"], SECRET);
    let masked = served.run(&["get", "db"]);
    assert!(masked.stderr.contains("1 secret is masked"), "{masked:?}");
    assert_eq!(served.status()["documents"][0]["secrets"], serde_json::json!(["db.password", "url"]));

    let watch = super::process::Running::start(dir.path(), &["watch", "--url", &served.url], &[]);
    // The first change may come before the watcher listens; it is repeated until it is seen.
    let mut count = 0;
    wait_for("the watcher", || {
        count += 1;
        served.data(&["set", "seen", &count.to_string()]);
        let lines = watch.stdout.lock().unwrap().len();
        (lines > 0).then_some(())
    });
    served.data(&["set", "db.password", "hunter2-new"]);
    watch.says("db.password: \"***\" -> \"***\"");
    watch.says("url: \"***\" -> \"***\"");
    // What is wrong with a secret in the file is told without it.
    fs::write(dir.path().join("config.yaml"), CONFIG.replace("hunter2", "12").replace("db:", "pin: hunter2\ndb:"))
        .unwrap();
    served.process.tells("pin");
    for lines in [&watch.stdout, &served.process.stderr, &served.process.stdout] {
        let said = lines.lock().unwrap().join("\n");
        assert!(!said.contains(SECRET), "{said}");
    }
    assert!(!served.status().to_string().contains(SECRET));
}
