//! Bound files: what a look at one leads to, and when one is written.

use super::checks::Refusal;
use super::document::Document;
use super::file::{BoundFile, Look, Mirrored};
use super::file_edit::{FileEdit, FileEdited};
use super::records::Known;
use super::shared::{Founded, Shared, Step, edits};
use super::types::{Event, FileWrite, Level, SourceState, Ticket};
use super::{Engine, REPLICATES};
use crate::clock::Now;
use crate::diff::diff;
use crate::error::{Code, Error};
use crate::format::{LeftOut, left_out};
use crate::id::DocumentName;
use crate::path::Path;
use crate::replica::Edit;
use crate::value::Value;

/// How many paths are told at once that a file cannot hold.
const MOST_TOLD: usize = 16;

impl Document {
    /// What of these paths of the shared layer the bound file cannot hold.
    pub(super) fn left_out(&self, shared: &Value, paths: &[Path]) -> Vec<LeftOut> {
        let Some(file) = &self.file else { return Vec::new() };
        let mut all: Vec<LeftOut> = Vec::new();
        for path in paths {
            // A list is held whole, or not at all.
            let list = (0..path.len()).find(|len| shared.at(&path.prefix(*len)).is_some_and(|v| v.as_list().is_some()));
            let path = list.map_or_else(|| path.clone(), |len| path.prefix(len));
            let parts = shared.at(&path).map(|value| left_out(&path, value, file.format()));
            for part in parts.into_iter().flatten() {
                if !all.contains(&part) {
                    all.push(part);
                }
            }
        }
        all
    }
}

impl Engine {
    /// A bound file as it lies on disk *now*: read it right before the call, an event is only a hint to look. `None` says
    /// that there is no file.
    pub fn handle_file(&mut self, name: &DocumentName, text: Option<&str>, now: Now) {
        let Some(document) = self.documents.get_mut(name) else { return };
        let was_opening = document.is_opening();
        let founded = document.shared.as_ref().and_then(Shared::founded);
        let is_blank = founded.is_some_and(Founded::is_blank);
        let pending = founded.map(|founded| founded.pending_value.clone());
        // The file shows what is in force.
        let shown = pending.as_ref().map(|pending| document.shown_of(pending).unwrap_or_else(|| pending.clone()));
        let Some(file) = &mut document.file else { return };
        // The write was planned on another look: what this one leads to would be taken back by it, or take it for an edit.
        debug_assert!(!file.is_released(), "`{name}`: a look at the file while a write of it is on its way");
        if file.is_released() {
            return;
        }
        let before = file.state();
        let look = file.look(text, shown.as_ref().zip(pending.as_ref()), &document.policy, now.wall_ms);
        let refusal = match &look {
            Look::Edited { verdict, text, .. } => {
                let edits = pending.as_ref().map(|pending| edits(&diff(pending, &verdict.merged)));
                document.examine(&edits.unwrap_or_default(), Some(text)).err()
            }
            Look::First { text, value } if is_blank => {
                document.examine(&edits(&diff(&Value::empty_map(), value)), Some(text)).err()
            }
            Look::First { text, value } if pending.is_none() => {
                document.examine_layer(Value::empty_map(), value.clone(), Some(text)).err()
            }
            _ => None,
        };
        let refusal = match (&look, refusal) {
            (Look::Edited { verdict, .. }, None) => {
                self.check_save(name, &verdict.merged, now).err().map(Refusal::Wrong)
            }
            (_, refusal) => refusal,
        };
        let Some(document) = self.documents.get_mut(name) else { return };
        let checks_exist = document.checks.exist();
        let Some(file) = &mut document.file else { return };
        let is_refused = refusal.is_some();
        let mut asked = None;
        match refusal {
            // The person's text stays as it is, and so does the document.
            Some(Refusal::Wrong(error)) if pending.is_none() && checks_exist => file.refuse_first(error),
            Some(Refusal::Wrong(error)) => file.refuse(error),
            Some(Refusal::Unknown(unknown)) => {
                file.put_off(&before);
                asked = Some(unknown);
            }
            None => {}
        }
        let state = file.state();
        if state != before {
            let source = document.written_layer();
            self.events.push_back(Event::Source { document: name.clone(), source, state });
        }
        if let Some(unknown) = asked {
            return self.ask_about_file(name, unknown, now);
        }
        match look {
            _ if is_refused => {}
            Look::Settled | Look::Missing | Look::Broken => {}
            Look::OwnWrite => {
                self.refresh(name, "file", now);
                self.stage_file_record(name);
            }
            Look::First { text, value } => self.first_look(name, text, value, now),
            Look::Edited { mut verdict, text, value } => {
                let mut edits = pending.map(|pending| edits(&diff(&pending, &verdict.merged))).unwrap_or_default();
                edits.extend(verdict.same.drain(..).map(|(path, value)| Edit { path, value: Some(value) }));
                self.tell_save(name, &mut verdict, now);
                if let Some(file) = self.documents.get_mut(name).and_then(|document| document.file.as_mut()) {
                    file.accept_edit(
                        Known::whole(text.into()),
                        value,
                        std::mem::take(&mut verdict.written),
                        now.wall_ms,
                    );
                }
                self.write_shared(name, &edits, None, "file", now);
            }
        }
        if was_opening && self.documents.get(name).is_some_and(|document| !document.is_opening()) {
            // Nothing more is waited for: what is wrong now is wrong.
            self.refresh(name, "file", now);
        }
        self.consider_founding(name, now);
        self.tell_rejection(name);
        self.mirror(name);
    }

