//! Deltas: what a receiver must have seen, what it has seen afterwards, and the writes in between.
//!
//! A delta is `since` (a vector), a varint `8n + 4b + 2c + t` for n writes, then if t `to` as changes of `since` (without,
//! it is `since` and the writes themselves), then if b the base of a snapshot: its document, and the rest of its JSON form
//! as a value, then if c a table of contexts: count, and each as changes of the one before, the first of `since`. A context
//! in the table leaves its author out. Then the writes, each relative to the one before:
//!
//! | part | bytes |
//! |---|---|
//! | head | bits 0-1 claim (0 value, 1 absent, 2 another: `0` list, `1` text, `2` nothing), 2-4 rule, 5 extras, 6-7 turn |
//! | turn | 0 the same write, 1 its author's next one with the same context, 2 the same with a number, 3 author, number, context |
//! | number | of the write, zigzag, less the one that the author would take next |
//! | context | 0 `since`, n the one with number n - 1 in the table; both without the author |
//! | stamp | unless turn is 0: `2d + c`, d the milliseconds since the one before (zigzag, first since 2020), then if c the counter |
//! | path | see `names` |
//! | claim | the value, or the byte of another claim |
//! | extras | see `extras` |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bytes::{Reader, malformed, newer, put_count, put_varint, unzigzag, zigzag};
use super::extras::{extras, kind, kind_byte, put_extras, read_extras};
use super::names::{NameReader, NameWriter};
use super::value::{put_value, value};
use super::vector::{Entries, changed, entries, made, put_changes, put_vector, vector};
use crate::clock::{Dot, Stamp, VersionVector};
use crate::conflict::{Meanwhile, Tag};
use crate::error::Result;
use crate::id::ReplicaId;
use crate::limits::MAX_DELTA_ITEMS;
use crate::path::Path;
use crate::replica::{Assertion, Base, Claim, Delta};

/// Paths of deltas with more writes are not worth a number.
const MAX_NAMED_PATHS: usize = 8;
/// 2020-01-01 in milliseconds since 1970.
const EPOCH_MS: i64 = 1_577_836_800_000;

const ABSENT: u8 = 1;
const OTHER: u8 = 2;
const EXTRAS: u8 = 1 << 5;

const SAME: u8 = 0;
const NEXT: u8 = 1;
const NUMBERED: u8 = 2;
const NEW: u8 = 3;

/// What a write is written relative to.
struct Last {
    author: Option<ReplicaId>,
    seq: u64,
    context: u64,
    stamp: Stamp,
}

impl Last {
    /// Before the first write: the first author of `since` is expected to write next.
    fn before(since: &Entries) -> Last {
        let first = since.first();
        let stamp = Stamp::from_u64(EPOCH_MS.cast_unsigned() << 16);
        Last { author: first.map(|(author, _)| *author), seq: first.map_or(0, |(_, seq)| *seq), context: 0, stamp }
    }
}

fn others(vector: &VersionVector, author: ReplicaId) -> impl Iterator<Item = (ReplicaId, u64)> + '_ {
    vector.iter().filter(move |(replica, _)| *replica != author)
}

pub(super) fn put_delta(out: &mut Vec<u8>, names: &mut NameWriter<'_>, delta: &Delta) {
    let since = entries(&delta.since);
    let contexts = Contexts::of(delta);
    let mut implied = delta.since.clone();
    delta.items.iter().for_each(|item| implied.add(item.dot));
    let is_explicit = implied != delta.to;

    put_vector(out, names, &delta.since);
    let bits = [delta.base.is_some(), !contexts.table.is_empty(), is_explicit];
    let head = bits.iter().fold(delta.items.len(), |head, bit| 2 * head + usize::from(*bit));
    put_count(out, head);
    if is_explicit {
        put_changes(out, names, &since, &entries(&delta.to));
    }
    if let Some(base) = &delta.base {
        put_value(out, &base.document);
        put_value(out, &base.to_value().without(&document_field()));
    }
    if !contexts.table.is_empty() {
        put_count(out, contexts.table.len());
        let mut base = &since;
        for context in &contexts.table {
            put_changes(out, names, base, context);
            base = context;
        }
    }
    let mut last = Last::before(&since);
    let mut before: Option<&Assertion> = None;
    for (item, context) in delta.items.iter().zip(&contexts.of_items) {
        let is_same = before.is_some_and(|before| of_one_write(before, item));
        put_item(out, names, item, *context, is_same, &mut last, delta.items.len() <= MAX_NAMED_PATHS);
        before = Some(item);
    }
}

fn of_one_write(a: &Assertion, b: &Assertion) -> bool {
    a.dot == b.dot && a.stamp == b.stamp && (Arc::ptr_eq(&a.context, &b.context) || a.context == b.context)
}

