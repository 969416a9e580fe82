//! The way to the authority and back: straight where it is connected, else over everybody who may know a way.
//!
//! A question has a name that nobody else's has; who passes one on remembers whom it came from, and passes the answer back.

use super::ask::LockCommand;
use super::authority::fingerprint;
use super::{Asker, Locks};
use crate::clock::Now;
use crate::engine::types::{Event, PeerId, RequestId};
use crate::engine::{Engine, REPLICATES, Session};
use crate::error::{Code, Error, Result};
use crate::id::{DocumentName, Genesis, InstanceId};
use crate::protocol::Message;
use crate::value::{Str, Value};

/// The operation by which instances ask each other for locks; no row of the list has such a name.
const ROUTED: &str = "$lock";
/// Over how many instances a question goes.
const MOST_HOPS: u64 = 8;
/// How many questions of others are remembered.
const MOST_RELAYS: usize = 4_096;
/// How many questions of its own an instance waits for.
const MOST_ASKED: usize = 16_384;
/// How long the way there and back may take, in milliseconds.
const WAY_MS: u64 = 5_000;
/// How long the answer to a question that was given up is listened for: what it grants is given back.
const LATE_MS: u64 = 60_000;

/// A question of this instance.
pub(super) struct Placed {
    command: LockCommand,
    guest: Option<PeerId>,
    /// The peer that is the authority, where it was asked straight.
    via: Option<PeerId>,
    pub(super) due_ms: u64,
    /// Nobody waits for the answer any more, or ever did.
    is_given_up: bool,
}

pub(super) fn not_begun(name: &DocumentName) -> Error {
    Error::new(Code::NotReady, format!("`{name}` is still being taken over from another instance"))
        .with_hint("ask again in a moment")
}

impl Locks {
    fn out_of_reach(&self, name: &DocumentName) -> Error {
        let message = match self.authority {
            Some(authority) => {
                format!("the locks of `{name}` are granted by instance {}, which does not answer", authority.instance)
            }
            None => format!("the locks of `{name}` are granted by the instance that founded it, which does not answer"),
        };
        Error::new(Code::NotReady, message).with_hint(
            "start it, or where it is gone for good let this one grant them: `confmesh lock authority --take`",
        )
    }
}

impl Engine {
    /// Asks the authority, here or elsewhere.
    pub(super) fn place_ask(
        &mut self,
        name: &DocumentName,
        request: RequestId,
        command: LockCommand,
        guest: Option<PeerId>,
        now: Now,
    ) {
        let rules = self.rules(name, now);
        let id = format!("{}-{}-{:016x}", self.config.instance, request.0, self.entropy.next_number());
        let Some(document) = self.documents.get_mut(name) else { return };
        let mut refused = rules.as_ref().err().cloned();
        if document.locks.asks.len() >= MOST_ASKED {
            refused = Some(Error::new(Code::NotReady, "too many questions for locks wait to be answered"));
        }
        if let Some(error) = refused {
            return self.events.push_back(Event::Lock { request, result: Err(error) });
        }
        let due_ms = now.mono_ms.saturating_add(command.wait_ms()).saturating_add(WAY_MS);
        let placed = Placed { command: command.clone(), guest, via: None, due_ms, is_given_up: false };
        document.locks.asks.insert(request.0, placed);
        if rules == Ok(true) {
            return self.decide(name, Asker::Here(request.0), command, now);
        }
        match self.route(name, &id, &command, MOST_HOPS, None, now) {
            Some(via) => {
                if let Some(placed) = self.placed(name, request.0) {
                    placed.via = via;
                }
            }
            None => {
                let error = self.documents.get(name).map(|document| document.locks.out_of_reach(name));
                self.answer_ask(name, Asker::Here(request.0), error.map_or(Ok(Value::Null), Err), now);
            }
        }
    }

    fn placed(&mut self, name: &DocumentName, request: u64) -> Option<&mut Placed> {
        self.documents.get_mut(name)?.locks.asks.get_mut(&request)
    }

