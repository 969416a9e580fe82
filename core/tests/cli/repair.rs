//! Authors and members that nobody is, and the document that goes on without them.
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json as object};

use super::process::{Instance, wait_for};
use super::{dir, json};

/// Somebody without a name and without a key, who speaks the protocol.
struct Stranger(TcpStream);

impl Stranger {
    fn dial(instance: &Instance) -> Stranger {
        let address = instance.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!(
            "GET /sync HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 101");
        Stranger(stream)
    }

    /// One text frame, masked with zeros.
    fn say(&mut self, message: &Value) {
        let text = message.to_string();
        let length = u64::try_from(text.len()).unwrap().to_be_bytes();
        self.0.write_all(&[&[0x81, 0xff], &length[..], &[0; 4], text.as_bytes()].concat()).unwrap();
    }
}

/// Writes one value in the document of an instance, with a past of so many authors that never were.
fn forge(instance: &Instance, authors: usize) {
    let mut stranger = Stranger::dial(instance);
    let genesis = document(instance)["genesis"].clone();
    let (name, author) = ("default", "f".repeat(32));
    stranger.say(&object!({
        "v": 1, "type": "hello", "instance_id": "e".repeat(32), "versions": [1],
        "documents": [{"name": name, "tenant_id": name, "genesis": genesis, "seen": {}, "replica": author}],
    }));
    let past: serde_json::Map<String, Value> = (0..authors).map(|at| (format!("{at:032x}"), 1.into())).collect();
    let mut to = past.clone();
    to.insert(author.clone(), 1.into());
    let write = object!({
        "dot": [author, 1], "context": past, "stamp": "65536000", "tag": 0, "path": "/forged", "value": true,
    });
    let delta = object!({"since": {}, "to": to, "items": [write]});
    stranger.say(&object!({
        "v": 1, "type": "delta", "name": name, "tenant_id": name, "genesis": genesis, "delta": delta,
    }));
    wait_for("what was forged", || (instance.run(&["get", "forged"]).stdout == "true\n").then_some(()));
}

fn document(instance: &Instance) -> Value {
    instance.status()["documents"][0].clone()
}

fn plan(instance: &Instance) -> Value {
    json(&instance.data(&["repair", "--json"]))
}

/// Waits until all show one document.
#[track_caller]
fn agreed(instances: &[&Instance]) -> Value {
    let of = |instance: &Instance| {
        let document = document(instance);
        (document["genesis"].clone(), json(&instance.data(&["get", "--json"])))
    };
    wait_for("agreement", || {
        let all: Vec<_> = instances.iter().map(|instance| of(instance)).collect();
        all.windows(2).all(|two| two[0] == two[1]).then(|| all[0].1.clone())
    })
}

