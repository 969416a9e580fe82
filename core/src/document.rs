//! A whole replica in the hands of a program: what it holds, and the bytes that copies of it exchange.
//!
//! A [`Document`] is a [`Replica`] with its current value, and with bytes in the place of deltas and versions. How the
//! bytes travel, by file, socket or mail, is the program's affair: deltas may come late, twice and in any order, and
//! copies that hold the same writes show the same value.

use crate::diff::{Change, diff};
use crate::error::{Code, Error, Result};
use crate::id::{DocumentName, Genesis, ReplicaId};
use crate::limits::{MAX_DELTA_ITEMS, MAX_FRAME_BYTES};
use crate::path::Path;
use crate::policy::Policy;
use crate::protocol::{Encoder, FrameRef, Message, Wire, WireOptions};
use crate::replica::{Applied, Delta, Disagreement, Edit, Replica, WriteOptions};
use crate::value::Value;

/// A replica with its value. Ids and the time are arguments.
///
/// ```
/// use confmesh::document::Document;
/// use confmesh::id::{Genesis, ReplicaId};
/// use confmesh::{Path, Policy};
/// let id = |byte| ReplicaId::from_bytes([byte; 16]);
/// let limit = Path::parse("app.limit")?;
///
/// let mut ours = Document::found(id(1), Genesis::from_bytes([0; 16]), Policy::default());
/// ours.set(&limit, 100.into(), None, 1)?;
/// let mut theirs = Document::load(id(2), &ours.save()?, Policy::default())?;
/// theirs.set(&limit, 200.into(), None, 2)?;
///
/// let changes = ours.apply(&theirs.delta(Some(&ours.version()?))?, 3)?;
/// assert_eq!(changes.len(), 1);
/// assert_eq!(ours.value(), theirs.value());
/// # Ok::<(), confmesh::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Document {
    replica: Replica,
    value: Value,
    policy: Policy,
}

impl Document {
    /// The first replica of a new document; both ids are random. The rules are for its own writes: the conflict strategy
    /// travels in each.
    pub fn found(id: ReplicaId, genesis: Genesis, policy: Policy) -> Document {
        Document { replica: Replica::new(id, genesis), value: Value::empty_map(), policy }
    }

    /// Another replica of the document that [`Document::save`] wrote. The id must never have written to it.
    ///
    /// # Errors
    /// [`Code::Message`] for bytes that are no whole document.
    pub fn load(id: ReplicaId, bytes: &[u8], policy: Policy) -> Result<Document> {
        let (genesis, delta) = unpack_delta(bytes)?;
        let mut loaded = Document::found(id, genesis, policy);
        if !delta.since.is_empty() {
            return Err(Error::new(Code::Message, "these bytes are a delta, not a whole document")
                .with_hint("apply them to a replica, or take what `save` gives"));
        }
        loaded.take(&delta, 0)?;
        Ok(loaded)
    }

    /// A second replica that starts from what this one holds. The id must never have written to the document.
    pub fn fork(&self, id: ReplicaId) -> Document {
        Document { replica: self.replica.reincarnated(id), ..self.clone() }
    }

    /// The author name of its own writes.
    pub fn id(&self) -> ReplicaId {
        self.replica.id()
    }

    /// The document's birth, which all its replicas share.
    pub fn genesis(&self) -> Genesis {
        self.replica.genesis()
    }

    /// The document: always a map.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Writes a value; `false` where it was there already. With `if_version` only where this replica has seen that and
    /// nothing else.
    ///
    /// # Errors
    /// Those of [`Replica::write`], and [`Code::Message`] for what is no version.
    pub fn set(&mut self, path: &Path, value: Value, if_version: Option<&[u8]>, wall_ms: u64) -> Result<bool> {
        self.write(&[Edit { path: path.clone(), value: Some(value) }], if_version, false, wall_ms)
    }

