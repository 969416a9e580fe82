//! The Rust runner of the vectors about whole replicas. Bytes are texts of hexadecimal digits.
//!
//! `replica` plays `steps`, each a map whose `do` is one of these:
//!
//! | `do` | with | |
//! |---|---|---|
//! | `found` | `at`, `id` | founds the document, with the `genesis` and `rules` of the case |
//! | `fork`, `load` | `at`, `id`, `from` | another replica, of one that is there or of what that one saves |
//! | `set`, `resolve` | `at`, `path`, `value`, `ms` | a write at a time in milliseconds |
//! | `unset` | `at`, `path`, `ms` | a removal |
//! | `send` | `from`, `at`, `ms` | applies the delta of one replica since the version of the other |
//! | `settle` | `at` | drops the history |
//!
//! The result is `{replicas: {name: {value, conflicts, version, saved}}, sent: [{delta, changes}]}`.

use std::collections::BTreeMap;

use confmesh::diff::Change;
use confmesh::document::Document;
use confmesh::id::{Genesis, ReplicaId};
use confmesh::replica::Disagreement;
use confmesh::{Path, Policy, Result, Value};

use crate::{list, malformed, required, string};

/// A text of the field of a step or case.
fn text<'a>(input: &'a Value, name: &str) -> Result<&'a str> {
    string(required(input, name)?, name)
}

fn bytes(digits: &str) -> Result<Vec<u8>> {
    let byte = |pair: &[u8]| str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let read: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    read.filter(|read| 2 * read.len() == digits.len()).ok_or_else(|| malformed(format!("`{digits}` are no bytes")))
}

fn digits(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

fn id(input: &Value, name: &str) -> Result<[u8; 16]> {
    let read = bytes(text(input, name)?)?;
    <[u8; 16]>::try_from(read).map_err(|_| malformed(format!("`{name}` has 16 bytes")))
}

fn ms(step: &Value) -> Result<u64> {
    required(step, "ms")?.as_u64().ok_or_else(|| malformed("`ms` is no time".to_owned()))
}

fn rules(input: &Value) -> Result<Policy> {
    input.child("rules").map_or_else(|| Ok(Policy::default()), Policy::from_value)
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Value {
    fields.into_iter().collect()
}

fn conflicts(document: &Document) -> Value {
    document.conflicts().iter().map(Disagreement::to_value).collect::<Vec<_>>().into()
}

fn changes(changes: &[Change]) -> Value {
    changes.iter().map(Change::to_value).collect::<Vec<_>>().into()
}

/// The replicas of a case.
type Replicas = BTreeMap<String, Document>;

fn named<'a>(replicas: &'a mut Replicas, step: &Value, name: &str) -> Result<&'a mut Document> {
    let wanted = text(step, name)?;
    replicas.get_mut(wanted).ok_or_else(|| malformed(format!("there is no replica `{wanted}`")))
}

/// Plays the steps of a case.
///
/// # Errors
/// Those of the steps.
pub fn played(input: &Value) -> Result<Value> {
    let mut replicas = Replicas::new();
    let mut sent = Vec::new();
    for step in list(input, "steps")? {
        let author = || id(step, "id").map(ReplicaId::from_bytes);
        let path = || Path::parse(text(step, "path")?);
        let value = || required(step, "value").cloned();
        let made = match text(step, "do")? {
            "found" => Some(Document::found(author()?, Genesis::from_bytes(id(input, "genesis")?), rules(input)?)),
            "fork" => Some(named(&mut replicas, step, "from")?.fork(author()?)),
            "load" => Some(Document::load(author()?, &named(&mut replicas, step, "from")?.save()?, rules(input)?)?),
            other => {
                let from = if other == "send" { Some(named(&mut replicas, step, "from")?.clone()) } else { None };
                let at = named(&mut replicas, step, "at")?;
                match (other, from) {
                    ("set", _) => drop(at.set(&path()?, value()?, None, ms(step)?)?),
                    ("unset", _) => drop(at.unset(&path()?, None, ms(step)?)?),
                    ("resolve", _) => drop(at.resolve(&path()?, value()?, ms(step)?)?),
                    ("settle", _) => at.settle()?,
                    ("send", Some(from)) => {
                        let delta = from.delta(Some(&at.version()?))?;
                        let changed = changes(&at.apply(&delta, ms(step)?)?);
                        sent.push(fields([("delta", digits(&delta)), ("changes", changed)]));
                    }
                    _ => return Err(malformed(format!("unknown step `{other}`"))),
                }
                None
            }
        };
        if let Some(made) = made {
            replicas.insert(text(step, "at")?.to_owned(), made);
        }
    }
    let state = |(name, document): (&String, &Document)| {
        let state = fields([
            ("value", document.value().clone()),
            ("conflicts", conflicts(document)),
            ("version", digits(&document.version()?)),
            ("saved", digits(&document.save()?)),
        ]);
        Ok((name.clone(), state))
    };
    let replicas = replicas.iter().map(state).collect::<Result<Vec<_>>>()?.into_iter().collect();
    Ok(fields([("replicas", replicas), ("sent", sent.into())]))
}

/// Loads what `saved` holds and applies `deltas` to it, in their order.
///
/// # Errors
/// Those of loading and applying.
pub fn read(input: &Value) -> Result<Value> {
    let reader = ReplicaId::from_bytes([0xFF; 16]);
    let mut document = Document::load(reader, &bytes(text(input, "saved")?)?, Policy::default())?;
    let mut told = Vec::new();
    for delta in list(input, "deltas")? {
        let delta = bytes(string(delta, "deltas")?)?;
        told.push(changes(&document.apply(&delta, ms(input)?)?));
    }
    let saved = digits(&document.save()?);
    let conflicts = conflicts(&document);
    Ok(fields([
        ("value", document.value().clone()),
        ("conflicts", conflicts),
        ("changes", told.into()),
        ("saved", saved),
    ]))
}