    /// A bound file was written, or left alone because somebody changed it: look at it next, and tell
    /// [`Engine::handle_file`] what lies there.
    pub fn handle_file_written(&mut self, name: &DocumentName) {
        if let Some(file) = self.documents.get_mut(name).and_then(|document| document.file.as_mut()) {
            debug_assert!(file.is_released(), "`{name}`: nobody was asked to write the file");
            file.written();
        }
    }

    /// The driver could not write a bound file; it is tried again with the next look.
    pub fn handle_file_failed(&mut self, name: &DocumentName, error: Error) {
        self.file_failed(name, |file| file.write_failed(error));
    }

    /// The driver could not read a bound file; its last good content stays in force.
    pub fn handle_file_unreadable(&mut self, name: &DocumentName, error: Error) {
        self.file_failed(name, |file| file.unreadable(error));
    }

    fn file_failed(&mut self, name: &DocumentName, failed: impl FnOnce(&mut super::file::BoundFile)) {
        let Some(document) = self.documents.get_mut(name) else { return };
        if let Some(file) = &mut document.file {
            failed(file);
            let state = file.state();
            let source = document.written_layer();
            self.events.push_back(Event::Source { document: name.clone(), source, state });
        }
    }

    /// Whether a bound file that holds this text is as it was mirrored last, or as it is about to be: nobody edited it.
    #[must_use]
    pub fn is_mirrored_text(&self, name: &DocumentName, text: &str) -> bool {
        self.documents.get(name).and_then(|document| document.file.as_ref()).is_some_and(|file| file.is_own(text))
    }

    /// Whether a write of a bound file was released that has not ended: the file must not be looked at.
    #[must_use]
    pub fn is_file_released(&self, name: &DocumentName) -> bool {
        self.documents.get(name).and_then(|document| document.file.as_ref()).is_some_and(|file| file.is_released())
    }

    /// Nothing can be put in the place of a bound file, as where it is a mount of its own: it is written in place from now
    /// on, with the new text in the store first. The answer to a write that was not made; look at the file next.
    pub fn handle_file_fixed(&mut self, name: &DocumentName) {
        if let Some(file) = self.documents.get_mut(name).and_then(|document| document.file.as_mut()) {
            file.write_in_place();
        }
    }

    fn first_look(&mut self, name: &DocumentName, text: String, value: crate::Value, now: Now) {
        let Some(document) = self.documents.get_mut(name) else { return };
        let Some(file) = &mut document.file else { return };
        match document.shared.as_ref().and_then(Shared::founded) {
            // There is nothing that the file could take back.
            Some(founded) if founded.is_blank() && value.as_map().is_some_and(|map| !map.is_empty()) => {
                let edits = edits(&diff(&founded.pending_value, &value));
                let written = edits.iter().map(|edit| edit.path.clone()).collect();
                file.accept_edit(Known::whole(text.into()), value, written, now.wall_ms);
                self.write_shared(name, &edits, None, "file", now);
                self.tell_first_content(name);
            }
            // There is a document already: it takes the place of what the file says.
            Some(founded) => {
                let shown = founded.pending_value.clone();
                file.accept(Known::whole(text.into()), value, Vec::new(), now.wall_ms);
                if file.set_aside_if_different(&shown)
                    && let Some(text) = file.text().map(str::to_owned)
                {
                    let format = file.format();
                    let kept = super::aside::Aside::new(now.wall_ms, super::aside::WHY_JOINED, None, format, text);
                    let records = document.keep(kept);
                    self.stage_step(name, records, Step::Records, "kept", None, None);
                }
                self.stage_file_record(name);
            }
            None => {
                file.accept(Known::whole(text.into()), value.clone(), Vec::new(), now.wall_ms);
                file.provisional = Some(value);
                self.refresh(name, "file", now);
            }
        }
    }

    /// Tells that the file has become the content of a document that never held anything.
    pub(super) fn tell_first_content(&mut self, name: &DocumentName) {
        let Some(document) = self.documents.get(name) else { return };
        let message = format!("`{name}` never held anything: what the bound file says is its first content");
        let origin = crate::origin::Origin::source(document.written_layer());
        let hint = "where another document was meant, look at what `--peer` names: that instance began with nothing";
        self.notice(Level::Info, Error::new(Code::ForeignDocument, message).with_origin(origin).with_hint(hint));
    }

    pub(super) fn stage_file_record(&mut self, name: &DocumentName) -> Option<Ticket> {
        let records = self.documents.get_mut(name)?.file.as_mut()?.records(name);
        Some(self.stage_step(name, records, Step::Records, "file", None, None))
    }

