//! People who lock, hold, renew, lose and write under locks, at instances that crash and lose their connections.
//!
//! What has to hold: what one holder was told never overlaps in time with what another was told, each counted as a holder
//! counts, from when its last renewal was sent; tokens on paths that meet only grow, also over crashes of the authority; an
//! instance that knows of a lock takes no write against it, and never again one under a token that it has seen a greater
//! one of; every question is answered in bounded time, and at the end whoever asks gets a lock.

use std::collections::{BTreeMap, VecDeque};

use confmesh::clock::Now;
use confmesh::engine::{
    Command, DocumentOptions, Engine, EngineConfig, Event, Link, LockCommand, PeerId, Persist, RequestId, StoreWrite,
    Transmit, WriteTerms,
};
use confmesh::id::InstanceId;
use confmesh::pattern::Pattern;
use confmesh::protocol::Frame;
use confmesh::{Result, Value};

use super::generate::path;
use super::host::name;
use super::random::Random;
use super::{Checked, Property, Violation, violated};

const KEYS: &[&str] = &["a", "a.*", "b", "b.c", "*"];
const PLACES: &[&str] = &["a", "a.x", "b", "b.c", "d"];
const TTLS_MS: &[u64] = &[1_000, 2_000, 5_000];
/// An answer takes this long at most, beside what was waited for: a question that gets lost is given up.
const ANSWER_WITHIN_MS: u64 = 6_000;

struct Side {
    engine: Engine,
    store: BTreeMap<Vec<u8>, Vec<u8>>,
    batches: VecDeque<Persist>,
    /// The greatest token that it listed or granted, by key.
    seen: BTreeMap<&'static str, u64>,
    life: u8,
}

/// A question that is open: who asks, at which instance in which of its lives.
struct Asked {
    at: usize,
    what: What,
    sent_ms: u64,
    wait_ms: u64,
}

enum What {
    Acquire { key: &'static str, session: String, ttl_ms: u64 },
    Renew { token: u64 },
    Release,
}

/// A lock as its holder knows it.
struct Holding {
    at: usize,
    key: &'static str,
    token: u64,
    session: String,
    ttl_ms: u64,
    /// The end as the holder counts it.
    until_ms: u64,
    is_over: bool,
}

struct Mesh {
    random: Random,
    sides: Vec<Side>,
    /// Who is connected with whom, and both names of the connection.
    links: Vec<((usize, PeerId), (usize, PeerId))>,
    frames: VecDeque<(usize, PeerId, Frame)>,
    pairs: Vec<(usize, usize)>,
    next_peer: u64,
    asked: BTreeMap<(usize, u8, RequestId), Asked>,
    writes: BTreeMap<(usize, u8, RequestId), bool>,
    holdings: Vec<Holding>,
    people: u64,
    now: Now,
    story: Vec<String>,
}

fn engine(number: usize, life: u8, store: &BTreeMap<Vec<u8>, Vec<u8>>) -> Engine {
    let byte = u8::try_from(number + 1).unwrap();
    let mut entropy = [byte; 32];
    entropy[0] = life;
    let config = EngineConfig {
        key: Some([byte; 32]),
        heartbeat_ms: 500,
        ..EngineConfig::new(InstanceId::from_bytes([byte; 16]), entropy)
    };
    Engine::new(config, store.iter().map(|(key, bytes)| (key.as_slice(), bytes.as_slice()))).unwrap()
}

pub(crate) fn run(seed: u64) -> Checked {
    let mut random = Random::of(seed ^ 0x10c5);
    let count = 2 + random.below(3);
    let is_star = random.below(2) == 0;
    let pairs = (1..count).map(|number| (number, if is_star { 0 } else { number - 1 })).collect();
    let side = |number| Side {
        engine: engine(number, 0, &BTreeMap::new()),
        store: BTreeMap::new(),
        batches: VecDeque::new(),
        seen: BTreeMap::new(),
        life: 0,
    };
    let mut mesh = Mesh {
        random,
        sides: (0..count).map(side).collect(),
        links: Vec::new(),
        frames: VecDeque::new(),
        pairs,
        next_peer: 1,
        asked: BTreeMap::new(),
        writes: BTreeMap::new(),
        holdings: Vec::new(),
        people: 0,
        now: Now { wall_ms: 1_000_000, mono_ms: 0 },
        story: Vec::new(),
    };
    mesh.run()
        .map_err(|violation| Violation { what: format!("{}\n{}", violation.what, mesh.story.join("\n")), ..violation })
}

fn meets(one: &str, other: &str) -> bool {
    Pattern::parse(one).unwrap().intersects(&Pattern::parse(other).unwrap())
}

fn covers(key: &str, place: &str) -> bool {
    let key = Pattern::parse(key).unwrap();
    key.matches(&path(place)) || key.may_match_below(&path(place))
}

impl Mesh {
    fn run(&mut self) -> Checked {
        for at in 0..self.sides.len() {
            self.open(at)?;
        }
        self.heal()?;
        // Who founded it is the authority, wherever that stands.
        self.pass(100)?;
        let steps = 20 + self.random.below(60);
        for _ in 0..steps {
            self.step()?;
        }
        self.finish()
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        self.story.push(format!("{} {}", self.now.mono_ms, what()));
    }

