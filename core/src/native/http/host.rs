//! What the HTTP interface asks of whoever holds the document.
use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::health::Health;
use crate::api::Call;
use crate::engine::{Command, PathVersion, Receipt, Snapshot, WriteTerms};
use crate::error::Result;
use crate::guard::Who;
use crate::id::DocumentName;
use crate::native::guard::{Gate, Pass};
use crate::path::Path;
use crate::pattern::Pattern;
use crate::value::Value;

/// What became of a signed request: the status, and what is answered.
pub struct Delivered {
    /// As HTTP has it.
    pub status: u16,
    /// What was done, or why not.
    pub outcome: Result<Value>,
}

/// Whoever holds the document.
pub trait Host: Send + Sync + 'static {
    /// Whether it may be asked for anything; before that only for how it is doing.
    fn is_started(&self) -> bool;

    /// Whether there is a secret that signed requests could be known by.
    fn takes_webhooks(&self) -> bool;

    /// Does what a signed request says, if it is one: its headers, with names in lower case, and its body as it came.
    fn deliver(&self, headers: BTreeMap<String, String>, body: Vec<u8>) -> BoxFuture<'static, Delivered>;

    /// Who may do what; none where everybody may do everything.
    fn gate(&self) -> Option<Gate>;

    /// The document as it is now, and as whoever asks sees it.
    ///
    /// # Errors
    /// [`Code::UnknownDocument`](crate::Code::UnknownDocument) where none has that name,
    /// [`Code::Forbidden`](crate::Code::Forbidden) where it is none for whoever asks.
    fn snapshot(&self, name: &DocumentName, who: &Who) -> Result<Arc<Snapshot>>;

    /// The document, as whoever asks sees it, and the version of one of its paths, of one moment.
    fn read(
        &self,
        name: &DocumentName,
        path: Path,
        who: &Who,
    ) -> BoxFuture<'static, Result<(Arc<Snapshot>, PathVersion)>>;

    /// Writes, and answers when that is on the disk.
    fn write(&self, name: &DocumentName, command: Command, terms: WriteTerms) -> BoxFuture<'static, Result<Receipt>>;

    /// Does what a row of the list says, of the document of that name or of the only one, and answers when it is done.
    fn call(&self, document: Option<DocumentName>, call: Call, who: Who) -> BoxFuture<'static, Result<Value>>;

    /// How it is doing, and what `GET /health` shows besides.
    fn health(&self) -> BoxFuture<'static, Result<(Health, Value)>>;

    /// What begins to be wrong with the instance, and what is over, as `GET /events?notices=true` shows it.
    ///
    /// # Errors
    /// [`Code::Forbidden`](crate::Code::Forbidden) for who may not run the instance, [`Code::Closed`](crate::Code::Closed).
    fn notices(&self, who: Option<Pass>) -> Result<BoxStream<'static, Value>>;

    /// Events that match one of the patterns, as `GET /events` shows them to whoever asks; secrets are masked if
    /// `mask` says so. They end where whoever asks may not follow any more.
    ///
    /// # Errors
    /// [`Code::Closed`](crate::Code::Closed) once it is closing.
    fn events(&self, patterns: Vec<Pattern>, mask: bool, who: Option<Pass>) -> Result<BoxStream<'static, Value>>;
}