/// The distinct contexts of a delta, without their authors; those that are `since` are left out.
struct Contexts {
    table: Vec<Entries>,
    /// By item: 0 for `since`, else the place in the table and one.
    of_items: Vec<u64>,
}

impl Contexts {
    fn of(delta: &Delta) -> Contexts {
        let mut distinct: BTreeSet<(u128, Entries)> = BTreeSet::new();
        let mut rests: Vec<Option<Entries>> = Vec::with_capacity(delta.items.len());
        for item in &delta.items {
            let author = item.dot.replica;
            let is_since = others(&item.context, author).eq(others(&delta.since, author));
            rests.push((!is_since).then(|| others(&item.context, author).collect()));
        }
        // In the order of what they have seen: neighbours differ little.
        let sum = |rest: &Entries| rest.iter().map(|(_, seq)| u128::from(*seq)).sum::<u128>();
        distinct.extend(rests.iter().flatten().map(|rest| (sum(rest), rest.clone())));
        let table: Vec<Entries> = distinct.into_iter().map(|(_, rest)| rest).collect();
        let places: BTreeMap<&Entries, u64> = table.iter().zip(1..).collect();
        let place = |rest: &Option<Entries>| rest.as_ref().and_then(|rest| places.get(rest).copied()).unwrap_or(0);
        let of_items = rests.iter().map(place).collect();
        Contexts { table, of_items }
    }
}

fn put_item(
    out: &mut Vec<u8>,
    names: &mut NameWriter<'_>,
    item: &Assertion,
    context: u64,
    is_same: bool,
    last: &mut Last,
    may_learn: bool,
) {
    let dot = item.dot;
    let expected = last.seq.wrapping_add(1);
    let turn = match () {
        () if is_same => SAME,
        () if last.author != Some(dot.replica) || last.context != context => NEW,
        () if dot.seq == expected => NEXT,
        () => NUMBERED,
    };
    let claim = match item.claim {
        Claim::Value(_) => 0,
        Claim::Absent => ABSENT,
        Claim::Sequence(_) | Claim::Nothing => OTHER,
    };
    let extras = extras(item);
    out.push(claim | item.tag.as_u8() << 2 | if extras == 0 { 0 } else { EXTRAS } | turn << 6);
    if turn == NEW {
        names.put_id(out, dot.replica.as_bytes());
    }
    if turn >= NUMBERED {
        put_varint(out, zigzag(dot.seq.wrapping_sub(expected).cast_signed()));
    }
    if turn == NEW {
        put_varint(out, context);
    }
    if turn != SAME {
        put_stamp(out, last.stamp, item.stamp);
    }
    *last = Last { author: Some(dot.replica), seq: dot.seq, context, stamp: item.stamp };
    names.put_path(out, &item.path, may_learn);
    match &item.claim {
        Claim::Value(value) => put_value(out, value),
        Claim::Absent => {}
        Claim::Sequence(kind) => out.push(kind_byte(*kind)),
        Claim::Nothing => out.push(2),
    }
    put_extras(out, names, item, extras);
}

/// Of the JSON form of a base; it is written by itself, as deep as a document may be.
fn document_field() -> Path {
    Path::root().child("document")
}

fn parts(stamp: Stamp) -> (i64, u64) {
    ((stamp.as_u64() >> 16).cast_signed(), stamp.as_u64() & 0xFFFF)
}

fn put_stamp(out: &mut Vec<u8>, last: Stamp, stamp: Stamp) {
    let ((last_ms, last_counter), (ms, counter)) = (parts(last), parts(stamp));
    let later = zigzag(ms - last_ms);
    // In the same millisecond the counter is close to the one before, in another one it is mostly 0.
    let counted = if later == 0 { zigzag(counter.wrapping_sub(last_counter).cast_signed()) } else { counter };
    put_varint(out, later << 1 | u64::from(counted != 0));
    if counted != 0 {
        put_varint(out, counted);
    }
}

fn stamp(reader: &mut Reader<'_>, last: Stamp) -> Result<Stamp> {
    let bad = || malformed("a stamp does not fit");
    let (last_ms, last_counter) = parts(last);
    let head = reader.varint()?;
    let later = unzigzag(head >> 1);
    let counted = if head & 1 == 0 { 0 } else { reader.varint()? };
    if head & 1 == 1 && counted == 0 {
        return Err(malformed("a stamp is not in its shortest form"));
    }
    let counter = if later == 0 { last_counter.wrapping_add(unzigzag(counted).cast_unsigned()) } else { counted };
    let ms = last_ms.checked_add(later).and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms < 1 << 48);
    let counter = u16::try_from(counter).map_err(|_| bad())?;
    Ok(Stamp::from_u64(ms.ok_or_else(bad)? << 16 | u64::from(counter)))
}

