//! How documents lie in the store: one record per live assertion, one for the replica, one per bound file.
//!
//! Keys are text: `doc/<tenant>/<name>/replica`, `…/life`, `…/base/<part>`, `…/sides`, `…/withheld`,
//! `…/write/<author>:<number>:<pointer>`, `…/file/<id>`, `…/aside/<number>`, `…/closed/<number>`, `…/delivery/<hash>`,
//! `…/version/<number>`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::admission::Kept;
use super::aside::Aside;
use super::closed::{Entry as Closed, MOST_CLOSED};
use super::deliveries::Once;
use super::document::Document;
use super::kept::{Restored, leaves_from_value, leaves_to_value};
use super::save_conflicts::SaveConflict;
use super::shared::Founded;
use super::sides::Sides;
use super::standing::Life;
use super::types::StoreWrite;
use crate::canonical::{ContentHash, canonical, text_hash};
use crate::clock::{Stamp, VersionVector};
use crate::diff::leaf::Leaf;
use crate::error::{Code, Error, Result};
use crate::format::{Format, parse};
use crate::id::{DocumentName, Genesis, ReplicaId};
use crate::path::Path;
use crate::protocol::Standing;
use crate::replica::{Assertion, Base, Effect, Replica};
use crate::value::{Str, Value};

/// A bound file as the engine left it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FileRecord {
    /// The text last mirrored or read: what the next edit is compared with.
    pub(super) base: Option<Known>,
    /// The text that a mirror write was about to put there.
    pub(super) intended: Option<Known>,
    /// Whether the text that is there now is to be kept beside the file when it is written next.
    pub(super) set_aside: bool,
    /// Whether the file is written in place: a part of both texts may lie there.
    pub(super) in_place: bool,
    /// The number of the state that the base is, where its steps are kept.
    pub(super) state: u64,
    /// Where saves of it and others said different things.
    pub(super) disputes: Vec<SaveConflict>,
    /// The texts that writes were about to put there before that one.
    pub(super) superseded: Vec<ContentHash>,
    /// Those of all of them whose writes keep beside the file what they replace.
    pub(super) keeping: Vec<ContentHash>,
    /// What the intended text changes.
    pub(super) planned: Vec<Leaf>,
}

/// A text that is known by its hash, and whole where that is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) hash: ContentHash,
    pub(super) text: Option<Arc<str>>,
}

impl Known {
    pub(super) fn whole(text: Arc<str>) -> Known {
        Known { hash: text_hash(&text), text: Some(text) }
    }

    pub(super) fn is(&self, text: &str) -> bool {
        match &self.text {
            Some(own) => **own == *text,
            None => self.hash == text_hash(text),
        }
    }
}

/// A document as the store has it.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) replica: Option<Replica>,
    /// What is known of it; none in stores of before there was such a record.
    pub(super) life: Option<Life>,
    pub(super) kept: Vec<Aside>,
    /// What did not stay when it took over the document of others.
    pub(super) overruled: Vec<SaveConflict>,
    pub(super) files: BTreeMap<Str, (FileRecord, Restored)>,
    /// The names under which it writes for guests.
    pub(super) sides: Sides,
    /// How long the records of its base are.
    pub(super) base_bytes: usize,
    /// What was in force at paths that were withheld.
    pub(super) withheld: Kept,
    /// Conflicts that a later write closed.
    pub(super) closed: Vec<Closed>,
    /// Deliveries that were done, and until when that is remembered.
    pub(super) deliveries: BTreeMap<Str, u64>,
    /// The versions that are kept, by number.
    pub(super) versions: Vec<(u64, Vec<u8>)>,
}

/// What to do about a store that holds what nobody stored.
pub(crate) const WAY_OUT: &str = "`confmesh rebuild` keeps the store aside and takes the document from the other instances at \
    the next start; without others, put the data directory back from a backup";

/// How long one record of a base is.
const BASE_PART_BYTES: usize = 256 << 10;

fn base_key(document: &DocumentName, part: usize) -> Vec<u8> {
    key(document, &format!("base/{part:08x}"))
}

/// The records of what a replica settled to, in parts, and those to remove of one that was so long; then how long it is.
pub(super) fn base_records(document: &DocumentName, replica: &Replica, old_bytes: usize) -> (Vec<StoreWrite>, usize) {
    let text = replica.base().map(|base| canonical(&base.to_value())).unwrap_or_default();
    let parts = text.as_bytes().chunks(BASE_PART_BYTES).enumerate();
    let put = parts.map(|(part, bytes)| StoreWrite::Put { key: base_key(document, part), bytes: bytes.to_vec() });
    let count = |bytes: usize| bytes.div_ceil(BASE_PART_BYTES);
    let gone = (count(text.len())..count(old_bytes)).map(|part| StoreWrite::Delete { key: base_key(document, part) });
    (put.chain(gone).collect(), text.len())
}

