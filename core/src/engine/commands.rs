//! Writes: from a command to its receipt.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::checks::{Refusal, Waiting};
use super::records::effect_records;
use super::shared::{Command, Reply, Shared, Staged, Step};
use super::terms::WriteTerms;
use super::types::{Event, Level, PeerId, Receipt, RequestId, Ticket};
use super::{Engine, FOLLOWS, MERGES, REPLICATES, unknown};
use crate::canonical::ContentTag;
use crate::clock::{Dot, Now};
use crate::diff::Patch;
use crate::error::{Code, Error, Result};
use crate::id::DocumentName;
use crate::path::Path;
use crate::replica::Edit;
use crate::value::Value;

/// The command that a write of the shared layer answers.
pub(super) struct Asked<'a> {
    pub(super) request: RequestId,
    /// What the command is about.
    pub(super) path: Path,
    pub(super) terms: &'a WriteTerms,
}

impl Engine {
    /// Sets a path of the shared layer (of the runtime layer where none is shared). Answered by [`Event::Written`].
    pub fn set(&mut self, document: &DocumentName, path: Path, value: Value, now: Now) -> RequestId {
        self.write(document, Command::set(path, value), WriteTerms::default(), now)
    }

    /// Removes a path of the layer that [`Engine::set`] writes.
    pub fn unset(&mut self, document: &DocumentName, path: Path, now: Now) -> RequestId {
        self.write(document, Command::unset(path), WriteTerms::default(), now)
    }

    /// Applies an RFC 6902 patch to the effective document and writes what differs. With `if_hash` only if that is the
    /// document's content hash.
    pub fn patch(&mut self, document: &DocumentName, patch: Patch, if_hash: Option<ContentTag>, now: Now) -> RequestId {
        self.write(document, Command::Patch(patch), WriteTerms { if_hash, ..WriteTerms::default() }, now)
    }

    /// Applies an RFC 7396 merge patch to the effective document and writes what differs.
    pub fn merge_patch(
        &mut self,
        document: &DocumentName,
        patch: Value,
        if_hash: Option<ContentTag>,
        now: Now,
    ) -> RequestId {
        self.write(document, Command::MergePatch(patch), WriteTerms { if_hash, ..WriteTerms::default() }, now)
    }

    /// Makes the effective document this one as far as the written layer can, by writing what differs.
    pub fn replace(
        &mut self,
        document: &DocumentName,
        value: Value,
        if_hash: Option<ContentTag>,
        now: Now,
    ) -> RequestId {
        self.write(document, Command::Replace(value), WriteTerms { if_hash, ..WriteTerms::default() }, now)
    }

    /// Writes under conditions, by force, under a lock's token, or in somebody's name: every other command is this one
    /// with the default terms. Answered by [`Event::Written`].
    ///
    /// A condition that does not hold any more refuses the write ([`Code::Stale`]), or merges it where the policy says so
    /// ([`crate::policy::Stale`]).
    pub fn write(&mut self, document: &DocumentName, command: Command, terms: WriteTerms, now: Now) -> RequestId {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        let checked = if self.documents.contains_key(document) { terms.check() } else { Err(unknown(document)) };
        match checked {
            Ok(()) => self.execute(document, request, command, &terms, now),
            Err(error) => self.answer(request, Err(error), now),
        }
        request
    }

    pub(super) fn execute(
        &mut self,
        name: &DocumentName,
        request: RequestId,
        command: Command,
        terms: &WriteTerms,
        now: Now,
    ) {
        let Some(document) = self.documents.get_mut(name) else { return };
        if let Some(Shared::Unfounded { waiting, .. }) = &mut document.shared {
            return waiting.push_back((request, command, terms.clone()));
        }
        let write = Waiting { request, command, terms: terms.clone(), asked: 0 };
        if let Some(write) = self.wait_in_line(name, write) {
            self.attempt(name, write, now);
        }
    }

