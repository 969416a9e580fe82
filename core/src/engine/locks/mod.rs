//! Locks of documents: one authority each, which every instance asks, and leases that every instance knows.
//!
//! The authority is at first the instance that founded the document. A lease is a note of the document ([`notes`]): it is
//! stored before it is answered, there again after a restart, and known to every instance that shares the document, which
//! refuses the writes of others ([`writes`]). An instance that is not the authority asks it over its peers ([`routes`]).

mod ask;
mod authority;
mod notes;
mod routes;
mod telling;
mod writes;

pub use ask::{LockCommand, MAX_LEASE_MS, MAX_WAIT_MS, MIN_LEASE_MS};
pub use notes::LockAuthority;

use std::collections::{BTreeMap, VecDeque};

use self::authority::{Authority, Done, MAX_HELD};
use self::notes::{Held, SlotNote, authority_note, place, read_authority, read_slots, slot_note};
use self::routes::Placed;
use super::document::Document;
use super::records::effect_records;
use super::shared::{Founded, Shared, Step};
use super::types::{Event, PeerId, RequestId, Ticket};
use super::{Engine, REPLICATES, unknown};
use crate::clock::Now;
use crate::error::{Code, Error, Result};
use crate::guard::{Verb, Who};
use crate::id::{DocumentName, Genesis};
use crate::lock::Lease;
use crate::value::{Str, Value};

/// Who is answered.
#[derive(Clone, Debug, PartialEq)]
enum Asker {
    /// A question of this instance, or of its guests.
    Here(u64),
    /// One that came over a peer, under that id.
    Peer(PeerId, String),
}

/// What is known of the locks of one document.
#[derive(Default)]
pub(super) struct Locks {
    /// The document whose notes were read, and the notes.
    read: Option<(Genesis, Value)>,
    authority: Option<LockAuthority>,
    /// Where this instance is the authority.
    rule: Option<Authority<Asker>>,
    /// What is noted, by slot.
    known: BTreeMap<u64, Known>,
    /// The greatest token that is noted.
    newest: u64,
    /// Answers that wait for the store.
    pending: VecDeque<(Ticket, Vec<Done<Asker>>)>,
    /// What this instance asked for.
    asks: BTreeMap<u64, Placed>,
    /// Whom questions of others came from, the newest last.
    relays: VecDeque<(String, PeerId)>,
    /// What guests hold, which ends with their connection.
    bound: BTreeMap<PeerId, Vec<(u64, Str)>>,
    /// Whether a save of the bound file waits for a lock to end.
    holds_save: bool,
}

struct Known {
    note: SlotNote,
    /// When the lease ends here, unless it is heard before that it was renewed or has ended; none once it has.
    until_ms: Option<u64>,
}

impl Known {
    fn held(&self) -> Option<Held> {
        let (live, expires_ms) = (self.note.live.as_ref()?, self.until_ms?);
        let (scope, holder, token) = (live.key.clone(), live.holder.clone(), self.note.token);
        Some(Held {
            session: live.session.clone(),
            ttl_ms: live.ttl_ms,
            lease: Lease { scope, holder, token, expires_ms },
        })
    }
}

impl Locks {
    /// Whether nobody ever asked for a lock, as far as is known here.
    fn is_idle(&self) -> bool {
        self.rule.is_none() && self.authority.is_none()
    }

    /// The leases in force, the oldest first.
    fn in_force(&self, now_ms: u64) -> Vec<Held> {
        let mut held: Vec<Held> = match &self.rule {
            Some(rule) => rule.held(now_ms).collect(),
            None => self.known.values().filter_map(Known::held).filter(|held| held.lease.is_live(now_ms)).collect(),
        };
        held.sort_by_key(|held| held.lease.token);
        held
    }

    /// Whether a save of the bound file waits for a lock to end.
    pub(super) fn holds_save(&self) -> bool {
        self.holds_save
    }

    /// When something is to be done.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let ruled = self.rule.as_ref().and_then(Authority::due_ms);
        let known = self.known.values().filter(|_| self.rule.is_none()).filter_map(|known| known.until_ms);
        let asked = self.asks.values().map(|placed| placed.due_ms);
        ruled.into_iter().chain(known).chain(asked).min()
    }
}

/// The document as it is on disk, where locks of it can be granted or asked for.
fn steady(document: &Document) -> Option<&Founded> {
    let founded = document.shared.as_ref().and_then(Shared::founded)?;
    (founded.ready && founded.anew.is_none()).then_some(founded)
}

