//! What happens in a run: people write and save, processes die, networks break, clocks jump.

use confmesh::canonical::content_hash;
use confmesh::clock::Dot;
use confmesh::diff::Patch;
use confmesh::engine::{Choice, Command, Receipt, RequestId, WriteTerms};
use confmesh::format::{Format, parse, print, rewrite};
use confmesh::policy::ConflictStrategy;
use confmesh::{Path, Result, Value};

use super::generate::{self, place, value};
use super::host::{Wish, deliver, garbage, name};
use super::network::Block;
use super::swarm::Fault;
use super::world::World;
use super::{Checked, Property, violated};

#[derive(Clone, Copy)]
enum Act {
    Write,
    GuestWrite,
    Save,
    Look,
    Persist,
    WriteFiles,
    Connect,
    Restart,
    Heal,
    Strike(Fault),
}

impl World {
    pub(crate) fn step(&mut self) -> Checked {
        self.forget_failures();
        let pace = self.random.below(self.swarm.pace_ms + 1);
        self.pass(u64::try_from(pace).unwrap())?;
        let strangers = self.swarm.rate(Fault::Stranger);
        if self.strange.chance(strangers) {
            self.stranger()?;
        }
        self.mend_buses()?;
        let troubles = self.swarm.rate(Fault::Bus);
        if !self.channels.is_empty() && self.bused.chance(troubles) {
            self.trouble_bus()?;
        }
        let counts = self.swarm.rate(Fault::Count);
        if self.counted.chance(counts) {
            self.count()?;
        }
        let files = self.swarm.rate(Fault::Files);
        let guests = if self.swarm.guests > 0 { 120 } else { 0 };
        let mut acts = vec![
            (400, Act::Write),
            (guests, Act::GuestWrite),
            (files / 4, Act::Save),
            (files / 8, Act::Look),
            (120, Act::Persist),
            (80, Act::WriteFiles),
            (120, Act::Connect),
            (150, Act::Restart),
            (40, Act::Heal),
        ];
        use Fault::{Clock, Crash, Disconnect, Garbage, Join, Leave, Partition, SlowFiles, SlowStore};
        for fault in [Partition, Disconnect, Crash, Join, Leave, Clock, Garbage] {
            acts.push((self.swarm.rate(fault), Act::Strike(fault)));
        }
        if self.swarm.has_hub() {
            acts.push((self.swarm.rate(Fault::Expel), Act::Strike(Fault::Expel)));
        }
        for fault in [SlowStore, SlowFiles] {
            acts.push((self.swarm.rate(fault) / 8, Act::Strike(fault)));
        }
        for fault in [Fault::Full, Fault::Close] {
            acts.push((self.swarm.rate(fault), Act::Strike(fault)));
        }
        let all: usize = acts.iter().map(|(weight, _)| weight).sum();
        let mut drawn = self.random.below(all);
        let act = acts.iter().find_map(|(weight, act)| match drawn.checked_sub(*weight) {
            Some(rest) => {
                drawn = rest;
                None
            }
            None => Some(*act),
        });
        self.act(act.unwrap())
    }

    fn some_host(&mut self, kept: impl Fn(&super::host::Host) -> bool) -> Option<usize> {
        let hosts: Vec<usize> = self.hosts.iter().filter(|host| kept(host)).map(|host| host.number).collect();
        (!hosts.is_empty()).then(|| self.random.pick(&hosts))
    }

