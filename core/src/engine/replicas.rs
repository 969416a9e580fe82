//! Sessions with other replicas: greeting, deltas, acknowledgements, heartbeats.
//!
//! What a peer lacks is computed from what it said it has, so a lost, repeated or reordered message costs at most a
//! repetition. Writes that came from one peer go on to the others, so any connected graph of instances converges.

use std::collections::{BTreeMap, BTreeSet};

use super::introductions::Acquaintance;
use super::links::LinkState;
use super::shared::{Founded, Shared, Step};
use super::standing::Moving;
use super::types::{Level, PeerId};
use super::{Engine, REPLICATES, Session};
use crate::clock::{Now, VersionVector};
use crate::error::{Code, Error};
use crate::id::{DocumentName, Genesis, InstanceId};
use crate::identity::Introduction;
use crate::protocol::{
    Greeting, Meeting, Message, Offer, Part, Pulse, ReplicaLink, Shared as SharedFrames, Standing, Wire, split,
};
use crate::replica::{Applied, Delta};

#[derive(Default)]
pub(super) struct ReplicaSession {
    pub(super) instance: Option<InstanceId>,
    pub(super) wire: Wire,
    links: BTreeMap<DocumentName, ReplicaLink>,
    /// Whether this instance dialed it.
    pub(super) is_dialed: bool,
    /// Whether it was told that a document takes no more members.
    pub(super) is_turned_away: bool,
    /// What is known of who it is.
    pub(super) acquaintance: Box<Acquaintance>,
    /// Whether it speaks no version that this instance does: no writes are exchanged then.
    is_refused: bool,
    /// How many of its messages were not taken.
    pub(super) refused: u64,
    /// The documents of which it was asked for everything, because it shows something else after the same writes.
    pub(super) compared: BTreeSet<DocumentName>,
    /// The documents of which it was sent everything, because it has other writes under the same names.
    pub(super) shown: BTreeSet<DocumentName>,
    /// The documents of which it was told that it holds another one.
    pub(super) apart: BTreeSet<DocumentName>,
}

/// One delta as messages, each with the frames that were made of it.
struct Prepared {
    since: VersionVector,
    in_parts: bool,
    messages: Vec<(Message, SharedFrames)>,
}

/// A delta that goes to several peers: made once for all that lack the same, and encoded once for all that read the same.
#[derive(Default)]
struct Outgoing {
    deltas: Vec<Prepared>,
}

impl ReplicaSession {
    /// Whether what it holds was never said.
    pub(super) fn has_no_greeting(&self) -> bool {
        self.links.is_empty() && !self.is_refused
    }

    pub(super) fn dialed() -> ReplicaSession {
        ReplicaSession { is_dialed: true, ..ReplicaSession::default() }
    }

    /// The documents that the peer gets once it is a member.
    pub(super) fn waiting(&self) -> Vec<DocumentName> {
        self.links.iter().filter(|(_, link)| link.waits).map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn link(&self, name: &DocumentName) -> Option<&ReplicaLink> {
        self.links.get(name)
    }

    pub(super) fn link_mut(&mut self, name: &DocumentName) -> Option<&mut ReplicaLink> {
        self.links.get_mut(name)
    }
}

impl Engine {
    /// The greeted peers that share a document, with what they said of it.
    pub(super) fn replica_links<'a>(
        &'a self,
        name: &'a DocumentName,
    ) -> impl Iterator<Item = (Option<InstanceId>, &'a ReplicaLink)> {
        self.sessions.values().filter_map(move |session| match session {
            Session::Replica(session) => Some((session.instance, session.links.get(name)?)),
            _ => None,
        })
    }

    /// How many of the instances that are dialed have said what they hold of a document.
    pub(super) fn dialed_peers(&self, name: &DocumentName) -> usize {
        let has_greeted = |session: &&Session| matches!(session, Session::Replica(session) if session.is_dialed && session.links.contains_key(name));
        self.sessions.values().filter(has_greeted).count()
    }

    pub(super) fn replica_peers(&self) -> Vec<PeerId> {
        let is_replica = |session: &Session| matches!(session, Session::Replica(session) if !session.is_refused);
        self.sessions.iter().filter(|(_, session)| is_replica(session)).map(|(peer, _)| *peer).collect()
    }

