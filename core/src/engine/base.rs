//! What a bound file is known to hold, and what it is about to hold.

use std::sync::Arc;

use super::records::Known;
use crate::diff::leaf::{Leaf, leaf_at, with_leaves};
use crate::error::Error;
use crate::format::Sections;
use crate::value::Value;

/// The state that was mirrored last.
#[derive(Clone)]
pub(super) struct Base {
    pub(super) known: Known,
    pub(super) value: Value,
    /// Where the entries of the text stand, where it was made in this life.
    pub(super) sections: Option<Arc<Sections>>,
}

/// What a mirror write is about to put there.
#[derive(Clone)]
pub(super) struct Intended {
    pub(super) known: Known,
    /// What it changes; of a file that is made, all of it.
    pub(super) leaves: Vec<Leaf>,
    /// What its text says, where it was made in this life: it is not read again.
    pub(super) made: Option<Said>,
}

/// What a text that was made says.
#[derive(Clone)]
pub(super) struct Said {
    pub(super) value: Value,
    /// What is odd about it.
    pub(super) notes: Vec<Error>,
    /// Where its entries stand.
    pub(super) sections: Option<Arc<Sections>>,
}

impl Base {
    /// What a file began as that was missing when it was looked at last: what the mirror was about to make it, where any key of
    /// that is in it, or else nothing, where the document is empty. A missing file is what that looks like.
    pub(super) fn of_new(value: &Value, made: Option<&Intended>, is_blank: bool) -> Option<Base> {
        let stands = |leaf: &Leaf| leaf.new.is_some() && leaf_at(value, &leaf.path).is_some();
        if let Some(made) = made.filter(|made| made.leaves.iter().any(stands)) {
            let leaves = made.leaves.iter().map(|leaf| (&leaf.path, leaf.new.as_ref()));
            let value = with_leaves(&Value::empty_map(), leaves);
            return Some(Base { known: made.known.clone(), value, sections: None });
        }
        is_blank.then(|| Base { known: Known::whole("".into()), value: Value::empty_map(), sections: None })
    }
}
