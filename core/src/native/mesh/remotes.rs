//! Sources that are polled: started, their news taken, their last good documents kept.
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use super::actor::Actor;
use super::inputs::{Input, Inputs, Later};
use super::log::{LogLevel, log};
use super::sources::RemoteSource;
use crate::clock::{Now, rfc3339};
use crate::engine::{Level, SourceState};
use crate::error::{Code, Error, Result};
use crate::format::FileArgument;
use crate::merge::{Fetched, Layer};
use crate::native::source::polled::{Followed, Kept, KeptLayers, News, Said, Taken, follow};
use crate::origin::Origin;
use crate::poll::Progress;
use crate::secret::{Keys, secret_paths};
use crate::source::SourceSpec;
use crate::value::{Str, Value};

/// What a deadline of a source may be missed by before the start goes on without it.
const GRACE: Duration = Duration::from_secs(2);
/// How long the start waits for what may be missing: long enough for one that is there.
const OPTIONAL_WITHIN: Duration = Duration::from_millis(500);

/// A source that is polled, while the mesh runs.
pub(super) struct Remote {
    pub(super) id: Str,
    spec: SourceSpec,
    priority: i32,
    required: bool,
    task: Option<JoinHandle<()>>,
    /// Asks it at once, whatever its schedule says.
    hurry: Arc<Notify>,
    /// Whether somebody waits for what it says next.
    is_awaited: bool,
    /// Whether it was heard since the start.
    is_heard: bool,
    progress: Option<Progress>,
    /// What is in force of it.
    layer: Option<Layer>,
    from_disk: bool,
    /// What came, while it is not decided whether it comes into force.
    undecided: Option<Undecided>,
    /// What comes after that.
    next: Option<(Layer, oneshot::Sender<Taken>)>,
    /// Whether a document is on its way to the disk.
    is_keeping: bool,
    /// Why its last good document is not on the disk, though it should be.
    keep_error: Option<Error>,
    /// Whether it was told that nothing of it is kept.
    told_unkept: bool,
    /// What of its error output the log has, until it is well again.
    told: Option<String>,
}

/// A document whose fate hangs on sources that are not heard yet; from the disk where nobody waits for the answer.
struct Undecided {
    layer: Layer,
    taken: Option<oneshot::Sender<Taken>>,
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// How a source that is polled is doing.
#[derive(Clone, Debug)]
pub struct RemoteStatus {
    /// Whether it may be missing: then it makes nobody unready.
    pub is_optional: bool,
    /// Whether what is in force of it comes from the disk, and not from itself since the start.
    pub from_disk: bool,
    /// When what is in force was loaded, in milliseconds since 1970; none where nothing ever was.
    pub loaded_ms: Option<u64>,
    /// How old that is, in milliseconds: since the last good answer, or since it was loaded where it comes from the disk.
    pub age_ms: Option<u64>,
    /// How long ago the last good answer came, in milliseconds; from the start on where none came since.
    pub silent_ms: u64,
    /// After how many milliseconds without a good answer the instance is not ready.
    pub stale_after_ms: Option<u64>,
    /// How polling goes, once it began.
    pub progress: Option<Progress>,
    /// In how many milliseconds it is asked next.
    pub next_ms: Option<u64>,
    /// Why its last good document is not on the disk, though it should be.
    pub keep_error: Option<Error>,
}

impl RemoteStatus {
    /// The fields beside those that every source has.
    pub(super) fn fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = vec![("optional", Value::from(self.is_optional))];
        if let Some(at) = self.loaded_ms {
            fields.push(("served_from", if self.from_disk { "disk" } else { "source" }.into()));
            fields.push(("loaded", rfc3339(at).into()));
        }
        fields.extend(self.age_ms.map(|ms| ("age_ms", ms.into())));
        fields.extend(self.stale_after_ms.map(|ms| ("stale_after_ms", ms.into())));
        fields.extend(self.next_ms.map(|ms| ("next_poll_ms", ms.into())));
        if let Some(progress) = &self.progress {
            fields.push(("failures", u64::from(progress.failures).into()));
            fields.push(("interval_ms", progress.interval_ms.into()));
            fields.push(("circuit", progress.breaker.as_str().into()));
        }
        fields.extend(self.keep_error.as_ref().map(|error| ("keep_error", error.to_value())));
        fields
    }
}

impl Remote {
    /// What was kept of it did not come into force.
    fn forget(&mut self) {
        (self.layer, self.from_disk) = (None, false);
    }

