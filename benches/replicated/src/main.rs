//! A replicated document of nested maps, beside automerge, loro and yrs.
//!
//! 16 groups of 8 services hold text values. `distinct` writes N keys once; `overwrite` writes 1,000 keys N times, all
//! replicas racing for them. Write i belongs to replica i mod R; each write is a transaction of its own. Then all replicas
//! sync through the first one, single writes travel one by one, and the state is saved and loaded. Times are CPU time.
//! `KEYS=1000,10000 REPLICAS=2,8 MODES=distinct,overwrite ONLY=yrs,confmesh` choose what runs.
mod automerge;
mod confmesh;
mod loro;
mod yrs;

use std::alloc::System;
use std::env;
use std::time::Instant;

use cap::Cap;
use rustix::time::{ClockId, clock_gettime};

/// Counts the bytes on the heap.
#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, usize::MAX);

pub(crate) const GROUPS: usize = 16;
pub(crate) const SERVICES: usize = 8;

pub(crate) fn group(at: usize) -> String {
    format!("group-{at:02}")
}

pub(crate) fn service(at: usize) -> String {
    format!("service-{at:02}")
}

/// A replica of `{group: {service: {key: text}}}`; `slot` is `group * SERVICES + service`.
pub(crate) trait Replicated: Sized {
    const NAME: &'static str;
    type Version;
    /// The empty maps, made once: every replica starts from these bytes.
    fn skeleton() -> Vec<u8>;
    fn open(state: &[u8], id: u64) -> Self;
    fn put(&mut self, slot: usize, key: &str, value: &str);
    fn version(&mut self) -> Self::Version;
    fn delta(&mut self, since: &Self::Version) -> Vec<u8>;
    /// One write, and the bytes that carry it to the others in the cheapest way there is.
    fn put_delta(&mut self, slot: usize, key: &str, value: &str) -> Vec<u8>;
    fn apply(&mut self, bytes: &[u8]);
    fn save(&mut self) -> Vec<u8>;
    fn get(&mut self, slot: usize, key: &str) -> Option<String>;
    /// Calls with every slot, key and value.
    fn each(&mut self, found: &mut dyn FnMut(usize, &str, &str));
    /// After everybody has everything: forget what nobody needs.
    fn settle(&mut self) {}
}

