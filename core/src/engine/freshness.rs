//! When this instance was last in step with another one.
//!
//! While both write, there is no moment at which each has said that it has everything. So what both had at one moment is
//! remembered: once each has what the other one had then, they were in step as of that moment.

use super::shared::Shared;
use super::types::PeerId;
use super::{Engine, Session};
use crate::clock::{Now, VersionVector};
use crate::id::DocumentName;

/// What the two sides of a connection had at one moment.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    at_ms: u64,
    ours: VersionVector,
    theirs: VersionVector,
}

impl Engine {
    /// A peer said what it has of a document.
    pub(super) fn note_in_step(&mut self, peer: PeerId, name: &DocumentName, now: Now) {
        let Some(document) = self.documents.get_mut(name) else { return };
        let founded = document.shared.as_ref().and_then(Shared::founded);
        let Some(founded) = founded.filter(|founded| founded.ready && founded.anew.is_none()) else { return };
        let Some(Session::Replica(session)) = self.sessions.get(&peer) else { return };
        let Some(connection) = self.connections.get_mut(&peer) else { return };
        let Some(link) = session.link(name).filter(|link| !link.waits) else { return };
        if link.genesis != Some(founded.durable.genesis()) {
            return;
        }
        let (ours, theirs) = (founded.seen(), &link.acknowledged);
        let at_ms = if ours == theirs {
            Some(now.mono_ms)
        } else {
            match connection.marks.get(name) {
                Some(mark) if theirs.includes(&mark.ours) && ours.includes(&mark.theirs) => Some(mark.at_ms),
                Some(_) => return,
                None => None,
            }
        };
        let mark = Mark { at_ms: now.mono_ms, ours: ours.clone(), theirs: theirs.clone() };
        connection.marks.insert(name.clone(), mark);
        document.in_step_ms = document.in_step_ms.max(at_ms);
    }
}
