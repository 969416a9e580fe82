//! Checks of a program that answer at once, late, never or with no, against an oracle that knows every answer.
//!
//! One instance checks, another one does not, and both are written to. What has to hold: the one that checks shows nothing
//! but what its checks said yes to, over crashes as well; every write is answered within the time that an answer may take, and
//! those that are made in their order; and once the checks have answered everything, it shows what the other one does, or
//! says what it withholds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use confmesh::canonical::canonical;
use confmesh::clock::Now;
use confmesh::driver::{Action, Driver, Patience};
use confmesh::engine::{
    CheckRequest, DocumentOptions, Engine, EngineConfig, Event, Link, PeerId, Persist, RequestId, StoreWrite,
};
use confmesh::id::InstanceId;
use confmesh::protocol::Frame;
use confmesh::schema::{Field, Schema};
use confmesh::{Code, Error, Value};

use super::generate::path;
use super::host::name;
use super::random::Random;
use super::{Checked, Property, Violation, violated};

const WITHIN_MS: u64 = 2_000;
const PLACES: &[&str] = &["a", "b", "c", "m.x", "m.y"];

/// One process: with checks the first, without the second.
struct Side {
    driver: Driver,
    store: BTreeMap<Vec<u8>, Vec<u8>>,
    batches: VecDeque<Persist>,
    frames: VecDeque<Frame>,
    life: u8,
}

struct Mesh {
    random: Random,
    sides: [Side; 2],
    connection: Option<u64>,
    /// Questions that have no answer yet, with when it comes; never for some.
    asked: Vec<(CheckRequest, Option<u64>)>,
    /// Documents that the checks said yes to.
    fine: BTreeSet<String>,
    /// Writes of the first one that wait for an answer, with when they were made.
    open: BTreeMap<RequestId, u64>,
    /// The newest write that was answered with yes.
    newest: Option<RequestId>,
    is_slow: bool,
    now: Now,
    /// What happened.
    story: Vec<String>,
}

/// `a` is not above `b`, and `m.x` is not `m.y`.
fn problems(document: &Value) -> Vec<Error> {
    let at = |place: &str| document.at(&path(place)).and_then(Value::as_i64).unwrap_or(0);
    let wrong = |is_wrong: bool, place: &str| {
        is_wrong.then(|| Error::new(Code::Invalid, "the program does not take it").with_path(path(place)))
    };
    let is_same = document.at(&path("m.x")).is_some() && at("m.x") == at("m.y");
    [wrong(at("a") > at("b"), "a"), wrong(is_same, "m.x")].into_iter().flatten().collect()
}

fn options(checks: bool) -> DocumentOptions {
    let check = |document: &Value| Some(problems(document)).filter(|found| !found.is_empty()).map_or(Ok(()), Err);
    let schema = checks.then(|| Schema::new(Field::map()).check(check));
    DocumentOptions {
        shared: true,
        has_peers: !checks,
        schema,
        check_within_ms: WITHIN_MS,
        ..DocumentOptions::default()
    }
}

fn driver(number: u8, life: u8, store: &BTreeMap<Vec<u8>, Vec<u8>>) -> Driver {
    let mut entropy = [number; 32];
    entropy[0] = life;
    let config =
        EngineConfig { key: Some([number; 32]), ..EngineConfig::new(InstanceId::from_bytes([number; 16]), entropy) };
    Driver::new(Engine::new(config, store.iter().map(|(key, bytes)| (key.as_slice(), bytes.as_slice()))).unwrap())
}

pub(crate) fn run(seed: u64) -> Checked {
    let random = Random::of(seed ^ 0x00c4_ec75);
    let side = |number| Side {
        driver: driver(number, 0, &BTreeMap::new()),
        store: BTreeMap::new(),
        batches: VecDeque::new(),
        frames: VecDeque::new(),
        life: 0,
    };
    let mut mesh = Mesh {
        random,
        sides: [side(1), side(2)],
        connection: None,
        asked: Vec::new(),
        fine: [canonical(&Value::empty_map())].into(),
        open: BTreeMap::new(),
        newest: None,
        is_slow: false,
        now: Now { wall_ms: 1_000_000, mono_ms: 0 },
        story: Vec::new(),
    };
    mesh.run()
        .map_err(|violation| Violation { what: format!("{}\n{}", violation.what, mesh.story.join("\n")), ..violation })
}

impl Mesh {
    fn run(&mut self) -> Checked {
        self.open(0)?;
        self.open(1)?;
        self.connect()?;
        self.quiet()?;
        let steps = 8 + self.random.below(30);
        for _ in 0..steps {
            self.step()?;
        }
        self.finish()
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        self.story.push(format!("{} {}", self.now.mono_ms, what()));
    }

    fn open(&mut self, at: usize) -> Checked {
        let patience = Patience { text_ms: 0, nothing_ms: 0 };
        self.sides[at].driver.open(name(), options(at == 0), patience, self.now);
        self.rest(at)
    }

