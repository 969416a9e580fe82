//! What is wrong is told: by webhook, by command, on the stream of events.
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use super::process::{Instance, Running, wait_for};
use super::{dir, json};

/// Ids and bodies of the requests that came.
type Came = Mutex<Vec<(String, Value)>>;

/// A server that answers the first requests with 503 and the others with 204; it keeps the bodies of all.
fn receiver(failures: usize) -> (String, Arc<Came>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let came = Arc::<Came>::default();
    let kept = Arc::clone(&came);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut id, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim().to_lowercase();
                if line.is_empty() {
                    break;
                }
                if let Some(found) = line.strip_prefix("webhook-id: ") {
                    found.clone_into(&mut id);
                }
                if let Some(found) = line.strip_prefix("content-length: ") {
                    length = found.parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            kept.lock().unwrap().push((id, json(&String::from_utf8(body).unwrap())));
            let status = if number < failures { "503 Busy" } else { "204 Done" };
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        }
    });
    (url, came)
}

/// Waits for a notice of that type.
#[track_caller]
fn came(all: &Came, kind: &str) -> Value {
    wait_for(kind, || {
        all.lock().unwrap().iter().rev().find(|(_, body)| body["type"] == kind).map(|found| found.1.clone())
    })
}

#[test]
fn what_is_wrong_is_told_by_webhook_by_command_and_on_the_stream_and_again_when_it_is_over() {
    let dir = dir(&[("local.json", "{\"a\": 1}"), ("secret", "a secret of many characters\n")]);
    let (url, told) = receiver(1);
    let command = "tee -a told.json";
    let arguments = [
        "--file",
        "local.json",
        "--notify-url",
        &url,
        "--notify-secret-file",
        "secret",
        "--notify-command",
        command,
        "--peer",
        "ws://127.0.0.1:1/sync",
    ];
    let instance = Instance::start(dir.path(), &arguments, &[]);
    let address = instance.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /events?notices=true HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let lines = Arc::<Mutex<String>>::default();
    let heard = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            heard.lock().unwrap().push_str(&(line + "\n"));
        }
    });
    wait_for("the stream", || lines.lock().unwrap().contains("text/event-stream").then_some(()));
    fs::write(dir.path().join("local.json"), "{\"a\": hunter").unwrap();
    let stale = came(&told, "source.stale");
    assert_eq!(stale["data"]["source"], "file:local.json");
    assert_eq!(stale["data"]["error"]["code"], "syntax", "{stale}");
    fs::write(dir.path().join("local.json"), "{\"a\": 2}").unwrap();
    came(&told, "source.fresh");
    let lost = came(&told, "sync.failed");
    assert!(lost["data"]["peer"].as_str().unwrap().contains("127.0.0.1:1"), "{lost}");
    let all = told.lock().unwrap().clone();
    assert_eq!(all[0].0, all[1].0, "what failed is sent again under its id");
    assert_eq!(all[0].1, all[1].1);
    wait_for("the command", || {
        let text = fs::read_to_string(dir.path().join("told.json")).unwrap_or_default();
        (text.contains("source.stale") && text.contains("source.fresh")).then_some(())
    });
    wait_for("the stream", || {
        let text = lines.lock().unwrap();
        (text.contains("event: notice\ndata: {\"data\":{\"document\":\"default\"") && text.contains("source.fresh"))
            .then_some(())
    });
    let status = wait_for("the status", || {
        let status = instance.status()["notify"].clone();
        (status[0]["waiting"] == 0 && status[1]["waiting"] == 0).then_some(status)
    });
    assert_eq!((&status[0]["dropped"], &status[1]["receiver"]), (&0.into(), &"tee".into()), "{status}");
    assert!(!instance.process.errors().contains("many characters"));
}

#[test]
fn a_conflict_that_somebody_has_to_decide_is_told_and_so_is_that_it_was() {
    let policy = r#"[{"pattern": "app.*", "conflict": "manual_resolution", "meanwhile": "previous"}]"#;
    let dir = dir(&[("policy.json", policy), ("secret", "a secret of many characters\n")]);
    let (url, told) = receiver(0);
    let ruled = |data| ["--data-dir", data, "--policy", "policy.json"];
    let mut a = Instance::start(dir.path(), &ruled("a"), &[]);
    a.data(&["set", "app.color", "red"]);
    let address = a.url.trim_start_matches("http://").to_owned();
    let peer = a.url.replace("http://", "ws://") + "/sync";
    let joins = [&ruled("b")[..], &["--peer", &peer, "--found-after", "60000"]].concat();
    let b = Instance::start(dir.path(), &joins, &[]);
    wait_for("the document", || b.run(&["get", "app.color"]).stdout.contains("red").then_some(()));
    a.process.signal("TERM");
    a.process.ended();
    b.data(&["set", "app.color", "green"]);
    let mut apart = Instance::start(dir.path(), &ruled("a"), &[]);
    apart.data(&["set", "app.color", "blue"]);
    apart.process.signal("TERM");
    apart.process.ended();
    let notifies = [&ruled("a")[..], &["--notify-url", &url, "--notify-secret-file", "secret"]].concat();
    let a = Instance::start_at(dir.path(), &address, &notifies, &[]);
    let opened = came(&told, "conflict.opened");
    assert_eq!((&opened["data"]["path"], &opened["data"]["sides"]), (&"app.color".into(), &2.into()), "{opened}");
    assert!(
        !opened.to_string().contains("blue") && !opened.to_string().contains("green"),
        "no value is told: {opened}"
    );
    a.data(&["resolve", opened["data"]["id"].as_str().unwrap(), "--keep"]);
    assert_eq!(came(&told, "conflict.closed")["data"]["id"], opened["data"]["id"]);
}

#[test]
fn where_nothing_says_what_requests_are_signed_with_it_does_not_start() {
    let dir = dir(&[("short", "abc")]);
    for (more, words) in [
        (&["--notify-url", "https://h/"][..], "--notify-secret-file"),
        (&["--notify-url", "http://10.0.0.7/x?token=hunter2", "--notify-secret-file", "short"], "https"),
        (&["--notify-url", "http://127.0.0.1:1/", "--notify-secret-file", "short"], "shorter than 16 bytes"),
        (&["--notify-url", "http://127.0.0.1:1/", "--notify-secret-file", "none"], "`none`"),
    ] {
        let mut refused = Running::start(dir.path(), &[&["serve", "--no-listen"], more].concat(), &[]);
        assert!(!refused.ended().success());
        refused.tells(words);
        assert!(!refused.errors().contains("hunter2"));
    }
}
