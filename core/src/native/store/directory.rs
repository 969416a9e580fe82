//! The data directory: made for its owner alone, trusted only where nobody else can change it, used by one process.
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write as _};
use std::path::Path;

use crate::error::{Code, Error, Result};
use crate::native::io_error::failure;

/// Held for as long as the store lives; the operating system frees it however the process ends.
#[derive(Debug)]
pub(super) struct Lock(pub(super) File);

impl Drop for Lock {
    /// Closing alone would not do: a process that another thread is just starting holds the file too, for a moment.
    fn drop(&mut self) {
        let _ = self.0.unlock(); // closing follows
    }
}

/// Makes the directory where it is missing, and makes this process the only user of it.
///
/// # Errors
/// [`Code::InUse`] where another process is, [`Code::Store`] where others could change what is in it, or for the disk.
pub(super) fn take(dir: &Path) -> Result<Lock> {
    create(dir).map_err(|error| failure(Code::Store, "create", dir, &error))?;
    check(dir)?;
    lock(dir)
}

/// Creates the data directory for its owner alone: it will hold what the configuration holds.
fn create(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Refuses a directory that somebody else may fill: with links to files of ours, or with a document of theirs.
#[cfg(unix)]
fn check(dir: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::metadata(dir).map_err(|error| failure(Code::Store, "open", dir, &error))?;
    let (own, owner) = (rustix::process::geteuid().as_raw(), found.uid());
    // The administrator can do everything anyway, and volumes are often the administrator's.
    if owner != own && owner != 0 {
        let message = format!(
            "the data directory `{}` belongs to another user (id {owner}; this process runs as {own})",
            dir.display()
        );
        return Err(Error::new(Code::Store, message)
            .with_hint("name a directory of your own, or give this one to the user that runs confmesh (`chown`)"));
    }
    if found.mode() & 0o002 != 0 {
        let message = format!("everybody may write to the data directory `{}`", dir.display());
        return Err(Error::new(Code::Store, message).with_hint(
            "take that right away (`chmod o-w`), or name a directory in it: it is made for its owner alone",
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check(_: &Path) -> Result<()> {
    Ok(())
}

/// A file that only its owner may read, created where it is missing. Never one that a link points to.
pub(super) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A pipe that nobody reads would be waited for.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    let is_link = || fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let file = options.open(path).map_err(|error| if is_link() { planted("is a symbolic link") } else { error })?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(planted("is no plain file"));
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&found) > 1 {
        return Err(planted("is a file that has a second name"));
    }
    Ok(file)
}

fn planted(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("it {what}, which confmesh never makes; remove it"))
}

/// Makes this process the only user of the directory.
fn lock(dir: &Path) -> Result<Lock> {
    let path = dir.join("lock");
    let fail = |error: io::Error| failure(Code::Store, "lock", &path, &error);
    let mut file = open_private(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let _ = (&mut file).take(32).read_to_string(&mut owner); // only to name it
            let owner = match owner.trim().parse::<u32>() {
                Ok(pid) => format!("another confmesh (pid {pid})"),
                Err(_) => "another confmesh".to_owned(),
            };
            return Err(Error::new(Code::InUse, format!("`{}` is in use by {owner}", dir.display()))
                .with_hint("stop that instance, or give this one a data directory of its own"));
        }
        Err(TryLockError::Error(error)) => return Err(fail(error)),
    }
    // Whom it names is only a courtesy: a full disk is told by who needs the room.
    let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(Lock(file))
}
