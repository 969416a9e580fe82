//! Files: bound ones are looked at afresh whenever something may have happened to them, and written where the engine says
//! so.
//!
//! A text of the bound file that was read earlier is never passed on: by now a mirror write may have replaced it. Nor is
//! one that nobody has seen hold still: it may be half of a save, and the missing half would count as removed.
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::actor::Actor;
use super::inputs::Wrote;
use super::reports::Report;
use crate::engine::{FileWrite, Level, SourceState};
use crate::error::{Error, Result};
use crate::merge::Layer;
use crate::native::file::{self, Replaced};
use crate::native::watch::{FileEvent, WatchOptions};

/// How often a bound file that could not be read or written is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(3);

/// The bound file, as the actor sees it.
pub(super) struct Bound {
    pub(super) path: PathBuf,
    pub(super) is_writing: bool,
    patience: WatchOptions,
    /// The suffix of a copy that is still to be made.
    keep_as: Option<&'static str>,
    write_failure: Option<Error>,
    /// A text that was found and has to hold still before it is believed, and since when it does.
    unsettled: Option<(Option<String>, Instant)>,
    /// When to look again, whatever happens.
    pub(super) look_at: Option<Instant>,
}

impl Bound {
    pub(super) fn new(path: PathBuf, patience: WatchOptions) -> Bound {
        Bound { path, is_writing: false, patience, keep_as: None, write_failure: None, unsettled: None, look_at: None }
    }

    /// Whether a text that was just read may be believed; else the file is looked at again soon.
    fn is_settled(&mut self, text: &Option<String>, expected: Option<&str>) -> bool {
        let now = Instant::now();
        let since = match &self.unsettled {
            Some((before, since)) if before == text => *since,
            _ => now,
        };
        // Missing or empty it mostly is for a moment in the middle of a save.
        let doubtful = text.as_ref().is_none_or(|text| text.trim().is_empty());
        let wait = if doubtful { self.patience.cap } else { self.patience.settle };
        if text.is_some() && text.as_deref() == expected || now.duration_since(since) >= wait {
            self.unsettled = None;
            return true;
        }
        self.unsettled = Some((text.clone(), since));
        self.look_at = Some(now + self.patience.settle.max(Duration::from_millis(1)));
        false
    }
}

impl Actor {
    /// A file holds still.
    pub(super) fn look_at(&mut self, event: FileEvent) {
        if self.bound.as_ref().is_some_and(|bound| bound.path == event.path) {
            match &event.text {
                Ok(text) => self.look_at_bound(text.as_deref()),
                Err(_) => self.look_at_bound(None),
            }
        }
        if let Some(at) = self.layers.iter().position(|layer| layer.path == event.path) {
            self.take_layer(at, event.text);
        }
    }

    /// Takes what a file that is read only holds; nobody but its owner writes it, so the text that held still counts.
    pub(super) fn take_layer(&mut self, at: usize, text: Result<Option<String>>) {
        let Some(layer) = self.layers.get(at) else { return };
        let outcome = text.and_then(|text| {
            text.map(|text| Layer::from_text(&layer.id, layer.priority, text, layer.format)).transpose()
        });
        let id = layer.id.clone();
        let now = self.clock.now();
        self.engine.handle_layer(&self.shared.document, &id, outcome, now);
    }

    /// Looks at the bound file for the first time: there is nothing yet that half a save could remove.
    pub(super) fn look_at_new(&mut self) {
        let Some(bound) = &mut self.bound else { return };
        match file::read(&bound.path) {
            Ok(text) => {
                let now = self.clock.now();
                self.engine.handle_file(&self.shared.document, text.as_deref(), now);
            }
            Err(error) => self.bound_failed(error),
        }
    }

    /// Looks at the bound file; a text that is `expected` is believed at once, another one when it holds still.
    pub(super) fn look_at_bound(&mut self, expected: Option<&str>) {
        let Some(bound) = &mut self.bound else { return };
        if bound.is_writing {
            return; // its end looks
        }
        bound.look_at = None;
        match file::read(&bound.path) {
            Ok(text) if bound.is_settled(&text, expected) => {
                let now = self.clock.now();
                self.engine.handle_file(&self.shared.document, text.as_deref(), now);
            }
            Ok(_) => {}
            Err(error) => self.bound_failed(error),
        }
    }

    /// Starts to write the bound file, on another thread: the disk may be slow.
    pub(super) fn write_bound(&mut self, write: FileWrite) {
        let Some(bound) = &mut self.bound else { return };
        bound.is_writing = true;
        let path = bound.path.clone();
        let keep_as = write.keep_as.or(bound.keep_as.take());
        let wrote = self.senders.wrote.clone();
        let run = move || {
            let mut left = keep_as;
            let result = replace(path, &write, &mut left);
            let _ = wrote.blocking_send(Wrote { text: write.text, keep_as: left, result }); // fails once the actor is gone
        };
        drop(tokio::task::spawn_blocking(run));
    }

    /// A write of the bound file has ended.
    pub(super) fn wrote_bound(&mut self, wrote: Wrote) {
        let Some(bound) = &mut self.bound else { return };
        bound.is_writing = false;
        bound.keep_as = wrote.keep_as;
        match wrote.result {
            Ok(_) => {
                bound.write_failure = None;
                self.look_at_bound(Some(&wrote.text));
            }
            Err(error) => {
                bound.write_failure = Some(error.clone());
                self.bound_failed(error);
            }
        }
    }

    fn bound_failed(&mut self, error: Error) {
        if let Some(bound) = &mut self.bound {
            bound.look_at = Some(Instant::now() + TRY_AGAIN);
        }
        self.engine.handle_file_failed(&self.shared.document, error);
    }

    /// Tells once what a source has come to.
    pub(super) fn log_source(&mut self, source: &str, state: SourceState) {
        // A file that cannot be written looks fine each time it is read; it is not.
        let is_written = source.strip_prefix("shared:").is_some();
        let is_failing = self.bound.as_ref().is_some_and(|bound| bound.write_failure.is_some());
        if is_written && is_failing && state == SourceState::Fresh || self.logged.get(source) == Some(&state) {
            return;
        }
        let about = Some((source.into(), state.clone()));
        let before = self.logged.insert(source.to_owned(), state.clone());
        let (level, words) = match (state, before) {
            (SourceState::Stale(error), _) => return self.tell(Level::Warning, about, error),
            (SourceState::Missing, _) => (Level::Info, "there is no such file yet"),
            (SourceState::Fresh, Some(_)) => (Level::Info, "in order again"),
            (SourceState::Fresh, None) => return,
        };
        self.report(Report { level, message: format!("{source}: {words}"), source: about, error: None });
    }
}

/// Writes the file, if nobody changed it; `keep_as` is taken once a copy of the old text is made.
fn replace(path: PathBuf, write: &FileWrite, keep_as: &mut Option<&'static str>) -> Result<Replaced> {
    if write.expect.is_some()
        && let Some(suffix) = keep_as
    {
        // The engine names what follows the file's name, dot included.
        file::keep_copy(&path, suffix.trim_start_matches('.'))?;
    }
    *keep_as = None;
    file::replace_if_unchanged(&path, write.expect.as_deref(), &write.text)
}
