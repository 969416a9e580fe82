//! The authority of one document's locks: who holds what, who waits for it in which order, and what has to be noted of it.
//!
//! It is told the time, and grants nothing that is not noted: whoever steps it stores the notes before it answers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::ask::{LockCommand, MAX_LEASE_MS};
use super::notes::{Held, LiveNote, SlotNote};
use crate::canonical::text_hash;
use crate::error::{Code, Error, Result};
use crate::lock::{Lease, LeaseTable};
use crate::pattern::Pattern;
use crate::value::{Str, Value};

/// How many locks of one document may be held at once.
pub(super) const MAX_HELD: usize = 4_096;
/// How many may wait for locks of one document.
pub(super) const MAX_WAITING: usize = 1_024;
/// The low bits of a token count the grants of one epoch.
const EPOCH_BITS: u32 = 40;

/// The epoch that a token was granted in; 0 for what no authority of this kind gave.
pub(super) fn epoch_of(token: u64) -> u64 {
    token >> EPOCH_BITS
}

/// Grants leases. `A` is who is to be answered.
pub(super) struct Authority<A> {
    pub(super) epoch: u64,
    table: LeaseTable,
    /// By token, what the table does not know.
    grants: BTreeMap<u64, Grant>,
    /// By number, the token that is, or was last, in it. A note is written over and over, so that the past of locks does not grow.
    slots: BTreeMap<u64, u64>,
    free: BTreeSet<u64>,
    queue: VecDeque<Waiter<A>>,
    /// Slots whose notes are not on their way to the store.
    unsaved: BTreeSet<u64>,
}

struct Grant {
    slot: u64,
    holder: Str,
    ttl_ms: u64,
    /// How many times it was renewed: so that others hear that it was.
    turn: u64,
}

struct Waiter<A> {
    asker: A,
    key: Pattern,
    holder: Str,
    session: Str,
    ttl_ms: u64,
    until_ms: u64,
}

/// Somebody's answer, once what it says is stored.
#[derive(Debug, PartialEq)]
pub(super) struct Done<A> {
    pub(super) asker: A,
    pub(super) result: Result<Value>,
    /// The lease that was granted: taken back where it cannot be stored.
    pub(super) granted: Option<u64>,
    /// The leases that somebody else's word ended.
    pub(super) forced: Option<Forced>,
}

/// Leases that were taken from their holders.
#[derive(Debug, PartialEq)]
pub(super) struct Forced {
    pub(super) leases: Vec<Lease>,
    pub(super) reason: Str,
    pub(super) by: Option<Str>,
}

impl<A> Done<A> {
    fn said(asker: A, result: Result<Value>) -> Done<A> {
        Done { asker, result, granted: None, forced: None }
    }
}

/// What is stored, and shown, of a session: who knows its name may end what it holds.
pub(super) fn fingerprint(session: &str) -> Str {
    text_hash(session).to_string().trim_start_matches("sha256:").chars().take(32).collect::<String>().into()
}

impl<A: Clone> Authority<A> {
    /// One that begins an epoch. Before `quiet_until_ms` it grants nothing.
    pub(super) fn new(epoch: u64, quiet_until_ms: u64) -> Authority<A> {
        Authority {
            epoch,
            table: LeaseTable::restored(epoch << EPOCH_BITS, 0, quiet_until_ms),
            grants: BTreeMap::new(),
            slots: BTreeMap::new(),
            free: BTreeSet::new(),
            queue: VecDeque::new(),
            unsaved: BTreeSet::new(),
        }
    }

    /// One that goes on after a restart: every lease lasts as long as if it had been renewed just now.
    pub(super) fn resumed(epoch: u64, notes: &BTreeMap<u64, SlotNote>, now_ms: u64) -> Authority<A> {
        let mut authority = Authority::new(epoch, 0);
        let mut leases = Vec::new();
        let mut counter = epoch << EPOCH_BITS;
        for (slot, note) in notes {
            counter = counter.max(note.token);
            authority.slots.insert(*slot, note.token);
            let Some(live) = &note.live else {
                authority.free.insert(*slot);
                continue;
            };
            let grant = Grant { slot: *slot, holder: live.holder.clone(), ttl_ms: live.ttl_ms, turn: live.turn };
            authority.grants.insert(note.token, grant);
            leases.push(Lease {
                scope: live.key.clone(),
                holder: live.session.clone(),
                token: note.token,
                expires_ms: now_ms.saturating_add(live.ttl_ms),
            });
        }
        authority.table = LeaseTable::resumed(counter, leases);
        authority
    }

