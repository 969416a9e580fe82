//! How a document begins: founded here, or taken over from others; and how it ends: it gives way to a greater one.
//!
//! With no peers an instance founds its document at the first look at its file. With peers it stays *unfounded* until it
//! meets the document, or until a timer ends: nobody waits for somebody who has none either. So several documents may be
//! founded. Where two meet, the lesser moves to the greater ([`Standing`](crate::protocol::Standing)): the writes that were
//! acknowledged in it go along under their own names, what it was founded with is kept aside. Each link between two
//! documents moves one side up, so a connected mesh ends with the greatest.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::aside::{Aside, WHY_FORCED, WHY_JOINED, WHY_MOVED};
use super::document::Document;
use super::file::BoundFile;
use super::records::{base_records, dropped_records, effect_records, life_record, replica_record};
use super::shared::{Founded, Shared, Step};
use super::standing::{Life, Moving};
use super::types::{Level, PeerId, StoreWrite};
use super::{Engine, REPLICATES};
use crate::clock::Now;
use crate::error::{Code, Error};
use crate::id::{DocumentName, Genesis, ReplicaId};
use crate::origin::Origin;
use crate::protocol::{Meeting, Standing};
use crate::replica::{Again, Applied, Delta, Effect, Overruled, Rebased, Replica, WriteOptions};
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
        // Waiting would be as good: it only spares some documents that would have to move.
        let is_quick = met_any && is_first && self.dialed_peers(name) >= document.dialed_peers;
        if !met_founded && (waited || is_quick) {
            self.found(name, now);
        } else if waited && let Some(document) = self.documents.get_mut(name) {
            // A peer that holds the document is there. What was asked of it may be lost.
            if let Some(Shared::Unfounded { since_ms, .. }) = &mut document.shared {
                *since_ms = Some(now.mono_ms);
            }
            self.greet_all(now);
        }
    }

    fn found(&mut self, name: &DocumentName, now: Now) {
        let settle = self.documents.get(name).is_some_and(|document| document.settle);
        self.found_as(name, settle, now);
    }

    fn found_as(&mut self, name: &DocumentName, settle: bool, now: Now) {
        let genesis = Genesis::from_bytes(self.entropy.next_id());
        let Some(document) = self.documents.get_mut(name) else { return };
        let Some(Shared::Unfounded { replica: id, .. }) = document.shared else { return };
        let provisional = document.file.as_ref().and_then(|file| file.provisional.clone());
        let content = provisional.unwrap_or_else(Value::empty_map);
        let options = WriteOptions::under(&document.policy);
        let founded = Replica::found(id, genesis, &content, settle, &options);
        let (replica, delta) = match founded {
            Ok(founded) => founded,
            Err(error) => {
                if let Some(file) = &mut document.file {
                    file.refuse(error.clone());
                }
                return self.notice(Level::Error, error);
            }
        };
        let effect = Effect { added: delta.items.clone(), dropped: Vec::new() };
        let records = effect_records(name, &replica, &effect);
        let has_content = content.as_map().is_some_and(|map| !map.is_empty());
        let standing = Standing { content: has_content, born_ms: now.wall_ms, ..Standing::default() };
        let life = Life { standing, founder: true, ..Life::default() };
        self.begin(name, Founded::on_its_way(replica), life, records, Step::Delta(delta), None, now);
    }

    /// An unfounded document takes over what a peer sent.
    pub(super) fn join(&mut self, name: &DocumentName, genesis: Genesis, delta: &Delta, from: PeerId, now: Now) {
        let fresh = self.next_author();
        let standing = self.link(from, name).map(|link| link.standing.clone()).unwrap_or_default();
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
        let holds = |file: &BoundFile| file.provisional.as_ref().is_some_and(|content| *content != Value::empty_map());
        let has_content = self.documents.get(name).and_then(|document| document.file.as_ref()).is_some_and(holds);
        if has_content && replica.view().value == Value::empty_map() && !replica.was_written() {
            // Nobody ever wrote anything there: content never gives way to nothing, so that one moves to this one.
            // What was said at its birth stays.
            self.tell_first_content(name);
            self.found_as(name, replica.settles(), now);
            return self.meet_all(name, now);
        }
        let mut records = effect_records(name, &replica, &effect);
        let (parts, base_bytes) = base_records(name, &replica, 0);
        records.extend(parts);
        let step = Step::Replace(Box::new(replica.clone()));
        let founded = Founded { base_bytes, ..Founded::on_its_way(replica) };
        let life = Life { standing, ..Life::default() };
        self.begin(name, founded, life, records, step, Some(from), now);
    }

    #[allow(clippy::too_many_arguments, reason = "what begins a document, in one place")]
    fn begin(
        &mut self,
        name: &DocumentName,
        mut founded: Founded,
        life: Life,
        mut records: Vec<StoreWrite>,
        step: Step,
        from: Option<PeerId>,
        now: Now,
    ) {
        let Some(document) = self.documents.get_mut(name) else { return };
        founded.pending_life = Arc::new(life);
        founded.age_due_ms = Some(now.mono_ms.saturating_add(self.config.old_after_ms));
        founded.changed_ms = now.wall_ms;
        records.push(life_record(name, &founded.pending_life));
        if let Some(file) = &mut document.file {
            let differs = file.set_aside_if_different(&founded.pending_value);
            records.extend(file.records(name));
            if differs && let Some(text) = file.text().map(str::to_owned) {
                let kept = Aside::new(now.wall_ms, WHY_JOINED, None, file.format(), text);
                records.extend(document.keep(kept));
            }
        }
        let before = document.shared.replace(Shared::Founded(Box::new(founded)));
        self.stage_step(name, records, step, "shared", None, from);
        if let Some(Shared::Unfounded { waiting, .. }) = before {
            for (request, command, terms) in waiting {
                self.execute(name, request, command, &terms, now);
            }
        }
    }

    /// Gives up a document for the greater one that a peer sent, and takes along what was acknowledged in it. One batch in
    /// the store does all of it.
    pub(super) fn adopt(&mut self, name: &DocumentName, genesis: Genesis, delta: &Delta, from: Giver, now: Now) {
        let key = self.key.public();
        let (from, fresh, standing) = match from {
            Giver::Peer(from) => {
                let standing = self.link(from, name).map(|link| link.standing.clone()).unwrap_or_default();
                (Some(from), self.next_author(), standing)
            }
            Giver::Own { id, standing } => (None, id, standing),
        };
        self.hand_over(name);
        let Some(document) = self.documents.get_mut(name) else { return };
        let mut former = document.former.clone();
        let options = WriteOptions::under(&document.policy);
        let Some(founded) = document.shared.as_mut().and_then(Shared::founded_mut) else { return };
        let asked_as = if let (Moving::Asked(id), Some(_)) = (founded.moving, from) { id } else { fresh };
        // Also those of earlier lives.
        let authors: BTreeSet<ReplicaId> = founded.pending.live().map(|held| held.dot.replica).collect();
        former.extend(authors.into_iter().filter(|name| key.has_name(*name)));
        let mine = founded.pending.genesis();
        let is_forced = standing.given_up.contains(&mine) || founded.forced == Some(genesis);
        let moved = match Moved::of(founded, &former, (asked_as, genesis, delta), is_forced, &options, now.wall_ms) {
            Ok(Arrival::Moved(moved)) => *moved,
            // It was not made for this replica, which would write without having seen that it may.
            Ok(Arrival::Stranger) => return,
            Ok(Arrival::Expelled) => {
                founded.moving.go(Moving::Still);
                return from.into_iter().for_each(|from| self.give_up(name, from, now));
            }
            Ok(Arrival::Incomplete) => return from.into_iter().for_each(|from| self.give_up(name, from, now)),
            Err(error) => return self.notice(Level::Warning, error),
        };
        let replica = moved.replica;
        let before = founded.pending_value.clone();
        let mut records: Vec<StoreWrite> = dropped_records(name, founded.pending.live()).collect();
        for effect in &moved.effects {
            records.extend(effect_records(name, &replica, effect));
        }
        let (parts, base_bytes) = base_records(name, &replica, founded.base_bytes);
        records.extend(parts);
        records.push(replica_record(name, &replica));
        // Who repairs a document or takes one in the place of it makes it here.
        let founder = from.is_none();
        let mut life = Life { standing, absorbed: founded.pending_life.absorbed.clone(), founder };
        if is_forced {
            // As old as what it takes the place of, so that nothing gives way to that which would not give way to it.
            let Standing { old, loaded, content, .. } = founded.pending_life.standing;
            let given_up = [mine].into();
            life.standing.raise(&Standing { old, loaded, content, born_ms: 0, given_up });
        }
        life.absorbed.retain(|known| *known != genesis);
        life.absorb(mine);
        records.push(life_record(name, &life));
        founded.replace(replica.clone(), moved.received, base_bytes);
        founded.changed_ms = now.wall_ms;
        founded.pending_life = Arc::new(life);
        founded.age_due_ms = Some(now.mono_ms.saturating_add(self.config.old_after_ms));
        founded.moving.go(Moving::Storing);
        if replica.settles() {
            // Nobody knows under these names there.
            founded.sides = Default::default();
        }
        let shown = founded.pending_value.clone();
        let why = if is_forced { WHY_FORCED } else { WHY_MOVED };
        let mut asides = Vec::new();
        let mut is_in_file = false;
        if let Some(file) = &mut document.file {
            if file.set_aside_if_different(&shown)
                && let Some(text) = file.text()
            {
                asides.push((file.format(), text.to_owned()));
                // What was written last may not have got there.
                is_in_file = file.shows(&before);
            }
            records.extend(file.records(name));
        }
        let is_missing = moved.left > 0 || moved.refused > 0 || !super::aside::is_shown(&before, &shown);
        // What somebody removed and is there again is missed as well.
        let is_missing = is_missing || (is_forced && before != shown);
        if is_missing && !is_in_file {
            // The file comes last: its copy is told of that.
            asides.insert(0, (crate::format::Format::Json, crate::canonical::canonical(&before)));
        }
        let is_kept = !asides.is_empty();
        for (format, text) in asides {
            let kept = Aside { left: moved.left, ..Aside::new(now.wall_ms, why, Some(mine), format, text) };
            records.extend(document.keep(kept));
        }
        let origin = Origin::source(document.written_layer());
        let (record, told) = document.overrule(moved.overruled, now.wall_ms).unzip();
        records.extend(record);
        self.stage_step(name, records, Step::Replace(Box::new(replica)), "shared", None, from);
        if from.is_none() && !is_kept {
            return;
        }
        let mut message = format!(
            "this instance held another document named `{name}` than a peer, which was greater, and takes over that one; {} of the writes made in its own went along",
            moved.taken
        );
        if moved.refused > 0 {
            message.push_str(&format!(", {} were refused by what is there", moved.refused));
        }
        if moved.left > 0 {
            message.push_str(&format!(", {} of writers that are not here were kept aside", moved.left));
        }
        if let Some(told) = told {
            message.push_str(&format!("; {told}"));
        }
        let error = Error::new(Code::ForeignDocument, message).with_origin(origin);
        let hint = "what this instance held before is kept: see `confmesh status`";
        self.notice(Level::Warning, if is_kept { error.with_hint(hint) } else { error });
    }
}

