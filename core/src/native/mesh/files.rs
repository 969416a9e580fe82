//! Files: read and written where the driver says so, and whatever happened to them told to it.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::actor::Actor;
use super::inputs::{Later, Wrote};
use super::log::{log, worded};
use super::reports::Report;
use crate::clock::Now;
use crate::driver::{Look, Patience};
use crate::engine::{FileCopy, FileEdit, FileWrite, Level, SourceState};
use crate::error::{Code, Error, Result};
use crate::id::DocumentName;
use crate::merge::Layer;
use crate::native::file::{self, Outgone, Replaced};
use crate::native::watch::{FileEvent, WatchOptions};

/// How long after each other a file that was replaced is looked at again.
const LATE_LOOKS: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// From how many bytes on a text is read and made on another thread.
pub(super) const LONG_BYTES: u64 = 16 << 10;

/// How many files that were replaced are looked after at once.
pub(super) const MOST_LOOKED_AFTER: usize = 16;

/// How long a text of a bound file has to hold still where the driver itself looks.
pub(super) fn patience(watch: Option<WatchOptions>) -> Patience {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match watch {
        Some(watch) => {
            let text_ms = ms(watch.longest().saturating_add(watch.poll));
            Patience { text_ms, nothing_ms: text_ms }
        }
        None => {
            let watch = WatchOptions::default();
            Patience { text_ms: ms(watch.settle), nothing_ms: ms(watch.cap) }
        }
    }
}

impl Actor {
    /// A file holds still.
    pub(super) fn file_changed(&mut self, event: FileEvent) {
        for (document, path) in &self.bound {
            if *path == event.path {
                self.driver.handle_file_hint(document, event.text.clone());
            }
        }
        if self.guarding.as_ref().is_some_and(|guarding| guarding.path == event.path) {
            self.take_table(event.text.clone());
        }
        if let Some(guarding) = self.guarding.as_ref().filter(|guarding| guarding.key_files.contains(&event.path)) {
            self.take_table(crate::native::file::read(&guarding.path));
        }
        if let Some(at) = self.layers.iter().position(|layer| layer.path == event.path) {
            // One that is gone is told of once.
            if matches!(event.text, Ok(None)) && self.may_be_delisted(at) {
                return;
            }
            self.take_layer(at, event.text);
        }
    }

    /// Takes what a file that is read only holds; nobody but its owner writes it, so the text that held still counts.
    pub(super) fn take_layer(&mut self, at: usize, text: Result<Option<String>>) {
        let Some(layer) = self.layers.get(at) else { return };
        let outcome = text.and_then(|text| {
            text.map(|text| Layer::from_file(&layer.id, layer.priority, text, layer.format, &layer.file)).transpose()
        });
        let (id, priority, may_be_missing) = (layer.id.clone(), layer.priority, layer.file.is_optional);
        let now = self.clock.now();
        let is_gone = matches!(outcome, Ok(None)) && may_be_missing;
        let before = self.driver.engine().source_state(&self.shared.document, &id);
        let outcome = match before {
            // What need not be there counts as empty once it goes, as it would after a restart.
            Some(SourceState::Fresh | SourceState::Stale(_)) if is_gone => {
                self.log_line(Level::Info, &format!("{id}: is gone, as it may be: it counts as empty"));
                Ok(Some(Layer::absent(&id, priority)))
            }
            _ => outcome,
        };
        self.driver.engine_mut().handle_layer(&self.shared.document, &id, outcome, now);
    }

    /// What a bound file holds now.
    pub(super) fn read_bound(&self, document: &DocumentName) -> Result<Option<String>> {
        file::read_regular(self.path_of(document)?)
    }

    fn path_of(&self, document: &DocumentName) -> Result<&Path> {
        let path = self.bound.get(document).map(PathBuf::as_path);
        path.ok_or_else(|| Error::new(Code::Internal, format!("no file is bound to `{document}`")))
    }