    /// Sends a question on its way: to the authority where it is connected (then that is said), else to everybody but who it
    /// came from. `None` where there is nobody.
    fn route(
        &mut self,
        name: &DocumentName,
        id: &str,
        command: &LockCommand,
        hops: u64,
        from: Option<PeerId>,
        now: Now,
    ) -> Option<Option<PeerId>> {
        let document = self.documents.get(name)?;
        let genesis = document.shared.as_ref()?.founded()?.durable.genesis();
        let authority = document.locks.authority.map(|authority| authority.instance);
        let shares = |peer: &PeerId| match self.sessions.get(peer) {
            Some(Session::Replica(session)) => session.link(name).is_some_and(|link| link.genesis == Some(genesis)),
            _ => false,
        };
        let peers: Vec<PeerId> =
            self.replica_peers().into_iter().filter(|peer| Some(*peer) != from && shares(peer)).collect();
        let straight = peers.iter().copied().find(|peer| authority.is_some() && self.peer_instance(*peer) == authority);
        let targets = straight.map_or(peers, |peer| vec![peer]);
        if targets.is_empty() {
            return None;
        }
        let arguments =
            [("genesis", Value::from(genesis.to_string())), ("hops", hops.into()), ("ask", command.to_value())];
        let message = Message::Call {
            document: name.clone(),
            operation: ROUTED.to_owned(),
            arguments: arguments.into_iter().collect(),
            request_id: id.to_owned(),
        };
        for peer in targets {
            self.send(peer, &message, now);
        }
        Some(straight)
    }

    /// A peer asks, for itself or for somebody behind it.
    pub(in crate::engine) fn handle_lock_ask(
        &mut self,
        peer: PeerId,
        (name, operation): (&DocumentName, &str),
        arguments: &Value,
        id: String,
        now: Now,
    ) {
        if operation != ROUTED || id.len() > 256 {
            return;
        }
        let genesis = arguments.child("genesis").and_then(Value::as_str).and_then(Genesis::parse);
        let hops = arguments.child("hops").and_then(Value::as_u64).unwrap_or(0);
        let command = arguments.child("ask").and_then(LockCommand::from_value);
        let (Some(genesis), Some(command)) = (genesis, command) else { return };
        let Some(document) = self.documents.get_mut(name) else { return };
        let founded = document.shared.as_ref().and_then(|shared| shared.founded());
        let is_same = founded.is_some_and(|founded| founded.durable.genesis() == genesis);
        let is_known = document.locks.relays.iter().any(|(known, _)| *known == id);
        let is_own = id.starts_with(&self.config.instance.to_string());
        if !is_same || is_known || is_own {
            return;
        }
        document.locks.relays.push_back((id.clone(), peer));
        if document.locks.relays.len() > MOST_RELAYS {
            document.locks.relays.pop_front();
        }
        match self.rules(name, now) {
            Ok(true) => self.decide(name, Asker::Peer(peer, id), command, now),
            Ok(false) if hops > 1 => drop(self.route(name, &id, &command, hops.min(MOST_HOPS) - 1, Some(peer), now)),
            _ => {}
        }
    }

    /// A peer answers.
    pub(in crate::engine) fn handle_lock_answer(&mut self, id: String, result: Result<Value>, now: Now) {
        let mut parts = id.split('-');
        let instance = parts.next().and_then(InstanceId::parse);
        let request = parts.next().and_then(|number| number.parse::<u64>().ok());
        let names: Vec<DocumentName> = self.documents.keys().cloned().collect();
        for name in names {
            if instance == Some(self.config.instance) {
                let Some(request) = request.filter(|request| self.placed(&name, *request).is_some()) else { continue };
                return self.answer_ask(&name, Asker::Here(request), result, now);
            }
            let Some(document) = self.documents.get_mut(&name) else { continue };
            let Some(at) = document.locks.relays.iter().position(|(known, _)| *known == id) else { continue };
            if let Some((id, peer)) = document.locks.relays.remove(at) {
                self.send(peer, &Message::Answer { request_id: id, result }, now);
            }
            return;
        }
    }

