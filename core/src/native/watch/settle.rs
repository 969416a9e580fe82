//! When a changed file is believed: the rule alone, with time as an argument.
use std::time::{Duration, Instant};

use super::reading::Print;

/// A file that something happened to, until its content is believed.
#[derive(Debug)]
pub(super) struct Unsettled {
    /// The first hint.
    since: Instant,
    /// The last hint: the file is quiet from here.
    quiet_from: Instant,
    candidate: Option<Print>,
    /// When to read next.
    pub(super) due: Instant,
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) settle: Duration,
    pub(super) cap: Duration,
    /// For a file that is open for writing.
    pub(super) open: Duration,
}

impl Unsettled {
    pub(super) fn new(now: Instant, patience: Patience) -> Unsettled {
        Unsettled { since: now, quiet_from: now, candidate: None, due: now + patience.settle / 2 }
    }

    /// Something happened to the file again.
    pub(super) fn hint(&mut self, now: Instant, patience: Patience) {
        self.quiet_from = now;
        if now < self.since + patience.cap {
            self.candidate = None;
            self.due = (now + patience.settle / 2).min(self.since + patience.cap);
        }
        // Beyond the cap hints delay no longer: two equal readings are enough, however busy the file is. That whoever held it
        // open has closed it is a hint as well, and does not wait until a file that stays open would be believed.
        self.due = self.due.min(now + patience.settle);
    }

    /// Takes a reading at `due`; true where the content is to be believed, otherwise `due` has moved on.
    ///
    /// A `doubtful` content is believed only after that long: the file is gone, empty, or still open for writing, which is
    /// mostly a moment in the middle of a save.
    pub(super) fn read(&mut self, print: &Print, doubtful: Option<Duration>, now: Instant, patience: Patience) -> bool {
        let end = self.since + doubtful.unwrap_or(patience.cap);
        if self.candidate.as_ref() != Some(print) {
            self.candidate = Some(print.clone());
            let pause = patience.settle / 2;
            self.due = if now >= end { now + pause.min(Duration::from_millis(2)) } else { (now + pause).min(end) };
            return false;
        }
        let wait = if doubtful.is_some() { end } else { (self.quiet_from + patience.settle).min(end) };
        self.due = wait;
        now >= wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { settle: Duration::from_millis(20), cap: Duration::from_millis(500), open: Duration::from_secs(10) };

    fn content(number: u8) -> Print {
        Print::Content { length: 1, hash: [number; 32] }
    }

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_single_save_is_believed_after_one_settle_time() {
        let start = Instant::now();
        let mut file = Unsettled::new(start, PATIENCE);
        assert_eq!(file.due, start + ms(10));
        assert!(!file.read(&content(1), None, file.due, PATIENCE));
        assert_eq!(file.due, start + ms(20));
        assert!(file.read(&content(1), None, file.due, PATIENCE));
    }

    #[test]
    fn a_growing_file_waits_for_two_equal_readings() {
        let start = Instant::now();
        let mut file = Unsettled::new(start, PATIENCE);
        for number in 0..5 {
            assert!(!file.read(&content(number), None, file.due, PATIENCE));
        }
        assert!(file.read(&content(4), None, file.due, PATIENCE));
    }

    #[test]
    fn hints_put_it_off_until_the_cap_and_not_beyond() {
        let start = Instant::now();
        let mut file = Unsettled::new(start, PATIENCE);
        let mut now = start;
        let mut believed = None;
        while now < start + ms(2_000) && believed.is_none() {
            now += ms(1);
            file.hint(now, PATIENCE);
            if now >= file.due && file.read(&content(1), None, now, PATIENCE) {
                believed = Some(now - start);
            }
        }
        let believed = believed.unwrap();
        assert!(believed >= ms(500) && believed <= ms(510), "{believed:?}");
    }

    #[test]
    fn a_slow_save_is_believed_soon_after_the_file_is_closed() {
        let start = Instant::now();
        let mut file = Unsettled::new(start, PATIENCE);
        let mut now = start;
        while now < start + ms(1_000) {
            now = file.due;
            assert!(!file.read(&content(1), Some(PATIENCE.open), now, PATIENCE));
            if now + ms(2) < file.due {
                break;
            }
        }
        let closed = start + ms(1_000);
        file.hint(closed, PATIENCE);
        let mut reads = 0;
        while !file.read(&content(2), None, file.due, PATIENCE) {
            reads += 1;
        }
        assert!(reads <= 2 && file.due <= closed + ms(50), "{reads} {:?}", file.due - closed);
    }

    #[test]
    fn a_vanished_file_is_believed_only_at_the_cap() {
        let start = Instant::now();
        let mut file = Unsettled::new(start, PATIENCE);
        assert!(!file.read(&Print::Missing, Some(PATIENCE.cap), file.due, PATIENCE));
        assert!(!file.read(&Print::Missing, Some(PATIENCE.cap), file.due, PATIENCE));
        assert_eq!(file.due, start + ms(500));
        assert!(file.read(&Print::Missing, Some(PATIENCE.cap), file.due, PATIENCE));
    }
}
