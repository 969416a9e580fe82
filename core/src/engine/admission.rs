//! What comes into force: layers that make a valid document, and nothing else.
//!
//! A source or the shared layer may say what the schema refuses, or refer to what is not there. A replica takes every
//! well-formed write, or replicas would differ; so the check stands between the layers and what is in force. What is
//! invalid in the shared layer is withheld path by path ([`super::withhold`]); a source that breaks the document is held
//! back, and the one that was accepted before it stays. Each later change tries both again.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::checks::{Refusal, Unknown, placed};
use super::culprits;
use super::document::Document;
use super::records::withheld_record;
use super::shared::{Shared, Step};
use super::types::{Level, Rejection, SourceState, StoreWrite, Ticket, together};
use super::withhold::{Held, Partly, Search, with_before};
use super::{Engine, REPLICATES, RUNTIME};
use crate::error::{Code, Error, Result};
use crate::id::DocumentName;
use crate::merge::{Composed, Layer, Withheld, priority};
use crate::path::Path;
use crate::replica::Edit;
use crate::value::{Str, Value};

/// How often a write is asked about whose document others change meanwhile.
const MAX_ASKED: u8 = 3;

/// How much of the shared layer is in force.
#[derive(Clone)]
pub(super) enum Admission {
    /// The sources are read for the first time since the start; these paths were withheld before it.
    Opening(BTreeSet<Path>),
    /// All of it, or there is none.
    InForce,
    /// These paths show what they showed before; the root stands for the whole layer.
    Withholding(Held),
}

/// What was in force at withheld paths; nothing where nothing was.
pub(super) type Kept = BTreeMap<Path, Option<Value>>;

/// What becomes of the newest layers.
pub(super) struct Plan {
    takes: Takes,
    /// The shared layer as far as it comes into force.
    shared: Option<Layer>,
    admission: Admission,
    /// What is wrong with the newest layers.
    errors: Vec<Error>,
    composed: Composed,
}

/// Which of the newest layers of sources come into force.
#[derive(Clone, PartialEq)]
enum Takes {
    All,
    Only(usize),
    Without(BTreeSet<usize>),
    None,
}

impl Takes {
    fn takes(&self, at: usize) -> bool {
        match self {
            Takes::All => true,
            Takes::Only(only) => *only == at,
            Takes::Without(left_out) => !left_out.contains(&at),
            Takes::None => false,
        }
    }
}

/// A plan for the shared layer as a batch on its way to the store will make it: so what the batch withholds is stored
/// with it, and nothing is checked twice.
pub(super) struct Foreseen {
    ticket: Ticket,
    /// The sources that it was made with, see [`Document::sources_turn`].
    turn: u64,
    /// What of the shared layer was to be in force by then.
    before: Option<Value>,
    newest: Value,
    plan: Plan,
    /// Whether the checks of the program have to be asked first: then the plan is to hold everything back.
    waits: bool,
}

impl Admission {
    fn held(&self) -> Option<&Held> {
        if let Admission::Withholding(held) = self { Some(held) } else { None }
    }

    fn whole(reason: Error) -> Admission {
        Admission::Withholding([(Path::root(), reason)].into_iter().collect())
    }
}

impl Document {
    /// Accepts the newest layers as far as they make a valid document. Returns what the accepted ones make; none where the
    /// checks of the program have to be asked first.
    pub(super) fn admit(&mut self, cause: &str) -> Option<Composed> {
        let arrived = self.arrived.take();
        if self.checks.trial.is_some() {
            self.checks.again.get_or_insert_with(|| (cause.into(), Vec::new())).0 = cause.into();
            return None;
        }
        let shared = self.shared_layer();
        if let Some(arrived) = arrived.filter(|arrived| self.is_as_foreseen(arrived)) {
            debug_assert!(Some(&arrived.newest) == shared.as_ref().map(|layer| &layer.value), "a batch became another");
            return Some(self.carry_out(arrived.plan, cause));
        }
        match self.plan(cause, shared.clone(), self.accepted.as_ref(), &self.latest) {
            Ok(plan) => Some(self.carry_out(plan, cause)),
            Err(unknown) => {
                self.begin_trial(cause, shared, unknown);
                None
            }
        }
    }

