//! A bound file: the two-way mirror of the shared layer.
//!
//! The engine keeps the state last mirrored (the *base*) and how it came about ([`Kept`]). What differs between file and
//! base is an edit by a person, and is judged against the state that it descends from; what differs between base and
//! shared layer is written to the file, if the file still is what the base says. Both are decided by content, never by
//! timing, so a crash or a race at any point reverts nothing.

mod mirrored;

pub(super) use mirrored::Mirrored;

use std::collections::BTreeSet;

use super::aside::is_shown;
use super::base::{Base, Intended, Said};
use super::file_edit::Reading;
use super::kept::{Kept, Restored};
use super::options::FileBinding;
use super::records::{FileRecord, Known, file_record};
use super::save_conflicts::SaveConflict;
use super::saves::{Save, Verdict, judge};
use super::torn::is_torn;
use super::types::{FileWrite, SourceState, StoreWrite, Ticket};
use crate::canonical::{ContentHash, text_hash};
use crate::diff::leaf::{Leaf, leaf_at, leaf_diff, with_leaves};
use crate::diff::parts::{Apart, Parts};
use crate::error::{Code, Error, Result};
use crate::format::{Format, LeftOut, held, parse_from, print, read_as};
use crate::id::DocumentName;
use crate::origin::Origin;
use crate::path::Path;
use crate::policy::Policy;
use crate::value::Value;

/// The suffix under which a file is kept that another document took the place of.
pub(super) const BEFORE_JOIN: &str = ".before-join";

/// The suffix under which the text is kept that a save removed much of.
pub(super) const BEFORE_EDIT: &str = ".before-edit";

/// How many writes are remembered that others took the place of before they got there.
const MOST_SUPERSEDED: usize = 8;

