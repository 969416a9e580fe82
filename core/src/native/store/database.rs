//! The database: keys and values, committed in batches that survive the power plug.
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use redb::{Database, ReadableDatabase, TableDefinition};

use crate::error::{Code, Error, Result};
use crate::native::file::sync_directory;
use crate::native::io_error::{failure, hint, reason};

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("confmesh");
/// Enough for the pages of a few documents; the default of the database would be a gigabyte.
const CACHE_BYTES: usize = 16 << 20;

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
    /// Empty after a failed write: the database must be opened anew before it is used again.
    database: Mutex<Option<Database>>,
    /// Held for as long as the store lives; the operating system frees it however the process ends.
    _lock: Lock,
}

#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    /// Closing alone would not do: a process that another thread is just starting holds the file too, for a moment.
    fn drop(&mut self) {
        let _ = self.0.unlock(); // closing follows
    }
}

impl Store {
    /// Opens the database in `dir`, creates both where they are missing, and recovers what a crash left behind.
    ///
    /// # Errors
    /// [`Code::Store`] where another process uses the directory, it cannot be written, or the database is damaged.
    pub fn open(dir: &Path) -> Result<Store> {
        create_directory(dir).map_err(|error| failure(Code::Store, "create", dir, &error))?;
        let lock = lock(dir)?;
        let path = dir.join("store.redb");
        let database = open_database(&path)?;
        sync_directory(dir).map_err(|error| failure(Code::Store, "write", dir, &error))?;
        Ok(Store { path, database: Mutex::new(Some(database)), _lock: lock })
    }

    /// Every key and its value, ordered by key.
    ///
    /// # Errors
    /// [`Code::Store`] where the database cannot be read or is damaged.
    pub fn read_all(&self) -> Result<Vec<Entry>> {
        self.read_prefix(&[])
    }

    /// The keys that start with `prefix` and their values, ordered by key.
    ///
    /// # Errors
    /// [`Code::Store`] where the database cannot be read or is damaged.
    pub fn read_prefix(&self, prefix: &[u8]) -> Result<Vec<Entry>> {
        self.with(|database| {
            let table = database.begin_read()?.open_table(TABLE)?;
            let mut entries = Vec::new();
            for entry in table.range(prefix..)? {
                let (key, value) = entry?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                entries.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(entries)
        })
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
        self.with(|database| {
            let transaction = database.begin_write()?; // durable by default
            {
                let mut table = transaction.open_table(TABLE)?;
                for write in batches.iter().flat_map(AsRef::as_ref) {
                    match write {
                        Write::Put { key, bytes } => drop(table.insert(key.as_slice(), bytes.as_slice())?),
                        Write::Delete { key } => drop(table.remove(key.as_slice())?),
                    }
                }
            }
            Ok(transaction.commit()?)
        })
    }

    /// Runs a transaction, on a database that is opened anew where the last one failed.
    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T> {
        let mut slot = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match slot.take() {
            Some(database) => database,
            None => open_database(&self.path)?,
        };
        // The database panics on some damaged files; that must not take the process along.
        let done = catch_unwind(AssertUnwindSafe(|| match work(&database) {
            Ok(value) => Ok((value, database)),
            Err(error) => Err(error),
        }));
        match done {
            Ok(Ok((value, database))) => {
                *slot = Some(database);
                Ok(value)
            }
            Ok(Err(error)) => Err(database_failure("use", &self.path, error)),
            Err(_) => Err(damaged(&self.path, "unexpected content")),
        }
    }
}

/// Creates the data directory for its owner alone: it will hold what the configuration holds.
fn create_directory(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// A file that only its owner may read, created where it is missing.
fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
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
    file.set_len(0).map_err(fail)?;
    file.rewind().map_err(fail)?;
    writeln!(file, "{}", std::process::id()).map_err(fail)?;
    Ok(Lock(file))
}

fn open_database(path: &Path) -> Result<Database> {
    let file = open_private(path).map_err(|error| failure(Code::Store, "open", path, &error))?;
    let open = || -> Result<Database, redb::Error> {
        let database = redb::Builder::new().set_cache_size(CACHE_BYTES).create_file(file)?;
        let transaction = database.begin_write()?;
        drop(transaction.open_table(TABLE)?); // so that reading never meets a database without its table
        transaction.commit()?;
        Ok(database)
    };
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(error)) => Err(database_failure("open", path, error)),
        Err(_) => Err(damaged(path, "unexpected content")),
    }
}

