//! Checks of the program: asked for, never called.
//!
//! A check may take long, may want to write to the document that it checks, or may never come back. So it stands outside,
//! as the store does: what would come into force is asked about ([`Engine::poll_check`]), and the answer
//! ([`Engine::handle_checked`]) lets go on what waited for it. Until then everything else goes on: what others wrote is
//! stored and passed on and shows here what it showed before; writes of this instance wait, in their order.
//!
//! Decisions are made anew with each answer, on what was there when the question was asked ([`Trial`]): so a document that
//! changes faster than it is checked still moves, from one checked state to the next. What came meanwhile is the next trial.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::admission::Admission;
use super::document::Document;
use super::shared::{Command, Reply};
use super::terms::WriteTerms;
use super::types::{Rejection, RequestId, SourceState};
use super::withhold::Held;
use crate::diff::diff;
use crate::error::{Code, Error, Result};
use crate::id::DocumentName;
use crate::merge::{Composed, Layer};
use crate::path::Path;
use crate::policy::Policy;
use crate::schema::Schema;
use crate::value::{Str, Value};

/// How many answers are remembered; a decision rarely needs more than a few of them again.
const MAX_KNOWN: usize = 32;
/// How many questions that are late are remembered; the answers to older ones say nothing any more.
const MAX_LATE: usize = 16;
/// How many paths are told one by one that wait for an answer.
const MAX_WAITING_PATHS: usize = 64;

/// One question to the checks of the program; never reused while the engine lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckTicket(pub u64);

/// A document that the checks of the program are asked about, once the rules of its schema hold.
#[derive(Clone)]
pub struct CheckRequest {
    /// Answer with [`Engine::handle_checked`], in any order.
    pub ticket: CheckTicket,
    /// Which document.
    pub document: DocumentName,
    /// What would come into force.
    pub value: Value,
    pub(super) schema: Schema,
    pub(super) policy: Policy,
}

impl CheckRequest {
    /// Asks the checks that belong to the schema, and gives what they refuse. Takes as long as they do: call it where
    /// nothing waits for it.
    pub fn run(&self) -> Vec<Error> {
        let rules = self.schema.without_checks().report(&self.value, &self.policy, |_| None).errors;
        let all = self.schema.report(&self.value, &self.policy, |_| None).errors;
        all.into_iter().filter(|error| !rules.contains(error)).collect()
    }
}

impl PartialEq for CheckRequest {
    fn eq(&self, other: &CheckRequest) -> bool {
        (self.ticket, &self.document, &self.value) == (other.ticket, &other.document, &other.value)
    }
}

impl std::fmt::Debug for CheckRequest {
    /// Names the document without its values, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CheckRequest({:?} of {})", self.ticket, self.document)
    }
}

/// What waits for the checks of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checking {
    /// When the oldest question without an answer was asked, on the monotonic clock.
    pub since_ms: u64,
    /// How long an answer may take, in milliseconds.
    pub within_ms: u64,
    /// How many writes wait.
    pub writes: usize,
    /// How many questions have had no answer for longer than that.
    pub late: usize,
    /// What brought what is not in force yet: a source's id, `shared`, `file`, …
    pub cause: Option<Str>,
}

/// A document of which nobody knows yet what the checks say.
pub(super) struct Unknown {
    pub(super) value: Value,
    pub(super) policy: Policy,
}

/// Why a write is not made, or not yet.
pub(super) enum Refusal {
    /// It would break the document.
    Wrong(Error),
    /// The checks have to be asked first.
    Unknown(Unknown),
}

/// A question on its way.
pub(super) struct Question {
    pub(super) ticket: CheckTicket,
    pub(super) value: Value,
    pub(super) since_ms: u64,
    pub(super) due_ms: u64,
}

/// Layers that are being checked.
pub(super) struct Trial {
    pub(super) cause: Str,
    /// The shared layer when it began.
    pub(super) shared: Option<Layer>,
    pub(super) unknown: Option<Unknown>,
    pub(super) asked: Option<Question>,
    /// Writes that are stored, and answered once it is known what came into force.
    pub(super) replies: Vec<Reply>,
}

/// A write that is not made yet.
pub(super) struct Waiting {
    pub(super) request: RequestId,
    pub(super) command: Command,
    pub(super) terms: WriteTerms,
    /// How often it was asked about.
    pub(super) asked: u8,
}

