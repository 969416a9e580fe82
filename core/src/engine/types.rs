//! What goes in and out of the engine.

use std::sync::{Arc, OnceLock};

use super::terms::PathVersion;
use crate::canonical::{ContentHash, content_hash};
use crate::clock::Dot;
use crate::diff::Change;
use crate::error::Error;
use crate::format::Format;
use crate::id::{DocumentName, InstanceId};
use crate::merge::{Explanation, Merged};
use crate::path::Path;
use crate::value::{Str, Value};

/// A connection, named by the driver; never reused while the engine lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerId(pub u64);

/// One batch for the store; tickets are persisted and answered in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// One command, answered by an [`Event::Written`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// How an engine is made.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Who this instance is.
    pub instance: InstanceId,
    /// Seed of every random choice; give fresh entropy, or a fixed one to repeat a run.
    pub entropy: [u8; 32],
    /// How long an unfounded document with peers waits for one before it is founded alone, in milliseconds; 3,000.
    pub found_after_ms: u64,
    /// How often replicas tell each other what they have, in milliseconds; 5,000.
    pub heartbeat_ms: u64,
}

impl EngineConfig {
    /// The defaults for one instance.
    pub fn new(instance: InstanceId, entropy: [u8; 32]) -> EngineConfig {
        EngineConfig { instance, entropy, found_after_ms: 3_000, heartbeat_ms: 5_000 }
    }
}

/// A file that mirrors a document's shared layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileBinding {
    /// The file's name as users know it; also its key in the store.
    pub id: Str,
    /// Its format.
    pub format: Format,
}

/// What a document is made of.
#[derive(Clone, Debug, Default)]
pub struct DocumentOptions {
    /// Whether instances share a layer of it; without, writes go to the runtime layer.
    pub shared: bool,
    /// The two-way mirror of the shared layer.
    pub file: Option<FileBinding>,
    /// Whether other instances are expected: an unfounded document then waits for them.
    pub has_peers: bool,
    /// Sources that [`super::Engine::handle_layer`] will feed: id and priority (lower wins).
    pub sources: Vec<(Str, i32)>,
    /// Rules by pattern.
    pub policy: crate::policy::Policy,
    /// Whether a document that is founded here drops its history once all its replicas have it. They must all be reached
    /// from time to time; one that is gone for good has to be expelled ([`super::Engine::expel`]). Off by default.
    pub settle: bool,
}

/// One change of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreWrite {
    /// Sets a key.
    Put {
        /// The key.
        key: Vec<u8>,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Removes a key.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
}

/// Changes that must be on disk, all or none, before the engine goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persist {
    /// Answer with [`super::Engine::handle_persisted`], in order.
    pub ticket: Ticket,
    /// The changes.
    pub writes: Vec<StoreWrite>,
}

/// A frame for a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// To whom.
    pub peer: PeerId,
    /// One text frame.
    pub frame: Arc<str>,
}

/// A bound file to be written: only if it still holds `expect`, by temporary file and rename.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileWrite {
    /// Whose file.
    pub document: DocumentName,
    /// The text that must still be there; `None` where there must be no file.
    pub expect: Option<String>,
    /// The new text.
    pub text: String,
    /// Keep the old text beside the file under this suffix first.
    pub keep_as: Option<&'static str>,
}

/// What a successful write did.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The document that shows it.
    pub snapshot: Arc<Snapshot>,
    /// The paths of the shared (or runtime) layer that changed.
    pub changed: Vec<Path>,
    /// The replicated write, where one was made.
    pub dot: Option<Dot>,
    /// The version of what the command was about, as it is now; none where the document's host did not say.
    pub version: Option<PathVersion>,
    /// The source of higher priority that hides the new value, if one does.
    pub shadowed_by: Option<Str>,
}

/// Why a source is not fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// Loaded as it is.
    Fresh,
    /// Nothing loaded yet, or the source does not exist.
    Missing,
    /// The last good layer is in force; the newest attempt failed.
    Stale(Error),
}

