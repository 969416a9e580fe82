//! What goes in and out of the engine.

use std::sync::{Arc, OnceLock};

use super::terms::PathVersion;
use crate::canonical::{ContentHash, ContentTag, content_hash};
use crate::clock::Dot;
use crate::diff::Change;
use crate::error::Error;
use crate::format::LeftOut;
use crate::id::{DocumentName, InstanceId, ReplicaId};
use crate::merge::{Composed, Explanation, Withheld};
use crate::path::Path;
use crate::policy::Policy;
use crate::protocol::{Frame, Standing};
use crate::secret::masked_changes;
use crate::value::{Digest, Str, Value};

/// A connection, named by the driver; never reused while the engine lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerId(pub u64);

/// One batch for the store; tickets are persisted and answered in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// One command, answered by an [`Event::Written`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

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
    /// One message; a guest only gets texts.
    pub frame: Frame,
}

/// A bound file to be written: only if it still holds `expect`, by temporary file and rename.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileWrite {
    /// Whose file.
    pub document: DocumentName,
    /// The text that must still be there; `None` where there must be no file.
    pub expect: Option<Arc<str>>,
    /// The new text.
    pub text: Arc<str>,
    /// Keep the old text beside the file under this suffix first.
    pub keep_as: Option<&'static str>,
    /// Whether the file is written in place, because nothing can be put in its place. What it holds until that is done is
    /// never taken for an edit.
    pub in_place: bool,
}

/// A text to be kept beside a bound file, whatever the file holds by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCopy {
    /// Whose file.
    pub document: DocumentName,
    /// What follows the file's name, dot included.
    pub suffix: &'static str,
    /// The text.
    pub text: String,
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
    /// What of it is not in force on this instance, because it would make the document invalid.
    pub withheld: Vec<Withheld>,
    /// What of the changed paths the bound file of the answering instance cannot hold; it is in force, and mirrored elsewhere.
    pub left_out: Vec<LeftOut>,
    /// Whether it was a delivery that was done before: nothing was written this time.
    pub is_repeat: bool,
}

impl Receipt {
    /// Whether this instance shows all of it: nothing is withheld, and no source hides it.
    pub fn is_in_force(&self) -> bool {
        self.withheld.is_empty() && self.shadowed_by.is_none()
    }

    /// `{"revision", "digest", "changed", "in_force", "version"?, "shadowed_by"?, "withheld"?, "left_out"?}`.
    pub fn to_value(&self) -> Value {
        let mut fields: Vec<(&str, Value)> = vec![
            ("revision", self.snapshot.revision.into()),
            ("digest", self.snapshot.digest().to_string().into()),
            ("changed", self.changed.iter().map(|path| path.to_string().into()).collect::<Vec<Value>>().into()),
            ("in_force", self.is_in_force().into()),
        ];
        if self.is_repeat {
            fields.push(("repeat", true.into()));
        }
        fields.extend(self.version.as_ref().map(|version| ("version", version.to_string().into())));
        fields.extend(self.shadowed_by.clone().map(|source| ("shadowed_by", source.into())));
        if !self.withheld.is_empty() {
            fields.push(("withheld", self.withheld.iter().map(Withheld::to_value).collect::<Vec<_>>().into()));
        }
        if !self.left_out.is_empty() {
            fields.push(("left_out", self.left_out.iter().map(LeftOut::to_value).collect::<Vec<_>>().into()));
        }
        fields.into_iter().collect()
    }
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

impl SourceState {
    /// `fresh`, `missing` or `stale`.
    pub fn as_str(&self) -> &'static str {
        match self {
            SourceState::Fresh => "fresh",
            SourceState::Missing => "missing",
            SourceState::Stale(_) => "stale",
        }
    }
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
    /// A guest asks for an operation by name; answer with [`super::Engine::answer_call`].
    Called(Box<super::Called>),
    /// The answer to a question for a lock.
    Lock {
        /// Which question.
        request: RequestId,
        /// The lease, as `{"key", "holder", "token", "expires_in_ms"}`; of one that was acquired also its `session`.
        result: Result<Value, Error>,
    },
    /// Something to be written down: see [`super::Audit::to_value`].
    Audit(Box<super::Audit>),
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

/// The source that holds what the program sets in a configuration of one process.
pub const RUNTIME: &str = "runtime";

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
pub struct Snapshot {
    /// Which document.
    pub document: DocumentName,
    /// Local number, one more per visible change.
    pub revision: u64,
    /// The document.
    pub value: Value,
    pub(super) composed: Composed,
    /// What is not in force of the shared layer.
    pub(super) withheld: Vec<Withheld>,
    /// What was secret in the revision before.
    policy_before: Option<Policy>,
    hash: OnceLock<ContentHash>,
}

impl PartialEq for Snapshot {
    fn eq(&self, other: &Snapshot) -> bool {
        self.document == other.document && self.revision == other.revision && self.value == other.value
    }
}

impl Snapshot {
    pub(crate) fn new(document: DocumentName, revision: u64, composed: Composed) -> Snapshot {
        Snapshot {
            document,
            revision,
            value: composed.value.clone(),
            composed,
            withheld: Vec::new(),
            policy_before: None,
            hash: OnceLock::new(),
        }
    }

