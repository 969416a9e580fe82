//! The replicated layer of a document: what is on disk, what is on its way there, and who waits for it.
//!
//! A write is encoded against the *pending* replica and becomes visible, acknowledged and sent with the *durable* one,
//! after the store has it. So nobody ever sees a dot that a crash could take back.

use std::collections::VecDeque;
use std::sync::Arc;

use super::sides::Sides;
use super::standing::{Life, Moving};
use super::terms::WriteTerms;
use super::types::{PeerId, RequestId, StoreWrite, Ticket};
use crate::canonical::ContentHash;
use crate::clock::{Dot, VersionVector};
use crate::diff::{Change, Patch, apply_merge_patch, diff};
use crate::error::{Code, Error, Result};
use crate::id::{Genesis, ReplicaId};
use crate::path::Path;
use crate::policy::Policy;
use crate::replica::{Applied, Assertion, Delta, Edit, Effect, MadeOn, Replica, View, WriteOptions};
use crate::value::{Str, Value, check_behind_tags};

/// What a user asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Paths to set or remove.
    Edits(Vec<Edit>),
    /// RFC 6902, against the effective document.
    Patch(Patch),
    /// RFC 7396, against the effective document.
    MergePatch(Value),
    /// The effective document shall be this.
    Replace(Value),
    /// Settles what is disagreed on: the conflict of this id, see [`super::Engine::conflicts`].
    Resolve(ContentHash, Choice),
    /// Names for all who is to decide a conflict; nobody withdraws the name.
    Assign(ContentHash, Option<Str>),
}

/// How a conflict is settled.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
    /// By one side, by its place in the list.
    Take(usize),
    /// By what the document shows now.
    Keep,
    /// By this value.
    Value(Value),
    /// By nothing: the path is removed.
    Remove,
}

impl Choice {
    /// Reads one of `{"take": N}`, `{"value": …}`, `{"keep": true}` and `{"remove": true}`.
    ///
    /// # Errors
    /// [`Code::Usage`] for anything else.
    pub fn from_value(value: &Value) -> Result<Choice> {
        let bad = || {
            Error::new(Code::Usage, "nothing says how the conflict is settled")
                .with_hint("give one of `{\"take\": 0}`, `{\"value\": …}`, `{\"keep\": true}` and `{\"remove\": true}`")
        };
        let mut fields = value.as_map().ok_or_else(bad)?.iter();
        let (Some((field, value)), None) = (fields.next(), fields.next()) else { return Err(bad()) };
        match (field.as_str(), value) {
            ("take", at) => at.as_u64().and_then(|at| usize::try_from(at).ok()).map(Choice::Take).ok_or_else(bad),
            ("value", value) => Ok(Choice::Value(value.clone())),
            ("keep", Value::Bool(true)) => Ok(Choice::Keep),
            ("remove", Value::Bool(true)) => Ok(Choice::Remove),
            _ => Err(bad()),
        }
    }
}

impl Command {
    /// Sets a path.
    pub fn set(path: Path, value: Value) -> Command {
        Command::Edits(vec![Edit { path, value: Some(value) }])
    }

    /// Removes a path.
    pub fn unset(path: Path) -> Command {
        Command::Edits(vec![Edit { path, value: None }])
    }

    /// The path that it is about; the root for everything that looks at the whole document.
    pub fn path(&self) -> Path {
        match self {
            Command::Edits(edits) => match edits.as_slice() {
                [only] => only.path.clone(),
                _ => Path::root(),
            },
            _ => Path::root(),
        }
    }

    /// The edits that it comes to. What does not differ from the effective document is not written, so a document that
    /// was read, edited and put back never copies another layer's values.
    pub(super) fn edits(&self, effective: &Value) -> Result<Vec<Edit>> {
        let nothing_disputed = || {
            Error::new(Code::NotFound, "there are no conflicts here")
                .with_hint("ask an instance that holds the shared document")
        };
        let target = match self {
            Command::Edits(edits) => {
                edits.iter().try_for_each(|edit| check_behind_tags(effective, &edit.path))?;
                return Ok(edits.clone());
            }
            Command::Patch(patch) => patch.apply(effective)?,
            Command::MergePatch(patch) => apply_merge_patch(effective, patch),
            Command::Replace(value) => value.clone(),
            Command::Resolve(..) | Command::Assign(..) => return Err(nothing_disputed()),
        };
        if target.as_map().is_none() {
            return Err(Error::new(Code::NotAMap, format!("a document is a map, found {}", target.type_name())));
        }
        Ok(edits(&diff(effective, &target)))
    }
}

