//! Who says who is a member: which notes on members a replica would write, and by whose key they are signed.
//!
//! A note on a member is `true` once it joined, or the number of its last write once it left; signed it is a list of that,
//! the key of its writer, and the signature. Only such a note is believed where a replica learns of it. What was dropped with
//! its history has no signatures any more: who takes over a document as a newcomer believes its giver.

use super::notes::{MEMBERS, SETTLE, is_reserved};
use super::{Assertion, Delta, Edit, Replica};
use crate::clock::Dot;
use crate::error::{Code, Error, Result};
use crate::id::{Genesis, ReplicaId};
use crate::identity::{Key, Membership, Proof, PublicKey};
use crate::path::Path;
use crate::value::Value;

/// What a note says of a member: nothing where it is no such note; then the number of its last write, where it left.
pub(super) fn standing(value: &Value) -> Option<Option<u64>> {
    let said = value.as_list().map_or(Some(value), |list| list.iter().next())?;
    if *said == true.into() { Some(None) } else { said.as_u64().map(Some) }
}

/// The same note without its signature.
pub(super) fn unsigned(value: &Value) -> Value {
    match (value.as_list(), standing(value)) {
        (Some(_), Some(last)) => last.map_or(true.into(), Value::from),
        _ => value.clone(),
    }
}

/// The member that a note below the reserved key speaks of.
fn member(place: &Path) -> Option<ReplicaId> {
    match place.segments() {
        [first, member] if *first == *MEMBERS => ReplicaId::parse(member),
        _ => None,
    }
}

/// Signs what notes say of members with the key of who is about to write them.
pub fn signed(notes: &[Edit], genesis: Genesis, key: &Key) -> Vec<Edit> {
    let sign = |note: &Edit| {
        let (member, value) = (member(&note.path)?, note.value.as_ref()?);
        let last = standing(value)?;
        let proof = key.sign_member(&Membership { genesis, member, last })?;
        let list: Vec<Value> = vec![unsigned(value), key.public().to_string().into(), hex(&proof).into()];
        Some(Edit { path: note.path.clone(), value: Some(list.into()) })
    };
    notes.iter().map(|note| sign(note).unwrap_or_else(|| note.clone())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(digits).collect();
    bytes?.try_into().ok()
}

/// Whose key signed a note, and the signature.
fn signature(value: &Value) -> Option<(PublicKey, Proof)> {
    let list: Vec<&Value> = value.as_list()?.iter().collect();
    let [_, key, proof] = list.as_slice() else { return None };
    Some((PublicKey::from_bytes(from_hex(key.as_str()?)?), from_hex(proof.as_str()?)?))
}

/// Whether it is of the first write of a document, which no key signs.
fn is_founding(note: &Assertion, genesis: Genesis) -> bool {
    note.dot == Dot { replica: genesis.founder(), seq: 1 } && note.context.is_empty()
}

fn bad(why: &str) -> Error {
    Error::new(Code::Message, format!("malformed delta: {why}"))
}

fn place(note: &Assertion) -> Path {
    note.path.segments().iter().skip(1).cloned().collect()
}

impl Delta {
    /// The notes on members, each with the member and what is said of it.
    fn on_members(&self) -> impl Iterator<Item = (&Assertion, ReplicaId, Option<u64>)> {
        let notes = self.items.iter().filter(|item| is_reserved(&item.path));
        notes.filter_map(|note| Some((note.as_ref(), member(&place(note))?, standing(note.claim.value()?)?)))
    }

    /// Whether its notes on members are such as replicas make, each at the place of one member; and whether it leaves it to
    /// the document's birth if its history is dropped. A note above others would wipe these out for everybody.
    ///
    /// # Errors
    /// [`Code::Message`] where they are not.
    pub(crate) fn check_notes(&self, genesis: Genesis) -> Result<()> {
        for note in self.items.iter().filter(|item| is_reserved(&item.path)) {
            match note.path.segments() {
                [_, first, rest @ ..] if *first == *SETTLE => {
                    let is_said = rest.is_empty() && note.claim.value() == Some(&true.into());
                    let is_settled = is_said && is_founding(note, genesis);
                    is_settled.then_some(()).ok_or_else(|| {
                        bad("whether a document drops its history is said at its birth, and never again")
                    })?;
                }
                [_, first, ..] if *first == *MEMBERS => {
                    let said = member(&place(note)).zip(note.claim.value().and_then(standing));
                    let Some((member, last)) = said else {
                        return Err(bad("a note on a member says that it joined, or its last write"));
                    };
                    let founder = genesis.founder();
                    let is_its_own = is_founding(note, genesis) && (last.is_none() || member == founder);
                    if note.dot.replica == founder && !is_its_own {
                        return Err(bad("the first write of a document takes out nobody else"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Replica {
    /// Whether the notes on members that a delta brings here are signed by the key of their writer. Who makes a member of
    /// itself takes out a former name with it, so that no members are added unless one says so. That name may be of a key that
    /// was lost.
    ///
    /// Without a signature, from before there were any, are only notes that are here already.
    ///
    /// # Errors
    /// [`Code::Message`] where they are not.
    pub(crate) fn check_signatures(&self, delta: &Delta) -> Result<()> {
        let genesis = self.genesis;
        // Of a whole document, which may take the place of this one, everything counts, whatever was seen under its names.
        let is_whole = delta.since.is_empty();
        let is_here = |note: &Assertion| {
            let mut held = self.reserved.at(&note.path).iter();
            (!is_whole && self.seen.contains(note.dot)) || held.any(|held| **held == *note)
        };
        for (note, member, last) in delta.on_members() {
            let writer = note.dot.replica;
            if is_here(note) || is_founding(note, genesis) {
                continue;
            }
            let Some((key, proof)) = note.claim.value().and_then(signature) else {
                return Err(bad("a note on a member bears no signature"));
            };
            if !key.has_name(writer) || !key.signed_member(&Membership { genesis, member, last }, &proof) {
                return Err(bad("a note on a member is not signed by the key of its writer"));
            }
            let mut same = delta.on_members().filter(|(other, ..)| other.dot == note.dot);
            if member == writer && last.is_none() && !same.any(|(_, _, last)| last.is_some()) {
                return Err(bad("who joins without a member that says so takes the place of nobody"));
            }
        }
        Ok(())
    }

    /// Whether a note that says this is in force.
    pub(super) fn is_noted(&self, note: &Edit) -> bool {
        let said =
            note.value.as_ref().map(|value| if member(&note.path).is_some() { unsigned(value) } else { value.clone() });
        self.notes().at(&note.path) == said.as_ref()
    }
}
