//! What concurrent writes come to, by the book: an evaluator of its own, so that the core is never compared with itself.

use confmesh::Value;
use confmesh::clock::{Dot, Stamp};
use confmesh::conflict::{Meanwhile, Tag};
use confmesh::value::Number;

/// One side at one place.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) dot: Dot,
    pub(crate) stamp: Stamp,
    pub(crate) fence: u64,
    pub(crate) policy: u32,
    pub(crate) tag: Tag,
    pub(crate) value: Option<Value>,
    pub(crate) is_removal: bool,
    pub(crate) added: Vec<Value>,
    pub(crate) removed: Vec<Value>,
    pub(crate) previous: Option<Value>,
    pub(crate) meanwhile: Meanwhile,
}

impl Side {
    pub(crate) fn rank(&self) -> (u64, Stamp, Dot) {
        (self.fence, self.stamp, self.dot)
    }
}

/// The tag that decides, and the value.
pub(crate) fn resolve(sides: &[Side]) -> Option<(Tag, Option<Value>)> {
    let mut sorted: Vec<&Side> = sides.iter().collect();
    sorted.sort_by_key(|side| side.rank());
    let latest = *sorted.last()?;
    let tag = sides.iter().map(|side| (side.policy, side.tag)).max()?.1;
    if sorted.iter().all(|side| side.value == latest.value) {
        return Some((tag, latest.value.clone()));
    }
    let earliest = |kept: &dyn Fn(&Side) -> bool| {
        let most = sorted.iter().filter(|side| kept(side)).map(|side| side.fence).max();
        let fenced = sorted.iter().filter(|side| kept(side) && Some(side.fence) == most);
        fenced.min_by_key(|side| (side.stamp, side.dot)).map(|side| side.value.clone())
    };
    let there: Vec<&Side> = sorted.iter().copied().filter(|side| side.value.is_some()).collect();
    let last_there = there.last().and_then(|side| side.value.clone());
    let value = match tag {
        Tag::LastWriteWins => latest.value.clone(),
        Tag::FirstWriteWins => earliest(&|side| !side.is_removal).unwrap_or(None),
        Tag::Sequence => last_there,
        Tag::Merge if there.len() < 2 => last_there,
        Tag::Merge => united(&there).or(last_there),
        Tag::Mean if there.len() < 2 => last_there,
        Tag::Mean => mean(&there).or(last_there),
        Tag::Manual => {
            let chosen = sorted.iter().filter(|side| side.tag == Tag::Manual).max_by_key(|side| side.policy);
            let chosen = sorted
                .iter()
                .rev()
                .find(|side| side.tag == Tag::Manual && chosen.is_some_and(|best| best.policy == side.policy));
            match chosen.map_or(Meanwhile::Last, |side| side.meanwhile) {
                Meanwhile::First => earliest(&|_| true).unwrap_or(None),
                Meanwhile::Previous if sorted.iter().all(|side| side.previous == latest.previous) => {
                    latest.previous.clone()
                }
                Meanwhile::Last | Meanwhile::Previous => latest.value.clone(),
                other => unreachable!("the oracle does not know the rule {other:?}"),
            }
        }
        other => unreachable!("the oracle does not know the rule {other:?}"),
    };
    Some((tag, value))
}

/// All lists one behind the other, each item once, without what one author removed and no other one added.
fn united(there: &[&Side]) -> Option<Value> {
    let lists: Vec<(&Side, Vec<Value>)> = there
        .iter()
        .map(|side| Some((*side, side.value.as_ref()?.as_list()?.as_slice().to_vec())))
        .collect::<Option<_>>()?;
    let mut all: Vec<Value> = Vec::new();
    for (side, items) in lists {
        for item in items {
            let is_gone = there.iter().any(|other| other.dot != side.dot && other.removed.contains(&item));
            if (side.added.contains(&item) || !is_gone) && !all.contains(&item) {
                all.push(item);
            }
        }
    }
    Some(all.into())
}

fn mean(there: &[&Side]) -> Option<Value> {
    let numbers: Vec<&Value> = there.iter().filter_map(|side| side.value.as_ref()).collect();
    if !numbers.iter().all(|number| matches!(number, Value::Number(_))) {
        return None;
    }
    let count = numbers.len();
    let integers: Option<Vec<i128>> =
        numbers.iter().map(|n| n.as_i64().map(i128::from).or(n.as_u64().map(i128::from))).collect();
    let mean = match integers {
        Some(integers) => {
            let sum: i128 = integers.iter().sum();
            match sum % count as i128 {
                0 => return i64::try_from(sum / count as i128).ok().map(Value::from),
                _ => sum as f64 / count as f64,
            }
        }
        None => numbers.iter().filter_map(|n| n.as_f64()).sum::<f64>() / count as f64,
    };
    Number::from_f64(mean).map(Value::Number)
}
