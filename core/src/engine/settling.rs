//! When a document drops its history: seldom, where it pays, and as soon as every member has said that it has all of it.

use std::collections::BTreeMap;

use super::records::{base_records, dropped_records, replica_record};
use super::shared::{Founded, Shared, Step};
use super::types::{Event, Level, Member, PeerId, Settling};
use super::{Engine, Session};
use crate::clock::{Now, VersionVector};
use crate::id::{DocumentName, ReplicaId};

/// A base is rewritten as a whole: up to so many bytes of it for one assertion that is dropped,
const BYTES_PER_ASSERTION: usize = 1_024;
/// or when nothing was dropped for so long.
const AT_LATEST_MS: u64 = 60_000;

impl Engine {
    /// Drops the history of every document where that is possible and worth it.
    pub(super) fn settle_all(&mut self, now: Now) {
        for name in self.documents.keys().cloned().collect::<Vec<_>>() {
            self.succeed(&name, now);
            self.consider_age(&name, now);
            let acknowledged = self.acknowledged(&name);
            let founded = self.documents.get(&name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
            if founded.is_some_and(|founded| founded.durable.may_settle(&acknowledged)) {
                self.settle(&name, now);
            }
        }
    }

    /// What the connected replicas last said that they have on disk.
    fn acknowledged(&self, name: &DocumentName) -> BTreeMap<ReplicaId, VersionVector> {
        let mut acknowledged: BTreeMap<ReplicaId, VersionVector> = BTreeMap::new();
        for (_, link) in self.proven_links(name).filter(|(_, link)| !link.waits) {
            if let Some(replica) = link.replica {
                acknowledged.entry(replica).or_default().join(&link.acknowledged);
            }
        }
        acknowledged
    }

    /// How the dropping of a document's history stands; none where the history is kept.
    pub(super) fn settling(&self, name: &DocumentName) -> Option<Settling> {
        let document = self.documents.get(name)?;
        let founded = document.shared.as_ref().and_then(Shared::founded).filter(|founded| founded.durable.settles())?;
        let acknowledged = self.acknowledged(name);
        let own = founded.durable.id();
        let member = |replica: ReplicaId| {
            let heard = document.heard.get(&replica);
            let is_own = replica == own;
            Member {
                replica,
                instance: if is_own { Some(self.config.instance) } else { heard.and_then(|(instance, _)| *instance) },
                is_own,
                is_connected: acknowledged.contains_key(&replica),
                acknowledged_ms: heard.map(|(_, at)| *at),
                blocks: founded.durable.is_held_up_by(replica, &acknowledged),
            }
        };
        let is_member = |replica: &ReplicaId| founded.durable.is_member(*replica);
        let renames = founded.succession.is_some() || founded.known_as.is_some();
        Some(Settling {
            is_orphaned: founded.ready && !renames && !is_member(&own) && !acknowledged.keys().any(is_member),
            members: founded.durable.members().map(member).collect(),
            held: founded.durable.live_len(),
            dropped_ms: founded.dropped_ms,
        })
    }

    /// A member said what it has.
    pub(super) fn note_heard(&mut self, name: &DocumentName, peer: PeerId, now: Now) {
        let Some(Session::Replica(session)) = self.sessions.get(&peer) else { return };
        let instance = session.instance;
        let Some(replica) = session.link(name).and_then(|link| link.replica) else { return };
        if !session.proves(replica) {
            return;
        }
        let Some(document) = self.documents.get_mut(name) else { return };
        let founded = document.shared.as_ref().and_then(Shared::founded);
        // Only of members, so that strangers take up no memory.
        if founded.is_some_and(|founded| founded.durable.is_member(replica)) {
            document.heard.insert(replica, (instance, now.wall_ms));
        }
    }

    /// Whether a peer has proven that it is a member of a document that drops its history.
    fn is_proven_member(&self, peer: PeerId, name: &DocumentName) -> bool {
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        let is_member = |replica| founded.is_some_and(|founded| founded.durable.is_member(replica));
        let Some(Session::Replica(session)) = self.sessions.get(&peer) else { return false };
        let replica = session.link(name).and_then(|link| link.replica);
        replica.is_some_and(|replica| session.proves(replica) && is_member(replica))
    }

    /// A member that has seen the same writes dropped its history: so may we.
    pub(super) fn follow_floor(&mut self, peer: PeerId, name: &DocumentName, floor: &VersionVector, now: Now) {
        if !self.is_proven_member(peer, name) {
            return;
        }
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        if founded.is_some_and(|founded| founded.durable.settles() && founded.seen() == floor) {
            self.settle(name, now);
        }
    }

    fn settle(&mut self, name: &DocumentName, now: Now) {
        let Some(document) = self.documents.get_mut(name) else { return };
        let Some(founded) = document.shared.as_mut().and_then(Shared::founded_mut) else { return };
        let held = founded.durable.live_len();
        let overdue = founded.settled_ms.is_none_or(|last| now.mono_ms >= last.saturating_add(AT_LATEST_MS));
        let pays = held > 0 && (overdue || held.saturating_mul(BYTES_PER_ASSERTION) >= founded.base_bytes);
        let is_busy = !founded.staged.is_empty() || founded.succession.is_some() || founded.anew.is_some();
        // A young document may have to give way, and then its writes go along one by one.
        let is_old = founded.life.standing.old;
        if !pays || !founded.ready || !is_old || is_busy || founded.is_unsettling {
            return;
        }
        let settled = match founded.pending.settle(&founded.view) {
            Ok(settled) => {
                founded.pending_value = founded.view.value.clone();
                settled
            }
            Err(error) => {
                founded.is_unsettling = true;
                return self.notice(Level::Error, error);
            }
        };
        founded.settled_ms = Some(now.mono_ms);
        founded.dropped_ms = Some(now.wall_ms);
        let mut records: Vec<_> = dropped_records(name, &settled.dropped).collect();
        let (parts, base_bytes) = base_records(name, &founded.pending, founded.base_bytes);
        founded.base_bytes = founded.base_bytes.max(base_bytes);
        records.extend(parts);
        records.push(replica_record(name, &founded.pending));
        let decided = document.masked(settled.decided);
        self.stage_step(name, records, Step::Settle, "settled", None, None);
        self.events.push_back(Event::Settled { document: name.clone(), decided });
    }

    /// An instance without peers has nobody to wait for, and no heartbeat either.
    pub(super) fn plan_settling(&mut self, name: &DocumentName, now: Now) {
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        if self.next_settling_ms.is_none() && founded.is_some_and(|founded| founded.durable.settles()) {
            self.next_settling_ms = Some(now.mono_ms.saturating_add(self.config.heartbeat_ms));
        }
    }

    pub(super) fn settle_when_due(&mut self, now: Now) {
        if self.next_settling_ms.is_some_and(|due| now.mono_ms >= due) {
            self.next_settling_ms = None;
            self.settle_all(now);
        }
    }

    /// Remembers the document that this instance and a peer have in common.
    pub(super) fn note_synced(&mut self, name: &DocumentName, peer: PeerId) {
        let Some(acknowledged) = self.link(peer, name).map(|link| link.acknowledged.clone()) else { return };
        let is_proven = self.is_proven_member(peer, name);
        let founded = self.documents.get_mut(name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut);
        // What is left out here is written again after an expulsion: a stranger's word would lose it.
        let founded = founded.filter(|founded| is_proven || !founded.durable.settles());
        let is_common = |founded: &Founded| founded.ready && acknowledged.includes(founded.seen());
        // Another document on its way to the store has another one in common with the others.
        if let Some(founded) = founded.filter(|founded| founded.synced_before.is_none() && is_common(founded)) {
            founded.synced = founded.view.value.clone();
        }
    }
}
