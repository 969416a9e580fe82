//! What a bound file was mirrored as lately: change lists instead of texts.
//!
//! A save may come from an editor that holds an older text, or from a script that read it a while ago. So the states of the
//! file are kept as a chain of steps, each a list of leaves with what they were before and after, and who changed them:
//! somebody through this file, or others. What a step costs is what changed in it, in memory and in the store. A value
//! that was written down whole once (the *mark*) and the steps since give the newest state again after a restart.

use std::collections::VecDeque;
use std::sync::Arc;

use super::types::StoreWrite;
use crate::canonical::canonical;
use crate::diff::leaf::{Leaf, with_leaves};
use crate::id::DocumentName;
use crate::path::Path;
use crate::value::Value;

/// How many older states a save may descend from.
pub(super) const MOST_STATES: usize = 256;

/// How long their change lists may be together.
const MOST_BYTES: usize = 1 << 20;

/// How long a state is kept after another one took its place.
const MOST_AGE_MS: u64 = 24 * 60 * 60 * 1000;

/// The steps that are stored at most before the newest state is written down whole again.
const MOST_STEPS: u64 = 256;

/// Their records take turns, so that none is left behind for good.
const SLOTS: u64 = 512;

/// Who changed a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// Somebody who edited this file.
    File,
    /// Anybody else: another instance, the API, a guest.
    Others,
}

/// From one state of the file to the next.
#[derive(Debug, PartialEq)]
pub(super) struct Step {
    number: u64,
    at_ms: u64,
    pub(super) leaves: Vec<Leaf>,
    /// The leaves that were changed by an edit of this file, in order; the others were by somebody else, also where a save
    /// only held what they wrote, or what was there before.
    by_file: Vec<Path>,
    /// How long its record is.
    bytes: usize,
}

impl Step {
    pub(super) fn writer(&self, path: &Path) -> Writer {
        if self.by_file.binary_search(path).is_ok() { Writer::File } else { Writer::Others }
    }
}

/// The steps that led to the newest state, and where they start.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// The newest first.
    steps: VecDeque<Arc<Step>>,
    /// The number of the newest state; 0 is the first one.
    newest: u64,
    /// The number of the state that is written down whole.
    mark: u64,
    mark_bytes: usize,
    /// Whether there were states before the oldest that is kept.
    forgot: bool,
    /// What the store has to learn.
    unsaved: Unsaved,
}

#[derive(Clone, Debug, Default)]
struct Unsaved {
    mark: bool,
    steps: Vec<Arc<Step>>,
}

impl Kept {
    /// A file that was never mirrored before: this is its first state.
    pub(super) fn first() -> Kept {
        Kept { unsaved: Unsaved { mark: true, steps: Vec::new() }, ..Kept::default() }
    }

    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether there were states before the newest so many.
    pub(super) fn forgot_beyond(&self, count: usize) -> bool {
        self.forgot || count < self.steps.len()
    }

    /// Whether a leaf changed lately.
    pub(super) fn changed(&self, path: &Path) -> bool {
        self.steps.iter().any(|step| step.leaves.iter().any(|leaf| leaf.path == *path))
    }

    /// The file has another state now, of which an edit of it wrote some leaves.
    pub(super) fn push(&mut self, leaves: Vec<Leaf>, mut by_file: Vec<Path>, at_ms: u64) {
        if leaves.is_empty() {
            return;
        }
        self.newest += 1;
        by_file.sort();
        let mut step = Step { number: self.newest, at_ms, leaves, by_file, bytes: 0 };
        step.bytes = canonical(&step.to_value()).len();
        let step = Arc::new(step);
        self.unsaved.steps.push(Arc::clone(&step));
        self.steps.push_front(step);
        let since: usize = self.since_mark().map(|step| step.bytes).sum();
        if self.newest - self.mark > MOST_STEPS || since > self.mark_bytes.max(64 << 10) {
            self.mark = self.newest;
            self.unsaved.mark = true;
        }
        let candidates = self.candidates(at_ms).count();
        let needed = candidates.max(usize::try_from(self.newest - self.mark).unwrap_or(usize::MAX));
        self.forgot = self.forgot || needed < self.steps.len();
        self.steps.truncate(needed);
    }

    fn since_mark(&self) -> impl Iterator<Item = &Arc<Step>> {
        let mark = self.mark;
        self.steps.iter().take_while(move |step| step.number > mark)
    }

    /// The steps back to the states that a save may descend from, the newest first.
    pub(super) fn candidates(&self, now_ms: u64) -> impl Iterator<Item = &Step> {
        let mut bytes = 0_usize;
        let steps = self.steps.iter().take(MOST_STATES).take_while(move |step| {
            bytes = bytes.saturating_add(step.bytes);
            bytes <= MOST_BYTES && now_ms.saturating_sub(step.at_ms) <= MOST_AGE_MS
        });
        steps.map(Arc::as_ref)
    }

    /// What the store has to learn since it was last asked, given the newest state.
    pub(super) fn records(&mut self, document: &DocumentName, id: &str, newest: &Value) -> Vec<StoreWrite> {
        let unsaved = std::mem::take(&mut self.unsaved);
        if unsaved.mark {
            self.mark = self.newest;
        }
        let mark = unsaved.mark.then(|| self.mark_record(document, id, newest));
        unsaved.steps.iter().map(|step| step_record(document, id, step)).chain(mark).collect()
    }

