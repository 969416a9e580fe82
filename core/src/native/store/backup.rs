//! A backup: every record of a store in one file that says whether it is whole.
//!
//! A line that names the format, a line of JSON that says what is in it, the records (deflated), and a SHA-256 of all that.
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use sha2::{Digest, Sha256};

use super::database::{Entry, FILE, Store, Write};
use super::directory::take;
use super::{KEY_FILE, aside};
use crate::canonical::canonical;
use crate::error::{Code, Error, Result};
use crate::format::{Format, parse};
use crate::native::file::sync_directory;
use crate::native::io_error::failure;
use crate::value::Value;

/// The first line.
const MAGIC: &[u8] = b"confmesh backup 1\n";
const WORD: &[u8] = b"confmesh backup ";
const SUM_BYTES: usize = 32;
/// How long the line may be that says what is in it.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// How long all records together may be.
const MAX_RECORDS_BYTES: u64 = 4 << 30;
/// How many documents are named.
const MOST_NAMED: usize = 64;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupHead {
    /// When it was made, in milliseconds since 1970.
    pub made_ms: u64,
    /// The version of confmesh that made it.
    pub version: String,
    /// The documents in it.
    pub documents: Vec<String>,
    /// How many records it holds.
    pub records: u64,
    /// How long they are.
    pub bytes: u64,
}

impl BackupHead {
    fn of(entries: &[Entry], made_ms: u64) -> BackupHead {
        let mut documents: Vec<String> = entries.iter().filter_map(|(key, _)| document_of(key)).collect();
        documents.dedup(); // records are ordered by key
        documents.truncate(MOST_NAMED);
        BackupHead {
            made_ms,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            documents,
            records: u64::try_from(entries.len()).unwrap_or(u64::MAX),
            bytes: entries.iter().map(size).sum(),
        }
    }

    /// `{"made_ms", "version", "documents", "records", "bytes"}`.
    pub fn to_value(&self) -> Value {
        let documents: Vec<Value> = self.documents.iter().map(|name| name.as_str().into()).collect();
        let fields: [(&str, Value); 5] = [
            ("made_ms", self.made_ms.into()),
            ("version", self.version.as_str().into()),
            ("documents", documents.into()),
            ("records", self.records.into()),
            ("bytes", self.bytes.into()),
        ];
        fields.into_iter().collect()
    }

    fn from_value(value: &Value) -> Option<BackupHead> {
        let number = |name: &str| value.child(name).and_then(Value::as_u64);
        let documents = value.child("documents")?.as_list()?.iter();
        Some(BackupHead {
            made_ms: number("made_ms")?,
            version: value.child("version")?.as_str()?.to_owned(),
            documents: documents.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
            records: number("records")?,
            bytes: number("bytes")?,
        })
    }
}

/// `doc/<tenant>/<name>/…` as people name it.
fn document_of(key: &[u8]) -> Option<String> {
    let key = std::str::from_utf8(key).ok()?;
    let (tenant, rest) = key.strip_prefix("doc/")?.split_once('/')?;
    let (name, _) = rest.split_once('/')?;
    Some(if tenant == "default" { name.to_owned() } else { format!("{tenant}/{name}") })
}

fn size((key, bytes): &Entry) -> u64 {
    u64::try_from(key.len() + bytes.len() + 2 * size_of::<u32>()).unwrap_or(u64::MAX)
}

/// The bytes of a backup of these records, and what it says of itself.
///
/// # Errors
/// [`Code::NotFound`] where no document is among them, [`Code::TooLarge`].
pub fn backup_of(entries: &[Entry], made_ms: u64) -> Result<(Vec<u8>, BackupHead)> {
    let head = BackupHead::of(entries, made_ms);
    if head.documents.is_empty() {
        return Err(Error::new(Code::NotFound, "there is nothing to back up: the instance holds no document yet"));
    }
    let too_large = || Error::new(Code::TooLarge, "the store is larger than a backup can be");
    if head.bytes > MAX_RECORDS_BYTES {
        return Err(too_large());
    }
    let mut out = [MAGIC, canonical(&head.to_value()).as_bytes(), b"\n"].concat();
    let mut deflated = ZlibEncoder::new(&mut out, Compression::default());
    for (key, bytes) in entries {
        for part in [key, bytes] {
            let length = u32::try_from(part.len()).map_err(|_| too_large())?;
            let written = deflated.write_all(&length.to_be_bytes()).and_then(|()| deflated.write_all(part));
            written.map_err(|error| Error::new(Code::Internal, format!("cannot deflate a backup: {error}")))?;
        }
    }
    deflated.finish().map_err(|error| Error::new(Code::Internal, format!("cannot deflate a backup: {error}")))?;
    out.extend(Sha256::digest(&out));
    Ok((out, head))
}

