//! Who says who is a member: which notes on members a replica would write, and by whose key they are signed.
//!
//! A note on a member is `true` once it joined, or the number of its last write once it left; signed it is a list of that,
//! the key of its writer and the signature, and where a writer joins by its own word, of the former name whose place it takes.
//! Whether a note is good follows from itself and the document alone, so all replicas say the same, whatever they know. What
//! was dropped with its history has no signatures any more: who takes over a document as a newcomer believes its giver.

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

/// Signs what notes say of members with the key of who is about to write them. Who joins by its own word takes the place of
/// a name of the same key that leaves with it.
pub fn signed(notes: &[Edit], genesis: Genesis, key: &Key) -> Vec<Edit> {
    let public = key.public();
    let said = |note: &Edit| Some((member(&note.path)?, standing(note.value.as_ref()?)?));
    let mut gone = notes.iter().filter_map(said).filter(|(name, last)| last.is_some() && public.has_name(*name));
    let former = gone.next().map(|(name, _)| name);
    let sign = |note: &Edit| {
        let (member, last) = said(note)?;
        let former = former.filter(|_| last.is_none() && public.has_name(member));
        let proof = key.sign_member(&Membership { genesis, member, last, former })?;
        let list = [last.map_or(true.into(), Value::from), public.to_string().into(), hex(&proof).into()];
        let list: Vec<Value> = list.into_iter().chain(former.map(|name| name.to_string().into())).collect();
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

/// Who signed a note.
struct Signature {
    key: PublicKey,
    proof: Proof,
    /// The name whose place its writer takes.
    former: Option<ReplicaId>,
}

impl Signature {
    fn of(value: &Value) -> Option<Signature> {
        let list: Vec<&Value> = value.as_list()?.iter().collect();
        let (key, proof, former) = match list.as_slice() {
            [_, key, proof] => (key, proof, None),
            [_, key, proof, former] => (key, proof, Some(ReplicaId::parse(former.as_str()?)?)),
            _ => return None,
        };
        Some(Signature {
            key: PublicKey::from_bytes(from_hex(key.as_str()?)?),
            proof: from_hex(proof.as_str()?)?,
            former,
        })
    }
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
    /// Whether its notes on members are such as replicas make, each at the place of one member and signed by the key of its
    /// writer; and whether it leaves it to the document's birth if its history is dropped. A note above others would wipe these
    /// out for everybody.
    ///
    /// # Errors
    /// [`Code::Message`] where they are not.
    pub(crate) fn check_notes(&self, genesis: Genesis) -> Result<()> {
        for note in self.items.iter().filter(|item| is_reserved(&item.path)) {
            match note.path.segments() {
                [_, first, rest @ ..]
                    if *first == *SETTLE
                        && (!rest.is_empty()
                            || !is_founding(note, genesis)
                            || note.claim.value() != Some(&true.into())) =>
                {
                    return Err(bad("whether a document drops its history is said at its birth, and never again"));
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
                    check_signature(note, genesis, member, last)?;
                }
                [_] => return Err(bad("a note stands below the reserved key, never at it")),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether a note on a member is signed by the key of its writer. Who joins by its own word names a former name of the same
/// key: everybody else asks a member.
fn check_signature(note: &Assertion, genesis: Genesis, member: ReplicaId, last: Option<u64>) -> Result<()> {
    if is_founding(note, genesis) {
        return Ok(());
    }
    let Some(Signature { key, proof, former }) = note.claim.value().and_then(Signature::of) else {
        return Err(bad("a note on a member bears no signature"));
    };
    let writer = note.dot.replica;
    if !key.has_name(writer) || !key.signed_member(&Membership { genesis, member, last, former }, &proof) {
        return Err(bad("a note on a member is not signed by the key of its writer"));
    }
    let takes_own_place = former.is_some_and(|former| former != writer && key.has_name(former));
    if member == writer && last.is_none() && !takes_own_place {
        return Err(bad("who joins by its own word takes the place of a name of its own"));
    }
    Ok(())
}

impl Replica {
    /// Whether a note that says this is in force.
    pub(super) fn is_noted(&self, note: &Edit) -> bool {
        let said =
            note.value.as_ref().map(|value| if member(&note.path).is_some() { unsigned(value) } else { value.clone() });
        self.notes().at(&note.path) == said.as_ref()
    }
}
