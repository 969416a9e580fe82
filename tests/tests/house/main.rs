//! The rules of the house: what no compiler checks and nobody should have to remember in a review.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads the repository, and its helpers may panic"
)]

mod floors;
mod mutants;
mod operations;
mod paths;
mod purity;
mod repository;
mod requirements;

/// One broken rule; prints as `file:line: rule`, so that editors and terminals can jump to it.
#[derive(Debug, PartialEq)]
struct Offence {
    file: String,
    line: usize,
    rule: String,
}

/// Fails with every offence, if there are any.
#[track_caller]
fn report(offences: &[Offence]) {
    let lines = offences.iter().map(|o| format!("  {}:{}: {}\n", o.file, o.line, o.rule)).collect::<String>();
    assert!(offences.is_empty(), "{} offences against the rules of the house:\n{lines}", offences.len());
}
