//! What writers disagree on: listed for people, and settled by them.

use super::audit::is_same;
use super::document::Document;
use super::shared::{Choice, Command, Reply, Shared, Step};
use super::terms::WriteTerms;
use super::types::{Level, RequestId};
use super::{Engine, unknown};
use crate::canonical::ContentHash;
use crate::clock::{Now, Stamp, rfc3339};
use crate::error::{Code, Error, Result};
use crate::id::{DocumentName, InstanceId, ReplicaId};
use crate::path::Path;
use crate::policy::{ConflictStrategy, Policy};
use crate::replica::{Disagreement, Edit, Lost, Replica};
use crate::value::{Str, Value};

/// A path that was written at the same time in different ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Names it, by its path and its sides: the same on every instance that holds the same sides.
    pub id: ContentHash,
    /// Which document.
    pub document: DocumentName,
    /// Where.
    pub path: Path,
    /// The rule that decided, or that leaves the decision to people.
    pub strategy: ConflictStrategy,
    /// Whether somebody has to decide. Else a rule decided, and the conflict only says what lost.
    pub is_open: bool,
    /// What the document shows meanwhile; `None` where nothing. Secrets are masked.
    pub shown: Option<Value>,
    /// The sides, the one in force first where one is, the others newest first.
    pub sides: Vec<ConflictSide>,
    /// Whether a later write closed it; it is listed for what it cost. A side that is in force was so until then.
    pub is_closed: bool,
    /// How many conditional writes are lost in it: no other conflict that is listed counts them, and the value in force
    /// holds none of them.
    pub lost: Lost,
    /// The person who is to decide, where one was named.
    pub assigned_to: Option<Str>,
    /// When the last side was written.
    pub created: Stamp,
}

/// One side of a [`Conflict`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictSide {
    /// Its value; `None` where it removed the path. Secrets are masked.
    pub value: Option<Value>,
    /// Whether it is what the document shows.
    pub in_force: bool,
    /// When it was written, by the clock of its author.
    pub stamp: Stamp,
    /// The author: one incarnation of an instance's replica.
    pub replica: ReplicaId,
    /// The author's number of the write.
    pub seq: u64,
    /// The instance, where it is this one or connected.
    pub instance: Option<InstanceId>,
    /// The person that it was written for, where one was named.
    pub user: Option<Str>,
    /// The token of the lock under which it was written; 0 without.
    pub fence: u64,
    /// Of a conditional write that is not in force: how many conditional writes are lost with it, itself included. They
    /// are those that it was built on and that the write in force had not seen.
    pub lost: Lost,
}

impl Conflict {
    pub(super) fn of(found: &Disagreement, document: &DocumentName, here: &Here<'_>) -> Conflict {
        let side = |side: &crate::replica::Side| {
            let write = here.replica.assertion(side.dot, &found.path);
            ConflictSide {
                value: side.value.as_ref().map(|value| here.policy.masked(&found.path, value)),
                in_force: side.in_force,
                stamp: side.stamp,
                replica: side.dot.replica,
                seq: side.dot.seq,
                instance: here.engine.instance_of(document, side.dot.replica),
                user: side.user.clone(),
                fence: write.map_or(0, |write| write.fence),
                lost: side.lost(),
            }
        };
        Conflict {
            id: found.id(),
            document: document.clone(),
            path: found.path.clone(),
            strategy: found.tag.into(),
            is_open: found.is_open(),
            shown: here.value.at(&found.path).map(|value| here.policy.masked(&found.path, value)),
            sides: found.sides.iter().map(side).collect(),
            is_closed: false,
            lost: found.sides.iter().fold(Lost::default(), |sum, side| sum.and(side.lost())),
            assigned_to: here.replica.notes().at(&assignment(found.id())).and_then(Value::as_str).map(Str::from),
            created: found.sides.iter().map(|side| side.stamp).max().unwrap_or_default(),
        }
    }

    /// `{"id", "document", "path", "strategy", "status", "created_at", "assigned_to", "shown"?, "lost_updates"?, "or_more"?,
    /// "sides": [{"value"?, "in_force", "timestamp", "author", "version", "instance_id"?, "user"?, "fence"?, "lost_updates"?,
    /// "or_more"?}]}`. A side without a value removed the path; `status` is `pending_manual_resolution`, `decided` or
    /// `closed`. A closed one has the sides that this instance saw, and may have no other than the one in force.
    pub fn to_value(&self) -> Value {
        let sides: Vec<Value> = self.sides.iter().map(ConflictSide::to_value).collect();
        let status = match self.is_closed {
            true => "closed",
            false if self.is_open => "pending_manual_resolution",
            false => "decided",
        };
        let mut fields: Vec<(&str, Value)> = vec![
            ("id", self.id.to_string().into()),
            ("document", self.document.to_string().into()),
            ("path", self.path.to_string().into()),
            ("strategy", self.strategy.as_str().into()),
            ("status", status.into()),
            ("created_at", rfc3339(self.created.wall_ms()).into()),
            ("assigned_to", self.assigned_to.clone().map_or(Value::Null, Value::from)),
            ("sides", sides.into()),
        ];
        fields.extend(self.shown.clone().map(|shown| ("shown", shown)));
        fields.extend(self.lost.fields());
        fields.into_iter().collect()
    }
}