/// Changes as edits. A map that is new comes to one edit a leaf, so that two people who add the same section add to it
/// rather than replace each other's.
pub(super) fn edits(changes: &[Change]) -> Vec<Edit> {
    let mut edits = Vec::new();
    for change in changes {
        match (&change.old, &change.new) {
            (None, Some(new)) => {
                new.for_each_leaf(&mut |below, leaf| {
                    edits.push(Edit { path: change.path.join(below), value: Some(leaf.clone()) });
                });
            }
            (_, new) => edits.push(Edit { path: change.path.clone(), value: new.clone() }),
        }
    }
    edits
}

/// The shared layer.
pub(super) enum Shared {
    /// Neither founded nor synced: commands wait.
    Unfounded {
        /// The name under which it will write.
        replica: ReplicaId,
        /// Commands in their order.
        waiting: VecDeque<(RequestId, Command, WriteTerms)>,
        /// When the wait for others began, on the monotonic clock; none before the bound file was first looked at.
        since_ms: Option<u64>,
    },
    /// There is a document.
    Founded(Box<Founded>),
}

pub(super) struct Founded {
    pub(super) pending: Replica,
    pub(super) pending_value: Value,
    pub(super) durable: Replica,
    pub(super) view: View,
    pub(super) staged: VecDeque<Staged>,
    /// Whether the store has it: before, nobody may hear of it.
    pub(super) ready: bool,
    /// What is known of it beside its writes, on disk.
    pub(super) life: Arc<Life>,
    /// The same with all that is on its way there.
    pub(super) pending_life: Arc<Life>,
    /// Whether it is about to give way to another document.
    pub(super) moving: Moving,
    /// The document that an operator gave this one up for.
    pub(super) forced: Option<Genesis>,
    /// What it goes on as once the note of that is on disk and on its way to the peers: the other document's birth, and
    /// its content.
    pub(super) successor: Option<(Genesis, Value)>,
    /// When it may get old, on the monotonic clock; none once it is.
    pub(super) age_due_ms: Option<u64>,
    /// What this instance last had in common with another one.
    pub(super) synced: Value,
    /// The same of the document on disk, while one that takes its place is on its way to the store.
    pub(super) synced_before: Option<Value>,
    /// How many writes of its own the store held at the start: those are surely its own.
    pub(super) stored_writes: u64,
    /// The name under which it starts anew, when others went on without it.
    pub(super) anew: Option<ReplicaId>,
    /// The notes that make a member of its new name after the store failed: in the pending replica, and the first that
    /// goes to the store under that name.
    pub(super) succession: Option<(Vec<StoreWrite>, Delta)>,
    /// The name that peers know it by until those notes are on disk: nobody else has to make a member of the new one.
    pub(super) known_as: Option<ReplicaId>,
    /// How long the records of its base are, or were: an upper bound.
    pub(super) base_bytes: usize,
    /// When it last dropped history, on the monotonic clock.
    pub(super) settled_ms: Option<u64>,
    /// The same on the wall clock.
    pub(super) dropped_ms: Option<u64>,
    /// The names under which it writes what guests made on older documents.
    pub(super) sides: Sides,
    /// When the pending replica changed last, on the wall clock.
    pub(super) changed_ms: u64,
    /// Whether dropping the history would have changed the document once: it never should.
    pub(super) is_unsettling: bool,
}

/// A batch on its way to the store.
pub(super) struct Staged {
    pub(super) ticket: Ticket,
    pub(super) step: Step,
    /// The cause that a visible change names.
    pub(super) cause: &'static str,
    /// The command to answer.
    pub(super) reply: Option<Reply>,
    /// The peer to acknowledge to.
    pub(super) from: Option<PeerId>,
    /// What is known of the document with the batch.
    pub(super) life: Arc<Life>,
    /// The doubtful writes that the batch sets right.
    pub(super) repairs: Option<Vec<Arc<Assertion>>>,
}

impl Staged {
    /// The writes of which nobody can say whether they are in the store, should the batch fail.
    pub(super) fn doubtful(&self) -> Vec<Arc<Assertion>> {
        let writes = match &self.step {
            Step::Delta(delta) => delta.items.clone(),
            Step::Replace(replica) => replica.live().cloned().collect(),
            Step::Records | Step::Settle => Vec::new(),
        };
        self.repairs.iter().flatten().cloned().chain(writes).collect()
    }
}

/// What the author of a write is told once it is durable.
pub(super) struct Reply {
    pub(super) request: RequestId,
    /// What the command was about.
    pub(super) path: Path,
    pub(super) changed: Vec<Path>,
    /// The write, where one was made.
    pub(super) dot: Option<Dot>,
    /// Whether it was done before.
    pub(super) is_repeat: bool,
}

