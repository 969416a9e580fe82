//! What the HTTP interface asks of whoever holds the document.
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::health::Health;
use crate::api::Call;
use crate::engine::{Command, PathVersion, Receipt, Snapshot, WriteTerms};
use crate::error::Result;
use crate::id::DocumentName;
use crate::path::Path;
use crate::pattern::Pattern;
use crate::value::Value;

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

    /// Does what a row of the list says, of the document of that name or of the only one, and answers when it is done.
    fn call(&self, document: Option<DocumentName>, call: Call) -> BoxFuture<'static, Result<Value>>;

    /// How it is doing, and what `GET /health` shows besides.
    fn health(&self) -> BoxFuture<'static, Result<(Health, Value)>>;

    /// Events that match one of the patterns, as `GET /events` shows them; secrets are masked if
    /// `mask` says so.
    ///
    /// # Errors
    /// [`Code::Closed`](crate::Code::Closed) once it is closing.
    fn events(&self, patterns: Vec<Pattern>, mask: bool) -> Result<BoxStream<'static, Value>>;
}
