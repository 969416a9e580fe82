//! Taking over a document that went on without this replica, and writing again what it had not been able to share.

use super::notes::{is_membership, is_reserved};
use super::{Applied, Claim, Delta, Edit, Effect, Replica, WriteOptions};
use crate::clock::{Dot, VersionVector};
use crate::conflict::Tag;
use crate::diff::{Change, Conflict, diff, three_way};
use crate::error::{Code, Error, Result};
use crate::id::ReplicaId;
use crate::path::Path;
use crate::sequence::{Operation, Side, transform};
use crate::value::Value;

/// A replica that took over a document.
#[derive(Clone, Debug)]
pub struct Rebased {
    /// The replica under its new name.
    pub replica: Replica,
    /// The document of the delta, before anything was written again.
    pub received: Value,
    /// What the delta brought.
    pub effect: Effect,
    /// What it wrote again, write by write.
    pub rewritten: Vec<Effect>,
    /// How many edits could not be made again: others had set a first value there.
    pub refused: usize,
    /// Where this replica and others had written something else, and what did not stay is in no write.
    pub overruled: Vec<Overruled>,
}

/// Who is heeded where this replica and others wrote something else at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heeds {
    /// Whoever wrote later; the other side is listed.
    Later,
    /// This replica, where what both had in common is not known everywhere, so that most of what differs is no disagreement.
    Own,
}

/// A place where this replica and others had written something else.
#[derive(Clone, Debug, PartialEq)]
pub struct Overruled {
    /// Where.
    pub path: Path,
    /// What it had written; none where it had removed what was there.
    pub mine: Option<Value>,
    /// What others wrote; none where they removed it.
    pub theirs: Option<Value>,
    /// Whose value stayed.
    pub mine_stays: bool,
}

impl Replica {
    /// The document of a delta that starts from nothing, and in it, as new writes of `id`, what this replica holds beyond
    /// `shared`: a three-way merge over `synced`, the document that this replica last had in common with others; where both
    /// wrote something else, `heeds` decides.
    ///
    /// # Errors
    /// [`Code::Message`] for a delta that does not start from nothing, or that no replica would make.
    pub fn rebased(
        &self,
        id: ReplicaId,
        delta: &Delta,
        shared: &VersionVector,
        (synced, heeds): (&Value, Heeds),
        options: &WriteOptions<'_>,
        wall_ms: u64,
    ) -> Result<Rebased> {
        let mut replica = Replica { clock: self.clock, ..Replica::new(id, self.genesis) };
        let effect = match replica.apply(delta, wall_ms)? {
            Applied::Advanced { effect, .. } => effect,
            Applied::Duplicate => Effect::default(),
            Applied::Gap | Applied::Behind | Applied::Refused { .. } => {
                return Err(Error::new(Code::Message, "malformed delta: it is no whole document"));
            }
        };
        let unshared = self.live().filter(|assertion| !shared.contains(assertion.dot));
        let (notes, mut paths): (Vec<Path>, Vec<Path>) =
            unshared.map(|assertion| assertion.path.clone()).partition(is_reserved);
        paths.sort();
        paths.dedup_by(|below, above| below.starts_with(above));

        let mut rewritten = Vec::new();
        let notes = notes.iter().map(|path| path.segments().iter().skip(1).cloned().collect::<Path>());
        let notes = notes.filter(|path| !is_membership(path));
        let notes: Vec<Edit> = notes.map(|path| Edit { value: self.notes().at(&path).cloned(), path }).collect();
        rewritten.extend(replica.note(&notes, wall_ms)?);

        let mine = self.view().value;
        let received = replica.view().value;
        let mut theirs = received.clone();
        let mut refused = 0;
        let mut overruled = Vec::new();
        for path in &paths {
            // What was dropped into the base is older than what any member had not shared.
            let latest = |of: &Replica, is_of: &dyn Fn(Dot) -> bool, at: &Path| {
                of.writes_at(at).into_iter().filter(|held| is_of(held.dot)).map(|held| held.stamp).max()
            };
            let mine_stays = |at: &Path| {
                heeds == Heeds::Own
                    || latest(self, &|dot| !shared.contains(dot), at) > latest(&replica, &|dot| dot.replica != id, at)
            };
            let (edits, mut others) = again(path, synced, &mine, &theirs, mine_stays, options);
            others.retain(|_| heeds == Heeds::Later);
            overruled.extend(others);
            for edit in edits {
                let (place, wanted) = (edit.path.clone(), edit.value.clone());
                let in_the_way = in_the_way(&theirs, &place);
                match replica.write_again(&theirs, edit, &mine, options, wall_ms) {
                    Ok(Some(effect)) => {
                        if let Some(at) = in_the_way.filter(|_| heeds == Heeds::Later) {
                            overruled.retain(|known: &Overruled| !known.path.starts_with(&at));
                            let (mine, theirs) = (mine.at(&at).cloned(), theirs.at(&at).cloned());
                            overruled.push(Overruled { path: at, mine, theirs, mine_stays: true });
                        }
                        theirs = replica.advance_value(&theirs, &effect);
                        rewritten.push(effect);
                    }
                    Ok(None) => {}
                    Err(_) => {
                        refused += 1;
                        let there = theirs.at(&place).cloned();
                        overruled.push(Overruled { path: place, mine: wanted, theirs: there, mine_stays: false });
                    }
                }
            }
        }
        if heeds == Heeds::Later {
            overruled.extend(self.hidden(shared, &theirs, &overruled));
        }
        Ok(Rebased { replica, received, effect, rewritten, refused, overruled })
    }

