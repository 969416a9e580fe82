//! From saving a file at one instance to the bytes on disk at another: two instances on loopback, with their stores.
#![expect(clippy::expect_used, reason = "a benchmark may stop at the first surprise")]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures clocks and files")]

use std::fs;
use std::time::{Duration, Instant};

use confmesh::MeshOptions;
use confmesh_benches::percentile;

const ROUNDS: usize = 200;

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = |name: &str| directory.path().join(name);
    let (left, right) = (place("a.json"), place("b.yaml"));
    fs::write(&left, "{\n  \"app\": {\n    \"counter\": 0\n  }\n}\n").expect("it is written");
    let first = MeshOptions::default()
        .bind(&left)
        .listen("127.0.0.1:0")
        .data_dir(place("a"))
        .log(confmesh::native::mesh::LogLevel::Info)
        .start()
        .expect("it starts");
    let url = format!("ws://{}/sync", first.addresses().first().expect("it listens"));
    let second = MeshOptions::default()
        .bind(&right)
        .peer(url)
        .data_dir(place("b"))
        .log(confmesh::native::mesh::LogLevel::Info)
        .start()
        .expect("it starts");
    wait_for(&right, "counter: 0");

    let mut saved = Vec::new();
    let mut set = Vec::new();
    for round in 1..=ROUNDS {
        let text = format!("{{\n  \"app\": {{\n    \"counter\": {round}\n  }}\n}}\n");
        let start = Instant::now();
        fs::write(&left, text).expect("it is written");
        wait_for(&right, &format!("counter: {round}\n"));
        saved.push(start.elapsed().as_secs_f64() * 1e3);

        let start = Instant::now();
        first.set("app.counter", -i64::try_from(round).unwrap_or(1)).wait().expect("it is accepted");
        wait_for(&right, &format!("counter: -{round}\n"));
        set.push(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("one key of a small file, {ROUNDS} rounds, milliseconds");
    for (case, times) in [("file saved at A to bytes on disk at B", saved), ("set() at A to bytes on disk at B", set)] {
        let [middle, high] = [percentile(&times, 50), percentile(&times, 99)];
        println!("  {case:<44} p50 {middle:>8.2}   p99 {high:>8.2}");
    }
    second.close();
    first.close();
}

fn wait_for(path: &std::path::Path, content: &str) {
    let start = Instant::now();
    while !fs::read_to_string(path).is_ok_and(|text| text.contains(content)) {
        if start.elapsed() > Duration::from_secs(10) {
            for f in std::fs::read_dir(path.parent().unwrap()).unwrap() {
                let f = f.unwrap().path();
                eprintln!("{} {:?}", f.display(), fs::read_to_string(&f));
            }
            panic!("never");
        }
        std::thread::yield_now();
    }
}
