//! What is said of locks.

use super::{Record, needs, record};
use crate::api::operation::Type;

/// Who grants locks.
pub static LOCK_AUTHORITY: Record = Record {
    printed: true,
    ..record(
        "LockAuthority",
        "Who grants the locks of a document.",
        &[
            needs("instance_id", Type::Text, "the instance"),
            needs("epoch", Type::Count, "how many times somebody took that over, from 1; later tokens are greater"),
        ],
    )
};

/// A lock.
pub static LOCK_SHOWN: Record = Record {
    printed: true,
    ..record(
        "Lock",
        "A lock on paths of the document.",
        &[
            needs("key", Type::Pattern, "the paths that it covers"),
            needs("holder", Type::Text, "who holds it"),
            needs("token", Type::Text, "its fencing token, a whole number; greater than that of every lock before"),
            needs("expires_in_ms", Type::Count, "when it ends unless it is renewed, in milliseconds from now"),
        ],
    )
};

/// A lock, as its holder gets it.
pub static LOCK_HELD: Record = Record {
    printed: true,
    ..record(
        "HeldLock",
        "A lock that was granted.",
        &[
            needs("key", Type::Pattern, "the paths that it covers"),
            needs("holder", Type::Text, "who holds it"),
            needs("token", Type::Text, "its fencing token, a whole number: write with it as `fence`"),
            needs("session", Type::Text, "what renews and ends it; nobody else is told"),
            needs("expires_in_ms", Type::Count, "when it ends unless it is renewed, in milliseconds from now"),
        ],
    )
};

/// All of them.
pub static LOCKS_SHOWN: Record = Record {
    printed: true,
    ..record(
        "Locks",
        "The locks of a document.",
        &[
            needs("locks", Type::List(&Type::Record(&LOCK_SHOWN)), "who holds which, the oldest first"),
            needs(
                "authority",
                Type::OrNull(&Type::Record(&LOCK_AUTHORITY)),
                "who grants them; null before the first one",
            ),
        ],
    )
};
