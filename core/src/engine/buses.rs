//! A document on a bus: what is said to all, and what is taken of what others say to all.
//!
//! What has to be decided between two, a birth, a membership, a gap, is decided over links between the two; here writes are
//! taken that fit as they come, and everything else is only noticed.

use std::collections::BTreeMap;

use super::shared::{Founded, Shared, Step};
use super::types::{Level, PeerId};
use super::{Engine, Envelopes, LinkState, REPLICATES, Session, Transmit};
use crate::bus::{Digest, Held, Marks, Seen};
use crate::clock::{Now, VersionVector};
use crate::error::{Code, Error, Result};
use crate::id::{DocumentName, Genesis, InstanceId, ReplicaId};
use crate::identity::{Key, PublicKey};
use crate::protocol::{FrameRef, Message, Standing, Wire};
use crate::replica::{Applied, Delta};

/// How many names of writers are known of one bus.
const MAX_WRITERS: usize = 4_096;

/// What is known of a bus.
#[derive(Default)]
pub(super) struct BusSession {
    is_up: bool,
    /// What was said on it of each document, by whomever: what is said next goes on from there.
    said: BTreeMap<DocumentName, (Genesis, VersionVector)>,
    /// Whose the names are under which writes were signed there.
    writers: BTreeMap<ReplicaId, InstanceId>,
}

impl BusSession {
    pub(super) fn writer(&self, replica: ReplicaId) -> Option<InstanceId> {
        self.writers.get(&replica).copied()
    }
}

impl Engine {
    /// A bus stands: what came about while it did not is said there. Whoever drives the engine gives each bus a name as it does
    /// connections; frames for that name go to all.
    pub fn handle_bus_up(&mut self, bus: PeerId, now: Now) {
        if !REPLICATES {
            return;
        }
        let session = self.sessions.entry(bus).or_insert_with(|| Session::Bus(Box::default()));
        if let Session::Bus(session) = session {
            session.is_up = true;
        }
        for name in self.documents.keys().cloned().collect::<Vec<_>>() {
            self.say(bus, &name, now);
        }
    }

    /// A bus is lost.
    pub fn handle_bus_down(&mut self, bus: PeerId) {
        if let Some(Session::Bus(session)) = self.sessions.get_mut(&bus) {
            session.is_up = false;
        }
    }

    /// What this instance says of its documents to a fleet.
    pub fn digests(&self) -> Vec<Digest> {
        let shared = self.documents.values().filter_map(|document| Some((document, document.shared.as_ref()?)));
        let digest = |(document, shared): (&super::Document, &Shared)| {
            let founded = shared.founded().filter(|founded| founded.ready);
            Digest { document: document.name.clone(), held: founded.map(Founded::held) }
        };
        shared.map(digest).collect()
    }

    /// The key that says who this instance is.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// A seed of what is drawn by chance around the engine.
    pub(crate) fn fork_entropy(&mut self) -> [u8; 32] {
        let (first, second) = (self.entropy.next_id(), self.entropy.next_id());
        let mut seed = [0; 32];
        seed.iter_mut().zip(first.into_iter().chain(second)).for_each(|(to, from)| *to = from);
        seed
    }

    /// How often instances compare what they have.
    pub(crate) fn heartbeat_ms(&self) -> u64 {
        self.config.heartbeat_ms
    }

    /// What the connection to a peer has come to.
    pub(crate) fn peer_state(&self, peer: PeerId) -> Option<LinkState> {
        if let Some(Session::Replica(session)) = self.sessions.get(&peer)
            && session.has_no_greeting()
        {
            // Its greeting was lost, whatever it said since: nothing of that can be taken.
            return Some(LinkState::Greeting);
        }
        self.peer(peer, self.connections.get(&peer)?).map(|peer| peer.state)
    }

    /// Says on every bus what came about in a document.
    pub(super) fn say_all(&mut self, name: &DocumentName, now: Now) {
        if !REPLICATES {
            return;
        }
        let is_bus = |session: &Session| matches!(session, Session::Bus(_));
        let buses: Vec<PeerId> =
            self.sessions.iter().filter(|(_, session)| is_bus(session)).map(|(peer, _)| *peer).collect();
        for bus in buses {
            self.say(bus, name, now);
        }
    }

    fn say(&mut self, bus: PeerId, name: &DocumentName, now: Now) {
        let Some(Session::Bus(session)) = self.sessions.get_mut(&bus) else { return };
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        let Some(founded) = founded.filter(|founded| founded.ready && founded.may_send()) else { return };
        let (genesis, seen) = (founded.durable.genesis(), founded.seen());
        let Some((known, said)) = session.said.get_mut(name) else {
            // What was there before is no news.
            session.said.insert(name.clone(), (genesis, seen.clone()));
            return;
        };
        if *known != genesis {
            (*known, *said) = (genesis, seen.clone());
            return;
        }
        if !session.is_up || said.includes(seen) {
            return;
        }
        let since = std::mem::replace(said, seen.clone());
        let delta = founded.durable.delta(&since);
        said.join(&since);
        if delta.base.is_some() {
            // Who lacks what was dropped gets the whole document of somebody.
            return;
        }
        let message = Message::Delta { document: name.clone(), genesis, delta };
        self.last_message += 1;
        let ours = self.encoder.offer();
        let mut wire = Wire::default();
        if wire.agree(&ours, &ours).is_err() {
            return;
        }
        let envelope = Envelopes { config: &self.config, documents: &self.documents, number: self.last_message, now };
        let frame = self.encoder.encode(&message, &mut wire, || envelope.json(&message));
        self.transmit.push_back(Transmit { peer: bus, frame });
    }

