//! Commands that need no instance.
use super::{dir, json, program, run, run_with};
use confmesh::format::{Format, parse};
use std::process::Stdio;

const BASE: &str = "{\n  \"app\": {\"name\": \"shop\", \"rate_limit\": 100},\n  \"tags\": [\"a\", \"b\"]\n}\n";
const LOCAL: &str = "app:\n  rate_limit: 200 # more\ntags: [b, c]\n";

#[test]
fn the_later_file_wins_and_json_is_printed_by_default() {
    let dir = dir(&[("base.json", BASE), ("local.yaml", LOCAL), ("top.toml", "[app]\nname = \"top\"\n")]);
    let printed = run(dir.path(), &["merge", "base.json", "local.yaml", "top.toml"]).data();
    assert_eq!(
        printed,
        "{\n  \"app\": {\n    \"name\": \"top\",\n    \"rate_limit\": 200\n  },\n  \"tags\": [\n    \"b\",\n    \"c\"\n  ]\n}\n"
    );
    let reversed = run(dir.path(), &["merge", "top.toml", "local.yaml", "base.json"]).data();
    assert_eq!(json(&reversed)["app"], json(r#"{"name":"shop","rate_limit":100}"#));
}

#[test]
fn every_printed_format_reads_back_as_the_same_document() {
    let dir = dir(&[("base.json", BASE)]);
    let expected = parse(BASE, Format::Json).unwrap();
    for (name, format) in [("json", Format::Json), ("yaml", Format::Yaml), ("toml", Format::Toml)] {
        let printed = run(dir.path(), &["merge", "base.json", "--format", name]).data();
        assert_eq!(parse(&printed, format).unwrap(), expected, "{printed}");
    }
}

#[test]
fn rules_and_variables_take_part_in_a_merge() {
    let dir = dir(&[("base.json", BASE), ("local.yaml", LOCAL)]);
    let variables = [("DEMO_APP__RATE_LIMIT", "300"), ("DEMOCRACY", "x")];
    let arguments = ["merge", "base.json", "local.yaml", "--env", "DEMO", "--rule", "tags=union_set"];
    let merged = json(&run_with(dir.path(), &arguments, &variables, "").data());
    assert_eq!(merged, json(r#"{"app":{"name":"shop","rate_limit":300},"tags":["b","c","a"]}"#));
}

#[test]
fn explain_tells_the_place_of_every_value() {
    let dir = dir(&[("base.json", BASE), ("local.yaml", LOCAL)]);
    let files = ["base.json", "local.yaml", "--env", "DEMO", "--rule", "tags=union_set"];
    let table = run_with(dir.path(), &[&["merge", "--explain"][..], &files].concat(), &[("DEMO_X", "1")], "").data();
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect()).collect();
    assert_eq!(
        rows,
        [
            vec!["PATH", "VALUE", "SOURCE"],
            vec!["app.name", "\"shop\"", "base.json:2:11"],
            vec!["app.rate_limit", "200", "local.yaml:2:3"],
            vec!["tags", "[\"b\",\"c\",\"a\"]", "base.json:3:3 + local.yaml:3:1"],
            vec!["x", "\"1\"", "env:DEMO (DEMO_X)"],
        ]
    );
    let list = json(&run(dir.path(), &[&["merge", "--explain", "--json"][..], &files].concat()).data());
    assert_eq!(list[1]["path"], "app.rate_limit");
    assert_eq!(list[1]["winner"]["origin"], json(r#"{"source":"local.yaml","line":2,"column":3}"#));
    assert_eq!(list[1]["others"][0]["value"], 100);
}

#[test]
fn explain_of_one_path_shows_the_winner_and_what_it_overrides() {
    let dir = dir(&[("base.json", BASE), ("local.yaml", LOCAL)]);
    let table = run(dir.path(), &["explain", "app.rate_limit", "base.json", "local.yaml"]).data();
    assert_eq!(
        table,
        "app.rate_limit = 200\nrule: deep_merge\n\
         > local.yaml:2:3  30  200  wins\n  base.json:2:27  31  100  overridden\n"
    );
    let found = json(&run(dir.path(), &["explain", "/app/name", "base.json", "--json"]).data());
    assert_eq!((&found["value"], &found["source"]), (&json("\"shop\""), &json("\"base.json\"")));
    let all = run(dir.path(), &["explain", "", "base.json", "local.yaml"]).data();
    assert_eq!(all, run(dir.path(), &["merge", "base.json", "local.yaml", "--explain"]).data());
    let complaint = run(dir.path(), &["explain", "app.rate_limt", "base.json"]).complaint(1);
    assert_eq!(complaint, "error: nothing is at `app.rate_limt`\n\nhint: did you mean `app.rate_limit`?\n");
}

#[test]
fn warnings_go_to_stderr_and_the_document_is_printed() {
    let dir = dir(&[("a.json", r#"{"x": {"y": 1}}"#), ("b.json", r#"{"x": 1}"#)]);
    let ran = run(dir.path(), &["merge", "a.json", "b.json"]);
    assert_eq!((ran.status, json(&ran.stdout)), (0, json(r#"{"x":1}"#)));
    assert!(ran.stderr.starts_with("warning: b.json:1:2: types clash: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("\n  a.json:1:2: the map that is left out\n"), "{}", ran.stderr);
}

#[test]
fn a_hash_is_equal_in_every_format_and_the_canonical_form_ends_without_a_newline() {
    let dir = dir(&[("a.json", r#"{"b": 1.0, "a": "é"}"#), ("a.yaml", "a: é\nb: 1\n"), ("list.json", "[1, null]")]);
    let hash = run(dir.path(), &["hash", "a.json"]).data();
    assert!(hash.starts_with("sha256:") && hash.len() == "sha256:".len() + 65, "{hash}");
    assert_eq!(run(dir.path(), &["hash", "a.yaml"]).data(), hash);
    assert_eq!(run(dir.path(), &["hash", "a.yaml", "--canonical"]).data(), r#"{"a":"é","b":1}"#);
    assert_eq!(run(dir.path(), &["hash", "list.json", "--canonical"]).data(), "[1,null]");
}

#[test]
fn stdin_is_json_unless_another_format_is_named_and_can_be_named_once() {
    let dir = dir(&[("plain", "a: 1\n")]);
    let canonical = |arguments: &[&str], stdin: &str| run_with(dir.path(), arguments, &[], stdin).data();
    assert_eq!(canonical(&["hash", "-", "--canonical"], r#"{"a": 1}"#), r#"{"a":1}"#);
    assert_eq!(canonical(&["hash", "-", "--canonical", "--input-format", "toml"], "a = 1"), r#"{"a":1}"#);
    assert_eq!(canonical(&["hash", "plain", "--canonical", "--input-format", "yaml"], ""), r#"{"a":1}"#);
    let twice = run_with(dir.path(), &["diff", "-", "-"], &[], "{}").complaint(1);
    assert_eq!(twice, "error: stdin (`-`) is named twice\n\nhint: save one of the inputs to a file\n");
    let yaml = run_with(dir.path(), &["hash", "-"], &[], "a: 1").complaint(1);
    assert!(yaml.ends_with("\n\nhint: stdin is read as json: name another format with `--input-format`\n"), "{yaml}");
    let unknown = run(dir.path(), &["hash", "plain"]).complaint(1);
    assert!(
        unknown.starts_with("error: cannot tell the format of `plain` from its name\n\nhint: add `;format=NAME` to the file, or `--input-format`")
    );
}

#[test]
fn a_difference_is_readable_and_can_be_a_patch() {
    let dir = dir(&[
        ("old.json", r#"{"a": 1, "b": {"x": [1]}, "c": "t"}"#),
        ("new.yaml", "a: 2\nb: {x: [1]}\nd: {e: true}\n"),
        ("list.json", "[1]"),
    ]);
    let pair = ["old.json", "new.yaml"];
    let with = |more: &[&str]| run(dir.path(), &[&["diff"][..], &pair, more].concat());
    assert_eq!(with(&[]).data(), "changed  a: 1 -> 2\nremoved  c: \"t\"\nadded    d: {\"e\":true}\n");
    assert_eq!(with(&["--exit-code"]).status, 1);
    assert_eq!(json(&with(&["--merge-patch"]).data()), json(r#"{"a":2,"c":null,"d":{"e":true}}"#));
    let patch = with(&["--json"]).data();
    assert_eq!(json(&patch)[0], json(r#"{"op":"replace","path":"/a","value":2}"#));
    let patched = run_with(dir.path(), &["patch", "old.json", "-"], &[], &patch).data();
    assert_eq!(json(&patched), json(r#"{"a":2,"b":{"x":[1]},"d":{"e":true}}"#));
    assert_eq!(run(dir.path(), &["diff", "old.json", "list.json"]).data().matches("(document)").count(), 1);
}

#[test]
fn exit_code_tells_equal_from_different_from_wrong() {
    let dir = dir(&[("a.json", "{\"a\": 1}"), ("a.yaml", "a: 1"), ("bad.json", "{")]);
    let equal = run(dir.path(), &["diff", "a.json", "a.yaml", "--exit-code"]);
    assert_eq!((equal.status, equal.stdout.as_str()), (0, ""));
    for arguments in [["diff", "a.json", "bad.json", "--exit-code"], ["diff", "a.json", "missing.json", "--exit-code"]]
    {
        run(dir.path(), &arguments).complaint(2);
    }
    run(dir.path(), &["diff", "a.json", "--exit-code"]).complaint(2);
    run(dir.path(), &["diff", "a.json", "bad.json"]).complaint(1);
}

#[test]
fn patches_apply_whole_or_not_at_all() {
    let dir = dir(&[
        ("doc.yaml", "a: 1\nb: [1, 2]\n"),
        ("good.json", r#"[{"op":"add","path":"/b/-","value":3},{"op":"remove","path":"/a"}]"#),
        ("bad.json", r#"[{"op":"remove","path":"/a"},{"op":"test","path":"/b/0","value":9}]"#),
        ("merge.json", r#"{"a": null, "c": 1}"#),
    ]);
    assert_eq!(json(&run(dir.path(), &["patch", "doc.yaml", "good.json"]).data()), json(r#"{"b":[1,2,3]}"#));
    let merged = run(dir.path(), &["patch", "doc.yaml", "merge.json", "--merge-patch"]).data();
    assert_eq!(json(&merged), json(r#"{"b":[1,2],"c":1}"#));
    let complaint = run(dir.path(), &["patch", "doc.yaml", "bad.json"]).complaint(1);
    assert!(complaint.starts_with("error: bad.json: ") && complaint.contains('1'), "{complaint}");
    let complaint = run(dir.path(), &["patch", "doc.yaml", "merge.json"]).complaint(1);
    assert!(complaint.ends_with("hint: add `--merge-patch` if this is a merge patch\n"), "{complaint}");
    assert_eq!(std::fs::read_to_string(dir.path().join("doc.yaml")).unwrap(), "a: 1\nb: [1, 2]\n");
}

#[test]
fn validate_lists_every_problem_with_its_place() {
    let dir =
        dir(&[("a.json", "{}"), ("b.json", "{\n  \"a\": 1,\n}\n"), ("c.yaml", "- 1\n"), ("d.yaml", "a: 1\na: 2\n")]);
    assert_eq!(run(dir.path(), &["validate", "a.json"]).data(), "a.json: ok\n");
    let ran = run(dir.path(), &["validate", "a.json", "b.json;format=json", "c.yaml", "d.yaml", "missing.json"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (1, ""));
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "a.json: ok");
    assert!(lines[1].starts_with("b.json:2:9: "), "{}", ran.stdout);
    for expected in
        ["c.yaml: the document is a list, not a map\n  hint: ", "d.yaml:2:1: ", "cannot read `missing.json`: "]
    {
        assert!(ran.stdout.contains(expected), "{expected}: {}", ran.stdout);
    }
    let list = run(dir.path(), &["validate", "a.json", "b.json;format=json", "--json"]);
    assert_eq!(list.status, 1);
    let list = json(&list.stdout);
    assert_eq!((&list[0]["ok"], &list[1]["ok"]), (&json("true"), &json("false")));
    assert_eq!(list[1]["problems"][0]["origin"], json(r#"{"source":"b.json","line":2,"column":9}"#));
}

#[test]
fn errors_name_the_place_and_what_to_do() {
    let dir = dir(&[("bad.json", "{\"a\": 1,}"), ("list.yaml", "- 1\n"), ("latin.json", "{}")]);
    std::fs::write(dir.path().join("latin.json"), b"{\"a\": \"\xe9\"}").unwrap();
    std::fs::create_dir(dir.path().join("dir.json")).unwrap();
    for (arguments, expected) in [
        (
            &["merge", "list.yaml"][..],
            "error: list.yaml: the document is a list, not a map\n\nhint: put the value under a key\n",
        ),
        (
            &["hash", "missing.json"],
            "error: cannot read `missing.json`: no such file or directory\n\nhint: correct the path\n",
        ),
        (&["hash", "dir.json"], "error: cannot read `dir.json`: it is a directory\n\nhint: name a file in it\n"),
        (
            &["hash", "latin.json"],
            "error: latin.json: the text is not UTF-8: byte 8 is invalid\n\nhint: save the text as UTF-8\n",
        ),
        (
            &["merge", "latin.json", "--rule", "a.b"],
            "error: the rule `a.b` names no strategy\n\nhint: write PATTERN=STRATEGY, for example `app.tags=union_set` or `app.users=keyed_list:name`; `quiet` and `removals` stand in the place of a strategy\n",
        ),
    ] {
        assert_eq!(run(dir.path(), arguments).complaint(1), expected);
    }
    let complaint = run(dir.path(), &["hash", "bad.json;format=json"]).complaint(1);
    assert!(complaint.starts_with("error: bad.json:1:8: ") && complaint.contains("\n\nhint: "), "{complaint}");
    let complaint = run(dir.path(), &["merge", "bad.json", "--rule", "a=deep"]).complaint(1);
    assert!(
        complaint.starts_with("error: unknown merge strategy `deep`\n\nhint: use one of `override`, "),
        "{complaint}"
    );
}

#[test]
fn errors_are_json_on_stderr_where_json_is_asked_for() {
    let dir = dir(&[("bad.json", "{")]);
    let error = json(&run(dir.path(), &["hash", "bad.json", "--json"]).complaint(1));
    assert_eq!(error["error"]["code"], "syntax");
    assert_eq!(error["error"]["origin"], json(r#"{"source":"bad.json","line":1,"column":2}"#));
    let error = json(&run(dir.path(), &["--json", "hash"]).complaint(1));
    assert_eq!(error["error"]["code"], "usage");
}

#[test]
fn wrong_usage_exits_with_1_and_help_with_0() {
    let dir = dir(&[]);
    for arguments in [
        &[][..],
        &["merge"],
        &["nonsense"],
        &["hash", "a", "b"],
        &["merge", "a.json", "--format", "xml"],
        &["explain", "a", "--env", "X"],
    ] {
        let complaint = run(dir.path(), arguments).complaint(1);
        assert!(complaint.contains("Usage:") || complaint.contains("--help"), "{arguments:?}: {complaint}");
    }
    for arguments in [&["--help"][..], &["merge", "--help"], &["--version"]] {
        assert!(run(dir.path(), arguments).data().contains("confmesh"));
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let text = format!("[{}1]", "\"a rather long text\",".repeat(50_000));
    let dir = dir(&[("big.json", &text)]);
    let mut command = program(dir.path());
    let mut child = command
        .args(["hash", "--canonical", "big.json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn files_are_edited_in_place_without_an_instance() {
    let text = "# shop\nimage: \"nginx:1.9\" # pinned\nbase: &base\n  retries: 3 # often\nweb:\n  <<: *base\n  port: 80\ntags:\n- a # one\n- b # two\n";
    let dir = dir(&[
        ("real.yaml", text),
        ("p.json", r#"[{"op": "remove", "path": "/tags/0"}]"#),
        ("m.json", r#"{"web": null}"#),
    ]);
    std::os::unix::fs::symlink("real.yaml", dir.path().join("a.yaml")).unwrap();
    let read = || std::fs::read_to_string(dir.path().join("a.yaml")).unwrap();
    let (mut want, edit) = (text.to_owned(), |arguments: &[&str]| run(dir.path(), arguments).data());
    assert_eq!(edit(&["set", "image", "nginx:1.10", "--file", "a.yaml"]), "");
    want = want.replace("1.9", "1.10");
    assert_eq!(read(), want);
    let told = edit(&["set", "base.retries", "5", "--file", "a.yaml", "--json"]);
    assert_eq!(json(&told), json(r#"{"file": "a.yaml", "changed": true}"#));
    // What the merge key brings is as it was, so that it is written beside it.
    want = want.replace("retries: 3", "retries: 5").replace("port: 80\n", "port: 80\n  retries: 3\n");
    assert_eq!(read(), want);
    edit(&["unset", "web.port", "--file", "a.yaml"]);
    edit(&["patch", "a.yaml", "p.json", "--in-place"]);
    want = want.replace("  port: 80\n", "").replace("- a # one\n", "");
    assert_eq!(read(), want);
    edit(&["patch", "a.yaml", "m.json", "--merge-patch", "--in-place"]);
    want = want.replace("web:\n  <<: *base\n  retries: 3\n", "");
    assert_eq!(read(), want);
    assert!(dir.path().join("a.yaml").is_symlink(), "the link stays");
    let told = edit(&["set", "tags.0", "b", "--file", "a.yaml", "--json"]);
    assert_eq!(json(&told)["changed"], false);
    // What cannot be done changes nothing.
    for (arguments, says) in [
        (["set", "image.tag", "1", "--file", "a.yaml"], "`image` is a string, no map"),
        (["set", "tags.9", "1", "--file", "a.yaml"], "is a list of 1 items"),
        (["set", "", "1", "--file", "a.yaml"], "the path is empty"),
        (["set", "a", "1", "--file", "-"], "cannot be edited in place"),
    ] {
        let ran = run(dir.path(), &arguments);
        assert!(ran.status != 0 && ran.stderr.contains(says), "{ran:?}");
    }
    assert!(run(dir.path(), &["unset", "tgas", "--file", "a.yaml"]).complaint(1).contains("`tags`"));
    assert!(run(dir.path(), &["set", "a", "1", "--file", "none.yaml"]).complaint(1).contains("none.yaml"));
    assert_eq!(read(), want);
}

#[test]
fn fmt_tidies_and_check_only_tells() {
    let untidy = "a: 1  \r\nb: |\n  x  \n---\nc: 2\n\n\n";
    let dir = dir(&[("a.yaml", untidy), ("b.json", "{}\n")]);
    let read = || std::fs::read_to_string(dir.path().join("a.yaml")).unwrap();
    let checked = run(dir.path(), &["fmt", "--check", "a.yaml", "b.json"]);
    assert_eq!((checked.status, checked.stdout.as_str(), read().as_str()), (1, "a.yaml\n", untidy), "{checked:?}");
    assert_eq!(run(dir.path(), &["fmt", "a.yaml", "b.json"]).data(), "a.yaml\n");
    assert_eq!(read(), "a: 1\nb: |\n  x  \n---\nc: 2\n");
    assert_eq!(run(dir.path(), &["fmt", "--check", "a.yaml", "b.json"]).data(), "");
    std::fs::write(dir.path().join("a.yaml"), "a: 1\nb 2\n").unwrap();
    assert!(run(dir.path(), &["fmt", "a.yaml"]).complaint(1).contains("a.yaml:2:1"));
}

#[test]
fn shells_complete_every_command_and_man_has_a_page_of_each() {
    let dir = dir(&[]);
    let script = run(dir.path(), &["completions", "bash"]).data();
    std::fs::write(dir.path().join("confmesh.bash"), &script).unwrap();
    let asked = "source ./confmesh.bash; COMP_WORDS=(confmesh serve --found); COMP_CWORD=2; _confmesh confmesh --found serve; echo \"${COMPREPLY[@]}\"";
    let shell = std::process::Command::new("bash").args(["-c", asked]).current_dir(dir.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&shell.stdout).trim(), "--found-after", "{shell:?}");
    for (shell, begins) in [("zsh", "#compdef confmesh"), ("fish", "# Print an optspec"), ("powershell", "")] {
        let script = run(dir.path(), &["completions", shell]).data();
        assert!(script.contains(begins) && script.contains("force-sync"), "{shell}: {script}");
    }
    assert!(run(dir.path(), &["completions", "csh"]).complaint(1).contains("csh"));
    assert!(run(dir.path(), &["man"]).data().contains(".TH confmesh"));
    run(dir.path(), &["man", "--dir", "man/man1"]).data();
    let page = std::fs::read_to_string(dir.path().join("man/man1/confmesh-serve.1")).unwrap();
    assert!(page.contains("\\-\\-found\\-after") && page.contains("Example"), "{page}");
    assert!(dir.path().join("man/man1/confmesh-reload.1").exists(), "commands of the list have pages as well");
}

#[test]
fn edits_of_a_file_by_many_commands_at_once_are_all_made() {
    for (name, text) in [("a.yaml", "# kept\nz: 1\n"), ("a.json", "{\"z\": 1}\n"), ("a.toml", "# kept\nz = 1\n")] {
        let dir = dir(&[(name, text)]);
        let start = |at: usize| {
            let mut command = program(dir.path());
            command.args(["set", &format!("k{at}"), &at.to_string(), "--file", name]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let commands: Vec<_> = (0..10).map(start).collect();
        for command in commands {
            let ended = command.wait_with_output().unwrap();
            assert!(ended.status.success(), "{name}: {}", String::from_utf8_lossy(&ended.stderr));
        }
        let merged = json(&run(dir.path(), &["merge", name]).data());
        assert_eq!(merged.as_object().unwrap().len(), 11, "{name}: {merged}");
        assert_eq!(std::fs::read_to_string(dir.path().join(name)).unwrap().contains("# kept"), text.contains("# kept"));
    }
}

#[test]
fn a_number_that_would_be_spelled_anew_is_never_taken_in_silence() {
    let dir = dir(&[("a.yaml", "n: 2.5\nt: \"1.9\"\n"), ("a.toml", "n = 2.5\n"), ("a.env", "T=1\n")]);
    for (path, file, says) in [
        ("n", "a.yaml", "`1.0` is taken as the number 1, as a number stands there"),
        ("n", "a.toml", "`1.0` is taken as the number 1, as a number stands there"),
        ("new", "a.yaml", "`1.0` is taken as a text, as the number would be spelled 1"),
        ("t", "a.yaml", ""),
        ("T", "a.env", ""),
        ("NEW", "a.env", ""),
    ] {
        let ran = run(dir.path(), &["set", path, "1.0", "--file", file]);
        assert!(ran.status == 0 && ran.stderr.contains(says), "{path} {file}: {ran:?}");
        assert_eq!(ran.stderr.is_empty(), says.is_empty(), "{path} {file}: {ran:?}");
    }
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("a.yaml"), "n: 1\nt: \"1.0\"\nnew: \"1.0\"\n");
    assert_eq!((read("a.toml"), read("a.env")), ("n = 1.0\n".to_owned(), "T=1.0\nNEW=1.0\n".to_owned()));
    run(dir.path(), &["set", "new", "1.0", "--as-json", "--file", "a.yaml"]).data();
    assert!(read("a.yaml").ends_with("new: 1\n"));
}
