//! The thread that watches.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::follow::names_on_the_way;
use super::reading::{Print, Reading, Stamp};
use super::settle::{Patience, Unsettled};
use crate::error::{Code, Error, Result};

/// The poll reads files up to this size even where nothing seems to have changed: clocks of file systems are coarse.
const ALWAYS_READ_BYTES: u64 = 1 << 20;
/// How many times as long a file is waited for that somebody has open for writing: it may be half of a save.
const OPEN_FOR_WRITING: u32 = 20;
/// How soon a full channel is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// How patient a [`Watcher`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchOptions {
    /// How long a file must hold still before its content is believed; default 20 ms.
    pub settle: Duration,
    /// When the content of a file that never holds still is taken nevertheless, and when one that vanished or was emptied
    /// is believed; default 500 ms. One that stays open for writing is believed after twenty times as long.
    pub cap: Duration,
    /// How often files are looked at without an event; default 2 s.
    pub poll: Duration,
}

impl WatchOptions {
    /// When a content is believed at the latest.
    pub fn longest(&self) -> Duration {
        self.cap.max(self.settle).saturating_mul(OPEN_FOR_WRITING)
    }
}

impl Default for WatchOptions {
    fn default() -> WatchOptions {
        WatchOptions {
            settle: Duration::from_millis(20),
            cap: Duration::from_millis(500),
            poll: Duration::from_secs(2),
        }
    }
}

/// A new content of a watched file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEvent {
    /// The path as it was given to [`Watcher::watch`].
    pub path: PathBuf,
    /// The text; `None` where the file is missing; an error where it cannot be read or is not UTF-8.
    pub text: Result<Option<String>>,
}

/// Reports every new content of files, on a thread that ends when the watcher is dropped.
#[derive(Debug)]
pub struct Watcher {
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Command {
    Watch(PathBuf),
    Unwatch(PathBuf),
    Happened(notify::Result<notify::Event>),
    Stop,
}

impl Watcher {
    /// Starts the thread; while `sender` is full only the newest content of each file is kept for it.
    ///
    /// Where the operating system offers no events, the poll alone finds changes.
    ///
    /// # Errors
    /// [`Code::File`] where the operating system refuses a thread.
    pub fn new(options: WatchOptions, sender: mpsc::Sender<FileEvent>) -> Result<Watcher> {
        Watcher::start(options, sender, true)
    }