    /// Somebody said writes to all. Returns what is said of a document that cannot be taken as it is, so that the two have to
    /// speak.
    ///
    /// # Errors
    /// What is wrong with a message that no instance would send.
    pub fn handle_said<'f>(
        &mut self,
        bus: PeerId,
        from: &PublicKey,
        frame: impl Into<FrameRef<'f>>,
        now: Now,
    ) -> Result<Option<Digest>> {
        match Wire::default().decode(frame.into())?.0 {
            Message::Delta { document, genesis, delta } if REPLICATES => {
                self.take_said(bus, from, &document, (genesis, delta), now)
            }
            _ => Err(Error::new(Code::Message, "on a bus only writes are said to all")),
        }
    }

    fn take_said(
        &mut self,
        bus: PeerId,
        from: &PublicKey,
        name: &DocumentName,
        (genesis, delta): (Genesis, Delta),
        now: Now,
    ) -> Result<Option<Digest>> {
        delta.check().and_then(|()| delta.check_notes(genesis))?;
        let held = || Held {
            genesis,
            marks: Marks::default(),
            given_up: self.given_up_name(name),
            seen: Seen::Named(delta.to.clone()),
            view: None,
            is_anew: false,
        };
        let said = Some(Digest { document: name.clone(), held: Some(held()) });
        let Some(shared) = self.documents.get_mut(name).and_then(|document| document.shared.as_mut()) else {
            return Ok(None);
        };
        let Some(founded) = shared.founded_mut().filter(|founded| founded.ready && founded.anew.is_none()) else {
            return Ok(said);
        };
        if founded.pending.genesis() != genesis || founded.durable.genesis() != genesis {
            return Ok(said);
        }
        if delta.to.seq(genesis.founder()) > founded.pending.seen().seq(genesis.founder()) {
            let message = "malformed delta: the first writes of a document are made at its birth";
            return Err(Error::new(Code::Message, message));
        }
        if !founded.pending.given_twice(&delta).is_empty() {
            // What is wrong is told where the two find out that they differ.
            return Ok(said);
        }
        if founded.was_put_back(&delta.to) {
            self.start_anew(name, now);
            return Ok(said);
        }
        let to = delta.to.clone();
        match founded.receive(&delta, now.wall_ms)? {
            Applied::Advanced { effect, .. } => {
                let records = super::records::effect_records(name, &founded.pending, &effect);
                self.note_said(bus, from, name, &delta);
                self.stage_step(name, records, Step::Delta(delta), "peer", None, Some(bus));
                if self.is_left_behind(name, &to) {
                    self.start_anew(name, now);
                }
                Ok(None)
            }
            Applied::Duplicate => {
                self.note_said(bus, from, name, &delta);
                Ok(None)
            }
            Applied::Gap => Ok(said),
            Applied::Behind => {
                self.start_anew(name, now);
                Ok(said)
            }
            Applied::Refused { author } => {
                let message =
                    format!("writes of `{author}` were said on a bus that this instance cannot take any more");
                let hint = "the instance was expelled or its data put back from a copy; it takes over this document and writes its own again";
                self.notice(Level::Warning, Error::new(Code::ForeignDocument, message).with_hint(hint));
                Ok(said)
            }
        }
    }

    /// What was said need not be said again.
    fn note_said(&mut self, bus: PeerId, from: &PublicKey, name: &DocumentName, delta: &Delta) {
        let Some(Session::Bus(session)) = self.sessions.get_mut(&bus) else { return };
        if let Some((_, said)) = session.said.get_mut(name) {
            said.join(&delta.to);
        }
        for item in &delta.items {
            let author = item.dot.replica;
            let is_new = session.writers.len() < MAX_WRITERS && !session.writers.contains_key(&author);
            if is_new && from.has_name(author) {
                session.writers.insert(author, from.instance());
            }
        }
    }

    /// Somebody on a bus has just what is here.
    pub fn handle_bus_same(&mut self, now: Now) {
        for document in self.documents.values_mut() {
            let founded = document.shared.as_mut().and_then(Shared::founded_mut);
            let Some(founded) = founded.filter(|founded| founded.ready && founded.anew.is_none()) else { continue };
            document.in_step_ms = Some(now.mono_ms);
            // Where history is dropped nobody's word is enough.
            if founded.synced_before.is_none() && !founded.durable.settles() {
                founded.synced = founded.view.value.clone();
            }
        }
    }

    /// Somebody on a bus knows marks of the documents that are here.
    pub fn handle_bus_marks(&mut self, said: &[Digest]) {
        for digest in said {
            let founded =
                self.documents.get(&digest.document).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
            let founded = founded.filter(|founded| founded.ready);
            let Some((founded, held)) = founded.zip(digest.held.as_ref()) else { continue };
            if founded.pending.genesis() == held.genesis && founded.durable.genesis() == held.genesis {
                let Marks { old, loaded, content } = held.marks;
                self.raise(&digest.document, &Standing { old, loaded, content, ..Standing::default() });
            }
        }
    }

    fn given_up_name(&self, name: &DocumentName) -> [u8; 8] {
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        founded.map(|founded| given_up(&founded.life.standing)).unwrap_or_default()
    }
}

fn given_up(standing: &Standing) -> [u8; 8] {
    let mut name = [0; 8];
    // Their births are random: all of them together, in any order.
    for genesis in &standing.given_up {
        name.iter_mut().zip(genesis.as_bytes()).for_each(|(to, from)| *to ^= from);
    }
    name
}

impl Founded {
    fn held(&self) -> Held {
        let Standing { old, loaded, content, .. } = self.life.standing;
        Held {
            genesis: self.durable.genesis(),
            marks: Marks { old, loaded, content },
            given_up: given_up(&self.life.standing),
            seen: Seen::of(self.seen()),
            view: Some(*self.view.value.digest().as_bytes()),
            is_anew: self.anew.is_some(),
        }
    }
}
