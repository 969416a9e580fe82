//! Completions and pages for `man`, made of the commands themselves: `confmesh completions`, `confmesh man`.
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::arguments::Arguments;
use super::listed;
use super::output::{CORRECTABLE, DONE, Outcome, Stop, data};
use crate::error::Code;
use crate::native::io_error::failure;

/// Prints what a shell completes commands and options with.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: for every new shell of yours
  confmesh completions bash > ~/.local/share/bash-completion/completions/confmesh
  confmesh completions zsh > ~/.zfunc/_confmesh
  confmesh completions fish > ~/.config/fish/completions/confmesh.fish")]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Prints the page for `man`, or writes one for each command into a directory.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  confmesh man --dir ~/.local/share/man/man1 && man confmesh-serve")]
pub(super) struct Man {
    /// Write confmesh.1, confmesh-serve.1 and so on into this directory, which is made where it is missing.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// All commands, those that are made of the list of operations included.
fn command() -> clap::Command {
    listed::with_rows(Arguments::command())
}

pub(super) fn run_completions(arguments: &Completions) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(), "confmesh", &mut text);
    data(&String::from_utf8_lossy(&text))?;
    Ok(DONE)
}

pub(super) fn run_man(arguments: &Man) -> Outcome {
    let Some(dir) = &arguments.dir else {
        let mut text = Vec::new();
        let made = clap_mangen::Man::new(command()).render(&mut text);
        made.map_err(|error| wrong("write", Path::new("the page"), &error))?;
        data(&String::from_utf8_lossy(&text))?;
        return Ok(DONE);
    };
    fs::create_dir_all(dir).map_err(|error| wrong("make", dir, &error))?;
    clap_mangen::generate_to(command(), dir).map_err(|error| wrong("write pages into", dir, &error))?;
    Ok(DONE)
}

fn wrong(what: &str, path: &Path, error: &std::io::Error) -> Stop {
    Stop::Error(failure(Code::File, what, path, error), CORRECTABLE)
}
