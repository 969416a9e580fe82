//! Which writes speak at a path: what a version of a path, and the author of a value, are made of.

use std::sync::Arc;

use super::{Assertion, Replica};
use crate::clock::Dot;
use crate::path::Path;

impl Replica {
    /// The live writes that decide what is at a path and below it, in the order of their dots: those that cover it and
    /// that no other one speaks in the place of, and all below. It changes with every write that touches the path.
    pub fn writes_at(&self, path: &Path) -> Vec<&Arc<Assertion>> {
        let cover: Vec<&Arc<Assertion>> = self.live.above(path).chain(self.live.at(path)).collect();
        let below = self.live.from(path).filter(|held| held.path != *path);
        let mut writes: Vec<&Arc<Assertion>> =
            cover.iter().filter(|old| !cover.iter().any(|new| old.yields_to(new))).copied().chain(below).collect();
        writes.sort_by_key(|write| write.dot);
        writes
    }

    /// The assertion of a write that covers a path, the one nearest to the path.
    pub fn assertion(&self, dot: Dot, path: &Path) -> Option<&Arc<Assertion>> {
        let here = self.live.at(path).iter().find(|held| held.dot == dot);
        here.or_else(|| self.live.above(path).filter(|held| held.dot == dot).last())
    }
}