/// Who has the document that takes the place of this one.
pub(super) enum Giver {
    /// A peer sent it.
    Peer(PeerId),
    /// It was made here, and this instance writes under that name in it.
    Own { id: ReplicaId, standing: Standing },
}

/// What came of a greater document that a peer sent.
enum Arrival {
    Moved(Box<Moved>),
    /// It is not the whole document.
    Incomplete,
    /// It is for members alone.
    Stranger,
    /// As before, and this name will never be one.
    Expelled,
}

/// The replica of the greater document, with what went along.
struct Moved {
    replica: Replica,
    /// The greater document before anything went along.
    received: Value,
    effects: Vec<Effect>,
    /// How many writes went along.
    taken: usize,
    refused: usize,
    /// Where this instance and others had written something else.
    overruled: Vec<Overruled>,
    /// How many writes were left behind whose authors are not here.
    left: usize,
}

impl Moved {
    fn of(
        founded: &Founded,
        former: &[ReplicaId],
        (id, genesis, delta): (ReplicaId, Genesis, &Delta),
        is_forced: bool,
        options: &WriteOptions<'_>,
        wall_ms: u64,
    ) -> Result<Arrival, Error> {
        let mine = &founded.pending;
        let own = mine.id();
        let mut probe = Replica::new(id, genesis);
        let effect = match probe.apply(delta, wall_ms)? {
            Applied::Advanced { effect, .. } => effect,
            Applied::Duplicate => Effect::default(),
            Applied::Gap | Applied::Behind | Applied::Refused { .. } => return Ok(Arrival::Incomplete),
        };
        if probe.settles() && !probe.is_member(id) {
            return Ok(if probe.was_member(id) { Arrival::Expelled } else { Arrival::Stranger });
        }
        let received = probe.view().value;
        let names = || former.iter().copied().chain([own]).chain(founded.sides.names()).collect::<Vec<ReplicaId>>();
        let again = |(rebased, again): (Rebased, Again)| {
            let taken = again.written.len();
            let effects = std::iter::once(rebased.effect).chain(again.written).collect();
            let (replica, received) = (rebased.replica, rebased.received);
            let (refused, overruled, left) = (again.refused, again.overruled, again.left.len());
            Arrival::Moved(Box::new(Moved { replica, received, effects, taken, refused, overruled, left }))
        };
        if let Some(known) = mine.is_in_successor(genesis).filter(|_| is_forced) {
            let known = (&known, &founded.synced, &received);
            return Ok(again(mine.again_in_successor(&names(), (id, genesis, delta), known, options, wall_ms)?));
        }
        if is_forced {
            let (effects, taken) = (vec![effect], 0);
            return Ok(Arrival::Moved(Box::new(Moved {
                replica: probe,
                received,
                effects,
                taken,
                refused: 0,
                overruled: Vec::new(),
                left: 0,
            })));
        }
        if probe.settles() {
            return Ok(again(mine.again_in(&names(), (id, genesis, delta), options, wall_ms)?));
        }
        // Under its own name it goes on, unless that has more writes there than it knows of, or what it makes again has not
        // seen those.
        let takes_new_name = delta.to.seq(own) > mine.seen().seq(own) || probe.makes_again(mine);
        let mut replica = probe.reincarnated(if takes_new_name { id } else { own });
        let along = replica.take_along(mine, wall_ms);
        let taken = along.added.len();
        let effects = vec![effect, along];
        Ok(Arrival::Moved(Box::new(Moved {
            replica,
            received,
            effects,
            taken,
            refused: 0,
            overruled: Vec::new(),
            left: 0,
        })))
    }
}