/// What a source said while layers were checked.
pub(super) enum Later {
    Layer(Str, Result<Option<Layer>>),
    Sources(Vec<Str>, Vec<(Str, i32)>),
}

/// The checks of one document, and what waits for them.
#[derive(Default)]
pub(super) struct Checks {
    /// The schema with its checks; none where there are none.
    pub(super) schema: Option<Schema>,
    pub(super) within_ms: u64,
    /// What the checks said of documents; the newest last.
    known: VecDeque<(Value, Vec<Error>)>,
    pub(super) trial: Option<Trial>,
    /// What came in while layers were checked: what brought it, and whom to answer.
    pub(super) again: Option<(Str, Vec<Reply>)>,
    pub(super) later: Vec<Later>,
    pub(super) writes: VecDeque<Waiting>,
    pub(super) write_asked: Option<Question>,
    /// An edit of the bound file that is being checked.
    pub(super) look_asked: Option<Question>,
    /// Whether the file should be looked at again.
    pub(super) wants_look: bool,
    /// Questions whose time is over, the oldest first.
    pub(super) late: VecDeque<Question>,
}

impl Checks {
    pub(super) fn new(schema: Option<&Schema>, within_ms: u64) -> Checks {
        Checks { schema: schema.filter(|schema| schema.has_checks()).cloned(), within_ms, ..Checks::default() }
    }

    /// Whether the program checks anything.
    pub(super) fn exist(&self) -> bool {
        self.schema.is_some()
    }

    /// What was said of a document; nothing where there are no checks.
    pub(super) fn verdict(&self, value: &Value) -> Option<&[Error]> {
        if self.schema.is_none() {
            return Some(&[]);
        }
        self.known.iter().rev().find(|(known, _)| known == value).map(|(_, said)| said.as_slice())
    }

    /// What layers make with what the checks say of it. A document whose rules are broken in a way that counts is not asked about.
    pub(super) fn judged(
        &self,
        mut composed: Composed,
        is_known: impl Fn(&Error) -> bool,
        unknown: &RefCell<Option<Unknown>>,
    ) -> Composed {
        if self.schema.is_none() || !composed.errors.iter().all(is_known) {
            return composed;
        }
        match self.verdict(&composed.value) {
            Some(said) => composed.errors.extend(said.iter().map(|error| placed(error, &composed)).collect::<Vec<_>>()),
            None => drop(unknown.borrow_mut().get_or_insert_with(|| Unknown::of(&composed))),
        }
        composed
    }

    pub(super) fn learn(&mut self, value: Value, said: Vec<Error>) {
        self.known.retain(|(known, _)| *known != value);
        self.known.push_back((value, said));
        if self.known.len() > MAX_KNOWN {
            self.known.pop_front();
        }
    }

    /// Whether a write has to wait for those before it. One of the runtime layer also waits for what is being checked, as it
    /// is a part of that.
    pub(super) fn must_wait(&self, is_runtime: bool) -> bool {
        !self.writes.is_empty() || (is_runtime && self.trial.is_some())
    }

    pub(super) fn asked(&mut self) -> impl Iterator<Item = &mut Option<Question>> {
        let trial = self.trial.as_mut().map(|trial| &mut trial.asked);
        trial.into_iter().chain([&mut self.write_asked, &mut self.look_asked])
    }

    pub(super) fn is_asking(&self) -> bool {
        self.trial.is_some() || !self.writes.is_empty() || self.look_asked.is_some()
    }

    /// That the checks took too long.
    pub(super) fn overdue(&self) -> Error {
        let error =
            Error::new(Code::Busy, format!("the checks of the program gave no answer within {} ms", self.within_ms));
        error.with_hint("let a check only look at what it is given, or give it longer")
    }

    /// Remembers a question whose time is over. Returns whether it is the only one.
    pub(super) fn add_late(&mut self, asked: Question) -> bool {
        self.late.push_back(asked);
        if self.late.len() > MAX_LATE {
            self.late.pop_front();
        }
        self.late.len() == 1
    }

