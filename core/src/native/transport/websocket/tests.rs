use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;
use crate::backoff::Backoff;
use crate::error::{Code, Error};

const LONG: Duration = Duration::from_secs(20);

/// An owner of links.
struct Owner {
    links: Links,
    events: mpsc::Receiver<(LinkId, LinkEvent)>,
}

impl Owner {
    fn new(options: LinkOptions) -> Owner {
        let (sender, events) = mpsc::channel(16);
        Owner { links: Links::new(sender, options), events }
    }

    async fn next(&mut self) -> (LinkId, LinkEvent) {
        timeout(LONG, self.events.recv()).await.expect("an event").expect("a link")
    }

    async fn opened(&mut self) -> (LinkId, Link) {
        match self.next().await {
            (id, LinkEvent::Opened(link)) => (id, link),
            other => panic!("{other:?}"),
        }
    }

    async fn text(&mut self) -> String {
        match self.next().await {
            (_, LinkEvent::Text(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    async fn closed(&mut self) -> Option<Error> {
        loop {
            if let (_, LinkEvent::Closed { reason }) = self.next().await {
                return reason;
            }
        }
    }
}

/// An HTTP server that upgrades every request, as `native/http` does.
struct Server {
    address: SocketAddr,
    owner: Owner,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(address: &str, options: LinkOptions) -> Server {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let owner = Owner::new(options);
        let links = owner.links.clone();
        let task = tokio::spawn(async move {
            while let Ok((io, peer)) = listener.accept().await {
                let links = links.clone();
                let answer = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
                    let upgraded = handshake::upgrade(request.method(), request.headers());
                    let mut response = hyper::Response::new(String::new());
                    match upgraded {
                        Ok(headers) => {
                            accept_upgrade(
                                &links,
                                hyper::upgrade::on(&mut request),
                                peer.to_string(),
                                (Admission::Anybody, None),
                            );
                            *response.status_mut() = hyper::StatusCode::SWITCHING_PROTOCOLS;
                            *response.headers_mut() = headers;
                        }
                        Err(refusal) => {
                            *response.status_mut() = refusal.status;
                            *response.headers_mut() = refusal.headers;
                            *response.body_mut() = refusal.error.message().to_owned();
                        }
                    }
                    async { Ok::<_, std::convert::Infallible>(response) }
                });
                tokio::spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    http.serve_connection(TokioIo::new(io), answer).with_upgrades().await
                });
            }
        });
        Server { address, owner, task }
    }
}

fn quick() -> DialOptions {
    DialOptions { backoff: Backoff { initial_ms: 10, factor: 2.0, max_ms: 50 }, ..DialOptions::default() }
}

fn dial(owner: &Owner, address: SocketAddr) -> Dialer {
    Dialer::spawn(&owner.links, Address::parse(&format!("ws://{address}")).unwrap(), quick())
}

/// A client and a server that are connected.
async fn connected(client: LinkOptions, server: LinkOptions) -> (Server, Owner, Dialer, Link, Link) {
    let mut server = Server::start("127.0.0.1:0", server).await;
    let mut client = Owner::new(client);
    let dialer = dial(&client, server.address);
    let (_, ours) = client.opened().await;
    let (_, theirs) = server.owner.opened().await;
    (server, client, dialer, ours, theirs)
}

/// A plain client without our code.
async fn plain(server: &Server) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    connect_async(format!("ws://{}/sync", server.address)).await.unwrap().0
}

