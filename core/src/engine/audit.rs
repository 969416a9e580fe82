//! What is written down for later: how conflicts ended, and what came from elsewhere and became of it.
//!
//! An entry is an [`Event::Audit`], so every driver can keep it where its users look. Secrets are masked in it.

use std::collections::BTreeSet;

use super::authors::Written;
use super::shared::{Shared, Staged, Step};
use super::types::{Event, PeerId};
use super::{Engine, REPLICATES, Session};
use crate::canonical::ContentHash;
use crate::clock::{Dot, Now, rfc3339};
use crate::conflict::Tag;
use crate::error::Error;
use crate::id::{DocumentName, InstanceId};
use crate::limits::RESERVED_KEY;
use crate::path::Path;
use crate::policy::ConflictStrategy;
use crate::replica::{Assertion, Disagreement};
use crate::value::{Str, Value};

/// How many paths an entry names, the first.
const NAMED: usize = 16;

/// One entry of the audit trail.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    /// Which document; none where what came was no message about one.
    pub document: Option<DocumentName>,
    /// When, by the clock here, in milliseconds since 1970.
    pub at_ms: u64,
    /// What happened.
    pub entry: AuditEntry,
}

/// What an entry of the audit trail is about.
#[derive(Clone, Debug, PartialEq)]
pub enum AuditEntry {
    /// A conflict came to its end, as this instance heard of it: each does once on every instance that saw it.
    ConflictResolved {
        /// Names the conflict, see [`super::Conflict::id`].
        id: ContentHash,
        /// Where.
        path: Path,
        /// The rule of the path.
        strategy: ConflictStrategy,
        /// How many writes competed.
        changes: usize,
        /// How it ended: `last_write_wins`, `first_write_wins`, `list_merge`, `dictionary_merge`, `numeric_average` where
        /// that rule decided, and `manual_resolution` where somebody did.
        method: &'static str,
        /// What is there now; `None` where nothing. Secrets are masked.
        value: Option<Value>,
        /// The write of whoever decided, where somebody did and it is still known.
        by: Option<Written>,
    },
    /// A save of the bound file descended from an older text, or removed much.
    SaveMerged {
        /// Where it and others said different things. Secrets are masked.
        conflicts: Vec<super::SaveConflict>,
        /// The first paths that it removed, at most 16.
        removed: Vec<Path>,
        /// How many paths it removed.
        removed_count: usize,
    },
    /// Writes from elsewhere came into force.
    RemoteApplied {
        /// From where.
        from: Remote,
        /// How many.
        writes: usize,
        /// The first paths that they are about, at most 16.
        paths: Vec<Path>,
    },
    /// What came from elsewhere is not in force, or was not taken at all.
    RemoteRejected {
        /// From where.
        from: Remote,
        /// Why.
        error: Error,
        /// How many times this connection had something rejected that could not be read. Only powers of two are told.
        count: u64,
    },
    /// A lock was taken from whoever held it.
    LockForced {
        /// The paths that it covered.
        key: Str,
        /// Who held it.
        holder: Str,
        /// Its token.
        token: u64,
        /// Why.
        reason: Str,
        /// Who did it, where that is known.
        by: Option<Str>,
    },
}

/// Where something came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The instance, where it said who it is; a guest is none.
    pub instance: Option<InstanceId>,
    /// The connection, as its other side was told.
    pub connection: String,
    /// The person that a guest wrote for, where it named one.
    pub user: Option<Str>,
}

impl AuditEntry {
    /// Its name, as `event` of [`Audit::to_value`].
    pub fn kind(&self) -> &'static str {
        match self {
            AuditEntry::ConflictResolved { .. } => "conflict_resolved",
            AuditEntry::SaveMerged { .. } => "save_merged",
            AuditEntry::RemoteApplied { .. } => "remote_applied",
            AuditEntry::RemoteRejected { .. } => "remote_rejected",
            AuditEntry::LockForced { .. } => "lock_forced",
        }
    }
}

