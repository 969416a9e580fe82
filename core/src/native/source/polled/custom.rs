//! A program's own sources.
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Answer, Failure};
use crate::error::{Code, Error, Result};
use crate::source::SourceSpec;
use crate::value::{Str, Value};

/// A source of a program's own. Any function that returns a document is one.
///
/// ```no_run
/// # fn main() -> confmesh::Result<()> {
/// use confmesh::source::SourceSpec;
/// use confmesh::{Value, open};
///
/// let own = || Ok(Some([("limit", 7)].into_iter().collect::<Value>()));
/// let config = open(Vec::<String>::new()).custom_source(SourceSpec::custom("limits"), own).start()?;
/// assert_eq!(config.get("limit")?, Some(7.into()));
/// # Ok(())
/// # }
/// ```
pub trait Source: Send + Sync + 'static {
    /// The document as it is now: a map; `None` where there is none. It is called on a thread of its own, never twice at
    /// once, and may block; what takes longer than the deadline counts as failed.
    ///
    /// # Errors
    /// Anything: the last good document stays in force, and `status` shows the error.
    fn load(&self) -> Result<Option<Value>>;
}

impl<F: Fn() -> Result<Option<Value>> + Send + Sync + 'static> Source for F {
    fn load(&self) -> Result<Option<Value>> {
        self()
    }
}

pub(super) struct CustomLoader {
    id: Str,
    own: Arc<dyn Source>,
    patience: Duration,
    /// A call that was given up, and still runs.
    running: Option<JoinHandle<Result<Option<Value>>>>,
}

impl CustomLoader {
    pub(super) fn new(spec: &SourceSpec, own: Arc<dyn Source>) -> CustomLoader {
        let patience = Duration::from_millis(spec.options.patience_ms());
        CustomLoader { id: spec.id(), own, patience, running: None }
    }

    pub(super) async fn load(&mut self) -> Result<Answer, Failure> {
        let was_running = self.running.is_some();
        let mut call = self.running.take().unwrap_or_else(|| {
            let own = Arc::clone(&self.own);
            tokio::task::spawn_blocking(move || own.load())
        });
        let Ok(ended) = timeout(self.patience, &mut call).await else {
            self.running = Some(call);
            let seconds = self.patience.as_secs_f64();
            let message = match was_running {
                false => format!("`{}` gave no answer within {seconds} s", self.id),
                true => format!("`{}` still hangs, and is not called a second time", self.id),
            };
            return Err(Error::new(Code::Busy, message)
                .with_hint("give its `load` a deadline of its own, or raise `timeout`")
                .into());
        };
        match ended {
            Ok(Ok(Some(value))) => Ok(Answer::Value(value)),
            Ok(Ok(None)) => Ok(Answer::Missing),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => {
                let error = Error::new(Code::Internal, format!("`load` of `{}` panicked", self.id));
                Err(error.with_hint("its message is on standard error; it is called again").into())
            }
        }
    }
}
