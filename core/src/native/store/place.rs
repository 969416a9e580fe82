//! Whether the database is the very file that it was when it was used last, or a copy that was put in its place.
//!
//! Who goes on from a copy gives the numbers of its later writes a second time. A file that is copied is another file, with a
//! number and a birth of its own; one that is written over has changed since it was closed. What lies beside the database says
//! what it was. A disk that is put back as a whole, as machines do with snapshots, tells nothing.
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use super::directory::open_private;

/// More than three numbers need.
const MAX_BYTES: u64 = 128;

/// What tells one file from another one with the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    inode: u64,
    /// When it was made, in nanoseconds since 1970; 0 where the file system does not say.
    born_ns: u128,
}

impl Identity {
    fn of(found: &Metadata) -> Identity {
        let born = found.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Identity { inode: inode(found), born_ns: born.map_or(0, |born| born.as_nanos()) }
    }
}

#[cfg(unix)]
fn inode(found: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

/// When the file, or what is known of it, was changed last: nobody can set that.
#[cfg(unix)]
fn changed_ns(found: &Metadata) -> Option<i128> {
    use std::os::unix::fs::MetadataExt;
    Some(i128::from(found.ctime()) * 1_000_000_000 + i128::from(found.ctime_nsec()))
}

#[cfg(not(unix))]
fn changed_ns(_: &Metadata) -> Option<i128> {
    None
}

/// The file that says which file the database is.
#[derive(Debug)]
pub(super) struct Place(File);

impl Place {
    pub(super) fn open(path: &Path) -> io::Result<Place> {
        open_private(path).map(Place)
    }

    /// Whether this is the file that was used last.
    pub(super) fn is_of(&mut self, database: &Metadata) -> bool {
        let Some((identity, closed)) = self.read() else { return false };
        // Who was killed could not say how it left the file.
        identity == Identity::of(database) && (closed.is_none() || closed == changed_ns(database))
    }

    fn read(&mut self) -> Option<(Identity, Option<i128>)> {
        let mut text = String::new();
        self.0.rewind().ok()?;
        (&mut self.0).take(MAX_BYTES).read_to_string(&mut text).ok()?;
        let mut words = text.lines().next()?.split(' ');
        let identity = Identity { inode: words.next()?.parse().ok()?, born_ns: words.next()?.parse().ok()? };
        let closed = words.next()?;
        Some((identity, if closed == "open" { None } else { Some(closed.parse().ok()?) }))
    }

    /// The database is in use from now on.
    pub(super) fn used(&mut self, database: &Metadata) -> io::Result<()> {
        self.write(Identity::of(database), None)
    }

    /// The database was closed, and nobody writes it before it is opened again.
    pub(super) fn closed(&mut self, path: &Path) -> io::Result<()> {
        let database = fs::metadata(path)?;
        self.write(Identity::of(&database), changed_ns(&database))
    }

    fn write(&mut self, identity: Identity, closed: Option<i128>) -> io::Result<()> {
        let closed = closed.map_or_else(|| "open".to_owned(), |closed| closed.to_string());
        self.0.rewind()?;
        self.0.set_len(0)?;
        writeln!(self.0, "{} {} {closed}", identity.inode, identity.born_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Store, Write};
    use std::fs;
    use std::path::Path;

    fn write(store: &Store) {
        store.commit(&[Write::Put { key: b"a".to_vec(), bytes: b"1".to_vec() }]).unwrap();
    }

    /// Whether the store in a directory is found to be a copy.
    fn is_copy(dir: &Path) -> bool {
        let store = Store::open(dir).unwrap();
        write(&store);
        store.is_copy()
    }

    #[test]
    fn a_store_that_is_opened_again_is_no_copy_however_it_was_left() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_copy(dir.path()));
        assert!(!is_copy(dir.path()));
        // As a killed process leaves it.
        let place = dir.path().join("place");
        let text = fs::read_to_string(&place).unwrap();
        let store = Store::open(dir.path()).unwrap();
        write(&store);
        let open = fs::read_to_string(&place).unwrap();
        assert!(open != text && open.ends_with(" open\n"), "{open}");
        drop(store);
        fs::write(&place, open).unwrap();
        assert!(!is_copy(dir.path()));
    }

    #[test]
    fn a_store_that_was_put_back_from_a_copy_is_one_whether_it_was_copied_open_or_closed() {
        for is_open in [false, true] {
            let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let store = Store::open(dir.path()).unwrap();
            write(&store);
            let store = is_open.then_some(store);
            for file in fs::read_dir(dir.path()).unwrap() {
                let file = file.unwrap();
                fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
            }
            drop(store);
            assert!(is_copy(copy.path()), "{is_open}");
            assert!(!is_copy(copy.path()), "{is_open}: it is told once");
            assert!(!is_copy(dir.path()), "{is_open}");
        }
    }

    #[test]
    fn a_store_that_was_written_over_is_a_copy() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_copy(dir.path()));
        let path = dir.path().join("store.redb");
        let before = fs::read(&path).unwrap();
        assert!(!is_copy(dir.path()));
        fs::write(&path, before).unwrap();
        assert!(is_copy(dir.path()));
        fs::remove_file(dir.path().join("place")).unwrap();
        assert!(is_copy(dir.path()), "nobody knows");
    }
}