    pub(crate) fn without(mut self, withheld: Vec<Withheld>) -> Snapshot {
        self.withheld = withheld;
        self
    }

    pub(crate) fn after(mut self, last: &Snapshot) -> Snapshot {
        self.policy_before = (last.policy() != self.policy()).then(|| last.policy().clone());
        self
    }

    /// What one source says, by its id as the provenance has it, [`RUNTIME`] for example; `None` where it is not there.
    pub fn layer(&self, source: &str) -> Option<&Value> {
        self.composed.merged.layers().iter().find(|layer| layer.id == *source).map(|layer| &layer.value)
    }

    /// The changes that led to this revision, with what is secret now or was secret before masked.
    pub fn masked_changes(&self, changes: &[Change]) -> Vec<Change> {
        let masked = masked_changes(self.policy(), changes);
        match &self.policy_before {
            Some(before) => masked_changes(before, &masked),
            None => masked,
        }
    }

    /// The digest of the document: equal documents have equal ones, and a change costs what it touched.
    pub fn digest(&self) -> Digest {
        self.value.digest()
    }

    /// Whether the document is what a tag names.
    pub fn is(&self, tag: &ContentTag) -> bool {
        match tag {
            ContentTag::Digest(digest) => self.digest() == *digest,
            ContentTag::Hash(hash) => self.hash() == hash,
        }
    }

    /// The content hash, computed over the whole document when first asked for.
    pub fn hash(&self) -> &ContentHash {
        self.hash.get_or_init(|| content_hash(&self.value))
    }

    /// Why the value at a path is what it is; `None` where no source ever spoke of it.
    pub fn explain(&self, path: &Path) -> Option<Explanation> {
        let found = self.composed.explain(path);
        let Some(withheld) = self.withheld.iter().find(|withheld| path.starts_with(&withheld.path)) else {
            return found;
        };
        let found = found.or_else(|| {
            let is_spoken_of = withheld.path == *path || withheld.value_at(path).is_some();
            is_spoken_of.then(|| Explanation::nothing(path.clone()))
        });
        found.map(|found| Explanation { withheld: Some(withheld.clone()), ..found })
    }

    /// Why every value is what it is, and what is not in force.
    pub fn explain_all(&self) -> Vec<Explanation> {
        let mut accounts = self.composed.explain_all();
        for withheld in &self.withheld {
            let is_of = |found: &Explanation| found.path.starts_with(&withheld.path);
            accounts.iter_mut().filter(|found| is_of(found)).for_each(|found| found.withheld = Some(withheld.clone()));
            if !accounts.iter().any(is_of) {
                let at = accounts.partition_point(|found| found.path < withheld.path);
                let nothing = Explanation::nothing(withheld.path.clone());
                accounts.insert(at, Explanation { withheld: Some(withheld.clone()), ..nothing });
            }
        }
        accounts
    }

    /// What was written to the shared layer and is not in force, because it would make the document invalid.
    pub fn withheld(&self) -> &[Withheld] {
        &self.withheld
    }

    /// Reads what stands at a path as a type of the program.
    ///
    /// # Errors
    /// As [`Merged::extract`](crate::merge::Merged::extract). Nothing counts as null, which an `Option` takes.
    #[cfg(feature = "serde")]
    pub fn extract<T: serde::de::DeserializeOwned>(&self, path: &Path) -> Result<T, Error> {
        self.composed.extract(path)
    }

    /// Where layers disagreed on a type or a text could not be read as its type.
    pub fn warnings(&self) -> &[Error] {
        &self.composed.warnings
    }

    /// What is secret: by the rules, by the schema, and by reference to something secret.
    pub fn policy(&self) -> &Policy {
        &self.composed.policy
    }

    /// The document with [`MASK`](crate::policy::MASK) in the place of every secret.
    pub fn masked(&self) -> Value {
        self.policy().masked(&Path::root(), &self.value)
    }

