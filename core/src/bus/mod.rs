//! A bus: a channel that all instances of a fleet hear, and an inbox for each, at a broker that keeps nothing.
//!
//! A bus carries the protocol that instances speak over connections, and two things more. Whoever has new writes says them
//! **once, to all**; who has what came before takes them. And from time to time somebody says the **digests** of what it has:
//! two of a whole fleet in an interval, which grows while all agree ([`trickle`]). Whoever hears of something that it lacks waits
//! a moment, as the answer to another one may bring it, and then opens a **link** to who said it: a connection of frames from
//! inbox to inbox, over which the two greet, exchange what they lack, and part. What came over a link is said to all in turn.
//!
//! So nothing here has to arrive: what is lost shows in the next digest. Frames are signed; an echo, a repeated or an
//! overtaken one costs nothing. [`Bus`] decides all of this in steps, and its driver carries bytes and time.

mod bytes;
mod digest;
mod envelope;
mod links;
#[cfg(test)]
mod tests;
mod trickle;
pub mod values;

pub use digest::{Digest, Held, Marks, Relation, Seen};
pub use links::LinkNow;

use std::collections::{BTreeMap, VecDeque};

use crate::entropy::Entropy;
use crate::error::Result;
use crate::id::InstanceId;
use crate::identity::{Key, PublicKey};
use digest::first;
use envelope::{Body, Envelope};
use links::Links;
use sha2::{Digest as _, Sha256};
use trickle::Trickle;

/// The shortest interval between two digests, in milliseconds; the longest is the heartbeat.
const SHORTEST_MS: u64 = 250;
/// How many milliseconds more whoever lacks something waits for each instance that may lack the same.
const SPREAD_MS: u64 = 2;
/// How many instances are remembered.
const MAX_HEARD: usize = 4_096;
/// How many links this instance opens at once.
const MAX_DIALED: usize = 4;
/// From how many bytes on writes are not said to all: who lacks them asks.
const MAX_SHARED_BYTES: usize = 64 << 10;

/// To whom a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Everybody.
    All,
    /// The inbox of one instance.
    One(InstanceId),
}

/// What a bus has to say to its driver.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Hand a frame to the broker.
    Publish(To, Vec<u8>),
    /// Somebody said writes to all.
    Writes(PublicKey, Vec<u8>),
    /// Somebody has marks of a document that are not here.
    Marks(Vec<Digest>),
    /// Somebody has just what is here.
    Same,
    /// A link stands; whether this instance dialed.
    Opened(u64, bool),
    /// A message came over a link.
    Frame(u64, Vec<u8>),
    /// A link has ended.
    Closed(u64),
}

/// What is known of another instance.
#[derive(Debug)]
struct Heard {
    at_ms: u64,
    start: [u8; 8],
    number: u64,
    /// A short name of what it said it has.
    said: [u8; 8],
    /// How many links to it in a row came to nothing.
    failures: u32,
}

/// What somebody said that is not here.
#[derive(Debug)]
struct Want {
    due_ms: u64,
    said: Vec<Digest>,
}

/// How it stands with a bus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// How many instances were heard lately.
    pub instances: usize,
    /// How many links stand.
    pub links: usize,
    /// How many frames for all did not arrive, as far as later ones tell.
    pub missed: u64,
    /// How many frames were refused.
    pub refused: u64,
    /// How many came from somebody else who has the key of this instance.
    pub copied: u64,
}

/// One bus of one instance.
#[derive(Debug)]
pub struct Bus {
    key: Key,
    own: InstanceId,
    start: [u8; 8],
    number: u64,
    entropy: Entropy,
    heartbeat_ms: u64,
    is_up: bool,
    trickle: Trickle,
    /// Whether something was said to all, after which the digest follows soon.
    has_spoken: bool,
    heard: BTreeMap<InstanceId, Heard>,
    wants: BTreeMap<InstanceId, Want>,
    links: Links,
    missed: u64,
    refused: u64,
    copied: u64,
    outputs: VecDeque<Output>,
}

impl Bus {
    /// A bus that does not stand yet.
    pub fn new(key: Key, seed: [u8; 32], heartbeat_ms: u64) -> Bus {
        let mut entropy = Entropy::new(seed);
        let start = first(&entropy.next_id());
        Bus {
            own: key.public().instance(),
            key,
            start,
            number: 0,
            entropy,
            heartbeat_ms,
            is_up: false,
            trickle: Trickle::new(SHORTEST_MS, heartbeat_ms),
            has_spoken: false,
            heard: BTreeMap::new(),
            wants: BTreeMap::new(),
            links: Links::default(),
            missed: 0,
            refused: 0,
            copied: 0,
            outputs: VecDeque::new(),
        }
    }

    /// The broker is reached, and what is published there is heard here. Whatever was said before may be lost.
    pub fn handle_up(&mut self, now_ms: u64) {
        self.is_up = true;
        self.trickle.restart(&mut self.entropy, now_ms);
    }

