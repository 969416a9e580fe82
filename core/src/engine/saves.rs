//! What a save of a bound file means: a three-way merge from the text that it descends from.
//!
//! An editor may hold an old text for hours and save it with one line changed. Judged against the newest text it would
//! take back whatever others wrote meanwhile. So the state from which the save changes least is taken for its ancestor,
//! and only what differs from that one counts as said. What the save brings back, or lacks, although *others* wrote it
//! since stays as they wrote it, and is told as a [`Dispute`]. What only this file had changed since is the file's to
//! change again. Of a list or a text that both changed, both changes are kept where a rule or its items allow that.

use std::collections::{BTreeMap, BTreeSet};

use super::kept::{Step, Writer};
use super::save_merge::both;
use crate::diff::leaf::{Leaf, leaf_at, leaf_count, leaf_diff, node_at, with_leaves};
use crate::diff::parts::{Apart, Parts, has_parts};
use crate::path::Path;
use crate::policy::Policy;
use crate::value::Value;

/// How many leaves a save without a known ancestor may remove before the text before it is kept.
const MOST_REMOVED: usize = 32;

/// Whose value stays where a save and others speak of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// What others wrote since the text that the save descends from: the save only held the older value, or lacked it.
    Theirs,
    /// What the save changed, although others had written there since.
    Saved,
}

/// A path where a save of the bound file and others said different things.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dispute {
    pub(super) path: Path,
    pub(super) saved: Option<Value>,
    pub(super) theirs: Option<Value>,
    pub(super) stays: Stays,
}

/// What is judged.
pub(super) struct Save<'a> {
    /// What the file says now.
    pub(super) saved: &'a Value,
    /// The state that it was mirrored as last.
    pub(super) newest: &'a Value,
    /// The shared layer as the file would show it.
    pub(super) theirs: &'a Value,
    /// The shared layer as far as it is in force, with what the file cannot hold.
    pub(super) shown: &'a Value,
    /// The shared layer itself.
    pub(super) shared: &'a Value,
    /// How the newest state came to be, the newest step first.
    pub(super) steps: &'a [&'a Step],
    /// Whether there were states before those.
    pub(super) forgot: bool,
    /// Whether the file holds texts only, so that the value that is there names the type.
    pub(super) is_text: bool,
    /// Says what becomes of what several people wrote.
    pub(super) policy: &'a Policy,
}

impl Save<'_> {
    /// What the author meant by a leaf.
    fn meant(&self, path: &Path, saved: &Value) -> Value {
        let there = leaf_at(self.shown, path);
        match (saved.as_str().filter(|_| self.is_text), there) {
            (Some(text), Some(Value::Bool(_) | Value::Number(_))) => {
                let read = crate::format::parse(text, crate::format::Format::Json).ok();
                let is_alike = |read: &Value| match there {
                    Some(Value::Bool(_)) => read.as_bool().is_some(),
                    _ => read.as_f64().is_some(),
                };
                read.filter(is_alike).unwrap_or_else(|| saved.clone())
            }
            _ => saved.clone(),
        }
    }

    /// What the save and others made of a leaf, where neither has to give way.
    fn both(&self, path: &Path, before: Option<&Value>, theirs: Option<&Value>) -> Option<Value> {
        let (before, theirs, saved) = (before?, theirs?, leaf_at(self.saved, path)?);
        // What the file cannot hold of it would be lost.
        let is_whole = leaf_at(self.shown, path) == Some(theirs) && !self.is_text;
        is_whole.then(|| both(before, saved, theirs, self.policy.conflict_at(path))).flatten()
    }
}

/// What a save comes to.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// The shared layer with what the author changed.
    pub(super) merged: Value,
    /// What the author changed to what is there already.
    pub(super) same: Vec<(Path, Value)>,
    /// Where others had a say.
    pub(super) disputes: Vec<Dispute>,
    /// What the author wrote.
    pub(super) written: Vec<Path>,
    /// What the author removed, as far as that counts.
    pub(super) removed: Vec<Path>,
    /// Whether it surely descends from a state that is kept.
    pub(super) is_known: bool,
    /// Whether so much went that the text before is to be kept.
    pub(super) keeps_text: bool,
}

/// The state that a save descends from.
struct Ancestor {
    /// How many states it lies back.
    age: usize,
    /// From how many of its leaves the save differs.
    distance: usize,
    /// The save is an older state, but one leaf from the newest: who sets one value back by hand means it.
    is_set_back: bool,
    /// The oldest state that is kept is as near.
    is_oldest_as_near: bool,
    /// How many states the others lie back from which it differs as little: it may descend from any of them.
    as_near: Vec<usize>,
}

/// Whether two leaves count as different. That a map is empty follows from what went, and counts for nothing.
fn differ(one: Option<&Value>, other: Option<&Value>) -> bool {
    let is_value = |leaf: &&Value| leaf.as_map().is_none();
    one.filter(is_value) != other.filter(is_value)
}

