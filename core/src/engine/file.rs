//! A bound file: the two-way mirror of the shared layer.
//!
//! The engine keeps the text last mirrored (the *base*). What differs between base and file is an edit by a person, and
//! goes into the shared layer; what differs between base and shared layer is written to the file, if the file still is what
//! the base says. Both are decided by content, never by timing, so a crash or a race at any point reverts nothing.

use super::records::FileRecord;
use super::types::{FileBinding, FileWrite, SourceState, Ticket};
use crate::diff::{Change, diff, three_way};
use crate::error::{Code, Error, Result};
use crate::format::{holdable, parse_from, print, rewrite};
use crate::id::DocumentName;
use crate::origin::Origin;
use crate::value::Value;

/// The suffix under which a file is kept that another document took the place of.
pub(super) const BEFORE_JOIN: &str = ".before-join";

pub(super) struct BoundFile {
    pub(super) binding: FileBinding,
    base: Option<Base>,
    /// The base before edits that are on their way to the store: what holds if they never get there.
    unsettled: Option<Option<Base>>,
    intended: Option<String>,
    seen: Seen,
    /// What the file says while there is no document yet.
    pub(super) provisional: Option<Value>,
    /// The file on disk differs from the document that took its place: keep it when it is written next.
    set_aside: bool,
    /// A file write is planned, or with the driver.
    in_flight: bool,
    /// It is with the driver, or waits for it to be asked for.
    is_released: bool,
    /// Why the file could not be read.
    failure: Option<Error>,
    /// Why it could not be written, until it shows the document.
    unwritten: Option<Error>,
    /// A write that the driver gets once the store has the batch of this ticket.
    pub(super) due: Option<(Ticket, FileWrite)>,
}

struct Base {
    text: String,
    value: Value,
}

enum Seen {
    Unknown,
    Missing,
    Good,
    Broken,
}

/// What a look at the file came to.
pub(super) enum Look {
    /// Nothing to do but to mirror again.
    Settled,
    /// Our own write arrived: the base moved.
    OwnWrite,
    /// Somebody edited the file. The base has not moved yet: see [`BoundFile::accept`].
    Edited {
        /// What they changed.
        changes: Vec<Change>,
        /// Paths that both they and the shared layer changed since the base, with what the shared layer had.
        overridden: Vec<(crate::path::Path, Option<Value>)>,
        text: String,
        value: Value,
    },
    /// First look, and there is no base.
    First { text: String, value: Value },
    /// No file.
    Missing,
    /// The file cannot be read; the last good content stays.
    Broken,
}

impl BoundFile {
    pub(super) fn new(binding: FileBinding) -> BoundFile {
        BoundFile {
            binding,
            base: None,
            unsettled: None,
            intended: None,
            seen: Seen::Unknown,
            provisional: None,
            set_aside: false,
            in_flight: false,
            is_released: false,
            failure: None,
            unwritten: None,
            due: None,
        }
    }

    pub(super) fn restore(&mut self, record: FileRecord) {
        self.base = record.base.and_then(|text| {
            let value = parse_from(&text, self.binding.format, &self.source()).ok()?;
            Some(Base { text, value })
        });
        self.intended = record.intended;
        self.set_aside = record.set_aside;
    }

    pub(super) fn record(&self) -> FileRecord {
        FileRecord {
            base: self.base.as_ref().map(|base| base.text.clone()),
            intended: self.intended.clone(),
            set_aside: self.set_aside,
        }
    }

    /// The text that values of the shared layer can be located in.
    pub(super) fn text(&self) -> Option<&str> {
        self.base.as_ref().map(|base| base.text.as_str())
    }

    pub(super) fn was_looked_at(&self) -> bool {
        !matches!(self.seen, Seen::Unknown)
    }

    pub(super) fn state(&self) -> SourceState {
        match (self.failure.as_ref().or(self.unwritten.as_ref()), &self.seen) {
            (Some(error), _) => SourceState::Stale(error.clone()),
            (None, Seen::Unknown | Seen::Missing) => SourceState::Missing,
            (None, Seen::Good | Seen::Broken) => SourceState::Fresh,
        }
    }

    /// Reads the file's name as origins print it.
    fn source(&self) -> String {
        self.binding.id.to_string()
    }

    /// Looks at the file as it lies on disk; `shared` is the shared layer with everything pending.
    pub(super) fn look(&mut self, text: Option<&str>, shared: Option<&Value>) -> Look {
        self.in_flight = false;
        let Some(text) = text else {
            self.seen = Seen::Missing;
            return Look::Missing;
        };
        if self.intended.as_deref() == Some(text) {
            return match parse_from(text, self.binding.format, &self.source()) {
                Ok(value) => {
                    self.set_aside = false;
                    self.unwritten = None;
                    self.accept(text.to_owned(), value);
                    Look::OwnWrite
                }
                Err(error) => self.broken(error),
            };
        }
        if self.base.as_ref().is_some_and(|base| base.text == text) {
            self.seen = Seen::Good;
            self.failure = None;
            return Look::Settled;
        }
        // A file is empty for a moment while many programs save it, and some are interrupted there.
        if text.trim().is_empty() && self.base.as_ref().is_some_and(|base| base.value != Value::empty_map()) {
            let error = Error::new(Code::Syntax, "the file is empty; its last good content stays in force");
            let hint = "to remove every key write `{}`, or in a format without it a comment alone";
            return self.broken(error.with_origin(Origin::source(self.source())).with_hint(hint));
        }
        let value = match parse_from(text, self.binding.format, &self.source()) {
            Ok(value) if value.as_map().is_some() => value,
            Ok(value) => {
                let message = format!("a configuration file holds a map, found {}", value.type_name());
                return self.broken(Error::new(Code::NotAMap, message).with_origin(Origin::source(self.source())));
            }
            Err(error) => return self.broken(error),
        };
        self.seen = Seen::Good;
        self.failure = None;
        match &self.base {
            None => Look::First { text: text.to_owned(), value },
            Some(base) => {
                let changes = diff(&base.value, &value);
                let conflicts = shared
                    .map(|shared| three_way(&base.value, &value, &holdable(shared, self.binding.format)).conflicts);
                let overridden = conflicts.unwrap_or_default().into_iter().map(|c| (c.path, c.theirs)).collect();
                Look::Edited { changes, overridden, text: text.to_owned(), value }
            }
        }
    }

