//! Replays an editing trace from the standard input, compares the text that it ends with, and says how fast it went.
//!
//! `generate SEED EDITS` prints a concurrent trace of our own, `long SEED EDITS` a sequential one.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a command of the tests: it reads arguments and input, and measures the time"
)]

use std::io::Read;
use std::process::ExitCode;
use std::time::Instant;

use confmesh_tests::simulator::trace::{Trace, generate, long};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
    match (words.first().map(String::as_str), number(1), number(2)) {
        (None, ..) => replay(),
        (Some("generate"), Some(seed), Some(edits)) => print(&generate(seed, usize::try_from(edits).unwrap_or(500))),
        (Some("long"), Some(seed), Some(edits)) => print(&long(seed, usize::try_from(edits).unwrap_or(500))),
        _ => {
            eprintln!("usage: confmesh-trace <trace.json\n       confmesh-trace (generate | long) SEED EDITS");
            ExitCode::from(2)
        }
    }
}

fn print(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

fn replay() -> ExitCode {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text).map_err(|error| error.to_string());
    let trace = match read.and_then(|_| Trace::read(&text)) {
        Ok(trace) => trace,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let end = trace.replay();
    let seconds = began.elapsed().as_secs_f64();
    let is_right = end == trace.end;
    println!(
        "edits={} characters={} seconds={seconds:.3} edits_per_second={:.0} end={}",
        trace.len(),
        end.chars().count(),
        trace.len() as f64 / seconds,
        if is_right { "right" } else { "WRONG" }
    );
    if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
