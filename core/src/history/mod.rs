//! The kept past of a document: every change of it as a version, compact, within a budget.
//!
//! A version is one change of what instances share, as this instance saw it: when, who wrote it and why, and each leaf before
//! and after. What the document was at a version follows from what it is now, by undoing what came since: so nothing is written
//! down twice, and forgetting the oldest versions takes nothing from the others. Versions are numbered from 1 and a number is
//! never given again. A secret is kept sealed, or where there is no key not at all, which the version says.

mod name;
mod record;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub use name::Named;
pub use record::{Changed, Side, Version, Wrote};

use crate::diff::leaf::{leaf_diff, with_leaves};
use crate::error::{Code, Error, Result};
use crate::path::Path;
use crate::policy::Policy;
use crate::secret::Seal;
use crate::value::{Digest, Value};

/// How much of the past is kept. The newest version always is, unless none are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many versions; 0 keeps none.
    pub versions: usize,
    /// How old a version may get, in milliseconds; older ones go with the next change.
    pub age_ms: u64,
    /// How long their records may be together, in bytes.
    pub bytes: usize,
}

impl Default for Budget {
    /// 10,000 versions, 90 days, 16 MiB.
    fn default() -> Budget {
        Budget { versions: 10_000, age_ms: 90 * 24 * 60 * 60 * 1_000, bytes: 16 << 20 }
    }
}

/// A version as it is kept.
#[derive(Debug)]
struct Kept {
    number: u64,
    at_ms: u64,
    bytes: Vec<u8>,
}

/// What has to be done to the store, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// The record of a version goes.
    Remove(u64),
    /// The record of a version is this.
    Put(u64, Vec<u8>),
}

/// What a document was.
#[derive(Clone, Debug, PartialEq)]
pub struct Then {
    /// The document.
    pub value: Value,
    /// Where it is not known what it was: a secret that nobody kept, or that no key here opens. What is there now stands in its
    /// place.
    pub lost: BTreeSet<Path>,
}

/// The versions of one document, those on their way to the store included.
#[derive(Debug)]
pub struct History {
    budget: Budget,
    seal: Option<Arc<dyn Seal>>,
    /// Where secrets are sealed for: the document's name.
    place: String,
    /// The oldest first.
    versions: VecDeque<Kept>,
    bytes: usize,
    /// The document after the newest version.
    newest: Value,
    /// The greatest number that was ever given.
    last: u64,
    /// The newest version that is in the store.
    stored: u64,
    /// Batches on their way there, each with the newest version that is there with it.
    staged: VecDeque<(u64, u64)>,
    /// Versions of batches that failed: they may be in the store nevertheless, and have to go.
    doubtful: BTreeSet<u64>,
}

impl History {
    /// A document without a past.
    pub fn new(place: &str, budget: Budget, seal: Option<Arc<dyn Seal>>) -> History {
        History {
            budget,
            seal,
            place: place.to_owned(),
            versions: VecDeque::new(),
            bytes: 0,
            newest: Value::empty_map(),
            last: 0,
            stored: 0,
            staged: VecDeque::new(),
            doubtful: BTreeSet::new(),
        }
    }

    /// Takes up what the store holds, where the document is `now` that.
    ///
    /// # Errors
    /// [`Code::Damaged`] where that is not how it came to be what it is: then nothing is kept, and numbers go on.
    pub fn restore(&mut self, mut records: Vec<(u64, Vec<u8>)>, now: &Value) -> Result<()> {
        records.sort_by_key(|(number, _)| *number);
        self.last = records.last().map_or(0, |(number, _)| *number);
        self.newest = now.clone();
        if self.budget.versions == 0 {
            self.doubtful.extend(records.iter().map(|(number, _)| *number));
            return Ok(());
        }
        let newest = records.last().map(|(_, bytes)| Version::from_bytes(bytes)).transpose();
        let fits = |newest: &Option<Version>| newest.as_ref().is_none_or(|newest| newest.digest == now.digest());
        if !newest.as_ref().is_ok_and(fits) {
            self.doubtful.extend(records.iter().map(|(number, _)| *number));
            let message = "the versions in the store do not lead to the document as it is: somebody wrote it without keeping them";
            return Err(Error::new(Code::Damaged, message).with_hint(
                "they are dropped, and new ones are kept from here on; a backup of the data directory has the old ones",
            ));
        }
        for (number, bytes) in records {
            let Ok(Version { at_ms, .. }) = Version::from_bytes(&bytes) else {
                // What is older cannot be led back to any more.
                self.doubtful.extend(self.versions.drain(..).map(|kept| kept.number).chain([number]));
                self.bytes = 0;
                continue;
            };
            self.bytes += bytes.len();
            self.versions.push_back(Kept { number, at_ms, bytes });
        }
        self.stored = self.versions.back().map_or(0, |kept| kept.number);
        Ok(())
    }

