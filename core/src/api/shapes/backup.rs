//! The records of backups.

use super::{Record, needs, record};
use crate::api::operation::Type;

/// What a backup holds.
pub static BACKED_UP: Record = Record {
    printed: true,
    ..record(
        "BackedUp",
        "What a backup holds.",
        &[
            needs("made", Type::Text, "when it was made, in UTC"),
            needs("version", Type::Text, "the version of confmesh that made it"),
            needs("documents", Type::List(&Type::Text), "the documents in it"),
            needs("records", Type::Count, "how many records of the store it holds"),
        ],
    )
};

/// A backup.
pub static BACKUP: Record = Record {
    printed: true,
    ..record(
        "Backup",
        "A backup of a running instance.",
        &[
            needs("made", Type::Text, "when it was made, in UTC"),
            needs("version", Type::Text, "the version of confmesh that made it"),
            needs("documents", Type::List(&Type::Text), "the documents in it"),
            needs("records", Type::Count, "how many records of the store it holds"),
            needs("data", Type::Text, "the file as base64: decoded, `confmesh restore` takes it"),
        ],
    )
};

/// What a restore did.
pub static RESTORED: Record = Record {
    printed: true,
    ..record(
        "Restored",
        "What a restore did.",
        &[
            needs("backup", Type::Record(&BACKED_UP), "what the backup holds"),
            needs("kept", Type::OrNull(&Type::Text), "where the store is that was there; null where there was none"),
        ],
    )
};