    /// Why a program that needs this source at its start does not get one.
    pub(super) fn ends_start(&self, id: &str, state: &SourceState) -> Option<Error> {
        if *self.id != *id || !self.required || self.layer.is_some() {
            return None;
        }
        match state {
            SourceState::Stale(error) => Some(error.clone()),
            SourceState::Missing => Some(
                Error::new(Code::NotFound, format!("`{id}` gave no document"))
                    .with_hint("where it may be missing say `;optional`"),
            ),
            SourceState::Fresh => None,
        }
    }

    /// Whether the start waits for it.
    pub(super) fn is_silent(&self) -> bool {
        !self.is_heard && self.layer.is_none()
    }

    pub(super) fn status(&self, now: Now) -> RemoteStatus {
        let mono_ms = now.mono_ms;
        let last_good_ms = self.progress.and_then(|progress| progress.last_good_ms);
        let loaded_ms = self.layer.as_ref().and_then(|layer| layer.fetched).map(|fetched| fetched.loaded_ms);
        let age_ms = |loaded_ms: u64| match last_good_ms.filter(|_| !self.from_disk) {
            Some(at) => mono_ms.saturating_sub(at),
            None => now.wall_ms.saturating_sub(loaded_ms),
        };
        RemoteStatus {
            is_optional: self.spec.options.is_optional,
            from_disk: self.from_disk,
            loaded_ms,
            age_ms: loaded_ms.map(age_ms),
            silent_ms: mono_ms.saturating_sub(last_good_ms.unwrap_or(0)),
            stale_after_ms: self.spec.options.stale_after_ms,
            progress: self.progress,
            next_ms: self.progress.map(|progress| progress.due_ms.saturating_sub(mono_ms)),
            keep_error: self.keep_error.clone(),
        }
    }
}

impl Actor {
    /// Puts what is kept in force, starts to ask, and waits for the first answers of those of whom nothing is kept.
    pub(super) async fn start_remotes(
        &mut self,
        given: Vec<RemoteSource>,
        data_dir: Option<&FilePath>,
        keys: Option<Arc<Keys>>,
        inputs: &mut Inputs,
    ) {
        self.kept = data_dir.map(|dir| KeptLayers::of(dir, keys));
        let mut longest = Duration::ZERO;
        for (at, RemoteSource { given, priority, required }) in given.into_iter().enumerate() {
            let id = given.spec.id();
            let hurry = Arc::new(Notify::new());
            longest = longest.max(Duration::from_millis(given.spec.options.patience_ms()));
            self.remotes.push(Remote {
                id,
                spec: given.spec.clone(),
                priority,
                required,
                task: None,
                hurry: Arc::clone(&hurry),
                is_awaited: false,
                is_heard: false,
                progress: None,
                layer: None,
                from_disk: false,
                undecided: None,
                next: None,
                is_keeping: false,
                keep_error: None,
                told_unkept: false,
                told: None,
            });
            self.remember(at);
            let clock = self.clock;
            let followed = Followed {
                spec: given.spec,
                own: given.own,
                priority,
                at,
                clock: Arc::new(move || clock.now()),
                hurry,
            };
            let task = tokio::spawn(follow(followed, self.senders.news.clone()));
            if let Some(remote) = self.remotes.get_mut(at) {
                remote.task = Some(task);
            }
        }
        let begun = Instant::now();
        self.hear(inputs, begun + OPTIONAL_WITHIN.min(longest), Remote::is_silent).await;
        let is_needed = |remote: &Remote| remote.is_silent() && !remote.spec.options.is_optional;
        self.hear(inputs, begun + longest + GRACE, is_needed).await;
        self.go_on_without();
    }

    /// Takes news while something of a source is waited for. At the start nobody can ask for more than how it is doing.
    async fn hear(&mut self, inputs: &mut Inputs, until: Instant, is_awaited: impl Fn(&Remote) -> bool) {
        while self.remotes.iter().any(&is_awaited) {
            tokio::select! {
                Some(news) = inputs.news.recv() => self.handle_news(news),
                Some(request) = inputs.requests.recv() => self.handle(Input::Request(request)),
                () = sleep_until(until.into()) => break,
            }
        }
    }