/// The records of a backup, after all of it was compared with its checksum.
///
/// # Errors
/// What is wrong with it; [`read_backup`] names the file.
fn records_of(bytes: &[u8]) -> std::result::Result<(Vec<Entry>, BackupHead), &'static str> {
    if !bytes.starts_with(WORD) {
        return Err("it is no backup of confmesh");
    }
    if !bytes.starts_with(MAGIC) {
        return Err("it was made by a later version of confmesh, or its first line is damaged");
    }
    let at = bytes.len().checked_sub(SUM_BYTES).ok_or("it is cut off")?;
    let (content, sum) = bytes.split_at_checked(at).ok_or("it is cut off")?;
    if Sha256::digest(content).as_slice() != sum {
        return Err("its checksum does not fit: it is cut off, or some of it is not what was written");
    }
    let rest = content.get(MAGIC.len()..).ok_or("it is cut off")?;
    let line = rest.iter().take(MAX_HEAD_BYTES).position(|byte| *byte == b'\n').ok_or("it says not what is in it")?;
    let (head, rest) = rest.split_at_checked(line).ok_or("it is cut off")?;
    let head = std::str::from_utf8(head).ok().and_then(|text| parse(text, Format::Json).ok());
    let head = head.as_ref().and_then(BackupHead::from_value).ok_or("it says not what is in it")?;
    if head.bytes > MAX_RECORDS_BYTES {
        return Err("it is larger than a backup can be");
    }
    let mut plain = ZlibDecoder::new(rest.get(1..).unwrap_or_default()).take(head.bytes);
    let mut part = || -> std::result::Result<Vec<u8>, &'static str> {
        let mut length = [0; 4];
        plain.read_exact(&mut length).map_err(|_| "its records end early")?;
        let length = u64::from(u32::from_be_bytes(length));
        let mut part = Vec::new();
        let read = plain.by_ref().take(length).read_to_end(&mut part).map_err(|_| "its records cannot be read")?;
        if u64::try_from(read) == Ok(length) { Ok(part) } else { Err("its records end early") }
    };
    let mut entries = Vec::new();
    for _ in 0..head.records {
        entries.push((part()?, part()?));
    }
    if entries.iter().map(size).sum::<u64>() != head.bytes {
        return Err("it holds more than it says");
    }
    Ok((entries, head))
}

/// Reads a backup and compares all of it with its checksum.
///
/// # Errors
/// [`Code::Damaged`] naming the file where it is not what was written, [`Code::File`] where it cannot be read.
pub fn read_backup(path: &Path) -> Result<(Vec<Entry>, BackupHead)> {
    let fail = |error: io::Error| failure(Code::File, "read", path, &error);
    let file = File::open(path).map_err(fail)?;
    let mut bytes = Vec::new();
    file.take(MAX_RECORDS_BYTES).read_to_end(&mut bytes).map_err(fail)?;
    records_of(&bytes).map_err(|why| {
        Error::new(Code::Damaged, format!("the backup `{}` cannot be restored: {why}", path.display()))
            .with_hint("nothing was changed; restore another backup, or copy this one anew")
    })
}

/// Writes a backup for its owner alone; it has its name once all of it is on the disk.
///
/// # Errors
/// [`Code::File`] where it cannot be written; [`Code::Usage`] where something has the name, unless `replace` says otherwise.
pub fn write_backup(path: &Path, bytes: &[u8], replace: bool) -> Result<()> {
    let fail = |error: io::Error| failure(Code::File, "write", path, &error);
    if !replace && fs::symlink_metadata(path).is_ok() {
        return Err(Error::new(Code::Usage, format!("`{}` is there already", path.display()))
            .with_hint("name another file, or write over it with `--force`"));
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    super::database::remove(&new).map_err(fail)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = || -> io::Result<()> {
        let mut file = options.open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_directory(parent.unwrap_or(Path::new(".")))
    };
    written().map_err(|error| {
        let _ = fs::remove_file(&new); // what is half there is no backup
        fail(error)
    })
}

/// The records of a data directory that no instance uses.
///
/// # Errors
/// [`Code::NotFound`] where there is no store, [`Code::InUse`] while an instance uses it, [`Code::Damaged`], [`Code::Store`].
pub fn records_in(dir: &Path) -> Result<Vec<Entry>> {
    if fs::symlink_metadata(dir.join(FILE)).is_err() {
        return Err(Error::new(Code::NotFound, format!("there is no store in `{}`", dir.display()))
            .with_hint("name the data directory of the instance with `--data-dir`, or its bound file with `--bind`"));
    }
    Store::open(dir)?.read_all()
}

/// What was set aside to restore a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// The store that was there.
    pub store: Option<PathBuf>,
    /// The key that was there.
    pub key: Option<PathBuf>,
}

