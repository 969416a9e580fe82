//! When a source is asked again: intervals, spreading, back-off, a circuit breaker, and how many updates a minute come into force.
//!
//! Nothing here reads a clock or makes random numbers: both are arguments, so a day of polling is tested in a millisecond.
//!
//! ```
//! use confmesh::poll::{Every, Poll, PollOptions, Polled};
//! let options = PollOptions { every: Every::Fixed(10_000), ..PollOptions::default() };
//! let mut poll = Poll::new(options, 0);
//! assert_eq!(poll.due_ms(), 0, "the first time it is asked at once");
//! poll.begin(0);
//! poll.end(Polled::Changed, 40, u64::MAX / 2);
//! assert_eq!(poll.due_ms(), 5_000, "then somewhere in the interval, as chance says");
//! poll.begin(5_000);
//! poll.end(Polled::Unchanged, 5_030, 7);
//! assert_eq!(poll.due_ms(), 15_000, "and from then on every ten seconds, however long the answer takes");
//! ```
mod limit;
mod schedule;
#[cfg(test)]
mod tests;

pub use limit::UpdateLimit;
pub use schedule::{Breaker, Every, MAX_RETRY_AFTER_MS, Poll, PollOptions, Polled, Progress};
