//! What the HTTP interface asks of whoever holds the document.
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::canonical::ContentHash;
use crate::diff::Patch;
use crate::engine::{Receipt, Snapshot};
use crate::error::Result;
use crate::id::DocumentName;
use crate::path::Path;
use crate::pattern::Pattern;
use crate::value::Value;

/// A write.
#[derive(Clone, Debug)]
pub enum Write {
    /// Sets a path.
    Set(Path, Value),
    /// Removes a path.
    Unset(Path),
    /// Applies an RFC 6902 patch.
    Patch(Patch, Option<ContentHash>),
    /// Applies an RFC 7396 merge patch.
    MergePatch(Value, Option<ContentHash>),
    /// Makes the document this one.
    Replace(Value, Option<ContentHash>),
}

/// Whoever holds the document.
pub trait Host: Send + Sync + 'static {
    /// The document as it is now.
    ///
    /// # Errors
    /// [`Code::UnknownDocument`](crate::Code::UnknownDocument) where none has that name.
    fn snapshot(&self, name: &DocumentName) -> Result<Arc<Snapshot>>;

    /// Writes, and answers when that is on the disk. `if_hash` beside a `Set` or `Unset` is checked by the caller.
    fn write(&self, name: &DocumentName, write: Write) -> BoxFuture<'static, Result<Receipt>>;

    /// How it is doing, as `GET /health` shows it.
    fn health(&self) -> BoxFuture<'static, Result<Value>>;

    /// Everything that an operator may want to know, as `GET /status` shows it.
    fn status(&self) -> BoxFuture<'static, Result<Value>>;

    /// Events that match one of the patterns, as `GET /events` shows them; secrets are masked if
    /// `mask` says so.
    ///
    /// # Errors
    /// [`Code::Closed`](crate::Code::Closed) once it is closing.
    fn events(&self, patterns: Vec<Pattern>, mask: bool) -> Result<BoxStream<'static, Value>>;
}