impl Audit {
    /// `{"event", "document"?, "timestamp"}`, and by event:
    ///
    /// - `conflict_resolved`: `conflict_id`, `config_key`, `resolution_strategy`, `competing_changes_count`,
    ///   `resolution_method`, `resolved_value` (left out where nothing is there), and `resolved_by` where somebody decided;
    /// - `save_merged`: `conflicts` (`path`, `saved`?, `theirs`?, `stays`, `timestamp`), `removed`, `removed_count`;
    /// - `remote_applied`: `instance_id`?, `connection`, `user`?, `writes`, `paths`;
    /// - `remote_rejected`: `instance_id`?, `connection`, `user`?, `error`, `count`;
    /// - `lock_forced`: `config_key`, `holder`, `token`, `reason`, `user`?.
    pub fn to_value(&self) -> Value {
        if !REPLICATES {
            // A build without replication makes no entries.
            return Value::Null;
        }
        let mut fields: Vec<(&str, Value)> =
            vec![("timestamp", rfc3339(self.at_ms).into()), ("event", self.entry.kind().into())];
        fields.extend(self.document.as_ref().map(|document| ("document", document.to_string().into())));
        let number = |count: usize| Value::from(u64::try_from(count).unwrap_or(u64::MAX));
        match &self.entry {
            AuditEntry::ConflictResolved { id, path, strategy, changes, method, value, by } => {
                fields.extend([
                    ("conflict_id", id.to_string().into()),
                    ("config_key", path.to_string().into()),
                    ("resolution_strategy", strategy.as_str().into()),
                    ("competing_changes_count", number(*changes)),
                    ("resolution_method", (*method).into()),
                ]);
                fields.extend(value.clone().map(|value| ("resolved_value", value)));
                fields.extend(by.as_ref().map(|by| ("resolved_by", by.to_value())));
            }
            AuditEntry::SaveMerged { conflicts, removed, removed_count } => {
                let conflicts: Vec<Value> = conflicts.iter().map(super::SaveConflict::to_value).collect();
                let removed: Vec<Value> = removed.iter().map(|path| path.to_string().into()).collect();
                fields.push(("conflicts", conflicts.into()));
                fields.extend([("removed", removed.into()), ("removed_count", number(*removed_count))]);
            }
            AuditEntry::RemoteApplied { from, writes, paths } => {
                let paths: Vec<Value> = paths.iter().map(|path| path.to_string().into()).collect();
                fields.extend([("writes", number(*writes)), ("paths", paths.into())]);
                fields.extend(from.fields());
            }
            AuditEntry::RemoteRejected { from, error, count } => {
                fields.extend([("error", error.to_value()), ("count", (*count).into())]);
                fields.extend(from.fields());
            }
            AuditEntry::LockForced { key, holder, token, reason, by } => {
                fields.extend([
                    ("config_key", key.clone().into()),
                    ("holder", holder.clone().into()),
                    ("token", token.to_string().into()),
                    ("reason", reason.clone().into()),
                ]);
                fields.extend(by.clone().map(|by| ("user", by.into())));
            }
        }
        fields.into_iter().collect()
    }
}

impl Remote {
    fn fields(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let instance = self.instance.map(|instance| ("instance_id", instance.to_string().into()));
        let user = self.user.clone().map(|user| ("user", user.into()));
        [("connection", self.connection.as_str().into())].into_iter().chain(instance).chain(user)
    }
}

/// Whether two disagreements are one and the same: same place, same sides, same rule.
pub(super) fn is_same(one: &Disagreement, other: &Disagreement) -> bool {
    let holds = |dot: Dot| other.sides.iter().any(|side| side.dot == dot);
    one.path == other.path
        && one.tag == other.tag
        && one.sides.len() == other.sides.len()
        && one.sides.iter().all(|side| holds(side.dot))
}

/// How a rule came to what it shows. A rule that does not fit the types of the values takes the last write.
fn method(found: &Disagreement, shown: Option<&Value>) -> &'static str {
    let is_computed = found.sides.iter().all(|side| !side.in_force);
    match (found.tag, shown) {
        (Tag::FirstWriteWins, _) if !is_computed => "first_write_wins",
        (_, Some(Value::Map(_))) if is_computed => "dictionary_merge",
        (Tag::Merge, Some(Value::List(_))) if is_computed => "list_merge",
        (Tag::Mean, Some(Value::Number(_))) if is_computed => "numeric_average",
        _ => "last_write_wins",
    }
}