/// Removes the records of assertions.
pub(super) fn dropped_records<'a>(
    document: &'a DocumentName,
    dropped: impl IntoIterator<Item = &'a Arc<Assertion>> + 'a,
) -> impl Iterator<Item = StoreWrite> + 'a {
    dropped.into_iter().map(move |assertion| StoreWrite::Delete { key: write_key(document, assertion) })
}

pub(super) fn key(document: &DocumentName, rest: &str) -> Vec<u8> {
    format!("doc/{}/{}/{rest}", document.tenant(), document.name()).into_bytes()
}

fn put(document: &DocumentName, rest: &str, value: &Value) -> StoreWrite {
    StoreWrite::Put { key: key(document, rest), bytes: canonical(value).into_bytes() }
}

fn write_key(document: &DocumentName, assertion: &Assertion) -> Vec<u8> {
    let dot = assertion.dot;
    key(document, &format!("write/{}:{:016x}:{}", dot.replica, dot.seq, assertion.path.to_pointer()))
}

/// The replica's own record: who it is and what it has seen.
pub(super) fn replica_record(document: &DocumentName, replica: &Replica) -> StoreWrite {
    let fields = [
        ("replica", Value::from(replica.id().to_string())),
        ("genesis", replica.genesis().to_string().into()),
        ("seen", replica.seen().to_value()),
        ("stamp", replica.last_stamp().as_u64().to_string().into()),
    ];
    put(document, "replica", &fields.into_iter().collect())
}

/// The records that a change of the replica adds and removes, its own record included.
pub(super) fn effect_records(document: &DocumentName, replica: &Replica, effect: &Effect) -> Vec<StoreWrite> {
    let added = effect.added.iter().map(|assertion| StoreWrite::Put {
        key: write_key(document, assertion),
        bytes: canonical(&assertion.to_value()).into_bytes(),
    });
    let dropped = dropped_records(document, &effect.dropped);
    added.chain(dropped).chain([replica_record(document, replica)]).collect()
}

/// The records that make the store hold what a replica has on disk as far as it knows, whatever a failed batch left there.
pub(super) fn repair_records(
    Document { name: document, file, aside, overruled, .. }: &Document,
    founded: &Founded,
    doubtful: &[Arc<Assertion>],
) -> Vec<StoreWrite> {
    let everything = Effect { added: founded.durable.live().cloned().collect(), dropped: Vec::new() };
    let mut records: Vec<StoreWrite> =
        doubtful.iter().map(|assertion| StoreWrite::Delete { key: write_key(document, assertion) }).collect();
    records.extend(effect_records(document, &founded.durable, &everything));
    records.extend(base_records(document, &founded.durable, founded.base_bytes).0);
    records.push(life_record(document, &founded.life));
    records.push(sides_record(document, &founded.sides));
    records.extend(file.as_ref().map(|file| file.all_records(document)).unwrap_or_default());
    records.extend(aside.iter().map(|kept| aside_record(document, kept)));
    records.push(overruled_record(document, overruled));
    records
}

/// The record of what is known of a document beside its writes.
pub(super) fn life_record(document: &DocumentName, life: &Life) -> StoreWrite {
    let list = |all: &mut dyn Iterator<Item = &Genesis>| -> Value {
        all.map(|genesis| Value::from(genesis.to_string())).collect::<Vec<_>>().into()
    };
    let fields = [
        ("old", Value::from(life.standing.old)),
        ("content", life.standing.content.into()),
        ("given_up", list(&mut life.standing.given_up.iter())),
        ("born", life.standing.born_ms.into()),
        ("absorbed", list(&mut life.absorbed.iter())),
    ];
    let founder = life.founder.then(|| ("founder", Value::from(true)));
    put(document, "life", &fields.into_iter().chain(founder).collect())
}

/// The record of a life, of an instance that did not found the document. What cannot be read stays as it is.
pub(super) fn without_founder(bytes: &[u8]) -> Vec<u8> {
    let value = std::str::from_utf8(bytes).ok().and_then(|text| parse(text, Format::Json).ok());
    match value.as_ref().and_then(Value::as_map) {
        Some(life) => {
            let fields = life.iter().filter(|(name, _)| name.as_str() != "founder");
            canonical(&Value::Map(fields.map(|(name, value)| (name.clone(), value.clone())).collect())).into_bytes()
        }
        None => bytes.to_vec(),
    }
}

