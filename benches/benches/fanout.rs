//! One change to many guests: an instance with its store beside a bare server of tokio-tungstenite, a task a client, both
//! with the same clients in the same process. Paced changes tell how late they come, bursts how many come in a second.
#![expect(clippy::expect_used, reason = "a benchmark may stop at the first surprise")]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures clocks, threads and sockets")]

use std::collections::VecDeque;
use std::fs;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use confmesh::MeshOptions;
use confmesh_benches::{Report, percentile};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::{Bytes, Message, Utf8Bytes};

/// Guests, changes, and the time between them.
const CASES: [(usize, usize, Duration); 3] = [
    (10, 200, Duration::from_millis(10)),
    (100, 100, Duration::from_millis(20)),
    (1_000, 30, Duration::from_millis(100)),
];
const BURST: usize = 100_000;
/// How many writes wait for their receipts in a burst.
const AT_ONCE: usize = 64;
const ROUNDS: usize = 3;
const MARK: &str = "@@";

fn main() {
    let mut report = Report::new();
    for (guests, changes, pause) in CASES {
        report.group(format!("{guests} guests"));
        let mut paced: [Vec<Found>; 2] = Default::default();
        let mut bursts: [Vec<Found>; 2] = Default::default();
        for _ in 0..ROUNDS {
            for (of, side) in paced.iter_mut().zip([bare, instance]) {
                of.push(side(guests, changes, pause));
            }
            for (of, side) in bursts.iter_mut().zip([bare, instance]) {
                of.push(side(guests, BURST / guests, Duration::ZERO));
            }
        }
        let [bare, ours] = &paced;
        both(&mut report, "paced: until it is there, p50", "µs", (bare, ours), |found| percentile(&found.late, 50));
        both(&mut report, "paced: until it is there, p99", "µs", (bare, ours), |found| percentile(&found.late, 99));
        both(&mut report, "paced: processor a delivery", "µs", (bare, ours), |found| found.processor);
        let [bare, ours] = &bursts;
        both(&mut report, "burst: a delivery", "µs", (bare, ours), |found| found.each);
        both(&mut report, "burst: processor a delivery", "µs", (bare, ours), |found| found.processor);
    }
}

fn both(report: &mut Report, name: &str, unit: &'static str, sides: (&[Found], &[Found]), figure: fn(&Found) -> f64) {
    let of = |side: &[Found]| percentile(&side.iter().map(figure).collect::<Vec<_>>(), 50);
    let ours = ("confmesh, written durably", of(sides.1), "from the write, its commit included");
    report.figures(name, unit, &[("tokio-tungstenite", of(sides.0), ""), ours]);
}

/// What came of a run; everything in microseconds.
struct Found {
    /// How late each delivery was.
    late: Vec<f64>,
    /// Of the server's threads, for one delivery.
    processor: f64,
    /// From one delivery to the next.
    each: f64,
}

/// A message of 200 bytes that says when it was made.
fn stamped(since: Instant) -> String {
    format!("{MARK}{:020}{}", since.elapsed().as_nanos(), "x".repeat(178))
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Connects that many clients on a thread of their own; it tells how late each message of `count` was, of every client.
fn clients(url: &str, guests: usize, count: usize, since: Instant) -> (Receiver<()>, Receiver<Vec<f64>>) {
    let (connected, ready) = channel();
    let (finished, done) = channel();
    let url = url.to_owned();
    let body = move || runtime().block_on(listen(&url, (guests, count), since, connected, finished));
    thread::Builder::new().name("clients".to_owned()).spawn(body).expect("a thread");
    (ready, done)
}

async fn listen(
    url: &str,
    (guests, count): (usize, usize),
    since: Instant,
    connected: Sender<()>,
    finished: Sender<Vec<f64>>,
) {
    let mut tasks = Vec::new();
    for _ in 0..guests {
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("it connects");
        tasks.push(tokio::spawn(async move {
            let mut late = Vec::with_capacity(count);
            while late.len() < count {
                let message = socket.next().await.expect("it goes on").expect("a message");
                let Message::Text(text) = message else { continue };
                let stamp = text.find(MARK).and_then(|at| text.get(at + 2..at + 22)).and_then(|text| text.parse().ok());
                let Some(made): Option<u64> = stamp else { continue };
                let now = u64::try_from(since.elapsed().as_nanos()).expect("not so late");
                late.push(now.saturating_sub(made) as f64 / 1e3);
            }
            (late, socket)
        }));
    }
    let _ = connected.send(());
    let mut all = Vec::new();
    let mut sockets = Vec::new();
    for task in tasks {
        let (late, socket) = task.await.expect("it ends");
        all.extend(late);
        sockets.push(socket);
    }
    let _ = finished.send(all);
}

/// The processor time of the threads whose names start so, in microseconds.
fn spent(name: &str) -> f64 {
    let tasks = fs::read_dir("/proc/self/task").expect("threads").filter_map(Result::ok).map(|task| task.path());
    let tasks = tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.starts_with(name)));
    let times = tasks.filter_map(|task| fs::read_to_string(task.join("schedstat")).ok());
    times.filter_map(|stat| stat.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e3
}

