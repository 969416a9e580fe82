//! Where a save of the bound file and others said different things, or what this instance wrote before it took over the
//! document of the others: told once, listed, and settled like other conflicts.
//!
//! They belong to this instance, whose file and whose writes they were: one side is no write of the document. An entry is closed when
//! somebody writes the path, and goes when somebody settles it.

use super::conflicts::{Conflict, ConflictSide};
use super::document::Document;
use super::records::overruled_record;
use super::saves::{Dispute, Stays, Verdict};
use super::shared::{Choice, Shared, Step};
use super::types::{Event, FileCopy, Level, StoreWrite};
use super::{Audit, AuditEntry, Engine};
use crate::canonical::{ContentHash, canonical, content_hash};
use crate::clock::{Now, Stamp, rfc3339};
use crate::error::{Code, Error, Result};
use crate::id::DocumentName;
use crate::origin::Origin;
use crate::path::Path;
use crate::policy::{ConflictStrategy, MASK, Policy};
use crate::replica::{Edit, Lost, Overruled};
use crate::value::Value;

/// How many are listed, the newest.
const MOST_LISTED: usize = 64;

/// How much is remembered of those that a later write closed, as the store has it: it goes there with each state of the file.
const MOST_CLOSED_BYTES: usize = 16 << 10;

/// How many paths of one save are told one by one, with what was said there. Of more their number is told.
const MOST_APART: usize = 3;

/// How many paths are named at once, the first.
const MOST_TOLD: usize = 16;

/// Where the side of this instance comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// A save of the bound file.
    Save,
    /// Writes of this instance from before it took over the document of the others.
    Write,
}

/// A path where a save of the bound file and others said different things, and who was heeded.
#[derive(Clone, Debug, PartialEq)]
pub struct SaveConflict {
    /// Where.
    pub path: Path,
    /// What the save held, or this instance had written; `None` where nothing. Secrets are masked in a status.
    pub saved: Option<Value>,
    /// What others wrote; `None` where they removed it. Secrets are masked in a status.
    pub theirs: Option<Value>,
    /// Whose value stayed.
    pub stays: Stays,
    /// When that was found out, in milliseconds since 1970.
    pub at_ms: u64,
    /// What `saved` was.
    pub said: Said,
}

impl SaveConflict {
    fn new(dispute: Dispute, at_ms: u64) -> SaveConflict {
        let Dispute { path, saved, theirs, stays } = dispute;
        SaveConflict { path, saved, theirs, stays, at_ms, said: Said::Save }
    }

    fn is_same(&self, other: &SaveConflict) -> bool {
        SaveConflict { at_ms: other.at_ms, ..self.clone() } == *other
    }

    /// Names it, by its path and its sides.
    pub fn id(&self) -> ContentHash {
        content_hash(&SaveConflict { at_ms: 0, ..self.clone() }.to_value())
    }

    /// What stayed, then what did not.
    fn sides(&self) -> [&Option<Value>; 2] {
        match self.stays {
            Stays::Theirs => [&self.theirs, &self.saved],
            Stays::Saved => [&self.saved, &self.theirs],
        }
    }

    fn is_current(&self, shown: &Value) -> bool {
        shown.at(&self.path) == self.sides()[0].as_ref()
    }

    fn masked(&self, policy: &Policy) -> SaveConflict {
        let masked = |side: &Option<Value>| side.as_ref().map(|value| policy.masked(&self.path, value));
        SaveConflict { saved: masked(&self.saved), theirs: masked(&self.theirs), ..self.clone() }
    }

    /// `{"path", "saved"?, "theirs"?, "stays": "theirs" | "saved", "said": "save" | "write", "timestamp"}`.
    pub fn to_value(&self) -> Value {
        let stays = if self.stays == Stays::Theirs { "theirs" } else { "saved" };
        let sides = [("saved", &self.saved), ("theirs", &self.theirs)];
        let sides = sides.into_iter().filter_map(|(side, value)| Some((side, value.clone()?)));
        let fields = [
            ("path", self.path.to_string().into()),
            ("stays", stays.into()),
            ("said", if self.said == Said::Save { "save" } else { "write" }.into()),
            ("timestamp", rfc3339(self.at_ms).into()),
        ];
        sides.chain(fields).collect()
    }

