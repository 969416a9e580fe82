//! What is wrong with this instance, told to whoever listens: on the event stream, by webhook, by command.
use std::path::PathBuf;

use tokio::sync::broadcast;

use super::MeshOptions;
use super::actor::Actor;
use super::log::worded;
use super::status::{Direction, PeerState, PeerStatus};
use crate::engine::{Level, SourceState};
use crate::error::{Code, Error, Result};
use crate::limits::MAX_QUEUED_EVENTS;
use crate::native::notify::{Hook, Line, Receiver, Webhook};
use crate::notice::{Kind, Notice, Problem, Progress, Watchlist};
use crate::value::{Str, Value};

/// How soon after something happened it is looked again at what is wrong.
const LOOK_AFTER_MS: u64 = 250;
/// How often at what no event tells: connections that are being dialed.
const LOOK_EVERY_MS: u64 = 2_000;

/// Who is told of what is wrong.
#[derive(Clone, Debug, Default)]
pub struct NotifyOptions {
    /// URLs that get a signed request (Standard Webhooks) for each notice.
    pub urls: Vec<String>,
    /// The file with the secret that they are signed with, as [`Secrets::parse`](crate::hook::Secrets::parse) reads it.
    pub secret_file: Option<PathBuf>,
    /// A program, and its arguments, that is run for each notice and reads it.
    pub command: Option<String>,
}

impl NotifyOptions {
    /// The receivers.
    ///
    /// # Errors
    /// [`Code::Usage`] for a URL or a command that is none, and where the secret is missing; what is wrong with its file.
    pub(super) fn receivers(&self, ca: Option<&std::path::Path>) -> Result<Vec<Receiver>> {
        let ca = ca.map(|path| path.display().to_string());
        let mut receivers = Vec::new();
        for url in &self.urls {
            let Some(file) = &self.secret_file else {
                return Err(Error::new(Code::Usage, "notices go to a URL, and nothing says what they are signed with")
                    .with_hint("write a secret into a file (`openssl rand -base64 32`) and name it: `notify_secret_file`, `--notify-secret-file`"));
            };
            receivers.push(Receiver::Webhook(Box::new(Webhook::new(url, file.clone(), ca.as_deref())?)));
        }
        if let Some(command) = &self.command {
            receivers.push(Receiver::Command(Hook::new(command)?));
        }
        Ok(receivers)
    }
}

impl MeshOptions {
    /// Sends a signed request (Standard Webhooks 1.0.0) to a URL when something begins to be wrong, and when it is over: a conflict that
    /// waits for somebody, what is written and not in force, sources and peers that went silent. Tried again until it is taken.
    #[must_use]
    pub fn notify_url(mut self, url: impl Into<String>) -> MeshOptions {
        self.notify.urls.push(url.into());
        self
    }

    /// Names the file with the secret that these requests are signed with; it is read for every one of them.
    #[must_use]
    pub fn notify_secret_file(mut self, path: impl Into<PathBuf>) -> MeshOptions {
        self.notify.secret_file = Some(path.into());
        self
    }

    /// Runs a program for each of these notices, which it reads on standard input.
    #[must_use]
    pub fn notify_command(mut self, command: impl Into<String>) -> MeshOptions {
        self.notify.command = Some(command.into());
        self
    }
}

/// How a receiver of notices is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct NotifyStatus {
    /// The program, or scheme and host.
    pub receiver: String,
    /// What waits, what it has, what it will never have.
    pub progress: Progress,
    /// Why the last attempt failed.
    pub error: Option<Error>,
}

impl NotifyStatus {
    /// `{"receiver", "waiting", "delivered", "dropped", "failures", "error"?}`.
    pub(super) fn to_value(&self) -> Value {
        let Progress { waiting, delivered, dropped, failures } = self.progress;
        let mut fields: Vec<(&str, Value)> = vec![
            ("receiver", self.receiver.as_str().into()),
            ("waiting", u64::try_from(waiting).unwrap_or(u64::MAX).into()),
            ("delivered", delivered.into()),
            ("dropped", dropped.into()),
            ("failures", u64::from(failures).into()),
        ];
        fields.extend(self.error.as_ref().map(|error| ("error", error.to_value())));
        fields.into_iter().collect()
    }

