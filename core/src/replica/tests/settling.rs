//! The simulator of [`super::mixed`] with members that come and go, delayed snapshots, copies put back, and replicas that
//! drop their history whenever they may. The oracle never forgets.

use std::collections::BTreeMap;

use super::mixed::{PLACES, index_agrees, nothing_was_lost_silently, oracle, policy, value};
use super::*;
use crate::replica::notes;
use crate::testing::{Random, cases};

struct Node {
    replica: Replica,
    rules: Policy,
    version: u32,
    offset: u64,
    acknowledged: BTreeMap<ReplicaId, VersionVector>,
    /// The document that it last had in common with the hub.
    synced: Value,
    /// A copy of its store.
    copy: Option<(Replica, Value)>,
    /// How many of its own writes were surely its own when it was put back from a copy.
    put_back_at: Option<u64>,
}

enum Letter {
    Delta(usize, Delta),
    Acknowledgement(usize, ReplicaId, VersionVector),
    Floor(usize, VersionVector),
    Welcome(ReplicaId, Delta),
}

struct World {
    random: Random,
    nodes: Vec<Node>,
    /// Whether all go through the first node, which may then expel others.
    star: bool,
    mixed: bool,
    history: Vec<Arc<Assertion>>,
    bag: Vec<Letter>,
    now: u64,
    ids: u8,
    settled: usize,
    refused: usize,
    rebased: usize,
}

