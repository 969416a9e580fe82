//! How an engine and its documents are made.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::format::Format;
use crate::history::Budget;
use crate::id::InstanceId;
use crate::merge::{Composition, InvalidVariables};
use crate::policy::Policy;
use crate::protocol::WireOptions;
use crate::schema::Schema;
use crate::secret::Seal;
use crate::value::Str;

/// How an engine is made.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Who this instance is.
    pub instance: InstanceId,
    /// The seed of the key that says who this instance is, where one is kept; without, it has one for this run alone.
    pub key: Option<[u8; 32]>,
    /// Seed of every random choice; give fresh entropy, or a fixed one to repeat a run.
    pub entropy: [u8; 32],
    /// How long an unfounded document with peers waits for one that holds it before it is founded here, in milliseconds
    /// since the first look at its file; 3,000.
    pub found_after_ms: u64,
    /// How long a document has to be in use until it counts as old, and never gives way to another one by itself, in
    /// milliseconds; ten minutes. A young document drops no history.
    pub old_after_ms: u64,
    /// How often replicas tell each other what they have, in milliseconds; 5,000.
    pub heartbeat_ms: u64,
    /// From how many bytes on the new text of a bound file is asked for ([`super::Engine::poll_edit`]) and not made at once;
    /// nowhere.
    pub edits_from: Option<usize>,
    /// How messages to other instances are written.
    pub wire: WireOptions,
    /// Whether the store may be a copy of an older one: then others may have later writes of this instance than it knows.
    pub is_copy: bool,
}

impl EngineConfig {
    /// The defaults for one instance.
    pub fn new(instance: InstanceId, entropy: [u8; 32]) -> EngineConfig {
        let wire = WireOptions::default();
        EngineConfig {
            instance,
            key: None,
            entropy,
            found_after_ms: 3_000,
            old_after_ms: 600_000,
            heartbeat_ms: 5_000,
            edits_from: None,
            wire,
            is_copy: false,
        }
    }
}

/// A file that mirrors a document's shared layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileBinding {
    /// The file's name as users know it; also its key in the store.
    pub id: Str,
    /// Its format.
    pub format: Format,
    /// Whether the user named the format; else JSON with comments or trailing commas is read as JSONC, and told.
    pub is_named: bool,
}

/// How long checks of a program may take to answer, where nobody says something else, in milliseconds.
pub const CHECK_WITHIN_MS: u64 = 5_000;

/// What a document is made of.
#[derive(Clone, Debug)]
pub struct DocumentOptions {
    /// Whether instances share a layer of it; without, writes go to the runtime layer.
    pub shared: bool,
    /// The two-way mirror of the shared layer.
    pub file: Option<FileBinding>,
    /// Whether other instances are expected: an unfounded document then waits for them.
    pub has_peers: bool,
    /// How many instances are dialed: a new instance founds nothing early before all of them said what they hold. 0 where
    /// that is not known.
    pub dialed_peers: usize,
    /// Sources that [`super::Engine::handle_layer`] will feed: id and priority (lower wins).
    pub sources: Vec<(Str, i32)>,
    /// Rules by pattern.
    pub policy: Policy,
    /// Whether it is never founded here: it waits for an instance that has it.
    pub joins_only: bool,
    /// Whether a document that is founded here drops its history once all its replicas have it. They must all be reached
    /// from time to time; one that is gone for good has to be expelled ([`super::Engine::expel`]). Off by default.
    pub settle: bool,
    /// What the document has to look like. What is invalid never comes into force.
    pub schema: Option<Schema>,
    /// The active profiles, see [`split_profiles`](crate::merge::split_profiles); without any `profiles` is a key like others.
    pub profiles: Vec<String>,
    /// The variables of `${env:NAME}`; with them, references in texts are replaced.
    pub variables: Option<BTreeMap<String, String>>,
    /// What becomes of variables, and texts of untyped files, that are nothing of the type that the schema declares.
    pub invalid_variables: InvalidVariables,
    /// How long the checks of the program may take to answer, in milliseconds; 5,000.
    pub check_within_ms: u64,
    /// How much of the past of what is shared is kept; none leaves alone what the store has of it.
    pub history: Option<KeepHistory>,
}

/// How the past is kept.
#[derive(Clone, Debug, Default)]
pub struct KeepHistory {
    /// How much of it.
    pub budget: Budget,
    /// What seals secrets in it; without, their values are not kept.
    pub seal: Option<Arc<dyn Seal>>,
}

impl Default for DocumentOptions {
    fn default() -> DocumentOptions {
        DocumentOptions {
            shared: false,
            file: None,
            has_peers: false,
            dialed_peers: 0,
            sources: Vec::new(),
            policy: Policy::default(),
            joins_only: false,
            settle: false,
            schema: None,
            profiles: Vec::new(),
            variables: None,
            invalid_variables: InvalidVariables::default(),
            check_within_ms: CHECK_WITHIN_MS,
            history: None,
        }
    }
}

impl DocumentOptions {
    pub(super) fn composition(&mut self) -> Composition {
        let mut composition = Composition::new(std::mem::take(&mut self.policy))
            .with_profiles(&self.profiles)
            .with_invalid_variables(self.invalid_variables);
        if let Some(schema) = self.schema.take() {
            // What the program checks itself is asked for.
            composition = composition.with_schema(schema.without_checks());
        }
        match self.variables.take() {
            Some(variables) => composition.with_references(variables),
            None => composition,
        }
    }
}
