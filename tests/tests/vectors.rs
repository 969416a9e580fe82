//! Runs every case of `vectors/` through the Rust core: the same answers are owed in every language.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test that reads files")]

use std::collections::BTreeSet;

use confmesh::Value;
use confmesh::canonical::canonical;
use confmesh::format::{Format, parse};
use confmesh_tests::run_case;

/// Why a case fails; none if it passes.
fn failure(case: &Value) -> Option<String> {
    let op = case.child("op")?.as_str()?;
    let text = |name: &str| case.child(name).and_then(Value::as_str);
    match (run_case(op, case), text("error"), text("expect_text"), case.child("expect")) {
        (Ok(got), None, Some(want), None) => (got != want).then(|| format!("got {got}, want {want}")),
        (Ok(got), None, None, Some(want)) => {
            let want = canonical(want);
            (got != want).then(|| format!("\n  got  {got}\n  want {want}"))
        }
        (Err(error), Some(code), None, None) => {
            (error.code().as_str() != code).then(|| format!("got error {error:?}, want `{code}`"))
        }
        (Ok(got), Some(code), None, None) => Some(format!("got {got}, want error `{code}`")),
        (Err(error), None, _, _) => Some(format!("got error {error:?}")),
        _ => Some("a case has exactly one of `expect`, `expect_text` and `error`".to_owned()),
    }
}

#[test]
fn every_case_of_the_corpus_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let (mut ran, mut failures) = (0, Vec::new());
    let mut titles = BTreeSet::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy();
        let corpus = parse(&std::fs::read_to_string(file).unwrap(), Format::Json).unwrap();
        let cases = corpus.child("cases").and_then(Value::as_list).unwrap_or_else(|| panic!("{name} has no cases"));
        assert!(!cases.is_empty(), "{name} has no cases");
        for case in cases {
            let title = case.child("name").and_then(Value::as_str).unwrap_or_else(|| panic!("{name}: no name"));
            assert!(case.child("op").and_then(Value::as_str).is_some(), "{name}: `{title}` has no op");
            assert!(titles.insert((name.to_string(), title.to_owned())), "{name}: two cases are called `{title}`");
            failures.extend(failure(case).map(|why| format!("{name}: {title}: {why}")));
            ran += 1;
        }
    }
    assert!(failures.is_empty(), "{} of {ran} cases fail:\n{}", failures.len(), failures.join("\n"));
    assert!(files.len() >= 14 && ran >= 400, "only {ran} cases in {} files", files.len());
}

#[test]
fn an_unknown_operation_fails() {
    let case: Value = [("op", "no_such_op"), ("text", "1"), ("expect_text", "1")].into_iter().collect();
    assert!(failure(&case).is_some_and(|why| why.contains("unknown op")));
}

#[test]
fn a_wrong_expectation_is_noticed() {
    let case = |fields: &[(&str, &str)]| -> Value { fields.iter().map(|(k, v)| (*k, *v)).collect() };
    for wrong in [
        case(&[("op", "canonical"), ("text", "1"), ("expect_text", "2")]),
        case(&[("op", "canonical"), ("text", "1"), ("expect", "1")]),
        case(&[("op", "canonical"), ("text", "1"), ("error", "syntax")]),
        case(&[("op", "canonical"), ("text", "x"), ("error", "type")]),
        case(&[("op", "canonical"), ("text", "1")]),
    ] {
        assert!(failure(&wrong).is_some(), "{wrong:?}");
    }
}
