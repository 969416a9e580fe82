//! The loop around one source: asks when the schedule says so, hands on what came, and starts again whatever breaks.
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::{Answer, Failure, Kept, KeptLayers, Loader, Source};
use crate::canonical::canonical;
use crate::clock::Now;
use crate::error::{Code, Error, Result};
use crate::format::{FileArgument, Format};
use crate::merge::Layer;
use crate::poll::{Poll, Polled, Progress, UpdateLimit};
use crate::source::SourceSpec;
use crate::value::Value;

/// A source that is followed.
pub struct Followed {
    /// What it is.
    pub spec: SourceSpec,
    /// Its code, where it is a program's own.
    pub own: Option<Arc<dyn Source>>,
    /// What its layers count.
    pub priority: i32,
    /// Who is told, by its number.
    pub at: usize,
    /// Reads the clocks.
    pub clock: Arc<dyn Fn() -> Now + Send + Sync>,
    /// Wakes it up to ask at once.
    pub hurry: Arc<Notify>,
}

/// What became of asking a source once.
pub struct News {
    /// Which source.
    pub at: usize,
    /// What it said.
    pub said: Said,
    /// How it goes, as far as that is known before the document was taken.
    pub progress: Progress,
    /// Answered with whether the document is in force.
    pub taken: oneshot::Sender<Taken>,
}

/// What became of a document.
pub struct Taken {
    /// Whether it is in force.
    pub in_force: bool,
    /// Where it is to be kept, and whether it holds secrets; nowhere.
    pub keep_in: Option<(KeptLayers, bool)>,
}

/// What a source said.
pub enum Said {
    /// What is in force of it.
    Unchanged,
    /// Another document.
    Layer(Box<Layer>),
    /// That there is none.
    Missing,
    /// Nothing of use, and what is for the log alone.
    Failed(Error, Option<String>),
    /// Whether the document that was to be kept is.
    Kept(Result<()>),
}

/// A layer of an answer, and the text that is kept of it.
fn layer_of(spec: &SourceSpec, priority: i32, answer: Answer, loaded_ms: u64) -> Result<Option<(Layer, Kept)>> {
    let id = spec.id();
    let (mut layer, kept) = match answer {
        Answer::Text(text, format) => {
            let layer = Layer::from_file(&id, priority, text.clone(), format, &FileArgument::default())?;
            (layer, Kept { loaded_ms, text, format })
        }
        Answer::Value(value) => {
            let text = canonical(&value);
            let Value::Map(_) = &value else {
                let message = format!("what `{id}` gave is of the type {}, not a map", value.type_name());
                return Err(Error::new(Code::NotAMap, message).with_hint("put the value under a key"));
            };
            // The text is checked as a document is, and has no places that anybody knows.
            let mut layer = Layer::from_text(&id, priority, text.clone(), Format::Json)?;
            (layer.text, layer.value) = (None, value);
            (layer, Kept { loaded_ms, text, format: Format::Json })
        }
        Answer::Unchanged | Answer::Missing => return Ok(None),
    };
    layer.fetched = Some(crate::merge::Fetched { loaded_ms, is_secret: spec.options.is_secret });
    Ok(Some((layer, kept)))
}

/// Asks a source once; none where it may be missing and is. Must run inside a tokio runtime.
///
/// # Errors
/// Why there is no answer, or what the document says.
pub async fn load_once(spec: SourceSpec, priority: i32) -> Result<Option<Layer>> {
    let mut loader = Loader::new(&spec, None)?;
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let loaded_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    match loader.load(true).await {
        Ok(answer) => Ok(layer_of(&spec, priority, answer, loaded_ms)?.map(|(layer, _)| layer)),
        Err(failure) => Err(failure.whole()),
    }
}

