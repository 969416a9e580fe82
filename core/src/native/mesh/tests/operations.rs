//! The list of operations against the routes and the answers that are really there.
use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::http::call;
use super::*;
use crate::api::{OPERATIONS, Reply, Type, find, mismatch};
use crate::native::watch::WatchOptions;

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "PATCH", "DELETE"];

/// The status of an answer, and its body where that is an error; a stream is not waited for.
fn asked(to: SocketAddr, method: &str, target: &str) -> (u16, String) {
    let mut io = TcpStream::connect(to).unwrap();
    io.set_read_timeout(Some(LONG)).unwrap();
    let request = format!("{method} {target} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    io.write_all(request.as_bytes()).unwrap();
    let (mut reply, mut piece) = (Vec::new(), [0; 4_096]);
    loop {
        let count = io.read(&mut piece).unwrap();
        reply.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&reply).into_owned();
        let status = text.split(' ').nth(1).map(|status| status.parse().unwrap()).unwrap_or(0);
        let head_is_there = text.contains("\r\n\r\n");
        if count == 0 || (head_is_there && status == 200) {
            return (status, text);
        }
    }
}

fn documented(to: SocketAddr) -> BTreeMap<String, Vec<String>> {
    let answer = call(to, "GET /openapi.json", &[], "");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let described = answer.json();
    assert_eq!(described.child("openapi"), Some(&"3.1.0".into()));
    let paths = described.child("paths").unwrap().as_map().unwrap().clone();
    let methods = |item: &Value| item.as_map().unwrap().keys().map(|method| method.to_ascii_uppercase()).collect();
    paths.iter().map(|(path, item)| (path.to_string(), methods(item))).collect()
}

#[test]
fn every_documented_route_answers_and_no_other_one_does() {
    let mesh = listening().start().unwrap();
    mesh.set("a", 1).wait().unwrap();
    let to = mesh.addresses()[0];
    let documented = documented(to);
    assert!(documented.len() > 15, "{documented:?}");
    for (path, methods) in &documented {
        let target =
            path.replace("{name}", "default").replace("{id}", "1").replace("{replica}", "1").replace("{key}", "a");
        assert!(!target.contains('{'), "{path} has a segment that this test does not know");
        for method in METHODS {
            let (status, text) = asked(to, method, &target);
            if methods.iter().any(|known| known == method) {
                let is_lost = status == 405 || text.contains(&format!("nothing is at `{target}`"));
                assert!(!is_lost && status < 500, "{method} {path} is documented and not there: {status} {text}");
            } else {
                assert_eq!(status, 405, "{method} {path} is there and not documented: {text}");
            }
        }
    }
}

