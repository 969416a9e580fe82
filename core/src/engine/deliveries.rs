//! What was delivered from elsewhere and done: who sends it again gets the first answer, also after a crash.
//!
//! The id of a delivery goes to the store with the batch that does it, so there is no moment in which one is there without the
//! other. It is forgotten once nobody would believe the delivery any more.
use std::collections::BTreeMap;

use super::document::Document;
use super::records::{delivery_record, delivery_removal};
use super::types::{StoreWrite, Ticket};
use crate::error::{Code, Error, Result};
use crate::value::Str;

/// How many are remembered at once; more are refused until some are forgotten.
const MOST: usize = 4_096;

/// A delivery by its id, and until when it is remembered, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// What tells it from others.
    pub id: Str,
    /// Until when.
    pub until_ms: u64,
}

/// What is remembered of deliveries.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    done: BTreeMap<Str, u64>,
    /// Those on their way to the store.
    pending: Vec<(Ticket, Str)>,
    /// Those of batches that failed: nobody can say whether they are in the store.
    doubtful: Vec<Str>,
}

impl Deliveries {
    pub(super) fn restored(done: BTreeMap<Str, u64>) -> Deliveries {
        Deliveries { done, ..Deliveries::default() }
    }

    /// Whether it was done, or is on its way to the store.
    pub(super) fn has(&self, once: &Once, wall_ms: u64) -> bool {
        self.done.get(&once.id).is_some_and(|until_ms| *until_ms > wall_ms)
    }

    /// Whether another one can be remembered.
    ///
    /// # Errors
    /// [`Code::Busy`] where too many are.
    pub(super) fn check_room(&self, wall_ms: u64) -> Result<()> {
        if self.done.values().filter(|until_ms| **until_ms > wall_ms).count() < MOST {
            return Ok(());
        }
        let message = format!("{MOST} deliveries came within a few minutes, and more cannot be told apart");
        Err(Error::new(Code::Busy, message).with_hint("send it again in a minute, and fewer at a time"))
    }

    pub(super) fn persisted(&mut self, ticket: Ticket) {
        self.pending.retain(|(pending, _)| *pending > ticket);
    }

    /// The store failed: what was on its way there was not done.
    pub(super) fn failed(&mut self) {
        for (_, id) in self.pending.drain(..) {
            self.done.remove(&id);
            self.doubtful.push(id);
        }
    }
}

impl Document {
    /// What a batch that failed may have left in the store.
    pub(super) fn take_doubtful_deliveries(&mut self) -> Vec<StoreWrite> {
        let doubtful = std::mem::take(&mut self.deliveries.doubtful);
        doubtful.iter().map(|id| delivery_removal(&self.name, id)).collect()
    }

    /// Remembers a delivery with the batch of this ticket. Returns what the store has to be told.
    pub(super) fn remember_delivery(&mut self, once: &Once, ticket: Ticket, wall_ms: u64) -> Vec<StoreWrite> {
        let deliveries = &mut self.deliveries;
        let over: Vec<Str> =
            deliveries.done.iter().filter(|(_, until_ms)| **until_ms <= wall_ms).map(|(id, _)| id.clone()).collect();
        over.iter().for_each(|id| _ = deliveries.done.remove(id));
        deliveries.done.insert(once.id.clone(), once.until_ms);
        deliveries.pending.push((ticket, once.id.clone()));
        // The new record takes the place of a doubtful one.
        deliveries.doubtful.retain(|id| *id != once.id);
        let removals = over.iter().map(|id| delivery_removal(&self.name, id));
        removals.chain([delivery_record(&self.name, once)]).collect()
    }
}
