//! Documents of sources on the disk: what was in force last, for a start while nobody answers.
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use crate::canonical::canonical;
use crate::error::{Code, Error, Result};
use crate::format::{Format, parse};
use crate::native::file::{read, sync_directory};
use crate::native::io_error::failure;
use crate::value::Value;

/// The folder in the data directory.
const FOLDER: &str = "sources";
/// The first word of each file, with the version of its form.
const MAGIC: &str = "confmesh-source-1";

/// The documents that are kept, one file a source, for the owner alone.
#[derive(Clone, Debug)]
pub struct KeptLayers {
    folder: PathBuf,
}

/// A document that was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// When it was loaded, in milliseconds since 1970.
    pub loaded_ms: u64,
    /// Its text.
    pub text: String,
    /// The format of the text.
    pub format: Format,
}

impl KeptLayers {
    /// Those of a data directory.
    pub fn of(data_dir: &Path) -> KeptLayers {
        KeptLayers { folder: data_dir.join(FOLDER) }
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{:016x}.kept", xxh3_64(id.as_bytes())))
    }

    /// What is kept of a source; none where nothing is.
    ///
    /// # Errors
    /// [`Code::File`] where it cannot be read, [`Code::Damaged`] where the file is not as it was written.
    pub fn read(&self, id: &str) -> Result<Option<Kept>> {
        let path = self.path(id);
        let Some(text) = read(&path)? else { return Ok(None) };
        let damaged = || {
            Error::new(Code::Damaged, format!("what was kept of `{id}` in `{}` is damaged", path.display()))
                .with_hint("it is left out, and written anew with the next answer")
        };
        let (head, body) = text.split_once('\n').ok_or_else(damaged)?;
        let (magic, head) = head.split_once(' ').ok_or_else(damaged)?;
        let head = parse(head, Format::Json).map_err(|_| damaged())?;
        let field = |name: &str| head.child(name).and_then(Value::as_str);
        // Two ids can have one name of a file.
        if magic == MAGIC && field("id").is_some_and(|other| other != id) {
            return Ok(None);
        }
        let format = field("format").and_then(|name| Format::from_name(name).ok()).ok_or_else(damaged)?;
        let loaded_ms = head.child("loaded_ms").and_then(Value::as_u64).ok_or_else(damaged)?;
        let kept = Kept { loaded_ms, text: body.to_owned(), format };
        let is_whole = magic == MAGIC && field("sha256") == Some(&kept.digest(id));
        is_whole.then_some(kept).map(Some).ok_or_else(damaged)
    }

    /// Keeps a document in the place of the one before; whole after a power failure, or not at all.
    ///
    /// # Errors
    /// [`Code::File`] where it cannot be written.
    pub fn write(&self, id: &str, kept: &Kept) -> Result<()> {
        let path = self.path(id);
        let write = || -> std::io::Result<()> {
            let mut folder = std::fs::DirBuilder::new();
            folder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
            folder.create(&self.folder)?;
            // Temporary files are for their owner alone.
            let mut file = tempfile::Builder::new().prefix(".kept-").tempfile_in(&self.folder)?;
            let head: Value = [
                ("id", Value::from(id)),
                ("loaded_ms", kept.loaded_ms.into()),
                ("format", kept.format.name().into()),
                ("sha256", kept.digest(id).into()),
            ]
            .into_iter()
            .collect();
            writeln!(file, "{MAGIC} {}", canonical(&head))?;
            file.write_all(kept.text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            sync_directory(&self.folder)
        };
        write().map_err(|error| failure(Code::File, "keep a source's document in", &path, &error))
    }

    /// Forgets what is kept of a source.
    ///
    /// # Errors
    /// [`Code::File`] where it cannot be removed.
    pub fn forget(&self, id: &str) -> Result<()> {
        let path = self.path(id);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failure(Code::File, "remove", &path, &error))
            }
            _ => Ok(()),
        }
    }
}

impl Kept {
    /// What tells two documents apart.
    pub(super) fn print(&self) -> [u8; 32] {
        Sha256::new().chain_update(self.format.name()).chain_update([0]).chain_update(&self.text).finalize().into()
    }

    /// Of everything that counts.
    fn digest(&self, id: &str) -> String {
        let Kept { loaded_ms, text, format } = self;
        let whole = format!("{id}\n{loaded_ms}\n{}\n{text}", format.name());
        Sha256::digest(whole.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_damage_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let layers = KeptLayers::of(dir.path());
        assert_eq!(layers.read("a").unwrap(), None);
        let kept = Kept { loaded_ms: 7, text: "a: 1\n# two\n".to_owned(), format: Format::Yaml };
        layers.write("a", &kept).unwrap();
        assert_eq!(layers.read("a").unwrap().as_ref(), Some(&kept));
        assert_eq!(layers.read("b").unwrap(), None);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(layers.path("a")).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let whole = std::fs::read(layers.path("a")).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(layers.path("a"), bytes).unwrap();
            // Never something else than what was written.
            let found = layers.read("a");
            assert!(found.is_err() || found.is_ok_and(|found| found.is_none_or(|found| found == kept)), "byte {at}");
        }
        layers.forget("a").unwrap();
        layers.forget("a").unwrap();
        assert_eq!(layers.read("a").unwrap(), None);
    }
}