fn database_failure(verb: &str, path: &Path, error: redb::Error) -> Error {
    match error {
        redb::Error::Io(error) if error.kind() != io::ErrorKind::InvalidData => {
            let message = format!("cannot {verb} the store `{}`: {}", path.display(), reason(&error));
            Error::new(Code::Store, message).with_hint(hint(&error).unwrap_or("is the disk in order?"))
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

fn damaged(path: &Path, what: &str) -> Error {
    Error::new(Code::Store, format!("the store `{}` is damaged: {what}", path.display())).with_hint(
        "move the file away and start again: the document comes back from the other instances or from its bound file",
    )
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn put(key: &str, bytes: &str) -> Write {
        Write::Put { key: key.into(), bytes: bytes.into() }
    }

    fn entry(key: &str, bytes: &str) -> Entry {
        (key.into(), bytes.into())
    }

    /// Runs the test of that name again, in a process of its own that finds `dir` in its environment.
    fn in_a_process(shell: &str, test: &str, dir: &Path) -> Child {
        let program = std::env::current_exe().unwrap();
        let test = format!("native::store::database::tests::{test}");
        Command::new("sh")
            .args(["-c", &format!("{shell} exec \"$0\" --exact {test} --nocapture")])
            .arg(program)
            .env("CONFMESH_TEST_STORE", dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// The directory, in such a process.
    fn given_directory() -> Option<PathBuf> {
        std::env::var_os("CONFMESH_TEST_STORE").map(PathBuf::from)
    }

    #[test]
    fn batches_survive_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("new/data");
        let store = Store::open(&dir).unwrap();
        assert_eq!(store.read_all().unwrap(), []);
        store.commit(&[put("b", "2"), put("a", "1"), put("ab", "3")]).unwrap();
        store.commit(&[Write::Delete { key: b"b".into() }, Write::Delete { key: b"none".into() }]).unwrap();
        drop(store);
        let store = Store::open(&dir).unwrap();
        assert_eq!(store.read_all().unwrap(), [entry("a", "1"), entry("ab", "3")]);
        assert_eq!(store.read_prefix(b"ab").unwrap(), [entry("ab", "3")]);
    }

    #[test]
    fn a_second_store_on_the_same_directory_is_refused_with_the_pid() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let error = Store::open(dir.path()).unwrap_err();
        assert_eq!(error.code(), Code::InUse);
        let expected = format!("is in use by another confmesh (pid {})", std::process::id());
        assert!(error.message().ends_with(&expected), "{error}");
        drop(store);
        Store::open(dir.path()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_dropped_store_frees_the_directory_also_while_its_lock_is_inherited() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        // What a process holds between its start and its program.
        let inherited = store._lock.0.try_clone().unwrap();
        drop(store);
        Store::open(dir.path()).unwrap();
        drop(inherited);
    }

    #[cfg(unix)]
    #[test]
    fn a_killed_process_frees_the_lock_and_loses_no_committed_batch() {
        if let Some(dir) = given_directory() {
            let store = Store::open(&dir).unwrap();
            for number in 0_u64.. {
                store.commit(&[put(&format!("{number:08}"), &"x".repeat(5_000))]).unwrap();
                println!("committed {number}");
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let mut child = in_a_process("", "a_killed_process_frees_the_lock_and_loses_no_committed_batch", dir.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.by_ref().any(|line| line == "committed 30"));
        let error = Store::open(dir.path()).unwrap_err();
        assert!(error.message().ends_with(&format!("(pid {})", child.id())), "{error}");
        child.kill().unwrap();
        child.wait().unwrap();
        let last = lines.filter_map(|line| line.strip_prefix("committed ")?.parse::<usize>().ok()).last();
        let last = last.unwrap_or(30);

        let entries = Store::open(dir.path()).unwrap().read_all().unwrap();
        assert!(entries.len() > last, "{} entries, but {last} was committed", entries.len());
        for (number, (key, bytes)) in entries.iter().enumerate() {
            assert_eq!((key.as_slice(), bytes.len()), (format!("{number:08}").as_bytes(), 5_000));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_full_disk_is_reported_and_costs_only_the_batch() {
        if let Some(dir) = given_directory() {
            let store = Store::open(&dir).unwrap();
            store.commit(&[put("kept", "1")]).unwrap();
            let error = store.commit(&[put("big", &"x".repeat(64 << 20))]).unwrap_err();
            println!("error {error:?}");
            store.commit(&[put("later", "2")]).unwrap();
            println!("recovered");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        // A limit on file sizes, in blocks of 512 or 1024 bytes, stands for the full disk: both refuse the same writes.
        let limit = "trap '' XFSZ; ulimit -f 16384;";
        let child = in_a_process(limit, "a_full_disk_is_reported_and_costs_only_the_batch", dir.path());
        let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        assert!(output.contains("error Error[store]: cannot use the store"), "{output}");
        assert!(output.contains("the file may not grow any further"), "{output}");
        assert!(output.contains("recovered"), "{output}");
        let entries = Store::open(dir.path()).unwrap().read_all().unwrap();
        assert_eq!(entries, [entry("kept", "1"), entry("later", "2")]);
    }

    #[test]
    fn a_damaged_file_is_named_with_a_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.redb");
        Store::open(dir.path()).unwrap().commit(&[put("key", &"x".repeat(100_000))]).unwrap();
        let whole = fs::read(&path).unwrap();
        let mut middle = whole.clone();
        middle[600..].fill(0x5a);
        for broken in [b"this is no database".to_vec(), vec![7; 50_000], whole[..5_000].to_vec(), middle] {
            fs::write(&path, &broken).unwrap();
            let error = Store::open(dir.path()).and_then(|store| store.read_all()).unwrap_err();
            assert_eq!(error.code(), Code::Store);
            assert!(error.message().contains("store.redb` is damaged"), "{error:?}");
            assert!(error.hint().unwrap().starts_with("move the file away"), "{error:?}");
        }
    }

    #[test]
    fn a_directory_that_cannot_be_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Store::open(&file.join("data")).unwrap_err();
        assert_eq!(error.code(), Code::Store);
        assert!(error.message().contains("a part of the path is no directory"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_the_store() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let _store = Store::open(&data).unwrap();
        for (path, mode) in [(data.clone(), 0o700), (data.join("store.redb"), 0o600)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
        }
    }
}
