//! Writes that were made on an older version: refused, or merged where the policy says so.

use std::collections::VecDeque;
use std::sync::Arc;

use super::document::Document;
use super::shared::{Command, Founded, Shared, edits};
use super::terms::{PathVersion, WriteTerms};
use super::types::Snapshot;
use super::{Engine, unknown};
use crate::canonical::ContentTag;
use crate::diff::{diff, three_way};
use crate::error::{Code, Error, Result};
use crate::id::DocumentName;
use crate::path::Path;
use crate::policy::{ConflictStrategy, Policy, Stale};
use crate::value::{List, Value};

/// How many older snapshots are kept to merge stale writes with.
const KEPT: usize = 32;

/// What documents were a moment ago. Unchanged parts are shared with what they are now.
#[derive(Default)]
pub(super) struct Past(VecDeque<Arc<Snapshot>>);

impl Past {
    /// Keeps a new snapshot, where any rule may ask for it later.
    pub(super) fn remember(&mut self, policy: &Policy, snapshot: &Arc<Snapshot>) {
        if policy.rules().iter().any(|rule| rule.stale == Some(Stale::Merge)) {
            self.0.push_front(Arc::clone(snapshot));
            self.0.truncate(KEPT);
        }
    }

    fn of<'a>(&'a self, name: &'a DocumentName) -> impl Iterator<Item = &'a Arc<Snapshot>> {
        self.0.iter().filter(move |snapshot| snapshot.document == *name)
    }
}

impl Engine {
    /// The version of a path of a document as it is now; of the whole document for the root. `None` without such a
    /// document.
    pub fn version(&self, document: &DocumentName, path: &Path) -> Option<PathVersion> {
        let document = self.documents.get(document)?;
        let founded = document.shared.as_ref().and_then(Shared::founded);
        Some(version(document, path, founded.map(|founded| &founded.durable)))
    }

    /// The command as it can be made now: as it is where its conditions hold, merged where a rule says so.
    pub(super) fn unless_stale(
        &self,
        name: &DocumentName,
        command: Command,
        mut terms: WriteTerms,
    ) -> Result<(Command, WriteTerms)> {
        let document = self.documents.get(name).ok_or_else(|| unknown(name))?;
        let snapshot = &document.snapshot;
        let path = command.path();
        let founded = document.shared.as_ref().and_then(Shared::founded);
        // Of two writes that name one hash only the first is made, also while it is on its way to the store.
        if let Some(wanted) = terms.if_hash
            && (!snapshot.is(&wanted) || founded.is_some_and(Founded::is_changing))
        {
            let now = match wanted {
                ContentTag::Digest(_) => ContentTag::from(snapshot.digest()),
                ContentTag::Hash(_) => (*snapshot.hash()).into(),
            };
            let error = Error::new(Code::Stale, format!("the document is at {now}, not at {wanted}"))
                .with_hint("read it again, apply the change to what it is now, and send it with the new ETag");
            let base = self.past.of(name).find(|old| old.is(&wanted));
            let base = base.map(|old| &old.value);
            return Ok((merged(&command, base, document).ok_or(error)?, terms));
        }
        if let Some(wanted) = &terms.if_version {
            if document.guest.is_some() {
                return Err(Error::new(Code::Usage, "a guest cannot name the version of a path")
                    .with_hint("give the hash of the document, or ask an instance"));
            }
            // What is on its way to the store counts: of two writes on one version only the first is made.
            let founded = document.shared.as_ref().and_then(Shared::founded);
            let current = version(document, &path, founded.map(|founded| &founded.pending));
            let is_absent = founded.is_none_or(|founded| founded.pending_value.at(&path).is_none());
            let holds = wanted.holds(&current) && (*wanted != PathVersion::none() || is_absent);
            if !holds {
                let error = Error::new(Code::Stale, format!("the version is {current}, not {wanted}"))
                    .with_path(path.clone())
                    .with_hint("read it again, apply the change to what it is now, and name the new version");
                let is_base = |old: &&Arc<Snapshot>| wanted.is_of(&path, old.value.at(&path), &document.policy);
                let base = self.past.of(name).find(is_base).map(|old| &old.value);
                return Ok((merged(&command, base, document).ok_or(error)?, terms));
            }
        }
        // Where the shared layer can take it as what it is, concurrent to what came since, the rule of the path decides.
        if let Some(made_on) = &terms.made_on
            && founded
                .is_none_or(|f| f.pending.is_known_to(&made_on.seen) || !f.pending.takes_concurrent(&made_on.seen))
        {
            let old = made_on.old.as_ref();
            let is_same = |value: &Value| value.at(&path) == old;
            let is_current = founded
                .is_none_or(|founded| founded.pending.is_known_to(&made_on.seen) || is_same(&founded.pending_value));
            if !is_current && !is_same(&snapshot.value) {
                let error = Error::new(Code::Stale, "others changed it since the edit was made")
                    .with_path(path.clone())
                    .with_hint("look at what it is now and make the edit again");
                let base = match old {
                    Some(old) => snapshot.value.with(&path, old.clone()),
                    None => snapshot.value.without(&path),
                };
                let command = merged(&command, Some(&base), document).ok_or(error)?;
                return Ok((command, WriteTerms { made_on: None, ..terms }));
            }
            terms.made_on = None;
        }
        Ok((command, terms))
    }
}

fn version(document: &Document, path: &Path, replica: Option<&crate::replica::Replica>) -> PathVersion {
    PathVersion::at(path, document.snapshot.value.at(path), replica, &document.policy)
}

/// The command on what the document is now, where `base` is known and all that the author changed may be merged.
fn merged(command: &Command, base: Option<&Value>, document: &Document) -> Option<Command> {
    let base = base?;
    let ours = command.edits(base).ok()?.iter().fold(base.clone(), |value, edit| match &edit.value {
        Some(new) => value.with(&edit.path, new.clone()),
        None => value.without(&edit.path),
    });
    let policy = &document.policy;
    if diff(base, &ours).iter().any(|change| policy.stale_at(&change.path) != Stale::Merge) {
        return None;
    }
    let theirs = &document.snapshot.value;
    let merged = three_way(base, &ours, theirs);
    let value = merged.conflicts.iter().fold(merged.value, |value, conflict| {
        let lists =
            [&conflict.base, &conflict.ours, &conflict.theirs].map(|side| side.as_ref().and_then(Value::as_list));
        match lists {
            [base, Some(ours), Some(theirs)]
                if policy.conflict_at(&conflict.path) == ConflictStrategy::MergeStrategies =>
            {
                value.with(&conflict.path, united(base, ours, theirs))
            }
            _ => value,
        }
    });
    Some(Command::Edits(edits(&diff(theirs, &value))))
}

/// Their items without those that we removed, then those that we added.
fn united(base: Option<&List>, ours: &List, theirs: &List) -> Value {
    let holds = |list: &List, item: &Value| list.iter().any(|other| other == item);
    let was = |item: &Value| base.is_some_and(|base| holds(base, item));
    let kept = theirs.iter().filter(|item| holds(ours, item) || !was(item));
    let added = ours.iter().filter(|item| !was(item) && !holds(theirs, item));
    Value::List(kept.chain(added).cloned().collect())
}