impl Engine {
    /// Whether a delta of another document is to be taken in full, in part, or not at all.
    pub(super) fn handle_other_delta(
        &mut self,
        peer: PeerId,
        name: &DocumentName,
        genesis: Genesis,
        delta: &Delta,
        now: Now,
    ) {
        let Some(theirs) = self.link(peer, name).map(|link| link.standing.clone()) else { return };
        let founded = self.documents.get_mut(name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut);
        let Some(founded) = founded else { return };
        let mine = founded.pending.genesis();
        // Also while it waits to start anew: whoever could give it its own document may have given that up.
        let is_free = founded.ready && founded.moving != Moving::Storing;
        let is_greater = founded.pending_life.standing.meets(mine, &theirs, genesis) == Meeting::Moves;
        if is_free && (is_greater || founded.forced == Some(genesis)) {
            return self.adopt(name, genesis, delta, Giver::Peer(peer), now);
        }
        let life = &founded.pending_life;
        if is_greater || !life.absorbed.contains(&genesis) || life.standing.given_up.contains(&genesis) {
            return;
        }
        // Somebody is still there who did not move yet, and may not live to do it.
        let moved = founded.pending.moved_delta(genesis, delta);
        if let Some(moved) = moved
            && let Ok(Applied::Advanced { effect, .. }) = founded.receive(&moved, now.wall_ms)
        {
            let records = effect_records(name, &founded.pending, &effect);
            self.stage_step(name, records, Step::Delta(moved), "peer", None, None);
        }
    }
}
