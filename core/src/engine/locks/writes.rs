//! Locks against writes: who has none, or one that has ended, is refused wherever the write is made.

use super::Locks;
use super::authority::epoch_of;
use super::notes::Held;
use crate::clock::Now;
use crate::diff::diff;
use crate::engine::Engine;
use crate::engine::shared::Shared;
use crate::engine::terms::WriteTerms;
use crate::error::{Code, Error, Result};
use crate::id::DocumentName;
use crate::lock::Lease;
use crate::path::Path;
use crate::replica::Edit;
use crate::value::{Str, Value};

/// What whoever meets somebody else's lock is told.
pub(super) fn locked(lease: &Lease, now_ms: u64) -> Error {
    let left = lease.expires_ms.saturating_sub(now_ms);
    Error::new(Code::Locked, format!("`{}` is locked by `{}`", lease.scope, lease.holder))
        .with_hint(format!("it ends in {left} ms unless it is renewed; `confmesh lock list` shows it"))
}

fn ended(token: u64) -> Error {
    Error::new(Code::Locked, format!("the lock with the token {token} has ended"))
        .with_hint("acquire it again, read what changed meanwhile, and write with the new token")
}

/// Whether a lease is about what stands at a path: a write there writes everything below it, too.
fn touches(held: &Held, path: &Path) -> bool {
    held.lease.scope.matches(path) || held.lease.scope.may_match_below(path)
}

impl Locks {
    /// Whether a write to these paths may be made with this token, 0 without, and by this principal.
    pub(super) fn check<'p>(
        &self,
        paths: impl Iterator<Item = &'p Path>,
        (fence, principal): (u64, Option<&Str>),
        now_ms: u64,
    ) -> Result<()> {
        let mut paths = paths.peekable();
        let Some(first) = paths.peek() else { return Ok(()) };
        let held: Vec<Held> = self.in_force(now_ms);
        let own = held.iter().find(|held| fence != 0 && held.lease.token == fence);
        if let Some(own) = own
            && principal.is_some_and(|principal| *principal != own.lease.holder)
        {
            return Err(locked(&own.lease, now_ms).with_path((*first).clone()));
        }
        if own.is_none() && self.has_ended(fence) {
            return Err(ended(fence).with_path((*first).clone()));
        }
        for path in paths {
            if let Some(own) = own
                && !own.lease.scope.matches(path)
            {
                let message = format!("the lock on `{}` does not cover this path", own.lease.scope);
                return Err(Error::new(Code::Locked, message).with_path(path.clone()));
            }
            let is_own = |other: &Held| own.is_some_and(|own| own.session == other.session);
            if let Some(other) = held.iter().find(|held| touches(held, path) && !is_own(held)) {
                return Err(locked(&other.lease, now_ms).with_path(path.clone()));
            }
        }
        Ok(())
    }

    /// Whether the authority of this document gave that token, and it is not in force any more. Tokens of other authorities are
    /// not known here: they only order what is written at the same time.
    fn has_ended(&self, fence: u64) -> bool {
        let Some(authority) = self.authority else { return false };
        let epoch = epoch_of(fence);
        // Which of a later life were given out is known where they are.
        (1..authority.epoch).contains(&epoch)
            || (epoch == authority.epoch && (self.rule.is_some() || fence <= self.newest))
    }
}

impl Engine {
    /// Whether somebody's lock keeps these edits from being made.
    ///
    /// # Errors
    /// [`Code::Locked`].
    pub(in crate::engine) fn check_locks(
        &self,
        name: &DocumentName,
        edits: &[Edit],
        terms: &WriteTerms,
        now: Now,
    ) -> Result<()> {
        let Some(document) = self.documents.get(name) else { return Ok(()) };
        if document.locks.is_idle() {
            return Ok(());
        }
        let principal = terms.by.as_ref().map(|grant| grant.principal());
        document.locks.check(edits.iter().map(|edit| &edit.path), (terms.fence, principal), now.mono_ms)
    }

    /// The same of what a save of the bound file comes to; where it is refused, the file is looked at again once locks end.
    pub(in crate::engine) fn check_save(&mut self, name: &DocumentName, merged: &Value, now: Now) -> Result<()> {
        let Some(document) = self.documents.get_mut(name) else { return Ok(()) };
        document.locks.holds_save = false;
        let Some(founded) = document.shared.as_ref().and_then(Shared::founded) else { return Ok(()) };
        if document.locks.is_idle() {
            return Ok(());
        }
        let changes = diff(&founded.pending_value, merged);
        let checked = document.locks.check(changes.iter().map(|change| &change.path), (0, None), now.mono_ms);
        document.locks.holds_save = checked.is_err();
        checked.map_err(|error| {
            let message = format!("the save waits: {}", error.message());
            let error = error.path().cloned().into_iter().fold(Error::new(Code::Locked, message), Error::with_path);
            error.with_hint("it is taken as soon as the lock ends; until then the file is left as it is")
        })
    }
}
