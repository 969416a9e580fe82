//! Leases: locks that end by themselves, with tokens that only grow.
//!
//! A [`LeaseTable`] is the authority of the leases that it grants; it never asks a clock. A lease covers the paths that its
//! pattern matches: `db` is exactly `db`, `db.*` everything below. Each grant has a token greater than every one before. A
//! write carries it ([`crate::engine::WriteTerms::fence`]): the authority refuses a token that has ended
//! ([`LeaseTable::check`]), and of writes that were made at the same time the greatest token wins everywhere.
//!
//! A lease is an early refusal and a priority, not mutual exclusion of what people edit while they are cut off. A holder has
//! to stop in time by its own clock: where the grant took a while to arrive, the lease is shorter for it.

use std::collections::BTreeMap;

use crate::error::{Code, Error, Result};
use crate::path::Path;
use crate::pattern::Pattern;
use crate::value::{Str, Value};

/// How many leases may be held at once.
pub const MAX_LEASES: usize = 65_536;
/// How long a lease may be without being renewed, in milliseconds: a day.
pub const MAX_TTL_MS: u64 = 86_400_000;
/// How long the name of a holder may be, in bytes.
pub const MAX_HOLDER_BYTES: usize = 256;

/// One lock for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The paths that it covers.
    pub scope: Pattern,
    /// Who holds it.
    pub holder: Str,
    /// Greater than that of every lease granted before; never 0.
    pub token: u64,
    /// When it ends, in milliseconds of the clock that the table is told.
    pub expires_ms: u64,
}

impl Lease {
    /// Whether it is in force at this time.
    pub fn is_live(&self, now_ms: u64) -> bool {
        now_ms < self.expires_ms
    }

    /// `{"key", "holder", "token", "expires_in_ms"}`; the token is a text, since JavaScript cannot hold it as a number.
    pub fn to_value(&self, now_ms: u64) -> Value {
        let fields: [(&str, Value); 4] = [
            ("key", self.scope.to_string().into()),
            ("holder", self.holder.clone().into()),
            ("token", self.token.to_string().into()),
            ("expires_in_ms", self.expires_ms.saturating_sub(now_ms).into()),
        ];
        fields.into_iter().collect()
    }
}

/// A lease that was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The lease.
    pub lease: Lease,
    /// Has to be on the disk before the holder hears of the lease: [`LeaseTable::restored`] goes on from it. Where that
    /// fails, take the lease back with [`LeaseTable::force_release`].
    pub counter: u64,
}

/// The leases of one authority. Every time is in milliseconds of one clock that never goes back.
#[derive(Clone, Debug, Default)]
pub struct LeaseTable {
    /// By token, so the oldest first.
    leases: BTreeMap<u64, Lease>,
    counter: u64,
    /// Before, nothing is granted: leases of an earlier life may still be believed in.
    quiet_until_ms: u64,
}

impl LeaseTable {
    /// A table that never granted anything.
    pub fn new() -> LeaseTable {
        LeaseTable::default()
    }

    /// The table of an authority that starts again, with the last counter that it stored. What it had granted is not
    /// known any more, so nothing is granted for `max_ttl_ms`, the longest that a lease could have been asked for.
    pub fn restored(counter: u64, now_ms: u64, max_ttl_ms: u64) -> LeaseTable {
        LeaseTable { leases: BTreeMap::new(), counter, quiet_until_ms: now_ms.saturating_add(max_ttl_ms) }
    }

    /// The table of an authority that starts again and knows what it had granted: each lease lasts as long as it says, and
    /// tokens go on from the counter.
    pub fn resumed(counter: u64, leases: impl IntoIterator<Item = Lease>) -> LeaseTable {
        let leases: BTreeMap<u64, Lease> = leases.into_iter().map(|lease| (lease.token, lease)).collect();
        let counter = leases.keys().next_back().copied().unwrap_or(0).max(counter);
        LeaseTable { leases, counter, quiet_until_ms: 0 }
    }

    /// The lease with this token, where it is in force.
    pub fn live(&self, token: u64, now_ms: u64) -> Option<&Lease> {
        self.leases.get(&token).filter(|lease| lease.is_live(now_ms))
    }