    /// What was not shared and already gave way here to what others wrote, so that nothing shows it.
    fn hidden(&self, shared: &VersionVector, shown: &Value, known: &[Overruled]) -> Vec<Overruled> {
        let alone = self.live().filter(|held| !shared.contains(held.dot) && !is_reserved(&held.path));
        // The edits of both sides of a list or a text are in what shows.
        let alone = alone.filter(|held| !matches!(held.tag, Tag::Sequence | Tag::Merge));
        let hidden = alone.filter_map(|held| {
            let mine = match &held.claim {
                Claim::Value(value) => Some(value.clone()),
                Claim::Absent => None,
                Claim::Sequence(_) | Claim::Nothing => return None,
            };
            let theirs = shown.at(&held.path).cloned();
            let is_map = |side: &Option<Value>| side.as_ref().is_some_and(|value| value.as_map().is_some());
            // What is in a map has writes of its own, or came with this one and is judged by whether a map is there.
            let is_shown = theirs == mine || (is_map(&theirs) && is_map(&mine));
            let is_known = known.iter().any(|one| held.path.starts_with(&one.path) || one.path.starts_with(&held.path));
            (!is_shown && !is_known).then(|| Overruled { path: held.path.clone(), mine, theirs, mine_stays: false })
        });
        hidden.collect()
    }

    /// Makes an edit of `mine` in `theirs`, the document of this replica. Where that has a list in the way, what stands in
    /// its place in `mine` is made again as a whole. `None` where it changes nothing.
    ///
    /// # Errors
    /// Those of [`Replica::write`] that the document of the others leads to.
    pub(crate) fn write_again(
        &mut self,
        theirs: &Value,
        mut edit: Edit,
        mine: &Value,
        options: &WriteOptions<'_>,
        wall_ms: u64,
    ) -> Result<Option<Effect>> {
        loop {
            match self.write(theirs, std::slice::from_ref(&edit), options, wall_ms) {
                Err(error) if error.code() == Code::NotFound => match edit.path.parent() {
                    // There is nothing to remove.
                    _ if edit.value.is_none() => return Ok(None),
                    Some(above) if !above.is_root() => edit = Edit { value: mine.at(&above).cloned(), path: above },
                    _ => return Err(error),
                },
                written => return written,
            }
        }
    }
}

/// Where something stands above a path that is no map.
fn in_the_way(document: &Value, path: &Path) -> Option<Path> {
    let above = (1..path.len()).map(|length| path.segments().iter().take(length).cloned().collect::<Path>());
    above.into_iter().find(|at| document.at(at).is_some_and(|value| value.as_map().is_none()))
}

/// The edits that make in `theirs` at a path what led from `base` to `mine`, and where both wrote something else.
fn again(
    path: &Path,
    base: &Value,
    mine: &Value,
    theirs: &Value,
    mine_stays: impl Fn(&Path) -> bool,
    options: &WriteOptions<'_>,
) -> (Vec<Edit>, Vec<Overruled>) {
    // The path may hold nothing on any side: so one key above it.
    let held = |document: &Value| -> Value { document.at(path).map(|value| ("", value.clone())).into_iter().collect() };
    let place = |below: &Path| path.segments().iter().chain(below.segments().iter().skip(1)).cloned().collect::<Path>();
    let (base, mine, theirs) = (held(base), held(mine), held(theirs));
    let merged = three_way(&base, &mine, &theirs);
    let mut wanted = merged.value;
    let mut overruled = Vec::new();
    for conflict in &merged.conflicts {
        let tag = Tag::from(options.policy.conflict_at(&place(&conflict.path)));
        match combined(conflict, tag) {
            Some(both) => wanted = wanted.with(&conflict.path, both),
            None => {
                let at = place(&conflict.path);
                let mine_stays = mine_stays(&at);
                wanted = match &conflict.theirs {
                    _ if mine_stays => wanted,
                    Some(theirs) => wanted.with(&conflict.path, theirs.clone()),
                    None => wanted.without(&conflict.path),
                };
                let (mine, theirs) = (conflict.ours.clone(), conflict.theirs.clone());
                overruled.push(Overruled { path: at, mine, theirs, mine_stays });
            }
        }
    }
    let edit = |change: Change| Edit { path: place(&change.path), value: change.new };
    (diff(&theirs, &wanted).into_iter().map(edit).collect(), overruled)
}

/// Both sides' edits of one list or text, where its rule keeps both.
fn combined(conflict: &Conflict, tag: Tag) -> Option<Value> {
    let (base, ours, theirs) = (conflict.base.as_ref()?, conflict.ours.as_ref()?, conflict.theirs.as_ref()?);
    match tag {
        Tag::Sequence => {
            let (our_edit, their_edit) = (Operation::between(base, ours)?, Operation::between(base, theirs)?);
            transform(&our_edit, &their_edit, Side::Right).apply(theirs).ok()
        }
        Tag::Merge => {
            let (base, ours, theirs) = (base.as_list()?, ours.as_list()?, theirs.as_list()?);
            let is_removed = |item: &&Value| base.iter().any(|b| b == *item) && !ours.iter().any(|o| o == *item);
            let is_added = |item: &&Value| !base.iter().any(|b| b == *item) && !theirs.iter().any(|t| t == *item);
            let kept = theirs.iter().filter(|item| !is_removed(item));
            Some(kept.chain(ours.iter().filter(is_added)).cloned().collect::<Vec<Value>>().into())
        }
        _ => None,
    }
}
