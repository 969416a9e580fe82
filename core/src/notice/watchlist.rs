//! What is wrong now, and what of that was told.
use std::collections::{BTreeMap, BTreeSet};

use super::{Kind, Notice};
use crate::clock::Now;
use crate::value::{Str, Value};

/// How many problems are followed at a time; those beyond it are told once others are over.
pub const MAX_PROBLEMS: usize = 1_024;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What.
    pub kind: Kind,
    /// What tells it from others of its kind: an id, a path, an address.
    pub key: Str,
    /// What is told of it.
    pub data: Value,
}

/// The problems that are known.
#[derive(Debug)]
pub struct Watchlist {
    /// What ids begin with: another one after each start.
    life: Str,
    number: u64,
    known: BTreeMap<(Kind, Str), Known>,
}

#[derive(Debug)]
struct Known {
    data: Value,
    since_ms: u64,
    is_told: bool,
}

impl Watchlist {
    /// Nothing is known. `life` tells the ids of this one from those of others.
    pub fn new(life: impl Into<Str>) -> Watchlist {
        Watchlist { life: life.into(), number: 0, known: BTreeMap::new() }
    }

    /// Compares what is wrong now with what was: what begins and lasts is told, and what was told and is over.
    pub fn observe(&mut self, found: impl IntoIterator<Item = Problem>, now: Now) -> Vec<Notice> {
        let mut there = BTreeSet::new();
        for Problem { kind, key, data } in found {
            let key = (kind, key);
            if !self.known.contains_key(&key) && self.known.len() >= MAX_PROBLEMS {
                continue;
            }
            there.insert(key.clone());
            let known =
                self.known.entry(key).or_insert(Known { data: Value::Null, since_ms: now.mono_ms, is_told: false });
            known.data = data;
        }
        let mut told = Vec::new();
        let gone: Vec<(Kind, Str)> = self.known.keys().filter(|key| !there.contains(key)).cloned().collect();
        for key in gone {
            if let Some(known) = self.known.remove(&key).filter(|known| known.is_told) {
                told.push((key.0.words()[1], known.data));
            }
        }
        for ((kind, _), known) in &mut self.known {
            if !known.is_told && now.mono_ms >= known.since_ms.saturating_add(kind.lasts_ms()) {
                known.is_told = true;
                told.push((kind.words()[0], known.data.clone()));
            }
        }
        told.into_iter().map(|(kind, data)| self.notice(kind, data, now)).collect()
    }

    /// A notice about something else.
    pub fn notice(&mut self, kind: &'static str, data: Value, now: Now) -> Notice {
        self.number += 1;
        Notice { id: format!("{}-{}", self.life, self.number).into(), kind, at_ms: now.wall_ms, data }
    }

    /// When something has lasted long enough to be told.
    pub fn due_ms(&self) -> Option<u64> {
        let waits = self.known.iter().filter(|(_, known)| !known.is_told);
        waits.map(|((kind, _), known)| known.since_ms.saturating_add(kind.lasts_ms())).min()
    }
}