    fn connect(&mut self) -> Checked {
        let number = self.now.mono_ms + 1;
        self.connection = Some(number);
        let now = self.now;
        self.sides[0].driver.engine_mut().handle_connected(PeerId(number), Link::Accepted, now);
        self.sides[1].driver.engine_mut().handle_connected(PeerId(number), Link::Dialed, now);
        self.rest(0)?;
        self.rest(1)
    }

    fn step(&mut self) -> Checked {
        match self.random.below(12) {
            0..=3 => self.write(0)?,
            4..=6 => self.write(1)?,
            7 => self.is_slow = !self.is_slow,
            8 if self.random.below(3) == 0 => self.crash()?,
            _ => {
                let most = self.random.pick(&[10, 300, 3_000]);
                let ms = 1 + u64::try_from(self.random.below(most)).unwrap();
                self.pass(ms)?;
            }
        }
        self.deliver(self.random.clone().below(6))
    }

    fn write(&mut self, at: usize) -> Checked {
        let place = path(self.random.pick(PLACES));
        let value = i64::try_from(self.random.below(4)).unwrap();
        let remove = self.random.below(6) == 0;
        let what = format!("{place} = {value}, remove {remove}");
        let engine = self.sides[at].driver.engine_mut();
        let request = if remove {
            engine.unset(&name(), place, self.now)
        } else {
            engine.set(&name(), place, value.into(), self.now)
        };
        if at == 0 {
            self.open.insert(request, self.now.mono_ms);
        }
        self.note(|| format!("{at} writes {what} as {request:?}"));
        self.rest(at)
    }

    /// The process that checks dies, and starts again with what is on its disk.
    fn crash(&mut self) -> Checked {
        let before = self.shown();
        self.note(|| format!("a crash; {before:?} was shown"));
        self.disconnect();
        let side = &mut self.sides[0];
        side.life += 1;
        side.batches.clear();
        side.driver = driver(1, side.life, &side.store);
        (self.newest, self.is_slow) = (None, false);
        self.open.clear();
        self.asked.clear();
        self.open(0)?;
        self.rest(1)?;
        self.quiet()?;
        let revision = self.sides[0].driver.engine().snapshot(&name()).map_or(0, |snapshot| snapshot.revision);
        if revision == 0 && before != Value::empty_map() {
            return violated(Property::Oracle, format!("after a restart nothing of {before:?} is in force"));
        }
        self.connect()
    }

    fn disconnect(&mut self) {
        let Some(number) = self.connection.take() else { return };
        for side in &mut self.sides {
            side.frames.clear();
            side.driver.engine_mut().handle_closed(PeerId(number), self.now);
        }
    }

    fn shown(&self) -> Value {
        self.sides[0].driver.engine().snapshot(&name()).map_or_else(Value::empty_map, |snapshot| snapshot.value.clone())
    }

    /// Some of the frames and batches get where they go.
    fn deliver(&mut self, most: usize) -> Checked {
        for _ in 0..most {
            for at in [0, 1] {
                if let Some(frame) = self.sides[at].frames.pop_front()
                    && let Some(number) = self.connection
                {
                    self.sides[1 - at].driver.engine_mut().handle_message(PeerId(number), &frame, self.now);
                    self.rest(1 - at)?;
                }
                self.store(at)?;
            }
        }
        Ok(())
    }

    fn store(&mut self, at: usize) -> Checked {
        let side = &mut self.sides[at];
        let Some(batch) = side.batches.pop_front() else { return Ok(()) };
        for write in batch.writes {
            match write {
                StoreWrite::Put { key, bytes } => drop(side.store.insert(key, bytes)),
                StoreWrite::Delete { key } => drop(side.store.remove(&key)),
            }
        }
        side.driver.handle_stored(batch.ticket, Ok(()), self.now);
        self.note(|| format!("{at} has stored {:?}", batch.ticket));
        self.rest(at)
    }

    fn pass(&mut self, ms: u64) -> Checked {
        let end = self.now.mono_ms + ms;
        while self.now.mono_ms < end {
            let dues = self.sides.iter().filter_map(|side| side.driver.poll_timeout());
            let answers = self.asked.iter().filter_map(|(_, due)| *due);
            let next = dues.chain(answers).min().unwrap_or(end).clamp(self.now.mono_ms + 1, end);
            self.now.wall_ms += next - self.now.mono_ms;
            self.now.mono_ms = next;
            while let Some(at) = self.asked.iter().position(|(_, due)| due.is_some_and(|due| due <= next)) {
                let (request, _) = self.asked.remove(at);
                self.answer(request)?;
            }
            for at in [0, 1] {
                self.sides[at].driver.handle_timeout(self.now);
                self.rest(at)?;
            }
            self.overdue()?;
        }
        Ok(())
    }

    fn answer(&mut self, request: CheckRequest) -> Checked {
        let said = request.run();
        self.note(|| format!("{:?} of {:?}: {said:?}", request.ticket, request.value));
        if said.is_empty() {
            self.fine.insert(canonical(&request.value));
        }
        self.sides[0].driver.handle_checked(request.ticket, said, self.now);
        self.rest(0)
    }

