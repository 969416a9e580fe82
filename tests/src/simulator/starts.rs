//! Starts: fresh instances, and some with an earlier life, begin in any order and topology, some with files; connections
//! break, processes die. However that goes, there is one document in the end, which has every write that was acknowledged.
//!
//! A mode of its own, because it is cheap: what happens after a mesh has agreed is simulated by the other one.

mod judge;
mod network;
mod repair;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use confmesh::clock::Now;
use confmesh::engine::{DocumentOptions, Engine, EngineConfig, Event, FileBinding, Persist, RequestId, StoreWrite};
use confmesh::format::Format;
use confmesh::id::{DocumentName, InstanceId};

use super::random::Random;
use super::{Checked, Outcome, Property, guarded, violated};
use network::Network;

/// When people stop writing, and everything stops breaking.
const FAULTS_END_MS: u64 = 45_000;
/// How long agreement may take then.
const PATIENCE_MS: u64 = 90_000;

/// What a run is made of.
pub(crate) struct Plan {
    pub(crate) nodes: usize,
    /// Who dials whom.
    pub(crate) edges: Vec<[usize; 2]>,
    settle: bool,
    /// How long a batch takes to the disk at most.
    store_ms: usize,
    pub(crate) breaks: bool,
}

pub(crate) struct Node {
    pub(crate) engine: Option<Engine>,
    pub(crate) life: u64,
    store: BTreeMap<Vec<u8>, Vec<u8>>,
    batches: VecDeque<(u64, Persist)>,
    pub(crate) file: Option<String>,
    /// What its file held before it first started.
    pub(crate) original: Option<String>,
    /// Copies beside the file.
    pub(crate) copies: Vec<String>,
    open: BTreeMap<RequestId, String>,
    /// Whether it was ever started after the earlier lives.
    pub(crate) began: bool,
    pub(crate) notices: Vec<String>,
}

pub(crate) struct Starts {
    seed: u64,
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: Network,
    pub(crate) now_ms: u64,
    /// Keys of writes that were acknowledged, each with a value that is written once.
    pub(crate) acknowledged: BTreeSet<String>,
    written: usize,
    /// What was drawn for repairs: a stream of its own, so that the seeds of before keep their stories.
    pub(crate) mending: Random,
    /// The documents that others go on as after a repair, and whether there was no other one.
    pub(crate) repaired: BTreeMap<String, bool>,
    /// Documents that were seen, and whether they were founded with content.
    pub(crate) births: BTreeMap<String, bool>,
    /// Whether anything but the first starts happened that moves the order of documents.
    pub(crate) had_lives: bool,
    trace: Option<Vec<String>>,
}

pub(crate) fn name() -> DocumentName {
    DocumentName::default_name()
}

/// Starts one mesh.
pub fn run(seed: u64, trace: bool) -> Outcome {
    let mut world = Starts::new(seed, trace);
    let violation = guarded(|| world.run());
    Outcome { violation, writes: world.written, trace: world.trace.take().unwrap_or_default(), ..Outcome::default() }
}

impl Plan {
    fn of(random: &mut Random) -> Plan {
        let most = if random.below(3) == 0 { 8 } else { 4 };
        let nodes = 2 + random.below(most);
        let pairs: Vec<[usize; 2]> = match random.below(5) {
            0 => (1..nodes).map(|at| [at, at - 1]).collect(),
            1 => (0..nodes).map(|at| [at, (at + 1) % nodes]).collect(),
            2 => (1..nodes).map(|at| [at, 0]).collect(),
            3 => (0..nodes).flat_map(|at| (0..at).map(move |other| [at, other])).collect(),
            _ => (1..nodes).map(|at| [at, random.below(at)]).collect(),
        };
        // Who dials whom: all the one way, the other way, or anyhow.
        let ways = random.below(3);
        let turn = |random: &mut Random, [a, b]: [usize; 2]| match ways {
            0 => [a, b],
            1 => [b, a],
            _ if random.below(2) == 0 => [a, b],
            _ => [b, a],
        };
        let edges = pairs.into_iter().map(|pair| turn(random, pair)).collect();
        let store_ms = random.pick(&[0, 0, 0, 30, 400]);
        Plan { nodes, edges, settle: random.below(6) == 0, store_ms, breaks: random.below(2) == 0 }
    }
}

