//! A whole replica of a document, registered.

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::error::run;
use crate::replicated::Replicated;

/// A replica of a document; times are milliseconds since 1970.
#[napi]
pub struct NativeReplica(Replicated);

#[napi]
impl NativeReplica {
    /// Founds a document under a JSON list of rules, or `null`.
    #[napi(constructor)]
    pub fn new(rules: String, id: &[u8], genesis: &[u8]) -> napi::Result<NativeReplica> {
        run(|| Replicated::found(&rules, id, genesis).map(NativeReplica))
    }

    /// Another replica of the document that `delta` wrote, asked for everything.
    #[napi(factory)]
    pub fn load(bytes: &[u8], rules: String, id: &[u8]) -> napi::Result<NativeReplica> {
        run(|| Replicated::load(bytes, &rules, id).map(NativeReplica))
    }

    /// A second replica that starts from what this one holds.
    #[napi]
    pub fn fork(&self, id: &[u8]) -> napi::Result<NativeReplica> {
        run(|| self.0.fork(id).map(NativeReplica))
    }

    /// The author name of its writes, 16 bytes.
    #[napi(getter)]
    pub fn id(&self) -> Uint8Array {
        self.0.id().into()
    }

    /// The document's birth, 16 bytes.
    #[napi(getter)]
    pub fn genesis(&self) -> Uint8Array {
        self.0.genesis().into()
    }

    /// The value at a path in canonical text, if there is one.
    #[napi]
    pub fn get(&self, path: String) -> napi::Result<Option<String>> {
        run(|| self.0.get(&path))
    }

    /// Writes a value; `false` where it was there already.
    #[napi]
    pub fn set(&mut self, path: String, value: String, if_version: Option<&[u8]>, wall_ms: f64) -> napi::Result<bool> {
        run(|| self.0.set(&path, &value, if_version, wall_ms))
    }

    /// Removes a path; `false` where nothing was there.
    #[napi]
    pub fn unset(&mut self, path: String, if_version: Option<&[u8]>, wall_ms: f64) -> napi::Result<bool> {
        run(|| self.0.unset(&path, if_version, wall_ms))
    }

    /// Decides what writers disagree on at a path.
    #[napi]
    pub fn resolve(&mut self, path: String, value: String, wall_ms: f64) -> napi::Result<bool> {
        run(|| self.0.resolve(&path, &value, wall_ms))
    }

    /// What it has seen.
    #[napi]
    pub fn version(&self) -> napi::Result<Uint8Array> {
        run(|| self.0.version()).map(Uint8Array::from)
    }

    /// What a replica lacks that has seen `since`; everything where none is given.
    #[napi]
    pub fn delta(&self, since: Option<&[u8]>) -> napi::Result<Uint8Array> {
        run(|| self.0.delta(since)).map(Uint8Array::from)
    }

    /// Takes in a delta; gives a JSON list of changes.
    #[napi]
    pub fn apply(&mut self, delta: &[u8], wall_ms: f64) -> napi::Result<String> {
        run(|| self.0.apply(delta, wall_ms))
    }

    /// What writers disagree on, a JSON list.
    #[napi]
    pub fn conflicts(&self) -> napi::Result<String> {
        run(|| Ok(self.0.conflicts()))
    }

    /// Drops the history and keeps the value.
    #[napi]
    pub fn settle(&mut self) -> napi::Result<()> {
        run(|| self.0.settle())
    }
}