    fn act(&mut self, act: Act) -> Checked {
        match act {
            Act::Write => match self.some_host(|host| host.is_up() && host.is_replica()) {
                Some(at) => self.write(at),
                None => Ok(()),
            },
            Act::GuestWrite => match self.some_host(|host| host.is_up() && !host.is_replica()) {
                Some(at) => self.guest_write(at),
                None => Ok(()),
            },
            Act::Save => match self.some_host(|host| host.options.file.is_some() && !host.has_left) {
                Some(at) => self.save(at),
                None => Ok(()),
            },
            Act::Look => match self.some_host(|host| host.options.file.is_some() && host.is_up()) {
                Some(at) => self.look(at),
                None => Ok(()),
            },
            Act::Persist => {
                let Some(at) = self.some_host(|host| host.is_up() && !host.batches.is_empty()) else { return Ok(()) };
                for _ in 0..=self.random.below(4) {
                    self.persist(at)?;
                }
                self.settle(at)
            }
            Act::WriteFiles => {
                let Some(at) = self.some_host(|host| host.is_up() && !host.due.is_empty()) else { return Ok(()) };
                self.write_file(at)?;
                self.settle(at)
            }
            Act::Connect => {
                let edge = self.random.below(self.edges.len());
                self.connect(edge)
            }
            Act::Restart => match self.some_host(|host| !host.is_up() && !host.has_left) {
                Some(at) => {
                    if self.swarm.rate(Fault::Policy) > 0 && self.hosts[at].is_replica() && self.random.below(4) == 0 {
                        let policy = generate::policy(&mut self.random);
                        self.hosts[at].policy = policy.clone();
                        self.hosts[at].options.policy = policy;
                    }
                    self.note(|| format!("{at} starts again"));
                    self.start(at)
                }
                None => Ok(()),
            },
            Act::Heal => {
                self.note(|| "the network heals".to_owned());
                for edge in 0..self.edges.len() {
                    self.edges[edge].block = None;
                    self.connect(edge)?;
                }
                Ok(())
            }
            Act::Strike(fault) => self.strike(fault),
        }
    }

    fn strike(&mut self, fault: Fault) -> Checked {
        match fault {
            Fault::Partition => {
                let block = if self.random.below(2) == 0 { Block::Cut } else { Block::BlackHole };
                let sides: Vec<bool> = self.hosts.iter().map(|_| self.random.below(2) == 0).collect();
                self.note(|| format!("the network parts: {sides:?}"));
                for edge in 0..self.edges.len() {
                    let [a, b] = self.edges[edge].ends;
                    if sides[a] != sides[b] {
                        if block == Block::Cut || !self.hosts[a].is_replica() {
                            self.disconnect(edge, true);
                        }
                        self.edges[edge].block = Some(block);
                    }
                }
            }
            Fault::Disconnect => {
                let edge = self.random.below(self.edges.len());
                let loses_flights = self.random.below(2) == 0;
                self.disconnect(edge, loses_flights);
            }
            Fault::Crash => {
                let Some(at) = self.some_host(super::host::Host::is_up) else { return Ok(()) };
                if self.random.below(2) == 0 {
                    return self.kill(at);
                }
                self.hosts[at].dies_in = Some(self.random.below(12));
            }
            Fault::SlowStore | Fault::SlowFiles => {
                let Some(at) = self.some_host(|host| host.is_up() && host.is_replica()) else { return Ok(()) };
                let holds = self.random.below(2) == 0;
                match fault {
                    Fault::SlowStore => self.hosts[at].holds_batches = holds,
                    _ => self.hosts[at].holds_files = holds,
                }
                return self.settle(at);
            }
            Fault::Join if self.hosts.len() < 9 => {
                let Some(other) = self.some_host(|host| host.is_replica() && !host.has_left) else { return Ok(()) };
                let number = self.hosts.len();
                let other = if self.swarm.has_hub() { 0 } else { other };
                self.add_replica(&[other])?;
                let edge = self.edges.iter().position(|edge| edge.ends.contains(&number)).unwrap();
                return self.connect(edge);
            }
            Fault::Leave if self.hosts.iter().filter(|host| host.is_replica() && !host.has_left).count() > 2 => {
                let Some(at) = self.some_host(|host| host.is_replica() && !host.has_left) else { return Ok(()) };
                if self.swarm.has_hub() && at == 0 {
                    return Ok(());
                }
                self.note(|| format!("{at} leaves for good"));
                if self.swarm.settles() && self.extra.below(2) == 0 {
                    let now = self.hosts[at].now(self.now_ms);
                    if let Some(engine) = &mut self.hosts[at].engine {
                        engine.leave(&name(), now);
                    }
                    self.settle(at)?;
                    self.pass(1_000)?;
                }
                self.kill(at)?;
                self.hosts[at].has_left = true;
            }
            Fault::Clock => {
                let Some(at) = self.some_host(super::host::Host::is_up) else { return Ok(()) };
                match self.random.below(3) {
                    0 => self.hosts[at].stopped_at = Some(1_790_000_000_000 + self.now_ms),
                    1 => self.hosts[at].stopped_at = None,
                    _ => self.hosts[at].offset_ms = self.offset(),
                }
                let now = self.hosts[at].now(self.now_ms);
                self.note(|| format!("the clock of {at} shows {}", now.wall_ms));
            }
            Fault::Garbage => return self.garbage(),
            Fault::Full => {
                let Some(at) = self.some_host(|host| host.is_up() && host.is_replica()) else { return Ok(()) };
                let until_ms = self.now_ms + self.around.pick(&[500, 3_000, 20_000]);
                self.note(|| format!("the disk of {at} is full until {until_ms} ms"));
                self.hosts[at].around.full_until_ms = until_ms;
            }
            Fault::Close => return self.end_some(),
            Fault::Expel if self.swarm.has_hub() => return self.expel(),
            _ => {}
        }
        Ok(())
    }