    /// As the store has it: the path is exact, and so is the time.
    pub(super) fn to_record(&self) -> Value {
        self.to_value()
            .with(&Path::root().child("path"), self.path.to_pointer().into())
            .with(&Path::root().child("timestamp"), self.at_ms.to_string().into())
    }

    pub(super) fn from_record(value: &Value) -> Option<SaveConflict> {
        let text = |name: &str| value.child(name).and_then(Value::as_str);
        Some(SaveConflict {
            path: Path::parse_pointer(text("path")?).ok()?,
            saved: value.child("saved").cloned(),
            theirs: value.child("theirs").cloned(),
            stays: if text("stays")? == "theirs" { Stays::Theirs } else { Stays::Saved },
            at_ms: text("timestamp")?.parse().ok()?,
            said: if text("said") == Some("write") { Said::Write } else { Said::Save },
        })
    }
}

impl Document {
    /// The disputes that nobody decided since.
    fn save_disputes(&self) -> impl Iterator<Item = &SaveConflict> {
        let founded = self.shared.as_ref().and_then(Shared::founded);
        let listed = self.disputes();
        founded
            .into_iter()
            .flat_map(move |founded| listed.clone().filter(|dispute| dispute.is_current(&founded.view.value)))
    }

    /// All that is remembered, also of what somebody decided since.
    fn disputes(&self) -> impl Iterator<Item = &SaveConflict> + Clone {
        self.file.iter().flat_map(|file| &file.disputes).chain(&self.overruled)
    }

    /// Lists what did not stay where this instance and others had written something else when it took over their document. The record that says so, and
    /// a sentence that names where.
    pub(super) fn overrule(&mut self, found: Vec<Overruled>, at_ms: u64) -> Option<(StoreWrite, String)> {
        let paths: Vec<String> = found.iter().map(|one| format!("`{}`", one.path)).collect();
        let new = found.into_iter().map(|Overruled { path, mine, theirs, mine_stays }| SaveConflict {
            path,
            saved: mine,
            theirs,
            stays: if mine_stays { Stays::Saved } else { Stays::Theirs },
            at_ms,
            said: Said::Write,
        });
        let new: Vec<SaveConflict> = new.collect();
        self.overruled.retain(|old| !new.iter().any(|new| new.is_same(old)));
        self.overruled.extend(new);
        let surplus = self.overruled.len().saturating_sub(MOST_LISTED);
        self.overruled.drain(..surplus);
        let named = paths.iter().take(MOST_TOLD).cloned().collect::<Vec<_>>().join(", ");
        let more =
            if paths.len() > MOST_TOLD { format!(" and {} more", paths.len() - MOST_TOLD) } else { String::new() };
        let told = format!(
            "others had written something else at {named}{more}: what was written later stays, and the other side is listed"
        );
        (!paths.is_empty()).then(|| (overruled_record(&self.name, &self.overruled), told))
    }

    /// The same without secret values.
    pub(super) fn save_conflicts(&self) -> Vec<SaveConflict> {
        self.save_disputes().map(|dispute| dispute.masked(&self.policy)).collect()
    }
}

impl Engine {
    /// What saves of the bound file and others disagreed on, as conflicts that a rule decided.
    pub(super) fn listed_saves(&self, document: &Document) -> Vec<Conflict> {
        let Some(founded) = document.shared.as_ref().and_then(Shared::founded) else { return Vec::new() };
        let listed = document.disputes().map(|dispute| {
            let is_closed = !dispute.is_current(&founded.view.value);
            let shown = founded.view.value.at(&dispute.path).map(|value| document.policy.masked(&dispute.path, value));
            let written = self.written(&document.name, &dispute.path).into_iter().next();
            let id = dispute.id();
            let stamp = Stamp::from_u64(dispute.at_ms << 16);
            let sides = dispute.masked(&document.policy);
            let side = |value: &Option<Value>, in_force: bool| {
                let by = written.as_ref().filter(|_| in_force && !is_closed);
                ConflictSide {
                    value: value.clone(),
                    in_force,
                    stamp: by.map_or(stamp, |by| by.stamp),
                    replica: by.map_or(founded.durable.id(), |by| by.replica),
                    seq: by.map_or(0, |by| by.seq),
                    instance: by.map_or(Some(self.config.instance), |by| by.instance),
                    user: by.and_then(|by| by.user.clone()),
                    fence: 0,
                    lost: Lost::default(),
                }
            };
            let [stays, other] = sides.sides();
            Conflict {
                id,
                document: document.name.clone(),
                path: sides.path.clone(),
                strategy: ConflictStrategy::LastWriteWins,
                is_open: false,
                shown,
                sides: vec![side(stays, true), side(other, false)],
                is_closed,
                lost: Lost::default(),
                assigned_to: None,
                created: stamp,
            }
        });
        listed.collect()
    }

