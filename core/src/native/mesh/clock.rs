//! The one place that reads the clocks.
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::clock::Now;

/// Milliseconds since 1970; 0 on a clock that is set before.
pub(super) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The clocks of one mesh.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn new() -> Clock {
        Clock { start: Instant::now() }
    }

    pub(super) fn now(&self) -> Now {
        Now { wall_ms: wall_ms(), mono_ms: u64::try_from(self.uptime().as_millis()).unwrap_or(u64::MAX) }
    }

    pub(super) fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    /// The moment that the engine calls `mono_ms`.
    pub(super) fn moment(&self, mono_ms: u64) -> Instant {
        let far = Duration::from_secs(86_400); // looking again once a day costs nothing, and nothing overflows
        self.start.checked_add(Duration::from_millis(mono_ms)).unwrap_or_else(|| Instant::now() + far)
    }
}