/// Follows a source until nobody listens any more. Must run inside a tokio runtime.
pub async fn follow(followed: Followed, news: mpsc::Sender<News>) {
    let start = (Instant::now(), (followed.clock)().mono_ms);
    let moment = |at_ms: u64| {
        let wait = Duration::from_millis(at_ms.saturating_sub(start.1));
        start.0.checked_add(wait).unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400))
    };
    let mut poll = Poll::new(followed.spec.options.poll_options(), start.1);
    let mut limit = followed.spec.options.max_updates_per_minute.map(UpdateLimit::per_minute);
    // What waits for the limit; only the newest does.
    let mut held: Option<(Layer, Kept)> = None;
    let mut loader: Option<Loader> = None;
    // Of the document that is in force.
    let mut in_force: Option<[u8; 32]> = None;
    loop {
        let now_ms = (followed.clock)().mono_ms;
        let held_until = held.as_ref().and(limit.as_ref()).map(|limit| limit.next_ms(now_ms));
        let due_ms = held_until.map_or(poll.due_ms(), |at| at.min(poll.due_ms()));
        tokio::select! {
            () = sleep_until(moment(due_ms)) => {}
            () = followed.hurry.notified() => poll.hurry((followed.clock)().mono_ms),
        }
        let now_ms = (followed.clock)().mono_ms;
        if let Some(limit) = limit.as_mut().filter(|limit| limit.next_ms(now_ms) <= now_ms)
            && let Some((layer, kept)) = held.take()
        {
            let print = kept.print();
            let Some(taken) = offer(&followed, &news, &poll, layer, kept).await else { return };
            if taken {
                limit.takes(now_ms);
                in_force = Some(print);
                loader.as_mut().into_iter().for_each(Loader::accepted);
            }
            continue;
        }
        if now_ms < poll.due_ms() {
            continue;
        }
        let is_full = poll.begin(now_ms);
        let result = match loader.take().map_or_else(|| Loader::new(&followed.spec, followed.own.as_ref()), Ok) {
            Ok(own) => {
                let (back, result) = asked(own, is_full, &followed.spec).await;
                loader = back;
                result
            }
            Err(error) => Err(error.into()),
        };
        let answer = match result {
            Ok(Answer::Unchanged) => Ok((Said::Unchanged, None)),
            Ok(Answer::Missing) => Ok((Said::Missing, None)),
            Ok(answer) => read(&followed, answer)
                .await
                .map(|found| (Said::Unchanged, found.filter(|(_, kept)| in_force != Some(kept.print())))),
            Err(failure) => Err(failure),
        };
        let ended_ms = (followed.clock)().mono_ms;
        let chance = entropy();
        match answer {
            Ok((_, Some(found))) => {
                if limit.as_ref().is_some_and(|limit| limit.next_ms(ended_ms) > ended_ms) {
                    held = Some(found);
                    poll.end(Polled::Unchanged, ended_ms, chance);
                    continue;
                }
                held = None;
                let mut after = poll.clone();
                after.end(Polled::Changed, ended_ms, chance);
                let print = found.1.print();
                let Some(taken) = offer(&followed, &news, &after, found.0, found.1).await else { return };
                poll.end(if taken { Polled::Changed } else { Polled::Refused }, ended_ms, chance);
                if taken {
                    limit.as_mut().into_iter().for_each(|limit| _ = limit.takes(ended_ms));
                    // Only what is in force may be asked not to be sent again.
                    in_force = Some(print);
                    loader.as_mut().into_iter().for_each(Loader::accepted);
                }
            }
            Ok((said, None)) => {
                held = None;
                poll.end(Polled::Unchanged, ended_ms, chance);
                if tell(&followed, &news, &poll, said).await.is_none() {
                    return;
                }
            }
            Err(failure) => {
                let polled = match failure.is_content {
                    true => Polled::Refused,
                    false => Polled::Failed { retry_after_ms: failure.retry_after_ms },
                };
                poll.end(polled, ended_ms, chance);
                if tell(&followed, &news, &poll, Said::Failed(failure.error, failure.told)).await.is_none() {
                    return;
                }
            }
        }
    }
}

/// Asks on a task of its own, so that nothing that breaks there ends the following.
async fn asked(mut loader: Loader, is_full: bool, spec: &SourceSpec) -> (Option<Loader>, Result<Answer, Failure>) {
    let task = tokio::spawn(async move {
        let result = loader.load(is_full).await;
        (loader, result)
    });
    // Who stops following stops asking.
    let guard = AbortOnDrop(task.abort_handle());
    let ended = task.await;
    drop(guard);
    match ended {
        Ok((loader, result)) => (Some(loader), result),
        Err(_) => {
            let error = Error::new(Code::Internal, format!("asking `{}` broke; it is begun anew", spec.id()));
            (None, Err(error.with_hint("this is a defect of confmesh: please report it").into()))
        }
    }
}

/// Reads an answer on another thread: what is large takes its time.
async fn read(followed: &Followed, answer: Answer) -> Result<Option<(Layer, Kept)>, Failure> {
    let (spec, priority, now) = (followed.spec.clone(), followed.priority, (followed.clock)());
    let read = tokio::task::spawn_blocking(move || layer_of(&spec, priority, answer, now.wall_ms)).await;
    match read {
        Ok(found) => found.map_err(Failure::of_content),
        Err(_) => Err(Error::new(Code::Internal, format!("reading `{}` broke", followed.spec.id())).into()),
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Hands a document on, and keeps it where that is wanted; whether it is in force, or none where nobody listens.
async fn offer(
    followed: &Followed,
    news: &mpsc::Sender<News>,
    poll: &Poll,
    layer: Layer,
    document: Kept,
) -> Option<bool> {
    let taken = tell(followed, news, poll, Said::Layer(Box::new(layer))).await?;
    if let Some((layers, is_secret)) = taken.keep_in {
        let id = followed.spec.id();
        // The disk may be slow, and documents are kept one after the other.
        let kept = tokio::task::spawn_blocking(move || layers.write(&id, &document, is_secret)).await;
        let broke = |_| Err(Error::new(Code::Internal, format!("keeping `{}` broke", followed.spec.id())));
        tell(followed, news, poll, Said::Kept(kept.unwrap_or_else(broke))).await?;
    }
    Some(taken.in_force)
}

/// Hands news on; what became of them, or none where nobody listens.
async fn tell(followed: &Followed, news: &mpsc::Sender<News>, poll: &Poll, said: Said) -> Option<Taken> {
    let (taken, answer) = oneshot::channel();
    news.send(News { at: followed.at, said, progress: poll.progress(), taken }).await.ok()?;
    answer.await.ok()
}

fn entropy() -> u64 {
    let mut bytes = [0; 8];
    // Without random numbers the pollers only spread less.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