/// What the dialer complains about next.
async fn complaint(dialer: &Dialer) -> Error {
    let mut state = dialer.state();
    let waiting = state.wait_for(|state| matches!(state, DialState::Waiting { .. }));
    match timeout(LONG, waiting).await.unwrap().unwrap().clone() {
        DialState::Waiting { error, .. } => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn frames_travel_both_ways_in_order() {
    let (mut server, mut client, dialer, ours, theirs) =
        connected(LinkOptions::default(), LinkOptions::default()).await;
    assert!(ours.dialed && !theirs.dialed);
    assert_eq!(ours.peer, format!("ws://{}/sync", server.address));
    assert!(matches!(*dialer.state().borrow(), DialState::Connected(_)));
    for number in 0..500 {
        ours.sender.try_send(Frame::text(number.to_string())).unwrap();
    }
    for number in 0..500 {
        assert_eq!(server.owner.text().await, number.to_string());
    }
    theirs.sender.try_send(Frame::binary(vec![0, 255])).unwrap();
    assert!(matches!(client.next().await.1, LinkEvent::Binary(bytes) if bytes == [0, 255]));
}

#[tokio::test]
async fn large_frames_cross_each_other() {
    let (mut server, mut client, _dialer, ours, theirs) =
        connected(LinkOptions::default(), LinkOptions::default()).await;
    let large = "x".repeat(20 << 20);
    ours.sender.try_send(Frame::text(large.clone())).unwrap();
    theirs.sender.try_send(Frame::text(large.clone())).unwrap();
    assert_eq!(client.text().await.len(), large.len());
    assert_eq!(server.owner.text().await.len(), large.len());
}

#[tokio::test]
async fn closing_sends_what_is_queued_first_and_both_sides_hear_of_it() {
    let (mut server, mut client, _dialer, ours, _theirs) =
        connected(LinkOptions::default(), LinkOptions::default()).await;
    for number in 0..100 {
        ours.sender.try_send(Frame::text(number.to_string())).unwrap();
    }
    ours.sender.close("done");
    assert_eq!(ours.sender.try_send(Frame::text("late")), Err(NotSent::Closed));
    for number in 0..100 {
        assert_eq!(server.owner.text().await, number.to_string());
    }
    assert_eq!(server.owner.closed().await, None);
    assert_eq!(client.closed().await, None);
}

#[tokio::test]
async fn dropping_the_last_sender_closes_the_link() {
    let (mut server, mut client, _dialer, ours, theirs) =
        connected(LinkOptions::default(), LinkOptions::default()).await;
    drop(theirs);
    assert_eq!(client.closed().await, None);
    assert_eq!(server.owner.closed().await, None);
    assert_eq!(ours.sender.try_send(Frame::text("late")), Err(NotSent::Closed));
}

#[tokio::test]
async fn a_closed_dialer_says_goodbye_and_stops() {
    let (mut server, _client, dialer, _ours, _theirs) = connected(LinkOptions::default(), LinkOptions::default()).await;
    let state = dialer.state();
    dialer.close().await;
    assert_eq!(*state.borrow(), DialState::Stopped);
    assert_eq!(server.owner.closed().await, None);
}

#[tokio::test]
async fn a_dialer_connects_again_when_the_server_comes_back() {
    let (mut server, mut client, dialer, _ours, theirs) =
        connected(LinkOptions::default(), LinkOptions::default()).await;
    let address = server.address;
    server.task.abort();
    assert!((&mut server.task).await.is_err(), "nobody listens any more");
    theirs.sender.close("restart");
    assert_eq!(client.closed().await, None);
    let mut state = dialer.state();
    let refused = |state: &DialState| matches!(state, DialState::Waiting { error, .. } if error.message().ends_with("connection refused"));
    timeout(LONG, state.wait_for(refused)).await.unwrap().unwrap();
    let mut server = Server::start(&address.to_string(), LinkOptions::default()).await;
    let (_, ours) = client.opened().await;
    ours.sender.try_send(Frame::text("again")).unwrap();
    let (_, _theirs) = server.owner.opened().await;
    assert_eq!(server.owner.text().await, "again");
}

#[tokio::test]
async fn nobody_listening_is_explained() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap(); // closed again at once
    let owner = Owner::new(LinkOptions::default());
    let error = complaint(&dial(&owner, port)).await;
    assert_eq!(error.code(), Code::Unreachable);
    assert_eq!(error.message(), format!("cannot reach `ws://{port}/sync`: connection refused"));
    assert_eq!(error.hint(), Some("is an instance listening there?"));
}

#[tokio::test]
async fn an_answer_that_is_no_websocket_is_explained() {
    for (answer, words) in [
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "it answered `404 Not Found`"),
        ("220 mail.example ESMTP\r\n\r\n", "it does not speak WebSocket"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let owner = Owner::new(LinkOptions::default());
        let dialer = dial(&owner, listener.local_addr().unwrap());
        let (mut io, _) = listener.accept().await.unwrap();
        io.write_all(answer.as_bytes()).await.unwrap();
        let error = complaint(&dialer).await;
        assert!(error.message().ends_with(words), "{error}");
        assert!(error.hint().is_some());
    }
}

#[tokio::test]
async fn a_busy_server_is_left_alone_for_as_long_as_it_asks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let owner = Owner::new(LinkOptions::default());
    let dialer = dial(&owner, listener.local_addr().unwrap());
    let (mut io, _) = listener.accept().await.unwrap();
    io.write_all(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    complaint(&dialer).await;
    let state = dialer.state().borrow().clone();
    let DialState::Waiting { retry_in, .. } = state else { panic!("{state:?}") };
    assert!(retry_in > Duration::from_secs(7) && retry_in <= Duration::from_secs(8), "{retry_in:?}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let owner = Owner::new(LinkOptions::default());
    let address = Address::parse(&format!("ws://{}", listener.local_addr().unwrap())).unwrap();
    let options = DialOptions { connect_within: Duration::from_millis(50), ..quick() };
    let error = complaint(&Dialer::spawn(&owner.links, address, options)).await;
    assert!(error.message().ends_with("no answer within 0.05 s"), "{error}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_explained() {
    let owner = Owner::new(LinkOptions::default());
    let address = Address::parse("ws://no-such-host.invalid:1").unwrap();
    let error = complaint(&Dialer::spawn(&owner.links, address, DialOptions::default())).await;
    assert!(error.message().ends_with("no host is named `no-such-host.invalid`"), "{error}");
}

#[tokio::test]
async fn a_frame_above_the_limit_is_neither_sent_nor_taken() {
    let small = LinkOptions { max_frame_bytes: 1_000, ..LinkOptions::default() };
    let (mut server, mut client, _dialer, ours, theirs) = connected(LinkOptions::default(), small).await;
    assert_eq!(theirs.sender.try_send(Frame::text("x".repeat(1_001))), Err(NotSent::TooLarge));
    ours.sender.try_send(Frame::text("x".repeat(1_000))).unwrap();
    assert_eq!(server.owner.text().await.len(), 1_000);
    ours.sender.try_send(Frame::text("x".repeat(5 << 20))).unwrap();
    assert_eq!(server.owner.closed().await.unwrap().code(), Code::TooLarge);
    let reason = client.closed().await.unwrap();
    assert!(reason.message().ends_with("closed the connection: the frame is too large"), "{reason}");
}

#[tokio::test]
async fn a_slow_consumer_fills_the_queue_and_nothing_else() {
    let few = LinkOptions { queue_frames: 8, ..LinkOptions::default() };
    let mut server = Server::start("127.0.0.1:0", few).await;
    let mut slow = plain(&server).await; // reads nothing
    let (_, link) = server.owner.opened().await;
    let mut other = plain(&server).await;
    let (_, other_link) = server.owner.opened().await;
    let mut sent = 0;
    let frame = Frame::binary(vec![7; 1 << 20]);
    let full = timeout(LONG, async {
        loop {
            match link.sender.try_send(frame.clone()) {
                Ok(()) => sent += 1,
                // Full may only mean that the task had no turn yet; a frame that waits for long means it.
                Err(NotSent::QueueFull) if sent > 8 => break NotSent::QueueFull,
                Err(NotSent::QueueFull) => tokio::task::yield_now().await,
                Err(other) => break other,
            }
        }
    });
    assert_eq!(full.await.unwrap(), NotSent::QueueFull);
    other_link.sender.try_send(Frame::text("still here")).unwrap();
    assert_eq!(other.next().await.unwrap().unwrap(), Message::text("still here"));
    for _ in 0..sent {
        assert_eq!(slow.next().await.unwrap().unwrap().len(), 1 << 20);
    }
}

#[tokio::test]
async fn the_queue_is_bounded_in_bytes_too() {
    let few = LinkOptions { queue_bytes: 3_000, ..LinkOptions::default() };
    let (_server, _client, _dialer, ours, _theirs) = connected(few, LinkOptions::default()).await;
    // No turn for the link's task in between: this runtime has one thread.
    let results: Vec<_> = (0..4).map(|_| ours.sender.try_send(Frame::text("x".repeat(1_000)))).collect();
    assert_eq!(results, [Ok(()), Ok(()), Ok(()), Err(NotSent::QueueFull)]);
}

#[tokio::test]
async fn a_silent_peer_is_dead_and_a_living_one_is_not() {
    let impatient = LinkOptions {
        ping_every: Duration::from_millis(50),
        dead_after: Duration::from_millis(300),
        ..LinkOptions::default()
    };
    let mut server = Server::start("127.0.0.1:0", impatient).await;
    let mut living = plain(&server).await;
    let (living_id, _living_link) = server.owner.opened().await;
    let living = tokio::spawn(async move { while living.next().await.is_some() {} }); // answers pings
    let _silent = plain(&server).await;
    let (silent_id, _silent_link) = server.owner.opened().await;
    let start = Instant::now();
    let (id, event) = server.owner.next().await;
    let LinkEvent::Closed { reason: Some(reason) } = event else { panic!("{event:?}") };
    assert_eq!(id, silent_id, "and not {living_id}");
    assert!(reason.message().ends_with("nothing moved for 0.3 s"), "{reason}");
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(!living.is_finished());
}

#[tokio::test]
async fn a_peer_that_ignores_the_goodbye_cannot_hold_us_up() {
    let brief = LinkOptions { close_within: Duration::from_millis(100), ..LinkOptions::default() };
    let mut server = Server::start("127.0.0.1:0", brief).await;
    let _deaf = plain(&server).await;
    let (_, link) = server.owner.opened().await;
    while link.sender.try_send(Frame::binary(vec![0; 4 << 20])).is_ok() {} // more than the sockets hold
    let start = Instant::now();
    link.sender.close("stopping");
    assert_eq!(server.owner.closed().await, None);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_peer_that_vanishes_or_talks_nonsense_is_reported() {
    let mut server = Server::start("127.0.0.1:0", LinkOptions::default()).await;
    let client = plain(&server).await;
    let (_, _link) = server.owner.opened().await;
    drop(client);
    assert_eq!(server.owner.closed().await.unwrap().code(), Code::Unreachable);

    let mut client = plain(&server).await;
    let (_, _link) = server.owner.opened().await;
    // A reserved kind of frame.
    client.get_mut().write_all(b"\x83\x80\0\0\0\0").await.unwrap();
    assert_eq!(server.owner.closed().await.unwrap().code(), Code::Message);
}

#[tokio::test]
async fn a_plain_request_is_told_to_upgrade() {
    let server = Server::start("127.0.0.1:0", LinkOptions::default()).await;
    let mut io = TcpStream::connect(server.address).await.unwrap();
    io.write_all(b"GET /sync HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
    assert!(answer.contains("upgrade: websocket\r\n"), "{answer}");
}

#[tokio::test]
async fn any_upgraded_connection_can_be_served() {
    let mut owner = Owner::new(LinkOptions::default());
    let (ours, theirs) = tokio::io::duplex(1_024);
    let id = accept(&owner.links, ours, "memory", Admission::Anybody);
    let mut client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
    client.send(Message::text("hello")).await.unwrap();
    let (opened, link) = owner.opened().await;
    assert_eq!((opened, link.peer.as_str()), (id, "memory"));
    assert_eq!(owner.text().await, "hello");
}

#[tokio::test]
async fn a_frame_that_trickles_in_slowly_keeps_the_link_alive() {
    let impatient = LinkOptions { dead_after: Duration::from_millis(200), ..LinkOptions::default() };
    let mut server = Server::start("127.0.0.1:0", impatient).await;
    let mut client = plain(&server).await;
    let (_, _link) = server.owner.opened().await;
    let start = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    // A text frame of forty bytes with a mask of zeros, byte by byte: several times as long as the silence allowed.
    for byte in [0x81, 0x80 | 40, 0, 0, 0, 0].into_iter().chain([b'x'; 40]) {
        pace.tick().await;
        client.get_mut().write_all(&[byte]).await.unwrap();
    }
    assert_eq!(server.owner.text().await, "x".repeat(40));
    assert!(start.elapsed() > 2 * impatient.dead_after);
}

#[tokio::test]
async fn a_peer_that_pings_without_end_and_reads_nothing_is_cut_off() {
    let mut server = Server::start("127.0.0.1:0", LinkOptions::default()).await;
    let mut client = plain(&server).await;
    let _link = server.owner.opened().await;
    for _ in 0..10_000 {
        if client.send(Message::Ping(vec![b'x'; 125].into())).await.is_err() {
            break;
        }
    }
    let reason = server.owner.closed().await.unwrap();
    assert!(reason.message().contains("pings"), "{reason:?}");
}
