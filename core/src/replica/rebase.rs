//! Taking over a document that went on without this replica, and writing again what it had not been able to share.

use super::notes::{is_membership, is_reserved};
use super::{Applied, Delta, Edit, Effect, Replica, WriteOptions};
use crate::clock::VersionVector;
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
}

impl Replica {
    /// The document of a delta that starts from nothing, and in it, as new writes of `id`, what this replica holds beyond
    /// `shared`: a three-way merge over `synced`, the document that this replica last had in common with others.
    ///
    /// # Errors
    /// [`Code::Message`] for a delta that does not start from nothing, or that no replica would make.
    pub fn rebased(
        &self,
        id: ReplicaId,
        delta: &Delta,
        shared: &VersionVector,
        synced: &Value,
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
        for path in &paths {
            for edit in again(path, synced, &mine, &theirs, options) {
                match replica.write_again(&theirs, edit, &mine, options, wall_ms) {
                    Ok(Some(effect)) => {
                        theirs = replica.advance_value(&theirs, &effect);
                        rewritten.push(effect);
                    }
                    Ok(None) => {}
                    Err(_) => refused += 1,
                }
            }
        }
        Ok(Rebased { replica, received, effect, rewritten, refused })
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

/// The edits that make in `theirs` at a path what led from `base` to `mine`.
fn again(path: &Path, base: &Value, mine: &Value, theirs: &Value, options: &WriteOptions<'_>) -> Vec<Edit> {
    // The path may hold nothing on any side: so one key above it.
    let held = |document: &Value| -> Value { document.at(path).map(|value| ("", value.clone())).into_iter().collect() };
    let place = |below: &Path| path.segments().iter().chain(below.segments().iter().skip(1)).cloned().collect::<Path>();
    let (base, mine, theirs) = (held(base), held(mine), held(theirs));
    let merged = three_way(&base, &mine, &theirs);
    let mut wanted = merged.value;
    for conflict in &merged.conflicts {
        let tag = Tag::from(options.policy.conflict_at(&place(&conflict.path)));
        if let Some(both) = combined(conflict, tag) {
            wanted = wanted.with(&conflict.path, both);
        }
    }
    let edit = |change: Change| Edit { path: place(&change.path), value: change.new };
    diff(&theirs, &wanted).into_iter().map(edit).collect()
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
