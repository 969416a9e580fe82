//! Guests of this instance: browsers and programs that speak the `config_*` messages.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::shared::{Command, Founded};
use super::terms::WriteTerms;
use super::types::{Event, PeerId, Receipt, RequestId, Snapshot};
use super::{Engine, REPLICATES, Session, unknown};
use crate::canonical::{ContentHash, ContentTag, content_hash};
use crate::clock::{Now, VersionVector};
use crate::error::{Code, Error, Result};
use crate::guard::{Verb, Who};
use crate::id::DocumentName;
use crate::path::Path;
use crate::pattern::Pattern;
use crate::protocol::Message;
use crate::replica::Edit;
use crate::value::{Str, Value};

/// How many answered request ids are remembered, so that one that is repeated after a lost connection is answered and not
/// written again.
const REMEMBERED_REQUESTS: usize = 4_096;

/// What the ids and keys of these may come to, in bytes.
const REMEMBERED_BYTES: usize = 4 << 20;
/// How long the id of a request may be.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// What guests asked for, across their connections.
#[derive(Default)]
pub(super) struct GuestRequests {
    /// Writes that somebody waits for.
    open: Vec<OpenRequest>,
    /// Answers given, by the guest's request id.
    answered: VecDeque<(String, Message)>,
    /// How long their ids and keys are together.
    answered_bytes: usize,
    /// What a guest knew once it had made a request, by the request's id.
    known: VecDeque<(String, VersionVector)>,
}

impl GuestRequests {
    fn remember(&mut self, id: String, answer: Message) {
        self.answered_bytes += id.len() + key_bytes(&answer);
        self.answered.push_back((id, answer));
        while self.answered.len() > REMEMBERED_REQUESTS || self.answered_bytes > REMEMBERED_BYTES {
            let Some((id, answer)) = self.answered.pop_front() else { break };
            self.answered_bytes = self.answered_bytes.saturating_sub(id.len() + key_bytes(&answer));
        }
    }
}

/// How long the key is that an answer repeats.
fn key_bytes(answer: &Message) -> usize {
    match answer {
        Message::ConfigChangeResponse { key, .. } => key.len(),
        _ => 0,
    }
}

/// An operation that a guest asks for by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Called {
    /// Which connection asks.
    pub peer: PeerId,
    /// Who asks.
    pub by: Who,
    /// Of which document.
    pub document: DocumentName,
    /// What.
    pub operation: String,
    /// A map of arguments.
    pub arguments: Value,
    /// Comes back in the answer.
    pub request_id: String,
}

struct OpenRequest {
    request: RequestId,
    document: DocumentName,
    user: Option<Str>,
    peer: PeerId,
    key: String,
    request_id: Option<String>,
    /// How the request is remembered: ids of one principal mean nothing in the mouth of another.
    remembered: Option<String>,
}

/// What a guest was told last that does not see everything.
#[derive(Clone)]
pub(super) struct Told {
    revision: u64,
    value: Value,
}

impl Told {
    pub(super) fn of(view: &Snapshot) -> Told {
        Told { revision: view.revision, value: view.value.clone() }
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn value(&self) -> &Value {
        &self.value
    }
}

pub(super) struct GuestSession {
    /// Who it is; nobody in particular where there is no authentication.
    pub(super) grant: Who,
    /// What it was told last, where it is somebody.
    pub(super) told: BTreeMap<DocumentName, Told>,
    /// What it wants `config_sync` for.
    pub(super) patterns: Arc<[Pattern]>,
    /// Documents that it follows by change list, and whether each change says the content hash.
    pub(super) follows: BTreeMap<DocumentName, bool>,
}

impl Default for GuestSession {
    /// A guest gets every change until it subscribes.
    fn default() -> GuestSession {
        let patterns = Pattern::parse("*").into_iter().collect();
        GuestSession { grant: None, told: BTreeMap::new(), patterns, follows: BTreeMap::new() }
    }
}

/// A document that a guest sent is what the guest says that it is; the answer is the hash of what it was made on.
fn check_hashes(value: &Value, hash: Option<&str>, base_hash: Option<&str>) -> Result<Option<ContentTag>> {
    let is_other = |hash: &&str| hash.parse::<ContentHash>().ok() != Some(content_hash(value));
    if let Some(hash) = hash.filter(is_other) {
        let message = format!(
            "`config_hash` is `{}`, and `config_data` has another hash",
            hash.chars().take(80).collect::<String>()
        );
        return Err(Error::new(Code::Message, message)
            .with_hint("the hash is `sha256:` and the SHA-256 of the RFC 8785 text; or leave `config_hash` out"));
    }
    base_hash.map(str::parse).transpose()
}

/// What clients of this protocol compare with; who holds what follows as a hint.
fn in_their_words(error: &Error) -> Error {
    if error.code() != Code::Locked {
        return error.clone();
    }
    let hint = error.hint().map_or_else(|| error.message().to_owned(), |hint| format!("{}: {hint}", error.message()));
    Error::new(Code::Locked, "Configuration is locked by another user").with_hint(hint)
}

impl Engine {
    fn guest(&mut self, peer: PeerId) -> Option<&mut GuestSession> {
        match self.sessions.get_mut(&peer) {
            Some(Session::Guest(guest)) => Some(guest),
            _ => None,
        }
    }

