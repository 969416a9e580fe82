//! Buses between instances: frames that everybody hears, or the inbox of one. They lose, repeat, reorder, echo and replay,
//! go silent, and come back.

use std::collections::BTreeMap;
use std::sync::Arc;

use confmesh::bus::To;
use confmesh::driver::{BusId, Publish};
use confmesh::id::InstanceId;
use confmesh::identity::Key;

use super::swarm::Fault;
use super::world::World;
use super::{Checked, Property, violated};

/// How many frames a bus keeps that may be played again.
const KEPT: usize = 64;

/// One bus.
#[derive(Default)]
pub(crate) struct Channel {
    /// Until when nothing goes over it.
    down_until_ms: u64,
    /// The instances that it lost without their knowing, and until when.
    deaf: BTreeMap<usize, u64>,
    /// Those who were told that it is gone.
    told: Vec<usize>,
    /// When the last frame arrives at each.
    last_arrival: BTreeMap<usize, u64>,
    kept: Vec<(To, Arc<[u8]>)>,
}

impl World {
    /// The buses that an instance is to be on.
    pub(crate) fn draw_buses(&mut self) -> Vec<usize> {
        let rate = self.swarm.rate(Fault::Bus);
        if rate == 0 || self.swarm.settles() {
            return Vec::new();
        }
        if self.channels.is_empty() {
            let count = 1 + self.bused.below(2);
            self.channels.resize_with(count, Channel::default);
        }
        (0..self.channels.len()).filter(|_| self.bused.below(4) > 0).collect()
    }

    /// Whether two instances are on one bus.
    pub(crate) fn share_a_bus(&self, one: usize, other: usize) -> bool {
        self.hosts[one].on.iter().any(|channel| self.hosts[other].on.contains(channel))
    }

    /// A process that begins gets to its buses.
    pub(crate) fn get_on(&mut self, at: usize) {
        let now = self.hosts[at].now(self.now_ms);
        let on = self.hosts[at].on.clone();
        self.hosts[at].buses.clear();
        for channel in on {
            let is_up = self.channels[channel].down_until_ms <= self.now_ms;
            let told = &mut self.channels[channel].told;
            told.retain(|told| *told != at);
            let Some(process) = &mut self.hosts[at].engine else { return };
            let id = process.driver().add_bus();
            if is_up {
                process.driver().handle_bus_up(id, now);
            } else {
                told.push(at);
            }
            self.hosts[at].buses.push((channel, id));
        }
    }

    pub(crate) fn publish(&mut self, from: usize, Publish { bus, to, bytes }: Publish) {
        let Some((channel, _)) = self.hosts[from].buses.iter().find(|(_, id)| *id == bus).copied() else { return };
        let bytes: Arc<[u8]> = bytes.into();
        self.note(|| format!("{from} says {} B to {to:?} on bus {channel}", bytes.len()));
        if self.channels[channel].down_until_ms > self.now_ms || self.is_deaf(channel, from) {
            return;
        }
        let kept = &mut self.channels[channel].kept;
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((to, Arc::clone(&bytes)));
        self.carry(channel, to, &bytes);
    }

    fn is_deaf(&self, channel: usize, at: usize) -> bool {
        self.channels[channel].deaf.get(&at).is_some_and(|until_ms| *until_ms > self.now_ms)
    }

    /// Hands a frame to everybody whom it is for, the sender among them.
    fn carry(&mut self, channel: usize, to: To, bytes: &Arc<[u8]>) {
        for at in 0..self.hosts.len() {
            let host = &self.hosts[at];
            let is_for = to == To::All || to == To::One(instance(at));
            let is_there = host.is_up() && host.on.contains(&channel) && !self.is_deaf(channel, at);
            if !is_for || !is_there {
                continue;
            }
            if self.bus_strikes(Fault::Loss) {
                self.note(|| format!("it is lost on its way to {at}"));
                continue;
            }
            let copies = if self.bus_strikes(Fault::Duplication) { 2 } else { 1 };
            for _ in 0..copies {
                let overtakes = self.bus_strikes(Fault::Reorder);
                let travel = u64::try_from(self.bused.below(self.swarm.latency_ms + 1)).unwrap();
                let last = self.channels[channel].last_arrival.entry(at).or_default();
                let at_ms = if overtakes { self.now_ms + travel } else { *last.max(&mut (self.now_ms + travel)) };
                *last = at_ms.max(*last);
                self.launch_bus(at_ms, at, channel, Arc::clone(bytes));
            }
        }
    }

    fn bus_strikes(&mut self, fault: Fault) -> bool {
        let rate = self.swarm.rate(fault);
        self.faults && self.bused.chance(rate)
    }

