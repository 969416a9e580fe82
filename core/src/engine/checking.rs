//! What goes on in an engine around the checks of the program: what is asked, who waits, and what the answers lead to.

use super::checks::{CheckRequest, CheckTicket, Later, Question, Unknown, Waiting};
use super::document::Document;
use super::shared::{Reply, Shared};
use super::types::{Event, Level, Receipt, together};
use super::{Engine, MERGES, unknown};
use crate::clock::Now;
use crate::error::{Code, Error, Result};
use crate::id::DocumentName;
use crate::merge::Layer;
use crate::value::Str;

impl Engine {
    /// The next document that the checks of the program are asked about. Ask them where nothing waits for them, as on a thread
    /// of their own: [`CheckRequest::run`].
    #[must_use]
    pub fn poll_check(&mut self) -> Option<CheckRequest> {
        self.checks.pop_front()
    }

    /// What the checks say of a document that they were asked about; nothing where it is fine. The answer may come late:
    /// then it counts from now on, and it is told.
    pub fn handle_checked(&mut self, ticket: CheckTicket, said: Vec<Error>, now: Now) {
        for name in self.documents.keys().cloned().collect::<Vec<_>>() {
            let Some(document) = self.documents.get_mut(&name) else { continue };
            let is_it = |asked: &Question| asked.ticket == ticket;
            let mut found = document.checks.asked().find_map(|asked| asked.take_if(|asked| is_it(asked)));
            let late = document.checks.late.iter().position(is_it).and_then(|at| document.checks.late.remove(at));
            let is_late = late.is_some();
            let Some(asked) = found.take().or(late) else { continue };
            if is_late {
                self.tell_late(&name, &asked, &said, now);
            }
            let Some(document) = self.documents.get_mut(&name) else { continue };
            document.checks.learn(asked.value, said);
            document.checks.wants_look |= document.file.is_some();
            if is_late && document.checks.trial.is_none() {
                self.refresh(&name, "check", now);
            }
            return self.go_on(&name, now);
        }
    }

    fn tell_late(&mut self, name: &DocumentName, asked: &Question, said: &[Error], now: Now) {
        let took = now.mono_ms.saturating_sub(asked.since_ms);
        let within = self.documents.get(name).map_or(0, |document| document.checks.within_ms);
        let what = match said {
            [] => "nothing is wrong with what was held back".to_owned(),
            said => format!("what was held back is wrong: {}", together(said).message()),
        };
        let message = format!("the checks of `{name}` answered after {took} ms, and have {within} ms: {what}");
        self.notice(Level::Warning, Error::new(Code::Busy, message));
    }

    /// Everything that waits for an answer goes on as far as it can: layers first, then writes in their order.
    fn go_on(&mut self, name: &DocumentName, now: Now) {
        self.go_on_checking(name, now);
        self.go_on_writing(name, now);
        self.ask(name, now);
    }

    fn go_on_checking(&mut self, name: &DocumentName, now: Now) {
        let Some(document) = self.documents.get_mut(name) else { return };
        if document.checks.trial.as_ref().is_none_or(|trial| trial.asked.is_some()) {
            return;
        }
        let Some((cause, replies, composed)) = document.resume_trial() else { return };
        let before = document.snapshot.revision;
        let change = document.bring_into_force(composed, &cause);
        self.announce(name, before, change, now);
        self.end_trial(name, replies, now);
    }

    /// Layers are decided on: who waits for that is answered, and what came meanwhile is next.
    fn end_trial(&mut self, name: &DocumentName, replies: Vec<Reply>, now: Now) {
        for reply in replies {
            self.answer_write(name, reply, now);
        }
        self.mirror(name);
        let Some(document) = self.documents.get_mut(name) else { return };
        let later = std::mem::take(&mut document.checks.later);
        if let Some((cause, replies)) = document.checks.again.take() {
            self.refresh(name, &cause, now);
            for reply in replies {
                self.reply(name, reply, now);
            }
        }
        for later in later {
            match later {
                Later::Layer(source, outcome) => self.handle_layer(name, &source, outcome, now),
                Later::Sources(gone, order) => self.handle_sources(name, &gone, &order, now),
            }
        }
    }