    fn open(&mut self, at: usize) -> Checked {
        let options = DocumentOptions { shared: true, has_peers: at > 0, ..DocumentOptions::default() };
        self.sides[at].engine.open(name(), options, self.now);
        self.settle(at)
    }

    fn heal(&mut self) -> Checked {
        for (from, to) in self.pairs.clone() {
            let is_linked = |((a, _), (b, _)): &((usize, PeerId), (usize, PeerId))| (*a, *b) == (from, to);
            if self.links.iter().any(is_linked) {
                continue;
            }
            let (a, b) = (PeerId(self.next_peer), PeerId(self.next_peer + 1));
            self.next_peer += 2;
            self.links.push(((from, a), (to, b)));
            self.sides[to].engine.handle_connected(b, Link::Accepted, self.now);
            self.sides[from].engine.handle_connected(a, Link::Dialed, self.now);
            self.settle(to)?;
            self.settle(from)?;
        }
        self.deliver()
    }

    fn cut(&mut self, kept: impl Fn(usize, usize) -> bool) -> Checked {
        let links = std::mem::take(&mut self.links);
        let (kept, gone): (Vec<_>, Vec<_>) = links.into_iter().partition(|((a, _), (b, _))| kept(*a, *b));
        self.links = kept;
        for end in gone.into_iter().flat_map(|(a, b)| [a, b]) {
            self.frames.retain(|(to, peer, _)| (*to, *peer) != end);
            self.sides[end.0].engine.handle_closed(end.1, self.now);
            self.settle(end.0)?;
        }
        Ok(())
    }

    fn crash(&mut self, at: usize) -> Checked {
        self.note(|| format!("{at} crashes"));
        self.sides[at].batches.clear();
        self.cut(|a, b| a != at && b != at)?;
        let side = &mut self.sides[at];
        side.life += 1;
        side.engine = engine(at, side.life, &side.store);
        side.seen.clear();
        self.asked.retain(|(of, ..), _| *of != at);
        self.writes.retain(|(of, ..), _| *of != at);
        self.open(at)
    }

    fn settle(&mut self, at: usize) -> Checked {
        loop {
            let side = &mut self.sides[at];
            side.batches.extend(std::iter::from_fn(|| side.engine.poll_persist()));
            while let Some(Transmit { peer, frame }) = side.engine.poll_transmit() {
                let end = self.links.iter().find_map(|(a, b)| match () {
                    () if *a == (at, peer) => Some(*b),
                    () if *b == (at, peer) => Some(*a),
                    () => None,
                });
                self.frames.extend(end.map(|(to, peer)| (to, peer, frame)));
            }
            let Some(event) = side.engine.poll_event() else { return Ok(()) };
            match event {
                Event::Lock { request, result } => self.answered(at, request, result)?,
                Event::Written { request, result } => {
                    let life = self.sides[at].life;
                    let may = self.writes.remove(&(at, life, request)).unwrap_or(true);
                    if result.is_ok() && !may {
                        return violated(Property::Other, format!("{at} took a write against a lock it knows of"));
                    }
                }
                _ => {}
            }
        }
    }

    fn persist(&mut self, at: usize) -> Checked {
        while let Some(batch) = self.sides[at].batches.pop_front() {
            let side = &mut self.sides[at];
            for write in &batch.writes {
                match write {
                    StoreWrite::Put { key, bytes } => side.store.insert(key.clone(), bytes.clone()),
                    StoreWrite::Delete { key } => side.store.remove(key),
                };
            }
            side.engine.handle_persisted(batch.ticket, self.now);
            self.settle(at)?;
        }
        Ok(())
    }