    /// Whether nothing is kept, as the budget says.
    pub fn is_off(&self) -> bool {
        self.budget.versions == 0
    }

    /// The document becomes this with the batch `ticket`. Returns what else that batch has to do.
    pub fn stage(&mut self, ticket: u64, now: &Value, policy: &Policy, change: Change) -> Vec<Write> {
        let leaves = leaf_diff(&self.newest, now);
        let mut writes: Vec<Write> = self.doubtful.iter().copied().map(Write::Remove).collect();
        if !leaves.is_empty() && !self.is_off() {
            let before = std::mem::replace(&mut self.newest, now.clone());
            if self.versions.is_empty() && before.as_map().is_some_and(|map| !map.is_empty()) {
                // What was there before the first change that is kept can be named too.
                let start = Change { at_ms: change.at_ms, cause: START, wrote: Vec::new() };
                writes.push(self.push(start, Vec::new(), before.digest()));
            }
            let changes = leaves.into_iter().map(|leaf| Changed {
                old: self.side(policy, &leaf.path, leaf.old),
                new: self.side(policy, &leaf.path, leaf.new),
                path: leaf.path,
            });
            let changes = changes.collect();
            writes.push(self.push(change, changes, now.digest()));
            writes.extend(self.trim().into_iter().map(Write::Remove));
        }
        self.newest = now.clone();
        if !writes.is_empty() {
            let newest = self.versions.back().map_or(self.stored, |newest| newest.number);
            self.staged.push_back((ticket, newest));
        }
        writes
    }

    fn push(&mut self, change: Change, changes: Vec<Changed>, digest: Digest) -> Write {
        self.last = self.last.saturating_add(1);
        let Change { at_ms, cause, wrote } = change;
        let version = Version { number: self.last, at_ms, digest, cause: cause.into(), wrote, changes };
        let bytes = version.to_bytes();
        self.bytes += bytes.len();
        self.versions.push_back(Kept { number: self.last, at_ms, bytes: bytes.clone() });
        Write::Put(self.last, bytes)
    }

    /// A leaf as it is kept: a secret sealed.
    fn side(&self, policy: &Policy, path: &Path, leaf: Option<Value>) -> Side {
        let Some(value) = leaf else { return Side::Nothing };
        if policy.masked(path, &value) == value {
            return Side::Value(value);
        }
        let sealed = self
            .seal
            .as_ref()
            .and_then(|seal| seal.seal(&self.sealed_at(path), crate::canonical::canonical(&value).as_bytes()));
        sealed.map_or(Side::Lost, |sealed| Side::Sealed(sealed.into()))
    }

    fn sealed_at(&self, path: &Path) -> String {
        format!("history\n{}\n{}", self.place, path.to_pointer())
    }

    fn opened(&self, path: &Path, sealed: &str) -> Option<Value> {
        let plain = self.seal.as_ref()?.open(&self.sealed_at(path), sealed)?;
        crate::format::parse(std::str::from_utf8(&plain).ok()?, crate::format::Format::Json).ok()
    }

    /// Forgets what is beyond the budget, the oldest first.
    fn trim(&mut self) -> Vec<u64> {
        let now_ms = self.versions.back().map_or(0, |kept| kept.at_ms);
        let mut gone = Vec::new();
        while self.versions.len() > 1
            && let Some(oldest) = self.versions.front()
        {
            let is_old = now_ms.saturating_sub(oldest.at_ms) > self.budget.age_ms;
            if !is_old && self.versions.len() <= self.budget.versions && self.bytes <= self.budget.bytes {
                break;
            }
            self.bytes -= oldest.bytes.len();
            gone.push(oldest.number);
            self.versions.pop_front();
        }
        gone
    }

    /// The batch `ticket` is in the store.
    pub fn persisted(&mut self, ticket: u64) {
        while let Some((_, newest)) = self.staged.pop_front_if(|(staged, _)| *staged <= ticket) {
            self.stored = newest;
        }
        if self.staged.is_empty() {
            self.doubtful.clear();
        }
    }

    /// What was on its way to the store is lost, and the document is `now` that again.
    pub fn failed(&mut self, now: &Value) {
        self.staged.clear();
        while let Some(lost) = self.versions.pop_back_if(|kept| kept.number > self.stored) {
            self.bytes -= lost.bytes.len();
            self.doubtful.insert(lost.number);
        }
        self.newest = now.clone();
    }

