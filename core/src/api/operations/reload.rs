//! Looking at every source now.

use super::fields::{ASKED, field};
use crate::api::call::Begun;
use crate::api::operation::{Door, Doors, Operation, Reply, Right, Type};
use crate::api::shapes::{PROBLEM, Record, record};

static FAILED: Record = Record {
    printed: true,
    ..record(
        "FailedSource",
        "A source whose newest content is not in force.",
        &[
            field("source", Type::Text, "the source's id, or what of the document is refused"),
            field("error", Type::Record(&PROBLEM), "what is wrong with it"),
        ],
    )
};

static RELOADED: Record = Record {
    printed: true,
    ..record(
        "Reloaded",
        "What looking at every source came to.",
        &[
            field("revision", Type::Count, "the number of the document after it"),
            field("changed", Type::List(&Type::Path), "the paths that changed"),
            field("failed", Type::List(&Type::Record(&FAILED)), "what is not in force as it lies there"),
        ],
    )
};

pub(super) static RELOAD: Operation = Operation {
    name: "reload",
    about: "Looks at every file, the bound file and every source that is polled at once, and says what changed and what failed.",
    more: "They are watched and asked anyway: this is for those who do not want to wait. A polled source has ten seconds.",
    right: Right::Operate,
    reply: Reply::Record(&RELOADED),
    doors: Doors {
        rust: Door::Open(&["Mesh::call"]),
        http: Door::Open(&["POST /reload"]),
        command: Door::Open(&["reload"]),
        python: Door::Open(&["Mesh.reload"]),
        node: Door::Open(&["Mesh.reload"]),
        ..ASKED.doors
    },
    begin: Some(|_, _| Ok(Begun::Asking)),
    ..ASKED
};
