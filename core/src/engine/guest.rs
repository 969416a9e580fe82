//! This instance as a guest of another one: the browser's side of a session.
//!
//! A guest holds the host's effective document and its own edits that the host has not answered yet. Edits show at once
//! and survive a lost connection: they are sent again under the same request id, which the host writes only once.

use std::collections::VecDeque;

use super::document::Document;
use super::shared::{Command, edits};
use super::types::{DocumentOptions, Event, Level, PeerId, Receipt, RequestId};
use super::{Engine, Session};
use crate::clock::Now;
use crate::diff::Change;
use crate::error::{Code, Error};
use crate::id::{DocumentName, ReplicaId};
use crate::merge::{Layer, priority};
use crate::protocol::Message;
use crate::replica::Edit;
use crate::value::{Str, Value};

/// The layer that a guest sees its host as.
const HOST: &str = "host";

#[derive(Default)]
pub(super) struct Guest {
    host: Option<PeerId>,
    /// The host's document and its revision there.
    base: Option<(u64, Value)>,
    edits: VecDeque<OpenEdit>,
}

struct OpenEdit {
    request: RequestId,
    request_id: String,
    edit: Edit,
    user: Option<Str>,
    /// Edits of one command are answered together.
    last: bool,
}

impl Guest {
    /// The host's document with the open edits on top.
    pub(super) fn layer(&self) -> Layer {
        let base = self.base.as_ref().map_or_else(Value::empty_map, |(_, value)| value.clone());
        if self.edits.is_empty() {
            return Layer::new(HOST, priority::SHARED, base);
        }
        let shown = self.edits.iter().fold(base, |value, open| match &open.edit.value {
            Some(new) => value.with(&open.edit.path, new.clone()),
            None => value.without(&open.edit.path),
        });
        Layer::new("unsent", priority::RUNTIME, shown)
    }
}

impl Engine {
    /// Opens a document as a guest: it is empty until a host that was dialed as [`super::Link::Host`] has sent it.
    pub fn open_guest(&mut self, name: DocumentName) {
        let mut document = Document::new(name.clone(), DocumentOptions::default(), ReplicaId::from_bytes([0; 16]));
        document.guest = Some(Guest::default());
        document.refresh(HOST);
        self.documents.insert(name, document);
    }

    fn guest_documents(&self) -> Vec<DocumentName> {
        self.documents
            .values()
            .filter(|document| document.guest.is_some())
            .map(|document| document.name.clone())
            .collect()
    }

    pub(super) fn meet_host(&mut self, peer: PeerId, now: Now) {
        for name in self.guest_documents() {
            if let Some(guest) = self.documents.get_mut(&name).and_then(|document| document.guest.as_mut()) {
                guest.host = Some(peer);
            }
            self.send(peer, &Message::ConfigRequest { document: name, follow: true }, now);
        }
    }

    pub(super) fn lose_host(&mut self, peer: PeerId) {
        for name in self.guest_documents() {
            let Some(guest) = self.documents.get_mut(&name).and_then(|document| document.guest.as_mut()) else {
                continue;
            };
            if guest.host == Some(peer) {
                guest.host = None;
                self.events.push_back(Event::Connection { document: name, live: false });
            }
        }
    }

    /// Sends a command of this guest's program to the host, or keeps it until there is one.
    pub(super) fn ask_host(
        &mut self,
        name: &DocumentName,
        request: RequestId,
        command: Command,
        user: Option<Str>,
        now: Now,
    ) {
        let Some(document) = self.documents.get_mut(name) else { return };
        let wishes = match command.edits(&document.snapshot.value) {
            Ok(wishes) => wishes,
            Err(error) => return self.answer(request, Err(error), now),
        };
        let Some(guest) = &mut document.guest else { return };
        let count = wishes.len();
        for (at, edit) in wishes.into_iter().enumerate() {
            let request_id = format!("{}-{}-{at}", self.config.instance, request.0);
            guest.edits.push_back(OpenEdit { request, request_id, edit, user: user.clone(), last: at + 1 == count });
        }
        let host = guest.host;
        if count == 0 {
            let snapshot = std::sync::Arc::clone(&document.snapshot);
            return self.answer(
                request,
                Ok(Receipt { snapshot, changed: Vec::new(), dot: None, version: None, shadowed_by: None }),
                now,
            );
        }
        self.refresh(name, "unsent", now);
        if let Some(host) = host {
            self.send_open_edits(name, host, Some(request), now);
        }
    }