    pub(super) fn start(options: WatchOptions, sender: mpsc::Sender<FileEvent>, with_events: bool) -> Result<Watcher> {
        let (commands, inbox) = channel();
        let events = commands.clone();
        let notifier = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Opening a file is what we do ourselves: hearing of it would never end.
            let ours = |kind: EventKind| matches!(kind, EventKind::Access(kind) if !is_close_after_write(kind));
            if !event.as_ref().is_ok_and(|event| ours(event.kind)) {
                let _ = events.send(Command::Happened(event)); // fails only once the thread has ended
            }
        });
        let cap = options.cap.max(options.settle);
        let patience = Patience { settle: options.settle, cap, open: options.longest() };
        let state = State {
            patience,
            poll: options.poll,
            next_poll: Instant::now() + options.poll,
            sender,
            notifier: notifier.ok().filter(|_| with_events),
            directories: BTreeMap::new(),
            files: BTreeMap::new(),
        };
        let thread = thread::Builder::new()
            .name("confmesh-watch".to_owned())
            .spawn(move || state.run(&inbox))
            .map_err(|error| Error::new(Code::File, format!("cannot start the thread that watches files: {error}")))?;
        Ok(Watcher { commands, thread: Some(thread) })
    }

    /// Starts to watch a file, which may be missing, as may its directory.
    ///
    /// The first content is reported too, so nothing can fall between reading and watching. Watching a path twice
    /// changes nothing.
    ///
    /// # Errors
    /// [`Code::Closed`] where nobody listens to the events any more.
    pub fn watch(&self, path: impl Into<PathBuf>) -> Result<()> {
        self.command(Command::Watch(path.into()))
    }

    /// Stops watching a file; an event that is on its way may still arrive.
    ///
    /// # Errors
    /// [`Code::Closed`] where nobody listens to the events any more.
    pub fn unwatch(&self, path: impl Into<PathBuf>) -> Result<()> {
        self.command(Command::Unwatch(path.into()))
    }

    fn command(&self, command: Command) -> Result<()> {
        self.commands.send(command).map_err(|_| Error::new(Code::Closed, "the file watcher has ended"))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn is_close_after_write(kind: AccessKind) -> bool {
    kind == AccessKind::Close(AccessMode::Write)
}

struct State {
    patience: Patience,
    poll: Duration,
    next_poll: Instant,
    sender: mpsc::Sender<FileEvent>,
    notifier: Option<RecommendedWatcher>,
    /// The directories that events come from, each with what tells it from a later one of the same name.
    directories: BTreeMap<PathBuf, Identity>,
    files: BTreeMap<PathBuf, Watched>,
}

type Identity = Option<(u64, u64)>;

struct Watched {
    absolute: PathBuf,
    names: BTreeSet<PathBuf>,
    stamp: Option<Stamp>,
    /// Somebody writes to it and has not closed it yet, as far as the system tells.
    being_written: bool,
    unsettled: Option<Unsettled>,
    believed: Option<Print>,
    sent: Option<Print>,
    pending: Option<FileEvent>,
}

impl State {
    fn run(mut self, inbox: &Receiver<Command>) {
        while !self.sender.is_closed() {
            self.deliver();
            let wait = self.next_deadline().saturating_duration_since(Instant::now());
            let mut next = match inbox.recv_timeout(wait) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            while let Some(command) = next {
                match command {
                    Command::Stop => return,
                    Command::Watch(path) => self.watch(path),
                    Command::Unwatch(path) => self.unwatch(&path),
                    Command::Happened(Ok(event)) if !event.need_rescan() => self.happened(&event),
                    Command::Happened(_) => self.look_at_everything(), // events were lost
                }
                next = inbox.try_recv().ok();
            }
            self.settle();
            if Instant::now() >= self.next_poll {
                self.poll_files();
                self.next_poll = Instant::now() + self.poll;
            }
        }
    }

    fn next_deadline(&self) -> Instant {
        let due = self.files.values().filter_map(|file| file.unsettled.as_ref()).map(|unsettled| unsettled.due);
        let retry = self.files.values().any(|file| file.pending.is_some()).then(|| Instant::now() + RETRY);
        due.chain(retry).fold(self.next_poll, Instant::min)
    }

    fn watch(&mut self, path: PathBuf) {
        if self.files.contains_key(&path) {
            return;
        }
        let file = Watched {
            absolute: std::path::absolute(&path).unwrap_or_else(|_| path.clone()),
            names: BTreeSet::new(),
            stamp: None,
            being_written: false,
            unsettled: Some(Unsettled::new(Instant::now(), self.patience)),
            believed: None,
            sent: None,
            pending: None,
        };
        self.files.insert(path.clone(), file);
        self.follow(&path);
    }

    fn unwatch(&mut self, path: &Path) {
        self.files.remove(path);
        self.drop_unused_directories();
    }

    /// Finds out anew which directories matter for a file, and watches them.
    fn follow(&mut self, path: &Path) {
        // What appears or goes between the look and the watch sends no event: look again until all is as it was.
        for _ in 0..8 {
            let Some(file) = self.files.get_mut(path) else { return };
            let names = names_on_the_way(&file.absolute);
            let mut again = false;
            for directory in names.iter().filter_map(|name| name.parent()) {
                let identity = identity(directory);
                if self.directories.get(directory) == Some(&identity) {
                    continue;
                }
                let Some(notifier) = &mut self.notifier else { continue };
                if self.directories.remove(directory).is_some() {
                    let _ = notifier.unwatch(directory); // fails where the old directory is gone, and that is fine
                }
                again = true;
                // Where it keeps failing (too many watches, say) the poll stands in, and tries again.
                if notifier.watch(directory, RecursiveMode::NonRecursive).is_ok() {
                    self.directories.insert(directory.to_owned(), identity);
                }
            }
            let moved = file.names != names;
            file.names = names;
            if !again {
                if moved {
                    self.drop_unused_directories();
                }
                return;
            }
        }
    }

    fn drop_unused_directories(&mut self) {
        let used: BTreeSet<&Path> =
            self.files.values().flat_map(|file| &file.names).filter_map(|name| name.parent()).collect();
        let notifier = &mut self.notifier;
        self.directories.retain(|directory, _| {
            let keep = used.contains(directory.as_path());
            if !keep && let Some(notifier) = notifier {
                let _ = notifier.unwatch(directory);
            }
            keep
        });
    }

    fn happened(&mut self, event: &notify::Event) {
        let now = Instant::now();
        let rewritten = matches!(event.kind, EventKind::Modify(ModifyKind::Data(_)));
        let closed = matches!(event.kind, EventKind::Access(kind) if is_close_after_write(kind));
        let mut unclear = Vec::new();
        for name in &event.paths {
            // A watched directory itself went away or was replaced: its watch went with it.
            let itself = !rewritten && !closed && self.directories.remove(name).is_some();
            if itself && let Some(notifier) = &mut self.notifier {
                let _ = notifier.unwatch(name);
            }
            for (path, file) in &mut self.files {
                let hit = file.names.contains(name);
                if hit {
                    // Only here the system tells when a writer is done.
                    file.being_written = cfg!(target_os = "linux") && rewritten;
                }
                let above = || file.names.iter().any(|on_way| on_way.parent() == Some(name));
                let beside = || file.names.iter().any(|on_way| on_way.parent() == name.parent());
                if hit || (itself && above()) || (beside() && Stamp::of(&file.absolute) != file.stamp) {
                    file.hint(now, self.patience);
                    if !rewritten && !closed {
                        unclear.push(path.clone());
                    }
                }
            }
        }
        for path in unclear {
            self.follow(&path);
        }
    }

    fn look_at_everything(&mut self) {
        let now = Instant::now();
        let paths: Vec<_> = self.files.keys().cloned().collect();
        for path in paths {
            self.follow(&path);
            if let Some(file) = self.files.get_mut(&path) {
                file.being_written = false;
                file.hint(now, self.patience);
            }
        }
    }

    fn poll_files(&mut self) {
        let paths: Vec<_> = self.files.keys().cloned().collect();
        for path in paths {
            self.follow(&path);
            let Some(file) = self.files.get_mut(&path).filter(|file| file.unsettled.is_none()) else { continue };
            let stamp = Stamp::of(&file.absolute);
            let small = stamp.is_none_or(|stamp| stamp.length <= ALWAYS_READ_BYTES);
            let changed = stamp != file.stamp || small && Some(Reading::take(&file.absolute).print) != file.believed;
            if changed {
                file.hint(Instant::now(), self.patience);
            }
        }
    }

    fn settle(&mut self) {
        for (path, file) in &mut self.files {
            let Some(unsettled) = file.unsettled.as_mut().filter(|file| file.due <= Instant::now()) else { continue };
            file.stamp = Stamp::of(&file.absolute);
            let reading = Reading::take(&file.absolute);
            let whole = matches!(reading.print, Print::Content { length: 1.., .. });
            let news = file.believed.as_ref() != Some(&reading.print);
            let doubtful = match () {
                () if news && file.being_written => Some(self.patience.open),
                () if news && !whole && file.believed.is_some() => Some(self.patience.cap),
                () => None,
            };
            if !unsettled.read(&reading.print, doubtful, Instant::now(), self.patience) {
                continue;
            }
            file.unsettled = None;
            if news {
                file.believed = Some(reading.print.clone());
                // Back to what the owner already has while an event waited: there is nothing to tell any more.
                let told = file.sent.as_ref() == Some(&reading.print);
                file.pending =
                    (!told).then(|| FileEvent { path: path.clone(), text: reading.into_text(&file.absolute) });
            }
        }
    }

    fn deliver(&mut self) {
        for file in self.files.values_mut() {
            let Some(event) = file.pending.take() else { continue };
            match self.sender.try_send(event) {
                Ok(()) => file.sent.clone_from(&file.believed),
                Err(TrySendError::Full(event)) => file.pending = Some(event),
                Err(TrySendError::Closed(_)) => return,
            }
        }
    }
}

impl Watched {
    fn hint(&mut self, now: Instant, patience: Patience) {
        match &mut self.unsettled {
            Some(unsettled) => unsettled.hint(now, patience),
            None => self.unsettled = Some(Unsettled::new(now, patience)),
        }
    }
}

/// What tells a directory from a later one of the same name; `None` where the system has no such thing.
fn identity(directory: &Path) -> Identity {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(directory).ok().map(|found| (found.dev(), found.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = directory;
        None
    }
}