    pub(super) fn answer_ask(&mut self, name: &DocumentName, asker: Asker, result: Result<Value>, now: Now) {
        let request = match asker {
            Asker::Here(request) => request,
            Asker::Peer(peer, id) => {
                if let Some(Session::Replica(_)) = self.sessions.get(&peer) {
                    self.send(peer, &Message::Answer { request_id: id, result }, now);
                }
                return;
            }
        };
        let Some(document) = self.documents.get_mut(name) else { return };
        let Some(placed) = document.locks.asks.remove(&request) else { return };
        let is_there = placed.guest.is_none_or(|guest| self.sessions.contains_key(&guest));
        let token = result.as_ref().ok().and_then(token_of);
        let result = match (&placed.command, token) {
            (LockCommand::Acquire { session, .. }, Some(token)) => {
                let session = session.clone().unwrap_or_default();
                if placed.is_given_up || !is_there {
                    return self.give_back(name, token, session, now);
                }
                if let Some(guest) = placed.guest {
                    document.locks.bound.entry(guest).or_default().push((token, session.clone()));
                }
                result.map(|lease| lease.with(&crate::path::Path::root().child("session"), session.into()))
            }
            (LockCommand::Release { token, .. }, Some(_)) => {
                document.locks.bound.values_mut().for_each(|held| held.retain(|(known, _)| known != token));
                result
            }
            _ => result,
        };
        if !placed.is_given_up {
            self.events.push_back(Event::Lock { request: RequestId(request), result });
        }
    }

    /// Ends a lease that nobody has who knows of it.
    fn give_back(&mut self, name: &DocumentName, token: u64, session: Str, now: Now) {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        self.place_ask(name, request, LockCommand::Release { token, session }, None, now);
        if let Some(placed) = self.placed(name, request.0) {
            placed.is_given_up = true;
        }
    }

    /// Questions that were not answered in time.
    pub(super) fn asks_due(&mut self, name: &DocumentName, now: Now) {
        self.give_up_asks(name, |placed| placed.due_ms <= now.mono_ms, now);
    }

    fn give_up_asks(&mut self, name: &DocumentName, is_over: impl Fn(&Placed) -> bool, now: Now) {
        let Some(document) = self.documents.get_mut(name) else { return };
        let error = document.locks.out_of_reach(name);
        document.locks.asks.retain(|_, placed| !(placed.is_given_up && placed.due_ms <= now.mono_ms));
        for (request, placed) in &mut document.locks.asks {
            if placed.is_given_up || !is_over(placed) {
                continue;
            }
            placed.is_given_up = true;
            placed.due_ms = now.mono_ms.saturating_add(LATE_MS);
            self.events.push_back(Event::Lock { request: RequestId(*request), result: Err(error.clone()) });
        }
    }

    /// A connection is gone, and with it whoever was behind it.
    pub(in crate::engine) fn locks_closed(&mut self, peer: PeerId, now: Now) {
        if !REPLICATES {
            return;
        }
        for name in self.documents.keys().cloned().collect::<Vec<_>>() {
            let Some(document) = self.documents.get_mut(&name) else { continue };
            let locks = &mut document.locks;
            let of_guest = |request: &u64| locks.asks.get(request).is_some_and(|placed| placed.guest == Some(peer));
            let waiting: Vec<u64> = locks.asks.keys().copied().filter(of_guest).collect();
            if let Some(rule) = &mut locks.rule {
                rule.forget(|asker| match asker {
                    Asker::Here(request) => waiting.contains(request),
                    Asker::Peer(through, _) => *through == peer,
                });
            }
            let held = locks.bound.remove(&peer).unwrap_or_default();
            self.give_up_asks(&name, |placed| placed.via == Some(peer), now);
            for (token, session) in held {
                self.give_back(&name, token, session, now);
            }
        }
    }

    /// Whether a lease is held by whoever knows this session.
    pub fn holds_lock(&self, name: &DocumentName, token: u64, session: &str, now: Now) -> bool {
        let Some(document) = self.documents.get(name) else { return false };
        let session = fingerprint(session);
        document.locks.in_force(now.mono_ms).iter().any(|held| held.lease.token == token && held.session == session)
    }
}

fn token_of(lease: &Value) -> Option<u64> {
    lease.child("token")?.as_str()?.parse().ok()
}