    fn send_open_edits(&mut self, name: &DocumentName, host: PeerId, only: Option<RequestId>, now: Now) {
        let Some(guest) = self.documents.get(name).and_then(|document| document.guest.as_ref()) else { return };
        let messages: Vec<Message> = guest
            .edits
            .iter()
            .filter(|open| only.is_none_or(|request| open.request == request))
            .map(|open| Message::ConfigChange {
                document: name.clone(),
                key: open.edit.path.to_string(),
                value: open.edit.value.clone(),
                user: open.user.as_ref().map(ToString::to_string),
                request_id: Some(open.request_id.clone()),
            })
            .collect();
        for message in messages {
            self.send(host, &message, now);
        }
    }

    pub(super) fn handle_host_message(&mut self, peer: PeerId, message: Message, now: Now) {
        match message {
            Message::ConfigResponse { document, revision, value, .. } => {
                if let Some(guest) = self.documents.get_mut(&document).and_then(|document| document.guest.as_mut()) {
                    guest.base = Some((revision, value));
                    self.refresh(&document, HOST, now);
                    self.events.push_back(Event::Connection { document: document.clone(), live: true });
                    self.send_open_edits(&document, peer, None, now);
                }
            }
            Message::ConfigUpdate { document, base, revision, changes, .. } => {
                self.follow(peer, &document, (base, revision), &changes, now);
            }
            Message::ConfigChangeResponse { result, shadowed_by, request_id: Some(id), .. } => {
                self.host_answered(&id, result, shadowed_by, now);
            }
            _ => {}
        }
    }

    fn follow(
        &mut self,
        peer: PeerId,
        name: &DocumentName,
        (base, revision): (u64, u64),
        changes: &[Change],
        now: Now,
    ) {
        let Some(guest) = self.documents.get_mut(name).and_then(|document| document.guest.as_mut()) else { return };
        match &mut guest.base {
            Some((known, value)) if *known == base => {
                *value = edits(changes).iter().fold(value.clone(), |value, edit| match &edit.value {
                    Some(new) => value.with(&edit.path, new.clone()),
                    None => value.without(&edit.path),
                });
                *known = revision;
                self.refresh(name, HOST, now);
            }
            // Already in the document that was asked for.
            Some((known, _)) if *known >= revision => {}
            _ => self.send(peer, &Message::ConfigRequest { document: name.clone(), follow: true }, now),
        }
    }

    fn host_answered(&mut self, request_id: &str, result: Result<u64, Error>, shadowed_by: Option<String>, now: Now) {
        let found = self.documents.iter_mut().find_map(|(name, document)| {
            let guest = document.guest.as_mut()?;
            let at = guest.edits.iter().position(|open| open.request_id == request_id)?;
            Some((name.clone(), guest.edits.remove(at)?))
        });
        let Some((name, open)) = found else { return };
        self.refresh(&name, HOST, now);
        let Some(snapshot) = self.snapshot(&name) else { return };
        match result {
            Ok(_) if open.last => {
                let changed = vec![open.edit.path];
                let shadowed_by = shadowed_by.map(Into::into);
                self.answer(
                    open.request,
                    Ok(Receipt { snapshot, changed, dot: None, version: None, shadowed_by }),
                    now,
                );
            }
            Ok(_) => {}
            Err(error) if open.last => self.answer(open.request, Err(error), now),
            Err(error) => self.notice(Level::Warning, Error::new(Code::Stale, error.message())),
        }
    }

    /// Whether a guest document is in step with its host.
    pub fn is_live(&self, document: &DocumentName) -> bool {
        let guest = self.documents.get(document).and_then(|document| document.guest.as_ref());
        guest.is_some_and(|guest| {
            guest.host.is_some_and(|host| matches!(self.sessions.get(&host), Some(Session::Host)))
                && guest.base.is_some()
        })
    }
}
