//! A document of this page alone: layers that the program gives, merged, explained and followed by the same engine.

use confmesh::canonical::canonical;
use confmesh::clock::Now;
use confmesh::engine::{DocumentOptions, Engine, EngineConfig, RequestId, SourceState};
use confmesh::id::{DocumentName, InstanceId};
use confmesh::merge::Layer;
use confmesh::schema::{Schema, values_at};
use confmesh::{Code, Error, Path, Pattern, Policy, Value};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::algebra::{invalid_variables, texts, told, variables};
use crate::convert::{Outcome, json, thrown};
use crate::news::{event_value, now, number};
use crate::registered::{Ask, asking};

/// Layers of one program, with a runtime layer above them that it writes to.
///
/// After every call take everything from `pollEvent`. `now` is two readings in milliseconds, as for `GuestEngine`.
#[wasm_bindgen]
pub struct LocalEngine {
    engine: Engine,
    document: DocumentName,
    /// The patterns of the program's checks, and what asks them.
    checks: Vec<String>,
    ask: Ask,
}

#[wasm_bindgen]
impl LocalEngine {
    /// A document of a JSON list of layers under `{rules, schema, checks, profiles, variables}`, each of which may be null.
    /// `checks` are patterns; `ask` is asked about each value that one of them matches, by the number of the pattern.
    #[wasm_bindgen(constructor)]
    pub fn new(layers: &str, options: &str, ask: Ask, wall_ms: f64, mono_ms: f64) -> Outcome<LocalEngine> {
        let layers = json(layers)?;
        let list = layers.as_list().ok_or_else(|| thrown(Error::new(Code::Usage, "the layers are a list")))?;
        let layers = list.iter().map(Layer::from_value).collect::<Result<Vec<_>, _>>().map_err(thrown)?;
        let sources = layers.iter().map(|layer| (layer.id.clone(), layer.priority)).collect();
        let (options, checks) = document_options(&json(options)?).map_err(thrown)?;
        let options = DocumentOptions { sources, ..options };
        // Nothing here is shared, so nothing needs an id that is unique.
        let config = EngineConfig::new(InstanceId::from_bytes([0; 16]), [0; 32]);
        let engine = Engine::new(config, []).map_err(thrown)?;
        let mut local = LocalEngine { engine, document: DocumentName::default_name(), checks, ask };
        local.engine.open(local.document.clone(), options, now(wall_ms, mono_ms));
        local.check(now(wall_ms, mono_ms));
        for layer in layers {
            local.take_layer(layer, now(wall_ms, mono_ms))?;
        }
        match local.engine.rejection(&local.document) {
            Some(rejection) => return Err(thrown(rejection.to_error())),
            None => while local.engine.poll_event().is_some() {},
        }
        Ok(local)
    }

    /// Puts a layer in the place of the one with its id, or beside the others. One that makes the document invalid is thrown
    /// and held back: with each later change it is tried again.
    #[wasm_bindgen(js_name = setLayer)]
    pub fn set_layer(&mut self, layer: &str, wall_ms: f64, mono_ms: f64) -> Outcome<()> {
        self.take_layer(Layer::from_value(&json(layer)?).map_err(thrown)?, now(wall_ms, mono_ms))
    }

    /// Sets a path of the runtime layer; answered by the `written` event of that number.
    pub fn set(&mut self, path: &str, value: &str, wall_ms: f64, mono_ms: f64) -> Outcome<f64> {
        let (path, value) = (Path::parse(path).map_err(thrown)?, json(value)?);
        let now = now(wall_ms, mono_ms);
        Ok(self.asked(now, |engine, document| engine.set(document, path, value, now)))
    }

    /// Takes back what `set` did to a path.
    pub fn unset(&mut self, path: &str, wall_ms: f64, mono_ms: f64) -> Outcome<f64> {
        let path = Path::parse(path).map_err(thrown)?;
        let now = now(wall_ms, mono_ms);
        Ok(self.asked(now, |engine, document| engine.unset(document, path, now)))
    }

    /// The next news as a JSON text with a `type`: `changed` or `written`.
    #[wasm_bindgen(js_name = pollEvent)]
    pub fn poll_event(&mut self) -> Option<String> {
        let all: Vec<Pattern> = Pattern::parse("*").into_iter().collect();
        self.engine.poll_event().map(|event| canonical(&event_value(event, &all)))
    }

