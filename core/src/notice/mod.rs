//! What people should hear of without asking: which conflicts wait for them, what is not in force, which sources and peers have
//! gone silent. And how that gets to whoever listens elsewhere: in order, again after a failure, and within a bound.
//!
//! Nothing here reads a clock or a socket: what is wrong now, the time and chance are arguments.

mod outbox;
#[cfg(test)]
mod tests;
mod watchlist;

pub use outbox::{Attempt, MAX_AGE_MS, MAX_WAITING, Outbox, Outcome, Progress};
pub use watchlist::{MAX_PROBLEMS, Problem, Watchlist};

use crate::canonical::canonical;
use crate::clock::rfc3339;
use crate::value::{Str, Value};

/// What may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A conflict waits for somebody to decide it.
    Conflict,
    /// What was written is not in force.
    Withheld,
    /// A whole document is not in force.
    Rejected,
    /// A source gives nothing new.
    Source,
    /// Writes do not get to another instance, or not from there.
    Sync,
    /// The store takes no writes.
    Store,
}

impl Kind {
    /// What is told when it begins, and when it is over.
    pub fn words(self) -> [&'static str; 2] {
        match self {
            Kind::Conflict => ["conflict.opened", "conflict.closed"],
            Kind::Withheld => ["write.withheld", "write.released"],
            Kind::Rejected => ["document.rejected", "document.accepted"],
            Kind::Source => ["source.stale", "source.fresh"],
            Kind::Sync => ["sync.failed", "sync.restored"],
            Kind::Store => ["store.failed", "store.restored"],
        }
    }

    /// How long it has to last before it is told: a connection is lost for a moment wherever an instance starts again.
    pub fn lasts_ms(self) -> u64 {
        match self {
            Kind::Conflict | Kind::Store => 0,
            Kind::Withheld | Kind::Rejected | Kind::Source => 500,
            Kind::Sync => 5_000,
        }
    }
}

/// Something that happened, as it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What tells it from every other one, also where it is sent again.
    pub id: Str,
    /// What happened: `source.stale`.
    pub kind: &'static str,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What it is about.
    pub data: Value,
}

impl Notice {
    /// `{"id", "type", "timestamp", "data"}`.
    pub fn to_value(&self) -> Value {
        let fields: [(&str, Value); 4] = [
            ("id", self.id.clone().into()),
            ("type", self.kind.into()),
            ("timestamp", rfc3339(self.at_ms).into()),
            ("data", self.data.clone()),
        ];
        fields.into_iter().collect()
    }

    /// The same as the bytes that are sent: equal each time.
    pub fn body(&self) -> String {
        canonical(&self.to_value())
    }
}
