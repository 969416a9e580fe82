//! A store that is given up: kept beside the new one, which takes the document from other instances and from nowhere else.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::database::{FILE, NEXT, Write, create};
use super::directory::{Lock, take};
use crate::error::{Code, Result};
use crate::native::file::sync_directory;
use crate::native::io_error::failure;

/// What [`set_aside`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where the old store is now; none where there was none.
    pub kept: Option<PathBuf>,
}

/// Keeps the store of a data directory aside, whatever is in it, and makes a new one that holds `records`.
///
/// Interrupted anywhere, the directory holds the old store or the new one: no start finds none and begins anew.
///
/// # Errors
/// [`Code::InUse`] while an instance uses the directory, [`Code::Store`] where the disk fails.
pub fn set_aside(dir: &Path, records: &[Write]) -> Result<SetAside> {
    set_aside_locked(dir, records, &take(dir)?)
}

/// The same, by who holds the directory already.
pub(super) fn set_aside_locked(dir: &Path, records: &[Write], _lock: &Lock) -> Result<SetAside> {
    let (path, next) = (dir.join(FILE), dir.join(NEXT));
    let fail = |error: io::Error| failure(Code::Store, "set aside", &path, &error);
    create(dir, NEXT, records)?;
    let kept = match fs::symlink_metadata(&path) {
        Ok(_) => {
            let kept = free_name(&path);
            fs::rename(&path, &kept).map_err(fail)?;
            Some(kept)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(fail(error)),
    };
    // Whoever opens the directory in between finds the next one and takes it.
    fs::rename(&next, &path).and_then(|()| sync_directory(dir)).map_err(fail)?;
    Ok(SetAside { kept })
}

/// `<path>.aside`, or with a number where that is taken.
pub(super) fn free_name(path: &Path) -> PathBuf {
    let name = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(if number == 0 { ".aside".to_owned() } else { format!(".aside-{number}") });
        PathBuf::from(name)
    };
    let is_free = |candidate: &PathBuf| fs::symlink_metadata(candidate).is_err();
    (0..u32::MAX).map(name).find(is_free).unwrap_or_else(|| name(u32::MAX))
}
