//! The schedule of one source.
use crate::backoff::Backoff;

/// The longest `Retry-After` that is believed: who says a year meant something else, and would never be asked again.
pub const MAX_RETRY_AFTER_MS: u64 = 3_600_000;

/// The parts of a wait that chance may take away where nothing else spreads the pollers: one tenth.
const SPREAD: u64 = 10;

/// How often a source is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Always after so many milliseconds.
    Fixed(u64),
    /// Sooner while it changes, later while it does not.
    Adaptive {
        /// The shortest interval in milliseconds.
        min_ms: u64,
        /// The longest interval in milliseconds.
        max_ms: u64,
    },
}

/// How a source is polled.
#[derive(Clone, Debug, PartialEq)]
pub struct PollOptions {
    /// How often.
    pub every: Every,
    /// What failures add to the interval.
    pub backoff: Backoff,
    /// After how many failures in a row the circuit opens; then only a probe is made after each wait of `probe`.
    pub opens_after: u32,
    /// How long an open circuit waits between probes.
    pub probe: Backoff,
    /// After how many polls everything is fetched, whatever the validator says.
    pub full_every: u32,
    /// After how many milliseconds everything is fetched, whatever the validator says.
    pub full_after_ms: u64,
    /// After how many milliseconds without a good answer the source counts as stale; never.
    pub stale_after_ms: Option<u64>,
}

impl Default for PollOptions {
    /// Every 10 s; whole every 20th poll or 10 minutes; probes from the fifth failure on, up to a minute apart.
    fn default() -> PollOptions {
        PollOptions {
            every: Every::Fixed(10_000),
            backoff: Backoff { initial_ms: 500, factor: 2.0, max_ms: 30_000 },
            opens_after: 5,
            probe: Backoff { initial_ms: 15_000, factor: 2.0, max_ms: 60_000 },
            full_every: 20,
            full_after_ms: 600_000,
            stale_after_ms: None,
        }
    }
}

/// What a poll came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Another document came.
    Changed,
    /// Nothing new.
    Unchanged,
    /// An answer in time whose document is of no use: it counts as no good answer, and not against the other side.
    Refused,
    /// No good answer.
    Failed {
        /// When the other side wants to be asked again, in milliseconds.
        retry_after_ms: Option<u64>,
    },
}

/// What the circuit breaker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// All is well, or fails for a short time.
    Closed,
    /// It failed so often that only probes are made.
    Open,
    /// A probe is on its way.
    HalfOpen,
}

impl Breaker {
    /// `closed`, `open` or `half_open`.
    pub fn as_str(self) -> &'static str {
        match self {
            Breaker::Closed => "closed",
            Breaker::Open => "open",
            Breaker::HalfOpen => "half_open",
        }
    }
}

/// How polling goes, for those who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Failures since the last good answer.
    pub failures: u32,
    /// When the last good answer came, on the clock that the polls were told.
    pub last_good_ms: Option<u64>,
    /// When it is asked next.
    pub due_ms: u64,
    /// The interval that counts now, in milliseconds.
    pub interval_ms: u64,
    /// The circuit.
    pub breaker: Breaker,
}

/// One source's schedule.
#[derive(Clone, Debug)]
pub struct Poll {
    options: PollOptions,
    interval_ms: u64,
    due_ms: u64,
    /// When the poll that runs, or ran last, was due: the next one is counted from there.
    slot_ms: u64,
    /// Whether chance has chosen the place in the interval.
    is_placed: bool,
    failures: u32,
    is_probing: bool,
    last_good_ms: Option<u64>,
    begun_ms: u64,
    since_full: u32,
    last_full_ms: Option<u64>,
    is_full: bool,
}

impl Poll {
    /// A source that is asked at once.
    pub fn new(options: PollOptions, now_ms: u64) -> Poll {
        let interval_ms = match options.every {
            Every::Fixed(ms) => ms,
            Every::Adaptive { min_ms, .. } => min_ms,
        };
        Poll {
            options,
            interval_ms: interval_ms.max(1),
            due_ms: now_ms,
            slot_ms: now_ms,
            is_placed: false,
            failures: 0,
            is_probing: false,
            last_good_ms: None,
            begun_ms: now_ms,
            since_full: 0,
            last_full_ms: None,
            is_full: false,
        }
    }

    /// When it is asked next.
    pub fn due_ms(&self) -> u64 {
        self.due_ms
    }

    /// Asks at once, whatever the schedule says.
    pub fn hurry(&mut self, now_ms: u64) {
        self.due_ms = self.due_ms.min(now_ms);
    }

