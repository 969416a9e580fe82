//! What a bound file is known to hold, and what it is about to hold.

use super::records::Known;
use crate::diff::leaf::{Leaf, leaf_at, with_leaves};
use crate::value::Value;

/// The state that was mirrored last.
#[derive(Clone)]
pub(super) struct Base {
    pub(super) known: Known,
    pub(super) value: Value,
}

/// What a mirror write is about to put there.
#[derive(Clone)]
pub(super) struct Intended {
    pub(super) known: Known,
    /// What it changes; of a file that is made, all of it.
    pub(super) leaves: Vec<Leaf>,
}

impl Base {
    /// What a file began as that was missing when it was looked at last: what the mirror was about to make it, where any key of
    /// that is in it, or else nothing, where the document is empty. A missing file is what that looks like.
    pub(super) fn of_new(value: &Value, made: Option<&Intended>, is_blank: bool) -> Option<Base> {
        let stands = |leaf: &Leaf| leaf.new.is_some() && leaf_at(value, &leaf.path).is_some();
        if let Some(made) = made.filter(|made| made.leaves.iter().any(stands)) {
            let leaves = made.leaves.iter().map(|leaf| (&leaf.path, leaf.new.as_ref()));
            return Some(Base { known: made.known.clone(), value: with_leaves(&Value::empty_map(), leaves) });
        }
        is_blank.then(|| Base { known: Known::whole(String::new()), value: Value::empty_map() })
    }
}