    pub(super) fn status(&self) -> Option<Checking> {
        let trial = self.trial.as_ref().and_then(|trial| trial.asked.as_ref());
        let asked = self.late.iter().chain(trial).chain(&self.write_asked).chain(&self.look_asked);
        Some(Checking {
            since_ms: asked.map(|asked| asked.since_ms).min()?,
            within_ms: self.within_ms,
            writes: self.writes.len(),
            late: self.late.len(),
            cause: self.trial.as_ref().map(|trial| trial.cause.clone()),
        })
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Wrong(error)
    }
}

impl From<Unknown> for Refusal {
    fn from(unknown: Unknown) -> Refusal {
        Refusal::Unknown(unknown)
    }
}

impl Unknown {
    pub(super) fn of(composed: &Composed) -> Unknown {
        Unknown { value: composed.value.clone(), policy: composed.policy.clone() }
    }
}

/// An error of a check with the place where the value stands; of what is missing, that of the map that lacks it.
pub(super) fn placed(error: &Error, composed: &Composed) -> Error {
    let path = error.path().filter(|_| error.origin().is_none()).cloned();
    let origin = std::iter::successors(path, Path::parent).find_map(|path| composed.origin(&path));
    origin.into_iter().fold(error.clone(), Error::with_origin)
}

impl Document {
    /// Layers wait for an answer.
    pub(super) fn begin_trial(&mut self, cause: &str, shared: Option<Layer>, unknown: Unknown) {
        self.checks.trial =
            Some(Trial { cause: cause.into(), shared, unknown: Some(unknown), asked: None, replies: Vec::new() });
    }

    /// What of the shared layer is not in force until an answer is there: also what came since the question.
    pub(super) fn waiting(&self) -> Held {
        match (&self.checks.trial, &self.checks.again) {
            (None, None) => Held::new(),
            _ => self.waiting_paths(self.accepted.as_ref(), self.shared_layer().as_ref()),
        }
    }

    /// What differs between two forms of the shared layer, as paths that wait for an answer.
    pub(super) fn waiting_paths(&self, accepted: Option<&Layer>, newest: Option<&Layer>) -> Held {
        let nothing = Value::empty_map();
        let value = |layer: Option<&Layer>| layer.map_or_else(|| nothing.clone(), |layer| layer.value.clone());
        let changes = diff(&value(accepted), &value(newest));
        let is_many = changes.len() > MAX_WAITING_PATHS;
        let paths = changes.into_iter().map(|change| change.path);
        let paths: Vec<Path> = if is_many { vec![Path::root()] } else { paths.collect() };
        let reason = Error::new(Code::Busy, "the checks of the program have not answered yet");
        paths.into_iter().map(|path| (path.clone(), reason.clone().with_path(path))).collect()
    }

    /// The layers that were being checked are decided on anew, with what is known now. None where more has to be asked.
    pub(super) fn resume_trial(&mut self) -> Option<(Str, Vec<Reply>, Composed)> {
        let trial = self.checks.trial.take()?;
        match self.plan(&trial.cause, trial.shared.clone(), self.accepted.as_ref(), &self.latest) {
            Ok(plan) => {
                let composed = self.carry_out(plan, &trial.cause);
                Some((trial.cause, trial.replies, composed))
            }
            Err(unknown) => {
                self.checks.trial = Some(Trial { unknown: Some(unknown), asked: None, ..trial });
                None
            }
        }
    }

    /// Holds back what could not be checked.
    fn hold_back(&mut self, cause: &str, held: Held, error: &Error) {
        let source = self.sources.iter_mut().find(|source| source.id == *cause && source.newest.is_some());
        if let Some(source) = source {
            (source.state, source.is_blamed) = (SourceState::Stale(error.clone()), true);
            self.moved.push(source.id.clone());
        }
        if let Admission::Opening(_) = self.admission {
            // Nothing was in force since the start.
            self.latest.errors = vec![error.clone()];
        } else if !held.is_empty() {
            self.admission = Admission::Withholding(held);
        }
    }

    /// No answer came in time: nothing of the layers comes into force, and why not is told. Returns whom to answer.
    pub(super) fn fail_trial(&mut self) -> Option<Vec<Reply>> {
        let waiting = self.waiting();
        let Trial { cause, replies, .. } = self.checks.trial.take()?;
        let error = self.checks.overdue();
        let held = waiting.into_keys().map(|path| (path.clone(), error.clone().with_path(path))).collect();
        self.hold_back(&cause, held, &error);
        self.rejection = Some(Rejection { cause, errors: vec![error] });
        Some(replies)
    }
}
