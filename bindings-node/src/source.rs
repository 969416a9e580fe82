//! Sources as JavaScript gives them: texts, maps, and functions of the program, which answer when they are ready.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use confmesh::source::SourceSpec;
use confmesh::{Code, Error, GivenSource, Result, Source, Value};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::convert::read;

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
}

impl Sources {
    /// The sources, and where they are kept.
    pub fn given(self) -> Result<(Vec<GivenSource>, Option<String>)> {
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
        Ok((given, self.data_dir))
    }
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
        let question = QUESTIONS.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = channel();
        waiting().insert(question, answer);
        let gone = || Error::new(Code::Closed, format!("nobody runs `load` of `custom:{}` any more", self.name));
        if self.ask.call(vec![self.number, question], ThreadsafeFunctionCallMode::NonBlocking) != napi::Status::Ok {
            waiting().remove(&question);
            return Err(gone());
        }
        let answer = answered.recv().unwrap_or_else(|_| Err(gone()));
        answer.map_err(|error| {
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
