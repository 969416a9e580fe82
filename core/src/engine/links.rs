//! How it stands with each connection, as an operator should see it: what is wrong stands beside the peer until it is over.

use std::collections::{BTreeMap, BTreeSet};

use super::freshness::Mark;
use super::shared::Shared;
use super::standing::other_document;
use super::types::PeerId;
use super::{Engine, Link, PeerClock, REPLICATES, Session};
use crate::clock::Now;
use crate::error::Error;
use crate::id::{DocumentName, InstanceId};

/// What a connection to another instance has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkState {
    /// Both have everything that the other one has.
    InStep,
    /// One has writes that the other one has not said to have.
    Behind,
    /// One takes the document of the other over, or neither has one yet.
    Joining,
    /// It has not said yet who it is and what it holds.
    Greeting,
    /// It holds another document of the same name, and neither gives way.
    OtherDocument,
    /// One of the two does not take what the other one says.
    Refused,
    /// It is this very instance.
    Itself,
}

impl LinkState {
    /// `in_step`, `behind`, `joining`, `greeting`, `other_document`, `refused` or `itself`.
    pub fn as_str(self) -> &'static str {
        match self {
            LinkState::InStep => "in_step",
            LinkState::Behind => "behind",
            LinkState::Joining => "joining",
            LinkState::Greeting => "greeting",
            LinkState::OtherDocument => "other_document",
            LinkState::Refused => "refused",
            LinkState::Itself => "itself",
        }
    }

    /// Whether it is of use: writes go over it, or will.
    pub fn is_sound(self) -> bool {
        self <= LinkState::Greeting
    }
}

/// A connection to another instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// Its connection.
    pub peer: PeerId,
    /// Whether this instance dialed it.
    pub is_dialed: bool,
    /// Who it is, once it said so.
    pub instance: Option<InstanceId>,
    /// What the connection has come to.
    pub state: LinkState,
    /// What is wrong with it.
    pub problems: Vec<Error>,
    /// Since when it stands, in milliseconds since 1970.
    pub since_ms: u64,
    /// How its clock stands to the clock here, once it said what time it is.
    pub clock: Option<PeerClock>,
}

/// What is remembered of a connection beside its session.
pub(super) struct Connection {
    link: Link,
    since_ms: u64,
    /// Why nothing is exchanged with it.
    barred: Option<(LinkState, Option<InstanceId>, Error)>,
    /// Why what it said last was not taken.
    untaken: Option<Error>,
    /// What it said of what it was sent.
    reported: Option<Error>,
    /// What both had of each document at one moment.
    pub(super) marks: BTreeMap<DocumentName, Mark>,
}

impl Connection {
    pub(super) fn new(link: Link, now: Now) -> Connection {
        Connection { link, since_ms: now.wall_ms, barred: None, untaken: None, reported: None, marks: BTreeMap::new() }
    }
}

impl Engine {
    /// Every connection to another instance: those that this one dialed, and those who dialed it and greeted.
    pub fn peers(&self) -> Vec<Peer> {
        self.connections.iter().filter_map(|(peer, connection)| self.peer(*peer, connection)).collect()
    }

    /// Compares every document with every connected instance now, and not only with the next heartbeat: what either side
    /// lacks is sent. Returns which instances are asked.
    pub fn force_sync(&mut self, now: Now) -> BTreeSet<InstanceId> {
        let peers = self.replica_peers();
        if !peers.is_empty() {
            self.next_heartbeat_ms = Some(now.mono_ms);
            self.heartbeat(now);
        }
        peers.iter().filter_map(|peer| self.peer_instance(*peer)).collect()
    }

    pub(super) fn peer(&self, peer: PeerId, connection: &Connection) -> Option<Peer> {
        let session = match self.sessions.get(&peer) {
            Some(Session::Replica(session)) => Some(session),
            _ => None,
        };
        if session.is_none() && connection.barred.is_none() {
            return None;
        }
        let is_dialed = connection.link == Link::Dialed;
        let since_ms = connection.since_ms;
        if let Some((state, instance, error)) = &connection.barred {
            let problems = vec![error.clone()];
            return Some(Peer { peer, is_dialed, instance: *instance, state: *state, problems, since_ms, clock: None });
        }
        let mut problems = Vec::new();
        let states = self.documents.values().filter(|document| document.shared.is_some());
        let states = states.map(|document| {
            let (state, problem) = self.link_state(peer, &document.name);
            problems.extend(problem);
            if state <= LinkState::Joining {
                let link = session.and_then(|session| session.link(&document.name));
                problems.extend(link.and_then(|link| document.other_rules(link, session?.instance)));
            }
            state
        });
        let mut state = states.max().unwrap_or(LinkState::Greeting);
        for problem in connection.untaken.iter().chain(&connection.reported) {
            state = state.max(LinkState::Refused);
            problems.push(problem.clone());
        }
        let (instance, clock) = (self.peer_instance(peer), self.peer_clock(peer));
        Some(Peer { peer, is_dialed, instance, state, problems, since_ms, clock })
    }

    /// What two replicas of a document have come to.
    fn link_state(&self, peer: PeerId, name: &DocumentName) -> (LinkState, Option<Error>) {
        let Some(Session::Replica(session)) = self.sessions.get(&peer) else { return (LinkState::Greeting, None) };
        let Some(link) = session.link(name) else { return (LinkState::Greeting, None) };
        let shared = self.documents.get(name).and_then(|document| document.shared.as_ref());
        let founded = shared.and_then(Shared::founded).filter(|founded| founded.ready && founded.anew.is_none());
        let (Some(founded), Some(theirs)) = (founded, link.genesis) else { return (LinkState::Joining, None) };
        if founded.durable.genesis() != theirs {
            return match founded.stays_apart_from(link) {
                true => {
                    let whose = session.instance.map_or_else(|| "a peer".to_owned(), |id| format!("instance {id}"));
                    (LinkState::OtherDocument, Some(other_document(name, &whose)))
                }
                false => (LinkState::Joining, None),
            };
        }
        if link.waits {
            return (LinkState::Joining, None);
        }
        match *founded.seen() == link.acknowledged {
            true => (LinkState::InStep, None),
            false => (LinkState::Behind, None),
        }
    }

    /// Nothing is exchanged with a peer until it greets anew.
    pub(super) fn bar(&mut self, peer: PeerId, state: LinkState, instance: Option<InstanceId>, error: &Error) {
        if let Some(connection) = self.connections.get_mut(&peer).filter(|_| REPLICATES) {
            connection.barred = Some((state, instance, error.clone()));
        }
    }

    /// A greeting was taken.
    pub(super) fn unbar(&mut self, peer: PeerId) {
        if let Some(connection) = self.connections.get_mut(&peer) {
            (connection.barred, connection.untaken, connection.reported) = (None, None, None);
        }
    }

    /// Something that a peer said is not taken.
    pub(super) fn note_untaken(&mut self, peer: PeerId, error: &Error) {
        if let Some(connection) = self.connections.get_mut(&peer).filter(|_| REPLICATES) {
            connection.untaken = Some(error.clone());
        }
    }

    /// What a peer says now is taken again, and shows what is here.
    pub(super) fn note_taken(&mut self, peer: PeerId) {
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.untaken = None;
        }
    }

    /// A peer complains.
    pub(super) fn note_reported(&mut self, peer: PeerId, error: &Error) {
        if let Some(connection) = self.connections.get_mut(&peer).filter(|_| REPLICATES) {
            connection.reported = Some(error.clone());
        }
    }

    /// A peer takes what it is sent.
    pub(super) fn note_accepted(&mut self, peer: PeerId) {
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.reported = None;
        }
    }
}
