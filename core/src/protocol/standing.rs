//! What a document weighs where it meets another one of its name.
//!
//! Documents have a total order, and all marks only rise: so whoever meets whom, in whatever order, the greatest document of
//! a connected mesh is the one that stays.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::id::Genesis;

/// The marks of a document. They are stored, told to everybody who shares it, and never taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether it has been in use for a while: it never gives way by itself.
    pub old: bool,
    /// Whether an instance loaded it from its store at a start.
    pub loaded: bool,
    /// Whether it was founded with content.
    pub content: bool,
    /// When it was founded, in milliseconds since 1970; 0 where that is not known. For people, and for its age at a start.
    pub born_ms: u64,
    /// The documents that operators gave up for this one ([`MAX_GIVEN_UP`] at most).
    pub given_up: BTreeSet<Genesis>,
}

/// How many documents a [`Standing`] names at most that were given up for it.
pub const MAX_GIVEN_UP: usize = 64;

/// What becomes of two documents that meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// The first stays, and the second moves to it.
    Stays,
    /// The first moves to the second.
    Moves,
    /// Both are old: they stand apart until an operator decides.
    Apart,
}

impl Standing {
    /// Takes over the marks that another holder of the same document knows. Returns whether any was new.
    pub fn raise(&mut self, other: &Standing) -> bool {
        let before = self.clone();
        self.old |= other.old;
        self.loaded |= other.loaded;
        self.content |= other.content;
        self.given_up.extend(&other.given_up);
        self.born_ms = match (self.born_ms, other.born_ms) {
            (0, born_ms) | (born_ms, 0) => born_ms,
            (mine, theirs) => mine.min(theirs),
        };
        while self.given_up.len() > MAX_GIVEN_UP {
            self.given_up.pop_last();
        }
        *self != before
    }

    /// What becomes of this document where it meets another one.
    pub fn meets(&self, genesis: Genesis, theirs: &Standing, their_genesis: Genesis) -> Meeting {
        // Both at once cannot be told apart from neither.
        match (theirs.given_up.contains(&genesis), self.given_up.contains(&their_genesis)) {
            (true, false) => return Meeting::Moves,
            (false, true) => return Meeting::Stays,
            _ => {}
        }
        if self.old && theirs.old {
            return Meeting::Apart;
        }
        if self.rank(genesis) > theirs.rank(their_genesis) { Meeting::Stays } else { Meeting::Moves }
    }

    /// The total order of documents. Writes go along when a document gives way and what it was founded with does not, so
    /// that counts before a start from a store: an empty document that was started twice takes nobody's file.
    fn rank(&self, genesis: Genesis) -> impl Ord + use<> {
        (self.old, self.content, self.loaded, Reverse(genesis))
    }
}