    /// Everything that is on its way arrives, and is stored.
    fn deliver(&mut self) -> Checked {
        for at in 0..self.sides.len() {
            self.persist(at)?;
        }
        while let Some((to, peer, frame)) = self.frames.pop_front() {
            self.sides[to].engine.handle_message(peer, &frame, self.now);
            self.settle(to)?;
            self.persist(to)?;
        }
        Ok(())
    }

    fn pass(&mut self, ms: u64) -> Checked {
        let end = self.now.mono_ms + ms;
        while self.now.mono_ms < end {
            let due = self.sides.iter().filter_map(|side| side.engine.poll_timeout()).min();
            let next = due.unwrap_or(end).clamp(self.now.mono_ms + 1, end);
            self.now.wall_ms += next - self.now.mono_ms;
            self.now.mono_ms = next;
            for at in 0..self.sides.len() {
                self.sides[at].engine.handle_timeout(self.now);
                self.settle(at)?;
            }
            if self.random.below(3) > 0 {
                self.deliver()?;
            }
            self.look()?;
        }
        Ok(())
    }

    /// What instances list, and whether every question was answered in time.
    fn look(&mut self) -> Checked {
        for side in &mut self.sides {
            for lease in side.engine.locks(&name(), self.now) {
                let key = lease.scope.to_string();
                let Some(key) = KEYS.iter().find(|known| **known == key) else { continue };
                let seen = side.seen.entry(key).or_insert(0);
                *seen = lease.token.max(*seen);
            }
        }
        let now_ms = self.now.mono_ms;
        let late = self.asked.values().find(|asked| now_ms > asked.sent_ms + asked.wait_ms + ANSWER_WITHIN_MS);
        match late {
            Some(asked) => violated(Property::Liveness, format!("{} never answers who asks for a lock", asked.at)),
            None => Ok(()),
        }
    }

    fn ask(&mut self, at: usize, command: LockCommand, what: What, wait_ms: u64) -> Checked {
        let side = &mut self.sides[at];
        let request = side.engine.lock(&name(), command, &None, None, self.now);
        let asked = Asked { at, what, sent_ms: self.now.mono_ms, wait_ms };
        self.asked.insert((at, side.life, request), asked);
        self.settle(at)
    }

    fn acquire(&mut self, at: usize, key: &'static str, ttl_ms: u64, wait_ms: u64) -> Checked {
        self.people += 1;
        let session = format!("person {}", self.people);
        self.note(|| format!("{session} asks {at} for `{key}`, {ttl_ms} ms, waits {wait_ms} ms"));
        let command = LockCommand::Acquire {
            key: Pattern::parse(key).unwrap(),
            holder: session.as_str().into(),
            session: Some(session.as_str().into()),
            ttl_ms,
            wait_ms,
        };
        self.ask(at, command, What::Acquire { key, session, ttl_ms }, wait_ms)
    }

    fn answered(&mut self, at: usize, request: RequestId, result: Result<Value>) -> Checked {
        let life = self.sides[at].life;
        let Some(asked) = self.asked.remove(&(at, life, request)) else { return Ok(()) };
        let now_ms = self.now.mono_ms;
        let token = result.ok().and_then(|lease| lease.child("token")?.as_str()?.parse::<u64>().ok());
        let Some(token) = token else { return Ok(()) };
        match asked.what {
            What::Acquire { key, session, ttl_ms } => {
                self.note(|| format!("{session} has `{key}` at {at} with the token {token}"));
                // What was waited for counts from when it is renewed; until then its holder knows of no time of its own.
                let until_ms = if asked.wait_ms > 0 { now_ms } else { asked.sent_ms + ttl_ms };
                self.holdings.push(Holding { at, key, token, session, ttl_ms, until_ms, is_over: false });
                self.compare(token)
            }
            What::Renew { token } => {
                let holding = self.holdings.iter_mut().find(|holding| holding.token == token && !holding.is_over);
                if let Some(holding) = holding {
                    holding.until_ms = holding.until_ms.max(asked.sent_ms + holding.ttl_ms);
                }
                self.compare(token)
            }
            What::Release => Ok(()),
        }
    }