    pub(super) fn handle_guest_message(&mut self, peer: PeerId, message: Message, now: Now) {
        match message {
            Message::Subscribe { patterns } => match self.subscribed(peer, &patterns) {
                Ok(patterns) => {
                    if let Some(guest) = self.guest(peer) {
                        guest.patterns = patterns.into();
                    }
                }
                Err(error) => self.send(peer, &Message::Error { error, request_id: None }, now),
            },
            Message::ConfigRequest { document, follow, hash } => {
                self.answer_request(peer, document, (follow, hash), now);
            }
            Message::ConfigChange { document, key, value, user, request_id, mut made_on, after } => {
                let after = after.map(|id| self.remembered(peer, &id));
                let after = after.and_then(|after| self.guest_requests.known.iter().find(|(id, _)| *id == after));
                if let (Some(made_on), Some((_, known))) = (&mut made_on, after) {
                    made_on.seen.join(known);
                }
                let terms = WriteTerms { user: user.map(Str::from), made_on, ..WriteTerms::default() };
                let command = Path::parse(&key).map(|path| Command::Edits(vec![Edit { path, value }]));
                self.guest_writes(peer, &document, (key, command), terms, request_id, now);
            }
            Message::ConfigReplace { document, value, hash, base_hash, user, request_id } => {
                let checked = check_hashes(&value, hash.as_deref(), base_hash.as_deref());
                let (command, if_hash) = match checked {
                    Ok(base) => (Ok(Command::Replace(value)), base),
                    Err(error) => (Err(error), None),
                };
                let terms = WriteTerms { user: user.map(Str::from), if_hash, ..WriteTerms::default() };
                self.guest_writes(peer, &document, (Path::root().to_string(), command), terms, request_id, now);
            }
            Message::Call { document, operation, arguments, request_id } => {
                let by = self.who(peer);
                let called = Called { peer, by, document, operation, arguments, request_id };
                self.events.push_back(Event::Called(Box::new(called)));
            }
            // Answers to what a host never asks.
            _ => {}
        }
    }

    /// Who a guest is.
    fn who(&self, peer: PeerId) -> Who {
        match self.sessions.get(&peer) {
            Some(Session::Guest(guest)) => guest.grant.clone(),
            _ => None,
        }
    }

    fn subscribed(&self, peer: PeerId, patterns: &[String]) -> Result<Vec<Pattern>> {
        if let Some(grant) = self.who(peer) {
            grant.check_verb(Verb::Read)?;
        }
        Pattern::parse_subscription(patterns)
    }

    /// How a request of a guest is remembered.
    fn remembered(&self, peer: PeerId, id: &str) -> String {
        self.who(peer).map_or_else(|| id.to_owned(), |grant| format!("{}\0{id}", grant.principal()))
    }

    /// Answers what a guest asked for by name; one that has gone hears nothing.
    pub fn answer_call(&mut self, called: &Called, result: Result<Value>, now: Now) {
        if self.guest(called.peer).is_some() {
            let message = Message::Answer { request_id: called.request_id.clone(), result };
            self.send(called.peer, &message, now);
        }
    }

    fn answer_request(&mut self, peer: PeerId, document: DocumentName, (follow, hash): (bool, bool), now: Now) {
        let who = self.who(peer);
        let allowed = who.as_ref().map_or(Ok(()), |grant| grant.check(Verb::Read, &document));
        let found = allowed.and_then(|()| self.snapshot(&document).ok_or_else(|| unknown(&document)));
        let snapshot = match found {
            Ok(snapshot) => who.as_ref().map_or_else(|| Arc::clone(&snapshot), |grant| snapshot.seen_by(grant)),
            Err(error) => return self.send(peer, &Message::Error { error, request_id: None }, now),
        };
        if let Some(guest) = self.guest(peer).filter(|_| follow) {
            guest.follows.insert(document.clone(), hash);
            if guest.grant.is_some() {
                guest.told.insert(document.clone(), Told::of(&snapshot));
            }
        }
        let (revision, hash) = (snapshot.revision, snapshot.hash().to_string());
        let seen = self.shown(&document);
        let message = Message::ConfigResponse { document, revision, hash, value: snapshot.value.clone(), seen };
        self.send(peer, &message, now);
    }

