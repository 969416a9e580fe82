//! What confmesh itself replicates with a document, under the reserved key: the members, settings, and what else has to be
//! known to all. It never shows in the document, and no write of the document touches it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Assertion, Claim, Delta, Edit, Effect, Replica};
use crate::clock::Dot;
use crate::conflict::{Meanwhile, Tag};
use crate::error::{Code, Error, Result};
use crate::id::ReplicaId;
use crate::limits::{MAX_DEPTH, RESERVED_KEY};
use crate::path::Path;
use crate::value::{Str, Value};

/// Below it: every writer that ever joined, by id; `true`, or the number of its last write once it left.
const MEMBERS: &str = "members";
/// Below it: `true` where history is dropped.
const SETTLE: &str = "settle";

/// What the notes say of the members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notes {
    /// The notes: a map.
    all: Value,
    settles: bool,
    /// The writers that joined, with the number of the last write of those that left.
    members: BTreeMap<ReplicaId, Option<u64>>,
}

impl Default for Notes {
    fn default() -> Notes {
        Notes { all: Value::empty_map(), settles: false, members: BTreeMap::new() }
    }
}

impl Notes {
    fn of(all: Value) -> Notes {
        let settles = all.child(SETTLE).and_then(Value::as_bool).unwrap_or(false);
        let members = all.child(MEMBERS).and_then(Value::as_map);
        let members = members.into_iter().flat_map(|map| map.iter());
        let members = members.filter_map(|(id, standing)| Some((ReplicaId::parse(id)?, standing.as_u64()))).collect();
        Notes { all, settles, members }
    }
}

/// Whether a path lies in the reserved tree.
pub(super) fn is_reserved(path: &Path) -> bool {
    path.segments().first().is_some_and(|first| *first == *RESERVED_KEY)
}

/// Whether a path below the reserved key says who is a member, or whether history is kept: never written again elsewhere.
pub(super) fn is_membership(place: &Path) -> bool {
    place.segments().first().is_some_and(|first| *first == *MEMBERS || *first == *SETTLE)
}

fn reserved(place: &Path) -> Path {
    std::iter::once(Str::from(RESERVED_KEY)).chain(place.segments().iter().cloned()).collect()
}

fn member_path(member: ReplicaId) -> Path {
    [Str::from(MEMBERS), Str::from(member.to_string())].into_iter().collect()
}

/// The note that lets a replica write. Make it before the replica gets the document, so that it has seen the note whenever
/// it writes.
pub fn joins(member: ReplicaId) -> Edit {
    Edit { path: member_path(member), value: Some(true.into()) }
}

/// The note that a member writes no more: its last write is the one with this number.
pub fn leaves(member: ReplicaId, last: u64) -> Edit {
    Edit { path: member_path(member), value: Some(last.into()) }
}

/// The note that the history of the document is dropped once all members have it. Make it at the document's birth, or
/// never.
pub fn settles() -> Edit {
    Edit { path: [Str::from(SETTLE)].into_iter().collect(), value: Some(true.into()) }
}

impl Replica {
    /// Writes notes, as one write of this replica: paths below the reserved key, each a value as a whole. Of concurrent
    /// notes at one path the later stands. Notes that are there already are left out; `None` where none is left.
    ///
    /// Never make a note above or below another one.
    ///
    /// # Errors
    /// [`Code::ReservedKey`] for a note at no path, [`Code::TooLarge`] for one that nests too deep.
    pub fn note(&mut self, notes: &[Edit], wall_ms: u64) -> Result<Option<Effect>> {
        for note in notes {
            if note.path.is_root() {
                return Err(Error::new(Code::ReservedKey, format!("`{RESERVED_KEY}` itself is never written")));
            }
            if 1 + note.path.len() + note.value.as_ref().map_or(0, Value::depth) > MAX_DEPTH {
                return Err(Error::new(Code::TooLarge, "a note nests too deep"));
            }
        }
        let mut new: BTreeMap<&Path, &Option<Value>> = notes.iter().map(|note| (&note.path, &note.value)).collect();
        new.retain(|path, value| self.notes().at(path) != value.as_ref());
        if new.is_empty() {
            return Ok(None);
        }
        let context = Arc::new(self.seen.clone());
        let dot = Dot { replica: self.id, seq: self.seen.seq(self.id) + 1 };
        let stamp = self.clock.tick(wall_ms);
        self.seen.add(dot);
        let mut effect = Effect::default();
        for (path, value) in new {
            let assertion = Assertion {
                dot,
                context: Arc::clone(&context),
                stamp,
                tag: Tag::LastWriteWins,
                path: reserved(path),
                claim: value.clone().map_or(Claim::Absent, Claim::Value),
                edits: BTreeMap::new(),
                policy: 0,
                fence: 0,
                added: Vec::new(),
                removed: Vec::new(),
                previous: None,
                meanwhile: Meanwhile::Last,
                user: None,
            };
            self.insert(Arc::new(assertion), &mut effect);
        }
        self.read_notes();
        Ok(Some(effect))
    }

    /// The notes in force: a map.
    pub fn notes(&self) -> &Value {
        &self.notes.all
    }

    /// Whether the history of the document is dropped once all members have it.
    pub fn settles(&self) -> bool {
        self.notes.settles
    }

    /// The replicas that may write and have to be waited for; none where the document keeps its history.
    pub fn members(&self) -> impl Iterator<Item = ReplicaId> {
        self.notes.members.iter().filter(|(_, last)| last.is_none()).map(|(member, _)| *member)
    }

    /// Whether a replica may write now.
    pub fn is_member(&self, replica: ReplicaId) -> bool {
        self.notes.members.get(&replica).is_some_and(Option::is_none)
    }

    /// Whether a replica ever was a member.
    pub fn was_member(&self, replica: ReplicaId) -> bool {
        self.notes.members.contains_key(&replica)
    }

    /// Whether other members take its own writes.
    pub fn is_in_standing(&self) -> bool {
        let own = self.seen.seq(self.id);
        let last = match self.notes.members.get(&self.id) {
            Some(None) => u64::MAX,
            Some(Some(last)) => *last,
            None => 0,
        };
        !self.settles() || own <= last
    }

    /// The first author in a delta that may not write: it never joined, or wrote after it left.
    pub(super) fn stranger(&self, delta: &Delta) -> Option<ReplicaId> {
        if !self.settles() {
            return None;
        }
        let joined = |replica: ReplicaId| {
            let path = reserved(&member_path(replica));
            delta.items.iter().any(|item| item.path == path)
        };
        // Who learns that it was expelled holds what it writes until it starts anew, and sends it to nobody.
        let new = delta.to.iter().filter(|(replica, seq)| *replica != self.id && *seq > self.seen.seq(*replica));
        new.map(|(replica, seq)| (replica, seq, self.notes.members.get(&replica)))
            .find(|(replica, seq, standing)| match standing {
                None => !joined(*replica),
                Some(None) => false,
                Some(Some(last)) => seq > last,
            })
            .map(|(replica, ..)| replica)
    }

    /// Reads the notes anew, after the assertions in the reserved tree changed.
    pub(super) fn read_notes(&mut self) {
        let settled = self.base.as_ref().map(|base| base.notes.clone());
        let all =
            if self.reserved.is_empty() { settled.unwrap_or_else(Value::empty_map) } else { self.notes_of(settled) };
        self.notes = Notes::of(all);
    }
}
