//! The end of a run: the faults stop, operators do what the notices ask for, and then all agree.

use std::collections::BTreeSet;

use confmesh::canonical::canonical;
use confmesh::engine::{Link, SourceState};
use confmesh::format::{Format, parse, print};

use super::history::{base, held};
use super::host::name;
use super::network::Edge;
use super::oracle::{listed, silently_lost};
use super::swarm::Fault;
use super::world::World;
use super::{Checked, Property, violated};

/// How much a reconnect of two instances in step may cost, whatever they hold: greetings and version vectors.
const MAX_RECONNECT_BYTES: usize = 4_000;
const MAX_RECONNECT_BYTES_PER_AUTHOR: usize = 400;

impl World {
    pub(crate) fn finish(&mut self) -> Checked {
        self.faults = false;
        self.note(|| "the faults stop".to_owned());
        self.end_bus_faults()?;
        for at in 0..self.hosts.len() {
            self.hosts[at].holds_batches = false;
            self.hosts[at].holds_files = false;
            self.hosts[at].dies_in = None;
            self.end_editing(at);
            if !self.hosts[at].has_left && !self.hosts[at].is_up() {
                self.start(at)?;
            }
            self.settle(at)?;
            self.look(at)?;
        }
        self.rejoin()?;
        self.pass(self.patience())?;
        for _ in 0..4 {
            if !self.operate()? {
                break;
            }
            self.rejoin()?;
            self.pass(self.patience())?;
        }
        self.agree()?;
        if self.swarm.settles() {
            self.go_on()?;
        }
        self.right_clocks()?;
        self.reconnect_cheaply()
    }

    /// Clocks that were wrong are right again, and a minute passed: of two writes a second apart, neither of which had seen
    /// the other, the later one counts for later (P28).
    fn right_clocks(&mut self) -> Checked {
        let alive = self.alive();
        if self.swarm.rate(Fault::Clock) == 0 || alive.len() < 2 {
            return Ok(());
        }
        for host in &mut self.hosts {
            (host.offset_ms, host.stopped_at) = (0, None);
        }
        self.pass(60_001)?;
        for edge in 0..self.edges.len() {
            self.disconnect(edge, true);
        }
        self.pass(1)?;
        let mut stamps = Vec::new();
        for at in &alive {
            let before = self.hosts[*at].known.clone();
            self.marker += 1;
            let (now, marker) = (self.hosts[*at].now(self.now_ms), self.marker);
            let Some(engine) = &mut self.hosts[*at].engine else { continue };
            engine.set(&name(), super::generate::path("clocks"), marker.into(), now);
            self.settle(*at)?;
            let known = self.hosts[*at].known.clone();
            // Who keeps first values may refuse it.
            if let (Some(before), Some(known)) = (before, known)
                && before.seen != known.seen
                && let Some(stamp) = self.history.last_stamp(&known)
            {
                stamps.push((*at, stamp));
            }
            self.pass(1_000)?;
        }
        self.rejoin()?;
        self.pass(self.patience())?;
        self.operate()?;
        match stamps.windows(2).find(|pair| pair[0].1 >= pair[1].1) {
            Some(pair) => violated(Property::Other, format!("the later of two writes is stamped earlier: {pair:?}")),
            None => self.agree(),
        }
    }

    /// Who agreed, and dropped the history, goes on: people write at the same time, and all agree again.
    fn go_on(&mut self) -> Checked {
        for _ in 0..2 {
            for edge in 0..self.edges.len() {
                if self.extra.below(2) == 0 {
                    self.disconnect(edge, true);
                }
            }
            for at in self.alive() {
                for _ in 0..self.extra.below(3) {
                    self.write(at)?;
                }
                if self.extra.below(4) == 0 {
                    self.kill(at)?;
                    self.start(at)?;
                }
            }
            self.rejoin()?;
            self.pass(self.patience())?;
            self.operate()?;
            self.rejoin()?;
            self.pass(self.patience())?;
            self.agree()?;
        }
        Ok(())
    }

    fn alive(&self) -> Vec<usize> {
        let alive = self.hosts.iter().filter(|host| host.is_replica() && !host.has_left);
        alive.map(|host| host.number).collect()
    }

    /// How long agreement may take: a round of heartbeats for every instance on the way, and one to notice.
    fn patience(&self) -> u64 {
        let travel = u64::try_from(self.swarm.latency_ms).unwrap();
        // Over a bus they hear of each other first, and then greet; where a link came to nothing, the next one waits longer.
        let buses = if self.channels.is_empty() { 0 } else { 60_000 + 12 * travel };
        (self.alive().len() as u64 + 1) * (5_000 + 3 * travel) + 10_000 + buses
    }

