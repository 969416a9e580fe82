//! Checks of the program: functions of JavaScript, which answer when they are ready. Nothing but the checked document waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use confmesh::schema::{Schema, answered, values_at};
use confmesh::{Code, Error, Result, Value};
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::convert::{read, shown};

/// A function that is asked: it gets a JSON text `[question, [[number, value], …]]`, and answers by [`answer_check`].
type Asker = ThreadsafeFunction<String, (), String, napi::Status, false, true>;

/// What was said of each value, as [`answered`] reads it.
type Said = Vec<Value>;

/// A question without an answer: whose checks, about what, and where the answer goes.
struct Waiting {
    whose: usize,
    asked: Value,
    answer: Sender<Said>,
}

/// What waits for an answer.
static WAITING: Mutex<BTreeMap<u32, Waiting>> = Mutex::new(BTreeMap::new());
static QUESTIONS: AtomicU32 = AtomicU32::new(0);

fn waiting() -> MutexGuard<'static, BTreeMap<u32, Waiting>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A question for the thread of JavaScript while that waits.
struct Direct {
    asked: Value,
    answer: Sender<Said>,
}

/// The checks of a schema.
#[napi(object, object_to_js = false)]
pub struct Checks {
    /// The patterns; the number of a check is its place here.
    pub patterns: Vec<String>,
    /// Asks them.
    pub ask: Asker,
}

/// How often who waits looks whether what it waits for is done.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// The checks of one configuration.
pub struct Asking {
    checks: Checks,
    /// Who waits on the thread of JavaScript, while somebody does.
    direct: Mutex<Option<Sender<Direct>>>,
}

impl Asking {
    /// Checks that are asked whenever JavaScript has time; none where there are no patterns.
    pub fn of(checks: Option<Checks>) -> Option<Arc<Asking>> {
        let checks = checks.filter(|checks| !checks.patterns.is_empty())?;
        Some(Arc::new(Asking { checks, direct: Mutex::new(None) }))
    }

    /// Does something on another thread, for which the thread of JavaScript waits: meanwhile it answers questions, or both
    /// would wait for each other.
    pub fn while_waiting<T: Send + 'static>(
        &self,
        ask: &Function<'_, String, String>,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (direct, questions) = channel();
        *self.lock() = Some(direct.clone());
        // What was asked before is answered here as well: JavaScript would not come to it.
        let older: Vec<Waiting> =
            waiting().extract_if(.., |_, one| one.whose == self.whose()).map(|(_, one)| one).collect();
        for Waiting { asked, answer, .. } in older {
            let _ = direct.send(Direct { asked, answer }); // the receiver is here
        }
        let (done, result) = channel();
        let spawned = std::thread::Builder::new().spawn(move || {
            let _ = done.send(work()); // who waits is below
            drop(direct);
        });
        let ended = || Error::new(Code::Internal, "no thread could do it");
        spawned.map_err(|_| ended())?;
        loop {
            match questions.recv_timeout(LOOK_EVERY) {
                Ok(Direct { asked, answer }) => {
                    if let Some(said) = ask.call(shown(&asked)).ok().and_then(|said| answers(&said).ok()) {
                        let _ = answer.send(said); // its time was over
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return result.recv().map_err(|_| ended())?,
            }
            if let Ok(result) = result.try_recv() {
                *self.lock() = None;
                return result;
            }
        }
    }

    fn whose(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Sender<Direct>>> {
        self.direct.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The schema with these checks.
    pub fn on(self: Arc<Asking>, schema: &Schema) -> Schema {
        schema.check(move |document| match self.asked(document) {
            Ok(errors) if errors.is_empty() => Ok(()),
            Ok(errors) => Err(errors),
            Err(error) => Err(vec![error]),
        })
    }

    fn asked(&self, document: &Value) -> Result<Vec<Error>> {
        let mut paths = Vec::new();
        let mut asked: Vec<Value> = Vec::new();
        for (number, pattern) in (0u64..).zip(&self.checks.patterns) {
            for (path, value) in values_at(document, pattern)? {
                paths.push(path);
                asked.push(vec![number.into(), value].into());
            }
        }
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let wrong = paths.into_iter().zip(self.said(asked.into())?);
        Ok(wrong.flat_map(|(path, said)| answered(&path, &said)).collect())
    }

    fn said(&self, asked: Value) -> Result<Said> {
        let gone = || Error::new(Code::Closed, "nobody runs the checks of the program any more");
        let direct = self.lock();
        if let Some(waits) = &*direct {
            let (answer, answered) = channel();
            let is_taken = waits.send(Direct { asked: asked.clone(), answer }).is_ok();
            drop(direct);
            if let (true, Ok(said)) = (is_taken, answered.recv()) {
                return Ok(said);
            }
        } else {
            drop(direct);
        }
        let question = QUESTIONS.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = channel();
        waiting().insert(question, Waiting { whose: self.whose(), asked: asked.clone(), answer });
        let text = shown(&vec![u64::from(question).into(), asked].into());
        if self.checks.ask.call(text, ThreadsafeFunctionCallMode::NonBlocking) != napi::Status::Ok {
            waiting().remove(&question);
            return Err(gone());
        }
        answered.recv().map_err(|_| gone())
    }
}

/// Reads a JSON list.
fn answers(text: &str) -> Result<Said> {
    Ok(read(text)?.as_list().into_iter().flatten().cloned().collect())
}

/// Answers a question: a JSON list with null for each value that is fine, and a text or a list for what is wrong.
#[napi]
pub fn answer_check(question: u32, said: String) {
    let Some(one) = waiting().remove(&question) else { return };
    if let Ok(said) = answers(&said) {
        let _ = one.answer.send(said); // nobody waits any more
    }
}
