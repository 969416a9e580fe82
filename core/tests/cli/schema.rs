//! Schemas on the command line: references, starting files, checks.
use super::process::{Instance, wait_for};
use super::{dir, json, run, run_with};

const SCHEMA: &str = r#"{"type":"object","required":["url"],"additionalProperties":false,"properties":{
  "url":{"type":"string","description":"where it is"},
  "port":{"type":"integer","minimum":1,"maximum":65535,"default":8080},
  "token":{"type":"string","x-secret":true}}}"#;

#[test]
fn a_schema_is_printed_as_a_reference_in_every_style() {
    let dir = dir(&[("schema.json", SCHEMA)]);
    let table = run(dir.path(), &["schema", "schema.json"]).data();
    assert!(table.contains("port   integer  8080      -         from 1 to 65535\n"), "{table}");
    let fields = json(&run(dir.path(), &["schema", "schema.json", "--format", "json"]).data());
    assert!(fields.to_string().contains("where it is"), "{fields}");
    for style in ["yaml", "markdown"] {
        assert!(
            run(dir.path(), &["schema", "schema.json", "--format", style]).data().contains("where it is"),
            "{style}"
        );
    }
}

#[test]
fn a_starting_file_is_written_once_and_never_over_another() {
    let dir = dir(&[("schema.json", SCHEMA)]);
    let text = run(dir.path(), &["init", "schema.json", "--format", "yaml"]).data();
    assert!(text.contains("# where it is (required, string)\nurl: null\n") && text.contains("port: 8080\n"), "{text}");
    run(dir.path(), &["init", "schema.json", "--output", "new.json"]);
    assert_eq!(json(&std::fs::read_to_string(dir.path().join("new.json")).unwrap())["port"], 8080);
    let complaint = run(dir.path(), &["init", "schema.json", "--output", "new.json"]).complaint(1);
    assert!(complaint.starts_with("error: `new.json` exists already\n"), "{complaint}");
}

#[test]
fn validation_lists_every_problem_with_its_place_and_advice() {
    let files = [("schema.json", SCHEMA), ("app.json", "{\n  \"port\": 70000,\n  \"prot\": 1,\n  \"token\": 5\n}\n")];
    let dir = dir(&files);
    let found = run(dir.path(), &["validate", "app.json", "--schema", "schema.json"]);
    assert_eq!(found.status, 1, "{found:?}");
    for line in [
        "required key is missing (at `url`)\n",
        "app.json:2:3: 70000 is above the maximum 65535 (at `port`)\n  hint: use a number from 1 to 65535\n",
        "app.json:3:3: unknown key `prot` (at `prot`)\n  hint: did you mean `port`?\n",
        "app.json:4:3: ",
    ] {
        assert!(found.stdout.contains(line), "{line}\n{}", found.stdout);
    }
    std::fs::write(dir.path().join("good.json"), "{\"url\": \"x\"}").unwrap();
    assert_eq!(run(dir.path(), &["validate", "good.json", "--schema", "schema.json"]).status, 0);
}

#[test]
fn merging_under_a_schema_types_variables_fills_defaults_and_refuses_what_is_wrong() {
    let dir = dir(&[("schema.json", SCHEMA), ("app.json", "{}")]);
    let arguments = ["merge", "app.json", "--schema", "schema.json", "--env", "APP"];
    let merged = run_with(dir.path(), &arguments, &[("APP_URL", "5"), ("APP_PORT", "9090")], "").data();
    assert_eq!(json(&merged), serde_json::json!({"url": "5", "port": 9090}));
    let merged = run_with(dir.path(), &arguments, &[("APP_URL", "x")], "").data();
    assert_eq!(json(&merged), serde_json::json!({"url": "x", "port": 8080}));
    let complaint = run(dir.path(), &arguments).complaint(1);
    assert!(complaint.contains("required key is missing (at `url`)"), "{complaint}");
    let variables = [("APP_URL", "x"), ("APP_PORT", "none")];
    let wrong = run_with(dir.path(), &arguments, &variables, "");
    assert!(wrong.stderr.contains("APP_PORT"), "{wrong:?}");
}

const SIMPLE: &str = r#"{"fields": {
  "api_url": {"type": "string", "required": true, "pattern": "^https?://"},
  "timeout_seconds": {"type": "integer", "min": 1, "max": 300, "default": 30}}}"#;

