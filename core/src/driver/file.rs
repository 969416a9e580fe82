//! One bound file: when it is looked at, what is believed of it, and the write that is with the outside.

use crate::clock::Now;
use crate::engine::FileWrite;
use crate::error::Result;

/// How often a file that could not be read or written is tried again, in milliseconds.
const TRY_AGAIN_MS: u64 = 3_000;

/// How long a text that nobody saw hold still has to before it is believed.
///
/// It may be half of a save, and the missing half would count as removed everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A text, in milliseconds. Where something watches the file this only stands in for it, and is long: a watcher knows
    /// more than a look does, for instance that the file is still open for writing.
    pub text_ms: u64,
    /// An empty or missing file, in milliseconds.
    pub nothing_ms: u64,
}

pub(super) struct FileWork {
    patience: Patience,
    phase: Phase,
    /// Whether somebody should look.
    is_look_wanted: bool,
    /// When to look, whatever happens, on the monotonic clock.
    look_at_ms: Option<u64>,
    /// What was last seen to hold still; inside, `None` is a missing file.
    told: Option<Option<String>>,
    /// What was believed, and is not in the engine before the checks of the program have answered.
    believed: Option<Option<String>>,
    /// What a look found that is not believed yet, and since when it is there.
    doubted: Option<(Option<String>, u64)>,
    /// The suffix of a copy that is still to be made.
    keep_as: Option<&'static str>,
}

enum Phase {
    Idle,
    Looking(u64),
    Writing,
}

impl FileWork {
    pub(super) fn new(patience: Patience) -> FileWork {
        FileWork {
            patience,
            phase: Phase::Idle,
            is_look_wanted: false,
            look_at_ms: None,
            told: None,
            believed: None,
            doubted: None,
            keep_as: None,
        }
    }

    pub(super) fn hint(&mut self, held_still: Option<Option<String>>) {
        self.told = held_still.or(self.told.take());
        self.is_look_wanted = true;
    }

    /// It is known what the checks say of the text that was believed last: if it is still there, it still is.
    pub(super) fn look_on(&mut self) {
        self.told = self.told.take().or(self.believed.take());
        self.is_look_wanted = true;
    }

    /// A text that was believed waits for the checks of the program.
    pub(super) fn keep_believing(&mut self, text: Option<String>) {
        self.believed = Some(text);
    }

    pub(super) fn look_again(&mut self) {
        self.is_look_wanted = true;
    }

    /// Looks at this moment, or before.
    pub(super) fn look_at(&mut self, at_ms: u64) {
        self.look_at_ms = Some(self.look_at_ms.map_or(at_ms, |before| before.min(at_ms)));
    }

    pub(super) fn try_again(&mut self, now: Now) {
        self.look_at(now.mono_ms + TRY_AGAIN_MS);
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.look_at_ms
    }

    pub(super) fn handle_timeout(&mut self, now: Now) {
        if self.look_at_ms.take_if(|at_ms| *at_ms <= now.mono_ms).is_some() {
            self.is_look_wanted = true;
        }
    }

    /// Whether a look can be asked for, and should be. While a write is with the outside its end looks.
    pub(super) fn wants_look(&self) -> bool {
        self.is_look_wanted && matches!(self.phase, Phase::Idle)
    }

    pub(super) fn begin_look(&mut self, number: u64) {
        self.phase = Phase::Looking(number);
        (self.is_look_wanted, self.look_at_ms) = (false, None);
    }

    /// Whether this is the look that is waited for.
    pub(super) fn is_looking(&self, number: u64) -> bool {
        matches!(self.phase, Phase::Looking(asked) if asked == number)
    }

    pub(super) fn forget_look(&mut self) {
        self.phase = Phase::Idle;
    }

    /// Takes what a look found; whether it is believed. What the mirror itself wrote is; what is not believed is looked at
    /// again later.
    pub(super) fn believes(&mut self, text: &Option<String>, is_own: bool, now: Now) -> bool {
        self.phase = Phase::Idle;
        // Another text lies there: should the one that was told come back, it may be on its way to something else.
        self.told.take_if(|told| told != text);
        if is_own || self.told.is_some() {
            self.doubted = None;
            return true;
        }
        let since_ms = match &self.doubted {
            Some((before, since_ms)) if before == text => *since_ms,
            _ => now.mono_ms,
        };
        // Missing or empty it mostly is for a moment in the middle of a save.
        let is_nothing = text.as_ref().is_none_or(|text| text.trim().is_empty());
        let wait_ms = if is_nothing { self.patience.nothing_ms } else { self.patience.text_ms };
        let until_ms = since_ms.saturating_add(wait_ms);
        if now.mono_ms >= until_ms {
            self.doubted = None;
            return true;
        }
        self.doubted = Some((text.clone(), since_ms));
        self.look_at(until_ms);
        false
    }

    /// A write goes to the outside. What a look finds until it ends does not count.
    pub(super) fn begin_write(&mut self, write: &mut FileWrite) {
        debug_assert!(!matches!(self.phase, Phase::Writing), "one write at a time");
        self.phase = Phase::Writing;
        write.keep_as = write.keep_as.or(self.keep_as.take());
    }

    /// A write has ended.
    pub(super) fn wrote(&mut self, result: &Result<()>, keep_as: Option<&'static str>, now: Now) {
        debug_assert!(matches!(self.phase, Phase::Writing), "nobody was asked to write");
        self.phase = Phase::Idle;
        self.keep_as = keep_as;
        match result {
            Ok(()) => self.is_look_wanted = true,
            Err(_) => self.try_again(now),
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        !matches!(self.phase, Phase::Idle) || self.is_look_wanted
    }
}