    /// Whoever holds something now is the only one, and the latest.
    fn compare(&self, token: u64) -> Checked {
        let now_ms = self.now.mono_ms;
        let Some(own) = self.holdings.iter().rfind(|holding| holding.token == token) else { return Ok(()) };
        if own.is_over || own.until_ms <= now_ms {
            return Ok(());
        }
        for other in self.holdings.iter().filter(|other| meets(other.key, own.key) && other.session != own.session) {
            if other.token >= token {
                let what =
                    format!("the token {} on `{}` comes before {token} on `{}`", other.token, other.key, own.key);
                return violated(Property::Other, what);
            }
            if !other.is_over && now_ms < other.until_ms {
                let what =
                    format!("{} holds `{}` while {} still holds `{}`", own.session, own.key, other.session, other.key);
                return violated(Property::Other, what);
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Checked {
        let at = self.random.below(self.sides.len());
        match self.random.below(16) {
            0..=3 => {
                let (key, ttl_ms) = (self.random.pick(KEYS), self.random.pick(TTLS_MS));
                let wait_ms = self.random.pick(&[0, 0, 500, 8_000]);
                self.acquire(at, key, ttl_ms, wait_ms)?;
            }
            4..=6 => self.hold(true)?,
            7 => self.hold(false)?,
            8..=11 => self.write(at)?,
            12 => self.crash(at)?,
            13 => {
                self.note(|| format!("{at} is cut off"));
                self.cut(|a, b| a != at && b != at)?;
            }
            _ => self.heal()?,
        }
        if self.random.below(4) > 0 {
            self.deliver()?;
        }
        let ms = u64::try_from(self.random.below(700)).unwrap();
        self.pass(ms)
    }

    /// Somebody renews what it holds, or releases it. Who renews after its end has lost it, and knows.
    fn hold(&mut self, renews: bool) -> Checked {
        let now_ms = self.now.mono_ms;
        let own: Vec<usize> = (0..self.holdings.len()).filter(|at| !self.holdings[*at].is_over).collect();
        if own.is_empty() {
            return Ok(());
        }
        let chosen = self.random.pick(&own);
        let Holding { at, token, session, .. } = &self.holdings[chosen];
        let (at, token, session) = (*at, *token, session.clone());
        if renews {
            self.note(|| format!("{session} renews {token} at {at}"));
            let command = LockCommand::Renew { token, session: session.as_str().into(), ttl_ms: None };
            return self.ask(at, command, What::Renew { token }, 0);
        }
        self.note(|| format!("{session} releases {token} at {at} at {now_ms}"));
        self.holdings[chosen].is_over = true;
        let command = LockCommand::Release { token, session: session.as_str().into() };
        self.ask(at, command, What::Release, 0)
    }

    /// Somebody writes: without a lock, or with a token that somebody holds, or held.
    fn write(&mut self, at: usize) -> Checked {
        let place = self.random.pick(PLACES);
        let tokens: Vec<u64> = self.holdings.iter().rev().take(6).map(|holding| holding.token).collect();
        let fence = if tokens.is_empty() || self.random.below(2) == 0 { 0 } else { self.random.pick(&tokens) };
        self.look()?;
        let side = &mut self.sides[at];
        let listed = side.engine.locks(&name(), self.now);
        let is_kept_out = listed.iter().any(|lease| lease.token != fence && covers(&lease.scope.to_string(), place));
        let key = self.holdings.iter().find(|holding| holding.token == fence).map(|holding| holding.key);
        let later = side.seen.iter().filter(|(other, _)| key.is_some_and(|key| meets(key, other)));
        let newest = later.map(|(_, token)| *token).max().unwrap_or(0);
        let may = !is_kept_out && (fence == 0 || fence >= newest);
        let terms = WriteTerms { fence, ..WriteTerms::default() };
        let marker = i64::try_from(self.now.mono_ms).unwrap();
        let request = side.engine.write(&name(), Command::set(path(place), marker.into()), terms, self.now);
        self.writes.insert((at, side.life, request), may);
        self.note(|| format!("somebody writes `{place}` at {at} with {fence}, which is {may}"));
        self.settle(at)
    }

    fn finish(&mut self) -> Checked {
        self.note(|| "all is well from here".to_owned());
        // Whoever waits does so for 8 s at most, and then holds it for 5 s.
        for _ in 0..32 {
            self.heal()?;
            self.pass(500)?;
        }
        self.deliver()?;
        for at in 0..self.sides.len() {
            let before = self.holdings.len();
            self.acquire(at, "*", 1_000, 0)?;
            self.deliver()?;
            if self.holdings.len() == before {
                return violated(Property::Liveness, format!("{at} gets no lock although nobody holds one"));
            }
            self.pass(1_500)?;
            self.deliver()?;
        }
        let lists: Vec<usize> = self.sides.iter().map(|side| side.engine.locks(&name(), self.now).len()).collect();
        if lists.iter().any(|count| *count > 0) {
            return violated(Property::Divergence, format!("locks are listed that have ended: {lists:?}"));
        }
        Ok(())
    }
}