impl Engine {
    /// Asks for a lock, or for what becomes of one; answered by [`Event::Lock`]. What a guest holds ends with its connection.
    pub fn lock(
        &mut self,
        name: &DocumentName,
        command: LockCommand,
        who: &Who,
        guest: Option<PeerId>,
        now: Now,
    ) -> RequestId {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        match self.lock_permitted(name, command, who) {
            Ok(command) => self.place_ask(name, request, command, guest, now),
            Err(error) => self.events.push_back(Event::Lock { request, result: Err(error) }),
        }
        request
    }

    fn lock_permitted(&mut self, name: &DocumentName, mut command: LockCommand, who: &Who) -> Result<LockCommand> {
        let document = self.documents.get(name).filter(|_| REPLICATES).ok_or_else(|| unknown(name))?;
        if document.shared.is_none() {
            return Err(Error::new(
                Code::Usage,
                format!("`{name}` is not shared, so nobody else could hold a lock of it"),
            )
            .with_hint("locks are of documents that instances share: bind a file, or open it with `shared`"));
        }
        if let LockCommand::Acquire { session, holder, .. } = &mut command {
            let id = self.entropy.next_id();
            session.get_or_insert_with(|| crate::id::InstanceId::from_bytes(id).to_string().into());
            if let Some(grant) = who {
                holder.clone_from(grant.principal());
            }
        }
        if let (LockCommand::ForceRelease { by, .. }, Some(grant)) = (&mut command, who) {
            *by = Some(grant.principal().clone());
        }
        command.check()?;
        if let Some(grant) = who {
            match &command {
                LockCommand::Acquire { key, .. } => grant.check_at(Verb::Lock, name, &key.as_place())?,
                LockCommand::Renew { .. } | LockCommand::Release { .. } => grant.check(Verb::Lock, name)?,
                LockCommand::ForceRelease { .. } => grant.check(Verb::Operate, name)?,
            }
        }
        Ok(command)
    }

    /// The locks of a document in force, as far as is known here, the oldest first.
    pub fn locks(&self, name: &DocumentName, now: Now) -> Vec<Lease> {
        let document = self.documents.get(name);
        let held = document.map(|document| document.locks.in_force(now.mono_ms)).unwrap_or_default();
        held.into_iter().map(|held| held.lease).collect()
    }

    /// Who grants the locks of a document; none while nobody knows, as before the first lock.
    pub fn lock_authority(&self, name: &DocumentName) -> Option<LockAuthority> {
        self.documents.get(name)?.locks.authority
    }

    /// How many wait here for locks of a document.
    pub fn lock_relays(&self, name: &DocumentName) -> usize {
        self.documents.get(name).map_or(0, |document| document.locks.asks.len())
    }

    /// Makes this instance the authority of a document's locks, whatever became of the one before. Where locks may be held that
    /// it has not heard of, it grants nothing for [`MAX_LEASE_MS`].
    ///
    /// # Errors
    /// [`Code::NotReady`] where there is no document yet.
    pub fn take_lock_authority(&mut self, name: &DocumentName, now: Now) -> Result<LockAuthority> {
        let document = self.documents.get_mut(name).ok_or_else(|| unknown(name))?;
        if steady(document).is_none() {
            return Err(routes::not_begun(name));
        }
        let quiet = if document.locks.is_idle() { 0 } else { now.mono_ms.saturating_add(MAX_LEASE_MS) };
        self.begin_rule(name, quiet, now);
        self.lock_authority(name).ok_or_else(|| unknown(name))
    }

    /// Begins the next epoch here.
    fn begin_rule(&mut self, name: &DocumentName, quiet_until_ms: u64, now: Now) {
        let instance = self.config.instance;
        let Some(document) = self.documents.get_mut(name) else { return };
        let epoch = document.locks.authority.map_or(0, |authority| authority.epoch) + 1;
        let before = document.locks.rule.replace(Authority::new(epoch, quiet_until_ms));
        document.locks.authority = Some(LockAuthority { instance, epoch });
        self.dismiss(name, before, now);
        self.save_locks(name, Vec::new(), now);
    }