    pub(super) fn link(&mut self, peer: PeerId, name: &DocumentName) -> Option<&mut ReplicaLink> {
        match self.sessions.get_mut(&peer)? {
            Session::Replica(session) => session.links.get_mut(name),
            _ => None,
        }
    }

    pub(super) fn greet(&mut self, peer: PeerId, now: Now) {
        let documents = self
            .documents
            .values()
            .filter_map(|document| {
                let shared = document.shared.as_ref()?;
                let founded = shared.founded().filter(|founded| founded.ready);
                // Who starts anew asks for the whole document.
                let seen = founded.filter(|f| f.anew.is_none()).map(|f| f.seen().clone()).unwrap_or_default();
                // Of one that left or was expelled a note is on its way, and another one would compete with it.
                let former = founded.filter(|f| f.anew.is_some()).map(|f| f.durable.id());
                let former = former.filter(|former| founded.is_some_and(|f| f.durable.is_member(*former)));
                let replica = shared.author();
                Some(Greeting {
                    document: document.name.clone(),
                    genesis: founded.map(|f| f.durable.genesis()),
                    standing: founded.map(|f| f.life.standing.clone()).unwrap_or_default(),
                    seen,
                    replica: Some(replica),
                    former,
                    rules: Some(document.rules),
                })
            })
            .collect();
        self.hello(peer, documents, now);
    }

    pub(super) fn hello(&mut self, peer: PeerId, documents: Vec<Greeting>, now: Now) {
        let introduction = self.introduction(peer);
        self.send(peer, &Message::Hello { offer: self.encoder.offer(), documents, introduction }, now);
    }

    pub(super) fn greet_all(&mut self, now: Now) {
        for peer in self.replica_peers() {
            self.greet(peer, now);
        }
    }

    /// Tells a peer that its document shall replace ours.
    pub(super) fn give_up(&mut self, name: &DocumentName, peer: PeerId, now: Now) {
        let id = self.next_author();
        let founded = self.documents.get_mut(name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut);
        let Some(founded) = founded.filter(|founded| founded.moving != Moving::Storing) else { return };
        let id = if let Moving::Asked(id) = founded.moving { id } else { id };
        founded.moving.go(Moving::Asked(id));
        let (document, seen, standing) = (name.clone(), VersionVector::default(), Standing::default());
        let rules = self.documents.get(name).map(|document| document.rules);
        let documents =
            vec![Greeting { document, genesis: None, standing, seen, replica: Some(id), former: None, rules }];
        self.hello(peer, documents, now);
    }

    pub(super) fn handle_hello(
        &mut self,
        peer: PeerId,
        offer: &Offer,
        (documents, introduction): (Vec<Greeting>, Option<Introduction>),
        instance: Option<InstanceId>,
        now: Now,
    ) {
        if instance == Some(self.config.instance) {
            let error = Error::new(Code::Protocol, "the peer is this very instance").with_hint(
                "remove its own address from the list of peers; in a copied data directory remove `instance.key`, so that it gets an id of its own",
            );
            if matches!(self.sessions.get(&peer), Some(Session::Guest(_))) {
                // So that the other end finds out as well.
                self.greet(peer, now);
            }
            self.sessions.remove(&peer);
            self.bar(peer, LinkState::Itself, instance, &error);
            self.notice(Level::Error, error.clone());
            return self.send(peer, &Message::Error { error, request_id: None }, now);
        }
        if let Err(error) = self.check_replica(peer) {
            return self.refuse_replica(peer, instance, error, now);
        }
        let ours = self.encoder.offer();
        let mut agreed = Wire::default();
        let wire = match self.sessions.get_mut(&peer) {
            Some(Session::Replica(session)) => &mut session.wire,
            _ => &mut agreed,
        };
        if let Err(error) = wire.agree(&ours, offer) {
            // Who dialed us stays a guest; whom we dialed gets no writes.
            if let Some(Session::Replica(session)) = self.sessions.get_mut(&peer) {
                session.is_refused = true;
                session.links.clear();
            }
            self.bar(peer, LinkState::Refused, instance, &error);
            self.notice(Level::Error, error.clone());
            return self.send(peer, &Message::Error { error, request_id: None }, now);
        }
        self.unbar(peer);
        if matches!(self.sessions.get(&peer), Some(Session::Guest(_))) {
            let session = ReplicaSession { wire: agreed, ..ReplicaSession::default() };
            self.sessions.insert(peer, Session::Replica(session));
            self.hear_introduction(peer, introduction.as_ref(), now);
            self.greet(peer, now);
        } else {
            self.hear_introduction(peer, introduction.as_ref(), now);
            self.answer_introduction(peer, now);
        }
        let names: Vec<DocumentName> = documents.iter().map(|greeting| greeting.document.clone()).collect();
        let Some(Session::Replica(session)) = self.sessions.get_mut(&peer) else { return };
        session.instance = instance;
        session.is_refused = false;
        let mut news = Vec::new();
        for greeting in documents {
            let name = greeting.document;
            let link = session.links.entry(name.clone()).or_default();
            link.genesis = greeting.genesis;
            link.standing = greeting.standing;
            (link.replica, link.former, link.waits) = (greeting.replica, greeting.former, false);
            link.told(&greeting.seen);
            if std::mem::replace(&mut link.rules, greeting.rules) != greeting.rules {
                let document = self.documents.get(&name);
                news.extend(document.and_then(|document| document.other_rules(link, instance)));
            }
        }
        for other_rules in news {
            self.notice(Level::Warning, other_rules);
        }
        if self.next_heartbeat_ms.is_none() {
            self.next_heartbeat_ms = Some(now.mono_ms + self.config.heartbeat_ms);
        }
        for name in names {
            self.meet(peer, &name, now);
        }
        self.admit_proven(peer, now);
    }

