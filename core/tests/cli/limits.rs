//! How many requests a caller may make, and where requests come from.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message, client};

use super::process::{Running, wait_for};
use super::{dir, json};

const LONG: Duration = Duration::from_secs(20);

struct Limited {
    _process: Running,
    address: SocketAddr,
}

/// What is answered: the status, the seconds of `Retry-After`, the body.
type Answer = (u16, Option<u64>, String);

impl Limited {
    fn start(dir: &Path, arguments: &[&str]) -> Limited {
        let fixed = ["serve", "--listen", "127.0.0.1:0", "--found-after", "50"];
        let process = Running::start(dir, &[&fixed[..], arguments].concat(), &[]);
        let line = process.tells("  page  http://");
        let address = line.trim_start_matches("  page  http://").trim_end_matches('/').parse().unwrap();
        Limited { _process: process, address }
    }

    /// Asks as a proxy that says for whom, or as itself where that is empty.
    fn ask(&self, target: &str, whom: &str) -> Answer {
        let mut io = TcpStream::connect(self.address).unwrap();
        io.set_read_timeout(Some(LONG)).unwrap();
        let forwarded = if whom.is_empty() { String::new() } else { format!("X-Forwarded-For: {whom}\r\n") };
        write!(io, "GET {target} HTTP/1.1\r\nHost: {}\r\n{forwarded}Connection: close\r\n\r\n", self.address).unwrap();
        let mut reply = String::new();
        io.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let after = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("retry-after: ")?.parse().ok());
        (head.split(' ').nth(1).unwrap().parse().unwrap(), after, body.to_owned())
    }
}

#[test]
fn one_request_too_many_in_a_minute_is_refused_for_a_while_except_from_here_and_to_probes() {
    let dir = dir(&[]);
    let limits = ["--rate-limit", "60", "--rate-limit-block", "120s", "--trusted-proxy", "127.0.0.1"];
    let instance = Limited::start(dir.path(), &limits);
    let outside = "198.51.100.9, 203.0.113.7";
    for number in 1..=60 {
        assert_eq!(instance.ask("/metrics", outside).0, 200, "{number}");
    }
    let (status, after, body) = instance.ask("/metrics", outside);
    assert_eq!((status, after), (429, Some(120)), "{body}");
    let problem = json(&body);
    assert_eq!(problem["error"]["code"], "busy");
    assert!(problem["detail"].as_str().unwrap().contains("more than 60 requests in a minute"), "{body}");
    assert!(matches!(instance.ask("/config/default", outside), (429, Some(119..=120), _)));
    for probe in ["/health", "/livez", "/readyz", "/"] {
        assert_eq!(instance.ask(probe, outside).0, 200, "{probe}");
    }
    assert_eq!(instance.ask("/metrics", "203.0.113.8").0, 200, "somebody else");
    // What a stranger writes into the header himself changes nothing.
    assert_eq!(instance.ask("/metrics", "192.0.2.1, 203.0.113.7").0, 429);
    for _ in 0..70 {
        assert_eq!(instance.ask("/metrics", "").0, 200, "this machine");
        assert_eq!(instance.ask("/metrics", "192.168.7.7").0, 200, "a private network");
    }
    let rate = json(&instance.ask("/status", "").2)["rate_limit"].clone();
    assert_eq!(
        (rate["blocked"].as_u64(), rate["blocks"].as_u64(), rate["refused"].as_u64()),
        (Some(1), Some(1), Some(3))
    );
    let mut handshake = format!("ws://{}/sync", instance.address).into_client_request().unwrap();
    handshake.headers_mut().insert("x-forwarded-for", "203.0.113.7".parse().unwrap());
    match client(handshake, TcpStream::connect(instance.address).unwrap()) {
        Err(tokio_tungstenite::tungstenite::HandshakeError::Failure(Error::Http(refused))) => {
            assert_eq!(refused.status(), 429);
        }
        other => panic!("{:?}", other.map(|_| "a connection")),
    }
}

#[test]
fn without_a_trusted_proxy_the_header_counts_nothing_and_a_block_ends() {
    let dir = dir(&[]);
    let limits = ["--rate-limit", "3", "--rate-limit-burst", "2", "--rate-limit-block", "400ms", "--rate-limit-local"];
    let instance = Limited::start(dir.path(), &limits);
    let mut answered = (0..).take_while(|number| instance.ask("/metrics", &format!("203.0.113.{number}")).0 == 200);
    assert_eq!(answered.by_ref().count(), 5);
    wait_for("the end of the block", || (instance.ask("/metrics", "").0 == 200).then_some(()));
}

#[test]
fn messages_of_a_guest_are_requests_and_one_too_many_ends_the_connection() {
    let dir = dir(&[]);
    let instance = Limited::start(dir.path(), &["--rate-limit", "20", "--trusted-proxy", "127.0.0.0/8"]);
    let mut handshake = format!("ws://{}/sync", instance.address).into_client_request().unwrap();
    handshake.headers_mut().insert("x-forwarded-for", "[2001:db8::7]:4711".parse().unwrap());
    let io = TcpStream::connect(instance.address).unwrap();
    io.set_read_timeout(Some(LONG)).unwrap();
    let (mut socket, _) = client(handshake, io).unwrap();
    let said = (0..100).take_while(|number| {
        let message = serde_json::json!({"type": "ping", "request_id": number.to_string()});
        socket.send(Message::text(message.to_string())).is_ok()
    });
    assert!(said.count() >= 19);
    let end = loop {
        match socket.read() {
            Ok(Message::Close(frame)) => break frame.unwrap(),
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(u16::from(end.code), 1008);
    assert_eq!(end.reason.as_str(), "too many messages: come back in 120 s");
    assert_eq!(instance.ask("/metrics", "2001:db8::8").0, 429, "the same network of 64 bits");
}

#[test]
fn a_proxy_that_is_none_and_a_limit_of_nothing_are_refused_at_the_start() {
    let dir = dir(&[]);
    let refused = super::run(dir.path(), &["serve", "--trusted-proxy", "10.0.0.0/40"]);
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.stderr.contains("`10.0.0.0/40` is no network"), "{refused:?}");
    assert_eq!(super::run(dir.path(), &["serve", "--rate-limit", "0"]).status, 1);
}