    /// Somebody is asked to end, or all die and start at once.
    fn end_some(&mut self) -> Checked {
        if self.around.below(4) > 0 {
            return match self.some_host(|host| host.is_up() && host.is_replica()) {
                Some(at) => self.close(at),
                None => Ok(()),
            };
        }
        let all: Vec<usize> = self.hosts.iter().filter(|host| !host.has_left).map(|host| host.number).collect();
        for at in &all {
            if self.hosts[*at].is_up() {
                self.kill(*at)?;
            }
        }
        all.into_iter().try_for_each(|at| self.start(at))
    }

    /// The hub takes somebody out of the members, rather one who is gone.
    fn expel(&mut self) -> Checked {
        let now = self.hosts[0].now(self.now_ms);
        let own = self.hosts[0].known.as_ref().map(|known| known.replica);
        let Some(engine) = &self.hosts[0].engine else { return Ok(()) };
        let mut members = engine.members(&name());
        members.retain(|member| Some(*member) != own);
        let here: Vec<_> = self.hosts.iter().filter(|host| !host.has_left).map(|host| &host.store).collect();
        let here: Vec<_> = here.into_iter().filter_map(|store| Some(super::history::stored(store)?.replica)).collect();
        let gone: Vec<_> = members.iter().copied().filter(|member| !here.contains(member)).collect();
        let from = if gone.is_empty() || self.extra.below(4) == 0 { members } else { gone };
        if from.is_empty() {
            return Ok(());
        }
        let member = self.extra.pick(&from);
        let Some(engine) = &mut self.hosts[0].engine else { return Ok(()) };
        if engine.expel(&name(), member, now).is_ok() {
            let host = self.history.author(member);
            self.note(|| format!("0 expels {member} of {host:?}"));
            if let Some(host) = host {
                self.hosts[host].is_expelled = true;
            }
        }
        self.settle(0)
    }

    /// Garbage changes nothing (P23).
    fn garbage(&mut self) -> Checked {
        let Some(at) = self.some_host(super::host::Host::is_up) else { return Ok(()) };
        let Some(peer) = self.peer_at(at) else { return Ok(()) };
        let (frame, cut) = (self.some_frame(), self.random.below(4_000));
        let frame = garbage(frame.as_ref(), cut);
        self.rest(at)?;
        if !self.hosts[at].is_up() {
            return Ok(());
        }
        let before = self.hosts[at].shown();
        let now = self.hosts[at].now(self.now_ms);
        self.note(|| format!("{at} gets garbage: {frame:?}"));
        let Some(engine) = &mut self.hosts[at].engine else { return Ok(()) };
        let status = engine.status();
        deliver(engine, peer, &frame, now);
        if engine.poll_persist().is_some() || engine.status() != status || self.hosts[at].shown() != before {
            return violated(Property::Other, format!("a frame of garbage changed instance {at}: {frame:?}"));
        }
        self.settle(at)
    }