impl Starts {
    fn new(seed: u64, trace: bool) -> Starts {
        let mut random = Random::of(seed ^ 0x0073_7461_7274_7300);
        let plan = Plan::of(&mut random);
        let nodes = (0..plan.nodes).map(|at| Node::new(at, &mut random)).collect();
        let network = Network::of(&plan.edges);
        Starts {
            seed,
            plan,
            random,
            nodes,
            network,
            now_ms: 0,
            acknowledged: BTreeSet::new(),
            written: 0,
            mending: Random::of(seed ^ 0x0000_0072_6570_6169),
            repaired: BTreeMap::new(),
            births: BTreeMap::new(),
            had_lives: false,
            trace: trace.then(Vec::new),
        }
    }

    fn run(&mut self) -> Checked {
        let (nodes, edges) = (self.plan.nodes, self.plan.edges.clone());
        self.note(|| format!("{nodes} instances, who dials whom: {edges:?}"));
        self.earlier_lives()?;
        let begin_ms = self.now_ms;
        let mut plan = self.appointments();
        plan.sort_by_key(|(at_ms, _)| *at_ms);
        for (at_ms, what) in plan {
            self.pass((begin_ms + at_ms).saturating_sub(self.now_ms))?;
            self.act(what)?;
        }
        self.pass((begin_ms + FAULTS_END_MS).saturating_sub(self.now_ms))?;
        self.note(|| "the faults stop".to_owned());
        for at in 0..self.nodes.len() {
            if self.nodes[at].began && self.nodes[at].engine.is_none() {
                self.start(at)?;
            }
        }
        self.plan.breaks = false;
        self.pass(PATIENCE_MS)?;
        self.judge()
    }

    /// Some instances were there before, and agreed with each other then.
    fn earlier_lives(&mut self) -> Checked {
        let groups = if self.random.below(4) == 0 { 1 + self.random.below(5) / 4 } else { 0 };
        for _ in 0..groups {
            let is_there = |at: &usize, world: &Starts| world.nodes[*at].store.is_empty();
            let free: Vec<usize> = (0..self.nodes.len()).filter(|at| is_there(at, self)).collect();
            let size = 1 + self.random.below(free.len().min(3));
            let members: Vec<usize> = free.into_iter().take(size).collect();
            let Some((first, others)) = members.split_first() else { continue };
            self.had_lives = true;
            self.start_as(*first, false, 0)?;
            for other in others {
                self.start_as(*other, true, 1)?;
                self.link_outside(*other, *first)?;
                self.pass(1_000)?;
            }
            let span = self.random.pick(&[2_000, 30_000, 90_000, 700_000]);
            for _ in 0..self.random.below(4) {
                let at = members[self.random.below(members.len())];
                self.write(at)?;
                self.pass(500)?;
            }
            self.pass(span)?;
            for at in members {
                self.kill(at);
            }
            self.network.clear();
        }
        Ok(())
    }

    fn appointments(&mut self) -> Vec<(u64, Act)> {
        let mut plan = Vec::new();
        let spread = self.random.pick(&[0, 50, 5_000]);
        let missing = (self.random.below(6) == 0).then(|| self.random.below(self.nodes.len()));
        let millis = |random: &mut Random, most: usize| u64::try_from(random.below(most + 1)).unwrap();
        for at in 0..self.nodes.len() {
            if missing == Some(at) && self.nodes.len() > 2 {
                continue;
            }
            let is_late = self.random.below(8) == 0;
            plan.push((millis(&mut self.random, if is_late { 30_000 } else { spread }), Act::Start(at)));
        }
        for _ in 0..self.random.below(12) {
            plan.push((millis(&mut self.random, 30_000), Act::Write(self.random.below(self.nodes.len()))));
        }
        if self.random.below(2) == 0 {
            for _ in 0..self.random.below(4) {
                let at = self.random.below(self.nodes.len());
                let dies = millis(&mut self.random, 30_000);
                plan.push((dies, Act::Kill(at)));
                plan.push((dies + 500 + millis(&mut self.random, 7_500), Act::Restart(at)));
            }
        }
        plan.extend(self.repairs());
        plan
    }

