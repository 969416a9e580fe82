//! Version vectors: whole, or as what changed since another one.

use super::bytes::{Reader, malformed, put_count, put_varint};
use super::names::{NameReader, NameWriter};
use crate::clock::VersionVector;
use crate::error::Result;
use crate::id::ReplicaId;

/// Authors with their counts, by author, none of them 0: a version vector that can be compared and ordered.
pub(super) type Entries = Vec<(ReplicaId, u64)>;

/// What an entry of a decoded vector takes in memory, roughly.
const ENTRY_BYTES: usize = 40;

pub(super) fn entries(vector: &VersionVector) -> Entries {
    vector.iter().collect()
}

pub(super) fn put_vector(out: &mut Vec<u8>, names: &mut NameWriter<'_>, vector: &VersionVector) {
    put_count(out, vector.len());
    for (replica, seq) in vector.iter() {
        names.put_id(out, replica.as_bytes());
        put_varint(out, seq);
    }
}

pub(super) fn vector(reader: &mut Reader<'_>, names: &mut NameReader<'_>) -> Result<VersionVector> {
    let count = reader.count(2)?;
    let mut entries = Entries::with_capacity(count);
    for _ in 0..count {
        let replica = ReplicaId::from_bytes(names.id(reader)?);
        match reader.varint()? {
            0 => return Err(malformed("a version vector counts nothing")),
            seq => entries.push((replica, seq)),
        }
    }
    made(reader, entries)
}

/// Writes the entries in which `new` differs from `base`; an author that only `base` has counts 0.
pub(super) fn put_changes(out: &mut Vec<u8>, names: &mut NameWriter<'_>, base: &Entries, new: &Entries) {
    let mut changes: Entries = Vec::new();
    let (mut old, mut next) = (base.iter().peekable(), new.iter().peekable());
    loop {
        match (old.peek(), next.peek()) {
            (None, None) => break,
            (Some(a), Some(b)) if a == b => {
                old.next();
                next.next();
            }
            (Some((gone, _)), after) if after.is_none_or(|(replica, _)| gone < replica) => {
                changes.push((*gone, 0));
                old.next();
            }
            (before, Some(b)) => {
                let replaces = before.is_some_and(|(replica, _)| *replica == b.0);
                changes.push(**b);
                next.next();
                if replaces {
                    old.next();
                }
            }
            (Some(_), None) => break,
        }
    }
    put_count(out, changes.len());
    for (replica, seq) in changes {
        names.put_id(out, replica.as_bytes());
        put_varint(out, seq);
    }
}

pub(super) fn changed(reader: &mut Reader<'_>, names: &mut NameReader<'_>, base: &Entries) -> Result<Entries> {
    let count = reader.count(2)?;
    reader.expand((base.len() + count) * ENTRY_BYTES)?;
    let mut entries = base.clone();
    for _ in 0..count {
        let replica = ReplicaId::from_bytes(names.id(reader)?);
        let seq = reader.varint()?;
        match (entries.binary_search_by_key(&replica, |(replica, _)| *replica), seq) {
            (Ok(at), 0) => drop(entries.remove(at)),
            (Ok(at), seq) => entries.iter_mut().skip(at).take(1).for_each(|entry| entry.1 = seq),
            (Err(_), 0) => return Err(malformed("a version vector lacks what it takes back")),
            (Err(at), seq) => entries.insert(at, (replica, seq)),
        }
    }
    Ok(entries)
}

/// A vector of entries in any order.
pub(super) fn made(reader: &mut Reader<'_>, entries: Entries) -> Result<VersionVector> {
    let count = entries.len();
    reader.expand(count * ENTRY_BYTES)?;
    let vector: VersionVector = entries.into_iter().collect();
    if vector.len() == count { Ok(vector) } else { Err(malformed("a version vector names an author twice")) }
}
