//! Hybrid logical clocks, dots and version vectors: the order of writes.
//!
//! Causality decides first: a write is never beaten by one that it had seen. Stamps only order *concurrent* writes, so a
//! bad clock can at most win against what happened at the same time. See Kulkarni et al., "Logical Physical Clocks" (2014).

use std::fmt;

use crate::id::ReplicaId;

/// The reading of the driver's clocks, an argument wherever time matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970 (UTC); may jump either way.
    pub wall_ms: u64,
    /// Milliseconds of a clock that never goes back; its origin means nothing.
    pub mono_ms: u64,
}

/// Prints milliseconds since 1970 as RFC 3339 in UTC: `2026-11-21T10:00:00.000Z`.
pub fn rfc3339(wall_ms: u64) -> String {
    let (seconds, ms) = (wall_ms / 1_000, wall_ms % 1_000);
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // Days to civil date over 400-year eras that start on 1 March (Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// How far a remote stamp may be ahead of the local clock and still move it, in milliseconds.
pub const MAX_AHEAD_MS: u64 = 60_000;

/// A hybrid logical clock reading: 48 bits of milliseconds, 16 bits of counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(u64);

impl Stamp {
    /// A stamp from its 64-bit form.
    pub fn from_u64(bits: u64) -> Stamp {
        Stamp(bits)
    }

    /// The 64-bit form, which orders as stamps do.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// The milliseconds since 1970 in it.
    pub fn wall_ms(self) -> u64 {
        self.0 >> 16
    }
}

/// What became of a remote stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observed {
    /// The local clock is now at least there.
    Taken,
    /// The stamp is too far ahead and was ignored; the write that carries it is not.
    TooFarAhead {
        /// By how much, in milliseconds.
        by_ms: u64,
    },
}

/// A hybrid logical clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hlc {
    last: Stamp,
}

impl Hlc {
    /// A clock that continues after `last`.
    pub fn after(last: Stamp) -> Hlc {
        Hlc { last }
    }

    /// The newest stamp given or taken.
    pub fn last(&self) -> Stamp {
        self.last
    }

    /// The stamp of a new local write: greater than every one before, and at least the wall clock.
    pub fn tick(&mut self, wall_ms: u64) -> Stamp {
        let wall = wall_ms.min(u64::MAX >> 16) << 16;
        self.last = Stamp(self.last.0.saturating_add(1).max(wall));
        self.last
    }

    /// Takes note of a remote stamp. One that is more than [`MAX_AHEAD_MS`] ahead is ignored, so that a broken clock
    /// elsewhere cannot drag this one along.
    pub fn observe(&mut self, stamp: Stamp, wall_ms: u64) -> Observed {
        let limit = wall_ms.saturating_add(MAX_AHEAD_MS);
        if stamp.wall_ms() > limit {
            return Observed::TooFarAhead { by_ms: stamp.wall_ms() - wall_ms };
        }
        self.last = self.last.max(stamp);
        Observed::Taken
    }
}

/// The name of one write: its author and its number there, from 1 without gaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dot {
    /// The author. Compared first only to give equal stamps a fixed order.
    pub replica: ReplicaId,
    /// The author's count, from 1.
    pub seq: u64,
}

impl fmt::Debug for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.replica, self.seq)
    }
}

/// What a replica has seen: for every author, all writes up to a number.
///
/// Every write carries one, so it is one short block of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionVector(Vec<(ReplicaId, u64)>);

impl VersionVector {
    fn position(&self, replica: ReplicaId) -> Result<usize, usize> {
        self.0.binary_search_by(|(probe, _)| probe.cmp(&replica))
    }

    /// How many writes of an author are in.
    pub fn seq(&self, replica: ReplicaId) -> u64 {
        self.position(replica).ok().and_then(|at| self.0.get(at)).map_or(0, |(_, seq)| *seq)
    }

    /// Whether the write is in.
    pub fn contains(&self, dot: Dot) -> bool {
        dot.seq <= self.seq(dot.replica)
    }

    /// Whether everything in `other` is in here.
    pub fn includes(&self, other: &VersionVector) -> bool {
        other.0.iter().all(|(replica, seq)| self.seq(*replica) >= *seq)
    }

    /// Adds a write and all before it by the same author.
    pub fn add(&mut self, dot: Dot) {
        match self.position(dot.replica) {
            Ok(at) => {
                if let Some((_, seq)) = self.0.get_mut(at) {
                    *seq = dot.seq.max(*seq);
                }
            }
            Err(at) => self.0.insert(at, (dot.replica, dot.seq)),
        }
    }

    /// Adds everything in `other`.
    pub fn join(&mut self, other: &VersionVector) {
        for (replica, seq) in &other.0 {
            self.add(Dot { replica: *replica, seq: *seq });
        }
    }

    /// The authors with their counts, by author.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, u64)> + '_ {
        self.0.iter().copied()
    }

    /// How many authors it names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(ReplicaId, u64)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, u64)>>(entries: I) -> VersionVector {
        let mut vector = VersionVector::default();
        for (replica, seq) in entries {
            if seq > 0 {
                vector.add(Dot { replica, seq });
            }
        }
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_grow_when_the_wall_clock_stops_or_jumps_back() {
        let mut clock = Hlc::default();
        let readings = [1_000, 1_000, 999, 0, 2_000];
        let stamps: Vec<_> = readings.iter().map(|wall| clock.tick(*wall)).collect();
        assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "{stamps:?}");
        assert_eq!(stamps[4].wall_ms(), 2_000);
    }

    #[test]
    fn a_stamp_from_the_far_future_does_not_move_the_clock() {
        let mut clock = Hlc::default();
        clock.tick(1_000);
        let decade = 10 * 365 * 86_400_000;
        assert_eq!(
            clock.observe(Stamp::from_u64(decade << 16), 1_000),
            Observed::TooFarAhead { by_ms: decade - 1_000 }
        );
        assert_eq!(clock.tick(1_001).wall_ms(), 1_001);
        assert_eq!(clock.observe(Stamp::from_u64(50_000 << 16), 1_000), Observed::Taken);
        assert_eq!(clock.tick(1_002).wall_ms(), 50_000);
    }

    #[test]
    fn times_print_as_rfc_3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_255_200_123, "2026-11-21T10:00:00.123Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
    }

    #[test]
    fn the_latest_clock_never_overflows() {
        let mut clock = Hlc::after(Stamp::from_u64(u64::MAX));
        assert_eq!(clock.tick(u64::MAX).as_u64(), u64::MAX);
    }
}
