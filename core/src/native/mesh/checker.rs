//! The thread that asks the checks of the program, so that nothing but the checked document waits for them.
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use tokio::sync::mpsc::UnboundedSender;

use super::actor::Actor;
use super::inputs::Later;
use crate::engine::{CheckRequest, CheckTicket, SourceState};
use crate::error::{Code, Error, Result};
use crate::merge::priority;

/// How many documents may wait for a check that hangs. The engine has forgotten older ones by then.
const MAX_WAITING: usize = 32;

thread_local! {
    /// The configuration whose check runs on this thread, by its address; 0 for none.
    static CHECKING: Cell<usize> = const { Cell::new(0) };
}

/// Documents that wait to be checked.
#[derive(Default)]
struct Queue {
    waiting: Mutex<(VecDeque<CheckRequest>, bool)>,
    changed: Condvar,
}

/// The thread, once there is something to ask.
pub(super) struct Checker {
    queue: Option<Arc<Queue>>,
    answers: UnboundedSender<Later>,
    whose: usize,
}

impl Checker {
    /// A checker of the configuration at an address.
    pub(super) fn new(answers: UnboundedSender<Later>, whose: usize) -> Checker {
        Checker { queue: None, answers, whose }
    }

    /// Has a document checked. Never waits.
    ///
    /// # Errors
    /// [`Code::Internal`] where no thread can be started.
    pub(super) fn ask(&mut self, request: CheckRequest) -> Result<()> {
        let queue = match &self.queue {
            Some(queue) => queue,
            None => self.queue.insert(spawn(self.answers.clone(), self.whose)?),
        };
        let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.0.push_back(request);
        if waiting.0.len() > MAX_WAITING {
            waiting.0.pop_front();
        }
        queue.changed.notify_one();
        Ok(())
    }
}

impl Drop for Checker {
    /// The thread ends with what it does just now; nobody waits for it.
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.0.clear();
            waiting.1 = true;
            queue.changed.notify_one();
        }
    }
}

fn spawn(answers: UnboundedSender<Later>, whose: usize) -> Result<Arc<Queue>> {
    let queue = Arc::new(Queue::default());
    let taken = Arc::clone(&queue);
    let body = move || {
        CHECKING.set(whose);
        while let Some(request) = next(&taken) {
            let said = run(&request);
            let answer: Later = Box::new(move |actor: &mut Actor| actor.checked(request.ticket, said));
            if answers.send(answer).is_err() {
                return; // the configuration was closed
            }
        }
    };
    let spawned = thread::Builder::new().name("confmesh-check".to_owned()).spawn(body);
    spawned.map_err(|error| Error::new(Code::Internal, format!("cannot start a thread: {error}")))?;
    Ok(queue)
}

fn next(queue: &Queue) -> Option<CheckRequest> {
    let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if waiting.1 {
            return None;
        }
        if let Some(request) = waiting.0.pop_front() {
            return Some(request);
        }
        waiting = queue.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
    }
}

/// What the checks say; one that panics refuses the document.
fn run(request: &CheckRequest) -> Vec<Error> {
    catch_unwind(AssertUnwindSafe(|| request.run())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let message = format!("a check of the program panicked: {}", text.unwrap_or("it says nothing"));
        vec![Error::new(Code::Invalid, message)]
    })
}

/// Refuses what a check must not do with the configuration that it checks: a write would wait for the check that waits for it.
///
/// # Errors
/// [`Code::Usage`] on the thread of that configuration's checks.
pub(super) fn refuse_in_check(whose: usize) -> Result<()> {
    if CHECKING.get() != whose {
        return Ok(());
    }
    Err(Error::new(Code::Usage, "a check cannot write to the configuration that it checks")
        .with_hint("let it only look at what it is given, and write from a subscription"))
}

impl Actor {
    /// What is wrong with the document, where it is better not to start at all: nobody else could mend it, or the checks of the
    /// program say nothing.
    pub(super) fn refuse_start(&self) -> Result<()> {
        for status in self.driver.engine().status() {
            if let Some(rejection) = status.rejected
                && (self.refuses_invalid || rejection.errors.iter().any(|error| error.code() == Code::Busy))
            {
                return Err(rejection.to_error());
            }
            let bound = status.sources.into_iter().find(|source| source.priority == priority::SHARED);
            if let Some(SourceState::Stale(error)) = bound.map(|source| source.state)
                && self.refuses_invalid
            {
                return Err(error);
            }
        }
        Ok(())
    }

    /// The checks of the program have answered.
    pub(super) fn checked(&mut self, ticket: CheckTicket, said: Vec<Error>) {
        self.driver.handle_checked(ticket, said, self.clock.now());
    }

    pub(super) fn check(&mut self, request: CheckRequest) {
        let ticket = request.ticket;
        if let Err(error) = self.checker.ask(request) {
            self.checked(ticket, vec![error]);
        }
    }
}
