//! What confmesh itself replicates with a document, under the reserved key: the members, settings, and what else has to be
//! known to all. It never shows in the document, and no write of the document touches it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::membership::{standing, unsigned};
use super::{Assertion, Claim, Delta, Edit, Effect, Replica};
use crate::clock::Dot;
use crate::conflict::{Meanwhile, Tag};
use crate::error::{Code, Error, Result};
use crate::id::ReplicaId;
use crate::limits::{MAX_DEPTH, RESERVED_KEY};
use crate::path::Path;
use crate::value::{Str, Value};

/// Below it: every writer that ever joined, by id; `true`, or the number of its last write once it left; each with the
/// signature of who says so.
pub(super) const MEMBERS: &str = "members";
/// Below it: `true` where history is dropped.
pub(super) const SETTLE: &str = "settle";

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
        let said = all.child(MEMBERS).and_then(Value::as_map);
        let said: Vec<_> = said.into_iter().flat_map(|map| map.iter()).map(|(id, note)| (id.clone(), note)).collect();
        let members = said.iter().filter_map(|(id, note)| Some((ReplicaId::parse(id)?, standing(note).flatten())));
        let members = members.collect();
        // Signatures are for who learns of it; what is in force is kept without.
        let bare: Vec<_> = said.iter().filter(|(_, note)| note.as_list().is_some()).collect();
        let bare: Vec<_> = bare.into_iter().map(|(id, note)| (id.clone(), unsigned(note))).collect();
        let all = bare
            .into_iter()
            .fold(all.clone(), |all, (id, note)| all.with(&[Str::from(MEMBERS), id].into_iter().collect(), note));
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

/// Whether a write says this of its document: it means nothing in another one.
pub(super) fn is_of_its_document(path: &Path) -> bool {
    matches!(path.segments(), [first, second, ..] if *first == *RESERVED_KEY && (*second == *MEMBERS || *second == *SETTLE))
}

pub(super) fn reserved(place: &Path) -> Path {
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
    /// [`Code::ReservedKey`] for a note at no path, [`Code::TooLarge`] for one that nests too deep, and where the
    /// document has too many authors.
    pub fn note(&mut self, notes: &[Edit], wall_ms: u64) -> Result<Option<Effect>> {
        for note in notes {
            if note.path.is_root() {
                return Err(Error::new(Code::ReservedKey, format!("`{RESERVED_KEY}` itself is never written")));
            }
            if 1 + note.path.len() + note.value.as_ref().map_or(0, Value::depth) > MAX_DEPTH {
                return Err(Error::new(Code::TooLarge, "a note nests too deep"));
            }
        }
        let new = notes.iter().filter(|note| !self.is_noted(note));
        let new: BTreeMap<&Path, &Option<Value>> = new.map(|note| (&note.path, &note.value)).collect();
        if new.is_empty() {
            return Ok(None);
        }
        self.may_author(self.id)?;
        let context = Arc::new(self.seen.clone());
        let dot = Dot { replica: self.id, seq: self.seen.seq(self.id).saturating_add(1) };
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
                message: None,
                run: None,
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

    /// Whether others went on without it: it was taken out of the members, maybe under a former name while it took this
    /// one, or it holds more of a former member than they took.
    pub fn is_expelled(&self) -> bool {
        let is_gone = self.was_member(self.id) && !self.is_member(self.id);
        let mut left = self.notes.members.iter().filter_map(|(member, last)| Some((member, (*last)?)));
        self.settles()
            && (is_gone || left.any(|(member, last)| self.seen.seq(*member) > last) || self.was_expelled_meanwhile())
    }

    /// Whether somebody took a former name of this replica out of the members who did not know that this one had taken its
    /// place: what it wrote since may have come too late.
    fn was_expelled_meanwhile(&self) -> bool {
        let leaves = |note: &&Arc<Assertion>| note.claim.value().and_then(standing).flatten().is_some();
        let joined = self.reserved.at(&reserved(&member_path(self.id)));
        let mut succeeded = joined.iter().map(|note| note.dot).filter(|dot| dot.replica == self.id);
        succeeded.any(|dot| {
            let mut former = self.reserved.iter().filter(leaves).filter(|note| note.dot == dot);
            former.any(|note| self.reserved.at(&note.path).iter().filter(leaves).any(|other| other.dot != dot))
        })
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
        // Who learns that it was expelled holds what it writes until it starts anew, and sends it to nobody.
        let new = |(replica, seq): &(ReplicaId, u64)| *replica != self.id && *seq > self.seen.seq(*replica);
        let mut new = delta.to.iter().filter(new).peekable();
        new.peek()?;
        let notes = self.notes_with(delta);
        let notes = notes.as_ref().unwrap_or(&self.notes);
        let may_write = |(replica, seq): &(ReplicaId, u64)| match notes.members.get(replica) {
            None => false,
            Some(last) => last.is_none_or(|last| *seq <= last),
        };
        new.find(|written| !may_write(written)).map(|(replica, _)| replica)
    }

    /// The notes as those in a delta leave them; none where it brings none.
    fn notes_with(&self, delta: &Delta) -> Option<Notes> {
        let mut notes = delta.items.iter().filter(|item| is_reserved(&item.path)).peekable();
        notes.peek()?;
        let mut probe = Replica::new(self.id, self.genesis);
        (probe.base, probe.reserved) = (self.base.clone(), self.reserved.clone());
        for note in notes.filter(|note| !self.seen.contains(note.dot)) {
            probe.insert(Arc::clone(note), &mut Effect::default());
        }
        probe.read_notes();
        Some(probe.notes)
    }

    /// Reads the notes anew, after the assertions in the reserved tree changed.
    pub(super) fn read_notes(&mut self) {
        let settled = self.base.as_ref().map(|base| base.notes.clone());
        let mut all =
            if self.reserved.is_empty() { settled.unwrap_or_else(Value::empty_map) } else { self.notes_of(settled) };
        for (place, last) in self.last_writes() {
            all = all.with(&place, last.into());
        }
        self.notes = Notes::of(all);
    }

    /// The number of the last write of those that left, where notes on it compete: no name is used again, and who counted
    /// least may have dropped its history by that.
    fn last_writes(&self) -> BTreeMap<Path, u64> {
        let mut last: BTreeMap<Path, u64> = BTreeMap::new();
        for note in self.reserved.iter() {
            let place: Path = note.path.segments().iter().skip(1).cloned().collect();
            if is_membership(&place)
                && let Some(number) = note.claim.value().and_then(standing).flatten()
            {
                last.entry(place).and_modify(|least| *least = number.min(*least)).or_insert(number);
            }
        }
        last
    }
}
