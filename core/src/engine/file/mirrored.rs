//! From the shared layer to the file: what text is wanted, and the write of it.

use std::sync::Arc;

use super::{BEFORE_JOIN, BoundFile, Intended, MOST_SUPERSEDED, Seen};
use crate::diff::leaf::leaf_diff;
use crate::engine::base::Said;
use crate::engine::file_edit::{FileEdit, FileEdited, Made};
use crate::engine::types::FileWrite;
use crate::error::Result;
use crate::format::{Held, held};
use crate::id::DocumentName;
use crate::value::Value;

/// What is to be done so that the file shows the shared layer.
pub(in crate::engine) enum Mirrored {
    Nothing,
    /// Make this text, for [`BoundFile::edited`].
    Edit(Box<FileEdit>),
    /// Persist [`BoundFile::records`], then write it.
    Write(FileWrite),
}

impl BoundFile {
    /// What makes the file show `shared`; a text is asked for under that number, which no other was asked for under.
    pub(in crate::engine) fn mirror(&mut self, document: &DocumentName, shared: &Value, number: u64) -> Mirrored {
        if self.is_held() || self.editing.is_some() {
            return Mirrored::Nothing;
        }
        // Half a write is finished first: planned anew, and cut off once more, it would be known by nobody.
        let planned = self.intended.as_ref().and_then(|intended| intended.known.text.clone());
        if let (Some(torn), Some(text)) = (&self.torn, planned) {
            let expect = Some(torn.as_str().into());
            return Mirrored::Write(self.write(document, expect, text));
        }
        let Held { value: target, left_out } = held(shared, self.binding.format);
        self.left_out = left_out;
        let base = self.base.as_ref();
        let is_shown = base.is_some_and(|base| base.value == target);
        let known = base.and_then(|base| Some((base, base.known.text.as_ref()?)));
        let old = match (&self.seen, known) {
            (Seen::Good, Some(_)) if is_shown => return self.nothing_to_write(),
            (Seen::Good, Some((base, text))) => Some((Arc::clone(text), base.value.clone())),
            (Seen::Missing, _) if base.is_none() && target == Value::empty_map() => return self.nothing_to_write(),
            // A file that somebody deleted comes back with the next change of the document, not at once.
            (Seen::Missing, _) if is_shown => return self.nothing_to_write(),
            (Seen::Missing, _) => None,
            _ => return Mirrored::Nothing,
        };
        if old.is_none() {
            self.format = self.binding.format;
        }
        self.editing = Some(number);
        let document = document.clone();
        let sections = self.base.as_ref().and_then(|base| base.sections.clone()).filter(|_| old.is_some());
        Mirrored::Edit(Box::new(FileEdit { document, number, old, sections, target, reading: self.reading() }))
    }

    /// Whether the file must not be written for now.
    fn is_held(&self) -> bool {
        self.in_flight || self.unsettled.is_some() || matches!(self.seen, Seen::Unknown | Seen::Broken)
    }

    /// Whether a text is being made for it.
    pub(in crate::engine) fn is_edited(&self) -> bool {
        self.editing.is_some()
    }

    /// The write of a text that was asked for; none where the file is another one by now. It is intended from now on.
    ///
    /// # Errors
    /// Where the value cannot be put into the file's format.
    pub(in crate::engine) fn edited(&mut self, edited: FileEdited) -> Result<Option<FileWrite>> {
        let FileEdited { document, number, old, target, made } = edited;
        if self.editing.take_if(|asked| *asked == number).is_none() {
            return Ok(None);
        }
        let text = self.base.as_ref().and_then(|base| base.known.text.as_ref());
        let is_same = match (&old, text, &self.seen) {
            (Some(old), Some(text), Seen::Good) => Arc::ptr_eq(old, text),
            (None, _, Seen::Missing) => true,
            _ => false,
        };
        if !is_same || self.is_held() || self.torn.is_some() {
            return Ok(None);
        }
        let Made { known, notes, sections } = made?;
        let leaves = leaf_diff(self.base.as_ref().map_or(&Value::empty_map(), |base| &base.value), &target);
        // With comments in it another reader may be needed than before; that shows when it is read.
        let made = (self.format == self.binding.format).then_some(Said { value: target, notes, sections });
        let (hash, text) = (known.hash, known.text.clone().unwrap_or_default());
        let before = self.intended.replace(Intended { known, leaves, made });
        self.superseded.extend(before.map(|before| before.known.hash));
        let surplus = self.superseded.len().saturating_sub(MOST_SUPERSEDED);
        self.superseded.drain(..surplus);
        self.keeping.retain(|kept| *kept != hash && self.superseded.contains(kept));
        self.keeping.extend(self.set_aside.then_some(hash));
        Ok(Some(self.write(&document, old, text)))
    }

    fn write(&mut self, document: &DocumentName, expect: Option<Arc<str>>, text: Arc<str>) -> FileWrite {
        self.in_flight = true;
        let keep_as = self.set_aside.then_some(BEFORE_JOIN);
        FileWrite { document: document.clone(), expect, text, keep_as, in_place: self.in_place }
    }

    /// What could not be written does not have to be any more.
    fn nothing_to_write(&mut self) -> Mirrored {
        self.unwritten = None;
        Mirrored::Nothing
    }
}