    /// The token of the last grant; 0 before the first.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Grants a lease. A holder that asks again for what it holds gets a new token, and the old one ends.
    ///
    /// # Errors
    /// [`Code::Locked`] where somebody else holds a lease on any of the paths; [`Code::NotReady`] too soon after a restart;
    /// [`Code::Usage`] for a lease of no time or more than [`MAX_TTL_MS`], or a holder without a name;
    /// [`Code::TooLarge`] beyond [`MAX_LEASES`].
    pub fn acquire(&mut self, scope: Pattern, holder: &str, ttl_ms: u64, now_ms: u64) -> Result<Granted> {
        check_ttl(ttl_ms)?;
        if holder.is_empty() || holder.len() > MAX_HOLDER_BYTES {
            return Err(Error::new(Code::Usage, format!("the holder of a lock has 1 to {MAX_HOLDER_BYTES} bytes")));
        }
        if now_ms < self.quiet_until_ms {
            let wait = self.quiet_until_ms - now_ms;
            return Err(Error::new(Code::NotReady, "locks of before the restart may still be held")
                .with_hint(format!("try again in {wait} ms")));
        }
        self.expire(now_ms);
        let mut in_the_way = self.leases.values().filter(|lease| lease.scope.intersects(&scope));
        if let Some(other) = in_the_way.find(|lease| *lease.holder != *holder) {
            return Err(held(other, now_ms));
        }
        if self.leases.len() >= MAX_LEASES {
            return Err(Error::new(Code::TooLarge, format!("{MAX_LEASES} locks are held already")));
        }
        let token = self.counter.checked_add(1).ok_or_else(|| Error::new(Code::Internal, "no tokens are left"))?;
        self.counter = token;
        self.leases.retain(|_, lease| lease.scope != scope);
        let lease = Lease { scope, holder: holder.into(), token, expires_ms: now_ms.saturating_add(ttl_ms) };
        self.leases.insert(token, lease.clone());
        Ok(Granted { lease, counter: token })
    }

    /// Makes a lease last until `ttl_ms` from now. Its token stays.
    ///
    /// # Errors
    /// [`Code::Locked`] where the lease has ended or is somebody else's, [`Code::Usage`] for a time that no lease has.
    pub fn renew(&mut self, token: u64, holder: &str, ttl_ms: u64, now_ms: u64) -> Result<Lease> {
        check_ttl(ttl_ms)?;
        let lease = self.leases.get_mut(&token).filter(|lease| lease.is_live(now_ms) && *lease.holder == *holder);
        let lease = lease.ok_or_else(|| ended(token))?;
        lease.expires_ms = now_ms.saturating_add(ttl_ms);
        Ok(lease.clone())
    }

    /// Ends a lease.
    ///
    /// # Errors
    /// [`Code::Locked`] where it has ended already or is somebody else's.
    pub fn release(&mut self, token: u64, holder: &str, now_ms: u64) -> Result<Lease> {
        let is_own = self.leases.get(&token).is_some_and(|lease| lease.is_live(now_ms) && *lease.holder == *holder);
        let lease = if is_own { self.leases.remove(&token) } else { None };
        lease.ok_or_else(|| ended(token))
    }

    /// Ends a lease whoever holds it; none where it has ended.
    pub fn force_release(&mut self, token: u64) -> Option<Lease> {
        self.leases.remove(&token)
    }

    /// Takes out the leases that have ended by now, the oldest first.
    pub fn expire(&mut self, now_ms: u64) -> Vec<Lease> {
        let mut expired = Vec::new();
        self.leases.retain(|_, lease| {
            let is_live = lease.is_live(now_ms);
            if !is_live {
                expired.push(lease.clone());
            }
            is_live
        });
        expired
    }

    /// When the next lease ends; none where none is held.
    pub fn next_expiry_ms(&self) -> Option<u64> {
        self.leases.values().map(|lease| lease.expires_ms).min()
    }

    /// The leases in force, the oldest first.
    pub fn held(&self, now_ms: u64) -> impl Iterator<Item = &Lease> {
        self.leases.values().filter(move |lease| lease.is_live(now_ms))
    }

    /// Whether a write to a path may be accepted: without a token (0) where nobody holds a lock on the path or on
    /// anything below it; with one, where it is in force, the holder's, and covers the path.
    ///
    /// # Errors
    /// [`Code::Locked`] otherwise.
    pub fn check(&self, path: &Path, holder: &str, token: u64, now_ms: u64) -> Result<()> {
        if token != 0 {
            let own = self.leases.get(&token).filter(|lease| lease.is_live(now_ms) && *lease.holder == *holder);
            let own = own.ok_or_else(|| ended(token).with_path(path.clone()))?;
            if !own.scope.matches(path) {
                let message = format!("the lock on `{}` does not cover this path", own.scope);
                return Err(Error::new(Code::Locked, message).with_path(path.clone()));
            }
        }
        // A write to a path writes everything below it too.
        let touches = |lease: &&Lease| lease.scope.matches(path) || lease.scope.may_match_below(path);
        let is_own = |lease: &Lease| token != 0 && *lease.holder == *holder;
        match self.held(now_ms).filter(touches).find(|lease| !is_own(lease)) {
            Some(other) => Err(held(other, now_ms).with_path(path.clone())),
            None => Ok(()),
        }
    }
}

