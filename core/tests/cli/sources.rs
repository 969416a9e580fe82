//! `--source` in `merge`, `explain` and `serve`.
use std::io::{Read, Write};
use std::net::TcpListener;
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
    assert_eq!(explained["winner"]["source"], "exec:echo limit: 5");
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
        let ran = run(dir.path(), &[command, "--source", "exec:true;secret", "--source", "exec:true a;secret"]);
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
