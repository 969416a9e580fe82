//! Operations on lists and texts: apply, compose, invert, transform, and the replay of concurrent ones.
//!
//! An [`Operation`] walks its sequence from front to back in [`Step`]s. [`transform`] carries it over another operation
//! on the same sequence, so that both orders end in the same value (TP1):
//!
//! ```
//! use confmesh::Value;
//! use confmesh::sequence::{Operation, Side, transform};
//!
//! let base = Value::from("abcdefgh");
//! let (a, b) = (Operation::delete(2, 3), Operation::delete(3, 3));
//! let ab = transform(&b, &a, Side::Right).apply(&a.apply(&base)?)?;
//! let ba = transform(&a, &b, Side::Left).apply(&b.apply(&base)?)?;
//! assert_eq!((&ab, &ba), (&"abgh".into(), &"abgh".into()));
//! # Ok::<(), confmesh::Error>(())
//! ```
//!
//! Transforming pairs is enough where one place decides the order. Replicas without such a place use [`replay`], which
//! orders concurrent insertions by what their authors had seen.

mod content;
mod items;
mod replay;
#[cfg(test)]
mod tests;
mod transform;
mod wire;

pub use content::{Content, Kind};
pub use replay::{Edit, replay};
pub use transform::{Side, transform};

use crate::diff::lists;
use crate::error::{Code, Error, Result};
use crate::value::Value;

/// One step through a sequence. Lengths count items of a list, or Unicode scalar values of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Leaves so many as they are.
    Retain(usize),
    /// Puts this here.
    Insert(Content),
    /// Removes so many.
    Delete(usize),
    /// Puts this in the place of so many: an insertion and a deletion in one.
    Replace(usize, Content),
}

/// A change of one list or text. What lies behind its last step stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    /// Normal: no empty steps, no two alike in a row, insertions before deletions at one place, no final retain.
    steps: Vec<Step>,
}

impl Operation {
    /// An operation of these steps, brought into its normal form: a [`Step::Replace`] becomes an insertion and a deletion.
    ///
    /// # Errors
    /// [`Code::Type`] where a list and a text are mixed.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Result<Operation> {
        let mut builder = Builder::default();
        for step in steps {
            match step {
                Step::Retain(n) => builder.retain(n),
                Step::Insert(content) => builder.insert(&content),
                Step::Delete(n) => builder.delete(n),
                Step::Replace(n, content) => {
                    builder.insert(&content);
                    builder.delete(n);
                }
            }
        }
        if builder.mixed { Err(mixed()) } else { Ok(builder.build()) }
    }

    /// Inserts at a position.
    pub fn insert(at: usize, content: impl Into<Content>) -> Operation {
        let mut builder = Builder::default();
        builder.retain(at);
        builder.insert(&content.into());
        builder.build()
    }

    /// Deletes so many from a position on.
    pub fn delete(at: usize, len: usize) -> Operation {
        let mut builder = Builder::default();
        builder.retain(at);
        builder.delete(len);
        builder.build()
    }

    /// Puts content in the place of so many from a position on.
    pub fn replace(at: usize, len: usize, content: impl Into<Content>) -> Operation {
        let mut builder = Builder::default();
        builder.retain(at);
        builder.insert(&content.into());
        builder.delete(len);
        builder.build()
    }

    /// The operation that makes `new` of `old`: a difference by longest common subsequence, never the whole where a part
    /// will do. None where the two are not both lists or both strings.
    pub fn between(old: &Value, new: &Value) -> Option<Operation> {
        let (old, new) = (Content::of(old)?, Content::of(new)?);
        (old.kind() == new.kind()).then(|| Operation::between_contents(&old, &new))
    }

    /// [`Operation::between`] for contents of one kind.
    pub(crate) fn between_contents(old: &Content, new: &Content) -> Operation {
        let kind = new.kind();
        let (old, new) = (old.units(), new.units());
        let mut builder = Builder::default();
        let insert = |builder: &mut Builder, at: usize| {
            builder.insert(&Content::from_units(kind, new.get(at).cloned()));
        };
        for step in lists::steps(&old, &new) {
            match step {
                lists::Step::Keep => builder.retain(1),
                lists::Step::Remove => builder.delete(1),
                lists::Step::Insert { new } => insert(&mut builder, new),
                lists::Step::Replace { new, .. } => {
                    insert(&mut builder, new);
                    builder.delete(1);
                }
            }
        }
        builder.build()
    }

    /// The steps, in their normal form.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The kind of what it inserts; none where it inserts nothing, and so fits both.
    pub fn kind(&self) -> Option<Kind> {
        self.steps.iter().find_map(|step| match step {
            Step::Insert(content) | Step::Replace(_, content) => Some(content.kind()),
            Step::Retain(_) | Step::Delete(_) => None,
        })
    }

    /// The changed value; the given one stays as it is. A value that is neither a list nor a string is returned unchanged.
    ///
    /// # Errors
    /// [`Code::Type`] where it inserts text into a list or items into a text, [`Code::PatchFailed`] where it reaches
    /// behind the end.
    pub fn apply(&self, value: &Value) -> Result<Value> {
        let Some(content) = Content::of(value) else { return Ok(value.clone()) };
        let (mut out, mut at) = (Content::empty(content.kind()), 0);
        let len = content.len();
        for step in &self.steps {
            match step {
                Step::Retain(n) => {
                    out.push(&content.part(at, *n));
                    at = at.saturating_add(*n);
                }
                Step::Insert(more) => {
                    if !out.push(more) {
                        return Err(mixed());
                    }
                }
                Step::Delete(n) => at = at.saturating_add(*n),
                Step::Replace(n, more) => {
                    if !out.push(more) {
                        return Err(mixed());
                    }
                    at = at.saturating_add(*n);
                }
            }
            if at > len {
                return Err(Error::new(
                    Code::PatchFailed,
                    format!("an operation reaches to {at} in a sequence of {len}"),
                ));
            }
        }
        out.push(&content.part(at, len - at));
        Ok(out.to_value())
    }

    /// One operation for this one and then `next`.
    ///
    /// # Errors
    /// [`Code::Type`] where one changes a list and the other a text.
    pub fn compose(&self, next: &Operation) -> Result<Operation> {
        let (mut first, mut second) = (Cursor::of(self), Cursor::of(next));
        let mut out = Builder::default();
        loop {
            match (first.peek(), second.peek()) {
                (None, None) => break,
                (Some(Step::Delete(n)), _) => {
                    out.delete(*n);
                    first.take(usize::MAX);
                }
                (_, Some(Step::Insert(content))) => {
                    out.insert(content);
                    second.take(usize::MAX);
                }
                _ => {
                    let n = first.len().min(second.len());
                    match (first.take(n), second.take(n)) {
                        (Some(Step::Insert(content)), None | Some(Step::Retain(_))) => out.insert(&content),
                        (Some(Step::Insert(_)), _) => {}
                        (_, Some(Step::Delete(n))) => out.delete(n),
                        _ => out.retain(n),
                    }
                }
            }
        }
        if out.mixed { Err(mixed()) } else { Ok(out.build()) }
    }

    /// The operation that takes this one back; `before` is what this one was made for.
    ///
    /// # Errors
    /// As [`Operation::apply`].
    pub fn invert(&self, before: &Value) -> Result<Operation> {
        self.apply(before)?;
        let Some(content) = Content::of(before) else { return Ok(Operation::default()) };
        let (mut out, mut at) = (Builder::default(), 0usize);
        let delete = |out: &mut Builder, n: usize, at: &mut usize| {
            out.insert(&content.part(*at, n));
            *at = at.saturating_add(n);
        };
        for step in &self.steps {
            match step {
                Step::Retain(n) => {
                    out.retain(*n);
                    at = at.saturating_add(*n);
                }
                Step::Insert(more) => out.delete(more.len()),
                Step::Delete(n) => delete(&mut out, *n, &mut at),
                Step::Replace(n, more) => {
                    delete(&mut out, *n, &mut at);
                    out.delete(more.len());
                }
            }
        }
        Ok(out.build())
    }
}