    /// What becomes of the newest layers, where these were in force; or what has to be asked first.
    pub(super) fn plan(
        &self,
        cause: &str,
        shared: Option<Layer>,
        accepted: Option<&Layer>,
        latest: &Composed,
    ) -> Result<Plan, Unknown> {
        let unknown = RefCell::new(None);
        let plan = self.planned(cause, shared, (accepted, latest), &unknown);
        unknown.into_inner().map_or(Ok(plan), Err)
    }

    fn planned(
        &self,
        cause: &str,
        shared: Option<Layer>,
        (accepted, latest): (Option<&Layer>, &Composed),
        unknown: &RefCell<Option<Unknown>>,
    ) -> Plan {
        let compose = |takes: Takes, shared: Option<&Layer>| {
            let sources = self.sources.iter().enumerate().filter_map(|(at, source)| match &source.newest {
                Some(newest) if takes.takes(at) => Some(newest.clone()),
                _ => source.layer.clone(),
            });
            self.composition.update(&sources.chain(shared.cloned()).collect::<Vec<_>>(), latest)
        };
        let partly = |value: Value| shared.as_ref().map(|layer| holding(layer.clone(), value));
        let nothing = Value::empty_map();
        let before = accepted.map_or(&nothing, |layer| &layer.value);
        if let (Admission::Opening(paths), true) = (&self.admission, self.is_opening()) {
            let kept = shared.as_ref().and_then(|layer| partly(with_before(&layer.value, before, paths)));
            let composed = compose(Takes::All, kept.as_ref());
            // What is wrong while a source is missing may be right with it: until all are there nothing is decided.
            let (takes, shared) = match composed.errors.is_empty() {
                true => (Takes::All, kept),
                false => (Takes::None, accepted.cloned()),
            };
            let (admission, errors) = (self.admission.clone(), composed.errors.clone());
            return Plan { takes, shared, admission, errors, composed };
        }
        let has_opened = matches!(self.admission, Admission::Opening(_));
        let known: &[Error] = if has_opened { &[] } else { &latest.errors };
        let is_known = |error: &Error| is_among(error, known);
        let compose =
            |takes: Takes, shared: Option<&Layer>| self.checks.judged(compose(takes, shared), is_known, unknown);
        let full = compose(Takes::All, shared.as_ref());
        let errors = full.errors.clone();
        if !self.composition.can_refuse() || errors.iter().all(is_known) {
            return Plan { takes: Takes::All, shared, admission: Admission::InForce, errors, composed: full };
        }
        // What is held back already may be all that is wrong: what came now is tried beside what was accepted.
        let newest: Vec<usize> =
            self.sources.iter().enumerate().filter(|(_, source)| source.newest.is_some()).map(|(at, _)| at).collect();
        let came = newest.iter().copied().find(|at| self.sources.get(*at).is_some_and(|source| source.id == *cause));
        // Where all of them came for the first time, those that break the document are found one by one.
        let culprits = has_opened.then(|| {
            let layers: Vec<(usize, &Layer)> =
                newest.iter().filter_map(|at| Some((*at, self.newest_at(*at)?))).collect();
            culprits::find(&errors, &layers, |left_out| {
                compose(Takes::Without(left_out.clone()), shared.as_ref()).errors
            })
        });
        let culprits = culprits.filter(|found| !found.is_empty()).map(Takes::Without);
        let alone = came.filter(|_| newest.len() > 1 && !has_opened).map(Takes::Only);
        let without = (!newest.is_empty()).then_some(Takes::None);
        for takes in [Some(Takes::All), culprits, alone, without].into_iter().flatten() {
            let first = if takes == Takes::All { full.clone() } else { compose(takes.clone(), shared.as_ref()) };
            if first.errors.iter().all(is_known) {
                return Plan { takes, shared, admission: Admission::InForce, errors, composed: first };
            }
            let Some(layer) = &shared else { continue };
            let search = Search { newest: &layer.value, before, profiles: self.composition.profiles() };
            let found = search.run(&first, is_known, |value| compose(takes.clone(), partly(value).as_ref()));
            if let Some(Partly { held, value, composed }) = found {
                let admission = Admission::Withholding(held);
                return Plan { takes, shared: partly(value), admission, errors, composed };
            }
        }
        let new: Vec<Error> = errors.iter().filter(|error| !is_known(error)).cloned().collect();
        let is_other = accepted.map(|layer| &layer.value) != shared.as_ref().map(|layer| &layer.value);
        let admission = if is_other { Admission::whole(together(&new)) } else { Admission::InForce };
        if let Admission::Opening(paths) = &self.admission {
            // Nothing valid can be made of what is there: it is mended from here on, problem by problem.
            let kept = shared.as_ref().and_then(|layer| partly(with_before(&layer.value, before, paths)));
            let composed = compose(Takes::All, kept.as_ref());
            let held: Held = paths.iter().map(|path| (path.clone(), together(&new))).collect();
            let admission = if held.is_empty() { Admission::InForce } else { Admission::Withholding(held) };
            return Plan { takes: Takes::All, shared: kept, admission, errors, composed };
        }
        let accepted = accepted.cloned();
        if let Some(takes) = came.map(Takes::Only) {
            let composed = compose(takes.clone(), accepted.as_ref());
            if composed.errors.iter().all(is_known) {
                return Plan { takes, shared: accepted, admission, errors, composed };
            }
        }
        Plan { takes: Takes::None, shared: accepted, admission, errors, composed: latest.clone() }
    }

