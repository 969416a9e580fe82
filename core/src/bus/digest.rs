//! What an instance says of the documents that it has: short, and enough to tell who lacks something.

use sha2::{Digest as _, Sha256};

use super::bytes::{Reader, malformed};
use crate::clock::VersionVector;
use crate::error::Result;
use crate::id::{DocumentName, Genesis, ReplicaId};

/// Of how many authors the numbers are said; of more their digest.
const MAX_NAMED: usize = 16;

const FOUNDED: u8 = 1;
const ANEW: u8 = 1 << 1;
const OLD: u8 = 1 << 2;
const LOADED: u8 = 1 << 3;
const CONTENT: u8 = 1 << 4;
const NAMED: u8 = 1 << 5;

/// What an instance says of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Which.
    pub document: DocumentName,
    /// What it holds; none while it has not begun there.
    pub held: Option<Held>,
}

/// What is said of a document that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its birth.
    pub genesis: Genesis,
    /// The marks that everybody who shares it takes over.
    pub marks: Marks,
    /// A short name of the documents that were given up for it.
    pub given_up: [u8; 8],
    /// The writes that it shows.
    pub seen: Seen,
    /// The digest of what it shows; none where that is not said.
    pub view: Option<[u8; 16]>,
    /// Whether its holder asks the others for all of it.
    pub is_anew: bool,
}

/// Marks of a document: they only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// It has been in use for a while.
    pub old: bool,
    /// An instance loaded it from its store.
    pub loaded: bool,
    /// It was founded with content.
    pub content: bool,
}

/// The writes that somebody has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Which.
    Named(VersionVector),
    /// The digest of the vector, and how many writes it counts.
    Digest([u8; 16], u64),
}

impl Marks {
    /// Whether the other one has a mark that this one lacks.
    pub fn lacks(self, other: Marks) -> bool {
        (other.old && !self.old) || (other.loaded && !self.loaded) || (other.content && !self.content)
    }
}

impl Seen {
    /// As it is said of a vector.
    pub fn of(vector: &VersionVector) -> Seen {
        if vector.len() <= MAX_NAMED { Seen::Named(vector.clone()) } else { Seen::digest(vector) }
    }

    fn digest(vector: &VersionVector) -> Seen {
        let (mut hash, mut writes) = (Sha256::new().chain_update(b"confmesh seen 1"), 0u64);
        for (author, seq) in vector.iter() {
            hash = hash.chain_update(author.as_bytes()).chain_update(seq.to_be_bytes());
            writes = writes.saturating_add(seq);
        }
        Seen::Digest(first(&hash.finalize()), writes)
    }

    /// Whether the other one may have a write that this one has not. Of digests the larger count is taken for it: who is wrong
    /// there is asked by the other side.
    fn lacks(&self, other: &Seen) -> bool {
        match (self, other) {
            (Seen::Named(mine), Seen::Named(theirs)) => !mine.includes(theirs),
            (Seen::Named(mine), other) => Seen::digest(mine).lacks(other),
            (mine, Seen::Named(theirs)) => mine.lacks(&Seen::digest(theirs)),
            (Seen::Digest(mine, count), Seen::Digest(theirs, more)) => mine != theirs && more >= count,
        }
    }
}

/// Who lacks something of what two instances have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relation {
    /// This one does.
    pub lacks: bool,
    /// The other one does.
    pub is_ahead: bool,
}

impl Relation {
    /// Of what is here to what somebody else says. Of two that hold nothing the one with the greater name asks the other, so
    /// that they begin together.
    pub fn of(mine: &[Digest], theirs: &[Digest], is_greater: bool) -> Relation {
        let mut relation = Relation::default();
        for other in theirs {
            let Some(own) = mine.iter().find(|own| own.document == other.document) else { continue };
            let (lacks, is_ahead) = match (&own.held, &other.held) {
                (None, None) => (is_greater, false),
                (None, Some(_)) => (true, false),
                (Some(_), None) => (false, true),
                (Some(own), Some(other)) => (own.lacks(other), other.lacks(own)),
            };
            relation.lacks |= lacks;
            relation.is_ahead |= is_ahead;
        }
        relation
    }

    /// Whether neither lacks anything.
    pub fn is_same(self) -> bool {
        self == Relation::default()
    }
}

impl Held {
    fn lacks(&self, other: &Held) -> bool {
        if self.genesis != other.genesis || self.is_anew {
            return true;
        }
        let differs = self.seen == other.seen && self.view.zip(other.view).is_some_and(|(own, view)| own != view);
        differs || self.given_up != other.given_up || (!other.is_anew && self.seen.lacks(&other.seen))
    }
}

/// The first bytes of a hash.
pub(super) fn first<const N: usize>(hash: &[u8]) -> [u8; N] {
    let mut found = [0; N];
    found.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
    found
}

pub(super) fn put(out: &mut Vec<u8>, digests: &[Digest]) {
    let count = u16::try_from(digests.len()).unwrap_or(u16::MAX);
    out.extend(count.to_be_bytes());
    for digest in digests.iter().take(count.into()) {
        let name = digest.document.to_string();
        // A name has at most 257 bytes.
        out.extend(u16::try_from(name.len()).unwrap_or_default().to_be_bytes());
        out.extend(name.as_bytes());
        let Some(held) = &digest.held else {
            out.push(0);
            continue;
        };
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let marks = &held.marks;
        let flags = flag(held.is_anew, ANEW) | flag(marks.old, OLD) | flag(marks.loaded, LOADED);
        let flags = flags | flag(marks.content, CONTENT) | flag(matches!(held.seen, Seen::Named(_)), NAMED);
        out.push(FOUNDED | flags);
        out.extend(held.genesis.as_bytes());
        out.extend(held.given_up);
        out.extend(held.view.unwrap_or_default());
        match &held.seen {
            Seen::Digest(digest, writes) => {
                out.extend(digest);
                out.extend(writes.to_be_bytes());
            }
            Seen::Named(vector) => {
                out.push(u8::try_from(vector.len()).unwrap_or_default());
                for (author, seq) in vector.iter() {
                    out.extend(author.as_bytes());
                    out.extend(seq.to_be_bytes());
                }
            }
        }
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<Digest>> {
    let count = reader.u16()?;
    (0..count).map(|_| read_one(reader)).collect()
}

fn read_one(reader: &mut Reader<'_>) -> Result<Digest> {
    let len = reader.u16()?;
    let name = str::from_utf8(reader.take(len.into())?).map_err(|_| malformed("a name is not UTF-8"))?;
    let document = DocumentName::parse(name)?;
    let flags = reader.byte()?;
    let has = |flag: u8| flags & flag != 0;
    if !has(FOUNDED) {
        return Ok(Digest { document, held: None });
    }
    let genesis = Genesis::from_bytes(reader.array()?);
    let marks = Marks { old: has(OLD), loaded: has(LOADED), content: has(CONTENT) };
    let (given_up, view) = (reader.array()?, Some(reader.array()?));
    let seen = if has(NAMED) {
        let count = reader.byte()?;
        let entry = |_| Ok((ReplicaId::from_bytes(reader.array()?), reader.u64()?));
        Seen::Named((0..count).map(entry).collect::<Result<_>>()?)
    } else {
        Seen::Digest(reader.array()?, reader.u64()?)
    };
    Ok(Digest { document, held: Some(Held { genesis, marks, given_up, seen, view, is_anew: has(ANEW) }) })
}
