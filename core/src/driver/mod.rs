//! The loop that feeds an engine, in steps and without touching the world.
//!
//! A [`Driver`] owns an [`Engine`] and keeps its calling order. Whoever runs it takes in what happened, at most
//! [`MAX_BATCH`] things in a row ([`Driver::is_full`]), and then does what [`Driver::poll`] says until it says nothing:
//! hand batches to the store, send frames, look at bound files, write them, pass on news. All that this takes is to carry
//! bytes; what is done when, what is tried again and what is believed is decided here. The native runtime and the
//! simulator run this same code.
//!
//! **A look at a bound file never meets a write of it.** A look is asked for when the engine has nothing else to say and no
//! write is with the outside, and what it found is thrown away where a write was released meanwhile: the end of that write
//! looks again. So a mirror write is never taken for an edit, whatever comes in one batch.

mod buses;
mod file;
mod store;
#[cfg(test)]
mod tests;
mod values;

pub use buses::{BusId, Publish};
pub use file::Patience;
pub use values::{Saying, ValueCounts, ValuePlaces};

use std::collections::{BTreeMap, VecDeque};

use crate::clock::Now;
use crate::engine::{
    CheckRequest, CheckTicket, DocumentOptions, Engine, Event, FileCopy, FileEdit, FileEdited, FileWrite, Persist,
    Ticket, Transmit,
};
use crate::error::{Error, Result};
use crate::id::DocumentName;
use buses::Buses;
use file::FileWork;
use store::StoreWork;
use values::ValueWork;

/// How many inputs are taken in before what comes out of them is dealt with.
pub const MAX_BATCH: usize = 256;

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Hand a batch to the store, behind those before it; answer with [`Driver::handle_stored`], in order.
    Store(Persist),
    /// The store may go on: the failure of this batch is known, and what comes from now on does not build on it.
    Resume(Ticket),
    /// Send a frame.
    Transmit(Transmit),
    /// Hand a frame to the broker of a bus; where that is not reached it may be forgotten.
    Publish(Publish),
    /// Say a value for programs that are no instances; where that cannot be, say so with [`Driver::handle_unsaid`].
    Say(Saying),
    /// Ask the checks of the program; answer with [`Driver::handle_checked`], and do not wait for it.
    Check(CheckRequest),
    /// Read a bound file; answer with [`Driver::handle_look`].
    Look(Look),
    /// Keep a text beside a bound file; there is no answer.
    Keep(FileCopy),
    /// Make the text of a bound file ([`FileEdit::run`]), elsewhere where that takes long; answer with
    /// [`Driver::handle_edited`].
    Edit(FileEdit),
    /// Write a bound file; answer with [`Driver::handle_wrote`], or with [`Driver::handle_fixed`].
    Write(FileWrite),
    /// Pass on news.
    Event(Event),
}

/// One look at a bound file that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whose file.
    pub document: DocumentName,
    number: u64,
}

/// Owns an engine, and what has to be remembered about the store and the files around it.
pub struct Driver {
    engine: Engine,
    buses: Buses,
    values: ValueWork,
    store: StoreWork,
    files: BTreeMap<DocumentName, FileWork>,
    resumed: VecDeque<Ticket>,
    last_look: u64,
    taken: usize,
}

impl Driver {
    /// Takes over an engine without documents.
    pub fn new(engine: Engine) -> Driver {
        Driver {
            engine,
            buses: Buses::default(),
            values: ValueWork::default(),
            store: StoreWork::default(),
            files: BTreeMap::new(),
            resumed: VecDeque::new(),
            last_look: 0,
            taken: 0,
        }
    }

    /// The engine, to be asked.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, for commands, connections, frames and layers. What concerns the store, bound files, timeouts and polling
    /// goes through the driver.
    pub fn engine_mut(&mut self) -> &mut Engine {
        self.taken += 1;
        &mut self.engine
    }

    /// Opens a document. Its bound file waits for [`Driver::handle_first_look`].
    pub fn open(&mut self, name: DocumentName, options: DocumentOptions, patience: Patience, now: Now) {
        if options.file.is_some() {
            self.files.insert(name.clone(), FileWork::new(patience));
        }
        self.engine.open(name, options, now);
    }

    /// What a bound file holds at the start. It is believed at once: there is nothing yet that half a save could remove.
    pub fn handle_first_look(&mut self, name: &DocumentName, found: Result<Option<String>>, now: Now) {
        let Some(file) = self.files.get_mut(name) else { return };
        match found {
            Ok(text) => {
                self.engine.handle_file(name, text.as_deref(), now);
                if self.engine.is_file_asked_about(name) {
                    file.keep_believing(text);
                }
            }
            Err(error) => {
                file.try_again(now);
                self.engine.handle_file_unreadable(name, error);
            }
        }
    }

    /// A bound file may have changed. A text that was seen to hold still (`None`: that there is no file) is believed if it
    /// is still there; an error says nothing but that somebody should look.
    pub fn handle_file_hint(&mut self, name: &DocumentName, held_still: Result<Option<String>>) {
        self.taken += 1;
        if let Some(file) = self.files.get_mut(name) {
            file.hint(held_still.ok());
        }
    }

    /// What a look that was asked for found.
    pub fn handle_look(&mut self, look: &Look, found: Result<Option<String>>, now: Now) {
        self.taken += 1;
        let name = &look.document;
        let Some(file) = self.files.get_mut(name).filter(|file| file.is_looking(look.number)) else { return };
        if self.engine.is_file_released(name) {
            // A write comes that was planned on an older look: its end looks.
            return file.forget_look();
        }
        match found {
            Ok(text) => {
                let is_own = text.as_deref().is_some_and(|text| self.engine.is_mirrored_text(name, text));
                if file.believes(&text, is_own, now) {
                    self.engine.handle_file(name, text.as_deref(), now);
                    if self.engine.is_file_asked_about(name) {
                        file.keep_believing(text);
                    }
                }
            }
            Err(error) => {
                file.forget_look();
                file.try_again(now);
                self.engine.handle_file_unreadable(name, error);
            }
        }
    }

