//! Whole replicas in a program's own hands, without an instance.

use super::fields::{IN_THE_PROGRAM, field, function};
use crate::api::operation::{Door, Field, Operation, Reply, Type};

const PATH: Field = field("path", Type::Path, "the path");
const VALUE: Field = field("value", Type::Any, "the value");
const IF_VERSION: Field = field("if_version", Type::Any, "only where nothing was seen since this version").optional();
const WALL_MS: Field = field("wall_ms", Type::Count, "the time, in milliseconds since 1970").optional();
/// Python and Node have bytes; a list of rows has no type for them but any.
const BYTES: Reply = Reply::Value(Type::Any);

const fn of(
    names: (&'static str, &'static str),
    request: &'static [Field],
    reply: Reply,
    rust: &'static [&'static str],
    open: &'static [&'static str],
) -> Operation {
    function(names, request, reply, rust, IN_THE_PROGRAM, Door::Open(open), Door::Open(open))
}

pub(super) static LOAD: Operation = of(
    ("replica_load", "Another replica of the document that `save` wrote."),
    &[field("data", Type::Any, "what `save` gave"), field("rules", Type::List(&Type::Map), "the rules").optional()],
    BYTES,
    &["Document::load"],
    &["Replica.load"],
);

pub(super) static FORK: Operation = of(
    ("replica_fork", "A second replica that starts from what this one holds, with the same rules."),
    &[field("id", Type::Any, "its author name; a random one").optional()],
    BYTES,
    &["Document::fork"],
    &["Replica.fork"],
);

pub(super) static IDENTITY: Operation = of(
    ("replica_identity", "The author name of a replica, and the birth of its document."),
    &[],
    BYTES,
    &["Document::id", "Document::genesis"],
    &["Replica.id", "Replica.genesis"],
);

pub(super) static VALUE_AT: Operation = of(
    ("replica_value", "The document of a replica, or the value at a path."),
    &[PATH.optional()],
    Reply::Value(Type::Any),
    &["Document::value"],
    &["Replica.value", "Replica.get"],
);

pub(super) static SET: Operation = of(
    ("replica_set", "Writes a value; false where it was there already."),
    &[PATH, VALUE, IF_VERSION, WALL_MS],
    Reply::Value(Type::Flag),
    &["Document::set"],
    &["Replica.set"],
);

pub(super) static UNSET: Operation = of(
    ("replica_unset", "Removes a path; false where nothing was there."),
    &[PATH, IF_VERSION, WALL_MS],
    Reply::Value(Type::Flag),
    &["Document::unset"],
    &["Replica.unset"],
);

pub(super) static RESOLVE: Operation = of(
    ("replica_resolve", "Decides what writers disagree on at a path: as `set`, also where this is what shows."),
    &[PATH, VALUE, WALL_MS],
    Reply::Value(Type::Flag),
    &["Document::resolve"],
    &["Replica.resolve"],
);

pub(super) static VERSION: Operation = of(
    ("replica_version", "What a replica has seen, for `delta` of another one and for `if_version`."),
    &[],
    BYTES,
    &["Document::version"],
    &["Replica.version"],
);

pub(super) static DELTA: Operation = of(
    ("replica_delta", "What a replica lacks that has seen a version; everything where none is given."),
    &[field("since", Type::Any, "the version").optional()],
    BYTES,
    &["Document::delta"],
    &["Replica.delta"],
);

pub(super) static APPLY: Operation = of(
    ("replica_apply", "Takes in a delta, late, twice or in any order; gives what changed."),
    &[field("delta", Type::Any, "the delta"), WALL_MS],
    Reply::Value(Type::List(&Type::Map)),
    &["Document::apply"],
    &["Replica.apply"],
);

pub(super) static SAVE: Operation =
    of(("replica_save", "Everything, for `load`."), &[], BYTES, &["Document::save"], &["Replica.save"]);

pub(super) static CONFLICTS: Operation = of(
    ("replica_conflicts", "What writers disagree on, by path: decided by a rule, or open."),
    &[],
    Reply::Value(Type::List(&Type::Map)),
    &["Document::conflicts"],
    &["Replica.conflicts"],
);

pub(super) static SETTLE: Operation = of(
    ("replica_settle", "Drops the history and keeps the value."),
    &[],
    Reply::Nothing,
    &["Document::settle"],
    &["Replica.settle"],
);
