//! Documents of sources on the disk: what was in force last, for a start while nobody answers.
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use crate::canonical::canonical;
use crate::error::{Code, Error, Result};
use crate::format::{Format, parse};
use crate::native::file::{read, sync_directory};
use crate::native::io_error::failure;
use crate::secret::Keys;
use crate::value::Value;

/// The folder in the data directory.
const FOLDER: &str = "sources";
/// The first word of each file, with the version of its form.
const MAGIC: &str = "confmesh-source-1";

/// The documents that are kept, one file a source, for the owner alone.
#[derive(Clone, Debug)]
pub struct KeptLayers {
    folder: PathBuf,
    /// What documents that hold secrets are sealed with; without it they are not kept.
    keys: Option<Arc<Keys>>,
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
    pub fn of(data_dir: &Path, keys: Option<Arc<Keys>>) -> KeptLayers {
        KeptLayers { folder: data_dir.join(FOLDER), keys }
    }

    /// Whether documents that hold secrets can be kept.
    pub fn seals(&self) -> bool {
        self.keys.is_some()
    }

    /// What a sealed document is bound to: it opens as nothing else.
    fn place(id: &str, format: Format, loaded_ms: u64) -> String {
        format!("source {} {loaded_ms} {id}", format.name())
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
        let kept = is_whole.then_some(kept).ok_or_else(damaged)?;
        if head.child("sealed").is_none() {
            return Ok(Some(kept));
        }
        let told = |error: Error| error.about(&format!("what was kept of `{id}` in `{}`", path.display()));
        let Some(keys) = &self.keys else {
            let error = Error::new(Code::NotFound, "it is sealed, and there is no key file");
            return Err(told(error.with_hint("name it: `--encrypt-key-file FILE`, `encrypt_key_file`")));
        };
        let plain = keys.open(&KeptLayers::place(id, format, loaded_ms), &kept.text).map_err(told)?;
        let text = String::from_utf8(plain).map_err(|_| damaged())?;
        Ok(Some(Kept { text, ..kept }))
    }

    /// Keeps a document in the place of the one before; whole after a power failure, or not at all. One that holds secrets is sealed.
    ///
    /// # Errors
    /// [`Code::File`] where it cannot be written.
    pub fn write(&self, id: &str, kept: &Kept, is_secret: bool) -> Result<()> {
        let path = self.path(id);
        let sealed = match (&self.keys, is_secret) {
            (_, false) => None,
            (Some(keys), true) => {
                let place = KeptLayers::place(id, kept.format, kept.loaded_ms);
                Some(Kept { text: keys.seal(&place, kept.text.as_bytes())?, ..kept.clone() })
            }
            (None, true) => {
                return Err(Error::new(Code::Internal, format!("`{id}` holds secrets and nothing seals them")));
            }
        };
        let kept = sealed.as_ref().unwrap_or(kept);
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
            .chain(sealed.as_ref().map(|_| ("sealed", true.into())))
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
    fn what_holds_secrets_is_sealed_and_opens_with_its_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        let keys = |byte: u8| Some(Arc::new(Keys::parse(&crate::secret::key_line(&[byte; 32])).unwrap()));
        let layers = KeptLayers::of(dir.path(), keys(1));
        let kept = Kept { loaded_ms: 7, text: "password: hunter2\n".to_owned(), format: Format::Yaml };
        layers.write("a", &kept, true).unwrap();
        let file = std::fs::read_to_string(layers.path("a")).unwrap();
        assert!(!file.contains("hunter2") && file.contains("v1."), "{file}");
        assert_eq!(layers.read("a").unwrap(), Some(kept.clone()));
        for (other, says) in [(None, "there is no key file"), (keys(2), "not in the key file")] {
            let error = KeptLayers::of(dir.path(), other).read("a").unwrap_err();
            assert!(error.message().contains(says), "{error}");
        }
        // Of another source it does not open, even under its name.
        std::fs::write(layers.path("b"), file.replace("\"id\":\"a\"", "\"id\":\"b\"")).unwrap();
        assert!(layers.read("b").is_err());
        assert!(KeptLayers::of(dir.path(), None).write("c", &kept, true).is_err(), "never as it is");
    }

    #[test]
    fn what_is_kept_comes_back_and_damage_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let layers = KeptLayers::of(dir.path(), None);
        assert_eq!(layers.read("a").unwrap(), None);
        let kept = Kept { loaded_ms: 7, text: "a: 1\n# two\n".to_owned(), format: Format::Yaml };
        layers.write("a", &kept, false).unwrap();
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