    /// Whether this instance grants the locks of a document; it begins to, where it founded it and nobody does yet.
    ///
    /// # Errors
    /// [`Code::NotReady`] where there is no document yet, or it is being taken over.
    fn rules(&mut self, name: &DocumentName, now: Now) -> Result<bool> {
        let instance = self.config.instance;
        let document = self.documents.get(name).ok_or_else(|| unknown(name))?;
        let founded = steady(document).ok_or_else(|| routes::not_begun(name))?;
        match document.locks.authority {
            Some(authority) => Ok(authority.instance == instance && document.locks.rule.is_some()),
            None if founded.life.founder => {
                self.begin_rule(name, 0, now);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn decide(&mut self, name: &DocumentName, asker: Asker, command: LockCommand, now: Now) {
        let rule = self.documents.get_mut(name).and_then(|document| document.locks.rule.as_mut());
        let done = rule.map(|rule| rule.ask(asker, command, now.mono_ms)).unwrap_or_default();
        self.save_locks(name, done, now);
    }

    /// Notes what has changed, and answers when the store has it.
    fn save_locks(&mut self, name: &DocumentName, done: Vec<Done<Asker>>, now: Now) {
        let Some(document) = self.documents.get_mut(name) else { return };
        let (Some(rule), Some(authority)) = (&mut document.locks.rule, document.locks.authority) else { return };
        let founded = document.shared.as_mut().and_then(Shared::founded_mut);
        let Some(founded) = founded.filter(|founded| founded.anew.is_none()) else { return };
        let unsaved = rule.take_unsaved();
        let genesis = founded.pending.genesis();
        let mut notes = vec![authority_note(genesis, authority)];
        notes.extend(unsaved.iter().map(|(slot, note)| slot_note(genesis, authority.epoch, *slot, note)));
        match founded.note(&notes, now.wall_ms) {
            Ok(Some(written)) => {
                let records = effect_records(name, &founded.pending, &written.effect);
                let ticket = self.stage_step(name, records, Step::Delta(written.delta), "members", None, None);
                if let Some(document) = self.documents.get_mut(name) {
                    document.locks.pending.push_back((ticket, done));
                }
            }
            Ok(None) => self.answer_asked(name, done, now),
            Err(error) => self.locks_lost(name, done, &error, now),
        }
    }

    /// What could not be stored was not granted.
    fn locks_lost(&mut self, name: &DocumentName, done: Vec<Done<Asker>>, error: &Error, now: Now) {
        let Some(document) = self.documents.get_mut(name) else { return };
        if let Some(rule) = &mut document.locks.rule {
            done.iter().filter_map(|done| done.granted).for_each(|token| rule.take_back(token));
            rule.save_again();
        }
        let failed = done.into_iter().map(|done| Done {
            result: done.result.and(Err(error.clone())),
            forced: None,
            granted: None,
            ..done
        });
        let failed = failed.collect();
        self.answer_asked(name, failed, now);
    }

    fn answer_asked(&mut self, name: &DocumentName, done: Vec<Done<Asker>>, now: Now) {
        for Done { asker, result, forced, .. } in done {
            if let Some(forced) = forced {
                self.audit_forced(name, forced, now);
            }
            self.answer_ask(name, asker, result, now);
        }
    }

    /// A batch is in the store.
    pub(super) fn locks_persisted(&mut self, name: &DocumentName, ticket: Ticket, was_replaced: bool, now: Now) {
        if !REPLICATES {
            return;
        }
        let Some(document) = self.documents.get_mut(name) else { return };
        let genesis = document.shared.as_ref().and_then(Shared::founded).map(|founded| founded.durable.genesis());
        let is_same = document.locks.read.as_ref().map(|(read, _)| *read) == genesis;
        if was_replaced && document.locks.rule.is_some() {
            if is_same {
                // The store was put back from a copy, or others went on without this instance: they may know of locks
                // that it gave and has forgotten.
                self.begin_rule(name, now.mono_ms.saturating_add(MAX_LEASE_MS), now);
            } else {
                let before = document.locks.rule.take();
                self.dismiss(name, before, now);
            }
        }
        self.read_locks(name, now);
        let Some(document) = self.documents.get_mut(name) else { return };
        let mut done = Vec::new();
        while document.locks.pending.front().is_some_and(|(waits, _)| *waits <= ticket) {
            done.extend(document.locks.pending.pop_front().into_iter().flat_map(|(_, done)| done));
        }
        let has_unsaved = document.locks.rule.as_ref().is_some_and(Authority::has_unsaved);
        self.answer_asked(name, done, now);
        if has_unsaved {
            self.save_locks(name, Vec::new(), now);
        }
    }

    /// Batches did not get into the store.
    pub(super) fn locks_failed(&mut self, name: &DocumentName, reason: &Error, now: Now) {
        let Some(document) = self.documents.get_mut(name).filter(|_| REPLICATES) else { return };
        let done: Vec<_> = document.locks.pending.drain(..).flat_map(|(_, done)| done).collect();
        self.locks_lost(name, done, reason, now);
    }

    /// Looks at what is noted: who grants, and what is held.
    pub(super) fn read_locks(&mut self, name: &DocumentName, now: Now) {
        let instance = self.config.instance;
        let Some(document) = self.documents.get_mut(name).filter(|_| REPLICATES) else { return };
        let founded = document.shared.as_ref().and_then(Shared::founded).filter(|founded| founded.ready);
        let Some(founded) = founded else { return };
        let genesis = founded.durable.genesis();
        let noted = founded.durable.notes().at(&place(genesis)).cloned().unwrap_or_else(Value::empty_map);
        if document.locks.read.as_ref().is_some_and(|(of, read)| *of == genesis && *read == noted) {
            return;
        }
        let is_first = document.locks.read.replace((genesis, noted.clone())).is_none_or(|(of, _)| of != genesis);
        let locks = &mut document.locks;
        let said = read_authority(&noted);
        // What this instance begins is its word until the store has it.
        let is_ahead = locks.rule.as_ref().is_some_and(|rule| said.is_none_or(|said| said.epoch < rule.epoch));
        let mut before = None;
        if is_first || !is_ahead {
            locks.authority = said;
            let rules = said.filter(|said| said.instance == instance);
            match (rules, &locks.rule) {
                (Some(said), Some(rule)) if rule.epoch == said.epoch && !is_first => {}
                (Some(said), _) => {
                    let slots = read_slots(&noted, said.epoch);
                    before = locks.rule.replace(Authority::resumed(said.epoch, &slots, now.mono_ms));
                }
                (None, _) => before = locks.rule.take(),
            }
        }
        let slots = said.map(|said| read_slots(&noted, said.epoch)).unwrap_or_default();
        debug_assert!(slots.len() <= MAX_HELD);
        locks.newest = slots.values().map(|note| note.token).max().unwrap_or(0);
        let rules = locks.rule.is_some();
        let last = std::mem::take(&mut locks.known);
        for (slot, note) in slots {
            let until_ms = match last.get(&slot) {
                Some(known) if known.note == note => known.until_ms,
                _ if rules => note.live.as_ref().map(|_| u64::MAX),
                _ => note.live.as_ref().map(|live| now.mono_ms.saturating_add(live.ttl_ms)),
            };
            locks.known.insert(slot, Known { note, until_ms });
        }
        let held = |all: &BTreeMap<u64, Known>| -> BTreeMap<u64, Lease> {
            all.values().filter_map(Known::held).map(|held| (held.lease.token, held.lease)).collect()
        };
        let (last, known) = (held(&last), held(&locks.known));
        self.dismiss(name, before, now);
        let gone: Vec<Lease> = last.iter().filter(|(t, _)| !known.contains_key(t)).map(|(_, l)| l.clone()).collect();
        let new: Vec<Lease> = known.iter().filter(|(t, _)| !last.contains_key(t)).map(|(_, l)| l.clone()).collect();
        self.tell_locks(name, &gone, &new, now);
    }

    /// Nobody here grants what they wait for any more.
    fn dismiss(&mut self, name: &DocumentName, before: Option<Authority<Asker>>, now: Now) {
        let waiting = before.map(|mut rule| rule.dismiss()).unwrap_or_default();
        for asker in waiting {
            let error = Error::new(Code::NotReady, format!("the locks of `{name}` got another authority meanwhile"));
            self.answer_ask(name, asker, Err(error.with_hint("ask again")), now);
        }
    }

    /// What is due by now is done.
    pub(super) fn locks_due(&mut self, name: &DocumentName, now: Now) {
        let Some(document) = self.documents.get_mut(name).filter(|_| REPLICATES) else { return };
        if document.locks.due_ms().is_none_or(|due| due > now.mono_ms) {
            return;
        }
        let locks = &mut document.locks;
        let mut gone = Vec::new();
        if let Some(rule) = &mut locks.rule {
            let done = rule.advance(now.mono_ms);
            self.save_locks(name, done, now);
        } else {
            for known in locks.known.values_mut() {
                if known.until_ms.is_some_and(|until| until <= now.mono_ms) {
                    gone.extend(known.held().map(|held| held.lease));
                    known.until_ms = None;
                }
            }
        }
        self.tell_locks(name, &gone, &[], now);
        self.asks_due(name, now);
    }
}
