//! The step machine in guest mode, driven from JavaScript: it owns the socket, the clock and the entropy.

use confmesh::canonical::canonical;
use confmesh::clock::Now;
use confmesh::diff::Patch;
use confmesh::engine::{Command, Engine, EngineConfig, Link, PeerId, WriteTerms};
use confmesh::id::{DocumentName, InstanceId};
use confmesh::{Code, Error, Path, Pattern, Value};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::convert::{Outcome, json, thrown};
use crate::news::{event_value, now, number};

/// One document of one host, and the edits that the host has not answered yet.
///
/// After every call take everything from `pollTransmit`, then from `pollEvent`. `now` is two readings in milliseconds:
/// since 1970, and of a clock that never goes back.
#[wasm_bindgen]
pub struct GuestEngine {
    engine: Engine,
    document: DocumentName,
    patterns: Vec<Pattern>,
    /// The connection that stands, or the last one; never reused.
    peer: PeerId,
}

#[wasm_bindgen]
impl GuestEngine {
    /// A guest that follows `document`; `entropy` is 48 random bytes.
    #[wasm_bindgen(constructor)]
    pub fn new(document: &str, entropy: &[u8]) -> Outcome<GuestEngine> {
        let short = || thrown(Error::new(Code::Usage, "the engine needs 48 bytes of entropy"));
        let (id, seed) = entropy.split_first_chunk::<16>().ok_or_else(short)?;
        let seed = seed.first_chunk::<32>().ok_or_else(short)?;
        let config = EngineConfig::new(InstanceId::from_bytes(*id), *seed);
        let mut engine = Engine::new(config, []).map_err(thrown)?;
        let document = DocumentName::parse(document).map_err(thrown)?;
        engine.open_guest(document.clone());
        let patterns = Pattern::parse("*").into_iter().collect();
        Ok(GuestEngine { engine, document, patterns, peer: PeerId(0) })
    }

    /// A connection to the host stands.
    pub fn connected(&mut self, wall_ms: f64, mono_ms: f64) {
        self.peer = PeerId(self.peer.0 + 1);
        self.engine.handle_connected(self.peer, Link::Host, now(wall_ms, mono_ms));
    }

    /// The connection is gone.
    pub fn closed(&mut self, wall_ms: f64, mono_ms: f64) {
        self.engine.handle_closed(self.peer, now(wall_ms, mono_ms));
    }

    /// A text frame arrived.
    pub fn message(&mut self, frame: &str, wall_ms: f64, mono_ms: f64) {
        self.engine.handle_message(self.peer, frame, now(wall_ms, mono_ms));
    }

    /// What is due by now is done; see `timeout`.
    #[wasm_bindgen(js_name = handleTimeout)]
    pub fn handle_timeout(&mut self, wall_ms: f64, mono_ms: f64) {
        self.engine.handle_timeout(now(wall_ms, mono_ms));
    }

    /// When `handleTimeout` is due, on the clock that never goes back.
    #[wasm_bindgen(getter)]
    pub fn timeout(&self) -> Option<f64> {
        self.engine.poll_timeout().map(|due| due as f64)
    }

    /// Asks the host to set a path, for a person where one is named; gives the request's number, which its `written` event carries.
    pub fn set(&mut self, path: &str, value: &str, user: Option<String>, wall_ms: f64, mono_ms: f64) -> Outcome<f64> {
        let (path, value) = (Path::parse(path).map_err(thrown)?, json(value)?);
        Ok(self.write(Command::set(path, value), user, now(wall_ms, mono_ms)))
    }

    /// Asks the host to remove a path.
    pub fn unset(&mut self, path: &str, user: Option<String>, wall_ms: f64, mono_ms: f64) -> Outcome<f64> {
        let path = Path::parse(path).map_err(thrown)?;
        Ok(self.write(Command::unset(path), user, now(wall_ms, mono_ms)))
    }

    /// Asks the host for what an RFC 6902 patch changes in the document as it shows here.
    pub fn patch(&mut self, patch: &str, user: Option<String>, wall_ms: f64, mono_ms: f64) -> Outcome<f64> {
        let patch = Patch::from_value(&json(patch)?).map_err(thrown)?;
        Ok(self.write(Command::Patch(patch), user, now(wall_ms, mono_ms)))
    }

