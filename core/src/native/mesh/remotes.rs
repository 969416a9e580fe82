//! Sources that are polled: started, their news taken, their last good documents kept.
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

use super::actor::Actor;
use super::inputs::{Inputs, Later};
use super::log::log;
use super::sources::RemoteSource;
use crate::clock::rfc3339;
use crate::engine::{Level, SourceState};
use crate::error::{Code, Error, Result};
use crate::format::FileArgument;
use crate::merge::{Fetched, Layer};
use crate::native::source::polled::{Followed, Kept, KeptLayers, News, Said, Taken, follow};
use crate::origin::Origin;
use crate::poll::Progress;
use crate::secret::secret_paths;
use crate::source::SourceSpec;
use crate::value::{Str, Value};

/// What a deadline of a source may be missed by before the start goes on without it.
const GRACE: Duration = Duration::from_secs(2);

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
    /// Whether a document is on its way to the disk.
    is_keeping: bool,
    /// Whether it was told that nothing of it is kept.
    told_unkept: bool,
    /// What of its error output the log has, until it is well again.
    told: Option<String>,
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
    /// How long ago the last good answer came, in milliseconds; from the start on where none came since.
    pub age_ms: u64,
    /// After how many milliseconds without a good answer the instance is not ready.
    pub stale_after_ms: Option<u64>,
    /// How polling goes, once it began.
    pub progress: Option<Progress>,
    /// In how many milliseconds it is asked next.
    pub next_ms: Option<u64>,
}

impl RemoteStatus {
    /// The fields beside those that every source has.
    pub(super) fn fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = vec![
            ("optional", Value::from(self.is_optional)),
            ("served_from", if self.from_disk { "disk" } else { "source" }.into()),
            ("age_ms", self.age_ms.into()),
        ];
        fields.extend(self.loaded_ms.map(|at| ("loaded", rfc3339(at).into())));
        fields.extend(self.stale_after_ms.map(|ms| ("stale_after_ms", ms.into())));
        fields.extend(self.next_ms.map(|ms| ("next_poll_ms", ms.into())));
        if let Some(progress) = &self.progress {
            fields.push(("failures", u64::from(progress.failures).into()));
            fields.push(("interval_ms", progress.interval_ms.into()));
            fields.push(("circuit", progress.breaker.as_str().into()));
        }
        fields
    }
}

impl Remote {
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

    pub(super) fn status(&self, mono_ms: u64) -> RemoteStatus {
        let last_good_ms = self.progress.and_then(|progress| progress.last_good_ms).unwrap_or(0);
        RemoteStatus {
            is_optional: self.spec.options.is_optional,
            from_disk: self.from_disk,
            loaded_ms: self.layer.as_ref().and_then(|layer| layer.fetched).map(|fetched| fetched.loaded_ms),
            age_ms: mono_ms.saturating_sub(last_good_ms),
            stale_after_ms: self.spec.options.stale_after_ms,
            progress: self.progress,
            next_ms: self.progress.map(|progress| progress.due_ms.saturating_sub(mono_ms)),
        }
    }
}

impl Actor {
    /// Puts what is kept in force, starts to ask, and waits for the first answers of those of whom nothing is kept.
    pub(super) async fn start_remotes(
        &mut self,
        given: Vec<RemoteSource>,
        data_dir: Option<&FilePath>,
        inputs: &mut Inputs,
    ) {
        self.kept = data_dir.map(KeptLayers::of);
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
                is_keeping: false,
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
        let until = Instant::now() + longest + GRACE;
        self.hear(inputs, until, |remote| !remote.is_heard && remote.layer.is_none()).await;
    }

    /// Takes news while something of a source is waited for.
    async fn hear(&mut self, inputs: &mut Inputs, until: Instant, is_awaited: impl Fn(&Remote) -> bool) {
        while self.remotes.iter().any(&is_awaited) {
            match timeout_at(until.into(), inputs.news.recv()).await {
                Ok(Some(news)) => self.handle_news(news),
                Ok(None) | Err(_) => break,
            }
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
        if remote.spec.options.is_secret {
            // It may be marked since the last run.
            let forgotten = kept.forget(&id);
            self.unkept(at, "it is marked as secret");
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
            (remote.layer, remote.from_disk) = (Some(layer), true);
        }
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
        let mut keep_in = None;
        if matches!(said, Said::Layer(_) | Said::Unchanged | Said::Missing) {
            remote.told = None;
        }
        let in_force = match said {
            Said::Layer(layer) => {
                engine.handle_layer(&document, &id, Ok(Some((*layer).clone())), now);
                let is_taken = is_fresh(engine);
                if is_taken {
                    (remote.layer, remote.from_disk) = (Some(*layer), false);
                    keep_in = self.place_for(at);
                    self.remotes.get_mut(at).into_iter().for_each(|remote| remote.is_keeping = keep_in.is_some());
                }
                is_taken
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
                kept.unwrap_or_else(|error| self.tell(Level::Warning, None, error));
                true
            }
        };
        let _ = taken.send(Taken { in_force, keep_in }); // it may be stopping
    }

    /// Where a document that is in force is to be kept; nowhere, and what was there before is gone, where it holds a secret.
    fn place_for(&mut self, at: usize) -> Option<KeptLayers> {
        let (kept, remote) = self.kept.clone().zip(self.remotes.get(at))?;
        if remote.spec.options.is_secret {
            return None;
        }
        let id = remote.id.clone();
        let holds_secrets = self.driver.engine().snapshot(&self.shared.document).is_some_and(|snapshot| {
            remote.layer.as_ref().is_some_and(|layer| !secret_paths(snapshot.policy(), &layer.value).is_empty())
        });
        if !holds_secrets {
            return Some(kept);
        }
        self.unkept(at, "it holds secrets");
        kept.forget(&id).unwrap_or_else(|error| self.tell(Level::Warning, None, error));
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
    layer.fetched = Some(Fetched { loaded_ms: kept.loaded_ms, is_secret: false });
    Ok(layer)
}
