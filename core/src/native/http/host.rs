//! What the HTTP interface asks of whoever holds the document.
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::health::Health;
use crate::canonical::ContentHash;
use crate::engine::{
    Aside, Audit, Choice, Command, Conflict, PathVersion, Receipt, Repair, Snapshot, WriteTerms, Written,
};
use crate::error::Result;
use crate::id::{DocumentName, Genesis, ReplicaId};
use crate::path::Path;
use crate::pattern::Pattern;
use crate::value::{Str, Value};

/// Whoever holds the document.
pub trait Host: Send + Sync + 'static {
    /// The document as it is now.
    ///
    /// # Errors
    /// [`Code::UnknownDocument`](crate::Code::UnknownDocument) where none has that name.
    fn snapshot(&self, name: &DocumentName) -> Result<Arc<Snapshot>>;

    /// The document and the version of one of its paths, of one moment.
    fn read(&self, name: &DocumentName, path: Path) -> BoxFuture<'static, Result<(Arc<Snapshot>, PathVersion)>>;

    /// Writes, and answers when that is on the disk.
    fn write(&self, name: &DocumentName, command: Command, terms: WriteTerms) -> BoxFuture<'static, Result<Receipt>>;

    /// The shared writes that made what is at a path, the newest first.
    fn written(&self, path: Path) -> BoxFuture<'static, Result<Vec<Written>>>;

    /// What waits for a decision, and with `all` also what a rule decided.
    fn conflicts(&self, all: bool) -> BoxFuture<'static, Result<Vec<Conflict>>>;

    /// The newest entries of the audit trail, oldest first.
    fn audit(&self) -> BoxFuture<'static, Result<Vec<Audit>>>;

    /// Compares the document with every connected instance now, and answers how many are asked.
    fn force_sync(&self) -> BoxFuture<'static, Result<usize>>;

    /// Names who is to decide a conflict, and answers when that is on the disk.
    fn assign(&self, id: ContentHash, user: Option<Str>) -> BoxFuture<'static, Result<Receipt>>;

    /// Settles a conflict, and answers when that is on the disk.
    fn resolve(&self, id: ContentHash, choice: Choice, terms: WriteTerms) -> BoxFuture<'static, Result<Receipt>>;

    /// Takes the member whose replica's id begins so out of the members, and answers with the whole id when that is on the disk.
    fn expel(&self, replica: &str) -> BoxFuture<'static, Result<ReplicaId>>;

    /// Gives the document up for another one, named by the beginning of its birth or of the id of an instance that holds it,
    /// and answers with the whole birth when that is on the disk.
    fn adopt(&self, other: &str) -> BoxFuture<'static, Result<Genesis>>;

    /// What a repair would remove.
    fn repair_plan(&self) -> BoxFuture<'static, Result<Repair>>;

    /// Lets the document go on without authors and members that nobody is, and answers with the birth of what it goes on as
    /// when that is on the disk.
    fn repair(&self) -> BoxFuture<'static, Result<Genesis>>;

    /// What was held before other documents took its place.
    fn kept(&self) -> BoxFuture<'static, Result<Vec<Aside>>>;

    /// What is kept under a number is not needed any more.
    fn confirm_kept(&self, id: u64) -> BoxFuture<'static, Result<()>>;

    /// How it is doing, and what `GET /health` shows besides.
    fn health(&self) -> BoxFuture<'static, Result<(Health, Value)>>;

    /// Everything that an operator may want to know, as `GET /status` shows it.
    fn status(&self) -> BoxFuture<'static, Result<Value>>;

    /// Events that match one of the patterns, as `GET /events` shows them; secrets are masked if
    /// `mask` says so.
    ///
    /// # Errors
    /// [`Code::Closed`](crate::Code::Closed) once it is closing.
    fn events(&self, patterns: Vec<Pattern>, mask: bool) -> Result<BoxStream<'static, Value>>;
}