    /// Does what somebody asks for. Nothing comes back where it waits.
    pub(super) fn ask(&mut self, asker: A, command: LockCommand, now_ms: u64) -> Vec<Done<A>> {
        let mut done = self.advance(now_ms);
        match command {
            LockCommand::Acquire { key, holder, session, ttl_ms, wait_ms } => {
                let session = fingerprint(&session.unwrap_or_default());
                let until_ms = now_ms.saturating_add(wait_ms);
                // Who asks again does so in place of the question before.
                self.queue.retain(|waiter| waiter.session != session || waiter.key != key);
                let waiter = Waiter { asker, key, holder, session, ttl_ms, until_ms };
                match self.in_the_way(&waiter, self.queue.len(), now_ms) {
                    None => done.push(self.grant(waiter, now_ms)),
                    Some(error) if wait_ms == 0 => done.push(Done::said(waiter.asker, Err(error))),
                    Some(_) if self.queue.len() >= MAX_WAITING => {
                        let message = format!("{MAX_WAITING} wait for locks of this document already");
                        let error = Error::new(Code::TooLarge, message).with_hint("ask again later");
                        done.push(Done::said(waiter.asker, Err(error)));
                    }
                    Some(_) => self.queue.push_back(waiter),
                }
            }
            LockCommand::Renew { token, session, ttl_ms } => {
                let result = self.renew(token, &fingerprint(&session), ttl_ms, now_ms);
                done.push(Done::said(asker, result));
            }
            LockCommand::Release { token, session } => {
                let result = self.table.release(token, &fingerprint(&session), now_ms);
                let result = result.map(|lease| self.ended(&lease));
                done.push(Done::said(asker, result));
            }
            LockCommand::ForceRelease { key, reason, by } => {
                let tokens: Vec<u64> =
                    self.table.held(now_ms).filter(|lease| lease.scope == key).map(|lease| lease.token).collect();
                let mut leases = Vec::new();
                for token in tokens {
                    let holder = self.grants.get(&token).map(|grant| grant.holder.clone()).unwrap_or_default();
                    if let Some(lease) = self.table.force_release(token) {
                        self.ended(&lease);
                        leases.push(Lease { holder, ..lease });
                    }
                }
                let result = match leases.first() {
                    Some(lease) => Ok(Lease { expires_ms: now_ms, ..lease.clone() }.to_value(now_ms)),
                    None => Err(Error::new(Code::NotFound, format!("nobody holds a lock on `{key}`"))
                        .with_hint("`confmesh lock list` shows which are held, and on what")),
                };
                done.push(Done { asker, result, granted: None, forced: Some(Forced { leases, reason, by }) });
            }
        }
        done.extend(self.advance(now_ms));
        done
    }

    /// Ends what has ended, and grants what is free to who waited longest.
    pub(super) fn advance(&mut self, now_ms: u64) -> Vec<Done<A>> {
        for lease in self.table.expire(now_ms) {
            self.ended(&lease);
        }
        let mut done = Vec::new();
        let mut at = 0;
        while let Some(waiter) = self.queue.get(at) {
            match self.in_the_way(waiter, at, now_ms) {
                None => {
                    let Some(waiter) = self.queue.remove(at) else { break };
                    done.push(self.grant(waiter, now_ms));
                }
                Some(error) if now_ms >= waiter.until_ms => {
                    let Some(waiter) = self.queue.remove(at) else { break };
                    done.push(Done::said(waiter.asker, Err(error)));
                }
                Some(_) => at += 1,
            }
        }
        done
    }

    /// What keeps somebody from a lock, of what is held and of the first so many who wait: nobody overtakes.
    fn in_the_way(&self, waiter: &Waiter<A>, before: usize, now_ms: u64) -> Option<Error> {
        let is_other = |session: &Str, key: &Pattern| *session != waiter.session && key.intersects(&waiter.key);
        let mut held = self.table.held(now_ms);
        if let Some(lease) = held.find(|lease| is_other(&lease.holder, &lease.scope)) {
            let holder = self.grants.get(&lease.token).map(|grant| grant.holder.clone()).unwrap_or_default();
            return Some(super::writes::locked(&Lease { holder, ..lease.clone() }, now_ms));
        }
        let mut first = self.queue.iter().take(before);
        let other = first.find(|other| is_other(&other.session, &other.key))?;
        Some(Error::new(Code::Locked, format!("`{}` waits for `{}`, and comes first", other.holder, other.key)))
    }