    /// The write that settles such a conflict, which is listed no more; `None` where it is none.
    pub(super) fn settle_save(
        &mut self,
        name: &DocumentName,
        id: ContentHash,
        choice: &Choice,
        may: impl FnOnce(&Engine, &[Edit]) -> Result<()>,
    ) -> Option<Result<Edit>> {
        let document = self.documents.get(name)?;
        let found = document.save_disputes().find(|dispute| dispute.id() == id)?.clone();
        let [stays, other] = found.sides();
        let value = match choice {
            Choice::Keep | Choice::Take(0) => stays.clone(),
            Choice::Take(1) => other.clone(),
            Choice::Take(at) => {
                let error = Error::new(Code::Usage, format!("the conflict has no side {at}")).with_path(found.path);
                return Some(Err(error.with_hint("it has 2, counted from 0")));
            }
            Choice::Value(value) => Some(value.clone()),
            Choice::Remove => None,
        };
        // It stays open where it cannot be written.
        let edit = Edit { path: found.path, value };
        if let Err(error) = may(self, std::slice::from_ref(&edit)) {
            return Some(Err(error));
        }
        let document = self.documents.get_mut(name)?;
        if document.overruled.iter().any(|dispute| dispute.id() == id) {
            document.overruled.retain(|dispute| dispute.id() != id);
            let record = overruled_record(name, &document.overruled);
            self.stage_step(name, vec![record], Step::Records, "shared", None, None);
            return Some(Ok(edit));
        }
        if let Some(file) = &mut document.file {
            file.disputes.retain(|dispute| dispute.id() != id);
        }
        self.stage_file_record(name);
        Some(Ok(edit))
    }

    /// Tells what a save of the bound file came to, and keeps the text before where it removed much. The save is accepted,
    /// and its text is not the base yet.
    pub(super) fn tell_save(&mut self, name: &DocumentName, verdict: &mut Verdict, now: Now) {
        let Some(document) = self.documents.get_mut(name) else { return };
        let origin = Origin::source(document.written_layer());
        let policy = document.policy.clone();
        let shown = document.shared.as_ref().and_then(Shared::founded).map(|founded| founded.view.value.clone());
        let Some(file) = &mut document.file else { return };
        let is_current = |old: &SaveConflict| shown.as_ref().is_none_or(|shown| old.is_current(shown));
        let mut news = Vec::new();
        for dispute in std::mem::take(&mut verdict.disputes) {
            let dispute = SaveConflict::new(dispute, now.wall_ms);
            match file.disputes.iter_mut().find(|old| is_current(old) && old.is_same(&dispute)) {
                Some(old) => old.at_ms = now.wall_ms,
                None => news.push(dispute),
            }
        }
        if !news.is_empty() {
            file.disputes.retain(|old| !news.iter().any(|new| new.is_same(old)));
            forget(&mut file.disputes, is_current);
            file.disputes.extend(news.iter().cloned());
            let surplus = file.disputes.len().saturating_sub(MOST_LISTED);
            file.disputes.drain(..surplus);
        }
        let text_before = verdict.keeps_text.then(|| file.text_before()).flatten();
        let kept = text_before.is_some();
        self.copies.extend(text_before.map(|text| FileCopy {
            document: name.clone(),
            suffix: super::file::BEFORE_EDIT,
            text,
        }));
        let told: Vec<SaveConflict> = news.iter().map(|dispute| dispute.masked(&policy)).collect();
        let words = match told.len() {
            0..=MOST_APART => told.iter().map(|one| (words(one, &policy), Some(one.path.clone()))).collect(),
            _ => vec![(summary(&told), None)],
        };
        for (message, path) in words {
            let error = Error::new(Code::Stale, message).with_origin(origin.clone());
            let error = path.into_iter().fold(error, Error::with_path);
            self.notice(
                Level::Warning,
                error.with_hint("see `confmesh conflicts --all`, and settle it with `confmesh resolve`"),
            );
        }
        if kept || (!verdict.is_known && !verdict.removed.is_empty()) {
            let error = Error::new(Code::Stale, removal(verdict, kept)).with_origin(origin);
            let level = if kept { Level::Warning } else { Level::Info };
            self.notice(level, error.with_hint("where that was not meant, put the text before back and save it"));
        }
        if !told.is_empty() || kept {
            let removed = verdict.removed.iter().take(MOST_TOLD).cloned().collect();
            let entry = AuditEntry::SaveMerged { conflicts: told, removed, removed_count: verdict.removed.len() };
            let audit = Audit { document: Some(name.clone()), at_ms: now.wall_ms, entry };
            self.events.push_back(Event::Audit(Box::new(audit)));
        }
    }
}

