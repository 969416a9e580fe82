//! A bound file: the two-way mirror of the shared layer.
//!
//! The engine keeps the state last mirrored (the *base*) and how it came about ([`Kept`]). What differs between file and
//! base is an edit by a person, and is judged against the state that it descends from; what differs between base and
//! shared layer is written to the file, if the file still is what the base says. Both are decided by content, never by
//! timing, so a crash or a race at any point reverts nothing.

use std::collections::BTreeSet;

use super::aside::is_shown;
use super::base::{Base, Intended};
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
use crate::format::{Format, Held, LeftOut, commented, held, parse_from, parse_noting, print, read_as, rewrite};
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
/// How long a text may be of which is told what is odd about it.
const MAX_NOTED_BYTES: usize = 1 << 20;

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
        self.intended = record.intended.map(|known| Intended { known, leaves: record.planned });
        self.may_be_torn = self.intended.is_some();
        let Some(known) = record.base else { return };
        // Stores of before hold the text and no states.
        let from_text = || Some((self.read(known.text.as_deref()?).ok()?.1, Kept::first()));
        if let Some((value, kept)) = restored.assemble(record.state).or_else(from_text) {
            (self.base, self.kept) = (Some(Base { known, value }), kept);
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

    /// Finds what is odd about a text; a long one is not worth reading it twice.
    fn note(&mut self, text: &str, hash: ContentHash) {
        if self.noted.replace(hash) == Some(hash) {
            return;
        }
        let format = self.format;
        let is_read = (format.is_untyped() || format == Format::Yaml) && text.len() <= MAX_NOTED_BYTES;
        let noted = is_read.then(|| parse_noting(text, format, &self.source()));
        self.notes = noted.and_then(Result::ok).map(|noted| noted.notes).unwrap_or_default();
        if format != self.binding.format {
            self.notes.push(commented(&self.source()));
        }
    }

    /// The text that the file had before it was edited, as it was or at least what it said.
    pub(super) fn text_before(&self) -> Option<String> {
        let base = self.base.as_ref()?;
        base.known.text.clone().or_else(|| print(&base.value, self.format).ok())
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
            // A write that waits for the store was planned for another text.
            self.due = None;
        }
        self.in_flight = self.due.is_some();
        let torn = self.torn.take();
        let was_missing = matches!(self.seen, Seen::Missing);
        let Some(text) = text else {
            // What was wrong with it is gone with it.
            (self.seen, self.failure) = (Seen::Missing, None);
            return Look::Missing;
        };
        if self.is_planned(text) {
            return match self.read(text) {
                Ok((format, value)) => {
                    self.format = format;
                    // A write that was planned before the file was set aside replaced it, and kept nothing.
                    let is_kept = self.keeping.contains(&text_hash(text));
                    self.set_aside &= !is_kept && shared.is_none_or(|(_, shared)| !is_shown(&value, shared));
                    self.unwritten = None;
                    self.accept(text.to_owned(), value, Vec::new(), now_ms);
                    Look::OwnWrite
                }
                Err(error) => self.broken(error),
            };
        }
        if let Some(base) = self.base.as_mut().filter(|base| base.known.is(text)) {
            base.known.text.get_or_insert_with(|| text.to_owned());
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

    fn is_planned(&self, text: &str) -> bool {
        self.intended.as_ref().is_some_and(|intended| intended.known.is(text))
            || (!self.superseded.is_empty() && self.superseded.contains(&text_hash(text)))
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
            self.base = Some(Base { known: intended.known.clone(), value });
            self.kept.push(leaves, Vec::new(), now_ms);
        }
    }

    /// The file's text counts as mirrored from now on; `by_file` is what an edit of it wrote.
    pub(super) fn accept(&mut self, text: String, value: Value, by_file: Vec<Path>, now_ms: u64) {
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
        let hash = text_hash(&text);
        self.note(&text, hash);
        self.base = Some(Base { known: Known { hash, text: Some(text) }, value });
        self.intended = None;
        self.may_be_torn = false;
        self.superseded.clear();
        self.keeping.clear();
        self.seen = Seen::Good;
        self.failure = None;
        self.provisional = None;
    }

    /// An edit of the file is on its way to the store: its text is the base now, and nothing is mirrored before the store
    /// has it, or the mirror would take the edit back.
    pub(super) fn accept_edit(&mut self, text: String, value: Value, written: Vec<Path>, now_ms: u64) {
        if self.unsettled.is_none() {
            self.unsettled = Some((self.base.clone(), self.kept.clone()));
        }
        self.accept(text, value, written, now_ms);
    }

    /// Every edit of the file is in the store.
    pub(super) fn edits_settled(&mut self) {
        self.unsettled = None;
    }

    /// The edits did not get into the store: the file differs from its base again, and is left alone until it is looked at.
    pub(super) fn edits_lost(&mut self, reason: Error) {
        if let Some((base, kept)) = self.unsettled.take() {
            (self.base, self.kept) = (base, kept);
            self.broken(reason);
        }
    }

    /// The document took the place of what the file says: the file is kept aside when it is written next.
    /// Returns whether the document shows less than the file did.
    pub(super) fn set_aside_if_different(&mut self, document: &Value) -> bool {
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
        self.seen = Seen::Broken;
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
        self.is_planned(text) || self.base.as_ref().is_some_and(|base| base.known.is(text))
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
    }

    /// The write that makes the file show `shared`, if one is due. It is intended from now on: persist
    /// [`BoundFile::records`] before the driver gets it.
    ///
    /// # Errors
    /// Where the value cannot be put into the file's format.
    pub(super) fn mirror(&mut self, document: &DocumentName, shared: &Value) -> Result<Option<FileWrite>> {
        if self.in_flight || self.unsettled.is_some() || matches!(self.seen, Seen::Unknown | Seen::Broken) {
            return Ok(None);
        }
        // Half a write is finished first: planned anew, and cut off once more, it would be known by nobody.
        let planned = self.intended.as_ref().and_then(|intended| intended.known.text.clone());
        if let (Some(torn), Some(text)) = (&self.torn, planned) {
            self.in_flight = true;
            let keep_as = self.set_aside.then_some(BEFORE_JOIN);
            let (document, expect) = (document.clone(), Some(torn.clone()));
            return Ok(Some(FileWrite { document, expect, text, keep_as, in_place: self.in_place }));
        }
        let Held { value: target, left_out } = held(shared, self.binding.format);
        self.left_out = left_out;
        let base = self.base.as_ref();
        let is_shown = base.is_some_and(|base| base.value == target);
        let known = base.and_then(|base| Some((base, base.known.text.as_deref()?)));
        let (expect, text) = match (&self.seen, known) {
            (Seen::Good, Some(_)) if is_shown => return self.nothing_to_write(),
            (Seen::Good, Some((_, text))) => (Some(text.to_owned()), rewrite(text, self.format, &target)?),
            (Seen::Missing, _) if base.is_none() && target == Value::empty_map() => return self.nothing_to_write(),
            // A file that somebody deleted comes back with the next change of the document, not at once.
            (Seen::Missing, _) if is_shown => return self.nothing_to_write(),
            (Seen::Missing, _) => (None, print(&target, self.format)?),
            _ => return Ok(None),
        };
        let leaves = leaf_diff(base.map_or(&Value::empty_map(), |base| &base.value), &target);
        self.in_flight = true;
        let before = self.intended.replace(Intended { known: Known::whole(text.clone()), leaves });
        self.superseded.extend(before.map(|before| before.known.hash));
        let surplus = self.superseded.len().saturating_sub(MOST_SUPERSEDED);
        self.superseded.drain(..surplus);
        let hash = text_hash(&text);
        self.keeping.retain(|kept| *kept != hash && self.superseded.contains(kept));
        self.keeping.extend(self.set_aside.then_some(hash));
        let keep_as = self.set_aside.then_some(BEFORE_JOIN);
        Ok(Some(FileWrite { document: document.clone(), expect, text, keep_as, in_place: self.in_place }))
    }

    /// What could not be written does not have to be any more.
    fn nothing_to_write(&mut self) -> Result<Option<FileWrite>> {
        self.unwritten = None;
        Ok(None)
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_map().is_some_and(|map| map.is_empty())
}
