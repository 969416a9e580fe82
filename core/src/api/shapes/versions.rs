//! The records of the kept past.

use super::{Record, needs, record};
use crate::api::operation::Type;

/// Who made a change, and why.
pub static VERSION_WRITE: Record = Record {
    printed: true,
    ..record(
        "VersionWrite",
        "A write in a version.",
        &[
            needs("author", Type::Text, "the replica that wrote it"),
            needs("version", Type::Text, "the author and the number of the write"),
            needs("timestamp", Type::Text, "when it was written"),
            needs("instance_id", Type::OrNull(&Type::Text), "whose replica that is"),
            needs("user", Type::OrNull(&Type::Text), "in whose name"),
            needs("message", Type::OrNull(&Type::Text), "why"),
        ],
    )
};

/// A version.
pub static VERSION: Record = Record {
    printed: true,
    ..record(
        "Version",
        "A visible change of what instances share, as one of them saw it.",
        &[
            needs("id", Type::Count, "its number on this instance"),
            needs("name", Type::Text, "the same as a name: `config_<UTC time>.json`"),
            needs("timestamp", Type::Text, "when it came into force here"),
            needs(
                "digest",
                Type::OrNull(&Type::Text),
                "the digest of what was shared after it: equal on instances that agree",
            ),
            needs("cause", Type::Text, "what brought it: `shared`, `file`, `peer`, `start`"),
            needs("writes", Type::List(&Type::Record(&VERSION_WRITE)), "the writes in it, the newest first, at most 8"),
            needs("changed", Type::List(&Type::Path), "the first paths that it changed, at most 16"),
            needs("count", Type::Count, "how many it changed"),
        ],
    )
};

/// A version with its values.
pub static SHOWN_VERSION: Record = Record {
    printed: true,
    ..record(
        "ShownVersion",
        "A version, what it changed, and what was shared after it.",
        &[
            needs("version", Type::Record(&VERSION), "the version"),
            needs("changes", Type::List(&Type::Map), "each leaf with path, op, old and new; secrets masked"),
            needs("document", Type::Map, "what was shared, secrets masked"),
            needs("lost", Type::List(&Type::Path), "secrets of which nobody kept what they were"),
        ],
    )
};

/// Two versions.
pub static COMPARISON: Record = Record {
    printed: true,
    ..record(
        "VersionComparison",
        "What changed from one version to another.",
        &[
            needs("before", Type::Record(&VERSION), "the version"),
            needs("after", Type::OrNull(&Type::Record(&VERSION)), "the other one; null is what is there now"),
            needs("changes", Type::List(&Type::Map), "the changes: path, op, old and new; secrets masked"),
            needs("lost", Type::List(&Type::Path), "secrets of which nobody kept what they were"),
        ],
    )
};

/// What going back did.
pub static ROLLBACK: Record = Record {
    printed: true,
    ..record(
        "RolledBack",
        "What going back to a version does, by effect.",
        &[
            needs("version", Type::Record(&VERSION), "the version"),
            needs("returns", Type::List(&Type::Map), "what was gone and is there again: path and new"),
            needs("changes", Type::List(&Type::Map), "what has its old value again: path, old and new"),
            needs("goes", Type::List(&Type::Map), "what was not there then: path and old"),
            needs("lost", Type::List(&Type::Path), "secrets that stay, as nobody kept what they were"),
            needs("receipt", Type::OrNull(&Type::Map), "what the write did; null where nothing was written"),
        ],
    )
};
