//! Conflicts that a later write closed, and what they cost.
//!
//! What an instance saw of them it remembers, the newest thousand, and gives it to the store with the next batch. Which
//! conditional writes are lost the writes in force tell by themselves: so nothing is missing from the count where another
//! instance closed a conflict, or a crash came in between.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::conflicts::{Conflict, Here, at};
use super::document::Document;
use super::records::closed_record;
use super::shared::Shared;
use super::types::StoreWrite;
use crate::canonical::content_hash;
use crate::id::{DocumentName, Genesis};
use crate::path::Path;
use crate::replica::{Counted, Disagreement, Links, Lost, Replica, Side, Standings};
use crate::value::Value;

/// How many are remembered, the newest.
pub(super) const MOST_CLOSED: u64 = 1_000;

/// The conflicts of a document that a later write closed, the newest last.
#[derive(Debug, Default)]
pub(super) struct Closed {
    entries: VecDeque<Entry>,
    /// The numbers of those that the store has not got.
    unsaved: BTreeSet<u64>,
    /// The numbers of those that are on their way there.
    saving: BTreeSet<u64>,
}

/// A conflict as it was last seen here.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// Counts up.
    pub(super) number: u64,
    /// The document that it was a conflict of: a document that takes its place has none of it.
    genesis: Genesis,
    found: Disagreement,
    /// Whether nothing was disagreed on at its path any more. Else some of its sides were closed, and it is listed where
    /// they cost something.
    is_over: bool,
}

impl Entry {
    pub(super) fn to_record(&self) -> Value {
        let fields = [
            ("number", Value::from(self.number)),
            ("genesis", self.genesis.to_string().into()),
            ("conflict", self.found.to_record()),
            ("over", self.is_over.into()),
        ];
        fields.into_iter().collect()
    }

    pub(super) fn from_record(value: &Value) -> Option<Entry> {
        Some(Entry {
            number: value.child("number")?.as_u64()?,
            genesis: Genesis::parse(value.child("genesis")?.as_str()?)?,
            found: Disagreement::from_record(value.child("conflict")?).ok()?,
            is_over: value.child("over")?.as_bool()?,
        })
    }
}

impl Closed {
    /// What the store has of them.
    pub(super) fn restored(mut entries: Vec<Entry>) -> Closed {
        entries.sort_by_key(|entry| entry.number);
        Closed { entries: entries.into(), ..Closed::default() }
    }

    fn remember(&mut self, genesis: Genesis, found: Disagreement, is_over: bool) {
        let number = self.entries.back().map_or(0, |last| last.number.saturating_add(1));
        self.entries.push_back(Entry { number, genesis, found, is_over });
        self.unsaved.insert(number);
        while self.entries.len() > usize::try_from(MOST_CLOSED).unwrap_or(usize::MAX) {
            self.entries.pop_front();
        }
    }

    /// The records that the store lacks.
    pub(super) fn take_records(&mut self, document: &DocumentName) -> Vec<StoreWrite> {
        let unsaved = std::mem::take(&mut self.unsaved);
        let newest =
            self.entries.iter().rev().take_while(|entry| unsaved.first().is_some_and(|at| *at <= entry.number));
        let records =
            newest.filter(|entry| unsaved.contains(&entry.number)).map(|entry| closed_record(document, entry));
        let records = records.collect();
        self.saving.extend(unsaved);
        records
    }

    /// All that was given to the store is there.
    pub(super) fn saved(&mut self) {
        self.saving.clear();
    }

    /// The store failed: nobody can say what it has of what was given to it.
    pub(super) fn save_again(&mut self) {
        self.unsaved.append(&mut self.saving);
    }

    /// As conflicts, with what they cost beyond those that are `open` still; of what was lost and is in none of them, one
    /// for each path. No lost write counts twice, and none that the value in force holds counts at all.
    pub(super) fn listed(&self, document: &DocumentName, here: &Here<'_>, open: &[Disagreement]) -> Vec<Conflict> {
        let genesis = here.replica.genesis();
        let mut ledgers: BTreeMap<Path, Ledger> = BTreeMap::new();
        let mut listed = Vec::new();
        for entry in self.entries.iter().rev().filter(|entry| entry.genesis == genesis) {
            let ledger = ledgers.entry(entry.found.path.clone());
            let ledger = ledger.or_insert_with_key(|path| Ledger::begin(here.replica, path, open));
            let mut found = Conflict::of(&entry.found, document, here);
            found.lost = Lost::default();
            for (side, told) in entry.found.sides.iter().zip(&mut found.sides) {
                told.lost = if side.in_force { Lost::default() } else { ledger.count(&side.updates) };
                found.lost = found.lost.and(told.lost);
            }
            let in_force = entry.found.sides.iter().filter(|side| side.in_force);
            in_force.for_each(|side| ledger.held_then.add(&side.updates));
            // Of losses whose writes nobody saw, the one in force stands for them.
            found.sides.dedup_by_key(|side| (side.replica, side.seq));
            if entry.is_over || found.lost != Lost::default() {
                listed.push(Conflict { is_open: false, is_closed: true, ..found });
            }
        }
        for (path, found) in here.replica.losses() {
            let ledger = ledgers.entry(path.clone());
            let ledger = ledger.or_insert_with_key(|path| Ledger::begin(here.replica, path, open));
            let lost = ledger.counted.take(&found.closed).and(ledger.counted.take(&found.open));
            listed.extend((lost != Lost::default()).then(|| untold(document, here, path, &found, lost)).flatten());
        }
        listed
    }
}