    /// Every write is answered once its turn came and the checks had their time.
    fn overdue(&self) -> Checked {
        let is_stored = self.sides[0].batches.is_empty();
        for (place, (request, since)) in self.open.iter().enumerate().filter(|_| is_stored) {
            // Those before it, its own questions, and those of the layers that it is a part of.
            let turns = 20 + 12 * u64::try_from(place).unwrap();
            if self.now.mono_ms > since + turns * WITHIN_MS {
                return violated(Property::Liveness, format!("{request:?} of {since} has no answer"));
            }
        }
        Ok(())
    }

    /// Does what one driver says, until it says nothing.
    fn rest(&mut self, at: usize) -> Checked {
        while let Some(action) = self.sides[at].driver.poll() {
            match action {
                Action::Store(batch) => self.sides[at].batches.push_back(batch),
                Action::Transmit(transmit) => self.sides[at].frames.push_back(transmit.frame),
                Action::Check(request) => {
                    let wait_ms = match self.random.below(if self.is_slow { 4 } else { 1 }) {
                        0 => Some(self.random.below(20)),
                        1 => Some(1_500 + self.random.below(1_000)),
                        2 => Some(5_000 + self.random.below(20_000)),
                        _ => None,
                    };
                    let due = wait_ms.map(|ms| self.now.mono_ms + u64::try_from(ms).unwrap());
                    self.note(|| format!("{:?} asks about {:?}, {due:?}", request.ticket, request.value));
                    self.asked.push((request, due));
                }
                Action::Event(Event::Written { request, result }) if at == 0 => {
                    self.open.remove(&request);
                    self.note(|| format!("{request:?} is answered {}", result.is_ok()));
                    if result.is_ok() && self.newest.replace(request) > Some(request) {
                        return violated(Property::Other, format!("{request:?} is made after a later one"));
                    }
                }
                Action::Event(_) | Action::Resume(_) | Action::Keep(_) | Action::Publish(_) | Action::Say(_) => {}
                Action::Look(_) | Action::Edit(_) | Action::Write(_) => {
                    return violated(Property::Other, "there is no file");
                }
            }
        }
        let shown = self.shown();
        if !self.fine.contains(&canonical(&shown)) || !problems(&shown).is_empty() {
            return violated(Property::Oracle, format!("{shown:?} is in force, and the checks did not say yes to it"));
        }
        Ok(())
    }

    /// The checks answer everything, at once from now on, also what they are late with; nobody writes.
    fn quiet(&mut self) -> Checked {
        self.is_slow = false;
        for _ in 0..200 {
            let is_done = self.asked.is_empty()
                && self.sides.iter().all(|side| side.frames.is_empty() && side.batches.is_empty());
            if is_done {
                return Ok(());
            }
            while !self.asked.is_empty() {
                let (request, _) = self.asked.remove(0);
                self.answer(request)?;
            }
            self.deliver(4)?;
        }
        violated(Property::Liveness, "it never comes to rest")
    }

    fn finish(&mut self) -> Checked {
        if self.random.below(4) == 0 {
            // Nobody answers, for long.
            for _ in 0..20 {
                self.pass(5_000)?;
                self.deliver(10)?;
            }
        }
        self.quiet()?;
        self.agree()?;
        self.pass(12_000)?;
        self.quiet()?;
        self.agree()?;
        // Somebody mends what is wrong.
        for (place, value) in [("a", 0), ("b", 9), ("m.x", 1), ("m.y", 2)] {
            self.sides[1].driver.engine_mut().set(&name(), path(place), value.into(), self.now);
            self.rest(1)?;
        }
        self.quiet()?;
        self.agree()?;
        if let Some(request) = self.open.keys().next() {
            return violated(Property::Liveness, format!("{request:?} was never answered"));
        }
        Ok(())
    }

    /// All questions are answered: what others wrote is in force, or it is said that it is not.
    fn agree(&self) -> Checked {
        let status = self.sides[0].driver.engine().status().remove(0);
        if let Some(checking) = status.checking {
            return violated(Property::Liveness, format!("nothing is asked, and {checking:?} waits"));
        }
        let newest = self.sides[1].driver.engine().snapshot(&name()).map(|snapshot| snapshot.value.clone());
        let (shown, newest) = (self.shown(), newest.unwrap_or_default());
        match problems(&newest).is_empty() {
            true if shown == newest && status.rejected.is_none() && status.withheld.is_empty() => Ok(()),
            false if status.rejected.is_some() && !status.withheld.is_empty() => Ok(()),
            _ => {
                let (rejected, withheld) = (status.rejected, status.withheld);
                let what = format!("{newest:?} shows as {shown:?}, rejected {rejected:?}, withheld {withheld:?}");
                violated(Property::Oracle, what)
            }
        }
    }
}
