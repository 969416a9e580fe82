//! The mutation gate: breaks the implementation in one known way after the other, and has the simulator find each.
//!
//! An edit that no longer applies fails the gate, and so does a mutant that survives.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a command of the tests: it copies the sources, builds them and measures the time"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, fs, io};

use confmesh_tests::mutants::{Mutant, mutants};

const RUNS: &str = "5000";
const BINARY: &str = "confmesh-simulate";

/// The tree that is broken, and where it is built: kept between mutants, so that only what changed is built again.
struct Workshop {
    tree: PathBuf,
    target: PathBuf,
}

fn main() -> ExitCode {
    let wanted: Vec<String> = env::args().skip(1).collect();
    match gate(&wanted) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn gate(wanted: &[String]) -> io::Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let shop = workshop(&root)?;
    let mut all_fine = true;
    let mut table = Vec::new();
    // A simulator that finds fault with what is whole would find every mutant. Where only some are asked for that is known.
    for starts in if wanted.is_empty() { &[false, true][..] } else { &[] }.iter().copied() {
        let unbroken = shop.simulate(starts)?;
        println!("{:<36} {unbroken}", if starts { "(unbroken, starts)" } else { "(unbroken)" });
        if !unbroken.starts_with("SURVIVED") {
            return Err(io::Error::other("the simulator does not pass the sources as they are; mend that first"));
        }
    }
    for mutant in mutants(&root)? {
        if !wanted.is_empty() && !wanted.contains(&mutant.name) {
            continue;
        }
        let began = Instant::now();
        let verdict = shop.trial(&mutant)?;
        let is_fine = verdict.starts_with("found");
        all_fine &= is_fine;
        let row = format!("{:<36} {:<34} {:>4} s  {}", mutant.name, verdict, began.elapsed().as_secs(), mutant.says);
        println!("{row}");
        table.push((is_fine, row));
    }
    let failed = table.iter().filter(|(is_fine, _)| !is_fine).count();
    println!("\nmutants={} found={} failed={failed}", table.len(), table.len() - failed);
    Ok(all_fine && !table.is_empty())
}

/// Copies what git knows of the repository; a file that is the same stays as it is.
fn workshop(root: &Path) -> io::Result<Workshop> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let shop = Workshop { tree: target.join("mutants/tree"), target: target.join("mutants/target") };
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output()?;
    for file in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
        let (from, to) = (root.join(file), shop.tree.join(file));
        let Ok(content) = fs::read(&from) else { continue };
        put(&to, &content)?;
    }
    Ok(shop)
}

fn put(file: &Path, content: &[u8]) -> io::Result<()> {
    if fs::read(file).is_ok_and(|there| there == content) {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, content)
}

impl Workshop {
    /// Breaks the tree, has the simulator look, and mends it.
    fn trial(&self, mutant: &Mutant) -> io::Result<String> {
        let broken = match mutant.sources(&self.tree)? {
            Ok(broken) => broken,
            Err(file) => return Ok(format!("DOES NOT APPLY to {file}")),
        };
        let mut whole = Vec::new();
        for (file, source) in broken {
            whole.push((fs::read(&file)?, file.clone()));
            fs::write(file, source)?;
        }
        let verdict = self.simulate(mutant.starts);
        for (source, file) in whole {
            fs::write(file, source)?;
        }
        verdict
    }

    fn simulate(&self, starts: bool) -> io::Result<String> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--quiet", "--profile", "simulate", "-p", "confmesh-tests", "--no-default-features"])
            .args(["--bin", BINARY])
            .env("CARGO_TARGET_DIR", &self.target)
            .env("RUSTFLAGS", "-Awarnings")
            .current_dir(&self.tree)
            .output()?;
        if !built.status.success() {
            let first = String::from_utf8_lossy(&built.stderr).lines().next().unwrap_or_default().to_owned();
            return Ok(format!("DOES NOT BUILD: {first}"));
        }
        let ran = Command::new(self.target.join("simulate").join(BINARY))
            .args(["--runs", RUNS, "--most-failures", "1", "--quiet"])
            .args(starts.then_some("--starts"))
            .output()?;
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        let found = text.lines().find(|line| line.starts_with("seed "));
        let count = text.lines().find_map(|line| line.strip_prefix("runs=")?.split(' ').next());
        Ok(match (found, count) {
            (Some(line), Some(runs)) => {
                let property = line.split(": ").nth(1).unwrap_or("?");
                format!("found after {runs} runs ({property})")
            }
            _ => format!("SURVIVED {RUNS} runs"),
        })
    }
}
