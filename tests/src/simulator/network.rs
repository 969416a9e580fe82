//! Connections that break, lose, repeat and reorder, and frames on their way.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use confmesh::engine::{Link, PeerId, Transmit};
use confmesh::protocol::Frame;

use super::Checked;
use super::host::{deliver, is_greeting};
use super::swarm::Fault;
use super::world::World;

/// Two instances that may be connected, the one that dials first.
pub(crate) struct Edge {
    pub(crate) ends: [usize; 2],
    pub(crate) link: Link,
    pub(crate) connection: Option<Connection>,
    pub(crate) block: Option<Block>,
    /// Whether the two have a bus in place of it.
    pub(crate) is_bus: bool,
}

impl Edge {
    pub(crate) fn new(ends: [usize; 2], link: Link) -> Edge {
        Edge { ends, link, connection: None, block: None, is_bus: false }
    }
}

/// What a partition does to a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Block {
    /// It breaks.
    Cut,
    /// It stands, and what is sent vanishes.
    BlackHole,
}

pub(crate) struct Connection {
    peers: [PeerId; 2],
    /// When the last frame arrives at each end.
    last_arrival: [u64; 2],
    /// A lost greeting is never repeated: only a new connection helps.
    pub(crate) lost_greeting: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Cargo {
    Frame(Frame),
    Closed,
    /// A frame of a bus.
    Said(usize, Arc<[u8]>),
}

/// Something on its way to one end of a connection; ordered by its arrival.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Flight {
    pub(crate) at_ms: u64,
    number: u64,
    host: usize,
    life: u64,
    peer: PeerId,
    cargo: Cargo,
}

impl Flight {
    fn is_said(&self) -> bool {
        matches!(self.cargo, Cargo::Said(..))
    }
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

impl World {
    pub(crate) fn connect(&mut self, edge: usize) -> Checked {
        let [dialer, acceptor] = self.edges[edge].ends;
        let is_possible =
            self.edges[edge].connection.is_none() && self.edges[edge].block.is_none() && !self.edges[edge].is_bus;
        if !is_possible || !self.hosts[dialer].is_up() || !self.hosts[acceptor].is_up() {
            return Ok(());
        }
        let peers = [PeerId(self.next_peer), PeerId(self.next_peer + 1)];
        self.next_peer += 2;
        let link = self.edges[edge].link;
        self.edges[edge].connection = Some(Connection { peers, last_arrival: [self.now_ms; 2], lost_greeting: false });
        self.note(|| format!("{dialer} dials {acceptor} ({link:?})"));
        for (host, peer, link) in [(acceptor, peers[1], Link::Accepted), (dialer, peers[0], link)] {
            let now = self.hosts[host].now(self.now_ms);
            if let Some(engine) = &mut self.hosts[host].engine {
                engine.handle_connected(peer, link, now);
            }
            self.settle(host)?;
        }
        Ok(())
    }

    /// A connection ends; each end that lives hears of it when everything that was sent before has arrived.
    pub(crate) fn disconnect(&mut self, edge: usize, loses_flights: bool) {
        let Some(connection) = self.edges[edge].connection.take() else { return };
        let ends = self.edges[edge].ends;
        self.note(|| format!("the connection of {} and {} ends", ends[0], ends[1]));
        if loses_flights {
            let flights = std::mem::take(&mut self.flights);
            let is_other = |flight: &Flight| flight.is_said() || !connection.peers.contains(&flight.peer);
            self.flights = flights.into_iter().filter(|Reverse(flight)| is_other(flight)).collect();
        }
        for (end, host) in ends.into_iter().enumerate() {
            let at_ms = connection.last_arrival[end].max(self.now_ms);
            self.launch(at_ms, host, connection.peers[end], Cargo::Closed);
        }
    }

    pub(crate) fn launch_bus(&mut self, at_ms: u64, host: usize, channel: usize, bytes: Arc<[u8]>) {
        self.launch(at_ms, host, PeerId(0), Cargo::Said(channel, bytes));
    }

    fn launch(&mut self, at_ms: u64, host: usize, peer: PeerId, cargo: Cargo) {
        self.next_flight += 1;
        let life = self.hosts[host].life;
        self.flights.push(Reverse(Flight { at_ms, number: self.next_flight, host, life, peer, cargo }));
    }

