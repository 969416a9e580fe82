//! How far the clocks of other instances are from this one: measured, shown, and told once an episode.
//!
//! No write is refused or delayed for its stamp, or replicas would differ; a stamp from far ahead does not move the local
//! clock either ([`crate::clock::Hlc::observe`]). So a bad clock costs no more than the order of simultaneous writes.

use super::{Engine, Level, PeerId, Session};
use crate::clock::{MAX_AHEAD_MS, Now};
use crate::error::{Code, Error};
use crate::id::{DocumentName, InstanceId};

/// Of how many instances the clocks are remembered.
const MAX_CLOCKS: usize = 1_024;

/// What is known of the clock of another instance. What a message took to arrive counts as being behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerClock {
    /// How far it was ahead of the clock here when it last greeted or sent a heartbeat, in milliseconds; negative behind.
    pub offset_ms: i64,
    /// The largest distance of a write's stamp ahead of the clock here, in milliseconds, of what came from there: 0 where
    /// none was more than [`MAX_AHEAD_MS`] ahead. The write may have been made by another instance.
    pub stamps_ahead_ms: u64,
}

/// A clock, and what was told of it.
#[derive(Debug, Default)]
pub(super) struct Watched {
    clock: PeerClock,
    is_told: bool,
    are_stamps_told: bool,
}

impl Engine {
    /// What is known of the clock on the other side of a connection, once it said who it is and what time it is.
    pub fn peer_clock(&self, peer: PeerId) -> Option<PeerClock> {
        Some(self.clocks.get(&self.peer_instance(peer)?)?.clock)
    }

    fn watched(&mut self, peer: PeerId) -> Option<(InstanceId, &mut Watched)> {
        let Some(Session::Replica(session)) = self.sessions.get(&peer) else { return None };
        let instance = session.instance?;
        if self.clocks.len() >= MAX_CLOCKS && !self.clocks.contains_key(&instance) {
            return None;
        }
        Some((instance, self.clocks.entry(instance).or_default()))
    }

    /// A peer said what time it is there.
    pub(super) fn compare_clocks(&mut self, peer: PeerId, sent_ms: u64, now: Now) {
        let Some((instance, watched)) = self.watched(peer) else { return };
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let offset = signed(sent_ms).saturating_sub(signed(now.wall_ms));
        watched.clock.offset_ms = offset;
        let distance = offset.unsigned_abs();
        // A clock at the edge is told once, not each time that it steps over it.
        if distance <= MAX_AHEAD_MS / 2 {
            watched.is_told = false;
        }
        if distance > MAX_AHEAD_MS && !std::mem::replace(&mut watched.is_told, true) {
            let side = if offset > 0 { "ahead of" } else { "behind" };
            let message = format!("the clock of instance {instance} is {} s {side} the clock here", distance / 1_000);
            self.warn_of_clock(message);
        }
    }

    /// Writes came from a peer; the largest distance of their stamps that are too far ahead, or 0.
    pub(super) fn compare_stamps(&mut self, peer: PeerId, ahead_ms: u64) {
        let Some((instance, watched)) = self.watched(peer) else { return };
        if ahead_ms == 0 {
            watched.are_stamps_told = false;
            return;
        }
        watched.clock.stamps_ahead_ms = watched.clock.stamps_ahead_ms.max(ahead_ms);
        if !std::mem::replace(&mut watched.are_stamps_told, true) {
            let seconds = ahead_ms / 1_000;
            self.warn_of_clock(format!(
                "writes that came from instance {instance} are stamped {seconds} s ahead of the clock here"
            ));
        }
    }

    /// A write was stamped by a clock which is behind the stamps of before by so much: these are followed no more.
    pub(super) fn compare_own_stamps(&mut self, name: &DocumentName, ahead_ms: u64) {
        if ahead_ms > MAX_AHEAD_MS {
            let seconds = ahead_ms / 1_000;
            self.warn_of_clock(format!(
                "this instance stamped what it wrote to `{name}` before {seconds} s ahead of what its clock says now; from now on it stamps by that"
            ));
        }
    }

    fn warn_of_clock(&mut self, message: String) {
        let hint = "synchronise the clocks (NTP); no write is lost, but among simultaneous ones the later clock wins";
        self.notice(Level::Warning, Error::new(Code::Protocol, message).with_hint(hint));
    }
}
