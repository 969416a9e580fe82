//! What comes into force: layers that make a valid document, and nothing else.
//!
//! A source or the shared layer may say what the schema refuses, or refer to what is not there. A replica takes every
//! well-formed write, or replicas would differ; so the check stands between the layers and what is in force. A layer that
//! breaks the document is held back, the one that was accepted before it stays, and each later change tries it again.

use super::Engine;
use super::document::{Document, RUNTIME, Source};

use super::types::{Level, Rejection, SourceState, together};
use crate::error::{Code, Error, Result};
use crate::id::DocumentName;
use crate::merge::{Composed, Layer, priority};
use crate::replica::Edit;
use crate::value::{Str, Value};

impl Document {
    /// Accepts the newest layers as far as they make a valid document. Returns what the accepted ones make.
    pub(super) fn admit(&mut self, cause: &str) -> Composed {
        let shared = self.shared_layer();
        let newest = |source: &Source| source.newest.clone().or_else(|| source.layer.clone());
        let all: Vec<Layer> = self.sources.iter().filter_map(newest).chain(shared.clone()).collect();
        let composed = self.composition.update(&all, &self.latest);
        if !self.composition.can_refuse() || self.may_accept(&composed) {
            for source in &mut self.sources {
                if let Some(layer) = source.newest.take() {
                    source.layer = Some(layer);
                    source.state = SourceState::Fresh;
                }
            }
            self.accepted = shared;
            self.holds_back = !composed.errors.is_empty();
            self.rejection = self.rejected_for(cause, &composed);
            return composed;
        }
        // What is held back already may be all that is wrong: what came now is tried beside what was accepted.
        let by_source = self.sources.iter().position(|source| source.id == *cause);
        let was_held = self.holds_back && by_source.is_some()
            || self.sources.iter().enumerate().any(|(at, source)| source.newest.is_some() && Some(at) != by_source);
        self.rejection = self.rejected_for(cause, &composed);
        let mut kept = self.latest.clone();
        let mut accepts = false;
        if was_held {
            let tried: Vec<Layer> = self
                .sources
                .iter()
                .enumerate()
                .filter_map(|(at, source)| if by_source == Some(at) { newest(source) } else { source.layer.clone() })
                .chain(if by_source.is_none() { shared.clone() } else { self.accepted.clone() })
                .collect();
            let tried = self.composition.update(&tried, &self.latest);
            if self.may_accept(&tried) {
                (kept, accepts) = (tried, true);
            }
        }
        match by_source.and_then(|at| self.sources.get_mut(at)) {
            Some(source) if accepts => {
                source.layer = source.newest.take().or_else(|| source.layer.take());
                source.state = SourceState::Fresh;
            }
            Some(source) if source.newest.is_some() => source.state = SourceState::Stale(together(&composed.errors)),
            Some(_) => {}
            None if accepts => (self.accepted, self.holds_back) = (shared, false),
            None => {
                self.holds_back = self.accepted.as_ref().map(|layer| &layer.value) != shared.as_ref().map(|l| &l.value)
            }
        }
        kept
    }

    /// Whether a document may take the place of the latest: it is valid, or nothing is wrong with it that was not
    /// wrong before, or its sources are only being read for the first time.
    fn may_accept(&self, composed: &Composed) -> bool {
        self.is_opening() || composed.errors.iter().all(|error| is_among(error, &self.latest.errors))
    }

    fn is_opening(&self) -> bool {
        self.sources.iter().any(|source| !source.was_heard)
            || self.file.as_ref().is_some_and(|file| !file.was_looked_at())
    }

    fn rejected_for(&self, cause: &str, composed: &Composed) -> Option<Rejection> {
        let same = self.rejection.as_ref().filter(|before| before.errors == composed.errors && !self.is_opening());
        let cause = same.map_or_else(|| Str::from(cause), |before| before.cause.clone());
        (!composed.errors.is_empty()).then(|| Rejection { cause, errors: composed.errors.clone() })
    }

