//! Settling concurrent writes by the rule that travelled with them.
//!
//! Every function here is pure and independent of the order of its candidates, so replicas that hold the same writes
//! choose the same winner. [`resolve`] is what a replica asks; [`resolve_changes`] is for callers that hold competing
//! changes of one key themselves.

mod changes;
#[cfg(test)]
mod tests;

pub use crate::policy::Meanwhile;
pub use changes::{Change, Details, Resolution, resolve_changes};

use crate::clock::{Dot, Stamp};
use crate::policy::ConflictStrategy;
use crate::value::{List, Number, Str, Value};

/// The rule that a write carries, chosen where it was written. The numbers are part of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Tag {
    /// Of concurrent writes the one with the greatest stamp is in force.
    LastWriteWins = 0,
    /// The one with the smallest stamp is; a removal never wins over a value.
    FirstWriteWins = 1,
    /// Lists unite; of other values the one with the greatest stamp is in force. A removal never wins over a value.
    Merge = 2,
    /// A provisional value until somebody writes having seen all sides.
    Manual = 3,
    /// Lists and texts are sequences whose concurrent edits are all kept. A removal never wins over a value.
    Sequence = 4,
    /// Numbers become their mean; of other values the one with the greatest stamp is in force. A removal never wins over
    /// a value.
    Mean = 5,
}

impl Tag {
    /// Every tag, by number.
    pub const ALL: &'static [Tag] =
        &[Tag::LastWriteWins, Tag::FirstWriteWins, Tag::Merge, Tag::Manual, Tag::Sequence, Tag::Mean];

    /// The tag of a protocol number.
    pub fn from_u8(number: u8) -> Option<Tag> {
        Tag::ALL.iter().copied().find(|tag| tag.as_u8() == number)
    }

    /// The protocol number.
    pub fn as_u8(self) -> u8 {
        self as u8
    }
}

impl From<ConflictStrategy> for Tag {
    fn from(strategy: ConflictStrategy) -> Tag {
        match strategy {
            ConflictStrategy::LastWriteWins => Tag::LastWriteWins,
            ConflictStrategy::FirstWriteWins => Tag::FirstWriteWins,
            ConflictStrategy::MergeStrategies => Tag::Merge,
            ConflictStrategy::ManualResolution => Tag::Manual,
            ConflictStrategy::OperationalTransform => Tag::Sequence,
            ConflictStrategy::NumericAverage => Tag::Mean,
        }
    }
}

impl From<Tag> for ConflictStrategy {
    fn from(tag: Tag) -> ConflictStrategy {
        match tag {
            Tag::LastWriteWins => ConflictStrategy::LastWriteWins,
            Tag::FirstWriteWins => ConflictStrategy::FirstWriteWins,
            Tag::Merge => ConflictStrategy::MergeStrategies,
            Tag::Manual => ConflictStrategy::ManualResolution,
            Tag::Sequence => ConflictStrategy::OperationalTransform,
            Tag::Mean => ConflictStrategy::NumericAverage,
        }
    }
}

/// One side of a disagreement on a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The write.
    pub dot: Dot,
    /// Its stamp.
    pub stamp: Stamp,
    /// Its rule.
    pub tag: Tag,
    /// The version of the policy that the rule came from: of differing rules the newest decides.
    pub policy: u32,
    /// The token of the lock under which it was written, 0 without; the greatest one wins.
    pub fence: u64,
    /// The value that it asserts; `None` where it asserts that nothing is there.
    pub value: Option<&'a Value>,
    /// Whether it is a removal, and not the absence of a key in a map that it asserts.
    pub is_removal: bool,
    /// Of a list: the items that its author added.
    pub added: &'a [Value],
    /// Of a list: the items that its author removed.
    pub removed: &'a [Value],
    /// What it replaced, for [`Meanwhile::Previous`].
    pub previous: Option<&'a Value>,
    /// What shows while the sides wait for a decision, under [`Tag::Manual`].
    pub meanwhile: Meanwhile,
    /// The person that it was written for; decides nothing.
    pub user: Option<&'a Str>,
}

impl<'a> Candidate<'a> {
    /// A candidate without anything that only some rules need.
    pub fn new(dot: Dot, stamp: Stamp, tag: Tag, value: Option<&'a Value>) -> Candidate<'a> {
        Candidate {
            dot,
            stamp,
            tag,
            policy: 0,
            fence: 0,
            value,
            is_removal: value.is_none(),
            added: &[],
            removed: &[],
            previous: None,
            meanwhile: Meanwhile::Last,
            user: None,
        }
    }

    fn key(&self) -> (u64, Stamp, Dot) {
        (self.fence, self.stamp, self.dot)
    }
}

/// What concurrent writes come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The value in force; `None` where nothing is.
    pub value: Option<Value>,
    /// The write whose value it is; none where it was computed from several.
    pub winner: Option<Dot>,
    /// The rule that decided: that of the newest policy, then the greatest.
    pub tag: Tag,
}