    /// The explanation of a path in canonical text, where a layer holds it.
    pub fn explain(&self, path: &str) -> Outcome<Option<String>> {
        let path = Path::parse(path).map_err(thrown)?;
        let snapshot = self.engine.snapshot(&self.document);
        Ok(snapshot.and_then(|snapshot| snapshot.explain(&path)).map(|account| canonical(&account.to_value())))
    }

    /// Which sources made each leaf, in canonical text: path to sources.
    #[wasm_bindgen(js_name = provenanceText)]
    pub fn provenance_text(&self) -> String {
        let snapshot = self.engine.snapshot(&self.document);
        let provenance = snapshot.map(|snapshot| snapshot.provenance()).unwrap_or_default();
        let entries: Value = provenance.into_iter().map(|(path, source)| (path.to_string(), source)).collect();
        canonical(&entries)
    }

    /// Where layers disagree on a type, as a JSON list of errors.
    #[wasm_bindgen(js_name = warningsText)]
    pub fn warnings_text(&self) -> String {
        let snapshot = self.engine.snapshot(&self.document);
        let warnings = snapshot.map(|snapshot| snapshot.warnings().iter().map(Error::to_value).collect::<Vec<_>>());
        canonical(&warnings.unwrap_or_default().into())
    }

    /// The number of the document, one more per visible change.
    #[wasm_bindgen(getter)]
    pub fn revision(&self) -> f64 {
        self.engine.snapshot(&self.document).map_or(0.0, |snapshot| snapshot.revision as f64)
    }

    /// The document's content hash.
    #[wasm_bindgen(getter)]
    pub fn hash(&self) -> Option<String> {
        self.engine.snapshot(&self.document).map(|snapshot| snapshot.hash().to_string())
    }

    /// The document in canonical text.
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

impl LocalEngine {
    fn take_layer(&mut self, layer: Layer, now: Now) -> Outcome<()> {
        let id = layer.id.clone();
        self.engine.handle_layer(&self.document, &id, Ok(Some(layer)), now);
        self.check(now);
        match self.engine.source_state(&self.document, &id) {
            Some(SourceState::Stale(error)) => Err(thrown(error)),
            _ => Ok(()),
        }
    }

    fn asked(&mut self, now: Now, ask: impl FnOnce(&mut Engine, &DocumentName) -> RequestId) -> f64 {
        let request = ask(&mut self.engine, &self.document);
        self.check(now);
        number(request)
    }

    /// Asks the checks of the program whatever the engine wants to know. A page has one thread, and its checks answer at once.
    fn check(&mut self, now: Now) {
        while let Some(request) = self.engine.poll_check() {
            let mut said = Vec::new();
            for (number, pattern) in (0u32..).zip(&self.checks) {
                for (path, value) in values_at(&request.value, pattern).unwrap_or_default() {
                    let wrong = asking(&self.ask)(number, &canonical(&value));
                    said.extend(wrong.into_iter().flat_map(|wrong| told(&path, &wrong)));
                }
            }
            self.engine.handle_checked(request.ticket, said, now);
        }
    }
}

/// How layers become the document, and the patterns of the program's checks.
fn document_options(options: &Value) -> Result<(DocumentOptions, Vec<String>), Error> {
    let given = |name: &str| options.child(name).filter(|value| **value != Value::Null);
    let checks = given("checks").map_or_else(|| Ok(Vec::new()), |patterns| texts(patterns, "checks"))?;
    let schema = given("schema").map(Schema::from_value).transpose()?;
    // That there is one makes the engine ask; what it says comes from the program's functions.
    let schema = schema.map(|schema| if checks.is_empty() { schema } else { schema.check(|_| Ok(())) });
    let options = DocumentOptions {
        policy: given("rules").map_or_else(|| Ok(Policy::default()), Policy::from_value)?,
        schema,
        invalid_variables: invalid_variables(given("invalidVariables"))?,
        profiles: given("profiles").map_or_else(|| Ok(Vec::new()), |names| texts(names, "profiles"))?,
        variables: given("variables").map(variables).transpose()?.map(|all| all.into_iter().collect()),
        ..DocumentOptions::default()
    };
    Ok((options, checks))
}