    pub(crate) fn write(&mut self, at: usize) -> Checked {
        if self.swarm.rate(Fault::Withhold) > 0 && self.ruled.below(8) == 0 {
            return self.refer(at);
        }
        let terms = self.swarm.rate(Fault::Terms);
        if self.extra.chance(terms) && self.write_on_terms(at)? {
            return Ok(());
        }
        let place = place(&mut self.random, self.swarm.places);
        let kind = self.random.below(12);
        let new = value(&mut self.random, &mut self.marker, 0);
        let condition = self.random.below(6);
        let now = self.hosts[at].now(self.now_ms);
        let host = &mut self.hosts[at];
        let Some(engine) = &mut host.engine else { return Ok(()) };
        let Some(snapshot) = engine.snapshot(&name()) else { return Ok(()) };
        let if_hash = match condition {
            // While it waits for a document nobody knows which one it will be.
            _ if host.known.is_none() => None,
            0 => Some(*snapshot.hash()),
            1 => Some(content_hash(&Value::empty_map())),
            _ => None,
        };
        let is_stale = kind > 7 && if_hash.is_some_and(|hash| hash != *snapshot.hash());
        let mut wish = Wish {
            if_hash: if_hash.filter(|_| kind > 7),
            refused: is_stale.then_some("the document is another one"),
            ..Wish::default()
        };
        let pointer: Value = place.to_pointer().as_str().into();
        let operation = |fields: Vec<(&str, Value)>| -> Value { fields.into_iter().collect() };
        let what = format!("{place} = {new:?}");
        let request = match kind {
            0..=5 => {
                let is_settled = host.batches.is_empty() && host.around.postponed == 0;
                let is_settled = is_settled && host.known.is_some() && host.withheld.is_empty();
                if is_settled && is_second(&host.policy, &snapshot.value, &place, &new) {
                    wish.refused = Some("the first value stays");
                }
                wish.place = Some((place.clone(), Some(new.clone())));
                engine.set(&name(), place, new, now)
            }
            6 | 7 => {
                let in_list =
                    place.parent().is_some_and(|p| snapshot.value.at(&p).is_some_and(|v| v.as_list().is_some()));
                wish.place = (!in_list && !ends_in_index(&place)).then(|| (place.clone(), None));
                engine.unset(&name(), place, now)
            }
            8 | 9 => {
                let there = snapshot.value.at(&place).cloned().unwrap_or_default();
                let operations = vec![
                    operation(vec![("op", "test".into()), ("path", pointer.clone()), ("value", there)]),
                    operation(vec![("op", "add".into()), ("path", pointer), ("value", new)]),
                ];
                let operations: Vec<Value> = operations.into_iter().skip(usize::from(condition > 3)).collect();
                let Ok(patch) = Patch::from_value(&operations.into()) else { return Ok(()) };
                engine.patch(&name(), patch, if_hash.map(Into::into), now)
            }
            10 => {
                let patch = Value::empty_map().with(&place, new);
                engine.merge_patch(&name(), patch, if_hash.map(Into::into), now)
            }
            _ => {
                let whole = snapshot.value.with(&place, new);
                engine.replace(&name(), whole, if_hash.map(Into::into), now)
            }
        };
        host.open.insert(request, wish);
        self.note(|| format!("{at} asks {} ({kind}): {what}", request.0));
        self.settle(at)
    }