fn read_life(value: &Value) -> Life {
    let mark = |name: &str| value.child(name).and_then(Value::as_bool).unwrap_or(false);
    let list = |name: &str| {
        let all = value.child(name).and_then(Value::as_list).map(|list| list.as_slice()).unwrap_or_default();
        all.iter().filter_map(|genesis| Genesis::parse(genesis.as_str()?))
    };
    let standing = Standing {
        old: mark("old"),
        loaded: false,
        content: mark("content"),
        born_ms: value.child("born").and_then(Value::as_u64).unwrap_or(0),
        given_up: list("given_up").collect(),
    };
    Life { standing, absorbed: list("absorbed").collect(), founder: mark("founder") }
}

/// The record of what was held before another document took its place.
pub(super) fn aside_record(document: &DocumentName, kept: &Aside) -> StoreWrite {
    let fields = [
        ("at", Value::from(kept.at_ms)),
        ("why", kept.why.clone().into()),
        ("genesis", kept.genesis.map_or(Value::Null, |genesis| genesis.to_string().into())),
        ("left", u64::try_from(kept.left).unwrap_or(u64::MAX).into()),
        ("format", kept.format.name().into()),
        ("text", kept.text.as_str().into()),
        ("copy", kept.copy.clone().map_or(Value::Null, Value::from)),
    ];
    put(document, &format!("aside/{:08x}", kept.id), &fields.into_iter().collect())
}

/// The record of what did not stay when this instance took over the document of others.
pub(super) fn overruled_record(document: &DocumentName, overruled: &[SaveConflict]) -> StoreWrite {
    put(document, "overruled", &overruled.iter().map(SaveConflict::to_record).collect::<Vec<_>>().into())
}

pub(super) fn aside_removal(document: &DocumentName, id: u64) -> StoreWrite {
    StoreWrite::Delete { key: key(document, &format!("aside/{id:08x}")) }
}

fn read_aside(id: &str, value: &Value) -> Option<Aside> {
    let text = |name: &str| value.child(name).and_then(Value::as_str);
    let number = |name: &str| value.child(name).and_then(Value::as_u64);
    Some(Aside {
        id: u64::from_str_radix(id, 16).ok()?,
        at_ms: number("at")?,
        why: text("why")?.into(),
        genesis: text("genesis").and_then(Genesis::parse),
        left: number("left").and_then(|left| usize::try_from(left).ok()).unwrap_or(0),
        format: Format::from_name(text("format")?).ok()?,
        text: text("text")?.to_owned(),
        copy: text("copy").map(Into::into),
    })
}

/// The record of what was in force at withheld paths; removed where nothing is withheld.
pub(super) fn withheld_record(document: &DocumentName, kept: &Kept) -> StoreWrite {
    if kept.is_empty() {
        return StoreWrite::Delete { key: key(document, "withheld") };
    }
    let entry = |(path, value): (&Path, &Option<Value>)| -> Value {
        let value = value.clone().map(|value| ("value", value));
        [("path", path.to_pointer().into())].into_iter().chain(value).collect()
    };
    put(document, "withheld", &kept.iter().map(entry).collect::<Vec<_>>().into())
}

fn kept(value: &Value) -> Option<Kept> {
    let entry = |entry: &Value| {
        let path = Path::parse_pointer(entry.child("path")?.as_str()?).ok()?;
        Some((path, entry.child("value").cloned()))
    };
    value.as_list()?.iter().map(entry).collect()
}

/// The record of a conflict that a later write closed, in the place of the one so many before it.
pub(super) fn closed_record(document: &DocumentName, closed: &Closed) -> StoreWrite {
    put(document, &format!("closed/{:03}", closed.number % MOST_CLOSED), &closed.to_record())
}

fn delivery_key(id: &str) -> String {
    format!("delivery/{}", crate::canonical::text_hash(id).to_string().trim_start_matches("sha256:"))
}

/// What keys of versions begin with.
const VERSIONS: &str = "version/";

/// What is kept of the past, and what no longer is.
pub(super) fn version_record(document: &DocumentName, write: crate::history::Write) -> StoreWrite {
    let key = |number: u64| key(document, &format!("{VERSIONS}{number:016x}"));
    match write {
        crate::history::Write::Put(number, bytes) => StoreWrite::Put { key: key(number), bytes },
        crate::history::Write::Remove(number) => StoreWrite::Delete { key: key(number) },
    }
}