    /// Connects everybody who is there.
    fn rejoin(&mut self) -> Checked {
        let alive = self.alive();
        for pair in alive.windows(2) {
            let ends = [if self.swarm.has_hub() { 0 } else { pair[0] }, pair[1]];
            let is_edge = |edge: &Edge| edge.link == Link::Dialed && ends.iter().all(|at| edge.ends.contains(at));
            if !self.edges.iter().any(is_edge) && !self.share_a_bus(ends[0], ends[1]) {
                self.edges.push(Edge::new(ends, Link::Dialed));
            }
        }
        for edge in 0..self.edges.len() {
            self.edges[edge].block = None;
            if self.edges[edge].connection.as_ref().is_some_and(|connection| connection.lost_greeting) {
                self.disconnect(edge, true);
            }
            self.connect(edge)?;
        }
        Ok(())
    }

    /// What people do who read what the instances say. Returns whether there was anything to do.
    fn operate(&mut self) -> Checked<bool> {
        let mut acted = self.start_afresh()?;
        let writes = self.history.len();
        for at in self.alive() {
            acted |= self.mend(at)?;
            if self.hosts[at].options.file.is_none() {
                continue;
            }
            self.look(at)?;
            let host = &self.hosts[at];
            let status = host.engine.as_ref().map(|engine| engine.status()).unwrap_or_default();
            let states = status.iter().flat_map(|document| &document.sources).map(|source| &source.state);
            let stale =
                states.filter_map(|state| if let SourceState::Stale(error) = state { Some(error) } else { None });
            let stale: Vec<String> = stale.map(ToString::to_string).collect();
            let passes = ["the disk is full", "the file cannot be written", "the file is a directory"];
            if let Some(error) = stale.iter().find(|error| passes.iter().any(|words| error.contains(words))) {
                return violated(Property::Liveness, format!("{at} never tried again what failed: {error}"));
            }
            if !stale.is_empty() {
                self.note(|| format!("a person takes back the edit of the file of {at}: {stale:?}"));
                let shown = self.hosts[at].shown_as_written().unwrap_or_default();
                self.hosts[at].file = print(&shown, Format::Json).ok();
                let text = self.hosts[at].file.clone();
                self.hosts[at].around.saved.extend(text);
                self.look(at)?;
                acted = true;
            }
        }
        Ok(acted || self.history.len() > writes)
    }

    /// Instances whose document is old, but is not that of the first one, begin anew with an empty data directory: one
    /// after the other, or they would found a document of their own again.
    fn start_afresh(&mut self) -> Checked<bool> {
        let genesis = |world: &World, at: usize| world.hosts[at].known.as_ref().map(|known| known.genesis);
        let alive = self.alive();
        let Some(kept) = alive.iter().find_map(|at| genesis(self, *at)) else { return Ok(false) };
        let foreign: Vec<usize> =
            alive.iter().copied().filter(|at| genesis(self, *at).is_some_and(|g| g != kept)).collect();
        let is_told = |text: &String| text.contains("holds another document");
        if let Some(at) = foreign.first()
            && !self.hosts.iter().any(|host| host.notices.iter().any(is_told))
        {
            return violated(Property::Liveness, format!("{at} holds another document, and nobody says so"));
        }
        for at in &foreign {
            self.note(|| format!("an operator gives {at} a fresh data directory"));
            if let Some(known) = self.hosts[*at].known.clone() {
                self.wiped.join(&known.seen);
            }
            self.kill(*at)?;
            self.hosts[*at].store.clear();
            self.hosts[*at].options.has_peers = true;
        }
        for at in &foreign {
            let edges = 0..self.edges.len();
            let holder = alive.iter().copied().find(|other| self.hosts[*other].is_up()).unwrap_or(*at);
            self.edges.push(Edge::new([*at, holder], Link::Dialed));
            self.start(*at)?;
            self.connect(edges.end)?;
            self.pass(10_000 + 4 * u64::try_from(self.swarm.latency_ms).unwrap())?;
            for edge in edges {
                if self.edges[edge].ends.contains(at) {
                    self.connect(edge)?;
                }
            }
        }
        Ok(!foreign.is_empty())
    }

