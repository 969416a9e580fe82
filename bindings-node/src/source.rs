//! Sources as JavaScript gives them: texts, maps, and functions of the program, which answer when they are ready.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use confmesh::source::SourceSpec;
use confmesh::{Code, Environment, Error, GivenSource, Result, Source, Value, Webhook};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::convert::{read, shown};

/// A function that is asked to load: it gets the number of the source and that of the question, and answers by [`answer_source`].
type Asker = ThreadsafeFunction<Vec<u32>, (), Vec<u32>, napi::Status, false, true>;

/// What waits for an answer.
static WAITING: Mutex<BTreeMap<u32, Sender<Result<Option<Value>>>>> = Mutex::new(BTreeMap::new());
static QUESTIONS: AtomicU32 = AtomicU32::new(0);

fn waiting() -> MutexGuard<'static, BTreeMap<u32, Sender<Result<Option<Value>>>>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sources of a configuration.
#[napi(object, object_to_js = false)]
pub struct Sources {
    /// A JSON list: a text or a map each; for those of the program `{"own", "options", "first"?}`.
    pub specs: String,
    /// Asks those of the program.
    pub ask: Asker,
    /// Where their last good documents are kept.
    pub data_dir: Option<String>,
    /// The keys that seal those that hold secrets.
    pub encrypt_key_file: Option<String>,
    /// The variables of the process as JavaScript has them, as JSON.
    pub variables: String,
}

/// The number by which variables are asked for.
const VARIABLES: u32 = u32::MAX;

/// Sources, where they are kept, and where variables come from.
pub struct Given {
    pub sources: Vec<GivenSource>,
    pub data_dir: Option<String>,
    pub encrypt_key_file: Option<String>,
    pub environment: Environment,
}

impl Sources {
    /// What was given.
    pub fn given(self) -> Result<Given> {
        let ask = Arc::new(self.ask);
        let specs = read(&self.specs)?;
        let mut given = Vec::new();
        for (number, spec) in (0..).zip(specs.as_list().into_iter().flatten()) {
            let Some(name) = spec.child("own").and_then(Value::as_str) else {
                given.push(SourceSpec::from_value(spec)?.into());
                continue;
            };
            let options = spec.child("options").cloned().unwrap_or_else(Value::empty_map);
            let first = Mutex::new(spec.child("first").cloned());
            let own = Loading { ask: Arc::clone(&ask), number, name: name.to_owned(), first };
            given.push(GivenSource::custom(SourceSpec::custom_with(name, &options)?, own));
        }
        let first = Mutex::new(Some(read(&self.variables)?));
        let environment = Environment::of(move || {
            let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
            let variables = first.or_else(|| asked(&ask, vec![VARIABLES], || gone("process.env")).ok().flatten())?;
            let text =
                |(name, text): (&confmesh::value::Str, &Value)| Some((name.as_str().into(), text.as_str()?.into()));
            Some(variables.as_map()?.iter().filter_map(text).collect())
        });
        Ok(Given { sources: given, data_dir: self.data_dir, encrypt_key_file: self.encrypt_key_file, environment })
    }
}

fn gone(what: &str) -> Error {
    Error::new(Code::Closed, format!("nobody runs `{what}` any more"))
}

/// Asks JavaScript, and blocks until it answers by [`answer_source`].
fn asked(ask: &Asker, mut question: Vec<u32>, gone: impl Fn() -> Error) -> Result<Option<Value>> {
    let number = QUESTIONS.fetch_add(1, Ordering::Relaxed);
    let (answer, answered) = channel();
    waiting().insert(number, answer);
    question.push(number);
    if ask.call(question, ThreadsafeFunctionCallMode::NonBlocking) != napi::Status::Ok {
        waiting().remove(&number);
        return Err(gone());
    }
    answered.recv().unwrap_or_else(|_| Err(gone()))
}

/// A function that hears of webhooks: it gets JSON with the number of the question, and answers by [`answer_source`].
pub type Hearer = ThreadsafeFunction<String, (), String, napi::Status, false, true>;

/// Tells JavaScript of a webhook, and blocks until it is done with it.
pub fn told(hearer: &Hearer, hook: &Webhook) -> Result<()> {
    let number = QUESTIONS.fetch_add(1, Ordering::Relaxed);
    let (answer, answered) = channel();
    waiting().insert(number, answer);
    let fields: [(&str, Value); 3] =
        [("question", u64::from(number).into()), ("name", hook.name.as_str().into()), ("data", hook.data.clone())];
    let text = shown(&fields.into_iter().collect());
    if hearer.call(text, ThreadsafeFunctionCallMode::NonBlocking) != napi::Status::Ok {
        waiting().remove(&number);
        return Err(gone("the handler"));
    }
    let answer = answered.recv().unwrap_or_else(|_| Err(gone("the handler")));
    answer.map(drop).map_err(|error| Error::new(Code::Internal, format!("it threw {}", error.message())))
}

struct Loading {
    ask: Arc<Asker>,
    number: u32,
    name: String,
    /// What it gave before there was anybody to ask.
    first: Mutex<Option<Value>>,
}

impl Source for Loading {
    fn load(&self) -> Result<Option<Value>> {
        if let Some(first) = self.first.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(Some(first).filter(|first| *first != Value::Null));
        }
        let name = &self.name;
        asked(&self.ask, vec![self.number], || gone(&format!("load` of `custom:{name}"))).map_err(|error| {
            Error::new(error.code(), format!("`load` of `custom:{}` threw {}", self.name, error.message()))
        })
    }
}

/// Answers a question: a JSON value, `null` for none, or what was thrown.
#[napi]
pub fn answer_source(question: u32, json: Option<String>, thrown: Option<String>) {
    let Some(answer) = waiting().remove(&question) else { return };
    let found = match (json, thrown) {
        (_, Some(thrown)) => Err(Error::new(Code::Unreachable, thrown)),
        (Some(json), None) => read(&json).map(|value| Some(value).filter(|value| *value != Value::Null)),
        (None, None) => Ok(None),
    };
    let _ = answer.send(found); // nobody waits any more
}
