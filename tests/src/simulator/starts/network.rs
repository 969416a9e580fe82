//! Connections that carry every frame in its order until they break.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use confmesh::engine::{Link, PeerId, Transmit};
use confmesh::protocol::Frame;

use super::super::Checked;
use super::Starts;

/// How long a frame travels at most.
const LATENCY_MS: usize = 60;
/// How long an instance waits at most before it dials again.
const REDIAL_MS: usize = 2_000;

struct Cable {
    ends: [usize; 2],
    peers: Option<[PeerId; 2]>,
    last_arrival: [u64; 2],
    /// When it is dialed again.
    dial_at: u64,
    /// Whether it is no part of the mesh.
    is_outside: bool,
}

#[derive(Clone, PartialEq, Eq)]
struct Flight {
    at_ms: u64,
    number: u64,
    node: usize,
    life: u64,
    peer: PeerId,
    /// None says that the connection is gone.
    frame: Option<Frame>,
}

impl Ord for Flight {
    fn cmp(&self, other: &Flight) -> Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Flight) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

pub(crate) struct Network {
    cables: Vec<Cable>,
    flights: BinaryHeap<Reverse<Flight>>,
    next: u64,
}

impl Network {
    pub(super) fn of(edges: &[[usize; 2]]) -> Network {
        let cable =
            |ends: &[usize; 2]| Cable { ends: *ends, peers: None, last_arrival: [0; 2], dial_at: 0, is_outside: false };
        Network { cables: edges.iter().map(cable).collect(), flights: BinaryHeap::new(), next: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.cables.retain(|cable| !cable.is_outside);
        self.flights.clear();
    }

    /// When something arrives, or is dialed.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.flights.peek().map(|Reverse(flight)| flight.at_ms)
    }
}

impl Starts {
    /// A connection of an earlier life.
    pub(super) fn link_outside(&mut self, from: usize, to: usize) -> Checked {
        let cable =
            Cable { ends: [from, to], peers: None, last_arrival: [self.now_ms; 2], dial_at: 0, is_outside: true };
        self.network.cables.push(cable);
        self.redial()
    }

    pub(super) fn break_links_of(&mut self, at: usize) {
        for cable in 0..self.network.cables.len() {
            if self.network.cables[cable].ends.contains(&at) {
                self.break_link(cable);
            }
        }
    }

    /// A connection ends, and what is on its way is lost.
    fn break_link(&mut self, cable: usize) {
        let wait = u64::try_from(self.random.below(REDIAL_MS)).unwrap();
        let now_ms = self.now_ms;
        let cable = &mut self.network.cables[cable];
        cable.dial_at = now_ms + 100 + wait;
        let Some(peers) = cable.peers.take() else { return };
        let ends = cable.ends;
        self.network.flights.retain(|Reverse(flight)| !peers.contains(&flight.peer));
        for (node, peer) in ends.into_iter().zip(peers) {
            self.launch(now_ms, node, peer, None);
        }
    }

    fn launch(&mut self, at_ms: u64, node: usize, peer: PeerId, frame: Option<Frame>) {
        self.network.next += 1;
        let (number, life) = (self.network.next, self.nodes[node].life);
        self.network.flights.push(Reverse(Flight { at_ms, number, node, life, peer, frame }));
    }

    /// Dials where nothing is connected and both are there.
    pub(super) fn redial(&mut self) -> Checked {
        for at in 0..self.network.cables.len() {
            let cable = &self.network.cables[at];
            let [from, to] = cable.ends;
            let are_up = [from, to]
                .into_iter()
                .all(|node| self.nodes[node].engine.is_some() && (cable.is_outside || self.nodes[node].began));
            if cable.peers.is_some() || !are_up || cable.dial_at > self.now_ms {
                continue;
            }
            self.network.next += 2;
            let peers = [PeerId(self.network.next - 1), PeerId(self.network.next)];
            self.network.cables[at].peers = Some(peers);
            self.network.cables[at].last_arrival = [self.now_ms; 2];
            self.note(|| format!("{from} dials {to}"));
            let now = self.now();
            for (node, peer, link) in [(to, peers[1], Link::Accepted), (from, peers[0], Link::Dialed)] {
                if let Some(engine) = &mut self.nodes[node].engine {
                    engine.handle_connected(peer, link, now);
                }
                self.settle(node)?;
            }
        }
        Ok(())
    }

    pub(super) fn send(&mut self, from: usize, Transmit { peer, frame }: Transmit) {
        let end = |cable: &Cable| {
            let peers = cable.peers?;
            (0..2).find(|end| cable.ends[*end] == from && peers[*end] == peer)
        };
        let found = self.network.cables.iter().enumerate().find_map(|(at, cable)| Some((at, end(cable)?)));
        let Some((at, end)) = found else { return };
        if self.plan.breaks && self.random.below(60) == 0 {
            self.note(|| format!("a connection of {from} breaks"));
            return self.break_link(at);
        }
        let travel = u64::try_from(self.random.below(LATENCY_MS + 1)).unwrap();
        let now_ms = self.now_ms;
        let cable = &mut self.network.cables[at];
        let at_ms = (now_ms + travel).max(cable.last_arrival[1 - end]);
        cable.last_arrival[1 - end] = at_ms;
        let (node, Some(peers)) = (cable.ends[1 - end], cable.peers) else { return };
        self.launch(at_ms, node, peers[1 - end], Some(frame));
    }

    /// The next thing that is due arrives; false where there is none.
    pub(super) fn arrive(&mut self) -> Checked<bool> {
        let now_ms = self.now_ms;
        if self.network.next_ms().is_none_or(|at_ms| at_ms > now_ms) {
            return Ok(false);
        }
        let Some(Reverse(Flight { node, life, peer, frame, .. })) = self.network.flights.pop() else {
            return Ok(false);
        };
        if self.nodes[node].life != life {
            return Ok(true);
        }
        if let Some(frame) = &frame {
            self.note(|| format!("{node} gets {}", frame.as_text().unwrap_or("a binary frame")));
        }
        let now = self.now();
        let Some(engine) = &mut self.nodes[node].engine else { return Ok(true) };
        match frame {
            Some(frame) => engine.handle_message(peer, &frame, now),
            None => engine.handle_closed(peer, now),
        }
        self.settle(node)?;
        Ok(true)
    }
}