    /// Decides what two replicas that greeted each other do about a document.
    fn meet(&mut self, peer: PeerId, name: &DocumentName, now: Now) {
        let Some(document) = self.documents.get(name) else { return };
        let founded = document.shared.as_ref().and_then(Shared::founded).filter(|founded| founded.ready);
        let mine = founded.map(|founded| founded.durable.genesis());
        let life = founded.map(|founded| std::sync::Arc::clone(&founded.life));
        let forced = founded.and_then(|founded| founded.forced);
        let Some(link) = self.link(peer, name).cloned() else { return };
        let other = link.genesis.filter(|theirs| mine != Some(*theirs));
        let meeting = mine.zip(life).zip(other);
        let meeting = meeting.map(|((mine, life), theirs)| life.standing.meets(mine, &link.standing, theirs));
        let is_asked = mine.is_some_and(|mine| link.genesis.is_none_or(|theirs| mine == theirs));
        if is_asked && self.is_left_behind(name, &link.acknowledged) {
            return self.start_anew(name, now);
        }
        if mine.is_some() && mine == link.genesis {
            // Also of who is no member yet: it holds the same document.
            self.raise(name, &link.standing);
        }
        let waits = is_asked && self.has_to_join(name, &link);
        if let Some(link) = self.link(peer, name) {
            // It may have waited for a document that is not here any more.
            link.waits = waits;
        }
        if waits {
            return self.admit(name, now);
        }
        match (mine, link.genesis) {
            (None, _) => self.consider_founding(name, now),
            (Some(genesis), None) => {
                if let Some(link) = self.link(peer, name) {
                    link.genesis = Some(genesis);
                }
                self.send_delta(peer, name, true, now);
            }
            (Some(_), Some(theirs)) if forced == Some(theirs) => self.give_up(name, peer, now),
            (Some(_), Some(_)) => match meeting {
                None => self.send_delta(peer, name, false, now),
                Some(Meeting::Moves) => self.give_up(name, peer, now),
                Some(Meeting::Stays) => {}
                Some(Meeting::Apart) => self.tell_apart(peer, name),
            },
        }
    }

    /// The document is another one than when its peers greeted: each meeting is decided anew.
    pub(super) fn meet_all(&mut self, name: &DocumentName, now: Now) {
        for peer in self.replica_peers() {
            self.meet(peer, name, now);
        }
    }

    /// Sends what the peer lacks; `always` also an empty delta, which tells an unfounded peer the document's birth.
    pub(super) fn send_delta(&mut self, peer: PeerId, name: &DocumentName, always: bool, now: Now) {
        self.send_delta_shared(peer, name, always, &mut Outgoing::default(), now);
    }

