//! The HTTP interface and guests, over real sockets.
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;
use crate::canonical::canonical;

pub(super) struct Reply {
    pub(super) status: u16,
    headers: String,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        json(&self.body)
    }

    pub(super) fn code(&self) -> String {
        self.json().child("error").unwrap().child("code").unwrap().as_str().unwrap().to_owned()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = |line: &&str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        self.headers.lines().find(found).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }
}

/// One request; `headers` may name a `Host`.
pub(super) fn call(to: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut text = format!("{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "Host") {
        text.push_str(&format!("Host: {to}\r\n"));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut io = TcpStream::connect(to).unwrap();
    io.set_read_timeout(Some(LONG)).unwrap();
    io.write_all(format!("{text}\r\n{body}").as_bytes()).unwrap();
    let mut reply = Vec::new();
    io.read_to_end(&mut reply).unwrap();
    let reply = String::from_utf8(reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    let (status, headers) = head.split_once("\r\n").unwrap();
    let status = status.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, headers: headers.to_owned(), body: body.to_owned() }
}

fn started() -> (Mesh, SocketAddr) {
    let mesh = listening().start().unwrap();
    mesh.replace(json(r#"{"a": {"b": 1}, "name": "x"}"#), None).wait().unwrap();
    let address = mesh.addresses()[0];
    (mesh, address)
}

#[test]
fn the_document_is_read_whole_by_path_and_conditionally() {
    let (mesh, to) = started();
    let whole = call(to, "GET /config/default", &[], "");
    let tag = format!("\"{}\"", mesh.snapshot().digest());
    assert_eq!((whole.status, whole.header("etag"), whole.json()), (200, Some(&*tag), mesh.snapshot().value.clone()));
    assert_eq!(call(to, "GET /config/default?path=a.b", &[], "").body, "1");
    let missing = call(to, "GET /config/default?path=a.c", &[], "");
    assert_eq!((missing.status, missing.code().as_str()), (404, "not_found"));
    for known in [tag.as_str(), "\"other\", *", &format!("W/{tag}")] {
        assert_eq!(call(to, "GET /config/default", &[("If-None-Match", known)], "").status, 304, "{known}");
    }
    assert_eq!(call(to, "GET /config/default", &[("If-None-Match", "\"other\"")], "").status, 200);
    let other = call(to, "GET /config/other", &[], "");
    assert_eq!((other.status, other.code().as_str()), (404, "unknown_document"));
    assert_eq!(call(to, "GET /config/default?path=a..b", &[], "").status, 400);
}

#[test]
fn the_document_is_written_whole_by_path_and_conditionally() {
    let (mesh, to) = started();
    let old = format!("\"{}\"", mesh.snapshot().hash());
    let put = call(to, "PUT /config/default?path=a.c", &[], "[1, 2]");
    let expected = format!("\"{}\"", mesh.read("a.c").wait().unwrap().version);
    assert_eq!((put.status, put.header("etag")), (200, Some(&*expected)));
    assert_eq!(put.json().child("changed"), Some(&json(r#"["a.c"]"#)));
    assert_eq!(put.json().child("revision"), Some(&mesh.snapshot().revision.into()));
    for line in ["PUT /config/default", "PUT /config/default?path=a", "DELETE /config/default?path=a"] {
        let stale = call(to, line, &[("If-Match", &old)], "{}");
        assert_eq!((stale.status, stale.code().as_str()), (412, "stale"), "{line}");
    }
    // Who has the content hash may name that.
    let now = format!("\"{}\"", mesh.snapshot().hash());
    assert_eq!(call(to, "PUT /config/default?path=a.c", &[("If-Match", &now)], "4").status, 200);
    let now = format!("\"{}\"", mesh.snapshot().digest());
    assert_eq!(call(to, "PUT /config/default?path=a.c", &[("If-Match", &now)], "3").status, 200);
    assert_eq!(call(to, "DELETE /config/default?path=name", &[("If-Match", "*")], "").status, 200);
    assert_eq!(mesh.snapshot().value, json(r#"{"a": {"b": 1, "c": 3}}"#));
    assert_eq!(call(to, "DELETE /config/default?path=name", &[], "").status, 404);
    assert_eq!(call(to, "DELETE /config/default", &[], "").status, 400);
    assert_eq!(
        call(to, "PUT /config/default", &[], r#"{"z": 1}"#).json().child("changed"),
        Some(&json(r#"["a", "z"]"#))
    );
    let broken = call(to, "PUT /config/default", &[], "{\"a\": 1,\n \"a\": 2}");
    assert_eq!((broken.status, broken.code().as_str()), (400, "duplicate_key"));
    assert!(broken.body.contains("body:2:2"), "{}", broken.body);
    assert_eq!(call(to, "PUT /config/default", &[], "[]").status, 400);
}

#[test]
fn patches_are_taken_by_their_media_type() {
    let (mesh, to) = started();
    let patch = |kind: &str, body: &str| call(to, "PATCH /config/default", &[("Content-Type", kind)], body);
    let operations = r#"[{"op": "test", "path": "/name", "value": "x"}, {"op": "remove", "path": "/a"}]"#;
    assert_eq!(patch("application/json-patch+json", operations).status, 200);
    assert_eq!(patch("application/json; charset=utf-8", r#"{"b": {"c": 1}}"#).status, 200);
    assert_eq!(patch("application/merge-patch+json", r#"{"name": null}"#).status, 200);
    assert_eq!(mesh.snapshot().value, json(r#"{"b": {"c": 1}}"#));
    let failed = patch("application/json-patch+json", operations);
    assert_eq!((failed.status, failed.code().as_str()), (409, "patch_failed"));
    assert_eq!(patch("application/json-patch+json", "{}").status, 400);
    assert_eq!(patch("text/plain", "{}").status, 415);
}

#[test]
fn health_status_and_explanations_are_told() {
    let (mesh, to) = started();
    let health = call(to, "GET /health", &[], "").json();
    assert_eq!(health.child("status"), Some(&"healthy".into()));
    assert_eq!(health.child("instance_id"), Some(&mesh.instance().to_string().into()));
    assert!(health.child("timestamp").unwrap().as_str().unwrap().ends_with('Z'));
    let status = call(to, "GET /status", &[], "").json();
    let document = &status.child("documents").unwrap().as_list().unwrap().as_slice()[0];
    assert_eq!(document.child("founded"), Some(&true.into()));
    assert_eq!(document.child("keys"), Some(&2.into()));
    assert_eq!(document.child("hash"), document.child("view_hash"));
    assert_eq!(status.child("listen"), Some(&json(&format!("[\"{to}\"]"))));
    let one = call(to, "GET /config/default/explain?path=a.b", &[], "").json();
    assert_eq!((one.child("path"), one.child("source")), (Some(&"a.b".into()), Some(&"shared".into())));
    let all = call(to, "GET /config/default/explain", &[], "").json();
    assert_eq!(all.child("paths").unwrap().as_list().unwrap().len(), 2);
    assert_eq!(call(to, "GET /config/default/explain?path=no", &[], "").status, 404);
}

#[test]
fn the_page_is_served_and_other_requests_are_explained() {
    let (_mesh, to) = started();
    let page = call(to, "GET /", &[], "");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("<title>"), "{}", page.body);
    assert_eq!(call(to, "GET /nothing", &[], "").code(), "not_found");
    assert_eq!(call(to, "GET /../Cargo.toml", &[], "").status, 404);
    let wrong = call(to, "POST /config/default", &[], "{}");
    assert_eq!((wrong.status, wrong.code().as_str()), (405, "usage"));
    let plain = call(to, "GET /sync", &[], "");
    assert_eq!((plain.status, plain.header("upgrade")), (426, Some("websocket")));
}

#[test]
fn pages_from_elsewhere_can_neither_write_nor_connect_nor_pretend_to_be_here() {
    let (mesh, to) = started();
    let elsewhere = [("Origin", "http://evil.example")];
    assert_eq!(call(to, "PUT /config/default?path=a", &elsewhere, "1").status, 403);
    let upgrade = [
        ("Origin", "http://evil.example"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for path in ["/", "/sync", "/ws", "/ws/config"] {
        assert_eq!(call(to, &format!("GET {path}"), &upgrade, "").status, 403, "{path}");
    }
    assert_eq!(call(to, "GET /config/default", &[("Host", "evil.example")], "").status, 403);
    let own = format!("http://{to}");
    assert_eq!(call(to, "PUT /config/default?path=a", &[("Origin", &own)], "1").status, 200);
    assert_eq!(mesh.get("a").unwrap(), Some(1.into()));
}

#[test]
fn pages_of_an_allowed_origin_read_write_and_connect_and_those_beside_it_do_not() {
    let mesh = listening().allow_origin("http://localhost:*").allow_host("config.example").start().unwrap();
    let to = mesh.addresses()[0];
    let page = ("Origin", "http://localhost:5173");
    let asked = call(
        to,
        "OPTIONS /config/default",
        &[page, ("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "content-type")],
        "",
    );
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (204, Some(page.1)));
    assert!(asked.header("access-control-allow-methods").unwrap().contains("PUT"));
    let written = call(to, "PUT /config/default?path=a", &[page], "1");
    assert_eq!((written.status, written.header("access-control-allow-origin")), (200, Some(page.1)));
    assert_eq!(written.header("access-control-expose-headers"), Some("etag, retry-after"));
    let upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let mut io = TcpStream::connect(to).unwrap();
    let text: String = upgrade.iter().chain([&page]).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    io.write_all(format!("GET /sync HTTP/1.1\r\nHost: {to}\r\n{text}\r\n").as_bytes()).unwrap();
    let mut first = String::new();
    BufReader::new(io).read_line(&mut first).unwrap();
    assert!(first.starts_with("HTTP/1.1 101"), "{first}");

    let elsewhere = ("Origin", "http://evil.example");
    let asked = call(to, "OPTIONS /config/default", &[elsewhere, ("Access-Control-Request-Method", "PUT")], "");
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (403, None));
    let read = call(to, "GET /config/default", &[elsewhere], "");
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, None), "a browser hides it");
    assert_eq!(read.header("cross-origin-resource-policy"), Some("same-origin"));
    assert_eq!(call(to, "GET /config/default", &[("Host", "config.example:8765")], "").status, 200);
    let wrong = listening().allow_origin("*").start().unwrap_err();
    assert_eq!(wrong.code(), Code::Usage);
}

#[test]
fn a_name_with_a_domain_is_refused_on_every_listener_unless_it_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let auth = dir.path().join("auth.toml");
    std::fs::write(&auth, "").unwrap();
    let options = MeshOptions { behind_proxy: true, ..MeshOptions::default() }.auth(auth);
    let mesh = options.listen("127.0.0.1:0").listen("0.0.0.0:0").start().unwrap();
    for address in mesh.addresses() {
        let to = SocketAddr::from(([127, 0, 0, 1], address.port()));
        let rebound = [("Host", "evil.example"), ("Origin", "http://evil.example")];
        assert_eq!(call(to, "GET /config/default", &rebound, "").status, 403, "{address}");
        assert_eq!(call(to, "PUT /config/default?path=a", &rebound, "1").status, 403, "{address}");
        assert_eq!(call(to, "GET /livez", &[], "").status, 200, "{address}");
    }
}

#[test]
fn the_page_may_load_and_ask_nothing_but_its_own_instance() {
    let (_mesh, to) = started();
    let page = call(to, "GET /", &[], "");
    let policy = page.header("content-security-policy").unwrap();
    for rule in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert_eq!(call(to, "GET /status", &[], "").header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn a_body_above_the_limit_is_refused_before_it_is_read() {
    let (_mesh, to) = started();
    let mut io = TcpStream::connect(to).unwrap();
    io.set_read_timeout(Some(LONG)).unwrap();
    let length = crate::limits::MAX_TEXT_BYTES + 1;
    write!(io, "PUT /config/default HTTP/1.1\r\nHost: {to}\r\nContent-Length: {length}\r\n\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(io).read_line(&mut line).unwrap();
    assert_eq!(line.split(' ').nth(1), Some("413"), "{line}");
}

#[test]
fn events_are_streamed_as_they_happen() {
    let (mesh, to) = started();
    let mut io = TcpStream::connect(to).unwrap();
    io.set_read_timeout(Some(LONG)).unwrap();
    write!(io, "GET /events?pattern=a.*&pattern=b HTTP/1.1\r\nHost: {to}\r\n\r\n").unwrap();
    let mut lines = BufReader::new(io).lines().map(|line| line.unwrap());
    assert_eq!(lines.find(|line| line.starts_with("content-type")).as_deref(), Some("content-type: text/event-stream"));
    until("the stream is subscribed", || (mesh.owner.0.subscribers.count() == 1).then_some(()));
    mesh.set("name", "unseen").wait().unwrap();
    mesh.set("a.b", 2).wait().unwrap();
    let data = lines.find_map(|line| line.strip_prefix("data: ").map(json)).unwrap();
    assert_eq!(data.child("event_type"), Some(&"config_changed".into()));
    assert_eq!(data.child("digest"), Some(&mesh.snapshot().digest().to_string().into()));
    let change = &data.child("changes").unwrap().as_list().unwrap().as_slice()[0];
    assert_eq!(canonical(change), r#"{"new":2,"old":1,"op":"changed","path":"a.b"}"#);
    drop(lines);
    until("the stream is gone", || {
        mesh.set("b", mesh.snapshot().revision).wait().unwrap(); // only writing shows that nobody reads
        (mesh.owner.0.subscribers.count() == 0).then_some(())
    });
}

#[test]
fn a_guest_is_greeted_follows_and_writes() {
    let (mesh, to) = started();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for path in ["/sync", "/", "/ws", "/ws/config"] {
            let (mut guest, _) = connect_async(format!("ws://{to}{path}")).await.unwrap();
            let next = async |guest: &mut WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>, kind: &str| loop {
                let frame: Message = tokio::time::timeout(LONG, guest.next()).await.unwrap().unwrap().unwrap();
                let Message::Text(text) = frame else { continue };
                let message = json(&text);
                if message.child("type") == Some(&kind.into()) {
                    return message;
                }
            };
            next(&mut guest, "connection_established").await;
            let request = r#"{"type":"config_request","follow":true,"hash":true}"#;
            guest.send(Message::text(request)).await.unwrap();
            let response = next(&mut guest, "config_response").await;
            assert_eq!(response.child("config_data"), Some(&mesh.snapshot().value));
            let change = format!(
                r#"{{"type":"config_change","config_key":"guest","new_value":"{path}","request_id":"r-{path}"}}"#
            );
            guest.send(Message::text(change)).await.unwrap();
            let update = next(&mut guest, "config_update").await;
            let answer = next(&mut guest, "config_change_response").await;
            assert_eq!(answer.child("success"), Some(&true.into()), "{answer:?}");
            assert_eq!(update.child("config_hash"), Some(&mesh.snapshot().hash().to_string().into()));
            assert_eq!(mesh.get("guest").unwrap(), Some(path.into()));
            guest.close(None).await.unwrap();
        }
    });
    until("every guest is gone", || (mesh.status().wait().unwrap().connected_clients == 0).then_some(()));
}

#[test]
fn metrics_count_what_happened_without_naming_a_path_or_a_value() {
    let (mesh, to) = started();
    mesh.set("secret.place", "a value").wait().unwrap();
    assert_eq!(call(to, "PUT /config/default?path=a.c", &[("If-Match", "\"other\"")], "1").status, 412);
    assert!(mesh.set("a.b.c.d..e", 1).wait().is_err());
    let plain = call(to, "GET /metrics", &[], "");
    assert_eq!(plain.header("content-type").unwrap(), "text/plain; version=0.0.4; charset=utf-8");
    let answer = call(to, "GET /metrics", &[("Accept", "application/openmetrics-text; version=1.0.0")], "");
    assert_eq!(answer.status, 200);
    let kind = answer.header("content-type").unwrap();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.body;
    for line in [
        "confmesh_writes_total{outcome=\"accepted\"} 2",
        "# TYPE confmesh_write_duration_seconds histogram",
        "confmesh_write_duration_seconds_count 2",
        "confmesh_changes_total{cause=\"shared\"}",
        "confmesh_store_batches_total{outcome=\"stored\"}",
        "confmesh_document_revision{document=\"default\"}",
        "confmesh_sources{state=\"fresh\"}",
        "confmesh_health{verdict=\"passed\"} 1",
        "confmesh_build_info{version=",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(text.ends_with("# EOF\n") && !text.contains("secret") && !text.contains("a value"), "{text}");
    let asked = mesh.call("metrics", &json("{}")).asked().unwrap().wait().unwrap();
    assert!(asked.as_str().unwrap().contains("confmesh_uptime_seconds"));
}
