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

/// Reads the milliseconds since 1970 of an RFC 3339 time in any time zone; fractions below a millisecond are cut off. None
/// for anything else, and for times before 1970.
///
/// ```
/// use confmesh::clock::{parse_rfc3339, rfc3339};
/// let read = parse_rfc3339("2026-11-21T12:00:00.25+02:00");
/// assert_eq!(read.map(rfc3339).as_deref(), Some("2026-11-21T10:00:00.250Z"));
/// assert_eq!(parse_rfc3339("2026-02-29T00:00:00Z"), None);
/// ```
pub fn parse_rfc3339(text: &str) -> Option<u64> {
    let number = |text: &str, digits: usize| -> Option<u64> {
        let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { text.parse().ok() } else { None }
    };
    let (date, rest) = text.split_once(['T', 't'])?;
    let (year, month, day) = match date.split('-').collect::<Vec<_>>().as_slice() {
        [year, month, day] => (number(year, 4)?, number(month, 2)?, number(day, 2)?),
        _ => return None,
    };
    let (time, zone) = rest.split_at_checked(rest.find(['Z', 'z', '+', '-'])?)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let ms = number(fraction, fraction.len()).and(format!("{fraction:0<3}").get(..3)?.parse::<u64>().ok())?;
    let (hour, minute, second) = match time.split(':').collect::<Vec<_>>().as_slice() {
        [hour, minute, second] => (number(hour, 2)?, number(minute, 2)?, number(second, 2)?),
        _ => return None,
    };
    let offset_minutes = match (zone, zone.split_once(':')) {
        ("Z" | "z", _) => 0,
        (_, Some((hours, minutes))) => {
            let (hours, minutes) = (number(hours.get(1..)?, 2)?, number(minutes, 2)?);
            let offset = i64::try_from((hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?).ok()?;
            if zone.starts_with('-') { -offset } else { offset }
        }
        _ => return None,
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last_day = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day == 0 || day > last_day || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // The inverse of `rfc3339`: years start on 1 March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let seconds = days.checked_sub(719_468)? * 86_400 + hour * 3_600 + minute * 60 + second;
    seconds.checked_add_signed(-60 * offset_minutes)?.checked_mul(1_000)?.checked_add(ms)
}

/// How far a stamp may be ahead of the local clock, and be followed by greater ones, in milliseconds.
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

    /// The stamp of a new local write: at least the wall clock, and greater than every one before, unless the clock jumped
    /// back by more than [`MAX_AHEAD_MS`] since. Causality orders what one author writes, never the stamps, so a clock
    /// that was wrong once does not have to be followed.
    pub fn tick(&mut self, wall_ms: u64) -> Stamp {
        self.forget_the_future(wall_ms);
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
        self.forget_the_future(wall_ms);
        self.last = self.last.max(stamp);
        Observed::Taken
    }

    fn forget_the_future(&mut self, wall_ms: u64) {
        if self.last.wall_ms() > wall_ms.saturating_add(MAX_AHEAD_MS) {
            self.last = Stamp::default();
        }
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

    /// Raises `reached`, which holds a count for each author in the order of [`VersionVector::iter`], to that of a write;
    /// `false` where the vector does not contain it.
    pub(crate) fn reach(&self, reached: &mut [u64], dot: Dot) -> bool {
        let at = self.position(dot.replica).ok();
        let Some((most, reached)) = at.and_then(|at| Some((self.0.get(at)?.1, reached.get_mut(at)?))) else {
            return false;
        };
        *reached = dot.seq.min(most).max(*reached);
        dot.seq <= most
    }

    /// As [`VersionVector::reach`], for all of another vector.
    pub(crate) fn reach_all(&self, reached: &mut [u64], other: &VersionVector) -> bool {
        other
            .0
            .iter()
            .fold(true, |within, (replica, seq)| self.reach(reached, Dot { replica: *replica, seq: *seq }) && within)
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
    fn a_clock_that_was_ahead_once_is_not_followed_once_it_is_right() {
        let decade: u64 = 10 * 365 * 86_400_000;
        let mut clock = Hlc::default();
        assert_eq!(clock.tick(2 * decade).wall_ms(), 2 * decade);
        let stamps: Vec<_> = [decade, decade, decade + 1_000].iter().map(|wall| clock.tick(*wall)).collect();
        assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]), "{stamps:?}");
        assert_eq!(stamps[2].wall_ms(), decade + 1_000);
        // What came from elsewhere counts by the right clock, too.
        let mut clock = Hlc::after(Stamp::from_u64((2 * decade) << 16));
        let theirs = Stamp::from_u64((decade + 5_000) << 16);
        assert_eq!(clock.observe(theirs, decade), Observed::Taken);
        assert_eq!(clock.tick(decade).as_u64(), theirs.as_u64() + 1);
        // A minute is followed, and is over after a minute.
        let mut clock = Hlc::default();
        clock.tick(decade + MAX_AHEAD_MS);
        assert_eq!(clock.tick(decade).wall_ms(), decade + MAX_AHEAD_MS);
        assert_eq!(clock.tick(decade + MAX_AHEAD_MS + 1).wall_ms(), decade + MAX_AHEAD_MS + 1);
    }

    #[test]
    fn stamps_stay_near_the_clock_and_grow_unless_it_jumps_back_far_whatever_clocks_do() {
        let decade: u64 = 10 * 365 * 86_400_000;
        let mut random = crate::testing::Random::of(7);
        let (mut clock, mut wall, mut last) = (Hlc::default(), 2 * decade, Stamp::default());
        let (mut grew, mut fell) = (0, 0);
        for step in 0..20_000 {
            wall = match random.below(8) {
                0 => wall + 10_000,
                1 => wall.saturating_sub(10_000).max(1),
                2 if step % 100 == 0 => 2 * decade + random.below(1_000) as u64,
                _ => wall, // it stopped
            };
            let theirs = [wall + decade, wall.saturating_sub(decade), wall + MAX_AHEAD_MS / 2, wall][random.below(4)];
            if random.below(2) == 0 {
                clock.observe(Stamp::from_u64(theirs << 16), wall);
            }
            let stamp = clock.tick(wall);
            let jumped = last.wall_ms() > wall + MAX_AHEAD_MS;
            assert!(stamp > last || jumped, "step {step}: a stamp that does not grow");
            assert!(stamp.wall_ms() <= wall + MAX_AHEAD_MS + 1, "step {step}: {} is dragged along", stamp.wall_ms());
            (grew, fell) = (grew + u32::from(stamp > last), fell + u32::from(stamp <= last));
            last = stamp;
        }
        assert!(grew > 10_000 && fell > 10, "{grew} {fell}");
    }

    #[test]
    fn the_latest_clock_never_overflows() {
        let mut clock = Hlc::after(Stamp::from_u64(u64::MAX));
        assert_eq!(clock.tick(u64::MAX).as_u64(), u64::MAX);
    }

    #[test]
    fn times_are_read_as_they_are_printed() {
        for ms in [0, 1, 951_826_154_321, 951_868_800_000, 1_000, 86_399_999, 1_795_255_200_250, 253_402_300_799_999] {
            assert_eq!(parse_rfc3339(&rfc3339(ms)), Some(ms), "{}", rfc3339(ms));
        }
        assert_eq!(parse_rfc3339("1970-01-01T00:00:01.2345-00:30"), Some(1_801_234));
        for bad in [
            "",
            "2026-11-21",
            "2026-11-21T10:00:00",
            "2026-13-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T10:00:00+2:00",
            "1969-12-31T23:59:59Z",
            "+026-11-21T10:00:00Z",
            "2026-11-21T10:00:00.Z ",
            "2026-11-21T10:00:00.1x0Z",
            "2026-11-21T10:00:00.Z",
        ] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }
}
