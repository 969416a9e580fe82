//! Instances, the links between them, and virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use confmesh::clock::{Dot, MAX_AHEAD_MS, VersionVector};
use confmesh::engine::{DocumentOptions, Event, FileBinding, Link};
use confmesh::format::{Format, print};
use confmesh::id::Genesis;
use confmesh::protocol::WireOptions;
use confmesh::{Code, Error, Policy};

use super::buses::Channel;
use super::generate::{self, FIRST_MARKER, markers};
use super::history::{History, floor, left_by, listed_by, moves_floor, stored};
use super::host::{Host, name};
use super::network::{Edge, Flight};
use super::random::Random;
use super::runtime::PATIENCE;
use super::swarm::{Fault, Options, Swarm};
use super::withhold::Rules;
use super::{Checked, Property, violated};

pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) swarm: Swarm,
    pub(crate) random: Random,
    /// What decides on faults that came later, so that the seeds of before keep their stories.
    pub(crate) extra: Random,
    /// The same for what instances check.
    pub(crate) ruled: Random,
    /// The same for what happens around the drivers.
    pub(crate) around: Random,
    /// What strangers do.
    pub(crate) strange: Random,
    /// What people do who count.
    pub(crate) counted: Random,
    /// What happens on buses.
    pub(crate) bused: Random,
    pub(crate) channels: Vec<Channel>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) flights: BinaryHeap<Reverse<Flight>>,
    pub(crate) next_flight: u64,
    pub(crate) next_peer: u64,
    pub(crate) now_ms: u64,
    pub(crate) marker: i64,
    pub(crate) history: History,
    /// Writes that were acknowledged: by whom, in which document.
    pub(crate) acknowledged: Vec<(usize, Genesis, Dot)>,
    /// What instances had seen whose data directory an operator emptied: their document was given up.
    pub(crate) wiped: confmesh::clock::VersionVector,
    /// What guests wrote: whose host, in which of its lives, where, what.
    pub(crate) guest_writes: Vec<(usize, u64, confmesh::Path, confmesh::Value)>,
    /// How often somebody decided a conflict at a path, which may write there again what was there.
    pub(crate) decided: BTreeMap<confmesh::Path, usize>,
    pub(crate) comparisons: usize,
    /// How often an instance dropped history.
    pub(crate) settled: usize,
    /// How often one took over the document of others that had gone on without it.
    pub(crate) rebased: usize,
    pub(crate) binary_frames: usize,
    /// What one connection cost so far, by the number of its edge.
    pub(crate) metered: Option<(usize, usize)>,
    pub(crate) faults: bool,
    pub(crate) trace: Option<Vec<String>>,
    rules: Policy,
}

impl World {
    pub(crate) fn new(seed: u64, options: &Options) -> World {
        let mut random = Random::of(seed);
        let mut extra = Random::of(!seed);
        let mut ruled = Random::of(seed.rotate_left(17) ^ 0x5eed);
        let mut around = Random::of(seed ^ 0xd81e);
        let mut strange = Random::of(seed.rotate_left(32) ^ 0x5741_4e47);
        let mut counted = Random::of(seed.rotate_left(48) ^ 0xc047);
        let mut bused = Random::of(seed.rotate_left(8) ^ 0xb05);
        let later = [&mut extra, &mut ruled, &mut around, &mut strange, &mut counted, &mut bused];
        let swarm = Swarm::of(&mut random, later, options);
        let rules = generate::policy(&mut random);
        World {
            seed,
            swarm,
            random,
            extra,
            ruled,
            around,
            strange,
            counted,
            bused,
            channels: Vec::new(),
            hosts: Vec::new(),
            edges: Vec::new(),
            flights: BinaryHeap::new(),
            next_flight: 0,
            next_peer: 0,
            now_ms: 0,
            marker: FIRST_MARKER,
            history: History::default(),
            acknowledged: Vec::new(),
            wiped: confmesh::clock::VersionVector::default(),
            guest_writes: Vec::new(),
            decided: BTreeMap::new(),
            comparisons: 0,
            settled: 0,
            rebased: 0,
            binary_frames: 0,
            metered: None,
            faults: true,
            trace: options.trace.then(Vec::new),
            rules,
        }
    }

