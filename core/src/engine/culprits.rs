//! Which sources break a document that all of them make for the first time.
//!
//! Later there is a last good layer of each, and the one that came is to blame. At the start there is none, and whoever
//! happened to answer last is as likely right as any other: so those that problems name are left out one by one, each time
//! the one without whom the fewest problems are left.
use std::collections::BTreeSet;

use crate::error::Error;
use crate::merge::Layer;

/// How many sources are tried for one round of problems, and so how many rounds there are at most.
const MOST_TRIED: usize = 16;

/// The places of the sources to leave out; `left` tells what is wrong without some of them.
pub(super) fn find(
    errors: &[Error],
    newest: &[(usize, &Layer)],
    left: impl Fn(&BTreeSet<usize>) -> Vec<Error>,
) -> BTreeSet<usize> {
    let mut left_out = BTreeSet::new();
    let mut errors = errors.to_vec();
    while !errors.is_empty() && left_out.len() < MOST_TRIED {
        let suspects = newest
            .iter()
            .filter(|(at, layer)| !left_out.contains(at) && errors.iter().any(|error| names(error, layer)));
        let tried = suspects.take(MOST_TRIED).map(|(at, _)| {
            let without: BTreeSet<usize> = left_out.iter().copied().chain([*at]).collect();
            (left(&without), without)
        });
        match tried.min_by_key(|(left, _)| left.len()) {
            Some((left, without)) if left.len() < errors.len() => (errors, left_out) = (left, without),
            _ => break,
        }
    }
    left_out
}

/// Whether a problem is about a layer: it stands in it, or at a path that the layer speaks of.
pub(super) fn names(error: &Error, layer: &Layer) -> bool {
    match (error.origin(), error.path()) {
        (Some(origin), _) => origin.source == layer.id,
        (None, Some(path)) => !path.is_root() && layer.value.at(path).is_some(),
        (None, None) => false,
    }
}
