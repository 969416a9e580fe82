//! The README's shell sessions, line by line: every `$` line is run and must print what stands below it.
#![cfg(feature = "cli")]

use std::io::Write;
use std::process::{Command, Stdio};

const README: &str = include_str!("../../README.md");

/// What a reader types, and what the README says they then see.
struct Exchange {
    command: String,
    output: String,
}

fn sessions() -> Vec<Vec<Exchange>> {
    let blocks =
        README.split("```console\n").skip(1).filter_map(|rest| rest.split_once("```\n")).map(|(block, _)| block);
    blocks
        .map(|block| {
            let mut session: Vec<Exchange> = Vec::new();
            for line in block.lines() {
                match (line.strip_prefix("$ "), session.last_mut()) {
                    (Some(command), _) => session.push(Exchange { command: command.to_owned(), output: String::new() }),
                    (None, Some(last)) => last.output.push_str(&format!("{line}\n")),
                    (None, None) => assert!(line.is_empty(), "a session of the README starts with output: {line}"),
                }
            }
            session
        })
        .collect()
}

#[cfg(unix)]
#[test]
fn every_shell_session_of_the_readme_prints_what_it_says() {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_confmesh"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env!("PATH"));
    let sessions = sessions();
    assert!(!sessions.is_empty());
    for session in sessions {
        let directory = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh")
            .current_dir(directory.path())
            .env("PATH", &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let script: String = session.iter().map(|step| format!("{}\necho '\u{1}'\n", step.command)).collect();
        shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = shell.wait_with_output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let printed: Vec<&str> = printed.split("\u{1}\n").collect();
        for (step, printed) in session.iter().zip(printed) {
            assert_eq!(printed, step.output, "$ {}\n{errors}", step.command);
        }
    }
}
