//! The versions of a document: made with the batch that makes the change, and what going back to one comes to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::document::Document;
use super::records::version_record;
use super::shared::{Shared, Step, edits};
use super::types::{Level, StoreWrite, Ticket};
use super::{Engine, REPLICATES, unknown};
use crate::clock::Dot;
use crate::diff::{Change, diff};
use crate::error::{Code, Error, Result};
use crate::guard::Who;
use crate::history::{Change as Made, History, Named, Version, Wrote, restored};
use crate::id::DocumentName;
use crate::path::Path;
use crate::pattern::Pattern;
use crate::replica::{Assertion, Edit};
use crate::value::Value;

/// How many writes of one change a version names, the newest.
const NAMED: usize = 8;

/// What going back to a version comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollback {
    /// The version.
    pub version: Version,
    /// What is to be written.
    pub edits: Vec<Edit>,
    /// The same as what changes, from what is there now.
    pub changes: Vec<Change>,
    /// What stays as it is, because nobody kept what it was: secrets without a key.
    pub lost: Vec<Path>,
}

impl Rollback {
    /// What its version says of why it was made, where nobody says it.
    pub fn words(&self) -> String {
        format!("rollback to version {}", self.version.number)
    }
}

impl Engine {
    /// The past of a document.
    ///
    /// # Errors
    /// [`Code::UnknownDocument`]; [`Code::Usage`] where none is kept: nothing is shared, or the instance is a guest.
    pub fn history(&self, name: &DocumentName) -> Result<&History> {
        let document = self.documents.get(name).ok_or_else(|| unknown(name))?;
        document.history.as_ref().ok_or_else(|| {
            Error::new(Code::Usage, format!("no versions are kept of `{name}`"))
                .with_hint("versions are those of what instances share: ask an instance that holds the shared document")
        })
    }

    /// What it takes that what is shared is what it was at a version, where a pattern matches and whoever asks may look.
    ///
    /// # Errors
    /// As [`Engine::history`], [`Code::NotFound`] for no version, [`Code::Damaged`] where it cannot be led back to.
    pub fn rollback(
        &self,
        name: &DocumentName,
        named: &Named,
        pattern: Option<&Pattern>,
        who: &Who,
    ) -> Result<Rollback> {
        let history = self.history(name)?;
        let version = history.version(named)?;
        let then = history.at(&version)?;
        let sees = |path: &Path| who.as_ref().is_none_or(|grant| grant.covers(path));
        let is_wanted = |path: &Path| sees(path) && pattern.is_none_or(|pattern| covers(pattern, path));
        let lost = then.lost.iter().filter(|path| is_wanted(path)).cloned().collect();
        let now = history.newest();
        let changes = diff(now, &restored(now, &then.value, is_wanted));
        Ok(Rollback { version, edits: edits(&changes), changes, lost })
    }

    /// The version that a batch makes, as it goes to the store with it.
    pub(super) fn stage_version(
        &mut self,
        name: &DocumentName,
        ticket: Ticket,
        step: &Step,
        cause: &'static str,
    ) -> Vec<StoreWrite> {
        if !REPLICATES || self.documents.get(name).is_none_or(|document| document.history.is_none()) {
            return Vec::new();
        }
        let wrote = match step {
            Step::Delta(delta) => self.wrote(name, &delta.items),
            Step::Replace(_) | Step::Settle | Step::Records => Vec::new(),
        };
        let Some(document) = self.documents.get_mut(name) else { return Vec::new() };
        let founded = document.shared.as_ref().and_then(Shared::founded);
        let (Some(history), Some(founded)) = (&mut document.history, founded) else { return Vec::new() };
        // Notes of members change no document, and go before what waits for them.
        let is_change = matches!(step, Step::Delta(_) | Step::Replace(_)) && cause != "members";
        let writes = if is_change {
            let made = Made { at_ms: founded.changed_ms, cause, wrote };
            history.stage(ticket.0, &founded.pending_value, document.snapshot.policy(), made)
        } else {
            history.tidy(ticket.0)
        };
        writes.into_iter().map(|write| version_record(name, write)).collect()
    }

    /// Who made these writes, the newest first.
    fn wrote(&self, name: &DocumentName, items: &[Arc<Assertion>]) -> Vec<Wrote> {
        let mut writes: BTreeMap<Dot, Wrote> = BTreeMap::new();
        for item in items {
            let wrote = writes.entry(item.dot).or_insert_with(|| Wrote {
                author: item.dot.replica,
                seq: item.dot.seq,
                at_ms: item.stamp.wall_ms(),
                instance: None,
                user: item.user.clone(),
                message: None,
            });
            wrote.message = wrote.message.take().or_else(|| item.message.clone());
        }
        let mut writes: Vec<Wrote> = writes.into_values().collect();
        writes.sort_by_key(|wrote| std::cmp::Reverse((wrote.at_ms, wrote.seq)));
        writes.truncate(NAMED);
        for wrote in &mut writes {
            wrote.instance = self.instance_of(name, wrote.author);
        }
        writes
    }

    /// Takes up the versions that the store holds.
    pub(super) fn restore_versions(&mut self, name: &DocumentName, versions: Vec<(u64, Vec<u8>)>) {
        let Some(document) = self.documents.get_mut(name) else { return };
        let founded = document.shared.as_ref().and_then(Shared::founded);
        let now = founded.map_or_else(Value::empty_map, |founded| founded.view.value.clone());
        let is_founded = founded.is_some();
        let Some(history) = &mut document.history else { return };
        let restored = history.restore(versions, &now);
        let is_untidy = history.is_untidy();
        if let Err(error) = restored {
            self.notice(Level::Warning, error);
        }
        if is_untidy && is_founded {
            self.stage_step(name, Vec::new(), Step::Records, "history", None, None);
        }
    }
}

impl Document {
    /// What was on its way to the store is lost.
    pub(super) fn versions_lost(&mut self) {
        if !REPLICATES {
            return;
        }
        let founded = self.shared.as_ref().and_then(Shared::founded).filter(|founded| founded.ready);
        let now = founded.map_or_else(Value::empty_map, |founded| founded.view.value.clone());
        if let Some(history) = &mut self.history {
            history.failed(&now);
        }
    }
}

/// Whether a pattern names a path, or something above it.
fn covers(pattern: &Pattern, path: &Path) -> bool {
    (0..=path.len()).any(|len| pattern.matches(&path.prefix(len)))
}