/// The record of a delivery that was done.
pub(super) fn delivery_record(document: &DocumentName, once: &Once) -> StoreWrite {
    let fields = [("id", Value::from(once.id.clone())), ("until", once.until_ms.into())];
    put(document, &delivery_key(&once.id), &fields.into_iter().collect())
}

pub(super) fn delivery_removal(document: &DocumentName, id: &str) -> StoreWrite {
    StoreWrite::Delete { key: key(document, &delivery_key(id)) }
}

fn read_delivery(value: &Value) -> Option<(Str, u64)> {
    Some((value.child("id")?.as_str()?.into(), value.child("until")?.as_u64()?))
}

/// The record of the names under which it writes for guests; removed where there are none.
pub(super) fn sides_record(document: &DocumentName, sides: &Sides) -> StoreWrite {
    if sides.is_empty() {
        return StoreWrite::Delete { key: key(document, "sides") };
    }
    put(document, "sides", &sides.to_value())
}

/// The record of a bound file. Texts are named by their hashes; they are there whole only where a write in place has to be
/// known in any half of it.
pub(super) fn file_record(document: &DocumentName, id: &str, record: &FileRecord) -> StoreWrite {
    let mut fields: Vec<(&str, Value)> =
        vec![("set_aside", record.set_aside.into()), ("state", record.state.to_string().into())];
    for (known, hash, text) in [(&record.base, "base_hash", "base"), (&record.intended, "intended_hash", "intended")] {
        fields.extend(known.iter().map(|known| (hash, known.hash.to_string().into())));
        fields.extend(known.iter().filter_map(|known| Some((text, known.text.as_deref()?.into()))));
    }
    if record.in_place {
        fields.push(("in_place", true.into()));
    }
    if !record.disputes.is_empty() {
        fields.push(("saves", record.disputes.iter().map(SaveConflict::to_record).collect::<Vec<_>>().into()));
    }
    if record.intended.is_some() {
        fields.push(("planned", leaves_to_value(&record.planned)));
        for (name, hashes) in [("superseded", &record.superseded), ("keeping", &record.keeping)] {
            let hashes = hashes.iter().map(|hash| hash.to_string().into());
            fields.push((name, hashes.collect::<Vec<Value>>().into()));
        }
    }
    put(document, &format!("file/{id}"), &fields.into_iter().collect())
}

fn read_file_record(value: &Value) -> FileRecord {
    let field = |name: &str| value.child(name).and_then(Value::as_str);
    let hashes = |name: &str| {
        let list = value.child(name).and_then(Value::as_list);
        list.map(|list| list.iter().filter_map(|hash| hash.as_str()?.parse().ok()).collect()).unwrap_or_default()
    };
    let known = |hash: &str, text: &str| {
        let text: Option<Arc<str>> = field(text).map(Into::into);
        match field(hash).and_then(|hash| hash.parse().ok()) {
            Some(hash) => Some(Known { hash, text }),
            None => text.map(Known::whole),
        }
    };
    FileRecord {
        base: known("base_hash", "base"),
        intended: known("intended_hash", "intended"),
        set_aside: value.child("set_aside").and_then(Value::as_bool).unwrap_or(false),
        in_place: value.child("in_place").and_then(Value::as_bool).unwrap_or(false),
        state: field("state").and_then(|state| state.parse().ok()).unwrap_or(0),
        disputes: value
            .child("saves")
            .and_then(Value::as_list)
            .map(|saves| saves.iter().filter_map(SaveConflict::from_record).collect())
            .unwrap_or_default(),
        superseded: hashes("superseded"),
        keeping: hashes("keeping"),
        planned: value.child("planned").and_then(leaves_from_value).unwrap_or_default(),
    }
}

