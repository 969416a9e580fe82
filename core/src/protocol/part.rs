//! Deltas in parts: what is too long for one frame is split, and joined before anything of it is applied.
//!
//! The parts of a delta cannot be deltas of their own: a write that one of them counts as seen may have been superseded by
//! one in a later part, and a replica that stopped in between would never ask for either.

use std::sync::Arc;

use super::binary::bytes::malformed;
use crate::clock::VersionVector;
use crate::error::Result;
use crate::id::{DocumentName, Genesis};
use crate::limits::{MAX_DELTA_BYTES, MAX_DELTA_ITEMS};
use crate::replica::{Assertion, Base, Delta};
use crate::sequence::{Content, Step};
use crate::value::Value;

/// Which part of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: u64,
    /// How many there are, at least 2.
    pub count: u64,
}

impl Part {
    /// Whether there can be such a part.
    pub(super) fn is_possible(self) -> bool {
        self.count >= 2 && (1..=self.count).contains(&self.number)
    }
}

/// The delta in parts of about `bytes` each in its longest form, in their order; one write is never split. A single part
/// is the delta itself.
pub fn split(delta: Delta, bytes: usize) -> Vec<Delta> {
    let based = delta.base.as_ref().map_or(0, |base| of_value(&base.document));
    let total: usize = based + delta.items.iter().map(|item| weight(item)).sum::<usize>();
    if total <= bytes {
        return vec![delta];
    }
    let mut parts = Vec::new();
    let mut items = Vec::new();
    let mut held = based;
    for item in &delta.items {
        let more = weight(item);
        if held > 0 && held + more > bytes {
            parts.push(std::mem::take(&mut items));
            held = 0;
        }
        held += more;
        items.push(Arc::clone(item));
    }
    parts.push(items);
    // The base goes with the first part.
    let mut base = delta.base;
    let part = |items| Delta { since: delta.since.clone(), to: delta.to.clone(), base: base.take(), items };
    parts.into_iter().map(part).collect()
}

/// How many bytes a write takes in memory or as JSON, roughly.
fn weight(item: &Assertion) -> usize {
    let path: usize = item.path.segments().iter().map(|segment| 24 + segment.len()).sum();
    let edits = item.edits.values().flat_map(|edit| edit.steps()).map(|step| match step {
        Step::Insert(Content::List(items)) | Step::Replace(_, Content::List(items)) => items.iter().map(of_value).sum(),
        Step::Insert(Content::Text(text)) | Step::Replace(_, Content::Text(text)) => text.len(),
        Step::Retain(_) | Step::Delete(_) => 16,
    });
    let noted = item.added.iter().chain(&item.removed).chain(&item.previous).chain(item.claim.value());
    250 + path + 40 * item.context.len() + edits.sum::<usize>() + noted.map(of_value).sum::<usize>()
}

fn of_value(value: &Value) -> usize {
    match value {
        Value::String(text) => 4 + text.len(),
        Value::List(list) => list.iter().map(of_value).sum::<usize>() + 4,
        Value::Map(map) => map.iter().map(|(key, value)| 6 + key.len() + of_value(value)).sum::<usize>() + 4,
        _ => 8,
    }
}

/// The parts of one delta that came so far.
#[derive(Clone, Debug, Default)]
pub struct Joining {
    begun: Option<Box<Begun>>,
}

#[derive(Clone, Debug)]
struct Begun {
    document: DocumentName,
    genesis: Genesis,
    since: VersionVector,
    to: VersionVector,
    base: Option<Arc<Base>>,
    count: u64,
    /// How many came.
    came: u64,
    items: Vec<Arc<Assertion>>,
    bytes: usize,
}

impl Joining {
    /// Takes a part; with the last one comes the whole delta. A part out of turn ends what was begun: what is missing is
    /// asked for again, as after any lost frame.
    ///
    /// # Errors
    /// [`crate::Code::Message`] for a part out of turn, and where all parts come to more than is allowed.
    pub fn take(
        &mut self,
        document: &DocumentName,
        genesis: Genesis,
        part: Part,
        delta: Delta,
    ) -> Result<Option<Delta>> {
        let begun = match self.begun.take() {
            _ if part.number == 1 => Begun {
                document: document.clone(),
                genesis,
                since: delta.since,
                to: delta.to,
                base: delta.base,
                count: part.count,
                came: 0,
                items: Vec::new(),
                bytes: 0,
            },
            Some(begun)
                if (&begun.document, begun.genesis, begun.count) == (document, genesis, part.count)
                    && begun.came + 1 == part.number
                    && begun.since == delta.since
                    && begun.to == delta.to
                    && delta.base.is_none() =>
            {
                *begun
            }
            _ => return Err(malformed("a part of a delta came out of turn")),
        };
        let bytes = begun.bytes + delta.items.iter().map(|item| weight(item)).sum::<usize>();
        if bytes > MAX_DELTA_BYTES || begun.items.len() + delta.items.len() > MAX_DELTA_ITEMS {
            return Err(malformed("the parts of a delta come to more than is allowed"));
        }
        let Begun { since, to, base, count, mut items, .. } = begun;
        items.extend(delta.items);
        if part.number == count {
            return Ok(Some(Delta { since, to, base, items }));
        }
        let document = document.clone();
        let begun = Begun { document, genesis, since, to, base, count, came: part.number, items, bytes };
        self.begun = Some(Box::new(begun));
        Ok(None)
    }
}
