//! The database: keys and values, committed in batches that survive the power plug.
use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use redb::{Builder, Database, ReadableDatabase, ReadableTable, RepairSession, TableDefinition, TableError};

use super::directory::{Lock, open_private, take};
use super::guarded::guarded;
use super::header::{Header, Mark};
use super::place::Place;
use super::record::{Checked, seal, unseal};
use crate::error::{Code, Error, Result};
use crate::native::file::sync_directory;
use crate::native::io_error::{failure, hint, reason};

const TABLE: TableDefinition<&[u8], Checked> = TableDefinition::new("confmesh");
/// The same table before records had checksums.
const UNCHECKED: TableDefinition<&[u8], &[u8]> = TableDefinition::new("confmesh");
/// Enough for the pages of a few documents; the default of the database would be a gigabyte.
const CACHE_BYTES: usize = 16 << 20;
/// The database's own file in the data directory.
pub(super) const FILE: &str = "store.redb";
/// One that is being made: of no use before it has another name.
const NEW: &str = "store.redb.new";
/// One that is whole and takes the place of the store that is set aside.
pub(super) const NEXT: &str = "store.redb.next";
const MARK: &str = "mark";
const PLACE: &str = "place";

/// One key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets a key.
    Put {
        /// The key.
        key: Vec<u8>,
        /// The new value.
        bytes: Vec<u8>,
    },
    /// Removes a key; a missing one is fine.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
}

/// The database of one data directory, for one process at a time.
///
/// Every method blocks on the disk.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    state: Mutex<State>,
    place: Mutex<Place>,
    is_copy: bool,
    /// Last, so that it outlives the database.
    pub(super) _lock: Lock,
}

#[derive(Debug)]
struct State {
    /// Empty after a failure: the database must be opened anew before it is used again.
    database: Option<Database>,
    /// Reads the header while the database is open; the database has a handle of its own.
    header: File,
    mark: Mark,
    /// What was found damaged: nothing is done with it any more.
    damage: Option<Error>,
}

impl Store {
    /// Opens the database in `dir`, creates both where they are missing, recovers what a crash left behind, and checks that
    /// all of it is what was written.
    ///
    /// # Errors
    /// [`Code::InUse`] where another process uses the directory, [`Code::Damaged`] where the database is, [`Code::Store`]
    /// where the directory cannot be written or belongs to others.
    pub fn open(dir: &Path) -> Result<Store> {
        let lock = take(dir)?;
        let path = dir.join(FILE);
        let fail = |error: io::Error| failure(Code::Store, "open", &path, &error);
        remove(&dir.join(NEW)).map_err(fail)?;
        let next = dir.join(NEXT);
        match (path.try_exists().map_err(fail)?, next.try_exists().map_err(fail)?) {
            (true, true) => remove(&next).map_err(fail)?,
            (true, false) => {}
            (false, true) => fs::rename(&next, &path).map_err(fail)?,
            (false, false) => create(dir, FILE, &[])?,
        }
        let is_new = !dir.join(MARK).try_exists().map_err(fail)?;
        let mut mark = Mark::open(&dir.join(MARK)).map_err(fail)?;
        let mut header = open_private(&path).map_err(fail)?;
        if header.metadata().map_err(fail)?.len() == 0 {
            return Err(damaged(&path, "it is empty"));
        }
        let found = Header::read(&mut header).map_err(fail)?;
        let marked = mark.read();
        let mut place = Place::open(&dir.join(PLACE)).map_err(fail)?;
        let as_it_lies = header.metadata().map_err(fail)?;
        let is_copy = !is_new && !place.is_of(&as_it_lies);
        if found.is_some_and(|found| found.may_lose(marked)) {
            return Err(damaged(&path, "its newest commit cannot be read"));
        }
        let mut database = open_database(&path, found.and_then(|found| found.older()), marked)?;
        verify(&mut database, &path)?;
        let store = Store {
            path,
            state: Mutex::new(State { database: Some(database), header, mark, damage: None }),
            place: Mutex::new(place),
            is_copy,
            _lock: lock,
        };
        store.upgrade()?;
        store.set_mark();
        let _ = store.place.lock().unwrap_or_else(PoisonError::into_inner).used(&as_it_lies);
        Ok(store)
    }

    /// Whether the database is not the file that was used last: it was put back from a copy, or moved to another disk.
    pub fn is_copy(&self) -> bool {
        self.is_copy
    }