    /// The broker is lost.
    pub fn handle_down(&mut self) {
        self.is_up = false;
        self.wants.clear();
        let closed = self.links.clear().into_iter().map(Output::Closed);
        self.outputs.extend(closed);
    }

    /// Says a message with writes to all. Where the bus is down or the message is long, whoever lacks them hears of it later.
    pub fn share(&mut self, message: &[u8]) {
        self.has_spoken = true;
        if self.is_up && message.len() <= MAX_SHARED_BYTES {
            self.number += 1;
            self.publish(To::All, self.number, Body::Writes(message));
        }
    }

    /// Sends a message over a link.
    pub fn send(&mut self, link: u64, message: &[u8]) {
        let (own, outputs) = (Own { key: &self.key, start: self.start }, &mut self.outputs);
        self.links.send(link, message, own, outputs);
    }

    /// Asks everybody soon, as if all had been lost.
    pub fn compare(&mut self, now_ms: u64) {
        self.trickle.restart(&mut self.entropy, now_ms);
    }

    /// A frame came from the broker; `mine` is what this instance has.
    ///
    /// # Errors
    /// [`crate::Code::Message`] for what no instance sends.
    pub fn handle_frame(&mut self, frame: &[u8], mine: impl FnOnce() -> Vec<Digest>, now_ms: u64) -> Result<()> {
        let sender = envelope::sender(frame);
        if !self.is_up || sender == Some((self.key.public(), self.start)) {
            return Ok(());
        }
        let envelope = match envelope::decode(frame, self.own) {
            Ok(Some(envelope)) => envelope,
            Ok(None) => return Ok(()),
            Err(error) => {
                self.refuse();
                return Err(error);
            }
        };
        if envelope.key == self.key.public() {
            // A data directory was copied. What it says comes here through others, who find out as well.
            self.copied = self.copied.saturating_add(1);
            return Ok(());
        }
        let from = envelope.key.instance();
        match envelope.body {
            Body::Digests(said) => {
                let mut hash = Vec::new();
                digest::put(&mut hash, &said);
                let hash = first(&Sha256::digest(&hash));
                let is_news = self.hear(from, envelope.start, Some(envelope.number), now_ms).said != hash;
                if let Some(heard) = self.heard.get_mut(&from) {
                    heard.said = hash;
                }
                self.handle_digests(from, said, &mine(), is_news, now_ms);
            }
            Body::Writes(message) => {
                self.hear(from, envelope.start, Some(envelope.number), now_ms);
                self.outputs.push_back(Output::Writes(envelope.key, message.to_vec()));
            }
            Body::Piece(piece) => {
                self.hear(from, envelope.start, None, now_ms);
                let own = Own { key: &self.key, start: self.start };
                self.links.handle(from, &piece, own, now_ms, &mut self.outputs);
            }
        }
        Ok(())
    }

    /// Writes that somebody said build on what is not here: it is asked for them, unless they come meanwhile.
    pub fn lack(&mut self, from: InstanceId, said: Digest, now_ms: u64) {
        self.want(from, vec![said], now_ms);
        self.trickle.hurry(&mut self.entropy, now_ms);
    }