/// Something that happened, for the driver to pass on.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A document changed.
    Changed(ChangeEvent),
    /// The answer to a command.
    Written {
        /// Which command.
        request: RequestId,
        /// What became of it.
        result: Result<Receipt, Error>,
    },
    /// A source became fresh, stale or missing.
    Source {
        /// Which document.
        document: DocumentName,
        /// The source's id.
        source: Str,
        /// How it is now.
        state: SourceState,
    },
    /// Something an operator should read; already worded for people.
    Notice {
        /// How serious.
        level: Level,
        /// The message.
        error: Error,
    },
    /// The history of a document was dropped.
    Settled {
        /// Which document.
        document: DocumentName,
        /// What rules had decided: the last chance to write down what lost. Secrets are masked.
        decided: Vec<crate::replica::Disagreement>,
    },
    /// Whether a guest is in step with its host.
    Connection {
        /// Which document.
        document: DocumentName,
        /// Whether the document is current.
        live: bool,
    },
}

/// How serious a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Info,
    /// Someone should look.
    Warning,
    /// Something is broken.
    Error,
}

/// One visible change of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeEvent {
    /// The document after it.
    pub snapshot: Arc<Snapshot>,
    /// What changed.
    pub changes: Vec<Change>,
    /// What caused it: a source's id, `shared`, `file`, …
    pub cause: Str,
}

/// The effective document at one revision; immutable.
#[derive(Debug)]
pub struct Snapshot {
    /// Which document.
    pub document: DocumentName,
    /// Local number, one more per visible change.
    pub revision: u64,
    /// The document.
    pub value: Value,
    pub(crate) merged: Merged,
    hash: OnceLock<ContentHash>,
}

impl PartialEq for Snapshot {
    fn eq(&self, other: &Snapshot) -> bool {
        self.document == other.document && self.revision == other.revision && self.value == other.value
    }
}

impl Snapshot {
    pub(crate) fn new(document: DocumentName, revision: u64, value: Value, merged: Merged) -> Snapshot {
        Snapshot { document, revision, value, merged, hash: OnceLock::new() }
    }

    /// The content hash, computed when first asked for.
    pub fn hash(&self) -> &ContentHash {
        self.hash.get_or_init(|| content_hash(&self.value))
    }

    /// Why the value at a path is what it is; `None` where no source ever spoke of it.
    pub fn explain(&self, path: &Path) -> Option<Explanation> {
        self.merged.explain(path)
    }

    /// Why every value is what it is.
    pub fn explain_all(&self) -> Vec<Explanation> {
        self.merged.explain_all()
    }

    /// Where layers disagreed on a type or a text could not be read as its type.
    pub fn warnings(&self) -> &[Error] {
        &self.merged.warnings
    }

    /// The account of every leaf: its path and the sources that made it.
    pub fn provenance(&self) -> Vec<(Path, String)> {
        self.merged.provenance().collect()
    }
}

/// How a document is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentStatus {
    /// Which document.
    pub document: DocumentName,
    /// Its revision.
    pub revision: u64,
    /// Its content hash.
    pub hash: ContentHash,
    /// The birth of its shared layer; `None` while unfounded, or without a shared layer.
    pub genesis: Option<String>,
    /// The hash of the shared layer: equal on instances that agree.
    pub shared_hash: Option<ContentHash>,
    /// The file that mirrors the shared layer.
    pub file: Option<Str>,
    /// Its sources.
    pub sources: Vec<SourceStatus>,
    /// Paths that were written at the same time in different ways, and what each side wrote.
    pub disagreements: Vec<crate::replica::Disagreement>,
}

/// How a source is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceStatus {
    /// Its id.
    pub id: Str,
    /// Its priority; lower wins.
    pub priority: i32,
    /// Whether it is fresh.
    pub state: SourceState,
}
