//! Leases as notes: replicated with the document, so that they are on the disk before they are answered, there again after a
//! restart, and known to every instance.
//!
//! Below `locks`, the birth of the document: `authority` says who grants, `<epoch>-<slot>` what stands in a slot. A note is
//! written over and over, and names of another document or epoch mean nothing, so notes that moved here with a document
//! that gave way give nobody a lock.

use std::collections::BTreeMap;

use crate::id::{Genesis, InstanceId};
use crate::lock::Lease;
use crate::path::Path;
use crate::pattern::Pattern;
use crate::replica::Edit;
use crate::value::{Str, Value};

/// Who grants the locks of a document, and in which of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockAuthority {
    /// The instance.
    pub instance: InstanceId,
    /// Grows with each authority: tokens of a later one are greater.
    pub epoch: u64,
}

/// What stands in a slot.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SlotNote {
    pub(super) token: u64,
    /// The lease, unless it has ended.
    pub(super) live: Option<LiveNote>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct LiveNote {
    pub(super) key: Pattern,
    pub(super) holder: Str,
    pub(super) session: Str,
    pub(super) ttl_ms: u64,
    pub(super) turn: u64,
}

/// A lease as an instance knows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) lease: Lease,
    pub(super) session: Str,
    pub(super) ttl_ms: u64,
}

const LOCKS: &str = "locks";
const AUTHORITY: &str = "authority";

/// Where everything about the locks of a document is noted.
pub(super) fn place(genesis: Genesis) -> Path {
    [Str::from(LOCKS), genesis.to_string().into()].into_iter().collect()
}

fn below(genesis: Genesis, last: &str) -> Path {
    place(genesis).segments().iter().cloned().chain([Str::from(last)]).collect()
}

/// The note that says who grants.
pub(super) fn authority_note(genesis: Genesis, authority: LockAuthority) -> Edit {
    let fields = [("instance", Value::from(authority.instance.to_string())), ("epoch", authority.epoch.into())];
    Edit { path: below(genesis, AUTHORITY), value: Some(fields.into_iter().collect()) }
}

/// The note of a slot.
pub(super) fn slot_note(genesis: Genesis, epoch: u64, slot: u64, note: &SlotNote) -> Edit {
    let mut fields: Vec<(&str, Value)> = vec![("token", note.token.into())];
    if let Some(live) = &note.live {
        fields.extend([
            ("key", live.key.to_string().into()),
            ("holder", live.holder.clone().into()),
            ("session", live.session.clone().into()),
            ("ttl", live.ttl_ms.into()),
            ("turn", live.turn.into()),
        ]);
    }
    Edit { path: below(genesis, &format!("{epoch}-{slot}")), value: Some(fields.into_iter().collect()) }
}

/// Reads who grants.
pub(super) fn read_authority(noted: &Value) -> Option<LockAuthority> {
    let note = noted.child(AUTHORITY)?;
    let instance = InstanceId::parse(note.child("instance")?.as_str()?)?;
    // Beyond there are no tokens.
    let epoch = note.child("epoch")?.as_u64().filter(|epoch| (1..1 << 22).contains(epoch))?;
    Some(LockAuthority { instance, epoch })
}

/// Reads the slots of one epoch. What cannot be read is of another version, and nobody's lock here.
pub(super) fn read_slots(noted: &Value, epoch: u64) -> BTreeMap<u64, SlotNote> {
    let Some(all) = noted.as_map() else { return BTreeMap::new() };
    let slots = all.iter().filter_map(|(name, note)| {
        let (of, slot) = name.split_once('-')?;
        if of.parse::<u64>().ok()? != epoch {
            return None;
        }
        Some((slot.parse::<u64>().ok()?, read_slot(note)?))
    });
    slots.take(super::authority::MAX_HELD).collect()
}

fn read_slot(note: &Value) -> Option<SlotNote> {
    let text = |name: &str| note.child(name).and_then(Value::as_str);
    let number = |name: &str| note.child(name).and_then(Value::as_u64);
    let live = text("key").and_then(|key| {
        Some(LiveNote {
            key: Pattern::parse(key).ok()?,
            holder: text("holder")?.into(),
            session: text("session")?.into(),
            ttl_ms: number("ttl")?.min(super::ask::MAX_LEASE_MS),
            turn: number("turn")?,
        })
    });
    Some(SlotNote { token: number("token")?, live })
}
