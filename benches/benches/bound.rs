//! What a bound file costs the writes beside it: bytes into the store, file writes, and the time until a write is
//! acknowledged, with a file and without. First an instance whose disk is a list, where everything is counted and the
//! processor time of each part is known; then a running one with its store and file on a disk.
#![expect(clippy::expect_used, reason = "a benchmark may stop at the first surprise")]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures clocks and files")]

use std::collections::VecDeque;
use std::fs;
use std::time::{Duration, Instant};

use confmesh::clock::Now;
use confmesh::driver::{Action, Driver, Look, Patience};
use confmesh::engine::{
    DocumentOptions, Engine, EngineConfig, Event, FileBinding, FileEdit, FileWrite, Persist, RequestId, StoreWrite,
};
use confmesh::format::{Format, print};
use confmesh::id::{DocumentName, InstanceId};
use confmesh::{MeshOptions, Path, Value};
use confmesh_benches::{Report, documents, median, percentile};
use rustix::time::{ClockId, clock_gettime};

const NOW: Now = Now { wall_ms: 1_795_255_200_000, mono_ms: 1_000 };
const ROUNDS: usize = 15;
const BURST: usize = 64;

fn main() {
    let mut report = Report::new();
    for leaves in [2_000, 20_000, 100_000] {
        let document = documents::base(leaves);
        for (format, extension) in [(Format::Json, "json"), (Format::Yaml, "yaml")] {
            let text = print(&document, format).expect("it holds everything");
            report.group(format!("{leaves} leaves, {extension} of {} kB", text.len() / 1000));
            counted(&mut report, &document, &text, format);
            running(&mut report, &document, &text, extension);
        }
    }
}

/// The leaves that are written over, far apart.
fn paths(document: &Value) -> Vec<Path> {
    let mut paths = Vec::new();
    for (group, services) in document.as_map().expect("a map").iter() {
        let services = services.as_map().filter(|_| group.starts_with("group-"));
        for name in services.into_iter().flat_map(|services| services.keys()) {
            paths.push([group.clone(), name.clone(), "written".into()].into_iter().collect());
        }
    }
    paths
}

fn counted(report: &mut Report, document: &Value, text: &str, format: Format) {
    let paths = paths(document);
    let mut alone = Host::new(None, format);
    for (key, value) in document.as_map().expect("a map").iter() {
        alone.set(&Path::root().child(key), value.clone());
        alone.rest();
    }
    let mut bound = Host::new(Some(text.to_owned()), format);
    bound.rest();
    let mut spent: [Vec<f64>; 4] = Default::default();
    let mut made = Vec::new();
    let mut stored: [Vec<f64>; 2] = Default::default();
    for round in 0..ROUNDS {
        let path = paths.get(round * 37 % paths.len()).expect("a path");
        for (side, host) in [&mut alone, &mut bound].into_iter().enumerate() {
            host.tally = Tally::default();
            host.set(path, Value::from(format!("value-{round}").as_str()));
            host.until_answered();
            let answered = host.tally.spent;
            host.rest();
            let [acknowledged, rest] = [side * 2, side * 2 + 1];
            spent.get_mut(acknowledged).expect("a row").push(answered);
            spent.get_mut(rest).expect("a row").push(host.tally.spent - answered);
            stored.get_mut(side).expect("a row").push(host.tally.bytes as f64);
            if side == 1 {
                made.push(host.tally.made);
            }
            assert_eq!(host.tally.writes, side, "a file is written once");
        }
    }
    let [without, rest_without, with, rest_with] = spent.map(|times| median(&times));
    let figures = [
        ("without a file", without, "command to receipt"),
        ("rest without a file", rest_without, ""),
        ("with a bound file", with, "command to receipt"),
        ("the mirror round behind it", rest_with, ""),
        ("its text, made elsewhere", median(&made), ""),
    ];
    report.figures("one write, processor time of the loop", "µs", &figures);
    let [without, with] = stored.map(|bytes| median(&bytes));
    let figures = [("without a file", without, ""), ("with a bound file", with, "")];
    report.figures("one write, bytes into the store", "B", &figures);

    bound.tally = Tally::default();
    let started = clock_gettime(ClockId::ProcessCPUTime);
    for number in 0..BURST {
        let path = paths.get(number * 31 % paths.len()).expect("a path");
        bound.set(path, Value::from(format!("burst-{number}").as_str()));
        bound.until_answered();
    }
    bound.rest();
    let spent = micros(started);
    let figures = [
        ("file writes", bound.tally.writes as f64, "the disk is slower than the burst"),
        ("kB into the store", bound.tally.bytes as f64 / 1e3, ""),
        ("ms of the processor", spent / 1e3, ""),
    ];
    report.figures("a burst of 64 writes", "", &figures);
}

