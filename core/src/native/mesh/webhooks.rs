//! Webhooks: signed requests that write to the document, and tell the program.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::Shared;
use super::log::{LogLevel, log, worded};
use crate::engine::{Command, Level, Once, Receipt, WriteTerms};
use crate::error::{Code, Error, Kind, Result};
use crate::hook::{Delivery, Mode, Payload, Secrets, check_allowed, replacing, verify};
use crate::id::DocumentName;
use crate::native::file;
use crate::native::http::Delivered;
use crate::pattern::Pattern;
use crate::value::{Str, Value};

/// How long a sender waits for the store, and then for what handlers do.
const STORED_WITHIN: Duration = Duration::from_secs(20);
const HANDLED_WITHIN: Duration = Duration::from_secs(10);
/// How often a write is made anew because the document changed meanwhile.
const TRIES: usize = 5;
/// Of how many deliveries it is remembered which handlers failed.
const MOST_OWED: usize = 1_024;

/// What webhooks are taken, and what they may write. Without a secret none are.
#[derive(Clone, Default)]
pub struct WebhookOptions {
    /// Secrets, each as [`Secrets::parse`] reads it.
    pub secrets: Vec<String>,
    /// A file of secrets, one a line; it is read for every request, so it can be changed while the instance runs.
    pub secret_file: Option<PathBuf>,
    /// What webhooks may write, as patterns; everything. An empty list: nothing, and they only tell the program.
    pub paths: Option<Vec<String>>,
}

impl std::fmt::Debug for WebhookOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = (self.secrets.len(), &self.secret_file, &self.paths);
        write!(f, "WebhookOptions{shown:?}")
    }
}

/// A delivery as a handler gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// The name of the document that it is about.
    pub name: String,
    /// What was sent.
    pub data: Value,
    /// What tells it from others; one that is sent again has it again.
    pub id: Str,
    /// Who sent it: `webhook:` and the name of the secret.
    pub principal: Str,
}

pub(super) type Handler = Arc<dyn Fn(&Webhook) -> Result<()> + Send + Sync>;

/// The webhooks of a running mesh.
pub(super) struct Webhooks {
    secrets: Secrets,
    secret_file: Option<PathBuf>,
    may: Vec<Pattern>,
    handlers: Mutex<Handlers>,
    refused: AtomicU64,
    log: LogLevel,
}

#[derive(Default)]
struct Handlers {
    known: Vec<(String, Handler)>,
    /// Deliveries that are done, and whose handlers at these places failed: they are called again with the next attempt.
    owed: BTreeMap<Str, Vec<usize>>,
}

impl WebhookOptions {
    /// What is taken; none where nobody could be known.
    ///
    /// # Errors
    /// [`Code::Usage`] for a secret or a pattern that is none; what is wrong with the file.
    pub(super) fn webhooks(&self, log: LogLevel) -> Result<Option<Webhooks>> {
        if self.secrets.is_empty() && self.secret_file.is_none() {
            return Ok(None);
        }
        let secrets = Secrets::parse(&self.secrets.join("\n"))?;
        let all = secrets.clone().and(of_file(self.secret_file.as_ref())?);
        if all.is_empty() {
            return Err(Error::new(Code::Usage, "there is no webhook secret where one was named")
                .with_hint("write `NAME=SECRET` into it; make a secret with `openssl rand -base64 32`"));
        }
        let everything = || Ok(vec![Pattern::parse("**")?]);
        let parse = |paths: &Vec<String>| paths.iter().map(|path| Pattern::parse(path)).collect();
        let may = self.paths.as_ref().map_or_else(everything, parse)?;
        let (secret_file, handlers) = (self.secret_file.clone(), Mutex::default());
        Ok(Some(Webhooks { secrets, secret_file, may, handlers, refused: AtomicU64::new(0), log }))
    }
}

fn of_file(path: Option<&PathBuf>) -> Result<Secrets> {
    let Some(path) = path else { return Ok(Secrets::default()) };
    let Some(text) = file::read(path)? else {
        let message = format!("cannot read the webhook secrets `{}`: no such file or directory", path.display());
        return Err(Error::new(Code::File, message).with_hint("create the file, or correct the path"));
    };
    Secrets::parse(&text).map_err(|error| error.about(&format!("`{}`", path.display())))
}