    fn go_on_writing(&mut self, name: &DocumentName, now: Now) {
        while let Some(document) = self.documents.get_mut(name) {
            let is_runtime = document.shared.is_none();
            if document.checks.write_asked.is_some() || (is_runtime && document.checks.trial.is_some()) {
                return;
            }
            let Some(write) = document.checks.writes.pop_front() else { return };
            self.attempt(name, write, now);
        }
    }

    /// Asks what has to be known and was not asked yet.
    pub(super) fn ask(&mut self, name: &DocumentName, now: Now) {
        if !MERGES {
            return;
        }
        let Some(document) = self.documents.get_mut(name) else { return };
        let Some(trial) = &mut document.checks.trial else { return };
        let Some(unknown) = trial.unknown.take() else { return };
        let asked = self.question(name, unknown, now);
        if let Some(trial) = self.documents.get_mut(name).and_then(|document| document.checks.trial.as_mut()) {
            trial.asked = asked;
        }
    }

    fn question(&mut self, name: &DocumentName, Unknown { value, policy }: Unknown, now: Now) -> Option<Question> {
        let document = self.documents.get(name)?;
        let schema = document.checks.schema.clone()?;
        self.last_check += 1;
        let ticket = CheckTicket(self.last_check);
        let due_ms = now.mono_ms.saturating_add(document.checks.within_ms);
        self.checks.push_back(CheckRequest { ticket, document: name.clone(), value: value.clone(), schema, policy });
        Some(Question { ticket, value, since_ms: now.mono_ms, due_ms })
    }

    /// Keeps a write where those before it, or what is being checked, come first; else it is given back.
    pub(super) fn wait_in_line(&mut self, name: &DocumentName, write: Waiting) -> Option<Waiting> {
        if !MERGES {
            return Some(write);
        }
        let Some(document) = self.documents.get_mut(name) else { return Some(write) };
        if document.guest.is_some() || !document.checks.must_wait(document.shared.is_none()) {
            return Some(write);
        }
        document.checks.writes.push_back(write);
        None
    }

    /// A write waits for an answer, before those behind it.
    pub(super) fn wait_for_answer(&mut self, name: &DocumentName, write: Waiting, unknown: Unknown, now: Now) {
        let question = self.question(name, unknown, now);
        if let Some(document) = self.documents.get_mut(name) {
            document.checks.write_asked = question;
            document.checks.writes.push_front(Waiting { asked: write.asked + 1, ..write });
        }
    }

    /// Answers a write that is stored, once it is known whether it is in force.
    pub(super) fn reply(&mut self, name: &DocumentName, reply: Reply, now: Now) {
        let Some(document) = self.documents.get_mut(name) else { return };
        match (&mut document.checks.again, &mut document.checks.trial) {
            (Some((_, replies)), _) => replies.push(reply),
            (None, Some(trial)) => trial.replies.push(reply),
            (None, None) => self.answer_write(name, reply, now),
        }
    }

    fn answer_write(&mut self, name: &DocumentName, reply: Reply, now: Now) {
        let Reply { request, path, changed, dot, is_repeat } = reply;
        let receipt = self.receipt(name, changed, dot, &path).ok_or_else(|| unknown(name));
        self.answer(request, receipt.map(|receipt| Receipt { is_repeat, ..receipt }), now);
    }

    /// An edit of the bound file has to be asked about: the file is looked at again once the answer is there.
    pub(super) fn ask_about_file(&mut self, name: &DocumentName, unknown: Unknown, now: Now) {
        let Some(document) = self.documents.get_mut(name) else { return };
        if document.checks.look_asked.as_ref().is_some_and(|asked| asked.value == unknown.value) {
            return;
        }
        let asked = self.question(name, unknown, now);
        if let Some(document) = self.documents.get_mut(name) {
            document.checks.look_asked = asked;
        }
    }

