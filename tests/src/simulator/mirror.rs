//! Bound files never fall behind the edits in them: once an edit of a file is on disk, the file is only ever written with a
//! document that has it.

use confmesh::canonical::{ContentHash, content_hash, text_hash};
use confmesh::engine::{FileWrite, StoreWrite};
use confmesh::format::{Format, parse};

use super::history::{self, Store, left_by};
use super::world::World;
use super::{Checked, Property, violated};

const FILE: &str = "/file/";
const WRITE: &str = "/write/";

/// What a store says of a bound file: the hashes of the text that was mirrored last, and of the one that is about to be.
#[derive(Default, PartialEq)]
struct Record {
    base: Option<String>,
    intended: Option<String>,
}

impl Record {
    fn read(bytes: &[u8]) -> Record {
        let value = parse(std::str::from_utf8(bytes).unwrap(), Format::Json).unwrap();
        let text = |name: &str| value.child(name)?.as_str().map(str::to_owned);
        Record { base: text("base_hash"), intended: text("intended_hash") }
    }

    fn stored(store: &Store) -> Record {
        let record = store.iter().find(|(key, _)| holds(key, FILE));
        record.map(|(_, bytes)| Record::read(bytes)).unwrap_or_default()
    }
}

fn holds(key: &[u8], part: &str) -> bool {
    std::str::from_utf8(key).is_ok_and(|key| key.contains(part))
}

/// Whether a batch holds what a person changed in the file.
fn holds_edit(store: &Store, writes: &[StoreWrite]) -> bool {
    let puts = |part| {
        writes.iter().rev().find_map(move |write| match write {
            StoreWrite::Put { key, bytes } if holds(key, part) => Some(bytes),
            _ => None,
        })
    };
    let (Some(_), Some(record)) = (puts(WRITE), puts(FILE)) else { return false };
    let (old, new) = (Record::stored(store), Record::read(record));
    new.base != old.base && new.base != old.intended
}

/// The hash of the text that a batch stores as mirrored.
fn edited_base(writes: &[StoreWrite]) -> Option<String> {
    let records = writes.iter().rev().filter_map(|write| match write {
        StoreWrite::Put { key, bytes } if holds(key, FILE) => Some(Record::read(bytes)),
        _ => None,
    });
    records.into_iter().next()?.base
}

impl World {
    /// Call it before a batch gets to the disk. Where it has an edit of the file, no document before it may be mirrored.
    pub(crate) fn before_stored(&mut self, at: usize, writes: &[StoreWrite]) -> Checked {
        let host = &mut self.hosts[at];
        // Who moves to another document writes no edit, and tells the store of the file what it did not take before.
        let genesis = |known: Option<history::Known>| known.map(|known| known.genesis);
        if left_by(writes).is_some() && genesis(left_by(writes)) != genesis(history::stored(&host.store)) {
            return Ok(());
        }
        // A batch that failed may come again in whole, and what was planned before is still good then.
        if host.options.file.is_some() && !host.is_doubtful && holds_edit(&host.store, writes) {
            host.mirrorable.clear();
            // What the mirror wrote is no edit, and neither is half of what somebody saves. Who begins anew takes what is there.
            let was_mirrored = Record::stored(&host.store).base.is_some();
            let was_saved = |base: &String| host.around.saved.iter().any(|text| text_hash(text).to_string() == *base);
            let base = edited_base(writes).filter(|base| was_mirrored && !was_saved(base));
            if let Some(base) = base {
                return violated(
                    Property::Loss,
                    format!("{at} takes for an edit what nobody saved: {base}, {:?}", host.file),
                );
            }
        }
        Ok(())
    }

    /// Call it when the batch is on the disk.
    pub(crate) fn after_stored(&mut self, at: usize) {
        if self.hosts[at].options.file.is_none() {
            return;
        }
        if let Some(known) = history::stored(&self.hosts[at].store) {
            let is_ruled = self.hosts[at].rules.check_anything();
            let hash = match &self.hosts[at].after_death {
                Some((unheard, _)) => content_hash(unheard),
                None if is_ruled => content_hash(&self.hosts[at].in_force),
                None => content_hash(&self.history.expected(&known).value),
            };
            if !self.hosts[at].mirrorable.contains(&hash) {
                self.hosts[at].mirrorable.push(hash);
            }
        }
    }

    /// No edit of a file that is on disk is taken back there (P5).
    pub(crate) fn check_mirrored(&self, at: usize, write: &FileWrite) -> Checked {
        let hash: Option<ContentHash> = parse(&write.text, Format::Json).ok().map(|value| content_hash(&value));
        if hash.is_none_or(|hash| !self.hosts[at].mirrorable.contains(&hash)) {
            let what = format!("the file of {at} is written with a document older than an edit of it: {}", write.text);
            return violated(Property::Loss, what);
        }
        Ok(())
    }
}
