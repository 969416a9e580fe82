//! When to speak on a channel that many share: often while they differ, hardly ever while they agree, and not at all where
//! others said the same just now (the Trickle algorithm, RFC 6206).

use crate::entropy::Entropy;

/// How often the same has to be heard in an interval so that it need not be said again.
const ENOUGH: u32 = 2;

#[derive(Debug)]
pub(super) struct Trickle {
    shortest_ms: u64,
    longest_ms: u64,
    interval_ms: u64,
    /// When to speak in this interval, unless that is done.
    speaks_ms: Option<u64>,
    ends_ms: u64,
    heard: u32,
}

impl Trickle {
    pub(super) fn new(shortest_ms: u64, longest_ms: u64) -> Trickle {
        let longest_ms = longest_ms.max(shortest_ms);
        Trickle { shortest_ms, longest_ms, interval_ms: longest_ms, speaks_ms: None, ends_ms: 0, heard: 0 }
    }

    /// Begins with the shortest interval.
    pub(super) fn restart(&mut self, entropy: &mut Entropy, now_ms: u64) {
        self.interval_ms = self.shortest_ms;
        self.begin(entropy, now_ms);
    }

    /// Something is not as it should be: with the shortest interval from now on, unless that is so.
    pub(super) fn hurry(&mut self, entropy: &mut Entropy, now_ms: u64) {
        if self.interval_ms > self.shortest_ms || self.ends_ms <= now_ms {
            self.restart(entropy, now_ms);
        }
    }

    fn begin(&mut self, entropy: &mut Entropy, now_ms: u64) {
        let half = self.interval_ms / 2;
        self.speaks_ms = Some(now_ms + half + entropy.below(self.interval_ms - half));
        (self.ends_ms, self.heard) = (now_ms + self.interval_ms, 0);
    }

    /// Somebody said what would be said here.
    pub(super) fn hear_same(&mut self) {
        self.heard += 1;
    }

    pub(super) fn due_ms(&self) -> u64 {
        self.speaks_ms.unwrap_or(self.ends_ms)
    }

    /// Whether to speak now.
    pub(super) fn take(&mut self, entropy: &mut Entropy, now_ms: u64) -> bool {
        let speaks = self.speaks_ms.take_if(|due| *due <= now_ms).is_some() && self.heard < ENOUGH;
        if self.ends_ms <= now_ms {
            self.interval_ms = self.interval_ms.saturating_mul(2).min(self.longest_ms);
            self.begin(entropy, now_ms);
        }
        speaks
    }
}
