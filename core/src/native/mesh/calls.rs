//! Operations of the list that are asked for by name.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::actor::Actor;
use super::inputs::Later;
use crate::api::{At, Begun, Call, shown};
use crate::diff::{diff, leaves};
use crate::engine::{Audit, Called, PeerId, Receipt, Snapshot, SourceState};
use crate::error::{Code, Error, Result};
use crate::guard::{Grant, Who};
use crate::id::{Genesis, ReplicaId};
use crate::native::file;
use crate::native::watch::{FileEvent, WatchOptions};
use crate::value::Value;

/// How long a reload waits for sources that are polled.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often a file is looked at that is another one each time.
const LOOKS: usize = 50;

/// Where an answer goes; dropped without one, it says that the mesh has ended.
///
/// It says whether somebody was there.
pub(super) struct Reply<T>(Box<dyn FnOnce(Result<T>) -> bool + Send>);

impl<T: 'static> Reply<T> {
    /// To whoever waits; a program may have dropped its answer.
    pub(super) fn to(sender: oneshot::Sender<Result<T>>) -> Reply<T>
    where
        T: Send,
    {
        Reply(Box::new(move |result| sender.send(result).is_ok()))
    }

    /// Sends it; whether somebody waited.
    pub(super) fn send(self, result: Result<T>) -> bool {
        (self.0)(result)
    }

    /// The same for another kind of result, which is made into this one.
    pub(super) fn of<U>(self, shown: impl FnOnce(U) -> T + Send + 'static) -> Reply<U> {
        Reply(Box::new(move |result| self.send(result.map(shown))))
    }
}

impl Actor {
    /// Does what a row says; it is answered at once, or when it is on the disk.
    pub(super) fn call(&mut self, call: &Call, (who, guest): (Who, Option<PeerId>), reply: Reply<Value>) {
        let document = self.shared.document.clone();
        let reply = match &who {
            Some(grant) => self.shown_to(call, Arc::clone(grant), reply),
            None => reply,
        };
        let seen = who.clone();
        let receipt = move |receipt: Receipt| match &seen {
            Some(grant) => receipt.seen_by(grant).to_value(),
            None => receipt.to_value(),
        };
        let mut at = At { engine: self.driver.engine_mut(), document: &document, who, guest, now: self.clock.now() };
        match call.begin(&mut at) {
            Err(error) => drop(reply.send(Err(error))),
            Ok(Begun::Done(value)) => drop(reply.send(Ok(value))),
            Ok(Begun::Locking(request)) => self.wait_for_lock(request, reply),
            Ok(Begun::Writing(request)) => {
                self.metrics.asked(request);
                self.waiting.insert(request, reply.of(receipt));
            }
            Ok(Begun::WritingAs(request, besides)) => {
                self.metrics.asked(request);
                let whole = move |done: Receipt| {
                    Value::Map(besides.into_iter().chain([("receipt".into(), receipt(done))]).collect())
                };
                self.waiting.insert(request, reply.of(whole));
            }
            Ok(Begun::Expelling(replica)) => {
                self.expelling.push((replica, reply.of(|replica: ReplicaId| replica.to_string().into())));
            }
            Ok(Begun::GivingUp(genesis, besides)) => {
                let shown = move |genesis: Genesis| {
                    let genesis = Value::from(genesis.to_string());
                    match besides.is_empty() {
                        true => genesis,
                        false => Value::Map(besides.into_iter().chain([("genesis".into(), genesis)]).collect()),
                    }
                };
                self.adopting.push((genesis, reply.of(shown)));
            }
            Ok(Begun::Asking) => self.answer(call, reply),
        }
    }

    /// A reply that shows of what comes only what a principal may see.
    fn shown_to(&self, call: &Call, grant: Arc<Grant>, reply: Reply<Value>) -> Reply<Value> {
        let (row, shared) = (call.operation, Arc::clone(&self.shared));
        Reply(Box::new(move |result: Result<Value>| {
            let snapshot = shared.snapshot.load_full();
            let result = result.map_err(|error| grant.told(error));
            reply.send(result.and_then(|value| shown(row, &grant, &snapshot, value)))
        }))
    }

