//! `confmesh backup` and `confmesh restore`.
use std::path::{Path, PathBuf};

use clap::Args;

use super::arguments::Instance;
use super::client::Client;
use super::output::{DONE, Outcome, Stop, data, json, say};
use super::serve::data_dir_beside;
use crate::native::mesh::{BackedUp, backup_bytes, backup_directory, read_backed_up, restore};
use crate::native::store::write_backup;
use crate::value::Value;

/// Writes everything that an instance keeps into one file, which says whether it is whole.
#[derive(Debug, Args)]
#[command(after_help = "\
It asks the running instance, which goes on meanwhile; with `--data-dir` or `--bind` it reads the
directory of one that is stopped. All that was acknowledged before is in it: the document, its
history, open conflicts, locks. The file is for its owner alone: secrets that are sealed on disk
stay sealed, all else is in it as it is. The key of the instance is not in it.

Example:
  confmesh backup config-2026-12-01.backup
  confmesh backup config.backup --data-dir /var/lib/confmesh --force")]
pub(super) struct Backup {
    /// The file to write.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Read this data directory, of an instance that is stopped.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The same, of the instance that binds this file.
    #[arg(long, value_name = "FILE", conflicts_with = "data_dir")]
    pub bind: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub instance: Instance,
}

/// Puts a backup into the data directory of a stopped instance.
#[derive(Debug, Args)]
#[command(after_help = "\
The instance comes back as another one, with a new key and a new name: it keeps what it had
written, takes from its peers all that was written since, and takes none of that back. What its
bound file says is kept as FILE.before-join where it differs from the document. Nothing is written
under an old name again, so one backup may be restored on several machines.

Where a fleet drops history (`serve --settle`) it asks a member to let it in, and the old one is
expelled: `confmesh expel`. Where nobody is left: `confmesh repair --yes` makes it the first member,
and `confmesh lock authority --take --yes` lets it grant locks. To take a mistake back, do not
restore: `confmesh rollback VERSION`.

A store that is there is kept aside. A damaged backup is refused, and nothing is changed.

Example:
  confmesh restore config.backup --dry-run
  confmesh restore config.backup --bind config.json")]
pub(super) struct Restore {
    /// The backup.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where the instance remembers. Default: .NAME.confmesh beside the bound file NAME, else ./.confmesh.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The file that the instance binds; only its name is needed.
    #[arg(long, value_name = "FILE")]
    pub bind: Option<PathBuf>,
    /// Set a store aside that holds a document, with what only this instance wrote since the backup.
    #[arg(long)]
    pub force: bool,
    /// Only read the backup, compare it with its checksum, and say what is in it.
    #[arg(long)]
    pub dry_run: bool,
}

pub(super) fn run_backup(arguments: &Backup, as_json: bool) -> Outcome {
    let Backup { file, data_dir, bind, force, instance } = arguments;
    let dir = data_dir.clone().or_else(|| bind.as_ref().map(|bind| data_dir_beside(Some(bind))));
    let (made, documents, records) = match dir {
        Some(dir) => {
            let BackedUp { made, documents, records, .. } = backup_directory(&dir, file, *force)?;
            (made, documents, records)
        }
        None => asked(instance, file, *force)?,
    };
    if as_json {
        let documents: Vec<Value> = documents.iter().map(|name| name.as_str().into()).collect();
        let fields: [(&str, Value); 4] = [
            ("file", file.display().to_string().into()),
            ("made", made.into()),
            ("documents", documents.into()),
            ("records", records.into()),
        ];
        json(&fields.into_iter().collect())?;
    } else {
        say(format!("wrote `{}`: {} records of {}, as of {made}", file.display(), records, named(&documents)));
    }
    Ok(DONE)
}

/// Of the running instance.
fn asked(instance: &Instance, file: &Path, force: bool) -> Result<(String, Vec<String>, u64), Stop> {
    let answer = Client::new(instance)?.call("GET", "/backup", None)?;
    write_backup(file, &backup_bytes(&answer)?, force)?;
    // What came over the wire is read again as a restore reads it.
    let BackedUp { made, documents, records, .. } = read_backed_up(file)?;
    Ok((made, documents, records))
}

fn named(documents: &[String]) -> String {
    documents.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

pub(super) fn run_restore(arguments: &Restore, as_json: bool) -> Outcome {
    let Restore { file, data_dir, bind, force, dry_run } = arguments;
    if *dry_run {
        let found = read_backed_up(file)?;
        if as_json {
            json(&found.to_value())?;
        } else {
            let (documents, records) = (named(&found.documents), found.records);
            data(&format!("{records} records of {documents}, as of {}, by confmesh {}\n", found.made, found.version))?;
        }
        return Ok(DONE);
    }
    let dir = data_dir.clone().unwrap_or_else(|| data_dir_beside(bind.as_deref()));
    let done = restore(&dir, file, *force)?;
    if as_json {
        json(&done.to_value())?;
        return Ok(DONE);
    }
    let backup = &done.backup;
    say(format!("restored {} as of {} into `{}`", named(&backup.documents), backup.made, dir.display()));
    if let Some(kept) = &done.kept {
        say(format!("the store that was there is kept as `{}`", kept.display()));
    }
    say("start the instance: it comes back as another one, and takes from its peers what was written since");
    Ok(DONE)
}
