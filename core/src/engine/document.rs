//! One document inside the engine: its layers, and the snapshot that they make.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::admission::{Admission, Foreseen, Kept};
use super::aside::Aside;
use super::checks::Checks;
use super::closed::Closed;
use super::deliveries::Deliveries;
use super::file::BoundFile;
use super::guest::Guest;
use super::locks::Locks;
use super::options::DocumentOptions;
use super::records::Stored;
use super::save_conflicts::SaveConflict;
use super::shared::{Founded, Shared};
use super::types::{ChangeEvent, DocumentStatus, RUNTIME, Rejection, Snapshot, SourceState, SourceStatus};
use super::{FOLLOWS, MERGES};
use crate::canonical::content_hash;
use crate::clock::Now;
use crate::diff::diff;
use crate::error::Result;
use crate::history::History;
use crate::id::{DocumentName, InstanceId, ReplicaId};
use crate::merge::{Composed, Composition, Layer, priority};
use crate::path::Path;
use crate::policy::Policy;
use crate::replica::{Assertion, Disagreement};
use crate::value::{Str, Value};

pub(super) struct Document {
    pub(super) name: DocumentName,
    pub(super) has_peers: bool,
    pub(super) dialed_peers: usize,
    pub(super) joins_only: bool,
    /// Whether it drops its history, if it is founded here.
    pub(super) settle: bool,
    pub(super) policy: Policy,
    /// A short name of its conflict rules.
    pub(super) rules: u64,
    pub(super) composition: Composition,
    /// The checks of the program, and what waits for them.
    pub(super) checks: Checks,
    pub(super) sources: Vec<Source>,
    pub(super) shared: Option<Shared>,
    pub(super) file: Option<BoundFile>,
    pub(super) guest: Option<Guest>,
    pub(super) snapshot: Arc<Snapshot>,
    /// What the accepted layers make: the snapshot, or what is not in force because it is invalid.
    pub(super) latest: Composed,
    /// The shared layer as far as it was accepted last.
    pub(super) accepted: Option<Layer>,
    pub(super) admission: Admission,
    pub(super) rejection: Option<Rejection>,
    /// What was last told of it, and of withheld paths.
    pub(super) told: Option<Rejection>,
    pub(super) told_withheld: BTreeSet<Path>,
    /// What becomes of the batches on their way to the store, and of the one that just got there.
    pub(super) foreseen: VecDeque<Foreseen>,
    pub(super) arrived: Option<Foreseen>,
    /// Changes with every layer of a source, so that nothing foreseen with others comes true.
    pub(super) sources_turn: u64,
    /// Sources that are another way now by what others said.
    pub(super) moved: Vec<Str>,
    /// What the store was last given of withheld paths; none where nobody knows what it holds.
    pub(super) kept: Option<Kept>,
    /// Writes of batches that failed: nobody can say whether they are in the store. The next batch sets everything right.
    pub(super) doubtful: Option<Vec<Arc<Assertion>>>,
    /// The names that this instance had before its store failed, the newest last: none of them writes any more.
    pub(super) former: Vec<ReplicaId>,
    /// What this instance held before other documents took its place.
    pub(super) aside: Vec<Aside>,
    /// What did not stay when it took over the document of others.
    pub(super) overruled: Vec<SaveConflict>,
    /// Where the store was put back from a copy, or moved, before this start.
    pub(super) put_back: Option<crate::error::Error>,
    /// The conflicts that a later write closed.
    pub(super) closed: Closed,
    /// What was delivered from elsewhere.
    pub(super) deliveries: Deliveries,
    /// Its versions, where they are kept.
    pub(super) history: Option<History>,
    /// Who holds locks of it.
    pub(super) locks: Locks,
    /// When this instance was last in step with another one, on the monotonic clock.
    pub(super) in_step_ms: Option<u64>,
    /// Whose replicas its members are, and when they last said what they have.
    pub(super) heard: BTreeMap<ReplicaId, (Option<InstanceId>, u64)>,
}

/// How many former names are remembered that are no members.
const MOST_FORMER: usize = 64;

pub(super) struct Source {
    pub(super) id: Str,
    priority: i32,
    pub(super) layer: Option<Layer>,
    /// A layer that is not accepted (yet).
    pub(super) newest: Option<Layer>,
    pub(super) state: SourceState,
    /// Whether it ever told anything.
    pub(super) was_heard: bool,
    /// Whether it goes as soon as the document allows it.
    pub(super) is_leaving: bool,
    /// Whether what it said last breaks the document: then its state says so until it no longer does.
    pub(super) is_blamed: bool,
}

