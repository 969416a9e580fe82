//! Running configurations: an engine with layers as its sources, and a state after each step.

use confmesh::clock::Now;
use confmesh::engine::{DocumentOptions, Engine, EngineConfig, Event, RequestId, SourceState};
use confmesh::format::Format;
use confmesh::id::{DocumentName, InstanceId};
use confmesh::merge::{InvalidVariables, Layer, priority};
use confmesh::schema::Schema;
use confmesh::value::Str;
use confmesh::{Error, Path, Policy, Result, Value};

use super::{list, malformed, required, string};

/// The states that a case comes to: what is in force and warned of, and what was refused in the step.
///
/// # Errors
/// What refuses the start.
pub fn played(input: &Value) -> Result<Value> {
    let mut running = Running::start(input)?;
    let mut states = vec![running.state(None)];
    for step in input.child("steps").and_then(Value::as_list).into_iter().flatten() {
        let error = running.step(step)?;
        states.push(running.state(error.as_ref()));
    }
    Ok(states.into())
}

struct Running {
    engine: Engine,
    document: DocumentName,
    files: Vec<String>,
    now: Now,
}

impl Running {
    fn start(input: &Value) -> Result<Running> {
        let mut layers = Vec::new();
        let mut files = Vec::new();
        for file in list(input, "files")? {
            let name = string(required(file, "name")?, "name")?.to_owned();
            files.push(name.clone());
            layers.push((name, string(required(file, "text")?, "text")?.to_owned()));
        }
        let mut running = Running {
            engine: Engine::new(EngineConfig::new(InstanceId::from_bytes([1; 16]), [1; 32]), [])?,
            document: DocumentName::default_name(),
            files,
            now: Now { wall_ms: 1_000_000, mono_ms: 0 },
        };
        let mut layers = layers.iter().map(|(name, text)| running.layer(name, text)).collect::<Result<Vec<Layer>>>()?;
        let env = input.child("env").map(|env| Layer::from_value(&[("env", env.clone())].into_iter().collect()));
        layers.extend(env.transpose()?);
        let sources: Vec<(Str, i32)> = layers.iter().map(|layer| (layer.id.clone(), layer.priority)).collect();
        running.engine.open(running.document.clone(), options(input, sources)?, running.now);
        for layer in layers {
            let id = layer.id.clone();
            running.engine.handle_layer(&running.document, &id, Ok(Some(layer)), running.now);
        }
        match running.engine.rejection(&running.document) {
            Some(rejection) => Err(rejection.to_error()),
            None => Ok(running),
        }
    }

    /// A file as a layer: the later one wins.
    fn layer(&self, name: &str, text: &str) -> Result<Layer> {
        let at =
            self.files.iter().position(|file| file == name).ok_or_else(|| malformed(format!("no file `{name}`")))?;
        let format = Format::from_name(name.rsplit('.').next().unwrap_or_default())?;
        Layer::from_text(name, priority::FILE - i32::try_from(at).unwrap_or(0), text, format)
    }

    /// What was refused, if anything was.
    fn step(&mut self, step: &Value) -> Result<Option<Error>> {
        let path = |name: &str| step.child(name).map(|path| Path::parse(string(path, name)?)).transpose();
        if let Some(path) = path("set")? {
            let request = self.engine.set(&self.document, path, required(step, "value")?.clone(), self.now);
            return Ok(self.answer(request));
        }
        if let Some(path) = path("unset")? {
            let request = self.engine.unset(&self.document, path, self.now);
            return Ok(self.answer(request));
        }
        let name = string(required(step, "write")?, "write")?;
        let layer = self.layer(name, string(required(step, "text")?, "text")?);
        self.engine.handle_layer(&self.document, name, layer.map(Some), self.now);
        match self.engine.source_state(&self.document, name) {
            Some(SourceState::Stale(error)) => Ok(Some(error)),
            _ => Ok(None),
        }
    }

    fn answer(&mut self, wanted: RequestId) -> Option<Error> {
        std::iter::from_fn(|| self.engine.poll_event()).find_map(|event| match event {
            Event::Written { request, result } if request == wanted => result.err(),
            _ => None,
        })
    }

    fn state(&self, error: Option<&Error>) -> Value {
        let snapshot = self.engine.snapshot(&self.document);
        let value = snapshot.as_ref().map_or_else(Value::empty_map, |snapshot| snapshot.value.clone());
        let warnings = snapshot.as_ref().map(|snapshot| snapshot.warnings()).unwrap_or_default();
        let path = |warning: &Error| warning.path().map(ToString::to_string).unwrap_or_default();
        let mut warned: Vec<String> = warnings.iter().map(path).collect();
        warned.sort();
        let warned: Vec<Value> = warned.into_iter().map(Value::from).collect();
        let mut fields = vec![("value", value), ("warned", warned.into())];
        fields.extend(error.map(|error| ("error", error.code().as_str().into())));
        fields.into_iter().collect()
    }
}

fn options(input: &Value, sources: Vec<(Str, i32)>) -> Result<DocumentOptions> {
    let texts = |value: &Value| -> Result<Vec<String>> {
        value.as_list().into_iter().flatten().map(|text| Ok(string(text, "active")?.to_owned())).collect()
    };
    let references = input.child("references");
    let named = references
        .and_then(Value::as_map)
        .into_iter()
        .flat_map(|map| map.iter())
        .filter_map(|(name, text)| Some((name.to_string(), text.as_str()?.to_owned())))
        .collect();
    let invalid = input.child("invalid_variables").and_then(Value::as_str);
    Ok(DocumentOptions {
        sources,
        policy: input.child("rules").map_or_else(|| Ok(Policy::default()), Policy::from_value)?,
        schema: input.child("schema").map(Schema::from_value).transpose()?,
        profiles: input.child("active").map_or_else(|| Ok(Vec::new()), texts)?,
        variables: references.map(|_| named),
        invalid_variables: invalid.map_or_else(|| Ok(InvalidVariables::default()), str::parse)?,
        ..DocumentOptions::default()
    })
}
