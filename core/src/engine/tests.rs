//! Engines driven by hand: stores are maps, files are strings, the network is a queue.

use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::clock::Stamp;
use crate::format::Format;
use crate::merge::priority;
use crate::path::Path;
use crate::protocol::Envelope;
use crate::value::Value;

mod audit;
mod checks;
mod clocks;
mod closed;
mod deliveries;
mod files;
mod founding;
mod guest_edits;
mod guests;
mod hostile;
mod identity;
mod left_out;
mod links;
mod locks;
mod members;
mod notes;
mod offline;
mod patches;
mod put_back;
mod random;
mod references;
mod repair;
mod replication;
mod saves;
mod schema;
mod settling;
mod stale_parts;
mod twice;
mod versions;
mod wire;
mod withhold;
mod writes;

/// One process and its machine: engine, store, bound file.
pub(super) struct Host {
    pub(super) engine: Engine,
    pub(super) store: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) file: Option<String>,
    pub(super) kept: Vec<String>,
    /// What was kept beside the file: under which suffix, which text.
    pub(super) copies: Vec<(String, String)>,
    pub(super) events: Vec<Event>,
    /// File writes that the engine asked for and that the world has not done yet.
    pub(super) due: VecDeque<FileWrite>,
    /// Whether file writes are done at once.
    pub(super) writes_files: bool,
    /// Whether batches are persisted at once.
    pub(super) persists: bool,
    pub(super) batches: VecDeque<Persist>,
    /// Whether the checks of the program answer at once.
    pub(super) checks: bool,
    /// What they were asked and have not answered.
    pub(super) asked: Vec<CheckRequest>,
    options: DocumentOptions,
    wire: crate::protocol::WireOptions,
    old_after_ms: u64,
    byte: u8,
    life: u8,
    /// Whether the store is a copy, for the next start.
    is_copy: bool,
}

/// Hosts, the links between them, and virtual time.
pub(super) struct World {
    pub(super) hosts: Vec<Host>,
    /// Frames on their way: from, to, link, frame.
    wires: VecDeque<(usize, PeerId, Frame)>,
    /// Both ends of each link: (host, peer id there).
    links: Vec<((usize, PeerId), (usize, PeerId))>,
    next_peer: u64,
    /// Frames for peers that are no hosts.
    pub(super) strays: Vec<(PeerId, Frame)>,
    /// How the next hosts write their messages.
    pub(super) wire: crate::protocol::WireOptions,
    /// When documents of the next hosts get old.
    pub(super) old_after_ms: u64,
    pub(super) now: Now,
}

pub(super) fn name() -> DocumentName {
    DocumentName::default_name()
}

pub(super) fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

pub(super) fn json(text: &str) -> Value {
    crate::format::parse(text, Format::Json).unwrap()
}

impl World {
    pub(super) fn new() -> World {
        World {
            hosts: Vec::new(),
            wires: VecDeque::new(),
            links: Vec::new(),
            next_peer: 0,
            strays: Vec::new(),
            wire: Default::default(),
            old_after_ms: 600_000,
            now: Now { wall_ms: 1_000_000, mono_ms: 0 },
        }
    }

    /// Where documents drop their history soon: they are old as soon as they hold anything.
    pub(super) fn soon_old() -> World {
        World { old_after_ms: 0, ..World::new() }
    }

    /// Puts the store of an instance back from a copy, and starts it.
    pub(super) fn put_back(&mut self, at: usize, copy: BTreeMap<Vec<u8>, Vec<u8>>) {
        self.hosts[at].store = copy;
        self.hosts[at].is_copy = true;
        self.restart(at);
    }

    /// Adds an instance with a bound JSON file; returns its number. Instance ids grow in the order of `byte`.
    pub(super) fn add(&mut self, byte: u8, file: Option<&str>, has_peers: bool) -> usize {
        let binding = FileBinding { id: format!("{byte}.json").into(), format: Format::Json, is_named: false };
        let options = DocumentOptions { shared: true, file: Some(binding), has_peers, ..DocumentOptions::default() };
        self.add_with(byte, file, options)
    }

    pub(super) fn add_with(&mut self, byte: u8, file: Option<&str>, options: DocumentOptions) -> usize {
        let engine = new_engine((byte, 0), self.old_after_ms, &self.wire, &BTreeMap::new(), false);
        self.hosts.push(Host {
            engine,
            wire: self.wire.clone(),
            old_after_ms: self.old_after_ms,
            store: BTreeMap::new(),
            file: file.map(str::to_owned),
            kept: Vec::new(),
            copies: Vec::new(),
            events: Vec::new(),
            due: VecDeque::new(),
            writes_files: true,
            persists: true,
            batches: VecDeque::new(),
            checks: true,
            asked: Vec::new(),
            options,
            byte,
            is_copy: false,
            life: 0,
        });
        let at = self.hosts.len() - 1;
        self.boot(at);
        at
    }

