//! Fleets of drivers on buses, in virtual time.
use std::collections::BTreeSet;

use super::*;
use crate::bus::To;
use crate::canonical::canonical;
use crate::driver::{BusId, Publish, Saying};
use crate::identity::Key;

/// How long a frame travels.
const TRAVEL_MS: u64 = 5;

pub(super) struct Fleet {
    pub(super) now: Now,
    pub(super) drivers: Vec<Driver>,
    /// The buses that each is on: which, and what its driver calls it.
    pub(super) on: Vec<Vec<(usize, BusId)>>,
    down: BTreeSet<usize>,
    /// Frames on their way: when they arrive, to whom, over which bus.
    flights: VecDeque<(u64, usize, usize, Vec<u8>)>,
    /// What was published since somebody looked: for all, and for one.
    for_all: usize,
    for_one: usize,
    longest: usize,
    /// Values that were said to programs, and by whom.
    pub(super) said: Vec<(usize, Saying)>,
}

fn seed(at: usize) -> [u8; 32] {
    let mut seed = [9; 32];
    seed[..8].copy_from_slice(&at.to_be_bytes());
    seed
}

impl Fleet {
    fn new() -> Fleet {
        let (drivers, on, down, flights) = (Vec::new(), Vec::new(), BTreeSet::new(), VecDeque::new());
        Fleet { now: START, drivers, on, down, flights, for_all: 0, for_one: 0, longest: 0, said: Vec::new() }
    }

    /// So many on one bus that hold one document.
    pub(super) fn of(count: usize) -> Fleet {
        let mut fleet = Fleet::new();
        fleet.add(false, &[0]);
        for _ in 1..count {
            fleet.add(true, &[0]);
        }
        fleet.pass(20_000);
        fleet.agree();
        fleet.take_counts();
        fleet
    }

    fn add(&mut self, has_peers: bool, buses: &[usize]) -> usize {
        let at = self.drivers.len();
        let id = Key::from_seed(&seed(at)).public().instance();
        let config = EngineConfig { key: Some(seed(at)), ..EngineConfig::new(id, seed(at)) };
        let mut driver = Driver::new(Engine::new(config, []).unwrap());
        let options = DocumentOptions { shared: true, has_peers, ..DocumentOptions::default() };
        driver.open(name(), options, Patience { text_ms: 12_000, nothing_ms: 12_000 }, self.now);
        let on: Vec<(usize, BusId)> = buses.iter().map(|bus| (*bus, driver.add_bus())).collect();
        for (_, id) in on.iter().filter(|(bus, _)| !self.down.contains(bus)) {
            driver.handle_bus_up(*id, self.now);
        }
        self.drivers.push(driver);
        self.on.push(on);
        self.rest(at);
        at
    }

    pub(super) fn rest(&mut self, at: usize) {
        while let Some(action) = self.drivers[at].poll() {
            match action {
                Action::Store(batch) => self.drivers[at].handle_stored(batch.ticket, Ok(()), self.now),
                Action::Publish(publish) => self.publish(at, publish),
                Action::Say(saying) => self.said.push((at, saying)),
                _ => {}
            }
        }
    }

    fn publish(&mut self, from: usize, Publish { bus, to, bytes }: Publish) {
        let (bus, _) = *self.on[from].iter().find(|(_, id)| *id == bus).unwrap();
        match to {
            To::All => self.for_all += 1,
            To::One(_) => self.for_one += 1,
        }
        self.longest = self.longest.max(bytes.len());
        if self.down.contains(&bus) {
            return;
        }
        for at in 0..self.drivers.len() {
            let own = Key::from_seed(&seed(at)).public().instance();
            if self.on[at].iter().any(|(on, _)| *on == bus) && (to == To::All || to == To::One(own)) {
                self.flights.push_back((self.now.mono_ms + TRAVEL_MS, at, bus, bytes.clone()));
            }
        }
    }

    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now.mono_ms + ms;
        loop {
            while let Some((_, at, bus, bytes)) = self.flights.pop_front_if(|flight| flight.0 <= self.now.mono_ms) {
                let id = self.on[at].iter().find(|(on, _)| *on == bus).unwrap().1;
                self.drivers[at].handle_bus_frame(id, &bytes, self.now).unwrap();
                self.rest(at);
            }
            let timers = self.drivers.iter().filter_map(Driver::poll_timeout);
            let next = timers.chain(self.flights.front().map(|flight| flight.0)).min().unwrap();
            let next = next.max(self.now.mono_ms + 1);
            if next > end {
                break;
            }
            self.now = Now { wall_ms: START.wall_ms + next, mono_ms: next };
            for at in 0..self.drivers.len() {
                if self.drivers[at].poll_timeout().is_some_and(|due| due <= next) {
                    self.drivers[at].handle_timeout(self.now);
                    self.rest(at);
                }
            }
        }
        self.now = Now { wall_ms: START.wall_ms + end, mono_ms: end };
    }

    fn turn(&mut self, bus: usize, is_up: bool) {
        match is_up {
            true => self.down.remove(&bus),
            false => self.down.insert(bus),
        };
        for at in 0..self.drivers.len() {
            let Some((_, id)) = self.on[at].iter().find(|(on, _)| *on == bus).copied() else { continue };
            match is_up {
                true => self.drivers[at].handle_bus_up(id, self.now),
                false => self.drivers[at].handle_bus_down(id, self.now),
            }
            self.rest(at);
        }
    }

    pub(super) fn set(&mut self, at: usize, path: &str, value: i64) {
        let now = self.now;
        self.drivers[at].engine_mut().set(&name(), Path::parse(path).unwrap(), value.into(), now);
        self.rest(at);
    }

    pub(super) fn shown(&self, at: usize) -> String {
        canonical(&self.drivers[at].engine().snapshot(&name()).unwrap().value)
    }

    pub(super) fn agree(&self) {
        let digests: Vec<_> = self.drivers.iter().map(|driver| driver.engine().digests()).collect();
        for (at, digest) in digests.iter().enumerate() {
            assert!(digest[0].held.is_some(), "{at} holds nothing");
            assert_eq!(digest, &digests[0], "{at} holds something else");
        }
    }

    fn take_counts(&mut self) -> (usize, usize) {
        (std::mem::take(&mut self.for_all), std::mem::take(&mut self.for_one))
    }
}

