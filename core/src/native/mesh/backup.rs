//! Backups: of a running instance, of a data directory, and back into one.
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::actor::{Actor, store_write};
use super::calls::Reply;
use super::rebuild::is_in_use;
use crate::clock::rfc3339;
use crate::engine::restored_records;
use crate::error::{Code, Error, Result};
use crate::limits::MAX_TEXT_BYTES;
use crate::native::store::{
    BackupHead, Entry, Replaced, backup_of, read_backup, records_in, replace_store, write_backup,
};
use crate::value::Value;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// When it was made, in UTC.
    pub made: String,
    /// The version of confmesh that made it.
    pub version: String,
    /// The documents in it.
    pub documents: Vec<String>,
    /// How many records it holds.
    pub records: u64,
}

impl BackedUp {
    fn of(head: BackupHead) -> BackedUp {
        let BackupHead { made_ms, version, documents, records, .. } = head;
        BackedUp { made: rfc3339(made_ms), version, documents, records }
    }

    /// `{"made", "version", "documents", "records"}`.
    pub fn to_value(&self) -> Value {
        let documents: Vec<Value> = self.documents.iter().map(|name| name.as_str().into()).collect();
        let fields: [(&str, Value); 4] = [
            ("made", self.made.as_str().into()),
            ("version", self.version.as_str().into()),
            ("documents", documents.into()),
            ("records", self.records.into()),
        ];
        fields.into_iter().collect()
    }
}

/// What [`restore`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the backup holds.
    pub backup: BackedUp,
    /// Where the store is that was there; none where there was none.
    pub kept: Option<PathBuf>,
}

impl Restored {
    /// `{"backup", "kept"}`.
    pub fn to_value(&self) -> Value {
        let kept = self.kept.as_ref().map_or(Value::Null, |kept| kept.display().to_string().into());
        [("backup", self.backup.to_value()), ("kept", kept)].into_iter().collect()
    }
}

/// Writes the backup of a data directory that no instance uses, for its owner alone. An instance that runs is asked for it:
/// `Mesh::call` of `backup`, `GET /backup`.
///
/// # Errors
/// [`Code::InUse`] while an instance uses the directory, [`Code::Damaged`] where its store is, [`Code::Usage`] where the file is
/// there already unless `replace` says otherwise, [`Code::File`] and [`Code::Store`] for the disk.
pub fn backup_directory(data_dir: &Path, file: &Path, replace: bool) -> Result<BackedUp> {
    let entries = records_in(data_dir).map_err(|error| {
        let hint = "ask the running instance for its backup: `confmesh backup FILE --url URL`";
        if error.code() == Code::InUse { error.with_hint(hint) } else { error }
    })?;
    // What cannot be opened is no backup.
    is_in_use(&entries)?;
    let (bytes, head) = backup_of(&entries, now_ms())?;
    write_backup(file, &bytes, replace)?;
    Ok(BackedUp::of(head))
}

/// What a backup holds, of which every byte was compared with its checksum.
///
/// # Errors
/// [`Code::Damaged`] naming the file, [`Code::File`].
pub fn read_backed_up(file: &Path) -> Result<BackedUp> {
    let (entries, head) = read_backup(file)?;
    is_in_use(&entries)?;
    Ok(BackedUp::of(head))
}

/// Puts a backup into a data directory. The instance comes back as another one: it has a new key and a new name, keeps what it
/// had written, takes from its peers what they have written since, and writes nothing under its old names. What its bound file
/// says is kept beside it as `<file>.before-join` where that differs. A store that is there is set aside, and one with a document
/// only where `force` says so: it may hold writes that nobody else has.
///
/// # Errors
/// [`Code::Damaged`] naming the backup where it is, [`Code::InUse`] while an instance uses the directory, [`Code::Usage`] for a
/// store with a document, [`Code::Store`] where the disk fails. Nothing has changed then.
pub fn restore(data_dir: &Path, file: &Path, force: bool) -> Result<Restored> {
    let (entries, head) = read_backup(file)?;
    is_in_use(&entries)?;
    if !force {
        match records_in(data_dir).and_then(|found| is_in_use(&found)) {
            Err(error) if matches!(error.code(), Code::Damaged | Code::NotFound) => {}
            Err(error) => return Err(error),
            Ok(false) => {}
            Ok(true) => {
                let message = format!("the store in `{}` holds a document", data_dir.display());
                return Err(Error::new(Code::Usage, message).with_hint(
                    "with `--force` it is set aside all the same; what only this instance wrote since the backup is then nowhere else",
                ));
            }
        }
    }
    let records = restored_records(entries.iter().map(|(key, bytes)| (key.as_slice(), bytes.as_slice())));
    let records: Vec<_> = records.into_iter().map(store_write).collect();
    let Replaced { store, .. } = replace_store(data_dir, &records)?;
    Ok(Restored { backup: BackedUp::of(head), kept: store })
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Actor {
    /// Every record that is stored, as one text: with all that was acknowledged before it was asked for.
    pub(super) fn backup(&mut self, reply: Reply<Value>) {
        let Some(writer) = &self.writer else {
            let error = Error::new(Code::Usage, "this instance keeps nothing on disk, so there is nothing to back up");
            let _ = reply.send(Err(error.with_hint("start it with a data directory: `data_dir`, `--data-dir`")));
            return;
        };
        let made_ms = self.clock.now().wall_ms;
        // The thread that commits is not held up by what takes long.
        let copied = move |entries: Result<Vec<Entry>>| {
            let packed = move || {
                let _ = reply.send(entries.and_then(|entries| packed(&entries, made_ms)));
            };
            drop(thread::Builder::new().name("confmesh-backup".to_owned()).spawn(packed));
        };
        let _ = writer.copy(copied); // dropped without an answer it says that the mesh has ended
    }
}

/// `{"made", "version", "documents", "records", "data"}`.
fn packed(entries: &[Entry], made_ms: u64) -> Result<Value> {
    let (bytes, head) = backup_of(entries, made_ms)?;
    if bytes.len() > MAX_TEXT_BYTES / 4 * 3 {
        return Err(Error::new(Code::TooLarge, "the backup is too large for an answer")
            .with_hint("stop the instance and name its data directory: `confmesh backup FILE --data-dir DIR`"));
    }
    let Value::Map(fields) = BackedUp::of(head).to_value() else { return Ok(Value::Null) };
    let data = ("data".into(), Value::from(STANDARD.encode(bytes)));
    Ok(Value::Map(fields.iter().map(|(name, value)| (name.clone(), value.clone())).chain([data]).collect()))
}

/// The bytes of a backup that a running instance gave.
///
/// # Errors
/// [`Code::Message`] where the answer holds none.
pub fn backup_bytes(answer: &Value) -> Result<Vec<u8>> {
    let data = answer.child("data").and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
    data.ok_or_else(|| Error::new(Code::Message, "the answer holds no backup"))
}