/// What the candidates come to by the rule of the one with the greatest `(policy, tag)`; none without candidates.
///
/// Where all agree, that is the outcome under every rule. Equal stamps are ordered by dot.
pub fn resolve(candidates: &[Candidate<'_>]) -> Option<Outcome> {
    let latest = candidates.iter().max_by_key(|c| c.key())?;
    let tag = candidates.iter().max_by_key(|c| (c.policy, c.tag)).map(|c| c.tag)?;
    let take = |c: &Candidate<'_>| Outcome { value: c.value.cloned(), winner: Some(c.dot), tag };
    let computed = |value: Option<Value>| Outcome { value, winner: None, tag };
    if candidates.iter().all(|c| c.value == latest.value) {
        return Some(take(latest));
    }
    let mut present: Vec<&Candidate<'_>> = candidates.iter().filter(|c| c.value.is_some()).collect();
    present.sort_by_key(|c| c.key());
    let latest_present = present.last().copied().unwrap_or(latest);
    Some(match tag {
        Tag::LastWriteWins => take(latest),
        Tag::FirstWriteWins => take(first(candidates.iter().filter(|c| !c.is_removal)).unwrap_or(latest)),
        Tag::Merge => match united(&present) {
            Some(_) if present.len() == 1 => take(latest_present),
            Some(list) => computed(Some(list)),
            None => take(latest_present),
        },
        Tag::Manual => manual(candidates, latest, tag),
        Tag::Sequence => take(latest_present),
        Tag::Mean => match mean(&present) {
            Some(_) if present.len() == 1 => take(latest_present),
            Some(number) => computed(Some(Value::Number(number))),
            None => take(latest_present),
        },
    })
}

/// The smallest stamp among those with the greatest fence.
fn first<'c, 'a: 'c>(candidates: impl Iterator<Item = &'c Candidate<'a>>) -> Option<&'c Candidate<'a>> {
    candidates.min_by_key(|c| (std::cmp::Reverse(c.fence), c.stamp, c.dot))
}

fn manual(candidates: &[Candidate<'_>], latest: &Candidate<'_>, tag: Tag) -> Outcome {
    let take = |c: &Candidate<'_>| Outcome { value: c.value.cloned(), winner: Some(c.dot), tag };
    let rule = candidates.iter().filter(|c| c.tag == tag).max_by_key(|c| (c.policy, c.key()));
    match rule.map_or(Meanwhile::Last, |c| c.meanwhile) {
        Meanwhile::Last => take(latest),
        Meanwhile::First => take(first(candidates.iter()).unwrap_or(latest)),
        Meanwhile::Previous if candidates.iter().all(|c| c.previous == latest.previous) => {
            Outcome { value: latest.previous.cloned(), winner: None, tag }
        }
        Meanwhile::Previous => take(latest),
    }
}

/// The items of all lists, each once, in the order of the stamps; what one author removed comes only from those that
/// added it. None where not all are lists.
fn united(present: &[&Candidate<'_>]) -> Option<Value> {
    let mut items: Vec<Value> = Vec::new();
    for candidate in present {
        for item in candidate.value?.as_list()?.iter() {
            let others = || present.iter().filter(|other| other.dot != candidate.dot);
            let kept = candidate.added.contains(item) || !others().any(|other| other.removed.contains(item));
            if kept && !items.contains(item) {
                items.push(item.clone());
            }
        }
    }
    Some(Value::List(List::from(items)))
}

/// The mean, exact for integers. None where not all are numbers, or where it is no finite number.
fn mean(present: &[&Candidate<'_>]) -> Option<Number> {
    let mut numbers = Vec::new();
    for candidate in present {
        match candidate.value? {
            Value::Number(number) => numbers.push(*number),
            _ => return None,
        }
    }
    mean_of(&numbers)
}

/// The mean of numbers, summed in their order; an integer where all are and the sum divides.
pub(super) fn mean_of(numbers: &[Number]) -> Option<Number> {
    let count = i128::try_from(numbers.len()).ok().filter(|count| *count > 0)?;
    let integer = |n: &Number| n.as_i64().map(i128::from).or_else(|| n.as_u64().map(i128::from));
    if let Some(integers) = numbers.iter().map(integer).collect::<Option<Vec<i128>>>() {
        let sum: i128 = integers.iter().sum();
        if sum % count == 0 {
            let mean = sum / count;
            return i64::try_from(mean).map(Number::from).ok().or_else(|| u64::try_from(mean).map(Number::from).ok());
        }
        return Number::from_f64(sum as f64 / count as f64);
    }
    Number::from_f64(numbers.iter().map(Number::as_f64).sum::<f64>() / count as f64)
}
