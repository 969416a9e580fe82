//! The step machine: everything that decides, and nothing that touches the world.
//!
//! A driver owns an [`Engine`], feeds it what happens (`handle_*`), gives it commands, and after every call takes what
//! comes out, in this order, until all are empty:
//!
//! 1. [`Engine::poll_persist`]: batches for the store; answer with [`Engine::handle_persisted`] in their order;
//! 2. [`Engine::poll_transmit`]: frames for peers;
//! 3. [`Engine::poll_check`]: documents that the checks of the program are asked about; answer with
//!    [`Engine::handle_checked`] whenever they have, and go on until then;
//! 4. [`Engine::poll_copy`]: texts to keep beside bound files;
//! 5. [`Engine::poll_edit`]: texts to make for bound files, where they are asked for; answer with
//!    [`Engine::handle_edited`] whenever they are made, and go on until then;
//! 6. [`Engine::poll_file`]: bound files to write; answer with [`Engine::handle_file_written`] and then
//!    [`Engine::handle_file`] holding what lies there, or with [`Engine::handle_file_failed`] or
//!    [`Engine::handle_file_fixed`]. Look at the file no sooner ([`Engine::is_file_released`]): a write planned on one look
//!    must not land after another;
//! 7. [`Engine::poll_event`]: news for the program;
//! 8. [`Engine::poll_timeout`]: when to call [`Engine::handle_timeout`] next.
//!
//! Time and entropy are arguments. The browser drives this machine itself; the native runtime, and with it the Python and
//! Node packages, and the simulator do so through [`crate::driver`].

mod admission;
mod aside;
mod audit;
mod authors;
mod base;
mod buses;
mod checking;
mod checks;
mod closed;
mod commands;
mod conflicts;
mod culprits;
mod deliveries;
mod document;
mod envelopes;
mod file;
mod file_edit;
mod files;
mod founding;
mod freshness;
mod guest;
mod guest_edits;
mod guests;
mod introductions;
mod kept;
mod links;
mod locks;
mod members;
mod options;
mod permits;
mod records;
mod repair;
mod replicas;
mod restored;
mod rules;
mod save_conflicts;
mod save_merge;
mod saves;
mod settling;
mod shared;
mod sides;
mod skew;
mod stale;
mod standing;
mod store;
mod telling;
mod terms;
#[cfg(test)]
mod tests;
mod torn;
mod twice;
mod types;
mod versions;
mod withhold;

pub use aside::Aside;
pub use audit::{Audit, AuditEntry, Remote};
pub use authors::Written;
pub use checks::{CheckRequest, CheckTicket, Checking};
pub use conflicts::{Conflict, ConflictSide};
pub use deliveries::Once;
pub use file_edit::{FileEdit, FileEdited};
pub use guests::Called;
pub use links::{LinkState, Peer};
pub use locks::{LockAuthority, LockCommand, MAX_LEASE_MS, MAX_WAIT_MS, MIN_LEASE_MS};
pub use options::{CHECK_WITHIN_MS, DocumentOptions, EngineConfig, FileBinding, KeepHistory};
pub use repair::{IdleAuthor, Repair};
pub use restored::restored_records;
pub use save_conflicts::{Said, SaveConflict};
pub use saves::Stays;
pub use shared::{Choice, Command};
pub use skew::PeerClock;
pub use standing::Apart;
pub use terms::{PathVersion, WriteTerms};
pub use types::{
    ChangeEvent, DocumentStatus, Event, FileCopy, FileWrite, Level, Member, PeerId, Persist, RUNTIME, Receipt,
    Rejection, RequestId, Settling, Snapshot, SourceState, SourceStatus, StoreWrite, Ticket, Transmit, WithheldWrite,
};
pub use versions::Rollback;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::clock::Now;
use crate::entropy::Entropy;
use crate::error::{Code, Error, Result};
use crate::id::{DocumentName, InstanceId, ReplicaId};
use crate::identity::Key;
use crate::merge::Layer;
use crate::path::Path;
use crate::protocol::{Encoder, Frame, FrameRef, Message, Shared as SharedFrames, Wire};
use crate::replica::{Disagreement, REPLICATES};
use crate::value::Str;
use buses::BusSession;
use document::Document;
use envelopes::Envelopes;
use guests::{GuestRequests, GuestSession};
use links::Connection;
use records::Stored;
use replicas::ReplicaSession;

