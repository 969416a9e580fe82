//! This instance as a guest of another one: the browser's side of a session.
//!
//! A guest holds the host's effective document and its own edits that the host has not answered yet. Edits show at once
//! and survive a lost connection: they are sent again under the same request id, which the host writes only once.

use std::collections::VecDeque;

use super::document::Document;
use super::options::DocumentOptions;
use super::shared::{Command, edits};
use super::types::{Event, Level, PeerId, Receipt, RequestId};
use super::{Engine, FOLLOWS, Session};
use crate::clock::{Now, VersionVector};
use crate::diff::Change;
use crate::error::{Code, Error};
use crate::id::{DocumentName, ReplicaId};
use crate::merge::{Layer, Withheld, priority};
use crate::path::Path;
use crate::protocol::Message;
use crate::replica::{Edit, MadeOn};
use crate::value::{Str, Value, index};

/// The layer that a guest sees its host as.
const HOST: &str = "host";

#[derive(Default)]
pub(super) struct Guest {
    host: Option<PeerId>,
    /// The host's document and its revision there.
    base: Option<(u64, Value)>,
    /// The shared writes that it shows.
    seen: Option<VersionVector>,
    edits: VecDeque<OpenEdit>,
    /// The id of the last edit that was made.
    last: Option<String>,
}

pub(super) struct OpenEdit {
    pub(super) request: RequestId,
    pub(super) request_id: String,
    pub(super) edit: Edit,
    pub(super) user: Option<Str>,
    /// What its author saw: everything of the host up to there, the value at the path, and the edit made before.
    pub(super) made_on: Option<MadeOn>,
    pub(super) after: Option<String>,
    /// When it was made, on the monotonic clock.
    pub(super) made_ms: u64,
    /// Edits of one command are answered together.
    pub(super) last: bool,
    /// What edits of the same command changed that were answered before.
    pub(super) changed: Vec<Path>,
}

impl Guest {
    pub(super) fn host(&self) -> Option<PeerId> {
        self.host
    }

    /// Edits that somebody else left.
    pub(super) fn take_up(&mut self, edits: Vec<OpenEdit>) {
        self.last = edits.last().map(|edit| edit.request_id.clone()).or(self.last.take());
        self.edits.extend(edits);
    }

    /// The host's document with the open edits on top.
    pub(super) fn layer(&self) -> Layer {
        let base = self.base.as_ref().map_or_else(Value::empty_map, |(_, value)| value.clone());
        if self.edits.is_empty() {
            return Layer::new(HOST, priority::SHARED, base);
        }
        let shown = self.edits.iter().fold(base, |value, open| edited(&value, &open.edit));
        Layer::new("unsent", priority::RUNTIME, shown)
    }
}

fn edited(value: &Value, edit: &Edit) -> Value {
    match &edit.value {
        Some(new) => value.with(&edit.path, new.clone()),
        None => value.without(&edit.path),
    }
}

/// An edit inside a list as one of the list: by the time that the host reads it, the index may be that of another item.
/// One that names no item stays as it is, and the host says so.
fn outside_lists(shown: &Value, edit: Edit) -> Edit {
    let lengths = 0..edit.path.len();
    let mut above = lengths.map(|length| edit.path.prefix(length));
    let Some(list) = above.find(|above| shown.at(above).is_some_and(|value| value.as_list().is_some())) else {
        return edit;
    };
    let items = |value: &Value| value.at(&list).and_then(Value::as_list).map(|list| list.len());
    let index = edit.path.segments().get(list.len()).and_then(|segment| index(segment));
    let after = edited(shown, &edit);
    match (index, items(shown), after.at(&list)) {
        (Some(at), Some(count), Some(new)) if at <= count && new.as_list().is_some() => {
            Edit { value: Some(new.clone()), path: list }
        }
        _ => edit,
    }
}

impl Engine {
    /// Opens a document as a guest: it is empty until a host that was dialed as [`super::Link::Host`] has sent it. Opens
    /// nothing in a build without the feature `guest`.
    pub fn open_guest(&mut self, name: DocumentName) {
        if !FOLLOWS {
            return;
        }
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
            self.send(peer, &Message::ConfigRequest { document: name, follow: true, hash: false }, now);
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
        let mut shown = document.snapshot.value.clone();
        for (at, edit) in wishes.into_iter().enumerate() {
            let edit = outside_lists(&shown, edit);
            let request_id = format!("{}-{}-{at}", self.config.instance, request.0);
            let old = shown.at(&edit.path).cloned();
            shown = edited(&shown, &edit);
            let made_on = guest.seen.clone().map(|seen| MadeOn { seen, old, age_ms: 0 });
            let after = guest.last.replace(request_id.clone());
            let (user, last, made_ms) = (user.clone(), at + 1 == count, now.mono_ms);
            let changed = Vec::new();
            guest.edits.push_back(OpenEdit { request, request_id, edit, user, made_on, after, made_ms, last, changed });
        }
        let host = guest.host;
        if count == 0 {
            let snapshot = std::sync::Arc::clone(&document.snapshot);
            return self.answer(
                request,
                Ok(Receipt {
                    snapshot,
                    changed: Vec::new(),
                    dot: None,
                    version: None,
                    shadowed_by: None,
                    withheld: Vec::new(),
                    left_out: Vec::new(),
                    is_repeat: false,
                }),
                now,
            );
        }
        self.refresh(name, "unsent", now);
        if let Some(host) = host {
            self.send_open_edits(name, host, Some(request), now);
        }
    }