/// How near a save is to one state after the other, within its leaves: it tells those apart from which it differs in as many
/// leaves, as where the save and others changed one list.
struct Within<'a> {
    saved: &'a Value,
    /// What the save holds.
    parts: BTreeMap<&'a Path, Parts>,
    /// From how much it differs at each leaf.
    at: BTreeMap<&'a Path, Apart>,
    all: Apart,
}

impl<'a> Within<'a> {
    /// The next state holds this at a leaf.
    fn hold(&mut self, path: &'a Path, held: Option<&Value>) {
        let saved = leaf_at(self.saved, path);
        let apart = match differ(held, saved) {
            true => self.parts.entry(path).or_insert_with(|| Parts::of(saved)).apart(held),
            false => Apart::default(),
        };
        let before = self.at.insert(path, apart).unwrap_or_default();
        self.all = self.all + apart - before;
    }
}

/// The state from which the save changes least: the fewest leaves, and of those the least of them. Where the newest is among
/// them it is that one. Else the save is surely older, and the oldest of them is taken: what others wrote since then its
/// author may never have seen.
///
/// Each distance follows from the one before by the step that led away from that state.
fn ancestor(save: &Save<'_>, from_newest: &[Leaf]) -> Ancestor {
    let to_newest = from_newest.iter().filter(|leaf| differ(leaf.old.as_ref(), leaf.new.as_ref())).count();
    let (parts, at) = (BTreeMap::new(), BTreeMap::new());
    let mut within = Within { saved: save.saved, parts, at, all: Apart::default() };
    from_newest.iter().for_each(|leaf| within.hold(&leaf.path, leaf.old.as_ref()));
    let mut distance = to_newest;
    let mut nearness = (distance, within.all);
    let mut best = (0, nearness);
    let mut all = vec![nearness];
    for (at, step) in save.steps.iter().enumerate() {
        for leaf in &step.leaves {
            let saved = leaf_at(save.saved, &leaf.path);
            distance = (distance + usize::from(differ(leaf.old.as_ref(), saved)))
                .saturating_sub(usize::from(differ(leaf.new.as_ref(), saved)));
            within.hold(&leaf.path, leaf.old.as_ref());
        }
        nearness = (distance, within.all);
        if nearness < best.1 || (nearness == best.1 && best.0 > 0) {
            best = (at + 1, nearness);
        }
        all.push(nearness);
    }
    let is_as_near = |(age, nearness): (usize, (usize, Apart))| (age != best.0 && nearness == best.1).then_some(age);
    let as_near = all.into_iter().enumerate().filter_map(is_as_near).collect();
    let is_oldest_as_near = nearness == best.1;
    let (age, (distance, _)) = best;
    if distance == 0 && to_newest == 1 {
        return Ancestor { age: 0, distance: 1, is_set_back: true, is_oldest_as_near, as_near };
    }
    Ancestor { age, distance, is_set_back: false, is_oldest_as_near, as_near }
}

/// What the ancestor had at the leaves that changed since, and who changed them last. Of a list or a text, parts that others
/// wrote are still there when this file changed it after them.
fn since<'a>(steps: &[&'a Step], age: usize) -> BTreeMap<&'a Path, (Option<&'a Value>, Writer)> {
    let mut changed = BTreeMap::new();
    for step in steps.iter().take(age) {
        for leaf in &step.leaves {
            let (old, writer) = changed.entry(&leaf.path).or_insert((None, step.writer(&leaf.path)));
            *old = leaf.old.as_ref();
            if has_parts(leaf.new.as_ref()) && leaf.old != leaf.new && step.writer(&leaf.path) == Writer::Others {
                *writer = Writer::Others;
            }
        }
    }
    changed
}

/// Where the save has what another state had from which it may descend as well: perhaps nobody said that. `changed` is what
/// changed since its ancestor.
fn doubted<'a>(
    save: &Save<'a>,
    ancestor: &Ancestor,
    changed: &BTreeMap<&'a Path, (Option<&'a Value>, Writer)>,
) -> BTreeSet<&'a Path> {
    let mut doubted = BTreeSet::new();
    for age in &ancestor.as_near {
        let state = since(save.steps, *age);
        let held = |path: &Path| state.get(path).map_or_else(|| leaf_at(save.newest, path), |(old, _)| *old);
        let paths = changed.keys().chain(state.keys());
        doubted.extend(paths.filter(|path| leaf_at(save.saved, path) == held(path)));
    }
    doubted
}

fn last_writer(steps: &[&Step], path: &Path) -> Option<Writer> {
    steps.iter().find(|step| step.leaves.iter().any(|leaf| leaf.path == *path)).map(|step| step.writer(path))
}