    /// Nothing is to wait for sources that have not answered: what they say later counts then.
    fn go_on_without(&mut self) {
        let (document, now) = (self.shared.document.clone(), self.clock.now());
        for remote in self.remotes.iter().filter(|remote| remote.is_silent()) {
            let outcome = match remote.spec.options.is_optional {
                true => Ok(None),
                false => Err(Error::new(Code::NotReady, format!("`{}` has not answered yet", remote.id))
                    .with_hint("it is asked on and on by itself")),
            };
            self.driver.engine_mut().handle_layer(&document, &remote.id, outcome, now);
        }
    }

    /// Asks every source that is polled at once; what goes on at rest waits for their answers, at most so long.
    pub(super) fn ask_remotes(&mut self, within: Duration) {
        for remote in &mut self.remotes {
            remote.is_awaited = true;
            remote.hurry.notify_one();
        }
        let later = self.senders.later.clone();
        drop(tokio::spawn(async move {
            tokio::time::sleep(within).await;
            let give_up: Later =
                Box::new(|actor: &mut Actor| actor.remotes.iter_mut().for_each(|remote| remote.is_awaited = false));
            let _ = later.send(give_up); // fails once the actor is gone
        }));
    }

    /// Whether a source that was asked at once has not answered yet.
    pub(super) fn awaits_remotes(&self) -> bool {
        self.remotes.iter().any(|remote| remote.is_awaited)
    }

    /// Asks nobody any more. What is on its way to the disk gets there.
    pub(super) async fn end_remotes(&mut self, inputs: &mut Inputs) {
        self.hear(inputs, Instant::now() + GRACE, |remote| remote.is_keeping).await;
        self.remotes.clear();
    }

    /// Puts in force what is kept of a source, until it answers.
    fn remember(&mut self, at: usize) {
        let Some(remote) = self.remotes.get(at) else { return };
        let Some(kept) = &self.kept else { return };
        let (id, now) = (remote.id.clone(), self.clock.now());
        if remote.spec.options.is_secret && !kept.seals() {
            // It may be marked since the last run.
            let forgotten = kept.forget(&id);
            self.unkept(at, "it is marked as secret and there is no key file");
            return forgotten.unwrap_or_else(|error| self.tell(Level::Warning, None, error));
        }
        let found = kept.read(&id).and_then(|kept| kept.map(|kept| remembered(remote, kept)).transpose());
        let layer = match found {
            Ok(Some(layer)) => layer,
            Ok(None) => return,
            Err(error) => return self.tell(Level::Warning, None, error),
        };
        let loaded = layer.fetched.map_or_else(String::new, |fetched| rfc3339(fetched.loaded_ms));
        let document = self.shared.document.clone();
        let engine = self.driver.engine_mut();
        engine.handle_layer(&document, &id, Ok(Some(layer.clone())), now);
        let message = format!("not heard since the start: what it said at {loaded} is in force, from the disk");
        engine.handle_layer(
            &document,
            &id,
            Err(Error::new(Code::NotReady, message)
                .with_origin(Origin::source(&id))
                .with_hint("it is asked by itself")),
            now,
        );
        if let Some(remote) = self.remotes.get_mut(at) {
            (remote.layer, remote.from_disk) = (Some(layer.clone()), true);
            remote.undecided = Some(Undecided { layer, taken: None });
        }
        self.decide();
    }

    /// Answers sources whose documents came into force, or did not.
    pub(super) fn decide(&mut self) {
        for at in 0..self.remotes.len() {
            while let Some((in_force, Undecided { layer, taken })) = self.decided(at) {
                let Some(taken) = taken else {
                    // What was kept.
                    self.remotes.get_mut(at).filter(|_| !in_force).into_iter().for_each(Remote::forget);
                    self.take_next(at);
                    continue;
                };
                let mut keep_in = None;
                if in_force {
                    if let Some(remote) = self.remotes.get_mut(at) {
                        (remote.layer, remote.from_disk) = (Some(layer), false);
                    }
                    keep_in = self.place_for(at);
                    self.remotes.get_mut(at).into_iter().for_each(|remote| remote.is_keeping = keep_in.is_some());
                }
                let _ = taken.send(Taken { in_force, keep_in }); // it may be stopping
            }
        }
    }

    /// What a source said and is decided now.
    fn decided(&mut self, at: usize) -> Option<(bool, Undecided)> {
        let remote = self.remotes.get_mut(at).filter(|remote| remote.undecided.is_some())?;
        let in_force = self.driver.engine().takes_source(&self.shared.document, &remote.id)?;
        Some((in_force, remote.undecided.take()?))
    }

