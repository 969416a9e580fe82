//! Who writes a document that drops its history: instances join, are expelled, and start anew where others went on without
//! them.
//!
//! A replica that asks for the document gets it after the note that it is a member, so whatever it writes has seen that
//! note. A replica whose store was put back from a copy, or that was expelled, takes over the document of the others under
//! a new name and writes again what it had not shared.

use super::records::{base_records, dropped_records, effect_records, replica_record};
use super::shared::{Founded, Shared, Step};
use super::types::{Level, Member, PeerId, StoreWrite};
use super::{Engine, Session, unknown};
use crate::clock::{Now, VersionVector, rfc3339};
use crate::error::{Code, Error, Result};
use crate::id::{DocumentName, ReplicaId};
use crate::limits::MAX_MEMBERS;
use crate::protocol::ReplicaLink;
use crate::replica::{Delta, Edit, Effect, Heeds, Replica, WriteOptions, joins, leaves, signed};
use crate::value::Value;

impl Member {
    /// `{"replica", "own", "connected", "blocks", "instance_id"?, "acknowledged"?}`.
    pub fn to_value(&self) -> Value {
        let mut fields: Vec<(&str, Value)> = vec![
            ("replica", self.replica.to_string().into()),
            ("own", self.is_own.into()),
            ("connected", (self.is_own || self.is_connected).into()),
            ("blocks", self.blocks.into()),
        ];
        fields.extend(self.instance.map(|instance| ("instance_id", instance.to_string().into())));
        fields.extend(self.acknowledged_ms.map(|at| ("acknowledged", rfc3339(at).into())));
        fields.into_iter().collect()
    }
}

/// What is said of a store that is not where it was made.
const PUT_BACK: &str = "the store was put back from a copy, or moved: what is written from now on is concurrent to what others may have of this instance";

impl Engine {
    /// The replicas that write a document and have to be reached before its history is dropped; none where it is kept.
    pub fn members(&self, document: &DocumentName) -> Vec<ReplicaId> {
        let founded = self.documents.get(document).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        founded.map(|founded| founded.durable.members().collect()).unwrap_or_default()
    }