/// What becomes durable with a batch.
pub(super) enum Step {
    /// Writes, own or received.
    Delta(Delta),
    /// Another document in place of this one.
    Replace(Box<Replica>),
    /// The history is dropped.
    Settle,
    /// Only records beside the replica.
    Records,
}

impl Shared {
    pub(super) fn unfounded(replica: ReplicaId) -> Shared {
        Shared::Unfounded { replica, waiting: VecDeque::new(), since_ms: None }
    }

    /// The name under which this instance writes, or will.
    pub(super) fn author(&self) -> ReplicaId {
        match self {
            Shared::Unfounded { replica, .. } => *replica,
            Shared::Founded(founded) => founded.anew.or(founded.known_as).unwrap_or(founded.durable.id()),
        }
    }

    pub(super) fn founded(&self) -> Option<&Founded> {
        if let Shared::Founded(founded) = self { Some(founded) } else { None }
    }

    pub(super) fn founded_mut(&mut self) -> Option<&mut Founded> {
        if let Shared::Founded(founded) = self { Some(founded) } else { None }
    }
}

impl Founded {
    pub(super) fn new(replica: Replica) -> Founded {
        let view = replica.view();
        let synced = replica.base().map_or_else(Value::empty_map, |base| base.document.clone());
        let stored_writes = replica.seen().seq(replica.id());
        Founded {
            pending: replica.clone(),
            pending_value: view.value.clone(),
            durable: replica,
            view,
            staged: VecDeque::new(),
            ready: true,
            life: Arc::default(),
            pending_life: Arc::default(),
            moving: Moving::Still,
            forced: None,
            successor: None,
            age_due_ms: None,
            synced,
            synced_before: None,
            stored_writes,
            anew: None,
            succession: None,
            known_as: None,
            base_bytes: 0,
            settled_ms: None,
            dropped_ms: None,
            sides: Sides::default(),
            changed_ms: 0,
            is_unsettling: false,
        }
    }

    /// A document that becomes this replica once the store has it.
    pub(super) fn on_its_way(replica: Replica) -> Founded {
        let durable = Replica::new(replica.id(), replica.genesis());
        let pending_value = replica.view().value;
        let synced = pending_value.clone();
        Founded { pending: replica, pending_value, synced, ready: false, ..Founded::new(durable) }
    }

    /// Writes edits to the pending replica. `None` where they change nothing.
    pub(super) fn write(
        &mut self,
        edits: &[Edit],
        policy: &Policy,
        terms: &WriteTerms,
        wall_ms: u64,
    ) -> Result<Option<Written>> {
        let since = self.pending.seen().clone();
        // Who writes what is shown already, where others wrote something else, decides for it.
        let is_disputed = |edit: &Edit| self.view.disagreements.iter().any(|found| found.path.starts_with(&edit.path));
        let options = WriteOptions {
            force: terms.force,
            fence: terms.fence,
            user: terms.user.clone(),
            message: terms.message.clone(),
            reasserts: edits.iter().any(is_disputed),
            is_conditional: terms.if_hash.is_some() || terms.if_version.is_some(),
            ..WriteOptions::under(policy)
        };
        self.changed_ms = wall_ms;
        let Some(effect) = self.pending.write(&self.pending_value, edits, &options, wall_ms)? else { return Ok(None) };
        self.pending.advance_in_place(&mut self.pending_value, &effect);
        Ok(Some(self.written(self.pending.id(), since, effect)))
    }

    /// Writes edits that were made on an older document; `fresh` is a name that nobody has.
    pub(super) fn write_made_on(
        &mut self,
        edits: &[Edit],
        (policy, terms): (&Policy, &WriteTerms),
        made_on: &MadeOn,
        fresh: ReplicaId,
        wall_ms: u64,
    ) -> Result<Option<Written>> {
        let since = self.pending.seen().clone();
        // Who made the same edit as others meanwhile has nothing to add, and a second insertion would show twice.
        if edits.iter().all(|edit| self.pending_value.at(&edit.path) == edit.value.as_ref()) {
            return Ok(None);
        }
        self.changed_ms = wall_ms;
        let author = self.sides.author(&since, &made_on.seen, fresh)?;
        let options = WriteOptions {
            force: terms.force,
            fence: terms.fence,
            user: terms.user.clone(),
            message: terms.message.clone(),
            ..WriteOptions::under(policy)
        };
        // Since its start this host knows what it was asked for, and answers what is asked again.
        let (sides, own, stored) = (&self.sides, self.pending.id(), self.stored_writes);
        let is_other = |dot: Dot| sides.made(dot) || (dot.replica == own && dot.seq > stored);
        let written = self.pending.write_concurrent(author, made_on, edits, &options, wall_ms, is_other)?;
        let Some((dot, effect)) = written else { return Ok(None) };
        self.sides.wrote(dot);
        self.pending.advance_in_place(&mut self.pending_value, &effect);
        Ok(Some(self.written(author, since, effect)))
    }