impl Webhooks {
    /// Calls a function from now on.
    pub(super) fn add(&self, name: &str, handler: Handler) {
        self.handlers().known.push((name.to_owned(), handler));
    }

    fn handlers(&self) -> MutexGuard<'_, Handlers> {
        self.handlers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of refusals, ever more rarely: whoever makes them up must not fill the log.
    fn tell_refusal(&self, error: &Error) {
        let count = self.refused.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if count.is_power_of_two() {
            let so_far = if count > 1 { format!(" ({count} so far)") } else { String::new() };
            log(self.log, Level::Warning, &format!("a webhook is refused{so_far}: {}", worded(error)));
        }
    }
}

/// Does what a request says, if it is from who it should be.
pub(super) async fn deliver(
    shared: Arc<Shared>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    wall_ms: u64,
) -> Delivered {
    let answered = |status, outcome| Delivered { status, outcome };
    let Some(webhooks) = &shared.webhooks else {
        return answered(404, Err(Error::new(Code::NotFound, "this instance takes no webhooks")));
    };
    let path = webhooks.secret_file.clone();
    let secrets = match tokio::task::spawn_blocking(move || of_file(path.as_ref())).await {
        Ok(Ok(of_file)) => webhooks.secrets.clone().and(of_file),
        Ok(Err(error)) => {
            log(webhooks.log, Level::Error, &format!("no webhook is taken: {}", worded(&error)));
            return answered(
                503,
                Err(Error::new(Code::NotReady, "the webhook secrets cannot be read; the log says why")),
            );
        }
        Err(_) => return answered(503, Err(Error::new(Code::Internal, "reading the webhook secrets broke"))),
    };
    let header = |name: &str| headers.get(name).map(String::as_str);
    let delivery = match verify(&secrets, &header, &body, wall_ms) {
        Ok(delivery) => delivery,
        Err(error) => {
            webhooks.tell_refusal(&error);
            return answered(401, Err(error));
        }
    };
    match Payload::parse(&body) {
        Err(error) => answered(400, Err(error)),
        Ok(payload) => match done(&shared, webhooks, &delivery, payload).await {
            Ok((status, reply)) => answered(status, Ok(reply)),
            Err((status, error)) => {
                log(
                    webhooks.log,
                    Level::Warning,
                    &format!("{} is answered {status}: {}", delivery.principal, worded(&error)),
                );
                answered(status, Err(error))
            }
        },
    }
}

type Outcome = Result<(u16, Value), (u16, Error)>;

async fn done(shared: &Arc<Shared>, webhooks: &Webhooks, delivery: &Delivery, payload: Payload) -> Outcome {
    let is_here = DocumentName::parse(&payload.name).is_ok_and(|name| name == shared.document);
    let is_for = |name: &str| name == "*" || name == payload.name;
    let called = webhooks.handlers().known.iter().any(|(name, _)| is_for(name));
    let writes = is_here && !webhooks.may.is_empty();
    if !writes && !called {
        let Payload { name, .. } = payload;
        if is_here {
            let fields = [("status", Value::from("unhandled")), ("config_name", name.into())];
            return Ok((202, fields.into_iter().collect()));
        }
        let message = format!("there is no document `{name}` here, and nobody listens for it");
        let hint = format!("the document here is named `{}`", shared.document);
        return Err((404, Error::new(Code::UnknownDocument, message).with_hint(hint)));
    }
    let written = timeout(STORED_WITHIN, write(shared, webhooks, delivery, writes.then_some(&payload))).await;
    let receipt = written.unwrap_or_else(|_| Err(Error::new(Code::NotReady, "it is not on the disk yet")));
    let receipt = receipt.map_err(|error| (status_of(&error), error))?;
    let hook = Webhook {
        name: payload.name,
        data: payload.data,
        id: delivery.id.clone(),
        principal: delivery.principal.clone(),
    };
    tell(webhooks, hook.clone(), receipt.is_repeat).await.map_err(|error| (500, error))?;
    let word = if receipt.is_repeat { "repeated" } else { "applied" };
    let mut fields = vec![("status", Value::from(word)), ("config_name", hook.name.into()), ("id", hook.id.into())];
    if writes {
        fields.push(("written", receipt.to_value()));
    }
    Ok((200, fields.into_iter().collect()))
}