fn open_conflicts(view: &View) -> Vec<&Disagreement> {
    view.disagreements.iter().filter(|d| d.is_open()).collect()
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::of(seed);
        let (star, mixed) = (random.below(2) == 0, random.below(3) > 0);
        let rules = policy(&mut random);
        let mut founder = replica(1);
        let effect = founder.note(&[settles(), joins(founder.id())], 0).unwrap().unwrap();
        let mut world = World {
            random,
            nodes: Vec::new(),
            star,
            mixed,
            history: effect.added,
            bag: Vec::new(),
            now: 0,
            ids: 1,
            settled: 0,
            refused: 0,
            rebased: 0,
        };
        world.add(founder, rules);
        for _ in 0..1 + world.random.below(3) {
            let id = world.invite(0).unwrap();
            let delta = world.nodes[0].replica.delta(&VersionVector::default());
            world.welcome(id, &delta).unwrap();
        }
        world
    }

    fn add(&mut self, replica: Replica, rules: Policy) {
        let decade = 10 * 365 * 86_400_000;
        let (rules, version) = match self.mixed {
            true => (policy(&mut self.random), u32::try_from(self.random.below(3)).unwrap()),
            false => (rules, 0),
        };
        let offset = [decade, 0, 2 * decade, decade + 5][self.random.below(4)];
        let synced = replica.view().value;
        let acknowledged = BTreeMap::new();
        self.nodes.push(Node { replica, rules, version, offset, acknowledged, synced, copy: None, put_back_at: None });
    }

    fn clock(&self, who: usize) -> u64 {
        self.now + self.nodes[who].offset
    }

    fn some_node(&mut self) -> usize {
        self.random.below(self.nodes.len())
    }

    /// The nodes that one exchanges letters with.
    fn neighbours(&self, who: usize) -> Vec<usize> {
        (0..self.nodes.len()).filter(|to| *to != who && (!self.star || *to == 0 || who == 0)).collect()
    }

    /// Whether a node knows that it has to begin anew.
    fn is_lost(&self, who: usize) -> bool {
        self.nodes[who].put_back_at.is_some()
    }

    fn publish(&mut self, who: usize, since: VersionVector, effect: Effect) {
        self.history.extend(effect.added.clone());
        let to = self.nodes[who].replica.seen().clone();
        let live = Delta { since, to, base: None, items: effect.added };
        for neighbour in self.neighbours(who) {
            self.bag.push(Letter::Delta(neighbour, live.clone()));
        }
    }

    fn invite(&mut self, sponsor: usize) -> Option<ReplicaId> {
        if self.is_lost(sponsor) || !self.nodes[sponsor].replica.is_member(self.nodes[sponsor].replica.id()) {
            return None;
        }
        self.ids += 1;
        let id = ReplicaId::from_bytes([self.ids; 16]);
        let clock = self.clock(sponsor);
        let since = self.nodes[sponsor].replica.seen().clone();
        let effect = self.nodes[sponsor].replica.note(&[joins(id)], clock).unwrap().unwrap();
        self.publish(sponsor, since, effect);
        Some(id)
    }

    fn welcome(&mut self, id: ReplicaId, delta: &Delta) -> Result<(), String> {
        if self.nodes.iter().any(|node| node.replica.id() == id) {
            return Ok(());
        }
        let mut replica = Replica::new(id, self.nodes[0].replica.genesis());
        let Applied::Advanced { .. } = replica.apply(delta, self.now).map_err(|e| e.to_string())? else {
            return Err("a newcomer could not take its first document".to_owned());
        };
        let rules = self.nodes[0].rules.clone();
        self.add(replica, rules);
        self.check(self.nodes.len() - 1)
    }

    fn write(&mut self) -> Result<(), String> {
        let who = self.some_node();
        let edits: Vec<Edit> = (0..self.random.below(3).max(1))
            .map(|_| {
                let place = PLACES[self.random.below(PLACES.len())];
                let value = if place.is_empty() {
                    Some([("a", value(&mut self.random, 1)), ("t", value(&mut self.random, 1))].into_iter().collect())
                } else {
                    (self.random.below(4) > 0).then(|| value(&mut self.random, 0))
                };
                Edit { path: path(place), value }
            })
            .collect();
        let (rules, version) = (self.nodes[who].rules.clone(), self.nodes[who].version);
        let options = WriteOptions {
            policy_version: version,
            force: self.random.below(3) == 0,
            fence: u64::from(self.random.below(8) == 0),
            meanwhile: Some([Meanwhile::Last, Meanwhile::First, Meanwhile::Previous][self.random.below(3)]),
            reasserts: self.random.below(4) == 0,
            ..WriteOptions::under(&rules)
        };
        let (clock, lost, noting) = (self.clock(who), self.is_lost(who), self.random.below(10) == 0);
        let note = Edit {
            path: path(["assigned.x", "assigned.y", "policy"][self.random.below(3)]),
            value: (self.random.below(3) > 0).then(|| value(&mut self.random, 2)),
        };
        let replica = &mut self.nodes[who].replica;
        let before = replica.view();
        let since = replica.seen().clone();
        let wrote =
            if noting { replica.note(&[note], clock) } else { replica.write(&before.value, &edits, &options, clock) };
        let Ok(Some(effect)) = wrote else { return Ok(()) };
        let next = replica.advance(&before, &effect);
        if next != replica.view() || replica.advance_value(&before.value, &effect) != next.value {
            return Err(format!("after a write the partial view {next:?} is not the whole {:?}", replica.view()));
        }
        index_agrees(replica, &since)?;
        let wish = edits.iter().fold(before.value.clone(), |value, edit| match &edit.value {
            Some(new) => value.with(&edit.path, new.clone()),
            None => value.without(&edit.path),
        });
        if next.value != if noting { before.value } else { wish } {
            return Err(format!("a writer does not read its own write: {edits:?} gave {:?}", next.value));
        }
        // What is written before a node knows that it was put back stays with it until it does.
        if !lost {
            self.publish(who, since, effect);
            self.check(who)?;
        }
        Ok(())
    }

    fn receive(&mut self, to: usize, delta: &Delta) -> Result<(), String> {
        let delta = Delta::from_value(&delta.to_value()).map_err(|e| e.to_string())?;
        if self.is_lost(to) {
            return Ok(());
        }
        let clock = self.clock(to);
        let replica = &mut self.nodes[to].replica;
        let before = replica.view();
        match replica.apply(&delta, clock).map_err(|e| e.to_string())? {
            Applied::Advanced { effect, .. } => {
                if replica.advance(&before, &effect) != replica.view() {
                    return Err(format!("replica {to} computes another view in part than as a whole"));
                }
                let floor = replica.base().map(|base| base.floor.clone()).unwrap_or_default();
                if replica.live().any(|held| !held.context.includes(&floor)) {
                    return Err(format!("replica {to} holds a write that had not seen its floor"));
                }
            }
            Applied::Refused { author } => {
                self.refused += 1;
                if self.nodes[to].replica.is_member(author) {
                    return Err(format!("replica {to} refuses the member {author}"));
                }
            }
            Applied::Behind if self.nodes[to].replica.is_member(self.nodes[to].replica.id()) && !self.star => {
                return Err(format!("member {to} is behind"));
            }
            Applied::Behind => return self.rebase(to),
            Applied::Duplicate | Applied::Gap => {}
        }
        self.check(to)
    }

    fn settle(&mut self, who: usize, vouched: bool) -> Result<(), String> {
        let node = &mut self.nodes[who];
        if node.put_back_at.is_some() || !(vouched || node.replica.may_settle(&node.acknowledged)) {
            return Ok(());
        }
        let before = node.replica.view();
        let mut whole = oracle(&self.history, node.replica.seen());
        node.replica.settle(&before).map_err(|e| e.to_string())?;
        let all = whole.view();
        whole.settle(&all).map_err(|e| e.to_string())?;
        self.settled += 1;
        if node.replica.base() != whole.base() {
            return Err(format!("{who} settled to {:?}, the oracle to {:?}", node.replica.base(), whole.base()));
        }
        if node.replica.view().value != before.value || node.replica.live().next().is_some() {
            return Err(format!("settling changed {who}"));
        }
        let base = node.replica.base().unwrap();
        if Base::from_value(&base.to_value()).as_ref() != Ok(base) {
            return Err(format!("{base:?} does not survive its wire form"));
        }
        if self.random.below(3) == 0 {
            for to in self.neighbours(who) {
                let floor = self.nodes[who].replica.base().unwrap().floor.clone();
                self.bag.push(Letter::Floor(to, floor));
            }
        }
        self.check(who)
    }

    /// A node whose document others went on without takes theirs over and writes again what it had not shared.
    fn rebase(&mut self, who: usize) -> Result<(), String> {
        let old = self.nodes[who].replica.id();
        let Some(id) = self.invite(0) else { return Ok(()) };
        let clock = self.clock(0);
        let last = self.nodes[0].replica.seen().seq(old);
        let since = self.nodes[0].replica.seen().clone();
        if self.nodes[0].replica.is_member(old) {
            let effect = self.nodes[0].replica.note(&[leaves(old, last)], clock).unwrap().unwrap();
            self.publish(0, since, effect);
        }
        let delta = self.nodes[0].replica.delta(&VersionVector::default());
        let node = &self.nodes[who];
        let own = node.put_back_at.unwrap_or(u64::MAX).min(delta.to.seq(old));
        let shared = delta.to.iter().map(|(replica, seq)| (replica, if replica == old { own } else { seq })).collect();
        let (rules, clock) = (node.rules.clone(), self.clock(who));
        let options = WriteOptions { policy_version: node.version, ..WriteOptions::under(&rules) };
        let rebased = node.replica.rebased(id, &delta, &shared, (&node.synced, Heeds::Later), &options, clock);
        let rebased = rebased.map_err(|e| e.to_string())?;
        let mut items = Vec::new();
        for effect in rebased.rewritten {
            items.extend(effect.added);
        }
        self.rebased += 1;
        let node = &mut self.nodes[who];
        node.replica = rebased.replica;
        node.synced = node.replica.view().value;
        node.acknowledged.clear();
        (node.copy, node.put_back_at) = (None, None);
        // Live writes that a later one of the same batch pruned again still are history.
        self.publish(who, delta.to, Effect { added: items, dropped: Vec::new() });
        self.check(who)
    }

    fn acknowledge(&mut self, from: usize, to: usize) {
        if self.is_lost(from) {
            return;
        }
        let (id, seen) = (self.nodes[from].replica.id(), self.nodes[from].replica.seen().clone());
        self.bag.push(Letter::Acknowledgement(to, id, seen));
    }

    fn deliver(&mut self, letter: Letter) -> Result<(), String> {
        match letter {
            Letter::Delta(to, delta) => self.receive(to, &delta),
            Letter::Acknowledgement(to, from, seen) => {
                self.nodes[to].acknowledged.entry(from).or_default().join(&seen);
                Ok(())
            }
            Letter::Floor(to, floor) if *self.nodes[to].replica.seen() == floor => self.settle(to, true),
            Letter::Floor(..) => Ok(()),
            Letter::Welcome(id, delta) => self.welcome(id, &delta),
        }
    }

    fn pull(&mut self, from: usize, to: usize, at_once: bool) -> Result<(), String> {
        if self.is_lost(from) || self.is_lost(to) {
            return Ok(());
        }
        let delta = self.nodes[from].replica.delta(self.nodes[to].replica.seen());
        if at_once {
            return self.receive(to, &delta);
        }
        self.bag.push(Letter::Delta(to, delta));
        Ok(())
    }

    /// Everybody who is there gets everything, and says so.
    fn meet(&mut self) -> Result<(), String> {
        for _ in 0..2 {
            for from in 0..self.nodes.len() {
                for to in self.neighbours(from) {
                    self.pull(from, to, true)?;
                }
            }
        }
        for from in 0..self.nodes.len() {
            if self.is_lost(from) {
                continue;
            }
            for to in 0..self.nodes.len() {
                // The hub passes on what the others said.
                let (id, seen) = (self.nodes[from].replica.id(), self.nodes[from].replica.seen().clone());
                self.deliver(Letter::Acknowledgement(to, id, seen))?;
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        self.now += [0, 1, 1_000][self.random.below(3)];
        match self.random.below(17) {
            // All hear of one, who does not hear of what they wrote meanwhile.
            16 => {
                let who = self.some_node();
                for to in self.neighbours(who) {
                    self.pull(who, to, true)?;
                }
                for from in (0..self.nodes.len()).filter(|from| !self.is_lost(*from)).collect::<Vec<_>>() {
                    let (id, seen) = (self.nodes[from].replica.id(), self.nodes[from].replica.seen().clone());
                    self.deliver(Letter::Acknowledgement(who, id, seen))?;
                }
                self.settle(who, false)?;
            }
            0..=5 => self.write()?,
            6 | 7 if !self.bag.is_empty() => {
                let at = self.random.below(self.bag.len());
                let letter = self.bag.swap_remove(at);
                if self.random.below(5) == 0
                    && let Letter::Delta(to, delta) = &letter
                {
                    self.bag.push(Letter::Delta(*to, delta.clone()));
                }
                self.deliver(letter)?;
            }
            8 => {
                let from = self.some_node();
                let near = self.neighbours(from);
                let (to, at_once) = (near[self.random.below(near.len())], self.random.below(2) == 0);
                self.pull(from, to, at_once)?;
            }
            9 => {
                let (from, to) = (self.some_node(), self.some_node());
                self.acknowledge(from, to);
            }
            10 => {
                let who = self.some_node();
                self.settle(who, false)?;
            }
            11 if self.random.below(2) == 0 => {
                self.meet()?;
                for who in 0..self.nodes.len() {
                    if self.random.below(2) == 0 {
                        self.settle(who, false)?;
                    }
                }
            }
            12 if self.nodes.len() < 6 && self.random.below(3) == 0 => {
                let sponsor = if self.star { 0 } else { self.some_node() };
                if let Some(id) = self.invite(sponsor) {
                    let delta = self.nodes[sponsor].replica.delta(&VersionVector::default());
                    self.bag.push(Letter::Welcome(id, delta));
                }
            }
            13 if self.star => {
                let who = 1 + self.random.below(self.nodes.len() - 1);
                let id = self.nodes[who].replica.id();
                let clock = self.clock(0);
                match self.random.below(6) {
                    0 if !self.is_lost(who) && self.nodes[0].replica.is_member(id) => {
                        let since = self.nodes[0].replica.seen().clone();
                        let last = since.seq(id);
                        let effect = self.nodes[0].replica.note(&[leaves(id, last)], clock).unwrap().unwrap();
                        self.publish(0, since, effect);
                    }
                    1 | 2 if !self.is_lost(who) => {
                        let node = &mut self.nodes[who];
                        node.copy = Some((node.replica.clone(), node.synced.clone()));
                    }
                    3 => {
                        let node = &mut self.nodes[who];
                        if let Some((copy, synced)) = node.copy.take() {
                            node.put_back_at = Some(copy.seen().seq(copy.id()));
                            (node.replica, node.synced) = (copy, synced);
                        }
                    }
                    _ if self.is_lost(who) || !self.nodes[0].replica.is_member(id) => self.rebase(who)?,
                    _ => {}
                }
            }
            _ => {
                if !self.bag.is_empty() && self.random.below(4) == 0 {
                    let at = self.random.below(self.bag.len());
                    // An invitation may be late, but it comes.
                    if !matches!(self.bag[at], Letter::Welcome(..)) {
                        self.bag.swap_remove(at);
                    }
                }
            }
        }
        Ok(())
    }

    fn check(&self, who: usize) -> Result<(), String> {
        let replica = &self.nodes[who].replica;
        let whole = oracle(&self.history, replica.seen());
        let (view, expected) = (replica.view(), whole.view());
        let same = view.value == expected.value && open_conflicts(&view) == open_conflicts(&expected);
        if !same || (replica.base().is_none() && view != expected) {
            return Err(format!("replica {who} shows {view:?}, the oracle {expected:?}"));
        }
        if replica.notes() != whole.notes() {
            return Err(format!("replica {who} notes {:?}, the oracle {:?}", replica.notes(), whole.notes()));
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        while let Some(at) = self.bag.iter().position(|letter| matches!(letter, Letter::Welcome(..))) {
            let letter = self.bag.swap_remove(at);
            self.deliver(letter)?;
        }
        for who in 1..self.nodes.len() {
            let is_out = !self.nodes[0].replica.is_member(self.nodes[who].replica.id());
            if self.is_lost(who) || (self.star && is_out) {
                self.rebase(who)?;
            }
        }
        self.meet()?;
        let first = self.nodes[0].replica.clone();
        for who in 0..self.nodes.len() {
            self.check(who)?;
            let replica = &self.nodes[who].replica;
            if replica.seen() != first.seen() || replica.view().value != first.view().value {
                return Err(format!("{who} did not end like the first"));
            }
            // What the store would load again is the same replica.
            let stored = replica.live().map(|a| Assertion::from_value(&a.to_value()).unwrap());
            let (base, seen) = (replica.base().cloned(), replica.seen().clone());
            let restored = Replica::restore(replica.id(), replica.genesis(), seen, Stamp::default(), base, stored);
            if restored.view() != replica.view() || restored.live != replica.live || restored.notes != replica.notes {
                return Err("the restored replica differs".to_owned());
            }
        }
        if first.base().is_none() {
            let all = self.history.iter().filter(|a| first.seen().contains(a.dot) && !notes::is_reserved(&a.path));
            nothing_was_lost_silently(&all.cloned().collect::<Vec<_>>(), &first.view())?;
        }
        for who in 0..self.nodes.len() {
            self.settle(who, false)?;
            if self.nodes[who].replica.base().map(|base| &base.floor) != Some(first.seen()) {
                let members: Vec<_> = self.nodes[who].replica.members().collect();
                let (seen, said) = (first.seen(), &self.nodes[who].acknowledged);
                return Err(format!("{who} could not settle at {seen:?} in the end: {members:?} said {said:?}"));
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct Count {
    writes: usize,
    settled: usize,
    refused: usize,
    rebased: usize,
}

fn run(seed: u64, count: &mut Count) -> Result<(), String> {
    let mut world = World::new(seed);
    for _ in 0..8 + world.random.below(60) {
        world.step()?;
    }
    world.end()?;
    count.writes += world.history.len();
    count.settled += world.settled;
    count.refused += world.refused;
    count.rebased += world.rebased;
    Ok(())
}

#[test]
fn replicas_that_drop_their_history_agree_with_the_oracle_that_never_forgets() {
    let mut count = Count::default();
    for seed in 0..cases(400) {
        if let Err(why) = run(seed, &mut count) {
            panic!("seed {seed}: {why}");
        }
    }
    let Count { writes, settled, refused, rebased } = count;
    assert!(writes > 1_000 && settled > 500, "the simulation did too little: {writes} writes, settled {settled}");
    assert!(refused > 20 && rebased > 20, "the simulation broke too little: {refused} refused, {rebased} rebased");
}
