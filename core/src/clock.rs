//! Hybrid logical clocks, dots and version vectors: the order of writes.
//!
//! Causality decides first: a write is never beaten by one that it had seen. Stamps only order *concurrent* writes, so a
//! bad clock can at most win against what happened at the same time. See Kulkarni et al., "Logical Physical Clocks" (2014).

use std::collections::BTreeMap;
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

/// Reads what [`rfc3339`] prints: UTC, with or without a fraction of a second. `None` for anything else.
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str, digits: usize| {
        (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse::<u64>().ok())?
    };
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (number(date.next()?, 4)?, number(date.next()?, 2)?, number(date.next()?, 2)?);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':');
    let (hour, minute, second) = (number(time.next()?, 2)?, number(time.next()?, 2)?, number(time.next()?, 2)?);
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) || !is_fraction {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let ms: u64 = fraction.chars().chain("00".chars()).take(3).collect::<String>().parse().ok()?;
    // As in `rfc3339`, the year begins on 1 March.
    let shifted_year = year - u64::from(month <= 2);
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + ms)
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionVector(BTreeMap<ReplicaId, u64>);

impl VersionVector {
    /// How many writes of an author are in.
    pub fn seq(&self, replica: ReplicaId) -> u64 {
        self.0.get(&replica).copied().unwrap_or(0)
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
        let seq = self.0.entry(dot.replica).or_default();
        *seq = dot.seq.max(*seq);
    }

    /// Adds everything in `other`.
    pub fn join(&mut self, other: &VersionVector) {
        for (replica, seq) in &other.0 {
            self.add(Dot { replica: *replica, seq: *seq });
        }
    }

    /// The authors with their counts, by author.
    pub fn iter(&self) -> impl Iterator<Item = (ReplicaId, u64)> + '_ {
        self.0.iter().map(|(replica, seq)| (*replica, *seq))
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
            assert_eq!(parse_rfc3339(text), Some(ms));
        }
        assert_eq!(parse_rfc3339("2026-11-21T10:00:00Z"), Some(1_795_255_200_000));
        assert_eq!(parse_rfc3339("2026-11-21T10:00:00.5Z"), Some(1_795_255_200_500));
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T10:00:00",
            "2026-13-01T00:00:00Z",
            "2026-1-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn stamps_grow_and_stay_near_the_clock_whatever_clocks_do() {
        let decade: u64 = 10 * 365 * 86_400_000;
        let mut random = crate::testing::Random::of(7);
        let (mut clock, mut wall, mut last) = (Hlc::default(), 2 * decade, Stamp::default());
        let mut highest = wall;
        for step in 0..20_000 {
            wall = match random.below(8) {
                0 => wall + 10_000,
                1 => wall.saturating_sub(10_000).max(1),
                2 if step % 100 == 0 => 2 * decade + random.below(1_000) as u64,
                _ => wall, // it stopped
            };
            highest = highest.max(wall);
            let theirs = [wall + decade, wall.saturating_sub(decade), wall + MAX_AHEAD_MS / 2, wall][random.below(4)];
            if random.below(2) == 0 {
                clock.observe(Stamp::from_u64(theirs << 16), wall);
            }
            let stamp = clock.tick(wall);
            assert!(stamp > last, "step {step}: a stamp that does not grow");
            assert!(stamp.wall_ms() <= highest + MAX_AHEAD_MS, "step {step}: {} is dragged along", stamp.wall_ms());
            last = stamp;
        }
    }

    #[test]
    fn the_latest_clock_never_overflows() {
        let mut clock = Hlc::after(Stamp::from_u64(u64::MAX));
        assert_eq!(clock.tick(u64::MAX).as_u64(), u64::MAX);
    }
}