    fn newest_at(&self, at: usize) -> Option<&Layer> {
        self.sources.get(at)?.newest.as_ref()
    }

    pub(super) fn carry_out(&mut self, plan: Plan, cause: &str) -> Composed {
        let is_decided = !self.is_opening();
        let has_opened = is_decided && matches!(self.admission, Admission::Opening(_));
        for (at, source) in self.sources.iter_mut().enumerate() {
            let is_taken = plan.takes.takes(at);
            let is_held = !is_taken && source.newest.is_some() && (source.id == *cause || has_opened);
            let newest = source.newest.take_if(|_| is_taken);
            let came = newest.is_some();
            if let Some(layer) = newest {
                source.layer = Some(layer);
                self.sources_turn += 1;
            }
            // Of a document of which nothing is valid, those to blame are as good as held back.
            let is_blamed = is_taken && (source.is_blamed || (has_opened && came)) && {
                let layer = source.layer.as_ref();
                layer.is_some_and(|layer| plan.composed.errors.iter().any(|error| culprits::names(error, layer)))
            };
            if is_decided && (is_held || is_blamed) {
                let layer = source.newest.as_ref().or(source.layer.as_ref());
                let own = layer.map(|layer| plan.errors.iter().filter(|error| culprits::names(error, layer)).cloned());
                let own: Vec<Error> = own.into_iter().flatten().collect();
                let state = SourceState::Stale(together(if own.is_empty() { &plan.errors } else { &own }));
                if source.state != state {
                    self.moved.push(source.id.clone());
                }
                (source.state, source.is_blamed) = (state, true);
            } else if is_taken && source.is_blamed {
                (source.state, source.is_blamed) = (SourceState::Fresh, false);
                self.moved.push(source.id.clone());
            }
        }
        self.sources.retain(|source| !source.is_leaving || source.newest.is_some());
        (self.accepted, self.admission) = (plan.shared, plan.admission);
        let same = self.rejection.as_ref().filter(|before| before.errors == plan.errors && !self.is_opening());
        let blamed = self.sources.iter().find(|source| has_opened && source.is_blamed).map(|source| source.id.clone());
        let cause = blamed.or(same.map(|before| before.cause.clone())).unwrap_or_else(|| Str::from(cause));
        self.rejection = (!plan.errors.is_empty()).then_some(Rejection { cause, errors: plan.errors });
        plan.composed
    }

    /// Whether what a source said is in force; none while that is not decided.
    pub(super) fn takes_source(&self, id: &str) -> Option<bool> {
        let source = self.sources.iter().find(|source| source.id == *id)?;
        if source.newest.is_some() && self.is_opening() {
            return None;
        }
        Some(source.newest.is_none() && !source.is_blamed && source.layer.is_some() && self.latest.errors.is_empty())
    }

    pub(super) fn holds_back(&self, id: &str) -> bool {
        self.sources.iter().any(|source| source.id == *id && source.is_blamed)
    }

    pub(super) fn is_opening(&self) -> bool {
        self.sources.iter().any(|source| !source.was_heard)
            || self.file.as_ref().is_some_and(|file| !file.was_looked_at())
    }