/// Writes what was sent, or only remembers that it came; again where the document changed between look and write.
async fn write(
    shared: &Arc<Shared>,
    webhooks: &Webhooks,
    delivery: &Delivery,
    payload: Option<&Payload>,
) -> Result<Receipt> {
    let once = Some(Once { id: delivery.id.clone(), until_ms: delivery.until_ms });
    let terms = WriteTerms { once, user: Some(delivery.principal.clone()), ..WriteTerms::default() };
    let mut tries = 0;
    loop {
        let mut terms = terms.clone();
        let command = match payload {
            None => Command::Edits(Vec::new()),
            Some(payload) => {
                let snapshot = shared.snapshot.load_full();
                check_allowed(&snapshot.value, payload, &webhooks.may)?;
                terms.if_hash = Some(snapshot.digest().into());
                match payload.mode {
                    Mode::Merge => Command::MergePatch(payload.data.clone()),
                    Mode::Replace => Command::Replace(replacing(&snapshot.value, &payload.data, &webhooks.may)),
                }
            }
        };
        tries += 1;
        match shared.write(command, terms).await {
            Err(error) if error.code() == Code::Stale && tries < TRIES => tokio::task::yield_now().await,
            result => return result,
        }
    }
}

/// Calls the handlers, all at the same time; of a repeat only those that failed before.
async fn tell(webhooks: &Webhooks, hook: Webhook, is_repeat: bool) -> Result<()> {
    let called: Vec<(usize, Handler)> = {
        let mut handlers = webhooks.handlers();
        let owed = handlers.owed.remove(&hook.id);
        let is_for = |name: &str| name == "*" || name == hook.name;
        let matching = handlers.known.iter().enumerate().filter(|(_, (name, _))| is_for(name));
        let due = |at: &usize| if is_repeat { owed.as_ref().is_some_and(|owed| owed.contains(at)) } else { true };
        matching.filter(|(at, _)| due(at)).map(|(at, (_, handler))| (at, Arc::clone(handler))).collect()
    };
    let id = hook.id.clone();
    let hook = Arc::new(hook);
    let running = called.into_iter().map(|(at, handler)| {
        let hook = Arc::clone(&hook);
        (at, tokio::task::spawn_blocking(move || handler(&hook)))
    });
    let mut failed: Vec<(usize, Error)> = Vec::new();
    for (at, running) in running.collect::<Vec<_>>() {
        let error = match timeout(HANDLED_WITHIN, running).await {
            Ok(Ok(Ok(()))) => continue,
            Ok(Ok(Err(error))) => error,
            Ok(Err(_)) => Error::new(Code::Internal, "the handler panicked"),
            Err(_) => Error::new(Code::Busy, format!("it did not end within {} s", HANDLED_WITHIN.as_secs())),
        };
        failed.push((at, error));
    }
    let mut handlers = webhooks.handlers();
    if !failed.is_empty() && handlers.owed.len() < MOST_OWED {
        handlers.owed.insert(id, failed.iter().map(|(at, _)| *at).collect());
    }
    let names: Vec<String> =
        failed.iter().filter_map(|(at, _)| handlers.known.get(*at)).map(|(name, _)| format!("`{name}`")).collect();
    let Some(first) = failed.into_iter().map(|(_, error)| error).next() else { return Ok(()) };
    let message = format!("it is written, and the handler for {} failed: {}", names.join(", "), first.message());
    Err(Error::new(first.code(), message).with_hint("send it again with its id: only what failed is called again"))
}

/// The status of a write that is refused.
fn status_of(error: &Error) -> u16 {
    match (error.code(), error.kind()) {
        (Code::Usage, _) => 403,
        (Code::Busy, _) => 429,
        (Code::NotReady | Code::Closed, _) => 503,
        (Code::TooLarge, _) => 413,
        (_, Kind::Input) => 422,
        (_, Kind::Conflict | Kind::Usage) => 409,
        _ => 500,
    }
}
