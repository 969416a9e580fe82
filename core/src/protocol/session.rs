//! The state of one document in the session with one replica: what the other side has, as far as we know.

use super::standing::Standing;
use crate::clock::VersionVector;
use crate::id::{Genesis, ReplicaId};
use crate::replica::Replica;

/// What one peer has of one document.
#[derive(Clone, Debug, Default)]
pub struct ReplicaLink {
    /// The birth that the peer's replica has; `None` while it is unfounded.
    pub genesis: Option<Genesis>,
    /// What the peer's document weighs where it meets another one.
    pub standing: Standing,
    /// The name under which the peer writes.
    pub replica: Option<ReplicaId>,
    /// The name under which it wrote before it started anew.
    pub former: Option<ReplicaId>,
    /// A short name of the peer's conflict rules, where it said one.
    pub rules: Option<u64>,
    /// Whether it gets nothing before it is a member: whatever it writes has to have seen that.
    pub waits: bool,
    /// What was sent or is known to be there: the `since` of the next delta.
    pub sent: VersionVector,
    /// What the peer said it has on disk.
    pub acknowledged: VersionVector,
}

impl ReplicaLink {
    /// What the next delta for the peer begins with, if it lacks anything; everything counts as sent from now on.
    pub fn next_since(&mut self, replica: &Replica) -> Option<VersionVector> {
        if self.sent.includes(replica.seen()) {
            return None;
        }
        let since = self.sent.clone();
        self.sent.join(replica.seen());
        Some(since)
    }

    /// The peer told what it has: sending continues from there, also where something we sent got lost.
    pub fn told(&mut self, seen: &VersionVector) {
        self.acknowledged = seen.clone();
        self.sent = seen.clone();
    }

    /// The peer acknowledged: it has at least this.
    pub fn acknowledge(&mut self, seen: &VersionVector) {
        self.acknowledged.join(seen);
        self.sent.join(seen);
    }
}
