//! Fields, reasons and rows that many operations begin from.

use crate::api::operation::{Door, Doors, Field, Operation, Place, Reply, Right, Type};
use crate::error::{Code, Error};
use crate::path::Path;

/// Why a function of its arguments has no way over HTTP and for guests.
pub(super) const NO_INSTANCE: Door = Door::Shut("it is a function of its arguments: nobody has to be asked");
/// Why a page has no call of its own for it.
pub(super) const OVER_HTTP: Door = Door::Shut("a page asks its instance for it over HTTP");
/// Why guests have no message for it.
pub(super) const GUESTS_DO_NOT_OPERATE: Door =
    Door::Shut("guests follow and write a document, and do not run instances");
/// Why something of one's own program has no way in from outside.
pub(super) const IN_THE_PROGRAM: Door = Door::Shut("it is about the object that the program holds");

/// A row of a running instance; each says which doors differ.
pub(super) const ASKED: Operation = Operation {
    name: "",
    about: "",
    more: "",
    right: Right::Read,
    request: &[],
    reply: Reply::Nothing,
    doors: Doors {
        rust: Door::Shut(""),
        http: Door::Shut(""),
        command: Door::Shut(""),
        python: Door::Shut(""),
        node: Door::Shut(""),
        browser: OVER_HTTP,
        guest: GUESTS_DO_NOT_OPERATE,
    },
    fits: |_| Ok(()),
    begin: None,
};

/// A row of something that a program has in its own hands.
pub(super) const OWN: Operation = Operation {
    right: Right::Nothing,
    doors: Doors { http: NO_INSTANCE, guest: NO_INSTANCE, command: IN_THE_PROGRAM, ..ASKED.doors },
    ..ASKED
};

/// One function, under the same name in Python, Node and browsers.
pub(super) const fn function(
    (name, about): (&'static str, &'static str),
    request: &'static [Field],
    reply: Reply,
    rust: &'static [&'static str],
    command: Door,
    python: Door,
    node: Door,
) -> Operation {
    let doors = Doors { rust: Door::Open(rust), command, python, node, browser: node, ..OWN.doors };
    Operation { name, about, request, reply, doors, ..OWN }
}

pub(super) const fn field(name: &'static str, kind: Type, about: &'static str) -> Field {
    Field::new(name, kind, about)
}

/// The path that an operation is about, in the query.
pub(super) const PATH: Field = field("path", Type::Path, "the path").at(Place::Query);
/// Whether secrets are masked.
pub(super) const MASK: Field = field("mask", Type::Flag, "whether secrets are masked; no").at(Place::Query).optional();
/// Over a first value.
pub(super) const FORCE: Field =
    field("force", Type::Flag, "write also over a first value that a rule keeps").at(Place::Query).optional();
/// Under a lock.
pub(super) const FENCE: Field =
    field("fence", Type::Count, "the token of the lock that is held").at(Place::Query).optional();
/// In whose name.
pub(super) const USER: Field =
    field("user", Type::Text, "who writes, for those who look at conflicts").at(Place::Query).optional();
/// Why.
pub(super) const MESSAGE: Field =
    field("message", Type::Text, "why, for those who look at the history").at(Place::Query).optional();
/// On which version.
pub(super) const IF_VERSION: Field =
    field("if_version", Type::Text, "write only if this is the version; `none` where nothing is")
        .at(Place::Elsewhere)
        .optional();
/// On which document.
pub(super) const IF_HASH: Field =
    field("if_hash", Type::Text, "write only if this is the document's digest, or its hash")
        .at(Place::Elsewhere)
        .optional();
/// The condition as HTTP has it.
pub(super) const IF_MATCH: Field = field(
    "If-Match",
    Type::Text,
    "write only if this is the digest (or the hash) of the document or the version of the path, as an ETag has them",
)
.at(Place::Header)
.optional();
/// The other one.
pub(super) const IF_NONE_MATCH: Field =
    field("If-None-Match", Type::Text, "`*` to write only where nothing is").at(Place::Header).optional();

/// Nothing stands there.
pub(super) fn nothing_at(path: &Path) -> Error {
    Error::new(Code::NotFound, format!("nothing is at `{path}`")).with_path(path.clone())
}

/// No such document.
pub(in crate::api) fn no_document(name: &crate::id::DocumentName) -> Error {
    Error::new(Code::UnknownDocument, format!("there is no document `{name}` here"))
}

/// A list of what has a form.
pub(super) fn list<T>(items: &[T], shown: impl Fn(&T) -> crate::Value) -> crate::Value {
    items.iter().map(shown).collect::<Vec<_>>().into()
}