    /// The store has a batch: the file may be mirrored again once none of its edits is on its way.
    pub(super) fn settle_file_edits(&mut self, name: &DocumentName, cause: &str) {
        let Some(document) = self.documents.get_mut(name).filter(|_| cause == "file") else { return };
        let staged = document
            .shared
            .as_ref()
            .and_then(Shared::founded)
            .is_some_and(|f| f.staged.iter().any(|s| s.cause == "file"));
        if let Some(file) = document.file.as_mut().filter(|_| !staged) {
            file.edits_settled();
        }
    }

    /// The batch with this ticket is in the store: a file write that waited for it goes to the driver.
    pub(super) fn release_file(&mut self, name: &DocumentName, ticket: Ticket) {
        let file = self.documents.get_mut(name).and_then(|document| document.file.as_mut());
        self.files.extend(file.and_then(|file| file.release(ticket)));
    }

    /// Tells once what a bound file cannot hold.
    fn tell_left_out(&mut self, name: &DocumentName, parts: &[LeftOut]) {
        let Some(document) = self.documents.get(name) else { return };
        let origin = crate::origin::Origin::source(document.written_layer());
        for part in parts.iter().take(MOST_TOLD) {
            let more = parts.len().saturating_sub(MOST_TOLD);
            let more = if more > 0 { format!(" ({more} more paths like it are in the status)") } else { String::new() };
            let message = format!("{}: `{}` is in force and stays out of the file{more}", part.reason, part.path);
            let error = Error::new(Code::Unrepresentable, message).with_path(part.path.clone());
            let hint = "bind a file of another format, or write the value in another form";
            self.notice(Level::Warning, error.with_origin(origin.clone()).with_hint(hint));
        }
    }

    /// Writes the bound file if the shared layer has moved on. What is going to be written is in the store before the
    /// driver gets it, so that it is recognised as ours whenever it is found.
    pub(super) fn mirror(&mut self, name: &DocumentName) {
        if !REPLICATES {
            return;
        }
        let Some(document) = self.documents.get_mut(name) else { return };
        let Some(founded) = document.shared.as_ref().and_then(Shared::founded).filter(|f| f.ready) else { return };
        let Some(shown) = document.shown_of(&founded.view.value) else { return };
        let Some(file) = &mut document.file else { return };
        let (before, known) = (file.state(), file.left_out.clone());
        // Of a document that was closed and opened again, what was asked for before is of no use.
        self.last_edit += 1;
        let mirrored = file.mirror(name, &shown, self.last_edit);
        let news: Vec<LeftOut> = file.left_out.iter().filter(|part| !known.contains(part)).cloned().collect();
        self.tell_left_out(name, &news);
        match mirrored {
            Mirrored::Nothing => self.tell_file(name, before),
            Mirrored::Edit(edit) if self.config.edits_from.is_some_and(|least| edit.bytes() >= least) => {
                self.edits.push_back(*edit);
            }
            Mirrored::Edit(edit) => _ = self.take_edited(edit.run()),
            Mirrored::Write(write) => self.write_file(write),
        }
    }

    /// Tells what the bound file came to, if that is not what it was before.
    fn tell_file(&mut self, name: &DocumentName, before: SourceState) {
        let Some(document) = self.documents.get_mut(name) else { return };
        let Some(state) = document.file.as_ref().map(BoundFile::state).filter(|state| *state != before) else { return };
        let source = document.written_layer();
        self.events.push_back(Event::Source { document: name.clone(), source, state });
    }

    /// The next text to be made for a bound file; answer with [`Engine::handle_edited`] whenever it is made.
    #[must_use]
    pub fn poll_edit(&mut self) -> Option<FileEdit> {
        self.edits.pop_front()
    }

    /// Whether a text is being made for a bound file.
    #[must_use]
    pub fn is_editing(&self) -> bool {
        self.documents.values().any(|document| document.file.as_ref().is_some_and(BoundFile::is_edited))
    }

    /// A text that was asked for is made. Where the file has changed since, it is of no use, and another one may be asked for.
    pub fn handle_edited(&mut self, edited: FileEdited) {
        let name = edited.document.clone();
        if !self.take_edited(edited) {
            self.mirror(&name);
        }
    }

    /// Whether the text was of use.
    fn take_edited(&mut self, edited: FileEdited) -> bool {
        let name = edited.document.clone();
        let Some(file) = self.documents.get_mut(&name).and_then(|document| document.file.as_mut()) else { return true };
        match file.edited(edited) {
            Ok(None) => return false,
            Ok(Some(write)) => self.write_file(write),
            Err(error) => {
                let error = error.with_origin(crate::origin::Origin::source(&file.binding.id));
                self.handle_file_failed(&name, error);
            }
        }
        true
    }

    /// Plans a write: the driver gets it once the store has what is intended.
    fn write_file(&mut self, write: FileWrite) {
        let ticket = self.stage_file_record(&write.document);
        if let Some(file) = self.documents.get_mut(&write.document).and_then(|document| document.file.as_mut()) {
            file.due = ticket.map(|ticket| (ticket, write));
        }
    }
}