    fn guest_writes(
        &mut self,
        peer: PeerId,
        document: &DocumentName,
        (key, command): (String, Result<Command>),
        mut terms: WriteTerms,
        request_id: Option<String>,
        now: Now,
    ) {
        terms.by = self.who(peer);
        if let Some(grant) = &terms.by {
            terms.user = Some(grant.principal().clone());
        }
        let remembered = request_id.as_deref().map(|id| self.remembered(peer, id));
        if let Some(id) = &request_id {
            if id.len() > MAX_REQUEST_ID_BYTES {
                let error =
                    Error::new(Code::TooLarge, format!("`request_id` is longer than {MAX_REQUEST_ID_BYTES} bytes"));
                let error = error.with_hint("a UUID is long enough");
                let message = Message::ConfigChangeResponse {
                    key,
                    result: Err(error),
                    unchanged: false,
                    shadowed_by: None,
                    withheld: Vec::new(),
                    left_out: Vec::new(),
                    request_id: None,
                };
                return self.send(peer, &message, now);
            }
            if let Some(open) = self.guest_requests.open.iter_mut().find(|open| open.remembered == remembered) {
                open.peer = peer;
                return;
            }
            if let Some((_, answer)) =
                self.guest_requests.answered.iter().find(|(answered, _)| Some(answered) == remembered.as_ref())
            {
                let answer = answer.clone();
                return self.send(peer, &answer, now);
            }
        }
        let command = match command {
            Ok(command) => command,
            Err(error) => {
                self.audit_guest(document, (peer, terms.user), Err(&error), now);
                let (shadowed_by, withheld, left_out) = (None, Vec::new(), Vec::new());
                let message = Message::ConfigChangeResponse {
                    key,
                    result: Err(error),
                    unchanged: false,
                    shadowed_by,
                    withheld,
                    left_out,
                    request_id,
                };
                return self.send(peer, &message, now);
            }
        };
        // The answer may come out of the very call below, so the guest waits for it before it is made.
        let request = RequestId(self.last_request + 1);
        let (open, user) = (&mut self.guest_requests.open, terms.user.clone());
        let (document_name, as_known) = (document.clone(), remembered.clone());
        open.push(OpenRequest { request, document: document_name, user, peer, key, request_id, remembered: as_known });
        let mut knows = terms.made_on.as_ref().map(|made_on| made_on.seen.clone());
        let founded = |engine: &mut Engine| engine.founded_mut(document).map(|founded| founded.pending.seen().clone());
        let had_all = match (&knows, self.founded_mut(document)) {
            (Some(seen), Some(founded)) => founded.pending.is_known_to(seen),
            _ => false,
        };
        self.write(document, command, terms, now);
        if let (Some(knows), Some(id)) = (&mut knows, remembered) {
            if had_all && let Some(seen) = founded(self) {
                knows.join(&seen);
            }
            if let Some(side) = self.founded_mut(document).and_then(|founded| founded.sides.take_newest()) {
                knows.add(side);
            }
            self.guest_requests.known.push_front((id, knows.clone()));
            self.guest_requests.known.truncate(REMEMBERED_REQUESTS);
        }
    }

    fn founded_mut(&mut self, document: &DocumentName) -> Option<&mut Founded> {
        self.documents.get_mut(document)?.shared.as_mut()?.founded_mut()
    }

    /// The shared writes that a document shows.
    pub(super) fn shown(&self, document: &DocumentName) -> Option<VersionVector> {
        let founded = self.documents.get(document)?.shared.as_ref()?.founded()?;
        founded.ready.then(|| founded.seen().clone())
    }

    /// Passes an answer to the guest that asked.
    pub(super) fn answer_guest(&mut self, request: RequestId, result: &Result<Receipt>, now: Now) {
        if !REPLICATES {
            return;
        }
        let requests = &mut self.guest_requests;
        let Some(at) = requests.open.iter().position(|open| open.request == request) else { return };
        let OpenRequest { document, user, peer, key, request_id, remembered, .. } = requests.open.swap_remove(at);
        let seen = self.who(peer).and_then(|grant| Some(result.as_ref().ok()?.clone().seen_by(&grant))).map(Ok);
        let (audited, result) = (result, seen.as_ref().unwrap_or(result));
        let message = Message::ConfigChangeResponse {
            key,
            result: result.as_ref().map(|receipt| receipt.snapshot.revision).map_err(in_their_words),
            unchanged: result.as_ref().is_ok_and(|receipt| receipt.changed.is_empty()),
            shadowed_by: result.as_ref().ok().and_then(|receipt| receipt.shadowed_by.as_ref().map(ToString::to_string)),
            withheld: result.as_ref().map_or_else(|_| Vec::new(), |receipt| receipt.withheld.clone()),
            left_out: result.as_ref().map_or_else(|_| Vec::new(), |receipt| receipt.left_out.clone()),
            request_id: request_id.clone(),
        };
        if let Some(id) = remembered {
            self.guest_requests.remember(id, message.clone());
        }
        let outcome = audited.as_ref().map(|receipt| receipt.changed.as_slice());
        self.audit_guest(&document, (peer, user), outcome, now);
        self.send(peer, &message, now);
    }
}