/// What was counted since it was last asked.
#[derive(Default)]
struct Tally {
    bytes: usize,
    writes: usize,
    /// Microseconds of the processor: in the loop, and for texts that are made elsewhere.
    spent: f64,
    made: f64,
}

/// An instance whose store and file are lists.
struct Host {
    driver: Driver,
    file: Option<String>,
    batches: VecDeque<Persist>,
    writes: VecDeque<FileWrite>,
    looks: VecDeque<Look>,
    edits: VecDeque<FileEdit>,
    answered: Vec<RequestId>,
    asked: Option<RequestId>,
    tally: Tally,
}

fn name() -> DocumentName {
    DocumentName::default_name()
}

fn micros(since: rustix::time::Timespec) -> f64 {
    let spent = clock_gettime(ClockId::ProcessCPUTime) - since;
    spent.tv_sec as f64 * 1e6 + spent.tv_nsec as f64 / 1e3
}

impl Host {
    fn new(file: Option<String>, format: Format) -> Host {
        let none: [(&[u8], &[u8]); 0] = [];
        let config = EngineConfig::new(InstanceId::from_bytes([1; 16]), [1; 32]);
        let engine = Engine::new(EngineConfig { edits_from: Some(64 << 10), ..config }, none);
        let mut driver = Driver::new(engine.expect("an empty store"));
        let binding = FileBinding { id: "bound".into(), format, is_named: true };
        let file_option = file.is_some().then_some(binding);
        let options = DocumentOptions { shared: true, file: file_option, ..DocumentOptions::default() };
        driver.open(name(), options, Patience { text_ms: 12_000, nothing_ms: 12_000 }, NOW);
        if file.is_some() {
            driver.handle_first_look(&name(), Ok(file.clone()), NOW);
        }
        let mut host = Host {
            driver,
            file,
            batches: VecDeque::new(),
            writes: VecDeque::new(),
            looks: VecDeque::new(),
            edits: VecDeque::new(),
            answered: Vec::new(),
            asked: None,
            tally: Tally::default(),
        };
        host.rest();
        host
    }

    fn set(&mut self, path: &Path, value: Value) {
        let start = clock_gettime(ClockId::ProcessCPUTime);
        self.asked = Some(self.driver.engine_mut().set(&name(), path.clone(), value, NOW));
        self.tally.spent += micros(start);
    }

    /// Takes what comes out of the driver; nothing of it is done.
    fn poll(&mut self) {
        let start = clock_gettime(ClockId::ProcessCPUTime);
        while let Some(action) = self.driver.poll() {
            match action {
                Action::Store(batch) => self.batches.push_back(batch),
                Action::Look(look) => self.looks.push_back(look),
                Action::Edit(edit) => self.edits.push_back(edit),
                Action::Write(write) => self.writes.push_back(write),
                Action::Check(request) => self.driver.handle_checked(request.ticket, request.run(), NOW),
                Action::Event(Event::Written { request, result }) => {
                    result.expect("it is written");
                    self.answered.push(request);
                }
                _ => {}
            }
        }
        self.tally.spent += micros(start);
    }