    /// What only those know who run an engine.
    fn answer(&mut self, call: &Call, reply: Reply<Value>) {
        let known = match call.operation.name {
            "reload" => return self.reload(reply),
            "backup" => return self.backup(reply),
            // Those on buses are asked by what drives the engine.
            "force_sync" => {
                let asked = self.driver.force_sync(self.clock.now());
                Ok(u64::try_from(asked).unwrap_or(u64::MAX).into())
            }
            "audit" => Ok(self.audit.iter().map(Audit::to_value).collect::<Vec<_>>().into()),
            "status" => Ok(self.status().to_value()),
            "metrics" => Ok(self.metrics.text(&self.status(), self.waiting.len()).into()),
            "health" => Ok(self.status().health().to_value()),
            other => Err(Error::new(Code::Internal, format!("nobody does `{other}` here"))),
        };
        let _ = reply.send(known);
    }

    /// Looks at every file, asks every source that is polled, and answers when what came of it is in force, and stored.
    fn reload(&mut self, reply: Reply<Value>) {
        let files = self.layers.iter().map(|layer| layer.path.clone()).chain(self.bound.values().cloned());
        let (files, later): (Vec<PathBuf>, _) = (files.collect(), self.senders.later.clone());
        let before = self.shared.snapshot.load_full();
        self.ask_remotes(ANSWER_WITHIN);
        drop(tokio::task::spawn_blocking(move || {
            let found: Vec<FileEvent> =
                files.into_iter().map(|path| FileEvent { text: held_still(&path), path }).collect();
            let look: Later = Box::new(move |actor: &mut Actor| {
                found.into_iter().for_each(|event| actor.file_changed(event));
                actor.at_rest.push(Box::new(move |actor: &mut Actor| {
                    let _ = reply.send(Ok(actor.reloaded(&before)));
                }));
            });
            let _ = later.send(look); // fails once the actor is gone
        }));
    }

    /// `{"revision", "changed", "failed"}`.
    fn reloaded(&self, before: &Snapshot) -> Value {
        let now = self.shared.snapshot.load_full();
        let changes = leaves(&diff(&before.value, &now.value));
        let changed: Vec<Value> = changes.iter().map(|change| change.path.to_string().into()).collect();
        let failed =
            |source: Value, error: &Error| [("source", source), ("error", error.to_value())].into_iter().collect();
        let status = self.driver.engine().status().into_iter().find(|status| status.document == self.shared.document);
        let mut refused: Vec<Value> = Vec::new();
        if let Some(status) = status {
            refused.extend(status.sources.iter().filter_map(|source| match &source.state {
                SourceState::Stale(error) => Some(failed(source.id.clone().into(), error)),
                SourceState::Fresh | SourceState::Missing => None,
            }));
            refused.extend(status.rejected.map(|found| failed(found.cause.clone().into(), &found.to_error())));
        }
        [("revision", now.revision.into()), ("changed", Value::from(changed)), ("failed", refused.into())]
            .into_iter()
            .collect()
    }

    /// A guest asks for an operation by name: for one that is open to guests, of the document that is here.
    pub(super) fn called(&mut self, called: Called) {
        let found = Call::new(&called.operation, &called.arguments).and_then(|call| {
            if called.document != self.shared.document {
                return Err(Error::new(
                    Code::UnknownDocument,
                    format!("there is no document `{}` here", called.document),
                ));
            }
            if call.operation.is_called_by_guests() {
                return Ok(call);
            }
            Err(Error::new(Code::Usage, format!("guests do not ask for `{}`", call.operation.name))
                .with_hint("ask for it over HTTP: `/openapi.json` lists the routes"))
        });
        match found {
            Err(error) => self.driver.engine_mut().answer_call(&called, Err(error), self.clock.now()),
            Ok(call) => {
                let by = (called.by.clone(), Some(called.peer));
                let (later, asked) = (self.senders.later.clone(), call.clone());
                let back = move |result: Result<Value>| {
                    let result = result.map(|reply| asked.record(reply));
                    let answer: Later = Box::new(move |actor: &mut Actor| {
                        let now = actor.clock.now();
                        actor.driver.engine_mut().answer_call(&called, result, now);
                    });
                    later.send(answer).is_ok() // fails once the actor is gone, and its guests with it
                };
                self.call(&call, by, Reply(Box::new(back)));
            }
        }
    }
}

/// What a file holds once it is the same at two looks; a missing or empty one may be in the middle of a save for longer.
fn held_still(path: &Path) -> Result<Option<String>> {
    let options = WatchOptions::default();
    let mut before = file::read_regular(path)?;
    for _ in 0..LOOKS {
        let is_nothing = before.as_ref().is_none_or(|text| text.trim().is_empty());
        thread::sleep(if is_nothing { options.cap } else { options.settle });
        let now = file::read_regular(path)?;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
    Err(Error::new(Code::File, format!("`{}` does not hold still", path.display()))
        .with_hint("something keeps writing it: ask again once it has ended"))
}