    /// What should be told of the document: that it is rejected and why, or that it is in order again.
    fn take_news(&mut self) -> Option<(Level, Error)> {
        if self.is_opening() || self.told == self.rejection {
            return None;
        }
        let before = std::mem::replace(&mut self.told, self.rejection.clone());
        let name = &self.name;
        Some(match (&self.rejection, before) {
            (Some(rejection), _) => {
                let error = rejection.to_error();
                let message = format!(
                    "rejecting invalid configuration update from `{}`, the last valid document stays in force: {}",
                    rejection.cause,
                    error.message()
                );
                let mut notice = Error::new(error.code(), message);
                notice = error.path().cloned().into_iter().fold(notice, Error::with_path);
                notice = error.origin().cloned().into_iter().fold(notice, Error::with_origin);
                notice = error.hint().into_iter().fold(notice, Error::with_hint);
                (Level::Error, error.related().iter().cloned().fold(notice, Error::with_related))
            }
            (None, _) => (Level::Info, Error::new(Code::Invalid, format!("`{name}` is valid again and in force"))),
        })
    }

    /// Whether the bound file may show the shared layer: it never shows what is not in force.
    pub(super) fn may_mirror(&self) -> bool {
        !self.holds_back
    }

    /// Refuses a write of the layer that commands write if it would make the document invalid in a new way: what others
    /// broke can be mended one by one. `text` is the file that the edits come from.
    ///
    /// # Errors
    /// What would be wrong: the first problem, with the others related to it.
    pub(super) fn examine(&self, edits: &[Edit], text: Option<&str>) -> Result<()> {
        if !self.composition.can_refuse() {
            return Ok(());
        }
        let before = match &self.shared {
            Some(shared) => shared.founded().map(|founded| founded.pending_value.clone()),
            None => Some(self.runtime()),
        };
        let before = before.unwrap_or_else(Value::empty_map);
        let after = edits.iter().fold(before.clone(), |value, edit| match &edit.value {
            Some(new) => value.with(&edit.path, new.clone()),
            None => value.without(&edit.path),
        });
        self.examine_layer(before, after, text)
    }

    /// Refuses a value of the written layer as [`Document::examine`] refuses edits.
    pub(super) fn examine_layer(&self, before: Value, after: Value, text: Option<&str>) -> Result<()> {
        if !self.composition.can_refuse() {
            return Ok(());
        }
        let with = |value: Value| {
            let is_shared = self.shared.is_some();
            let priority = if is_shared { priority::SHARED } else { priority::RUNTIME };
            let mut layer = Layer::new(self.written_layer(), priority, value);
            if let (Some(file), Some(text)) = (&self.file, text) {
                layer = layer.with_text(text, file.binding.format);
            }
            let sources = self.sources.iter().filter(|source| is_shared || source.id != *RUNTIME);
            let layers: Vec<Layer> = sources.filter_map(|source| source.layer.clone()).chain([layer]).collect();
            self.composition.update(&layers, &self.latest)
        };
        let composed = with(after);
        if composed.errors.is_empty() {
            return Ok(());
        }
        let known = with(before).errors;
        let new: Vec<Error> = composed.errors.into_iter().filter(|error| !is_among(error, &known)).collect();
        if new.is_empty() { Ok(()) } else { Err(together(&new)) }
    }
}

/// Whether an error is one of these, wherever the value stands now.
fn is_among(error: &Error, known: &[Error]) -> bool {
    known
        .iter()
        .any(|other| (other.code(), other.path(), other.message()) == (error.code(), error.path(), error.message()))
}

impl Engine {
    /// Tells once what is rejected and why, and that it is no more.
    pub(super) fn tell_rejection(&mut self, name: &DocumentName) {
        let news = self.documents.get_mut(name).and_then(Document::take_news);
        if let Some((level, error)) = news {
            self.notice(level, error);
        }
    }
}