    /// Every key and its value, ordered by key.
    ///
    /// # Errors
    /// [`Code::Store`] where the database cannot be read, [`Code::Damaged`] where it is not what was written.
    pub fn read_all(&self) -> Result<Vec<Entry>> {
        self.read_prefix(&[])
    }

    /// The keys that start with `prefix` and their values, ordered by key.
    ///
    /// # Errors
    /// [`Code::Store`] where the database cannot be read, [`Code::Damaged`] where it is not what was written.
    pub fn read_prefix(&self, prefix: &[u8]) -> Result<Vec<Entry>> {
        let found = self.with(|database| {
            let table = database.begin_read()?.open_table(TABLE)?;
            let mut entries = Vec::new();
            for entry in table.range(prefix..)? {
                let (key, stored) = entry?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                match unseal(key.value(), stored.value()) {
                    Some(bytes) => entries.push((key.value().to_vec(), bytes.to_vec())),
                    None => return Ok(Err(String::from_utf8_lossy(key.value()).into_owned())),
                }
            }
            Ok(Ok(entries))
        })?;
        found.map_err(|key| damaged(&self.path, &format!("the record `{key}` is not what was written")))
    }

    /// Writes all of `batch` or nothing of it; when this returns it is on the disk.
    ///
    /// # Errors
    /// [`Code::Store`] where the disk is full or fails; earlier batches are safe, and a later call may succeed.
    pub fn commit(&self, batch: &[Write]) -> Result<()> {
        self.commit_all(&[batch])
    }

    /// Writes several batches in one transaction.
    pub(super) fn commit_all<B: AsRef<[Write]>>(&self, batches: &[B]) -> Result<()> {
        self.with(|database| put(database, batches.iter().flat_map(AsRef::as_ref)))?;
        self.set_mark();
        Ok(())
    }

    /// Says beside the database which commit was reported as done. What cannot be said protects less, and harms nothing.
    fn set_mark(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).set_mark();
    }

    /// Gives records their checksums that a version stored which knew none.
    fn upgrade(&self) -> Result<()> {
        let is_current = self.with(|database| match database.begin_read()?.open_table(TABLE) {
            Ok(_) => Ok(Some(true)),
            Err(TableError::TableTypeMismatch { .. }) => Ok(Some(false)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        })?;
        match is_current {
            Some(true) => return Ok(()),
            Some(false) => {}
            None => return Err(damaged(&self.path, "it holds no records")),
        }
        self.with(|database| {
            let transaction = database.begin_write()?;
            let mut records = Vec::new();
            for entry in transaction.open_table(UNCHECKED)?.iter()? {
                let (key, bytes) = entry?;
                records.push((key.value().to_vec(), seal(key.value(), bytes.value())));
            }
            transaction.delete_table(UNCHECKED)?;
            {
                let mut table = transaction.open_table(TABLE)?;
                for (key, stored) in &records {
                    table.insert(key.as_slice(), stored.as_slice())?;
                }
            }
            Ok(transaction.commit()?)
        })
    }

    /// Runs a transaction, on a database that is opened anew where the last one failed.
    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(damage) = &state.damage {
            return Err(damage.clone());
        }
        let database = match state.database.take() {
            Some(database) => database,
            None => {
                let found = Header::read(&mut state.header).ok().flatten();
                open_database(&self.path, found.and_then(|found| found.older()), state.mark.read())?
            }
        };
        match guarded(|| work(&database)) {
            Some(Ok(value)) => {
                state.database = Some(database);
                Ok(value)
            }
            Some(Err(error)) => {
                close(database);
                Err(database_failure("use", &self.path, error))
            }
            None => {
                close(database);
                let damage = damaged(&self.path, "it holds what no store holds");
                state.damage = Some(damage.clone());
                Err(damage)
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = state.database.take() {
            close(database); // which commits once more
        }
        state.set_mark();
        // What cannot be said makes it look like a copy, which costs a name and nothing else.
        let _ = self.place.get_mut().unwrap_or_else(PoisonError::into_inner).closed(&self.path);
    }
}

impl State {
    fn newest(&mut self) -> Option<u64> {
        Header::read(&mut self.header).ok().flatten().and_then(|header| header.newest())
    }

    fn set_mark(&mut self) {
        if let Some(newest) = self.newest() {
            let _ = self.mark.write(newest);
        }
    }
}

/// Applies writes in one transaction that is on the disk when this returns.
fn put<'a>(database: &Database, writes: impl Iterator<Item = &'a Write>) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?; // durable by default
    {
        let mut table = transaction.open_table(TABLE)?; // made where it is missing
        for write in writes {
            match write {
                Write::Put { key, bytes } => drop(table.insert(key.as_slice(), &*seal(key, bytes))?),
                Write::Delete { key } => drop(table.remove(key.as_slice())?),
            }
        }
    }
    Ok(transaction.commit()?)
}

