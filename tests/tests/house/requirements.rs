//! `tests/requirements*.toml` say which tests prove which requirement, `tests/properties.toml` which ones show what holds of
//! the replicated document; every test that they name exists.

use std::fs;

use toml_edit::{DocumentMut, Item};

use super::repository::root;

/// Why an entry is wrong, for every entry that is; `read` gives a file's text.
fn check(table: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let document = table.parse::<DocumentMut>().unwrap();
    let mut wrong = Vec::new();
    for (id, entry) in document.iter() {
        if entry.get("says").and_then(Item::as_str).is_none_or(str::is_empty) {
            wrong.push(format!("{id}: `says` is missing"));
        }
        let tests = entry.get("tests").and_then(Item::as_array).cloned().unwrap_or_default();
        if tests.is_empty() {
            wrong.push(format!("{id}: names no test"));
        }
        for test in tests.iter().map(|test| test.as_str().unwrap_or_default()) {
            let Some((file, name)) = test.split_once("::") else {
                wrong.push(format!("{id}: `{test}` is not `file::test name`"));
                continue;
            };
            match read(file) {
                None => wrong.push(format!("{id}: file `{file}` does not exist")),
                Some(text) if !is_test_in(file, name, &text) => {
                    wrong.push(format!("{id}: `{file}` has no test `{name}`"));
                }
                Some(_) => {}
            }
        }
    }
    wrong
}

/// Whether a file holds a test of this name, in the manner of its language.
fn is_test_in(file: &str, name: &str, text: &str) -> bool {
    match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("rs") => {
            let function = format!("fn {name}(");
            let mut before = text.match_indices(&function).filter_map(|(at, _)| text.get(..at));
            // `#[test]`, `#[tokio::test]`, `#[track_caller]` and others may stand between the last item and the name.
            before.any(|before| before.rsplit(['}', ';']).next().is_some_and(|head| head.contains("test]")))
                || text.contains("proptest!") && text.contains(&function)
        }
        Some("py") => text.contains(&format!("\ndef {name}(")) || text.contains(&format!("\nasync def {name}(")),
        Some("js" | "mjs") => text.contains(&format!("test(\"{name}\"")),
        _ => false,
    }
}

#[test]
fn every_requirement_names_tests_that_exist() {
    for file in [
        "tests/requirements.toml",
        "tests/requirements-files.toml",
        "tests/requirements-sources.toml",
        "tests/requirements-guard.toml",
        "tests/requirements-hooks.toml",
        "tests/requirements-bus.toml",
        "tests/requirements-history.toml",
        "tests/requirements-operations.toml",
        "tests/requirements-compat.toml",
        "tests/requirements-doors.toml",
        "tests/properties.toml",
    ] {
        let table = fs::read_to_string(root().join(file)).unwrap();
        let wrong = check(&table, |file| fs::read_to_string(root().join(file)).ok());
        assert!(wrong.is_empty(), "{file}:\n  {}", wrong.join("\n  "));
    }
}

#[test]
fn wrong_entries_are_found() {
    let read = |file: &str| (file == "a.rs").then(|| "#[test]\nfn is_here() {}\nfn helper() {}".to_owned());
    for (entry, expected) in [
        ("says = \"x\"\ntests = []", "names no test"),
        ("tests = [\"a.rs::is_here\"]", "`says` is missing"),
        ("says = \"x\"\ntests = [\"a.rs\"]", "is not `file::test name`"),
        ("says = \"x\"\ntests = [\"b.rs::is_here\"]", "does not exist"),
        ("says = \"x\"\ntests = [\"a.rs::is_gone\"]", "has no test `is_gone`"),
        ("says = \"x\"\ntests = [\"a.rs::helper\"]", "has no test `helper`"),
    ] {
        let wrong = check(&format!("[S0-1]\n{entry}"), read);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong.concat().contains(expected), "{wrong:?}");
    }
    assert_eq!(check("[S0-1]\nsays = \"x\"\ntests = [\"a.rs::is_here\"]", read), [""; 0]);
}