    /// Plans what becomes of a shared layer that is on its way to the store.
    pub(super) fn foresee(&mut self, ticket: Ticket, cause: &str) {
        let newest = self.shared.as_ref().and_then(Shared::founded).map(|founded| founded.pending_value.clone());
        let Some(newest) = newest.filter(|_| self.composition.can_refuse() && !self.is_opening()) else { return };
        let shared = Some(self.layer_of(newest.clone()));
        let (accepted, latest) = match self.last_foreseen() {
            Some(plan) => (plan.shared.as_ref(), &plan.composed),
            None => (self.accepted.as_ref(), &self.latest),
        };
        let before = accepted.map(|layer| layer.value.clone());
        let (plan, waits) = match self.plan(cause, shared.clone(), accepted, latest) {
            Ok(plan) => (plan, false),
            // Until the checks have answered, also over a restart, it shows what it showed before.
            Err(_) => {
                let admission = Admission::Withholding(self.waiting_paths(accepted, shared.as_ref()));
                let (accepted, composed) = (accepted.cloned(), latest.clone());
                (Plan { takes: Takes::None, shared: accepted, admission, errors: Vec::new(), composed }, true)
            }
        };
        self.foreseen.push_back(Foreseen { ticket, turn: self.sources_turn, before, newest, plan, waits });
    }

    fn last_foreseen(&self) -> Option<&Plan> {
        self.foreseen.back().filter(|last| last.turn == self.sources_turn).map(|last| &last.plan)
    }

    /// Whether what was planned is what would be planned now: what is valid is so whatever was there before.
    fn is_as_foreseen(&self, arrived: &Foreseen) -> bool {
        let is_like = || arrived.before.as_ref() == self.accepted.as_ref().map(|layer| &layer.value);
        !arrived.waits && arrived.turn == self.sources_turn && (arrived.plan.errors.is_empty() || is_like())
    }

    /// The batch with this ticket is in the store.
    pub(super) fn arrive(&mut self, ticket: Ticket) {
        self.arrived = None;
        while self.foreseen.front().is_some_and(|first| first.ticket <= ticket) {
            self.arrived = self.foreseen.pop_front().filter(|first| first.ticket == ticket);
        }
    }

    /// Nothing on its way will arrive, and nobody knows what the store holds of it.
    pub(super) fn forget_foreseen(&mut self) {
        (self.arrived, self.kept) = (None, None);
        self.foreseen.clear();
    }

    /// Goes on withholding what was withheld when the store was last written.
    pub(super) fn restore_withheld(&mut self, kept: Kept) {
        if let Some(shared) = self.shared_layer() {
            let value = kept.iter().fold(shared.value.clone(), |value, (path, before)| match before {
                Some(before) => value.with(path, before.clone()),
                None => value.without(path),
            });
            self.accepted = Some(holding(shared, value));
        }
        self.admission = Admission::Opening(kept.keys().cloned().collect());
        self.kept = Some(kept);
    }

    /// The record of what was in force at withheld paths, where the store holds another one.
    pub(super) fn take_withheld_record(&mut self) -> Option<StoreWrite> {
        if !self.composition.can_refuse() {
            return None;
        }
        let (admission, accepted, waiting) = match self.last_foreseen() {
            Some(plan) => (&plan.admission, plan.shared.as_ref(), Held::new()),
            None => (&self.admission, self.accepted.as_ref(), self.waiting()),
        };
        let paths: Vec<&Path> = match admission {
            Admission::Opening(paths) => paths.iter().collect(),
            Admission::Withholding(held) => held.keys().collect(),
            Admission::InForce => Vec::new(),
        };
        let before = |path: &Path| accepted.and_then(|layer| layer.value.at(path)).cloned();
        let paths: BTreeSet<&Path> = paths.into_iter().chain(waiting.keys()).collect();
        let is_covered = |path: &Path| paths.iter().any(|above| *above != path && path.starts_with(above));
        let kept = paths.iter().filter(|path| !is_covered(path));
        let kept: Kept = kept.map(|path| ((*path).clone(), before(path))).collect();
        if self.kept.as_ref() == Some(&kept) {
            return None;
        }
        let record = withheld_record(&self.name, &kept);
        self.kept = Some(kept);
        Some(record)
    }

    /// What of the shared layer is not in force: it is invalid, or the checks of the program have not answered.
    fn held_now(&self) -> Held {
        let mut held = self.admission.held().cloned().unwrap_or_default();
        for (path, error) in self.waiting() {
            if !held.keys().any(|above| path.starts_with(above)) {
                held.insert(path, error);
            }
        }
        held
    }

