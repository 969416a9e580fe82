//! Schemas on the command line: references, starting files, checks.
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