/// Removes a file; a missing one is fine.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Closing writes, and may find damage as every other use does.
fn close(database: Database) {
    let _ = guarded(|| drop(database));
}

/// Makes a database with these records under another name first: one of the real name is whole from its first moment, so an
/// empty file there is a damaged one.
pub(super) fn create(dir: &Path, name: &str, records: &[Write]) -> Result<()> {
    let (new, path) = (dir.join(NEW), dir.join(name));
    let fail = |error: io::Error| failure(Code::Store, "create", &path, &error);
    remove(&new).map_err(fail)?;
    // What it says is about another one.
    remove(&dir.join(MARK)).map_err(fail)?;
    let file = open_private(&new).map_err(fail)?;
    let made = guarded(|| -> Result<(), redb::Error> {
        let database = Builder::new().set_cache_size(CACHE_BYTES).create_file(file)?;
        put(&database, records.iter())
    });
    match made {
        Some(Ok(())) => {}
        Some(Err(error)) => return Err(database_failure("create", &path, error)),
        None => return Err(Error::new(Code::Store, format!("cannot create the store `{}`", path.display()))),
    }
    let settle = || {
        File::open(&new)?.sync_all()?;
        fs::rename(&new, &path)?;
        sync_directory(dir)
    };
    settle().map_err(fail)
}

/// Opens the database. Where it would fall back to its `older` commit although a newer one is `marked` as done, it is
/// damaged, and stays as it is.
fn open_database(path: &Path, older: Option<u64>, marked: Option<u64>) -> Result<Database> {
    /// How far the database says it is when it is about to fall back.
    const FALLING_BACK: std::ops::Range<f64> = 0.2..0.5;
    let file = open_private(path).map_err(|error| failure(failure_code(&error), "open", path, &error))?;
    let may_fall_back = marked.is_none_or(|marked| older.is_some_and(|older| older >= marked));
    let has_refused = Rc::new(Cell::new(false));
    let refuses = Rc::clone(&has_refused);
    let opened = guarded(move || {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES).set_repair_callback(move |repair: &mut RepairSession| {
            if FALLING_BACK.contains(&repair.progress()) && !may_fall_back {
                refuses.set(true);
                repair.abort();
            }
        });
        builder.create_file(file).map_err(redb::Error::from)
    });
    match opened {
        _ if has_refused.get() => Err(damaged(path, "what was written last cannot be read")),
        Some(Ok(database)) => Ok(database),
        Some(Err(error)) => Err(database_failure("open", path, error)),
        None => Err(damaged(path, "it holds what no store holds")),
    }
}

/// Compares every page with its checksum: what is read later was written so, and nothing is missing.
fn verify(database: &mut Database, path: &Path) -> Result<()> {
    match guarded(|| database.check_integrity()) {
        Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(database_failure("check", path, error.into())),
        None => Err(damaged(path, "it holds what no store holds")),
    }
}

fn database_failure(verb: &str, path: &Path, error: redb::Error) -> Error {
    match error {
        redb::Error::Io(error) if error.kind() != io::ErrorKind::InvalidData => {
            let message = format!("cannot {verb} the store `{}`: {}", path.display(), reason(&error));
            Error::new(failure_code(&error), message).with_hint(hint(&error).unwrap_or("is the disk in order?"))
        }
        redb::Error::Io(error) => damaged(path, &reason(&error)),
        redb::Error::Corrupted(what) => damaged(path, &what),
        redb::Error::UpgradeRequired(_) | redb::Error::TableTypeMismatch { .. } => Error::new(
            Code::Store,
            format!("the store `{}` was written by another version of confmesh", path.display()),
        )
        .with_hint("use the version that wrote it, or move the file away to start anew"),
        error => Error::new(Code::Store, format!("cannot {verb} the store `{}`: {error}", path.display())),
    }
}

fn failure_code(error: &io::Error) -> Code {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => Code::ReadOnly,
        _ => Code::Store,
    }
}

fn damaged(path: &Path, what: &str) -> Error {
    let dir = path.parent().unwrap_or(path).display();
    Error::new(Code::Damaged, format!("the store `{}` is damaged: {what}", path.display())).with_hint(format!(
        "`confmesh rebuild --data-dir {dir}` keeps it aside and takes the document from the other instances at the next \
         start; without others, put the directory back from a backup"
    ))
}
