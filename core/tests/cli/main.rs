//! The real binary in temporary directories: every form of every command, what it prints where, and how it exits.
#![cfg(all(feature = "cli", not(target_family = "wasm")))]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "these tests write files, start programs, wait for them, and fail by panicking"
)]

mod backup;
mod bursts;
#[cfg(all(feature = "redis", feature = "mqtt", feature = "kafka"))]
mod buses;
mod conflicts;
mod counters;
mod crash;
mod demo;
mod disk;
mod doctor;
mod files;
mod guarded;
mod history;
#[cfg(all(feature = "redis", feature = "mqtt", feature = "kafka"))]
mod kafka;
mod limits;
mod locks;
mod matrix;
mod metrics;
#[cfg(all(feature = "redis", feature = "mqtt"))]
mod mqtt;
mod notices;
mod offline;
mod online;
mod process;
mod repair;
mod schema;
mod secrets;
mod settings;
mod settling;
mod sources;
mod starts;
mod webhooks;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a command did.
#[derive(Debug)]
pub struct Run {
    /// The exit status.
    pub status: i32,
    /// What it printed.
    pub stdout: String,
    /// What it told.
    pub stderr: String,
}

impl Run {
    /// The data of a command that must succeed and say nothing else.
    #[track_caller]
    pub fn data(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (0, ""), "{self:?}");
        self.stdout
    }

    /// What a command says that must fail without printing data.
    #[track_caller]
    pub fn complaint(self, status: i32) -> String {
        assert_eq!((self.status, self.stdout.as_str()), (status, ""), "{self:?}");
        assert!(!self.stderr.contains("panicked") && !self.stderr.contains("backtrace"), "{}", self.stderr);
        self.stderr
    }
}

/// The program, with nothing of the caller's environment that it would read.
pub fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confmesh"));
    command.current_dir(dir).env_remove("CONFMESH_URL").env_remove("CONFMESH_LOG").env_remove("CONFMESH_TOKEN");
    command
}

/// Runs the program to its end.
pub fn run(dir: &Path, arguments: &[&str]) -> Run {
    run_with(dir, arguments, &[], "")
}

/// Runs the program to its end, with more variables and with input.
pub fn run_with(dir: &Path, arguments: &[&str], variables: &[(&str, &str)], stdin: &str) -> Run {
    let mut command = program(dir);
    command.args(arguments).envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read stdin may have closed it already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Run {
        status: output.status.code().expect("it ends by itself, not by a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A directory with these files.
pub fn dir(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// Reads JSON.
pub fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