    /// What somebody should look at.
    pub(super) fn problem(&self) -> Option<Error> {
        let error = self.error.clone().filter(|_| self.progress.failures > 0)?;
        Some(error.continued(&format!("; {} notices wait for it", self.progress.waiting)))
    }
}

/// The notices of a running mesh.
pub(super) struct Notices {
    list: Watchlist,
    lines: Vec<Line>,
    looked_ms: u64,
    /// Whether something happened since.
    is_dirty: bool,
    /// Of each line, how many were dropped and whether it failed, as was last said.
    said: Vec<(u64, bool)>,
    followers: broadcast::Sender<Notice>,
}

impl Notices {
    pub(super) fn new(life: Str) -> Notices {
        let (followers, _) = broadcast::channel(MAX_QUEUED_EVENTS);
        let list = Watchlist::new(life);
        Notices { list, lines: Vec::new(), looked_ms: 0, is_dirty: true, said: Vec::new(), followers }
    }

    pub(super) fn followers(&self) -> broadcast::Sender<Notice> {
        self.followers.clone()
    }

    /// Opens the lines; on a runtime.
    pub(super) fn open(&mut self, receivers: Vec<Receiver>, clock: super::clock::Clock) {
        let open = |receiver| Line::open(receiver, Box::new(move || clock.now()));
        self.lines = receivers.into_iter().map(open).collect();
        self.said = vec![(0, false); self.lines.len()];
    }

    pub(super) fn happened(&mut self) {
        self.is_dirty = true;
    }

    /// Whether anybody would hear of it.
    fn is_wanted(&self) -> bool {
        !self.lines.is_empty() || self.followers.receiver_count() > 0
    }

    /// When to look next; never where nobody listens.
    pub(super) fn due_ms(&self) -> Option<u64> {
        if !self.is_wanted() {
            return None;
        }
        let next = self.looked_ms.saturating_add(if self.is_dirty { LOOK_AFTER_MS } else { LOOK_EVERY_MS });
        Some(self.list.due_ms().map_or(next, |due| due.max(self.looked_ms.saturating_add(1)).min(next)))
    }

    pub(super) fn status(&self) -> Vec<NotifyStatus> {
        let status = |line: &Line| {
            let (progress, error) = line.progress();
            NotifyStatus { receiver: line.name().to_owned(), progress, error }
        };
        self.lines.iter().map(status).collect()
    }

    /// What changed with the lines since it was last said.
    fn news(&mut self) -> Vec<(Level, Error)> {
        let mut news = Vec::new();
        for (line, said) in self.lines.iter().zip(&mut self.said) {
            let (progress, error) = line.progress();
            let name = line.name();
            if progress.dropped > said.0 {
                let count = progress.dropped - said.0;
                let message = format!("{count} notices for {name} were dropped: it does not take them");
                let hint = "what is wrong still stands in `confmesh status`";
                news.push((Level::Warning, Error::new(Code::TooLarge, message).with_hint(hint)));
            }
            let fails = progress.failures > 0;
            if let Some(error) = error.filter(|_| fails && !said.1) {
                news.push((Level::Warning, error.continued("; the notice is sent again")));
            }
            *said = (progress.dropped, fails);
        }
        news
    }

    /// Waits for what can be sent at once, and says how many will not be.
    pub(super) async fn close(self) -> u64 {
        let mut left = 0;
        for line in &self.lines {
            line.flush().await;
            left += u64::try_from(line.progress().0.waiting).unwrap_or(u64::MAX);
        }
        left
    }
}