    /// A write for the version of a place that somebody read before, a forced one, or one that settles a conflict; false
    /// where there is nothing to write so.
    fn write_on_terms(&mut self, at: usize) -> Checked<bool> {
        let place = place(&mut self.extra, self.swarm.places);
        let new = value(&mut self.extra, &mut self.marker, 0);
        let (kind, choice, remembers) = (self.extra.below(4), self.extra.below(3), self.extra.below(2) == 0);
        let now = self.hosts[at].now(self.now_ms);
        let host = &mut self.hosts[at];
        let Some(engine) = host.engine.as_mut().filter(|_| host.known.is_some()) else { return Ok(false) };
        let Some(snapshot) = engine.snapshot(&name()) else { return Ok(false) };
        let mut wish = Wish::default();
        let mut terms = WriteTerms::default();
        let command = match kind {
            0 => {
                let Some(conflict) = engine.conflicts(&name(), false).into_iter().next() else { return Ok(false) };
                wish.settles = Some(conflict.id);
                let choice = [Choice::Take(0), Choice::Keep, Choice::Value(new.clone())][choice].clone();
                if !matches!(choice, Choice::Value(_)) {
                    *self.decided.entry(conflict.path.clone()).or_default() += 1;
                }
                Command::Resolve(conflict.id, choice)
            }
            1 => {
                terms.force = true;
                Command::set(place.clone(), new.clone())
            }
            _ => {
                let Some(version) = engine.version(&name(), &place) else { return Ok(false) };
                let current = (place.clone(), version, snapshot.value.at(&place).cloned());
                let before = host.read.replace(current.clone());
                let (place, version, read) = before.filter(|_| remembers).unwrap_or(current);
                terms.if_version = Some(version);
                wish.if_value = Some((place.clone(), read));
                Command::set(place, new.clone())
            }
        };
        let what = format!("{command:?}");
        let request = engine.write(&name(), command, terms, now);
        host.open.insert(request, wish);
        self.note(|| format!("{at} asks {} on terms: {what}", request.0));
        self.settle(at)?;
        Ok(true)
    }

    fn guest_write(&mut self, at: usize) -> Checked {
        let is_counted = self.random.below(2) == 0;
        let place = if is_counted { generate::guest_place(&mut self.random) } else { place(&mut self.random, 16) };
        self.marker += 1;
        let new = if is_counted { self.marker.into() } else { value(&mut self.random, &mut self.marker, 1) };
        let now = self.hosts[at].now(self.now_ms);
        let through = self.hosts[at].guest_of.unwrap();
        let Some(engine) = &mut self.hosts[at].engine else { return Ok(()) };
        let request = engine.set(&name(), place.clone(), new.clone(), now);
        self.note(|| format!("guest {at} asks {}: {place} = {new:?}", request.0));
        if is_counted {
            self.guest_writes.push((through, self.hosts[through].life, place, new));
        }
        self.hosts[at].open.insert(request, Wish::default());
        self.settle(at)
    }

    /// An answer: what was accepted is on disk (P21), shows (P6), and was not to be refused (P9).
    pub(crate) fn answered(&mut self, at: usize, request: RequestId, result: Result<Receipt>) -> Checked {
        let Some(wish) = self.hosts[at].open.remove(&request) else { return Ok(()) };
        self.note(|| format!("{at} answers {}: {:?}", request.0, result.as_ref().map(|receipt| receipt.dot)));
        let receipt = match result {
            Ok(receipt) => receipt,
            Err(error) if wish.mends && error.code() == confmesh::Code::Invalid => {
                return violated(Property::Liveness, format!("{at} refuses to be mended: {error}"));
            }
            Err(_) => return Ok(()),
        };
        let is_ruled = self.hosts[at].rules.check_anything();
        if let Some(why) = wish.refused {
            return violated(Property::Other, format!("{at} accepted {:?} although {why}", wish.place));
        }
        if let Some(dot) = receipt.dot {
            let Some(genesis) = self.history.document_of(dot) else {
                return violated(Property::Durability, format!("{at} acknowledged {dot:?}, which is on no disk"));
            };
            // An answer may wait for checks, and the document be given up meanwhile: what went along was looked at then.
            let is_given_up = self.hosts[at].known.as_ref().is_some_and(|known| known.genesis != genesis);
            if !(is_given_up && self.swarm.settles()) {
                self.acknowledged.push((at, genesis, dot));
            }
            if let (Some(wanted), Some(base), false) = (wish.if_hash, self.history.made_on(genesis, dot), is_ruled)
                && wanted != content_hash(&base.value)
            {
                return violated(Property::Other, format!("{at} made {dot:?} on another document than it was for"));
            }
        }
        if let Some(id) = wish.settles
            && self.hosts[at].engine.iter().any(|engine| engine.conflicts(&name(), false).iter().any(|c| c.id == id))
        {
            return violated(Property::Other, format!("{at} lists a conflict that was settled: {id}"));
        }
        if let (Some((place, read)), Some(dot), false) = (wish.if_value, receipt.dot, is_ruled) {
            let genesis = self.history.document_of(dot);
            let base = genesis.and_then(|genesis| self.history.made_on(genesis, dot));
            if let Some(there) = base.map(|base| base.value.at(&place).cloned()).filter(|there| *there != read) {
                let what = format!("{at} wrote `{place}` for {read:?}, and there was {there:?}");
                return violated(Property::Other, what);
            }
        }
        if let Some((place, wanted)) = wish.place
            && receipt.snapshot.value.at(&place) != wanted.as_ref()
            && receipt.is_in_force()
        {
            let shown = receipt.snapshot.value.at(&place);
            return violated(Property::Loss, format!("{at} wrote {place} = {wanted:?} and reads {shown:?}"));
        }
        Ok(())
    }