pub(super) fn delta(reader: &mut Reader<'_>, names: &mut NameReader<'_>) -> Result<Delta> {
    let since = vector(reader, names)?;
    let base = entries(&since);
    let head = reader.varint()?;
    let count = usize::try_from(head >> 3).unwrap_or(usize::MAX);
    // The shortest write is a removal in the same write: head and path.
    if count > reader.len() / 2 || count > MAX_DELTA_ITEMS {
        return Err(malformed("it counts more than it holds, or more than is allowed"));
    }
    let to = if head & 1 == 1 { Some(changed(reader, names, &base)?) } else { None };
    let snapshot = if head & 4 != 0 {
        let document = value(reader)?;
        let rest = value(reader)?;
        Some(Arc::new(Base::from_value(&rest.with(&document_field(), document))?))
    } else {
        None
    };
    let mut table: Vec<Entries> = Vec::new();
    if head & 2 != 0 {
        for _ in 0..reader.count(1)? {
            let next = changed(reader, names, table.last().unwrap_or(&base))?;
            table.push(next);
        }
    }
    let mut items: Vec<Arc<Assertion>> = Vec::with_capacity(count);
    let mut last = Last::before(&base);
    for _ in 0..count {
        let before = items.last().map(Arc::as_ref);
        let next = item(reader, names, &base, &table, before, &mut last)?;
        items.push(Arc::new(next));
    }
    let to = match to {
        Some(to) => made(reader, to)?,
        None => {
            let mut to = since.clone();
            items.iter().for_each(|item| to.add(item.dot));
            to
        }
    };
    Ok(Delta { since, to, base: snapshot, items })
}

fn item(
    reader: &mut Reader<'_>,
    names: &mut NameReader<'_>,
    since: &Entries,
    table: &[Entries],
    before: Option<&Assertion>,
    last: &mut Last,
) -> Result<Assertion> {
    let head = reader.byte()?;
    let tag = Tag::from_u8(head >> 2 & 7).ok_or_else(|| newer("a conflict rule"))?;
    let turn = head >> 6;
    let author = match (turn, last.author) {
        (NEW, _) => ReplicaId::from_bytes(names.id(reader)?),
        (SAME, _) if before.is_none() => return Err(malformed("there is no write before the first one")),
        (_, Some(author)) => author,
        (_, None) => return Err(malformed("a write has no author")),
    };
    let seq = match turn {
        SAME => last.seq,
        NEXT => last.seq.wrapping_add(1),
        _ => last.seq.wrapping_add(1).wrapping_add(unzigzag(reader.varint()?).cast_unsigned()),
    };
    if seq == 0 {
        return Err(malformed("a write has no number"));
    }
    let context_at = if turn == NEW { reader.varint()? } else { last.context };
    let stamp = if turn == SAME { last.stamp } else { stamp(reader, last.stamp)? };
    *last = Last { author: Some(author), seq, context: context_at, stamp };
    let path = names.path(reader)?;
    let claim = match head & 3 {
        0 => Claim::Value(value(reader)?),
        ABSENT => Claim::Absent,
        OTHER => match reader.byte()? {
            2 => Claim::Nothing,
            byte => Claim::Sequence(kind(byte)?),
        },
        _ => return Err(newer("a claim")),
    };
    let mut item = Assertion {
        dot: Dot { replica: author, seq },
        context: Arc::default(),
        stamp,
        tag,
        path,
        claim,
        edits: BTreeMap::new(),
        policy: 0,
        fence: 0,
        added: Vec::new(),
        removed: Vec::new(),
        previous: None,
        meanwhile: Meanwhile::Last,
        user: None,
        message: None,
        run: None,
    };
    let mut own = seq.saturating_sub(1);
    if head & EXTRAS != 0 {
        read_extras(reader, names, &mut item, &mut own)?;
    }
    item.context = match before {
        Some(before) if turn == SAME && before.context.seq(author) == own => Arc::clone(&before.context),
        _ => {
            let at = usize::try_from(context_at).unwrap_or(usize::MAX);
            let context = match at.checked_sub(1) {
                None => since,
                Some(at) => table.get(at).ok_or_else(|| malformed("it refers to a context that it does not hold"))?,
            };
            let others = context.iter().filter(|(replica, _)| *replica != author).copied();
            let all: Entries = others.chain((own > 0).then_some((author, own))).collect();
            Arc::new(made(reader, all)?)
        }
    };
    Ok(item)
}