    /// The member whose name, or whose instance's id, begins so.
    ///
    /// # Errors
    /// [`Code::UnknownDocument`], [`Code::NotFound`] where none does, [`Code::Usage`] where several do.
    pub fn find_member(&self, document: &DocumentName, prefix: &str) -> Result<ReplicaId> {
        if !self.documents.contains_key(document) {
            return Err(unknown(document));
        }
        let members = self.members(document);
        if members.is_empty() {
            return Err(Error::new(Code::NotFound, format!("`{document}` keeps its history and has no members"))
                .with_hint("only a document that was founded with `--settle` waits for members"));
        }
        let prefix = prefix.to_ascii_lowercase();
        let heard = self.documents.get(document).map(|document| &document.heard);
        let instance =
            |member: &ReplicaId| heard.and_then(|heard| heard.get(member)).and_then(|(instance, _)| *instance);
        let is_meant = |member: &ReplicaId| {
            let of_instance = instance(member).is_some_and(|instance| instance.to_string().starts_with(&prefix));
            !prefix.is_empty() && (of_instance || member.to_string().starts_with(&prefix))
        };
        let mut found = members.into_iter().filter(is_meant);
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => {
                let error = Error::new(Code::Usage, format!("`{prefix}` is the beginning of several members' ids"));
                Err(error.with_hint("name more of it, or the replica where an instance was a member twice"))
            }
            (None, _) => Err(Error::new(Code::NotFound, format!("`{prefix}` is no member of `{document}`"))
                .with_hint("see the members in `confmesh status`")),
        }
    }

    /// What became of [`Engine::expel`]: whether the replica is out of the members on disk; `None` while that is on its way.
    pub fn is_expelled(&self, document: &DocumentName, replica: ReplicaId) -> Option<bool> {
        let founded = self.documents.get(document).and_then(|d| d.shared.as_ref()).and_then(Shared::founded)?;
        match (founded.durable.is_member(replica), founded.pending.is_member(replica)) {
            (false, _) => Some(true),
            (true, true) => Some(false),
            (true, false) => None,
        }
    }

    /// Takes a replica that is gone for good out of the members, so that it holds up nothing. What it wrote and this
    /// instance has not seen is taken from it no more; should it come back, it writes that again under a new name.
    ///
    /// Only for the one instance that all others exchange their writes with (the hub of a star): elsewhere another
    /// instance may hold writes of it that this one has not seen.
    ///
    /// # Errors
    /// [`Code::UnknownDocument`], [`Code::NotFound`] for a replica that is no member, [`Code::Usage`] for this very replica.
    pub fn expel(&mut self, document: &DocumentName, replica: ReplicaId, now: Now) -> Result<()> {
        let founded = self.documents.get(document).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        let founded = founded.ok_or_else(|| unknown(document))?;
        if !founded.pending.is_member(replica) {
            return Err(Error::new(Code::NotFound, format!("`{replica}` is no member of `{document}`")));
        }
        if replica == founded.pending.id() {
            return Err(Error::new(Code::Usage, "an instance cannot expel itself")
                .with_hint("ask another instance to expel it"));
        }
        let last = founded.pending.seen().seq(replica);
        self.note(document, &[leaves(replica, last)], now);
        Ok(())
    }

    /// Takes this instance out of the members for good: its replica of the document will not come back. What it writes
    /// later is refused until it starts anew.
    pub fn leave(&mut self, document: &DocumentName, now: Now) {
        let founded = self.documents.get(document).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        let Some(founded) = founded.filter(|founded| founded.pending.members().nth(1).is_some()) else { return };
        let id = founded.pending.id();
        if founded.pending.is_member(id) {
            // The note itself is its last write.
            let last = founded.pending.seen().seq(id).saturating_add(1);
            self.note(document, &[leaves(id, last)], now);
        }
    }

    /// Makes notes in a document that is founded here.
    pub(super) fn note(&mut self, name: &DocumentName, notes: &[Edit], now: Now) {
        let founded = self.documents.get_mut(name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut);
        let Some(founded) = founded else { return };
        match founded.note(&signed(notes, founded.pending.genesis(), &self.key), now.wall_ms) {
            Ok(Some(written)) => {
                let records = effect_records(name, &founded.pending, &written.effect);
                self.stage_step(name, records, Step::Delta(written.delta), "members", None, None);
            }
            Ok(None) => {}
            Err(error) => self.notice(Level::Error, error),
        }
    }

    /// Whether a peer has to become a member before it gets the document.
    pub(super) fn has_to_join(&self, name: &DocumentName, link: &ReplicaLink) -> bool {
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        founded.is_some_and(|founded| {
            founded.durable.settles() && link.replica.is_some_and(|replica| !founded.durable.was_member(replica))
        })
    }

    /// Makes members of the peers that wait for it, and sends the document to those that became one.
    pub(super) fn admit(&mut self, name: &DocumentName, now: Now) {
        let (mut admitted, mut turned_away, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        let Some(founded) = founded.filter(|founded| founded.ready) else { return };
        let sponsors = founded.may_send() && founded.pending.is_member(founded.pending.id());
        for (peer, session) in &mut self.sessions {
            let Session::Replica(session) = session else { continue };
            let Some(link) = session.link(name).filter(|link| link.waits) else { continue };
            // Whoever has the name says so, and nobody else says that it wrote under another one.
            let Some(replica) = link.replica.filter(|replica| session.proves(*replica)) else { continue };
            let former = link.former.filter(|former| session.proves(*former) && *former != founded.pending.id());
            let Some(link) = session.link_mut(name) else { continue };
            if founded.durable.was_member(replica) {
                link.waits = false;
                link.genesis = Some(founded.durable.genesis());
                admitted.push(*peer);
            } else if sponsors && !founded.pending.was_member(replica) {
                if founded.pending.members().count() + notes.len() >= MAX_MEMBERS {
                    turned_away.extend((!std::mem::replace(&mut session.is_turned_away, true)).then_some(*peer));
                    continue;
                }
                notes.push(joins(replica));
                let former = former.filter(|former| founded.pending.is_member(*former));
                notes.extend(former.map(|former| leaves(former, founded.pending.seen().seq(former))));
            }
        }
        if !notes.is_empty() {
            self.note(name, &notes, now);
        }
        for peer in admitted {
            self.send_delta(peer, name, true, now);
        }
        for peer in turned_away {
            let message = format!("`{name}` has {MAX_MEMBERS} members, and takes no more");
            let hint =
                "see the members that are gone in `confmesh status`, and stop waiting for them with `confmesh expel`";
            self.refuse_message(peer, name, &Error::new(Code::TooLarge, message).with_hint(hint), now);
        }
    }

    /// The store failed, and the replica goes on under a new name. The first that it stores under it are the notes that
    /// make a member of it in the place of its former names: whatever fails or dies in between, somebody is a member.
    ///
    /// They wait for the next batch, or the next heartbeat: a store that fails at once would be asked again at once.
    pub(super) fn prepare_succession(&mut self, name: &DocumentName, former: [ReplicaId; 2], now: Now) {
        let Some(document) = self.documents.get_mut(name) else { return };
        let [known_as, _] = former;
        former.into_iter().for_each(|name| document.remember_former(name));
        let Some(founded) = document.shared.as_mut().and_then(Shared::founded_mut) else { return };
        let mut notes = founded.farewells(&document.former);
        // Of another key, which is lost, a member has to say so: it asks like a newcomer.
        let public = self.key.public();
        let is_own = document.former.iter().any(|name| public.has_name(*name) && founded.pending.is_member(*name));
        if notes.is_empty() || !is_own || founded.anew.is_some() {
            founded.known_as = None;
            return;
        }
        notes.push(joins(founded.pending.id()));
        match founded.note(&signed(&notes, founded.pending.genesis(), &self.key), now.wall_ms) {
            Ok(written) => {
                let records = |effect: &Effect| effect_records(name, &founded.pending, effect);
                founded.succession = written.map(|written| (records(&written.effect), written.delta));
                founded.known_as.get_or_insert(known_as);
            }
            Err(error) => self.notice(Level::Error, error),
        }
    }

    /// Goes on under another name of this instance's key where the store holds none of it: from before there were keys, or of
    /// a key that is lost. And where the store may be a copy, so that no write bears the name of one that others have: not where
    /// history is dropped, because a name whose last writes are not known cannot leave.
    pub(super) fn take_own_name(&mut self, name: &DocumentName, now: Now) {
        let (fresh, key) = (self.next_author(), self.key.public());
        let founded = self.documents.get_mut(name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut);
        let is_copy = self.config.is_copy;
        let is_left =
            |founded: &Founded| !key.has_name(founded.durable.id()) || (is_copy && !founded.durable.settles());
        let Some(founded) = founded else { return };
        let is_left = is_left(founded);
        if is_copy && key.has_name(founded.durable.id()) {
            self.tell_put_back(name);
        }
        let founded = self.documents.get_mut(name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut);
        let Some(founded) = founded.filter(|_| is_left) else { return };
        let old = founded.durable.id();
        founded.rename(fresh);
        let record = replica_record(name, &founded.durable);
        self.prepare_succession(name, [old, old], now);
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        if founded.is_some_and(|founded| founded.succession.is_some()) {
            self.hand_over(name);
        } else {
            self.stage_step(name, vec![record], Step::Records, "shared", None, None);
        }
    }

    /// The store was put back from a copy, or moved: nobody can tell which. That is told until the process ends.
    fn tell_put_back(&mut self, name: &DocumentName) {
        let Some(document) = self.documents.get_mut(name) else { return };
        document.put_back = Some(
            Error::new(Code::Store, PUT_BACK)
                .with_hint("where it was moved, there is nothing to do; else compare with the other instances"),
        );
        if let Some(error) = document.put_back.clone() {
            self.notice(Level::Info, error);
        }
    }

    /// Hands to the store what has to get there before everything else after it failed.
    pub(super) fn hand_over(&mut self, name: &DocumentName) {
        let founded = self.documents.get_mut(name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut);
        if let Some((records, delta)) = founded.and_then(|founded| founded.succession.take()) {
            self.stage_step(name, records, Step::Delta(delta), "members", None, None);
        }
    }

    /// The new name is a member on disk, and its peers have got that: they hear it.
    pub(super) fn tell_succession(&mut self, name: &DocumentName, now: Now) {
        let founded = self.documents.get_mut(name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut);
        let Some(founded) = founded.filter(|founded| founded.durable.was_member(founded.durable.id())) else { return };
        if founded.known_as.take().is_some() {
            self.greet_all(now);
        }
    }

    /// Takes the former names of this instance out of the members, also those that a peer made a member meanwhile.
    pub(super) fn succeed(&mut self, name: &DocumentName, now: Now) {
        self.hand_over(name);
        let Some(document) = self.documents.get(name) else { return };
        let founded = document.shared.as_ref().and_then(Shared::founded).filter(|founded| founded.anew.is_none());
        let founded = founded.filter(|founded| founded.ready && founded.pending.is_member(founded.pending.id()));
        let notes = founded.map(|founded| founded.farewells(&document.former)).unwrap_or_default();
        if !notes.is_empty() {
            self.note(name, &notes, now);
        }
    }

    /// Asks the peers for the whole document under a new name: others went on without this replica, or its store was put
    /// back from a copy.
    pub(super) fn start_anew(&mut self, name: &DocumentName, now: Now) {
        let id = self.next_author();
        let founded = self.documents.get_mut(name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut);
        let Some(founded) = founded.filter(|founded| founded.anew.is_none()) else { return };
        founded.anew = Some(id);
        self.greet_all(now);
    }

    /// Whether this replica was expelled, or a vector tells of own writes that it does not know.
    pub(super) fn is_left_behind(&self, name: &DocumentName, seen: &VersionVector) -> bool {
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        founded.is_some_and(|founded| {
            founded.anew.is_none() && (founded.pending.is_expelled() || founded.was_put_back(seen))
        })
    }

    /// Takes over the document of a peer under the name that [`Engine::start_anew`] chose, and writes again what was not
    /// shared. One batch in the store does all of it.
    pub(super) fn rebase(&mut self, name: &DocumentName, delta: &Delta, from: PeerId, now: Now) {
        self.hand_over(name);
        let Some(document) = self.documents.get_mut(name) else { return };
        let Some(founded) = document.shared.as_mut().and_then(Shared::founded_mut) else { return };
        let Some(id) = founded.anew.filter(|_| delta.since.is_empty() && !delta.to.is_empty()) else { return };
        let old = founded.pending.id();
        let is_member = founded.pending.is_member(old);
        let own = if founded.was_put_back(&delta.to) { founded.stored_writes } else { u64::MAX };
        // Others hold other writes under these names.
        let twice = founded.pending.given_twice(delta);
        let last = |r| twice.iter().find(|dot| dot.replica == r).map_or(u64::MAX, |dot| dot.seq.saturating_sub(1));
        let shared = delta.to.iter().map(|(r, seq)| (r, seq.min(last(r)).min(if r == old { own } else { u64::MAX })));
        let shared = shared.collect();
        let synced = founded.pending.unshared_before(&founded.synced, &twice);
        let options = WriteOptions::under(&document.policy);
        let rebased = founded.pending.rebased(id, delta, &shared, (&synced, Heeds::Later), &options, now.wall_ms);
        let rebased = match rebased {
            Ok(rebased) => rebased,
            Err(error) => return self.notice(Level::Warning, error),
        };
        let replica = rebased.replica;
        let (rewritten, refused, overruled) = (rebased.rewritten, rebased.refused, rebased.overruled);
        if replica.settles() != founded.pending.settles() {
            // Said at a document's birth: somebody made this one up, and it would be like no other.
            let error = Error::new(Code::Message, "malformed delta: it is no whole document");
            return self.refuse_message(from, name, &error, now);
        }
        if replica.settles() && !replica.is_member(id) {
            if replica.was_member(id) {
                // Expelled before it got anything: no document will be made for this name.
                founded.anew = None;
                self.start_anew(name, now);
            }
            return;
        }
        let mut records: Vec<StoreWrite> = dropped_records(name, founded.pending.live()).collect();
        records.extend(effect_records(name, &replica, &rebased.effect));
        for effect in &rewritten {
            records.extend(effect_records(name, &replica, effect));
        }
        let (parts, base_bytes) = base_records(name, &replica, founded.base_bytes);
        records.extend(parts);
        records.push(replica_record(name, &replica));
        founded.replace(replica.clone(), rebased.received, base_bytes);
        founded.changed_ms = now.wall_ms;
        if is_member {
            document.remember_former(old);
        }
        let overruled = document.overrule(overruled, now.wall_ms);
        let (record, told) = overruled.unzip();
        records.extend(record);
        self.stage_step(name, records, Step::Replace(Box::new(replica)), "shared", None, Some(from));
        let mut message = format!(
            "the others went on with `{name}` without this instance, which now takes over their document; {} of its own writes were made again{}",
            rewritten.len(),
            if refused > 0 { format!(", {refused} were refused by what is there") } else { String::new() }
        );
        let mut hint =
            "this is so after the data directory was put back from a copy, or after the instance was expelled";
        if let Some(told) = told {
            message.push_str(&format!("; {told}"));
            hint = "see `confmesh conflicts --all`, and settle it with `confmesh resolve`; this is so after the data directory was \
                    put back from a copy, or after the instance was expelled";
        }
        self.notice(Level::Warning, Error::new(Code::ForeignDocument, message).with_hint(hint));
    }
}