    /// Makes a write whose turn it is, or asks the checks of the program about it first.
    pub(super) fn attempt(&mut self, name: &DocumentName, write: Waiting, now: Now) {
        let Waiting { request, command: mut wished, terms: mut given, asked } = write;
        // Principals are known where documents are replicated, and what decides about them is left out of other builds.
        let permitted =
            if REPLICATES { self.permitted(name, wished.clone(), &given) } else { Ok((wished.clone(), given.clone())) };
        let (mut command, terms) = match permitted {
            Ok(permitted) => permitted,
            Err(error) => return self.answer(request, Err(error), now),
        };
        let Some(document) = self.documents.get_mut(name) else { return };
        if !REPLICATES {
            if FOLLOWS && document.guest.is_some() {
                return self.ask_host(name, request, command, terms.user, now);
            }
            let result =
                if MERGES { self.write_runtime(name, &command, asked, now) } else { Err(unknown(name).into()) };
            let write = Waiting { request, command: wished, terms: given, asked };
            return self.written_or_asked(name, write, result, now);
        }
        if let Command::Assign(id, user) = command {
            return self.assign(name, request, (id, user), now);
        }
        let mut terms = terms;
        if let Some((once, document)) = terms.once.clone().zip(self.documents.get(name)) {
            if document.deliveries.has(&once, now.wall_ms) {
                // What it asked for may be on its way to the store still: then this answer waits for it as the first one does.
                command = Command::Edits(Vec::new());
                terms = WriteTerms { once: Some(once), ..WriteTerms::default() };
            } else if let Err(error) = document.deliveries.check_room(now.wall_ms) {
                return self.answer(request, Err(error), now);
            }
        }
        if let Command::Resolve(id, choice) = &command
            && let Some(edit) =
                self.settle_save(name, *id, choice, |engine, edit| engine.check_locks(name, edit, &terms, now))
        {
            match edit {
                Ok(edit) => command = Command::Edits(vec![edit]),
                Err(error) => return self.answer(request, Err(error), now),
            }
            // It is settled, and was permitted: what is left is to write what that comes to.
            (wished, given) = (command.clone(), WriteTerms { by: None, ..terms.clone() });
        }
        let wished = Waiting { request, command: wished, terms: given, asked };
        let ready = self.settled(name, command, &terms).and_then(|(c, t)| self.unless_stale(name, c, t));
        let (command, terms) = match ready {
            Ok(ready) => ready,
            Err(error) => return self.answer(request, Err(error), now),
        };
        let Some(document) = self.documents.get_mut(name) else { return };
        if document.guest.is_some() {
            return self.ask_host(name, request, command, terms.user, now);
        }
        if document.shared.is_none() {
            let result = self.write_runtime(name, &command, asked, now);
            return self.written_or_asked(name, wished, result, now);
        }
        let edits = command.edits(&document.snapshot.value).map_err(Refusal::Wrong);
        match edits.and_then(|edits| document.examine_asked(&edits, asked).map(|()| edits)) {
            Ok(edits) => {
                if let Err(error) = self.check_locks(name, &edits, &terms, now) {
                    return self.answer(request, Err(error), now);
                }
                let asked = Asked { request, path: command.path(), terms: &terms };
                self.write_shared(name, &edits, Some(asked), "shared", now);
            }
            Err(refusal) => self.written_or_asked(name, wished, Err(refusal), now),
        }
    }

    /// Answers a write, or keeps it until the checks of the program have.
    fn written_or_asked(&mut self, name: &DocumentName, write: Waiting, result: Result<Vec<Path>, Refusal>, now: Now) {
        match result {
            Ok(changed) => {
                let (request, path) = (write.request, write.command.path());
                let reply = Reply { request, path, changed, dot: None, is_repeat: false };
                self.reply(name, reply, now);
            }
            Err(Refusal::Wrong(error)) => self.answer(write.request, Err(error), now),
            Err(Refusal::Unknown(unknown)) => self.wait_for_answer(name, write, unknown, now),
        }
    }