    /// What of the shared layer is not in force, and why.
    pub(super) fn withheld(&self) -> Vec<Withheld> {
        let held = self.held_now();
        if held.is_empty() || self.guest.is_some() {
            return Vec::new();
        }
        let shared = self.shared_layer();
        let value = |path: &Path| {
            let value = shared.as_ref().filter(|_| !path.is_root())?.value.at(path)?;
            Some(self.policy.masked(path, value))
        };
        held.into_iter().map(|(path, error)| Withheld { value: value(&path), path, error }).collect()
    }

    /// What of these paths, above them or below them is not in force.
    pub(super) fn withheld_at(&self, paths: &[Path]) -> Vec<Withheld> {
        let mut withheld = self.withheld();
        withheld
            .retain(|Withheld { path: at, .. }| paths.iter().any(|path| path.starts_with(at) || at.starts_with(path)));
        withheld
    }

    /// Why what was written at these paths is not in force, where it is not.
    pub(super) fn not_in_force(&self, paths: &[Path]) -> Option<Error> {
        if !self.latest.errors.is_empty() {
            return self.rejection.as_ref().map(Rejection::to_error);
        }
        Error::all(self.withheld_at(paths).into_iter().map(|withheld| withheld.error))
    }

    /// A shared layer as the bound file may show it: what is withheld shows what was in force before. None where nothing
    /// of it is in force.
    pub(super) fn shown_of(&self, newest: &Value) -> Option<Value> {
        if !self.composition.can_refuse() {
            return Some(newest.clone());
        }
        let is_unchecked = self.checks.exist() && matches!(self.admission, Admission::Opening(_));
        let held = self.held_now();
        if !self.latest.errors.is_empty() || is_unchecked || held.contains_key(&Path::root()) {
            return None;
        }
        let before = self.accepted.as_ref().map_or_else(Value::empty_map, |layer| layer.value.clone());
        Some(with_before(newest, &before, held.keys()))
    }

    /// What should be told of the document: that something of it is rejected or withheld and why, or in force again.
    fn take_news(&mut self) -> Vec<(Level, Error)> {
        let held: BTreeSet<Path> = self.admission.held().into_iter().flat_map(Held::keys).cloned().collect();
        if self.is_opening() || (self.told == self.rejection && self.told_withheld == held) {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.told, self.rejection.clone());
        let held_before = std::mem::replace(&mut self.told_withheld, held);
        let name = &self.name;
        let mut news = Vec::new();
        for path in held_before.difference(&self.told_withheld).filter(|path| !path.is_root()) {
            let is_covered = self.told_withheld.iter().any(|held| path.starts_with(held));
            if !is_covered && self.rejection.is_some() {
                let told = Error::new(Code::Invalid, format!("what was withheld of `{name}` is in force"));
                news.push((Level::Info, told.with_path(path.clone())));
            }
        }
        match &self.rejection {
            // What is told of the paths is told already.
            Some(_) if before == self.rejection && self.told_withheld.is_subset(&held_before) => {}
            Some(rejection) => news.push((Level::Error, self.notice_of(rejection))),
            None if before.is_some() => {
                news.push((Level::Info, Error::new(Code::Invalid, format!("`{name}` is valid again and in force"))));
            }
            None => {}
        }
        news
    }

    fn notice_of(&self, rejection: &Rejection) -> Error {
        let error = rejection.to_error();
        let paths: Vec<String> = self.told_withheld.iter().map(|path| format!("`{path}`")).collect();
        let what = match paths.as_slice() {
            [] => "the last valid document stays in force".to_owned(),
            _ if self.told_withheld.contains(&Path::root()) => "the last valid document stays in force".to_owned(),
            paths => format!("{} withheld, everything else is in force", paths.join(", ")),
        };
        let cause = &rejection.cause;
        let message = format!("rejecting invalid configuration update from `{cause}`, {what}: {}", error.message());
        let mut notice = Error::new(error.code(), message);
        notice = error.path().cloned().into_iter().fold(notice, Error::with_path);
        notice = error.origin().cloned().into_iter().fold(notice, Error::with_origin);
        notice = error.hint().into_iter().fold(notice, Error::with_hint);
        error.related().iter().cloned().fold(notice, Error::with_related)
    }

    /// Refuses a write of the layer that commands write if it would make the document invalid in a new way: what others
    /// broke can be mended one by one. `text` is the file that the edits come from.
    ///
    /// # Errors
    /// What would be wrong: the first problem, with the others related to it; or what has to be asked first.
    pub(super) fn examine(&self, edits: &[Edit], text: Option<&str>) -> Result<(), Refusal> {
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
        if text.is_some() {
            self.examine_withheld(edits, &after, text)?;
        }
        self.examine_layer(before, after, text)
    }

