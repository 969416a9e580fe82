//! Giving a damaged store up: the instance comes back with the document of the others, and with nothing else.
use std::path::{Path, PathBuf};

use super::launch::REJOIN;
use crate::engine::{Engine, EngineConfig};
use crate::error::{Code, Error, Result};
use crate::id::InstanceId;
use crate::native::store::{Entry, Store, Write, set_aside};

/// Keeps the store of a data directory aside and prepares a new one: at its next start the instance takes the document from
/// the first peer that has it, however long that takes. Until then it founds none, and a bound file that differs from the
/// document is kept beside it as `<file>.before-join`. Returns where the old store is; `None` where there was none.
///
/// A store that is in order is left alone unless `force` says otherwise: it may hold writes that nobody else has.
///
/// # Errors
/// [`Code::InUse`] while an instance uses the directory, [`Code::Usage`] for a store that is in order, [`Code::Store`] where
/// the disk fails.
pub fn rebuild(data_dir: &Path, force: bool) -> Result<Option<PathBuf>> {
    if !force {
        match Store::open(data_dir).and_then(|store| store.read_all()).and_then(|entries| is_in_use(&entries)) {
            Err(error) if error.code() == Code::Damaged => {}
            Err(error) => return Err(error),
            Ok(false) => {}
            Ok(true) => {
                let message = format!("the store in `{}` is in order: nothing has to be rebuilt", data_dir.display());
                return Err(Error::new(Code::Usage, message).with_hint(
                    "with `--force` it is set aside all the same; what only this instance wrote is then nowhere else",
                ));
            }
        }
    }
    let mark = Write::Put { key: REJOIN.to_vec(), bytes: b"true".to_vec() };
    Ok(set_aside(data_dir, &[mark])?.kept)
}

/// Whether the records hold a document.
///
/// # Errors
/// [`Code::Damaged`] for a record that cannot be read.
pub(super) fn is_in_use(entries: &[Entry]) -> Result<bool> {
    let config = EngineConfig::new(InstanceId::from_bytes([0; 16]), [0; 32]);
    Engine::new(config, entries.iter().map(|(key, bytes)| (key.as_slice(), bytes.as_slice())))?;
    Ok(entries.iter().any(|(key, _)| key.starts_with(b"doc/")))
}
