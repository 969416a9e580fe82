//! The time that counts for locks: it goes on while the machine sleeps, and nobody sets it.
use rustix::time::{ClockId, clock_gettime};

/// Milliseconds since the machine was started.
pub(super) fn now_ms() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = ClockId::Monotonic;
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec / 1_000_000).unwrap_or(0);
    seconds.saturating_mul(1_000).saturating_add(rest)
}

/// When the command has to be gone that holds a lock of so many milliseconds, which was asked for, or renewed, at that time:
/// before the instance, which counts from when it heard that, can give it to somebody else.
pub(super) fn end_ms(sent_ms: u64, ttl_ms: u64) -> u64 {
    let margin = (ttl_ms / 5).max(500).min(ttl_ms / 2);
    sent_ms.saturating_add(ttl_ms - margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_ends_before_the_instance_does() {
        assert_eq!(end_ms(100, 30_000), 24_100);
        assert_eq!(end_ms(100, 1_000), 600);
        assert_eq!(end_ms(0, 2_000), 1_500);
    }
}