    /// Hands on what a source said while what was kept of it was not decided.
    fn take_next(&mut self, at: usize) {
        let Some(remote) = self.remotes.get_mut(at) else { return };
        let Some((layer, taken)) = remote.next.take() else { return };
        remote.undecided = Some(Undecided { layer: layer.clone(), taken: Some(taken) });
        let (id, now) = (remote.id.clone(), self.clock.now());
        self.driver.engine_mut().handle_layer(&self.shared.document, &id, Ok(Some(layer)), now);
    }

    /// A source was asked.
    pub(super) fn handle_news(&mut self, news: News) {
        let News { at, said, progress, taken } = news;
        let (document, now) = (self.shared.document.clone(), self.clock.now());
        let Some(remote) = self.remotes.get_mut(at) else { return };
        remote.is_heard = true;
        remote.is_awaited = false;
        remote.progress = Some(progress);
        let id = remote.id.clone();
        let engine = self.driver.engine_mut();
        let is_fresh = |engine: &crate::engine::Engine| engine.source_state(&document, &id) == Some(SourceState::Fresh);
        if matches!(said, Said::Layer(_) | Said::Unchanged | Said::Missing) {
            remote.told = None;
        }
        let in_force = match said {
            Said::Layer(layer) => {
                remote.next = Some((*layer, taken));
                if remote.undecided.is_none() {
                    self.take_next(at);
                }
                return self.decide();
            }
            Said::Unchanged => {
                remote.from_disk = false;
                let again = remote.layer.clone().filter(|_| !is_fresh(engine));
                if let Some(layer) = again {
                    engine.handle_layer(&document, &id, Ok(Some(layer)), now);
                }
                true
            }
            Said::Missing => {
                engine.handle_layer(&document, &id, Ok(None), now);
                false
            }
            Said::Failed(error, told) => {
                let error = match told.is_some() {
                    true => error.continued(match self.log >= LogLevel::Warn {
                        true => "; what it wrote to its error output is in the log",
                        false => "; the log has what it wrote to its error output, with `CONFMESH_LOG=warn`",
                    }),
                    false => error,
                };
                if let Some(told) = told.filter(|told| remote.told.as_ref() != Some(told)) {
                    let line = format!("`{id}` wrote to its error output: {told}");
                    log(self.log, Level::Warning, &line);
                    remote.told = Some(told);
                }
                engine.handle_layer(&document, &id, Err(error), now);
                false
            }
            Said::Kept(kept) => {
                remote.is_keeping = false;
                let before = std::mem::replace(&mut remote.keep_error, kept.err());
                let news = remote.keep_error.clone().filter(|error| before.as_ref() != Some(error));
                news.into_iter().for_each(|error| self.tell(Level::Warning, None, error));
                true
            }
        };
        let _ = taken.send(Taken { in_force, keep_in: None }); // it may be stopping
    }

    /// Where a document that is in force is to be kept, and whether sealed; nowhere, and what was there before is gone, where it
    /// holds a secret that nothing could seal.
    fn place_for(&mut self, at: usize) -> Option<(KeptLayers, bool)> {
        let (kept, remote) = self.kept.clone().zip(self.remotes.get(at))?;
        let id = remote.id.clone();
        let holds_secrets = remote.spec.options.is_secret
            || self.driver.engine().snapshot(&self.shared.document).is_some_and(|snapshot| {
                remote.layer.as_ref().is_some_and(|layer| !secret_paths(snapshot.policy(), &layer.value).is_empty())
            });
        if !holds_secrets || kept.seals() {
            return Some((kept, holds_secrets));
        }
        self.unkept(at, "it holds secrets and there is no key file");
        if let Err(error) = kept.forget(&id) {
            self.tell(Level::Warning, None, error);
        }
        None
    }

    /// Says once that nothing of a source is kept.
    fn unkept(&mut self, at: usize, why: &str) {
        let Some(remote) = self.remotes.get_mut(at).filter(|remote| !remote.told_unkept) else { return };
        remote.told_unkept = true;
        let line = format!(
            "nothing of `{}` is kept on the disk, as {why}: a start without it begins without its values",
            remote.id
        );
        self.log_line(Level::Info, &line);
    }
}

/// What was kept, as a layer.
fn remembered(remote: &Remote, kept: Kept) -> Result<Layer> {
    let mut layer = Layer::from_file(&remote.id, remote.priority, kept.text, kept.format, &FileArgument::default())?;
    layer.fetched = Some(Fetched { loaded_ms: kept.loaded_ms, is_secret: remote.spec.options.is_secret });
    Ok(layer)
}
