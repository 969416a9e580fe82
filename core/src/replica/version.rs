//! Which writes speak at a path: what a version of a path, and the author of a value, are made of.

use std::sync::Arc;

use super::{Assertion, Replica};
use crate::clock::Dot;
use crate::path::Path;

impl Replica {
    /// The live writes that decide what is at a path and below it, in the order of their dots: those that cover it and
    /// that no other one speaks in the place of, and all below. It changes with every write that touches the path.
    pub fn writes_at(&self, path: &Path) -> Vec<&Arc<Assertion>> {
        let prefixes = (0..=path.len()).map(|depth| path.segments().iter().take(depth).cloned().collect::<Path>());
        let cover: Vec<&Arc<Assertion>> = prefixes.filter_map(|place| self.live.get(&place)).flatten().collect();
        let below = self.live.range(path.clone()..).take_while(|(place, _)| place.starts_with(path));
        let below = below.filter(|(place, _)| *place != path).flat_map(|(_, here)| here);
        let mut writes: Vec<&Arc<Assertion>> =
            cover.iter().filter(|old| !cover.iter().any(|new| old.yields_to(new))).copied().chain(below).collect();
        writes.sort_by_key(|write| write.dot);
        writes
    }

    /// The assertion of a write that covers a path, the one nearest to the path.
    pub fn assertion(&self, dot: Dot, path: &Path) -> Option<&Arc<Assertion>> {
        let mut place = Some(path.clone());
        while let Some(here) = place {
            if let Some(found) = self.live.get(&here).and_then(|here| here.iter().find(|held| held.dot == dot)) {
                return Some(found);
            }
            place = here.parent();
        }
        None
    }
}