/// Reads everything that the store holds.
///
/// # Errors
/// [`Code::Damaged`] naming the record that cannot be read: starting without it could lose writes.
pub(super) fn load<'a>(
    records: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<BTreeMap<DocumentName, Stored>> {
    let mut documents: BTreeMap<DocumentName, Parts> = BTreeMap::new();
    for (key, bytes) in records {
        let key = String::from_utf8_lossy(key);
        let Some((tenant, rest)) = key.strip_prefix("doc/").and_then(|rest| rest.split_once('/')) else { continue };
        let Some((name, kind)) = rest.split_once('/') else { continue };
        let broken = |why: &str| {
            Error::new(Code::Damaged, format!("the record `{key}` of the store cannot be read: {why}"))
                .with_hint(WAY_OUT)
        };
        let document = DocumentName::parse(&format!("{tenant}/{name}")).map_err(|e| broken(e.message()))?;
        let parts = documents.entry(document).or_default();
        if kind.starts_with("base/") {
            parts.base.insert(key.to_string(), bytes.to_vec());
            continue;
        }
        if let Some(number) = kind.strip_prefix(VERSIONS) {
            // Whether it can be read is found out where somebody wants it: nothing else depends on it.
            parts.versions.extend(u64::from_str_radix(number, 16).ok().map(|number| (number, bytes.to_vec())));
            continue;
        }
        let text = std::str::from_utf8(bytes).map_err(|_| broken("it is not UTF-8"))?;
        let value = parse(text, Format::Json).map_err(|e| broken(e.message()))?;
        match kind.split_once('/').unwrap_or((kind, "")) {
            ("replica", _) => parts.replica = Some(replica_parts(&value).ok_or_else(|| broken("a field is missing"))?),
            ("life", _) => parts.life = Some(read_life(&value)),
            ("aside", id) => parts.kept.extend(read_aside(id, &value)),
            ("overruled", _) => {
                parts.overruled = value.as_list().into_iter().flatten().filter_map(SaveConflict::from_record).collect();
            }
            ("withheld", _) => parts.withheld = kept(&value).ok_or_else(|| broken("a field is missing"))?,
            ("sides", _) => parts.sides = Sides::from_value(&value),
            ("closed", _) => parts.closed.extend(Closed::from_record(&value)),
            ("delivery", _) => parts.deliveries.extend(read_delivery(&value)),
            ("write", _) => parts.writes.push(Assertion::from_value(&value).map_err(|e| broken(e.message()))?),
            ("file", id) => drop(parts.files.insert(id.into(), read_file_record(&value))),
            // A record that cannot be read costs the memory of older states, and nothing else.
            ("mirrored", id) => drop(parts.mirrored.entry(id.into()).or_default().take_mark(&value, text.len())),
            ("mirrored-step", slot) => {
                let id = slot.split_once('/').map_or("", |(_, id)| id);
                let _ = parts.mirrored.entry(id.into()).or_default().take_step(&value, text.len());
            }
            _ => {}
        }
    }
    documents.into_iter().map(|(document, parts)| Ok((document, parts.assemble()?))).collect()
}

#[derive(Default)]
struct Parts {
    replica: Option<(ReplicaId, Genesis, VersionVector, Stamp)>,
    life: Option<Life>,
    kept: Vec<Aside>,
    overruled: Vec<SaveConflict>,
    base: BTreeMap<String, Vec<u8>>,
    writes: Vec<Assertion>,
    files: BTreeMap<Str, FileRecord>,
    withheld: Kept,
    sides: Sides,
    closed: Vec<Closed>,
    deliveries: BTreeMap<Str, u64>,
    versions: Vec<(u64, Vec<u8>)>,
    mirrored: BTreeMap<Str, Restored>,
}

impl Parts {
    fn assemble(self) -> Result<Stored> {
        let broken = |why: &str| {
            Error::new(Code::Damaged, format!("a settled document in the store cannot be read: {why}"))
                .with_hint(WAY_OUT)
        };
        let bytes: Vec<u8> = self.base.into_values().flatten().collect();
        let base_bytes = bytes.len();
        let mut base = None;
        if !bytes.is_empty() {
            let text = String::from_utf8(bytes).map_err(|_| broken("it is not UTF-8"))?;
            let value = parse(&text, Format::Json).map_err(|e| broken(e.message()))?;
            base = Some(Base::from_value(&value).map_err(|e| broken(e.message()))?);
        }
        let replica = self
            .replica
            .map(|(id, genesis, seen, stamp)| Replica::restore(id, genesis, seen, stamp, base, self.writes));
        let mut mirrored = self.mirrored;
        let files = self.files.into_iter().map(|(id, record)| {
            let restored = mirrored.remove(&id).unwrap_or_default();
            (id, (record, restored))
        });
        let (life, kept, overruled, files) = (self.life, self.kept, self.overruled, files.collect());
        Ok(Stored {
            replica,
            life,
            kept,
            overruled,
            files,
            sides: self.sides,
            base_bytes,
            withheld: self.withheld,
            closed: self.closed,
            deliveries: self.deliveries,
            versions: self.versions,
        })
    }
}

fn replica_parts(value: &Value) -> Option<(ReplicaId, Genesis, VersionVector, Stamp)> {
    let text = |name: &str| value.child(name).and_then(Value::as_str);
    Some((
        ReplicaId::parse(text("replica")?)?,
        Genesis::parse(text("genesis")?)?,
        VersionVector::from_value(value.child("seen")?).ok()?,
        Stamp::from_u64(text("stamp")?.parse().ok()?),
    ))
}