    /// What somebody said to all is not what instances say.
    pub fn refuse(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    /// When [`Bus::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        if !self.is_up {
            return None;
        }
        let soon = self.has_spoken.then_some(0);
        let wants = self.wants.values().map(|want| want.due_ms);
        soon.into_iter().chain(wants).chain(self.links.due_ms()).chain([self.trickle.due_ms()]).min()
    }

    /// Does what is due. `mine` is what this instance has, `state` what a link has come to.
    pub fn handle_timeout(&mut self, mine: impl Fn() -> Vec<Digest>, state: impl Fn(u64) -> LinkNow, now_ms: u64) {
        if !self.is_up {
            return;
        }
        if std::mem::take(&mut self.has_spoken) {
            self.trickle.restart(&mut self.entropy, now_ms);
        }
        if self.trickle.take(&mut self.entropy, now_ms) {
            self.number += 1;
            self.publish(To::All, self.number, Body::Digests(mine()));
        }
        let own = Own { key: &self.key, start: self.start };
        for (with, worked) in self.links.handle_timeout(own, state, self.heartbeat_ms, now_ms, &mut self.outputs) {
            if let Some(heard) = self.heard.get_mut(&with) {
                heard.failures = if worked { 0 } else { heard.failures.saturating_add(1) };
            }
        }
        self.open_links(mine, now_ms);
    }

    /// What is to be done next.
    #[must_use]
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How it stands.
    pub fn fleet(&self, now_ms: u64) -> Fleet {
        Fleet {
            instances: self.instances(now_ms).count(),
            links: self.links.len(),
            missed: self.missed,
            refused: self.refused,
            copied: self.copied,
        }
    }

    /// The others that were heard lately.
    pub(crate) fn instances(&self, now_ms: u64) -> impl Iterator<Item = InstanceId> {
        // In a large fleet most say nothing, as others said it.
        let since = now_ms.saturating_sub(60_000.max(self.heartbeat_ms.saturating_mul(12)));
        self.heard.iter().filter(move |(_, heard)| heard.at_ms >= since).map(|(id, _)| *id)
    }

    fn publish(&mut self, to: To, number: u64, body: Body<'_>) {
        let envelope = Envelope { key: self.key.public(), start: self.start, number, body };
        self.outputs.extend(envelope.encode(&self.key).map(|bytes| Output::Publish(to, bytes)));
    }

    /// Somebody is there.
    fn hear(&mut self, from: InstanceId, start: [u8; 8], number: Option<u64>, now_ms: u64) -> &Heard {
        if self.heard.len() >= MAX_HEARD
            && !self.heard.contains_key(&from)
            && let Some(oldest) = self.heard.iter().min_by_key(|(_, heard)| heard.at_ms).map(|(id, _)| *id)
        {
            self.heard.remove(&oldest);
        }
        let fresh = Heard { at_ms: now_ms, start, number: number.unwrap_or(0), said: [0; 8], failures: 0 };
        let heard = self.heard.entry(from).or_insert(fresh);
        heard.at_ms = now_ms;
        if heard.start != start {
            (heard.start, heard.number) = (start, number.unwrap_or(0));
        }
        if let Some(number) = number.filter(|number| *number > heard.number) {
            self.missed = self.missed.saturating_add(number - heard.number - 1);
            heard.number = number;
        }
        heard
    }

    fn handle_digests(&mut self, from: InstanceId, said: Vec<Digest>, mine: &[Digest], is_news: bool, now_ms: u64) {
        let relation = Relation::of(mine, &said, self.own > from);
        if relation.is_same() {
            self.trickle.hear_same();
            self.wants.remove(&from);
            self.outputs.push_back(Output::Same);
            return;
        }
        // What is said again brings nobody further: who lacks something hears it at the next interval's end at the latest.
        if is_news {
            self.trickle.hurry(&mut self.entropy, now_ms);
        }
        let has_marks = |other: &Digest| {
            let own = mine.iter().find(|own| own.document == other.document).and_then(|own| own.held.as_ref());
            let of_one = own.zip(other.held.as_ref()).filter(|(own, other)| own.genesis == other.genesis);
            of_one.is_some_and(|(own, other)| own.marks.lacks(other.marks))
        };
        if said.iter().any(has_marks) {
            self.outputs.push_back(Output::Marks(said.clone()));
        }
        if relation.lacks {
            self.want(from, said, now_ms);
        } else {
            self.wants.remove(&from);
        }
    }

    /// Remembers to ask somebody, after a while in which others may do so first.
    fn want(&mut self, from: InstanceId, said: Vec<Digest>, now_ms: u64) {
        if self.links.is_linked(from) {
            return;
        }
        let fleet = u64::try_from(self.heard.len()).unwrap_or(u64::MAX);
        let window = (SHORTEST_MS / 2).max(fleet.saturating_mul(SPREAD_MS)).min(self.heartbeat_ms.max(1));
        let failures = self.heard.get(&from).map_or(0, |heard| heard.failures);
        let due_ms = now_ms + self.entropy.below(window << failures.min(6));
        self.wants.entry(from).or_insert_with(|| Want { due_ms, said: Vec::new() }).said = said;
    }

    /// Links to those who said what is not here still.
    fn open_links(&mut self, mine: impl Fn() -> Vec<Digest>, now_ms: u64) {
        let due: Vec<InstanceId> =
            self.wants.iter().filter(|(_, want)| want.due_ms <= now_ms).map(|(from, _)| *from).collect();
        if due.is_empty() {
            return;
        }
        let mine = mine();
        for from in due {
            let lacks = |want: &Want| Relation::of(&mine, &want.said, self.own > from).lacks;
            let lacks = self.wants.get(&from).is_some_and(lacks) && !self.links.is_linked(from);
            if lacks && self.links.dialed() >= MAX_DIALED {
                if let Some(want) = self.wants.get_mut(&from) {
                    want.due_ms = now_ms + SHORTEST_MS + self.entropy.below(SHORTEST_MS);
                }
                continue;
            }
            self.wants.remove(&from);
            if lacks {
                let failures = self.heard.get(&from).map_or(0, |heard| heard.failures);
                let name = first(&self.entropy.next_id());
                let number = self.links.dial(from, name, failures, now_ms);
                self.outputs.push_back(Output::Opened(number, true));
            }
        }
    }
}

/// Who signs.
#[derive(Clone, Copy)]
struct Own<'a> {
    key: &'a Key,
    start: [u8; 8],
}
