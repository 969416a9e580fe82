//! How a document begins: founded here, or taken over from others.
//!
//! With no peers an instance founds its document from its file. With peers it stays *unfounded* until it has synced, or
//! until none could be reached for a while. When two documents that were founded alone meet, the smaller genesis stays; the
//! other instance adopts it and writes again what it had acknowledged since its founding.

use super::document::Document;
use super::records::{base_records, effect_records, founding_record};
use super::shared::{Founded, Shared, Step, edits};
use super::types::{Level, PeerId, StoreWrite};
use super::{Engine, REPLICATES};
use crate::clock::Now;
use crate::diff::diff;
use crate::error::{Code, Error};
use crate::id::{DocumentName, Genesis, ReplicaId};
use crate::origin::Origin;
use crate::path::Path;
use crate::replica::{Applied, Delta, Edit, Effect, Replica, WriteOptions, joins, settles};
use crate::value::Value;

impl Engine {
    /// When an unfounded document stops waiting for others.
    pub(super) fn founding_due_ms(&self, document: &Document) -> Option<u64> {
        match &document.shared {
            Some(Shared::Unfounded { since_ms: Some(since), .. }) => {
                Some(since.saturating_add(self.config.found_after_ms))
            }
            _ => None,
        }
    }

    /// Founds a document where it is time to.
    pub(super) fn consider_founding(&mut self, name: &DocumentName, now: Now) {
        if !REPLICATES {
            return;
        }
        let Some(document) = self.documents.get_mut(name) else { return };
        let Some(Shared::Unfounded { since_ms, .. }) = &mut document.shared else { return };
        if document.joins_only || document.file.as_ref().is_some_and(|file| !file.was_looked_at()) {
            return;
        }
        since_ms.get_or_insert(now.mono_ms);
        if !document.has_peers {
            return self.found(name, now);
        }
        let Some(document) = self.documents.get(name) else { return };
        let waited = self.founding_due_ms(document).is_some_and(|due| now.mono_ms >= due);
        let mut met_founded = false;
        let mut is_first = true;
        let mut met_any = false;
        for (instance, link) in self.replica_links(name) {
            met_any = true;
            met_founded |= link.genesis.is_some();
            is_first &= instance.is_some_and(|instance| self.config.instance < instance);
        }
        // Among instances that are all new, the one with the smallest id founds; the others wait for it. A peer that is
        // dialed and has not answered may hold the document.
        let met_all = self.dialed_peers(name) >= document.dialed_peers;
        if !met_founded && (waited || (met_any && is_first && met_all)) {
            self.found(name, now);
        } else if waited && let Some(document) = self.documents.get_mut(name) {
            // A peer that holds the document is there: look again later rather than at once.
            if let Some(Shared::Unfounded { since_ms, .. }) = &mut document.shared {
                *since_ms = Some(now.mono_ms);
            }
        }
    }

    fn found(&mut self, name: &DocumentName, now: Now) {
        let genesis = Genesis::from_bytes(self.entropy.next_id());
        let Some(document) = self.documents.get_mut(name) else { return };
        let Some(Shared::Unfounded { replica: id, .. }) = document.shared else { return };
        let provisional = document.file.as_ref().and_then(|file| file.provisional.clone());
        let value = provisional.unwrap_or_else(Value::empty_map);
        let mut replica = Replica::new(id, genesis);
        let edit = Edit { path: Path::root(), value: Some(value.clone()) };
        let since = replica.seen().clone();
        let notes = [settles(), joins(id)];
        let noted = if document.settle { replica.note(&notes, now.wall_ms).unwrap_or_default() } else { None };
        let mut effect = noted.unwrap_or_default();
        let written =
            match replica.write(&Value::empty_map(), &[edit], &WriteOptions::under(&document.policy), now.wall_ms) {
                Ok(effect) => effect.unwrap_or_default(),
                Err(error) => {
                    if let Some(file) = &mut document.file {
                        file.refuse(error.clone());
                    }
                    return self.notice(Level::Error, error);
                }
            };
        effect.added.extend(written.added);
        let delta = Delta { since, to: replica.seen().clone(), base: None, items: effect.added.clone() };
        let mut records = effect_records(name, &replica, &effect);
        records.push(founding_record(name, Some(&value)));
        self.begin(name, Founded::on_its_way(replica, Some(value)), records, Step::Delta(delta), None, now);
    }

