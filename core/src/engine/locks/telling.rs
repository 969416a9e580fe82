//! What is told of locks: to guests, and to the trail.

use super::authority::Forced;
use crate::clock::Now;
use crate::engine::types::PeerId;
use crate::engine::{AuditEntry, Engine, Session};
use crate::guard::{Grant, Verb};
use crate::id::DocumentName;
use crate::lock::Lease;
use crate::protocol::{LockNews, Message};

impl Engine {
    /// Leases ended, others began.
    pub(super) fn tell_locks(&mut self, name: &DocumentName, gone: &[Lease], new: &[Lease], now: Now) {
        if !gone.is_empty()
            && let Some(document) = self.documents.get_mut(name)
            && std::mem::take(&mut document.locks.holds_save)
        {
            document.checks.wants_look = true;
        }
        let told = gone.iter().map(|lease| (lease, false)).chain(new.iter().map(|lease| (lease, true)));
        for (lease, is_locked) in told {
            let news = LockNews {
                document: name.clone(),
                key: lease.scope.to_string(),
                holder: lease.holder.to_string(),
                token: lease.token,
                is_locked,
            };
            let message = Message::Lock(news);
            let is_told = |(peer, session): (&PeerId, &Session)| match session {
                Session::Guest(guest) => {
                    let wants = guest.follows.contains_key(name)
                        || guest.patterns.iter().any(|pattern| pattern.intersects(&lease.scope));
                    let may = guest.grant.as_ref().is_none_or(|grant| may_hear(grant, name, lease));
                    (wants && may).then_some(*peer)
                }
                _ => None,
            };
            let peers: Vec<PeerId> = self.sessions.iter().filter_map(is_told).collect();
            for peer in peers {
                self.send(peer, &message, now);
            }
        }
    }

    /// Leases were taken from whoever held them.
    pub(super) fn audit_forced(&mut self, name: &DocumentName, forced: Forced, now: Now) {
        for Lease { scope, holder, token, .. } in forced.leases {
            let (reason, by) = (forced.reason.clone(), forced.by.clone());
            let entry = AuditEntry::LockForced { key: scope.to_string().into(), holder, token, reason, by };
            self.audit(Some(name), entry, now);
        }
    }
}

fn may_hear(grant: &Grant, name: &DocumentName, lease: &Lease) -> bool {
    grant.check(Verb::Read, name).is_ok() && grant.covers(&lease.scope.as_place())
}