pub(super) struct BoundFile {
    pub(super) binding: FileBinding,
    /// What its text is read as.
    format: Format,
    base: Option<Base>,
    kept: Kept,
    /// Both before edits that are on their way to the store: what holds if they never get there.
    unsettled: Option<(Option<Base>, Kept)>,
    intended: Option<Intended>,
    /// What was intended before that, since the base last moved: such a write may still get to the disk.
    superseded: Vec<ContentHash>,
    /// Those of both that keep what they replace: others may get to the disk once the file is set aside.
    keeping: Vec<ContentHash>,
    seen: Seen,
    /// What is odd about its text, and the text that this was found in.
    notes: Vec<Error>,
    noted: Option<ContentHash>,
    /// What the file says while there is no document yet.
    pub(super) provisional: Option<Value>,
    /// The file on disk differs from the document that took its place: keep it when it is written next.
    set_aside: bool,
    /// Nobody can put another file in its place, so it is written in place.
    in_place: bool,
    /// A write in place that was cut off lies there.
    torn: Option<String>,
    /// A write was cut off, or may have been: an earlier life planned one, or the driver failed. Else a text that looks
    /// like half a write is an edit: `18` over a planned `15` is `1` of that and `8` of an old `08`.
    may_be_torn: bool,
    /// The text that is being made for it: the number that it was asked for under.
    editing: Option<u64>,
    /// A file write is planned, or with the driver.
    in_flight: bool,
    /// It is with the driver, or waits for it to be asked for.
    is_released: bool,
    /// Why the file could not be read.
    failure: Option<Error>,
    /// Why it could not be written, until it shows the document.
    unwritten: Option<Error>,
    /// What the file cannot hold of the shared layer as it is mirrored.
    pub(super) left_out: Vec<LeftOut>,
    /// Where saves and others said different things.
    pub(super) disputes: Vec<SaveConflict>,
    /// A write that the driver gets once the store has the batch of this ticket.
    pub(super) due: Option<(Ticket, FileWrite)>,
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
    /// Somebody edited the file. The base has not moved yet: see [`BoundFile::accept_edit`].
    Edited {
        /// What that means for the shared layer.
        verdict: Box<Verdict>,
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
            format: binding.format,
            binding,
            base: None,
            kept: Kept::default(),
            unsettled: None,
            intended: None,
            superseded: Vec::new(),
            notes: Vec::new(),
            noted: None,
            keeping: Vec::new(),
            seen: Seen::Unknown,
            provisional: None,
            set_aside: false,
            in_place: false,
            torn: None,
            may_be_torn: false,
            editing: None,
            in_flight: false,
            is_released: false,
            failure: None,
            unwritten: None,
            left_out: Vec::new(),
            disputes: Vec::new(),
            due: None,
        }
    }

    pub(super) fn restore(&mut self, record: FileRecord, restored: Restored) {
        self.set_aside = record.set_aside;
        self.in_place = record.in_place;
        self.disputes = record.disputes;
        self.superseded = record.superseded;
        self.keeping = record.keeping;
        self.intended = record.intended.map(|known| Intended { known, leaves: record.planned, made: None });
        self.may_be_torn = self.intended.is_some();
        let Some(known) = record.base else { return };
        // Stores of before hold the text and no states.
        let from_text = || Some((self.read(known.text.as_deref()?).ok()?.1, Kept::first()));
        if let Some((value, kept)) = restored.assemble(record.state).or_else(from_text) {
            (self.base, self.kept) = (Some(Base { known, value, sections: None }), kept);
        }
    }

    /// What the store has to learn of the file since it was last asked.
    pub(super) fn records(&mut self, document: &DocumentName) -> Vec<StoreWrite> {
        let id = &self.binding.id;
        let steps = self.base.as_ref().map(|base| self.kept.records(document, id, &base.value));
        steps.into_iter().flatten().chain([file_record(document, id, &self.record())]).collect()
    }

    /// Everything that the store has to hold of the file.
    pub(super) fn all_records(&self, document: &DocumentName) -> Vec<StoreWrite> {
        let id = &self.binding.id;
        let steps = self.base.as_ref().map(|base| self.kept.all_records(document, id, &base.value));
        steps.into_iter().flatten().chain([file_record(document, id, &self.record())]).collect()
    }

    fn record(&self) -> FileRecord {
        // Half a write in place can only be told by both texts.
        let stored = |known: &Known| Known { text: known.text.clone().filter(|_| self.in_place), ..known.clone() };
        let writes = self.intended.is_some();
        let base = self.base.as_ref();
        FileRecord {
            base: base
                .map(|base| if writes { stored(&base.known) } else { Known { text: None, ..base.known.clone() } }),
            intended: self.intended.as_ref().map(|intended| stored(&intended.known)),
            set_aside: self.set_aside,
            in_place: self.in_place,
            state: self.kept.newest(),
            disputes: self.disputes.clone(),
            superseded: self.superseded.clone(),
            keeping: self.keeping.clone(),
            planned: self.intended.as_ref().map(|intended| intended.leaves.clone()).unwrap_or_default(),
        }
    }

    /// The text that values of the shared layer can be located in.
    pub(super) fn text(&self) -> Option<&str> {
        self.base.as_ref().and_then(|base| base.known.text.as_deref())
    }

    /// What is odd about the text.
    pub(super) fn notes(&self) -> &[Error] {
        &self.notes
    }

    /// Finds what is odd about a text.
    fn note(&mut self, text: &str, hash: ContentHash) {
        if self.noted.replace(hash) == Some(hash) {
            return;
        }
        self.notes = self.reading().notes(text);
    }

    fn reading(&self) -> Reading {
        Reading { format: self.format, named: self.binding.format, source: self.source() }
    }

    /// The text that the file had before it was edited, as it was or at least what it said.
    pub(super) fn text_before(&self) -> Option<String> {
        let base = self.base.as_ref()?;
        base.known.text.as_deref().map(str::to_owned).or_else(|| print(&base.value, self.format).ok())
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

    /// What its text is read as.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// A text's format and value.
    fn read(&self, text: &str) -> Result<(Format, Value)> {
        let (format, is_named) = (self.binding.format, self.binding.is_named);
        match parse_from(text, format, &self.source()) {
            Err(_) if format == Format::Json && !is_named && read_as(text, format) == Format::Jsonc => {
                Ok((Format::Jsonc, parse_from(text, Format::Jsonc, &self.source())?))
            }
            result => Ok((format, result?)),
        }
    }

    /// Reads the file's name as origins print it.
    fn source(&self) -> String {
        self.binding.id.to_string()
    }

    /// Looks at the file as it lies on disk; `shared` is the shared layer with everything pending, as it is in force and as
    /// it is.
    pub(super) fn look(
        &mut self,
        text: Option<&str>,
        shared: Option<(&Value, &Value)>,
        policy: &Policy,
        now_ms: u64,
    ) -> Look {
        let is_like_before = text.is_some_and(|text| self.base.as_ref().is_some_and(|base| base.known.is(text)));
        if !is_like_before {
            // What waits for the store, or is being made, was planned for another text.
            (self.due, self.editing) = (None, None);
        }
        self.in_flight = self.due.is_some();
        let torn = self.torn.take();
        let was_missing = matches!(self.seen, Seen::Missing);
        let Some(text) = text else {
            // What was wrong with it is gone with it.
            (self.seen, self.failure) = (Seen::Missing, None);
            return Look::Missing;
        };
        if let Some(known) = self.planned(text) {
            let made = self.intended.as_mut().filter(|intended| intended.known.hash == known.hash);
            let mut places = None;
            let read = match made.and_then(|intended| intended.made.take()) {
                Some(Said { value, notes, sections }) => {
                    places = sections;
                    (self.noted, self.notes) = (Some(known.hash), notes);
                    Ok((self.binding.format, value))
                }
                None => self.read(text),
            };
            return match read {
                Ok((format, value)) => {
                    self.format = format;
                    if self.set_aside {
                        // A write that was planned before the file was set aside replaced it, and kept nothing.
                        let is_kept = self.keeping.contains(&known.hash);
                        self.set_aside = !is_kept && shared.is_none_or(|(_, shared)| !is_shown(&value, shared));
                    }
                    self.unwritten = None;
                    self.accept(known, value, Vec::new(), now_ms);
                    if let Some(base) = &mut self.base {
                        base.sections = places;
                    }
                    Look::OwnWrite
                }
                Err(error) => self.broken(error),
            };
        }
        if let Some(base) = self.base.as_mut().filter(|base| base.known.is(text)) {
            base.known.text.get_or_insert_with(|| text.into());
            let hash = base.known.hash;
            self.may_be_torn = false;
            self.seen = Seen::Good;
            self.failure = None;
            if self.noted != Some(hash) && !self.binding.is_named {
                self.format = read_as(text, self.binding.format);
            }
            self.note(text, hash);
            return Look::Settled;
        }
        if torn.as_deref() == Some(text) || self.is_torn(text) {
            self.torn = Some(text.to_owned());
            self.seen = Seen::Good;
            return Look::Settled;
        }
        // A file is empty for a moment while many programs save it, and some are interrupted there.
        if text.trim().is_empty() && self.base.as_ref().is_some_and(|base| base.value != Value::empty_map()) {
            let error = Error::new(Code::Syntax, "the file is empty; its last good content stays in force");
            let hint = "to remove every key write `{}`, or in a format without it a comment alone";
            return self.broken(error.with_origin(Origin::source(self.source())).with_hint(hint));
        }
        let value = match self.read(text) {
            Ok((format, value)) if value.as_map().is_some() => {
                self.format = format;
                value
            }
            Ok((_, value)) => {
                let message = format!("a configuration file holds a map, found {}", value.type_name());
                return self.broken(Error::new(Code::NotAMap, message).with_origin(Origin::source(self.source())));
            }
            Err(error) => return self.broken(error),
        };
        self.seen = Seen::Good;
        self.failure = None;
        if self.base.is_none() {
            // Who made it, or edited what the mirror had just made, edits that.
            let is_blank = was_missing && shared.is_some_and(|(shown, shared)| is_empty(shown) && is_empty(shared));
            self.base = Base::of_new(&value, self.intended.as_ref(), is_blank);
            self.kept = if self.base.is_some() { Kept::first() } else { std::mem::take(&mut self.kept) };
        }
        match shared.filter(|_| self.base.is_some()) {
            None => Look::First { text: text.to_owned(), value },
            Some(shared) => {
                let verdict = Box::new(self.judge(&value, shared, policy, now_ms));
                Look::Edited { verdict, text: text.to_owned(), value }
            }
        }
    }

    /// The text, where it is one that was planned.
    fn planned(&self, text: &str) -> Option<Known> {
        let intended = self.intended.as_ref().map(|intended| &intended.known);
        if let Some(known) = intended.filter(|known| known.is(text)) {
            let text = known.text.clone().unwrap_or_else(|| text.into());
            return Some(Known { hash: known.hash, text: Some(text) });
        }
        if self.superseded.is_empty() {
            return None;
        }
        let hash = text_hash(text);
        self.superseded.contains(&hash).then(|| Known { hash, text: Some(text.into()) })
    }

    fn is_torn(&self, text: &str) -> bool {
        let texts = |base: &'_ Base, intended: &'_ Intended| {
            let (old, new) = (base.known.text.as_deref()?, intended.known.text.as_deref()?);
            Some(is_torn(text, old, new))
        };
        let is_possible = self.in_place && self.may_be_torn;
        is_possible && self.base.as_ref().zip(self.intended.as_ref()).and_then(|(b, i)| texts(b, i)).unwrap_or(false)
    }

    fn judge(&mut self, value: &Value, (shown, shared): (&Value, &Value), policy: &Policy, now_ms: u64) -> Verdict {
        self.arrive_if_nearer(value, now_ms);
        let Some(base) = &self.base else { return Verdict::default() };
        let steps: Vec<_> = self.kept.candidates(now_ms).collect();
        judge(&Save {
            saved: value,
            newest: &base.value,
            theirs: &held(shown, self.format).value,
            shown,
            shared,
            steps: &steps,
            forgot: self.kept.forgot_beyond(steps.len()),
            is_text: self.format.is_untyped(),
            policy,
        })
    }

    /// A mirror write may have come to the disk, and been edited there, before anybody looked: then the save differs less
    /// from what was intended.
    fn arrive_if_nearer(&mut self, saved: &Value, now_ms: u64) {
        let (Some(base), Some(intended)) = (&self.base, &self.intended) else { return };
        let apart = |side: fn(&Leaf) -> Option<&Value>| {
            let all = intended.leaves.iter().map(|leaf| (leaf_at(saved, &leaf.path), side(leaf)));
            let all = all.filter(|(saved, side)| saved != side);
            let within = |(saved, side): (Option<&Value>, Option<&Value>)| Parts::of(saved).apart(side);
            all.fold((0, Apart::default()), |(leaves, apart), leaf| (leaves + 1, apart + within(leaf)))
        };
        if apart(|leaf| leaf.new.as_ref()) < apart(|leaf| leaf.old.as_ref()) {
            let leaves = intended.leaves.clone();
            let value = with_leaves(&base.value, leaves.iter().map(|leaf| (&leaf.path, leaf.new.as_ref())));
            self.base = Some(Base { known: intended.known.clone(), value, sections: None });
            self.kept.push(leaves, Vec::new(), now_ms);
        }
    }

    /// The file's text counts as mirrored from now on; `by_file` is what an edit of it wrote.
    pub(super) fn accept(&mut self, known: Known, value: Value, by_file: Vec<Path>, now_ms: u64) {
        match &self.base {
            Some(base) => {
                let mut leaves = leaf_diff(&base.value, &value);
                // What the edit wrote and the text before had like this already: who wrote it last has changed.
                let differing: BTreeSet<&Path> = leaves.iter().map(|leaf| &leaf.path).collect();
                let is_same = |path: &&Path| !differing.contains(path) && self.kept.changed(path);
                let value = |path: &Path| leaf_at(&value, path).cloned();
                let again = by_file.iter().filter(is_same).map(|path| Leaf {
                    path: path.clone(),
                    old: value(path),
                    new: value(path),
                });
                let again: Vec<Leaf> = again.collect();
                leaves.extend(again);
                self.kept.push(leaves, by_file, now_ms);
            }
            None => self.kept = Kept::first(),
        }
        if let Some(text) = &known.text {
            self.note(text, known.hash);
        }
        self.base = Some(Base { known, value, sections: None });
        (self.intended, self.editing) = (None, None);
        self.may_be_torn = false;
        self.superseded.clear();
        self.keeping.clear();
        self.seen = Seen::Good;
        self.failure = None;
        self.provisional = None;
    }

    /// An edit of the file is on its way to the store: its text is the base now, and nothing is mirrored before the store
    /// has it, or the mirror would take the edit back.
    pub(super) fn accept_edit(&mut self, known: Known, value: Value, written: Vec<Path>, now_ms: u64) {
        if self.unsettled.is_none() {
            self.unsettled = Some((self.base.clone(), self.kept.clone()));
        }
        self.accept(known, value, written, now_ms);
    }

    /// Every edit of the file is in the store.
    pub(super) fn edits_settled(&mut self) {
        self.unsettled = None;
    }

    /// The edits did not get into the store: the file differs from its base again, and is left alone until it is looked at.
    pub(super) fn edits_lost(&mut self, reason: Error) {
        if let Some((base, kept)) = self.unsettled.take() {
            (self.base, self.kept, self.editing) = (base, kept, None);
            self.broken(reason);
        }
    }

    /// The document took the place of what the file says: the file is kept aside when it is written next.
    /// Returns whether the document shows less than the file did.
    pub(super) fn set_aside_if_different(&mut self, document: &Value) -> bool {
        self.editing = None;
        let Some(base) = &self.base else { return false };
        let is_missed = !is_shown(&base.value, document);
        self.set_aside |= is_missed;
        is_missed
    }

    /// Whether all of a document stands in the file.
    pub(super) fn shows(&self, document: &Value) -> bool {
        self.base.as_ref().is_some_and(|base| is_shown(document, &base.value))
    }

    fn broken(&mut self, error: Error) -> Look {
        (self.seen, self.editing) = (Seen::Broken, None);
        self.failure = Some(error);
        Look::Broken
    }

    /// The edit in the file was refused: the file stays as the person left it, and is not written over.
    pub(super) fn refuse(&mut self, error: Error) {
        self.broken(error);
    }

    /// [`BoundFile::refuse`] where there is no document yet: none begins before the text is mended.
    pub(super) fn refuse_first(&mut self, error: Error) {
        self.broken(error);
        self.seen = Seen::Unknown;
    }

    /// It is not known yet what becomes of the text: a file that was never looked at was not looked at now either, and what
    /// was wrong with it is until then.
    pub(super) fn put_off(&mut self, before: &SourceState) {
        if self.base.is_none() {
            self.seen = Seen::Unknown;
        }
        if let SourceState::Stale(error) = before {
            self.failure = Some(error.clone());
        }
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
        self.base.as_ref().is_some_and(|base| base.known.is(text)) || self.planned(text).is_some()
    }

    /// The driver is done with a write, and will look what lies there now.
    pub(super) fn written(&mut self) {
        (self.is_released, self.may_be_torn) = (false, false);
    }

    /// The driver could not write the file.
    pub(super) fn write_failed(&mut self, error: Error) {
        (self.in_flight, self.is_released, self.may_be_torn) = (false, false, true);
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

    /// Nobody can put another file in the place of this one: from now on it is written in place.
    pub(super) fn write_in_place(&mut self) {
        (self.in_flight, self.is_released, self.in_place) = (false, false, true);
        self.editing = None;
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_map().is_some_and(|map| map.is_empty())
}
