//! A whole replica of a document, registered.

use wasm_bindgen::prelude::wasm_bindgen;

use crate::convert::{Outcome, thrown};
use crate::replicated::Replicated;

/// A replica of a document; times are milliseconds since 1970.
#[wasm_bindgen]
pub struct NativeReplica(Replicated);

#[wasm_bindgen]
impl NativeReplica {
    /// Founds a document under a JSON list of rules, or `null`.
    #[wasm_bindgen(constructor)]
    pub fn new(rules: &str, id: &[u8], genesis: &[u8]) -> Outcome<NativeReplica> {
        Replicated::found(rules, id, genesis).map(NativeReplica).map_err(thrown)
    }

    /// Another replica of the document that `delta` wrote, asked for everything.
    pub fn load(bytes: &[u8], rules: &str, id: &[u8]) -> Outcome<NativeReplica> {
        Replicated::load(bytes, rules, id).map(NativeReplica).map_err(thrown)
    }

    /// A second replica that starts from what this one holds.
    pub fn fork(&self, id: &[u8]) -> Outcome<NativeReplica> {
        self.0.fork(id).map(NativeReplica).map_err(thrown)
    }

    /// The author name of its writes, 16 bytes.
    #[wasm_bindgen(getter)]
    pub fn id(&self) -> Vec<u8> {
        self.0.id()
    }

    /// The document's birth, 16 bytes.
    #[wasm_bindgen(getter)]
    pub fn genesis(&self) -> Vec<u8> {
        self.0.genesis()
    }

    /// The value at a path in canonical text, if there is one.
    pub fn get(&self, path: &str) -> Outcome<Option<String>> {
        self.0.get(path).map_err(thrown)
    }

    /// Writes a value; `false` where it was there already.
    pub fn set(&mut self, path: &str, value: &str, if_version: Option<Box<[u8]>>, wall_ms: f64) -> Outcome<bool> {
        self.0.set(path, value, if_version.as_deref(), wall_ms).map_err(thrown)
    }

    /// Removes a path; `false` where nothing was there.
    pub fn unset(&mut self, path: &str, if_version: Option<Box<[u8]>>, wall_ms: f64) -> Outcome<bool> {
        self.0.unset(path, if_version.as_deref(), wall_ms).map_err(thrown)
    }

    /// Decides what writers disagree on at a path.
    pub fn resolve(&mut self, path: &str, value: &str, wall_ms: f64) -> Outcome<bool> {
        self.0.resolve(path, value, wall_ms).map_err(thrown)
    }

    /// What it has seen.
    pub fn version(&self) -> Outcome<Vec<u8>> {
        self.0.version().map_err(thrown)
    }

    /// What a replica lacks that has seen `since`; everything where none is given.
    pub fn delta(&self, since: Option<Box<[u8]>>) -> Outcome<Vec<u8>> {
        self.0.delta(since.as_deref()).map_err(thrown)
    }

    /// Takes in a delta; gives a JSON list of changes.
    pub fn apply(&mut self, delta: &[u8], wall_ms: f64) -> Outcome<String> {
        self.0.apply(delta, wall_ms).map_err(thrown)
    }

    /// What writers disagree on, a JSON list.
    pub fn conflicts(&self) -> String {
        self.0.conflicts()
    }

    /// Drops the history and keeps the value.
    pub fn settle(&mut self) -> Outcome<()> {
        self.0.settle().map_err(thrown)
    }
}
