//! Which notes on members a replica would write: everything else that says who may write a document is made up.

use super::notes::{MEMBERS, SETTLE, is_reserved};
use super::{Assertion, Delta};
use crate::clock::Dot;
use crate::error::{Code, Error, Result};
use crate::id::{Genesis, ReplicaId};
use crate::value::Value;

impl Delta {
    /// Whether its notes on members are such as replicas make, each at the place of one member; and whether it leaves it to
    /// the document's birth if its history is dropped. A note above others would wipe these out for everybody.
    ///
    /// # Errors
    /// [`Code::Message`] where they are not.
    pub(crate) fn check_notes(&self, genesis: Genesis) -> Result<()> {
        let bad = |why: &str| Err(Error::new(Code::Message, format!("malformed delta: {why}")));
        for note in self.items.iter().filter(|item| is_reserved(&item.path)) {
            match note.path.segments() {
                [_, first, rest @ ..]
                    if *first == *SETTLE
                        && (!rest.is_empty()
                            || !is_founding(note, genesis)
                            || note.claim.value() != Some(&true.into())) =>
                {
                    return bad("whether a document drops its history is said at its birth, and never again");
                }
                [_, first, rest @ ..] if *first == *MEMBERS => {
                    let is_member = matches!(rest, [member] if ReplicaId::parse(member).is_some());
                    if !is_member || !note.claim.value().is_some_and(is_standing) {
                        return bad("a note on a member says that it joined, or its last write");
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether it is of the first write of a document.
fn is_founding(note: &Assertion, genesis: Genesis) -> bool {
    note.dot == Dot { replica: genesis.founder(), seq: 1 } && note.context.is_empty()
}

fn is_standing(value: &Value) -> bool {
    *value == true.into() || value.as_u64().is_some()
}