impl Actor {
    /// Tells what began to be wrong, and what is in order again.
    pub(super) fn look_for_problems(&mut self) {
        let now = self.clock.now();
        if self.notices.due_ms().is_none_or(|due| now.mono_ms < due) {
            return;
        }
        let problems = self.problems();
        let notices = &mut self.notices;
        (notices.looked_ms, notices.is_dirty) = (now.mono_ms, false);
        for notice in notices.list.observe(problems, now) {
            notices.lines.iter().for_each(|line| line.push(notice.clone()));
            let _ = notices.followers.send(notice); // nobody may follow
        }
        for (level, error) in self.notices.news() {
            self.tell(level, None, error);
        }
    }

    /// What is wrong now. Of the document there is only what a sentence about an error needs.
    fn problems(&self) -> Vec<Problem> {
        let engine = self.driver.engine();
        let mut found = Vec::new();
        for status in engine.status() {
            let name: Str = status.document.to_string().into();
            let of = |kind, key: Str, fields: Vec<(&str, Value)>| {
                let document = ("document", name.clone().into());
                Problem { kind, key, data: [document].into_iter().chain(fields).collect() }
            };
            for conflict in engine.conflicts(&status.document, false) {
                let id: Str = conflict.id.to_string().into();
                let mut fields = vec![
                    ("id", id.clone().into()),
                    ("path", conflict.path.to_string().into()),
                    ("sides", u64::try_from(conflict.sides.len()).unwrap_or(u64::MAX).into()),
                ];
                fields.extend(conflict.assigned_to.map(|who| ("assigned_to", who.into())));
                found.push(of(Kind::Conflict, id, fields));
            }
            for write in &status.withheld {
                let path: Str = write.withheld.path.to_string().into();
                let fields = vec![("path", path.clone().into()), ("error", write.withheld.error.to_value())];
                found.push(of(Kind::Withheld, path, fields));
            }
            if let Some(rejected) = &status.rejected {
                let errors: Vec<Value> = rejected.errors.iter().map(Error::to_value).collect();
                let fields = vec![("cause", rejected.cause.clone().into()), ("errors", errors.into())];
                found.push(of(Kind::Rejected, name.clone(), fields));
            }
            for source in &status.sources {
                if let SourceState::Stale(error) = &source.state {
                    let fields = vec![("source", source.id.clone().into()), ("error", error.to_value())];
                    found.push(of(Kind::Source, source.id.clone(), fields));
                }
            }
        }
        found.extend(self.peer_statuses().iter().filter_map(sync_problem));
        if let Some(error) = self.driver.store_failure() {
            let data = [("error", error.to_value())].into_iter().collect();
            found.push(Problem { kind: Kind::Store, key: "store".into(), data });
        }
        found
    }

    /// Says how many notices nobody will get.
    pub(super) async fn close_notices(&mut self, patience: std::time::Duration) {
        let notices = std::mem::replace(&mut self.notices, Notices::new(Str::default()));
        let waiting: u64 = notices.lines.iter().map(|line| u64::try_from(line.progress().0.waiting).unwrap_or(0)).sum();
        let left = tokio::time::timeout(patience, notices.close()).await.unwrap_or(waiting);
        if left > 0 {
            let error = Error::new(Code::Closed, format!("{left} notices were not sent before the instance stopped"));
            self.log_line(Level::Warning, &worded(&error));
        }
    }
}

/// Why writes do not get to a peer: it refuses them, holds another document, or cannot be reached.
fn sync_problem(peer: &PeerStatus) -> Option<Problem> {
    let is_lost = peer.direction == Direction::Dialed && peer.state == PeerState::Waiting;
    let errors: Vec<Value> =
        peer.problems.iter().chain(peer.last_error.as_ref().filter(|_| is_lost)).map(Error::to_value).collect();
    if errors.is_empty() {
        return None;
    }
    let mut fields: Vec<(&str, Value)> = vec![("peer", peer.address.as_str().into()), ("errors", errors.into())];
    fields.extend(peer.instance.map(|instance| ("instance_id", instance.to_string().into())));
    // Whoever dials in comes from another port each time.
    let key = peer.instance.map_or_else(|| peer.address.clone(), |instance| instance.to_string()).into();
    Some(Problem { kind: Kind::Sync, key, data: fields.into_iter().collect() })
}