fn run(
    url: &str,
    threads: &str,
    (guests, count, pause): (usize, usize, Duration),
    publish: &mut dyn FnMut(String),
) -> Found {
    let since = Instant::now();
    let (ready, done) = clients(url, guests, count, since);
    ready.recv().expect("all are connected");
    // What guests are told at first is behind them.
    thread::sleep(Duration::from_millis(300));
    let (before, start) = (spent(threads), Instant::now());
    for number in 1..=u32::try_from(count).expect("few") {
        publish(stamped(since));
        thread::sleep((start + pause * number).saturating_duration_since(Instant::now()));
    }
    let late = done.recv_timeout(Duration::from_secs(60)).expect("all of it arrives");
    let deliveries = late.len() as f64;
    let each = start.elapsed().as_secs_f64() * 1e6 / deliveries;
    Found { late, processor: (spent(threads) - before) / deliveries, each }
}

fn bare(guests: usize, count: usize, pause: Duration) -> Found {
    let (sender, _) = broadcast::channel::<Bytes>(65_536);
    let (told, address) = channel();
    let subscribers = sender.clone();
    let serve = move || {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            told.send(listener.local_addr().expect("an address")).expect("somebody waits");
            let end = subscribers.subscribe();
            drop(subscribers);
            tokio::select! {
                () = accept(listener, &end) => {}
                () = closed(end.resubscribe()) => {}
            }
        });
    };
    thread::Builder::new().name("bare".to_owned()).spawn(serve).expect("a thread");
    let url = format!("ws://{}/", address.recv().expect("it listens"));
    run(&url, "bare", (guests, count, pause), &mut |text| drop(sender.send(text.into())))
}

async fn closed(mut messages: broadcast::Receiver<Bytes>) {
    while !matches!(messages.recv().await, Err(broadcast::error::RecvError::Closed)) {}
}

async fn accept(listener: TcpListener, messages: &broadcast::Receiver<Bytes>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(pass_on(stream, messages.resubscribe()));
    }
}

async fn pass_on(stream: TcpStream, mut messages: broadcast::Receiver<Bytes>) {
    stream.set_nodelay(true).expect("a socket");
    let mut socket = tokio_tungstenite::accept_async(stream).await.expect("a handshake");
    while let Ok(bytes) = messages.recv().await {
        let text = Utf8Bytes::try_from(bytes).expect("a text");
        if socket.send(Message::Text(text)).await.is_err() {
            return;
        }
    }
}

fn instance(guests: usize, count: usize, pause: Duration) -> Found {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mesh = MeshOptions::default().listen("127.0.0.1:0").data_dir(directory.path()).start().expect("it starts");
    let url = format!("ws://{}/ws", mesh.addresses().first().expect("it listens"));
    let mut number = 0;
    let mut waiting = VecDeque::new();
    let found = run(&url, "confmesh", (guests, count, pause), &mut |text| {
        number += 1;
        // Keys differ, so that no change takes the place of another.
        waiting.push_back(mesh.set(&format!("bench.k{number}"), text.as_str()));
        if waiting.len() > AT_ONCE {
            let oldest = waiting.pop_front().expect("there are some");
            drop(oldest.wait().expect("it is written"));
        }
    });
    waiting.into_iter().for_each(|answer| drop(answer.wait().expect("it is written")));
    mesh.close();
    found
}