    /// A poll begins. Returns whether everything is to be fetched: a validator can be wrong, so it is not believed for ever.
    pub fn begin(&mut self, now_ms: u64) -> bool {
        self.slot_ms = self.due_ms.min(now_ms);
        self.begun_ms = now_ms;
        self.is_probing = self.is_open();
        let due = self.last_full_ms.is_none_or(|at| now_ms.saturating_sub(at) >= self.options.full_after_ms);
        self.is_full = due || self.since_full.saturating_add(1) >= self.options.full_every;
        self.is_full
    }

    /// The poll has ended. `entropy` is uniform over all `u64`.
    pub fn end(&mut self, polled: Polled, now_ms: u64, entropy: u64) {
        self.is_probing = false;
        if let Polled::Failed { retry_after_ms } = polled {
            return self.failed(retry_after_ms, now_ms, entropy);
        }
        if polled == Polled::Changed || self.is_full {
            (self.since_full, self.last_full_ms) = (0, Some(self.begun_ms));
        } else {
            self.since_full = self.since_full.saturating_add(1);
        }
        let failed_before = std::mem::take(&mut self.failures) > 0;
        if polled != Polled::Refused {
            self.last_good_ms = Some(self.begun_ms);
            self.adapt(polled);
        }
        let wait_ms = if !self.is_placed || failed_before {
            // Where many begin, or come back, at one moment, chance gives each a place of its own in the interval.
            1 + share(self.interval_ms, entropy)
        } else {
            match self.options.every {
                Every::Fixed(ms) => ms.max(1),
                Every::Adaptive { .. } => (self.interval_ms - share(self.interval_ms / SPREAD, entropy)).max(1),
            }
        };
        let from_ms = if self.is_placed && !failed_before { self.slot_ms } else { self.begun_ms };
        self.is_placed = true;
        self.due_ms = self.next_after(from_ms, wait_ms, now_ms);
    }

    fn failed(&mut self, retry_after_ms: Option<u64>, now_ms: u64, entropy: u64) {
        self.failures = self.failures.saturating_add(1);
        // Never sooner than the interval: who is in trouble is not asked more often than before.
        let wait_ms = match (retry_after_ms, self.is_open()) {
            (Some(asked_ms), _) => {
                let asked_ms = asked_ms.min(MAX_RETRY_AFTER_MS).max(self.interval_ms);
                asked_ms.saturating_add(share(asked_ms / SPREAD, entropy))
            }
            (None, true) => {
                let probes = self.failures - self.options.opens_after;
                self.interval_ms.saturating_add(self.options.probe.delay(probes, entropy))
            }
            (None, false) => self.interval_ms.saturating_add(self.options.backoff.delay(self.failures - 1, entropy)),
        };
        self.due_ms = now_ms.saturating_add(wait_ms);
    }

    fn adapt(&mut self, polled: Polled) {
        let Every::Adaptive { min_ms, max_ms } = self.options.every else { return };
        let next_ms = match polled {
            Polled::Changed => self.interval_ms / 2,
            _ => self.interval_ms.saturating_add(self.interval_ms.div_ceil(2)),
        };
        self.interval_ms = next_ms.max(min_ms).min(max_ms.max(min_ms)).max(1);
    }

    /// The first of the times `from + n × wait` that still lies ahead: an answer that takes long makes no polls up.
    fn next_after(&self, from_ms: u64, wait_ms: u64, now_ms: u64) -> u64 {
        let next_ms = from_ms.saturating_add(wait_ms);
        if next_ms > now_ms {
            return next_ms;
        }
        let missed = (now_ms - next_ms) / wait_ms + 1;
        next_ms.saturating_add(missed.saturating_mul(wait_ms))
    }

    fn is_open(&self) -> bool {
        self.failures >= self.options.opens_after.max(1)
    }

    /// How it goes.
    pub fn progress(&self) -> Progress {
        let breaker = match (self.is_open(), self.is_probing) {
            (false, _) => Breaker::Closed,
            (true, false) => Breaker::Open,
            (true, true) => Breaker::HalfOpen,
        };
        Progress {
            failures: self.failures,
            last_good_ms: self.last_good_ms,
            due_ms: self.due_ms,
            interval_ms: self.interval_ms,
            breaker,
        }
    }

    /// Whether nothing good came for too long; `since_ms` counts where nothing ever came.
    pub fn is_stale(&self, since_ms: u64, now_ms: u64) -> bool {
        let last_ms = self.last_good_ms.unwrap_or(since_ms);
        self.options.stale_after_ms.is_some_and(|after_ms| now_ms.saturating_sub(last_ms) > after_ms)
    }
}

/// A part of a whole, from nothing up to all but one, by chance.
fn share(whole: u64, entropy: u64) -> u64 {
    u64::try_from((u128::from(whole) * u128::from(entropy)) >> 64).unwrap_or(0)
}