    /// The account of every leaf: its path and the sources that made it.
    pub fn provenance(&self) -> Vec<(Path, String)> {
        self.composed.merged.provenance().collect()
    }
}

impl std::fmt::Debug for Snapshot {
    /// Names the document without its values, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot({} at revision {})", self.document, self.revision)
    }
}

/// Layers that are not in force, because the document that they make is invalid.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// What brought them: a source's id, `shared`, `file`, …
    pub cause: Str,
    /// What is wrong, each with its path and place.
    pub errors: Vec<Error>,
}

impl Rejection {
    /// All of it in one error: the first, with the others related to it.
    pub fn to_error(&self) -> Error {
        together(&self.errors)
    }
}

/// Several errors as one: the first, with the others related to it.
pub(crate) fn together(errors: &[Error]) -> Error {
    match errors {
        [first, rest @ ..] => rest.iter().cloned().fold(first.clone(), Error::with_related),
        [] => Error::new(crate::Code::Internal, "nothing is wrong"),
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
    /// What it weighs where it meets another document of its name; `None` while there is none.
    pub standing: Option<Standing>,
    /// Whether it has a shared layer, and waits for it to be founded here or elsewhere.
    pub is_unfounded: bool,
    /// The hash of the shared layer: equal on instances that agree.
    pub shared_hash: Option<ContentHash>,
    /// The file that mirrors the shared layer.
    pub file: Option<Str>,
    /// What is not in force because it is invalid; the last valid document stays.
    pub rejected: Option<Rejection>,
    /// What of the shared layer is not in force, because it would make the document invalid: it shows what it showed before.
    pub withheld: Vec<WithheldWrite>,
    /// Its sources.
    pub sources: Vec<SourceStatus>,
    /// Paths that were written at the same time in different ways, and what each side wrote.
    pub disagreements: Vec<crate::replica::Disagreement>,
    /// What the bound file cannot hold: it is in force, and stays out of that file.
    pub left_out: Vec<LeftOut>,
    /// Where saves of the bound file and others said different things, while nobody decided it since.
    pub save_conflicts: Vec<super::SaveConflict>,
    /// How the dropping of its history stands; `None` where the history is kept.
    pub settling: Option<Settling>,
    /// The latest time that a write of this instance which it still holds was stamped with, in milliseconds since 1970.
    /// Where that is over a minute from now, its clock was ahead once, and such writes win over simultaneous ones.
    pub stamped_ms: Option<u64>,
    /// Peers with another document of this name, which neither side gives up by itself.
    pub apart: Vec<super::Apart>,
    /// What this instance held before other documents took its place, until it is confirmed.
    pub kept: Vec<super::Aside>,
    /// When it was last in step with another instance, on the monotonic clock; `None` where it never was.
    pub in_step_ms: Option<u64>,
    /// What waits for the checks of the program; `None` where they have answered everything.
    pub checking: Option<super::Checking>,
    /// That the store was put back from a copy, or moved, before this start; `None` where it is where it was.
    pub put_back: Option<Error>,
}

/// What somebody wrote that is not in force.
#[derive(Clone, Debug, PartialEq)]
pub struct WithheldWrite {
    /// What, and why.
    pub withheld: Withheld,
    /// The newest write there; none where the history was dropped.
    pub written: Option<super::Written>,
}

impl WithheldWrite {
    /// `{"path", "value"?, "error", "written"?}`.
    pub fn to_value(&self) -> Value {
        let withheld = self.withheld.to_value();
        match &self.written {
            Some(written) => withheld.with(&Path::root().child("written"), written.to_value()),
            None => withheld,
        }
    }
}

/// How the dropping of a document's history stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settling {
    /// Who has to be reached before history is dropped.
    pub members: Vec<Member>,
    /// How many writes are held that are not dropped yet.
    pub held: usize,
    /// When this instance last dropped history, in milliseconds since 1970; `None` where it did not since it started.
    pub dropped_ms: Option<u64>,
    /// Whether this instance is no member (any more) and knows none that is there: what is written here reaches nobody, and
    /// nobody joins here, until a member comes back.
    pub is_orphaned: bool,
}

/// A replica that writes a document whose history is dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name under which it writes.
    pub replica: ReplicaId,
    /// Whose replica it is, where that instance was connected since this one started.
    pub instance: Option<InstanceId>,
    /// Whether it is this very instance's.
    pub is_own: bool,
    /// Whether it is connected.
    pub is_connected: bool,
    /// When it last said what it has, in milliseconds since 1970.
    pub acknowledged_ms: Option<u64>,
    /// Whether history waits for it, as seen from here: it has not said that it has everything. Instances that are not
    /// connected to this one always seem to block; the one that all others dial knows.
    pub blocks: bool,
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
