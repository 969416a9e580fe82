//! Webhooks over real sockets.
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};

use super::http::{Reply, call};
use super::*;
use crate::schema::{Field, Schema};

const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

fn secret(name: &str) -> String {
    format!("{name}=whsec_{}", STANDARD.encode(KEY))
}

/// Sends a body that is signed with a key, under an id.
fn send(to: SocketAddr, key: &[u8], id: &str, body: &str) -> Reply {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let seconds = seconds.to_string();
    let headers = [("webhook-id", id), ("webhook-timestamp", seconds.as_str()), ("webhook-signature", &signature)];
    call(to, "POST /webhook/config", &headers, body)
}

fn body(name: &str, data: &str) -> String {
    format!(r#"{{"config_name":"{name}","config_data":{data}}}"#)
}

#[test]
fn without_a_secret_none_is_taken_and_with_one_only_what_is_signed() {
    let closed = listening().start().unwrap();
    assert_eq!(send(closed.addresses()[0], KEY, "1", &body("default", "{}")).status, 404);
    assert_eq!(closed.on_webhook("*", |_| Ok(())).unwrap_err().code(), Code::Usage);
    let mesh = listening().webhook_secret(secret("deploy")).start().unwrap();
    let to = mesh.addresses()[0];
    let wrong = send(to, b"another key of many bytes", "1", &body("default", r#"{"a":1}"#));
    assert_eq!(wrong.status, 401, "{}", wrong.body);
    assert_eq!(call(to, "POST /webhook/config", &[], &body("default", r#"{"a":1}"#)).status, 401);
    assert_eq!(mesh.get("a").unwrap(), None);
    let done = send(to, KEY, "1", &body("default", r#"{"a":1,"b":{"c":2}}"#));
    assert_eq!((done.status, done.json().child("status")), (200, Some(&"applied".into())), "{}", done.body);
    shows(&mesh, "b.c", 2).unwrap();
    let written = mesh.written("a").wait().unwrap();
    assert!(format!("{written:?}").contains("webhook:deploy"), "{written:?}");
    let error = MeshOptions::default().webhook_secret("a=short").start().unwrap_err();
    assert!(error.message().contains("shorter than 16 bytes"), "{error}");
    let missing = MeshOptions::default().webhook_secret_file("/nowhere/secrets").start().unwrap_err();
    assert!(missing.message().contains("cannot read the webhook secrets"), "{missing}");
}

#[test]
fn each_way_to_be_wrong_has_its_status_and_what_was_refused_may_come_again() {
    let schema = Schema::new(Field::map().field("limit", Field::integer().range(0, 9)));
    let mesh =
        listening().schema(schema).webhook_secret(secret("ci")).webhook_paths(["limit", "free.*"]).start().unwrap();
    let to = mesh.addresses()[0];
    for (id, text, status) in [
        ("a", "{".to_owned(), 400),
        ("b", "[]".to_owned(), 400),
        ("c", body("default", "[1]"), 400),
        ("d", body("other", "{}"), 404),
        ("e", body("default", r#"{"db":1}"#), 403),
        ("f", body("default", r#"{"limit":10}"#), 422),
        ("g", " ".repeat((1 << 20) + 1), 413),
        ("f", body("default", r#"{"limit":9}"#), 200),
        ("h", body("default", "{}"), 200),
    ] {
        let reply = send(to, KEY, id, &text);
        assert_eq!(reply.status, status, "{id}: {}", reply.body);
        assert!(!reply.body.contains(std::str::from_utf8(KEY).unwrap()));
    }
    shows(&mesh, "limit", 9).unwrap();
    let quiet = listening().webhook_secret(secret("ci")).webhook_paths(Vec::<String>::new()).start().unwrap();
    let nobody = send(quiet.addresses()[0], KEY, "1", &body("default", r#"{"a":1}"#));
    assert_eq!((nobody.status, quiet.get("a").unwrap()), (202, None), "{}", nobody.body);
}

#[test]
fn a_delivery_that_comes_again_gets_the_first_answer_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let start = || listening().data_dir(dir.path()).webhook_secret(secret("ci")).start().unwrap();
    let mesh = start();
    assert_eq!(send(mesh.addresses()[0], KEY, "1", &body("default", r#"{"n":1}"#)).status, 200);
    assert_eq!(send(mesh.addresses()[0], KEY, "2", &body("default", r#"{"n":2}"#)).status, 200);
    mesh.close();
    let mesh = start();
    let again = send(mesh.addresses()[0], KEY, "1", &body("default", r#"{"n":1}"#));
    assert_eq!((again.status, again.json().child("status")), (200, Some(&"repeated".into())), "{}", again.body);
    shows(&mesh, "n", 2).unwrap();
}

#[test]
fn replacing_takes_out_what_the_sender_may_write_and_nothing_else() {
    let mesh = listening().webhook_secret(secret("ci")).webhook_paths(["features.*"]).start().unwrap();
    mesh.replace(json(r#"{"features":{"a":1,"b":2},"host":"h"}"#), None).wait().unwrap();
    let text = r#"{"config_name":"default","config_data":{"features":{"b":3}},"mode":"replace"}"#;
    let done = send(mesh.addresses()[0], KEY, "1", text);
    assert_eq!(done.status, 200, "{}", done.body);
    assert_eq!(mesh.snapshot().value, json(r#"{"features":{"b":3},"host":"h"}"#));
}

#[test]
fn handlers_of_a_name_and_of_all_are_called_and_one_that_fails_is_called_again() {
    let mesh = listening().webhook_secret(secret("ci")).start().unwrap();
    let to = mesh.addresses()[0];
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let tries = Arc::new(AtomicUsize::new(0));
    let (all, counted) = (Arc::clone(&heard), Arc::clone(&tries));
    mesh.on_webhook("*", move |hook| {
        all.lock().unwrap().push(format!("{} {} {:?}", hook.principal, hook.name, hook.data));
        Ok(())
    })
    .unwrap();
    mesh.on_webhook("myapp", move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => Err(Error::new(Code::Unreachable, "the pager is away")),
        1 => panic!("a defect of the program"),
        _ => Ok(()),
    })
    .unwrap();
    let text = body("myapp", r#"{"a":1}"#);
    let first = send(to, KEY, "1", &text);
    assert_eq!(first.status, 500);
    assert!(first.body.contains("the handler for `myapp` failed: the pager is away"), "{}", first.body);
    assert_eq!(send(to, KEY, "1", &text).status, 500, "it panicked");
    for _ in 0..2 {
        let again = send(to, KEY, "1", &text);
        assert_eq!((again.status, again.json().child("status")), (200, Some(&"repeated".into())));
    }
    assert_eq!((heard.lock().unwrap().len(), tries.load(Ordering::SeqCst)), (1, 3), "only what failed is called again");
    assert_eq!(mesh.get("a").unwrap(), None, "it is about no document of this instance");
    assert_eq!(send(to, KEY, "2", &body("default", r#"{"a":2}"#)).status, 200);
    assert_eq!(heard.lock().unwrap().len(), 2);
    shows(&mesh, "a", 2).unwrap();
}

#[test]
fn secrets_of_a_file_are_changed_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secrets");
    let (old, new) = (b"the old key of many bytes".as_slice(), b"the new key of many bytes".as_slice());
    let line = |key: &[u8]| format!("ci=whsec_{}\n", STANDARD.encode(key));
    fs::write(&file, line(old)).unwrap();
    let mesh = listening().webhook_secret_file(&file).start().unwrap();
    let status = |key: &[u8], id: &str| send(mesh.addresses()[0], key, id, &body("default", "{}")).status;
    assert_eq!((status(old, "1"), status(new, "2")), (200, 401));
    fs::write(&file, line(old) + &line(new)).unwrap();
    assert_eq!((status(old, "3"), status(new, "4")), (200, 200));
    fs::write(&file, line(new)).unwrap();
    assert_eq!((status(old, "5"), status(new, "6")), (401, 200));
    fs::remove_file(&file).unwrap();
    assert_eq!(status(new, "7"), 503, "whoever cannot be known is not believed");
}
