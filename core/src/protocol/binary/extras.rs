//! What few writes carry: bits, then for each that is set, in this order, what it stands for.
//!
//! | bit | |
//! |---|---|
//! | 0 | the version of the policy |
//! | 1 | the token of the lock |
//! | 2, 3 | items added, items removed: count, values |
//! | 4 | what was replaced: a value |
//! | 5, 6 | the first, or what was replaced, shows meanwhile |
//! | 7 | edits of sequences: count, then each its kind (`0` list, `1` text) and steps |
//! | 8 | what the author had seen of itself, where that is not everything before |
//! | 9 | the person that it was written for: length, UTF-8 |
//! | 10 | the run of a conditional write: what it was built on, then what was lost |
//! | 11 | why it was written: length, UTF-8 |
//!
//! A run is twice `2n + m` for n stretches (m: there were more), and each its author, first number and how many follow.
//!
//! Steps are a count and then each `4n + k`: 0 keep n, 1 remove n, 2 insert n items, 3 insert a text of n bytes.

use std::sync::Arc;

use super::bytes::{Reader, malformed, newer, put_count, put_text, put_varint};
use super::names::{NameReader, NameWriter};
use super::value::{put_value, put_values, value, values};
use crate::conflict::Meanwhile;
use crate::error::Result;
use crate::id::ReplicaId;
use crate::limits::{MAX_MESSAGE_BYTES, MAX_RUN};
use crate::replica::{Assertion, Links, Run, Stretch, read_links};
use crate::sequence::{Content, Kind, Operation, Step};

const POLICY: u64 = 1;
const FENCE: u64 = 1 << 1;
const ADDED: u64 = 1 << 2;
const REMOVED: u64 = 1 << 3;
const PREVIOUS: u64 = 1 << 4;
const FIRST_MEANWHILE: u64 = 1 << 5;
const PREVIOUS_MEANWHILE: u64 = 1 << 6;
const EDITS: u64 = 1 << 7;
const OWN: u64 = 1 << 8;
const USER: u64 = 1 << 9;
const RUN: u64 = 1 << 10;
const MESSAGE: u64 = 1 << 11;
const ALL_EXTRAS: u64 = (1 << 12) - 1;

/// Which of them a write has.
pub(super) fn extras(item: &Assertion) -> u64 {
    let own = item.context.seq(item.dot.replica);
    [
        (POLICY, item.policy != 0),
        (FENCE, item.fence != 0),
        (ADDED, !item.added.is_empty()),
        (REMOVED, !item.removed.is_empty()),
        (PREVIOUS, item.previous.is_some()),
        (FIRST_MEANWHILE, item.meanwhile == Meanwhile::First),
        (PREVIOUS_MEANWHILE, item.meanwhile == Meanwhile::Previous),
        (EDITS, !item.edits.is_empty()),
        (OWN, own.checked_add(1) != Some(item.dot.seq)),
        (USER, item.user.is_some()),
        (RUN, item.run.is_some()),
        (MESSAGE, item.message.is_some()),
    ]
    .into_iter()
    .fold(0, |bits, (bit, is_set)| if is_set { bits | bit } else { bits })
}

pub(super) fn put_extras(out: &mut Vec<u8>, names: &mut NameWriter<'_>, item: &Assertion, extras: u64) {
    if extras == 0 {
        return;
    }
    let has = |bit: u64| extras & bit != 0;
    put_varint(out, extras);
    if has(POLICY) {
        put_varint(out, u64::from(item.policy));
    }
    if has(FENCE) {
        put_varint(out, item.fence);
    }
    if has(ADDED) {
        put_values(out, &item.added);
    }
    if has(REMOVED) {
        put_values(out, &item.removed);
    }
    if let Some(previous) = &item.previous {
        put_value(out, previous);
    }
    if has(EDITS) {
        put_count(out, item.edits.len());
        for (kind, edit) in &item.edits {
            out.push(kind_byte(*kind));
            put_edit(out, edit);
        }
    }
    if has(OWN) {
        put_varint(out, item.context.seq(item.dot.replica));
    }
    if let Some(user) = &item.user {
        put_text(out, user);
    }
    if let Some(run) = &item.run {
        put_links(out, names, &run.links);
        put_links(out, names, &run.lost);
    }
    if let Some(message) = &item.message {
        put_text(out, message);
    }
}

fn put_links(out: &mut Vec<u8>, names: &mut NameWriter<'_>, links: &Links) {
    put_count(out, 2 * links.stretches().len() + usize::from(links.has_more()));
    for stretch in links.stretches() {
        names.put_id(out, stretch.replica.as_bytes());
        put_varint(out, stretch.first);
        put_varint(out, stretch.last.wrapping_sub(stretch.first));
    }
}

fn links(reader: &mut Reader<'_>, names: &mut NameReader<'_>) -> Result<Links> {
    let head = reader.varint()?;
    let count = usize::try_from(head / 2).ok().filter(|count| *count <= MAX_RUN);
    let count = count.ok_or_else(|| malformed("a run names too many writes"))?;
    let mut stretches = Vec::with_capacity(count);
    for _ in 0..count {
        let (replica, first) = (ReplicaId::from_bytes(names.id(reader)?), reader.varint()?);
        let last = first.checked_add(reader.varint()?).ok_or_else(|| malformed("a number has more than 64 bits"))?;
        stretches.push(Stretch { replica, first, last });
    }
    read_links(stretches, head % 2 == 1)
}