    /// [`Document::examine`] of a write that the checks of the program were asked about so often: others change the document
    /// all the time, so it is made, and checked where it comes in.
    pub(super) fn examine_asked(&self, edits: &[Edit], asked: u8) -> Result<(), Refusal> {
        match self.examine(edits, None) {
            Err(Refusal::Unknown(_)) if asked >= MAX_ASKED => Ok(()),
            examined => examined,
        }
    }

    /// Refuses a value of the written layer as [`Document::examine`] refuses edits.
    pub(super) fn examine_layer(&self, before: Value, after: Value, text: Option<&str>) -> Result<(), Refusal> {
        if !self.composition.can_refuse() {
            return Ok(());
        }
        let composed = self.composed_with(after, text);
        if composed.errors.is_empty() && !self.checks.exist() {
            return Ok(());
        }
        let composed_before = self.composed_with(before, text);
        refuse_new(composed.errors.clone(), &composed_before.errors)?;
        let said = self.checks.verdict(&composed.value).ok_or_else(|| Unknown::of(&composed))?;
        if said.is_empty() {
            return Ok(());
        }
        let known = self.checks.verdict(&composed_before.value).ok_or_else(|| Unknown::of(&composed_before))?;
        refuse_new(said.iter().map(|error| placed(error, &composed)).collect(), known)
    }

    /// Refuses an edit of the bound file at a path that would stay withheld: the mirror would take it out of the file.
    fn examine_withheld(&self, edits: &[Edit], after: &Value, text: Option<&str>) -> Result<(), Refusal> {
        let touches = |one: &Path, other: &Path| one.starts_with(other) || other.starts_with(one);
        let held = self.admission.held().into_iter().flat_map(Held::keys);
        let touched: Vec<&Path> = held.filter(|at| edits.iter().any(|edit| touches(&edit.path, at))).collect();
        if touched.is_empty() {
            return Ok(());
        }
        let composed = self.composed_with(after.clone(), text);
        let counts = |error: &Error| error.path().is_none_or(|path| touched.iter().any(|at| touches(path, at)));
        refuse_new(composed.errors.iter().filter(|error| counts(error)).cloned().collect(), &[])?;
        let said = self.checks.verdict(&composed.value).ok_or_else(|| Unknown::of(&composed))?;
        refuse_new(said.iter().filter(|error| counts(error)).map(|error| placed(error, &composed)).collect(), &[])
    }

    /// What the accepted sources make with this value of the layer that commands write.
    fn composed_with(&self, value: Value, text: Option<&str>) -> Composed {
        let is_shared = self.shared.is_some();
        let priority = if is_shared { priority::SHARED } else { priority::RUNTIME };
        let mut layer = Layer::new(self.written_layer(), priority, value);
        if let (Some(file), Some(text)) = (&self.file, text) {
            layer = layer.with_text(text, file.format());
        }
        let sources = self.sources.iter().filter(|source| is_shared || source.id != *RUNTIME);
        let layers: Vec<Layer> = sources.filter_map(|source| source.layer.clone()).chain([layer]).collect();
        self.composition.update(&layers, &self.latest)
    }
}

/// Refuses what is wrong and was not before.
fn refuse_new(mut errors: Vec<Error>, known: &[Error]) -> Result<(), Refusal> {
    errors.retain(|error| !is_among(error, known));
    Error::all(errors).map_or(Ok(()), |error| Err(Refusal::Wrong(error)))
}

/// The layer with another value.
fn holding(mut layer: Layer, value: Value) -> Layer {
    layer.value = value;
    layer
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
        for (level, error) in self.documents.get_mut(name).map(Document::take_news).unwrap_or_default() {
            self.notice(level, error);
        }
        self.keep_withheld(name);
    }

    /// Stores what was in force at withheld paths, where that has changed without a write.
    fn keep_withheld(&mut self, name: &DocumentName) {
        if !REPLICATES {
            return;
        }
        let Some(document) = self.documents.get_mut(name) else { return };
        let is_ready = document.shared.as_ref().and_then(Shared::founded).is_some_and(|founded| founded.ready);
        if let Some(record) = is_ready.then(|| document.take_withheld_record()).flatten() {
            self.stage_step(name, vec![record], Step::Records, "withheld", None, None);
        }
    }
}
