//! Above the gate nothing touches the world: no clock, file, environment, socket, thread, unordered map or `unsafe`.

use super::paths::{named_below, without_comments_and_literals};
use super::repository::core_sources;
use super::{Offence, report};

/// Modules of the standard library that decide nothing.
const MODULES: &[&str] = &["time", "fs", "env", "net", "thread", "process"];
/// Words that stand for a way around the rule.
const WORDS: &[&str] = &["HashMap", "HashSet", "unsafe", "async", "await", "tokio"];

fn is_above_the_gate(file: &str) -> bool {
    let is_test = file.ends_with("/tests.rs") || file.contains("/tests/");
    file != "main.rs" && !file.starts_with("native/") && !is_test
}

fn check(file: &str, source: &str) -> Vec<Offence> {
    let code = without_comments_and_literals(source);
    // Unit tests close a file.
    let code = code.split_once("\n#[cfg(test)]\nmod ").map_or(code.as_str(), |(code, _)| code);
    let offence = |line, what: &str| Offence {
        file: format!("core/src/{file}"),
        line,
        rule: format!("`{what}` above the gate: what decides never touches the world"),
    };
    let modules = named_below("std", code)
        .into_iter()
        .filter(|named| named.segments.first().is_some_and(|first| MODULES.contains(&first.as_str())))
        .map(|named| offence(named.line, &format!("std::{}", named.segments.join("::"))));
    let words = code.lines().enumerate().flat_map(|(at, line)| {
        line.split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .filter(|word| WORDS.contains(word))
            .map(move |word| offence(at + 1, word))
    });
    modules.chain(words).collect()
}

#[test]
fn nothing_above_the_gate_touches_the_world() {
    let sources = core_sources().into_iter().filter(|(file, _)| is_above_the_gate(file)).collect::<Vec<_>>();
    assert!(sources.len() > 5, "the sources of core were not found");
    report(&sources.iter().flat_map(|(file, source)| check(file, source)).collect::<Vec<_>>());
}

#[test]
fn impure_lines_are_found() {
    for (source, line) in [
        ("use std::time::Instant;", 1),
        ("use std::fmt;\nuse std::{collections::BTreeMap, fs};", 2),
        ("fn f() {\n    std::env::var(\"X\").ok();\n}", 2),
        ("use std::collections::HashMap;", 1),
        ("\n\nunsafe { }", 3),
        ("pub async fn f() {}", 1),
    ] {
        let found = check("merge/mod.rs", source);
        assert_eq!(found.iter().map(|o| o.line).collect::<Vec<_>>(), [line], "{source}: {found:?}");
    }
}

#[test]
fn pure_lines_and_unit_tests_pass() {
    let source = "//! No `std::fs`, no HashMap.\nuse std::{fmt, sync::Arc};\nconst WHY: &str = \"unsafe\";\n\
        #[cfg(test)]\nmod tests {\n    use std::collections::HashSet;\n}";
    assert_eq!(check("merge/mod.rs", source), []);
    assert!(!is_above_the_gate("native/watch/mod.rs"));
}