#[test]
fn an_instance_refuses_what_its_schema_does_and_keeps_the_old_document() {
    let good = "api_url: https://a # the service\ntimeout_seconds: 5\n";
    let dir = dir(&[("schema.json", SIMPLE), ("config.yaml", good)]);
    let served = Instance::start(dir.path(), &["--bind", "config.yaml", "--schema", "schema.json"], &[]);
    let complaint = served.run(&["set", "timeout_seconds", "301"]).complaint(1);
    let problem = "301 is above the maximum 300 (at `timeout_seconds`)";
    assert!(complaint.contains(problem), "{complaint}");
    assert!(served.run(&["unset", "api_url"]).complaint(1).contains("required key is missing (at `api_url`)"));
    // A save that is invalid is not taken, told with its line, and mended by the next one.
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, good.replace(" 5", " 900")).unwrap();
    served.process.tells("config.yaml:2:1: 900 is above the maximum 300");
    assert_eq!(served.data(&["get", "timeout_seconds"]), "5\n");
    let status = served.words();
    assert!(status.contains("stale for "), "{status}");
    assert!(status.contains("shared:config.yaml:2:1: 900 is above the maximum 300"), "{status}");
    std::fs::write(&file, good.replace(" 5", " 9")).unwrap();
    wait_for("the edit", || (served.data(&["get", "timeout_seconds"]) == "9\n").then_some(()));
    served.data(&["unset", "timeout_seconds"]);
    assert_eq!(served.data(&["get", "timeout_seconds"]), "30\n");
    assert!(served.data(&["explain", "timeout_seconds"]).contains("> default"));
}

#[test]
fn an_instance_that_is_alone_does_not_start_with_an_invalid_document() {
    let dir = dir(&[("schema.json", SIMPLE), ("config.yaml", "timeout_seconds: 0\n")]);
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--bind", "config.yaml", "--schema", "schema.json"];
    let ran = run(dir.path(), &arguments);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("config.yaml:1:1: 0 is below the minimum 1 (at `timeout_seconds`)"), "{ran:?}");
}