/// Who counts which conditional write of one path.
struct Ledger {
    found: Standings,
    /// What is counted already, or held by the value in force.
    counted: Counted,
    /// What was in force when newer conflicts were closed.
    held_then: Counted,
}

impl Ledger {
    fn begin(replica: &Replica, path: &Path, open: &[Disagreement]) -> Ledger {
        let (found, mut counted) = (replica.standings(path), Counted::default());
        counted.add(&found.held);
        at(open, path).flat_map(|found| &found.sides).for_each(|side| counted.add(&side.updates));
        Ledger { found, counted, held_then: Counted::default() }
    }

    /// What is lost of the updates of a side that was not in force: what the writes in force name, and of what they no longer
    /// name, that which did not come to be in force later.
    fn count(&mut self, updates: &Links) -> Lost {
        let forgotten = updates.without(&self.found.closed).without(&self.found.open);
        let named = updates.without(&forgotten);
        self.counted.take(&named).and(self.counted.take(&self.held_then.without(&forgotten)))
    }
}

/// What was lost in conflicts that nobody here saw while they were open.
fn untold(document: &DocumentName, here: &Here<'_>, path: Path, found: &Standings, lost: Lost) -> Option<Conflict> {
    let side = in_force(here.replica, &path, here.value, found)?;
    let tag = here.replica.assertion(side.dot, &path)?.tag;
    let found = Conflict::of(&Disagreement { path, tag, sides: vec![side] }, document, here);
    let id = content_hash(&vec![found.id.to_string().into(), "closed".into()].into());
    Some(Conflict { id, is_open: false, is_closed: true, lost, ..found })
}

fn in_force(replica: &Replica, path: &Path, value: &Value, found: &Standings) -> Option<Side> {
    let write = replica.assertion(found.in_force?, path)?;
    Some(Side {
        dot: write.dot,
        stamp: write.stamp,
        value: value.at(path).cloned(),
        in_force: true,
        user: write.user.clone(),
        updates: found.held.clone(),
    })
}

impl Document {
    /// Remembers of the conflicts that were told those of which a later write closed something.
    pub(super) fn remember_closed(&mut self, told: &[Disagreement], found: &[Disagreement]) {
        let Some(founded) = self.shared.as_ref().and_then(Shared::founded) else { return };
        let genesis = founded.durable.genesis();
        for old in told {
            let mut now = at(found, &old.path).peekable();
            let is_over = now.peek().is_none();
            let still: Vec<_> = now.flat_map(|found| &found.sides).map(|side| side.dot).collect();
            let cost = |side: &Side| side.lost() != Lost::default() && !still.contains(&side.dot);
            if is_over || old.sides.iter().any(cost) {
                self.closed.remember(genesis, old.clone(), is_over);
            }
        }
    }

    /// Remembers what is known of losses in a history that is about to be dropped.
    pub(super) fn remember_losses(&mut self) {
        let Some(founded) = self.shared.as_ref().and_then(Shared::founded) else { return };
        let (replica, value) = (&founded.durable, &founded.view.value);
        let genesis = replica.genesis();
        let told = |path: Path, found: Standings| {
            let side = in_force(replica, &path, value, &found)?;
            let tag = replica.assertion(side.dot, &path)?.tag;
            let lost = Side { in_force: false, value: None, updates: found.closed, ..side.clone() };
            Some(Disagreement { path, tag, sides: vec![side, lost] })
        };
        let losses = replica.losses().filter(|(_, found)| !found.closed.is_empty());
        let losses: Vec<Disagreement> = losses.filter_map(|(path, found)| told(path, found)).collect();
        for found in losses {
            self.closed.remember(genesis, found, false);
        }
    }
}