    /// Removes a path; `false` where nothing was there. Otherwise as [`Document::set`].
    ///
    /// # Errors
    /// Those of [`Document::set`].
    pub fn unset(&mut self, path: &Path, if_version: Option<&[u8]>, wall_ms: u64) -> Result<bool> {
        self.write(&[Edit { path: path.clone(), value: None }], if_version, false, wall_ms)
    }

    /// Decides what writers disagree on at a path: as [`Document::set`], also where this is the value that shows.
    ///
    /// # Errors
    /// Those of [`Document::set`].
    pub fn resolve(&mut self, path: &Path, value: Value, wall_ms: u64) -> Result<bool> {
        self.write(&[Edit { path: path.clone(), value: Some(value) }], None, true, wall_ms)
    }

    /// Several edits as one write, which others see as a whole or not at all; `reasserts` writes also what changes nothing.
    ///
    /// # Errors
    /// Those of [`Document::set`].
    pub fn write(&mut self, edits: &[Edit], if_version: Option<&[u8]>, reasserts: bool, wall_ms: u64) -> Result<bool> {
        let mut options = WriteOptions::under(&self.policy);
        options.if_version = if_version.map(unpack_version).transpose()?;
        options.reasserts = reasserts;
        let Some(effect) = self.replica.write(&self.value, edits, &options, wall_ms)? else { return Ok(false) };
        self.replica.advance_in_place(&mut self.value, &effect);
        Ok(true)
    }

    /// What it has seen: another replica makes a delta from it.
    ///
    /// # Errors
    /// [`Code::TooLarge`] where more have written than a message can name.
    pub fn version(&self) -> Result<Vec<u8>> {
        let (document, seen) = (DocumentName::default_name(), self.replica.seen().clone());
        pack(&Message::Ack { document, seen })
    }

    /// What a replica lacks that has seen `since`; everything where none is given.
    ///
    /// # Errors
    /// [`Code::Message`] for what is no version, [`Code::TooLarge`] where nobody could read it.
    pub fn delta(&self, since: Option<&[u8]>) -> Result<Vec<u8>> {
        let since = since.map(unpack_version).transpose()?.unwrap_or_default();
        let delta = self.replica.delta(&since);
        if delta.items.len() > MAX_DELTA_ITEMS {
            let message = format!("the delta holds {} writes, more than {MAX_DELTA_ITEMS}", delta.items.len());
            return Err(Error::new(Code::TooLarge, message).with_hint("settle the document, or sync more often"));
        }
        pack(&Message::Delta { document: DocumentName::default_name(), genesis: self.genesis(), delta })
    }

    /// Everything, for [`Document::load`].
    ///
    /// # Errors
    /// [`Code::TooLarge`] where nobody could read it.
    pub fn save(&self) -> Result<Vec<u8>> {
        self.delta(None)
    }

    /// Takes in a delta, late, twice or in any order; gives what changed in the document.
    ///
    /// # Errors
    /// Nothing is taken then. [`Code::Message`] for bytes that are no delta, [`Code::ForeignDocument`] for one of a
    /// document that was born apart, [`Code::NotReady`] where others are missing before it, [`Code::Stale`] where one side
    /// settled what the other had not seen.
    pub fn apply(&mut self, bytes: &[u8], wall_ms: u64) -> Result<Vec<Change>> {
        let (genesis, delta) = unpack_delta(bytes)?;
        if genesis != self.genesis() {
            return Err(Error::new(Code::ForeignDocument, "the delta belongs to a document that was founded apart")
                .with_hint("start every replica from one: by `fork`, or by `load` of what it saved"));
        }
        let before = self.value.clone();
        self.take(&delta, wall_ms)?;
        Ok(diff(&before, &self.value))
    }