    /// Everything, for a store that nobody knows the state of.
    pub(super) fn all_records(&self, document: &DocumentName, id: &str, newest: &Value) -> Vec<StoreWrite> {
        let mut again = Kept { mark: self.newest, ..self.clone() };
        let mark = again.mark_record(document, id, newest);
        self.steps.iter().map(|step| step_record(document, id, step)).chain([mark]).collect()
    }

    fn mark_record(&mut self, document: &DocumentName, id: &str, newest: &Value) -> StoreWrite {
        let fields = [("state", self.mark.to_string().into()), ("value", newest.clone())];
        let bytes = canonical(&fields.into_iter().collect()).into_bytes();
        self.mark_bytes = bytes.len();
        StoreWrite::Put { key: super::records::key(document, &format!("mirrored/{id}")), bytes }
    }
}

fn step_record(document: &DocumentName, id: &str, step: &Step) -> StoreWrite {
    let slot = step.number % SLOTS;
    let key = super::records::key(document, &format!("mirrored-step/{slot:03x}/{id}"));
    StoreWrite::Put { key, bytes: canonical(&step.to_value()).into_bytes() }
}

/// What the store holds of it, while its records are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Restored {
    mark: Option<(u64, Value)>,
    mark_bytes: usize,
    steps: Vec<Arc<Step>>,
}

impl Restored {
    pub(super) fn take_mark(&mut self, value: &Value, bytes: usize) -> Option<()> {
        self.mark = Some((number(value, "state")?, value.child("value")?.clone()));
        self.mark_bytes = bytes;
        Some(())
    }

    pub(super) fn take_step(&mut self, value: &Value, bytes: usize) -> Option<()> {
        self.steps.push(Arc::new(Step::from_value(value, bytes)?));
        Some(())
    }

    /// The newest state and the steps to it; none where a record is missing that the others need.
    pub(super) fn assemble(mut self, newest: u64) -> Option<(Value, Kept)> {
        let (mark, value) = self.mark?;
        self.steps.retain(|step| step.number <= newest);
        self.steps.sort_by_key(|step| std::cmp::Reverse(step.number));
        let mut expected = newest;
        let mut steps = VecDeque::new();
        for step in self.steps {
            if step.number != expected {
                break;
            }
            expected = expected.checked_sub(1)?;
            steps.push_back(step);
        }
        // What is kept reaches back to the mark, or the newest state is unknown.
        if mark > newest || expected > mark {
            return None;
        }
        let since = steps.iter().rev().filter(|step| step.number > mark);
        let value = since.fold(value, |value, step| {
            with_leaves(&value, step.leaves.iter().map(|leaf| (&leaf.path, leaf.new.as_ref())))
        });
        let kept = Kept {
            steps,
            newest,
            mark,
            mark_bytes: self.mark_bytes,
            forgot: expected > 0,
            unsaved: Unsaved::default(),
        };
        Some((value, kept))
    }
}

fn number(value: &Value, name: &str) -> Option<u64> {
    value.child(name)?.as_str()?.parse().ok()
}

impl Step {
    fn to_value(&self) -> Value {
        let by_file = self.by_file.iter().map(|path| path.to_pointer().into());
        let fields: [(&str, Value); 4] = [
            ("state", self.number.to_string().into()),
            ("at", self.at_ms.to_string().into()),
            ("by_file", by_file.collect::<Vec<Value>>().into()),
            ("leaves", leaves_to_value(&self.leaves)),
        ];
        fields.into_iter().collect()
    }

    fn from_value(value: &Value, bytes: usize) -> Option<Step> {
        let by_file = value.child("by_file")?.as_list()?;
        let mut by_file: Vec<Path> =
            by_file.iter().map(|path| Path::parse_pointer(path.as_str()?).ok()).collect::<Option<_>>()?;
        by_file.sort();
        Some(Step {
            number: number(value, "state")?,
            at_ms: number(value, "at")?,
            leaves: leaves_from_value(value.child("leaves")?)?,
            by_file,
            bytes,
        })
    }
}

/// `[{"path", "old"?, "new"?}]`, the path as a JSON pointer.
pub(super) fn leaves_to_value(leaves: &[Leaf]) -> Value {
    let leaf = |leaf: &Leaf| -> Value {
        let sides = [("old", &leaf.old), ("new", &leaf.new)];
        let sides = sides.into_iter().filter_map(|(side, value)| Some((side, value.clone()?)));
        sides.chain([("path", leaf.path.to_pointer().into())]).collect()
    };
    leaves.iter().map(leaf).collect::<Vec<Value>>().into()
}

pub(super) fn leaves_from_value(value: &Value) -> Option<Vec<Leaf>> {
    let leaf = |value: &Value| {
        let path = Path::parse_pointer(value.child("path")?.as_str()?).ok()?;
        Some(Leaf { path, old: value.child("old").cloned(), new: value.child("new").cloned() })
    };
    value.as_list()?.iter().map(leaf).collect()
}
