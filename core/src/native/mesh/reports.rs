//! Reports: what the log is told, for programs that have a log of their own or want to act on it.
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::answer::{block_on, closed};
use crate::engine::{Level, SourceState};
use crate::error::{Error, Result};
use crate::limits::MAX_QUEUED_EVENTS;
use crate::value::{Str, Value};

/// Something that an operator should know: a source that broke or is in order again, an edit that was refused, a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How serious.
    pub level: Level,
    /// What the log says, as one line.
    pub message: String,
    /// The source that it is about, and how that is now.
    pub source: Option<(Str, SourceState)>,
    /// What went wrong, with code, place and hint.
    pub error: Option<Error>,
}

impl Report {
    /// A line without more to it.
    pub(super) fn line(level: Level, message: &str) -> Report {
        Report { level, message: message.to_owned(), source: None, error: None }
    }

    /// `{"level", "message", "source"?, "state"?, "error"?}`; the state is `fresh`, `missing` or `stale`.
    pub fn to_value(&self) -> Value {
        let level = match self.level {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        let mut fields = vec![("level", Value::from(level)), ("message", self.message.as_str().into())];
        if let Some((source, state)) = &self.source {
            fields.push(("source", source.clone().into()));
            fields.push(("state", state.as_str().into()));
        }
        fields.extend(self.error.as_ref().map(|error| ("error", error.to_value())));
        fields.into_iter().collect()
    }
}

/// The newest reports, for whoever asks; the oldest give way.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    reports: VecDeque<Report>,
    /// The number of the first one that is kept.
    first: u64,
    closed: bool,
    last_reader: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Journal {
    /// Nothing here can panic half-way, so what a poisoned lock holds is whole.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, report: Report) {
        let mut kept = self.lock();
        kept.reports.push_back(report);
        if kept.reports.len() > MAX_QUEUED_EVENTS {
            kept.reports.pop_front();
            kept.first += 1;
        }
        kept.wake();
    }

    /// Ends every reader, after what is kept.
    pub(super) fn close(&self) {
        let mut kept = self.lock();
        kept.closed = true;
        kept.wake();
    }

    /// Reads everything that is kept, and what comes.
    pub(super) fn read(self: &Arc<Self>) -> Reports {
        let mut kept = self.lock();
        kept.last_reader += 1;
        Reports { id: kept.last_reader, next: kept.first, journal: Arc::clone(self) }
    }
}

impl Kept {
    fn wake(&mut self) {
        for waker in std::mem::take(&mut self.wakers).into_values() {
            waker.wake();
        }
    }
}

/// Reports of a configuration since its start, as far as they are kept; dropping it ends it.
#[derive(Debug)]
pub struct Reports {
    id: u64,
    next: u64,
    journal: Arc<Journal>,
}

impl Reports {
    /// The next report; `None` once the configuration is closed.
    pub async fn next(&mut self) -> Option<Report> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Blocks for the next report; `None` when the time is up.
    ///
    /// # Errors
    /// [`Code::Closed`](crate::Code::Closed) once the configuration is closed.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<Report>> {
        match block_on(Instant::now().checked_add(timeout), |context| self.poll_next(context)) {
            Some(Some(report)) => Ok(Some(report)),
            Some(None) => Err(closed()),
            None => Ok(None),
        }
    }

    /// The next report, as a step of a future or stream; `None` once the configuration is closed.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Report>> {
        let mut kept = self.journal.lock();
        let at = self.next.max(kept.first);
        let found = usize::try_from(at - kept.first).ok().and_then(|at| kept.reports.get(at)).cloned();
        match found {
            Some(report) => {
                self.next = at + 1;
                Poll::Ready(Some(report))
            }
            None if kept.closed => Poll::Ready(None),
            None => {
                let replaced = kept.wakers.insert(self.id, context.waker().clone());
                drop(kept); // first: dropping a waker may run code of others
                drop(replaced);
                Poll::Pending
            }
        }
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.journal.lock().wakers.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn reports(of: &mut Reports) -> Vec<String> {
        let mut found = Vec::new();
        while let Poll::Ready(Some(report)) = of.poll_next(&mut Context::from_waker(Waker::noop())) {
            found.push(report.message);
        }
        found
    }

    #[test]
    fn a_late_reader_hears_what_is_kept_and_the_oldest_give_way() {
        let journal: Arc<Journal> = Arc::default();
        let mut early = journal.read();
        for number in 0..=MAX_QUEUED_EVENTS {
            journal.push(Report::line(Level::Info, &number.to_string()));
        }
        let mut late = journal.read();
        for reader in [&mut early, &mut late] {
            let heard = reports(reader);
            assert_eq!((heard.len(), heard[0].as_str()), (MAX_QUEUED_EVENTS, "1"));
        }
        journal.push(Report::line(Level::Info, "more"));
        assert_eq!(reports(&mut late), ["more"]);
        journal.close();
        assert_eq!(late.wait(Duration::from_secs(1)).unwrap_err().code(), Code::Closed);
        assert_eq!(early.wait(Duration::from_secs(1)).unwrap().unwrap().message, "more");
    }
}