    /// As [`Engine::send_delta`]; `outgoing` holds what other peers got of the same state.
    fn send_delta_shared(
        &mut self,
        peer: PeerId,
        name: &DocumentName,
        always: bool,
        outgoing: &mut Outgoing,
        now: Now,
    ) {
        let Some(document) = self.documents.get(name) else { return };
        let Some(founded) = document.shared.as_ref().and_then(Shared::founded).filter(|f| f.ready) else { return };
        let Some(Session::Replica(session)) = self.sessions.get_mut(&peer) else { return };
        let Some(link) = session.links.get_mut(name).filter(|link| !link.waits) else { return };
        if !founded.may_send() {
            // What this replica wrote, others do not take; under a new name it will write it again.
            return;
        }
        let genesis = founded.durable.genesis();
        let since = if link.genesis == Some(genesis) { link.next_since(&founded.durable) } else { None };
        let in_parts = session.wire.takes_parts();
        let is_made = |made: &Prepared| Some(&made.since) == since.as_ref() && made.in_parts == in_parts;
        let at = match (outgoing.deltas.iter().position(is_made), since) {
            (Some(at), _) => at,
            (None, None) if !always => return,
            (None, since) => {
                let nothing = VersionVector::default();
                let empty = || Delta { since: nothing.clone(), to: nothing.clone(), base: None, items: Vec::new() };
                let delta = since.as_ref().map_or_else(empty, |since| founded.durable.delta(since));
                let bytes = if in_parts { self.encoder.part_bytes() } else { usize::MAX };
                let messages = messages(name, genesis, split(delta, bytes));
                let messages = messages.into_iter().map(|message| (message, SharedFrames::default())).collect();
                outgoing.deltas.push(Prepared { since: since.unwrap_or_default(), in_parts, messages });
                outgoing.deltas.len() - 1
            }
        };
        for (message, shared) in outgoing.deltas.get_mut(at).into_iter().flat_map(|prepared| &mut prepared.messages) {
            self.send_shared(peer, message, shared, now);
        }
    }

    /// Something became durable: the peers that it came from are told, the others get it.
    pub(super) fn replicate_unsent(&mut self) {
        while let Some((name, (from, now))) = self.unsent.pop_first() {
            self.replicate(&name, from, now);
            self.tell_succession(&name, now);
            self.go_on_as_successor(&name, now);
        }
    }

    fn replicate(&mut self, name: &DocumentName, from: BTreeSet<PeerId>, now: Now) {
        let mut outgoing = Outgoing::default();
        for peer in self.replica_peers() {
            self.send_delta_shared(peer, name, false, &mut outgoing, now);
        }
        self.say_all(name, now);
        self.admit(name, now);
        self.plan_settling(name, now);
        for peer in from {
            self.acknowledge(peer, name, now);
        }
    }

    fn acknowledge(&mut self, peer: PeerId, name: &DocumentName, now: Now) {
        if let Some(Session::Bus(_)) = self.sessions.get(&peer) {
            // Nobody in particular said it.
            return;
        }
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        if let Some(seen) = founded.filter(|founded| founded.anew.is_none()).map(|founded| founded.seen().clone()) {
            self.send(peer, &Message::Ack { document: name.clone(), seen }, now);
        }
    }

    pub(super) fn handle_replica_message(&mut self, peer: PeerId, message: Message, now: Now) {
        match message {
            Message::Delta { document, genesis, delta } => self.handle_delta(peer, &document, genesis, delta, now),
            Message::Part { document, genesis, part, delta } => {
                let Some(Session::Replica(session)) = self.sessions.get_mut(&peer) else { return };
                match session.wire.joining.take(&document, genesis, part, delta) {
                    Ok(Some(delta)) => self.handle_delta(peer, &document, genesis, delta, now),
                    Ok(None) => {}
                    // The heartbeat brings what was lost.
                    Err(error) => {
                        self.audit_refused(Some(&document), peer, &error, now);
                        self.note_untaken(peer, &error);
                        self.send(peer, &Message::Error { error, request_id: None }, now);
                    }
                }
            }
            Message::Pull { document, seen } => {
                if let Some(link) = self.link(peer, &document) {
                    link.told(&seen);
                }
                self.send_delta(peer, &document, false, now);
            }
            Message::Ack { document, seen } => {
                if let Some(link) = self.link(peer, &document) {
                    link.acknowledge(&seen);
                }
                self.note_accepted(peer);
                self.note_heard(&document, peer, now);
                self.note_synced(&document, peer);
                self.note_in_step(peer, &document, now);
            }
            Message::Heartbeat { documents } => {
                for pulse in documents {
                    self.handle_pulse(peer, &pulse, now);
                }
            }
            Message::Call { document, operation, arguments, request_id } => {
                self.handle_lock_ask(peer, (&document, &operation), &arguments, request_id, now);
            }
            Message::Answer { request_id, result } => self.handle_lock_answer(request_id, result, now),
            // What a host tells everybody who connects, before it knows us.
            _ => {}
        }
    }