impl super::shared::Founded {
    /// Writes under another name from now on; nothing is on its way to the store.
    fn rename(&mut self, id: ReplicaId) {
        self.durable = self.durable.reincarnated(id);
        self.pending = self.durable.clone();
        self.sides = super::sides::Sides::default();
        self.stored_writes = 0;
    }

    /// The notes that those of these names write no more that are members still.
    fn farewells(&self, former: &[ReplicaId]) -> Vec<Edit> {
        let is_gone = |name: &&ReplicaId| **name != self.pending.id() && self.pending.is_member(**name);
        former.iter().filter(is_gone).map(|name| leaves(*name, self.pending.seen().seq(*name))).collect()
    }

    /// Another document takes the place of the pending one; `received` is what others had of it.
    pub(super) fn replace(&mut self, replica: Replica, received: Value, base_bytes: usize) {
        self.pending_value = replica.view().value;
        // Its second names may stand for other writes there.
        self.sides = super::sides::Sides::default();
        let before = std::mem::replace(&mut self.synced, received);
        self.synced_before.get_or_insert(before);
        self.stored_writes = replica.seen().seq(replica.id());
        (self.anew, self.known_as) = (None, None);
        (self.pending, self.base_bytes) = (replica, self.base_bytes.max(base_bytes));
    }
}
