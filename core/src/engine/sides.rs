//! The names under which a host writes what its guests made on older documents.
//!
//! Under its own name a host has seen everything that it has; a second name has seen no more than the guest. Who has seen
//! the last write of a name can write under it again, so a few are enough. They are stored with their writes, and used
//! again after a restart. Where the store failed, nobody can say which of their writes others have, and new ones are taken.

use crate::clock::{Dot, VersionVector};
use crate::error::{Code, Error, Result};
use crate::id::ReplicaId;
use crate::value::{Str, Value};

/// How many names there are at most: every version vector of the document holds them.
const MOST: usize = 8;

/// The last write under each name.
#[derive(Debug, Default)]
pub(super) struct Sides {
    last: Vec<Dot>,
    /// What these were when the process started.
    stored: VersionVector,
    /// The newest of them, until it is asked for.
    newest: Option<Dot>,
}

impl Sides {
    /// A name for one who has seen `guest`, where the host has seen `host`; `fresh` where none will do.
    ///
    /// # Errors
    /// [`Code::Stale`] where there are too many.
    pub(super) fn author(
        &mut self,
        host: &VersionVector,
        guest: &VersionVector,
        fresh: ReplicaId,
    ) -> Result<ReplicaId> {
        // The document may have been replaced by that of others: a name of which it lacks writes is not used again.
        self.last.retain(|last| host.seq(last.replica) == last.seq);
        match self.last.iter().find(|last| guest.contains(**last)) {
            Some(last) => Ok(last.replica),
            None if self.last.len() < MOST => Ok(fresh),
            None => {
                Err(Error::new(Code::Stale, "too many guests come back at once with edits made on older documents")
                    .with_hint("read the document again and make the edit on what it is now"))
            }
        }
    }

    /// The JSON form: name to the number of its last write.
    pub(super) fn to_value(&self) -> Value {
        self.last.iter().map(|last| (Str::from(last.replica.to_string()), Value::from(last.seq))).collect()
    }

    /// Reads the JSON form. Names that were not written like this are not used again.
    pub(super) fn from_value(value: &Value) -> Sides {
        let names = value.as_map().into_iter().flat_map(|map| map.iter());
        let last = names.filter_map(|(name, seq)| Some(Dot { replica: ReplicaId::parse(name)?, seq: seq.as_u64()? }));
        let last: Vec<Dot> = last.take(MOST).collect();
        let stored = last.iter().map(|last| (last.replica, last.seq)).collect();
        Sides { last, stored, newest: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    pub(super) fn wrote(&mut self, dot: Dot) {
        self.newest = Some(dot);
        match self.last.iter_mut().find(|last| last.replica == dot.replica) {
            Some(last) => *last = dot,
            None => self.last.push(dot),
        }
    }

    /// All of them.
    pub(super) fn names(&self) -> impl Iterator<Item = ReplicaId> {
        self.last.iter().map(|last| last.replica)
    }

    pub(super) fn contains(&self, replica: ReplicaId) -> bool {
        self.last.iter().any(|last| last.replica == replica)
    }

    /// Whether this process made the write.
    pub(super) fn made(&self, dot: Dot) -> bool {
        self.contains(dot.replica) && !self.stored.contains(dot)
    }

    /// The newest write, once.
    pub(super) fn take_newest(&mut self) -> Option<Dot> {
        self.newest.take()
    }
}