    fn take(&mut self, delta: &Delta, wall_ms: u64) -> Result<()> {
        match self.replica.apply(delta, wall_ms)? {
            // A snapshot stands on what no effect names.
            Applied::Advanced { .. } if delta.base.is_some() => self.value = self.replica.view().value,
            Applied::Advanced { effect, .. } => self.replica.advance_in_place(&mut self.value, &effect),
            Applied::Duplicate => {}
            Applied::Gap => {
                return Err(Error::new(Code::NotReady, "the delta follows others that are missing here")
                    .with_hint("ask for the delta since what `version` gives here"));
            }
            Applied::Behind => {
                return Err(Error::new(Code::Stale, "the sender settled its document beyond what was seen here")
                    .with_hint("load what it saves, and write again what it has not seen"));
            }
            Applied::Refused { author } => {
                let message = format!("`{author}` wrote without having seen what was settled here");
                return Err(Error::new(Code::Stale, message)
                    .with_hint("settle only when every replica has everything; let that one load what is saved here"));
            }
        }
        Ok(())
    }

    /// What writers disagree on, by path: decided by a rule, or open.
    pub fn conflicts(&self) -> Vec<Disagreement> {
        self.replica.view().disagreements
    }

    /// Drops the history and keeps the value. The caller vouches that every replica has seen all that this one has, and
    /// has written nothing since that is not here; writes of one that had not are refused here ever after.
    ///
    /// # Errors
    /// [`Code::Internal`] where the value would change; nothing is dropped then.
    pub fn settle(&mut self) -> Result<()> {
        let view = self.replica.view();
        self.replica.settle(&view).map(drop)
    }
}

/// A frame that stands alone.
fn pack(message: &Message) -> Result<Vec<u8>> {
    let mut encoder = Encoder::new(WireOptions { compress_min_bytes: None, ..WireOptions::default() });
    let mut wire = Wire::default();
    wire.agree(&encoder.offer(), &encoder.offer())?;
    let frame = encoder.encode(message, &mut wire, String::new);
    if frame.len() > MAX_FRAME_BYTES {
        let message = format!("the document takes {} bytes, more than {MAX_FRAME_BYTES}", frame.len());
        return Err(Error::new(Code::TooLarge, message).with_hint("settle it, or hold less in it"));
    }
    Ok(frame.as_bytes().to_vec())
}

fn unpack(bytes: &[u8]) -> Result<Message> {
    Ok(Wire::default().decode(FrameRef::Binary(bytes))?.0)
}

fn unpack_delta(bytes: &[u8]) -> Result<(Genesis, Delta)> {
    match unpack(bytes)? {
        Message::Delta { genesis, delta, .. } => Ok((genesis, delta)),
        _ => Err(Error::new(Code::Message, "these bytes are no delta").with_hint("take what `delta` or `save` gives")),
    }
}