    /// Reads a bound file for the driver; a long one on another thread, so that nobody waits for it.
    pub(super) fn look_at_bound(&mut self, look: Look, now: Now) {
        let path = self.path_of(&look.document).map(Path::to_owned);
        match path {
            Ok(path) if std::fs::metadata(&path).is_ok_and(|about| about.len() >= LONG_BYTES) => {
                let later = self.senders.later.clone();
                drop(tokio::task::spawn_blocking(move || {
                    let found = file::read_regular(&path);
                    let take: Later = Box::new(move |actor| {
                        let now = actor.clock.now();
                        actor.driver.handle_look(&look, found, now);
                    });
                    let _ = later.send(take); // fails once the actor is gone
                }));
            }
            path => self.driver.handle_look(&look, path.and_then(|path| file::read_regular(&path)), now),
        }
    }

    /// Makes the new text of a bound file on another thread.
    pub(super) fn edit_bound(&self, edit: FileEdit) {
        let later = self.senders.later.clone();
        drop(tokio::task::spawn_blocking(move || {
            // Without an answer the file would not be written again, and nobody would hear of it.
            let spare = edit.clone();
            let edited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| edit.run())).unwrap_or_else(|_| {
                spare.failed(Error::new(Code::Internal, "the new text of the bound file could not be made"))
            });
            let take: Later = Box::new(move |actor| actor.driver.handle_edited(edited));
            let _ = later.send(take); // fails once the actor is gone
        }));
    }

    /// Starts to write a bound file, on another thread: the disk may be slow.
    pub(super) fn write_bound(&mut self, write: FileWrite) {
        let path = match self.path_of(&write.document) {
            Ok(path) => path.to_owned(),
            Err(error) => {
                return self.driver.handle_wrote(&write.document, Err(error), write.keep_as, self.clock.now());
            }
        };
        let wrote = self.senders.wrote.clone();
        let run = move || {
            let mut keep_as = write.keep_as;
            let mut copy = None;
            let result = replace(&path, &write, &mut keep_as, &mut copy);
            let (result, outgone) = result.map_or_else(|error| (Err(error), None), |(done, old)| (Ok(done), old));
            let wrote_this = Wrote { document: write.document, keep_as, copy, outgone, result };
            let _ = wrote.blocking_send(wrote_this); // fails once the actor is gone
        };
        drop(tokio::task::spawn_blocking(run));
    }

    /// A write of a bound file has ended.
    pub(super) fn wrote_bound(&mut self, wrote: Wrote) {
        let Wrote { document, keep_as, copy, outgone, result } = wrote;
        let now = self.clock.now();
        if let Some(outgone) = outgone {
            self.look_after(outgone);
        }
        if let Some(copy) = copy {
            let copy = copy.display().to_string();
            self.log_line(Level::Info, &format!("what the file held before is kept as `{copy}`"));
            self.driver.engine_mut().handle_copied(&document, &copy, now);
        }
        match result {
            Ok(Replaced::Fixed(why)) => {
                let path = self.path_of(&document).map(|path| path.display().to_string()).unwrap_or_default();
                let message = format!(
                    "nothing can be put in the place of `{path}`, since {why}: it is written in place from now on"
                );
                self.log_line(Level::Info, &message);
                self.driver.handle_fixed(&document, keep_as, now);
            }
            Ok(Replaced::Done | Replaced::ChangedMeanwhile(_)) => {
                self.driver.handle_wrote(&document, Ok(()), keep_as, now);
            }
            Err(error) => self.driver.handle_wrote(&document, Err(error), keep_as, now),
        }
    }

    /// Looks again into a file that was replaced: somebody who had found it before may yet save into it. Of files that are
    /// written over and over only the first few are looked after.
    fn look_after(&self, mut outgone: Outgone) {
        let Ok(place) = Arc::clone(&self.looked_after).try_acquire_owned() else { return };
        let (shared, log_level) = (Arc::clone(&self.shared), self.log);
        drop(tokio::spawn(async move {
            for wait in LATE_LOOKS {
                tokio::time::sleep(wait).await;
                let looked = tokio::task::spawn_blocking(move || (outgone.restore_late_save(), outgone)).await;
                let Ok((restored, rest)) = looked else { return };
                outgone = rest;
                let (level, message) = match restored {
                    Ok(None) => continue,
                    Ok(Some(kept)) => {
                        let kept = kept.display();
                        (Level::Warning, format!("a save that came while the file was written is kept as `{kept}`"))
                    }
                    Err(error) => (Level::Error, worded(&error)),
                };
                log(log_level, level, &message);
                shared.journal.push(Report::line(level, &message));
            }
            drop(place);
        }));
    }

    /// Keeps a text beside a bound file. It is small and rare, and has to be there before the file is written again.
    pub(super) fn keep_beside(&self, copy: &FileCopy) {
        let kept = self
            .path_of(&copy.document)
            .and_then(|path| file::keep_text(path, copy.suffix.trim_start_matches('.'), &copy.text));
        match kept {
            Ok(kept) => self.log_line(Level::Info, &format!("the text before is kept as `{}`", kept.display())),
            Err(error) => {
                let message = format!("the text before is kept nowhere: {error}");
                let error = Error::new(error.code(), message);
                self.tell(Level::Error, None, error.with_hint("let confmesh write to the directory of the file"));
            }
        }
    }

    /// Tells once what is odd about the sources.
    pub(super) fn log_warnings(&mut self) {
        let snapshot = self.shared.snapshot.load_full();
        if self.told_of.as_ref().is_some_and(|told| Arc::ptr_eq(told, &snapshot)) {
            return;
        }
        let warnings = snapshot.warnings();
        let told: BTreeSet<String> = warnings.iter().map(worded).collect();
        for warning in warnings.iter().filter(|warning| !self.told_warnings.contains(&worded(warning))) {
            self.tell(Level::Warning, None, warning.clone());
        }
        self.told_warnings = told;
        self.told_of = Some(snapshot);
    }

    /// Tells once what a source has come to.
    pub(super) fn log_source(&mut self, source: &str, state: SourceState) {
        match &state {
            SourceState::Stale(_) => _ = self.stale_since.entry(source.into()).or_insert(self.clock.now().mono_ms),
            SourceState::Fresh | SourceState::Missing => _ = self.stale_since.remove(source),
        }
        if self.logged.get(source) == Some(&state) {
            return;
        }
        let about = Some((source.into(), state.clone()));
        let before = self.logged.insert(source.to_owned(), state.clone());
        // What is held back, and no more, the log hears as news of the document.
        let is_held_back = self.driver.engine().holds_back(&self.shared.document, source);
        let was_held_back = match is_held_back {
            true => !self.held_back.insert(source.to_owned()),
            false => self.held_back.remove(source),
        };
        if is_held_back || (was_held_back && state == SourceState::Fresh) {
            let (level, error) = match state {
                SourceState::Stale(error) => (Level::Warning, Some(error)),
                SourceState::Fresh | SourceState::Missing => (Level::Info, None),
            };
            let words = error.as_ref().map_or_else(|| format!("{source}: in order again"), worded);
            return self.shared.journal.push(Report { level, message: words, source: about, error });
        }
        let (level, words) = match (state, before) {
            (SourceState::Stale(error), _) => return self.tell(Level::Warning, about, error),
            (SourceState::Missing, _) if self.remotes.iter().any(|remote| *remote.id == *source) => {
                (Level::Info, "has given no document yet")
            }
            (SourceState::Missing, _) => (Level::Info, "there is no such file yet"),
            (SourceState::Fresh, Some(_)) => (Level::Info, "in order again"),
            (SourceState::Fresh, None) => return,
        };
        self.report(Report { level, message: format!("{source}: {words}"), source: about, error: None });
    }
}

/// Writes the file, if nobody changed it; `keep_as` is taken once a copy of the old text is made.
fn replace(
    path: &Path,
    write: &FileWrite,
    keep_as: &mut Option<&'static str>,
    copy: &mut Option<PathBuf>,
) -> Result<(Replaced, Option<Outgone>)> {
    if write.expect.is_some()
        && let Some(suffix) = keep_as
    {
        // The engine names what follows the file's name, dot included.
        *copy = Some(file::keep_copy(path, suffix.trim_start_matches('.'))?);
    }
    *keep_as = None;
    match &write.expect {
        Some(expect) if write.in_place => Ok((file::write_in_place(path, expect, &write.text)?, None)),
        expect => file::replace_and_keep(path, expect.as_deref(), &write.text),
    }
}
