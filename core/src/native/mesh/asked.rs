//! What a handle asks of the mesh's own thread.
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::answer::{self, Answer};
use super::inputs::Request;
use super::status::MeshStatus;
use super::{CLOSE_WITHIN, Shared, checker};
use crate::api::Call;
use crate::engine::{Aside, Audit, Command, Conflict, PathVersion, Receipt, Repair, Snapshot, WriteTerms, Written};
use crate::error::{Code, Error, Result};
use crate::guard::Who;
use crate::id::{Genesis, ReplicaId};
use crate::path::Path;
use crate::value::Value;

impl Shared {
    pub(super) fn send(&self, request: Request) -> Result<()> {
        self.requests.try_send(request).map_err(|error| match error {
            TrySendError::Closed(_) => answer::closed(),
            TrySendError::Full(_) => Error::new(Code::NotReady, "too many requests wait to be answered")
                .with_hint("wait for the answers of some before you send more"),
        })
    }

    pub(super) fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<Result<T>>) -> Request) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        match self.send(request(reply)) {
            Ok(()) => Answer::waiting(answer),
            Err(error) => Answer::untaken(error),
        }
    }

    /// Where it lies: what a thread of checks knows it by.
    pub(super) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(super) fn write(&self, command: Command, terms: WriteTerms) -> Answer<Receipt> {
        if let Err(error) = checker::refuse_in_check(self.address()) {
            return Answer::refused(error);
        }
        self.ask(|reply| Request::Write(command, Box::new(terms), reply))
    }

    pub(super) fn read(&self, path: Path) -> Answer<(Arc<Snapshot>, PathVersion)> {
        self.ask(|reply| Request::Read(path, reply))
    }

    pub(super) fn written(&self, path: Path) -> Answer<Vec<Written>> {
        self.ask(|reply| Request::Written(path, reply))
    }

    pub(super) fn conflicts(&self, all: bool) -> Answer<Vec<Conflict>> {
        self.ask(|reply| Request::Conflicts(all, reply))
    }

    pub(super) fn force_sync(&self) -> Answer<usize> {
        self.ask(Request::ForceSync)
    }

    pub(super) fn audit(&self) -> Answer<Vec<Audit>> {
        self.ask(Request::Audit)
    }

    pub(super) fn expel(&self, replica: &str) -> Answer<ReplicaId> {
        self.ask(|reply| Request::Expel(replica.to_owned(), reply))
    }

    pub(super) fn adopt(&self, other: &str) -> Answer<Genesis> {
        self.ask(|reply| Request::Adopt(other.to_owned(), reply))
    }

    pub(super) fn repair_plan(&self) -> Answer<Repair> {
        self.ask(Request::RepairPlan)
    }

    pub(super) fn repair(&self) -> Answer<Genesis> {
        self.ask(Request::Repair)
    }

    pub(super) fn kept(&self) -> Answer<Vec<Aside>> {
        self.ask(Request::Kept)
    }

    pub(super) fn confirm_kept(&self, id: u64) -> Answer<()> {
        self.ask(|reply| Request::Confirm(id, reply))
    }

    pub(super) fn call(&self, call: Call, who: Who) -> Answer<Value> {
        self.ask(|reply| Request::Call(call, who, reply))
    }

    pub(super) fn status(&self) -> Answer<MeshStatus> {
        self.ask(Request::Status)
    }

    pub(super) fn close(&self) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        while !*ended {
            // A full queue is being worked on: there will be room for this soon.
            let asked = !matches!(self.requests.try_send(Request::Close), Err(TrySendError::Full(_)));
            let patience = if asked { 2 * CLOSE_WITHIN } else { Duration::from_millis(5) };
            let (guard, waited) = self.end.wait_timeout(ended, patience).unwrap_or_else(PoisonError::into_inner);
            ended = guard;
            if asked && waited.timed_out() {
                return;
            }
        }
    }

    /// Nothing happens any more.
    pub(super) fn set_ended(&self) {
        self.subscribers.close();
        self.journal.close();
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end.notify_all();
    }
}
