//! The fuzz targets on the stable compiler: kept crashers, seeds, and some thousand mutations of them.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that reads files")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use confmesh_tests::fuzz::{TARGETS, Target};
use confmesh_tests::random::{Random, cases};

fn files(folder: &str, target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    [files("crashers", target), files("../fuzz/seeds", target)].concat()
}

/// Runs a target; what it said where it found something.
fn failure(target: &Target, data: &[u8]) -> Option<String> {
    let caught = catch_unwind(AssertUnwindSafe(|| (target.run)(data))).err()?;
    let text = caught.downcast_ref::<String>().cloned();
    Some(text.or_else(|| caught.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default())
}

#[test]
fn seeds_and_kept_crashers_break_no_promise() {
    for target in TARGETS {
        let inputs = inputs(target.name);
        assert!(!inputs.is_empty(), "{} has no seeds", target.name);
        for (file, data) in inputs {
            assert_eq!(failure(target, &data), None, "{file}");
        }
    }
}

#[test]
fn mutated_seeds_break_no_promise() {
    let mut failures = Vec::new();
    for target in TARGETS {
        let seeds: Vec<Vec<u8>> = inputs(target.name).into_iter().map(|(_, data)| data).collect();
        // The first failure of a target is enough.
        failures.extend((0..cases(2_000)).find_map(|case| {
            let data = mutated(&seeds, &mut Random::of(case));
            let why = failure(target, &data)?;
            Some(format!("{}, case {case}: {why}\n  input {:?}", target.name, String::from_utf8_lossy(&data)))
        }));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A few changes to one of the seeds.
fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let range = |data: &[u8], random: &mut Random| {
        let start = random.below(data.len() + 1);
        start..start + random.below((data.len() - start).min(12) + 1)
    };
    let mut data = random.pick(seeds).clone();
    for _ in 0..=random.below(4) {
        let place = range(&data, random);
        let new: Vec<u8> = match random.below(5) {
            0 => Vec::new(),
            1 => random.pick(TOKENS).as_bytes().to_vec(),
            2 => {
                let other = random.pick(seeds);
                other[range(other, random)].to_vec()
            }
            3 => data[range(&data, random)].to_vec(),
            _ => data[place.clone()].iter().map(|byte| byte ^ (1 << random.below(7))).collect(),
        };
        // Half of what is put in takes nothing away.
        let place = if random.below(2) == 0 { place } else { place.start..place.start };
        data.splice(place, new);
    }
    data
}

const TOKENS: &[&str] = &[
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    "  ",
    "\n  ",
    "\n- ",
    ": ",
    ":",
    "- ",
    "? ",
    "#",
    " # c",
    ";",
    "//",
    "/*",
    "*/",
    ",",
    "[",
    "]",
    "{",
    "}",
    "[[",
    "]]",
    "[a]",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "&x ",
    "*x",
    "!!str ",
    "! ",
    "|",
    ">-",
    "|+2",
    "---\n",
    "...\n",
    "%",
    "\\",
    "\\u",
    "\\ud83d",
    "\\\n",
    "0",
    "-",
    "1e9",
    "1e400",
    "18446744073709551616",
    "0x",
    ".",
    "..",
    "*",
    "**",
    "${",
    "$${",
    "}",
    "env:",
    ":-",
    "~0",
    "~1",
    "/",
    "-1",
    "null",
    "true",
    "\"a\"",
    "\"a\":",
    "{}",
    "[]",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "é",
    "😀",
    "\0",
    "=",
    "a=",
    "export ",
    "\n%%\n",
    "<<",
    "inf",
    "nan",
    "1979-05-27T07:32:00Z",
];