impl Document {
    /// A document whose shared layer, until it is founded, waits under this name.
    pub(super) fn new(name: DocumentName, mut options: DocumentOptions, replica: ReplicaId) -> Document {
        let checks = Checks::new(options.schema.as_ref(), options.check_within_ms);
        let composition = options.composition();
        let mut sources = vec![Source { was_heard: true, ..Source::new(RUNTIME.into(), priority::RUNTIME) }];
        sources.extend(options.sources.into_iter().map(|(id, priority)| Source::new(id, priority)));
        let latest = Composed::of_one(None);
        let keep = options.history.filter(|_| super::REPLICATES && options.shared);
        let history = keep.map(|keep| History::new(&name.to_string(), keep.budget, keep.seal));
        Document {
            name: name.clone(),
            has_peers: options.has_peers,
            dialed_peers: options.dialed_peers,
            joins_only: options.joins_only,
            heard: BTreeMap::new(),
            in_step_ms: None,
            settle: options.settle,
            rules: if super::REPLICATES { super::rules::digest(composition.policy()) } else { 0 },
            policy: composition.policy().clone(),
            composition,
            checks,
            sources,
            shared: options.shared.then(|| Shared::unfounded(replica)),
            file: options.file.map(BoundFile::new),
            guest: None,
            snapshot: Arc::new(Snapshot::new(name, 0, latest.clone())),
            latest,
            accepted: None,
            admission: Admission::Opening(BTreeSet::new()),
            rejection: None,
            told: None,
            told_withheld: BTreeSet::new(),
            foreseen: VecDeque::new(),
            arrived: None,
            sources_turn: 0,
            moved: Vec::new(),
            kept: Some(Kept::new()),
            doubtful: None,
            former: Vec::new(),
            aside: Vec::new(),
            overruled: Vec::new(),
            put_back: None,
            closed: Closed::default(),
            deliveries: Deliveries::default(),
            history,
            locks: Locks::default(),
        }
    }

    /// Takes up what the store holds of it. Returns whether that raised its marks.
    pub(super) fn restore(&mut self, stored: Stored, old_after_ms: u64, now: Now) -> bool {
        let mut marks_loaded = false;
        self.aside = stored.kept;
        self.overruled = stored.overruled;
        self.closed = Closed::restored(stored.closed);
        self.deliveries = Deliveries::restored(stored.deliveries);
        if let (Some(replica), Some(shared)) = (stored.replica, &mut self.shared) {
            let mut founded = Founded { base_bytes: stored.base_bytes, sides: stored.sides, ..Founded::new(replica) };
            // Of before there were such records: it was in use.
            let life = stored.life.unwrap_or_default();
            founded.life = Arc::new(life);
            marks_loaded = founded.loaded(now.wall_ms);
            founded.age_due_ms = Some(now.mono_ms.saturating_add(old_after_ms));
            *shared = Shared::Founded(Box::new(founded));
        }
        if let Some(file) = &mut self.file
            && let Some((record, restored)) = stored.files.get(&file.binding.id)
        {
            file.restore(record.clone(), restored.clone());
        }
        self.restore_withheld(stored.withheld);
        marks_loaded
    }

    /// Remembers a name that this instance had.
    pub(super) fn remember_former(&mut self, name: ReplicaId) {
        if self.former.contains(&name) {
            return;
        }
        self.former.push(name);
        let founded = self.shared.as_ref().and_then(Shared::founded);
        let is_member = |name: &ReplicaId| founded.is_some_and(|founded| founded.pending.is_member(*name));
        if self.former.len() > MOST_FORMER
            && let Some(at) = self.former.iter().position(|name| !is_member(name))
        {
            self.former.remove(at);
        }
    }

    /// The id of the layer that commands write to.
    pub(super) fn written_layer(&self) -> Str {
        match (&self.shared, &self.file) {
            (Some(_), Some(file)) => format!("shared:{}", file.binding.id).into(),
            (Some(_), None) => "shared".into(),
            (None, _) => RUNTIME.into(),
        }
    }

    /// The value of the runtime layer.
    pub(super) fn runtime(&self) -> Value {
        let layer = self.sources.first().and_then(|source| source.layer.as_ref());
        layer.map_or_else(Value::empty_map, |layer| layer.value.clone())
    }

