//! Links: connections between two instances, made of frames from inbox to inbox.
//!
//! Frames may be lost, doubled or overtaken: the protocol above bears that. Long messages go in pieces.

use std::collections::{BTreeMap, VecDeque};

use super::envelope::{Body, Envelope, LinkName, Piece};
use super::{Output, Own, To};
use crate::id::InstanceId;
use crate::limits::MAX_FRAME_BYTES;

/// How long the message in one frame is at most: every broker takes that.
const PIECE_BYTES: usize = 256 << 10;
/// How many links others may have opened.
const MAX_ACCEPTED: usize = 64;
/// How many links are remembered that have ended, so that late frames do not open them again.
const MAX_ENDED: usize = 128;
/// How often a link that was dialed is looked at, in milliseconds.
const LOOK_MS: u64 = 1_000;
/// For how many heartbeats a link may be silent.
const SILENT: u64 = 4;
/// After how many heartbeats a link on which the two never agree, as both write all the time, is given up.
const LONG: u64 = 12;

/// What the two sides of a link have come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkNow {
    /// Both have everything.
    InStep,
    /// They exchange.
    Working,
    /// One of them has not said yet what it holds, or takes the document of the other over.
    Beginning,
    /// They hold different documents, or do not take what the other one says.
    Apart,
}

#[derive(Debug)]
struct Link {
    with: InstanceId,
    name: LinkName,
    is_dialer: bool,
    opened_ms: u64,
    heard_ms: u64,
    look_ms: u64,
    /// How many links before it came to nothing.
    failures: u32,
    /// The number of the last message that was sent.
    sent: u32,
    partial: Option<Partial>,
}

/// The pieces of a message that came so far.
#[derive(Debug)]
struct Partial {
    message: u32,
    pieces: BTreeMap<u16, Vec<u8>>,
}

#[derive(Debug, Default)]
pub(super) struct Links {
    last: u64,
    links: BTreeMap<u64, Link>,
    ended: VecDeque<(InstanceId, LinkName)>,
}

impl Links {
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    pub(super) fn dialed(&self) -> usize {
        self.links.values().filter(|link| link.is_dialer).count()
    }

    pub(super) fn is_linked(&self, with: InstanceId) -> bool {
        self.links.values().any(|link| link.with == with)
    }

    /// Ends all, without a word.
    pub(super) fn clear(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.links).into_keys().collect()
    }

    pub(super) fn dial(&mut self, with: InstanceId, name: LinkName, failures: u32, now_ms: u64) -> u64 {
        self.add(with, name, true, failures, now_ms)
    }

    fn add(&mut self, with: InstanceId, name: LinkName, is_dialer: bool, failures: u32, now_ms: u64) -> u64 {
        self.last += 1;
        let (opened_ms, heard_ms, look_ms) = (now_ms, now_ms, now_ms + LOOK_MS);
        let link = Link { with, name, is_dialer, opened_ms, heard_ms, look_ms, failures, sent: 0, partial: None };
        self.links.insert(self.last, link);
        self.last
    }

    pub(super) fn send(&mut self, number: u64, message: &[u8], own: Own<'_>, outputs: &mut VecDeque<Output>) {
        let Some(link) = self.links.get_mut(&number) else { return };
        link.sent += 1;
        let count = u16::try_from(message.len().div_ceil(PIECE_BYTES).max(1)).unwrap_or(u16::MAX);
        for (at, bytes) in (0..count).zip(message.chunks(PIECE_BYTES)) {
            link.publish(own, (link.sent, at, count), bytes, false, outputs);
        }
    }

    /// A piece of a message came from an instance that signed it.
    pub(super) fn handle(
        &mut self,
        from: InstanceId,
        piece: &Piece<'_>,
        own: Own<'_>,
        now_ms: u64,
        outputs: &mut VecDeque<Output>,
    ) {
        let is_it = |link: &Link| (link.with, link.name, link.is_dialer) == (from, piece.link, !piece.is_dialer);
        let found = self.links.iter().find(|(_, link)| is_it(link)).map(|(number, _)| *number);
        if piece.closes {
            if let Some(number) = found {
                self.end(number);
                outputs.push_back(Output::Closed(number));
            }
            return;
        }
        let number = match found {
            Some(number) => number,
            None if self.may_accept(from, piece) => {
                let number = self.add(from, piece.link, false, 0, now_ms);
                outputs.push_back(Output::Opened(number, false));
                number
            }
            None => {
                // So that the other side does not wait.
                let (is_dialer, name) = (!piece.is_dialer, piece.link);
                let gone = Link::gone(from, name, is_dialer);
                return gone.publish(own, (0, 0, 0), &[], true, outputs);
            }
        };
        let Some(link) = self.links.get_mut(&number) else { return };
        link.heard_ms = now_ms;
        let message = if piece.count == 1 { Some(piece.bytes.to_vec()) } else { link.join(piece) };
        outputs.extend(message.map(|message| Output::Frame(number, message)));
    }

    fn may_accept(&self, from: InstanceId, piece: &Piece<'_>) -> bool {
        let accepted = self.links.values().filter(|link| !link.is_dialer).count();
        piece.is_dialer && accepted < MAX_ACCEPTED && !self.ended.contains(&(from, piece.link))
    }

    fn end(&mut self, number: u64) -> Option<Link> {
        let link = self.links.remove(&number)?;
        self.ended.push_back((link.with, link.name));
        if self.ended.len() > MAX_ENDED {
            self.ended.pop_front();
        }
        Some(link)
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.links.values().map(|link| link.look_ms).min()
    }

    /// Ends the links that did their work, and those that come to nothing; returns with whom, and whether they did.
    pub(super) fn handle_timeout(
        &mut self,
        own: Own<'_>,
        state: impl Fn(u64) -> LinkNow,
        heartbeat_ms: u64,
        now_ms: u64,
        outputs: &mut VecDeque<Output>,
    ) -> Vec<(InstanceId, bool)> {
        let mut over = Vec::new();
        for (number, link) in self.links.iter_mut().filter(|(_, link)| link.look_ms <= now_ms) {
            link.look_ms = now_ms + LOOK_MS;
            match link.ends(|| state(*number), heartbeat_ms, now_ms) {
                Some(worked) => over.push((*number, worked)),
                None => continue,
            }
        }
        let mut ends = Vec::new();
        for (number, worked) in over {
            let Some(link) = self.end(number) else { continue };
            link.publish(own, (0, 0, 0), &[], true, outputs);
            outputs.push_back(Output::Closed(number));
            if link.is_dialer {
                ends.push((link.with, worked));
            }
        }
        ends
    }
}

