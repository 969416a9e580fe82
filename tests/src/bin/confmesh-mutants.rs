//! The mutation gate: breaks the implementation in one known way after the other, and has the simulator find each.
//!
//! A mutant is a file in `tests/mutants/`: a sentence, and edits that replace a text which stands in a file exactly once.
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

use toml_edit::{DocumentMut, Item};

const RUNS: &str = "5000";
const BINARY: &str = "confmesh-simulate";

struct Mutant {
    name: String,
    says: String,
    edits: Vec<Edit>,
}

struct Edit {
    file: String,
    find: String,
    replace: String,
}

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
    for mutant in mutants(&root.join("tests/mutants"))? {
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

fn mutants(folder: &Path) -> io::Result<Vec<Mutant>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> io::Result<Mutant> {
    let bad = |why: String| io::Error::other(format!("{}: {why}", file.display()));
    let document: DocumentMut = fs::read_to_string(file)?.parse().map_err(|error| bad(format!("{error}")))?;
    let text = |item: Option<&Item>, name: &str| {
        let found = item.and_then(Item::as_str).map(str::to_owned);
        found.ok_or_else(|| bad(format!("`{name}` is missing")))
    };
    let edits =
        document.get("edit").and_then(Item::as_array_of_tables).ok_or_else(|| bad("no `[[edit]]`".to_owned()))?;
    let edit = |table: &toml_edit::Table| {
        let field = |name: &str| text(table.get(name), name);
        Ok(Edit { file: field("file")?, find: field("find")?, replace: field("replace")? })
    };
    Ok(Mutant {
        name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        says: text(document.get("says"), "says")?,
        edits: edits.iter().map(edit).collect::<io::Result<_>>()?,
    })
}

impl Workshop {
    /// Breaks the tree, has the simulator look, and mends it.
    fn trial(&self, mutant: &Mutant) -> io::Result<String> {
        let mut verdict = None;
        let mut whole = Vec::new();
        for edit in &mutant.edits {
            let file = self.tree.join(&edit.file);
            let source = fs::read_to_string(&file)?;
            if source.matches(&edit.find).count() != 1 {
                verdict = Some(format!("DOES NOT APPLY to {}", edit.file));
                break;
            }
            fs::write(&file, source.replace(&edit.find, &edit.replace))?;
            whole.push((file, source));
        }
        let verdict = match verdict {
            Some(verdict) => verdict,
            None => self.simulate()?,
        };
        for (file, source) in whole.into_iter().rev() {
            fs::write(file, source)?;
        }
        Ok(verdict)
    }

    fn simulate(&self) -> io::Result<String> {
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
