//! How many updates a minute come into force.
use std::collections::VecDeque;

const MINUTE_MS: u64 = 60_000;

/// Lets at most so many updates a minute through. Of those that have to wait only the newest counts: the caller keeps one,
/// replaces it by what comes meanwhile, and takes it when the time has come.
#[derive(Clone, Debug)]
pub struct UpdateLimit {
    most: usize,
    /// When the last ones were let through, oldest first; never more than `most`.
    passed: VecDeque<u64>,
}

impl UpdateLimit {
    /// A limit; of 0 updates a minute one is let through, or nothing ever came into force.
    pub fn per_minute(most: u32) -> UpdateLimit {
        UpdateLimit { most: usize::try_from(most).unwrap_or(usize::MAX).max(1), passed: VecDeque::new() }
    }

    /// When the next update may come into force, at the earliest now.
    pub fn next_ms(&self, now_ms: u64) -> u64 {
        match self.passed.front() {
            Some(first) if self.passed.len() >= self.most => now_ms.max(first.saturating_add(MINUTE_MS)),
            _ => now_ms,
        }
    }

    /// Takes an update that comes into force now, if it may.
    pub fn takes(&mut self, now_ms: u64) -> bool {
        if self.next_ms(now_ms) > now_ms {
            return false;
        }
        if self.passed.len() >= self.most {
            self.passed.pop_front();
        }
        self.passed.push_back(now_ms);
        true
    }
}