    fn write(&mut self, command: Command, user: Option<String>, now: Now) -> f64 {
        let terms = WriteTerms { user: user.map(Into::into), ..WriteTerms::default() };
        number(self.engine.write(&self.document, command, terms, now))
    }

    /// The edits that the host has not answered, for `reopenEdits`: a JSON list, empty where there are none.
    #[wasm_bindgen(js_name = openEdits)]
    pub fn open_edits(&mut self, wall_ms: f64, mono_ms: f64) -> String {
        let frames = self.engine.open_edits(&self.document, now(wall_ms, mono_ms));
        canonical(&frames.into_iter().map(Value::from).collect::<Vec<_>>().into())
    }

    /// Takes up edits that another guest left; gives the numbers of their requests.
    #[wasm_bindgen(js_name = reopenEdits)]
    pub fn reopen_edits(&mut self, kept: &str, wall_ms: f64, mono_ms: f64) -> Outcome<Vec<f64>> {
        let list = json(kept)?;
        let frames = list.as_list().into_iter().flatten().map(|frame| frame.as_str().unwrap_or_default().to_owned());
        let frames: Vec<String> = frames.collect();
        let requests = self.engine.reopen_edits(&self.document, &frames, now(wall_ms, mono_ms)).map_err(thrown)?;
        Ok(requests.into_iter().map(number).collect())
    }

    /// Restricts the changes of `changed` events to these patterns, a JSON list.
    pub fn subscribe(&mut self, patterns: &str) -> Outcome<()> {
        let list = json(patterns)?;
        let texts = list.as_list().map(|list| list.as_slice()).unwrap_or_default();
        let parsed = texts.iter().map(|text| Pattern::parse(text.as_str().unwrap_or_default()));
        self.patterns = parsed.collect::<Result<_, _>>().map_err(thrown)?;
        Ok(())
    }

    /// The next frame for the host.
    #[wasm_bindgen(js_name = pollTransmit)]
    pub fn poll_transmit(&mut self) -> Option<String> {
        while let Some(transmit) = self.engine.poll_transmit() {
            // What was meant for a connection that is gone is sent anew on the next one.
            if transmit.peer == self.peer
                && let Some(text) = transmit.frame.as_text()
            {
                return Some(text.to_owned());
            }
        }
        None
    }

    /// The next news as a JSON text with a `type`: `changed`, `written`, `connection` or `notice`.
    #[wasm_bindgen(js_name = pollEvent)]
    pub fn poll_event(&mut self) -> Option<String> {
        self.engine.poll_event().map(|event| canonical(&event_value(event, &self.patterns)))
    }

    /// Whether the document is what the host has now.
    #[wasm_bindgen(getter, js_name = isLive)]
    pub fn is_live(&self) -> bool {
        self.engine.is_live(&self.document)
    }

    /// The number of the document as it shows here, one more per visible change.
    #[wasm_bindgen(getter)]
    pub fn revision(&self) -> f64 {
        self.engine.snapshot(&self.document).map_or(0.0, |snapshot| snapshot.revision as f64)
    }

    /// The content hash of the document as it shows here.
    #[wasm_bindgen(getter)]
    pub fn hash(&self) -> Option<String> {
        self.engine.snapshot(&self.document).map(|snapshot| snapshot.hash().to_string())
    }

    /// The document as it shows here, in canonical text.
    #[wasm_bindgen(js_name = snapshotText)]
    pub fn snapshot_text(&self) -> String {
        self.engine.snapshot(&self.document).map_or_else(|| "{}".to_owned(), |snapshot| canonical(&snapshot.value))
    }

    /// The value at a path in canonical text, if there is one.
    pub fn get(&self, path: &str) -> Outcome<Option<String>> {
        let path = Path::parse(path).map_err(thrown)?;
        let snapshot = self.engine.snapshot(&self.document);
        Ok(snapshot.and_then(|snapshot| snapshot.value.at(&path).map(canonical)))
    }
}