    pub(super) fn send_open_edits(&mut self, name: &DocumentName, host: PeerId, only: Option<RequestId>, now: Now) {
        for message in self.open_edit_messages(name, only, now) {
            self.send(host, &message, now);
        }
    }

    /// What asks for the open edits, or those of one command.
    pub(super) fn open_edit_messages(&self, name: &DocumentName, only: Option<RequestId>, now: Now) -> Vec<Message> {
        let guest = self.documents.get(name).and_then(|document| document.guest.as_ref());
        let edits = guest.into_iter().flat_map(|guest| &guest.edits);
        edits
            .filter(|open| only.is_none_or(|request| open.request == request))
            .map(|open| Message::ConfigChange {
                document: name.clone(),
                key: open.edit.path.to_string(),
                value: open.edit.value.clone(),
                user: open.user.as_ref().map(ToString::to_string),
                request_id: Some(open.request_id.clone()),
                made_on: open.made_on.clone().map(|made_on| MadeOn {
                    // The host's clock counts, so the distance of this one's does not matter.
                    age_ms: made_on.age_ms.saturating_add(now.mono_ms.saturating_sub(open.made_ms)),
                    ..made_on
                }),
                after: open.after.clone(),
            })
            .collect()
    }

    /// What a connection says of documents counts while it is the newest: what an older one still brings may be from before
    /// what this guest has seen, or from before its host died. An answer is as good from either.
    fn guest_of(&mut self, peer: PeerId, name: &DocumentName) -> Option<&mut Guest> {
        let guest = self.documents.get_mut(name)?.guest.as_mut()?;
        (guest.host == Some(peer)).then_some(guest)
    }

    pub(super) fn handle_host_message(&mut self, peer: PeerId, message: Message, now: Now) {
        match message {
            Message::ConfigResponse { document, revision, value, seen, .. } => {
                if let Some(guest) = self.guest_of(peer, &document) {
                    guest.base = Some((revision, value));
                    guest.seen = seen;
                    self.refresh(&document, HOST, now);
                    self.events.push_back(Event::Connection { document: document.clone(), live: true });
                    self.send_open_edits(&document, peer, None, now);
                }
            }
            Message::ConfigUpdate { document, base, revision, changes, seen, .. } => {
                self.follow(peer, &document, (base, revision, seen), &changes, now);
            }
            Message::ConfigChangeResponse {
                request_id: Some(id),
                result,
                unchanged,
                shadowed_by,
                withheld,
                left_out,
                ..
            } => {
                self.host_answered(&id, result.map(|_| unchanged), (shadowed_by, withheld, left_out), now);
            }
            _ => {}
        }
    }

    fn follow(
        &mut self,
        peer: PeerId,
        name: &DocumentName,
        (base, revision, seen): (u64, u64, Option<VersionVector>),
        changes: &[Change],
        now: Now,
    ) {
        let Some(guest) = self.guest_of(peer, name) else { return };
        match &mut guest.base {
            Some((known, value)) if *known == base => {
                *value = edits(changes).iter().fold(value.clone(), |value, edit| edited(&value, edit));
                *known = revision;
                guest.seen = seen;
                self.refresh(name, HOST, now);
            }
            // Already in the document that was asked for.
            Some((known, _)) if *known >= revision => {}
            _ => self.send(peer, &Message::ConfigRequest { document: name.clone(), follow: true, hash: false }, now),
        }
    }

    fn host_answered(
        &mut self,
        request_id: &str,
        result: Result<bool, Error>,
        (shadowed_by, withheld, left_out): (Option<String>, Vec<Withheld>, Vec<crate::format::LeftOut>),
        now: Now,
    ) {
        let found = self.documents.iter_mut().find_map(|(name, document)| {
            let guest = document.guest.as_mut()?;
            let at = guest.edits.iter().position(|open| open.request_id == request_id)?;
            Some((name.clone(), guest.edits.remove(at)?))
        });
        let Some((name, open)) = found else { return };
        self.refresh(&name, HOST, now);
        let Some(snapshot) = self.snapshot(&name) else { return };
        match result {
            Ok(unchanged) if open.last => {
                let own = (!unchanged).then_some(open.edit.path);
                let changed = open.changed.into_iter().chain(own).collect();
                let shadowed_by = shadowed_by.map(Into::into);
                self.answer(
                    open.request,
                    Ok(Receipt {
                        snapshot,
                        changed,
                        dot: None,
                        version: None,
                        shadowed_by,
                        withheld,
                        left_out,
                        is_repeat: false,
                    }),
                    now,
                );
            }
            Ok(true) => {}
            Ok(false) => {
                let guest = self.documents.get_mut(&name).and_then(|document| document.guest.as_mut());
                let mut edits = guest.into_iter().flat_map(|guest| &mut guest.edits);
                if let Some(last) = edits.find(|other| other.request == open.request && other.last) {
                    last.changed.push(open.edit.path);
                }
            }
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
