//! What can be said on the command line. The help texts are the manual: each command teaches with one example.
mod offline;
mod online;
mod shared;

use clap::{Parser, Subcommand};

use super::backup::{Backup, Restore};
use super::conflicts::{Assign, Audit, Conflicts, Resolve};
use super::doctor::Doctor;
use super::history::{History, Rollback, Show};
use super::join::{Join, Kept};
use super::key::Key;
use super::lock::Lock;
use super::members::{Expel, ForceSync};
use super::pages::{Completions, Man};
use super::rebuild::Rebuild;
use super::repair::Repair;
use super::token::Token;

/// Merges configuration from many places, explains every value, and keeps every instance in agreement.
#[derive(Debug, Parser)]
#[command(
    name = "confmesh",
    version,
    disable_help_subcommand = true,
    after_help = "\
Start here:
  confmesh merge base.json local.yaml    one document out of many, the later file wins
  confmesh serve --bind config.json      share a file and show it at http://127.0.0.1:8765
  confmesh demo                          two instances on this machine, to play with

stdout carries data only. Exit status: 0 done, 1 something to correct,
2 a failure of confmesh or the system, 3 written but not in force on this instance."
)]
pub(super) struct Arguments {
    /// Print data, and errors, as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Merge(Merge),
    Hash(Hash),
    Diff(Diff),
    Patch(Patch),
    Fmt(Fmt),
    Validate(Validate),
    Schema(SchemaReference),
    Init(Init),
    Explain(Explain),
    Serve(Box<Serve>),
    Config(Box<Config>),
    Get(Get),
    Set(Set),
    Unset(Unset),
    Watch(Watch),
    Status(Status),
    Conflicts(Conflicts),
    Assign(Assign),
    Resolve(Resolve),
    Audit(Audit),
    Lock(Lock),
    History(History),
    Show(Show),
    Rollback(Rollback),
    Expel(Expel),
    Join(Join),
    Kept(Kept),
    ForceSync(ForceSync),
    Repair(Repair),
    Backup(Backup),
    Restore(Restore),
    Rebuild(Rebuild),
    Token(Token),
    Key(Key),
    Doctor(Doctor),
    Completions(Completions),
    Man(Man),
    Demo(Demo),
}

pub(super) use offline::*;
pub(super) use online::*;
pub(super) use shared::*;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_teaches_with_an_example() {
        for command in Arguments::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let called = format!("confmesh {}", command.get_name());
            assert!(help.contains("Example") && help.contains(&called), "{called}: {help}");
            assert!(command.get_about().is_some(), "{called}");
        }
    }
}
