//! What stands in a file at one moment.
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Result};
use crate::native::file::{decode, read_bytes};

/// What a look at the directory says about a file, without reading it; equal stamps usually mean equal content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) length: u64,
    modified: Option<SystemTime>,
    /// Device, inode, and the time of the last change of either content or permissions.
    identity: (u64, u64, i64, i64),
}

impl Stamp {
    /// `None` where there is no file, or none that can be seen.
    pub(super) fn of(path: &Path) -> Option<Stamp> {
        let found = fs::metadata(path).ok()?;
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            (found.dev(), found.ino(), found.ctime(), found.ctime_nsec())
        };
        #[cfg(not(unix))]
        let identity = (0, 0, 0, 0);
        Some(Stamp { length: found.len(), modified: found.modified().ok(), identity })
    }
}

/// What tells two contents apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Print {
    Missing,
    /// The length is kept because an empty file is met with doubt.
    Content {
        length: usize,
        hash: [u8; 32],
    },
    Unreadable(String),
}

/// A content, as it was read.
pub(super) struct Reading {
    pub(super) print: Print,
    bytes: Result<Option<Vec<u8>>>,
}

impl Reading {
    pub(super) fn take(path: &Path) -> Reading {
        let bytes = match fs::metadata(path) {
            // Reading a pipe or a device could block for ever.
            Ok(found) if !found.is_file() => {
                Err(Error::new(Code::File, format!("cannot watch `{}`: it is no regular file", path.display()))
                    .with_hint("name a file"))
            }
            _ => read_bytes(path),
        };
        let print = match &bytes {
            Ok(None) => Print::Missing,
            Ok(Some(bytes)) => Print::Content { length: bytes.len(), hash: Sha256::digest(bytes).into() },
            Err(error) => Print::Unreadable(error.message().to_owned()),
        };
        Reading { print, bytes }
    }

    pub(super) fn into_text(self, path: &Path) -> Result<Option<String>> {
        match self.bytes? {
            Some(bytes) => decode(path, bytes).map(Some),
            None => Ok(None),
        }
    }
}