    /// What has to go from the store with the batch `ticket`, which changes nothing of the document.
    pub fn tidy(&mut self, ticket: u64) -> Vec<Write> {
        if !self.doubtful.is_empty() {
            self.staged.push_back((ticket, self.last_staged()));
        }
        self.doubtful.iter().copied().map(Write::Remove).collect()
    }

    fn last_staged(&self) -> u64 {
        self.staged.back().map_or(self.stored, |(_, newest)| *newest)
    }

    /// Whether there is something to [`History::tidy`].
    pub fn is_untidy(&self) -> bool {
        !self.doubtful.is_empty()
    }

    /// How many versions are kept, and how long their records are together.
    pub fn size(&self) -> (usize, usize) {
        (self.visible().count(), self.bytes)
    }

    fn visible(&self) -> impl DoubleEndedIterator<Item = &Kept> {
        self.versions.iter().filter(|kept| kept.number <= self.stored)
    }

    /// The versions that are in the store, the newest first, from before a number on.
    pub fn versions(&self, before: Option<u64>) -> impl Iterator<Item = Version> {
        let kept = self.visible().rev().filter(move |kept| before.is_none_or(|before| kept.number < before));
        kept.filter_map(|kept| Version::from_bytes(&kept.bytes).ok())
    }

    /// The version that somebody names.
    ///
    /// # Errors
    /// [`Code::NotFound`] where none is kept under that name.
    pub fn version(&self, named: &Named) -> Result<Version> {
        let found = match named {
            Named::Number(number) => self.visible().find(|kept| kept.number == *number),
            Named::Within(from, to) => self.visible().rev().find(|kept| (*from..*to).contains(&kept.at_ms)),
            Named::AsOf(at_ms) => self.visible().rev().find(|kept| kept.at_ms <= *at_ms),
        };
        let found = found.ok_or_else(|| {
            let mut numbers = self.visible().map(|kept| kept.number);
            let kept = match (numbers.next(), numbers.next_back()) {
                (None, _) if self.is_off() => {
                    "no versions are kept here: start the instance with `--history-versions`".to_owned()
                }
                (None, _) => "none are kept yet: the first comes with the first change".to_owned(),
                (Some(only), None) => format!("only version {only} is kept"),
                (Some(first), Some(last)) => format!("versions {first} to {last} are kept: see `confmesh history`"),
            };
            Error::new(Code::NotFound, format!("there is no version {named}")).with_hint(kept)
        })?;
        Version::from_bytes(&found.bytes)
    }

    /// What the document was after the version of this number, which has to be one that is kept.
    ///
    /// # Errors
    /// [`Code::Damaged`] where the records do not lead there.
    pub fn at(&self, version: &Version) -> Result<Then> {
        let mut leaves: BTreeMap<Path, Side> = BTreeMap::new();
        for kept in self.versions.iter().rev().take_while(|kept| kept.number > version.number) {
            for changed in Version::from_bytes(&kept.bytes)?.changes {
                leaves.insert(changed.path, changed.old);
            }
        }
        let mut lost = BTreeSet::new();
        let mut known: Vec<(Path, Option<Value>)> = Vec::new();
        for (path, side) in leaves {
            match side {
                Side::Nothing => known.push((path, None)),
                Side::Value(value) => known.push((path, Some(value))),
                Side::Sealed(sealed) => match self.opened(&path, &sealed) {
                    Some(value) => known.push((path, Some(value))),
                    None => _ = lost.insert(path),
                },
                Side::Lost => _ = lost.insert(path),
            }
        }
        let value = with_leaves(&self.newest, known.iter().map(|(path, value)| (path, value.as_ref())));
        if lost.is_empty() && value.digest() != version.digest {
            let message = format!("the versions do not lead back to version {}", version.number);
            return Err(Error::new(Code::Damaged, message).with_hint("a backup of the data directory may have it"));
        }
        Ok(Then { value, lost })
    }

    /// The document after the newest version.
    pub fn newest(&self) -> &Value {
        &self.newest
    }
}

/// The cause of a version that says what was there before anything was kept.
pub const START: &str = "start";

/// What is known of a change beside its leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// When it is made, in milliseconds since 1970.
    pub at_ms: u64,
    /// What brought it: `shared` for a write here, `file`, `peer`, …
    pub cause: &'static str,
    /// The writes in it.
    pub wrote: Vec<Wrote>,
}

/// The leaves that lead from one value to another, where `wanted` says which: the value that a rollback makes.
pub fn restored(now: &Value, then: &Value, wanted: impl Fn(&Path) -> bool) -> Value {
    let leaves = leaf_diff(now, then);
    let wanted = leaves.iter().filter(|leaf| wanted(&leaf.path)).collect::<Vec<_>>();
    with_leaves(now, wanted.iter().map(|leaf| (&leaf.path, leaf.new.as_ref())))
}