#[test]
fn forged_and_dead_authors_are_shown_and_then_gone_everywhere_and_nothing_is_lost() {
    let dir = dir(&[("a.yaml", "# mine\nlimit: 100\n")]);
    let a = Instance::start(dir.path(), &["--data-dir", "a", "--bind", "a.yaml", "--old-after", "0"], &[]);
    let peer = a.url.replace("http://", "ws://") + "/sync";
    let options = |data| ["--data-dir", data, "--peer", &peer, "--old-after", "0", "--found-after", "60000"];
    let start = |data| Instance::start(dir.path(), &options(data), &[]);
    let (b, mut c, mut dead) = (start("b"), start("c"), start("dead"));
    dead.data(&["set", "once", "1"]);
    agreed(&[&a, &b, &c, &dead]);
    b.data(&["set", "once", "2"]);
    agreed(&[&a, &b, &c, &dead]);
    assert_eq!(plan(&a)["idle"], 0, "all are there");
    let complaint = a.run(&["repair", "--yes"]).complaint(1);
    assert!(complaint.contains("there is nothing to repair in `default`"), "{complaint}");
    for gone in [&mut dead, &mut c] {
        gone.process.signal("KILL");
        gone.process.ended();
    }
    wait_for("the dead one to be missed", || (plan(&a)["idle"] == 1).then_some(()));
    forge(&a, 2_000);
    agreed(&[&a, &b]);
    let shown = plan(&a);
    assert_eq!((&shown["idle"], shown["idle_authors"].as_array().unwrap().len()), (&object!(2_001), 1_000), "{shown}");
    let text = a.run(&["repair"]);
    assert!(text.stdout.contains(": 1 writes, no write of it is held"), "{text:?}");
    assert!(text.stderr.contains("2001 of ") && text.stderr.contains("`--yes` does it"), "{text:?}");
    let before = agreed(&[&a, &b]);
    let genesis = document(&a)["genesis"].clone();

    let done = json(&a.data(&["repair", "--yes", "--json"]));
    assert_eq!(done["authors_removed"], 2_001, "{done}");
    assert_eq!(document(&a)["genesis"], done["genesis"]);
    assert_ne!(done["genesis"], genesis);
    assert_eq!(agreed(&[&a, &b]), before);
    b.data(&["set", "after", "1"]);
    let after = agreed(&[&a, &b]);
    assert!(plan(&b)["authors"].as_u64().unwrap() < 5, "{}", plan(&b));
    assert!(std::fs::read_to_string(dir.path().join("a.yaml")).unwrap().starts_with("# mine\nlimit: 100\n"));

    // Who was away follows.
    let c = start("c");
    assert_eq!(agreed(&[&a, &b, &c]), after);
    assert_eq!(after["after"], 1);
    assert_eq!(a.status()["health"]["status"], "healthy");
}

#[test]
fn members_that_nobody_lives_as_are_gone_after_a_repair_and_history_is_dropped_again() {
    let dir = dir(&[]);
    let a = Instance::start(dir.path(), &["--data-dir", "a", "--settle", "--old-after", "0"], &[]);
    let peer = a.url.replace("http://", "ws://") + "/sync";
    let options =
        |data| ["--data-dir", data, "--peer", &peer, "--settle", "--old-after", "0", "--found-after", "60000"];
    let (b, mut gone) =
        (Instance::start(dir.path(), &options("b"), &[]), Instance::start(dir.path(), &options("gone"), &[]));
    a.data(&["set", "limit", "1"]);
    agreed(&[&a, &b, &gone]);
    gone.data(&["set", "late", "3"]);
    agreed(&[&a, &b, &gone]);
    gone.process.signal("KILL");
    gone.process.ended();
    a.data(&["set", "limit", "2"]);
    let member = wait_for("the one that is gone to be missed", || {
        let plan = plan(&a);
        (plan["members"].as_array().unwrap().len() == 1).then(|| plan["members"][0].clone())
    });
    let text = a.run(&["repair"]);
    assert!(text.stdout.contains(&format!("member {}", member["replica"].as_str().unwrap())), "{text:?}");
    assert!(text.stderr.contains("and 1 members would be removed"), "{text:?}");
    let done = a.run(&["repair", "--yes"]);
    assert!(done.status == 0 && done.stderr.contains("1 members are removed"), "{done:?}");
    agreed(&[&a, &b]);
    wait_for("the history to be dropped", || {
        (document(&b)["settling"]["held_writes"] == 0 && document(&a)["settling"]["held_writes"] == 0).then_some(())
    });
    assert_eq!(document(&a)["settling"]["members"].as_array().unwrap().len(), 2);
    // It lives after all, and is a member again.
    let gone = Instance::start(dir.path(), &options("gone"), &[]);
    gone.data(&["set", "back", "true"]);
    assert_eq!(agreed(&[&a, &b, &gone]), object!({"limit": 2, "late": 3, "back": true}));
    wait_for("the members", || (document(&a)["settling"]["members"].as_array().unwrap().len() == 3).then_some(()));
}
