//! What stands around a driver in a process: it takes in what happened, in batches, and carries bytes to the disk, the file
//! and the network.
//!
//! Where chance has it so, several things are taken in before anything is done about them, as a process does that was not
//! given the processor for a while, and what a file held or what became of a write is told later than it was found.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};

use confmesh::driver::{Action, Driver, Look, Patience};
use confmesh::engine::{Engine, FileEdit, Ticket};
use confmesh::{Code, Error, Result};

use super::host::name;
use super::swarm::Fault;
use super::world::World;
use super::{Checked, Property, violated};

/// A watcher tells of every content within this time, so this is how long a text has to hold still that none told of.
pub(crate) const PATIENCE: Patience = Patience { text_ms: 12_000, nothing_ms: 12_000 };
/// When a watcher looks without having been told to.
const POLL_MS: u64 = 2_000;
/// How long a file is missing or empty before a watcher believes it.
pub(crate) const CAP_MS: u64 = 500;

/// The driver of a running process. What people and the network do goes to its engine.
pub(crate) struct Process(Driver);

impl Process {
    pub(crate) fn new(engine: Engine) -> Process {
        Process(Driver::new(engine))
    }

    pub(crate) fn driver(&mut self) -> &mut Driver {
        &mut self.0
    }

    /// When time itself is the next input.
    pub(crate) fn due(&self) -> Option<u64> {
        self.0.poll_timeout()
    }
}

impl Deref for Process {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        self.0.engine()
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Engine {
        self.0.engine_mut()
    }
}

/// Something that was found or done, and that the process has not taken in yet.
pub(crate) enum Answer {
    Looked(Look, Result<Option<String>>),
    Edited(FileEdit),
    Wrote(Result<()>, Option<&'static str>),
}

/// What stands around one driver.
#[derive(Default)]
pub(crate) struct Around {
    pub(crate) answers: Vec<Answer>,
    /// How many things it took in without having done anything about them, and when it goes on at the latest.
    pub(crate) postponed: usize,
    pub(crate) resumes_ms: Option<u64>,
    /// What the watcher told last, and when it tells the next content.
    told: Option<Option<String>>,
    pub(crate) tells_ms: Option<u64>,
    /// Texts that people saved to the end.
    pub(crate) saved: BTreeSet<String>,
    /// Until when the disk of the store is full.
    pub(crate) full_until_ms: u64,
    /// The last batch that failed, while the driver has not said that it knows.
    pub(crate) failed: Option<Ticket>,
    /// That the driver knows of a failure, and behind how many batches the store hears of it.
    pub(crate) marks: Vec<(usize, Ticket)>,
    /// Failures of the store since somebody did something, and since when.
    failures: usize,
    failures_since_ms: u64,
    /// Whether it was told that the store fails, and nothing got there since.
    pub(crate) was_told: bool,
}

impl Around {
    pub(crate) fn of(file: Option<&String>) -> Around {
        Around { saved: file.into_iter().cloned().collect(), ..Around::default() }
    }
}

impl World {
    fn batches(&self) -> usize {
        if self.faults { self.swarm.rate(Fault::Batch) } else { 0 }
    }

    /// Deals with what was taken in, at once or later.
    pub(crate) fn settle(&mut self, at: usize) -> Checked {
        let rate = self.batches();
        if rate > 0 && self.hosts[at].around.postponed < 255 && self.around.chance(rate) {
            let pause = 20 + u64::try_from(self.around.below(180)).unwrap();
            let until_ms = self.now_ms + pause;
            let around = &mut self.hosts[at].around;
            around.postponed += 1;
            around.resumes_ms.get_or_insert(until_ms);
            return Ok(());
        }
        self.rest(at)
    }

    /// Does everything that is to be done, until nothing is.
    pub(crate) fn rest(&mut self, at: usize) -> Checked {
        let around = &mut self.hosts[at].around;
        (around.postponed, around.resumes_ms) = (0, None);
        for round in 0.. {
            if round > 2_000 {
                return violated(Property::Liveness, format!("{at} never comes to rest"));
            }
            self.drain(at)?;
            if !self.take_in(at)? {
                break;
            }
        }
        self.check(at)
    }

