//! Conflicts: listed, and settled; and the trail of how they ended.

use super::fields::{ASKED, FENCE, FORCE, MESSAGE, USER, field, list};
use crate::api::call::{Begun, Call};
use crate::api::operation::{CALL, Door, Doors, Field, Operation, Place, Reply, Right, Type};
use crate::api::shapes::{AUDIT_ENTRY, CONFLICT, RECEIPT};
use crate::canonical::ContentHash;
use crate::engine::{Choice, Command, Conflict, WriteTerms};
use crate::error::{Code, Error, Result};

const ID: Field = field("id", Type::Text, "the conflict's id, as `conflicts` lists it").at(Place::Url);
static LISTED: Field = field("conflicts", Type::List(&Type::Record(&CONFLICT)), "the conflicts, by path");
static ENTRIES: Field =
    field("entries", Type::List(&Type::Record(&AUDIT_ENTRY)), "the newest entries, oldest first, at most 1,024");

pub(super) static CONFLICTS: Operation = Operation {
    name: "conflicts",
    about: "What instances wrote at the same time in different ways and waits for a decision.",
    more: "With `all` also what a rule decided, so that whatever lost can be seen.",
    request: &[field("all", Type::Flag, "whether those that a rule decided are listed too; no")
        .at(Place::Query)
        .optional()],
    reply: Reply::Only(&LISTED),
    doors: Doors {
        rust: Door::Open(&["Mesh::conflicts"]),
        http: Door::Open(&["GET /conflicts"]),
        command: Door::Open(&["conflicts"]),
        python: Door::Open(&["Mesh.conflicts"]),
        node: Door::Open(&["Mesh.conflicts"]),
        browser: Door::Open(&["ConfigWebSocketClient.call"]),
        guest: Door::Open(&[CALL]),
    },
    begin: Some(|at, call| {
        let found = at.engine.conflicts(at.document, call.flag("all"));
        Ok(Begun::Done(list(&found, Conflict::to_value)))
    }),
    ..ASKED
};

fn id(call: &Call) -> Result<ContentHash> {
    let text = call.text("id").unwrap_or_default();
    text.parse().map_err(|_| {
        Error::new(Code::NotFound, format!("`{text}` names no conflict")).with_hint("list the conflicts again")
    })
}

pub(super) static ASSIGN: Operation = Operation {
    name: "assign",
    about: "Names for every instance who is to decide an open conflict; null withdraws the name.",
    right: Right::Resolve,
    request: &[ID, field("user", Type::OrNull(&Type::Text), "who is to decide; null is anybody")],
    reply: Reply::Record(&RECEIPT),
    doors: Doors {
        rust: Door::Open(&["Mesh::assign"]),
        http: Door::Open(&["POST /conflicts/{id}/assign"]),
        command: Door::Open(&["assign"]),
        python: Door::Open(&["Mesh.assign"]),
        node: Door::Open(&["Mesh.assign"]),
        ..ASKED.doors
    },
    fits: |call| id(call).map(drop),
    begin: Some(|at, call| {
        let command = Command::Assign(id(call)?, call.text("user").map(Into::into));
        Ok(Begun::Writing(at.engine.write(
            at.document,
            command,
            WriteTerms { by: at.who.clone(), ..WriteTerms::default() },
            at.now,
        )))
    }),
    ..ASKED
};

/// The ways to settle one.
const CHOICES: &[&str] = &["take", "value", "keep", "remove"];

fn settled(call: &Call) -> Result<Command> {
    Ok(Command::Resolve(id(call)?, Choice::from_value(&call.only(CHOICES))?))
}

pub(super) static RESOLVE: Operation = Operation {
    name: "resolve",
    about: "Settles a conflict: takes a side by its place in the list, writes a value, keeps what shows, or removes.",
    right: Right::Resolve,
    request: &[
        ID,
        field("take", Type::Count, "which side, by its place in the list, from 0").optional(),
        field("value", Type::Any, "what is written instead").optional(),
        field("keep", Type::Flag, "whether what shows is kept").optional(),
        field("remove", Type::Flag, "whether the path is removed").optional(),
        USER,
        MESSAGE,
        FORCE,
        FENCE,
    ],
    reply: Reply::Record(&RECEIPT),
    doors: Doors {
        rust: Door::Open(&["Mesh::resolve"]),
        http: Door::Open(&["POST /conflicts/{id}/resolve"]),
        command: Door::Open(&["resolve"]),
        python: Door::Open(&["Mesh.resolve"]),
        node: Door::Open(&["Mesh.resolve"]),
        ..ASKED.doors
    },
    fits: |call| settled(call).map(drop),
    begin: Some(|at, call| Ok(Begun::Writing(at.engine.write(at.document, settled(call)?, call.terms(at), at.now)))),
    ..ASKED
};

pub(super) static AUDIT: Operation = Operation {
    name: "audit",
    about: "How conflicts ended, and what came from elsewhere and became of it: the newest 1,024 entries, oldest first.",
    reply: Reply::Only(&ENTRIES),
    doors: Doors {
        rust: Door::Open(&["Mesh::audit"]),
        http: Door::Open(&["GET /audit"]),
        command: Door::Open(&["audit"]),
        python: Door::Open(&["Mesh.audit"]),
        node: Door::Open(&["Mesh.audit"]),
        ..ASKED.doors
    },
    begin: Some(|_, _| Ok(Begun::Asking)),
    ..ASKED
};
