//! Receivers that fail, hang, refuse, and come back.
use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::hook::{Secrets, verify};
use crate::value::Value;

const SECRET: &str = "ops=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answers(u16),
    Hangs,
    HangsUp,
}

/// A request that came: its id, how it is signed, its body.
#[derive(Clone, Debug)]
struct Came {
    id: String,
    is_signed: bool,
    body: Value,
}

/// One that does these things in turn, and then answers 200.
async fn receiver(does: &[Does]) -> (String, Arc<Mutex<Vec<Came>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks?token=x", listener.local_addr().unwrap());
    let came: Arc<Mutex<Vec<Came>>> = Arc::default();
    let (mut does, kept) = (does.iter().copied().collect::<VecDeque<_>>(), Arc::clone(&came));
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = Vec::new();
            let (head, body) = loop {
                let mut part = [0; 4096];
                let count = stream.read(&mut part).await.unwrap();
                text.extend(&part[..count]);
                let all = String::from_utf8_lossy(&text).into_owned();
                let Some((head, body)) = all.split_once("\r\n\r\n") else { continue };
                let length =
                    head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if body.len() >= length.unwrap_or(0_usize) {
                    break (head.to_owned(), body.to_owned());
                }
            };
            let headers: Vec<(String, String)> = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let of = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
            let sent_ms = of("webhook-timestamp").unwrap().parse::<u64>().unwrap() * 1_000;
            let is_signed = verify(&Secrets::parse(SECRET).unwrap(), &of, body.as_bytes(), sent_ms).is_ok();
            let parsed = crate::format::parse(&body, crate::format::Format::Json).unwrap();
            let id = of("webhook-id").unwrap().to_owned();
            kept.lock().unwrap().push(Came { id, is_signed, body: parsed });
            match does.pop_front().unwrap_or(Does::Answers(200)) {
                Does::Answers(status) => {
                    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
                Does::Hangs => held.push(stream),
                Does::HangsUp => {}
            }
        }
    });
    (url, came)
}

fn notice(id: &str) -> Notice {
    let data = [("source", Value::from("file:a.json"))].into_iter().collect();
    Notice { id: id.into(), kind: "source.stale", at_ms: 1_700_000_000_000, data }
}

fn line(receiver: Receiver) -> Line {
    let start = Instant::now();
    let mono_ms = move || u64::try_from(start.elapsed().as_millis()).unwrap();
    let clock = move || Now { wall_ms: 1_700_000_000_000 + mono_ms(), mono_ms: mono_ms() };
    let backoff = Backoff { initial_ms: 5, factor: 2.0, max_ms: 40 };
    Line::patient(receiver, Box::new(clock), backoff, Duration::from_millis(300))
}

fn webhook(url: &str, dir: &Path) -> Receiver {
    let file = dir.join("secret");
    std::fs::write(&file, SECRET).unwrap();
    Receiver::Webhook(Box::new(Webhook::new(url, file, None).unwrap()))
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_receiver_that_fails_hangs_and_recovers_gets_everything_in_order_signed_and_under_one_id() {
    let dir = tempfile::tempdir().unwrap();
    let does = [Does::Answers(500), Does::Hangs, Does::HangsUp, Does::Answers(429), Does::Answers(302)];
    let (url, came) = receiver(&does).await;
    let line = line(webhook(&url, dir.path()));
    line.push(notice("one"));
    line.push(notice("two"));
    until("both", || line.progress().0.delivered == 2).await;
    let came = came.lock().unwrap().clone();
    let ids: Vec<&str> = came.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["one", "one", "one", "one", "one", "one", "two"]);
    assert!(came.iter().all(|one| one.is_signed), "{came:?}");
    assert!(came[..6].windows(2).all(|two| two[0].body == two[1].body), "{came:?}");
    assert_eq!(came[0].body.child("type"), Some(&"source.stale".into()));
    let (progress, error) = line.progress();
    assert_eq!((progress, error), (Progress { delivered: 2, ..Progress::default() }, None));
}

#[tokio::test]
async fn what_fails_is_said_without_what_the_url_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (url, _) = receiver(&[Does::Answers(503); 100]).await;
    let line = line(webhook(&url, dir.path()));
    line.push(notice("one"));
    until("a failure", || line.progress().0.failures > 2).await;
    let error = line.progress().1.unwrap().to_string();
    assert!(error.contains("503") && error.contains("127.0.0.1") && !error.contains("token"), "{error}");
}

#[tokio::test]
async fn a_receiver_that_will_not_have_one_gets_the_others_and_is_told_that_it_was_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (url, came) = receiver(&[Does::Answers(400); 3]).await;
    let line = line(webhook(&url, dir.path()));
    line.push(notice("one"));
    line.push(notice("two"));
    until("both", || line.progress().0.delivered == 2).await;
    let kinds: Vec<String> =
        came.lock().unwrap().iter().map(|one| one.body.child("type").unwrap().as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds[3..], ["notices.dropped", "source.stale"], "{kinds:?}");
    assert_eq!(line.progress().0.dropped, 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_command_reads_the_notice_and_is_run_again_where_it_fails_or_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("hook.sh");
    let text = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\nif [ ! -e failed ]; then touch failed; exit 3; fi\n\
        if [ ! -e hung ]; then touch hung; sleep 60; fi\necho \"$CONFMESH_NOTICE_ID $CONFMESH_NOTICE_TYPE\" >> told\ncat >> told\n";
    std::fs::write(&script, text).unwrap();
    let command = format!("sh {}", script.display());
    let line = line(Receiver::Command(Hook::new(&command).unwrap()));
    line.push(notice("one"));
    until("it", || line.progress().0.delivered == 1).await;
    let told = std::fs::read_to_string(dir.path().join("told")).unwrap();
    assert_eq!(told, format!("one source.stale\n{}\n", notice("one").body()));
    assert_eq!(Hook::new("  ").unwrap_err().code(), Code::Usage);
}
