//! One document inside the engine: its layers, and the snapshot that they make.

use std::sync::Arc;

use super::file::BoundFile;
use super::guest::Guest;
use super::shared::Shared;
use super::types::{ChangeEvent, DocumentOptions, DocumentStatus, Snapshot, SourceState, SourceStatus};
use crate::canonical::content_hash;
use crate::diff::diff;
use crate::error::Result;
use crate::id::{DocumentName, ReplicaId};
use crate::merge::{Layer, merge, priority};
use crate::policy::Policy;
use crate::replica::{Assertion, Disagreement};
use crate::value::{Str, Value};

/// The layer that `set` writes where no layer is shared.
pub(super) const RUNTIME: &str = "runtime";

pub(super) struct Document {
    pub(super) name: DocumentName,
    pub(super) has_peers: bool,
    /// Whether it drops its history, if it is founded here.
    pub(super) settle: bool,
    pub(super) policy: Policy,
    sources: Vec<Source>,
    pub(super) shared: Option<Shared>,
    pub(super) file: Option<BoundFile>,
    pub(super) guest: Option<Guest>,
    pub(super) snapshot: Arc<Snapshot>,
    /// Writes of batches that failed: nobody can say whether they are in the store. The next batch sets everything right.
    pub(super) doubtful: Option<Vec<Arc<Assertion>>>,
}

struct Source {
    id: Str,
    priority: i32,
    layer: Option<Layer>,
    state: SourceState,
}

impl Document {
    /// A document whose shared layer, until it is founded, waits under this name.
    pub(super) fn new(name: DocumentName, options: DocumentOptions, replica: ReplicaId) -> Document {
        let mut sources = vec![Source::new(RUNTIME.into(), priority::RUNTIME)];
        sources.extend(options.sources.into_iter().map(|(id, priority)| Source::new(id, priority)));
        let empty = Snapshot::new(name.clone(), 0, Value::empty_map(), merge(&[], &Policy::default()));
        Document {
            name,
            has_peers: options.has_peers,
            settle: options.settle,
            policy: options.policy,
            sources,
            shared: options.shared.then(|| Shared::unfounded(replica)),
            file: options.file.map(BoundFile::new),
            guest: None,
            snapshot: Arc::new(empty),
            doubtful: None,
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
        if let Some(source) = self.sources.first_mut() {
            source.layer = Some(Layer::new(RUNTIME, priority::RUNTIME, value));
            source.state = SourceState::Fresh;
        }
    }

    /// Takes what a source loaded; `Ok(None)` says that it does not exist. A failure keeps the last good layer. Returns
    /// the source's state where it changed.
    pub(super) fn handle_layer(&mut self, id: &str, outcome: Result<Option<Layer>>) -> Option<SourceState> {
        let at = match self.sources.iter().position(|source| source.id == *id) {
            Some(at) => at,
            None => {
                let priority =
                    outcome.as_ref().ok().and_then(Option::as_ref).map_or(priority::FILE, |layer| layer.priority);
                self.sources.push(Source::new(id.into(), priority));
                self.sources.len() - 1
            }
        };
        let source = self.sources.get_mut(at)?;
        let state = match outcome {
            // A file is empty for a moment while many programs save it, and some are interrupted there.
            Ok(Some(layer)) if is_blank(&layer) && source.layer.as_ref().is_some_and(|old| !is_blank(old)) => {
                SourceState::Stale(
                    crate::Error::new(
                        crate::Code::Syntax,
                        format!("`{id}` is empty; its last good content stays in force"),
                    )
                    .with_hint("to remove every key write `{}`, or in a format without it a comment alone"),
                )
            }
            Ok(Some(layer)) => {
                source.priority = layer.priority;
                source.layer = Some(layer);
                SourceState::Fresh
            }
            // A file that vanished keeps its last good layer, as a broken one does; one never seen is an empty layer.
            Ok(None) if source.layer.is_some() => SourceState::Stale(
                crate::Error::new(crate::Code::File, format!("`{id}` is gone"))
                    .with_hint("its last good content stays in force until it is back"),
            ),
            Ok(None) => SourceState::Missing,
            Err(error) => SourceState::Stale(error),
        };
        let changed = source.state != state;
        source.state = state.clone();
        changed.then_some(state)
    }

    /// Merges the layers anew. Returns the change where one is visible.
    pub(super) fn refresh(&mut self, cause: &str) -> Option<ChangeEvent> {
        // The last merge is what this one starts from: a small change of a large document costs little.
        let last = &self.snapshot.merged;
        let merged = match &self.guest {
            Some(guest) => last.update(&guest.layers(), &Policy::default()),
            None => {
                let mut layers: Vec<Layer> = self.sources.iter().filter_map(|source| source.layer.clone()).collect();
                layers.extend(self.shared_layer());
                last.update(&layers, &self.policy)
            }
        };
        let changes = diff(&self.snapshot.value, &merged.value);
        let first = self.snapshot.revision == 0;
        if changes.is_empty() && !first {
            // Origins may have moved (a comment was added above); the revision counts visible changes only.
            let snapshot =
                Snapshot::new(self.name.clone(), self.snapshot.revision, self.snapshot.value.clone(), merged);
            self.snapshot = Arc::new(snapshot);
            return None;
        }
        let value = merged.value.clone();
        self.snapshot = Arc::new(Snapshot::new(self.name.clone(), self.snapshot.revision + 1, value, merged));
        Some(ChangeEvent { snapshot: Arc::clone(&self.snapshot), changes, cause: cause.into() })
    }

    /// The shared layer; while unfounded, what the bound file says takes its place.
    fn shared_layer(&self) -> Option<Layer> {
        let value = match self.shared.as_ref()? {
            Shared::Founded(founded) if founded.ready => founded.view.value.clone(),
            _ => self.file.as_ref().and_then(|file| file.provisional.clone())?,
        };
        let layer = Layer::new(self.written_layer(), priority::SHARED, value);
        let text = self.file.as_ref().and_then(|file| file.text().map(|text| (text, file.binding.format)));
        Some(match text {
            Some((text, format)) => layer.with_text(text, format),
            None => layer,
        })
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
            .filter(|source| source.id != *RUNTIME || source.layer.is_some())
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
            shared_hash: founded.map(|founded| content_hash(&founded.view.value)),
            file: self.file.as_ref().map(|file| file.binding.id.clone()),
            sources,
            disagreements,
        }
    }
}

impl Source {
    fn new(id: Str, priority: i32) -> Source {
        Source { id, priority, layer: None, state: SourceState::Missing }
    }
}

/// Whether a layer was read from a text that holds nothing, not even a comment.
fn is_blank(layer: &Layer) -> bool {
    layer.text.as_ref().is_some_and(|source| source.text.trim().is_empty())
}
