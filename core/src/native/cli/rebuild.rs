//! `confmesh rebuild`: the way out of a damaged store.
use std::path::PathBuf;

use clap::Args;

use super::output::{DONE, Outcome, json, say};
use super::serve::data_dir_beside;
use crate::native::mesh;
use crate::value::Value;

/// Gives a damaged store up, so that the instance takes the document from the others.
#[derive(Debug, Args)]
#[command(after_help = "\
The store is kept beside the new one. At its next start the instance takes the document from
the first peer that has it, and waits for one as long as it takes: it does not begin a document
of its own, and what its bound file says is kept as FILE.before-join where it differs. Where
history is dropped (`serve --settle`), expel the old member: `confmesh expel`.

Example: after `confmesh serve --bind config.json` refused to start:
  confmesh rebuild --bind config.json
  confmesh serve --bind config.json --peer wss://10.0.0.7:8765/sync")]
pub(super) struct Rebuild {
    /// Where the instance remembers. Default: .NAME.confmesh beside the bound file NAME, else ./.confmesh.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The file that the instance binds; only its name is needed.
    #[arg(long, value_name = "FILE")]
    pub bind: Option<PathBuf>,
    /// Give up a store that is in order as well, with what only this instance wrote.
    #[arg(long)]
    pub force: bool,
}

pub(super) fn run_rebuild(arguments: &Rebuild, as_json: bool) -> Outcome {
    let dir = arguments.data_dir.clone().unwrap_or_else(|| data_dir_beside(arguments.bind.as_deref()));
    let kept = mesh::rebuild(&dir, arguments.force)?;
    let kept = kept.map(|kept| kept.display().to_string());
    if as_json {
        let kept = kept.map_or(Value::Null, Value::from);
        json(&[("kept", kept)].into_iter().collect())?;
    } else {
        match kept {
            Some(kept) => say(format!("the old store is kept as `{kept}`")),
            None => say(format!("there was no store in `{}`", dir.display())),
        }
        say("start the instance again: it takes the document from the first peer that has it");
    }
    Ok(DONE)
}
