//! Which commit the database would go on with, seen before it is opened.
//!
//! The database keeps its last two commits and falls back to the older one where the newer one is not whole: right after
//! a power failure, when the newer one was never acknowledged. Where it was, falling back would lose writes without a
//! word. So the number of the last commit that was reported as done is kept beside the database, as the *mark*. It is not
//! synced: a killed process does not lose it, and after a power failure it is at most too small, which forbids nothing.
//!
//! The layout is that of the file format 3 of redb. Of another one nothing is claimed.
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::directory::open_private;

const MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";
const FLAGS_AT: usize = 9;
const IS_SECOND: u8 = 1;
const IS_OPEN: u8 = 2;
const SLOTS_AT: usize = 64;
const SLOT_BYTES: usize = 128;
const NUMBER_AT: usize = 104;
const CHECKSUM_AT: usize = 112;
const FORMAT: u8 = 3;

/// The two commits that a database remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The number of each commit, if it is whole.
    slots: [Option<u64>; 2],
    is_second: bool,
    /// Whether whoever had it open did not close it.
    is_open: bool,
}

impl Header {
    /// `None` for what is no database of this format.
    pub(super) fn read(file: &mut File) -> io::Result<Option<Header>> {
        let mut bytes = Vec::with_capacity(SLOTS_AT + 2 * SLOT_BYTES);
        file.seek(SeekFrom::Start(0))?;
        file.take((SLOTS_AT + 2 * SLOT_BYTES) as u64).read_to_end(&mut bytes)?;
        Ok(Header::parse(&bytes))
    }

    fn parse(bytes: &[u8]) -> Option<Header> {
        let flags = *bytes.strip_prefix(MAGIC)?.first()?;
        debug_assert_eq!(MAGIC.len(), FLAGS_AT);
        let slots = bytes.get(SLOTS_AT..SLOTS_AT + 2 * SLOT_BYTES)?;
        let (first, second) = slots.split_at_checked(SLOT_BYTES)?;
        Some(Header {
            slots: [slot(first), slot(second)],
            is_second: flags & IS_SECOND != 0,
            is_open: flags & IS_OPEN != 0,
        })
    }

    /// The newest whole commit.
    pub(super) fn newest(&self) -> Option<u64> {
        self.slots.iter().flatten().max().copied()
    }

    /// The commit that is there should the newest one turn out broken below its header.
    pub(super) fn older(&self) -> Option<u64> {
        let [first, second] = self.slots;
        first.zip(second).map(|(first, second)| first.min(second))
    }

    /// Whether the database, opened now, may lose a commit that was reported as done; `marked` is its number, where one
    /// is known.
    pub(super) fn may_lose(&self, marked: Option<u64>) -> bool {
        let [first, second] = self.slots;
        if first.is_some() && second.is_some() {
            return false;
        }
        let current = if self.is_second { second } else { first };
        match (self.newest(), marked) {
            // It was closed, so what it closed with must be whole.
            _ if !self.is_open && current.is_none() => true,
            (Some(newest), Some(marked)) => newest < marked,
            (Some(_), None) => false,
            (None, _) => true,
        }
    }
}

/// The number of a commit, if it is whole.
fn slot(bytes: &[u8]) -> Option<u64> {
    let (content, checksum) = bytes.split_at_checked(CHECKSUM_AT)?;
    if content.first() != Some(&FORMAT) || xxh3_128(content).to_le_bytes() != checksum {
        return None;
    }
    let number = content.get(NUMBER_AT..)?;
    Some(u64::from_le_bytes(number.try_into().ok()?))
}

/// The file that says which commit was the last one reported as done.
#[derive(Debug)]
pub(super) struct Mark(File);

impl Mark {
    /// Opens the mark of a data directory, or makes one that says nothing yet.
    pub(super) fn open(path: &Path) -> io::Result<Mark> {
        open_private(path).map(Mark)
    }

    /// The number, where one is known.
    pub(super) fn read(&mut self) -> Option<u64> {
        let mut bytes = [0; 16];
        self.0.seek(SeekFrom::Start(0)).ok()?;
        self.0.read_exact(&mut bytes).ok()?;
        let (number, checksum) = bytes.split_at_checked(8)?;
        (xxh3_64(number).to_le_bytes() == checksum).then_some(())?;
        Some(u64::from_le_bytes(number.try_into().ok()?))
    }

    /// Says that this commit was reported as done.
    pub(super) fn write(&mut self, number: u64) -> io::Result<()> {
        let number = number.to_le_bytes();
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(&[number, xxh3_64(&number).to_le_bytes()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(number: u64) -> Vec<u8> {
        let mut bytes = vec![0; CHECKSUM_AT];
        bytes[0] = FORMAT;
        bytes[NUMBER_AT..].copy_from_slice(&number.to_le_bytes());
        let checksum = xxh3_128(&bytes).to_le_bytes();
        bytes.extend(checksum);
        bytes
    }

    fn header(flags: u8, first: &[u8], second: &[u8]) -> Header {
        let mut bytes = MAGIC.to_vec();
        bytes.push(flags);
        bytes.resize(SLOTS_AT, 0);
        bytes.extend(first);
        bytes.extend(second);
        Header::parse(&bytes).unwrap()
    }

    #[test]
    fn falling_back_is_allowed_only_to_what_was_never_reported_as_newer() {
        let torn = vec![FORMAT; SLOT_BYTES];
        let whole = header(IS_OPEN, &commit(7), &commit(8));
        assert_eq!((whole.newest(), whole.older()), (Some(8), Some(7)));
        assert!(!whole.may_lose(Some(9)), "a copy that was put back is whole");
        let half = header(IS_OPEN | IS_SECOND, &commit(7), &torn);
        assert!(half.may_lose(Some(8)) && !half.may_lose(Some(7)) && !half.may_lose(None));
        assert!(header(IS_SECOND, &commit(7), &torn).may_lose(None), "it was closed with the second one");
        assert!(!header(IS_SECOND, &torn, &commit(8)).may_lose(Some(8)));
        assert!(header(IS_OPEN, &torn, &torn).may_lose(None));
        assert_eq!(Header::parse(b"this is no database"), None);
    }

    #[test]
    fn a_mark_is_read_as_it_was_written_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        let mut mark = Mark::open(&path).unwrap();
        assert_eq!(mark.read(), None);
        mark.write(300).unwrap();
        assert_eq!(Mark::open(&path).unwrap().read(), Some(300));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[1] ^= 4;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(mark.read(), None);
    }
}