    /// Replaces the runtime layer.
    pub(super) fn set_runtime(&mut self, value: Value) {
        self.sources_turn += 1;
        if let Some(source) = self.sources.first_mut() {
            source.newest = Some(Layer::new(RUNTIME, priority::RUNTIME, value));
            source.state = SourceState::Fresh;
        }
    }

    /// Takes what a source loaded; `Ok(None)` says that it does not exist. A failure keeps the last good layer. What comes
    /// in counts once [`Document::refresh`] finds it valid.
    pub(super) fn handle_layer(&mut self, id: &str, outcome: Result<Option<Layer>>) {
        self.sources_turn += 1;
        let at = match self.sources.iter().position(|source| source.id == *id) {
            Some(at) => at,
            None => {
                let priority =
                    outcome.as_ref().ok().and_then(Option::as_ref).map_or(priority::FILE, |layer| layer.priority);
                self.sources.push(Source::new(id.into(), priority));
                self.sources.len() - 1
            }
        };
        // What waits for the others at the start stays what it said last, should it break meanwhile.
        let stays = outcome.is_err() && self.is_opening();
        let Some(source) = self.sources.get_mut(at) else { return };
        source.was_heard = true;
        source.is_leaving = false;
        source.is_blamed = false;
        // What was held back is not what the source says any more.
        source.newest.take_if(|_| !stays);
        source.state = match outcome {
            // A file is empty for a moment while many programs save it, and some are interrupted there.
            Ok(Some(layer)) if is_blank(&layer) && source.layer.as_ref().is_some_and(holds_text) => SourceState::Stale(
                crate::Error::new(
                    crate::Code::Syntax,
                    format!("`{id}` is empty; its last good content stays in force"),
                )
                .with_hint("to remove every key write `{}`, or in a format without it a comment alone"),
            ),
            Ok(Some(layer)) => {
                let state = if layer.is_absent { SourceState::Missing } else { SourceState::Fresh };
                source.priority = layer.priority;
                source.newest = Some(layer);
                state
            }
            // A file that vanished keeps its last good layer, as a broken one does; one never seen is an empty layer.
            Ok(None) if source.layer.as_ref().is_some_and(|layer| !layer.is_absent) => SourceState::Stale(
                crate::Error::new(crate::Code::File, format!("`{id}` is gone"))
                    .with_hint("its last good content stays in force until it is back"),
            ),
            Ok(None) => SourceState::Missing,
            Err(error) => SourceState::Stale(error),
        };
    }

    /// Sources come and go, and stand in another order. One that goes counts as empty from now on, if the document allows it.
    pub(super) fn rearrange(&mut self, gone: &[Str], order: &[(Str, i32)]) {
        self.sources_turn += 1;
        for source in &mut self.sources {
            if let Some((_, priority)) = order.iter().find(|(id, _)| *id == source.id) {
                source.priority = *priority;
                for layer in source.layer.iter_mut().chain(&mut source.newest) {
                    layer.priority = *priority;
                }
            } else if gone.contains(&source.id) {
                source.is_leaving = true;
                source.was_heard = true;
                source.newest = Some(Layer::new(&source.id, source.priority, Value::empty_map()));
            }
        }
    }

    pub(super) fn source_state(&self, id: &str) -> Option<SourceState> {
        self.sources.iter().find(|source| source.id == *id).map(|source| source.state.clone())
    }

    /// Merges the layers anew. Returns the change where one is visible. What would make the document invalid is left out
    /// and told by [`Document::take_news`].
    pub(super) fn refresh(&mut self, cause: &str) -> Option<ChangeEvent> {
        let composed = match self.guest.as_ref().filter(|_| FOLLOWS) {
            Some(guest) => Composed::of_one(Some(guest.layer())),
            None if MERGES => self.admit(cause)?,
            None => Composed::of_one(None),
        };
        self.bring_into_force(composed, cause)
    }