    /// Takes everything that one driver says.
    fn drain(&mut self, at: usize) -> Checked {
        while let Some(action) = self.hosts[at].engine.as_mut().and_then(|process| process.driver().poll()) {
            if self.dies(at)? {
                return Ok(());
            }
            match action {
                Action::Store(batch) => self.hosts[at].batches.push_back(batch),
                Action::Resume(ticket) => {
                    let behind = self.hosts[at].batches.len();
                    self.hosts[at].around.marks.push((behind, ticket));
                    self.resume(at);
                }
                Action::Transmit(transmit) => self.send(at, transmit),
                Action::Publish(publish) => self.publish(at, publish),
                Action::Say(_) => {}
                Action::Look(look) => {
                    let found = self.hosts[at].read();
                    let rate = self.batches();
                    if rate > 0 && self.around.chance(rate / 2) {
                        self.hosts[at].around.answers.push(Answer::Looked(look, found));
                    } else {
                        self.answer(at, Answer::Looked(look, found));
                    }
                }
                Action::Edit(edit) => {
                    let rate = self.batches();
                    if rate > 0 && self.around.chance(rate / 2) {
                        self.hosts[at].around.answers.push(Answer::Edited(edit));
                    } else {
                        self.answer(at, Answer::Edited(edit));
                    }
                }
                Action::Write(write) => {
                    let is_busy =
                        self.hosts[at].around.answers.iter().any(|answer| matches!(answer, Answer::Wrote(..)));
                    if is_busy || !self.hosts[at].due.is_empty() {
                        return violated(Property::Other, format!("{at} writes its file twice at once"));
                    }
                    self.hosts[at].due.push_back(write);
                }
                Action::Check(request) => {
                    return violated(Property::Other, format!("{at} asks {request:?}, and has no checks"));
                }
                Action::Keep(copy) => self.hosts[at].kept.push(copy.text),
                Action::Event(event) => self.event(at, event)?,
            }
        }
        Ok(())
    }

    /// The store comes to what the driver said behind the batches that it got.
    fn resume(&mut self, at: usize) {
        let around = &mut self.hosts[at].around;
        let (due, later) = std::mem::take(&mut around.marks).into_iter().partition(|(behind, _)| *behind == 0);
        around.marks = later;
        let due: Vec<(usize, Ticket)> = due;
        around.failed.take_if(|failed| due.iter().any(|(_, ticket)| ticket == failed));
    }

    /// The store is done with a batch.
    pub(crate) fn batch_done(&mut self, at: usize) {
        self.hosts[at].around.marks.iter_mut().for_each(|(behind, _)| *behind = behind.saturating_sub(1));
        self.resume(at);
    }

    /// Takes in what the disks have to say: one thing, or a batch. False where there was nothing.
    fn take_in(&mut self, at: usize) -> Checked<bool> {
        let rate = self.batches();
        let most = if rate == 0 { 1 } else { [1, 2, 5, 256][self.around.below(4)] };
        let mut took = 0;
        while took < most && self.hosts[at].engine.as_mut().is_some_and(|process| !process.driver().is_full()) {
            let first = if rate == 0 { 0 } else { self.around.below(3) };
            let mut moved = false;
            for kind in 0..3 {
                moved = match (first + kind) % 3 {
                    0 => !self.hosts[at].holds_batches && self.persist(at)?,
                    1 => !self.hosts[at].holds_files && self.write_file(at)?,
                    _ => self.answer_one(at),
                };
                if moved {
                    break;
                }
            }
            if !moved {
                break;
            }
            took += 1;
        }
        Ok(took > 0)
    }

    fn answer_one(&mut self, at: usize) -> bool {
        let answers = &mut self.hosts[at].around.answers;
        if answers.is_empty() {
            return false;
        }
        let answer = answers.remove(0);
        self.answer(at, answer);
        true
    }

    pub(crate) fn answer(&mut self, at: usize, answer: Answer) {
        let now = self.hosts[at].now(self.now_ms);
        let Some(process) = &mut self.hosts[at].engine else { return };
        match answer {
            Answer::Looked(look, found) => process.driver().handle_look(&look, found, now),
            Answer::Edited(edit) => process.driver().handle_edited(edit.run()),
            Answer::Wrote(result, keep_as) => process.driver().handle_wrote(&name(), result, keep_as, now),
        }
    }

    /// What became of a write of the file, told now or later.
    pub(crate) fn wrote(&mut self, at: usize, result: Result<()>, keep_as: Option<&'static str>) {
        let rate = self.batches();
        let answer = Answer::Wrote(result, keep_as);
        if rate > 0 && self.around.chance(rate / 2) {
            self.hosts[at].around.answers.push(answer);
        } else {
            self.answer(at, answer);
        }
    }

    /// The file of a process has another content now: the watcher tells it, if nobody tells sooner.
    pub(crate) fn file_changed(&mut self, at: usize, wait_ms: u64) {
        let tells_ms = self.now_ms + wait_ms;
        self.hosts[at].around.tells_ms = Some(tells_ms);
    }

