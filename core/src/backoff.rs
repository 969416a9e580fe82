//! Waiting longer after every failure, with full jitter so that a fleet does not retry in step.

/// How long to wait before a retry: exponential up to a cap, then spread by full jitter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The upper bound of the first wait, in milliseconds.
    pub initial_ms: u64,
    /// What each failure multiplies the bound by; below 1 it counts as 1.
    pub factor: f64,
    /// The bound's cap, in milliseconds.
    pub max_ms: u64,
}

impl Default for Backoff {
    /// 500 ms, doubled up to 30 s.
    fn default() -> Backoff {
        Backoff { initial_ms: 500, factor: 2.0, max_ms: 30_000 }
    }
}

impl Backoff {
    /// The wait before retry number `attempt` (0 = the first) in milliseconds: anything between 1 and
    /// [`Backoff::bound`], chosen by `entropy` (uniform over all `u64`).
    pub fn delay(&self, attempt: u32, entropy: u64) -> u64 {
        let bound = self.bound(attempt);
        let spread = u128::from(entropy) * u128::from(bound);
        // The high half of the product is uniform over 0..bound.
        1 + u64::try_from(spread >> 64).unwrap_or(0)
    }

    /// The longest wait before retry number `attempt`, in milliseconds; at least 1.
    pub fn bound(&self, attempt: u32) -> u64 {
        let factor = if self.factor.is_finite() { self.factor.max(1.0) } else { 1.0 };
        let exponent = i32::try_from(attempt).unwrap_or(i32::MAX);
        let grown = self.initial_ms as f64 * factor.powi(exponent);
        // A float beyond u64 saturates; the cap comes before the jitter, or late waits would all be equal.
        (grown as u64).min(self.max_ms).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_cap() {
        let backoff = Backoff { initial_ms: 100, factor: 2.0, max_ms: 1_000 };
        let bounds: Vec<u64> = (0..6).map(|attempt| backoff.bound(attempt)).collect();
        assert_eq!(bounds, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(backoff.bound(u32::MAX), 1_000);
    }

    #[test]
    fn jitter_covers_the_whole_range_also_at_the_cap() {
        let backoff = Backoff { initial_ms: 100, factor: 2.0, max_ms: 1_000 };
        assert_eq!(backoff.delay(60, 0), 1);
        assert_eq!(backoff.delay(60, u64::MAX / 2), 500);
        assert_eq!(backoff.delay(60, u64::MAX), 1_000);
    }

    #[test]
    fn odd_settings_neither_overflow_nor_wait_nothing() {
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            let backoff = Backoff { initial_ms: 0, factor, max_ms: u64::MAX };
            assert!(backoff.delay(u32::MAX, u64::MAX) >= 1);
        }
    }
}
