//! Rules about the files of the repository, and how the other rules find them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::{Offence, report};

/// The longest source file; a longer one holds two subjects.
const MAX_LINES: usize = 600;
/// What people write by hand here.
const SOURCES: &[&str] = &["rs", "py", "pyi", "js", "mjs", "ts", "sh", "css", "html", "md", "toml"];
/// What is generated, for folders that are no checkout.
const GENERATED: &[&str] = &["target", "node_modules", "dist", "pkg", ".git", "__pycache__", "results"];

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The files of the repository by their path below its root: what git tracks or would track.
pub fn files() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8(output.stdout).unwrap());
    let mut files = match listed {
        Some(list) => list.split_terminator('\0').map(str::to_owned).collect(),
        None => walk(&root()),
    };
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files.dedup();
    assert!(files.iter().any(|file| file == "core/src/lib.rs"), "the files of the repository were not found");
    files
}

fn walk(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_generated = path.file_name().is_some_and(|name| GENERATED.iter().any(|one| name == *one));
        if path.is_dir() && !is_generated {
            found.extend(walk(&path));
        } else if path.is_file() {
            found.push(path.strip_prefix(root()).unwrap().to_string_lossy().into_owned());
        }
    }
    found
}

/// The sources of `core/src` by their path below that folder.
pub fn core_sources() -> Vec<(String, String)> {
    let below = |file: String| file.strip_prefix("core/src/").filter(|file| file.ends_with(".rs")).map(str::to_owned);
    files()
        .into_iter()
        .filter_map(below)
        .map(|file| (file.clone(), fs::read_to_string(root().join("core/src").join(&file)).unwrap()))
        .collect()
}

/// Words that lead to somebody's machine or private notes. Put together here, so that this file does not hold them.
fn private_words() -> Vec<String> {
    [
        ["/wor", "k/"],
        ["/ro", "ot/"],
        ["/home", "/"],
        ["sha", "red/design"],
        ["sha", "red/toolchain"],
        ["sha", "red/requirements"],
        ["helper", "-rules"],
        ["contracts", ".md"],
        ["convergence", ".md"],
        ["registry", ".npmjs"],
        ["files.python", "hosted"],
        ["static.", "crates.io"],
    ]
    .map(|parts| parts.concat())
    .to_vec()
}

fn private_words_in(file: &str, text: &str) -> Vec<Offence> {
    let words = private_words();
    text.lines()
        .enumerate()
        .flat_map(|(at, line)| words.iter().filter(|word| line.contains(word.as_str())).map(move |word| (at + 1, word)))
        .map(|(line, word)| Offence { file: file.to_owned(), line, rule: format!("mentions `{word}`") })
        .collect()
}

fn extension(file: &str) -> &str {
    file.rsplit_once('.').map_or("", |(_, extension)| extension)
}

#[test]
fn no_source_file_is_longer_than_600_lines() {
    let long = files()
        .into_iter()
        .filter(|file| SOURCES.contains(&extension(file)) && !file.starts_with("tests/data/"))
        // The listing of one native module: it cannot be two files.
        .filter(|file| extension(file) != "pyi")
        .filter_map(|file| {
            let lines = fs::read_to_string(root().join(&file)).unwrap().lines().count();
            let rule = format!("{lines} lines, at most {MAX_LINES}: split it by subject");
            (lines > MAX_LINES).then_some(Offence { file, line: lines, rule })
        })
        .collect::<Vec<_>>();
    report(&long);
}

#[test]
fn no_file_names_a_machine_or_private_notes() {
    let found = files()
        .into_iter()
        .filter_map(|file| Some((fs::read_to_string(root().join(&file)).ok()?, file)))
        .flat_map(|(text, file)| private_words_in(&file, &text))
        .collect::<Vec<_>>();
    report(&found);
}

#[test]
fn private_words_are_found_with_their_line() {
    for word in private_words() {
        let found = private_words_in("a.md", &format!("first\nsee {word} there"));
        assert_eq!(found.iter().map(|o| o.line).collect::<Vec<_>>(), [2], "{word}");
    }
}

#[test]
fn every_package_has_the_version_of_the_workspace() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(read("bindings-node/package.json").contains(&format!("\"version\": \"{version}\"")), "package.json");
    assert!(read("bindings-python/pyproject.toml").contains("dynamic = [\"version\"]"), "pyproject.toml");
    assert!(
        read("CHANGELOG.md").contains("## [Unreleased]") || read("CHANGELOG.md").contains(&format!("## [{version}]"))
    );
}

#[test]
fn every_script_is_executable_and_stops_at_the_first_error() {
    let scripts = files().into_iter().filter(|file| file.starts_with("scripts/") && extension(file) == "sh");
    let mut count = 0;
    for script in scripts {
        let text = fs::read_to_string(root().join(&script)).unwrap();
        assert!(text.contains("set -euo pipefail") || text.contains("env.sh"), "{script} does not stop at errors");
        count += 1;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(root().join(&script)).unwrap().permissions().mode();
            let is_sourced = script.ends_with("env.sh");
            assert_eq!(mode & 0o100 == 0, is_sourced, "{script}: scripts are executable, what they source is not");
        }
    }
    assert!(count > 10, "the scripts were not found");
}

/// Targets that are built without a format would break their promises at the first input, and find nothing else.
#[test]
fn fuzz_targets_are_built_with_all_that_needs_no_system() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap().parse::<toml_edit::DocumentMut>().unwrap();
    let names = |list: &toml_edit::Item| -> Vec<String> {
        list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let fuzzed = names(&read("fuzz/Cargo.toml")["dependencies"]["confmesh"]["features"]);
    let missing: Vec<String> = names(&read("core/Cargo.toml")["features"]["default"])
        .into_iter()
        .filter(|name| !["native", "cli", "redis", "mqtt", "kafka", "serde"].contains(&name.as_str()))
        .filter(|name| !fuzzed.contains(name))
        .collect();
    assert!(missing.is_empty(), "fuzz/Cargo.toml leaves out: {missing:?}");
}
