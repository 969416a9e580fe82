//! Operations of the list that are asked for by name.
use tokio::sync::oneshot;

use super::actor::Actor;
use crate::api::{At, Begun, Call, Question};
use crate::engine::{Audit, Receipt};
use crate::error::Result;
use crate::id::{Genesis, ReplicaId};
use crate::value::Value;

/// Where an answer goes; dropped without one, it says that the mesh has ended.
pub(super) struct Reply<T>(Box<dyn FnOnce(Result<T>) + Send>);

impl<T: 'static> Reply<T> {
    /// To whoever waits; a program may have dropped its answer.
    pub(super) fn to(sender: oneshot::Sender<Result<T>>) -> Reply<T>
    where
        T: Send,
    {
        Reply(Box::new(move |result| drop(sender.send(result))))
    }

    pub(super) fn send(self, result: Result<T>) {
        (self.0)(result);
    }

    /// The same for another kind of result, which is made into this one.
    fn of<U>(self, shown: impl FnOnce(U) -> T + Send + 'static) -> Reply<U> {
        Reply(Box::new(move |result| self.send(result.map(shown))))
    }
}

impl Actor {
    /// Does what a row says; it is answered at once, or when it is on the disk.
    pub(super) fn call(&mut self, call: &Call, reply: Reply<Value>) {
        let document = self.shared.document.clone();
        let mut at = At { engine: self.driver.engine_mut(), document: &document, now: self.clock.now() };
        match call.begin(&mut at) {
            Err(error) => reply.send(Err(error)),
            Ok(Begun::Done(value)) => reply.send(Ok(value)),
            Ok(Begun::Writing(request)) => {
                self.waiting.insert(request, reply.of(|receipt: Receipt| receipt.to_value()));
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
            Ok(Begun::Asking(question)) => reply.send(Ok(self.answer(question))),
        }
    }

    fn answer(&self, question: Question) -> Value {
        match question {
            Question::Audit => self.audit.iter().map(Audit::to_value).collect::<Vec<_>>().into(),
            Question::Status => self.status().to_value(),
            Question::Health => self.status().health().to_value(),
        }
    }
}