pub(super) fn kind_byte(kind: Kind) -> u8 {
    match kind {
        Kind::List => 0,
        Kind::Text => 1,
    }
}

fn put_edit(out: &mut Vec<u8>, edit: &Operation) {
    let step = |out: &mut Vec<u8>, n: usize, kind: u64| {
        put_varint(out, u64::try_from(n).unwrap_or(u64::MAX).saturating_mul(4) | kind);
    };
    let insert = |out: &mut Vec<u8>, content: &Content| match content {
        Content::List(items) => {
            step(out, items.len(), 2);
            items.iter().for_each(|item| put_value(out, item));
        }
        Content::Text(text) => {
            step(out, text.len(), 3);
            out.extend_from_slice(text.as_bytes());
        }
    };
    let replaces = edit.steps().iter().filter(|step| matches!(step, Step::Replace(..))).count();
    put_count(out, edit.steps().len() + replaces);
    for one in edit.steps() {
        match one {
            Step::Retain(n) => step(out, *n, 0),
            Step::Delete(n) => step(out, *n, 1),
            Step::Insert(content) => insert(out, content),
            Step::Replace(n, content) => {
                insert(out, content);
                step(out, *n, 1);
            }
        }
    }
}

fn edit(reader: &mut Reader<'_>) -> Result<Operation> {
    // 32 bits on every target, as in the JSON form.
    let length = |n: u64| {
        let length = u32::try_from(n).ok().and_then(|n| usize::try_from(n).ok());
        length.ok_or_else(|| malformed("a length has more than 32 bits"))
    };
    let count = reader.count(1)?;
    let mut steps = Vec::with_capacity(count);
    for _ in 0..count {
        let head = reader.varint()?;
        let n = length(head >> 2)?;
        let held = || if n <= reader.len() { Ok(n) } else { Err(malformed("it counts more than it holds")) };
        steps.push(match head & 3 {
            0 => Step::Retain(n),
            1 => Step::Delete(n),
            2 => Step::Insert(Content::List((0..held()?).map(|_| value(reader)).collect::<Result<_>>()?)),
            _ => {
                let text = reader.take(held()?)?;
                let text = str::from_utf8(text).map_err(|_| malformed("a text is not UTF-8"))?;
                Step::Insert(Content::Text(text.to_owned()))
            }
        });
    }
    Operation::new(steps).map_err(|_| malformed("an edit mixes list items and text"))
}

/// Reads them into a write; `own` is what its author had seen of itself.
pub(super) fn read_extras(
    reader: &mut Reader<'_>,
    names: &mut NameReader<'_>,
    item: &mut Assertion,
    own: &mut u64,
) -> Result<()> {
    let extras = reader.varint()?;
    if extras & !ALL_EXTRAS != 0 {
        return Err(newer("a part of a write"));
    }
    let has = |bit: u64| extras & bit != 0;
    if extras == 0 || (has(FIRST_MEANWHILE) && has(PREVIOUS_MEANWHILE)) {
        return Err(malformed("a write has no such parts"));
    }
    if has(POLICY) {
        item.policy = u32::try_from(reader.varint()?).map_err(|_| malformed("a policy has more than 32 bits"))?;
    }
    if has(FENCE) {
        item.fence = reader.varint()?;
    }
    if has(ADDED) {
        item.added = values(reader)?;
    }
    if has(REMOVED) {
        item.removed = values(reader)?;
    }
    if has(PREVIOUS) {
        item.previous = Some(value(reader)?);
    }
    item.meanwhile = match (has(FIRST_MEANWHILE), has(PREVIOUS_MEANWHILE)) {
        (true, _) => Meanwhile::First,
        (_, true) => Meanwhile::Previous,
        _ => Meanwhile::Last,
    };
    if has(EDITS) {
        for _ in 0..reader.count(2)? {
            let kind = kind(reader.byte()?)?;
            let edit = edit(reader)?;
            if edit.kind().is_some_and(|inserts| inserts != kind) {
                return Err(malformed("an edit of a sequence inserts what it cannot hold"));
            }
            if item.edits.insert(kind, edit).is_some() {
                return Err(malformed("a write edits one sequence twice"));
            }
        }
    }
    if has(OWN) {
        *own = reader.varint()?;
    }
    if has(USER) {
        item.user = Some(reader.text()?.into());
    }
    if has(RUN) {
        item.run = Some(Arc::new(Run { links: links(reader, names)?, lost: links(reader, names)? }));
    }
    if has(MESSAGE) {
        let message = reader.text()?;
        if message.len() > MAX_MESSAGE_BYTES {
            return Err(malformed("the words of a write are too long"));
        }
        item.message = Some(message.into());
    }
    Ok(())
}

pub(super) fn kind(byte: u8) -> Result<Kind> {
    match byte {
        0 => Ok(Kind::List),
        1 => Ok(Kind::Text),
        _ => Err(newer("a kind of sequence")),
    }
}