impl Link {
    /// A link that is not there.
    fn gone(with: InstanceId, name: LinkName, is_dialer: bool) -> Link {
        let (opened_ms, heard_ms, look_ms) = (0, 0, 0);
        Link { with, name, is_dialer, opened_ms, heard_ms, look_ms, failures: 0, sent: 0, partial: None }
    }

    /// Whether it is over, and whether it did what it was for.
    fn ends(&self, state: impl FnOnce() -> LinkNow, heartbeat_ms: u64, now_ms: u64) -> Option<bool> {
        let silent_ms = now_ms.saturating_sub(self.heard_ms);
        // Who is far away is waited for longer each time.
        let patience = heartbeat_ms.saturating_mul(SILENT).saturating_mul(1 << self.failures.min(4));
        if silent_ms > patience {
            return Some(false);
        }
        let age_ms = now_ms.saturating_sub(self.opened_ms);
        if !self.is_dialer {
            // The greeting of the other side was lost, and it does not know: it begins anew.
            return (age_ms > patience && state() == LinkNow::Beginning).then_some(false);
        }
        match state() {
            LinkNow::InStep => Some(true),
            // A greeting was lost: a new link begins with another one.
            LinkNow::Beginning if age_ms > patience / SILENT => Some(false),
            LinkNow::Working if age_ms > heartbeat_ms.saturating_mul(LONG) => Some(true),
            LinkNow::Beginning | LinkNow::Working | LinkNow::Apart => None,
        }
    }

    fn publish(
        &self,
        own: Own<'_>,
        (message, at, count): (u32, u16, u16),
        bytes: &[u8],
        closes: bool,
        outputs: &mut VecDeque<Output>,
    ) {
        let (to, link, is_dialer) = (self.with, self.name, self.is_dialer);
        let body = Body::Piece(Piece { to, link, is_dialer, closes, message, at, count, bytes });
        let envelope = Envelope { key: own.key.public(), start: own.start, number: 0, body };
        outputs.extend(envelope.encode(own.key).map(|bytes| Output::Publish(To::One(to), bytes)));
    }

    /// The whole message, once its last piece is there. Of two that come at once the later one counts.
    fn join(&mut self, piece: &Piece<'_>) -> Option<Vec<u8>> {
        if self.partial.as_ref().is_none_or(|partial| partial.message < piece.message) {
            self.partial = Some(Partial { message: piece.message, pieces: BTreeMap::new() });
        }
        let partial = self.partial.as_mut().filter(|partial| partial.message == piece.message)?;
        partial.pieces.insert(piece.at, piece.bytes.to_vec());
        let bytes: usize = partial.pieces.values().map(Vec::len).sum();
        if bytes > MAX_FRAME_BYTES {
            self.partial = None;
            return None;
        }
        if partial.pieces.len() < usize::from(piece.count) {
            return None;
        }
        let partial = self.partial.take()?;
        Some(partial.pieces.into_values().flatten().collect())
    }
}