    /// A write of a bound file has ended: it was made, or the file was left alone because somebody changed it, or it failed.
    /// `keep_as` is the suffix of a copy that is still to be made.
    pub fn handle_wrote(&mut self, name: &DocumentName, result: Result<()>, keep_as: Option<&'static str>, now: Now) {
        self.taken += 1;
        let Some(file) = self.files.get_mut(name) else { return };
        file.wrote(&result, keep_as, now);
        match result {
            Ok(()) => self.engine.handle_file_written(name),
            Err(error) => self.engine.handle_file_failed(name, error),
        }
    }

    /// A text for a bound file is made.
    pub fn handle_edited(&mut self, edited: FileEdited) {
        self.taken += 1;
        self.engine.handle_edited(edited);
    }

    /// Nothing can be put in the place of a bound file, so the write that was asked for was not made: it comes again, to be
    /// made in place.
    pub fn handle_fixed(&mut self, name: &DocumentName, keep_as: Option<&'static str>, now: Now) {
        self.taken += 1;
        if let Some(file) = self.files.get_mut(name) {
            file.wrote(&Ok(()), keep_as, now);
            self.engine.handle_file_fixed(name);
        }
    }

    /// The store answers for a batch.
    pub fn handle_stored(&mut self, ticket: Ticket, result: Result<()>, now: Now) {
        self.taken += 1;
        self.store.answered(ticket);
        match result {
            Ok(()) => {
                self.engine.handle_persisted(ticket, now);
                if self.store.recovered() {
                    self.files.values_mut().for_each(FileWork::look_again);
                }
            }
            Err(error) => {
                self.engine.handle_persist_failed(ticket, &error, now);
                self.resumed.push_back(ticket);
                // What people saved meanwhile is in the files still, and goes to the store once it takes writes again.
                self.store.failed(error, now);
            }
        }
    }

    /// The checks of the program have answered.
    pub fn handle_checked(&mut self, ticket: CheckTicket, said: Vec<Error>, now: Now) {
        self.taken += 1;
        self.engine.handle_checked(ticket, said, now);
    }

    /// Time itself has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        self.taken += 1;
        self.engine.handle_timeout(now);
        self.time_buses(now);
        self.time_values(now);
        self.files.values_mut().for_each(|file| file.handle_timeout(now));
        if self.store.takes_attempt(now) {
            self.engine.try_store();
        }
    }

    /// When [`Driver::handle_timeout`] is due, on the monotonic clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        let files = self.files.values().filter_map(FileWork::due_ms);
        let around = [self.store.due_ms(), self.buses.due_ms(), self.values.due_ms()].into_iter().flatten();
        self.engine.poll_timeout().into_iter().chain(files).chain(around).min()
    }

    /// Whether so much was taken in that it has to be dealt with first.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.taken >= MAX_BATCH
    }

    /// Whether the store or a file owes an answer: who closes waits for them.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.store.is_busy() || self.engine.is_editing() || self.files.values().any(FileWork::is_busy)
    }

    /// Whether anything waits for the checks of the program: nobody has to wait for them.
    #[must_use]
    pub fn is_checking(&self) -> bool {
        self.engine.is_checking()
    }

    /// Why the store failed, while nothing got there since.
    #[must_use]
    pub fn store_failure(&self) -> Option<&Error> {
        self.store.failure()
    }

    /// What is to be done next; nothing where an input is needed.
    #[must_use]
    pub fn poll(&mut self) -> Option<Action> {
        if let Some(ticket) = self.resumed.pop_front() {
            return Some(Action::Resume(ticket));
        }
        if let Some(batch) = self.engine.poll_persist() {
            self.store.handed_over(batch.ticket);
            return Some(Action::Store(batch));
        }
        while let Some(transmit) = self.engine.poll_transmit() {
            if let Some(transmit) = self.buses.take(transmit) {
                return Some(Action::Transmit(transmit));
            }
        }
        if let Some(publish) = self.buses.poll() {
            return Some(publish);
        }
        if let Some(saying) = self.values.poll() {
            return Some(saying);
        }
        if let Some(check) = self.engine.poll_check() {
            return Some(Action::Check(check));
        }
        if let Some(copy) = self.engine.poll_copy() {
            return Some(Action::Keep(copy));
        }
        if let Some(edit) = self.engine.poll_edit() {
            return Some(Action::Edit(edit));
        }
        if let Some(mut write) = self.engine.poll_file() {
            if let Some(file) = self.files.get_mut(&write.document) {
                file.begin_write(&mut write);
            }
            return Some(Action::Write(write));
        }
        while let Some(event) = self.engine.poll_event() {
            if let Some(event) = self.note_values(event) {
                return Some(Action::Event(event));
            }
        }
        let Driver { engine, files, .. } = self;
        for (name, file) in files.iter_mut() {
            if engine.takes_look(name) {
                file.look_on();
            }
        }
        let wanted = self.files.iter_mut().find(|(_, file)| file.wants_look());
        if let Some((name, file)) = wanted {
            self.last_look += 1;
            file.begin_look(self.last_look);
            return Some(Action::Look(Look { document: name.clone(), number: self.last_look }));
        }
        self.taken = 0;
        None
    }
}