#[test]
fn a_write_is_said_once_to_all_and_nobody_has_to_ask() {
    let mut fleet = Fleet::of(5);
    fleet.set(3, "limit", 7);
    fleet.pass(1_000);
    fleet.agree();
    assert_eq!(fleet.shown(0), r#"{"limit":7}"#);
    let (for_all, for_one) = fleet.take_counts();
    assert_eq!(for_one, 0, "no links");
    assert!(for_all <= 8, "the write, and digests of two intervals: {for_all}");
}

#[test]
fn what_a_quiet_fleet_says_does_not_grow_with_it() {
    let mut said = Vec::new();
    for count in [5, 25] {
        let mut fleet = Fleet::of(count);
        fleet.pass(60_000);
        fleet.take_counts();
        fleet.pass(60_000);
        let (for_all, for_one) = fleet.take_counts();
        assert_eq!(for_one, 0);
        assert!(fleet.longest < 4_000);
        said.push(for_all);
    }
    // Twelve heartbeats: two in each, and those that overlap.
    assert!(said.iter().all(|said| (12..=60).contains(said)), "{said:?}");
}

#[test]
fn a_newcomer_gets_the_document_over_one_link() {
    let mut fleet = Fleet::of(10);
    fleet.set(0, "limit", 7);
    fleet.pass(20_000);
    fleet.take_counts();
    let at = fleet.add(true, &[0]);
    fleet.pass(2_500);
    fleet.agree();
    assert_eq!(fleet.shown(at), r#"{"limit":7}"#);
    let (_, for_one) = fleet.take_counts();
    // Greetings, proofs, the document, receipts, a heartbeat, the end: of one link, and not of nine.
    assert!(for_one <= 24, "{for_one}");
}

#[test]
fn what_came_about_in_an_outage_is_said_when_it_is_over_and_few_have_to_ask() {
    let mut fleet = Fleet::of(20);
    fleet.turn(0, false);
    for at in 0..3 {
        fleet.set(at, &format!("at.{at}"), 1);
    }
    fleet.pass(30_000);
    let before = fleet.take_counts();
    assert_eq!(before, (0, 0), "what nobody hears is not said");
    fleet.turn(0, true);
    fleet.pass(5_000);
    fleet.agree();
    assert_eq!(fleet.shown(19), r#"{"at":{"0":1,"1":1,"2":1}}"#);
    let (for_all, for_one) = fleet.take_counts();
    assert!(for_all < 40 && for_one == 0, "{for_all} {for_one}");
}

#[test]
fn who_missed_a_write_asks_one_and_the_answer_serves_all() {
    let mut fleet = Fleet::of(20);
    fleet.set(0, "limit", 7);
    // Nobody heard it.
    fleet.flights.clear();
    fleet.pass(5_000);
    fleet.agree();
    let (_, for_one) = fleet.take_counts();
    assert!((1..120).contains(&for_one), "a few links, and not one for each of 19: {for_one} frames");
}

#[test]
fn instances_that_share_no_bus_agree_through_one_that_is_on_both_and_nothing_goes_round() {
    let mut fleet = Fleet::new();
    fleet.add(false, &[0]);
    fleet.add(true, &[0, 1]);
    fleet.add(true, &[1]);
    fleet.add(true, &[0, 1]);
    fleet.pass(30_000);
    fleet.agree();
    fleet.take_counts();
    fleet.set(0, "limit", 7);
    fleet.pass(200);
    fleet.agree();
    let (for_all, for_one) = fleet.take_counts();
    assert!(for_all <= 6 && for_one == 0, "{for_all} {for_one}: once on each bus by each of two at most");
    fleet.turn(0, false);
    fleet.set(2, "limit", 8);
    fleet.pass(5_000);
    assert_eq!(fleet.shown(3), r#"{"limit":8}"#, "one bus does not wait for the other");
    assert_eq!(fleet.shown(0), r#"{"limit":7}"#);
    fleet.turn(0, true);
    fleet.pass(5_000);
    fleet.agree();
}

#[test]
fn a_fleet_that_begins_together_comes_to_one_document() {
    let mut fleet = Fleet::new();
    (0..12).for_each(|_| _ = fleet.add(true, &[0]));
    for at in 0..12 {
        fleet.set(at, &format!("at.a{at}"), 1);
    }
    fleet.pass(15_000);
    fleet.agree();
    assert_eq!(
        fleet.drivers[0]
            .engine()
            .snapshot(&name())
            .unwrap()
            .value
            .at(&Path::parse("at").unwrap())
            .unwrap()
            .as_map()
            .unwrap()
            .len(),
        12
    );
}

#[test]
fn a_long_write_is_not_said_to_all_and_everybody_gets_it() {
    let mut fleet = Fleet::of(3);
    let now = fleet.now;
    let long = "x".repeat(700_000);
    fleet.drivers[1].engine_mut().set(&name(), Path::parse("text").unwrap(), long.as_str().into(), now);
    fleet.rest(1);
    fleet.pass(10_000);
    fleet.agree();
    assert!(fleet.longest < 300_000, "in pieces: {}", fleet.longest);
}