    /// A person edits the bound file, or spoils it.
    fn save(&mut self, at: usize) -> Checked {
        if self.hosts[at].editor.is_some() || self.hosts[at].is_directory {
            return Ok(()); // somebody is at it
        }
        let place = place(&mut self.random, self.swarm.places);
        let new = value(&mut self.random, &mut self.marker, 1);
        let host = &mut self.hosts[at];
        let text = host.file.clone();
        let document = text.as_deref().and_then(|text| parse(text, Format::Json).ok()).filter(|v| v.as_map().is_some());
        let kind = self.random.below(24);
        let edited = match (&document, kind) {
            (_, 0) => None,
            (_, 1) => Some(String::new()),
            (_, 2) => Some("{\"a\": ".to_owned()),
            (Some(document), _) => {
                let edited = if kind < 7 { document.without(&place) } else { document.with(&place, new) };
                rewrite(&text.unwrap_or_default(), Format::Json, &edited).ok()
            }
            (None, _) => {
                let document = host.shown_as_written().unwrap_or_else(Value::empty_map).with(&place, new);
                print(&document, Format::Json).ok()
            }
        };
        host.file_deleted = edited.is_none();
        self.note(|| format!("a person saves the file of {at}: {edited:?}"));
        let is_there = self.edit(at, edited);
        if self.random.below(4) > 0 && is_there { self.look(at) } else { Ok(()) }
    }

    /// Somebody tells the process to look at its file, if its watcher did not.
    pub(crate) fn look(&mut self, at: usize) -> Checked {
        if self.hosts[at].is_up() { self.watch(at) } else { Ok(()) }
    }

    /// Writes that were acknowledged, by instances that are still there, in a document or in one that gave way to it: writes
    /// go along under their names, but where history is dropped.
    pub(crate) fn acknowledged_in(&self, genesis: confmesh::id::Genesis) -> impl Iterator<Item = Dot> {
        let mine = self.acknowledged.iter().filter(move |(at, document, _)| {
            let is_there = *document == genesis || !self.swarm.settles();
            is_there && !self.hosts[*at].has_left && !self.hosts[*at].is_expelled
        });
        mine.map(|(_, _, dot)| *dot)
    }
}

fn ends_in_index(path: &Path) -> bool {
    path.last().is_some_and(|last| last.as_str().bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a rule keeps the scalar that is there (P9).
fn is_second(policy: &confmesh::Policy, document: &Value, place: &Path, new: &Value) -> bool {
    let is_scalar = |value: &Value| value.as_map().is_none() && value.as_list().is_none();
    let in_map = place.parent().is_some_and(|parent| document.at(&parent).is_some_and(|v| v.as_map().is_some()));
    let is_plain = policy.rules().iter().all(|rule| rule.atomic.is_none());
    let there = document.at(place).filter(|there| is_scalar(there) && *there != new);
    let first = policy.conflict_at(place) == ConflictStrategy::FirstWriteWins;
    in_map && is_plain && first && there.is_some() && is_scalar(new)
}
