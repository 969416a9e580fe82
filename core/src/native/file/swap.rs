//! Taking the place of a file whose owner may be saving it at that moment.
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use super::{Replaced, decode, keep_text, read_regular};
use crate::error::{Code, Result};
use crate::limits::MAX_TEXT_BYTES;
use crate::native::io_error::failure;

/// What [`swap_in`] did.
pub(super) enum Swapped {
    /// The new file has the name; the old one is handed out, open.
    In(File),
    /// The old file has its name again, since it held this.
    Back(Vec<u8>),
}

/// Puts the new file in the place of the old one and looks at the old one again: a save that came between the last look
/// and the rename is found in it and put back.
///
/// Where the system can exchange two names in one step, the old file keeps its identity, so an editor that is still
/// writing to it goes on writing to what is put back.
pub(super) fn swap_in(temporary: tempfile::NamedTempFile, target: &Path, expect: &str) -> io::Result<Swapped> {
    let mut old = File::open(target)?;
    #[cfg(target_os = "linux")]
    {
        let exchange = || -> io::Result<()> {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            Ok(renameat_with(CWD, temporary.path(), CWD, target, RenameFlags::EXCHANGE)?)
        };
        // It has the name of an unfinished one for a moment.
        let _ = old.try_lock_shared();
        if exchange().is_ok() {
            let bytes = fs::read(temporary.path())?;
            if bytes == expect.as_bytes() {
                return Ok(Swapped::In(old));
            }
            exchange()?;
            return Ok(Swapped::Back(bytes));
        }
    }
    // Filesystems that cannot exchange: the old file is kept open and looked at after it lost its name.
    temporary.persist(target).map_err(|error| error.error)?;
    let mut bytes = Vec::new();
    old.read_to_end(&mut bytes)?;
    if bytes == expect.as_bytes() {
        return Ok(Swapped::In(old));
    }
    fs::write(target, &bytes)?;
    Ok(Swapped::Back(bytes))
}

/// A file that was replaced, still open. Who looked its name up before, and was kept from writing until after, writes into
/// this one, which has no name any more; and no system tells of that.
pub struct Outgone {
    old: File,
    expect: String,
    ours: String,
    target: PathBuf,
}

impl Outgone {
    /// The file `old` held `expect` when `ours` took its place as `target`.
    pub(super) fn new(old: File, expect: &str, ours: &str, target: &Path) -> Self {
        Self { old, expect: expect.to_owned(), ours: ours.to_owned(), target: target.to_owned() }
    }

    /// Looks whether somebody saved into it, and puts that where it was meant to be; where it had to be put back by
    /// another name, since the file has changed since, that name.
    ///
    /// # Errors
    /// [`Code::File`] where it cannot be read or put back.
    pub fn restore_late_save(&mut self) -> Result<Option<PathBuf>> {
        let looked = self.saved_late();
        let Some(late) = looked.map_err(|error| failure(Code::File, "read", &self.target, &error))? else {
            return Ok(None);
        };
        match self.put_back(late.clone())? {
            Replaced::ChangedMeanwhile(now) if now.as_deref().map(str::as_bytes) != Some(&late) => {
                keep_text(&self.target, "late-save", &decode(&self.target, late)?).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What was saved into it since it was replaced.
    pub(super) fn saved_late(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        self.old.seek(io::SeekFrom::Start(0))?;
        Read::by_ref(&mut self.old).take(MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        // Emptied and not yet written: the rest is still to come, and an empty file is nobody's configuration.
        if bytes.is_empty() || bytes == self.expect.as_bytes() {
            return Ok(None);
        }
        self.expect = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Some(bytes))
    }

    /// Gives the file what was saved late, where it still holds what replaced it; says what the file holds otherwise.
    pub(super) fn put_back(&mut self, late: Vec<u8>) -> Result<Replaced> {
        let text = decode(&self.target, late)?;
        let current = read_regular(&self.target)?;
        if current.as_deref() != Some(&*self.ours) {
            return Ok(Replaced::ChangedMeanwhile(current));
        }
        fs::write(&self.target, &text).map_err(|error| failure(Code::File, "write", &self.target, &error))?;
        self.ours.clone_from(&text);
        Ok(Replaced::ChangedMeanwhile(Some(text)))
    }
}