    pub(crate) fn run(&mut self) -> Checked {
        let swarm = self.swarm.clone();
        self.note(|| format!("{swarm:?}"));
        for number in 0..self.swarm.replicas {
            let links: Vec<usize> = match self.swarm.topology {
                _ if number == 0 => Vec::new(),
                0 => vec![number - 1],
                1 => vec![0],
                _ => (0..number).collect(),
            };
            self.add_replica(&links)?;
        }
        for _ in 0..self.swarm.guests {
            self.add_guest()?;
        }
        for edge in 0..self.edges.len() {
            if self.swarm.begins_together || self.random.below(2) == 0 {
                self.connect(edge)?;
            }
        }
        for _ in 0..self.swarm.steps {
            self.step()?;
        }
        self.finish()
    }

    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>8} ms  {}", self.now_ms, text()));
        }
    }

    pub(crate) fn strikes(&mut self, fault: Fault) -> bool {
        let rate = self.swarm.rate(fault);
        self.random.chance(rate)
    }

    pub(crate) fn add_replica(&mut self, links: &[usize]) -> Checked {
        let number = self.hosts.len();
        let own = self.swarm.rate(Fault::Policy) > 0;
        let policy = if own { generate::policy(&mut self.random) } else { self.rules.clone() };
        let first = number == 0 && self.swarm.begins_together;
        let has_peers = !first && (self.swarm.begins_together || self.random.below(4) > 0);
        let rate = self.swarm.rate(Fault::Files);
        let has_file = rate > 0 && self.random.chance(200 + rate);
        let file =
            (has_file && self.random.below(3) > 0).then(|| generate::document(&mut self.random, &mut self.marker));
        let binding = has_file.then(|| FileBinding {
            id: format!("{number}.json").into(),
            format: Format::Json,
            is_named: false,
        });
        let options = DocumentOptions {
            shared: true,
            file: binding,
            has_peers,
            policy: policy.clone(),
            settle: self.swarm.settles(),
            ..DocumentOptions::default()
        };
        let text = file.map(|value| print(&value, Format::Json).unwrap());
        self.note(|| {
            format!("{number} begins, peers expected: {has_peers}, rules {:?}, file {text:?}", policy.to_value())
        });
        let ruled = self.swarm.rate(Fault::Withhold);
        let rules = if self.ruled.chance(ruled) { Rules::draw(&mut self.ruled) } else { Rules::default() };
        self.note(|| format!("{number} checks {rules:?}"));
        let mut host = Host::new(number, rules.options(options), policy, text);
        host.rules = rules;
        host.heartbeat_ms = self.swarm.heartbeat_ms;
        if self.swarm.settles() {
            // Young documents drop nothing.
            host.old_after_ms = 30_000;
        }
        host.wire = self.wire();
        if self.swarm.rate(Fault::Clock) > 0 {
            host.offset_ms = self.offset();
        }
        host.on = self.draw_buses();
        self.hosts.push(host);
        for other in links {
            let ends = if self.random.below(2) == 0 { [number, *other] } else { [*other, number] };
            let is_bus = self.share_a_bus(number, *other) && self.bused.below(4) > 0;
            self.edges.push(Edge { is_bus, ..Edge::new(ends, Link::Dialed) });
        }
        self.start(number)
    }

    /// How an instance writes messages.
    fn wire(&mut self) -> WireOptions {
        let mut wire = WireOptions::default();
        if self.swarm.rate(Fault::Wire) > 0 {
            wire.binary = self.extra.below(2) == 0;
            wire.compress_min_bytes = self.extra.pick(&[None, Some(64), wire.compress_min_bytes]);
            wire.part_bytes = self.extra.pick(&[400, 2_000, wire.part_bytes]);
        }
        wire
    }

    fn add_guest(&mut self) -> Checked {
        let number = self.hosts.len();
        let host = self.random.below(self.swarm.replicas);
        self.note(|| format!("{number} is a guest of {host}"));
        let mut guest = Host::new(number, DocumentOptions::default(), Policy::default(), None);
        guest.guest_of = Some(host);
        self.hosts.push(guest);
        self.edges.push(Edge::new([number, host], Link::Host));
        self.start(number)
    }

    /// Whether any rule makes numbers that nobody wrote.
    fn averages(&self) -> bool {
        let mut rules = self.hosts.iter().flat_map(|host| host.policy.rules());
        rules.any(|rule| rule.conflict == Some(confmesh::policy::ConflictStrategy::NumericAverage))
    }

    /// A distance of at most ten years.
    pub(crate) fn offset(&mut self) -> i64 {
        let decade = 315_360_000_000;
        self.random.pick(&[-decade, -86_400_000, -61_000, -1_000, 0, 0, 500, 59_000, 3_600_000, decade])
    }

    pub(crate) fn start(&mut self, at: usize) -> Checked {
        let seed = self.seed;
        let now_ms = self.now_ms;
        // What is there at the start is believed: nobody is in the middle of a save just then.
        self.end_editing(at);
        let host = &mut self.hosts[at];
        host.known = if host.is_replica() { stored(&host.store) } else { None };
        host.floor = floor(&host.store);
        host.checked = None;
        if let Some(found) = host.after_death.take() {
            (host.in_force, host.withheld) = found;
        }
        if host.known.is_none() {
            (host.in_force, host.withheld) = (confmesh::Value::empty_map(), Default::default());
        }
        let (now, options) = (host.now(now_ms), host.options.clone());
        let is_replica = host.is_replica();
        let found = host.read();
        let process = match host.start(seed) {
            Ok(process) => process,
            Err(error) => return violated(Property::Durability, format!("{at} cannot start: {error}")),
        };
        if is_replica {
            let has_file = options.file.is_some();
            process.driver().open(name(), options, PATIENCE, now);
            if has_file {
                process.driver().handle_first_look(&name(), found, now);
            }
            self.get_on(at);
        } else {
            process.open_guest(name());
        }
        self.watch_anew(at);
        self.settle(at)
    }

    /// A process dies: batches reached the disk up to some point, perhaps a file was written, connections break.
    pub(crate) fn kill(&mut self, at: usize) -> Checked {
        self.note(|| format!("{at} dies"));
        self.hosts[at].engine = None;
        self.hosts[at].dies_in = None;
        self.hosts[at].open.clear();
        let batches = std::mem::take(&mut self.hosts[at].batches);
        // What stands behind a batch that failed gets nowhere.
        let most = if self.hosts[at].around.failed.is_some() { 0 } else { batches.len() };
        let survive = self.random.below(most + 1);
        for batch in batches.iter().take(survive) {
            self.store(at, &batch.writes, false)?;
            if let Some(known) = left_by(&batch.writes) {
                self.hosts[at].known = Some(known);
            }
        }
        if let Some(write) = self.hosts[at].due.pop_front()
            && self.random.below(2) == 0
        {
            self.replace_file(at, &write)?;
        }
        self.hosts[at].due.clear();
        self.watch_anew(at);
        self.hosts[at].known = None;
        self.hosts[at].floor = VersionVector::default();
        for edge in 0..self.edges.len() {
            if self.edges[edge].ends.contains(&at) {
                self.disconnect(edge, false);
            }
        }
        Ok(())
    }

    /// A batch gets to the disk.
    fn store(&mut self, at: usize, writes: &[confmesh::engine::StoreWrite], unheard: bool) -> Checked {
        let before = self.hosts[at].known.clone();
        let latest_ms = self.hosts[at].latest_wall_ms.get() + MAX_AHEAD_MS;
        self.note(|| format!("{at} stores {}", super::history::summary(writes)));
        self.history.take(at, writes, latest_ms)?;
        self.before_stored(at, writes)?;
        self.hosts[at].apply(writes);
        if left_by(writes).is_some() {
            self.bring_into_force(at, unheard);
        }
        self.after_stored(at);
        if let (Some(old), Some(new)) = (&before, left_by(writes))
            && (old.genesis, old.replica) != (new.genesis, new.replica)
            && old.genesis == new.genesis
            && !self.hosts[at].keeps_first_values()
            && !self.averages()
            && let Some(marker) = self.history.left_behind(old, &new, &listed_by(writes))
        {
            return violated(
                Property::Loss,
                format!("{at} lost {marker} when it took over what the others went on with"),
            );
        }
        if let (Some(old), Some(new)) = (&before, left_by(writes))
            && old.genesis != new.genesis
            && self.swarm.settles()
        {
            // It makes its own again under other names, and may come back to this document.
            self.acknowledged.retain(|(by, document, _)| *by != at || *document != old.genesis);
        }
        // Whose document gives way takes along what was acknowledged in it.
        if let (Some(old), Some(new)) = (before, left_by(writes))
            && old.genesis != new.genesis
            && !self.hosts[at].keeps_first_values()
            && !self.averages()
        {
            let made = confmesh::canonical::canonical(&self.history.expected(&old).value);
            // Where history is dropped everybody makes his own writes again.
            let alone = (old.replica != new.replica).then_some(at);
            let written = self.history.written_in(old.genesis, alone);
            let listed = listed_by(writes);
            let lost = markers(&made).into_iter().find(|marker| {
                let came_along = || self.history.came_along(&old, &new, *marker, alone);
                written.contains(marker) && !listed.contains(marker) && !came_along()
            });
            if let Some(marker) = lost {
                return violated(Property::Loss, format!("{at} lost {marker} when it took over another document"));
            }
        }
        Ok(())
    }

    /// Whether the process has made its last output; it is dead then.
    pub(crate) fn dies(&mut self, at: usize) -> Checked<bool> {
        match self.hosts[at].dies_in {
            Some(0) => self.kill(at).map(|()| true),
            Some(left) => {
                self.hosts[at].dies_in = Some(left - 1);
                Ok(false)
            }
            None => Ok(false),
        }
    }

    /// One batch gets to the disk, or fails to; false where there is none.
    pub(crate) fn persist(&mut self, at: usize) -> Checked<bool> {
        let Some(batch) = self.hosts[at].batches.pop_front() else { return Ok(false) };
        let now = self.hosts[at].now(self.now_ms);
        // Whatever comes behind a batch that failed fails as well, until the process knows.
        let is_behind = self.hosts[at].around.failed.is_some();
        let is_full = self.is_full(at);
        if is_behind || is_full || self.faults && self.strikes(Fault::StoreFailure) {
            let arrives = !is_behind && !is_full && self.random.below(2) == 0;
            let keys = super::history::summary(&batch.writes);
            self.note(|| format!("the store of {at} fails; the batch got there: {arrives} {keys}"));
            if arrives {
                // Nobody knows, so what was planned before may still be done.
                let mut mirrorable = self.hosts[at].mirrorable.clone();
                self.store(at, &batch.writes, true)?;
                mirrorable.append(&mut self.hosts[at].mirrorable);
                self.hosts[at].mirrorable = mirrorable;
            }
            self.hosts[at].is_doubtful = true;
            self.hosts[at].around.failed = Some(batch.ticket);
            self.batch_done(at);
            if let Some(process) = &mut self.hosts[at].engine {
                let error = Error::new(Code::Store, "the disk is full");
                process.driver().handle_stored(batch.ticket, Err(error), now);
            }
            self.count_failure(at)?;
            return Ok(true);
        }
        self.store(at, &batch.writes, false)?;
        self.hosts[at].is_doubtful = false;
        self.batch_done(at);
        if self.dies(at)? {
            return Ok(false);
        }
        self.hosts[at].around.was_told = false;
        let Some(process) = &mut self.hosts[at].engine else { return Ok(false) };
        process.driver().handle_stored(batch.ticket, Ok(()), now);
        if let Some(known) = left_by(&batch.writes) {
            self.note(|| format!("{at} has {:?} on disk", known.seen));
            self.hosts[at].known = Some(known);
            if moves_floor(&batch.writes) {
                self.hosts[at].floor = floor(&self.hosts[at].store);
            }
        }
        Ok(true)
    }

    /// One bound file is written, or fails to be; false where none is due.
    pub(crate) fn write_file(&mut self, at: usize) -> Checked<bool> {
        let Some(write) = self.hosts[at].due.pop_front() else { return Ok(false) };
        let fails = self.faults && self.random.below(8) == 0 && self.strikes(Fault::SlowFiles);
        if fails || self.hosts[at].is_directory {
            self.note(|| format!("the file of {at} cannot be written"));
            self.wrote(at, Err(Error::new(Code::File, "the file cannot be written")), write.keep_as);
            return Ok(true);
        }
        self.replace_file(at, &write)?;
        if self.dies(at)? {
            return Ok(false);
        }
        self.wrote(at, Ok(()), None);
        Ok(true)
    }

    /// Puts a file where it may be put. No edit of a person vanishes by that which is not on disk elsewhere.
    fn replace_file(&mut self, at: usize, write: &confmesh::engine::FileWrite) -> Checked {
        if self.hosts[at].file.as_deref() != write.expect.as_deref() || self.hosts[at].is_directory {
            return Ok(());
        }
        self.check_mirrored(at, write)?;
        let old = self.hosts[at].file.clone().unwrap_or_default();
        if write.keep_as.is_some() {
            self.hosts[at].kept.push(old);
        } else if self.averages() {
            // A mean of two markers may look like one.
        } else if let Some(marker) = markers(&old)
            .into_iter()
            .find(|marker| !self.history.holds_marker(*marker) && !self.hosts[at].keeps(*marker))
        {
            return violated(Property::Loss, format!("the file of {at} loses {marker}, which no write holds"));
        }
        self.note(|| format!("the file of {at} becomes {}", write.text));
        self.hosts[at].file = Some(write.text.to_string());
        self.hosts[at].file_deleted = false;
        let wait_ms = self.poll_ms();
        self.file_changed(at, wait_ms);
        Ok(())
    }

    pub(crate) fn event(&mut self, at: usize, event: Event) -> Checked {
        match event {
            Event::Written { request, result } => self.answered(at, request, result),
            Event::Notice { error, .. } => {
                self.note(|| format!("{at} says: {error}"));
                self.told_of_store(at, &error)?;
                if error.to_string().contains("of its own writes were made again") {
                    self.rebased += 1;
                    // It may have been expelled before it stored anything under that name.
                    self.hosts[at].is_expelled = true;
                }
                self.hosts[at].notices.push(error.to_string());
                // No data directory is copied here, so every name stands for one write.
                if error.code() == Code::Internal || error.to_string().contains("bear the name") {
                    return violated(Property::Divergence, format!("{at} says: {error}"));
                }
                Ok(())
            }
            Event::Settled { .. } => {
                self.note(|| format!("{at} drops its history"));
                self.settled += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Lets time pass: frames arrive, timers fire.
    pub(crate) fn pass(&mut self, ms: u64) -> Checked {
        let end = self.now_ms + ms;
        let mut arrived = 0;
        loop {
            while self.next_arrival().is_some_and(|at_ms| at_ms <= self.now_ms) {
                self.arrive()?;
                arrived += 1;
                // On a bus, instances whose documents stay apart have connections to each other.
                if arrived > 80_000 {
                    return violated(Property::Liveness, "the instances never come to rest");
                }
            }
            let timers = self.hosts.iter().filter_map(|host| host.engine.as_ref()?.due()).chain(self.around_due());
            let due = timers.map(|due| due.max(self.now_ms + 1)).chain(self.next_arrival()).min();
            let Some(next) = due.filter(|next| *next <= end) else { break };
            self.now_ms = next;
            self.happen_around()?;
            for at in 0..self.hosts.len() {
                let now = self.hosts[at].now(self.now_ms);
                let Some(process) = &mut self.hosts[at].engine else { continue };
                if process.due().is_some_and(|due| due <= now.mono_ms) {
                    process.driver().handle_timeout(now);
                    self.settle(at)?;
                }
            }
        }
        self.now_ms = end;
        Ok(())
    }
}
