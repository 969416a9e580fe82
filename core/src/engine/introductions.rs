//! Who is on the other side of a connection: names are believed where their key signs for it.
//!
//! Each side says in its hello what its key is and what the other one has to sign; whoever knows that says hello once more
//! with the signature, and nothing else. Until then, and for ever where none comes, a session exchanges writes like any other, but nobody becomes a
//! member or leaves by its word, and what it has counts for no name.

use super::replicas::ReplicaSession;
use super::{Engine, Session};
use crate::clock::Now;
use crate::error::{Code, Error};
use crate::id::{DocumentName, InstanceId, ReplicaId};
use crate::identity::{Introduction, Key, Meeting, Nonce, Proof, PublicKey};
use crate::protocol::ReplicaLink;

/// What the two sides of a session know of each other.
#[derive(Default)]
pub(super) struct Acquaintance {
    /// What the other side has to sign.
    nonce: Option<Nonce>,
    /// Its key, and what is to be signed for it.
    other: Option<(PublicKey, Nonce)>,
    /// That signature, and whether it was sent.
    signed: Option<Proof>,
    is_sent: bool,
    /// Whether the other side signed.
    is_proven: bool,
}

impl Acquaintance {
    /// What to say of ourselves.
    fn introduction(&mut self, key: &Key, is_dialer: bool, fresh: Nonce) -> Introduction {
        let own = (key.public(), *self.nonce.get_or_insert(fresh));
        if let (Some(listener), None) = (self.other, self.signed) {
            self.signed = key.prove(&Meeting { speaker: own, listener, is_dialer });
        }
        self.is_sent = self.signed.is_some();
        Introduction { key: own.0, nonce: own.1, proof: self.signed }
    }

    /// Takes in what the other side says of itself; `false` where it signed for somebody else.
    fn hear(&mut self, own: PublicKey, said: &Introduction, is_dialer: bool) -> bool {
        let speaker = (said.key, said.nonce);
        if self.other != Some(speaker) {
            (self.other, self.signed, self.is_sent, self.is_proven) = (Some(speaker), None, false, false);
        }
        if let (Some(proof), Some(nonce), false) = (&said.proof, self.nonce, self.is_proven) {
            self.is_proven = said.key.proves(&Meeting { speaker, listener: (own, nonce), is_dialer }, proof);
            return self.is_proven;
        }
        true
    }

    fn owes_proof(&self) -> bool {
        self.other.is_some() && !self.is_sent
    }
}

impl ReplicaSession {
    /// Whether the other side showed that a name is its own.
    pub(super) fn proves(&self, name: ReplicaId) -> bool {
        self.acquaintance.is_proven && self.acquaintance.other.is_some_and(|(key, _)| key.has_name(name))
    }
}

impl Engine {
    /// What a hello to a peer says of this instance.
    pub(super) fn introduction(&mut self, peer: super::PeerId) -> Option<Introduction> {
        let fresh = self.entropy.next_id();
        let Some(Session::Replica(session)) = self.sessions.get_mut(&peer) else { return None };
        Some(session.acquaintance.introduction(&self.key, session.is_dialed, fresh))
    }

    /// A peer said who it is. What it signs for somebody else is told, and not believed.
    pub(super) fn hear_introduction(&mut self, peer: super::PeerId, said: Option<&Introduction>, now: Now) {
        let own = self.key.public();
        let Some(Session::Replica(session)) = self.sessions.get_mut(&peer) else { return };
        // Of whom we dialed, we are the dialer.
        let is_dialer = !session.is_dialed;
        if said.is_some_and(|said| !session.acquaintance.hear(own, said, is_dialer)) {
            let error =
                Error::new(Code::Protocol, "a peer says that it has a key, and its signature is not of that key")
                    .with_hint("it is not who it claims to be, or something between the two changes what they say");
            self.audit_refused(None, peer, &error, now);
        }
    }

    /// Answers what a peer wants to know, unless that was answered already.
    pub(super) fn answer_introduction(&mut self, peer: super::PeerId, now: Now) {
        let owes = |session: &Session| matches!(session, Session::Replica(s) if s.acquaintance.owes_proof());
        if self.sessions.get(&peer).is_some_and(owes) {
            self.hello(peer, Vec::new(), now);
        }
    }

    /// A peer showed who it is: what waited for that goes on.
    pub(super) fn admit_proven(&mut self, peer: super::PeerId, now: Now) {
        let Some(Session::Replica(session)) = self.sessions.get(&peer) else { return };
        for name in session.waiting() {
            self.admit(&name, now);
        }
    }

    /// The greeted peers that share a document and showed that the name is theirs under which they write it.
    pub(super) fn proven_links<'a>(
        &'a self,
        name: &'a DocumentName,
    ) -> impl Iterator<Item = (Option<InstanceId>, &'a ReplicaLink)> {
        self.sessions.values().filter_map(move |session| match session {
            Session::Replica(session) => {
                let link = session.link(name)?;
                session.proves(link.replica?).then_some((session.instance, link))
            }
            _ => None,
        })
    }
}
