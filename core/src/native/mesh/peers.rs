//! The other instances as the actor sees them: where they are, whether they are connected, and what the engine says of them.
use std::sync::Arc;

use super::actor::Actor;
use super::log::worded;
use super::status::{Direction, PeerState, PeerStatus};
use crate::clock::Now;
use crate::engine::{Level, Link, LinkState, Peer, PeerId, Transmit};
use crate::native::transport::websocket::{DialState, Dialer, Frame, LinkEvent, LinkId, NotSent};
use crate::protocol;

impl Actor {
    pub(super) fn handle_link(&mut self, id: LinkId, event: LinkEvent) {
        let now = self.clock.now();
        let peer = self.links.get(&id).map(|(peer, _)| *peer);
        match (event, peer) {
            (LinkEvent::Opened(link), _) => {
                self.last_peer += 1;
                let peer = PeerId(self.last_peer);
                self.links.insert(id, (peer, link.sender));
                self.peers.insert(peer, id);
                let direction = if link.dialed { Link::Dialed } else { Link::Accepted };
                if link.dialed {
                    self.log_line(Level::Info, &format!("connected to {}", link.peer));
                } else {
                    self.accepted.insert(peer, link.peer);
                }
                self.driver.engine_mut().handle_connected(peer, direction, now);
                self.driver.engine_mut().authorize(peer, link.who);
            }
            (LinkEvent::Text(frame), Some(peer)) => {
                self.metrics.received(frame.len());
                self.driver.engine_mut().handle_message(peer, &frame, now);
            }
            (LinkEvent::Binary(bytes), Some(peer)) => {
                self.metrics.received(bytes.len());
                self.driver.engine_mut().handle_message(peer, &bytes, now);
            }
            (LinkEvent::Closed { reason }, Some(peer)) => {
                self.links.remove(&id);
                self.peers.remove(&peer);
                self.accepted.remove(&peer);
                if let Some(reason) = reason {
                    self.log_line(Level::Info, &worded(&reason));
                }
                self.driver.engine_mut().handle_closed(peer, now);
            }
            (_, None) => {}
        }
    }

    /// Sends a frame; the one that was sent last shares its bytes with it where it is the same.
    pub(super) fn transmit(&self, transmit: Transmit, last: &mut Option<(protocol::Frame, Frame)>) {
        self.metrics.sent(transmit.frame.len());
        let frame = match last {
            Some((from, frame)) if from.ptr_eq(&transmit.frame) => frame.clone(),
            _ => {
                let frame = match &transmit.frame {
                    protocol::Frame::Text(text) => Frame::text(&**text),
                    protocol::Frame::Binary(bytes) => Frame::binary(Arc::clone(bytes)),
                };
                last.insert((transmit.frame, frame)).1.clone()
            }
        };
        let link = self.peers.get(&transmit.peer).and_then(|id| self.links.get(id));
        if let Some((_, sender)) = link
            && let Err(why) = sender.try_send(frame)
        {
            // It misses a frame, so it begins again: a new connection tells it everything. Its end is reported.
            sender.close(match why {
                NotSent::QueueFull => "the frames are not taken fast enough",
                NotSent::TooLarge => "a frame is too large",
                NotSent::Closed => "the connection has ended",
            });
        }
    }

    /// Those that are dialed, in the order of the options, then those who dialed in, the oldest connection first.
    pub(super) fn peer_statuses(&self) -> Vec<PeerStatus> {
        let peers = self.driver.engine().peers();
        let dialed = self.dialers.iter().map(|dialer| self.dialed_status(dialer, &peers));
        // The other end of what it dialed itself is told there. A copy of its data directory that dialed in is told here.
        let dials_itself = peers.iter().any(|peer| peer.is_dialed && peer.state == LinkState::Itself);
        let is_told = |peer: &Peer| peer.is_dialed || dials_itself && peer.state == LinkState::Itself;
        let accepted = peers.iter().filter(|peer| !is_told(peer)).filter_map(|peer| {
            let address = self.accepted.get(&peer.peer)?.clone();
            let status = PeerStatus { state: PeerState::Connected, ..PeerStatus::of(Direction::Accepted, address) };
            Some(status.with(peer))
        });
        dialed.chain(accepted).collect()
    }

    fn dialed_status(&self, dialer: &Dialer, peers: &[Peer]) -> PeerStatus {
        let status = PeerStatus::of(Direction::Dialed, dialer.address().to_string());
        match &*dialer.state().borrow() {
            DialState::Connecting | DialState::Stopped => status,
            DialState::Connected(id) => {
                let status = PeerStatus { state: PeerState::Connected, ..status };
                let peer = self.links.get(id).map(|(peer, _)| *peer);
                match peers.iter().find(|found| Some(found.peer) == peer) {
                    Some(peer) => status.with(peer),
                    None => status,
                }
            }
            DialState::Waiting { error, retry_in } => PeerStatus {
                state: PeerState::Waiting,
                last_error: Some(error.clone()),
                retry_in: Some(*retry_in),
                ..status
            },
        }
    }

    /// For how long this instance is in step with none of the others; none where there are no others. Without any that are
    /// dialed it counts from when those came who are there now.
    pub(super) fn out_of_step_ms(&self, peers: &[PeerStatus], now: Now) -> Option<u64> {
        let is_in_step = |peer: &PeerStatus| peer.link == Some(LinkState::InStep);
        let since_ms =
            if self.dialers.is_empty() { peers.iter().filter_map(|peer| peer.since_ms).min() } else { Some(0) };
        let awaited_ms = since_ms.map(|since| now.wall_ms.saturating_sub(since).min(now.mono_ms))?;
        if peers.iter().any(is_in_step) {
            return Some(0);
        }
        let status = self.driver.engine().status();
        let last = status.iter().filter_map(|document| document.in_step_ms).max();
        Some(last.map_or(awaited_ms, |last| now.mono_ms.saturating_sub(last).min(awaited_ms)))
    }
}

impl PeerStatus {
    fn of(direction: Direction, address: String) -> PeerStatus {
        PeerStatus {
            direction,
            address,
            state: PeerState::Connecting,
            instance: None,
            link: None,
            problems: Vec::new(),
            since_ms: None,
            last_error: None,
            retry_in: None,
            clock: None,
        }
    }

    fn with(self, peer: &Peer) -> PeerStatus {
        PeerStatus {
            instance: peer.instance,
            link: Some(peer.state),
            problems: peer.problems.clone(),
            since_ms: Some(peer.since_ms),
            clock: peer.clock,
            ..self
        }
    }
}
