//! Counters over several instances: what is shown, and what is listed as lost, are what was granted.
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::process::{Instance, send, wait_for};
use super::{dir, json};

/// A link that can be cut: what comes in goes on to an address.
struct Link {
    url: String,
    is_cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Link {
    fn to(address: &str) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/sync", listener.local_addr().unwrap());
        let (is_cut, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let link = Link { url, is_cut: Arc::clone(&is_cut), open: Arc::clone(&open) };
        let address = address.to_owned();
        thread::spawn(move || {
            for here in listener.incoming().map_while(Result::ok) {
                let Ok(there) = TcpStream::connect(&address) else { continue };
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                for (from, to) in [(&here, &there), (&there, &here)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                open.lock().unwrap().extend([here, there]);
            }
        });
        link
    }

    fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
        if is_cut {
            for stream in self.open.lock().unwrap().drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

/// The status, the version and the body of what an instance answers.
fn ask(address: &str, head: &str, body: &str) -> (u16, Option<String>, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!("{head}host: {address}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let tag = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("etag").then(|| value.to_owned())
    });
    (status, tag, body.to_owned())
}

/// Counts one up; whether that was granted.
fn count(address: &str) -> bool {
    let target = "/config/default?path=n";
    let (status, tag, body) = ask(address, &format!("GET {target} HTTP/1.1\r\n"), "");
    let (condition, next) = match status {
        200 => (format!("if-match: {}", tag.unwrap()), json(&body).as_u64().unwrap() + 1),
        _ => ("if-none-match: *".to_owned(), 1),
    };
    let head = format!("PUT {target} HTTP/1.1\r\n{condition}\r\ncontent-type: application/json\r\n");
    let (status, _, body) = ask(address, &head, &next.to_string());
    assert!(matches!(status, 200 | 412), "{status} {body}");
    status == 200
}

#[test]
fn a_counter_and_what_is_listed_as_lost_are_what_was_granted_while_links_are_cut_and_instances_paused() {
    let dir = dir(&[]);
    let first = Instance::start(dir.path(), &["--data-dir", "0"], &[]);
    let address = |instance: &Instance| instance.url.trim_start_matches("http://").to_owned();
    let links = [0, 1].map(|_| Link::to(&address(&first)));
    let others = [0, 1].map(|at: usize| {
        let data = (at + 1).to_string();
        let arguments = ["--data-dir", &data, "--peer", &links[at].url, "--found-after", "60000"];
        Instance::start(dir.path(), &arguments, &[])
    });
    let all = [&first, &others[0], &others[1]];
    let (granted, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..30)
        .map(|client| {
            let (address, granted, ended) = (address(all[client % 3]), Arc::clone(&granted), Arc::clone(&ended));
            thread::spawn(move || {
                // Forty an instance: held and lost ones in turn are at most 20 stretches, which a write can name.
                for turn in 0..4 {
                    while !count(&address) {
                        thread::sleep(Duration::from_millis(20));
                    }
                    granted.fetch_add(1, Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(150 + 60 * ((client as u64 + turn) % 7)));
                }
                ended.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    let begun = Instant::now();
    for turn in 0.. {
        if ended.load(Ordering::SeqCst) == 30 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the clients never end");
        links[turn % 2].cut(true);
        thread::sleep(Duration::from_millis(400));
        send("STOP", others[turn % 2].process.id());
        thread::sleep(Duration::from_millis(200));
        send("CONT", others[turn % 2].process.id());
        links[turn % 2].cut(false);
        thread::sleep(Duration::from_millis(700));
    }
    clients.into_iter().for_each(|client| client.join().unwrap());
    let granted = granted.load(Ordering::SeqCst);
    let mut lost_somewhere = 0;
    for instance in all {
        let told = || {
            let shown: u64 = instance.data(&["get", "n"]).trim().parse().unwrap();
            let found = json(&instance.data(&["conflicts", "--all", "--json"]));
            let lost = found["conflicts"].as_array().unwrap().iter().map(|found| {
                assert_eq!(found["or_more"], serde_json::Value::Null, "{found}");
                found["lost_updates"].as_u64().unwrap_or(0)
            });
            (shown, lost.sum::<u64>())
        };
        let (_, lost) = wait_for(&format!("{granted} in all"), || {
            let (shown, lost) = told();
            (shown + lost == granted).then_some((shown, lost))
        });
        lost_somewhere += lost;
    }
    assert!(lost_somewhere > 0, "nothing was written at the same time");
    let text = first.data(&["conflicts", "--all"]);
    assert!(text.contains(" updates are lost") || text.contains("1 update is lost"), "{text}");
}