    /// All agree (P1, P2, P5, P21, P24).
    fn agree(&mut self) -> Checked {
        let alive = self.alive();
        let Some(first) = alive.first().copied() else { return Ok(()) };
        let Some(known) = self.hosts[first].known.clone() else {
            return violated(Property::Liveness, format!("{first} has no document"));
        };
        for at in &alive {
            let host = &self.hosts[*at];
            let theirs = host.known.as_ref().map(|k| (k.genesis, &k.seen));
            if theirs != Some((known.genesis, &known.seen)) {
                let what = format!("{at} has seen {theirs:?}, {first} {:?}", (known.genesis, &known.seen));
                return violated(Property::Liveness, what);
            }
            if let Some((request, wish)) = host.open.iter().next() {
                return violated(Property::Liveness, format!("{at} never answered {request:?}: {wish:?}"));
            }
            let text = |at: usize| self.hosts[at].shown_as_written().map(|value| canonical(&value));
            if text(*at) != text(first) {
                return violated(
                    Property::Divergence,
                    format!("{at} shows {:?}, {first} {:?}", text(*at), text(first)),
                );
            }
            let conflicts =
                |at: usize| self.hosts[at].engine.as_ref().map(|engine| engine.status()[0].disagreements.clone());
            let is_like = host.floor == self.hosts[first].floor;
            if is_like && conflicts(*at) != conflicts(first) {
                return violated(Property::Divergence, format!("{at} lists other conflicts than {first}"));
            }
            let is_certain = !host.is_doubtful && !self.hosts[first].is_doubtful;
            if is_certain && is_like {
                let other = &self.hosts[first].store;
                if held(&host.store) != held(other) {
                    let what = format!("the stores of {at} and {first} hold different writes");
                    return violated(Property::Divergence, what);
                }
                if base(&host.store) != base(other) {
                    let text =
                        |store| base(store).into_values().map(|b| String::from_utf8_lossy(b)).collect::<String>();
                    let what = format!("{at} settled to {}, {first} to {}", text(&host.store), text(other));
                    return violated(Property::Divergence, what);
                }
            }
            self.file_agrees(*at)?;
            self.counter_agrees(*at, &known)?;
        }
        if let Some(dot) =
            self.acknowledged_in(known.genesis).find(|dot| !known.seen.contains(*dot) && !self.wiped.contains(*dot))
        {
            return violated(Property::Durability, format!("{dot:?} was acknowledged and is gone"));
        }
        let mut conflicts = listed(&self.hosts[first].engine.as_ref().unwrap().status()[0].disagreements);
        if !self.hosts[first].floor.is_empty() {
            // What rules had decided is told once, when it is dropped.
            conflicts = self.history.expected(&known).conflicts.clone();
        }
        let shown = self.hosts[first].shown_as_written().unwrap_or_default();
        if let Some(lost) = silently_lost(&self.history.seen(&known), &shown, &conflicts) {
            return violated(Property::Loss, format!("neither shown, superseded nor listed: {lost}"));
        }
        self.guests_agree(&known)
    }

    fn file_agrees(&self, at: usize) -> Checked {
        let host = &self.hosts[at];
        let shown = host.shown_as_written().unwrap_or_default();
        if host.options.file.is_none()
            || (host.file.is_none() && (host.file_deleted || shown.as_map().is_some_and(|m| m.is_empty())))
        {
            return Ok(());
        }
        let file = host.file.as_deref().and_then(|text| parse(text, Format::Json).ok());
        if file.as_ref() != Some(&shown) {
            return violated(Property::Liveness, format!("the file of {at} holds {file:?}, the document {shown:?}"));
        }
        Ok(())
    }

    fn guests_agree(&self, known: &super::history::Known) -> Checked {
        for guest in self.hosts.iter().filter(|host| !host.is_replica()) {
            let through = &self.hosts[guest.guest_of.unwrap_or(0)];
            if !through.is_up() {
                continue;
            }
            let is_live = guest.engine.as_ref().is_some_and(|engine| engine.is_live(&name()));
            if !is_live || guest.shown() != through.shown() || !guest.open.is_empty() {
                let open: Vec<_> = guest.open.keys().collect();
                let (shown, theirs) = (guest.shown(), through.shown());
                let what = format!(
                    "guest {} is live: {is_live}, waits for {open:?}, shows {shown:?}, its host {theirs:?}",
                    guest.number
                );
                return violated(Property::Liveness, what);
            }
        }
        let mut counted = BTreeSet::new();
        for (through, life, place, value) in &self.guest_writes {
            // Who saves an old file writes an old value again. What an expelled host had not shared, nobody sees: it writes
            // that again under another name.
            let is_same_life = self.swarm.rate(Fault::Files) == 0 && self.hosts[*through].life == *life;
            let most = 1 + self.decided.get(place).copied().unwrap_or_default();
            if is_same_life
                && counted.insert((place, canonical(value)))
                && self.history.count(known, place, value) > most
            {
                return violated(
                    Property::Other,
                    format!("what a guest wrote once was written twice: {place} = {value:?}"),
                );
            }
        }
        Ok(())
    }

    /// Who is in step pays for a new connection what greetings cost (P20).
    fn reconnect_cheaply(&mut self) -> Checked {
        let edge = self.edges.iter().position(|edge| edge.link == Link::Dialed && edge.connection.is_some());
        let Some(edge) = edge.filter(|_| self.swarm.heartbeat_ms == 5_000) else { return Ok(()) };
        let [a, b] = self.edges[edge].ends;
        let authors = self.hosts[a].known.as_ref().map_or(0, |known| known.seen.len());
        self.disconnect(edge, true);
        self.pass(1)?;
        self.metered = Some((edge, 0));
        self.connect(edge)?;
        self.swarm.latency_ms = 1;
        let until_ms = self.now_ms + 100;
        while let Some(at_ms) = self.next_arrival().filter(|at_ms| *at_ms < until_ms) {
            self.pass(at_ms.saturating_sub(self.now_ms))?;
            self.arrive()?;
        }
        let most = MAX_RECONNECT_BYTES + authors * MAX_RECONNECT_BYTES_PER_AUTHOR;
        let sent = self.metered.map_or(0, |(_, bytes)| bytes);
        if sent == 0 || sent > most {
            return violated(Property::Other, format!("the reconnect of {a} and {b}, in step, cost {sent} B"));
        }
        Ok(())
    }
}
