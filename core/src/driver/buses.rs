//! Buses around an engine: each is one name for all who hear it, and one for each link over it.

use std::collections::{BTreeSet, VecDeque};

use super::{Action, Driver};
use crate::bus::{Bus, Fleet, LinkNow, Output, To};
use crate::clock::Now;
use crate::engine::{Engine, Link, LinkState, PeerId, Transmit};
use crate::error::Result;
use crate::protocol::FrameRef;

/// One of the buses of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BusId(usize);

/// A frame to hand to a broker.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// On which bus.
    pub bus: BusId,
    /// To whom.
    pub to: To,
    /// The frame.
    pub bytes: Vec<u8>,
}

/// Names of connections from here on are those of buses; whoever runs a driver names its own below.
const FIRST: u64 = 1 << 63;
/// How many names each bus has.
const LINKS: u64 = 1 << 40;

/// The buses, and what is to be published on them.
#[derive(Default)]
pub(super) struct Buses {
    buses: Vec<Bus>,
    pub(super) publish: VecDeque<Publish>,
}

impl BusId {
    /// The name of everybody on it.
    fn all(self) -> PeerId {
        self.link(0)
    }

    /// The name of who is at the other end of a link.
    fn link(self, number: u64) -> PeerId {
        PeerId(FIRST + u64::try_from(self.0).unwrap_or(0) * LINKS + number)
    }

    fn of(peer: PeerId) -> Option<(BusId, u64)> {
        let number = peer.0.checked_sub(FIRST)?;
        Some((BusId(usize::try_from(number / LINKS).ok()?), number % LINKS))
    }
}

impl Buses {
    fn get_mut(&mut self, id: BusId) -> Option<&mut Bus> {
        self.buses.get_mut(id.0)
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.buses.iter().filter_map(Bus::poll_timeout).min()
    }

    /// Takes a frame that goes over a bus; gives back what goes elsewhere.
    pub(super) fn take(&mut self, transmit: Transmit) -> Option<Transmit> {
        let found = BusId::of(transmit.peer).and_then(|(id, link)| Some((id, link, self.buses.get_mut(id.0)?)));
        let Some((id, link, bus)) = found else { return Some(transmit) };
        match link {
            0 => bus.share(transmit.frame.as_bytes()),
            link => bus.send(link, transmit.frame.as_bytes()),
        }
        while let Some(output) = bus.poll() {
            if let Output::Publish(to, bytes) = output {
                self.publish.push_back(Publish { bus: id, to, bytes });
            }
        }
        None
    }

    pub(super) fn poll(&mut self) -> Option<Action> {
        self.publish.pop_front().map(Action::Publish)
    }
}

impl Driver {
    /// Adds a bus, which is down until [`Driver::handle_bus_up`].
    pub fn add_bus(&mut self) -> BusId {
        let (key, heartbeat_ms) = (self.engine.key().clone(), self.engine.heartbeat_ms());
        let seed = self.engine.fork_entropy();
        self.buses.buses.push(Bus::new(key, seed, heartbeat_ms));
        BusId(self.buses.buses.len() - 1)
    }

    /// The broker of a bus is reached, and this instance hears what is published there from now on.
    pub fn handle_bus_up(&mut self, id: BusId, now: Now) {
        self.taken += 1;
        let Some(bus) = self.buses.get_mut(id) else { return };
        bus.handle_up(now.mono_ms);
        self.engine.handle_bus_up(id.all(), now);
        self.drive(id, now);
    }

    /// The broker of a bus is lost.
    pub fn handle_bus_down(&mut self, id: BusId, now: Now) {
        self.taken += 1;
        let Some(bus) = self.buses.get_mut(id) else { return };
        bus.handle_down();
        self.engine.handle_bus_down(id.all());
        self.drive(id, now);
    }

    /// A frame came over a bus.
    ///
    /// # Errors
    /// What is wrong with a frame that no instance sends; nothing is changed by it.
    pub fn handle_bus_frame(&mut self, id: BusId, frame: &[u8], now: Now) -> Result<()> {
        self.taken += 1;
        let Driver { engine, buses, .. } = self;
        let Some(bus) = buses.get_mut(id) else { return Ok(()) };
        bus.handle_frame(frame, || engine.digests(), now.mono_ms)?;
        self.drive(id, now);
        Ok(())
    }

    /// How it stands with a bus.
    pub fn fleet(&self, id: BusId, now: Now) -> Fleet {
        self.buses.buses.get(id.0).map(|bus| bus.fleet(now.mono_ms)).unwrap_or_default()
    }

    /// Compares every document with everybody now: those who are connected are asked, and those on buses hear what is here.
    /// Returns how many they are.
    pub fn force_sync(&mut self, now: Now) -> usize {
        self.taken += 1;
        // Who is met on a bus may be connected as well.
        let mut asked: BTreeSet<_> = self.engine.force_sync(now);
        for bus in &mut self.buses.buses {
            bus.compare(now.mono_ms);
            asked.extend(bus.instances(now.mono_ms));
        }
        asked.len()
    }

    pub(super) fn time_buses(&mut self, now: Now) {
        for at in 0..self.buses.buses.len() {
            let id = BusId(at);
            let Driver { engine, buses, .. } = self;
            let Some(bus) = buses.get_mut(id) else { continue };
            if bus.poll_timeout().is_some_and(|due| due <= now.mono_ms) {
                bus.handle_timeout(|| engine.digests(), |link| state(engine, id.link(link)), now.mono_ms);
                self.drive(id, now);
            }
        }
    }

    /// Does what a bus says.
    fn drive(&mut self, id: BusId, now: Now) {
        while let Some(output) = self.buses.get_mut(id).and_then(Bus::poll) {
            let Driver { engine, buses, .. } = self;
            match output {
                Output::Publish(to, bytes) => buses.publish.push_back(Publish { bus: id, to, bytes }),
                Output::Writes(from, bytes) => {
                    // What is wrong with it is counted as what is not signed is.
                    let said = engine.handle_said(id.all(), &from, frame(&bytes), now);
                    let Some(bus) = buses.get_mut(id) else { continue };
                    match said {
                        Ok(Some(said)) => bus.lack(from.instance(), said, now.mono_ms),
                        Ok(None) => {}
                        Err(_) => bus.refuse(),
                    }
                }
                Output::Marks(said) => engine.handle_bus_marks(&said),
                Output::Same => engine.handle_bus_same(now),
                Output::Opened(link, is_dialed) => {
                    let how = if is_dialed { Link::Dialed } else { Link::Met };
                    engine.handle_connected(id.link(link), how, now);
                }
                Output::Frame(link, bytes) => engine.handle_message(id.link(link), frame(&bytes), now),
                Output::Closed(link) => engine.handle_closed(id.link(link), now),
            }
        }
    }
}

fn state(engine: &Engine, peer: PeerId) -> LinkNow {
    match engine.peer_state(peer) {
        Some(LinkState::InStep) => LinkNow::InStep,
        Some(LinkState::Behind) => LinkNow::Working,
        Some(LinkState::OtherDocument | LinkState::Refused | LinkState::Itself) => LinkNow::Apart,
        Some(LinkState::Joining | LinkState::Greeting) | None => LinkNow::Beginning,
    }
}

/// As it was sent: a JSON text, or the binary form.
fn frame(bytes: &[u8]) -> FrameRef<'_> {
    let text = if bytes.first() == Some(&b'{') { str::from_utf8(bytes).ok() } else { None };
    text.map_or(FrameRef::Binary(bytes), FrameRef::Text)
}
