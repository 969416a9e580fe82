//! `confmesh key`: keys that seal secrets on the disk.
use clap::{Args, Subcommand};

use super::output::{DONE, Outcome, data, json};
use crate::error::{Code, Error};
use crate::secret::key_line;
use crate::value::Value;

/// Makes keys that seal what must not lie on a disk as it is.
#[derive(Debug, Args)]
#[command(after_help = "\
The first key of a key file seals, every one opens. To change it, add the new line last on every
machine, then put it first everywhere; the old one may go once nothing is sealed with it.

Example: a key file for its owner alone:
  (umask 077; confmesh key new > confmesh.key)
  confmesh serve --encrypt-key-file confmesh.key --source https://config.example/app;secret")]
pub(super) struct Key {
    #[command(subcommand)]
    pub command: Commands,
}

#[derive(Debug, Subcommand)]
pub(super) enum Commands {
    /// Prints a new key line.
    New,
}

pub(super) fn run_key(arguments: &Key, as_json: bool) -> Outcome {
    match arguments.command {
        Commands::New => {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes)
                .map_err(|error| Error::new(Code::Internal, format!("the system gives no random numbers: {error}")))?;
            let line = key_line(&bytes);
            if as_json {
                json(&[("key", Value::from(line))].into_iter().collect())?
            } else {
                data(&format!("{line}\n"))?
            }
            Ok(DONE)
        }
    }
}