    pub(crate) fn send(&mut self, from: usize, Transmit { peer, frame }: Transmit) {
        self.binary_frames += usize::from(frame.as_text().is_none());
        let find = |edge: &Edge| {
            let connection = edge.connection.as_ref()?;
            (0..2).find(|end| edge.ends[*end] == from && connection.peers[*end] == peer)
        };
        let found = self.edges.iter().enumerate().find_map(|(at, edge)| Some((at, find(edge)?)));
        let Some((at, end)) = found else { return };
        if let Some((edge, bytes)) = &mut self.metered
            && *edge == at
            && !frame.as_text().is_some_and(|text| text.contains(r#""type":"heartbeat""#))
        {
            *bytes += frame.len();
        }
        let there = 1 - end;
        // Guests speak over connections that neither lose nor reorder, and break instead.
        let is_guest = self.edges[at].link == Link::Host;
        let strikes = self.faults && !is_guest;
        let is_lost = self.edges[at].block == Some(Block::BlackHole) || (strikes && self.strikes(Fault::Loss));
        if is_lost && !is_guest {
            if let Some(connection) = self.edges[at].connection.as_mut().filter(|_| is_greeting(&frame)) {
                connection.lost_greeting = true;
            }
            let to = self.edges[at].ends[there];
            return self.note(|| format!("a frame from {from} to {to} is lost: {}", short(&frame)));
        }
        let copies = if strikes && self.strikes(Fault::Duplication) { 2 } else { 1 };
        for _ in 0..copies {
            let overtakes = strikes && self.strikes(Fault::Reorder);
            let travel = u64::try_from(self.random.below(self.swarm.latency_ms + 1)).unwrap();
            let mut at_ms = self.now_ms + travel;
            let host = self.edges[at].ends[there];
            let Some(connection) = &mut self.edges[at].connection else { return };
            if !overtakes {
                at_ms = at_ms.max(connection.last_arrival[there]);
            }
            connection.last_arrival[there] = connection.last_arrival[there].max(at_ms);
            let peer = connection.peers[there];
            self.launch(at_ms, host, peer, Cargo::Frame(frame.clone()));
        }
    }

    /// When the next frame arrives.
    pub(crate) fn next_arrival(&self) -> Option<u64> {
        self.flights.peek().map(|Reverse(flight)| flight.at_ms)
    }

    /// Something arrives.
    pub(crate) fn arrive(&mut self) -> Checked {
        let Some(Reverse(flight)) = self.flights.pop() else { return Ok(()) };
        let Flight { host, life, peer, cargo, .. } = flight;
        let now = self.hosts[host].now(self.now_ms);
        if self.hosts[host].life != life {
            return Ok(());
        }
        if let Cargo::Frame(frame) = &cargo {
            self.note(|| format!("{host} gets {}", short(frame)));
        }
        let Some(engine) = &mut self.hosts[host].engine else { return Ok(()) };
        match &cargo {
            Cargo::Frame(frame) => deliver(engine, peer, frame, now),
            Cargo::Closed => engine.handle_closed(peer, now),
            Cargo::Said(channel, bytes) => return self.hear(host, *channel, bytes),
        }
        self.settle(host)
    }

    /// A frame that is on its way somewhere, to be spoiled.
    pub(crate) fn some_frame(&mut self) -> Option<Frame> {
        let at = self.random.below(self.flights.len().max(1));
        match self.flights.iter().nth(at) {
            Some(Reverse(Flight { cargo: Cargo::Frame(frame), .. })) => Some(frame.clone()),
            _ => None,
        }
    }

    /// The peer that an instance knows the other end of an edge by.
    pub(crate) fn peer_at(&self, host: usize) -> Option<PeerId> {
        let ends = |edge: &Edge| {
            let connection = edge.connection.as_ref()?;
            (0..2).find(|end| edge.ends[*end] == host).map(|end| connection.peers[end])
        };
        self.edges.iter().find_map(ends)
    }
}

fn short(frame: &Frame) -> String {
    let Some(text) = frame.as_text() else { return format!("binary ({} B)", frame.len()) };
    let kind = text.split("\"type\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("?");
    let rest: String = text.chars().take(700).collect();
    format!("{kind} ({} B) {rest}", frame.len())
}
