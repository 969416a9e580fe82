//! Runs the simulator: many seeds, or one with its story.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a command of the tests: it reads arguments, the time, and uses threads"
)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use confmesh_tests::simulator::{Fault, Options, Outcome, Property, run, run_saves, shrink};

const USAGE: &str = "\
usage: confmesh-simulate [--starts] [--runs N] [--seed S] [--threads T] [--most-failures F] [--without FAULT,…]
       confmesh-simulate saves [--runs N] [--seed S]
       confmesh-simulate replay SEED [--starts] [--steps N] [--replicas N] [--without FAULT,…] [--quiet]";

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let is_replay = words.first().is_some_and(|word| word == "replay");
    if words.first().is_some_and(|word| word == "saves") {
        return flags(words.get(1..).unwrap_or_default()).map_or_else(usage, |flags| saves(&flags));
    }
    let seed = is_replay.then(|| words.drain(..2.min(words.len())).nth(1).and_then(|word| word.parse().ok()));
    let Some(flags) = flags(&words) else { return usage() };
    match seed {
        Some(Some(seed)) => replay(seed, &flags),
        Some(None) => usage(),
        None => many(&flags),
    }
}

/// Only what the seeds have of editors that hold old texts: cheap, and so many.
fn saves(flags: &BTreeMap<&str, &str>) -> ExitCode {
    let first = number(flags, "seed").unwrap_or(0);
    let seeds = first..first.saturating_add(number(flags, "runs").unwrap_or(1_000));
    let found = seeds.clone().find_map(|seed| Some((seed, run_saves(seed)?)));
    match found {
        Some((seed, violation)) => {
            println!("seed {seed}: {:?}: {}", violation.property, violation.what);
            ExitCode::FAILURE
        }
        None => {
            println!("seeds {seeds:?}: nothing lost");
            ExitCode::SUCCESS
        }
    }
}

fn usage() -> ExitCode {
    let names: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    eprintln!("{USAGE}\nfaults: {}", names.join(", "));
    ExitCode::from(2)
}

/// `--name value` pairs.
fn flags(words: &[String]) -> Option<BTreeMap<&str, &str>> {
    let mut flags = BTreeMap::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let name = word.strip_prefix("--")?;
        flags.insert(name, if matches!(name, "quiet" | "starts") { "" } else { words.next()?.as_str() });
    }
    Some(flags)
}

fn number(flags: &BTreeMap<&str, &str>, name: &str) -> Option<u64> {
    flags.get(name)?.parse().ok()
}

fn size(flags: &BTreeMap<&str, &str>, name: &str) -> Option<usize> {
    number(flags, name).and_then(|number| usize::try_from(number).ok())
}

/// How long, how large and without which faults.
fn options(flags: &BTreeMap<&str, &str>) -> Options {
    let names = flags.get("without").copied().unwrap_or_default();
    let without = Fault::ALL.iter().copied().filter(|fault| names.split(',').any(|name| name == fault.name()));
    Options {
        steps: size(flags, "steps"),
        replicas: size(flags, "replicas"),
        without: without.collect(),
        trace: false,
        starts: flags.contains_key("starts"),
    }
}

/// Runs one seed and tells what happened.
fn replay(seed: u64, flags: &BTreeMap<&str, &str>) -> ExitCode {
    let options = Options { trace: !flags.contains_key("quiet"), ..options(flags) };
    let outcome = run(seed, &options);
    for line in &outcome.trace {
        println!("{line}");
    }
    match outcome.violation {
        Some(violation) => {
            println!("\n{:?}: {}", violation.property, violation.what);
            ExitCode::FAILURE
        }
        None => {
            println!(
                "\nseed {seed} keeps every property ({} writes, {} comparisons)",
                outcome.writes, outcome.comparisons
            );
            ExitCode::SUCCESS
        }
    }
}

#[derive(Default)]
struct Tally {
    runs: u64,
    writes: usize,
    comparisons: usize,
    settled: usize,
    rebased: usize,
    binary_frames: usize,
    broken: BTreeMap<Property, u64>,
    failures: Vec<u64>,
}

impl Tally {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.runs += 1;
        self.writes += outcome.writes;
        self.comparisons += outcome.comparisons;
        self.settled += outcome.settled;
        self.rebased += outcome.rebased;
        self.binary_frames += outcome.binary_frames;
        if let Some(violation) = &outcome.violation {
            *self.broken.entry(violation.property).or_default() += 1;
            self.failures.push(seed);
            println!("seed {seed}: {:?}: {}", violation.property, violation.what.chars().take(600).collect::<String>());
        }
    }

    fn count(&self, properties: &[Property]) -> u64 {
        properties.iter().filter_map(|property| self.broken.get(property)).sum()
    }
}

/// Runs many seeds and tells which fail, and how they are replayed.
fn many(flags: &BTreeMap<&str, &str>) -> ExitCode {
    let runs = number(flags, "runs").unwrap_or(1_000);
    let first = number(flags, "seed").unwrap_or(0);
    let threads = number(flags, "threads").unwrap_or(2);
    let most = size(flags, "most-failures").unwrap_or(10);
    let options = options(flags);
    let (next, tally, began) = (AtomicU64::new(0), Mutex::new(Tally::default()), Instant::now());
    // A panic of the core is a result here, and reported as one.
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= runs {
                        return;
                    }
                    let seed = first.wrapping_add(at);
                    let outcome = run(seed, &options);
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    tally.add(seed, &outcome);
                    if tally.failures.len() >= most {
                        return;
                    }
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(seed) = tally.failures.iter().min().filter(|_| !flags.contains_key("quiet") && !options.starts)
        && let Some((options, violation)) = shrink(*seed, &options)
    {
        let names: Vec<&str> = options.without.iter().map(|fault| fault.name()).collect();
        let mut command = format!("make replay SEED={seed}");
        let mut words = Vec::new();
        words.extend(options.steps.map(|steps| format!("--steps {steps}")));
        words.extend(options.replicas.map(|replicas| format!("--replicas {replicas}")));
        words.extend((!names.is_empty()).then(|| format!("--without {}", names.join(","))));
        if !words.is_empty() {
            command = format!("{command} ARGS=\"{}\"", words.join(" "));
        }
        println!("\nthe smallest form of seed {seed}: {:?}: {}", violation.property, violation.what);
        println!("replay it with: {command}");
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("settled={} rebased={} binary_frames={}", tally.settled, tally.rebased, tally.binary_frames);
    println!(
        "writes={} comparisons={} lost={} not_durable={} not_live={} other={} panics={} seconds={seconds:.0} runs_per_second={:.0}",
        tally.writes,
        tally.comparisons,
        tally.count(&[Property::Loss]),
        tally.count(&[Property::Durability]),
        tally.count(&[Property::Liveness]),
        tally.count(&[Property::Other]),
        tally.count(&[Property::Panic]),
        tally.runs as f64 / seconds,
    );
    println!(
        "runs={} diverged={} oracle_mismatch={} seed={first}",
        tally.runs,
        tally.count(&[Property::Divergence]),
        tally.count(&[Property::Oracle]),
    );
    if tally.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