impl ConflictSide {
    fn to_value(&self) -> Value {
        let mut fields: Vec<(&str, Value)> = vec![
            ("in_force", self.in_force.into()),
            ("timestamp", rfc3339(self.stamp.wall_ms()).into()),
            ("author", self.replica.to_string().into()),
            ("version", format!("{}:{}", self.replica, self.seq).into()),
        ];
        fields.extend(self.value.clone().map(|value| ("value", value)));
        fields.extend(self.instance.map(|instance| ("instance_id", instance.to_string().into())));
        fields.extend(self.user.clone().map(|user| ("user", user.into())));
        fields.extend((self.fence != 0).then(|| ("fence", self.fence.to_string().into())));
        fields.extend(self.lost.fields());
        fields.into_iter().collect()
    }
}

/// Below it, among the notes that a document carries: who decides which conflict.
const ASSIGNED: &str = "assigned";

fn assignment(id: ContentHash) -> Path {
    Path::root().child(ASSIGNED).child(id.to_string().trim_start_matches("sha256:"))
}

pub(super) fn gone(id: ContentHash) -> Error {
    Error::new(Code::NotFound, format!("there is no conflict `{id}` (any more)"))
        .with_hint("it was settled, or another side arrived and gave it a new id: list the conflicts again")
}

/// The disagreements at a path; they are in the order of their paths.
pub(super) fn at<'a>(all: &'a [Disagreement], path: &'a Path) -> impl Iterator<Item = &'a Disagreement> {
    let from = all.partition_point(|one| one.path < *path);
    all.iter().skip(from).take_while(move |one| one.path == *path)
}

/// What rules decided before this instance started: it was told then.
pub(super) fn decided(document: &Document) -> Vec<Disagreement> {
    let founded = document.shared.as_ref().and_then(Shared::founded);
    let found = founded.into_iter().flat_map(|founded| &founded.view.disagreements);
    found.filter(|found| !found.is_open()).cloned().collect()
}

/// What the sides of a conflict are looked up in.
pub(super) struct Here<'a> {
    pub(super) engine: &'a Engine,
    pub(super) replica: &'a Replica,
    pub(super) value: &'a Value,
    pub(super) policy: &'a Policy,
}

impl Engine {
    /// What writers of a document disagree on, by path: what waits for a decision, and with `all` also what a rule decided,
    /// so that whatever lost can be seen, what a later write closed, and what a save of the bound file here only held in an older
    /// form. The value of a path that only conditional writes write, and what is listed as lost there, are all that was
    /// acknowledged. Empty without such a document.
    pub fn conflicts(&self, document: &DocumentName, all: bool) -> Vec<Conflict> {
        let Some(document) = self.documents.get(document) else { return Vec::new() };
        let Some(founded) = document.shared.as_ref().and_then(Shared::founded) else { return Vec::new() };
        let here =
            Here { engine: self, replica: &founded.durable, value: &founded.view.value, policy: &document.policy };
        let found = founded.view.disagreements.iter().filter(|found| all || found.is_open());
        let mut found: Vec<Conflict> = found.map(|found| Conflict::of(found, &document.name, &here)).collect();
        if all {
            found.extend(document.closed.listed(&document.name, &here, &founded.view.disagreements));
            found.extend(self.listed_saves(document));
            found.sort_by(|one, other| one.path.cmp(&other.path));
        }
        found
    }