    fn act(&mut self, what: Act) -> Checked {
        match what {
            Act::Start(at) => {
                self.nodes[at].began = true;
                if self.nodes[at].engine.is_none() { self.start(at) } else { Ok(()) }
            }
            Act::Restart(at) if self.nodes[at].began && self.nodes[at].engine.is_none() => self.start(at),
            Act::Restart(_) => Ok(()),
            Act::Write(at) => self.write(at),
            Act::Repair(at) => self.repair(at),
            Act::Kill(at) => {
                if self.nodes[at].engine.is_some() && !self.nodes[at].store.is_empty() {
                    self.had_lives = true;
                }
                self.kill(at);
                Ok(())
            }
        }
    }

    pub(crate) fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>8} ms  {}", self.now_ms, text()));
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now { wall_ms: 1_790_000_000_000 + self.now_ms, mono_ms: self.now_ms }
    }

    fn start(&mut self, at: usize) -> Checked {
        let dialed = self.plan.edges.iter().filter(|[from, _]| *from == at).count();
        self.start_as(at, dialed > 0, dialed)
    }

    fn start_as(&mut self, at: usize, has_peers: bool, dialed_peers: usize) -> Checked {
        self.note(|| format!("{at} starts, peers expected: {has_peers}"));
        let (seed, now, settle) = (self.seed, self.now(), self.plan.settle);
        let node = &mut self.nodes[at];
        node.life += 1;
        let mut entropy = [3; 32];
        entropy[..8].copy_from_slice(&seed.to_le_bytes());
        entropy[8] = u8::try_from(at).unwrap();
        entropy[16..24].copy_from_slice(&node.life.to_le_bytes());
        // Ids are in no order that has to do with who dials whom.
        let mut id = [0; 16];
        id[0] = u8::try_from((seed >> (at % 5)) % 200).unwrap();
        id[1] = u8::try_from(at).unwrap();
        let records = node.store.iter().map(|(key, bytes)| (key.as_slice(), bytes.as_slice()));
        let mut config = EngineConfig::new(InstanceId::from_bytes(id), entropy);
        // Some lose the key that lies beside their store. Where that asks a member to be let in again, it may be that nobody is
        // one any more, which people have to mend.
        let lost_keys = if settle { 0 } else { node.life / 4 };
        config.key = Some([1 + id[1] + 20 * u8::try_from(lost_keys % 10).unwrap(); 32]);
        let mut engine = match Engine::new(config, records) {
            Ok(engine) => engine,
            Err(error) => return violated(Property::Durability, format!("{at} cannot start: {error}")),
        };
        let file = Some(FileBinding { id: format!("{at}.json").into(), format: Format::Json, is_named: false });
        let options =
            DocumentOptions { shared: true, file, has_peers, dialed_peers, settle, ..DocumentOptions::default() };
        engine.open(name(), options, now);
        engine.handle_file(&name(), node.file.as_deref(), now);
        node.engine = Some(engine);
        self.settle(at)
    }

    fn kill(&mut self, at: usize) {
        self.note(|| format!("{at} dies"));
        let node = &mut self.nodes[at];
        node.engine = None;
        node.batches.clear();
        node.open.clear();
        self.break_links_of(at);
    }

    fn write(&mut self, at: usize) -> Checked {
        let now = self.now();
        let Some(engine) = &mut self.nodes[at].engine else { return Ok(()) };
        self.written += 1;
        let key = format!("w.k{}", self.written);
        let value = i64::try_from(self.written).unwrap();
        let request = engine.set(&name(), confmesh::Path::parse(&key).unwrap(), value.into(), now);
        self.nodes[at].open.insert(request, key.clone());
        self.note(|| format!("{at} writes {key}"));
        self.settle(at)
    }

    /// Takes everything that one engine puts out, in the order of its contract.
    pub(crate) fn settle(&mut self, at: usize) -> Checked {
        for round in 0.. {
            if round > 200 {
                return violated(Property::Liveness, format!("{at} never comes to rest"));
            }
            let mut moved = false;
            loop {
                while let Some(batch) = self.nodes[at].engine.as_mut().and_then(Engine::poll_persist) {
                    let wait = u64::try_from(self.random.below(self.plan.store_ms + 1)).unwrap();
                    let last = self.nodes[at].batches.back().map_or(0, |(due, _)| *due);
                    self.nodes[at].batches.push_back((last.max(self.now_ms + wait), batch));
                }
                if !self.persist(at) {
                    break;
                }
            }
            while let Some(transmit) = self.nodes[at].engine.as_mut().and_then(Engine::poll_transmit) {
                self.send(at, transmit);
            }
            while let Some(write) = self.nodes[at].engine.as_mut().and_then(Engine::poll_file) {
                self.mirror(at, write);
                moved = true;
            }
            while let Some(event) = self.nodes[at].engine.as_mut().and_then(Engine::poll_event) {
                self.event(at, event)?;
            }
            if !moved {
                break;
            }
        }
        self.watch(at);
        Ok(())
    }

    fn persist(&mut self, at: usize) -> bool {
        let (now, now_ms) = (self.now(), self.now_ms);
        let node = &mut self.nodes[at];
        let Some((_, batch)) = node.batches.pop_front_if(|(due, _)| *due <= now_ms) else { return false };
        for write in batch.writes {
            match write {
                StoreWrite::Put { key, bytes } => node.store.insert(key, bytes),
                StoreWrite::Delete { key } => node.store.remove(&key),
            };
        }
        if let Some(engine) = &mut node.engine {
            engine.handle_persisted(batch.ticket, now);
        }
        true
    }

    fn mirror(&mut self, at: usize, write: confmesh::engine::FileWrite) {
        let now = self.now();
        let node = &mut self.nodes[at];
        if node.file.as_deref() == write.expect.as_deref() {
            if write.keep_as.is_some() {
                node.copies.extend(node.file.clone());
            }
            node.file = Some(write.text.to_string());
        }
        if let Some(engine) = &mut node.engine {
            engine.handle_file_written(&name());
            engine.handle_file(&name(), node.file.as_deref(), now);
        }
    }

    fn event(&mut self, at: usize, event: Event) -> Checked {
        match event {
            Event::Written { request, result } => {
                let Some(key) = self.nodes[at].open.remove(&request) else { return Ok(()) };
                if let Err(error) = result {
                    return violated(Property::Other, format!("{at} refuses to write {key}: {error}"));
                }
                self.note(|| format!("{at} has acknowledged {key}"));
                self.acknowledged.insert(key);
            }
            Event::Notice { error, .. } => {
                self.note(|| format!("{at} says: {error}"));
                if error.code() == confmesh::Code::Internal || error.to_string().contains("bear the name") {
                    return violated(Property::Divergence, format!("{at} says: {error}"));
                }
                self.nodes[at].notices.push(error.to_string());
            }
            _ => {}
        }
        Ok(())
    }

    /// Lets time pass: frames arrive, batches get to the disk, timers fire.
    pub(crate) fn pass(&mut self, ms: u64) -> Checked {
        let end = self.now_ms + ms;
        for round in 0.. {
            if round > 200_000 {
                return violated(Property::Liveness, "the instances never come to rest");
            }
            while self.arrive()? {}
            self.redial()?;
            let timers = self.nodes.iter().flat_map(|node| {
                let due = node.engine.as_ref().and_then(Engine::poll_timeout);
                due.into_iter().chain(node.batches.front().map(|(due, _)| *due))
            });
            let due = timers.chain(self.network.next_ms()).map(|due| due.max(self.now_ms + 1)).min();
            let Some(next) = due.filter(|next| *next <= end) else { break };
            self.now_ms = next;
            let now = self.now();
            for at in 0..self.nodes.len() {
                let is_stored = self.nodes[at].batches.front().is_some_and(|(due, _)| *due <= self.now_ms);
                let Some(engine) = &mut self.nodes[at].engine else { continue };
                let is_due = engine.poll_timeout().is_some_and(|due| due <= now.mono_ms);
                if is_due {
                    engine.handle_timeout(now);
                }
                if is_due || is_stored {
                    self.settle(at)?;
                }
            }
        }
        self.now_ms = end;
        Ok(())
    }
}

enum Act {
    Start(usize),
    Write(usize),
    Repair(usize),
    Kill(usize),
    Restart(usize),
}

impl Node {
    fn new(at: usize, random: &mut Random) -> Node {
        // What it holds is said by nobody else.
        let file = match random.below(5) {
            0 => Some(format!(r#"{{"who":"of {at}","own":{{"of{at}":{at}}}}}"#)),
            1 => Some(format!(r#"{{"only":{{"of{at}":{at}}}}}"#)),
            2 if random.below(2) == 0 => Some("{}".to_owned()),
            _ => None,
        };
        Node {
            engine: None,
            life: 0,
            store: BTreeMap::new(),
            batches: VecDeque::new(),
            original: file.clone(),
            file,
            copies: Vec::new(),
            open: BTreeMap::new(),
            began: false,
            notices: Vec::new(),
        }
    }
}
