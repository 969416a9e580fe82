//! A replica as JavaScript asks for it: JSON texts and bytes in and out. The Node addon compiles this file as well.

use confmesh::canonical::canonical;
use confmesh::diff::Change;
use confmesh::document::Document;
use confmesh::format::{Format, parse};
use confmesh::id::{Genesis, ReplicaId};
use confmesh::replica::Disagreement;
use confmesh::{Code, Error, Path, Policy, Result, Value};

/// A replica of a document.
pub struct Replicated(Document);

fn json(text: &str) -> Result<Value> {
    parse(text, Format::Json)
}

fn policy(rules: &str) -> Result<Policy> {
    match json(rules)? {
        Value::Null => Ok(Policy::default()),
        rules => Policy::from_value(&rules),
    }
}

fn id(bytes: &[u8]) -> Result<[u8; 16]> {
    bytes.try_into().map_err(|_| {
        Error::new(Code::Usage, format!("an id has 16 bytes, not {}", bytes.len()))
            .with_hint("leave it out for a random one")
    })
}

fn author(bytes: &[u8]) -> Result<ReplicaId> {
    id(bytes).map(ReplicaId::from_bytes)
}

/// The time as JavaScript has it, in milliseconds since 1970.
fn millis(wall_ms: f64) -> u64 {
    wall_ms as u64
}

impl Replicated {
    /// Founds a document under a JSON list of rules, or `null`.
    pub fn found(rules: &str, id: &[u8], genesis: &[u8]) -> Result<Replicated> {
        let genesis = Genesis::from_bytes(self::id(genesis)?);
        Ok(Replicated(Document::found(author(id)?, genesis, policy(rules)?)))
    }

    /// Another replica of the document that `delta(None)` wrote.
    pub fn load(bytes: &[u8], rules: &str, id: &[u8]) -> Result<Replicated> {
        Document::load(author(id)?, bytes, policy(rules)?).map(Replicated)
    }

    /// A second replica that starts from what this one holds.
    pub fn fork(&self, id: &[u8]) -> Result<Replicated> {
        Ok(Replicated(self.0.fork(author(id)?)))
    }

    /// The author name of its writes.
    pub fn id(&self) -> Vec<u8> {
        self.0.id().as_bytes().to_vec()
    }

    /// The document's birth.
    pub fn genesis(&self) -> Vec<u8> {
        self.0.genesis().as_bytes().to_vec()
    }

    /// The value at a path, where one is.
    pub fn get(&self, path: &str) -> Result<Option<String>> {
        Ok(self.0.value().at(&Path::parse(path)?).map(canonical))
    }

    /// Writes a value.
    pub fn set(&mut self, path: &str, value: &str, if_version: Option<&[u8]>, wall_ms: f64) -> Result<bool> {
        self.0.set(&Path::parse(path)?, json(value)?, if_version, millis(wall_ms))
    }

    /// Removes a path.
    pub fn unset(&mut self, path: &str, if_version: Option<&[u8]>, wall_ms: f64) -> Result<bool> {
        self.0.unset(&Path::parse(path)?, if_version, millis(wall_ms))
    }

    /// Decides what writers disagree on at a path.
    pub fn resolve(&mut self, path: &str, value: &str, wall_ms: f64) -> Result<bool> {
        self.0.resolve(&Path::parse(path)?, json(value)?, millis(wall_ms))
    }

    /// What it has seen.
    pub fn version(&self) -> Result<Vec<u8>> {
        self.0.version()
    }

    /// What a replica lacks that has seen `since`.
    pub fn delta(&self, since: Option<&[u8]>) -> Result<Vec<u8>> {
        self.0.delta(since)
    }

    /// Takes in a delta; gives a list of changes.
    pub fn apply(&mut self, delta: &[u8], wall_ms: f64) -> Result<String> {
        let changes = self.0.apply(delta, millis(wall_ms))?;
        Ok(canonical(&changes.iter().map(Change::to_value).collect::<Vec<_>>().into()))
    }

    /// What writers disagree on.
    pub fn conflicts(&self) -> String {
        canonical(&self.0.conflicts().iter().map(Disagreement::to_value).collect::<Vec<_>>().into())
    }

    /// Drops the history and keeps the value.
    pub fn settle(&mut self) -> Result<()> {
        self.0.settle()
    }
}