#[test]
fn answers_are_what_the_list_says() {
    let mesh = listening().start().unwrap();
    mesh.set("a.b", 1).wait().unwrap();
    let to = mesh.addresses()[0];
    let fits = |name: &str, target: &str, body: &str| {
        let operation = find(name).unwrap();
        let answer = call(to, target, &[("Content-Type", "application/json")], body);
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        let reply = answer.json();
        let wrong = match operation.reply {
            Reply::Record(record) => mismatch(Type::Record(record), &reply),
            Reply::Only(field) | Reply::Told(field) => mismatch(field.kind, reply.child(field.name).unwrap()),
            Reply::Value(kind) => mismatch(kind, &reply),
            _ => None,
        };
        assert_eq!(wrong, None, "{target}: {}", answer.body);
    };
    fits("status", "GET /status", "");
    fits("health", "GET /health", "");
    fits("get", "GET /config/default?path=a", "");
    fits("set", "PUT /config/default?path=a.c", "2");
    fits("replace", "PUT /config/default", r#"{"a": {"b": 3}}"#);
    fits("merge_patch_document", "PATCH /config/default", r#"{"c": 1}"#);
    fits("unset", "DELETE /config/default?path=c", "");
    fits("explain", "GET /config/default/explain?path=a.b", "");
    fits("written", "GET /config/default/written?path=a.b", "");
    fits("conflicts", "GET /conflicts?all=true", "");
    fits("audit", "GET /audit", "");
    fits("members", "GET /members", "");
    fits("force_sync", "POST /force-sync", "");
    fits("kept", "GET /kept", "");
    fits("repair_plan", "GET /repair", "");
}

#[test]
fn an_operation_is_asked_for_by_name_and_checked_before() {
    let mesh = MeshOptions::default().start().unwrap();
    mesh.set("a", 1).wait().unwrap();
    let call = |name: &str, arguments: &str| mesh.call(name, &json(arguments)).wait();
    assert_eq!(call("read", r#"{"path": "a"}"#).unwrap().child("value"), Some(&1.into()));
    assert_eq!(call("conflicts", "{}").unwrap(), json("[]"));
    assert_eq!(call("health", "null").unwrap().child("status"), Some(&"healthy".into()));
    for (name, arguments, code, hint) in [
        ("confilcts", "{}", Code::NotFound, "did you mean `conflicts`?"),
        ("conflicts", r#"{"al": true}"#, Code::Usage, "did you mean `all`?"),
        ("conflicts", r#"{"all": "yes"}"#, Code::Usage, "`all`: whether"),
        ("read", "{}", Code::Usage, "`path`: the path"),
        ("audit", r#"{"x": 1}"#, Code::Usage, "it takes nothing"),
    ] {
        let refused = call(name, arguments).unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
        assert!(refused.hint().unwrap_or_default().starts_with(hint), "{refused:?}");
    }
    for (name, arguments, code) in [
        ("read", r#"{"path": "a..b"}"#, Code::PathSyntax),
        ("assign", r#"{"id": "x", "user": null}"#, Code::NotFound),
        ("resolve", r#"{"id": "x", "keep": true}"#, Code::NotFound),
    ] {
        assert_eq!(mesh.call(name, &json(arguments)).asked().err().map(|error| error.code()), Some(code), "{name}");
    }
    let nobody = mesh.snapshot().hash().to_string();
    let resolve = |choice: &str| mesh.call("resolve", &json(&format!(r#"{{"id": "{nobody}", {choice}}}"#))).asked();
    assert_eq!(resolve(r#""take": 0, "keep": true"#).err().map(|error| error.code()), Some(Code::Usage));
    assert_eq!(resolve(r#""keep": true"#).unwrap().wait().unwrap_err().code(), Code::NotFound, "the instance says so");
    assert_eq!(call("merge", r#"{"layers": []}"#).unwrap_err().code(), Code::Usage, "it is asked of nobody");
    assert_eq!(call("expel", r#"{"replica": "ff"}"#).unwrap_err().code(), Code::NotFound);
    assert!(OPERATIONS.iter().any(|row| row.begin.is_none()));
}

#[test]
fn a_reload_looks_at_every_file_at_once_and_says_what_changed_and_what_failed() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("base.json"), r#"{"limit": 1, "name": "a"}"#).unwrap();
    fs::write(at("bound.json"), r#"{"shared": 1}"#).unwrap();
    // The watcher believes nothing for minutes: what shows, shows because of the reload.
    let long = Duration::from_secs(300);
    let watch = WatchOptions { settle: long, cap: long, poll: long };
    let options = MeshOptions { bind: Some(at("bound.json")), files: vec![at("base.json")], watch, ..listening() };
    let mesh = options.start().unwrap();
    let reload = || mesh.call("reload", &Value::Null).wait().unwrap();
    assert_eq!(reload().child("changed"), Some(&json("[]")));
    fs::write(at("base.json"), r#"{"limit": 2, "name": "a"}"#).unwrap();
    fs::write(at("bound.json"), r#"{"shared": 2}"#).unwrap();
    let reloaded = reload();
    assert_eq!(reloaded.child("changed"), Some(&json(r#"["limit", "shared"]"#)), "{reloaded:?}");
    assert_eq!((reloaded.child("failed"), mesh.get("limit").unwrap()), (Some(&json("[]")), Some(2.into())));
    fs::write(at("base.json"), r#"{"limit": }"#).unwrap();
    let broken = call(mesh.addresses()[0], "POST /reload", &[], "").json();
    let failed = &broken.child("failed").unwrap().as_list().unwrap().iter().collect::<Vec<_>>()[0];
    assert!(failed.child("source").unwrap().as_str().unwrap().ends_with("base.json"), "{broken:?}");
    assert_eq!(failed.child("error").unwrap().child("code"), Some(&"syntax".into()));
    assert_eq!(mesh.get("limit").unwrap(), Some(2.into()), "the last good content is in force");
    assert_eq!(mismatch(Type::Record(record_of("reload")), &broken), None);
}

fn record_of(name: &str) -> &'static crate::api::Record {
    let Reply::Record(record) = find(name).unwrap().reply else { panic!("`{name}` gives no record") };
    record
}

#[test]
fn a_guest_asks_why_a_value_is_what_it_is() {
    let mesh = listening().start().unwrap();
    mesh.set("app.limit", 1).wait().unwrap();
    let to = mesh.addresses()[0];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut guest, _) = connect_async(format!("ws://{to}/sync")).await.unwrap();
        let mut ask = async |operation: &str, arguments: &str| {
            let question =
                format!(r#"{{"type":"call","operation":"{operation}","arguments":{arguments},"request_id":"1"}}"#);
            guest.send(Message::text(question)).await.unwrap();
            loop {
                let frame = tokio::time::timeout(LONG, guest.next()).await.unwrap().unwrap().unwrap();
                let Message::Text(text) = frame else { continue };
                let answer = json(&text);
                if answer.child("type") == Some(&"answer".into()) {
                    assert_eq!(answer.child("request_id"), Some(&"1".into()));
                    return answer;
                }
            }
        };
        let answer = ask("explain", r#"{"path": "app.limit"}"#).await;
        let over_http = call(to, "GET /config/default/explain?path=app.limit", &[], "").json();
        assert_eq!(answer.child("result"), Some(&over_http));
        assert_eq!(ask("conflicts", "{}").await.child("result"), Some(&json(r#"{"conflicts": []}"#)));
        for (operation, arguments, code) in [
            ("explain", r#"{"path": "app.other"}"#, "not_found"),
            ("explain", r#"{"paht": "app"}"#, "usage"),
            ("explian", "{}", "not_found"),
            // Nobody who only follows runs the instance.
            ("reload", "{}", "usage"),
        ] {
            let answer = ask(operation, arguments).await;
            assert_eq!(answer.child("error").unwrap().child("code"), Some(&code.into()), "{operation}: {answer:?}");
        }
    });
}
