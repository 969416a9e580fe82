//! Files and variables as people have them.
use super::process::{Instance, wait_for};
use super::{dir, json, run, run_with};

const SCHEMA: &str = "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {\"port\": {\"type\": \"integer\", \"default\": 80}}}";

#[test]
fn one_document_of_several_is_read_and_edited_and_all_are_a_list() {
    let text = "a: 1 # one\n---\nb: 2 # two\n---\nc: 3\n";
    let dir = dir(&[("all.yaml", text)]);
    let told = run(dir.path(), &["merge", "all.yaml"]).complaint(1);
    assert!(told.contains("all.yaml:2:1") && told.contains("`FILE;document=2`"), "{told}");
    let merged = run(dir.path(), &["merge", "all.yaml;document=1", "all.yaml;document=3"]).data();
    assert_eq!(json(&merged), json(r#"{"a":1,"c":3}"#));
    let whole = run(dir.path(), &["hash", "--canonical", "all.yaml;document=all"]).data();
    assert_eq!(whole.trim(), r#"[{"a":1},{"b":2},{"c":3}]"#);
    run(dir.path(), &["set", "b", "5", "--file", "all.yaml;document=2"]).data();
    let edited = std::fs::read_to_string(dir.path().join("all.yaml")).unwrap();
    assert_eq!(edited, text.replace("b: 2", "b: 5"));
    let told = run(dir.path(), &["merge", "all.yaml;document=9"]).complaint(1);
    assert!(told.contains("it has 3"), "{told}");
    // A file that is bound is one document, and the advice is one that can be followed.
    let told = run(dir.path(), &["serve", "--no-listen", "--bind", "all.yaml"]).complaint(1);
    assert!(told.contains("a file that is bound holds one: move the others out of it"), "{told}");
    let told = run(dir.path(), &["serve", "--no-listen", "--bind", "all.yaml;document=2"]).complaint(1);
    assert!(told.contains("`--file 'FILE;document=2'`"), "{told}");
}

#[test]
fn what_readers_take_differently_is_told_with_its_place_and_a_rule_leaves_it_out() {
    let dir = dir(&[("a.yaml", "mode: 0644\npython: 3.10\ncountry: no\n")]);
    let ran = run(dir.path(), &["merge", "a.yaml"]);
    assert_eq!((ran.status, ran.stderr.matches("a.yaml:").count()), (0, 3), "{ran:?}");
    assert!(ran.stderr.contains("a.yaml:1:7") && ran.stderr.contains("in quotes"), "{ran:?}");
    run(dir.path(), &["merge", "a.yaml", "--rule", "**=quiet"]).data();
}

#[test]
fn texts_of_dotenv_and_properties_nest_and_take_types() {
    let base = "db:\n  host: h\n  port: 1\n";
    let files = [("a.yaml", base), (".env", "DB__PORT=2\n"), ("a.properties", "db.host = x\n"), ("a.json5", "{e: 1,}")];
    let dir = dir(&files);
    let merged = run(dir.path(), &["merge", "a.yaml", ".env", "a.properties", "a.json5"]).data();
    assert_eq!(json(&merged), json(r#"{"db":{"host":"x","port":2},"e":1}"#));
    let found = run(dir.path(), &["explain", "db.port", "a.yaml", ".env", "--json"]).data();
    assert_eq!(json(&found)["winner"]["origin"], json(r#"{"source":".env","line":1,"column":1,"key":"DB__PORT"}"#));
}

#[test]
fn service_links_neither_enter_a_document_nor_stop_a_start_and_are_told_everywhere() {
    let dir = dir(&[("a.json", "{}"), ("schema.json", SCHEMA)]);
    let variables =
        [("APP_PORT", "tcp://10.0.0.1:80"), ("APP_SERVICE_HOST", "10.0.0.1"), ("APP_PORT_80_TCP", "tcp://x")];
    let arguments = ["merge", "a.json", "--env", "APP", "--schema", "schema.json"];
    let ran = run_with(dir.path(), &arguments, &variables, "");
    assert_eq!((ran.status, json(&ran.stdout)), (0, json(r#"{"port":80}"#)), "{ran:?}");
    assert!(ran.stderr.contains("`APP_PORT` is of the wrong type") && ran.stderr.contains("service links"), "{ran:?}");
    let arguments = ["--bind", "a.json", "--env", "APP", "--schema", "schema.json"];
    let served = Instance::start(dir.path(), &arguments, &variables);
    assert_eq!(served.data(&["get", "port"]).trim(), "80");
    let status = served.data(&["status"]);
    assert!(status.contains("warning") && status.contains("`APP_PORT` is of the wrong type"), "{status}");
    wait_for("the log", || served.process.errors().contains("`APP_PORT` is of the wrong type").then_some(()));
}

#[test]
fn the_mode_of_a_prefix_says_which_variables_count() {
    let dir = dir(&[("a.json", r#"{"a": 1}"#)]);
    let merge =
        |mode: &str| run_with(dir.path(), &["merge", "a.json", "--env", mode], &[("APP_A", "2"), ("APP_B", "3")], "");
    assert_eq!(json(&merge("APP").data()), json(r#"{"a":2,"b":"3"}"#));
    let known = merge("APP;mode=known");
    assert_eq!((known.status, json(&known.stdout)), (0, json(r#"{"a":2}"#)));
    assert!(known.stderr.contains("`APP_B` is ignored"), "{known:?}");
    assert!(merge("APP;mode=strict").complaint(1).contains("`APP_B`"));
    assert!(merge("APP;mode=some").complaint(1).contains(";mode=known"));
}

#[test]
fn optional_files_directories_and_patterns_are_layers_in_their_order() {
    let dir = dir(&[("a.json", r#"{"n": 0, "gone": 1}"#)]);
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    for (name, text) in [("20.yaml", "n: 20\n"), ("10.yaml", "n: 10\nten: 1\ngone: !unset\n"), ("notes.txt", "x")] {
        std::fs::write(dir.path().join("conf.d").join(name), text).unwrap();
    }
    let merged = run(dir.path(), &["merge", "a.json", "conf.d;unset", "none.json;optional"]).data();
    assert_eq!(json(&merged), json(r#"{"n":20,"ten":1}"#));
    let merged = run(dir.path(), &["merge", "a.json", "conf.d/2*.yaml", "none/*.yaml"]).data();
    assert_eq!(json(&merged), json(r#"{"n":20,"gone":1}"#));
    let told = run(dir.path(), &["merge", "a.json", "conf.d/10.yaml"]);
    assert!(told.status == 0 && told.stderr.contains("`;unset`"), "{told:?}");
    run(dir.path(), &["merge", "a.json", "none.json"]).complaint(1);
    let checked = run(dir.path(), &["validate", "conf.d;unset", "none.json;optional"]).data();
    assert_eq!(checked, "conf.d/10.yaml: ok\nconf.d/20.yaml: ok\n");
    let served = Instance::start(dir.path(), &["--bind", "a.json", "--file", "conf.d/*.yaml;unset"], &[]);
    assert_eq!(served.data(&["get", "ten"]).trim(), "1");
}

#[test]
fn what_is_odd_about_a_bound_file_stands_in_the_status_until_it_is_mended() {
    let dir = dir(&[("a.yaml", "mode: 0644\n")]);
    let served = Instance::start(dir.path(), &["--bind", "a.yaml"], &[]);
    let status = served.data(&["status"]);
    assert!(status.contains("a.yaml:1:7") && status.contains("leading zeros"), "{status}");
    std::fs::write(dir.path().join("a.yaml"), "mode: '0644'\n").unwrap();
    wait_for("the mended file", || (!served.data(&["status"]).contains("warning")).then_some(()));
}

#[test]
fn a_rule_lets_markers_in_files_take_out_what_lies_below() {
    let dir = dir(&[
        ("a.json", r#"{"plugins": {"x": 1, "y": 2}, "n": 1}"#),
        ("b.yaml", "plugins:\n  x: !unset\nn: !unset\n"),
    ]);
    let merged = run(dir.path(), &["merge", "a.json", "b.yaml", "--rule", "plugins=removals"]);
    let told = json(&merged.stdout);
    assert_eq!(told["plugins"], json(r#"{"y":2}"#), "{merged:?}");
    assert_ne!(told["n"], json("1"), "no rule speaks of it: {merged:?}");
    assert_eq!(merged.stderr.matches("marker of a removal").count(), 1, "{merged:?}");
    std::fs::write(dir.path().join("rules.json"), r#"[{"pattern": "**", "removals": true}]"#).unwrap();
    let arguments = ["--file", "a.json", "--file", "b.yaml", "--policy", "rules.json"];
    let served = Instance::start(dir.path(), &arguments, &[]);
    assert_eq!(json(&served.data(&["get", "plugins"])), json(r#"{"y":2}"#));
    std::fs::write(dir.path().join("b.yaml"), "plugins:\n  y: !unset\n").unwrap();
    wait_for("the other removal", || (json(&served.data(&["get", "plugins"])) == json(r#"{"x":1}"#)).then_some(()));
}

#[test]
fn a_json_file_with_comments_is_read_as_such_and_told() {
    let text = "{\n  // ours\n  \"port\": 80,\n}\n";
    let dir = dir(&[
        ("a.json", text),
        ("half.json", "{\n  // ours\n  \"port\": 80,\n  oops\n}\n"),
        ("b.json", "{\"n\": 1,, }"),
    ]);
    let merged = run(dir.path(), &["merge", "a.json"]);
    assert_eq!(json(&merged.stdout), json(r#"{"port":80}"#));
    assert!(merged.stderr.contains("a.json: the JSON file holds comments"), "{merged:?}");
    let meant = run(dir.path(), &["merge", "a.json;format=jsonc"]);
    assert_eq!((meant.status, meant.stderr.as_str()), (0, ""));
    run(dir.path(), &["set", "port", "81", "--file", "a.json"]);
    assert_eq!(std::fs::read_to_string(dir.path().join("a.json")).unwrap(), text.replace("80", "81"));
    assert!(run(dir.path(), &["merge", "half.json"]).complaint(1).contains("half.json:4:3"), "what is wrong is told");
    assert!(run(dir.path(), &["merge", "b.json"]).complaint(1).contains("b.json:1:9"));
    run(dir.path(), &["merge", "a.json;format=json"]).complaint(1);
    let served = Instance::start(dir.path(), &["--file", "a.json"], &[]);
    assert_eq!(served.data(&["get", "port"]).trim(), "81");
    drop(served);
    let bound = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
    bound.data(&["set", "port", "82"]);
    let mirrored =
        || (std::fs::read_to_string(dir.path().join("a.json")).unwrap() == text.replace("80", "82")).then_some(());
    wait_for("the bound file keeps its comments", mirrored);
}

#[test]
fn keys_alone_in_a_dotenv_file_are_told() {
    let dir = dir(&[("a.env", "A=1\nexport TOKEN\nB=2\n")]);
    let merged = run(dir.path(), &["merge", "a.env"]);
    assert_eq!(json(&merged.stdout), json(r#"{"A":"1","B":"2"}"#));
    assert!(merged.stderr.contains("a.env:2:1: the key `TOKEN` has no `=`"), "{merged:?}");
}

#[test]
fn files_that_come_and_go_in_a_directory_are_followed_in_their_order() {
    let dir = dir(&[("a.json", r#"{"n": 0}"#)]);
    let conf = dir.path().join("conf.d");
    std::fs::create_dir(&conf).unwrap();
    let put = |name: &str, text: &str| std::fs::write(conf.join(name), text).unwrap();
    put("40-a.yaml", "n: 40\n");
    let served = Instance::start(dir.path(), &["--file", "a.json", "--file", "conf.d/*.yaml"], &[]);
    let shows = |n: &str| (served.data(&["get", "n"]).trim() == n).then_some(());
    assert_eq!(shows("40"), Some(()));
    put("50-x.yaml", "n: 50\nx: 1\n");
    wait_for("a new file wins over those before it", || shows("50"));
    put("45-y.yaml", "n: 45\ny: 1\n");
    wait_for("another one between", || served.data(&["get"]).contains("\"y\": 1").then_some(()));
    assert_eq!(shows("50"), Some(()));
    std::fs::remove_file(conf.join("50-x.yaml")).unwrap();
    wait_for("one that is removed goes", || shows("45"));
    assert!(!served.data(&["get"]).contains("\"x\""));
    assert!(!served.data(&["status"]).contains("50-x.yaml"), "it is no source any more");
    put("45-y.yaml", "n: 46\n");
    wait_for("new files are watched", || shows("46"));
}

#[test]
fn an_optional_file_that_goes_counts_as_empty_and_is_taken_again_when_it_is_back() {
    let dir = dir(&[("a.json", r#"{"n": 0}"#), ("b.json", r#"{"n": 1, "m": 1}"#)]);
    let file = dir.path().join("b.json");
    let served = Instance::start(dir.path(), &["--file", "a.json", "--file", "b.json;optional"], &[]);
    let shows = |document: &str| (json(&served.data(&["get"])) == json(document)).then_some(());
    for _ in 0..2 {
        assert_eq!(shows(r#"{"n": 1, "m": 1}"#), Some(()));
        std::fs::remove_file(&file).unwrap();
        wait_for("what is gone is not there", || shows(r#"{"n": 0}"#));
        let status = served.status();
        let sources = status["documents"][0]["sources"].as_array().unwrap();
        let source = sources.iter().find(|source| source["id"] == "file:b.json").unwrap();
        assert_eq!(source["state"], "missing");
        assert_eq!(served.status()["health"]["status"], "healthy");
        std::fs::write(&file, r#"{"n": 1, "m": 1}"#).unwrap();
        wait_for("it is taken again", || shows(r#"{"n": 1, "m": 1}"#));
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_cannot_be_edited_and_is_refused_by_name_instead_of_waited_for() {
    let dir = dir(&[]);
    assert!(std::process::Command::new("mkfifo").arg(dir.path().join("a.json")).status().unwrap().success());
    for arguments in [&["set", "a", "1", "--file", "a.json"][..], &["unset", "a", "--file", "a.json"]] {
        let told = run(dir.path(), arguments).complaint(1);
        assert!(told.contains("`a.json` is a pipe, a socket or a device"), "{told}");
    }
    for arguments in [
        &["fmt", "a.json"][..],
        &["patch", "a.json", "a.json", "--in-place"],
        &["serve", "--no-listen", "--bind", "a.json"],
        &["serve", "--no-listen", "--file", "a.json"],
        &["doctor", "--file", "a.json"],
    ] {
        let ran = run(dir.path(), arguments);
        assert!(
            ran.status == 1 && format!("{ran:?}").contains("a pipe, a socket or a device"),
            "{arguments:?}: {ran:?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_to_its_end_once_and_given_up_where_nobody_writes() {
    let dir = dir(&[("b.json", r#"{"b": 1}"#)]);
    let pipe = dir.path().join("a.yaml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let told = run(dir.path(), &["merge", "a.yaml"]).complaint(1);
    assert!(told.contains("cannot read `a.yaml`: nobody writes into the pipe"), "{told}");
    for (arguments, says) in
        [(["merge", "a.yaml", "b.json"], "\"a\": 1"), (["validate", "a.yaml", "b.json"], "a.yaml: ok")]
    {
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, "a: 1\n").unwrap()
        });
        assert!(run(dir.path(), &arguments).data().contains(says));
        writer.join().unwrap();
    }
    // As shells pass what `<(command)` prints.
    let read = run_with(dir.path(), &["merge", "/dev/stdin;format=yaml", "b.json"], &[], "a: 1\n").data();
    assert_eq!(json(&read), json(r#"{"a": 1, "b": 1}"#));
}

#[test]
fn a_bound_json_file_that_gets_comments_while_it_runs_is_followed_and_keeps_them() {
    let dir = dir(&[("a.json", "{\"a\": 1}\n")]);
    let file = dir.path().join("a.json");
    let served = Instance::start(dir.path(), &["--bind", "a.json"], &[]);
    std::fs::write(&file, "{\n  \"a\": 2, // two\n}\n").unwrap();
    wait_for("the edit", || (served.data(&["get", "a"]).trim() == "2").then_some(()));
    let status = served.data(&["status"]);
    assert!(status.contains("holds comments or trailing commas"), "{status}");
    wait_for("the log", || served.process.errors().contains(";format=jsonc").then_some(()));
    served.data(&["set", "a", "3"]);
    let text = || std::fs::read_to_string(&file).unwrap();
    wait_for("the mirrored file", || (text() == "{\n  \"a\": 3, // two\n}\n").then_some(()));
}

#[test]
fn a_bound_dotenv_file_nests_and_is_edited_where_its_keys_stand() {
    let text = "# db\nDB__HOST=h # where\nDB__PORT=1\nA='x'\n";
    let dir = dir(&[(".env", text)]);
    let file = dir.path().join(".env");
    let served = Instance::start(dir.path(), &["--bind", ".env"], &[]);
    assert_eq!(json(&served.data(&["get", "DB"])), json(r#"{"HOST":"h","PORT":"1"}"#));
    served.data(&["set", "DB.HOST", "g"]);
    served.data(&["set", "DB.USER", "u"]);
    let want = text.replace("=h #", "=g #").replace("PORT=1\n", "PORT=1\nDB__USER=u\n");
    wait_for("the mirrored file", || (std::fs::read_to_string(&file).unwrap() == want).then_some(()));
    std::fs::write(&file, want.replace("PORT=1", "PORT=2")).unwrap();
    wait_for("the edit", || (served.data(&["get", "DB.PORT"]).trim() == "2").then_some(()));
    // Without an instance it is the same.
    std::fs::write(dir.path().join("b.env"), text).unwrap();
    run(dir.path(), &["unset", "DB.HOST", "--file", "b.env"]).data();
    run(dir.path(), &["set", "DB.PORT", "2", "--file", "b.env"]).data();
    assert_eq!(std::fs::read_to_string(dir.path().join("b.env")).unwrap(), "DB__PORT=2\nA='x'\n");
    run(dir.path(), &["set", "A", "[1]", "--file", "b.env"]).data();
    assert_eq!(std::fs::read_to_string(dir.path().join("b.env")).unwrap(), "DB__PORT=2\nA='[1]'\n");
    let told = run(dir.path(), &["set", "B", "[1]", "--file", "b.env"]).complaint(1);
    assert!(told.contains("dotenv cannot hold a list") && told.contains("`B`"), "{told}");
}