/// Forgets the oldest of those that are closed, beyond what is worth keeping.
fn forget(disputes: &mut Vec<SaveConflict>, is_current: impl Fn(&SaveConflict) -> bool) {
    let mut bytes = 0;
    let mut kept = std::mem::take(disputes);
    kept.reverse();
    kept.retain(|old| {
        let is_open = is_current(old);
        bytes += if is_open { 0 } else { canonical(&old.to_record()).len() };
        is_open || bytes <= MOST_CLOSED_BYTES
    });
    kept.reverse();
    *disputes = kept;
}

/// Many disputes of one save in one sentence.
fn summary(told: &[SaveConflict]) -> String {
    let of = |stays: Stays| {
        let paths: Vec<String> =
            told.iter().filter(|one| one.stays == stays).map(|one| format!("`{}`", one.path)).collect();
        let named = paths.iter().take(MOST_TOLD).cloned().collect::<Vec<_>>().join(", ");
        let more = paths.len().saturating_sub(MOST_TOLD);
        (paths.len(), if more > 0 { format!("{named} and {more} more") } else { named })
    };
    let ((theirs, at_theirs), (saved, at_saved)) = (of(Stays::Theirs), of(Stays::Saved));
    let older = "the saved file descends from an older text";
    let theirs = (theirs > 0).then(|| format!("what others wrote since stays at {theirs} paths: {at_theirs}"));
    let saved = (saved > 0).then(|| format!("what the file says stays over what others wrote at {saved}: {at_saved}"));
    let parts: Vec<String> = theirs.into_iter().chain(saved).collect();
    format!("{older}; {}", parts.join("; "))
}

fn words(dispute: &SaveConflict, policy: &Policy) -> String {
    let side = |value: &Option<Value>| match value {
        Some(_) if policy.is_secret(&dispute.path) => MASK.to_owned(),
        Some(value) => canonical(value),
        None => "nothing".to_owned(),
    };
    let (saved, theirs) = (side(&dispute.saved), side(&dispute.theirs));
    match dispute.stays {
        Stays::Theirs => format!(
            "the saved file descends from an older text, with {saved} here; what others wrote since, {theirs}, stays"
        ),
        Stays::Saved => {
            format!("the file was edited to {saved} while others wrote {theirs}; the file's value stays")
        }
    }
}

fn removal(verdict: &Verdict, kept: bool) -> String {
    let named: Vec<String> = verdict.removed.iter().take(MOST_TOLD).map(|path| format!("`{path}`")).collect();
    let more = if verdict.removed.len() > MOST_TOLD { ", …" } else { "" };
    let copy = if kept { "; the text before goes into `*.before-edit` beside the file" } else { "" };
    let why = if verdict.is_known { "" } else { ", from a text that nobody here remembers" };
    format!("the save of the file removed {}{why}: {}{more}{copy}", verdict.removed.len(), named.join(", "))
}