    fn handle_delta(&mut self, peer: PeerId, name: &DocumentName, genesis: Genesis, delta: Delta, now: Now) {
        if let Err(error) = delta.check().and_then(|()| delta.check_notes(genesis)) {
            return self.refuse_message(peer, name, &error, now);
        }
        let Some(link) = self.link(peer, name) else { return };
        link.genesis = Some(genesis);
        link.acknowledge(&delta.to);
        let shared = self.documents.get_mut(name).and_then(|document| document.shared.as_mut());
        let founded = match shared {
            None => return,
            Some(Shared::Unfounded { .. }) => return self.join(name, genesis, &delta, peer, now),
            Some(Shared::Founded(founded)) => founded,
        };
        if founded.pending.genesis() != genesis {
            return self.handle_other_delta(peer, name, genesis, &delta, now);
        }
        if delta.to.seq(genesis.founder()) > founded.pending.seen().seq(genesis.founder()) {
            // Whoever has the document has them all: they were there before everything else.
            let error =
                Error::new(Code::Message, "malformed delta: the first writes of a document are made at its birth");
            return self.refuse_message(peer, name, &error, now);
        }
        if founded.anew.is_some() && delta.since.is_empty() {
            return self.rebase(name, &delta, peer, now);
        }
        let twice = founded.pending.given_twice(&delta);
        if !twice.is_empty() {
            return self.tell_twice(peer, name, &delta, &twice, now);
        }
        if founded.was_put_back(&delta.to) {
            return self.start_anew(name, now);
        }
        match founded.receive(&delta, now.wall_ms) {
            Ok(Applied::Advanced { effect, skew_ms }) => {
                let records = super::records::effect_records(name, &founded.pending, &effect);
                let to = delta.to.clone();
                self.stage_step(name, records, Step::Delta(delta), "peer", None, Some(peer));
                self.note_taken(peer);
                self.compare_stamps(peer, skew_ms);
                if self.is_left_behind(name, &to) {
                    self.start_anew(name, now);
                }
            }
            Ok(Applied::Duplicate) => {
                self.note_taken(peer);
                self.acknowledge(peer, name, now);
            }
            Ok(Applied::Behind) => self.start_anew(name, now),
            Ok(Applied::Refused { author }) => {
                let message = format!("a peer holds writes of `{author}` that this instance cannot take any more");
                let hint = "the peer was expelled or its data put back from a copy; it takes over this document and writes its own again";
                let error = Error::new(Code::ForeignDocument, message).with_hint(hint);
                self.audit_refused(Some(name), peer, &error, now);
                self.note_untaken(peer, &error);
                self.notice(Level::Warning, error);
                if let Some(link) = self.link(peer, name) {
                    link.told(&VersionVector::default());
                }
                self.send_delta(peer, name, false, now);
            }
            Ok(Applied::Gap) => {
                let seen = founded.asks_beyond();
                self.send(peer, &Message::Pull { document: name.clone(), seen }, now);
            }
            Err(error) => self.refuse_message(peer, name, &error, now),
        }
    }

    /// Tells everybody that what a peer sent of a document is not taken.
    pub(super) fn refuse_message(&mut self, peer: PeerId, name: &DocumentName, error: &Error, now: Now) {
        self.audit_refused(Some(name), peer, error, now);
        self.note_untaken(peer, error);
        self.notice(Level::Error, error.clone());
        self.send(peer, &Message::Error { error: error.clone(), request_id: None }, now);
    }