    fn boot(&mut self, at: usize) {
        let now = self.now;
        let host = &mut self.hosts[at];
        host.engine.open(name(), host.options.clone(), now);
        if host.options.file.is_some() {
            let text = host.file.clone();
            host.engine.handle_file(&name(), text.as_deref(), now);
        }
        self.settle(at);
    }

    /// The process dies: what was not in the store or on disk is gone, links break.
    pub(super) fn kill(&mut self, at: usize) {
        for (a, b) in std::mem::take(&mut self.links) {
            match (a.0 == at, b.0 == at) {
                (false, false) => self.links.push((a, b)),
                (true, _) => self.close(b),
                (_, true) => self.close(a),
            }
        }
        self.wires.retain(|(to, _, _)| *to != at);
        let host = &mut self.hosts[at];
        host.life += 1;
        host.due.clear();
        host.batches.clear();
        let is_copy = std::mem::take(&mut host.is_copy);
        host.engine = new_engine((host.byte, host.life), host.old_after_ms, &host.wire, &host.store, is_copy);
    }

    pub(super) fn restart(&mut self, at: usize) {
        self.kill(at);
        self.boot(at);
    }

    fn close(&mut self, (host, peer): (usize, PeerId)) {
        self.hosts[host].engine.handle_closed(peer, self.now);
        self.wires.retain(|(to, at, _)| (*to, *at) != (host, peer));
        self.settle(host);
    }

    pub(super) fn connect(&mut self, from: usize, to: usize) {
        self.connect_as(from, to, Link::Dialed);
    }

    pub(super) fn connect_as(&mut self, from: usize, to: usize, link: Link) {
        let (a, b) = (PeerId(self.next_peer), PeerId(self.next_peer + 1));
        self.next_peer += 2;
        self.links.push(((from, a), (to, b)));
        self.hosts[to].engine.handle_connected(b, Link::Accepted, self.now);
        self.hosts[from].engine.handle_connected(a, link, self.now);
        self.settle(to);
        self.settle(from);
    }

    pub(super) fn disconnect_all(&mut self) {
        for (a, b) in std::mem::take(&mut self.links) {
            self.close(a);
            self.close(b);
        }
        self.wires.clear();
    }

    /// Takes everything that one engine puts out, in the order of the contract.
    pub(super) fn settle(&mut self, at: usize) {
        loop {
            let host = &mut self.hosts[at];
            let mut moved = false;
            loop {
                host.batches.extend(std::iter::from_fn(|| host.engine.poll_persist()));
                if !host.persists || host.batches.is_empty() {
                    break;
                }
                while let Some(batch) = host.batches.pop_front() {
                    host.apply(&batch);
                    host.engine.handle_persisted(batch.ticket, self.now);
                }
            }
            while let Some(Transmit { peer, frame }) = host.engine.poll_transmit() {
                let end = self.links.iter().find_map(|(a, b)| match () {
                    () if *a == (at, peer) => Some(*b),
                    () if *b == (at, peer) => Some(*a),
                    () => None,
                });
                match end {
                    Some((to, there)) => self.wires.push_back((to, there, frame)),
                    None => self.strays.push((peer, frame)),
                }
            }
            while let Some(request) = host.engine.poll_check() {
                if host.checks {
                    host.engine.handle_checked(request.ticket, request.run(), self.now);
                    moved = true;
                } else {
                    host.asked.push(request);
                }
            }
            if moved {
                if host.engine.takes_look(&name()) && !host.engine.is_file_released(&name()) {
                    let text = host.file.clone();
                    host.engine.handle_file(&name(), text.as_deref(), self.now);
                }
                continue;
            }
            while let Some(copy) = host.engine.poll_copy() {
                host.copies.push((copy.suffix.to_owned(), copy.text));
            }
            while let Some(write) = host.engine.poll_file() {
                host.due.push_back(write);
            }
            while host.writes_files
                && let Some(write) = host.due.pop_front()
            {
                host.write_file(write);
                host.engine.handle_file_written(&name());
                let text = host.file.clone();
                host.engine.handle_file(&name(), text.as_deref(), self.now);
                moved = true;
            }
            while let Some(event) = host.engine.poll_event() {
                host.events.push(event);
            }
            if !moved {
                return;
            }
        }
    }

    /// Delivers frames until none is left.
    pub(super) fn run(&mut self) {
        let mut delivered = 0;
        while let Some((to, peer, frame)) = self.wires.pop_front() {
            self.hosts[to].engine.handle_message(peer, &frame, self.now);
            self.settle(to);
            delivered += 1;
            assert!(delivered < 10_000, "the instances never come to rest");
        }
    }