/// How many writes, and the first of the paths that they are about: notes of confmesh itself left out.
fn summary<'a>(items: impl Iterator<Item = &'a Assertion>) -> (usize, Vec<Path>) {
    let is_note = |path: &Path| path.segments().first().is_some_and(|first| *first == *RESERVED_KEY);
    let (mut dots, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for item in items.filter(|item| !is_note(&item.path)) {
        dots.insert(item.dot);
        if paths.len() < NAMED {
            paths.insert(&item.path);
        }
    }
    (dots.len(), paths.into_iter().cloned().collect())
}

impl Engine {
    pub(super) fn audit(&mut self, document: Option<&DocumentName>, entry: AuditEntry, now: Now) {
        let document = document.cloned();
        self.events.push_back(Event::Audit(Box::new(Audit { document, at_ms: now.wall_ms, entry })));
    }

    fn remote(&self, peer: PeerId, user: Option<Str>) -> Remote {
        Remote { instance: self.peer_instance(peer), connection: self.connection_id(peer), user }
    }

    /// A conflict came to its end: by a rule, or because somebody decided.
    pub(super) fn audit_resolved(&mut self, name: &DocumentName, found: &Disagreement, now: Now) {
        let Some(document) = self.documents.get(name) else { return };
        let Some(founded) = document.shared.as_ref().and_then(Shared::founded) else { return };
        let shown = founded.view.value.at(&found.path);
        let method = if found.is_open() { "manual_resolution" } else { method(found, shown) };
        // The map that took the place of all sides was written as well.
        let changes = found.sides.len() + usize::from(method == "dictionary_merge");
        let decided = || self.written(name, &found.path).into_iter().next();
        let entry = AuditEntry::ConflictResolved {
            id: found.id(),
            path: found.path.clone(),
            strategy: found.tag.into(),
            changes,
            method,
            value: shown.map(|value| document.policy.masked(&found.path, value)),
            by: found.is_open().then(decided).flatten(),
        };
        self.audit(Some(name), entry, now);
    }

    /// What a peer sent is on the disk; it may still be invalid here, and then it is not in force.
    pub(super) fn audit_taken(&mut self, name: &DocumentName, staged: &Staged, now: Now) {
        let Some(peer) = staged.from else { return };
        let (writes, paths) = match &staged.step {
            Step::Delta(delta) => summary(delta.items.iter().map(AsRef::as_ref)),
            Step::Replace(replica) => summary(replica.live().map(AsRef::as_ref)),
            Step::Records | Step::Settle => return,
        };
        if writes == 0 {
            return;
        }
        let from = self.remote(peer, None);
        let written: Vec<Path> = match &staged.step {
            Step::Delta(delta) => delta.items.iter().map(|item| item.path.clone()).collect(),
            _ => vec![Path::root()],
        };
        let refused = self.documents.get(name).and_then(|document| document.not_in_force(&written));
        let entry = match refused {
            Some(error) => AuditEntry::RemoteRejected { from, error, count: 1 },
            None => AuditEntry::RemoteApplied { from, writes, paths },
        };
        self.audit(Some(name), entry, now);
    }

    /// A guest's write was made, or refused.
    pub(super) fn audit_guest(
        &mut self,
        name: &DocumentName,
        (peer, user): (PeerId, Option<Str>),
        result: Result<&[Path], &Error>,
        now: Now,
    ) {
        let from = self.remote(peer, user);
        let entry = match result {
            Ok([]) => return,
            Ok(paths) => {
                AuditEntry::RemoteApplied { from, writes: 1, paths: paths.iter().take(NAMED).cloned().collect() }
            }
            Err(error) => AuditEntry::RemoteRejected { from, error: error.clone(), count: 1 },
        };
        self.audit(Some(name), entry, now);
    }

    /// What another replica sent was not taken.
    pub(super) fn audit_refused(&mut self, name: Option<&DocumentName>, peer: PeerId, error: &Error, now: Now) {
        let count = match self.sessions.get_mut(&peer) {
            Some(Session::Replica(session)) => {
                session.refused = session.refused.saturating_add(1);
                session.refused
            }
            _ => return,
        };
        // Whoever sends garbage all day fills no disk with it.
        if count.is_power_of_two() {
            let entry = AuditEntry::RemoteRejected { from: self.remote(peer, None), error: error.clone(), count };
            self.audit(name, entry, now);
        }
    }
}