    /// Whether this is a name under which it writes for guests.
    pub(super) fn writes_as(&self, replica: ReplicaId) -> bool {
        self.sides.contains(replica)
    }

    /// Makes notes in the pending replica. `None` where they are there already.
    pub(super) fn note(&mut self, notes: &[Edit], wall_ms: u64) -> Result<Option<Written>> {
        let since = self.pending.seen().clone();
        let effect = self.pending.note(notes, wall_ms)?;
        Ok(effect.map(|effect| self.written(self.pending.id(), since, effect)))
    }

    fn written(&self, author: ReplicaId, since: VersionVector, effect: Effect) -> Written {
        let items = effect.added.clone();
        let changed = items.iter().map(|item| item.path.clone()).collect();
        let dot = Dot { replica: author, seq: self.pending.seen().seq(author) };
        Written { effect, changed, dot, delta: Delta { since, to: self.pending.seen().clone(), base: None, items } }
    }

    /// Whether a vector tells of own writes that this replica does not know: its store was put back from a copy.
    pub(super) fn was_put_back(&self, seen: &VersionVector) -> bool {
        seen.seq(self.pending.id()) > self.pending.seen().seq(self.pending.id())
    }

    /// Whether others take what is here.
    pub(super) fn may_send(&self) -> bool {
        self.anew.is_none() && self.durable.is_in_standing()
    }

    /// Takes a peer's delta, which was checked, into the pending replica.
    pub(super) fn receive(&mut self, delta: &Delta, wall_ms: u64) -> Result<Applied> {
        let applied = self.pending.take(delta, wall_ms)?;
        self.changed_ms = wall_ms;
        if let Applied::Advanced { effect, .. } = &applied {
            self.pending.advance_in_place(&mut self.pending_value, effect);
        }
        Ok(applied)
    }

    /// The batch with this ticket is on disk: makes it durable. `None` for a ticket out of order.
    pub(super) fn persisted(&mut self, ticket: Ticket, wall_ms: u64) -> Option<Staged> {
        if self.staged.front().is_none_or(|staged| staged.ticket != ticket) {
            return None;
        }
        let staged = self.staged.pop_front()?;
        self.ready = true;
        self.life = Arc::clone(&staged.life);
        match &staged.step {
            Step::Records => return Some(staged),
            Step::Replace(replica) => {
                self.synced_before = None;
                self.moving.go(Moving::Still);
                self.forced = None;
                self.durable = Replica::clone(replica);
                self.view = self.durable.view();
            }
            // The pending replica settled with the same writes.
            Step::Settle => {
                if self.durable.settle(&self.view).is_ok() {
                    self.view = self.durable.view();
                }
            }
            // Staged in this order from the pending replica, so neither a gap nor a fault is possible here.
            Step::Delta(delta) => {
                if let Ok(Applied::Advanced { effect, .. }) = self.durable.take(delta, wall_ms) {
                    self.durable.advance_view(&mut self.view, &effect);
                }
            }
        }
        Some(staged)
    }

    /// The store failed: everything on its way is lost, and the replica goes on under a new name, since nobody can say
    /// whether its lost writes reached the disk. Returns what was staged.
    pub(super) fn persist_failed(&mut self, id: ReplicaId) -> VecDeque<Staged> {
        self.durable = self.durable.reincarnated(id);
        self.pending = self.durable.clone();
        self.succession = None;
        if let Some(synced) = self.synced_before.take() {
            self.synced = synced;
        }
        self.sides = Sides::default();
        self.pending_value = self.view.value.clone();
        self.pending_life = Arc::clone(&self.life);
        self.moving.go(Moving::Still);
        (self.forced, self.successor) = (None, None);
        std::mem::take(&mut self.staged)
    }

    /// Whether something is on its way to the store that will change the document.
    pub(super) fn is_changing(&self) -> bool {
        !self.staged.is_empty() && self.pending_value != self.view.value
    }

    /// What is on disk.
    pub(super) fn seen(&self) -> &VersionVector {
        self.durable.seen()
    }
}

/// A local write that was encoded.
pub(super) struct Written {
    pub(super) effect: Effect,
    pub(super) changed: Vec<Path>,
    pub(super) dot: Dot,
    pub(super) delta: Delta,
}