    fn write_runtime(
        &mut self,
        name: &DocumentName,
        command: &Command,
        asked: u8,
        now: Now,
    ) -> Result<Vec<Path>, Refusal> {
        let document = self.documents.get_mut(name).ok_or_else(|| unknown(name))?;
        let edits = command.edits(&document.snapshot.value)?;
        document.examine_asked(&edits, asked)?;
        let old = document.runtime();
        let new = edits.iter().fold(old.clone(), |value, edit| match &edit.value {
            Some(new) => value.with(&edit.path, new.clone()),
            None => value.without(&edit.path),
        });
        if new.as_map().is_none() {
            return Err(Error::new(Code::NotAMap, format!("a document is a map, found {}", new.type_name())).into());
        }
        let changed = edits.into_iter().map(|edit| edit.path).filter(|path| old.at(path) != new.at(path)).collect();
        document.set_runtime(new);
        self.refresh(name, super::RUNTIME, now);
        Ok(changed)
    }

    /// Encodes edits into the shared layer of a founded document and sends them to the store.
    pub(super) fn write_shared(
        &mut self,
        name: &DocumentName,
        edits: &[Edit],
        asked: Option<Asked<'_>>,
        cause: &'static str,
        now: Now,
    ) {
        self.succeed(name, now);
        let default = WriteTerms::default();
        let terms = asked.as_ref().map_or(&default, |asked| asked.terms);
        let is_late = REPLICATES && terms.made_on.is_some();
        let fresh = is_late.then(|| self.next_author());
        let Some(document) = self.documents.get_mut(name) else { return };
        let Some(founded) = document.shared.as_mut().and_then(Shared::founded_mut) else { return };
        let mut writes = Vec::new();
        let once = terms.once.clone();
        let is_repeat = once.as_ref().is_some_and(|once| document.deliveries.has(once, now.wall_ms));
        let mut step = Step::Records;
        let mut answer = None;
        let mut ahead_ms = 0;
        let policy = &document.policy;
        let stamped_ms = founded.pending.last_stamp().wall_ms();
        let written = match (&terms.made_on, fresh) {
            (Some(made_on), Some(fresh)) => founded.write_made_on(edits, (policy, terms), made_on, fresh, now.wall_ms),
            _ => founded.write(edits, policy, terms, now.wall_ms),
        };
        match written {
            Err(error) => {
                match asked {
                    Some(asked) => self.answer(asked.request, Err(error), now),
                    None => {
                        if let Some(file) = &mut document.file {
                            file.edits_lost(error.clone());
                        }
                        self.notice(Level::Error, error);
                    }
                }
                return;
            }
            Ok(None) => {
                // What it asks for may be on its way to the store still: then the answer waits for it.
                if let Some(asked) = asked {
                    let (request, path) = (asked.request, asked.path);
                    let reply = Reply { request, path, changed: Vec::new(), dot: None, is_repeat };
                    if founded.staged.is_empty() && (once.is_none() || is_repeat) {
                        return self.reply(name, reply, now);
                    }
                    answer = Some(reply);
                }
            }
            Ok(Some(written)) => {
                writes.extend(effect_records(name, &founded.pending, &written.effect));
                if founded.writes_as(written.dot.replica) {
                    writes.push(super::records::sides_record(name, &founded.sides));
                }
                let (changed, dot) = (written.changed, Some(written.dot));
                answer = asked.map(|asked| Reply {
                    request: asked.request,
                    path: asked.path,
                    changed,
                    dot,
                    is_repeat: false,
                });
                step = Step::Delta(written.delta);
                ahead_ms = stamped_ms.saturating_sub(now.wall_ms);
            }
        }
        // An edit of the bound file moves its base in the same batch, so a crash between the two cannot happen.
        if let Some(file) = document.file.as_mut().filter(|_| cause == "file") {
            writes.extend(file.records(name));
        }
        if let Some(once) = once.filter(|_| !is_repeat)
            && let Some(document) = self.documents.get_mut(name)
        {
            let next = Ticket(self.last_ticket + 1);
            writes.extend(document.remember_delivery(&once, next, now.wall_ms));
        }
        self.stage_step(name, writes, step, cause, answer, None);
        self.compare_own_stamps(name, ahead_ms);
    }