    /// An unfounded document takes over what a peer sent.
    pub(super) fn join(&mut self, name: &DocumentName, genesis: Genesis, delta: &Delta, from: PeerId, now: Now) {
        let fresh = ReplicaId::from_bytes(self.entropy.next_id());
        let Some(shared) = self.documents.get_mut(name).and_then(|document| document.shared.as_mut()) else { return };
        let Shared::Unfounded { replica: id, .. } = shared else { return };
        let mut replica = Replica::new(*id, genesis);
        let effect = match replica.apply(delta, now.wall_ms) {
            Ok(Applied::Advanced { effect, .. }) => effect,
            Ok(Applied::Duplicate) => Effect::default(),
            Ok(Applied::Gap | Applied::Behind | Applied::Refused { .. }) => return self.greet(from, now),
            Err(error) => return self.notice(Level::Warning, error),
        };
        if replica.settles() && !replica.is_member(replica.id()) {
            // It was not made for this replica, which would write without having seen that it may.
            if replica.was_member(replica.id()) {
                // Expelled before it got anything: no document will be made for this name.
                *id = fresh;
                self.greet_all(now);
            }
            return;
        }
        let mut records = effect_records(name, &replica, &effect);
        records.push(founding_record(name, None));
        let (parts, base_bytes) = base_records(name, &replica, 0);
        records.extend(parts);
        let step = Step::Replace(Box::new(replica.clone()));
        let founded = Founded { base_bytes, ..Founded::on_its_way(replica, None) };
        self.begin(name, founded, records, step, Some(from), now);
    }

    fn begin(
        &mut self,
        name: &DocumentName,
        founded: Founded,
        mut records: Vec<StoreWrite>,
        step: Step,
        from: Option<PeerId>,
        now: Now,
    ) {
        let Some(document) = self.documents.get_mut(name) else { return };
        if let Some(file) = &mut document.file {
            file.set_aside_if_different(&founded.pending_value);
            records.extend(file.records(name));
        }
        let before = document.shared.replace(Shared::Founded(Box::new(founded)));
        self.stage_step(name, records, step, "shared", None, from);
        if let Some(Shared::Unfounded { waiting, .. }) = before {
            for (request, command, terms) in waiting {
                self.execute(name, request, command, &terms, now);
            }
        }
    }

    /// Gives up a document that was founded alone for the one that a peer sent, and writes again what was acknowledged
    /// here since. One batch in the store does all of it.
    pub(super) fn adopt(&mut self, name: &DocumentName, genesis: Genesis, delta: &Delta, from: PeerId, now: Now) {
        let fresh = ReplicaId::from_bytes(self.entropy.next_id());
        self.hand_over(name);
        let Some(document) = self.documents.get_mut(name) else { return };
        let Some(founded) = document.shared.as_mut().and_then(Shared::founded_mut) else { return };
        let id = founded.adopting.unwrap_or(fresh);
        let Some(founding) = founded.alone.clone() else { return };
        let mut replica = Replica::new(id, genesis);
        let effect = match replica.apply(delta, now.wall_ms) {
            Ok(Applied::Advanced { effect, .. }) => effect,
            Ok(Applied::Duplicate) => Effect::default(),
            Ok(Applied::Gap | Applied::Behind | Applied::Refused { .. }) => return self.give_up(name, from, now),
            Err(error) => return self.notice(Level::Warning, error),
        };
        if replica.settles() && !replica.is_member(id) {
            // It was not made for this replica, which would write without having seen that it may.
            if replica.was_member(id) {
                founded.adopting = None;
                self.give_up(name, from, now);
            }
            return;
        }
        let view = replica.view().value;
        let own = edits(&diff(&founding, &founded.pending_value));
        let mut rewritten: Vec<Effect> = Vec::new();
        let mut refused = 0;
        let options = WriteOptions::under(&document.policy);
        for edit in &own {
            let theirs = replica.view().value;
            match replica.write_again(&theirs, edit.clone(), &founded.pending_value, &options, now.wall_ms) {
                Ok(effect) => rewritten.extend(effect),
                // The others had set a first value here.
                Err(_) => refused += 1,
            }
        }
        let old = Effect { added: Vec::new(), dropped: founded.pending.live().cloned().collect() };
        let mut records = effect_records(name, &replica, &old);
        for effect in std::iter::once(&effect).chain(&rewritten) {
            records.extend(effect_records(name, &replica, effect));
        }
        records.push(founding_record(name, None));
        founded.gave_up = founded.alone.clone();
        let (parts, base_bytes) = base_records(name, &replica, founded.base_bytes);
        records.extend(parts);
        founded.replace(replica.clone(), view.clone(), base_bytes);
        if let Some(file) = &mut document.file {
            file.set_aside_if_different(&view);
            records.extend(file.records(name));
        }
        let origin = Origin::source(document.written_layer());
        self.stage_step(name, records, Step::Replace(Box::new(replica)), "shared", None, Some(from));
        let message = format!(
            "this instance had founded `{name}` alone and now takes over the document of the others; {} of its own writes were made again{}",
            own.len() - refused,
            if refused > 0 { format!(", {refused} were refused by what is there") } else { String::new() }
        );
        let hint = format!("a bound file that differed is kept beside it as `*{}`", super::file::BEFORE_JOIN);
        self.notice(Level::Warning, Error::new(Code::ForeignDocument, message).with_origin(origin).with_hint(hint));
    }
}