fn unpack_version(bytes: &[u8]) -> Result<crate::clock::VersionVector> {
    match unpack(bytes)? {
        Message::Ack { seen, .. } => Ok(seen),
        _ => Err(Error::new(Code::Message, "these bytes are no version").with_hint("take what `version` gives")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn founded(rules: &str) -> Document {
        let rules = crate::format::parse(rules, crate::format::Format::Json).unwrap();
        Document::found(id(1), Genesis::from_bytes([9; 16]), Policy::from_value(&rules).unwrap())
    }

    fn id(byte: u8) -> ReplicaId {
        ReplicaId::from_bytes([byte; 16])
    }

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap()
    }

    fn sync(from: &Document, to: &mut Document) -> Vec<Change> {
        to.apply(&from.delta(Some(&to.version().unwrap())).unwrap(), 50).unwrap()
    }

    #[test]
    fn replicas_that_exchange_deltas_show_the_same_and_say_what_changed() {
        let mut one = founded("[]");
        assert!(one.set(&path("a.kept"), 0.into(), None, 9).unwrap());
        assert!(one.set(&path("a.x"), 1.into(), None, 10).unwrap());
        assert!(!one.set(&path("a.x"), 1.into(), None, 11).unwrap());
        let mut two = one.fork(id(2));
        let mut three = Document::load(id(3), &one.save().unwrap(), Policy::default()).unwrap();
        two.set(&path("a.y"), 2.into(), None, 12).unwrap();
        three.unset(&path("a.x"), None, 13).unwrap();
        let changes = sync(&two, &mut one);
        assert_eq!(changes.iter().map(|change| change.path.to_string()).collect::<Vec<_>>(), ["a.y"]);
        assert_eq!(sync(&two, &mut one), []);
        sync(&three, &mut one);
        sync(&one, &mut two);
        sync(&one, &mut three);
        assert_eq!((one.value(), two.value()), (two.value(), three.value()));
        assert_eq!(one.value().at(&path("a.y")), Some(&2.into()));
        assert_eq!(one.value().at(&path("a.x")), None);
    }

    #[test]
    fn a_delta_is_refused_that_is_garbage_foreign_or_early() {
        let mut one = founded("[]");
        let born = one.version().unwrap();
        let mut two = one.fork(id(2));
        one.set(&path("a"), 1.into(), None, 10).unwrap();
        let seen = one.version().unwrap();
        one.set(&path("b"), 1.into(), None, 11).unwrap();
        let early = one.delta(Some(&seen)).unwrap();
        let code = |outcome: Result<Vec<Change>>| outcome.unwrap_err().code();
        assert_eq!(code(two.apply(&early, 12)), Code::NotReady);
        for garbage in [&b""[..], b"\xb1", b"\xb1\xff\xff", b"hello", &born] {
            assert_eq!(code(two.apply(garbage, 12)), Code::Message, "{garbage:?}");
        }
        let foreign = Document::found(id(3), Genesis::from_bytes([8; 16]), Policy::default());
        assert_eq!(code(two.apply(&foreign.save().unwrap(), 12)), Code::ForeignDocument);
        assert_eq!(two.value(), &Value::empty_map());
        assert_eq!(one.delta(Some(&early)).unwrap_err().code(), Code::Message);
        assert_eq!(Document::load(id(4), &early, Policy::default()).unwrap_err().code(), Code::Message);
        assert_eq!(one.set(&path("a"), 2.into(), Some(&seen), 13).unwrap_err().code(), Code::Stale);
        assert!(one.set(&path("a"), 2.into(), Some(&one.version().unwrap()), 13).unwrap());
    }

    #[test]
    fn settling_keeps_the_value_and_refuses_those_who_had_not_seen_it() {
        let mut one = founded("[]");
        for at in 0..20 {
            one.set(&path("a"), at.into(), None, 10).unwrap();
            one.set(&path(&format!("m.k{at}")), at.into(), None, 10).unwrap();
        }
        let mut late = one.fork(id(2));
        one.set(&path("b"), 1.into(), None, 11).unwrap();
        let mut fresh = one.fork(id(3));
        late.set(&path("late"), 1.into(), None, 20).unwrap();
        let before = one.value().clone();
        one.settle().unwrap();
        assert_eq!(one.value(), &before);
        assert_eq!(one.apply(&late.save().unwrap(), 21).unwrap_err().code(), Code::Stale);
        assert_eq!(Document::load(id(4), &one.save().unwrap(), Policy::default()).unwrap().value(), &before);
        one.set(&path("a"), true.into(), None, 22).unwrap();
        sync(&one, &mut fresh);
        assert_eq!(one.value(), fresh.value());
    }

    #[test]
    fn an_open_conflict_is_listed_until_it_is_resolved() {
        let mut one = founded(r#"[{"pattern": "**", "conflict": "manual_resolution"}]"#);
        one.set(&path("a"), 0.into(), None, 1).unwrap();
        let mut two = one.fork(id(2));
        one.set(&path("a"), 1.into(), None, 2).unwrap();
        two.set(&path("a"), 2.into(), None, 3).unwrap();
        sync(&two, &mut one);
        assert_eq!(one.conflicts().iter().map(Disagreement::is_open).collect::<Vec<_>>(), [true]);
        let shown = one.value().at(&path("a")).unwrap().clone();
        assert!(!one.set(&path("a"), shown.clone(), None, 4).unwrap());
        assert!(one.resolve(&path("a"), shown.clone(), 5).unwrap());
        assert_eq!(one.conflicts(), []);
        sync(&one, &mut two);
        assert_eq!((two.conflicts(), two.value()), (vec![], one.value()));
    }
}
