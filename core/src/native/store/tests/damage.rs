//! One flipped bit anywhere in a data directory is refused by name, or harmless: no record is lost or changed by it, now
//! or by what is written later.
use super::*;
use crate::testing::{Random, cases};

/// The files of a data directory.
type Image = Vec<(String, Vec<u8>)>;

fn image(dir: &Path) -> Image {
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    fs::read_dir(dir).unwrap().map(file).collect()
}

fn restore(dir: &Path, image: &Image) {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir(dir).unwrap();
    for (name, bytes) in image {
        fs::write(dir.join(name), bytes).unwrap();
    }
}

/// A directory whose disk is memory where there is one: the trials sync, and nothing here is about real disks.
fn memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// A store with a past: as it was left by a kill right after a commit, and as it was closed.
fn images() -> ([Image; 2], Vec<Entry>) {
    let dir = memory();
    let data = dir.path().join("data");
    let store = Store::open(&data).unwrap();
    for round in 0..12_usize {
        let key = |at: usize| format!("doc/default/default/write/{at:04}");
        let batch: Vec<Write> = (0..25)
            .map(|at| match (round * 7 + at * 3) % 11 {
                0 => Write::Delete { key: key(at).into() },
                size => put(&key(round * 10 + at), &"value ".repeat(size * size)),
            })
            .collect();
        store.commit(&batch).unwrap();
    }
    store.commit(&[put("last", "what was acknowledged last")]).unwrap();
    let killed = image(&data);
    let entries = store.read_all().unwrap();
    drop(store);
    ([killed, image(&data)], entries)
}

/// Opens a directory with one flipped bit, reads, writes, and opens it again.
fn try_flipped(dir: &Path, image: &Image, file: usize, bit: usize, expected: &[Entry]) -> bool {
    let mut flipped = image.clone();
    let (name, bytes) = &mut flipped[file];
    bytes[bit / 8] ^= 1 << (bit % 8);
    let what = format!("bit {bit} of {name}");
    restore(dir, &flipped);
    let refused = |error: &crate::Error| {
        let is_named = error.code() == Code::Damaged || error.message().contains("another version of confmesh");
        assert!(is_named && error.hint().is_some(), "{what}: {error:?}");
        // Refused again as well: the first start repaired nothing away.
        let again = Store::open(dir).and_then(|store| store.read_all());
        assert!(again.as_ref().is_err() || again.as_deref() == Ok(expected), "{what}, opened again");
        false
    };
    let store = match Store::open(dir) {
        Ok(store) => store,
        Err(error) => return refused(&error),
    };
    match store.read_all() {
        Ok(found) => assert_eq!(found, expected, "{what}"),
        Err(error) => {
            drop(store);
            return refused(&error);
        }
    }
    // Where it is taken, nothing that is written later may meet the damage.
    let later: Vec<Write> = (0..40).map(|at| put(&format!("zz{at:02}"), &"later ".repeat(500))).collect();
    store.commit(&later).unwrap();
    drop(store);
    let found = Store::open(dir).unwrap().read_all().unwrap();
    assert_eq!(&found[..expected.len()], expected, "{what}, after a write");
    assert_eq!(found.len(), expected.len() + 40, "{what}, after a write");
    true
}

#[test]
fn one_flipped_bit_anywhere_in_the_directory_is_refused_by_name_or_harmless() {
    let ([killed, closed], expected) = images();
    let dir = memory();
    let dir = dir.path().join("data");
    let mut random = Random::of(7);
    let (mut taken, mut refused) = (0, 0);
    for image in [&killed, &closed] {
        let mut bits = Vec::new();
        for (file, (name, bytes)) in image.iter().enumerate() {
            let count = match name.as_str() {
                "store.redb" => usize::try_from(cases(60)).unwrap_or(usize::MAX),
                _ => bytes.len() * 4,
            };
            // Many bits of what says which commit counts, and as many of the rest as there is patience for.
            bits.extend((0..bytes.len().min(320) * 8).step_by(37).map(|at| (file, at)));
            bits.extend((0..count).map(|_| (file, random.below(bytes.len() * 8))));
        }
        for (file, bit) in bits {
            if try_flipped(&dir, image, file, bit, &expected) { taken += 1 } else { refused += 1 }
        }
    }
    println!("{taken} taken, {refused} refused");
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
}

#[test]
fn a_damaged_file_is_named_with_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    Store::open(dir.path()).unwrap().commit(&[put("key", &"x".repeat(100_000))]).unwrap();
    let whole = fs::read(&path).unwrap();
    let mut middle = whole.clone();
    middle[600..].fill(0x5a);
    for broken in [Vec::new(), b"this is no database".to_vec(), vec![7; 50_000], whole[..5_000].to_vec(), middle] {
        fs::write(&path, &broken).unwrap();
        let error = Store::open(dir.path()).and_then(|store| store.read_all()).unwrap_err();
        assert_eq!(error.code(), Code::Damaged);
        assert!(error.message().contains("store.redb` is damaged"), "{error:?}");
        assert!(error.hint().unwrap().starts_with("`confmesh rebuild --data-dir"), "{error:?}");
    }
}

#[test]
fn records_from_before_checksums_are_read_and_get_them() {
    const UNCHECKED: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("confmesh");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.redb");
    {
        let database = redb::Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(UNCHECKED).unwrap().insert(b"a".as_slice(), b"1".as_slice()).unwrap();
        transaction.commit().unwrap();
    }
    for _ in 0..2 {
        assert_eq!(Store::open(dir.path()).unwrap().read_all().unwrap(), [entry("a", "1")]);
    }
    let database = redb::Database::open(&path).unwrap();
    let read = redb::ReadableDatabase::begin_read(&database).unwrap();
    let error = read.open_table(UNCHECKED).unwrap_err();
    assert!(matches!(error, redb::TableError::TableTypeMismatch { .. }), "an older version refuses it: {error}");
}