    pub(super) fn heartbeat(&mut self, now: Now) {
        if !REPLICATES {
            return;
        }
        if self.next_heartbeat_ms.is_none_or(|due| now.mono_ms < due) {
            return;
        }
        self.settle_all(now);
        self.greet_after_failures(now);
        let peers = self.replica_peers();
        self.next_heartbeat_ms = (!peers.is_empty()).then_some(now.mono_ms + self.config.heartbeat_ms);
        let names: Vec<DocumentName> = self.documents.keys().cloned().collect();
        let documents: Vec<Pulse> = names
            .iter()
            .filter_map(|name| {
                let view_digest = self.view_digest(name)?;
                let document = self.documents.get(name)?;
                let founded = document.shared.as_ref()?.founded().filter(|f| f.ready && f.anew.is_none())?;
                let (genesis, seen) = (founded.durable.genesis(), founded.seen().clone());
                let floor = founded.durable.base().map(|base| base.floor.clone()).unwrap_or_default();
                Some(Pulse { document: document.name.clone(), genesis, seen, floor, view_digest })
            })
            .collect();
        for peer in peers {
            self.send(peer, &Message::Heartbeat { documents: documents.clone() }, now);
        }
    }

    /// What names all that a document's shared layer shows.
    fn view_digest(&self, name: &DocumentName) -> Option<String> {
        Some(self.documents.get(name)?.shared.as_ref()?.founded()?.view.value.digest().to_string())
    }

    fn handle_pulse(&mut self, peer: PeerId, pulse: &Pulse, now: Now) {
        let Some(shared) = self.documents.get(&pulse.document).and_then(|d| d.shared.as_ref()) else { return };
        let is_same = |founded: &&Founded| founded.ready && founded.durable.genesis() == pulse.genesis;
        let Some(founded) = shared.founded().filter(is_same) else {
            // One of the two has yet to take over the document of the other, and what they told each other got lost.
            return self.greet(peer, now);
        };
        if founded.anew.is_some() {
            // It asked for the whole document, and what it asked or got has been lost.
            return self.greet(peer, now);
        }
        let seen = founded.asks_beyond();
        let same = *founded.seen() == pulse.seen;
        if same && self.view_digest(&pulse.document).is_some_and(|digest| digest != pulse.view_digest) {
            return self.compare(peer, &pulse.document, now);
        }
        if same {
            self.note_taken(peer);
            self.note_accepted(peer);
        }
        if !seen.includes(&pulse.seen) {
            self.send(peer, &Message::Pull { document: pulse.document.clone(), seen }, now);
        }
        if self.is_left_behind(&pulse.document, &pulse.seen) {
            return self.start_anew(&pulse.document, now);
        }
        if let Some(link) = self.link(peer, &pulse.document) {
            link.told(&pulse.seen);
            // It took over the document, and the hello that said so got lost.
            link.genesis = Some(pulse.genesis);
        }
        self.note_heard(&pulse.document, peer, now);
        self.note_synced(&pulse.document, peer);
        self.note_in_step(peer, &pulse.document, now);
        self.follow_floor(peer, &pulse.document, &pulse.floor, now);
        self.send_delta(peer, &pulse.document, false, now);
    }
}

fn messages(name: &DocumentName, genesis: Genesis, mut deltas: Vec<Delta>) -> Vec<Message> {
    let document = || name.clone();
    if deltas.len() <= 1 {
        return deltas.pop().map(|delta| Message::Delta { document: document(), genesis, delta }).into_iter().collect();
    }
    let count = u64::try_from(deltas.len()).unwrap_or(u64::MAX);
    let part = |(number, delta)| Message::Part { document: document(), genesis, part: Part { number, count }, delta };
    (1..).zip(deltas).map(part).collect()
}

impl Founded {
    /// What a peer is told that is asked for more: also what is on its way to the store, but nothing of its own that is.
    /// Where the store fails that is taken back, and what the peer sends would build on it.
    fn asks_beyond(&self) -> VersionVector {
        let (pending, own) = (self.pending.seen(), self.pending.id());
        if pending.seq(own) == self.durable.seen().seq(own) {
            return pending.clone();
        }
        let stored = |(author, seq)| (author, if author == own { self.durable.seen().seq(own) } else { seq });
        pending.iter().map(stored).filter(|(_, seq)| *seq > 0).collect()
    }

    /// Whether the document of a peer is another one, and neither gives way.
    pub(super) fn stays_apart_from(&self, link: &ReplicaLink) -> bool {
        let mine = self.durable.genesis();
        let other = link.genesis.filter(|theirs| *theirs != mine);
        other.is_some_and(|theirs| self.life.standing.meets(mine, &link.standing, theirs) == Meeting::Apart)
    }
}
