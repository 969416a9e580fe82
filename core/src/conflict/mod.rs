//! Settling concurrent writes by the rule that travelled with them.
//!
//! Every function here is pure and independent of the order of its candidates, so replicas that hold the same writes
//! choose the same winner.

use crate::clock::{Dot, Stamp};
use crate::value::Value;

/// The rule that a write carries, chosen where it was written. The numbers are part of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Tag {
    /// Of concurrent writes the one with the greatest stamp is in force.
    LastWriteWins = 0,
}

impl Tag {
    /// The tag of a protocol number.
    pub fn from_u8(number: u8) -> Option<Tag> {
        (number == 0).then_some(Tag::LastWriteWins)
    }

    /// The protocol number.
    pub fn as_u8(self) -> u8 {
        self as u8
    }
}

/// One side of a disagreement on a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The write.
    pub dot: Dot,
    /// Its stamp.
    pub stamp: Stamp,
    /// Its rule.
    pub tag: Tag,
    /// The value that it asserts; `None` where it asserts that nothing is there.
    pub value: Option<&'a Value>,
}

/// The candidate in force: under last-write-wins the greatest stamp, equal stamps ordered by dot.
pub fn resolve<'c, 'a>(candidates: &'c [Candidate<'a>]) -> Option<&'c Candidate<'a>> {
    candidates.iter().max_by_key(|candidate| (candidate.stamp, candidate.dot))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ReplicaId;

    #[test]
    fn equal_stamps_have_one_winner_in_any_order() {
        let [one, two] = [Value::from(1), Value::from(2)];
        let side = |byte: u8, value| Candidate {
            dot: Dot { replica: ReplicaId::from_bytes([byte; 16]), seq: 1 },
            stamp: Stamp::from_u64(7),
            tag: Tag::LastWriteWins,
            value: Some(value),
        };
        let (a, b) = (side(1, &one), side(2, &two));
        assert_eq!(resolve(&[a.clone(), b.clone()]).map(|c| c.dot), Some(b.dot));
        assert_eq!(resolve(&[b.clone(), a]).map(|c| c.dot), Some(b.dot));
        assert_eq!(resolve(&[]), None);
    }
}