/// How a connection came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// We dialed another instance, to exchange writes with it.
    Dialed,
    /// Somebody dialed us: an instance or a guest, as its first message tells.
    Accepted,
    /// We are a guest of the instance that we dialed.
    Host,
    /// Another instance came to us over a bus.
    Met,
}

enum Session {
    /// Accepted, and not known yet: served as a guest that follows everything.
    Guest(GuestSession),
    Replica(ReplicaSession),
    Host,
    /// Everybody on a bus.
    Bus(Box<BusSession>),
}

/// The step machine. See the module's page for the contract.
pub struct Engine {
    config: EngineConfig,
    key: Key,
    entropy: Entropy,
    encoder: Encoder,
    documents: BTreeMap<DocumentName, Document>,
    stored: BTreeMap<DocumentName, Stored>,
    sessions: BTreeMap<PeerId, Session>,
    connections: BTreeMap<PeerId, Connection>,
    guest_requests: GuestRequests,
    /// Documents with durable writes that the peers have not been sent yet: whom they came from, and when.
    unsent: BTreeMap<DocumentName, (BTreeSet<PeerId>, Now)>,
    persist: VecDeque<Persist>,
    transmit: VecDeque<Transmit>,
    edits: VecDeque<FileEdit>,
    last_edit: u64,
    files: VecDeque<FileWrite>,
    copies: VecDeque<FileCopy>,
    checks: VecDeque<CheckRequest>,
    last_check: u64,
    events: VecDeque<Event>,
    last_ticket: u64,
    /// The last batch that is known to be in the store.
    answered: Ticket,
    last_request: u64,
    last_message: u64,
    next_heartbeat_ms: Option<u64>,
    /// What documents were a moment ago, where their rules merge stale writes.
    past: stale::Past,
    clocks: BTreeMap<InstanceId, skew::Watched>,
    /// What writers disagreed on when that was last told.
    told: BTreeMap<DocumentName, Vec<Disagreement>>,
    /// When to see whether a document of an instance without peers can drop its history.
    next_settling_ms: Option<u64>,
    /// How the store fails, while it does.
    failing: Option<store::Failing>,
}

/// Whether this build holds documents of layers. Without, an engine only follows hosts, and the optimiser leaves out
/// everything else, as it does without [`REPLICATES`]: that is what keeps a browser's client small.
const MERGES: bool = cfg!(any(feature = "layers", test));

/// Whether this build follows hosts; without it and without [`REPLICATES`] an engine has nobody to write to.
const FOLLOWS: bool = cfg!(any(feature = "guest", test));