    /// The file's text counts as mirrored from now on.
    pub(super) fn accept(&mut self, text: String, value: Value) {
        self.base = Some(Base { text, value });
        self.intended = None;
        self.seen = Seen::Good;
        self.failure = None;
        self.provisional = None;
    }

    /// An edit of the file is on its way to the store: its text is the base now, and nothing is mirrored before the store
    /// has it, or the mirror would take the edit back.
    pub(super) fn accept_edit(&mut self, text: String, value: Value) {
        let before = self.base.take();
        self.unsettled.get_or_insert(before);
        // A write that was planned before would show less than the edit, should the file be as it expects once more.
        self.due = None;
        self.accept(text, value);
    }

    /// Every edit of the file is in the store.
    pub(super) fn edits_settled(&mut self) {
        self.unsettled = None;
    }

    /// The edits did not get into the store: the file differs from its base again, and is left alone until it is looked at.
    pub(super) fn edits_lost(&mut self, reason: Error) {
        if let Some(base) = self.unsettled.take() {
            self.base = base;
            self.broken(reason);
        }
    }

    /// The document took the place of what the file says: the file is kept aside when it is written next.
    pub(super) fn set_aside_if_different(&mut self, document: &Value) {
        if let Some(base) = &self.base {
            self.set_aside = self.set_aside || base.value != holdable(document, self.binding.format);
        }
    }

    fn broken(&mut self, error: Error) -> Look {
        self.seen = Seen::Broken;
        self.failure = Some(error);
        Look::Broken
    }

    /// The edit in the file was refused: the file stays as the person left it, and is not written over.
    pub(super) fn refuse(&mut self, error: Error) {
        self.broken(error);
    }

    /// The write that waited for the batch of this ticket, now that the driver may have it.
    pub(super) fn release(&mut self, ticket: Ticket) -> Option<FileWrite> {
        let (_, write) = self.due.take_if(|(wanted, _)| *wanted == ticket)?;
        self.is_released = true;
        Some(write)
    }

    /// Whether a write is with the driver, or waits for it to be asked for.
    pub(super) fn is_released(&self) -> bool {
        self.is_released
    }

    /// Whether this is the text that was mirrored last, or is about to be.
    pub(super) fn is_own(&self, text: &str) -> bool {
        self.intended.as_deref() == Some(text) || self.base.as_ref().is_some_and(|base| base.text == text)
    }

    /// The driver is done with a write, and will look what lies there now.
    pub(super) fn written(&mut self) {
        self.is_released = false;
    }

    /// The driver could not write the file.
    pub(super) fn write_failed(&mut self, error: Error) {
        (self.in_flight, self.is_released) = (false, false);
        self.unwritten = Some(error);
    }

    /// The driver could not read the file.
    pub(super) fn unreadable(&mut self, error: Error) {
        self.failure = Some(error);
    }

    /// The store failed: a write that waited for it is not made, and another one may be planned.
    pub(super) fn plan_lost(&mut self) {
        if self.due.take().is_some() {
            (self.in_flight, self.intended) = (false, None);
        }
    }

    /// The write that makes the file show `shared`, if one is due. It is intended from now on: persist
    /// [`BoundFile::record`] before the driver gets it.
    ///
    /// # Errors
    /// Where the value cannot be put into the file's format.
    pub(super) fn mirror(&mut self, document: &DocumentName, shared: &Value) -> Result<Option<FileWrite>> {
        if self.in_flight || self.unsettled.is_some() || matches!(self.seen, Seen::Unknown | Seen::Broken) {
            return Ok(None);
        }
        let target = holdable(shared, self.binding.format);
        let (expect, text) = match (&self.seen, &self.base) {
            (Seen::Good, Some(base)) if base.value == target => return self.nothing_to_write(),
            (Seen::Good, Some(base)) => (Some(base.text.clone()), rewrite(&base.text, self.binding.format, &target)?),
            (Seen::Missing, None) if target == Value::empty_map() => return self.nothing_to_write(),
            // A file that somebody deleted comes back with the next change of the document, not at once.
            (Seen::Missing, Some(base)) if base.value == target => return self.nothing_to_write(),
            (Seen::Missing, _) => (None, print(&target, self.binding.format)?),
            _ => return Ok(None),
        };
        self.in_flight = true;
        self.intended = Some(text.clone());
        let keep_as = self.set_aside.then_some(BEFORE_JOIN);
        Ok(Some(FileWrite { document: document.clone(), expect, text, keep_as }))
    }

    /// What could not be written does not have to be any more.
    fn nothing_to_write(&mut self) -> Result<Option<FileWrite>> {
        self.unwritten = None;
        Ok(None)
    }
}