    fn grant(&mut self, waiter: Waiter<A>, now_ms: u64) -> Done<A> {
        let Waiter { asker, key, holder, session, ttl_ms, .. } = waiter;
        let replaced: Vec<u64> = self
            .table
            .held(now_ms)
            .filter(|lease| lease.holder == session && lease.scope == key)
            .map(|lease| lease.token)
            .collect();
        if self.grants.len() >= MAX_HELD && replaced.is_empty() {
            let error = Error::new(Code::TooLarge, format!("{MAX_HELD} locks of this document are held already"));
            return Done::said(asker, Err(error.with_hint("`confmesh lock list` shows them")));
        }
        let granted = match self.table.acquire(key, &session, ttl_ms, now_ms) {
            Ok(granted) => granted,
            Err(error) => return Done::said(asker, Err(error)),
        };
        for token in replaced {
            self.vacate(token);
        }
        let token = granted.lease.token;
        let slot = self.free.pop_first().unwrap_or_else(|| self.slots.keys().next_back().map_or(0, |last| last + 1));
        self.slots.insert(slot, token);
        self.unsaved.insert(slot);
        self.grants.insert(token, Grant { slot, holder: holder.clone(), ttl_ms, turn: 0 });
        let shown = Lease { holder, ..granted.lease }.to_value(now_ms);
        Done { asker, result: Ok(shown), granted: Some(token), forced: None }
    }

    fn renew(&mut self, token: u64, session: &str, ttl_ms: Option<u64>, now_ms: u64) -> Result<Value> {
        let ttl_ms = ttl_ms.or(self.grants.get(&token).map(|grant| grant.ttl_ms)).unwrap_or(MAX_LEASE_MS);
        let lease = self.table.renew(token, session, ttl_ms, now_ms)?;
        let Some(grant) = self.grants.get_mut(&token) else { return Ok(lease.to_value(now_ms)) };
        (grant.ttl_ms, grant.turn) = (ttl_ms, grant.turn.saturating_add(1));
        self.unsaved.insert(grant.slot);
        Ok(Lease { holder: grant.holder.clone(), ..lease }.to_value(now_ms))
    }

    /// A lease left the table: its place is free.
    fn ended(&mut self, lease: &Lease) -> Value {
        let holder = self.vacate(lease.token).unwrap_or_default();
        Lease { holder, expires_ms: 0, ..lease.clone() }.to_value(0)
    }

    fn vacate(&mut self, token: u64) -> Option<Str> {
        let grant = self.grants.remove(&token)?;
        self.unsaved.insert(grant.slot);
        self.free.insert(grant.slot);
        Some(grant.holder)
    }

    /// A lease that could not be stored was never given.
    pub(super) fn take_back(&mut self, token: u64) {
        self.table.force_release(token);
        self.vacate(token);
    }

    /// Nobody waits for the answers of these any more.
    pub(super) fn forget(&mut self, is_gone: impl Fn(&A) -> bool) {
        self.queue.retain(|waiter| !is_gone(&waiter.asker));
    }

    /// Everybody who waits.
    pub(super) fn dismiss(&mut self) -> Vec<A> {
        self.queue.drain(..).map(|waiter| waiter.asker).collect()
    }

    /// The notes that have changed since they were last asked for.
    pub(super) fn take_unsaved(&mut self) -> Vec<(u64, SlotNote)> {
        let slots = std::mem::take(&mut self.unsaved);
        slots.into_iter().filter_map(|slot| Some((slot, self.note(slot)?))).collect()
    }

    /// Nobody knows what the store has of them: all are written again.
    pub(super) fn save_again(&mut self) {
        self.unsaved.extend(self.slots.keys());
    }

    pub(super) fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    fn note(&self, slot: u64) -> Option<SlotNote> {
        let token = *self.slots.get(&slot)?;
        // A lease that has run out is noted as it stands until that is told.
        let lease = self.table.live(token, 0);
        let live = lease.zip(self.grants.get(&token)).map(|(lease, grant)| LiveNote {
            key: lease.scope.clone(),
            holder: grant.holder.clone(),
            session: lease.holder.clone(),
            ttl_ms: grant.ttl_ms,
            turn: grant.turn,
        });
        Some(SlotNote { token, live })
    }

    /// The leases in force.
    pub(super) fn held(&self, now_ms: u64) -> impl Iterator<Item = Held> {
        self.table.held(now_ms).map(|lease| {
            let grant = self.grants.get(&lease.token);
            let holder = grant.map(|grant| grant.holder.clone()).unwrap_or_default();
            let ttl_ms = grant.map_or(0, |grant| grant.ttl_ms);
            Held { session: lease.holder.clone(), ttl_ms, lease: Lease { holder, ..lease.clone() } }
        })
    }

    /// When something ends: a lease, or somebody's patience.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let waits = self.queue.iter().map(|waiter| waiter.until_ms).min();
        self.table.next_expiry_ms().into_iter().chain(waits).min()
    }
}