fn mixed() -> Error {
    Error::new(Code::Type, "an operation mixes list items and text")
}

/// Builds the normal form.
#[derive(Default)]
struct Builder {
    steps: Vec<Step>,
    mixed: bool,
}

impl Builder {
    fn retain(&mut self, n: usize) {
        match self.steps.last_mut() {
            _ if n == 0 => {}
            Some(Step::Retain(last)) => *last = last.saturating_add(n),
            _ => self.steps.push(Step::Retain(n)),
        }
    }

    fn delete(&mut self, n: usize) {
        match self.steps.last_mut() {
            _ if n == 0 => {}
            Some(Step::Delete(last)) => *last = last.saturating_add(n),
            _ => self.steps.push(Step::Delete(n)),
        }
    }

    fn insert(&mut self, content: &Content) {
        if content.is_empty() {
            return;
        }
        // An insertion stands before a deletion at the same place: one spelling for one change.
        let deletion = if let Some(Step::Delete(_)) = self.steps.last() { self.steps.pop() } else { None };
        match self.steps.last_mut() {
            Some(Step::Insert(last)) => self.mixed |= !last.push(content),
            _ => self.steps.push(Step::Insert(content.clone())),
        }
        self.steps.extend(deletion);
    }

    fn build(mut self) -> Operation {
        if let Some(Step::Retain(_)) = self.steps.last() {
            self.steps.pop();
        }
        Operation { steps: self.steps }
    }
}

/// Reads the steps of a normal operation in pieces.
struct Cursor<'a> {
    rest: std::slice::Iter<'a, Step>,
    step: Option<Step>,
}

impl<'a> Cursor<'a> {
    fn of(operation: &'a Operation) -> Cursor<'a> {
        let mut rest = operation.steps.iter();
        let step = rest.next().cloned();
        Cursor { rest, step }
    }

    /// The next step; none stands for a retain without end.
    fn peek(&self) -> Option<&Step> {
        self.step.as_ref()
    }

    /// How long the next step is.
    fn len(&self) -> usize {
        match &self.step {
            None => usize::MAX,
            Some(Step::Retain(n) | Step::Delete(n) | Step::Replace(n, _)) => *n,
            Some(Step::Insert(content)) => content.len(),
        }
    }

    /// Takes at most `n` of the next step.
    fn take(&mut self, n: usize) -> Option<Step> {
        let step = self.step.take()?;
        let cut = |len: usize| (len.min(n), len.saturating_sub(n));
        let (taken, left) = match step {
            Step::Retain(len) => (Step::Retain(cut(len).0), Some(cut(len).1).filter(|l| *l > 0).map(Step::Retain)),
            Step::Delete(len) | Step::Replace(len, _) => {
                (Step::Delete(cut(len).0), Some(cut(len).1).filter(|l| *l > 0).map(Step::Delete))
            }
            Step::Insert(content) if content.len() > n => {
                (Step::Insert(content.part(0, n)), Some(Step::Insert(content.part(n, usize::MAX))))
            }
            whole @ Step::Insert(_) => (whole, None),
        };
        self.step = left.or_else(|| self.rest.next().cloned());
        Some(taken)
    }
}