/// Decides on a save. Costs what differs, not what the file holds.
pub(super) fn judge(save: &Save<'_>) -> Verdict {
    let from_newest = leaf_diff(save.newest, save.saved);
    let unmirrored = leaf_diff(save.newest, save.theirs);
    let unmirrored: BTreeSet<&Path> = unmirrored.iter().map(|leaf| &leaf.path).collect();
    let ancestor = ancestor(save, &from_newest);
    let is_known = !(save.forgot && ancestor.is_oldest_as_near && ancestor.distance > 0);
    let changed = since(save.steps, ancestor.age);
    let doubted = doubted(save, &ancestor, &changed);
    let touched: BTreeMap<&Path, &Leaf> = from_newest.iter().map(|leaf| (&leaf.path, leaf)).collect();
    let paths: BTreeSet<&Path> = touched.keys().copied().chain(changed.keys().copied()).collect();
    let by_others = |path: &Path| {
        unmirrored.contains(path) || changed.get(path).is_some_and(|(_, writer)| *writer == Writer::Others)
    };
    let stays_map = |value: Option<&Value>, other: &Value, path: &Path| {
        value == Some(&Value::empty_map()) && node_at(other, path).is_some_and(|node| node.as_map().is_some())
    };

    let mut verdict = Verdict { is_known, ..Verdict::default() };
    let mut made: Vec<(&Path, Option<Value>)> = Vec::new();
    let mut gone = 0;
    let mut added = 0;
    for path in paths {
        let saved = leaf_at(save.saved, path);
        let before = match changed.get(path) {
            Some((old, _)) => *old,
            None => touched.get(path).and_then(|leaf| leaf.old.as_ref()),
        };
        let theirs = leaf_at(save.theirs, path);
        added += usize::from(before.is_none() && saved.is_some());
        let is_gone = before.is_some() && saved.is_none() && !stays_map(before, save.saved, path);
        gone += usize::from(before.is_some() && saved.is_none());
        // A map that has entries on one side and none on the other is a map on both.
        if saved == theirs || stays_map(saved, save.theirs, path) || stays_map(theirs, save.saved, path) {
            // A state that is as near had it already, or the file has shown since what others wrote: then perhaps nobody said that again.
            let was_shown = !touched.contains_key(path) && by_others(path);
            let is_said = saved == theirs && saved != before && !was_shown && !doubted.contains(path);
            let made = saved.filter(|_| is_said);
            verdict.same.extend(made.map(|saved| (path.clone(), save.meant(path, saved))));
            continue;
        }
        let meant = saved.map(|saved| save.meant(path, saved));
        let there = leaf_at(save.shown, path).or(theirs).cloned();
        let dispute = |stays| Dispute { path: path.clone(), saved: meant.clone(), theirs: there.clone(), stays };
        let wrote = theirs != before && by_others(path);
        if wrote && (saved == before || saved.is_none()) {
            // Where the newest text had the older value too, nothing is taken back: others were just faster.
            verdict.disputes.extend(touched.contains_key(path).then(|| dispute(Stays::Theirs)));
            continue;
        }
        if wrote && let Some(both) = save.both(path, before, theirs) {
            made.push((path, Some(both)));
            continue;
        }
        let is_doubtful = ancestor.is_set_back || !is_known || doubted.contains(path);
        // Where its age is not known, nobody knows either what its author never saw.
        let is_own = match last_writer(save.steps, path) {
            Some(writer) => writer == Writer::File,
            None => is_known || before.is_none(),
        };
        let is_told = wrote || (is_doubtful && !is_own);
        verdict.disputes.extend(is_told.then(|| dispute(Stays::Saved)));
        verdict.removed.extend(is_gone.then(|| path.clone()));
        made.push((path, meant));
    }
    verdict.merged = with_leaves(save.shared, made.iter().map(|(path, new)| (*path, new.as_ref())));
    // A map that the save leaves without entries, and names, is still one.
    let emptied = from_newest.iter().filter(|leaf| leaf.new.as_ref() == Some(&Value::empty_map()));
    for leaf in emptied {
        if node_at(&verdict.merged, &leaf.path).is_none() {
            verdict.merged.put(leaf.path.segments(), Value::empty_map());
        }
    }
    // A leaf that became a map, or a map that became a leaf, takes along what others wrote there.
    // What others wrote and the text before did not show yet may be among the parts of what was saved.
    let is_own = |path: &&Path| !(unmirrored.contains(*path) && has_parts(leaf_at(save.saved, path)));
    let written = made.iter().map(|(path, _)| *path).chain(verdict.same.iter().map(|(path, _)| path));
    verdict.written = written.filter(is_own).cloned().collect();
    let own: BTreeSet<&Path> = made.iter().map(|(path, _)| *path).collect();
    for leaf in leaf_diff(save.shared, &verdict.merged) {
        let is_hidden = || leaf_at(save.theirs, &leaf.path).is_none();
        if leaf.old.is_some() && !own.contains(&leaf.path) && (by_others(&leaf.path) || is_hidden()) {
            let saved = leaf_at(save.saved, &leaf.path).cloned();
            verdict.disputes.push(Dispute { path: leaf.path, saved, theirs: leaf.old, stays: Stays::Saved });
        }
    }
    if !verdict.removed.is_empty() {
        let before = (leaf_count(save.saved) + gone).saturating_sub(added);
        verdict.keeps_text = gone * 2 > before || (!is_known && gone > MOST_REMOVED);
    }
    verdict
}
