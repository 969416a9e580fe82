//! The new text of a bound file: made from the old one so that it holds another value. It costs what the text is long, so
//! who runs the engine may do it elsewhere while writes go on, and bring what came of it.

use std::sync::Arc;

use super::records::Known;
use crate::diff::leaf::leaf_diff;
use crate::error::{Error, Result};
use crate::format::{Format, Sections, commented, parse_noting, print, rewrite_from};
use crate::id::DocumentName;
use crate::value::Value;

/// How long a text may be of which is told what is odd about it.
const MAX_NOTED_BYTES: usize = 1 << 20;

/// A text to be made for a bound file: [`FileEdit::run`] it wherever there is room, and give the engine what comes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct FileEdit {
    pub(super) document: DocumentName,
    pub(super) number: u64,
    /// The text to be changed, and what it says; a whole new one is made where there is none.
    pub(super) old: Option<(Arc<str>, Value)>,
    /// Where its entries stand, if that is known.
    pub(super) sections: Option<Arc<Sections>>,
    pub(super) target: Value,
    pub(super) reading: Reading,
}

/// What a text is read as.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) format: Format,
    /// What its name says.
    pub(super) named: Format,
    /// What origins call it.
    pub(super) source: String,
}

/// A text that was made, or why none could be.
#[derive(Clone, Debug)]
pub struct FileEdited {
    pub(super) document: DocumentName,
    pub(super) number: u64,
    pub(super) old: Option<Arc<str>>,
    pub(super) target: Value,
    pub(super) made: Result<Made>,
}

#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) known: Known,
    pub(super) notes: Vec<Error>,
    pub(super) sections: Option<Arc<Sections>>,
}

impl FileEdit {
    /// How long the text is that is to be changed.
    pub(super) fn bytes(&self) -> usize {
        self.old.as_ref().map_or(0, |(text, _)| text.len())
    }

    /// Makes the text.
    #[must_use]
    pub fn run(self) -> FileEdited {
        let FileEdit { document, number, old, sections, target, reading } = self;
        let in_sections = old.as_ref().zip(sections).and_then(|((text, value), sections)| {
            let leaves = leaf_diff(value, &target);
            sections.rewrite(text, leaves.iter().map(|leaf| &leaf.path), &target)
        });
        let made = match (in_sections, &old) {
            (Some((text, sections)), _) => Ok((text, Some(sections))),
            (None, Some((text, value))) => rewrite_from(text, reading.format, value, &target).map(|text| (text, None)),
            (None, None) => print(&target, reading.format).map(|text| (text, None)),
        };
        let made = made.map(|(text, sections)| {
            let sections = sections.or_else(|| Sections::of(&text, reading.format)).map(Arc::new);
            Made { notes: reading.notes(&text), known: Known::whole(text.into()), sections }
        });
        FileEdited { document, number, old: old.map(|(text, _)| text), target, made }
    }

    /// What came of it where nothing did.
    #[must_use]
    pub fn failed(self, error: Error) -> FileEdited {
        let FileEdit { document, number, old, target, .. } = self;
        FileEdited { document, number, old: old.map(|(text, _)| text), target, made: Err(error) }
    }
}

impl Reading {
    /// What is odd about a text; a long one is not worth reading it twice.
    pub(super) fn notes(&self, text: &str) -> Vec<Error> {
        let format = self.format;
        let is_read = (format.is_untyped() || format == Format::Yaml) && text.len() <= MAX_NOTED_BYTES;
        let noted = is_read.then(|| parse_noting(text, format, &self.source));
        let notes = noted.and_then(Result::ok).map(|noted| noted.notes).unwrap_or_default();
        notes.into_iter().chain((format != self.named).then(|| commented(&self.source))).collect()
    }
}