fn check_ttl(ttl_ms: u64) -> Result<()> {
    if (1..=MAX_TTL_MS).contains(&ttl_ms) {
        return Ok(());
    }
    Err(Error::new(Code::Usage, format!("a lock is held for 1 to {MAX_TTL_MS} ms, not for {ttl_ms}"))
        .with_hint("hold it for seconds, and renew it"))
}

fn held(lease: &Lease, now_ms: u64) -> Error {
    let left = lease.expires_ms.saturating_sub(now_ms);
    Error::new(Code::Locked, format!("`{}` is locked by `{}`", lease.scope, lease.holder))
        .with_hint(format!("it ends in {left} ms unless it is renewed"))
}

fn ended(token: u64) -> Error {
    Error::new(Code::Locked, format!("the lock with the token {token} has ended, or is somebody else's"))
        .with_hint("acquire it again, read what changed meanwhile, and write with the new token")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn on(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    fn code<T: std::fmt::Debug>(result: Result<T>) -> Code {
        result.unwrap_err().code()
    }

    #[test]
    fn a_lock_keeps_others_out_until_it_is_released_or_ends() {
        let mut table = LeaseTable::new();
        let first = table.acquire(on("db.*"), "ann", 100, 0).unwrap();
        assert_eq!((first.lease.token, first.counter, first.lease.expires_ms), (1, 1, 100));
        let refused = table.acquire(on("db.host"), "ben", 100, 50).unwrap_err();
        assert_eq!((refused.code(), refused.hint()), (Code::Locked, Some("it ends in 50 ms unless it is renewed")));
        table.release(1, "ann", 50).unwrap();
        assert_eq!(table.acquire(on("db.host"), "ben", 100, 50).unwrap().lease.token, 2);
        assert_eq!(code(table.acquire(on("db.*"), "ann", 100, 149)), Code::Locked);
        assert_eq!(table.acquire(on("db.*"), "ann", 100, 150).unwrap().lease.token, 3);
    }

    #[test]
    fn locks_on_different_paths_do_not_meet_and_a_path_is_exactly_that_path() {
        let mut table = LeaseTable::new();
        table.acquire(on("db"), "ann", 100, 0).unwrap();
        table.acquire(on("db.*"), "ben", 100, 0).unwrap();
        table.acquire(on("app.*"), "eve", 100, 0).unwrap();
        assert_eq!(table.held(99).count(), 3);
        assert_eq!(table.next_expiry_ms(), Some(100));
        assert_eq!(table.expire(100).len(), 3);
        assert_eq!(table.next_expiry_ms(), None);
    }

    #[test]
    fn a_renewed_lock_lasts_and_one_that_ended_cannot_be_renewed() {
        let mut table = LeaseTable::new();
        let token = table.acquire(on("a"), "ann", 100, 0).unwrap().lease.token;
        assert_eq!(table.renew(token, "ann", 100, 90).unwrap().expires_ms, 190);
        assert_eq!(code(table.renew(token, "ben", 100, 91)), Code::Locked);
        assert_eq!(code(table.renew(token, "ann", 100, 190)), Code::Locked);
        assert_eq!(code(table.release(token, "ann", 190)), Code::Locked);
        assert_eq!(code(table.renew(token, "ann", 0, 100)), Code::Usage);
        assert_eq!(code(table.acquire(on("a"), "", 1, 200)), Code::Usage);
        assert_eq!(code(table.acquire(on("a"), "ann", MAX_TTL_MS + 1, 200)), Code::Usage);
    }

    #[test]
    fn a_stale_token_is_refused_and_so_is_a_write_without_the_lock() {
        let mut table = LeaseTable::new();
        let old = table.acquire(on("db.*"), "ann", 100, 0).unwrap().lease.token;
        assert!(table.check(&path("db.host"), "ann", old, 99).is_ok());
        for (place, holder, token) in [
            ("db.host", "ben", 0),
            ("db.host", "ben", old),
            ("db.host", "ann", 0),
            ("db", "ben", 0), // it would replace what is locked below
            ("app", "ann", old),
            ("db.host", "ann", old + 1),
        ] {
            assert_eq!(code(table.check(&path(place), holder, token, 99)), Code::Locked, "{place} {holder} {token}");
        }
        assert!(table.check(&path("app"), "ben", 0, 99).is_ok());
        assert!(table.check(&path("db.host"), "ben", 0, 100).is_ok(), "nobody holds it any more");
        assert_eq!(code(table.check(&path("db.host"), "ann", old, 100)), Code::Locked);
        let new = table.acquire(on("db.host"), "ben", 100, 100).unwrap().lease.token;
        assert!(new > old);
        assert_eq!(code(table.check(&path("db.host"), "ann", old, 101)), Code::Locked);
        assert!(table.check(&path("db.host"), "ben", new, 101).is_ok());
    }

    #[test]
    fn asking_again_gives_a_new_token_and_ends_the_old_one() {
        let mut table = LeaseTable::new();
        let old = table.acquire(on("a"), "ann", 100, 0).unwrap().lease.token;
        let new = table.acquire(on("a"), "ann", 100, 1).unwrap().lease.token;
        assert_eq!(code(table.check(&path("a"), "ann", old, 2)), Code::Locked);
        assert!(table.check(&path("a"), "ann", new, 2).is_ok());
        assert_eq!(table.held(2).count(), 1);
    }

    #[test]
    fn after_a_restart_tokens_go_on_and_nothing_is_granted_while_old_locks_may_be_believed_in() {
        let mut table = LeaseTable::restored(41, 1_000, 300);
        assert_eq!(code(table.acquire(on("a"), "ben", 100, 1_299)), Code::NotReady);
        assert_eq!(table.acquire(on("a"), "ben", 100, 1_300).unwrap().counter, 42);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Acquire(usize, usize, u64),
        Renew(usize, usize),
        Release(usize, usize),
        Wait(u64),
        Restart,
    }

    const SCOPES: &[&str] = &["a", "a.*", "a.b", "a.b*", "*", "b.**.c", "b.c"];
    const PLACES: &[&str] = &["a", "a.b", "a.bc", "a.b.c", "b", "b.c", "b.x.c", "z"];
    const HOLDERS: &[&str] = &["ann", "ben", "eve"];

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            5 => (0..SCOPES.len(), 0..HOLDERS.len(), 1..200_u64).prop_map(|(s, h, t)| Step::Acquire(s, h, t)),
            2 => (0..8_usize, 0..HOLDERS.len()).prop_map(|(l, h)| Step::Renew(l, h)),
            2 => (0..8_usize, 0..HOLDERS.len()).prop_map(|(l, h)| Step::Release(l, h)),
            3 => (0..150_u64).prop_map(Step::Wait),
            1 => Just(Step::Restart),
        ];
        proptest::collection::vec(step, 1..60)
    }

    proptest! {
        #[test]
        fn tokens_strictly_increase_and_no_path_has_two_holders(steps in steps()) {
            let (mut table, mut now, mut last) = (LeaseTable::new(), 0_u64, 0_u64);
            let mut stored = 0;
            let mut granted: Vec<(u64, usize)> = Vec::new();
            for step in steps {
                match step {
                    Step::Acquire(scope, holder, ttl) => {
                        if let Ok(grant) = table.acquire(on(SCOPES[scope]), HOLDERS[holder], ttl, now) {
                            prop_assert!(grant.lease.token > last);
                            prop_assert_eq!(grant.counter, grant.lease.token);
                            last = grant.lease.token;
                            stored = grant.counter;
                            granted.push((grant.lease.token, holder));
                        }
                    }
                    Step::Renew(at, holder) => if let Some((token, owner)) = granted.iter().rev().nth(at).copied() {
                        let renewed = table.renew(token, HOLDERS[holder], 100, now);
                        prop_assert!(renewed.is_err() || owner == holder, "only its holder renews a lock");
                    },
                    Step::Release(at, holder) => if let Some((token, owner)) = granted.iter().rev().nth(at).copied() {
                        let released = table.release(token, HOLDERS[holder], now);
                        prop_assert!(released.is_err() || owner == holder, "only its holder releases a lock");
                    },
                    Step::Wait(ms) => now += ms,
                    Step::Restart => table = LeaseTable::restored(stored, now, 200),
                }
                for place in PLACES {
                    let place = path(place);
                    let holders: std::collections::BTreeSet<Str> = table
                        .held(now)
                        .filter(|lease| lease.scope.matches(&place))
                        .map(|lease| lease.holder.clone())
                        .collect();
                    prop_assert!(holders.len() <= 1, "{place} is locked by {holders:?}");
                    // Of all tokens ever granted, only those of the one holder are taken there.
                    for (token, owner) in &granted {
                        for holder in HOLDERS {
                            if table.check(&place, holder, *token, now).is_ok() {
                                prop_assert_eq!(*holder, HOLDERS[*owner]);
                                prop_assert!(holders.contains(*holder));
                            }
                        }
                    }
                }
            }
        }
    }
}
