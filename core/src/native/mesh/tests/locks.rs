//! Locks over HTTP, the WebSocket and calls of a program.
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use super::http::call;
use super::*;
use crate::api::{Reply, Type, find, mismatch};

fn sharing() -> Mesh {
    listening().start().unwrap()
}

fn text(value: &Value, name: &str) -> String {
    value.child(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[test]
fn locks_are_got_renewed_shown_and_ended_over_http_in_the_forms_of_the_list() {
    let mesh = sharing();
    let to = mesh.addresses()[0];
    let fits = |name: &str, target: &str| {
        let answer = call(to, target, &[], "");
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        let Reply::Record(record) = find(name).unwrap().reply else { panic!("{name} gives no record") };
        assert_eq!(mismatch(Type::Record(record), &answer.json()), None, "{target}: {}", answer.body);
        answer.json()
    };
    let lease = fits("lock", "POST /locks/db.*?ttl_ms=60000&holder=ann");
    let (token, session) = (text(&lease, "token"), text(&lease, "session"));
    fits("renew_lock", &format!("POST /locks/db.*/renew?token={token}&session={session}"));
    let shown = fits("locks", "GET /locks");
    assert!(!crate::canonical::canonical(&shown).contains(&session), "nobody else is told the session");
    assert_eq!(fits("locks_on", "GET /locks/other").child("locks"), Some(&json("[]")));
    let refused = call(to, "POST /locks/db.host?wait_ms=0", &[], "");
    assert_eq!((refused.status, text(refused.json().child("error").unwrap(), "code")), (409, "locked".to_owned()));
    let write = |query: &str| call(to, &format!("PUT /config/default?path=db.host{query}"), &[], "1").status;
    assert_eq!((write(""), write(&format!("&fence={token}"))), (409, 200));
    for wrong in ["ttl_ms=1", "ttl_ms=x", "wait_ms=99999999999"] {
        assert_eq!(call(to, &format!("POST /locks/x?{wrong}"), &[], "").status, 400, "{wrong}");
    }
    let stranger = call(to, &format!("DELETE /locks/db.*?token={token}&session=other"), &[], "");
    assert_eq!(stranger.status, 409, "only its holder ends it: {}", stranger.body);
    fits("release_lock", &format!("DELETE /locks/db.*?token={token}&session={session}"));
    assert_eq!((write(""), write(&format!("&fence={token}"))), (200, 409));
    fits("lock", "POST /locks/db.*");
    assert_eq!(call(to, "POST /locks/db.*/force-release?reason=", &[], "").status, 400);
    fits("force_release_lock", "POST /locks/db.*/force-release?reason=gone");
    assert_eq!(fits("take_lock_authority", "POST /lock-authority").child("epoch"), Some(&2.into()));
}

#[test]
fn who_hangs_up_while_it_waits_gives_the_lock_back_and_a_guest_holds_it_while_it_is_there() {
    let mesh = sharing();
    let to = mesh.addresses()[0];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut guest, _) = connect_async(format!("ws://{to}/sync")).await.unwrap();
        let ask = r#"{"type":"call","operation":"lock","arguments":{"key":"a","holder":"ann"},"request_id":"1"}"#;
        guest.send(Message::text(ask)).await.unwrap();
        loop {
            let frame = tokio::time::timeout(LONG, guest.next()).await.unwrap().unwrap().unwrap();
            let Message::Text(said) = frame else { continue };
            if json(&said).child("type") == Some(&"answer".into()) {
                assert_eq!(text(json(&said).child("result").unwrap(), "holder"), "ann");
                break;
            }
        }
        // It asks, and is gone before there is an answer.
        let waits = std::net::TcpStream::connect(to).unwrap();
        let asks = format!("POST /locks/a?wait_ms=60000 HTTP/1.1\r\nHost: {to}\r\nContent-Length: 0\r\n\r\n");
        std::io::Write::write_all(&mut &waits, asks.as_bytes()).unwrap();
        let second = mesh.lock("a", "zoe", 60_000, 60_000);
        assert!(mesh.set("a", 1).wait().is_err());
        drop(waits);
        guest.close(None).await.unwrap();
        drop(guest);
        let lease = second.wait().unwrap();
        assert_eq!(text(&lease, "holder"), "zoe");
    });
}

#[test]
fn a_configuration_that_nobody_shares_has_no_locks_and_says_why() {
    let mesh = crate::open(Vec::<String>::new()).start().unwrap();
    let refused = mesh.lock("a", "ann", 1_000, 0).wait().unwrap_err();
    assert_eq!(refused.code(), Code::Usage);
    assert!(refused.message().contains("is not shared"), "{refused}");
    assert!(mesh.locks().wait().unwrap().child("locks").is_some());
}
