//! `--source` in `merge`, `explain` and `serve`.
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::process::{Instance, Running, wait_for};
use crate::{dir, json, run, run_with};

/// A server that answers everybody with this JSON text, or with 503 where it is empty.
fn server() -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/app", listener.local_addr().unwrap());
    let text: Arc<Mutex<String>> = Arc::default();
    let shown = Arc::clone(&text);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head); // one read holds the whole head of a client on loopback
            let body = shown.lock().unwrap().clone();
            let status = if body.is_empty() { "503 Service Unavailable" } else { "200 OK" };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (url, text)
}

#[test]
fn merge_and_explain_take_sources_of_every_kind_by_their_priorities() {
    let dir = dir(&[("a.yaml", "limit: 1\nfile: a\n"), (".env", "DOTENV=2\n")]);
    let (url, text) = server();
    *text.lock().unwrap() = r#"{"limit": 4, "http": true}"#.to_owned();
    let sources = ["file:a.yaml", "dotenv:.env", "env:SRC", &url, "exec:echo 'limit: 5';format=yaml;priority=3"];
    let mut arguments: Vec<&str> = vec!["merge"];
    sources.iter().for_each(|source| arguments.extend(["--source", source]));
    let merged = run_with(dir.path(), &arguments, &[("SRC_NAME", "x")], "").data();
    assert_eq!(json(&merged), json(r#"{"limit": 5, "file": "a", "DOTENV": "2", "name": "x", "http": true}"#));
    let explained =
        run(dir.path(), &["--json", "explain", "limit", "a.yaml", "--source", &url, "--source", sources[4]]).data();
    let explained = json(&explained);
    assert_eq!(explained["winner"]["source"], "exec:echo …");
    assert_eq!(explained["others"][0]["source"], "a.yaml");
    assert_eq!((&explained["others"][1]["source"], &explained["others"][1]["priority"]), (&url.into(), &40.into()));
    assert!(explained["others"][1]["loaded"].as_str().unwrap().starts_with("20"));
}

#[test]
fn a_source_that_gives_nothing_ends_a_merge_unless_it_is_optional() {
    let dir = dir(&[("a.yaml", "limit: 1\n")]);
    let (url, _) = server();
    let complaint = run(dir.path(), &["merge", "a.yaml", "--source", &url]).complaint(1);
    assert!(complaint.contains("answered 503: it is not available") && complaint.contains(&url), "{complaint}");
    let optional = run(dir.path(), &["merge", "a.yaml", "--source", &format!("{url};optional")]);
    assert_eq!((optional.status, json(&optional.stdout)), (0, json(r#"{"limit": 1}"#)));
    assert!(optional.stderr.contains("answered 503"), "{}", optional.stderr);
    let complaint = run(dir.path(), &["merge", "--source", "https://c.example/;intervall=3s"]).complaint(1);
    assert!(complaint.contains("did you mean `interval=…`"), "{complaint}");
}

/// Whether a file in the directory or below holds the text.
fn is_below(directory: &std::path::Path, text: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    entries.filter_map(Result::ok).any(|entry| match std::fs::read(entry.path()) {
        Ok(bytes) => bytes.windows(text.len()).any(|part| part == text.as_bytes()),
        Err(_) => is_below(&entry.path(), text),
    })
}

#[test]
fn serve_follows_a_source_and_starts_without_it_from_what_is_kept() {
    let dir = dir(&[]);
    let (url, text) = server();
    *text.lock().unwrap() = r#"{"limit": 1}"#.to_owned();
    let source = format!("{url};interval=100ms");
    let arguments = ["--source", &source, "--data-dir", "data"];
    let instance = Instance::start(dir.path(), &arguments, &[]);
    wait_for("the first document", || (instance.data(&["get", "limit"]) == "1\n").then_some(()));
    *text.lock().unwrap() = r#"{"limit": 2}"#.to_owned();
    wait_for("the second document", || (instance.data(&["get", "limit"]) == "2\n").then_some(()));
    // In the place of the first one, not beside it as a file that is being written.
    let data = dir.path().join("data");
    wait_for("the second document on the disk", || (is_below(&data, ": 2}") && !is_below(&data, ": 1}")).then_some(()));
    text.lock().unwrap().clear();
    drop(instance);
    let instance = Instance::start(dir.path(), &arguments, &[]);
    assert_eq!(instance.data(&["get", "limit"]), "2\n");
    let status = wait_for("the answer that is none", || {
        let status = instance.status();
        let sources = status["documents"][0]["sources"].as_array().unwrap();
        sources.iter().any(|source| source["id"] == url && source["state"] == "stale").then_some(status)
    });
    let shown = &status["documents"][0]["sources"];
    let source = shown.as_array().unwrap().iter().find(|source| source["id"] == url).unwrap();
    assert_eq!(source["served_from"], "disk", "{source}");
    assert_eq!(status["health"]["status"], "degraded");
    assert!(instance.data(&["explain", "limit"]).contains("(loaded 20"));
}

#[test]
fn what_a_command_complains_about_is_in_the_log_and_nowhere_else() {
    let dir = dir(&[("secret", "t0ps3cret\n")]);
    let source = "exec:sh -c 'cat secret >&2\\; exit 1';interval=100ms";
    let instance = Instance::start(dir.path(), &["--source", source], &[]);
    instance.process.tells("wrote to its error output: t0ps3cret");
    let shown = instance.status().to_string();
    assert!(shown.contains("exit status 1; what it wrote to its error output is in the log"), "{shown}");
    let table = instance.run(&["status"]);
    assert!(!format!("{shown}{}{}", table.stdout, table.stderr).contains("t0ps3cret"), "{shown}");
}

#[test]
fn serve_refuses_to_start_without_the_variables_that_a_source_names() {
    let dir = dir(&[]);
    let source = "https://127.0.0.1:1/;token-env=EXEC_TOKEN";
    for (variables, says) in [(&[][..], "is not set"), (&[("EXEC_TOKEN", " ")][..], "is empty")] {
        let mut serve = Running::start(dir.path(), &["serve", "--source", source], variables);
        assert_eq!(serve.ended().code(), Some(1), "{}", serve.errors());
        serve.tells(&format!("the variable `EXEC_TOKEN` {says}"));
    }
}

#[test]
fn who_stops_serve_while_a_source_hangs_waits_for_nothing() {
    let dir = dir(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = format!("http://{}/hangs;timeout=1h", listener.local_addr().unwrap());
    let arguments = ["serve", "--source", &source, "--listen", "127.0.0.1:0", "--data-dir", "data"];
    let mut serve = Running::start(dir.path(), &arguments, &[]);
    let asked = listener.accept().unwrap();
    serve.signal("TERM");
    assert!(serve.ended().success(), "{}", serve.errors());
    drop(asked);
}

/// The status and body of `GET path`.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
}

#[test]
fn probes_are_answered_while_a_needed_source_is_awaited_and_nothing_else_is() {
    let dir = dir(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = format!("http://{}/hangs;timeout=1h", listener.local_addr().unwrap());
    let arguments = ["serve", "--source", &source, "--listen", "127.0.0.1:0", "--data-dir", "data"];
    let serve = Running::start(dir.path(), &arguments, &[]);
    let line = serve.tells("listening on http://");
    let address = line.split("http://").nth(1).unwrap().split(' ').next().unwrap();
    let (mut asked, _) = listener.accept().unwrap();
    assert_eq!(get(address, "/livez"), ("200".to_owned(), "ok\n".to_owned()));
    let (status, ready) = get(address, "/readyz");
    assert_eq!(status, "503");
    assert!(
        ready.contains("[-]start failed: the instance is starting: it waits for the first answer of `http://"),
        "{ready}"
    );
    assert!(get(address, "/health").1.contains("\"status\":\"not_ready\""));
    let (status, body) = get(address, "/config/default");
    assert!(status == "503" && body.contains("the instance is starting"), "{status} {body}");
    asked.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}").unwrap();
    serve.tells("  page  http://");
    assert_eq!(get(address, "/config/default").0, "200");
}

#[test]
fn a_source_that_fails_ends_every_command_with_the_same_status() {
    let dir = dir(&[("a.yaml", "a: 1\n"), ("broken.yaml", "a: [\n")]);
    let (url, _) = server();
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let hangs = format!("http://{}/;timeout=200ms", hangs.local_addr().unwrap());
    for source in
        ["exec:false", "exec:no-such-program-here", "exec:sleep 9;timeout=100ms", "file:missing.yaml", &url, &hangs]
    {
        for command in [&["merge", "a.yaml"][..], &["explain", "a", "a.yaml"], &["validate", "a.yaml"]] {
            let ran = run(dir.path(), &[command, &["--source", source]].concat());
            assert_eq!(ran.status, 1, "{command:?} {source}: {}", ran.stderr);
        }
    }
    for command in [&["merge"][..], &["explain", "a"], &["validate"], &["serve", "--listen", "127.0.0.1:0"]] {
        let ran = run(dir.path(), &[command, &["--source", "file:broken.yaml"]].concat());
        assert_eq!(ran.status, 1, "{command:?}: {}", ran.stderr);
    }
}

#[test]
fn status_says_how_old_a_source_is_when_it_is_asked_next_and_each_reason_once() {
    let dir = dir(&[]);
    let (url, text) = server();
    *text.lock().unwrap() = r#"{"limit": 1}"#.to_owned();
    let instance = Instance::start(dir.path(), &["--source", &format!("{url};interval=100ms")], &[]);
    let words = wait_for("the age", || Some(instance.words()).filter(|words| words.contains(" old, asked again in ")));
    assert!(words.contains(&format!("{url} (priority 40): fresh, 0.")), "{words}");
    text.lock().unwrap().clear();
    let words =
        wait_for("failures", || Some(instance.words()).filter(|words| words.contains(" failures, asked again in ")));
    assert!(words.contains("stale for ") && words.contains("sources see below"), "{words}");
    assert_eq!(words.matches("answered 503").count(), 1, "{words}");
}

#[test]
fn what_is_broken_mended_or_gone_is_told_in_one_line() {
    let dir = dir(&[("schema.json", r#"{"fields": {"limit": {"type": "integer"}}}"#)]);
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    let at = |name: &str| dir.path().join("conf.d").join(name);
    std::fs::write(at("1.yaml"), "limit: 1\n").unwrap();
    std::fs::write(at("2.yaml"), "more: 1\n").unwrap();
    let instance = Instance::start(dir.path(), &["--file", "conf.d", "--schema", "schema.json"], &[]);
    std::fs::write(at("1.yaml"), "limit: many\n").unwrap();
    instance.process.tells("rejecting invalid");
    std::fs::write(at("1.yaml"), "limit: 2\n").unwrap();
    wait_for("the mended value", || (instance.data(&["get", "limit"]) == "2\n").then_some(()));
    std::fs::remove_file(at("2.yaml")).unwrap();
    instance.process.tells("no source any more");
    std::fs::write(at("3.yaml"), "third: 1\n").unwrap();
    wait_for("the new file", || (instance.run(&["get", "third"]).stdout == "1\n").then_some(()));
    let lines: Vec<String> = instance.process.errors().lines().map(str::to_owned).collect();
    let of = |word: &str| lines.iter().filter(|line| line.contains(word)).count();
    assert_eq!((of("rejecting"), of("valid again"), of("2.yaml"), of("3.yaml")), (1, 1, 1, 1), "{lines:#?}");
    let about_first: Vec<&String> = lines.iter().filter(|line| line.contains("1.yaml")).collect();
    assert_eq!(about_first.len(), 1, "{about_first:#?}");
}

#[test]
fn a_file_of_a_source_that_is_not_there_yet_is_told_at_the_start() {
    let dir = dir(&[]);
    let arguments =
        ["serve", "--source", "file:mispelt.yaml", "--source", "file:maybe.yaml;optional", "--listen", "127.0.0.1:0"];
    let serve = Running::start(dir.path(), &arguments, &[]);
    serve.tells("`mispelt.yaml` does not exist: it counts once it does");
    serve.tells("listening on");
    let said = serve.errors();
    assert!(!said.contains("maybe.yaml` does not exist"), "{said}");
}

#[test]
fn a_source_that_is_given_twice_is_refused_by_merge_as_by_serve() {
    let dir = dir(&[]);
    for command in ["merge", "serve"] {
        let ran = run(dir.path(), &[command, "--source", "exec:true a", "--source", "exec:true b"]);
        assert!(ran.complaint(1).contains("is given twice"), "{command}");
    }
}

#[test]
fn reload_says_what_failed_and_why_and_ends_with_a_status() {
    let dir = dir(&[]);
    let instance = Instance::start(dir.path(), &["--source", "exec:false;optional"], &[]);
    let ran = instance.run(&["reload"]);
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("failed:\n  exec:false: `exec:false` failed: exit status 1"), "{}", ran.stdout);
    assert!(run(dir.path(), &["--help"]).data().contains("Looks at every file"), "its own sentence");
}