    /// Lets time pass, in steps, with timeouts handled.
    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now.mono_ms + ms;
        while self.now.mono_ms < end {
            let due = self.hosts.iter().filter_map(|host| host.engine.poll_timeout()).min();
            let next = due.unwrap_or(end).clamp(self.now.mono_ms + 1, end);
            self.now.wall_ms += next - self.now.mono_ms;
            self.now.mono_ms = next;
            for at in 0..self.hosts.len() {
                self.hosts[at].engine.handle_timeout(self.now);
                self.settle(at);
            }
            self.run();
        }
    }

    /// A person saves the file.
    pub(super) fn save(&mut self, at: usize, text: &str) {
        self.hosts[at].file = Some(text.to_owned());
        self.look(at);
    }

    pub(super) fn look(&mut self, at: usize) {
        if self.hosts[at].engine.is_file_released(&name()) {
            return; // the end of the write looks
        }
        let text = self.hosts[at].file.clone();
        self.hosts[at].engine.handle_file(&name(), text.as_deref(), self.now);
        self.settle(at);
    }

    pub(super) fn set(&mut self, at: usize, place: &str, value: impl Into<Value>) -> RequestId {
        let request = self.hosts[at].engine.set(&name(), path(place), value.into(), self.now);
        self.now.wall_ms += 1;
        self.settle(at);
        request
    }

    pub(super) fn value(&self, at: usize) -> Value {
        self.hosts[at].engine.snapshot(&name()).unwrap().value.clone()
    }

    pub(super) fn file_value(&self, at: usize) -> Value {
        json(self.hosts[at].file.as_deref().unwrap())
    }

    pub(super) fn answer(&self, at: usize, wanted: RequestId) -> Option<Result<Receipt>> {
        self.hosts[at].events.iter().find_map(|event| match event {
            Event::Written { request, result } if *request == wanted => Some(result.clone()),
            _ => None,
        })
    }

    pub(super) fn assert_agreement(&self, want: &str) {
        for (at, host) in self.hosts.iter().enumerate() {
            assert_eq!(self.value(at), json(want), "host {at}");
            if host.options.file.is_some() {
                assert_eq!(self.file_value(at), json(want), "file of host {at}");
            }
        }
    }

    pub(super) fn notices(&self, at: usize) -> String {
        let texts = self.hosts[at].events.iter().filter_map(|event| match event {
            Event::Notice { error, .. } => Some(error.to_string()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

impl Host {
    pub(super) fn apply(&mut self, batch: &Persist) {
        for write in &batch.writes {
            match write {
                StoreWrite::Put { key, bytes } => self.store.insert(key.clone(), bytes.clone()),
                StoreWrite::Delete { key } => self.store.remove(key),
            };
        }
    }

    pub(super) fn write_file(&mut self, write: FileWrite) {
        if self.file.as_deref() == write.expect.as_deref() {
            if write.keep_as.is_some() {
                self.kept.extend(self.file.clone());
            }
            self.file = Some(write.text.to_string());
        }
    }
}

fn new_engine(
    (byte, life): (u8, u8),
    old_after_ms: u64,
    wire: &crate::protocol::WireOptions,
    store: &BTreeMap<Vec<u8>, Vec<u8>>,
    is_copy: bool,
) -> Engine {
    let mut entropy = [byte; 32];
    entropy[31] = life;
    let wire = wire.clone();
    let config = EngineConfig {
        wire,
        old_after_ms,
        is_copy,
        key: Some([byte; 32]),
        ..EngineConfig::new(InstanceId::from_bytes([byte; 16]), entropy)
    };
    Engine::new(config, store.iter().map(|(key, bytes)| (key.as_slice(), bytes.as_slice()))).unwrap()
}

#[test]
fn without_a_shared_layer_commands_write_the_runtime_layer() {
    let mut world = World::new();
    let options =
        DocumentOptions { sources: vec![("file:a.json".into(), priority::FILE)], ..DocumentOptions::default() };
    let a = world.add_with(1, None, options);
    let layer = Layer::new("file:a.json", priority::FILE, json(r#"{"port":80,"host":"a"}"#));
    world.hosts[a].engine.handle_layer(&name(), "file:a.json", Ok(Some(layer)), world.now);
    let request = world.set(a, "port", 8080);
    let receipt = world.answer(a, request).unwrap().unwrap();
    assert_eq!(receipt.snapshot.value, json(r#"{"port":8080,"host":"a"}"#));
    let explanation = receipt.snapshot.explain(&path("port")).unwrap();
    assert_eq!(explanation.winner.unwrap().source, "runtime");
}

#[test]
fn a_source_that_breaks_keeps_its_last_good_layer_and_says_why() {
    let mut world = World::new();
    let a = world.add_with(1, None, DocumentOptions::default());
    let engine = &mut world.hosts[a].engine;
    let layer = Layer::new("file:a.json", priority::FILE, json(r#"{"port":80}"#));
    engine.handle_layer(&name(), "file:a.json", Ok(Some(layer)), world.now);
    let error = Error::new(Code::Syntax, "expected `}`");
    engine.handle_layer(&name(), "file:a.json", Err(error.clone()), world.now);
    assert_eq!(engine.snapshot(&name()).unwrap().value, json(r#"{"port":80}"#));
    assert_eq!(engine.status()[0].sources[0].state, SourceState::Stale(error));
}