    /// The watcher tells what the file holds, unless it did, or somebody is saving just now.
    pub(crate) fn watch(&mut self, at: usize) -> Checked {
        if self.hosts[at].editor.as_ref().is_some_and(|editor| editor.hides(self.now_ms)) {
            self.file_changed(at, 20);
            return Ok(());
        }
        let found = self.hosts[at].read();
        let host = &mut self.hosts[at];
        host.around.tells_ms = None;
        let Some(process) = &mut host.engine else { return Ok(()) };
        if let Ok(text) = &found {
            if host.around.told.as_ref() == Some(text) {
                return Ok(());
            }
            host.around.told = Some(text.clone());
        }
        process.driver().handle_file_hint(&name(), found);
        self.note(|| format!("the watcher of {at} tells"));
        self.settle(at)
    }

    /// A new process: its watcher has told nothing.
    pub(crate) fn watch_anew(&mut self, at: usize) {
        let around = &mut self.hosts[at].around;
        (around.told, around.failed, around.was_told) = (None, None, false);
        around.answers.clear();
        around.marks.clear();
        (around.postponed, around.resumes_ms) = (0, None);
        self.file_changed(at, 20);
    }

    /// When the next of these things happens, at a host that is up.
    pub(crate) fn around_due(&self) -> Option<u64> {
        let of = |host: &super::host::Host| {
            let editor = host.editor.as_ref().and_then(|editor| editor.next_ms());
            let running = host.is_up().then_some([host.around.resumes_ms, host.around.tells_ms]);
            running.into_iter().flatten().flatten().chain(editor).min()
        };
        self.hosts.iter().filter_map(of).min()
    }

    /// Does what is due around the processes.
    pub(crate) fn happen_around(&mut self) -> Checked {
        for at in 0..self.hosts.len() {
            self.go_on_editing(at);
            let around = &self.hosts[at].around;
            let is_due = |moment: Option<u64>| moment.is_some_and(|ms| ms <= self.now_ms);
            let (tells, resumes) = (is_due(around.tells_ms), is_due(around.resumes_ms));
            if self.hosts[at].is_up() && tells {
                self.watch(at)?;
            }
            if self.hosts[at].is_up() && resumes {
                self.rest(at)?;
            }
        }
        Ok(())
    }

    /// Whether the disk of the store has room.
    pub(crate) fn is_full(&self, at: usize) -> bool {
        self.faults && self.now_ms < self.hosts[at].around.full_until_ms
    }

    /// The store failed: nobody may make it fail again and again.
    pub(crate) fn count_failure(&mut self, at: usize) -> Checked {
        let around = &mut self.hosts[at].around;
        if around.failures == 0 {
            around.failures_since_ms = self.now_ms;
        }
        around.failures += 1;
        let seconds = usize::try_from((self.now_ms - around.failures_since_ms) / 1_000).unwrap();
        if around.failures > 300 + 60 * seconds {
            let what = format!("{at} made its store fail {} times in {seconds} s", around.failures);
            return violated(Property::Liveness, what);
        }
        Ok(())
    }

    /// Somebody does something: what the store has to do from now on may be due to that.
    pub(crate) fn forget_failures(&mut self) {
        self.hosts.iter_mut().for_each(|host| host.around.failures = 0);
    }

    /// A failing store is told once, until something got there.
    pub(crate) fn told_of_store(&mut self, at: usize, error: &Error) -> Checked {
        if error.code() != Code::Store || !error.to_string().contains("the disk is full") {
            return Ok(());
        }
        if std::mem::replace(&mut self.hosts[at].around.was_told, true) {
            return violated(Property::Other, format!("{at} tells again that its store fails"));
        }
        Ok(())
    }

    /// A process is asked to end: it finishes what it began, and answers everybody.
    pub(crate) fn close(&mut self, at: usize) -> Checked {
        self.note(|| format!("{at} is closed"));
        let host = &mut self.hosts[at];
        (host.holds_batches, host.holds_files) = (false, false);
        self.drain(at)?;
        while self.hosts[at].engine.as_mut().is_some_and(|process| process.driver().is_busy()) {
            // A process may die while it ends.
            if !self.take_in(at)? && self.hosts[at].engine.is_some() {
                return violated(Property::Liveness, format!("{at} waits for what nobody owes it"));
            }
            self.drain(at)?;
        }
        let host = &self.hosts[at];
        let Some(process) = &host.engine else { return Ok(()) };
        let is_founded = process.status().first().is_some_and(|status| status.genesis.is_some());
        if let Some((request, wish)) = host.open.iter().next().filter(|_| is_founded) {
            return violated(Property::Liveness, format!("{at} ended and never answered {request:?}: {wish:?}"));
        }
        if !host.batches.is_empty() || !host.due.is_empty() {
            return violated(Property::Durability, format!("{at} ended before it finished what it had begun"));
        }
        self.kill(at)
    }

    /// When the watcher finds out by itself.
    pub(crate) fn poll_ms(&mut self) -> u64 {
        [20, 20, 60, POLL_MS][self.around.below(4)]
    }
}