    pub(super) fn stage_step(
        &mut self,
        name: &DocumentName,
        writes: Vec<super::StoreWrite>,
        step: Step,
        cause: &'static str,
        reply: Option<Reply>,
        from: Option<PeerId>,
    ) -> Ticket {
        if !REPLICATES {
            return Ticket(self.last_ticket); // nothing is shared that could be stored
        }
        self.hand_over(name);
        let document = self.documents.get(name);
        let founded = document.and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        let repair = document.zip(founded).and_then(|(document, founded)| {
            Some(super::records::repair_records(document, founded, document.doubtful.as_ref()?))
        });
        let mut writes: Vec<super::StoreWrite> = repair.into_iter().flatten().chain(writes).collect();
        let next = Ticket(self.last_ticket + 1);
        writes.extend(self.stage_version(name, next, &step, cause));
        if let Some(document) = self.documents.get_mut(name) {
            // Notes of members change no document, and go before what waits for them: the pending one is ahead of them.
            if matches!(step, Step::Delta(_) | Step::Replace(_)) && cause != "members" {
                document.foresee(next, cause);
            }
            writes.extend(document.take_withheld_record());
            if matches!(step, Step::Settle) {
                document.remember_losses();
            }
            writes.extend(document.closed.take_records(name));
            writes.extend(document.take_doubtful_deliveries());
        }
        let ticket = self.stage(writes);
        if let Some(document) = self.documents.get_mut(name)
            && let Some(founded) = document.shared.as_mut().and_then(Shared::founded_mut)
        {
            let repairs = document.doubtful.take();
            let life = std::sync::Arc::clone(&founded.pending_life);
            founded.staged.push_back(Staged { ticket, step, cause, reply, from, life, repairs });
        }
        ticket
    }

    /// The batch with this ticket is on disk. Its writes become visible, are answered and are sent.
    pub fn handle_persisted(&mut self, ticket: Ticket, now: Now) {
        debug_assert!(ticket > self.answered, "{ticket:?} is answered after {:?}", self.answered);
        self.answered = ticket;
        let found = self.documents.iter_mut().find_map(|(name, document)| {
            let founded = document.shared.as_mut()?.founded_mut()?;
            let (was_ready, life) = (founded.ready, std::sync::Arc::clone(&founded.life));
            let is_same = |founded: &mut super::shared::Founded| founded.life.standing == life.standing;
            founded.persisted(ticket, now.wall_ms).map(|staged| (name.clone(), staged, was_ready && is_same(founded)))
        });
        debug_assert!(found.is_some(), "{ticket:?} is in the store, and was not staged next, or failed before");
        let Some((name, staged, is_as_told)) = found else { return };
        self.store_recovered(now);
        if !is_as_told || matches!(staged.step, Step::Replace(_)) {
            // What this instance says of the document is no longer what it told its peers.
            self.greet_all(now);
            self.meet_all(&name, now);
        }
        if let Some(document) = self.documents.get_mut(&name) {
            document.arrive(ticket);
            if let Some(history) = document.history.as_mut().filter(|_| super::REPLICATES) {
                history.persisted(ticket.0);
            }
            document.deliveries.persisted(ticket);
            if document.shared.as_ref().and_then(Shared::founded).is_some_and(|founded| founded.staged.is_empty()) {
                document.closed.saved();
            }
        }
        if !matches!(staged.step, Step::Records) {
            self.refresh(&name, staged.cause, now);
            self.audit_taken(&name, &staged, now);
            self.tell_conflicts(&name, matches!(staged.step, Step::Replace(_)), now);
        }
        if let Some(reply) = staged.reply {
            self.reply(&name, reply, now);
        }
        self.locks_persisted(&name, ticket, matches!(staged.step, Step::Replace(_)), now);
        // Writes that become durable together go out as one delta, when the driver asks what is to be done.
        let (from, at) = self.unsent.entry(name.clone()).or_insert((BTreeSet::new(), now));
        from.extend(staged.from);
        *at = now;
        self.settle_file_edits(&name, staged.cause);
        self.release_file(&name, ticket);
        self.mirror(&name);
    }