/// Puts records into the place of the store of a data directory, whose key goes aside as well.
///
/// The key goes first: whatever interrupts this, no start finds these records together with a key that wrote after them.
///
/// # Errors
/// [`Code::InUse`] while an instance uses the directory, [`Code::Store`] where the disk fails.
pub fn replace_store(dir: &Path, records: &[Write]) -> Result<Replaced> {
    let lock = take(dir)?;
    let path = dir.join(KEY_FILE);
    let key = match fs::symlink_metadata(&path) {
        Ok(_) => {
            let kept = aside::free_name(&path);
            let moved = fs::rename(&path, &kept).and_then(|()| sync_directory(dir));
            moved.map_err(|error| failure(Code::Store, "set aside", &path, &error))?;
            Some(kept)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failure(Code::Store, "set aside", &path, &error)),
    };
    let replaced = aside::set_aside_locked(dir, records, &lock)?;
    Ok(Replaced { store: replaced.kept, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let of = |key: &str, bytes: &str| (key.as_bytes().to_vec(), bytes.as_bytes().to_vec());
        vec![of("doc/default/default/life", "{}"), of("doc/t/other/write/1", "\u{0}x"), of("rejoin", "true")]
    }

    #[test]
    fn a_backup_is_read_as_it_was_written() {
        let (bytes, head) = backup_of(&entries(), 7).unwrap();
        assert_eq!(records_of(&bytes), Ok((entries(), head.clone())));
        assert_eq!((head.documents, head.records, head.made_ms), (vec!["default".into(), "t/other".into()], 3, 7));
    }

    #[test]
    fn a_backup_is_refused_where_one_bit_differs_or_it_is_cut_off() {
        let (bytes, _) = backup_of(&entries(), 7).unwrap();
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(records_of(&flipped).is_err(), "bit {bit}");
        }
        for end in 0..bytes.len() {
            assert!(records_of(&bytes[..end]).is_err(), "the first {end} bytes");
        }
    }

    #[test]
    fn a_backup_that_lies_about_itself_is_refused_without_spending_memory() {
        let lies = |head: &str, records: &[u8]| {
            let mut out = [MAGIC, head.as_bytes(), b"\n"].concat();
            let mut deflated = ZlibEncoder::new(&mut out, Compression::default());
            deflated.write_all(records).unwrap();
            deflated.finish().unwrap();
            let sum = Sha256::digest(&out);
            out.extend(sum);
            records_of(&out).unwrap_err()
        };
        let head = |records: u64, bytes: u64| {
            format!(r#"{{"made_ms":1,"version":"1","documents":[],"records":{records},"bytes":{bytes}}}"#)
        };
        assert_eq!(lies("{}", b""), "it says not what is in it");
        assert_eq!(lies(&head(1, u64::MAX), b""), "it is larger than a backup can be");
        assert_eq!(lies(&head(u64::MAX, 1 << 30), b"\0\0\0\x01a\0\0\0\x01b"), "its records end early");
        assert_eq!(lies(&head(1, 1 << 30), b"\xff\xff\xff\xffa\0\0\0\x01b"), "its records end early");
        assert_eq!(lies(&head(0, 10), b"\0\0\0\x01a\0\0\0\x01b"), "it holds more than it says");
    }

    #[cfg(unix)]
    #[test]
    fn a_backup_is_for_its_owner_alone_and_replaces_nothing_unasked() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.backup");
        write_backup(&path, b"one", false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(write_backup(&path, b"two", false).unwrap_err().code(), Code::Usage);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_backup(&path, b"two", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn what_is_damaged_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.backup");
        let (bytes, _) = backup_of(&entries(), 7).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let error = read_backup(&path).unwrap_err();
        assert!(error.code() == Code::Damaged && error.message().contains("b.backup"), "{error}");
    }

    #[test]
    fn the_key_goes_aside_with_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let old = Write::Put { key: b"doc/default/default/life".to_vec(), bytes: b"old".to_vec() };
        Store::open(dir.path()).unwrap().commit(&[old]).unwrap();
        fs::write(dir.path().join(KEY_FILE), "key").unwrap();
        let fresh = Write::Put { key: b"doc/default/default/life".to_vec(), bytes: b"new".to_vec() };
        let replaced = replace_store(dir.path(), &[fresh]).unwrap();
        assert!(!dir.path().join(KEY_FILE).exists());
        assert_eq!(fs::read_to_string(replaced.key.unwrap()).unwrap(), "key");
        assert!(replaced.store.unwrap().exists());
        assert_eq!(Store::open(dir.path()).unwrap().read_all().unwrap()[0].1, b"new");
    }
}
