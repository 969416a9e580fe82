//! What a principal may do with a document, and what of it is shown: checked where it enters, before anything is accepted.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::guests::Told;
use super::links::LinkState;
use super::shared::Command;
use super::terms::WriteTerms;
use super::types::{Level, PeerId, Receipt, Snapshot};
use super::{Engine, REPLICATES, Session, conflicts, unknown};
use crate::clock::Now;
use crate::diff::Operation;
use crate::error::{Code, Error, Result};
use crate::guard::{Grant, Verb, Who};
use crate::id::{DocumentName, InstanceId};
use crate::path::Path;
use crate::protocol::Message;
use crate::secret::secret_paths;

impl Snapshot {
    /// The document as a principal sees it: the value and its hash are those of what it may see. The same where that is all.
    #[must_use]
    pub fn seen_by(self: &Arc<Snapshot>, grant: &Grant) -> Arc<Snapshot> {
        if grant.sees_all(self.policy()) {
            return Arc::clone(self);
        }
        let mut composed = self.composed.clone();
        composed.value = grant.view(self.policy(), &self.value);
        let withheld = self.withheld.iter().filter(|withheld| grant.covers(&withheld.path)).cloned();
        Arc::new(Snapshot::new(self.document.clone(), self.revision, composed).without(withheld.collect()))
    }
}

impl Receipt {
    /// What a principal may be told of its write.
    #[must_use]
    pub fn seen_by(self, grant: &Grant) -> Receipt {
        let mut receipt = Receipt { snapshot: self.snapshot.seen_by(grant), ..self };
        receipt.changed.retain(|path| grant.covers(path));
        receipt.withheld.retain(|withheld| grant.covers(&withheld.path));
        receipt.left_out.retain(|part| grant.covers(&part.path));
        receipt
    }
}

impl Engine {
    /// Says who a guest is; before any message of it. Nobody in particular may do everything.
    pub fn authorize(&mut self, peer: PeerId, who: Who) {
        if !REPLICATES {
            return;
        }
        let told: BTreeMap<DocumentName, Told> = match &who {
            None => BTreeMap::new(),
            Some(grant) => {
                let documents = self.documents.values();
                documents.map(|document| (document.name.clone(), Told::of(&document.snapshot.seen_by(grant)))).collect()
            }
        };
        if let Some(Session::Guest(guest)) = self.sessions.get_mut(&peer) {
            (guest.grant, guest.told) = (who, told);
        }
    }

    /// Whether whoever connected may hold replicas of what is here.
    pub(super) fn check_replica(&self, peer: PeerId) -> Result<()> {
        let Some(Session::Guest(guest)) = self.sessions.get(&peer) else { return Ok(()) };
        let Some(grant) = &guest.grant else { return Ok(()) };
        let mut shared = self.documents.values().filter(|document| document.shared.is_some());
        shared.try_for_each(|document| grant.check_replica(&document.name))
    }

    /// Tells whoever may not hold replicas so; it stays a guest.
    pub(super) fn refuse_replica(&mut self, peer: PeerId, instance: Option<InstanceId>, error: Error, now: Now) {
        self.bar(peer, LinkState::Refused, instance, &error);
        self.notice(Level::Warning, error.clone());
        self.send(peer, &Message::Error { error, request_id: None }, now);
    }

    /// A command as its principal may give it: made on what it sees, and in its name.
    ///
    /// # Errors
    /// [`Code::Forbidden`] for what it may not do, [`Code::Stale`] where it names another document than it sees.
    pub(super) fn permitted(
        &self,
        name: &DocumentName,
        command: Command,
        terms: &WriteTerms,
    ) -> Result<(Command, WriteTerms)> {
        let mut terms = terms.clone();
        let Some(grant) = terms.by.clone() else { return Ok((command, terms)) };
        terms.user = Some(grant.principal().clone());
        if terms.fence != 0 {
            grant.check(Verb::Lock, name)?;
        }
        if let Command::Resolve(id, _) | Command::Assign(id, _) = &command {
            grant.check(Verb::Resolve, name)?;
            let found = self.conflicts(name, true).into_iter().find(|conflict| conflict.id == *id);
            // That there is one where it may not look is not told either.
            return match found {
                Some(found) if !grant.covers(&found.path) => Err(conflicts::gone(*id)),
                _ => Ok((command, terms)),
            };
        }
        grant.check(Verb::Write, name)?;
        let document = self.documents.get(name).ok_or_else(|| unknown(name))?;
        let snapshot = &document.snapshot;
        if grant.sees_all(snapshot.policy()) {
            return Ok((command, terms));
        }
        let view = snapshot.seen_by(&grant);
        if let Some(wanted) = terms.if_hash {
            if !view.is(&wanted) {
                let error = Error::new(Code::Stale, format!("the document is at {}, not at {wanted}", view.digest()));
                return Err(
                    error.with_hint("read it again, apply the change to what it is now, and send it with the new ETag")
                );
            }
            terms.if_hash = Some(snapshot.digest().into());
        }
        if let Command::Patch(patch) = &command {
            let mut read = patch.operations().iter().filter_map(|operation| match operation {
                Operation::Move { from, .. } | Operation::Copy { from, .. } => Some(from),
                Operation::Test { path, .. } => Some(path),
                Operation::Add { .. } | Operation::Remove { .. } | Operation::Replace { .. } => None,
            });
            read.try_for_each(|path| check_read(&grant, snapshot, path))?;
        }
        let edits = command.edits(&view.value).map_err(|error| grant.told(error))?;
        edits.iter().try_for_each(|edit| grant.check_at(Verb::Write, name, &edit.path))?;
        Ok((Command::Edits(edits), terms))
    }
}

/// Whether what stands at a path may be taken from there.
fn check_read(grant: &Grant, snapshot: &Snapshot, path: &Path) -> Result<()> {
    grant.check_at(Verb::Read, &snapshot.document, path)?;
    let holds_secret = || {
        let secrets = secret_paths(snapshot.policy(), &snapshot.value);
        snapshot.policy().is_secret(path) || secrets.iter().any(|secret| secret.starts_with(path))
    };
    if !grant.reads_secrets() && holds_secret() {
        return grant.check_at(Verb::ReadSecrets, &snapshot.document, path);
    }
    Ok(())
}
