//! Which paths of the shared layer are withheld, so that all others come into force.
//!
//! The smallest set is not unique, and hard to find where checks look at several paths. So a rule decides, the same in
//! every language: each problem names a path, the longest part of it at which the newest layer differs from what was in
//! force shows again what was in force, and what is wrong still is widened, step by step, until nothing is wrong.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::merge::{Composed, PROFILES};
use crate::path::Path;
use crate::value::Value;

/// How often the layer is put together with fewer and fewer of its paths; then it is held back whole.
const MAX_ROUNDS: usize = 8;
/// How many paths are withheld at the same time; of more the layer is held back whole.
const MAX_PATHS: usize = 64;

/// The withheld paths, and why.
pub(super) type Held = BTreeMap<Path, Error>;

/// The newest shared layer, and what of it was in force before.
pub(super) struct Search<'a> {
    pub(super) newest: &'a Value,
    pub(super) before: &'a Value,
    /// The active profiles, the one that wins last.
    pub(super) profiles: &'a [String],
}

/// A layer as far as it comes into force.
pub(super) struct Partly {
    pub(super) held: Held,
    pub(super) value: Value,
    pub(super) composed: Composed,
}

/// The newest value, which shows at some paths what was there before.
pub(super) fn with_before<'p>(newest: &Value, before: &Value, paths: impl IntoIterator<Item = &'p Path>) -> Value {
    paths.into_iter().fold(newest.clone(), |value, path| match before.at(path) {
        Some(old) => value.with(path, old.clone()),
        None => value.without(path),
    })
}

impl Search<'_> {
    /// Finds what to withhold. None where the layer has to be held back whole, or is not to blame. `first` is what the
    /// newest layer makes, `compose` what others make, and `is_known` says of a problem that it was there before.
    pub(super) fn run(
        &self,
        first: &Composed,
        is_known: impl Fn(&Error) -> bool,
        compose: impl Fn(Value) -> Composed,
    ) -> Option<Partly> {
        let mut held = Held::new();
        let mut last: Option<Composed> = None;
        for _ in 0..MAX_ROUNDS {
            let composed = last.as_ref().unwrap_or(first);
            held = self.wider(&held, composed, composed.errors.iter().filter(|error| !is_known(error)))?;
            let value = with_before(self.newest, self.before, held.keys());
            let composed = compose(value.clone());
            if composed.errors.iter().all(&is_known) {
                return Some(self.released(Partly { held, value, composed }, is_known, compose));
            }
            last = Some(composed);
        }
        None
    }

    /// Lets go of what a text refers to where the text turned out to be withheld itself.
    fn released(
        &self,
        mut found: Partly,
        is_known: impl Fn(&Error) -> bool,
        compose: impl Fn(Value) -> Composed,
    ) -> Partly {
        let is_elsewhere = |at: &Path, error: &Error| {
            !error.path().is_some_and(|named| named.starts_with(at) || at.starts_with(named))
        };
        let targets = found.held.iter().filter(|(at, error)| found.held.len() > 1 && is_elsewhere(at, error));
        for at in targets.map(|(at, _)| at.clone()).collect::<Vec<_>>() {
            let mut held = found.held.clone();
            held.remove(&at);
            let value = with_before(self.newest, self.before, held.keys());
            let composed = compose(value.clone());
            if composed.errors.iter().all(&is_known) {
                found = Partly { held, value, composed };
            }
        }
        found
    }

    /// The paths to withhold once these problems are known too.
    fn wider<'e>(&self, held: &Held, composed: &Composed, errors: impl IntoIterator<Item = &'e Error>) -> Option<Held> {
        let mut wider = held.clone();
        for error in errors {
            let blamed = self.blamed(error, composed, held)?;
            // What is wrong although it is withheld: the fault lies around it.
            let at = match held.keys().find(|held| blamed.starts_with(held)) {
                Some(held) => held.parent().filter(|above| !above.is_root())?,
                None => blamed,
            };
            if wider.keys().any(|known| at.starts_with(known)) {
                continue;
            }
            wider.retain(|known, _| !known.starts_with(&at));
            wider.insert(at, error.clone());
        }
        (wider.len() <= MAX_PATHS).then_some(wider)
    }

    /// The path to withhold for a problem.
    fn blamed(&self, error: &Error, composed: &Composed, held: &Held) -> Option<Path> {
        let named = error.path().filter(|path| !path.is_root())?;
        let is_missing = composed.value.at(named).is_none() && !composed.broken.contains_key(named);
        let place = match named.parent() {
            // A key that is missing, and was not there before: the map that lacks it.
            Some(map) if is_missing && self.spellings(named).all(|path| self.before.at(&path).is_none()) => map,
            _ => named.clone(),
        };
        let targets = composed.broken.get(named).into_iter().flatten().chain([&place]);
        let exact: Vec<Path> =
            targets.flat_map(|target| self.spellings(target)).filter_map(|path| self.differing(&path)).collect();
        // A text refers to several values: what shows again what was there before is not to blame any more.
        let is_free = |path: &&Path| !held.keys().any(|held| path.starts_with(held));
        exact
            .iter()
            .find(is_free)
            .or(exact.first())
            .cloned()
            .or_else(|| self.spellings(&place).find_map(|path| self.differing_above(&path)))
    }

    /// A path of the document as this layer may spell it: below its profiles, the one that wins first, and as it is.
    fn spellings(&self, path: &Path) -> impl Iterator<Item = Path> {
        let profiles = self.profiles.iter().rev().map(|name| Path::root().child(PROFILES).child(name).join(path));
        profiles.chain([path.clone()]).collect::<Vec<_>>().into_iter()
    }

    /// The path, or the list or scalar that stands in its way, where it differs from what was there before.
    fn differing(&self, path: &Path) -> Option<Path> {
        let is_leaf = |len: &usize| self.newest.at(&path.prefix(*len)).is_some_and(|value| value.as_map().is_none());
        let at = path.prefix((1..path.len()).find(is_leaf).unwrap_or(path.len()));
        self.differs(&at).then_some(at)
    }

    /// The closest map above a path that differs from what was there before; never the whole layer.
    fn differing_above(&self, path: &Path) -> Option<Path> {
        std::iter::successors(path.parent(), Path::parent)
            .take_while(|above| !above.is_root())
            .find(|above| self.differs(above))
    }

    fn differs(&self, path: &Path) -> bool {
        !path.is_root() && self.newest.at(path) != self.before.at(path)
    }
}