    /// A frame of a bus gets to an instance.
    pub(crate) fn hear(&mut self, at: usize, channel: usize, bytes: &[u8]) -> Checked {
        let now = self.hosts[at].now(self.now_ms);
        let id: Option<BusId> = self.hosts[at].buses.iter().find(|(on, _)| *on == channel).map(|(_, id)| *id);
        let Some((id, process)) = id.zip(self.hosts[at].engine.as_mut()) else { return Ok(()) };
        if let Err(error) = process.driver().handle_bus_frame(id, bytes, now) {
            return violated(Property::Other, format!("{at} refuses what an instance said on a bus: {error}"));
        }
        self.settle(at)
    }

    /// What is over on buses is over.
    pub(crate) fn mend_buses(&mut self) -> Checked {
        for channel in 0..self.channels.len() {
            if self.channels[channel].down_until_ms <= self.now_ms {
                for at in std::mem::take(&mut self.channels[channel].told) {
                    self.tell_bus(channel, at, true)?;
                }
            }
        }
        Ok(())
    }

    /// All faults of buses are over.
    pub(crate) fn end_bus_faults(&mut self) -> Checked {
        for channel in &mut self.channels {
            channel.down_until_ms = 0;
            channel.deaf.clear();
        }
        self.mend_buses()
    }

    fn tell_bus(&mut self, channel: usize, at: usize, is_up: bool) -> Checked {
        let now = self.hosts[at].now(self.now_ms);
        let id = self.hosts[at].buses.iter().find(|(on, _)| *on == channel).map(|(_, id)| *id);
        let Some((id, process)) = id.zip(self.hosts[at].engine.as_mut()) else { return Ok(()) };
        match is_up {
            true => process.driver().handle_bus_up(id, now),
            false => process.driver().handle_bus_down(id, now),
        }
        self.note(|| format!("{at} hears that bus {channel} is up: {is_up}"));
        self.settle(at)
    }

    /// Something happens to a bus.
    pub(crate) fn trouble_bus(&mut self) -> Checked {
        let channel = self.bused.below(self.channels.len());
        let on: Vec<usize> = self
            .hosts
            .iter()
            .filter(|host| host.is_up() && host.on.contains(&channel))
            .map(|host| host.number)
            .collect();
        if on.is_empty() {
            return Ok(());
        }
        let (at, until_ms) = (self.bused.pick(&on), self.now_ms + self.bused.pick(&[200, 3_000, 30_000]));
        match self.bused.below(5) {
            // The broker is gone, and those who are on the bus hear it; or it stands still, and nobody hears anything.
            kind @ (0 | 1) => {
                self.note(|| format!("bus {channel} is gone until {until_ms}"));
                self.channels[channel].down_until_ms = until_ms;
                for at in on.into_iter().filter(|_| kind == 0) {
                    if !self.channels[channel].told.contains(&at) {
                        self.channels[channel].told.push(at);
                        self.tell_bus(channel, at, false)?;
                    }
                }
                Ok(())
            }
            2 => {
                self.note(|| format!("{at} is deaf on bus {channel} until {until_ms}"));
                self.channels[channel].deaf.insert(at, until_ms);
                Ok(())
            }
            3 => {
                let kept = self.channels[channel].kept.len();
                let Some((to, bytes)) = self.channels[channel].kept.get(self.bused.below(kept)).cloned() else {
                    return Ok(());
                };
                self.note(|| format!("somebody plays {} B to {to:?} again on bus {channel}", bytes.len()));
                self.carry(channel, to, &bytes);
                Ok(())
            }
            _ => self.spoil(channel, at),
        }
    }

    /// A frame that was changed on its way is refused, and changes nothing (P23).
    fn spoil(&mut self, channel: usize, at: usize) -> Checked {
        let kept = self.channels[channel].kept.len();
        let Some((to, bytes)) = self.channels[channel].kept.get(self.bused.below(kept)).cloned() else { return Ok(()) };
        let id = self.hosts[at].buses.iter().find(|(on, _)| *on == channel).map(|(_, id)| *id);
        if to != To::All || self.channels[channel].told.contains(&at) {
            return Ok(());
        }
        let mut bytes = bytes.to_vec();
        let place = 45 + self.bused.below(bytes.len() - 45);
        bytes[place] ^= 1 << self.bused.below(8);
        let now = self.hosts[at].now(self.now_ms);
        self.rest(at)?;
        let Some((id, process)) = id.zip(self.hosts[at].engine.as_mut()) else { return Ok(()) };
        let status = process.status();
        let own = Key::from_seed(&seed(at)).public();
        let is_own = bytes[5..37] == own.as_bytes()[..];
        let refused = process.driver().handle_bus_frame(id, &bytes, now).is_err();
        if (!refused && !is_own) || process.status() != status {
            return violated(Property::Other, format!("a spoiled frame changed instance {at}"));
        }
        self.settle(at)
    }
}

/// The seed of the key of an instance.
pub(crate) fn seed(at: usize) -> [u8; 32] {
    [u8::try_from(at + 1).unwrap(); 32]
}

fn instance(at: usize) -> InstanceId {
    Key::from_seed(&seed(at)).public().instance()
}