    /// Tells each conflict that opened since, once, and writes down each that came to its end. What rules had decided in a
    /// document that is taken over was written down by those who held it.
    pub(super) fn tell_conflicts(&mut self, name: &DocumentName, is_taken_over: bool, now: Now) {
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        let found = founded.map_or(&[][..], |founded| founded.view.disagreements.as_slice());
        let told = self.told.get(name).map_or(&[][..], Vec::as_slice);
        if found == told {
            return;
        }
        let (found, told) = (found.to_vec(), told.to_vec());
        if !is_taken_over && let Some(document) = self.documents.get_mut(name) {
            document.remember_closed(&told, &found);
        }
        for new in found.iter().filter(|new| at(&told, &new.path).all(|old| !is_same(old, new))) {
            if !new.is_open() {
                if !is_taken_over {
                    self.audit_resolved(name, new, now);
                }
                continue;
            }
            let (path, sides) = (new.path.clone(), new.sides.len());
            let message = format!("`{path}` was written in {sides} ways at the same time and waits for a decision");
            let error = Error::new(Code::Disputed, message).with_path(path);
            self.notice(
                Level::Warning,
                error.with_hint("see `confmesh conflicts`, and settle it with `confmesh resolve`"),
            );
        }
        // Where another side came or went the people still have to decide.
        for old in told.iter().filter(|old| old.is_open() && at(&found, &old.path).next().is_none()) {
            self.audit_resolved(name, old, now);
        }
        self.told.insert(name.clone(), found);
    }

    /// Writes down for all who is to decide a conflict that is open; `None` leaves it to anybody.
    pub(super) fn assign(
        &mut self,
        name: &DocumentName,
        request: RequestId,
        (id, user): (ContentHash, Option<Str>),
        now: Now,
    ) {
        let user_is_fine = WriteTerms { user: user.clone(), ..WriteTerms::default() }.check();
        let founded = self.documents.get_mut(name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut);
        let founded = founded.filter(|f| f.view.disagreements.iter().any(|found| found.is_open() && found.id() == id));
        let Some(founded) = founded else { return self.answer(request, Err(gone(id)), now) };
        // What was settled meanwhile needs nobody any more.
        let open: Vec<Path> = founded.view.disagreements.iter().map(|found| assignment(found.id())).collect();
        let held = founded.pending.notes().child(ASSIGNED).and_then(Value::as_map);
        let held = held.into_iter().flat_map(|map| map.keys()).map(|key| Path::root().child(ASSIGNED).child(key));
        let stale = held.filter(|path| !open.contains(path)).map(|path| Edit { path, value: None });
        let notes: Vec<Edit> = stale.chain([Edit { path: assignment(id), value: user.map(Value::from) }]).collect();
        match user_is_fine.and_then(|()| founded.note(&notes, now.wall_ms)) {
            Ok(Some(written)) => {
                let records = super::records::effect_records(name, &founded.pending, &written.effect);
                let reply = Reply {
                    request,
                    path: Path::root(),
                    changed: Vec::new(),
                    dot: Some(written.dot),
                    is_repeat: false,
                };
                self.stage_step(name, records, Step::Delta(written.delta), "shared", Some(reply), None);
            }
            Ok(None) => {
                let receipt = self.receipt(name, Vec::new(), None, &Path::root()).ok_or_else(|| unknown(name));
                self.answer(request, receipt, now);
            }
            Err(error) => self.answer(request, Err(error), now),
        }
    }

    /// A command that settles a conflict, as the write that it comes to: an ordinary one, made by somebody who has seen
    /// every side. A side that arrives later opens the conflict again.
    pub(super) fn settled(
        &self,
        name: &DocumentName,
        command: Command,
        terms: &WriteTerms,
    ) -> Result<(Command, WriteTerms)> {
        let Command::Resolve(id, choice) = command else { return Ok((command, terms.clone())) };
        let document = self.documents.get(name).ok_or_else(|| unknown(name))?;
        let founded = document.shared.as_ref().and_then(Shared::founded);
        let found = founded.and_then(|founded| {
            let shown = founded.view.disagreements.iter().find(|found| found.id() == id)?;
            // Another side, or a decision, may be on its way to the store: nobody has seen it yet.
            let is_current = founded.pending.seen() == founded.durable.seen()
                || founded.pending.view().disagreements.iter().any(|found| found.id() == id);
            is_current.then_some((founded, shown))
        });
        let Some((founded, found)) = found else {
            return Err(gone(id));
        };
        let value = match choice {
            Choice::Take(at) => {
                let count = found.sides.len();
                let side = found.sides.get(at).ok_or_else(|| {
                    Error::new(Code::Usage, format!("the conflict has no side {at}"))
                        .with_path(found.path.clone())
                        .with_hint(format!("it has {count}, counted from 0"))
                })?;
                side.value.clone()
            }
            Choice::Keep => founded.view.value.at(&found.path).cloned(),
            Choice::Value(value) => Some(value),
            Choice::Remove => None,
        };
        let edit = Edit { path: found.path.clone(), value };
        Ok((Command::Edits(vec![edit]), WriteTerms { force: true, ..terms.clone() }))
    }
}
