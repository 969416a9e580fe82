//! The fuzz targets on the stable compiler: kept crashers, seeds, and some thousand mutations of them.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that reads files"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use confmesh_tests::fuzz::{TARGETS, Target};

/// How many mutations each target gets; the variable `CONFMESH_CASES` of the build overrides it.
fn cases(default: u64) -> u64 {
    option_env!("CONFMESH_CASES").and_then(|text| text.parse().ok()).unwrap_or(default)
}

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
            let data = Mutation(case).of(&seeds);
            let why = failure(target, &data)?;
            Some(format!("{}, case {case}: {why}\n  input {:?}", target.name, String::from_utf8_lossy(&data)))
        }));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// SplitMix64 (Steele, Lea and Flood 2014), which picks what to change.
struct Mutation(u64);

impl Mutation {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap() % bound.max(1)
    }

    fn range(&mut self, data: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(data.len() + 1);
        start..start + self.below((data.len() - start).min(12) + 1)
    }

    fn of(mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let pick = self.below(seeds.len());
        let mut data = seeds[pick].clone();
        for _ in 0..=self.below(4) {
            let range = self.range(&data);
            let new: Vec<u8> = match self.below(5) {
                0 => Vec::new(),
                1 => TOKENS[self.below(TOKENS.len())].into(),
                2 => {
                    let other = &seeds[self.below(seeds.len())];
                    other[self.range(other)].to_vec()
                }
                3 => data[self.range(&data)].to_vec(),
                _ => data[range.clone()].iter().map(|byte| byte ^ (1 << self.below(7))).collect(),
            };
            // Half of what is put in takes nothing away.
            let range = if self.below(2) == 0 { range } else { range.start..range.start };
            data.splice(range, new);
        }
        data
    }
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
