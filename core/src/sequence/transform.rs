//! Carrying an operation over a concurrent one.

use super::{Builder, Cursor, Operation, Step};
use crate::error::{Code, Error, Result};

/// Which of two insertions at one place comes first. The two operations of a pair take different sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The transformed operation's.
    Left,
    /// The other one's.
    Right,
}

impl std::str::FromStr for Side {
    type Err = Error;

    /// Reads `left` or `right`; anything else is [`Code::Usage`].
    fn from_str(text: &str) -> Result<Side> {
        match text {
            "left" => Ok(Side::Left),
            "right" => Ok(Side::Right),
            other => Err(Error::new(Code::Usage, format!("unknown side `{other}`")).with_hint("use `left` or `right`")),
        }
    }
}

/// The change of `a` for a sequence that `b` has changed already; both were made for the same sequence.
///
/// With opposite sides both orders meet (TP1): `b` then `transform(a, b, Left)` is `a` then `transform(b, a, Right)`.
/// What both delete is deleted once, and what one inserts into what the other deletes stays.
#[must_use]
pub fn transform(a: &Operation, b: &Operation, side: Side) -> Operation {
    let (mut mine, mut other) = (Cursor::of(a), Cursor::of(b));
    let mut out = Builder::default();
    loop {
        match (mine.peek(), other.peek()) {
            (None, _) => break,
            (Some(Step::Insert(content)), next) if side == Side::Left || !matches!(next, Some(Step::Insert(_))) => {
                out.insert(content);
                mine.take(usize::MAX);
            }
            (_, Some(Step::Insert(content))) => {
                out.retain(content.len());
                other.take(usize::MAX);
            }
            _ => {
                let n = mine.len().min(other.len());
                match (mine.take(n), other.take(n)) {
                    (_, Some(Step::Delete(_))) => {}
                    (Some(Step::Delete(n)), _) => out.delete(n),
                    _ => out.retain(n),
                }
            }
        }
    }
    out.build()
}
