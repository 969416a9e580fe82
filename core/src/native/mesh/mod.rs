//! The running thing that a program holds: an engine on a thread of its own, with files, store, listener and peers.
mod actor;
mod answer;
mod clock;
mod files;
mod hosting;
mod inputs;
mod launch;
mod listen;
mod log;
mod open;
mod options;
mod status;
mod subscription;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

pub use answer::Answer;
pub use log::LogLevel;
pub use open::{OpenOptions, open};
pub use options::MeshOptions;
pub use status::{DocumentState, MeshStatus, PeerState, PeerStatus};
pub use subscription::{ChangeSet, Notification, Subscription};

use crate::canonical::ContentHash;
use crate::diff::Patch;
use crate::engine::{Receipt, Snapshot};
use crate::error::{Code, Error, Result};
use crate::id::{DocumentName, InstanceId};
use crate::merge::Explanation;
use crate::native::http::Write;
use crate::path::Path;
use crate::pattern::Pattern;
use crate::value::Value;
use inputs::Request;
use subscription::Subscribers;

/// How long closing may take in all.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// A running configuration; clones are handles to the same one, and dropping the last one closes it.
///
/// Reading takes no lock and never waits. Writing is answered when the write is on the disk.
#[derive(Clone)]
pub struct Mesh {
    owner: Arc<Owner>,
}

/// What [`open`] returns: a [`Mesh`] of one process, whose writes go to the runtime layer.
pub type Config = Mesh;

/// Closes the mesh with the last handle.
struct Owner(Arc<Shared>);

/// What the handles and the mesh's own thread have in common.
struct Shared {
    document: DocumentName,
    instance: InstanceId,
    addresses: OnceLock<Vec<SocketAddr>>,
    snapshot: ArcSwap<Snapshot>,
    requests: mpsc::Sender<Request>,
    subscribers: Arc<Subscribers>,
    ended: Mutex<bool>,
    end: Condvar,
}

impl Mesh {
    /// The document as it is now; cheap to take and to keep.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.owner.0.snapshot.load_full()
    }

    /// The value at a path; `None` where nothing is.
    ///
    /// # Errors
    /// [`Code::PathSyntax`] for what is no path.
    pub fn get(&self, path: &str) -> Result<Option<Value>> {
        Ok(self.snapshot().value.at(&Path::parse(path)?).cloned())
    }

    /// Reads what stands at a path as a type of the program; the empty path is the whole document.
    ///
    /// # Errors
    /// [`Code::PathSyntax`] for what is no path, [`Code::Type`] and [`Code::Invalid`] with path, file and line for what does
    /// not fit. Nothing counts as null, which an `Option` takes.
    #[cfg(feature = "serde")]
    pub fn extract<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.snapshot().extract(&Path::parse(path)?)
    }

    /// Sets a path of the shared layer, or of the runtime layer where nothing is shared.
    pub fn set(&self, path: &str, value: impl Into<Value>) -> Answer<Receipt> {
        match Path::parse(path) {
            Ok(path) => self.owner.0.write(Write::Set(path, value.into())),
            Err(error) => Answer::refused(error),
        }
    }

    /// Removes a path from the layer that [`Mesh::set`] writes.
    pub fn unset(&self, path: &str) -> Answer<Receipt> {
        match Path::parse(path) {
            Ok(path) => self.owner.0.write(Write::Unset(path)),
            Err(error) => Answer::refused(error),
        }
    }

    /// Applies an RFC 6902 patch to the document, and writes what differs; with `if_hash` only if that is the hash of
    /// the document.
    pub fn patch(&self, patch: Patch, if_hash: Option<ContentHash>) -> Answer<Receipt> {
        self.owner.0.write(Write::Patch(patch, if_hash))
    }

    /// Applies an RFC 7396 merge patch to the document, and writes what differs.
    pub fn merge_patch(&self, patch: Value, if_hash: Option<ContentHash>) -> Answer<Receipt> {
        self.owner.0.write(Write::MergePatch(patch, if_hash))
    }

    /// Makes the document this one, by writing what differs.
    pub fn replace(&self, value: Value, if_hash: Option<ContentHash>) -> Answer<Receipt> {
        self.owner.0.write(Write::Replace(value, if_hash))
    }

    /// Follows the changes of paths that match a pattern, from now on.
    ///
    /// # Errors
    /// [`Code::PatternSyntax`] for what is no pattern, [`Code::Closed`] after [`Mesh::close`].
    pub fn subscribe(&self, pattern: &str) -> Result<Subscription> {
        self.owner.0.subscribers.add(vec![Pattern::parse(pattern)?])
    }

    /// Why the value at a path is what it is; `None` where no source ever spoke of it.
    ///
    /// # Errors
    /// [`Code::PathSyntax`] for what is no path.
    pub fn explain(&self, path: &str) -> Result<Option<Explanation>> {
        Ok(self.snapshot().explain(&Path::parse(path)?))
    }

    /// How the mesh, its sources and its peers are doing.
    pub fn status(&self) -> Answer<MeshStatus> {
        self.owner.0.status()
    }

    /// The addresses that are really listened on.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.owner.0.addresses.get().map_or(&[], Vec::as_slice)
    }

    /// Who this instance is.
    pub fn instance(&self) -> InstanceId {
        self.owner.0.instance
    }

    /// The document's name.
    pub fn document(&self) -> &DocumentName {
        &self.owner.0.document
    }

    /// Closes the mesh: what was asked for before is finished, the store is flushed, peers are told. Blocks until that is
    /// done, at most about five seconds; a second call only waits for the first. The last snapshot can still be read.
    pub fn close(&self) {
        self.owner.0.close();
    }
}

impl Shared {
    fn send(&self, request: Request) -> Result<()> {
        self.requests.try_send(request).map_err(|error| match error {
            TrySendError::Closed(_) => answer::closed(),
            TrySendError::Full(_) => Error::new(Code::NotReady, "too many requests wait to be answered")
                .with_hint("wait for the answers of some before you send more"),
        })
    }

    fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<Result<T>>) -> Request) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        match self.send(request(reply)) {
            Ok(()) => Answer::waiting(answer),
            Err(error) => Answer::refused(error),
        }
    }

    fn write(&self, write: Write) -> Answer<Receipt> {
        self.ask(|reply| Request::Write(write, reply))
    }

    fn status(&self) -> Answer<MeshStatus> {
        self.ask(Request::Status)
    }

    fn close(&self) {
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
    fn set_ended(&self) {
        self.subscribers.close();
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end.notify_all();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl std::fmt::Debug for Mesh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mesh({} as {})", self.document(), self.instance())
    }
}