impl Engine {
    /// An engine without documents, with what its store holds (keys and bytes as [`StoreWrite`] put them there).
    ///
    /// # Errors
    /// [`Code::Damaged`] naming the record that cannot be read.
    pub fn new<'a>(config: EngineConfig, records: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Result<Engine> {
        let entropy = Entropy::new(config.entropy);
        Ok(Engine {
            key: Key::from_seed(&config.key.unwrap_or_else(|| entropy.fork())),
            entropy,
            encoder: Encoder::new(config.wire.clone()),
            config,
            documents: BTreeMap::new(),
            stored: if REPLICATES { records::load(records)? } else { BTreeMap::new() },
            sessions: BTreeMap::new(),
            connections: BTreeMap::new(),
            guest_requests: GuestRequests::default(),
            unsent: BTreeMap::new(),
            persist: VecDeque::new(),
            transmit: VecDeque::new(),
            edits: VecDeque::new(),
            last_edit: 0,
            files: VecDeque::new(),
            copies: VecDeque::new(),
            checks: VecDeque::new(),
            last_check: 0,
            events: VecDeque::new(),
            last_ticket: 0,
            answered: Ticket(0),
            last_request: 0,
            last_message: 0,
            next_heartbeat_ms: None,
            past: stale::Past::default(),
            clocks: BTreeMap::new(),
            told: BTreeMap::new(),
            next_settling_ms: None,
            failing: None,
        })
    }

    /// Who this instance is.
    pub fn instance(&self) -> InstanceId {
        self.config.instance
    }

    /// Opens a document: what the store holds of it is in force at once. Without a bound file and without peers it is
    /// founded at once; a bound file is waited for ([`Engine::handle_file`]). Opens nothing in a build without the feature
    /// `layers`.
    pub fn open(&mut self, name: DocumentName, options: DocumentOptions, now: Now) {
        if !MERGES {
            return;
        }
        let replica = self.next_author();
        let mut document = Document::new(name.clone(), options, replica);
        let mut stored = self.stored.remove(&name).unwrap_or_default();
        let versions = std::mem::take(&mut stored.versions);
        let marks_loaded = REPLICATES && document.restore(stored, self.config.old_after_ms, now);
        document.refresh("open");
        if !REPLICATES {
            self.documents.insert(name.clone(), document);
            self.ask(&name, now);
            return;
        }
        self.told.insert(name.clone(), conflicts::decided(&document));
        self.past.remember(&document.policy, &document.snapshot);
        self.documents.insert(name.clone(), document);
        self.ask(&name, now);
        if marks_loaded {
            self.stage_life(&name);
        }
        if REPLICATES {
            self.restore_versions(&name, versions);
            self.read_locks(&name, now);
        }
        self.take_own_name(&name, now);
        self.consider_founding(&name, now);
        self.greet_all(now);
    }

    /// A name to write under that nobody used before: one of this instance's key.
    fn next_author(&mut self) -> ReplicaId {
        let [a, b, c, d, e, f, ..] = self.entropy.next_id();
        self.key.public().name([a, b, c, d, e, f])
    }

    /// The document as it is now; cheap to keep.
    pub fn snapshot(&self, document: &DocumentName) -> Option<Arc<Snapshot>> {
        self.documents.get(document).map(|document| Arc::clone(&document.snapshot))
    }

    /// How every document is doing.
    pub fn status(&self) -> Vec<DocumentStatus> {
        let status = |document: &Document| {
            let written = |path: &Path| self.written(&document.name, path).into_iter().next();
            let withheld = document.withheld().into_iter();
            let withheld = withheld.map(|withheld| WithheldWrite { written: written(&withheld.path), withheld });
            DocumentStatus {
                settling: self.settling(&document.name),
                withheld: withheld.collect(),
                apart: self.apart(&document.name),
                ..document.status()
            }
        };
        self.documents.values().map(status).collect()
    }

    /// How many guests are connected.
    pub fn guest_count(&self) -> usize {
        self.sessions.values().filter(|session| matches!(session, Session::Guest(_))).count()
    }

    /// The instance on the other side of a connection, once it said who it is.
    pub fn peer_instance(&self, peer: PeerId) -> Option<InstanceId> {
        match self.sessions.get(&peer) {
            Some(Session::Replica(session)) => session.instance,
            _ => None,
        }
    }

    /// A source of a document loaded, or failed, or does not exist (`Ok(None)`).
    pub fn handle_layer(&mut self, name: &DocumentName, source: &str, outcome: Result<Option<Layer>>, now: Now) {
        let Some(outcome) = self.hold_layer(name, source, outcome) else { return };
        let Some(document) = self.documents.get_mut(name) else { return };
        let before = document.source_state(source).unwrap_or(SourceState::Missing);
        document.handle_layer(source, outcome);
        let revision = document.snapshot.revision;
        let change = document.refresh(source);
        document.moved.retain(|moved| *moved != *source);
        if let Some(state) = document.source_state(source).filter(|state| before != *state) {
            self.events.push_back(Event::Source { document: name.clone(), source: source.into(), state });
        }
        self.announce(name, revision, change, now);
    }

    /// How a source of a document is; none where it has no such source.
    pub fn source_state(&self, name: &DocumentName, source: &str) -> Option<SourceState> {
        self.documents.get(name)?.source_state(source)
    }

    /// Whether what a source of a document said last is in force; none while sources that are not heard yet may still decide that,
    /// and for no such source.
    pub fn takes_source(&self, name: &DocumentName, source: &str) -> Option<bool> {
        self.documents.get(name)?.takes_source(source)
    }

    /// Whether what a source of a document said last is held back because it breaks the document.
    pub fn holds_back(&self, name: &DocumentName, source: &str) -> bool {
        self.documents.get(name).is_some_and(|document| document.holds_back(source))
    }

    /// What is not in force of a document, because it would be invalid.
    pub fn rejection(&self, name: &DocumentName) -> Option<&Rejection> {
        self.documents.get(name)?.rejection.as_ref()
    }

    /// Of the sources that are looked up anew, as the files of a directory, some are gone, and the others have these priorities
    /// now. New ones come with their first [`Engine::handle_layer`].
    pub fn handle_sources(&mut self, name: &DocumentName, gone: &[Str], order: &[(Str, i32)], now: Now) {
        if self.hold_sources(name, gone, order) {
            return;
        }
        let Some(document) = self.documents.get_mut(name) else { return };
        document.rearrange(gone, order);
        let revision = document.snapshot.revision;
        let change = document.refresh(gone.first().map_or("", Str::as_str));
        self.announce(name, revision, change, now);
    }

    /// A connection stands.
    pub fn handle_connected(&mut self, peer: PeerId, link: Link, now: Now) {
        self.connections.insert(peer, Connection::new(link, now));
        match link {
            Link::Dialed => {
                self.sessions.insert(peer, Session::Replica(ReplicaSession::dialed()));
                self.greet(peer, now);
            }
            Link::Accepted => {
                self.sessions.insert(peer, Session::Guest(GuestSession::default()));
                let connection_id = self.connection_id(peer);
                self.send(peer, &Message::ConnectionEstablished { connection_id }, now);
            }
            Link::Met => {
                self.sessions.insert(peer, Session::Replica(ReplicaSession::default()));
                self.greet(peer, now);
            }
            Link::Host => {
                self.sessions.insert(peer, Session::Host);
                self.meet_host(peer, now);
            }
        }
    }

    /// A connection is gone.
    pub fn handle_closed(&mut self, peer: PeerId, now: Now) {
        self.connections.remove(&peer);
        let session = self.sessions.remove(&peer);
        self.locks_closed(peer, now);
        if let Some(Session::Host) = session {
            self.lose_host(peer);
        }
        // A document that waited for this peer may have to be founded without it.
        for name in self.documents.keys().cloned().collect::<Vec<_>>() {
            self.consider_founding(&name, now);
        }
    }

    /// A frame arrived, text or bytes. A bad one is answered with an error and changes nothing.
    pub fn handle_message<'f>(&mut self, peer: PeerId, frame: impl Into<FrameRef<'f>>, now: Now) {
        let frame = frame.into();
        let mut stranger = Wire::default();
        let wire = match self.sessions.get_mut(&peer) {
            Some(Session::Replica(session)) => &mut session.wire,
            _ => &mut stranger,
        };
        match wire.decode(frame) {
            Ok((message, instance)) => {
                let tells_time = REPLICATES && matches!(message, Message::Hello { .. } | Message::Heartbeat { .. });
                self.dispatch(peer, message, instance, now);
                if let FrameRef::Text(text) = frame
                    && let Some(sent_ms) = tells_time.then(|| crate::protocol::sent_ms(text)).flatten()
                {
                    self.compare_clocks(peer, sent_ms, now);
                }
            }
            Err(error) => {
                if REPLICATES {
                    self.audit_refused(None, peer, &error, now);
                    self.note_untaken(peer, &error);
                }
                self.send(peer, &Message::Error { error, request_id: None }, now);
            }
        }
    }

    fn dispatch(&mut self, peer: PeerId, message: Message, instance: Option<InstanceId>, now: Now) {
        match message {
            Message::Ping => self.send(peer, &Message::Pong, now),
            Message::Hello { offer, documents, introduction } if REPLICATES => {
                self.handle_hello(peer, &offer, (documents, introduction), instance, now);
            }
            Message::Error { error, .. } => {
                let report = Error::new(Code::Message, format!("a peer reports: {}", error.message()));
                let report = error.hint().into_iter().fold(report, Error::with_hint);
                self.note_reported(peer, &report);
                self.notice(Level::Warning, report);
            }
            message => match self.sessions.get(&peer) {
                Some(Session::Replica(_)) if REPLICATES => self.handle_replica_message(peer, message, now),
                Some(Session::Guest(_)) if REPLICATES => self.handle_guest_message(peer, message, now),
                Some(Session::Host) => self.handle_host_message(peer, message, now),
                _ => {}
            },
        }
    }

    /// Everything that is due by now is done.
    pub fn handle_timeout(&mut self, now: Now) {
        for name in self.documents.keys().cloned().collect::<Vec<_>>() {
            self.check_deadlines(&name, now);
            self.consider_founding(&name, now);
            if REPLICATES {
                self.locks_due(&name, now);
                self.consider_age(&name, now);
            }
        }
        if REPLICATES {
            self.settle_when_due(now);
        }
        self.heartbeat(now);
    }

    /// The next batch for the store.
    #[must_use]
    pub fn poll_persist(&mut self) -> Option<Persist> {
        if REPLICATES {
            self.replicate_unsent();
        }
        self.persist.pop_front()
    }

    /// The next frame for a peer.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        debug_assert!(self.persist.is_empty(), "frames are asked for before the batches for the store");
        self.transmit.pop_front()
    }

    /// The next bound file to write.
    #[must_use]
    pub fn poll_file(&mut self) -> Option<FileWrite> {
        debug_assert!(self.transmit.is_empty(), "files are asked for before the frames for peers");
        self.files.pop_front()
    }

    /// The next text to keep beside a bound file, before that file is written again.
    #[must_use]
    pub fn poll_copy(&mut self) -> Option<FileCopy> {
        self.copies.pop_front()
    }

    /// The next news.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Engine::handle_timeout`] is due, on the monotonic clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let founding = self.documents.values().filter_map(|document| self.founding_due_ms(document));
        let ages = self.documents.keys().filter_map(|name| self.age_due_ms(name));
        let locks = self.documents.values().filter_map(|document| document.locks.due_ms());
        founding
            .chain(ages)
            .chain(locks)
            .chain(self.check_due_ms())
            .chain(self.next_heartbeat_ms)
            .chain(self.next_settling_ms)
            .min()
    }

    /// Merges a document anew and tells everybody who follows it. Returns whether something visible changed.
    fn refresh(&mut self, name: &DocumentName, cause: &str, now: Now) -> bool {
        let Some(document) = self.documents.get_mut(name) else { return false };
        let before = document.snapshot.revision;
        let change = document.refresh(cause);
        self.announce(name, before, change, now)
    }

    /// Tells what sources came to by what others said.
    pub(super) fn tell_moved(&mut self, name: &DocumentName) {
        let Some(document) = self.documents.get_mut(name) else { return };
        for source in std::mem::take(&mut document.moved) {
            if let Some(state) = document.source_state(&source) {
                self.events.push_back(Event::Source { document: name.clone(), source, state });
            }
        }
    }

    /// Tells what a merge has come to.
    fn announce(&mut self, name: &DocumentName, before: u64, change: Option<ChangeEvent>, now: Now) -> bool {
        self.ask(name, now);
        self.tell_moved(name);
        self.tell_rejection(name);
        let Some(change) = change else { return false };
        if let Some(document) = self.documents.get(name).filter(|_| REPLICATES) {
            self.past.remember(&document.policy, &change.snapshot);
        }
        self.tell_guests(name, before, &change, now);
        self.events.push_back(Event::Changed(change));
        if self.documents.get(name).is_some_and(|document| document.composition.can_refuse()) {
            // Another layer may have made valid what was held back.
            self.mirror(name);
        }
        true
    }

    fn send(&mut self, peer: PeerId, message: &Message, now: Now) {
        self.last_message += 1;
        let Engine { encoder, sessions, .. } = self;
        let envelope = Envelopes { config: &self.config, documents: &self.documents, number: self.last_message, now };
        let frame = match sessions.get_mut(&peer) {
            Some(Session::Replica(session)) => encoder.encode(message, &mut session.wire, || envelope.json(message)),
            _ => Frame::Text(envelope.json(message).into()),
        };
        self.transmit.push_back(Transmit { peer, frame });
    }

    /// Sends a message that goes to several replicas: peers for whom it is the same bytes share one frame.
    fn send_shared(&mut self, peer: PeerId, message: &Message, shared: &mut SharedFrames, now: Now) {
        self.last_message += 1;
        let Engine { encoder, sessions, .. } = self;
        let envelope = Envelopes { config: &self.config, documents: &self.documents, number: self.last_message, now };
        let Some(Session::Replica(session)) = sessions.get(&peer) else { return };
        let frame = encoder.encode_shared(message, &session.wire, shared, || envelope.json(message));
        self.transmit.push_back(Transmit { peer, frame });
    }

    /// The frame of a message for guests.
    fn text_frame(&mut self, message: &Message, now: Now) -> Frame {
        self.last_message += 1;
        let envelope = Envelopes { config: &self.config, documents: &self.documents, number: self.last_message, now };
        Frame::Text(envelope.json(message).into())
    }

    fn notice(&mut self, level: Level, error: Error) {
        self.events.push_back(Event::Notice { level, error });
    }

    fn stage(&mut self, writes: Vec<StoreWrite>) -> Ticket {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.persist.push_back(Persist { ticket, writes });
        ticket
    }

    fn connection_id(&self, peer: PeerId) -> String {
        format!("ws_{}_{}", self.config.instance, peer.0)
    }
}

fn unknown(document: &DocumentName) -> Error {
    Error::new(Code::UnknownDocument, format!("there is no document `{document}` here"))
        .with_hint("the document of `confmesh serve` is named `default`")
}