    fn store(&mut self, batch: &Persist) {
        self.tally.bytes += batch.writes.iter().map(size).sum::<usize>();
        let start = clock_gettime(ClockId::ProcessCPUTime);
        self.driver.handle_stored(batch.ticket, Ok(()), NOW);
        self.tally.spent += micros(start);
    }

    /// The store answers, the file does not.
    fn until_answered(&mut self) {
        let asked = self.asked.take().expect("somebody asked");
        loop {
            self.poll();
            if self.answered.contains(&asked) {
                return;
            }
            let batch = self.batches.pop_front().expect("the write goes to the store");
            self.store(&batch);
        }
    }

    /// Everything until nothing is left to do.
    fn rest(&mut self) {
        loop {
            self.poll();
            if let Some(batch) = self.batches.pop_front() {
                self.store(&batch);
            } else if let Some(write) = self.writes.pop_front() {
                self.tally.writes += 1;
                assert_eq!(self.file.as_deref(), write.expect.as_deref(), "nobody else writes");
                self.file = Some(write.text.to_string());
                let start = clock_gettime(ClockId::ProcessCPUTime);
                self.driver.handle_wrote(&name(), Ok(()), None, NOW);
                self.tally.spent += micros(start);
            } else if let Some(edit) = self.edits.pop_front() {
                let start = clock_gettime(ClockId::ProcessCPUTime);
                let edited = edit.run();
                self.tally.made += micros(start);
                let start = clock_gettime(ClockId::ProcessCPUTime);
                self.driver.handle_edited(edited);
                self.tally.spent += micros(start);
            } else if let Some(look) = self.looks.pop_front() {
                let found = self.file.clone();
                let start = clock_gettime(ClockId::ProcessCPUTime);
                self.driver.handle_look(&look, Ok(found), NOW);
                self.tally.spent += micros(start);
            } else {
                return;
            }
        }
    }
}

fn size(write: &StoreWrite) -> usize {
    match write {
        StoreWrite::Put { key, bytes } => key.len() + bytes.len(),
        StoreWrite::Delete { key } => key.len(),
    }
}

/// Time until the receipt in an instance that runs, one write at a time and as fast as they are answered.
fn running(report: &mut Report, document: &Value, text: &str, extension: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let place = |name: &str| directory.path().join(name);
    let file = place(&format!("bound.{extension}"));
    fs::write(&file, text).expect("it is written");
    let alone = MeshOptions::default().data_dir(place("a")).start().expect("it starts");
    for (key, value) in document.as_map().expect("a map").iter() {
        alone.set(key, value.clone()).wait().expect("it is written");
    }
    let bound = MeshOptions::default().bind(&file).data_dir(place("b")).start().expect("it starts");
    let paths = paths(document);
    let mut paced: [Vec<f64>; 2] = Default::default();
    let mut row: [Vec<f64>; 2] = Default::default();
    for (side, mesh) in [&alone, &bound].into_iter().enumerate() {
        let write = |number: usize| {
            let path = paths.get(number * 37 % paths.len()).expect("a path").to_string();
            let start = Instant::now();
            mesh.set(&path, number.to_string().as_str()).wait().expect("it is written");
            start.elapsed().as_secs_f64() * 1e3
        };
        // A mirror round is on its way for most of them.
        for number in 0..200 {
            row.get_mut(side).expect("a row").push(write(number));
        }
        for number in 0..40 {
            std::thread::sleep(Duration::from_millis(20));
            paced.get_mut(side).expect("a row").push(write(number));
        }
    }
    for (case, times) in [("in a row", row), ("each 20 ms", paced)] {
        let [without, with] = times;
        let figures = [
            ("without a file, p50", percentile(&without, 50), ""),
            ("with a bound file, p50", percentile(&with, 50), ""),
            ("without a file, p99", percentile(&without, 99), ""),
            ("with a bound file, p99", percentile(&with, 99), ""),
        ];
        report.figures(&format!("time until the receipt, writes {case}"), "ms", &figures);
    }
    bound.close();
    alone.close();
}
