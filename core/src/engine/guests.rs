//! Guests of this instance: browsers and programs that speak the `config_*` messages.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::shared::Command;
use super::terms::WriteTerms;
use super::types::{ChangeEvent, PeerId, Receipt, RequestId, Transmit};
use super::{Engine, Session, unknown};
use crate::clock::Now;
use crate::diff::leaves;
use crate::error::Result;
use crate::id::DocumentName;
use crate::path::Path;
use crate::pattern::Pattern;
use crate::protocol::Message;
use crate::replica::Edit;
use crate::value::{Str, Value};

/// How many answered request ids are remembered, so that one that is repeated after a lost connection is answered and not
/// written again.
const REMEMBERED_REQUESTS: usize = 4_096;

/// What guests asked for, across their connections.
#[derive(Default)]
pub(super) struct GuestRequests {
    /// Writes that somebody waits for.
    open: Vec<OpenRequest>,
    /// Answers given, by the guest's request id.
    answered: VecDeque<(String, Message)>,
}

struct OpenRequest {
    request: RequestId,
    peer: PeerId,
    key: String,
    request_id: Option<String>,
}

pub(super) struct GuestSession {
    /// What it wants `config_sync` for.
    patterns: Vec<Pattern>,
    /// Documents that it follows by change list.
    follows: BTreeSet<DocumentName>,
}

impl Default for GuestSession {
    /// A guest gets every change until it subscribes.
    fn default() -> GuestSession {
        let patterns = Pattern::parse("*").into_iter().collect();
        GuestSession { patterns, follows: BTreeSet::new() }
    }
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
            Message::Subscribe { patterns } => {
                match patterns.iter().map(|text| Pattern::parse(text)).collect::<Result<Vec<_>>>() {
                    Ok(patterns) => {
                        if let Some(guest) = self.guest(peer) {
                            guest.patterns = patterns;
                        }
                    }
                    Err(error) => self.send(peer, &Message::Error { error, request_id: None }, now),
                }
            }
            Message::ConfigRequest { document, follow } => self.answer_request(peer, document, follow, now),
            Message::ConfigChange { document, key, value, user, request_id } => {
                let terms = WriteTerms { user: user.map(Str::from), ..WriteTerms::default() };
                self.guest_writes(peer, &document, (key, value), terms, request_id, now);
            }
            // Answers to what a host never asks.
            _ => {}
        }
    }

    fn answer_request(&mut self, peer: PeerId, document: DocumentName, follow: bool, now: Now) {
        let Some(snapshot) = self.snapshot(&document) else {
            return self.send(peer, &Message::Error { error: unknown(&document), request_id: None }, now);
        };
        if let Some(guest) = self.guest(peer).filter(|_| follow) {
            guest.follows.insert(document.clone());
        }
        let (revision, hash) = (snapshot.revision, snapshot.hash().to_string());
        let message = Message::ConfigResponse { document, revision, hash, value: snapshot.value.clone() };
        self.send(peer, &message, now);
    }

    fn guest_writes(
        &mut self,
        peer: PeerId,
        document: &DocumentName,
        (key, value): (String, Option<Value>),
        terms: WriteTerms,
        request_id: Option<String>,
        now: Now,
    ) {
        if let Some(id) = &request_id {
            if let Some(open) = self.guest_requests.open.iter_mut().find(|open| open.request_id.as_ref() == Some(id)) {
                open.peer = peer;
                return;
            }
            if let Some((_, answer)) = self.guest_requests.answered.iter().find(|(answered, _)| answered == id) {
                let answer = answer.clone();
                return self.send(peer, &answer, now);
            }
        }
        let path = match Path::parse(&key) {
            Ok(path) => path,
            Err(error) => {
                let message = Message::ConfigChangeResponse { key, result: Err(error), shadowed_by: None, request_id };
                return self.send(peer, &message, now);
            }
        };
        // The answer may come out of the very call below, so the guest waits for it before it is made.
        let request = RequestId(self.last_request + 1);
        self.guest_requests.open.push(OpenRequest { request, peer, key, request_id });
        self.write(document, Command::Edits(vec![Edit { path, value }]), terms, now);
    }

    /// Passes an answer to the guest that asked.
    pub(super) fn answer_guest(&mut self, request: RequestId, result: &Result<Receipt>, now: Now) {
        let requests = &mut self.guest_requests;
        let Some(at) = requests.open.iter().position(|open| open.request == request) else { return };
        let OpenRequest { peer, key, request_id, .. } = requests.open.swap_remove(at);
        let message = Message::ConfigChangeResponse {
            key,
            result: result.as_ref().map(|receipt| receipt.snapshot.revision).map_err(Clone::clone),
            shadowed_by: result.as_ref().ok().and_then(|receipt| receipt.shadowed_by.as_ref().map(ToString::to_string)),
            request_id: request_id.clone(),
        };
        if let Some(id) = request_id {
            self.guest_requests.answered.push_back((id, message.clone()));
            if self.guest_requests.answered.len() > REMEMBERED_REQUESTS {
                self.guest_requests.answered.pop_front();
            }
        }
        self.send(peer, &message, now);
    }

    /// Sends a change to every guest that wants it; frames are encoded once.
    pub(super) fn tell_guests(&mut self, name: &DocumentName, base: u64, change: &ChangeEvent, now: Now) {
        let guests = self.sessions.iter().filter_map(|(peer, session)| match session {
            Session::Guest(guest) => Some((*peer, guest.follows.contains(name), guest.patterns.clone())),
            _ => None,
        });
        let guests: Vec<_> = guests.collect();
        if guests.is_empty() {
            return;
        }
        let snapshot = &change.snapshot;
        let update = Message::ConfigUpdate {
            document: name.clone(),
            base,
            revision: snapshot.revision,
            hash: snapshot.hash().to_string(),
            changes: change.changes.clone(),
        };
        let mut update_frame: Option<Arc<str>> = None;
        let leaves = leaves(&change.changes);
        let mut sync_frames: Vec<Option<Arc<str>>> = vec![None; leaves.len()];
        for (peer, follows, patterns) in guests {
            if follows {
                let frame = match &update_frame {
                    Some(frame) => Arc::clone(frame),
                    None => Arc::clone(update_frame.insert(self.frame(&update, now))),
                };
                self.transmit.push_back(Transmit { peer, frame });
                continue;
            }
            for (leaf, slot) in leaves.iter().zip(&mut sync_frames) {
                if patterns.iter().any(|pattern| pattern.matches(&leaf.path)) {
                    let frame = match slot {
                        Some(frame) => Arc::clone(frame),
                        None => {
                            let (document, revision) = (name.clone(), snapshot.revision);
                            let sync = Message::ConfigSync { document, revision, change: leaf.clone() };
                            Arc::clone(slot.insert(self.frame(&sync, now)))
                        }
                    };
                    self.transmit.push_back(Transmit { peer, frame });
                }
            }
        }
    }
}
