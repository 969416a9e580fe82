//! A seeded simulator: replicas with policies, versions and clocks of their own exchange late, doubled and lost deltas.
//! The oracle is the view of the same writes when nothing was ever pruned.

use super::strategies::meet;
use super::*;
use crate::policy::{ConflictStrategy, Rule};
use crate::testing::{Random, cases};

pub(super) const PATTERNS: &[&str] = &["*", "a", "a.*", "b.*", "a.x", "*.x", "c.d", "c.**", "a.l", "t", "**.p"];
pub(super) const PLACES: &[&str] =
    &["a", "b", "t", "a.x", "a.y", "a.l", "a.x.p", "b.x", "c.d.e", "c.d", "c", "a.l.0", "b.x.p", ""];

pub(super) fn policy(random: &mut Random) -> Policy {
    let mut rules = Vec::new();
    for _ in 0..random.below(5) {
        let rule = Rule::on(crate::Pattern::parse(PATTERNS[random.below(PATTERNS.len())]).unwrap());
        let strategy = ConflictStrategy::ALL[random.below(ConflictStrategy::ALL.len())];
        rules.push(if random.below(8) == 0 { rule.atomic(true) } else { rule.conflict(strategy) });
    }
    Policy::of(rules).unwrap()
}

pub(super) fn value(random: &mut Random, depth: usize) -> Value {
    let number = |random: &mut Random| i64::try_from(random.below(5)).unwrap();
    match random.below(if depth > 2 { 5 } else { 8 }) {
        0 | 1 => number(random).into(),
        2 => ["", "a", "ab", "éa", "bca"][random.below(5)].into(),
        3 | 4 => (0..random.below(4)).map(|_| Value::from(number(random))).collect::<Vec<_>>().into(),
        5 => Value::empty_map(),
        _ => {
            let keys = ["x", "y", "p", "l", "d", "e"];
            (0..random.below(3) + 1).map(|_| (keys[random.below(6)], value(random, depth + 1))).collect()
        }
    }
}

/// The writes that a replica has seen, none of them ever pruned.
pub(super) fn oracle(history: &[Arc<Assertion>], seen: &VersionVector) -> Replica {
    let mut all = replica(99);
    for assertion in history.iter().filter(|a| seen.contains(a.dot)) {
        if assertion.claim != Claim::Nothing {
            let tree = if is_reserved(&assertion.path) { &mut all.reserved } else { &mut all.live };
            tree.insert(Arc::clone(assertion));
        }
        if !assertion.edits.is_empty() {
            let here = all.sequences.entry(assertion.path.clone()).or_default();
            here.insert(assertion.dot, Arc::clone(assertion));
        }
    }
    all.seen = seen.clone();
    all.read_notes();
    all
}

/// What is looked up as new is what a look at everything finds, in its order.
pub(super) fn index_agrees(replica: &Replica, since: &VersionVector) -> Result<(), String> {
    for since in [since, &VersionVector::default()] {
        let found: Vec<Arc<Assertion>> = replica.live().filter(|held| !since.contains(held.dot)).cloned().collect();
        if replica.held_after(since) != found || replica.live_len() != replica.live().count() {
            return Err(format!("the index by author lacks what is held after {since:?}: {found:?}"));
        }
    }
    Ok(())
}

/// Every value that was asserted is visible, or was superseded by a write that had seen it, or is listed.
pub(super) fn nothing_was_lost_silently(history: &[Arc<Assertion>], view: &View) -> Result<(), String> {
    for assertion in history {
        let Claim::Value(value) = &assertion.claim else { continue };
        let mut lost = None;
        value.for_each_leaf(&mut |below, leaf| {
            let place = assertion.path.join(below);
            let is_part_of_later = |other: &Arc<Assertion>| {
                assertion.yields_to(other) && (place.starts_with(&other.path) || other.path.starts_with(&place))
            };
            let is_listed = || {
                let mut found = view.disagreements.iter().filter(|d| d.path == place);
                found.any(|d| d.sides.iter().any(|side| side.dot == assertion.dot))
            };
            let shown = view.value.at(&place);
            let is_filled_map = *leaf == Value::empty_map() && shown.is_some_and(|v| v.as_map().is_some());
            let is_kept = shown == Some(leaf) || is_filled_map;
            if !(is_kept || history.iter().any(is_part_of_later) || is_listed()) {
                lost = Some(format!("{:?} = {leaf:?} of {:?}", place.to_string(), assertion.dot));
            }
        });
        if let Some(lost) = lost {
            return Err(lost);
        }
    }
    Ok(())
}