/// How many values there are, and a digest of them that no order changes.
fn dump<R: Replicated>(replica: &mut R) -> (usize, u64) {
    let (mut count, mut digest) = (0, 0_u64);
    replica.each(&mut |slot, key, value| {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ slot as u64;
        for byte in key.bytes().chain([0]).chain(value.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        count += 1;
        digest = digest.wrapping_add(hash);
    });
    (count, digest)
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// What a job makes, and how much more lies on the heap afterwards.
fn heap<T>(job: impl FnOnce() -> T) -> (T, usize) {
    let before = HEAP.allocated();
    let made = job();
    (made, HEAP.allocated() - before)
}

fn timed<T>(job: impl FnOnce() -> T) -> (T, f64) {
    let began = cpu_seconds();
    let done = job();
    (done, cpu_seconds() - began)
}

/// For single short jobs, where reading the CPU clock would be most of the time.
fn walled<T>(job: impl FnOnce() -> T) -> (T, f64) {
    let began = Instant::now();
    let done = job();
    (done, began.elapsed().as_secs_f64())
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The mean without the slowest 5 %, when something else ran.
fn trimmed(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.truncate(figures.len() * 95 / 100);
    figures.iter().sum::<f64>() / figures.len() as f64
}

fn place(mode: &str, at: usize) -> (usize, String) {
    let key = if mode == "distinct" { at } else { at * 7_919 % 1_000 };
    (key % (GROUPS * SERVICES), format!("key-{key:06}"))
}

#[derive(Default)]
struct Figures {
    write_us: Vec<f64>,
    sync_ms: Vec<f64>,
    sync_bytes: usize,
    delta_bytes: Vec<f64>,
    send_us: Vec<f64>,
    receive_us: Vec<f64>,
}

/// One round: writes apart, sync, single writes.
fn round<R: Replicated>(mode: &str, keys: usize, replicas: usize, figures: &mut Figures) -> Vec<R> {
    let skeleton = R::skeleton();
    let mut all: Vec<R> = (0..replicas).map(|at| R::open(&skeleton, at as u64 + 1)).collect();
    let started = all[0].version();
    let writes: Vec<(usize, String, String)> = (0..keys)
        .map(|at| {
            let (slot, key) = place(mode, at);
            (slot, key, format!("value-{at}"))
        })
        .collect();
    let ((), seconds) = timed(|| {
        for (at, (slot, key, value)) in writes.iter().enumerate() {
            all[at % replicas].put(*slot, key, value);
        }
    });
    figures.write_us.push(seconds / keys as f64 * 1e6);

    figures.sync_bytes = 0;
    let ((), seconds) = timed(|| {
        for at in 1..replicas {
            let delta = all[at].delta(&started);
            figures.sync_bytes += delta.len();
            all[0].apply(&delta);
        }
        for at in 1..replicas {
            let version = all[at].version();
            let delta = all[0].delta(&version);
            figures.sync_bytes += delta.len();
            all[at].apply(&delta);
        }
    });
    figures.sync_ms.push(seconds * 1e3);
    let agreed = dump(&mut all[0]);
    assert!(all.iter_mut().all(|replica| dump(replica) == agreed), "{} did not converge", R::NAME);
    assert_eq!(agreed.0, if mode == "distinct" { keys } else { keys.min(1_000) });

    let (mut sending, mut receiving) = (Vec::new(), Vec::new());
    for at in 0..keys.min(1_000) {
        let author = at % replicas;
        let (slot, key) = place(mode, at * 31 % keys);
        let (delta, seconds) = walled(|| all[author].put_delta(slot, &key, "live-value"));
        sending.push(seconds * 1e6);
        figures.delta_bytes.push(delta.len() as f64);
        let others = all.iter_mut().enumerate().filter(|(other, _)| *other != author);
        let ((), seconds) = walled(|| others.for_each(|(_, replica)| replica.apply(&delta)));
        receiving.push(seconds * 1e6 / (replicas - 1) as f64);
    }
    figures.send_us.push(trimmed(sending));
    figures.receive_us.push(trimmed(receiving));
    let agreed = dump(&mut all[0]);
    assert!(all.iter_mut().all(|replica| dump(replica) == agreed), "{} did not converge live", R::NAME);
    all
}

fn scenario<R: Replicated>(mode: &str, keys: usize, replicas: usize) {
    let rounds = if keys >= 100_000 { 1 } else { 3 };
    let mut figures = Figures::default();
    let mut all: Vec<R> = Vec::new();
    for _ in 0..rounds {
        all = round(mode, keys, replicas, &mut figures);
    }
    let mut replica = all.swap_remove(0);
    drop(all);
    let want = dump(&mut replica);
    let unsettled = replica.save().len();
    replica.settle();
    let state = replica.save();
    drop(replica);
    let (slot, key) = place(mode, 1);
    let mut loads = Vec::new();
    for _ in 0..5 {
        let (mut loaded, seconds) = timed(|| {
            let mut loaded = R::open(&state, 77);
            assert!(loaded.get(slot, &key).is_some());
            loaded
        });
        assert_eq!(dump(&mut loaded), want, "{} does not load what it saved", R::NAME);
        loads.push(seconds * 1e3);
    }
    let (mut loaded, bytes) = heap(|| R::open(&state, 78));
    assert_eq!(dump(&mut loaded), want);
    println!(
        "  {:<10} {:>9.2} {:>10.2} {:>10} {:>7.0} {:>9.2} {:>9.2} {:>10} {:>10} {:>8.2} {:>9}",
        R::NAME,
        median(&figures.write_us),
        median(&figures.sync_ms),
        figures.sync_bytes,
        median(&figures.delta_bytes),
        median(&figures.send_us),
        median(&figures.receive_us),
        unsettled,
        state.len(),
        median(&loads),
        bytes / 1024,
    );
}

fn main() {
    let chosen = |name: &str, default: &str| -> Vec<String> {
        env::var(name).unwrap_or_else(|_| default.to_owned()).split(',').map(str::to_owned).collect()
    };
    let only = chosen("ONLY", "yrs,loro,automerge,confmesh");
    let numbers = |name: &str, default: &str| -> Vec<usize> {
        chosen(name, default).iter().map(|text| text.parse().expect("a number")).collect()
    };
    for mode in chosen("MODES", "distinct,overwrite") {
        for keys in numbers("KEYS", "1000,10000,100000") {
            for replicas in numbers("REPLICAS", "2,8") {
                println!("D. {keys} writes, {mode}, {replicas} replicas");
                println!(
                    "  {:<10} {:>9} {:>10} {:>10} {:>7} {:>9} {:>9} {:>10} {:>10} {:>8} {:>9}",
                    "",
                    "write µs",
                    "sync ms",
                    "sync B",
                    "delta B",
                    "send µs",
                    "recv µs",
                    "state B",
                    "settled B",
                    "load ms",
                    "heap KiB"
                );
                for name in &only {
                    match name.as_str() {
                        "yrs" => scenario::<yrs::Yrs>(&mode, keys, replicas),
                        "loro" => scenario::<loro::Loro>(&mode, keys, replicas),
                        "automerge" => scenario::<automerge::Automerge>(&mode, keys, replicas),
                        "confmesh" => scenario::<confmesh::Confmesh>(&mode, keys, replicas),
                        other => panic!("there is no contender `{other}`"),
                    }
                }
            }
        }
    }
}