    /// Shows what the accepted layers make, where nothing is wrong with it. Returns the change where one is visible.
    pub(super) fn bring_into_force(&mut self, composed: Composed, cause: &str) -> Option<ChangeEvent> {
        self.latest = composed.clone();
        // What was not checked does not show; once all sources were heard it is.
        let is_unchecked = self.checks.exist() && self.is_opening();
        if !composed.errors.is_empty() || is_unchecked {
            return None;
        }
        let changes = diff(&self.snapshot.value, &composed.value);
        let first = self.snapshot.revision == 0;
        if changes.is_empty() && !first {
            // Origins may have moved (a comment was added above); the revision counts visible changes only.
            let mut composed = composed;
            composed.value = self.snapshot.value.clone();
            let next = Snapshot::new(self.name.clone(), self.snapshot.revision, composed).without(self.withheld());
            self.snapshot = Arc::new(next);
            return None;
        }
        let next = Snapshot::new(self.name.clone(), self.snapshot.revision + 1, composed).after(&self.snapshot);
        self.snapshot = Arc::new(next.without(self.withheld()));
        Some(ChangeEvent { snapshot: Arc::clone(&self.snapshot), changes, cause: cause.into() })
    }

    /// The shared layer; while unfounded, what the bound file says takes its place.
    pub(super) fn shared_layer(&self) -> Option<Layer> {
        let value = match self.shared.as_ref()? {
            Shared::Founded(founded) if founded.ready => founded.view.value.clone(),
            _ => self.file.as_ref().and_then(|file| file.provisional.clone())?,
        };
        Some(self.layer_of(value))
    }

    /// A value as the shared layer.
    pub(super) fn layer_of(&self, value: Value) -> Layer {
        let mut layer = Layer::new(self.written_layer(), priority::SHARED, value);
        if let Some(file) = &self.file {
            layer.warnings = file.notes().to_vec();
        }
        match self.file.as_ref().and_then(|file| file.text().map(|text| (text, file.format()))) {
            Some((text, format)) => layer.with_text(text, format),
            None => layer,
        }
    }

    /// Disagreements without secret values.
    pub(super) fn masked(&self, mut disagreements: Vec<Disagreement>) -> Vec<Disagreement> {
        for disagreement in &mut disagreements {
            for side in &mut disagreement.sides {
                side.value = side.value.as_ref().map(|value| self.policy.masked(&disagreement.path, value));
            }
        }
        disagreements
    }

    pub(super) fn status(&self) -> DocumentStatus {
        let founded = self.shared.as_ref().and_then(Shared::founded);
        let mut sources: Vec<SourceStatus> = self
            .sources
            .iter()
            .filter(|source| source.id != *RUNTIME || source.layer.is_some() || source.newest.is_some())
            .map(|source| SourceStatus {
                id: source.id.clone(),
                priority: source.priority,
                state: source.state.clone(),
            })
            .collect();
        if self.shared.is_some() {
            let state = self.file.as_ref().map_or(SourceState::Fresh, BoundFile::state);
            sources.push(SourceStatus { id: self.written_layer(), priority: priority::SHARED, state });
        }
        sources.sort_by_key(|source| source.priority);
        let disagreements = founded.map_or_else(Vec::new, |founded| self.masked(founded.view.disagreements.clone()));
        DocumentStatus {
            document: self.name.clone(),
            revision: self.snapshot.revision,
            hash: *self.snapshot.hash(),
            genesis: founded.map(|founded| founded.durable.genesis().to_string()),
            is_unfounded: self.shared.is_some() && founded.is_none(),
            shared_hash: founded.map(|founded| content_hash(&founded.view.value)),
            file: self.file.as_ref().map(|file| file.binding.id.clone()),
            rejected: self.rejection.clone(),
            withheld: Vec::new(),
            sources,
            disagreements,
            left_out: self.file.as_ref().map(|file| file.left_out.clone()).unwrap_or_default(),
            save_conflicts: self.save_conflicts(),
            settling: None,
            stamped_ms: founded.map(|founded| founded.durable.newest_own_stamp().wall_ms()).filter(|ms| *ms > 0),
            standing: founded.map(|founded| founded.life.standing.clone()),
            apart: Vec::new(),
            kept: self.aside.clone(),
            in_step_ms: self.in_step_ms,
            checking: self.checks.status(),
            put_back: self.put_back.clone(),
        }
    }
}

impl Source {
    fn new(id: Str, priority: i32) -> Source {
        Source {
            id,
            priority,
            layer: None,
            newest: None,
            state: SourceState::Missing,
            was_heard: false,
            is_leaving: false,
            is_blamed: false,
        }
    }
}

/// Whether a source that is empty now said something before.
fn holds_text(layer: &Layer) -> bool {
    !is_blank(layer) && !layer.is_absent
}

/// Whether a layer was read from a text that holds nothing, not even a comment.
fn is_blank(layer: &Layer) -> bool {
    layer.text.as_ref().is_some_and(|source| source.text.trim().is_empty())
}