#[test]
fn what_another_instance_writes_is_withheld_by_path_and_shown_as_such() {
    let good = "api_url: https://a\n";
    let (one, two) = (dir(&[("schema.json", SIMPLE), ("config.yaml", good)]), dir(&[]));
    let held = Instance::start(one.path(), &["--bind", "config.yaml", "--schema", "schema.json"], &[]);
    let peer = format!("{}/sync", held.url.replace("http://", "ws://"));
    let free = Instance::start(two.path(), &["--peer", &peer, "--found-after", "25000"], &[]);
    free.data(&["set", "timeout_seconds", "0"]);
    held.process.tells("rejecting invalid configuration update");
    let status = held.words();
    assert!(status.contains("rejected peer: ") && status.contains("0 is below the minimum 1"), "{status}");
    let documents = held.status();
    assert_eq!(documents["documents"][0]["rejected"]["errors"][0]["path"], "timeout_seconds");
    assert_eq!(held.data(&["get", "timeout_seconds"]), "30\n");
    assert_eq!(std::fs::read_to_string(one.path().join("config.yaml")).unwrap(), good);
    let withheld = &documents["documents"][0]["withheld"][0];
    assert_eq!((&withheld["path"], &withheld["value"]), (&json(r#""timeout_seconds""#), &json("0")));
    assert_eq!(withheld["written"]["instance_id"], free.status()["instance_id"]);
    assert!(status.contains("withheld `timeout_seconds` = 0 is withheld: "), "{status}");
    let account = held.data(&["explain", "timeout_seconds"]);
    assert!(account.contains("timeout_seconds = 30") && account.contains("= 0 is withheld: "), "{account}");
    // What is written now is not in force either, and the command says so in words and by its status.
    let ran = held.run(&["set", "timeout_seconds", "0"]);
    assert!(ran.status == 3 && ran.stderr.contains("is not in force on this one"), "{ran:?}");
    assert!(ran.stderr.contains("hint: use a number from 1 to 300"), "{ran:?}");
    assert_eq!(held.run(&["set", "other", "1"]).status, 0);
    wait_for("the rest in the file", || {
        let text = std::fs::read_to_string(one.path().join("config.yaml")).unwrap();
        (text == "api_url: https://a\nother: 1\n").then_some(())
    });
    free.data(&["set", "timeout_seconds", "8"]);
    wait_for("the mended document", || (held.data(&["get", "timeout_seconds"]) == "8\n").then_some(()));
    assert!(!held.data(&["status"]).contains("rejected"));
}

#[test]
fn what_others_wrote_against_the_schema_stops_no_start_of_an_instance_that_dials_nobody() {
    let good = "api_url: https://a\n";
    let (one, two) = (dir(&[("schema.json", SIMPLE), ("config.yaml", good)]), dir(&[]));
    let arguments = ["--bind", "config.yaml", "--schema", "schema.json"];
    let held = Instance::start(one.path(), &arguments, &[]);
    let peer = format!("{}/sync", held.url.replace("http://", "ws://"));
    let free = Instance::start(two.path(), &["--peer", &peer, "--found-after", "25000"], &[]);
    free.data(&["set", "timeout_seconds", "0"]);
    held.process.tells("rejecting invalid configuration update");
    held.process.signal("KILL");
    drop(held);
    let held = Instance::start(one.path(), &arguments, &[]);
    assert_eq!(held.data(&["get", "timeout_seconds"]), "30\n");
    assert!(held.words().contains("withheld `timeout_seconds` = 0 is withheld: "), "{}", held.words());
}

const PROFILES: &str = "rate: 1\nhost: '${env:SHOP_HOST:-localhost}:${rate}'\nprofiles:\n  prod:\n    rate: 3\n";

#[test]
fn profiles_and_references_hold_in_every_command() {
    let dir = dir(&[("base.yaml", PROFILES), ("local.yaml", "debug: true\n")]);
    let options = ["--profile", "prod", "--interpolate=SHOP_HOST"];
    let merged = run(dir.path(), &[&["merge", "base.yaml", "local.yaml"][..], &options].concat()).data();
    assert_eq!(json(&merged), serde_json::json!({"debug": true, "host": "localhost:3", "rate": 3}));
    let table = run(dir.path(), &[&["explain", "rate", "base.yaml"][..], &options].concat()).data();
    assert!(table.contains("> base.yaml#prod:5:5") && table.contains("base.yaml:1:1"), "{table}");
    let complaint = run(dir.path(), &["merge", "base.yaml", "--profile", "prd"]).complaint(1);
    assert_eq!(
        complaint,
        "error: no profile is called `prd` (at `profiles`)\n\nhint: did you mean `prod`? the profiles are `prod`\n"
    );
    std::fs::write(dir.path().join("own.yaml"), "host: '${env:SHOP_HOST:-localhost}:${rate}'\n").unwrap();
    std::fs::write(dir.path().join("base.yaml"), "rate: 1\nprofiles:\n  prod:\n    rate: 3\n").unwrap();
    let sources = ["--bind", "base.yaml", "--file", "own.yaml"];
    let served = Instance::start(dir.path(), &[&sources[..], &options].concat(), &[("SHOP_HOST", "h")]);
    assert_eq!(served.data(&["get", "host"]), "h:3\n");
    assert!(served.run(&["get"]).stdout.contains("***"), "what takes a variable is masked");
    let ran = served.run(&["set", "rate", "7"]);
    assert!(ran.status == 0 && ran.stderr.contains("`shared:base.yaml#prod` counts more"), "{ran:?}");
    assert!(served.data(&["explain", "host"]).contains("***"));
    let shared = served.run(&["set", "other", "${env:SHOP_HOST}"]);
    assert!(shared.status != 0 && shared.stderr.contains("what instances share"), "{shared:?}");
}

#[test]
fn references_that_form_a_circle_are_told_with_file_and_line() {
    let dir = dir(&[("a.yaml", "x: 1\na: ${b}\n"), ("b.yaml", "b: ${a}\n")]);
    for command in ["merge", "validate"] {
        let ran = run(dir.path(), &[command, "a.yaml", "b.yaml", "--interpolate"]);
        let told = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            ran.status == 1 && told.contains("b.yaml:1:1: the references form a circle: `a` -> `b` -> `a`"),
            "{ran:?}"
        );
    }
}

#[test]
fn types_that_clash_are_told_with_both_places() {
    let dir = dir(&[("base.yaml", "db:\n  host: h\n"), ("local.yaml", "x: 1\ndb: gone\n")]);
    let warning = "warning: local.yaml:2:1: types clash: string here, map in a lower layer, which is left out (at `db`)\n  \
                   base.yaml:1:1: the map that is left out\n";
    for command in ["merge", "validate"] {
        let ran = run(dir.path(), &[command, "base.yaml", "local.yaml"]);
        assert!(ran.status == 0 && ran.stderr.starts_with(warning), "{ran:?}");
    }
}

#[test]
fn a_rule_names_the_key_of_a_keyed_list() {
    let dir = dir(&[("a.yaml", "users:\n- {name: a, x: 1}\n- {name: b}\n"), ("b.yaml", "users:\n- {name: a, y: 2}\n")]);
    let merged = run(dir.path(), &["merge", "a.yaml", "b.yaml", "--rule", "users=keyed_list:name"]).data();
    assert_eq!(json(&merged)["users"], serde_json::json!([{"name": "a", "x": 1, "y": 2}, {"name": "b"}]));
    for (rule, why) in [
        ("users=keyed_list", "names no key"),
        ("users=keyed_list:", "names an empty key"),
        ("users=union_set:name", "which only `keyed_list` takes"),
    ] {
        let complaint = run(dir.path(), &["merge", "a.yaml", "--rule", rule]).complaint(1);
        assert!(complaint.contains(why) && complaint.contains("hint: "), "{complaint}");
    }
}

#[test]
fn every_keyword_of_json_schema_checks_files_and_unknown_formats_are_noted() {
    let schema = "{\n  \"patternProperties\": {\"^n_\": {\"type\": \"integer\", \"minimum\": 1}},\n  \
                  \"if\": {\"required\": [\"tls\"]}, \"then\": {\"required\": [\"cert\"]},\n  \
                  \"properties\": {\n    \"iban\": {\"format\": \"iban\"}}}\n";
    let dir = dir(&[("schema.json", schema), ("app.yaml", "# ours\nn_a: 0\nn_b: x\ntls: true\niban: DE\n")]);
    let found = run(dir.path(), &["validate", "app.yaml", "--schema", "schema.json"]);
    assert_eq!(found.status, 1, "{found:?}");
    for line in [
        "app.yaml:2:1: 0 is below the minimum 1 (at `n_a`)\n  hint: use a number from 1\n",
        "app.yaml:3:1: expected integer, found string \"x\" (at `n_b`)\n  hint: write a whole number\n",
        "required key is missing (at `cert`)\n  hint: set `cert`\n",
    ] {
        assert!(found.stdout.contains(line), "{line}\n{}", found.stdout);
    }
    let note = "warning: schema.json:5:14: the format `iban` is not checked (at `properties.iban.format`)\n";
    assert!(found.stderr.contains(note), "{}", found.stderr);
    let remote = dir_with_remote_reference();
    let complaint = run(remote.path(), &["validate", "app.json", "--schema", "schema.json"]).complaint(1);
    assert!(complaint.contains("schema.json:1:") && complaint.contains("nothing is fetched"), "{complaint}");
}

fn dir_with_remote_reference() -> tempfile::TempDir {
    dir(&[("schema.json", r#"{"properties": {"a": {"$ref": "https://example.org/a.json"}}}"#), ("app.json", "{}")])
}

#[test]
fn a_compact_schema_is_printed_for_editors_and_checks_the_same_then() {
    let compact = "strict: true\nfields:\n  port: {type: port, default: 8080, description: where it listens}\n  \
                   token: {type: string, secret: true, default: hunter2}\n";
    let dir = dir(&[("schema.yaml", compact), ("app.json", "{\n  \"port\": 0,\n  \"prot\": 1\n}\n")]);
    run(dir.path(), &["schema", "schema.yaml", "--format", "json-schema", "--output", "app.schema.json"]).data();
    let printed = std::fs::read_to_string(dir.path().join("app.schema.json")).unwrap();
    assert_eq!(json(&printed)["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(json(&printed)["properties"]["port"]["maximum"], 65_535);
    assert!(!printed.contains("hunter2"), "{printed}");
    let found = run(dir.path(), &["validate", "app.json", "--schema", "app.schema.json"]);
    assert!(found.stdout.contains("app.json:2:3: ") && found.stdout.contains("unknown key `prot`"), "{found:?}");
    let part = run(dir.path(), &["schema", "schema.yaml", "--format", "json-schema", "--env-only"]);
    assert_ne!(part.status, 0, "{part:?}");
}
