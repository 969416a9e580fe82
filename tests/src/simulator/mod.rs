//! A deterministic simulation of whole meshes: engines, stores, files, networks, clocks and people, from one seed.
//!
//! What runs is the same [`confmesh::driver::Driver`], and below it the same engine, that the native runtime runs; the
//! simulator carries the bytes, in virtual time. Every write that reaches a disk is kept in a history that nobody prunes. An evaluator of its own computes
//! from it what each instance has to show, after every step that touched the instance. When the faults stop, all have to
//! agree within a bounded time.
//!
//! The method is that of FoundationDB (Zhou et al., SIGMOD 2021) with swarm testing (Groce et al., ISSTA 2012).

mod buses;
mod check;
mod checks;
mod counters;
mod editors;
mod end;
mod generate;
mod history;
mod host;
mod locks;
mod mirror;
mod network;
mod oracle;
mod people;
mod random;
mod runtime;
mod saves;
mod sequences;
mod starts;
mod stranger;
mod strategies;
mod swarm;
pub mod trace;
mod withhold;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use swarm::{Fault, Options};

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    /// Equal knowledge with different documents, conflicts or stores (P1, P2, P26).
    Divergence,
    /// Another document than that of the history that never forgets (P3, P8 to P11, P13 to P17, P19).
    Oracle,
    /// An accepted write vanished (P5, P6).
    Loss,
    /// Something acknowledged was not on disk, or a name was given twice (P21).
    Durability,
    /// No agreement after the faults stopped, or an answer that never came (P24).
    Liveness,
    /// Garbage changed something, a reconnect cost too much, a rule was not kept (P9, P20, P23).
    Other,
    /// The core panicked.
    Panic,
}

/// A broken property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub property: Property,
    /// How.
    pub what: String,
}

type Checked<T = ()> = Result<T, Violation>;

fn violated<T>(property: Property, what: impl Into<String>) -> Checked<T> {
    Err(Violation { property, what: what.into() })
}

/// How a run went.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was broken first, if anything was.
    pub violation: Option<Violation>,
    /// How many writes were made.
    pub writes: usize,
    /// How many times a document was compared with the oracle.
    pub comparisons: usize,
    /// How often an instance dropped history.
    pub settled: usize,
    /// How often one took over the document of others that had gone on without it.
    pub rebased: usize,
    /// How many messages were not text.
    pub binary_frames: usize,
    /// What happened, where it was asked for.
    pub trace: Vec<String>,
}

/// Of how many seeds one has people who lock.
const LOCKS_EVERY: u64 = 8;

/// Runs one seed.
pub fn run(seed: u64, options: &Options) -> Outcome {
    if options.starts {
        return starts::run(seed, options.trace);
    }
    let mut world = world::World::new(seed, options);
    let violation = guarded(|| world.run()).or_else(|| run_saves(seed)).or_else(|| run_checks(seed));
    // These take as long as all the rest.
    let violation = violation.or_else(|| if seed.is_multiple_of(LOCKS_EVERY) { run_locks(seed) } else { None });
    Outcome {
        violation,
        writes: world.history.len(),
        comparisons: world.comparisons,
        settled: world.settled,
        rebased: world.rebased,
        binary_frames: world.binary_frames,
        trace: world.trace.take().unwrap_or_default(),
    }
}

/// Runs what one seed has of editors and scripts that hold old texts of a bound file.
pub fn run_saves(seed: u64) -> Option<Violation> {
    guarded(|| saves::run(seed))
}

/// Runs what one seed has of checks of a program that answer late, never, or with no.
pub fn run_checks(seed: u64) -> Option<Violation> {
    guarded(|| checks::run(seed))
}

/// Runs what one seed has of people who lock, at instances that crash and lose their connections.
pub fn run_locks(seed: u64) -> Option<Violation> {
    guarded(|| locks::run(seed))
}

/// What is violated, panics included.
fn guarded(run: impl FnOnce() -> Checked) -> Option<Violation> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => None,
        Ok(Err(violation)) => Some(violation),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some(Violation { property: Property::Panic, what: text.unwrap_or_default() })
        }
    }
}

/// The smallest options, within those given, under which a seed still breaks something, and what it breaks then: fewer kinds of faults, fewer
/// instances, fewer steps.
pub fn shrink(seed: u64, options: &Options) -> Option<(Options, Violation)> {
    let mut best = options.clone();
    let mut violation = run(seed, &best).violation?;
    let kind = violation.property;
    let mut attempt = |best: &mut Options, candidate: Options| {
        let found = run(seed, &candidate).violation.filter(|found| found.property == kind);
        let still_fails = found.is_some();
        if let Some(found) = found {
            violation = found;
            *best = candidate;
        }
        still_fails
    };
    for fault in Fault::ALL {
        if best.without.contains(fault) {
            continue;
        }
        let mut candidate = best.clone();
        candidate.without.push(*fault);
        attempt(&mut best, candidate);
    }
    for replicas in 2..5 {
        let candidate = Options { replicas: Some(replicas), ..best.clone() };
        if attempt(&mut best, candidate) {
            break;
        }
    }
    for steps in 0..120 {
        let candidate = Options { steps: Some(steps), ..best.clone() };
        if attempt(&mut best, candidate) {
            break;
        }
    }
    Some((best, violation))
}