    /// What a source said waits where layers are being checked.
    pub(super) fn hold_layer(
        &mut self,
        name: &DocumentName,
        source: &str,
        outcome: Result<Option<Layer>>,
    ) -> Option<Result<Option<Layer>>> {
        if !MERGES {
            return Some(outcome);
        }
        let Some(document) = self.documents.get_mut(name).filter(|document| document.checks.trial.is_some()) else {
            return Some(outcome);
        };
        // Only the newest word of a source counts, where nothing came between the two.
        let from = document.checks.later.iter().rposition(|later| matches!(later, Later::Sources(..)));
        let mut since = document.checks.later.iter_mut().skip(from.map_or(0, |at| at + 1));
        let same = since.find_map(|later| match later {
            Later::Layer(id, before) if *id == *source => Some(before),
            _ => None,
        });
        match same {
            Some(before) => *before = outcome,
            None => document.checks.later.push(Later::Layer(source.into(), outcome)),
        }
        None
    }

    /// The same of sources that come and go.
    pub(super) fn hold_sources(&mut self, name: &DocumentName, gone: &[Str], order: &[(Str, i32)]) -> bool {
        if !MERGES {
            return false;
        }
        let document = self.documents.get_mut(name).filter(|document| document.checks.trial.is_some());
        document.map(|document| document.checks.later.push(Later::Sources(gone.to_vec(), order.to_vec()))).is_some()
    }

    /// Whether anything waits for the checks of the program.
    pub fn is_checking(&self) -> bool {
        self.documents.values().any(|document| document.checks.is_asking())
    }

    /// Whether an edit of a bound file waits: for the checks of the program, or for a lock to end.
    #[must_use]
    pub fn is_file_asked_about(&self, name: &DocumentName) -> bool {
        self.documents
            .get(name)
            .is_some_and(|document| document.checks.look_asked.is_some() || document.locks.holds_save())
    }

    /// Whether a bound file should be looked at again, since it is known now what the checks say of it. Told once.
    pub fn takes_look(&mut self, name: &DocumentName) -> bool {
        let document = self.documents.get_mut(name);
        document.is_some_and(|document| std::mem::take(&mut document.checks.wants_look))
    }

    /// When the checks have to have answered.
    pub(super) fn check_due_ms(&self) -> Option<u64> {
        let of = |document: &Document| {
            let trial = document.checks.trial.as_ref().and_then(|trial| trial.asked.as_ref());
            let asked = trial.into_iter().chain(&document.checks.write_asked).chain(&document.checks.look_asked);
            asked.map(|asked| asked.due_ms).min()
        };
        self.documents.values().filter(|_| MERGES).filter_map(of).min()
    }

    /// Goes on without the answers that did not come in time.
    pub(super) fn check_deadlines(&mut self, name: &DocumentName, now: Now) {
        if !MERGES {
            return;
        }
        let Some(document) = self.documents.get_mut(name) else { return };
        let is_over = |asked: &mut Question| asked.due_ms <= now.mono_ms;
        let trial = document.checks.trial.as_mut().and_then(|trial| trial.asked.take_if(is_over));
        let write = document.checks.write_asked.take_if(is_over);
        let look = document.checks.look_asked.take_if(is_over);
        if trial.is_none() && write.is_none() && look.is_none() {
            return;
        }
        let error = document.checks.overdue();
        let (is_trial, is_look) = (trial.is_some(), look.is_some());
        let refused = write.is_some().then(|| document.checks.writes.pop_front()).flatten();
        let mut is_news = false;
        for asked in [trial, write, look].into_iter().flatten() {
            is_news |= document.checks.add_late(asked);
        }
        let is_new = matches!(document.shared, Some(Shared::Unfounded { .. }));
        if is_look && let Some(file) = &mut document.file {
            // The person's text stays as it is, and so does the document.
            if is_new {
                file.refuse_first(error.clone());
            } else {
                file.refuse(error.clone());
            }
            let (state, source) = (file.state(), document.written_layer());
            self.events.push_back(Event::Source { document: name.clone(), source, state });
        }
        let Some(document) = self.documents.get_mut(name) else { return };
        let failed = is_trial.then(|| document.fail_trial()).flatten();
        if let Some(replies) = failed {
            self.tell_moved(name);
            self.tell_rejection(name);
            self.end_trial(name, replies, now);
        } else if is_news {
            self.notice(Level::Error, error.clone());
        }
        if let Some(write) = refused {
            self.answer(write.request, Err(error), now);
        }
        self.go_on(name, now);
    }
}