    /// The store could not write the batch with this ticket. It and every later one fail, what was in force stays:
    /// the driver must not store any batch that it took before this call.
    pub fn handle_persist_failed(&mut self, ticket: Ticket, reason: &Error, now: Now) {
        let holder = self.documents.iter().find(|(_, document)| {
            let founded = document.shared.as_ref().and_then(Shared::founded);
            founded.is_some_and(|founded| founded.staged.iter().any(|staged| staged.ticket == ticket))
        });
        let Some(name) = holder.map(|(name, _)| name.clone()) else { return };
        let id = self.next_author();
        let founded = self.documents.get_mut(&name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut);
        let Some(founded) = founded else { return };
        let former = [founded.durable.id(), founded.pending.id()];
        let lost = founded.persist_failed(id);
        // That the document is old may have been lost. Not at once: a store that is full would be asked again without end.
        founded.age_due_ms.get_or_insert(now.mono_ms.saturating_add(self.config.heartbeat_ms.max(1)));
        let was_ready = founded.ready;
        self.persist.retain(|batch| lost.iter().all(|staged| staged.ticket != batch.ticket));
        if let Some(document) = self.documents.get_mut(&name) {
            document.forget_foreseen();
            document.closed.save_again();
            document.deliveries.failed();
            document.versions_lost();
            document.doubtful.get_or_insert_default().extend(lost.iter().flat_map(Staged::doubtful));
            if !was_ready {
                // It never was on disk: the document begins anew, and what the file says is not lost.
                let (waiting, since_ms) = (Default::default(), Some(now.mono_ms));
                document.shared = Some(Shared::Unfounded { replica: id, waiting, since_ms });
            }
            if let Some(file) = document.file.as_mut() {
                file.plan_lost();
                file.edits_lost(reason.clone());
            }
        }
        self.prepare_succession(&name, former, now);
        self.locks_failed(&name, reason, now);
        for staged in lost {
            if let Some(reply) = staged.reply {
                self.answer(reply.request, Err(reason.clone()), now);
            }
        }
        self.store_failed(reason, now);
    }

    pub(super) fn answer(&mut self, request: RequestId, result: Result<Receipt>, now: Now) {
        self.answer_guest(request, &result, now);
        self.events.push_back(Event::Written { request, result });
    }

    pub(super) fn receipt(
        &self,
        name: &DocumentName,
        changed: Vec<Path>,
        dot: Option<Dot>,
        about: &Path,
    ) -> Option<Receipt> {
        let document = self.documents.get(name)?;
        let layer = document.written_layer();
        let written = match &document.shared {
            Some(shared) => shared.founded()?.view.value.clone(),
            None => document.runtime(),
        };
        let snapshot = Arc::clone(&document.snapshot);
        let shadowed_by = changed
            .iter()
            .filter(|path| snapshot.value.at(path) != written.at(path))
            .filter_map(|path| snapshot.explain(path))
            .filter_map(|explanation| explanation.winner)
            // Where a value is removed, a default shows through.
            .filter(|winner| winner.priority != crate::merge::priority::DEFAULT)
            .map(|winner| winner.source)
            .find(|source| *source != layer);
        // Who sets a map removes what else was there, and that may be what is withheld.
        let paths: Vec<Path> = changed.iter().chain([about]).filter(|path| !path.is_root()).cloned().collect();
        let withheld = document.withheld_at(&paths);
        let left_out = document.left_out(&written, &changed);
        let version = self.version(name, about);
        Some(Receipt { snapshot, changed, dot, version, shadowed_by, withheld, left_out, is_repeat: false })
    }
}