struct World {
    random: Random,
    replicas: Vec<Replica>,
    policies: Vec<(Policy, u32)>,
    offsets: Vec<u64>,
    history: Vec<Arc<Assertion>>,
    /// Deltas on their way; any may be late, doubled or lost.
    bag: Vec<(usize, Delta)>,
    now: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::of(seed);
        let count = 2 + random.below(3);
        let decade = 10 * 365 * 86_400_000;
        let policies: Vec<(Policy, u32)> = match random.below(3) {
            0 => vec![(policy(&mut random), 0); count],
            _ => (0..count).map(|_| (policy(&mut random), u32::try_from(random.below(3)).unwrap())).collect(),
        };
        let offsets = (0..count).map(|_| [decade, 0, 2 * decade, decade + 5][random.below(4)]).collect();
        let replicas = (1..=count).map(|byte| replica(u8::try_from(byte).unwrap())).collect();
        World { random, replicas, policies, offsets, history: Vec::new(), bag: Vec::new(), now: 0 }
    }

    fn clock(&self, who: usize) -> u64 {
        self.now + self.offsets[who]
    }

    fn write(&mut self) -> Result<(), String> {
        let who = self.random.below(self.replicas.len());
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
        let (rules, version) = self.policies[who].clone();
        let options = WriteOptions {
            policy_version: version,
            force: self.random.below(3) == 0,
            fence: u64::from(self.random.below(8) == 0),
            reasserts: self.random.below(4) == 0,
            meanwhile: Some([Meanwhile::Last, Meanwhile::First, Meanwhile::Previous][self.random.below(3)]),
            ..WriteOptions::under(&rules)
        };
        let clock = self.clock(who);
        let replica = &mut self.replicas[who];
        let before = replica.view();
        let view = before.value.clone();
        let since = replica.seen().clone();
        let Ok(Some(effect)) = replica.write(&view, &edits, &options, clock) else { return Ok(()) };
        let wish = edits.iter().fold(view.clone(), |value, edit| match &edit.value {
            Some(new) => value.with(&edit.path, new.clone()),
            None => value.without(&edit.path),
        });
        let next = replica.advance(&before, &effect);
        if next != replica.view() || replica.advance_value(&view, &effect) != next.value {
            return Err(format!("after a write the partial view {next:?} is not the whole {:?}", replica.view()));
        }
        index_agrees(replica, &since)?;
        let after = next.value;
        if after != wish {
            return Err(format!("a writer does not read its own write: {edits:?} on {view:?} gave {after:?}"));
        }
        if !options.force && !rules.rules().iter().any(|rule| rule.atomic == Some(true)) {
            let mut changed = None;
            view.for_each_leaf(&mut |place, old| {
                let is_first = rules.conflict_at(place) == ConflictStrategy::FirstWriteWins;
                let filled = *old == Value::empty_map() && after.at(place).is_some_and(|v| v.as_map().is_some());
                if is_first && after.at(place) != Some(old) && !filled {
                    changed = Some(place.to_string());
                }
            });
            if let Some(place) = changed {
                return Err(format!("a first value was written over at {place}"));
            }
        }
        self.history.extend(effect.added.clone());
        let live = Delta { since, to: replica.seen().clone(), base: None, items: effect.added };
        for to in (0..self.replicas.len()).filter(|to| *to != who) {
            self.bag.push((to, live.clone()));
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), String> {
        self.now += [0, 1, 1_000][self.random.below(3)];
        match self.random.below(6) {
            0..=2 => self.write()?,
            3 if !self.bag.is_empty() => {
                let at = self.random.below(self.bag.len());
                let doubled = self.random.below(5) == 0;
                let (to, delta) = if doubled { self.bag[at].clone() } else { self.bag.swap_remove(at) };
                let delta = Delta::from_value(&delta.to_value()).map_err(|e| e.to_string())?;
                self.receive(to, &delta)?;
            }
            4 => {
                let (from, to) = (self.random.below(self.replicas.len()), self.random.below(self.replicas.len()));
                let since = self.replicas[to].seen().clone();
                let delta = self.replicas[from].delta(&since);
                if self.random.below(2) == 0 {
                    self.bag.push((to, delta));
                } else {
                    self.receive(to, &delta)?;
                }
            }
            _ => {
                if !self.bag.is_empty() && self.random.below(4) == 0 {
                    let at = self.random.below(self.bag.len());
                    self.bag.swap_remove(at);
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self, to: usize, delta: &Delta) -> Result<(), String> {
        let clock = self.clock(to);
        let replica = &mut self.replicas[to];
        let before = replica.view();
        let applied = replica.apply(delta, clock).map_err(|e| e.to_string())?;
        if let Applied::Advanced { effect, .. } = applied
            && replica.advance(&before, &effect) != replica.view()
        {
            return Err(format!("replica {to} computes another view in part than as a whole"));
        }
        self.check(to)
    }

    fn check(&self, who: usize) -> Result<(), String> {
        let replica = &self.replicas[who];
        let (view, expected) = (replica.view(), oracle(&self.history, replica.seen()).view());
        if view != expected {
            return Err(format!("replica {who} shows {view:?}, the oracle {expected:?}"));
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        meet(&mut self.replicas);
        self.check(0)?;
        let view = self.replicas[0].view();
        nothing_was_lost_silently(&self.history, &view)?;
        let seen = self.replicas[0].seen().clone();
        // Any order of arrival leaves the same set.
        let mut late = Replica::new(self.replicas[0].id(), self.replicas[0].genesis());
        let mut shuffled = self.history.clone();
        for at in (1..shuffled.len()).rev() {
            shuffled.swap(at, self.random.below(at + 1));
        }
        for assertion in shuffled {
            late.insert(assertion, &mut Effect::default());
        }
        let held: Vec<_> = self.replicas[0].live().cloned().collect();
        if late.live().cloned().collect::<Vec<_>>() != held || late.live != self.replicas[0].live {
            return Err("the order of arrival changed what is held".to_owned());
        }
        // What the store would load again is the same replica.
        let stored = held.iter().map(|a| Assertion::from_value(&a.to_value()).unwrap());
        let restored = Replica::restore(late.id(), late.genesis(), seen, Stamp::default(), None, stored);
        if restored.view() != view || restored.live != late.live {
            return Err("the restored replica differs".to_owned());
        }
        Ok(())
    }
}

fn run(seed: u64) -> Result<usize, String> {
    let mut world = World::new(seed);
    for _ in 0..8 + world.random.below(40) {
        world.step()?;
    }
    world.end()?;
    Ok(world.history.len())
}

#[test]
fn replicas_of_any_policy_agree_with_the_oracle_that_never_forgets() {
    let mut writes = 0;
    for seed in 0..cases(400) {
        match run(seed) {
            Ok(count) => writes += count,
            Err(why) => panic!("seed {seed}: {why}"),
        }
    }
    assert!(writes > 1_000, "the simulation wrote too little: {writes}");
}
